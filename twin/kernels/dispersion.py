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


@njit_parallel
def series(
    points: Any, owner: Any, receptors: Any, wind_from_deg: Any, wind_m_s: Any, stability: Any, urban: bool, rate: Any, out: Any
) -> None:
    """Concentrations of many minutes at once; the same figures as `matrix` times the rates, minute by minute.

    Args:
        points, owner, receptors: as in `matrix`.
        wind_from_deg, wind_m_s: float64 [minute]; stability: int64 [minute].
        rate: float64 [minute, source], kg/s.
        out: float64 [minute, receptor], filled in, kg/m³.
    """
    n, m = points.shape[0], receptors.shape[0]
    for t in prange(out.shape[0]):
        towards = np.radians(wind_from_deg[t] + 180.0)
        ex, ey = np.sin(towards), np.cos(towards)
        c = stability[t]
        cy, q = (URBAN_Y[c], URBAN_Q) if urban else (RURAL_Y[c], RURAL_Q)
        a, b, e = (URBAN_Z[c, 0], URBAN_Z[c, 1], URBAN_Z[c, 2]) if urban else (RURAL_Z[c, 0], RURAL_Z[c, 1], RURAL_Z[c, 2])
        for r in range(m):
            out[t, r] = 0.0
        for k in range(n):
            strength = rate[t, owner[k]] * points[k, 5]
            if strength <= 0.0:
                continue
            h, sy0, sz0 = points[k, 2], points[k, 3] * points[k, 3], points[k, 4] * points[k, 4]
            strength /= 2.0 * np.pi * wind_at_m_s(wind_m_s[t], h, c, urban)
            for r in range(m):
                dx, dy = receptors[r, 0] - points[k, 0], receptors[r, 1] - points[k, 1]
                x = dx * ex + dy * ey
                if x < NEAR_M:
                    continue
                y = dy * ex - dx * ey
                sy = cy * x
                sy2 = sy * sy / (1.0 + q * x) + sy0
                sz = _spread(a, b, e, x)
                sz2 = sz * sz + sz0
                inverse = 1.0 / (sy2 * sz2)  # one division for three
                half = 0.5 * inverse * sy2
                across, below = y * y * 0.5 * inverse * sz2, receptors[r, 2] - h
                near = across + below * below * half
                if near > FAR:
                    continue
                mirror = 4.0 * receptors[r, 2] * h * half  # the way over the ground is longer by so much in the exponent
                vertical = np.exp(-near)
                if mirror < FAR:
                    vertical *= 1.0 + np.exp(-mirror)
                out[t, r] += strength * vertical * np.sqrt(inverse)
