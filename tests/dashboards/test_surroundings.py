"""The chapters on water and on air and noise: their figures are those of the tables, in both languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboards.facts import Facts, quoted
from dashboards.report import write_report
from dashboards.sections import air, alarms, exceedances, materials, water
from scenarios.run import open_run
from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.plant import Plant


@pytest.fixture(scope="module", params=["benchmark-180", "open-yard-180"])
def run(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("run") / request.param
    Simulation("storm-day", request.param, fidelity="batch", out=folder).run()
    return open_run(folder)


def test_the_water_chapter_says_what_left_as_the_ledger_does(run: Any) -> None:
    facts = Facts(run)
    rows = run.df("ledger")
    left = rows[(rows.target == "discharge") & (rows.species == "water")].kg.sum() / 1000
    shown = water.figures(facts).items[0][1]
    text = getattr(shown, "value", shown)
    assert float(text.removesuffix(" m³").replace(",", "")) == pytest.approx(left, abs=0.06)
    assert (getattr(shown, "level", "") == "bad") == (left > 0)
    table = water.outfalls(facts)
    if left > 0:
        total = sum(float(row[1].value.replace(",", "")) for row in table.rows)
        assert total == pytest.approx(left, abs=0.05)
    else:
        assert table.kind == "note"


def test_every_species_closes_also_where_binder_was_washed_out(run: Any) -> None:
    for row in materials.closure(Facts(run)).rows:
        assert float(getattr(row[-1], "value", row[-1])) < 1e-9, row[0].en


def test_the_share_that_was_kept_is_of_all_solids_and_loses_none(run: Any) -> None:
    """Of drums, wheels and what lay there, less cake, sweepings and discharge: never below nothing, with no hand to help it."""
    rows = run.df("ledger")
    rows = rows[~rows.species.isin(["water", "admixture"])]
    drums = rows[rows.source.str.startswith("Truck") & rows.target.isin(["Water.Separator", "discharge"])].kg.sum()
    other = rows[rows.source.isin(["Trucks.Dirt", "opening"]) & rows.target.str.startswith("Water.")].kg.sum()
    left = rows[rows.target.isin(["discharge", "tip"])].kg.sum()
    shown = water.waste(Facts(run)).rows[-1][1]
    assert float(shown.rstrip(" %")) == pytest.approx(100 * (1 - left / (drums + other)), abs=0.06) and 0 <= left <= drums + other


def test_a_leak_is_counted_and_named(tmp_path: Path) -> None:
    with Simulation("working-day", fidelity="batch", until_s=1800, out=tmp_path / "run") as sim:
        sim.inject("leaking-basin", "Water.Basin.Slurry", 5.0)
        sim.run()
    facts = Facts(open_run(tmp_path / "run"))
    name, value, remark = water.figures(facts).items[0]
    assert name.en == "Left the site" and value.level == "bad" and "of it leaked" in remark.en and "渗漏" in remark.zh
    assert [row[0].en for row in water.outfalls(facts).rows] == ["Water.Basin.Slurry.Leak"]


@pytest.mark.parametrize("design", ["benchmark-180", "open-yard-180"])
def test_every_alarm_is_explained_in_the_words_of_its_own_machine(design: str) -> None:
    tags = [t for t in Plant(load_design(design)).table if t.alarm]
    assert len({t.name.rsplit(".", 1)[-1] for t in tags}) < len(tags)  # machines share names of alarms
    for t in tags:
        said = alarms.meaning("alarm", t.name, t.en)
        assert (said.en, said.zh) == (t.en, t.zh)
    assert "weir" in alarms.meaning("alarm", "Water.Basin.Clear.Overflowing", "water runs over the weir").en


def test_the_balance_has_no_circle_and_loses_nothing(run: Any) -> None:
    facts = Facts(run)
    figure = water.balance(facts).figure["data"][0]
    labels, link = figure["node"]["label"], figure["link"]
    after: dict[int, set[int]] = {}
    for a, b in zip(link["source"], link["target"], strict=True):
        after.setdefault(a, set()).add(b)

    def reaches(start: int, goal: int, seen: set[int]) -> bool:
        return any(n == goal or (n not in seen and reaches(n, goal, seen | {n})) for n in after.get(start, ()))

    assert not any(reaches(i, i, {i}) for i in range(len(labels)))
    assert min(link["value"]) > 0


def test_the_air_chapter_counts_what_was_given_off(run: Any) -> None:
    facts = Facts(run)
    shown = air.section(facts).items[0].items[0][1]
    assert float(shown.removesuffix(" kg").replace(",", "")) == pytest.approx(run.df("emissions").tsp_kg.sum(), abs=0.006)
    noise = run.df("boundary")
    assert (
        noise.laeq_db.between(20, 110).all()
        and (noise.lmax_db >= noise.lmax_often_db).all()
        and (noise.lmax_often_db >= noise.laeq_db - 1e-9).all()
    )
    assert (noise.tsp_ug_m3 >= 99.999).all()  # never below what comes in


def test_an_old_plant_is_dustier_than_a_benchmark_plant(tmp_path: Path) -> None:
    dust = {}
    for design in ("benchmark-180", "open-yard-180"):
        Simulation("working-day", design, fidelity="batch", until_s=4 * 3600, out=tmp_path / design).run()
        dust[design] = open_run(tmp_path / design).df("emissions").tsp_kg.sum()
    assert dust["open-yard-180"] > 10 * dust["benchmark-180"]


def test_the_report_has_both_in_both_languages_and_needs_no_network(run: Any, tmp_path: Path) -> None:
    html = write_report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    for text in ("Water and waste", "水与废弃物", "Air and noise", "大气与噪声", "Limits", "限值"):
        assert text in html
    kinds = set(run.df("events").query("kind == 'alarm'").name.str.rsplit(".", n=1).str[-1])
    over = bool(kinds & set(exceedances.WHAT))
    assert ("Exceedances" in html) is over and ("No station was over a limit." in html) is not over
    assert 'src="http' not in html and "cdn" not in html.split("<script", 1)[0]


def test_the_air_chapter_says_what_is_unverified(run: Any) -> None:
    items = air.section(Facts(run)).items
    note = items[-1]
    assert note.style == "recalled"
    for figure in (
        "dust.hood_capture",
        "ambient.pm10_ug_m3",
        "sound_db.mixer",
        "sprays" if "benchmark" in run.info["design"]["name"] else "dust.truck_t",
    ):
        assert figure in note.text.en and figure in note.text.zh
    assert "sound_db.loader" not in note.text.en and "dust.yard_enclosure" not in note.text.en  # found; given by the design


def test_an_exceedance_is_told_with_its_own_quantity_limit_and_what_was_done(tmp_path: Path) -> None:
    sim = Simulation("working-day", "open-yard-180", fidelity="batch", until_s=3 * 3600, out=tmp_path / "r")
    sim.plant.state.ambient[:] = 400.0, 200.0, 80.0
    sim.run()
    facts = Facts(open_run(tmp_path / "r"))
    table = exceedances.ledger(facts, air.Design.model_validate(facts.design).site)
    rows = [r for r in table.rows if r[1] == exceedances.WHAT["Pm10High"]]
    assert len(rows) == 4 and rows[0][5] == "150.0 µg/m³"
    value = float(rows[0][4].removesuffix(" µg/m³"))
    name = quoted(f"Air.Monitor.{rows[0][0].en}.Pm10Hour")
    assert value == pytest.approx(facts.one(f"SELECT max({name}) AS v FROM tags")["v"], abs=2.0) and value > 190
