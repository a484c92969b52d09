"""Atmospheric stability and the wind profile: what the Gaussian plume asks of the weather.

Classes are numbered 0 (A, very unstable) to 5 (F, stable).
"""

from __future__ import annotations

import numpy as np

from twin.jit import njit

A, B, C, D, E, F = range(6)

# Turner's method, EPA-454/R-99-005 Table 6-4 (found at webmet.com/met_monitoring/641.html, F and G taken together): class by
# wind speed (rows 0–1, 2–3, 4–5, 6, 7, 8–9, 10, 11, 12 and more knots) and net radiation index 4…-2 (columns).
TURNER = np.array(
    [
        [A, A, B, C, D, F, F],
        [A, B, B, C, D, F, F],
        [A, B, C, D, D, E, F],
        [B, B, C, D, D, E, F],
        [B, B, C, D, D, D, E],
        [B, C, C, D, D, D, E],
        [C, C, D, D, D, D, E],
        [C, C, D, D, D, D, D],
        [C, D, D, D, D, D, D],
    ]
)
WIND_KNOTS = np.array([1.0, 3.0, 5.0, 6.0, 7.0, 9.0, 10.0, 11.0])  # upper ends of the rows, for whole knots
# Irwin's exponents of the wind profile by class (found).
RURAL = np.array([0.07, 0.07, 0.10, 0.15, 0.35, 0.55])
URBAN = np.array([0.15, 0.15, 0.20, 0.25, 0.40, 0.60])
CALM_M_S = 0.5  # a plume has no meaning below


@njit
def pasquill(sun_deg: float, cloud: float, wind_m_s: float) -> int:
    """Pasquill class by Turner's method, EPA-454/R-99-005 Tables 6-4 to 6-6.

    Nobody reports ceilings here: an overcast sky is taken to hang below 7,000 ft (index 0 by day and night), broken
    cloud between 7,000 and 16,000 ft (one class of insolation less). Night is when the sun is down; the table's hour after
    sunrise and before sunset counts as day with slight insolation.

    Args:
        sun_deg: elevation of the sun; 0 or below is night.
        cloud: 0–1.
        wind_m_s: at 10 m; the table counts whole knots, so it is rounded to them.
    """
    overcast = cloud > 0.95
    if sun_deg > 0.0:
        insolation = 4 if sun_deg > 60.0 else 3 if sun_deg > 35.0 else 2 if sun_deg > 15.0 else 1
        index = insolation
        if overcast:
            index = 0
        elif cloud > 0.5:
            index = max(insolation - 1, 1)
    else:
        index = 0 if overcast else -1 if cloud > 0.4 else -2
    row = 0
    knots = np.floor(wind_m_s / 0.514444 + 0.5)
    while row < WIND_KNOTS.shape[0] and knots > WIND_KNOTS[row]:
        row += 1
    return int(TURNER[row, 4 - index])


@njit
def wind_at_m_s(wind_10_m_s: float, height_m: float, stability: int, urban: bool) -> float:
    """Wind at a height, by the power law with Irwin's exponents; never below a calm.

    Args:
        wind_10_m_s: at 10 m.
        height_m: held to 1–200 m.
        stability: 0–5.
    """
    exponent = URBAN[stability] if urban else RURAL[stability]
    return max(wind_10_m_s * (min(max(height_m, 1.0), 200.0) / 10.0) ** exponent, CALM_M_S)
