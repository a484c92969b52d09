"""From the site plan to arrays: where dust comes out, where sound comes from, and where both are received."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.design.site import OFTEN_DB, RARE_DB, SitePlan
from twin.equipment.part import Motor, Site
from twin.kernels import noise

# Height above ground at which a source of a line emits, m, by a part of its name (engineering choice).
HEIGHT_M = {"Silo": 22.0, "Collector": 15.0, "Bins": 3.0, "Belt": 8.0, "Tower": 12.0, "Loading": 4.0}
# A-weighted octave shape of heavy machinery, dB below its sum, 63 Hz to 8 kHz (engineering choice).
MACHINE_DB = (-24.0, -15.0, -9.0, -5.5, -5.0, -6.5, -11.0, -18.0)
# Side of the grid of points that stands for a source wider than `WIDE_M`, and the initial spread of each: width over 4.3,
# height over 2.15, as for volume sources in EPA's ISC guide (recalled).
WIDE_M, GRID, SPREAD_Y, SPREAD_Z = 12.0, 5, 4.3, 2.15


def place_name(name: str) -> str:
    """Place of the plan at which a machine or source stands."""
    first, _, rest = name.partition(".")
    if first == "Water" or rest.startswith("Bay"):
        return "Washing" if first == "Water" else first
    if rest.startswith("Loader"):
        return "Yard"
    if "Compressor" in name:
        return "Compressor"
    if first in ("Air", "Site"):
        return "Yard" if "Road" not in rest else "Road"
    return first


def plume(sources: list[str], plan: SitePlan, lines: Sequence[str] = ()) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points that stand for the sources: one, a grid for a wide yard, a row along a road.

    Args:
        lines: names of the plant's lines, which the default plan puts side by side.

    Returns:
        float64 [point, 6]: x, y, height in m, initial sigma y and z in m, weight; int64 [point], the source of each.
    """
    points, owner = [], []
    for k, name in enumerate(sources):
        place = plan.place(place_name(name), lines)
        height = next((h for part, h in HEIGHT_M.items() if part in name), place.height_m)
        where, cell = place.points(), place.width_m
        if place.line is not None:
            cell = max(place.length_m / len(where), place.width_m)
        elif place.width_m > WIDE_M and name == place_name(name):
            (x, y), cell = where[0], place.width_m / GRID
            steps = [(i - (GRID - 1) / 2) * cell for i in range(GRID)]
            where = [(x + dx, y + dy) for dy in steps for dx in steps]
        points += [(*at, height, max(cell, 2.0) / SPREAD_Y, max(height, 1.0) / SPREAD_Z, 1 / len(where)) for at in where]
        owner += [k] * len(where)
    return np.array(points, dtype=float).reshape(-1, 6), np.array(owner, dtype=np.int64)


def receptors(plan: SitePlan) -> NDArray[np.float64]:
    """float64 [receptor, 3]: stations first, then neighbours."""
    rows = [(*m.at, m.height_m) for m in (*plan.monitors.values(), *plan.neighbours.values())]
    return np.array(rows, dtype=float).reshape(-1, 3)


def sound(motors: list[Motor], plan: SitePlan, lines: Sequence[str] = ()) -> NDArray[np.float64]:
    """Mean-square A-weighted level at each receptor for each motor that runs, over (20 µPa)²; of a line, the mean of its points.

    Returns:
        float64 [receptor, motor].
    """
    layout = noise.Layout(
        walls=[noise.Wall(*w.ends, w.height_m) for w in plan.walls.values()],
        blocks=[noise.Block(tuple(b.outline), b.height_m) for b in plan.buildings.values() if b.screens_sound],
        g=plan.ground, a_weighted_ground=plan.ground_method == "a_weighted",
    )  # fmt: skip
    spots: dict[tuple[float, float, float], int] = {}  # many machines stand at one point
    where = []
    for m in motors:
        place = plan.place(place_name(m.name), lines)
        height = max(min(place.height_m, 4.0), 0.5)
        where.append([spots.setdefault((*at, height), len(spots)) for at in place.points()])
    at, heard = np.array(list(spots), dtype=float).reshape(-1, 3), receptors(plan)
    gains = noise.gains(at, np.tile(np.array(MACHINE_DB), (len(at), 1)), heard, layout)
    calm_db = [[noise.meteorological_db(plan.c0_db, float(np.hypot(*(r[:2] - s[:2]))), s[2], r[2]) for s in at] for r in heard]
    gains /= 10 ** (0.1 * np.array(calm_db, dtype=float).reshape(gains.shape))
    out = np.zeros((len(heard), len(motors)))
    for k, m in enumerate(motors):
        out[:, k] = gains[:, where[k]].mean(axis=1) * 10 ** (0.1 * plan.power_db(m.kind))
    return out


def peaks(motors: list[Motor]) -> NDArray[np.float64]:
    """How much the blows of each motor add to its mean-square level.

    Returns:
        float64 [motor, 2], of frequent and of occasional ones; 0 for none.
    """
    rise = [[of.get(m.kind, -np.inf) for of in (OFTEN_DB, RARE_DB)] for m in motors]
    return np.asarray(10 ** (0.1 * np.array(rise, dtype=float).reshape(-1, 2)))


def around(site: Site, plan: SitePlan, lines: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The arrays of the plant's state that carry dust and sound to the receptors."""
    points, owner = plume(site.sources, plan, lines)
    at = receptors(plan)
    ambient = plan.ambient
    return {"plume": points, "plume_owner": owner, "receptors": at, "chi": np.zeros((len(at), len(site.sources))), "sound": sound(site.motors, plan, lines),
            "peaks": peaks(site.motors), "heard": np.zeros(len(site.motors)), "ambient": np.array([ambient.tsp_ug_m3, ambient.pm10_ug_m3, ambient.pm25_ug_m3])}  # fmt: skip
