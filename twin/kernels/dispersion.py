"""Gaussian plume: from kilograms a second at a source to kilograms a cubic metre at a receptor.

Sigmas by Briggs (1973) for open country and towns; reflection at the ground; wide sources are sums of points, each with an
initial spread that is added in quadrature, which keeps the closed form of a point source far away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from twin.jit import njit, njit_parallel
from twin.kernels.stability import wind_at_m_s

# Briggs: sigma_y = c·x·(1 + q·x)^-1/2; sigma_z = a·x·(1 + b·x)^e with e 0, ±1/2 or -1. Rows A–F (found).
RURAL_Y = np.array([0.22, 0.16, 0.11, 0.08, 0.06, 0.04])
URBAN_Y = np.array([0.32, 0.32, 0.22, 0.16, 0.11, 0.11])
RURAL_Z = np.array(
    [[0.20, 0.0, 0.0], [0.12, 0.0, 0.0], [0.08, 0.0002, -0.5], [0.06, 0.0015, -0.5], [0.03, 0.0003, -1.0], [0.016, 0.0003, -1.0]]
)
URBAN_Z = np.array(
    [[0.24, 0.001, 0.5], [0.24, 0.001, 0.5], [0.20, 0.0, 0.0], [0.14, 0.0003, -0.5], [0.08, 0.0015, -0.5], [0.08, 0.0015, -0.5]]
)
RURAL_Q, URBAN_Q = 1e-4, 4e-4
NEAR_M = 1.0  # closer than that the formula has no meaning
FAR = 40.0  # of an exponent: e^-40 is nothing


@njit
def sigma_y_m(x_m: float, stability: int, urban: bool) -> float:
    """Horizontal spread at a distance downwind."""
    if urban:
        return URBAN_Y[stability] * x_m / np.sqrt(1.0 + URBAN_Q * x_m)
    return RURAL_Y[stability] * x_m / np.sqrt(1.0 + RURAL_Q * x_m)


@njit
def sigma_z_m(x_m: float, stability: int, urban: bool) -> float:
    """Vertical spread at a distance downwind."""
    table = URBAN_Z if urban else RURAL_Z
    return _spread(table[stability, 0], table[stability, 1], table[stability, 2], x_m)


@njit
def _spread(a: float, b: float, e: float, x_m: float) -> float:
    """a·x·(1 + b·x)^e for the four exponents there are; a general power would cost five times as much."""
    grown = 1.0 + b * x_m
    if e == 0.0:
        return a * x_m
    if e == -0.5:
        return a * x_m / np.sqrt(grown)
    if e == 0.5:
        return a * x_m * np.sqrt(grown)
    return a * x_m / grown


@njit
def plume_s_m3(y_m: float, z_m: float, height_m: float, wind_m_s: float, sigma_y: float, sigma_z: float) -> float:
    """Concentration over source rate, s/m³, with the ground as a mirror.

    Args:
        y_m: across the wind; z_m: of the receptor; height_m: of the release; wind_m_s: at the release.
        sigma_y, sigma_z: spreads at the receptor's distance, m.
    """
    across = y_m * y_m / (2.0 * sigma_y * sigma_y)
    below, above = z_m - height_m, z_m + height_m
    s2 = 0.5 / (sigma_z * sigma_z)
    near = across + below * below * s2
    if near > FAR:
        return 0.0
    vertical = np.exp(-near) + np.exp(-across - above * above * s2)
    return vertical / (2.0 * np.pi * wind_m_s * sigma_y * sigma_z)


@njit
def matrix(points: Any, owner: Any, receptors: Any, wind_from_deg: float, wind_m_s: float, stability: int, urban: bool, out: Any) -> None:
    """Concentration at each receptor for each source that emits 1 kg/s, for one weather.

    Args:
        points: float64 [point, 6]: x (east), y (north), height, initial sigma y and z, in m, and share of its source.
        owner: int64 [point], number of the point's source.
        receptors: float64 [receptor, 3], m.
        wind_from_deg: where the wind at 10 m comes from, clockwise from north; wind_m_s: its speed.
        stability: 0–5; urban: which sigmas.
        out: float64 [receptor, source], filled in, s/m³.
    """
    towards = np.radians(wind_from_deg + 180.0)
    ex, ey = np.sin(towards), np.cos(towards)
    for r in range(out.shape[0]):
        for s in range(out.shape[1]):
            out[r, s] = 0.0
        for k in range(points.shape[0]):
            dx, dy = receptors[r, 0] - points[k, 0], receptors[r, 1] - points[k, 1]
            x = dx * ex + dy * ey
            if x < NEAR_M:
                continue
            y = dy * ex - dx * ey
            sy, sz = sigma_y_m(x, stability, urban), sigma_z_m(x, stability, urban)
            sy, sz = np.sqrt(sy * sy + points[k, 3] ** 2), np.sqrt(sz * sz + points[k, 4] ** 2)
            u = wind_at_m_s(wind_m_s, points[k, 2], stability, urban)
            out[r, owner[k]] += points[k, 5] * plume_s_m3(y, receptors[r, 2], points[k, 2], u, sy, sz)


@njit
def decay(z: float) -> float:
    """e^-z for 0 ≤ z ≤ `FAR` within 2e-11: a Taylor series of the 512th part, squared nine times. Without a branch or a call, so
    that the processor works on several at once.
    """
    r = z * (-1.0 / 512.0)
    p = 1.0 + r * (1.0 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040)))))))
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    return p * p


@njit
def row_of(
    px: float, py: float, h: float, sy0: float, sz0: float, ex: float, ey: float, c: int, urban: bool, strength: float, at: Any, row: Any
) -> None:
    """Add what one point gives to all receptors: `plume_s_m3` with both denominators multiplied out, so that one division and one root do.

    Args:
        px, py, h: the point; sy0, sz0: squares of its initial spreads, m².
        ex, ey: where the wind blows to.
        strength: rate over 2π and wind, kg/m.
        at: float64 [3, receptor]; row: float64 [receptor], added to, kg/m³.
    """
    cy, q = (URBAN_Y[c], URBAN_Q) if urban else (RURAL_Y[c], RURAL_Q)
    a, b, e = (URBAN_Z[c, 0], URBAN_Z[c, 1], URBAN_Z[c, 2]) if urban else (RURAL_Z[c, 0], RURAL_Z[c, 1], RURAL_Z[c, 2])
    # sigma_z² = (a·x)²·(1 + b·x)^2e has a numerator or a denominator of the first or second degree.
    up, down, more = (b if e > 0.0 else 0.0), (b if e < 0.0 else 0.0), (b if e < -0.5 else 0.0)
    cy2, a2 = cy * cy, a * a
    for r in range(row.shape[0]):
        dx, dy, z = at[0, r] - px, at[1, r] - py, at[2, r]
        along, y = dx * ex + dy * ey, dy * ex - dx * ey
        x = along if along > NEAR_M else NEAR_M
        below_y, below_z = 1.0 + q * x, (1.0 + down * x) * (1.0 + more * x)
        over_y, over_z = cy2 * x * x + sy0 * below_y, a2 * x * x * (1.0 + up * x) + sz0 * below_z
        inverse = 1.0 / (over_y * over_z)
        half = 0.5 * inverse * below_z * over_y  # 1/(2·sigma_z²)
        near = 0.5 * y * y * inverse * below_y * over_z + (z - h) * (z - h) * half
        mirror = 4.0 * z * h * half  # the way over the ground is longer by so much in the exponent
        vertical = decay(near if near < FAR else FAR) * (1.0 + decay(mirror if mirror < FAR else FAR))
        kept = strength if along >= NEAR_M else 0.0
        kept = kept if near <= FAR else 0.0
        row[r] += kept * vertical * np.sqrt(below_y * below_z * inverse)


@njit_parallel
def series(
    points: Any, owner: Any, receptors: Any, wind_from_deg: Any, wind_m_s: Any, stability: Any, urban: bool, rate: Any, out: Any
) -> None:
    """Concentrations of many minutes at once; the figures of `matrix` times the rates, minute by minute, within 1e-10.

    Args:
        points, owner, receptors: as in `matrix`.
        wind_from_deg, wind_m_s: float64 [minute]; stability: int64 [minute].
        rate: float64 [minute, source], kg/s.
        out: float64 [minute, receptor], filled in, kg/m³.
    """
    at = receptors.T.copy()
    for t in prange(out.shape[0]):
        towards = np.radians(wind_from_deg[t] + 180.0)
        ex, ey = np.sin(towards), np.cos(towards)
        row = out[t]
        for r in range(row.shape[0]):
            row[r] = 0.0
        for k in range(points.shape[0]):
            strength = rate[t, owner[k]] * points[k, 5]
            if strength <= 0.0:
                continue
            h = points[k, 2]
            strength /= 2.0 * np.pi * wind_at_m_s(wind_m_s[t], h, stability[t], urban)
            row_of(points[k, 0], points[k, 1], h, points[k, 3] ** 2, points[k, 4] ** 2, ex, ey, stability[t], urban, strength, at, row)
