"""A small plant, a clock and clients for the tests of subscriptions; answers are decoded with asyncua."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from opcua_server.address.board import Board
from opcua_server.address.texts import Text
from opcua_server.protocol.limits import Limits
from opcua_server.subscription.filters import Event
from opcua_server.subscription.subscriptions import PublishRequest, SubscriptionService
from twin.tags import TagTable, sensor, status

EPOCH = 133_000_000_000_000_000
VALUE, NOTIFIER = ua.AttributeIds.Value, ua.AttributeIds.EventNotifier
SERVER = ua.NodeId(ua.ObjectIds.Server)
STATE = ua.NodeId("State", 2)  # a node that is no tag
REPORTING, SAMPLING, DISABLED = ua.MonitoringMode.Reporting, ua.MonitoringMode.Sampling, ua.MonitoringMode.Disabled
OVERFLOW = 0x480
CREEP = 1e-9  # s; sums of decimal fractions must not fall short of a deadline

ALARM = ua.NodeId(ua.ObjectIds.AlarmConditionType)
SUPERTYPES = {
    ALARM: ua.NodeId(ua.ObjectIds.ConditionType),
    ua.NodeId(ua.ObjectIds.ConditionType): ua.NodeId(ua.ObjectIds.BaseEventType),
    ua.NodeId(ua.ObjectIds.SystemEventType): ua.NodeId(ua.ObjectIds.BaseEventType),
}


def is_subtype(kind: ua.NodeId, of: ua.NodeId) -> bool:
    """The relation of the few event types above."""
    while kind != of and kind in SUPERTYPES:
        kind = SUPERTYPES[kind]
    return kind == of


def code(name: str) -> int:
    """A StatusCode by its name."""
    return int(getattr(ua.StatusCodes, name))


def codes(results: list) -> list[int]:
    """The StatusCodes of a service's results."""
    return [r.value if isinstance(r, ua.StatusCode) else r.StatusCode.value for r in results]


class FakeSession:
    def __init__(self, number: int, user: str = "operator", locales: tuple[str, ...] = ()) -> None:
        self.session_id = ua.NodeId(number, 1)
        self.who = user
        self.locales = list(locales)


@dataclass
class Message:
    """A decoded PublishResponse."""

    handle: int
    subscription: int
    sequence: int
    more: bool
    available: list[int]
    results: list[int]
    notifications: list[Any]

    @property
    def data(self) -> list[tuple[int, Any]]:
        """(client handle, value) in order; a Bad status stands for a missing value."""
        return [(i.ClientHandle, i.Value.StatusCode.value if i.Value.StatusCode.is_bad() else i.Value.Value.Value) for i in self.items]

    @property
    def items(self) -> list[Any]:
        return [i for n in self.notifications if isinstance(n, ua.DataChangeNotification) for i in n.MonitoredItems]

    @property
    def events(self) -> list[tuple[int, list[Any]]]:
        lists = [n.Events for n in self.notifications if isinstance(n, ua.EventNotificationList)]
        return [(e.ClientHandle, [f.Value for f in e.EventFields]) for some in lists for e in some]

    @property
    def change(self) -> int | None:
        """Status of a StatusChangeNotification."""
        return next((n.Status.value for n in self.notifications if isinstance(n, ua.StatusChangeNotification)), None)


@dataclass
class Fault:
    """A decoded ServiceFault."""

    handle: int
    code: int


def decode(body: bytes) -> Message | Fault:
    """What a publish request was answered; nothing may be left over."""
    buffer = Buffer(body)
    if int.from_bytes(body[2:4], "little") == ua.ObjectIds.ServiceFault_Encoding_DefaultBinary:
        fault = struct_from_binary(ua.ServiceFault, buffer)
        return Fault(fault.ResponseHeader.RequestHandle, fault.ResponseHeader.ServiceResult.value)
    answer = struct_from_binary(ua.PublishResponse, buffer)
    assert len(buffer) == 0
    p = answer.Parameters
    return Message(
        answer.ResponseHeader.RequestHandle,
        p.SubscriptionId,
        p.NotificationMessage.SequenceNumber,
        p.MoreNotifications,
        list(p.AvailableSequenceNumbers),
        [r.value for r in p.Results],
        list(p.NotificationMessage.NotificationData),
    )


class Client:
    """A client with one session."""

    def __init__(self, plant: Plant, user: str = "operator", locales: tuple[str, ...] = ()) -> None:
        plant.clients += 1
        self.plant, self.service = plant, plant.service
        self.session = FakeSession(plant.clients, user, locales)
        self.answers: list[Message | Fault] = []
        self.asked = 0

    def subscribe(self, interval=100.0, lifetime=30, keep_alive=5, most=0, enabled=True, priority=0) -> int:
        return self.service.create(
            self.session, ua.CreateSubscriptionParameters(interval, lifetime, keep_alive, most, enabled, priority)
        ).SubscriptionId

    def ask(self, count: int = 1, timeout_ms: int = 0, acks: tuple[tuple[int, int], ...] = ()) -> None:
        """Send publish requests; their handles count from 1."""
        for _ in range(count):
            self.asked += 1
            request = PublishRequest(
                self.asked, timeout_ms, [ua.SubscriptionAcknowledgement(*a) for a in acks], lambda body: self.answers.append(decode(body))
            )
            self.service.publish(self.session, request)

    def got(self) -> list[Any]:
        """The answers since the last call."""
        answers, self.answers = self.answers, []
        return answers

    def create(self, subscription: int, *requests: ua.MonitoredItemCreateRequest, stamps=ua.TimestampsToReturn.Both) -> list[Any]:
        return self.service.create_items(self.session, ua.CreateMonitoredItemsParameters(subscription, stamps, list(requests)))

    def monitor(self, subscription: int, *names: str, stamps=ua.TimestampsToReturn.Both, **how: Any) -> list[int]:
        """Items on tags, client handles 0, 1, …; returns their ids."""
        results = self.create(subscription, *(item(n, handle=i, **how) for i, n in enumerate(names)), stamps=stamps)
        assert codes(results) == [0] * len(names)
        return [r.MonitoredItemId for r in results]

    def mode(self, subscription: int, mode: Any, *idents: int) -> list[int]:
        return codes(self.service.set_monitoring_mode(self.session, ua.SetMonitoringModeParameters(subscription, mode, list(idents))))

    def modify(self, subscription: int, ident: int, stamps=ua.TimestampsToReturn.Both, **how: Any) -> Any:
        request = ua.MonitoredItemModifyRequest(ident, item("Gross", **how).RequestedParameters)
        return self.service.modify_items(self.session, ua.ModifyMonitoredItemsParameters(subscription, stamps, [request]))[0]

    def link(self, subscription: int, ident: int, add: tuple[int, ...] = (), remove: tuple[int, ...] = ()) -> Any:
        return self.service.set_triggering(self.session, ua.SetTriggeringParameters(subscription, ident, list(add), list(remove)))


def item(what, handle=0, mode=REPORTING, interval=0.0, filter_=None, queue=1, oldest=True, attribute=VALUE, index="", encoding=None):  # type: ignore[no-untyped-def]
    """A MonitoredItemCreateRequest; `what` is a tag's name or a NodeId."""
    node = ua.NodeId(what, 1) if isinstance(what, str) else what
    read = ua.ReadValueId(node, attribute, index, ua.QualifiedName(encoding))
    return ua.MonitoredItemCreateRequest(read, mode, ua.MonitoringParameters(handle, interval, filter_, queue, oldest))


def deadband(size: float, kind: int = 1, trigger=ua.DataChangeTrigger.StatusValue) -> ua.DataChangeFilter:
    return ua.DataChangeFilter(trigger, kind, size)


def select(*paths: str, where: ua.ContentFilter | None = None, kind: ua.NodeId | None = None) -> ua.EventFilter:
    """An EventFilter that asks for fields of a type."""
    return ua.EventFilter([operand(p, kind) for p in paths], where or ua.ContentFilter())


def operand(path: str, kind: ua.NodeId | None = None, attribute: int = VALUE) -> ua.SimpleAttributeOperand:
    names = [ua.QualifiedName(n, 0) for n in path.split("/") if n]
    return ua.SimpleAttributeOperand(kind or ua.NodeId(ua.ObjectIds.BaseEventType), names, attribute)


def event(severity: int = 100, kind: ua.NodeId = ALARM, notifiers: tuple[ua.NodeId, ...] = (SERVER,), **fields: Any) -> Event:
    known = {"Severity": ua.Variant(severity, ua.VariantType.UInt16), "Message": Text("empty", "空")}
    return Event(kind, STATE, notifiers, known | fields, ua.NodeId("Condition", 1))


@dataclass
class Plant:
    """Tags `Gross` and `Net` (−100 … 100 kg), `Full`, `Count` and `Mode`, at NodeIds of these names in namespace 1."""

    limits: Limits = field(default_factory=Limits)
    now: float = 1000.0
    clients: int = 0

    def __post_init__(self) -> None:
        table = TagTable()
        table.add(
            "L",
            "scale",
            (
                sensor("Gross", "", "", "kg", -100, 100),
                sensor("Net", "", "", "kg", -100, 100),
                sensor("Full", "", ""),
                sensor("Count", "", "", "count", -1000, 1000),
                status("Mode", "", "", states=("off", "auto", "hand")),
            ),
        )
        self.names = ["Gross", "Net", "Full", "Count", "Mode"]
        self.board = Board(table)
        self.image = np.zeros(len(table))
        self.ticks = 0
        self.others: dict[tuple[ua.NodeId, int], ua.DataValue] = {
            (SERVER, NOTIFIER): ua.DataValue(ua.Variant(1, ua.VariantType.Byte)),
            (STATE, NOTIFIER): ua.DataValue(ua.Variant(0, ua.VariantType.Byte)),
            (STATE, VALUE): ua.DataValue(ua.Variant("running")),
        }
        self.reads: list[tuple[ua.NodeId, Any]] = []
        self.service = SubscriptionService(
            self.board,
            self.limits,
            tag_index=lambda node: (
                self.names.index(node.Identifier) if node.NamespaceIndex == 1 and node.Identifier in self.names else None
            ),
            read=self.read,
            is_subtype=is_subtype,
            notifies=lambda node: node == SERVER,
            clock=lambda: self.now,
        )
        self.show()

    def read(self, what: ua.ReadValueId, session: Any) -> ua.DataValue:
        self.reads.append((what.NodeId, session))
        return self.others.get((what.NodeId, what.AttributeId), ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown)))

    def show(self, **values: float) -> None:
        """A new snapshot."""
        for name, value in values.items():
            self.image[self.names.index(name)] = value
        self.ticks += 1
        self.board.show(self.image, EPOCH + self.ticks * 1_000_000)

    def step(self, seconds: float = 0.1, **values: float) -> None:
        """Time goes on, then the model makes a step."""
        self.now += seconds + CREEP
        self.show(**values)
        self.service.step()

    def wait(self, seconds: float) -> None:
        """Time goes on without a step; timers fire every 10 ms."""
        for _ in range(round(seconds / 0.01)):
            self.now += 0.01 + CREEP
            self.service.wake()
