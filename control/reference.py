"""The reference controller: all programs on one process image, one scan at a time.

The scan is compiled; the same function runs inside the compiled `batch` loop and, wrapped in
`ReferenceController`, as a controller like any vendor's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from control import air, collectors, dosing, line, stores, water
from twin.jit import at, handle, njit
from twin.tags import TagTable


class Memory(NamedTuple):
    """What the controller remembers from scan to scan."""

    lines: NDArray[Any]
    dosers: NDArray[Any]
    ingredients: NDArray[Any]
    feeders: NDArray[Any]
    stores: NDArray[Any]
    pumps: NDArray[Any]
    agitators: NDArray[Any]
    diverters: NDArray[Any]
    units: NDArray[Any]
    hoses: NDArray[Any]
    washes: NDArray[Any]
    outfalls: NDArray[np.int64]
    forecast: NDArray[np.int64]
    collectors: NDArray[Any]
    sprays: NDArray[Any]
    pm10: NDArray[np.int64]
    weather: NDArray[np.int64]


def _array(rows: list[dict[str, Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    out = np.zeros(len(rows), dtype=dtype)
    for i, row in enumerate(rows):
        for key, value in row.items():
            out[key][i] = value
    return out


def slurry_tags(table: TagTable, tank: str, is_slurry: bool) -> dict[str, Any]:
    """What tells how much slurry there is (the basin that feeds the tank, or the tank itself), the tank's density meter, level and capacity; -1 for others."""
    if not is_slurry:
        return {"slurry": -1, "solids": -1, "stock": -1}
    stock = next((p.source for p in table.of_kind("water_pump") if p.feeds == tank), tank)
    return {"slurry": table.index(f"{stock}.Level"), "solids": table.index(f"{tank}.Solids"), "stock": table.index(f"{tank}.Level"),
            "stock_kg": table.values[table.index(f"{tank}.Capacity")]}  # fmt: skip


def memory(table: TagTable, species: Mapping[str, str]) -> Memory:
    """Memory for a plant, found from its I/O list alone.

    Args:
        table: the tag table.
        species: species of each material, for tolerances and moisture (`sand`, `water`, …).
    """
    lines: list[dict[str, Any]] = []
    dosers: list[dict[str, Any]] = []
    ingredients: list[dict[str, Any]] = []
    feeders: list[dict[str, Any]] = []
    keep: list[dict[str, Any]] = []
    numbers = {e.name: i + 1 for i, e in enumerate(table.of_kind("feeder"))}
    probes = {e.source: table.index(f"{e.name}.Moisture") for e in table.of_kind("moisture_probe")}
    for i, name in enumerate(table.lines):
        first_doser, first_ingredient = len(dosers), len(ingredients)
        for machine in table.of_kind("weigher", name):
            first = len(ingredients)
            seen: dict[str, int] = {}
            for f in (f for f in table.of_kind("feeder", name) if f.feeds == machine.name):
                if f.material in seen:
                    feeders[seen[f.material]]["next"] = len(feeders)
                else:
                    kind = species[f.material]
                    wet = kind in ("sand", "stone")
                    ingredients.append({
                        "order": table.index(f"{name}.Bay.Recipe.{f.material}"), "probe": probes.get(f.source, -1) if wet else -1,
                        "lab": table.index(f"{f.source}.LabMoisture") if wet else -1, "feeder": len(feeders),
                        "is_water": int(kind == "water"), "line": i,
                        **slurry_tags(table, f.source, kind == "slurry_water"), "tolerance": dosing.TOLERANCE["water" if kind == "slurry_water" else kind],
                    })  # fmt: skip
                seen[f.material] = len(feeders)
                feeders.append(dosing.feeder_memory(table, f, numbers[f.name]))
            dosers.append(dosing.doser_memory(table, machine, i, first, len(ingredients) - first))
        lines.append(
            line.memory(table, name, (first_doser, len(dosers) - first_doser), (first_ingredient, len(ingredients) - first_ingredient))
        )
        keep += [stores.memory(table, m) for m in table.of_kind("silo", name) + table.of_kind("aggregate_bin", name)]
    return Memory(_array(lines, line.LINE), _array(dosers, dosing.DOSER), _array(ingredients, dosing.INGREDIENT), _array(feeders, dosing.FEEDER),
                  _array(keep, stores.STORE), _array(water.pumps(table), water.PUMP), _array(water.agitators(table), water.AGITATOR),
                  _array(water.diverters(table), water.DIVERTER), _array(water.units(table), water.UNIT), _array(water.hoses(table), water.HOSES),
                  _array(water.washes(table), water.TRUCK_WASH), np.array(water.outfalls(table), np.int64),
                  np.array(water.forecast(table), np.int64), _array(collectors.memory(table), collectors.COLLECTOR),
                  _array(air.sprays(table), air.SPRAY), np.array(air.monitors(table), np.int64), np.array(air.weather(table), np.int64))  # fmt: skip


@njit
def scan(memory: Any, io: Any, now: int) -> None:
    """One scan of all programs.

    Args:
        memory: handle of the controller's `Memory`.
        io: float64 [tag], the process image; actuators and status are written.
        now: simulated time, ticks of 10 ms.
    """
    c = at(memory, "Memory")
    for k in range(c.lines.shape[0]):
        line.scan(c.lines[k], c, io, now)
    for k in range(c.stores.shape[0]):
        stores.scan(c.stores[k], io)
    for k in range(c.collectors.shape[0]):
        collectors.scan(c.collectors[k], io, now)
    water.scan(c, io, now)
    air.scan(c, io, now)


class ReferenceController:
    """The reference program set as a controller object: `scan` once per scan period.

    Args:
        table: the plant's tag table.
        species: species of each material.
    """

    scan_ticks = 10

    def __init__(self, table: TagTable, species: Mapping[str, str]) -> None:
        self.memory = memory(table, species)
        self._handle = handle(self.memory)

    def scan(self, values: NDArray[np.float64], now: int) -> None:
        """Read sensors and setpoints from the image, write actuators and status."""
        scan(self._handle, values, now)
