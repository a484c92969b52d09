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
    breathe(p, dt_s)
    hear(p, quiet, dt_s)
    for k in range(p.monitors.shape[0]):
        monitor.measure(p.monitors[k], p)
    reference = monitor.upwind(p, p.io[p.weather_stations[0].tag + weather_station.WIND_FROM])  # as the vane shows it
    for k in range(p.monitors.shape[0]):
        if p.monitors[k].instrument > 0:
            monitor.keep(p.monitors[k], p, reference)


@njit
def breathe(p: Any, dt_s: float) -> None:
    """Dust in the air of the minute at each station; what the sources gave off is counted as released."""
    for k in range(p.monitors.shape[0]):
        p.monitors[k].air[:] = 0.0
    for s in range(p.emitted.shape[0]):  # most give off nothing
        gave = p.emitted[s]
        if gave[0] == 0.0 and gave[1] == 0.0 and gave[2] == 0.0:
            continue
        for k in range(p.monitors.shape[0]):
            m = p.monitors[k]
            for j in range(3):
                m.air[j] += p.chi[m.row, s] * gave[j]
        for j in range(3):
            p.released[s, j] += gave[j]
            gave[j] = 0.0
    for k in range(p.monitors.shape[0]):
        m = p.monitors[k]
        for j in range(3):
            m.air[j] = p.ambient[j] + 1e9 * m.air[j] / dt_s  # kg/s to µg/m³


@njit
def hear(p: Any, quiet: float, dt_s: float) -> None:
    """Level of the minute at each station, and the loudest blows of frequent and of occasional kind on top of it; blows do not coincide.

    Args:
        quiet: mean-square level that is there anyway, over (20 µPa)².
    """
    for k in range(p.monitors.shape[0]):
        m = p.monitors[k]
        m.heard, m.often, m.rare = quiet, 0.0, 0.0
    for s in range(p.motors.shape[0]):  # most do not run
        ran_s = p.motors[s, 0] - p.heard[s]
        p.heard[s] = p.motors[s, 0]
        if ran_s <= 0.0:
            continue
        for k in range(p.monitors.shape[0]):
            m = p.monitors[k]
            m.heard += p.sound[m.row, s] * ran_s / dt_s
            m.often = max(m.often, p.sound[m.row, s] * p.peaks[s, 0])
            m.rare = max(m.rare, p.sound[m.row, s] * p.peaks[s, 1])
    for k in range(p.monitors.shape[0]):
        m = p.monitors[k]
        m.level_db = 10.0 * np.log10(m.heard)
        m.often_db, m.rare_db = 10.0 * np.log10(m.heard + m.often), 10.0 * np.log10(m.heard + m.rare)


@njit
def sense(p: Any) -> None:
    """What the stations send."""
    for k in range(p.monitors.shape[0]):
        if p.monitors[k].instrument > 0:
            monitor.sense(p.monitors[k], p)
