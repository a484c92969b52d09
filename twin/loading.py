"""The loading bay of a line: at its desk the next load is posted while one truck stands under the hopper."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import simpy

from twin.clock import ticks
from twin.engine import Engine
from twin.equipment import dispatch_desk
from twin.orders import Job

if TYPE_CHECKING:
    from twin.design.schema import Recipe


@dataclass(slots=True)
class Load:
    """One truckload, from the decision to send it until the truck leaves the bay.

    Attributes:
        due: when it should begin to pour, ticks.
        truck: number of the truck, from 1.
        queued, accepted, at_bay: when the truck came to the line, the controller took the load, and the truck stood under the hopper, ticks.
        number: of the load at this bay.
    """

    job: Job
    volume_m3: float
    due: int
    truck: int
    queued: int = 0
    accepted: int = 0
    at_bay: int = 0
    number: int = 0


class Bay:
    """Posts loads into the image as the plant's office does, and lets trucks drive under the hopper.

    Args:
        leave: called when a load is finished.
        stands: called when a truck stands under the hopper.
    """

    def __init__(self, engine: Engine, line: str, stands: Callable[[Load], None], leave: Callable[[Bay, Load], None]) -> None:
        plant = engine.plant
        self.engine, self.line, self._stands, self._leave = engine, line, stands, leave
        self.record, self.k = plant.columns("bays"), list(plant.design.lines).index(line)
        self.desk: deque[Load] = deque()
        self.place: deque[Load] = deque()
        self.posting = self.loading = False
        self.posted = self.assigned = 0
        self._free, self._positioning = 0, ticks(plant.design.fleet.positioning_s)  # since when nobody stands there; ticks to drive in
        self.tag = {
            t: plant.table.index(f"{line}.Bay.{t}") for t in ("Order", "ForTruck", "Volume", "MixTime", "SlurryMax", "Accepted", "Done")
        }
        self._queue = plant.table.index(f"{dispatch_desk.NAME}.Queue.{line}")
        self._into = [plant.link(f"{line}.Hopper.Discharge", f"Truck{k + 1}") for k in range(plant.design.fleet.trucks)]
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

    def show(self) -> None:
        """Tell dispatch how long the queue is."""
        self.engine.plant.io[self._queue] = self.queue

    def take(self, load: Load) -> None:
        """A truck has come to the line for a load."""
        load.queued = int(self.engine.env.now)
        self.desk.append(load)
        if self.posting:
            self.look()
        self.post()
        self.heed()
        self.show()

    def heed(self) -> None:
        """When must the office hear that the controller has accepted a load: at once if another waits to be posted; before the truck stands
        under the hopper, if that is free and the plant need not stop for less; else when it hears of something anyway."""
        self.record.heed[self.k] = 0 if self.desk else -1 if self.loading else min(self._positioning, self.engine.patience)

    def post(self) -> None:
        """Write the next load into the image, once the one before is accepted."""
        if self.posting or not self.desk:
            return
        load = self.desk.popleft()
        self.posting = True
        self.posted += 1
        load.number = self.posted
        io, tag = self.engine.plant.io, self.tag
        mix_time_s, slurry_kg_m3, masses = self.recipe[load.job.grade]
        for index, kg in masses:
            io[index] = kg
        io[tag["SlurryMax"]] = slurry_kg_m3
        io[tag["MixTime"]], io[tag["Volume"]], io[tag["ForTruck"]], io[tag["Order"]] = mix_time_s, load.volume_m3, load.truck, load.number

        def accepted() -> None:
            self.posting = False
            load.accepted = self.record.accepted[self.k] or int(self.engine.env.now)
            self.place.append(load)
            self.position()
            self.post()
            self.heed()

        self.waiting["Accepted"] = (load.number, accepted)

    def look(self) -> None:
        """The controller may have accepted or finished a load."""
        io = self.engine.plant.io
        for tag in ("Done", "Accepted"):
            number, act = self.waiting.get(tag, (0, None))
            if act and io[self.tag[tag]] >= number:
                del self.waiting[tag]
                act()
        self.record.accepted[self.k] = 0

    def position(self) -> None:
        """Let the next truck drive under the hopper."""
        if self.loading or not self.place:
            return
        load = self.place.popleft()
        self.loading = True
        env, record, k = self.engine.env, self.record, self.k
        begins = max(max(self._free, load.accepted) + self._positioning, int(env.now))
        record.into[k], record.comes[k], record.stands[k] = self._into[load.truck - 1], load.truck, max(begins, 1)

        def stands(_: simpy.Event) -> None:
            load.at_bay = begins
            self._stands(load)
            self.waiting["Done"] = (load.number, lambda: self._finish(load))
            self.look()

        event = self.engine.away(begins - int(env.now))
        assert event.callbacks is not None
        event.callbacks.append(stands)

    def _finish(self, load: Load) -> None:
        record, k = self.record, self.k
        record.load[k], record.truck[k], record.present[k] = record.ground[k], 0.0, 0.0
        self.loading, self._free = False, int(self.engine.env.now)
        self._leave(self, load)
        self.position()
        self.heed()
        self.show()
