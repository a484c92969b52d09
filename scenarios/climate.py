"""Weather by the hour: drawn from a place's monthly normals, read from a typical-year file, or a plain daily wave.

A drawn year is the same for the same place, year and seed, wherever in it a run begins. Temperature is a wandering
anomaly on the normals; wet days follow each other more often than chance and rain comes in bursts; wind, cloud and
humidity go with the rain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twin.design.load import find, packaged, parse, read_yaml
from twin.design.schema import Title
from twin.equipment.part import Part
from twin.errors import BatchtwinError

PACKAGE = "scenarios.climates"
UTC_OFFSET_H = 8.0  # China keeps one time
Hourly = NDArray[np.float64]
Twelve = Field(min_length=12, max_length=12)

ANOMALY_C, ANOMALY_KEEP = 3.0, 0.7  # day-to-day scatter of temperature and its memory (engineering choice)
WET_KEEP = 0.25  # how much a wet day favours another (engineering choice)
AMOUNT_SHAPE = 0.55  # gamma shape of the rain of a wet day: most are small, some are storms (engineering choice)
BURST_SUMMER_H, BURST_WINTER_H = 2.5, 7.0  # mean length of a burst of rain (engineering choice)
WIND_SHAPE = 2.0  # Rayleigh
TURN_DEG, TURN_KEEP = 45.0, 0.9  # how the wind swings about its prevailing direction (engineering choice)


class Normals(Part):
    """Monthly normals of a place, January to December."""

    title: Title
    confidence: str
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    altitude_m: float
    air_c: list[float] = Twelve
    range_c: list[float] = Twelve
    humidity: list[float] = Twelve
    sunshine: list[float] = Twelve
    wind_m_s: list[float] = Twelve
    wind_from_deg: list[float] = Twelve
    rain_mm: list[float] = Twelve
    rain_days: list[float] = Twelve


@dataclass(frozen=True, slots=True)
class Hours:
    """Weather of consecutive hours.

    Attributes:
        air_c, humidity (0–1), wind_m_s, wind_from_deg, cloud (0–1), rain_mm, pressure_hpa: float64 [hour].
        latitude, longitude: where.
    """

    air_c: Hourly
    humidity: Hourly
    wind_m_s: Hourly
    wind_from_deg: Hourly
    cloud: Hourly
    rain_mm: Hourly
    pressure_hpa: Hourly
    latitude: float
    longitude: float


def places() -> list[str]:
    """Names of the packaged climates."""
    return list(packaged(PACKAGE))


@lru_cache(maxsize=8)
def normals(place: str) -> Normals:
    """Monthly normals of a packaged place.

    Raises:
        BatchtwinError: E102 for an unknown place, with the nearest name.
    """
    path = find(place, PACKAGE, "climate")
    data, node = read_yaml(path, "climate")
    return parse(path, "climate", Normals, data, node)


def drawn(place: str, starts: datetime, hours: int, seed: int) -> Hours:
    """Hours of weather from a place's normals.

    Args:
        starts: the first hour begins at this full hour.
        hours: how many.
    """
    n = normals(place)
    first = datetime(starts.year, 1, 1)
    skip = int((starts.replace(minute=0, second=0, microsecond=0) - first).total_seconds() // 3600)
    years = [_year(place, year, seed) for year in range(starts.year, (starts + timedelta(hours=hours)).year + 1)]
    air, humidity, wind, direction, cloud, rain, pressure = (np.concatenate([y[k] for y in years])[skip : skip + hours] for k in range(7))
    return Hours(air, humidity, wind, direction, cloud, rain, pressure, n.latitude, n.longitude)


@lru_cache(maxsize=16)
def _year(place: str, year: int, seed: int) -> tuple[Hourly, ...]:
    """One calendar year: air, humidity, wind, direction, cloud, rain, pressure."""
    n = normals(place)
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed & 0xFFFFFFFF, 17, year])))
    days = 366 if datetime(year, 12, 31).timetuple().tm_yday == 366 else 365
    month = np.array([(datetime(year, 1, 1) + timedelta(days=d)).month - 1 for d in range(days)])
    length = np.bincount(month, minlength=12)
    at = lambda values: np.asarray(values, dtype=float)[month]
    wet = _wet_days(rng, at(n.rain_days) / length[month])
    amount = np.where(wet, rng.gamma(AMOUNT_SHAPE, 1.0, days) / AMOUNT_SHAPE * at(n.rain_mm) / at(n.rain_days), 0.0)
    summer = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(days) - 15) / days)
    rain = np.concatenate([_bursts(rng, amount[d], float(summer[d])) for d in range(days)])
    hour = np.tile(np.arange(24.0), days)
    each = lambda values: np.repeat(values, 24)
    anomaly = _memory(rng, days, ANOMALY_KEEP) * ANOMALY_C
    wave = np.sin(2 * np.pi * (hour / 24 - 0.375))
    air = each(_smooth(n.air_c, month, days) + anomaly) + 0.5 * each(at(n.range_c) * np.where(wet, 0.6, 1.2)) * wave
    dry_cloud = np.clip(1 - each(at(n.sunshine)) * 1.25 + 0.3 * _memory(rng, 24 * days, 0.95), 0.0, 1.0)
    cloud = np.where(rain > 0, 1.0, dry_cloud)
    humidity = np.clip(each(at(n.humidity) + np.where(wet, 0.06, -0.03)) - 0.12 * wave, 0.15, 1.0)
    humidity = np.where(rain > 0, np.maximum(humidity, 0.93), humidity)
    wind = _wind(rng, each(at(n.wind_m_s)), 24 * days) * (1 + 0.25 * wave)
    direction = (each(at(n.wind_from_deg)) + TURN_DEG * _memory(rng, 24 * days, TURN_KEEP)) % 360
    pressure = 1013.25 * (1 - 2.25577e-5 * n.altitude_m) ** 5.25588 + each(8 * np.cos(2 * np.pi * (np.arange(days) - 15) / days))
    return air, humidity, wind, direction, cloud, rain, pressure


def _memory(rng: np.random.Generator, n: int, keep: float) -> Hourly:
    """Standard normal values that remember `keep` of the one before."""
    from scipy.signal import lfilter

    noise = rng.standard_normal(n)
    noise[1:] *= np.sqrt(1 - keep * keep)
    return np.asarray(lfilter([1.0], [1.0, -keep], noise))


def _smooth(monthly: list[float], month: NDArray[np.int64], days: int) -> Hourly:
    """Monthly means as a smooth course over the days that keeps each month's mean."""
    middle = np.array([np.flatnonzero(month == m).mean() for m in range(12)])
    values = np.array(monthly)
    for _ in range(4):
        course = np.interp(np.arange(days), middle, values, period=days)
        values = values + np.array(monthly) - np.array([course[month == m].mean() for m in range(12)])
    return np.asarray(np.interp(np.arange(days), middle, values, period=days))


def _wet_days(rng: np.random.Generator, share: Hourly) -> NDArray[np.bool_]:
    """Which days are wet: a two-state chain with the wanted share and some memory."""
    chance = rng.random(len(share))
    wet = np.zeros(len(share), dtype=bool)
    before = False
    for d, w in enumerate(share):
        before = chance[d] < (w + WET_KEEP * (1 - w) if before else w * (1 - WET_KEEP))
        wet[d] = before
    return wet


def _bursts(rng: np.random.Generator, mm: float, summer: float) -> Hourly:
    """The rain of a day by the hour: a burst with an exponential shape, short and hard in summer."""
    draw, start = rng.exponential(1.0, 24), rng.integers(0, 24)
    length = max(int(round((BURST_WINTER_H + summer * (BURST_SUMMER_H - BURST_WINTER_H)) * draw[0])), 1)
    out = np.zeros(24)
    if mm < 0.05:
        return out
    length = min(max(length, int(np.ceil(mm / 70.0))), 24)  # the hardest hours of the region bring 70–90 mm
    weights = draw[:length] + 0.2
    out[(start + np.arange(length)) % 24] = mm * weights / weights.sum()
    return out


def _wind(rng: np.random.Generator, mean: Hourly, n: int) -> Hourly:
    """Rayleigh wind with memory: a normal value through its share to the wanted distribution."""
    from scipy.special import ndtr

    share = np.clip(ndtr(_memory(rng, n, 0.85)), 1e-6, 1 - 1e-6)
    return np.asarray(mean * 2 / np.sqrt(np.pi) * (-np.log(1 - share)) ** (1 / WIND_SHAPE))


def from_file(path: Path, starts: datetime, hours: int) -> Hours:
    """Hours from a typical-year file (EPW, or TMY3 as CSV), whatever its years are; it is begun anew when it ends.

    Raises:
        BatchtwinError: E103 when it cannot be read or holds no whole year.
    """
    import pvlib

    read: Callable[..., Any] = pvlib.iotools.read_epw if path.suffix.lower() == ".epw" else pvlib.iotools.read_tmy3
    try:
        table, about = read(str(path)) if path.suffix.lower() == ".epw" else read(str(path), map_variables=True)
        rows = {name: table[name].to_numpy(dtype=float) for name in ("temp_air", "relative_humidity", "wind_speed", "wind_direction")}
        rain = table["liquid_precipitation_depth"] if "liquid_precipitation_depth" in table else table.get("Lprecip depth (mm)")
        cover = table["total_sky_cover"] if "total_sky_cover" in table else table.get("TotCld (tenths)")
        pressure = table["atmospheric_pressure"] / 100 if "atmospheric_pressure" in table else table["pressure"]
        if rain is None or cover is None:
            raise KeyError("rain or sky cover")
        rows |= {"rain": rain.to_numpy(dtype=float), "cloud": cover.to_numpy(dtype=float) / 10, "pressure": pressure.to_numpy(dtype=float)}
    except OSError as error:
        raise BatchtwinError("E103", path=path, problem=error.strerror or "unreadable") from None
    except Exception as error:  # pvlib raises whatever its parser met
        raise BatchtwinError("E103", path=path, problem=f"no typical-year file ({type(error).__name__}: {str(error)[:60]})") from None
    if len(table) < 8760 or not all(np.isfinite(v).all() for v in rows.values()):
        raise BatchtwinError("E103", path=path, problem=f"holds {len(table)} whole hours, not the 8760 of a year")
    first = int((starts - datetime(starts.year, 1, 1)).total_seconds() // 3600)
    pick = (first + np.arange(hours)) % 8760
    rain_mm = np.where(rows["rain"] > 900, 0.0, rows["rain"])  # 999 stands for missing
    return Hours(rows["temp_air"][pick], np.clip(rows["relative_humidity"][pick] / 100, 0, 1), rows["wind_speed"][pick], rows["wind_direction"][pick] % 360,
                 np.clip(rows["cloud"][pick], 0, 1), rain_mm[pick], rows["pressure"][pick], float(about["latitude"]), float(about["longitude"]))  # fmt: skip


def sun_elevation_deg(days: Hourly, latitude: float, longitude: float) -> Hourly:
    """Elevation of the sun's middle above the horizon, degrees, without refraction, to 0.01° from 1950 to 2050.

    The almanac's low-precision coordinates (Michalsky 1988, Solar Energy 40:227). pvlib has them too, but takes longer to import
    than a short run to play.

    Args:
        days: float64 [n], since noon of 1 January 2000, universal time.
        latitude, longitude: degrees north and east.
    """
    mean = np.radians(357.528 + 0.9856003 * days)
    ecliptic = np.radians(280.460 + 0.9856474 * days + 1.915 * np.sin(mean) + 0.020 * np.sin(2 * mean))
    tilt = np.radians(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(tilt) * np.sin(ecliptic))
    sidereal_h = 18.697374558 + 24.06570982441908 * days + longitude / 15
    hour_angle = np.radians(15 * sidereal_h) - ascension
    north = np.radians(latitude)
    up = np.sin(north) * np.sin(declination) + np.cos(north) * np.cos(declination) * np.cos(hour_angle)
    out: Hourly = np.degrees(np.arcsin(up))
    return out


def sun(starts: datetime, step_s: float, count: int, latitude: float, longitude: float, cloud: Hourly) -> tuple[Hourly, Hourly]:
    """Elevation of the sun, degrees, and global irradiance, W/m².

    Position by `sun_elevation_deg`; clear sky by Haurwitz (1945), 1098·cos z·exp(-0.057/cos z), under cloud by Kasten & Czeplak (1980),
    1 - 0.75·c^3.4.

    Args:
        starts: civil time of China; step_s, count: of the instants.
        cloud: float64 [count], 0–1.
    """
    since_j2000_s = (starts - timedelta(hours=UTC_OFFSET_H) - datetime(2000, 1, 1, 12)).total_seconds()
    days: Hourly = np.asarray((since_j2000_s + np.arange(count) * step_s) / 86400.0, np.float64)
    elevation = sun_elevation_deg(days, latitude, longitude)
    up = np.maximum(np.sin(np.radians(elevation)), 1e-6)
    clear = np.where(elevation > 0, 1098.0 * up * np.exp(-0.057 / up), 0.0)
    return elevation, clear * (1 - 0.75 * cloud**3.4)
