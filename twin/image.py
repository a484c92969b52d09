"""The process image: the values of the tag table, the controller's only window on the plant."""

from __future__ import annotations

import numpy as np

from twin.errors import BatchtwinError
from twin.jit import njit
from twin.tags import TagTable


class Image:
    """Values of all tags by name or by index, float64 inside.

    Attributes:
        table: the tag table.
        values: float64 array, one value a tag; booleans are 0 or 1.

    Example:
        >>> from twin.tags import actuator
        >>> table = TagTable()
        >>> _ = table.add("Line1.Mixer", "mixer", (actuator("Run", "run", "运行"),))
        >>> image = Image(table)
        >>> image["Line1.Mixer.Run"] = True
        >>> image["Line1.Mixer.Run"]
        True
    """

    def __init__(self, table: TagTable) -> None:
        self.table = table
        self.values = np.array(table.values, dtype=np.float64)
        self.low = np.array([t.low for t in table])
        self.high = np.array([t.high for t in table])
        self.whole = np.array([t.dtype != "float" for t in table])
        self.written = np.array([i for i, t in enumerate(table) if t.direction in ("actuator", "setpoint", "status")], dtype=np.int64)
        self.fixed = np.array([i for i, t in enumerate(table) if t.direction == "parameter"], dtype=np.int64)
        self.latched = self.values.copy()

    def __getitem__(self, name: str) -> bool | int | float:
        i = self.table.index(name)
        value = self.values[i]
        kind = self.table.tags[i].dtype
        return bool(value) if kind == "bool" else int(value) if kind == "int" else float(value)

    def __setitem__(self, name: str, value: float) -> None:
        i = self.table.index(name)
        tag = self.table.tags[i]
        if tag.direction in ("sensor", "parameter"):
            raise BatchtwinError("E302", name=name, direction=tag.direction, who="a controller or operator")
        self.values[i] = value

    def latch(self) -> int:
        """Take over what was written since the last scan, made safe. Returns how many values were bad."""
        return latch(self.values, self.latched, self.written, self.fixed, self.low, self.high, self.whole)


@njit
def latch(values, latched, written, fixed, low, high, whole):  # type: ignore[no-untyped-def]
    """Hold a non-finite value at its last good one, clamp the rest to range, round codes, undo what is fixed; count the bad."""
    bad = 0
    for k in range(fixed.shape[0]):
        i = fixed[k]
        if values[i] != latched[i]:
            values[i] = latched[i]
            bad += 1
    for k in range(written.shape[0]):
        i = written[k]
        v = values[i]
        if v == latched[i]:
            continue
        if not np.isfinite(v):
            bad += 1
            v = latched[i]
        elif v < low[i]:
            bad += 1
            v = low[i]
        elif v > high[i]:
            bad += 1
            v = high[i]
        if whole[i]:
            v = np.floor(v + 0.5)
        values[i] = v
        latched[i] = v
    return bad
