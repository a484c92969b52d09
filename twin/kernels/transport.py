"""Transport delay that conserves mass: a belt, or the column of material falling from a gate.

The line is a ring of slots, each as long as 1/slots of the way. What goes in now comes out after the
line has moved the whole way, in the same order, with every species kept apart. A line that stands still
keeps what it carries.
"""

from __future__ import annotations

from typing import Any

from twin.jit import njit

# Below this a slot is swept clean with the next share, so that no dust of rounding circles for ever.
EMPTY_KG = 1e-9


@njit
def feed_and_advance(
    ring: Any, slots: int, head: int, phase: float, moved_slots: float, feed: Any, out: Any, s0: int, s1: int
) -> tuple[int, float]:
    """Spread `feed` over the entry while the line moves, and collect what leaves.

    Args:
        ring: float64 [slots + 1, species], kg in each slot.
        slots: length of the way in slots, ≥ 1.
        head: slot that is leaving now.
        phase: how much of it has left, 0 ≤ phase < 1.
        moved_slots: how far the line moves in this step, in slots, ≥ 0.
        feed: float64 [species], kg entering during the step; zeroed.
        out: float64 [species], kg that left are added here.
        s0, s1: range of species the line may carry (others are not touched).

    Returns:
        The new head and phase.
    """
    n = slots + 1
    if moved_slots <= 0.0:
        entry = head - 1 if head > 0 else slots
        for s in range(s0, s1):
            ring[entry, s] += feed[s]
            feed[s] = 0.0
        return head, phase
    if moved_slots >= n:
        return replace_all(ring, slots, head, phase + moved_slots, moved_slots, feed, out, s0, s1)
    left, given = moved_slots, 0.0
    while left > 0.0:
        step = min(left, 1.0 - phase)
        entry = head - 1 if head > 0 else slots
        whole = 1.0 - phase - step < 1e-9
        share = 1.0 if whole else step / (1.0 - phase)
        part = step / moved_slots if left - step >= 1e-9 else 1.0 - given  # the last piece takes what is left
        given += part
        for s in range(s0, s1):
            ring[entry, s] += feed[s] * part
            kg = ring[head, s]
            if kg > EMPTY_KG and not whole:
                kg *= share
            ring[head, s] -= kg
            out[s] += kg
        left -= step
        if whole:
            phase = 0.0
            head = head + 1 if head < slots else 0
            if left < 1e-9:
                left = 0.0
        else:
            phase += step
    for s in range(s0, s1):
        feed[s] = 0.0
    return head, phase


@njit
def replace_all(
    ring: Any, slots: int, head: int, turned: float, moved_slots: float, feed: Any, out: Any, s0: int, s1: int
) -> tuple[int, float]:
    """The line moves more than its whole way: what lay on it leaves, and of the feed the last part lies on it, evenly.

    Args:
        turned: how far it has moved since its head began to leave, in slots; else as for `feed_and_advance`.
    """
    whole = int(turned)
    head, phase = (head + whole) % (slots + 1), turned - whole
    for s in range(s0, s1):
        each = feed[s] / moved_slots
        held, lies = feed[s], 0.0
        for k in range(slots + 1):
            held += ring[k, s]
            ring[k, s] = each
        ring[head, s] = each * (1.0 - phase)
        ring[(head + slots) % (slots + 1), s] = each * phase
        for k in range(slots + 1):
            lies += ring[k, s]
        out[s] += held - lies
        feed[s] = 0.0
    return head, phase
