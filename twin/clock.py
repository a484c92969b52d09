"""Simulated time: a whole number of ticks of 10 ms. Floats drift; ticks do not."""

from __future__ import annotations

TICK_S = 0.01
TICKS_PER_S = 100
SCAN_TICKS = 10  # the usual scan of a controller, 100 ms


def ticks(seconds: float) -> int:
    """Seconds as ticks, rounded."""
    return round(seconds * TICKS_PER_S)
