"""Random storms, faults and commands on three plants: water is never made, never negative, never lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.design.load import load_design
from twin.kernels.water import volume_m3
from twin.ledger import OUTSIDE, WATER
from twin.plant import KINDS, Plant, faults, sense, step, water

DESIGNS = [load_design(name) for name in ("hzs180", "benchmark-180", "open-yard-180")]
LOOP = ("basin", "water_pump", "surface", "separator", "filter_press", "truck_wash", "spray")
FAULTS = [(kind, f) for places in faults().values() for kind, f in places if kind in LOOP]
OUT = [OUTSIDE.index(name) for name in ("discharge", "tip")]


def storm(seed: int, design: int) -> Plant:
    plant, rng = Plant(DESIGNS[design], seed), np.random.default_rng(seed)
    site, stock = plant.state.site, plant.state.ledger.stock
    written = [i for i in plant.image.written if plant.table.tags[i].name.startswith(("Water.", "Air."))]
    gone = stock[OUT].sum(axis=1)
    for _ in range(300):
        if rng.random() < 0.1:
            site["rain_mm_h"] = rng.choice([0.0, 0.0, 5.0, 60.0, 300.0])
            site["humidity"], site["wind_m_s"] = rng.uniform(0.1, 1.0), rng.uniform(0, 20)
        if rng.random() < 0.2:
            kind, fault = FAULTS[rng.integers(len(FAULTS))]
            if plant.names.get(kind):
                getattr(plant.state, KINDS[kind][1])[fault.field] = rng.choice([0.0, fault.low, fault.high])
        if rng.random() < 0.3:
            plant.image.values[written] = np.where(rng.random(len(written)) < 0.5, plant.image.low[written], plant.image.high[written])
            plant.image.latch()
        if rng.random() < 0.2 and plant.names.get("separator"):
            truck = plant.holder("Water.Separator")
            for species, kg in ((0, 40.0), (3, 200.0), (4, 300.0), (WATER, 400.0)):
                stock[truck, species] += kg
                stock[0, species] -= kg
        water(plant.state, float(rng.choice([1.0, 5.0, 30.0, 60.0])))
        step(plant.state, int(rng.choice([10, 100])))
        sense(plant.state)
        check(plant)
        now = stock[OUT].sum(axis=1)
        assert (now >= gone - 1e-9).all()  # what has left does not come back
        gone = now
    return plant


def check(plant: Plant) -> None:
    stock = plant.state.ledger.stock
    assert plant.residual() <= 1e-9
    inside = [i for i, h in enumerate(plant.holders) if h not in OUTSIDE]
    assert stock[inside].min() >= -1e-6
    for b in plant.state.basins:
        held = volume_m3(stock[b["holder"]]) + volume_m3(stock[b["sludge"]])
        assert held <= b["capacity_m3"] * (1 + 1e-9), "more than fits"
    if plant.names.get("separator"):
        assert abs(stock[plant.holder("hydration")].sum()) <= 1e-6


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(0, len(DESIGNS) - 1))
def test_water_is_never_made_lost_or_negative(seed, design):
    storm(seed, design)


def test_such_a_storm_does_move_water():
    plant = storm(7, 2)
    assert plant.state.ledger.stock[plant.holder("discharge"), WATER] > 10_000
