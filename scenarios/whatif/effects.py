"""What matters most: main effects of a factorial, Sobol indices of a Saltelli sample, and the points that nothing beats (Pareto)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenarios.whatif.results import Sweep

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Effect:
    """What a factor does to a measure.

    Attributes:
        low, high: mean of the measure at the levels that make it least and most.
        at_low, at_high: those levels.
        share: of the variance over all runs that the factor's own mean explains, 0 to 1.
    """

    factor: str
    low: float
    high: float
    at_low: Any
    at_high: Any
    share: float

    @property
    def span(self) -> float:
        """From the least to the most."""
        return self.high - self.low


def effects(sweep: Sweep, measure: str) -> list[Effect]:
    """Main effects of the factors of a factorial, largest first (Montgomery, Design and Analysis of Experiments, 5.3).

    Runs that failed are left out; a factor then is compared over what is left, not in balance.
    """
    rows = [row for row in sweep.complete if row[measure] is not None]
    if not rows or sweep.spec.method != "factorial":
        return []
    grand = math.fsum(row[measure] for row in rows) / len(rows)
    whole = math.fsum((row[measure] - grand) ** 2 for row in rows)
    out = []
    for factor in sweep.spec.factors:
        groups: dict[Any, list[float]] = {}
        for row in rows:
            groups.setdefault(row[factor], []).append(row[measure])
        means = {level: math.fsum(v) / len(v) for level, v in groups.items()}
        low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        own = math.fsum(len(v) * (means[level] - grand) ** 2 for level, v in groups.items())
        out.append(Effect(factor, means[low], means[high], low, high, own / whole if whole else 0.0))
    return sorted(out, key=lambda e: -e.span)


@dataclass(frozen=True, slots=True)
class Index:
    """Sobol indices of a factor: share of the variance that it makes alone (`first`) and in all (`total`), with 95 % intervals."""

    factor: str
    first: float
    total: float
    first_low: float
    first_high: float
    total_low: float
    total_high: float


def sobol(sweep: Sweep, measure: str) -> list[Index]:
    """Sobol indices from a Saltelli sample, by SciPy (Saltelli 2010 for the first, Jansen for the total); seeds are averaged.

    Empty where a point has no result: the estimate needs them all.
    """
    spec = sweep.spec
    if spec.method != "saltelli" or not spec.factors:
        return []
    n, d = spec.samples, len(spec.factors)
    sums, counts = np.zeros(n * (d + 2)), np.zeros(n * (d + 2))
    for row in sweep.complete:
        if row[measure] is not None:
            sums[row["point"]] += row[measure]
            counts[row["point"]] += 1
    if not counts.all() or np.ptp(sums / counts) == 0:
        return []
    from scipy.stats import sobol_indices

    y = sums / counts
    y = y - y.mean()  # the estimators lose digits far from zero
    func = {"f_A": y[:n][None, :], "f_B": y[n : 2 * n][None, :], "f_AB": y[2 * n :].reshape(d, 1, n)}
    found = sobol_indices(func=func, n=n, rng=np.random.default_rng(spec.seed))
    spread = found.bootstrap(confidence_level=CONFIDENCE)
    first, total = spread.first_order.confidence_interval, spread.total_order.confidence_interval
    out = [
        Index(path, *(float(v.ravel()[i]) for v in (found.first_order, found.total_order, first.low, first.high, total.low, total.high)))
        for i, path in enumerate(spec.factors)
    ]
    return sorted(out, key=lambda e: -e.total)


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which points no other beats, where less is better of both; in the order of the first."""
    best, out = math.inf, []
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        if points[i][1] < best:
            best = points[i][1]
            out.append(i)
    return out


def rank_correlations(sweep: Sweep, measure: str) -> list[tuple[str, float]]:
    """Spearman's rank correlation of each drawn factor with a measure, strongest first; factors that are no numbers are left out."""
    rows = [row for row in sweep.complete if row[measure] is not None]
    if sweep.spec.method not in ("monte-carlo", "lhs", "sobol") or len(rows) < 3 or len({row[measure] for row in rows}) == 1:
        return []
    from scipy.stats import rankdata

    y = rankdata([row[measure] for row in rows])
    out = []
    for factor in sweep.spec.factors:
        x = [row[factor] for row in rows]
        if not isinstance(x[0], str) and len(set(x)) > 1:
            out.append((factor, float(np.corrcoef(rankdata(x), y)[0, 1])))
    return sorted(out, key=lambda pair: -abs(pair[1]))
