"""The order desk's book: open orders, the slots in which dispatch sees them, and how far each has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twin.clock import TICKS_PER_S, ticks
from twin.engine import Engine, Server
from twin.equipment import dispatch_desk, order_slot
from twin.roadmap import Map

HORIZON_S = 3 * 3600.0  # an order is shown to dispatch so long before it begins (engineering choice)
CRUMB_M3 = 1e-6
PUMP_LONGER = 1.3  # than the mean pour a pump truck is booked for (engineering choice)


@dataclass(slots=True)
class Job:
    """One order on the book; times in ticks.

    Attributes:
        place: of the site on the map.
        every: wished interval between loads; 0 for as fast as trucks come.
        pour_s_m3: time to pour a cubic metre, mean.
        late, gap: tolerance of the start of a pour, and most time between two pours (0 for any).
        given_m3, poured_m3: given to trucks, and poured on the site.
        free: when the pouring place is free again; `last_end` when the last pour ended (-1 for none yet).
    """

    site: str
    grade: str
    volume_m3: float
    start: int
    place: int
    every: int = 0
    pour_s_m3: float = 150.0
    pump: bool = False
    late: int = 15 * 60 * TICKS_PER_S
    gap: int = 0
    priority: int = 5
    number: int = 0
    slot: int = -1
    given_m3: float = 0.0
    poured_m3: float = 0.0
    loads: int = 0
    waiting: int = 0
    coming: int = 0
    free: int = 0
    last_end: int = -1
    pump_ready: int = -1
    cancelled: bool = False
    trucks: set[int] = field(default_factory=set)

    @property
    def left_m3(self) -> float:
        """Not yet given to a truck."""
        return 0.0 if self.cancelled else max(self.volume_m3 - self.given_m3, 0.0)

    @property
    def due(self) -> int:
        """When the next load shall begin to pour, as promised."""
        return self.start + self.loads * self.every

    @property
    def wanted(self) -> int:
        """When the site can take the next load: not before its pump truck is ready."""
        return max(self.start, self.pump_ready) + self.loads * self.every


class OrderBook:
    """All orders of a run.

    Attributes:
        jobs: open ones, by number.
        known: of them those that begin soon, or have begun.
        open: how many there are.
        taken: orders taken on so far; the number of the last one.
        changed: called whenever dispatch may want to look.
    """

    def __init__(self, engine: Engine, map: Map, starts_s: float, changed: Callable[[], None]) -> None:
        plant = engine.plant
        self.engine, self.map, self.changed = engine, map, changed
        self.jobs: dict[int, Job] = {}
        self.known: dict[int, Job] = {}
        self.grades = [r.grade for r in plant.design.recipes]
        self._queue: list[Job] = []  # shown as soon as a slot is free, the first to begin first
        slots = plant.table.of_kind("order_slot")
        self._first = [m.first for m in slots]
        self._free = list(range(len(slots)))[::-1]
        self._plants = tuple(map.plant(line) for line in plant.design.lines)
        self._open = plant.table.index(f"{dispatch_desk.NAME}.OpenOrders")
        self._starts_s = starts_s
        self.open = self.taken = 0
        fleet = plant.design.fleet
        self._pumps = Server(fleet.pumps) if fleet.pumps else None  # without any they are hired
        self._setup = ticks(60 * fleet.pump_setup_min)

    def add(self, jobs: list[Job]) -> None:
        """Take on orders; each is shown some hours before it begins."""
        for job in jobs:
            self.taken += 1
            job.number = self.taken
            job.free = job.start
            self.jobs[job.number] = job
            self.open += 1
            early = job.start - round(HORIZON_S * TICKS_PER_S)
            if early <= self.engine.now:
                self._release(job)
            else:
                self.engine.at(early, lambda job=job: self._release(job))  # type: ignore[misc]
        self._count()

    def _count(self) -> None:
        self.engine.plant.io[self._open] = self.open

    def _release(self, job: Job) -> None:
        if job.left_m3 <= CRUMB_M3:
            return
        self.known[job.number] = job
        if job.pump and self._pumps:  # booked by estimate; it stays until the order is poured
            busy = self._setup + round(job.left_m3 * job.pour_s_m3 * PUMP_LONGER * TICKS_PER_S)
            job.pump_ready = self._pumps.take(max(job.start - self._setup, self.engine.now), busy)[0] + self._setup
        self._queue.append(job)
        self._queue.sort(key=lambda j: (-j.priority, j.start, j.number))
        self._fill()

    def _fill(self) -> None:
        while self._free and self._queue:
            self._open_slot(self._queue.pop(0))
        self.changed()

    def settle(self, job: Job) -> None:
        """Something of an order has changed: show it, or close it when nothing is left of it."""
        if job.left_m3 <= CRUMB_M3 and not job.trucks:
            if job.number in self.jobs:
                del self.jobs[job.number]
                self.known.pop(job.number, None)
                self.open -= 1
                self._count()
            if job in self._queue:
                self._queue.remove(job)
            if job.slot >= 0:
                first = self._first[job.slot]
                self.engine.plant.state.io[first : first + order_slot.LAST_END + 1] = 0.0
                self._free.append(job.slot)
                job.slot = -1
                self._fill()
                return
        elif job.slot >= 0:
            self.show(job)
        self.changed()

    def _open_slot(self, job: Job) -> None:
        """Give an order a slot, and write into it what does not change."""
        job.slot = self._free.pop()
        io, a, s = self.engine.plant.io, self._first[job.slot], TICKS_PER_S
        if job.grade not in self.grades:
            self.grades.append(job.grade)
        io[a + order_slot.ID], io[a + order_slot.GRADE] = job.number, self.grades.index(job.grade) + 1
        io[a + order_slot.EVERY], io[a + order_slot.LATE], io[a + order_slot.GAP] = job.every / s, job.late / s, job.gap / s
        io[a + order_slot.POUR], io[a + order_slot.PRIORITY], io[a + order_slot.PUMP] = job.pour_s_m3, job.priority, job.pump
        io[a + order_slot.X], io[a + order_slot.Y] = self.map.xy_km[job.place]
        self.show(job)

    def show(self, job: Job) -> None:
        """Write into an order's slot how far it has come, and the drives to it as they are now."""
        io, a, s = self.engine.plant.io, self._first[job.slot], TICKS_PER_S
        io[a + order_slot.LEFT], io[a + order_slot.ON_WAY], io[a + order_slot.POURED] = (
            job.left_m3,
            job.given_m3 - job.poured_m3,
            job.poured_m3,
        )
        io[a + order_slot.DUE], io[a + order_slot.LAST_END] = job.wanted / s, max(job.last_end, 0) / s
        io[a + order_slot.WAITING], io[a + order_slot.COMING] = job.waiting, job.coming
        for k, drive_s in enumerate(self.drives_s(job), a + order_slot.LAST_END + 1):
            io[k] = drive_s

    def drives_s(self, job: Job) -> list[float]:
        """Drive from each line to a site, setting out now."""
        clock_s = self._starts_s + self.engine.now / TICKS_PER_S
        return self.map.drives_s(self._plants, job.place, clock_s)

    def change(self, number: int, volume_m3: float | None, start: int | None) -> None:
        """The site wants more, less, or at another time; what trucks already have stays theirs."""
        job = self.jobs[number]
        if volume_m3 is not None:
            job.volume_m3 = max(volume_m3, job.given_m3)
        if start is not None:
            job.start = start
        self.engine.log("order", job.site, job.volume_m3, "changed")
        self.settle(job)

    def cancel(self, number: int) -> None:
        """The site wants no more; trucks that have not arrived are sent back when they do."""
        job = self.jobs[number]
        job.cancelled = True
        self.engine.log("order", job.site, job.volume_m3 - job.given_m3, "cancelled")
        self.settle(job)


def progress(book: OrderBook) -> list[dict[str, Any]]:
    """Open orders with what is left of each, for people."""
    return [
        {"number": j.number, "site": j.site, "grade": j.grade, "left_m3": j.left_m3, "poured_m3": j.poured_m3} for j in book.jobs.values()
    ]
