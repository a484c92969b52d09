"""Dust and noise over the site: the plant's own plume and sound, asked at every point of a grid instead of at its stations."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin import air, geometry
from twin.clock import TICKS_PER_S
from twin.design import sight
from twin.equipment import monitor
from twin.equipment.monitor import Monitor
from twin.kernels import dispersion
from twin.limits import DUST, NOISE_DB
from twin.plant import Plant

Grid = NDArray[np.float64]
AROUND_M = 60.0  # beyond the fence
DUST_CELLS, NOISE_CELLS = 3000, 1200
OVER_S = 900.0  # rates are means of so much simulated time
HEIGHT_M = 1.5  # of a head
SPECIES = {"tsp": 0, "pm10": 1, "pm25": 2}
LIMIT = {"tsp": DUST["TspHigh"], "pm10": DUST["Pm10High"], "pm25": DUST["Pm25DayHigh"]}


@dataclass(frozen=True, slots=True)
class Moment:
    """What had been emitted and had run by a tick, and the weather then."""

    tick: int
    released: Grid
    ran_s: Grid
    wind_from_deg: float
    wind_m_s: float
    stability: int
    urban: bool
    night: bool


class Fields:
    """Contours of one plant, from what it did lately. `note` belongs to the thread of the run; the rest may work beside it."""

    def __init__(self, plant: Plant) -> None:
        self.plan, self._lines, self._motors = plant.design.site, list(plant.design.lines), plant.motors
        self._stands = {p.name: p.at for p in sight.watched(plant.design) if p.at is not None}
        self._points, self._owner, self._sources = plant.state.plume, plant.state.plume_owner, len(plant.sources)
        self._ambient = plant.state.ambient.copy()
        self._moments: deque[Moment] = deque()
        self._sound: Grid | None = None

    def due(self, tick: int) -> bool:
        """Is it a simulated minute since the last moment, or another run?"""
        return not self._moments or not 0 <= tick - self._moments[-1].tick < 60 * TICKS_PER_S

    def note(self, plant: Plant) -> tuple[Moment, Moment]:
        """The moment now, and the one to which it is to be compared: up to `OVER_S` before."""
        state, site = plant.state, plant.state.site[0]
        now = Moment(int(site["tick"]), state.released.copy() + state.emitted, state.motors[:, 0].copy(), float(site["wind_from_deg"]), float(site["wind_m_s"]),
                     int(site["stability"]), bool(site["urban"] > 0), bool(monitor.is_night(monitor.minute_of(state))))  # fmt: skip
        if self._moments and self._moments[-1].tick > now.tick:
            self._moments.clear()  # another run
        before = (
            self._moments[0] if self._moments else Moment(0, np.zeros_like(now.released), np.zeros_like(now.ran_s), 0, 1, 3, True, False)
        )
        if self.due(now.tick):
            self._moments.append(now)
        while len(self._moments) > 1 and now.tick - self._moments[1].tick > OVER_S * TICKS_PER_S:
            self._moments.popleft()
        return before, now

    def grid(self, cells: int) -> tuple[Grid, Grid, Grid]:
        """x, y and receptors [x·y, 3] of a grid over the site and a little around it."""
        corners = np.array(self.plan.boundary, dtype=float)
        low, high = corners.min(axis=0) - AROUND_M, corners.max(axis=0) + AROUND_M
        step = float(np.sqrt(np.prod(high - low) / cells))
        x, y = np.arange(low[0], high[0] + step, step), np.arange(low[1], high[1] + step, step)
        xx, yy = np.meshgrid(x, y)
        return x, y, np.column_stack([xx.ravel(), yy.ravel(), np.full(xx.size, HEIGHT_M)])

    def dust(self, kind: str, before: Moment, now: Moment) -> dict[str, Any]:
        """Concentration near the ground for the present weather and the emissions of late, µg/m³, ambient air included."""
        x, y, at = self.grid(DUST_CELLS)
        chi = np.zeros((len(at), self._sources))
        dispersion.matrix(self._points, self._owner, at, now.wind_from_deg, now.wind_m_s, now.stability, now.urban, chi)
        j = SPECIES[kind]
        seconds = max((now.tick - before.tick) / TICKS_PER_S, 1.0)
        rate = (now.released[:, j] - before.released[:, j]) / seconds
        ambient = float(self._ambient[j])
        limit = LIMIT[kind].of(self.plan.protected) + (0.0 if kind == "pm10" else ambient)
        return field(x, y, ambient + 1e9 * chi @ rate, limit, "µg/m³") | {"ambient": ambient, "source": LIMIT[kind].source}

    def noise(self, before: Moment, now: Moment) -> dict[str, Any]:
        """Mean level of late at each point, downwind, dB(A)."""
        x, y, at = self.grid(NOISE_CELLS)
        if self._sound is None:
            heads = {f"G{k}": Monitor(at=(float(px), float(py)), height_m=HEIGHT_M) for k, (px, py, _) in enumerate(at)}
            self._sound = geometry.sound(self._motors, self.plan.model_copy(update={"monitors": heads, "neighbours": {}}), self._lines)
        share = np.clip((now.ran_s - before.ran_s) / max((now.tick - before.tick) / TICKS_PER_S, 1.0), 0.0, 1.0)
        quiet = 10.0 ** (0.1 * (air.QUIET_DB + (0.0 if now.night else air.DAY_EXTRA_DB)))
        limit = NOISE_DB[self.plan.zone][1 if now.night else 0]
        return field(x, y, 10.0 * np.log10(quiet + self._sound @ share), limit, "dB(A)") | {
            "night": now.night,
            "source": "GB 12348-2008 Table 1",
        }

    def outline(self) -> dict[str, Any]:
        """What stands on the site plan, for the eye."""
        plan = self.plan
        named = {n: plan.place(n, self._lines) for n in ("Yard", "Road", "Gate", "Washing", "Compressor", *self._lines)}
        return {"stands": self._stands, "boundary": plan.boundary, "buildings": [list(b.outline) for b in plan.buildings.values()], "walls": [list(w.ends) for w in plan.walls.values()],
                "places": [{"name": n, "points": p.line or p.points()} for n, p in named.items()],
                "monitors": [{"name": n, "at": m.at} for n, m in plan.monitors.items()], "neighbours": [{"name": n, "at": m.at} for n, m in plan.neighbours.items()]}  # fmt: skip


def field(x: Grid, y: Grid, values: Grid, limit: float, unit: str) -> dict[str, Any]:
    """A field as the page draws it."""
    return {
        "x": np.round(x, 1).tolist(),
        "y": np.round(y, 1).tolist(),
        "z": np.round(values.reshape(len(y), len(x)), 1).tolist(),
        "limit": limit,
        "unit": unit,
    }
