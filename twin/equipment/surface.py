"""Surface: a roof, a paved yard or a green on which rain falls, with its drain and, for foul ones, a first-flush valve."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.ledger import FINES, WATER, book
from twin.tags import Equipment, actuator, parameter, sensor

# --- what it is ---------------------------------------------------------------------------------------


class Surface(Part):
    """Area that sheds rain. What runs off first carries the dirt and goes to `drains_to`; with a valve, later rain goes to `later_to`."""

    area_m2: float = figure(..., "m2", "layout of the design", gt=0, le=1e6)
    drains_to: str = Field("discharge", description="basin, or `discharge` for an open drain")
    later_to: str | None = Field(None, description="basin for the rain after the first flush; needs a valve")
    first_flush_mm: float = figure(15.0, "mm", "first flush kept, 10–20 mm in Chinese practice", recalled=True, ge=0, le=100)
    storage_mm: float = figure(1.0, "mm", "what wets and puddles before anything runs off; engineering choice", recalled=True, ge=0, le=500)
    infiltration_mm_h: float = figure(
        0.0, "mm/h", "into the soil of a green, 10–30 mm/h; 0 for roofs and paving", recalled=True, ge=0, le=500
    )
    dirt_kg: float = figure(0.0, "kg", "silt that lies there at the start", ge=0, le=1e5)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("holder", "i8"), ("rain", "i8"), ("vapour", "i8"), ("seep", "i8"), ("first", "i8"), ("later", "i8"), ("area_m2", "f8"), ("storage_kg", "f8"), ("seep_kg_s", "f8"),
        ("event_mm", "f8"), ("dry_s", "f8"), ("runoff_kg_s", "f8"), ("valve", "f8"), ("valve_stuck", "f8"), ("gully", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

PLAIN = (
    sensor("EventRain", "rain since this rain began", "本场降雨量", "mm", 0, 1000, 0.1),
    sensor("Runoff", "runoff", "径流量", "m³/h", 0, 1e5, 0.1),
    parameter("Area", "area", "面积", "m²", 0, 1e6),
)
DIVERTED = (
    actuator("FirstFlush", "valve to the foul side open (shut: to the rain side)", "初雨弃流阀开（关则入雨水池）"),
    parameter("FirstFlushDepth", "rain to be kept as first flush", "初期雨水深度", "mm", 0, 100, 0.1),
)
TAGS = PLAIN + DIVERTED
EVENT_RAIN, RUNOFF, AREA, FIRST_FLUSH, FIRST_FLUSH_DEPTH = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("diverter-stuck", "valve_stuck", 0, 1, 1, "-", ("Runoff",), "the first-flush valve does not move", "弃流阀卡死"),
    Fault("gully-blocked", "gully", 0, 1, 0.9, "of runoff held back", ("Runoff",), "leaves and slurry block the gully", "雨水口堵塞"),
)

LAG_S = 180.0  # a yard's film runs off within minutes (engineering choice)
WASH_PER_MM = 0.18  # share of the dirt that a millimetre of runoff takes, exponential wash-off as in SWMM (recalled)
DRY_S = 6 * 3600.0  # without rain for so long, the next rain is a new one


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str, cfg: Surface, first: str, later: str | None) -> Equipment:
    """Put a surface in place; `first` and `later` are the holders it drains to."""
    ledger = site.ledger
    holder = ledger.holder(name)
    tags = TAGS if later else PLAIN
    machine = site.table.add(name, "surface", tags, values={"Area": cfg.area_m2, "FirstFlush": 1.0, "FirstFlushDepth": cfg.first_flush_mm})
    if cfg.dirt_kg:
        ledger.open_with(holder, {FINES: cfg.dirt_kg})
    site.place(
        "surface", name, tag=machine.first, holder=holder, rain=ledger.link(ledger.holder("rain"), holder), vapour=ledger.link(holder, ledger.holder("air")),
        seep=ledger.link(holder, ledger.holder("soil")), seep_kg_s=cfg.infiltration_mm_h * cfg.area_m2 / 3600,
        first=ledger.link(holder, ledger.holder(first)), later=ledger.link(holder, ledger.holder(later)) if later else -1,
        area_m2=cfg.area_m2, storage_kg=cfg.storage_mm * cfg.area_m2, valve=1.0, dry_s=DRY_S,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(a: Any, p: Any, dt_s: float) -> None:
    """Rain wets the surface, the rest runs off with a share of the dirt, and the sun dries it."""
    site = p.site[0]
    kg = p.ledger.stock[a.holder]
    a.runoff_kg_s = 0.0
    if site.rain_mm_h <= 0.0:
        a.dry_s += dt_s
        if kg[WATER] <= 0.0:
            return
    else:
        if a.dry_s >= DRY_S:
            a.event_mm = 0.0
        a.dry_s = 0.0
        mm = site.rain_mm_h * dt_s / 3600.0
        a.event_mm += mm
        book(p.ledger, a.rain, WATER, mm * a.area_m2)
    if a.later >= 0 and a.valve_stuck < 0.5:
        a.valve = p.io[a.tag + FIRST_FLUSH]
    if a.seep_kg_s > 0.0:
        book(p.ledger, a.seep, WATER, min(a.seep_kg_s * dt_s, max(kg[WATER], 0.0)))
    film = kg[WATER] - a.storage_kg
    if film > 0.0:
        off = film * (1.0 - np.exp(-dt_s / LAG_S)) * (1.0 - min(a.gully, 1.0))
        out = a.first if a.later < 0 or a.valve > 0.5 else a.later
        dirt = kg[FINES] * (1.0 - np.exp(-WASH_PER_MM * off / a.area_m2))
        book(p.ledger, out, WATER, off)
        book(p.ledger, out, FINES, dirt)
        a.runoff_kg_s = off / dt_s
    dry = site.dries_kg_m2_s * a.area_m2 * dt_s
    book(p.ledger, a.vapour, WATER, min(dry, max(kg[WATER], 0.0)))


@njit
def sense(a: Any, p: Any) -> None:
    """Rain of this event, runoff."""
    p.io[a.tag + EVENT_RAIN] = a.event_mm
    p.io[a.tag + RUNOFF] = 3.6 * a.runoff_kg_s
