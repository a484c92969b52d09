"""Flow of bulk solids and liquids: actuator travel, irregular flow, emptying of hoppers.

Every function takes the length of the step, so one equation serves 10 ms and coarser steps alike: travel
and emptying are integrated in closed form, the irregularity is an exactly discretised process.
"""

from __future__ import annotations

import numpy as np

from twin.jit import njit


@njit
def travel(opening: float, target: float, rate_s: float, dt_s: float) -> tuple[float, float]:
    """Move an opening toward its target at a constant rate and integrate it.

    Args:
        opening, target: 0 (shut) to 1 (open).
        rate_s: travel per second, 1/stroke time.
        dt_s: length of the step, s.

    Returns:
        The new opening, and the integral of the opening over the step (s).
    """
    gap = target - opening
    if gap == 0.0 or dt_s <= 0.0:
        return opening, opening * max(dt_s, 0.0)
    reach_s = abs(gap) / rate_s
    if reach_s <= dt_s:
        return target, 0.5 * (opening + target) * reach_s + target * (dt_s - reach_s)
    new = opening + np.copysign(rate_s * dt_s, gap)
    return new, 0.5 * (opening + new) * dt_s


@njit
def drained_kg(held_kg: float, rate_kg_s: float, knee_kg: float, dt_s: float) -> float:
    """Mass that leaves a hopper in a step: constant rate while full, tailing off below the knee.

    Exact solution of dm/dt = -q·min(1, m/knee), the usual picture of a hopper whose last material slides
    off the walls.

    Args:
        held_kg: mass in the hopper, ≥ 0.
        rate_kg_s: free discharge rate q at the present opening, ≥ 0.
        knee_kg: mass below which the rate falls in proportion, > 0.
        dt_s: length of the step, s.

    Returns:
        Mass discharged, kg, never more than held.
    """
    if rate_kg_s <= 0.0 or held_kg <= 0.0:
        return 0.0
    if held_kg <= knee_kg:
        return held_kg * (1.0 - np.exp(-rate_kg_s * dt_s / knee_kg))
    free_s = (held_kg - knee_kg) / rate_kg_s
    if dt_s <= free_s:
        return rate_kg_s * dt_s
    return held_kg - knee_kg * np.exp(-rate_kg_s * (dt_s - free_s) / knee_kg)


@njit
def irregularity(x: float, correlation_s: float, dt_s: float, z: float) -> float:
    """Next value of the flow's relative fluctuation, in standard deviations.

    Ornstein–Uhlenbeck process, discretised exactly (Gillespie 1996): x' = a·x + sqrt(1-a²)·z with
    a = exp(-dt/τ). Stationary mean 0, variance 1.
    """
    a = np.exp(-dt_s / correlation_s)
    return a * x + np.sqrt(1.0 - a * a) * z
