"""Recycled water and aggregate: what the blend holds, and where neither may go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scenarios import mixing_water
from scenarios.run import open_run
from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.design.schema import Recipe
from twin.errors import BatchtwinError

MAINS = {"ph": 7.0, "soluble_mg_l": 200.0, "cl_mg_l": 10.0, "so4_mg_l": 20.0, "alkali_mg_l": 0.0}
SLURRY = {"ph": 12.0, "soluble_mg_l": 8000.0, "cl_mg_l": 2000.0, "so4_mg_l": 500.0, "alkali_mg_l": 3000.0}


def test_a_blend_is_linear_in_what_is_dissolved_and_in_hydroxide() -> None:
    assert mixing_water.blend(0.0, MAINS, SLURRY) == pytest.approx(MAINS)
    assert mixing_water.blend(1.0, MAINS, SLURRY) == pytest.approx(SLURRY)
    tenth = mixing_water.blend(0.1, MAINS, SLURRY)
    assert tenth["cl_mg_l"] == pytest.approx(0.9 * 10 + 0.1 * 2000)
    assert tenth["ph"] == pytest.approx(11.0, abs=1e-4)  # a tenth of the hydroxide is one pH less


def with_slurry(folder: Path, chloride_mg_l: float) -> Path:
    path = folder / "own.yaml"
    quality = f"{{ph: 12.4, soluble_mg_l: 2500, cl_mg_l: {chloride_mg_l}, so4_mg_l: 300, alkali_mg_l: 900}}"
    title = "{en: own, zh: own}"
    path.write_text(f"name: own\nbased_on: benchmark-180\ntitle: {title}\nwater: {{slurry_quality: {quality}}}\n")
    return path


@pytest.mark.parametrize("chloride_mg_l", [150.0, 60_000.0 / 1.3])
def test_batches_are_judged_on_the_water_they_dosed(tmp_path: Path, chloride_mg_l: float) -> None:
    Simulation(
        "working-day", with_slurry(tmp_path, min(chloride_mg_l, 50_000)), fidelity="batch", until_s=3 * 3600, out=tmp_path / "run"
    ).run()
    run = open_run(tmp_path / "run")
    rows, w = mixing_water.by_batch(run), run.df("weighings")
    assert len(rows) > 50
    row = rows.iloc[int(np.argmax(rows.slurry_share))]
    dosed = w[(w.line == row.line) & (w.batch == row.batch)].set_index("material").true_kg
    assert row.slurry_share == pytest.approx(dosed["slurry_water"] / (dosed["slurry_water"] + dosed["water"]))
    assert row.cl_mg_l == pytest.approx(20 + row.slurry_share * (min(chloride_mg_l, 50_000) - 20))
    assert bool(row.ok) == (row.cl_mg_l <= 1000)
    assert (chloride_mg_l > 1000) == (not rows.ok.all())
    assert rows[rows.slurry_share == 0].ok.all()


MASSES = {"cement": 350.0, "sand": 700.0, "stone_10_25": 1100.0, "water": 150.0}


def recipe(slurry_kg: float, **more: Any) -> Recipe:
    masses = MASSES | ({"slurry_water": slurry_kg} if slurry_kg else {})
    return Recipe.model_validate({"grade": "X", "strength_mpa": 40, "slump_mm": 180, "kg_m3": masses} | more)


def test_prestressed_and_high_strength_concrete_take_no_slurry() -> None:
    assert recipe(0).most_slurry_kg_m3 == 40
    assert recipe(0, use="prestressed").most_slurry_kg_m3 == 0
    assert recipe(0, use="prestressed", slurry_max_kg_m3=50).most_slurry_kg_m3 == 0
    assert recipe(0, strength_mpa=60, slurry_max_kg_m3=50).most_slurry_kg_m3 == 0
    assert recipe(0, strength_mpa=50).most_slurry_kg_m3 == 0 < recipe(0, strength_mpa=50, slurry_max_kg_m3=20).most_slurry_kg_m3


WRONG = [
    (recipe(12, use="prestressed"), "is prestressed concrete and must not hold slurry water"),
    (recipe(0, use="prestressed", slurry_max_kg_m3=10), "is prestressed concrete"),
    (recipe(12, strength_mpa=80), "is high-strength concrete"),
    (recipe(30, slurry_max_kg_m3=20), "plans 30 kg/m³ of slurry water, its limit is 20"),
    (recipe(12, strength_mpa=50), "plans 12 kg/m³ of slurry water, its limit is 0"),
]


@pytest.mark.parametrize(("wrong", "problem"), WRONG, ids=[p for _, p in WRONG])
def test_a_recipe_beyond_its_limit_is_refused_in_a_design_and_in_a_run(tmp_path: Path, wrong: Recipe, problem: str) -> None:
    path = tmp_path / "own.yaml"
    book = yaml.safe_dump({"recipes": [wrong.model_dump(exclude_none=True)]}, allow_unicode=True)
    path.write_text("name: own\nbased_on: hzs180\ntitle: {en: own, zh: own}\n" + book, encoding="utf-8")
    with pytest.raises(BatchtwinError, match=problem):
        load_design(path)
    with Simulation("working-day", until_s=60) as sim, pytest.raises(BatchtwinError, match=problem):
        sim.load_recipe(wrong)


def test_a_recipe_without_recycled_aggregate_stays_out_of_its_boxes(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    recipe = "{grade: C60, strength_mpa: 60, slump_mm: 180, recycled_aggregate: false, kg_m3: {cement: 500, sand: %s, %s stone_10_25: 1000, water: 150}}"
    head = "name: own\nbased_on: benchmark-180\ntitle: {en: own, zh: own}\n"
    path.write_text(head + "recipes:\n  - " + recipe % ("700", "") + "\n")
    with pytest.raises(BatchtwinError, match="no recycled aggregate.*stone_10_25"):
        load_design(path)
    path.write_text(head + "water: {separator: {sand_to: Line1.Sand2, stone_to: null}}\nrecipes:\n  - " + recipe % ("700", "") + "\n")
    design = load_design(path)
    with Simulation("working-day", "benchmark-180", until_s=60) as sim, pytest.raises(BatchtwinError, match="no recycled aggregate"):
        sim.load_recipe(design.recipes[0])
