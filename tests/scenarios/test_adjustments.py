"""Adjustments of recipes: by the slump of samples, within rights, signed; and what the clause makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scenarios.judging.measures.quality import adjustments_signed
from scenarios.judging.measures.weighing import recipe_departures
from scenarios.judging.subject import Subject
from scenarios.schema import Scenario, load_scenario
from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.design.schema import Design

APPROVED = {r.grade: r for r in load_design("benchmark-180").recipes}


def laboratory(**figures: Any) -> Design:
    """The benchmark plant with another laboratory, and sand that is dirtier than its recipes were made for."""
    design = load_design("benchmark-180")
    materials = {n: m.model_copy(update={"mud": 0.029}) if m.species == "sand" else m for n, m in design.materials.items()}
    lab = design.premises.laboratory.model_copy(
        update={"adjust_samples": 2, "adjust_within": 0.3, "adjust_from_mm": 8.0, "adjust_mm": 2.5} | figures
    )
    return design.model_copy(update={"materials": materials, "premises": design.premises.model_copy(update={"laboratory": lab})})


def days(lasts: str = "3d") -> Scenario:
    plan, _ = load_scenario("plant-year", "benchmark-180")
    return Scenario.model_validate(plan.model_dump(mode="json") | {"design": "benchmark-180", "lasts": lasts})


@pytest.fixture(scope="module")
def played(play: Callable[..., Any]) -> Any:
    """Three days of it."""
    return play(days(), design=laboratory(), fidelity="batch")


@pytest.fixture(scope="module")
def bound(play: Callable[..., Any]) -> Any:
    """The same, where the quality head has hardly any right."""
    return play(days(), design=laboratory(adjust_within=0.01), fidelity="batch")


def doses(run: Any, grade: str) -> Any:
    """Admixture that was asked for in each load, kg/m³."""
    return run.sql(
        f"""SELECT d.ticket, d.queued_s, d.at_bay_s, sum(w.target_kg) / any_value(d.volume_m3) AS kg_m3 FROM deliveries d
            JOIN batches b ON b.line = d.line AND b.number BETWEEN d.batch_from AND d.batch_to
            JOIN weighings w ON w.line = b.line AND w.batch = b.batch
            WHERE d.grade = '{grade}' AND w.material = 'admixture' GROUP BY ALL"""
    ).to_pandas()


def test_a_grade_that_is_too_stiff_gets_more_admixture_and_its_slump_comes_back(played: Any) -> None:
    rows = played.df("adjustments")
    first = rows[rows.reason.str.contains("too low, mean of 2") & (rows.from_kg_m3 == rows.approved_kg_m3)].iloc[0]
    assert first.proposed_by == "quality technician" and first.signed_by == "quality head"
    assert first.signed_s == pytest.approx(first.time_s + 1800) and first.limit == 0.3
    assert (
        first.from_kg_m3 == first.approved_kg_m3 == APPROVED[first.recipe].kg_m3["admixture"] < first.to_kg_m3 <= 1.3 * first.approved_kg_m3
    )
    asked = doses(played.run, first.recipe)
    before, after = asked[asked.at_bay_s < first.signed_s], asked[asked.queued_s > first.signed_s]
    assert len(before) > 5 and len(after) > 5
    assert before.kg_m3.to_numpy() == pytest.approx(first.from_kg_m3, rel=0.005)
    assert after.kg_m3.to_numpy()[:5] == pytest.approx(first.to_kg_m3, rel=0.005)
    slump = played.df("deliveries").set_index("ticket").slump_mm
    wanted = APPROVED[first.recipe].slump_mm
    last = before.sort_values("queued_s").ticket.tail(10)  # sand has come since the first ones
    assert slump[last].mean() < slump[after.ticket].mean() < wanted
    told = played.df("events").query("kind == 'laboratory' and name == @first.recipe")
    assert len(told) and first.signed_s in set(told.time_s)


def test_the_next_change_rests_on_samples_of_the_recipe_in_use(played: Any) -> None:
    samples = played.df("samples").set_index("sample")
    queued = played.df("deliveries").set_index("ticket").queued_s
    pairs = 0
    for _, of in played.df("adjustments").groupby("recipe"):
        signed = of[of.signed_by.notna()]
        pairs += max(len(signed) - 1, 0)
        for (_, one), (_, other) in zip(signed.iloc[:-1].iterrows(), signed.iloc[1:].iterrows(), strict=True):
            assert other.from_kg_m3 == one.to_kg_m3
            assert queued[samples.ticket[other["sample"]]] >= one.signed_s
    assert pairs


def test_signed_recipes_are_no_departures_and_unsigned_ones_are(played: Any) -> None:
    subject = Subject(played.run)
    assert float(recipe_departures(subject).value) == 0 and adjustments_signed(subject).value is True
    duck = played.run.duck
    duck.execute("CREATE TEMP TABLE as_it_was AS SELECT * FROM adjustments")
    try:
        duck.execute("CREATE OR REPLACE VIEW adjustments AS SELECT * REPLACE ('quality technician' AS signed_by) FROM as_it_was")
        assert float(recipe_departures(subject).value) > 5 and adjustments_signed(subject).value is False
    finally:
        duck.execute("CREATE OR REPLACE VIEW adjustments AS SELECT * FROM as_it_was")


def test_what_lies_beyond_the_limit_is_not_done_and_says_so(bound: Any) -> None:
    rows = bound.df("adjustments")
    assert len(rows) and rows.signed_by.isna().all() and rows.signed_s.isna().all()
    assert rows.reason.str.endswith("beyond the limit, not done").all()
    grade = rows.recipe[0]
    assert doses(bound.run, grade).kg_m3.to_numpy() == pytest.approx(APPROVED[grade].kg_m3["admixture"], rel=0.005)
    subject = Subject(bound.run)
    assert float(recipe_departures(subject).value) == 0 and adjustments_signed(subject).value is True


def test_it_does_not_matter_when_somebody_looks_nor_whether_anybody_records(played: Any) -> None:
    sim = Simulation(days(), laboratory(), fidelity="batch")
    for n in range(30):
        sim.advance_past(n * 8000.0)
        sim.gather()
    assert sim.run()["state_hash"] == played.outcome["state_hash"]


def test_a_recipe_that_comes_before_the_signature_voids_it(played: Any) -> None:
    first = played.df("adjustments").iloc[0]
    sim = Simulation(days(), laboratory(), fidelity="batch")
    kept = sim.keep()
    sim.advance_past(first.time_s + 60)
    other = APPROVED[first.recipe].model_copy(update={"kg_m3": APPROVED[first.recipe].kg_m3 | {"admixture": 8.0}})
    sim.load_recipe(other)
    sim.run()
    rows = kept.table("adjustments").to_pandas()
    assert not ((rows.recipe == first.recipe) & (rows.time_s == first.time_s)).any()
    assert (rows[rows.recipe == first.recipe].approved_kg_m3 == 8.0).all()


def test_a_plant_that_adjusts_nothing_has_no_such_table(play: Callable[..., Any]) -> None:
    assert "adjustments" not in play("working-day", fidelity="batch", until_s=600).run.tables
