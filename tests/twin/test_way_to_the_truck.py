"""Weighers, belt, hoppers and mixer: the way of a batch to the truck, seen from outside."""

from __future__ import annotations

import numpy as np
import pytest
from machines import CONCRETE, charge

# --- weighers, belt, hoppers --------------------------------------------------------------------------


def test_a_weigher_discharges_at_its_rate_onto_the_belt(rig):
    rig.put("Weigher.Sand1", sand=1000)
    rig["Belt.Run"] = 1
    rig.play(4)
    rig["Weigher.Sand1.Discharge"] = 1
    rig.play(10)
    assert not rig["Weigher.Sand1.GateClosed"]
    assert 1000 - rig.kg("Weigher.Sand1") == pytest.approx(60 * (10 - 0.5 / 2), rel=0.01)
    assert rig.kg("Belt") == pytest.approx(60 * (10 - 0.5 / 2), rel=0.01)
    rig.play(20)
    assert rig.kg("Weigher.Sand1") == pytest.approx(0, abs=0.5)


def test_the_belt_takes_its_length_over_its_speed(rig):
    rig["Belt.Run"] = 1
    rig.play(5)
    assert rig["Belt.Running"] and rig["Belt.Speed"] == pytest.approx(2.0)
    rig.put("Weigher.Sand1", sand=200)
    rig["Weigher.Sand1.Discharge"] = 1
    rig.play(15.7)
    assert rig.kg("Hopper.Waiting") == 0
    rig.play(0.8)
    assert rig.kg("Hopper.Waiting") > 0
    rig.play(15)
    assert rig.kg("Hopper.Waiting") == pytest.approx(200, abs=1)


def test_a_standing_belt_keeps_its_load(rig):
    rig["Belt.Run"] = 1
    rig.play(5)
    rig.put("Weigher.Sand1", sand=500)
    rig["Weigher.Sand1.Discharge"] = 1
    rig.play(8)
    rig["Weigher.Sand1.Discharge"] = rig["Belt.Run"] = 0
    rig.play(3)
    load = rig.kg("Belt")
    rig.play(60)
    assert load > 300 and rig.kg("Belt") == load and rig["Belt.Speed"] == 0


def test_a_loaded_belt_draws_more_power(rig):
    rig["Belt.Run"] = 1
    rig.play(5)
    empty = rig["Belt.Power"]
    rig.put("Weigher.Sand1", sand=2000)
    rig["Weigher.Sand1.Discharge"] = 1
    rig.play(12)
    assert rig["Belt.Power"] > empty > 0


def test_a_standing_belt_spills_what_does_not_fit(rig):
    rig.put("Weigher.Sand1", sand=1000)
    rig["Weigher.Sand1.Discharge"] = 1
    rig.play(30)
    assert rig.kg("Belt") < 200
    assert rig.kg("ground") == pytest.approx(1000 - rig.kg("Belt") - rig.kg("Weigher.Sand1"))
    assert rig.kg("ground") > 700


def test_a_weigher_runs_over_at_a_quarter_above_its_capacity(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(40)
    assert rig.kg("Weigher.Sand1") <= 1.25 * 3000 + 20
    assert rig.kg("ground") == pytest.approx(150 * 40 - 3750, rel=0.1)
    assert rig["Weigher.Sand1.Gross"] == pytest.approx(3750, rel=0.03)


def test_a_waiting_hopper_runs_over_its_rim(rig):
    rig.put("Hopper.Waiting", stone=8000)
    rig.play(1)
    assert rig.kg("Hopper.Waiting") == pytest.approx(7000) and rig.kg("ground") == pytest.approx(1000)
    assert rig["Hopper.Waiting.Full"] and not rig["Hopper.Waiting.Empty"]


def test_a_hopper_empties_into_the_mixer(rig):
    rig.put("Hopper.Waiting", stone=3000, sand=2000)
    rig.play(1)
    assert rig["Hopper.Waiting.GateClosed"] and not rig["Hopper.Waiting.Empty"]
    rig["Hopper.Waiting.Open"] = 1
    rig.play(3)
    assert rig.kg("Mixer") == pytest.approx(750 * (3 - 0.6 / 2), rel=0.01)
    assert not rig["Hopper.Waiting.GateClosed"]
    rig.play(8)
    assert rig.kg("Hopper.Waiting") == 0 and rig.kg("Mixer") == pytest.approx(5000)
    assert rig["Hopper.Waiting.Empty"]


def test_powder_weighers_empty_into_the_mixer(rig):
    rig.put("Weigher.Cement", cement=800)
    rig["Weigher.Cement.Discharge"] = 1
    rig.play(6)
    assert rig.kg("Mixer") == pytest.approx(80 * (6 - 0.5 / 2), rel=0.01)
    rig.play(19)
    assert rig.kg("Mixer") == pytest.approx(800, abs=0.5)


# --- mixer --------------------------------------------------------------------------------------------


def test_the_mixer_runs_up_and_idles_on_little_power(rig):
    rig["Mixer.Run"] = 1
    rig.play(1.5)
    assert not rig["Mixer.Running"]
    rig.play(3)
    assert rig["Mixer.Running"]
    assert 0.1 * 110 < rig["Mixer.Power"] < 0.25 * 110
    assert rig["Mixer.Current"] == pytest.approx(rig["Mixer.Power"] * 1000 / (3**0.5 * 380 * 0.85))


def test_power_falls_while_the_charge_becomes_even(rig):
    rig["Mixer.Run"] = 1
    rig.play(5)
    rig.put("Mixer", **charge(3))
    rig.play(1)
    early = np.mean(rig.watch("Mixer.Power", 1))
    rig.play(30)
    late = np.mean(rig.watch("Mixer.Power", 1))
    assert 1.02 * late < early
    assert 40 < late < 110 and not rig["Mixer.Tripped"]


def test_watery_concrete_turns_easier(new_rig):
    power = []
    for extra in (0, 60):
        rig = new_rig()
        rig["Mixer.Run"] = 1
        rig.put("Mixer", **{**charge(2.5), "water": CONCRETE["water"] * 2.5 + extra})
        rig.play(40)
        power.append(np.mean(rig.watch("Mixer.Power", 2)))
    assert power[1] < 0.98 * power[0]


def test_concrete_takes_the_blended_temperature_of_its_parts(rig):
    rig.state.temperature_c[:] = [70, 20, 20, 20, 20, 10, 20, 20]
    rig.put("Mixer", **charge(3))
    rig["Mixer.Run"] = 1
    rig.play(2)
    heat = np.array([0.75] * 5 + [4.19, 3.9, 0.75]) * list(CONCRETE.values())
    assert rig["Mixer.Temperature"] == pytest.approx((heat * rig.state.temperature_c).sum() / heat.sum(), abs=0.01)


def test_the_door_takes_its_stroke(rig):
    rig["Mixer.Door"] = 100
    rig.play(1)
    assert rig["Mixer.DoorPosition"] == pytest.approx(50, abs=2)
    assert not rig["Mixer.DoorClosed"]
    rig.play(1.2)
    assert rig["Mixer.DoorPosition"] == pytest.approx(100)
    rig["Mixer.Door"] = 30
    rig.play(2)
    assert rig["Mixer.DoorPosition"] == pytest.approx(30)


def discharge(rig, seconds=40.0):
    rig.put("Mixer", **charge(3))
    rig["Mixer.Run"], rig["Mixer.Door"], rig["Hopper.Discharge.Open"] = 1, 100, 1
    rig.play(seconds)
    return sum(CONCRETE.values()) * 3


def test_concrete_goes_into_the_truck_that_stands_there(rig):
    rig.park(3)
    rig.play(0.2)
    assert rig["Bay.TruckPresent"] and rig["Bay.Truck"] == 3
    kg = discharge(rig)
    assert rig.kg("Truck3") == pytest.approx(kg) and rig.kg("ground") == 0
    assert rig.kg("Mixer") == 0 and rig.kg("Hopper.Discharge") == 0


def test_without_a_truck_concrete_falls_to_the_ground(rig):
    kg = discharge(rig)
    assert not rig["Bay.TruckPresent"]
    assert rig.kg("ground") == pytest.approx(kg)


def test_a_turning_mixer_empties_faster_than_a_standing_one(new_rig):
    left = []
    for run in (1, 0):
        rig = new_rig()
        rig["Mixer.Run"] = run
        rig.play(5)
        rig.put("Mixer", **charge(3))
        rig["Mixer.Door"] = 100
        rig.play(6)
        left.append(rig.kg("Mixer"))
    assert left[0] < 0.7 * left[1]


def test_an_overfull_mixer_runs_over_its_rim(rig):
    rig.put("Mixer", **charge(4.5))
    rig.play(1)
    assert rig.kg("Mixer") == pytest.approx(1.25 * 3 * 2400)
    assert rig.kg("ground") == pytest.approx(4.5 * sum(CONCRETE.values()) - 9000)


def test_an_overfull_discharge_hopper_runs_over(rig):
    rig.put("Hopper.Discharge", **charge(4.5))
    rig.play(1)
    assert rig.kg("Hopper.Discharge") == pytest.approx(9000)
    assert rig.kg("ground") == pytest.approx(4.5 * sum(CONCRETE.values()) - 9000)


def test_a_jammed_mixer_trips_stays_tripped_and_comes_back_after_reset(rig):
    rig["Mixer.Run"] = 1
    rig.put("Mixer", **charge(3))
    rig.play(20)
    assert rig["Mixer.Running"] and not rig["Mixer.Tripped"]
    rig.fault("mixer-overload", "Mixer")
    rig.play(7)
    assert not rig["Mixer.Tripped"]
    rig.play(8)
    assert rig["Mixer.Tripped"] and not rig["Mixer.Running"]
    rig.fault("mixer-overload", "Mixer", 0.0)
    rig.play(20)
    assert rig["Mixer.Tripped"] and rig["Mixer.Power"] == 0
    rig["Mixer.Reset"] = 1
    rig.play(1)
    rig["Mixer.Reset"] = 0
    rig.play(5)
    assert rig["Mixer.Running"] and not rig["Mixer.Tripped"]
