"""Times, orders, demand: from the words of a scenario to truckloads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from scenarios.schema import load_scenario, loads, seconds
from twin.design.load import load_design, packaged

DESIGN = load_design("hzs180")


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("10min", 600), ("1.5h", 5400), ("365d", 31_536_000), ("07:30", 27_000), ("25:00", 90_000), ("0:05", 300),
                                             (" 2 h ", 7200), (12, 12), (0.5, 0.5), (".5h", 1800)])  # fmt: skip
def test_times_that_can_be_read(text: object, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "soon", "10", "-5min", "7:75", "1.2.3h", "nan", "infs", "5 minutes", "7:3x", None, True, "1e3s", "h"])
def test_times_that_cannot(text: object) -> None:
    with pytest.raises(ValueError, match="not a time"):
        seconds(text)


def test_an_order_becomes_loads_of_a_truck_and_a_rest(scenario: Callable[..., Any]) -> None:
    order = {"site": "Raft", "grade": "C30", "volume_m3": 20, "start": "06:30", "every": "10min", "drive": "20min", "pour": "12min"}
    got = loads(scenario(orders=[order]), DESIGN)
    assert [x.volume_m3 for x in got] == [6, 6, 6, 2]
    assert [x.due_tick for x in got] == [180_000, 240_000, 300_000, 360_000]
    assert {(x.order, x.grade, x.drive_s, x.pour_s) for x in got} == {("Raft", "C30", 1200, 720)}


def test_a_whole_number_of_trucks_leaves_no_empty_load(scenario: Callable[..., Any]) -> None:
    order = {"site": "Raft", "grade": "C30", "volume_m3": 0.1 * 3 * 60, "start": "06:00"}
    assert [x.volume_m3 for x in loads(scenario(orders=[order]), DESIGN)] == pytest.approx([6, 6, 6])


def test_loads_of_several_orders_stand_by_their_time(scenario: Callable[..., Any]) -> None:
    due = [x.due_tick for x in loads(scenario(), DESIGN)]
    assert due == sorted(due) and len(due) == 10 + 5 + 6


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_demand_adds_up_to_a_year(scenario: Callable[..., Any], seed: int) -> None:
    year = scenario(
        orders=[], lasts="365d", starts=datetime(2026, 1, 1), seed=seed, demand={"annual_m3": 520_000, "grades": {"C30": 0.7, "C50": 0.3}}
    )
    got = loads(year, DESIGN)
    assert sum(x.volume_m3 for x in got) == pytest.approx(520_000, rel=0.03)
    assert np.mean([x.grade == "C50" for x in got]) == pytest.approx(0.3, abs=0.01)
    days = [(year.starts + timedelta(seconds=x.due_tick / 100)) for x in got]
    count = np.zeros(7)
    for d in days:
        count[d.weekday()] += 1
    assert count[6] / count[:6].mean() == pytest.approx(0.6, abs=0.06)
    summer, winter = (sum(d.month in months for d in days) for months in ((6, 7, 8), (12, 1, 2)))
    assert 1.25 < summer / winter < 1.6
    assert all(6 <= d.hour < 22 for d in days)


def test_demand_is_drawn_from_the_seed_alone(scenario: Callable[..., Any]) -> None:
    demand = {"annual_m3": 200_000, "grades": {"C30": 1}}
    one, two, other = (loads(scenario(orders=[], lasts="10d", demand=demand, seed=s), DESIGN) for s in (4, 4, 5))
    assert one == two != other


def test_a_part_of_a_day_gets_its_part_of_the_demand(scenario: Callable[..., Any]) -> None:
    demand = {"annual_m3": 520_000, "grades": {"C30": 1}, "opens": "05:00", "closes": "21:00"}
    whole, part = (
        loads(scenario(orders=[], starts=datetime(2026, 5, 11, h), lasts=f"{n}h", demand=demand), DESIGN) for h, n in ((0, 24), (13, 8))
    )
    assert len(part) == pytest.approx(len(whole) / 2, rel=0.2) and all(0 <= x.due_tick < 8 * 360_000 for x in part)


@pytest.mark.parametrize("name", sorted(packaged("scenarios.packaged")))
def test_packaged_scenarios_are_free_of_mistakes(name: str) -> None:
    scenario, design = load_scenario(name)
    assert scenario.name == name and scenario.title.zh and loads(scenario, design)


def test_the_packaged_year_asks_for_more_than_half_a_million() -> None:
    scenario, design = load_scenario("plant-year")
    assert sum(x.volume_m3 for x in loads(scenario, design)) > 500_000
