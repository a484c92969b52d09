"""Decoding what clients send, within bounds.

The library believes the lengths it reads: an array of null values takes no bytes however long it says it is, a matrix of any
size is filled up, and text need not be text. Where it reads from `Bytes` its decoders of these keep to what the server
grants; all else it decodes as it does.
"""

from __future__ import annotations

import math
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary

from opcua_server.protocol.limits import ARRAY_LENGTH, STRING_BYTES

MOST_READS = 400_000  # fields of one message; the longest lists of operations have about 25 an operation
MOST_DIMENSIONS = 16


class Bytes(Buffer):
    """What a client sent.

    Attributes:
        left: how many more fields may be read, in a list that parts of the message share.
    """

    def __init__(self, data: bytes, start_pos: int = 0, size: int = -1, left: list[int] | None = None) -> None:
        super().__init__(data, start_pos, size)
        self.left = left or [MOST_READS]

    def read(self, size: int) -> bytes:
        if size < 0:
            raise ua.UaError("negative length")
        self.left[0] -= 1
        if self.left[0] < 0:
            raise too_much()
        return super().read(size)

    def skip(self, size: int) -> None:
        if size < 0:
            raise ua.UaError("negative length")
        super().skip(size)

    def copy(self, size: int = -1) -> Bytes:
        if size == -1 or size > self._size:
            size = self._size
        return Bytes(self._data, self._cur_pos, size, self.left)


def too_much() -> ua.UaStatusCodeError:
    """The error for a message that is longer or richer than what is granted."""
    return ua.UaStatusCodeError(ua.StatusCodes.BadEncodingLimitsExceeded)


def _null(data: Any) -> None:
    data.read(0)  # it counts, though it takes no bytes


def _bytes(data: Any) -> bytes | None:
    length = ua_binary.Primitives.Int32.unpack(data)
    if length == -1:
        return None
    if length > STRING_BYTES and isinstance(data, Bytes):
        raise too_much()
    return bytes(data.read(length))


def _string(data: Any) -> str | None:
    text = _bytes(data)
    # Half a character would travel on into names, records and ledgers, which cannot hold it.
    return None if text is None else text.decode("utf-8", errors="strict" if isinstance(data, Bytes) else "surrogateescape")


def _array(self: Any, data: Any, length: int) -> Any:
    if length > ARRAY_LENGTH and isinstance(data, Bytes):
        raise too_much()
    return _library_array(self, data, length)


def _matrix(flat: Any, dimensions: Any) -> Any:
    known = isinstance(flat, list) and dimensions and len(dimensions) <= MOST_DIMENSIONS
    if not known or min(dimensions) < 0 or math.prod(dimensions) != len(flat):
        raise ua.UaError("dimensions that do not fit the array")
    return _library_matrix(flat, dimensions)


_library_array, _library_matrix = ua_binary._Primitive1.unpack_array, ua_binary._reshape
ua_binary._Null.unpack, ua_binary._Bytes.unpack, ua_binary._String.unpack = staticmethod(_null), staticmethod(_bytes), staticmethod(_string)  # type: ignore[method-assign,assignment]
ua_binary._Primitive1.unpack_array = _array  # type: ignore[method-assign]
ua_binary._reshape = _matrix  # type: ignore[assignment]
for _cache in ("create_uatype_deserializer", "create_uatype_array_deserializer", "create_list_deserializer", "create_type_deserializer", "create_dataclass_deserializer"):  # fmt: skip
    getattr(ua_binary, f"_{_cache}").cache_clear()  # they hold the decoders that were
