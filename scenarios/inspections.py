"""Inspections: what the laboratory takes at the gate, and each shift from bins, separator and slurry basin, before they are used, and what it finds.

Hubei guidance, annex 1, 4.5 to 4.7: raw material is tested by lot; blended aggregate, and recovered sand, stone and slurry, at least once a shift.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pyarrow as pa
import simpy

from twin.clock import TICKS_PER_S, ticks
from twin.design.schema import Design
from twin.engine import Engine, Server
from twin.equipment.delivery import Store
from twin.ledger import FINES, SAND, STONE, WATER

INSPECTION = pa.schema([
    ("time_s", pa.float64()), ("sampled_s", pa.float64()), ("shift", pa.int64()), ("kind", pa.string()), ("source", pa.string()), ("value_percent", pa.float64()),
    ("limit_percent", pa.float64()), ("shown_percent", pa.float64()), ("result", pa.string()), ("tester", pa.int64()), ("released_by", pa.string()),
])  # fmt: skip

MUD_SAND, MUD_STONE = 3.0, 1.0  # % by mass, for C30 to C55, JGJ 52-2006 Tables 3.1.3 and 3.2.3 (recalled)
METER_OFF = 1.0  # % of solids that the density meter may be off before its slurry is not released (engineering choice)
LEAST_KG = 30.0  # there must be, to take a sample from

Sample = tuple[str, str, float, float, float | None]  # kind, source, true %, limit %, what an instrument shows


class Inspections:
    """SimPy process: at the start of each shift samples are taken; testers work through them, and the laboratory's head releases.

    Args:
        engine: of the run.
        design: its `premises.laboratory` says what is tested, by how many and how exactly; where neither `shift_tests` nor
            `tests_deliveries` is given nothing is.
        starts_s: time of day of tick 0, s.

    Attributes:
        rows: results since they were last taken, as `INSPECTION`; None where nothing is known of the laboratory.
    """

    def __init__(self, engine: Engine, design: Design, starts_s: float) -> None:
        self.engine, self.design, self.lab, self._starts_s = engine, design, design.premises.laboratory, starts_s
        self.rows: list[dict[str, Any]] | None = None
        if self.lab.shift_tests is None and not self.lab.tests_deliveries:
            return
        self.rows = []
        self._untested: dict[str, float] = {}  # by store, kg that may still come on the strength of its last test
        self._staff, self._rng = Server(self.lab.testers), engine.rng(19)
        looks: dict[str, Callable[[], Iterator[Sample]]] = {
            "mixed_aggregate": self._mixed, "recycled_sand": lambda: self._heap("Sand", SAND, MUD_SAND),
            "recycled_stone": lambda: self._heap("Stone", STONE, MUD_STONE), "slurry_water": self._slurry,
        }  # fmt: skip
        self._looks = [looks[kind] for kind in self.lab.shift_tests or ()]
        engine.env.process(self._shifts())

    def _shifts(self) -> Generator[simpy.Event, Any, None]:
        length_s = self.lab.shift_h * 3600.0
        while True:
            into_s = self._starts_s + self.engine.env.now / TICKS_PER_S - self.lab.shift_from_h * 3600.0
            self._shift = int(into_s // length_s)
            for look in self._looks:
                for sample in look():
                    self._test(*sample)
            yield self.engine.wait((self._shift + 1) * length_s - into_s)

    def incoming(self, store: Store, kg: float, mud: float) -> Generator[simpy.Event, Any, bool]:
        """SimPy process: a truck of aggregate stands at the gate. The first of each lot waits for its test, and so does the next after one that failed.

        Returns:
            Whether it may unload; one that may not takes its load away again.
        """
        left_kg = self._untested.get(store.name, 0.0)
        if left_kg >= kg:
            self._untested[store.name] = left_kg - kg
            return True
        kind, limit = ("incoming_sand", MUD_SAND) if store.species == SAND else ("incoming_stone", MUD_STONE)
        row = self._test(kind, store.name, 100.0 * mud, limit, None)
        yield self.engine.wait(row["time_s"] - row["sampled_s"])
        good = bool(row["result"] == "pass")
        self._untested[store.name] = 1000.0 * self.lab.lot_t - kg if good else 0.0
        return good

    def _test(self, kind: str, source: str, true: float, limit: float, shown: float | None) -> dict[str, Any]:
        """A sample waits for a free tester; the result is known when the test is done. Returns its row."""
        now = int(self.engine.env.now)
        _, ends = self._staff.take(now, ticks(60.0 * self.lab.test_min * self._rng.lognormal(0.0, 0.2)))
        value = max(true * (1.0 + self.lab.test_scatter * self._rng.standard_normal()), 0.0)
        good = value <= limit if shown is None else abs(value - shown) <= limit
        row = {"time_s": ends / TICKS_PER_S, "sampled_s": now / TICKS_PER_S, "shift": self._shift, "kind": kind, "source": source, "value_percent": value, "limit_percent": limit,
               "shown_percent": shown, "result": "pass" if good else "fail", "tester": int(self._rng.integers(1, self.lab.testers + 1)),
               "released_by": "head of laboratory" if good else None}  # fmt: skip
        self.engine.at(ends, lambda: self._report(row))
        return row

    def _report(self, row: dict[str, Any]) -> None:
        assert self.rows is not None
        self.rows.append(row)
        if row["result"] == "fail":
            self.engine.log("laboratory", row["source"], row["value_percent"], f"{row['kind']} not released")

    def _mud(self, holders: list[str]) -> tuple[float, float, float]:
        """Sand, stone and fines in some holders, kg."""
        plant = self.engine.plant
        kg = sum(plant.state.ledger.stock[plant.holder(h)] for h in holders)
        return float(kg[SAND]), float(kg[STONE]), float(kg[FINES])

    def _mixed(self) -> Iterator[Sample]:
        """Aggregate as a line draws it: mud by mass against what its sand and stone may hold."""
        for name, line in self.design.lines.items():
            sand, stone, fines = self._mud([f"{name}.Bin.{key}" for key in line.bins])
            if sand + stone > LEAST_KG:
                limit = (MUD_SAND * sand + MUD_STONE * stone) / (sand + stone)
                yield "mixed_aggregate", name, 100.0 * fines / (sand + stone + fines), limit, None

    def _heap(self, heap: str, species: int, limit: float) -> Iterator[Sample]:
        """What the separator has won back: mud by mass. An empty heap is noted as such, for nothing of it can be used."""
        if self.design.water.separator is None:
            return
        kind, source = f"recycled_{heap.lower()}", f"Water.Separator.{heap}"
        stock = self.engine.plant.state.ledger.stock[self.engine.plant.holder(source)]
        dry = float(stock[species] + stock[FINES])
        if dry > LEAST_KG:
            yield kind, source, 100.0 * float(stock[FINES]) / dry, limit, None
        else:
            self._nothing(kind, source)

    def _slurry(self) -> Iterator[Sample]:
        """Solids of the slurry that lines draw, against the density meter by which it is dosed."""
        plant = self.engine.plant
        for name in (
            f"{line}.Tank.{key}" for line, of in self.design.lines.items() for key, t in of.tanks.items() if t.holds == "slurry_water"
        ):
            stock = plant.state.ledger.stock[plant.holder(name)]
            total = float(stock.sum())
            if total > LEAST_KG:
                yield "slurry_water", name, 100.0 * (1.0 - float(stock[WATER]) / total), METER_OFF, float(plant.image[f"{name}.Solids"])
            else:
                self._nothing("slurry_water", name)

    def _nothing(self, kind: str, source: str) -> None:
        assert self.rows is not None
        now_s = self.engine.env.now / TICKS_PER_S
        self.rows.append(
            {"time_s": now_s, "sampled_s": now_s, "shift": self._shift, "kind": kind, "source": source, "result": "nothing there"}
        )
