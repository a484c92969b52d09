"""Monitored items that are kept one by one: attributes that are polled, and events. Each has its queue.

OPC 10000-4 5.13.1. Tags are kept as arrays instead, in `sampling.TagItems`.
"""

from __future__ import annotations

import math
import os
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from asyncua import ua

from opcua_server.subscription.filters import STATUS, STATUS_VALUE_TIME, DataFilter, Event, EventSelection
from opcua_server.subscription.sampling import OVERFLOW, REPORTING

SERVER = ua.NodeId(ua.ObjectIds.Server)
_NUMBERS = {ua.VariantType(n) for n in range(ua.VariantType.SByte.value, ua.VariantType.Double.value + 1)}


@dataclass(slots=True, kw_only=True)
class Item:
    """What all of them have; `size` is that of the queue."""

    ident: int
    handle: int
    mode: int
    size: int
    discard_oldest: bool
    triggered: bool = False

    @property
    def reports(self) -> bool:
        """Its queue may be reported."""
        return self.mode == REPORTING or self.triggered


@dataclass(slots=True, kw_only=True)
class PolledItem(Item):
    """An attribute that is read again and again; `interval` and `due` in seconds of the service's clock."""

    what: ua.ReadValueId
    stamps: int
    interval: float
    filter: DataFilter
    due: float
    last: ua.DataValue | None = None
    queue: deque[ua.DataValue] = field(default_factory=deque)

    def offer(self, value: ua.DataValue) -> int | None:
        """Queue a sample if it differs enough. Returns how many values were lost, None if nothing was queued."""
        if self.last is not None and not self._differs(self.last, value):
            return None
        self.last = value
        if len(self.queue) < self.size:
            self.queue.append(value)
            return 0
        if self.size == 1:
            self.queue[0] = value
        elif self.discard_oldest:
            self.queue.popleft()
            self.queue.append(value)
            self.queue[0] = overflowed(self.queue[0])
        else:
            self.queue[-1] = overflowed(value)
        return 1

    def _differs(self, old: ua.DataValue, new: ua.DataValue) -> bool:
        if status_of(old) != status_of(new):
            return True
        if self.filter.trigger == STATUS:
            return False
        if self.filter.trigger == STATUS_VALUE_TIME and old.SourceTimestamp != new.SourceTimestamp:
            return True
        a, b = old.Value or ua.Variant(), new.Value or ua.Variant()
        if a.VariantType != b.VariantType:
            return True
        if isinstance(a.Value, float) and isinstance(b.Value, float) and math.isnan(a.Value) and math.isnan(b.Value):
            return False
        if self.filter.deadband and is_number(a) and is_number(b):
            return not abs(a.Value - b.Value) <= self.filter.deadband
        return bool(a.Value != b.Value)

    def resize(self, size: int) -> int:
        """Give the queue another size. Returns how many values were lost."""
        self.size, lost = size, max(len(self.queue) - size, 0)
        while len(self.queue) > size:
            if self.discard_oldest or size == 1:
                self.queue.popleft()
            else:
                del self.queue[-2]
        if lost and size > 1:
            at = 0 if self.discard_oldest else -1
            self.queue[at] = overflowed(self.queue[at])
        return lost

    def pop(self) -> ua.DataValue:
        """The next value to be reported."""
        return self.queue.popleft()

    @property
    def count(self) -> int:
        """Notifications that wait."""
        return len(self.queue)

    def clear(self) -> None:
        """Forget what is queued and what was last seen."""
        self.queue.clear()
        self.last, self.triggered = None, False


@dataclass(slots=True, kw_only=True)
class EventItem(Item):
    """Events of one node."""

    node: ua.NodeId
    selection: EventSelection
    queue: deque[Event] = field(default_factory=deque)
    lost: bool = False

    def offer(self, event: Event) -> int:
        """Queue an event. Returns how many were lost."""
        if len(self.queue) < self.size:
            self.queue.append(event)
            return 0
        self.lost = True
        if self.discard_oldest:
            self.queue.popleft()
            self.queue.append(event)
        else:
            self.queue[-1] = event
        return 1

    def resize(self, size: int) -> int:
        """Give the queue another size. Returns how many events were lost."""
        self.size, lost = size, max(len(self.queue) - size, 0)
        self.lost = self.lost or lost > 0
        while len(self.queue) > size:
            if self.discard_oldest:
                self.queue.popleft()
            else:
                del self.queue[-2 if size > 1 else 0]
        return lost

    def pop(self) -> Event:
        """The next event to be reported: that events were lost stands where they were, before the others or after them."""
        if self.lost and (self.discard_oldest or not self.queue):
            self.lost = False
            return _overflow_event()
        return self.queue.popleft()

    @property
    def count(self) -> int:
        """Notifications that wait."""
        return len(self.queue) + self.lost

    def clear(self) -> None:
        """Forget what is queued."""
        self.queue.clear()
        self.lost = self.triggered = False


def status_of(value: ua.DataValue) -> int:
    """StatusCode of a value; Good where it has none."""
    return value.StatusCode.value if value.StatusCode is not None else 0


def overflowed(value: ua.DataValue) -> ua.DataValue:
    """The same value with the Overflow bit."""
    return replace(value, StatusCode=ua.StatusCode(status_of(value) | OVERFLOW))


def is_number(value: ua.Variant) -> bool:
    """Whether it is a single number, for which a deadband has a meaning."""
    return value.VariantType in _NUMBERS and isinstance(value.Value, (int, float)) and not isinstance(value.Value, bool)


def _overflow_event() -> Event:
    """That a queue lost events, OPC 10000-5 6.4.34."""
    kind, now, vt = ua.NodeId(ua.ObjectIds.EventQueueOverflowEventType), datetime.now(UTC), ua.VariantType
    fields = {
        "EventId": ua.Variant(os.urandom(16), vt.ByteString),
        "EventType": ua.Variant(kind, vt.NodeId),
        "SourceNode": ua.Variant(SERVER, vt.NodeId),
        "SourceName": ua.Variant("Internal/EventQueueOverflow", vt.String),
        "Time": ua.Variant(now, vt.DateTime),
        "ReceiveTime": ua.Variant(now, vt.DateTime),
        "Message": ua.Variant(ua.LocalizedText("Events were lost: the queue was full.", "en"), vt.LocalizedText),
        "Severity": ua.Variant(500, vt.UInt16),
    }
    return Event(kind, SERVER, (SERVER,), fields)
