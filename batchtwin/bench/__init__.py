"""Benchmarks: how fast batchtwin is on this machine, each figure a ratio measured in one run against the plain alternative.

Every benchmark is a row: `name`, `value`, `unit`, `bar` (None when there is none), `ok` (None without a bar) and `against`,
one line on what it was compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batchtwin.bench import kernels, processes, runs
from twin.errors import unknown

Row = dict[str, Any]

# A benchmark is given the rows so far, and returns its value and what it was compared with; `ok` None leaves it to the bar.
BENCHMARKS: dict[str, tuple[str, float | None, Callable[[list[Row]], tuple[float, str, bool | None]]]] = {
    "plant-year": ("× real time", 1_000_000, lambda _: runs.plant_year()),
    "scan": ("× real time", 2_000, lambda _: runs.scan()),
    "physics": ("× real time", 10_000, lambda _: runs.physics()),
    **{f"kernel:{name}": ("×", k.bar, lambda _, k=k: kernels.compare(k)) for name, k in kernels.KERNELS.items()},
    "kernels": ("×", kernels.BAR, kernels.overall),
    "start": ("s", 2.5, lambda _: processes.start()),
    "year-memory": ("×", 1.25, lambda _: processes.year_memory()),
    "compile": ("s", None, lambda _: processes.compile_cold()),
}
AT_MOST = ("start", "year-memory")  # here the bar is a ceiling


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
        value, against, ok = measure(rows)
        if ok is not False and bar is not None:
            ok = value <= bar if name in AT_MOST else value >= bar
        rows.append({"name": name, "value": float(f"{value:.4g}"), "unit": unit, "bar": bar, "ok": ok, "against": against})
    return rows


__all__ = ["BENCHMARKS", "run"]
