"""Water: pumps, agitators, first flush, separator, press and truck wash, so that nothing has to leave the site.

Every pump has the same program: it fills its target or drains its source between two levels that operators may move.
Before a storm the foul side is drained earlier, so that there is room for the first flush.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.jit import njit
from twin.tags import TagTable

SECOND = 100  # ticks
BAND = 4.0  # % between switching on and off
SUCTION = 4.0  # % of the source below which a pump would draw air
NEARLY_FULL = 96.0  # % of the target above which nothing more is pumped in
STORM_MM, EARLIER = 20.0, 30.0  # a forecast of so much rain drains so many % earlier (engineering choice)
STIR_TICKS, REST_TICKS = 600 * SECOND, 1200 * SECOND  # agitators: ten minutes in every thirty (engineering choice)
STIR_ABOVE = 1.0  # % of sludge above which the agitator runs on
SETTLED = 5.0  # % of sludge above which slurry is not drawn: what stands over the bed is water (engineering choice)
ANSWER_TICKS = 10 * SECOND  # an agitator that does not turn so long after its command has failed

PUMP = np.dtype(
    [
        ("run", "i8"),
        ("source", "i8"),
        ("target", "i8"),
        ("fill_below", "i8"),
        ("drain_above", "i8"),
        ("agitator", "i8"),
        ("sludge_to", "i8"),
        ("filling", "i8"),
        ("draining", "i8"),
    ]
)
AGITATOR = np.dtype(
    [("run", "i8"), ("running", "i8"), ("failure", "i8"), ("sludge", "i8"), ("since", "i8"), ("answered", "i8"), ("wanted", "i8")]
)
DIVERTER = np.dtype([("valve", "i8"), ("event", "i8"), ("depth", "f8")])
# Separator and press: `level` starts it above `start`, stops it below `stop`; a press also looks at the solids.
UNIT = np.dtype([("run", "i8"), ("level", "i8"), ("start", "i8"), ("solids", "i8"), ("above_solids", "i8"), ("busy_since", "i8")])

Rows = list[dict[str, Any]]


# --- set-up -------------------------------------------------------------------------------------------


def pumps(table: TagTable) -> Rows:
    """Memory of each pump; -1 stands for a tag that there is not. `agitator` is that of its source, `sludge_to` that of the basin it brings sludge to."""
    agitated = [e.name for e in table.of_kind("basin") if f"{e.name}.AgitatorRun" in table]
    rows = []
    for e in table.of_kind("water_pump"):
        basin = e.source.removesuffix(".Sludge")
        level = table.index(f"{basin}.Sludge" if e.source.endswith(".Sludge") else f"{basin}.Level")
        rows.append({"run": table.index(f"{e.name}.Run"), "source": level, "target": table.index(f"{e.feeds}.Level"),
                     "fill_below": table.index(f"{e.name}.FillBelow"), "drain_above": table.index(f"{e.name}.DrainAbove"),
                     "agitator": agitated.index(basin) if basin in agitated else -1,
                     "sludge_to": agitated.index(e.feeds) if basin != e.source and e.feeds in agitated else -1})  # fmt: skip
    return rows


def agitators(table: TagTable) -> Rows:
    """Memory of each agitator."""
    return [
        {"run": table.index(f"{e.name}.AgitatorRun"), "running": table.index(f"{e.name}.AgitatorRunning"),
         "failure": table.index(f"{e.name}.AgitatorFailure"), "sludge": table.index(f"{e.name}.Sludge")}
        for e in table.of_kind("basin") if f"{e.name}.AgitatorRun" in table
    ]  # fmt: skip


def diverters(table: TagTable) -> Rows:
    """Memory of each first-flush valve."""
    return [
        {"valve": table.index(f"{e.name}.FirstFlush"), "event": table.index(f"{e.name}.EventRain"),
         "depth": table.values[table.index(f"{e.name}.FirstFlushDepth")]}
        for e in table.of_kind("surface") if f"{e.name}.FirstFlush" in table
    ]  # fmt: skip


def units(table: TagTable) -> Rows:
    """Memory of separator and press."""
    rows = [
        {"run": table.index(f"{e.name}.Run"), "level": table.index(f"{e.name}.FeedLevel"), "start": -1, "solids": -1, "above_solids": -1}
        for e in table.of_kind("separator")
    ]
    rows += [
        {"run": table.index(f"{e.name}.Run"), "level": table.index(f"{e.source}.Level"), "start": table.index(f"{e.name}.AboveLevel"),
         "solids": table.index(f"{e.source}.Solids"), "above_solids": table.index(f"{e.name}.AboveSolids")}
        for e in table.of_kind("filter_press")
    ]  # fmt: skip
    return rows


def forecast(table: TagTable) -> int:
    """Tag of the rain forecast; -1 on a plant without a weather station."""
    name = "Site.Weather.RainForecast"
    return table.index(name) if name in table else -1


def washes(table: TagTable) -> list[int]:
    """Run commands of the truck washes: in service whenever this controller is."""
    return [table.index(f"{e.name}.Run") for e in table.of_kind("truck_wash")]


# --- scan ---------------------------------------------------------------------------------------------


@njit
def scan(c: Any, io: Any, now: int) -> None:
    """One scan of the water loop.

    Args:
        c: the controller's memory, with `pumps`, `agitators`, `diverters`, `units`, `washes` and `forecast`.
    """
    storm = c.forecast.shape[0] > 0 and io[c.forecast[0]] > STORM_MM
    for k in range(c.agitators.shape[0]):
        c.agitators[k].wanted = 0
    for k in range(c.pumps.shape[0]):
        pump(c.pumps[k], c, io, storm)
    for k in range(c.units.shape[0]):
        unit(c.units[k], io, now)
    for k in range(c.agitators.shape[0]):
        stir(c.agitators[k], io, now)
    for k in range(c.diverters.shape[0]):
        d = c.diverters[k]
        io[d.valve] = 1.0 if io[d.event] < d.depth else 0.0
    for k in range(c.washes.shape[0]):
        io[c.washes[k]] = 1.0


@njit
def pump(u: Any, c: Any, io: Any, storm: bool) -> None:
    """Two-point control of both duties; never from an empty source, never into a full target.

    Slurry is drawn while it is stirred only, and no sludge is brought to an agitator that has failed.
    """
    source, target = io[u.source], io[u.target]
    fill, drain = io[u.fill_below], io[u.drain_above]
    if storm and drain < 100.0:
        drain = max(drain - EARLIER, SUCTION + BAND)
    u.filling = 1 if target < fill or (u.filling and target < fill + BAND) else 0
    u.draining = 1 if source > drain or (u.draining and source > drain - BAND) else 0
    full = target > NEARLY_FULL - (0.0 if io[u.run] > 0.5 else BAND)
    dry = source < (SUCTION if io[u.run] > 0.5 else SUCTION + BAND)
    if u.agitator >= 0:
        dry = source < SUCTION
    on = (u.filling or u.draining) and not full and not dry
    if u.agitator >= 0 and on:
        a = c.agitators[u.agitator]
        a.wanted = 1
        on = io[a.running] > 0.5 and io[a.sludge] <= SETTLED
    if u.sludge_to >= 0 and io[c.agitators[u.sludge_to].failure] > 0.5:
        on = False
    io[u.run] = 1.0 if on else 0.0


@njit
def stir(a: Any, io: Any, now: int) -> None:
    """Agitators run by the clock, as long as sludge lies on the floor, and while slurry is drawn; one that does not turn is told.

    The command to one that has failed stays: it must turn again before the sludge stiffens.
    """
    on = io[a.run] > 0.5
    since = now - a.since
    want = a.wanted or io[a.sludge] > STIR_ABOVE or (since < STIR_TICKS if on else since > REST_TICKS)
    if want != on:
        io[a.run] = 1.0 if want else 0.0
        a.since = now
    if not want or io[a.running] > 0.5:
        a.answered = now
    io[a.failure] = 1.0 if now - a.answered > ANSWER_TICKS else 0.0


@njit
def unit(q: Any, io: Any, now: int) -> None:
    """The separator works off its hopper; the press takes slurry that is too much and thick enough."""
    if q.start < 0:
        if io[q.level] > 1.0:
            q.busy_since = now
            io[q.run] = 1.0
        elif now - q.busy_since > 120 * SECOND:
            io[q.run] = 0.0
        return
    on = io[q.run] > 0.5
    level, solids = io[q.start] - (BAND if on else 0.0), io[q.above_solids] * (0.7 if on else 1.0)
    io[q.run] = 1.0 if io[q.level] > level and io[q.solids] > solids else 0.0
