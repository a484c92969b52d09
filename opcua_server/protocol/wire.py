"""Requests and responses as bytes: the headers by hand, because each message has them; bodies by the library's encoders."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.ua.ua_binary import list_to_binary, nodeid_from_binary, struct_from_binary

from opcua_server.address.board import filetime
from opcua_server.protocol.decoding import Bytes

FAULT = ua.ObjectIds.ServiceFault_Encoding_DefaultBinary
NO_LIST = b"\xff\xff\xff\xff"
_HEAD = struct.Struct("<BBHqIIBiHB")  # type id as four bytes, then ResponseHeader without texts
_TAIL = struct.Struct("<qIIiI")  # RequestHeader after the token, without audit entry


def _unnamed(kind: Any, value: object) -> Any:
    """A number that an enumeration does not name: the service that meets it has a StatusCode for that."""
    if not isinstance(value, int):
        return None
    member = int.__new__(kind, value)
    member._name_, member._value_ = str(value), value
    return member


for _kind in (ua.TimestampsToReturn, ua.BrowseDirection, ua.MonitoringMode, ua.DataChangeTrigger, ua.FilterOperator):
    _kind._missing_ = classmethod(_unnamed)  # else the library could not decode the request at all


@dataclass(slots=True)
class Request:
    """A request's header.

    Attributes:
        type: number of its type.
        id: request id of the channel.
        handle: RequestHandle, comes back in the response.
        token: authentication token.
        timeout_ms: TimeoutHint.
        body: the rest, to be decoded.
    """

    type: int
    id: int
    handle: int
    token: Any
    timeout_ms: int
    body: Bytes


def read_request(request_id: int, message: bytes, token: bytes = b"", token_id: Any = None) -> Request:
    """Cut a message into header and body.

    Args:
        token: encoded authentication token that is expected; then the header is read the short way.

    Raises:
        Exception: the message cannot be decoded.
    """
    if token and message[:2] == b"\x01\x00" and message[4 : 4 + len(token)] == token:
        at = 4 + len(token)
        _, handle, _, audit, timeout = _TAIL.unpack_from(message, at)
        if audit in (-1, 0) and message[at + 24 : at + 27] == b"\x00\x00\x00":
            return Request(message[2] | message[3] << 8, request_id, handle, token_id, timeout, Bytes(message, at + 27))
    buffer = Bytes(message)
    type_id = nodeid_from_binary(buffer)
    header = struct_from_binary(ua.RequestHeader, buffer)
    number = type_id.Identifier if type_id.NamespaceIndex == 0 and isinstance(type_id.Identifier, int) else 0
    return Request(number, request_id, header.RequestHandle, header.AuthenticationToken, header.TimeoutHint, buffer)


def head(type_number: int, handle: int, result: int = 0) -> bytes:
    """Type id and ResponseHeader of a response."""
    return _HEAD.pack(1, 0, type_number, filetime(time.time()), handle, result, 0, -1, 0, 0)


def fault(handle: int, code: int) -> bytes:
    """A ServiceFault."""
    return head(FAULT, handle, code)


def results(type_number: int, handle: int, kind: Any, values: list[Any]) -> bytes:
    """A response that is a list of results and no diagnostics."""
    return head(type_number, handle) + list_to_binary(kind, values) + NO_LIST
