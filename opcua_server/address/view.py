"""Browsing (OPC 10000-4 5.9), with continuation points and names in the session's language."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from asyncua import ua

from opcua_server.address.nodes import Nodes, o, std
from opcua_server.protocol.limits import Limits
from opcua_server.protocol.sessions import Session

Code = ua.StatusCodes
Mask = ua.BrowseResultMask
NULL = ua.NodeId()


class Work:
    """How many references one request may still look at."""

    def __init__(self, limits: Limits) -> None:
        self._left = limits.browse_work

    def take(self, count: int) -> None:
        """Look at some more; refused when they are too many."""
        self._left -= count + 1
        if self._left < 0:
            raise ua.UaStatusCodeError(Code.BadTooManyOperations)


class View:
    """Answers Browse, BrowseNext and TranslateBrowsePaths."""

    def __init__(self, nodes: Nodes, limits: Limits) -> None:
        self.nodes, self._limits = nodes, limits
        self._kinds = lru_cache(maxsize=256)(self._subtypes)

    def begin(self) -> Work:
        """A new request has come."""
        return Work(self._limits)

    def browse(self, description: ua.BrowseDescription, most: int, session: Session, work: Work) -> ua.BrowseResult:
        """References of one node.

        Args:
            most: references in one answer, 0 for as many as the server allows.
        """
        data = self.nodes.space.get(description.NodeId)
        if data is None:
            return ua.BrowseResult(ua.StatusCode(Code.BadNodeIdUnknown))
        if description.BrowseDirection not in (ua.BrowseDirection.Forward, ua.BrowseDirection.Inverse, ua.BrowseDirection.Both):
            return ua.BrowseResult(ua.StatusCode(Code.BadBrowseDirectionInvalid))
        kind = description.ReferenceTypeId
        if kind != NULL and (kind not in self.nodes.space or self.nodes.node_class(kind) != ua.NodeClass.ReferenceType):
            return ua.BrowseResult(ua.StatusCode(Code.BadReferenceTypeIdInvalid))
        work.take(len(data.references))
        found = [r for r in data.references if self._wanted(r, description)]
        return self._part(found, description.ResultMask, most, session)

    def next(self, point: bytes, release: bool, session: Session) -> ua.BrowseResult:
        """The rest of an answer, or its release."""
        kept = session.points.pop(point or b"", None)
        if kept is None or kept[0] != "browse":
            return ua.BrowseResult(ua.StatusCode(Code.BadContinuationPointInvalid))
        _, found, mask, most = kept
        return ua.BrowseResult() if release else self._part(found, mask, most, session)

    def _part(self, found: list[ua.ReferenceDescription], mask: int, most: int, session: Session) -> ua.BrowseResult:
        limit = min(most or self._limits.browse_references, self._limits.browse_references)
        point = None
        if len(found) > limit:
            point = session.keep(("browse", found[limit:], mask, most), self._limits.continuation_points)
            if not point:
                return ua.BrowseResult(ua.StatusCode(Code.BadNoContinuationPoints))
        return ua.BrowseResult(ua.StatusCode(), point, [self._described(r, mask, session) for r in found[:limit]])

    def _wanted(self, r: ua.ReferenceDescription, d: ua.BrowseDescription) -> bool:
        if d.BrowseDirection != ua.BrowseDirection.Both and r.IsForward != (d.BrowseDirection == ua.BrowseDirection.Forward):
            return False
        if (
            d.ReferenceTypeId != NULL
            and r.ReferenceTypeId != d.ReferenceTypeId
            and not (d.IncludeSubtypes and r.ReferenceTypeId in self._kinds(d.ReferenceTypeId))
        ):
            return False
        return not d.NodeClassMask or bool(d.NodeClassMask & self._class(r).value)

    def _class(self, r: ua.ReferenceDescription) -> ua.NodeClass:
        node = ua.NodeId(r.NodeId.Identifier, r.NodeId.NamespaceIndex, r.NodeId.NodeIdType)
        return self.nodes.node_class(node) if node in self.nodes.space else ua.NodeClass(r.NodeClass)

    def _subtypes(self, kind: ua.NodeId) -> frozenset[ua.NodeId]:
        """A reference type with all that are derived from it."""
        out = {kind}
        queue = [kind]
        while queue:
            data = self.nodes.space.get(queue.pop())
            for r in data.references if data else ():
                if r.IsForward and r.ReferenceTypeId == std(o.HasSubtype) and r.NodeId not in out:
                    out.add(r.NodeId)
                    queue.append(r.NodeId)
        return frozenset(out)

    def _described(self, r: ua.ReferenceDescription, mask: int, session: Session) -> ua.ReferenceDescription:
        """A reference as the result mask asks for it."""
        node = ua.NodeId(r.NodeId.Identifier, r.NodeId.NamespaceIndex, r.NodeId.NodeIdType)
        data = self.nodes.space.get(node)
        out = ua.ReferenceDescription()
        out.NodeId = r.NodeId
        if mask & Mask.ReferenceTypeId.value:
            out.ReferenceTypeId = r.ReferenceTypeId
        if mask & Mask.IsForward.value:
            out.IsForward = r.IsForward
        node_class = self._class(r)
        if mask & Mask.NodeClass.value:
            out.NodeClass = node_class
        if mask & Mask.BrowseName.value:
            out.BrowseName = self._attribute(data, ua.AttributeIds.BrowseName, r.BrowseName)
        if mask & Mask.DisplayName.value:
            texts = self.nodes.texts.get(node)
            out.DisplayName = (
                texts[0].localized(session.locales) if texts else self._attribute(data, ua.AttributeIds.DisplayName, r.DisplayName)
            )
        if mask & Mask.TypeDefinition.value and node_class in (ua.NodeClass.Object, ua.NodeClass.Variable):
            out.TypeDefinition = next((x.NodeId for x in self._forward(data, o.HasTypeDefinition)), NULL)
        return out

    def _forward(self, data: Any, kind: int) -> Iterator[ua.ReferenceDescription]:
        return (x for x in (data.references if data else ()) if x.IsForward and x.ReferenceTypeId == std(kind))

    @staticmethod
    def _attribute(data: Any, attribute: ua.AttributeIds, other: Any) -> Any:
        held = data.attributes.get(attribute) if data else None
        return held.value.Value.Value if held and held.value and held.value.Value else other

    def translate(self, path: ua.BrowsePath, work: Work) -> ua.BrowsePathResult:
        """Nodes at the end of a path of browse names."""
        result = ua.BrowsePathResult()
        if path.StartingNode not in self.nodes.space:
            result.StatusCode = ua.StatusCode(Code.BadNodeIdUnknown)
            return result
        elements = path.RelativePath.Elements or []
        if not elements:
            result.StatusCode = ua.StatusCode(Code.BadNothingToDo)
            return result
        if elements[-1].TargetName is None or not elements[-1].TargetName.Name:
            result.StatusCode = ua.StatusCode(Code.BadBrowseNameInvalid)
            return result
        here = [path.StartingNode]
        for element in elements:
            here = list(dict.fromkeys(n for start in here for n in self._targets(start, element, work)))
        if not here:
            result.StatusCode = ua.StatusCode(Code.BadNoMatch)
            return result
        result.Targets = [ua.BrowsePathTarget(ua.ExpandedNodeId(n.Identifier, n.NamespaceIndex, n.NodeIdType), 0xFFFF_FFFF) for n in here]
        return result

    def _targets(self, start: ua.NodeId, element: ua.RelativePathElement, work: Work) -> Iterator[ua.NodeId]:
        data = self.nodes.space.get(start)
        kind = element.ReferenceTypeId
        work.take(len(data.references) if data else 0)
        for r in data.references if data else ():
            if r.IsForward == element.IsInverse:
                continue
            if kind != NULL and r.ReferenceTypeId != kind and not (element.IncludeSubtypes and r.ReferenceTypeId in self._kinds(kind)):
                continue
            node = ua.NodeId(r.NodeId.Identifier, r.NodeId.NamespaceIndex, r.NodeId.NodeIdType)
            if self._attribute(self.nodes.space.get(node), ua.AttributeIds.BrowseName, r.BrowseName) == element.TargetName:
                yield node
