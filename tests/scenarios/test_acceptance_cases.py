"""The files of acceptance cases: one's own, and mistakes in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from control.reference import ReferenceController
from scenarios.acceptance.case import case_names, load_case
from scenarios.acceptance.judge import play_case
from twin.design.load import load_design
from twin.errors import BadInput, BatchtwinError
from twin.plant import Plant

# --- files ----------------------------------------------------------------------------------------------

GOOD = """\
name: mine
title: {en: Mine, zh: 我的}
answer: {en: Good, zh: 好}
scenario:
  design: hzs180
  starts: 2026-05-11 00:00:00
  lasts: 5min
  orders: [{site: Slab, grade: C30, volume_m3: 3, start: 60s}]
presses:
  - {tag: Line1.Station.Start, at: 1s}
strikes:
  - {fault: motor-trip, target: Line1.Belt, at: 100s, lasts: 5s}
checks:
  - check: never
    rule: {en: r, zh: 规}
    that: {Line1.Mixer.Tripped: on}
    after: fault:motor-trip
"""


def test_a_case_of_ones_own_on_a_design_of_ones_own(tmp_path: Path) -> None:
    design = load_design("hzs180").model_copy(update={"name": "mine"})
    (tmp_path / "plant.yaml").write_text(design.model_dump_json())
    (tmp_path / "mine.yaml").write_text(GOOD.replace("design: hzs180", "design: plant.yaml"))
    case = load_case(tmp_path / "mine.yaml")
    assert (case.name, case.scenario.name, case.design.name, case.scenario.title.zh) == ("mine", "mine", "mine", "我的")
    result = play_case(case, ReferenceController, tmp_path / "run")
    assert result.state == "failed" and "Line1.Mixer.Tripped on was never seen" in result.checks[0].en


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("Line1.Mixer.Tripped: on", "Line1.Mixer.Trippd: on", 16, "no tag 'Line1.Mixer.Trippd'"),
        ("Line1.Mixer.Tripped: on", "Line1.Station.State: asleep", 16, "Line1.Station.State cannot be 'asleep'; choose stopped, starting"),
        ("Line1.Mixer.Tripped: on", "Line1.Mixer.Power: on", 16, "Line1.Mixer.Power is not on or off; write a number"),
        ("after: fault:motor-trip", "after: fault:moter-trip", 17, "'moter-trip' is no fault of this case; did you mean 'motor-trip'?"),
        ("after: fault:motor-trip", "after: soon", 17, "not a moment; write an event"),
        ("after: fault:motor-trip", "until: alarm:Line1.Mixer.Run", 17, "'Line1.Mixer.Run' is no alarm tag"),
        ("check: never", "check: nevr", 14, "choose 'never', 'always'"),
        ("tag: Line1.Station.Start", "tag: Line1.Mixer.Run", 10, "Line1.Mixer.Run is a actuator; people press setpoints only"),
        ("tag: Line1.Station.Start", "tag: Line1.Station.Strt", 10, "no tag 'Line1.Station.Strt'; did you mean"),
        ("at: 1s", "wait: 1s", 10, "needs a time or a condition; give either 'at' or 'when'"),
        ("at: 1s", "at: 10min", 10, "lies before the start or after the end"),
        ("target: Line1.Belt", "target: Line1.Mixer", 12, "fault motor-trip does not apply to Line1.Mixer"),
        ("checks:\n", "changes: {fleet.truks: 3}\nchecks:\n", 13, "hzs180 has no figure 'fleet.truks'"),
        ("checks:\n", "changes: {fleet.trucks: -3}\nchecks:\n", 13, "fleet.trucks: Input should be greater than 0"),
        ("checks:\n", "checks:\n  - {check: lost}\n  - {check: lost}\n", 15, "the name lost stands twice"),
        ("grade: C30", "grade: C31", 8, "hzs180 has no recipe C31"),
        ("lasts: 5min", "lasts: 5min\n  fidelity: batch", 8, "batch fidelity plays the reference controller only"),
        ("design: hzs180", "design: hzs18", 5, "no design named 'hzs18'; did you mean 'hzs180'?"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_case_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(BadInput) as told:
        load_case(file)
    assert f"mine.yaml:{line}: " in str(told.value) and says in str(told.value)


def test_an_unknown_case_is_told_with_the_nearest() -> None:
    with pytest.raises(BatchtwinError, match="no case named 'interlock'; did you mean 'interlocks'?"):
        load_case("interlock")


def test_cases_are_told_in_both_languages_and_named_as_their_files() -> None:
    for name in case_names():
        case = load_case(name)
        assert case.name == name
        for text in (case.title, case.answer):
            assert text.en and re.search("[一-鿿]", text.zh)


def test_every_case_is_played_on_the_plant_that_is_served() -> None:
    """A served plant is reset to figures of its own kind only: its tags must stay as they are, or no case could be played over the wire."""
    served = Plant(load_design("hzs180")).table.tags
    assert [name for name in case_names() if Plant(load_case(name).design).table.tags != served] == []
