"""The queue that weighbridge, chargers and wash stand on, against closed forms; and a fleet at one bay as a closed queue."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest

from twin.engine import Server

TICKS = 1000  # of a mean service, so that rounding to ticks does not show
CUSTOMERS = 1_000_000


def waits(gaps: np.ndarray, services: np.ndarray, places: int = 1) -> float:
    """Mean wait in services of customers that come one after the other."""
    server, now, total = Server(places), 0, 0
    for gap, service in zip(gaps.tolist(), services.tolist(), strict=True):
        now += gap
        begins, _ = server.take(now, service)
        total += begins - now
    return total / len(gaps) / TICKS


def drawn(seed: int, mean: float, count: int = CUSTOMERS) -> np.ndarray:
    print(f"seed {seed}")
    return np.rint(np.random.default_rng(seed).exponential(mean * TICKS, count)).astype(np.int64)


def test_one_server_with_random_service_is_m_m_1() -> None:
    """Mean wait ρ/(1 − ρ) services (Kleinrock 1975, 3.2); at ρ = 0.5 three million customers give a standard error of 0.3 %."""
    assert waits(drawn(1, 2.0, 3 * CUSTOMERS), drawn(2, 1.0, 3 * CUSTOMERS)) == pytest.approx(1.0, rel=0.01)


def test_one_server_with_constant_service_is_m_d_1() -> None:
    """Mean wait ρ/(2(1 − ρ)) services (Pollaczek–Khinchine)."""
    assert waits(drawn(3, 1 / 0.6), np.full(CUSTOMERS, TICKS)) == pytest.approx(0.6 / 0.8, rel=0.01)


def test_several_servers_are_m_m_c() -> None:
    """Erlang C for three places at 70 % load."""
    c, a = 3, 2.1
    queue = a**c / math.factorial(c) / (1 - a / c)
    chance = queue / (sum(a**k / math.factorial(k) for k in range(c)) + queue)
    assert waits(drawn(5, 1 / a, 3 * CUSTOMERS), drawn(6, 1.0, 3 * CUSTOMERS), c) == pytest.approx(chance / (c - a), rel=0.015)


def throughput(trucks: int, away: float, cycles: int, seed: int) -> float:
    """Loads a service time of a fleet at one bay: away for an exponential time, loaded for an exponential time."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    server, ends = Server(), 0
    back = [(int(t), k) for k, t in enumerate(rng.exponential(away * TICKS, trucks))]
    heapq.heapify(back)
    out, loads = rng.exponential(away * TICKS, cycles).tolist(), rng.exponential(TICKS, cycles).tolist()
    for k in range(cycles):
        now, truck = heapq.heappop(back)
        _, ends = server.take(now, round(loads[k]))
        heapq.heappush(back, (ends + round(out[k]), truck))
    return cycles / ends * TICKS


@pytest.mark.parametrize(("trucks", "away"), [(4, 5.0), (10, 8.0), (20, 12.0)])
def test_a_fleet_at_one_bay_is_the_machine_repair_model(trucks: int, away: float) -> None:
    """Throughput 1 − p0 with p0⁻¹ = Σ N!/(N−k)! (s/a)^k (Palm's machine interference) at 10⁶ cycles within 1 %."""
    p0 = 1 / sum(math.perm(trucks, k) * away**-k for k in range(trucks + 1))
    assert throughput(trucks, away, CUSTOMERS, seed=trucks) == pytest.approx(1 - p0, rel=0.01)
