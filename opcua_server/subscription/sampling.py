"""The items of one subscription that monitor tags, as arrays: a whole plant is compared, queued and encoded at once.

A round of sampling gives one batch of changes. Batches wait until they are published; the queue rules of OPC 10000-4
5.13.1.5 are applied when several are put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from opcua_server.address.board import Board
from opcua_server.subscription.filters import STATUS_VALUE, STATUS_VALUE_TIME, DataFilter
from opcua_server.subscription.notify import Batch, Records, joined, layout_of

OVERFLOW = 0x480  # info type DataValue and the Overflow bit, OPC 10000-4 7.39.1
DISABLED, SAMPLING, REPORTING = (int(m) for m in ua.MonitoringMode)
_NEVER = 0xFFFF_FFFF  # no status ever: the next sample is reported whatever it is
_WAITING = int(ua.StatusCodes.BadWaitingForInitialData)
_EACH_STEP = 1.1  # a sampling interval up to this many steps of the model is every step: the beat of a live model trembles


class TagSettings(NamedTuple):
    """What a client asked of one tag's item, already checked. `interval` in seconds, 0 at each step."""

    handle: int
    interval: float
    filter: DataFilter
    queue: int
    discard_oldest: bool
    stamps: int


def queue_rule(
    slots: NDArray[np.intp], size: NDArray[np.int32], discard_oldest: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the values that came for each item stay in its queue.

    Args:
        slots: intp [value], the item of each value, in the order of arrival.
        size: int32 [item], queue size.
        discard_oldest: bool [item], the oldest value gives way; otherwise the newest replaces the last.

    Returns:
        bool [value], it stays; bool [value], it stays and shows that others were lost.
    """
    order = np.argsort(slots, kind="stable")
    ranked = slots[order]
    first = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if len(ranked) else np.zeros(0, np.intp)
    counts = np.diff(np.r_[first, len(ranked)])
    rank = np.arange(len(ranked)) - np.repeat(first, counts)
    count = np.repeat(counts, counts)
    room = size[ranked]
    oldest = discard_oldest[ranked]
    stays = np.where(oldest, rank >= count - room, (rank < room - 1) | (rank == count - 1))
    lost = (count > room) & (room > 1) & (rank == np.where(oldest, count - room, count - 1))
    keep, mark = np.empty_like(stays), np.empty_like(lost)
    keep[order], mark[order] = stays, lost
    return keep, mark


class TagItems:
    """Monitored items on tags' values; an item's place in the arrays is its slot.

    Attributes:
        idents: uint32 [item], MonitoredItemIds.
        mode: uint8 [item], monitoring mode.
        linked: bool [item], it triggers others.
        triggered: bool [item], another item triggered it: its queue is reported once.
        overflows: values that queues lost.
        closely: some item must be sampled at each scan, however many are played at a stretch.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self.idents = np.zeros(0, np.uint32)
        self._tags = np.zeros(0, np.intp)
        self._handles = np.zeros(0, np.uint32)
        self.mode = np.zeros(0, np.uint8)
        self._stamps = np.zeros(0, np.uint8)
        self._trigger = np.zeros(0, np.uint8)
        self._deadband = np.zeros(0)
        self._interval = np.zeros(0)
        self._due = np.zeros(0)
        self._queue = np.zeros(0, np.int32)
        self._discard_oldest = np.zeros(0, np.bool_)
        self._value = np.zeros(0)  # last reported
        self._status = np.zeros(0, np.uint32)
        self._source = np.zeros(0, np.int64)
        self.linked = np.zeros(0, np.bool_)
        self.triggered = np.zeros(0, np.bool_)
        self._slot: dict[int, int] = {}
        self._batches: list[Batch] = []
        self._waiting = 0  # values in the batches
        self.overflows = 0
        self._settle()

    def __len__(self) -> int:
        return len(self.idents)

    def __contains__(self, ident: int) -> bool:
        return ident in self._slot

    def _settle(self) -> None:
        """Work out again what follows from the items' settings."""
        self._room = int(self._queue.sum())
        self._slowest = float(self._interval.max(initial=0.0))
        many = (self._queue > 1) | (self._deadband > 0.0)  # others are told their newest value, whatever was before
        self.closely = bool(((self._interval <= 0.0) & (self.mode != DISABLED) & many).any())
        self._plain = bool((self._trigger == STATUS_VALUE).all() and (self.mode != DISABLED).all())
        self._silent = bool((self.mode != REPORTING).any())
        self._any_linked = bool(self.linked.any())
        self._records = Records(self._handles, layout_of(self._board.types[self._tags], self._stamps))

    @property
    def room(self) -> int:
        """Values that all queues hold at most."""
        return self._room

    @property
    def disabled(self) -> int:
        """Items that are switched off."""
        return int((self.mode == DISABLED).sum())

    def add(
        self, idents: Sequence[int], tags: Sequence[int], modes: Sequence[int], settings: Sequence[TagSettings], now: float
    ) -> list[int]:
        """New items; those that are not disabled are sampled at once. Returns the idents that trigger others (none yet)."""
        start, count = len(self), len(idents)
        handles, intervals, filters, queues, oldest, stamps = zip(*settings, strict=True)
        zeros = np.zeros(count)
        for name, column in {
            "idents": idents, "_tags": tags, "_handles": handles, "mode": modes, "_stamps": stamps, "_trigger": [f.trigger for f in filters],
            "_deadband": [f.deadband for f in filters], "_interval": intervals, "_due": zeros, "_queue": queues, "_discard_oldest": oldest,
            "_value": zeros, "_status": zeros + _NEVER, "_source": zeros, "linked": zeros, "triggered": zeros,
        }.items():  # fmt: skip
            old = getattr(self, name)
            setattr(self, name, np.concatenate((old, np.asarray(column).astype(old.dtype))))
        self._slot.update(zip(idents, range(start, start + count), strict=True))
        self._settle()
        return self._first_sample(np.arange(start, start + count), now)

    def change(self, idents: Sequence[int], settings: Sequence[TagSettings]) -> None:
        """Give items new settings."""
        self._compact()  # what came until now came under the old ones
        for ident, new in zip(idents, settings, strict=True):
            slot = self._slot[ident]
            self._handles[slot], self._interval[slot], self._queue[slot] = new.handle, new.interval, new.queue
            self._discard_oldest[slot], self._stamps[slot] = new.discard_oldest, new.stamps
            self._trigger[slot], self._deadband[slot] = new.filter
            self._due[slot] = 0.0
        self._settle()
        self._compact()

    def remove(self, idents: Sequence[int]) -> None:
        """Drop items with what they have queued."""
        gone = np.array([self._slot[i] for i in idents], np.intp)
        stays = np.ones(len(self), np.bool_)
        stays[gone] = False
        self._forget(gone)
        moved = np.cumsum(stays) - 1
        self._batches = [b._replace(slots=moved[b.slots]) for b in self._batches]
        for name, column in list(vars(self).items()):
            if isinstance(column, np.ndarray):
                setattr(self, name, column[stays])
        self._slot = {int(ident): slot for slot, ident in enumerate(self.idents)}
        self._settle()

    def queue_of(self, ident: int) -> int:
        """An item's queue size."""
        return int(self._queue[self._slot[ident]])

    def tag_of(self, ident: int) -> int:
        """The tag that an item monitors."""
        return int(self._tags[self._slot[ident]])

    def set_mode(self, idents: Sequence[int], mode: int, now: float) -> list[int]:
        """Switch items. Switching off empties their queues, switching on samples at once; returns the idents that trigger others."""
        slots = np.array([self._slot[i] for i in idents], np.intp)
        woken = slots[self.mode[slots] == DISABLED] if mode != DISABLED else slots[:0]
        self.mode[slots] = mode
        if mode == DISABLED:
            self._forget(slots)
        self._settle()
        return self._first_sample(woken, now)

    def set_linked(self, ident: int, linked: bool) -> None:
        """Note whether an item triggers others."""
        self.linked[self._slot[ident]] = linked
        self._settle()

    def trigger(self, ident: int) -> None:
        """Let an item's queue be reported once."""
        self.triggered[self._slot[ident]] = True

    def _forget(self, slots: NDArray[np.intp]) -> None:
        """Drop what these items have queued."""
        gone = np.zeros(len(self), np.bool_)
        gone[slots] = True
        self._batches = [b for b in (b.pick(~gone[b.slots]) for b in self._batches) if len(b.slots)]
        self._waiting = sum(len(b.slots) for b in self._batches)
        self.triggered[slots] = False

    def _first_sample(self, slots: NDArray[np.intp], now: float) -> list[int]:
        """Sample items that were just switched on; what they show is reported in any case."""
        slots = slots[self.mode[slots] != DISABLED]
        if not len(slots):
            return []
        values, status = self._board.values[self._tags[slots]], self._board.status[self._tags[slots]]
        if self._board.number == 0:
            values[:], status[:] = np.nan, _WAITING
        self._due[slots] = now + self._interval[slots]
        return self._report(slots, values, status)

    def sample(self, now: float, period: float) -> list[int]:
        """Compare the board with what was last reported and queue what changed enough.

        Args:
            now: time of the service's clock, in s.
            period: time between the model's steps, in s, 0 if not known.

        Returns:
            idents of items that have something new and trigger others.
        """
        if not len(self) or self._board.number == 0:
            return []
        values, status = self._board.values[self._tags], self._board.status[self._tags]
        step = np.abs(values - self._value)
        changed = step > self._deadband
        if np.isnan(step).any():  # NaN to NaN is no change, NaN to a number is
            changed |= np.isnan(values) != np.isnan(self._value)
        if self._plain:
            changed |= status != self._status
        else:
            changed &= self._trigger >= STATUS_VALUE
            changed |= status != self._status
            changed |= (self._trigger == STATUS_VALUE_TIME) & (self._source != self._board.source_time)
            changed &= self.mode != DISABLED
        if self._slowest > _EACH_STEP * period:
            due = (self._interval <= _EACH_STEP * period) | (self._due <= now + period / 2)
            changed &= due
            ahead = self._due + self._interval
            np.copyto(self._due, np.where(ahead > now, ahead, now + self._interval), where=due)
        slots = np.flatnonzero(changed)
        if not len(slots):
            return []
        if len(slots) == len(self):
            return self._report(slots, values, status)
        return self._report(slots, values[slots], status[slots])

    def _report(self, slots: NDArray[np.intp], values: NDArray[np.float64], status: NDArray[np.uint32]) -> list[int]:
        """Queue one value for each of these slots."""
        board = self._board
        if len(slots) == len(self):
            self._value[:], self._status[:], self._source[:] = values, status, board.source_time
        else:
            self._value[slots], self._status[slots], self._source[slots] = values, status, board.source_time
        self._put(Batch(slots, values, status, board.source_time, board.server_time))
        return self.idents[slots[self.linked[slots]]].tolist() if self._any_linked else []

    def _put(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._waiting += len(batch.slots)
        if self._waiting > 2 * self._room + 1_000:  # a client that never publishes must not fill the memory
            self._compact()

    def _compact(self) -> None:
        """Put the batches together under the queue rules."""
        if not self._batches:
            return
        batch = joined(self._batches) if len(self._batches) > 1 else self._batches[0]
        if (np.bincount(batch.slots, minlength=len(self)) > self._queue).any():
            keep, mark = queue_rule(batch.slots, self._queue, self._discard_oldest)
            self.overflows += int(len(keep) - keep.sum())
            batch = batch._replace(status=np.where(mark, batch.status | np.uint32(OVERFLOW), batch.status)).pick(keep)
        self._batches = [batch]
        self._waiting = len(batch.slots)

    def repeat(self) -> None:
        """Queue the last reported value of each reporting item that has none queued, for a client that took the subscription over."""
        quiet = (self.mode == REPORTING) & (self._status != _NEVER)
        for batch in self._batches:
            quiet[batch.slots] = False
        slots = np.flatnonzero(quiet)
        if len(slots):
            self._put(Batch(slots, self._value[slots], self._status[slots], self._source[slots], self._board.server_time))

    @property
    def ready(self) -> bool:
        """Something can be reported."""
        if not self._silent:
            return self._waiting > 0
        reported = (self.mode == REPORTING) | self.triggered
        return any(bool(reported[b.slots].any()) for b in self._batches)

    def take(self, most: int) -> tuple[int, list[bytes]]:
        """Up to `most` values out of the queues: how many, and encoded."""
        if len(self._batches) > 1:
            self._compact()
        if not self._batches or most <= 0:
            return 0, []
        batch, rest = self._batches[0], None
        if self._silent:
            reported = ((self.mode == REPORTING) | self.triggered)[batch.slots]
            batch, rest = batch.pick(reported), batch.pick(~reported)
        if len(batch.slots) > most:
            left = batch.pick(slice(most, None))
            batch, rest = batch.pick(slice(0, most)), joined([left, rest]) if rest is not None else left
        else:
            self.triggered[:] = False
        self._batches = [rest] if rest is not None and len(rest.slots) else []
        self._waiting = len(rest.slots) if rest is not None else 0
        return len(batch.slots), self._records.encode(batch)
