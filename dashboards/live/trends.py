"""Trends thinned out for the screen: least and greatest value of each bucket, so that no peak is lost however long the run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dashboards.facts import quoted
from scenarios.overview import GREATEST, LEAST, read_blocks
from scenarios.recent import Past
from scenarios.run import Run
from twin.clock import TICKS_PER_S
from twin.errors import BatchtwinError, unknown

Series = dict[str, list[float]]  # "t" in s, "v"
MOST_TAGS = 20


def buckets(time_s: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], points: int) -> Series:
    """Two points a bucket of equal time, its least and greatest value in the order in which they came; all rows when they are few.

    Args:
        time_s: rising, s.
        low, high: least and greatest of each row; the same array twice when rows are single values.
    """
    n = len(time_s)
    if n <= points and low is high:
        return {"t": time_s.tolist(), "v": high.tolist()}
    if 2 * n <= points:
        return _pairs(time_s, low, time_s, high)
    edges = np.linspace(time_s[0], time_s[-1], points // 2 + 1)[:-1]
    starts = np.unique(np.searchsorted(time_s, edges))
    least, most = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
    ends = np.append(starts[1:], n)
    at_low = np.array([a + int(np.argmin(low[a:b])) for a, b in zip(starts, ends, strict=True)])
    at_high = np.array([a + int(np.argmax(high[a:b])) for a, b in zip(starts, ends, strict=True)])
    return _pairs(time_s[at_low], least, time_s[at_high], most)


def _pairs(t_low: NDArray[np.float64], low: NDArray[np.float64], t_high: NDArray[np.float64], high: NDArray[np.float64]) -> Series:
    """Both series as one, each pair in the order of time."""
    t, v = np.stack([t_low, t_high], 1), np.stack([low, high], 1)
    order = np.argsort(t, axis=1, kind="stable")
    return {"t": np.take_along_axis(t, order, 1).ravel().tolist(), "v": np.take_along_axis(v, order, 1).ravel().tolist()}


def live_trend(past: Past, scale: dict[str, float], names: list[str], start_s: float, end_s: float, points: int) -> dict[str, Series]:
    """Trends of a run that goes on; tags that it does not record are left out."""
    out = {}
    for name in names:
        if name not in past.columns:
            continue
        ends = [name + e if name + e in past.columns else name for e in (".min", ".max")]
        ticks, (low, high) = past.read(ends, round(start_s * TICKS_PER_S), round(end_s * TICKS_PER_S))
        factors = [scale.get(e, 1.0) for e in ends]
        lows, highs = np.asarray(low * factors[0], np.float64), np.asarray(high * factors[1], np.float64)
        out[name] = buckets(ticks / TICKS_PER_S, lows, lows if ends[0] == ends[1] else highs, points)
    return out


def run_trend(run: Run, names: list[str], start_s: float, end_s: float, points: int) -> dict[str, Series]:
    """Trends of a recorded run: from the blocks beside its rows where they are fine enough, else by one question to DuckDB.

    Raises:
        BatchtwinError: E102 for a tag that the run did not record, E401 for no span.
    """
    if not end_s > start_s:
        raise BatchtwinError("E401", problem=f"no time between {start_s:g} s and {end_s:g} s", mend="give a later end")
    scale: dict[str, float] = run.info.get("resolution", {})
    columns = set(scale)
    for name in names:
        if name not in columns:
            raise unknown("tag", name, columns)
    ends = {name: [name + e if name + e in columns else name for e in (".min", ".max")] for name in names}
    blocks = read_blocks(run, [e for pair in ends.values() for e in pair])
    if blocks is not None and blocks.num_rows:
        first, last = blocks["first_s"].to_numpy(), blocks["last_s"].to_numpy()
        inside = (last >= start_s) & (first <= end_s)
        if inside.sum() >= points // 2:  # else blocks are too coarse, and the rows few
            return {name: _of_blocks(blocks, inside, ends[name], scale, points) for name in names}
    width = (end_s - start_s) / max(points // 2, 1)
    asks = ["min(time_s) AS t0", "max(time_s) AS t1"]
    for k, name in enumerate(names):
        asks += [f"min({quoted(ends[name][0])}) AS l{k}", f"max({quoted(ends[name][1])}) AS h{k}"]
    found = run.sql(
        f"SELECT {', '.join(asks)} FROM tags WHERE time_s BETWEEN {start_s!r} AND {end_s!r} GROUP BY floor((time_s - {start_s!r}) / {width!r}) ORDER BY 1"
    )
    t0, t1 = found["t0"].to_numpy(), found["t1"].to_numpy()
    out = {}
    for k, name in enumerate(names):
        low, high = found[f"l{k}"].to_numpy().astype(float), found[f"h{k}"].to_numpy().astype(float)
        one = bool(np.array_equal(t0, t1)) and bool(np.array_equal(low, high))
        out[name] = {"t": t0.tolist(), "v": low.tolist()} if one else _pairs(t0, low, t1, high)
    return out


def _of_blocks(blocks: pa.Table, inside: NDArray[np.bool_], ends: list[str], scale: dict[str, float], points: int) -> Series:
    """A tag's trend from the blocks of its run."""
    low = np.asarray(blocks[LEAST + ends[0]].to_numpy()[inside] * scale.get(ends[0], 1.0), np.float64)
    high = np.asarray(blocks[GREATEST + ends[1]].to_numpy()[inside] * scale.get(ends[1], 1.0), np.float64)
    return buckets(blocks["first_s"].to_numpy()[inside], low, high, points)


def values_at(run: Run, time_s: float) -> dict[str, Any]:
    """Every recorded tag as it stood at a time: the last row not after it, the first one before there is any."""
    rows = run.sql(f"SELECT * FROM tags WHERE time_s <= {time_s!r} ORDER BY time_s DESC LIMIT 1")
    if not rows.num_rows:
        rows = run.sql("SELECT * FROM tags ORDER BY time_s LIMIT 1")
    return rows.to_pylist()[0] if rows.num_rows else {}
