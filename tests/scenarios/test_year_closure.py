"""A year of weather, water, air and deliveries on one line with little demand: every species closes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scenarios.schema import load_scenario
from scenarios.simulation import Simulation
from twin.ledger import FINES, OUTSIDE, SPECIES, WATER

M3 = 7300.0  # two or three loads a day: all that moves with the weather moves for 365 days


@pytest.fixture(scope="module")
def year() -> Any:
    plan, design = load_scenario("plant-year")
    assert plan.demand is not None
    sim = Simulation(plan.model_copy(update={"demand": plan.demand.model_copy(update={"annual_m3": M3})}), design)
    sim.run()
    return sim


def test_every_species_closes_over_a_year(year: Any) -> None:
    """What is inside is what there was and came, less what left; relative to all that is in play of that species."""
    stock, holders = year.plant.state.ledger.stock, year.plant.holders
    assert year.tick == 365 * 86400 * 100 and year.m3 == pytest.approx(M3, rel=0.1)  # some 120 orders of unlike size
    inside = [i for i, h in enumerate(holders) if h not in OUTSIDE]
    outside = [holders.index(h) for h in OUTSIDE]
    for s, species in enumerate(SPECIES):
        in_play = np.abs(stock[:, s]).sum() / 2
        assert in_play > 0 and abs(stock[inside, s].sum() + stock[outside, s].sum()) <= 1e-9 * in_play, species
    assert stock[inside].min() >= -1e-6


def test_it_was_a_year_of_water(year: Any) -> None:
    ledger, holder = year.plant.state.ledger, year.plant.holder
    stock = ledger.stock
    rain_m3 = -stock[holder("rain"), WATER] / 1000
    surfaces_m2 = 4000 + 5000 + 1500
    assert 0.8 < rain_m3 / surfaces_m2 < 2.2  # Wuhan has 1.3 m a year; open basins catch some, too
    for account in ("air", "soil", "discharge"):
        assert abs(stock[holder(account), WATER]) > 100_000, account
    assert stock[holder("tip"), FINES] > 0 and abs(stock[holder("hydration")].sum()) <= 1e-6 * np.abs(stock[holder("hydration")]).sum()
