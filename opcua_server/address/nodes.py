"""The nodes of the server: the standard's own and ours, with texts in two languages and values that are computed when read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace, NodeManagementService
from asyncua.server.standard_address_space import standard_address_space

from opcua_server.address.texts import Text

NAMESPACE = "urn:batchtwin:plant"
APPLICATION_URI = "urn:batchtwin:server"
NS = 2  # index of our namespace: 0 is the standard's, 1 the server's own
READ, WRITE, HISTORY = 1, 2, 4  # bits of AccessLevel, OPC 10000-3 8.57

o = ua.ObjectIds
SCALAR, LIST = -1, 1  # ValueRank
PARTS = (ua.NodeId(o.HasComponent), ua.NodeId(o.HasOrderedComponent), ua.NodeId(o.HasProperty))


def here(name: str) -> ua.NodeId:
    """NodeId of ours: the name as a string."""
    return ua.NodeId(name, NS)


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
        self.space = AddressSpace()
        self._management = NodeManagementService(self.space)
        standard_address_space.fill_address_space(self._management)
        self.values: dict[ua.NodeId, Callable[[Any], ua.DataValue]] = {}
        self.translated: set[ua.NodeId] = set()
        self.texts: dict[ua.NodeId, tuple[Text, Text]] = {}
        for child, parent in (
            (o.BaseObjectType, o.ObjectTypesFolder),
            (o.BaseDataType, o.DataTypesFolder),
        ):  # the library's set lacks these
            self.refer(std(parent), std(child), o.Organizes)

    # --- adding ---------------------------------------------------------------------------------------

    def add(self, node: ua.NodeId, name: str | ua.QualifiedName, attributes: Any, parent: ua.NodeId, reference: int, type_: ua.NodeId | None, text: Text,
            about: Text | None = None) -> ua.NodeId:  # fmt: skip
        """Add a node; `attributes` is one of the library's attribute structures. A plain name is one of our namespace."""
        about = about or text
        item = ua.AddNodesItem()
        item.RequestedNewNodeId = node
        item.BrowseName = ua.QualifiedName(name, node.NamespaceIndex) if isinstance(name, str) else name
        item.ParentNodeId, item.ReferenceTypeId = parent, std(reference)
        item.NodeClass = {
            "Object": ua.NodeClass.Object, "Variable": ua.NodeClass.Variable, "Method": ua.NodeClass.Method, "ObjectType": ua.NodeClass.ObjectType,
        }[type(attributes).__name__.removesuffix("Attributes")]  # fmt: skip
        if type_ is not None:
            item.TypeDefinition = type_
        attributes.DisplayName, attributes.Description = text.localized(), about.localized()
        item.NodeAttributes = attributes
        (result,) = self._management.add_nodes([item])
        result.StatusCode.check()
        self.texts[node] = text, about
        return node

    def object(self, name: str, parent: ua.NodeId, text: Text, type_: ua.NodeId | None = None, *, browse: str | ua.QualifiedName = "", reference: int = o.HasComponent,
               events: bool = False, about: Text | None = None) -> ua.NodeId:  # fmt: skip
        """An object; `events` makes it a notifier."""
        attributes = ua.ObjectAttributes(EventNotifier=1 if events else 0)
        return self.add(
            here(name), browse or name.rsplit(".", 1)[-1], attributes, parent, reference, type_ or std(o.BaseObjectType), text, about
        )

    def object_type(self, name: str, text: Text, parent: ua.NodeId | None = None) -> ua.NodeId:
        """A type of object."""
        return self.add(here(name), name, ua.ObjectTypeAttributes(), parent or std(o.BaseObjectType), o.HasSubtype, None, text)

    def variable(self, name: str, parent: ua.NodeId, text: Text, type_: int, value: Any = None, *, browse: str | ua.QualifiedName = "", rank: int = SCALAR, access: int = READ,
                 definition: int = o.BaseDataVariableType, data_type: int = 0, reference: int = o.HasComponent, about: Text | None = None,
                 computed: Callable[[Any], Any] | None = None, historizing: bool = False) -> ua.NodeId:  # fmt: skip
        """A variable with a fixed value, or one that `computed(session)` gives when it is read.

        Args:
            type_: built-in type number of the value.
            data_type: NodeId number of a structure or enumeration, when it is not the built-in type itself.
        """
        vtype = ua.VariantType(type_)
        attributes = ua.VariableAttributes(
            Value=ua.Variant(value, vtype, is_array=rank == LIST) if value is not None else ua.Variant(), DataType=std(data_type or type_), ValueRank=rank,
            ArrayDimensions=[0] if rank == LIST else [], AccessLevel=access, UserAccessLevel=access, MinimumSamplingInterval=0.0, Historizing=historizing,
        )  # fmt: skip
        node = self.add(here(name), browse or name.rsplit(".", 1)[-1], attributes, parent, reference, std(definition), text, about)
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
            ua.MethodAttributes(Executable=True, UserExecutable=True),
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
        attributes = ua.VariableAttributes(
            Value=ua.Variant([a.encoded() for a in arguments], ua.VariantType.ExtensionObject), DataType=std(o.Argument), ValueRank=LIST,
            ArrayDimensions=[len(arguments)], AccessLevel=READ, UserAccessLevel=READ,
        )  # fmt: skip
        node = self.add(here(name), which, attributes, method, o.HasProperty, std(o.PropertyType), text)
        self.translate(node, ua.VariantType.ExtensionObject, lambda locales: [a.encoded(locales) for a in arguments], array=True)
        data = self.space[node].attributes[ua.AttributeIds.BrowseName]
        data.value = ua.DataValue(ua.Variant(ua.QualifiedName(which, 0), ua.VariantType.QualifiedName))
        for reference in self.space[method].references:
            if reference.NodeId == node:
                reference.BrowseName = ua.QualifiedName(which, 0)

    def refer(self, source: ua.NodeId, target: ua.NodeId, reference: int) -> None:
        """A reference between two nodes, both ways."""
        for a, b, forward in ((source, target, True), (target, source, False)):
            item = ua.AddReferencesItem()
            item.SourceNodeId, item.TargetNodeId, item.ReferenceTypeId, item.IsForward = a, b, std(reference), forward
            item.TargetNodeClass = self.node_class(b)
            (status,) = self._management.add_references([item])
            status.check()

    def mandatory(self, node: ua.NodeId) -> None:
        """Mark a node of a type as mandatory in its instances."""
        self.refer(node, std(o.ModellingRule_Mandatory), o.HasModellingRule)

    def drop(self, *nodes: ua.NodeId) -> None:
        """Take nodes of the standard's set away, with all that they consist of: what is not there need not be wondered about."""
        gone: set[ua.NodeId] = set()
        queue = [n for n in nodes if n in self.space]
        while queue:
            node = queue.pop()
            gone.add(node)
            queue += [r.NodeId for r in self.space[node].references
                      if r.IsForward and r.ReferenceTypeId in PARTS and r.NodeId in self.space and r.NodeId not in gone]  # fmt: skip
        for node in list(self.space.keys()):
            if node in gone:
                del self.space[node]
            else:
                references = self.space[node].references
                references[:] = [r for r in references if r.NodeId not in gone]

    # --- looking --------------------------------------------------------------------------------------

    def node_class(self, node: ua.NodeId) -> ua.NodeClass:
        """Class of a node."""
        value = self.space[node].attributes[ua.AttributeIds.NodeClass].value
        return ua.NodeClass(value.Value.Value)  # type: ignore[union-attr]

    def set_value(self, node: ua.NodeId, value: Any, vtype: ua.VariantType | None = None) -> None:
        """Give a node of the standard its value."""
        self.space[node].attributes[ua.AttributeIds.Value].value = ua.DataValue(ua.Variant(value, vtype))

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
