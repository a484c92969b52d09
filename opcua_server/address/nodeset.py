"""The address space of a plant as a NodeSet2 file (OPC 10000-6 Annex F), for other stacks to load.

Its nodes are those of a server that is built and never started. Each reference stands once: a hierarchical one at the
child, any other at its source. The order is that of building, so the same design gives the same file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from asyncua import ua

from opcua_server.access.security import insecure
from opcua_server.address.board import type_of
from opcua_server.address.nodes import LIST, NAMESPACE, NS, Nodes, here, o, std
from opcua_server.server import PlantServer
from scenarios.orders import Order
from scenarios.schema import Scenario
from scenarios.session import Session
from twin.design.schema import Design, Title
from twin.tags import TagTable
from twin.version import VERSION

XML = "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"
TYPES = "http://opcfoundation.org/UA/2008/02/Types.xsd"
# The oldest edition of the standard that has all that is used; any later one will do.
STANDARD = {"ModelUri": "http://opcfoundation.org/UA/", "Version": "1.04", "PublicationDate": "2018-05-15T00:00:00Z"}
NOWHERE = "opc.tcp://127.0.0.1:0"
HIERARCHICAL = {std(n) for n in (o.Organizes, o.HasComponent, o.HasProperty, o.HasSubtype, o.HasNotifier)}
PARENTAL = {std(n) for n in (o.Organizes, o.HasComponent, o.HasProperty)}
ENCODINGS = {ua.Range: o.Range_Encoding_DefaultXml, ua.EUInformation: o.EUInformation_Encoding_DefaultXml, ua.Argument: o.Argument_Encoding_DefaultXml}  # fmt: skip
Ids = ua.AttributeIds


def nodeset(design: Design, languages: Sequence[str] = ("en", "zh")) -> str:
    """The namespace of a plant as XML. The same design gives the same text.

    Args:
        languages: of names and descriptions, in this order. Stacks that keep one text only take the first or the last.
    """
    first = design.recipes[0].grade
    orders = [Order(site="nobody", grade=first, volume_m3=1.0, start=60.0)]
    idle = Scenario(name="idle", title=Title(en="idle", zh="空闲"), starts=datetime(2026, 1, 1), lasts=3600.0, orders=orders)
    live = Session(idle, design, operator=False)
    try:
        server = PlantServer(live, NOWHERE, insecure(NOWHERE))
        return as_xml(server.nodes, _fixed(live.sim.plant.table), languages)
    finally:
        live.close()


def _fixed(table: TagTable) -> dict[ua.NodeId, ua.Variant]:
    """Values of the parameters: they never change during a run."""
    out = {}
    for tag, value in zip(table, table.values, strict=True):
        if tag.direction == "parameter":
            shown = bool(value) if tag.dtype == "bool" else int(value) if tag.dtype == "int" else float(value)
            out[here(tag.name)] = ua.Variant(shown, ua.VariantType(type_of(tag)))
    return out


def as_xml(nodes: Nodes, fixed: dict[ua.NodeId, ua.Variant], languages: Sequence[str]) -> str:
    """All nodes of our namespace as XML.

    Args:
        fixed: values of nodes whose value does not stand in the address space but never changes.
        languages: `en`, `zh` or both.
    """
    root = ET.Element("UANodeSet", {"xmlns": XML, "xmlns:uax": TYPES})
    ET.SubElement(ET.SubElement(root, "NamespaceUris"), "Uri").text = NAMESPACE
    described = ET.SubElement(ET.SubElement(root, "Models"), "Model", {"ModelUri": NAMESPACE, "Version": VERSION})
    ET.SubElement(described, "RequiredModel", STANDARD)
    aliases = ET.SubElement(root, "Aliases")
    used: set[int] = set()
    for node in nodes.texts:
        root.append(_node(nodes, node, fixed, languages, used))
    for number in sorted(used):
        ET.SubElement(aliases, "Alias", {"Alias": ua.ObjectIdNames[number]}).text = f"i={number}"
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


# --- nodes --------------------------------------------------------------------------------------------


def _node(nodes: Nodes, node: ua.NodeId, fixed: dict[ua.NodeId, ua.Variant], languages: Sequence[str], used: set[int]) -> ET.Element:
    """One node; `used` collects the numbers that need an alias."""
    data = nodes.space[node]

    def get(attribute: ua.AttributeIds, default: Any = None) -> Any:
        held = data.attributes.get(attribute)
        return held.value.Value.Value if held is not None and held.value is not None and held.value.Value is not None else default

    kind = nodes.node_class(node).name
    element = ET.Element(f"UA{kind}", {"NodeId": _id(node), "BrowseName": _name(get(Ids.BrowseName))})
    parents = [r.NodeId for r in data.references if not r.IsForward and r.ReferenceTypeId in PARENTAL]
    if parents and kind in ("Object", "Variable", "Method"):
        element.set("ParentNodeId", _id(parents[0]))
    if get(Ids.EventNotifier):
        element.set("EventNotifier", str(int(get(Ids.EventNotifier))))
    if kind == "Variable":
        _variable(element, get, used)
    for name, text in zip(("DisplayName", "Description"), nodes.texts[node], strict=True):
        for language in languages:
            ET.SubElement(element, name, {"Locale": language}).text = text._asdict()[language]
    references = ET.SubElement(element, "References")
    for reference in filter(_stands_here, data.references):
        made = ET.SubElement(references, "Reference", {"ReferenceType": _alias(reference.ReferenceTypeId, used)})
        made.text = _id(reference.NodeId)
        if not reference.IsForward:
            made.set("IsForward", "false")
    if kind == "Variable":
        variant = fixed.get(node)
        if variant is None and (node not in nodes.values or node in nodes.translated):
            held = data.attributes[Ids.Value].value
            variant = held.Value if held is not None else None
        if variant is not None and variant.Value is not None:
            ET.SubElement(element, "Value").append(_value(variant))
    return element


def _stands_here(reference: ua.ReferenceDescription) -> bool:
    """Of the two ends of a reference, the one at which it is written."""
    if reference.ReferenceTypeId in HIERARCHICAL:
        return not reference.IsForward or reference.NodeId.NamespaceIndex != NS
    return bool(reference.IsForward)


def _variable(element: ET.Element, get: Any, used: set[int]) -> None:
    """Attributes of a variable; what is the schema's default is left out."""
    element.set("DataType", _alias(get(Ids.DataType), used))
    if get(Ids.ValueRank) != -1:
        element.set("ValueRank", str(int(get(Ids.ValueRank))))
    if get(Ids.ArrayDimensions):
        element.set("ArrayDimensions", ",".join(map(str, get(Ids.ArrayDimensions))))
    if int(get(Ids.AccessLevel)) != 1:
        element.set("AccessLevel", str(int(get(Ids.AccessLevel))))
    if get(Ids.Historizing):
        element.set("Historizing", "true")


def _id(node: ua.NodeId) -> str:
    """A NodeId as the file counts namespaces: ours is its first."""
    return f"ns=1;s={node.Identifier}" if node.NamespaceIndex == NS else node.to_string()


def _name(name: ua.QualifiedName) -> str:
    return f"1:{name.Name}" if name.NamespaceIndex == NS else str(name.Name)


def _alias(node: ua.NodeId, used: set[int]) -> str:
    used.add(int(node.Identifier))
    return ua.ObjectIdNames[int(node.Identifier)]


# --- values (OPC 10000-6 5.3) -------------------------------------------------------------------------


def _value(variant: ua.Variant) -> ET.Element:
    name = variant.VariantType.name
    if not isinstance(variant.Value, list):
        return _single(f"uax:{name}", variant.Value)
    out = ET.Element(f"uax:ListOf{name}")
    out.extend(_single(f"uax:{name}", value) for value in variant.Value)
    return out


def _single(name: str, value: Any) -> ET.Element:
    out = ET.Element(name)
    if isinstance(value, ua.LocalizedText):
        out.extend(_fields({"Locale": value.Locale, "Text": value.Text}))
    elif type(value) in ENCODINGS:
        ET.SubElement(ET.SubElement(out, "uax:TypeId"), "uax:Identifier").text = f"i={ENCODINGS[type(value)]}"
        ET.SubElement(ET.SubElement(out, "uax:Body"), f"uax:{type(value).__name__}").extend(_structure(value))
    else:
        out.text = _scalar(value)
    return out


def _structure(value: Any) -> Iterator[ET.Element]:
    """Fields of the three structures that properties hold."""
    if isinstance(value, ua.Argument):
        data_type = ET.Element("uax:DataType")
        ET.SubElement(data_type, "uax:Identifier").text = value.DataType.to_string()
        dimensions = ET.Element("uax:ArrayDimensions")
        for length in value.ArrayDimensions or ([0] if value.ValueRank == LIST else []):
            ET.SubElement(dimensions, "uax:UInt32").text = str(length)
        yield from _fields({"Name": value.Name})
        yield data_type
        yield from _fields({"ValueRank": value.ValueRank})
        yield dimensions
        yield _single("uax:Description", value.Description)
    elif isinstance(value, ua.Range):
        yield from _fields({"Low": value.Low, "High": value.High})
    else:
        yield from _fields({"NamespaceUri": value.NamespaceUri, "UnitId": value.UnitId})
        yield _single("uax:DisplayName", value.DisplayName)
        yield _single("uax:Description", value.Description)


def _fields(values: dict[str, Any]) -> Iterator[ET.Element]:
    for name, value in values.items():
        out = ET.Element(f"uax:{name}")
        out.text = _scalar(value)
        yield out


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else ("INF" if value > 0 else "-INF") if math.isinf(value) else repr(float(value))
    return str(value)


__all__ = ["as_xml", "nodeset"]
