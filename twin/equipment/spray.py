"""Spray: a zone of nozzles or mist cannons that wets what would dust, and dries again."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.ledger import WATER, book, move, total_kg
from twin.tags import Equipment, actuator, sensor, setpoint

# --- what it is ---------------------------------------------------------------------------------------


class Spray(Part):
    """One zone. Water comes from a basin while it has some, else from the mains."""

    wets: Literal["Yard", "Road", "Line"] = Field(description="what it wets: yard and receipt, roads, or belts and transfer points")
    source: str | None = Field(None, description="basin; mains when left out or empty")
    area_m2: float = figure(..., "m2", "layout of the design", gt=0, le=1e6)
    flow_kg_s: float = figure(1.5, "kg/s", "row of nozzles; engineering choice", recalled=True, gt=0, le=100)
    power_kw: float = figure(5.5, "kW", "pump and fan", recalled=True, gt=0, le=200)
    efficiency: float = figure(0.75, "-", "dust kept down when fully wet; 70–90 % usual", recalled=True, ge=0, le=1)
    wet_kg_m2: float = figure(0.4, "kg/m2", "film at which two thirds of it are reached; engineering choice", recalled=True, gt=0, le=20)
    start_pm10: float = figure(
        100.0, "ug/m3", "automatic start on the highest boundary PM10, 1 min; engineering choice", recalled=True, ge=0, le=5000
    )
    start_wind_m_s: float = figure(6.0, "m/s", "automatic start on dry windy days; engineering choice", recalled=True, ge=0, le=60)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("holder", "i8"), ("source", "i8"), ("reused", "i8"), ("fresh", "i8"), ("vapour", "i8"), ("runoff", "i8"), ("motor", "i8"),
        ("wets", "i8"), ("area_m2", "f8"), ("flow_kg_s", "f8"), ("power_kw", "f8"), ("efficiency", "f8"), ("wet_kg_m2", "f8"), ("running", "f8"),
        ("keeps", "f8"), ("trip", "f8"), ("blocked", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    actuator("Run", "spray", "喷淋运行"),
    sensor("Running", "sprays", "喷淋中"),
    sensor("Flow", "water flow", "喷水流量", "kg/s", 0, 100, 0.01),
    sensor("Wetness", "film of water on what it wets", "表面湿润水膜", "kg/m²", 0, 50, 0.01),
    sensor("Tripped", "motor protection tripped", "电机保护跳闸", alarm=True, severity=400),
    setpoint("Auto", "automatic on dust and wind", "自动喷淋"),
    setpoint("StartPm10", "automatic start on boundary PM10", "自动启动 PM10 限值", "µg/m³", 0, 5000, 1, writer="operator"),
    setpoint("StartWind", "automatic start on wind when dry", "自动启动风速", "m/s", 0, 60, 0.1, writer="operator"),
    setpoint("ByHand", "spray now", "手动喷淋"),
)
RUN, RUNNING, FLOW, WETNESS, TRIPPED, AUTO, START_PM10, START_WIND, BY_HAND = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("pump-trip", "trip", 0, 1, 1, "-", ("Running", "Tripped"), "the motor protection has tripped", "电机保护跳闸"),
    Fault("nozzles-blocked", "blocked", 0, 1, 0.8, "of flow lost", ("Flow",), "the nozzles are blocked", "喷嘴堵塞"),
)

WETS = ("Yard", "Road", "Line")
FILM_KG_M2 = 1.5  # more than that runs off into the yard's drain (engineering choice)
RESERVE_KG = 2000.0  # left in the basin


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str, cfg: Spray, source: str | None, runoff: str) -> Equipment:
    """Put a zone in place. `source` is the holder of its basin, `runoff` what its surplus runs to."""
    h, link = site.ledger.holder, site.ledger.link
    machine = site.table.add(name, "spray", TAGS, source=source or "",
                             values={"Auto": 1.0, "StartPm10": cfg.start_pm10, "StartWind": cfg.start_wind_m_s})  # fmt: skip
    site.place(
        "spray", name, tag=machine.first, holder=h(name), source=h(source) if source else -1, reused=link(h(source), h(name)) if source else -1,
        fresh=link(h("mains"), h(name)), vapour=link(h(name), h("air")), runoff=link(h(name), h(runoff)), motor=site.motor(name, cfg.power_kw),
        wets=WETS.index(cfg.wets), area_m2=cfg.area_m2, flow_kg_s=cfg.flow_kg_s, power_kw=cfg.power_kw, efficiency=cfg.efficiency,
        wet_kg_m2=cfg.wet_kg_m2,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(y: Any, p: Any, dt_s: float) -> None:
    """Wet the ground, let it dry, and say how much dust is kept down: efficiency × (1 - exp(-film/film₀))."""
    y.running = 1.0 if p.io[y.tag + RUN] > 0.5 and y.trip < 0.5 else 0.0
    site = p.site[0]
    kg = p.ledger.stock[y.holder]
    if y.running < 0.5 and total_kg(p.ledger, y.holder) <= 0.0:
        y.keeps = 0.0
        return
    if y.running > 0.5:
        p.motors[y.motor, 0] += dt_s
        p.motors[y.motor, 1] += y.power_kw * dt_s
        water = y.flow_kg_s * (1.0 - min(y.blocked, 1.0)) * dt_s
        if y.source >= 0:
            water -= move(p.ledger, y.reused, min(water, max(total_kg(p.ledger, y.source) - RESERVE_KG, 0.0)))
        book(p.ledger, y.fresh, WATER, max(water, 0.0))
    surplus = total_kg(p.ledger, y.holder) - FILM_KG_M2 * y.area_m2
    if surplus > 0.0:
        move(p.ledger, y.runoff, surplus)
    dry = site.dries_kg_m2_s * y.area_m2 * dt_s
    book(p.ledger, y.vapour, WATER, min(dry, max(kg[WATER], 0.0)))
    y.keeps = y.efficiency * (1.0 - np.exp(-kg[WATER] / y.area_m2 / y.wet_kg_m2))


@njit
def sense(y: Any, p: Any) -> None:
    """Running, flow, film."""
    p.io[y.tag + RUNNING] = y.running
    p.io[y.tag + FLOW] = y.running * y.flow_kg_s * (1.0 - min(y.blocked, 1.0))
    p.io[y.tag + WETNESS] = total_kg(p.ledger, y.holder) / y.area_m2
    p.io[y.tag + TRIPPED] = 1.0 if y.trip > 0.5 else 0.0
