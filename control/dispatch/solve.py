"""The search as an object: made for a problem and a seed, run for some steps, asked for its plan."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from control.dispatch.inserting import WEIGHTS
from control.dispatch.problem import Plan, Problem, legs
from control.dispatch.search import BEST, anneal
from control.dispatch.state import NONE, State, copy_state, desk, empty_state, facts

PIECE = 100  # steps between two looks at the clock
FIRST_ROUND = 5_000  # steps of the first cooling; each further one takes twice as many


class Search:
    """A search over schedules of one problem. The same seed and number of steps give the same bits.

    Attributes:
        steps: done so far.
        delivered: volume of the best schedule so far.
    """

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        self.problem = problem
        self.legs = legs(problem)
        self.steps = self.delivered = 0
        self._facts, self._desk = facts(problem, self.legs), desk(problem)
        self._now = empty_state(problem)
        self._kept, self._best = copy_state(self._now), copy_state(self._now)
        self._chance, self._weight, self._value = np.array([seed], np.uint64), np.zeros(WEIGHTS), np.zeros(2)
        self._round, self._step = FIRST_ROUND, 0

    def run(self, steps: int) -> int:
        """Go on for some steps; the volume of the best schedule so far."""
        while steps > 0:
            piece = min(steps, self._round - self._step)
            states, room = (self._now, self._kept, self._best), (self._desk, self._weight, self._value)
            anneal(self._facts, *states, *room, self._chance, self._step, piece, self._round)
            self._step += piece
            self.steps += piece
            steps -= piece
            if self._step == self._round:
                self._step, self._round = 0, 2 * self._round
                self._now, self._kept = copy_state(self._best), copy_state(self._best)
                self._value[:] = self._value[BEST]
        self.delivered = int(self.problem.demand[self._best.trips > 0].sum())
        return self.delivered

    def plan(self) -> Plan:
        """The best schedule so far, each pour as early as it may be."""
        state, problem = self._best, self.problem
        rows = []
        for site in np.flatnonzero(state.trips):
            rest = problem.demand[site]
            for trip in range(state.place[site], state.place[site] + state.trips[site]):
                truck, station = state.truck[trip], self._station(state, trip)
                volume = min(rest, problem.capacity[truck])
                rest -= volume
                pour = state.start[trip]
                rows.append((truck, station, site, pour - problem.station_to_site_min[station, site], pour, volume))
        rows.sort(key=lambda row: (row[4], row[2], row[0]))
        return Plan(*np.array(rows, np.int64).reshape(-1, len(Plan._fields)).T.copy())

    def _station(self, state: State, trip: int) -> int:
        """Where a trip loads: the station that makes the way from the place before the shortest."""
        before, site = state.before[trip], state.site[trip]
        if before == NONE:
            return int(self.legs.first_station[state.truck[trip], site])
        return int(self.legs.next_station[state.site[before], site])


class Outcome(NamedTuple):
    """What a search came to; `Search(problem, seed).run(steps)` gives the same."""

    plan: Plan
    delivered: int
    seed: int
    steps: int


def solve(
    problem: Problem, *, seed: int = 0, seconds: float | None = None, steps: int | None = None, enough: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:  # fmt: skip
    """Search until time or steps are used up, `enough` is delivered, or `stop()` says so.

    Args:
        problem: what is to be dispatched.
        seed: of the search.
        seconds: of wall time.
        steps: of the search.
        enough: volume that cannot or need not be exceeded; all that was ordered when left out.
        stop: asked every hundred steps.
    """
    search = Search(problem, seed)
    enough = int(problem.demand.sum()) if enough is None else enough
    end = np.inf if seconds is None else time.monotonic() + seconds
    left = np.inf if steps is None else steps
    while left > 0 and search.delivered < enough and time.monotonic() < end and not stop():
        piece = int(min(PIECE, left))
        search.run(piece)
        left -= piece
    return Outcome(search.plan(), search.delivered, seed, search.steps)
