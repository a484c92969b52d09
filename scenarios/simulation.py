"""A run: design, scenario, controller and recorder put together and played."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
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
from scenarios.adjustments import ADJUSTMENT, Adjustments
from scenarios.booking import book_all
from scenarios.drive import play_batch, play_ticks
from scenarios.inspections import INSPECTION, Inspections
from scenarios.kept import Kept
from scenarios.operator import ShiftOperator
from scenarios.quality import Laboratory
from scenarios.recorder import log_for
from scenarios.schema import Dispatch, Scenario, check, load_scenario
from scenarios.store import RunWriter
from scenarios.surroundings import Surroundings
from scenarios.wishes import Command, Controller, Wishes
from twin import faults
from twin.clock import TICKS_PER_S, ticks
from twin.design.load import load_design
from twin.design.schema import Design
from twin.engine import ACTED, FULL, LOADS, Engine
from twin.equipment.delivery import Purchasing
from twin.errors import BatchtwinError
from twin.fleet import Fleet
from twin.image import Image
from twin.jit import handle
from twin.plant import Plant
from twin.tags import TagTable
from twin.version import VERSION

if TYPE_CHECKING:
    from scenarios.futures import Act, Futures

LEDGER_S = {"scan": 60, "batch": 3600}  # interval of the ledger table
PATIENCE_S = {"scan": 0, "batch": 60}  # that trucks on the road wait for the plant to stop, see `Engine.away`
MOST_NOTES = 10_000  # events in hand before they become rows


class Dispatcher(Protocol):
    """What the simulation asks of a dispatcher."""

    scan_ticks: int

    def scan(self, values: NDArray[np.float64], now: int) -> int:
        """Read the image and write one decision at most; returns the tick at which to look again if nothing changes."""


class Simulation(Wishes):
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
        self.engine.patience = PATIENCE_S[self.fidelity] * TICKS_PER_S
        self._handles = self.plant.handle, handle(self._memory) if self._memory else None, handle(self._log)
        self._tables = tables.Tables(self.plant, self._log)
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
        self.adjustments = Adjustments(self.engine, self.design, self.laboratory, self.gather, self._use)
        if self.design.premises.laboratory.tests_deliveries:
            self.purchasing.inspect = self.inspections.incoming
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

    # --- notes ----------------------------------------------------------------------------------------

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
            return ACTED | LOADS  # somebody may have decided about a load
        look = play_batch(*self._handles, until, True)
        while look == FULL:  # when that is depends on wall time, so it must change nothing
            self._collect()
            look = play_batch(*self._handles, until, False)
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
        self._log, new = self._tables.drain(self._log, keep=self.writer is not None)
        self._handles = (*self._handles[:2], handle(self._log))
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
        for name, schema, done in (("inspections", INSPECTION, self.inspections.rows), ("adjustments", ADJUSTMENT, self.adjustments.rows)):
            if done is not None:
                new[name] = tables.rows(schema, done)
                done.clear()
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
            self._tables.settle()
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
