"""What may be asked of a run from outside: each wish is checked at once, taken at the start of the next scan, and logged so that the run can be played again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

from numpy import float64
from numpy.typing import NDArray

from scenarios import weather
from scenarios.adjustments import Adjustments
from scenarios.booking import job
from scenarios.orders import Change, Order, truckloads
from scenarios.quality import Laboratory
from scenarios.schema import Dispatch, Rain, Scenario, fitting
from twin import faults
from twin.clock import TICKS_PER_S
from twin.design.load import parse_fields
from twin.design.schema import Design, Recipe, slurry_mistake
from twin.design.water import recycled_materials
from twin.engine import Engine
from twin.errors import BatchtwinError, unknown
from twin.fleet import Fleet
from twin.orders import Job, progress
from twin.plant import Plant

MOST_WISHES = 20_000  # that wait for the next scan


class Controller(Protocol):
    """What the simulation asks of a controller."""

    scan_ticks: int

    def scan(self, values: NDArray[float64], now: int) -> None:
        """Read and write the image values once; `now` is in ticks of 10 ms."""


@dataclass(slots=True)
class Command:
    """A wish from outside, latched at the start of a scan and logged with its time.

    `detail` holds the arguments of the method that made it, so that the run can be played again.
    """

    kind: str
    name: str
    value: float
    text: str
    detail: dict[str, Any]
    act: Callable[[], None]


class Wishes:
    """Commands of a `Simulation`, which has what they need."""

    scenario: Scenario
    design: Design
    plant: Plant
    engine: Engine
    fleet: Fleet
    laboratory: Laboratory
    adjustments: Adjustments
    sky: weather.Weather
    fidelity: Literal["scan", "batch"]
    switches: dict[int, float]
    _wishes: deque[Command]
    _set_dispatch: Callable[[Dispatch], None]
    _set_controller: Callable[[Controller | Literal["reference"] | None], None]

    @property
    def tick(self) -> int:
        """Simulated time, ticks of 10 ms since the start."""
        return self.engine.now

    def write(self, name: str, value: float, by: str = "operator") -> None:
        """Write a tag from outside; it takes effect at the start of the next scan and is logged.

        Raises:
            BatchtwinError: E301 for an unknown tag, E302 when the tag is not writable.
        """
        tag = self.plant.table[name]
        if tag.direction in ("sensor", "parameter"):
            raise BatchtwinError("E302", name=name, direction=tag.direction, who=by)
        index = self.plant.table.index(name)

        def act() -> None:
            self.plant.state.io[index] = value

        self._wish(Command("write", name, float(value), by, {"name": name, "value": float(value), "by": by}, act))

    def switch(self, name: str, value: float | None, by: str = "operator") -> None:
        """Turn the hand switch of an actuator (hand – automatic), as it stands on a motor's cabinet.

        Args:
            value: holds it there whatever the controller says, from the next scan on; None gives it back to the controller.

        Raises:
            BatchtwinError: E301 for an unknown tag, E302 for one that is no actuator.
        """
        tag = self.plant.table[name]
        if tag.direction != "actuator":
            raise BatchtwinError("E302", name=name, direction=tag.direction, who=by)
        index = self.plant.table.index(name)

        def act() -> None:
            if value is None:
                self.switches.pop(index, None)
            else:
                self.switches[index] = value

        text = "automatic" if value is None else "hand"
        self._wish(Command("switch", name, float(value or 0.0), f"{text} {by}", {"name": name, "value": value, "by": by}, act))

    @property
    def wished(self) -> dict[str, float]:
        """Tags that somebody has written and the next scan will take."""
        return {wish.name: wish.value for wish in self._wishes if wish.kind == "write"}

    def inject(self, fault: str, target: str, severity: float | None = None, onset_s: float = 0.0, duration_s: float | None = None) -> None:
        """Let a fault of the catalogue befall a machine at the next scan.

        Args:
            fault: name, see `batchtwin list faults`.
            target: machine, e.g. `Line1.Feeder.Sand1`.
            severity: in the fault's own unit; its default when None.
            onset_s: how long it takes to grow; 0 is at once.
            duration_s: None lasts until `clear`.

        Raises:
            BatchtwinError: unknown fault or machine, or a severity out of range.
        """
        _, value = faults.resolve(self.plant, fault, target, severity)
        injected = faults.Injected(fault, target, value, onset_s, duration_s)
        detail = {"fault": fault, "target": target, "severity": value, "onset_s": onset_s, "duration_s": duration_s}
        self._wish(Command("inject", target, value, fault, detail, lambda: faults.inject(self.engine, injected)))

    def clear(self, fault: str, target: str) -> None:
        """End a fault at the next scan."""
        faults.resolve(self.plant, fault, target, None)
        act = partial(faults.clear, self.engine, fault, target)
        self._wish(Command("clear", target, 0.0, fault, {"fault": fault, "target": target}, act))

    def place_order(self, grade: str, volume_m3: float, site: str = "order", **more: Any) -> int:
        """Order concrete; dispatch sees it from the next scan on.

        Args:
            grade: recipe of the design, or one that `load_recipe` brought.
            volume_m3: in all; it is cut into truckloads.
            site: name of the order.
            more: other fields of an order as in a scenario; without `start` the first pour is due at once.

        Returns:
            Number of loads.

        Raises:
            BatchtwinError: unknown recipe, or a field that is wrong.
        """
        now_s = self.scenario.midnight_s + self.tick / TICKS_PER_S
        detail = {"grade": grade, "volume_m3": volume_m3, "site": site, "start": now_s} | more
        order = parse_fields("order", Order, detail)
        if order.grade not in self.fleet.grades:
            raise unknown("recipe", order.grade, self.fleet.grades)
        wrong = fitting(self.scenario, self.design, self.fleet.grades)(order)
        if order.start < now_s:
            wrong = "start", "lies in the past", f"give {now_s:g}s or later"
        if order.changes or order.cancelled is not None:
            wrong = "changes", "are known beforehand", "tell the plant when they come"
        if wrong:
            raise BatchtwinError("E101", where=f"order.{wrong[0]}", problem=wrong[1], mend=wrong[2])
        entered = job(order, self.scenario, self.design, self.plant.map)
        self._wish(Command("place_order", site, volume_m3, grade, detail, lambda: self.fleet.book.add([entered])))
        return len(truckloads(order, self.design.fleet.capacity_m3))

    def change_order(self, number: int, volume_m3: float | None = None, start: float | None = None) -> None:
        """The customer wants more, less, or at another time.

        Args:
            number: of an open order, see `orders`.
            volume_m3: new volume in all; what trucks already have stays theirs.
            start: new time of the first pour, s from midnight of the first day.

        Raises:
            BatchtwinError: no such order, or a figure out of range.
        """
        open_job = self._job(number)
        detail = {"number": number, "volume_m3": volume_m3, "start": start}
        change = parse_fields(
            "change", Change, {"at": self.tick / TICKS_PER_S} | {k: v for k, v in detail.items() if v is not None and k != "number"}
        )
        tick = None if change.start is None else max(self.scenario.tick(change.start), self.tick)
        act = partial(self.fleet.book.change, number, change.volume_m3, tick)
        self._wish(Command("change_order", open_job.site, change.volume_m3 or 0.0, str(number), detail, act))

    def cancel_order(self, number: int) -> None:
        """The customer wants no more; trucks that have not poured are sent back.

        Raises:
            BatchtwinError: no such order.
        """
        act = partial(self.fleet.book.cancel, number)
        self._wish(Command("cancel_order", self._job(number).site, float(number), str(number), {"number": number}, act))

    def _job(self, number: int) -> Job:
        jobs = self.fleet.book.jobs
        if number not in jobs:
            raise BatchtwinError(
                "E401", problem=f"no open order {number}", mend=f"name one of {', '.join(map(str, jobs)) or 'none: nothing is open'}"
            )
        return jobs[number]

    @property
    def orders(self) -> list[dict[str, Any]]:
        """Open orders: `number`, `site`, `grade`, `left_m3` (not yet given to a truck), `poured_m3`."""
        return progress(self.fleet.book)

    def load_recipe(self, recipe: Recipe) -> None:
        """Bring a recipe that orders may name from now on; one of the same grade is replaced for loads posted later.

        Raises:
            BatchtwinError: a material that the plant does not have, slurry water beyond its limit, or recycled aggregate it forbids.
        """
        materials = set.intersection(*(set(line.materials()) for line in self.design.lines.values()))
        for material in recipe.kg_m3:
            if material not in materials:
                raise unknown("material", material, materials)
        wrong = slurry_mistake(self.design, recipe)
        if wrong:
            raise BatchtwinError("E401", problem=wrong[1], mend=wrong[2])
        recycled = set() if recipe.recycled_aggregate else recycled_materials(self.design) & set(recipe.kg_m3)
        if recycled:
            problem = f"{recipe.grade} takes no recycled aggregate, but the separator's goes into the box of {', '.join(sorted(recycled))}"
            raise BatchtwinError("E401", problem=problem, mend="allow it, or use another material")

        def act() -> None:
            self._use(recipe)
            self.adjustments.approve(recipe)

        self._wish(Command("load_recipe", recipe.grade, recipe.strength_mpa, "", {"recipe": recipe.model_dump()}, act))
        self.fleet.grades.add(recipe.grade)

    def _use(self, recipe: Recipe) -> None:
        """Let loads posted from now on use a recipe."""
        self.fleet.learn(recipe)
        self.laboratory.learn(recipe)

    def rain(self, mm_h: float, lasts_s: float) -> None:
        """Let it rain from the next scan on, on top of the scenario's weather.

        Args:
            mm_h: more than 0, at most 300.
            lasts_s: more than 0.

        Raises:
            BatchtwinError: a figure out of range.
        """
        now_s = self.scenario.midnight_s + self.tick / TICKS_PER_S
        spell = parse_fields("rain", Rain, {"begins": now_s, "ends": now_s + lasts_s, "mm_h": mm_h})
        if lasts_s <= 0:
            raise BatchtwinError("E101", where="rain.lasts", problem=f"{lasts_s:g} s", mend="give more than 0 s")
        act = partial(weather.let_rain, self.engine, self.sky, spell)
        self._wish(Command("rain", "Weather", mm_h, f"{lasts_s:g} s", {"mm_h": mm_h, "lasts_s": lasts_s}, act))

    def send_by(self, rule: Dispatch) -> None:
        """Let another rule send the trucks from the next scan on; it begins without memory."""
        self._wish(Command("send_by", "Dispatch", 0.0, rule, {"rule": rule}, lambda: self._set_dispatch(rule)))

    def control_by(self, controller: Controller | Literal["reference"]) -> None:
        """Put another controller in place from the next scan on; it begins without memory, in the middle of whatever is going on.

        Raises:
            BatchtwinError: E401 in batch fidelity, which plays the compiled reference controller only.
        """
        if self.fidelity == "batch":
            raise BatchtwinError("E401", problem="batch fidelity plays the compiled reference controller only", mend="use fidelity scan")
        name = controller if isinstance(controller, str) else type(controller).__name__
        self._wish(Command("control_by", "Controller", 0.0, name, {"controller": name}, lambda: self._set_controller(controller)))

    def _wish(self, wish: Command) -> None:
        """Take a wish for the next scan; while time stands they must not fill the memory."""
        if len(self._wishes) >= MOST_WISHES:
            raise BatchtwinError("E305", what=wish.kind, state=f"{MOST_WISHES} commands wait for the next scan", mend="let time go on")
        self._wishes.append(wish)
