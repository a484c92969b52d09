"""What the run keeps of its surroundings: weather, energy, emissions, and air and noise at the fence, a row an interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twin.clock import TICKS_PER_S
from twin.plant import Plant

Floats = NDArray[np.float64]
Noted = tuple[float, NDArray[np.int64], Floats]  # time, s; numbers of what is noted; its figures, [what, …]

WEATHER = (
    "air_c",
    "humidity",
    "wind_m_s",
    "wind_from_deg",
    "rain_mm_h",
    "cloud",
    "sun_deg",
    "sun_w_m2",
    "pressure_hpa",
    "forecast_mm",
    "stability",
)


class Surroundings:
    """Collects rows for the tables `weather`, `energy`, `emissions` and `boundary` at each interval.

    Args:
        plant: the plant; its `motors` only ever grow, so an interval is a difference.
    """

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self._last = plant.state.motors.copy()
        self._released = plant.state.released.copy()
        self._since = 0
        self._emissions: list[Noted] = []
        self._boundary: list[tuple[float, int, float, float, float, float, float, float]] = []
        self._weather: list[tuple[float, ...]] = []
        self._energy: list[Noted] = []

    def note(self, tick: int) -> None:
        """An interval has ended."""
        if tick == self._since:
            return
        site, time_s = self.plant.state.site[0], tick / TICKS_PER_S
        self._weather.append((time_s, *(float(site[name]) for name in WEATHER)))
        now = self.plant.state.motors
        gone = now - self._last
        self._last = now.copy()
        ran = np.flatnonzero(gone[:, 0] > 0)
        since_s = (tick - self._since) / TICKS_PER_S
        base = (since_s, self.plant.design.base_load_kw * since_s)  # runs all the time
        self._energy.append((time_s, np.append(ran, len(now)), np.vstack([gone[ran], base])))
        self._note_air(time_s)
        self._since = tick

    def _note_air(self, time_s: float) -> None:
        """What the sources gave off, and what reached the receptors: true means, not what instruments made of them."""
        out = self.plant.state.released - self._released
        self._released = self.plant.state.released.copy()
        gave = np.flatnonzero(out[:, 0] > 0)
        self._emissions.append((time_s, gave, out[gave]))
        for row, m in enumerate(self.plant.state.monitors):
            n = int(m["sum_count"])
            if n:
                (tsp, pm10, pm25), level = (m["sum_air"] / n).tolist(), 10 * np.log10(m["sum_energy"] / n)
                self._boundary.append((time_s, row, tsp, pm10, pm25, float(level), float(m["max_db"]), float(m["max_often_db"])))
            m["sum_air"], m["sum_energy"], m["max_db"], m["max_often_db"], m["sum_count"] = 0.0, 0.0, 0.0, 0.0, 0

    def drain(self) -> dict[str, pa.Table]:
        """Rows since the last call.

        Returns:
            `weather`: a row an interval, as it was at its end; `energy`: machine, kind, kWh and seconds run in the interval;
            `emissions`: source and kg of TSP, PM10, PM2.5; `boundary`: station, µg/m³, LAeq, and Lmax of all and of frequent noise, dB(A).
        """
        weather = np.array(self._weather, dtype=float).reshape(len(self._weather), 1 + len(WEATHER))
        machines = np.array([m.name for m in self.plant.motors] + ["Site.BaseLoad"])
        kinds = np.array([m.kind for m in self.plant.motors] + ["base load"])
        out = {
            "weather": pa.table({name: weather[:, i] for i, name in enumerate(("time_s", *WEATHER))}),
        }
        time_s, which, ran = joined(self._energy, 2)
        out["energy"] = pa.table({"time_s": time_s, "machine": pa.array(machines[which], pa.string()), "kind": pa.array(kinds[which], pa.string()),
                                  "kwh": ran[:, 1] / 3600.0, "run_s": ran[:, 0]})  # fmt: skip
        time_s, which, gave = joined(self._emissions, 3)
        out["emissions"] = pa.table({"time_s": time_s, "source": pa.array(np.array(self.plant.sources)[which], pa.string()),
                                     "tsp_kg": gave[:, 0], "pm10_kg": gave[:, 1], "pm25_kg": gave[:, 2]})  # fmt: skip
        boundary = list(zip(*self._boundary, strict=True)) or [()] * 8
        floats = lambda column: pa.array(column, pa.float64())
        stations = [name.rsplit(".", 1)[-1] for name in self.plant.names.get("monitor", [])]
        out["boundary"] = pa.table({
            "time_s": floats(boundary[0]), "station": pa.array([stations[k] for k in boundary[1]], pa.string()), "tsp_ug_m3": floats(boundary[2]),
            "pm10_ug_m3": floats(boundary[3]), "pm25_ug_m3": floats(boundary[4]), "laeq_db": floats(boundary[5]), "lmax_db": floats(boundary[6]),
            "lmax_often_db": floats(boundary[7]),
        })  # fmt: skip
        for rows in (self._weather, self._energy, self._emissions, self._boundary):
            rows.clear()
        return out


def joined(noted: Sequence[Noted], figures: int) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Time, number and figures of all that was noted, a row each."""
    times, many = np.array([t for t, *_ in noted], float), np.array([len(k) for _, k, _ in noted], np.int64)
    which = np.concatenate([np.empty(0, np.int64), *(k for _, k, _ in noted)])
    return np.repeat(times, many), which, np.concatenate([np.empty((0, figures)), *(x for *_, x in noted)])
