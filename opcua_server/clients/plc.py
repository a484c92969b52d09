"""The nodes of a PLC that a bridge reads and writes: found, checked, converted, exchanged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from asyncua import Client, ua
from asyncua.common.ua_utils import data_type_to_variant_type
from numpy.typing import NDArray

from opcua_server.clients.iomap import BEAT, READ, Row
from twin.errors import BadInput, BatchtwinError
from twin.tags import Tag, TagTable

V, Ids = ua.VariantType, ua.AttributeIds
BITS = {V.SByte: 8, V.Byte: 8, V.Int16: 16, V.UInt16: 16, V.Int32: 32, V.UInt32: 32, V.Int64: 64, V.UInt64: 64}
SIGNED = (V.SByte, V.Int16, V.Int32, V.Int64)
EXACT = {V.Float: 2.0**24, V.Double: 2.0**53}  # whole numbers beyond lose their last digits
CAN_READ, CAN_WRITE = 1, 2  # bits of AccessLevel
REFRESH = 10  # exchanges after which a value is written though it has not changed: a PLC may have lost its memory
MANY = 500  # nodes in one request where the PLC names no limit
FAILED = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadSensorFailure))


def whole_range(kind: ua.VariantType) -> tuple[int, int]:
    """Least and greatest value of a whole-number type."""
    bits = BITS[kind]
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind in SIGNED else (0, 2**bits - 1)


@dataclass(slots=True)
class Point:
    """A tag and its node in the PLC.

    Attributes:
        index: of the tag; -1 is the bridge's own counter.
        kind: built-in type of the node.
        readable: a setpoint can be read back.
        sent: what the PLC was given last; None when that is not known.
        taken: what the run was given last.
        plain: the PLC does not take a status, so a failed sensor shows its reading only.
        told: that something is wrong with it has been told.
    """

    row: Row
    tag: Tag | None
    index: int
    node: ua.NodeId
    kind: ua.VariantType
    readable: bool = True
    sent: Any = None
    taken: float | None = None
    plain: bool = False
    told: bool = False

    def broken(self, value: float) -> bool:
        """Does the instrument say that it has failed."""
        tag = self.tag
        return not math.isfinite(value) or (tag is not None and tag.direction == "sensor" and tag.dtype == "float" and value <= tag.broken)

    def raw(self, value: float) -> tuple[bool | int | float, bool]:
        """A value of the plant as the node's type, and whether it had to be cut to the type's range."""
        tag, row = self.tag, self.row
        if tag is None:
            return int(value) & (2 ** (BITS[self.kind] - (self.kind in SIGNED)) - 1), False
        if not math.isfinite(value):
            value = tag.broken if math.isfinite(tag.broken) else tag.low
        if tag.dtype == "bool":
            on = (value != 0) != row.invert
            return on if self.kind == V.Boolean else int(on), False
        number = (value - row.offset) / row.scale
        if self.kind == V.Float:
            return float(np.float32(number)), False
        if self.kind == V.Double:
            return number, False
        low, high = whole_range(self.kind)
        nearest = math.floor(number + 0.5)
        return min(max(nearest, low), high), not low <= nearest <= high

    def value(self, raw: Any) -> float | None:
        """A value of the node in the tag's unit; None when it is no finite number."""
        tag, row = self.tag, self.row
        if tag is None or not isinstance(raw, (bool, int, float)) or not math.isfinite(raw):
            return None
        if tag.dtype == "bool":
            return float((raw != 0) != row.invert)
        if raw < 0 <= tag.low and tag.dtype == "int" and not tag.states and self.kind in SIGNED and row.scale == 1 and row.offset == 0:
            raw += 2 ** BITS[self.kind]  # a counter that has run over in a signed type
        return raw * row.scale + row.offset


class Plc:
    """The mapped nodes of a connected PLC.

    Attributes:
        inputs: points that are written: sensors, setpoints, the counter last.
        outputs: points that are read: actuators and status; `setpoints` are read back, too.
        counts: what went wrong so far, by kind: `bad_values`, `write_errors`, `cut`.
    """

    def __init__(
        self, client: Client, points: Sequence[Point], most_read: int, most_written: int, tell: Callable[[str, str], None]
    ) -> None:
        self.client = client
        self._most_read, self._most_written, self._tell = most_read, most_written, tell
        self.outputs = [p for p in points if p.tag and p.tag.direction in READ]
        self.inputs = sorted((p for p in points if not (p.tag and p.tag.direction in READ)), key=lambda p: p.tag is None)
        self.setpoints = [p for p in self.inputs if p.tag and p.tag.direction == "setpoint" and p.readable]
        self._read = [*self.outputs, *self.setpoints]
        self.counts: Counter[str] = Counter()
        self._cycle = 0

    @classmethod
    async def of(cls, client: Client, rows: Sequence[Row], table: TagTable, tell: Callable[[str, str], None] = lambda en, zh: None) -> Plc:
        """Find and check all nodes.

        Raises:
            BadInput: a mistake for each node that is missing, of a wrong type, or closed to us.
        """
        most_read, most_written = await _limits(client)
        namespaces = await client.get_namespace_array()
        points, mistakes = [], []
        nodes = [_resolved(row, namespaces) for row in rows]
        wanted = (Ids.NodeClass, Ids.DataType, Ids.ValueRank, Ids.AccessLevel, Ids.UserAccessLevel, Ids.Value)
        asked = [ua.ReadValueId(NodeId=n, AttributeId=a) for n in nodes if n is not None for a in wanted]
        answers = iter(await _in_parts(lambda part: client.uaclient.read(ua.ReadParameters(NodesToRead=part)), asked, most_read))
        for row, node in zip(rows, nodes, strict=True):
            try:
                if node is None:
                    raise _wrong(row, f"the PLC has no namespace {row.uri}", f"it has {', '.join(namespaces[1:])}")
                seen = dict(zip(wanted, [next(answers) for _ in wanted], strict=True))
                points.append(await _point(client, row, node, seen, table))
            except BatchtwinError as error:
                mistakes.append(error)
        if mistakes:
            raise BadInput(mistakes)
        return cls(client, points, most_read, most_written, tell)

    async def exchange(self, image: NDArray[np.float64], scan: int) -> dict[int, float]:
        """Write what the plant shows, then read what the PLC wants.

        Args:
            image: float64 [tag], values of the process image.
            scan: number of the scan that comes next.

        Returns:
            Tags that the PLC has changed, by index.
        """
        await self._put(image, scan)
        out: dict[int, float] = {}
        parts = [ua.ReadValueId(NodeId=p.node, AttributeId=Ids.Value) for p in self._read]
        answers = await _in_parts(lambda part: self.client.uaclient.read(ua.ReadParameters(NodesToRead=part)), parts, self._most_read)
        for point, answer in zip(self._read, answers, strict=True):
            raw = None if answer.Value is None or (answer.StatusCode is not None and answer.StatusCode.is_bad()) else answer.Value.Value
            value = point.value(raw)
            if value is None:
                self._bad(point, answer)
                continue
            if point.tag is not None and point.tag.direction == "setpoint":
                if point.sent is not None and raw != point.sent[0]:  # the PLC has changed it: a command bit that was obeyed is reset
                    point.sent = (raw, False)
                    out[point.index] = value
            elif value != point.taken:
                out[point.index] = point.taken = value
        return out

    async def _put(self, image: NDArray[np.float64], scan: int) -> None:
        """Write inputs in one request: sensors that have changed and a tenth of the others, setpoints that have changed."""
        self._cycle += 1
        due: list[tuple[Point, bool | int | float, bool]] = []
        for k, point in enumerate(self.inputs):
            value = scan if point.tag is None else float(image[point.index])
            raw, cut = point.raw(value)
            broken = point.tag is not None and point.broken(value)
            refresh = point.tag is None or (point.tag.direction == "sensor" and (self._cycle + k) % REFRESH == 0)
            if refresh or point.sent != (raw, broken):
                due.append((point, raw, broken))
                self.counts["cut"] += cut
        items = []
        for point, raw, broken in due:
            status = FAILED if broken and not point.plain else None
            value = ua.DataValue(ua.Variant(raw, point.kind), StatusCode=status)  # no times and no Good: some PLCs refuse them
            items.append(ua.WriteValue(point.node, Ids.Value, Value=value))
        codes = await _in_parts(lambda part: self.client.uaclient.write(ua.WriteParameters(NodesToWrite=part)), items, self._most_written)
        for (point, raw, broken), code in zip(due, codes, strict=True):
            point.sent = None if code.is_bad() else (raw, broken)
            if not code.is_bad():
                continue
            if broken and not point.plain:
                point.plain = True  # from the next exchange on
                continue
            self.counts["write_errors"] += 1
            self._once(point, f"the PLC refuses to be written ({code.name})", f"PLC 拒绝写入（{code.name}）")

    def _bad(self, point: Point, answer: ua.DataValue) -> None:
        self.counts["bad_values"] += 1
        name = answer.StatusCode.name if answer.StatusCode is not None and answer.StatusCode.is_bad() else "no finite number"
        self._once(point, f"a value was not taken ({name})", f"未采用其值（{name}）")

    def _once(self, point: Point, en: str, zh: str) -> None:
        if not point.told:
            point.told = True
            self._tell(f"{point.row.tag} at {point.row.text}: {en}", f"{point.row.tag}（{point.row.text}）：{zh}")


async def _limits(client: Client) -> tuple[int, int]:
    """Nodes that the PLC takes in one read and one write request."""
    ids = [
        ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
        ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
    ]
    answers = await client.uaclient.read_attributes([ua.NodeId(i) for i in ids], Ids.Value)
    most = [a.Value.Value if a.Value is not None and isinstance(a.Value.Value, int) else 0 for a in answers]
    return most[0] or MANY, most[1] or MANY


async def _in_parts(ask: Callable[[list[Any]], Awaitable[list[Any]]], items: list[Any], most: int) -> list[Any]:
    """Ask in as many requests as the PLC's limits need: mostly one, none for nothing."""
    return [answer for k in range(0, len(items), most) for answer in await ask(items[k : k + most])]


def _resolved(row: Row, namespaces: Sequence[str]) -> ua.NodeId | None:
    """The NodeId with the namespace index that this PLC uses today; None when it lacks the namespace."""
    if not row.uri:
        return row.node
    if row.uri not in namespaces:
        return None
    return ua.NodeId(row.node.Identifier, namespaces.index(row.uri), row.node.NodeIdType)


async def _point(client: Client, row: Row, node: ua.NodeId, seen: dict[ua.AttributeIds, ua.DataValue], table: TagTable) -> Point:
    """Check one node.

    Raises:
        BatchtwinError: E101 with what is wrong.
    """
    tag = None if row.tag == BEAT else table[row.tag]
    got = {
        a: v.Value.Value if v.Value is not None and not (v.StatusCode is not None and v.StatusCode.is_bad()) else None
        for a, v in seen.items()
    }
    if got[Ids.NodeClass] is None:
        raise _wrong(row, f"the PLC has no node {row.text}", "check the map against the PLC's address space")
    if got[Ids.NodeClass] != ua.NodeClass.Variable:
        raise _wrong(row, f"{row.text} is no variable", "map the variable itself")
    rank = got[Ids.ValueRank]
    if (rank is not None and int(rank) >= 0) or isinstance(got[Ids.Value], list):
        raise _wrong(row, f"{row.text} is an array", "map a single variable")
    level, mine = got[Ids.AccessLevel], got[Ids.UserAccessLevel]
    level = int(level or 0) & (255 if mine is None else int(mine))
    output = tag is not None and tag.direction in READ
    if not level & (CAN_READ if output else CAN_WRITE):
        raise _wrong(
            row, f"{row.text} cannot be {'read' if output else 'written'} by us", "open it in the PLC, or log in as somebody who may"
        )
    kind = await _kind(client, got[Ids.DataType], seen[Ids.Value])
    if kind is None:
        raise _wrong(row, f"{row.text} is of a type of its own", "map a number or a boolean")
    misfit = _misfit(row, tag, kind, output)
    if misfit:
        raise _wrong(row, f"{row.text} is {kind.name}, {misfit[0]}", misfit[1])
    return Point(row, tag, -1 if tag is None else table.index(row.tag), node, kind, bool(level & CAN_READ))


async def _kind(client: Client, data_type: Any, value: ua.DataValue) -> ua.VariantType | None:
    """Built-in type of a node: as declared, as its value is, or as the declared type's ancestor; None when there is none."""
    if isinstance(data_type, ua.NodeId) and data_type.NamespaceIndex == 0 and 1 <= int(data_type.Identifier) <= 22:
        return V(int(data_type.Identifier))
    if value.Value is not None and value.Value.VariantType != V.Null and value.Value.Value is not None:
        return V(value.Value.VariantType.value)
    try:
        found = await data_type_to_variant_type(client.get_node(data_type))
    except (ua.UaError, ValueError, AttributeError):
        return None
    return found if found != V.Variant else None


def _misfit(row: Row, tag: Tag | None, kind: ua.VariantType, output: bool) -> tuple[str, str] | None:
    """Why a tag cannot stand in a node of that type, and what helps; None when it can."""
    if tag is None:
        return None if kind in BITS else ("and a counter is a whole number", "map it to an integer, such as UDInt")
    boolean = tag.dtype == "bool"
    beat = output and tag.dtype == "int" and not tag.states  # a heartbeat may be a bit that toggles
    if kind == V.Boolean:
        return None if boolean or beat else (f"and {_noun(tag)} does not fit", "map it to an integer or a real")
    if kind not in BITS and (kind not in EXACT or boolean):
        return f"and {_noun(tag)} does not fit", "map it to " + ("Bool or an integer" if boolean else "an integer or a real")
    if output or boolean:
        return None
    ends = sorted((end - row.offset) / row.scale for end in (tag.low, tag.high))
    whole = tag.dtype == "int"
    low, high = whole_range(kind) if kind in BITS else (-EXACT[kind], EXACT[kind]) if whole else (-math.inf, math.inf)
    if low - 0.5 <= ends[0] and ends[1] <= high + 0.5:
        return None
    return f"which does not hold {ends[0]:g}..{ends[1]:g}", "take a wider type, or give a scale"


def _noun(tag: Tag) -> str:
    return {"bool": "a boolean", "int": "a whole number", "float": "a number with a fraction"}[tag.dtype]


def _wrong(row: Row, problem: str, mend: str) -> BatchtwinError:
    return BatchtwinError("E101", where=row.where or row.tag, problem=problem, mend=mend)


__all__ = ["Plc", "Point"]
