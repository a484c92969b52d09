"""The subscription service set: subscriptions of all sessions, their publish requests, and the clock that drives them.

OPC 10000-4 5.13 and 5.14. Everything runs on the event loop's thread and nothing here waits, except `run`.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua

from opcua_server.address.board import Board
from opcua_server.protocol.limits import Limits
from opcua_server.subscription import notify
from opcua_server.subscription.filters import Event
from opcua_server.subscription.monitored import MonitoredItems
from opcua_server.subscription.ports import Access, Session, Spare
from opcua_server.subscription.publishing import Pace, Subscription

Codes = ua.StatusCodes
_PULL = 0.25  # how firmly a publishing cycle is drawn to the model's steps


@dataclass(slots=True)
class PublishRequest:
    """A client's request for the next message of any of its subscriptions.

    Attributes:
        handle: RequestHandle.
        timeout_ms: TimeoutHint, 0 for none.
        acks: messages that it has got.
        answer: takes the complete encoded response.
    """

    handle: int
    timeout_ms: int
    acks: list[ua.SubscriptionAcknowledgement]
    answer: Callable[[bytes], None]


@dataclass(slots=True)
class _Queued:
    request: PublishRequest
    results: list[int]
    deadline: float


@dataclass(slots=True)
class _Client:
    """What the service keeps for a session; `away` is since when it has no connection, None while it has one."""

    away: float | None = None
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    requests: deque[_Queued] = field(default_factory=deque)
    farewells: deque[tuple[int, bytes]] = field(default_factory=deque)  # subscription, its last message


class SubscriptionService:
    """Subscriptions of one server.

    Args:
        board: what the tags show.
        limits: what is granted at most.
        tag_index: index of the tag whose node this is, None if it is no tag's node.
        read: any attribute, with the session's locale and rights; never raises.
        is_subtype: whether the first type is the second or below it.
        notifies: whether events can be monitored at a node.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        board: Board,
        limits: Limits,
        *,
        tag_index: Callable[[ua.NodeId], int | None],
        read: Callable[[ua.ReadValueId, Any], ua.DataValue],
        is_subtype: Callable[[ua.NodeId, ua.NodeId], bool],
        notifies: Callable[[ua.NodeId], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._access = Access(board, limits, tag_index, read, is_subtype, notifies, itertools.count(1).__next__)
        self._new_id = itertools.count(1).__next__
        self._turn = itertools.count(1).__next__
        self._subscriptions: dict[int, Subscription] = {}
        self._clients: dict[Session, _Client] = {}
        self._pace = Pace()
        self._shown = -1  # source time of the last snapshot
        self._changed = asyncio.Event()

    # The clock

    async def run(self) -> None:
        """Do what the clock asks for, until cancelled."""
        while True:
            self._changed.clear()
            wait = self.wake()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if math.isinf(wait) else wait):  # `wait_for` may swallow a cancellation
                    await self._changed.wait()

    def step(self) -> None:
        """The board has a new snapshot: sample and publish what is due."""
        now, shown = self._clock(), self._access.board.source_time
        moved, self._shown = shown != self._shown, shown
        if moved:
            self._pace.beat(now)
        due = []
        for subscription in self._subscriptions.values():
            subscription.items.sample(now, self._pace.period)
            subscription.items.poll(subscription.session, now)
            # A snapshot between two steps (somebody wrote a value) must not draw a cycle before the step it waits for.
            slack = self._pace.slack(now, subscription.interval)
            if now >= subscription.next + (-slack if moved else slack):
                due.append(subscription)
        self._cycle(due, now, _PULL if moved else 0.0)

    @property
    def closely(self) -> bool:
        """Does anybody want to see each single scan, and not only what a piece of many ends with."""
        return any(s.items.tags.closely for s in self._subscriptions.values())

    def look(self) -> None:
        """The board has a snapshot after one of several scans: sample for those who want to see each. Publishing waits for `step`."""
        now = self._clock()
        for subscription in self._subscriptions.values():
            if subscription.items.tags.closely:
                subscription.items.sample(now, 0.0)

    def wake(self) -> float:
        """Poll, publish and time out what is due by the clock alone. Returns the time until something is due again, s."""
        now = self._clock()
        due = []
        for subscription in self._subscriptions.values():
            subscription.items.poll(subscription.session, now)
            if now >= subscription.next + self._pace.slack(now, subscription.interval):
                subscription.items.sample(now, self._pace.period)  # no step came: what was not due at the last one is now
                due.append(subscription)
        self._cycle(due, now, 0.0)
        deadline = math.inf
        for client in self._clients.values():
            self._time_out(client, now)
            deadline = min([deadline, *(queued.deadline for queued in client.requests)])
        for s in self._subscriptions.values():
            deadline = min(deadline, s.next + self._pace.slack(now, s.interval), s.items.next_poll)
        return max(deadline - now, 0.001)

    def _cycle(self, due: Sequence[Subscription], now: float, pull: float) -> None:
        """These subscriptions' publishing intervals are over."""
        clients: dict[int, _Client] = {}
        for subscription in due:
            client = self._clients.get(subscription.session) if subscription.orphaned is None else None
            if client is not None:
                self._time_out(client, now)
                clients[id(client)] = client
            if subscription.cycle(now, bool(client and client.requests), pull):
                self._end(subscription, Codes.BadTimeout)
        for client in clients.values():
            self._serve(client)

    def _time_out(self, client: _Client, now: float) -> None:
        late = [q for q in client.requests if q.deadline <= now]
        for queued in late:
            client.requests.remove(queued)
            queued.request.answer(notify.fault(queued.request.handle, Codes.BadTimeout))

    # Subscriptions

    def create(self, session: Session, params: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        """CreateSubscription."""
        client = self._clients.setdefault(session, _Client())
        if len(client.subscriptions) >= self._limits.subscriptions_per_session or not self._has_place():
            raise ua.UaStatusCodeError(Codes.BadTooManySubscriptions)
        new = Subscription(self._new_id(), session, MonitoredItems(self._access), self._limits, params, self._clock())
        self._subscriptions[new.ident] = client.subscriptions[new.ident] = new
        self._changed.set()
        return ua.CreateSubscriptionResult(new.ident, new.interval * 1000.0, new.lifetime, new.keep_alive)

    def _has_place(self) -> bool:
        """Whether one more subscription can be had, if need be in place of the one that has been without a client for longest."""
        if len(self._subscriptions) < self._limits.subscriptions:
            return True
        since = {s: s.orphaned if s.orphaned is not None else self._clients[s.session].away for s in self._subscriptions.values()}
        left = {s: t for s, t in since.items() if t is not None}
        if left:
            self._end(min(left, key=left.__getitem__), Codes.BadTimeout)
        return bool(left)

    def modify(self, session: Session, params: ua.ModifySubscriptionParameters) -> ua.ModifySubscriptionResult:
        """ModifySubscription."""
        subscription = self._own(session, params.SubscriptionId)
        subscription.revise(params, self._clock())
        subscription.counts.ModifyCount += 1
        self._changed.set()
        return ua.ModifySubscriptionResult(subscription.interval * 1000.0, subscription.lifetime, subscription.keep_alive)

    def delete(self, session: Session, ids: Sequence[int]) -> list[ua.StatusCode]:
        """DeleteSubscriptions."""
        self._check_count(ids)

        def delete(subscription: Subscription) -> None:
            self._end(subscription)

        return self._each(session, ids, delete)

    def set_publishing_mode(self, session: Session, enabled: bool, ids: Sequence[int]) -> list[ua.StatusCode]:
        """SetPublishingMode."""
        self._check_count(ids)

        def switch(subscription: Subscription) -> None:
            subscription.enabled = bool(enabled)
            subscription.counts.EnableCount += bool(enabled)
            subscription.counts.DisableCount += not enabled

        return self._each(session, ids, switch)

    def transfer(self, session: Session, ids: Sequence[int], send_initial_values: bool) -> list[ua.TransferResult]:
        """TransferSubscriptions: bring subscriptions of the same user to this session."""
        self._check_count(ids)
        return [self._transfer(session, ident, send_initial_values) for ident in ids]

    def _transfer(self, session: Session, ident: int, send_initial_values: bool) -> ua.TransferResult:
        subscription = self._subscriptions.get(ident)
        if subscription is None:
            return ua.TransferResult(ua.StatusCode(Codes.BadSubscriptionIdInvalid))
        subscription.counts.TransferRequestCount += 1
        if subscription.session.who != session.who:
            return ua.TransferResult(ua.StatusCode(Codes.BadUserAccessDenied))
        client = self._clients.setdefault(session, _Client())
        if ident not in client.subscriptions:
            if len(client.subscriptions) >= self._limits.subscriptions_per_session:
                return ua.TransferResult(ua.StatusCode(Codes.BadTooManySubscriptions))
            self._leave(subscription, Codes.GoodSubscriptionTransferred)
            client.subscriptions[ident] = subscription
            subscription.session, subscription.orphaned = session, None
            subscription.counts.TransferredToSameClientCount += 1
        if send_initial_values:
            subscription.items.repeat()
        subscription.touch()
        available = subscription.available
        self._serve(client)
        return ua.TransferResult(ua.StatusCode(), available)

    def _end(self, subscription: Subscription, farewell: int = 0) -> None:
        """Delete a subscription; with a status to tell its session why."""
        del self._subscriptions[subscription.ident]
        self._leave(subscription, farewell)

    def _leave(self, subscription: Subscription, farewell: int = 0) -> None:
        """Take a subscription from its session, if it has one."""
        client = self._clients.get(subscription.session) if subscription.orphaned is None else None
        if client is None:
            return
        del client.subscriptions[subscription.ident]
        if farewell:
            client.farewells.append((subscription.ident, subscription.farewell(farewell)))
            while len(client.farewells) > self._limits.subscriptions_per_session:
                client.farewells.popleft()
        self._serve(client)

    # Monitored items

    def create_items(self, session: Session, params: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        """CreateMonitoredItems."""
        subscription = self._own(session, params.SubscriptionId)
        self._check_count(params.ItemsToCreate)
        self._changed.set()
        return subscription.items.create(session, params, self._clock(), subscription.interval, self._spare())

    def modify_items(self, session: Session, params: ua.ModifyMonitoredItemsParameters) -> list[ua.MonitoredItemModifyResult]:
        """ModifyMonitoredItems."""
        subscription = self._own(session, params.SubscriptionId)
        self._check_count(params.ItemsToModify)
        self._changed.set()
        return subscription.items.modify(session, params, subscription.interval, self._spare())

    def delete_items(self, session: Session, params: ua.DeleteMonitoredItemsParameters) -> list[ua.StatusCode]:
        """DeleteMonitoredItems."""
        subscription = self._own(session, params.SubscriptionId)
        self._check_count(params.MonitoredItemIds)
        return subscription.items.delete(params.MonitoredItemIds)

    def set_monitoring_mode(self, session: Session, params: ua.SetMonitoringModeParameters) -> list[ua.StatusCode]:
        """SetMonitoringMode."""
        subscription = self._own(session, params.SubscriptionId)
        self._check_count(params.MonitoredItemIds)
        self._changed.set()
        return subscription.items.set_mode(session, params.MonitoredItemIds, int(params.MonitoringMode), self._clock())

    def set_triggering(self, session: Session, params: ua.SetTriggeringParameters) -> ua.SetTriggeringResult:
        """SetTriggering."""
        subscription = self._own(session, params.SubscriptionId)
        add, remove = params.LinksToAdd or [], params.LinksToRemove or []
        self._check_count([*add, *remove])
        return subscription.items.set_triggering(params.TriggeringItemId, add, remove)

    def _spare(self) -> Spare:
        items = [s.items for s in self._subscriptions.values()]
        limits = self._limits
        return Spare(
            limits.monitored_items - sum(map(len, items)), limits.queued_values - sum(i.room for i in items), sum(i.polled for i in items),
            limits.event_filters - sum(i.event_filters for i in items),
        )  # fmt: skip

    def fire(self, event: Event, subscription_id: int | None = None, item_id: int | None = None) -> None:
        """An event happened; with ids it is told again to one subscription or item only."""
        refresh = subscription_id is not None
        for subscription in self._subscriptions.values():
            if subscription_id in (None, subscription.ident):
                subscription.items.fire(event, subscription.session.locales, item_id, refresh)

    def refresh(self, session: Session, events: Iterable[Event], subscription_id: int, item_id: int | None = None) -> None:
        """Tell events again to a subscription of this session, or to one item of it."""
        subscription = self._own(session, subscription_id)
        if item_id is not None and not subscription.items.takes_events(item_id):
            raise ua.UaStatusCodeError(Codes.BadMonitoredItemIdInvalid)
        for event in events:
            self.fire(event, subscription_id, item_id)

    # Publishing

    def publish(self, session: Session, request: PublishRequest) -> None:
        """Publish: acknowledge, and wait for a message. The answer comes through the request, perhaps at once."""
        client = self._clients.setdefault(session, _Client())
        client.away = None
        if len(request.acks or ()) > self._limits.nodes_per_call:
            request.answer(notify.fault(request.handle, Codes.BadTooManyOperations))
            return
        results = [self._acknowledge(client, ack) for ack in request.acks or ()]
        now = self._clock()
        self._time_out(client, now)
        deadline = now + request.timeout_ms / 1000.0 if request.timeout_ms else math.inf
        client.requests.append(_Queued(request, results, deadline))
        self._serve(client)
        while len(client.requests) > self._limits.publish_requests_per_session:
            oldest = client.requests.popleft().request
            oldest.answer(notify.fault(oldest.handle, Codes.BadTooManyPublishRequests))

    def _acknowledge(self, client: _Client, ack: ua.SubscriptionAcknowledgement) -> int:
        subscription = client.subscriptions.get(ack.SubscriptionId)
        return Codes.BadSubscriptionIdInvalid if subscription is None else subscription.acknowledge(ack.SequenceNumber)

    def _serve(self, client: _Client) -> None:
        """Answer publish requests as long as a subscription waits for one."""
        while client.requests:
            if client.farewells:
                ident, body = client.farewells.popleft()
                self._answer(client, ident, (), False, body)
                continue
            if not client.subscriptions:
                request = client.requests.popleft().request
                request.answer(notify.fault(request.handle, Codes.BadNoSubscription))
                continue
            waiting = [s for s in client.subscriptions.values() if s.waiting]
            if not waiting:
                return
            first = max(waiting, key=lambda s: (s.priority, -s.served))
            body, more = first.message(self._turn(), self._limits.retransmission_bytes // len(self._subscriptions))
            first.counts.PublishRequestCount += 1
            self._answer(client, first.ident, first.available, more, body)

    def _answer(self, client: _Client, ident: int, available: Sequence[int], more: bool, body: bytes) -> None:
        queued = client.requests.popleft()
        queued.request.answer(notify.publish_response(queued.request.handle, ident, available, more, body, queued.results))

    def republish(self, session: Session, subscription_id: int, sequence_number: int) -> bytes:
        """Republish: the encoded NotificationMessage; `notify.republish_response` makes the response of it."""
        return self._own(session, subscription_id).again(sequence_number)

    # Sessions

    def disconnected(self, session: Session) -> None:
        """The session's channel is gone, and with it the requests that came over it."""
        client = self._clients.get(session)
        if client is not None:
            client.requests.clear()
            client.away = self._clock()

    def closed(self, session: Session, delete_subscriptions: bool) -> None:
        """The session ended; subscriptions that are not deleted wait for another session until their lifetime is over."""
        client = self._clients.pop(session, None)
        if client is None:
            return
        for subscription in client.subscriptions.values():
            if delete_subscriptions:
                del self._subscriptions[subscription.ident]
            else:
                subscription.orphaned = self._clock()
        for queued in client.requests:
            queued.request.answer(notify.fault(queued.request.handle, Codes.BadSessionClosed))

    def rows(self) -> list[ua.SubscriptionDiagnosticsDataType]:
        """A line of diagnostics for each subscription."""
        return [s.row() for s in self._subscriptions.values()]

    # Checks

    def _own(self, session: Session, ident: int) -> Subscription:
        """A subscription of this session."""
        client = self._clients.get(session)
        subscription = client.subscriptions.get(ident) if client is not None else None
        if subscription is None:
            raise ua.UaStatusCodeError(Codes.BadSubscriptionIdInvalid)
        self._clients[session].away = None
        subscription.touch()
        return subscription

    def _each(self, session: Session, ids: Iterable[int], do: Callable[[Subscription], None]) -> list[ua.StatusCode]:
        """Do something with each of the session's subscriptions."""
        results = []
        for ident in ids:
            try:
                do(self._own(session, ident))
                results.append(ua.StatusCode())
            except ua.UaStatusCodeError as error:
                results.append(ua.StatusCode(error.code))
        return results

    def _check_count(self, operations: Sequence[Any] | None) -> None:
        """Refuse an empty list and one that is too long."""
        if not operations:
            raise ua.UaStatusCodeError(Codes.BadNothingToDo)
        if len(operations) > self._limits.nodes_per_call:
            raise ua.UaStatusCodeError(Codes.BadTooManyOperations)
