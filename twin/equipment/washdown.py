"""Washdown: the hoses that wash a line's mixer and its floors, with water of the loop first and mains for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twin.equipment.part import Fault, Site
from twin.jit import at, njit
from twin.ledger import WATER, book, move, total_kg
from twin.tags import Equipment, actuator, parameter, sensor

if TYPE_CHECKING:
    from twin.design.water import WaterLoop

# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("source", "i8"), ("mixer_reused", "i8"), ("mixer_fresh", "i8"), ("floor_reused", "i8"), ("floor_fresh", "i8"),
        ("mixer_kg_s", "f8"), ("floor_kg_s", "f8"), ("mixer_kg", "f8"), ("floor_kg", "f8"),
        ("mixer_left_s", "f8"), ("floor_left_s", "f8"), ("blocked", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    actuator("Mixer", "wash the mixer out", "冲洗搅拌机"),
    actuator("Floor", "wash the floors", "冲洗地面"),
    sensor("MixerWater", "water used for the mixer so far", "搅拌机冲洗累计用水", "m³", 0, 1e6, 0.001),
    sensor("FloorWater", "water used for the floors so far", "地面冲洗累计用水", "m³", 0, 1e6, 0.001),
    parameter("Lasts", "how long a washing lasts", "一次冲洗时间", "s", 0, 86400),
)
MIXER, FLOOR, MIXER_WATER, FLOOR_WATER, LASTS = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("nozzles-blocked", "blocked", 0, 1, 0.8, "of flow lost", ("MixerWater", "FloorWater"), "the nozzles are blocked", "喷嘴堵塞"),
)

WASH_S = 600.0  # for a mixer, and for the floors (engineering choice)
RESERVE_KG = 1000.0  # left in the basin: below it the mains is taken


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str, loop: WaterLoop, source: str | None, mixer_to: str, floor_to: str) -> Equipment:
    """Put the hoses of a line in place.

    Args:
        source: holder of the basin with washing water, None for mains only.
        mixer_to, floor_to: holders that the water runs to.
    """
    h, link = site.ledger.holder, site.ledger.link
    machine = site.table.add(
        name, "washdown", TAGS, feeds="" if mixer_to == "discharge" else mixer_to, source=source or "", values={"Lasts": WASH_S}
    )
    site.place(
        "washdown", name, tag=machine.first, source=h(source) if source else -1, mixer_fresh=link(h("mains"), h(mixer_to)),
        floor_fresh=link(h("mains"), h(floor_to)), mixer_reused=link(h(source), h(mixer_to)) if source else -1,
        floor_reused=link(h(source), h(floor_to)) if source else -1, mixer_kg_s=loop.mixer_wash_kg / WASH_S, floor_kg_s=loop.floor_wash_kg / WASH_S,
        mixer_left_s=WASH_S, floor_left_s=WASH_S,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(d: Any, p: Any, dt_s: float) -> None:
    """Water flows for the set time once it is commanded; taking the command back shuts it and sets the time anew."""
    share = 1.0 - min(d.blocked, 1.0)
    if p.io[d.tag + MIXER] > 0.5:
        open_s = min(dt_s, d.mixer_left_s)
        d.mixer_kg += draw(p.ledger, d.source, d.mixer_reused, d.mixer_fresh, d.mixer_kg_s * share * open_s)
        d.mixer_left_s -= open_s
    else:
        d.mixer_left_s = WASH_S
    if p.io[d.tag + FLOOR] > 0.5:
        open_s = min(dt_s, d.floor_left_s)
        d.floor_kg += draw(p.ledger, d.source, d.floor_reused, d.floor_fresh, d.floor_kg_s * share * open_s)
        d.floor_left_s -= open_s
    else:
        d.floor_left_s = WASH_S


@njit
def draw(ledger: Any, source: int, reused: int, fresh: int, kg: float) -> float:
    """Washing water: of the basin as far as there is some, the rest from the mains. Returns `kg`."""
    left = kg
    if source >= 0:
        left -= move(ledger, reused, min(kg, max(total_kg(ledger, source) - RESERVE_KG, 0.0)))
    book(ledger, fresh, WATER, max(left, 0.0))
    return kg


@njit
def fills(state: Any, source: int, reused: int, fresh: int, kg: float) -> float:
    """`draw`, for Python; takes the handle of the plant's `State`."""
    return draw(at(state, "State").ledger, source, reused, fresh, kg)


@njit
def sense(d: Any, p: Any) -> None:
    """Water used."""
    p.io[d.tag + MIXER_WATER] = 0.001 * d.mixer_kg
    p.io[d.tag + FLOOR_WATER] = 0.001 * d.floor_kg
