"""How the line meets faults of its machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twin.ledger import book, move, total_kg


def until_dosing(desk: Any, weigher: str, m3: float = 3) -> int:
    desk.park()
    number: int = desk.order(m3)
    desk.until(lambda: desk.kg(f"Weigher.{weigher}") > 0.15 * desk[f"Weigher.{weigher}.Target"] > 0, 40)
    return number


# --- flow ---------------------------------------------------------------------------------------------


def test_the_flow_aid_frees_what_has_bridged(desk: Any) -> None:
    number = until_dosing(desk, "Sand1")
    desk.record("Feeder.Sand1")["arched"] = 1.0
    needed = desk.until(lambda: desk["Feeder.Sand1.FlowAid"], 10)
    assert 2.5 < needed < 6
    desk.until(lambda: desk.record("Feeder.Sand1")["arched"] == 0, 5)
    desk.until(lambda: not desk["Feeder.Sand1.FlowAid"], 5)
    assert not desk["Weigher.Sand1.NoFlow"]
    desk.done(number)


def test_no_flow_is_told_and_dosing_goes_on_when_it_flows_again(desk: Any) -> None:
    number = until_dosing(desk, "Sand1")
    desk.fault("arching", "Feeder.Sand1")
    assert desk.until(lambda: desk["Weigher.Sand1.NoFlow"], 15) > 7.5
    desk.play(60)
    assert desk["Weigher.Sand1.NoFlow"] and desk["Weigher.Sand1.Records"] == 0
    desk.clear("arching", "Feeder.Sand1")
    desk.done(number)
    assert not desk["Weigher.Sand1.NoFlow"] and desk.kg("Truck1") == pytest.approx(3 * 2368.56, rel=0.02)


def test_an_arched_silo_is_left_for_the_other_of_the_same_material(desk: Any) -> None:
    names = desk.plant.names["feeder"]
    before = desk.kg("Silo.Cement2")
    number = until_dosing(desk, "Cement")
    assert names[desk["Weigher.Cement.Feeder"] - 1] == "Line1.Feeder.Cement1"
    desk.fault("arching", "Feeder.Cement1")
    switched = desk.until(lambda: names[desk["Weigher.Cement.Feeder"] - 1] == "Line1.Feeder.Cement2", 40)
    assert 19 < switched < 25 and not desk["Feeder.Cement1.Coarse"] and not desk["Feeder.Cement1.Fine"]
    desk.done(number)
    assert before - desk.kg("Silo.Cement2") > 300
    assert desk.plant.state.ledger.stock[desk.plant.holder("Truck1")][0] == pytest.approx(3 * 227.65, rel=0.02)


def test_a_gate_stuck_shut_stops_nothing_else_and_is_told(desk: Any) -> None:
    desk.fault("stuck-gate", "Feeder.Stone2")
    desk.play(1)
    desk.park()
    number = desk.order(3)
    desk.until(lambda: desk["Weigher.Stone2.NoFlow"], 30)
    desk.play(30)
    assert desk.kg("Weigher.Stone2") == 0 and desk.shows("Weigher.Cement.Phase") == "weighed"
    desk.clear("stuck-gate", "Feeder.Stone2")
    desk.done(number)


def test_a_gate_stuck_open_ends_as_over_tolerance_not_as_concrete(desk: Any) -> None:
    until_dosing(desk, "Stone1")
    desk.fault("stuck-gate", "Feeder.Stone1")
    desk.play(15)
    desk.clear("stuck-gate", "Feeder.Stone1")
    desk.until(lambda: desk["Weigher.Stone1.OverTolerance"], 60)
    desk.play(120)
    assert desk.shows("Weigher.Stone1.Phase") == "held" and desk.kg("Belt") == 0
    assert desk.kg("Weigher.Stone1") + desk.kg("ground") > 1.2 * desk["Weigher.Stone1.Target"]


def test_an_empty_bin_waits_for_material(desk: Any) -> None:
    desk.fault("empty-bin", "Bin.Sand2")
    held = desk.kg("Bin.Sand2")
    move(desk.plant.state.ledger, desk.plant.link("Line1.Bin.Sand2", "ground"), held - 300)
    desk.park()
    number = desk.order(3)
    desk.until(lambda: desk["Weigher.Sand2.NoFlow"], 90)
    desk.play(60)
    assert desk["Weigher.Sand2.Records"] == 0 and desk.kg("Truck1") == 0
    desk.clear("empty-bin", "Bin.Sand2")
    desk.done(number)
    assert desk.kg("Truck1") == pytest.approx(3 * 2368.56, rel=0.02)


# --- scales -------------------------------------------------------------------------------------------


def test_a_cut_load_cell_cable_stops_the_feeder_at_once(desk: Any) -> None:
    number = until_dosing(desk, "Cement")
    desk.fault("sensor-broken", "Weigher.Cement")
    desk.play(0.3)
    assert desk["Weigher.Cement.ScaleFailure"] and not desk["Feeder.Cement1.Coarse"] and not desk["Feeder.Cement1.Fine"]
    desk.play(3)
    left = desk.kg("Weigher.Cement")
    desk.play(60)
    assert desk.kg("Weigher.Cement") == left and desk["Weigher.Cement.Records"] == 0
    desk.clear("sensor-broken", "Weigher.Cement")
    desk.done(number)
    assert not desk["Weigher.Cement.ScaleFailure"]
    assert desk.plant.state.ledger.stock[desk.plant.holder("Truck1")][0] == pytest.approx(3 * 227.65, rel=0.02)


def test_a_frozen_reading_is_told_as_no_flow(desk: Any) -> None:
    until_dosing(desk, "Cement")
    desk.fault("sensor-freeze", "Weigher.Cement")
    desk.until(lambda: desk["Weigher.Cement.NoFlow"], 12)
    desk.clear("sensor-freeze", "Weigher.Cement")
    desk.until(lambda: desk.shows("Weigher.Cement.Phase") == "held" or desk["Weigher.Cement.Records"] == 1, 60)


def test_a_frozen_reading_does_not_feed_without_end(desk: Any) -> None:
    until_dosing(desk, "Water")
    desk.fault("sensor-freeze", "Weigher.Water")
    desk.play(180)
    assert desk.kg("ground") == 0


@pytest.mark.parametrize(("weigher", "kg_min"), [("Cement", 2.0), ("Cement", -2.0), ("Stone2", 6.0), ("Water", -1.0)])
def test_a_drifting_scale_does_not_stall_the_line(desk: Any, weigher: str, kg_min: float) -> None:
    desk.fault("sensor-drift", f"Weigher.{weigher}", kg_min)
    desk.park()
    for _ in range(4):
        number = desk.order(6)
        desk.done(number, 900)
    assert desk.kg("Truck1") == pytest.approx(24 * 2368.56, rel=0.03)


def test_scales_that_drift_or_leak_are_named_as_the_cause(kept: Any) -> None:
    desk, read = kept
    desk.fault("sensor-offset", "Weigher.Slurry", 10)
    desk.fault("sensor-drift", "Weigher.Cement", 40)
    desk.fault("leaking-gate", "Feeder.Stone1", 0.01)
    desk.feeder_memory("Stone1")["inflight_kg"] = -60.0
    desk.park()
    number = desk.order(6)
    for _ in desk.scans(900):
        if desk["Bay.Done"] == number:
            break
        over = any(desk[f"Weigher.{w}.OverTolerance"] for w in desk.design.weighers)
        desk.write("Station.Confirm", float(over and not desk["Station.Confirm"]))
    assert desk["Bay.Done"] == number
    rows = read().df("weighings")
    outside = rows[rows.outside]
    cause = outside.groupby(outside.weigher.astype(str)).cause.agg(lambda c: set(c.astype(str)))
    assert cause["Line1.Weigher.Cement"] == {"faulty scale"} and cause["Line1.Weigher.Stone1"] == {"faulty feeder"}
    assert set(cause.index) <= {"Line1.Weigher.Cement", "Line1.Weigher.Stone1", "Line1.Weigher.Slurry"}
    assert (rows[~rows.outside].cause.astype(str) == "").all()


# --- silos --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blind_sensor", [False, True])
def test_a_silo_is_not_overfilled(desk: Any, blind_sensor: bool) -> None:
    ledger, silo = desk.plant.state.ledger, desk.plant.holder("Line1.Silo.Cement1")
    if blind_sensor:
        desk.fault("level-offset", "Silo.Cement1", -20)
    book(ledger, desk.plant.link("suppliers", "Line1.Silo.Cement1.Tanker"), 0, 60_000.0)
    desk.record("Silo.Cement1")["connected"] = 1.0
    desk.until(lambda: desk["Silo.Cement1.Filling"] and desk["Silo.Cement1.FillOpen"], 5)
    desk.until(lambda: not desk["Silo.Cement1.FillOpen"], 4000)
    desk.play(120)
    assert 0.85 * 300_000 < total_kg(ledger, silo) < 0.925 * 300_000 and desk["Silo.Cement1.High"]
    assert desk.kg("ground") == 0 and desk.kg("Silo.Cement1.Tanker") > 20_000


def test_faults_of_both_kinds_of_screw_end_with_closed_books(new_desk: Callable[..., Any]) -> None:
    desk = new_desk(seed=5)
    desk.fault("leaking-gate", "Feeder.Cement1", 0.1)
    desk.fault("closed-switch-lost", "Feeder.Slag")
    desk.park()
    number = desk.order(6)
    desk.done(number, 900)
    assert desk["Weigher.Additions.Records"] == 4
