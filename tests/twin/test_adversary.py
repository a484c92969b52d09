"""A controller gone mad: whatever is written to the actuators, and whatever breaks, the plant stays finite and keeps its books."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.design.load import load_design
from twin.ledger import OUTSIDE
from twin.plant import KINDS, Plant, faults, sense, step, steps

DESIGNS = [load_design("hzs180"), load_design("twin-hzs240")]
CATALOGUE = faults()
EXTREMES = np.array([0.0, 1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 1e-320, -1.0, 0.5, 1e9, 100.0])


def plant_with_tankers(seed):
    plant = Plant(DESIGNS[seed % 2], seed)
    stock = plant.state.ledger.stock
    for name in plant.names["silo"]:
        species = int(plant.record(name)["species"])
        stock[plant.holder(f"{name}.Tanker"), species] += 3000.0
        stock[0, species] -= 3000.0
        plant.record(name)["connected"] = 1.0
    return plant


def written(plant, rng, habit, previous):
    """What a mad controller writes in one scan."""
    image = plant.image
    low, high = image.low[image.written], image.high[image.written]
    if habit == "extreme":
        return rng.choice(EXTREMES, len(low))
    if habit == "flapping":
        return np.where(previous > low, low, high)
    if habit == "lazy":  # few changes, so that hoppers fill and run over
        return np.where(rng.random(len(low)) < 0.02, rng.choice([0.0, 1.0], len(low)) * high, previous)
    return low + (high - low) * rng.random(len(low))


def break_something(plant, rng):
    """A random fault of random severity on a random machine; now and then everything is mended."""
    if rng.random() < 0.25:
        for places in CATALOGUE.values():
            for kind, fault in places:
                getattr(plant.state, KINDS[kind][1])[fault.field] = 0.0
    name = str(rng.choice(sorted(CATALOGUE)))
    kind, fault = CATALOGUE[name][rng.integers(len(CATALOGUE[name]))]
    machine = str(rng.choice(plant.names[kind]))
    plant.record(machine)[fault.field] = rng.choice([fault.low, fault.high, fault.default, rng.uniform(fault.low, fault.high)])


def trucks_come_and_go(plant, rng):
    for line in plant.table.lines:
        bay = plant.record(f"{line}.Bay")
        bay["load"] = bay["ground"] if rng.random() < 0.5 else plant.link(f"{line}.Hopper.Discharge", f"Truck{rng.integers(1, 5)}")


def torment(seed, habit, seconds, *, breaking=False, beating=True, coarse=False):
    plant, rng = plant_with_tankers(seed), np.random.default_rng(seed)
    image = plant.image
    heartbeats = [plant.table.index(f"{line}.Station.Heartbeat") for line in plant.table.lines]
    for scan in range(seconds * 10):
        image.values[image.written] = written(plant, rng, habit, image.latched[image.written])
        if beating:
            image.values[heartbeats] = scan
        if breaking and scan % 7 == 0:
            break_something(plant, rng)
        if scan % 97 == 0:
            trucks_come_and_go(plant, rng)
        image.latch()
        if coarse:
            step(plant.state, int(rng.choice([10, 10, 20, 100])))
        else:
            steps(plant.state, 10)
        sense(plant.state)
        if scan % 50 == 49:
            plant_is_sane(plant)
    return plant


def plant_is_sane(plant):
    state = plant.state
    for array in plant.arrays():
        for column in [array[name] for name in array.dtype.names] if array.dtype.names else [array]:
            assert np.isfinite(column).all()
    stock = state.ledger.stock
    assert stock[len(OUTSIDE) :].min() >= -1e-6
    assert state.ring.min() >= -1e-9
    assert plant.residual() <= 1e-9
    for records in (state.weighers, state.hoppers, state.mixers):
        for r in records:
            assert abs(r["mass_kg"] - stock[r["holder"]].sum()) <= 1e-6
            assert r["mass_kg"] >= 0
    for r in state.belts:
        assert abs(r["carried_kg"] - stock[r["holder"]].sum()) <= 1e-6
        slots = state.ring[r["slot0"] : r["slot0"] + r["slots"] + 1]
        assert abs(slots.sum() - stock[r["holder"]].sum()) <= 1e-6
    for name, r in zip(plant.names["feeder"], state.feeders, strict=True):
        assert abs(r["airborne_kg"] - stock[plant.holder(f"{name}.Falling")].sum()) <= 1e-6
    for field, top in (("speed", 1), ("door", 1), ("unmixed", 1), ("wear", 1)):
        assert state.mixers[field].min() >= 0 and state.mixers[field].max() <= top + 1e-12
    assert state.feeders["opening"].min() >= 0 and state.feeders["opening"].max() <= 1
    sensors = [i for i, t in enumerate(plant.table) if t.direction == "sensor"]
    assert np.isfinite(state.io[sensors]).all()


habits = st.sampled_from(["random", "extreme", "flapping", "lazy"])
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=12)
@given(seeds, habits, st.booleans())
def test_a_mad_controller_cannot_break_the_plant(seed, habit, beating):
    torment(seed, habit, 180, beating=beating)


@settings(max_examples=12)
@given(seeds, habits)
def test_nor_can_it_when_machines_fail(seed, habit):
    torment(seed, habit, 180, breaking=True)


@settings(max_examples=6)
@given(seeds, habits)
def test_nor_in_coarse_steps(seed, habit):
    torment(seed, habit, 600, breaking=True, coarse=True)


@pytest.mark.parametrize("breaking", [False, True])
def test_a_lazy_mad_controller_really_moves_material(breaking):
    plant = torment(11, "lazy", 300, breaking=breaking)
    assert plant.state.ledger.gone[len(OUTSIDE) :].max() > 5000
    assert plant.state.ledger.stock[plant.holder("ground")].sum() > 100
