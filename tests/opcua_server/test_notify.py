"""Encoding of notifications: what asyncua reads out of our bytes is what we meant."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from subscribing import decode

from opcua_server.address.board import BOOLEAN, DOUBLE, INT32, UINT32
from opcua_server.subscription import notify

BOTH, SOURCE, SERVER, NEITHER = (int(getattr(ua.TimestampsToReturn, n)) for n in ("Both", "Source", "Server", "Neither"))
T0 = 133_000_000_000_000_000
SENSOR = int(ua.StatusCodes.BadSensorFailure)


def when(ticks):
    return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)


def batch(slots, values, status, source=T0, server=T0 + 10):
    return notify.Batch(np.array(slots, np.intp), np.array(values, float), np.array(status, np.uint32), source, server)


def records(types, stamps):
    n = len(types)
    return notify.Records(np.arange(100, 100 + n, dtype=np.uint32), notify.layout_of(np.array(types, np.uint8), np.array(stamps, np.uint8)))


def read(count, parts):
    """Decode them in a whole response."""
    answer = decode(notify.publish_response(7, 3, (1, 2), True, notify.message(9, [notify.data_changes(count, parts)]), (0, 5)))
    assert (answer.handle, answer.subscription, answer.sequence, answer.more) == (7, 3, 9, True)
    assert (answer.available, answer.results) == ([1, 2], [0, 5])
    return {i.ClientHandle: i.Value for i in answer.items}


@pytest.mark.parametrize("stamps", [BOTH, SOURCE, SERVER, NEITHER])
@pytest.mark.parametrize("part", [False, True])
def test_every_type_with_every_choice_of_timestamps(stamps, part):
    types, values = [DOUBLE, BOOLEAN, INT32, UINT32, DOUBLE], [-1.5, 1, -7, 4_000_000_000, 1e300]
    slots = [0, 1, 2, 3] if part else [0, 1, 2, 3, 4]
    got = read(len(slots), records(types, [stamps] * 5).encode(batch(slots, values[: len(slots)], [0x40940000] * len(slots))))
    assert len(got) == len(slots)
    for slot in slots:
        value = got[100 + slot]
        assert value.Value.VariantType == ua.VariantType(types[slot])
        assert value.Value.Value == values[slot]
        assert value.StatusCode.value == 0x40940000
        assert value.SourceTimestamp == (when(T0) if stamps in (SOURCE, BOTH) else None)
        assert value.ServerTimestamp == (when(T0 + 10) if stamps in (SERVER, BOTH) else None)
    assert isinstance(got[101].Value.Value, bool)


@pytest.mark.parametrize("stamps", [BOTH, SOURCE, SERVER, NEITHER])
def test_a_bad_status_has_no_value(stamps):
    parts = records([DOUBLE, INT32, DOUBLE], [stamps] * 3).encode(batch([0, 1, 2], [np.nan, 3, 2.5], [SENSOR, 0, 0]))
    assert [p[4] & 1 for p in parts] == [0, 1, 1]  # mask bit of the Value
    got = read(3, parts)
    assert got[100].Value.Value is None and got[100].StatusCode.value == SENSOR
    assert got[100].SourceTimestamp == (when(T0) if stamps in (SOURCE, BOTH) else None)
    assert got[101].Value.Value == 3 and got[102].Value.Value == 2.5


def test_items_choose_their_timestamps_each():
    got = read(3, records([DOUBLE] * 3, [BOTH, NEITHER, SOURCE]).encode(batch([0, 1, 2], [1, 2, 3], [0, 0, 0])))
    assert [v.SourceTimestamp is not None for v in got.values()].count(True) == 2
    assert got[101].SourceTimestamp is None and got[102].ServerTimestamp is None


def test_values_of_several_rounds_keep_their_times_and_order():
    both = notify.joined([batch([0, 1], [1, 2], [0, 0]), batch([0], [5], [0], T0 + 1_000_000, T0 + 2_000_000)])
    parts = records([DOUBLE, DOUBLE], [BOTH, BOTH]).encode(both)
    items = decode(notify.publish_response(1, 1, (), False, notify.message(1, [notify.data_changes(3, parts)]), ())).items
    mine = [i.Value for i in items if i.ClientHandle == 100]
    assert [v.Value.Value for v in mine] == [1, 5]
    assert [v.SourceTimestamp for v in mine] == [when(T0), when(T0 + 1_000_000)]
    assert [v.ServerTimestamp for v in mine] == [when(T0 + 10), when(T0 + 2_000_000)]


def test_the_same_encoder_is_used_again_with_other_values():
    encoder = records([DOUBLE, BOOLEAN], [BOTH, BOTH])
    encoder.encode(batch([0, 1], [1, 1], [0, 0]))
    got = read(2, encoder.encode(batch([0, 1], [2, 0], [0, 0x40000000], T0 + 10_000_000)))
    assert got[100].Value.Value == 2 and got[101].Value.Value is False
    assert got[101].StatusCode.value == 0x40000000 and got[100].SourceTimestamp == when(T0 + 10_000_000)


def test_other_values_carry_the_timestamps_asked_for():
    now = datetime(2024, 5, 1, tzinfo=UTC)
    value = ua.DataValue(ua.Variant("on"), ua.StatusCode(), now, now)
    for stamps in (BOTH, SOURCE, SERVER, NEITHER):
        got = read(1, [notify.data_value(5, value, stamps)])[5]
        assert got.Value.Value == "on"
        assert (got.SourceTimestamp, got.ServerTimestamp) == (
            now if stamps in (SOURCE, BOTH) else None,
            now if stamps in (SERVER, BOTH) else None,
        )


def test_a_value_that_cannot_be_encoded_is_a_bad_status_and_no_exception():
    wrong = ua.DataValue(ua.Variant("text", ua.VariantType.Double))
    assert read(1, [notify.data_value(5, wrong, NEITHER)])[5].StatusCode.value == ua.StatusCodes.BadEncodingError
    answer = decode(
        notify.publish_response(
            1, 1, (), False, notify.message(1, [notify.events([notify.event_fields(2, [wrong.Value, ua.Variant(1)])])]), ()
        )
    )
    assert answer.events[0][1][0].value == ua.StatusCodes.BadEncodingError and answer.events[0][1][1] == 1


def test_keep_alive_status_change_fault_and_republish():
    assert decode(notify.publish_response(1, 2, (), False, notify.message(3, ()), ())).notifications == []
    answer = decode(notify.publish_response(1, 2, (), False, notify.message(3, [notify.status_change(0x800A0000)]), ()))
    assert answer.change == 0x800A0000
    assert decode(notify.fault(77, 0x80790000)).code == 0x80790000
    body = Buffer(notify.republish_response(8, notify.message(3, [notify.status_change(5)])))
    again = struct_from_binary(ua.RepublishResponse, body)
    assert again.ResponseHeader.RequestHandle == 8 and again.NotificationMessage.SequenceNumber == 3
    assert again.NotificationMessage.NotificationData[0].Status.value == 5
    assert abs((again.NotificationMessage.PublishTime - datetime.now(UTC)).total_seconds()) < 60
