"""Variants side by side: means with confidence intervals, and differences from the base in pairs of common seeds.

Runs of one seed have the same orders, weather and scatter where nothing is changed; the difference of a pair is much surer than that of two means.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from scenarios.whatif.measures import MEASURES
from scenarios.whatif.results import Sweep

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and how far the true one may lie from it at 95 %; `half` is None for a single value."""

    mean: float
    half: float | None
    n: int

    @property
    def sure(self) -> bool:
        """Does it leave out zero?"""
        return self.half is not None and abs(self.mean) > self.half


@cache
def _quantile(freedom: int, p: float) -> float:
    """Of Student's t-distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, p))


def interval(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """Student's t-interval of a mean (Law, Simulation Modeling and Analysis, 4.5); None of no values."""
    n = len(values)
    if not n:
        return None
    mean = math.fsum(values) / n
    if n < 2:
        return Interval(mean, None, n)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Interval(mean, _quantile(n - 1, 0.5 + level / 2) * deviation / math.sqrt(n), n)


def paired(base: dict[Any, float], variant: dict[Any, float], level: float = LEVEL) -> Interval | None:
    """Interval of the mean difference, variant less base, over what both have in common (ibid. 10.2.1)."""
    return interval([variant[key] - base[key] for key in base if key in variant], level)


@dataclass(frozen=True, slots=True)
class Compared:
    """A measure of a variant, and its difference from the base (None for the base itself)."""

    variant: str
    measure: str
    value: Interval
    difference: Interval | None

    def as_json(self) -> dict[str, Any]:
        """For `--json` and the pages."""
        found, diff = self.value, self.difference
        out: dict[str, Any] = {
            "variant": self.variant,
            "measure": self.measure,
            "unit": MEASURES[self.measure].unit,
            "mean": found.mean,
            "half": found.half,
            "n": found.n,
        }
        if diff is not None:
            out |= {"difference": diff.mean, "difference_half": diff.half, "pairs": diff.n, "sure": diff.sure}
        return out


def variants(sweep: Sweep) -> list[str]:
    """Names of the variants, in the order of the plan; the first is the base."""
    return list(dict.fromkeys(row["variant"] for row in sweep.rows))


def compared(sweep: Sweep, base: str | None = None) -> list[Compared]:
    """All measures of all variants beside the base, which is the first when none is named."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in variants(sweep)}
    for row in sweep.complete:
        runs[row["variant"]].append(row)
    base = next(iter(runs), "") if base is None else base
    out = []
    for measure in sweep.measures:
        zero = _values(runs.get(base, []), measure)
        for name, rows in runs.items():
            own = _values(rows, measure)
            found = interval(list(own.values()))
            if found is not None:
                out.append(Compared(name, measure, found, None if name == base else paired(zero, own)))
    return out


def _values(rows: list[dict[str, Any]], measure: str) -> dict[Any, float]:
    """A measure by what runs have in common with those of other variants."""
    return {(row["scenario"], row["design"], row["seed"]): row[measure] for row in rows if row[measure] is not None}


def clause_results(sweep: Sweep) -> dict[str, dict[str, dict[str, int]]]:
    """By clause and variant, how many runs came to which result; empty without a rule book."""
    out: dict[str, dict[str, Counter[str]]] = {}
    for row in sweep.complete:
        for clause, result in json.loads(row["clauses"] or "{}").items():
            out.setdefault(clause, {}).setdefault(row["variant"], Counter())[result] += 1
    return {clause: {name: dict(c) for name, c in of.items()} for clause, of in out.items()}
