"""HistoryRead over a real socket: what was recorded is read back, page by page, or refused as the specification says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from asyncua import ua
from served import here, name_of, std, until

from opcua_server.address.nodes import HISTORY
from opcua_server.address.plant_methods import RUN_NAME
from scenarios.run import open_run
from scenarios.schema import load_scenario

DOOR, HOLD, MODE, BATCH = "Line1.Station.LocalDoor", "Line1.Station.Hold", "Line1.Station.Mode", "Line1.Mixer.Batch"
GROSS, CAPACITY = "Line1.Weigher.Cement.Gross", "Line1.Weigher.Cement.Capacity"
START = load_scenario("full-demand", None)[0].starts
NEVER = ua.get_win_epoch()
Stamps = ua.TimestampsToReturn


def at(seconds):
    return START + timedelta(seconds=seconds)


async def recorded(plant, tmp_path, seconds=20):
    """Record a run in which the door's setpoint counts the seconds; row `n`, at second `n`, has `n - 1`."""
    plant.live.record(tmp_path / "run")
    for n in range(seconds):
        plant.live.write(DOOR, n % 100, "test")
        plant.live.write(HOLD, n % 2, "test")
        plant.live.write(MODE, n % 3, "test")
        await plant.live.step(10)


def raw(start=None, end=None, count=0, bounds=False, modified=False):
    """ReadRawModifiedDetails of times in seconds of the run."""
    return ua.ReadRawModifiedDetails(modified, NEVER if start is None else at(start), NEVER if end is None else at(end), count, bounds)


async def ask(peer, details, *tags, points=None, release=False, stamps=Stamps.Source, **item):
    """HistoryRead; returns its results, or the name of the StatusCode that refuses all."""
    nodes = [
        ua.HistoryReadValueId(here(t) if isinstance(t, str) else t, item.get("range"), ua.QualifiedName(item.get("encoding")), p)
        for t, p in zip(tags, points or [None] * len(tags), strict=True)
    ]
    answer = await peer.send(
        "HistoryRead", HistoryReadDetails=details, TimestampsToReturn=stamps, ReleaseContinuationPoints=release, NodesToRead=nodes
    )
    return answer if isinstance(answer, str) else answer.Results


async def one(peer, details, tag=DOOR, **how):
    """The values of one node, with its continuation point; or the name of the StatusCode."""
    answer = await ask(peer, details, tag, points=[how.pop("point", None)], **how)
    if isinstance(answer, str):
        return answer
    status = name_of(answer[0].StatusCode)
    return (values(answer[0]), answer[0].ContinuationPoint) if status == "Good" else status


def values(result):
    return [name_of(v.StatusCode) if v.StatusCode.is_bad() else v.Value.Value for v in result.HistoryData.DataValues]


# --- what was recorded ------------------------------------------------------------------------------------


async def test_the_library_s_client_reads_what_the_run_has(plant, loop, tmp_path):
    await recorded(plant, tmp_path)
    async with plant.client() as peer:
        node = peer.client.get_node(here(DOOR))
        got = await node.read_raw_history(at(0), at(60), return_bounds=False)
        assert [v.Value.Value for v in got] == list(range(20))
        assert [v.SourceTimestamp.replace(tzinfo=None) for v in got] == [at(n) for n in range(1, 21)]
        assert all(v.StatusCode.value == 0 and v.Value.VariantType == ua.VariantType.Double for v in got)
        assert [v.Value.Value for v in await node.read_raw_history(at(5), at(9), return_bounds=False)] == [4, 5, 6, 7]
        assert [v.Value.Value for v in await node.read_raw_history(at(9), at(5), return_bounds=False)] == [8, 7, 6, 5]
        assert [v.Value.Value for v in await node.read_raw_history(None, at(60), numvalues=3, return_bounds=False)] == [19, 18, 17]
        assert [v.Value.Value for v in await node.read_raw_history(at(0), None, numvalues=3, return_bounds=False)] == [0, 1, 2]
        bounded = await node.read_raw_history(at(0.5), at(2.5))
        assert [name_of(v.StatusCode) for v in bounded] == ["Good"] * 4  # the first one is what stood there at the start
        assert bounded[0].SourceTimestamp.replace(tzinfo=None) == at(0) and bounded[3].SourceTimestamp.replace(tzinfo=None) == at(3)
        (start, *_) = await node.read_raw_history(at(0), at(2.5))
        assert (name_of(start.StatusCode), start.Value.Value, start.SourceTimestamp.replace(tzinfo=None)) == ("Good", 0.0, at(0))
        (before, *_) = await node.read_raw_history(at(-1), at(2.5))
        assert name_of(before.StatusCode) == "BadBoundNotFound"
        assert await node.read_raw_history(at(100), at(200), return_bounds=False) == []
        assert [v.Value.Value for v in await node.read_raw_history(at(5), at(5), return_bounds=False)] == [4]
        assert [v.Value.Value for v in await node.read_raw_history(at(5), at(5))] == [4, 5]


async def test_every_recorded_tag_is_read_as_its_type(plant, loop, tmp_path):
    await recorded(plant, tmp_path, 5)
    async with plant.client() as peer:
        tags = [n for n in plant.live.sim.writer.info["resolution"]]
        answer = await ask(peer, raw(0, 60), *tags)
        plant.live.sim.flush()
        frame = open_run(tmp_path / "run").df("tags")
        for name, result in zip(tags, answer, strict=True):
            shown = (await peer.value(name)).Value
            for got, kept in zip(result.HistoryData.DataValues, frame[name], strict=True):
                if not got.StatusCode.is_bad():
                    assert got.Value.VariantType == shown.VariantType or shown.Value is None, name
                    assert got.Value.Value == pytest.approx(kept), name
        assert values(answer[tags.index(HOLD)]) == [False, True, False, True, False]
        assert values(answer[tags.index(MODE)]) == [0, 1, 2, 0, 1]


async def test_rows_are_there_at_once_and_while_time_goes_on(plant, loop, tmp_path):
    plant.live.record(tmp_path / "run")
    async with plant.client() as peer:
        assert await one(peer, raw(0, 60)) == "GoodNoData"
        for n in range(1, 4):
            await plant.live.step(10)
            assert len((await one(peer, raw(0, 60)))[0]) == n
        assert not list(tmp_path.glob("run/tags/*")), "nothing had to be written for that"
        plant.live.set_speed("max")
        plant.live.start()
        before = 3
        while plant.live.tick < 100_000 or before <= 50:
            got, _ = await one(peer, raw(0, 9999))
            assert before <= len(got) <= plant.live.tick // 100 and set(got) == {0.0}
            before = len(got)
        plant.live.pause()
        assert before > 50


async def test_readers_do_not_take_a_running_plant_s_time(plant, loop, tmp_path):
    plant.live.record(tmp_path / "run")
    async with plant.client() as peer:
        await plant.live.step(10)
        assert len((await one(peer, raw(0, 9999)))[0]) == 1
        plant.server.history._gather_at += 60.0
        plant.live.set_speed("max")
        plant.live.start()
        await until(lambda: plant.live.tick > 10_000)
        assert len((await one(peer, raw(0, 9999)))[0]) == 1, "who asks again too soon gets what is there"
        plant.live.pause()
        assert len((await one(peer, raw(0, 9999)))[0]) == plant.live.tick // 100
        plant.server.history._gather_at = 0.0


async def test_a_cut_cable_is_a_bad_value_in_the_past_too(plant, loop, tmp_path):
    plant.live.record(tmp_path / "run")
    await plant.live.step(20)
    plant.live.sim.inject("sensor-broken", "Line1.Weigher.Cement", duration_s=2.0)
    await plant.live.step(60)
    async with plant.client() as peer:
        got, _ = await one(peer, raw(0, 60), GROSS)
        bad = [n for n, v in enumerate(got) if v == "BadSensorFailure"]
        assert bad and set(bad) <= {2, 3, 4} and all(abs(v) < 5 for n, v in enumerate(got) if n not in bad)
        result = (await ask(peer, raw(0, 60), GROSS))[0]
        assert all(result.HistoryData.DataValues[n].Value.Value is None for n in bad)


async def test_the_past_of_a_run_that_is_over_can_be_read_and_that_of_the_run_before_cannot(plant, loop, tmp_path):
    await recorded(plant, tmp_path, 5)
    plant.live.sim.end_tick = plant.live.tick + 100
    await plant.live.step(10)
    assert plant.live.state == "ended"
    async with plant.client() as peer:
        assert (await one(peer, raw(0, 60)))[0] == [0, 1, 2, 3, 4, 4]
        assert await peer.read(DOOR, ua.AttributeIds.Historizing) is False
        assert await peer.read(DOOR, ua.AttributeIds.AccessLevel) & HISTORY
        plant.live.reset(seed=1)
        assert await one(peer, raw(0, 60)) == "BadHistoryOperationUnsupported"


async def test_nodes_say_whether_they_have_a_history(plant, loop, tmp_path):
    attributes = ua.AttributeIds.Historizing, ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel

    async def said(tag):
        historizing, *levels = [await peer.read(tag, a) for a in attributes]
        assert len({bool(level & HISTORY) for level in levels}) == 1
        return historizing, bool(levels[0] & HISTORY)

    async with plant.client() as peer:
        assert await said(DOOR) == await said(CAPACITY) == (False, False)
        assert RUN_NAME.fullmatch("history") and await peer.call("Run.StartRecording", "history") != "BadUserAccessDenied"
        assert await said(DOOR) == (True, True)
        assert await said(CAPACITY) == (False, False), "a figure that never changes is not recorded"
        assert await peer.read(std("HistoryServerCapabilities_AccessHistoryDataCapability")) is True
        assert await peer.read(std("HistoryServerCapabilities_AccessHistoryEventsCapability")) is False
        assert await peer.read(std("HistoryServerCapabilities_MaxReturnDataValues")) == plant.server.limits.history_values
        functions = await peer.client.get_node(std("HistoryServerCapabilities_AggregateFunctions")).get_children()
        assert {n.nodeid for n in functions} == {std(f"AggregateFunction_{n}") for n in ("Average", "Minimum", "Maximum", "Count")}


async def test_who_may_look_may_look_back(guarded, loop, tmp_path):
    await recorded(guarded, tmp_path, 3)
    async with guarded.client("observer") as peer:
        assert (await one(peer, raw(0, 60)))[0] == [0, 1, 2]


# --- pages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "end", "bounds"), [(0, 60, False), (60, 0, True), (4.5, 15.5, True)])
async def test_pages_follow_each_other(plant, loop, tmp_path, start, end, bounds):
    await recorded(plant, tmp_path)
    async with plant.client() as peer:
        whole, point = await one(peer, raw(start, end, 0, bounds))
        assert point is None
        got, point, pages = [], None, 0
        while pages == 0 or point:
            page, point = await one(peer, raw(start, end, 7, bounds), point=point)
            assert len(page) <= 7
            got, pages = got + page, pages + 1
        assert got == whole and pages == -(-len(whole) // 7)
        assert not next(iter(plant.server.sessions)).points


async def test_the_server_pages_by_itself_where_a_client_wants_all(plant, loop, tmp_path):
    await recorded(plant, tmp_path)
    limits = plant.server.limits
    plant.server.limits = replace(limits, history_values=6)
    try:
        async with plant.client() as peer:
            node = peer.client.get_node(here(DOOR))
            assert [v.Value.Value for v in await node.read_raw_history(at(0), at(60), return_bounds=False)] == list(range(20))
            assert [len(values(r)) for r in await ask(peer, raw(0, 60), DOOR, HOLD)] == [6, 6]
            assert [len(values(r)) for r in await ask(peer, raw(0, 60), *[DOOR] * 5)] == [2] * 5, "an answer as a whole is bounded, too"
            got, point = await one(peer, raw(0, None, 13))
            assert len(got) == 6 and point
            got, point = await one(peer, raw(0, None, 13), point=point)
            got, point = await one(peer, raw(0, None, 13), point=point)
            assert got == [12] and point is None, "no more than was asked for"
    finally:
        plant.server.limits = limits


async def test_a_continuation_point_is_good_once_for_its_node_session_and_run(plant, loop, tmp_path):
    await recorded(plant, tmp_path)
    details = raw(0, 60, 5)
    async with plant.client() as peer, plant.client() as other:
        _, point = await one(peer, details)
        assert await one(other, details, point=point) == await one(peer, details, HOLD, point=point) == "BadContinuationPointInvalid"
        assert (await one(peer, details, point=point))[0] == [5, 6, 7, 8, 9]
        assert await one(peer, details, point=point) == await one(peer, details, point=b"\0" * 8) == "BadContinuationPointInvalid"
        _, point = await one(peer, details)
        assert name_of((await ask(peer, details, DOOR, points=[point], release=True))[0].StatusCode) == "Good"
        for given in (point, None, b"\0" * 8):
            (result,) = await ask(peer, details, DOOR, points=[given], release=True)
            assert name_of(result.StatusCode) == "BadContinuationPointInvalid" and result.ContinuationPoint is None
        _, point = await one(peer, details)
        plant.live.reset(seed=1, out=tmp_path / "again")
        await plant.live.step(100)
        assert await one(peer, details, point=point) == "BadContinuationPointInvalid"


async def test_a_point_of_browsing_is_none_of_history(plant, loop, tmp_path):
    await recorded(plant, tmp_path, 3)
    async with plant.client() as peer:
        answer = await peer.send(
            "Browse", RequestedMaxReferencesPerNode=1, NodesToBrowse=[ua.BrowseDescription(here("Plant"), ResultMask=63)]
        )
        point = answer.Results[0].ContinuationPoint
        assert await one(peer, raw(0, 60, 1), point=point) == "BadContinuationPointInvalid"
        assert name_of((await ask(peer, raw(0, 60), DOOR, points=[point], release=True))[0].StatusCode) == "BadContinuationPointInvalid"
        answer = await peer.send("BrowseNext", ContinuationPoints=[point])
        assert name_of(answer.Parameters.Results[0].StatusCode) == "Good"


async def test_points_of_earlier_requests_make_room_but_those_of_one_request_are_bounded(plant, loop, tmp_path):
    await recorded(plant, tmp_path)
    most = plant.server.limits.continuation_points
    async with plant.client() as peer:
        points = [(await one(peer, raw(0, 60, 5)))[1] for _ in range(most + 3)]
        assert all(points) and await one(peer, raw(0, 60, 5), point=points[2]) == "BadContinuationPointInvalid"
        assert (await one(peer, raw(0, 60, 5), point=points[3]))[0] == [5, 6, 7, 8, 9]
        codes = [name_of(r.StatusCode) for r in await ask(peer, raw(0, 60, 5), *[DOOR] * (most + 2))]
        assert codes == ["Good"] * most + ["BadNoContinuationPoints"] * 2


# --- what cannot be read ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("node", "status"), [
    ("Line1.Nothing", "BadNodeIdUnknown"), (ua.NodeId(b"x", 5, ua.NodeIdType.ByteString), "BadNodeIdUnknown"), ("Line1.Station", "BadHistoryOperationUnsupported"),
    (std("Server_ServerStatus_CurrentTime"), "BadHistoryOperationUnsupported"), (CAPACITY, "BadHistoryOperationUnsupported"), (DOOR, "Good"),
])  # fmt: skip
async def test_nodes_without_a_history(plant, loop, tmp_path, node, status):
    await recorded(plant, tmp_path, 2)
    async with plant.client() as peer:
        good, bad = await ask(peer, raw(0, 60), DOOR, node)
        assert (name_of(good.StatusCode), name_of(bad.StatusCode)) == ("Good", status)
        assert values(good) == [0, 1]


async def test_a_run_that_is_not_recorded_has_no_history(plant, loop):
    await plant.live.step(20)
    async with plant.client() as peer:
        assert await one(peer, raw(0, 60)) == "BadHistoryOperationUnsupported"


@pytest.mark.parametrize(("details", "status"), [
    (raw(), "BadHistoryOperationInvalid"), (raw(count=5), "BadHistoryOperationInvalid"), (raw(start=1), "BadHistoryOperationInvalid"),
    (raw(end=1), "BadHistoryOperationInvalid"), (raw(0, 60, modified=True), "BadHistoryOperationUnsupported"),
    (ua.ReadEventDetails(5, at(0), at(60)), "BadHistoryOperationUnsupported"), (ua.ReadAtTimeDetails([], True), "BadHistoryOperationInvalid"),
    (raw(100, 200), "GoodNoData"),
])  # fmt: skip
async def test_requests_that_make_no_sense_or_are_not_done(plant, loop, tmp_path, details, status):
    await recorded(plant, tmp_path, 2)
    async with plant.client() as peer:
        assert await one(peer, details) == status


async def test_requests_that_are_refused_as_a_whole(plant, loop, tmp_path):
    await recorded(plant, tmp_path, 2)
    async with plant.client() as peer:
        assert await ask(peer, raw(0, 60)) == "BadNothingToDo"
        assert await ask(peer, raw(0, 60), DOOR, stamps=Stamps.Neither) == "BadTimestampsToReturnInvalid"
        assert await ask(peer, raw(0, 60), *[DOOR] * (plant.server.limits.history_nodes + 1)) == "BadTooManyOperations"
        assert await ask(peer, ua.Range(0, 1), DOOR) == "BadHistoryOperationInvalid"
        assert await ask(peer, processed("Average", 0, 60, 1000), DOOR, HOLD) == "BadAggregateListMismatch"


@pytest.mark.parametrize(("how", "status"), [
    ({"stamps": Stamps.Server}, "BadTimestampNotSupported"), ({"range": "0:1"}, "BadIndexRangeNoData"), ({"range": "x"}, "BadIndexRangeInvalid"),
    ({"encoding": "Default XML"}, "BadDataEncodingUnsupported"), ({"encoding": "Morse"}, "BadDataEncodingInvalid"),
])  # fmt: skip
async def test_ways_of_showing_values_that_are_not_ours(plant, loop, tmp_path, how, status):
    await recorded(plant, tmp_path, 2)
    async with plant.client() as peer:
        assert await one(peer, raw(0, 60), **how) == status
        assert (await one(peer, raw(0, 60), encoding="Default Binary", stamps=Stamps.Both))[0] == [0, 1]


@pytest.mark.parametrize("time", [datetime(1601, 1, 1, 0, 0, 1), datetime(9999, 12, 31, 23, 59, 59)])
async def test_times_far_away(plant, loop, tmp_path, time):
    await recorded(plant, tmp_path, 2)
    async with plant.client() as peer:
        for start, end in ((time, at(60)), (at(0), time), (time, time)):
            details = ua.ReadRawModifiedDetails(False, start, end, 0, True)
            got, _ = await one(peer, details)
            assert len(got) in (2, 3, 4) and "BadBoundNotFound" in got


# --- at times and aggregates ------------------------------------------------------------------------------


async def test_values_at_times(plant, loop, tmp_path):
    await recorded(plant, tmp_path)
    async with plant.client() as peer:
        details = ua.ReadAtTimeDetails([at(s) for s in (7, 7.5, 3, 0.5, 20, 21, -1)], True)
        got, point = await one(peer, details)
        assert got == [6, 6, 2, 0, 19, "BadNoData", "BadNoData"] and point is None
        (result,) = await ask(peer, details, DOOR)
        assert [v.StatusCode.value & 0xFFFF for v in result.HistoryData.DataValues] == [0, 0x402, 0, 0x402, 0, 0, 0]
        many = ua.ReadAtTimeDetails([at(1)] * (plant.server.limits.history_values + 1), True)
        assert await one(peer, many) == "BadTooManyOperations"


def processed(name, start, end, interval_ms, config=None):
    aggregate = ua.NodeId(getattr(ua.ObjectIds, f"AggregateFunction_{name}"))
    return ua.ReadProcessedDetails(at(start), at(end), interval_ms, [aggregate], config or ua.AggregateConfiguration())


@pytest.mark.parametrize(("name", "interval_ms", "expected"), [
    ("Average", 5000.0, [1.5, 6.0, 11.0, 16.0]), ("Minimum", 5000.0, [0, 4, 9, 14]), ("Maximum", 5000.0, [3, 8, 13, 18]),
    ("Count", 5000.0, [4, 5, 5, 5]), ("Maximum", 15_000.0, [13, 18]), ("Count", 0.0, [19]),
])  # fmt: skip
async def test_aggregates(plant, loop, tmp_path, name, interval_ms, expected):
    await recorded(plant, tmp_path)
    async with plant.client() as peer:
        got, _ = await one(peer, processed(name, 0, 20, interval_ms))
        assert got == expected
        (result,) = await ask(peer, processed(name, 0, 20, interval_ms), DOOR)
        stamps = [v.SourceTimestamp.replace(tzinfo=None) for v in result.HistoryData.DataValues]
        assert stamps == [at(n * interval_ms / 1000) for n in range(len(expected))]


async def test_aggregates_backward_in_time(plant, loop, tmp_path):
    await recorded(plant, tmp_path)
    async with plant.client() as peer:
        (result,) = await ask(peer, processed("Maximum", 20, 0, 8000.0), DOOR)
        assert values(result) == [19, 11, 3]
        assert [v.SourceTimestamp.replace(tzinfo=None) for v in result.HistoryData.DataValues] == [at(20), at(12), at(4)]
        assert [v.StatusCode.value for v in result.HistoryData.DataValues] == [0x401, 0x401, 0x405]


@pytest.mark.parametrize(("tag", "details", "status"), [
    (DOOR, processed("Interpolative", 0, 20, 1000.0), "BadAggregateNotSupported"), (HOLD, processed("Average", 0, 20, 1000.0), "BadAggregateInvalidInputs"),
    (DOOR, processed("Average", 5, 5, 1000.0), "BadInvalidArgument"), (DOOR, processed("Average", 0, 20, -1.0), "BadHistoryOperationInvalid"),
    (DOOR, processed("Average", 0, 20, float("nan")), "BadHistoryOperationInvalid"), (DOOR, processed("Average", 0, 20, 0.1), "BadTooManyOperations"),
    (DOOR, ua.ReadProcessedDetails(NEVER, at(5), 1.0, [std("AggregateFunction_Average")], ua.AggregateConfiguration()), "BadHistoryOperationInvalid"),
    (DOOR, processed("Average", 0, 20, 1000.0, ua.AggregateConfiguration(False, True, 101, 100, False)), "BadAggregateConfigurationRejected"),
    (DOOR, processed("Average", 0, 20, 1000.0, ua.AggregateConfiguration(False, True, 10, 20, False)), "BadAggregateConfigurationRejected"),
])  # fmt: skip
async def test_aggregates_that_cannot_be_had(plant, loop, tmp_path, tag, details, status):
    await recorded(plant, tmp_path, 3)
    async with plant.client() as peer:
        assert await one(peer, details, tag) == status


async def test_codes_can_be_counted_and_have_extremes_of_their_type(plant, loop, tmp_path):
    await recorded(plant, tmp_path, 6)
    async with plant.client() as peer:
        (result,) = await ask(peer, processed("Maximum", 0, 60, 0.0), MODE)
        (value,) = result.HistoryData.DataValues
        assert (value.Value.Value, value.Value.VariantType) == (2, ua.VariantType.UInt32)
        assert (await one(peer, processed("Count", 0, 60, 0.0), HOLD))[0] == [6]


async def test_an_hour_is_read_without_holding_up_the_plant(plant, loop, tmp_path):
    plant.live.record(tmp_path / "run")
    await plant.live.step(36_000)
    async with plant.client() as peer:
        got, point = await one(peer, raw(0, 3601), GROSS)
        assert len(got) == 3600 and point is None and np.isfinite(got).all()
