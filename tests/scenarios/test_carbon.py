"""Energy and carbon: hand figures, sums that agree, a roof that never makes the grid negative."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scenarios import carbon
from scenarios.run import open_run
from scenarios.schema import Scenario, load_scenario
from scenarios.simulation import Simulation
from twin.design.load import load_design


def played(folder: Path, **changes: Any) -> Any:
    design = load_design("hzs180").model_copy(update=changes)
    scenario, _ = load_scenario("working-day", design)
    Simulation(scenario, design, fidelity="batch", until_s=8 * 3600, out=folder).run()
    return open_run(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return played(tmp_path_factory.mktemp("run") / "plain")


def test_materials_of_a_batch_by_hand(run: Any) -> None:
    batch, row = run.df("batches").iloc[5], carbon.by_batch(run).iloc[5]
    by_hand = (735 * batch.cement_kg + 2.51 * batch.sand_kg + 2.18 * batch.stone_kg + 0.168 * batch.water_kg) / 1000
    assert row.a1_kg == pytest.approx(by_hand, rel=1e-3)
    solid = batch.cement_kg + batch.fly_ash_kg + batch.slag_kg + batch.sand_kg + batch.stone_kg + batch.admixture_kg
    assert row.a2_kg == pytest.approx(solid / 1000 * 500 * 0.078, rel=1e-3)


def test_batches_days_and_meters_agree(run: Any) -> None:
    rows, days = carbon.by_batch(run), carbon.by_day(run)
    assert days.total_kg.sum() == pytest.approx(rows.total_kg.sum(), rel=1e-12)
    assert rows.a3_kg.sum() == pytest.approx(run.df("energy").kwh.sum() * 0.5395, rel=1e-9)
    assert (rows[["a1_kg", "a2_kg", "a3_kg"]] > 0).all().all() and rows.a4_kg.max() > 0
    kwh = run.df("energy").kwh.sum() / run.df("batches").volume_m3.sum()
    assert 0.5 < kwh < 4  # plants report 1 to 3 kWh/m³


def test_days_are_those_of_the_calendar(tmp_path: Path) -> None:
    """A run that begins at 20:00: what is poured after midnight is the next day's."""
    order = {"site": "Night", "grade": "C30", "volume_m3": 300, "start": "20:10", "every": "6min", "drive": "10min", "pour": "5min"}
    plan = Scenario.model_validate(
        {"name": "night", "title": {"en": "n", "zh": "n"}, "starts": "2026-05-11 20:00:00", "lasts": "6h", "orders": [order]}
    )
    Simulation(plan, "hzs180", fidelity="batch", out=tmp_path / "run").run()
    run = open_run(tmp_path / "run")
    rows, days = carbon.by_batch(run), carbon.by_day(run)
    assert [f"{d:%F}" for d in days.day] == ["2026-05-11", "2026-05-12"]
    late = rows.time_s > 4 * 3600
    assert days.volume_m3.tolist() == pytest.approx([rows[~late].volume_m3.sum(), rows[late].volume_m3.sum()])
    energy = run.df("energy")
    assert rows[late].a3_kg.sum() == pytest.approx(energy[energy.time_s > 4 * 3600].kwh.sum() * 0.5395, rel=1e-9)


def test_delivery_follows_the_way_and_the_load(run: Any) -> None:
    ticket = run.df("deliveries").dropna(subset=["arrived_s"]).iloc[0]
    rows = carbon.by_batch(run)
    mine = rows[(rows.number >= ticket.batch_from) & (rows.number <= ticket.batch_to)]
    mass = run.df("batches").set_index("number").filter(regex="_kg$").loc[ticket.batch_from : ticket.batch_to].to_numpy().sum() / 1000
    assert mine.a4_kg.sum() == pytest.approx(mass * ticket.km_out * 0.129, rel=1e-6)


def test_a_roof_takes_from_the_grid_what_it_can_and_no_more(run: Any, tmp_path: Path) -> None:
    plain = carbon.energy(run)
    assert plain.solar_kwh.sum() == 0 and plain.grid_kwh.sum() == pytest.approx(plain.demand_kwh.sum())
    sunny = carbon.energy(played(tmp_path / "sun", solar_kwp=300.0))
    assert sunny.solar_kwh.max() > 50 and (sunny.grid_kwh >= 0).all() and (sunny.fed_in_kwh >= 0).all()
    assert (sunny.grid_kwh + sunny.solar_kwh - sunny.fed_in_kwh).sum() == pytest.approx(sunny.demand_kwh.sum())
    assert sunny.grid_kwh.sum() < plain.grid_kwh.sum()


def test_it_says_that_some_factors_are_unverified() -> None:
    assert carbon.unverified()
    for group in ("materials_kg_t", "transport_kg_t_km"):
        assert all(x["source"] and x["confidence"] in ("found", "recalled") for x in carbon.factors()[group].values())


def test_a_sweeps_total_is_that_of_the_batches(run: Any) -> None:
    whole = carbon.total_kg(run, carbon.energy(run), carbon.bought_share(run))
    assert whole == pytest.approx(carbon.by_batch(run).total_kg.sum(), rel=1e-12)
