"""What a finished run shows to the checks: its design, its tables, and its tags as columns over time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scenarios.acceptance import conditions
from scenarios.acceptance.conditions import Condition
from scenarios.acceptance.results import MAX_POINTS, MAX_ROWS, plain
from scenarios.durations import seconds
from scenarios.run import Run
from scenarios.schema import Scenario
from twin.design.schema import Design
from twin.plant import Plant
from twin.tags import TagTable

Moment = str | Condition
Floats = NDArray[np.float64]

EVENT = re.compile(r"^(fault|fault-end|alarm|alarm-end|command|operator):(\S+)(?:\s*\+\s*(\S+))?$")
PRESSED = "write case"  # text of an event that stands for a press of the case
PLOT_S = 30.0  # drawn before and after what offends


class NothingToJudge(Exception):
    """What a check is about did not happen in this run; it has failed then."""

    def __init__(self, en: str, zh: str) -> None:
        self.en, self.zh = en, zh
        super().__init__(en)


class Window(NamedTuple):
    """A stretch of a run, s."""

    begins: float
    ends: float


class Spell(NamedTuple):
    """Rows `first` to `last` in which something held without a break, and how long that was, s."""

    first: int
    last: int
    begins: float
    lasts: float

    @property
    def window(self) -> Window:
        """The stretch of time."""
        return Window(self.begins, self.begins + self.lasts)


@lru_cache(maxsize=16)
def table_of(design_json: str) -> TagTable:
    """The tag table of a design."""
    return Plant(Design.model_validate_json(design_json)).table


class Columns(Mapping[str, Floats]):
    """Tags of a run as columns, read when they are first asked for."""

    def __init__(self, run: Run) -> None:
        # not by SQL, whose binder would look at the thousand columns of the table for each query
        self._files = [pq.ParquetFile(file) for file in run.files("tags")]
        self._resolution = run.info.get("resolution", {})
        self._read: dict[str, Floats] = {}

    def read(self, names: list[str]) -> None:
        """Read several columns in one go."""
        missing = [n for n in names if n not in self._read]
        if missing:
            table = pa.concat_tables([file.read(columns=missing) for file in self._files])
            for name in missing:
                self._read[name] = table.column(name).to_numpy().astype(np.float64) * self._resolution.get(name, 1)

    def __getitem__(self, name: str) -> Floats:
        self.read([name])
        return self._read[name]

    def __iter__(self) -> Any:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


class Evidence:
    """A finished run, laid open.

    Attributes:
        run, design, scenario: what was played, all from its folder.
        table: the plant's tags.
        columns: the recorded tags over `t`.
        t: time of each row of the tags table, s.
        step_s: time between two rows.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.scenario = Scenario.model_validate(run.info["scenario"])
        self.design = Design.model_validate(run.info["design"])
        self.table = table_of(self.design.model_dump_json())
        self.columns = Columns(run)
        self.t = self.columns["time_s"] if "tags" in run.tables else np.zeros(0)
        self.step_s = float(self.t[1] - self.t[0]) if len(self.t) > 1 else 1.0
        self.events: list[dict[str, Any]] = self.rows("SELECT * FROM events ORDER BY time_s") if "events" in run.tables else []

    @property
    def ends(self) -> float:
        """End of the run, s."""
        return float(self.t[-1]) if len(self.t) else 0.0

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Result of a query over the run's tables, a dict each row."""
        return self.run.sql(query).to_pylist()

    # --- time -----------------------------------------------------------------------------------------

    def moment(self, moment: Moment, since: float = 0.0) -> float:
        """When it came about for the first time, not before `since`, s.

        Args:
            moment: an event (`fault:motor-trip`, `command:Line1.Station.Start`, `alarm:…`), perhaps `+ 5s`; a time as
                scenarios write it; or a condition on tags.

        Raises:
            NothingToJudge: it never did.
        """
        if isinstance(moment, dict):
            at = np.flatnonzero(self.holding([moment]) & (self.t >= since))
            if not len(at):
                what = conditions.told([moment])
                raise NothingToJudge(f"{what} never came about", f"始终未出现 {what}")
            return float(self.t[at[0]])
        event = EVENT.match(moment)
        if not event:
            return seconds(moment) - self.scenario.midnight_s
        kind, name, later = event.groups()
        for e in self.events:
            meant = e["kind"] == kind and name in (e["name"], e["text"]) and e["time_s"] >= since - 1e-9
            if kind == "command":  # a press of the case, not its end, nor somebody else's
                meant = meant and e["text"] == PRESSED and bool(e["value"])
            if meant:
                return float(e["time_s"]) + (seconds(later) if later else 0.0)
        raise NothingToJudge(f"there was no {kind} {name}", f"没有发生 {kind} {name}")

    def window(self, after: Moment | None, until: Moment | None) -> Window:
        """From a moment to the next other; without one, from the start and to the end. An end that never comes is the run's.

        Raises:
            NothingToJudge: it never began.
        """
        begins = self.moment(after) if after is not None else 0.0
        try:
            ends = self.moment(until, begins) if until is not None else self.ends
        except NothingToJudge:
            ends = self.ends
        if isinstance(until, dict):
            ends -= self.step_s  # the row that shows it is no longer meant
        ends = min(ends, self.ends)
        if begins >= ends:
            raise NothingToJudge("there is no time between its beginning and its end", "起止之间没有时间")
        return Window(begins, ends)

    # --- conditions -----------------------------------------------------------------------------------

    def holding(self, what: list[Condition]) -> NDArray[np.bool_]:
        """Row by row: does any of the conditions hold?"""
        self.columns.read(conditions.names(what, self.table))
        return np.broadcast_to(np.asarray(conditions.holds(what, self.table, self.columns), dtype=bool), self.t.shape)

    def seen(self, name: str, wish: conditions.Wish) -> bool:
        """Did an entry of a condition hold at any time of the run?"""
        self.columns.read(conditions.names([{name: wish}], self.table))
        return bool(np.any(conditions.entry_holds(name, wish, self.table, self.columns)))

    def spells(self, mask: NDArray[np.bool_], window: Window) -> list[Spell]:
        """Stretches in which a mask holds within a window; a row stands for the time since the row before."""
        inside = mask & (self.t > window.begins + 1e-9) & (self.t <= window.ends + 1e-9)
        edges = np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))
        out = []
        for first, after in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            begins = max(float(self.t[first - 1]) if first else 0.0, window.begins)
            out.append(Spell(int(first), int(after) - 1, begins, float(self.t[after - 1]) - begins))
        return out

    # --- showing --------------------------------------------------------------------------------------

    def values(self, index: int, names: list[str]) -> dict[str, float]:
        """Some tags in one row."""
        return {n: float(self.columns[n][index]) for n in names}

    def shown(self, index: int, names: list[str]) -> dict[str, Any]:
        """One row of the tags table for a result; codes as the names of their states."""
        states = {n: self.table[n].states for n in names}
        values = self.values(index, names)
        return {"time_s": float(self.t[index])} | {n: states[n][int(v)] if states[n] else v for n, v in values.items()}

    def plot(self, names: list[str], marks: list[Window]) -> dict[str, Any]:
        """Tags around the first of some stretches of time, thinned to `MAX_POINTS`; at most six, of those that move."""
        begins, ends = marks[0]
        at = np.flatnonzero((self.t >= begins - PLOT_S) & (self.t <= ends + PLOT_S))
        if not len(at):
            return {}
        thin = at[:: -(-len(at) // MAX_POINTS)]
        moving = [n for n in names if np.ptp(self.columns[n][at]) > 0] or names
        spans = [list(m) for m in marks[:MAX_ROWS] if m.begins <= ends + PLOT_S]
        return dict(plain({"x": self.t[thin].tolist(), "series": {n: self.columns[n][thin].tolist() for n in moving[:6]}, "marks": spans}))
