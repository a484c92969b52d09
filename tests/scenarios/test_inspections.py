"""What the laboratory tests at the start of each shift, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scenarios.judging.measures.materials import deliveries_untested
from scenarios.judging.measures.quality import shifts_uninspected
from scenarios.judging.subject import Subject

KINDS = ["mixed_aggregate", "recycled_sand", "recycled_stone", "slurry_water"]


@pytest.fixture(scope="module")
def day(play: Callable[..., Any]) -> Any:
    """A working day on the benchmark plant into its second shift, whose slurry meter drifts before that."""
    drift = {"fault": "density-meter-drift", "target": "Line1.Tank.Slurry", "at": "12:00", "severity": -6}
    from scenarios.schema import Scenario, load_scenario

    plan, _ = load_scenario("working-day", "benchmark-180")
    plan = Scenario.model_validate(plan.model_dump(mode="json") | {"faults": [drift]})
    return play(plan, design="benchmark-180", fidelity="batch", until_s=14 * 3600)


def test_each_shift_tests_each_kind_before_its_third_hour(day: Any) -> None:
    rows = day.df("inspections").query("kind in @KINDS")
    assert sorted(rows["shift"].unique()) == [0, 1]
    for _, of in rows.groupby("shift"):
        assert sorted(of.kind.unique()) == KINDS
        assert (of.time_s - of.sampled_s).between(0, 2 * 3600).all()
    assert float(shifts_uninspected(Subject(day.run), KINDS).value) == 0


def test_two_testers_make_two_tests_at_a_time(day: Any) -> None:
    rows = day.df("inspections")
    tests = rows[(rows["shift"] == 0) & (rows.result != "nothing there")].sort_values("time_s")
    took = (tests.time_s - tests.sampled_s) / 60
    assert len(took) >= 2 and took.min() > 15
    for k, minutes in enumerate(took):  # the k-th result comes in the round of its pair
        assert minutes < 40 * (k // 2 + 1) * 2


def test_a_meter_that_drifts_is_found_and_its_slurry_not_released(day: Any) -> None:
    slurry = day.df("inspections").query("kind == 'slurry_water'").set_index("shift")
    assert slurry.result.to_dict() == {0: "pass", 1: "fail"}
    assert slurry.released_by[0] == "head of laboratory" and slurry.released_by.isna()[1]
    assert slurry.shown_percent[1] < slurry.value_percent[1] - 3
    told = day.df("events").query("kind == 'laboratory'")
    assert list(told.name) == ["Line1.Tank.Slurry"]


def test_a_laboratory_of_which_nothing_is_known_has_no_ledger(play: Callable[..., Any]) -> None:
    assert "inspections" not in play("working-day", fidelity="batch", until_s=600).run.tables


@pytest.fixture(scope="module")
def dirty(play: Callable[..., Any]) -> Any:
    """Three working days of a plant whose sand is often dirtier than JGJ 52 allows."""
    from scenarios.schema import Scenario, load_scenario
    from twin.design.load import load_design

    design = load_design("benchmark-180")
    muddy = {
        name: m.model_copy(update={"mud": 0.029, "mud_sd": 0.006}) if m.species == "sand" else m for name, m in design.materials.items()
    }
    plan, _ = load_scenario("plant-year", "benchmark-180")
    plan = Scenario.model_validate(plan.model_dump(mode="json") | {"design": "benchmark-180", "lasts": "3d"})
    return play(plan, design=design.model_copy(update={"materials": muddy}), fidelity="batch")


def test_aggregate_waits_at_the_gate_for_the_test_of_its_lot_and_goes_home_when_it_fails(dirty: Any) -> None:
    tests = dirty.df("inspections").query("kind == 'incoming_sand'")
    assert {"pass", "fail"} == set(tests.result)
    assert ((tests.value_percent <= tests.limit_percent) == (tests.result == "pass")).all() and (tests.limit_percent == 3.0).all()
    lots = dirty.df("lots").query("supplier not in ['opening stock', 'separator'] and store.str.contains('Sand')")
    for store, of in tests.groupby("source"):
        came = lots[lots.store == store]
        passed, failed = of[of.result == "pass"], of[of.result == "fail"]
        assert came.arrived_s.isin(passed.time_s).any() and not came.arrived_s.isin(failed.time_s).any()
    assert lots.mud.between(0.0, 0.06).all() and lots.mud.std() > 0.002
    assert float(deliveries_untested(Subject(dirty.run)).value) == 0


def test_fines_of_the_sand_are_in_the_concrete_and_nothing_is_lost(dirty: Any) -> None:
    batches = dirty.df("batches")
    late = batches[batches.time_s > 2 * 86400]
    assert (late.fines_kg / late.sand_kg).mean() > 0.01
    assert dirty.outcome["ledger_residual"] < 1e-9


def test_deliveries_beyond_the_mass_of_a_lot_are_found(dirty: Any) -> None:
    narrow = Subject(dirty.run)
    narrow.design["premises"]["laboratory"]["lot_t"] = 33.0 * 1.5
    assert float(deliveries_untested(narrow).value) > 0
