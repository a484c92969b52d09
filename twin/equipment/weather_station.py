"""Weather station: what controllers and dispatchers know of the weather, and the forecast that they subscribe to."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.part import Fault, Site
from twin.jit import njit
from twin.tags import Equipment, sensor

# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype([("tag", "i8"), ("rain_gauge", "f8"), ("vane", "f8")])

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    sensor("Air", "air temperature", "气温", "°C", -40, 60, 0.1),
    sensor("Humidity", "relative humidity", "相对湿度", "%", 0, 100, 0.1),
    sensor("Rain", "rain", "雨强", "mm/h", 0, 300, 0.1),
    sensor("Wind", "wind at 10 m", "10 m 风速", "m/s", 0, 60, 0.1),
    sensor("WindFrom", "direction that the wind comes from", "风向", "°", 0, 360, 1),
    sensor("RainForecast", "rain forecast for the next 12 h", "未来 12 小时预报雨量", "mm", 0, 1000, 0.1),
)
AIR, HUMIDITY, RAIN, WIND, WIND_FROM, RAIN_FORECAST = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("rain-gauge-blocked", "rain_gauge", 0, 1, 1, "of rain missed", ("Rain",), "leaves block the rain gauge", "雨量计堵塞"),
    Fault("wind-vane-stuck", "vane", 0, 1, 1, "-", ("WindFrom",), "the wind vane shows north for ever", "风向标卡住"),
)

# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str) -> Equipment:
    """Put the station in place."""
    machine = site.table.add(name, "weather_station", TAGS)
    site.place("weather_station", name, tag=machine.first)
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def sense(v: Any, p: Any) -> None:
    """Instruments and forecast."""
    site = p.site[0]
    p.io[v.tag + AIR] = site.air_c
    p.io[v.tag + HUMIDITY] = 100.0 * site.humidity
    p.io[v.tag + RAIN] = site.rain_mm_h * (1.0 - min(v.rain_gauge, 1.0))
    p.io[v.tag + WIND] = site.wind_m_s
    p.io[v.tag + WIND_FROM] = site.wind_from_deg if v.vane < 0.5 else 0.0
    p.io[v.tag + RAIN_FORECAST] = site.forecast_mm
