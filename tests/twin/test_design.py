"""Designs, recipes, tags and faults as data: sources, units, both languages, JGJ 55-2011, and no loose ends."""

from __future__ import annotations

import types
import typing

import numpy as np
import pytest
from pydantic import BaseModel

from twin.design.load import CATALOGUE, load_design, packaged
from twin.design.schema import Design
from twin.equipment.part import Fault
from twin.errors import BadInput, BatchtwinError
from twin.kernels.mixing import concrete_volume_m3
from twin.kernels.strength import strength_mpa
from twin.ledger import N_SPECIES, SPECIES
from twin.plant import KINDS, Plant

NAMES = sorted(packaged(CATALOGUE))


@pytest.fixture(scope="module", params=NAMES)
def design(request):
    return load_design(request.param)


# --- designs ------------------------------------------------------------------------------------------


def test_three_designs_are_packaged():
    assert {"hzs120", "hzs180", "twin-hzs240"} <= set(NAMES)


def test_a_design_names_itself_and_its_sources(design):
    assert design.name in NAMES
    assert design.sources and all(text.strip() for text in design.sources.values())
    for title in (design.title, *(m.title for m in design.materials.values())):
        assert title.en.strip() and title.zh.strip()


def test_a_plant_is_built_from_it_and_its_books_close(design):
    plant = Plant(design, 3)
    assert plant.residual() <= 1e-12
    assert plant.table.lines == list(design.lines)


def test_an_unknown_design_is_answered_with_the_nearest_name():
    with pytest.raises(BatchtwinError, match="hzs180") as caught:
        load_design("hzs18")
    assert caught.value.code == "E102"


def test_all_mistakes_are_told_at_once_with_file_line_and_field(tmp_path):
    text = packaged(CATALOGUE)["hzs180"].read_text(encoding="utf-8")
    text = text.replace("power_kw: 110", "power_kw: -110").replace("trucks: 45", "trukcs: 45")
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_design(path)
    told = str(caught.value).splitlines()
    lines = text.splitlines()
    for field, written in (("lines.Line1.mixer.power_kw", "power_kw: -110"), ("fleet.trukcs", "trukcs: 45")):
        at = next(i for i, line in enumerate(lines, 1) if written in line)
        assert any(f"{path}:{at}: {field}" in line for line in told)


# --- figures ------------------------------------------------------------------------------------------


def models(model, seen=None):
    """A model and all models in its fields."""
    seen = {} if seen is None else seen
    if model.__name__ not in seen:
        seen[model.__name__] = model
        for field in model.model_fields.values():
            for part in unpacked(field.annotation):
                models(part, seen)
    return seen


def unpacked(annotation):
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [m for a in typing.get_args(annotation) for m in unpacked(a)]


MODELS = models(Design)
FIGURES = [
    (f"{model.__name__}.{name}", field)
    for model in MODELS.values()
    for name, field in model.model_fields.items()
    if isinstance(field.json_schema_extra, dict) and "source" in field.json_schema_extra
]


def test_the_walk_finds_every_machine():
    assert {"Silo", "AggregateBin", "Tank", "Weigher", "Gate", "Screw", "Valve", "Pump", "Belt", "Hopper", "Mixer", "Station"} <= set(
        MODELS
    )
    assert len(FIGURES) > 80


@pytest.mark.parametrize(("name", "field"), FIGURES, ids=[name for name, _ in FIGURES])
def test_a_figure_says_its_unit_its_source_and_its_confidence(name, field):
    extra = field.json_schema_extra
    assert extra["source"].strip() and extra["unit"].strip()
    assert extra["confidence"] in ("found", "recalled")
    assert field.description == extra["source"]


def test_no_number_has_a_default_without_a_source():
    known = {name for name, _ in FIGURES}
    loose = [
        f"{model.__name__}.{name}"
        for model in MODELS.values()
        for name, field in model.model_fields.items()
        if isinstance(field.default, int | float) and not isinstance(field.default, bool)
    ]
    assert sorted(set(loose) - known) == []


# --- recipes ------------------------------------------------------------------------------------------

# JGJ 55-2011 Table 4.0.2: standard deviation by class; Table 5.1.3: influence of the additions in the standard recipes.
SIGMA = {"C15": 4, "C20": 4, "C25": 5, "C30": 5, "C35": 5, "C40": 5, "C50": 6}
INFLUENCE = {"C15": 0.80, "C20": 0.82, "C25": 0.83, "C30": 0.84, "C35": 0.85, "C40": 0.87, "C50": 0.92}


@pytest.fixture(params=sorted(SIGMA))
def recipe(request, design):
    found = design.recipe(request.param)
    if found is None:
        pytest.skip(f"{design.name} has no {request.param}")
    return found


def by_species(design, recipe):
    kg = np.zeros(N_SPECIES)
    for material, mass in recipe.kg_m3.items():
        species = design.materials[material].species
        kg[SPECIES.index("water" if species == "slurry_water" else species)] += mass
    return kg


def strength_aimed_at_mpa(recipe):
    return 1.15 * recipe.strength_mpa if recipe.strength_mpa >= 60 else recipe.strength_mpa + 1.645 * SIGMA[recipe.grade]


def test_water_binder_is_at_most_what_jgj_55_gives_for_the_strength(design, recipe):
    kg = by_species(design, recipe)
    aimed = strength_aimed_at_mpa(recipe)
    fb = 42.5 * 1.16 * INFLUENCE[recipe.grade]
    limit = 0.53 * fb / (aimed + 0.53 * 0.20 * fb)
    assert kg[5] / kg[:3].sum() <= limit * 1.0005


def test_the_trial_mix_reaches_the_strength_aimed_at_and_not_much_more(design, recipe):
    cement, ash, slag, sand, stone, water, admixture, _ = by_species(design, recipe)
    strength = strength_mpa(cement, slag, ash, water, admixture, 28.0, stone, sand)
    assert 0 <= strength - strength_aimed_at_mpa(recipe) < 1.5


def test_a_cubic_metre_is_a_cubic_metre_of_ordinary_weight(design, recipe):
    kg = by_species(design, recipe)
    assert 2250 <= kg.sum() <= 2500
    assert concrete_volume_m3(kg) == pytest.approx(1.0, rel=0.005)


def test_a_higher_class_has_less_water_for_its_binder(design):
    recipes = sorted(design.recipes, key=lambda r: r.strength_mpa)
    ratios = [by_species(design, r)[5] / by_species(design, r)[:3].sum() for r in recipes]
    assert ratios == sorted(ratios, reverse=True)


# --- tags ---------------------------------------------------------------------------------------------


def test_tags_are_unique_and_told_in_both_languages(design):
    table = Plant(design).table
    names = [t.name for t in table]
    assert len(set(names)) == len(names)
    for t in table:
        assert t.en.strip() and t.zh.strip(), t.name
        assert t.low < t.high and t.resolution > 0, t.name
        assert t.states == () or t.high == len(t.states) - 1, t.name
    assert len({e.name for e in table.equipment}) == len(table.equipment)


def test_what_a_machine_feeds_and_draws_from_stands_there(design):
    plant = Plant(design)
    machines = {e.name for e in plant.table.equipment}
    for e in plant.table.equipment:
        assert not e.feeds or e.feeds in machines, e.name
        assert not e.source or e.source in machines or e.source in plant.holders, e.name


# --- faults -------------------------------------------------------------------------------------------

FAULTS = [(kind, module, fault) for kind, (module, _) in KINDS.items() for fault in module.FAULTS]


@pytest.mark.parametrize(("kind", "module", "fault"), FAULTS, ids=[f"{kind}-{fault.name}" for kind, _, fault in FAULTS])
def test_a_fault_has_its_field_its_tags_and_its_texts(kind, module, fault: Fault):
    assert fault.field in module.DTYPE.names
    assert fault.tags and set(fault.tags) <= {t.name for t in module.TAGS}
    assert fault.low <= fault.default <= fault.high and fault.default != 0
    assert fault.low <= 0 <= fault.high
    assert fault.unit and fault.en.strip() and fault.zh.strip()


@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_has_each_fault_once_and_one_field_a_fault(kind):
    faults = KINDS[kind][0].FAULTS
    assert len({f.name for f in faults}) == len({f.field for f in faults}) == len(faults)
