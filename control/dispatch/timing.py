"""When each trip can pour: the least solution of the simple temporal network of a schedule.

Constraints between starts of pours: a truck must drive over a station to its next site; a site takes one truck at a time; and the
next pour begins at most the lag after the last one ended, which is an arc that points back in time. Starts only
ever rise from their lower bounds until all constraints hold; a start above its upper bound proves that there is no solution
(Dechter, Meiri and Pearl, Temporal constraint networks, 1991).
"""

from __future__ import annotations

from control.dispatch.state import NONE, Desk, Facts, State
from twin.jit import njit


@njit
def last_start(f: Facts, s: State, trip: int) -> int:
    """Latest start that the site's window allows."""
    return f.closes[s.site[trip]] - f.pour[s.truck[trip]]


@njit
def own_start(f: Facts, s: State, trip: int) -> int:
    """Earliest start that the site's window and, for a truck's first trip, the way there allow."""
    site = s.site[trip]
    if s.before[trip] == NONE:
        return max(f.opens[site], f.first[s.truck[trip], site])
    return f.opens[site]


@njit
def queue_up(d: Desk, size: int, trip: int) -> int:
    """Put a trip on the queue unless it is there; the queue's new size."""
    if d.queued[trip]:
        return size
    d.queued[trip] = 1
    d.queue[size] = trip
    return size + 1


@njit
def put_back(s: State, d: Desk, length: int, trail: int) -> None:
    """Undo the changes of starts from `length` down to `trail`."""
    for n in range(length - 1, trail - 1, -1):
        s.start[d.trail_trip[n]] = d.trail_start[n]


@njit
def raise_starts(f: Facts, s: State, d: Desk, size: int, trail: int) -> int:
    """Raise starts until every constraint around the queued trips holds.

    Returns:
        new length of the trail; NONE when there is no solution, with all starts as they were. The queue is empty then.
    """
    length = trail
    ok = True
    while size > 0:
        size -= 1
        trip = d.queue[size]
        d.queued[trip] = 0
        if not ok:
            continue
        site = s.site[trip]
        first = s.place[site]
        done = s.start[trip] + f.pour[s.truck[trip]]
        for neighbour in range(3):
            other = NONE
            need = 0
            if neighbour == 0:
                other = s.after[trip]
                if other != NONE:
                    need = done + f.next[site, s.site[other]]
            elif neighbour == 1:
                if trip + 1 < first + s.trips[site]:
                    other = trip + 1
                    need = done
            elif trip > first:
                other = trip - 1
                need = s.start[trip] - f.lag[site] - f.pour[s.truck[other]]
            if other == NONE or s.start[other] >= need:
                continue
            if need > last_start(f, s, other) or length >= len(d.trail_trip):
                ok = False
                break
            d.trail_trip[length] = other
            d.trail_start[length] = s.start[other]
            length += 1
            s.start[other] = need
            size = queue_up(d, size, other)
    if ok:
        return length
    put_back(s, d, length, trail)
    return NONE


@njit
def earliest(f: Facts, s: State, d: Desk) -> bool:
    """Compute all starts anew; False when there is no solution."""
    size = 0
    for site in range(len(s.trips)):
        for trip in range(s.place[site], s.place[site] + s.trips[site]):
            s.start[trip] = own_start(f, s, trip)
            size = queue_up(d, size, trip)
    return raise_starts(f, s, d, size, 0) != NONE


@njit
def latest(f: Facts, s: State, d: Desk) -> None:
    """Compute all latest starts anew, for a schedule that has a solution."""
    size = 0
    for site in range(len(s.trips)):
        for trip in range(s.place[site], s.place[site] + s.trips[site]):
            s.latest[trip] = last_start(f, s, trip)
            size = queue_up(d, size, trip)
    while size > 0:
        size -= 1
        trip = d.queue[size]
        d.queued[trip] = 0
        site = s.site[trip]
        first = s.place[site]
        for neighbour in range(3):
            other = NONE
            need = 0
            if neighbour == 0:
                other = s.before[trip]
                if other != NONE:
                    need = s.latest[trip] - f.next[s.site[other], site] - f.pour[s.truck[other]]
            elif neighbour == 1:
                if trip > first:
                    other = trip - 1
                    need = s.latest[trip] - f.pour[s.truck[other]]
            elif trip + 1 < first + s.trips[site]:
                other = trip + 1
                need = s.latest[trip] + f.pour[s.truck[trip]] + f.lag[site]
            if other == NONE or s.latest[other] <= need:
                continue
            s.latest[other] = need
            size = queue_up(d, size, other)
