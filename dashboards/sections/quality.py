"""Quality control: samples, cubes, acceptance by GB/T 50107, slump against its tolerance, control charts."""

from __future__ import annotations

from dashboards import charts
from dashboards.facts import Facts
from dashboards.pieces import Chart, Figures, Grid, Note, Section, Table, Text, flag, heads, num, percent, same
from scenarios import quality
from scenarios.quality import DAY_S, ControlChart, Verdict

FEWEST = 5  # points of a control chart worth drawing
PLACE = {"plant": Text("plant (exit)", "出厂检验"), "site": Text("site (delivery)", "交货检验")}
METHOD = {
    "known": Text("statistics, σ known (5.1.2)", "统计法，标准差已知（5.1.2）"),
    "unknown": Text("statistics, σ unknown (5.1.3)", "统计法，标准差未知（5.1.3）"),
    "none": Text("no statistics (5.2.2)", "非统计法（5.2.2）"),
}
WHAT = {"mean": Text("mean", "平均值"), "least": Text("least", "最小值")}
RULE = {
    "beyond-3": Text("beyond 3 σ", "超出 3σ"), "nine-one-side": Text("nine on one side", "连续 9 点同侧"), "six-trending": Text("six rising or falling", "连续 6 点递增或递减"),
    "two-of-three": Text("two of three beyond 2 σ", "3 点中 2 点超 2σ"), "four-of-five": Text("four of five beyond 1 σ", "5 点中 4 点超 1σ"), "range": Text("moving range", "移动极差超限"),
}  # fmt: skip
SAMPLES = """
SELECT inspection, grade, count(*) AS n, sum(lot_batches)::BIGINT AS batches, sum(lot_m3) AS m3, max(lot_batches) AS most_batches, max(lot_m3) AS most_m3,
       count(slump_mm) AS slumps, any_value(slump_wanted_mm) AS wanted, any_value(slump_tolerance_mm) AS tolerance, avg(slump_mm) AS slump,
       stddev_samp(slump_mm) AS sd, min(slump_mm) AS least, max(slump_mm) AS most,
       count(*) FILTER (abs(slump_mm - slump_wanted_mm) > slump_tolerance_mm + 1e-9) AS outside
FROM samples GROUP BY inspection, grade ORDER BY inspection, grade"""
SETS = """
SELECT inspection, grade, age_d, any_value(fcu_k_mpa) AS k, count(*) AS n, count(*) FILTER (rule = 'void') AS void, count(*) FILTER (rule = 'middle') AS middle,
       avg(value_mpa) AS mean, stddev_samp(value_mpa) AS sd, min(value_mpa) AS least,
       avg((greatest(cube1_mpa, cube2_mpa, cube3_mpa) - least(cube1_mpa, cube2_mpa, cube3_mpa)) / nullif((cube1_mpa + cube2_mpa + cube3_mpa) / 3, 0)) / 1.693 AS within
FROM cubes GROUP BY inspection, grade, age_d ORDER BY inspection, grade, age_d"""


def section(facts: Facts) -> Section:
    """Quality control."""
    out = Section("quality", Text("Quality control", "质量检验与评定"))
    if not facts.has("samples"):
        out.items.append(Note(Text("No sample was taken in this run.", "本次运行没有取样记录。"), "nothing"))
        return out
    verdicts = acceptance(facts)
    out.items += [
        figures(facts, verdicts),
        sampling(facts),
        *cubes(facts),
        *verdict_table(verdicts),
        slump(facts),
        *control(facts),
        sources(),
    ]
    return out


def acceptance(facts: Facts) -> list[tuple[str, str, int, list[Verdict]]]:
    """Inspection, grade, period and the verdicts of one method, from the 28-day sets that have a result."""
    if not facts.has("cubes"):
        return []
    sets: dict[tuple[str, str, float], tuple[list[float], list[float]]] = {}
    ask = "SELECT inspection, grade, fcu_k_mpa AS k, taken_s, value_mpa FROM cubes WHERE age_d = 28 AND value_mpa IS NOT NULL AND fcu_k_mpa IS NOT NULL"
    for r in facts.rows(f"{ask} ORDER BY inspection, grade, k, taken_s, sample"):
        at, value = sets.setdefault((r["inspection"], r["grade"], r["k"]), ([], []))
        at.append(r["taken_s"])
        value.append(r["value_mpa"])
    out: dict[tuple[str, str, int, str], list[Verdict]] = {}
    for (inspection, grade, k), (at, value) in sets.items():
        for period, verdict in quality.judge(at, value, k):
            out.setdefault((inspection, grade, period, verdict.method), []).append(verdict)
    return [(inspection, grade, period, found) for (inspection, grade, period, _), found in out.items()]


def figures(facts: Facts, verdicts: list[tuple[str, str, int, list[Verdict]]]) -> Figures:
    """How much was sampled, what is known by now, and what was not accepted."""
    n = facts.one("SELECT count(*) AS n, count(*) FILTER (inspection = 'plant') AS plant, count(*) FILTER (inspection = 'site') AS site, count(slump_mm) AS slumps,"
                  " count(*) FILTER (abs(slump_mm - slump_wanted_mm) > slump_tolerance_mm + 1e-9) AS outside FROM samples")  # fmt: skip
    done = (
        facts.one("SELECT count(*) AS n, count(*) FILTER (rule = 'void') AS void FROM cubes WHERE age_d = 28")
        if facts.has("cubes")
        else {"n": 0, "void": 0}
    )
    lots = [v for *_, found in verdicts for v in found]
    bad = sum(not v.ok for v in lots)
    return Figures([
        (Text("Samples", "取样次数"), num(n["n"]), Text("{p} at the plant, {s} on sites", "出厂 {p}，交货 {s}").put(p=num(n["plant"]), s=num(n["site"]))),
        (Text("28-day sets tested", "28 天试件已试验"), num(done["n"]), Text("{w} not due yet", "{w} 组未到龄期").put(w=num(n["n"] - done["n"]))),
        (Text("Void sets", "无效组"), flag(num(done["void"]), done["void"] > 0, "warn"), ""),
        (Text("Lots not accepted", "不合格检验批"), flag(num(bad), bad > 0) if lots else "–", Text("of {n} judged", "共评定 {n} 批").put(n=num(len(lots)))),
        (Text("Slump beyond tolerance", "坍落度超差"), flag(num(n["outside"]), n["outside"] > 0), Text("of {n} tests", "共 {n} 次试验").put(n=num(n["slumps"]))),
    ])  # fmt: skip


def sampling(facts: Facts) -> Table:
    """What each sample stands for, against the frequency asked for."""
    head = heads("Inspection|检验", "Grade|强度等级", "Samples|取样次数", "Batches|盘数", "m³|方量 m³", "Most batches a sample|每次最多盘数",
                 "Most m³ a sample|每次最多 m³")  # fmt: skip
    plan = {p.name: p for p in (quality.PLANT, quality.SITE)}
    rows = []
    for r in facts.rows(SAMPLES):
        of = plan[r["inspection"]]
        most = flag(num(r["most_batches"]), r["most_batches"] > of.batches), flag(num(r["most_m3"], 1), r["most_m3"] > of.m3 + 1e-6)
        rows.append([PLACE[r["inspection"]], same(r["grade"]), num(r["n"]), num(r["batches"]), num(r["m3"], 1), *most])
    note = Text(
        "One sample at least in 100 batches of a mix and in a shift at the plant; on the site also in 100 m³ of an order. Each is drawn at random from its lot, so it "
        "is written once the lot is full or the day over.",
        "出厂检验：同一配合比每 100 盘、每工作班不少于一次；交货检验：每订单另按每 100 m³ 不少于一次。样本在批内随机抽取，批满或当日结束后写入记录。",
    )
    return Table(Text("Sampling", "取样"), head, rows, note)


def cubes(facts: Facts) -> list[Table | Note]:
    """Sets of cubes by age, and those that still cure."""
    end = facts.span_s
    due = facts.one(
        f"SELECT min(due_28d_s) AS first, count(*) FILTER (due_28d_s > {end}) AS wait, count(*) FILTER (due_7d_s > {end}) AS wait7 FROM samples"
    )
    out: list[Table | Note] = []
    if due["wait"]:
        text = Text("{n} sets are still curing for the 28-day test ({m} also for the 7-day test) and have no result in this run.",
                    "{n} 组试件未到 28 天龄期（其中 {m} 组未到 7 天），本次运行尚无结果。")  # fmt: skip
        if due["first"] > end:
            text = Text(
                text.en + " The first 28-day result is due {d} days after the run's start.",
                text.zh + "首组 28 天结果应在运行开始后第 {d} 天得出。",
            )
        out.append(Note(text.put(n=num(due["wait"]), m=num(due["wait7"]), d=num(due["first"] / DAY_S, 1)), "nothing"))
    if not facts.has("cubes"):
        return out
    head = heads("Inspection|检验", "Grade|强度等级", "Age, d|龄期 d", "Sets|组数", "Void|无效", "Middle value taken|取中间值", "Mean, MPa|平均 MPa",
                 "SD|标准差", "Least|最小", "fcu,k", "Within a set, CV|组内变异系数")  # fmt: skip
    rows = [
        [PLACE[r["inspection"]], same(r["grade"]), num(r["age_d"]), num(r["n"]), flag(num(r["void"]), r["void"] > 0, "warn"), num(r["middle"]), num(r["mean"], 1),
         num(r["sd"], 2), num(r["least"], 1), num(r["k"]), percent(r["within"], 1)]
        for r in facts.rows(SETS)
    ]  # fmt: skip
    note = Text("Cubes of 150 mm, three a set; value by GB/T 50081: the mean, the middle value when one of the others is more than 15 % off it, void when both are.",
                "150 mm 立方体，每组三块；按 GB/T 50081 取值：取平均值；最大或最小值之一与中间值之差超过 15 % 时取中间值；两者均超过时该组无效。")  # fmt: skip
    out.append(Table(Text("Cubes", "立方体抗压强度"), head, rows, note))
    return out


def verdict_table(verdicts: list[tuple[str, str, int, list[Verdict]]]) -> list[Table]:
    """Acceptance by grade and period; of several lots the one with the least to spare, in its worst condition."""
    if not verdicts:
        return []
    head = heads("Inspection|检验", "Grade|强度等级", "Period|检验期", "Method|方法", "Lots|批数", "Sets|组数", "σ, MPa|标准差 MPa", "Mean / limit|平均值 / 界限",
                 "Least / limit|最小值 / 界限", "Verdict|结论", "Why|理由")  # fmt: skip
    rows = []
    for inspection, grade, period, lots in verdicts:
        worst = min(lots, key=lambda v: min(c.value_mpa - c.limit_mpa for c in v.checks))
        cells = []
        for what in WHAT:
            c = min((c for c in worst.checks if c.what == what), key=lambda c: c.value_mpa - c.limit_mpa)
            cells.append(flag(f"{num(c.value_mpa, 1)} / {num(c.limit_mpa, 1)}", not c.ok))
        bad = sum(not v.ok for v in lots)
        verdict = Text("{b} of {n} not accepted", "{n} 批中 {b} 批不合格").put(b=bad, n=len(lots)) if bad else Text("accepted", "合格")
        rows.append(
            [PLACE[inspection], same(grade), num(period + 1), METHOD[lots[0].method], num(len(lots)), num(sum(v.sets for v in lots)), num(worst.sigma_mpa, 2), *cells,
             flag(verdict, bad > 0), why(worst)]
        )  # fmt: skip
    note = Text("Periods of {d} days from the start of the run. σ is known when the period before has 45 sets; then a lot is three sets in a row, and the row shows "
                "the lot with the least to spare. σ is taken as at least 2.5 MPa.",
                "检验期自运行开始每 {d} 天一期。前一检验期不少于 45 组时按标准差已知评定，连续三组为一批，表中列余量最小的一批。标准差小于 2.5 MPa 时取 2.5 MPa。")  # fmt: skip
    return [Table(Text("Acceptance by GB/T 50107-2010", "按 GB/T 50107-2010 评定"), head, rows, note.put(d=num(quality.PERIOD_D)))]


def why(verdict: Verdict) -> Text:
    """Conditions that were missed, or those that were kept."""
    sign, checks = ("<", verdict.failed) if verdict.failed else ("≥", list(verdict.checks))
    return Text(
        "; ".join(f"{WHAT[c.what].en} {sign} {c.by}" for c in checks), "；".join(f"{WHAT[c.what].zh} {sign} {c.by}" for c in checks)
    )


def slump(facts: Facts) -> Table:
    """Slump at the plant and on the site."""
    head = heads("Inspection|检验", "Grade|强度等级", "Tests|次数", "Wanted, mm|要求 mm", "Mean|平均", "SD|标准差", "Least|最小", "Greatest|最大",
                 "Beyond tolerance|超差次数", "Within|合格率")  # fmt: skip
    rows = []
    for r in facts.rows(SAMPLES):
        judged = r["slumps"] and r["wanted"] is not None
        wanted = f"{num(r['wanted'])} ± {num(r['tolerance'])}" if r["wanted"] is not None else "–"
        share = percent(1 - r["outside"] / r["slumps"], 1) if judged else "–"
        rows.append([PLACE[r["inspection"]], same(r["grade"]), num(r["slumps"]), wanted, num(r["slump"]), num(r["sd"], 1), num(r["least"]), num(r["most"]),
                     flag(num(r["outside"]), r["outside"] > 0) if judged else "–", share])  # fmt: skip
    note = Text("Against the slump of the recipe, at both places.", "两处均以配合比的设计坍落度为准。")
    return Table(Text("Slump", "坍落度"), head, rows, note)


def control(facts: Facts) -> list[Grid]:
    """Control charts of the 28-day sets and of the slump, by inspection and grade."""
    asks = [
        (
            "slump",
            Text("Slump, control charts", "坍落度控制图"),
            same("mm"),
            "SELECT inspection, grade, time_s AS x, slump_mm AS v FROM samples WHERE slump_mm IS NOT NULL",
        )
    ]
    if facts.has("cubes"):
        asks.insert(0, ("cubes", Text("28-day strength of the sets, control charts", "28 天强度控制图（组）"), same("MPa"),
                        "SELECT inspection, grade, taken_s AS x, value_mpa AS v FROM cubes WHERE age_d = 28 AND value_mpa IS NOT NULL"))  # fmt: skip
    note = Text("Above single values with mean and 3 σ limits from the mean moving range; below moving ranges. Red: a rule is broken (one point beyond 3 σ; nine on one "
                "side; six rising or falling; two of three beyond 2 σ; four of five beyond 1 σ). Fewer than {n} values: no chart.",
                "上图为单值、均值及由平均移动极差得出的 3σ 界限，下图为移动极差。红色：违反判异准则（1 点超 3σ；连续 9 点同侧；连续 6 点递增或递减；3 点中 2 点超 2σ；5 点中 4 点超 1σ）。不足 {n} 个值不作图。").put(n=FEWEST)  # fmt: skip
    out = []
    for kind, title, unit, ask in asks:
        found: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
        for r in facts.rows(f"SELECT * FROM ({ask}) ORDER BY inspection, grade, x"):
            at, value = found.setdefault((r["inspection"], r["grade"]), ([], []))
            at.append(facts.zero_ms + round(r["x"] * 1000))
            value.append(r["v"])
        drawn = [(k, points, c) for k, points in found.items() if len(points[1]) >= FEWEST and (c := quality.control_chart(points[1]))]
        if drawn:
            out.append(
                Grid(
                    title, [chart(f"control-{kind}-{i}", k, points, c, unit, facts.span_s) for i, (k, points, c) in enumerate(drawn)], note
                )
            )
    return out


def chart(name: str, of: tuple[str, str], points: tuple[list[float], list[float]], c: ControlChart, unit: Text, span_s: float) -> Chart:
    """Individuals over moving range."""
    at, value = points
    title = Text("{g}, {p}", "{g}，{p}").put(g=of[1], p=PLACE[of[0]])
    bad = {i for rule, hits in c.signals.items() if rule != "range" for i in hits}
    single = charts.dots(title, (at, value), mode="lines+markers", line={"color": charts.PALE, "width": 1})
    single["marker"]["color"] = [charts.BAD if i in bad else charts.MID for i in range(len(value))]
    ranges = charts.dots(RULE["range"], (at[1:], [round(r, 4) for r in c.moving_range]), yaxis="y2")
    ranges["marker"]["color"] = [charts.BAD if i + 1 in c.signals["range"] else charts.MID for i in range(len(value) - 1)]
    lines = charts.limits(
        *((v, Text("{t} {v}", "{t} {v}").put(t=t, v=num(v, 1))) for v, t in ((c.low, "LCL"), (c.centre, "CL"), (c.high, "UCL")))
    )
    shape, mark = charts.limit(c.range_high, Text("UCL {v}", "UCL {v}").put(v=num(c.range_high, 1)))
    lines = {"shapes": [*lines["shapes"], shape | {"yref": "y2"}], "annotations": [*lines["annotations"], mark | {"yref": "y2"}]}
    pad = 0.12 * (max(c.high, *value) - min(c.low, *value)) + 1e-6
    upper = {"domain": [0.36, 1.0], "range": [min(c.low, *value) - pad, max(c.high, *value) + pad]}
    lower = {"domain": [0.0, 0.26], "rangemode": "tozero", "title": {"text": Text("range", "极差")}, "automargin": True, "nticks": 3}
    broken = [RULE[rule] for rule, hits in c.signals.items() if hits]
    what = Text("Control chart of {t}; rules broken: {b}.", "{t}控制图；违反的准则：{b}。")
    none = Text("none", "无")
    said = Text(", ".join(r.en for r in broken) or none.en, "、".join(r.zh for r in broken) or none.zh)
    box = charts.layout(unit, span_s, showlegend=False, yaxis=upper, yaxis2=lower, xaxis={"nticks": 5, "anchor": "y2"}, **lines)
    return Chart(name, title, what.put(t=title, b=said), {"data": [single, ranges], "layout": box}, 300)


def sources() -> Note:
    """What was not checked against its standard."""
    return Note(Text(
        "Recalled — unverified: sampling frequencies (GB/T 14902-2012 9.3), slump tolerance (ch. 6), scatter of a slump test (ASTM C143, 10 mm) and of cubes of one "
        "sample (ACI 214R, 4 %). Acceptance rules, their factors and the rule for a set of cubes were found second-hand, not read in the standards. Strength is the "
        "twin's estimate from the true masses; it knows one cement, so real lots scatter more.",
        "凭记忆引用——未核实：取样频率（GB/T 14902-2012 第 9.3 条）、坍落度允许偏差（第 6 章）、坍落度试验离散（ASTM C143，10 mm）、组内试件离散（ACI 214R，4 %）。"
        "评定规则、系数及试件取值规则引自二手资料，未与标准原文核对。强度为按真实组成的估算值，仅一种水泥，实际离散更大。",
    ), "recalled")  # fmt: skip
