"""Concrete: water/binder ratio, slump, temperature and 28-day strength by grade."""

from __future__ import annotations

from typing import Any

from dashboards import charts
from dashboards.facts import BUCKETS, Facts, values
from dashboards.pieces import Chart, Grid, Note, Section, Table, Text, flag, heads, num, percent, same

MANY = 3000  # batches; above, a point is a day or a week
SLUMP_TOLERANCE_MM = 30.0  # for 100 mm and more (GB/T 14902-2012 ch. 6; recalled)
OPEN = Text("no ticket", "无送货单")

BY_GRADE = """
SELECT grade, count(*) AS n, avg(water_binder) AS wb, stddev_samp(water_binder) AS wb_sd, avg(slump_mm) AS slump, stddev_samp(slump_mm) AS slump_sd,
       min(temperature_c) AS cold, avg(temperature_c) AS temperature, max(temperature_c) AS warm,
       avg(strength_28d_mpa) AS mpa, stddev_samp(strength_28d_mpa) AS mpa_sd, min(strength_28d_mpa) AS least, avg(jgj55_28d_mpa) AS formula,
       sum(volume_m3) AS m3
FROM load_batches GROUP BY grade ORDER BY grade NULLS LAST"""


def aimed_mpa(characteristic_mpa: float) -> float:
    """Strength to aim at, f_cu,0 of JGJ 55-2011 4.0.1 with the standard deviations of Table 4.0.2 (recalled), MPa.

    Example:
        >>> aimed_mpa(30.0), aimed_mpa(60.0)
        (38.225, 69.0)
    """
    if characteristic_mpa >= 60:
        return round(1.15 * characteristic_mpa, 9)
    sigma = 4.0 if characteristic_mpa <= 20 else 5.0 if characteristic_mpa <= 45 else 6.0
    return characteristic_mpa + 1.645 * sigma


def section(facts: Facts) -> Section:
    """Quality of the concrete as it left the mixers."""
    out = Section("concrete", Text("Concrete", "混凝土质量"))
    if not facts.has("batches"):
        out.items.append(Note(Text("No batch left a mixer in this run.", "本次运行没有出料的盘次。"), "nothing"))
        return out
    recipes = {r["grade"]: r for r in facts.design.get("recipes", [])}
    found = facts.rows(BY_GRADE)
    many = sum(r["n"] for r in found) > MANY
    out.items.append(by_grade(facts, found, recipes))
    point = (
        Text("A point is the mean of a {b}.", "每点为一{b}的平均值。").put(b=BUCKETS[facts.bucket])
        if many
        else Text("A point is a batch.", "每点为一盘。")
    )
    series = over_time(facts, many)
    out.items.append(
        Grid(
            Text("28-day strength, control charts", "28 天强度控制图"),
            strengths(facts, series, found, recipes, many),
            Text("{p} Red: below fcu,k.", "{p}红色：低于 fcu,k。").put(p=point),
        )
    )
    out.items.append(Grid(Text("Properties over time, by grade", "性能随时间变化（按强度等级）"), properties(facts, series), point))
    return out


def by_grade(facts: Facts, found: list[dict[str, Any]], recipes: dict[str, Any]) -> Table:
    """Statistics of each grade against its recipe."""
    head = heads(
        "Grade|强度等级",
        "Batches|盘数",
        "m³|方量 m³",
        "w/b, mean|水胶比平均",
        "w/b, SD|水胶比标准差",
        "Slump, mm|坍落度 mm",
        "Slump, SD|坍落度标准差",
        "Slump wanted|设计坍落度",
        "Temperature, °C|温度 °C",
        "28 d, MPa|28 d 强度 MPa",
        "SD|标准差",
        "Least|最小",
        "fcu,k",
        "fcu,0",
        "Batches ≥ fcu,k|≥ fcu,k 的盘次",
        "JGJ 55 formula|JGJ 55 公式值",
    )
    below = {r["grade"]: r["n"] for r in facts.rows(_below(recipes))} if recipes else {}
    rows = []
    for r in found:
        recipe = recipes.get(r["grade"])
        k = recipe["strength_mpa"] if recipe else None
        slump_off = recipe is not None and abs(r["slump"] - recipe["slump_mm"]) > SLUMP_TOLERANCE_MM
        rows.append(
            [
                same(r["grade"]) if r["grade"] else OPEN,
                num(r["n"]),
                num(r["m3"], 1),
                num(r["wb"], 3),
                num(r["wb_sd"], 4),
                flag(num(r["slump"]), slump_off),
                num(r["slump_sd"], 1),
                num(recipe["slump_mm"]) if recipe else "–",
                f"{num(r['temperature'], 1)} ({num(r['cold'], 1)} … {num(r['warm'], 1)})",
                flag(num(r["mpa"], 1), bool(k and r["mpa"] < k)),
                num(r["mpa_sd"], 2),
                flag(num(r["least"], 1), bool(k and r["least"] < k), "warn"),
                num(k, 0),
                num(aimed_mpa(k), 1) if k else "–",
                percent(1 - below.get(r["grade"], 0) / r["n"], 1) if k else "–",
                num(r["formula"], 1),
            ]
        )
    note = Text(
        "Strength is the twin's estimate from the true composition with within-test scatter, not a test result. fcu,0 by JGJ 55-2011 4.0.1, "
        "and slump tolerance ± 30 mm by GB/T 14902-2012, both recalled — unverified.",
        "强度为按真实组成估算并含试验内离散，并非试验结果。fcu,0 按 JGJ 55-2011 第 4.0.1 条，坍落度允许偏差 ± 30 mm 按 GB/T 14902-2012，均凭记忆引用——未核实。",
    )
    return Table(Text("By grade", "按强度等级"), head, rows, note)


def _below(recipes: dict[str, Any]) -> str:
    """SQL: batches of each grade whose strength missed the characteristic value."""
    limits = values((grade, r["strength_mpa"]) for grade, r in recipes.items())
    return f"SELECT grade, count(*) AS n FROM load_batches JOIN (VALUES {limits}) AS k (grade, mpa) USING (grade) WHERE strength_28d_mpa < mpa GROUP BY grade"


def over_time(facts: Facts, many: bool) -> dict[str | None, dict[str, list[Any]]]:
    """Values of each grade by time: single batches, or means of each day or week."""
    names = ("water_binder", "slump_mm", "temperature_c", "strength_28d_mpa")
    if many:
        ask = (
            f"SELECT grade, {facts.bucket_ms('time_s')} AS at_ms, "
            + ", ".join(f"avg({n}) AS {n}" for n in names)
            + ", min(strength_28d_mpa) AS least FROM load_batches GROUP BY grade, at_ms"
        )
    else:
        ask = f"SELECT grade, {facts.ms('time_s')} AS at_ms, {', '.join(names)}, strength_28d_mpa AS least FROM load_batches"
    out: dict[str | None, dict[str, list[Any]]] = {}
    for r in facts.rows(f"{ask} ORDER BY grade NULLS LAST, at_ms"):
        series = out.setdefault(r["grade"], {k: [] for k in ("at_ms", *names, "least")})
        for k, column in series.items():
            column.append(r[k] if k == "at_ms" or r[k] is None else round(r[k], 4))
    return out


def strengths(
    facts: Facts, series: dict[str | None, dict[str, list[Any]]], found: list[dict[str, Any]], recipes: dict[str, Any], many: bool
) -> list[Chart]:
    """A control chart of the strength for each grade."""
    mean = {r["grade"]: r["mpa"] for r in found}
    out = []
    for i, (grade, s) in enumerate(series.items()):
        title = same(grade) if grade else OPEN
        recipe = recipes.get(grade or "")
        lines = [(mean[grade], Text("mean", "平均"))]
        low = float("-inf")
        if recipe:
            low = recipe["strength_mpa"]
            lines = [
                (low, Text("fcu,k {v}", "fcu,k {v}").put(v=num(low))),
                (aimed_mpa(low), Text("fcu,0 {v}", "fcu,0 {v}").put(v=num(aimed_mpa(low), 1))),
            ]
        data = [charts.dots(title, (s["at_ms"], s["strength_28d_mpa"]))]
        data[0]["marker"]["color"] = [charts.BAD if v < low else charts.MID for v in s["strength_28d_mpa"]]
        if many:
            data.append(charts.dots(Text("least batch", "最小值"), (s["at_ms"], s["least"]), symbol="line-ew-open"))
            data[1]["marker"]["color"] = [charts.BAD if v < low else charts.PALE for v in s["least"]]
        reach = [*s["strength_28d_mpa"], *s["least"], *(y for y, _ in lines)]
        pad = 0.06 * (max(reach) - min(reach)) + 0.5
        box = charts.layout(
            same("MPa"),
            facts.span_s,
            showlegend=False,
            yaxis={"range": [min(reach) - pad, max(reach) + 2 * pad]},
            xaxis={"nticks": 5},
            **charts.limits(*lines),
        )
        what = Text("28-day strength of {g} over time against fcu,k and fcu,0.", "{g} 的 28 天强度随时间变化，对照 fcu,k 与 fcu,0。").put(
            g=title
        )
        out.append(Chart(f"strength-{i}", title, what, {"data": data, "layout": box}, 220))
    return out


def properties(facts: Facts, series: dict[str | None, dict[str, list[Any]]]) -> list[Chart]:
    """Water/binder, slump and temperature over time."""
    out = []
    kinds = (
        ("water_binder", Text("Water/binder ratio", "水胶比"), same("w/b")),
        ("slump_mm", Text("Slump", "坍落度"), same("mm")),
        ("temperature_c", Text("Concrete temperature", "混凝土温度"), same("°C")),
    )
    for key, title, unit in kinds:
        data = [
            charts.dots(grade or OPEN, (s["at_ms"], s[key]), charts.SERIES[i % len(charts.SERIES)], charts.SYMBOLS[i % len(charts.SYMBOLS)])
            for i, (grade, s) in enumerate(series.items())
        ]
        what = Text("{t} of the batches over time, by grade.", "各强度等级盘次的{t}随时间变化。").put(t=title)
        out.append(
            Chart(
                key.replace("_", "-"),
                title,
                what,
                {"data": data, "layout": charts.layout(unit, facts.span_s, showlegend=True, xaxis={"nticks": 6})},
                280,
            )
        )
    return out
