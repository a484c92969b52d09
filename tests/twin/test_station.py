"""What the station lets through: watchdog, emergency stop, local panel, supply."""

from __future__ import annotations

import numpy as np
import pytest
from machines import busy

# --- station: watchdog, emergency stop, local panel, supply ------------------------------------------


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
