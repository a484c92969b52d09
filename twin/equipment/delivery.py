"""Delivery: powder tankers and aggregate trucks, ordered when stock falls; lots first in, first out.

A lot is an interval of what ever went into its store, so the lots of a batch are found by laying the interval that it
drew over them; nothing has to be carried along.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import simpy

from twin.clock import TICKS_PER_S, ticks
from twin.engine import Engine
from twin.equipment.separator import Separator
from twin.equipment.truck_wash import Gate
from twin.ledger import FINES, SAND, SPECIES, STONE, WATER, books, holds_kg, moves


@dataclass(slots=True)
class Store:
    """A silo, yard box or admixture tank as the buyer sees it.

    `before_kg` is what lay in the bin in front of a yard box when the run began: the first to be drawn.
    """

    name: str
    kind: str
    material: str
    species: int
    holder: int
    level: int
    capacity_kg: float
    reorder_kg: float
    link: int
    number: int
    before_kg: float = 0.0
    on_order_kg: float = 0.0


class Purchasing:
    """Watches the level sensors, orders, and lets deliveries arrive.

    Attributes:
        lots: one dict a delivery, also the stock of the first day, until the recorder takes them.
        delivered: lots so far.
        gate: where its trucks come in and go out; mixer trucks use the same.
        inspect: asked of each truck of aggregate at the gate, with its load, kg, and the fines in it, kg/kg dry; whether it may unload.
    """

    CHECK_S = 900.0
    WIN_BACK_S, BUCKET_KG = 3600.0, 3000.0  # how often a loader looks at the separator's heaps, and its bucket

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.gate = Gate(engine, engine.plant.design)
        self.inspect: Callable[[Store, float, float], Generator[simpy.Event, Any, bool]] | None = None
        self.lots: list[dict[str, Any]] = []
        self.delivered = 0
        self.stores = list(self._stores())
        for store in self.stores:
            if store.before_kg > 0:
                self._lot(store, "opening stock", store.before_kg, engine.plant.design.materials[store.material].moisture, 0.0)
            opening = float(holds_kg(engine.plant.handle, store.holder))
            self._lot(store, "opening stock", opening, engine.plant.design.materials[store.material].moisture, store.before_kg)
        self._rng = [engine.rng(11, s.number) for s in self.stores]
        engine.env.process(self._watch())
        if engine.plant.design.water.separator:
            engine.env.process(self._win_back(engine.plant.design.water.separator))

    def _stores(self) -> Generator[Store, None, None]:
        plant, design = self.engine.plant, self.engine.plant.design

        def make(name: str, kind: str, holder: str, material: str, level: str, capacity_t: float, reorder: float, number: int) -> Store:
            species = design.materials[material].species
            capacity = capacity_t * 1000
            target = f"{name}.Tanker" if kind == "silo" else holder
            return Store(name, kind, material, SPECIES.index(species), plant.holder(holder), plant.table.index(f"{name}.{level}"), capacity,
                         reorder * capacity, plant.link("suppliers", target), number)  # fmt: skip

        number = 0
        for line, cfg in design.lines.items():
            for key, silo in cfg.silos.items():
                yield make(
                    f"{line}.Silo.{key}", "silo", f"{line}.Silo.{key}", silo.material, "Level", silo.capacity_t, silo.reorder_share, number
                )
                number += 1
            for key, b in cfg.bins.items():
                name = f"{line}.Bin.{key}"
                store = make(name, "yard", f"{name}.Yard", b.material, "Yard", b.yard_capacity_t, b.reorder_share, number)
                store.before_kg = float(holds_kg(plant.handle, plant.holder(name)))
                yield store
                number += 1
            for key, tank in cfg.tanks.items():
                if tank.holds == "admixture":
                    name = f"{line}.Tank.{key}"
                    yield make(name, "tank", name, tank.material, "Level", tank.capacity_t, tank.reorder_share, number)
                    number += 1

    def _watch(self) -> Generator[simpy.Event, Any, None]:
        io = self.engine.plant.io
        while True:
            for store in self.stores:
                if io[store.level] / 100 * store.capacity_kg + store.on_order_kg < store.reorder_kg:
                    self._order(store)
            yield self.engine.wait(self.CHECK_S)

    def arrive(self, name: str) -> None:
        """Let one more delivery arrive now, whatever the stock."""
        self._order(next(s for s in self.stores if s.name == name), at_once=True)

    def _order(self, store: Store, at_once: bool = False) -> None:
        kg = self.engine.plant.design.materials[store.material].delivery_t * 1000
        store.on_order_kg += kg
        self.engine.env.process(self._deliver(store, kg, at_once))

    def _deliver(self, store: Store, kg: float, at_once: bool) -> Generator[simpy.Event, Any, None]:
        engine, plant = self.engine, self.engine.plant
        material = plant.design.materials[store.material]
        rng = self._rng[store.number]
        lead_s = material.lead_time_h * 3600 * rng.lognormal(0.0, 0.2)
        yield engine.away(0 if at_once else ticks(lead_s))
        while holds_kg(plant.handle, store.holder) + kg > 0.98 * store.capacity_kg:
            yield engine.away(ticks(900))
        moisture = self._moisture(material, rng)
        dirt_kg = self.gate.comes()
        if store.kind == "silo":
            record = plant.record(store.name)
            while record["connected"] > 0.5:
                yield engine.away(ticks(120))
            self._lot(store, material.supplier, kg, moisture)
            books(plant.handle, store.link, store.species, kg)
            record["connected"] = 1.0
            yield engine.away(ticks(kg / float(record["fill_kg_s"])))
            while record["connected"] > 0.5:
                yield engine.away(ticks(15))
        else:
            mud = self._mud(material, rng)
            if store.kind == "tank" or self.inspect is None or (yield from self.inspect(store, kg, mud)):
                self._lot(store, material.supplier, kg, moisture, mud=mud)
                dry = kg / (1 + moisture)
                for species, part in ((store.species, (1 - mud) * dry), (FINES, mud * dry), (WATER, kg - dry)):
                    if part > 0:
                        books(plant.handle, store.link, species, part)
        store.on_order_kg -= kg
        yield from self.gate.goes(dirt_kg)

    def _win_back(self, cfg: Separator) -> Generator[simpy.Event, Any, None]:
        """SimPy process: a loader takes sand and stone from the separator's heaps to their yard boxes, or to be carted away."""
        plant = self.engine.plant
        ledger = plant.state.ledger
        ways = [
            (f"Water.Separator.{heap}", to, species) for heap, to, species in (("Sand", cfg.sand_to, SAND), ("Stone", cfg.stone_to, STONE))
        ]
        while True:
            yield self.engine.wait(self.WIN_BACK_S)
            for heap, to, species in ways:
                holder = plant.holder(heap)
                kg = float(holds_kg(plant.handle, holder))
                if kg < self.BUCKET_KG:
                    continue
                if to is None:
                    moves(plant.handle, plant.link(heap, "tip"), kg + 1.0)
                    continue
                name = to.replace(".", ".Bin.", 1)
                store = next(s for s in self.stores if s.name == name)
                if holds_kg(plant.handle, store.holder) + kg <= store.capacity_kg:
                    dry = float(ledger.stock[holder, species])
                    self._lot(store, "separator", kg, float(ledger.stock[holder, WATER]) / dry if dry > 0 else 0.0)
                    moves(plant.handle, plant.link(heap, f"{name}.Yard"), kg + 1.0)

    def _moisture(self, material: Any, rng: Any) -> float:
        """Moisture of a delivery: scatter about the usual value, wetter in the rain."""
        if material.moisture <= 0:
            return 0.0
        rain = float(self.engine.plant.state.site["rain_mm_h"][0])
        return float(min(max(material.moisture + material.moisture_sd * rng.standard_normal() + material.rain_moisture * rain, 0.001), 0.2))

    def _mud(self, material: Any, rng: Any) -> float:
        """Fines in a delivery, kg/kg dry."""
        return float(min(max(material.mud + material.mud_sd * rng.standard_normal(), 0.0), 0.3)) if material.mud > 0 else 0.0

    def _lot(self, store: Store, supplier: str, kg: float, moisture: float, came_kg: float | None = None, mud: float = 0.0) -> None:
        """Note a lot as the interval that it takes up in all that ever came into the store."""
        plant = self.engine.plant
        if came_kg is None:
            came_kg = store.before_kg + float(plant.state.ledger.gone[store.holder] + holds_kg(plant.handle, store.holder))
            if store.kind == "silo":
                came_kg += float(holds_kg(plant.handle, plant.holder(f"{store.name}.Tanker")))
        self.delivered += 1
        self.lots.append({"lot": self.delivered, "store": store.name, "material": store.material, "supplier": supplier, "kg": float(kg),
                          "moisture": moisture, "mud": mud, "arrived_s": self.engine.env.now / TICKS_PER_S, "in_from_kg": came_kg, "in_to_kg": came_kg + float(kg)})  # fmt: skip
