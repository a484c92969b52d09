"""How soon a branch of a run steps, and how long a year of a province takes."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from batchtwin.bench.runs import Result
from scenarios.province.results import play
from scenarios.province.spec import load_province
from scenarios.simulation import Simulation


def first_step() -> Result:
    """A recorded working day after three hours, branched twice."""
    with tempfile.TemporaryDirectory(prefix="batchtwin-bench-") as folder, Simulation("working-day", out=Path(folder) / "run") as sim:
        sim.advance(3 * 3600)
        sim.flush()
        sim.advance(30)
        began = time.monotonic()
        futures = sim.fork({"a": lambda s: None, "b": lambda s: None}, sim.tick / 100 + 60, Path(folder) / "futures")
        futures.wait()
        took = min(futures.first_steps) - began
    return took, "from the wish to the first scan of the first branch; a recorded day of one line, after 3 h", None


def province() -> Result:
    """The model province, as it is today, and its tables and verdict."""
    plan = load_province("model-province").model_copy(update={"policies": {}})
    with tempfile.TemporaryDirectory(prefix="batchtwin-bench-") as folder:
        began = time.perf_counter()
        (row,) = play(plan, Path(folder) / "out")
        wall_s = time.perf_counter() - began
    enough = row["plants"] >= 400 and plan.days >= 365
    told = f"{row['plants']} plants, {plan.days} d, {row['ordered_m3']:.0f} m³ ordered, shared by price and distance, tables written and judged, one core"
    return wall_s, told if enough else f"{told}; NOT 400 plants and a year", None if enough else False
