"""What asyncua's server lacks or does wrong, each row right here, or refused with the StatusCode of the specification."""

from __future__ import annotations

import asyncio

import pytest
from asyncua import ua
from served import here, item, name_of, std, until

from opcua_server.address.nodes import READ

GROSS, MOISTURE, DOOR = "Line1.Weigher.Cement.Gross", "Line1.Bin.Sand1.LabMoisture", "Line1.Station.LocalDoor"
NOWHERE = 4_000_000_000  # an id that nobody has
V = ua.VariantType
Mode = ua.MonitoringMode


def gross(value):
    return {"Line1__Weigher__Cement__Gross": value}


# --- who may come -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["", "admin", "any password"])
async def test_user_admin_with_any_password_is_refused(guarded, loop, password):
    with pytest.raises(ua.UaStatusCodeError) as refused:
        async with guarded.client("admin", password):
            pass
    # without a password asyncua sends none and no algorithm
    assert name_of(refused.value.code) == ("BadUserAccessDenied" if password else "BadIdentityTokenInvalid")


async def test_a_user_name_is_refused_where_everybody_is_anonymous(plant, loop):
    async with plant.client() as peer:
        token = ua.UserNameIdentityToken(PolicyId="anonymous", UserName="admin", Password=b"x")
        assert await peer.send("ActivateSession", UserIdentityToken=token) == "BadIdentityTokenRejected"
        assert await peer.read("Time.State") == "paused"  # the session stays what it was


async def test_session_tokens_are_random_and_bound_to_their_channel(plant, loop):
    async with plant.client() as one, plant.client() as other:
        tokens = [p.protocol.authentication_token for p in (one, other)]
        assert all(t.NodeIdType == ua.NodeIdType.ByteString and len(t.Identifier) == 32 for t in tokens)
        assert sum(a != b for a, b in zip(*(t.Identifier for t in tokens), strict=True)) > 20
        read = {"NodesToRead": [ua.ReadValueId(here("Time.State"), ua.AttributeIds.Value)]}
        for token in (tokens[0], ua.NodeId(1001), ua.NodeId(b"\0" * 32, 0, ua.NodeIdType.ByteString), ua.NodeId()):
            other.protocol.authentication_token = token
            assert await other.send("Read", **read) == "BadSessionIdInvalid"
            assert await other.send("CloseSession") == "BadSessionIdInvalid"
        other.protocol.authentication_token = tokens[1]
        assert await one.read("Time.State") == await other.read("Time.State") == "paused"


# --- reading and writing ----------------------------------------------------------------------------------


async def test_a_string_for_a_double_is_a_type_mismatch_and_the_node_goes_on(plant, loop):
    async with plant.client() as peer:
        assert await peer.write(MOISTURE, "4.5") == "BadTypeMismatch"
        assert await peer.write(MOISTURE, 4.5) == "Good"
        assert await peer.read(MOISTURE) == 4.5
        await peer.call("Time.Step", 1)
        assert await peer.read(MOISTURE) == 4.5


@pytest.mark.parametrize(
    ("index_range", "expected"),
    [
        ("0", slice(0, 1)), ("2:4", slice(2, 5)), ("99998:999999", "BadIndexRangeNoData"), ("4:2", "BadIndexRangeInvalid"), ("2:2", "BadIndexRangeInvalid"),
        ("x", "BadIndexRangeInvalid"), ("-1", "BadIndexRangeInvalid"), ("0:1,0:1", "BadIndexRangeNoData"), ("1:", "BadIndexRangeInvalid"),
    ],
)  # fmt: skip
async def test_index_range_reads_a_part(plant, loop, index_range, expected):
    async with plant.client() as peer:
        whole = await peer.read("Image.Sensors")
        assert await peer.read("Image.Sensors", index_range=index_range) == (whole[expected] if isinstance(expected, slice) else expected)


async def test_index_range_reads_up_to_the_end(plant, loop):
    async with plant.client() as peer:
        names = await peer.read("Image.Sensors.Names")
        assert await peer.read("Image.Sensors.Names", index_range=f"{len(names) - 2}:999999") == names[-2:]
        assert await peer.read("Run.Scenario", index_range="0:3") == "full"  # part of a String
        assert await peer.read("Time.Elapsed", index_range="0") == "BadIndexRangeNoData"  # no array
        assert await peer.read(GROSS, index_range="0") == "BadIndexRangeNoData"
        assert await peer.read(GROSS, ua.AttributeIds.DisplayName, index_range="0") == "BadIndexRangeNoData"


async def test_index_range_writes_a_part(plant, loop):
    async with plant.client() as peer:
        names = await peer.read("Image.Setpoints.Names")
        at = names.index("Line1.Bin.Sand1.LabMoisture")
        before = await peer.read("Image.Setpoints")
        assert await peer.write("Image.Setpoints", [3.5], V.Double, f"{at}") == "Good"
        assert await peer.read("Image.Setpoints") == [*before[:at], 3.5, *before[at + 1 :]]
        assert await peer.write("Image.Setpoints", [1.0, 2.0], V.Double, f"{at}") == "BadIndexRangeDataMismatch"
        assert await peer.write("Image.Setpoints", [1.0], V.Double, f"{at}:{at + 1}") == "BadIndexRangeDataMismatch"
        assert await peer.write("Image.Setpoints", [1.0], V.Double, str(len(names))) == "BadIndexRangeNoData"
        assert await peer.write("Image.Setpoints", [1.0], V.Double, "x") == "BadIndexRangeInvalid"
        assert await peer.write("Image.Setpoints", 1.0, V.Double, f"{at}") in ("BadIndexRangeDataMismatch", "BadTypeMismatch")
        assert await peer.write(MOISTURE, 1.0, V.Double, "0") == "BadIndexRangeNoData"
        assert await peer.read(MOISTURE) == 3.5


async def test_access_level_0_is_neither_read_nor_written(plant, loop):
    node = here("Test.Hidden")
    if node not in plant.server.nodes.space:
        plant.server.nodes.variable("Test.Hidden", here("Plant"), plant.server.nodes.texts[here("Plant")][0], 11, 1.0, access=0)
    async with plant.client() as peer:
        assert await peer.read(node) == "BadNotReadable"
        assert await peer.write(node, 1.0) == "BadNotWritable"
        assert await peer.read(node, ua.AttributeIds.AccessLevel) == 0
        assert not await peer.read(here(GROSS), ua.AttributeIds.AccessLevel) & ~(READ | 4)
        (result,) = await peer.monitor(await peer.subscribe(), node)
        if name_of(result.StatusCode) == "Good":  # OPC 10000-4 5.13.2 leaves it open to tell it here or with the first value
            assert (await peer.publish()).data == [(0, "BadNotReadable")]
        else:
            assert name_of(result.StatusCode) == "BadNotReadable"


# --- browsing ---------------------------------------------------------------------------------------------


def browsing(node, most=0):
    description = ua.BrowseDescription(node, ua.BrowseDirection.Forward, std("HierarchicalReferences"), True, 0, 63)
    return {"NodesToBrowse": [description], "RequestedMaxReferencesPerNode": most}


async def browsed(peer, node, most=0):
    return (await peer.send("Browse", **browsing(node, most))).Results[0]


async def next_of(peer, point, release=False):
    (result,) = (await peer.send("BrowseNext", ContinuationPoints=[point], ReleaseContinuationPoints=release)).Parameters.Results
    return result


async def test_browse_next_gives_the_rest_in_pieces(plant, loop):
    async with plant.client() as peer:
        whole = [r.NodeId for r in (await browsed(peer, here("Line1.Station"))).References]
        assert len(whole) > 10
        result = await browsed(peer, here("Line1.Station"), 4)
        found = []
        while True:
            assert len(result.References) <= 4
            found += [r.NodeId for r in result.References]
            if not result.ContinuationPoint:
                break
            point = result.ContinuationPoint
            result = await next_of(peer, point)
            assert name_of(result.StatusCode) == "Good"
        assert found == whole
        assert name_of((await next_of(peer, point)).StatusCode) == "BadContinuationPointInvalid"  # used up


async def test_continuation_points_are_released_bounded_and_ones_own(plant, loop):
    most = plant.server.limits.continuation_points
    async with plant.client() as peer, plant.client() as other:
        points = [(await browsed(peer, here("Line1.Station"), 1)).ContinuationPoint for _ in range(most)]
        assert len(set(points)) == most
        assert name_of((await browsed(peer, here("Line1.Station"), 1)).StatusCode) == "BadNoContinuationPoints"
        assert name_of((await next_of(other, points[0])).StatusCode) == "BadContinuationPointInvalid"
        released = await next_of(peer, points[0], release=True)
        assert name_of(released.StatusCode) == "Good" and not released.References and not released.ContinuationPoint
        assert name_of((await next_of(peer, points[0])).StatusCode) == "BadContinuationPointInvalid"
        assert (await browsed(peer, here("Line1.Station"), 1)).ContinuationPoint
        assert await peer.send("BrowseNext", ContinuationPoints=[]) == "BadNothingToDo"


async def test_registered_nodes_are_the_nodes(plant, loop):
    async with plant.client() as peer:
        answer = await peer.send("RegisterNodes", NodesToRegister=[here(GROSS), std("Server")])
        assert answer.Parameters.RegisteredNodeIds == [here(GROSS), std("Server")]
        assert not isinstance(await peer.send("UnregisterNodes", NodesToUnregister=[here(GROSS)]), str)
        assert await peer.send("RegisterNodes", NodesToRegister=[]) == "BadNothingToDo"


# --- monitored items --------------------------------------------------------------------------------------


def deadband(size, kind):
    return ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, kind, size)


@pytest.mark.parametrize(("kind", "size"), [(1, 10.0), (2, 10.0 / 2160.0 * 100.0)], ids=["absolute deadband", "percent deadband"])
async def test_deadband_compares_with_the_last_reported_value(plant, loop, kind, size):
    plant.show(**gross(100.0))
    async with plant.client() as peer:
        await peer.subscribe(GROSS, filter_=deadband(size, kind), queue=10)
        assert (await peer.publish()).data == [(0, 100.0)]
        for step in range(1, 25):  # a slow ramp: each step is far below the deadband
            plant.show(**gross(100.0 + step))
        assert (await peer.publish()).data == [(0, 111.0), (0, 122.0)]


async def test_deadband_that_fits_no_number_is_refused(plant, loop):
    async with plant.client() as peer:
        subscription = await peer.subscribe()
        for node, filter_, code in (
            (GROSS, deadband(-1.0, 1), "BadDeadbandFilterInvalid"), (GROSS, deadband(101.0, 2), "BadDeadbandFilterInvalid"),
            ("Line1.Mixer.Running", deadband(1.0, 1), "BadFilterNotAllowed"), ("Time.State", deadband(1.0, 2), "BadFilterNotAllowed"),
            (GROSS, ua.AggregateFilter(), "BadMonitoredItemFilterUnsupported"), (GROSS, ua.EventFilter(), "BadFilterNotAllowed"),
        ):  # fmt: skip
            (result,) = await peer.monitor(subscription, node, filter_=filter_)
            assert (node, name_of(result.StatusCode)) == (node, code)


async def test_monitoring_mode_sampling_reports_nothing_until_it_is_reporting(plant, loop):
    async with plant.client() as peer:
        subscription = await peer.subscribe(DOOR)
        (result,) = await peer.monitor(subscription, GROSS, first=7, mode=Mode.Sampling, queue=3)
        assert (await peer.publish()).data == [(0, 0.0)]
        for value in (1.0, 2.0, 3.0):
            plant.show(**gross(value), Line1__Station__LocalDoor=value)
        assert {handle for handle, _ in (await peer.publish()).data} == {0}
        answer = await peer.send(
            "SetMonitoringMode", SubscriptionId=subscription, MonitoringMode=Mode.Reporting, MonitoredItemIds=[result.MonitoredItemId]
        )
        assert [name_of(r) for r in answer.Parameters.Results] == ["Good"]
        assert (await peer.publish()).data == [(7, 1.0), (7, 2.0), (7, 3.0)]  # what was sampled is there


async def test_queue_size_0_is_1(plant, loop):
    async with plant.client() as peer:
        subscription = await peer.subscribe()
        (result,) = await peer.monitor(subscription, GROSS, queue=0)
        assert result.RevisedQueueSize == 1
        plant.show(**gross(5.0))
        plant.show(**gross(6.0))
        assert (await peer.publish()).data == [(0, 6.0)]


async def test_queue_size_is_bounded(plant, loop):
    async with plant.client() as peer:
        (result,) = await peer.monitor(await peer.subscribe(), GROSS, queue=2**32 - 1)
        assert result.RevisedQueueSize == plant.server.limits.queue_size


async def test_sampling_interval_is_obeyed(plant, loop):
    async with plant.client() as peer:
        subscription = await peer.subscribe()
        slow, fast = (
            await peer.monitor(subscription, GROSS, interval=60_000.0, queue=10),
            await peer.monitor(subscription, GROSS, first=1, queue=10),
        )
        assert (slow[0].RevisedSamplingInterval, fast[0].RevisedSamplingInterval) == (60_000.0, 0.0)
        for value in (5.0, 6.0):
            plant.show(**gross(value))
        data = (await peer.publish()).data
        assert [v for handle, v in data if handle == 1][-2:] == [5.0, 6.0]
        assert len([v for handle, v in data if handle == 0]) == 1


async def test_what_changed_between_two_samplings_is_reported_when_time_stands(plant, loop):
    async with plant.client() as peer:
        await peer.monitor(await peer.subscribe(), GROSS, interval=100.0)
        await peer.publish()
        plant.show(**gross(5.0))  # at once: its next sampling is due in 100 ms
        assert (await asyncio.wait_for(peer.publish(), 1.0)).data == [(0, 5.0)]


@pytest.mark.parametrize(("oldest", "kept"), [(True, [3.0, 4.0, 5.0]), (False, [1.0, 2.0, 5.0])], ids=["discard oldest", "discard newest"])
async def test_discard_oldest_is_obeyed_and_the_loss_is_told(plant, loop, oldest, kept):
    plant.show(**gross(1.0))
    async with plant.client() as peer:
        await peer.subscribe(GROSS, queue=3, oldest=oldest)
        for value in (2.0, 3.0, 4.0, 5.0):
            plant.show(**gross(value))
        items = (await peer.publish()).items
        assert [i.Value.Value.Value for i in items] == kept
        overflow = [bool(i.Value.StatusCode.value & 0x80) for i in items]
        assert overflow == ([True, False, False] if oldest else [False, False, True])


async def test_max_notifications_per_publish_is_obeyed(plant, loop):
    async with plant.client() as peer:
        await peer.subscribe(GROSS, DOOR, MOISTURE, "Line1.Mixer.Power", "Time.State", most=2)
        got = [await peer.publish() for _ in range(3)]
        assert [(len(g.data), g.more) for g in got] == [(2, True), (2, True), (1, False)]
        assert sorted(handle for g in got for handle, _ in g.data) == [0, 1, 2, 3, 4]


# --- subscriptions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [1.0, 0.0, -5.0, float("nan")])
async def test_publishing_interval_1_ms_is_clamped(plant, loop, asked):
    async with plant.client() as peer:
        answer = await peer.send(
            "CreateSubscription", RequestedPublishingInterval=asked, RequestedLifetimeCount=3, RequestedMaxKeepAliveCount=1
        )
        assert answer.Parameters.RevisedPublishingInterval == plant.server.limits.publishing_interval_min_ms == 20.0


async def test_modify_subscription_takes_effect(plant, loop):
    plant.show(**gross(0.0))
    async with plant.client() as peer:
        subscription = await peer.subscribe(GROSS, interval=3_600_000.0)
        asked = {
            "RequestedPublishingInterval": 20.0,
            "RequestedLifetimeCount": 10,
            "RequestedMaxKeepAliveCount": 5,
            "MaxNotificationsPerPublish": 1,
        }
        answer = await peer.send("ModifySubscription", SubscriptionId=subscription, **asked)
        p = answer.Parameters
        assert (p.RevisedPublishingInterval, p.RevisedLifetimeCount, p.RevisedMaxKeepAliveCount) == (20.0, 15, 5)
        assert (await peer.publish()).data == [(0, 0.0)]  # in 20 ms and not in an hour


async def test_modify_monitored_items_takes_effect_and_an_unknown_id_is_told(plant, loop):
    async with plant.client() as peer:
        subscription = await peer.subscribe()
        (made,) = await peer.monitor(subscription, GROSS)
        changes = [
            ua.MonitoredItemModifyRequest(i, ua.MonitoringParameters(9, 0.0, None, 5, True)) for i in (NOWHERE, made.MonitoredItemId)
        ]
        answer = await peer.send("ModifyMonitoredItems", SubscriptionId=subscription, TimestampsToReturn=2, ItemsToModify=changes)
        assert [name_of(r.StatusCode) for r in answer.Results] == ["BadMonitoredItemIdInvalid", "Good"]
        assert answer.Results[1].RevisedQueueSize == 5
        plant.show(**gross(5.0))
        assert {handle for handle, _ in (await peer.publish()).data} == {9}


async def test_transferred_subscriptions_go_on(plant, loop):
    plant.show(**gross(0.0))
    async with plant.client() as one, plant.client() as other:
        subscription = await one.subscribe(GROSS)
        first = await one.publish()
        waiting = asyncio.ensure_future(one.publish())
        answer = (await other.send("TransferSubscriptions", SubscriptionIds=[subscription, NOWHERE], SendInitialValues=True)).Parameters
        assert [name_of(r.StatusCode) for r in answer.Results] == ["Good", "BadSubscriptionIdInvalid"]
        assert list(answer.Results[0].AvailableSequenceNumbers) == [first.sequence]
        (change,) = (await waiting).notifications  # the old session is told
        assert name_of(change.Status) == "GoodSubscriptionTransferred"
        assert (await other.publish()).data == [(0, 0.0)]  # the initial value
        plant.show(**gross(42.0))
        assert (await other.publish()).data == [(0, 42.0)]
        assert await one.publish() == "BadNoSubscription"


async def test_another_user_cannot_take_a_subscription(guarded, loop):
    guarded.show(**gross(0.0))
    async with guarded.client("operator") as one, guarded.client("instructor") as other:
        subscription = await one.subscribe(GROSS)
        answer = (await other.send("TransferSubscriptions", SubscriptionIds=[subscription], SendInitialValues=True)).Parameters
        assert [name_of(r.StatusCode) for r in answer.Results] == ["BadUserAccessDenied"]
        assert (await one.publish()).data == [(0, 0.0)]


async def test_republish_gives_a_message_again_until_it_is_acknowledged(plant, loop):
    plant.show(**gross(0.0))
    async with plant.client() as peer:
        subscription = await peer.subscribe(GROSS)
        first = await peer.publish()
        again = await peer.send("Republish", SubscriptionId=subscription, RetransmitSequenceNumber=first.sequence)
        message = again.NotificationMessage
        assert message.SequenceNumber == first.sequence
        assert [i.Value.Value.Value for i in message.NotificationData[0].MonitoredItems] == [0.0]
        plant.show(**gross(3.0))
        second = await peer.publish((subscription, first.sequence), (subscription, 77), (NOWHERE, 1))
        assert second.results == ["Good", "BadSequenceNumberUnknown", "BadSubscriptionIdInvalid"]
        assert second.available == [second.sequence]
        assert (
            await peer.send("Republish", SubscriptionId=subscription, RetransmitSequenceNumber=first.sequence) == "BadMessageNotAvailable"
        )


async def test_set_triggering_reports_what_was_sampled(plant, loop):
    async with plant.client() as peer:
        subscription = await peer.subscribe()
        (trigger,) = await peer.monitor(subscription, DOOR)
        (linked,) = await peer.monitor(subscription, GROSS, first=1, mode=Mode.Sampling)
        await peer.publish()
        plant.show(**gross(5.0))
        add = {"TriggeringItemId": trigger.MonitoredItemId, "LinksToAdd": [linked.MonitoredItemId, NOWHERE], "LinksToRemove": []}
        answer = await peer.send("SetTriggering", SubscriptionId=subscription, **add)
        assert [name_of(r) for r in answer.Parameters.AddResults] == ["Good", "BadMonitoredItemIdInvalid"]
        plant.show(Line1__Station__LocalDoor=9.0)
        assert sorted((await peer.publish()).data) == [(0, 9.0), (1, 5.0)]
        assert (
            await peer.send("SetTriggering", SubscriptionId=subscription, TriggeringItemId=NOWHERE, LinksToAdd=[1])
            == "BadMonitoredItemIdInvalid"
        )


async def test_orphaned_subscriptions_are_bounded_and_end(plant, loop):
    most = plant.server.limits.subscriptions_per_session
    total = plant.server.limits.subscriptions
    for _ in range(total // most + 2):
        async with plant.client() as peer:
            answers = [await peer.send("CreateSubscription", RequestedPublishingInterval=20.0, RequestedLifetimeCount=100, RequestedMaxKeepAliveCount=1)
                       for _ in range(most)]  # fmt: skip
            assert not [a for a in answers if isinstance(a, str)]
            assert await peer.subscribe_refused() == "BadTooManySubscriptions"
            assert not isinstance(await peer.send("CloseSession", DeleteSubscriptions=False), str)
        assert len(plant.server.subscriptions.rows()) <= total
    await until(lambda: not plant.server.subscriptions.rows(), "subscriptions without a session never end")


# --- services that are refused as a whole -----------------------------------------------------------------

ITEM = item(GROSS)
REFUSED = [
    ("ModifySubscription unknown id", "ModifySubscription", {"SubscriptionId": NOWHERE}, "BadSubscriptionIdInvalid"),
    ("CreateMonitoredItems unknown subscription", "CreateMonitoredItems", {"SubscriptionId": NOWHERE, "ItemsToCreate": [ITEM]}, "BadSubscriptionIdInvalid"),
    ("ModifyMonitoredItems unknown subscription", "ModifyMonitoredItems", {"SubscriptionId": NOWHERE}, "BadSubscriptionIdInvalid"),
    ("DeleteMonitoredItems unknown subscription", "DeleteMonitoredItems", {"SubscriptionId": NOWHERE}, "BadSubscriptionIdInvalid"),
    ("Republish unknown subscription", "Republish", {"SubscriptionId": NOWHERE, "RetransmitSequenceNumber": 1}, "BadSubscriptionIdInvalid"),
    ("Publish without subscription", "Publish", {}, "BadNoSubscription"),
    ("TransferSubscriptions of nothing", "TransferSubscriptions", {"SubscriptionIds": []}, "BadNothingToDo"),
    ("Read of nothing", "Read", {"NodesToRead": []}, "BadNothingToDo"),
    ("Read with a wrong TimestampsToReturn", "Read", {"NodesToRead": [ua.ReadValueId()], "TimestampsToReturn": 9}, "BadTimestampsToReturnInvalid"),
    ("Read with a negative MaxAge", "Read", {"NodesToRead": [ua.ReadValueId()], "MaxAge": -1.0}, "BadMaxAgeInvalid"),
    ("Write of nothing", "Write", {"NodesToWrite": []}, "BadNothingToDo"),
    ("Browse of nothing", "Browse", {"NodesToBrowse": []}, "BadNothingToDo"),
    ("Browse in a view", "Browse", {"View": ua.ViewDescription(ua.NodeId(99)), "NodesToBrowse": [ua.BrowseDescription()]}, "BadViewIdUnknown"),
    ("Call of nothing", "Call", {"MethodsToCall": []}, "BadNothingToDo"),
    ("HistoryRead of nothing", "HistoryRead", {"NodesToRead": []}, "BadNothingToDo"),
    ("HistoryUpdate", "HistoryUpdate", {"HistoryUpdateDetails": []}, "BadServiceUnsupported"),
    ("QueryFirst", "QueryFirst", {}, "BadServiceUnsupported"),
    ("QueryNext", "QueryNext", {}, "BadServiceUnsupported"),
    ("Cancel", "Cancel", {}, "BadServiceUnsupported"),
    ("AddNodes", "AddNodes", {"NodesToAdd": []}, "BadServiceUnsupported"),
    ("AddReferences", "AddReferences", {"ReferencesToAdd": []}, "BadServiceUnsupported"),
    ("DeleteNodes", "DeleteNodes", {"NodesToDelete": []}, "BadServiceUnsupported"),
    ("DeleteReferences", "DeleteReferences", {"ReferencesToDelete": []}, "BadServiceUnsupported"),
    ("RegisterServer", "RegisterServer", {}, "BadServiceUnsupported"),
    ("RegisterServer2", "RegisterServer2", {}, "BadServiceUnsupported"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "parameters", "code"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
async def test_refused(plant, loop, service, parameters, code):
    async with plant.client() as peer:
        assert await peer.send(service, **parameters) == code
        assert await peer.read("Time.State") == "paused"


async def test_too_many_operations_are_refused(plant, loop):
    most = plant.server.limits.nodes_per_call
    async with plant.client() as peer:
        assert len((await peer.send("Read", NodesToRead=[ua.ReadValueId(here(GROSS), 13)] * most)).Results) == most
        assert await peer.send("Read", NodesToRead=[ua.ReadValueId(here(GROSS), 13)] * (most + 1)) == "BadTooManyOperations"


# --- what the server says of itself -----------------------------------------------------------------------


LIMITS = {
    "Server_ServerCapabilities_MaxBrowseContinuationPoints": "continuation_points",
    "Server_ServerCapabilities_MaxHistoryContinuationPoints": "continuation_points",
    "Server_ServerCapabilities_MaxArrayLength": "array_length",
    "Server_ServerCapabilities_MaxStringLength": "string_bytes",
    "Server_ServerCapabilities_MinSupportedSampleRate": "sampling_interval_min_ms",
    "Server_ServerCapabilities_OperationLimits_MaxNodesPerRead": "nodes_per_call",
    "Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite": "nodes_per_call",
    "Server_ServerCapabilities_OperationLimits_MaxNodesPerMethodCall": "nodes_per_call",
    "Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse": "nodes_per_call",
    "Server_ServerCapabilities_OperationLimits_MaxNodesPerRegisterNodes": "nodes_per_call",
    "Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds": "nodes_per_call",
    "Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall": "nodes_per_call",
    "Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData": "history_nodes",
    "Server_ServerCapabilities_MaxSessions": "sessions",
    "Server_ServerCapabilities_MaxSubscriptions": "subscriptions",
    "Server_ServerCapabilities_MaxSubscriptionsPerSession": "subscriptions_per_session",
    "Server_ServerCapabilities_MaxMonitoredItems": "monitored_items",
    "Server_ServerCapabilities_MaxMonitoredItemsPerSubscription": "monitored_items_per_subscription",
    "Server_ServerCapabilities_MaxMonitoredItemsQueueSize": "queue_size",
}


@pytest.mark.parametrize("node", LIMITS)
async def test_limits_can_be_read(plant, loop, node):
    async with plant.client() as peer:
        got = await peer.value(std(node))
        assert got.Value.Value == getattr(plant.server.limits, LIMITS[node])
        assert got.Value.VariantType == V(
            (await peer.read(std(node), ua.AttributeIds.DataType)).Identifier if not node.endswith("Rate") else 11
        )


DIAGNOSTICS = (
    "Server_ServerDiagnostics_ServerDiagnosticsSummary", "Server_ServerDiagnostics_SubscriptionDiagnosticsArray",
    "Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionDiagnosticsArray",
    "Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray",
)  # fmt: skip


async def test_diagnostics_tell_the_admin_who_is_there_and_nobody_else(guarded, loop):
    async with guarded.client("admin") as admin, guarded.client("instructor") as other:
        await other.subscribe(GROSS, DOOR)
        summary, subscriptions, sessions, _ = [await admin.read(std(n)) for n in DIAGNOSTICS]
        assert (summary.CurrentSessionCount, summary.CurrentSubscriptionCount) == (2, 1)
        assert [(r.MonitoredItemCount, r.PublishingInterval) for r in subscriptions] == [(2, 20.0)]
        assert len(sessions) == 2 and {s.ActualSessionTimeout for s in sessions} == {60_000.0}
        assert sorted(s.CreateSubscriptionCount.TotalCount for s in sessions) == [0, 1]
        assert sorted(s.CurrentSubscriptionsCount for s in sessions) == [0, 1]
        assert [await other.read(std(n)) for n in DIAGNOSTICS] == ["BadUserAccessDenied"] * 4


async def test_no_node_of_the_server_object_is_null_and_good(guarded, loop):
    """A node without a value is Bad, so that nobody takes nothing for a value."""
    seen, queue, null = set(), [std("Server")], []
    async with guarded.client("admin") as peer:
        while queue:
            node = queue.pop()
            for r in (await browsed(peer, node)).References:
                target = ua.NodeId(r.NodeId.Identifier, r.NodeId.NamespaceIndex)
                if target in seen or target.NamespaceIndex:
                    continue
                seen.add(target)
                queue.append(target)
                if r.NodeClass == ua.NodeClass.Variable:
                    got = await peer.value(target)
                    if got.StatusCode.is_good() and (got.Value is None or got.Value.Value is None):
                        null.append(r.BrowseName.Name)
    assert len(seen) > 100
    assert null == []
