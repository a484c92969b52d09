"""Process image: values by name, who may write, and what the latch makes of bad values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import BatchtwinError
from twin.image import Image
from twin.tags import TagTable, actuator, parameter, sensor, setpoint, status

TAGS = (
    sensor("Gross", "gross", "毛重", "kg", 0, 2000),
    actuator("Run", "run", "运行"),
    actuator("Door", "door", "门", "%", 0, 100),
    setpoint("Mode", "mode", "模式", states=("a", "b", "c")),
    status("Count", "count", "次数", "count", 0, 1e9),
    parameter("Capacity", "capacity", "容量", "kg"),
)


@pytest.fixture
def image():
    return fresh()


def fresh():
    table = TagTable()
    table.add("M", "mixer", TAGS, values={"Capacity": 500.0, "Mode": 1.0})
    return Image(table)


def test_values_come_in_the_type_of_their_tag(image):
    image["M.Run"], image["M.Door"], image["M.Count"] = True, 12.5, 7
    assert image["M.Run"] is True and image["M.Door"] == 12.5
    assert image["M.Count"] == 7 and isinstance(image["M.Count"], int)
    assert image["M.Mode"] == 1 and image["M.Capacity"] == 500.0


@pytest.mark.parametrize("name", ["M.Gross", "M.Capacity"])
def test_sensors_and_parameters_cannot_be_written(image, name):
    before = image[name]
    with pytest.raises(BatchtwinError) as caught:
        image[name] = 1.0
    assert caught.value.code == "E302" and image[name] == before


def test_an_unknown_tag_is_neither_read_nor_written(image):
    with pytest.raises(BatchtwinError, match="M.Door"):
        _ = image["M.Dor"]
    with pytest.raises(BatchtwinError, match="M.Door"):
        image["M.Dor"] = 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_held_at_the_last_good_one(image, bad):
    image["M.Door"] = 40.0
    assert image.latch() == 0
    image["M.Door"] = bad
    assert image.latch() == 1
    assert image["M.Door"] == 40.0
    assert image.latch() == 0


@pytest.mark.parametrize(("written", "kept"), [(-3.0, 0.0), (150.0, 100.0), (1e300, 100.0)])
def test_a_value_out_of_range_is_clamped_and_counted(image, written, kept):
    image["M.Door"] = written
    assert image.latch() == 1
    assert image["M.Door"] == kept


@pytest.mark.parametrize(("written", "kept"), [(0.4, 0), (0.5, 1), (1.6, 2), (2.0, 2)])
def test_codes_are_rounded(image, written, kept):
    image["M.Mode"] = written
    image.latch()
    assert image["M.Mode"] == kept


def test_booleans_are_rounded_to_false_or_true(image):
    index = image.table.index("M.Run")
    for written, kept in ((0.3, 0.0), (0.7, 1.0)):
        image["M.Run"] = written
        assert image.latch() == 0
        assert image.values[index] == kept


def test_every_bad_value_of_a_scan_is_counted(image):
    image["M.Run"], image["M.Door"], image["M.Mode"] = math.nan, 1e9, -4
    assert image.latch() == 3


def test_sensors_and_parameters_are_not_latched(image):
    image.values[image.table.index("M.Gross")] = 5000.0
    assert image.latch() == 0
    assert image["M.Gross"] == 5000.0


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(width=64)), max_size=20))
def test_whatever_is_written_what_is_latched_lies_in_range(writes):
    image = fresh()
    for index, value in writes:
        image.values[index] = value
        image.latch()
        kept = image.values[image.written]
        assert np.isfinite(kept).all()
        assert (kept >= image.low[image.written]).all() and (kept <= image.high[image.written]).all()
        assert (kept == np.floor(kept))[image.whole[image.written]].all()
        assert image.latch() == 0
