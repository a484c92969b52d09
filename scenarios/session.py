"""A live run: one simulation, its clock, its commands, its listeners.

OPC UA, web pages and tests are faces of the same session; none has a door of its own into the plant. Time goes paced,
as fast as possible, step by step, or in lock-step with controllers outside; the model never knows which. All of it
runs in one thread, on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scenarios.alarms import Alarm, AlarmBook
from scenarios.lockstep import LockStep
from scenarios.outside import Outside
from scenarios.recent import KEPT_BYTES, Recent
from scenarios.schema import Dispatch, Scenario, check, load_scenario
from scenarios.simulation import Simulation
from twin.clock import SCAN_TICKS, TICK_S, TICKS_PER_S
from twin.design.load import load_design
from twin.design.schema import Design
from twin.errors import BatchtwinError
from twin.tags import Tag

log = logging.getLogger("batchtwin.live")

SCAN_S = SCAN_TICKS * TICK_S
PIECE_S = 0.008  # wall time that the model may take at a stretch before others get their turn
LONGEST_STEP = 100_000  # scans
FASTEST = 1e6
# What people drive while the station's mode is manual: actuators by kind of machine, and the answers that dispatch waits for.
BY_HAND, ANSWERS = ("feeder", "weigher", "conveyor", "hopper", "mixer"), ("Bay.Accepted", "Bay.Done")
BEHIND_S = 1.0  # wall time; farther behind than this, a paced run lets the lost time go


class Play(Protocol):
    """Puts a simulation together for whichever controller: the reference inside, or one outside."""

    def __call__(self, controller: Any, out: str | Path | None, seed: int | None, /) -> Simulation: ...


def _loaded(scenario: str | Path | Scenario, design: str | Path | Design | None) -> tuple[Scenario, Design]:
    """A scenario and the design it is played on."""
    if not isinstance(scenario, Scenario):
        return load_scenario(scenario, design)
    plant = design if isinstance(design, Design) else load_design(design or scenario.design)
    check(scenario, plant)
    return scenario, plant


class Session:
    """One live run with everything that is done to it.

    Args:
        scenario: what is played: a name, file or `Scenario`, or a function that puts a simulation together (`Play`).
        design, seed, until_s: see `Simulation`.
        out: folder of the run to record; None keeps nothing until `record`.
        controller: "reference" inside, or "none": actuators are written from outside.
        operator: whether the simulated shift operator starts the line and answers alarms.
        dispatch: rule that sends the trucks, the scenario's when None; "none" leaves the dispatch desk to whoever writes it.

    Attributes:
        sim: the simulation; another object after `reset`.
        epoch: counts the resets.
        state: "paused", "running", "stepping", "ended" or "failed".
        speed: simulated seconds a second of wall time; infinity is as fast as possible.
        lockstep: the controllers that time waits for.
        alarms: the alarm book of the run.
        watch: gives what is to be called after each single scan, or None when nobody looks that closely.
        late_ms: how late the last paced scan was, wall time.
        overruns: times a paced run fell behind for good.
        trouble: why the run failed, in one line.

    Raises:
        BatchtwinError: wrong input.
    """

    kept_bytes = KEPT_BYTES  # of the newest rows, for who asks what was

    def __init__(self, scenario: str | Path | Scenario | Play, design: str | Path | Design | None = None, *, seed: int | None = None,
                 until_s: float | None = None, out: str | Path | None = None, controller: str = "none", operator: bool = True,
                 dispatch: Dispatch | None = None) -> None:  # fmt: skip
        self._inside = controller == "reference"
        self._operator, self._dispatch = operator, dispatch
        self.listeners: list[Callable[[], None]] = []
        self.alarm_listeners: list[Callable[[Alarm], None]] = []
        self.watch: Callable[[], Callable[[], None] | None] = lambda: None
        self.lockstep = LockStep(self)
        self.epoch = 0
        self.speed, self.locked = 1.0, False
        self._play = scenario if callable(scenario) else self._plain(*_loaded(scenario, design), until_s)
        with self._play("reference", None, seed) as trial:  # compiles, if need be, before anybody waits for it
            trial.advance(SCAN_S)
        self._wake, self._changed = asyncio.Event(), asyncio.Event()
        self._closed = False
        self._begin(self._play("reference" if self._inside else Outside(), out, seed))

    def _plain(self, scenario: Scenario, design: Design, until_s: float | None = None) -> Play:
        """A simulation of a scenario, with or without the shift operator."""
        rule = self._dispatch or scenario.dispatch
        return lambda controller, out, seed: Simulation(
            scenario, design, seed=seed, fidelity="scan", until_s=until_s, out=out, operator=self._operator, controller=controller,
            dispatch=(lambda _: Outside()) if rule == "none" else rule,
        )  # fmt: skip

    def _begin(self, sim: Simulation) -> None:
        self.sim = sim
        self.outside = sim.controller if isinstance(sim.controller, Outside) else None
        self.desk = sim.dispatcher if isinstance(sim.dispatcher, Outside) else None
        self.sim.advance(0)  # what is due at the very start shows before anybody looks
        self._keep_recent()
        self.alarms = AlarmBook(self.sim, self._tell)
        self.state, self.trouble = "paused", ""
        self._stop_tick: int | None = None
        self.late_ms, self.overruns = 0.0, 0
        self._anchor()

    # --- looking --------------------------------------------------------------------------------------

    @property
    def tick(self) -> int:
        """Simulated time, ticks of 10 ms."""
        return self.sim.tick

    @property
    def scan(self) -> int:
        """Number of the scan that comes next, counted from 0."""
        return self.sim.tick // SCAN_TICKS

    @property
    def clock(self) -> float:
        """Simulated calendar time as seconds since 1970; the scenario's local time is taken as it stands."""
        starts = self.sim.scenario.starts
        return (starts - type(starts)(1970, 1, 1)).total_seconds() + self.sim.tick / TICKS_PER_S

    @property
    def takes_outputs(self) -> bool:
        """Whether actuators are written from outside."""
        return self.outside is not None

    # --- the clock ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Let time go until `pause` or the end.

        Raises:
            BatchtwinError: E305 when the run is over.
        """
        self._going("Start")
        self._stop_tick = None
        self._set("running")

    def pause(self) -> None:
        """Let time stand after the scan under way."""
        if self.state in ("running", "stepping"):
            self._set("paused")

    def run_until(self, seconds: float) -> None:
        """Let time go until a simulated time, seconds since the start, and pause there.

        Raises:
            BatchtwinError: E305 when the run is over, E401 when the time has passed.
        """
        self._going("RunUntil")
        tick = round(seconds * TICKS_PER_S) if 0 <= seconds < 1e9 else -1
        if tick < self.tick:
            raise BatchtwinError(
                "E401", problem=f"{seconds:g} s lies in the past or out of range", mend=f"give {self.tick / TICKS_PER_S:g} or more"
            )
        self._stop_tick = -(-tick // SCAN_TICKS) * SCAN_TICKS
        self._set("running")

    async def step(self, scans: int = 1) -> int:
        """Play some scans, as fast as possible, and pause; in lock-step, as the controllers allow. Returns the scan that comes next.

        Raises:
            BatchtwinError: E305 when time is running or the run is over, E401 for a number out of range.
        """
        self._going("Step")
        if self.state != "paused":
            raise BatchtwinError("E305", what="Step", state=self.state, mend="pause first")
        if not 1 <= scans <= LONGEST_STEP:
            raise BatchtwinError("E401", problem=f"{scans} scans", mend=f"give 1 to {LONGEST_STEP}")
        self._stop_tick = (self.scan + scans) * SCAN_TICKS
        self._set("stepping")
        while self.state == "stepping" and not self._closed:
            if not (self.lockstep.partners and self.locked):
                self._piece(self._stop_tick)
                await asyncio.sleep(0)
            else:
                await self.changed()
        return self.scan

    def wake(self) -> None:
        """Something has happened that may let time go on."""
        self._wake.set()

    async def changed(self) -> None:
        """Wait until the image or the state has changed."""
        await self._changed.wait()

    def set_speed(self, speed: str) -> None:
        """`1`, `10`, `0.5` … times real time, `max`, or `lockstep`.

        Raises:
            BatchtwinError: E401 for anything else.
        """
        word = speed.strip().lower()
        try:
            value = float("inf") if word in ("max", "lockstep") else float(word)
        except ValueError:
            value = 0.0
        if not (0.01 <= value <= FASTEST or word in ("max", "lockstep")):
            raise BatchtwinError("E401", problem=f"speed '{speed[:20]}'", mend="give a number from 0.01 to 1000000, max, or lockstep")
        self.speed, self.locked = value, word == "lockstep"
        self._anchor()
        self._wake.set()

    @property
    def speed_text(self) -> str:
        """The speed as `set_speed` takes it."""
        return "lockstep" if self.locked else "max" if self.speed == float("inf") else f"{self.speed:g}"

    def reset(self, scenario: str | Path | Scenario | Play = "", seed: int | None = None, out: str | Path | None = None) -> None:
        """Close this run and begin another on the same plant; its time stands still until it is started.

        Args:
            scenario: as in `Session`; the present one when left out.
            seed: the scenario's own when None.
            out: folder of the new run; None keeps nothing.

        Raises:
            BatchtwinError: the scenario is wrong or does not fit the plant; then the present run goes on.
        """
        old = self.sim
        play = self._play if scenario == "" else scenario if callable(scenario) else self._plain(*_loaded(scenario, old.design))
        sim = play("reference" if self._inside else Outside(), out, seed)
        if sim.plant.table.tags != old.plant.table.tags:
            raise BatchtwinError(
                "E401", problem="that scenario is played on another plant", mend=f"serve it with --design {sim.design.name}"
            )
        self._play = play
        with suppress(BatchtwinError):  # a full disk has been told already
            old.close("complete" if old.tick >= old.end_tick else "cut")
        self._begin(sim)
        self.epoch += 1
        self.lockstep.reset()
        self.told()

    def _going(self, what: str) -> None:
        if self.state in ("ended", "failed"):
            raise BatchtwinError("E305", what=what, state=self.state, mend="reset first")

    def _set(self, state: str) -> None:
        self.state = state
        self._anchor()
        self._wake.set()
        self.told()

    def _anchor(self) -> None:
        """Count paced time from here."""
        self._wall0, self._tick0 = time.monotonic(), self.sim.tick

    # --- playing --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Drive the run; a task of the event loop, until `close`."""
        while not self._closed:
            try:
                wait_s = self._turn()
            except Exception as error:  # else time would stand for ever, and all who wait for it with it
                log.exception("the run cannot go on")
                self._fail(error)
                self.lockstep.hand_out()
                self.told()
                wait_s = 3600.0
            if wait_s == 0:
                await asyncio.sleep(0)
                continue
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):  # `wait_for` may swallow a cancellation
                    await self._wake.wait()

    def _turn(self) -> float:
        """Play what is due now; returns the wall time until more is, 0 for at once, and a while when nothing is."""
        if self.locked and self.state in ("running", "stepping"):
            return self.lockstep.turn()
        if self.state != "running":
            return 3600.0
        if self.speed == float("inf"):
            self._piece(None)
            return 0.0
        now = time.monotonic()
        due = self._tick0 + SCAN_TICKS + int((now - self._wall0) * self.speed * TICKS_PER_S) // SCAN_TICKS * SCAN_TICKS
        ahead_s = self._wall0 + (self.tick - self._tick0) * TICK_S / self.speed - now
        if ahead_s > 0:
            return ahead_s
        self.late_ms = -ahead_s * 1e3
        if -ahead_s > BEHIND_S:
            self.overruns += 1
            self._anchor()
        self._piece(min(due, self.tick + SCAN_TICKS) if self.speed <= 10 else due)
        return 0.0

    def _piece(self, until: int | None) -> None:
        """Play to a tick, or for as long as a piece may take, whichever is first."""
        stop = min(t for t in (until, self._stop_tick, self.sim.end_tick) if t is not None)
        enough = time.monotonic() + PIECE_S
        look = self.watch()
        try:
            while self.sim.tick < stop:
                ahead = SCAN_TICKS if look or stop - self.sim.tick < 64 * SCAN_TICKS else 16 * SCAN_TICKS
                self.sim.advance(min(ahead, stop - self.sim.tick) * TICK_S)
                for taken in (self.outside, self.desk):
                    if taken:
                        taken.hand_over(self.sim)
                if look:
                    self._hear(look)
                if time.monotonic() >= enough:  # looked at afterwards: something is played, however busy the machine
                    break
            self.alarms.step()
        except Exception as error:
            self._fail(error)
        if self.state == "failed":
            self._stop_tick = None  # it may have failed in the very piece that was to be the last
        elif self.sim.tick >= self.sim.end_tick:
            self._end()
        elif self._stop_tick is not None and self.sim.tick >= self._stop_tick:
            self._stop_tick = None
            self.state = "paused"
        self.lockstep.hand_out()
        self.told()

    def play_scan(self) -> None:
        """Play one scan; lock-step calls it when all controllers have written."""
        self._piece(self.sim.tick + SCAN_TICKS)

    def _end(self) -> None:
        try:
            self.sim.close("complete")
            self.state = "ended"
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """A full disk, or a mistake of ours: the session tells it and stays."""
        if self.state == "failed":
            return  # what failed first is the cause of what fails after it
        self.state, self.trouble = "failed", str(error) if isinstance(error, BatchtwinError) else f"internal error: {error!r}"
        with suppress(Exception):
            self.sim.close("failed")

    def told(self) -> None:
        """Tell the listeners that the image or the state has changed."""
        for listener in list(self.listeners):
            self._hear(listener)
        self._changed.set()
        self._changed = asyncio.Event()

    def _tell(self, alarm: Alarm) -> None:
        for listener in list(self.alarm_listeners):
            self._hear(listener, alarm)

    def _hear(self, listener: Callable[..., None], *what: Alarm) -> None:
        """Tell one listener; whatever it does, the plant goes on."""
        try:
            listener(*what)
        except Exception:
            log.exception("a listener of the run failed")

    # --- acting ---------------------------------------------------------------------------------------

    def write(self, name: str, value: float, by: str, controller: bool = False) -> None:
        """Write a tag; it takes effect at the next scan. What a controller writes are its outputs; what people write is an event of the run.

        Args:
            controller: it is written by a controller that has announced itself; it may reset a command bit, too.

        Raises:
            BatchtwinError: E301 for an unknown tag, E302 when it is not writable here, E305 when the run is over.
        """
        tag = self.sim.plant.table[name]
        self._going(name)
        taker = self.desk if tag.writer == "dispatch" else self.outside
        if tag.direction not in ("actuator", "status") and not (controller and taker) or taker is None and self.by_hand(tag):
            self.sim.write(name, value, by)
        elif taker is None:
            raise BatchtwinError("E302", name=name, direction=f"{tag.direction} of the controller inside", who=by)
        elif tag.direction in ("sensor", "parameter"):
            raise BatchtwinError("E302", name=name, direction=tag.direction, who=by)
        else:
            taker.write(self.sim.plant.table.index(name), value)

    def by_hand(self, tag: Tag) -> bool:
        """Whether people write this tag now: its line's station is in manual mode, in which the program inside leaves it alone."""
        table = self.sim.plant.table
        line, _, suffix = tag.name.partition(".")
        mode = f"{line}.Station.Mode"
        if mode not in table or self.sim.image[mode] != 0:
            return False
        machine = tag.name.rsplit(".", 1)[0]
        return suffix in ANSWERS or tag.direction == "actuator" and next(e.kind for e in table.equipment if e.name == machine) in BY_HAND

    def switch(self, name: str, value: float | None, by: str) -> None:
        """Turn the hand switch of an actuator; see `Simulation.switch`.

        Raises:
            BatchtwinError: E301 for an unknown tag, E302 for one that is no actuator, E305 when the run is over.
        """
        self._going(name)
        self.sim.switch(name, value, by)

    def finish(self) -> None:
        """End the run before its time; it stays to be looked at until `reset`.

        Raises:
            BatchtwinError: E305 when it is over already, E203 when it cannot be written.
        """
        self._going("Finish")
        try:
            self.sim.close("cut")
        except BatchtwinError as error:
            self._fail(error)
            raise
        finally:
            if self.state != "failed":
                self._set("ended")

    def record(self, folder: str | Path) -> None:
        """Begin to record; see `Simulation.record_to`."""
        self._going("StartRecording")
        self.sim.record_to(folder)
        self._keep_recent()

    def _keep_recent(self) -> None:
        """Who looks on may ask what was: keep the newest rows of the record at hand, and what stood there at its start."""
        writer, image = self.sim.writer, self.sim.image
        if writer:
            steps = writer.info["resolution"]
            tags = [name.removesuffix(".min").removesuffix(".max") for name in steps]
            now = image.values[[image.table.index(tag) for tag in tags]]
            writer.recent = Recent(self.kept_bytes)
            writer.recent.begin(self.tick, list(steps), np.rint(now / np.array(list(steps.values()))).astype(np.int32))

    def close(self) -> dict[str, Any]:
        """End the session and its run. Returns the outcome."""
        self._closed = True
        self._wake.set()
        self._changed.set()  # a step under way ends here
        self.lockstep.close()
        return self.sim.close("complete" if self.sim.tick >= self.sim.end_tick else "cut")
