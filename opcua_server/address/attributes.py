"""Reading and writing attributes (OPC 10000-4 5.11): values of tags from the board, everything else from the nodes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from asyncua import ua

from opcua_server.access.roles import RIGHTS, Right
from opcua_server.address.board import BOOLEAN, DOUBLE, GOOD, Board
from opcua_server.address.model import GROUPS, image_group
from opcua_server.address.nodes import HISTORY, NS, READ, WRITE, Nodes, here
from opcua_server.protocol.sessions import Session
from twin.tags import Tag

Code = ua.StatusCodes
VALUE, DISPLAY, DESCRIPTION = ua.AttributeIds.Value, ua.AttributeIds.DisplayName, ua.AttributeIds.Description
ACCESS, USER_ACCESS, EXECUTABLE = ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel, ua.AttributeIds.UserExecutable
RANGE = re.compile(r"(\d{1,9})(?::(\d{1,9}))?")
EPOCH = datetime(1601, 1, 1)
OPTIONAL = (ua.AttributeIds.WriteMask, ua.AttributeIds.UserWriteMask, ua.AttributeIds.RolePermissions, ua.AttributeIds.UserRolePermissions)


def bad(code: int) -> ua.DataValue:
    """A DataValue that says only what is wrong."""
    return ua.DataValue(ua.Variant(), StatusCode=ua.StatusCode(code))


def moment(filetime: int) -> datetime:
    """A DateTime of the wire as the library takes it."""
    return EPOCH + timedelta(microseconds=filetime // 10)


class Attributes:
    """Answers Read and Write.

    Args:
        write_tag: takes a checked value of a tag: (tag, value, session); raises ua.UaStatusCodeError.
        method_right: the right that a method needs, None for a node that is none of our methods.

    Attributes:
        keeps, collects: can the history of a tag be read, is it being written; by the tag's index.
    """

    keeps: Callable[[int], bool] = staticmethod(lambda index: False)
    collects: Callable[[int], bool] = staticmethod(lambda index: False)

    def __init__(
        self,
        nodes: Nodes,
        board: Board,
        write_tag: Callable[[Tag, float, Session], None],
        method_right: Callable[[ua.NodeId], Right | None],
    ) -> None:
        self.nodes, self.board = nodes, board
        self._write_tag, self._method_right = write_tag, method_right
        self._index = {tag.name: i for i, tag in enumerate(board.table)}
        self._groups = {here(f"Image.{name}"): image_group(board, f"Image.{name}") for name in GROUPS}

    def tag_index(self, node: ua.NodeId) -> int | None:
        """Index of the tag that a node shows; None for other nodes."""
        return self._index.get(node.Identifier) if node.NamespaceIndex == NS and isinstance(node.Identifier, str) else None

    # --- reading --------------------------------------------------------------------------------------

    def read(self, item: ua.ReadValueId, session: Session | None) -> ua.DataValue:
        """One attribute of one node. Never raises: what is wrong stands in the status."""
        node, attribute = item.NodeId, item.AttributeId
        if attribute != VALUE:
            if item.IndexRange:
                return bad(Code.BadIndexRangeNoData)
            if item.DataEncoding is not None and item.DataEncoding.Name:
                return bad(Code.BadDataEncodingInvalid)
            return self._other(node, attribute, session)
        if item.DataEncoding is not None and item.DataEncoding.Name not in (None, "", "Default Binary"):
            return bad(
                Code.BadDataEncodingUnsupported
                if item.DataEncoding.Name in ("Default XML", "Default JSON")
                else Code.BadDataEncodingInvalid
            )
        index = self.tag_index(node)
        if index is not None:
            return bad(Code.BadIndexRangeNoData) if item.IndexRange else self.tag_value(index)
        value = self._value(node, session)
        return cut(value, item.IndexRange) if item.IndexRange else value

    def tag_value(self, index: int) -> ua.DataValue:
        """What a tag shows now."""
        board = self.board
        status = int(board.status[index])
        value = board.values[index]
        kind = board.types[index]
        variant = ua.Variant()
        if status < 0x8000_0000:
            shown: Any = bool(value) if kind == BOOLEAN else float(value) if kind == DOUBLE else int(value)
            variant = ua.Variant(shown, ua.VariantType(int(kind)))
        return ua.DataValue(variant, ua.StatusCode(status), moment(board.source_time), moment(board.server_time))

    def _value(self, node: ua.NodeId, session: Session | None) -> ua.DataValue:
        data = self.nodes.space.get(node)
        if data is None:
            return bad(Code.BadNodeIdUnknown)
        held = data.attributes.get(VALUE)
        if held is None:
            return bad(Code.BadAttributeIdInvalid)
        level = data.attributes.get(ACCESS)
        if level and level.value and level.value.Value and not int(level.value.Value.Value) & READ:
            return bad(Code.BadNotReadable)
        compute = self.nodes.values.get(node)
        now = moment(self.board.server_time)
        if compute is not None:
            value = compute(session)
            code = value.StatusCode if value.StatusCode is not None else ua.StatusCode(GOOD)
            return ua.DataValue(value.Value, code, value.SourceTimestamp or moment(self.board.source_time), now)
        kept = held.value
        variant = kept.Value if kept is not None and kept.Value is not None else ua.Variant()
        return ua.DataValue(variant, ua.StatusCode(GOOD), None if kept is None else kept.SourceTimestamp, now)

    def _other(self, node: ua.NodeId, attribute: int, session: Session | None) -> ua.DataValue:
        data = self.nodes.space.get(node)
        if data is None:
            return bad(Code.BadNodeIdUnknown)
        if attribute in (DISPLAY, DESCRIPTION) and node in self.nodes.texts:
            text = self.nodes.texts[node][attribute == DESCRIPTION]
            return ua.DataValue(
                ua.Variant(text.localized(session.locales if session else ()), ua.VariantType.LocalizedText), ua.StatusCode(GOOD)
            )
        if attribute in (ACCESS, USER_ACCESS) and ACCESS in data.attributes:
            level = self.level(node) if attribute == ACCESS else self.user_access(node, session)
            return ua.DataValue(ua.Variant(level, ua.VariantType.Byte), ua.StatusCode(GOOD))
        index = self.tag_index(node)
        if attribute == ua.AttributeIds.Historizing and index is not None:
            return ua.DataValue(ua.Variant(self.collects(index), ua.VariantType.Boolean), ua.StatusCode(GOOD))
        if attribute == EXECUTABLE and attribute in data.attributes:
            right = self._method_right(node)
            return ua.DataValue(
                ua.Variant(right is not None and session is not None and session.may(right), ua.VariantType.Boolean), ua.StatusCode(GOOD)
            )
        held = data.attributes.get(ua.AttributeIds(attribute)) if 1 <= attribute <= 27 else None
        if held is None or held.value is None or held.value.Value is None:
            if attribute in OPTIONAL[:2]:
                return ua.DataValue(ua.Variant(0, ua.VariantType.UInt32), ua.StatusCode(GOOD))
            return bad(Code.BadAttributeIdInvalid)
        return ua.DataValue(held.value.Value, ua.StatusCode(GOOD))

    def level(self, node: ua.NodeId) -> int:
        """AccessLevel of a variable; with the history's bit while there is one."""
        held = self.nodes.space[node].attributes[ACCESS].value
        level = int(held.Value.Value) if held is not None and held.Value is not None else 0
        if level & HISTORY:
            index = self.tag_index(node)
            level &= ~(0 if index is not None and self.keeps(index) else HISTORY)
        return level

    def user_access(self, node: ua.NodeId, session: Session | None) -> int:
        """AccessLevel of a variable for this session's user."""
        level = self.level(node)
        if level & WRITE and not (session is not None and self._may_write(node, session)):
            level &= ~WRITE
        return level

    def _may_write(self, node: ua.NodeId, session: Session) -> bool:
        if session.user is None:
            return False
        writers = RIGHTS[session.user.role].writes
        index = self.tag_index(node)
        tags = self.board.table.tags
        if index is not None:
            return tags[index].writer in writers or _resets(tags[index], session)
        return bool(self._groups.get(node)) and any(tags[i].writer in writers for i in self._groups[node])

    # --- writing --------------------------------------------------------------------------------------

    def write(self, item: ua.WriteValue, session: Session) -> int:
        """Write one attribute; returns the StatusCode."""
        node = item.NodeId
        if node not in self.nodes.space:
            return int(Code.BadNodeIdUnknown)
        data = self.nodes.space[node]
        if item.AttributeId != VALUE:
            known = 1 <= item.AttributeId <= 27 and ua.AttributeIds(item.AttributeId) in data.attributes
            return int(Code.BadNotWritable if known else Code.BadAttributeIdInvalid)
        if VALUE not in data.attributes:
            return int(Code.BadAttributeIdInvalid)
        if not self.level(node) & WRITE:
            return int(Code.BadNotWritable)
        if not self._may_write(node, session):
            return int(Code.BadUserAccessDenied)
        given = item.Value
        if given.StatusCode is not None and given.StatusCode.value != GOOD:  # time stamps are passed over: the scan's count
            return int(Code.BadWriteNotSupported)
        variant = given.Value
        if variant is None:
            return int(Code.BadTypeMismatch)
        try:
            index = self.tag_index(node)
            if index is None:
                return self._write_group(self._groups[node], variant, item.IndexRange, session)
            if item.IndexRange:
                return int(Code.BadIndexRangeNoData)
            return self.write_tag(index, int(variant.VariantType.value), variant.Value, session)
        except ua.UaStatusCodeError as error:
            return int(error.code)

    def write_tag(self, index: int, kind: int, value: Any, session: Session) -> int:
        """Write one tag whose node may be written by this session."""
        tag = self.board.table.tags[index]
        if kind != self.board.types[index] or isinstance(value, list) or value is None:
            return int(Code.BadTypeMismatch)
        if value and session.user is not None and tag.writer not in RIGHTS[session.user.role].writes:
            return int(Code.BadUserAccessDenied)
        if not tag.low <= value <= tag.high:  # false for NaN, too
            return int(Code.BadOutOfRange)
        self._write_tag(tag, float(value), session)
        self.board.values[index] = value  # who reads it back sees it; the plant takes it at the next scan
        return GOOD

    def _write_group(self, group: list[int], variant: ua.Variant, index_range: str | None, session: Session) -> int:
        """Write an image array, all of it or a range; nothing is written when one element is wrong."""
        values = variant.Value
        if int(variant.VariantType.value) != DOUBLE or not isinstance(values, list) or variant.Dimensions:
            return int(Code.BadTypeMismatch)
        if index_range:
            first, last = span(index_range)
            if last >= len(group):
                return int(Code.BadIndexRangeNoData)
            group = group[first : last + 1]
        if len(values) != len(group):
            return int(Code.BadIndexRangeDataMismatch if index_range else Code.BadTypeMismatch)
        tags = self.board.table.tags
        writers = RIGHTS[session.user.role].writes if session.user else frozenset()
        for i, value in zip(group, values, strict=True):
            tag = tags[i]
            if not tag.low <= value <= tag.high or (tag.dtype != "float" and value != math.floor(value)):
                return int(Code.BadOutOfRange)
            if tag.writer not in writers and value != self.board.values[i] and (value or not _resets(tag, session)):
                return int(Code.BadUserAccessDenied)
        for i, value in zip(group, values, strict=True):
            if value != self.board.values[i]:
                self._write_tag(tags[i], value, session)
                self.board.values[i] = value
        return GOOD


def _resets(tag: Tag, session: Session) -> bool:
    """Is it an operator's command bit, which a controller that has announced itself sets back when it has obeyed."""
    return bool(session.controllers) and tag.writer == "operator" and tag.dtype == "bool"


def span(index_range: str) -> tuple[int, int]:
    """First and last index of a range such as `3` or `0:7`.

    Raises:
        ua.UaStatusCodeError: BadIndexRangeInvalid, BadIndexRangeNoData for several dimensions.
    """
    if "," in index_range and all(RANGE.fullmatch(part) for part in index_range.split(",")):
        raise ua.UaStatusCodeError(Code.BadIndexRangeNoData)
    match = RANGE.fullmatch(index_range)
    if match is None or (match[2] is not None and int(match[2]) <= int(match[1])):
        raise ua.UaStatusCodeError(Code.BadIndexRangeInvalid)
    first = int(match[1])
    return first, int(match[2]) if match[2] is not None else first


def cut(value: ua.DataValue, index_range: str) -> ua.DataValue:
    """A part of an array, string or ByteString."""
    try:
        first, last = span(index_range)
    except ua.UaStatusCodeError as error:
        return bad(error.code)
    variant = value.Value
    if variant is None or not isinstance(variant.Value, (list, str, bytes)) or first >= len(variant.Value):
        return bad(Code.BadIndexRangeNoData)
    part = variant.Value[first : last + 1]
    return ua.DataValue(
        ua.Variant(part, variant.VariantType, is_array=variant.is_array), value.StatusCode, value.SourceTimestamp, value.ServerTimestamp
    )
