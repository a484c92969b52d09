"""Machines of the water loop, each by its masses: first flush, press, wash bay with its queue, sweeper, hoses, washing of drums."""

from __future__ import annotations

import pytest

from twin.engine import Engine
from twin.equipment.truck_wash import Gate
from twin.equipment.washout import Washout
from twin.ledger import FINES, WATER
from twin.plant import water as step_water

YARD, RAIN, FIRST = "Water.Surface.Yard", "Water.Basin.Rain", "Water.Basin.Settling1"


@pytest.fixture
def dry(rig):
    """No evaporation: humidity of 1."""
    rig.state.site["humidity"] = 1.0
    return rig


def play(rig, seconds, dt_s=1.0):
    for _ in range(round(seconds / dt_s)):
        step_water(rig.state, dt_s)


def engine(rig):
    return Engine(rig.plant, 1, lambda *note: None)


def moved(rig, source, target):
    return rig.state.ledger.moved[rig.plant.link(source, target)]


def test_first_flush_goes_to_settling_and_the_rest_to_the_rain_basin(dry):
    """15 mm of 40 on 5,000 m² less 1 mm that wets it: 70 m³ foul with most of the silt, 125 m³ clean."""
    dry.state.site["rain_mm_h"] = 20.0
    dry[f"{YARD}.FirstFlush"] = 1
    play(dry, 45 * 60)
    dry[f"{YARD}.FirstFlush"] = 0
    play(dry, 75 * 60)
    dry.state.site["rain_mm_h"] = 0.0
    play(dry, 3600)
    foul, clean = moved(dry, YARD, FIRST), moved(dry, YARD, RAIN)
    film_kg = 20 / 3600 * 5000 * 180  # on its way when the valve turns
    assert foul[WATER] == pytest.approx(70_000 - film_kg, rel=0.01)
    assert foul[WATER] + clean[WATER] == pytest.approx(195_000, rel=1e-4)
    assert foul[FINES] > 0.9 * 50 > clean[FINES] > 0


def test_a_press_gives_cake_and_filtrate_for_what_it_takes(dry):
    name = "Water.Basin.Slurry"
    dry.put(name, fines=4000)
    dry[f"{name}.AgitatorRun"] = dry["Water.Press.Run"] = 1
    play(dry, 4 * 3600, 5.0)
    taken, cake, back = moved(dry, name, "Water.Press"), moved(dry, "Water.Press", "tip"), moved(dry, "Water.Press", "Water.Basin.Clear")
    assert dry.record("Water.Press")["cakes"] >= 2 and cake[FINES] >= 2 * 1200
    assert cake[FINES] / (cake[FINES] + cake[WATER]) == pytest.approx(0.65)
    assert back[FINES] == 0 and taken == pytest.approx(cake + back + dry.state.ledger.stock[dry.holder("Water.Press")], rel=1e-9)


def test_trucks_queue_at_the_wash_and_are_washed_one_after_the_other(rig):
    rig["Water.TruckWash.Run"] = 1
    sim = engine(rig)
    gate = Gate(sim, rig.plant.design)
    before = rig.kg("Water.Basin.Clear")
    for _ in range(3):
        sim.env.process(gate.goes(4.0))
    rig.put("Trucks.Dirt", fines=12)
    seen = []
    for second in (1, 46, 91, 136):
        sim.env.run(until=100 * second)
        record = rig.record("Water.TruckWash")
        seen.append((record["queue"], record["washing"], record["washed"]))
    assert seen == [(2, 1, 0), (1, 1, 1), (0, 1, 2), (0, 0, 3)]
    assert before - rig.kg("Water.Basin.Clear") == pytest.approx(3 * 180)
    assert moved(rig, "Water.TruckWash", FIRST)[FINES] == pytest.approx(3 * 4 * 0.92)
    assert moved(rig, "Trucks.Dirt", "site")[FINES] == pytest.approx(3 * 4 * 0.08)


def test_the_sweeper_takes_half_each_time_to_the_tip(rig):
    sim = engine(rig)
    before = float(rig.state.ledger.stock[rig.holder(YARD), FINES])
    sim.env.process(Washout(sim).sweep())
    sim.env.run(until=100 * (2 * 86400 + 1))
    assert moved(rig, YARD, "tip")[FINES] == pytest.approx(0.75 * before) and before == 50
    assert rig.kg(YARD) == pytest.approx(0.25 * before)


@pytest.mark.parametrize("dt_s", [1.0, 60.0, 900.0])
def test_hoses_give_what_the_design_says_however_long_the_step(rig, dt_s):
    rig["Water.Washdown.Line1.Mixer"] = rig["Water.Washdown.Line1.Floor"] = 1
    play(rig, 1800, dt_s)
    assert moved(rig, "Water.Basin.Clear", "Water.Separator")[WATER] == pytest.approx(700)
    assert moved(rig, "Water.Basin.Clear", FIRST)[WATER] == pytest.approx(1500)
    rig.play(1, coarse=True)
    assert rig["Water.Washdown.Line1.MixerWater"] == pytest.approx(0.7) and rig["Water.Washdown.Line1.FloorWater"] == pytest.approx(1.5)
    rig["Water.Washdown.Line1.Mixer"] = 0
    play(rig, dt_s, dt_s)
    rig["Water.Washdown.Line1.Mixer"] = 1
    play(rig, 1800, dt_s)
    assert moved(rig, "Water.Basin.Clear", "Water.Separator")[WATER] == pytest.approx(1400)


def test_an_empty_basin_leaves_washing_to_the_mains(rig):
    rig.put("Water.Basin.Clear", water=1200 - rig.kg("Water.Basin.Clear"))
    sim = engine(rig)
    sim.env.process(Washout(sim).use(1, rig.holder("Truck1"), 400.0))
    sim.env.run(until=100 * 60)
    assert moved(rig, "Water.Basin.Clear", "Truck1")[WATER] == pytest.approx(200)
    assert moved(rig, "mains", "Truck1")[WATER] == pytest.approx(200)


def test_a_whole_load_that_comes_back_does_not_run_over_the_separator(rig):
    sim = engine(rig)
    rig["Water.Separator.Run"] = 1
    rig.put("Truck1", cement=1800, fly_ash=300, sand=4700, stone=6300, water=1050)
    sim.env.process(Washout(sim).use(1, rig.holder("Truck1"), 400.0))
    for minute in range(1, 241):
        sim.env.run(until=minute * 6000)
        play(rig, 60, 60.0)
    assert rig.kg("Truck1") == pytest.approx(0, abs=1e-6)
    assert moved(rig, "Water.Separator", "discharge").sum() == 0
    assert moved(rig, "Truck1", "Water.Separator").sum() == pytest.approx(14150 + 14.15 * 400)
