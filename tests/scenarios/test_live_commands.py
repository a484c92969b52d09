"""What is done to a run from outside while it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scenarios.run import open_run
from scenarios.simulation import Simulation
from twin.errors import BatchtwinError


@pytest.fixture(params=["scan", "batch"])
def live(request: pytest.FixtureRequest, scenario: Callable[..., Any]) -> Simulation:
    """Five minutes into a morning."""
    sim = Simulation(scenario(), fidelity=request.param, seed=2)
    sim.advance(300)
    return sim


def test_a_fault_befalls_at_the_next_scan(live: Simulation) -> None:
    live.inject("power-dip", "Line1.Station", 0.4)
    live.advance(1)
    assert live.image["Line1.Station.Supply"] == pytest.approx(0.6)


def test_a_fault_lasts_as_long_as_asked(live: Simulation) -> None:
    live.inject("power-dip", "Line1.Station", 0.2, duration_s=5)
    live.advance(4)
    assert live.image["Line1.Station.Supply"] == pytest.approx(0.8)
    live.advance(3)
    assert live.image["Line1.Station.Supply"] == 1


def test_a_fault_grows_to_its_severity(live: Simulation) -> None:
    live.inject("power-dip", "Line1.Station", 0.2, onset_s=20)
    live.advance(11)
    assert 0.87 < live.image["Line1.Station.Supply"] < 0.93
    live.advance(10)
    assert live.image["Line1.Station.Supply"] == pytest.approx(0.8)


def test_a_fault_is_at_once_also_in_one_long_advance(scenario: Callable[..., Any], tmp_path: Any) -> None:
    with Simulation(scenario(), seed=2, out=tmp_path / "run", until_s=700) as sim:
        sim.advance(301)
        sim.inject("power-dip", "Line1.Station", 0.2, duration_s=5)
        sim.advance(399)
    events = open_run(tmp_path / "run").df("events")
    assert events[events.kind == "fault"].time_s.tolist() == [pytest.approx(301, abs=0.15)]
    assert events[events.kind == "fault-end"].time_s.tolist() == [pytest.approx(306, abs=0.15)]


def test_clearing_ends_a_fault(live: Simulation) -> None:
    live.inject("power-dip", "Line1.Station", 0.2)
    live.advance(10)
    live.clear("power-dip", "Line1.Station")
    live.advance(1)
    assert live.image["Line1.Station.Supply"] == 1


def test_a_write_takes_effect_and_is_logged(scenario: Callable[..., Any], tmp_path: Any) -> None:
    with Simulation(scenario(), out=tmp_path / "run", until_s=60) as sim:
        sim.advance(30)
        sim.write("Line1.Station.Hold", 1, by="someone")
        sim.advance(1)
        assert sim.image["Line1.Station.Hold"] and sim.image["Line1.Station.State"] == 4
        sim.advance(29)
    rows = open_run(tmp_path / "run").sql("SELECT time_s, name, value, text FROM events WHERE kind = 'command'").to_pylist()
    assert rows == [{"time_s": 30.0, "name": "Line1.Station.Hold", "value": 1.0, "text": "write someone"}]


@pytest.mark.parametrize(
    ("name", "code"), [("Line1.Mixer.Power", "E302"), ("Line1.Mixer.RatedVolume", "E302"), ("Line1.Mixer.Rum", "E301")]
)
def test_what_nobody_may_write_is_refused_at_once(live: Simulation, name: str, code: str) -> None:
    with pytest.raises(BatchtwinError) as refused:
        live.write(name, 1)
    assert refused.value.code == code


@pytest.mark.parametrize(("args", "code"), [(("power-dop", "Line1.Station"), "E102"), (("power-dip", "Line1.Mixer"), "E303"), (("power-dip", "Line9.Station"), "E102"),
                                            (("power-dip", "Line1.Station", 2.0), "E401")])  # fmt: skip
def test_a_fault_that_cannot_be_is_refused_at_once(live: Simulation, args: tuple[Any, ...], code: str) -> None:
    with pytest.raises(BatchtwinError) as refused:
        live.inject(*args)
    assert refused.value.code == code


def test_values_that_are_no_numbers_are_held_back_and_counted(scenario: Callable[..., Any]) -> None:
    sim = Simulation(scenario(), until_s=60)
    sim.advance(10)
    sim.write("Line1.Bin.Stone1.LabMoisture", float("nan"))
    sim.write("Line1.Bin.Stone2.LabMoisture", 99)
    sim.advance(1)
    assert sim.image["Line1.Bin.Stone1.LabMoisture"] == pytest.approx(0.8) and sim.image["Line1.Bin.Stone2.LabMoisture"] == 25
    assert sim.close()["bad_writes"] == 2


def test_batch_fidelity_plays_the_reference_controller_only(scenario: Callable[..., Any]) -> None:
    with pytest.raises(BatchtwinError, match="scan"):
        Simulation(scenario(), fidelity="batch", controller=None)


@pytest.mark.parametrize("until_s", [0, -1, 401 * 86400])
def test_a_run_lasts_more_than_nothing_and_at_most_400_days(scenario: Callable[..., Any], until_s: float) -> None:
    with pytest.raises(BatchtwinError, match="400 days"):
        Simulation(scenario(), until_s=until_s)
