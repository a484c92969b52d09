"""Notifications and publish responses as bytes, in the binary encoding of OPC 10000-6.

Values of tags are laid out as NumPy records, one layout for each built-in type and choice of timestamps, so that thousands
of them are encoded at once. All else goes through asyncua's encoder one by one.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary, variant_to_binary
from numpy.typing import NDArray

from opcua_server.address.board import BOOLEAN, DOUBLE, INT32, UINT32, filetime

Time = int | NDArray[np.int64]  # 100 ns since 1601: one for all values of a batch, or int64 [value]

_BAD = 0x8000_0000  # from here on a StatusCode is Bad
NO_VALUE = 0  # layout of a Bad status: its Value is left out
_VALUE, _STATUS, _SOURCE, _SERVER = 1, 2, 4, 8  # mask bits of a DataValue, OPC 10000-6 5.2.2.17
_NUMPY_TYPE = {BOOLEAN: "u1", INT32: "<i4", UINT32: "<u4", DOUBLE: "<f8"}

_SERVICE_FAULT, _PUBLISH_RESPONSE, _REPUBLISH_RESPONSE = 397, 829, 835
_DATA_CHANGE, _EVENT_LIST, _STATUS_CHANGE = 811, 916, 820

_UNENCODABLE = ua.StatusCode(ua.StatusCodes.BadEncodingError)

# NodeId of four bytes (type 1, namespace 0), Timestamp, RequestHandle, ServiceResult, no diagnostics, no strings, no extra header.
_HEADER = struct.Struct("<BBHqIIBi3s")
_UINT32 = struct.Struct("<I")
_MESSAGE = struct.Struct("<Iqi")
_EXTENSION = struct.Struct("<BBHBi")


class Batch(NamedTuple):
    """Sampled values of tags, in the order of sampling.

    Attributes:
        slots: intp [value], position of the item among its subscription's items.
        values: float64 [value].
        status: uint32 [value], StatusCode with its info bits.
        source, server: timestamps, 100 ns since 1601.
    """

    slots: NDArray[np.intp]
    values: NDArray[np.float64]
    status: NDArray[np.uint32]
    source: Time
    server: Time

    def pick(self, which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Batch:
        """Some of the values, in the same order."""
        source = self.source if isinstance(self.source, int) else self.source[which]
        server = self.server if isinstance(self.server, int) else self.server[which]
        return Batch(self.slots[which], self.values[which], self.status[which], source, server)


def joined(batches: Sequence[Batch]) -> Batch:
    """Several batches as one."""

    def times(name: str) -> NDArray[np.int64]:
        return np.concatenate([np.broadcast_to(np.int64(getattr(b, name)), len(b.slots)) for b in batches])

    slots, values, status = (np.concatenate([b[column] for b in batches]) for column in range(3))
    return Batch(slots, values, status, times("source"), times("server"))


def layout_of(types: NDArray[np.uint8], stamps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Layout numbers of items: built-in type × 4 + TimestampsToReturn."""
    return types * np.uint8(4) + stamps


@cache
def _layout(number: int) -> tuple[np.dtype, int]:
    """Record type and DataValue mask of a layout number."""
    kind, stamps = divmod(number, 4)
    fields = [("handle", "<u4"), ("mask", "u1")]
    mask = _STATUS
    if kind != NO_VALUE:
        fields += [("type", "u1"), ("value", _NUMPY_TYPE[kind])]
        mask |= _VALUE
    fields.append(("status", "<u4"))
    if stamps in (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both):
        fields.append(("source", "<i8"))
        mask |= _SOURCE
    if stamps in (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both):
        fields.append(("server", "<i8"))
        mask |= _SERVER
    return np.dtype(fields), mask


class Records:
    """Encoder of MonitoredItemNotifications for the tag items of one subscription.

    Args:
        handles: uint32 [item], client handles.
        layouts: uint8 [item], from `layout_of`.
    """

    def __init__(self, handles: NDArray[np.uint32], layouts: NDArray[np.uint8]) -> None:
        self._handles = handles
        self._layouts = layouts
        self._present = [int(n) for n in np.unique(layouts)]
        self._all: dict[int, tuple[NDArray[np.intp], NDArray[np.void]]] = {}

    def encode(self, batch: Batch) -> list[bytes]:
        """The values as encoded MonitoredItemNotifications. The values of one item keep their order."""
        if batch.status.max(initial=0) >= _BAD:
            layouts = self._layouts[batch.slots]
            layouts[batch.status >= _BAD] %= 4
            present = [int(n) for n in np.unique(layouts)]
        elif len(batch.slots) == len(self._handles) and isinstance(batch.source, int):
            return [self._encode_all(number, batch) for number in self._present]
        else:
            layouts, present = self._layouts[batch.slots], self._present
        rows = [np.flatnonzero(layouts == number) for number in present]
        parts = [self._encode_some(number, batch.pick(some)) for number, some in zip(present, rows, strict=True)]
        if present[0] < 4 and not isinstance(batch.source, int):  # an item may have good values between bad ones
            return [woven(len(batch.slots), rows, parts)]
        return [part.tobytes() for part in parts]

    def _encode_some(self, number: int, batch: Batch) -> NDArray[np.void]:
        return _fill(self._blank(number, batch.slots), batch)

    def _encode_all(self, number: int, batch: Batch) -> bytes:
        """One value of each item, all of them readable: what is written at each step when everything changes."""
        if number not in self._all:
            rows = np.flatnonzero(self._layouts == number)
            self._all[number] = rows, self._blank(number, rows)
        rows, records = self._all[number]
        return _fill(records, batch.pick(rows)).tobytes()

    def _blank(self, number: int, slots: NDArray[np.intp]) -> NDArray[np.void]:
        dtype, mask = _layout(number)
        records = np.empty(len(slots), dtype)
        records["handle"] = self._handles[slots]
        records["mask"] = mask
        if number >= 4:
            records["type"] = number // 4
        return records


def _fill(records: NDArray[np.void], batch: Batch) -> NDArray[np.void]:
    names = records.dtype.names or ()
    if "value" in names:
        records["value"] = batch.values
    records["status"] = batch.status
    if "source" in names:
        records["source"] = batch.source
    if "server" in names:
        records["server"] = batch.server
    return records


def woven(count: int, rows: Sequence[NDArray[np.intp]], parts: Sequence[NDArray[np.void]]) -> bytes:
    """Records of different lengths in one order: those of `parts[i]` stand at the places `rows[i]` among all `count`."""
    lengths = np.empty(count, np.intp)
    for some, part in zip(rows, parts, strict=True):
        lengths[some] = part.itemsize
    ends = np.cumsum(lengths)
    out = np.empty(ends[-1], np.uint8)
    for some, part in zip(rows, parts, strict=True):
        starts = ends[some] - part.itemsize
        out[starts[:, None] + np.arange(part.itemsize)] = part.view(np.uint8).reshape(len(part), part.itemsize)
    return out.tobytes()


def data_value(handle: int, value: ua.DataValue, stamps: int) -> bytes:
    """A MonitoredItemNotification of a node that is not a tag."""
    status = value.StatusCode or ua.StatusCode()
    source = value.SourceTimestamp if stamps in (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both) else None
    server = value.ServerTimestamp if stamps in (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both) else None
    shown = ua.DataValue(None if status.is_bad() else value.Value, status, source, server)
    try:
        return _UINT32.pack(handle) + struct_to_binary(shown)
    except Exception:  # the encoder raises whatever it meets first in a value that does not fit its type
        broken = ua.DataValue(None, _UNENCODABLE, source, server)
        return _UINT32.pack(handle) + struct_to_binary(broken)


def event_fields(handle: int, fields: Sequence[ua.Variant]) -> bytes:
    """An EventFieldList."""
    return struct.pack("<Ii", handle, len(fields)) + b"".join(map(_variant, fields))


def _variant(value: ua.Variant) -> bytes:
    try:
        return variant_to_binary(value)
    except Exception:  # as in data_value: one bad field must not cost the client its event
        return variant_to_binary(ua.Variant(_UNENCODABLE))


def _extension(type_id: int, body: bytes) -> bytes:
    return _EXTENSION.pack(1, 0, type_id, 1, len(body)) + body


def data_changes(count: int, encoded: Iterable[bytes]) -> bytes:
    """A DataChangeNotification of `count` encoded MonitoredItemNotifications."""
    return _extension(_DATA_CHANGE, b"".join((_UINT32.pack(count), *encoded, _UINT32.pack(0))))


def events(encoded: Sequence[bytes]) -> bytes:
    """An EventNotificationList."""
    return _extension(_EVENT_LIST, b"".join((_UINT32.pack(len(encoded)), *encoded)))


def status_change(code: int) -> bytes:
    """A StatusChangeNotification."""
    return _extension(_STATUS_CHANGE, struct.pack("<IB", code, 0))


def message(sequence_number: int, notifications: Sequence[bytes]) -> bytes:
    """A NotificationMessage; without notifications a keep-alive."""
    return _MESSAGE.pack(sequence_number, filetime(time.time()), len(notifications)) + b"".join(notifications)


def _header(type_id: int, handle: int, code: int = 0) -> bytes:
    return _HEADER.pack(1, 0, type_id, filetime(time.time()), handle, code, 0, 0, bytes(3))


def fault(handle: int, code: int) -> bytes:
    """A ServiceFault."""
    return _header(_SERVICE_FAULT, handle, code)


def publish_response(handle: int, subscription_id: int, available: Sequence[int], more: bool, body: bytes, results: Sequence[int]) -> bytes:
    """A PublishResponse.

    Args:
        handle: RequestHandle of the request it answers.
        subscription_id: whose message it carries.
        available: sequence numbers that can be asked for again.
        more: further notifications wait.
        body: the NotificationMessage.
        results: StatusCodes of the request's acknowledgements.
    """
    head = struct.pack(f"<Ii{len(available)}I?", subscription_id, len(available), *available, more)
    tail = struct.pack(f"<i{len(results)}Ii", len(results), *results, 0)
    return b"".join((_header(_PUBLISH_RESPONSE, handle), head, body, tail))


def republish_response(handle: int, body: bytes) -> bytes:
    """A RepublishResponse with the NotificationMessage that `SubscriptionService.republish` gave."""
    return _header(_REPUBLISH_RESPONSE, handle) + body
