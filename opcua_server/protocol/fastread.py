"""The short way of reading tags: a request that was seen before is a plan, and a plan is answered from the board's arrays.

Controllers read the same nodes at every scan. The bytes of such a request are looked up; the response is a template
into which values, status and times are written, without an object a value.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from opcua_server.address.board import BOOLEAN, DOUBLE, Board
from opcua_server.protocol.decoding import Bytes
from opcua_server.protocol.wire import NO_LIST

PLANS = 128  # kept at most
LONGEST = 262_144  # bytes of a request that is worth a plan: some 6,000 tags by their names
SIZE = {BOOLEAN: 1, DOUBLE: 8}  # bytes of a value; 4 for the whole numbers
MASK = {0: 0x07, 1: 0x0B, 2: 0x0F, 3: 0x03}  # TimestampsToReturn: value, status, source time 4, server time 8


class Plan:
    """How to answer one request.

    Args:
        index: int64 [item], tags to read, in order.
        timestamps: TimestampsToReturn.
    """

    def __init__(self, board: Board, index: NDArray[np.int64], timestamps: int) -> None:
        self.index, self.timestamps = index, timestamps
        self._lay_out(board, np.zeros(len(index), bool))

    def _lay_out(self, board: Board, bad: NDArray[np.bool_]) -> None:
        """Find the place of everything when these items are Bad: their value is null, a type of 0 and nothing more."""
        self.bad, index, timestamps = bad, self.index, self.timestamps
        types = np.where(bad, 0, board.types[index])
        size = np.where(bad, 0, np.array([SIZE.get(int(t), 4) for t in types], np.int64))
        times = 8 * ((MASK[timestamps] & 4 > 0) + (MASK[timestamps] & 8 > 0))
        length = 2 + size + 4 + times
        start = np.concatenate([[0], np.cumsum(length)])
        at = start[:-1]
        self.out = np.zeros(start[-1], np.uint8)
        self.out[at], self.out[at + 1] = MASK[timestamps], types
        self.count = struct.pack("<i", len(index))
        self.values = [(types == t, dtype) for t, dtype in ((BOOLEAN, "u1"), (6, "<i4"), (7, "<u4"), (DOUBLE, "<f8")) if (types == t).any()]
        self.places = [places(at[which] + 2, np.dtype(dtype).itemsize) for which, dtype in self.values]
        self.picks = [index[which] for which, _ in self.values]
        self.status = places(at + 2 + size, 4)
        time_at = at + 2 + size + 4
        self.times = []
        for bit, name in ((4, "source_time"), (8, "server_time")):
            if MASK[timestamps] & bit:
                self.times.append((places(time_at, 8), name))
                time_at = time_at + 8

    def answer(self, board: Board) -> bytes:
        """The body of the response after its header."""
        status = board.status[self.index]
        bad = status >= 0x8000_0000
        if (bad != self.bad).any():  # hardly ever: a sensor has failed, or has been mended
            self._lay_out(board, bad)
        out = self.out
        for (_, dtype), place, pick in zip(self.values, self.places, self.picks, strict=True):
            out[place] = board.values[pick].astype(dtype).view(np.uint8).reshape(place.shape)
        out[self.status] = status.astype("<u4").view(np.uint8).reshape(self.status.shape)
        for place, name in self.times:
            out[place] = np.frombuffer(struct.pack("<q", getattr(board, name)), np.uint8)
        return self.count + out.tobytes() + NO_LIST


def places(at: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Indices of `size` bytes from each place on: [place, byte]."""
    return at[:, None] + np.arange(size)


class FastRead:
    """Plans by the bytes of their requests."""

    def __init__(self, board: Board, tag_index: Callable[[ua.NodeId], int | None]) -> None:
        self._board, self._tag_index = board, tag_index
        self._plans: OrderedDict[bytes, Plan | None] = OrderedDict()

    def answer(self, key: bytes) -> bytes | None:
        """Body of the response to a request that was seen before; None when there is no short way."""
        plan = self._plans.get(key)
        if plan is None:
            return None
        self._plans.move_to_end(key)
        return plan.answer(self._board)

    def learn(self, key: bytes, request: ua.ReadParameters) -> None:
        """Remember a request that was answered the long way, if all it asks for are values of tags."""
        if key in self._plans or not 0 < len(key) <= LONGEST or int(request.TimestampsToReturn) not in MASK:
            return
        index = []
        for item in request.NodesToRead:
            tag = self._tag_index(item.NodeId) if item.AttributeId == ua.AttributeIds.Value else None
            if tag is None or item.IndexRange or (item.DataEncoding is not None and item.DataEncoding.Name):
                return
            index.append(tag)
        self._plans[key] = Plan(self._board, np.array(index, np.int64), int(request.TimestampsToReturn))
        while len(self._plans) > PLANS:
            self._plans.popitem(last=False)


def rest(body: Bytes) -> bytes:
    """What is left to decode, as bytes."""
    return body._data[body._cur_pos :]
