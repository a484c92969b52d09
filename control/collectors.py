"""Dust collectors with a fan: on while the line works, and a while after, so that hoods and ducts run clear."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.jit import njit
from twin.tags import TagTable

RUN_ON_TICKS = 60 * 100

COLLECTOR = np.dtype([("fan", "i8"), ("mixer", "i8"), ("last", "i8")])


def memory(table: TagTable) -> list[dict[str, Any]]:
    """Memory of each collector that has a fan."""
    return [
        {"fan": table.index(f"{e.name}.FanRun"), "mixer": table.index(f"{e.line}.Mixer.Run"), "last": -RUN_ON_TICKS - 1}
        for e in table.of_kind("dust_collector")
        if f"{e.name}.FanRun" in table
    ]


@njit
def scan(c: Any, io: Any, now: int) -> None:
    """One scan of one collector."""
    if io[c.mixer] > 0.5:
        c.last = now
    io[c.fan] = 1.0 if now - c.last <= RUN_ON_TICKS else 0.0
