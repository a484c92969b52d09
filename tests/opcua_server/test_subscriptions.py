"""The subscription service: publishing cycle, publish requests, acknowledgement, republishing, transfer, limits."""

import asyncio
import math

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from subscribing import SAMPLING, SERVER, Client, Fault, Message, Plant, code, codes, event, item, select

from opcua_server.protocol.limits import Limits
from opcua_server.subscription import notify
from opcua_server.subscription.subscriptions import SubscriptionService


@pytest.fixture
def plant():
    return Plant()


def refused(name):
    return pytest.raises(getattr(ua.uaerrors, name))


# Settings


@pytest.mark.parametrize(
    ("asked", "interval"),
    [(100, 100), (0, 20), (-5, 20), (1, 20), (math.nan, 20), (math.inf, 3_600_000), (1e12, 3_600_000), (250.5, 250.5)],
)
def test_the_publishing_interval_is_clamped(plant, asked, interval):
    result = plant.service.create(Client(plant).session, ua.CreateSubscriptionParameters(asked, 30, 5, 0, True, 0))
    assert result.RevisedPublishingInterval == pytest.approx(interval)


@pytest.mark.parametrize(
    ("lifetime", "keep_alive", "revised"),
    [(30, 5, (30, 5)), (0, 0, (3, 1)), (10, 5, (15, 5)), (10**9, 10**9, (10_000, 3_000)), (1, 3_000, (9_000, 3_000))],
)
def test_the_lifetime_is_at_least_three_keep_alives(plant, lifetime, keep_alive, revised):
    result = plant.service.create(Client(plant).session, ua.CreateSubscriptionParameters(100, lifetime, keep_alive, 0, True, 0))
    assert (result.RevisedLifetimeCount, result.RevisedMaxKeepAliveCount) == revised


def test_modify_subscription_applies(plant):
    client = Client(plant)
    sub = client.subscribe(interval=1000, keep_alive=50)
    client.monitor(sub, "Gross", "Net")
    client.ask(3)
    result = plant.service.modify(client.session, ua.ModifySubscriptionParameters(sub, 50, 10, 2, 1, 7))
    assert (result.RevisedPublishingInterval, result.RevisedLifetimeCount, result.RevisedMaxKeepAliveCount) == (50, 10, 2)
    plant.wait(0.05)
    assert [len(a.items) for a in client.got()] == [1, 1]  # at most one notification a message
    plant.wait(0.1)
    assert [a.notifications for a in client.got()] == [[]]  # two cycles to the keep-alive
    row = plant.service.rows()[0]
    assert (row.Priority, row.MaxNotificationsPerPublish, row.PublishingInterval, row.ModifyCount) == (7, 1, 50, 1)


# Cycle


def test_the_first_message_comes_after_the_first_interval_even_without_news(plant):
    client = Client(plant)
    sub = client.subscribe()
    client.ask()
    plant.wait(0.09)
    assert client.got() == []
    plant.wait(0.01)
    (message,) = client.got()
    assert (message.subscription, message.sequence, message.notifications) == (sub, 1, [])


def test_a_keep_alive_carries_the_next_number_and_does_not_use_it_up(plant):
    client = Client(plant)
    sub = client.subscribe(keep_alive=3)
    client.ask(5)
    plant.wait(0.1)
    plant.wait(0.3)
    assert [(m.sequence, m.notifications, m.available) for m in client.got()] == [(1, [], []), (1, [], [])]
    client.monitor(sub, "Gross")
    plant.wait(0.1)
    (data,) = client.got()
    assert data.sequence == 1 and data.data == [(0, 0.0)] and data.available == [1]
    plant.wait(0.2)
    assert client.got() == []
    plant.wait(0.1)
    assert [(m.sequence, m.notifications, m.available) for m in client.got()] == [(2, [], [1])]


def test_nothing_is_sent_without_news_between_keep_alives(plant):
    client = Client(plant)
    sub = client.subscribe(keep_alive=10)
    client.monitor(sub, "Gross")
    client.ask(20)
    for _ in range(21):
        plant.step()
    assert [len(m.items) for m in client.got()] == [1, 0, 0]


def test_news_go_out_right_behind_the_step(plant):
    client = Client(plant)
    sub = client.subscribe()
    client.monitor(sub, "Gross")
    client.ask(9)
    for n in range(1, 4):
        plant.step(Gross=float(n))
    assert [m.data for m in client.got()] == [[(0, 1.0)], [(0, 2.0)], [(0, 3.0)]]


def test_publishing_switched_off_leaves_keep_alives_and_keeps_the_news(plant):
    client = Client(plant)
    sub = client.subscribe(enabled=False, keep_alive=2)
    client.monitor(sub, "Gross")
    client.ask(9)
    plant.wait(0.5)
    assert [(m.sequence, m.notifications) for m in client.got()] == [(1, []), (1, []), (1, [])]
    assert codes(plant.service.set_publishing_mode(client.session, True, [sub, 99])) == [0, code("BadSubscriptionIdInvalid")]
    plant.wait(0.1)
    assert [m.data for m in client.got()] == [[(0, 0.0)]]
    plant.service.set_publishing_mode(client.session, False, [sub])
    plant.step(Gross=5.0)
    assert client.got() == []
    row = plant.service.rows()[0]
    assert (row.EnableCount, row.DisableCount, row.PublishingEnabled) == (1, 1, False)


def test_a_late_message_goes_out_as_soon_as_it_is_asked_for(plant):
    client = Client(plant)
    sub = client.subscribe()
    client.monitor(sub, "Gross")
    plant.wait(0.13)
    client.ask()
    assert [m.data for m in client.got()] == [[(0, 0.0)]]
    assert plant.service.rows()[0].LatePublishRequestCount == 1
    client.ask()
    assert client.got() == []  # nothing is late any more


def test_a_late_keep_alive_turns_into_data_if_there_are_some_by_then(plant):
    client = Client(plant)
    sub = client.subscribe()
    plant.wait(0.1)
    client.monitor(sub, "Gross")
    client.ask()
    assert client.got()[0].data == [(0, 0.0)]


def test_more_notifications_than_fit_are_sent_at_once_while_there_are_requests(plant):
    client = Client(plant)
    sub = client.subscribe(most=2)
    client.monitor(sub, "Gross", "Net", "Full", "Count", "Mode")
    client.ask(2)
    plant.wait(0.1)
    messages = client.got()
    assert [(len(m.items), m.more, m.sequence) for m in messages] == [(2, True, 1), (2, True, 2)]
    client.ask()
    messages += client.got()
    assert [(len(m.items), m.more) for m in messages[2:]] == [(1, False)]
    assert sorted(handle for m in messages for handle, _ in m.data) == [0, 1, 2, 3, 4]


def test_the_server_has_a_greatest_number_of_notifications_too():
    plant = Plant(Limits(notifications_per_publish=3))
    client = Client(plant)
    sub = client.subscribe(most=0)
    client.monitor(sub, "Gross", "Net", "Full", "Count")
    client.ask(9)
    plant.wait(0.1)
    assert [(len(m.items), m.more) for m in client.got()] == [(3, True), (1, False)]


def test_sequence_numbers_wrap_to_one(plant):
    client = Client(plant)
    sub = client.subscribe()
    client.monitor(sub, "Gross")
    plant.service._subscriptions[sub].sequence = 0xFFFF_FFFF
    client.ask(2)
    plant.step(Gross=1.0)
    plant.step(Gross=2.0)
    assert [m.sequence for m in client.got()] == [0xFFFF_FFFF, 1]


def test_higher_priority_goes_first_and_equals_take_turns(plant):
    client = Client(plant)
    low, first, second = client.subscribe(priority=1), client.subscribe(priority=5), client.subscribe(priority=5)
    for sub in (low, first, second):
        client.monitor(sub, "Gross")
    for n in range(4):
        plant.step(Gross=float(n + 1))
        client.ask()
    served = [m.subscription for m in client.got()]
    assert sorted(served[:2]) == sorted(served[2:]) == [first, second]
    client.ask(2)
    assert [m.subscription for m in client.got()] == [served[2], low]


def test_a_trembling_drifting_model_loses_nothing(plant):
    client = Client(plant)
    sub = client.subscribe()
    client.monitor(sub, "Gross", interval=100.0)
    client.ask(3)
    plant.wait(0.037)  # the model's beat and the publishing interval start out of step
    offset, at = 0.0, plant.now
    for n in range(400):
        at += 0.1004
        tremble = 0.03 * math.sin(n * 2.4)
        while plant.now < at + tremble - 0.005:
            plant.now += 0.005
            plant.service.wake()
        plant.now = at + tremble
        plant.show(Gross=n / 10 - 40)
        plant.service.step()
        offset = max(offset, plant.now - at)
        while len(client.answers) > n and client.asked < 3 + len(client.answers):
            client.ask()
    values = [v for m in client.got() for _, v in m.data]
    assert values[-390:] == [n / 10 - 40 for n in range(10, 400)]


def test_a_snapshot_between_two_steps_does_not_disturb_the_beat(plant):
    client = Client(plant)
    sub = client.subscribe()
    client.monitor(sub, "Gross", "Net", interval=100.0)
    for n in range(50):
        client.ask()
        plant.step(0.03, Gross=float(n) + 1)
        if n > 5:
            assert dict(client.got()[-1].data)[0] == n + 1  # right behind the step
        at = plant.board.source_time
        for extra in (0.005, 0.055, 0.01):  # somebody writes: the board is shown again, the model has not moved
            plant.now += extra
            plant.show(Net=plant.image[1] + 0.5)
            plant.board.source_time = at
            plant.service.step()
            plant.service.wake()


def test_publishing_slower_than_the_model_keeps_its_mean_rate(plant):
    client = Client(plant)
    sub = client.subscribe(interval=250)
    client.monitor(sub, "Gross")
    client.ask(50)
    for n in range(100):
        plant.step(Gross=float(n % 90) + 0.5)
        plant.service.wake()
    assert 38 <= len(client.got()) <= 42


def test_when_the_model_stands_still_publishing_goes_by_the_clock_alone(plant):
    client = Client(plant)
    client.subscribe(interval=1000, keep_alive=1)
    client.ask(20)
    for _ in range(10):
        plant.step(0.4)
    times = []
    for _ in range(400):
        before = len(client.answers)
        plant.wait(0.01)
        times += [plant.now] * (len(client.answers) - before)
    due = plant.service._subscriptions[1].next
    assert len(times) == 4 and times[-1] == pytest.approx(due - 1.0, abs=0.011)


# Lifetime


def test_a_subscription_nobody_asks_for_ends_and_says_so(plant):
    client = Client(plant)
    sub = client.subscribe(lifetime=6, keep_alive=2)
    client.monitor(sub, "Gross")
    plant.wait(0.59)
    assert len(plant.service.rows()) == 1
    plant.wait(0.02)
    assert plant.service.rows() == []
    client.ask(2)
    farewell, after = client.got()
    assert (farewell.subscription, farewell.change) == (sub, code("BadTimeout"))
    assert after == Fault(2, code("BadNoSubscription"))


def test_publish_requests_and_calls_renew_the_lifetime(plant):
    client = Client(plant)
    sub = client.subscribe(lifetime=6, keep_alive=2)
    for _ in range(4):
        plant.wait(0.5)
        client.monitor(sub, "Gross")
    for _ in range(4):
        plant.wait(0.5)
        client.ask()
    assert len(plant.service.rows()) == 1 and len(client.got()) == 4


def test_waiting_requests_keep_it_alive(plant):
    client = Client(plant)
    client.subscribe(lifetime=6, keep_alive=2)
    client.ask(20)
    plant.wait(3.0)
    assert len(plant.service.rows()) == 1


def test_an_orphan_lives_as_long_as_any_and_no_longer(plant):
    client = Client(plant)
    client.subscribe(lifetime=6, keep_alive=2)
    client.ask(3)
    plant.wait(0.1)
    client.got()
    plant.service.closed(client.session, delete_subscriptions=False)
    assert [a.code for a in client.got()] == [code("BadSessionClosed")] * 2
    plant.wait(0.5)
    assert len(plant.service.rows()) == 1
    assert plant.service.rows()[0].SessionId == ua.NodeId()
    plant.wait(0.11)
    assert plant.service.rows() == []


def test_a_closed_session_takes_its_subscriptions_with_it_if_told_to(plant):
    client, other = Client(plant), Client(plant)
    client.subscribe()
    kept = other.subscribe()
    plant.service.closed(client.session, delete_subscriptions=True)
    assert [r.SubscriptionId for r in plant.service.rows()] == [kept]
    plant.service.closed(client.session, delete_subscriptions=True)  # twice is no error


def test_a_lost_channel_takes_the_requests_but_not_the_subscriptions(plant):
    client = Client(plant)
    sub = client.subscribe()
    client.monitor(sub, "Gross")
    client.ask(5)
    plant.service.disconnected(client.session)
    plant.wait(0.1)
    assert client.got() == []
    client.ask()
    assert client.got()[0].data == [(0, 0.0)]


# Publish requests


def test_no_subscription_no_waiting(plant):
    client = Client(plant)
    client.ask()
    assert client.got() == [Fault(1, code("BadNoSubscription"))]


def test_waiting_requests_are_answered_when_the_last_subscription_goes(plant):
    client = Client(plant)
    subs = [client.subscribe(), client.subscribe()]
    client.ask(2)
    assert codes(plant.service.delete(client.session, [subs[0], 77])) == [0, code("BadSubscriptionIdInvalid")]
    assert client.got() == []
    plant.service.delete(client.session, [subs[1]])
    assert [a.code for a in client.got()] == [code("BadNoSubscription")] * 2


def test_the_oldest_of_too_many_requests_is_refused():
    plant = Plant(Limits(publish_requests_per_session=3))
    client = Client(plant)
    client.subscribe()
    client.ask(5)
    assert client.got() == [Fault(1, code("BadTooManyPublishRequests")), Fault(2, code("BadTooManyPublishRequests"))]


def test_a_request_that_waited_too_long_is_told_so(plant):
    client = Client(plant)
    client.subscribe(interval=10_000)
    client.ask(1, timeout_ms=500)
    client.ask(1)
    plant.wait(0.49)
    assert client.got() == []
    plant.wait(0.02)
    assert client.got() == [Fault(1, code("BadTimeout"))]


def test_a_request_whose_time_is_over_is_not_used(plant):
    client = Client(plant)
    client.subscribe(interval=100)
    client.ask(1, timeout_ms=50)
    client.ask(1)
    plant.now += 0.2  # the timer fires late
    plant.service.wake()
    fault, message = client.got()
    assert fault == Fault(1, code("BadTimeout")) and message.handle == 2


def test_requests_belong_to_their_session(plant):
    asking, subscribed = Client(plant), Client(plant)
    sub = subscribed.subscribe()
    subscribed.monitor(sub, "Gross")
    asking.subscribe(interval=10_000)
    asking.ask()
    plant.wait(0.1)
    assert asking.got() == []


def test_acknowledgements(plant):
    client, other = Client(plant), Client(plant)
    sub, foreign = client.subscribe(), other.subscribe()
    client.monitor(sub, "Gross")
    client.ask(2)
    plant.step(Gross=1.0)
    plant.step(Gross=2.0)
    assert [m.available for m in client.got()] == [[1], [1, 2]]
    client.ask(acks=((sub, 1), (sub, 1), (sub, 9), (foreign, 1), (77, 1)))
    plant.step(Gross=3.0)
    (message,) = client.got()
    invalid = code("BadSubscriptionIdInvalid")
    assert message.results == [0, code("BadSequenceNumberUnknown"), code("BadSequenceNumberUnknown"), invalid, invalid]
    assert message.available == [2, 3]
    with refused("BadMessageNotAvailable"):
        plant.service.republish(client.session, sub, 1)


def test_too_many_acknowledgements_are_refused():
    plant = Plant(Limits(nodes_per_call=3))
    client = Client(plant)
    client.subscribe()
    client.ask(acks=((1, 1),) * 4)
    assert client.got() == [Fault(1, code("BadTooManyOperations"))]


def test_the_retransmission_queue_is_bounded_in_messages():
    plant = Plant(Limits(retransmission_queue=2))
    client = Client(plant)
    sub = client.subscribe()
    client.monitor(sub, "Gross")
    client.ask(9)
    for n in range(1, 5):
        plant.step(Gross=float(n))
    assert client.got()[-1].available == [3, 4]
    row = plant.service.rows()[0]
    assert (row.DiscardedMessageCount, row.UnacknowledgedMessageCount, row.NextSequenceNumber) == (2, 2, 5)


def test_the_retransmission_queues_are_bounded_in_bytes():
    plant = Plant(Limits(retransmission_bytes=400))
    client = Client(plant)
    sub, _ = client.subscribe(), client.subscribe(interval=10_000)
    client.monitor(sub, "Gross")
    client.ask(9)
    for n in range(1, 9):
        plant.step(Gross=float(n))
    assert client.got()[-1].available == [7, 8]
    client.ask(acks=((sub, 7), (sub, 8)))
    plant.step(Gross=20.0)
    plant.step(Gross=21.0)
    assert client.got()[-1].available == [9, 10]  # 200 bytes for each of two subscriptions; a message has some 70


def test_republish_gives_the_same_message_again(plant):
    client, other = Client(plant), Client(plant)
    sub = client.subscribe()
    client.monitor(sub, "Gross")
    client.ask()
    plant.step(Gross=4.5)
    (message,) = client.got()
    again = struct_from_binary(ua.RepublishResponse, Buffer(notify.republish_response(6, plant.service.republish(client.session, sub, 1))))
    assert again.NotificationMessage.SequenceNumber == 1
    assert again.NotificationMessage.NotificationData == message.notifications
    with refused("BadMessageNotAvailable"):
        plant.service.republish(client.session, sub, 2)
    with refused("BadSubscriptionIdInvalid"):
        plant.service.republish(other.session, sub, 1)
    row = plant.service.rows()[0]
    assert (row.RepublishMessageRequestCount, row.RepublishMessageCount) == (2, 1)


# Transfer


def test_a_transferred_subscription_works_in_its_new_session(plant):
    old, new = Client(plant), Client(plant)
    sub = old.subscribe()
    old.monitor(sub, "Gross")
    old.ask(3)
    plant.step(Gross=1.0)
    old.got()
    (result,) = plant.service.transfer(new.session, [sub], False)
    assert result.StatusCode.value == 0 and list(result.AvailableSequenceNumbers) == [1]
    farewell, rest = old.got()
    assert farewell.change == code("GoodSubscriptionTransferred") and farewell.subscription == sub
    assert rest.code == code("BadNoSubscription")
    assert len(plant.service.republish(new.session, sub, 1)) > 0
    new.ask(9)
    plant.step(Gross=2.0)
    plant.step(Gross=3.0)
    assert [m.data for m in new.got()] == [[(0, 2.0)], [(0, 3.0)]]
    assert old.got() == []
    with refused("BadSubscriptionIdInvalid"):
        old.monitor(sub, "Net")
    new.monitor(sub, "Net")


def test_only_the_same_user_can_take_a_subscription_over(plant):
    old, thief = Client(plant, "operator"), Client(plant, "guest")
    sub = old.subscribe()
    assert codes(plant.service.transfer(thief.session, [sub, 55], True)) == [code("BadUserAccessDenied"), code("BadSubscriptionIdInvalid")]
    old.monitor(sub, "Gross")


@pytest.mark.parametrize("initial", [True, False])
def test_initial_values_are_sent_after_a_transfer_if_asked_for(plant, initial):
    old, new = Client(plant), Client(plant)
    sub = old.subscribe()
    old.monitor(sub, "Gross", "Net")
    old.create(sub, item(ua.NodeId("State", 2), handle=5), item("Count", handle=6, mode=SAMPLING))
    off = old.create(sub, item("Full", handle=7), item(ua.NodeId("State", 2), handle=8))
    old.ask()
    plant.step(Gross=1.0)
    old.mode(sub, ua.MonitoringMode.Disabled, *(r.MonitoredItemId for r in off))
    plant.service.transfer(new.session, [sub], initial)
    new.ask()
    plant.step(Gross=2.0)
    (message,) = new.got()
    assert sorted(message.data) == ([(0, 2.0), (1, 0.0), (5, "running")] if initial else [(0, 2.0)])


def test_an_initial_value_has_the_time_it_was_last_reported_with(plant):
    old, new = Client(plant), Client(plant)
    sub = old.subscribe()
    old.monitor(sub, "Gross", "Net")
    old.ask(3)
    plant.step(Gross=1.0)
    last = plant.board.source_time
    plant.step(Net=1.0)
    plant.service.transfer(new.session, [sub], True)
    new.ask()
    plant.step()
    times = {i.ClientHandle: ua.uatypes.datetime_to_win_epoch(i.Value.SourceTimestamp) for i in new.got()[0].items}
    assert times == {0: last, 1: last + 1_000_000}


def test_a_value_that_waits_is_not_sent_twice_after_a_transfer(plant):
    old, new = Client(plant), Client(plant)
    sub = old.subscribe(interval=1000)
    old.monitor(sub, "Gross", queue=5)
    plant.step(Gross=1.0)
    plant.service.transfer(new.session, [sub], True)
    new.ask()
    plant.wait(1.0)
    assert [m.data for m in new.got()] == [[(0, 0.0), (0, 1.0)]]


def test_an_orphan_can_be_taken_over(plant):
    old, new = Client(plant), Client(plant)
    sub = old.subscribe()
    old.monitor(sub, "Gross")
    plant.service.closed(old.session, delete_subscriptions=False)
    plant.step(Gross=7.0)
    new.ask()  # answered at once: it has none yet
    assert codes(plant.service.transfer(new.session, [sub], False)) == [0]
    new.ask()
    assert new.got()[-1].data == [(0, 7.0)]
    plant.wait(5.0)
    new.ask()
    assert isinstance(new.got()[-1], Message | Fault)


def test_an_orphan_that_is_late_uses_a_waiting_request_at_once(plant):
    old, new = Client(plant), Client(plant)
    sub = old.subscribe()
    old.monitor(sub, "Gross")
    plant.service.closed(old.session, delete_subscriptions=False)
    plant.wait(0.1)
    new.subscribe(interval=10_000)
    new.ask()
    plant.service.transfer(new.session, [sub], False)
    assert [m.data for m in new.got()] == [[(0, 0.0)]]


def test_a_transfer_to_the_same_session_changes_nothing(plant):
    client = Client(plant)
    sub = client.subscribe()
    client.monitor(sub, "Gross")
    client.ask()
    assert codes(plant.service.transfer(client.session, [sub], False)) == [0]
    plant.step(Gross=1.0)
    assert [m.change for m in client.got()] == [None]


# Limits and refusals


def test_subscriptions_are_counted_by_session_and_in_all():
    plant = Plant(Limits(subscriptions=3, subscriptions_per_session=2))
    first, second = Client(plant), Client(plant)
    first.subscribe()
    first.subscribe()
    with refused("BadTooManySubscriptions"):
        first.subscribe()
    sub = second.subscribe()
    with refused("BadTooManySubscriptions"):
        second.subscribe()
    assert codes(plant.service.transfer(first.session, [sub], False)) == [code("BadTooManySubscriptions")]


def test_orphans_make_room_for_others_the_oldest_first():
    plant = Plant(Limits(subscriptions=2))
    clients = [Client(plant) for _ in range(3)]
    subs = [c.subscribe(lifetime=9000) for c in clients[:2]]
    plant.service.closed(clients[1].session, delete_subscriptions=False)
    plant.now += 1.0
    plant.service.closed(clients[0].session, delete_subscriptions=False)
    new = clients[2].subscribe()
    assert [r.SubscriptionId for r in plant.service.rows()] == [subs[0], new]


def test_empty_and_endless_lists_are_refused():
    plant = Plant(Limits(nodes_per_call=2))
    client = Client(plant)
    sub = client.subscribe()
    service, s = plant.service, client.session
    calls = [
        lambda ids: service.delete(s, ids),
        lambda ids: service.set_publishing_mode(s, True, ids),
        lambda ids: service.transfer(s, ids, False),
        lambda ids: client.create(sub, *(item("Gross") for _ in ids)),
        lambda ids: service.modify_items(
            s, ua.ModifyMonitoredItemsParameters(sub, ua.TimestampsToReturn.Both, [ua.MonitoredItemModifyRequest(i) for i in ids])
        ),
        lambda ids: service.delete_items(s, ua.DeleteMonitoredItemsParameters(sub, ids)),
        lambda ids: client.mode(sub, SAMPLING, *ids),
        lambda ids: client.link(sub, 1, tuple(ids)),
    ]
    for call in calls:
        with refused("BadNothingToDo"):
            call([])
        with refused("BadTooManyOperations"):
            call([1, 2, 3])


def test_anothers_subscription_does_not_exist(plant):
    owner, other = Client(plant), Client(plant)
    sub = owner.subscribe()
    (ident,) = owner.monitor(sub, "Gross")
    service, s = plant.service, other.session
    for call in (
        lambda: service.modify(s, ua.ModifySubscriptionParameters(sub, 100, 30, 5, 0, 0)),
        lambda: other.monitor(sub, "Gross"),
        lambda: other.modify(sub, ident),
        lambda: service.delete_items(s, ua.DeleteMonitoredItemsParameters(sub, [ident])),
        lambda: other.mode(sub, SAMPLING, ident),
        lambda: other.link(sub, ident, (ident,)),
        lambda: service.republish(s, sub, 1),
    ):
        with refused("BadSubscriptionIdInvalid"):
            call()
    assert codes(service.delete(s, [sub])) == [code("BadSubscriptionIdInvalid")]
    assert codes(service.set_publishing_mode(s, False, [sub])) == [code("BadSubscriptionIdInvalid")]


# Diagnostics and the timer


def test_diagnostics_count_what_went_on(plant):
    client = Client(plant)
    sub = client.subscribe(keep_alive=4)
    client.monitor(sub, "Gross", "Net")
    client.create(sub, item("Count", mode=ua.MonitoringMode.Disabled))
    client.create(sub, item(SERVER, attribute=ua.AttributeIds.EventNotifier, filter_=select("Severity")))
    client.ask(9)
    plant.step(Gross=1.0)
    plant.service.fire(event())
    plant.step(Gross=2.0)
    plant.step()
    row = plant.service.rows()[0]
    assert (row.SubscriptionId, row.SessionId) == (sub, client.session.session_id)
    assert (row.DataChangeNotificationsCount, row.EventNotificationsCount, row.NotificationsCount) == (3, 1, 4)
    assert (row.MonitoredItemCount, row.DisabledMonitoredItemCount) == (4, 1)
    assert (row.PublishRequestCount, row.NextSequenceNumber, row.CurrentKeepAliveCount) == (2, 3, 1)
    assert plant.service.rows()[0] is not row


def test_wake_tells_when_something_is_due_next(plant):
    assert plant.service.wake() == math.inf
    client = Client(plant)
    sub = client.subscribe(interval=500)
    assert plant.service.wake() == pytest.approx(0.5)
    client.ask(timeout_ms=300)
    assert plant.service.wake() == pytest.approx(0.3)
    client.create(sub, item(ua.NodeId("State", 2), interval=200))
    assert plant.service.wake() == pytest.approx(0.2)


def test_the_task_publishes_by_the_clock():
    async def play():
        plant = Plant()
        plant.service = SubscriptionService(
            plant.board, Limits(), tag_index=lambda n: 0, read=plant.read, is_subtype=lambda a, b: False, notifies=lambda n: False
        )
        task = asyncio.create_task(plant.service.run())
        await asyncio.sleep(0)  # it sleeps before there is a subscription, and is woken by one
        client = Client(plant)
        client.subscribe(interval=20)
        arrived = asyncio.Event()
        client.answers = type("Answers", (list,), {"append": lambda self, a: (list.append(self, a), arrived.set())})()
        client.ask()
        await asyncio.wait_for(arrived.wait(), 5)
        task.cancel()
        return client.answers

    assert [m.notifications for m in asyncio.run(play())] == [[]]
