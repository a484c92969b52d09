"""The items kept as arrays do exactly what a plain model of the standard does one item at a time."""

import math
from collections import deque

import numpy as np
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st
from subscribing import DISABLED, OVERFLOW, REPORTING, Plant, decode

from opcua_server.subscription import notify
from opcua_server.subscription.filters import DataFilter
from opcua_server.subscription.sampling import TagItems, TagSettings, queue_rule

BAD, UNCERTAIN = 0x80AB0000, 0x40940000
BOTH = int(ua.TimestampsToReturn.Both)


class Scalar:
    """One monitored item as OPC 10000-4 describes it."""

    def __init__(self, new: TagSettings, mode: int) -> None:
        self.set, self.mode, self.last = new, mode, None
        self.queue: deque = deque()

    def sample(self, value: float, status: int, source: int) -> None:
        if self.mode == DISABLED:
            return
        if self.last is not None and not self.differs(*self.last, value, status, source):
            return
        self.last = (value, status, source)
        self.queue.append((value, status, source))
        self.trim()

    def change(self, new):
        self.set = new
        while len(self.queue) > new.queue:
            self.trim()

    def differs(self, value, status, source, new_value, new_status, new_source):
        trigger, deadband = self.set.filter
        if status != new_status:
            return True
        if trigger == 2 and source != new_source:
            return True
        if trigger == 0 or (math.isnan(value) and math.isnan(new_value)):
            return False
        return not abs(new_value - value) <= deadband

    def trim(self):
        size = self.set.queue
        if len(self.queue) <= size:
            return
        if size == 1:
            self.queue.popleft()
        elif self.set.discard_oldest:
            self.queue.popleft()
            value, status, source = self.queue[0]
            self.queue[0] = value, status | OVERFLOW, source
        else:
            value, status, source = self.queue.pop()
            self.queue[-1] = value, status | OVERFLOW, source


def one_item(handle):
    return st.tuples(
        st.integers(0, 1),  # tag
        st.sampled_from([int(DISABLED), int(ua.MonitoringMode.Sampling), int(REPORTING), int(REPORTING)]),
        st.builds(
            TagSettings,
            st.just(handle),
            st.just(0.0),
            st.builds(DataFilter, st.integers(0, 2), st.sampled_from([0.0, 0.0, 0.5, 2.0])),
            st.integers(1, 4),
            st.booleans(),
            st.just(BOTH),
        ),
    )


NUMBERS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0, -1.0, math.nan])
STATES = st.sampled_from([0, 0, 0, UNCERTAIN, BAD])
ROUND = st.one_of(
    st.tuples(st.just("sample"), NUMBERS, NUMBERS, st.just(0), st.just(0)),
    st.tuples(st.just("sample"), NUMBERS, NUMBERS, st.just(0), st.just(0)),
    st.tuples(st.just("sample"), NUMBERS, NUMBERS, STATES, STATES),
    st.tuples(st.just("sample"), NUMBERS, NUMBERS, st.just(0), st.just(0)),
    st.tuples(st.just("take"), st.integers(1, 6)),
    st.tuples(st.just("compact")),
    st.tuples(st.just("mode"), st.integers(0, 3), st.integers(0, 2)),
    st.tuples(st.just("remove"), st.integers(0, 3)),
    st.tuples(st.just("change"), st.integers(0, 3), st.integers(1, 4), st.booleans(), st.sampled_from([0.0, 1.0])),
)


@settings(max_examples=500, deadline=None)
@given(st.integers(1, 4).flatmap(lambda n: st.tuples(*[one_item(i) for i in range(n)])), st.lists(ROUND, max_size=25))
def test_arrays_equal_the_scalar_model(items, rounds):
    board = Plant().board
    board.values[:2], board.status[:2], board.source_time = (0.0, 1.0), 0, 1_000
    arrays = TagItems(board)
    arrays.add([s.handle for _, _, s in items], [t for t, _, _ in items], [m for _, m, _ in items], [s for _, _, s in items], 0.0)
    scalars = {s.handle: Scalar(s, mode) for _, mode, s in items}
    tags = {s.handle: tag for tag, _, s in items}
    for handle, scalar in scalars.items():
        scalar.sample(board.values[tags[handle]], 0, 1_000)
    for now, (do, *what) in enumerate(rounds):
        if do == "sample":
            board.values[:2], board.status[:2] = what[:2], what[2:]
            board.source_time += 10
            arrays.sample(float(now), 1.0)
            for handle, scalar in scalars.items():
                tag = tags[handle]
                scalar.sample(board.values[tag], int(board.status[tag]), board.source_time)
        elif do == "take":
            take(arrays, scalars, what[0])
        elif do == "compact":
            arrays._compact()
        elif do == "mode" and what[0] in scalars:
            scalar, mode = scalars[what[0]], what[1]
            arrays.set_mode([what[0]], mode, float(now))
            woken, scalar.mode = scalar.mode == DISABLED and mode != DISABLED, mode
            if mode == DISABLED:
                scalar.queue.clear()
            if woken:
                scalar.last = None
                scalar.sample(board.values[tags[what[0]]], int(board.status[tags[what[0]]]), board.source_time)
        elif do == "change" and what[0] in scalars:
            old = scalars[what[0]].set
            new = old._replace(queue=what[1], discard_oldest=what[2], filter=DataFilter(old.filter.trigger, what[3]))
            arrays.change([what[0]], [new])
            scalars[what[0]].change(new)
        elif do == "remove" and what[0] in scalars:
            arrays.remove([what[0]])
            del scalars[what[0]]
        assert arrays.ready == any(s.queue for s in scalars.values() if s.mode == REPORTING)
    take(arrays, scalars, 10_000)
    assert not arrays.ready


def take(arrays, scalars, most):
    """What comes out is the head of each reporting item's queue."""
    waiting = sum(len(s.queue) for s in scalars.values() if s.mode == REPORTING)
    count, parts = arrays.take(most)
    assert count == min(most, waiting)
    body = notify.message(1, [notify.data_changes(count, parts)])
    items = decode(notify.publish_response(1, 1, (), False, body, ())).items
    assert len(items) == count
    for got in items:
        value, status, source = scalars[got.ClientHandle].queue.popleft()
        assert got.Value.StatusCode.value == status
        assert ua.uatypes.datetime_to_win_epoch(got.Value.SourceTimestamp) == source // 10 * 10
        if status < 0x8000_0000:
            assert got.Value.Value.Value == value or (math.isnan(value) and math.isnan(got.Value.Value.Value))


@given(
    st.lists(st.integers(0, 3), max_size=30),
    st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=4, max_size=4),
)
def test_the_queue_rule_equals_a_queue(slots, queues):
    size, oldest = np.array([q for q, _ in queues], np.int32), np.array([o for _, o in queues])
    keep, mark = queue_rule(np.array(slots, np.intp), size, oldest)
    want: dict[int, bool] = {}
    for slot in range(4):
        queue: list[list] = []
        for at in (i for i, s in enumerate(slots) if s == slot):
            queue.append([at, False])
            if len(queue) > size[slot]:
                lost = 0 if oldest[slot] or size[slot] == 1 else -2
                del queue[lost]
                queue[lost + 1 if lost else 0][1] = size[slot] > 1
        want |= dict(queue)
    assert np.flatnonzero(keep).tolist() == sorted(want)
    assert [i for i in sorted(want) if mark[i]] == [i for i in sorted(want) if want[i]]


def test_an_item_on_its_own_interval_is_not_sampled_in_between():
    board = Plant().board
    arrays = TagItems(board)
    arrays.add([1], [0], [int(REPORTING)], [TagSettings(1, 0.35, DataFilter(), 100, True, BOTH)], 0.0)
    seen = []
    for n in range(1, 101):
        board.values[0] = n
        before = arrays._waiting
        arrays.sample(n / 10, 0.1)
        if arrays._waiting > before:
            seen.append(n)
    assert 27 <= len(seen) <= 30 and set(np.diff(seen)) == {3, 4}


def test_after_a_standstill_samples_are_not_made_up_for():
    board = Plant().board
    arrays = TagItems(board)
    arrays.add([1], [0], [int(REPORTING)], [TagSettings(1, 1.0, DataFilter(), 100, True, BOTH)], 0.0)
    seen = []
    for n, now in enumerate([0.5, 1.0, 30.0, 30.1, 30.2, 30.3, 30.4, 31.0]):
        board.values[0] = n + 1
        before = arrays._waiting
        arrays.sample(now, 0.1)
        if arrays._waiting > before:
            seen.append(now)
    assert seen == [1.0, 30.0, 31.0]


def test_what_only_samples_keeps_its_queue_when_a_message_is_full():
    board = Plant().board
    arrays = TagItems(board)
    settings = [TagSettings(n, 0.0, DataFilter(), 5, True, BOTH) for n in range(3)]
    arrays.add([0, 1, 2], [0, 0, 1], [int(REPORTING), int(ua.MonitoringMode.Sampling), int(REPORTING)], settings, 0.0)
    assert arrays.take(1)[0] == 1
    arrays.set_mode([1], int(REPORTING), 0.0)
    assert arrays.take(9)[0] == 2


def test_a_larger_queue_does_not_bring_back_what_was_lost():
    board = Plant().board
    arrays = TagItems(board)
    small = TagSettings(0, 0.0, DataFilter(), 2, True, BOTH)
    arrays.add([0], [0], [int(REPORTING)], [small], 0.0)
    for n in range(1, 5):
        board.values[0] = n
        arrays.sample(n / 10, 0.1)
    arrays.change([0], [small._replace(queue=9)])
    assert arrays.take(99)[0] == 2
