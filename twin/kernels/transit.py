"""Concrete on its way: how it loses slump and takes on the weather."""

from __future__ import annotations

import numpy as np

from twin.jit import njit

# Slump falls by a share an hour that doubles every 15 K: 180 mm become 155 mm in an hour at 20 °C, as retarded pumpable
# concrete does (engineering choice, unverified).
LOSS_PER_H, DOUBLING_K = 0.15, 15.0
# A drum of 6 m³ follows the air with a time constant of 10 h, a smaller load faster by its surface; hydration warms by
# 0.8 K/h within the first two hours (engineering choice, unverified).
TAU_6_M3_S, HYDRATION_K_S = 36000.0, 0.8 / 3600.0


@njit
def slump_left_mm(slump_mm: float, temperature_c: float, dt_s: float) -> float:
    """Slump after a while in the drum, mm: exponential decay whose rate doubles every 15 K.

    Args:
        slump_mm: at the beginning.
        temperature_c: of the concrete, taken as constant over the interval.
        dt_s: the interval, s.
    """
    rate_s = LOSS_PER_H / 3600.0 * 2.0 ** ((temperature_c - 20.0) / DOUBLING_K)
    return slump_mm * np.exp(-rate_s * dt_s)


@njit
def temperature_after_c(temperature_c: float, air_c: float, volume_m3: float, dt_s: float) -> float:
    """Temperature after a while in the drum, °C: towards the air by Newton's law, with the heat of hydration on top.

    Args:
        temperature_c: at the beginning.
        air_c: of the air.
        volume_m3: in the drum, above 0; surface over volume goes with its cube root.
        dt_s: the interval, s.
    """
    tau_s = TAU_6_M3_S * (volume_m3 / 6.0) ** (1.0 / 3.0)
    end_c = air_c + HYDRATION_K_S * tau_s
    return end_c + (temperature_c - end_c) * np.exp(-dt_s / tau_s)
