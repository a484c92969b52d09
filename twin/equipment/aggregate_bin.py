"""Aggregate bin: a ground bin filled by the loader, or a high-level bin filled by belt, with its yard box behind it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.flow import travel
from twin.kernels.random import normal
from twin.ledger import SPECIES, WATER, move, total_kg
from twin.tags import Equipment, actuator, parameter, sensor, setpoint

# --- what it is ---------------------------------------------------------------------------------------


class AggregateBin(Part):
    """Bin above the aggregate weigher and the covered yard box that feeds it."""

    material: str
    kind: Literal["ground", "high_level"]
    capacity_t: float = figure(..., "t", "maker sheet of the design", gt=0, le=2000)
    yard_capacity_t: float = figure(..., "t", "layout of the design", gt=0, le=100000)
    feed_kg_s: float = figure(..., "kg/s", "loader or feed belt of the design", gt=0, le=2000)
    feed_kw: float = figure(
        15.0, "kW", "feed belt of a high-level bin; a ground bin is fed by a diesel loader", recalled=True, ge=0, le=500
    )
    initial_share: float = figure(0.8, "of capacity", "scenario start", ge=0, le=1)
    yard_initial_share: float = figure(0.6, "of capacity", "scenario start", ge=0, le=1)
    reorder_share: float = figure(0.5, "of capacity", "purchasing rule", recalled=True, ge=0, le=1)
    level_noise: float = figure(1.0, "%", "radar over a heap; engineering choice", recalled=True, ge=0)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("key", "i8"), ("line", "i8"), ("motor", "i8"), ("holder", "i8"), ("yard", "i8"), ("fill", "i8"), ("spill", "i8"), ("species", "i8"), ("seen_tag", "i8"),
        ("feed_kw", "f8"), ("capacity_kg", "f8"), ("yard_kg", "f8"), ("feed_kg_s", "f8"), ("noise", "f8"), ("flow", "f8"), ("shown", "f8"),
        ("empty", "f8"), ("level_offset", "f8"), ("level_freeze", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    sensor("Level", "level, share of capacity", "料位", "%", 0, 120, 0.1),
    sensor("Yard", "yard box, share of capacity", "堆场料位", "%", 0, 120, 0.1),
    actuator("Feed", "feed from the yard (feed belt, or call lamp of the loader)", "上料（皮带或装载机呼叫）"),
    setpoint("LabMoisture", "moisture found by the laboratory", "试验室含水率", "%", 0, 25, 0.01, writer="operator"),
    parameter("Capacity", "capacity", "容量", "kg"),
)
LEVEL, YARD, FEED, LAB_MOISTURE, CAPACITY = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("empty-bin", "empty", 0, 1, 1, "-", ("Level",), "the bin gets nothing any more from the yard", "料仓断料"),
    Fault("level-offset", "level_offset", -100, 100, 40, "%", ("Level",), "the level sensor reads wrong", "料位计偏差"),
    Fault("level-freeze", "level_freeze", 0, 1, 1, "-", ("Level",), "the level reading stands still", "料位计冻结"),
)

RAMP_S = 3.0  # a feed belt or a loader's bucket does not start at full flow


# --- how it is put in place ---------------------------------------------------------------------------


def wet_kg(species: str, wet: float, moisture: float) -> dict[int, float]:
    """Dry mass and water in `wet` kg at `moisture` (water over dry mass)."""
    dry = wet / (1 + moisture)
    return {SPECIES.index(species): dry, WATER: wet - dry}


def build(site: Site, line: int, name: str, cfg: AggregateBin, species: str, moisture: float) -> Equipment:
    """Put a bin and its yard box in place, part filled."""
    holder, yard = site.ledger.holder(name), site.ledger.holder(f"{name}.Yard")
    machine = site.table.add(name, "aggregate_bin", TAGS, cfg.material, source=f"{name}.Yard",
                             values={"Capacity": cfg.capacity_t * 1000, "LabMoisture": 100 * moisture})  # fmt: skip
    site.ledger.open_with(holder, wet_kg(species, cfg.capacity_t * 1000 * cfg.initial_share, moisture))
    site.ledger.open_with(yard, wet_kg(species, cfg.yard_capacity_t * 1000 * cfg.yard_initial_share, moisture))
    site.ledger.link(site.ledger.holder("suppliers"), yard)
    loader = cfg.kind == "ground"
    motor = site.motor(f"{name.split('.')[0]}.Loader", 0.0, "loader") if loader else site.motor(f"{name}.FeedBelt", cfg.feed_kw, "belt")
    site.place(
        "aggregate_bin", name, motor=motor, feed_kw=0.0 if loader else cfg.feed_kw, tag=machine.first, seen_tag=machine.first + LAB_MOISTURE, line=line, holder=holder, yard=yard, fill=site.ledger.link(yard, holder),
        spill=site.ledger.link(holder, site.ledger.holder("ground")), species=SPECIES.index(species), capacity_kg=cfg.capacity_t * 1000,
        yard_kg=cfg.yard_capacity_t * 1000, feed_kg_s=cfg.feed_kg_s, noise=cfg.level_noise,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(b: Any, p: Any, permit: float, dt_s: float) -> None:
    """Take material from the yard while fed."""
    target = 1.0 if p.io[b.tag + FEED] * permit > 0.5 and b.empty < 0.5 else 0.0
    if target == 0.0 and b.flow == 0.0:
        return
    p.motors[b.motor, 0] += dt_s
    p.motors[b.motor, 1] += b.feed_kw * dt_s
    b.flow, open_s = travel(b.flow, target, 1.0 / RAMP_S, dt_s)
    move(p.ledger, b.fill, b.feed_kg_s * open_s)
    excess = total_kg(p.ledger, b.holder) - b.capacity_kg
    if excess > 0.0:
        move(p.ledger, b.spill, excess)


@njit
def moisture(ledger: Any, holder: int, species: int) -> float:
    """Water over dry mass in a holder of wet aggregate."""
    dry = ledger.stock[holder, species]
    return ledger.stock[holder, WATER] / dry if dry > 1.0 else 0.0


@njit
def sense(b: Any, p: Any) -> None:
    """Levels of bin and yard box."""
    share = 100.0 * total_kg(p.ledger, b.holder) / b.capacity_kg
    if b.level_freeze < 0.5:
        z = normal(p.site[0].seed, b.key + 5, p.site[0].tick)
        b.shown = min(max(share + b.noise * z + b.level_offset, 0.0), 120.0)
    p.io[b.tag + LEVEL] = b.shown
    p.io[b.tag + YARD] = min(100.0 * total_kg(p.ledger, b.yard) / b.yard_kg, 120.0)
