"""Filter press: squeezes slurry that concrete cannot take into cake, which is carted away; the filtrate comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.water import solids_kg, volume_m3
from twin.ledger import ADMIXTURE, N_SPECIES, WATER, book, move, total_kg
from twin.tags import Equipment, actuator, sensor, setpoint

# --- what it is ---------------------------------------------------------------------------------------


class FilterPress(Part):
    """Chamber filter press with its feed pump."""

    source: str = Field(description="basin that it draws slurry from")
    filtrate_to: str = Field(description="basin for the filtrate")
    flow_m3_h: float = figure(8.0, "m3/h", "feed pump; engineering choice", recalled=True, gt=0, le=500)
    cake_kg: float = figure(
        1200.0, "kg", "dry solids of one filling, about 1 m³ of chambers; engineering choice", recalled=True, gt=0, le=50000
    )
    cake_solids: float = figure(0.65, "kg/kg", "pressed cake; engineering choice", recalled=True, gt=0.2, le=0.95)
    open_s: float = figure(1200.0, "s", "open, drop the cake, close; engineering choice", recalled=True, ge=10, le=20000)
    power_kw: float = figure(9.0, "kW", "hydraulics and feed pump", recalled=True, gt=0, le=200)
    above_level: float = figure(70.0, "%", "level of the source above which it works", ge=0, le=100)
    above_solids: float = figure(8.0, "%", "solids in the source above which it works", recalled=True, ge=0, le=60)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("holder", "i8"), ("source", "i8"), ("feed", "i8"), ("filtrate", "i8"), ("cake", "i8"), ("motor", "i8"), ("flow_m3_s", "f8"),
        ("cake_kg", "f8"), ("wet", "f8"), ("open_s", "f8"), ("power_kw", "f8"), ("running", "f8"), ("opening_s", "f8"), ("cakes", "f8"),
        ("trip", "f8"), ("torn", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    actuator("Run", "run the press", "压滤机运行"),
    sensor("Running", "presses", "压滤中"),
    sensor("Opening", "opens to drop its cake", "卸饼中"),
    sensor("Fill", "cake in the chambers", "滤室充满度", "%", 0, 110, 0.1),
    sensor("Cakes", "cakes dropped", "卸饼次数", "count", 0, 1e6),
    sensor("Tripped", "motor protection tripped", "电机保护跳闸", alarm=True, severity=500),
    setpoint("AboveLevel", "level of the source above which it works", "启动液位", "%", 0, 100, 0.1, writer="operator"),
    setpoint("AboveSolids", "solids in the source above which it works", "启动含固量", "%", 0, 60, 0.1, writer="operator"),
)
RUN, RUNNING, OPENING, FILL, CAKES, TRIPPED, ABOVE_LEVEL, ABOVE_SOLIDS = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("press-trip", "trip", 0, 1, 1, "-", ("Running", "Tripped"), "the motor protection has tripped", "压滤机跳闸"),
    Fault("torn-cloth", "torn", 0, 1, 0.3, "of solids let through", ("Fill",), "a filter cloth is torn", "滤布破损"),
)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str, cfg: FilterPress, source: str, filtrate_to: str) -> Equipment:
    """Put the press in place between two basins' holders."""
    ledger = site.ledger
    h = ledger.holder
    machine = site.table.add(name, "filter_press", TAGS, feeds=filtrate_to, source=source,
                             values={"AboveLevel": cfg.above_level, "AboveSolids": cfg.above_solids})  # fmt: skip
    site.place(
        "filter_press", name, tag=machine.first, holder=h(name), source=h(source), feed=ledger.link(h(source), h(name)),
        filtrate=ledger.link(h(name), h(filtrate_to)), cake=ledger.link(h(name), h("tip")), motor=site.motor(name, cfg.power_kw),
        flow_m3_s=cfg.flow_m3_h / 3600, cake_kg=cfg.cake_kg, wet=(1 - cfg.cake_solids) / cfg.cake_solids, open_s=cfg.open_s, power_kw=cfg.power_kw,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(f: Any, p: Any, dt_s: float) -> None:
    """Fill and squeeze; a full press opens, drops its cake to the tip and closes."""
    f.running = 0.0
    if f.opening_s > 0.0:
        f.opening_s -= dt_s
        if f.opening_s <= 0.0:
            move(p.ledger, f.cake, total_kg(p.ledger, f.holder) + 1.0)
            f.cakes += 1.0
        return
    if p.io[f.tag + RUN] < 0.5 or f.trip > 0.5:
        return
    f.running = 1.0
    p.motors[f.motor, 0] += dt_s
    p.motors[f.motor, 1] += f.power_kw * dt_s
    kg = p.ledger.stock[f.holder]
    held_m3 = volume_m3(p.ledger.stock[f.source])
    if held_m3 > 0.0:
        move(p.ledger, f.feed, total_kg(p.ledger, f.source) * min(f.flow_m3_s * dt_s / held_m3, 1.0))
    solids = solids_kg(kg)
    free = kg[WATER] - solids * f.wet
    if free > 0.0:
        book(p.ledger, f.filtrate, ADMIXTURE, kg[ADMIXTURE] * free / kg[WATER])
        book(p.ledger, f.filtrate, WATER, free)
    if f.torn > 0.0:
        for s in range(N_SPECIES):
            if s != WATER and s != ADMIXTURE:
                book(p.ledger, f.filtrate, s, kg[s] * min(f.torn, 1.0))
        solids = solids_kg(kg)
    if solids >= f.cake_kg:
        f.opening_s = f.open_s


@njit
def sense(f: Any, p: Any) -> None:
    """Running, filling, cakes."""
    p.io[f.tag + RUNNING] = f.running
    p.io[f.tag + OPENING] = 1.0 if f.opening_s > 0.0 else 0.0
    p.io[f.tag + FILL] = min(100.0 * solids_kg(p.ledger.stock[f.holder]) / f.cake_kg, 110.0)
    p.io[f.tag + CAKES] = f.cakes
    p.io[f.tag + TRIPPED] = 1.0 if f.trip > 0.5 else 0.0
