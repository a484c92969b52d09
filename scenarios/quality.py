"""Quality control: samples of the concrete at the plant and on the site, their cubes, and whether a grade is accepted.

Frequencies by GB/T 14902-2012 9.3 and GB 50204 (recalled; the same wording found second-hand), value of a set of cubes by
GB/T 50081 (found second-hand), acceptance by GB/T 50107-2010 (found: facts gb50107.*). See docs/quality.md.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from twin.design.schema import Design, Recipe
from twin.kernels.random import normal, uniform
from twin.kernels.strength import WITHIN_TEST_COV, strength_mpa
from twin.ledger import SPECIES

DAY_S = 86400.0
AGES_D = (7, 28)
PERIOD_D = 90.0  # of acceptance, and what the next one's sigma comes from; 60 to 90 d, GB/T 50107-2010 5.1.3 (found)
SLUMP_TEST_SD_MM = 10.0  # of one operator at 85–165 mm, ASTM C143 (recalled: 0.38–0.40 in)
Row = tuple[dict[str, NDArray[Any]], int]  # columns of a table of batches, and the place of one in them
DRAW, PICK, SLUMP, CUBE = 910_001, 910_002, 910_003, 910_100  # entities of the noise; a cube's is CUBE + age


@dataclass(frozen=True, slots=True)
class Inspection:
    """How often is sampled: at least once in so many batches and so many m³ of a mix, and once a shift."""

    name: str
    batches: int
    m3: float


PLANT = Inspection("plant", 100, math.inf)
SITE = Inspection("site", 100, 100.0)
BATCH = ("line", "number", "time_s", "volume_m3", "slump_mm", "temperature_c", "age_s", *(f"{s}_kg" for s in SPECIES))
TICKET = ("ticket", "order", "grade", "line", "batch_from", "batch_to", "volume_m3", "left_s")
ON_SITE = ("queued_s", "arrived_s", "poured_s", "slump_site_mm", "temperature_site_c", "age_site_min")  # null where the tickets have none
SAMPLE = pa.schema([
    ("sample", pa.int64()), ("inspection", pa.string()), ("time_s", pa.float64()), ("grade", pa.string()), ("order", pa.string()), ("line", pa.string()),
    ("ticket", pa.int64()), ("number", pa.int64()), ("lot_batches", pa.int64()), ("lot_m3", pa.float64()), ("slump_mm", pa.float64()),
    ("slump_wanted_mm", pa.float64()), ("slump_tolerance_mm", pa.float64()), ("temperature_c", pa.float64()), ("age_min", pa.float64()),
    ("fcu_k_mpa", pa.float64()), ("due_7d_s", pa.float64()), ("due_28d_s", pa.float64()),
])  # fmt: skip
CUBES = pa.schema([
    ("sample", pa.int64()), ("inspection", pa.string()), ("grade", pa.string()), ("fcu_k_mpa", pa.float64()), ("taken_s", pa.float64()), ("time_s", pa.float64()),
    ("age_d", pa.int64()), ("cube1_mpa", pa.float64()), ("cube2_mpa", pa.float64()), ("cube3_mpa", pa.float64()), ("value_mpa", pa.float64()), ("rule", pa.string()),
])  # fmt: skip


@dataclass(slots=True)
class Lot:
    """What one sample stands for, and the load that drew the lowest number so far."""

    inspection: str
    shift: int
    batches: int = 0
    m3: float = 0.0
    lowest: float = math.inf
    ticket: dict[str, Any] = field(default_factory=dict)
    at: list[Row] = field(default_factory=list)


class Laboratory:
    """Takes samples as a run is collected and tests their cubes when they are due.

    A load of each lot is drawn at random, each batch alike: the laboratory knows the day's programme. So a sample appears
    once its lot is full or its shift over. What is drawn hangs on the tickets' order alone, not on how they come in pieces.

    Args:
        design: whose recipes say what slump and strength are wanted.
        seed: of the run.
        starts_s: time of day at which the run starts, s.
        shift_s: length of a shift; shifts count from midnight, by the time at which a load leaves.

    Attributes:
        tell: called with each sample at the plant and with the time at which its load came to the line, s.
    """

    def __init__(self, design: Design, seed: int, starts_s: float = 0.0, shift_s: float = DAY_S) -> None:
        self.recipes = {r.grade: r for r in design.recipes}
        self.seed, self.starts_s, self.shift_s = seed, starts_s, shift_s
        self._batches: dict[tuple[str, int], Row] = {}  # whose ticket is not here yet
        self._seen: dict[str, int] = {}  # number of the last batch of each line
        self._tickets: deque[dict[str, Any]] = deque()  # whose batches are not all here yet, and those behind
        self._lots: dict[tuple[str, ...], Lot] = {}
        self._samples: list[dict[str, Any]] = []
        self._curing: list[tuple[int, dict[str, Any], list[float]]] = []
        self._taken = 0
        self.tell: Callable[[dict[str, Any], float], None] | None = None
        self._shift = -1  # the latest that a load left in

    def learn(self, recipe: Recipe) -> None:
        """Take up a recipe that came during the run."""
        self.recipes[recipe.grade] = recipe

    def take(self, batches: pa.Table, tickets: pa.Table, everything: bool = False) -> pa.Table:
        """Samples of the lots that these rows complete.

        Args:
            batches, tickets: new rows of `batches` and `deliveries`; columns `BATCH`, `TICKET` and, where there are, `ON_SITE`.
            everything: the run is over: close all lots.

        Returns:
            Rows of `SAMPLE`.
        """
        columns = {c: batches[c].to_numpy() for c in BATCH if c != "line"}
        for i, key in enumerate(zip(batches["line"].cast(pa.string()).to_numpy(), columns["number"].tolist(), strict=True)):
            self._batches[key] = columns, i
            self._seen[key[0]] = key[1]
        self._tickets.extend(tickets.select([*TICKET, *(c for c in ON_SITE if c in tickets.column_names)]).to_pylist())
        while self._tickets and (everything or self._ready(self._tickets[0])):
            self._deal(self._tickets.popleft())
        if everything:
            for lot in list(self._lots):
                self._close(lot)
        new, self._samples = self._samples, []
        return pa.Table.from_pylist(new, schema=SAMPLE)

    def test(self, now_s: float) -> pa.Table:
        """Results of the cubes that are due by now and not reported yet, rows of `CUBES`. Cubes never foretell."""
        due = sorted(
            (s["time_s"] + age * DAY_S, s["sample"], age, i)
            for i, (age, s, _) in enumerate(self._curing)
            if s["time_s"] + age * DAY_S <= now_s
        )
        rows = [self._crush(*self._curing[i]) for *_, i in due]
        gone = {i for *_, i in due}
        self._curing = [c for i, c in enumerate(self._curing) if i not in gone]
        return pa.Table.from_pylist(rows, schema=CUBES)

    def _ready(self, ticket: dict[str, Any]) -> bool:
        """Are the batches of a load here, or were they? They come in order; a load that went on to another site has a second ticket."""
        return ticket["batch_to"] <= self._seen.get(ticket["line"], 0) or ticket["batch_to"] < ticket["batch_from"]

    def _deal(self, ticket: dict[str, Any]) -> None:
        """Count a load into its lots."""
        numbers = range(ticket["batch_from"], ticket["batch_to"] + 1)
        at = [found for n in numbers if (found := self._batches.pop((ticket["line"], n), None))]
        shift = math.floor((ticket["left_s"] + self.starts_s) / self.shift_s)
        if shift > self._shift:
            self._shift = shift
            for over in [key for key, lot in self._lots.items() if lot.shift < shift]:
                self._close(over)
        if not at:
            return
        self._count(PLANT, (PLANT.name, ticket["line"], ticket["grade"]), shift, ticket, at)
        if ticket.get("poured_s") is not None:
            self._count(SITE, (SITE.name, ticket["order"], ticket["grade"]), shift, ticket, at)

    def _count(self, plan: Inspection, key: tuple[str, ...], shift: int, ticket: dict[str, Any], at: list[Row]) -> None:
        lot = self._lots.get(key)
        if lot and (lot.batches + len(at) > plan.batches or lot.m3 + ticket["volume_m3"] > plan.m3 + 1e-9):
            self._close(key)
            lot = None
        if lot is None:
            lot = self._lots[key] = Lot(plan.name, shift)
        lot.batches += len(at)
        lot.m3 += ticket["volume_m3"]
        # The first of exponential clocks, one a load, each as fast as its number of batches: each batch is drawn alike.
        number = -math.log(uniform(self.seed, DRAW + (plan is SITE) * 10, ticket["ticket"])) / len(at)
        if number < lot.lowest:
            lot.lowest, lot.ticket, lot.at = number, ticket, at

    def _close(self, key: tuple[str, ...]) -> None:
        """Take the lot's sample: of one batch at the mixer, or on the site of the load, whose batches are one by then."""
        lot = self._lots.pop(key)
        ticket, rows = lot.ticket, [{c: column[i].item() for c, column in columns.items()} for columns, i in lot.at]
        self._taken += 1
        recipe, plant = self.recipes.get(ticket["grade"]), lot.inspection == PLANT.name
        if plant:
            one = rows[int(uniform(self.seed, PICK, ticket["ticket"]) * len(rows))]
            rows, taken_s = [one], one["time_s"]
            slump, warm, age_min = one["slump_mm"], one["temperature_c"], one["age_s"] / 60
        else:
            taken_s = ticket["poured_s"] if ticket.get("arrived_s") is None else ticket["arrived_s"]
            slump, warm, age_min = (ticket.get(c) for c in ("slump_site_mm", "temperature_site_c", "age_site_min"))
        if slump is not None:
            read = slump + SLUMP_TEST_SD_MM * normal(self.seed, SLUMP, self._taken)
            slump = max(5.0 * round(read / 5.0), 0.0)  # reported to 5 mm, GB/T 50080 (recalled)
        sample = {"sample": self._taken, "inspection": lot.inspection, "time_s": taken_s, "grade": ticket["grade"], "order": ticket["order"],
                  "line": ticket["line"], "ticket": ticket["ticket"], "number": rows[0]["number"] if plant else None, "lot_batches": lot.batches,
                  "lot_m3": lot.m3, "slump_mm": slump, "slump_wanted_mm": recipe and recipe.slump_mm, "temperature_c": warm, "age_min": age_min,
                  "slump_tolerance_mm": recipe and slump_tolerance_mm(recipe.slump_mm), "fcu_k_mpa": recipe and recipe.strength_mpa,
                  "due_7d_s": taken_s + 7 * DAY_S, "due_28d_s": taken_s + 28 * DAY_S}  # fmt: skip
        self._samples.append(sample)
        if self.tell and plant and recipe:
            self.tell(sample, ticket["queued_s"])
        volume_m3 = max(sum(r["volume_m3"] for r in rows), 1e-6)
        kg_m3 = [sum(r[f"{s}_kg"] for r in rows) / volume_m3 for s in SPECIES]
        self._curing += [(age_d, sample, kg_m3) for age_d in AGES_D]

    def _crush(self, age_d: int, sample: dict[str, Any], kg_m3: list[float]) -> dict[str, Any]:
        """Three cubes about the model's mean for these masses; the scatter in `strength_28d_mpa` of a batch is not used."""
        cement, fly_ash, slag, sand, stone, water, admixture, fines = kg_m3
        mean = strength_mpa(cement, slag, fly_ash, water, admixture, float(age_d), stone, sand + fines)
        noise = [normal(self.seed, CUBE + age_d, 3 * sample["sample"] + k) for k in range(3)]
        a, b, c = (round(max(mean * (1 + WITHIN_TEST_COV * z), 0.0), 1) for z in noise)
        value, rule = value_of_set(a, b, c)
        out = {k: sample[k] for k in ("sample", "inspection", "grade", "fcu_k_mpa")}
        return out | {"taken_s": sample["time_s"], "time_s": sample["time_s"] + age_d * DAY_S, "age_d": age_d, "cube1_mpa": a, "cube2_mpa": b,
                      "cube3_mpa": c, "value_mpa": value, "rule": rule}  # fmt: skip


def slump_tolerance_mm(wanted_mm: float) -> float:
    """Tolerance on a slump, ± mm: 10 to 40 mm, 20 below 100 mm, 30 from 100 mm (GB/T 14902-2012 ch. 6; recalled)."""
    return 10.0 if wanted_mm <= 40 else 20.0 if wanted_mm < 100 else 30.0


def value_of_set(a: float, b: float, c: float) -> tuple[float | None, str]:
    """Value of a set of three cubes and how it was found: `mean`, `middle` or `void` (GB/T 50081; found second-hand), MPa.

    Example:
        >>> value_of_set(42.0, 45.0, 47.0), value_of_set(42.0, 45.0, 55.0), value_of_set(30.0, 45.0, 61.0)
        ((44.7, 'mean'), (45.0, 'middle'), (None, 'void'))
    """
    low, middle, high = sorted((a, b, c))
    off = (middle - low > 0.15 * middle + 1e-9) + (high - middle > 0.15 * middle + 1e-9)
    return (None, "void") if off == 2 else (middle, "middle") if off else (round((a + b + c) / 3, 1), "mean")


# --- acceptance, GB/T 50107-2010 ----------------------------------------------------------------------------------------

LEAST_SIGMA_MPA = 2.5  # facts gb50107.sigma_floor (found)
SETS_FOR_SIGMA = 45  # facts gb50107.s0_sample (found)
LAMBDA = ((20, 0.95, 0.85), (15, 1.05, 0.85), (10, 1.15, 0.90))  # sets from, λ1, λ2; facts gb50107.lambda (found)


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: `what` (`mean` or `least`) is at least a limit, which is `by` this formula."""

    what: str
    value_mpa: float
    limit_mpa: float
    by: str

    @property
    def ok(self) -> bool:
        return self.value_mpa >= self.limit_mpa - 1e-9


@dataclass(frozen=True, slots=True)
class Verdict:
    """Acceptance of some sets: `known`, `unknown` or `none` of the sigma methods; `sigma_mpa` as it was used."""

    method: str
    sets: int
    sigma_mpa: float | None
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(c.ok for c in self.checks)

    @property
    def failed(self) -> list[Check]:
        """Why it is not accepted."""
        return [c for c in self.checks if not c.ok]


def sigma0_mpa(before_mpa: ArrayLike) -> float | None:
    """Known standard deviation from the sets of the period before, at least 2.5 MPa; None when they are fewer than 45."""
    f = np.asarray(before_mpa, dtype=float)
    return None if len(f) < SETS_FOR_SIGMA else max(float(np.std(f, ddof=1)), LEAST_SIGMA_MPA)


def known_sigma(three_mpa: Sequence[float], fcu_k_mpa: float, sigma_mpa: float) -> Verdict:
    """Three sets in a row, sigma known (5.1.2)."""
    if len(three_mpa) != 3:
        raise ValueError("a lot of this method is three sets")
    share = 0.85 if fcu_k_mpa <= 20 else 0.90
    checks = (
        Check("mean", sum(three_mpa) / 3, fcu_k_mpa + 0.7 * sigma_mpa, "fcu,k + 0.7 σ0"),
        Check("least", min(three_mpa), fcu_k_mpa - 0.7 * sigma_mpa, "fcu,k − 0.7 σ0"),
        Check("least", min(three_mpa), share * fcu_k_mpa, f"{share:.2f} fcu,k"),
    )
    return Verdict("known", 3, sigma_mpa, checks)


def unknown_sigma(sets_mpa: ArrayLike, fcu_k_mpa: float) -> Verdict:
    """Ten sets or more, sigma from themselves and at least 2.5 MPa (5.1.3)."""
    f = np.asarray(sets_mpa, dtype=float)
    if len(f) < 10:
        raise ValueError("this method needs ten sets")
    mean_by, least_by = next((a, b) for sets, a, b in LAMBDA if len(f) >= sets)
    sigma = max(float(np.std(f, ddof=1)), LEAST_SIGMA_MPA)
    mean = Check("mean", float(f.mean()), fcu_k_mpa + mean_by * sigma, f"fcu,k + {mean_by:.2f} s")
    return Verdict("unknown", len(f), sigma, (mean, Check("least", float(f.min()), least_by * fcu_k_mpa, f"{least_by:.2f} fcu,k")))


def no_statistics(sets_mpa: ArrayLike, fcu_k_mpa: float) -> Verdict:
    """Fewer than ten sets (5.2.2)."""
    f = np.asarray(sets_mpa, dtype=float)
    if not 1 <= len(f) < 10:
        raise ValueError("this method is for one to nine sets")
    by = 1.10 if fcu_k_mpa >= 60 else 1.15
    mean = Check("mean", float(f.mean()), by * fcu_k_mpa, f"{by:.2f} fcu,k")
    return Verdict("none", len(f), None, (mean, Check("least", float(f.min()), 0.95 * fcu_k_mpa, "0.95 fcu,k")))


def judge(taken_s: ArrayLike, sets_mpa: ArrayLike, fcu_k_mpa: float, period_s: float = PERIOD_D * DAY_S) -> list[tuple[int, Verdict]]:
    """Period and verdict of a grade's 28-day sets; void sets (NaN) are left out.

    With 45 sets in the period before, sigma is known: lots of three in a row, and what is left over without statistics.
    Else ten sets or more are one lot with sigma unknown, and fewer one without statistics.
    """
    t, f = np.asarray(taken_s, dtype=float), np.asarray(sets_mpa, dtype=float)
    order = np.argsort(t, kind="stable")
    order = order[np.isfinite(f[order])]
    t, f, out = t[order], f[order], []
    period = np.floor(t / period_s).astype(int)
    for p in np.unique(period):
        sets, sigma = f[period == p], sigma0_mpa(f[period == p - 1])
        if sigma is not None:
            whole = len(sets) // 3 * 3
            out += [(int(p), known_sigma(list(sets[i : i + 3]), fcu_k_mpa, sigma)) for i in range(0, whole, 3)]
            sets = sets[whole:]
        if len(sets):
            out.append((int(p), (unknown_sigma if len(sets) >= 10 else no_statistics)(sets, fcu_k_mpa)))
    return out


# --- control charts -----------------------------------------------------------------------------------------------------

D2, D4 = 1.128, 3.267  # of the range of two (Shewhart; ISO 7870-2)


@dataclass(frozen=True, slots=True)
class ControlChart:
    """Individuals and moving range: limits, and for each rule of `RULES` the points at which it is broken."""

    centre: float
    sigma: float
    low: float
    high: float
    moving_range: NDArray[np.float64]
    range_high: float
    signals: dict[str, list[int]]


def _windows(z: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Each `width` values in a row."""
    return np.lib.stride_tricks.sliding_window_view(z, width) if len(z) >= width else np.empty((0, width))


def broken(z: NDArray[np.float64]) -> dict[str, list[int]]:
    """Points at which a run rule is broken (Nelson 1984, numbers 1, 2, 3, 5, 6), of values in sigmas from the centre."""
    out = {"beyond-3": np.flatnonzero(np.abs(z) > 3.0)}
    for rule, least, width, beyond in (("nine-one-side", 9, 9, 0.0), ("two-of-three", 2, 3, 2.0), ("four-of-five", 4, 5, 1.0)):
        w = _windows(z, width)
        out[rule] = np.flatnonzero(np.maximum((w > beyond).sum(1), (w < -beyond).sum(1)) >= least) + width - 1
    w = np.sign(np.diff(_windows(z, 6), axis=1)).sum(1)
    out["six-trending"] = np.flatnonzero(np.abs(w) == 5) + 5
    return {rule: [int(i) for i in at] for rule, at in out.items()}


def control_chart(values: ArrayLike) -> ControlChart | None:
    """Limits 3 sigma about the mean, sigma from the mean moving range; None for fewer than two values."""
    v = np.asarray(values, dtype=float)
    if len(v) < 2:
        return None
    ranges = np.abs(np.diff(v))
    centre, spread = float(v.mean()), float(ranges.mean())
    sigma = spread / D2
    signals = broken((v - centre) / sigma) if sigma > 0 else broken(np.zeros(0))
    signals["range"] = [int(i) + 1 for i in np.flatnonzero(ranges > D4 * spread)]
    return ControlChart(centre, sigma, centre - 3 * sigma, centre + 3 * sigma, ranges, D4 * spread, signals)
