"""The address space of a plant, generated from its tag table.

    Objects/Plant/Line1/Weigher/Cement/Gross    a tag: its NodeId is `Line1.Weigher.Cement.Gross`
    Objects/Plant/Image/Sensors …               the same values as arrays, for controllers that exchange an image a scan

Terms of companion specifications are taken where they fit, see docs/opcua.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from asyncua import ua

from opcua_server.address import words
from opcua_server.address.board import BOOLEAN, DOUBLE, UINT32, Board, type_of
from opcua_server.address.nodes import HISTORY, LIST, READ, WRITE, Nodes, here, o, std
from opcua_server.address.texts import Text
from opcua_server.address.units import unit
from twin.tags import Equipment, Tag

STRING, LOCALIZED, STRUCTURE = 12, 21, 22
GROUPS = {
    "Sensors": ("sensor", Text("all sensors", "全部传感器")), "Setpoints": ("setpoint", Text("all setpoints", "全部设定值")),
    "Actuators": ("actuator", Text("all actuators", "全部执行器")), "Statuses": ("status", Text("all status", "全部状态")),
    "Parameters": ("parameter", Text("all parameters", "全部参数")),
}  # fmt: skip
KIND_ZH = {
    "station": "控制站", "silo": "筒仓", "aggregate_bin": "骨料仓", "tank": "液罐", "moisture_probe": "含水率仪", "feeder": "给料机", "weigher": "计量斗",
    "conveyor": "皮带机", "hopper": "料斗", "mixer": "搅拌机", "bay": "装车位",
    "weather_station": "气象站", "basin": "水池", "water_pump": "水泵", "surface": "汇水面", "separator": "砂石分离机", "filter_press": "压滤机",
    "truck_wash": "洗车台", "washdown": "冲洗装置", "dust_collector": "除尘器", "spray": "喷淋", "monitor": "监测站", "weighbridge": "地磅", "dispatch_desk": "调度台", "order_slot": "任务单", "truck": "搅拌车",
}  # fmt: skip
AREA_ZH = {"Orders": "任务单", "Gate": "门岗", "Trucks": "车队", "Water": "水系统", "Air": "大气", "Site": "厂区"}
ON_OFF = (Text("off", "否"), Text("on", "是"))


def type_name(kind: str) -> str:
    """Name of the object type of a machine kind: `aggregate_bin` is `AggregateBinType`."""
    return "".join(part.capitalize() for part in kind.split("_")) + "Type"


def build(nodes: Nodes, board: Board, species: Mapping[str, str]) -> None:
    """Add types, machines, tags and image arrays of a plant.

    Args:
        species: species of each material, for controllers that choose tolerances by it.
    """
    plant = nodes.object("Plant", std(o.ObjectsFolder), Text("Plant", "搅拌站"), reference=o.Organizes, events=True)
    nodes.refer(std(o.Server), plant, o.HasNotifier)
    table = board.table
    for kind in dict.fromkeys(e.kind for e in table.equipment):
        _add_type(nodes, kind, board, next(e for e in table.equipment if e.kind == kind))
    for line in dict.fromkeys(area(e) for e in table.equipment if area(e)):
        nodes.object(line, plant, Text(line.replace("Line", "Line "), AREA_ZH.get(line, line.replace("Line", "生产线 "))), events=True)
    for machine in table.equipment:
        _add_machine(nodes, machine, board)
    _add_image(nodes, plant, board)
    listing = json.dumps({"tags": [asdict(t) | {"broken": t.broken if np.isfinite(t.broken) else None} for t in table], "values": table.values,
                          "equipment": [asdict(e) for e in table.equipment], "species": dict(species)}, ensure_ascii=False)  # fmt: skip
    nodes.property("Plant.IOList", plant, Text("I/O list as JSON", "I/O 清单（JSON）"), STRING, listing)


def _add_type(nodes: Nodes, kind: str, board: Board, example: Equipment) -> None:
    """An object type with the tags that every machine of the kind has."""
    table = board.table
    same = [e for e in table.equipment if e.kind == kind]
    suffixes = [{table.tags[i].name.removeprefix(e.name + ".") for i in range(e.first, e.first + e.count)} for e in same]
    common = set.intersection(*suffixes)
    name = type_name(kind)
    node = nodes.object_type(name, Text(kind.replace("_", " "), KIND_ZH.get(kind, kind)))
    for i in range(example.first, example.first + example.count):
        suffix = table.tags[i].name.removeprefix(example.name + ".")
        if suffix in common:
            nodes.mandatory(_add_tag(nodes, node, f"{name}.{suffix}", suffix, table.tags[i], instance=False))


def area(machine: Equipment) -> str:
    """Object below which a machine is found: its line or the like, one for all trucks, and the plant itself for what stands alone."""
    return "Trucks" if machine.kind == "truck" else machine.line if "." in machine.name else ""


def _add_machine(nodes: Nodes, machine: Equipment, board: Board) -> None:
    parent = here(area(machine) or "Plant")
    parts = machine.name.split(".")
    for depth in range(2, len(parts)):  # Line1.Weigher is a folder for Line1.Weigher.Cement
        folder = here(".".join(parts[:depth]))
        if folder not in nodes.space:
            kind = machine.kind if depth == len(parts) - 1 else ""
            nodes.object(
                folder.Identifier,
                parent,
                Text(parts[depth - 1], KIND_ZH.get(kind, parts[depth - 1])),
                std(o.FolderType),
                reference=o.Organizes,
            )
        parent = folder
    alarms = any(t.alarm for t in board.table.tags[machine.first : machine.first + machine.count])
    text = words.machine(machine.short)
    about = Text(f"{machine.kind.replace('_', ' ')} {machine.name}", f"{KIND_ZH.get(machine.kind, machine.kind)} {machine.name}")
    node = nodes.object(machine.name, parent, text, here(type_name(machine.kind)), events=alarms, about=about)
    for name, value, label in (("Material", machine.material, Text("material", "物料")), ("Feeds", machine.feeds, Text("feeds", "去向")),
                               ("Source", machine.source, Text("draws from", "来源"))):  # fmt: skip
        if value:
            nodes.property(f"{machine.name}.{name}", node, label, STRING, value)
    for i in range(machine.first, machine.first + machine.count):
        tag = board.table.tags[i]
        _add_tag(nodes, node, tag.name, tag.name.removeprefix(machine.name + "."), tag)


def access(tag: Tag) -> int:
    """AccessLevel of a tag: all can be read and have a history, what the plant itself writes cannot be written."""
    return READ | HISTORY | (WRITE if tag.direction in ("actuator", "setpoint", "status") else 0)


def _add_tag(nodes: Nodes, parent: ua.NodeId, name: str, browse: str, tag: Tag, instance: bool = True) -> ua.NodeId:
    """A tag as AnalogItem, TwoState or MultiState variable, with its properties."""
    text, about = Text(browse, tag.zh), Text(tag.en, tag.zh)
    if tag.dtype == "bool":
        definition = o.TwoStateDiscreteType
    elif tag.states:
        definition = o.MultiStateDiscreteType
    else:
        definition = o.AnalogItemType
    value: Any = (False if tag.dtype == "bool" else 0 if tag.dtype == "int" else 0.0) if not instance else None
    node = nodes.variable(
        name, parent, text, type_of(tag), value, browse=browse, access=access(tag), definition=definition, about=about, historizing=instance
    )

    def prop(which: str, label: Text, type_: int, value: Callable[[Sequence[str]], Any], rank: int = -1, data_type: int = 0) -> None:
        """A property that the standard defines, whose namespace it carries in its browse name; `value` gives it in the first of some locales that we speak."""
        browse = ua.QualifiedName(which, 0)
        made = nodes.property(f"{name}/{which}", node, label, type_, value(()), browse=browse, rank=rank, data_type=data_type)
        nodes.translate(made, ua.VariantType(type_), value, rank == LIST)
        if not instance:
            nodes.mandatory(made)

    if tag.dtype == "bool":
        prop("FalseState", Text("state when false", "为假时的状态"), LOCALIZED, ON_OFF[0].localized)
        prop("TrueState", Text("state when true", "为真时的状态"), LOCALIZED, ON_OFF[1].localized)
    elif tag.states:
        states = [words.state(s) for s in tag.states]
        prop("EnumStrings", Text("names of the codes", "代码名称"), LOCALIZED, lambda wish: [s.localized(wish) for s in states], LIST)
    else:
        prop("EURange", Text("range", "量程"), STRUCTURE, lambda _: range_of(tag), data_type=o.Range)
        prop("EngineeringUnits", Text("unit", "单位"), STRUCTURE, lambda wish: unit(tag.unit or "-", wish), data_type=o.EUInformation)
    if instance:
        nodes.property(f"{name}/Writer", node, Text("role that may write it", "可写角色"), STRING, tag.writer, browse="Writer")
        if np.isfinite(tag.broken):
            about = Text("reading at or below which the sensor has failed", "传感器故障读数")
            nodes.property(f"{name}/FailureValue", node, about, DOUBLE, tag.broken, browse="FailureValue")
    return node


def range_of(tag: Tag) -> ua.Range:
    """EURange of a tag: its range to twelve digits, without what floating point added when it was computed."""
    return ua.Range(Low=float(f"{tag.low:.12g}"), High=float(f"{tag.high:.12g}"))


def _add_image(nodes: Nodes, plant: ua.NodeId, board: Board) -> None:
    """Arrays of all values of a direction, with the names that say which is which."""
    about = Text("the process image as arrays", "过程映像（数组）")
    image = nodes.object("Image", plant, Text("Image", "过程映像"), about=about)
    for name, (direction, text) in GROUPS.items():
        index = np.array([i for i, t in enumerate(board.table) if t.direction == direction], np.int64)
        writable = direction in ("actuator", "setpoint", "status")

        def values(_: Any, index: Any = index) -> list[float]:
            return list(board.values[index].tolist())

        nodes.variable(f"Image.{name}", image, text, DOUBLE, [0.0], rank=LIST, access=READ | (WRITE if writable else 0), computed=values)
        names = [board.table.tags[i].name for i in index]
        label = Text(f"tag names of {name}", f"{text.zh}的标签名")
        nodes.property(f"Image.{name}.Names", here(f"Image.{name}"), label, STRING, names, browse="Names", rank=LIST)


def image_group(board: Board, name: str) -> list[int]:
    """Tag indices of an image array such as `Image.Actuators`."""
    direction = GROUPS[name.removeprefix("Image.")][0]
    return [i for i, t in enumerate(board.table) if t.direction == direction]


__all__ = ["BOOLEAN", "UINT32", "access", "build", "image_group", "type_name"]
