"""The NodeSet2 file: two other stacks load it and see what our server shows."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from asyncua import Server, ua
from served import few_trucks

from opcua_server.access.security import insecure
from opcua_server.address.nodes import NAMESPACE, Nodes, here, o, std
from opcua_server.address.nodeset import TYPES, XML, nodeset
from opcua_server.server import PlantServer
from scenarios.session import Session
from twin.design.schema import Design

N, T = f"{{{XML}}}", f"{{{TYPES}}}"
PACKAGES = {"node-opcua-address-space": "2.160.0", "node-opcua-data-model": "2.158.0", "node-opcua-nodesets": "2.157.0"}
# Order of the elements and the attributes, from the schema of OPC 10000-6 Annex F.
ORDER = ("DisplayName", "Description", "References", "Value")
NODE = {"NodeId", "BrowseName"}
KNOWN = {"UAObject": NODE | {"ParentNodeId", "EventNotifier"}, "UAMethod": NODE | {"ParentNodeId"}, "UAObjectType": NODE,
         "UAVariable": NODE | {"ParentNodeId", "DataType", "ValueRank", "ArrayDimensions", "AccessLevel", "Historizing"}}  # fmt: skip
Ids = ua.AttributeIds


def small(design: str = "hzs180") -> Design:
    """A design with two of what there may be many of: what follows takes its time for each node."""
    return few_trucks(design, trucks=2, slots=2)


@cache
def text(design: str = "hzs180") -> str:
    return nodeset(small(design))


@cache
def root() -> ET.Element:
    return ET.fromstring(text())


@cache
def served() -> Nodes:
    """The nodes of the server itself."""
    live = Session("working-day", small())
    server = PlantServer(live, "opc.tcp://127.0.0.1:0", insecure("opc.tcp://127.0.0.1:0"))
    live.close()
    return server.nodes


def attribute(nodes: Nodes, node: ua.NodeId, which: ua.AttributeIds) -> Any:
    held = nodes.space[node].attributes.get(which)
    return None if held is None or held.value is None or held.value.Value is None else held.value.Value.Value


def parent(nodes: Nodes, node: ua.NodeId) -> ua.NodeId:
    """By which a node hangs in the tree."""
    ways = {std(n) for n in (o.HasComponent, o.HasProperty, o.Organizes, o.HasSubtype)}
    return next(r.NodeId for r in nodes.space[node].references if not r.IsForward and r.ReferenceTypeId in ways)


# --- the file ---------------------------------------------------------------------------------------------


def flat(root: ET.Element) -> list[tuple[str, dict[str, str], str]]:
    """Every element in its order, without the indentation."""
    return [(e.tag, e.attrib, (e.text or "").strip()) for e in root.iter()]


def test_the_same_design_gives_the_same_file_in_the_languages_that_are_chosen() -> None:
    only = flat(ET.fromstring(nodeset(small(), ("zh",))))
    assert only == [e for e in flat(root()) if e[0] not in (f"{N}DisplayName", f"{N}Description") or e[1]["Locale"] == "zh"]


def test_another_design_gives_another_file() -> None:
    assert 'NodeId="ns=1;s=Line2.Mixer.Run"' in text("twin-hzs240") and "Line2.Mixer.Run" not in text()


def test_the_file_keeps_to_the_schema() -> None:
    head = [e.tag.removeprefix(N) for e in root()][:3]
    assert head == ["NamespaceUris", "Models", "Aliases"]
    assert [e.text for e in root().iter(f"{N}Uri")] == [NAMESPACE]
    required = root().find(f"{N}Models/{N}Model/{N}RequiredModel")
    assert required is not None and required.get("ModelUri") == "http://opcfoundation.org/UA/"
    for node in list(root())[3:]:
        kind = node.tag.removeprefix(N)
        assert set(node.attrib) <= KNOWN[kind], node.attrib
        places = [ORDER.index(e.tag.removeprefix(N)) for e in node]
        assert places == sorted(places)
        assert places.count(2) == 1 and places.count(3) <= (kind == "UAVariable")
        assert all(len(value) == 1 for value in node.iter(f"{N}Value"))


def test_every_name_and_description_stands_in_both_languages() -> None:
    texts = served().texts
    for node in list(root())[3:]:
        label, about = texts[here(node.attrib["NodeId"].removeprefix("ns=1;s="))]
        assert [(e.get("Locale"), e.text or "") for e in node.findall(f"{N}DisplayName")] == [("en", label.en), ("zh", label.zh)]
        assert [(e.get("Locale"), e.text or "") for e in node.findall(f"{N}Description")] == [("en", about.en), ("zh", about.zh)]


def test_it_has_every_node_of_the_server_once_and_every_reference_once() -> None:
    nodes = served()
    ids = [node.attrib["NodeId"] for node in list(root())[3:]]
    everything = nodes.space.keys()
    assert Counter(ids) == Counter(f"ns=1;s={n.Identifier}" for n in everything if n.NamespaceIndex == 2)
    written: Counter[tuple[str | None, ...]] = Counter()
    for node in list(root())[3:]:
        for r in node.iter(f"{N}Reference"):
            ends = node.attrib["NodeId"], r.text
            written[(r.get("ReferenceType"), *(ends if r.get("IsForward") != "false" else ends[::-1]))] += 1
    assert set(written.values()) == {1}
    for n in nodes.texts:
        properties = [r.BrowseName.Name for r in nodes.space[n].references if r.IsForward and r.ReferenceTypeId == std(o.HasProperty)]
        assert len(properties) == len(set(properties)), n
    kept = {
        node.attrib["NodeId"] for node in root().iter(f"{N}UAVariable") if node.get("Historizing") == "true"
    }  # neither stack below takes it over
    assert kept == {f"ns=1;s={n.Identifier}" for n in nodes.texts if attribute(nodes, n, Ids.Historizing)}

    def name(node: ua.NodeId) -> str:
        return f"ns=1;s={node.Identifier}" if node.NamespaceIndex == 2 else node.to_string()

    wanted = {(ua.ObjectIdNames[r.ReferenceTypeId.Identifier], *((name(n), name(r.NodeId)) if r.IsForward else (name(r.NodeId), name(n))))
              for n in nodes.texts for r in nodes.space[n].references}  # fmt: skip
    assert set(written) == wanted


def test_only_what_never_changes_has_a_value() -> None:
    values = {node.attrib["NodeId"].removeprefix("ns=1;s="): node.find(f"{N}Value") for node in root().iter(f"{N}UAVariable")}
    assert values["Line1.Weigher.Cement.Gross"] is None and values["Time.State"] is None and values["Image.Sensors"] is None
    capacity = values["Line1.Weigher.Cement.Capacity"]
    table = Session("working-day", small()).sim.plant.table
    assert capacity is not None and float(capacity[0].text or "") == table.values[table.index("Line1.Weigher.Cement.Capacity")]
    parameters = [t for t in table if t.direction == "parameter"]
    assert all(values[t.name] is not None for t in parameters)
    names = values["Image.Sensors.Names"]
    assert names is not None and [e.text for e in names[0]] == [t.name for t in table if t.direction == "sensor"]


# --- other stacks -----------------------------------------------------------------------------------------


def test_asyncua_loads_it_and_sees_the_same(tmp_path: Path) -> None:
    file = tmp_path / "plant.xml"
    file.write_text(text(), encoding="utf-8")

    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)  # it warns of methods that instances share with their type

    async def load() -> tuple[Server, int]:
        other = Server()
        await other.init()
        added = await other.import_xml(file, strict_mode=True)
        assert len(added) == len(served().texts)
        return other, await other.get_namespace_index(NAMESPACE)

    other, index = asyncio.run(load())
    nodes = served()
    space = other.iserver.aspace

    def there(node: ua.NodeId) -> ua.NodeId:
        return ua.NodeId(node.Identifier, index) if node.NamespaceIndex == 2 else ua.NodeId(node.Identifier)

    for node in nodes.texts:
        mine, theirs = nodes.space[node], space[there(node)]
        for which in (Ids.NodeClass, Ids.DataType, Ids.ValueRank, Ids.AccessLevel, Ids.EventNotifier):
            held = theirs.attributes.get(which)
            assert (held and held.value.Value.Value) == attribute(nodes, node, which), (node, which)
        browse = theirs.attributes[Ids.BrowseName].value.Value.Value
        own = attribute(nodes, node, Ids.BrowseName)
        assert (browse.Name, browse.NamespaceIndex) == (own.Name, index if own.NamespaceIndex == 2 else 0)
        forward = {(r.ReferenceTypeId, r.NodeId) for r in theirs.references if r.IsForward}
        assert {(r.ReferenceTypeId, there(r.NodeId)) for r in mine.references if r.IsForward} <= forward
        fixed = mine.attributes.get(Ids.Value)
        if fixed is not None and node not in nodes.values and fixed.value.Value is not None and fixed.value.Value.Value is not None:
            assert theirs.attributes[Ids.Value].value.Value.Value == fixed.value.Value.Value, node


def node_opcua() -> Path:
    """The packages of node-opcua in a cache folder, installed once."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache_home / "batchtwin-npm" / "-".join(PACKAGES.values())
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
        subprocess.run(["npm", "install", "--prefix", str(folder), *flags, *wanted], check=True, capture_output=True, timeout=300)
        (folder / "done").touch()
    return folder / "node_modules"


@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="node is not installed")
def test_node_opcua_loads_it_and_sees_the_same(tmp_path: Path) -> None:
    file = tmp_path / "plant.xml"
    file.write_text(text(), encoding="utf-8")
    script = Path(__file__).with_name("load_nodeset.js")
    ran = subprocess.run(
        ["node", str(script), str(file)], env=os.environ | {"NODE_PATH": str(node_opcua())}, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    nodes, theirs = served(), seen["nodes"]
    assert set(theirs) == {n.Identifier for n in nodes.texts}

    def called(name: ua.QualifiedName) -> str:
        return f"{seen['index']}:{name.Name}" if name.NamespaceIndex == 2 else name.Name

    for node in nodes.texts:
        row = theirs[node.Identifier]
        assert row["class"] == nodes.node_class(node).name
        assert row["name"] == called(attribute(nodes, node, Ids.BrowseName))
        up = parent(nodes, node)
        assert (f"ns={seen['index']};s={up.Identifier}" if up.NamespaceIndex == 2 else f"ns=0;i={up.Identifier}") in row["parents"]
        definition = [r.NodeId for r in nodes.space[node].references if r.ReferenceTypeId == std(o.HasTypeDefinition) and r.IsForward]
        if definition:
            assert row["type"] == called(attribute(nodes, definition[0], Ids.BrowseName))
        if row["class"] == "Variable":
            assert row["dataType"] == f"ns=0;i={attribute(nodes, node, Ids.DataType).Identifier}"
            assert (row["rank"], row["access"]) == (attribute(nodes, node, Ids.ValueRank), attribute(nodes, node, Ids.AccessLevel))
    gross = "Line1.Weigher.Cement.Gross"
    assert theirs[f"{gross}/EURange"]["value"]["low"] == attribute(nodes, here(f"{gross}/EURange"), Ids.Value).Low
    assert theirs[f"{gross}/EngineeringUnits"]["value"]["unitId"] == 4933453  # KGM
    assert [v["text"] for v in theirs["Line1.Station.Mode/EnumStrings"]["value"]] == ["manual", "semi-automatic", "automatic"]
    assert theirs["Line1.Mixer.Run/TrueState"]["value"]["text"] == "on"
    assert (theirs["Time.Join"]["inputs"], theirs["Time.Join"]["outputs"]) == (["Name", "Period"], ["Controller", "Scan"])
    assert theirs["Plant.IOList"]["value"] == attribute(nodes, here("Plant.IOList"), Ids.Value)
    for kind, components in seen["instances"].items():  # what another stack makes of our types
        mandatory = [n.Identifier.removeprefix(f"{kind}.") for n in nodes.texts if parent(nodes, n) == here(kind)]
        assert components == sorted(mandatory)
