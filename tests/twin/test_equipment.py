"""Machines as they behave from outside: what a command, a fault or a lost control room does to flows, sensors and the ledger.

Every test also checks that the books close (fixture `rig`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from twin.plant import faults

# One cubic metre of an ordinary concrete.
CONCRETE = {"cement": 280.0, "fly_ash": 55.0, "slag": 60.0, "sand": 760.0, "stone": 1050.0, "water": 170.0, "admixture": 9.2}


def charge(m3):
    return {species: kg * m3 for species, kg in CONCRETE.items()}


def dosed(rig, feeder="Sand1"):
    """What has left a feeder: in the air and on the scale."""
    return rig.kg(f"Feeder.{feeder}.Falling") + rig.kg(f"Weigher.{feeder}")


# --- feeders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coarse", [False, True])
def test_a_gate_gives_its_rated_flow_after_dead_time_and_half_its_stroke(rig, coarse):
    rig.steady("Sand1")
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(5, coarse)
    assert dosed(rig) == pytest.approx(150 * (5 - 0.12 - 0.35 / 2), rel=1e-9)


def test_an_irregular_gate_still_gives_its_rated_flow_on_average(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(20)
    assert dosed(rig) == pytest.approx(150 * 20, rel=0.06)


def test_irregular_flow_is_irregular(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(2)
    seen = np.diff([dosed(rig) for _ in range(100) if rig.play(0.1) is None])
    assert 0.02 < seen.std() / seen.mean() < 0.16  # 0.08 of rated


def test_fine_feed_gives_its_share(rig):
    rig.steady("Sand1")
    rig["Feeder.Sand1.Fine"] = 1
    rig.play(10)
    assert dosed(rig) == pytest.approx(0.1 * 150 * 10, rel=0.03)


def test_what_is_in_the_air_lands_after_closing(rig):
    rig.steady("Sand1")
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(4)
    assert rig.kg("Feeder.Sand1.Falling") == pytest.approx(150 * 0.4, rel=0.05)
    rig["Feeder.Sand1.Coarse"] = 0
    before = dosed(rig)
    rig.play(3)
    assert rig.kg("Feeder.Sand1.Falling") == pytest.approx(0, abs=1e-6)
    assert rig.kg("Weigher.Sand1") - before == pytest.approx(150 * (0.12 + 0.35 / 2), rel=0.06)
    assert rig["Feeder.Sand1.Closed"] and not rig["Feeder.Sand1.Open"]


def test_impact_makes_the_scale_show_what_is_still_falling(rig):
    """A falling stream presses with q·v/g, just the weight of what is in the air."""
    rig.steady("Sand1")
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(6)
    gap = [rig["Weigher.Sand1.Gross"] - rig.kg("Weigher.Sand1") for _ in range(20) if rig.play(0.1) is None]
    # The indicator lags by 2ζ/ω behind a ramp.
    assert np.mean(gap) == pytest.approx(150 * 0.4 - 150 * 2 * 0.6 / (2 * np.pi * 4.0), rel=0.05)


def test_the_reading_settles_on_the_mass(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(5)
    rig["Feeder.Sand1.Coarse"] = 0
    rig.play(4)
    seen = rig.watch("Weigher.Sand1.Gross", 10)
    assert np.mean(seen) == pytest.approx(rig.kg("Weigher.Sand1"), abs=0.5)
    assert max(abs(np.array(seen) - rig.kg("Weigher.Sand1"))) <= 6
    assert all(value % 2 == 0 for value in seen)  # shown in divisions of 2 kg


def test_coarse_steps_dose_the_same_as_fine_ones(new_rig):
    doses = []
    for coarse in (False, True):
        rig = new_rig()
        rig.steady("Sand1")
        rig["Feeder.Sand1.Coarse"] = 1
        rig.play(4, coarse)
        rig["Feeder.Sand1.Coarse"] = 0
        rig.play(3, coarse)
        doses.append(rig.kg("Weigher.Sand1"))
    assert doses[0] == pytest.approx(doses[1], rel=1e-6)


def test_commands_shorter_than_the_dead_time_move_nothing_however_many(rig):
    for _ in range(10):
        rig["Feeder.Sand1.Coarse"] = 1
        rig.play(0.1)
        rig["Feeder.Sand1.Coarse"] = 0
        rig.play(1)
    assert dosed(rig) == 0


def test_wet_sand_takes_its_water_along(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(5)
    rig["Feeder.Sand1.Coarse"] = 0
    rig.play(2)
    stock = rig.state.ledger.stock[rig.holder("Weigher.Sand1")]
    assert stock[5] / stock[3] == pytest.approx(0.05)  # moisture of the design
    assert stock[[0, 1, 2, 4, 6]].sum() == 0


@pytest.mark.parametrize(("exponent", "ratio"), [(0.5, 2.0), (1.0, 4.0)])
def test_a_valve_flows_with_its_power_of_the_head(new_rig, exponent, ratio):
    """Torricelli's square root unless the design says otherwise."""
    flows = []
    for share in (0.2, 0.8):
        rig = new_rig()
        assert rig.record("Feeder.Water")["head_exponent"] == 0.5
        rig.record("Feeder.Water")["head_exponent"] = exponent
        rig.fault("float-valve-stuck", "Tank.Water")
        rig.steady("Water")
        rig.put("Tank.Water", water=30_000 * share - rig.kg("Tank.Water"))
        rig["Feeder.Water.Coarse"] = 1
        rig.play(5)
        flows.append(dosed(rig, "Water"))
    assert flows[1] / flows[0] == pytest.approx(ratio, rel=0.03)


def test_aerated_cement_flows_faster(new_rig):
    flows = []
    for aerated in (0.0, 1.0):
        rig = new_rig()
        rig.steady("Cement1")
        rig.record("Silo.Cement1")["aerated"] = aerated
        rig["Feeder.Cement1.Coarse"] = 1
        rig.play(10)
        flows.append(rig.kg("Weigher.Cement"))
    assert flows[1] / flows[0] == pytest.approx(1.15, rel=0.01)


def test_an_empty_bin_gives_nothing(rig):
    rig.put(
        "Bin.Sand1",
        sand=-float(rig.state.ledger.stock[rig.holder("Bin.Sand1"), 3]),
        water=-float(rig.state.ledger.stock[rig.holder("Bin.Sand1"), 5]),
    )
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(3)
    assert dosed(rig) == 0 and rig.kg("Bin.Sand1") == 0


def test_flow_aid_breaks_an_arch(rig):
    rig.record("Feeder.Sand1")["arched"] = 1.0
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(5)
    assert dosed(rig) < 0.05 * 150 * 5
    rig["Feeder.Sand1.FlowAid"] = 1
    rig.play(3)
    before = dosed(rig)
    rig.play(3)
    assert dosed(rig) - before == pytest.approx(450, rel=0.25)


def test_a_gate_stuck_open_goes_on_feeding(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(3)
    rig.fault("stuck-gate", "Feeder.Sand1")
    rig["Feeder.Sand1.Coarse"] = 0
    before = dosed(rig)
    rig.play(3)
    assert dosed(rig) - before == pytest.approx(450, rel=0.25)
    assert rig["Feeder.Sand1.Open"] and not rig["Feeder.Sand1.Closed"]


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
    rig.state.temperature_c[:] = [70, 20, 20, 20, 20, 10, 20]
    rig.put("Mixer", **charge(3))
    rig["Mixer.Run"] = 1
    rig.play(2)
    heat = np.array([0.75] * 5 + [4.19, 3.9]) * list(CONCRETE.values())
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


# --- silos, bins, tanks -------------------------------------------------------------------------------

RESISTANCE = 46 / 24  # kPa per m³/s of the clean filter


def test_a_silo_fills_at_the_tankers_rate_under_filter_pressure_then_surges_and_breathes_out(rig):
    rig.tanker("Cement1", 1800, "cement")
    before = rig.kg("Silo.Cement1")
    rig.play(50, coarse=True)
    assert rig["Silo.Cement1.Filling"]
    assert rig.kg("Silo.Cement1") - before == pytest.approx(18 * 50, rel=0.01)
    assert rig["Silo.Cement1.Pressure"] == pytest.approx(0.25 * RESISTANCE)
    rig.play(55, coarse=True)  # the tanker is empty after 100 s
    assert rig["Silo.Cement1.Pressure"] == pytest.approx(4 * 0.25 * RESISTANCE)
    rig.play(15, coarse=True)
    assert rig["Silo.Cement1.Pressure"] == pytest.approx(4 * 0.25 * RESISTANCE)
    rig.play(15, coarse=True)
    assert rig["Silo.Cement1.Pressure"] == 0 and not rig["Silo.Cement1.Filling"]
    assert rig.kg("Silo.Cement1.Tanker") == 0
    assert not rig["Silo.Cement1.ReliefOpen"]
    assert rig.kg("Silo.Cement1") - before == pytest.approx(1800, abs=0.1)


def test_filling_loses_what_the_filter_lets_pass(rig):
    """0.73 lb/ton uncontrolled, AP-42 Table 11.12-2, less the filter; the surge carries as much a second as filling."""
    rig.tanker("Cement1", 1800, "cement")
    rig.play(140, coarse=True)
    assert rig.kg("air") == pytest.approx(0.000365 * 0.0014 * (1800 + 18 * 25), rel=0.02)


def test_a_shut_pinch_valve_stops_the_filling(rig):
    rig.tanker("Cement1", 5000, "cement")
    rig["Silo.Cement1.FillOpen"] = 0
    rig.play(10)
    assert rig.kg("Silo.Cement1.Tanker") == 5000 and rig["Silo.Cement1.Pressure"] == 0
    assert rig["Silo.Cement1.Filling"]


def test_fresh_powder_is_aerated_and_settles(rig):
    rig.tanker("Cement1", 100, "cement")
    rig.play(4, coarse=True)
    silo = rig.record("Silo.Cement1")
    assert silo["aerated"] == 1
    rig.play(1200, coarse=True)
    assert silo["aerated"] == pytest.approx(np.exp(-1), abs=0.01)


def test_a_blinded_filter_opens_the_relief_valve_in_the_surge_only(rig):
    rig.fault("blinded-filter", "Silo.Cement1")
    rig.tanker("Cement1", 900, "cement")
    rig.play(45, coarse=True)
    assert rig["Silo.Cement1.Pressure"] == pytest.approx(7 * 0.25 * RESISTANCE) and not rig["Silo.Cement1.ReliefOpen"]
    clean = rig.kg("air")
    rig.play(15, coarse=True)
    assert rig["Silo.Cement1.ReliefOpen"] and rig["Silo.Cement1.Pressure"] == pytest.approx(5.0)
    assert rig.kg("air") > 50 * clean
    rig.play(30, coarse=True)
    assert not rig["Silo.Cement1.ReliefOpen"] and rig["Silo.Cement1.Pressure"] == 0


def test_a_bin_is_fed_from_its_yard_and_runs_over(rig):
    yard, store = rig.kg("Bin.Sand1.Yard"), rig.kg("Bin.Sand1")
    rig["Bin.Sand1.Feed"] = 1
    rig.play(30, coarse=True)
    assert rig.kg("Bin.Sand1") - store == pytest.approx(120 * (30 - 3 / 2), rel=0.01)
    assert yard - rig.kg("Bin.Sand1.Yard") == pytest.approx(rig.kg("Bin.Sand1") - store)
    rig.play(100, coarse=True)
    assert rig.kg("Bin.Sand1") == pytest.approx(45_000) and rig.kg("ground") > 3000


def test_levels_show_the_stock(rig):
    assert np.mean(rig.watch("Silo.Cement1.Level", 5)) == pytest.approx(80, abs=0.3)
    assert np.mean(rig.watch("Bin.Sand1.Level", 5)) == pytest.approx(80, abs=0.6)
    assert rig["Bin.Sand1.Yard"] == pytest.approx(60)
    assert rig["Tank.Slurry.Level"] == pytest.approx(50)
    assert np.mean(rig.watch("Probe.Sand1.Moisture", 10)) == pytest.approx(5.0, abs=0.05)


def test_the_float_valve_refills_the_water_tank_and_shuts(rig):
    rig.play(600, coarse=True)
    level = rig["Tank.Water.Level"]
    assert 94 < level < 96
    rig.play(60, coarse=True)
    assert rig["Tank.Water.Level"] == level and rig.kg("mains") < 0


# --- station: watchdog, emergency stop, local panel, supply ------------------------------------------


def busy(rig):
    """Everything that moves, moves: mixer, belt, a gate, a screw, a hopper, the door."""
    rig.put("Mixer", **charge(2))
    rig.put("Hopper.Waiting", stone=6000)
    for tag in ("Mixer.Run", "Belt.Run", "Feeder.Sand1.Coarse", "Feeder.Cement1.Coarse", "Weigher.Water.Discharge", "Hopper.Waiting.Open"):
        rig[tag] = 1
    rig["Mixer.Door"] = 20
    rig.play(4)
    assert rig["Mixer.Running"] and rig["Belt.Running"] and rig["Feeder.Sand1.Open"] and rig["Feeder.Cement1.Open"]
    assert not rig["Hopper.Waiting.GateClosed"] and not rig["Mixer.DoorClosed"] and not rig["Weigher.Water.GateClosed"]


def gates_are_shut(rig):
    return all(rig[t] for t in ("Feeder.Sand1.Closed", "Feeder.Cement1.Closed", "Hopper.Waiting.GateClosed", "Weigher.Water.GateClosed"))


def test_the_watchdog_waits_its_time_and_forgives(rig):
    rig.play(1)
    rig.beating = False
    rig.play(1.8)
    assert rig["Station.LinkOk"]
    rig.play(0.4)
    assert not rig["Station.LinkOk"]
    rig.beating = True
    rig.play(0.2)
    assert rig["Station.LinkOk"]


@pytest.mark.parametrize("cause", ["silence", "cut"])
def test_a_lost_control_room_shuts_gates_and_door_and_leaves_the_mixer_turning(rig, cause):
    busy(rig)
    if cause == "silence":
        rig.beating = False
    else:
        rig.fault("control-link-lost", "Station")
    rig.play(6)
    assert gates_are_shut(rig) and rig["Mixer.DoorClosed"]
    assert rig["Mixer.Running"] and rig["Belt.Speed"] == 0
    held = rig.kg("Mixer")
    rig.play(20)
    assert rig.kg("Mixer") == held and rig["Mixer.Running"]


def test_a_standing_mixer_stays_standing_when_the_control_room_is_lost(rig):
    rig.play(1)
    rig.fault("control-link-lost", "Station")
    rig["Mixer.Run"] = 1
    rig.play(5)
    assert not rig["Mixer.Running"]


def test_the_emergency_stop_stops_all(rig):
    busy(rig)
    rig.fault("emergency-stop", "Station")
    rig.play(5)
    assert rig["Station.EStop"]
    assert gates_are_shut(rig) and rig["Mixer.DoorClosed"]
    assert not rig["Mixer.Running"] and rig["Mixer.Power"] == 0 and rig["Belt.Speed"] == 0
    before = rig.plant.state.ledger.stock.copy()
    rig.play(20)
    assert np.abs(rig.plant.state.ledger.stock - before)[:, :5].max() < 1e-9  # only the water tank still fills


def test_the_local_panel_runs_the_mixer_and_the_control_room_does_not(rig):
    rig.fault("local-selected", "Station")
    rig["Mixer.Run"], rig["Mixer.Door"] = 1, 100
    rig.play(5)
    assert not rig["Station.Remote"] and not rig["Mixer.Running"] and rig["Mixer.DoorClosed"]
    rig["Station.LocalRun"], rig["Station.LocalDoor"], rig["Mixer.Run"] = 1, 40, 0
    rig.play(5)
    assert rig["Mixer.Running"] and rig["Mixer.DoorPosition"] == pytest.approx(40)


def test_the_emergency_stop_goes_before_the_local_panel(rig):
    rig.fault("local-selected", "Station")
    rig["Station.LocalRun"] = 1
    rig.play(5)
    rig.fault("emergency-stop", "Station")
    rig.play(5)
    assert not rig["Mixer.Running"]


def test_a_lost_control_room_shuts_the_gates_on_local_too(rig):
    """The last command of a control room that is gone must not go on feeding for ever."""
    busy(rig)
    rig.fault("local-selected", "Station")
    rig.fault("control-link-lost", "Station")
    rig.play(6)
    assert not rig["Station.LinkOk"]
    assert gates_are_shut(rig)


def test_a_power_dip_stops_mixer_and_belt_and_they_come_back(rig):
    busy(rig)
    rig.fault("power-dip", "Station")
    rig.play(5)
    assert rig["Station.Supply"] == pytest.approx(0.5)
    assert not rig["Mixer.Running"] and rig["Belt.Speed"] == 0
    rig.fault("power-dip", "Station", 0.0)
    rig.play(5)
    assert rig["Mixer.Running"] and rig["Belt.Running"]


@pytest.mark.parametrize(("feeder", "weigher"), [("Cement1", "Cement"), ("Admixture", "Admixture")])
def test_a_power_dip_stops_screws_and_pumps(rig, feeder, weigher):
    rig[f"Feeder.{feeder}.Coarse"] = 1
    rig.play(3)
    rig.fault("power-dip", "Station")
    rig.play(3)
    before = rig.kg(f"Weigher.{weigher}")
    assert before > 0
    rig.play(5)
    assert rig.kg(f"Weigher.{weigher}") == pytest.approx(before, rel=1e-3)


def test_a_small_dip_is_ridden_through(rig):
    busy(rig)
    rig.fault("power-dip", "Station", 0.2)
    rig.play(5)
    assert rig["Mixer.Running"] and rig["Belt.Running"]


# --- the fault catalogue ------------------------------------------------------------------------------


class Case(NamedTuple):
    """One fault on one machine: the same play with and without it, one number to look at, and what must be true of the two."""

    machine: str
    play: Callable[[Any], None]
    look: Callable[[Any], float]
    holds: Callable[[float, float], bool]


def near(value, tolerance):
    return lambda healthy, faulty: abs(faulty - healthy - value) <= tolerance


def play(seconds, *on, put=None, **more):
    """Put material somewhere, switch tags on, let time pass. Tags in `more` are written with `__` for the dot."""

    def script(rig):
        for holder, kg in (put or {}).items():
            rig.put(holder, **kg)
        for tag in on:
            rig[tag] = 1
        for tag, value in more.items():
            rig[tag.replace("__", ".")] = value
        rig.play(seconds)

    return script


def tank_filling(rig, silo="Cement1", kg=900.0, seconds=20.0):
    rig.tanker(silo, kg, "cement")
    rig.play(seconds, coarse=True)


def overfilling(rig):
    rig.put("Silo.Cement1", cement=299_900 - rig.kg("Silo.Cement1"))
    rig["Silo.Cement1.FillOpen"] = 0
    tank_filling(rig, kg=2000, seconds=60)


def blinded_surge(rig):
    rig.fault("blinded-filter", "Silo.Cement1")
    tank_filling(rig, kg=90, seconds=12)


def hot(rig):
    rig.state.temperature_c[:] = 50
    rig.put("Mixer", **charge(2))
    rig["Mixer.Run"] = 1
    rig.play(2)


def spread(tag):
    def look(rig):
        seen = rig.watch(tag, 10)
        return max(seen) - min(seen)

    return look


def shows(tag):
    return lambda rig: float(rig[tag])


def holds_kg(holder):
    return lambda rig: rig.kg(holder)


def parked(rig):
    rig.park()
    rig.play(0.5)


on_to_off = lambda healthy, faulty: (healthy, faulty) == (1, 0)
off_to_on = lambda healthy, faulty: (healthy, faulty) == (0, 1)
freezes = lambda healthy, faulty: healthy > 0 and faulty == 0
blocks = lambda healthy, faulty: healthy > 100 and faulty == 0
SAND = play(4, "Feeder.Sand1.Coarse")

EXPECTED = {
    ("emergency-stop", "station"): Case("Station", play(5, "Mixer.Run"), shows("Mixer.Running"), on_to_off),
    ("local-selected", "station"): Case("Station", play(1), shows("Station.Remote"), on_to_off),
    ("control-link-lost", "station"): Case("Station", play(1), shows("Station.LinkOk"), on_to_off),
    ("power-dip", "station"): Case("Station", play(1), shows("Station.Supply"), near(-0.5, 1e-9)),
    ("blinded-filter", "silo"): Case("Silo.Cement1", tank_filling, shows("Silo.Cement1.Pressure"), lambda h, f: f == pytest.approx(7 * h) and h > 0.1),
    ("blown-filter-bag", "silo"): Case("Silo.Cement1", tank_filling, holds_kg("air"), lambda h, f: f == pytest.approx(h * 0.3 / 0.0014, rel=0.01) and h > 0),
    ("relief-valve-stuck", "silo"): Case("Silo.Cement1", blinded_surge, shows("Silo.Cement1.Pressure"), lambda h, f: h == pytest.approx(5) and f > 10),
    ("level-offset", "silo"): Case("Silo.Cement1", play(1), shows("Silo.Cement1.Level"), near(-20, 1e-6)),
    ("level-offset", "aggregate_bin"): Case("Bin.Sand1", play(1), shows("Bin.Sand1.Level"), near(40, 3)),
    ("level-offset", "tank"): Case("Tank.Slurry", play(1), shows("Tank.Slurry.Level"), near(20, 1e-6)),
    ("level-freeze", "silo"): Case("Silo.Cement1", play(1), spread("Silo.Cement1.Level"), freezes),
    ("level-freeze", "aggregate_bin"): Case("Bin.Sand1", play(1), spread("Bin.Sand1.Level"), freezes),
    ("overfull-silo", "silo"): Case("Silo.Cement1", overfilling, holds_kg("ground"), lambda h, f: h == 0 and f > 500),
    ("empty-bin", "aggregate_bin"): Case("Bin.Sand1", play(40, Bin__Sand1__Feed=1), holds_kg("Bin.Sand1"), lambda h, f: h > f + 3000 and f == 36_000),
    ("float-valve-stuck", "tank"): Case("Tank.Water", play(10), holds_kg("Tank.Water"), near(-150, 1e-6)),
    ("wrong-moisture", "moisture_probe"): Case("Probe.Sand1", play(1), shows("Probe.Sand1.Moisture"), near(2, 1e-6)),
    ("moisture-freeze", "moisture_probe"): Case("Probe.Sand1", play(1), spread("Probe.Sand1.Moisture"), freezes),
    ("stuck-gate", "feeder"): Case("Feeder.Sand1", SAND, dosed, blocks),
    ("leaking-gate", "feeder"): Case("Feeder.Sand1", play(10), dosed, lambda h, f: h == 0 and f == pytest.approx(0.01 * 150 * 10, rel=0.25)),
    ("arching", "feeder"): Case("Feeder.Sand1", SAND, dosed, blocks),
    ("closed-switch-lost", "feeder"): Case("Feeder.Sand1", play(1), shows("Feeder.Sand1.Closed"), on_to_off),
    ("sensor-offset", "weigher"): Case("Weigher.Sand1", play(1), shows("Weigher.Sand1.Gross"), near(20, 2)),
    ("sensor-drift", "weigher"): Case("Weigher.Sand1", play(300), shows("Weigher.Sand1.Gross"), near(10, 2)),
    ("sensor-freeze", "weigher"): Case("Weigher.Sand1", SAND, shows("Weigher.Sand1.Gross"), lambda h, f: h > 300 and abs(f) <= 6),
    ("sensor-spike", "weigher"): Case("Weigher.Sand1", play(1), spread("Weigher.Sand1.Gross"), lambda h, f: h < 20 and 80 < f < 125),
    ("sensor-broken", "weigher"): Case("Weigher.Sand1", play(1), shows("Weigher.Sand1.Gross"), lambda h, f: abs(h) < 10 and f == -600),
    ("stuck-discharge", "weigher"): Case("Weigher.Cement", play(5, "Weigher.Cement.Discharge", put={"Weigher.Cement": {"cement": 900}}),
                                         holds_kg("Mixer"), blocks),
    ("leaking-discharge", "weigher"): Case("Weigher.Cement", play(60, put={"Weigher.Cement": {"cement": 900}}),
                                           shows("Weigher.Cement.Gross"), near(-0.005 * 80 * 60, 2)),
    ("belt-slip", "conveyor"): Case("Belt", play(5, "Belt.Run"), shows("Belt.Speed"), near(-0.8, 1e-6)),
    ("motor-trip", "conveyor"): Case("Belt", play(5, "Belt.Run"), shows("Belt.Running"), on_to_off),
    ("speed-switch-lost", "conveyor"): Case("Belt", play(5, "Belt.Run"), lambda rig: rig["Belt.Running"] + 10 * rig["Belt.Speed"], near(-1, 1e-6)),
    ("stuck-hopper-gate", "hopper"): Case("Hopper.Waiting", play(3, "Hopper.Waiting.Open", put={"Hopper.Waiting": {"stone": 5000}}),
                                          holds_kg("Mixer"), blocks),
    ("leaking-hopper-gate", "hopper"): Case("Hopper.Waiting", play(90, put={"Hopper.Waiting": {"stone": 100}}), shows("Hopper.Waiting.Empty"), off_to_on),
    ("empty-probe-lost", "hopper"): Case("Hopper.Waiting", play(1), shows("Hopper.Waiting.Empty"), on_to_off),
    ("mixer-overload", "mixer"): Case("Mixer", play(7, "Mixer.Run", put={"Mixer": charge(3)}), shows("Mixer.Power"), lambda h, f: f == pytest.approx(2.2 * h)),
    ("stuck-door", "mixer"): Case("Mixer", play(4, Mixer__Door=100, put={"Mixer": charge(3)}), shows("Mixer.DoorPosition"),
                                  lambda h, f: h == pytest.approx(100) and f == 0),
    ("temperature-probe-dead", "mixer"): Case("Mixer", hot, shows("Mixer.Temperature"), lambda h, f: h == pytest.approx(50) and f == pytest.approx(20)),
    ("truck-light-lost", "bay"): Case("Bay", parked, shows("Bay.TruckPresent"), on_to_off),
}  # fmt: skip

CATALOGUE = [(name, kind) for name, places in faults().items() for kind, _ in places]


@pytest.mark.parametrize(("name", "kind"), CATALOGUE, ids=[f"{kind}-{name}" for name, kind in CATALOGUE])
def test_a_fault_does_what_it_says(new_rig, name, kind):
    case = EXPECTED[name, kind]
    seen = []
    for faulty in (False, True):
        rig = new_rig()
        rig.play(0.5)
        if faulty:
            rig.fault(name, case.machine)
        case.play(rig)
        seen.append(case.look(rig))
    assert case.holds(*seen), f"healthy {seen[0]:g}, faulty {seen[1]:g}"


SENSOR_FAULTS = [
    ("sensor-offset", "Weigher.Sand1", "Gross"),
    ("sensor-drift", "Weigher.Sand1", "Gross"),
    ("sensor-freeze", "Weigher.Sand1", "Gross"),
    ("sensor-spike", "Weigher.Sand1", "Gross"),
    ("sensor-broken", "Weigher.Sand1", "Gross"),
    ("level-offset", "Silo.Cement1", "Level"),
    ("level-freeze", "Bin.Sand1", "Level"),
    ("wrong-moisture", "Probe.Sand1", "Moisture"),
    ("moisture-freeze", "Probe.Sand1", "Moisture"),
    ("belt-slip", "Belt", "Speed"),
]


@pytest.mark.parametrize(("name", "machine", "tag"), SENSOR_FAULTS, ids=[f"{machine}-{name}" for name, machine, _ in SENSOR_FAULTS])
def test_when_a_fault_is_over_the_plant_shows_the_truth_again(new_rig, name, machine, tag):
    seen = []
    for faulty in (False, True):
        rig = new_rig()
        if faulty:
            rig.fault(name, machine)
        rig["Belt.Run"] = 1
        rig.play(300, coarse=True)
        if faulty:
            rig.fault(name, machine, 0.0)
        rig.play(3)
        seen.append(rig[f"{machine}.{tag}"])
    assert seen[0] == seen[1]


# --- as a whole ---------------------------------------------------------------------------------------


def test_one_line_does_not_move_the_other(new_rig):
    rig = new_rig(design="twin-hzs240", line="Line2")
    busy(rig)
    moved = rig.plant.state.ledger.moved
    ours = [i for (a, b), i in rig.plant.links.items() if "Line1" in a + b and a not in ("opening", "mains")]
    assert moved.sum() > 1000 and moved[ours].sum() == 0
    assert not rig.plant.image["Line1.Mixer.Running"] and not rig.plant.image["Line1.Station.LinkOk"]
    assert rig["Station.LinkOk"]


def test_the_same_seed_and_commands_give_the_same_bits_and_another_seed_others(new_rig):
    hashes = []
    for seed in (1, 1, 2):
        rig = new_rig(seed)
        busy(rig)
        hashes.append(rig.plant.hash())
    assert hashes[0] == hashes[1] != hashes[2]
