"""Flow: travel, emptying and irregularity by closed forms, by fine numerical integration, and over any split of the step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.kernels.flow import drained_kg, irregularity, travel

share = st.floats(0, 1)
rate = st.floats(0.05, 20)
seconds = st.floats(0.001, 10)


# --- travel -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opening", "target", "rate_s", "dt_s", "new", "integral"),
    [
        (0.0, 1.0, 2.0, 3.0, 1.0, 2.75),  # half a second of stroke, then open
        (1.0, 0.0, 2.0, 3.0, 0.0, 0.25),  # the tail of a closing gate
        (0.0, 1.0, 0.5, 1.0, 0.5, 0.25),  # still on its way
        (1.0, 0.2, 1.0, 0.5, 0.5, 0.375),
        (0.3, 0.3, 1.0, 2.0, 0.3, 0.6),  # stands
        (0.4, 1.0, 1.0, 0.0, 0.4, 0.0),  # no time
    ],
)
def test_travel_by_hand(opening, target, rate_s, dt_s, new, integral):
    assert travel(opening, target, rate_s, dt_s) == pytest.approx((new, integral), abs=1e-12)


@given(share, share, rate, seconds)
def test_travel_integral_is_the_area_under_the_opening(opening, target, rate_s, dt_s):
    t = (np.arange(20_000) + 0.5) * dt_s / 20_000
    path = opening + np.clip(target - opening, -rate_s * t, rate_s * t)
    new, integral = travel(opening, target, rate_s, dt_s)
    assert integral == pytest.approx(path.mean() * dt_s, abs=1e-5 * dt_s)
    assert new == pytest.approx(opening + np.clip(target - opening, -rate_s * dt_s, rate_s * dt_s), abs=1e-12)


@given(share, share, rate, seconds, st.integers(1, 25))
def test_travel_is_the_same_for_any_split_of_the_step(opening, target, rate_s, dt_s, n):
    new, integral = travel(opening, target, rate_s, dt_s)
    at, total = opening, 0.0
    for _ in range(n):
        at, piece = travel(at, target, rate_s, dt_s / n)
        total += piece
    assert (at, total) == pytest.approx((new, integral), abs=1e-9)


@given(share, share, rate, seconds)
def test_travel_never_leaves_its_range(opening, target, rate_s, dt_s):
    new, integral = travel(opening, target, rate_s, dt_s)
    assert min(opening, target) <= new <= max(opening, target)
    assert min(opening, target) * dt_s - 1e-12 <= integral <= max(opening, target) * dt_s + 1e-12


# --- emptying -----------------------------------------------------------------------------------------

held = st.floats(0, 5000)
flow = st.floats(0, 500)
knee = st.floats(1, 200)


def drained_numerically(held_kg, rate_kg_s, knee_kg, dt_s, n=3000):
    """dm/dt = -q·min(1, m/knee) by the midpoint rule."""
    m, h = held_kg, dt_s / n
    for _ in range(n):
        middle = m - 0.5 * h * rate_kg_s * min(1.0, m / knee_kg)
        m -= h * rate_kg_s * min(1.0, middle / knee_kg)
    return held_kg - m


@settings(max_examples=40)
@given(st.floats(1, 2000), st.floats(1, 200), st.floats(20, 200), st.floats(0.01, 10))
def test_drained_agrees_with_numerical_integration(held_kg, rate_kg_s, knee_kg, dt_s):
    expected = drained_numerically(held_kg, rate_kg_s, knee_kg, dt_s)
    assert drained_kg(held_kg, rate_kg_s, knee_kg, dt_s) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_drained_by_hand():
    assert drained_kg(1000.0, 50.0, 20.0, 2.0) == pytest.approx(100.0)
    assert drained_kg(20.0, 50.0, 20.0, 0.4) == pytest.approx(20 * (1 - math.exp(-1)))
    assert drained_kg(70.0, 50.0, 20.0, 1.4) == pytest.approx(70 - 20 * math.exp(-1))


@given(held, flow, knee, seconds, st.integers(1, 25))
def test_drained_adds_up_over_any_split_of_the_step(held_kg, rate_kg_s, knee_kg, dt_s, n):
    left = held_kg
    for _ in range(n):
        left -= drained_kg(left, rate_kg_s, knee_kg, dt_s / n)
    assert held_kg - left == pytest.approx(drained_kg(held_kg, rate_kg_s, knee_kg, dt_s), rel=1e-9, abs=1e-9)


@given(held, st.floats(-10, 1e6), knee, seconds)
def test_a_hopper_gives_neither_more_than_it_holds_nor_less_than_nothing(held_kg, rate_kg_s, knee_kg, dt_s):
    assert 0.0 <= drained_kg(held_kg, rate_kg_s, knee_kg, dt_s) <= held_kg


# --- irregularity -------------------------------------------------------------------------------------


@given(st.floats(0.05, 60), st.floats(0.001, 1))
def test_irregularity_keeps_a_variance_of_one(tau, dt_s):
    assert irregularity(1.0, tau, dt_s, 0.0) ** 2 + irregularity(0.0, tau, dt_s, 1.0) ** 2 == pytest.approx(1.0, abs=1e-12)


@given(st.floats(0.05, 60), st.floats(0.001, 1), st.integers(1, 10))
def test_irregularity_forgets_exponentially_whatever_the_step(tau, dt_s, n):
    x = 1.0
    for _ in range(n):
        x = irregularity(x, tau, dt_s / n, 0.0)
    assert x == pytest.approx(math.exp(-dt_s / tau), rel=1e-12)


def simulated(dt_s, seconds_long, tau):
    z = np.random.default_rng(5).standard_normal(round(seconds_long / dt_s))
    x, out = 0.0, np.empty(len(z))
    for i, value in enumerate(z):
        x = irregularity(x, tau, dt_s, value)
        out[i] = x
    return out


@pytest.mark.parametrize("dt_s", [0.01, 0.1])
def test_irregularity_has_the_same_statistics_at_10_and_100_ms(dt_s):
    tau = 0.2
    x = simulated(dt_s, 600, tau)
    samples = 600 / (2 * tau)  # independent ones
    assert x.mean() == pytest.approx(0, abs=4 / math.sqrt(samples))
    assert x.var() == pytest.approx(1, abs=4 * math.sqrt(2 / samples))
    for after_s in (0.1, 0.2, 0.4):
        lag = round(after_s / dt_s)
        assert np.mean(x[:-lag] * x[lag:]) / x.var() == pytest.approx(math.exp(-after_s / tau), abs=4 / math.sqrt(samples))
