"""Changes in words: what they reach, what they refuse; cost by hand; figures of a kept run are those of a recorded one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweeping import DAY

from scenarios import carbon, cost
from scenarios.run import open_run
from scenarios.schema import load_scenario
from scenarios.simulation import Simulation
from scenarios.whatif.change import Base, changed, parse_changes
from scenarios.whatif.measures import MEASURES, clauses, measures
from twin.errors import BatchtwinError


@pytest.fixture(scope="module")
def base() -> Base:
    return Base(*load_scenario("working-day"))


def test_changes_reach_design_and_scenario(base: Base) -> None:
    new = changed(
        base,
        parse_changes(
            "fleet.battery=15; scenario.weather.air_c=35; orders.0.volume_m3=300; dispatch=plan; weather.rain=[{begins: '08:00', ends: '09:00', mm_h: 5}]"
        ),
    )
    assert (new.design.fleet.battery, new.scenario.weather.air_c, new.scenario.orders[0].volume_m3, new.scenario.dispatch) == (
        15,
        35.0,
        300.0,
        "plan",
    )
    assert new.scenario.weather.rain[0].begins == 8 * 3600 and base.design.fleet.battery != 15
    silo = changed(base, parse_changes("lines.Line1.silos.Spare={material: cement, capacity_t: 100}")).design.lines["Line1"].silos
    assert silo["Spare"].capacity_t == 100 and len(silo) == len(base.design.lines["Line1"].silos) + 1
    assert changed(base, {}) == base


@pytest.mark.parametrize(("words", "line"), [
    ("fleet.batery=15", "fleet.batery: there is no field 'batery'; did you mean 'battery'?"),
    ("flet.battery=1", "there is no field 'flet'; did you mean 'fleet'?"),
    ("wether.air_c=1", "there is no field 'wether'; did you mean 'weather'?"),
    ("lines.Linr1.mixer.rated_m3=4", "there is no field 'Linr1'; did you mean 'Line1'?"),
    ("orders.9.volume_m3=3", "there is no field '9'"),
    ("fleet.battery.x=3", "there is no field 'x'"),
    ("fleet.battery=99", "fleet.battery: 99 of 45 trucks; give at most 45"),
    ("fleet.battery=many", "design.fleet.battery: "),
    ("weather.air_c=900", "scenario.weather.air_c: 900 is out of range; give a value ≤ 50"),
    ("fleet.battery", "is no path=value; write it as fleet.battery=15"),
    ("fleet.battery=[1", "is no YAML value"),
])  # fmt: skip
def test_what_cannot_be_is_told_in_one_line(base: Base, words: str, line: str) -> None:
    with pytest.raises(BatchtwinError) as told:
        changed(base, parse_changes(words))
    assert line in str(told.value).splitlines()[0]
    assert told.value.exit_code == 2 and "\n" not in told.value.text("zh").strip()


@pytest.fixture(scope="module")
def kept_and_recorded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("kept")
    (folder / "day.yaml").write_text(DAY, encoding="utf-8")
    scenario, design = load_scenario(folder / "day.yaml")
    sim = Simulation(scenario, design)
    kept = sim.keep()
    sim.run()
    Simulation(scenario, design, out=folder / "run").run()
    return kept, open_run(folder / "run")


def test_a_kept_run_has_the_figures_of_a_recorded_one(kept_and_recorded: Any) -> None:
    kept, recorded = kept_and_recorded
    assert kept.tables == recorded.tables
    for name in kept.tables:
        assert repr(kept.table(name).to_pylist()) == repr(recorded.table(name).to_pylist()), name
    found = measures(kept, cost.prices())
    assert found == pytest.approx(measures(recorded, cost.prices()))
    assert set(found) == {m for m in MEASURES if not m.startswith("clauses")}
    assert clauses(kept, "gbt14902-batching") == clauses(recorded, "gbt14902-batching")


def test_cost_by_hand(kept_and_recorded: Any, tmp_path: Path) -> None:
    run, p = kept_and_recorded[1], cost.prices()
    spent = cost.breakdown(run, p, carbon.energy(run), carbon.bought_share(run))
    one = run.sql(
        "SELECT sum(cement_kg) AS c, sum(fly_ash_kg) AS f, sum(slag_kg) AS l, sum(sand_kg) AS s, sum(stone_kg) AS t, sum(water_kg) AS w, sum(admixture_kg) AS a FROM batches"
    ).to_pylist()[0]
    by_hand = (one["c"] * 330 + one["f"] * 150 + one["l"] * 220 + one["s"] * 110 + one["t"] * 85 + one["w"] * 3.5 + one["a"] * 2200) / 1000
    assert spent["materials"] == pytest.approx(by_hand)
    trips = run.sql("SELECT sum(energy_used) AS l, sum(returned_s - left_s) / 3600 AS h FROM deliveries").to_pylist()[0]
    assert spent["fuel"] == pytest.approx(trips["l"] * 6.6) and spent["drivers"] == pytest.approx(trips["h"] * 38)
    # an annuity pays itself back: its present value over the years is the price
    assert sum(cost.annuity(0.045, 8) / 1.045**k for k in range(1, 9)) == pytest.approx(1.0)
    own = tmp_path / "own.yaml"
    own.write_text("diesel_cny_l: 13.2\nmaterials_cny_t: {cement: 660}\n", encoding="utf-8")
    dear = cost.breakdown(run, cost.prices(str(own)), carbon.energy(run), carbon.bought_share(run))
    assert dear["fuel"] == pytest.approx(2 * spent["fuel"])
    assert dear["materials"] - spent["materials"] == pytest.approx(one["c"] * 0.33)
    own.write_text("diesel: 13\n", encoding="utf-8")
    with pytest.raises(BatchtwinError, match="own.yaml:1: diesel: unknown field"):
        cost.prices(str(own))
