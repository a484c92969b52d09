"""What a plant of a class can do and what it takes, as a few figures fitted to runs of the twin in `batch` fidelity.

A province plays whole days of whole plants with these figures: m³/h by line and by fleet, the share of late loads by how full a day is, and per
day what is taken by how much is made. Each is held against runs of the twin that the fit has not seen, by a test.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from scenarios import carbon
from scenarios.run import open_run
from scenarios.schema import Scenario
from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.design.schema import Design
from twin.equipment.part import Part

DAY_S = 86400.0
OPENS_S, CLOSES_S = 5 * 3600.0, 22 * 3600.0  # of the days that are fitted and played
OPEN_H = (CLOSES_S - OPENS_S) / 3600
GRADES = {"C15": 0.05, "C20": 0.1, "C25": 0.15, "C30": 0.4, "C35": 0.15, "C40": 0.1, "C50": 0.05}  # as in the packaged year
SEASONS = tuple(datetime(2026, month, 7) for month in (1, 4, 7, 10))  # rain and heat of a year
LEVELS = (0.1, 0.3, 0.5, 0.75)  # how full the fitted days are; nothing is known of fuller ones
WARM_D = 2  # days before those that count: tanks, roads and trucks begin clean and full
NEAR_S, MEAN_S, FAR_S = 480.0, 1500.0, 2700.0  # drives: the line is what limits, then the fleet
SITES, POUR_S = 24, 600.0  # of a day without end to its demand
SATURATED_H = (2.0, 8.0)  # hours of such a day that count
SPENT = {  # what a run spends, by SQL; `{s}` is when the days that count begin
    "kwh": "SELECT sum(kwh) FROM energy WHERE time_s > {s}",
    "water_kg": "SELECT sum(kg) FROM ledger WHERE source = 'mains' AND species = 'water' AND time_s > {s}",
    "discharge_kg": "SELECT sum(kg) FROM ledger WHERE target = 'discharge' AND time_s > {s}",
    "tip_kg": "SELECT sum(kg) FROM ledger WHERE target = 'tip' AND time_s > {s}",
    "dust_kg": "SELECT sum(tsp_kg) FROM emissions WHERE time_s > {s}",
}


class Use(Part):
    """What days take, by how much is made on them: straight between the fitted days, in proportion beyond the fullest."""

    m3: list[float] = Field(min_length=2, description="made on a day, from 0")
    used: list[float] = Field(min_length=2, description="on such a day")

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if len(self.m3) != len(self.used) or self.m3[0] != 0 or np.any(np.diff(self.m3) <= 0) or min(self.used) < 0:
            raise ValueError("m3 must grow from 0, and used have as many figures, none below 0")
        return self

    def of(self, m3: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of days with so much made."""
        return np.interp(m3, self.m3, self.used) + np.maximum(m3 - self.m3[-1], 0.0) * self.used[-1] / self.m3[-1]


class Surrogate(Part):
    """Figures of one plant class: a design with one fleet."""

    design: str
    line_m3_h: float = Field(gt=0, description="what the lines can do")
    trucks: int = Field(gt=0)
    truck_m3: float = Field(gt=0)
    turn_s: float = Field(gt=0, description="of a truck's round, all but the driving")
    traffic: float = Field(gt=0, description="driving over driving on a free road")
    full: list[float] = Field(min_length=2, description="booked share of a day")
    late: list[float] = Field(min_length=2, description="share of m³ poured late on such a day")
    kwh: Use
    water_kg: Use
    discharge_kg: Use
    tip_kg: Use
    dust_kg: Use
    co2_kg: Use = Field(description="modules A1 to A3")
    concrete_kg_m3: float = Field(gt=1000, lt=3500)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if len(self.full) != len(self.late) or np.any(np.diff(self.full) <= 0):
            raise ValueError("full must grow, and late have as many figures")
        return self

    def m3_h(self, drive_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a plant can make and deliver, m³/h: the line's rate, or the fleet's by its rounds, whichever is less.

        Args:
            drive_s: one way, mean, s.
        """
        return np.minimum(self.line_m3_h, 3600 * self.trucks * self.truck_m3 / (self.turn_s + 2 * self.traffic * drive_s))

    def late_share(self, full: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of m³ poured late on a day that is so full, between the fitted ones."""
        return np.interp(full, self.full, self.late)


# --- fitting ------------------------------------------------------------------------------------------------


def fit(design: str, days: int = 2, seed: int = 1, tell: Callable[[str], None] = lambda _: None) -> Surrogate:
    """Figures of a class from runs of the twin.

    Args:
        design: packaged name or file.
        days: that each level is played in each season.

    Raises:
        BatchtwinError: the design is wrong.
    """
    plan = load_design(design)
    fleet = plan.fleet
    line, mean, far = (saturated_m3_h(plan, drive_s, seed) for drive_s in (NEAR_S, MEAN_S, FAR_S))
    turn_s, traffic = rounds(3600 * fleet.trucks * fleet.capacity_m3, mean, far)
    tell(f"{design}: {line:.1f} m³/h near, {mean:.1f} midway, {far:.1f} far")
    able = min(line, mean) * OPEN_H
    rows = []
    for level in LEVELS:
        rows.append(year_of(plan, level * able, days, seed))
        tell(f"{design}: {rows[-1]['m3']:.0f} m³/d, {100 * rows[-1]['late']:.1f} % late")
    rows.sort(key=lambda row: row["m3"])
    m3 = np.array([r["m3"] for r in rows])
    uses = {name: through(m3, np.array([r[name] for r in rows])) for name in (*SPENT, "co2_kg")}
    late = np.maximum.accumulate([r["late"] for r in rows])
    return Surrogate(design=plan.name, line_m3_h=round(line, 2), trucks=fleet.trucks, truck_m3=fleet.capacity_m3, turn_s=round(turn_s, 1), traffic=round(traffic, 4), full=[0.0, *np.round(m3 / able, 4).tolist()],
                     late=[0.0, *np.round(late, 4).tolist()], concrete_kg_m3=round(sum(r["poured_kg"] for r in rows) / m3.sum(), 1), **uses)  # fmt: skip


def rounds(held: float, mean_m3_h: float, far_m3_h: float) -> tuple[float, float]:
    """`turn_s` and `traffic` of a fleet from what it delivers at two drives.

    Args:
        held: m³ of all trucks, times 3600.
    """
    slope = (held / far_m3_h - held / mean_m3_h) / (FAR_S - MEAN_S)
    turn_s = held / mean_m3_h - slope * MEAN_S
    return max(turn_s, 60.0), max(slope / 2, 0.1)


def through(m3: NDArray[np.float64], used: NDArray[np.float64]) -> Use:
    """The fitted days; a day without work takes what the line through the two emptiest says, not less than nothing and not more than the emptiest."""
    idle = used[0] - (used[1] - used[0]) / (m3[1] - m3[0]) * m3[0]
    return Use(m3=[0.0, *np.round(m3, 1).tolist()], used=[float(f"{v:.5g}") for v in (min(max(idle, 0.0), used[0]), *used)])


def year_of(plan: Design, m3_day: float, days: int, seed: int, drive_s: float | None = None) -> dict[str, float]:
    """Mean of days in each season; the rain is the same for each demand, so that it is not taken for its effect."""
    seen = [played(plan, m3_day, days, seed, starts, drive_s) for starts in SEASONS]
    return {name: sum(row[name] for row in seen) / len(seen) for name in seen[0]}


def played(plan: Design, m3_day: float, days: int, seed: int, starts: datetime, drive_s: float | None = None) -> dict[str, float]:
    """Days of the twin with so much demand, after some that do not count; figures a day, `late` a share of what was poured.

    Args:
        drive_s: mean one way; that of `Demand` when None.
    """
    demand: dict[str, Any] = {
        "annual_m3": m3_day * 365,
        "opens": OPENS_S,
        "closes": CLOSES_S,
        "grades": GRADES,
        "season": 0.0,
        "sunday_share": 1.0,
        "rain_share": 1.0,
    }
    scenario = _scenario(plan, (WARM_D + days) * DAY_S, seed, starts=starts, demand=demand | ({"drive": drive_s} if drive_s else {}))
    with tempfile.TemporaryDirectory(prefix="batchtwin-") as folder:
        Simulation(scenario, plan, fidelity="batch", out=Path(folder) / "run").run()
        run = open_run(Path(folder) / "run")

        def ask(query: str) -> float:
            return float(run.sql(f"SELECT coalesce(({query.format(s=WARM_D * DAY_S)}), 0) AS v").to_pylist()[0]["v"])

        out = {name: ask(query) / days for name, query in SPENT.items()}
        out["m3"] = ask("SELECT sum(volume_m3) FROM deliveries WHERE left_s > {s}") / days
        out["poured_kg"] = ask("SELECT sum(loaded_kg) FROM deliveries WHERE left_s > {s}") / days
        out["late"] = ask("SELECT sum(volume_m3) FILTER (pour_s > due_s + late_s) / sum(volume_m3) FROM deliveries WHERE pour_s > {s}")
        made = carbon.by_batch(run).query(f"time_s > {WARM_D * DAY_S}")
        out["co2_kg"] = float((made.total_kg - made.a4_kg).sum()) / days
        run.duck.close()
    return out


def saturated_m3_h(plan: Design, drive_s: float, seed: int) -> float:
    """What a plant delivers when there is always another site waiting, m³/h."""
    grades = [g for g, share in GRADES.items() for _ in range(max(round(share * SITES), 1))][:SITES]
    orders = [{"site": f"Site {k}", "grade": grades[k % len(grades)], "volume_m3": 1000, "start": OPENS_S, "drive": drive_s, "pour": POUR_S, "late": DAY_S}
              for k in range(SITES)]  # fmt: skip
    scenario = _scenario(plan, SATURATED_H[1] * 3600, seed, starts=datetime(2026, 4, 7, 5), orders=orders)
    with Simulation(scenario, plan, fidelity="batch") as sim:
        sim.advance_past(SATURATED_H[0] * 3600)
        before, began = sim.m3, sim.tick
        sim.advance(SATURATED_H[1] * 3600)
        return (sim.m3 - before) / (sim.tick - began) * 360_000


def _scenario(plan: Design, lasts_s: float, seed: int, **more: Any) -> Scenario:
    base = {"name": "fit", "title": {"en": "fit", "zh": "拟合"}, "design": plan.name, "starts": datetime(2026, 4, 7), "lasts": lasts_s, "seed": seed,
            "fidelity": "batch", "weather": {"climate": "wuhan"}}  # fmt: skip
    return Scenario.model_validate(base | more)


def errors(surrogate: Surrogate, seen: dict[str, float], drive_s: float) -> dict[str, float]:
    """How far the surrogate is from days that were played: relative, but `late` in shares.

    Args:
        seen: as `played` gives them.
        drive_s: mean one way.
    """
    m3 = np.array([seen["m3"]])
    out = {name: float(getattr(surrogate, name).of(m3)[0]) / seen[name] - 1 for name in (*SPENT, "co2_kg") if seen[name] > 0}
    full = m3 / (surrogate.m3_h(np.array([drive_s])) * OPEN_H)
    out["late"] = float(surrogate.late_share(full)[0]) - seen["late"]
    out["concrete_kg_m3"] = surrogate.concrete_kg_m3 / (seen["poured_kg"] / seen["m3"]) - 1
    return out


def fit_all(designs: Sequence[str], tell: Callable[[str], None]) -> dict[str, Any]:
    """Figures of several classes as a mapping for a YAML file."""
    return {name: fit(name, tell=tell).model_dump() for name in designs}
