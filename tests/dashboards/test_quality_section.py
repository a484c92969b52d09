"""The chapter on quality control: figures are those of the tables, and what is not due is not foretold."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dashboards.facts import Facts
from dashboards.pieces import Flag, Grid, Section, Table, Text, script_json
from dashboards.sections import quality as chapter
from scenarios.quality import DAY_S, Laboratory
from scenarios.run import open_run
from scenarios.store import RunWriter
from twin.design.load import load_design
from twin.ledger import SPECIES

KG = (330.0, 60.0, 0.0, 800.0, 1050.0, 170.0, 6.0, 0.0)


def record(folder: Path, days: int, span_d: float, water: float = 1.0, site_mm: float | None = 170.0, grade: str = "C30") -> Facts:
    """A run of two loads a day, written as a run writes its tables."""
    batches, tickets = [], []
    for i in range(2 * days):
        left_s = DAY_S * (i // 2) + 20_000.0 + 9000.0 * (i % 2)
        masses = {f"{s}_kg": 3 * kg * (water if s == "water" else 1.0) for s, kg in zip(SPECIES, KG, strict=True)}
        batch = {
            "line": "Line1",
            "number": i + 1,
            "time_s": left_s - 60,
            "volume_m3": 3.0,
            "slump_mm": 180.0,
            "temperature_c": 20.0,
            "age_s": 90.0,
        }
        batches.append(batch | masses)
        tickets.append({"ticket": i + 1, "order": "Raft", "grade": grade, "line": "Line1", "batch_from": i + 1, "batch_to": i + 1, "volume_m3": 3.0,
                        "left_s": left_s, "arrived_s": left_s + 1200, "poured_s": left_s + 2400, "slump_site_mm": site_mm})  # fmt: skip
    design = load_design("hzs180")
    lab = Laboratory(design, 3)
    samples = lab.take(pa.Table.from_pylist(batches), pa.Table.from_pylist(tickets), everything=True)
    info = {"design": design.model_dump(mode="json"), "scenario": {"name": "s", "starts": "2026-05-11 00:00:00"}, "seed": 3}
    writer = RunWriter(folder, info)
    writer.append("samples", samples)
    writer.append("cubes", lab.test(span_d * DAY_S))
    writer.close("complete", {"sim_seconds": span_d * DAY_S})
    return Facts(open_run(folder))


def tables(section: Section) -> dict[str, Table]:
    return {item.title.en: item for item in section.items if isinstance(item, Table)}


def texts(item: Any) -> list[Text]:
    """Every text of the chapter."""
    if isinstance(item, Text):
        return [item]
    if isinstance(item, Flag):
        return texts(item.value)
    if isinstance(item, dict):
        return [t for v in item.values() for t in texts(v)]
    if isinstance(item, (list, tuple)):
        return [t for v in item for t in texts(v)]
    return [t for name in getattr(item, "__dataclass_fields__", ()) for t in texts(getattr(item, name))]


def plain(cell: Any) -> Any:
    return plain(cell.value) if isinstance(cell, Flag) else getattr(cell, "en", cell)


def test_a_run_without_samples_says_so(tmp_path: Path) -> None:
    section = chapter.section(empty(tmp_path / "run"))
    assert [item.style for item in section.items] == ["nothing"]


def empty(folder: Path) -> Facts:
    RunWriter(folder, {"design": {}, "scenario": {}}).close("complete", {"sim_seconds": 10.0})
    return Facts(open_run(folder))


def test_a_day_has_samples_and_no_strength_yet(tmp_path: Path) -> None:
    facts = record(tmp_path / "run", 1, 1.0)
    section = chapter.section(facts)
    assert set(tables(section)) == {"Sampling", "Slump"}
    waiting = next(i.text for i in section.items if getattr(i, "style", "") == "nothing")
    assert "2 sets are still curing for the 28-day test (2 also for the 7-day test)" in waiting.en and "28.2 days" in waiting.en
    assert "2 组" in waiting.zh and "第 28.2 天" in waiting.zh
    assert "MPa" not in " ".join(t.en for item in section.items for t in texts(item) if item is not section.items[-1])


def test_seven_days_later_there_is_one_age(tmp_path: Path) -> None:
    section = chapter.section(record(tmp_path / "run", 1, 8.0))
    assert {plain(row[2]) for row in tables(section)["Cubes"].rows} == {"7"}
    assert "Acceptance by GB/T 50107-2010" not in tables(section)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return record(tmp_path_factory.mktemp("long") / "run", 120, 150.0)


def test_acceptance_of_two_periods(long: Facts) -> None:
    rows = tables(chapter.section(long))["Acceptance by GB/T 50107-2010"].rows
    found = [[plain(c) for c in row] for row in rows if plain(row[0]).startswith("plant")]
    assert [(r[2], r[3], r[4], r[5]) for r in found] == [
        ("1", "statistics, σ unknown (5.1.3)", "1", "90"),
        ("2", "statistics, σ known (5.1.2)", "10", "30"),
    ]
    assert all(r[9] == "accepted" and r[10].startswith("mean ≥ fcu,k") for r in found)
    cubes = long.run.df("cubes")
    first = cubes[(cubes.inspection == "plant") & (cubes.age_d == 28) & (cubes.taken_s < 90 * DAY_S)]
    assert found[0][7].split(" / ")[0] == f"{first.value_mpa.mean():.1f}" and found[0][8].split(" / ")[0] == f"{first.value_mpa.min():.1f}"


def test_weak_concrete_is_not_accepted_and_why_is_said(tmp_path: Path) -> None:
    section = chapter.section(record(tmp_path / "run", 12, 45.0, water=1.45))
    row = tables(section)["Acceptance by GB/T 50107-2010"].rows[0]
    assert isinstance(row[9], Flag) and plain(row[9]) == "1 of 1 not accepted" and plain(row[10]).startswith("mean < fcu,k + 1.15 s")
    shown = {name.en: value for name, value, _ in section.items[0].items}
    assert plain(shown["Lots not accepted"]) == "2" and shown["Lots not accepted"].level == "bad"


def test_slump_beyond_its_tolerance_is_marked(tmp_path: Path) -> None:
    rows = {plain(r[0])[:4]: r for r in tables(chapter.section(record(tmp_path / "a", 30, 31.0, site_mm=100.0)))["Slump"].rows}
    assert plain(rows["site"][8]) == "30" and isinstance(rows["site"][8], Flag) and rows["site"][9] == "0.0 %"
    assert rows["site"][3] == "180 ± 30" and float(rows["plan"][9].split()[0]) > 90
    none = {plain(r[0])[:4]: r for r in tables(chapter.section(record(tmp_path / "b", 3, 4.0, site_mm=None)))["Slump"].rows}
    assert none["site"][2] == "0" and none["site"][9] == "–"


def test_sampling_counts_what_the_tables_hold(long: Facts) -> None:
    rows = tables(chapter.section(long))["Sampling"].rows
    assert [plain(c) for c in rows[0]] == ["plant (exit)", "C30", "120", "240", "720.0", "2", "6.0"]


def test_control_charts_mark_what_the_rules_find(long: Facts) -> None:
    section = chapter.section(long)
    grids = [i for i in section.items if isinstance(i, Grid)]
    assert [g.title.en for g in grids] == ["28-day strength of the sets, control charts", "Slump, control charts"]
    names = [c.name for c in section.charts()]
    assert len(names) == len(set(names)) == 4
    for c in section.charts():
        single, ranges = c.figure["data"]
        assert len(single["x"]) == len(single["marker"]["color"]) == 120 and len(ranges["x"]) == 119
        assert len(c.figure["layout"]["shapes"]) == 4
        assert (chapter.charts.BAD in single["marker"]["color"]) or not re.search("side|rising|beyond", c.what.en.split(":")[1])
        assert script_json(c.figure)


@pytest.mark.parametrize(
    "make", [lambda p: record(p, 1, 1.0), lambda p: record(p, 40, 70.0, water=1.2), lambda p: record(p, 2, 40.0, grade="X99")]
)
def test_both_languages_say_something(tmp_path: Path, make: Callable[[Path], Facts]) -> None:
    section = chapter.section(make(tmp_path / "run"))
    for text in (t for item in section.items for t in texts(item)):
        assert text.en and text.zh and "{" not in text.en + text.zh
        if text.en != text.zh:
            assert re.search("[\u4e00-\u9fff]", text.zh), text
            assert not re.search("[\u4e00-\u9fff]", text.en), text
    assert section.items[-1].style == "recalled" and "unverified" in section.items[-1].text.en
