"""The run store: a folder with `run.json` and Parquet tables, written as the run goes and safe to be cut off.

Rows are buffered and written as numbered parts, each complete in itself and put in place by a rename; at most a few
seconds of wall time are ever unwritten. The newest part is written anew with what came since, until it is large enough:
a day of a run that goes at the pace of the clock is seventy files, not thirty thousand. A lock held while writing tells a run that is still going from one that was cut.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scenarios.judging.integrity import sealed
from scenarios.later import Later, Rows, made
from scenarios.overview import BLOCK, write_blocks
from scenarios.recent import Recent
from twin.errors import BatchtwinError

FLUSH_S = 3.0  # wall seconds between flushes; what a kill can lose, and a little for the write
FLUSH_BYTES = 64_000_000
PART_ROWS = BLOCK  # from which a part is left as it is
MANY_PARTS = 96  # files a table that readers open without delay; merging a year's 30 would cost a sixth of its run
WHOLE = "whole.parquet"  # a table merged into one file; any parts beside it are its remains


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a JSON file in one stroke."""
    part = path.with_suffix(".tmp")
    part.write_text(json.dumps(data, indent=1, ensure_ascii=False, default=str), encoding="utf-8")
    os.replace(part, path)


def must_be_free(folder: Path) -> None:
    """Raise E202 for a folder that is there and not empty, or for a file in its place."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BatchtwinError("E202", path=folder)


def packing(schema: pa.Schema) -> dict[str, Any]:
    """How the columns of a table are packed. Scaled integers change little from row to row: deltas pack them tightly."""
    return {
        "compression": "zstd",
        "use_dictionary": [f.name for f in schema if pa.types.is_string(f.type)],
        "column_encoding": {f.name: "DELTA_BINARY_PACKED" for f in schema if pa.types.is_integer(f.type)},
        "write_statistics": ["time_s"],  # whoever reads a part asks for a span of time, not for values
    }


class RunWriter:
    """Writes one run.

    Args:
        path: folder of the run; made here, must be new or empty.
        info: content of `run.json`.

    Attributes:
        recent: keeps the newest rows of the tags table at hand; None for a run that nobody asks while it goes on.

    Raises:
        BatchtwinError: E202 when the folder is in use, E203 when it cannot be written.
    """

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        must_be_free(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = open(path / "run.lock", "w")  # noqa: SIM115 - held for the life of the run
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.path = path
            self.info = info | {"state": "running"}
            write_json(path / "run.json", self.info)
        except OSError as error:
            raise BatchtwinError("E203", path=path, problem=error.strerror or "not writable") from None
        self.recent: Recent | None = None
        self._buffer: dict[str, list[Rows]] = {}
        self._parts: dict[str, int] = {}
        self._rows: dict[str, int] = {}  # of the newest part of each table
        self._open: dict[str, tuple[int, pa.Table]] = {}  # that part, as long as it is small; the writing thread's
        self._flushes = 0
        self._schemas: dict[str, pa.Schema] = {}
        self._bytes = 0
        self._flushed = time.monotonic()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="run-writer")
        self._pending: list[Future[None]] = []

    def append(self, table: str, rows: Rows) -> None:
        """Add rows to a table; they reach the disk within `FLUSH_S`."""
        self._schemas.setdefault(table, rows.schema)
        if rows.num_rows:
            self._buffer.setdefault(table, []).append(rows)
            self._bytes += rows.num_rows * len(rows.schema) * 4  # about; to ask each column is a thirtieth of a year's time
            if table == "tags" and self.recent:
                self.recent.add(made(rows))
            elif isinstance(rows, Later):
                self._pool.submit(rows.table)
        if self._bytes > FLUSH_BYTES:
            self.flush()

    def due(self) -> bool:
        """Is it time for a flush?"""
        return time.monotonic() - self._flushed > FLUSH_S

    def flush(self, wait: bool = False) -> None:
        """Hand the buffered rows to the writing thread.

        Raises:
            BatchtwinError: E203 when an earlier write failed (a full disk, say).
        """
        self._flushed = time.monotonic()
        self._bytes = 0
        self._flushes += 1
        for table, rows in self._buffer.items():
            if self._rows.get(table, PART_ROWS) >= PART_ROWS:
                self._parts[table], self._rows[table] = self._parts.get(table, 0) + 1, 0
            self._rows[table] += sum(r.num_rows for r in rows)
            if table == "tags" and self.recent:
                self.recent.handed_over(self._parts[table], self._flushes)
            self._pending.append(self._pool.submit(self._write, table, self._parts[table], rows, self._flushes))
        self._buffer = {}
        done = [f for f in self._pending if wait or f.done()]
        self._pending = [f for f in self._pending if f not in done]
        for future in done:
            try:
                future.result()
            except OSError as error:
                raise BatchtwinError("E203", path=self.path, problem=error.strerror or "write failed") from None

    def continued(self, path: Path, parts: Path, about: dict[str, Any]) -> RunWriter:
        """The writer of a run that has this one's past, linked and not copied, and goes on by itself. All must have been flushed.

        Args:
            path: folder of the new run.
            parts: folder that `keep_parts` has filled at that moment.
            about: what `run.json` says otherwise.
        """
        other = RunWriter(path, self.info | about)
        _link(parts, path)
        other._parts, other._schemas = dict(self._parts), dict(self._schemas)
        return other

    def keep_parts(self, folder: Path) -> None:
        """Link all parts on disk into another folder, whatever becomes of them here."""
        _link(self.path, folder)

    def _write(self, table: str, number: int, rows: list[Rows], flush: int = 0) -> None:
        folder = self.path / table
        folder.mkdir(exist_ok=True)
        begun, before = self._open.pop(table, (0, None))
        new = [made(r) for r in rows]
        whole = pa.concat_tables([before, *new] if begun == number else new).combine_chunks()
        self._write_file(folder / f"part-{number:05d}.parquet", whole)
        if whole.num_rows < PART_ROWS:
            self._open[table] = number, whole
        if table == "tags":
            write_blocks(folder, number, whole)
        if table == "tags" and self.recent:
            self.recent.on_disk = flush

    def _write_file(self, path: Path, rows: pa.Table) -> None:
        part = path.with_suffix(".tmp")
        pq.write_table(rows, part, **packing(rows.schema))
        os.replace(part, path)

    def close(self, state: str, outcome: dict[str, Any]) -> None:
        """Write what is left, merge many small parts, and say how the run ended.

        Raises:
            BatchtwinError: E203 when it cannot be written; the run is `failed` then, as far as that can be told.
        """
        self.info["outcome"] = outcome
        try:
            self.flush(wait=True)
            for table, schema in self._schemas.items():
                if table not in self._parts:  # nothing happened is an answer too
                    self._pool.submit(self._write, table, 1, [schema.empty_table()]).result()
            self._pool.shutdown()
            for table, parts in self._parts.items():
                if parts > MANY_PARTS:
                    self._merge(table)
            self._end(state)
        except (OSError, BatchtwinError) as error:
            self._pool.shutdown()
            with suppress(OSError):
                self._end("failed")
            if isinstance(error, BatchtwinError):
                raise
            raise BatchtwinError("E203", path=self.path, problem=error.strerror or "write failed") from None
        finally:
            self._lock.close()

    def _end(self, state: str) -> None:
        self.info = sealed(self.info | {"state": state}, self.path)
        write_json(self.path / "run.json", self.info)
        (self.path / "run.lock").unlink(missing_ok=True)

    def _merge(self, table: str) -> None:
        """One file a table instead of very many. Once it is in place readers take it alone; then the parts go."""
        folder = self.path / table
        parts = sorted(folder.glob("part-*.parquet"))
        with pq.ParquetFile(parts[0]) as first:
            schema = first.schema_arrow
        whole = folder / "whole.tmp"
        with pq.ParquetWriter(whole, schema, **packing(schema)) as writer:
            waiting: list[pa.Table] = []
            many = 0
            for part in parts:
                waiting.append(pq.read_table(part))
                many += waiting[-1].nbytes
                if part == parts[-1] or many > FLUSH_BYTES:
                    writer.write_table(pa.concat_tables(waiting))  # a row group of many small parts
                    waiting, many = [], 0
        os.replace(whole, folder / WHOLE)
        for part in parts:
            part.unlink()


def _link(source: Path, target: Path) -> None:
    """The tables of one folder in another one, as links where the file system has them."""
    for file in source.glob("*/*.p*q*"):
        (target / file.parent.name).mkdir(exist_ok=True)
        try:
            os.link(file, target / file.parent.name / file.name)
        except OSError:
            shutil.copy2(file, target / file.parent.name / file.name)


def is_being_written(path: Path) -> bool:
    """Does a living process hold the run's lock?"""
    try:
        with open(path / "run.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except FileNotFoundError:
        return False
    except OSError:
        return True
