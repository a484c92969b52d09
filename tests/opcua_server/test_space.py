"""The store of nodes: the standard's are as the library has them, and what changes in one server does not change in another."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua
from asyncua.server.address_space import AddressSpace, NodeManagementService
from asyncua.server.standard_address_space import standard_address_space

from opcua_server.address.nodes import Nodes, here, o, std
from opcua_server.address.space import ABSENT, LACKING, new_space
from opcua_server.address.texts import Text

TEXT = Text("a", "甲")
NEW = {(std(a), std(b)) for pair in LACKING for a, b in (pair, pair[::-1])}


def plain(value: Any) -> Any:
    """A value with its types; the library does not say of the lists of its set that they are lists."""
    if isinstance(value, ua.DataValue):
        return plain(value.Value)
    if isinstance(value, ua.Variant):
        return repr(value.Value), value.VariantType, value.Dimensions
    return repr(value)


def test_the_nodes_of_the_standard_are_those_of_the_library() -> None:
    theirs, ours = AddressSpace(), new_space()
    standard_address_space.fill_address_space(NodeManagementService(theirs))
    gone = theirs.keys() - ours.keys()
    assert ours.keys() <= theirs.keys() and gone >= {std(getattr(o, n)) for n in ABSENT} & theirs.keys()
    names = list(ours.keys())
    assert [n for n in list(theirs.keys()) if n in ours] == names
    for node in names:
        a, b = ours[node], theirs[node]
        assert {k: plain(v.value) for k, v in a.attributes.items()} == {k: plain(v.value) for k, v in b.attributes.items()}, node
        kept = [r for r in b.references if r.NodeId not in gone]
        assert [repr(r) for r in a.references[: len(kept)]] == [repr(r) for r in kept], node
        assert {(node, r.NodeId) for r in a.references[len(kept) :]} <= NEW


def test_what_changes_in_one_server_stays_as_it_was_in_the_next() -> None:
    before = new_space()
    nodes = Nodes()
    nodes.object("Plant", std(o.ObjectsFolder), TEXT)
    nodes.refer(std(o.Server), here("Plant"), o.HasNotifier)
    nodes.set_value(std(o.Server_ServiceLevel), 7, ua.VariantType.Byte)
    after = new_space()
    assert here("Plant") not in after
    for node in (std(o.ObjectsFolder), std(o.Server), std(o.Server_ServiceLevel), std(o.BaseObjectType)):
        assert after[node].references == before[node].references != []
        shown = [{k: plain(v.value) for k, v in space[node].attributes.items()} for space in (before, after)]
        assert shown[0] == shown[1]
    assert len(nodes.space[std(o.Server)].references) == len(after[std(o.Server)].references) + 1


def test_a_node_is_added_once_and_below_one_that_is_there() -> None:
    nodes = Nodes()
    nodes.object("Plant", std(o.ObjectsFolder), TEXT)
    with pytest.raises(ValueError, match="a node ns=2;s=Plant already"):
        nodes.object("Plant", std(o.ObjectsFolder), TEXT)
    with pytest.raises(KeyError):
        nodes.object("Line1", here("Factory"), TEXT)
    assert here("Line1") not in nodes.space
