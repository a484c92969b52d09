"""Washing out: drums, mixers and floors, and the loader that brings back what the separator won."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import simpy

from twin.clock import TICKS_PER_S
from twin.ledger import FINES, WATER, book, move, total_kg
from twin.placing import basin_name, surface_name, washout

if TYPE_CHECKING:
    from twin.engine import Engine

WASH_S = 300.0  # a drum (engineering choice)
PATIENCE_S = 1800.0  # that a truck waits for room in the separator's hopper (engineering choice)
RESERVE_KG = 1000.0  # left in the basin: below it the mains is taken
FULL = 85.0  # % of the separator's hopper above which trucks wait
SWEPT = 0.5  # of the silt, by a wet sweeper (engineering choice)
DAY_S, CLEANING_S = 86400.0, 22.5 * 3600.0  # mixers and floors are washed at the end of the day


class Washout:
    """The place where drums are washed out, one truck after the other."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        plant = engine.plant
        self.loop = plant.design.water
        self._target = washout(plant.design)
        self._basin = plant.holder(basin_name(self.loop.wash_water)) if self.loop.wash_water else -1
        self._level = plant.table.index(f"{self._target}.FeedLevel") if self.loop.separator else -1
        self.place = simpy.Resource(engine.env)

    def use(self, truck: int, holder: int, water_kg: float) -> Generator[simpy.Event, Any, None]:
        """SimPy process: wash one truck's drum out. More concrete takes more water: as much again for each tonne."""
        plant = self.engine.plant
        ledger = plant.state.ledger
        with self.place.request() as turn:
            yield turn
            waited = 0.0
            while self._level >= 0 and plant.state.io[self._level] > FULL and waited < PATIENCE_S:
                waited += 60.0
                yield self.engine.wait(60.0)
            self.draw(f"Truck{truck}", water_kg * max(total_kg(ledger, holder) / 1000.0, 1.0))
            yield self.engine.wait(WASH_S)
            move(ledger, plant.link(f"Truck{truck}", self._target), 1e9)

    def draw(self, to: str, kg: float) -> None:
        """Let washing water flow: recycled as far as there is some, the rest from the mains."""
        plant = self.engine.plant
        ledger, reused = plant.state.ledger, 0.0
        if self._basin >= 0 and self.loop.wash_water:
            spare = total_kg(ledger, self._basin) - RESERVE_KG
            reused = move(ledger, plant.link(basin_name(self.loop.wash_water), to), min(kg, max(spare, 0.0)))
        book(ledger, plant.link("mains", to), WATER, max(kg - reused, 0.0))

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
            book(plant.state.ledger, away, FINES, SWEPT * float(plant.state.ledger.stock[holder, FINES]))

    def clean_up(self, starts_s: float) -> Generator[simpy.Event, Any, None]:
        """SimPy process: at the end of each day mixers and floors are washed.

        Args:
            starts_s: time of day at which the run begins.
        """
        floor = basin_name(self.loop.floor_drain)
        while True:
            now_s = starts_s + self.engine.env.now / TICKS_PER_S
            yield self.engine.wait((CLEANING_S - now_s % DAY_S) % DAY_S or DAY_S)
            for _ in self.engine.plant.design.lines:
                self.draw(self._target, self.loop.mixer_wash_kg)
                self.draw(floor, self.loop.floor_wash_kg)
