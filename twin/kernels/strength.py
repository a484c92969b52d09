"""Compressive strength of concrete from its masses and age: a fitted model and the plain JGJ 55 formula."""

from __future__ import annotations

import math

from twin.jit import njit
from twin.kernels.strength_coefficients import LINEAR, UNITS

# Scatter between specimens of one batch, coefficient of variation; a default to be set per plant. Upper end of
# "very good" field control in ACI 214R (3–4 % within-test; recalled). The model's error on an unseen mix is not this.
WITHIN_TEST_COV = 0.04

# Ordinary values where the aggregates are not given: medians of the fitted data.
USUAL_COARSE, USUAL_FINE_SHARE, USUAL_VOIDS = 968.0, 0.44, 0.0145
CEILING_MPA = 100.0
SCALE_MPA = 16.0


@njit
def _clip(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


@njit
def _features(
    cement: float,
    slag: float,
    fly_ash: float,
    water: float,
    admixture: float,
    age_d: float,
    coarse: float,
    fine: float,
) -> tuple[float, float, float, float, float, float, float, float, float, float, float]:
    """What the model sees, from inputs held to the range of the fitted data."""
    c = _clip(cement, 100.0, 560.0)
    s = _clip(slag, 0.0, 340.0)
    f = _clip(fly_ash, 0.0, 210.0)
    binder = _clip(c + s + f, 180.0, 660.0)
    # Water itself is held to the w/b range, not the ratio: holding only the ratio would leave the void
    # share moving with water and break the monotone fall of strength.
    w = _clip(water, max(110.0, 0.22 * binder), min(250.0, binder))
    a = _clip(admixture, 0.0, 34.0)
    if coarse > 0.0 and fine > 0.0:
        ca = _clip(coarse, 780.0, 1165.0)
        fa = _clip(fine, 575.0, 965.0)
        fine_share = fa / (ca + fa)
        solid = c / 3150.0 + s / 2900.0 + f / 2300.0 + (ca + fa) / 2650.0
        voids = _clip(1.0 - solid - w / 1000.0 - a / 1100.0, -0.035, 0.065)
    else:
        ca, fine_share, voids = USUAL_COARSE, USUAL_FINE_SHARE, USUAL_VOIDS
    return (
        math.log(_clip(age_d, 1.0, 365.0)),
        # Like Feret's (water + air)/binder. With the factor 4, a weight <= 0 here and >= 0 on voids, strength
        # falls with water at given aggregates too: 1/water >= 4/1000 up to 250 kg/m³.
        math.log(w / binder) + 4.0 * voids,
        s / binder,
        f / binder,
        math.sqrt(a),
        min(a, 4.0),
        c,
        binder,
        voids,
        fine_share,
        ca,
    )


@njit
def strength_mpa(
    cement: float,
    slag: float,
    fly_ash: float,
    water: float,
    admixture: float,
    age_d: float,
    coarse: float = 0.0,
    fine: float = 0.0,
) -> float:
    """Compressive strength of moist-cured concrete, MPa.

    Mean of small networks whose weight signs make strength rise with age and fall with water at otherwise
    given masses. Fitted by tools/fit_strength.py on Yeh (1998), UCI repository; see docs/strength.md.

    Args:
        cement, slag, fly_ash, water, admixture: kg per m³ of concrete.
        age_d: age, days.
        coarse, fine: kg/m³; either one 0 means not known, then ordinary aggregates are assumed.

    Returns:
        0–100 MPa. Inputs are held to cement 100–560, slag 0–340, fly ash 0–210, binder 180–660, water 110–250,
        water/binder 0.22–1.0, admixture 0–34, coarse 780–1165, fine 575–965 kg/m³ and age 1–365 d. Below 1 d
        and below 100 kg/m³ of cement strength goes linearly to 0; no water, no strength.
    """
    if not (cement > 0.0 and water > 0.0 and age_d > 0.0):
        return 0.0
    x = _features(cement, slag, fly_ash, water, admixture, age_d, coarse, fine)
    total = 0.0
    for n in range(UNITS.shape[0]):
        y = LINEAR[n, 0]
        for i in range(len(x)):
            y += LINEAR[n, 1 + i] * x[i]
        for h in range(UNITS.shape[1]):
            z = UNITS[n, h, 1]
            for i in range(len(x)):
                z += UNITS[n, h, 2 + i] * x[i]
            y += UNITS[n, h, 0] * (1.0 - 2.0 / (math.exp(2.0 * z) + 1.0))  # tanh, three times as fast
        total += max(y, 0.0) + math.log1p(math.exp(-abs(y)))  # softplus
    young = min(age_d, 1.0) * min(cement / 100.0, 1.0)
    return min(SCALE_MPA * total / UNITS.shape[0], CEILING_MPA) * young


@njit
def jgj55_strength_mpa(water_binder_ratio: float, fb_mpa: float, alpha_a: float = 0.53, alpha_b: float = 0.20) -> float:
    """28-day strength by JGJ 55-2011 5.1.1 turned round, MPa: fcu = aa·fb·(B/W − ab), not below 0.

    Args:
        water_binder_ratio: by mass; 0 or less gives 0, as there is no mix.
        fb_mpa: 28-day strength of the binder mortar, MPa.
        alpha_a, alpha_b: Table 5.1.2, crushed stone 0.53 and 0.20, pebble 0.49 and 0.13 (recalled).
    """
    if not water_binder_ratio > 0.0:
        return 0.0
    return max(alpha_a * fb_mpa * (1.0 / water_binder_ratio - alpha_b), 0.0)


@njit
def _fly_ash_factor(percent: float) -> float:
    """JGJ 55-2011 Table 5.1.3, mid values 1.00, 0.90, 0.80, 0.70, 0.60 at 0–40 %: one straight line (recalled)."""
    return 1.0 - 0.01 * _clip(percent, 0.0, 40.0)


@njit
def _slag_factor(percent: float) -> float:
    """JGJ 55-2011 Table 5.1.3, mid values 1.000, 0.975, 0.950, 0.850, 0.775 at 0, 20, 30, 40, 50 % (recalled)."""
    p = _clip(percent, 0.0, 50.0)
    if p <= 20.0:
        return 1.0 - 0.00125 * p
    if p <= 30.0:
        return 0.975 - 0.0025 * (p - 20.0)
    if p <= 40.0:
        return 0.95 - 0.01 * (p - 30.0)
    return 0.85 - 0.0075 * (p - 40.0)


@njit
def jgj55_binder_strength_mpa(cement: float, slag: float, fly_ash: float, cement_grade_mpa: float = 42.5, gamma_c: float = 1.16) -> float:
    """28-day strength of the binder mortar by JGJ 55-2011 5.1.3–5.1.4, MPa: fb = gf·gs·gc·grade.

    Args:
        cement, slag, fly_ash: kg/m³, or any one unit: only the shares of the binder count.
        cement_grade_mpa: strength class of the cement, MPa.
        gamma_c: surplus over the class, Table 5.1.4 (1.16 for 42.5; recalled).

    Returns:
        MPa; 0 without binder. Beyond 40 % fly ash and 50 % slag the table ends and the last factor is kept.
    """
    binder = cement + slag + fly_ash
    if not binder > 0.0:
        return 0.0
    return _fly_ash_factor(100.0 * fly_ash / binder) * _slag_factor(100.0 * slag / binder) * gamma_c * cement_grade_mpa
