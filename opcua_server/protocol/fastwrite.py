"""The short way of writing tags: a controller writes the same nodes at every scan, and only the values differ.

The bytes of such a request are compared with those of one before, leaving out where values and times stand; the values
are then taken out as arrays. Whatever is not plainly good goes the long way, which tells what is wrong with it. The audit ledger
has what was changed: an image that is written whole at each scan says mostly what is so already.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from opcua_server.access.roles import RIGHTS
from opcua_server.address.board import Board
from opcua_server.address.nodes import NS, WRITE
from opcua_server.protocol.fastread import LONGEST, PLANS, SIZE, places
from opcua_server.protocol.sessions import Session
from opcua_server.protocol.wire import NO_LIST

if TYPE_CHECKING:
    from opcua_server.server import PlantServer

DTYPES = {1: "u1", 6: "<i4", 7: "<u4", 11: "<f8"}  # of the built-in types that tags have
KEY = slice(4, 68)  # enough of a request to know which plan may fit: the name of its first node
VALUE, STATUS, TIMES = 1, 2, ((4, 8), (16, 2), (8, 8), (32, 2))  # mask bits of a DataValue and the bytes that they bring


class Plan:
    """Layout of one request.

    Args:
        body: the request.
        index: int64 [item], tags written.
        at: int64 [item], where each value begins.
        free: places and lengths of what may differ beside the values.
    """

    def __init__(self, board: Board, body: bytes, index: NDArray[np.int64], at: NDArray[np.int64], free: list[tuple[int, int]]) -> None:
        self.index = index
        types = board.types[index]
        self.template = np.frombuffer(body, np.uint8)
        self.mask = np.full(len(body), 255, np.uint8)
        for start, count in free:
            self.mask[start : start + count] = 0
        self.groups = []
        for kind, dtype in DTYPES.items():
            which = np.flatnonzero(types == kind)
            if len(which):
                place = places(at[which], SIZE.get(kind, 4))
                self.mask[place] = 0
                self.groups.append((which, place, dtype))
        tags = [board.table.tags[i] for i in index]
        self.low, self.high = np.array([t.low for t in tags]), np.array([t.high for t in tags])
        self.outputs = all(t.direction in ("actuator", "status") for t in tags)
        self.response = struct.pack("<i", len(index)) + b"\0" * (4 * len(index)) + NO_LIST
        self.allowed: dict[Any, bool] = {}

    def values(self, body: bytes) -> NDArray[np.float64] | None:
        """The values of a request of this layout; None when it is another one."""
        data = np.frombuffer(body, np.uint8)
        if ((data ^ self.template) & self.mask).any():
            return None
        out = np.empty(len(self.index))
        for which, place, dtype in self.groups:
            out[which] = data[place].view(dtype)[:, 0]
        return out


class FastWrite:
    """Plans by the beginning and length of their requests."""

    def __init__(self, server: PlantServer) -> None:
        self._server = server
        self._plans: OrderedDict[tuple[int, bytes], Plan] = OrderedDict()

    def answer(self, body: bytes, session: Session) -> bytes | None:
        """Write, and give the body of the response; None when there is no short way for it."""
        plan = self._plans.get((len(body), body[KEY]))
        if plan is None or not (plan.outputs or session.controllers) or not self._may(plan, session):
            return None
        values = plan.values(body)
        if values is None or not ((values >= plan.low) & (values <= plan.high)).all():
            return None
        server = self._server
        if server.live.state in ("ended", "failed") or server.live.lockstep.stale(session) or not server.live.takes_outputs:
            return None
        board = server.board
        changed = np.flatnonzero(board.values[plan.index] != values)
        tags = [board.table.tags[i] for i in plan.index[changed]]
        wishes, old = values[changed].tolist(), board.values[plan.index[changed]].tolist()
        for tag, value in zip(tags, wishes, strict=True):
            server.live.write(tag.name, value, session.who, controller=bool(session.controllers))
        board.values[plan.index[changed]] = values[changed]
        if tags:
            server.audit("write", session, name=[t.name for t in tags], old=old, value=wishes, status=[0] * len(tags))
        return plan.response

    def _may(self, plan: Plan, session: Session) -> bool:
        """May the session's role write all of the plan's tags; what only a controller may set back goes the long way."""
        role = session.user.role if session.user else None
        if role is None:
            return False
        if role not in plan.allowed:
            attributes, tags, writers = self._server.attributes, self._server.board.table.tags, RIGHTS[role].writes
            plan.allowed[role] = all(
                tags[i].writer in writers and attributes.level(ua.NodeId(tags[i].name, NS)) & WRITE for i in plan.index
            )
        return plan.allowed[role]

    def learn(self, body: bytes) -> None:
        """Remember the layout of a request that was answered the long way, if it is a plain list of values of tags."""
        key = (len(body), body[KEY])
        if not 0 < len(body) <= LONGEST:
            return
        plan = self._parsed(body)
        if plan is not None:
            self._plans[key] = plan
            while len(self._plans) > PLANS:
                self._plans.popitem(last=False)

    def _parsed(self, body: bytes) -> Plan | None:
        """Layout of a request whose items are all values of tags, by name, without index range or status."""
        board = self._server.board
        index, at, free = [], [], []
        try:
            (count,) = struct.unpack_from("<i", body)
            place = 4
            for _ in range(count):
                kind, namespace, length = struct.unpack_from("<BHi", body, place)
                place += 7
                name = body[place : place + length].decode() if 0 < length < 256 else ""
                place += length
                attribute, index_range, mask = struct.unpack_from("<IiB", body, place)
                place += 9
                tag = self._server.attributes.tag_index(ua.NodeId(name, namespace)) if name else None
                if kind != 3 or tag is None or attribute != ua.AttributeIds.Value or index_range != -1:
                    return None
                if mask & ~0x3F or not mask & VALUE or body[place] != board.types[tag]:
                    return None
                index.append(tag)
                at.append(place + 1)
                place += 1 + SIZE.get(int(board.types[tag]), 4)
                if mask & STATUS:
                    if body[place : place + 4] != b"\0\0\0\0":
                        return None
                    place += 4
                for bit, size in TIMES:
                    if mask & bit:
                        free.append((place, size))
                        place += size
        except (struct.error, IndexError, UnicodeDecodeError):
            return None
        if place != len(body) or not index or len(set(index)) != len(index):
            return None
        return Plan(board, body, np.array(index, np.int64), np.array(at, np.int64), free)
