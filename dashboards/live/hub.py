"""Live data for all viewers: at most five frames a second, each encoded once.

A frame holds the tags that changed since the last one, as whole numbers of their resolution. A viewer who was too slow for a
frame gets the newest state whole: frames are lost, the state is not. Alarms, commands' echoes and who drives are events; each has a
number and is kept until long after everybody has had it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from scenarios.alarms import Alarm
from scenarios.session import Session
from twin.clock import TICKS_PER_S
from twin.tags import TagTable

PERIOD_S = 0.2  # wall time between frames
KEPT_EVENTS = 5_000
OF_TRUCKS = ("State", "Load", "X", "Y", "BrokenDown", "Leaking", "OffRoute", "GpsLost", "Order")  # the rest of a truck is not on the pages


def on_pages(table: TagTable) -> list[int]:
    """Tags that the pages show: all but those of order slots and most of each truck's."""
    keep = []
    for machine in table.equipment:
        for i in range(machine.first, machine.first + machine.count):
            suffix = table.tags[i].name.rsplit(".", 1)[1]
            if machine.kind == "truck" and suffix not in OF_TRUCKS or machine.kind == "order_slot" or suffix == "Heartbeat":
                continue
            keep.append(i)
    return keep


def alarm_state(alarm: Alarm, tick: int) -> dict[str, Any]:
    """An alarm as the pages show it."""
    return {"name": alarm.tag.name, "en": alarm.tag.en, "zh": alarm.tag.zh, "severity": alarm.tag.severity, "active": alarm.active, "acked": alarm.acked,
            "since_s": alarm.changed / TICKS_PER_S, "at_s": tick / TICKS_PER_S, "by": alarm.by, "comment": alarm.comment,
            "shelved": alarm.shelved_until is not None}  # fmt: skip


class Hub:
    """Frames and events of one session.

    Args:
        live: the session.

    Attributes:
        indices: tags in a frame, by position.
        number: of the newest frame.
        encoded: frames encoded so far, deltas and whole ones.
    """

    def __init__(self, live: Session) -> None:
        self.live = live
        table = live.sim.plant.table
        self.indices = np.array(on_pages(table), dtype=np.int64)
        self._step = np.array([table.tags[i].resolution for i in self.indices])
        self._sent = np.zeros(len(self.indices), dtype=np.int64)
        self.number = 0
        self.encoded = 0
        self._delta, self._whole = "", ""
        self._head: dict[str, Any] = {}
        self._events: deque[str] = deque(maxlen=KEPT_EVENTS)
        self.last_event = 0
        self._wakers: set[Callable[[], None]] = set()
        live.alarm_listeners.append(self._alarm)
        self.look()

    def close(self) -> None:
        """Hear no more of the session."""
        self.live.alarm_listeners.remove(self._alarm)

    async def run(self) -> None:
        """Make frames, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            self.look()

    def look(self) -> None:
        """Make a frame if anything has changed."""
        live = self.live
        quantized = np.rint(live.sim.image.values[self.indices] / self._step).astype(np.int64)
        changed = np.nonzero(quantized != self._sent)[0]
        head = {"t": live.tick / TICKS_PER_S, "state": live.state, "speed": live.speed_text, "late": live.late_ms > 1000, "epoch": live.epoch,
                "hands": [live.sim.plant.table.tags[i].name for i in live.sim.switches], "trouble": live.trouble}  # fmt: skip
        if not len(changed) and head == self._head:
            return
        self.number += 1
        self._head, self._sent, self._whole = head, quantized, ""
        self._delta = self._encode(changed)
        self._wake()

    def _encode(self, at: Any) -> str:
        self.encoded += 1
        return json.dumps({"f": self.number, **self._head, "i": at.tolist(), "q": self._sent[at].tolist()}, separators=(",", ":"))

    @property
    def whole(self) -> str:
        """The newest state, every tag of it."""
        if not self._whole:
            self._whole = self._encode(np.arange(len(self.indices)))
        return self._whole

    def frame_after(self, seen: int) -> str | None:
        """What a viewer needs who has had frame `seen`: nothing, the newest frame, or the whole state."""
        if seen == self.number:
            return None
        return self._delta if seen == self.number - 1 and seen > 0 else self.whole

    # --- events ---------------------------------------------------------------------------------------

    def tell(self, kind: str, **what: Any) -> None:
        """Number an event and give it to everybody."""
        self.last_event += 1
        self._events.append(json.dumps({"e": self.last_event, "kind": kind, **what}, ensure_ascii=False, separators=(",", ":")))
        self._wake()

    def _alarm(self, alarm: Alarm) -> None:
        self.tell("alarm", **alarm_state(alarm, self.live.tick))

    def events_after(self, seen: int) -> tuple[list[str], bool]:
        """Events with numbers beyond `seen`, and whether some before them are no longer kept."""
        missing = self.last_event - seen
        if missing <= 0:
            return [], False
        kept = list(self._events)[-missing:]
        return kept, len(kept) < missing

    # --- viewers --------------------------------------------------------------------------------------

    def join(self, wake: Callable[[], None]) -> None:
        """Be woken at each frame and event."""
        self._wakers.add(wake)

    def leave(self, wake: Callable[[], None]) -> None:
        """Be woken no more."""
        self._wakers.discard(wake)

    @property
    def viewers(self) -> int:
        """How many look on."""
        return len(self._wakers)

    def _wake(self) -> None:
        for wake in self._wakers:
            wake()
