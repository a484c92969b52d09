"""Dosing: one weigher's phases, from idle to weighed to discharged, with adaptive in-flight compensation.

Coarse feed stops early by a learned lead, fine feed by the learned in-flight mass; after settling the mass is
judged: too little is dosed again in short jogs, too much is held for a decision, and every weighing is recorded
with what was done about its deviation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.jit import njit
from twin.tags import Equipment, TagTable

IDLE, TARE, COARSE, FINE, SETTLING, JOG, WEIGHED, DISCHARGING, HELD, EMPTYING = range(10)
WITHIN, REDOSED, ACCEPTED, ACCEPTED_LATE = range(4)

RING = 8  # batches under way at most, see line.py
SECOND = 100  # ticks

# While the coarse stream dies away its impact still weighs; the cut-off is not looked for (comparison inhibit time).
INHIBIT_TICKS = 160
SETTLE_TICKS = 120  # from shutting the feeder to the first reading that counts
AVERAGE_SCANS = 5  # readings averaged for a record
LEARN = 0.3  # share of the last error that the in-flight mass takes over (ctrl.ewma, recalled)
FINE_AIM_S = 3.0  # how long fine feed shall last
DEAD_TICKS = 10  # a jog must outlast the gate's dead time
STANDSTILL_TICKS = 4 * SECOND  # without a fall of the reading a discharging weigher counts as empty
LATE_TICKS = 60 * SECOND  # an over-tolerance within twice the limit is accepted after this without an answer
PROBE_TICKS = 20 * SECOND
NO_FLOW_TICKS, ALARM_TICKS, SWITCH_TICKS = 3 * SECOND, 8 * SECOND, 20 * SECOND

# Tolerance of one weighing, share of target (GB/T 14902-2012 7.3 table; recalled, high certainty).
TOLERANCE = {"cement": 0.02, "fly_ash": 0.02, "slag": 0.02, "sand": 0.03, "stone": 0.03, "water": 0.01, "admixture": 0.01}

FEEDER = np.dtype(
    [("coarse", "i8"), ("fine", "i8"), ("aid", "i8"), ("closed", "i8"), ("level", "i8"), ("number", "i8"), ("next", "i8"),
     ("rated_kg_s", "f8"), ("fine_kg_s", "f8"), ("lead_kg", "f8"), ("inflight_kg", "f8")]
)  # fmt: skip

INGREDIENT = np.dtype(
    [
        ("order", "i8"),
        ("probe", "i8"),
        ("lab", "i8"),
        ("feeder", "i8"),
        ("is_water", "i8"),
        ("slurry", "i8"),
        ("solids", "i8"),
        ("stock", "i8"),
        ("stock_kg", "f8"),
        ("line", "i8"),
        ("tolerance", "f8"),
        ("kg_m3", "f8"),
        ("plan_kg", "f8", RING),
    ]
)

DOSER = np.dtype(
    [
        ("line", "i8"), ("to_belt", "i8"), ("first", "i8"), ("count", "i8"),
        ("gross", "i8"), ("gate_closed", "i8"), ("discharge", "i8"), ("t_phase", "i8"), ("t_batch", "i8"), ("t_feeder", "i8"), ("t_target", "i8"),
        ("t_recorded", "i8"), ("t_records", "i8"), ("t_disposition", "i8"), ("t_redoses", "i8"), ("t_over", "i8"), ("t_no_flow", "i8"), ("t_unsteady", "i8"), ("t_failure", "i8"),
        ("capacity_kg", "f8"), ("division_kg", "f8"),
        ("phase", "i8"), ("since", "i8"), ("batch", "i8"), ("done", "i8"), ("ingredient", "i8"), ("feeder", "i8"), ("records", "i8"), ("redoses", "i8"),
        ("tare_kg", "f8"), ("target_kg", "f8"), ("sum_kg", "f8"), ("readings", "i8"), ("seen_kg", "f8"), ("seen_at", "i8"), ("fine_from", "i8"), ("blind_kg", "f8"), ("fed_at", "i8"), ("fed_kg_s", "f8"),
        ("cut", "i8"), ("jog_ticks", "i8"), ("low_since", "i8"), ("allow", "i8"), ("learn", "i8"),
        ("next", "i8"), ("calm", "i8"),  # `batch` fidelity: when the program need look again; nothing moves on the weigher
    ]
)  # fmt: skip


# --- set-up -------------------------------------------------------------------------------------------


def feeder_memory(table: TagTable, machine: Equipment, number: int) -> dict[str, Any]:
    """Memory of one feeder; first guesses of lead and in-flight from its rated flow."""
    tag = lambda suffix: table.index(f"{machine.name}.{suffix}")
    rated = table.values[tag("RatedFlow")]
    fine = rated * table.values[tag("FineShare")]
    level = table.index(f"{machine.source}.Level")
    return {"coarse": tag("Coarse"), "fine": tag("Fine"), "aid": tag("FlowAid"), "closed": tag("Closed"), "level": level, "number": number, "next": -1,
            "rated_kg_s": rated, "fine_kg_s": fine, "lead_kg": rated * 0.9 + fine * FINE_AIM_S, "inflight_kg": fine * 0.8}  # fmt: skip


def doser_memory(table: TagTable, machine: Equipment, line: int, first: int, count: int) -> dict[str, Any]:
    """Memory of one weigher's program."""
    tag = lambda suffix: table.index(f"{machine.name}.{suffix}")
    return {"line": line, "to_belt": int(machine.feeds.endswith(".Belt")), "first": first, "count": count, "gross": tag("Gross"),
            "gate_closed": tag("GateClosed"), "discharge": tag("Discharge"), "t_phase": tag("Phase"), "t_batch": tag("Batch"), "t_feeder": tag("Feeder"),
            "t_target": tag("Target"), "t_recorded": tag("Recorded"), "t_records": tag("Records"), "t_disposition": tag("Disposition"),
            "t_redoses": tag("Redoses"), "t_over": tag("OverTolerance"), "t_no_flow": tag("NoFlow"), "t_unsteady": tag("Unsteady"), "t_failure": tag("ScaleFailure"),
            "capacity_kg": table.values[tag("Capacity")], "division_kg": table.values[tag("Division")], "feeder": -1}  # fmt: skip


# --- scan ---------------------------------------------------------------------------------------------


@njit
def enter(d: Any, io: Any, phase: int, now: int) -> None:
    """Change phase."""
    d.phase, d.since = phase, now
    io[d.t_phase] = phase


@njit
def shut_feeder(d: Any, c: Any, io: Any) -> None:
    """All commands to the feeder in use off."""
    if d.feeder >= 0:
        f = c.feeders[d.feeder]
        io[f.coarse], io[f.fine], io[f.aid] = 0.0, 0.0, 0.0


@njit
def rest(d: Any, c: Any, io: Any) -> None:
    """Held from outside: nothing flows in or out; the phase waits."""
    shut_feeder(d, c, io)
    io[d.discharge] = 0.0
    d.seen_at, d.low_since, d.fine_from = 0, 0, 0


@njit
def start(d: Any, io: Any, batch: int, now: int) -> None:
    """Begin weighing a batch."""
    d.batch, d.ingredient, d.sum_kg, d.readings = batch, 0, 0.0, 0
    io[d.t_batch] = batch
    enter(d, io, TARE, now)


@njit
def pick_feeder(c: Any, first: int, io: Any) -> int:
    """Of the feeders for one material the one whose source is fullest."""
    best, level, k = first, -1.0, first
    while k >= 0:
        shown = io[c.feeders[k].level]
        if shown > level + 10.0:
            best, level = k, shown
        k = c.feeders[k].next
    return best


@njit
def next_ingredient(d: Any, c: Any, io: Any, now: int) -> None:
    """Set up the next ingredient that has a target, or end as weighed."""
    while d.ingredient < d.count:
        g = c.ingredients[d.first + d.ingredient]
        target = g.plan_kg[d.batch % RING]
        if target >= 2.0 * d.division_kg:
            d.target_kg, d.redoses = target, 0
            d.feeder = pick_feeder(c, g.feeder, io)
            f = c.feeders[d.feeder]
            io[d.t_feeder], io[d.t_target], io[d.t_redoses] = f.number, target, 0.0
            d.seen_kg, d.seen_at, d.fine_from, d.cut, d.learn = 0.0, now, 0, 0, 1
            enter(d, io, COARSE if target > 1.3 * f.lead_kg else FINE, now)
            return
        d.ingredient += 1
    enter(d, io, WEIGHED, now)


@njit
def scan(d: Any, c: Any, io: Any, now: int) -> None:
    """One scan of one weigher. `d.allow` is set by the line when discharge may go on."""
    gross = io[d.gross]
    failed = gross < -0.05 * d.capacity_kg or gross > 1.25 * d.capacity_kg
    io[d.t_failure] = 1.0 if failed else 0.0
    if d.phase == WEIGHED and abs(gross - d.tare_kg) > max(6.0 * d.division_kg, 0.015 * d.tare_kg):
        io[d.t_unsteady] = 1.0  # a leaking gate or discharge shows while the batch waits; the alarm stays with the batch
    if d.phase == IDLE or d.phase == WEIGHED:
        if d.phase == WEIGHED and d.allow:
            d.low_since = d.seen_at = 0
            enter(d, io, DISCHARGING, now)
        return
    if failed:
        shut_feeder(d, c, io)
        return
    if d.phase == TARE:
        tare(d, c, io, gross, now)
    elif d.phase == COARSE or d.phase == FINE:
        feed(d, c, io, gross - d.tare_kg, now)
    elif d.phase == JOG:
        if now - d.since >= d.jog_ticks:
            shut_feeder(d, c, io)
            settle(d, io, now)
    elif d.phase == SETTLING:
        judge(d, c, io, gross, now)
    elif d.phase == HELD:
        decide(d, c, io, now)
    elif d.phase == DISCHARGING:
        empty(d, io, gross, now)
    elif d.phase == EMPTYING and io[d.gate_closed] > 0.5:
        d.done, d.batch = d.batch, 0
        io[d.t_unsteady] = 0.0
        enter(d, io, IDLE, now)


@njit
def tare(d: Any, c: Any, io: Any, gross: float, now: int) -> None:
    """Average the empty scale; between two ingredients go on from the last mass."""
    if d.ingredient > 0:
        next_ingredient(d, c, io, now)
        return
    if io[d.gate_closed] < 0.5:
        d.since = now
        return
    d.sum_kg += gross
    d.readings += 1
    if d.readings >= AVERAGE_SCANS:
        d.tare_kg = d.sum_kg / d.readings
        next_ingredient(d, c, io, now)


@njit
def settle(d: Any, io: Any, now: int) -> None:
    """Wait for the falling column and the load cell."""
    d.sum_kg, d.readings = 0.0, 0
    enter(d, io, SETTLING, now)


@njit
def feed(d: Any, c: Any, io: Any, net: float, now: int) -> None:
    """Coarse, then fine feed up to the cut-off."""
    f = c.feeders[d.feeder]
    to_go = d.target_kg - net
    if d.phase == COARSE and to_go <= f.lead_kg:
        enter(d, io, FINE, now)
        d.fine_from = now
    seen = d.fine_from == 0 or now - d.fine_from >= INHIBIT_TICKS
    if d.phase == FINE and seen and to_go <= f.inflight_kg or io[d.gross] > d.capacity_kg:
        if d.fine_from > 0:
            # Aim at a fine feed of about two seconds: short enough for the cycle, long enough to be steady.
            off_s = min(max((now - d.fine_from) / SECOND - FINE_AIM_S, -1.0), 2.0)
            f.lead_kg = min(max(f.lead_kg - 0.2 * off_s * f.fine_kg_s, f.fine_kg_s), f.rated_kg_s * 2.0)
        d.cut = now
        shut_feeder(d, c, io)
        settle(d, io, now)
        return
    io[f.coarse] = 1.0 if d.phase == COARSE else 0.0
    io[f.fine] = 1.0
    watch_flow(d, c, io, f, net, now)


@njit
def watch_flow(d: Any, c: Any, io: Any, f: Any, net: float, now: int) -> None:
    """Shake loose what bridges; warn; take the other source; and stop before a blind scale lets the weigher run over."""
    expected = (f.rated_kg_s if d.phase == COARSE else f.fine_kg_s) * 0.3
    if d.seen_at == 0 or net > d.seen_kg + max(expected, 3.0 * d.division_kg):
        d.seen_kg, d.seen_at, d.blind_kg, d.fed_at = net, now, 0.0, now
        io[f.aid], io[d.t_no_flow] = 0.0, 0.0
        return
    # Fed with an open gate from a stocked source while the scale shows nothing: it may be the scale that is blind.
    if io[f.closed] < 0.5 and io[f.level] > 1.0:
        d.blind_kg += d.fed_kg_s * (now - d.fed_at) / SECOND
    d.fed_at, d.fed_kg_s = now, f.rated_kg_s if d.phase == COARSE else f.fine_kg_s
    if c.lines[d.line].confirmed:
        d.blind_kg = 0.0
    worst_kg = net + d.blind_kg
    if worst_kg > d.capacity_kg:  # only short fine pulses now, to see whether it flows again; at last none
        pulse = (now - d.seen_at) % PROBE_TICKS < SECOND and worst_kg < 1.15 * d.capacity_kg
        io[f.coarse], io[f.fine], io[f.aid], io[d.t_no_flow] = 0.0, 1.0 if pulse else 0.0, 1.0, 1.0
        d.fed_kg_s = f.fine_kg_s if pulse else 0.0
        return
    idle = now - d.seen_at
    if idle > NO_FLOW_TICKS:
        io[f.aid] = 1.0
        d.learn = 0
    if idle > ALARM_TICKS:
        io[d.t_no_flow] = 1.0
    if idle > SWITCH_TICKS:
        first = c.ingredients[d.first + d.ingredient].feeder
        other = f.next if f.next >= 0 else first
        if other != d.feeder:
            shut_feeder(d, c, io)
            d.feeder, d.seen_at = other, now
            io[d.t_feeder] = c.feeders[other].number


@njit
def judge(d: Any, c: Any, io: Any, gross: float, now: int) -> None:
    """After settling: learn, and record, re-dose or hold."""
    f = c.feeders[d.feeder]
    if now - d.since < SETTLE_TICKS or io[f.closed] < 0.5 and now - d.since < 5 * SECOND:
        return
    d.sum_kg += gross
    d.readings += 1
    if d.readings < AVERAGE_SCANS:
        return
    net = d.sum_kg / d.readings - d.tare_kg
    error = net - d.target_kg
    limit = c.ingredients[d.first + d.ingredient].tolerance * d.target_kg
    if d.learn:
        # What landed beyond the mass at cut-off, steadied.
        f.inflight_kg = min(max(f.inflight_kg + LEARN * error, -2.0 * f.fine_kg_s), 3.0 * f.rated_kg_s)
        d.learn = 0
    if error < -0.75 * limit and d.redoses < 20:
        d.redoses += 1
        io[d.t_redoses] = d.redoses
        d.jog_ticks = max(int(-error / f.fine_kg_s * SECOND), 10) + DEAD_TICKS
        io[f.fine] = 1.0
        enter(d, io, JOG, now)
    elif abs(error) > limit:
        io[d.t_over] = 1.0
        io[d.t_recorded] = net
        enter(d, io, HELD, now)
    else:
        record(d, c, io, net, REDOSED if d.redoses > 0 else WITHIN, now)


@njit
def decide(d: Any, c: Any, io: Any, now: int) -> None:
    """Out of tolerance: a person confirms, or after a minute a small excess is accepted and said to be late.

    What lies on the scale by then is recorded: a gate that stuck or leaks goes on feeding while one waits.
    """
    net = io[d.gross] - d.tare_kg
    io[d.t_recorded] = net
    limit = c.ingredients[d.first + d.ingredient].tolerance * d.target_kg
    confirmed = c.lines[d.line].confirmed
    late = now - d.since > LATE_TICKS and abs(net - d.target_kg) <= 2.0 * limit
    if confirmed or late:
        io[d.t_over] = 0.0
        record(d, c, io, net, ACCEPTED if confirmed else ACCEPTED_LATE, now)


@njit
def record(d: Any, c: Any, io: Any, net: float, disposition: int, now: int) -> None:
    """Publish the weighing; the count of records tells everybody that it is new.

    Target, feeder and re-doses stay as they are for this scan, so that they can be read with the record.
    """
    d.records += 1
    io[d.t_recorded], io[d.t_disposition], io[d.t_records] = net, disposition, d.records
    io[d.t_no_flow] = 0.0
    d.ingredient += 1
    d.tare_kg += net
    enter(d, io, TARE, now)


@njit
def empty(d: Any, io: Any, gross: float, now: int) -> None:
    """Discharge until the scale is empty for half a second."""
    if not d.allow:
        io[d.discharge] = 0.0
        return
    io[d.discharge] = 1.0
    # Empty is near zero, or, on a scale that has drifted, a reading that no longer falls.
    if gross < d.seen_kg - 2.0 * d.division_kg or d.seen_at == 0:
        d.seen_kg, d.seen_at = gross, now
    if gross < max(4.0 * d.division_kg, 0.002 * d.capacity_kg) or now - d.seen_at > STANDSTILL_TICKS and gross < 0.2 * d.capacity_kg:
        if d.low_since == 0:
            d.low_since = now
        if now - d.low_since >= 50:
            io[d.discharge] = 0.0
            enter(d, io, EMPTYING, now)
    else:
        d.low_since = 0
