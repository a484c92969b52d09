"""Alarms and conditions (OPC 10000-9), and the few other events that the plant tells.

The states are those of the run's alarm book; after a reset the conditions follow the new book. Faults that an instructor
lets happen are no events: clients see what the plant shows, not why.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from asyncua import ua

from opcua_server.access.roles import Right
from opcua_server.address.attributes import moment
from opcua_server.address.board import filetime
from opcua_server.address.conditions import ANSWERS, SHELVE, Condition, build
from opcua_server.address.methods import Method
from opcua_server.address.nodes import Argument, here, o, std
from opcua_server.address.texts import Text
from opcua_server.protocol.sessions import Session
from opcua_server.subscription.filters import Event
from opcua_server.subscription.items import SERVER
from scenarios.alarms import LONGEST_SHELVING_S, Alarm

if TYPE_CHECKING:
    from opcua_server.server import PlantServer

Code = ua.StatusCodes
V = ua.VariantType
OVER = {
    "ended": (100, Text("the run has ended", "运行结束")),
    "failed": (900, Text("the run has failed", "运行失败")),
}


def refused(code: int) -> ua.UaStatusCodeError:
    """The error that refuses a method."""
    return ua.UaStatusCodeError(code)


class Alarms:
    """The conditions of all alarm tags, their methods and events."""

    def __init__(self, server: PlantServer) -> None:
        self._server, self._live = server, server.live
        self._conditions = build(server.nodes, self._live.sim.plant.table, self._live, self._live.alarms.find)
        self._by_node = {n: c for c in self._conditions.values() for n in (c.node, c.shelving_node)}
        for condition in self._conditions.values():
            condition.stamp(self._now)
        self._bind()
        self._epoch, self._state, self._losses = self._live.epoch, self._live.state, self._live.lockstep.losses
        self._live.alarm_listeners.append(self._changed)
        self._live.listeners.append(self._look)

    def close(self) -> None:
        """Hear no more of the run."""
        self._live.alarm_listeners.remove(self._changed)
        self._live.listeners.remove(self._look)

    # --- events ---------------------------------------------------------------------------------------

    @property
    def _now(self) -> datetime:
        """Simulated time."""
        return moment(filetime(self._live.clock))

    def _changed(self, alarm: Alarm) -> None:
        """An alarm has changed, or something was done about it."""
        condition = self._conditions[alarm.tag.name]
        if condition.alarm is alarm:  # a new book tells of its alarms while the old one still stands: `_look` has them then
            self._tell(condition)

    def _tell(self, condition: Condition) -> None:
        condition.stamp(self._now)
        self._server.subscriptions.fire(condition.event())

    def _look(self) -> None:
        """The run has gone on: is it another one, is it over, was a controller lost."""
        live = self._live
        if live.epoch != self._epoch:
            self._epoch = live.epoch
            self._begin_anew()
        if live.lockstep.losses != self._losses:
            self._losses = live.lockstep.losses
            self._announce(700, Text(f"controller lost: {live.lockstep.lost}", f"控制器失联：{live.lockstep.lost}"))
        if live.state != self._state:
            self._state = live.state
            if live.state in OVER:
                severity, text = OVER[live.state]
                trouble = f": {live.trouble}" if live.trouble else ""
                self._announce(severity, Text(text.en + trouble, text.zh + trouble))

    def _begin_anew(self) -> None:
        """Another run has begun: follow its book, and tell what is different now."""
        self._announce(100, Text("the run begins anew", "运行已复位"))
        for condition in self._conditions.values():
            old, condition.alarm = condition.alarm, self._live.alarms.find(condition.alarm.tag.name)
            condition.answerable.clear()
            new = condition.alarm
            if new.retain or old.retain or old.shelved_until is not None:
                self._tell(condition)
            else:
                condition.stamp(self._now)

    def _announce(self, severity: int, text: Text) -> None:
        """Something about the run as a whole."""
        source = here("Time")
        self._server.subscriptions.fire(self._event(o.SystemEventType, source, "Time", frozenset((SERVER, here("Plant"))), severity, text))

    def _event(self, kind: int, source: ua.NodeId, name: str, heard: frozenset[ua.NodeId], severity: int, text: Text) -> Event:
        """An event with the fields of the base type."""
        fields: dict[str, ua.Variant | Text] = {
            "EventId": ua.Variant(os.urandom(16), V.ByteString),
            "EventType": ua.Variant(std(kind), V.NodeId),
            "SourceNode": ua.Variant(source, V.NodeId),
            "SourceName": ua.Variant(name, V.String),
            "Time": ua.Variant(self._now, V.DateTime),
            "ReceiveTime": ua.Variant(moment(filetime(time.time())), V.DateTime),
            "Message": text,
            "Severity": ua.Variant(severity, V.UInt16),
        }
        return Event(std(kind), source, heard, fields)

    # --- methods --------------------------------------------------------------------------------------

    def _bind(self) -> None:
        """Give the methods of the standard's types their behaviour."""
        event = (Argument("EventId", V.ByteString.value, Text("of the event that is meant", "事件标识")),
                 Argument("Comment", V.LocalizedText.value, Text("remark", "备注")))  # fmt: skip
        ms = Argument("ShelvingTime", V.Double.value, Text("simulated time, ms", "搁置时间（仿真，毫秒）"))
        subscription = Argument("SubscriptionId", V.UInt32.value, Text("subscription", "订阅"))
        item = Argument("MonitoredItemId", V.UInt32.value, Text("monitored item", "监视项"))
        acknowledge, confirm, comment, enable, disable = ANSWERS
        self._method((acknowledge,), self._acknowledge, event)
        self._method((confirm,), self._confirm, event)
        self._method((comment,), self._comment, event)
        self._method((enable,), self._enable)
        self._method((disable,), self._disable)
        self._method(SHELVE["TimedShelve"], self._timed_shelve, (ms,))
        self._method(SHELVE["OneShotShelve"], self._one_shot_shelve)
        self._method(SHELVE["Unshelve"], self._unshelve)
        kind = (std(o.ConditionType),)
        for number, inputs in (
            (o.ConditionType_ConditionRefresh, (subscription,)),
            (o.ConditionType_ConditionRefresh2, (subscription, item)),
        ):
            self._server.methods.bind(std(number), Method(kind, inputs, (), Right.READ, self._refresh))

    def _method(self, numbers: tuple[int, ...], run: Callable[..., Any], inputs: tuple[Argument, ...] = ()) -> None:
        def on_condition(session: Session, node: ua.NodeId, *values: Any) -> None:
            run(session, self._by_node[node], *values)

        for number in numbers:
            self._server.methods.bind(std(number), Method(self._by_node, inputs, (), Right.ACKNOWLEDGE, on_condition, of_object=True))

    def _acknowledge(self, session: Session, condition: Condition, event_id: bytes, comment: ua.LocalizedText) -> None:
        if self._answered(condition, event_id).acked:
            raise refused(Code.BadConditionBranchAlreadyAcked)
        self._remark(condition, comment)
        self._live.alarms.acknowledge(condition.alarm.tag.name, session.who, comment.Text)

    def _confirm(self, session: Session, condition: Condition, event_id: bytes, comment: ua.LocalizedText) -> None:
        if self._answered(condition, event_id).confirmed:
            raise refused(Code.BadConditionBranchAlreadyConfirmed)
        self._remark(condition, comment)
        self._live.alarms.confirm(condition.alarm.tag.name, session.who, comment.Text)

    def _comment(self, session: Session, condition: Condition, event_id: bytes, comment: ua.LocalizedText) -> None:
        self._answered(condition, event_id)
        self._remark(condition, comment)
        self._live.alarms.comment(condition.alarm.tag.name, session.who, comment.Text)

    def _answered(self, condition: Condition, event_id: bytes) -> Alarm:
        """The alarm, if the event is one of its present occurrence."""
        if event_id not in condition.answerable:
            raise refused(Code.BadEventIdUnknown)
        return condition.alarm

    def _remark(self, condition: Condition, comment: ua.LocalizedText) -> None:
        if comment.Text is not None:
            condition.commented = self._now

    def _enable(self, session: Session, condition: Condition) -> None:
        raise refused(Code.BadConditionAlreadyEnabled)

    def _disable(self, session: Session, condition: Condition) -> None:
        raise refused(Code.BadNotSupported)  # who does not want to hear of an alarm shelves it

    def _timed_shelve(self, session: Session, condition: Condition, ms: float) -> None:
        if condition.alarm.shelved_until not in (None, float("inf")):
            raise refused(Code.BadConditionAlreadyShelved)
        if not 0.0 < ms <= LONGEST_SHELVING_S * 1e3:
            raise refused(Code.BadShelvingTimeOutOfRange)
        self._live.alarms.shelve(condition.alarm.tag.name, session.who, ms * 1e-3)

    def _one_shot_shelve(self, session: Session, condition: Condition) -> None:
        if condition.alarm.shelved_until == float("inf"):
            raise refused(Code.BadConditionAlreadyShelved)
        self._live.alarms.shelve(condition.alarm.tag.name, session.who, None)

    def _unshelve(self, session: Session, condition: Condition) -> None:
        if condition.alarm.shelved_until is None:
            raise refused(Code.BadConditionNotShelved)
        self._live.alarms.unshelve(condition.alarm.tag.name, session.who)

    def _refresh(self, session: Session, subscription: int, item: int | None = None) -> None:
        """Tell a client that has just come what is still of concern."""

        def border(kind: int, text: Text) -> Event:
            return self._event(kind, SERVER, "Server", frozenset((SERVER,)), 100, text)

        events = [border(o.RefreshStartEventType, Text("refresh begins", "刷新开始"))]
        events += [c.event() for c in self._conditions.values() if c.alarm.retain]
        events += [border(o.RefreshEndEventType, Text("refresh ends", "刷新结束"))]
        self._server.subscriptions.refresh(session, events, subscription, item)
