"""Hopper: the waiting hopper above the mixer and the discharge hopper below it."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.flow import drained_kg, travel
from twin.ledger import move, total_kg
from twin.tags import Equipment, actuator, sensor

# --- what it is ---------------------------------------------------------------------------------------


class Hopper(Part):
    """Hopper with a gate."""

    capacity_kg: float = figure(..., "kg", "one batch of the design's mixer and a reserve", gt=0, le=50000)
    discharge_kg_s: float = figure(..., "kg/s", "gate of the design", gt=0)
    knee_share: float = figure(0.03, "of capacity", "engineering choice", recalled=True, gt=0, le=0.5)
    stroke_s: float = figure(0.6, "s", "pneumatic gate", recalled=True, gt=0, le=10)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("line", "i8"), ("holder", "i8"), ("out", "i8"), ("spill", "i8"), ("mixer", "i8"), ("bay", "i8"),
        ("capacity_kg", "f8"), ("rate_kg_s", "f8"), ("knee_kg", "f8"), ("stroke_rate_s", "f8"), ("opening", "f8"), ("mass_kg", "f8"),
        ("stuck", "f8"), ("leak", "f8"), ("empty_switch", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    actuator("Open", "open the gate", "开门"),
    sensor("GateClosed", "gate shut", "门关闭"),
    sensor("Empty", "empty (probe)", "料空（料位开关）"),
    sensor("Full", "full (probe)", "料满（料位开关）"),
)
OPEN, GATE_CLOSED, EMPTY, FULL = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("stuck-hopper-gate", "stuck", 0, 1, 1, "-", ("GateClosed",), "the gate does not move", "门卡住"),
    Fault("leaking-hopper-gate", "leak", 0, 0.2, 0.01, "of full flow", ("Empty",), "the gate leaks", "门漏料"),
    Fault("empty-probe-lost", "empty_switch", 0, 1, 1, "-", ("Empty",), "the probe 'empty' stays off", "料空开关失效"),
)

EMPTY_SHARE = 0.004  # what the empty probe no longer sees


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, line: int, name: str, cfg: Hopper, target_holder: int, feeds: str, mixer: int = -1, bay: int = -1) -> Equipment:
    """Put a hopper in place; it opens into a mixer or, at a loading bay, into the truck that stands there."""
    holder = site.ledger.holder(name)
    machine = site.table.add(name, "hopper", TAGS, feeds=feeds, values={"GateClosed": 1.0, "Empty": 1.0})
    site.place(
        "hopper", name, tag=machine.first, line=line, holder=holder, out=site.ledger.link(holder, target_holder),
        spill=site.ledger.link(holder, site.ledger.holder("ground")), mixer=mixer, bay=bay, capacity_kg=cfg.capacity_kg,
        rate_kg_s=cfg.discharge_kg_s, knee_kg=cfg.knee_share * cfg.capacity_kg, stroke_rate_s=1 / cfg.stroke_s,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(h: Any, p: Any, permit: float, dt_s: float) -> None:
    """Move the gate, let material out into the mixer or the truck, run over when too full."""
    command = p.io[h.tag + OPEN] * permit > 0.5
    if h.mass_kg <= 0.0 and h.opening == 0.0 and not command:
        return
    area = h.opening * dt_s
    if h.stuck < 0.5:
        h.opening, area = travel(h.opening, 1.0 if command else 0.0, h.stroke_rate_s, dt_s)
    area += h.leak * dt_s
    if area > 0.0 and h.mass_kg > 0.0:
        kg = drained_kg(h.mass_kg, h.rate_kg_s * area / dt_s, h.knee_kg, dt_s)
        # The last half kilogram falls together, so that an emptied hopper is empty.
        link = h.out if h.bay < 0 else p.bays[h.bay].load
        gave = move(p.ledger, link, kg if h.mass_kg - kg > 0.5 else h.mass_kg + 1.0)
        h.mass_kg -= gave
        if h.mixer >= 0:
            p.mixers[h.mixer].fed_kg += gave
    if h.mass_kg > h.capacity_kg:
        move(p.ledger, h.spill, h.mass_kg - h.capacity_kg)
        h.mass_kg = total_kg(p.ledger, h.holder)
    if h.mass_kg < 1e-6:
        h.mass_kg = total_kg(p.ledger, h.holder)


@njit
def sense(h: Any, p: Any) -> None:
    """Limit switch and probes."""
    p.io[h.tag + GATE_CLOSED] = 1.0 if h.opening <= 0.02 else 0.0
    p.io[h.tag + EMPTY] = 1.0 if h.mass_kg < EMPTY_SHARE * h.capacity_kg and h.empty_switch < 0.5 else 0.0
    p.io[h.tag + FULL] = 1.0 if h.mass_kg > 0.9 * h.capacity_kg else 0.0
