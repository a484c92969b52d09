"""Weather of a run: what the climate says of each quarter of an hour, and spells of rain to the second."""

from __future__ import annotations

import math
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import numpy as np
import simpy

from scenarios import climate
from scenarios.climate import Hours
from scenarios.schema import Rain, Scenario
from twin.engine import Engine
from twin.kernels.stability import pasquill
from twin.ledger import SPECIES

STEP_S = 900
AHEAD_H = 12  # of the rain forecast
FORECAST_ERROR = 0.4  # log-normal scatter of a forecast of 12 h (engineering choice)


class Weather:
    """The weather of a scenario by quarters of an hour.

    Args:
        seed: of the run; the forecast's error and a drawn climate come from it.

    Attributes:
        spells: of rain, on top of the climate; one may be added while the run goes on, see `let_rain`.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.spells = list(scenario.weather.rain)
        self._starts = scenario.starts.replace(tzinfo=None, minute=0, second=0, microsecond=0)
        self._into_s = (scenario.starts.replace(tzinfo=None) - self._starts).total_seconds()
        hours = math.ceil((self._into_s + scenario.lasts) / 3600) + AHEAD_H + 2
        self.hours = self._hours(hours, seed)
        quarters = math.ceil(scenario.lasts / STEP_S) + 2
        index = np.minimum((np.arange(quarters) * STEP_S + self._into_s) // 3600, hours - 1).astype(int)
        first = self._starts + timedelta(seconds=self._into_s)
        self.sun_deg, self.sun_w_m2 = climate.sun(
            first, STEP_S, quarters, self.hours.latitude, self.hours.longitude, self.hours.cloud[index]
        )
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed & 0xFFFFFFFF, 18])))
        self._error = np.exp(FORECAST_ERROR * rng.standard_normal(hours))
        rain_mm = self.hours.rain_mm
        h = self.hours
        self._hourly = list(
            zip(*(a.tolist() for a in (h.air_c, h.humidity, h.wind_m_s, h.wind_from_deg, h.pressure_hpa, h.cloud, h.rain_mm)), strict=True)
        )
        self._sun = list(zip(self.sun_deg.tolist(), self.sun_w_m2.tolist(), strict=True))
        self._ahead_mm = [float(rain_mm[hour : hour + AHEAD_H].sum()) for hour in range(hours)]

    def _hours(self, count: int, seed: int) -> Hours:
        weather = self.scenario.weather
        if weather.file:
            return climate.from_file(weather.file, self._starts, count)
        if weather.climate:
            return climate.drawn(weather.climate, self._starts, count, seed)
        wuhan, same = climate.normals("wuhan"), lambda value: np.full(count, float(value))
        times = [self._starts + timedelta(hours=h) for h in range(count)]
        air = np.array([self._wave_c(t.hour, t.timetuple().tm_yday) for t in times])
        return Hours(air, same(weather.humidity), same(weather.wind_m_s), same(weather.wind_from_deg), same(weather.cloud), same(0.0), same(1013.25),
                     wuhan.latitude, wuhan.longitude)  # fmt: skip

    def _wave_c(self, hour: float, day: float) -> float:
        weather = self.scenario.weather
        daily = weather.swing_c * math.sin(2 * math.pi * (hour / 24 - 0.375))
        return weather.air_c + daily - weather.season_c * math.cos(2 * math.pi * (day + hour / 24 - 15) / 365.25)

    def at(self, run_s: float) -> dict[str, float]:
        """Everything at a time of the run, by the names of the plant's `site` record; rain without the spells."""
        x = (run_s + self._into_s) / 3600
        k = min(int(x), len(self._hourly) - 2)
        air_c, humidity, wind_m_s, wind_from_deg, pressure_hpa, cloud, rain_mm_h = self._hourly[k]
        sun_deg, sun_w_m2 = self._sun[min(int(run_s // STEP_S), len(self._sun) - 1)]
        return {
            "air_c": air_c + (x - k) * (self._hourly[k + 1][0] - air_c), "humidity": humidity, "wind_m_s": wind_m_s, "wind_from_deg": wind_from_deg,
            "pressure_hpa": pressure_hpa, "cloud": cloud, "sun_deg": sun_deg, "sun_w_m2": sun_w_m2, "rain_mm_h": rain_mm_h,
            "forecast_mm": self._forecast(run_s, k), "stability": pasquill(sun_deg, cloud, wind_m_s),
        }  # fmt: skip

    def _forecast(self, run_s: float, hour: int) -> float:
        """Rain of the next hours with the error of a forecast."""
        true = self._ahead_mm[hour]
        now = self.scenario.midnight_s + run_s
        for spell in self.spells:
            true += spell.mm_h * max(min(spell.ends, now + 3600 * AHEAD_H) - max(spell.begins, now), 0.0) / 3600
        return true * float(self._error[hour])

    def spell_mm_h(self, run_s: float) -> float:
        """Rain of the scenario's own spells."""
        now = self.scenario.midnight_s + run_s
        return max((r.mm_h for r in self.spells if r.begins <= now < r.ends), default=0.0)

    def next_edge_s(self, run_s: float) -> float:
        """Time of the run at which the weather changes next: a quarter of an hour, or where a spell begins or ends."""
        edges = [e - self.scenario.midnight_s for r in self.spells for e in (r.begins, r.ends)]
        return min([(run_s // STEP_S + 1) * STEP_S, *(e for e in edges if e > run_s)])


def play(engine: Engine, weather: Weather) -> Generator[simpy.Event, Any, None]:
    """SimPy process: sets the weather, material temperatures and the fineness of the day as they change."""
    state, site = engine.plant.state, vars(engine.plant.columns("site"))
    warm: dict[str, float | None] = {m.species: m.temperature_c for m in engine.plant.design.materials.values()}
    as_air = np.array([warm.get(species) is None for species in SPECIES])  # the others are as warm as they were delivered
    state.temperature_c[~as_air] = [given for species in SPECIES if (given := warm.get(species)) is not None]
    rng = engine.rng(13)
    fine = 0.0
    keep = math.exp(-0.25 / 4)
    while True:
        run_s = engine.env.now / 100
        now = weather.at(run_s)
        for name, value in now.items():
            site[name][0] = value
        site["rain_mm_h"][0] = max(now["rain_mm_h"], weather.spell_mm_h(run_s))
        site["weather"][0] += 1
        state.temperature_c[as_air] = now["air_c"]
        if run_s % STEP_S == 0:
            # Aggregate grading wanders over hours: 1 % of water demand, correlated over 4 h (engineering choice).
            fine = keep * fine + math.sqrt(1 - keep * keep) * 0.01 * rng.standard_normal()
            state.mixers["fine_extra"] = fine
        yield engine.wait(weather.next_edge_s(run_s) - run_s)


def let_rain(engine: Engine, weather: Weather, spell: Rain) -> None:
    """Let it rain from now on; what the process above has set for this quarter of an hour is corrected where the spell begins and ends."""
    weather.spells.append(spell)

    def correct() -> None:
        run_s, site = engine.env.now / 100, engine.plant.state.site
        site["rain_mm_h"] = max(weather.at(run_s)["rain_mm_h"], weather.spell_mm_h(run_s))
        site["weather"] += 1

    correct()
    engine.at(weather.scenario.tick(spell.ends), correct)
