"""Benchmarks: how fast batchtwin is on this machine, each figure a ratio measured in one run against the plain alternative.

Every benchmark is a row: `name`, `value` (None where it cannot be measured), `unit`, `bar` (None when there is none), `ok` (None without a bar) and `against`,
one line on what it was compared with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from batchtwin.bench import air, futures, kernels, pages, processes, runs, sweeps, wire
from batchtwin.bench.runs import Result
from twin.errors import unknown

Row = dict[str, Any]

# Unit, bar, and what measures: it returns the value, what it was compared with, and False for `ok` when no bar can save it.
BENCHMARKS: dict[str, tuple[str, float | None, Callable[[], Result]]] = {
    "plant-year": ("× real time", 1_000_000, runs.plant_year),
    "fleet-year": ("× real time", 300_000, runs.fleet_year),
    "scan": ("× real time", 2_000, runs.scan),
    "physics": ("× real time", 10_000, runs.physics),
    **{f"kernel:{name}": ("×", kernel.bar, partial(kernels.compare, kernel)) for name, kernel in kernels.KERNELS.items()},
    "kernels": ("×", kernels.BAR, kernels.overall),
    "plume": ("×", 8, air.plume),
    "plume-pairs": ("million/s", 100, air.pairs),
    "surroundings": ("× without", 2.0, air.surroundings),
    "start": ("s", 2.5, processes.start),
    "year-memory": ("×", 1.25, processes.year_memory),
    "judge": ("s", 10, processes.judging),
    "compile": ("s", None, processes.compile_cold),
    "opcua-publish-10": ("notifications/s", 198_000, partial(wire.publish, 10)),
    "opcua-publish-40": ("notifications/s", 792_000, partial(wire.publish, 40)),
    "opcua-round-trip": ("× asyncua's own", 1.0, wire.round_trip),
    "opcua-read": ("values/s", 200_000, wire.batched_read),
    "opcua-jitter": ("ms late, p99", wire.JITTER_MS, wire.jitter),
    "opcua-lockstep": ("× real time", 20, wire.lockstep),
    "fork": ("s", 1.0, futures.first_step),
    "province": ("s", 600, futures.province),
    "pages-open": ("s", 1.5, pages.opening),
    "pages-viewers": ("% of a core", 50, pages.viewers),
    "pages-trend": ("s", 1.0, pages.trend),
    "sweep-cores": ("× one core", 1.8, sweeps.two_cores),
    "sweep-overhead": ("%", 5.0, sweeps.overhead),
    "sweep-page": ("s", 1.5, sweeps.page),
}
AT_MOST = (
    "start",
    "surroundings",
    "year-memory",
    "judge",
    "opcua-round-trip",
    "opcua-jitter",
    "fork",
    "pages-open",
    "pages-viewers",
    "pages-trend",
    "sweep-overhead",
    "sweep-page",
    "province",
)  # here the bar is a ceiling


def run(only: str | None, echo: Callable[[str], None]) -> list[Row]:
    """Measure everything, or those whose name is, or begins with, `only`.

    Args:
        only: a benchmark, or the beginning of several, e.g. `kernel:`; None is all.
        echo: told what is under way.

    Returns:
        A row for each benchmark.

    Raises:
        BatchtwinError: E102 when no benchmark is so named.
    """
    chosen = [only] if only in BENCHMARKS else [name for name in BENCHMARKS if only is None or (only and name.startswith(only))]
    if not chosen:
        raise unknown("benchmark", str(only), BENCHMARKS)
    rows: list[Row] = []
    for name in chosen:
        unit, bar, measure = BENCHMARKS[name]
        echo(f"{name} ...")
        value, against, ok = measure()
        known = not math.isnan(value)
        if ok is not False and bar is not None and known:
            ok = value <= bar if name in AT_MOST else value >= bar
        rows.append(
            {"name": name, "value": float(f"{value:.4g}") if known else None, "unit": unit, "bar": bar, "ok": ok, "against": against}
        )
    return rows


__all__ = ["BENCHMARKS", "run"]
