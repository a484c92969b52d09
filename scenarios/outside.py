"""A controller that stands outside: what it wrote since the last scan, applied and noted at the scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twin.clock import SCAN_TICKS

if TYPE_CHECKING:
    from scenarios.simulation import Simulation


class Outside:
    """Takes the place of a controller or a dispatcher for whoever writes actuators from outside.

    Attributes:
        pending: values by tag index that the next scan will take.
    """

    scan_ticks = SCAN_TICKS

    def __init__(self) -> None:
        self.pending: dict[int, float] = {}
        self._taken: list[tuple[int, dict[int, float]]] = []

    def write(self, index: int, value: float) -> None:
        """Wish a value for the next scan; the last wish counts."""
        self.pending[index] = value

    def scan(self, values: NDArray[np.float64], now: int) -> int:
        """Write what was wished into the image."""
        if not self.pending:
            return now
        for index, value in self.pending.items():
            values[index] = value
        self._taken.append((now, self.pending))
        self.pending = {}
        return now

    def hand_over(self, sim: Simulation) -> None:
        """Give the run what was taken since the last call, to keep."""
        tags = sim.plant.table.tags
        for tick, values in self._taken:
            sim.remember(tick, "outputs", {tags[i].name: v for i, v in values.items()})
        self._taken.clear()
