"""Air and sound around the plant, once a minute: what was emitted and what ran, carried to every receptor.

Two matrices do it: `chi` (concentration per rate of emission, for the present weather) and `sound` (mean-square level at a
receptor per sound power of a motor that runs). `chi` is built anew only when the weather changes. `peaks` says how much
louder than its mean level a running motor bangs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment import dust_source, monitor, weather_station
from twin.jit import njit, njit_rare
from twin.kernels import dispersion

QUIET_DB = 32.0  # sound that comes in from around at night; by day 12 dB more (engineering choice)
DAY_EXTRA_DB = 12.0


@njit_rare
def minute(p: Any, dt_s: float) -> None:
    """A minute has passed.

    Args:
        p: the plant's `State`.
        dt_s: what has passed since the last call, usually 60.
    """
    site = p.site[0]
    for k in range(p.dust_sources.shape[0]):
        dust_source.step(p.dust_sources[k], p, dt_s)
    if site.weather != site.dispersed:
        site.dispersed = site.weather
        dispersion.matrix(p.plume, p.plume_owner, p.receptors, site.wind_from_deg, site.wind_m_s, site.stability, site.urban > 0, p.chi)
    quiet = 10.0 ** (0.1 * (QUIET_DB + (0.0 if monitor.is_night(monitor.minute_of(p)) else DAY_EXTRA_DB)))
    for k in range(p.monitors.shape[0]):
        m = p.monitors[k]
        for j in range(3):
            c = 0.0
            for s in range(p.emitted.shape[0]):
                c += p.chi[m.row, s] * p.emitted[s, j]
            m.air[j] = p.ambient[j] + 1e9 * c / dt_s  # kg/s to µg/m³
        hear(m, p, quiet, dt_s)
        monitor.measure(m, p)
    reference = monitor.upwind(p, p.io[p.weather_stations[0].tag + weather_station.WIND_FROM])  # as the vane shows it
    for k in range(p.monitors.shape[0]):
        if p.monitors[k].instrument > 0:
            monitor.keep(p.monitors[k], p, reference)
    for s in range(p.motors.shape[0]):
        p.heard[s] = p.motors[s, 0]
    for s in range(p.emitted.shape[0]):
        for j in range(3):
            p.released[s, j] += p.emitted[s, j]
            p.emitted[s, j] = 0.0


@njit
def hear(m: Any, p: Any, quiet: float, dt_s: float) -> None:
    """Level of the minute, and the loudest blows of frequent and of occasional kind on top of it; blows do not coincide.

    Args:
        quiet: mean-square level that is there anyway, over (20 µPa)².
    """
    energy, often, rare = quiet, 0.0, 0.0
    for s in range(p.motors.shape[0]):
        ran_s = p.motors[s, 0] - p.heard[s]
        if ran_s > 0.0:
            energy += p.sound[m.row, s] * ran_s / dt_s
            often = max(often, p.sound[m.row, s] * p.peaks[s, 0])
            rare = max(rare, p.sound[m.row, s] * p.peaks[s, 1])
    m.level_db = 10.0 * np.log10(energy)
    m.often_db, m.rare_db = 10.0 * np.log10(energy + often), 10.0 * np.log10(energy + rare)


@njit
def sense(p: Any) -> None:
    """What the stations send."""
    for k in range(p.monitors.shape[0]):
        if p.monitors[k].instrument > 0:
            monitor.sense(p.monitors[k], p)
