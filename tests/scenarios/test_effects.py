"""Truth: intervals that cover as they say, effects and indices of cases with a known answer, through the path that sweeps take."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sweeping import plan_of, swept

from scenarios.whatif.compare import compared, interval, paired
from scenarios.whatif.effects import effects, pareto, rank_correlations, sobol
from scenarios.whatif.play import Plan

A, B = 7.0, 0.1  # of Ishigami's function


def closed_queue(rng: np.random.Generator, runs: int, customers: int, mu: tuple[float, float], events: int) -> np.ndarray[Any, Any]:
    """Mean number at the first of two exponential servers that a closed loop of customers goes round, over a stretch of each run.

    It starts from its stationary law, so that the expectation of the mean is the closed form, whatever the stretch.
    """
    law = stationary(customers, mu)
    at = rng.choice(customers + 1, size=runs, p=law)
    total = np.zeros(runs)
    for _ in range(events):  # uniformised: each event at the same rate, some change nothing
        draw = rng.random(runs) * (mu[0] + mu[1])
        total += at
        at = np.where(draw < mu[0], np.maximum(at - 1, 0), np.minimum(at + 1, customers))
    return total / events


def stationary(customers: int, mu: tuple[float, float]) -> np.ndarray[Any, Any]:
    """Law of the number at the first server: geometric, cut at the number of customers (Gordon and Newell 1967)."""
    p = (mu[1] / mu[0]) ** np.arange(customers + 1)
    return p / p.sum()


def expected(customers: int, mu: tuple[float, float]) -> float:
    return float(stationary(customers, mu) @ np.arange(customers + 1))


def test_intervals_cover_the_closed_form_of_a_queue_as_often_as_they_say() -> None:
    rng, seeds, times, base, faster = np.random.default_rng(1), 8, 3000, (1.0, 0.9), (1.2, 0.9)
    true = expected(5, faster) - expected(5, base)
    today = closed_queue(rng, seeds * times, 5, base, 60).reshape(times, seeds)
    then = closed_queue(rng, seeds * times, 5, faster, 60).reshape(times, seeds)
    single = pair = 0
    for one, two in zip(today, then, strict=True):
        mean = interval(list(one))
        diff = paired(dict(enumerate(one)), dict(enumerate(two)))
        assert mean and diff and mean.half and diff.half
        single += abs(mean.mean - expected(5, base)) <= mean.half
        pair += abs(diff.mean - true) <= diff.half
    margin = 4 * math.sqrt(0.95 * 0.05 / times)  # four deviations of a fair count
    assert single / times == pytest.approx(0.95, abs=margin)
    assert pair / times == pytest.approx(0.95, abs=margin)


def test_pairs_are_of_common_seeds_only() -> None:
    found = paired({1: 10.0, 2: 20.0, 3: 30.0}, {2: 21.0, 3: 33.0, 4: 0.0})
    assert found and (found.mean, found.n) == (2.0, 2)
    assert found.half == pytest.approx(12.706205 * 1.0, rel=1e-6)  # t of one degree of freedom, deviation √2 over √2
    alone = interval([3.0])
    assert alone and alone.half is None and not alone.sure and interval([]) is None


def ishigami(plan: Plan, number: int) -> dict[str, Any]:
    x, y, z = (plan.changes(plan.job(number))[p] for p in plan.spec.factors)
    value = math.sin(x) + A * math.sin(y) ** 2 + B * z**4 * math.sin(x)
    return plan.about(number) | {"state": "complete", "error": None, "m3": value, "wall_s": 0.0}


def test_sobol_indices_of_ishigamis_function(tmp_path: Path) -> None:
    reach = {"uniform": [-math.pi, math.pi]}
    paths = ("weather.air_c", "orders.0.at.0", "orders.0.at.1")  # three fields that take any number
    plan = plan_of(tmp_path, factors=dict.fromkeys(paths, reach), method="saltelli", samples=1024, changes={"orders.0.at": [0.0, 0.0]})
    _, done = swept(tmp_path / "out", plan, cores=1, player=ishigami)
    found = {index.factor: index for index in sobol(done, "m3")}
    v1, v2, v13 = 0.5 * (1 + B * math.pi**4 / 5) ** 2, A**2 / 8, B**2 * math.pi**8 * (1 / 18 - 1 / 50)
    whole = v1 + v2 + v13
    for path, first, total in zip(paths, (v1, v2, 0.0), (v1 + v13, v2, v13), strict=True):
        assert found[path].first == pytest.approx(first / whole, abs=0.03)
        assert found[path].total == pytest.approx(total / whole, abs=0.03)
        assert found[path].first_low <= found[path].first <= found[path].first_high
    assert effects(done, "m3") == []


def test_main_effects_of_played_runs_are_those_of_the_orders(tmp_path: Path) -> None:
    factors = {"orders.0.volume_m3": [6, 12], "orders.1.volume_m3": [6, 18], "weather.swing_c": [2, 4]}
    _, done = swept(tmp_path / "out", plan_of(tmp_path, factors=factors), cores=2)
    found = effects(done, "m3")
    assert [(e.factor, e.span, e.at_low, e.at_high) for e in found] == [
        ("orders.1.volume_m3", 12.0, 6.0, 18.0), ("orders.0.volume_m3", 6.0, 6.0, 12.0), ("weather.swing_c", 0.0, 2.0, 2.0)]  # fmt: skip
    assert [e.share for e in found] == pytest.approx([0.8, 0.2, 0.0])
    sides = compared(done, "orders.0.volume_m3=6, orders.1.volume_m3=6, weather.swing_c=2")
    most = next(c for c in sides if c.measure == "m3" and "0.volume_m3=12, orders.1.volume_m3=18, weather.swing_c=4" in c.variant)
    assert most.difference and most.difference.mean == 18.0 and most.value.mean == 30.0


def test_drawn_factors_are_ranked_by_how_surely_they_move_a_measure(tmp_path: Path) -> None:
    def steep(plan: Plan, number: int) -> dict[str, Any]:
        up, down, _ = (plan.changes(plan.job(number))[p] for p in plan.spec.factors)
        return plan.about(number) | {"state": "complete", "error": None, "m3": 0.1 * up - 10.0 * math.exp(down), "wall_s": 0.0}

    factors = {"weather.air_c": {"uniform": [0, 1]}, "weather.swing_c": {"uniform": [0, 5]}, "weather.season_c": {"uniform": [0, 5]}}
    _, done = swept(tmp_path / "out", plan_of(tmp_path, factors=factors, method="lhs", samples=200), cores=1, player=steep)
    ranks = rank_correlations(done, "m3")
    assert ranks[0][0] == "weather.swing_c" and ranks[0][1] < -0.999  # straight or not, it always falls
    assert all(abs(r) < 0.2 for _, r in ranks[1:])


def test_pareto_points_are_beaten_by_nobody() -> None:
    points = [(1.0, 5.0), (2.0, 5.0), (2.0, 3.0), (3.0, 4.0), (4.0, 1.0), (4.0, 2.0)]
    assert pareto(points) == [0, 2, 4]
