"""Scan and batch fidelity tell the same story: distributions by the Kolmogorov–Smirnov test, means within a percent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike


def ks_statistic(a: ArrayLike, b: ArrayLike) -> float:
    """Largest distance between two empirical distributions."""
    x, y = np.sort(a), np.sort(b)
    both = np.concatenate([x, y])
    return float(np.abs(np.searchsorted(x, both, "right") / len(x) - np.searchsorted(y, both, "right") / len(y)).max())


def ks_limit(n: int, m: int, alpha: float = 1e-4) -> float:
    """What the statistic exceeds with probability alpha when both come from one distribution (Smirnov)."""
    return float(np.sqrt(-0.5 * np.log(alpha / 2)) * np.sqrt((n + m) / (n * m)))


def test_the_statistic_itself() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=400), rng.normal(size=500)
    assert ks_statistic(a, a) == 0 and ks_statistic([0, 1], [2, 3]) == 1
    assert ks_statistic([1, 2, 3, 4], [3, 4, 5, 6]) == 0.5
    assert ks_statistic(a, b) < ks_limit(400, 500) < ks_statistic(a, b + 0.5)


@pytest.fixture(scope="module")
def scan(play: Callable[..., Any], mixed: Any) -> Any:
    return play(mixed, fidelity="scan")


@pytest.fixture(scope="module")
def batch(play: Callable[..., Any], mixed: Any) -> Any:
    return play(mixed, fidelity="batch")


def test_weighing_errors_are_spread_alike(scan: Any, batch: Any) -> None:
    s, b = (p.df("weighings").assign(error=lambda w: w.true_kg - w.target_kg).groupby("feeder", observed=True).error for p in (scan, batch))
    assert set(s.groups) == set(b.groups) and len(s.groups) >= 9
    for feeder in s.groups:
        one, two = s.get_group(feeder), b.get_group(feeder)
        if min(len(one), len(two)) > 30:
            assert ks_statistic(one, two) < ks_limit(len(one), len(two)), feeder


def test_cycle_times_are_alike(scan: Any, batch: Any) -> None:
    one, two = (np.diff(p.df("batches").time_s)[3:] for p in (scan, batch))
    assert len(one) > 150
    # The time of a batch is a whole number of scans; what matters is half a second.
    assert ks_statistic(np.round(one * 2), np.round(two * 2)) < max(ks_limit(len(one), len(two)), 0.2)
    assert two.mean() == pytest.approx(one.mean(), rel=0.01)


def test_the_same_is_used_per_cubic_metre(scan: Any, batch: Any) -> None:
    def per_m3(played: Any) -> dict[str, float]:
        w, made = played.df("weighings"), played.df("batches")
        m3 = len(made) * 3.0
        kg = w[w.batch <= made.batch.max()].groupby("material", observed=True).true_kg.sum() / m3
        return {str(m): float(v) for m, v in kg.items()}

    one, two = per_m3(scan), per_m3(batch)
    assert one.keys() == two.keys() and len(one) == 10
    for material, kg in one.items():
        # Slurry is dosed by the level of its basin, which follows the trucks that happen to come back.
        assert two[material] == pytest.approx(kg, rel=0.05 if material == "slurry_water" else 0.01), material


def test_the_same_volume_is_delivered_with_the_same_care(scan: Any, batch: Any) -> None:
    assert batch.outcome["m3"] == pytest.approx(scan.outcome["m3"], rel=0.015)
    for column, off in (("homogeneity", 0.001), ("water_binder", 0.003), ("temperature_c", 0.3), ("slump_mm", 4)):
        assert batch.df("batches")[column].mean() == pytest.approx(scan.df("batches")[column].mean(), abs=off), column
    one, two = ((p.df("weighings").disposition.astype(str) == "re-dosed").mean() for p in (scan, batch))
    assert two == pytest.approx(one, abs=0.03)
