"""Drills and their score: every packaged one fits its plant, and the score follows what was done."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.alarms import AlarmBook
from scenarios.run import open_run
from scenarios.scoring import RULES, Score, score
from scenarios.simulation import Simulation
from scenarios.training import CATEGORIES, DRILLS, drills, load_drill
from twin.design.load import packaged
from twin.errors import BadInput, BatchtwinError

Trainee = Callable[[Simulation, AlarmBook], None]


def played(name: str, folder: Path, trainee: Trainee, until_s: float | None = None) -> Score:
    """Play a drill with somebody who looks at it every five simulated seconds."""
    drill, design = load_drill(name)
    sim = Simulation(drill.play, design, operator=False, until_s=until_s, out=folder)
    book = AlarmBook(sim, lambda _: None)
    sim.write("Line1.Station.Start", 1)
    while sim.tick < sim.end_tick:
        sim.advance(5)
        trainee(sim, book)
    sim.close("complete")
    return score(open_run(folder), drill)


def idle(sim: Simulation, book: AlarmBook) -> None:
    """Has started the line and does nothing more."""


def acknowledges(sim: Simulation, book: AlarmBook) -> None:
    """Sees every alarm."""
    for alarm in book:
        if not alarm.acked:
            book.acknowledge(alarm.tag.name, "Ann")


def careful(sim: Simulation, book: AlarmBook) -> None:
    """Starts again once the cause is gone."""
    acknowledges(sim, book)
    if sim.image["Line1.Station.Safe"] and not sim.image["Line1.Station.EStop"] and not sim.wished:
        sim.write("Line1.Station.Start", 1)


def hasty(sim: Simulation, book: AlarmBook) -> None:
    """Presses start as soon as the line stands."""
    if sim.image["Line1.Station.Safe"] and sim.tick % 3000 == 0:
        sim.write("Line1.Station.Start", 1)


def points(result: Score, rule: str) -> float:
    """Share of its points that a rule gave."""
    mark = next(m for m in result.marks if m.rule == rule)
    return mark.points / mark.most


@pytest.mark.parametrize("name", packaged(DRILLS))
def test_every_packaged_drill_fits_its_plant_and_speaks_both_languages(name: str) -> None:
    drill, design = load_drill(name)
    assert drill.name == name and design.name == "hzs180"  # they are played on the plant that is served by default
    for text in (drill.title, drill.aim, drill.answer):
        assert re.search("[一-鿿]", text.zh) and not re.search("[一-鿿]", text.en) and len(text.en) > 4
    assert sum(drill.goals.points.values()) == 100


def test_there_are_drills_from_a_quiet_shift_to_a_storm() -> None:
    found = drills()
    assert len(found) >= 12 and {"quiet-shift", "storm"} <= set(found)
    assert [d.level for d in found.values()] == sorted(d.level for d in found.values())
    storm = {f.fault for f in found["storm"].play.faults}
    assert {"agitator-trip", "blown-filter-bag"} <= storm and found["storm"].play.weather.rain


def test_a_mistake_in_a_drill_is_told_with_its_line(tmp_path: Path) -> None:
    text = packaged(DRILLS)["burst-bag"].read_text(encoding="utf-8")
    file = tmp_path / "burst-bag.yaml"
    file.write_text(text.replace("blown-filter-bag", "blown-filter-bags").replace("level: 2", "level: 9"), encoding="utf-8")
    with pytest.raises(BadInput, match=r"burst-bag\.yaml:2: level"):
        load_drill(file)
    file.write_text(text.replace("blown-filter-bag", "blown-filter-bags"), encoding="utf-8")
    with pytest.raises(BadInput, match="play.faults.0"):
        load_drill(file)
    file.write_text(text.replace("safety: 20", "safety: 21"), encoding="utf-8")
    with pytest.raises(BadInput, match="make 100"):
        load_drill(file)
    with pytest.raises(BatchtwinError, match="burst-bag"):
        load_drill("burst-bagg")


def test_the_careful_beat_the_hasty_and_both_beat_who_does_nothing(tmp_path: Path) -> None:
    good, bad, none = (played("emergency-stop", tmp_path / t.__name__, t) for t in (careful, hasty, idle))
    assert good.points > 95 and good.points > bad.points + 20 and bad.points > none.points
    assert points(good, "started-into-danger") == 1 and points(bad, "started-into-danger") == 0
    assert points(good, "acknowledged") == 1 and points(bad, "acknowledged") == 0
    assert points(none, "standstill") < 0.5 and points(none, "volume") < 0.7
    assert "of" in next(m.en for m in bad.marks if m.rule == "started-into-danger")


def test_a_plant_that_stands_is_worth_nothing(tmp_path: Path) -> None:
    drill, design = load_drill("quiet-shift")
    Simulation(drill.play, design, operator=False, out=tmp_path / "run").run()
    result = score(open_run(tmp_path / "run"), drill)
    assert result.points == 0 and len(result.marks) == len(RULES)
    assert all(re.search("[一-鿿]", m.zh) and m.en for m in result.marks)


def test_a_burst_bag_costs_less_when_nothing_is_charged_into_it(tmp_path: Path) -> None:
    def holds(sim: Simulation, book: AlarmBook) -> None:
        acknowledges(sim, book)
        broken = bool(sim.image["Line1.Collector.Mixer.BagBroken"])
        index = sim.plant.table.index("Line1.Collector.Mixer.FanRun")
        if broken and index not in sim.switches and not sim.wished:
            sim.switch("Line1.Collector.Mixer.FanRun", 0, "Ann")
            sim.write("Line1.Station.Hold", 1)
        if 720 <= sim.tick / 100 < 725:  # mended
            sim.switch("Line1.Collector.Mixer.FanRun", None, "Ann")
            sim.write("Line1.Station.Hold", 0)

    held, left = played("burst-bag", tmp_path / "held", holds), played("burst-bag", tmp_path / "left", idle)
    assert points(held, "stacks") > points(left, "stacks") + 0.3
    assert held.points > left.points + 10


def test_categories_add_up(tmp_path: Path) -> None:
    result = played("quiet-shift", tmp_path / "run", acknowledges, until_s=600)
    by = result.by_category()
    assert list(by) == list(CATEGORIES) and sum(most for _, most in by.values()) == pytest.approx(100)
    assert sum(got for got, _ in by.values()) == pytest.approx(result.points, abs=0.5)


def test_an_order_made_by_the_program_does_not_count_as_a_batch_by_hand(tmp_path: Path) -> None:
    assert played("batch-by-hand", tmp_path / "run", acknowledges, until_s=900).points == 0
