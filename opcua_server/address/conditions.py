"""A condition of OPC 10000-9 and its fields: one table gives the nodes of an instance and the fields of its events."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from asyncua import ua

from opcua_server.address.attributes import moment
from opcua_server.address.board import filetime
from opcua_server.address.model import area
from opcua_server.address.nodes import Nodes, here, o, std
from opcua_server.address.texts import Text
from opcua_server.subscription.filters import Event
from opcua_server.subscription.items import SERVER
from scenarios.alarms import Alarm
from scenarios.session import Session as LiveRun
from twin.clock import TICKS_PER_S
from twin.tags import TagTable

V = ua.VariantType
TYPE = std(o.OffNormalAlarmType)
REMEMBERED = 64  # events of one occurrence of an alarm that can still be answered
ONCE_MS = sys.float_info.max  # "maximum Duration": shelved for one occurrence, without a time

ANSWERS = (o.AcknowledgeableConditionType_Acknowledge, o.AcknowledgeableConditionType_Confirm, o.ConditionType_AddComment,
           o.ConditionType_Enable, o.ConditionType_Disable)  # fmt: skip
SHELVE = {
    "TimedShelve": (o.AlarmConditionType_ShelvingState_TimedShelve, o.ShelvedStateMachineType_TimedShelve),
    "OneShotShelve": (o.AlarmConditionType_ShelvingState_OneShotShelve, o.ShelvedStateMachineType_OneShotShelve),
    "Unshelve": (o.AlarmConditionType_ShelvingState_Unshelve, o.ShelvedStateMachineType_Unshelve),
}
SHELVING = {
    "Unshelved": (Text("Unshelved", "未搁置"), std(o.ShelvedStateMachineType_Unshelved)),
    "Timed": (Text("Timed Shelved", "限时搁置"), std(o.ShelvedStateMachineType_TimedShelved)),
    "Once": (Text("One Shot Shelved", "单次搁置"), std(o.ShelvedStateMachineType_OneShotShelved)),
}


@dataclass(eq=False, slots=True)
class Condition:
    """The condition of one alarm tag.

    Attributes:
        alarm: its alarm in the book of the present run.
        node, tag_node, source: NodeIds of the condition, of its tag, of its machine.
        machine: name of the machine.
        notifiers: nodes at which its events are heard.
        live: the live run.
        was_active: whether it was active at its last event.
        event_id, time, received: of its last event; simulated and wall time.
        commented: simulated time of the last remark.
        answerable: ids of the events that can be acknowledged, confirmed and commented: those of the present occurrence.
    """

    alarm: Alarm
    node: ua.NodeId
    tag_node: ua.NodeId
    source: ua.NodeId
    machine: str
    notifiers: frozenset[ua.NodeId]
    live: LiveRun
    was_active: bool = False
    event_id: bytes = b""
    time: datetime = datetime(1601, 1, 1)
    received: datetime = datetime(1601, 1, 1)
    commented: datetime = datetime(1601, 1, 1)
    answerable: deque[bytes] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    @property
    def name(self) -> str:
        """The tag's name within its machine."""
        return self.alarm.tag.name.rsplit(".", 1)[-1]

    @property
    def shelving_node(self) -> ua.NodeId:
        """NodeId of its shelving state machine."""
        return here(f"{self.node.Identifier}/ShelvingState")

    @property
    def shelving(self) -> tuple[Text, ua.NodeId]:
        """Name and NodeId of the shelving state."""
        until = self.alarm.shelved_until
        return SHELVING["Unshelved" if until is None else "Once" if until == float("inf") else "Timed"]

    @property
    def unshelve_ms(self) -> float:
        """Simulated time of shelving left."""
        return min(self.live.alarms.left_s(self.alarm) * 1e3, ONCE_MS)

    @property
    def changed(self) -> datetime:
        """Simulated time at which it became active or inactive."""
        return moment(filetime(self.live.clock - (self.live.tick - self.alarm.changed) / TICKS_PER_S))

    @property
    def message(self) -> Text:
        """What is the matter, for people."""
        tag, gone = self.alarm.tag, not self.alarm.active
        return Text(f"{self.machine}: {tag.en}{', gone' if gone else ''}", f"{self.machine}：{tag.zh}{'，已恢复' if gone else ''}")

    def stamp(self, now: datetime) -> None:
        """It has a new event, at a simulated time. What was told of an earlier occurrence can then not answer this one."""
        if self.alarm.active and not self.was_active:
            self.answerable.clear()
        self.was_active = self.alarm.active
        self.event_id, self.time, self.received = os.urandom(16), now, moment(filetime(time.time()))
        self.answerable.append(self.event_id)

    def event(self) -> Event:
        """Its last event, with its present state."""
        fields = {f.path: f.variant(self) for f in FIELDS}
        return Event(TYPE, self.source, self.notifiers, fields, self.node)


class Field(NamedTuple):
    """One field.

    Attributes:
        path: browse names below the condition.
        zh: Chinese name.
        type: of the value.
        value: computes it; a Text is shown in the session's language.
        kind: type of the variable; a property unless it is another.
        data_type: where it is not the built-in type itself.
    """

    path: str
    zh: str
    type: ua.VariantType
    value: Callable[[Condition], Any]
    kind: int = o.PropertyType
    data_type: int = 0

    def variant(self, condition: Condition) -> ua.Variant | Text:
        """The field of an event."""
        value = self.value(condition)
        return value if isinstance(value, Text) else ua.Variant(value, self.type)

    def shown(self, condition: Condition, locales: list[str]) -> Any:
        """The value of the node."""
        value = self.value(condition)
        return value.localized(locales) if isinstance(value, Text) else value


def _state(name: str, zh: str, texts: tuple[Text, Text], value: Callable[[Condition], bool]) -> tuple[Field, Field]:
    """A TwoStateVariable: text and Id."""
    return (
        Field(name, zh, V.LocalizedText, lambda c: texts[value(c)], o.TwoStateVariableType),
        Field(f"{name}/Id", "标识", V.Boolean, value),
    )


FIELDS = (
    Field("EventId", "事件标识", V.ByteString, lambda c: c.event_id),
    Field("EventType", "事件类型", V.NodeId, lambda c: TYPE),
    Field("SourceNode", "来源节点", V.NodeId, lambda c: c.source),
    Field("SourceName", "来源名称", V.String, lambda c: c.machine),
    Field("Time", "时间（仿真）", V.DateTime, lambda c: c.time, data_type=o.UtcTime),
    Field("ReceiveTime", "接收时间", V.DateTime, lambda c: c.received, data_type=o.UtcTime),
    Field("Message", "消息", V.LocalizedText, lambda c: c.message),
    Field("Severity", "严重度", V.UInt16, lambda c: c.alarm.tag.severity),
    Field("ConditionClassId", "类别标识", V.NodeId, lambda c: std(o.ProcessConditionClassType)),
    Field("ConditionClassName", "类别", V.LocalizedText, lambda c: Text("Process", "过程")),
    Field("ConditionName", "状态名称", V.String, lambda c: c.name),
    Field("BranchId", "分支", V.NodeId, lambda c: ua.NodeId()),
    Field("Retain", "保留", V.Boolean, lambda c: c.alarm.retain),
    *_state("EnabledState", "启用状态", (Text("Disabled", "停用"), Text("Enabled", "启用")), lambda c: True),
    Field("Quality", "质量", V.StatusCode, lambda c: ua.StatusCode(), o.ConditionVariableType),
    Field("Quality/SourceTimestamp", "时间", V.DateTime, lambda c: c.time, data_type=o.UtcTime),
    Field("LastSeverity", "上次严重度", V.UInt16, lambda c: c.alarm.tag.severity, o.ConditionVariableType),
    Field("LastSeverity/SourceTimestamp", "时间", V.DateTime, lambda c: c.time, data_type=o.UtcTime),
    Field("Comment", "备注", V.LocalizedText, lambda c: ua.LocalizedText(c.alarm.comment), o.ConditionVariableType),
    Field("Comment/SourceTimestamp", "时间", V.DateTime, lambda c: c.commented, data_type=o.UtcTime),
    Field("ClientUserId", "用户", V.String, lambda c: c.alarm.by),
    *_state("AckedState", "确认状态", (Text("Unacknowledged", "未确认"), Text("Acknowledged", "已确认")), lambda c: c.alarm.acked),
    *_state("ConfirmedState", "处理状态", (Text("Unconfirmed", "未处理"), Text("Confirmed", "已处理")), lambda c: c.alarm.confirmed),
    *_state("ActiveState", "报警状态", (Text("Inactive", "未激活"), Text("Active", "激活")), lambda c: c.alarm.active),
    Field("ActiveState/TransitionTime", "变化时间", V.DateTime, lambda c: c.changed, data_type=o.UtcTime),
    Field("InputNode", "输入节点", V.NodeId, lambda c: c.tag_node),
    Field("NormalState", "正常状态节点", V.NodeId, lambda c: ua.NodeId()),
    Field("SuppressedOrShelved", "已抑制或搁置", V.Boolean, lambda c: c.alarm.shelved_until is not None),
    Field("ShelvingState/CurrentState", "当前状态", V.LocalizedText, lambda c: c.shelving[0], o.FiniteStateVariableType),
    Field("ShelvingState/CurrentState/Id", "标识", V.NodeId, lambda c: c.shelving[1]),
    Field("ShelvingState/UnshelveTime", "剩余搁置时间（毫秒）", V.Double, lambda c: c.unshelve_ms, data_type=o.Duration),
)  # fmt: skip


def build(nodes: Nodes, table: TagTable, live: LiveRun, alarm: Callable[[str], Alarm]) -> dict[str, Condition]:
    """Add a condition for each alarm tag; by name of the tag.

    Args:
        live: asked for the time when values are read.
        alarm: the alarm of a tag.
    """
    plant, out = here("Plant"), {}
    for around in dict.fromkeys(area(machine) for machine in table.equipment if area(machine)):
        nodes.refer(plant, here(around), o.HasNotifier)
    for machine in table.equipment:
        line, source = here(area(machine) or "Plant"), here(machine.name)
        tags = [tag for tag in table.tags[machine.first : machine.first + machine.count] if tag.alarm]
        for tag in tags:
            heard = frozenset((SERVER, plant, line, source))
            condition = Condition(alarm(tag.name), here(f"{tag.name}/Condition"), here(tag.name), source, machine.name, heard, live)
            out[tag.name] = condition
            _add_nodes(nodes, condition)
        if tags:
            nodes.refer(line, source, o.HasNotifier)
    return out


def _add_nodes(nodes: Nodes, condition: Condition) -> None:
    """Add a condition with its variables. The methods are those of the type: an instance needs no copies of them."""
    tag, name = condition.alarm.tag, condition.node.Identifier
    shown = f"{condition.name}Alarm"
    nodes.object(name, condition.source, Text(shown, tag.zh), TYPE, browse=shown, about=Text(tag.en, tag.zh))
    nodes.refer(condition.source, condition.node, o.HasCondition)
    shelving = nodes.object(f"{name}/ShelvingState", condition.node, Text("ShelvingState", "搁置状态"), std(o.ShelvedStateMachineType),
                            browse=ua.QualifiedName("ShelvingState", 0))  # fmt: skip
    for entry in FIELDS:
        parent, _, browse = entry.path.rpartition("/")
        reference = o.HasProperty if entry.kind == o.PropertyType else o.HasComponent

        def value(session: Any, entry: Field = entry) -> Any:
            return entry.shown(condition, session.locales if session else [])

        nodes.variable(
            f"{name}/{entry.path}", here(f"{name}/{parent}" if parent else name), Text(browse, entry.zh), entry.type.value, browse=ua.QualifiedName(browse, 0),
            definition=entry.kind, reference=reference, data_type=entry.data_type, computed=value,
        )  # fmt: skip
    for node, numbers in ((condition.node, ANSWERS), (shelving, [numbers[0] for numbers in SHELVE.values()])):
        for number in numbers:
            _share(nodes, node, std(number))


def _share(nodes: Nodes, owner: ua.NodeId, method: ua.NodeId) -> None:
    """Let an instance have a method of its type; from there no reference leads back to each instance."""
    name = nodes.space[method].attributes[ua.AttributeIds.BrowseName].value.Value.Value
    reference = ua.ReferenceDescription(
        ReferenceTypeId=std(o.HasComponent), IsForward=True, NodeId=method, BrowseName=name, DisplayName=ua.LocalizedText(name.Name),
        NodeClass=ua.NodeClass.Method,
    )  # fmt: skip
    nodes.space[owner].references.append(reference)
