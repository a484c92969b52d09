"""The two drives of a run: `scan` with any controller at its own period, `batch` compiled in one loop."""

from __future__ import annotations

from typing import Any

from control import reference
from scenarios.recorder import observe
from twin import plant
from twin.equipment.part import SCAN_TICKS
from twin.jit import njit


@njit
def play_ticks(p: Any, log: Any, count: int) -> bool:
    """`scan` fidelity: the physics of one scan in steps of 10 ms, then sensors and observer."""
    for _ in range(count):
        plant.step(p, 1)
    plant.sense(p)
    return observe(p, log)


@njit
def play_batch(p: Any, c: Any, log: Any, until: int) -> None:
    """`batch` fidelity: reference control and physics until a tick, or until somebody outside must look.

    Args:
        p: the plant's `State`; c: the controller's `Memory`; log: the observer's `Log`.
        until: tick to stop at.
    """
    while p.site[0].tick < until:
        now = p.site[0].tick
        reference.scan(c, p.io, now)
        plant.step(p, min(SCAN_TICKS, until - now))
        plant.sense(p)
        if observe(p, log):
            return
