"""The alarms of a live run: which are on, who has seen them, which are shelved (states of ISA-18.2 and OPC 10000-9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from scenarios.simulation import Simulation
from twin.clock import TICKS_PER_S, ticks
from twin.engine import ALARMS
from twin.errors import BatchtwinError
from twin.tags import Tag

LONGEST_SHELVING_S = 86_400.0  # simulated


@dataclass(slots=True)
class Alarm:
    """One alarm tag and what has been done about it.

    Attributes:
        tag: the tag that is true while the alarm is active.
        active, acked, confirmed: its states.
        shelved_until: tick, or None when it is not shelved; infinity shelves it for one occurrence.
        changed: tick of the last change of `active`.
        comment, by: the last remark and who made it.
    """

    tag: Tag
    active: bool = False
    acked: bool = True
    confirmed: bool = True
    shelved_until: float | None = None
    changed: int = 0
    comment: str = ""
    by: str = ""

    @property
    def retain(self) -> bool:
        """Does it concern people still: active or not acknowledged."""
        return self.active or not self.acked


class AlarmBook:
    """All alarms of one run.

    Args:
        sim: the run.
        tell: called with an alarm after each change of it.
    """

    def __init__(self, sim: Simulation, tell: Callable[[Alarm], None]) -> None:
        self._sim, self._tell = sim, tell
        table = sim.plant.table
        self.alarms = {tag.name: Alarm(tag) for tag in table if tag.alarm}
        self._index = np.array([table.index(name) for name in self.alarms], np.int64)
        self._active = np.zeros(len(self.alarms), bool)  # as `Alarm.active`: most looks find nothing new, and there are hundreds of alarms
        sim.engine.watch(ALARMS, self.look)
        self.look()

    def __iter__(self) -> Iterator[Alarm]:
        return iter(self.alarms.values())

    def look(self) -> None:
        """Compare with the process image; called at each scan in which an alarm changed, so none is too short to be seen."""
        active_now, now = self._sim.plant.state.io[self._index] > 0.5, self._sim.tick
        new = np.flatnonzero(active_now != self._active)
        if not len(new):
            return
        self._active, alarms = active_now, list(self.alarms.values())
        for i in new:
            alarm, active = alarms[i], bool(active_now[i])
            alarm.active, alarm.changed = active, now
            if active:
                alarm.acked = alarm.confirmed = False
            elif alarm.shelved_until == float("inf"):
                alarm.shelved_until = None
            self._tell(alarm)

    def step(self) -> None:
        """End the shelving whose time is over."""
        for alarm in self.alarms.values():
            if alarm.shelved_until is not None and alarm.shelved_until <= self._sim.tick:
                alarm.shelved_until = None
                self._tell(alarm)

    def find(self, name: str) -> Alarm:
        """The alarm of a tag.

        Raises:
            BatchtwinError: E301 for an unknown tag, E401 for one that is no alarm.
        """
        tag = self._sim.plant.table[name]
        if not tag.alarm:
            raise BatchtwinError("E401", problem=f"{name} is no alarm", mend="name an alarm tag")
        return self.alarms[name]

    def acknowledge(self, name: str, by: str, comment: str | None = "") -> None:
        """Somebody has seen it. Without a comment (None) the last one stays; so it is with the others.

        Raises:
            BatchtwinError: E304 when it is acknowledged already.
        """
        alarm = self.find(name)
        if alarm.acked:
            raise BatchtwinError("E304", name=name, state="acknowledged")
        alarm.acked = True
        self._said(alarm, "acknowledge", by, comment)

    def confirm(self, name: str, by: str, comment: str | None = "") -> None:
        """Somebody has done something about it.

        Raises:
            BatchtwinError: E304 when it is confirmed already.
        """
        alarm = self.find(name)
        if alarm.confirmed:
            raise BatchtwinError("E304", name=name, state="confirmed")
        alarm.confirmed = True
        self._said(alarm, "confirm", by, comment)

    def shelve(self, name: str, by: str, seconds: float | None) -> None:
        """Keep it quiet for some simulated seconds, or until it has gone once (None).

        Raises:
            BatchtwinError: E304 when it is shelved that way already, E401 for a time out of range.
        """
        alarm = self.find(name)
        if alarm.shelved_until is not None and (alarm.shelved_until == float("inf")) == (seconds is None):
            raise BatchtwinError("E304", name=name, state="shelved")
        if seconds is not None and not 0 < seconds <= LONGEST_SHELVING_S:
            raise BatchtwinError("E401", problem=f"shelving for {seconds:g} s", mend="give more than 0 s and at most a day")
        alarm.shelved_until = float("inf") if seconds is None else self._sim.tick + ticks(seconds)
        self._said(alarm, "shelve", by, None, "once" if seconds is None else f"{seconds:g} s")

    def unshelve(self, name: str, by: str) -> None:
        """End its shelving.

        Raises:
            BatchtwinError: E304 when it is not shelved.
        """
        alarm = self.find(name)
        if alarm.shelved_until is None:
            raise BatchtwinError("E304", name=name, state="unshelved")
        alarm.shelved_until = None
        self._said(alarm, "unshelve", by, None)

    def comment(self, name: str, by: str, comment: str) -> None:
        """Add a remark."""
        self._said(self.find(name), "comment", by, comment)

    def left_s(self, alarm: Alarm) -> float:
        """Simulated seconds of shelving left; 0 when not shelved, infinity for one occurrence."""
        return 0.0 if alarm.shelved_until is None else (alarm.shelved_until - self._sim.tick) / TICKS_PER_S

    def _said(self, alarm: Alarm, kind: str, by: str, comment: str | None, how: str = "") -> None:
        alarm.by, alarm.comment = by, alarm.comment if comment is None else comment[:500]
        text = how or (comment or "")[:500]
        self._sim.note(kind, alarm.tag.name, 1.0, f"{by}: {text}" if text else by)
        self._tell(alarm)
