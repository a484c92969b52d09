"""What the laboratory tests at the start of each shift, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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
    rows = day.df("inspections")
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
