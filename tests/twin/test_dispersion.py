"""Gaussian plume: published sigmas and examples, closed forms, mass through a plane, and its plain NumPy twin."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.kernels import dispersion as d
from twin.kernels import stability as s

# Briggs' sigmas at 1.2 m, classes A to F, as another code prints them (after CCPS 1999).
RURAL_Y = [0.2639841614254575, 0.19198848103669636, 0.13199208071272875, 0.09599424051834818, 0.07199568038876113, 0.04799712025917409]
RURAL_Z = [0.24, 0.144, 0.09598848207318536, 0.07193528733898633, 0.03598704466392099, 0.019193090487424527]
URBAN_Y = [0.38390787316433456, 0.38390787316433456, 0.26393666280048, 0.19195393666217728, 0.13196833140024, 0.13196833140024]
URBAN_Z = [0.2881727481910807, 0.2881727481910807, 0.24, 0.16796976816235135, 0.09591371646531512, 0.09591371646531512]


@pytest.mark.parametrize("urban", [False, True])
def test_briggs_sigmas_of_all_classes(urban):
    y, z = (URBAN_Y, URBAN_Z) if urban else (RURAL_Y, RURAL_Z)
    assert [d.sigma_y_m(1.2, c, urban) for c in range(6)] == pytest.approx(y, rel=1e-7)
    assert [d.sigma_z_m(1.2, c, urban) for c in range(6)] == pytest.approx(z, rel=1e-7)


def test_worked_examples():
    """Turner's workbook (AP-26) problems 1–3; Fundamentals of Air Pollution 3e p. 303; CCPS 1999 p. 97 by its own sigmas."""
    assert 3 * d.plume_s_m3(0.0, 0.0, 0.0, 7.0, 190.0, 65.0) == pytest.approx(1.1e-5, rel=0.01)
    assert 80 * d.plume_s_m3(0.0, 0.0, 60.0, 6.0, 36.0, 18.5) == pytest.approx(3.3e-5, rel=0.01)
    assert 80 * d.plume_s_m3(50.0, 0.0, 60.0, 6.0, 36.0, 18.5) == pytest.approx(1.3e-5, rel=0.04)
    assert 0.37 * d.plume_s_m3(0.0, 0.0, 40.0, 2.0, 49.05, 28.3) == pytest.approx(15.6e-6, rel=0.005)
    spread = math.sqrt(153.8)
    assert 0.1 * d.plume_s_m3(0.0, 0.0, 0.0, 2.0, spread, spread) == pytest.approx(1.0346728e-4, rel=0.001)


@pytest.mark.parametrize(("urban", "sigmas", "ug"), [(False, (39.036, 22.678), 96.307), (True, (73.03, 65.275), 21.678)])
def test_a_neutral_plume_at_500_m(urban, sigmas, ug):
    y, z = d.sigma_y_m(500.0, s.D, urban), d.sigma_z_m(500.0, s.D, urban)
    assert (y, z) == pytest.approx(sigmas, rel=1e-4)
    assert 1e6 * d.plume_s_m3(0.0, 0.0, 15.0, 3.0, y, z) == pytest.approx(ug, rel=1e-4)


@pytest.mark.parametrize("stability", range(6))
@pytest.mark.parametrize("urban", [False, True])
def test_what_crosses_a_plane_is_what_the_source_gives_off(stability, urban):
    x, height, wind = 120.0, 6.0, 3.0
    sy, sz = d.sigma_y_m(x, stability, urban), d.sigma_z_m(x, stability, urban)
    ys, zs = np.linspace(-8 * sy, 8 * sy, 401), np.linspace(0, height + 8 * sz, 801)
    c = np.array([[d.plume_s_m3(y, z, height, wind, sy, sz) for z in zs] for y in ys])
    assert wind * np.trapezoid(np.trapezoid(c, zs, axis=1), ys) == pytest.approx(1.0, rel=1e-3)


def test_the_greatest_ground_concentration_has_its_closed_form():
    """With sigma_y/sigma_z constant it is 2Q/(π·e·u·H²)·sigma_z/sigma_y, where sigma_z = H/√2 (rural class A: 0.22/0.20 near by)."""
    height, wind = 5.0, 2.0
    c = [d.plume_s_m3(0.0, 0.0, height, wind, 1.1 * sz, sz) for sz in np.linspace(0.5, 30, 20001)]
    assert max(c) == pytest.approx(2 / (math.pi * math.e * wind * height**2) / 1.1, rel=1e-6)
    assert np.linspace(0.5, 30, 20001)[int(np.argmax(c))] == pytest.approx(height / math.sqrt(2), rel=1e-3)


def test_wind_profile_exponents():
    """Irwin's exponents (from the wind speeds of another code's tests): 3 m/s at 1 m raised to 10 m."""
    for urban, table in ((False, [0.07, 0.07, 0.1, 0.15, 0.35, 0.55]), (True, [0.15, 0.15, 0.2, 0.25, 0.4, 0.6])):
        for c, p in enumerate(table):
            assert s.wind_at_m_s(4.0, 40.0, c, urban) == pytest.approx(4.0 * 4.0**p)
    assert s.wind_at_m_s(0.1, 2.0, s.F, False) == s.CALM_M_S


def test_stability_by_sun_cloud_and_wind():
    assert s.pasquill(70.0, 0.1, 1.0) == s.A and s.pasquill(50.0, 0.1, 12.0) in (s.C, s.D)
    assert s.pasquill(-10.0, 0.1, 2.0) == s.F and s.pasquill(-10.0, 0.1, 12.0) == s.D
    assert {s.pasquill(e, 1.0, w) for e in (-20.0, 10.0, 60.0) for w in (1.0, 5.0, 12.0)} == {s.D}
    for wind in (0.5, 2.0, 4.0, 6.0):
        assert s.pasquill(65.0, 0.2, wind) <= s.pasquill(30.0, 0.2, wind) <= s.pasquill(-5.0, 0.2, wind)


# --- the matrix and the series ------------------------------------------------------------------------


def layout(seed):
    rng = np.random.default_rng(seed)
    n, m = 9, 5
    points = np.c_[rng.uniform(0, 120, (n, 2)), rng.uniform(0.5, 20, n), rng.uniform(0.5, 6, (n, 2)), rng.uniform(0.2, 1, n)]
    receptors = np.c_[rng.uniform(-100, 220, (m, 2)), rng.uniform(0, 5, m)]
    return points, rng.integers(0, 4, n), receptors, rng


def plain(points, owner, receptors, wind_from, wind, stability, urban):
    """The same in NumPy, all pairs at once."""
    a = np.radians(wind_from + 180)
    dx, dy = receptors[:, None, 0] - points[None, :, 0], receptors[:, None, 1] - points[None, :, 1]
    x, y = dx * np.sin(a) + dy * np.cos(a), dy * np.sin(a) - dx * np.cos(a)
    far = np.maximum(x, 1.0)
    table, q = (d.URBAN_Z, d.URBAN_Q) if urban else (d.RURAL_Z, d.RURAL_Q)
    c = (d.URBAN_Y if urban else d.RURAL_Y)[stability]
    sy = np.sqrt((c * far) ** 2 / (1 + q * far) + points[:, 3] ** 2)
    sz = np.sqrt((table[stability, 0] * far * (1 + table[stability, 1] * far) ** table[stability, 2]) ** 2 + points[:, 4] ** 2)
    p = (s.URBAN if urban else s.RURAL)[stability]
    u = np.maximum(wind * (np.clip(points[:, 2], 1, 200) / 10) ** p, s.CALM_M_S)
    below, above = receptors[:, None, 2] - points[:, 2], receptors[:, None, 2] + points[:, 2]
    vertical = np.exp(-(below**2) / (2 * sz**2)) + np.exp(-(above**2) / (2 * sz**2))
    chi = np.where(x < 1.0, 0.0, points[:, 5] * np.exp(-(y**2) / (2 * sy**2)) * vertical / (2 * np.pi * u * sy * sz))
    out = np.zeros((len(receptors), owner.max() + 1))
    for k, source in enumerate(owner):
        out[:, source] += chi[:, k]
    return out


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.floats(0, 360), st.floats(0.3, 20), st.integers(0, 5), st.booleans())
def test_matrix_agrees_with_numpy_and_with_the_series(seed, wind_from, wind, stability, urban):
    points, owner, receptors, rng = layout(seed)
    out = np.zeros((len(receptors), owner.max() + 1))
    d.matrix(points, owner, receptors, wind_from, wind, stability, urban, out)
    np.testing.assert_allclose(out, plain(points, owner, receptors, wind_from, wind, stability, urban), rtol=1e-9, atol=1e-17)
    assert (out >= 0).all()
    rate, found = rng.uniform(0, 2, (1, out.shape[1])), np.zeros((1, len(receptors)))
    d.series(points, owner, receptors, np.array([wind_from]), np.array([wind]), np.array([stability]), urban, rate, found)
    np.testing.assert_allclose(found[0], out @ rate[0], rtol=1e-9, atol=1e-17)


def test_nothing_goes_against_the_wind_and_both_sides_are_alike():
    points, owner = np.array([[0.0, 0.0, 5.0, 1.0, 1.0, 1.0]]), np.array([0])
    receptors = np.array([[-50.0, 0.0, 2.0], [80.0, 30.0, 2.0], [80.0, -30.0, 2.0]])
    out = np.zeros((3, 1))
    d.matrix(points, owner, receptors, 270.0, 3.0, s.D, True, out)  # from the west
    assert out[0, 0] == 0 and out[1, 0] > 0 and out[1, 0] == pytest.approx(out[2, 0], rel=1e-12)


def test_threads_change_no_bit():
    points, owner, receptors, rng = layout(5)
    minutes = 500
    weather = rng.uniform(0, 360, minutes), rng.uniform(0.5, 9, minutes), rng.integers(0, 6, minutes)
    rate = rng.uniform(0, 1, (minutes, owner.max() + 1))
    found = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        found.append(np.zeros((minutes, len(receptors))))
        d.series(points, owner, receptors, *weather, True, rate, found[-1])
    assert (found[0] == found[1]).all()
