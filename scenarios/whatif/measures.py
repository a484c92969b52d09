"""What is read off each run of a sweep: a name, a unit, both languages, and which way is better."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from scenarios import carbon, cost
from scenarios.run import Run

if TYPE_CHECKING:
    from scenarios.judging.book import Book
    from scenarios.judging.declared import Declared


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a run."""

    unit: str
    en: str
    zh: str
    better: Literal["less", "more", ""] = ""


MEASURES: dict[str, Measure] = {
    "m3": Measure("m³", "Concrete delivered", "供应方量", "more"),
    "loads": Measure("", "Loads", "车次"),
    "on_time_percent": Measure("%", "Pours begun in time", "按时开始浇筑比例", "more"),
    "late_min": Measure("min", "Mean delay of a pour", "平均浇筑延误", "less"),
    "queue_min": Measure("min", "Mean wait of a truck for the bay", "车辆平均候装时间", "less"),
    "out_of_tolerance_percent": Measure("%", "Weighings out of tolerance", "计量超差比例", "less"),
    "returned_m3": Measure("m³", "Concrete that came back", "退回混凝土", "less"),
    "cost_cny": Measure("CNY", "Cost with capital", "总成本（含资本）", "less"),
    "cost_cny_m3": Measure("CNY/m³", "Cost of a cubic metre", "每方成本", "less"),
    "capital_cny": Measure("CNY", "Capital's part of it", "其中资本成本", "less"),
    "co2_kg": Measure("kg CO2e", "Carbon, A1–A4", "碳排放 A1–A4", "less"),
    "co2_kg_m3": Measure("kg CO2e/m³", "Carbon of a cubic metre", "每方碳排放", "less"),
    "grid_kwh": Measure("kWh", "Electricity from the grid", "电网用电", "less"),
    "mains_m3": Measure("m³", "Water from the mains", "自来水用量", "less"),
    "discharge_m3": Measure("m³", "Water that left the site", "外排水量", "less"),
    "dust_kg": Measure("kg", "Dust to the open air (TSP)", "无组织粉尘排放 (TSP)", "less"),
    "noise_db": Measure("dB(A)", "Loudest at the fence", "厂界最大噪声", "less"),
    "clauses_passed": Measure("", "Clauses passed", "通过条款数", "more"),
    "clauses_failed": Measure("", "Musts failed", "不通过的强制条款数", "less"),
}


def measures(run: Run, prices: cost.Prices) -> dict[str, float | None]:
    """All measures of a run but those of clauses; what nothing tells is None."""
    outcome, trips, ledger = run.outcome, run.table("deliveries"), run.table("ledger")
    poured = trips.filter(pc.is_valid(trips["pour_s"]))
    late_s = pc.subtract(poured["pour_s"], pc.add(poured["due_s"], poured["late_s"]))
    grid, bought = carbon.energy(run), carbon.bought_share(run)
    spent, co2_kg = cost.breakdown(run, prices, grid, bought), carbon.total_kg(run, grid, bought)
    m3, cny = float(outcome["m3"]), sum(spent.values())
    return {
        "m3": m3, "loads": float(outcome["loads"]),
        "on_time_percent": _percent(pc.sum(pc.less_equal(late_s, 0.0)).as_py(), len(poured)),
        "late_min": _minutes(pc.subtract(poured["pour_s"], poured["due_s"])),
        "queue_min": _minutes(pc.subtract(trips["at_bay_s"], trips["queued_s"])),
        "out_of_tolerance_percent": _percent(outcome["out_of_tolerance"], outcome["weighings"]),
        "returned_m3": cost.total(run.table("returned"), "volume_m3"),
        "cost_cny": cny, "cost_cny_m3": cny / m3 if m3 else None, "capital_cny": spent["capital"],
        "co2_kg": co2_kg, "co2_kg_m3": co2_kg / m3 if m3 else None, "grid_kwh": float(grid.grid_kwh.sum()),
        "mains_m3": round(cost.moved_kg(ledger, "mains", "source") / 1000, 9), "discharge_m3": round(cost.moved_kg(ledger, "discharge") / 1000, 9),
        "dust_kg": cost.total(run.table("emissions"), "tsp_kg"), "noise_db": pc.max(run.table("boundary")["laeq_db"]).as_py(),
    }  # fmt: skip


def clauses(run: Run, criteria: str, declared: Declared | None = None) -> dict[str, Any]:
    """Verdict by a rule book, with what the plant declares: how many clauses pass, how many musts fail, and each clause's result as JSON."""
    from scenarios.judging.judge import Judge
    from scenarios.judging.subject import Subject

    verdict = Judge(_book(criteria), Subject(run), declared).verdict()
    found = {c.id: c.result for c in verdict.clauses}
    failed = sum(c.must and c.result == "fail" for c in verdict.clauses)
    return {"clauses_passed": float(verdict.counts["pass"]), "clauses_failed": float(failed), "clauses": json.dumps(found)}


@lru_cache(maxsize=4)
def _book(criteria: str) -> Book:
    from scenarios.judging.book import load_book

    return load_book(criteria)


def _percent(part: float | None, whole: int) -> float | None:
    return 100.0 * (part or 0) / whole if whole else None


def _minutes(seconds: pa.ChunkedArray) -> float | None:
    mean = pc.mean(seconds).as_py()
    return None if mean is None else mean / 60
