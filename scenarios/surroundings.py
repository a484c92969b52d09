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
BOUNDARY = ("tsp_ug_m3", "pm10_ug_m3", "pm25_ug_m3", "laeq_db", "lmax_db", "lmax_often_db")


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
        self._boundary: list[Noted] = []
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
        stations = self.plant.state.monitors
        heard = np.flatnonzero(stations["sum_count"])
        if len(heard):
            m = stations[heard]
            level_db = 10 * np.log10(m["sum_energy"] / m["sum_count"])
            self._boundary.append(
                (time_s, heard, np.column_stack([m["sum_air"] / m["sum_count"][:, None], level_db, m["max_db"], m["max_often_db"]]))
            )
        for sum_of in ("sum_air", "sum_energy", "max_db", "max_often_db", "sum_count"):
            stations[sum_of] = 0

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
        time_s, which, levels = joined(self._boundary, len(BOUNDARY))
        stations = np.array([name.rsplit(".", 1)[-1] for name in self.plant.names.get("monitor", [])], dtype=object)
        out["boundary"] = pa.table(
            {"time_s": time_s, "station": pa.array(stations[which], pa.string())} | {name: levels[:, i] for i, name in enumerate(BOUNDARY)}
        )
        for rows in (self._weather, self._energy, self._emissions, self._boundary):
            rows.clear()
        return out


def joined(noted: Sequence[Noted], figures: int) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Time, number and figures of all that was noted, a row each."""
    times, many = np.array([t for t, *_ in noted], float), np.array([len(k) for _, k, _ in noted], np.int64)
    which = np.concatenate([np.empty(0, np.int64), *(k for _, k, _ in noted)])
    return np.repeat(times, many), which, np.concatenate([np.empty((0, figures)), *(x for *_, x in noted)])
