"""How far `batch` fidelity may step without anybody noticing: lower bounds on when the next thing can happen.

Each bound comes from the physics of the machine concerned (what is left to flow over the fastest it can flow) or from a
timer of the control program, so a decision is still taken at the scan at which the scan-by-scan run would take it, give
or take the noise. All results are ticks, a multiple of the scan.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from control import dosing, line, stores
from twin.clock import SCAN_TICKS, TICK_S, TICKS_PER_S
from twin.equipment import aggregate_bin
from twin.jit import njit

SWITCH_TICKS = 50  # a gate that has just been told to move is given a step of its own
SWING_S = 0.2  # of a load cell after a blow
NEVER = 1 << 61
LONGEST = 100 * TICKS_PER_S  # of one step while something is under way


@njit
def scans(seconds: float) -> int:
    """Whole scans within so many seconds, as ticks; at least one scan."""
    return max(int(seconds * TICKS_PER_S) // SCAN_TICKS * SCAN_TICKS, SCAN_TICKS)


@njit
def drain(mass_kg: float, knee_kg: float, rate_kg_s: float, end_kg: float) -> int:
    """Until an open hopper has run down to `end_kg`: freely above its knee, tailing off below it."""
    s = 0.0
    if mass_kg > knee_kg:
        s = (mass_kg - knee_kg) / rate_kg_s
    if end_kg < knee_kg and mass_kg > end_kg:
        s += np.log(min(mass_kg, knee_kg) / end_kg) * knee_kg / rate_kg_s
    return scans(s)


@njit
def of_doser(d: Any, c: Any, p: Any, w: Any, now: int) -> int:
    """Until this weigher's program can have anything to decide. Flow hardly ever exceeds its mean by three sigmas."""
    if d.phase == dosing.IDLE or d.phase == dosing.WEIGHED or d.phase == dosing.HELD:
        return LONGEST
    since = now - d.since
    if since <= 0 and d.phase != dosing.SETTLING:
        return SCAN_TICKS  # a new phase gives its commands at its first scan
    if since < SWITCH_TICKS and (d.phase == dosing.SETTLING or d.phase == dosing.FINE):
        return SWITCH_TICKS - since
    if d.phase == dosing.SETTLING:
        return max(dosing.SETTLE_TICKS - since, SCAN_TICKS)
    if d.phase == dosing.JOG:
        return max(d.jog_ticks - since, SCAN_TICKS)
    if d.phase == dosing.DISCHARGING:
        if not d.allow:
            return LONGEST
        if d.low_since > 0:
            return max(50 - (now - d.low_since), SCAN_TICKS)
        return drain(w.mass_kg, w.knee_kg, w.rate_kg_s, max(5.0 * d.division_kg, 0.002 * d.capacity_kg))
    if d.phase == dosing.COARSE or d.phase == dosing.FINE:
        f, stream = c.feeders[d.feeder], p.feeders[d.feeder]
        fast = 1.0 + 3.0 * stream.sigma
        to_go = d.target_kg - (w.shown_kg - d.tare_kg)
        # When the stream first lands its impact makes the scale jump ahead by what flows in its time of fall, and swing by a tenth of that.
        # Later, coarse feed may be cut a scan early or late, for fine feed makes up for it; the cut-off of fine feed may not.
        coming = since * TICK_S < stream.dead_s + 1.0 / stream.rate_s + stream.impact_s + SWING_S
        lands_s = max(1.2 * stream.impact_s, 0.3) if coming else 0.1 if d.phase == dosing.COARSE else 0.3
        if d.phase == dosing.COARSE:
            return min(scans((to_go - f.lead_kg) / (fast * f.rated_kg_s) - lands_s), 3 * TICKS_PER_S)
        inhibit = d.fine_from + dosing.INHIBIT_TICKS - now if d.fine_from > 0 else 0
        if inhibit > 0:
            return inhibit
        return min(scans((to_go - f.inflight_kg) / (fast * f.fine_kg_s) - lands_s), TICKS_PER_S)
    if d.phase == dosing.EMPTYING:
        return scans(w.opening / w.stroke_rate_s)
    return SCAN_TICKS


@njit
def may_lag(d: Any) -> bool:
    """Does this weigher touch nothing but its own material now, so that it may be stepped later in one piece?"""
    return dosing.TARE <= d.phase <= dosing.JOG


@njit
def until_weighed(d: Any, c: Any, p: Any, w: Any, now: int) -> int:
    """Until this weigher can at the earliest have its batch ready."""
    soon = of_doser(d, c, p, w, now)
    if d.phase == dosing.WEIGHED:
        return SCAN_TICKS
    if d.phase == dosing.COARSE:
        return soon + dosing.INHIBIT_TICKS + dosing.SETTLE_TICKS
    if d.phase == dosing.FINE or d.phase == dosing.JOG:
        return soon + dosing.SETTLE_TICKS
    if d.phase == dosing.SETTLING:
        return max(dosing.SETTLE_TICKS + (dosing.AVERAGE_SCANS - 1) * SCAN_TICKS - (now - d.since), SCAN_TICKS)
    return dosing.SETTLE_TICKS if d.phase != dosing.HELD else TICKS_PER_S


@njit
def slowest(n: Any, c: Any, p: Any, to_belt: int, batch: int, weighing: bool, now: int) -> int:
    """Until all weighers of the belt (or mixer) can have weighed, or discharged, their batch."""
    longest = SCAN_TICKS
    for k in range(n.first_doser, n.first_doser + n.dosers):
        d = c.dosers[k]
        if d.to_belt == to_belt:
            if weighing:
                longest = max(longest, until_weighed(d, c, p, p.weighers[k], now))
            elif d.done < batch:
                soon = of_doser(d, c, p, p.weighers[k], now) if d.phase == dosing.DISCHARGING or d.phase == dosing.EMPTYING else SCAN_TICKS
                longest = max(longest, soon)
    return longest


@njit
def of_belt(n: Any, c: Any, p: Any, now: int) -> int:
    """Until something is decided about the belt and the aggregate weighers."""
    if n.belt == line.BELT_IDLE:
        if n.wait_batch == 0 or n.stage == line.CHARGING:
            return slowest(n, c, p, 1, 0, True, now) if n.released > n.moved else LONGEST
        return LONGEST
    until = n.travel_ticks - line.CLEAR_TICKS - n.belt_ran if line.barred(n, p.io) else LONGEST
    if n.belt == line.BELT_LOADING:
        until = min(until, slowest(n, c, p, 1, n.belt_batch, False, now))
    elif n.wait_batch == 0:
        until = min(until, n.travel_ticks + line.CLEAR_TICKS - (n.belt_ran - n.belt_from))
    return max(until // SCAN_TICKS * SCAN_TICKS, SCAN_TICKS)


@njit
def of_mixer(n: Any, c: Any, p: Any, number: int, now: int) -> int:
    """Until something is decided about the mixer."""
    since = now - n.stage_since
    m, waiting = p.mixers[number], p.hoppers[2 * number]
    if n.stage == line.WAITING:
        return slowest(n, c, p, 0, 0, True, now) if n.wait_batch > 0 else LONGEST
    if n.stage == line.CHARGING:
        if since <= 100:
            return max(110 - since, SCAN_TICKS)
        if n.wait_since > 0:
            return max(TICKS_PER_S - (now - n.wait_since), SCAN_TICKS)
        if n.wait_batch == n.mix_batch:
            return drain(waiting.mass_kg, waiting.knee_kg, waiting.rate_kg_s, 1.0)
        return max(scans(waiting.opening / waiting.stroke_rate_s), slowest(n, c, p, 0, n.mix_batch, False, now))
    if n.stage == line.MIXING:
        return max((n.b_mix[n.mix_batch % dosing.RING] - n.mixed) // SCAN_TICKS * SCAN_TICKS, SCAN_TICKS)
    if n.stage == line.DISCHARGE:
        if m.door == 0.0:
            return SCAN_TICKS  # the observer notes the batch as the door begins to open
        if since < 2 * TICKS_PER_S:
            return max(2 * TICKS_PER_S - since, SCAN_TICKS)
        if n.low_since > 0:
            return max(TICKS_PER_S - (now - n.low_since), SCAN_TICKS)
        return drain(m.mass_kg, m.knee_kg, m.rate_kg_s, 0.025 * m.rated_kg)
    if n.stage == line.CLOSING:
        return scans(m.door / m.door_rate_s)
    out = p.hoppers[2 * number + 1]
    return drain(out.mass_kg, out.knee_kg, out.rate_kg_s, 1.0) if n.out_batch == 0 else LONGEST


@njit
def of_bins(p: Any) -> int:
    """Until a bin that is being fed can be as full as its program lets it be; what is fed after that runs over."""
    until = NEVER
    for k in range(p.bins.shape[0]):
        b = p.bins[k]
        if p.io[b.tag + aggregate_bin.FEED] > 0.5:
            to_go_kg = 0.01 * (stores.FEED_UP_TO - b.shown) * b.capacity_kg
            until = min(until, max(scans(to_go_kg / b.feed_kg_s), TICKS_PER_S))
    return until


@njit
def starting(n: Any, m: Any, b: Any, now: int) -> int:
    """Until the horn has sounded, or the motor being started can have come to speed."""
    if now - n.since < line.HORN_TICKS:
        return max(line.HORN_TICKS - (now - n.since), SCAN_TICKS)
    if m.speed < 0.9:
        return scans((0.9 - m.speed) / m.start_rate_s)
    return scans((0.8 - b.speed) / b.start_rate_s) if b.speed < 0.8 else SCAN_TICKS


@njit
def of_line(n: Any, c: Any, p: Any, number: int, now: int) -> int:
    """Until something is decided about this line."""
    until, stands = of_program(n, c, p, number, now), p.bays[number].stands
    return min(until, max(stands - now, 1)) if stands > 0 else until


@njit
def of_program(n: Any, c: Any, p: Any, number: int, now: int) -> int:
    """Until the program of a line decides something by itself."""
    if n.state == line.STOPPED:
        return LONGEST
    if p.io[n.mode] < 1.5:
        return SCAN_TICKS
    if n.state == line.STARTING:
        return starting(n, p.mixers[number], p.belts[number], now)
    if n.state != line.RUNNING and n.state != line.READY:
        return TICKS_PER_S
    until = min(of_belt(n, c, p, now), of_mixer(n, c, p, number, now))
    if n.out_batch != 0 and p.io[n.present] > 0.5 and n.stage != line.DISCHARGE:
        out = p.hoppers[2 * number + 1]
        left = (
            max(TICKS_PER_S - (now - n.out_since), SCAN_TICKS) if n.out_since > 0 else drain(out.mass_kg, out.knee_kg, out.rate_kg_s, 1.0)
        )
        until = min(until, left)
    if p.mixers[number].over_s > 0.0:
        return SCAN_TICKS
    if n.state == line.READY:
        if n.left > 0:
            return SCAN_TICKS
        if p.io[n.mixer_run] > 0.5:
            until = min(until, max(n.idle_since + line.SLEEP_TICKS - now, SCAN_TICKS))
    return until
