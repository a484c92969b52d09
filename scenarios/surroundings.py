"""What the run keeps of its surroundings: weather, energy, and the air and noise at the fence, a row an interval."""

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
    """Collects rows for the tables `weather` and `energy` at each interval.

    Args:
        plant: the plant; its `motors` only ever grow, so an interval is a difference.
    """

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self._last = plant.state.motors.copy()
        self._since = 0
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
        hours = (tick - self._since) / TICKS_PER_S / 3600.0
        self._energy.append((time_s, -1, self.plant.design.base_load_kw * hours, 3600.0 * hours))
        self._since = tick

    def drain(self) -> dict[str, pa.Table]:
        """Rows since the last call.

        Returns:
            `weather`: a row an interval, as it was at its end; `energy`: machine, kind, kWh and seconds run in the interval.
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
        self._weather.clear()
        self._energy.clear()
        return out
