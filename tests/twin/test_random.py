"""Noise: uniform and normal numbers by their moments, their distribution and their independence; the quantile by `statistics.NormalDist`."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kernels.random import bits, normal, normal_quantile, uniform

N = 20_000
UNIT = NormalDist()
MASK = 2**64 - 1


@pytest.fixture(scope="module")
def uniforms():
    return np.array([uniform(7, 3, t) for t in range(N)])


@pytest.fixture(scope="module")
def normals():
    return np.array([normal(7, 3, t) for t in range(N)])


def correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1])


def ks(cdf_values):
    """Kolmogorov–Smirnov distance times sqrt(n); 1.95 is passed by one good sample in a thousand."""
    u = np.sort(cdf_values)
    i = np.arange(1, len(u) + 1)
    return float(max((i / len(u) - u).max(), (u - (i - 1) / len(u)).max()) * math.sqrt(len(u)))


def test_uniform_has_the_moments_of_a_uniform(uniforms):
    assert uniforms.mean() == pytest.approx(0.5, abs=4 * math.sqrt(1 / 12 / N))
    assert uniforms.var() == pytest.approx(1 / 12, abs=4 * math.sqrt(1 / 180 / N))


def test_uniform_fills_the_interval_evenly(uniforms):
    assert uniforms.min() > 0 and uniforms.max() < 1
    assert ks(uniforms) < 1.95


def test_normal_has_the_moments_of_a_standard_normal(normals):
    assert normals.mean() == pytest.approx(0, abs=4 / math.sqrt(N))
    assert normals.var() == pytest.approx(1, abs=4 * math.sqrt(2 / N))
    assert (normals**3).mean() == pytest.approx(0, abs=4 * math.sqrt(15 / N))
    assert (normals**4).mean() == pytest.approx(3, abs=4 * math.sqrt(96 / N))


def test_normal_is_distributed_normally(normals):
    assert ks([UNIT.cdf(z) for z in normals]) < 1.95


@pytest.mark.parametrize("lag", [1, 2, 10, 100])
def test_ticks_are_independent(normals, lag):
    assert abs(correlation(normals[:-lag], normals[lag:])) < 4 / math.sqrt(N - lag)


@pytest.mark.parametrize("entity", [0, 2, 4, 11, 3 + 2**20])
def test_entities_are_independent(normals, entity):
    other = np.array([normal(7, entity, t) for t in range(N)])
    assert abs(correlation(normals, other)) < 4 / math.sqrt(N)


@pytest.mark.parametrize("seed", [6, 8, 7 + 2**32])
def test_seeds_are_independent(normals, seed):
    other = np.array([normal(seed, 3, t) for t in range(N)])
    assert abs(correlation(normals, other)) < 4 / math.sqrt(N)


def test_one_sample_over_entities_is_normal_too():
    assert ks([UNIT.cdf(normal(7, e, 1000)) for e in range(5000)]) < 1.95


@given(st.floats(5.6e-17, 1 - 1.2e-16))
def test_quantile_is_the_inverse_of_the_normal_distribution(p):
    assert normal_quantile(p) == pytest.approx(UNIT.inv_cdf(p), abs=1e-6)


@pytest.mark.parametrize("p", [5.6e-17, 1e-12, 0.0749999, 0.0750001, 0.5, 0.925, 0.9999, 1 - 1.2e-16])
def test_quantile_at_the_joints_of_its_branches(p):
    assert normal_quantile(p) == pytest.approx(UNIT.inv_cdf(p), abs=1e-6)


@given(st.integers(0, 2**62), st.integers(0, 2**40), st.integers(0, 2**62))
def test_noise_repeats_and_compiled_equals_plain_python(seed, entity, tick):
    seed, entity, tick = np.int64(seed), np.int64(entity), np.int64(tick)
    assert normal(seed, entity, tick) == normal(seed, entity, tick)
    with np.errstate(over="ignore"):
        plain = int(bits.py_func(seed, entity, tick))
    assert bits(seed, entity, tick) == plain
    assert uniform(seed, entity, tick) == uniform.py_func(seed, entity, tick)
    assert normal(seed, entity, tick) == pytest.approx(normal_quantile.py_func(uniform(seed, entity, tick)), rel=1e-14)


def unshift(x, k):
    """Inverse of x ^ (x >> k)."""
    y = x
    for _ in range(64 // k + 1):
        y = x ^ (y >> k)
    return y


def tick_for(wanted):
    """The tick whose hash (seed 0, entity 0) is `wanted`: the hash run backwards."""
    golden, m1, m2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

    def over(z, m):
        return z * pow(m, -1, 2**64) & MASK

    z = (over(unshift(wanted, 31), m1) - golden) & MASK
    z = unshift(over(unshift(over(unshift(z, 31), m2), 27), m1), 30)
    z = over(z, golden)
    return np.int64(z - 2**64 if z >= 2**63 else z)


@pytest.mark.parametrize("wanted", [0, 2**11 - 1, 2**63, MASK - 2**11, MASK])
def test_the_extreme_hashes_still_give_a_number_inside_the_interval(wanted):
    tick = tick_for(wanted)
    assert bits(0, 0, tick) == wanted
    assert 0.0 < uniform(0, 0, tick) < 1.0
    assert math.isfinite(normal(0, 0, tick))
