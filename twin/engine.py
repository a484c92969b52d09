"""Time: SimPy owns logistics and events, and one driver moves the plant's kernels on to the next of them.

Time is a whole number of ticks of 10 ms. The engine knows nothing of wall clocks or of controllers: the driver that
it is given does, and may come back early when something in the plant (a finished load, an alarm) concerns SimPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from types import MethodType
from typing import TYPE_CHECKING

import numpy as np
import simpy

from twin.clock import ticks

if TYPE_CHECKING:
    from twin.plant import Plant

# What a driver may come back for, as bits: a load was accepted or finished, an alarm changed, the recorder is full,
# somebody outside has acted.
LOADS, ALARMS, FULL, ACTED = 1, 2, 4, 8


class Server:
    """Places that serve whoever comes, in order of coming, for times known by then: the queue needs no events of its own.

    Args:
        places: how many are served at a time.
    """

    def __init__(self, places: int = 1) -> None:
        self._free = [0] * places

    def take(self, now: int, service: int) -> tuple[int, int]:
        """Somebody comes.

        Args:
            now, service: ticks.

        Returns:
            Ticks at which service begins and ends.
        """
        free = self._free
        k = free.index(min(free))
        begins = max(now, free[k])
        free[k] = begins + service
        return begins, free[k]


class Away(simpy.Event):
    """A timeout that stands in a list of its own instead of SimPy's."""

    def __init__(self, env: simpy.Environment) -> None:
        self.env, self.callbacks, self._ok, self._value = env, [], True, None


class Clockwork(simpy.Environment):
    """SimPy's environment, whose time the plant's clock leads.

    Attributes:
        away: heap of what is away, see `Engine.away`: tick, number in order of coming, event.
    """

    def __init__(self) -> None:
        super().__init__()
        self.away: list[tuple[int, int, Away]] = []
        # SimPy binds what its own class names once an environment, but in a class derived from it at every call.
        self.timeout = MethodType(simpy.Timeout, self)  # type: ignore[method-assign]
        self.process = MethodType(simpy.Process, self)  # type: ignore[method-assign]

    def catch_up(self, now: int) -> None:
        """Let all that is due by a time happen, in order of time."""
        queue, away = self._queue, self.away
        while True:
            at = away[0][0] if away else math.inf
            if queue and queue[0][0] <= at:
                if queue[0][0] > now:
                    return
                self.step()
            elif at <= now:
                self._now, _, event = heappop(away)
                callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
                for call in callbacks:
                    call(event)
            else:
                return

    def go_to(self, now: int) -> None:
        """It is that time now, and nothing was due before."""
        self._now = now


class Engine:
    """Couples SimPy's event list with the plant.

    Attributes:
        plant: the plant.
        env: SimPy environment whose time is in ticks.
        log: `(kind, name, value, text)` of whatever happens, for the event table.
        befalls: by machine, what to call when a fault has struck it, for what SimPy moves.
        patience: ticks that an event away from the lines may wait for the plant to stop, see `away`; 0 for none.
        settled: called when all that was due at a time has happened; returns the tick at which it wants to be called again,
            for which the plant may keep it waiting as for what is away.
    """

    def __init__(self, plant: Plant, seed: int, log: Callable[[str, str, float, str], None]) -> None:
        self.plant = plant
        self.seed = seed
        self.env = Clockwork()
        self._watches: list[tuple[int, Callable[[], None]]] = []
        self._tick = memoryview(plant.state.site["tick"])  # type: ignore[arg-type]
        self.patience = 0
        self._calendar: list[tuple[int, int, Callable[[], None]]] = []  # a year's orders in SimPy's own list would make it slow
        self._nth = count()
        self.befalls: dict[str, Callable[[], None]] = {}
        self.settled: Callable[[], float] | None = None
        self.log = log

    @property
    def now(self) -> int:
        """Simulated time, ticks since the start."""
        return self._tick[0]  # type: ignore[no-any-return]

    def rng(self, *entity: int) -> np.random.Generator:
        """A random stream of its own for one entity: adding one does not disturb the others."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed & 0xFFFFFFFF, *entity])))

    def wait(self, seconds: float) -> simpy.Timeout:
        """SimPy timeout in seconds."""
        return self.env.timeout(max(ticks(seconds), 0))

    def away(self, wait: int) -> simpy.Event:
        """SimPy timeout in ticks for what does not concern the lines, such as a truck on the road: the plant need not stop for it.

        It comes in its order and finds its own time in `env.now`, but not before the plant has stopped for something else, or `patience` is over.
        """
        env = self.env
        at = int(env.now) + wait
        if not self.patience or at <= self.now:
            return env.timeout(wait)
        event = Away(env)
        heappush(env.away, (at, next(self._nth), event))
        return event

    def _hasten(self, now: int) -> None:
        """Put what is due on the calendar into SimPy's list."""
        calendar = self._calendar
        while calendar and calendar[0][0] <= now:
            tick, _, act = heappop(calendar)
            self._let(tick, act)

    def watch(self, what: int, look: Callable[[], None]) -> None:
        """Call `look` whenever the driver comes back for one of the bits in `what`, before SimPy's events at that time."""
        self._watches.append((what, look))

    def at(self, tick: int, act: Callable[[], None]) -> None:
        """Let something happen at a tick (now, if that has passed)."""
        if tick > self.now:
            heappush(self._calendar, (tick, next(self._nth), act))
        else:
            self._let(tick, act)

    def _let(self, tick: int, act: Callable[[], None]) -> None:
        event = self.env.timeout(max(tick - int(self.env.now), 0))
        assert event.callbacks is not None
        event.callbacks.append(lambda _: act())

    def run_until(self, tick: int, drive: Callable[[int], int]) -> Iterator[int]:
        """Advance to a tick; yields the time after each piece, so that the caller may look, pace or stop.

        Args:
            tick: where to stop.
            drive: moves the plant on to the given tick or to the first scan at which it wants attention, and says for what.
        """
        now = self.now
        due = self._settle(now, LOADS | ALARMS)
        while now < tick:
            look = drive(int(min(tick, max(due, now + 1))))
            now = self.now
            due = self._settle(now, look)
            yield now

    def sync(self) -> None:
        """Bring SimPy's time up to the plant's, letting happen what was due by then."""
        now = self.now
        self._hasten(now)
        self.env.catch_up(now)
        self.env.go_to(now)

    def _settle(self, now: int, look: int) -> float:
        """Bring SimPy to the plant's time and let everything due happen. Returns the tick at which the next thing is due."""
        if look:
            self.sync()
            for what, call in self._watches:
                if look & what:
                    call()
        env, calendar = self.env, self._calendar
        self._hasten(now)
        while True:
            env.catch_up(now)
            again = self.settled() + self.patience if self.settled else math.inf
            due = env.peek()
            if due > now:
                away = env.away[0][0] + self.patience if env.away else math.inf
                return min(due, again, away, calendar[0][0] if calendar else math.inf)
