"""What GB/T 14902-2012 7.3 asks of weighing, and what the maker's model number promises, in normal operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scenarios.schema import load_scenario

ONE_BATCH = {"cement": 0.02, "fly_ash": 0.02, "slag": 0.02, "sand": 0.03, "manufactured_sand": 0.03, "stone_5_10": 0.03, "stone_10_25": 0.03, "water": 0.01,
             "slurry_water": 0.01, "admixture": 0.01}  # fmt: skip
ONE_LOAD = ONE_BATCH | {
    "cement": 0.01,
    "fly_ash": 0.01,
    "slag": 0.01,
    "sand": 0.02,
    "manufactured_sand": 0.02,
    "stone_5_10": 0.02,
    "stone_10_25": 0.02,
}
DESIGNS = ["hzs120", "hzs180", "twin-hzs240"]


@pytest.fixture(scope="module", params=[*((d, "batch") for d in DESIGNS), ("hzs180", "scan")], ids="-".join)
def busy(request: pytest.FixtureRequest, play: Callable[..., Any]) -> Any:
    """Hours of full demand."""
    design, fidelity = request.param
    return play("full-demand", design=design, fidelity=fidelity, until_s=6 * 3600 if fidelity == "batch" else 2 * 3600)


def test_weighings_keep_the_tolerance_of_one_batch(busy: Any) -> None:
    w = busy.df("weighings")
    limit = w.material.astype(str).map(ONE_BATCH) * w.target_kg
    outside = (w.true_kg - w.target_kg).abs() > limit
    assert len(w) > 1000 and set(w.material) == set(ONE_BATCH)
    assert outside.mean() <= 0.005
    assert (outside == w.outside).all() and busy.outcome["out_of_tolerance"] == outside.sum()


def test_loads_keep_the_tolerance_of_all_their_batches_together(busy: Any) -> None:
    w, batches, tickets = busy.df("weighings"), busy.df("batches"), busy.df("deliveries")
    load = {}
    for t in tickets.itertuples():
        for b in batches[(batches.line == t.line) & (batches.number >= t.batch_from) & (batches.number <= t.batch_to)].batch:
            load[(t.line, b)] = t.load
    w = w.assign(load=[load.get(key) for key in zip(w.line.astype(str), w.batch, strict=True)]).dropna(subset="load")
    sums = w.assign(material=w.material.astype(str)).groupby(["line", "load", "material"])[["true_kg", "target_kg"]].sum().reset_index()
    outside = (sums.true_kg - sums.target_kg).abs() > sums.material.map(ONE_LOAD) * sums.target_kg
    each = ["line", "load"]  # what came back may have gone on to another site
    assert len(sums.drop_duplicates(each)) == len(tickets.drop_duplicates(each)) > 50
    assert outside.mean() <= 0.005


def test_what_the_controller_recorded_is_what_was_there(busy: Any) -> None:
    w = busy.df("weighings")
    division = {f"{line}.Weigher.{n}": c.division_kg for line, cfg in busy.sim.plant.design.lines.items() for n, c in cfg.weighers.items()}
    off = (w.recorded_kg - w.true_kg).abs() / w.weigher.astype(str).map(division)
    assert np.quantile(off, 0.99) < 4


def test_the_line_makes_what_its_model_number_says(busy: Any) -> None:
    design = busy.sim.plant.design
    for name, line in design.lines.items():
        made = busy.df("batches")
        made = made[made.line == name].iloc[5:]
        rate = (len(made) - 1) * line.mixer.rated_m3 / (made.time_s.iloc[-1] - made.time_s.iloc[0]) * 3600
        assert rate == pytest.approx(line.rated_m3_h, rel=0.05)


def test_concrete_comes_out_as_the_recipe_says(busy: Any) -> None:
    made = busy.df("batches").iloc[3:]
    recipe = busy.sim.plant.design.recipe("C30").kg_m3
    wanted = (recipe["water"] + recipe["slurry_water"]) / (recipe["cement"] + recipe["fly_ash"] + recipe["slag"])
    assert made.water_binder.mean() == pytest.approx(wanted, abs=0.02) and made.water_binder.std() < 0.02
    assert made.homogeneity.min() > 0.99 and made.volume_m3.mean() == pytest.approx(
        busy.sim.plant.design.lines["Line1"].mixer.rated_m3, rel=0.02
    )
    assert made.strength_28d_mpa.mean() > 30


def test_a_design_may_take_the_place_of_the_scenarios_own() -> None:
    for design in DESIGNS:
        scenario, plan = load_scenario("full-demand", design)
        assert scenario.design == "hzs180" and plan.name == design
