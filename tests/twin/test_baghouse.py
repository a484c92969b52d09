"""Baghouse: drag, operating point, pulses, by closed forms and by looking for the same answer another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kernels.baghouse import drag_pa_s_m, fan_flow_m3_s, left_after, pulsing_s

pressure = st.floats(100, 20_000)
flow = st.floats(0.01, 100)
resistance = st.floats(0, 1e9)


# --- drag ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("residual", "k2", "cake", "drag"), [(40_000, 60_000, 0, 40_000), (40_000, 60_000, 0.5, 70_000), (0, 30_000, 1, 30_000)]
)
def test_drag_by_hand(residual, k2, cake, drag):
    assert drag_pa_s_m(residual, k2, cake) == drag


@given(st.floats(0.001, 0.1), st.floats(1e-4, 0.05), st.floats(0, 3600))
def test_pressure_drop_grows_with_the_square_of_the_velocity_under_a_constant_load(v_m_s, load_kg_m3, t_s):
    """Δp = S_e·V + K₂·c·V²·t, the manual's form between two pulses."""
    drag = drag_pa_s_m(40_000.0, 60_000.0, load_kg_m3 * v_m_s * t_s)
    assert drag * v_m_s == pytest.approx(40_000 * v_m_s + 60_000 * load_kg_m3 * v_m_s**2 * t_s)


# --- fan against filter -------------------------------------------------------------------------------


@given(pressure, flow, resistance)
def test_the_operating_point_lies_on_both_curves(shutoff_pa, free_m3_s, r):
    q = fan_flow_m3_s(shutoff_pa, free_m3_s, r)
    assert 0 < q <= free_m3_s * (1 + 1e-12)
    # Relative to the larger term, for near free flow the fan's curve is a difference of equals.
    assert r * q == pytest.approx(shutoff_pa * (1 - (q / free_m3_s) ** 2), abs=1e-9 * shutoff_pa)


@given(pressure, flow, st.floats(0, 1e5))
def test_bisection_finds_the_same_point(shutoff_pa, free_m3_s, r):
    low, high = 0.0, free_m3_s
    for _ in range(80):
        q = 0.5 * (low + high)
        low, high = (q, high) if shutoff_pa * (1 - (q / free_m3_s) ** 2) > r * q else (low, q)
    assert fan_flow_m3_s(shutoff_pa, free_m3_s, r) == pytest.approx(q, rel=1e-9)


def test_without_resistance_it_blows_freely_and_against_a_wall_almost_nothing():
    assert fan_flow_m3_s(3500.0, 2.0, 0.0) == pytest.approx(2.0)
    assert fan_flow_m3_s(3500.0, 2.0, 1e9) == pytest.approx(3.5e-6, rel=1e-6)


# --- pulses -------------------------------------------------------------------------------------------


@given(st.floats(0, 1), st.floats(0, 20), st.floats(0, 20))
def test_pulses_in_one_step_or_in_two_leave_the_same(share, first, second):
    assert left_after(share, first) * left_after(share, second) == pytest.approx(left_after(share, first + second), abs=1e-12)


def test_no_pulse_leaves_all_and_a_full_one_nothing():
    assert left_after(0.12, 0.0) == 1 and left_after(0.0, 5.0) == 1 and left_after(1.0, 1.0) == 0
    assert left_after(0.12, 1.0) == pytest.approx(0.88)


@given(st.floats(0, 3000), st.floats(1, 600), st.floats(1, 200))
def test_pulsing_on_time_is_what_a_clock_would_count(t_s, every_s, cycle_s):
    n = 20_000
    at = (np.arange(n) + 0.5) * t_s / n
    counted = float(np.mean(at % (every_s + cycle_s) >= every_s)) * t_s
    edges = 2 * (t_s / (every_s + cycle_s) + 1)
    assert pulsing_s(t_s, every_s, cycle_s) == pytest.approx(counted, abs=edges * t_s / n + 1e-9)


def test_pulsing_on_time_by_hand():
    assert [pulsing_s(t, 300.0, 80.0) for t in (0.0, 300.0, 320.0, 380.0, 680.0, 700.0)] == [0, 0, 20, 80, 80, 100]
