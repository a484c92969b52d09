"""Conveyor: the inclined belt from the aggregate weighers to the waiting hopper, a transport delay."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.transport import feed_and_advance
from twin.ledger import N_SPECIES, book
from twin.tags import Equipment, actuator, parameter, sensor

# --- what it is ---------------------------------------------------------------------------------------


class Belt(Part):
    """Belt conveyor."""

    length_m: float = figure(..., "m", "layout of the design", gt=1, le=1000)
    speed_m_s: float = figure(1.8, "m/s", "typical 1.6–2.0", recalled=True, gt=0.1, le=8)
    capacity_kg_m: float = figure(150.0, "kg/m", "1000 mm trough belt; engineering choice", recalled=True, gt=0)
    start_s: float = figure(2.5, "s", "soft start; engineering choice", recalled=True, gt=0, le=60)
    power_kw: float = figure(45.0, "kW", "typical 45–55", recalled=True, gt=0)


# --- what state it has --------------------------------------------------------------------------------

SLOT_M = 0.5  # length of one transport slot

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("line", "i8"), ("motor", "i8"), ("holder", "i8"), ("out", "i8"), ("spill", "i8"), ("hopper", "i8"),
        ("slot0", "i8"), ("slots", "i8"), ("head", "i8"), ("phase", "f8"), ("slot_m", "f8"), ("speed_m_s", "f8"),
        ("start_rate_s", "f8"), ("slot_kg", "f8"), ("power_kw", "f8"), ("speed", "f8"), ("carried_kg", "f8"),
        ("slip", "f8"), ("trip", "f8"), ("speed_switch", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    actuator("Run", "run", "运行"),
    sensor("Running", "belt moves (speed switch)", "皮带运行（测速开关）"),
    sensor("Speed", "belt speed", "皮带速度", "m/s", 0, 10),
    sensor("Power", "drive power", "驱动功率", "kW", 0, 500, 0.1),
    parameter("Travel", "travel time at rated speed", "额定速度下输送时间", "s", 0, 1000, 0.1),
)
RUN, RUNNING, SPEED, POWER, TRAVEL = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("belt-slip", "slip", 0, 1, 0.4, "of speed lost", ("Speed", "Running"), "the belt slips on its drum", "皮带打滑"),
    Fault("motor-trip", "trip", 0, 1, 1, "-", ("Running",), "the motor protection has tripped", "电机保护跳闸"),
    Fault("speed-switch-lost", "speed_switch", 0, 1, 1, "-", ("Running",), "the speed switch shows nothing", "测速开关失效"),
)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, line: int, name: str, cfg: Belt, hopper: int, hopper_holder: int, feeds: str) -> Equipment:
    """Put the belt in place; it ends in a hopper."""
    holder = site.ledger.holder(name)
    slots = max(round(cfg.length_m / SLOT_M), 1)
    machine = site.table.add(name, "conveyor", TAGS, feeds=feeds, values={"Travel": cfg.length_m / cfg.speed_m_s})
    site.place(
        "conveyor", name, tag=machine.first, line=line, motor=site.motor(name, cfg.power_kw, "belt"), holder=holder, out=site.ledger.link(holder, hopper_holder),
        spill=site.ledger.link(holder, site.ledger.holder("ground")), hopper=hopper, slot0=site.take_slots(slots + 1), slots=slots,
        slot_m=cfg.length_m / slots, speed_m_s=cfg.speed_m_s, start_rate_s=1 / cfg.start_s, slot_kg=cfg.capacity_kg_m * cfg.length_m / slots,
        power_kw=cfg.power_kw,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(b: Any, p: Any, number: int, permit: float, power: float, dt_s: float) -> None:
    """Run up or down, carry what lies on the belt, throw it into the hopper, spill what does not fit."""
    feed, out = p.belt_feed[number], p.scratch[1]
    target = 1.0 if p.io[b.tag + RUN] * permit > 0.5 and b.trip < 0.5 and power > 0.7 else 0.0
    target *= 1.0 - min(b.slip, 1.0)
    if b.speed != target:
        change = b.start_rate_s * dt_s
        b.speed = min(b.speed + change, target) if b.speed < target else max(b.speed - change, target)
    if b.speed > 0.0:
        p.motors[b.motor, 0] += dt_s
        p.motors[b.motor, 1] += power_kw(b) * dt_s
    loaded = 0.0
    for s in range(N_SPECIES):
        loaded += feed[s]
    if loaded <= 0.0 and b.carried_kg <= 1e-7:
        return
    b.carried_kg += loaded
    ring = p.ring[b.slot0 : b.slot0 + b.slots + 1]
    b.head, b.phase = feed_and_advance(ring, b.slots, b.head, b.phase, b.speed * b.speed_m_s * dt_s / b.slot_m, feed, out, 0, N_SPECIES)
    gone = 0.0
    for s in range(N_SPECIES):
        if out[s] != 0.0:
            book(p.ledger, b.out, s, out[s])
            gone += out[s]
            out[s] = 0.0
    p.hoppers[b.hopper].mass_kg += gone
    b.carried_kg = max(b.carried_kg - gone - spilled_kg(b, p, ring), 0.0)


@njit
def power_kw(b: Any) -> float:
    """What the drive takes: friction of the empty belt, and lifting what lies on it."""
    return b.speed * b.power_kw * (0.3 + 0.6 * min(b.carried_kg / (b.slot_kg * b.slots), 1.5))


@njit
def spilled_kg(b: Any, p: Any, ring: Any) -> float:
    """A heap at the entry that the belt cannot carry falls to the ground."""
    entry = (b.head + b.slots) % (b.slots + 1)
    heap = 0.0
    for s in range(N_SPECIES):
        heap += ring[entry, s]
    if heap <= 2.0 * b.slot_kg:
        return 0.0
    share = 1.0 - 2.0 * b.slot_kg / heap
    spilled = 0.0
    for s in range(N_SPECIES):
        kg = ring[entry, s] * share
        ring[entry, s] -= kg
        book(p.ledger, b.spill, s, kg)
        spilled += kg
    return spilled


@njit
def sense(b: Any, p: Any) -> None:
    """Speed switch, speed and drive power."""
    p.io[b.tag + SPEED] = b.speed * b.speed_m_s
    p.io[b.tag + RUNNING] = 1.0 if b.speed > 0.8 and b.speed_switch < 0.5 else 0.0
    p.io[b.tag + POWER] = power_kw(b)
