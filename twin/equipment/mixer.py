"""Mixer: twin-shaft batch mixer with a hydraulic discharge door."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.flow import drained_kg, travel
from twin.kernels.mixing import blend_temperature_c, concrete_volume_m3, slump_mm, turning_power_kw, unmixed_share
from twin.kernels.random import normal
from twin.ledger import move, total_kg
from twin.tags import Equipment, actuator, parameter, sensor, setpoint, status

# --- what it is ---------------------------------------------------------------------------------------


class Mixer(Part):
    """Twin-shaft mixer."""

    rated_m3: float = figure(..., "m3", "maker's model number", gt=0, le=20)
    power_kw: float = figure(..., "kW", "maker sheet, both drives", gt=0)
    mix_tau_s: float = figure(
        5.0, "s", "30 s of mixing leave 0.25 %, within the 0.8 % of GB 10171 mortar density", recalled=True, gt=0.1, le=120
    )
    discharge_kg_s: float = figure(..., "kg/s", "door of the design, fully open", gt=0)
    door_stroke_s: float = figure(2.0, "s", "hydraulic door", recalled=True, gt=0, le=30)
    start_s: float = figure(3.0, "s", "soft start", recalled=True, gt=0, le=60)
    overload_share: float = figure(1.25, "of power", "thermal protection", recalled=True, gt=1, le=3)
    overload_s: float = figure(8.0, "s", "thermal protection", recalled=True, gt=0)
    wear: float = figure(0.0, "0-1", "new liners", ge=0, le=1)
    liner_life_m3: float = figure(120000.0, "m3", "cast liners; engineering choice", recalled=True, gt=0)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("key", "i8"), ("line", "i8"), ("motor", "i8"), ("holder", "i8"), ("out", "i8"), ("spill", "i8"), ("hopper", "i8"), ("rated_m3", "f8"),
        ("rated_kg", "f8"), ("full_kw", "f8"), ("idle_kw", "f8"), ("tau_s", "f8"), ("rate_kg_s", "f8"), ("knee_kg", "f8"),
        ("door_rate_s", "f8"), ("start_rate_s", "f8"), ("overload_kw", "f8"), ("overload_s", "f8"), ("life_m3", "f8"),
        ("fed_kg", "f8"), ("mass_kg", "f8"), ("unmixed", "f8"), ("speed", "f8"), ("door", "f8"), ("wear", "f8"), ("over_s", "f8"), ("tripped", "f8"),
        ("slump_mm", "f8"), ("power_kw", "f8"), ("temp_c", "f8"), ("age_s", "f8"), ("property_s", "f8"),
        ("turning_s", "f8"), ("fine_extra", "f8"), ("stuck", "f8"), ("overload", "f8"), ("probe_dead", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

STAGES = ("waiting", "charging", "mixing", "mixed", "discharging", "closing")

TAGS = (
    actuator("Run", "run both drives", "运行"),
    actuator("Door", "discharge door opening", "卸料门开度", "%", 0, 100, 0.1),
    sensor("Running", "turns at speed", "运转"),
    sensor("Power", "power of both drives", "驱动功率", "kW", 0, 600, 0.1),
    sensor("Current", "motor current", "电机电流", "A", 0, 1500, 0.1),
    sensor("DoorPosition", "door position", "卸料门位置", "%", 0, 110, 0.1),
    sensor("DoorClosed", "door shut", "卸料门关闭"),
    sensor("Temperature", "concrete temperature", "混凝土温度", "°C", -20, 80, 0.1),
    sensor("Tripped", "thermal protection tripped", "热保护跳闸", alarm=True, severity=700),
    parameter("RatedVolume", "rated volume of a batch", "额定出料容量", "m³", 0, 20),
    status("Stage", "stage of the mixer", "搅拌阶段", states=STAGES),
    status("Batch", "number of the batch in the mixer", "在搅盘号", "count", 0, 1e9),
    status("MixTimeLeft", "mixing time left", "剩余搅拌时间", "s", 0, 1000, 0.1),
    setpoint("Reset", "reset the thermal protection", "热保护复位"),
)
(RUN, DOOR, RUNNING, POWER, CURRENT, DOOR_POSITION, DOOR_CLOSED, TEMPERATURE, TRIPPED, RATED_VOLUME, STAGE, BATCH, MIX_TIME_LEFT,
 RESET) = range(len(TAGS))  # fmt: skip

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault(
        "mixer-overload",
        "overload",
        0,
        3,
        1.2,
        "of extra power",
        ("Power", "Current", "Tripped"),
        "something jams between the blades",
        "搅拌机卡料过载",
    ),
    Fault("stuck-door", "stuck", 0, 1, 1, "-", ("DoorPosition", "DoorClosed"), "the discharge door does not move", "卸料门卡住"),
    Fault("temperature-probe-dead", "probe_dead", 0, 1, 1, "-", ("Temperature",), "the temperature probe reads the air", "温度探头失效"),
)

CONCRETE_KG_M3 = 2400.0  # truck.density: density of ordinary concrete
VOLT, COS_PHI = 380.0, 0.85
DOOR_OPEN_SHARE = 0.02  # below this opening nothing gets through the seal
OVERFILL = 1.25  # of the rated charge: above this the mixer runs over its rim


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, line: int, name: str, cfg: Mixer, hopper: int, hopper_holder: int, feeds: str) -> Equipment:
    """Put the mixer in place above its discharge hopper."""
    holder = site.ledger.holder(name)
    machine = site.table.add(name, "mixer", TAGS, feeds=feeds, values={"DoorClosed": 1.0, "RatedVolume": cfg.rated_m3, "Temperature": 20.0})
    rated_kg = cfg.rated_m3 * CONCRETE_KG_M3
    site.place(
        "mixer", name, tag=machine.first, line=line, motor=site.motor(name, cfg.power_kw, "mixer"), holder=holder, out=site.ledger.link(holder, hopper_holder),
        spill=site.ledger.link(holder, site.ledger.holder("ground")), hopper=hopper, rated_m3=cfg.rated_m3, rated_kg=rated_kg,
        full_kw=0.68 * cfg.power_kw, idle_kw=0.16 * cfg.power_kw, tau_s=cfg.mix_tau_s, rate_kg_s=cfg.discharge_kg_s,
        knee_kg=0.12 * rated_kg, door_rate_s=1 / cfg.door_stroke_s, start_rate_s=1 / cfg.start_s,
        overload_kw=cfg.overload_share * cfg.power_kw, overload_s=cfg.overload_s, life_m3=cfg.liner_life_m3, wear=cfg.wear,
        unmixed=1.0, temp_c=20.0,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(m: Any, p: Any, run: float, door: float, power: float, dt_s: float) -> None:
    """Turn, mix, discharge through the door; trip when it turns too hard for too long.

    Args:
        run, door: commands as the station lets them through (0/1, and 0–1).
        power: supply voltage over nominal.
    """
    target = 1.0 if run > 0.5 and m.tripped < 0.5 and power > 0.7 else 0.0
    if m.speed != target:
        change = m.start_rate_s * dt_s
        m.speed = min(m.speed + change, target) if m.speed < target else max(m.speed - 2.0 * change, target)
    if m.fed_kg > 0.0 or m.mass_kg > 0.0:
        m.unmixed = unmixed_share(m.unmixed, m.mass_kg, m.fed_kg, m.speed, m.tau_s * (1.0 + 0.5 * m.wear), dt_s)
        m.mass_kg += m.fed_kg
        m.age_s = m.age_s * (1.0 - m.fed_kg / m.mass_kg) + dt_s
        m.fed_kg = 0.0
    if m.door != door or m.door > 0.0:
        area = m.door * dt_s
        if m.stuck < 0.5:
            m.door, area = travel(m.door, door, m.door_rate_s, dt_s)
        area -= DOOR_OPEN_SHARE * dt_s
        if area > 0.0 and m.mass_kg > 0.0:
            # Blades push the concrete out; a standing mixer lets only a little slide.
            kg = drained_kg(m.mass_kg, m.rate_kg_s * area / dt_s * (0.15 + 0.85 * m.speed), m.knee_kg, dt_s)
            gave = move(p.ledger, m.out, kg if m.mass_kg - kg > 1.0 else m.mass_kg + 1.0)
            p.hoppers[m.hopper].mass_kg += gave
            m.mass_kg -= gave
            m.wear = min(m.wear + gave / CONCRETE_KG_M3 / m.life_m3, 1.0)
    if m.mass_kg > OVERFILL * m.rated_kg:
        move(p.ledger, m.spill, m.mass_kg - OVERFILL * m.rated_kg)
    if m.mass_kg < 1e-6 or m.mass_kg > OVERFILL * m.rated_kg:
        m.mass_kg = total_kg(p.ledger, m.holder)
        if m.mass_kg <= 1e-6:
            m.unmixed, m.age_s = 1.0, 0.0
    turn(m, p, dt_s)


@njit
def turn(m: Any, p: Any, dt_s: float) -> None:
    """Power, energy, thermal protection, and four times a second the properties of the charge."""
    if p.io[m.tag + RESET] > 0.5 and m.over_s <= 0.0:
        m.tripped = 0.0
    if m.speed == 0.0 and m.mass_kg <= 0.0:
        m.power_kw, m.over_s = 0.0, 0.0
        return
    m.property_s += dt_s
    if m.property_s >= 0.25 and m.mass_kg > 0.0:
        m.property_s = 0.0
        kg = p.ledger.stock[m.holder]
        m.slump_mm = slump_mm(kg, m.fine_extra)
        m.temp_c = blend_temperature_c(kg, p.temperature_c)
    fill = m.mass_kg / m.rated_kg
    m.power_kw = turning_power_kw(m.idle_kw, m.full_kw, fill, m.slump_mm, m.unmixed, m.wear, m.speed) * (1.0 + m.overload)
    m.turning_s += m.speed * dt_s
    p.motors[m.motor, 0] += m.speed * dt_s
    p.motors[m.motor, 1] += m.power_kw * dt_s
    m.over_s = m.over_s + dt_s if m.power_kw > m.overload_kw else max(m.over_s - dt_s, 0.0)
    if m.over_s > m.overload_s:
        m.tripped = 1.0


@njit
def sense(m: Any, p: Any) -> None:
    """Power, current, door, temperature."""
    z = normal(p.site[0].seed, m.key + 3, p.site[0].tick)
    power = m.power_kw * (1.0 + 0.01 * z)
    p.io[m.tag + RUNNING] = 1.0 if m.speed > 0.9 else 0.0
    p.io[m.tag + POWER] = power
    p.io[m.tag + CURRENT] = power * 1000.0 / (1.7320508 * VOLT * COS_PHI)
    p.io[m.tag + DOOR_POSITION] = m.door * 100.0
    p.io[m.tag + DOOR_CLOSED] = 1.0 if m.door <= 0.02 else 0.0
    p.io[m.tag + TEMPERATURE] = m.temp_c if m.probe_dead < 0.5 else p.site[0].air_c
    p.io[m.tag + TRIPPED] = m.tripped


@njit
def volume_m3(m: Any, p: Any) -> float:
    """Compacted volume of the charge, m³."""
    return concrete_volume_m3(p.ledger.stock[m.holder])
