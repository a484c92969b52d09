"""Playing a scenario from the command line: where the run goes, how long it lasts, and how Ctrl-C ends it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from batchtwin import show
from scenarios.durations import seconds
from scenarios.schema import load_scenario
from scenarios.simulation import Simulation
from twin.errors import BatchtwinError

if TYPE_CHECKING:
    from scenarios.schema import Scenario

LONGEST_S = 400 * 86400
LARGEST_SEED = 2**31 - 1


def play(scenario: str, design: str | None, out: Path | None, seed: int | None, fidelity: Literal["scan", "batch"] | None, until: str | None,
         quiet: bool) -> dict[str, Any]:  # fmt: skip
    """Play a scenario, record it and show how it goes.

    Returns:
        The outcome; its `state` is `cut` when Ctrl-C ended the run.

    Raises:
        BatchtwinError: wrong input (then there is no folder), or E203 when the run cannot be written.
    """
    plan, plant = load_scenario(scenario, design)
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise BatchtwinError("E101", where="--seed", problem=f"{seed} is out of range", mend=f"give 0 to {LARGEST_SEED}")
    until_s = lasts_of(until, plan) if until is not None else None
    stem = f"{plan.name}-{plan.seed if seed is None else seed}"
    with folder_of(out, stem) as folder, show.live(not quiet) as display, patience(display.stop) as asked:
        sim = Simulation(plan, plant, seed=seed, fidelity=fidelity, until_s=until_s, out=folder)

        def progress(sim: Simulation) -> None:
            display(sim)
            if asked:
                raise KeyboardInterrupt

        try:
            return sim.run(progress)
        except KeyboardInterrupt:
            return sim.close("cut")
        except BaseException:
            with suppress(Exception):
                sim.close("failed")
            raise


def lasts_of(text: str, plan: Scenario) -> float:
    """`--until` as seconds to play: a duration, a number of seconds, or a time of day counted from the first midnight.

    Raises:
        BatchtwinError: E101 when it is no time, not after the start, or too long.
    """
    where = f"--until {text}"
    try:
        lasts = float(text) if text.strip().lstrip("+-").replace(".", "", 1).isdigit() else seconds(text)
    except ValueError as error:
        problem, _, mend = str(error).partition("; ")
        raise BatchtwinError("E101", where=where, problem=problem, mend=mend) from None
    if ":" in text:
        lasts -= plan.midnight_s
        if lasts <= 0:
            raise BatchtwinError(
                "E101", where=where, problem="lies in the past", mend=f"the scenario starts at {plan.starts:%H:%M}; give a later time"
            )
    if not 0.01 <= lasts <= LONGEST_S:
        raise BatchtwinError("E101", where=where, problem=f"a run of {lasts:g} s", mend="give more than 0 s and at most 400 days")
    return lasts


@contextmanager
def folder_of(given: Path | None, stem: str) -> Iterator[Path]:
    """The folder to record into; a name of our own is reserved at once and given back if nothing comes of it.

    Raises:
        BatchtwinError: E203 when it cannot be written.
    """
    folder, first = given or Path("runs"), not Path("runs").exists()
    try:
        for n in count(1) if given is None else ():
            with suppress(FileExistsError):
                folder = Path("runs", f"{stem}-{n}")
                folder.mkdir(parents=True)
                break
        yield folder
    except OSError as error:
        raise BatchtwinError("E203", path=folder, problem=error.strerror or error) from None
    finally:
        if given is None:
            with suppress(OSError):
                folder.rmdir()  # only an empty one goes
                if first:
                    folder.parent.rmdir()


@contextmanager
def patience(tell: Callable[[], None]) -> Iterator[list[int]]:
    """The first Ctrl-C is noted and told, for the run to stop where all is in order; the second interrupts at once."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        asked.append(number)
        tell()
        if len(asked) > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
