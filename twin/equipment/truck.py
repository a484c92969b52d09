"""Truck: mixer trucks between the loading bay and the sites, as SimPy processes.

A load waits for a truck, the truck for the bay; it is loaded, gets a ticket, drives, pours, drives back and washes
out. What it carries is a holder of the ledger like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from twin.engine import LOADS, Engine, ticks
from twin.equipment.part import TICKS_PER_S
from twin.ledger import WATER, book, move, total_kg


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


@dataclass(slots=True)
class Bay:
    """The loading bay of one line: one order posted ahead, one truck under the hopper."""

    name: str
    desk: simpy.Resource
    place: simpy.Resource
    posted: int = 0
    waiting: dict[tuple[str, int], simpy.Event] = field(default_factory=dict)


class Fleet:
    """All trucks of the plant and the loads they serve.

    Attributes:
        tickets: finished or running deliveries, one dict each, in order of leaving the plant.
        left_m3: volume that has left the plant, as ordered.
        loads_open: loads taken on that have not left yet.
    """

    def __init__(self, engine: Engine, poured: NDArray[np.int64]) -> None:
        """Args: poured: [line], number of batches each mixer has let go; a ticket names the batches of its load by it."""
        self.engine = engine
        plant = engine.plant
        fleet = plant.design.fleet
        self.fleet = fleet
        self.idle: deque[int] = deque(range(1, fleet.trucks + 1))
        self.free = simpy.Container(engine.env, capacity=fleet.trucks, init=fleet.trucks)
        self.bays = [Bay(line, simpy.Resource(engine.env), simpy.Resource(engine.env)) for line in plant.design.lines]
        self.tickets: list[dict[str, Any]] = []
        self.left_m3 = 0.0
        self.loads_open = 0
        self.washed: dict[int, int] = {}
        self._poured = poured
        self._assigned = [0] * len(plant.design.lines)
        self._kept = 0
        io, table = plant.state.io, plant.table
        self._io = io
        self._index = {(b.name, t): table.index(f"{b.name}.Bay.{t}") for b in self.bays
                       for t in ("Order", "ForTruck", "Volume", "MixTime", "Accepted", "Done")}  # fmt: skip
        self._recipe = {(b.name, r.grade): [(table.index(f"{b.name}.Bay.Recipe.{m}"), r.kg_m3.get(m, 0.0)) for m in plant.design.lines[b.name].materials()]
                        for b in self.bays for r in plant.design.recipes}  # fmt: skip
        self._rng = [engine.rng(7, truck) for truck in range(fleet.trucks + 1)]
        engine.watch(LOADS, self._watch)

    def add(self, loads: list[Load]) -> None:
        """Take on loads; each becomes a process when it is due."""
        self.loads_open += len(loads)
        self.engine.env.process(self._release(sorted(loads, key=lambda load: load.due_tick)))

    def finished(self, everything: bool = False) -> list[dict[str, Any]]:
        """Tickets whose trucks have returned since the last call, in the order of their numbers; or all that are left."""
        end = len(self.tickets) if everything else self._kept
        while end < len(self.tickets) and self.tickets[end]["returned_s"] is not None:
            end += 1
        out, self._kept = self.tickets[self._kept : end], end
        return out

    def _release(self, loads: list[Load]) -> Generator[simpy.Event, Any, None]:
        for load in loads:
            if load.due_tick > self.engine.env.now:
                yield self.engine.env.timeout(load.due_tick - self.engine.env.now)
            yield self.free.get(1)
            self.engine.env.process(self._deliver(load, self.idle.popleft()))

    def _watch(self) -> None:
        """Tell waiting trucks that the controller accepted or finished their load."""
        for bay in self.bays:
            for (tag, number), event in list(bay.waiting.items()):
                if self._io[self._index[bay.name, tag]] >= number:
                    del bay.waiting[tag, number]
                    event.succeed()

    def _told(self, bay: Bay, tag: str, number: int) -> simpy.Event:
        event = self.engine.env.event()
        bay.waiting[tag, number] = event
        return event

    def _deliver(self, load: Load, truck: int) -> Generator[simpy.Event, Any, None]:
        env, plant = self.engine.env, self.engine.plant
        bay = min(self.bays, key=lambda b: len(b.desk.queue) + len(b.place.queue) + b.desk.count)
        queued = env.now
        with bay.desk.request() as desk:
            yield desk
            bay.posted += 1
            number = bay.posted
            self._post(bay, load, truck, number)
            yield self._told(bay, "Accepted", number)
            place = bay.place.request()
        yield place
        yield self.engine.wait(self.fleet.positioning_s)
        record = plant.record(f"{bay.name}.Bay")
        record["load"] = plant.link(f"{bay.name}.Hopper.Discharge", f"Truck{truck}")
        record["truck"], record["present"] = truck, 1.0
        at_bay = env.now
        yield self._told(bay, "Done", number)
        record["load"], record["truck"], record["present"] = record["ground"], 0, 0.0
        bay.place.release(place)
        ticket = self._ticket(load, truck, bay, number, queued, at_bay)
        yield from self._round(load, truck, ticket)
        self.idle.append(truck)
        yield self.free.put(1)

    def _post(self, bay: Bay, load: Load, truck: int, number: int) -> None:
        """Write the load into the image as dispatch does."""
        io = self._io
        for index, kg in self._recipe[bay.name, load.grade]:
            io[index] = kg
        recipe = self.engine.plant.design.recipe(load.grade)
        io[self._index[bay.name, "MixTime"]] = recipe.mix_time_s if recipe else 30.0
        io[self._index[bay.name, "Volume"]] = load.volume_m3
        io[self._index[bay.name, "ForTruck"]] = truck
        io[self._index[bay.name, "Order"]] = number

    def _ticket(self, load: Load, truck: int, bay: Bay, number: int, queued: int, at_bay: int) -> dict[str, Any]:
        holder = self.engine.plant.holder(f"Truck{truck}")
        s = TICKS_PER_S
        line = self.bays.index(bay)
        first, self._assigned[line] = self._assigned[line] + 1, int(self._poured[line])
        ticket = {"ticket": len(self.tickets) + 1, "order": load.order, "grade": load.grade, "line": bay.name, "load": number, "truck": truck,
                  "batch_from": first, "batch_to": self._assigned[line], "volume_m3": load.volume_m3, "loaded_kg": float(total_kg(self.engine.plant.state.ledger, holder)), "due_s": load.due_tick / s,
                  "queued_s": queued / s, "at_bay_s": at_bay / s, "left_s": self.engine.env.now / s, "arrived_s": None, "poured_s": None,
                  "returned_s": None, "poured_kg": None}  # fmt: skip
        self.tickets.append(ticket)
        self.left_m3 += load.volume_m3
        self.loads_open -= 1
        return ticket

    def _round(self, load: Load, truck: int, ticket: dict[str, Any]) -> Generator[simpy.Event, Any, None]:
        """Drive, pour, drive back, wash out."""
        env, plant, rng, s = self.engine.env, self.engine.plant, self._rng[truck], TICKS_PER_S
        ledger = plant.state.ledger
        holder = plant.holder(f"Truck{truck}")
        # Travel and pouring times scatter log-normally, ±15 % and ±25 % (engineering choice).
        yield env.timeout(ticks(load.drive_s * rng.lognormal(0.0, 0.15)))
        ticket["arrived_s"] = env.now / s
        yield env.timeout(ticks(load.pour_s * rng.lognormal(0.0, 0.25)))
        ticket["poured_s"] = env.now / s
        ticket["poured_kg"] = float(move(ledger, plant.link(f"Truck{truck}", "site"), max(total_kg(ledger, holder) - self.fleet.residue_kg, 0.0)))
        yield env.timeout(ticks(load.drive_s * rng.lognormal(-0.1, 0.15)))
        ticket["returned_s"] = env.now / s
        if env.now - self.washed.get(truck, -(10**9)) > ticks(6 * 3600):
            self.washed[truck] = env.now
            yield from self._wash(truck, holder)

    def _wash(self, truck: int, holder: int) -> Generator[simpy.Event, Any, None]:
        """Wash the drum out into a slurry tank with room, else down the drain."""
        plant, ledger = self.engine.plant, self.engine.plant.state.ledger
        yield self.engine.wait(300)
        book(ledger, plant.link("mains", f"Truck{truck}"), WATER, self.fleet.washout_kg)
        for line, cfg in plant.design.lines.items():
            for key, tank in cfg.tanks.items():
                name = f"{line}.Tank.{key}"
                if tank.holds == "slurry_water" and total_kg(ledger, plant.holder(name)) + total_kg(ledger, holder) <= tank.capacity_t * 1000:
                    move(ledger, plant.link(f"Truck{truck}", name), 1e9)
                    return
        move(ledger, plant.link(f"Truck{truck}", "drain"), 1e9)
