"""How fast the surroundings are: the plume against plain NumPy, and what a year with them costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchtwin.bench import numpy_twins
from batchtwin.bench.runs import Result
from scenarios.schema import load_scenario
from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.design.schema import Design
from twin.design.water import WaterLoop
from twin.equipment.basin import Basin
from twin.kernels import dispersion

SOURCES, RECEPTORS, MINUTES = 40, 24, 20_000  # a big plant, its stations and neighbours, two weeks
PLAIN_MINUTES = 1_000  # as many as NumPy is asked for
REPEATS = 5
DAYS = 60
TOLERANCE = 1e-9

Case = Any  # points, owner, receptors, wind from, wind, stability, urban, rate


series: Any = dispersion.series


def case(minutes: int) -> Case:
    """Points, owners, receptors, weather, rates; the same whenever it is asked for."""
    rng = np.random.default_rng(11)
    points = np.c_[rng.uniform(0, 200, (SOURCES, 2)), rng.uniform(1, 20, SOURCES), rng.uniform(0.5, 5, (SOURCES, 2)), np.ones(SOURCES)]
    receptors = np.c_[rng.uniform(-150, 350, (RECEPTORS, 2)), np.full(RECEPTORS, 4.0)]
    weather = rng.uniform(0, 360, minutes), rng.uniform(0.5, 8, minutes), rng.integers(0, 6, minutes)
    return points, np.arange(SOURCES), receptors, *weather, True, rng.uniform(0.1, 1, (minutes, SOURCES))


def best_s(play: Callable[[], Any]) -> float:
    """Least time of several turns, the first being warm-up."""
    play()
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        play()
        took.append(time.perf_counter() - began)
    return min(took)


def plume() -> Result:
    """Times faster than NumPy for the same minutes."""
    few = case(PLAIN_MINUTES)
    out: NDArray[np.float64] = np.zeros((PLAIN_MINUTES, RECEPTORS))
    fast = best_s(lambda: series(*few, out))
    plain = numpy_twins.plumes(*few)
    agree = bool(np.allclose(out, plain, rtol=TOLERANCE, atol=1e-18))
    slow = best_s(lambda: numpy_twins.plumes(*few))
    told = f"plain NumPy, {SOURCES} sources × {RECEPTORS} receptors × {PLAIN_MINUTES} minutes, {1000 * slow:.0f} ms"
    return slow / fast, told if agree else f"{told}; DISAGREE", None if agree else False


def pairs() -> Result:
    """Million source-receptor evaluations a second; only those downwind of their source are counted."""
    many = case(MINUTES)
    out: NDArray[np.float64] = np.zeros((MINUTES, RECEPTORS))
    took = best_s(lambda: series(*many, out))
    points, _, receptors, wind = many[0], many[1], many[2], np.radians(many[3] + 180)
    dx, dy = receptors[:, None, 0] - points[None, :, 0], receptors[:, None, 1] - points[None, :, 1]
    downwind = sum(int((dx * np.sin(a) + dy * np.cos(a) >= dispersion.NEAR_M).sum()) for a in wind[:500]) / 500 * MINUTES
    every = SOURCES * RECEPTORS * MINUTES
    return downwind / took / 1e6, f"{every / took / 1e6:.0f} million with the pairs upwind", None


def bare(design: Design) -> Design:
    """The same plant without its surroundings: no stations, sprays, hoods or surfaces, and slurry water from an endless basin."""
    slurry = Basin(volume_m3=100_000, area_m2=1.0, initial_share=0.9, covered=True)
    lines = {name: line.model_copy(update={"collectors": {}}) for name, line in design.lines.items()}
    pumps = {name: pump for name, pump in design.water.pumps.items() if pump.source == "Slurry"}
    water = WaterLoop(basins={"Slurry": slurry}, pumps=pumps)
    site = design.site.model_copy(update={"monitors": {}, "sprays": {}})
    return design.model_copy(update={"lines": lines, "water": water, "site": site})


def surroundings() -> Result:
    """How many times longer a run takes with air, noise and water than without."""
    full = load_design("hzs180")
    scenario, _ = load_scenario("plant-year", full)
    took = {}
    for name, design in (("with", full), ("without", bare(full))):
        for days in (1, DAYS):  # the first is warm-up
            sim = Simulation(scenario, design, until_s=days * 86400.0)
            began = time.perf_counter()
            sim.run()
            took[name] = time.perf_counter() - began
    return took["with"] / took["without"], f"{DAYS} days of the plant year, {took['with']:.1f} s against {took['without']:.1f} s", None
