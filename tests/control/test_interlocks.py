"""What must never happen, watched scan by scan through disturbances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

MACHINES = (
    "Belt.Running",
    "Mixer.Running",
    "Mixer.DoorClosed",
    "Hopper.Discharge.Empty",
    "Hopper.Discharge.GateClosed",
    "Bay.TruckPresent",
    "Bay.Truck",
)


class Watch:
    """Checks every command against what the sensors showed the controller at the scan in which it gave it."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.belt = [w for w, d in desk.design.weighers.items() if d.to == "belt"]
        self.mixer = [w for w, d in desk.design.weighers.items() if d.to == "mixer"]
        self.shown = self.sensors()
        self.stage = desk.stage

    def sensors(self) -> dict[str, Any]:
        return {m: self.desk[m] for m in MACHINES}

    def look(self) -> None:
        desk, shown = self.desk, self.shown
        on = lambda weighers: [w for w in weighers if desk[f"Weigher.{w}.Discharge"]]
        assert shown["Belt.Running"] or not on(self.belt), "discharged onto a standing belt"
        into_mixer = on(self.mixer) + ["aggregate"] * desk["Hopper.Waiting.Open"]
        assert shown["Mixer.Running"] or not into_mixer, "discharged into a standing mixer"
        assert shown["Mixer.DoorClosed"] or not into_mixer, "discharged into a mixer with its door open"
        if desk.stage == "discharging" and self.stage != "discharging":
            assert shown["Hopper.Discharge.Empty"] and shown["Hopper.Discharge.GateClosed"], "mixer discharged on a full hopper"
        if desk["Hopper.Discharge.Open"]:
            assert shown["Bay.TruckPresent"] and shown["Bay.Truck"] == desk["Bay.ForTruck"], "concrete let out without its truck"
        assert desk.kg("Hopper.Waiting") <= 3 * 1980, "two batches in the waiting hopper"
        assert desk.kg("Mixer") <= 3 * 2500 and desk.kg("Hopper.Discharge") <= 3 * 2500, "two batches in one vessel"
        assert desk.kg("ground") == 0, "spilled"
        assert desk["Mixer.Door"] == 0 or desk.stage == "discharging", "door commanded open at another stage"
        self.stage, self.shown = desk.stage, self.sensors()


@pytest.fixture
def watch(desk: Any) -> Watch:
    """The line with a truck and a load of three batches under way, being watched."""
    desk.park()
    desk.order(9)
    return Watch(desk)


def until(watch: Watch, wanted: Callable[[], bool], at_most_s: float) -> None:
    def look() -> bool:
        watch.look()
        return wanted()

    watch.desk.until(look, at_most_s)


def during(watch: Watch, seconds: float) -> None:
    for _ in watch.desk.scans(seconds):
        watch.look()


def finish(watch: Watch, batches: int = 3) -> None:
    """The load is completed, with all its mass in the truck."""
    desk = watch.desk
    until(watch, lambda: desk["Bay.Done"] >= desk.orders, 600)
    assert desk.kg("Truck1") == pytest.approx(batches * 3 * sum(desk.plant.design.recipe("C30").kg_m3.values()), rel=0.015)


def test_nothing_goes_onto_a_standing_belt(watch: Watch) -> None:
    desk = watch.desk
    until(watch, lambda: desk["Weigher.Stone2.Discharge"], 60)
    during(watch, 8)
    desk.fault("motor-trip", "Belt")
    during(watch, 3)
    left = desk.kg("Weigher.Stone2")
    assert left > 300
    during(watch, 60)
    assert desk.kg("Weigher.Stone2") == left
    desk.clear("motor-trip", "Belt")
    finish(watch)


def test_a_belt_that_slips_badly_gets_nothing_and_a_little_slip_is_borne(watch: Watch) -> None:
    desk = watch.desk
    until(watch, lambda: desk["Weigher.Stone2.Discharge"], 60)
    desk.fault("belt-slip", "Belt", 0.4)
    during(watch, 40)
    assert not desk["Belt.Running"] and desk.kg("Weigher.Stone2") > 1000
    desk.fault("belt-slip", "Belt", 0.12)
    finish(watch)


def test_nothing_goes_into_a_standing_mixer(watch: Watch) -> None:
    desk = watch.desk
    until(watch, lambda: desk["Hopper.Waiting.Open"], 120)
    during(watch, 3)
    desk.fault("power-dip", "Station", 0.6)
    during(watch, 5)
    assert not desk["Mixer.Running"] and not desk["Hopper.Waiting.Open"]
    mass = desk.kg("Mixer")
    during(watch, 13)
    assert desk.kg("Mixer") == mass
    desk.clear("power-dip", "Station")
    finish(watch)


@pytest.mark.parametrize(("after_s", "lasts_s"), [(0.5, 2.0), (4.5, 3.0), (6.0, 20.0), (9.0, 3.0)])
def test_a_mixer_that_stands_while_it_discharges_is_emptied_before_it_is_charged(watch: Watch, after_s: float, lasts_s: float) -> None:
    desk = watch.desk
    until(watch, lambda: desk.stage == "discharging", 200)
    during(watch, after_s)
    desk.fault("power-dip", "Station", 0.6)
    during(watch, lasts_s)
    assert not desk["Mixer.Running"] and desk.stage == "discharging"
    desk.clear("power-dip", "Station")
    finish(watch)


@pytest.mark.parametrize("fault", ["emergency-stop", "local-selected"])
def test_a_batch_whose_discharge_is_interrupted_is_one_batch(watch: Watch, fault: str) -> None:
    desk = watch.desk
    until(watch, lambda: desk.stage == "discharging" and desk.kg("Mixer") < 4000, 200)
    desk.fault(fault, "Station")
    during(watch, 5)
    assert desk["Mixer.DoorClosed"] and desk.kg("Mixer") > 1000
    desk.clear(fault, "Station")
    desk.write("Station.Start", 1)
    finish(watch)
    assert desk.sim.outcome("complete")["batches"] == 3


def test_the_belt_waits_for_the_waiting_hopper_to_be_shut(watch: Watch) -> None:
    desk = watch.desk
    until(watch, lambda: desk["Hopper.Waiting.Open"], 120)
    during(watch, 4)
    desk.fault("stuck-hopper-gate", "Hopper.Waiting")
    during(watch, 100)
    assert desk["Station.GateFailure"] and desk.kg("Hopper.Waiting") < 50 and desk.kg("Belt") > 2000 and not desk["Belt.Running"]
    desk.clear("stuck-hopper-gate", "Hopper.Waiting")
    finish(watch)


def test_nothing_goes_into_a_mixer_whose_door_does_not_shut(watch: Watch) -> None:
    desk = watch.desk
    until(watch, lambda: desk.stage == "discharging" and desk["Mixer.DoorPosition"] > 99, 200)
    desk.fault("stuck-door", "Mixer")
    during(watch, 200)
    assert desk["Station.GateFailure"] and desk.kg("Mixer") < 100 and desk.stage == "closing"
    desk.clear("stuck-door", "Mixer")
    during(watch, 10)
    assert not desk["Station.GateFailure"]
    finish(watch)


def test_charging_stops_when_somebody_opens_the_door_at_the_local_panel(watch: Watch) -> None:
    desk = watch.desk
    until(watch, lambda: desk["Hopper.Waiting.Open"], 120)
    during(watch, 2)
    desk.write("Station.LocalRun", 1)
    desk.fault("local-selected", "Station")
    desk.write("Station.LocalDoor", 60)
    during(watch, 30)
    assert desk.kg("Hopper.Waiting") > 500


def test_without_a_truck_the_concrete_waits_and_batches_never_meet(desk: Any) -> None:
    desk.order(12)
    watch = Watch(desk)
    during(watch, 600)
    assert desk.stage == "mixed" and desk.kg("Hopper.Discharge") > 7000 and desk.kg("Mixer") > 7000 and desk.kg("Hopper.Waiting") > 5000
    assert desk["Bay.Done"] == 0
    desk.park()
    finish(watch, 4)


def test_another_truck_gets_nothing(desk: Any) -> None:
    desk.park(2)
    desk.order(3, truck=1)
    watch = Watch(desk)
    during(watch, 300)
    assert desk.kg("Truck2") == 0 and desk.kg("Hopper.Discharge") > 7000
    desk.leave()
    during(watch, 30)
    desk.park(1)
    finish(watch, 1)


def test_a_truck_that_is_not_seen_gets_nothing_and_loading_stops_when_it_leaves(watch: Watch) -> None:
    desk = watch.desk
    until(watch, lambda: desk["Hopper.Discharge.Open"] and desk.kg("Truck1") > 500, 200)
    desk.fault("truck-light-lost", "Bay")
    during(watch, 2)
    got = desk.kg("Truck1")
    during(watch, 60)
    assert desk.kg("Truck1") == got and not desk["Hopper.Discharge.Open"]
    desk.clear("truck-light-lost", "Bay")
    finish(watch)


def test_the_mixer_waits_for_the_discharge_hopper_to_be_empty_and_shut(watch: Watch) -> None:
    desk = watch.desk
    until(watch, lambda: desk.kg("Truck1") > 500, 250)
    desk.fault("stuck-hopper-gate", "Hopper.Discharge")  # stuck open: the second batch may not follow
    until(watch, lambda: desk.stage == "mixed", 200)
    during(watch, 60)
    assert desk.stage == "mixed" and desk["Mixer.DoorClosed"] and not desk["Hopper.Discharge.GateClosed"]
    desk.clear("stuck-hopper-gate", "Hopper.Discharge")
    finish(watch)
