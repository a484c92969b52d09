"""The arrays a search works on: a schedule as two kinds of chains through its trips, and room to work in.

Each site owns a row of places for its trips, filled from the left in the order of the pours. A trip is the number of its
place. `before` and `after` chain the trips of a truck.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from control.dispatch.problem import Ints, Legs, Problem

NONE = -1
TRAIL = 1 << 16  # changes of starts that can be undone, and 64 more for each trip; what needs more is given up


class State(NamedTuple):
    """K trucks, N sites, M places for trips. All int64.

    Attributes:
        place: (N + 1,) first place of each site.
        site: (M,) whose place it is.
        trips: (N,) how many trips the site has; 0 when it is not served.
        truck: (M,) who makes the trip.
        before, after: (M,) the truck's trip before and after, or NONE.
        head: (K,) first trip of the truck, or NONE.
        start: (M,) earliest start of the pour that all constraints together allow.
        latest: (M,) latest start, a bound.
    """

    place: Ints
    site: Ints
    trips: Ints
    truck: Ints
    before: Ints
    after: Ints
    head: Ints
    start: Ints
    latest: Ints


class Desk(NamedTuple):
    """Room to work in; nothing here outlives a call.

    Attributes:
        queue, queued: (M,) trips whose neighbours must be looked at again.
        trail_trip, trail_start: starts as they were, to be put back.
        level_*, choice_*: of the depth-first insertion, by depth, and by depth and choice.
        seen: (K,) kinds of trucks that were idle already.
        key, order: (N,) sites to be sorted.
    """

    queue: Ints
    queued: Ints
    trail_trip: Ints
    trail_start: Ints
    level_size: Ints
    level_trail: Ints
    level_rest: Ints
    choice_truck: Ints
    choice_before: Ints
    choice_score: NDArray[np.float64]
    seen: Ints
    key: NDArray[np.float64]
    order: Ints


class Facts(NamedTuple):
    """What kernels know of the problem: see `Problem` and `Legs`, and

    Attributes:
        kind: (K,) equal for trucks that nothing tells apart.
        slack: (N,) minutes of the window that are left when the fastest truck brings everything.
        load: (1,) volume of a mean truckload, the measure of gains and losses.
        minute: (1,) volume that trucks pour in a minute, in the mean.
    """

    capacity: Ints
    pour: Ints
    kind: Ints
    first: Ints
    next: Ints
    demand: Ints
    opens: Ints
    closes: Ints
    lag: Ints
    slack: NDArray[np.float64]
    load: NDArray[np.float64]
    minute: NDArray[np.float64]


def facts(problem: Problem, ways: Legs) -> Facts:
    """The kernels' view of a problem."""
    p = Problem(*(np.ascontiguousarray(a, dtype=np.int64) for a in problem))
    first, following = np.ascontiguousarray(ways.first_min), np.ascontiguousarray(ways.next_min)
    rows = np.column_stack([p.capacity, p.pour_min, first])
    kind = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    slack = p.closes_min - p.opens_min - p.demand * (p.pour_min / p.capacity).min()
    load = np.array([p.capacity.mean()])
    minute = np.array([p.capacity.sum() / p.pour_min.sum()])
    return Facts(p.capacity, p.pour_min, kind, first, following, p.demand, p.opens_min, p.closes_min, p.max_lag_min, slack, load, minute)


def most_trips(problem: Problem) -> Ints:
    """(N,) trips a site needs when the smallest truck makes them all."""
    return -(-problem.demand // problem.capacity.min())


def empty_state(problem: Problem) -> State:
    """A schedule without trips."""
    most = most_trips(problem)
    place = np.concatenate([[0], np.cumsum(most)]).astype(np.int64)
    total = int(place[-1])

    def nothing(size: int) -> Ints:
        return np.full(size, NONE, np.int64)

    zeros = np.zeros(len(most), np.int64)
    site = np.repeat(np.arange(len(most), dtype=np.int64), most)
    return State(
        place, site, zeros, nothing(total), nothing(total), nothing(total), nothing(len(problem.capacity)), nothing(total), nothing(total)
    )


def copy_state(state: State) -> State:
    """A copy of its own."""
    return State(*(a.copy() for a in state))


def desk(problem: Problem) -> Desk:
    """Room to work in, large enough for this problem."""
    most = most_trips(problem)
    trips, depth, sites = int(most.sum()), int(most.max(initial=1)) + 1, len(most)
    choices, trail = trips + len(problem.capacity), TRAIL + 64 * trips

    def ints(*shape: int) -> Ints:
        return np.zeros(shape, np.int64)

    return Desk(
        ints(trips + 1), ints(trips + 1), ints(trail), ints(trail), ints(depth), ints(depth), ints(depth),
        ints(depth, choices), ints(depth, choices), np.zeros((depth, choices)), ints(len(problem.capacity)), np.zeros(sites), ints(sites),
    )  # fmt: skip
