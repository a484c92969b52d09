"""Outdoor sound by ISO 9613-2:1996 in octave bands, read as ISO/TR 17534-3:2015 reads it.

A level at a receptor is the sound power less divergence, absorption, ground and screening (clauses 7.1–7.4). It is needed
once for each source and receptor of a layout, so this is plain Python; a run then only weighs and sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BANDS_HZ = (63, 125, 250, 500, 1000, 2000, 4000, 8000)
MIDBAND_HZ = np.array([1000.0 * 10 ** (0.3 * k) for k in range(-4, 4)])
A_WEIGHT_DB = np.array([-26.2, -16.1, -8.6, -3.2, 0.0, 1.2, 1.0, -1.1])  # IEC 61672-1
SOUND_M_S = 340.0
SINGLE_CAP_DB, DOUBLE_CAP_DB = 20.0, 25.0  # 7.4: screening over one edge, over two; around vertical edges there is no cap
NEAR_M = 1.0

Point = tuple[float, float]
Octaves = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wall:
    """A thin wall from one end to the other."""

    a: Point
    b: Point
    height_m: float


@dataclass(frozen=True, slots=True)
class Block:
    """A building: its corners in order, and its height."""

    corners: tuple[Point, ...]
    height_m: float


@dataclass(frozen=True, slots=True)
class Region:
    """Ground of one kind: a polygon with its G, 0 hard to 1 porous."""

    corners: tuple[Point, ...]
    g: float


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands between sources and receptors.

    Attributes:
        g: ground factor where no region says otherwise.
        a_weighted_ground: ground by 7.3.2 (A-weighted levels over porous ground) in place of 7.3.1.
    """

    walls: Sequence[Wall] = ()
    blocks: Sequence[Block] = ()
    regions: Sequence[Region] = ()
    g: float = 0.0
    a_weighted_ground: bool = False


# --- air and ground -----------------------------------------------------------------------------------


def absorption_db_m(air_c: float, humidity: float, pressure_hpa: float = 1013.25) -> Octaves:
    """Absorption by the air, dB/m, at the exact mid-bands (ISO 9613-1:1993, equations 3–5).

    Args:
        air_c: -20…50 °C.
        humidity: relative, 0.1–1.
        pressure_hpa: of the air.
    """
    t, t0, t01, pa = air_c + 273.15, 293.15, 273.16, pressure_hpa / 1013.25
    molar = 100 * humidity * 10 ** (-6.8346 * (t01 / t) ** 1.261 + 4.6151) / pa
    oxygen = pa * (24 + 4.04e4 * molar * (0.02 + molar) / (0.391 + molar))
    nitrogen = pa * (t / t0) ** -0.5 * (9 + 280 * molar * math.exp(-4.170 * ((t / t0) ** (-1 / 3) - 1)))
    f2 = MIDBAND_HZ**2
    relaxed = 0.01275 * math.exp(-2239.1 / t) / (oxygen + f2 / oxygen) + 0.1068 * math.exp(-3352.0 / t) / (nitrogen + f2 / nitrogen)
    out: Octaves = 8.686 * f2 * (1.84e-11 / pa * (t / t0) ** 0.5 + (t / t0) ** -2.5 * relaxed)
    return out


def ground_db(plan_m: float, source_m: float, receptor_m: float, g_source: float, g_middle: float, g_receptor: float) -> Octaves:
    """Attenuation by the ground, 7.3.1: regions at source, middle and receptor (Table 3).

    Args:
        plan_m: distance in plan; source_m, receptor_m: heights above ground.
        g_source, g_middle, g_receptor: mean G of the regions.
    """
    reach = 30 * (source_m + receptor_m)
    q = 0.0 if plan_m <= reach else 1 - reach / plan_m
    middle = np.array([-3 * q] + [-3 * q * (1 - g_middle)] * 7)
    return _end_region(source_m, plan_m, g_source) + _end_region(receptor_m, plan_m, g_receptor) + middle


def _end_region(h: float, d: float, g: float) -> Octaves:
    far = 1 - math.exp(-d / 50)
    a = 1.5 + 3.0 * math.exp(-0.12 * (h - 5) ** 2) * far + 5.7 * math.exp(-0.09 * h**2) * (1 - math.exp(-2.8e-6 * d**2))
    b = 1.5 + 8.6 * math.exp(-0.09 * h**2) * far
    c = 1.5 + 14.0 * math.exp(-0.46 * h**2) * far
    e = 1.5 + 5.0 * math.exp(-0.9 * h**2) * far
    hard = -1.5 * (1 - g)
    return np.array([-1.5, -1.5 + g * a, -1.5 + g * b, -1.5 + g * c, -1.5 + g * e, hard, hard, hard])


def ground_a_weighted_db(distance_m: float, plan_m: float, source_m: float, receptor_m: float, mean_height_m: float) -> float:
    """Ground by the alternative method 7.3.2, for A-weighted levels over porous ground; with the solid angle index D_Ω taken off."""
    ground = max(4.8 - 2 * mean_height_m / distance_m * (17 + 300 / distance_m), 0.0)
    mirror = (plan_m**2 + (source_m - receptor_m) ** 2) / (plan_m**2 + (source_m + receptor_m) ** 2)
    return ground - 10 * math.log10(1 + mirror)


def _g_along(layout: Layout, a: Point, b: Point, start_m: float, end_m: float) -> float:
    """Mean G between two distances from `a` on the way to `b`."""
    length = math.dist(a, b)
    lo, hi = max(start_m, 0.0), min(end_m, length)
    if hi - lo <= 0 or not layout.regions:
        return layout.g
    cuts = {lo, hi}
    for region in layout.regions:
        cuts |= {t * length for t in _crossings(a, b, region.corners) if lo < t * length < hi}
    marks = sorted(cuts)
    total = 0.0
    for s, e in zip(marks, marks[1:], strict=False):
        t = (s + e) / 2 / length
        at = (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]))
        total += (e - s) * next((r.g for r in layout.regions if _inside(at, r.corners)), layout.g)
    return total / (hi - lo)


# --- screening ----------------------------------------------------------------------------------------


def _crossings(a: Point, b: Point, corners: Sequence[Point]) -> Iterator[float]:
    """Where the way from `a` to `b` crosses a closed outline, as shares of the way."""
    for p, q in zip(corners, (*corners[1:], corners[0]), strict=True):
        t = _cross(a, b, p, q)
        if t is not None:
            yield t


def _cross(a: Point, b: Point, p: Point, q: Point) -> float | None:
    rx, ry, sx, sy = b[0] - a[0], b[1] - a[1], q[0] - p[0], q[1] - p[1]
    det = rx * sy - ry * sx
    if det == 0:
        return None
    t = ((p[0] - a[0]) * sy - (p[1] - a[1]) * sx) / det
    u = ((p[0] - a[0]) * ry - (p[1] - a[1]) * rx) / det
    return t if 0 < t < 1 and 0 <= u <= 1 else None


def _inside(at: Point, corners: Sequence[Point]) -> bool:
    x, y = at
    inside = False
    for (x1, y1), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def _hull(points: list[Point], sign: float) -> list[Point]:
    """Taut string from the first to the last point (by x) around the others, above (sign 1) or below (-1)."""
    chain: list[Point] = []
    for p in sorted(points):
        while (
            len(chain) > 1
            and sign * ((chain[-1][0] - chain[-2][0]) * (p[1] - chain[-2][1]) - (chain[-1][1] - chain[-2][1]) * (p[0] - chain[-2][0])) >= 0
        ):
            chain.pop()
        chain.append(p)
    return chain


def screening_db(first_m: float, last_m: float, between_m: float, direct_m: float, detour_m: float, lateral: bool) -> Octaves:
    """D_z of 7.4, equations 14–18.

    Args:
        first_m, last_m: from source to the first edge, from the last edge to the receptor.
        between_m: between the edges; 0 for one edge.
        direct_m: from source to receptor.
        detour_m: z, the way over the edges less the direct one; negative when the line of sight clears the edge.
        lateral: around a vertical edge, where the weather does not matter.
    """
    wave = SOUND_M_S / np.array(BANDS_HZ, dtype=float)
    c3 = (1 + (5 * wave / between_m) ** 2) / (1 / 3 + (5 * wave / between_m) ** 2) if between_m > 1e-6 else np.ones(8)
    weather = 1.0
    if detour_m > 0 and not lateral:
        weather = math.exp(-math.sqrt(first_m * last_m * direct_m / (2 * detour_m)) / 2000)
    inside = np.maximum(3 + 20 / wave * c3 * detour_m * weather, 1.0)
    cap = np.inf if lateral else DOUBLE_CAP_DB if between_m > 1e-6 else SINGLE_CAP_DB
    return np.clip(10 * np.log10(inside), 0.0, cap)


def _obstacles(layout: Layout, a: Point, b: Point) -> list[tuple[list[float], float, Sequence[Point]]]:
    """What stands across the way in plan: where it is crossed (shares of the way), its height, its corners."""
    out: list[tuple[list[float], float, Sequence[Point]]] = []
    for wall in layout.walls:
        t = _cross(a, b, wall.a, wall.b)
        if t is not None:
            out.append(([t], wall.height_m, (wall.a, wall.b)))
    for block in layout.blocks:
        ts = sorted(_crossings(a, b, block.corners))
        if ts:
            out.append((ts, block.height_m, block.corners))
    return out


def _over(obstacles: list[tuple[list[float], float, Sequence[Point]]], plan_m: float, source_m: float, receptor_m: float) -> Octaves | None:
    """D_z over the tops; None when nothing comes near the line of sight."""
    direct = math.hypot(plan_m, receptor_m - source_m)
    edges = [(t * plan_m, height) for ts, height, _ in obstacles for t in ts]
    string = _hull([(0.0, source_m), *edges, (plan_m, receptor_m)], 1.0)[1:-1]
    sight = 1.0
    if not string:  # the line of sight is free: the edge nearest to it still takes something away
        string = [max(edges, key=lambda e: e[1] - (source_m + (receptor_m - source_m) * e[0] / plan_m))]
        sight = -1.0
    first, last = math.dist((0, source_m), string[0]), math.dist(string[-1], (plan_m, receptor_m))
    between = sum(math.dist(p, q) for p, q in zip(string, string[1:], strict=False))
    return screening_db(first, last, between, direct, sight * (first + between + last - direct), lateral=False)


def _around(
    obstacles: list[tuple[list[float], float, Sequence[Point]]], a: Point, b: Point, plan_m: float, source_m: float, receptor_m: float
) -> Iterator[Octaves]:
    """D_z around the left and the right of all that blocks the line of sight."""
    ex, ey = (b[0] - a[0]) / plan_m, (b[1] - a[1]) / plan_m
    corners = []
    for ts, height, points in obstacles:
        if any(height > source_m + t * (receptor_m - source_m) for t in ts):
            corners += [((x - a[0]) * ex + (y - a[1]) * ey, (y - a[1]) * ex - (x - a[0]) * ey) for x, y in points]
    direct = math.hypot(plan_m, receptor_m - source_m)
    for sign in (1.0, -1.0):
        side = [(x, y) for x, y in corners if 0 < x < plan_m and sign * y > 0]
        if not side or any(not 0 < x < plan_m and sign * y > 0 for x, y in corners):
            continue  # it reaches past source or receptor: nothing comes around there
        string = _hull([(0.0, 0.0), *side, (plan_m, 0.0)], sign)
        legs = [math.dist(p, q) for p, q in zip(string, string[1:], strict=False)]
        way = math.hypot(sum(legs), receptor_m - source_m)
        yield screening_db(legs[0], legs[-1], sum(legs[1:-1]), direct, way - direct, lateral=True)


# --- a level ------------------------------------------------------------------------------------------


def octave_levels_db(power_db: Octaves, source: Sequence[float], receptor: Sequence[float], layout: Layout, air_c: float = 10.0,
                     humidity: float = 0.7, pressure_hpa: float = 1013.25) -> Octaves:  # fmt: skip
    """Octave levels of one point source at one receptor, downwind, dB (equations 3–5 of ISO 9613-2).

    Args:
        power_db: float64 [8], sound power, 63 Hz to 8 kHz.
        source, receptor: x, y, height above ground, m.
    """
    a, b = (source[0], source[1]), (receptor[0], receptor[1])
    plan = max(math.dist(a, b), 1e-6)
    hs, hr = source[2], receptor[2]
    distance = max(math.hypot(plan, hr - hs), NEAR_M)
    ground = _ground(layout, a, b, plan, distance, hs, hr)
    free = power_db - (20 * math.log10(distance) + 11) - absorption_db_m(air_c, humidity, pressure_hpa) * distance - ground
    obstacles = _obstacles(layout, a, b)
    if not obstacles:
        return free
    over = _over(obstacles, plan, hs, hr)
    energy = 10 ** (0.1 * (free - np.maximum(over - np.maximum(ground, 0.0), 0.0)))
    for beside in _around(obstacles, a, b, plan, hs, hr):
        energy += 10 ** (0.1 * (free - beside))
    return np.minimum(10 * np.log10(energy), free)  # three ways round a wall are no louder than none


def _ground(layout: Layout, a: Point, b: Point, plan_m: float, distance_m: float, source_m: float, receptor_m: float) -> Octaves:
    """Ground by the layout's method; by 7.3.2 over flat ground, where the mean height is that of the line of sight, the same in all bands."""
    if layout.a_weighted_ground:
        return np.full(8, ground_a_weighted_db(distance_m, plan_m, source_m, receptor_m, 0.5 * (source_m + receptor_m)))
    near, far = 30 * source_m, plan_m - 30 * receptor_m
    ends = _g_along(layout, a, b, 0, near), _g_along(layout, a, b, near, far), _g_along(layout, a, b, far, plan_m)
    return ground_db(plan_m, source_m, receptor_m, *ends)


def a_weighted_db(octaves_db: Octaves) -> float:
    """One A-weighted level from eight octaves, dB(A)."""
    return float(10 * np.log10(np.sum(10 ** (0.1 * (octaves_db + A_WEIGHT_DB)))))


def meteorological_db(c0_db: float, plan_m: float, source_m: float, receptor_m: float) -> float:
    """C_met of clause 8: what a long-term mean is below the downwind level.

    Args:
        c0_db: from the local statistics of wind, usually 0–5 dB.
    """
    reach = 10 * (source_m + receptor_m)
    return c0_db * (1 - reach / plan_m) if plan_m > reach else 0.0


def gains(sources: NDArray[np.float64], spectra_db: NDArray[np.float64], receptors: NDArray[np.float64], layout: Layout, air_c: float = 10.0,
          humidity: float = 0.7) -> NDArray[np.float64]:  # fmt: skip
    """A-weighted mean-square level at each receptor of each source of 0 dB(A) sound power.

    Args:
        sources: float64 [n, 3], x, y, height, m; receptors: float64 [m, 3].
        spectra_db: float64 [n, 8], shape of each source's A-weighted octave spectrum; only differences matter.

    Returns:
        float64 [m, n]; levels are 10·lg of sums of gain × 10^(LwA/10).
    """
    out = np.zeros((len(receptors), len(sources)))
    for i, (source, shape) in enumerate(zip(sources, spectra_db, strict=True)):
        power = shape - 10 * np.log10(np.sum(10 ** (0.1 * shape))) - A_WEIGHT_DB
        for j, receptor in enumerate(receptors):
            out[j, i] = 10 ** (0.1 * a_weighted_db(octave_levels_db(power, source, receptor, layout, air_c, humidity)))
    return out
