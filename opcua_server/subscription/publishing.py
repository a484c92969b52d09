"""One subscription: its publishing cycle, messages and retransmission queue. OPC 10000-4 5.14.1."""

from __future__ import annotations

import math
from dataclasses import replace

from asyncua import ua

from opcua_server.protocol.limits import Limits
from opcua_server.subscription import notify
from opcua_server.subscription.monitored import MonitoredItems
from opcua_server.subscription.ports import Session

Codes = ua.StatusCodes


class Pace:
    """The beat of the model's steps.

    Publishing follows it: a cycle that is due about when a step comes waits for the step and goes out right behind it,
    instead of just before with values one step old.

    Attributes:
        period: time between steps in s, smoothed; 0 if not known.
    """

    def __init__(self) -> None:
        self.period = 0.0
        self._last = -math.inf

    def beat(self, now: float) -> None:
        """A step was made."""
        gap = now - self._last
        self._last = now
        if gap > 5.0:
            self.period = 0.0
        else:
            self.period = 0.8 * self.period + 0.2 * gap if self.period else gap

    def slack(self, now: float, interval: float) -> float:
        """How far from its deadline a cycle may be, in s; none when the model stands still."""
        return min(interval, self.period) / 2 if now - self._last <= 2 * self.period else 0.0


class Subscription:
    """A subscription and its state.

    Attributes:
        ident: SubscriptionId.
        session: whose it is, or was last.
        orphaned: time since which it has no session, in s of the service's clock; None while it has one.
        interval: publishing interval, s.
        next: when its publishing cycle is due, s.
        waiting: it has a message to send and waits for a publish request.
        served: number of the turn at which it last sent, for taking turns.
        sent: messages that can be asked for again, by sequence number.
    """

    def __init__(
        self, ident: int, session: Session, items: MonitoredItems, limits: Limits, wish: ua.CreateSubscriptionParameters, now: float
    ) -> None:
        self.ident = ident
        self.session = session
        self.orphaned: float | None = None
        self.items = items
        self.enabled = bool(wish.PublishingEnabled)
        self.waiting = False
        self.served = 0
        self.sequence = 1
        self.sent: dict[int, bytes] = {}
        self._sent_bytes = 0
        self._limits = limits
        self._quiet = 0  # cycles without a message
        self._unserved = 0  # cycles without a publish request
        self._spoke = False
        self.counts = ua.SubscriptionDiagnosticsDataType()
        self.revise(wish, now)

    def revise(self, wish: ua.CreateSubscriptionParameters | ua.ModifySubscriptionParameters, now: float) -> None:
        """Take a client's settings as far as the limits allow."""
        limits = self._limits
        asked = wish.RequestedPublishingInterval
        asked = asked if asked > 0.0 else limits.publishing_interval_min_ms  # zero, negative, not a number: the fastest
        self.interval = min(max(asked, limits.publishing_interval_min_ms), limits.publishing_interval_max_ms) / 1000.0
        self.keep_alive = min(max(wish.RequestedMaxKeepAliveCount, 1), limits.keep_alive_max)
        self.lifetime = max(min(wish.RequestedLifetimeCount, limits.lifetime_max), 3 * self.keep_alive)
        self.most_asked = wish.MaxNotificationsPerPublish
        self.most = min(self.most_asked or limits.notifications_per_publish, limits.notifications_per_publish)
        self.priority = wish.Priority
        self.next = now + self.interval

    def touch(self) -> None:
        """A service used it: its lifetime starts anew."""
        self._unserved = 0

    @property
    def _has_news(self) -> bool:
        return self.enabled and self.items.ready

    def cycle(self, now: float, requests: bool, pull: float) -> bool:
        """The publishing interval is over.

        Args:
            now: time of the service's clock, s.
            requests: its session has publish requests.
            pull: part of the deviation by which the next cycle comes nearer to this one's time, 0…1.

        Returns:
            its lifetime is over.
        """
        self.next += self.interval + pull * (now - self.next)
        if self.next <= now:
            self.next = now + self.interval
        self._unserved = 0 if requests else self._unserved + 1
        if self._unserved >= self.lifetime:
            return True
        self._quiet += 1
        if not self._spoke or self._has_news or self._quiet >= self.keep_alive:
            self.counts.LatePublishRequestCount += not (requests or self.waiting)
            self.waiting = True
        return False

    def message(self, turn: int, share: int) -> tuple[bytes, bool]:
        """The next NotificationMessage, a keep-alive if there is no news; and whether more waits.

        Args:
            turn: number of this turn.
            share: bytes that its retransmission queue may hold.
        """
        self.served, self._quiet, self._spoke = turn, 0, True
        self.touch()
        if not self._has_news:
            self.waiting = False
            return notify.message(self.sequence, ()), False
        taken = self.items.take(self.most, self.session.locales)
        body = notify.message(self.sequence, taken.notifications)
        self._keep(body, share)
        self.counts.DataChangeNotificationsCount += taken.data
        self.counts.EventNotificationsCount += taken.events
        self.counts.NotificationsCount += taken.data + taken.events
        self.waiting = self._has_news
        return body, self.waiting

    def _keep(self, body: bytes, share: int) -> None:
        self.sent[self.sequence] = body
        self._sent_bytes += len(body)
        while len(self.sent) > self._limits.retransmission_queue or (self._sent_bytes > share and len(self.sent) > 1):
            self._sent_bytes -= len(self.sent.pop(next(iter(self.sent))))
            self.counts.DiscardedMessageCount += 1
        self.sequence = self.sequence % 0xFFFF_FFFF + 1

    def farewell(self, code: int) -> bytes:
        """The message that tells why it ends for this session."""
        return notify.message(self.sequence, [notify.status_change(code)])

    def acknowledge(self, sequence_number: int) -> int:
        """Forget a message. Returns the StatusCode of that."""
        body = self.sent.pop(sequence_number, None)
        if body is None:
            return Codes.BadSequenceNumberUnknown
        self._sent_bytes -= len(body)
        return Codes.Good

    def again(self, sequence_number: int) -> bytes:
        """A message that was sent and not acknowledged."""
        self.counts.RepublishRequestCount += 1
        self.counts.RepublishMessageRequestCount += 1
        body = self.sent.get(sequence_number)
        if body is None:
            raise ua.UaStatusCodeError(Codes.BadMessageNotAvailable)
        self.counts.RepublishMessageCount += 1
        return body

    @property
    def available(self) -> list[int]:
        """Sequence numbers that can be asked for again."""
        return list(self.sent)

    def row(self) -> ua.SubscriptionDiagnosticsDataType:
        """Its line of the server's diagnostics."""
        c = self.counts
        c.SessionId = self.session.session_id if self.orphaned is None else ua.NodeId()
        c.SubscriptionId, c.Priority, c.PublishingEnabled = self.ident, self.priority, self.enabled
        c.PublishingInterval, c.MaxKeepAliveCount, c.MaxLifetimeCount = self.interval * 1000.0, self.keep_alive, self.lifetime
        c.MaxNotificationsPerPublish, c.NextSequenceNumber = self.most_asked, self.sequence
        c.CurrentKeepAliveCount, c.CurrentLifetimeCount = self._quiet, self._unserved
        c.UnacknowledgedMessageCount = len(self.sent)
        c.MonitoredItemCount, c.DisabledMonitoredItemCount = len(self.items), self.items.disabled
        c.MonitoringQueueOverflowCount, c.EventQueueOverflowCount = self.items.overflows, self.items.event_overflows
        return replace(c)  # a copy: who keeps it may want to see what changed
