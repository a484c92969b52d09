"""The map of a bridge: every mistake is a line with its place, and values come back as they went."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from opcua_server.clients.iomap import BEAT, Row, bridge_template, load_map, parse_node
from opcua_server.clients.plc import BITS, Point, whole_range
from twin.errors import BadInput, BatchtwinError
from twin.tags import Tag, TagTable, actuator, parameter, sensor, setpoint, status

V = ua.VariantType


@pytest.fixture
def table() -> TagTable:
    """A small plant."""
    table = TagTable()
    table.add("Line1.Weigher.Cement", "weigher", (sensor("Gross", "gross mass", "毛重", "kg", -500, 2000), sensor("Closed", "gate closed", "门关到位"),
                                                  actuator("Discharge", "open the gate", "开门"), parameter("Capacity", "capacity", "量程", "kg")))  # fmt: skip
    table.add("Line1.Station", "station", (actuator("Heartbeat", "heartbeat", "心跳", "count", 0, 1e9), setpoint("Start", "start, now", "启动"),
                                           status("State", "state", "状态", states=("stopped", "running"))))  # fmt: skip
    return table


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "io.csv"
    file.write_text(text, encoding="utf-8")
    return file


# --- reading ----------------------------------------------------------------------------------------------


def test_a_map_is_read_with_comments_quotes_any_order_and_a_byte_order_mark(table: TagTable, tmp_path: Path) -> None:
    text = """\ufeff# exported on Monday
Node,Tag,Invert,Scale,offset,unit

"ns=4;s=PLC.""DB1"".Gross", Line1.Weigher.Cement.Gross,,0.1,-3,kg
nsu=http://plc/a%3Bb;i=77,Line1.Weigher.Cement.Closed,yes,,,
,Line1.Station.Start,,,,
i=9,@scan
"""
    rows = load_map(written(tmp_path, text), table)
    assert [(r.tag, r.node.to_string(), r.uri, r.scale, r.offset, r.invert) for r in rows] == [
        ("Line1.Weigher.Cement.Gross", 'ns=4;s=PLC."DB1".Gross', "", 0.1, -3.0, False),
        ("Line1.Weigher.Cement.Closed", "i=77", "http://plc/a;b", 1.0, 0.0, True),
        ("@scan", "i=9", "", 1.0, 0.0, False),
    ]
    assert rows[0].where == f"{tmp_path}/io.csv:4: Line1.Weigher.Cement.Gross"


MISTAKES = {
    "tag,node\nLine1.Weigher.Cement.Gros,i=1": "2: Line1.Weigher.Cement.Gros: no tag 'Line1.Weigher.Cement.Gros'; did you mean 'Line1.Weigher.Cement.Gross'?",
    "tag,node\nXYZ,i=1": "2: XYZ: no tag 'XYZ'; see 'batchtwin list tags'",
    "tag,node\n,i=1": "2: i=1: no tag ''; see 'batchtwin list tags'",
    "tag,node\nLine1.Weigher.Cement.Capacity,i=1": "2: Line1.Weigher.Cement.Capacity: is a parameter, which neither side writes; leave it out",
    "tag,node\nLine1.Station.Start,DB1.Start": "2: Line1.Station.Start: 'DB1.Start' is no NodeId; write ns=4;s=NAME, nsu=URI;s=NAME or ns=4;i=NUMBER",
    "tag,node,scale\nLine1.Weigher.Cement.Gross,i=1,0": "2: Line1.Weigher.Cement.Gross: scale '0'; give a number other than 0",
    "tag,node,offset\nLine1.Weigher.Cement.Gross,i=1,inf": "2: Line1.Weigher.Cement.Gross: offset 'inf'; give a number",
    'tag,node,scale\nLine1.Weigher.Cement.Gross,i=1,"0,1"': "2: Line1.Weigher.Cement.Gross: scale '0,1'; give a number other than 0",
    "tag,node,scale\nLine1.Station.Start,i=1,2": "2: Line1.Station.Start: a scale or offset does not go with it; leave them empty",
    "tag,node,offset\n@scan,i=1,2": "2: @scan: a scale or offset does not go with it; leave them empty",
    "tag,node,invert\nLine1.Weigher.Cement.Gross,i=1,1": "2: Line1.Weigher.Cement.Gross: only booleans can be inverted; leave invert empty",
    "tag,node,invert\nLine1.Station.Start,i=1,maybe": "2: Line1.Station.Start: invert 'maybe'; give 1 or leave it empty",
    "tag,node\nLine1.Station.Start,i=1\nLine1.Station.Start,i=2": "3: Line1.Station.Start: stands twice (first at {path}:2: Line1.Station.Start); remove one",
    "tag,node\nLine1.Station.Start,i=1\nLine1.Station.State,i=1": "3: Line1.Station.State: node i=1 belongs to Line1.Station.Start already; give each its own; only outputs may share one",
    "tag,node\nLine1.Station.Start,ns=1;s=a,b": "2: 3 fields for 2 columns; put fields with commas into quotes",
    "tag,nodes\nLine1.Station.Start,i=1": "1: no column 'nodes'; did you mean 'node'?",
    "foo,node\nLine1.Station.Start,i=1": "1: no column 'foo'; columns are tag, node, scale, offset, invert",
    "tag,node,node\nLine1.Station.Start,i=1,i=2": "1: column 'node' stands twice; remove one",
    "tag,node\nLine1.Station.Start,\n": " maps nothing; give at least one tag its node",
    "": " maps nothing; give at least one tag its node",
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_a_line_with_file_and_line(table: TagTable, tmp_path: Path, text: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(BadInput) as wrong:
        load_map(file, table)
    assert wrong.value.mistakes[0].text("en") == f"{file}:{MISTAKES[text].format(path=file)}"
    assert "\n" not in wrong.value.mistakes[0].text("zh")


def test_all_mistakes_are_told_at_once(table: TagTable, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as wrong:
        load_map(written(tmp_path, "tag,node\nA,i=1\nLine1.Station.Start,x\nLine1.Station.State,i=3\nLine1.Station.State,i=4\n"), table)
    assert [m.text("en").split(":")[1] for m in wrong.value.mistakes] == ["2", "3", "5"]


def test_outputs_may_share_a_node(table: TagTable, tmp_path: Path) -> None:
    assert len(load_map(written(tmp_path, "tag,node\nLine1.Station.Heartbeat,i=1\nLine1.Station.State,i=1\n"), table)) == 2


@pytest.mark.parametrize("content", [None, "标签".encode("gb18030")])
def test_a_file_that_cannot_be_read_is_told(table: TagTable, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "io.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BatchtwinError, match="give a readable CSV file"):
        load_map(file, table)


@pytest.mark.parametrize("text", ["", "s=", "ns=70000;s=a", "ns=x;s=a", "i=-1", "i=4294967296", "g=1", "b=*", "g=zzzzzzzz-0000-0000-0000-000000000000", "ns=2", "t=a", " i=1 x"])  # fmt: skip
def test_what_is_no_node_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_node(text)


@pytest.mark.parametrize("text", ["i=0", "ns=65535;i=4294967295", "ns=4;s=a;b=c", "g=72962b91-fa75-4ae6-8d28-b404dc7daf63", "ns=1;b=M/RbKBsRVkePCePcx24oRA=="])  # fmt: skip
def test_every_kind_of_node_id_is_read(text: str) -> None:
    node, uri = parse_node(text)
    assert uri == ""
    assert ua.NodeId.from_string(text) == node


# --- the template -----------------------------------------------------------------------------------------


def test_the_template_has_every_tag_but_parameters_and_is_a_map_once_filled_in(table: TagTable, tmp_path: Path) -> None:
    text = bridge_template(table)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [r["tag"] for r in rows] == [BEAT, *(t.name for t in table if t.direction != "parameter")]
    assert not any(r["node"] for r in rows)
    with pytest.raises(BadInput, match="maps nothing"):
        load_map(written(tmp_path, text), table)
    for n, row in enumerate(rows):
        row["node"] = f"ns=3;i={n}"
    filled = io.StringIO()
    writer = csv.DictWriter(filled, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    assert len(load_map(written(tmp_path, filled.getvalue()), table)) == len(rows)


# --- converting -------------------------------------------------------------------------------------------


def point(tag: Tag, kind: V, scale: float = 1.0, offset: float = 0.0, invert: bool = False) -> Point:
    return Point(Row(tag.name, "", ua.NodeId(), "", scale, offset, invert), tag, 0, ua.NodeId(), kind)


GROSS = Tag("Gross", "float", "sensor", "kg", -500, 2000, broken=-800)
WHOLE = Tag("Truck", "int", "sensor", "count", 0, 1e6)


@given(
    st.floats(-500, 2000),
    st.sampled_from([V.Double, V.Float, V.Int32, V.Int16]),
    st.sampled_from([1.0, -0.1, 0.25, 10.0]),
    st.floats(-100, 100),
)
def test_a_value_comes_back_as_far_as_the_type_resolves_it(value: float, kind: V, scale: float, offset: float) -> None:
    p = point(GROSS, kind, scale, offset)
    raw, cut = p.raw(value)
    back = p.value(raw)
    assert not cut and back is not None
    step = abs(scale) * 0.5000001 if kind in BITS else (1e-9 if kind == V.Double else 1e-3)
    assert abs(back - value) <= step
    if kind == V.Float:
        assert raw == float(np.float32(raw))


@given(st.integers(-(10**20), 10**20), st.sampled_from(list(BITS)))
def test_a_whole_number_is_cut_to_the_type(value: int, kind: V) -> None:
    raw, cut = point(WHOLE, kind).raw(float(value))
    low, high = whole_range(kind)
    assert low <= raw <= high
    assert cut == (not low <= int(float(value)) <= high)


@given(st.booleans(), st.booleans(), st.sampled_from([V.Boolean, V.Int16, V.Byte]))
def test_a_boolean_comes_back(value: bool, invert: bool, kind: V) -> None:
    p = point(Tag("Closed", "bool", "sensor"), kind, invert=invert)
    raw, _ = p.raw(float(value))
    assert raw == (value != invert) and isinstance(raw, bool) == (kind == V.Boolean)
    assert p.value(raw) == value


def test_a_failed_instrument_shows_its_failure_value() -> None:
    p = point(GROSS, V.Int16)
    assert [p.broken(v) for v in (-799.9, -800.0, math.nan, math.inf)] == [False, True, True, True]
    assert p.raw(math.nan) == (-800, False)
    assert point(WHOLE, V.Int32).raw(math.nan) == (0, False)


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf, None, "7", [1.0], b"7"])
def test_what_is_no_finite_number_is_no_value(raw: object) -> None:
    assert point(WHOLE, V.Double).value(raw) is None


def test_a_negative_count_of_a_signed_type_has_run_over_but_a_code_has_not() -> None:
    assert point(WHOLE, V.Int16).value(-1) == 65535
    assert point(WHOLE, V.Int16, scale=2.0).value(-1) == -2
    assert point(Tag("State", "int", "status", states=("a", "b")), V.Int16).value(-1) == -1


def test_the_counter_goes_round_in_its_type() -> None:
    def counter(kind: V) -> Point:
        return Point(Row(BEAT, "", ua.NodeId()), None, -1, ua.NodeId(), kind)

    assert [counter(V.Int16).raw(n)[0] for n in (32767, 32768, 65536)] == [32767, 0, 0]
    assert [counter(V.Byte).raw(n)[0] for n in (255, 256)] == [255, 0]
    assert counter(V.UInt32).raw(10**6)[0] == 10**6
