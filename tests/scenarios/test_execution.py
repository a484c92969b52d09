"""A schedule of the Concrete Delivery Problem played through the plant: what it costs that the world is no table of minutes."""

from __future__ import annotations

import pytest

from control.dispatch import solve
from scenarios import cdp
from scenarios.cdp import Customer, Instance, Truck, Visit
from scenarios.execution import LARGEST_M3, as_plant, execute
from twin.design.schema import mistakes

PLACES = {"v0": (0, 0), "v1": (0, 0), "s0": (2, 0), "s1": (40, 0), "c0": (2, 12), "c1": (40, 15)}
TRUCKS = [Truck("k0", 20, 20), Truck("k1", 10, 10)]


def instance(closes_min: int, lag_min: int = 60) -> Instance:
    customers = [Customer("c0", 30, 60, closes_min), Customer("c1", 20, 120, closes_min)]
    return Instance("made", lag_min, TRUCKS, customers, ["s0", "s1"], PLACES)


EASY = [Visit("k0", "s0", "c0", 50, 62, 20), Visit("k1", "s0", "c0", 72, 84, 10), Visit("k0", "s1", "c1", 150, 166, 20)]


def test_the_plant_of_an_instance_is_sound() -> None:
    design = as_plant(instance(300))
    assert not list(mistakes(design)) and list(design.lines) == ["Line1", "Line2"]
    assert [design.fleet.capacity_of(n) for n in (1, 2)] == [LARGEST_M3, LARGEST_M3 / 2]


def test_a_schedule_with_time_to_spare_is_delivered_as_planned() -> None:
    asked = instance(400)
    assert not cdp.check(asked, EASY)
    done = execute(asked, EASY)
    assert done.planned_m3 == pytest.approx(50 * LARGEST_M3 / 20)
    assert done.played_m3 == pytest.approx(done.planned_m3) and done.played_in_time_m3 == pytest.approx(done.planned_m3)
    assert done.replanned_in_time_m3 == pytest.approx(done.planned_m3) and done.played_breaks == 0
    assert done == execute(asked, EASY), "the same day gives the same bits"


def test_a_schedule_on_the_minute_is_not_delivered_in_time() -> None:
    asked = instance(100, lag_min=5)
    schedule = cdp.visits(asked, solve(cdp.problem(asked), seed=1, steps=300).plan)
    tight = [Visit("k1", "s0", "c0", 48, 60, 10), Visit("k0", "s0", "c0", 58, 70, 20)]
    assert not cdp.check(asked, tight) and {v.customer for v in schedule} == {"c0"}
    late = instance(90, lag_min=5)
    assert not cdp.check(late, tight)
    done = execute(late, tight)
    assert done.played_m3 == pytest.approx(done.planned_m3)  # it comes all the same,
    assert done.played_in_time_m3 < done.planned_m3  # but loading, gate and traffic were not in the table
