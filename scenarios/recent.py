"""The past of a run that goes on: its newest rows in memory, and where the older ones lie on disk.

Whoever asks for the last hours finds them here without opening a file.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from twin.clock import TICKS_PER_S

KEPT_BYTES = 64_000_000
MANY = 1 << 62  # later than any tick

Columns = tuple[NDArray[np.int64], list[NDArray[np.int32]]]


class Segment(NamedTuple):
    """Rows that came together.

    Attributes:
        first, last: ticks of its first and last row.
        rows: how many.
        part: number of the file that has them, 0 as long as none has; `flush` in which they were handed to it.
        ticks: int64 [row], end of each row; None if they are on disk only.
        values: int32 [column, row], as recorded.
    """

    first: int
    last: int
    rows: int
    part: int
    flush: int
    ticks: NDArray[np.int64] | None
    values: NDArray[np.int32] | None


class Recent:
    """Rows of one table of scaled integers with their time, as a writer is given them.

    Attributes:
        columns: position of each column in `Segment.values`.
        on_disk: the newest flush that has reached the disk; set by the writing thread.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self.columns: dict[str, int] = {}
        self.on_disk = 0
        self._kept_bytes = kept_bytes
        self._start: Segment | None = None
        self._segments: list[Segment] = []
        self._bytes = 0
        self._oldest = 0  # first segment that is in memory
        self._unwritten = 0  # first segment that is in no file

    def begin(self, tick: int, names: Sequence[str], values: NDArray[np.int32]) -> None:
        """What stood there when the record began, before its first row. It is no row of the run, but what held until then.

        Args:
            values: int32 [column], as recorded.
        """
        self.columns = {name: i for i, name in enumerate(names)}
        self._start = Segment(tick, tick, 1, 0, 0, np.array([tick], np.int64), values[:, None])

    def add(self, rows: pa.Table) -> None:
        """Take rows."""
        if not rows.num_rows:
            return
        if not self.columns:
            self.columns = {name: i for i, name in enumerate(rows.column_names[1:])}
        ticks = ticks_of(rows)
        values = np.array([rows[name].to_numpy() for name in self.columns], np.int32)
        self._segments.append(Segment(int(ticks[0]), int(ticks[-1]), len(ticks), 0, 0, ticks, values))
        self._bytes += values.nbytes

    def handed_over(self, part: int, flush: int) -> None:
        """The rows since the last flush go into this file with this one. Old ones that are on disk are forgotten here."""
        for i in range(self._unwritten, len(self._segments)):
            self._segments[i] = self._segments[i]._replace(part=part, flush=flush)
        self._unwritten = len(self._segments)
        while self._bytes > self._kept_bytes and self._oldest < len(self._segments):
            old = self._segments[self._oldest]
            if old.values is None or not 0 < old.flush <= self.on_disk:
                break
            self._bytes -= old.values.nbytes
            self._segments[self._oldest] = old._replace(ticks=None, values=None)
            self._oldest += 1

    def snapshot(self, folder: Path) -> Past:
        """What there is now; it may be read in another thread."""
        return Past(folder, self.columns, tuple(self._segments), self._start)


class Past:
    """The rows of a run up to a moment.

    Attributes:
        columns: names of the columns.
    """

    def __init__(self, folder: Path, columns: dict[str, int], segments: Sequence[Segment], start: Segment | None = None) -> None:
        self.columns, self._start = columns, start
        self._folder, self._segments = folder, segments
        self._first, self._last = [s.first for s in segments], [s.last for s in segments]

    def count(self, low: int, high: int) -> int:
        """Rows between two ticks, give or take a segment at each end."""
        return sum(s.rows for s in self._segments[bisect_left(self._last, low) : bisect_right(self._first, high)])

    def read(self, names: Sequence[str], low: int, high: int, most: int = MANY, backward: bool = False, around: bool = False) -> Columns:
        """Columns of at least the rows between two ticks, both included, in the order of time.

        Args:
            most: so many rows are enough, counted from `low`, or from `high` if `backward`.
            around: the rows next to `low` and `high` are wanted, too; before the first row that is what the record began with.
        """
        begin, end = bisect_left(self._last, low) - around, bisect_right(self._first, high) + around
        chosen = self._segments[max(begin, 0) : max(end, 0)]
        if most < MANY:
            chosen = _enough(chosen, low, high, most, backward)
        disk = [s for s in chosen if s.values is None]
        read = self._from_disk(names, disk) if disk else ([], [])
        places = [self.columns[n] for n in names]
        ticks = [*read[0], *(s.ticks for s in chosen if s.ticks is not None)]
        values = [*read[1], *(s.values[places] for s in chosen if s.values is not None)]
        if around and begin <= 0 and self._start and self._start.first <= low:
            assert self._start.ticks is not None and self._start.values is not None
            ticks, values = [self._start.ticks, *ticks], [self._start.values[places], *values]
        if not ticks:
            return np.zeros(0, np.int64), [np.zeros(0, np.int32) for _ in names]
        return np.concatenate(ticks), list(np.concatenate(values, axis=1))

    def _from_disk(self, names: Sequence[str], wanted: Sequence[Segment]) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int32]]]:
        from scenarios.store import WHOLE

        columns = ["time_s", *names]
        folder, first, last = self._folder / "tags", wanted[0].first / TICKS_PER_S, wanted[-1].last / TICKS_PER_S
        tables: list[pa.Table] = []
        try:
            for part in dict.fromkeys(s.part for s in wanted):
                with pq.ParquetFile(folder / f"part-{part:05d}.parquet") as file:
                    tables.append(file.read(columns))
        except FileNotFoundError:  # the run is over and its parts were merged
            near = [("time_s", ">=", first - 0.005), ("time_s", "<=", last + 0.005)]
            tables = [pq.read_table(folder / WHOLE, columns=columns, filters=near)]
        ticks, values = [], []
        for table in tables:
            at = ticks_of(table)
            of_these = (at >= wanted[0].first) & (at <= wanted[-1].last)  # a file may hold segments that are in memory still
            ticks.append(at[of_these])
            values.append(np.array([table[n].to_numpy()[of_these] for n in names], np.int32))
        return ticks, values


def ticks_of(rows: pa.Table) -> NDArray[np.int64]:
    """Times of the rows in ticks of 10 ms."""
    return np.rint(rows["time_s"].to_numpy() * TICKS_PER_S).astype(np.int64)


def _enough(segments: Sequence[Segment], low: int, high: int, most: int, backward: bool) -> Sequence[Segment]:
    """As many of the segments as hold `most` rows, and one row more at each end."""
    count = 0
    for n, s in enumerate(reversed(segments) if backward else segments):
        if s.first >= low and s.last <= high:
            count += s.rows
        if count > most:
            return segments[len(segments) - n - 1 :] if backward else segments[: n + 1]
    return segments
