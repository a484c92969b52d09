"""Feeder: gate, screw, valve or pump that doses one material from its source into a weigher."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.flow import irregularity, travel
from twin.kernels.random import normal, uniform
from twin.kernels.transport import feed_and_advance
from twin.ledger import FINES, N_SPECIES, SPECIES, WATER, book, total_kg
from twin.tags import Equipment, actuator, parameter, sensor

# --- what it is ---------------------------------------------------------------------------------------


class Feeder(Part):
    """A dosing device and the free fall below it."""

    source: str
    flow_kg_s: float = figure(..., "kg/s", "maker sheet of the design", gt=0, le=2000)
    fine_opening: float = figure(0.15, "-", "coarse/fine dosing, Zoomlion CN107560701A", gt=0, le=1)
    fall_s: float = figure(0.4, "s", "free fall of 0.8 m", recalled=True, ge=0.12, le=3)
    irregularity: float = figure(0.05, "-", "engineering choice", recalled=True, ge=0, le=0.5)
    correlation_s: float = figure(1.0, "s", "engineering choice", recalled=True, gt=0.05, le=60)
    arching_chance: float = figure(0.0, "per dose", "engineering choice", recalled=True, ge=0, le=1)
    stroke_s: float
    dead_s: float
    head_exponent: float = figure(0.0, "-", "solids and pumps do not feel the head", ge=0, le=1)
    power_kw: float = figure(0.0, "kW", "gates and valves work with air", ge=0, le=200)


class Gate(Feeder):
    """Pneumatic sector gate under an aggregate bin."""

    kind: Literal["gate"]
    stroke_s: float = figure(0.35, "s", "pneumatic sector gate", recalled=True, gt=0, le=10)
    dead_s: float = figure(0.12, "s", "solenoid and cylinder filling", recalled=True, ge=0, le=2)
    irregularity: float = figure(0.08, "-", "engineering choice", recalled=True, ge=0, le=0.5)
    arching_chance: float = figure(0.004, "per dose", "wet sand bridges now and then; engineering choice", recalled=True, ge=0, le=1)


class Screw(Feeder):
    """Screw conveyor with a frequency converter under a silo."""

    kind: Literal["screw"]
    stroke_s: float = figure(0.8, "s", "ramp of the frequency converter", recalled=True, gt=0, le=10)
    dead_s: float = figure(0.1, "s", "contactor and converter", recalled=True, ge=0, le=2)
    irregularity: float = figure(0.06, "-", "engineering choice", recalled=True, ge=0, le=0.5)
    arching_chance: float = figure(0.002, "per dose", "engineering choice", recalled=True, ge=0, le=1)
    power_kw: float = figure(11.0, "kW", "screw of 273 mm, maker practice", recalled=True, ge=0, le=200)


class Valve(Feeder):
    """Butterfly valve below a tank: flow with the square root of the head."""

    kind: Literal["valve"]
    stroke_s: float = figure(0.5, "s", "pneumatic butterfly valve", recalled=True, gt=0, le=10)
    dead_s: float = figure(0.1, "s", "solenoid and cylinder filling", recalled=True, ge=0, le=2)
    irregularity: float = figure(0.01, "-", "engineering choice", recalled=True, ge=0, le=0.5)
    head_exponent: float = figure(0.5, "-", "Torricelli", ge=0, le=1)


class Pump(Feeder):
    """Metering pump with a coarse and a fine speed."""

    kind: Literal["pump"]
    stroke_s: float = figure(0.3, "s", "ramp of the frequency converter", recalled=True, gt=0, le=10)
    dead_s: float = figure(0.1, "s", "contactor", recalled=True, ge=0, le=2)
    irregularity: float = figure(0.01, "-", "engineering choice", recalled=True, ge=0, le=0.5)
    power_kw: float = figure(3.0, "kW", "maker practice", recalled=True, ge=0, le=200)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("key", "i8"), ("source", "i8"), ("silo", "i8"), ("bin", "i8"), ("weigher", "i8"), ("out", "i8"), ("land", "i8"),
        ("flow_kg_s", "f8"), ("fine", "f8"), ("rate_s", "f8"), ("dead_s", "f8"), ("head_exponent", "f8"),
        ("full_kg", "f8"), ("powder", "i8"), ("driven", "i8"), ("motor", "i8"), ("power_kw", "f8"), ("sigma", "f8"), ("tau_s", "f8"), ("arching_chance", "f8"),
        ("slot0", "i8"), ("slots", "i8"), ("head", "i8"), ("phase", "f8"), ("slot_s", "f8"), ("s0", "i8"), ("s1", "i8"),
        ("impact_s", "f8"), ("opening", "f8"), ("accepted", "f8"), ("wait_s", "f8"), ("x", "f8"),
        ("airborne_kg", "f8"), ("arched", "f8"),
        ("stuck", "f8"), ("leak", "f8"), ("arching", "f8"), ("closed_switch", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    actuator("Coarse", "coarse feed", "粗称给料"),
    actuator("Fine", "fine feed", "精称给料"),
    actuator("FlowAid", "vibrator or aeration", "振动器或破拱充气"),
    sensor("Open", "fully open or at full speed", "全开或全速"),
    sensor("Closed", "shut or standing", "关闭或停止"),
    parameter("RatedFlow", "rated flow, coarse", "粗称额定流量", "kg/s", 0, 2000),
    parameter("FineShare", "fine flow over coarse flow", "精粗流量比", "-", 0, 1),
)
COARSE, FINE, FLOW_AID, OPEN, CLOSED, RATED_FLOW, FINE_SHARE = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("stuck-gate", "stuck", 0, 1, 1, "-", ("Open", "Closed"), "does not move any more", "卡住不动"),
    Fault("leaking-gate", "leak", 0, 0.2, 0.01, "of full flow", ("Closed",), "lets material through when shut", "关闭时漏料"),
    Fault("arching", "arching", 0, 1, 1, "of flow lost", ("Open",), "material bridges above the outlet", "出料口起拱堵料"),
    Fault("closed-switch-lost", "closed_switch", 0, 1, 1, "-", ("Closed",), "limit switch 'closed' stays off", "关位限位开关失效"),
)

# --- how it is put in place ---------------------------------------------------------------------------

# Speed of a stream that fell for `fall_s` gives it a force on the scale: q·v/g = q·fall_s (v = g·t).
SLOTS = 4


def build(site: Site, name: str, cfg: Gate | Screw | Valve | Pump, source: Equipment, source_holder: int, full_kg: float, material: str, species: str,
          weigher: str, weigher_holder: int, muddy: bool = False) -> Equipment:  # fmt: skip
    """Put a feeder between a source and the weigher below it; `muddy` aggregate brings its fines along."""
    column = site.ledger.holder(f"{name}.Falling")
    machine = site.table.add(name, "feeder", TAGS, material, weigher, source.name,
                             {"RatedFlow": cfg.flow_kg_s, "FineShare": cfg.fine_opening, "Closed": 1.0})  # fmt: skip
    if species == "slurry_water":  # carries every solid that was washed out
        s0, s1 = 0, N_SPECIES
    else:
        s0 = SPECIES.index(species)
        s1 = s0 + 1
        if species in ("sand", "stone"):
            s1 = FINES + 1 if muddy else WATER + 1
    site.place(
        "feeder", name, tag=machine.first, source=source_holder, silo=site.find("silo", source.name), bin=site.find("aggregate_bin", source.name), weigher=-1,
        out=site.ledger.link(source_holder, column), land=site.ledger.link(column, weigher_holder),
        flow_kg_s=cfg.flow_kg_s, fine=cfg.fine_opening, rate_s=1 / cfg.stroke_s, dead_s=cfg.dead_s,
        head_exponent=cfg.head_exponent, full_kg=full_kg, powder=int(species in ("cement", "fly_ash", "slag")),
        driven=int(cfg.kind in ("screw", "pump")), power_kw=cfg.power_kw, motor=site.motor(name, cfg.power_kw, cfg.kind) if cfg.power_kw > 0 else -1,
        sigma=cfg.irregularity, tau_s=cfg.correlation_s, arching_chance=cfg.arching_chance,
        slot0=site.take_slots(SLOTS + 1), slots=SLOTS, slot_s=cfg.fall_s / SLOTS, s0=s0, s1=s1, impact_s=cfg.fall_s,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def level_factor(f: Any, held_kg: float, aeration: float) -> float:
    """Flow over rated flow at this stock: head of a liquid, last of a hopper, aerated or rat-holing powder."""
    if held_kg <= 0.0:
        return 0.0
    fill = held_kg / f.full_kg
    if f.head_exponent > 0.0:
        return min((fill / 0.7) ** f.head_exponent, 1.2)
    tail = min(fill / 0.01, 1.0)
    return tail * (1.0 + 0.15 * aeration) if f.powder else tail


@njit
def step(f: Any, p: Any, permit: float, supply: float, dt_s: float) -> None:
    """Open or shut, let material out, let it fall on the weigher.

    Args:
        permit: 1 when the station lets commands through.
        supply: voltage over nominal.
    """
    coarse, fine = p.io[f.tag + COARSE] * permit, p.io[f.tag + FINE] * permit
    target = 1.0 if coarse > 0.5 else (f.fine if fine > 0.5 else 0.0)
    if f.driven and supply <= 0.7:
        target = 0.0  # a screw or pump stands without voltage; gates and valves have air
    if target == 0.0 and f.opening == 0.0 and f.accepted == 0.0 and f.leak == 0.0 and f.airborne_kg <= 1e-7:
        f.wait_s = 0.0
        return
    tick = p.site[0].tick
    seed = p.site[0].seed
    # A command takes the dead time to arrive; the part of the step after it moves to the new target.
    late_s = 0.0
    if target != f.accepted:
        f.wait_s += dt_s
        late_s = min(max(f.wait_s - f.dead_s, 0.0), dt_s)
    before, area = f.opening, 0.0
    if f.stuck < 0.5:
        f.opening, area = travel(f.opening, f.accepted, f.rate_s, dt_s - late_s)
        if late_s > 0.0 or (target != f.accepted and f.wait_s >= f.dead_s):
            if f.accepted == 0.0:
                start_dose(f, seed, tick)
            f.accepted, f.wait_s = target, 0.0
            f.opening, more = travel(f.opening, f.accepted, f.rate_s, late_s)
            area += more
    else:
        area = before * dt_s
    if target == f.accepted:
        f.wait_s = 0.0
    if f.arched > 0.0 and p.io[f.tag + FLOW_AID] * permit > 0.5:
        f.arched = max(f.arched - dt_s / 2.0, 0.0)
    if f.motor >= 0 and f.opening > 0.0:
        p.motors[f.motor, 0] += dt_s
        p.motors[f.motor, 1] += f.power_kw * dt_s * (0.4 + 0.6 * f.opening)
    release(f, p, area + f.leak * dt_s, dt_s, seed, tick)


@njit
def start_dose(f: Any, seed: int, tick: int) -> None:
    """At the start of a dose the material may have bridged since the last one."""
    if uniform(seed, f.key + 1, tick) < f.arching_chance:
        f.arched = 1.0


@njit
def release(f: Any, p: Any, open_s: float, dt_s: float, seed: int, tick: int) -> None:
    """Let out what the integral of the opening allows and move the falling column on."""
    feed, out = p.scratch[0], p.scratch[1]
    if open_s > 0.0:
        held = total_kg(p.ledger, f.source)
        sigma = f.sigma
        if f.powder and held < 0.15 * f.full_kg:
            sigma *= 1.0 + 2.0 * (1.0 - held / (0.15 * f.full_kg))
        f.x = irregularity(f.x, f.tau_s, dt_s, normal(seed, f.key, tick))
        uneven = max(1.0 + sigma * f.x, 0.0)
        blocked = 1.0 - min(max(f.arching, 0.97 if f.arched > 0.0 else 0.0), 1.0)
        kg = f.flow_kg_s * open_s * level_factor(f, held, p.silos[f.silo].aerated if f.silo >= 0 else 0.0) * uneven * blocked
        if kg > 0.0 and held > 0.0:
            share = min(kg / held, 1.0)
            took = 0.0
            for s in range(f.s0, f.s1):
                part = p.ledger.stock[f.source, s] * share
                feed[s] = part
                took += part
                book(p.ledger, f.out, s, part)
            f.airborne_kg += took
    if f.airborne_kg <= 0.0:
        return
    ring = p.ring[f.slot0 : f.slot0 + f.slots + 1]
    f.head, f.phase = feed_and_advance(ring, f.slots, f.head, f.phase, dt_s / f.slot_s, feed, out, f.s0, f.s1)
    landed = 0.0
    for s in range(f.s0, f.s1):
        landed += out[s]
        book(p.ledger, f.land, s, out[s])
        out[s] = 0.0
    f.airborne_kg = max(f.airborne_kg - landed, 0.0)
    w = p.weighers[f.weigher]
    w.fed_kg += landed
    # The stream's force: flow times time of fall. At the end of a long step that is what still falls, not the step's mean.
    w.impact_kg += landed / dt_s * f.impact_s if dt_s < 0.15 else f.airborne_kg


@njit
def sense(f: Any, p: Any) -> None:
    """Limit switches."""
    p.io[f.tag + OPEN] = 1.0 if f.opening >= 0.98 else 0.0
    p.io[f.tag + CLOSED] = 1.0 if f.opening <= 0.02 and f.closed_switch < 0.5 else 0.0
