"""Raw values with bounds, values at times and aggregates, on rows that are known."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from hypothesis import given
from hypothesis import strategies as st
from served import name_of

from opcua_server.address.board import BOOLEAN, DOUBLE, INT32, UINT32
from opcua_server.address.nodes import o
from opcua_server.address.series import CALCULATED, INTERPOLATED, PARTIAL, Record, Series, Walk, encoded
from scenarios.recent import Recent
from twin.tags import sensor, status

MINUTE = 600_000_000
START = 133_000_000_000_000_000
GAUGE = sensor("Gauge", "", "", "kg", -100, 1000, 0.5, broken=-200.0)
FAILED, OUTSIDE = "BadSensorFailure", "UncertainEngineeringUnitsExceeded"
CONFIG = ua.AggregateConfiguration(False, True, 100, 100, False)


def clock(text):
    """`5:02` as a time."""
    hours, minutes = text.split(":")
    return START + (int(hours) * 60 + int(minutes)) * MINUTE


def told(time):
    """A time as `5:02`, with seconds if there are any."""
    assert (time - START) % 10_000_000 == 0
    at = timedelta(microseconds=(time - START) / 10)
    return str(at)[:-3] if str(at).endswith(":00") else str(at)


def record(times, values, tag=GAUGE, step=0.5, pieces=2, **extremes):
    """A record of these values; `values` in the tag's unit."""
    recent = Recent()
    resolution = {tag.name: step} | {f"{tag.name}.{n}": step for n in extremes}
    columns = {tag.name: values} | {f"{tag.name}.{n}": v for n, v in extremes.items()}
    for part in np.array_split(np.arange(len(times)), pieces):
        seconds = [(times[i] - START) / 1e7 for i in part]
        scaled = {n: pa.array([round(v[i] / step) for i in part], pa.int32()) for n, v in columns.items()}
        recent.add(pa.table({"time_s": pa.array(seconds, pa.float64())} | scaled))
    return Record(recent.snapshot(None), tag, resolution, START, START + 8 * 60 * MINUTE)


FIVE = [clock(t) for t in ("5:00", "5:02", "5:03", "5:05", "5:06")]
STORED = record(FIVE, [0.0, 2.0, 3.0, 5.0, 6.0])


def walk(start, end, count, bounds):
    a, b = start and clock(start), end and clock(end)
    if a is None or b is None:
        return Walk(a if b is None else b, None, a is None, bounds, count, 0)
    return Walk(a, b + (a == b), b < a, bounds, None, count, point=a == b)


def answers(series):
    """Times of values, `FIRST`/`LAST` as the time where a bound is missing."""
    return [told(t) if name_of(s) == "Good" else f"!{told(t)}" for t, s in zip(series.times.tolist(), series.status.tolist(), strict=True)]


@pytest.mark.parametrize(("start", "end", "count", "bounds", "expected"), [
    ("5:00", "5:05", 0, True, "5:00 5:02 5:03 5:05"), ("5:00", "5:05", 0, False, "5:00 5:02 5:03"),
    ("5:01", "5:04", 0, True, "5:00 5:02 5:03 5:05"), ("5:01", "5:04", 0, False, "5:02 5:03"),
    ("5:05", "5:00", 0, True, "5:05 5:03 5:02 5:00"), ("5:05", "5:00", 0, False, "5:05 5:03 5:02"),
    ("5:04", "5:01", 0, True, "5:05 5:03 5:02 5:00"), ("5:04", "5:01", 0, False, "5:03 5:02"),
    ("4:59", "5:05", 0, True, "!4:59 5:00 5:02 5:03 5:05"), ("4:59", "5:05", 0, False, "5:00 5:02 5:03"),
    ("5:01", "5:07", 0, True, "5:00 5:02 5:03 5:05 5:06 !5:07"), ("5:01", "5:07", 0, False, "5:02 5:03 5:05 5:06"),
    ("5:00", "5:05", 3, True, "5:00 5:02 5:03"), ("5:00", "5:05", 3, False, "5:00 5:02 5:03"),
    ("5:01", "5:04", 3, True, "5:00 5:02 5:03"), ("5:01", "5:04", 3, False, "5:02 5:03"),
    ("5:05", "5:00", 3, True, "5:05 5:03 5:02"), ("5:05", "5:00", 3, False, "5:05 5:03 5:02"),
    ("5:04", "5:01", 3, True, "5:05 5:03 5:02"), ("5:04", "5:01", 3, False, "5:03 5:02"),
    ("4:59", "5:05", 3, True, "!4:59 5:00 5:02"), ("4:59", "5:05", 3, False, "5:00 5:02 5:03"),
    ("5:01", "5:07", 3, True, "5:00 5:02 5:03"), ("5:01", "5:07", 3, False, "5:02 5:03 5:05"),
    ("5:00", None, 3, True, "5:00 5:02 5:03"), ("5:00", None, 3, False, "5:00 5:02 5:03"),
    ("5:00", None, 6, True, "5:00 5:02 5:03 5:05 5:06 !5:06:01"), ("5:00", None, 6, False, "5:00 5:02 5:03 5:05 5:06"),
    ("5:07", None, 6, True, "5:06 !5:06:01"), ("5:07", None, 6, False, ""),
    (None, "5:06", 3, True, "5:06 5:05 5:03"), (None, "5:06", 3, False, "5:06 5:05 5:03"),
    (None, "5:06", 6, True, "5:06 5:05 5:03 5:02 5:00 !4:59:59"), (None, "5:06", 6, False, "5:06 5:05 5:03 5:02 5:00"),
    (None, "4:48", 6, True, "5:00 !4:59:59"), (None, "4:48", 6, False, ""),
    ("4:48", "4:48", 0, True, "!4:48 5:00"), ("4:48", "4:48", 0, False, ""), ("4:48", "4:48", 1, True, "!4:48"), ("4:48", "4:48", 2, True, "!4:48 5:00"),
    ("5:00", "5:00", 0, True, "5:00 5:02"), ("5:00", "5:00", 0, False, "5:00"), ("5:00", "5:00", 1, True, "5:00"),
    ("5:01", "5:01", 0, True, "5:00 5:02"), ("5:01", "5:01", 0, False, ""), ("5:01", "5:01", 1, True, "5:00"),
    ("5:07", "5:07", 0, True, "5:06 !5:07"), ("5:07", "5:01", 0, True, "!5:07 5:06 5:05 5:03 5:02 5:00"),
])  # fmt: skip
def test_bounding_values_are_those_of_the_specification(start, end, count, bounds, expected):
    """OPC 10000-11 4.4, Table 1."""
    series, _ = STORED.raw(walk(start, end, count, bounds), 1000)
    assert " ".join(answers(series)) == expected
    good = [t for t, s in zip(series.times.tolist(), series.status.tolist(), strict=True) if not s]
    assert good == [FIVE[["5:00", "5:02", "5:03", "5:05", "5:06"].index(t)] for t in expected.split() if not t.startswith("!")]


TIMES = sorted(np.random.default_rng(4).choice(np.arange(1, 3000), 150, replace=False).tolist())
WIDE = sensor("Wide", "", "", "kg", -100, 5000, 0.5)
MANY = record([START + 1_000_000 * t for t in TIMES], [float(t) for t in TIMES], WIDE, pieces=9)


@given(a=st.integers(0, 3100), b=st.integers(0, 3100), page=st.integers(0, 40), most=st.integers(1, 60), bounds=st.booleans())
def test_a_domain_read_page_by_page_is_the_same_as_at_once(a, b, page, most, bounds):
    start, end = START + 1_000_000 * a, START + 1_000_000 * b
    whole = Walk(start, end + (a == b), b < a, bounds, None, 0, point=a == b)
    (times, values, status_, _), rest = MANY.raw(whole, 10_000)
    assert rest is None
    if not bounds:
        inside = [t for t in TIMES if a <= t < b or (a == b == t)] if b >= a else [t for t in reversed(TIMES) if b < t <= a]
        assert values.tolist() == inside
    got, left = [], Walk(start, end + (a == b), b < a, bounds, None, page, point=a == b)
    while left is not None:
        series, left = MANY.raw(left, most)
        assert 0 < len(series.times) <= min(most, page or most) or (not got and left is None)
        got.append(series)
        assert len(got) <= len(times) + 1, "it turns in circles"
    for n, whole_column in enumerate((times, values, status_)):
        assert np.concatenate([g[n] for g in got]).tolist() == whole_column.tolist()


@given(a=st.integers(0, 3100), count=st.integers(1, 200), most=st.integers(1, 60), bounds=st.booleans(), backward=st.booleans())
def test_so_many_values_from_a_time_on_come_in_pages_that_end_there(a, count, most, bounds, backward):
    origin = START + 1_000_000 * a
    once, rest = MANY.raw(Walk(origin, None, backward, bounds, count, 0), 10_000)
    assert rest is None and len(once.times) <= count
    got, left = [], Walk(origin, None, backward, bounds, count, 0)
    while left is not None:
        series, left = MANY.raw(left, most)
        got.append(series)
        assert len(got) <= len(once.times) + 1, "it turns in circles"
    assert np.concatenate([g.values for g in got]).tolist() == once.values.tolist()


def test_status_and_value_are_those_that_the_board_would_have_shown():
    values = [0.0, 1000.0, 1000.5, -100.0, -100.5, -199.5, -200.0, -300.0]
    rows = record([START + k * MINUTE for k in range(8)], values)
    series, _ = rows.raw(Walk(START, None, False, False, 8, 0), 100)
    assert [name_of(s) for s in series.status.tolist()] == ["Good", "Good", OUTSIDE, "Good", OUTSIDE, OUTSIDE, FAILED, FAILED]
    narrow = record([START, START + MINUTE], [-99.8, 99.8], sensor("Narrow", "", "", "kg", -99.8, 99.8, 0.5))
    series, _ = narrow.raw(Walk(START, None, False, False, 2, 0), 100)
    assert series.values.tolist() == [-100.0, 100.0] and not series.status.any(), (
        "it was recorded as 100, but shown as what is within the range"
    )
    lowest = record([START, START + MINUTE], [5.0, 5.0], min=[5.0, -200.0], max=[6.0, 8.0])
    series, _ = lowest.raw(Walk(START, None, False, False, 2, 0), 100)
    assert series.status.tolist()[0] == CALCULATED, "the row of a coarse record is a mean"
    assert name_of(series.status.tolist()[1]) == FAILED, "a mean over a time in which the sensor was broken"


# --- at times ---------------------------------------------------------------------------------------------


def test_a_value_holds_until_the_next_one():
    asked = [clock(t) for t in ("5:03", "4:59", "5:00", "5:04", "5:59", "8:00")] + [clock("8:00") + 1]
    series = STORED.at(np.array(asked))
    assert series.times.tolist() == asked
    assert [name_of(s) if s & 0x8000_0000 else s for s in series.status.tolist()] == [
        0, "BadNoData", 0, INTERPOLATED, INTERPOLATED, INTERPOLATED, "BadNoData"]  # fmt: skip
    assert [v for v, s in zip(series.values.tolist(), series.status.tolist(), strict=True) if s < 0x8000_0000] == [3.0, 0.0, 3.0, 6.0, 6.0]
    broken = record([START, START + MINUTE], [-200.0, 1000.5])
    status_ = broken.at(np.array([START + 1, START + MINUTE + 1])).status.tolist()
    assert name_of(status_[0]) == FAILED and name_of(status_[1] & 0xFFFF_0000) == OUTSIDE and status_[1] & 0xFFFF == INTERPOLATED
    assert name_of(record([], [], pieces=1).at(np.array([START])).status.tolist()[0]) == "BadNoData"


# --- aggregates -------------------------------------------------------------------------------------------

NUMBERS = {n: getattr(o, f"AggregateFunction_{n}") for n in ("Average", "Minimum", "Maximum", "Count")}
PLAIN = {"Average": np.mean, "Minimum": min, "Maximum": max, "Count": len}


@given(a=st.integers(0, 3100), b=st.integers(0, 3100), step=st.integers(7, 4000), name=st.sampled_from(sorted(NUMBERS)))
def test_aggregates_are_those_of_the_values_in_each_interval(a, b, step, name):
    if a == b:
        return
    sign = 1 if b > a else -1
    marks = [*range(a, b, sign * step), b]
    edges = np.array([START + 1_000_000 * m for m in marks])
    partial = abs(b - a) % step != 0
    series = MANY.aggregate(NUMBERS[name], edges, partial, CONFIG)
    assert series.times.tolist() == edges[:-1].tolist()
    for n, (left, right) in enumerate(pairwise(marks)):
        inside = [t for t in TIMES if left <= t < right or left >= t > right]
        if inside or name == "Count":
            assert series.values[n] == pytest.approx(PLAIN[name](inside))
            assert series.status[n] == (CALCULATED | (PARTIAL if partial and n == len(marks) - 2 else 0))
        else:
            assert name_of(series.status.tolist()[n]) == "BadNoData"
    assert series.kind == {"Average": DOUBLE, "Count": INT32}.get(name, DOUBLE)


@pytest.mark.parametrize(("config", "values", "expected"), [
    ((True, 100, 100), [1.0, -200.0], "UncertainDataSubNormal"), ((True, 100, 50), [1.0, -200.0], "Good"), ((True, 50, 60), [1.0, -200.0], "BadNoData"),
    ((True, 100, 100), [-200.0, -200.0], "BadNoData"), ((True, 100, 100), [1.0, 1000.5], "UncertainDataSubNormal"), ((False, 100, 100), [1.0, 1000.5], "Good"),
])  # fmt: skip
def test_bad_values_do_not_count_and_their_share_decides(config, values, expected):
    uncertain_is_bad, bad, good = config
    rows = record([START, START + MINUTE], values)
    chosen = ua.AggregateConfiguration(False, uncertain_is_bad, bad, good, False)
    series = rows.aggregate(NUMBERS["Average"], np.array([START, START + 2 * MINUTE]), False, chosen)
    assert name_of(series.status.tolist()[0] & 0xFFFF_0000) == expected
    if expected != "BadNoData":
        assert series.values[0] == (500.75 if uncertain_is_bad is False else 1.0)


def test_extremes_are_those_within_the_rows_where_they_are_kept():
    rows = record([START, START + MINUTE], [5.0, 6.0], min=[1.0, 2.0], max=[8.0, 9.0])
    edges = np.array([START, START + 2 * MINUTE])
    assert [rows.aggregate(NUMBERS[n], edges, False, CONFIG).values[0] for n in ("Minimum", "Average", "Maximum")] == [1.0, 5.5, 9.0]


# --- on the wire ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "values", "expected"), [
    (DOUBLE, [1.5, -2.25, 0.0], [1.5, -2.25, 0.0]), (INT32, [-7.0, 2.6, 1e9], [-7, 3, 1_000_000_000]),
    (UINT32, [0.0, 4.0, 4e9], [0, 4, 4_000_000_000]), (BOOLEAN, [0.0, 1.0, 0.5], [False, True, True]),
])  # fmt: skip
@pytest.mark.parametrize("source", [True, False])
def test_values_are_encoded_as_their_type_and_bad_ones_without_a_value(kind, values, expected, source):
    codes = [0, CALCULATED, 0x4094_0000]
    for bad in (None, 0, 1, 2):
        status_ = np.array([int(ua.StatusCodes.BadSensorFailure) if i == bad else codes[i] for i in range(3)], np.uint32)
        buffer = Buffer(encoded(Series(np.array(FIVE[:3]), np.array(values), status_, kind), source))
        got = struct_from_binary(ua.HistoryData, buffer).DataValues
        assert len(buffer) == 0
        assert [v.StatusCode.value for v in got] == status_.tolist()
        assert [v.Value.Value for v in got] == [None if i == bad else expected[i] for i in range(3)]
        assert {v.Value.VariantType.value for v in got if v.Value.Value is not None} == {kind}
        assert all((v.SourceTimestamp is not None) == source and v.ServerTimestamp is None for v in got)
    empty = Series(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.uint32), kind)
    assert struct_from_binary(ua.HistoryData, Buffer(encoded(empty, source))).DataValues == []


def test_status_and_setpoint_tags_have_no_range_that_could_be_missed():
    free = status("Records", "", "", "count", 0, 10)
    series, _ = record([START, START + MINUTE], [50.0, -5.0], free, 1.0).raw(Walk(START, None, False, False, 2, 0), 9)
    assert series.status.tolist() == [0, 0] and series.kind == INT32
