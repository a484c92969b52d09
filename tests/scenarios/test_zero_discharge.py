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

HOLDS_FROM = 0.15  # share of the benchmark plant's rain basin, docs/water.md


def played(design: Any) -> Any:
    scenario, plant = load_scenario("storm-day", design)
    sim = Simulation(scenario, plant, fidelity="batch")
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


def without_forecast(design: Any) -> Any:
    """The same day with a controller that subscribes to no forecast."""
    scenario, _ = load_scenario("storm-day", design)
    sim = Simulation(scenario, design, fidelity="batch")
    sim._memory.forecast[0] = sim.plant.table.index("Line1.Station.EStop")  # a tag that shows 0 all day
    sim.run()
    return sim


def filled(design: str, rain: float) -> Any:
    """The design with its rain basin filled so far at the start."""
    plant = load_design(design)
    basins = plant.water.basins | {"Rain": plant.water.basins["Rain"].model_copy(update={"initial_share": rain})}
    return plant.model_copy(update={"water": plant.water.model_copy(update={"basins": basins})})


def test_the_forecast_keeps_water_on_the_site(benchmark: Any) -> None:
    """A rain basin half full runs over in this storm; who levels the basins before it loses less."""
    half = filled("benchmark-180", 0.5)
    less = discharged(without_forecast(half))["water"] - discharged(played(half))["water"]
    assert less > 50_000


def test_the_benchmark_holds_from_the_filling_that_the_page_names() -> None:
    assert discharged(played(filled("benchmark-180", HOLDS_FROM)))["water"] == 0
    assert discharged(played(filled("benchmark-180", HOLDS_FROM + 0.05)))["water"] > 0


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
    ("water: {pumps: {SlurryToLine1: {to: Line1.Admixture}}}", "Line1.Admixture holds admixture"),
    ("water: {pumps: {SlurryToLine1: {to: Line1.Water}}}", "Line1.Water holds water, Slurry slurry"),
    ("water: {pumps: {RainToLine1: {to: Line1.Slurry}}}", "Line1.Slurry holds slurry_water, Rain clear water"),
    ("water: {pumps: {SludgeToSlurry1: {to: Line1.Slurry}}}", "sludge does not go into a line's tank"),
    ("water: {basins: {A.B: {volume_m3: 10, area_m2: 5}}}", "'A.B' is no name of a machine"),
    ("water: {pumps: {'a\"b': {source: Rain, to: Clear, flow_m3_h: 1, power_kw: 1}}}", "is no name of a machine"),
    ("water: {surfaces: {'x y': {area_m2: 5}}}", "'x y' is no name of a machine"),
    ("site: {sprays: {Yard.2: {wets: Yard, area_m2: 10}}}", "'Yard.2' is no name of a machine"),
    ("site: {monitors: {'N/E': {at: [1, 1]}}}", "'N/E' is no name of a machine"),
    ("water: {basins: {discharge: {volume_m3: 10, area_m2: 5}}}", "is the name of what leaves the site"),
    ("water: {basins: {Film: {volume_m3: 0.001, area_m2: 50000}}}", "is 2e-08 m deep"),
    ("lines: {Line1: {tanks: {Slurry: {holds: water}}}}", "slurry_water is slurry_water, not water"),
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
