"""Benchmarks of sweeps: two cores against one, what a sweep adds to its runs, and its page in a browser."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from batchtwin.bench.pages import served
from batchtwin.bench.runs import Result
from scenarios.whatif.measures import MEASURES
from scenarios.whatif.play import Plan
from scenarios.whatif.results import Results, Sweep
from scenarios.whatif.spec import Spec, bases
from scenarios.whatif.sweep import sweep

RUNS, FEWER = 1000, 160
PAGES = 3


def _plan(runs: int) -> Plan:
    """Working days up to noon with other fleets and other weather: eight seeds a point."""
    factors = {"fleet.trucks": [25, 30, 35, 40, 45], "fleet.battery": [0, 5, 10, 15, 20], "weather.air_c": [5, 15, 20, 25, 30]}
    spec = Spec.model_validate({"name": "bench", "until": "5h", "seeds": max(runs // 125, 1), "factors": factors})
    return Plan(spec, bases(spec, Path()))


def _played(runs: int, cores: int) -> tuple[float, list[dict[str, Any]]]:
    """Wall seconds of a sweep, from its results to the last of them, and its rows."""
    plan = _plan(runs)
    with tempfile.TemporaryDirectory(prefix="batchtwin-bench-") as folder:
        began = time.perf_counter()
        results = Results(Path(folder) / "sweep", plan)
        sweep(plan, results, cores=cores)
        results.close()
        return time.perf_counter() - began, Sweep(Path(folder) / "sweep").rows


def two_cores() -> Result:
    """How much faster a sweep is on two cores than on one."""
    if len(os.sched_getaffinity(0)) < 2:
        return 1.0, "this machine has one core only", False
    one, rows = _played(FEWER, 1)
    two, again = _played(FEWER, 2)
    same = [r["state_hash"] for r in rows] == [r["state_hash"] for r in again]
    return (
        one / two,
        f"one core: {len(rows)} runs in {one:.1f} s, {two:.1f} s on two; {'the same' if same else 'OTHER'} bits",
        None if same else False,
    )


def overhead() -> Result:
    """What a sweep adds to the runs' own time (putting the plant up and playing), in percent: changes, measures, hand-over, files."""
    cores = min(len(os.sched_getaffinity(0)), 2)
    wall_s, rows = _played(RUNS, cores)
    own_s = sum(row["wall_s"] for row in rows)
    failed = sum(row["state"] != "complete" for row in rows)
    told = f"{len(rows)} runs of {own_s / len(rows):.2f} s on {cores} core(s) in {wall_s:.1f} s, kernels loaded and all measures taken"
    return 100 * (wall_s * cores / own_s - 1), told + (f"; {failed} FAILED" if failed else ""), False if failed else None


def page() -> Result:
    """Time until a browser that has nothing in its cache has drawn the comparison of a thousand runs, s: as `batchtwin dash` serves it, and as a file."""
    from dashboards.compare import write_page

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        return float("nan"), "no Chromium on this machine", False
    from playwright.sync_api import sync_playwright

    plan, draw = _plan(RUNS), random.Random(1)
    with tempfile.TemporaryDirectory(prefix="batchtwin-bench-") as folder:
        results = Results(Path(folder) / "sweeps" / "thousand", plan)
        for number in range(len(plan)):
            results.add(plan.about(number) | {"state": "complete", "error": None} | {m: draw.gauss(100, 5) for m in MEASURES})
        results.close()
        file = write_page(Sweep(Path(folder) / "sweeps" / "thousand"), Path(folder) / "page.html")
        with served(str(Path(folder) / "runs")) as (url, _), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            at = {"served": f"{url.rstrip('/')}/compare/thousand#en", "file": f"file://{file}#en"}
            took = {how: statistics.median(_drawn(browser, address) for _ in range(PAGES)) for how, address in at.items()}
            browser.close()
    told = f"{len(plan)} runs, the charts in view drawn in headless Chromium, median of {PAGES}; opened as a file: {took['file']:.2f} s"
    return took["served"], told, None


def _drawn(browser: Any, address: str) -> float:
    """Seconds from asking for a page to its charts."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_function("document.documentElement.dataset.drawn")
    seconds = float(tab.evaluate("document.documentElement.dataset.drawn")) / 1000
    context.close()
    return seconds
