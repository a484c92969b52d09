"""Mixing: closed forms, hand calculation, the water rule of JGJ 55-2011, and the directions an operator knows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kernels.mixing import (
    DENSITY,
    HEAT,
    blend_temperature_c,
    concrete_volume_m3,
    slump_mm,
    turning_power_kw,
    unmixed_share,
    water_binder,
)

# cement, fly ash, slag, sand, stone, water, admixture of one cubic metre
CHARGE = np.array([280.0, 55.0, 60.0, 760.0, 1050.0, 165.0, 8.0, 0.0])
masses = st.lists(st.floats(0, 2000), min_size=8, max_size=8).map(np.array)


# --- how well mixed -----------------------------------------------------------------------------------


def test_turning_mixes_exponentially():
    assert unmixed_share(1.0, 7000.0, 0.0, 1.0, 5.0, 30.0) == pytest.approx(math.exp(-6))
    assert unmixed_share(1.0, 7000.0, 0.0, 0.5, 5.0, 30.0) == pytest.approx(math.exp(-3))


def test_what_comes_in_is_unmixed():
    assert unmixed_share(0.0, 6000.0, 2000.0, 0.0, 5.0, 1.0) == pytest.approx(0.25)


def test_an_empty_mixer_starts_unmixed():
    assert unmixed_share(0.1, 0.0, 0.0, 1.0, 5.0, 1.0) == 1.0


@given(st.floats(0, 1), st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1), st.floats(0.1, 100), st.floats(0.001, 10))
def test_unmixed_share_stays_a_share(unmixed, held, added, speed, tau, dt_s):
    assert 0 <= unmixed_share(unmixed, held, added, speed, tau, dt_s) <= 1


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 50))
def test_mixing_is_the_same_for_any_split_of_the_step(unmixed, speed, n):
    u = unmixed
    for _ in range(n):
        u = unmixed_share(u, 5000.0, 0.0, speed, 5.0, 10.0 / n)
    assert u == pytest.approx(unmixed_share(unmixed, 5000.0, 0.0, speed, 5.0, 10.0), rel=1e-12)


# --- temperature --------------------------------------------------------------------------------------


@given(masses, st.lists(st.floats(-20, 90), min_size=8, max_size=8).map(np.array))
def test_blending_conserves_heat(kg, celsius):
    mixed = blend_temperature_c(kg, celsius)
    if kg.sum() > 1e-6:
        assert mixed * (kg * HEAT).sum() == pytest.approx((kg * HEAT * celsius).sum(), rel=1e-9, abs=1e-6)
        assert celsius.min() - 1e-9 <= mixed <= celsius.max() + 1e-9


def test_ten_degrees_of_cement_warm_concrete_by_about_one():
    """The rule of thumb of ACI 207.4R and 305R."""
    cool = np.full(8, 20.0)
    warm = cool + np.array([10.0, 0, 0, 0, 0, 0, 0, 0])
    assert blend_temperature_c(CHARGE, warm) - blend_temperature_c(CHARGE, cool) == pytest.approx(1.0, abs=0.3)


# --- volume and water ---------------------------------------------------------------------------------


def test_volume_by_hand():
    kg = np.array([310.0, 0.0, 0.0, 795.0, 1080.0, 160.0, 0.0, 0.0])  # 0.1 + 0.3 + 0.4 + 0.16 m³ of matter
    assert concrete_volume_m3(kg) == pytest.approx(0.96 / 0.99)


def test_water_binder_counts_all_binders_and_needs_one():
    assert water_binder(np.array([200.0, 100.0, 100.0, 700, 1000, 160.0, 5.0, 0.0])) == pytest.approx(0.4)
    assert water_binder(np.array([0.0, 0, 0, 700, 1000, 160, 0, 0])) == 0.0


# --- slump --------------------------------------------------------------------------------------------


def wetter(kg, litres):
    """The same volume, sand ratio and binder with so much more water: aggregate gives way."""
    per_kg = (kg[3] / DENSITY[3] + kg[4] / DENSITY[4]) / (kg[3] + kg[4])
    out = kg.copy()
    out[3:5] *= 1 - litres / 1000 / per_kg / (kg[3] + kg[4])
    out[5] += litres
    return out


def test_five_kg_of_water_give_twenty_mm_of_slump():
    kg = CHARGE / concrete_volume_m3(CHARGE)
    base = slump_mm(kg, 0.0)
    assert 20 < base < 220
    assert concrete_volume_m3(wetter(kg, 5)) == pytest.approx(1.0)
    assert slump_mm(wetter(kg, 5), 0.0) - base == pytest.approx(20, abs=0.01)


def test_slump_is_what_the_water_demand_table_says():
    """JGJ 55-2011 Table 5.2.1-2, no admixture: 215 kg/m³ of water for 75–90 mm with 20 mm crushed stone."""
    kg = np.array([360.0, 0, 0, 0.42 * 1800, 0.58 * 1800, 215.0, 0, 0])
    for _ in range(20):  # fill one cubic metre with aggregate
        room = 1 - concrete_volume_m3(kg)
        kg[3:5] *= 1 + room * 0.99 / (kg[3] / DENSITY[3] + kg[4] / DENSITY[4])
    assert concrete_volume_m3(kg) == pytest.approx(1)
    assert slump_mm(kg, 0.0) == pytest.approx(90, abs=0.5)


@given(st.floats(0.5, 12))
def test_slump_does_not_depend_on_the_size_of_the_charge(m3):
    assert slump_mm(CHARGE * m3, 0.0) == pytest.approx(slump_mm(CHARGE, 0.0))


def test_admixture_raises_and_fineness_lowers_the_slump():
    more = CHARGE + np.array([0, 0, 0, 0, 0, 0, 1.0, 0])
    assert slump_mm(more, 0.0) > slump_mm(CHARGE, 0.0) > slump_mm(CHARGE, 0.03)


@given(masses, st.floats(-0.05, 0.05))
def test_slump_stays_within_the_cone(kg, fine):
    assert 0 <= slump_mm(kg, fine) <= 260


# --- power --------------------------------------------------------------------------------------------


def test_power_at_the_reference_charge_is_the_rated_one():
    assert turning_power_kw(18.0, 75.0, 1.0, 180.0, 0.0, 0.0, 1.0) == pytest.approx(75)
    assert turning_power_kw(18.0, 75.0, 0.0, 0.0, 1.0, 0.0, 1.0) == pytest.approx(18)
    assert turning_power_kw(18.0, 75.0, 1.0, 180.0, 0.0, 0.0, 0.0) == 0


@given(st.floats(0, 259), st.floats(0.1, 1.2), st.floats(0, 1))
def test_stiffer_concrete_turns_harder(slump, fill, unmixed):
    """Strictly so in the range in which an operator reads the slump from the ammeter."""
    stiff = turning_power_kw(18.0, 75.0, fill, slump, unmixed, 0.0, 1.0)
    softer = turning_power_kw(18.0, 75.0, fill, slump + 1, unmixed, 0.0, 1.0)
    assert stiff > softer if slump >= 100 else stiff >= softer


@given(st.floats(0, 260), st.floats(0.1, 1.2), st.floats(0, 0.9))
def test_fuller_and_less_mixed_turn_harder(slump, fill, unmixed):
    base = turning_power_kw(18.0, 75.0, fill, slump, unmixed, 0.0, 1.0)
    assert turning_power_kw(18.0, 75.0, fill + 0.1, slump, unmixed, 0.0, 1.0) > base
    assert turning_power_kw(18.0, 75.0, fill, slump, unmixed + 0.1, 0.0, 1.0) > base
