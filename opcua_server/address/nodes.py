"""The nodes of the server: the standard's own and ours, with texts in two languages and values that are computed when read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData

from opcua_server.address.space import fixed, held, lengths, new_space, pointing, shown
from opcua_server.address.texts import Text

NAMESPACE = "urn:batchtwin:plant"
APPLICATION_URI = "urn:batchtwin:server"
NS = 2  # index of our namespace: 0 is the standard's, 1 the server's own
READ, WRITE, HISTORY = 1, 2, 4  # bits of AccessLevel, OPC 10000-3 8.57

o, V, Ids = ua.ObjectIds, ua.VariantType, ua.AttributeIds
SCALAR, LIST = -1, 1  # ValueRank


def here(name: str) -> ua.NodeId:
    """NodeId of ours: the name as a string."""
    return ua.NodeId(name, NS)


@cache
def std(number: int) -> ua.NodeId:
    """NodeId of the standard."""
    return ua.NodeId(number)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a method. `type` is a built-in type number."""

    name: str
    type: int
    text: Text
    rank: int = SCALAR

    def encoded(self, locales: Sequence[str] = ()) -> ua.Argument:
        """As the standard's structure, with its text in the first of these locales that we speak."""
        return ua.Argument(
            Name=self.name,
            DataType=std(self.type),
            ValueRank=self.rank,
            ArrayDimensions=[],
            Description=self.text.localized(locales),
        )


class Nodes:
    """All nodes.

    Attributes:
        space: the library's store of nodes.
        values: functions that give the Value of a node when it is read, by NodeId; called with the session.
        translated: those of them whose value is a fixed one in the session's language; the node itself has it in English.
        texts: display name and description of our nodes.
    """

    def __init__(self) -> None:
        self.space = new_space()
        self.values: dict[ua.NodeId, Callable[[Any], ua.DataValue]] = {}
        self.translated: set[ua.NodeId] = set()
        self.texts: dict[ua.NodeId, tuple[Text, Text]] = {}
        self._ends: dict[tuple[ua.NodeId, int, bool], ua.ReferenceDescription] = {}

    # --- adding ---------------------------------------------------------------------------------------

    def add(self, node: ua.NodeId, name: str | ua.QualifiedName, kind: ua.NodeClass, attributes: dict[Any, AttributeValue], parent: ua.NodeId, reference: int,
            type_: ua.NodeId | None, text: Text, about: Text | None = None) -> ua.NodeId:  # fmt: skip
        """Add a node; `attributes` are those that not every node has. A plain name is one of our namespace."""
        if node in self.space:
            raise ValueError(f"there is a node {node.to_string()} already")
        about = about or text
        browse = ua.QualifiedName(name, node.NamespaceIndex) if isinstance(name, str) else name
        label = text.localized()
        data = NodeData(node)
        data.attributes = {
            Ids.NodeId: held(node, V.NodeId), Ids.BrowseName: held(browse, V.QualifiedName), Ids.NodeClass: fixed(kind, V.Int32),
            Ids.DisplayName: held(label, V.LocalizedText), Ids.Description: held(about.localized(), V.LocalizedText),
            Ids.WriteMask: fixed(0, V.UInt32), Ids.UserWriteMask: fixed(0, V.UInt32), **attributes,
        }  # fmt: skip
        data.references = [self._end(parent, reference, False)]
        if type_ is not None:
            data.references.append(self._end(type_, o.HasTypeDefinition, True))
        self.space[parent].references.append(
            ua.ReferenceDescription(std(reference), True, node, browse, label, kind, type_ or ua.ExpandedNodeId())
        )
        self.space[node] = data
        self.texts[node] = text, about
        return node

    def _end(self, target: ua.NodeId, reference: int, forward: bool) -> ua.ReferenceDescription:
        """A reference to a node, one for all that refer to it so: to their parent, to their type."""
        key = target, reference, forward
        if key not in self._ends:
            self._ends[key] = pointing(target, self.space[target], std(reference), forward)
        return self._ends[key]

    def object(self, name: str, parent: ua.NodeId, text: Text, type_: ua.NodeId | None = None, *, browse: str | ua.QualifiedName = "", reference: int = o.HasComponent,
               events: bool = False, about: Text | None = None) -> ua.NodeId:  # fmt: skip
        """An object; `events` makes it a notifier."""
        attributes = {Ids.EventNotifier: fixed(1 if events else 0, V.Byte)}
        return self.add(
            here(name), browse or name.rsplit(".", 1)[-1], ua.NodeClass.Object, attributes, parent, reference, type_ or std(o.BaseObjectType), text, about
        )  # fmt: skip

    def object_type(self, name: str, text: Text, parent: ua.NodeId | None = None) -> ua.NodeId:
        """A type of object."""
        attributes = {Ids.IsAbstract: fixed(True, V.Boolean)}
        return self.add(here(name), name, ua.NodeClass.ObjectType, attributes, parent or std(o.BaseObjectType), o.HasSubtype, None, text)

    def variable(self, name: str, parent: ua.NodeId, text: Text, type_: int, value: Any = None, *, browse: str | ua.QualifiedName = "", rank: int = SCALAR, access: int = READ,
                 definition: int = o.BaseDataVariableType, data_type: int = 0, reference: int = o.HasComponent, about: Text | None = None,
                 computed: Callable[[Any], Any] | None = None, historizing: bool = False, length: int = 0) -> ua.NodeId:  # fmt: skip
        """A variable with a fixed value, or one that `computed(session)` gives when it is read.

        Args:
            type_: built-in type number of the value.
            data_type: NodeId number of a structure or enumeration, when it is not the built-in type itself.
            length: of a list, 0 for any.
        """
        vtype, now = ua.VariantType(type_), datetime.now(UTC)
        variant = ua.Variant(value, vtype, is_array=rank == LIST) if value is not None else ua.Variant()
        attributes = {
            Ids.Value: AttributeValue(ua.DataValue(variant, SourceTimestamp=now, ServerTimestamp=now)), Ids.DataType: fixed(std(data_type or type_), V.NodeId),
            Ids.ValueRank: fixed(rank, V.Int32), Ids.ArrayDimensions: lengths((length,) if rank == LIST else ()), Ids.AccessLevel: fixed(access, V.Byte),
            Ids.UserAccessLevel: fixed(access, V.Byte), Ids.MinimumSamplingInterval: fixed(0.0, V.Double), Ids.Historizing: fixed(historizing, V.Boolean),
        }  # fmt: skip
        node = self.add(
            here(name),
            browse or name.rsplit(".", 1)[-1],
            ua.NodeClass.Variable,
            attributes,
            parent,
            reference,
            std(definition),
            text,
            about,
        )
        if computed is not None:
            self.compute(node, vtype, computed, rank == LIST)
        return node

    def property(self, name: str, parent: ua.NodeId, text: Text, type_: int, value: Any = None, **more: Any) -> ua.NodeId:
        """A property of a node."""
        return self.variable(name, parent, text, type_, value, definition=o.PropertyType, reference=o.HasProperty, **more)

    def compute(self, node: ua.NodeId, vtype: ua.VariantType, value: Callable[[Any], Any], array: bool = False) -> None:
        """Let a node's value be computed when it is read."""

        def read(session: Any) -> ua.DataValue:
            return ua.DataValue(ua.Variant(value(session), vtype, is_array=array))

        self.values[node] = read

    def translate(self, node: ua.NodeId, vtype: ua.VariantType, value: Callable[[Sequence[str]], Any], array: bool = False) -> None:
        """Let a fixed value with texts in it be read in the first of the session's locales that we speak."""
        self.compute(node, vtype, lambda session: value(session.locales if session is not None else ()), array)
        self.translated.add(node)

    def method(
        self, name: str, parent: ua.NodeId, text: Text, inputs: Sequence[Argument] = (), outputs: Sequence[Argument] = ()
    ) -> ua.NodeId:
        """A method with its arguments."""
        node = self.add(
            here(name),
            name.rsplit(".", 1)[-1],
            ua.NodeClass.Method,
            {Ids.Executable: fixed(True, V.Boolean), Ids.UserExecutable: fixed(True, V.Boolean)},
            parent,
            o.HasComponent,
            None,
            text,
        )
        for which, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            if arguments:
                label = Text("input arguments", "输入参数") if which == "InputArguments" else Text("output arguments", "输出参数")
                self.argument_list(node, f"{name}.{which}", which, label, arguments)
        return node

    def argument_list(self, method: ua.NodeId, name: str, which: str, text: Text, arguments: Sequence[Argument]) -> None:
        """The property that describes a method's arguments."""
        values = [a.encoded() for a in arguments]
        node = self.property(
            name,
            method,
            text,
            V.ExtensionObject.value,
            values,
            browse=ua.QualifiedName(which, 0),
            rank=LIST,
            data_type=o.Argument,
            length=len(values),
        )
        self.translate(node, V.ExtensionObject, lambda locales: [a.encoded(locales) for a in arguments], array=True)

    def refer(self, source: ua.NodeId, target: ua.NodeId, reference: int) -> None:
        """A reference between two nodes, both ways."""
        for a, b, forward in ((source, target, True), (target, source, False)):
            self.space[a].references.append(pointing(b, self.space[b], std(reference), forward))

    def mandatory(self, node: ua.NodeId) -> None:
        """Mark a node of a type as mandatory in its instances."""
        self.refer(node, std(o.ModellingRule_Mandatory), o.HasModellingRule)

    # --- looking --------------------------------------------------------------------------------------

    def node_class(self, node: ua.NodeId) -> ua.NodeClass:
        """Class of a node."""
        return ua.NodeClass(shown(self.space[node], Ids.NodeClass))

    def set_value(self, node: ua.NodeId, value: Any, vtype: ua.VariantType | None = None) -> None:
        """Give a node of the standard its value."""
        self.space[node].attributes[Ids.Value] = held(value, vtype)

    def is_subtype(self, node: ua.NodeId, ancestor: ua.NodeId) -> bool:
        """Is a type the other one or derived from it."""
        seen: set[ua.NodeId] = set()
        while node not in seen:
            if node == ancestor:
                return True
            seen.add(node)
            data = self.space.get(node)
            parents = [r.NodeId for r in data.references if not r.IsForward and r.ReferenceTypeId == std(o.HasSubtype)] if data else []
            if not parents:
                return False
            node = parents[0]
        return False

    def notifies(self, node: ua.NodeId) -> bool:
        """May a node be asked for events."""
        data = self.space.get(node)
        bits = data.attributes.get(ua.AttributeIds.EventNotifier) if data else None
        return bool(bits and bits.value and bits.value.Value and bits.value.Value.Value & 1)
