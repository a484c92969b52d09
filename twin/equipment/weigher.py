"""Weigher: a hopper or weigh belt on load cells, filled by feeders, emptied to a belt or to the mixer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from twin.clock import TICK_S
from twin.equipment import feeder
from twin.equipment.feeder import Gate, Pump, Screw, Valve
from twin.equipment.part import Fault, Name, Part, Site, figure
from twin.jit import njit
from twin.kernels.flow import drained_kg, travel
from twin.kernels.loadcell import respond, transition
from twin.kernels.random import normal
from twin.ledger import N_SPECIES, book, move, total_kg
from twin.tags import Equipment, actuator, parameter, sensor, status

# --- what it is ---------------------------------------------------------------------------------------


class Weigher(Part):
    """Weigh hopper (or weigh-belt conveyor) with its load cells and discharge."""

    kind: Literal["hopper", "belt"] = "hopper"
    capacity_kg: float = figure(..., "kg", "maker sheet of the design", gt=0, le=20000)
    division_kg: float = figure(..., "kg", "indicator setting of the design", gt=0)
    to: Literal["belt", "mixer"]
    feeders: dict[Name, Annotated[Gate | Screw | Valve | Pump, Field(discriminator="kind")]] = Field(min_length=1)
    discharge_kg_s: float = figure(..., "kg/s", "maker sheet of the design", gt=0)
    knee_share: float = figure(0.03, "of capacity", "engineering choice", recalled=True, gt=0, le=0.5)
    stroke_s: float = figure(0.5, "s", "pneumatic discharge gate", recalled=True, gt=0, le=10)
    natural_hz: float = figure(4.0, "Hz", "loaded hopper on shear-beam cells; engineering choice", recalled=True, gt=0.2, le=50)
    damping: float = figure(0.6, "-", "with the indicator's filter; engineering choice", recalled=True, gt=0.05, lt=1)
    noise_kg: float = figure(0.0, "kg", "standard deviation; 0 takes half a division", recalled=True, ge=0)
    drift_kg_h: float = figure(0.0, "kg/h", "engineering choice", recalled=True)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("key", "i8"), ("line", "i8"), ("holder", "i8"), ("out", "i8"), ("spill", "i8"), ("belt", "i8"), ("mixer", "i8"),
        ("first_feeder", "i8"), ("feeders", "i8"), ("at", "i8"),
        ("capacity_kg", "f8"), ("division_kg", "f8"), ("rate_kg_s", "f8"), ("knee_kg", "f8"), ("stroke_rate_s", "f8"),
        ("a_tick", "f8", 4), ("a_scan", "f8", 4), ("noise_kg", "f8"), ("drift_kg_s", "f8"),
        ("fed_kg", "f8"), ("impact_kg", "f8"), ("load_kg", "f8"), ("mass_kg", "f8"), ("x_kg", "f8"), ("v_kg_s", "f8"), ("opening", "f8"),
        ("out_kg_s", "f8"), ("shown_kg", "f8"), ("drifted_kg", "f8"),
        ("offset", "f8"), ("freeze", "f8"), ("spike", "f8"), ("drift", "f8"), ("stuck", "f8"), ("leak", "f8"), ("broken", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

PHASES = ("idle", "tare", "coarse", "fine", "settling", "jog", "weighed", "discharging", "held", "emptying")
DISPOSITIONS = ("within", "re-dosed", "accepted", "accepted-late")

TAGS = (
    sensor("Gross", "gross mass shown", "显示毛重", "kg", -2000, 20000, 0.05),
    sensor("GateClosed", "discharge shut", "卸料门关闭"),
    actuator("Discharge", "discharge", "卸料"),
    parameter("Capacity", "capacity", "量程", "kg"),
    parameter("Division", "scale division", "分度值", "kg", 0, 100, 0.001),
    status("Phase", "dosing phase", "计量阶段", states=PHASES),
    status("Batch", "number of the batch it weighs for", "所计量的盘号", "count", 0, 1e9),
    status("Feeder", "number of the feeder being dosed, counted over the plant", "正在给料的给料机序号", "count", 0, 1000),
    status("Target", "target of the ingredient", "目标值", "kg", 0, 20000, 0.05),
    status("Recorded", "recorded mass of the last ingredient", "上一物料记录值", "kg", -500, 20000, 0.05),
    status("Records", "count of recorded weighings", "记录次数", "count", 0, 1e9),
    status("Disposition", "what was done about its deviation", "偏差处置", states=DISPOSITIONS),
    status("Redoses", "re-doses of this ingredient", "补料次数", "count", 0, 100),
    status("OverTolerance", "over tolerance, held", "超差暂停", alarm=True, severity=600),
    status("NoFlow", "no flow while dosing", "给料无流量", alarm=True, severity=600),
    status("Unsteady", "the mass changes after it was weighed", "计量后质量变化", alarm=True),
    status("ScaleFailure", "the reading cannot be true", "称量传感器故障", alarm=True, severity=700),
)
(GROSS, GATE_CLOSED, DISCHARGE, CAPACITY, DIVISION, PHASE, BATCH, FEEDER, TARGET, RECORDED, RECORDS, DISPOSITION, REDOSES,
 OVER_TOLERANCE, NO_FLOW, UNSTEADY, SCALE_FAILURE) = range(len(TAGS))  # fmt: skip

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("sensor-offset", "offset", -2000, 2000, 20, "kg", ("Gross",), "the scale shows too much or too little", "称量零点偏移"),
    Fault("sensor-drift", "drift", -100, 100, 2, "kg/min", ("Gross",), "the scale drifts away", "称量漂移"),
    Fault("sensor-freeze", "freeze", 0, 1, 1, "-", ("Gross",), "the reading stands still", "读数冻结"),
    Fault("sensor-spike", "spike", 0, 2000, 100, "kg", ("Gross",), "single readings jump", "读数跳变"),
    Fault("sensor-broken", "broken", 0, 1, 1, "-", ("Gross",), "the load cell cable is cut: reads below zero", "传感器断线"),
    Fault("stuck-discharge", "stuck", 0, 1, 1, "-", ("GateClosed",), "the discharge does not move", "卸料门卡住"),
    Fault("leaking-discharge", "leak", 0, 0.2, 0.005, "of full flow", ("Gross",), "the discharge leaks", "卸料门漏料"),
)

BROKEN_SHARE = 0.2  # of capacity, below zero: where the indicator stands with its cable cut (engineering choice)
OVERFLOW_SHARE = 1.25  # a hopper holds a quarter more than its scale weighs before it runs over


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, line: int, name: str, cfg: Weigher, target_holder: int, feeds: str, belt: int, mixer: int) -> Equipment:
    """Put a weigher in place; its feeders are placed by the line."""
    holder = site.ledger.holder(name)
    machine = site.table.add(name, "weigher", TAGS, feeds=feeds, values={"Capacity": cfg.capacity_kg, "Division": cfg.division_kg, "GateClosed": 1.0},
                             high={"Gross": 1.1 * cfg.capacity_kg, "Target": cfg.capacity_kg, "Recorded": 1.3 * cfg.capacity_kg},
                             low={"Gross": -0.1 * cfg.capacity_kg}, broken={"Gross": shown_kg(-BROKEN_SHARE * cfg.capacity_kg, cfg.capacity_kg, cfg.division_kg)})  # fmt: skip
    site.place(
        "weigher", name, tag=machine.first, line=line, holder=holder, out=site.ledger.link(holder, target_holder),
        spill=site.ledger.link(holder, site.ledger.holder("ground")), belt=belt, mixer=mixer, capacity_kg=cfg.capacity_kg,
        division_kg=cfg.division_kg, rate_kg_s=cfg.discharge_kg_s, knee_kg=cfg.knee_share * cfg.capacity_kg,
        stroke_rate_s=1 / cfg.stroke_s, a_tick=transition(cfg.natural_hz, cfg.damping, 0.01),
        a_scan=transition(cfg.natural_hz, cfg.damping, 0.1), noise_kg=cfg.noise_kg or 0.5 * cfg.division_kg,
        drift_kg_s=cfg.drift_kg_h / 3600,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def dose(w: Any, p: Any, ticks: int) -> None:
    """One step of the weigher together with the feeders above it."""
    permit, supply = p.stations[w.line].gates, p.stations[w.line].supply
    dt_s = ticks * TICK_S
    for j in range(w.first_feeder, w.first_feeder + w.feeders):
        feeder.step(p.feeders[j], p, permit, supply, dt_s)
    step(w, p, permit, ticks, dt_s)


@njit
def calm(w: Any, p: Any) -> bool:
    """Is nothing going in or out, nothing swinging, nothing failing, so that a step would change nothing?"""
    if w.opening != 0.0 or w.x_kg != w.load_kg or w.leak != 0.0 or w.drift != 0.0 or w.fed_kg != 0.0 or p.io[w.tag + DISCHARGE] > 0.5:
        return False
    for j in range(w.first_feeder, w.first_feeder + w.feeders):
        f = p.feeders[j]
        if (
            f.opening != 0.0
            or f.airborne_kg > 1e-7
            or f.leak != 0.0
            or p.io[f.tag + feeder.COARSE] > 0.5
            or p.io[f.tag + feeder.FINE] > 0.5
        ):
            return False
    return True


@njit
def step(w: Any, p: Any, permit: float, ticks: int, dt_s: float) -> None:
    """Let material out, follow the load with the load cell."""
    command = p.io[w.tag + DISCHARGE] * permit > 0.5
    w.drifted_kg = w.drifted_kg + w.drift * dt_s / 60.0 if w.drift != 0.0 else 0.0
    quiet = w.fed_kg == 0.0 and w.opening == 0.0 and not command and w.leak == 0.0 and w.impact_kg == 0.0
    if quiet and w.x_kg == w.load_kg:
        return
    w.mass_kg += w.fed_kg
    w.out_kg_s = 0.0
    area = w.opening * dt_s
    if w.stuck < 0.5:
        w.opening, area = travel(w.opening, 1.0 if command else 0.0, w.stroke_rate_s, dt_s)
    area += w.leak * dt_s
    if area > 0.0 and w.mass_kg > 0.0:
        give(w, p, drained_kg(w.mass_kg, w.rate_kg_s * area / dt_s, w.knee_kg, dt_s), dt_s)
    if w.mass_kg > OVERFLOW_SHARE * w.capacity_kg:
        move(p.ledger, w.spill, w.mass_kg - OVERFLOW_SHARE * w.capacity_kg)
        w.mass_kg = total_kg(p.ledger, w.holder)
    load = w.mass_kg + w.impact_kg
    middle = 0.5 * (load + w.load_kg)
    if ticks == 1:
        w.x_kg, w.v_kg_s = respond(w.x_kg, w.v_kg_s, middle, w.a_tick)
    elif ticks == 10:
        w.x_kg, w.v_kg_s = respond(w.x_kg, w.v_kg_s, middle, w.a_scan)
    else:
        w.x_kg, w.v_kg_s = load, 0.0
    w.load_kg, w.fed_kg, w.impact_kg = load, 0.0, 0.0
    if abs(w.x_kg - load) < 1e-4 and abs(w.v_kg_s) < 1e-3:
        w.x_kg, w.v_kg_s = load, 0.0


@njit
def give(w: Any, p: Any, kg: float, dt_s: float) -> None:
    """Discharge onto the belt (at the entry of its transport line) or straight into the mixer."""
    held = total_kg(p.ledger, w.holder)
    if held <= 0.0:
        w.mass_kg = 0.0
        return
    share = min(kg / held, 1.0)
    gave = 0.0
    for s in range(N_SPECIES):
        part = p.ledger.stock[w.holder, s] * share
        if part > 0.0:
            book(p.ledger, w.out, s, part)
            gave += part
            if w.belt >= 0:
                p.belt_feed[w.belt, s] += part
    if w.belt < 0:
        p.mixers[w.mixer].fed_kg += gave
    w.out_kg_s = gave / dt_s
    w.mass_kg = max(w.mass_kg - gave, 0.0)
    if w.mass_kg < 1e-6:
        w.mass_kg = total_kg(p.ledger, w.holder)


@njit
def shown_kg(kg: float, capacity_kg: float, division_kg: float) -> float:
    """What an indicator makes of a mass: kept between its stops, rounded to its division."""
    return float(np.floor(min(max(kg, -BROKEN_SHARE * capacity_kg), 1.3 * capacity_kg) / division_kg + 0.5) * division_kg)


@njit
def sense(w: Any, p: Any, vibration: float) -> None:
    """What the indicator shows: noise, vibration of a running mixer, drift, faults, rounding to the division."""
    tick = p.site[0].tick
    z = normal(p.site[0].seed, w.key + 2, tick)
    kg = w.x_kg + z * w.noise_kg * (1.0 + vibration) + w.offset + w.drifted_kg + w.drift_kg_s * tick * 0.01
    if w.spike != 0.0 and z > 1.6:
        kg += w.spike
    if w.broken > 0.5:
        kg = -BROKEN_SHARE * w.capacity_kg
    if w.freeze < 0.5:
        w.shown_kg = shown_kg(kg, w.capacity_kg, w.division_kg)
    p.io[w.tag + GROSS] = w.shown_kg
    p.io[w.tag + GATE_CLOSED] = 1.0 if w.opening <= 0.02 else 0.0
