"""Load cell: its transition against a numerical matrix exponential; overshoot and steady state of a second-order system."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kernels.loadcell import respond, transition

hz, damping = st.floats(0.3, 20), st.floats(0.06, 0.97)


def matrix(natural_hz, zeta, dt_s):
    return np.array(transition(natural_hz, zeta, dt_s)).reshape(2, 2)


def exponential(m):
    """Matrix exponential: Taylor series of the scaled matrix, squared up again."""
    halvings = max(0, math.ceil(math.log2(max(np.abs(m).sum(), 1e-9)))) + 3
    small, term, total = m / 2**halvings, np.eye(2), np.eye(2)
    for k in range(1, 25):
        term = term @ small / k
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total


@given(hz, damping, st.sampled_from([0.001, 0.01, 0.1]))
def test_transition_is_the_matrix_exponential(natural_hz, zeta, dt_s):
    w = 2 * math.pi * natural_hz
    expected = exponential(np.array([[0.0, 1.0], [-w * w, -2 * zeta * w]]) * dt_s)
    scale = np.array([[1, 1 / w], [w, 1]])
    assert matrix(natural_hz, zeta, dt_s) / scale == pytest.approx(expected / scale, abs=1e-9)


@given(hz, damping)
def test_ten_steps_of_10_ms_are_one_of_100_ms(natural_hz, zeta):
    w = 2 * math.pi * natural_hz
    scale = np.array([[1, 1 / w], [w, 1]])
    ten = np.linalg.matrix_power(matrix(natural_hz, zeta, 0.01), 10)
    assert ten / scale == pytest.approx(matrix(natural_hz, zeta, 0.1) / scale, abs=1e-9)


def course(natural_hz, zeta, dt_s, seconds, load):
    a = np.array(transition(natural_hz, zeta, dt_s))
    x, v, out = 0.0, 0.0, []
    for _ in range(round(seconds / dt_s)):
        x, v = respond(x, v, load, a)
        out.append(x)
    return np.array(out)


@pytest.mark.parametrize("zeta", [0.2, 0.4, 0.6, 0.8])
def test_overshoot_of_a_step(zeta):
    x = course(4.0, zeta, 0.0005, 2.0, 100.0)
    assert x.max() / 100 - 1 == pytest.approx(math.exp(-math.pi * zeta / math.sqrt(1 - zeta**2)), abs=2e-4)
    peak_s = (x.argmax() + 1) * 0.0005
    assert peak_s == pytest.approx(1 / (2 * 4.0 * math.sqrt(1 - zeta**2)), abs=0.001)


@pytest.mark.parametrize("dt_s", [0.01, 0.1])
def test_the_reading_settles_on_the_load(dt_s):
    assert course(4.0, 0.6, dt_s, 5.0, 1234.5)[-1] == pytest.approx(1234.5, abs=1e-9)


def test_a_reading_on_its_load_stays_there():
    assert respond(50.0, 0.0, 50.0, np.array(transition(4.0, 0.6, 0.01))) == (50.0, 0.0)
