"""The fleet: what dispatch decides becomes a truck that loads, is weighed, drives, pours, comes back and is washed out.

What a truck carries is a holder of the ledger like any other. Rules of the road and of the standard are kept here, and what
was against them is noted: too heavy a truck does not leave, concrete too old is refused or accepted by somebody, what comes back
gets a decision.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from twin.clock import TICKS_PER_S, ticks
from twin.engine import LOADS, Engine, Server
from twin.equipment import dispatch_desk as desk
from twin.equipment import truck as t
from twin.equipment import weighbridge
from twin.equipment.truck_wash import Gate
from twin.equipment.washout import Washout
from twin.ledger import holds_kg
from twin.loading import Bay, Load
from twin.orders import CRUMB_M3, Job, OrderBook
from twin.returns import Returns
from twin.tickets import FIELDS, NOTHING
from twin.travel import Driver

WASH_EVERY_S = 6 * 3600.0  # engineering choice
WASH_LATEST_S = 4 * 3600.0  # concrete may stick in a drum so long where others wait to be washed out (engineering choice)
AGE_LIMIT_S = 90 * 60.0  # from water to discharge, GB/T 14902-2012 7.5 (recalled)
SLUMP_TOLERANCE_MM = 30.0  # at 100 mm and more, GB/T 14902-2012 Table 9 (recalled)
AGE_LIMIT = ticks(AGE_LIMIT_S)
LATE_TEST_S = 300.0  # the site's engineer tests late concrete (engineering choice)
LOWEST_CHARGE = 0.2  # of a battery, to be sent (engineering choice)
CHARGE_BELOW = 0.35
DAY_S = 86400.0

OUTCOMES = ("in time", "late, accepted after a test", "late, refused", "order cancelled", "too stiff, refused")


class Fleet:
    """All trucks of the plant and the orders they serve.

    Attributes:
        tickets: deliveries, one dict each, in order of leaving the plant, until `finished` hands them out.
        written: tickets written so far.
        left_m3: volume that has left the plant, as ordered.
        refused_m3: of it, what sites did not take and wanted again.
        rows: what the ledgers `gate`, `violations`, `returned`, `pours` got since they were last taken.
    """

    def __init__(
        self, engine: Engine, poured: NDArray[np.int64], wet: NDArray[np.int64], starts_s: float, gate: Gate, weekday: int = 0
    ) -> None:
        """Args:
        poured: [line], batches that each mixer has let go; a ticket names the batches of its load by it.
        wet: [line, ring], tick at which water met cement, by number of the batch.
        starts_s: time of day of tick 0; weekday: of that day, 0 is Monday.
        gate: the one that deliveries use, too.
        """
        plant = engine.plant
        self.engine, self.fleet, self._handle = engine, plant.design.fleet, plant.handle
        self.rows: dict[str, list[dict[str, Any]]] = {"gate": [], "violations": [], "returned": [], "pours": []}
        self.driver = Driver(engine, starts_s, weekday, self._violation)
        self.book = OrderBook(engine, plant.map, starts_s, self.changed)
        self.bays = [Bay(engine, line, self._under, self._leave) for line in plant.design.lines]
        self._homes = [plant.map.plant(line) for line in plant.design.lines]
        self._yards = list(dict.fromkeys(self._homes))
        self.gate, self.washout = gate, Washout(engine, self.fleet.washout_places * len(self._yards))
        self.returns = Returns(engine, self.book, self.washout, self.rows["returned"])
        self.grades = {r.grade for r in plant.design.recipes}
        self.strength = {r.grade: r.strength_mpa for r in plant.design.recipes}
        self.slump = {r.grade: r.slump_mm for r in plant.design.recipes}
        self.tickets: deque[dict[str, Any]] = deque()
        self.written, self.left_m3, self.refused_m3 = 0, 0.0, 0.0
        self.trucks = plant.columns("trucks")
        self._poured, self._wet = poured, wet
        self._scale, self._chargers = Server(len(self._yards)), Server(max(self.fleet.chargers, 1))  # a weighbridge at each plant
        self._charger = plant.motor("Gate.Chargers")
        self._remarks = (("leaking", self.trucks.leak), ("no position", self.trucks.gps), ("no picture", self.trucks.video))
        self._weighing = ticks(plant.design.weighbridge.weigh_s + plant.design.weighbridge.inspect_s)
        self._washed: dict[int, int] = {}
        self._sticks: dict[int, int] = {}  # tick since which there is concrete in its drum
        self._dirt: dict[int, float] = {}  # on its wheels, kg
        self._duty: dict[int, tuple[int, float]] = {}  # day, and hours at work on it
        self._site = [plant.link(f"Truck{k + 1}", "site") for k in range(self.fleet.trucks)]
        self._rng = [engine.rng(7, truck) for truck in range(self.fleet.trucks + 1)]
        self._desk = plant.table.index(f"{desk.NAME}.Order")
        for k in range(self.fleet.trucks):
            self.trucks.state[k] = t.PARKED
            self.driver.stand(k, self._homes[k % len(self._homes)])
        self._new, self._wake = True, 0.0
        engine.watch(LOADS, self._watch)

    # --- the desk -------------------------------------------------------------------------------------

    def learn(self, recipe: Any) -> None:
        """Let loads posted from now on use a recipe."""
        self.grades.add(recipe.grade)
        self.strength[recipe.grade], self.slump[recipe.grade] = recipe.strength_mpa, recipe.slump_mm
        for bay in self.bays:
            bay.learn(recipe)

    @property
    def loads_open(self) -> int:
        """Loads that the open orders still ask for, with those that trucks have not left with."""
        waiting = sum(bay.queue for bay in self.bays)
        return waiting + sum(-int(-job.left_m3 // self.fleet.capacity_m3) for job in self.book.jobs.values())

    def changed(self) -> None:
        """Something has changed that dispatch may want to look at."""
        io, at = self.engine.plant.io, self._desk
        io[at + desk.CHANGES] = (io[at + desk.CHANGES] + 1) % 1_000_000_000
        self._new = True

    def ask(self, consult: Callable[[int], int] | None) -> None:
        """Let a dispatcher look at the image whenever something has changed, and when it wished to; for a run in `batch` fidelity.

        Args:
            consult: decides at most one load at a tick; returns the tick at which to look again. None for nobody.
        """
        self._new = True
        if consult is None:
            self.engine.settled = None
            return
        io, number = self.engine.plant.io, self._desk + desk.NUMBER

        def look() -> float:
            now = self.engine.now
            if self._new or self._wake <= now:
                self.engine.sync()
                while True:
                    self._new, before = False, io[number]
                    again = consult(now)
                    if io[number] == before:
                        break
                    self._decide()
                self._wake = max(again, now + TICKS_PER_S)
            return self._wake

        self.engine.settled = look

    def _watch(self) -> None:
        """Dispatch has decided, or the controller has accepted or finished a load."""
        self._decide()
        for bay in self.bays:
            bay.look()

    def _decide(self) -> None:
        io, at = self.engine.plant.io, self._desk
        number = io[at + desk.NUMBER]
        if number == io[at + desk.TAKEN]:
            return
        job, k, line, volume_m3 = (
            self.book.jobs.get(int(io[at + desk.ORDER])),
            int(io[at + desk.TRUCK]) - 1,
            int(io[at + desk.LINE]) - 1,
            float(io[at + desk.VOLUME]),
        )
        io[at + desk.TAKEN] = number
        io[at + desk.ANSWER] = answer = self._answer(job, k, line, volume_m3)
        if answer == desk.OK:
            assert job is not None
            self._send(job, k, line, volume_m3)

    def _answer(self, job: Job | None, k: int, line: int, volume_m3: float) -> int:
        """What the desk makes of a decision, as a code of `desk.ANSWERS`."""
        if job is None or job.left_m3 <= CRUMB_M3:
            return desk.NO_ORDER
        if not 0 <= k < self.fleet.trucks:
            return desk.NO_TRUCK
        if self.trucks.state[k] != t.PARKED:
            return desk.OFF_DUTY if self.trucks.state[k] in (t.OFF_DUTY, t.RESTING) else desk.NOT_FREE
        if not 0 <= line < len(self.bays):
            return desk.NO_LINE
        if not 0.0 < volume_m3 <= self.fleet.capacity_of(k + 1) + 1e-6:
            return desk.BAD_VOLUME
        if volume_m3 > job.left_m3 + 1e-3:
            return desk.TOO_MUCH
        if self.trucks.battery[k] and self.trucks.charge[k] < LOWEST_CHARGE:
            return desk.LOW_BATTERY
        return desk.OK

    def _send(self, job: Job, k: int, line: int, volume_m3: float) -> None:
        """A truck goes to a line for a load."""
        load = Load(job, volume_m3, job.due, k + 1)
        job.given_m3 += volume_m3
        job.loads += 1
        job.coming += 1
        job.trucks.add(k)
        self.trucks.order[k] = job.number
        if self.driver.at[k] == self._homes[line]:
            self._state(k, t.QUEUEING)
            self.bays[line].take(load)
        else:
            self._state(k, t.TO_LOAD)  # at once: a process begins only when others have had their turn, and the truck is taken
            self.engine.env.process(self._fetch(load, line))
        self.book.settle(job)

    def _fetch(self, load: Load, line: int) -> Generator[simpy.Event, Any, None]:
        """The truck stands at another plant."""
        k = load.truck - 1
        yield from self._drive(k, self._homes[line], t.TO_LOAD)
        self._state(k, t.QUEUEING)
        self.bays[line].take(load)

    def _state(self, k: int, state: int) -> None:
        t.enter(self._handle, k, state, int(self.engine.env.now))

    # --- from the bay to the gate ---------------------------------------------------------------------

    def _under(self, load: Load) -> None:
        self.trucks.revolutions[load.truck - 1] = 0.0
        self._state(load.truck - 1, t.LOADING)

    def _leave(self, bay: Bay, load: Load) -> None:
        """A loaded truck leaves the bay with its ticket."""
        line, s, now, k = self.bays.index(bay), TICKS_PER_S, int(self.engine.env.now), load.truck - 1
        first, bay.assigned = bay.assigned + 1, int(self._poured[line])
        trucks = self.trucks
        wet = int(self._wet[line, first % self._wet.shape[1]]) if bay.assigned >= first else now
        loaded_kg = t.take_load(self._handle, k, load.volume_m3, wet, now)
        self._state(k, t.WEIGHING_OUT)
        self.written += 1
        job = load.job
        ticket = NOTHING | {"ticket": self.written, "order": job.site, "order_number": job.number, "grade": job.grade, "line": bay.line, "load": load.number, "truck": load.truck,
                   "energy": "battery" if trucks.battery[k] else "diesel", "batch_from": first, "batch_to": bay.assigned, "volume_m3": load.volume_m3,
                   "loaded_kg": loaded_kg, "due_s": load.due / s, "late_s": job.late / s, "queued_s": load.queued / s,
                   "at_bay_s": load.at_bay / s, "left_s": now / s, "wet_s": wet / s, "slump_mm": trucks.slump_mm[k],
                   "temperature_c": trucks.temp_c[k], "km_out": 0.0, "km_back": 0.0}  # fmt: skip
        self.tickets.append(ticket)
        self.left_m3 += load.volume_m3
        self.engine.env.process(self._trip(load, ticket))
        self.changed()

    def _weigh(self, k: int, ticket: dict[str, Any] | None, way: str) -> Generator[simpy.Event, Any, float]:
        """Over the weighbridge, with a look at the truck. Returns the mass shown, kg."""
        trucks, engine = self.trucks, self.engine
        _, ends = self._scale.take(int(engine.env.now), self._weighing)
        yield engine.away(ends - int(engine.env.now))
        shown = float(weighbridge.weigh(self._handle, k, self.fleet.tare_kg, engine.seed))
        over = way == "out" and shown > self.fleet.limit_kg
        faults = [text for text, on in self._remarks if on[k] > 0]
        self.rows["gate"].append({"time_s": engine.env.now / TICKS_PER_S, "truck": k + 1, "ticket": ticket and ticket["ticket"], "way": way, "shown_kg": shown,
                                  "passed": not over, "remark": ", ".join(["overloaded"] * over + faults)})  # fmt: skip
        if over:
            self._violation(k, ticket, "overload", shown, self.fleet.limit_kg, "sent back to unload")
        if trucks.leak[k] > 0:
            self._violation(k, ticket, "leak guard", trucks.leak[k], 0.0, "told to mend it")
        return shown

    def _out(self, load: Load, ticket: dict[str, Any]) -> Generator[simpy.Event, Any, None]:
        """Weighbridge, and as often as it is too heavy back to unload; then the wash, and out of the gate."""
        k, fleet = load.truck - 1, self.fleet
        while True:
            ticket["gross_kg"] = yield from self._weigh(k, ticket, "out")
            if ticket["gross_kg"] <= fleet.limit_kg:
                break
            self._state(k, t.UNLOADING)
            kg = holds_kg(self._handle, self.trucks.holder[k])
            off_kg = ticket["gross_kg"] - fleet.limit_kg + 2 * self.engine.plant.design.weighbridge.division_kg
            m3 = load.volume_m3 * off_kg / max(kg, 1.0)
            yield self.engine.wait(300.0)
            self.returns.unload(k, ticket, off_kg, m3, "overload")
            self._shorten(load, ticket, m3)
            self._state(k, t.WEIGHING_OUT)
        self._state(k, t.WASHING)
        ticket["washed"] = yield from self.gate.goes(self._dirt.get(k + 1, 0.0))

    def _shorten(self, load: Load, ticket: dict[str, Any], m3: float) -> None:
        """Less is on the truck than was ordered: the order wants the rest from another."""
        load.volume_m3 -= m3
        ticket["volume_m3"] -= m3
        self.trucks.load_m3[load.truck - 1] -= m3
        self.left_m3 -= m3
        load.job.given_m3 -= m3

    # --- to the site and back -------------------------------------------------------------------------

    def _trip(self, load: Load, ticket: dict[str, Any]) -> Generator[simpy.Event, Any, None]:
        """Leave, drive, pour, drive back, be weighed and washed out; rest and charge when it is time."""
        k, job, s = load.truck - 1, load.job, TICKS_PER_S
        begun = int(self.engine.env.now)
        self._sticks.setdefault(k, begun)
        yield from self._out(load, ticket)
        ticket["gate_s"] = self.engine.env.now / s
        yield from self._drive(k, job.place, t.DRIVING_OUT, ticket)
        ticket["arrived_s"] = self.engine.env.now / s
        back_m3 = yield from self._pour(load, ticket)
        yield from self._drive(k, self._nearest(job.place), t.DRIVING_BACK, ticket)
        ticket["returned_s"] = self.engine.env.now / s
        self._dirt[k + 1] = self.gate.comes()
        self._state(k, t.WEIGHING_IN)
        ticket["tare_kg"] = yield from self._weigh(k, ticket, "in")
        washed = self.engine.env.now - self._washed.get(k, -(10**9)) <= ticks(WASH_EVERY_S)
        if back_m3 > 0.0:
            self._state(k, t.WASHING_OUT)
            made = yield from self.returns.decide(k, ticket, back_m3)
            if isinstance(made, Job):
                self._again(load, made, back_m3, ticket)
                return
            washed = made
            if made:
                self._sticks.pop(k)
        if not washed and self.engine.env.now - self._sticks[k] < ticks(WASH_LATEST_S) and self.washout.crowded:
            washed = True  # it takes another load first
        if not washed:
            self._sticks.pop(k)
            self._state(k, t.WASHING_OUT)
            self._washed[k] = int(self.engine.env.now)
            yield from self.washout.use(k + 1, self.trucks.holder[k], self.fleet.washout_kg)
        self.trucks.order[k] = 0
        yield from self._recover(k, (int(self.engine.env.now) - begun) / s)
        self._state(k, t.PARKED)
        self.changed()

    def _nearest(self, place: int) -> int:
        """The plant that is reached first from a place, in whatever traffic, which slows all ways alike."""
        return min(self._yards, key=self.driver.map.away_s(place).__getitem__) if len(self._yards) > 1 else self._yards[0]

    def _again(self, load: Load, job: Job, m3: float, before: dict[str, Any]) -> None:
        """What came back goes to another site, with a ticket of its own."""
        k, s, now = load.truck - 1, TICKS_PER_S, int(self.engine.env.now)
        job.given_m3 += m3
        job.loads += 1
        job.coming += 1
        job.trucks.add(k)
        self.trucks.order[k], self.trucks.load_m3[k] = job.number, m3
        self._state(k, t.WEIGHING_OUT)
        self.written += 1
        ticket = NOTHING | {
            name: before[name]
            for name in FIELDS[: FIELDS.index("volume_m3")] + ("queued_s", "at_bay_s", "wet_s", "slump_mm", "temperature_c")
        }
        ticket |= {"ticket": self.written, "order": job.site, "order_number": job.number, "volume_m3": m3, "due_s": job.due / s, "late_s": job.late / s, "left_s": now / s, "km_out": 0.0,
                   "km_back": 0.0, "loaded_kg": float(holds_kg(self._handle, self.trucks.holder[k]))}  # fmt: skip
        self.tickets.append(ticket)
        self.engine.env.process(self._trip(Load(job, m3, job.due, k + 1), ticket))
        self.book.settle(job)

    def _drive(self, k: int, to: int, state: int, ticket: dict[str, Any] | None = None) -> Generator[simpy.Event, Any, None]:
        """One way over the map."""
        km = yield from self.driver.drive(k, to, state, self._rng[k + 1], ticket)
        if ticket is not None:
            ticket["km_out" if state == t.DRIVING_OUT else "km_back"] += km

    def _pour(self, load: Load, ticket: dict[str, Any]) -> Generator[simpy.Event, Any, float]:
        """Wait for the turn, be tested if late, pour. Returns what stays in the drum, m³."""
        k, job, s, env, trucks, rng = (
            load.truck - 1,
            load.job,
            TICKS_PER_S,
            self.engine.env,
            self.trucks,
            self._rng[load.truck],
        )
        pour = ticks(job.pour_s_m3 * load.volume_m3 * rng.lognormal(0.0, 0.25))  # engineering choice
        over_m3 = min(rng.exponential(self.fleet.returned_m3), 0.5 * load.volume_m3) if rng.random() < self.fleet.returned_share else 0.0
        job.coming -= 1
        job.waiting += 1
        self._state(k, t.WAITING)
        begins = max(int(env.now), job.free, job.pump_ready)
        late = begins + pour - trucks.wet_tick[k] > AGE_LIMIT
        if late:
            begins = max(begins, int(env.now) + ticks(LATE_TEST_S))
        job.free = begins + pour
        self.book.settle(job)
        if begins > env.now:
            yield self.engine.away(begins - int(env.now))
        self._state(k, t.POURING)
        ticket |= {"pour_s": begins / s, "age_site_min": (begins - trucks.wet_tick[k]) / s / 60, "slump_site_mm": trucks.slump_mm[k],
                   "temperature_site_c": trucks.temp_c[k], "revolutions": trucks.revolutions[k]}  # fmt: skip
        job.waiting -= 1
        outcome = self._accept(job, trucks.slump_mm[k], late)
        ticket["outcome"] = outcome
        if late:
            self._violation(k, ticket, "older than 90 min", (begins + pour - trucks.wet_tick[k]) / s / 60, AGE_LIMIT_S / 60, outcome)
        if "accepted" not in outcome and outcome != "in time":
            job.free = min(job.free, begins)
            self._finish(job, k, load.volume_m3, ticket)
            return load.volume_m3
        if job.gap and job.last_end >= 0 and begins - job.last_end > job.gap:
            self.rows["pours"].append({"time_s": begins / s, "order": job.site, "order_number": job.number, "ticket": ticket["ticket"],
                                       "gap_min": (begins - job.last_end) / s / 60, "limit_min": job.gap / s / 60})  # fmt: skip
        yield self.engine.away(pour)
        ticket["poured_s"] = env.now / s
        ticket["poured_kg"] = float(t.pour(self._handle, k, self._site[k], self.fleet.residue_kg, over_m3 / load.volume_m3))
        job.last_end = int(env.now)
        job.poured_m3 += load.volume_m3
        self._finish(job, k, 0.0, ticket)
        trucks.load_m3[k] = over_m3
        return over_m3

    def _accept(self, job: Job, slump_mm: float, late: bool) -> str:
        """What the site says to a load, by its slump and its age."""
        if job.cancelled:
            return OUTCOMES[3]
        wished = self.slump[job.grade]
        stiff = slump_mm < wished - SLUMP_TOLERANCE_MM - 20.0
        if late:
            return OUTCOMES[2] if slump_mm < wished - SLUMP_TOLERANCE_MM else OUTCOMES[1]
        return OUTCOMES[4] if stiff and wished >= 100.0 else OUTCOMES[0]

    def _finish(self, job: Job, k: int, refused_m3: float, ticket: dict[str, Any]) -> None:
        """A load is off the order's list; what was refused is wanted again."""
        job.trucks.discard(k)
        job.given_m3 -= refused_m3
        self.refused_m3 += refused_m3
        self.book.settle(job)

    # --- rest, charge ---------------------------------------------------------------------------------

    def _recover(self, k: int, worked_s: float) -> Generator[simpy.Event, Any, None]:
        """Rest at the wheel's limit, charge a low battery, and stop when the drivers' hours of the day are over."""
        trucks, fleet, env = self.trucks, self.fleet, self.engine.env
        if trucks.wheel_s[k] >= fleet.drive_limit_h * 3600.0 - 3600.0:
            self._state(k, t.RESTING)
            yield self.engine.away(ticks(60 * fleet.rest_min))
            trucks.wheel_s[k] = 0.0
        if trucks.battery[k] and trucks.charge[k] < CHARGE_BELOW and fleet.chargers:
            self._state(k, t.CHARGING)
            kwh = (0.95 - trucks.charge[k]) * fleet.battery_kwh
            _, ends = self._chargers.take(int(env.now), ticks(kwh / fleet.charger_kw * 3600.0))
            yield self.engine.away(ends - int(env.now))
            trucks.charge[k] += kwh / fleet.battery_kwh
            self._charger[0] += kwh / fleet.charger_kw * 3600.0
            self._charger[1] += kwh * 3600.0
        clock_s = self.driver.clock_s()
        day = int(clock_s // DAY_S)
        before, worked = self._duty.get(k, (day, 0.0))
        worked = worked_s + (worked if before == day else 0.0)
        self._duty[k] = day, worked
        if worked > fleet.shift_h * fleet.drivers * 3600.0:
            self._state(k, t.OFF_DUTY)
            yield self.engine.away(ticks((day + 1) * DAY_S - clock_s))

    # --- ledgers --------------------------------------------------------------------------------------

    def _violation(self, k: int, ticket: dict[str, Any] | None, kind: str, value: float, limit: float, action: str) -> None:
        self.rows["violations"].append({"time_s": self.engine.env.now / TICKS_PER_S, "truck": k + 1, "ticket": ticket and ticket["ticket"], "kind": kind,
                                        "value": float(value), "limit": limit, "action": action})  # fmt: skip

    def finished(self, everything: bool = False) -> list[dict[str, Any]]:
        """Tickets whose trucks have returned and been weighed since the last call, in the order of their numbers; or all that are left."""
        out = []
        while self.tickets and (everything or self.tickets[0]["tare_kg"] is not None):
            out.append(self.tickets.popleft())
        return out
