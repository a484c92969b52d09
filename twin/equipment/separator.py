"""Sand-stone separator: takes what trucks and mixers are washed out with apart into sand, stone and grey water."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.water import solids_kg, volume_m3
from twin.ledger import ADMIXTURE, CEMENT, FINES, FLY_ASH, SAND, SLAG, STONE, WATER, book, move, total_kg
from twin.tags import Equipment, actuator, parameter, sensor

# --- what it is ---------------------------------------------------------------------------------------


class Separator(Part):
    """Screw-and-drum separator with its feed hopper."""

    water_to: str = Field(description="basin for the grey water")
    sand_to: str | None = Field(None, description="bin whose yard box takes the sand back, as `Line1.Sand2`")
    stone_to: str | None = Field(None, description="bin whose yard box takes the stone back")
    hopper_m3: float = figure(8.0, "m3", "feed hopper for two trucks; engineering choice", recalled=True, gt=0, le=200)
    flow_m3_h: float = figure(30.0, "m3/h", "classes of 20–40 m³/h, maker data", recalled=True, gt=0, le=500)
    solids_t_h: float = figure(10.0, "t/h", "8–10 t/h, zjjsxh.org/29866791", gt=0, le=200)
    stone_recovery: float = figure(0.99, "kg/kg", "screen; engineering choice", recalled=True, ge=0, le=1)
    sand_recovery: float = figure(0.95, "kg/kg", "95 %, zjjsxh.org (maker)", ge=0, le=1)
    sand_moisture: float = figure(0.10, "kg/kg dry", "washed sand off the screw; engineering choice", recalled=True, ge=0, le=0.3)
    stone_moisture: float = figure(0.02, "kg/kg dry", "washed stone off the drum; engineering choice", recalled=True, ge=0, le=0.2)
    power_kw: float = figure(11.0, "kW", "maker practice", recalled=True, gt=0, le=200)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("holder", "i8"), ("water", "i8"), ("sand", "i8"), ("stone", "i8"), ("set", "i8"), ("fines", "i8"), ("over", "i8"), ("motor", "i8"),
        ("sand_heap", "i8"), ("stone_heap", "i8"), ("hopper_m3", "f8"), ("flow_m3_s", "f8"), ("solids_kg_s", "f8"), ("stone_recovery", "f8"),
        ("sand_recovery", "f8"), ("sand_moisture", "f8"), ("stone_moisture", "f8"), ("power_kw", "f8"), ("running", "f8"), ("jam", "f8"), ("worn", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    actuator("Run", "run", "运行"),
    sensor("Running", "drum and screw turn", "运转"),
    sensor("FeedLevel", "level of the feed hopper", "进料斗液位", "%", 0, 150, 0.1),
    sensor("Overflowing", "the feed hopper runs over", "进料斗溢流", alarm=True, severity=700),
    sensor("Tripped", "jammed, motor protection tripped", "卡料跳闸", alarm=True, severity=600),
    sensor("SandHeap", "sand won back, at the machine", "回收砂堆", "t", 0, 1000, 0.01),
    sensor("StoneHeap", "stone won back, at the machine", "回收石堆", "t", 0, 1000, 0.01),
    parameter("HopperVolume", "volume of the feed hopper", "进料斗容积", "m³", 0, 200),
)
RUN, RUNNING, FEED_LEVEL, OVERFLOWING, TRIPPED, SAND_HEAP, STONE_HEAP, HOPPER_VOLUME = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("separator-jam", "jam", 0, 1, 1, "-", ("Running", "Tripped"), "a lump jams the drum", "分离机卡料"),
    Fault("worn-screen", "worn", 0, 1, 0.4, "of recovery lost", ("SandHeap",), "worn screen and screw let sand through", "筛网磨损漏砂"),
)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str, cfg: Separator, water_to: str) -> Equipment:
    """Put the separator in place; `water_to` is the holder of its grey water."""
    ledger = site.ledger
    h = ledger.holder
    machine = site.table.add(name, "separator", TAGS, feeds=water_to, values={"HopperVolume": cfg.hopper_m3})
    site.place(
        "separator", name, tag=machine.first, holder=h(name), water=ledger.link(h(name), h(water_to)), sand=ledger.link(h(name), h(f"{name}.Sand")),
        stone=ledger.link(h(name), h(f"{name}.Stone")), set=ledger.link(h(name), h("hydration")), fines=ledger.link(h("hydration"), h(water_to)),
        over=ledger.link(h(name), h("discharge")), motor=site.motor(name, cfg.power_kw), sand_heap=h(f"{name}.Sand"), stone_heap=h(f"{name}.Stone"),
        hopper_m3=cfg.hopper_m3, flow_m3_s=cfg.flow_m3_h / 3600, solids_kg_s=cfg.solids_t_h / 3.6, stone_recovery=cfg.stone_recovery,
        sand_recovery=cfg.sand_recovery, sand_moisture=cfg.sand_moisture, stone_moisture=cfg.stone_moisture, power_kw=cfg.power_kw,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(q: Any, p: Any, dt_s: float) -> None:
    """Take a share of the hopper apart; what does not fit in the hopper runs over."""
    q.running = 1.0 if p.io[q.tag + RUN] > 0.5 and q.jam < 0.5 else 0.0
    kg = p.ledger.stock[q.holder]
    held = total_kg(p.ledger, q.holder)
    if q.running > 0.5:
        p.motors[q.motor, 0] += dt_s
        p.motors[q.motor, 1] += q.power_kw * (0.5 + 0.5 * (held > 1.0)) * dt_s
        if held > 0.0:
            share = q.flow_m3_s * dt_s / volume_m3(kg)
            solids = solids_kg(kg)
            if solids > 0.0:
                share = min(share, q.solids_kg_s * dt_s / solids)
            separate(q, p, kg, min(share, 1.0) if held > 0.1 else 1.0)
    excess = volume_m3(kg) - q.hopper_m3
    if excess > 0.0:
        move(p.ledger, q.over, total_kg(p.ledger, q.holder) * excess / (excess + q.hopper_m3))


@njit
def separate(q: Any, p: Any, kg: Any, share: float) -> None:
    """Stone and sand with their moisture to the heaps, the rest as grey water; binder that was washed out is fines from here on."""
    good = 1.0 - min(q.worn, 1.0)
    water = kg[WATER] * share
    stone, sand = kg[STONE] * share, kg[SAND] * share
    won_stone, won_sand = stone * q.stone_recovery, sand * q.sand_recovery * good
    wet_stone = min(won_stone * q.stone_moisture, 0.5 * water)
    wet_sand = min(won_sand * q.sand_moisture, 0.5 * water)
    book(p.ledger, q.stone, STONE, won_stone)
    book(p.ledger, q.stone, WATER, wet_stone)
    book(p.ledger, q.sand, SAND, won_sand)
    book(p.ledger, q.sand, WATER, wet_sand)
    book(p.ledger, q.water, STONE, stone - won_stone)
    book(p.ledger, q.water, SAND, sand - won_sand)
    book(p.ledger, q.water, WATER, water - wet_stone - wet_sand)
    book(p.ledger, q.water, ADMIXTURE, kg[ADMIXTURE] * share)
    book(p.ledger, q.water, FINES, kg[FINES] * share)
    for s in (CEMENT, FLY_ASH, SLAG):
        binder = kg[s] * share
        if binder > 0.0:
            book(p.ledger, q.set, s, binder)
            book(p.ledger, q.fines, FINES, binder)


@njit
def sense(q: Any, p: Any) -> None:
    """Running, hopper, heaps."""
    level = 100.0 * volume_m3(p.ledger.stock[q.holder]) / q.hopper_m3
    p.io[q.tag + RUNNING] = q.running
    p.io[q.tag + FEED_LEVEL] = min(level, 150.0)
    p.io[q.tag + OVERFLOWING] = 1.0 if level > 99.9 else 0.0
    p.io[q.tag + TRIPPED] = 1.0 if q.jam > 0.5 else 0.0
    p.io[q.tag + SAND_HEAP] = 0.001 * total_kg(p.ledger, q.sand_heap)
    p.io[q.tag + STONE_HEAP] = 0.001 * total_kg(p.ledger, q.stone_heap)
