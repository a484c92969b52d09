"""Truck: mixer trucks between the loading bay and the sites, as SimPy processes.

A load waits for a truck, the truck for the bay; it is loaded, gets a ticket, drives, pours, drives back and washes
out twice a day. What it carries is a holder of the ledger like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy
from numpy.typing import NDArray

from twin.clock import TICKS_PER_S, ticks
from twin.engine import LOADS, Engine
from twin.equipment.truck_wash import Gate
from twin.equipment.washout import Washout
from twin.ledger import move, total_kg

if TYPE_CHECKING:
    from twin.design.schema import Recipe

WASH_EVERY_S = 6 * 3600.0  # engineering choice


@dataclass(frozen=True, slots=True)
class Load:
    """One truckload to deliver.

    Attributes:
        order: name of the order.
        grade: recipe.
        volume_m3: ordered volume of this load.
        due_tick: when it should be ready to load.
        drive_s: one-way drive to the site, mean.
        pour_s: time to pour on site, mean.
    """

    order: str
    grade: str
    volume_m3: float
    due_tick: int
    drive_s: float
    pour_s: float


class Bay:
    """The loading bay of one line: at its desk the next load is posted while one truck stands under the hopper."""

    def __init__(self, engine: Engine, line: str) -> None:
        plant = engine.plant
        self.line = line
        self.record = plant.record(f"{line}.Bay")
        self.desk: deque[tuple[Load, int, int]] = deque()
        self.place: deque[tuple[Load, int, int, int]] = deque()
        self.posting = self.loading = False
        self.posted = self.assigned = 0
        self.tag = {
            t: plant.table.index(f"{line}.Bay.{t}") for t in ("Order", "ForTruck", "Volume", "MixTime", "SlurryMax", "Accepted", "Done")
        }
        self.waiting: dict[str, tuple[int, Callable[[], None]]] = {}
        self._masses = [(m, plant.table.index(f"{line}.Bay.Recipe.{m}")) for m in plant.design.lines[line].materials()]
        self.recipe: dict[str, tuple[float, float, list[tuple[int, float]]]] = {}
        for recipe in plant.design.recipes:
            self.learn(recipe)

    def learn(self, recipe: Recipe) -> None:
        """Take a recipe into the book."""
        self.recipe[recipe.grade] = (
            recipe.mix_time_s,
            recipe.most_slurry_kg_m3,
            [(index, recipe.kg_m3.get(m, 0.0)) for m, index in self._masses],
        )

    @property
    def queue(self) -> int:
        """Loads at the desk and trucks before the hopper."""
        return len(self.desk) + len(self.place) + self.posting + self.loading


class Fleet:
    """All trucks of the plant and the loads they serve.

    Attributes:
        tickets: deliveries, one dict each, in order of leaving the plant, until `finished` hands them out.
        written: tickets written so far.
        left_m3: volume that has left the plant, as ordered.
        loads_open: loads taken on that have not left yet.
        grades: recipes that orders may name.
    """

    def __init__(self, engine: Engine, poured: NDArray[np.int64], gate: Gate | None = None) -> None:
        """Put all trucks in the yard.

        Args:
            poured: [line], number of batches each mixer has let go; a ticket names the batches of its load by it.
            gate: the gate that deliveries use too; one of its own when left out.
        """
        plant = engine.plant
        self.engine = engine
        self.fleet = plant.design.fleet
        self.idle: deque[int] = deque(range(1, self.fleet.trucks + 1))
        self.loads: deque[Load] = deque()
        self.bays = [Bay(engine, line) for line in plant.design.lines]
        self.grades = {r.grade for r in plant.design.recipes}
        self.tickets: deque[dict[str, Any]] = deque()
        self.written = 0
        self.left_m3 = 0.0
        self.loads_open = 0
        self._washed: dict[int, int] = {}
        self._dirt: dict[int, float] = {}  # on its wheels, kg
        self.gate = gate or Gate(engine, plant.design)
        self.washout = Washout(engine)
        self._poured = poured
        self._holder = [plant.holder(f"Truck{k + 1}") for k in range(self.fleet.trucks)]
        self._site = [plant.link(f"Truck{k + 1}", "site") for k in range(self.fleet.trucks)]
        self._rng = [engine.rng(7, truck) for truck in range(self.fleet.trucks + 1)]
        engine.watch(LOADS, self._watch)

    def add(self, loads: list[Load]) -> None:
        """Take on loads; each asks for a truck when it is due."""
        self.loads_open += len(loads)
        self.engine.env.process(self._release(sorted(loads, key=lambda load: load.due_tick)))

    def learn(self, recipe: Recipe) -> None:
        """Let loads posted from now on use a recipe."""
        for bay in self.bays:
            bay.learn(recipe)

    def finished(self, everything: bool = False) -> list[dict[str, Any]]:
        """Tickets whose trucks have returned since the last call, in the order of their numbers; or all that are left."""
        out = []
        while self.tickets and (everything or self.tickets[0]["returned_s"] is not None):
            out.append(self.tickets.popleft())
        return out

    # --- from order to loaded truck -------------------------------------------------------------------

    def _release(self, loads: list[Load]) -> Generator[simpy.Event, Any, None]:
        for load in loads:
            if load.due_tick > self.engine.env.now:
                yield self.engine.env.timeout(load.due_tick - self.engine.env.now)
            self.loads.append(load)
            self._assign()

    def _assign(self) -> None:
        """Give waiting loads to idle trucks, each at the shortest queue."""
        while self.loads and self.idle:
            bay = min(self.bays, key=lambda b: b.queue)
            bay.desk.append((self.loads.popleft(), self.idle.popleft(), int(self.engine.env.now)))
            self._post(bay)

    def _post(self, bay: Bay) -> None:
        """Write the next load into the image as dispatch does, once the one before is accepted."""
        if bay.posting or not bay.desk:
            return
        load, truck, queued = bay.desk.popleft()
        bay.posting = True
        bay.posted += 1
        number = bay.posted
        io, tag = self.engine.plant.state.io, bay.tag
        mix_time_s, slurry_kg_m3, masses = bay.recipe[load.grade]
        for index, kg in masses:
            io[index] = kg
        io[tag["SlurryMax"]] = slurry_kg_m3
        io[tag["MixTime"]], io[tag["Volume"]], io[tag["ForTruck"]], io[tag["Order"]] = mix_time_s, load.volume_m3, truck, number

        def accepted() -> None:
            bay.posting = False
            bay.place.append((load, truck, queued, number))
            self._position(bay)
            self._post(bay)

        bay.waiting["Accepted"] = (number, accepted)

    def _watch(self) -> None:
        """The controller has accepted or finished a load."""
        io = self.engine.plant.state.io
        for bay in self.bays:
            for tag in ("Done", "Accepted"):
                number, act = bay.waiting.get(tag, (0, None))
                if act and io[bay.tag[tag]] >= number:
                    del bay.waiting[tag]
                    act()

    def _position(self, bay: Bay) -> None:
        """Let the next truck drive under the hopper."""
        if bay.loading or not bay.place:
            return
        load, truck, queued, number = bay.place.popleft()
        bay.loading = True

        def stands(_: simpy.Event) -> None:
            plant, record = self.engine.plant, bay.record
            record["load"] = plant.link(f"{bay.line}.Hopper.Discharge", f"Truck{truck}")
            record["truck"], record["present"] = truck, 1.0
            at_bay = int(self.engine.env.now)
            bay.waiting["Done"] = (number, lambda: self._leave(bay, load, truck, queued, at_bay, number))
            self._watch()

        self._later(self.fleet.positioning_s, stands)

    def _later(self, seconds: float, act: Callable[[simpy.Event], None]) -> None:
        event = self.engine.wait(seconds)
        assert event.callbacks is not None
        event.callbacks.append(act)

    # --- from the gate to the site and back -----------------------------------------------------------

    def _leave(self, bay: Bay, load: Load, truck: int, queued: int, at_bay: int, number: int) -> None:
        """The loaded truck leaves with its ticket and the next one comes."""
        record = bay.record
        record["load"], record["truck"], record["present"] = record["ground"], 0, 0.0
        bay.loading = False
        line, s, now = self.bays.index(bay), TICKS_PER_S, int(self.engine.env.now)
        first, bay.assigned = bay.assigned + 1, int(self._poured[line])
        kg = float(total_kg(self.engine.plant.state.ledger, self._holder[truck - 1]))
        self.written += 1
        ticket = {"ticket": self.written, "order": load.order, "grade": load.grade, "line": bay.line, "load": number, "truck": truck,
                  "batch_from": first, "batch_to": bay.assigned, "volume_m3": load.volume_m3, "loaded_kg": kg, "due_s": load.due_tick / s,
                  "queued_s": queued / s, "at_bay_s": at_bay / s, "left_s": now / s, "arrived_s": None, "poured_s": None, "returned_s": None,
                  "poured_kg": None}  # fmt: skip
        self.tickets.append(ticket)
        self.left_m3 += load.volume_m3
        self.loads_open -= 1
        self.engine.env.process(self._trip(load, truck, ticket, self._dirt.get(truck, 0.0)))
        self._position(bay)

    def _trip(self, load: Load, truck: int, ticket: dict[str, Any], dirt_kg: float) -> Generator[simpy.Event, Any, None]:
        """Leave by the gate, drive, pour, drive back, wash out when it is time or concrete came back.

        Travel and pouring times scatter log-normally, ±15 % and ±25 % (engineering choice).
        """
        rng, ledger, holder, wait = self._rng[truck], self.engine.plant.state.ledger, self._holder[truck - 1], self.engine.wait
        out_s, pour_s, back_s = (
            load.drive_s * rng.lognormal(0.0, 0.15),
            load.pour_s * rng.lognormal(0.0, 0.25),
            load.drive_s * rng.lognormal(-0.1, 0.15),
        )
        back_m3 = rng.exponential(self.fleet.returned_m3) if rng.random() < self.fleet.returned_share else 0.0
        yield from self.gate.goes(dirt_kg)
        left = self.engine.env.now / TICKS_PER_S
        yield wait(out_s + pour_s)  # on the road and on site nothing of the plant changes
        ticket["arrived_s"] = left + out_s
        held = total_kg(ledger, holder)
        keep = self.fleet.residue_kg + min(back_m3 / load.volume_m3, 0.5) * held
        ticket["poured_s"] = self.engine.env.now / TICKS_PER_S
        ticket["poured_kg"] = float(move(ledger, self._site[truck - 1], max(held - keep, 0.0)))
        yield wait(back_s)
        now = int(self.engine.env.now)
        ticket["returned_s"] = now / TICKS_PER_S
        self._dirt[truck] = self.gate.comes()
        if back_m3 > 0 or now - self._washed.get(truck, -(10**9)) > ticks(WASH_EVERY_S):
            self._washed[truck] = now
            yield from self.washout.use(truck, holder, self.fleet.washout_kg)
        self.idle.append(truck)
        self._assign()
