"""Returned concrete: what is made of it, who says so, and the ledger of it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from twin.clock import TICKS_PER_S
from twin.engine import Engine
from twin.equipment.washout import Washout
from twin.ledger import holds_kg, moves
from twin.orders import Job, OrderBook

REUSE_FROM_M3, REUSE_SLUMP_MM, REUSE_AGE_S = 1.0, 120.0, 80 * 60.0  # what may go to another site (engineering choice)
BLOCKS_FROM_M3 = 0.25  # less is washed out (engineering choice)
CONFIRM_S = (300.0, 900.0)  # until the quality manager has looked at it (engineering choice)
BLOCKS_S = 600.0  # to fill the moulds (engineering choice)
DAY_TICKS = 86400 * TICKS_PER_S


class Returns:
    """Decides what becomes of concrete that comes back: blocks as long as there are moulds, the separator for the rest.

    Args:
        rows: gets a line for each decision.
    """

    def __init__(self, engine: Engine, book: OrderBook, washout: Washout, rows: list[dict[str, Any]]) -> None:
        plant = engine.plant
        self.engine, self.book, self.rows = engine, book, rows
        self.fleet = plant.design.fleet
        self.washout, self.trucks = washout, plant.columns("trucks")
        self._blocks = [plant.link(f"Truck{k + 1}", "blocks") for k in range(self.fleet.trucks)]
        self._holder = [plant.holder(f"Truck{k + 1}") for k in range(self.fleet.trucks)]
        self._made: tuple[int, float] = (0, 0.0)  # day, m³ of blocks on it
        self._rng = engine.rng(8)

    def decide(self, k: int, ticket: dict[str, Any], m3: float) -> Generator[simpy.Event, Any, bool | Job]:
        """SimPy process: a truck is back with concrete. Returns whether its drum was washed out, or the order that takes the concrete."""
        confirmed_s = self._rng.uniform(*CONFIRM_S)
        kg = float(holds_kg(self.engine.plant.handle, self._holder[k]))
        job = self._wanting(k, ticket, m3)
        if job is not None:
            yield self.engine.wait(confirmed_s)
            self._note(k, ticket, m3, kg, ticket["outcome"], f"reuse for {job.site}", "quality manager")
            return job
        if m3 >= BLOCKS_FROM_M3 and self._room() >= m3:
            yield self.engine.wait(confirmed_s + BLOCKS_S)
            self._cast(k, max(kg - self.fleet.residue_kg, 0.0), m3)
            self._note(k, ticket, m3, kg, ticket["outcome"], "blocks", "quality manager")
            washed = False
        else:
            self._note(k, ticket, m3, kg, ticket["outcome"], "separator", "gate clerk")
            yield from self.washout.use(k + 1, self._holder[k], self.fleet.washout_kg)
            washed = True
        self.trucks.load_m3[k], self.trucks.wet_tick[k] = 0.0, -1
        return washed

    def _wanting(self, k: int, ticket: dict[str, Any], m3: float) -> Job | None:
        """An open order of the same grade that can still have it in time, and whose slump it still has."""
        trucks, now_s = self.trucks, self.engine.env.now / TICKS_PER_S
        if m3 < REUSE_FROM_M3 or trucks.slump_mm[k] < REUSE_SLUMP_MM:
            return None
        for job in self.book.known.values():
            if (
                job.start / TICKS_PER_S <= now_s + 1800.0
                and job.grade == ticket["grade"]
                and job.site != ticket["order"]
                and job.left_m3 >= m3
            ):
                takes_s = CONFIRM_S[1] + self.book.drives_s(job)[0] + m3 * job.pour_s_m3
                if now_s + takes_s - trucks.wet_tick[k] / TICKS_PER_S < REUSE_AGE_S:
                    return job
        return None

    def unload(self, k: int, ticket: dict[str, Any], kg: float, m3: float, why: str) -> None:
        """Some comes off a truck that may not leave with it: into moulds."""
        self._cast(k, kg, m3)
        self._note(k, ticket, m3, kg, why, "blocks", "quality manager")

    def _cast(self, k: int, kg: float, m3: float) -> None:
        moves(self.engine.plant.handle, self._blocks[k], kg)
        day = int(self.engine.env.now) // DAY_TICKS
        self._made = day, m3 + (self._made[1] if self._made[0] == day else 0.0)

    def _room(self) -> float:
        """Moulds that are empty, m³."""
        day, made = self._made
        return self.fleet.blocks_m3_day - (made if day == int(self.engine.env.now) // DAY_TICKS else 0.0)

    def _note(self, k: int, ticket: dict[str, Any], m3: float, kg: float, why: str, decision: str, by: str) -> None:
        self.rows.append({"time_s": self.engine.env.now / TICKS_PER_S, "truck": k + 1, "ticket": ticket["ticket"], "volume_m3": m3, "kg": kg,
                          "reason": "left over" if why == "in time" else why, "decision": decision, "decided_by": by})  # fmt: skip
