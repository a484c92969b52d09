"""Load cell and indicator of a weigher: a damped spring-mass system, discretised exactly."""

from __future__ import annotations

import math
from typing import Any

from twin.jit import njit


def transition(natural_hz: float, damping: float, dt_s: float) -> tuple[float, float, float, float]:
    """State transition of x'' + 2ζω·x' + ω²·(x - u) = 0 over one step, for the error e = x - u and its rate.

    Closed form of the matrix exponential for 0 < ζ < 1.

    Args:
        natural_hz: natural frequency ω/2π, Hz.
        damping: ζ, 0 < ζ < 1.
        dt_s: step, s.

    Returns:
        a11, a12, a21, a22 with [e, e'](t+dt) = A·[e, e'](t).
    """
    w = 2 * math.pi * natural_hz
    wd = w * math.sqrt(1 - damping * damping)
    decay = math.exp(-damping * w * dt_s)
    c, s = math.cos(wd * dt_s), math.sin(wd * dt_s)
    k = damping * w / wd
    return decay * (c + k * s), decay * s / wd, -decay * w * w * s / wd, decay * (c - k * s)


@njit
def respond(x: float, v: float, load: float, a: Any) -> tuple[float, float]:
    """One step of the reading toward the load with the transition `a` (4 numbers)."""
    e = x - load
    return load + a[0] * e + a[1] * v, a[2] * e + a[3] * v
