"""Line: orders into batches, the way of a batch through belt, waiting hopper, mixer and discharge hopper.

Units pass batches on by number, so the next batch is weighed while this one mixes. A batch number is given once
and never again; `batch % RING` finds its entry.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from control import dosing, water
from control.dosing import DISCHARGING, EMPTYING, HELD, IDLE, RING, SECOND, WEIGHED
from twin.jit import njit
from twin.tags import TagTable

STOPPED, STARTING, READY, RUNNING, ON_HOLD, ABORTING, SAFE = range(7)
MANUAL, SEMI, AUTO = range(3)
WAITING, CHARGING, MIXING, MIXED, DISCHARGE, CLOSING = range(6)
BELT_IDLE, BELT_LOADING, BELT_TRAVEL = range(3)

HORN_TICKS, MOTOR_TICKS, SLEEP_TICKS, GATE_TICKS = 3 * SECOND, 10 * SECOND, 300 * SECOND, 90 * SECOND
SLURRY_FROM, SLURRY_ALL = 30.0, 70.0  # % of the slurry basin: from here more than planned is dosed, here the most (engineering choice)
STORM_EARLIER = 25.0  # % lower when a storm is forecast (engineering choice)
SLURRY_SOLIDS = 0.01  # of the aggregate
CLEAR_TICKS = 3 * SECOND  # a belt runs this long past its travel time before it counts as empty

LINE = np.dtype(
    [
        # tags
        ("heartbeat", "i8"), ("horn", "i8"), ("mode", "i8"), ("t_start", "i8"), ("t_stop", "i8"), ("t_hold", "i8"), ("t_abort", "i8"), ("t_confirm", "i8"),
        ("estop", "i8"), ("link_ok", "i8"), ("t_state", "i8"), ("t_safe", "i8"), ("t_link_lost", "i8"), ("t_motor", "i8"), ("t_gate", "i8"),
        ("order", "i8"), ("for_truck", "i8"), ("volume", "i8"), ("mix_time", "i8"), ("slurry_max", "i8"), ("t_accepted", "i8"), ("t_done", "i8"), ("t_batches", "i8"),
        ("present", "i8"), ("truck", "i8"), ("belt_run", "i8"), ("belt_running", "i8"), ("wait_open", "i8"), ("wait_closed", "i8"), ("wait_empty", "i8"),
        ("out_open", "i8"), ("out_closed", "i8"), ("out_empty", "i8"), ("mixer_run", "i8"), ("door", "i8"), ("mixer_running", "i8"), ("power", "i8"),
        ("door_closed", "i8"), ("tripped", "i8"), ("t_stage", "i8"), ("t_mixing", "i8"), ("t_left", "i8"),
        # figures
        ("rated_m3", "f8"), ("travel_ticks", "i8"), ("first_doser", "i8"), ("dosers", "i8"), ("first_ingredient", "i8"), ("ingredients", "i8"),
        # state of the line
        ("state", "i8"), ("since", "i8"), ("beat", "i8"), ("idle_since", "i8"), ("confirm_was", "f8"), ("confirmed", "i8"), ("step_free", "i8"),
        ("at", "i8"), ("next", "i8"),  # `batch` fidelity: how far the line has been played, and when its program need look again
        # order and batches
        ("accepted", "i8"), ("left", "i8"), ("batch_m3", "f8"), ("most_slurry", "f8"), ("released", "i8"), ("allowed", "i8"), ("finished", "i8"), ("order_truck", "i8"), ("order_mix", "i8"),
        ("b_order", "i8", RING), ("b_truck", "i8", RING), ("b_mix", "i8", RING), ("b_last", "i8", RING), ("b_m3", "f8", RING),
        # units
        ("belt", "i8"), ("belt_batch", "i8"), ("belt_from", "i8"), ("belt_ran", "i8"), ("belt_at", "i8"), ("moved", "i8"), ("wait_batch", "i8"), ("wait_since", "i8"),
        ("stage", "i8"), ("stage_since", "i8"), ("mix_batch", "i8"), ("mixed", "i8"), ("mix_at", "i8"), ("idle_kw", "f8"), ("low_since", "i8"), ("out_batch", "i8"), ("out_since", "i8"),
    ]
)  # fmt: skip


# --- set-up -------------------------------------------------------------------------------------------


def memory(table: TagTable, line: str, dosers: tuple[int, int], ingredients: tuple[int, int]) -> dict[str, Any]:
    """Memory of one line's program."""
    names = {
        "Station": {"heartbeat": "Heartbeat", "horn": "Horn", "mode": "Mode", "t_start": "Start", "t_stop": "Stop", "t_hold": "Hold", "t_abort": "Abort",
                    "t_confirm": "Confirm", "estop": "EStop", "link_ok": "LinkOk", "t_state": "State", "t_safe": "Safe", "t_link_lost": "LinkLost",
                    "t_motor": "MotorFailure", "t_gate": "GateFailure"},
        "Bay": {"order": "Order", "for_truck": "ForTruck", "volume": "Volume", "mix_time": "MixTime", "slurry_max": "SlurryMax", "t_accepted": "Accepted", "t_done": "Done",
                "t_batches": "Batches", "present": "TruckPresent", "truck": "Truck"},
        "Belt": {"belt_run": "Run", "belt_running": "Running"},
        "Hopper.Waiting": {"wait_open": "Open", "wait_closed": "GateClosed", "wait_empty": "Empty"},
        "Hopper.Discharge": {"out_open": "Open", "out_closed": "GateClosed", "out_empty": "Empty"},
        "Mixer": {"mixer_run": "Run", "door": "Door", "mixer_running": "Running", "power": "Power", "door_closed": "DoorClosed", "tripped": "Tripped",
                  "t_stage": "Stage", "t_mixing": "Batch", "t_left": "MixTimeLeft"},
    }  # fmt: skip
    out: dict[str, Any] = {field: table.index(f"{line}.{machine}.{tag}") for machine, tags in names.items() for field, tag in tags.items()}
    out |= {"rated_m3": table.values[table.index(f"{line}.Mixer.RatedVolume")],
            "travel_ticks": round(table.values[table.index(f"{line}.Belt.Travel")] * SECOND),
            "first_doser": dosers[0], "dosers": dosers[1], "first_ingredient": ingredients[0], "ingredients": ingredients[1]}  # fmt: skip
    return out


# --- scan ---------------------------------------------------------------------------------------------


@njit
def scan(n: Any, c: Any, io: Any, now: int) -> None:
    """One scan of one line."""
    beat(n, io)
    n.confirmed = 1 if io[n.t_confirm] > 0.5 and n.confirm_was < 0.5 else 0
    n.confirm_was = io[n.t_confirm]
    if io[n.mode] != SEMI:
        n.step_free = 0
    elif n.confirmed and not any_held(n, c):
        n.step_free = 1
    if n.stage == MIXING and io[n.mixer_running] > 0.5:  # only a turning mixer mixes
        n.mixed += now - n.mix_at
    n.mix_at = now
    if n.belt != BELT_IDLE and io[n.belt_running] > 0.5:  # also while held
        n.belt_ran += now - n.belt_at
    n.belt_at = now
    guard(n, io, now)
    if io[n.mode] < 0.5:
        forget(n, c, io, now)
    elif n.state == RUNNING or n.state == ABORTING or n.state == READY:
        take_order(n, c, io)
        release(n, c, io, now)
        weigh(n, c, io, now)
        transfer(n, c, io, now)
        mix(n, c, io, now)
        load(n, io, now)
        sleep(n, io, now)
    elif n.state == STARTING:
        start_motors(n, io, now)
    else:
        hold_still(n, c, io)
    io[n.t_state], io[n.t_stage], io[n.t_mixing] = n.state, n.stage, n.mix_batch
    io[n.t_safe] = 1.0 if n.state == SAFE else 0.0


@njit
def beat(n: Any, io: Any) -> None:
    """Show the station that the program is alive."""
    n.beat = (n.beat + 1) % 1_000_000
    io[n.heartbeat] = n.beat


@njit
def go(n: Any, io: Any) -> bool:
    """May the next step begin? Always in automatic; in semi-automatic once for each confirmation."""
    if io[n.mode] > 1.5:
        return True
    if n.step_free:
        n.step_free = 0
        return True
    return False


@njit
def any_held(n: Any, c: Any) -> bool:
    """Does a weigher of the line wait for a decision? Then a confirmation is meant for it."""
    held = 0
    for k in range(n.first_doser, n.first_doser + n.dosers):
        held += c.dosers[k].phase == HELD
    return held > 0


@njit
def enter(n: Any, state: int, now: int) -> None:
    """Change the state of the line."""
    n.state, n.since = state, now


@njit
def guard(n: Any, io: Any, now: int) -> None:
    """Safe state, start, stop, hold and abort."""
    lost = io[n.link_ok] < 0.5 and n.beat > 50
    unsafe = io[n.estop] > 0.5 or lost or io[n.tripped] > 0.5
    if lost:
        io[n.t_link_lost] = 1.0
    if unsafe and n.state != STOPPED:
        if n.state != SAFE:
            enter(n, SAFE, now)
            io[n.t_start] = 0.0
    elif io[n.t_start] > 0.5 and (n.state == STOPPED or n.state == SAFE) and not unsafe:
        io[n.t_link_lost], io[n.t_start] = 0.0, 0.0
        enter(n, STARTING, now)
    elif n.state == ON_HOLD and io[n.t_hold] < 0.5:
        enter(n, RUNNING, now)
    elif (n.state == RUNNING or n.state == READY) and io[n.t_hold] > 0.5:
        enter(n, ON_HOLD, now)
    if io[n.t_abort] > 0.5 and n.state == RUNNING:
        io[n.t_abort] = 0.0
        n.left = 0
        n.b_last[n.released % RING] = 1
        enter(n, ABORTING, now)
    elif n.state == READY or n.state == STOPPED:
        io[n.t_abort] = 0.0  # nothing to abort
    if n.state == ABORTING and n.finished >= n.released:
        io[n.t_done] = n.accepted
        enter(n, RUNNING, now)
    if io[n.t_stop] > 0.5 and (n.state == READY or n.state == RUNNING) and n.left == 0 and n.finished >= n.released:
        io[n.t_stop], io[n.mixer_run], io[n.belt_run] = 0.0, 0.0, 0.0
        enter(n, STOPPED, now)


@njit
def forget(n: Any, c: Any, io: Any, now: int) -> None:
    """Manual: the person drives the actuators; the program lets go of its batches and only watches."""
    for k in range(n.first_doser, n.first_doser + n.dosers):
        d = c.dosers[k]
        if d.phase != IDLE:
            dosing.rest(d, c, io)
            d.batch, d.done = 0, n.released
            dosing.enter(d, io, IDLE, now)
    if n.released != n.finished or n.left > 0:
        if n.accepted > 0:
            io[n.t_done] = n.accepted
        n.left, n.finished, n.moved, n.allowed = 0, n.released, n.released, n.released
        n.belt, n.belt_batch, n.wait_batch, n.mix_batch, n.out_batch, n.stage = BELT_IDLE, 0, 0, 0, 0, WAITING
    n.accepted = max(n.accepted, int(io[n.t_accepted]))  # what was taken by hand is not made again
    if n.state != SAFE and n.state != STOPPED:
        enter(n, READY, now)
    n.idle_since = now


@njit
def hold_still(n: Any, c: Any, io: Any) -> None:
    """Nothing flows; the mixer keeps turning if it turned. Safe and stopped also let the belt stand."""
    for k in range(n.first_doser, n.first_doser + n.dosers):
        dosing.rest(c.dosers[k], c, io)
    io[n.wait_open], io[n.out_open], io[n.door] = 0.0, 0.0, 0.0
    if n.state == SAFE or n.state == STOPPED or too_early(n, io):
        io[n.belt_run] = 0.0
    if io[n.estop] > 0.5 or io[n.tripped] > 0.5 or n.state == STOPPED:
        io[n.mixer_run] = 0.0


@njit
def start_motors(n: Any, io: Any, now: int) -> None:
    """Horn, then the mixer, then the belt, each waited for."""
    since = now - n.since
    io[n.horn] = 1.0 if since < HORN_TICKS else 0.0
    if since < HORN_TICKS:
        return
    io[n.mixer_run] = 1.0
    if io[n.mixer_running] > 0.5:
        io[n.belt_run] = 1.0
        if io[n.belt_running] > 0.5:
            io[n.t_motor] = 0.0
            n.idle_since = now
            enter(n, READY if n.released == n.finished else RUNNING, now)
            return
    if since > HORN_TICKS + 2 * MOTOR_TICKS:
        io[n.t_motor] = 1.0


@njit
def sleep(n: Any, io: Any, now: int) -> None:
    """Motors stand after five minutes without work and start again with the next order."""
    busy = n.left > 0 or n.released > n.finished
    if busy:
        n.idle_since = now
        asleep = io[n.mixer_run] < 0.5
        if asleep or n.state == READY and io[n.mixer_running] < 0.5:
            enter(n, STARTING, now)
        elif n.state == READY:
            enter(n, RUNNING, now)
    else:
        if n.state == RUNNING:
            enter(n, READY, now)
        if now - n.idle_since > SLEEP_TICKS:
            io[n.mixer_run], io[n.belt_run] = 0.0, 0.0


@njit
def take_order(n: Any, c: Any, io: Any) -> None:
    """Accept the next load, with its recipe, when the last batch of the one before is released."""
    order = int(io[n.order])
    if n.left > 0 or order <= n.accepted or n.state == ABORTING or io[n.t_stop] > 0.5:
        return
    n.accepted = order
    io[n.t_accepted] = order
    for k in range(n.first_ingredient, n.first_ingredient + n.ingredients):
        c.ingredients[k].kg_m3 = io[c.ingredients[k].order]
    volume = io[n.volume]
    if volume <= 0.0:
        io[n.t_done] = order
        return
    n.left = max(int(np.ceil(volume / n.rated_m3 - 1e-6)), 1)
    n.batch_m3 = volume / n.left
    n.most_slurry = io[n.slurry_max]
    n.order_truck, n.order_mix = int(io[n.for_truck]), int(io[n.mix_time] * SECOND)
    io[n.t_batches] = n.left


@njit
def release(n: Any, c: Any, io: Any, now: int) -> None:
    """Turn the next batch of the order into targets, corrected for the moisture of the aggregate.

    Recipes are dry; wet aggregate is weighed heavier by its water, and that water is left out of the mixing water.
    """
    if n.left <= 0 or n.state != RUNNING or n.released - n.finished >= 4 or io[n.mixer_running] < 0.5:
        return
    slot = (n.released + 1) % RING
    carried, fresh, slurry, aggregate = 0.0, -1, -1, 0.0
    for k in range(n.first_ingredient, n.first_ingredient + n.ingredients):
        g = c.ingredients[k]
        dry = g.kg_m3 * n.batch_m3
        wet = dry
        if g.lab >= 0:
            wet = dry * (1.0 + 0.01 * (io[g.probe] if g.probe >= 0 else io[g.lab]))
            carried += wet - dry
            aggregate += dry
        if g.is_water:
            fresh = k
        elif g.slurry >= 0:
            slurry = k
        g.plan_kg[slot] = wet
    if fresh >= 0 and slurry >= 0:
        carried += reuse(n, c.ingredients[slurry], io, slot, aggregate, STORM_EARLIER if water.storm_ahead(c, io) else 0.0)
    if fresh >= 0:
        g = c.ingredients[fresh]
        g.plan_kg[slot] = max(g.plan_kg[slot] - carried, 0.0)
    n.released += 1
    n.left -= 1
    n.b_order[slot], n.b_truck[slot], n.b_mix[slot] = n.accepted, n.order_truck, n.order_mix
    n.b_last[slot], n.b_m3[slot] = 1 if n.left == 0 else 0, n.batch_m3


@njit
def reuse(n: Any, g: Any, io: Any, slot: int, aggregate_kg: float, earlier: float) -> float:
    """Use what has been made: the fuller the slurry basin, the more slurry takes the place of water, within the recipe's limits.

    A recipe that names no slurry water gets none, and none gets more than its own limit, planned or not. Solids are held to 1 %
    of the aggregate (EN 1008:2002 Annex A; recalled).
    Where the tank does not hold enough for this batch and those under way, as when no stirred slurry comes after, water takes its place.

    Returns:
        Water to leave out of the mixing water, kg: what the extra slurry brings, less what the planned slurry lacks.
    """
    planned = g.plan_kg[slot]
    if planned <= 0.0:
        return 0.0
    level, solids = io[g.slurry] + earlier, 0.01 * io[g.solids]
    most = n.most_slurry * n.batch_m3
    if solids > 0.0:
        most = min(most, SLURRY_SOLIDS * aggregate_kg / solids)
    least = min(planned, most)
    dose = least + (most - least) * min(max((level - SLURRY_FROM) / (SLURRY_ALL - SLURRY_FROM), 0.0), 1.0)
    if 0.01 * io[g.stock] * g.stock_kg < (n.released - n.finished + 1) * dose:
        dose = 0.0
    g.plan_kg[slot] = dose
    return dose * (1.0 - solids) - planned


@njit
def begin(n: Any, d: Any, io: Any, now: int) -> None:
    """An idle weigher takes the next batch that may be weighed."""
    if d.phase == IDLE and d.done < n.allowed and io[d.gate_closed] > 0.5:
        dosing.start(d, io, d.done + 1, now)


@njit
def signature(n: Any) -> int:
    """A number that changes when anything about the line's progress does."""
    units = n.state + 8 * (n.stage + 8 * n.belt)
    return units + 256 * (n.released + n.allowed + n.finished + n.left + n.moved + n.wait_batch + n.mix_batch + n.out_batch + n.accepted)


@njit
def weigh(n: Any, c: Any, io: Any, now: int) -> None:
    """Run the weighers; an idle one takes the next batch, in semi-automatic once it is confirmed."""
    if n.allowed < n.released and go(n, io):
        n.allowed += 1
    for k in range(n.first_doser, n.first_doser + n.dosers):
        d = c.dosers[k]
        begin(n, d, io, now)
        if d.to_belt:
            d.allow = 1 if n.belt == BELT_LOADING and d.batch == n.belt_batch and io[n.belt_running] > 0.5 else 0
        else:
            d.allow = 1 if n.stage == CHARGING and d.batch == n.mix_batch and open_to_charge(n, io) and now - n.stage_since > 100 else 0
        if now >= d.next:  # `batch` fidelity says when this program need look again; else 0
            dosing.scan(d, c, io, now)


@njit
def open_to_charge(n: Any, io: Any) -> bool:
    """May material go into the mixer: does it turn with its door shut?"""
    return io[n.mixer_running] > 0.5 and io[n.door_closed] > 0.5


@njit
def all_weighed(n: Any, c: Any, batch: int, to_belt: int) -> bool:
    """Have all weighers of the belt (or of the mixer) this batch ready?"""
    for k in range(n.first_doser, n.first_doser + n.dosers):
        d = c.dosers[k]
        if d.to_belt == to_belt and (d.batch != batch or d.phase != WEIGHED):
            return False
    return True


@njit
def all_given(n: Any, c: Any, batch: int, to_belt: int) -> bool:
    """Have all of them let this batch go?"""
    for k in range(n.first_doser, n.first_doser + n.dosers):
        d = c.dosers[k]
        if d.to_belt == to_belt and d.done < batch:
            return False
    return True


@njit
def transfer(n: Any, c: Any, io: Any, now: int) -> None:
    """Aggregate over the belt into the waiting hopper; the next may start once the hopper is being emptied."""
    running = io[n.belt_running] > 0.5
    clear = n.wait_batch == 0 or n.stage == CHARGING and n.mix_batch == n.wait_batch
    if n.belt == BELT_IDLE:
        if clear and running and all_weighed(n, c, n.moved + 1, 1) and go(n, io):
            n.belt, n.belt_batch, n.belt_ran = BELT_LOADING, n.moved + 1, 0
    elif n.belt == BELT_LOADING:
        if all_given(n, c, n.belt_batch, 1):
            n.belt, n.belt_from = BELT_TRAVEL, n.belt_ran
    elif n.belt_ran - n.belt_from > n.travel_ticks + CLEAR_TICKS and n.wait_batch == 0:
        n.wait_batch, n.moved, n.belt_batch, n.belt = n.belt_batch, n.belt_batch, 0, BELT_IDLE
    if n.state == RUNNING or n.state == ABORTING:
        io[n.belt_run] = 0.0 if too_early(n, io) else 1.0


@njit
def too_early(n: Any, io: Any) -> bool:
    """Would the belt throw the next batch into a waiting hopper that still holds the one before, or is not shut?"""
    return n.belt != BELT_IDLE and n.belt_ran > n.travel_ticks - CLEAR_TICKS and barred(n, io)


@njit
def barred(n: Any, io: Any) -> bool:
    """May nothing go into the waiting hopper?"""
    return n.wait_batch != 0 or io[n.wait_closed] < 0.5


@njit
def stage(n: Any, to: int, now: int) -> None:
    """Change the mixer's stage."""
    n.stage, n.stage_since = to, now
    n.low_since = 0


@njit
def mix(n: Any, c: Any, io: Any, now: int) -> None:
    """Charge, mix, discharge: partly open first, then fully, until the mixer draws its empty power."""
    turning = io[n.mixer_running] > 0.5
    since = now - n.stage_since
    if n.stage == WAITING:
        batch = n.wait_batch
        if turning and io[n.door_closed] > 0.5 and since > 200:
            n.idle_kw = io[n.power] if n.idle_kw == 0.0 else n.idle_kw + 0.02 * (io[n.power] - n.idle_kw)
        if batch > 0 and turning and io[n.door_closed] > 0.5 and all_weighed(n, c, batch, 0) and go(n, io):
            n.mix_batch = batch
            stage(n, CHARGING, now)
    elif n.stage == CHARGING:
        charge(n, c, io, now)
    elif n.stage == MIXING:
        left = n.b_mix[n.mix_batch % RING] - n.mixed
        io[n.t_left] = max(left, 0) / SECOND
        if left <= 0:
            stage(n, MIXED, now)
    if n.stage == MIXED and io[n.out_empty] > 0.5 and io[n.out_closed] > 0.5 and n.out_batch == 0 and go(n, io):
        n.out_batch = n.mix_batch
        stage(n, DISCHARGE, now)
    elif n.stage == DISCHARGE:
        io[n.door] = 50.0 if since < 2 * SECOND else 100.0
        if turning and since > 4 * SECOND and io[n.power] < 1.05 * n.idle_kw:  # one that stands draws nothing, full or empty
            if n.low_since == 0:
                n.low_since = now
            if now - n.low_since >= SECOND:
                io[n.door] = 0.0
                stage(n, CLOSING, now)
        else:
            n.low_since = 0
    elif n.stage == CLOSING and io[n.door_closed] > 0.5:
        n.mix_batch = 0
        stage(n, WAITING, now)
    stuck = (n.stage == DISCHARGE or n.stage == CLOSING or n.stage == CHARGING) and now - n.stage_since > GATE_TICKS
    io[n.t_gate] = 1.0 if stuck else 0.0


@njit
def charge(n: Any, c: Any, io: Any, now: int) -> None:
    """Aggregate from the waiting hopper, then powders and liquids; mixing time counts from the last of them."""
    if n.wait_batch == n.mix_batch:
        io[n.wait_open] = 1.0 if open_to_charge(n, io) else 0.0
        if io[n.wait_empty] > 0.5:
            if n.wait_since == 0:
                n.wait_since = now
            if now - n.wait_since >= SECOND:
                n.wait_batch, n.wait_since = 0, 0
        else:
            n.wait_since = 0
    else:
        io[n.wait_open] = 0.0
        if io[n.wait_closed] > 0.5 and all_given(n, c, n.mix_batch, 0):
            n.mixed = 0
            stage(n, MIXING, now)


@njit
def load(n: Any, io: Any, now: int) -> None:
    """Let the discharge hopper out into the truck that the batch is for, and finish the load with its last batch."""
    if n.out_batch == 0:
        io[n.out_open] = 0.0
        return
    slot = n.out_batch % RING
    right_truck = io[n.present] > 0.5 and int(io[n.truck]) == n.b_truck[slot]
    io[n.out_open] = 1.0 if right_truck else 0.0
    poured = n.stage != DISCHARGE or n.mix_batch != n.out_batch
    if right_truck and poured and io[n.out_empty] > 0.5:
        if n.out_since == 0:
            n.out_since = now
        if now - n.out_since >= SECOND:
            io[n.out_open] = 0.0
            n.finished = n.out_batch
            if n.b_last[slot]:
                io[n.t_done] = n.b_order[slot]
            n.out_batch, n.out_since = 0, 0
    else:
        n.out_since = 0


__all__ = ["DISCHARGING", "EMPTYING", "HELD", "LINE", "memory", "scan"]
