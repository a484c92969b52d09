"""Speed of whole runs and of the physics alone, against real time."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

from scenarios.execution import with_lines
from scenarios.schema import Scenario, load_scenario
from scenarios.simulation import Simulation
from twin.clock import TICKS_PER_S
from twin.design.load import load_design
from twin.design.schema import Design
from twin.plant import steps

Result = tuple[float, str, bool | None]

YEAR_M3 = 500_000
FLEET_YEAR_M3 = 900_000
MOMENTS, APART_S, STRETCH_S, REPEATS = 20, 37, 5, 5  # where in the day, and for how long, the physics is timed


def timed(
    scenario: str | Scenario, fidelity: Literal["scan", "batch"], until_s: float | None = None, design: Design | None = None
) -> tuple[dict[str, Any], float]:
    """Play and record a scenario into a temporary folder; its outcome and the wall seconds of `Simulation.run`."""
    with tempfile.TemporaryDirectory(prefix="batchtwin-bench-") as folder:
        sim = Simulation(scenario, design, fidelity=fidelity, until_s=until_s, out=Path(folder) / "run")
        began = time.perf_counter()
        outcome = sim.run()
        return outcome, time.perf_counter() - began


def plant_year() -> Result:
    """A year of one line, all tables kept."""
    timed("plant-year", "batch", 86400)
    outcome, wall_s = timed("plant-year", "batch")
    m3 = outcome["m3"]
    told = f"real time: {outcome['sim_seconds'] / 86400:.0f} d, {m3:.0f} m³ in {wall_s:.1f} s, batch fidelity, all tables written"
    enough = m3 >= YEAR_M3
    return (
        outcome["sim_seconds"] / wall_s,
        told if enough else f"{told}; NOT a plant year: fewer than {YEAR_M3} m³",
        None if enough else False,
    )


def fleet_year() -> Result:
    """A year of three plants in one town, with 200 trucks between them, all tables kept."""
    base = with_lines(load_design("hzs180").model_dump(mode="json"), ["Line1", "Line2", "Line3"])
    base["fleet"] |= {"trucks": 200, "pumps": 25, "order_slots": 72}
    base["water"]["separator"] |= {"hopper_m3": 24, "flow_m3_h": 90, "solids_t_h": 30}  # three of hzs180's
    base["district"]["plants"] = {"Line2": "X12Y12", "Line3": "X18Y06"}
    design = Design.model_validate(base)
    plan, _ = load_scenario("plant-year", design)
    assert plan.demand is not None
    plan = plan.model_copy(update={"demand": plan.demand.model_copy(update={"annual_m3": FLEET_YEAR_M3})})
    timed(plan, "batch", 86400, design)
    outcome, wall_s = timed(plan, "batch", None, design)
    told = f"real time: {outcome['sim_seconds'] / 86400:.0f} d, 3 plants, 200 trucks, {outcome['loads']} loads, {outcome['m3']:.0f} m³ in {wall_s:.1f} s"
    return outcome["sim_seconds"] / wall_s, told, None


def scan() -> Result:
    """A working day with the controller called from Python at each scan of 100 ms."""
    timed("working-day", "scan", 60)
    runs = [timed("working-day", "scan") for _ in range(3)]
    wall_s = statistics.median(wall for _, wall in runs)
    outcome = runs[0][0]
    told = f"real time: {outcome['sim_seconds'] / 3600:.0f} h in {wall_s:.1f} s, 10 ms physics, 100 ms scans called from Python, all tables written; median of 3"
    return outcome["sim_seconds"] / wall_s, told, None


def physics() -> Result:
    """10 ms steps alone, from moments all over the batch cycle, with the actuators as they are at that moment."""
    with Simulation("working-day", fidelity="scan", until_s=7200) as sim:
        sim.advance(3600)
        state, arrays = sim.plant.state, sim.plant.arrays()
        heartbeat = sim.plant.table.index("Line1.Station.Heartbeat")
        walls, dosing = [], 0
        for _ in range(MOMENTS):
            sim.advance(APART_S)
            dosing += bool((state.feeders["opening"] > 0).any())
            kept = [a.copy() for a in arrays]
            tries = []
            for _ in range(REPEATS):
                wall_s = 0.0
                for _ in range(STRETCH_S):
                    state.io[heartbeat] = (state.io[heartbeat] + 1) % 1000  # else the watchdog shuts the gates
                    began = time.perf_counter()
                    steps(state, TICKS_PER_S)
                    wall_s += time.perf_counter() - began
                tries.append(wall_s)
                for a, k in zip(arrays, kept, strict=True):
                    a[...] = k
            walls.append(statistics.median(tries))
    told = f"real time: {MOMENTS} stretches of {STRETCH_S} s over the batch cycle in 10 ms steps, a feeder open in {dosing}; median of {REPEATS} each"
    return MOMENTS * STRETCH_S / sum(walls), told, None
