"""The search for a dispatch plan: optimal where the optimum is known, never against a rule, the same bits for the same seed."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from control.dispatch import Plan, Problem, Search, solve


def make(trucks: list[tuple[int, int, int]], sites: list[tuple[int, int, int]], lag: int = 5, way: int = 5, place: int = 0) -> Problem:
    """One station `way` minutes from every site. Trucks: capacity, pour, free from. Sites: demand, opens, closes."""
    k, n = np.array(trucks, np.int64), np.array(sites, np.int64)
    ways = np.full((1, len(n)), way, np.int64)
    return Problem(*k.T, np.full((len(k), 1), place, np.int64), ways, ways.T.copy(), *n.T, np.full(len(n), lag, np.int64))


def best(problem: Problem, steps: int = 400) -> int:
    return solve(problem, seed=1, steps=steps).delivered


# --- optima by hand -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trucks", "lag", "optimum"),
    [
        (1, 10, 40),  # pours at 5, 25, 45, 65: a truck comes back every 10 + 2 × 5 minutes, just within the lag
        (1, 9, 0),  # a minute less and no pour may follow the first
        (2, 0, 40),  # two trucks take turns without a pause
    ],
)
def test_one_site_by_hand(trucks: int, lag: int, optimum: int) -> None:
    assert best(make([(10, 10, 0)] * trucks, [(40, 0, 75)], lag=lag)) == optimum


def test_the_window_is_used_to_the_minute() -> None:
    assert best(make([(10, 10, 0)], [(10, 0, 15)])) == 10  # arrives at 5, pours until 15
    assert best(make([(10, 10, 0)], [(10, 0, 14)])) == 0


def test_an_early_pour_waits_for_the_late_truck() -> None:
    """The second truck is there at 45 at the earliest; the first must hold its pour back to 30 for the lag of 5."""
    plan = solve(make([(10, 10, 0), (10, 10, 40)], [(20, 0, 60)]), seed=1, steps=50).plan
    assert plan.pour_min.tolist() == [30, 45] and plan.truck.tolist() == [0, 1]


def test_the_larger_order_wins_a_truck_that_can_serve_one() -> None:
    assert best(make([(30, 10, 0)], [(10, 10, 20), (30, 10, 20), (20, 10, 20)])) == 30


def test_the_last_load_is_the_rest_and_pours_no_shorter() -> None:
    plan = solve(make([(10, 10, 0), (10, 10, 0)], [(15, 0, 40)]), seed=1, steps=50).plan
    assert sorted(plan.volume.tolist()) == [5, 10] and np.diff(plan.pour_min).min() >= 10


def test_trucks_start_from_where_they_are() -> None:
    plan = solve(make([(10, 10, 7)], [(10, 0, 90)], place=20), seed=1, steps=20).plan
    assert plan.load_min.tolist() == [27] and plan.pour_min.tolist() == [32]


def test_the_nearer_station_loads_and_the_truck_leaves_it_as_late_as_it_can() -> None:
    ways = np.array([[9], [3]], np.int64)
    one = np.array([10], np.int64)
    problem = Problem(one, one, 0 * one, np.array([[0, 2]], np.int64), ways, ways.T.copy(), one, 20 + 0 * one, 60 + 0 * one, one)
    plan = solve(problem, seed=1, steps=20).plan
    assert plan.station.tolist() == [1] and plan.load_min.tolist() == [17] and plan.pour_min.tolist() == [20]


# --- optima by exhaustion -----------------------------------------------------------------------------------------


def random_problem(chance: np.random.Generator) -> Problem:
    trucks, stations, sites = chance.integers(1, 3), chance.integers(1, 3), chance.integers(2, 5)
    capacity = chance.integers(2, 5, trucks)
    demand = chance.integers(2, 9, sites)
    opens = chance.integers(0, 14, sites)

    def ways(*shape: int) -> np.ndarray[Any, Any]:
        return chance.integers(1, 5, shape)

    return Problem(
        capacity, chance.integers(2, 5, trucks), chance.integers(0, 5, trucks), ways(trucks, stations), ways(stations, sites),
        ways(sites, stations), demand, opens, opens + demand + chance.integers(2, 9, sites), chance.integers(0, 4, sites),
    )  # fmt: skip


def exhaustive(p: Problem) -> int:
    """Best volume by trying every next pour in order of time, minute by minute."""
    trucks, sites = range(len(p.capacity)), range(len(p.demand))

    @cache
    def most(now: int, truck_at: tuple[tuple[int, int], ...], rest: tuple[int, ...], ended: tuple[int, ...]) -> float:
        """`truck_at`: last site (-1: where it began) and since when it is free; `ended`: of the last pour, -1 without any."""
        open_sites = [i for i in sites if ended[i] >= 0 and rest[i] > 0]
        top = -np.inf if open_sites else 0.0
        for k in trucks:
            at, free = truck_at[k]
            to_station = p.place_to_station_min[k] if at < 0 else p.site_to_station_min[at]
            for i in sites:
                if rest[i] <= 0:
                    continue
                there = max(now, free + int((to_station + p.station_to_site_min[:, i]).min()), int(p.opens_min[i]), ended[i])
                last = int(p.closes_min[i] - p.pour_min[k])
                if ended[i] >= 0:
                    last = min(last, ended[i] + int(p.max_lag_min[i]))
                for start in range(there, last + 1):
                    end = start + int(p.pour_min[k])
                    left = max(0, rest[i] - int(p.capacity[k]))
                    after = most(start, put(truck_at, k, (i, end)), put(rest, i, left), put(ended, i, end))
                    top = max(top, after + (int(p.demand[i]) if left == 0 else 0))
        return top

    def put(row: tuple[Any, ...], place: int, value: Any) -> tuple[Any, ...]:
        return (*row[:place], value, *row[place + 1 :])

    start = tuple((-1, int(t)) for t in p.free_from_min)
    return int(most(0, start, tuple(int(q) for q in p.demand), (-1,) * len(p.demand)))


@pytest.mark.parametrize("seed", range(40))
def test_no_exhaustive_search_finds_more(seed: int) -> None:
    print(f"seed {seed}")
    problem = random_problem(np.random.default_rng(seed))
    assert best(problem, steps=1500) == exhaustive(problem)


# --- repeatable ---------------------------------------------------------------------------------------------------


def day(seed: int) -> Problem:
    chance = np.random.default_rng(seed)
    sites = [(int(q), int(a), int(a + 2 * q)) for q, a in zip(chance.integers(5, 60, 25), chance.integers(20, 200, 25), strict=True)]
    return make([(10, 10, 0), (15, 15, 0), (15, 15, 0), (20, 20, 30)], sites, way=8)


def same(a: Plan, b: Plan) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_same_seed_and_steps_same_bits_however_cut() -> None:
    problem = day(3)
    whole, cut = Search(problem, 5), Search(problem, 5)
    whole.run(6000)  # beyond the first round of cooling
    for piece in (1, 99, 4950, 950):
        cut.run(piece)
    assert whole.steps == cut.steps == 6000 and same(whole.plan(), cut.plan())
    assert same(solve(problem, seed=5, steps=6000).plan, whole.plan())
    others = [solve(problem, seed=seed, steps=200).plan for seed in range(4)]
    assert not all(same(others[0], other) for other in others[1:])


def test_the_unit_of_volume_changes_nothing() -> None:
    """Four times the numbers, exactly representable: the same bits."""
    problem = day(5)
    fourfold = problem._replace(capacity=4 * problem.capacity, demand=4 * problem.demand)
    plan, other = (solve(p, seed=1, steps=400).plan for p in (problem, fourfold))
    assert same(plan._replace(volume=4 * plan.volume), other)


def test_a_time_limit_tells_the_steps_to_repeat_it() -> None:
    problem = day(4)
    timed = solve(problem, seed=2, seconds=0.3)
    again = solve(problem, seed=2, steps=timed.steps)
    assert timed.steps > 0 and timed.delivered == again.delivered and same(timed.plan, again.plan)


def test_more_steps_are_never_worse_and_stop_is_obeyed() -> None:
    problem = day(6)
    search = Search(problem, 1)
    found = [search.run(200) for _ in range(10)]
    assert found == sorted(found) and found[-1] > 0
    first = solve(problem, seed=1, steps=10_000, enough=found[0])
    assert first.delivered >= found[0] and first.steps <= 200
    assert solve(problem, seed=1, seconds=60, stop=lambda: True).steps == 0
