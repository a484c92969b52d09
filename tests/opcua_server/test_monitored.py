"""Monitored items: sampling, deadbands, queues, modes, triggering; tags, other nodes and events."""

import math

import numpy as np
import pytest
from asyncua import ua
from subscribing import (
    ALARM,
    DISABLED,
    NOTIFIER,
    OVERFLOW,
    REPORTING,
    SAMPLING,
    SERVER,
    STATE,
    VALUE,
    Client,
    Plant,
    code,
    codes,
    deadband,
    event,
    item,
    select,
)

from opcua_server.protocol.limits import Limits

NAN = math.nan
Trigger = ua.DataChangeTrigger
OVERFLOW_EVENT = ua.NodeId(ua.ObjectIds.EventQueueOverflowEventType)


@pytest.fixture
def plant():
    return Plant()


@pytest.fixture
def client(plant):
    """Its subscription publishes every 100 ms, at each step of the model, and it has asked for much."""
    client = Client(plant)
    client.sub = client.subscribe()
    client.ask(50)
    return client


def steps(client, **series):
    """Steps with these values; what was reported of it."""
    for values in zip(*series.values(), strict=True):
        client.plant.step(**dict(zip(series, values, strict=True)))
    return [m.data for m in client.got() if m.notifications]


def reported(client, *values, name="Gross", **how):
    """What an item on a tag reports of a series of values; the first one it is created with."""
    client.plant.show(**{name: values[0]})
    client.monitor(client.sub, name, **how)
    return [v for data in steps(client, **{name: values}) for _, v in data]


# What is reported of a tag


def test_only_changes_are_reported_and_the_first_value_always(client):
    assert reported(client, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0) == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("name", "values"), [("Full", [False, True, False]), ("Count", [-3, 7, 8]), ("Mode", [0, 2, 1])])
def test_values_have_their_type(client, name, values):
    got = reported(client, *values, name=name)
    assert got == values and [type(v) for v in got] == [type(v) for v in values]


def test_times_are_those_of_the_snapshot(plant, client):
    client.monitor(client.sub, "Gross")
    plant.step(Gross=1.0)
    (value,) = (i.Value for i in client.got()[0].items)
    assert ua.uatypes.datetime_to_win_epoch(value.SourceTimestamp) == plant.board.source_time
    assert ua.uatypes.datetime_to_win_epoch(value.ServerTimestamp) == plant.board.server_time // 10 * 10


@pytest.mark.parametrize(("stamps", "source", "server"), [("Source", True, False), ("Server", False, True), ("Neither", False, False)])
def test_timestamps_are_those_asked_for(plant, client, stamps, source, server):
    plant.others[STATE, VALUE].SourceTimestamp = ua.get_win_epoch()
    (ident,) = client.monitor(client.sub, "Gross", stamps=getattr(ua.TimestampsToReturn, stamps))
    client.create(client.sub, item(STATE, 1), stamps=getattr(ua.TimestampsToReturn, stamps))
    plant.step()
    for one in client.got()[0].items:
        assert (one.Value.SourceTimestamp is not None, one.Value.ServerTimestamp is not None) == (source, server)
    client.modify(client.sub, ident, stamps=ua.TimestampsToReturn.Both)
    plant.step(Gross=1.0)
    (one,) = client.got()[0].items
    assert one.Value.SourceTimestamp is not None and one.Value.ServerTimestamp is not None


def test_a_deadband_is_measured_from_the_last_reported_value(client):
    assert reported(client, 0.0, 0.5, 0.75, 1.0, 1.25, 2.0, 2.25, 2.5, filter_=deadband(1.0)) == [0.0, 1.25, 2.5]


def test_a_percent_deadband_is_of_the_tags_range(client):
    assert reported(client, 0.0, 9.0, 10.0, 11.0, 21.0, 22.0, filter_=deadband(5, kind=2)) == [0.0, 11.0, 22.0]


def test_a_change_of_status_passes_a_deadband(client):
    uncertain, broken = 100.5, NAN
    got = reported(client, 100.0, uncertain, 100.1, broken, broken, 100.0, 99.9, filter_=deadband(50))
    assert got == [100.0, 100.5, code("BadSensorFailure"), 100.0]


@pytest.mark.parametrize("size", [0.0, 5.0])
def test_not_a_number_to_not_a_number_is_no_change(plant, client, size):
    plant.step = lambda **v: (plant.__class__.step(plant, **v), None)[1]
    show = plant.board.show
    plant.board.show = lambda image, at: (show(image, at), plant.board.status.fill(0))  # a number that is none, yet Good
    got = reported(client, 1.0, NAN, NAN, 2.0, 2.0, filter_=deadband(size) if size else None)
    assert len(got) == 3 and got[0] == 1.0 and math.isnan(got[1]) and got[2] == 2.0


def test_trigger_status_ignores_values(client):
    got = reported(client, 1.0, 2.0, 101.0, 102.0, 3.0, 4.0, filter_=ua.DataChangeFilter(Trigger.Status, 0, 0))
    assert got == [1.0, 101.0, 3.0]


def test_trigger_timestamp_reports_every_snapshot_but_not_within_a_deadband(plant, client):
    assert reported(client, 1.0, 1.0, 1.0, filter_=ua.DataChangeFilter(Trigger.StatusValueTimestamp, 0, 0)) == [1.0, 1.0, 1.0]
    got = reported(client, 1.0, 1.0, 1.0, name="Net", filter_=deadband(1, trigger=Trigger.StatusValueTimestamp))
    assert got.count(1.0) == 4  # three of Gross go on, one of Net


def test_the_triggers_live_side_by_side(plant, client):
    filters = [None, ua.DataChangeFilter(Trigger.Status, 0, 0), ua.DataChangeFilter(Trigger.StatusValueTimestamp, 0, 0), deadband(5)]
    client.create(client.sub, *(item("Gross", i, filter_=f) for i, f in enumerate(filters)))
    handles = [sorted(h for h, _ in data) for data in steps(client, Gross=[0.0, 1.0, 1.0, 9.0, 101.0])]
    assert handles == [[0, 1, 2, 3], [0, 2], [2], [0, 2, 3], [0, 1, 2, 3]]


def test_before_the_first_snapshot_an_item_waits_for_data():
    plant = Plant()
    plant.board.number = 0
    client = Client(plant)
    sub = client.subscribe()
    client.monitor(sub, "Gross", "Full")
    client.ask(9)
    plant.service.wake()
    plant.wait(0.1)
    assert [v for _, v in client.got()[0].data] == [code("BadWaitingForInitialData")] * 2
    plant.step(Gross=0.0)
    assert sorted(client.got()[0].data) == [(0, 0.0), (1, False)]


def test_a_bad_value_does_not_refuse_an_item(plant, client):
    plant.show(Gross=NAN)
    assert reported(client, NAN) == [code("BadSensorFailure")]


# Sampling


@pytest.mark.parametrize(
    ("what", "asked", "revised"),
    [
        ("Gross", 0, 0),
        ("Gross", -1, 100),
        ("Gross", NAN, 100),
        ("Gross", 250, 250),
        ("Gross", 1e12, 3_600_000),
        (STATE, 0, 50),
        (STATE, -1, 100),
    ],
)
def test_the_sampling_interval_is_revised(client, what, asked, revised):
    assert client.create(client.sub, item(what, interval=asked))[0].RevisedSamplingInterval == revised


def test_an_item_is_sampled_at_its_own_interval(client):
    client.create(client.sub, item("Gross", 0), item("Net", 1, interval=300.0))
    values = [float(n) for n in range(1, 13)]
    got = [pair for data in steps(client, Gross=values, Net=values) for pair in data]
    assert [v for h, v in got if h == 0] == values
    assert [v for h, v in got if h == 1] == [0.0, 3.0, 6.0, 9.0, 12.0]


def test_a_value_between_two_samples_is_not_seen(client):
    client.monitor(client.sub, "Gross", interval=300.0)
    assert steps(client, Gross=[5.0, 0.0, 0.0, 5.0, 0.0, 7.0]) == [[(0, 0.0)], [(0, 7.0)]]


def test_more_polled_items_are_read_less_often(plant):
    plant.limits = Limits()
    client = Client(plant)
    sub = client.subscribe()
    results = client.create(sub, *(item(STATE) for _ in range(1_000)))
    assert (results[0].RevisedSamplingInterval, results[-1].RevisedSamplingInterval) == (50, pytest.approx(499.5))


# Queues


def series(client, values, **how):
    """What a publishing interval of a second reports of values that came every 100 ms; values marked as overflowed."""
    client.service.modify(client.session, ua.ModifySubscriptionParameters(client.sub, 1000, 30, 5, 0, 0))
    client.plant.show(Gross=values[0])
    client.monitor(client.sub, "Gross", **how)
    for value in values[1:]:
        client.plant.step(Gross=value)
    client.plant.wait(1.1)
    items = [i for m in client.got() for i in m.items]
    return [(i.Value.Value.Value, i.Value.StatusCode.value) for i in items]


@pytest.mark.parametrize(
    ("queue", "oldest", "want"),
    [
        (10, True, [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]),
        (5, False, [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]),
        (3, True, [(3, OVERFLOW), (4, 0), (5, 0)]),
        (3, False, [(1, 0), (2, 0), (5, OVERFLOW)]),
        (2, True, [(4, OVERFLOW), (5, 0)]),
        (2, False, [(1, 0), (5, OVERFLOW)]),
        (1, True, [(5, 0)]),
        (1, False, [(5, 0)]),
        (0, True, [(5, 0)]),
    ],
)
@pytest.mark.parametrize("polled", [False, True])
def test_queues_keep_the_order_and_show_what_they_lost(plant, client, queue, oldest, want, polled):
    if not polled:
        assert series(client, [1.0, 2.0, 3.0, 4.0, 5.0], queue=queue, oldest=oldest) == want
        assert plant.service.rows()[0].MonitoringQueueOverflowCount == 5 - len(want)
        return
    client.service.modify(client.session, ua.ModifySubscriptionParameters(client.sub, 1000, 30, 5, 0, 0))
    plant.others[STATE, VALUE] = ua.DataValue(ua.Variant(1))
    client.create(client.sub, item(STATE, queue=queue, oldest=oldest))
    for n in range(2, 6):
        plant.others[STATE, VALUE] = ua.DataValue(ua.Variant(n))
        plant.wait(0.1)
    plant.wait(1.0)
    assert [(i.Value.Value.Value, i.Value.StatusCode.value) for m in client.got() for i in m.items] == want


@pytest.mark.parametrize(("asked", "revised"), [(0, 1), (1, 1), (7, 7), (10**9, 1_000)])
def test_the_queue_size_is_revised(client, asked, revised):
    assert client.create(client.sub, item("Gross", queue=asked))[0].RevisedQueueSize == revised


def test_queues_are_bounded_in_all():
    plant = Plant(Limits(queued_values=100))
    client = Client(plant)
    sub = client.subscribe()
    results = client.create(sub, *(item("Gross", queue=60) for _ in range(3)))
    assert [r.RevisedQueueSize for r in results] == [60, 40, 1]
    other = Client(plant)
    assert other.create(other.subscribe(), item("Gross", queue=60))[0].RevisedQueueSize == 1
    client.service.delete_items(client.session, ua.DeleteMonitoredItemsParameters(sub, [results[0].MonitoredItemId]))
    state = client.create(sub, item(STATE, queue=20))[0].MonitoredItemId
    events = client.create(sub, item(SERVER, queue=30, attribute=NOTIFIER, filter_=select("Severity")))[0].MonitoredItemId
    assert client.modify(sub, results[1].MonitoredItemId, queue=90).RevisedQueueSize == 48  # its own 40 and the 8 that are free
    assert client.modify(sub, state, queue=90).RevisedQueueSize == 20
    assert client.modify(sub, events, queue=90, filter_=select("Severity")).RevisedQueueSize == 30


def test_a_client_that_never_publishes_fills_no_memory(plant):
    client = Client(plant)
    sub = client.subscribe(lifetime=9_000)
    client.monitor(sub, "Gross", "Net", queue=10)
    tags = plant.service._subscriptions[sub].items.tags
    for n in range(2_000):
        plant.step(Gross=n / 100, Net=-n / 100)
        assert sum(len(b.slots) for b in tags._batches) <= 2 * 20 + 1_000
    client.ask()
    data = client.got()[0].data
    assert [v for h, v in data if h == 0] == [n / 100 for n in range(1990, 2000)]


def test_a_smaller_queue_applies_to_what_is_queued(plant, client):
    plant.service.modify(client.session, ua.ModifySubscriptionParameters(client.sub, 1000, 30, 5, 0, 0))
    (ident,) = client.monitor(client.sub, "Gross", queue=9)
    for n in range(1, 5):
        plant.step(Gross=float(n))
    assert client.modify(client.sub, ident, queue=2, handle=8).RevisedQueueSize == 2
    plant.wait(1.0)
    assert client.got()[0].data == [(8, 3.0), (8, 4.0)]


# Modes


def test_sampling_fills_the_queue_and_reports_nothing(plant, client):
    (ident,) = client.monitor(client.sub, "Gross", mode=SAMPLING, queue=3)
    assert steps(client, Gross=[1.0, 2.0, 3.0, 4.0]) == []
    assert client.mode(client.sub, REPORTING, ident, 999) == [0, code("BadMonitoredItemIdInvalid")]
    assert steps(client, Gross=[4.0]) == [[(0, 2.0), (0, 3.0), (0, 4.0)]]


def test_a_disabled_item_is_not_sampled_and_forgets_its_queue(plant, client):
    idents = client.monitor(client.sub, "Gross", "Net", mode=SAMPLING, queue=5)
    steps(client, Gross=[1.0], Net=[1.0])
    assert client.mode(client.sub, DISABLED, *idents) == [0, 0]
    assert steps(client, Gross=[2.0], Net=[2.0]) == []
    assert client.mode(client.sub, REPORTING, idents[0]) == [0]
    assert steps(client, Gross=[2.0], Net=[3.0]) == [[(0, 2.0)]]  # the first sample, though nothing changed


def test_an_item_created_disabled_reports_once_it_is_enabled(plant, client):
    (ident,) = client.monitor(client.sub, "Gross", mode=DISABLED)
    assert steps(client, Gross=[1.0, 2.0]) == []
    client.mode(client.sub, REPORTING, ident)
    assert steps(client, Gross=[2.0, 3.0]) == [[(0, 2.0)], [(0, 3.0)]]


def test_modes_of_other_nodes(plant, client):
    ident = client.create(client.sub, item(STATE, mode=SAMPLING, queue=5))[0].MonitoredItemId
    plant.wait(0.2)
    assert not any(m.notifications for m in client.got())
    client.mode(client.sub, DISABLED, ident)
    reads = len(plant.reads)
    plant.wait(0.5)
    assert len(plant.reads) == reads and not any(m.notifications for m in client.got())
    client.mode(client.sub, REPORTING, ident)
    plant.wait(0.1)
    assert [m.data for m in client.got()] == [[(0, "running")]]


def test_a_mode_that_does_not_exist_is_refused(client):
    (ident,) = client.monitor(client.sub, "Gross")
    with pytest.raises(ua.uaerrors.BadMonitoringModeInvalid):
        client.mode(client.sub, 7, ident)
    assert codes(client.create(client.sub, item("Gross", mode=7))) == [code("BadMonitoringModeInvalid")]


# Triggering


def test_a_trigger_reports_what_sampling_items_have_queued(plant, client):
    trigger, sampled = client.monitor(client.sub, "Full", "Gross", queue=3)
    client.mode(client.sub, SAMPLING, sampled)
    result = client.link(client.sub, trigger, add=(sampled, 999))
    assert codes(result.AddResults) == [0, code("BadMonitoredItemIdInvalid")]
    assert steps(client, Full=[0, 0], Gross=[1.0, 2.0]) == [[(0, False)]]
    (data,) = steps(client, Full=[1], Gross=[3.0])
    assert sorted(data) == [(0, True), (1, 1.0), (1, 2.0), (1, 3.0)]
    assert steps(client, Full=[1, 1], Gross=[4.0, 5.0]) == []  # once only
    result = client.link(client.sub, trigger, remove=(sampled, sampled))
    assert codes(result.RemoveResults) == [0, code("BadMonitoredItemIdInvalid")]
    assert steps(client, Full=[0], Gross=[6.0]) == [[(0, False)]]


@pytest.fixture
def linked(plant, client):
    """A sampling item each of a tag, another node and events; they are triggered by tag `Full`, which samples only itself."""
    requests = (
        item("Gross", 1, SAMPLING),
        item(STATE, 2, SAMPLING),
        item(SERVER, 3, SAMPLING, filter_=select("Severity"), attribute=NOTIFIER),
    )
    idents = [r.MonitoredItemId for r in client.create(client.sub, *requests)]
    (trigger,) = client.monitor(client.sub, "Full", mode=SAMPLING)
    plant.service.fire(event(7))
    plant.step()
    client.got()
    return trigger, idents


def test_all_kinds_can_be_triggered_by_an_item_that_only_samples(plant, client, linked):
    trigger, idents = linked
    client.link(client.sub, trigger, add=tuple(idents))
    plant.step(Full=1)
    (message,) = client.got()
    assert sorted(message.data, key=str) == [(1, 0.0), (2, "running")] and message.events == [(3, [7])]
    plant.others[STATE, VALUE] = ua.DataValue(ua.Variant("stopped"))
    plant.service.fire(event(8))
    plant.step(Gross=1.0)
    assert client.got() == []  # once only


def test_other_nodes_and_events_trigger_too(plant, client):
    sampled, state, events = (
        r.MonitoredItemId
        for r in client.create(
            client.sub, item("Gross", 1, SAMPLING), item(STATE, 2), item(SERVER, 3, filter_=select("Severity"), attribute=NOTIFIER)
        )
    )
    plant.step()
    client.got()
    client.link(client.sub, state, add=(sampled,))
    client.link(client.sub, events, add=(sampled,))
    plant.others[STATE, VALUE] = ua.DataValue(ua.Variant("stopped"))
    plant.step(Gross=1.0)
    assert sorted(client.got()[0].data) == [(1, 1.0), (2, "stopped")]
    plant.step(Gross=2.0)
    assert client.got() == []
    plant.service.fire(event(9))
    plant.step()
    (message,) = client.got()
    assert message.data == [(1, 2.0)] and message.events == [(3, [9])]


def test_links_go_with_their_items(plant, client, linked):
    trigger, idents = linked
    client.link(client.sub, trigger, add=tuple(idents))
    service = plant.service
    links = service._subscriptions[client.sub].items._links
    service.delete_items(client.session, ua.DeleteMonitoredItemsParameters(client.sub, idents[:1]))
    assert links == {trigger: set(idents[1:])}
    service.delete_items(client.session, ua.DeleteMonitoredItemsParameters(client.sub, idents[1:]))
    plant.step(Full=1)
    assert client.got() == [] and links == {}
    with pytest.raises(ua.uaerrors.BadMonitoredItemIdInvalid):
        client.link(client.sub, idents[0], add=(trigger,))
    (other,) = client.monitor(client.sub, "Net")
    client.link(client.sub, trigger, add=(other,))
    service.delete_items(client.session, ua.DeleteMonitoredItemsParameters(client.sub, [trigger]))
    assert links == {}


def test_links_are_bounded():
    plant = Plant(Limits(monitored_items_per_subscription=3))
    client = Client(plant)
    sub = client.subscribe()
    a, b, c = client.monitor(sub, "Gross", "Net", "Full")
    assert codes(client.link(sub, a, add=(b, c)).AddResults) == [0, 0]
    assert codes(client.link(sub, b, add=(a, c)).AddResults) == [0, code("BadTooManyOperations")]


# Creating, changing, deleting


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (item("Nothing"), "BadNodeIdUnknown"),
        (item("Gross", attribute=99), "BadAttributeIdInvalid"),
        (item("Gross", index="0:2"), "BadIndexRangeNoData"),
        (item("Gross", index="2"), "BadIndexRangeNoData"),
        (item("Gross", index="x"), "BadIndexRangeInvalid"),
        (item("Gross", encoding="Default XML"), "BadDataEncodingUnsupported"),
        (item("Gross", encoding="Nonsense"), "BadDataEncodingInvalid"),
        (item("Gross", attribute=ua.AttributeIds.DisplayName, encoding="Default Binary"), "BadDataEncodingInvalid"),
        (item("Gross", encoding="Default Binary"), "Good"),
        (item("Gross", filter_=deadband(100.5, kind=2)), "BadDeadbandFilterInvalid"),
        (item("Full", filter_=deadband(1)), "BadFilterNotAllowed"),
        (item("Full", filter_=deadband(0, kind=0)), "Good"),
        (item("Count", filter_=deadband(1)), "Good"),
        (item("Mode", filter_=deadband(1)), "Good"),
        (item("Mode", filter_=deadband(1, kind=2)), "BadFilterNotAllowed"),
        (item("Gross", filter_=select("Severity")), "BadFilterNotAllowed"),
        (item("Gross", filter_=ua.AggregateFilter()), "BadMonitoredItemFilterUnsupported"),
        (item("Gross", attribute=ua.AttributeIds.DisplayName, filter_=deadband(1)), "BadFilterNotAllowed"),
        (item(STATE, filter_=deadband(1)), "BadFilterNotAllowed"),
        (item(SERVER, attribute=NOTIFIER, filter_=deadband(1)), "BadFilterNotAllowed"),
        (item(SERVER, attribute=NOTIFIER), "BadEventFilterInvalid"),
        (item(STATE, attribute=NOTIFIER, filter_=select("Severity")), "BadNotSupported"),
        (item("Nothing", attribute=NOTIFIER, filter_=select("Severity")), "BadNodeIdUnknown"),
    ],
)
def test_what_can_be_monitored(plant, client, request_, why):
    plant.others[ua.NodeId("Gross", 1), ua.AttributeIds.DisplayName] = ua.DataValue(ua.Variant(ua.LocalizedText("Gross")))
    plant.others[ua.NodeId("Gross", 1), 99] = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadAttributeIdInvalid))
    assert codes(client.create(client.sub, request_, item("Net"))) == [code(why), 0]


@pytest.mark.parametrize(
    "why", ["BadSensorFailure", "BadWaitingForInitialData", "BadUserAccessDenied", "BadNotReadable", "BadIndexRangeNoData"]
)
def test_a_bad_status_that_may_pass_is_reported(plant, client, why):
    plant.others[STATE, VALUE] = ua.DataValue(ua.Variant("of old"), ua.StatusCode(code(why)))
    assert codes(client.create(client.sub, item(STATE))) == [0]
    plant.step()
    (one,) = client.got()[0].items
    assert one.Value.StatusCode.value == code(why) and one.Value.Value.Value is None


def test_invalid_timestamps_refuse_the_call(client):
    for call in (
        lambda: client.monitor(client.sub, "Gross", stamps=ua.TimestampsToReturn.Invalid),
        lambda: client.modify(client.sub, 1, stamps=ua.TimestampsToReturn.Invalid),
    ):
        with pytest.raises(ua.uaerrors.BadTimestampsToReturnInvalid):
            call()


def test_items_are_counted_by_subscription_and_in_all():
    plant = Plant(Limits(monitored_items=5, monitored_items_per_subscription=3))
    client = Client(plant)
    first, second = client.subscribe(), client.subscribe()
    many = code("BadTooManyMonitoredItems")
    mixed = item("Gross"), item(STATE), item("Net"), item("Gross")
    assert codes(client.create(first, *mixed)) == [0, 0, 0, many]
    assert codes(client.create(second, *mixed)) == [0, 0, many, many]


def test_modify_changes_what_an_item_reports(plant, client):
    gross, net = client.monitor(client.sub, "Gross", "Net")
    steps(client, Gross=[0.0], Net=[0.0])
    result = client.modify(client.sub, gross, handle=77, filter_=deadband(5), queue=4, interval=200.0)
    assert (result.StatusCode.value, result.RevisedQueueSize, result.RevisedSamplingInterval) == (0, 4, 200)
    assert steps(client, Gross=[1.0, 1.0, 6.0, 6.0], Net=[0.0, 1.0, 1.0, 1.0]) == [[(1, 1.0)], [(77, 6.0)]]
    assert client.modify(client.sub, 999).StatusCode.value == code("BadMonitoredItemIdInvalid")
    assert client.modify(client.sub, net, filter_=deadband(-1)).StatusCode.value == code("BadDeadbandFilterInvalid")
    assert steps(client, Gross=[6.0], Net=[2.0]) == [[(1, 2.0)]]  # a refused change changes nothing


def test_a_slow_item_that_is_made_fast_is_fast_at_once(client):
    (ident,) = client.monitor(client.sub, "Gross", interval=3_600_000)
    steps(client, Gross=[0.0])
    client.modify(client.sub, ident, interval=150)
    assert steps(client, Gross=[1.0]) == [[(0, 1.0)]]


def test_deleted_items_report_nothing_and_the_others_go_on(plant, client):
    plant.service.modify(client.session, ua.ModifySubscriptionParameters(client.sub, 300, 30, 5, 0, 0))
    idents = client.monitor(client.sub, "Gross", "Net", "Full", "Count", queue=9)
    state = client.create(client.sub, item(STATE, 9))[0].MonitoredItemId
    plant.step(Gross=1.0, Net=1.0, Full=1, Count=1)
    gone = [idents[0], idents[2], 999, state, state]
    results = plant.service.delete_items(client.session, ua.DeleteMonitoredItemsParameters(client.sub, gone))
    invalid = code("BadMonitoredItemIdInvalid")
    assert codes(results) == [0, 0, invalid, 0, invalid]
    plant.step(Gross=2.0, Net=2.0, Full=0, Count=2)
    plant.step()
    assert sorted(client.got()[0].data) == [(1, 0.0), (1, 1.0), (1, 2.0), (3, 0), (3, 1), (3, 2)]
    assert plant.service.rows()[0].MonitoredItemCount == 2
    client.create(client.sub, item("Gross", 50))
    plant.step(0.3)
    assert client.got()[0].data == [(50, 2.0)]


# Other nodes


def test_a_slow_node_that_is_made_fast_is_fast_at_once(plant, client):
    ident = client.create(client.sub, item(STATE, interval=3_600_000))[0].MonitoredItemId
    client.modify(client.sub, ident, interval=100)
    plant.others[STATE, VALUE] = ua.DataValue(ua.Variant("stopped"))
    plant.step()
    assert client.got()[0].data == [(0, "stopped")]


def test_what_only_samples_gets_no_initial_value_by_a_transfer(plant, client):
    idents = [r.MonitoredItemId for r in client.create(client.sub, item(STATE, 1), item("Gross", 2))]
    plant.step()
    client.got()
    client.mode(client.sub, SAMPLING, *idents)
    plant.service.transfer(client.session, [client.sub], True)
    client.mode(client.sub, REPORTING, *idents)
    plant.step()
    assert not any(m.notifications for m in client.got())


def test_other_nodes_are_polled_by_the_clock_with_the_session(plant, client):
    client.create(client.sub, item(STATE, 4, interval=200.0))
    plant.wait(1.0)
    assert [m.data for m in client.got() if m.notifications] == [[(4, "running")]]
    assert 5 <= len(plant.reads) <= 6 and plant.reads[-1] == (STATE, client.session)
    plant.others[STATE, VALUE] = ua.DataValue(ua.Variant("stopped"))
    plant.wait(0.3)
    assert [m.data for m in client.got() if m.notifications] == [[(4, "stopped")]]


@pytest.mark.parametrize(
    ("old", "new", "filter_", "differs"),
    [
        (ua.DataValue(ua.Variant(1)), ua.DataValue(ua.Variant(1)), None, False),
        (ua.DataValue(ua.Variant(1)), ua.DataValue(ua.Variant(2)), None, True),
        (ua.DataValue(ua.Variant(1)), ua.DataValue(ua.Variant(1.0)), None, True),
        (ua.DataValue(ua.Variant([1, 2])), ua.DataValue(ua.Variant([1, 2])), None, False),
        (ua.DataValue(ua.Variant([1, 2])), ua.DataValue(ua.Variant([1, 3])), None, True),
        (ua.DataValue(ua.Variant(NAN)), ua.DataValue(ua.Variant(NAN)), None, False),
        (ua.DataValue(ua.Variant(1)), ua.DataValue(StatusCode=ua.StatusCode(0x80000000)), None, True),
        (ua.DataValue(ua.Variant(1)), ua.DataValue(ua.Variant(2)), ua.DataChangeFilter(Trigger.Status, 0, 0), False),
        (ua.DataValue(ua.Variant(1.0)), ua.DataValue(ua.Variant(1.9)), deadband(1), False),
        (ua.DataValue(ua.Variant(1.0)), ua.DataValue(ua.Variant(2.1)), deadband(1), True),
        (ua.DataValue(ua.Variant(1.0)), ua.DataValue(ua.Variant(1.0), ua.StatusCode(0x40000000)), deadband(1), True),
        (ua.DataValue(ua.Variant(1.0)), ua.DataValue(ua.Variant(1.0), None, ua.get_win_epoch()), None, False),
        (
            ua.DataValue(ua.Variant(1.0)),
            ua.DataValue(ua.Variant(1.0), None, ua.get_win_epoch()),
            ua.DataChangeFilter(Trigger.StatusValueTimestamp, 0, 0),
            True,
        ),
    ],
)
def test_when_another_node_has_changed(plant, client, old, new, filter_, differs):
    plant.others[STATE, VALUE] = old
    assert codes(client.create(client.sub, item(STATE, filter_=filter_))) == [0]
    plant.step()
    plant.others[STATE, VALUE] = new
    plant.step()
    assert len([m for m in client.got() if m.notifications]) == 1 + differs


# Events


def listen(client, *paths, **how):
    filter_ = how.pop("filter_", None) or select(*paths)
    (result,) = client.create(client.sub, item(SERVER, 3, attribute=NOTIFIER, filter_=filter_, **how))
    assert result.StatusCode.value == 0
    return result


def test_events_are_reported_with_the_fields_asked_for(plant):
    client = Client(plant, locales=("zh",))
    client.sub = client.subscribe()
    client.ask(5)
    listen(client, "Severity", "Message", "Nothing", queue=0)
    plant.service.fire(event(7))
    plant.service.fire(event(8))
    plant.service.fire(event(9, notifiers=(STATE,)))
    plant.step()
    empty = ua.LocalizedText("空", "zh")
    assert client.got()[0].events == [(3, [7, empty, None]), (3, [8, empty, None])]


def test_only_events_that_pass_the_where_clause_are_reported(plant, client):
    clause = ua.ContentFilterElement(
        ua.FilterOperator.GreaterThan, [select("Severity").SelectClauses[0], ua.LiteralOperand(ua.Variant(500))]
    )
    listen(client, filter_=select("Severity", where=ua.ContentFilter([clause])), queue=0)
    for severity in (100, 600, 500, 501):
        plant.service.fire(event(severity))
    plant.step()
    assert [fields for _, fields in client.got()[0].events] == [[600], [501]]


def test_an_event_filter_that_cannot_be_used_says_why(client):
    bad = ua.ContentFilter([ua.ContentFilterElement(ua.FilterOperator.InView, [])])
    (result,) = client.create(client.sub, item(SERVER, attribute=NOTIFIER, filter_=select("Severity", where=bad)))
    assert result.StatusCode.value == code("BadEventFilterInvalid")
    assert result.FilterResult.WhereClauseResult.ElementResults[0].StatusCode.value == code("BadFilterOperatorUnsupported")
    good = listen(client, "Severity")
    assert codes(good.FilterResult.SelectClauseResults) == [0]
    changed = client.modify(client.sub, good.MonitoredItemId, filter_=select("Severity", where=bad))
    assert changed.StatusCode.value == code("BadEventFilterInvalid")


@pytest.mark.parametrize(("asked", "revised"), [(0, 100), (1, 1), (7, 7), (10**9, 1_000)])
def test_the_event_queue_size_is_revised(client, asked, revised):
    assert listen(client, "Severity", queue=asked).RevisedQueueSize == revised


@pytest.mark.parametrize(("oldest", "want"), [(True, ["lost", 3, 4]), (False, [1, 4, "lost"])])
def test_an_event_queue_that_overflows_says_so(plant, client, oldest, want):
    listen(client, "Severity", "EventType", "SourceName", queue=2, oldest=oldest)
    for severity in (1, 2, 3, 4):
        plant.service.fire(event(severity))
    plant.step()
    events = [fields for _, fields in client.got()[0].events]
    assert ["lost" if kind == OVERFLOW_EVENT else severity for severity, kind, _ in events] == want
    assert [name for _, kind, name in events if kind == OVERFLOW_EVENT] == ["Internal/EventQueueOverflow"]
    assert plant.service.rows()[0].EventQueueOverflowCount == 2
    plant.service.fire(event(5))
    plant.step()
    assert [fields[0] for _, fields in client.got()[0].events] == [5]  # told once


def test_a_message_holds_no_more_events_than_agreed(plant):
    client = Client(plant)
    client.sub = client.subscribe(most=2)
    listen(client, "Severity", queue=0)
    client.monitor(client.sub, "Gross")
    client.ask(9)
    for severity in (1, 2, 3):
        plant.service.fire(event(severity))
    plant.step()
    messages = client.got()
    assert [(len(m.items), [f[0] for _, f in m.events], m.more) for m in messages] == [(0, [1, 2], True), (1, [3], False)]


def test_a_disabled_event_item_hears_nothing(plant, client):
    ident = listen(client, "Severity", mode=SAMPLING).MonitoredItemId
    plant.service.fire(event(1))
    client.mode(client.sub, DISABLED, ident)
    plant.service.fire(event(2))
    client.mode(client.sub, REPORTING, ident)
    plant.step()
    assert not any(m.notifications for m in client.got())


def test_a_refresh_goes_to_one_subscription_or_item_and_its_ends_pass_every_filter(plant, client):
    never = ua.ContentFilter([ua.ContentFilterElement(ua.FilterOperator.IsNull, [select("Severity").SelectClauses[0]])])
    first = listen(client, "Severity", queue=0).MonitoredItemId
    listen(client, filter_=select("Severity", where=never), queue=0)
    other = Client(plant)
    other.sub = other.subscribe()
    other.ask(5)
    listen(other, "Severity", queue=0)
    plant.step()
    client.got(), other.got()
    start, end = (event(n, ua.NodeId(getattr(ua.ObjectIds, f"Refresh{e}EventType"))) for n, e in ((1, "Start"), (2, "End")))
    for happened in (start, event(50, ALARM), end):
        plant.service.fire(happened, client.sub)
    plant.step()
    assert sorted(f[0] for _, f in client.got()[0].events) == [1, 1, 2, 2, 50]
    plant.service.fire(event(60), client.sub, first)
    plant.service.fire(event(70), client.sub, 999)
    plant.step()
    assert [f[0] for _, f in client.got()[0].events] == [60]
    assert not any(m.notifications for m in other.got())


def test_a_smaller_event_queue_loses_events_and_says_so(plant, client):
    ident = listen(client, "Severity", queue=9).MonitoredItemId
    for severity in (1, 2, 3):
        plant.service.fire(event(severity))
    request = ua.MonitoredItemModifyRequest(
        ident, item(SERVER, 4, attribute=NOTIFIER, filter_=select("Severity"), queue=2).RequestedParameters
    )
    plant.service.modify_items(client.session, ua.ModifyMonitoredItemsParameters(client.sub, ua.TimestampsToReturn.Both, [request]))
    plant.step()
    assert client.got()[0].events == [(4, [500]), (4, [2]), (4, [3])]


def test_values_of_many_tags_are_exact():
    plant = Plant()
    client = Client(plant)
    sub = client.subscribe()
    client.ask(30)
    rng = np.random.default_rng(1)
    client.monitor(sub, *plant.names * 20)
    for _ in range(20):
        plant.step(Gross=rng.normal(0, 60), Net=rng.normal(), Full=rng.integers(2), Count=rng.integers(-999, 999), Mode=rng.integers(3))
        for handle, value in client.got()[0].data:
            assert value == plant.image[handle % 5] or (value == code("BadSensorFailure") and abs(plant.image[0]) > 100)
