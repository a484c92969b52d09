"""Monitor: a boundary station that measures dust and noise each minute, averages by the clock, drifts, fails and raises alarms.

Dust is also averaged as what it is over the station that lies upwind in each minute: what the plant adds. The minutes of
an outage stay blank, and a mean is sent only with enough of them. Noise starts anew at 6 and at 22 h.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.random import normal
from twin.limits import DAY_BEGINS_H, DUST, NIGHT_BEGINS_H, NOISE_DB, OFTEN_DB, RARE_DB
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
BLANK = -1e12  # in a slot of which nothing is known

# Six channels: TSP, PM10, PM2.5, and the same over the upwind station.
DTYPE = np.dtype(
    [
        ("tag", "i8"), ("key", "i8"), ("row", "i8"), ("instrument", "i8"), ("x_m", "f8"), ("y_m", "f8"), ("scatter", "f8"), ("drift_day", "f8"), ("calibrated", "i8"), ("interval", "i8"),
        ("limit_tsp", "f8"), ("limit_fugitive", "f8"), ("limit_pm10", "f8"), ("limit_pm10_day", "f8"), ("limit_pm25_day", "f8"), ("limit_day_db", "f8"), ("limit_night_db", "f8"),
        ("air", "f8", 3), ("level_db", "f8"), ("often_db", "f8"), ("rare_db", "f8"), ("shown", "f8", 3), ("shown_db", "f8"), ("shown_often_db", "f8"), ("shown_rare_db", "f8"),
        ("minute", "i8"), ("night", "i8"), ("hour", "f8", (6, HOUR)), ("energy", "f8", HOUR), ("day", "f8", (6, DAY)), ("hour_mean", "f8", 6), ("day_mean", "f8", 6),
        ("laeq_hour", "f8"), ("period_energy", "f8", 2), ("period_minutes", "f8", 2),
        ("heard", "f8"), ("often", "f8"), ("rare", "f8"), ("sum_air", "f8", 3), ("sum_energy", "f8"), ("max_db", "f8"), ("max_often_db", "f8"), ("sum_count", "i8"),
        ("outage", "f8"), ("drifting", "f8"), ("frozen", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

MEASURED = (
    sensor("Tsp", "TSP, 1 min", "总悬浮颗粒物 1 分钟", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm10", "PM10, 1 min", "PM10 1 分钟", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm25", "PM2.5, 1 min", "PM2.5 1 分钟", "µg/m³", 0, 1e5, 0.1),
    sensor("TspHour", "TSP, 1 h", "TSP 1 小时均值", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm10Hour", "PM10, 1 h", "PM10 1 小时均值", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm10Day", "PM10, 24 h", "PM10 24 小时均值", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm25Day", "PM2.5, 24 h", "PM2.5 24 小时均值", "µg/m³", 0, 1e5, 0.1),
    sensor("Noise", "LAeq, 1 min", "等效声级 1 分钟", "dB", 0, 140, 0.1),
    sensor("NoiseHour", "LAeq, 1 h", "等效声级 1 小时", "dB", 0, 140, 0.1),
    sensor("NoiseMax", "Lmax, 1 min", "最大声级 1 分钟", "dB", 0, 160, 0.1),
    sensor("NoiseDay", "Ld of this day or the last", "昼间等效声级 Ld", "dB", 0, 140, 0.1),
    sensor("NoiseNight", "Ln of this night or the last", "夜间等效声级 Ln", "dB", 0, 140, 0.1),
)
ADDED = (
    sensor("TspOver", "TSP over the upwind station, 1 h", "TSP 与上风向站之差 1 小时", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm10OverDay", "PM10 over the upwind station, 24 h", "PM10 与上风向站之差 24 小时", "µg/m³", 0, 1e5, 0.1),
    sensor("Pm25OverDay", "PM2.5 over the upwind station, 24 h", "PM2.5 与上风向站之差 24 小时", "µg/m³", 0, 1e5, 0.1),
)
TAGS = MEASURED + ADDED + (
    sensor("Outage", "the station sends nothing", "监测站离线", alarm=True, severity=300),
    sensor("TspHigh", "TSP over the limit of JGJ/T 328 (1 h)", "TSP 超过 JGJ/T 328 限值（1 小时）", alarm=True, severity=500),
    sensor("FugitiveHigh", "TSP over the limit of GB 4915 (1 h)", "TSP 超过 GB 4915 限值（1 小时）", alarm=True, severity=700),
    sensor("Pm10High", "PM10 over the hourly warning", "PM10 小时预警", alarm=True, severity=600),
    sensor("Pm10DayHigh", "PM10 over the limit of JGJ/T 328 (24 h)", "PM10 超过 JGJ/T 328 限值（24 小时）", alarm=True, severity=500),
    sensor("Pm25DayHigh", "PM2.5 over the limit of JGJ/T 328 (24 h)", "PM2.5 超过 JGJ/T 328 限值（24 小时）", alarm=True, severity=500),
    sensor("NoiseHigh", "noise over its limit (1 h)", "噪声超标（1 小时）", alarm=True, severity=500),
    sensor("NoisePeakHigh", "a night peak over its limit", "夜间最大声级超标", alarm=True, severity=500),
    setpoint("Calibrate", "calibrate the instrument", "仪器校准"),
    parameter("NoiseLimitDay", "limit of noise by day", "昼间噪声限值", "dB", 0, 120),
    parameter("NoiseLimitNight", "limit of noise at night", "夜间噪声限值", "dB", 0, 120),
)  # fmt: skip
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
    NOISE_MAX,
    NOISE_DAY,
    NOISE_NIGHT,
    TSP_OVER,
    PM10_OVER_DAY,
    PM25_OVER_DAY,
    OUTAGE,
    TSP_HIGH,
    FUGITIVE_HIGH,
    PM10_HIGH,
    PM10_DAY_HIGH,
    PM25_DAY_HIGH,
    NOISE_HIGH,
    NOISE_PEAK_HIGH,
    CALIBRATE,
    LIMIT_DAY,
    LIMIT_NIGHT,
) = range(len(TAGS))
NONE, NONE_OVER = -1.0, -1e5  # what a station sends when it has no value; a difference may well be -1

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("monitor-outage", "outage", 0, 1, 1, "-", ("Outage", "Tsp"), "the station has no power", "监测站断电"),
    Fault("monitor-drift", "drifting", -0.9, 5, 0.5, "of reading", ("Tsp", "Pm10"), "the optics are dirty", "光学污染漂移"),
    Fault("monitor-freeze", "frozen", 0, 1, 1, "-", ("Tsp", "Pm10"), "the reading stands still", "读数冻结"),
)

# Valid minutes of an hour and hours of a day that a mean needs: 45 and 20, GB 3095-2012 Table 4 (recalled).
MINUTES_NEEDED, HOURS_NEEDED = 45, 20


# --- how it is put in place ---------------------------------------------------------------------------


def build_neighbour(site: Site, name: str, row: int) -> None:
    """Put a neighbour in place: air and sound reach it, but there is no instrument, so no tags and no alarms."""
    site.place("monitor", name, row=row)


def build(site: Site, name: str, cfg: Monitor, row: int, zone: str, protected: bool) -> Equipment:
    """Put a station in place; `row` is its number among the receptors."""
    by_day, by_night = NOISE_DB[zone]
    none = {t.name: NONE for t in MEASURED} | {t.name: NONE_OVER for t in ADDED}
    machine = site.table.add(name, "monitor", TAGS, values={"NoiseLimitDay": by_day, "NoiseLimitNight": by_night}, broken=none, low=none)
    limit = {alarm: value.of(protected) for alarm, value in DUST.items()}
    site.place(
        "monitor", name, tag=machine.first, row=row, instrument=1, x_m=cfg.at[0], y_m=cfg.at[1], scatter=cfg.noise_dust, drift_day=cfg.drift_per_day,
        interval=int(cfg.calibrated_every_d * 8_640_000), limit_tsp=limit["TspHigh"], limit_fugitive=limit["FugitiveHigh"], limit_pm10=limit["Pm10High"],
        limit_pm10_day=limit["Pm10DayHigh"], limit_pm25_day=limit["Pm25DayHigh"], limit_day_db=by_day, limit_night_db=by_night, minute=-1, night=-1,
        hour=BLANK, energy=BLANK, day=BLANK, hour_mean=BLANK, day_mean=BLANK, laeq_hour=BLANK,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def minute_of(p: Any) -> int:
    """Number of the clock's minute that has just ended, counted from the midnight before the run."""
    return int((p.site[0].starts_s + 0.01 * p.site[0].tick) // 60.0) - 1


@njit
def is_night(minute: int) -> bool:
    """Between 22 and 6 h, as GB 12348 counts it."""
    hour = (minute // HOUR) % DAY
    return hour < DAY_BEGINS_H or hour >= NIGHT_BEGINS_H


@njit
def measure(m: Any, p: Any) -> None:
    """A minute has passed: note what was there, and what the instrument makes of it."""
    site = p.site[0]
    for j in range(3):
        m.sum_air[j] += m.air[j]
    m.sum_energy += m.heard
    m.max_db = max(m.max_db, m.often_db, m.rare_db)
    m.max_often_db = max(m.max_often_db, m.often_db)
    m.sum_count += 1
    if m.instrument < 1 or m.outage > 0.5:
        return
    if p.io[m.tag + CALIBRATE] > 0.5 or site.tick - m.calibrated > m.interval:
        m.calibrated = site.tick
    if m.frozen < 0.5:
        gain = 1.0 + m.drift_day * (site.tick - m.calibrated) / 8_640_000.0 + m.drifting
        z = normal(site.seed, m.key + 1, site.tick)
        for j in range(3):
            m.shown[j] = max(m.air[j] * gain * (1.0 + m.scatter * z), 0.0)
        off = 0.3 * normal(site.seed, m.key + 2, site.tick)
        m.shown_db, m.shown_often_db, m.shown_rare_db = m.level_db + off, m.often_db + off, m.rare_db + off


@njit
def upwind(p: Any, wind_from_deg: float) -> int:
    """Number of the station that works and lies farthest upwind: the reference of this minute; -1 with less than two that work."""
    ex, ey = np.sin(np.radians(wind_from_deg)), np.cos(np.radians(wind_from_deg))
    best, working, out = 0.0, 0, -1
    for k in range(p.monitors.shape[0]):
        m = p.monitors[k]
        if m.instrument < 1 or m.outage > 0.5:
            continue
        working += 1
        along = m.x_m * ex + m.y_m * ey
        if out < 0 or along > best:
            best, out = along, k
    return out if working > 1 else -1


@njit
def keep(m: Any, p: Any, reference: int) -> None:
    """Put what the instrument shows into its slot of the clock, blanks for what was missed, and average.

    Args:
        reference: number of the station upwind; -1 if there is none.
    """
    now = minute_of(p)
    if m.minute < 0:
        m.minute = now - 1
    night = 1 if is_night(now) else 0
    if night != m.night:
        m.night, m.period_energy[night], m.period_minutes[night] = night, 0.0, 0.0
        for i in range(HOUR):
            m.energy[i] = BLANK
    valid, energy = m.outage < 0.5, 10.0 ** (0.1 * m.shown_db)
    for minute in range(m.minute + 1, now + 1):
        k = minute % HOUR
        for j in range(3):
            m.hour[j, k] = m.shown[j] if valid else BLANK
            m.hour[3 + j, k] = m.shown[j] - p.monitors[reference].shown[j] if valid and reference >= 0 else BLANK
        m.energy[k] = energy if valid else BLANK
        if valid:
            m.period_energy[night] += energy
            m.period_minutes[night] += 1.0
        if k == HOUR - 1 or minute == now:
            for j in range(6):
                if k == HOUR - 1 or j < 2 or j == 3:  # the others are only asked for by the day
                    m.hour_mean[j] = mean(m.hour[j], MINUTES_NEEDED)
        if k == HOUR - 1:
            for j in range(6):
                m.day[j, (minute // HOUR) % DAY] = m.hour_mean[j]
                m.day_mean[j] = mean(m.day[j], HOURS_NEEDED)
    m.minute = now
    loud = mean(m.energy, MINUTES_NEEDED)
    m.laeq_hour = 10.0 * np.log10(loud) if loud > 0.0 else BLANK


@njit
def mean(slots: Any, needed: int) -> float:
    """Mean of the slots that are not blank; blank when there are too few."""
    total, count = 0.0, 0
    for i in range(slots.shape[0]):
        if slots[i] > BLANK:
            total += slots[i]
            count += 1
    return total / count if count >= needed else BLANK


@njit
def period_db(m: Any, night: int) -> float:
    """Ld or Ln as far as it goes."""
    return 10.0 * np.log10(m.period_energy[night] / m.period_minutes[night]) if m.period_minutes[night] > 0.0 else BLANK


@njit
def sense(m: Any, p: Any) -> None:
    """What the station sends, and its alarms."""
    io, t = p.io, m.tag
    off = m.outage > 0.5
    io[t + OUTAGE] = 1.0 if off else 0.0
    for j in range(3):
        io[t + TSP + j] = NONE if off else m.shown[j]
    io[t + NOISE] = NONE if off else m.shown_db
    io[t + NOISE_MAX] = NONE if off else max(m.shown_often_db, m.shown_rare_db)
    send(io, t + TSP_HOUR, m.hour_mean[0], off, NONE)
    send(io, t + PM10_HOUR, m.hour_mean[1], off, NONE)
    send(io, t + PM10_DAY, m.day_mean[1], off, NONE)
    send(io, t + PM25_DAY, m.day_mean[2], off, NONE)
    send(io, t + NOISE_HOUR, m.laeq_hour, off, NONE)
    send(io, t + NOISE_DAY, period_db(m, 0), off, NONE)
    send(io, t + NOISE_NIGHT, period_db(m, 1), off, NONE)
    send(io, t + TSP_OVER, m.hour_mean[3], off, NONE_OVER)
    send(io, t + PM10_OVER_DAY, m.day_mean[4], off, NONE_OVER)
    send(io, t + PM25_OVER_DAY, m.day_mean[5], off, NONE_OVER)
    io[t + TSP_HIGH] = 1.0 if io[t + TSP_OVER] > m.limit_tsp else 0.0
    io[t + FUGITIVE_HIGH] = 1.0 if io[t + TSP_OVER] > m.limit_fugitive else 0.0
    io[t + PM10_HIGH] = 1.0 if io[t + PM10_HOUR] > m.limit_pm10 else 0.0
    io[t + PM10_DAY_HIGH] = 1.0 if io[t + PM10_OVER_DAY] > m.limit_pm10_day else 0.0
    io[t + PM25_DAY_HIGH] = 1.0 if io[t + PM25_OVER_DAY] > m.limit_pm25_day else 0.0
    night = m.night > 0
    io[t + NOISE_HIGH] = 1.0 if io[t + NOISE_HOUR] > (m.limit_night_db if night else m.limit_day_db) else 0.0
    peak = m.shown_often_db > m.limit_night_db + OFTEN_DB or m.shown_rare_db > m.limit_night_db + RARE_DB
    io[t + NOISE_PEAK_HIGH] = 1.0 if night and peak and not off else 0.0


@njit
def send(io: Any, tag: int, value: float, off: bool, none: float) -> None:
    """A value, or that there is none."""
    io[tag] = none if off or value <= BLANK else value
