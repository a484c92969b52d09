"""Weather of a run: a daily and a yearly wave of air temperature, and spells of rain."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import simpy

from scenarios.schema import Scenario
from twin.engine import Engine
from twin.ledger import SPECIES


def play(engine: Engine, scenario: Scenario) -> Generator[simpy.Event, Any, None]:
    """SimPy process: sets air, rain, material temperatures and the fineness of the day every quarter of an hour."""
    state, weather = engine.plant.state, scenario.weather
    day_of_year = scenario.starts.timetuple().tm_yday
    warm: dict[str, float | None] = {m.species: m.temperature_c for m in engine.plant.design.materials.values()}
    rng = engine.rng(13)
    fine = 0.0
    while True:
        time_s = scenario.midnight_s + engine.env.now / 100
        air = weather.air_c + weather.swing_c * math.sin(2 * math.pi * (time_s / 86400 - 0.375))
        air -= weather.season_c * math.cos(2 * math.pi * (day_of_year + time_s / 86400 - 15) / 365.25)
        state.site["air_c"] = air
        state.site["rain_mm_h"] = max((r.mm_h for r in weather.rain if r.begins <= time_s < r.ends), default=0.0)
        for i, species in enumerate(SPECIES):
            given = warm.get(species)
            state.temperature_c[i] = air if given is None else given
        # Aggregate grading wanders over hours: 1 % of water demand, correlated over 4 h (engineering choice).
        keep = math.exp(-0.25 / 4)
        fine = keep * fine + math.sqrt(1 - keep * keep) * 0.01 * rng.standard_normal()
        state.mixers["fine_extra"] = fine
        yield engine.wait(900)
