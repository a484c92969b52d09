"""The board: what every tag shows to OPC UA at this moment, as typed arrays.

The process image is copied here after each step of the model; reads and subscriptions look at nothing else. A status
is told from the reading alone, so that a client knows no more than a controller at the image: a frozen sensor stays Good.
"""

from __future__ import annotations

import time

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from twin.tags import Tag, TagTable

BOOLEAN, INT32, UINT32, DOUBLE = 1, 6, 7, 11  # built-in type numbers, OPC 10000-6 5.1.2
GOOD = 0
SENSOR_FAILURE = int(ua.StatusCodes.BadSensorFailure)
OUT_OF_RANGE = int(ua.StatusCodes.UncertainEngineeringUnitsExceeded)
EPOCH_100NS = 116_444_736_000_000_000  # 1970-01-01 in 100 ns since 1601-01-01


def filetime(seconds_since_1970: float) -> int:
    """An OPC UA DateTime as it goes over the wire: 100 ns steps since 1601-01-01."""
    return EPOCH_100NS + round(seconds_since_1970 * 1e7)


def type_of(tag: Tag) -> int:
    """Built-in type of a tag: Boolean, Double, UInt32 for codes of multi-state tags, Int32 for other whole numbers."""
    if tag.dtype == "bool":
        return BOOLEAN
    return DOUBLE if tag.dtype == "float" else UINT32 if tag.states else INT32


class Board:
    """Typed snapshot of the process image.

    Attributes:
        table: the tag table.
        types: uint8 [tag], built-in type number.
        values: float64 [tag], in the tag's unit; booleans 0 or 1. NaN where the status is Bad.
        status: uint32 [tag], OPC UA StatusCode; 0 is Good.
        source_time: simulated time of this snapshot, 100 ns since 1601.
        server_time: wall time at which it was taken, 100 ns since 1601.
        number: counts the snapshots.
    """

    def __init__(self, table: TagTable) -> None:
        n = len(table)
        self.table = table
        self.types = np.array([type_of(t) for t in table], np.uint8)
        self.values = np.zeros(n)
        self.status = np.zeros(n, np.uint32)
        self.source_time = self.server_time = 0
        self.number = 0
        sensor = np.array([t.direction == "sensor" and t.dtype == "float" for t in table])
        self._low = np.where(sensor, [t.low for t in table], -np.inf)
        self._high = np.where(sensor, [t.high for t in table], np.inf)
        self._broken = np.where(sensor, [t.broken for t in table], -np.inf)

    def show(self, image: NDArray[np.float64], source_time: int) -> None:
        """Take a snapshot.

        Args:
            image: float64 [tag], values of the process image.
            source_time: simulated time, 100 ns since 1601.
        """
        v = self.values
        v[:] = image
        broken = ~np.isfinite(v) | (v <= self._broken)
        self.status[:] = np.where(broken, SENSOR_FAILURE, np.where((v < self._low) | (v > self._high), OUT_OF_RANGE, GOOD))
        v[broken] = np.nan
        self.source_time = source_time
        self.server_time = filetime(time.time())
        self.number += 1
