"""The two drives of a run: `scan` with any controller at its own period, `batch` compiled in one loop."""

from __future__ import annotations

from typing import Any

from control import air, collectors, dosing, line, stores, water
from scenarios import stride
from scenarios.recorder import NEXT_SAMPLE, observe, observe_line, observe_rest, observe_stores, watch_weigher
from twin import plant
from twin.clock import SCAN_TICKS, TICK_S, TICKS_PER_S
from twin.engine import FULL, LOADS
from twin.equipment import feeder, weigher
from twin.jit import at, njit

FILLING_TICKS = 5 * TICKS_PER_S  # how often `batch` fidelity looks at a silo that is being filled, for its controller may have to act
STORES_TICKS = 20 * TICKS_PER_S  # at least between two looks at all silos, bins, tanks and collectors


@njit
def play_ticks(state: Any, log: Any, count: int) -> int:
    """`scan` fidelity: the physics of one scan in steps of 10 ms, then sensors and observer. Takes handles of `State` and `Log`."""
    p, seen = at(state, "State"), at(log, "Log")
    for _ in range(count):
        plant.step(p, 1)
    plant.sense(p)
    return observe(p, seen)


@njit
def play_batch(state: Any, memory: Any, log: Any, until: int, anew: bool) -> int:
    """`drive_batch` for handles of `State`, `Memory` and `Log`."""
    return drive_batch(at(state, "State"), at(memory, "Memory"), at(log, "Log"), until, anew)


@njit
def drive_batch(p: Any, c: Any, log: Any, until: int, anew: bool) -> int:
    """`batch` fidelity: reference control and physics until a tick, or until somebody outside must look.

    Each line steps as far as nothing can be decided about it; of all lines the one whose step ends first goes on, so that what
    happens is seen in order of time. All meet at the end of the call and to be sampled; one that is met within its step goes on
    to where that was to end. Stores are looked at beside them. Within a step each busy weigher goes on by itself, scan by scan
    where it must.
    The functions are those of `scan` fidelity, with longer steps.

    Args:
        p: the plant's `State`; c: the controller's `Memory`; log: the observer's `Log`.
        until: tick to stop at.
        anew: somebody outside may have acted since the last call, so that every line must decide again; if not, the
            calls together do what one would have done.

    Returns:
        What to look at: bits as `observe` gives them, but for alarms of stores and surroundings, on which nobody in the run acts, and
        for what dispatch decides, which was asked by whom it concerns.
    """
    site, lines = p.site[0], c.lines
    fed = filling(p)
    if anew:
        for k in range(lines.shape[0]):
            lines[k].next = site.tick
        for k in range(c.dosers.shape[0]):
            c.dosers[k].calm = 0
    while True:
        until = min(until, to_be_heard(p))
        if site.tick >= until:
            break
        now = min(until, max(site.brimful, site.tick + SCAN_TICKS))
        if fed:
            now = min(now, max(site.filled + FILLING_TICKS, site.tick + SCAN_TICKS))
        for k in range(lines.shape[0]):
            if lines[k].next <= site.tick:
                decide(p, c, log, k, site.tick)
            now = min(now, lines[k].next)
        look, meet = 0, now == until or now >= log.counts[NEXT_SAMPLE]
        for k in range(lines.shape[0]):
            if meet or lines[k].next == now:
                look |= go_on(p, c, log, k, now)
        stores_due = now - site.stored >= STORES_TICKS or now >= site.brimful
        if stores_due or fed and now - site.filled >= FILLING_TICKS:
            site.tick = now
            look_after_stores(p, c, log, stores_due)
        if look or meet or stores_due:
            fed = filling(p)
        if look or meet:
            for k in range(lines.shape[0]):
                if lines[k].at < now:
                    look |= go_on(p, c, log, k, now)
            look |= observe_rest(p, log) & FULL
            if look:
                return look
    return LOADS if to_be_heard(p) <= site.tick else 0


@njit
def to_be_heard(p: Any) -> int:
    """Tick at which the office must hear of a load that has been accepted."""
    tick = stride.NEVER
    for k in range(p.bays.shape[0]):
        b = p.bays[k]
        if b.accepted > 0 and b.heed >= 0:
            tick = min(tick, b.accepted + b.heed)
    return tick


@njit
def decide(p: Any, c: Any, log: Any, k: int, now: int) -> None:
    """A scan of the program of line `k`, and how far it may step after it."""
    n = c.lines[k]
    before = line.signature(n)
    line.scan(n, c, p.io, now)
    for j in range(n.first_doser, n.first_doser + n.dosers):
        watch_weigher(p, log, j, now)
    n.at = now
    n.next = now + (stride.of_line(n, c, p, k, now) if line.signature(n) == before else SCAN_TICKS)


@njit
def go_on(p: Any, c: Any, log: Any, k: int, end: int) -> int:
    """Take line `k` on to a tick at or before its next decision, and look at it."""
    n, site = c.lines[k], p.site[0]
    for j in range(n.first_doser, n.first_doser + n.dosers):
        site.tick = n.at
        weigh_on(p, c, log, j, end)
    line.beat(n, p.io)
    plant.carry(p, k, (end - n.at) * TICK_S)
    n.at = site.tick = end
    plant.sense_line(p, k)
    return observe_line(p, log, k)


@njit
def look_after_stores(p: Any, c: Any, log: Any, whole: bool) -> None:
    """Take silos being filled, or all stores and the surroundings, up to the site's time, and look at them."""
    site = p.site[0]
    site.filled = site.tick
    if whole:
        plant.slow(p)
        plant.sense_stores(p)
        if site.watered == site.tick:
            water.scan(c, p.io, site.tick)
            air.scan(c, p.io, site.tick)
        for k in range(c.collectors.shape[0]):
            collectors.scan(c.collectors[k], p.io, site.tick)
        for k in range(c.stores.shape[0]):
            stores.scan(c.stores[k], p.io)
        site.brimful = site.tick + stride.of_bins(p)
    else:
        plant.filled(p)
        for k in range(c.stores.shape[0]):
            stores.scan(c.stores[k], p.io)
    observe_stores(p, log)


@njit
def filling(p: Any) -> bool:
    """Is a silo being filled?"""
    busy = False
    for k in range(p.silos.shape[0]):
        busy |= p.silos[k].connected > 0.5
    return busy


@njit
def weigh_on(p: Any, c: Any, log: Any, k: int, end: int) -> None:
    """Take one weigher with its feeders and its program up to a tick, or as near before it as something can happen.

    A weigher that doses is coupled to nothing else; it waits behind the line's time until its next decision is due.
    """
    w, d, site = p.weighers[k], c.dosers[k], p.site[0]
    now = site.tick
    if (d.phase == dosing.IDLE or d.phase == dosing.WEIGHED) and (d.calm or weigher.calm(w, p)):
        w.at, d.next, d.calm = end, end, 1
        return
    d.calm = 0
    while w.at < end:
        step = stride.of_doser(d, c, p, w, w.at)
        if stride.may_lag(d):
            if w.at + step > end:
                break
        else:
            step = min(step, end - w.at)
        site.tick = w.at
        moves = not weigher.calm(w, p)  # on a calm weigher only the reading changes
        if moves:
            weigher.dose(w, p, step)
        w.at += step
        site.tick = w.at
        weigher.sense(w, p, p.mixers[w.line].speed)
        if moves:
            for j in range(w.first_feeder, w.first_feeder + w.feeders):
                feeder.sense(p.feeders[j], p)
        if w.at < end:
            dosing.scan(d, c, p.io, w.at)
            line.begin(c.lines[w.line], d, p.io, w.at)
            watch_weigher(p, log, k, w.at)
    d.next = w.at + stride.of_doser(d, c, p, w, w.at) if w.at < end else end
    site.tick = now
