"""Tag table: names to places, the nearest name for a typo, ranges and writers by direction."""

from __future__ import annotations

import pytest

from twin.errors import BatchtwinError
from twin.tags import TagTable, actuator, parameter, sensor, setpoint, status

SCALE = (
    sensor("Gross", "gross mass", "毛重", "kg", -50, 2000),
    actuator("Discharge", "discharge", "卸料"),
    parameter("Capacity", "capacity", "容量", "kg"),
    setpoint("Mode", "mode", "模式", states=("manual", "automatic", "test")),
    setpoint("Volume", "volume", "方量", "m³", 0, 20, writer="dispatch"),
    status("Records", "count", "次数", "count", 0, 1e9),
)


@pytest.fixture
def table():
    t = TagTable()
    t.add("Line1.Weigher.Cement", "weigher", SCALE, feeds="Line1.Mixer", values={"Capacity": 1800.0}, high={"Gross": 2340.0})
    t.add("Line2.Mixer", "mixer", (actuator("Run", "run", "运行"),))
    return t


def test_every_tag_is_found_where_it_stands(table):
    assert [table.index(t.name) for t in table] == list(range(len(table))) == list(range(7))
    assert table.index("Line2.Mixer.Run") == table.machine("Line2.Mixer").first == 6
    assert "Line2.Mixer.Run" in table and "Line2.Mixer.Stop" not in table


def test_a_typo_is_answered_with_the_nearest_name(table):
    with pytest.raises(BatchtwinError) as caught:
        table["Line1.Weigher.Cemnt.Gross"]
    assert caught.value.code == "E301"
    for language in ("en", "zh"):
        assert "Line1.Weigher.Cement.Gross" in caught.value.text(language)


def test_a_name_like_no_other_is_answered_without_a_guess(table):
    with pytest.raises(BatchtwinError) as caught:
        table.index("zzz")
    assert caught.value.code == "E301" and "did you mean" not in str(caught.value)


def test_an_unknown_machine_is_answered_with_the_nearest(table):
    with pytest.raises(BatchtwinError, match="Line2.Mixer") as caught:
        table.machine("Line2.Mixr")
    assert caught.value.code == "E102"


@pytest.mark.parametrize(
    ("tag", "direction", "dtype", "writer"),
    [
        ("Gross", "sensor", "float", "plant"),
        ("Discharge", "actuator", "bool", "controller"),
        ("Capacity", "parameter", "float", "nobody"),
        ("Mode", "setpoint", "int", "operator"),
        ("Volume", "setpoint", "float", "dispatch"),
        ("Records", "status", "int", "controller"),
    ],
)
def test_direction_type_and_writer(table, tag, direction, dtype, writer):
    t = table[f"Line1.Weigher.Cement.{tag}"]
    assert (t.direction, t.dtype, t.writer) == (direction, dtype, writer)


def test_ranges(table):
    assert (table["Line1.Weigher.Cement.Gross"].low, table["Line1.Weigher.Cement.Gross"].high) == (-50, 2340)
    assert (table["Line1.Weigher.Cement.Mode"].low, table["Line1.Weigher.Cement.Mode"].high) == (0, 2)
    assert (table["Line2.Mixer.Run"].low, table["Line2.Mixer.Run"].high) == (0, 1)


def test_machines_by_kind_line_and_name(table):
    scale = table.machine("Line1.Weigher.Cement")
    assert (scale.line, scale.short, scale.feeds, scale.count) == ("Line1", "Cement", "Line1.Mixer", 6)
    assert table.of_kind("weigher") == [scale] == table.of_kind("weigher", "Line1")
    assert table.of_kind("weigher", "Line2") == []
    assert table.lines == ["Line2"]
