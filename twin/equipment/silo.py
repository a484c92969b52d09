"""Silo: cement, fly ash or slag; filled pneumatically from a tanker, emptied by a screw."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from twin.equipment import dust_collector
from twin.equipment.dust_collector import DustCollector
from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels import emission
from twin.kernels.random import normal
from twin.ledger import SPECIES, book, move, total_kg
from twin.tags import Equipment, actuator, parameter, sensor

# --- what it is ---------------------------------------------------------------------------------------


class Silo(Part):
    """Powder silo with a vent filter on top, relief valve, draw-wire level sensor and fill line with a pinch valve."""

    material: str
    capacity_t: float = figure(..., "t", "100–300 t each, m.kl.net.cn/g76175894.html", gt=0, le=5000)
    initial_share: float = figure(0.7, "of capacity", "scenario start", ge=0, le=1)
    fill_kg_s: float = figure(18.0, "kg/s", "tanker 1.0–1.2 t/min", recalled=True, gt=0, le=200)
    fill_air_m3_s: float = figure(0.25, "m3/s", "tanker blower 900 m³/h; engineering choice", recalled=True, gt=0)
    surge_factor: float = figure(
        4.0, "-", "residual air of the emptied tanker, agg-net.com/resources/articles/materials-handling/under-pressure", ge=1, le=20
    )
    surge_s: float = figure(25.0, "s", "blow-down of an 8 m³ vessel; engineering choice", recalled=True, ge=0)
    filter: DustCollector = Field(default_factory=DustCollector)
    relief_kpa: float = figure(5.0, "kPa", "WAM VCP 50 mbar", recalled=True, gt=0)
    level_noise: float = figure(0.3, "%", "draw-wire level sensor; engineering choice", recalled=True, ge=0)
    reorder_share: float = figure(0.45, "of capacity", "purchasing rule", recalled=True, ge=0, le=1)
    aeration_s: float = figure(1200.0, "s", "fresh powder settles in about 20 min; engineering choice", recalled=True, gt=0)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("key", "i8"), ("line", "i8"), ("holder", "i8"), ("tanker", "i8"), ("fill", "i8"), ("spill", "i8"), ("dust", "i8"), ("filter", "i8"), ("at", "i8"), ("to_filter", "i8"), ("source", "i8"), ("blower", "i8"), ("supplement", "i8"), ("species", "i8"),
        ("capacity_kg", "f8"), ("fill_kg_s", "f8"), ("air_m3_s", "f8"), ("surge_factor", "f8"), ("surge_s", "f8"),
        ("relief_kpa", "f8"), ("noise", "f8"), ("aeration_s", "f8"),
        ("aerated", "f8"), ("connected", "f8"), ("surging_s", "f8"), ("pressure_kpa", "f8"), ("relief_open", "f8"), ("pinch", "f8"),
        ("shown", "f8"),
        ("relief_stuck", "f8"), ("level_offset", "f8"), ("level_freeze", "f8"), ("pinch_stuck", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    sensor("Level", "level, share of capacity (draw-wire)", "料位（重锤式）", "%", 0, 120, 0.1),
    sensor("High", "high level switch", "高料位开关"),
    sensor("Pressure", "pressure inside", "仓内压力", "kPa", -2, 20, 0.01),
    sensor("ReliefOpen", "relief valve open", "安全阀开启", alarm=True, severity=800),
    sensor("Filling", "tanker connected", "罐车卸料中"),
    actuator("FillOpen", "pinch valve of the fill line open", "进料管夹阀打开"),
    parameter("Capacity", "capacity", "容量", "kg"),
)
LEVEL, HIGH, PRESSURE, RELIEF_OPEN, FILLING, FILL_OPEN, CAPACITY = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("relief-valve-stuck", "relief_stuck", 0, 1, 1, "-", ("Pressure",), "the relief valve does not lift", "安全阀卡死"),
    Fault("level-offset", "level_offset", -100, 100, -20, "%", ("Level",), "the level sensor reads wrong", "料位计偏差"),
    Fault("level-freeze", "level_freeze", 0, 1, 1, "-", ("Level",), "the level reading stands still", "料位计冻结"),
    Fault(
        "overfull-silo",
        "pinch_stuck",
        0,
        1,
        1,
        "-",
        ("Level", "High"),
        "the pinch valve does not shut: the silo is overfilled",
        "夹阀失效致筒仓冒顶",
    ),
)

HIGH_SHARE = 0.90  # silo.level: high


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, line: int, name: str, cfg: Silo, species: str) -> Equipment:
    """Put a silo in place, part filled."""
    holder, tanker = site.ledger.holder(name), site.ledger.holder(f"{name}.Tanker")
    machine = site.table.add(name, "silo", TAGS, cfg.material, values={"Capacity": cfg.capacity_t * 1000, "FillOpen": 1.0})
    stock = cfg.capacity_t * 1000 * cfg.initial_share
    site.ledger.open_with(holder, {SPECIES.index(species): stock})
    site.ledger.link(site.ledger.holder("suppliers"), tanker)
    vent = f"{name}.Filter"
    dust_collector.build(site, line, vent, cfg.filter, name)
    number = site.find("dust_collector", vent)
    site.place(
        "silo", name, tag=machine.first, line=line, holder=holder, tanker=tanker, fill=site.ledger.link(tanker, holder),
        spill=site.ledger.link(holder, site.ledger.holder("ground")), dust=site.ledger.link(holder, site.ledger.holder("air")),
        species=SPECIES.index(species), capacity_kg=cfg.capacity_t * 1000, fill_kg_s=cfg.fill_kg_s, air_m3_s=cfg.fill_air_m3_s,
        surge_factor=cfg.surge_factor, surge_s=cfg.surge_s, filter=number, to_filter=site.ledger.link(holder, site.ledger.holder(vent)),
        source=site.source(name), blower=site.motor(f"{name.split('.')[0]}.Tanker", 0.0, "tanker"), supplement=int(species != "cement"), relief_kpa=cfg.relief_kpa, noise=cfg.level_noise,
        aeration_s=cfg.aeration_s, pinch=1.0,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(s: Any, p: Any, permit: float, dt_s: float) -> None:
    """Take powder and air from a connected tanker; hold or relieve the pressure; lose a little dust."""
    if s.pinch_stuck < 0.5:
        s.pinch = 1.0 if p.io[s.tag + FILL_OPEN] * permit > 0.5 else 0.0
    if s.aerated > 0.0:
        s.aerated = s.aerated * np.exp(-dt_s / s.aeration_s) if s.aerated > 1e-3 else 0.0
    if s.connected < 0.5 and s.surging_s <= 0.0:
        if s.pressure_kpa != 0.0:
            s.pressure_kpa, s.relief_open = 0.0, 0.0
        return
    air, kg = 0.0, 0.0
    if s.pinch > 0.5:
        in_tanker = total_kg(p.ledger, s.tanker)
        if in_tanker > 0.0:
            kg = move(p.ledger, s.fill, s.fill_kg_s * dt_s if in_tanker > s.fill_kg_s * dt_s + 1.0 else in_tanker + 1.0)
            air, s.aerated = s.air_m3_s, 1.0
            if total_kg(p.ledger, s.tanker) <= 0.0:
                s.surging_s = s.surge_s
        elif s.surging_s > 0.0:
            air = s.air_m3_s * s.surge_factor
            s.surging_s -= dt_s
        else:
            s.connected = 0.0
    if air > 0.0:  # the blower stands on the tanker and is a diesel
        p.motors[s.blower, 0] += dt_s
    breathe(s, p, air, kg, dt_s)
    excess = total_kg(p.ledger, s.holder) - s.capacity_kg
    if excess > 0.0:
        move(p.ledger, s.spill, excess)


@njit
def breathe(s: Any, p: Any, air_m3_s: float, kg: float, dt_s: float) -> None:
    """Air leaves through filter and relief valve and carries dust: quasi-static pressure p = R·Q."""
    c = p.collectors[s.filter]
    resistance = 0.001 * dust_collector.resistance_pa_s_m3(c, p)
    pressure = air_m3_s * resistance
    if s.relief_stuck > 0.5:
        s.relief_open = 0.0
    elif pressure > s.relief_kpa:
        s.relief_open = 1.0
    elif pressure < 0.6 * s.relief_kpa:
        s.relief_open = 0.0
    through_relief = 0.0
    if s.relief_open > 0.5 and air_m3_s > 0.0:
        pressure = min(pressure, s.relief_kpa)
        through_relief = max(1.0 - pressure / resistance / air_m3_s, 0.0)
    s.pressure_kpa = pressure
    # Dust goes with the air: through the filter, and unfiltered with what the relief valve throws out.
    loaded_kg = max(kg, s.fill_kg_s * dt_s if air_m3_s > 0.0 else 0.0)
    carried = loaded_kg * emission.silo_kg_kg(emission.TSP, s.supplement > 0)
    held = p.ledger.stock[s.holder, s.species]
    carried = min(carried, 0.5 * held)
    c.pushed_m3_s = air_m3_s * (1.0 - through_relief)
    dust_collector.feed(c, p, s.to_filter, carried * (1.0 - through_relief))
    if through_relief > 0.0:
        book(p.ledger, s.dust, s.species, carried * through_relief)
        for size in range(3):
            p.emitted[s.source, size] += loaded_kg * emission.silo_kg_kg(size, s.supplement > 0) * through_relief


@njit
def sense(s: Any, p: Any) -> None:
    """Level, high switch, pressure."""
    held = total_kg(p.ledger, s.holder)
    share = held / s.capacity_kg
    if s.level_freeze < 0.5:
        z = normal(p.site[0].seed, s.key + 4, p.site[0].tick)
        s.shown = min(max(100.0 * share + s.noise * z + s.level_offset, 0.0), 120.0)
    p.io[s.tag + LEVEL] = s.shown
    p.io[s.tag + HIGH] = 1.0 if share > HIGH_SHARE else 0.0
    p.io[s.tag + PRESSURE] = s.pressure_kpa
    p.io[s.tag + RELIEF_OPEN] = s.relief_open
    p.io[s.tag + FILLING] = s.connected
