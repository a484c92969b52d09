"""Manual, semi-automatic, automatic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

RECIPE = {"Sand1": 1500.0, "Sand2": 1000.0, "Stone1": 1090.0, "Stone2": 2030.0, "Cement1": 680.0, "FlyAsh": 180.0, "Slag": 150.0, "Water": 420.0,
          "Slurry": 36.0, "Admixture": 20.0}  # fmt: skip


class Person:
    """Somebody who drives every machine by hand, from what the sensors show. Nobody else may touch what was written last."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.wrote: dict[str, float] = {}

    def give(self, tag: str, value: float) -> None:
        self.desk.write(tag, value)
        self.desk.play(0.1)
        self.wrote[tag] = value
        self.look()

    def wait(self, wanted: Callable[[], bool], at_most_s: float) -> None:
        def look() -> bool:
            self.look()
            return wanted()

        self.desk.until(look, at_most_s)

    def look(self) -> None:
        assert {t: float(self.desk[t]) for t in self.wrote} == self.wrote

    def dose(self, feeder: str, kg: float) -> float:
        """Coarse, fine, settle. Returns what came by the ledger."""
        desk = self.desk
        machine = desk.plant.table.machine(f"{desk.line}.Feeder.{feeder}")
        weigher = machine.feeds.removeprefix(f"{desk.line}.")
        gross, before = f"{weigher}.Gross", desk.kg(weigher)
        start, rate = desk[gross], desk[f"Feeder.{feeder}.RatedFlow"]
        self.give(f"Feeder.{feeder}.Coarse", 1)
        self.wait(lambda: desk[gross] - start > max(kg - 1.5 * rate, 0.3 * kg), 90)
        self.give(f"Feeder.{feeder}.Coarse", 0)
        self.give(f"Feeder.{feeder}.Fine", 1)
        self.wait(lambda: desk[gross] - start > kg - rate * desk[f"Feeder.{feeder}.FineShare"], 90)
        self.give(f"Feeder.{feeder}.Fine", 0)
        self.wait(lambda: desk[f"Feeder.{feeder}.Closed"], 10)
        desk.play(2)
        return desk.kg(weigher) - before

    def empty(self, weigher: str) -> None:
        desk = self.desk
        self.give(f"Weigher.{weigher}.Discharge", 1)
        self.wait(lambda: desk[f"Weigher.{weigher}.Gross"] < 0.004 * desk[f"Weigher.{weigher}.Capacity"], 90)
        self.give(f"Weigher.{weigher}.Discharge", 0)

    def batch(self) -> dict[str, float]:
        """One whole batch into the truck that stands at the bay. Returns the masses dosed."""
        desk = self.desk
        self.give("Mixer.Run", 1)
        self.wait(lambda: desk["Mixer.Running"], 10)
        self.give("Belt.Run", 1)
        self.wait(lambda: desk["Belt.Running"], 10)
        dosed = {feeder: self.dose(feeder, kg) for feeder, kg in RECIPE.items()}
        for name, w in desk.design.weighers.items():
            if w.to == "belt":
                self.empty(name)
        desk.play(desk["Belt.Travel"] + 5)
        self.give("Hopper.Waiting.Open", 1)
        self.wait(lambda: desk["Hopper.Waiting.Empty"], 60)
        self.give("Hopper.Waiting.Open", 0)
        for name, w in desk.design.weighers.items():
            if w.to == "mixer":
                self.empty(name)
        desk.play(30)
        self.give("Mixer.Door", 100)
        idle = desk.plant.design.lines[desk.line].mixer.power_kw * 0.17
        self.wait(lambda: desk["Mixer.Power"] < idle, 60)
        self.give("Mixer.Door", 0)
        self.wait(lambda: desk["Mixer.DoorClosed"], 10)
        self.give("Hopper.Discharge.Open", 1)
        self.wait(lambda: desk["Hopper.Discharge.Empty"], 60)
        self.give("Hopper.Discharge.Open", 0)
        return dosed


@pytest.mark.parametrize("started", [True, False])
def test_a_person_makes_a_whole_batch_by_hand(new_desk: Callable[..., Any], started: bool) -> None:
    desk = new_desk(start=started)
    desk.write("Station.Mode", 0)
    desk.park(3)
    desk.play(1)
    dosed = Person(desk).batch()
    for feeder, kg in dosed.items():
        assert kg == pytest.approx(RECIPE[feeder], rel=0.1, abs=1)
    left = sum(desk.kg(h) for h in ("Mixer", "Belt", "Hopper.Waiting", "Hopper.Discharge", *(f"Weigher.{w}" for w in desk.design.weighers)))
    assert desk.kg("Truck3") == pytest.approx(sum(dosed.values()) - left, abs=1e-6)
    assert left < 300 and desk.kg("ground") == 0
    assert desk["Bay.Done"] == 0 and not desk.sim.alarms


def test_turning_to_manual_stops_the_program_and_ends_its_load(desk: Any) -> None:
    desk.park()
    number = desk.order(6)
    desk.until(lambda: desk.shows("Weigher.Cement.Phase") == "coarse", 20)
    desk.play(5)
    desk.write("Station.Mode", 0)
    desk.play(0.2)
    assert desk["Bay.Done"] == number
    for feeder in desk.plant.names["feeder"]:
        assert not desk.sim.image[f"{feeder}.Coarse"] and not desk.sim.image[f"{feeder}.Fine"]
    desk.play(3)
    held = {w: desk.kg(f"Weigher.{w}") for w in desk.design.weighers}
    desk.play(60)
    assert {w: desk.kg(f"Weigher.{w}") for w in desk.design.weighers} == held and held["Cement"] > 50


def test_after_a_batch_by_hand_the_program_makes_the_next_order(desk: Any) -> None:
    desk.write("Station.Mode", 0)
    desk.park(1)
    desk.play(1)
    Person(desk).batch()
    by_hand = desk.kg("Truck1")
    desk.write("Station.Mode", 2)
    desk.play(1)
    number = desk.order(3)
    desk.done(number)
    assert desk.kg("Truck1") - by_hand == pytest.approx(3 * sum(desk.plant.design.recipe("C30").kg_m3.values()), rel=0.02)


def test_a_load_that_was_taken_by_hand_is_not_made_again(desk: Any) -> None:
    desk.write("Station.Mode", 0)
    desk.park()
    desk.play(1)
    number = desk.order(3)
    for tag in ("Bay.Accepted", "Bay.Done"):  # as the panel does for a load made by hand
        desk.write(tag, number)
        desk.play(1)
    desk.write("Station.Mode", 2)
    desk.play(60)
    assert weighing(desk) == {"idle"} and desk.kg("Truck1") == 0
    again = desk.order(3)
    desk.done(again)


def weighing(desk: Any) -> set[str]:
    return {desk.shows(f"Weigher.{w}.Phase") for w in desk.design.weighers}


def frees(desk: Any, reached: Callable[[], bool], at_most_s: float) -> None:
    """One confirmation leads to the next step, and no further however long one waits."""
    desk.play(60)
    assert not reached()
    desk.press("Station.Confirm")
    desk.until(reached, at_most_s)


def test_semi_automatic_does_one_step_for_each_confirmation(desk: Any) -> None:
    desk.write("Station.Mode", 1)
    desk.park()
    number = desk.order(3)
    frees(desk, lambda: weighing(desk) == {"weighed"}, 90)
    frees(desk, lambda: desk.kg("Hopper.Waiting") > 5000, 90)
    frees(desk, lambda: desk.stage == "mixed", 90)
    frees(desk, lambda: desk["Bay.Done"] == number, 120)
    desk.play(60)
    assert desk.kg("Truck1") > 7000


def test_semi_automatic_begins_nothing_by_itself(desk: Any) -> None:
    desk.write("Station.Mode", 1)
    desk.park()
    desk.order(3)
    for _ in desk.scans(200):
        assert weighing(desk) == {"idle"}
    assert desk.kg("Truck1") == 0


def test_a_confirmation_given_in_automatic_frees_no_step_later(desk: Any) -> None:
    desk.press("Station.Confirm")
    desk.play(1)
    desk.write("Station.Mode", 1)
    desk.park()
    desk.order(3)
    desk.play(60)
    assert weighing(desk) == {"idle"}


def test_accepting_a_weighing_frees_no_step(desk: Any) -> None:
    desk.feeder_memory("Stone1")["inflight_kg"] = -192.0
    desk.write("Station.Mode", 1)
    desk.park()
    desk.order(3)
    desk.play(1)
    desk.press("Station.Confirm")
    desk.until(lambda: desk["Weigher.Stone1.OverTolerance"], 60)
    desk.play(30)
    desk.press("Station.Confirm")
    desk.play(60)
    assert weighing(desk) == {"weighed"} and desk.kg("Belt") == 0
