"""The results of a sweep: a folder with `sweep.json` and one Parquet data set, a row a run, safe to be cut off at any moment.

    sweep.json      what was asked, by which version
    runs/part-00001.parquet …    put in place by a rename; `SELECT * FROM 'FOLDER/runs/*.parquet'` has all of them
    journal.jsonl   finished runs that are not in a part yet; a row is a line, a torn last line counts as not played

A row counts once by its key, wherever it stands: a cut between a new part and the emptied journal leaves it in both.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scenarios.store import packing, write_json
from scenarios.whatif.measures import MEASURES
from scenarios.whatif.play import Plan, code_version
from scenarios.whatif.spec import Spec
from twin.errors import BatchtwinError

EVERY_S = 20.0  # between parts: few files, little time
ABOUT, JOURNAL = "sweep.json", "journal.jsonl"
BESIDE = (*MEASURES, "wall_s")


def schema(spec: Spec) -> pa.Schema:
    """Columns of the data set: what a run is, its factors, how it ended, its measures."""
    text, whole, number = pa.string(), pa.int64(), pa.float64()
    about = [("key", text), ("number", whole), ("point", whole), ("variant", text), ("scenario", text), ("design", text), ("seed", whole)]
    factors = [(path, number if is_number(spec, path) else text) for path in spec.factors]
    end = [("state", text), ("error", text), *((m, number) for m in BESIDE), ("clauses", text), ("state_hash", text)]
    return pa.schema(about + factors + end)


def is_number(spec: Spec, path: str) -> bool:
    """Are all values of a factor numbers?"""
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in spec.range(path).ends)


class Results:
    """Writes the results of a plan; opened again it knows what has been played.

    Attributes:
        done: keys of the runs that have ended.

    Raises:
        BatchtwinError: E202 for a folder with something else in it or that another process fills, E507 for another sweep's, E203 when it
            cannot be written.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self._schema = path, schema(plan.spec)
        about = {"spec": plan.spec.model_dump(mode="json"), "version": code_version(), "runs": len(plan), "prices": plan.prices.model_dump(mode="json"),
                 "bases": [plan.key(i * len(plan.spec.all_seeds)) for i in range(len(plan.bases))]}  # fmt: skip
        about = json.loads(json.dumps(about, default=str))
        with self._told():
            if path.exists() and not (path / ABOUT).is_file() and (not path.is_dir() or any(path.iterdir())):
                raise BatchtwinError("E202", path=path)
            (path / "runs").mkdir(parents=True, exist_ok=True)
            self._lock = open(path / "sweep.lock", "w")  # noqa: SIM115 - held for the life of the sweep
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BatchtwinError("E202", path=path) from None
            if (path / ABOUT).is_file():
                was = read_about(path)
                differs = next((k for k in about if was.get(k) != about[k]), None)
                if differs:
                    raise BatchtwinError("E507", path=path, what=differs)
            else:
                write_json(path / ABOUT, about)
            in_parts = set(_keys(path))
            self._rows = [row for row in _journal(path) if row["key"] not in in_parts]
            self.done = in_parts | {row["key"] for row in self._rows}
            self._part = max((int(p.stem[5:]) for p in (path / "runs").glob("part-*.parquet")), default=0)
            self._journal = open(path / JOURNAL, "ab")  # noqa: SIM115
            self.flush()
            self._journal.truncate(0)  # a torn row, too

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BatchtwinError("E203", path=self.path, problem=error.strerror or "write failed") from None

    def add(self, row: dict[str, Any]) -> None:
        """A run has ended; its row is on its way to the disk when this returns.

        Raises:
            BatchtwinError: E203 when it cannot be written; what was written before stays.
        """
        if row["key"] in self.done:
            return
        row = {name: _plain(row.get(name), kind) for name, kind in zip(self._schema.names, self._schema.types, strict=True)}
        with self._told():
            self._journal.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            self._journal.flush()
        self._rows.append(row)
        self.done.add(row["key"])
        if time.monotonic() - self._flushed > EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write a part of what is only in the journal, then empty it.

        Raises:
            BatchtwinError: E203.
        """
        self._flushed = time.monotonic()
        if not self._rows:
            return
        target = self.path / "runs" / f"part-{self._part + 1:05d}.parquet"
        with self._told():
            pq.write_table(pa.Table.from_pylist(self._rows, schema=self._schema), target.with_suffix(".tmp"), **packing(self._schema))
            os.replace(target.with_suffix(".tmp"), target)
            self._part += 1
            self._rows = []
            self._journal.truncate(0)

    def close(self) -> None:
        """Write what is left and let others in; a folder in which nothing has been played goes again."""
        try:
            self.flush()
        finally:
            self._journal.close()
            if not self.done:
                with suppress(OSError):
                    for name in (ABOUT, JOURNAL, "sweep.lock"):
                        (self.path / name).unlink()
                    (self.path / "runs").rmdir()
                    self.path.rmdir()
            self._lock.close()


def _plain(value: Any, kind: pa.DataType) -> Any:
    if value is None or (isinstance(value, float) and value != value):
        return None
    if pa.types.is_string(kind):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return float(value) if pa.types.is_floating(kind) else int(value)


def _keys(path: Path) -> Iterator[str]:
    for part in sorted((path / "runs").glob("part-*.parquet")):
        yield from pq.read_table(part, columns=["key"])["key"].to_pylist()


def _journal(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of the journal; one that was torn in the middle is none."""
    try:
        lines = (path / JOURNAL).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return
    for line in lines:
        if line.endswith(b"\n"):
            yield json.loads(line)


def read_about(path: Path) -> dict[str, Any]:
    """What a folder's sweep was asked.

    Raises:
        BatchtwinError: E505 when it is none.
    """
    try:
        about: dict[str, Any] = json.loads((path / ABOUT).read_text(encoding="utf-8"))
        Spec.model_validate(about["spec"])
    except FileNotFoundError:
        raise BatchtwinError("E505", path=path, problem="there is no sweep.json") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise BatchtwinError("E505", path=path, problem="sweep.json cannot be read") from None
    return about


class Sweep:
    """The results of a sweep, also of one that is still going on.

    Attributes:
        about: what was asked; `spec` its sweep.
        rows: a row a run that has ended, in the order of the plan.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.about = read_about(self.path)
        self.spec = Spec.model_validate(self.about["spec"])
        parts = [pq.read_table(p) for p in sorted((self.path / "runs").glob("part-*.parquet"))]
        own = schema(self.spec)
        found = {
            row["key"]: row for table in [*parts, pa.Table.from_pylist(list(_journal(self.path)), schema=own)] for row in table.to_pylist()
        }
        self.rows: list[dict[str, Any]] = sorted(found.values(), key=lambda row: row["number"])

    @cached_property
    def complete(self) -> list[dict[str, Any]]:
        """Runs that did not fail."""
        return [row for row in self.rows if row["state"] == "complete"]

    @cached_property
    def measures(self) -> list[str]:
        """Measures that at least one run has."""
        return [m for m in MEASURES if any(row[m] is not None for row in self.rows)]
