"""Water: pumps, agitators, first flush, separator, press and washing, so that nothing has to leave the site.

Every pump has the same program: it fills its target or drains its source between two levels that operators may move.
Before a storm room is made where the rain will come: basins with a pump between them are brought to one level, so that none
runs over while another has room, the lines' tanks are filled to the brim, sludge is drained earlier, and more slurry goes into
the concrete (`control.line`). Mixers and floors are washed when work is over and
nothing is about to run over; trucks while there are any.
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
BRIM = NEARLY_FULL - BAND  # % of a line's tank below which it is filled before a storm
STIR_TICKS, REST_TICKS = 600 * SECOND, 1200 * SECOND  # agitators: ten minutes in every thirty (engineering choice)
STIR_ABOVE = 1.0  # % of sludge above which the agitator runs on
# Washing (engineering choices): a mixer once it has stood so long, or sooner after long use; floors when work is over for longer;
# not while the last basin before the outfall is so full or rain so heavy, but a mixer cannot wait for ever.
STOOD_TICKS, PAUSE_TICKS, LONG_TICKS, MUST_TICKS = 2700 * SECOND, 600 * SECOND, 8 * 3600 * SECOND, 2 * 3600 * SECOND
OVER_TICKS = 2 * 3600 * SECOND
WASH_LEVEL, WASH_RAIN_MM_H = 90.0, 8.0
SEPARATOR_LEVEL = 50.0  # % of its hopper above which no mixer is washed into it
GATE_TICKS, FROST_C = 600 * SECOND, 0.0  # the truck wash serves so long after the last load, and not on frozen roads
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
        ("tank", "i8"),
        ("basin", "i8"),
        ("sludge_to", "i8"),
        ("filling", "i8"),
        ("draining", "i8"),
    ]
)
AGITATOR = np.dtype(
    [
        ("run", "i8"),
        ("running", "i8"),
        ("failure", "i8"),
        ("sludge", "i8"),
        ("since", "i8"),
        ("answered", "i8"),
        ("asked", "i8"),
        ("wanted", "i8"),
    ]
)
DIVERTER = np.dtype([("valve", "i8"), ("event", "i8"), ("depth", "f8")])
# Separator and press: `level` starts it above `start`, stops it below `stop`; a press also looks at the solids.
UNIT = np.dtype([("run", "i8"), ("level", "i8"), ("start", "i8"), ("solids", "i8"), ("above_solids", "i8"), ("busy_since", "i8")])
HOSES = np.dtype(
    [
        ("mixer", "i8"),
        ("floor", "i8"),
        ("running", "i8"),
        ("hopper", "i8"),
        ("lasts", "i8"),
        ("seen", "i8"),
        ("stands", "i8"),
        ("used", "i8"),
        ("dirty", "i8"),
        ("mixer_since", "i8"),
        ("floor_since", "i8"),
    ]
)
TRUCK_WASH = np.dtype([("run", "i8"), ("gate", "i8")])

Rows = list[dict[str, Any]]


# --- set-up -------------------------------------------------------------------------------------------


def pumps(table: TagTable) -> Rows:
    """Memory of each pump; -1 stands for a tag that there is not. `agitator` is that of its source, `sludge_to` that of the basin it brings sludge to."""
    agitated = [e.name for e in table.of_kind("basin") if f"{e.name}.AgitatorRun" in table]
    rows = []
    for e in table.of_kind("water_pump"):
        basin = e.source.removesuffix(".Sludge")
        level = table.index(f"{basin}.Sludge" if e.source.endswith(".Sludge") else f"{basin}.Level")
        kind = table.machine(e.feeds).kind
        rows.append({"run": table.index(f"{e.name}.Run"), "source": level, "target": table.index(f"{e.feeds}.Level"),
                     "tank": kind == "tank", "basin": kind == "basin" and basin == e.source,
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


def forecast(table: TagTable) -> list[int]:
    """Rain forecast, rain and air; nothing on a plant without a weather station."""
    return [table.index(f"{e.name}.{tag}") for e in table.of_kind("weather_station") for tag in ("RainForecast", "Rain", "Air")]


def outfalls(table: TagTable) -> list[int]:
    """Levels of the basins whose weirs lead off the site: their overflow is an alarm."""
    return [table.index(f"{e.name}.Level") for e in table.of_kind("basin") if table[f"{e.name}.Overflowing"].alarm]


def hoses(table: TagTable) -> Rows:
    """Memory of each line's washing."""
    rows = []
    for e in table.of_kind("washdown"):
        hopper = f"{e.feeds}.FeedLevel"
        rows.append({"mixer": table.index(f"{e.name}.Mixer"), "floor": table.index(f"{e.name}.Floor"), "running": table.index(f"{e.short}.Mixer.Running"),
                     "hopper": table.index(hopper) if hopper in table else -1, "lasts": round(table.values[table.index(f"{e.name}.Lasts")] * SECOND),
                     "seen": -1})  # fmt: skip
    return rows


def washes(table: TagTable) -> Rows:
    """Memory of the truck wash."""
    return [{"run": table.index(f"{e.name}.Run"), "gate": -GATE_TICKS} for e in table.of_kind("truck_wash")]


@njit
def storm_ahead(c: Any, io: Any) -> bool:
    """Is a storm forecast?"""
    return c.forecast.shape[0] > 0 and io[c.forecast[0]] > STORM_MM


# --- scan ---------------------------------------------------------------------------------------------


@njit
def scan(c: Any, io: Any, now: int) -> None:
    """One scan of the water loop.

    Args:
        c: the controller's memory, with `pumps`, `agitators`, `diverters`, `units`, `hoses`, `washes`, `outfalls`, `forecast` and `lines`.
    """
    storm = storm_ahead(c, io)
    rain = io[c.forecast[1]] if c.forecast.shape[0] > 0 else 0.0
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
    wait = rain > WASH_RAIN_MM_H
    for k in range(c.outfalls.shape[0]):
        wait |= io[c.outfalls[k]] > WASH_LEVEL
    for k in range(c.hoses.shape[0]):
        wash(c.hoses[k], io, now, wait)
    for k in range(c.washes.shape[0]):
        serve(c.washes[k], c, io, now)


@njit
def pump(u: Any, c: Any, io: Any, storm: bool) -> None:
    """Two-point control of both duties, before a storm from the fuller to the emptier; never from an empty source, never into a full target.

    Slurry is drawn while it is stirred only, and no sludge is brought to an agitator that has failed.
    """
    source, target = io[u.source], io[u.target]
    fill, drain = io[u.fill_below], io[u.drain_above]
    if storm and drain < 100.0:
        drain = max(drain - EARLIER, SUCTION + BAND)
    if storm and u.tank and fill > 0.0:
        fill = max(fill, BRIM)
    if storm and u.basin:
        drain = target + BAND
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
def wash(h: Any, io: Any, now: int, wait: bool) -> None:
    """Wash mixer and floors of a line when it stands; it has turned for `used` ticks since its last wash, for `dirty` since the floors' last."""
    if io[h.running] > 0.5 and h.seen >= 0:
        h.used += now - h.seen
        h.dirty += now - h.seen
        h.stands = now
    h.seen = now
    stood = now - h.stands
    if io[h.mixer] > 0.5:
        if now - h.mixer_since >= h.lasts:
            h.used = 0
        if h.used == 0 or stood == 0:
            io[h.mixer] = 0.0
    elif h.used > 0 and stood > (PAUSE_TICKS if h.used > LONG_TICKS else STOOD_TICKS) and (not wait or stood > MUST_TICKS):
        room = h.hopper < 0 or io[h.hopper] < SEPARATOR_LEVEL
        io[h.mixer], h.mixer_since = 1.0 if room else 0.0, now
    if io[h.floor] > 0.5:
        if now - h.floor_since >= h.lasts:
            h.dirty = 0
        if h.dirty == 0 or stood == 0 or wait:
            io[h.floor] = 0.0
    elif h.dirty > 0 and stood > OVER_TICKS and not wait:
        io[h.floor], h.floor_since = 1.0, now


@njit
def serve(w: Any, c: Any, io: Any, now: int) -> None:
    """The truck wash serves while loads are under way and shortly after, unless roads are frozen."""
    for k in range(c.lines.shape[0]):
        n = c.lines[k]
        if io[n.order] > io[n.t_done]:
            w.gate = now
    frozen = c.forecast.shape[0] > 0 and io[c.forecast[2]] < FROST_C
    io[w.run] = 1.0 if now - w.gate < GATE_TICKS and not frozen else 0.0


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
    if not want or not a.asked or io[a.running] > 0.5:
        a.answered = now
    a.asked = 1 if want else 0
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
