"""Tank: fresh water (refilled from the mains by a float valve), slurry water, or admixture.

A slurry tank is kept in circulation by its own pump, so nothing settles in it; settling is a matter of the basins.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.random import normal
from twin.kernels.water import solids_share
from twin.ledger import ADMIXTURE, WATER, book, total_kg
from twin.tags import Equipment, parameter, sensor

# --- what it is ---------------------------------------------------------------------------------------


class Tank(Part):
    """Tank above or beside its weigher."""

    material: str
    holds: Literal["water", "slurry_water", "admixture"]
    capacity_t: float = figure(..., "t", "layout of the design", gt=0, le=10000)
    initial_share: float = figure(0.8, "of capacity", "scenario start", ge=0, le=1)
    mains_kg_s: float = figure(0.0, "kg/s", "float valve on the mains; 0 for none", ge=0, le=500)
    refill_below: float = figure(0.85, "of capacity", "float valve on the mains opens; engineering choice", recalled=True, ge=0, le=1)
    refill_up_to: float = figure(0.95, "of capacity", "float valve on the mains shuts; engineering choice", recalled=True, ge=0, le=1)
    reorder_share: float = figure(0.4, "of capacity", "purchasing rule", recalled=True, ge=0, le=1)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("key", "i8"), ("line", "i8"), ("holder", "i8"), ("mains", "i8"), ("slurry", "i8"), ("capacity_kg", "f8"), ("mains_kg_s", "f8"),
        ("refill_below", "f8"), ("refill_up_to", "f8"), ("filling", "f8"), ("float_stuck", "f8"), ("level_offset", "f8"), ("solids_offset", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

PLAIN = (
    sensor("Level", "level, share of capacity", "液位", "%", 0, 120, 0.1),
    sensor("Low", "low level switch", "低液位开关"),
    parameter("Capacity", "capacity", "容量", "kg"),
)
SLURRY = (sensor("Solids", "solids by mass (density meter)", "含固量（密度计）", "%", 0, 100, 0.01),)
TAGS = PLAIN + SLURRY
LEVEL, LOW, CAPACITY, SOLIDS = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("float-valve-stuck", "float_stuck", 0, 1, 1, "-", ("Level",), "the float valve does not open", "浮球阀卡死"),
    Fault("level-offset", "level_offset", -100, 100, 20, "%", ("Level",), "the level sensor reads wrong", "液位计偏差"),
    Fault("density-meter-drift", "solids_offset", -20, 20, -2, "%", ("Solids",), "the density meter reads wrong", "密度计偏差"),
)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, line: int, name: str, cfg: Tank) -> Equipment:
    """Put a tank in place, part filled."""
    holder = site.ledger.holder(name)
    machine = site.table.add(
        name, "tank", TAGS if cfg.holds == "slurry_water" else PLAIN, cfg.material, values={"Capacity": cfg.capacity_t * 1000}
    )
    species = ADMIXTURE if cfg.holds == "admixture" else WATER
    site.ledger.open_with(holder, {species: cfg.capacity_t * 1000 * cfg.initial_share})
    source = "suppliers" if cfg.holds == "admixture" else "mains"
    site.place(
        "tank", name, tag=machine.first, line=line, holder=holder, mains=site.ledger.link(site.ledger.holder(source), holder),
        capacity_kg=cfg.capacity_t * 1000, mains_kg_s=cfg.mains_kg_s, slurry=int(cfg.holds == "slurry_water"),
        refill_below=cfg.refill_below, refill_up_to=cfg.refill_up_to,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(t: Any, p: Any, dt_s: float) -> None:
    """The float valve refills from the mains."""
    if t.mains_kg_s <= 0.0:
        return
    held = total_kg(p.ledger, t.holder)
    if held < t.refill_below * t.capacity_kg:
        t.filling = 1.0
    elif held > t.refill_up_to * t.capacity_kg:
        t.filling = 0.0
    if t.filling > 0.5 and t.float_stuck < 0.5:
        book(p.ledger, t.mains, WATER, min(t.mains_kg_s * dt_s, t.capacity_kg - held))


@njit
def sense(t: Any, p: Any) -> None:
    """Level."""
    share = 100.0 * total_kg(p.ledger, t.holder) / t.capacity_kg
    p.io[t.tag + LEVEL] = min(max(share + t.level_offset, 0.0), 120.0)
    p.io[t.tag + LOW] = 1.0 if share < 10.0 else 0.0
    if t.slurry:
        z = normal(p.site[0].seed, t.key + 1, p.site[0].tick)
        solids = 100.0 * solids_share(p.ledger.stock[t.holder])
        p.io[t.tag + SOLIDS] = min(max(solids * (1.0 + 0.01 * z) + t.solids_offset, 0.0), 100.0)
