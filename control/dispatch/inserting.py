"""Put a whole site into a schedule, trip by trip, depth first: each trip tries the trucks and the gaps between their trips, the
best first, and goes back when the trips after it find none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from control.dispatch.chance import Chance, draw
from control.dispatch.state import NONE, Desk, Facts, State
from control.dispatch.timing import last_start, own_start, put_back, queue_up, raise_starts
from twin.jit import njit

Reals = NDArray[np.float64]

# What counts against a choice: minutes the pour is late behind the one before, minutes the truck waits, minutes it drives
# more, minutes its next pour is pushed back, minutes it pours nothing because it is not full, and luck.
WEIGHTS = 6
LATE, IDLE, DETOUR, PUSH, WASTE, LUCK = range(WEIGHTS)


@njit
def link(f: Facts, s: State, trip: int, truck: int, before: int) -> None:
    """Put a trip at the end of its site's row and into the truck's chain behind `before` (NONE: in front)."""
    after = s.head[truck] if before == NONE else s.after[before]
    s.truck[trip] = truck
    s.before[trip] = before
    s.after[trip] = after
    if before == NONE:
        s.head[truck] = trip
    else:
        s.after[before] = trip
    if after != NONE:
        s.before[after] = trip
    s.trips[s.site[trip]] += 1
    s.start[trip] = own_start(f, s, trip)
    s.latest[trip] = last_start(f, s, trip)


@njit
def unlink(s: State, trip: int) -> None:
    """Take a trip out of its truck's chain and its site's row; of a row, the last trip must go first."""
    before, after = s.before[trip], s.after[trip]
    if before == NONE:
        s.head[s.truck[trip]] = after
    else:
        s.after[before] = after
    if after != NONE:
        s.before[after] = before
    s.trips[s.site[trip]] -= 1


@njit
def settle(f: Facts, s: State, d: Desk, trip: int, trail: int) -> int:
    """Give a trip just linked its start and let the others make room; the trail's new length, or NONE when they cannot."""
    start = s.start[trip]
    before = s.before[trip]
    if before != NONE:
        start = max(start, s.start[before] + f.pour[s.truck[trip]] + f.next[s.site[before], s.site[trip]])
    if trip > s.place[s.site[trip]]:
        start = max(start, s.start[trip - 1] + f.pour[s.truck[trip - 1]])
    if start > s.latest[trip]:
        return NONE
    s.start[trip] = start
    return raise_starts(f, s, d, queue_up(d, 0, trip), trail)


@njit
def choices(f: Facts, s: State, d: Desk, site: int, level: int, weight: Reals, chance: Chance) -> None:
    """List where the next trip of a site may go, with a score (the less the better), by what bounds can tell."""
    trip = s.place[site] + s.trips[site]
    ready = f.opens[site]
    patience = f.closes[site]
    if s.trips[site] > 0:
        done = f.pour[s.truck[trip - 1]]
        ready = s.start[trip - 1] + done
        patience = s.latest[trip - 1] + done + f.lag[site]
    size = 0
    for kind in range(len(d.seen)):
        d.seen[kind] = 0
    for truck in range(len(f.capacity)):
        if s.head[truck] == NONE:  # one for all idle trucks of a kind
            if d.seen[f.kind[truck]]:
                continue
            d.seen[f.kind[truck]] = 1
        last = min(f.closes[site] - f.pour[truck], patience)
        empty_min = max(0, f.capacity[truck] - d.level_rest[level]) * f.pour[truck] / f.capacity[truck]
        before = NONE
        arrival = f.first[truck, site]
        after = s.head[truck]
        while arrival <= last:
            begin = max(arrival, ready)
            score = weight[LATE] * (begin - ready) + weight[WASTE] * empty_min
            fits = begin <= last
            way = 0
            if before != NONE:
                way = f.next[s.site[before], site]
                score += weight[IDLE] * (begin - arrival)
            if after != NONE:
                onward = f.next[site, s.site[after]]
                back = begin + f.pour[truck] + onward
                fits = fits and back <= s.latest[after] and s.site[after] != site
                score += weight[PUSH] * max(0, back - s.start[after])
                way += onward
                if before != NONE:
                    way -= f.next[s.site[before], s.site[after]]
            if fits:
                d.choice_truck[level, size] = truck
                d.choice_before[level, size] = before
                d.choice_score[level, size] = score + weight[DETOUR] * way + weight[LUCK] * draw(chance)
                size += 1
            if after == NONE:
                break
            before = after
            after = s.after[before]
            arrival = s.start[before] + f.pour[truck] + f.next[s.site[before], site]
    d.level_size[level] = size


@njit
def take_best(d: Desk, level: int) -> int:
    """Index of the best choice left at a level, which is then taken out; NONE when there is none."""
    best = NONE
    score = np.inf
    for n in range(d.level_size[level]):
        if d.choice_score[level, n] < score:
            score = d.choice_score[level, n]
            best = n
    if best != NONE:
        d.choice_score[level, best] = np.inf
    return best


@njit
def insert(f: Facts, s: State, d: Desk, site: int, effort: int, weight: Reals, chance: Chance) -> bool:
    """Serve a site that is not served, without moving any trip to another truck or order.

    Args:
        effort: how many placements of a trip may be tried.
        weight: (WEIGHTS,) of the score.

    Returns:
        whether it went in; if not, the schedule is as it was.
    """
    first = s.place[site]
    level = trail = 0
    rest = f.demand[site]
    deeper = True
    while True:
        if deeper:
            d.level_rest[level] = rest
            choices(f, s, d, site, level, weight, chance)
            deeper = False
        choice = take_best(d, level) if effort > 0 else NONE
        if choice == NONE:
            if level == 0:
                return False
            level -= 1
            put_back(s, d, trail, d.level_trail[level])
            trail = d.level_trail[level]
            unlink(s, first + level)
            continue
        effort -= 1
        truck = d.choice_truck[level, choice]
        link(f, s, first + level, truck, d.choice_before[level, choice])
        settled = settle(f, s, d, first + level, trail)
        if settled == NONE:
            unlink(s, first + level)
            continue
        rest = d.level_rest[level] - f.capacity[truck]
        if rest <= 0:
            return True
        d.level_trail[level] = trail
        trail = settled
        level += 1
        deeper = True
