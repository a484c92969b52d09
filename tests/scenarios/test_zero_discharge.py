"""A storm day on the benchmark plant, on a usual one and on an old one: what leaves the site, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scenarios.run import open_run
from scenarios.schema import load_scenario
from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.errors import BadInput, BatchtwinError
from twin.ledger import SPECIES


def played(design: str) -> Any:
    sim = Simulation("storm-day", design, fidelity="batch")
    sim.run()
    return sim


def discharged(sim: Any) -> dict[str, float]:
    return dict(zip(SPECIES, sim.plant.state.ledger.stock[sim.plant.holder("discharge")].tolist(), strict=True))


@pytest.fixture(scope="module")
def benchmark() -> Any:
    return played("benchmark-180")


def test_nothing_leaves_the_benchmark_plant(benchmark: Any) -> None:
    assert discharged(benchmark) == dict.fromkeys(SPECIES, 0.0)
    rain = -benchmark.plant.state.ledger.stock[benchmark.plant.holder("rain")].sum()
    assert rain > 1_500_000 and benchmark.m3 == 480
    assert benchmark.plant.residual() <= 1e-9


def test_the_old_plant_discharges_and_says_from_where(tmp_path: Path) -> None:
    sim = Simulation("storm-day", "open-yard-180", fidelity="batch", out=tmp_path / "run")
    sim.run()
    out = discharged(sim)
    assert out["water"] > 1_000_000 and out["cement"] > 50 and out["fines"] > 100
    rows = open_run(tmp_path / "run").df("ledger")
    by_source = rows[rows.target == "discharge"].groupby("source", observed=True).kg.sum()
    assert by_source.sum() == pytest.approx(sum(out.values()), rel=1e-9)
    assert by_source["Water.Basin.Clear"] > 1_000_000 and by_source.index.str.startswith("Truck").any()


def test_a_usual_plant_lies_between() -> None:
    assert 0 < discharged(played("hzs180"))["water"] < discharged(played("open-yard-180"))["water"]


def test_a_smaller_rain_tank_would_not_have_done() -> None:
    """The zero is earned by size: half the tank runs over."""
    design = load_design("benchmark-180")
    basins = design.water.basins | {"Rain": design.water.basins["Rain"].model_copy(update={"volume_m3": 900.0})}
    small = design.model_copy(update={"water": design.water.model_copy(update={"basins": basins})})
    scenario, _ = load_scenario("storm-day", small)
    sim = Simulation(scenario, small, fidelity="batch")
    sim.run()
    assert discharged(sim)["water"] > 100_000


# --- mistakes in the design ---------------------------------------------------------------------------

MISTAKES = [
    ("water: {basins: {Clear: {overflows_to: Nowhere}}}", "no basin 'Nowhere'"),
    ("water: {basins: {Clear: {overflows_to: Slurry}}}", "weirs run in a circle"),
    ("water: {pumps: {RainToClear: {to: Rain}}}", "pumps into its own basin"),
    ("water: {separator: {sand_to: Line1.Gold}}", "no bin 'Line1.Gold'"),
    ("water: {press: {source: Clear}}", "has no agitator"),
    ("water: {roadway: Moon}", "no surface 'Moon'"),
    ("site: {boundary: [[0, 0], [1, 0], [1, 1]]}", "is no area of 100"),
    ("site: {places: {Attic: {at: [1, 1]}}}", "stands for nothing"),
]


@pytest.mark.parametrize(("text", "problem"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_is_told_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\nbased_on: hzs180\ntitle: {{en: Mine, zh: 我的}}\n{text}\n", encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_design(path)
    lines = str(caught.value).splitlines()
    assert any(problem in line and "mine.yaml" in line for line in lines) and len(lines) <= 3


def test_a_design_on_a_base_changes_what_it_names_and_null_takes_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nbased_on: hzs180\nfleet: {trucks: 3}\nwater: {press: null}\n", encoding="utf-8")
    mine, base = load_design(path), load_design("hzs180")
    assert mine.fleet.trucks == 3 and mine.fleet.capacity_m3 == base.fleet.capacity_m3
    assert mine.water.press is None and base.water.press is not None and mine.water.basins == base.water.basins


def test_a_base_that_is_not_there_or_runs_in_a_circle(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nbased_on: hzs18\n", encoding="utf-8")
    with pytest.raises(BatchtwinError, match="hzs180"):
        load_design(path)
    path.write_text("name: mine\nbased_on: mine.yaml\n", encoding="utf-8")
    with pytest.raises(BatchtwinError, match="based on each other"):
        load_design(path)
