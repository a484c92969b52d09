"""Pump of the water loop: from one basin to another basin or to a tank of a line."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.water import volume_m3
from twin.ledger import move, total_kg
from twin.tags import Equipment, actuator, parameter, sensor, setpoint

# --- what it is ---------------------------------------------------------------------------------------


class WaterPump(Part):
    """Pump with its duty: fill its target, drain its source, or both.

    It runs while its target is below `fill_below` or its source above `drain_above`; 0 and 100 switch a duty off. Both
    are set points that operators may move.
    """

    source: str = Field(description="basin, or `Basin.Sludge` for its bed")
    to: str = Field(description="basin, or `Line1.Water`-like name of a line's tank")
    flow_m3_h: float = figure(..., "m3/h", "maker sheet of the design", gt=0, le=5000)
    power_kw: float = figure(..., "kW", "maker sheet of the design", gt=0, le=500)
    fill_below: float = figure(0.0, "%", "level of the target; 0 for never", ge=0, le=100)
    drain_above: float = figure(100.0, "%", "level of the source; 100 for never", ge=0, le=100)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("key", "i8"), ("source", "i8"), ("target", "i8"), ("out", "i8"), ("motor", "i8"), ("flow_m3_s", "f8"), ("power_kw", "f8"),
        ("room_m3", "f8"), ("dead_m3", "f8"), ("running", "f8"), ("shown_m3_s", "f8"), ("trip", "f8"), ("blocked", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    actuator("Run", "run", "运行"),
    sensor("Running", "turns", "运转"),
    sensor("Flow", "flow", "流量", "m³/h", 0, 5000, 0.1),
    sensor("Tripped", "motor protection tripped", "电机保护跳闸", alarm=True, severity=500),
    setpoint(
        "FillBelow", "fill the target below this level; 0 for never", "目标池补水液位（0 为不补）", "%", 0, 100, 0.1, writer="operator"
    ),
    setpoint(
        "DrainAbove", "drain the source above this level; 100 for never", "源池排空液位（100 为不排）", "%", 0, 100, 0.1, writer="operator"
    ),
    parameter("RatedFlow", "rated flow", "额定流量", "m³/h", 0, 5000, 0.1),
)
RUN, RUNNING, FLOW, TRIPPED, FILL_BELOW, DRAIN_ABOVE, RATED_FLOW = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("pump-trip", "trip", 0, 1, 1, "-", ("Running", "Tripped"), "the motor protection has tripped", "电机保护跳闸"),
    Fault("pump-blocked", "blocked", 0, 1, 0.8, "of flow lost", ("Flow",), "sludge blocks the pump", "泵堵塞"),
)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str, cfg: WaterPump, source: str, target: str, dead_m3: float, room_m3: float) -> Equipment:
    """Put a pump in place.

    Args:
        source, target: names of holders.
        dead_m3: what stays below the suction.
        room_m3: volume at which a float valve shuts the target's inlet; -1 for a basin with a weir.
    """
    ledger = site.ledger
    machine = site.table.add(name, "water_pump", TAGS, feeds=target, source=source,
                             values={"FillBelow": cfg.fill_below, "DrainAbove": cfg.drain_above, "RatedFlow": cfg.flow_m3_h})  # fmt: skip
    site.place(
        "water_pump", name, tag=machine.first, source=ledger.holder(source), target=ledger.holder(target),
        out=ledger.link(ledger.holder(source), ledger.holder(target)), motor=site.motor(name, cfg.power_kw), flow_m3_s=cfg.flow_m3_h / 3600,
        power_kw=cfg.power_kw, room_m3=room_m3, dead_m3=dead_m3,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(u: Any, p: Any, dt_s: float) -> None:
    """Move suspension as it is, as much as there is above the suction and room in the target."""
    u.running = 1.0 if p.io[u.tag + RUN] > 0.5 and u.trip < 0.5 else 0.0
    u.shown_m3_s = 0.0
    if u.running < 0.5:
        return
    p.motors[u.motor, 0] += dt_s
    p.motors[u.motor, 1] += u.power_kw * dt_s
    held_m3 = volume_m3(p.ledger.stock[u.source])
    m3 = min(u.flow_m3_s * (1.0 - min(u.blocked, 1.0)) * dt_s, held_m3 - u.dead_m3)
    if u.room_m3 >= 0.0:
        m3 = min(m3, u.room_m3 - volume_m3(p.ledger.stock[u.target]))
    if m3 > 0.0:
        move(p.ledger, u.out, total_kg(p.ledger, u.source) * m3 / held_m3)
        u.shown_m3_s = m3 / dt_s


@njit
def sense(u: Any, p: Any) -> None:
    """Running, flow, protection."""
    p.io[u.tag + RUNNING] = u.running
    p.io[u.tag + FLOW] = 3600.0 * u.shown_m3_s
    p.io[u.tag + TRIPPED] = 1.0 if u.trip > 0.5 else 0.0
