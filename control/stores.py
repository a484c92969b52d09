"""Stores: keep the bins fed from the yard and the silos from being overfilled."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.jit import njit
from twin.tags import Equipment, TagTable

FEED_BELOW, FEED_UP_TO = 60.0, 85.0  # % of the bin
FILL_BELOW, FILL_UP_TO = 88.0, 92.0  # % of the silo; silo.level: high 90
FILL_KPA = 3.5  # above this the filter is blinded (engineering choice); relief valves lift at 5 kPa

STORE = np.dtype(
    [
        ("level", "i8"),
        ("command", "i8"),
        ("high", "i8"),
        ("pressure", "i8"),
        ("tanker", "i8"),
        ("blinded", "i8"),
        ("below", "f8"),
        ("up_to", "f8"),
    ]
)


def memory(table: TagTable, machine: Equipment) -> dict[str, Any]:
    """Memory of one bin or silo."""
    tag = lambda suffix: table.index(f"{machine.name}.{suffix}")
    if machine.kind == "silo":
        return {
            "level": tag("Level"),
            "command": tag("FillOpen"),
            "high": tag("High"),
            "pressure": tag("Pressure"),
            "tanker": tag("Filling"),
            "below": FILL_BELOW,
            "up_to": FILL_UP_TO,
        }
    return {"level": tag("Level"), "command": tag("Feed"), "high": -1, "below": FEED_BELOW, "up_to": FEED_UP_TO}


@njit
def scan(s: Any, io: Any) -> None:
    """Two-point control with the level; the high switch of a silo shuts at once."""
    if io[s.level] < s.below:
        io[s.command] = 1.0
    elif io[s.level] > s.up_to:
        io[s.command] = 0.0
    if s.high < 0:
        return
    if io[s.pressure] > FILL_KPA:
        s.blinded = 1
    elif io[s.tanker] < 0.5:
        s.blinded = 0
    if io[s.high] > 0.5 or s.blinded:
        io[s.command] = 0.0
