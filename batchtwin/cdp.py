"""The Concrete Delivery Problem from the command line: each instance solved in two processes, checked, and told in a row."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from batchtwin import show
from batchtwin.play import LARGEST_SEED
from control.dispatch import Outcome, Problem, solve
from scenarios import cdp
from scenarios.cdp import Instance, Known, Result, Summary, Violation, Visit
from scenarios.execution import Execution, execute
from twin.errors import BatchtwinError

PROCESSES = 2
LONGEST_S = 86400
FIRST_S = 600  # a process needs longer only when it compiles on a machine that is very busy

_found: Event  # set by the process that delivered all that can be delivered


class Solved(NamedTuple):
    """An instance, its schedule, and what is said of it."""

    instance: Instance
    result: Result
    schedule: list[Visit]
    violations: list[Violation]


def run(
    folder: Path,
    seconds: float = 60.0,
    seed: int = 0,
    only: str = "*",
    out: Path | None = None,
    echo: Callable[[str], None] = lambda line: None,
) -> tuple[list[Solved], Summary]:
    """Solve the instances of a folder.

    Args:
        folder: holds `*.rmc` and, if gaps are wanted, `best_known.csv`.
        seconds: most wall time for an instance.
        seed: the processes search with `PROCESSES * seed`, `PROCESSES * seed + 1`, …
        only: pattern for the names of instances.
        out: JSON file for the schedules, written anew after each instance.
        echo: told what comes out.

    Raises:
        BatchtwinError: wrong input, or E203 when `out` cannot be written.
    """
    if not 0 < seconds <= LONGEST_S:
        raise BatchtwinError(
            "E101", where="--seconds", problem=f"{seconds:g} is out of range", mend=f"give more than 0, at most {LONGEST_S}"
        )
    if not 0 <= seed <= LARGEST_SEED:
        raise BatchtwinError("E101", where="--seed", problem=f"{seed} is out of range", mend=f"give 0 to {LARGEST_SEED}")
    instances, known = cdp.read_folder(folder, only), cdp.read_known(folder)
    solved: list[Solved] = []
    if out:
        write(out, solved)
    _warm_up()
    found = multiprocessing.get_context("spawn").Event()
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn"), _begin, (found,)) as pool:
        try:
            list(pool.map(_ready, range(PROCESSES), timeout=FIRST_S))
            for instance in instances:
                found.clear()
                solved.append(_solve(pool, instance, known.get(instance.name), seconds, seed))
                echo(line(solved[-1]))
                if out:
                    write(out, solved)
        finally:
            found.set()  # whoever interrupts need not wait
    return solved, cdp.summary([s.result for s in solved])


def _solve(pool: ProcessPoolExecutor, instance: Instance, known: Known | None, seconds: float, seed: int) -> Solved:
    """Search in all processes, take the best, check it."""
    began = time.monotonic()
    problem = cdp.problem(instance)
    enough = int(problem.demand.sum()) if known is None else known.upper_bound
    search = partial(_search, problem, seconds, enough)
    best = max(pool.map(search, range(PROCESSES * seed, PROCESSES * (seed + 1))), key=lambda outcome: outcome.delivered)
    took = time.monotonic() - began
    schedule = cdp.visits(instance, best.plan)
    violations = cdp.check(instance, schedule)
    return Solved(instance, cdp.result(instance, schedule, violations, known, best.seed, best.steps, took), schedule, violations)


# --- in the processes -----------------------------------------------------------------------------------------


def _begin(found: Event) -> None:
    global _found
    _found = found
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent


def _warm_up() -> None:
    """Compile the kernels, or load them."""
    one = np.ones((1, 1), np.int64)
    solve(Problem(one[0], one[0], one[0], one, one, one, one[0], one[0], 9 * one[0], one[0]), steps=1)


def _ready(_: int) -> None:
    _warm_up()
    time.sleep(0.2)  # so that each process takes one of these


def _search(problem: Problem, seconds: float, enough: int, seed: int) -> Outcome:
    outcome = solve(problem, seed=seed, seconds=seconds, enough=enough, stop=_found.is_set)
    if outcome.delivered >= enough:
        _found.set()
    return outcome


# --- what is told ---------------------------------------------------------------------------------------------


def line(solved: Solved) -> str:
    """One line on an instance."""
    r = solved.result
    against = "" if r.gap_percent is None else f", best known {r.best_known}, bound {r.upper_bound}, gap {r.gap_percent:.2f} %"
    state = (
        "feasible" if not solved.violations else f"INFEASIBLE: {'; '.join(f'{v.rule} ({v.who}): {v.text}' for v in solved.violations[:3])}"
    )
    return f"{r.instance}: {r.delivered} of {r.demand}{against}, {state}"


def play(solved: list[Solved], seed: int, echo: Callable[[str], None]) -> list[Execution]:
    """Play the feasible schedules through the plant."""
    played = []
    for s in solved:
        if not s.violations:
            played.append(execute(s.instance, s.schedule, seed))
            echo(f"{s.result.instance}: played")
    return played


def tell(solved: list[Solved], outcome: Summary, played: list[Execution]) -> None:
    """Print the tables and the means."""
    show.table([_rounded(s.result) for s in solved])
    percent = [f"{p:.3f} %" if p is not None else "unknown" for p in (outcome.mean_gap_percent, outcome.mean_shortfall_percent)]
    show.facts(
        [
            ("instances", f"{outcome.instances}, infeasible {outcome.infeasible}"),
            ("against best known", f"better {outcome.better}, equal {outcome.equal}, worse {outcome.worse}"),
            ("mean gap", f"{percent[0]} (better ones counted as equal: {percent[1]})"),
        ]
    )
    if played:
        show.table([{k: round(v, 1) if isinstance(v, float) else v for k, v in e._asdict().items()} for e in played])
        planned = max(sum(e.planned_m3 for e in played), 1e-9)
        as_planned, anew = (100 * sum(getattr(e, f"{how}_in_time_m3") for e in played) / planned for how in ("played", "replanned"))
        show.facts([("in time, of what was planned", f"played as planned {as_planned:.1f} %, planned anew on events {anew:.1f} %")])


def _rounded(result: Result) -> dict[str, Any]:
    gap = result.gap_percent
    return result._asdict() | {"gap_percent": None if gap is None else round(gap, 2), "seconds": round(result.seconds, 1)}


def as_json(solved: list[Solved], outcome: Summary, played: list[Execution]) -> dict[str, Any]:
    """Results, means, what is infeasible, and what was played, without the schedules."""
    rows = [s.result._asdict() | {"broken": [v._asdict() for v in s.violations]} for s in solved]
    return outcome._asdict() | {"results": rows} | ({"played": [e._asdict() for e in played]} if played else {})


def write(path: Path, solved: list[Solved]) -> None:
    """Write the schedules, so that others can check them.

    Raises:
        BatchtwinError: E104 when the path is a folder, E203 when it cannot be written.
    """
    if path.is_dir():
        raise BatchtwinError("E104", path=path)
    rows = [
        {"instance": s.result.instance, "delivered": s.result.delivered, "seed": s.result.seed, "steps": s.result.steps,
         "visits": [v._asdict() for v in s.schedule]}
        for s in solved
    ]  # fmt: skip
    try:
        path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BatchtwinError("E203", path=path, problem=error.strerror or error) from None
