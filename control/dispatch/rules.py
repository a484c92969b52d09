"""Rules of dispatch: which load goes next, from which line, on which truck.

Three usual rules. `nearest` serves the nearest site that wants concrete, as soon as it does; `deadline` the order that is due
first; `jit` sends the most urgent load just early enough that it arrives when the site is ready for it, and holds loads back
while trucks queue there.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.jit import at, handle, njit
from twin.tags import TagTable

Rule = Literal["nearest", "deadline", "jit"]
RULES: tuple[Rule, ...] = ("nearest", "deadline", "jit")
NEAREST, DEADLINE, JIT = range(len(RULES))

DISPATCH_TICKS = 100  # it looks once a second
PARKED = 0.0  # code of `Truck1.State`
LOADING_S_M3, READY_S = 20.0, 150.0  # to load a cubic metre; drive in, weigh out, be washed (engineering choice)
MARGIN_S = 120.0  # that a load shall come early (engineering choice)
MOST_QUEUE, AHEAD = 3, 1.0  # loads at a line, and trucks that may wait on a site, beyond which nothing more is sent there
LOWEST_CHARGE = 30.0  # % of a battery
NEVER = 1e18

SLOT = np.dtype(
    [(name, "i8") for name in ("Id", "Left", "Due", "Every", "Late", "Pour", "X", "Y", "Priority", "Waiting", "Coming", "LastEnd", "Drive")]
)
TRUCK = np.dtype([(name, "i8") for name in ("State", "X", "Y", "Charge", "AtWheel", "Battery", "Capacity")])
LINE = np.dtype([("Queue", "i8"), ("X", "i8"), ("Y", "i8")])
DESK = np.dtype([(name, "i8") for name in ("Order", "Truck", "Line", "Volume", "Number", "Taken", "Changes")])


class Board(NamedTuple):
    """What kernels look at: tags of the desk, of orders, trucks and lines, and float64 [2], memory: changes seen, time to look again."""

    desk: NDArray[Any]
    slots: NDArray[Any]
    trucks: NDArray[Any]
    lines: NDArray[Any]
    seen: NDArray[np.float64]


class RuleDispatcher:
    """Dispatches by a rule, through the process image alone.

    Args:
        table: the plant's tag table.
        rule: `nearest`, `deadline` or `jit`.
    """

    scan_ticks = DISPATCH_TICKS

    def __init__(self, table: TagTable, rule: Rule = "jit") -> None:
        self.rule = RULES.index(rule)
        lines = table.lines
        self.desk = _rows(table, ["Dispatch"], DESK)
        self.slots = _rows(table, [m.name for m in table.of_kind("order_slot")], SLOT, {"Drive": f"Drive.{lines[0]}"})
        self.trucks = _rows(table, [m.name for m in table.of_kind("truck")], TRUCK)
        self.lines = np.zeros(len(lines), LINE)
        for k, line in enumerate(lines):
            for name in ("Queue", "X", "Y"):
                self.lines[name][k] = table.index(f"Dispatch.{name}.{line}")
        self.seen = np.array([-1.0, 0.0])
        self._board = Board(self.desk, self.slots, self.trucks, self.lines, self.seen)
        self.handle = handle(self._board)
        self.most_m3 = max((float(table.values[i]) for i in self.trucks["Capacity"]), default=0.0)  # what the largest truck may carry

    def scan(self, values: NDArray[np.float64], now: int) -> int:
        """Decide on one load at most, and write it for the desk. Returns the tick at which to look again, if nothing changes."""
        decide(values, self.handle, self.most_m3, self.rule, now / 100.0)
        return min(math.ceil(self.seen[1]) * 100, 10**15)


def _rows(table: TagTable, names: list[str], dtype: np.dtype[Any], other: dict[str, str] | None = None) -> NDArray[Any]:
    rows = np.zeros(len(names), dtype)
    for k, name in enumerate(names):
        for field in dtype.names or ():
            rows[field][k] = table.index(f"{name}.{(other or {}).get(field, field)}")
    return rows


@njit
def decide(io: Any, board: Any, most_m3: float, rule: int, now_s: float) -> None:
    """Look at the orders, take the one that the rule puts first, give it a line and a truck.

    Args:
        io: float64 [tag].
        board: handle of the `Board`.
        most_m3: what the largest truck may carry.
        rule: number in `RULES`.
        now_s: seconds since the start of the run.
    """
    b = at(board, "Board")
    d, slots, trucks, lines, seen = b.desk[0], b.slots, b.trucks, b.lines, b.seen
    if io[d.Number] != io[d.Taken]:
        return  # the desk has not answered yet
    if io[d.Changes] == seen[0] and now_s < seen[1]:
        return
    seen[0], seen[1] = io[d.Changes], NEVER
    best, best_line, best_score, best_urgent = -1, -1, NEVER, -1.0
    for k in range(slots.shape[0]):
        s = slots[k]
        if io[s.Id] == 0.0 or io[s.Left] <= 1e-6:
            continue
        volume = volume_m3(io, s, most_m3)
        line, way_s = best_of_lines(io, lines, s, volume)
        if line < 0:
            continue
        due_s = max(io[s.Due], wanted_s(io, s, volume, now_s)) - MARGIN_S if rule == JIT else io[s.Due]
        send_s = due_s - way_s
        if now_s < send_s:
            seen[1] = min(seen[1], send_s)
            continue
        score = way_s if rule == NEAREST else io[s.Due]
        if io[s.Priority] > best_urgent or (io[s.Priority] == best_urgent and score < best_score):
            best, best_line, best_score, best_urgent = k, line, score, io[s.Priority]
    if best < 0:
        return
    truck = nearest_truck(io, trucks, lines[best_line])
    if truck < 0:
        return
    s = slots[best]
    io[d.Order], io[d.Truck], io[d.Line] = io[s.Id], truck + 1.0, best_line + 1.0
    io[d.Volume] = volume_m3(io, s, io[trucks[truck].Capacity])
    io[d.Number] = (io[d.Number] + 1.0) % 1e9
    seen[1] = now_s  # there may be more to send


@njit
def wanted_s(io: Any, s: Any, volume: float, now_s: float) -> float:
    """When the site can pour one more load, if it is to wait behind one other at most: all that are there or come are poured before."""
    before = io[s.Waiting] + io[s.Coming]
    begins_s = max(now_s, io[s.Due] - before * io[s.Every])
    return begins_s + (before - AHEAD) * io[s.Pour] * volume


@njit
def best_of_lines(io: Any, lines: Any, s: Any, volume: float) -> tuple[int, float]:
    """The line from which a load arrives first, and how long it takes from now, s; -1 when all have enough to do."""
    best, best_s = -1, NEVER
    for k in range(lines.shape[0]):
        queue = io[lines[k].Queue]
        if queue >= MOST_QUEUE:
            continue
        way_s = io[s.Drive + k] + READY_S + LOADING_S_M3 * volume * (1.0 + queue)
        if way_s < best_s:
            best, best_s = k, way_s
    return best, best_s


@njit
def volume_m3(io: Any, s: Any, capacity: float) -> float:
    """A full load; the last two share what is left evenly, so that no crumb goes alone."""
    left = io[s.Left]
    if left <= capacity + 1e-6:
        return left
    return 0.5 * left if left < capacity + 1.0 else capacity


@njit
def nearest_truck(io: Any, trucks: Any, line: Any) -> int:
    """The free truck nearest to a line, of several there the one whose driver is freshest; -1 for none."""
    best, best_score = -1, NEVER
    for k in range(trucks.shape[0]):
        t = trucks[k]
        if io[t.State] != PARKED or (io[t.Battery] > 0.5 and io[t.Charge] < LOWEST_CHARGE):
            continue
        dx, dy = io[t.X] - io[line.X], io[t.Y] - io[line.Y]
        score = 10.0 * (dx * dx + dy * dy) ** 0.5 + io[t.AtWheel]
        if score < best_score:
            best, best_score = k, score
    return best
