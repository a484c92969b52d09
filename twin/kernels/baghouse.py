"""Reverse pulse-jet baghouse: drag of cloth and cake, the fan against it, what a pulse shakes off.

Equations of EPA's Air Pollution Control Cost Manual (EPA/452/B-02-001) section 6 chapter 1.
"""

from __future__ import annotations

import numpy as np

from twin.jit import njit


@njit
def drag_pa_s_m(residual_pa_s_m: float, k2_s: float, cake_kg_m2: float) -> float:
    """Drag of cloth and cake, S = S_e + K₂·w (equation 1.9 of the manual), Pa·s/m.

    Args:
        residual_pa_s_m: of the cleaned cloth.
        k2_s: specific resistance of the cake, 1/s (N·s/(kg·m)).
        cake_kg_m2: areal load.
    """
    return residual_pa_s_m + k2_s * cake_kg_m2


@njit
def fan_flow_m3_s(shutoff_pa: float, free_m3_s: float, resistance_pa_s_m3: float) -> float:
    """Where a fan with p = p₀·(1 - (Q/Q₀)²) meets a filter with p = R·Q: the root of the quadratic.

    Args:
        shutoff_pa: pressure at no flow; free_m3_s: flow at no pressure.
        resistance_pa_s_m3: drag over area.
    """
    c = shutoff_pa / (free_m3_s * free_m3_s)
    # Not (-R + √…)/2c, which loses its digits at a high resistance.
    return 2.0 * shutoff_pa / (resistance_pa_s_m3 + np.sqrt(resistance_pa_s_m3 * resistance_pa_s_m3 + 4.0 * c * shutoff_pa))


@njit
def left_after(share: float, pulses: float) -> float:
    """Share of the cake that is left after so many pulses that each take `share` of it."""
    return (1.0 - min(max(share, 0.0), 1.0)) ** pulses


@njit
def pulsing_s(t_s: float, every_s: float, cycle_s: float) -> float:
    """Seconds of pulsing in the time from 0 to `t_s` of a cleaning on time, which rests `every_s` and then pulses for `cycle_s`."""
    period_s = every_s + cycle_s
    whole = np.floor(t_s / period_s)
    return whole * cycle_s + max(t_s - whole * period_s - every_s, 0.0)
