"""Monitor: a boundary station that measures dust and noise each minute, averages, drifts, fails and raises alarms."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.random import normal
from twin.tags import Equipment, parameter, sensor, setpoint

# --- what it is ---------------------------------------------------------------------------------------


class Monitor(Part):
    """Station at the fence, or a neighbour's window."""

    at: tuple[float, float] = Field(description="x, y in metres")
    height_m: float = figure(4.0, "m", "inlet and microphone; engineering choice", recalled=True, gt=0, le=100)
    noise_dust: float = figure(0.05, "-", "light-scattering instrument, of reading; engineering choice", recalled=True, ge=0, le=1)
    drift_per_day: float = figure(0.002, "of reading", "between calibrations; engineering choice", recalled=True, ge=-0.1, le=0.1)
    calibrated_every_d: float = figure(30.0, "d", "routine calibration; engineering choice", recalled=True, gt=0, le=400)


# --- what state it has --------------------------------------------------------------------------------

HOUR, DAY = 60, 24

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("key", "i8"), ("row", "i8"), ("instrument", "i8"), ("scatter", "f8"), ("drift_day", "f8"), ("calibrated", "i8"), ("interval", "i8"), ("limit_diff", "f8"),
        ("limit_pm10", "f8"), ("limit_day_db", "f8"), ("limit_night_db", "f8"),
        ("air", "f8", 3), ("level_db", "f8"), ("shown", "f8", 3), ("shown_db", "f8"), ("minutes", "i8"), ("hour", "f8", (3, HOUR)), ("energy", "f8", HOUR),
        ("day", "f8", (3, DAY)), ("hours", "i8"), ("hour_mean", "f8", 3), ("day_mean", "f8", 3), ("laeq_hour", "f8"),
        ("sum_air", "f8", 3), ("sum_energy", "f8"), ("max_db", "f8"), ("sum_count", "i8"),
        ("outage", "f8"), ("drifting", "f8"), ("frozen", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    sensor("Tsp", "TSP, 1 min", "总悬浮颗粒物 1 分钟", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm10", "PM10, 1 min", "PM10 1 分钟", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm25", "PM2.5, 1 min", "PM2.5 1 分钟", "µg/m³", 0, 1e5, 0.1),
    sensor("TspHour", "TSP, 1 h", "TSP 1 小时均值", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm10Hour", "PM10, 1 h", "PM10 1 小时均值", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm10Day", "PM10, 24 h", "PM10 24 小时均值", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm25Day", "PM2.5, 24 h", "PM2.5 24 小时均值", "µg/m³", 0, 1e5, 0.1),
    sensor("Noise", "LAeq, 1 min", "等效声级 1 分钟", "dB", 0, 140, 0.1),
    sensor("NoiseHour", "LAeq, 1 h", "等效声级 1 小时", "dB", 0, 140, 0.1),
    sensor("Outage", "the station sends nothing", "监测站离线", alarm=True, severity=300),
    sensor("DustHigh", "dust over its limit (1 h)", "扬尘超标（1 小时）", alarm=True, severity=600),
    sensor("NoiseHigh", "noise over its limit (1 h)", "噪声超标（1 小时）", alarm=True, severity=500),
    setpoint("Calibrate", "calibrate the instrument", "仪器校准"),
    parameter("NoiseLimitDay", "limit of noise by day", "昼间噪声限值", "dB", 0, 120),
    parameter("NoiseLimitNight", "limit of noise at night", "夜间噪声限值", "dB", 0, 120),
)
(
    TSP,
    PM10,
    PM25,
    TSP_HOUR,
    PM10_HOUR,
    PM10_DAY,
    PM25_DAY,
    NOISE,
    NOISE_HOUR,
    OUTAGE,
    DUST_HIGH,
    NOISE_HIGH,
    CALIBRATE,
    LIMIT_DAY,
    LIMIT_NIGHT,
) = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("monitor-outage", "outage", 0, 1, 1, "-", ("Outage", "Tsp"), "the station has no power", "监测站断电"),
    Fault("monitor-drift", "drifting", -0.9, 5, 0.5, "of reading", ("Tsp", "Pm10"), "the optics are dirty", "光学污染漂移"),
    Fault("monitor-freeze", "frozen", 0, 1, 1, "-", ("Tsp", "Pm10"), "the reading stands still", "读数冻结"),
)

# Limits of the boundary. TSP, 1 h over the upwind reference, JGJ/T 328-2014 (recalled): protected areas, others.
# GB 4915-2013 Table 3 allows 500 (recalled). PM10 hourly warning of Wuhan 2017 (found).
TSP_DIFF = {True: 120.0, False: 300.0}
PM10_WARN = 150.0
# GB 12348-2008 Table 1, dB(A) by day (6–22 h) and night (found).
NOISE_LIMIT = {"1": (55.0, 45.0), "2": (60.0, 50.0), "3": (65.0, 55.0), "4": (70.0, 55.0)}
NIGHT_PEAK_DB = 10.0  # that frequent noise at night may peak above its limit (found)
DAY_BEGINS_H, NIGHT_BEGINS_H = 6.0, 22.0
MINUTE_TICKS = 6000


# --- how it is put in place ---------------------------------------------------------------------------


def build_neighbour(site: Site, name: str, row: int) -> None:
    """Put a neighbour in place: air and sound reach it, but there is no instrument, so no tags and no alarms."""
    site.place("monitor", name, row=row)


def build(site: Site, name: str, cfg: Monitor, row: int, zone: str, protected: bool) -> Equipment:
    """Put a station in place; `row` is its number among the receptors."""
    by_day, by_night = NOISE_LIMIT[zone]
    machine = site.table.add(name, "monitor", TAGS, values={"NoiseLimitDay": by_day, "NoiseLimitNight": by_night},
                             broken={t.name: -1.0 for t in TAGS[:NOISE_HOUR + 1]}, low={t.name: -1.0 for t in TAGS[:NOISE_HOUR + 1]})  # fmt: skip
    site.place("monitor", name, tag=machine.first, row=row, instrument=1, scatter=cfg.noise_dust, drift_day=cfg.drift_per_day, interval=int(cfg.calibrated_every_d * 8_640_000),
               limit_diff=TSP_DIFF[protected], limit_pm10=PM10_WARN, limit_day_db=by_day, limit_night_db=by_night)  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def measure(m: Any, p: Any) -> None:
    """A minute has passed: take its air and sound into the averages, as the instrument sees them."""
    site = p.site[0]
    for j in range(3):
        m.sum_air[j] += m.air[j]
    m.sum_energy += 10.0 ** (0.1 * m.level_db)
    m.max_db = max(m.max_db, m.level_db)
    m.sum_count += 1
    if m.instrument < 1 or m.outage > 0.5:
        return
    if p.io[m.tag + CALIBRATE] > 0.5 or site.tick - m.calibrated > m.interval:
        m.calibrated = site.tick
    k = m.minutes % HOUR
    if m.frozen < 0.5:
        gain = 1.0 + m.drift_day * (site.tick - m.calibrated) / 8_640_000.0 + m.drifting
        z = normal(site.seed, m.key + 1, site.tick)
        for j in range(3):
            m.shown[j] = max(m.air[j] * gain * (1.0 + m.scatter * z), 0.0)
        m.shown_db = m.level_db + 0.3 * normal(site.seed, m.key + 2, site.tick)
    for j in range(3):
        m.hour[j, k] = m.shown[j]
    m.energy[k] = 10.0 ** (0.1 * m.shown_db)
    m.minutes += 1
    average(m, min(m.minutes, HOUR))


@njit
def average(m: Any, minutes: int) -> None:
    """Running means of the last hour, and of the last day by whole hours."""
    energy = 0.0
    for j in range(3):
        m.hour_mean[j] = 0.0
    for i in range(minutes):
        energy += m.energy[i]
        for j in range(3):
            m.hour_mean[j] += m.hour[j, i] / minutes
    m.laeq_hour = 10.0 * np.log10(energy / minutes)
    if m.minutes % HOUR:
        return
    for j in range(3):
        m.day[j, m.hours % DAY] = m.hour_mean[j]
    m.hours += 1
    hours = min(m.hours, DAY)
    for j in range(3):
        m.day_mean[j] = 0.0
        for i in range(hours):
            m.day_mean[j] += m.day[j, i] / hours


@njit
def is_night(p: Any) -> bool:
    """Between 22 and 6 h, as GB 12348 counts it."""
    hour = ((p.site[0].starts_s + 0.01 * p.site[0].tick) / 3600.0) % 24.0
    return hour < DAY_BEGINS_H or hour >= NIGHT_BEGINS_H


@njit
def sense(m: Any, p: Any, reference: float, night: bool) -> None:
    """What the station sends; alarms against the lowest hour of all stations, which is upwind."""
    io, t = p.io, m.tag
    io[t + OUTAGE] = 1.0 if m.outage > 0.5 else 0.0
    if m.outage > 0.5:
        for i in range(NOISE_HOUR + 1):
            io[t + i] = -1.0
        io[t + DUST_HIGH], io[t + NOISE_HIGH] = 0.0, 0.0
        return
    io[t + TSP], io[t + PM10], io[t + PM25] = m.shown[0], m.shown[1], m.shown[2]
    io[t + TSP_HOUR], io[t + PM10_HOUR] = m.hour_mean[0], m.hour_mean[1]
    io[t + PM10_DAY], io[t + PM25_DAY] = m.day_mean[1], m.day_mean[2]
    io[t + NOISE], io[t + NOISE_HOUR] = m.shown_db, m.laeq_hour
    limit = m.limit_night_db if night else m.limit_day_db
    whole = m.minutes >= HOUR
    io[t + DUST_HIGH] = 1.0 if whole and (m.hour_mean[0] - reference > m.limit_diff or m.hour_mean[1] > m.limit_pm10) else 0.0
    io[t + NOISE_HIGH] = 1.0 if whole and m.laeq_hour > limit else 0.0
