"""Delivery: powder tankers and aggregate trucks, ordered when stock falls; lots first in, first out.

A lot is an interval of what ever went into its store, so the lots of a batch are found by laying the interval that it
drew over them; nothing has to be carried along.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

from twin.engine import Engine
from twin.equipment.part import TICKS_PER_S
from twin.ledger import SPECIES, WATER, book, total_kg


@dataclass(slots=True)
class Store:
    """A silo, yard box or admixture tank as the buyer sees it."""

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
    on_order_kg: float = 0.0


class Purchasing:
    """Watches the level sensors, orders, and lets deliveries arrive.

    Attributes:
        lots: one dict a delivery, also the stock of the first day.
    """

    CHECK_S = 600.0

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.lots: list[dict[str, Any]] = []
        self.stores = list(self._stores())
        for store in self.stores:
            self._lot(store, "opening stock", total_kg(engine.plant.state.ledger, store.holder), 0.0)
        engine.env.process(self._watch())

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
                yield make(f"{line}.Silo.{key}", "silo", f"{line}.Silo.{key}", silo.material, "Level", silo.capacity_t, silo.reorder_share, number)
                number += 1
            for key, b in cfg.bins.items():
                name = f"{line}.Bin.{key}"
                yield make(name, "yard", f"{name}.Yard", b.material, "Yard", b.yard_capacity_t, b.reorder_share, number)
                number += 1
            for key, tank in cfg.tanks.items():
                if tank.holds == "admixture":
                    name = f"{line}.Tank.{key}"
                    yield make(name, "tank", name, tank.material, "Level", tank.capacity_t, tank.reorder_share, number)
                    number += 1

    def _watch(self) -> Generator[simpy.Event, Any, None]:
        io = self.engine.plant.state.io
        while True:
            for store in self.stores:
                seen_kg = io[store.level] / 100 * store.capacity_kg
                if seen_kg + store.on_order_kg < store.reorder_kg:
                    self._order(store)
            yield self.engine.wait(self.CHECK_S)

    def _order(self, store: Store) -> None:
        kg = self.engine.plant.design.materials[store.material].delivery_t * 1000
        store.on_order_kg += kg
        self.engine.env.process(self._deliver(store, kg, len(self.lots)))

    def _deliver(self, store: Store, kg: float, count: int) -> Generator[simpy.Event, Any, None]:
        engine, plant = self.engine, self.engine.plant
        material = plant.design.materials[store.material]
        rng = engine.rng(11, store.number, int(engine.env.now))
        yield engine.wait(material.lead_time_h * 3600 * rng.lognormal(0.0, 0.2))
        while total_kg(plant.state.ledger, store.holder) + kg > 0.98 * store.capacity_kg:
            yield engine.wait(900)
        moisture = self._moisture(material, rng)
        if store.kind == "silo":
            record = plant.record(store.name)
            while record["connected"] > 0.5:
                yield engine.wait(120)
            self._lot(store, material.supplier, kg, moisture)
            book(plant.state.ledger, store.link, store.species, kg)
            record["connected"] = 1.0
            yield engine.wait(kg / record["fill_kg_s"])
            while record["connected"] > 0.5:
                yield engine.wait(15)
        else:
            self._lot(store, material.supplier, kg, moisture)
            dry = kg / (1 + moisture)
            book(plant.state.ledger, store.link, store.species, dry)
            if moisture > 0:
                book(plant.state.ledger, store.link, WATER, kg - dry)
        store.on_order_kg -= kg

    def _moisture(self, material: Any, rng: Any) -> float:
        """Moisture of a delivery: scatter about the usual value, wetter in the rain."""
        if material.moisture <= 0:
            return 0.0
        rain = float(self.engine.plant.state.site["rain_mm_h"][0])
        return float(min(max(material.moisture + material.moisture_sd * rng.standard_normal() + material.rain_moisture * rain, 0.001), 0.2))

    def _lot(self, store: Store, supplier: str, kg: float, moisture: float) -> None:
        ledger = self.engine.plant.state.ledger
        came = float(ledger.gone[store.holder] + total_kg(ledger, store.holder)) if self.lots and supplier != "opening stock" else 0.0
        if store.kind == "silo" and supplier != "opening stock":
            tanker = self.engine.plant.holder(f"{store.name}.Tanker")
            came += float(total_kg(ledger, tanker))
        self.lots.append({"lot": len(self.lots) + 1, "store": store.name, "material": store.material, "supplier": supplier, "kg": float(kg),
                          "moisture": moisture, "arrived_s": self.engine.env.now / TICKS_PER_S, "in_from_kg": came, "in_to_kg": came + float(kg)})  # fmt: skip
