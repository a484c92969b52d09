"""Filters of monitored items: when a data change is reported, which events are and with which of their fields.

OPC 10000-4 7.22 (filters) and 7.7 (operators and operands).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from asyncua import ua
from asyncua.ua.uaprotocol_auto import DataChangeFilter  # as it comes over the wire; `ua.DataChangeFilter` is derived from it

from opcua_server.address.texts import Text

Op = ua.FilterOperator
Codes = ua.StatusCodes
IsSubtype = Callable[[ua.NodeId, ua.NodeId], bool]

STATUS, STATUS_VALUE, STATUS_VALUE_TIME = (int(t) for t in ua.DataChangeTrigger)


BASE_EVENT = ua.NodeId(ua.ObjectIds.BaseEventType)


def refused(code: int) -> ua.UaStatusCodeError:
    """The error that refuses one operation, to be raised."""
    return ua.UaStatusCodeError(code)


def given(filter_: Any) -> bool:
    """Whether the client sent a filter at all; a null ExtensionObject is none."""
    return filter_ is not None and not (type(filter_) is ua.ExtensionObject and filter_.TypeId == ua.NodeId())


class DataFilter(NamedTuple):
    """When a sample differs enough to be reported.

    Attributes:
        trigger: STATUS, STATUS_VALUE or STATUS_VALUE_TIME.
        deadband: least difference from the last reported value that is not reported any more beyond, in the value's unit.
    """

    trigger: int = STATUS_VALUE
    deadband: float = 0.0


def data_filter(filter_: Any, *, value: bool, number: bool, span: float | None) -> DataFilter:
    """Check a client's filter for a data item.

    Args:
        filter_: what the client sent.
        value: the item monitors a Value, not another attribute.
        number: the value is a number.
        span: engineering range high − low, None where the node has none.

    Raises:
        UaStatusCodeError: the filter does not fit.
    """
    if not given(filter_):
        return DataFilter()
    if isinstance(filter_, ua.AggregateFilter) or type(filter_) is ua.ExtensionObject:
        raise refused(Codes.BadMonitoredItemFilterUnsupported)
    if not isinstance(filter_, DataChangeFilter) or not value:
        raise refused(Codes.BadFilterNotAllowed)
    trigger, kind, size = int(filter_.Trigger), int(filter_.DeadbandType), float(filter_.DeadbandValue)
    if trigger not in (STATUS, STATUS_VALUE, STATUS_VALUE_TIME):
        raise refused(Codes.BadMonitoredItemFilterInvalid)
    if kind == ua.DeadbandType.None_:
        return DataFilter(trigger)
    if kind not in (ua.DeadbandType.Absolute, ua.DeadbandType.Percent):
        raise refused(Codes.BadDeadbandFilterInvalid)
    if not number or (kind == ua.DeadbandType.Percent and span is None):
        raise refused(Codes.BadFilterNotAllowed)
    if not (math.isfinite(size) and size >= 0.0) or (kind == ua.DeadbandType.Percent and size > 100.0):
        raise refused(Codes.BadDeadbandFilterInvalid)
    if kind == ua.DeadbandType.Percent:
        size *= (span or 0.0) / 100.0
    return DataFilter(min(trigger, STATUS_VALUE), size)  # with a deadband, a new time alone is no change: OPC 10000-4 7.22.2


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as clients may be told of it.

    Attributes:
        event_type: NodeId of its type.
        source_node: what it happened to.
        notifiers: nodes at which it can be monitored, the Server object among them.
        fields: by the names of the browse path, joined with `/`, without namespaces: `Message`, `EnabledState/Id`.
        condition_id: NodeId of the condition that it belongs to.
    """

    event_type: ua.NodeId
    source_node: ua.NodeId
    notifiers: frozenset[ua.NodeId] | tuple[ua.NodeId, ...]
    fields: Mapping[str, ua.Variant | Text]
    condition_id: ua.NodeId | None = None


class Field(NamedTuple):
    """A SimpleAttributeOperand.

    Attributes:
        event_type: type whose instances have the field; the base type stands for all.
        path: browse names joined with `/`.
        node_id: it asks for the NodeId (of a condition) and not for a value.
    """

    event_type: ua.NodeId
    path: str
    node_id: bool

    def of(self, event: Event, locales: Sequence[str], is_subtype: IsSubtype) -> ua.Variant:
        """The field of an event, a null Variant where the event has none."""
        if self.event_type not in (BASE_EVENT, ua.NodeId(), event.event_type) and not is_subtype(event.event_type, self.event_type):
            return ua.Variant()
        if self.node_id:
            known = not self.path and event.condition_id is not None
            return ua.Variant(event.condition_id, ua.VariantType.NodeId) if known else ua.Variant()
        found = event.fields.get(self.path)
        if isinstance(found, Text):
            return ua.Variant(found.localized(locales), ua.VariantType.LocalizedText)
        return found if found is not None else ua.Variant()


def _field(operand: ua.SimpleAttributeOperand) -> Field:
    """Check a SimpleAttributeOperand."""
    if operand.AttributeId not in (ua.AttributeIds.Value, ua.AttributeIds.NodeId):
        raise refused(Codes.BadAttributeIdInvalid)
    if operand.IndexRange:
        raise refused(Codes.BadIndexRangeInvalid)
    names = [q.Name for q in operand.BrowsePath or []]
    if not all(names):
        raise refused(Codes.BadBrowseNameInvalid)
    return Field(operand.TypeDefinitionId or BASE_EVENT, "/".join(map(str, names)), operand.AttributeId == ua.AttributeIds.NodeId)


class Literal(NamedTuple):
    """A LiteralOperand, in the form of `comparable`."""

    value: Any


class Element(NamedTuple):
    """Refers to the result of a later element of the where clause."""

    at: int


Operand = Field | Literal | Element

# Operators we evaluate and how many operands each has.
_OPERANDS: dict[int, tuple[int, int]] = {
    Op.Equals: (2, 2), Op.IsNull: (1, 1), Op.GreaterThan: (2, 2), Op.LessThan: (2, 2), Op.GreaterThanOrEqual: (2, 2),
    Op.LessThanOrEqual: (2, 2), Op.Like: (2, 2), Op.Not: (1, 1), Op.Between: (3, 3), Op.InList: (2, 1_000), Op.And: (2, 2), Op.Or: (2, 2),
    Op.OfType: (1, 1),
}  # fmt: skip


class EventSelection:
    """A checked EventFilter: which events pass, and the fields a client wants of them."""

    def __init__(self, fields: Sequence[Field], where: Sequence[tuple[int, tuple[Operand, ...]]], is_subtype: IsSubtype) -> None:
        self._fields = tuple(fields)
        self._where = tuple(where)
        self._is_subtype = is_subtype

    @property
    def weight(self) -> int:
        """What it costs to look at an event: 1, and more for each element and for long texts."""
        texts = [o.value for _, operands in self._where for o in operands if isinstance(o, Literal) and isinstance(o.value, str)]
        return 1 + len(self._where) + sum(map(len, texts)) // 16

    def fields(self, event: Event, locales: Sequence[str]) -> list[ua.Variant]:
        """What the select clauses ask for, in their order."""
        return [f.of(event, locales, self._is_subtype) for f in self._fields]

    def passes(self, event: Event, locales: Sequence[str]) -> bool:
        """Whether the where clause holds."""
        # An element refers to later ones only, so from the last to the first each is worked out once: no recursion, no loops.
        results: list[bool | None] = [None] * len(self._where)
        for i in range(len(self._where) - 1, -1, -1):
            operator, operands = self._where[i]
            values = [self._value(o, event, locales, results) for o in operands]
            if operator == Op.OfType:
                results[i] = event.event_type == values[0] or (
                    isinstance(values[0], ua.NodeId) and self._is_subtype(event.event_type, values[0])
                )
            else:
                results[i] = _apply(operator, values)
        return not results or results[0] is True

    def _value(self, operand: Operand, event: Event, locales: Sequence[str], results: Sequence[bool | None]) -> Any:
        if isinstance(operand, Element):
            return results[operand.at]
        if isinstance(operand, Literal):
            return operand.value
        return comparable(operand.of(event, locales, self._is_subtype))


def event_filter(filter_: Any, most: int, is_subtype: IsSubtype) -> tuple[EventSelection | None, ua.EventFilterResult | None]:
    """Check a client's filter for an event item.

    Args:
        filter_: what the client sent.
        most: greatest number of select clauses, and of elements in the where clause.
        is_subtype: whether an event type is another or below it.

    Returns:
        the checked filter, None if it cannot be used; and the StatusCode of each part of it.

    Raises:
        UaStatusCodeError: it is no event filter.
    """
    if not isinstance(filter_, ua.EventFilter):
        raise refused(Codes.BadFilterNotAllowed if given(filter_) else Codes.BadEventFilterInvalid)
    clauses, elements = filter_.SelectClauses or [], filter_.WhereClause.Elements or []
    if not clauses or max(len(clauses), len(elements)) > most:
        return None, None
    result = ua.EventFilterResult()
    fields: list[Field] = []
    for clause in clauses:
        try:
            fields.append(_field(clause))
            result.SelectClauseResults.append(ua.StatusCode())
        except ua.UaStatusCodeError as error:
            result.SelectClauseResults.append(ua.StatusCode(error.code))
    where: list[tuple[int, tuple[Operand, ...]]] = []
    for i, element in enumerate(elements):
        checked, operands = _element(i, len(elements), element)
        where.append((int(element.FilterOperator), operands))
        result.WhereClauseResult.ElementResults.append(checked)
    checks = result.SelectClauseResults + [e.StatusCode for e in result.WhereClauseResult.ElementResults]
    usable = all(check.is_good() for check in checks)
    return (EventSelection(fields, where, is_subtype) if usable else None), result


def _element(index: int, count: int, element: ua.ContentFilterElement) -> tuple[ua.ContentFilterElementResult, tuple[Operand, ...]]:
    """Check one element of a where clause that has `count` of them."""
    result = ua.ContentFilterElementResult()
    operator, given_operands = int(element.FilterOperator), element.FilterOperands or []
    operands: list[Operand] = []
    if operator not in _OPERANDS:
        known = operator in list(map(int, Op))
        result.StatusCode = ua.StatusCode(Codes.BadFilterOperatorUnsupported if known else Codes.BadFilterOperatorInvalid)
        return result, ()
    least, most = _OPERANDS[operator]
    if not least <= len(given_operands) <= most:
        result.StatusCode = ua.StatusCode(Codes.BadFilterOperandCountMismatch)
        return result, ()
    for operand in given_operands:
        code = 0
        if isinstance(operand, ua.LiteralOperand):
            operands.append(Literal(comparable(operand.Value)))
        elif isinstance(operand, ua.ElementOperand):
            operands.append(Element(operand.Index))
            code = 0 if index < operand.Index < count else Codes.BadFilterOperandInvalid
        elif isinstance(operand, ua.SimpleAttributeOperand):
            try:
                operands.append(_field(operand))
            except ua.UaStatusCodeError as error:
                code = error.code
        else:
            code = Codes.BadFilterOperandInvalid
        result.OperandStatusCodes.append(ua.StatusCode(code))
        if code:
            result.StatusCode = ua.StatusCode(Codes.BadFilterElementInvalid)
    return result, tuple(operands)


def comparable(variant: ua.Variant | None) -> Any:
    """A Variant's value in a form in which related types compare: texts as str, status codes as int, times with a zone."""
    value = None if variant is None else variant.Value
    if isinstance(value, ua.LocalizedText):
        return value.Text
    if isinstance(value, ua.StatusCode):
        return value.value
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return value


def _compare(operator: int, a: Any, b: Any) -> bool:
    """Compare two values; null, NaN and values of unlike kinds never hold."""
    if a is None or b is None:
        return False
    try:
        if operator == Op.Equals:
            return bool(a == b)
        if operator == Op.GreaterThan:
            return bool(a > b)
        if operator == Op.LessThan:
            return bool(a < b)
        return bool(a >= b if operator == Op.GreaterThanOrEqual else a <= b)
    except TypeError:
        return False


def _apply(operator: int, values: Sequence[Any]) -> bool | None:
    """Result of an operator, None for null: the tables of OPC 10000-4 7.7.3."""
    if operator == Op.IsNull:
        return values[0] is None
    if operator == Op.Like:
        return isinstance(values[0], str) and isinstance(values[1], str) and like(values[0], values[1])
    if operator == Op.Between:
        return _compare(Op.GreaterThanOrEqual, values[0], values[1]) and _compare(Op.LessThanOrEqual, values[0], values[2])
    if operator == Op.InList:
        return any(_compare(Op.Equals, values[0], other) for other in values[1:])
    if operator in (Op.Not, Op.And, Op.Or):
        logical = [v if isinstance(v, bool) else None for v in values]
        if operator == Op.Not:
            return None if logical[0] is None else not logical[0]
        decisive = operator == Op.Or
        if decisive in logical:
            return decisive
        return None if None in logical else not decisive
    return _compare(operator, values[0], values[1])


def like(text: str, pattern: str) -> bool:
    r"""Whether a text fits a pattern: `%` any run of characters, `_` any one, `[a-c]` one of, `[^a-c]` none of, `\` takes the next as it is.

    On a mismatch it goes back to the last `%` only, so that no pattern takes more than length × length steps.

    Example:
        >>> like("Line1.Weigher", "Line[1-3].%")
        True
    """
    tokens = _tokens(pattern)
    t = p = 0
    star, resume = -1, 0
    while t < len(text):
        if p < len(tokens) and tokens[p] is None:
            star, resume, p = p, t, p + 1
        elif p < len(tokens) and _fits(tokens[p], text[t]):
            t, p = t + 1, p + 1
        elif star >= 0:
            resume += 1
            t, p = resume, star + 1
        else:
            return False
    return all(token is None for token in tokens[p:])


Token = tuple[bool, str, tuple[tuple[str, str], ...]] | None  # not in / single characters / ranges; None is `%`


def _fits(token: Token, character: str) -> bool:
    assert token is not None
    refuse, singles, ranges = token
    return refuse != (character in singles or any(low <= character <= high for low, high in ranges))


def _tokens(pattern: str) -> list[Token]:
    """A LIKE pattern in pieces that match one character each, or a run."""
    tokens: list[Token] = []
    i = 0
    while i < len(pattern):
        c = pattern[i]
        close = pattern.find("]", i + 1) if c == "[" else -1
        if c == "%":
            tokens.append(None)
        elif c == "_":
            tokens.append((True, "", ()))
        elif close > 0:
            tokens.append(_choice(pattern[i + 1 : close]))
            i = close
        else:
            if c == "\\" and i + 1 < len(pattern):
                i, c = i + 1, pattern[i + 1]
            tokens.append((False, c, ()))
        i += 1
    return tokens


def _choice(inside: str) -> Token:
    """What stands between brackets."""
    refuse = inside.startswith("^")
    inside = inside[refuse:]
    singles, ranges, i = "", [], 0
    while i < len(inside):
        if inside[i + 1 : i + 2] == "-" and i + 2 < len(inside):
            ranges.append((inside[i], inside[i + 2]))
            i += 3
        else:
            singles += inside[i]
            i += 1
    return refuse, singles, tuple(ranges)
