"""From a delivery to its batches, lots, suppliers, deviations and cubes, and from a lot back to all deliveries that hold some of it.

A lot is an interval of the mass that ever came into a store, a weighing an interval of what ever left it: first in, first out, tracing
is the overlap of intervals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scenarios.run import Run
from twin.errors import BatchtwinError

Rows = list[dict[str, Any]]
DAY_S = 86400.0

BATCHES = """
SELECT b.number, b.time_s, b.volume_m3, b.water_binder, b.slump_mm, b.temperature_c, b.strength_28d_mpa, b.batch
FROM deliveries d JOIN batches b ON b.line = d.line AND b.number BETWEEN d.batch_from AND d.batch_to WHERE d.ticket = {ticket} ORDER BY b.number"""
WEIGHINGS = """
SELECT b.number, w.material, w.source, w.target_kg, w.true_kg, w.recorded_kg, 100 * (w.true_kg / nullif(w.target_kg, 0) - 1) AS off_percent, w.outside, w.disposition,
       w.cause, w.moisture, w.moisture_seen
FROM deliveries d JOIN batches b ON b.line = d.line AND b.number BETWEEN d.batch_from AND d.batch_to JOIN weighings w ON w.line = b.line AND w.batch = b.batch
WHERE d.ticket = {ticket} ORDER BY b.number, w.material, w.source"""
OVERLAP = "least(w.drawn_to_kg, l.in_to_kg) - greatest(w.drawn_from_kg, l.in_from_kg)"
LOTS = f"""
SELECT l.lot, l.material, l.store, l.supplier, l.arrived_s, l.moisture, l.kg AS lot_kg, sum({OVERLAP}) AS kg
FROM deliveries d JOIN batches b ON b.line = d.line AND b.number BETWEEN d.batch_from AND d.batch_to JOIN weighings w ON w.line = b.line AND w.batch = b.batch
JOIN lots l ON l.store = w.source AND l.in_from_kg < w.drawn_to_kg AND l.in_to_kg > w.drawn_from_kg
WHERE d.ticket = {{ticket}} GROUP BY ALL ORDER BY l.material, l.lot"""
# The load's own samples, and those of its mix on its day, one of which stands for it.
SAMPLES = """
SELECT CASE WHEN s.ticket = d.ticket THEN 'this load' ELSE 'same mix, same day' END AS "of", s.sample, s.inspection, s.time_s, s.ticket, s.number, s.lot_batches,
       s.slump_mm, s.slump_wanted_mm, s.slump_tolerance_mm, s.temperature_c
FROM deliveries d JOIN samples s ON s.grade = d.grade AND CASE s.inspection WHEN 'plant' THEN s.line = d.line ELSE s."order" = d."order" END
JOIN deliveries t ON t.ticket = s.ticket AND floor((t.left_s + {midnight}) / {day}) = floor((d.left_s + {midnight}) / {day})
WHERE d.ticket = {ticket} ORDER BY s.ticket <> d.ticket, s.sample"""
CUBES = """
SELECT sample, age_d, time_s, cube1_mpa, cube2_mpa, cube3_mpa, value_mpa, rule, fcu_k_mpa FROM cubes WHERE sample IN ({samples}) ORDER BY sample, age_d"""
TICKETS_OF_LOT = f"""
SELECT d.ticket, d."order", d.grade, d.left_s, d.outcome, min(b.number) AS batch_from, max(b.number) AS batch_to, sum({OVERLAP}) AS kg
FROM lots l JOIN weighings w ON w.source = l.store AND l.in_from_kg < w.drawn_to_kg AND l.in_to_kg > w.drawn_from_kg
JOIN batches b ON b.line = w.line AND b.batch = w.batch JOIN deliveries d ON d.line = b.line AND b.number BETWEEN d.batch_from AND d.batch_to
WHERE l.lot = {{lot}} GROUP BY ALL ORDER BY d.ticket"""


@dataclass(slots=True)
class Trace:
    """What is known of a load or of a lot: tables of rows by name, in the order of the way."""

    run: str
    of: dict[str, int]
    tables: dict[str, Rows] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"run": self.run, **self.of, **self.tables}


def trace_ticket(run: Run, ticket: int) -> Trace:
    """From a delivery back to everything it was made of, and what was found of it since.

    Raises:
        BatchtwinError: E401 when the run has no such ticket.
    """
    ask = _asker(run)
    delivery = ask("SELECT * FROM deliveries WHERE ticket = {ticket}", ticket=ticket)
    if not delivery:
        raise _none(run, "ticket", ticket, "deliveries")
    starts = str(run.info["scenario"]["starts"])[11:19].split(":")
    midnight = sum(int(x) * s for x, s in zip(starts, (3600, 60, 1), strict=False))
    samples = ask(SAMPLES, ticket=ticket, midnight=midnight, day=DAY_S)
    tables = {"delivery": delivery, "batches": ask(BATCHES, ticket=ticket), "weighings": ask(WEIGHINGS, ticket=ticket), "lots": ask(LOTS, ticket=ticket),
              "samples": samples, "cubes": ask(CUBES, samples=", ".join(str(s["sample"]) for s in samples) or "NULL")}  # fmt: skip
    for name in ("gate", "violations", "returned"):
        tables[name] = ask(f"SELECT * FROM {name} WHERE ticket = {{ticket}} ORDER BY time_s", ticket=ticket) if name in run.tables else []
    return Trace(str(run.path), {"ticket": ticket}, tables)


def trace_lot(run: Run, lot: int) -> Trace:
    """From a lot of material to all deliveries that hold some of it.

    Raises:
        BatchtwinError: E401 when the run has no such lot.
    """
    ask = _asker(run)
    found = ask("SELECT * FROM lots WHERE lot = {lot}", lot=lot)
    if not found:
        raise _none(run, "lot", lot, "lots")
    return Trace(str(run.path), {"lot": lot}, {"lot": found, "deliveries": ask(TICKETS_OF_LOT, lot=lot)})


def _asker(run: Run) -> Any:
    """A function that asks the run; it must have the tables of a whole trace."""
    for table in ("deliveries", "batches", "weighings", "lots", "samples", "cubes"):
        if table not in run.tables:
            raise BatchtwinError("E201", path=run.path, problem=f"it has no table {table}")
    return lambda query, **of: run.sql(query.format(**of)).to_pylist()


def _none(run: Run, column: str, number: int, table: str) -> BatchtwinError:
    low, high = run.sql(f"SELECT min({column}) AS a, max({column}) AS b FROM {table}").to_pylist()[0].values()
    mend = f"give {low} to {high}" if low is not None else "nothing of that kind is in the run"
    return BatchtwinError("E401", problem=f"{run.path} has no {column} {number}", mend=mend)
