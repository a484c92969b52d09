"""Dust collector: reverse pulse-jet bags on top of a silo, or with a fan behind the hoods of mixer and transfer points.

What it catches hangs on its bags as a mass of the ledger, falls back to where it belongs when a pulse shakes it off, and
what passes the cloth reaches the open air.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.baghouse import drag_pa_s_m, fan_flow_m3_s, left_after, pulsing_s
from twin.kernels.random import normal
from twin.ledger import move, total_kg
from twin.tags import Equipment, actuator, parameter, sensor, setpoint

# --- what it is ---------------------------------------------------------------------------------------


class DustCollector(Part):
    """Bags, pulse valves, compressed air; without `fan_kw` it only lets out the air that is pushed through it."""

    area_m2: float = figure(24.0, "m2", "WAM SILOTOP class", recalled=True, gt=0, le=5000)
    flow_m3_h: float = figure(1500.0, "m3/h", "air-to-cloth ratio of about 1 m/min", recalled=True, gt=0, le=500000)
    residual_drag_pa_s_m: float = figure(40000.0, "Pa·s/m", "0.7 kPa at 1 m/min on cleaned felt; engineering choice", recalled=True, gt=0)
    k2_s: float = figure(60000.0, "1/s", "cement and limestone cake, 30,000–120,000", recalled=True, ge=0)
    filter_pass: float = figure(0.0014, "-", "1 - 0.00099/0.73, AP-42 11.12 Table 11.12-2", recalled=True, ge=0, le=1)
    pm10_share: float = figure(0.34, "of TSP", "0.00034/0.00099, AP-42 11.12 Table 11.12-2", recalled=True, ge=0, le=1)
    pm25_share: float = figure(0.10, "of TSP", "engineering choice", recalled=True, ge=0, le=1)
    start_kpa: float = figure(0.7, "kPa", "cleaning starts; engineering choice", recalled=True, gt=0, le=10)
    stop_kpa: float = figure(0.55, "kPa", "cleaning stops; engineering choice", recalled=True, gt=0, le=10)
    alarm_kpa: float = figure(
        2.1, "kPa", "three times the start of cleaning of a vent filter; engineering choice", recalled=True, gt=0, le=20
    )
    alarm_mg_m3: float = figure(
        500.0, "mg/m3", "three times what fly ash leaves behind sound bags by AP-42 11.12; engineering choice", recalled=True, gt=0
    )
    stack_mg_m3: float = figure(
        20.0,
        "mg/m3",
        "GB 4915-2013 Table 1: silos and ventilated equipment of bulk cement stations and cement products; 10 in special regions",
        recalled=True,
        gt=0,
    )
    every_s: float = figure(0.0, "s", "cleaning on time; 0 for on pressure drop", ge=0, le=86400)
    pulse_s: float = figure(10.0, "s", "between two pulses; engineering choice", recalled=True, gt=0.5, le=600)
    pulse_share: float = figure(0.12, "of the cake", "one row of several shaken off; engineering choice", recalled=True, gt=0, le=1)
    air_kpa: float = figure(500.0, "kPa", "compressed air of the pulse valves", recalled=True, gt=100, le=1000)
    fan_kw: float = figure(0.0, "kW", "0 for a vent filter without a fan", ge=0, le=500)
    shutoff_pa: float = figure(3500.0, "Pa", "fan curve at no flow; engineering choice", recalled=True, gt=0, le=20000)


class LineCollector(DustCollector):
    """Collector of a line: hoods over the mixer or over belts and bins."""

    over: Literal["Mixer", "Belt"]
    returns_to: str
    area_m2: float = figure(80.0, "m2", "maker practice for a 3 m³ mixer", recalled=True, gt=0, le=5000)
    flow_m3_h: float = figure(5000.0, "m3/h", "maker practice for a 3 m³ mixer", recalled=True, gt=0, le=500000)
    fan_kw: float = figure(7.5, "kW", "maker practice", recalled=True, gt=0, le=500)
    start_kpa: float = figure(1.1, "kPa", "its cleaned bags alone take 0.84 kPa; engineering choice", recalled=True, gt=0, le=10)
    stop_kpa: float = figure(0.95, "kPa", "above the 0.84 kPa of its cleaned bags; engineering choice", recalled=True, gt=0, le=10)
    alarm_mg_m3: float = figure(50.0, "mg/m3", "ten times the usual outlet; GB 4915-2013 allows 20", recalled=True, gt=0)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("key", "i8"), ("line", "i8"), ("holder", "i8"), ("air", "i8"), ("back", "i8"), ("source", "i8"), ("fan_motor", "i8"), ("compressor", "i8"), ("at", "i8"),
        ("area_m2", "f8"), ("design_m3_s", "f8"), ("residual", "f8"), ("k2_s", "f8"), ("filter_pass", "f8"), ("pm10", "f8"), ("pm25", "f8"),
        ("start_kpa", "f8"), ("stop_kpa", "f8"), ("alarm_kpa", "f8"), ("alarm_mg_m3", "f8"), ("every_s", "f8"), ("pulse_s", "f8"), ("pulse_share", "f8"), ("full_kpa", "f8"), ("fan_kw", "f8"),
        ("shutoff_pa", "f8"), ("fed_kg", "f8"), ("pushed_m3_s", "f8"), ("flow_m3_s", "f8"), ("dp_kpa", "f8"), ("air_kpa", "f8"), ("cleaning", "f8"), ("since_s", "f8"),
        ("after_s", "f8"), ("high_s", "f8"), ("outlet_mg_m3", "f8"), ("stack_mg_m3", "f8"), ("hour_kg", "f8"), ("hour_m3", "f8"), ("running", "f8"),
        ("blinded", "f8"), ("blown_bag", "f8"), ("valve_stuck", "f8"), ("no_air", "f8"), ("trip", "f8"), ("dp_offset", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

PLAIN = (
    sensor("PressureDrop", "pressure drop over the bags", "滤袋压差", "kPa", -1, 20, 0.01),
    sensor("Flow", "air flow", "风量", "m³/h", 0, 5e5, 1),
    sensor("AirPressure", "compressed air for the pulses", "喷吹气压", "kPa", 0, 1200, 1),
    sensor("Cleaning", "pulses are fired", "喷吹清灰中"),
    sensor("OutletDust", "dust behind the bags", "出口粉尘浓度", "mg/m³", 0, 1e6, 0.1),
    sensor("HighPressureDrop", "pressure drop too high", "压差过高", alarm=True, severity=500),
    sensor("BagBroken", "too much dust behind the bags", "滤袋破损报警", alarm=True, severity=600),
    setpoint("Clean", "clean now", "手动清灰"),
    parameter("AirToCloth", "air-to-cloth ratio at design flow", "设计过滤风速", "m/min", 0, 10, 0.01),
    parameter("CleanAbove", "cleaning starts above this pressure drop", "清灰启动压差", "kPa", 0, 10, 0.01),
    parameter("CleanBelow", "cleaning stops below this pressure drop", "清灰停止压差", "kPa", 0, 10, 0.01),
    sensor("OutletHour", "dust behind the bags, mean of the last hour's air", "出口粉尘小时均值", "mg/m³", 0, 1e6, 0.1),
    sensor("StackHigh", "dust behind the bags over GB 4915 (1 h)", "出口粉尘超过 GB 4915 限值（1 小时）", alarm=True, severity=400),
    parameter("StackLimit", "limit of dust in the exhaust", "排放限值", "mg/m³", 0, 1e6, 0.1),
)
FAN = (actuator("FanRun", "run the fan", "风机运行"), sensor("FanRunning", "fan turns", "风机运转"))
TAGS = PLAIN + FAN
(PRESSURE_DROP, FLOW, AIR_PRESSURE, CLEANING, OUTLET_DUST, HIGH_PRESSURE_DROP, BAG_BROKEN, CLEAN, AIR_TO_CLOTH, CLEAN_ABOVE, CLEAN_BELOW,
 OUTLET_HOUR, STACK_HIGH, STACK_LIMIT, FAN_RUN, FAN_RUNNING) = range(len(TAGS))  # fmt: skip

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault(
        "blinded-filter",
        "blinded",
        0,
        50,
        6,
        "times the drag",
        ("PressureDrop", "HighPressureDrop"),
        "the filter is blinded",
        "除尘器滤袋堵塞",
    ),
    Fault(
        "blown-filter-bag", "blown_bag", 0, 1, 0.3, "of dust let through", ("OutletDust", "BagBroken"), "a filter bag has burst", "滤袋破损"
    ),
    Fault("pulse-valve-stuck", "valve_stuck", 0, 1, 1, "of pulses lost", ("PressureDrop",), "pulse valves do not open", "脉冲阀卡死"),
    Fault("no-compressed-air", "no_air", 0, 1, 1, "-", ("AirPressure",), "the compressor stands", "压缩空气中断"),
    Fault("fan-trip", "trip", 0, 1, 1, "-", ("FanRunning", "Flow"), "the fan's motor protection has tripped", "风机跳闸"),
    Fault("dp-offset", "dp_offset", -5, 5, -0.8, "kPa", ("PressureDrop",), "the pressure drop reads wrong", "压差计偏差"),
)

ALARM_S = 30.0  # the pressure drop must stand this long: the surge of an emptied tanker is no alarm
RAW_PM10, RAW_PM25 = 0.64, 0.15  # of uncaught dust: 0.47/0.73 (AP-42 11.12, recalled); PM2.5 engineering choice
PROBE_S = 120.0  # the dust probe's damping
HOUR_S = 3600.0
ENOUGH_S = 600.0  # of design flow in the last hour, before its mean says anything (engineering choice)
LEAST_CLOTH = 0.02  # a filter without any bags still is a pipe (engineering choice)
AFTER_S = 120.0  # cleaning runs on after the air has stopped
ROWS = 8  # of bags, pulsed one after the other in a cleaning on time
FREE_FLOW = 1.4  # of the fan without resistance, over the design flow (engineering choice)
LEAST_SUPPLY = 0.7  # below this voltage fan and compressor stand
WEAK_PULSE = 0.4  # of the full air pressure: below it a pulse shakes nothing off (engineering choice)
PULSE_KPA = 12.0  # that a pulse takes from the receiver
FILL_KPA_S = 4.0  # that the compressor gives back
COMPRESSOR_KW = 1.5  # share of the plant's compressor while it fills (engineering choice)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, line: int, name: str, cfg: DustCollector, returns_to: str) -> Equipment:
    """Put a collector in place; what it shakes off falls into the holder `returns_to`."""
    ledger = site.ledger
    holder = ledger.holder(name)
    fan = cfg.fan_kw > 0
    machine = site.table.add(name, "dust_collector", TAGS if fan else PLAIN, feeds=returns_to,
                             values={"AirToCloth": cfg.flow_m3_h / 60 / cfg.area_m2, "AirPressure": cfg.air_kpa,
                                     "CleanAbove": cfg.start_kpa, "CleanBelow": min(cfg.stop_kpa, cfg.start_kpa),
                                     "StackLimit": cfg.stack_mg_m3})  # fmt: skip
    site.place(
        "dust_collector", name, tag=machine.first, line=line, holder=holder, air=ledger.link(holder, ledger.holder("air")),
        back=ledger.link(holder, ledger.holder(returns_to)), source=site.source(name), fan_motor=site.motor(name, cfg.fan_kw, "fan") if fan else -1,
        compressor=site.motor(f"{name.split('.')[0]}.Compressor", COMPRESSOR_KW, "compressor"), area_m2=cfg.area_m2, design_m3_s=cfg.flow_m3_h / 3600,
        residual=cfg.residual_drag_pa_s_m, k2_s=cfg.k2_s, filter_pass=cfg.filter_pass, pm10=cfg.pm10_share, pm25=cfg.pm25_share, start_kpa=cfg.start_kpa,
        stop_kpa=min(cfg.stop_kpa, cfg.start_kpa), alarm_kpa=cfg.alarm_kpa, alarm_mg_m3=cfg.alarm_mg_m3, stack_mg_m3=cfg.stack_mg_m3, every_s=cfg.every_s, pulse_s=cfg.pulse_s, pulse_share=cfg.pulse_share, full_kpa=cfg.air_kpa,
        air_kpa=cfg.air_kpa, fan_kw=cfg.fan_kw, shutoff_pa=cfg.shutoff_pa,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def resistance_pa_s_m3(c: Any, p: Any) -> float:
    """Of bags and cake, Pa for each m³/s. A hole lies in parallel: only what still goes through the cloth makes a pressure drop."""
    cake = total_kg(p.ledger, c.holder) / c.area_m2
    through_cloth = max(1.0 - c.blown_bag, LEAST_CLOTH)
    return through_cloth * drag_pa_s_m(c.residual * (1.0 + c.blinded), c.k2_s, cake) / c.area_m2


@njit
def captured_share(c: Any) -> float:
    """How well its hoods draw, 0–1: flow over design flow."""
    return min(c.flow_m3_s / c.design_m3_s, 1.0)


@njit
def feed(c: Any, p: Any, link: int, kg: float) -> None:
    """Dust comes with the air, along a link that ends in this collector."""
    c.fed_kg += move(p.ledger, link, kg)


@njit
def step(c: Any, p: Any, dt_s: float) -> None:
    """Draw, let a little through, clean."""
    live = p.stations[c.line].supply > LEAST_SUPPLY
    c.running = 1.0 if c.fan_kw > 0.0 and c.trip < 0.5 and live and p.io[c.tag + FAN_RUN] > 0.5 else 0.0
    if idle(c) and p.io[c.tag + CLEAN] < 0.5:
        if c.outlet_mg_m3 > 0.0 or c.cleaning > 0.5:
            c.outlet_mg_m3, c.cleaning = 0.0, 0.0
        return
    resistance = resistance_pa_s_m3(c, p)
    if c.fan_kw <= 0.0:
        c.flow_m3_s, c.pushed_m3_s = c.pushed_m3_s, 0.0
    elif c.running > 0.5:
        c.flow_m3_s = fan_flow_m3_s(c.shutoff_pa, FREE_FLOW * c.design_m3_s, resistance)
        p.motors[c.fan_motor, 0] += dt_s
        p.motors[c.fan_motor, 1] += c.fan_kw * dt_s
    else:
        c.flow_m3_s = 0.0
    c.dp_kpa = 0.001 * resistance * c.flow_m3_s
    c.high_s = c.high_s + dt_s if c.dp_kpa + c.dp_offset > c.alarm_kpa else 0.0
    let_through(c, p, dt_s)
    clean(c, p, live, dt_s)


@njit
def idle(c: Any) -> bool:
    """Does nothing flow, is nothing left to let through or to clean, and is the receiver full or nobody there to fill it?"""
    still = c.running < 0.5 and c.pushed_m3_s <= 0.0 and c.flow_m3_s <= 0.0 and c.after_s <= 0.0
    return still and c.fed_kg <= 0.0 and (c.air_kpa >= c.full_kpa or c.no_air > 0.5)


@njit
def let_through(c: Any, p: Any, dt_s: float) -> None:
    """What the cloth, or a hole in it, lets pass of the dust that came since the last step."""
    passed = 0.0
    if c.fed_kg > 0.0:
        share = max(c.filter_pass, min(c.blown_bag, 1.0))
        passed = move(p.ledger, c.air, c.fed_kg * share)
        c.fed_kg = 0.0
        through_cloth = c.filter_pass / share if share > 0.0 else 0.0  # the rest goes through a hole and is as coarse as it came
        p.emitted[c.source, 0] += passed
        p.emitted[c.source, 1] += passed * (through_cloth * c.pm10 + (1.0 - through_cloth) * RAW_PM10)
        p.emitted[c.source, 2] += passed * (through_cloth * c.pm25 + (1.0 - through_cloth) * RAW_PM25)
    keep = np.exp(-dt_s / HOUR_S)
    c.hour_kg, c.hour_m3 = keep * c.hour_kg + passed, keep * c.hour_m3 + c.flow_m3_s * dt_s
    now_mg_m3 = 1e6 * passed / (c.flow_m3_s * dt_s) if c.flow_m3_s > 0.1 * c.design_m3_s else 0.0
    c.outlet_mg_m3 += (now_mg_m3 - c.outlet_mg_m3) * (1.0 - np.exp(-dt_s / PROBE_S))


@njit
def clean(c: Any, p: Any, live: bool, dt_s: float) -> None:
    """Fire pulses as long as there is air; the compressor fills the receiver again. `live`: there is voltage."""
    fires_s = cleans_s(c, p.io[c.tag + CLEAN] > 0.5, dt_s)
    c.cleaning = 1.0 if fires_s > 0.0 else 0.0
    if fires_s > 0.0:
        pulses = fires_s / c.pulse_s * (1.0 - min(c.valve_stuck, 1.0))  # a valve that does not open takes no air
        strength = c.air_kpa / c.full_kpa
        left = left_after(c.pulse_share * (strength if strength > WEAK_PULSE else 0.0), pulses)
        c.air_kpa = max(c.air_kpa - PULSE_KPA * pulses, 0.0)
        fallen = move(p.ledger, c.back, total_kg(p.ledger, c.holder) * (1.0 - left))
        p.ledger.gone[p.ledger.ends[c.back, 1]] -= fallen  # it comes back: of the store's lots it has never left
    if c.air_kpa < c.full_kpa and c.no_air < 0.5 and live:
        fills_s = min((c.full_kpa - c.air_kpa) / FILL_KPA_S, dt_s)
        c.air_kpa = c.full_kpa if fills_s < dt_s else c.air_kpa + FILL_KPA_S * dt_s
        p.motors[c.compressor, 0] += fills_s
        p.motors[c.compressor, 1] += COMPRESSOR_KW * fills_s


@njit
def cleans_s(c: Any, by_hand: bool, dt_s: float) -> float:
    """Seconds of this step in which pulses are fired: by hand, a while after the air has stopped, on time, or on the shown pressure drop."""
    begin_s = c.since_s
    c.since_s += dt_s
    if c.flow_m3_s <= 0.0:
        runs_on_s = min(c.after_s, dt_s)
        c.after_s -= runs_on_s
        return dt_s if by_hand else runs_on_s
    c.after_s = AFTER_S
    if by_hand:
        return dt_s
    if c.every_s > 0.0:
        cycle_s = ROWS * c.pulse_s
        fires_s = pulsing_s(c.since_s, c.every_s, cycle_s) - pulsing_s(begin_s, c.every_s, cycle_s)
        c.since_s = c.since_s % (c.every_s + cycle_s)
        return fires_s
    shown_kpa = c.dp_kpa + c.dp_offset  # its controller knows no more than its sensor
    return dt_s if shown_kpa > c.start_kpa or (c.cleaning > 0.5 and shown_kpa >= c.stop_kpa) else 0.0


@njit
def sense(c: Any, p: Any) -> None:
    """Pressure drop, flow, compressed air, dust behind the bags."""
    io, t = p.io, c.tag
    io[t + PRESSURE_DROP] = min(max(c.dp_kpa + c.dp_offset, -1.0), 20.0)
    io[t + FLOW] = 3600.0 * c.flow_m3_s
    io[t + AIR_PRESSURE] = c.air_kpa
    io[t + CLEANING] = c.cleaning
    z = normal(p.site[0].seed, c.key + 2, p.site[0].tick) if c.outlet_mg_m3 > 0.0 else 0.0
    io[t + OUTLET_DUST] = max(c.outlet_mg_m3 * (1.0 + 0.05 * z), 0.0)
    hour = 1e6 * c.hour_kg / c.hour_m3 if c.hour_m3 > ENOUGH_S * c.design_m3_s else 0.0
    io[t + OUTLET_HOUR] = hour
    io[t + STACK_HIGH] = 1.0 if hour > c.stack_mg_m3 and c.flow_m3_s > 0.0 else 0.0
    io[t + HIGH_PRESSURE_DROP] = 1.0 if c.high_s > ALARM_S and c.dp_kpa + c.dp_offset > c.alarm_kpa else 0.0
    io[t + BAG_BROKEN] = 1.0 if c.outlet_mg_m3 > c.alarm_mg_m3 else 0.0
    if c.fan_kw > 0.0:
        io[t + FAN_RUNNING] = c.running
