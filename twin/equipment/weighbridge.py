"""Weighbridge: gross mass of trucks that leave, tare of those that come, with its own error."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import at, njit
from twin.kernels.random import normal
from twin.ledger import total_kg
from twin.tags import Equipment, sensor

# --- what it is ---------------------------------------------------------------------------------------


class Weighbridge(Part):
    """Static road vehicle scale at the gate."""

    division_kg: float = figure(
        20.0, "kg", "verification scale interval, OIML R 76 class III, 60 t; engineering choice", recalled=True, gt=0, le=200
    )
    error_share: float = figure(0.0005, "-", "systematic error, scatter between scales; engineering choice", recalled=True, ge=0, le=0.05)
    weigh_s: float = figure(25.0, "s", "drive on, settle, print; engineering choice", recalled=True, ge=0, le=600)
    inspect_s: float = figure(20.0, "s", "look at leak guard, chute and wheels; engineering choice", recalled=True, ge=0, le=600)


NAME = "Gate.Weighbridge"

# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"),
        ("key", "i8"),
        ("division_kg", "f8"),
        ("error", "f8"),
        ("shown_kg", "f8"),
        ("truck", "f8"),
        ("drift", "f8"),
        ("weighed", "f8"),
    ]
)

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    sensor("Mass", "mass shown", "显示质量", "kg", -1000, 120000, 1),
    sensor("Truck", "truck weighed last", "车号", "count", 0, 1e6),
    sensor("Weighed", "weighings so far", "称重次数", "count", 0, 1e9),
)
MASS, TRUCK, WEIGHED = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault(
        "weighbridge-drift", "drift", -0.1, 0.1, 0.02, "of the mass", ("Mass",), "the weighbridge shows too much or too little", "地磅漂移"
    ),
)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, cfg: Weighbridge) -> Equipment:
    """Put the weighbridge in place."""
    machine = site.table.add(NAME, "weighbridge", TAGS)
    site.place("weighbridge", NAME, tag=machine.first, division_kg=cfg.division_kg, error=cfg.error_share)
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def weigh_kg(w: Any, mass_kg: float, seed: int, truck: int) -> float:
    """What the scale shows for a mass: its own error, half a division of scatter, rounded to its division."""
    own = w.error * normal(seed, w.key, 0) + w.drift
    shown = mass_kg * (1.0 + own) + 0.25 * w.division_kg * normal(seed, w.key + 1, int(w.weighed))
    w.shown_kg = np.floor(shown / w.division_kg + 0.5) * w.division_kg
    w.truck = truck
    w.weighed += 1.0
    return w.shown_kg


@njit
def weigh(state: Any, k: int, tare_kg: float, seed: int) -> float:
    """Weigh truck `k` (from 0) with what is in its drum; takes the handle of the plant's `State`. Returns what the scale shows, kg."""
    p = at(state, "State")
    return weigh_kg(p.weighbridges[0], tare_kg + total_kg(p.ledger, p.trucks[k].holder), seed, k + 1)


@njit
def sense(w: Any, p: Any) -> None:
    """Mass and truck of the last weighing."""
    p.io[w.tag + MASS], p.io[w.tag + TRUCK], p.io[w.tag + WEIGHED] = w.shown_kg, w.truck, w.weighed
