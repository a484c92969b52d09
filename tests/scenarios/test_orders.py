"""Times, orders, demand: from the words of a scenario to truckloads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scenarios.booking import planned_loads
from scenarios.durations import seconds
from scenarios.schema import load_scenario
from twin.design.load import load_design, packaged
from twin.errors import BatchtwinError

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
    got = planned_loads(scenario(orders=[order]), DESIGN)
    assert [m3 for _, m3 in got] == [6, 6, 6, 2] and {(o.site, o.grade, o.drive, o.pour) for o, _ in got} == {("Raft", "C30", 1200, 720)}


def test_a_whole_number_of_trucks_leaves_no_empty_load(scenario: Callable[..., Any]) -> None:
    order = {"site": "Raft", "grade": "C30", "volume_m3": 0.1 * 3 * 60, "start": "06:00"}
    assert [m3 for _, m3 in planned_loads(scenario(orders=[order]), DESIGN)] == pytest.approx([6, 6, 6])


def test_loads_of_several_orders_stand_by_their_time(scenario: Callable[..., Any]) -> None:
    starts = [o.start for o, _ in planned_loads(scenario(), DESIGN)]
    assert starts == sorted(starts) and len(starts) == 10 + 5 + 6


def test_demand_is_drawn_from_the_seed_alone(scenario: Callable[..., Any]) -> None:
    demand = {"annual_m3": 200_000, "grades": {"C30": 1}}
    one, two, other = (planned_loads(scenario(orders=[], lasts="10d", demand=demand, seed=s), DESIGN) for s in (4, 4, 5))
    assert one == two != other


@pytest.mark.parametrize("name", sorted(packaged("scenarios.packaged")))
def test_packaged_scenarios_are_free_of_mistakes(name: str) -> None:
    scenario, design = load_scenario(name)
    assert scenario.name == name and scenario.title.zh and planned_loads(scenario, design)


def test_the_packaged_year_asks_for_more_than_half_a_million() -> None:
    scenario, design = load_scenario("plant-year")
    assert sum(m3 for _, m3 in planned_loads(scenario, design)) > 500_000


@pytest.mark.parametrize(("at", "told"), [("[900, 3]", "orders.0.at.0: 900 is out of range"), ("{x: 3}", "orders.0.at: ")])
def test_a_place_of_neither_form_is_told_without_the_forms(tmp_path: Path, at: str, told: str) -> None:
    """A site is a name or a pair of km; the mistake is told in words of the file."""
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: s\ntitle: {en: S, zh: S}\ndesign: hzs180\nstarts: 2026-06-01 06:30:00\nlasts: 2h\nseed: 3\n"
        f"orders: [{{site: Deck, grade: C30, volume_m3: 9, start: '06:45', at: {at}}}]\n"
    )
    with pytest.raises(BatchtwinError) as caught:
        load_scenario(path)
    assert f"s.yaml:7: {told}" in str(caught.value) and "validator" not in str(caught.value) and "function-" not in str(caught.value)
