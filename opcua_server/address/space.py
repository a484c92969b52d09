"""The library's store of nodes, filled without its NodeManagementService: that checks each node as if a stranger had sent it, which took most of a server's start.

What is shared here by nodes and servers is never changed in place: a node that changes gets an attribute or a reference of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData
from asyncua.server.standard_address_space import standard_address_space

o, V, Ids = ua.ObjectIds, ua.VariantType, ua.AttributeIds
TYPED = ua.NodeId(o.HasTypeDefinition)
NOWHERE = ua.ExpandedNodeId()
PARTS = (ua.NodeId(o.HasComponent), ua.NodeId(o.HasOrderedComponent), ua.NodeId(o.HasProperty))
# Optional parts of the Server object that say nothing here: what is not there need not be wondered about.
ABSENT = (
    "Server_UrisVersion", "Server_EstimatedReturnTime", "Server_LocalTime", "ServerLog", "Resources", "PublishSubscribe", "ServerConfiguration",
    "DefaultHAConfiguration", "DefaultHEConfiguration", "Server_ServerRedundancy_RedundantServerArray", "Server_ServerCapabilities_RoleSet",
    "Server_ServerDiagnostics_SamplingIntervalDiagnosticsArray", "Server_ServerCapabilities_SoftwareCertificates", "Server_ServerCapabilities_ConformanceUnits",
    "OPCUANamespaceMetadata_StaticStringNodeIdPattern", "OPCUANamespaceMetadata_DefaultRolePermissions", "OPCUANamespaceMetadata_DefaultUserRolePermissions",
    "OPCUANamespaceMetadata_DefaultAccessRestrictions",
)  # fmt: skip
LACKING = ((o.BaseObjectType, o.ObjectTypesFolder), (o.BaseDataType, o.DataTypesFolder))  # the library's set lacks these
TYPES = {
    "AccessLevel": V.Byte, "ContainsNoLoops": V.Boolean, "DataType": V.NodeId, "Description": V.LocalizedText, "DisplayName": V.LocalizedText,
    "EventNotifier": V.Byte, "Executable": V.Boolean, "Historizing": V.Boolean, "InverseName": V.LocalizedText, "IsAbstract": V.Boolean,
    "MinimumSamplingInterval": V.Double, "Symmetric": V.Boolean, "UserAccessLevel": V.Byte, "UserExecutable": V.Boolean, "ValueRank": V.Int32,
    "WriteMask": V.UInt32, "UserWriteMask": V.UInt32,
}  # fmt: skip


def new_space() -> AddressSpace:
    """A store with the standard's nodes."""
    space = AddressSpace()
    for node, data in _standard().items():
        own = NodeData(node)
        own.attributes, own.references = data.attributes.copy(), data.references.copy()
        space[node] = own
    return space


@cache
def _standard() -> dict[ua.NodeId, NodeData]:
    """The standard's nodes, made once in a process."""
    made = _Filling()
    standard_address_space.fill_address_space(made)
    nodes = made.nodes
    for child, parent in LACKING:
        for a, b, forward in ((parent, child, True), (child, parent, False)):
            assert not list(
                made.try_add_references([ua.AddReferencesItem(ua.NodeId(a), ua.NodeId(o.Organizes), forward, TargetNodeId=ua.NodeId(b))])
            )
    gone: set[ua.NodeId] = set()
    queue = [n for n in (ua.NodeId(getattr(o, name)) for name in ABSENT) if n in nodes]
    while queue:  # with all that they consist of
        node = queue.pop()
        gone.add(node)
        queue += [
            r.NodeId
            for r in nodes[node].references
            if r.IsForward and r.ReferenceTypeId in PARTS and r.NodeId in nodes and r.NodeId not in gone
        ]
    kept = {node: data for node, data in nodes.items() if node not in gone}
    for data in kept.values():
        data.references = [r for r in data.references if r.NodeId not in gone]
    return kept


class _Filling:
    """Takes what the library's generated code adds; what belongs to a node that is not there yet is handed back, and comes again."""

    def __init__(self) -> None:
        self.nodes: dict[ua.NodeId, NodeData] = {}
        self._known: set[tuple[ua.NodeId, ua.NodeId, ua.NodeId]] = set()

    def try_add_nodes(self, items: list[ua.AddNodesItem], check: bool) -> Iterator[ua.AddNodesItem]:
        for item in items:
            parent, kind = self.nodes.get(item.ParentNodeId), None if item.TypeDefinition.is_null() else item.TypeDefinition
            if (parent is None and not item.ParentNodeId.is_null()) or (kind is not None and kind not in self.nodes):
                yield item
                continue
            node, given = item.RequestedNewNodeId, item.NodeAttributes
            data = self.nodes[node] = NodeData(node)
            data.attributes = {
                Ids.NodeId: held(node, V.NodeId), Ids.BrowseName: held(item.BrowseName, V.QualifiedName), Ids.NodeClass: fixed(item.NodeClass, V.Int32),
                **{which: _attribute(name, getattr(given, name)) for name, which in _names(given.SpecifiedAttributes)},
            }  # fmt: skip
            if parent is not None:
                there = ua.ReferenceDescription(
                    item.ReferenceTypeId, True, node, item.BrowseName, given.DisplayName, item.NodeClass, item.TypeDefinition
                )
                self._refer(item.ParentNodeId, there)
                self._refer(node, pointing(item.ParentNodeId, parent, item.ReferenceTypeId, False))
            if kind is not None:
                self._refer(node, pointing(kind, self.nodes[kind], TYPED, True))

    def try_add_references(self, items: list[ua.AddReferencesItem]) -> Iterator[ua.AddReferencesItem]:
        for item in items:
            if item.SourceNodeId in self.nodes and item.TargetNodeId in self.nodes:
                target = self.nodes[item.TargetNodeId]
                self._refer(item.SourceNodeId, pointing(item.TargetNodeId, target, item.ReferenceTypeId, item.IsForward))
            else:
                yield item

    def _refer(self, source: ua.NodeId, there: ua.ReferenceDescription) -> None:
        key = source, there.ReferenceTypeId, there.NodeId
        if key not in self._known:
            self._known.add(key)
            self.nodes[source].references.append(there)


@cache
def _names(specified: int) -> list[tuple[str, ua.AttributeIds]]:
    """Attributes of a kind of node, by the mask of those that it has."""
    names = [*TYPES, "ArrayDimensions", "DataTypeDefinition", "Value"]
    return [(name, Ids[name]) for name in names if specified & getattr(ua.NodeAttributesMask, name)]


def _attribute(name: str, value: Any) -> AttributeValue:
    if name in TYPES:
        return held(value, TYPES[name]) if isinstance(value, ua.LocalizedText) else fixed(value, TYPES[name])
    if name == "ArrayDimensions":
        return lengths(None if value is None else tuple(value))
    if name == "DataTypeDefinition":
        return held(value, V.ExtensionObject) if isinstance(value, ua.DataTypeDefinition) else fixed(None, V.Null)
    return AttributeValue(ua.DataValue(ua.Variant(value, is_array=False)))  # as the library has it, for lists too


def pointing(node: ua.NodeId, data: NodeData, kind: ua.NodeId, forward: bool) -> ua.ReferenceDescription:
    """A reference to a node, as it stands at the other end."""
    node_class = shown(data, Ids.NodeClass)
    defined = NOWHERE
    if node_class in (ua.NodeClass.Object, ua.NodeClass.Variable):
        defined = next((r.NodeId for r in data.references if r.IsForward and r.ReferenceTypeId == TYPED), NOWHERE)
    return ua.ReferenceDescription(kind, forward, node, shown(data, Ids.BrowseName), shown(data, Ids.DisplayName), node_class, defined)


def shown(data: NodeData, attribute: ua.AttributeIds) -> Any:
    """Value of an attribute that the node has."""
    return data.attributes[attribute].value.Value.Value  # type: ignore[union-attr]


@lru_cache(maxsize=None, typed=True)  # NodeClass.Object is 1, too
def fixed(value: Any, vtype: ua.VariantType) -> AttributeValue:
    """An attribute that many nodes have, with the same value."""
    return held(value, vtype)


@cache
def lengths(of: tuple[int, ...] | None) -> AttributeValue:
    """ArrayDimensions."""
    return AttributeValue(ua.DataValue(ua.Variant(None if of is None else list(of), V.UInt32, is_array=True)))


def held(value: Any, vtype: ua.VariantType | None) -> AttributeValue:
    """An attribute of one node."""
    return AttributeValue(ua.DataValue(ua.Variant(value, vtype)))
