"""From the site plan to arrays: where dust comes out, where sound comes from, and where both are received."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.design.site import SitePlan
from twin.equipment.part import Motor, Site
from twin.kernels import noise

# Height above ground at which a source of a line emits, m, by a part of its name (engineering choice).
HEIGHT_M = {"Silo": 22.0, "Collector": 15.0, "Bins": 3.0, "Belt": 8.0, "Tower": 12.0, "Loading": 4.0}
# Side of the grid of points that stands for a wide source, and the initial spread of each: width over 4.3, height over
# 2.15, as for volume sources in EPA's ISC guide (recalled).
# A-weighted octave shape of heavy machinery, dB below its sum, 63 Hz to 8 kHz (engineering choice).
MACHINE_DB = (-24.0, -15.0, -9.0, -5.5, -5.0, -6.5, -11.0, -18.0)
GRID, SPREAD_Y, SPREAD_Z = 5, 4.3, 2.15


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


def plume(sources: list[str], plan: SitePlan) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points that stand for the sources.

    Returns:
        float64 [point, 6]: x, y, height in m, initial sigma y and z in m, weight; int64 [point], the source of each.
    """
    points, owner = [], []
    for k, name in enumerate(sources):
        place = plan.place(place_name(name))
        height = next((h for part, h in HEIGHT_M.items() if part in name), place.height_m)
        wide = place.width_m > 12 and name == place_name(name)
        n = GRID if wide else 1
        cell = place.width_m / n
        for i in range(n * n):
            dx, dy = (i % n - (n - 1) / 2) * cell, (i // n - (n - 1) / 2) * cell
            points.append((place.at[0] + dx, place.at[1] + dy, height, max(cell, 2.0) / SPREAD_Y, max(height, 1.0) / SPREAD_Z, 1 / n**2))
            owner.append(k)
    return np.array(points, dtype=float).reshape(-1, 6), np.array(owner, dtype=np.int64)


def receptors(plan: SitePlan) -> NDArray[np.float64]:
    """float64 [receptor, 3]: stations first, then neighbours."""
    rows = [(*m.at, m.height_m) for m in (*plan.monitors.values(), *plan.neighbours.values())]
    return np.array(rows, dtype=float).reshape(-1, 3)


def sound(motors: list[Motor], plan: SitePlan) -> NDArray[np.float64]:
    """Mean-square A-weighted level at each receptor for each motor that runs, over (20 µPa)².

    Returns:
        float64 [receptor, motor].
    """
    layout = noise.Layout(
        walls=[noise.Wall(*w.ends, w.height_m) for w in plan.walls.values()],
        blocks=[noise.Block(tuple(b.outline), b.height_m) for b in plan.buildings.values()],
        g=plan.ground,
    )
    at: list[Any] = []
    power = []
    for m in motors:
        place = plan.place(place_name(m.name))
        level = plan.sound_db.get(m.kind, 0.0) - (plan.cladding_db if m.kind in plan.clad else 0.0)
        at.append((*place.at, max(min(place.height_m, 4.0), 0.5)))
        power.append(10 ** (0.1 * level) if level > 0 else 0.0)
    spectra = np.tile(np.array(MACHINE_DB), (len(at), 1))
    heard = receptors(plan)
    gains = noise.gains(np.array(at), spectra, heard, layout)
    calm_db = [[noise.meteorological_db(plan.c0_db, float(np.hypot(*(r[:2] - s[:2]))), s[2], r[2]) for s in np.array(at)] for r in heard]
    return np.asarray(gains * np.array(power) / 10 ** (0.1 * np.array(calm_db)))


def around(site: Site, plan: SitePlan) -> dict[str, NDArray[Any]]:
    """The arrays of the plant's state that carry dust and sound to the receptors."""
    points, owner = plume(site.sources, plan)
    at = receptors(plan)
    ambient = plan.ambient
    return {"plume": points, "plume_owner": owner, "receptors": at, "chi": np.zeros((len(at), len(site.sources))), "sound": sound(site.motors, plan),
            "heard": np.zeros(len(site.motors)), "ambient": np.array([ambient.tsp_ug_m3, ambient.pm10_ug_m3, ambient.pm25_ug_m3])}  # fmt: skip
