"""ISO 9613-2 against the test cases of ISO/TR 17534-3 and against what sound does anyway."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.kernels import noise as n

POWER = np.full(8, 93.0)
SOURCE, RECEPTOR = (10.0, 10.0, 1.0), (200.0, 50.0, 4.0)


def strip(low, high, g):
    return n.Region(((low, -500), (high, -500), (high, 500), (low, 500)), g)


RISING = (strip(-100, 50, 0.2), strip(50, 150, 0.5), strip(150, 400, 0.9))
FALLING = (strip(-100, 50, 0.9), strip(50, 150, 0.5), strip(150, 400, 0.2))
CUBE = n.Block(((55, 5), (65, 5), (65, 15), (55, 15)), 10)
CASES = {
    "T01": (n.Layout(g=0), SOURCE, RECEPTOR, [39.9, 39.86, 39.7, 39.37, 38.95, 38.17, 35.47, 25.04], 44.29),
    "T02": (n.Layout(g=0.5), SOURCE, RECEPTOR, [39.9, 36.17, 33.02, 33.2, 36.11, 36.33, 33.63, 23.2], 41.53),
    "T03": (n.Layout(g=1), SOURCE, RECEPTOR, [39.9, 32.48, 26.33, 27.03, 33.27, 34.49, 31.79, 21.36], 39.14),
    "T04": (n.Layout(regions=RISING), SOURCE, RECEPTOR, [39.9, 36.24, 35.23, 36.04, 36.95, 36.57, 33.87, 23.45], 42.23),
    "T08": (n.Layout(regions=FALLING, walls=[n.Wall((100, 240), (265, -180), 6)]), SOURCE, RECEPTOR,
            [34.86, 30.85, 29.72, 29.01, 27.26, 26.01, 21.04, 8.02], 32.48),
    "T09": (n.Layout(regions=FALLING, walls=[n.Wall((175, 50), (190, 10), 6)]), SOURCE, RECEPTOR,
            [36.99, 32.36, 29.72, 29.21, 27.84, 26.51, 21.46, 8.4], 32.93),
    "T11": (n.Layout(g=0.5, blocks=[CUBE]), (50.0, 10.0, 1.0), (70.0, 10.0, 4.0), [50.09, 44.62, 39.2, 35.75, 34.77, 33.79, 32.78, 31.28], 41.3),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_published_cases(case):
    """ISO/TR 17534-3:2015, 20 °C and 70 %, each octave and the sum within 0.05 dB."""
    layout, source, receptor, octaves, total = CASES[case]
    levels = n.octave_levels_db(POWER, source, receptor, layout, 20.0, 0.7)
    np.testing.assert_allclose(levels, octaves, atol=0.05)
    assert n.a_weighted_db(levels) == pytest.approx(total, abs=0.05)


def test_the_alternative_ground_method():
    """T05: the layout of T04 by clause 7.3.2 over flat ground, where the mean height is that of the line of sight."""
    plan = float(np.hypot(190, 40))
    distance = float(np.hypot(plan, 3))
    free = POWER - (20 * np.log10(distance) + 11) - n.absorption_db_m(20.0, 0.7) * distance
    level = n.a_weighted_db(free) - n.ground_a_weighted_db(distance, plan, 1.0, 4.0, 2.5)
    assert level == pytest.approx(39.30, abs=0.05)
    layout = n.Layout(a_weighted_ground=True)
    assert n.a_weighted_db(n.octave_levels_db(POWER, SOURCE, RECEPTOR, layout, 20.0, 0.7)) == pytest.approx(39.30, abs=0.05)


@pytest.mark.parametrize(
    ("air_c", "db_km"),
    [(20.0, [0.09, 0.34, 1.13, 2.8, 4.98, 9.02, 22.91, 76.62]), (10.0, [0.12, 0.41, 1.04, 1.93, 3.66, 9.66, 32.77, 116.88])],
)
def test_absorption_by_the_air(air_c, db_km):
    """ISO 9613-1 at 70 %; rounded as in ISO 9613-2 Table 2."""
    np.testing.assert_allclose(1000 * n.absorption_db_m(air_c, 0.7), db_km, atol=0.006)


def level(source, receptor, layout):
    return n.a_weighted_db(n.octave_levels_db(POWER, source, receptor, layout))


def test_twice_as_far_is_six_decibels_less_without_air():
    dry = n.absorption_db_m(10.0, 0.7)
    near, far = (n.octave_levels_db(POWER, (0, 0, 50.0), (x, 0, 50.0), n.Layout()) + dry * x for x in (40.0, 80.0))
    np.testing.assert_allclose(near - far, 20 * np.log10(2), atol=1e-9)


coordinates = st.floats(-80, 80).map(lambda v: round(v, 3))


@settings(max_examples=150)
@given(st.tuples(coordinates, coordinates), st.tuples(coordinates, coordinates), st.floats(0.5, 12), st.floats(0, 1))
def test_a_wall_never_makes_it_louder(a, b, height, g):
    source, receptor = (-90.0, 3.0, 1.5), (90.0, -4.0, 4.0)
    assert level(source, receptor, n.Layout(g=g, walls=[n.Wall(a, b, height)])) <= level(source, receptor, n.Layout(g=g)) + 1e-9


@pytest.mark.parametrize("x", [-60.0, 0.0, 70.0])
def test_a_higher_long_wall_is_quieter(x):
    levels = [level((-90.0, 3.0, 1.5), (90.0, -4.0, 4.0), n.Layout(walls=[n.Wall((x, -300), (x, 300), h)])) for h in (1, 3, 5, 8, 12)]
    assert levels == sorted(levels, reverse=True) and levels[0] - levels[-1] > 10


def test_gains_add_up():
    layout = n.Layout(g=0.3, walls=[n.Wall((50, -20), (50, 20), 5)])
    sources, receptors = np.array([[0.0, 0, 2], [0, 0, 2], [10, 30, 1]]), np.array([[100.0, 0, 4]])
    shape = np.tile([-24.0, -15, -9, -5, -5, -7, -11, -18], (3, 1))
    g = n.gains(sources, shape, receptors, layout)
    assert 10 * np.log10((g[0, 0] + g[0, 1]) / g[0, 0]) == pytest.approx(3.01, abs=0.01)
    power = shape[0] - 10 * np.log10(np.sum(10 ** (0.1 * shape[0]))) + 95 - n.A_WEIGHT_DB
    direct = n.a_weighted_db(n.octave_levels_db(power, sources[0], receptors[0], layout))
    assert 10 * np.log10(g[0, 0]) + 95 == pytest.approx(direct)


def test_weather_correction_only_far_away():
    assert n.meteorological_db(2.0, 50.0, 1.0, 4.0) == 0
    assert n.meteorological_db(2.0, 200.0, 1.0, 4.0) == pytest.approx(2.0 * (1 - 50 / 200))
