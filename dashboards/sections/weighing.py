"""Weighing quality: single weighings, loads, and what lay outside."""

from __future__ import annotations

from typing import Any

from dashboards import charts
from dashboards.facts import Facts
from dashboards.pieces import Chart, Grid, Note, Section, Table, Text, flag, heads, num, percent
from dashboards.texts import word

CAP = 200
# Tolerance of what a truck load got, share of target (GB/T 14902-2012 7.3; recalled, not checked against the standard).
LOAD_TOLERANCE = {"cement": 0.01, "fly_ash": 0.01, "slag": 0.01, "sand": 0.02, "stone": 0.02, "water": 0.01, "slurry_water": 0.01, "admixture": 0.01}
RECIPE_GAP = 0.01  # targets of a load this far from its recipe are another recipe's

STATISTICS = """
SELECT line, material, count(*) AS n, avg(true_kg / target_kg - 1) AS mean, stddev_samp(true_kg / target_kg - 1) AS sd,
       avg(tolerance_kg / target_kg) AS tolerance, count(*) FILTER (outside) AS outside,
       count(*) FILTER (abs(recorded_kg - target_kg) > tolerance_kg + 1e-9) AS recorded_outside
FROM weighings WHERE target_kg > 0 GROUP BY line, material ORDER BY line, material"""

BINS = """
SELECT material, least(greatest(floor(10 * (true_kg - target_kg) / tolerance_kg), -20), 19)::INT AS bin, count(*) AS n, avg(tolerance_kg / target_kg) AS tolerance
FROM weighings WHERE target_kg > 0 AND tolerance_kg > 0 GROUP BY material, bin ORDER BY material, bin"""

LOADS = """
CREATE OR REPLACE TEMP TABLE load_weighings AS
SELECT b.ticket, b.grade, w.line, w.material, sum(w.target_kg) AS target_kg, sum(w.true_kg) / sum(w.target_kg) - 1 AS off
FROM load_batches b JOIN weighings w USING (line, batch) WHERE b.ticket IS NOT NULL AND w.target_kg > 0 GROUP BY ALL"""


def section(facts: Facts) -> Section:
    """Weighing quality."""
    out = Section("weighing", Text("Weighing quality", "计量质量"))
    if not facts.has("weighings"):
        out.items.append(Note(Text("No weighing was recorded in this run.", "本次运行没有计量记录。"), "nothing"))
        return out
    out.items += [statistics(facts), histograms(facts), *loads(facts), *outside(facts)]
    return out


def statistics(facts: Facts) -> Table:
    """Deviation of the true mass from its target, by material."""
    head = heads(
        "Material|材料",
        "Line|生产线",
        "Weighings|次数",
        "Mean, %|平均偏差 %",
        "SD, %|标准差 %",
        "Tolerance, ± %|允许偏差 ± %",
        "Outside|超差次数",
        "Within|合格率",
        "Outside by the record|按记录值超差",
    )
    rows = [
        [
            facts.material(r["material"]),
            r["line"],
            num(r["n"]),
            num(100 * r["mean"], 3),
            num(r["sd"] and 100 * r["sd"], 3),
            num(100 * r["tolerance"], 1),
            flag(num(r["outside"]), r["outside"] > 0),
            percent(1 - r["outside"] / r["n"]),
            num(r["recorded_outside"]),
        ]
        for r in facts.rows(STATISTICS)
    ]
    note = Text(
        "Deviation of the true mass, taken from the ledger, from the target; the last column judges what the controller recorded instead. "
        "Tolerance of one weighing: GB/T 14902-2012 7.3, recalled — unverified.",
        "偏差为台账真实质量相对目标值；末列改按控制系统记录值判定。每盘允许偏差：GB/T 14902-2012 第 7.3 条，凭记忆引用——未核实。",
    )
    return Table(Text("Single weighings by material", "各材料每盘计量"), head, rows, note)


def histograms(facts: Facts) -> Grid:
    """Distribution of the deviation, one small chart a material."""
    by: dict[str, list[dict[str, Any]]] = {}
    for r in facts.rows(BINS):
        by.setdefault(r["material"], []).append(r)
    small = []
    for i, (material, bins) in enumerate(by.items()):
        tolerance = 100 * bins[0]["tolerance"]
        title = facts.material(material)
        what = Text("Histogram of the deviation of {m}; tolerance ± {t} %.", "{m}计量偏差直方图；允许偏差 ± {t} %。").put(m=title, t=num(tolerance, 1))
        centres = [round((b["bin"] + 0.5) * tolerance / 10, 4) for b in bins]
        figure = charts.histogram(centres, [b["n"] for b in bins], -tolerance, tolerance, tolerance / 10, Text("deviation, %", "偏差 %"))
        small.append(Chart(f"deviation-{i}", title, what, figure, 190))
    note = Text(
        "Dashed: tolerance. Red: outside. The outermost bars gather everything beyond twice the tolerance.",
        "虚线：允许偏差；红色：超差；最外侧的柱汇总两倍允许偏差以外的值。",
    )
    return Grid(Text("Distribution of the deviations", "偏差分布"), small, note)


def loads(facts: Facts) -> list[Any]:
    """Cumulative deviation of each truck load against its tolerance."""
    if not facts.has("deliveries", "batches"):
        return [Note(Text("No load has a ticket yet, so there is no cumulative deviation per truck load.", "尚无送货单，无法统计车累计偏差。"), "nothing")]
    facts.run.duck.execute(LOADS)
    species = {name: m["species"] for name, m in facts.design.get("materials", {}).items()}
    allowed = {name: LOAD_TOLERANCE[s] for name, s in species.items() if s in LOAD_TOLERANCE}
    case = " ".join("WHEN '{}' THEN {}".format(n.replace("'", "''"), t) for n, t in allowed.items())
    limit = f"CASE material {case} ELSE NULL END" if case else "NULL::DOUBLE"
    beyond = f"abs(off) > {limit} + 1e-9"
    found = facts.rows(
        f"SELECT material, count(*) AS n, avg(off) AS mean, stddev_samp(off) AS sd, min(off) AS low, max(off) AS high, any_value({limit}) AS tolerance,"
        f" count(*) FILTER ({beyond}) AS outside FROM load_weighings GROUP BY material ORDER BY material"
    )
    if not found:
        return [Note(Text("No weighing belongs to a load with a ticket.", "没有可归入送货单的计量记录。"), "nothing")]
    head = heads(
        "Material|材料",
        "Loads|车数",
        "Mean, %|平均 %",
        "SD, %|标准差 %",
        "Least, %|最小 %",
        "Greatest, %|最大 %",
        "Tolerance, ± %|允许偏差 ± %",
        "Loads outside|超差车数",
        "Within|合格率",
    )
    rows = [
        [
            facts.material(r["material"]),
            num(r["n"]),
            num(100 * r["mean"], 3),
            num(r["sd"] and 100 * r["sd"], 3),
            num(100 * r["low"], 2),
            num(100 * r["high"], 2),
            num(r["tolerance"] and 100 * r["tolerance"], 1),
            flag(num(r["outside"]), r["outside"] > 0),
            percent(1 - r["outside"] / r["n"]),
        ]
        for r in found
    ]
    note = Text(
        "All batches of a ticket together, true mass. Cumulative tolerance: GB/T 14902-2012 7.3, recalled — unverified.",
        "同一送货单各盘合计，按真实质量。累计允许偏差：GB/T 14902-2012 第 7.3 条，凭记忆引用——未核实。",
    )
    out: list[Any] = [Table(Text("Cumulative per truck load", "每车累计偏差"), head, rows, note)]
    count = sum(r["outside"] for r in found)
    if count:
        out.append(_load_list(facts, limit, beyond, count))
    return [*out, *recipes(facts, species)]


def recipes(facts: Facts, species: dict[str, str]) -> list[Any]:
    """Loads whose targets, all batches together, are not what the recipe of their grade asks for; dry materials only."""
    dry = ("cement", "fly_ash", "slag", "admixture")
    wanted = [(r["grade"], m, kg) for r in facts.design.get("recipes", []) for m, kg in r["kg_m3"].items() if species.get(m) in dry and kg > 0]
    if not wanted:
        return []
    values = ", ".join("('{}', '{}', {})".format(g.replace("'", "''"), m.replace("'", "''"), float(kg)) for g, m, kg in wanted)
    wrong = (
        "SELECT ticket, w.line, w.grade, w.material, volume_m3 * kg AS wanted_kg, target_kg, target_kg / (volume_m3 * kg) - 1 AS off FROM load_weighings w JOIN deliveries d USING (ticket)"
        f" JOIN (VALUES {values}) AS k (grade, material, kg) ON k.grade = w.grade AND k.material = w.material WHERE abs(target_kg / (volume_m3 * kg) - 1) > {RECIPE_GAP}"
    )
    worst = f"SELECT arg_max(r, abs(r.off)) AS r FROM ({wrong}) r GROUP BY r.ticket"
    found = [row["r"] for row in facts.rows(f"SELECT r FROM (SELECT r FROM ({worst}) ORDER BY abs(r.off) DESC, r.ticket LIMIT {CAP}) ORDER BY r.ticket")]
    if not found:
        return [
            Note(
                Text(
                    "The targets of every load with a ticket are those of its grade's recipe, to 1 %.",
                    "每张送货单的目标值均与其强度等级配合比一致（1 % 以内）。",
                )
            )
        ]
    count = facts.one(f"SELECT count(DISTINCT ticket) AS n FROM ({wrong})")["n"]
    head = heads(
        "Ticket|送货单", "Line|生产线", "Grade|强度等级", "Material|材料", "By recipe, kg|按配合比 kg", "Targets, kg|目标合计 kg", "Difference, %|差异 %"
    )
    rows = [
        [
            num(r["ticket"]),
            r["line"],
            r["grade"],
            facts.material(r["material"]),
            num(r["wanted_kg"], 1),
            num(r["target_kg"], 1),
            flag(num(100 * r["off"], 2), True),
        ]
        for r in found
    ]
    return [Table(Text("Loads dosed to another recipe than their grade's", "未按本强度等级配合比配料的车次"), head, rows, shown(len(rows), count))]


def _load_list(facts: Facts, limit: str, beyond: str, count: int) -> Table:
    found = facts.rows(
        f"SELECT * FROM (SELECT *, {limit} AS tolerance FROM load_weighings WHERE {beyond} ORDER BY abs(off) / tolerance DESC, ticket LIMIT {CAP}) ORDER BY ticket, material"
    )
    head = heads("Ticket|送货单", "Line|生产线", "Grade|强度等级", "Material|材料", "Target, kg|目标 kg", "Deviation, %|偏差 %", "Tolerance, ± %|允许 ± %")
    rows = [
        [
            num(r["ticket"]),
            r["line"],
            r["grade"],
            facts.material(r["material"]),
            num(r["target_kg"], 1),
            flag(num(100 * r["off"], 2), True),
            num(100 * r["tolerance"], 1),
        ]
        for r in found
    ]
    return Table(Text("Loads outside their cumulative tolerance", "累计超差的车次"), head, rows, shown(len(rows), count))


def shown(rows: int, count: int) -> Text:
    """How many of how many rows a table shows."""
    if rows < count:
        return Text("The {r} largest of {n} are shown.", "共 {n} 条，列出偏差最大的 {r} 条。").put(r=num(rows), n=num(count))
    return Text("{n} in all.", "共 {n} 条。").put(n=num(count))


def outside(facts: Facts) -> list[Any]:
    """Every weighing that missed its tolerance, why, and what was done about it."""
    count = facts.one("SELECT count(*) AS n FROM weighings WHERE outside")["n"]
    if not count:
        return [Note(Text("No weighing lay outside its tolerance.", "没有超差的计量。"))]
    out: list[Any] = []
    causes = facts.rows("SELECT cause, disposition, count(*) AS n FROM weighings WHERE outside GROUP BY ALL ORDER BY n DESC, cause, disposition")
    head = heads("Cause|原因", "Disposition|处置", "Weighings|次数")
    out.append(
        Table(
            Text("Out of tolerance, by cause and disposition", "超差按原因与处置汇总"),
            head,
            [[word(r["cause"]), word(r["disposition"]), num(r["n"])] for r in causes],
        )
    )
    found = facts.rows(
        "SELECT * FROM (SELECT * FROM weighings WHERE outside ORDER BY abs(true_kg - target_kg) / nullif(tolerance_kg, 0) DESC NULLS LAST, time_s"
        f" LIMIT {CAP}) ORDER BY time_s, line, weigher"
    )
    head = heads(
        "Time|时间",
        "Line|生产线",
        "Batch|盘号",
        "Material|材料",
        "Feeder|给料机",
        "Target, kg|目标 kg",
        "True, kg|真实 kg",
        "Recorded, kg|记录 kg",
        "Deviation, %|偏差 %",
        "Tolerance, ± %|允许 ± %",
        "Cause|原因",
        "Disposition|处置",
    )
    rows = []
    for r in found:
        target = r["target_kg"] or float("nan")
        rows.append(
            [
                facts.clock(r["time_s"]),
                r["line"],
                num(r["batch"]),
                facts.material(r["material"]),
                r["feeder"],
                num(r["target_kg"], 1),
                num(r["true_kg"], 1),
                num(r["recorded_kg"], 1),
                flag(num(100 * (r["true_kg"] / target - 1), 2), True),
                num(100 * r["tolerance_kg"] / target, 1),
                word(r["cause"]),
                word(r["disposition"]),
            ]
        )
    out.append(Table(Text("Weighings out of tolerance", "超差计量明细"), head, rows, shown(len(rows), count)))
    return out
