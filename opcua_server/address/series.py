"""What HistoryRead gives of one tag: raw values, values at times, aggregates (OPC 10000-11 and -13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from opcua_server.address.board import BOOLEAN, DOUBLE, GOOD, INT32, OUT_OF_RANGE, SENSOR_FAILURE, UINT32, type_of
from opcua_server.address.nodes import o
from opcua_server.subscription.notify import woven
from scenarios.recent import MANY, Past
from twin.tags import Tag

Code = ua.StatusCodes
TICK = 100_000  # 100 ns in a tick
SECOND = 10_000_000
BAD = 0x8000_0000
CALCULATED, INTERPOLATED, PARTIAL = 0x401, 0x402, 0x404  # info bits of a StatusCode, OPC 10000-4 7.39
MOST_ROWS = 5_000_000  # that one answer may look at

NUMPY = {BOOLEAN: "u1", INT32: "<i4", UINT32: "<u4", DOUBLE: "<f8"}


class Series(NamedTuple):
    """Values in the order in which they are returned.

    Attributes:
        times: int64 [value], 100 ns since 1601.
        values: float64 [value], in the tag's unit; whatever where the status is Bad.
        status: uint32 [value], StatusCode.
        kind: built-in type number.
    """

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    status: NDArray[np.uint32]
    kind: int


@dataclass(frozen=True, slots=True)
class Walk:
    """Raw values to be read, all of them or what is left of them.

    Attributes:
        origin: where to begin, 100 ns since 1601.
        stop: where to end, excluded; None for as far as it goes. For a single point in time just behind it.
        backward: later values first.
        bounds: the values at or next to both ends are wanted, too.
        left: values to be returned; None for all.
        page: values in one answer, 0 for as many as the server likes.
        fresh: it has not begun: the bound at the origin is still due.
        point: it is a single point in time.
    """

    origin: int
    stop: int | None
    backward: bool
    bounds: bool
    left: int | None
    page: int
    fresh: bool = True
    point: bool = False


class Record:
    """One tag's part of a recorded run.

    Args:
        past: the rows.
        resolution: step of each recorded column, in its unit.
        start: of the run, 100 ns since 1601.
        now: simulated time.
    """

    def __init__(self, past: Past, tag: Tag, resolution: dict[str, float], start: int, now: int) -> None:
        self._past, self._tag, self._resolution, self._start, self._now = past, tag, resolution, start, now
        self.kind = type_of(tag)
        # A row of a coarse record is the mean over its time, and says so.
        self._usual = CALCULATED if any(name.endswith(".min") for name in resolution) else GOOD

    def _tick(self, time: int, up: bool = False) -> int:
        """Tick of a time, rounded; far enough for any time of the standard."""
        return -((self._start - time) // TICK) if up else (time - self._start) // TICK

    def rows(
        self, low: int | None, high: int | None, most: int = MANY, backward: bool = False, around: bool = False, column: str = ""
    ) -> Series:
        """At least the rows between two times, both included, in the order of time; see `Past.read`.

        Args:
            column: `.min` or `.max` for the extremes of a row instead of its mean, where they are kept.

        Raises:
            ua.UaStatusCodeError: BadTooManyOperations when it would be too much.
        """
        first = -MANY if low is None else self._tick(low, up=True)
        last = MANY if high is None else self._tick(high)
        if not self._past.columns:
            return self._series(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32), 1.0, self._usual)
        if most == MANY and self._past.count(first, last) > MOST_ROWS:
            raise ua.UaStatusCodeError(Code.BadTooManyOperations)
        name = self._tag.name
        wanted = name + column if name + column in self._resolution else name
        least = f"{name}.min" if f"{name}.min" in self._resolution else name
        ticks, (shown, lowest) = self._past.read([wanted, least], first, last, most, backward, around)
        return self._series(ticks, shown, lowest, self._resolution[wanted], self._usual if wanted == name else GOOD)

    def _series(self, ticks: NDArray[np.int64], shown: NDArray[np.int32], lowest: NDArray[np.int32], step: float, usual: int) -> Series:
        tag = self._tag
        values = shown.astype(np.float64) * step
        status = np.full(len(values), usual, np.uint32)
        if tag.direction == "sensor" and tag.dtype == "float":  # as on the board; half a step is the record's rounding
            half = 0.5 * step
            status[(values < tag.low - half) | (values > tag.high + half)] = OUT_OF_RANGE
            status[lowest * self._resolution.get(f"{tag.name}.min", step) <= tag.broken + half] = SENSOR_FAILURE
        return Series(self._start + ticks * TICK, values, status, self.kind)

    # --- raw ------------------------------------------------------------------------------------------

    def raw(self, walk: Walk, most: int) -> tuple[Series, Walk | None]:
        """The next values of a walk, `most` at most, and the rest of the walk."""
        page = min(most, walk.page or most, most if walk.left is None else walk.left)
        low, high = (walk.stop, walk.origin) if walk.backward else (walk.origin, walk.stop)
        rows = self.rows(low, high, page, walk.backward, walk.bounds)
        way = _turned(rows, walk)
        n = len(rows.times)
        whole, way = way, way[:page]
        times, status = np.empty(len(way), np.int64), np.full(len(way), Code.BadBoundNotFound, np.uint32)
        found = way >= 0
        times[found], status[found] = rows.times[way[found]], rows.status[way[found]]
        values = np.where(found, rows.values[way] if n else 0.0, 0.0)
        for i in np.flatnonzero(~found):
            times[i] = self._edge(times, int(i), walk)
        rest = None
        if len(whole) > page and (walk.stop is not None or (walk.left or 0) > page):
            following, stop = whole[page], walk.stop
            if following < 0:
                at = stop = self._edge(times, len(times), walk) if stop is None else stop
            else:
                at = int(rows.times[following])
            rest = replace(walk, origin=at, stop=stop, fresh=False, left=None if walk.left is None else walk.left - page)
        return Series(times, values, status, self.kind), rest

    @staticmethod
    def _edge(times: NDArray[np.int64], i: int, walk: Walk) -> int:
        """Time that stands for a bound which does not exist: the end of the time domain that was asked for."""
        if i == 0 and walk.fresh:
            return walk.origin
        if walk.stop is not None:
            return walk.stop - walk.point
        return int(times[i - 1]) + (-SECOND if walk.backward else SECOND) if i else walk.origin

    # --- at times -------------------------------------------------------------------------------------

    def at(self, asked: NDArray[np.int64]) -> Series:
        """Values at times: a value holds until the next one."""
        within = asked[asked >= self._start]  # who asks for times before the run, too, is told of its start all the same
        rows = self.rows(int((within if len(within) else asked).min()), int(asked.max()), around=True)
        place = np.searchsorted(rows.times, asked, "right") - 1
        known = (place >= 0) & (asked <= self._now)
        place = np.maximum(place, 0)
        status = np.full(len(asked), Code.BadNoData, np.uint32)
        values = np.zeros(len(asked))
        if len(rows.times):
            exact = rows.times[place] == asked
            held = rows.status[place]
            held = np.where(exact | (held >= BAD), held, (held & 0xFFFF_0000) | INTERPOLATED)
            status, values = np.where(known, held, status).astype(np.uint32), rows.values[place]
        return Series(asked, values, status, self.kind)

    # --- aggregates -----------------------------------------------------------------------------------

    def aggregate(self, number: int, edges: NDArray[np.int64], partial: bool, config: ua.AggregateConfiguration) -> Series:
        """One value an interval.

        Args:
            number: NodeId number of the aggregate.
            edges: int64 [interval + 1], ends of the intervals; falling for values in reverse order.
            partial: the last interval is shorter than the others.
        """
        what = AGGREGATES[number]
        backward = bool(edges[0] > edges[-1])
        rising = edges[::-1] if backward else edges
        rows = self.rows(int(rising[0]), int(rising[-1]), column=what.column)
        usable = rows.status < (0x4000_0000 if config.TreatUncertainAsBad else BAD)
        side: Literal["left", "right"] = "right" if backward else "left"  # an interval has its start and not its end
        total = np.diff(np.searchsorted(rows.times, rising, side))
        ends = np.searchsorted(rows.times[usable], rising, side)
        good = np.diff(ends)
        values = what.combine(rows.values[usable], ends[:-1], ends[1:])
        share = 100.0 * good / np.maximum(total, 1)
        status = np.where(share >= config.PercentDataGood, CALCULATED,
                          np.where(100.0 - share >= config.PercentDataBad, Code.BadNoData, Code.UncertainDataSubNormal | CALCULATED))  # fmt: skip
        status[good == 0] = CALCULATED if what.of_nothing else Code.BadNoData
        if backward:
            values, status = values[::-1], status[::-1]
        if partial and status[-1] < BAD:
            status[-1] |= PARTIAL
        return Series(edges[:-1], values, status.astype(np.uint32), what.kind or self.kind)


Combine = Callable[[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]


def _reduced(ufunc: Any) -> Combine:
    """A ufunc over the values of each interval; whatever where there are none."""

    def combine(values: NDArray[np.float64], first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float64]:
        padded = np.append(values, 0.0)
        out = np.zeros(len(first))
        some = np.flatnonzero(last > first)
        if len(some):
            out[some] = ufunc.reduceat(padded, np.ravel(np.column_stack((first[some], last[some]))))[::2]
        return out

    return combine


_sums, _least, _greatest = _reduced(np.add), _reduced(np.minimum), _reduced(np.maximum)


class Aggregate(NamedTuple):
    """An aggregate: how, its type if not that of the tag, which column, and whether nothing has a value, too."""

    combine: Combine
    kind: int = 0
    column: str = ""
    of_nothing: bool = False


AGGREGATES = {
    o.AggregateFunction_Average: Aggregate(lambda v, a, b: _sums(v, a, b) / np.maximum(b - a, 1), DOUBLE),
    o.AggregateFunction_Minimum: Aggregate(_least, column=".min"),
    o.AggregateFunction_Maximum: Aggregate(_greatest, column=".max"),
    o.AggregateFunction_Count: Aggregate(lambda v, a, b: (b - a).astype(np.float64), INT32, of_nothing=True),
}


def _turned(rows: Series, walk: Walk) -> NDArray[np.int64]:
    """The way of a walk through rows: indices in the order of the answer, -1 for a bound that does not exist (OPC 10000-11 4.4)."""
    t = rows.times
    n = len(t)
    if walk.backward:
        high = int(np.searchsorted(t, walk.origin, "right"))
        low = 0 if walk.stop is None else int(np.searchsorted(t, walk.stop, "right"))
        way = np.arange(high - 1, low - 1, -1)
        before, after = (high if high < n else -1), low - 1
        there = high > 0 and t[high - 1] == walk.origin
    else:
        low = int(np.searchsorted(t, walk.origin, "left"))
        high = n if walk.stop is None else int(np.searchsorted(t, walk.stop, "left"))
        way = np.arange(low, high)
        before, after = low - 1, (high if high < n else -1)
        there = low < n and t[low] == walk.origin
    if not walk.bounds:
        return way
    return np.concatenate(([before] if walk.fresh and not there else [], way, [after])).astype(np.int64)


def encoded(series: Series, source: bool) -> bytes:
    """A HistoryData structure: an array of DataValues.

    Args:
        source: with source timestamps.
    """
    bad = series.status >= BAD
    kind = NUMPY[series.kind]
    values = series.values if series.kind == DOUBLE else (series.values >= 0.5 if series.kind == BOOLEAN else np.rint(series.values))
    body = [("status", "<u4")] + ([("source", "<i8")] if source else [])
    whole = np.zeros(len(bad), [("mask", "u1"), ("type", "u1"), ("value", kind), *body])
    whole["mask"], whole["type"], whole["value"], whole["status"] = 3 | source << 2, series.kind, np.where(bad, 0, values), series.status
    empty = np.zeros(int(bad.sum()), [("mask", "u1"), *body])
    empty["mask"], empty["status"] = 2 | source << 2, series.status[bad]
    if source:
        whole["source"], empty["source"] = series.times, series.times[bad]
    count = len(bad).to_bytes(4, "little")
    if not bad.any():
        return count + whole.tobytes()
    return count + woven(len(bad), (np.flatnonzero(~bad), np.flatnonzero(bad)), (whole[~bad], empty))
