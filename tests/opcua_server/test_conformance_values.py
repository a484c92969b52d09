"""The plant as clients see it: its nodes, what they say of themselves, and that they show and take values as they ought to."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from asyncua import ua
from served import here, item, name_of, std

from opcua_server.address import words
from opcua_server.address.nodes import NS
from twin.design.load import load_design, packaged
from twin.plant import Plant

A, V = ua.AttributeIds, ua.VariantType
GROSS, MOISTURE, DOOR, MODE = "Line1.Weigher.Cement.Gross", "Line1.Bin.Sand1.LabMoisture", "Line1.Mixer.Door", "Line1.Station.Mode"
ORDER, START = "Line1.Bay.Order", "Line1.Station.Start"
KINDS = {"bool": (V.Boolean, "TwoStateDiscreteType"), "int": (V.Int32, "AnalogItemType"), "code": (V.UInt32, "MultiStateDiscreteType"), "float": (V.Double, "AnalogItemType")}  # fmt: skip


def kind_of(tag):
    return KINDS["code" if tag.states else tag.dtype]


async def references(peer, *nodes, direction=ua.BrowseDirection.Forward, kind="References", classes=0):
    """References of nodes, a list each."""
    asked = [ua.BrowseDescription(n, direction, std(kind), True, classes, 63) for n in nodes]
    out = []
    for k in range(0, len(asked), 2000):
        answer = await peer.send("Browse", NodesToBrowse=asked[k : k + 2000])
        assert {name_of(r.StatusCode) for r in answer.Results} == {"Good"} and not any(r.ContinuationPoint for r in answer.Results)
        out += [r.References or [] for r in answer.Results]
    return out


def target(reference):
    return ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex)


async def below(peer, start):
    """Every node below one, with the reference by which it was found first."""
    found, queue = {}, [start]
    while queue:
        level, queue = queue, []
        for rows in await references(peer, *level, kind="HierarchicalReferences"):
            for r in rows:
                if target(r) not in found and r.NodeId.NamespaceIndex == NS:
                    found[target(r)] = r
                    queue.append(target(r))
    return found


async def attributes(peer, nodes, attribute):
    asked = [ua.ReadValueId(n, attribute) for n in nodes]
    results = (await peer.send("Read", NodesToRead=asked)).Results
    assert {name_of(r.StatusCode) for r in results} == {"Good"}
    return [r.Value.Value for r in results]


# --- the address space ------------------------------------------------------------------------------------


async def test_each_tag_is_a_node_of_its_name_that_says_what_it_is(plant, loop):
    table = plant.live.sim.plant.table
    async with plant.client() as peer:
        found = await below(peer, here("Plant"))
        nodes = [here(tag.name) for tag in table]
        assert set(nodes) <= found.keys()
        assert [found[n].TypeDefinition for n in nodes] == [std(kind_of(t)[1]) for t in table]
        assert await attributes(peer, nodes, A.DataType) == [ua.NodeId(kind_of(t)[0].value) for t in table]
        assert set(await attributes(peer, nodes, A.ValueRank)) == {-1}
        assert set(await attributes(peer, nodes, A.NodeClass)) == {2}
        writable = [t.direction in ("actuator", "setpoint", "status") for t in table]
        assert [bool(a & 2) for a in await attributes(peer, nodes, A.AccessLevel)] == writable
        assert all(a & 1 for a in await attributes(peer, nodes, A.AccessLevel))
        assert [q.Name for q in await attributes(peer, nodes, A.BrowseName)] == [
            t.name.removeprefix(next(e.name for e in table.equipment if e.first <= i < e.first + e.count) + ".") for i, t in enumerate(table)]  # fmt: skip


async def test_analog_tags_have_range_and_unit(plant, loop):
    tags = [t for t in plant.live.sim.plant.table if t.dtype != "bool" and not t.states]
    async with plant.client() as peer:
        paths = [here(f"{t.name}/{which}") for t in tags for which in ("EURange", "EngineeringUnits")]
        values = await attributes(peer, paths, A.Value)
        assert [x for r in values[::2] for x in (r.Low, r.High)] == pytest.approx([x for t in tags for x in (t.low, t.high)], rel=1e-12)
        assert max(len(repr(x)) for r in values[::2] for x in (r.Low, r.High)) <= 13  # not 1980.0000000000002
        assert {(t.unit or "-", u.DisplayName.Text) for t, u in zip(tags, values[1::2], strict=True)} >= {
            ("kg", "kg"),
            ("%", "%"),
            ("count", "1"),
            ("°C", "°C"),
        }
        kilogram = next(u for t, u in zip(tags, values[1::2], strict=True) if t.unit == "kg")
        assert (kilogram.NamespaceUri, kilogram.UnitId) == (
            "http://www.opcfoundation.org/UA/units/un/cefact",
            4933453,
        )  # KGM, OPC 10000-8 5.6.3


async def test_coded_tags_have_the_names_of_their_codes(plant, loop):
    tags = [t for t in plant.live.sim.plant.table if t.states]
    async with plant.client() as peer:
        names = await attributes(peer, [here(f"{t.name}/EnumStrings") for t in tags], A.Value)
        assert [[n.Text for n in some] for some in names] == [list(t.states) for t in tags]
        answer = await translated(peer, std("ObjectsFolder"), "Plant", "Line1", "Station", "Mode", (0, "EnumStrings"))
        assert target_of(answer) == here(f"{MODE}/EnumStrings")  # the standard's property, by the standard's name


async def test_everything_has_a_type_and_a_way_back(plant, loop):
    async with plant.client() as peer:
        found = await below(peer, here("Plant"))
        rows = await references(peer, *found, direction=ua.BrowseDirection.Both)
        for node, references_ in zip(found, rows, strict=True):
            kinds = [target(r) for r in references_ if r.IsForward and r.ReferenceTypeId == std("HasTypeDefinition")]
            assert (node, len(kinds)) == (node, 1 if found[node].NodeClass != ua.NodeClass.Method else 0)
            assert all(k in plant.server.nodes.space for k in kinds)
            keys = [(target(r), r.ReferenceTypeId, r.IsForward) for r in references_]
            assert (node, len(set(keys))) == (node, len(keys))  # none twice
            assert all(k in plant.server.nodes.space for k, _, _ in keys)
            for other, kind, forward in keys:
                if other.NamespaceIndex == NS and kind != std("HasTypeDefinition"):  # a type does not list what is of it
                    back = [(target(r), r.ReferenceTypeId) for r in plant.server.nodes.space[other].references if r.IsForward != forward]
                    assert (node, other, (node, kind) in back) == (node, other, True)


async def test_machines_are_of_the_type_of_their_kind(plant, loop):
    async with plant.client() as peer:
        for machine in plant.live.sim.plant.table.equipment:
            (rows,) = await references(peer, here(machine.name), kind="HasTypeDefinition")
            assert [r.BrowseName.Name for r in rows] == ["".join(p.capitalize() for p in machine.kind.split("_")) + "Type"]
        mandatory = await references(peer, here("WeigherType.Gross"), kind="HasModellingRule")
        assert [target(r) for r in mandatory[0]] == [std("ModellingRule_Mandatory")]


async def translated(peer, start, *names):
    elements = [ua.RelativePathElement(std("HierarchicalReferences"), False, True, ua.QualifiedName(n, NS) if isinstance(n, str) else ua.QualifiedName(n[1], n[0]))
                for n in names]  # fmt: skip
    answer = await peer.send("TranslateBrowsePathsToNodeIds", BrowsePaths=[ua.BrowsePath(start, ua.RelativePath(elements))])
    return answer.Results[0]


def target_of(result):
    (found,) = result.Targets
    assert found.RemainingPathIndex == 0xFFFF_FFFF
    return target(ua.ReferenceDescription(NodeId=found.TargetId))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("Plant", "Line1", "Weigher", "Cement", "Gross"), GROSS), (("Plant",), "Plant"), (("Plant", "Image", "Sensors"), "Image.Sensors"),
        (("Plant", "Line1", "Weigher", "Cement", "Nett"), "BadNoMatch"), (("Line1",), "BadNoMatch"), (((0, "Plant"),), "BadNoMatch"),
        ((), "BadNothingToDo"), (("Plant", ""), "BadBrowseNameInvalid"),
    ],
    ids=str,
)  # fmt: skip
async def test_browse_paths_lead_to_nodes(plant, loop, names, expected):
    async with plant.client() as peer:
        result = await translated(peer, std("ObjectsFolder"), *names)
        assert (name_of(result.StatusCode) if expected.startswith("Bad") else target_of(result)) == (
            expected if expected.startswith("Bad") else here(expected)
        )
        assert name_of((await translated(peer, here("Nowhere"), "Plant")).StatusCode) == "BadNodeIdUnknown"


BROWSES = [
    ("unknown node", {"NodeId": here("Nowhere")}, "BadNodeIdUnknown"), ("no reference type", {"ReferenceTypeId": here("Plant")}, "BadReferenceTypeIdInvalid"),
    ("unknown reference type", {"ReferenceTypeId": ua.NodeId(999_999)}, "BadReferenceTypeIdInvalid"), ("wrong direction", {"BrowseDirection": 7}, "BadBrowseDirectionInvalid"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code"), [pytest.param(*row[1:], id=row[0]) for row in BROWSES])
async def test_a_wrong_browse_is_refused(plant, loop, change, code):
    async with plant.client() as peer:
        description = ua.BrowseDescription(here("Plant"), ua.BrowseDirection.Forward, ua.NodeId(), True, 0, 63)
        for name, value in change.items():
            setattr(description, name, value)
        answer = await peer.send("Browse", NodesToBrowse=[description])
        assert name_of(answer.Results[0].StatusCode) == code


async def test_browsing_obeys_direction_type_class_and_mask(plant, loop):
    async with plant.client() as peer:
        (up,) = await references(peer, here(GROSS), direction=ua.BrowseDirection.Inverse, kind="HierarchicalReferences")
        assert [target(r) for r in up] == [here("Line1.Weigher.Cement")] and not up[0].IsForward
        (properties,) = await references(peer, here(GROSS), kind="HasProperty")
        assert {"EURange", "EngineeringUnits"} <= {r.BrowseName.Name for r in properties}
        (methods,) = await references(peer, here("Time"), classes=ua.NodeClass.Method.value)
        assert {"Start", "Step", "Next"} <= {r.BrowseName.Name for r in methods} and {r.NodeClass for r in methods} == {ua.NodeClass.Method}
        bare = ua.BrowseDescription(here("Plant"), ua.BrowseDirection.Forward, ua.NodeId(), True, 0, 0)
        rows = (await peer.send("Browse", NodesToBrowse=[bare])).Results[0].References
        assert {(r.BrowseName.Name, r.DisplayName.Text, r.ReferenceTypeId, r.TypeDefinition) for r in rows} == {
            (None, None, ua.NodeId(), ua.NodeId())
        }
        exact = ua.BrowseDescription(here("Plant"), ua.BrowseDirection.Forward, std("HierarchicalReferences"), False, 0, 63)
        assert not (await peer.send("Browse", NodesToBrowse=[exact])).Results[0].References  # subtypes not wanted


@pytest.mark.parametrize(
    ("locales", "text"), [(("zh-CN", "en"), "显示毛重"), (("zh",), "显示毛重"), (("en-GB",), "gross mass shown"), (("fr", "zh"), "显示毛重"), (("fr",), "gross mass shown"), ((), "gross mass shown")]
)  # fmt: skip
async def test_texts_come_in_the_language_of_the_session(plant, loop, locales, text):
    async with plant.client(locales=locales) as peer:
        description = await peer.read(GROSS, A.Description)
        assert (description.Text, description.Locale) == (text, "zh" if text == "显示毛重" else "en")
        (rows,) = await references(peer, here("Plant"), kind="HierarchicalReferences")
        zh = text == "显示毛重"
        assert ("时间" if zh else "Time") in {r.DisplayName.Text for r in rows}
        assert (await peer.read("Line1.Weigher.Cement", A.DisplayName)).Text == ("水泥" if zh else "Cement")
        states = await peer.read(f"{MODE}/EnumStrings")
        assert [(s.Text, s.Locale) for s in states][0] == (("手动", "zh") if zh else ("manual", "en"))
        assert (await peer.read(f"{START}/TrueState")).Text == ("是" if zh else "on")
        assert (await peer.read(f"{START}/FalseState")).Text == ("否" if zh else "off")
        unit = await peer.read(f"{GROSS}/EngineeringUnits")
        assert (unit.DisplayName.Text, unit.DisplayName.Locale, unit.Description.Text) == (
            "kg",
            description.Locale,
            "千克" if zh else "kilogram",
        )
        (argument,) = await peer.read("Time.Step.InputArguments")
        assert argument.Description.Text == ("扫描次数" if zh else "number of scans")
        assert (await peer.read(GROSS, A.BrowseName)).Name == "Gross"  # names are not translated


@pytest.mark.parametrize("design", sorted(packaged("twin.design.catalogue")))
def test_every_word_that_a_plant_shows_has_a_chinese_one(design):
    table = Plant(load_design(design)).table
    assert {s for t in table for s in t.states} <= words.STATES.keys()
    untranslated = {e.short: words.machine(e.short).zh for e in table.equipment if re.search("[A-Za-z]", words.machine(e.short).zh)}
    assert not untranslated
    assert words.machine("Sand1") == ("Sand1", "砂1") and words.machine("XyzSand") == ("XyzSand", "XyzSand")


async def test_the_list_of_tags_is_complete(plant, loop):
    table = plant.live.sim.plant.table
    async with plant.client() as peer:
        listing = json.loads(await peer.read("Plant.IOList"))
    assert [t["name"] for t in listing["tags"]] == [t.name for t in table]
    expected = [asdict(t) | {"states": list(t.states), "broken": t.broken if math.isfinite(t.broken) else None} for t in table]
    assert listing["tags"] == expected
    assert listing["equipment"] == [asdict(e) for e in table.equipment]
    assert listing["values"] == table.values
    assert listing["species"] == {n: m.species for n, m in plant.live.sim.design.materials.items()}


ATTRIBUTES = {
    GROSS: {A.NodeId, A.NodeClass, A.BrowseName, A.DisplayName, A.Description, A.WriteMask, A.UserWriteMask, A.Value, A.DataType, A.ValueRank, A.AccessLevel,
            A.UserAccessLevel, A.MinimumSamplingInterval, A.Historizing, A.ArrayDimensions},
    "Time": {A.NodeId, A.NodeClass, A.BrowseName, A.DisplayName, A.Description, A.WriteMask, A.UserWriteMask, A.EventNotifier},
    "Time.Step": {A.NodeId, A.NodeClass, A.BrowseName, A.DisplayName, A.Description, A.WriteMask, A.UserWriteMask, A.Executable, A.UserExecutable},
    "WeigherType": {A.NodeId, A.NodeClass, A.BrowseName, A.DisplayName, A.Description, A.WriteMask, A.UserWriteMask, A.IsAbstract},
}  # fmt: skip


@pytest.mark.parametrize("node", ATTRIBUTES)
async def test_a_node_has_the_attributes_of_its_class_and_no_others(plant, loop, node):
    async with plant.client() as peer:
        found = {a for a in range(30) if not (await peer.value(node, a)).StatusCode.is_bad()}
        assert found - {A.ArrayDimensions} == ATTRIBUTES[node] - {A.ArrayDimensions}
        for wrong in (0, 28, 99, 2**32 - 1):
            assert await peer.read(node, wrong) == "BadAttributeIdInvalid"
            assert await peer.write(node, 1, attribute=wrong) == "BadAttributeIdInvalid"


# --- values -----------------------------------------------------------------------------------------------


async def test_source_time_is_simulated_and_server_time_is_the_walls(plant, loop):
    async with plant.client() as peer:
        await peer.call("Time.Step", 25)
        for node in (GROSS, START, MODE, "Time.Scan"):
            got = await peer.value(node)
            assert got.SourceTimestamp == datetime(2026, 5, 11, 6, 0, 2, 500_000, UTC)
            assert abs(got.ServerTimestamp - datetime.now(UTC)) < timedelta(seconds=10)
        assert (await peer.value("Time.Simulated")).Value.Value == datetime(2026, 5, 11, 6, 0, 2, 500_000, UTC)


@pytest.mark.parametrize(("which", "source", "server"), [(0, True, False), (1, False, True), (2, True, True), (3, False, False)])
async def test_the_timestamps_that_were_asked_for_come(plant, loop, which, source, server):
    async with plant.client() as peer:
        asked = [ua.ReadValueId(here(n), A.Value) for n in (GROSS, START, ORDER, MODE, "Time.Scan", "Image.Sensors")]
        for nodes in (asked[:4], asked[:4], asked):  # the second time the short way
            for got in (await peer.send("Read", NodesToRead=nodes, TimestampsToReturn=which)).Results:
                assert (got.SourceTimestamp is not None, got.ServerTimestamp is not None) == (source, server)


async def test_a_request_that_was_seen_before_gives_what_is_now(plant, loop):
    """Reads of tags are answered a short way from the second time on: it must give the same as the long one."""
    table = plant.live.sim.plant.table
    asked = [ua.ReadValueId(here(t.name), A.Value) for t in table]
    async with plant.client() as peer:
        for step in range(4):
            plant.show(
                Line1__Weigher__Cement__Gross=(5.0, 2000.0, -1000.0, 6.0)[step], Line1__Station__Mode=step % 3, Line1__Bay__Order=step
            )
            short = (await peer.send("Read", NodesToRead=asked, TimestampsToReturn=2)).Results
            long = [await peer.value(t.name) for t in table]
            assert short == long
        for some in (asked[:1], asked[:1], [*asked[:1], ua.ReadValueId(here("Nowhere"), A.Value)], asked[:1]):
            results = (await peer.send("Read", NodesToRead=some)).Results
            assert [name_of(r.StatusCode) for r in results] == ["Good", "BadNodeIdUnknown"][: len(some)]


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (0.0, "Good"), (1980.0, "Good"), (-180.0, "Good"), (1980.5, "UncertainEngineeringUnitsExceeded"), (-180.5, "UncertainEngineeringUnitsExceeded"),
        (-359.0, "UncertainEngineeringUnitsExceeded"), (-360.0, "BadSensorFailure"), (-1e9, "BadSensorFailure"), (math.nan, "BadSensorFailure"),
        (math.inf, "BadSensorFailure"),
    ],
)  # fmt: skip
async def test_the_status_of_a_sensor_tells_what_its_reading_tells(plant, loop, value, status):
    plant.show(Line1__Weigher__Cement__Gross=value)
    async with plant.client() as peer:
        await peer.subscribe(GROSS)
        (told,) = (await peer.publish()).items
        for got in (await peer.value(GROSS), told.Value):
            assert name_of(got.StatusCode) == status
            assert (got.Value.Value if got.Value else None) == (None if status.startswith("Bad") else value)


async def test_faults_show_in_the_status_only_as_far_as_a_reading_does(plant, loop):
    async with plant.client() as peer:
        await peer.call("Faults.Inject", "sensor-freeze", "Line1.Weigher.Water", math.nan, 0.0, 0.0)
        await peer.call("Faults.Inject", "sensor-broken", "Line1.Weigher.Cement", math.nan, 0.0, 0.0)
        await peer.call("Faults.Inject", "sensor-offset", "Line1.Weigher.Additions", 2000.0, 0.0, 0.0)
        await peer.call("Time.Step", 20)
        assert await peer.read("Faults.Active") == [
            "sensor-broken Line1.Weigher.Cement", "sensor-offset Line1.Weigher.Additions", "sensor-freeze Line1.Weigher.Water"]  # fmt: skip
        names = ["Line1.Weigher.Water.Gross", GROSS, "Line1.Weigher.Additions.Gross"]
        assert [name_of((await peer.value(n)).StatusCode) for n in names] == [
            "Good",
            "BadSensorFailure",
            "UncertainEngineeringUnitsExceeded",
        ]
        await peer.call("Faults.Clear", "sensor-broken", "Line1.Weigher.Cement")
        await peer.call("Time.Step", 20)
        assert name_of((await peer.value(GROSS)).StatusCode) == "Good"


async def test_the_arrays_are_the_tags(plant, loop):
    table = plant.live.sim.plant.table
    plant.show(Line1__Weigher__Cement__Gross=-1000.0, Line1__Mixer__Power=12.5, Line1__Station__Mode=2.0)
    async with plant.client() as peer:
        seen = {}
        for group in ("Sensors", "Setpoints", "Actuators", "Statuses", "Parameters"):
            names, values = await peer.read(f"Image.{group}.Names"), await peer.read(f"Image.{group}")
            seen |= dict(zip(names, values, strict=True))
        assert list(seen) and set(seen) == {t.name for t in table}
        single = (await peer.send("Read", NodesToRead=[ua.ReadValueId(here(n), A.Value) for n in seen])).Results
        shown = [math.nan if r.StatusCode.is_bad() else float(r.Value.Value) for r in single]
        np.testing.assert_array_equal(list(seen.values()), shown)
        assert math.isnan(seen[GROSS]) and seen["Line1.Mixer.Power"] == 12.5 and seen[MODE] == 2.0


TAKEN = [(MOISTURE, 4.25, V.Double), (DOOR, 100.0, V.Double), (START, True, V.Boolean), (MODE, 1, V.UInt32), (ORDER, 17, V.Int32), ("Line1.Weigher.Cement.Phase", 3, V.UInt32),
         ("Line1.Station.Heartbeat", 5, V.Int32), ("Line1.Weigher.Cement.Target", 1800.0, V.Double), ("Line1.Bay.Recipe.cement", 0.0, V.Double)]  # fmt: skip


@pytest.mark.parametrize(("node", "value", "kind"), TAKEN)
async def test_what_is_written_is_read_at_once_and_reaches_the_plant_at_the_next_scan(plant, loop, node, value, kind):
    async with plant.client() as peer:
        assert await peer.write(node, value, kind) == "Good"
        got = await peer.value(node)
        assert (got.Value.Value, got.Value.VariantType) == (value, kind)
        await peer.call("Time.Step", 1)
        assert plant.live.sim.image[node] == value or node in (
            START,
            ORDER,
            "Line1.Bay.Recipe.cement",
        )  # operator and order desk set these, too
        assert plant.live.sim.image.latched[plant.live.sim.plant.table.index(node)] == value


async def test_what_is_written_is_still_read_when_something_else_is_told(plant, loop):
    async with plant.client() as peer:
        for node, value, kind in TAKEN:
            assert await peer.write(node, value, kind) == "Good"
        plant.live.told()  # as a change of state does, before any scan
        assert [await peer.read(node) for node, _, _ in TAKEN] == [value for _, value, _ in TAKEN]


REFUSED = [
    (MOISTURE, math.nan, V.Double, "BadOutOfRange"), (MOISTURE, math.inf, V.Double, "BadOutOfRange"), (MOISTURE, -math.inf, V.Double, "BadOutOfRange"),
    (MOISTURE, 25.01, V.Double, "BadOutOfRange"), (MOISTURE, -0.01, V.Double, "BadOutOfRange"), (MODE, 3, V.UInt32, "BadOutOfRange"),
    (ORDER, -1, V.Int32, "BadOutOfRange"), (MOISTURE, 4.0, V.Float, "BadTypeMismatch"), (MOISTURE, 4, V.Int32, "BadTypeMismatch"),
    (MOISTURE, True, V.Boolean, "BadTypeMismatch"), (MOISTURE, "4.0", V.String, "BadTypeMismatch"), (MOISTURE, [4.0], V.Double, "BadTypeMismatch"),
    (MOISTURE, None, V.Null, "BadTypeMismatch"), (MODE, 1, V.Int32, "BadTypeMismatch"), (MODE, 1.0, V.Double, "BadTypeMismatch"),
    (START, 1, V.Int32, "BadTypeMismatch"), (START, 1.0, V.Double, "BadTypeMismatch"), (START, [True], V.Boolean, "BadTypeMismatch"),
    (ORDER, 3.0, V.Double, "BadTypeMismatch"), (ORDER, 3, V.Int64, "BadTypeMismatch"), (ORDER, 3, V.UInt32, "BadTypeMismatch"),
    (GROSS, 1.0, V.Double, "BadNotWritable"), ("Line1.Mixer.Running", True, V.Boolean, "BadNotWritable"), ("Line1.Mixer.RatedVolume", 1.0, V.Double, "BadNotWritable"),
    ("Time.State", "running", V.String, "BadNotWritable"), ("Plant.IOList", "", V.String, "BadNotWritable"), (f"{GROSS}/EURange", 1.0, V.Double, "BadNotWritable"),
    ("Image.Sensors", [0.0], V.Double, "BadNotWritable"), ("Plant", 1, V.Int32, "BadAttributeIdInvalid"), ("Time.Start", 1, V.Int32, "BadAttributeIdInvalid"),
    ("Nowhere", 1.0, V.Double, "BadNodeIdUnknown"), ("line1.mixer.door", 1.0, V.Double, "BadNodeIdUnknown"),
]  # fmt: skip


@pytest.mark.parametrize(("node", "value", "kind", "code"), REFUSED, ids=lambda x: getattr(x, "name", str(x)))
async def test_a_wrong_value_is_refused_and_changes_nothing(plant, loop, node, value, kind, code):
    async with plant.client() as peer:
        before = plant.server.board.values.copy()
        assert await peer.write(node, value, kind) == code
        np.testing.assert_array_equal(plant.server.board.values, before)
        assert not plant.live.outside.pending and not plant.live.sim._wishes


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda v: v.__setitem__(0, math.nan), "BadOutOfRange"), (lambda v: v.__setitem__(-1, 1e12), "BadOutOfRange"), (lambda v: v.append(0.0), "BadTypeMismatch"),
        (lambda v: v.pop(), "BadTypeMismatch"), (lambda v: v.clear(), "BadTypeMismatch"),
    ],
    ids=["NaN", "out of range", "one more", "one less", "none"],
)  # fmt: skip
async def test_a_wrong_array_is_refused_as_a_whole(plant, loop, change, code):
    async with plant.client() as peer:
        values = await peer.read("Image.Setpoints")
        values[3] = 1.0
        change(values)
        before = plant.server.board.values.copy()
        assert await peer.write("Image.Setpoints", values, V.Double) == code
        np.testing.assert_array_equal(plant.server.board.values, before)


async def test_an_array_takes_whole_numbers_for_what_is_whole(plant, loop):
    async with plant.client() as peer:
        names, values = await peer.read("Image.Setpoints.Names"), await peer.read("Image.Setpoints")
        values[names.index(MODE)] = 0.5
        assert await peer.write("Image.Setpoints", values, V.Double) == "BadOutOfRange"
        values[names.index(MODE)] = 1.0
        assert await peer.write("Image.Setpoints", values, V.Double) == "Good"
        assert await peer.read(MODE) == 1
        assert await peer.write("Image.Setpoints", [int(v) for v in values], V.Int32) == "BadTypeMismatch"
        assert await peer.write("Image.Setpoints", values, V.Float) == "BadTypeMismatch"


async def test_a_status_cannot_be_written_and_timestamps_are_passed_over(plant, loop):
    async with plant.client() as peer:
        then = datetime(2020, 1, 1, tzinfo=UTC)
        for extra, code in (
            ({"StatusCode": ua.StatusCode(ua.StatusCodes.Bad)}, "BadWriteNotSupported"),
            ({"SourceTimestamp": then, "ServerTimestamp": then}, "Good"),
        ):
            value = ua.DataValue(ua.Variant(3.0), **({"StatusCode": None} | extra))
            answer = await peer.send("Write", NodesToWrite=[ua.WriteValue(here(MOISTURE), A.Value, None, value)])
            assert name_of(answer.Results[0]) == code
            assert (await peer.read(MOISTURE) == 3.0) == (code == "Good")
        got = await peer.value(MOISTURE)
        assert got.SourceTimestamp == datetime(2026, 5, 11, 6, 0, tzinfo=UTC) and got.ServerTimestamp > then


async def test_one_wrong_write_does_not_stop_the_others(plant, loop):
    async with plant.client() as peer:
        writes = [
            ua.WriteValue(here(n), A.Value, None, ua.DataValue(ua.Variant(v)))
            for n, v in ((MOISTURE, 3.0), (GROSS, 1.0), (DOOR, 5.0), ("Nowhere", 1.0))
        ]
        answer = await peer.send("Write", NodesToWrite=writes)
        assert [name_of(r) for r in answer.Results] == ["Good", "BadNotWritable", "Good", "BadNodeIdUnknown"]
        assert (await peer.read(MOISTURE), await peer.read(DOOR)) == (3.0, 5.0)


async def test_unknown_nodes_are_unknown_everywhere(plant, loop):
    async with plant.client() as peer:
        for node in (
            here("Nowhere"),
            ua.NodeId(GROSS, 1),
            ua.NodeId(GROSS, 77),
            ua.NodeId(4711, NS),
            ua.NodeId(b"x", NS, ua.NodeIdType.ByteString),
            ua.NodeId(),
        ):
            assert await peer.read(node) == "BadNodeIdUnknown"
            assert await peer.read(node, A.DisplayName) == "BadNodeIdUnknown"
            assert await peer.write(node, 1.0) == "BadNodeIdUnknown"
            answer = await peer.send("Call", MethodsToCall=[ua.CallMethodRequest(node, here("Time.Start"), [])])
            assert name_of(answer.Results[0].StatusCode) == "BadNodeIdUnknown"
            answer = await peer.send(
                "CreateMonitoredItems", SubscriptionId=await peer.subscribe(), TimestampsToReturn=2, ItemsToCreate=[item(node)]
            )
            assert name_of(answer.Results[0].StatusCode) == "BadNodeIdUnknown"


@pytest.mark.parametrize(
    ("name", "code"), [("Default Binary", "Good"), ("Default XML", "BadDataEncodingUnsupported"), ("nonsense", "BadDataEncodingInvalid")]
)
async def test_data_encodings(plant, loop, name, code):
    async with plant.client() as peer:
        for node, attribute in ((GROSS, A.Value), (f"{GROSS}/EURange", A.Value), (GROSS, A.DisplayName)):
            read = ua.ReadValueId(here(node), attribute, None, ua.QualifiedName(name, 0))
            got = (await peer.send("Read", NodesToRead=[read])).Results[0]
            assert name_of(got.StatusCode) == (code if attribute == A.Value else "BadDataEncodingInvalid")


async def test_the_server_tells_its_state(plant, loop):
    async with plant.client() as peer:
        status = await peer.read(std("Server_ServerStatus"))
        assert status.State == ua.ServerState.Running and status.BuildInfo.ProductName == "batchtwin"
        assert abs(status.CurrentTime - datetime.now(UTC)) < timedelta(seconds=10)
        assert await peer.read(std("Server_NamespaceArray")) == [
            "http://opcfoundation.org/UA/",
            "urn:batchtwin:server",
            "urn:batchtwin:plant",
        ]
        assert await peer.read(std("Server_ServerArray")) == ["urn:batchtwin:server"]


async def test_methods_say_what_they_take_and_give(plant, loop):
    async with plant.client() as peer:
        (rows,) = await references(peer, here("Time.Step"), kind="HasProperty")
        names = {r.BrowseName.Name: target(r) for r in rows}
        assert {r.BrowseName.NamespaceIndex for r in rows} == {0}
        (argument,) = await peer.read(names["InputArguments"])
        assert (argument.Name, argument.DataType, argument.ValueRank) == ("Scans", ua.NodeId(V.UInt32.value), -1)
        (argument,) = await peer.read(names["OutputArguments"])
        assert (argument.Name, argument.DataType) == ("Scan", ua.NodeId(V.UInt64.value))
