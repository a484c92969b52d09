"""The monitored items of one subscription: tags as arrays, other attributes polled one by one, events.

OPC 10000-4 5.13. Tags live in `sampling.TagItems`; what all kinds have in common (ids, modes, triggering) is here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from asyncua import ua

from opcua_server.address.board import DOUBLE, INT32, UINT32
from opcua_server.subscription import notify
from opcua_server.subscription.filters import DataFilter, Event, EventSelection, data_filter, event_filter, refused
from opcua_server.subscription.items import EventItem, PolledItem, is_number, status_of
from opcua_server.subscription.ports import Access, Session, Spare
from opcua_server.subscription.sampling import DISABLED, REPORTING, SAMPLING, TagItems, TagSettings

Codes = ua.StatusCodes
REFRESH = (ua.NodeId(ua.ObjectIds.RefreshStartEventType), ua.NodeId(ua.ObjectIds.RefreshEndEventType))
POLL_MIN_S = 0.05
POLL_SPREAD_S = 0.0005  # with many polled items each new one is read less often, so that all together take bounded time
EVENT_QUEUE = 100  # where the client leaves it to us
POLLED_QUEUE = 100

# What reading says of an item that can never give a value. Other bad statuses may pass and are reported as values.
_HOPELESS = {
    Codes.BadNodeIdUnknown,
    Codes.BadNodeIdInvalid,
    Codes.BadAttributeIdInvalid,
    Codes.BadIndexRangeInvalid,
    Codes.BadDataEncodingInvalid,
    Codes.BadDataEncodingUnsupported,
}
_INDEX_RANGE = re.compile(r"\d+(:\d+)?(,\d+(:\d+)?)*")


class Taken(NamedTuple):
    """What goes into one message: counts, and the encoded notifications."""

    data: int
    events: int
    notifications: list[bytes]


class MonitoredItems:
    """All items of one subscription. Times are seconds of the service's clock."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self.tags = TagItems(access.board)
        self._polled: dict[int, PolledItem] = {}
        self._events: dict[int, EventItem] = {}
        self._loaded: dict[int, PolledItem | EventItem] = {}  # those with something queued, in the order of arrival
        self._links: dict[int, set[int]] = {}
        self.next_poll = math.inf
        self._lost = 0
        self.event_overflows = 0

    def __len__(self) -> int:
        return len(self.tags) + len(self._polled) + len(self._events)

    def __contains__(self, ident: int) -> bool:
        return ident in self.tags or ident in self._polled or ident in self._events

    def takes_events(self, ident: int) -> bool:
        """Is it an item for events."""
        return ident in self._events

    @property
    def polled(self) -> int:
        """How many items are polled."""
        return len(self._polled)

    @property
    def room(self) -> int:
        """Values and events that all queues hold at most."""
        return self.tags.room + sum(i.size for i in (*self._polled.values(), *self._events.values()))

    @property
    def event_filters(self) -> int:
        """What looking at an event costs here, as `Limits.event_filters` counts it."""
        return sum(i.selection.weight for i in self._events.values())

    @property
    def disabled(self) -> int:
        """Items that are switched off."""
        return self.tags.disabled + sum(i.mode == DISABLED for i in (*self._polled.values(), *self._events.values()))

    @property
    def overflows(self) -> int:
        """Values that queues lost."""
        return self.tags.overflows + self._lost

    # Create, modify, delete

    def create(
        self, session: Session, params: ua.CreateMonitoredItemsParameters, now: float, publishing: float, spare: Spare
    ) -> list[ua.MonitoredItemCreateResult]:
        """CreateMonitoredItems; `publishing` is the subscription's publishing interval in seconds."""
        stamps = _stamps(params.TimestampsToReturn)
        tags: list[tuple[int, int, int, TagSettings]] = []
        results = []
        for request in params.ItemsToCreate:
            result = ua.MonitoredItemCreateResult()
            try:
                if min(spare.items, self._access.limits.monitored_items_per_subscription - len(self) - len(tags)) <= 0:
                    raise refused(Codes.BadTooManyMonitoredItems)
                if int(request.MonitoringMode) not in (DISABLED, SAMPLING, REPORTING):
                    raise refused(Codes.BadMonitoringModeInvalid)
                self._create_one(session, request, result, stamps, now, publishing, spare, tags)
            except ua.UaStatusCodeError as error:
                result.StatusCode = ua.StatusCode(error.code)
            if result.StatusCode.is_good():
                spare.items -= 1
                spare.values -= result.RevisedQueueSize
            results.append(result)
        if tags:
            idents, indices, modes, settings = zip(*tags, strict=True)
            self.tags.add(idents, indices, modes, settings, now)
        return results

    def _create_one(
        self,
        session: Session,
        request: ua.MonitoredItemCreateRequest,
        result: ua.MonitoredItemCreateResult,
        stamps: int,
        now: float,
        publishing: float,
        spare: Spare,
        tags: list[tuple[int, int, int, TagSettings]],
    ) -> None:
        what, wish, mode = request.ItemToMonitor, request.RequestedParameters, int(request.MonitoringMode)
        if what.AttributeId == ua.AttributeIds.EventNotifier:
            selection = self._event_selection(session, what, wish, result)
            if selection is None:
                return
            if selection.weight > spare.filters:
                raise refused(Codes.BadTooManyMonitoredItems)
            spare.filters -= selection.weight
            ident = self._access.new_id()
            size = self._event_queue(wish.QueueSize, spare)
            self._events[ident] = EventItem(
                ident=ident,
                handle=wish.ClientHandle,
                mode=mode,
                size=size,
                discard_oldest=wish.DiscardOldest,
                node=what.NodeId,
                selection=selection,
            )
            result.MonitoredItemId, result.RevisedQueueSize = ident, size
            return
        _check_encoding(what)
        tag = self._access.tag_index(what.NodeId) if what.AttributeId == ua.AttributeIds.Value else None
        if tag is not None:
            if what.IndexRange:
                good = _INDEX_RANGE.fullmatch(what.IndexRange)
                raise refused(Codes.BadIndexRangeNoData if good else Codes.BadIndexRangeInvalid)
            settings = self._tag_settings(tag, wish, stamps, publishing, spare)
            ident = self._access.new_id()
            tags.append((ident, tag, mode, settings))
            result.MonitoredItemId, result.RevisedQueueSize = ident, settings.queue
            result.RevisedSamplingInterval = settings.interval * 1000.0
            return
        first = self._access.read(what, session)
        if status_of(first) in _HOPELESS:
            raise refused(status_of(first))
        checked = self._polled_filter(what, wish, first)
        ident = self._access.new_id()
        item = PolledItem(
            ident=ident, handle=wish.ClientHandle, mode=mode, size=self._data_queue(wish.QueueSize, spare, POLLED_QUEUE),
            discard_oldest=wish.DiscardOldest, what=what, stamps=stamps, interval=self._poll_interval(wish, publishing, spare), filter=checked,
            due=now,
        )  # fmt: skip
        spare.polled += 1
        self._polled[ident] = item
        if mode != DISABLED:
            self._sample(item, first, now)
        result.MonitoredItemId, result.RevisedQueueSize = ident, item.size
        result.RevisedSamplingInterval = item.interval * 1000.0

    def modify(
        self, session: Session, params: ua.ModifyMonitoredItemsParameters, publishing: float, spare: Spare
    ) -> list[ua.MonitoredItemModifyResult]:
        """ModifyMonitoredItems."""
        stamps = _stamps(params.TimestampsToReturn)
        tags: dict[int, TagSettings] = {}
        results = []
        for request in params.ItemsToModify:
            result = ua.MonitoredItemModifyResult()
            ident, wish = request.MonitoredItemId, request.RequestedParameters
            try:
                if ident in self.tags:
                    spare.values += self.tags.queue_of(ident)
                    settings = self._tag_settings(self.tags.tag_of(ident), wish, stamps, publishing, spare)
                    tags[ident] = settings
                    result.RevisedSamplingInterval, result.RevisedQueueSize = settings.interval * 1000.0, settings.queue
                elif ident in self._polled:
                    self._modify_polled(self._polled[ident], wish, stamps, publishing, spare, result)
                elif ident in self._events:
                    self._modify_events(session, self._events[ident], wish, spare, result)
                else:
                    raise refused(Codes.BadMonitoredItemIdInvalid)
                spare.values -= result.RevisedQueueSize
            except ua.UaStatusCodeError as error:
                result.StatusCode = ua.StatusCode(error.code)
            results.append(result)
        if tags:
            self.tags.change(list(tags), list(tags.values()))
        return results

    def _modify_polled(
        self,
        item: PolledItem,
        wish: ua.MonitoringParameters,
        stamps: int,
        publishing: float,
        spare: Spare,
        result: ua.MonitoredItemModifyResult,
    ) -> None:
        item.filter = self._polled_filter(item.what, wish, item.last or ua.DataValue())
        item.handle, item.stamps, item.discard_oldest = wish.ClientHandle, stamps, wish.DiscardOldest
        spare.values += item.size
        self._lost += item.resize(self._data_queue(wish.QueueSize, spare, POLLED_QUEUE))
        item.interval = self._poll_interval(wish, publishing, spare)
        item.due = 0.0
        self.next_poll = 0.0  # look at all of them again
        result.RevisedSamplingInterval, result.RevisedQueueSize = item.interval * 1000.0, item.size

    def _modify_events(
        self, session: Session, item: EventItem, wish: ua.MonitoringParameters, spare: Spare, result: ua.MonitoredItemModifyResult
    ) -> None:
        what = ua.ReadValueId(item.node, ua.AttributeIds.EventNotifier)
        selection = self._event_selection(session, what, wish, result)
        if selection is None:
            return
        if selection.weight - item.selection.weight > spare.filters:
            raise refused(Codes.BadTooManyMonitoredItems)
        spare.filters -= selection.weight - item.selection.weight
        item.selection, item.handle, item.discard_oldest = selection, wish.ClientHandle, wish.DiscardOldest
        spare.values += item.size
        self.event_overflows += item.resize(self._event_queue(wish.QueueSize, spare))
        result.RevisedQueueSize = item.size

    def delete(self, idents: Sequence[int]) -> list[ua.StatusCode]:
        """DeleteMonitoredItems."""
        results, gone = [], dict.fromkeys(i for i in idents if i in self)
        left = dict(gone)
        for ident in idents:  # an id that stands twice is unknown the second time
            results.append(ua.StatusCode(0 if left.pop(ident, 0) is None else Codes.BadMonitoredItemIdInvalid))
        for ident in gone:
            self._polled.pop(ident, None)
            self._events.pop(ident, None)
            self._loaded.pop(ident, None)
            self._links.pop(ident, None)
        for ident, targets in list(self._links.items()):
            self._set_links(ident, targets - gone.keys())
        tags = [i for i in gone if i in self.tags]
        if tags:
            self.tags.remove(tags)
        return results

    # What a client asks for, and what it gets

    def _interval(self, wish: ua.MonitoringParameters, publishing: float, least: float) -> float:
        asked = wish.SamplingInterval / 1000.0
        if not asked >= 0.0:  # negative, or not a number: as often as it is published
            asked = publishing
        return min(max(asked, least), self._access.limits.publishing_interval_max_ms / 1000.0)

    def _poll_interval(self, wish: ua.MonitoringParameters, publishing: float, spare: Spare) -> float:
        return self._interval(wish, publishing, max(POLL_MIN_S, POLL_SPREAD_S * spare.polled))

    def _data_queue(self, asked: int, spare: Spare, most: int) -> int:
        return max(1, min(asked, most, self._access.limits.queue_size, spare.values))

    def _event_queue(self, asked: int, spare: Spare) -> int:
        return self._data_queue(asked or EVENT_QUEUE, spare, self._access.limits.queue_size)

    def _tag_settings(self, tag: int, wish: ua.MonitoringParameters, stamps: int, publishing: float, spare: Spare) -> TagSettings:
        kind, entry = int(self._access.board.types[tag]), self._access.board.table.tags[tag]
        span = entry.high - entry.low if kind in (DOUBLE, INT32) else None
        checked = data_filter(wish.Filter, value=True, number=kind in (DOUBLE, INT32, UINT32), span=span)
        interval = self._interval(wish, publishing, self._access.limits.sampling_interval_min_ms / 1000.0)
        queue = self._data_queue(wish.QueueSize, spare, self._access.limits.queue_size)
        return TagSettings(wish.ClientHandle, interval, checked, queue, bool(wish.DiscardOldest), stamps)

    def _polled_filter(self, what: ua.ReadValueId, wish: ua.MonitoringParameters, value: ua.DataValue) -> DataFilter:
        number = value.Value is None or value.Value.Value is None or is_number(value.Value)
        return data_filter(wish.Filter, value=what.AttributeId == ua.AttributeIds.Value, number=number, span=None)

    def _event_selection(
        self,
        session: Session,
        what: ua.ReadValueId,
        wish: ua.MonitoringParameters,
        result: ua.MonitoredItemCreateResult | ua.MonitoredItemModifyResult,
    ) -> EventSelection | None:
        """The checked filter; None, and the result says why, if it cannot be used."""
        code = status_of(self._access.read(what, session))
        if code in _HOPELESS:
            raise refused(code)
        if not self._access.notifies(what.NodeId):
            raise refused(Codes.BadNotSupported)
        selection, result.FilterResult = event_filter(wish.Filter, self._access.limits.filter_elements, self._access.is_subtype)
        if selection is None:
            result.StatusCode = ua.StatusCode(Codes.BadEventFilterInvalid)
        return selection

    # Modes and triggering

    def set_mode(self, session: Session, idents: Sequence[int], mode: int, now: float) -> list[ua.StatusCode]:
        """SetMonitoringMode."""
        if mode not in (DISABLED, SAMPLING, REPORTING):
            raise refused(Codes.BadMonitoringModeInvalid)
        known = list(dict.fromkeys(i for i in idents if i in self))
        for ident in known:
            item = self._polled.get(ident) or self._events.get(ident)
            if item is None:
                continue
            woken = item.mode == DISABLED and mode != DISABLED
            item.mode = mode
            if mode == DISABLED:
                item.clear()
                self._loaded.pop(ident, None)
            elif woken and isinstance(item, PolledItem):
                self._sample(item, self._access.read(item.what, session), now)
        tags = [i for i in known if i in self.tags]
        if tags:
            self._pull(self.tags.set_mode(tags, mode, now))
        return [ua.StatusCode(0 if i in self else Codes.BadMonitoredItemIdInvalid) for i in idents]

    def set_triggering(self, ident: int, add: Sequence[int], remove: Sequence[int]) -> ua.SetTriggeringResult:
        """SetTriggering: links are removed first."""
        if ident not in self:
            raise refused(Codes.BadMonitoredItemIdInvalid)
        result = ua.SetTriggeringResult()
        targets = set(self._links.get(ident, ()))
        free = self._access.limits.monitored_items_per_subscription - sum(map(len, self._links.values()))
        for target in remove:
            code = 0 if target in targets else Codes.BadMonitoredItemIdInvalid
            targets.discard(target)
            result.RemoveResults.append(ua.StatusCode(code))
        for target in add:
            code = 0 if target in self else Codes.BadMonitoredItemIdInvalid
            if not code and target not in targets:
                free -= 1
                code = 0 if free >= 0 else Codes.BadTooManyOperations
            if not code:
                targets.add(target)
            result.AddResults.append(ua.StatusCode(code))
        self._set_links(ident, targets)
        return result

    def _set_links(self, ident: int, targets: set[int]) -> None:
        if targets:
            self._links[ident] = targets
        else:
            self._links.pop(ident, None)
        if ident in self.tags:
            self.tags.set_linked(ident, bool(targets))

    def _pull(self, idents: Iterable[int]) -> None:
        """These items have something new: what they trigger is reported once."""
        for ident in idents:
            for target in self._links.get(ident, ()):
                item = self._polled.get(target) or self._events.get(target)
                if item is not None:
                    item.triggered = True
                elif target in self.tags:
                    self.tags.trigger(target)

    # Sampling

    def sample(self, now: float, period: float) -> None:
        """The board has a new snapshot; `period` is the time between steps in s, 0 if not known."""
        self._pull(self.tags.sample(now, period))

    def poll(self, session: Session, now: float) -> None:
        """Read the attributes whose time has come."""
        if now < self.next_poll:
            return
        self.next_poll = math.inf
        for item in self._polled.values():
            if item.mode == DISABLED:
                continue
            if item.due <= now:
                self._sample(item, self._access.read(item.what, session), now)
            self.next_poll = min(self.next_poll, item.due)

    def _sample(self, item: PolledItem, value: ua.DataValue, now: float) -> None:
        item.due = item.due + item.interval if item.due + item.interval > now else now + item.interval
        self.next_poll = min(self.next_poll, item.due)
        if value.ServerTimestamp is None:
            value = replace(value, ServerTimestamp=datetime.now(UTC))
        lost = item.offer(value)
        if lost is not None:
            self._lost += lost
            self._loaded.setdefault(item.ident, item)
            self._pull((item.ident,))

    def fire(self, event: Event, locales: Sequence[str], item_id: int | None, refresh: bool) -> None:
        """An event happened; a refresh is for one item if its id is given, and its start and end pass every filter."""
        bypass = refresh and event.event_type in REFRESH
        for item in self._events.values() if item_id is None else filter(None, [self._events.get(item_id)]):
            if item.mode == DISABLED or not (bypass or (item.node in event.notifiers and item.selection.passes(event, locales))):
                continue
            self.event_overflows += item.offer(event)
            self._loaded.setdefault(item.ident, item)
            self._pull((item.ident,))

    # Reporting

    @property
    def ready(self) -> bool:
        """Something can be reported."""
        return self.tags.ready or any(item.reports for item in self._loaded.values())

    def take(self, most: int, locales: Sequence[str]) -> Taken:
        """Up to `most` notifications out of the queues. Events and polled items come first: they are few, tags could crowd them out."""
        data: list[bytes] = []
        events: list[bytes] = []
        for item in list(self._loaded.values()):
            if item.reports:
                self._drain(item, most - len(data) - len(events), locales, data, events)
        count, encoded = self.tags.take(most - len(data) - len(events))
        notifications = []
        if count or data:
            notifications.append(notify.data_changes(count + len(data), (*encoded, *data)))
        if events:
            notifications.append(notify.events(events))
        return Taken(count + len(data), len(events), notifications)

    def _drain(self, item: PolledItem | EventItem, most: int, locales: Sequence[str], data: list[bytes], events: list[bytes]) -> None:
        """Encode up to `most` entries of one item's queue."""
        for _ in range(min(most, item.count)):
            if isinstance(item, PolledItem):
                data.append(notify.data_value(item.handle, item.pop(), item.stamps))
            else:
                events.append(notify.event_fields(item.handle, item.selection.fields(item.pop(), locales)))
        if not item.count:
            item.triggered = False
            del self._loaded[item.ident]

    def repeat(self) -> None:
        """Queue the last value of each reporting data item that has none queued, for a client that took the subscription over."""
        self.tags.repeat()
        for item in self._polled.values():
            if item.mode == REPORTING and not item.queue and item.last is not None:
                item.queue.append(item.last)
                self._loaded.setdefault(item.ident, item)


def _stamps(asked: ua.TimestampsToReturn) -> int:
    if int(asked) not in range(4):
        raise refused(Codes.BadTimestampsToReturnInvalid)
    return int(asked)


def _check_encoding(what: ua.ReadValueId) -> None:
    name = what.DataEncoding.Name if what.DataEncoding is not None else None
    if not name or (name == "Default Binary" and what.AttributeId == ua.AttributeIds.Value):
        return
    known = name in ("Default XML", "Default JSON") and what.AttributeId == ua.AttributeIds.Value
    raise refused(Codes.BadDataEncodingUnsupported if known else Codes.BadDataEncodingInvalid)
