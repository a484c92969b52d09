"""Truck loads: cumulative deviation against its tolerance, and whether each load was dosed to its grade's recipe."""

from __future__ import annotations

from typing import Any

from dashboards.facts import Facts, values
from dashboards.pieces import Note, Table, Text, flag, heads, num, percent

CAP = 200
# Tolerance of what a truck load got, share of target (GB/T 14902-2012 7.3; recalled, not checked against the standard).
TOLERANCE = {
    "cement": 0.01,
    "fly_ash": 0.01,
    "slag": 0.01,
    "sand": 0.02,
    "stone": 0.02,
    "water": 0.01,
    "slurry_water": 0.01,
    "admixture": 0.01,
}
DRY = ("cement", "fly_ash", "slag", "admixture")  # targets not corrected for moisture
RECIPE_GAP = 0.01  # targets of a load this far from its recipe are another recipe's

SUMS = """
CREATE OR REPLACE TEMP TABLE load_weighings AS
WITH tolerances (material, tolerance) AS (VALUES {tolerances}),
     sums AS (SELECT b.ticket, b.grade, w.line, w.material, sum(w.target_kg) AS target_kg, sum(w.true_kg) / sum(w.target_kg) - 1 AS off
              FROM load_batches b JOIN weighings w USING (line, batch) WHERE b.ticket IS NOT NULL AND w.target_kg > 0 GROUP BY ALL)
SELECT sums.*, tolerance, abs(off) > tolerance + 1e-9 AS outside FROM sums LEFT JOIN tolerances USING (material)"""

STATISTICS = """
SELECT material, count(*) AS n, avg(off) AS mean, stddev_samp(off) AS sd, min(off) AS low, max(off) AS high, any_value(tolerance) AS tolerance,
       count(*) FILTER (outside) AS outside
FROM load_weighings GROUP BY material ORDER BY material"""

OUTSIDE = f"""
SELECT * FROM (SELECT * FROM load_weighings WHERE outside ORDER BY abs(off) / tolerance DESC, ticket, material LIMIT {CAP}) ORDER BY ticket, material"""

# The worst material of each load whose targets are not its recipe's.
MISTAKEN = """
CREATE OR REPLACE TEMP TABLE mistaken_loads AS
WITH recipes (grade, material, kg_m3) AS (VALUES {recipes}),
     wanted AS (SELECT w.*, d.volume_m3 * r.kg_m3 AS wanted_kg, target_kg / (d.volume_m3 * r.kg_m3) - 1 AS gap
                FROM load_weighings w JOIN deliveries d USING (ticket) JOIN recipes r ON r.grade = w.grade AND r.material = w.material)
SELECT * FROM wanted WHERE abs(gap) > {gap} QUALIFY row_number() OVER (PARTITION BY ticket ORDER BY abs(gap) DESC, material) = 1"""


def items(facts: Facts) -> list[Any]:
    """All that the report says about loads."""
    if not facts.has("deliveries", "batches"):
        return [
            Note(
                Text("No load has a ticket yet, so there is no cumulative deviation per truck load.", "尚无送货单，无法统计车累计偏差。"),
                "nothing",
            )
        ]
    species = {name: m["species"] for name, m in facts.design.get("materials", {}).items()}
    tolerances = values((name, TOLERANCE.get(s)) for name, s in species.items())
    facts.run.duck.execute(SUMS.format(tolerances=tolerances))
    found = facts.rows(STATISTICS)
    if not found:
        return [Note(Text("No weighing belongs to a load with a ticket.", "没有可归入送货单的计量记录。"), "nothing")]
    return [statistics(facts, found), *outside(facts), recipes(facts, species)]


def statistics(facts: Facts, found: list[dict[str, Any]]) -> Table:
    """Cumulative deviation of the loads, by material."""
    head = heads("Material|材料", "Loads|车数", "Mean, %|平均 %", "SD, %|标准差 %", "Least, %|最小 %", "Greatest, %|最大 %", "Tolerance, ± %|允许偏差 ± %",
                 "Loads outside|超差车数", "Within|合格率")  # fmt: skip
    rows = [[facts.material(r["material"]), num(r["n"]), num(100 * r["mean"], 3), num(r["sd"] and 100 * r["sd"], 3), num(100 * r["low"], 2),
             num(100 * r["high"], 2), num(r["tolerance"] and 100 * r["tolerance"], 1), flag(num(r["outside"]), r["outside"] > 0),
             percent(1 - r["outside"] / r["n"])] for r in found]  # fmt: skip
    note = Text(
        "All batches of a ticket together, true mass. Cumulative tolerance: GB/T 14902-2012 7.3, recalled — unverified.",
        "同一送货单各盘合计，按真实质量。累计允许偏差：GB/T 14902-2012 第 7.3 条，凭记忆引用——未核实。",
    )
    return Table(Text("Cumulative per truck load", "每车累计偏差"), head, rows, note)


def outside(facts: Facts) -> list[Table]:
    """Loads that missed a cumulative tolerance."""
    count = facts.one("SELECT count(*) AS n FROM load_weighings WHERE outside")["n"]
    head = heads(
        "Ticket|送货单",
        "Line|生产线",
        "Grade|强度等级",
        "Material|材料",
        "Target, kg|目标 kg",
        "Deviation, %|偏差 %",
        "Tolerance, ± %|允许 ± %",
    )
    rows = [[num(r["ticket"]), r["line"], r["grade"], facts.material(r["material"]), num(r["target_kg"], 1), flag(num(100 * r["off"], 2), True),
             num(100 * r["tolerance"], 1)] for r in facts.rows(OUTSIDE)]  # fmt: skip
    return [Table(Text("Loads outside their cumulative tolerance", "累计超差的车次"), head, rows, shown(len(rows), count))] if count else []


def recipes(facts: Facts, species: dict[str, str]) -> Table | Note:
    """Loads whose targets, all batches together, are not what the recipe of their grade asks for; dry materials only."""
    wanted = [
        (r["grade"], m, kg) for r in facts.design.get("recipes", []) for m, kg in r["kg_m3"].items() if species.get(m) in DRY and kg > 0
    ]
    if not wanted:
        return Note(Text("The design has no recipes to compare with.", "设计中没有可对照的配合比。"), "nothing")
    facts.run.duck.execute(MISTAKEN.format(recipes=values(wanted), gap=RECIPE_GAP))
    count = facts.one("SELECT count(*) AS n FROM mistaken_loads")["n"]
    if not count:
        text = Text(
            "The targets of every load with a ticket are those of its grade's recipe, to 1 %.",
            "每张送货单的目标值均与其强度等级配合比一致（1 % 以内）。",
        )
        return Note(text)
    head = heads(
        "Ticket|送货单",
        "Line|生产线",
        "Grade|强度等级",
        "Material|材料",
        "By recipe, kg|按配合比 kg",
        "Targets, kg|目标合计 kg",
        "Difference, %|差异 %",
    )
    rows = [[num(r["ticket"]), r["line"], r["grade"], facts.material(r["material"]), num(r["wanted_kg"], 1), num(r["target_kg"], 1),
             flag(num(100 * r["gap"], 2), True)]
            for r in facts.rows(f"SELECT * FROM (SELECT * FROM mistaken_loads ORDER BY abs(gap) DESC, ticket LIMIT {CAP}) ORDER BY ticket")]  # fmt: skip
    return Table(
        Text("Loads dosed to another recipe than their grade's", "未按本强度等级配合比配料的车次"), head, rows, shown(len(rows), count)
    )


def shown(rows: int, count: int) -> Text:
    """How many of how many rows a table shows."""
    if rows < count:
        return Text("The {r} largest of {n} are shown.", "共 {n} 条，列出偏差最大的 {r} 条。").put(r=num(rows), n=num(count))
    return Text("{n} in all.", "共 {n} 条。").put(n=num(count))
