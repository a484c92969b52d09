"""A run: design, scenario, controller and recorder put together and played."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import simpy
from numpy.typing import NDArray

from control.dispatch.planner import by_rule
from control.reference import ReferenceController
from scenarios import tables, weather
from scenarios.booking import book_all, job
from scenarios.drive import play_batch, play_ticks
from scenarios.inspections import INSPECTION, Inspections
from scenarios.kept import Kept
from scenarios.operator import ShiftOperator
from scenarios.orders import Change, Order, truckloads
from scenarios.quality import Laboratory
from scenarios.recorder import log_for
from scenarios.schema import Dispatch, Rain, Scenario, check, fitting, load_scenario
from scenarios.store import RunWriter
from scenarios.surroundings import Surroundings
from twin import faults
from twin.clock import TICKS_PER_S, ticks
from twin.design.load import load_design, parse_fields
from twin.design.schema import Design, Recipe, slurry_mistake
from twin.design.water import recycled_materials
from twin.engine import ACTED, FULL, Engine
from twin.equipment.delivery import Purchasing
from twin.errors import BatchtwinError, unknown
from twin.fleet import Fleet
from twin.image import Image
from twin.jit import handle
from twin.orders import Job, progress
from twin.plant import Plant
from twin.tags import TagTable
from twin.version import VERSION

if TYPE_CHECKING:
    from scenarios.futures import Act, Futures

LEDGER_S = {"scan": 60, "batch": 3600}  # interval of the ledger table
MOST_WISHES = 20_000  # that wait for the next scan
MOST_NOTES = 10_000  # events in hand before they become rows


class Dispatcher(Protocol):
    """What the simulation asks of a dispatcher."""

    scan_ticks: int

    def scan(self, values: NDArray[np.float64], now: int) -> int:
        """Read the image and write one decision at most; returns the tick at which to look again if nothing changes."""


class Controller(Protocol):
    """What the simulation asks of a controller."""

    scan_ticks: int

    def scan(self, values: NDArray[np.float64], now: int) -> None:
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


class Simulation:
    """One run of a scenario on a plant.

    Args:
        scenario: packaged name, path, or a `Scenario`.
        design: another design than the scenario's own.
        seed, fidelity, until_s: override what the scenario says; `until_s` is a duration in seconds.
        out: folder of the run to record; None keeps nothing.
        controller: the reference controller by default; any object with `scan_ticks` and `scan`. None leaves the
            actuators to whoever writes them.
        operator: whether a simulated operator starts the line and answers alarms.
        dispatch: rule that sends the trucks (`nearest`, `deadline`, `jit`, `plan`), `none` for whoever writes the desk's
            tags, or what makes a dispatcher of your own out of the tag table; the scenario's rule when left out.

    Attributes:
        dispatch: the rule, or `outside` for an object of somebody else's.
        switches: actuators by tag index that a hand switch holds at a value, see `switch`.

    Raises:
        BatchtwinError: wrong input; nothing has been written then.

    Example:
        >>> with Simulation("working-day", until_s=60) as sim:
        ...     sim.advance(30)
        ...     sim.image["Line1.Mixer.Running"]
        True
    """

    def __init__(self, scenario: str | Path | Scenario, design: str | Path | Design | None = None, *, seed: int | None = None,
                 fidelity: Literal["scan", "batch"] | None = None, until_s: float | None = None, out: str | Path | None = None,
                 controller: Controller | Literal["reference"] | None = "reference", operator: bool = True,
                 dispatch: Callable[[TagTable], Dispatcher] | Dispatch | None = None) -> None:  # fmt: skip
        if isinstance(scenario, Scenario):
            self.scenario = scenario
            self.design = design if isinstance(design, Design) else load_design(design or scenario.design)
        else:
            self.scenario, self.design = load_scenario(scenario, design)
        self.seed = self.scenario.seed if seed is None else seed
        self.fidelity = fidelity or self.scenario.fidelity
        if self.fidelity == "batch" and controller != "reference":
            raise BatchtwinError("E401", problem="batch fidelity plays the compiled reference controller only", mend="use fidelity scan")
        lasts = self.scenario.lasts if until_s is None else until_s
        if not 0 < lasts <= 400 * 86400:
            raise BatchtwinError("E401", problem=f"a run of {lasts:g} s", mend="give more than 0 s and at most 400 days")
        self.end_tick = ticks(lasts)
        self.plant = Plant(self.design, self.seed)
        if isinstance(scenario, Scenario):
            check(self.scenario, self.design, self.plant)
        self._moved: list[tables.Moved] = []
        self._events: list[tuple[int, str, str, float, str]] = []
        self._commands: list[tuple[int, str, str]] = []
        self._wishes: deque[Command] = deque()
        self.switches: dict[int, float] = {}
        self.engine = Engine(self.plant, self.seed, self._note)
        self.dispatch, self.dispatcher = self._dispatcher(dispatch)
        self._compose(controller, operator)
        self.writer = RunWriter(Path(out), self._info()) if out is not None else None
        self._began = time.monotonic()
        self._bad = 0
        self._closed: dict[str, Any] | None = None

    # --- putting together -----------------------------------------------------------------------------

    def _compose(self, controller: Controller | Literal["reference"] | None, operator: bool) -> None:
        self._set_controller(controller)
        self._operator = operator
        row_s = self.scenario.record_s or (1.0 if self.fidelity == "scan" else 60.0)
        self.plant.state.site["water_ticks"] = TICKS_PER_S if self.fidelity == "scan" else 60 * TICKS_PER_S
        self._log = log_for(self.plant, min(1.0, row_s) if self.fidelity == "scan" else min(10.0, row_s), row_s)
        self.plant.state.site["starts_s"] = self.scenario.midnight_s
        self._handles = self.plant.handle, handle(self._memory) if self._memory else None, handle(self._log)
        self._tables = tables.Tables(self.plant, many=self._log.low.shape[0] > 1)
        self._surroundings = Surroundings(self.plant)
        self.sky = sky = weather.Weather(self.scenario, self.seed)
        self.engine.env.process(weather.play(self.engine, sky))
        self.engine.env.process(self._keep_books())
        self.purchasing = Purchasing(self.engine)
        self.fleet = Fleet(
            self.engine, self._log.poured, self._log.wet, self.scenario.midnight_s, self.purchasing.gate, self.scenario.starts.weekday()
        )
        self._let_dispatch()
        self.laboratory = Laboratory(self.design, self.seed, self.scenario.midnight_s)
        self.inspections = Inspections(self.engine, self.design, self.scenario.midnight_s)
        book_all(self.engine, self.fleet.book, self.scenario, sky)
        self.engine.env.process(self.fleet.washout.sweep())
        if operator:
            ShiftOperator(self.engine)
        for plan in self.scenario.faults:
            _, severity = faults.resolve(self.plant, plan.fault, plan.target, plan.severity)
            injected = faults.Injected(plan.fault, plan.target, severity, plan.onset, plan.lasts)
            self.engine.at(self.scenario.tick(plan.at), partial(faults.inject, self.engine, injected))
        for extra in self.scenario.deliveries:
            self.engine.at(self.scenario.tick(extra.at), partial(self.purchasing.arrive, extra.store))

    def _set_controller(self, controller: Controller | Literal["reference"] | None) -> None:
        species = {name: m.species for name, m in self.design.materials.items()}
        reference = ReferenceController(self.plant.table, species) if controller == "reference" else None
        self.controller: Controller | None = reference if controller == "reference" else controller  # type: ignore[assignment]
        self._memory = reference.memory if reference else None

    def _set_dispatch(self, rule: Dispatch) -> None:
        self.dispatch, self.dispatcher = self._dispatcher(rule)
        self._let_dispatch()

    def _let_dispatch(self) -> None:
        """In batch fidelity the dispatcher is asked when something has changed, not at every scan."""
        consulted = self.dispatcher if self.fidelity == "batch" else None
        self.fleet.ask(partial(consulted.scan, self.plant.state.io) if consulted else None)

    def _dispatcher(self, wished: Callable[[TagTable], Dispatcher] | Dispatch | None) -> tuple[str, Dispatcher | None]:
        rule = self.scenario.dispatch if wished is None else wished
        return (rule, by_rule(self.plant.table, rule)) if isinstance(rule, str) else ("outside", rule(self.plant.table))

    def _info(self) -> dict[str, Any]:
        return {"version": VERSION, "scenario": self.scenario.model_dump(mode="json"), "design": self.design.model_dump(mode="json"),
                "seed": self.seed, "fidelity": self.fidelity, "lasts_s": self.end_tick / TICKS_PER_S, "resolution": self._tables.resolution,
                "dispatch": self.dispatch, "controller": "reference" if self._memory else "outside" if self.controller else "none", "operator": self._operator,
                "recorded_from_s": self.tick / TICKS_PER_S, "started": datetime.now().astimezone().isoformat(timespec="seconds")}  # fmt: skip

    # --- looking --------------------------------------------------------------------------------------

    @property
    def image(self) -> Image:
        """The process image: `sim.image["Line1.Mixer.Power"]`, in the tag's unit."""
        return self.plant.image

    @property
    def tick(self) -> int:
        """Simulated time, ticks of 10 ms since the start."""
        return self.engine.now

    @property
    def time(self) -> datetime:
        """Simulated wall-calendar time."""
        return self.scenario.starts + timedelta(seconds=self.tick / TICKS_PER_S)

    @property
    def m3(self) -> float:
        """Concrete that has left the plant so far, m³ as ordered."""
        return self.fleet.left_m3

    @property
    def alarms(self) -> list[str]:
        """Names of the alarm tags that are on."""
        n = len(self._log.watched)
        return [self.plant.table.tags[i].name for i, v in zip(self._log.alarms, self._log.last[n:], strict=True) if v]

    # --- acting ---------------------------------------------------------------------------------------

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
            self.fleet.learn(recipe)
            self.laboratory.learn(recipe)

        self._wish(Command("load_recipe", recipe.grade, recipe.strength_mpa, "", {"recipe": recipe.model_dump()}, act))
        self.fleet.grades.add(recipe.grade)

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

    def remember(self, tick: int, kind: str, detail: dict[str, Any]) -> None:
        """Keep what a controller outside did at a scan, so that the run can be played again without it."""
        self._commands.append((tick, kind, json.dumps(detail, separators=(",", ":"))))
        self._relieve()

    def note(self, kind: str, name: str, value: float, text: str) -> None:
        """Write a line into the event table that changes nothing in the plant: an acknowledged alarm, a lost controller."""
        self._note(kind, name, value, text)
        self._relieve()

    def _relieve(self) -> None:
        """While time stands nothing else takes notes out of hand."""
        if len(self._events) + len(self._commands) < MOST_NOTES:
            return
        if self._closed is None:
            self._collect()
        else:  # nothing is recorded any more
            self._events.clear()
            self._commands.clear()

    def record_to(self, folder: str | Path) -> None:
        """Begin to record a run that was not recorded so far; its tables start now.

        Raises:
            BatchtwinError: when it is recorded already, or the folder cannot be used.
        """
        if self.writer:
            raise BatchtwinError("E401", problem=f"the run is recorded to {self.writer.path} already", mend="nothing to do")
        if self.tick:
            self._collect()  # what was before is not of this record
        self.writer = RunWriter(Path(folder), self._info())

    def keep(self) -> Kept:
        """Keep the tables of a run that has not begun in memory, and record it nowhere."""
        kept = Kept(self._info())
        self.writer = kept  # type: ignore[assignment]
        return kept

    def fork(self, branches: Mapping[str, Act], until_s: float, out: str | Path, criteria: str = "hubei-standard") -> Futures:
        """From this very moment one future for each branch, in processes of their own; this run is left as it is.

        Args:
            branches: by name, what is done to the run first; `lambda sim: None` for nothing.
            until_s: seconds since the start of the run at which the branches end.
            out: folder, new or empty; each branch is a whole run in it.
            criteria: rule book of the verdict.

        Raises:
            BatchtwinError: wrong input; nothing has been written then.
        """
        from scenarios.futures import fork

        return fork(self, branches, until_s, Path(out), criteria)

    def branch(self, folder: Path, until_s: float, parts: Path | None, about: dict[str, Any]) -> None:
        """Become a branch, in the process that is one: end at another time, and record into a folder of one's own.

        Args:
            parts: what has been recorded so far; None when nothing was.
        """
        self.end_tick = ticks(until_s)
        if self.writer and parts:
            self.writer = self.writer.continued(folder, parts, {"lasts_s": until_s, "branch": about})
        else:
            self.record_to(folder)
            assert self.writer
            self.writer.info["branch"] = about

    def advance(self, seconds: float, progress: Callable[[Simulation], None] | None = None) -> None:
        """Play on for some simulated seconds, at most to the end of the run.

        Args:
            progress: called a few times a second of wall time.
        """
        self._play(min(self.tick + ticks(seconds), self.end_tick), progress)

    def advance_past(self, seconds: float, progress: Callable[[Simulation], None] | None = None) -> None:
        """Play on to the first moment from then on at which the run can be left and taken up again without a trace.

        In scan fidelity that is the time itself; in batch fidelity a stop in the middle of a stride would move what comes after by some ticks.

        Args:
            seconds: since the start of the run.
            progress: called a few times a second of wall time.
        """
        if self.fidelity == "scan":
            self.advance(seconds - self.tick / TICKS_PER_S, progress)
        else:
            self._play(self.end_tick, progress, enough=ticks(seconds))

    def run(self, progress: Callable[[Simulation], None] | None = None) -> dict[str, Any]:
        """Play to the end and close the run.

        Args:
            progress: called a few times a second of wall time.

        Returns:
            The outcome, see `outcome`.
        """
        self._play(self.end_tick, progress)
        return self.close("complete")

    def _play(self, until: int, progress: Callable[[Simulation], None] | None, enough: int | None = None) -> None:
        drive = self._drive_batch if self.fidelity == "batch" else self._drive_scan
        looked = time.monotonic()
        for n, tick in enumerate(self.engine.run_until(until, drive)):
            if enough is not None and tick >= enough:
                break
            if n % 64 == 0 or self.fidelity == "scan":
                now = time.monotonic()
                if self.writer and self.writer.due():
                    self._collect()
                    self.writer.flush()
                if progress and now - looked > 0.2:
                    looked = now
                    progress(self)

    def _latch(self) -> None:
        """Let what was wished from outside happen now."""
        self.engine.sync()
        while self._wishes:
            wish = self._wishes.popleft()
            self._note("command", wish.name, wish.value, f"{wish.kind} {wish.text}")
            self._commands.append((self.tick, wish.kind, json.dumps(wish.detail, separators=(",", ":"))))
            wish.act()

    def _drive_scan(self, until: int) -> int:
        """Scan by scan until a tick; back early when the observer asks."""
        state, image, controller, dispatch = self.plant.state, self.plant.image, self.controller, self.dispatcher
        plant, _, log = self._handles
        period = controller.scan_ticks if controller else 10
        site, io = state.site, state.io
        tick = int(site["tick"][0])
        while tick < until:
            if self._wishes:
                self._latch()
                return ACTED
            if controller and tick % period == 0:
                controller.scan(io, tick)
            if dispatch and tick % dispatch.scan_ticks == 0:
                dispatch.scan(io, tick)
            for index, held in self.switches.items():
                io[index] = held
            self._bad += image.latch()
            count = min(period - tick % period, until - tick)
            look = play_ticks(plant, log, count)
            tick += count
            if look:
                self._drain(look)
                return look
        return 0

    def _drive_batch(self, until: int) -> int:
        if self._wishes:
            self._latch()
            self._bad += self.plant.image.latch()
            return ACTED
        look = play_batch(*self._handles, until)
        self._drain(look)
        return int(look)

    def _drain(self, look: int) -> None:
        """Empty the observer's buffers when they are full."""
        if look & FULL:
            self._collect()

    # --- recording ------------------------------------------------------------------------------------

    def _keep_books(self) -> Generator[simpy.Event, Any, None]:
        """SimPy process: a row of the ledger table for each link that carried something in the interval."""
        while True:
            yield self.engine.wait(LEDGER_S[self.fidelity])
            self._moved.append(tables.take_moved(self.plant, self.tick))
            self._surroundings.note(self.tick)

    def _note(self, kind: str, name: str, value: float, text: str) -> None:
        self._events.append((self.engine.now, kind, name, value, text))

    def _collect(self) -> None:
        """Turn everything noted so far into rows of the run's tables."""
        new = self._tables.drain(self._log, keep=self.writer is not None)
        new["events"] = pa.concat_tables([new["events"], tables.events(self._events)]).sort_by("time_s")
        self._events.clear()
        if self._commands:
            new["commands"] = tables.commands(self._commands)
            self._commands.clear()
        if self._closed is not None:
            self._moved.append(tables.take_moved(self.plant, self.tick))
            self._surroundings.note(self.tick)
        new |= self._surroundings.drain()
        if self._moved:
            new["ledger"] = tables.ledger_rows(self.plant, self._moved)
            self._moved.clear()
        new["lots"] = tables.rows(tables.LOT, self.purchasing.lots)
        self.purchasing.lots.clear()
        finished = self.fleet.finished(everything=self._closed is not None)
        new["deliveries"] = tables.rows(tables.TICKET, finished)
        new["samples"] = self.laboratory.take(new["batches"], new["deliveries"], everything=self._closed is not None)
        new["cubes"] = self.laboratory.test(self.tick / TICKS_PER_S)
        if self.inspections.rows is not None:
            new["inspections"] = tables.rows(INSPECTION, self.inspections.rows)
            self.inspections.rows.clear()
        for name, schema in tables.LEDGERS.items():
            new[name] = tables.rows(schema, self.fleet.rows[name])
            self.fleet.rows[name].clear()
        if self.writer:
            for name, rows in new.items():
                self.writer.append(name, rows)

    def gather(self) -> None:
        """Bring everything played so far to the run's writer, which keeps the newest rows at hand."""
        if self._closed is None:
            self._collect()

    def flush(self) -> None:
        """Bring everything played so far to the run's folder."""
        self._collect()
        if self.writer:
            self.writer.flush(wait=True)

    def outcome(self, state: str) -> dict[str, Any]:
        """The closing figures of a run; `m3` as ordered and delivered to the gate, `ledger_residual` relative."""
        wall = time.monotonic() - self._began
        return {"run": str(self.writer.path) if self.writer else None, "state": state, "seed": self.seed, "fidelity": self.fidelity,
                "scenario": self.scenario.name, "design": self.design.name, "m3": round(self.m3, 3), "batches": int(self._log.poured.sum()),
                "loads": self.fleet.written, "loads_open": self.fleet.loads_open, "sim_seconds": self.tick / TICKS_PER_S,
                "wall_seconds": round(wall, 3), "speed": round(self.tick / TICKS_PER_S / max(wall, 1e-9), 1), "ledger_residual": self.plant.residual(),
                "weighings": self._tables.weighings, "out_of_tolerance": self._tables.out_of_tolerance, "bad_writes": self._bad,
                "state_hash": self.plant.hash()}  # fmt: skip

    def close(self, state: str = "cut") -> dict[str, Any]:
        """End the run and its folder. Closing twice does nothing more.

        Returns:
            The outcome.
        """
        if self._closed is None:
            self._closed = {}
            self._tables.close_row(self._log, self.tick)
            self._collect()
            self._closed = self.outcome(state)
            if self.writer:
                self.writer.close(state, self._closed)
        return self._closed

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(
            "complete"
            if self.tick >= self.end_tick and kind is None
            else "failed"
            if kind is not None and kind is not KeyboardInterrupt
            else "cut"
        )
