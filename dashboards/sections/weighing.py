"""Weighing quality: single weighings and what lay outside; truck loads are in `loads`."""

from __future__ import annotations

from typing import Any

from dashboards import charts
from dashboards.facts import Facts
from dashboards.pieces import Chart, Grid, Note, Section, Table, Text, flag, heads, num, percent
from dashboards.sections import loads
from dashboards.sections.loads import CAP, shown
from dashboards.texts import word

STATISTICS = """
SELECT line, material, count(*) AS n, avg(true_kg / target_kg - 1) AS mean, stddev_samp(true_kg / target_kg - 1) AS sd,
       avg(tolerance_kg / target_kg) AS tolerance, count(*) FILTER (outside) AS outside,
       count(*) FILTER (abs(recorded_kg - target_kg) > tolerance_kg + 1e-9) AS recorded_outside
FROM weighings WHERE target_kg > 0 GROUP BY line, material ORDER BY line, material"""

BINS = """
SELECT material, least(greatest(floor(10 * (true_kg - target_kg) / tolerance_kg), -20), 19)::INT AS bin, count(*) AS n,
       avg(tolerance_kg / target_kg) AS tolerance
FROM weighings WHERE target_kg > 0 AND tolerance_kg > 0 GROUP BY material, bin ORDER BY material, bin"""


def section(facts: Facts) -> Section:
    """Weighing quality."""
    out = Section("weighing", Text("Weighing quality", "计量质量"))
    if not facts.has("weighings"):
        out.items.append(Note(Text("No weighing was recorded in this run.", "本次运行没有计量记录。"), "nothing"))
        return out
    out.items += [statistics(facts), histograms(facts), *loads.items(facts), *outside(facts)]
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
        what = Text("Histogram of the deviation of {m}; tolerance ± {t} %.", "{m}计量偏差直方图；允许偏差 ± {t} %。").put(
            m=title, t=num(tolerance, 1)
        )
        centres = [round((b["bin"] + 0.5) * tolerance / 10, 4) for b in bins]
        figure = charts.histogram(centres, [b["n"] for b in bins], -tolerance, tolerance, tolerance / 10, Text("deviation, %", "偏差 %"))
        small.append(Chart(f"deviation-{i}", title, what, figure, 190))
    note = Text(
        "Dashed: tolerance. Red: outside. The outermost bars gather everything beyond twice the tolerance.",
        "虚线：允许偏差；红色：超差；最外侧的柱汇总两倍允许偏差以外的值。",
    )
    return Grid(Text("Distribution of the deviations", "偏差分布"), small, note)


def outside(facts: Facts) -> list[Any]:
    """Every weighing that missed its tolerance, why, and what was done about it."""
    count = facts.one("SELECT count(*) AS n FROM weighings WHERE outside")["n"]
    if not count:
        return [Note(Text("No weighing lay outside its tolerance.", "没有超差的计量。"))]
    out: list[Any] = []
    causes = facts.rows(
        "SELECT cause, disposition, count(*) AS n FROM weighings WHERE outside GROUP BY ALL ORDER BY n DESC, cause, disposition"
    )
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
