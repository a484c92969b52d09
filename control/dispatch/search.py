"""Ruin and recreate: take some sites that lie close in time and space out of the schedule, put sites in again as long as they
fit, and keep the outcome by the rule of simulated annealing (Schrimpf et al. 2000; Shaw 1998 for what goes out).
"""

from __future__ import annotations

import numpy as np

from control.dispatch.chance import Chance, draw
from control.dispatch.inserting import DETOUR, IDLE, LATE, LUCK, PUSH, WASTE, Reals, insert, unlink
from control.dispatch.state import NONE, Desk, Facts, State
from control.dispatch.timing import earliest, latest
from twin.jit import njit

WORK = 0.02  # what a minute counts that a truck drives or pours, of the volume it could pour in it
HOT, COLD = 0.55, 0.028  # first and last temperature of a round, in mean truckloads
EFFORT = 60  # placements tried to insert a site
MOST_OUT = 7  # sites taken out at once
KEPT, BEST = 0, 1


@njit
def worth(f: Facts, s: State) -> float:
    """What the search maximises: delivered volume, less a little for the time of trucks, which may serve others."""
    total = 0.0
    work_min = 0
    for site in range(len(s.trips)):
        if s.trips[site] > 0:
            total += f.demand[site]
        for trip in range(s.place[site], s.place[site] + s.trips[site]):
            truck, before = s.truck[trip], s.before[trip]
            way = f.first[truck, site] if before == NONE else f.next[s.site[before], site]
            work_min += way + f.pour[truck]
    return total - WORK * f.minute[0] * work_min


@njit
def copy(source: State, target: State) -> None:
    """Make a schedule equal to another."""
    for n in range(len(source.trips)):
        target.trips[n] = source.trips[n]
    for n in range(len(source.head)):
        target.head[n] = source.head[n]
    for n in range(len(source.truck)):
        target.truck[n] = source.truck[n]
        target.before[n] = source.before[n]
        target.after[n] = source.after[n]
        target.start[n] = source.start[n]


@njit
def sort(d: Desk, size: int) -> None:
    """Sort `order[:size]` by `key`, the least first, by insertion: it is a few dozen."""
    for n in range(1, size):
        item = d.order[n]
        m = n - 1
        while m >= 0 and d.key[d.order[m]] > d.key[item]:
            d.order[m + 1] = d.order[m]
            m -= 1
        d.order[m + 1] = item


@njit
def ruin(f: Facts, s: State, d: Desk, chance: Chance) -> int:
    """Take out some served sites around a site drawn, rather one that waits; returns that site."""
    sites = len(s.trips)
    centre = int(draw(chance) * sites)
    for _ in range(3):
        if s.trips[centre] > 0:
            centre = int(draw(chance) * sites)
    middle = f.opens[centre] + f.closes[centre]
    spread_min = 10.0 + 40.0 * draw(chance)
    far = draw(chance)
    size = 0
    for site in range(sites):
        if s.trips[site] > 0:
            apart_min = 0.5 * abs(f.opens[site] + f.closes[site] - middle)
            d.key[site] = apart_min + far * f.next[centre, site] + spread_min * draw(chance)
            d.order[size] = site
            size += 1
    sort(d, size)
    for n in range(min(size, 1 + int(draw(chance) * MOST_OUT))):
        site = d.order[n]
        for trip in range(s.place[site] + s.trips[site] - 1, s.place[site] - 1, -1):
            unlink(s, trip)
    return centre


@njit
def line_up(f: Facts, s: State, d: Desk, centre: int, chance: Chance) -> int:
    """Sort the sites that wait by a rule drawn: by luck, demand, opening, slack or closing. Returns how many there are."""
    rule = int(draw(chance) * 5)
    size = 0
    for site in range(len(s.trips)):
        if s.trips[site] > 0:
            continue
        luck = draw(chance)
        if rule == 0:
            key = luck
        elif rule == 1:
            key = -f.demand[site] * (0.5 + luck)
        elif rule == 2:
            key = f.opens[site] + 60.0 * luck
        elif rule == 3:
            key = f.slack[site] * (0.5 + luck)
        else:
            key = f.closes[site] + 60.0 * luck
        d.key[site] = key
        d.order[size] = site
        size += 1
    if s.trips[centre] == 0 and draw(chance) < 0.5:
        d.key[centre] = -np.inf
    sort(d, size)
    return size


@njit
def recreate(f: Facts, s: State, d: Desk, centre: int, weight: Reals, chance: Chance) -> None:
    """Put in what fits of the sites that wait, with weights drawn anew."""
    weight[LATE] = 2.0 * draw(chance)
    weight[IDLE] = draw(chance)
    weight[DETOUR] = draw(chance)
    weight[PUSH] = draw(chance)
    weight[WASTE] = 4.0 * draw(chance)
    weight[LUCK] = 20.0 * draw(chance)
    changed = True
    for n in range(line_up(f, s, d, centre, chance)):
        if changed:
            latest(f, s, d)
        changed = insert(f, s, d, d.order[n], EFFORT, weight, chance)


@njit
def anneal(
    f: Facts, now: State, kept: State, best: State, d: Desk, weight: Reals, value: Reals, chance: Chance, done: int, steps: int, length: int
) -> None:
    """Improve a schedule.

    Args:
        now, kept, best: the schedule at hand, the one accepted last (equal to it between calls), and the best so far.
        weight: (WEIGHTS,) room for the weights of choices.
        value: (2,) worth of `kept` and of `best`.
        done, steps, length: steps of this round of cooling that are done, are to be done now, and there are in all.
    """
    for step in range(done, done + steps):
        temperature = f.load[0] * HOT * (COLD / HOT) ** (step / length)
        centre = ruin(f, now, d, chance)
        if not earliest(f, now, d):  # the trail was too short
            copy(kept, now)
            continue
        recreate(f, now, d, centre, weight, chance)
        new = worth(f, now)
        if new - value[KEPT] < temperature * np.log(1.0 - draw(chance)):
            copy(kept, now)
            continue
        value[KEPT] = new
        copy(now, kept)
        if new > value[BEST] + 1e-9:
            value[BEST] = new
            copy(now, best)
