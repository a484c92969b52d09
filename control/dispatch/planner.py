"""Dispatch by plan: a search over whole schedules of the next hours, made anew whenever something has changed.

The plan says which truck takes the next load of which order from which line, and when. Between two plans its loads are sent as
they come due; what the plan leaves out, because no truck would be in time, goes by the rule `jit`. The search gets a number of
steps and not a time, so the same run gives the same bits on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from control.dispatch import rules
from control.dispatch.problem import Plan, Problem
from control.dispatch.rules import LOADING_S_M3, MARGIN_S, NEVER, PARKED, READY_S, RuleDispatcher
from control.dispatch.solve import Search
from twin.tags import TagTable

UNIT_S = 30.0  # of the plan's time
UNIT_M3 = 0.1  # of its volume
STEPS = 1500  # of the search for one plan: some tens of milliseconds
AGAIN_S = 600.0  # a plan is made anew after so long in any case
HORIZON_S = 8 * 3600.0
BUSY = {  # what a truck in a state still has before it: shares of the drive out, of a pour, of the drive back
    "driving to load": (1.0, 1.0, 1.0), "queueing": (1.0, 1.0, 1.0), "loading": (1.0, 1.0, 1.0), "weighing out": (1.0, 1.0, 1.0), "washing": (1.0, 1.0, 1.0),
    "driving out": (0.5, 1.0, 1.0), "waiting": (0.0, 1.5, 1.0), "pouring": (0.0, 0.5, 1.0), "driving back": (0.0, 0.0, 0.5),
}  # fmt: skip


class PlanDispatcher(RuleDispatcher):
    """Sends trucks by a plan that is searched anew on events.

    Args:
        table: the plant's tag table.
        steps: of the search for each plan.
        seed: of the search.
        serve_all: what the plan leaves out goes by the rule `jit`; otherwise nothing is begun that the plan does not see through in time.

    Attributes:
        plans: made so far.
    """

    def __init__(self, table: TagTable, steps: int = STEPS, seed: int = 1, serve_all: bool = True) -> None:
        super().__init__(table, "jit")
        self.steps, self.seed, self.serve_all, self.plans = steps, seed, serve_all, 0
        self._states = table["Truck1.State"].states
        self._orders = np.array([table.index(f"{m.name}.Order") for m in table.of_kind("truck")])
        self._gap, self._way, self._poured = (
            np.array([table.index(f"{m.name}.{name}") for m in table.of_kind("order_slot")]) for name in ("Gap", "OnWay", "Poured")
        )
        self._waiting: list[tuple[float, int, int, int]] = []  # send at s, order, truck from 1, line from 1
        self._known: tuple[float, ...] = ()
        self._planned_s = -NEVER

    def scan(self, values: NDArray[np.float64], now: int) -> int:
        """Make a plan if need be, and send what is due by it; what it left out goes by the rule."""
        now_s, d = now / 100.0, self.desk[0]
        if values[d["Number"]] != values[d["Taken"]]:
            return now
        if values[d["Changes"]] == self.seen[0] and now_s < self.seen[1]:
            return int(min(np.ceil(self.seen[1]) * 100, 1e15))
        if self._new(values) or now_s - self._planned_s >= AGAIN_S:
            self._plan(values, now_s)
        if self._send(values, now_s):
            self.seen[0] = -1.0
            return now
        next_s = self._waiting[0][0] if self._waiting else NEVER
        held = {order for _, order, _, _ in self._waiting}
        kept = values[self.slots["Id"]].copy()
        hidden = np.isin(kept, list(held)) | ~(self._begun(values) | self.serve_all)
        values[self.slots["Id"]] = np.where(hidden, 0.0, kept)  # the rule sees what the plan does not have
        rules.decide(values, self.handle, self.most_m3, self.rule, now_s)
        values[self.slots["Id"]] = kept
        again = max(min(self.seen[1], next_s, self._planned_s + AGAIN_S), now_s)
        self.seen[1] = again
        return int(min(np.ceil(again) * 100, 1e15))

    def _begun(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which slots hold an order of which something has been sent."""
        return values[self._way] + values[self._poured] > 1e-6

    def _new(self, values: NDArray[np.float64]) -> bool:
        """Has an order come, gone or changed, or has a truck come back that the plan did not count on?"""
        known = (*values[self.slots["Id"]], *values[self.slots["Every"]], float(np.sum(values[self.trucks["State"]] == PARKED) > 0))
        changed, self._known = known != self._known, known
        return changed

    def _send(self, values: NDArray[np.float64], now_s: float) -> bool:
        """Write the first planned load that is due and whose truck is free."""
        d = self.desk[0]
        for k, (at_s, order, truck, line) in enumerate(self._waiting):
            if at_s > now_s:
                return False
            slot = np.flatnonzero(values[self.slots["Id"]] == order)
            if len(slot) == 0 or values[self.slots["Left"][slot[0]]] <= 1e-6:
                del self._waiting[k]
                return self._send(values, now_s)
            if values[self.trucks["State"][truck - 1]] != PARKED:
                free = rules.nearest_truck(values, self.trucks, self.lines[line - 1])
                if free < 0:
                    continue
                truck = free + 1
            del self._waiting[k]
            s = self.slots[slot[0]]
            write_decision(values, d, order, truck, line, rules.volume_m3(values, s, values[self.trucks["Capacity"][truck - 1]]))
            return True
        return False

    def _plan(self, values: NDArray[np.float64], now_s: float) -> None:
        """Search a schedule for the open orders and all trucks."""
        self._planned_s = now_s
        self._waiting = []
        slots = np.flatnonzero((values[self.slots["Id"]] > 0) & (values[self.slots["Left"]] > 1e-6))
        if len(slots) == 0:
            return
        problem = self._problem(values, now_s, slots)
        search = Search(problem, self.seed + self.plans)
        search.run(self.steps)
        self.plans += 1
        plan: Plan = search.plan()
        for truck, line, site, load in zip(plan.truck, plan.station, plan.site, plan.load_min, strict=True):
            send_s = now_s + float(load) * UNIT_S - MARGIN_S
            self._waiting.append((send_s, int(values[self.slots["Id"][slots[site]]]), int(truck) + 1, int(line) + 1))
        self._waiting.sort()

    def _problem(self, values: NDArray[np.float64], now_s: float, slots: NDArray[np.int64]) -> Problem:
        """The image as a problem; the present is time 0."""
        s = {name: values[self.slots[name][slots]] for name in ("Left", "Due", "Every", "Late", "Pour", "Waiting", "Coming")}
        capacity = values[self.trucks["Capacity"]]
        most = float(capacity.max())
        drive = np.stack([values[self.slots["Drive"][slots] + k] for k in range(len(self.lines))])
        pour_s = s["Pour"] * most
        loads = np.ceil(s["Left"] / most)
        opens_s = np.maximum(s["Due"] - now_s, (s["Waiting"] + s["Coming"]) * pour_s)
        opens_s = np.maximum(opens_s, drive.min(axis=0) + READY_S)
        in_time_s = s["Due"] - now_s + np.maximum(loads - 1, 0) * s["Every"] + s["Late"] + pour_s
        at_best_s = opens_s + loads * np.maximum(s["Every"], pour_s) + s["Late"]  # what is begun is seen through, late or not
        closes_s = np.where(self._begun(values)[slots] | self.serve_all, np.maximum(in_time_s, at_best_s), in_time_s)
        gap_s = values[self._gap[slots]]
        lag_s = np.where(gap_s > 0, gap_s, HORIZON_S)
        out = drive + READY_S + LOADING_S_M3 * most
        return Problem(
            capacity=_units(capacity / UNIT_M3), pour_min=_units(capacity * float(s["Pour"].mean()) / UNIT_S),
            free_from_min=_units(self._free_s(values, drive, pour_s, slots) / UNIT_S), place_to_station_min=np.zeros((len(capacity), len(self.lines)), np.int64),
            station_to_site_min=_units(out / UNIT_S), site_to_station_min=_units(drive.T / UNIT_S), demand=_units(s["Left"] / UNIT_M3),
            opens_min=_units(opens_s / UNIT_S), closes_min=_units(closes_s / UNIT_S), max_lag_min=_units(lag_s / UNIT_S),
        )  # fmt: skip

    def _free_s(
        self, values: NDArray[np.float64], drive: NDArray[np.float64], pour_s: NDArray[np.float64], slots: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """When each truck will be back, as far as the image tells, s from now."""
        of_order = {float(values[self.slots["Id"][slot]]): k for k, slot in enumerate(slots)}
        usual = (float(drive.mean()), float(pour_s.mean()))
        out = np.zeros(len(self.trucks))
        for k, truck in enumerate(self.trucks):
            state = self._states[int(values[truck["State"]])]
            if state in BUSY:
                site = of_order.get(float(values[self._orders[k]]))
                way_s, site_s = usual if site is None else (float(drive[:, site].min()), float(pour_s[site]))
                there, pour, back = BUSY[state]
                out[k] = (there + back) * way_s + pour * site_s
            elif state != "parked":
                out[k] = 1800.0
        return out


class Trip(NamedTuple):
    """A load of a plan: when its truck should leave the gate (s since the start), order, truck and line by number, volume."""

    leave_s: float
    order: int
    truck: int
    line: int
    volume_m3: float


class FixedPlan(RuleDispatcher):
    """Sends trucks by a plan made beforehand, whatever happens meanwhile: a load waits for its own truck.

    Args:
        table: the plant's tag table.
        trips: in the order in which they shall leave.
    """

    def __init__(self, table: TagTable, trips: Sequence[Trip]) -> None:
        super().__init__(table)
        self.trips = list(trips)

    def scan(self, values: NDArray[np.float64], now: int) -> int:
        """Send the first load that is due, whose order is open and whose truck is free."""
        now_s, d = now / 100.0, self.desk[0]
        if values[d["Number"]] != values[d["Taken"]]:
            return now
        for k, trip in enumerate(self.trips):
            send_s = trip.leave_s - READY_S - LOADING_S_M3 * trip.volume_m3
            if send_s > now_s:
                return int(min(np.ceil(send_s) * 100, 1e15))
            slot = np.flatnonzero(values[self.slots["Id"]] == trip.order)
            if len(slot) == 0 or values[self.trucks["State"][trip.truck - 1]] != PARKED:
                continue
            del self.trips[k]
            left = values[self.slots["Left"][slot[0]]]
            volume_m3 = min(trip.volume_m3, left, values[self.trucks["Capacity"][trip.truck - 1]])
            write_decision(values, d, trip.order, trip.truck, trip.line, volume_m3)
            return now
        return int(1e15)


def write_decision(values: NDArray[np.float64], desk: Any, order: int, truck: int, line: int, volume_m3: float) -> None:
    """Write a decision for the desk."""
    values[desk["Order"]], values[desk["Truck"]], values[desk["Line"]], values[desk["Volume"]] = order, truck, line, volume_m3
    values[desk["Number"]] = (values[desk["Number"]] + 1.0) % 1e9


def by_rule(table: TagTable, rule: str) -> RuleDispatcher | None:
    """Who dispatches by a rule of this name: `nearest`, `deadline`, `jit`, `plan`; nobody for `none`."""
    if rule == "none":
        return None
    return PlanDispatcher(table) if rule == "plan" else RuleDispatcher(table, rule)  # type: ignore[arg-type]


def _units(values: Any) -> NDArray[np.int64]:
    return np.maximum(np.rint(values), 0).astype(np.int64)
