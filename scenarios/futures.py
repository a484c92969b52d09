"""Branching: from one moment of a run, several futures, each a process of its own and a whole run when it has ended.

The process is forked: a branch has the run's memory as it stood, copied only where it writes, so it goes on at once and to the same bits. One
child holds the moment still; from it branches are forked, as many at a time as there are cores. A child has only the thread that forked, none
of the parent's files, sockets or locks, and never returns into the parent's code.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.judging.book import Book, load_book
from scenarios.judging.judge import judge
from scenarios.outside import Outside
from scenarios.replay import Command, begun, go_on
from scenarios.run import Run, open_run
from scenarios.simulation import Simulation
from scenarios.store import must_be_free, write_json
from twin.clock import SCAN_TICKS, TICKS_PER_S
from twin.errors import BatchtwinError

Act = Callable[[Simulation], None]
MOST = 32  # branches at a time
PAST = "past"  # folder of the parts that the branches share, while they are made
NICE = 5  # a live run goes first
LOOK_S = 0.02  # between looks at who has ended
NAME = "a-z 0-9 -"
SINCE = {  # figures of a branch since the moment, by SQL; `{s}` is the moment
    "m3": "SELECT coalesce(sum(volume_m3), 0) FROM deliveries WHERE left_s > {s}",
    "on_time_percent": "SELECT 100.0 * count(*) FILTER (pour_s <= due_s + late_s) / nullif(count(*), 0) FROM deliveries WHERE pour_s > {s}",
    "water_out_kg": "SELECT coalesce(sum(kg), 0) FROM ledger WHERE target = 'discharge' AND time_s > {s}",
    "dust_kg": "SELECT coalesce(sum(tsp_kg), 0) FROM emissions WHERE time_s > {s}",
    "outside": "SELECT count(*) FROM weighings WHERE outside AND time_s > {s}",
    "kwh": "SELECT coalesce(sum(kwh), 0) FROM energy WHERE time_s > {s}",
}


class Futures:
    """Branches that go on by themselves.

    Attributes:
        path: their folder: a run each, its figures as `NAME.json`, and `futures.json` that says what they are.
        names: of the branches.
        at_s, until_s: the moment, and where they end, seconds since the start of the run.
    """

    def __init__(self, path: Path, names: Sequence[str], at_s: float, until_s: float, pid: int, shared: NDArray[np.float64]) -> None:
        self.path, self.names, self.at_s, self.until_s = path, list(names), at_s, until_s
        self._pid, self._shared = pid, shared

    @property
    def going(self) -> bool:
        """Whether a branch is still being played."""
        if self._pid and os.waitpid(self._pid, os.WNOHANG)[0]:
            self._pid = 0
        return self._pid != 0

    @property
    def first_steps(self) -> list[float]:
        """Time of `time.monotonic` at which each branch had played its first scan; 0 for not yet."""
        return [float(v) for v in self._shared[:, 1]]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each branch: `name`, `state` (`waiting`, `running`, `complete`, `failed`), `t_s`, and its figures or its `problem`."""
        going = self.going
        out = read(self.path)["branches"]
        for row, (t_s, first) in zip(out, self._shared, strict=True):
            if row["state"] == "waiting":
                row |= {"t_s": float(t_s) or self.at_s, "state": ("running" if first else "waiting") if going else "cut"}
        return out

    def wait(self, progress: Callable[[list[dict[str, Any]]], None] | None = None) -> list[dict[str, Any]]:
        """Wait until all have ended; returns the rows.

        Args:
            progress: called a few times a second with the rows.
        """
        while self.going:
            if progress:
                progress(self.rows())
            time.sleep(LOOK_S)
        return self.rows()

    def stop(self) -> None:
        """End the branches that still go on."""
        if self.going:
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
            shutil.rmtree(self.path / PAST, ignore_errors=True)


def read(path: Path) -> dict[str, Any]:
    """What a folder of futures holds: `of`, `at_s`, `until_s`, `criteria`, `branches`.

    Raises:
        BatchtwinError: E201 when it is none.
    """
    try:
        found: dict[str, Any] = json.loads((path / "futures.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BatchtwinError("E201", path=path, problem="there is no futures.json") from None
    for row in found["branches"]:
        row["state"] = "waiting"
        with suppress(OSError, ValueError):
            row |= json.loads((path / f"{row['name']}.json").read_text(encoding="utf-8"))
    return found


def fork_recorded(
    folder: Path, branches: Mapping[str, Act], at_s: float, until_s: float, out: Path, criteria: str = "hubei-standard",
    words: Mapping[str, str] | None = None, check: Callable[[Simulation], None] = lambda _: None, progress: Callable[[Simulation], None] | None = None,
) -> Futures:  # fmt: skip
    """Branches of a recorded run: it is played again from its inputs and commands to a moment, and forked there.

    What was done to the run afterwards is done to each branch, too.

    Args:
        check: called with the run before anything is played or written; raises for branches that do not fit.
        progress: called a few times a second while it plays to the moment.

    Raises:
        BatchtwinError: wrong input, or a run that cannot be repeated exactly; nothing is left in the folder then.
    """
    run = open_run(folder)
    if run.state == "running":
        raise BatchtwinError("E201", path=folder, problem="it is still going on; branch it on its page, or let it end")
    load_book(criteria)
    must_be_free(out)
    trial, _, _ = begun(run)
    with trial:
        lasts_s = trial.end_tick / TICKS_PER_S
        if not 0 <= at_s < lasts_s:
            raise BatchtwinError("E101", where="at", problem=f"{at_s:g} s", mend=f"the run lasts {lasts_s:g} s; give a time before")
        _check(trial, branches, until_s, at_s, out)
        check(trial)
    trunk = out.with_name(f"{out.name}.trunk")
    sim, outside, commands = begun(run, trunk)
    try:
        with sim:
            if commands:
                go_on(sim, commands, round(at_s * TICKS_PER_S), outside, progress)
            else:
                sim.advance_past(at_s, progress)
            return fork(sim, branches, until_s, out, criteria, words, commands, str(folder))
    finally:
        shutil.rmtree(trunk, ignore_errors=True)  # the branches have links of their own


def fork(
    sim: Simulation, branches: Mapping[str, Act], until_s: float, out: Path, criteria: str = "hubei-standard",
    words: Mapping[str, str] | None = None, later: Sequence[Command] = (), of: str | None = None,
) -> Futures:  # fmt: skip
    """See `Simulation.fork`.

    Args:
        words: what each branch changes, for people.
        later: commands that were given to the recorded run after this moment, and are given to each branch, too.
        of: the run, when it is not the one that is being recorded.

    Raises:
        BatchtwinError: wrong input, or the folder cannot be written; nothing goes on then.
    """
    book = load_book(criteria)
    at_s = sim.tick / TICKS_PER_S
    _check(sim, branches, until_s, at_s, out)
    said = {"of": of or (str(sim.writer.path) if sim.writer else None), "at_s": at_s, "until_s": until_s, "criteria": criteria,
            "branches": [{"name": n, "changes": (words or {}).get(n, "")} for n in branches]}  # fmt: skip
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "futures.json", said)
        past = out / PAST if sim.writer else None
        if sim.writer and past:
            sim.flush()
            past.mkdir()
            sim.writer.keep_parts(past)
    except OSError as error:
        raise BatchtwinError("E203", path=out, problem=error.strerror or error) from None
    shared = np.frombuffer(mmap.mmap(-1, 16 * len(branches)), np.float64).reshape(-1, 2)
    parent = os.getpid()
    gc.freeze()  # the collector's marks would copy every page
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: see above how a child keeps clear of them
        pid = os.fork()
    if pid == 0:
        try:
            _hold(sim, dict(branches), until_s, out, past, book, list(later), shared, parent)
        finally:
            os._exit(0)
    gc.unfreeze()
    with suppress(OSError):
        os.setpgid(pid, pid)  # by whichever of us comes first
    return Futures(out, list(branches), at_s, until_s, pid, shared)


def _check(sim: Simulation, branches: Mapping[str, Act], until_s: float, at_s: float, out: Path) -> None:
    """Raises for what cannot be branched."""

    def wrong(where: str, problem: str, mend: str) -> BatchtwinError:
        return BatchtwinError("E101", where=where, problem=problem, mend=mend)

    if not 1 <= len(branches) <= MOST:
        raise wrong("branches", f"{len(branches)} branches", f"give 1 to {MOST}")
    for name in branches:
        if not name or set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-") or name in (PAST, "futures") or len(name) > 60:
            raise wrong(
                "branches", f"'{name[:60]}' is no name of a branch", f"use {NAME}, at most 60 characters, and neither {PAST} nor futures"
            )
    if not at_s < until_s <= sim.end_tick / TICKS_PER_S:
        raise wrong(
            "until", f"{until_s:g} s", f"the run is at {at_s:g} s and ends at {sim.end_tick / TICKS_PER_S:g} s; give a time between"
        )
    must_be_free(out)
    if sim.writer is not None and sim.writer.path.resolve() == out.resolve():
        raise BatchtwinError("E202", path=out)


# --- in the child -----------------------------------------------------------------------------------------


def _hold(sim: Simulation, branches: dict[str, Act], until_s: float, out: Path, past: Path | None, book: Book, later: list[Command],
          shared: NDArray[np.float64], parent: int) -> None:  # fmt: skip
    """Hold the moment still, and let the branches go from it, as many at a time as there are cores."""
    with suppress(OSError):
        os.setpgid(0, 0)  # Ctrl-C is the parent's
    _let_go()
    os.nice(NICE)
    waiting, going = list(enumerate(branches.items())), dict[int, str]()
    while waiting or going:
        while waiting and len(going) < len(os.sched_getaffinity(0)):
            i, (name, act) = waiting.pop(0)
            pid = os.fork()
            if pid == 0:
                _live(sim, name, act, until_s, out, past, book, later, shared[i])
                os._exit(0)
            going[pid] = name
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            name = going.pop(pid)
            if status and not (out / f"{name}.json").exists():
                write_json(
                    out / f"{name}.json", {"state": "failed", "problem": f"its process ended with {os.waitstatus_to_exitcode(status)}"}
                )
        elif os.getppid() != parent:  # nobody is there any more to look at them
            os.killpg(0, signal.SIGKILL)
        else:
            time.sleep(LOOK_S)
    shutil.rmtree(out / PAST, ignore_errors=True)


def _let_go() -> None:
    """Keep nothing of the parent's: sockets, locks and files become the null device, and no signal wakes its event loop.

    Their numbers stay taken, so that an object of the parent's that is thrown away here closes nothing of ours.
    """
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for text in os.listdir("/proc/self/fd"):
        fd = int(text)
        if fd not in (2, null):
            with suppress(OSError):
                os.fstat(fd)
                os.dup2(null, fd)


def _live(sim: Simulation, name: str, act: Act, until_s: float, out: Path, past: Path | None, book: Book, later: list[Command],
          shared: NDArray[np.float64]) -> None:  # fmt: skip
    """A branch's own life: change, play on, be scored."""
    at_s = sim.tick / TICKS_PER_S
    about = {"name": name, "at_s": at_s}
    try:
        try:
            sim.branch(out / name, until_s, past, about)
            act(sim)
            outside = [c for c in (sim.controller, sim.dispatcher) if isinstance(c, Outside)]

            def progress(sim: Simulation) -> None:
                shared[0] = sim.tick / TICKS_PER_S

            if sim.fidelity == "scan":
                go_on(sim, later, min(sim.tick + SCAN_TICKS, sim.end_tick), outside[0] if outside else None)
            else:
                sim.advance_past(at_s + SCAN_TICKS / TICKS_PER_S)
            shared[0], shared[1] = sim.tick / TICKS_PER_S, time.monotonic()
            go_on(sim, later, sim.end_tick, outside[0] if outside else None, progress)
            outcome = sim.close("complete")
        except BaseException:
            with suppress(Exception):
                sim.close("failed")
            raise
        said = {"state": "complete", "t_s": until_s, "state_hash": outcome["state_hash"]} | figures(open_run(out / name), at_s, book)
    except BaseException as error:
        said = {"state": "failed", "problem": str(error) if isinstance(error, BatchtwinError) else repr(error)}
    with suppress(OSError):
        write_json(out / f"{name}.json", said)


def figures(run: Run, since_s: float, book: Book) -> dict[str, Any]:
    """Figures of a run since a moment (`SINCE`), and the verdict on the whole of it: `clauses` counts, `failed` names, or `no_verdict` says why not."""
    out: dict[str, Any] = {}
    for name, query in SINCE.items():
        (found,) = run.sql(f"SELECT ({query.format(s=since_s)}) AS value").to_pylist()
        out[name] = None if found["value"] is None else round(float(found["value"]), 6)
    try:
        verdict = judge(book, run)
    except BatchtwinError as error:
        return out | {"no_verdict": str(error)}
    return out | {"clauses": verdict.counts, "failed": [c.id for c in verdict.clauses if c.result == "fail"]}


def names_of(words: Sequence[str]) -> Iterator[str]:
    """A name for each branch from what it changes: `rain-40`; numbered where two are the same."""
    seen: dict[str, int] = {}
    for text in words:
        plain = "-".join("".join(c if c.isalnum() and c.isascii() else " " for c in text.lower()).split())[:40].strip("-") or "as-it-is"
        seen[plain] = seen.get(plain, 0) + 1
        yield plain if seen[plain] == 1 else f"{plain}-{seen[plain]}"
