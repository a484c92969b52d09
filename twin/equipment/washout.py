"""Washing out of drums, and the sweeper of the road. Mixers and floors are washed by `washdown.py`."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import simpy

from twin.clock import ticks
from twin.equipment.washdown import fills
from twin.ledger import FINES, books, holds_kg, moves
from twin.placing import basin_name, surface_name, washout

if TYPE_CHECKING:
    from twin.engine import Engine

WASH_S = 300.0  # a drum, or a portion of what is in it (engineering choice)
PORTION_KG = 1000.0  # that the separator's hopper is given at a time: a whole load at once would run over it (engineering choice)
PATIENCE_S = 1800.0  # that a truck waits for room in the separator's hopper (engineering choice)
CROWD = 2  # trucks in the queue (engineering choice)
FULL = 85.0  # % of the separator's hopper above which trucks wait
SWEPT = 0.5  # of the silt, by a wet sweeper (engineering choice)
DAY_S = 86400.0


class Washout:
    """Where drums are washed out, in order of coming.

    Args:
        places: drums at a time.
    """

    def __init__(self, engine: Engine, places: int = 1) -> None:
        self.engine = engine
        plant = engine.plant
        self.loop = plant.design.water
        self._target = washout(plant.design)
        self._source = basin_name(self.loop.wash_water) if self.loop.wash_water else ""
        self._basin = plant.holder(self._source) if self._source else -1
        trucks = [f"Truck{k + 1}" for k in range(plant.design.fleet.trucks)]
        self._drain = [plant.link(truck, self._target) for truck in trucks]
        self._water = [(plant.link(self._source, truck) if self._source else -1, plant.link("mains", truck)) for truck in trucks]
        self._level = plant.table.index(f"{self._target}.FeedLevel") if self.loop.separator else -1
        self.place = simpy.Resource(engine.env, places)

    @property
    def crowded(self) -> bool:
        """Do so many trucks wait that one whose drum can still wait had better take another load?"""
        return len(self.place.queue) >= CROWD

    def use(self, truck: int, holder: int, water_kg: float) -> Generator[simpy.Event, Any, None]:
        """SimPy process: wash one truck's drum out, a tonne at a time where there is much in it. More concrete takes more water: as much again for each tonne."""
        plant, link = self.engine.plant, self._drain[truck - 1]
        with self.place.request() as turn:
            yield turn
            kg, waited = holds_kg(plant.handle, holder), 0.0
            portions = max(math.ceil(kg / PORTION_KG), 1)
            for left in range(portions, 0, -1):
                while self._level >= 0 and plant.io[self._level] > FULL and waited < PATIENCE_S:
                    waited += 60.0
                    yield self.engine.wait(60.0)
                self._fill(truck, water_kg * max(kg / 1000.0, 1.0) / portions)
                yield self.engine.away(ticks(WASH_S))
                moves(plant.handle, link, holds_kg(plant.handle, holder) / left)

    def _fill(self, truck: int, kg: float) -> None:
        """Let washing water run into a drum."""
        fills(self.engine.plant.handle, self._basin, *self._water[truck - 1], kg)

    def sweep(self) -> Generator[simpy.Event, Any, None]:
        """SimPy process: the sweeper takes half of the road's silt each time; it is carted away."""
        plant = self.engine.plant
        times = plant.design.site.dust.sweeping_per_day
        if not self.loop.roadway or times <= 0:
            return
        road = surface_name(self.loop.roadway)
        holder, away = plant.holder(road), plant.link(road, "tip")
        while True:
            yield self.engine.wait(DAY_S / times)
            books(plant.handle, away, FINES, SWEPT * float(plant.state.ledger.stock[holder, FINES]))
