"""A sweep from its plan to its results: what is still to be played, on which cores, and how it stands."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from scenarios.whatif.local import Player, play_here
from scenarios.whatif.play import Plan, play
from scenarios.whatif.results import Results


@dataclass(slots=True)
class Standing:
    """How a sweep stands: runs in all, runs that have ended (also before), failed ones of this time, and when the rest will have, s."""

    runs: int
    done: int
    failed: int
    eta_s: float | None


def sweep(plan: Plan, results: Results, *, cores: int | None = None, scheduler: str | None = None,
          progress: Callable[[Standing], None] | None = None, player: Player = play) -> Standing:  # fmt: skip
    """Play what has not been played yet; each run that ends is kept at once.

    Args:
        cores: workers on this machine; all cores when left out.
        scheduler: address of a Dask scheduler, whose workers play instead.
        progress: told after each run.

    Raises:
        BatchtwinError: E203 when results cannot be written, E503 and E504 of a cluster; runs that have ended are kept.
    """
    standing = Standing(len(plan), len(results.done), 0, None)
    if progress:
        progress(standing)
    if standing.done == standing.runs:
        return standing
    left = (n for n in range(len(plan)) if not results.done or plan.key(n) not in results.done)
    began, before = time.monotonic(), standing.done
    with closing(_rows(plan, left, cores or len(os.sched_getaffinity(0)), scheduler, player)) as rows:
        for row in rows:
            results.add(row)
            standing.done += 1
            standing.failed += row["state"] != "complete"
            standing.eta_s = (time.monotonic() - began) / (standing.done - before) * (standing.runs - standing.done)
            if progress:
                progress(standing)
    return standing


def _rows(plan: Plan, left: Iterator[int], cores: int, scheduler: str | None, player: Player) -> Generator[dict[str, Any], None, None]:
    if scheduler is None:
        return play_here(plan, left, cores, player)
    from scenarios.whatif.cluster import play_there

    return play_there(plan, left, scheduler)
