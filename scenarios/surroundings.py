"""What the run keeps of its surroundings: weather, energy, emissions, and air and noise at the fence, a row an interval."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from twin.clock import TICKS_PER_S
from twin.plant import Plant

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
        self._emissions: list[tuple[float, int, float, float, float]] = []
        self._boundary: list[tuple[float, int, float, float, float, float, float, float]] = []
        self._weather: list[tuple[float, ...]] = []
        self._energy: list[tuple[float, int, float, float]] = []

    def note(self, tick: int) -> None:
        """An interval has ended."""
        if tick == self._since:
            return
        site, time_s = self.plant.state.site[0], tick / TICKS_PER_S
        self._weather.append((time_s, *(float(site[name]) for name in WEATHER)))
        now = self.plant.state.motors
        gone = now - self._last
        self._last = now.copy()
        for k in np.flatnonzero(gone[:, 0] > 0):
            self._energy.append((time_s, int(k), gone[k, 1] / 3600.0, gone[k, 0]))
        self._note_air(time_s)
        hours = (tick - self._since) / TICKS_PER_S / 3600.0
        self._energy.append((time_s, -1, self.plant.design.base_load_kw * hours, 3600.0 * hours))
        self._since = tick

    def _note_air(self, time_s: float) -> None:
        """What the sources gave off, and what reached the receptors: true means, not what instruments made of them."""
        out = self.plant.state.released - self._released
        self._released = self.plant.state.released.copy()
        for k in np.flatnonzero(out[:, 0] > 0):
            tsp, pm10, pm25 = out[k].tolist()
            self._emissions.append((time_s, int(k), tsp, pm10, pm25))
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
        machines = [m.name for m in self.plant.motors] + ["Site.BaseLoad"]
        kinds = [m.kind for m in self.plant.motors] + ["base load"]
        index = [k for _, k, _, _ in self._energy]
        out = {
            "weather": pa.table({name: weather[:, i] for i, name in enumerate(("time_s", *WEATHER))}),
            "energy": pa.table({
                "time_s": pa.array([t for t, *_ in self._energy], pa.float64()), "machine": pa.array([machines[k] for k in index], pa.string()),
                "kind": pa.array([kinds[k] for k in index], pa.string()), "kwh": pa.array([e for *_, e, _ in self._energy], pa.float64()),
                "run_s": pa.array([s for *_, s in self._energy], pa.float64()),
            }),
        }  # fmt: skip
        emissions, boundary = list(zip(*self._emissions, strict=True)) or [()] * 5, list(zip(*self._boundary, strict=True)) or [()] * 8
        floats = lambda column: pa.array(column, pa.float64())
        out["emissions"] = pa.table({
            "time_s": floats(emissions[0]), "source": pa.array([self.plant.sources[k] for k in emissions[1]], pa.string()),
            "tsp_kg": floats(emissions[2]), "pm10_kg": floats(emissions[3]), "pm25_kg": floats(emissions[4]),
        })  # fmt: skip
        stations = [name.rsplit(".", 1)[-1] for name in self.plant.names.get("monitor", [])]
        out["boundary"] = pa.table({
            "time_s": floats(boundary[0]), "station": pa.array([stations[k] for k in boundary[1]], pa.string()), "tsp_ug_m3": floats(boundary[2]),
            "pm10_ug_m3": floats(boundary[3]), "pm25_ug_m3": floats(boundary[4]), "laeq_db": floats(boundary[5]), "lmax_db": floats(boundary[6]),
            "lmax_often_db": floats(boundary[7]),
        })  # fmt: skip
        for rows in (self._weather, self._energy, self._emissions, self._boundary):
            rows.clear()
        return out
