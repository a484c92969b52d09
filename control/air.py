"""Air: sprays on dust and wind. The collectors' programs stand in `collectors.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.jit import njit
from twin.tags import TagTable

SECOND = 100  # ticks
SPRAY_TICKS = 180 * SECOND  # a spray runs at least so long
REST_TICKS = 420 * SECOND  # and pauses at least so long, lest the yard drown
WET_ENOUGH = 0.8  # kg/m²: no need to spray
RAIN_MM_H = 0.2

SPRAY = np.dtype(
    [
        ("run", "i8"),
        ("auto", "i8"),
        ("hand", "i8"),
        ("start_pm10", "i8"),
        ("start_wind", "i8"),
        ("wetness", "i8"),
        ("since", "i8"),
        ("sprayed", "i8"),
    ]
)


def sprays(table: TagTable) -> list[dict[str, Any]]:
    """Memory of each zone."""
    names = {"run": "Run", "auto": "Auto", "hand": "ByHand", "start_pm10": "StartPm10", "start_wind": "StartWind", "wetness": "Wetness"}
    return [
        {field: table.index(f"{e.name}.{tag}") for field, tag in names.items()} | {"since": -REST_TICKS} for e in table.of_kind("spray")
    ]


def monitors(table: TagTable) -> list[int]:
    """PM10 of the boundary stations."""
    return [table.index(f"{e.name}.Pm10") for e in table.of_kind("monitor")]


def weather(table: TagTable) -> list[int]:
    """Rain and wind."""
    return [table.index(f"{e.name}.{tag}") for e in table.of_kind("weather_station") for tag in ("Rain", "Wind")]


@njit
def scan(c: Any, io: Any, now: int) -> None:
    """One scan of all zones.

    Args:
        c: the controller's memory, with `sprays`, `pm10` and `weather`.
    """
    worst = 0.0
    for k in range(c.pm10.shape[0]):
        worst = max(worst, io[c.pm10[k]])
    rain, wind = 0.0, 0.0
    if c.weather.shape[0] >= 2:
        rain, wind = io[c.weather[0]], io[c.weather[1]]
    for k in range(c.sprays.shape[0]):
        y = c.sprays[k]
        on = io[y.run] > 0.5
        wanted = io[y.hand] > 0.5
        if io[y.auto] > 0.5 and rain < RAIN_MM_H and io[y.wetness] < WET_ENOUGH:
            asked = worst > io[y.start_pm10] or wind > io[y.start_wind]
            since = now - y.since
            wanted = wanted or (since < SPRAY_TICKS if on else asked and since >= REST_TICKS)
        if wanted != on:
            io[y.run] = 1.0 if wanted else 0.0
            y.since = now
