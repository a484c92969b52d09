"""What the run keeps of its surroundings: weather, energy, emissions, and air and noise at the fence, a row an interval."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenarios.tables import names
from twin.clock import TICKS_PER_S
from twin.plant import Plant

Floats = NDArray[np.float64]

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


class Seen(NamedTuple):
    """Copies of what the plant showed at the end of an interval; `motors` and `released` only ever grow, `monitors` begins anew."""

    tick: int
    site: NDArray[Any]
    motors: Floats
    released: Floats
    monitors: NDArray[Any]


class Surroundings:
    """Collects rows for the tables `weather`, `energy`, `emissions` and `boundary` at each interval.

    Args:
        plant: the plant.
    """

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self._last = Seen(0, *(a.copy() for a in (plant.state.site, plant.state.motors, plant.state.released, plant.state.monitors)))
        self._seen: list[Seen] = []

    def note(self, tick: int) -> None:
        """An interval has ended: keep a copy of all that counts; figures are made of many at once."""
        if tick == (self._seen[-1] if self._seen else self._last).tick:
            return
        state = self.plant.state
        self._seen.append(Seen(tick, state.site.copy(), state.motors.copy(), state.released.copy(), state.monitors.copy()))
        for sum_of in ("sum_air", "sum_energy", "max_db", "max_often_db", "sum_count"):
            state.monitors[sum_of] = 0

    def drain(self) -> dict[str, pa.Table]:
        """Rows since the last call.

        Returns:
            `weather`: a row an interval, as it was at its end; `energy`: machine, kind, kWh and seconds run in the interval;
            `emissions`: source and kg of TSP, PM10, PM2.5; `boundary`: station, µg/m³, LAeq, and Lmax of all and of frequent noise, dB(A).
        """
        before, seen = self._last, self._seen
        if seen:
            self._last, self._seen = seen[-1], []
        ends = np.array([s.tick for s in seen], np.int64)
        time_s, lasts_s = ends / TICKS_PER_S, np.diff(ends, prepend=before.tick) / TICKS_PER_S
        site = np.concatenate([before.site[:0], *(s.site for s in seen)])
        out = {"weather": pa.table({"time_s": time_s} | {name: site[name].astype(float) for name in WEATHER})}
        base = np.stack([lasts_s, self.plant.design.base_load_kw * lasts_s], axis=-1)  # runs all the time
        ran = np.concatenate([grown(before.motors, [s.motors for s in seen]), base[:, None]], axis=1)
        at, which = np.nonzero(ran[..., 0] > 0)
        machines = [(m.name, m.kind) for m in self.plant.motors] + [("Site.BaseLoad", "base load")]
        machine, kind = (names(which, of).dictionary_decode() for of in zip(*machines, strict=True))
        out["energy"] = pa.table({"time_s": time_s[at], "machine": machine, "kind": kind,
                                  "kwh": ran[at, which, 1] / 3600.0, "run_s": ran[at, which, 0]})  # fmt: skip
        gave = grown(before.released, [s.released for s in seen])
        at, which = np.nonzero(gave[..., 0] > 0)
        tsp_kg, pm10_kg, pm25_kg = gave[at, which].T
        out["emissions"] = pa.table({"time_s": time_s[at], "source": names(which, self.plant.sources).dictionary_decode(),
                                     "tsp_kg": tsp_kg, "pm10_kg": pm10_kg, "pm25_kg": pm25_kg})  # fmt: skip
        heard = np.concatenate([before.monitors[None][:0], *(s.monitors[None] for s in seen)])
        at, which = np.nonzero(heard["sum_count"])
        m = heard[at, which]
        levels = np.column_stack(
            [m["sum_air"] / m["sum_count"][:, None], 10 * np.log10(m["sum_energy"] / m["sum_count"]), m["max_db"], m["max_often_db"]]
        )
        stations = [name.rsplit(".", 1)[-1] for name in self.plant.names.get("monitor", [])]
        out["boundary"] = pa.table(
            {"time_s": time_s[at], "station": names(which, stations).dictionary_decode()}
            | {name: levels[:, i] for i, name in enumerate(BOUNDARY)}
        )
        return out


def grown(before: Floats, after: list[Floats]) -> Floats:
    """By how much sums grew in each interval, [interval, …]."""
    return np.diff(np.stack([before, *after]), axis=0)
