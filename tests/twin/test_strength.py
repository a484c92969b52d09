"""Strength: JGJ 55 figures, plausible behaviour of the fitted model, its error on the data when they are at hand."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.kernels.strength import (
    CEILING_MPA,
    WITHIN_TEST_COV,
    jgj55_binder_strength_mpa,
    jgj55_strength_mpa,
    strength_mpa,
)

FITTED_ON = Path(__file__).resolve().parents[3] / "shared/reference/yeh1998_strength_part.csv"
DATA = Path(os.environ.get("BATCHTWIN_YEH_CSV") or FITTED_ON)
any_mass = st.floats(0, 5000)
cement, scm = st.floats(150, 500), st.floats(0, 150)
admixture, age = st.floats(0, 20), st.floats(0.1, 365)
aggregates = st.one_of(st.just((0.0, 0.0)), st.tuples(st.floats(800, 1150), st.floats(600, 950)))


def rmse(error: np.ndarray) -> float:
    return float(np.sqrt((error**2).mean()))


def test_jgj55_worked_values():
    fb = 42.5 * 1.16
    assert jgj55_binder_strength_mpa(300.0, 0.0, 0.0) == pytest.approx(fb)
    for alpha_a, alpha_b, ratio in ((0.53, 0.20, 0.6013), (0.49, 0.13, 0.5840)):
        assert jgj55_strength_mpa(ratio, fb, alpha_a, alpha_b) == pytest.approx(38.225, abs=0.01)
        exact = alpha_a * fb / (38.225 + alpha_a * alpha_b * fb)
        assert exact == pytest.approx(ratio, abs=5e-5)
        assert jgj55_strength_mpa(exact, fb, alpha_a, alpha_b) == pytest.approx(38.225)


@pytest.mark.parametrize(
    ("slag", "fly_ash", "factor"),
    [(0, 10, 0.9), (0, 20, 0.8), (0, 30, 0.7), (0, 40, 0.6), (0, 70, 0.6)]
    + [(20, 0, 0.975), (30, 0, 0.95), (40, 0, 0.85), (50, 0, 0.775), (80, 0, 0.775), (25, 0, 0.9625), (20, 10, 0.8775)],
)
def test_jgj55_influence_factors(slag, fly_ash, factor):
    assert jgj55_binder_strength_mpa(100.0 - slag - fly_ash, slag, fly_ash) == pytest.approx(factor * 49.3)


def test_jgj55_limits():
    assert jgj55_strength_mpa(0.0, 49.3) == 0.0
    assert jgj55_strength_mpa(9.0, 49.3) == 0.0
    assert jgj55_binder_strength_mpa(0.0, 0.0, 0.0) == 0.0


@settings(max_examples=500, deadline=None)
@given(any_mass, any_mass, any_mass, any_mass, any_mass, any_mass, any_mass, any_mass)
def test_finite_and_bounded_for_any_input(c, s, f, w, a, t, coarse, fine):
    assert 0.0 <= strength_mpa(c, s, f, w, a, t, coarse, fine) <= CEILING_MPA


@pytest.mark.parametrize("at", ["cement", "water", "age"])
def test_nothing_without_cement_water_or_time(at):
    c, w, t = 0.0 if at == "cement" else 300.0, 0.0 if at == "water" else 180.0, 0.0 if at == "age" else 28.0
    assert strength_mpa(c, 60.0, 60.0, w, 6.0, t) == 0.0


@settings(max_examples=300, deadline=None)
@given(cement, scm, scm, admixture, age, aggregates, st.floats(0.3, 0.7), st.floats(0.3, 0.7))
def test_more_water_never_helps(c, s, f, a, t, stone_sand, ratio_1, ratio_2):
    b = c + s + f
    dry, wet = (strength_mpa(c, s, f, ratio * b, a, t, *stone_sand) for ratio in sorted((ratio_1, ratio_2)))
    assert wet <= dry + 1e-9


def test_water_counts():
    """10 kg/m³ more water costs an ordinary C30 1–4 MPa, whether or not the aggregates give way to it."""
    base = strength_mpa(232.0, 51.0, 58.0, 175.0, 6.5, 28.0, 1040.0, 760.0)
    assert 1.0 < base - strength_mpa(232.0, 51.0, 58.0, 185.0, 6.5, 28.0, 1040.0, 760.0) < 4.0
    less = 1 - 10 / 1000
    assert 1.0 < base - strength_mpa(*(less * m for m in (232, 51, 58, 185, 6.5)), 28.0, less * 1040, less * 760) < 4.0


@settings(max_examples=300, deadline=None)
@given(cement, scm, scm, st.floats(130, 230), admixture, age, age, aggregates)
def test_strength_grows_with_age(c, s, f, w, a, t_1, t_2, stone_sand):
    young, old = (strength_mpa(c, s, f, w, a, t, *stone_sand) for t in sorted((t_1, t_2)))
    assert young <= old + 1e-9


def test_ordinary_concretes():
    """C30 and C50 of a plant, and the usual 7 to 28 day ratio of cements with additions."""
    c30 = strength_mpa(232.0, 51.0, 58.0, 175.0, 6.5, 28.0, 1040.0, 760.0)
    c50 = strength_mpa(340.0, 68.0, 42.0, 165.0, 9.0, 28.0, 1040.0, 700.0)
    assert 30.0 < c30 < 45.0 and 48.0 < c50 < 68.0
    assert 0.5 < strength_mpa(232.0, 51.0, 58.0, 175.0, 6.5, 7.0, 1040.0, 760.0) / c30 < 0.75
    assert strength_mpa(232.0, 51.0, 58.0, 175.0, 6.5, 28.0) == pytest.approx(c30, abs=4.0)


@settings(max_examples=200, deadline=None)
@given(cement, scm, scm, st.floats(0, 300), admixture, age, aggregates)
def test_compiled_agrees_with_python(c, s, f, w, a, t, stone_sand):
    args = (c, s, f, w, a, t, *stone_sand)
    assert strength_mpa(*args) == pytest.approx(strength_mpa.py_func(*args), rel=1e-9, abs=1e-9)
    fb = jgj55_binder_strength_mpa(c, s, f)
    assert fb == pytest.approx(jgj55_binder_strength_mpa.py_func(c, s, f), rel=1e-12)
    assert jgj55_strength_mpa(w / c, fb) == pytest.approx(jgj55_strength_mpa.py_func(w / c, fb), rel=1e-12)


def test_scatter_of_a_plant_is_not_the_error_of_the_model():
    assert 0.02 <= WITHIN_TEST_COV <= 0.06


@pytest.mark.skipif(not DATA.exists(), reason="no strength data: set BATCHTWIN_YEH_CSV to the UCI file (not shipped)")
def test_error_on_data():
    table = np.loadtxt(DATA, delimiter=",", skiprows=1, encoding="utf-8-sig")
    ours, plain = [], []
    for c, s, f, w, a, coarse, fine, t, measured in table:
        ours.append(strength_mpa(c, s, f, w, a, t, coarse, fine) - measured)
        at_28 = jgj55_strength_mpa(w / (c + s + f), jgj55_binder_strength_mpa(c, s, f))
        plain.append(at_28 * math.log(t) / math.log(28.0) - measured)
    assert rmse(np.array(ours)) < 0.5 * rmse(np.array(plain))
    if DATA == FITTED_ON:
        assert rmse(np.array(ours)) == pytest.approx(4.79, abs=0.05)  # docs/strength.md
