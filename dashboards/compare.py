"""The page of a sweep or a what-if: variants side by side, what matters most, what nothing beats, and how results scatter."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from dashboards import pages
from dashboards.charts import BAD, INK, MID, PALE, SERIES, SYMBOLS, layout
from dashboards.pages import rendered, written
from dashboards.pieces import Figures, Section, Table, Text, flag, num, same, script_json
from scenarios.whatif.compare import Compared, clause_results, compared, variants
from scenarios.whatif.effects import effects, pareto, rank_correlations, sobol
from scenarios.whatif.measures import MEASURES
from scenarios.whatif.results import Sweep

MOST_VARIANTS = 12  # columns side by side
MOST_ROWS = 60  # of a table of points
AXES = ("cost_cny_m3", "co2_kg_m3", "on_time_percent", "mains_m3", "dust_kg", "cost_cny", "co2_kg")
FIRST = "cost_cny_m3"  # what is drawn first
ABOVE: dict[str, Any] = {"legend": {"y": 1.0, "yanchor": "bottom"}, "margin": {"t": 30}}
RESULTS = {"pass": Text("pass", "通过"), "fail": Text("fail", "不通过"), "not_evidenced": Text("not evidenced", "证据不足"),
           "not_applicable": Text("not applicable", "不适用")}  # fmt: skip
POLICY = "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src data: blob:"


def write_page(sweep: Sweep, path: str | Path) -> Path:
    """Write the page of a sweep as one HTML file that opens anywhere.

    Returns:
        The file.
    """
    return written(path, "".join(pieces(sweep)))


def pieces(sweep: Sweep, plotly: str = "", nonce: str = "") -> Iterator[str]:
    """The page of a sweep, its head before anything is computed.

    Args:
        plotly: where Plotly is served; it stands in the page itself when left out.
        nonce: of the page's own script, on a server that lets no other run.
    """
    title = Text("{n}: comparison", "{n}：对比").put(n=sweep.spec.name)
    yield rendered("compare_head.html", title=title, plotly=plotly, policy=policy(nonce))
    found, groups = compared(sweep), levels_of(sweep)
    yield rendered(
        "compare.html",
        title=title, page_title=script_json(title), key=key_figures(sweep), about=about(sweep), tables=tables(sweep, found),
        measures=[(m, label(m)) for m in sweep.measures], pairs=[(f"{x}|{y}", Text("{a} · {b}", "{a} · {b}").put(a=label(x), b=label(y))) for x, y in pairs(sweep)],
        groups=[(g, same(g) if g else Text("variant or point", "方案或样点")) for g in groups],
        figures=script_json(figures(sweep, found, groups)), rows=script_json(rows(sweep, groups)), first=FIRST if FIRST in sweep.measures else next(iter(sweep.measures), ""),
        plotlyjs="" if plotly else pages.plotly(), nonce=nonce,
    )  # fmt: skip


def policy(nonce: str) -> str:
    """What the page may load."""
    return POLICY.format(f"'self' 'nonce-{nonce}'" if nonce else "'unsafe-inline'")


def label(measure: str) -> Text:
    """A measure with its unit."""
    what = MEASURES[measure]
    unit = f", {what.unit}" if what.unit else ""
    return Text(what.en + unit, what.zh + unit)


def key_figures(sweep: Sweep) -> Figures:
    """How many runs there are."""
    failed = len(sweep.rows) - len(sweep.complete)
    return Figures([
        (Text("Runs", "运行次数"), num(len(sweep.rows)), Text("of {n}", "共 {n}").put(n=num(sweep.about["runs"]))),
        (Text("Failed", "失败"), flag(num(failed), failed > 0, "warn"), ""),
        (Text("Points", "样点"), num(sweep.spec.n_points), Text("variants or combinations", "方案或组合")),
        (Text("Seeds", "随机种子"), num(len(sweep.spec.all_seeds)), Text("common to all", "所有方案共用")),
    ])  # fmt: skip


def about(sweep: Sweep) -> list[tuple[Text, str]]:
    """What was played."""
    spec = sweep.spec
    return [(Text("Scenarios", "场景"), ", ".join(spec.scenarios)), (Text("Designs", "设计"), ", ".join(spec.designs) or "–"),
            (Text("Method", "方法"), "what-if" if spec.variants else spec.method), (Text("Fidelity", "仿真级别"), spec.fidelity),
            (Text("Rule book", "条款手册"), spec.criteria or "–"), (Text("Version", "版本"), str(sweep.about["version"]))]  # fmt: skip


def tables(sweep: Sweep, found: list[Compared]) -> Section:
    """Variants side by side, or points row by row; clauses; what failed."""
    section, names = Section("tables", Text("Side by side", "并列对比")), variants(sweep)
    by = {(c.variant, c.measure): c for c in found}
    if len(names) <= MOST_VARIANTS:
        rows = [[label(m), *(_cell(by.get((v, m))) for v in names)] for m in sweep.measures]
        note = Text("Mean ± 95 % interval (Student). Δ: difference from the first column in pairs of common seeds; * where its interval leaves out zero. Prices are engineering choices, «unverified».",
                    "均值 ± 95 % 置信区间（t 分布）。Δ：与首列按相同随机种子成对之差；* 表示区间不含零。价格为工程取值，“未核实”。")  # fmt: skip
        section.items.append(Table(Text("Measures", "指标"), [Text("Measure", "指标"), *map(same, names)], rows, note))
    else:
        shown = [m for m in AXES if m in sweep.measures]
        best = sorted(names, key=lambda v: by[v, FIRST].value.mean if (v, FIRST) in by else float("inf"))[:MOST_ROWS]
        note = Text("The {n} cheapest of {all} points.", "{all} 个样点中成本最低的 {n} 个。").put(n=len(best), all=len(names))
        section.items.append(Table(Text("Points", "样点"), [Text("Point", "样点"), *map(label, shown)],
                                   [[same(v), *(_short(by.get((v, m))) for m in shown)] for v in best], note))  # fmt: skip
    clauses = clause_results(sweep)
    if clauses and len(names) <= MOST_VARIANTS:
        rows = [[same(c), *(_verdict(of.get(v, {})) for v in names)] for c, of in clauses.items()]
        section.items.append(
            Table(Text("Clauses: runs by result", "条款：各结果的运行次数"), [Text("Clause", "条款"), *map(same, names)], rows)
        )
    failed = [row for row in sweep.rows if row["state"] != "complete"]
    if failed:
        rows = [[same(row["variant"]), str(row["seed"]), str(row["error"])] for row in failed[:MOST_ROWS]]
        section.items.append(
            Table(Text("Runs that failed", "失败的运行"), [Text("Point", "样点"), Text("Seed", "种子"), Text("Why", "原因")], rows)
        )
    return section


def _n(value: float) -> str:
    return num(value, 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 4) if value else "0"


def _short(found: Compared | None) -> str:
    return "–" if found is None else _n(found.value.mean)


def _cell(found: Compared | None) -> str:
    if found is None:
        return "–"
    text = _n(found.value.mean) + (f" ± {_n(found.value.half)}" if found.value.half else "")
    diff = found.difference
    if diff is None:
        return text
    return f"{_n(found.value.mean)} (Δ {_n(diff.mean)}{f' ± {_n(diff.half)}' if diff.half else ''}{'*' if diff.sure else ''})"


def _verdict(counts: dict[str, int]) -> Any:
    parts = [Text("{r} {n}", "{r} {n}").put(r=RESULTS[r], n=n) for r, n in counts.items()]
    text = Text(", ".join(p.en for p in parts) or "–", "，".join(p.zh for p in parts) or "–")
    return flag(text, bool(counts.get("fail")))


# --- charts ---------------------------------------------------------------------------------------------


def figures(sweep: Sweep, found: list[Compared], groups: dict[str, list[Any]]) -> dict[str, Any]:
    """Every chart of the page by name: `tornado:MEASURE`, `pareto:X|Y`, `spread:MEASURE|FACTOR`."""
    out: dict[str, Any] = {f"tornado:{m}": tornado(sweep, found, m) for m in sweep.measures}
    out |= {f"pareto:{x}|{y}": front(found, x, y) for x, y in pairs(sweep)}
    return out | {f"spread:{m}|{group}": spread(m, group, levels) for group, levels in groups.items() for m in sweep.measures}


def rows(sweep: Sweep, groups: dict[str, list[Any]]) -> dict[str, Any]:
    """What charts of single runs are drawn from, once for all: `values` by measure, `levels` by group as numbers of its levels, in the order of the runs."""
    shown = {m: [None if row[m] is None else float(f"{row[m]:.6g}") for row in sweep.complete] for m in sweep.measures}
    numbers = {g: {level: i for i, level in enumerate(levels)} for g, levels in groups.items() if len(levels) <= MOST_VARIANTS}
    return {"values": shown, "levels": {g: [of[row[g or "variant"]] for row in sweep.complete] for g, of in numbers.items()}}


def levels_of(sweep: Sweep) -> dict[str, list[Any]]:
    """What runs may be told apart by: variant or point (`""`), and factors of few levels."""
    found = {"": list(dict.fromkeys(row["variant"] for row in sweep.complete))}
    return found | {f: sorted({row[f] for row in sweep.complete}) for f in sweep.spec.factors if _few(sweep, f)}


def pairs(sweep: Sweep) -> list[tuple[str, str]]:
    """Measures that are drawn against each other."""
    return list(combinations([m for m in AXES if m in sweep.measures], 2))


def _few(sweep: Sweep, factor: str) -> bool:
    return len({row[factor] for row in sweep.rows}) <= MOST_VARIANTS


def tornado(sweep: Sweep, found: list[Compared], measure: str) -> dict[str, Any]:
    """What moves a measure most, the longest bar above: effects, indices, correlations, or differences of variants."""
    side = {"automargin": True, "autorange": "reversed"}
    main = effects(sweep, measure)
    if main and sweep.spec.factors:
        middle = sum(r[measure] for r in sweep.complete if r[measure] is not None) / max(
            sum(r[measure] is not None for r in sweep.complete), 1
        )
        data = [
            {"type": "bar", "orientation": "h", "name": name, "y": [e.factor for e in main], "base": middle, "x": [at(e) - middle for e in main],
             "text": [_level(level(e)) for e in main], "hovertemplate": "%{y} = %{text}<extra></extra>", "marker": {"color": color}}
            for name, at, level, color in ((Text("least", "最小"), lambda e: e.low, lambda e: e.at_low, PALE), (Text("most", "最大"), lambda e: e.high, lambda e: e.at_high, MID))
        ]  # fmt: skip
        return {"data": data, "layout": layout(barmode="overlay", yaxis=side, **ABOVE, xaxis={"title": {"text": label(measure)}})}
    indices = sobol(sweep, measure)
    if indices:
        data = [
            {"type": "bar", "orientation": "h", "name": name, "y": [i.factor for i in indices], "x": [v(i) for i in indices], "marker": {"color": color},
             "error_x": {"type": "data", "symmetric": False, "array": [max(up(i) - v(i), 0) for i in indices], "arrayminus": [max(v(i) - low(i), 0) for i in indices]}}
            for name, v, low, up, color in (
                (Text("alone", "单独"), lambda i: i.first, lambda i: i.first_low, lambda i: i.first_high, PALE),
                (Text("in all", "总效应"), lambda i: i.total, lambda i: i.total_low, lambda i: i.total_high, MID))
        ]  # fmt: skip
        return {
            "data": data,
            "layout": layout(
                barmode="group", yaxis=side, **ABOVE, xaxis={"title": {"text": Text("share of the variance (Sobol)", "方差占比（Sobol）")}}
            ),
        }
    ranks = rank_correlations(sweep, measure)
    if ranks:
        data = [{"type": "bar", "orientation": "h", "y": [f for f, _ in ranks], "x": [r for _, r in ranks], "marker": {"color": MID}}]
        return {
            "data": data,
            "layout": layout(
                yaxis=side, xaxis={"range": [-1, 1], "title": {"text": Text("rank correlation (Spearman)", "秩相关（Spearman）")}}
            ),
        }
    own = [c for c in found if c.measure == measure and c.difference is not None]
    own = sorted(own, key=lambda c: -abs(c.difference.mean if c.difference else 0.0))[:MOST_VARIANTS]
    data = [{"type": "bar", "orientation": "h", "y": [c.variant for c in own], "x": [c.difference.mean if c.difference else 0.0 for c in own], "marker": {"color": MID},
             "error_x": {"type": "data", "array": [(c.difference.half or 0.0) if c.difference else 0.0 for c in own], "color": INK}}]  # fmt: skip
    words = Text("Δ {m}", "Δ {m}").put(m=label(measure))
    return {"data": data, "layout": layout(yaxis=side, xaxis={"title": {"text": words}})}


def _level(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def front(found: list[Compared], x: str, y: str) -> dict[str, Any]:
    """Points by two measures, and those that no other beats in both."""
    names = list(dict.fromkeys(c.variant for c in found))
    mean = {(c.variant, c.measure): float(f"{c.value.mean:.6g}") for c in found if c.measure in (x, y)}
    names = [v for v in names if (v, x) in mean and (v, y) in mean]
    sign = {m: -1.0 if MEASURES[m].better == "more" else 1.0 for m in (x, y)}
    best = pareto([(sign[x] * mean[v, x], sign[y] * mean[v, y]) for v in names])
    some = [{"type": "scatter", "mode": "markers", "name": Text("points", "样点"), "x": [mean[v, x] for v in names], "y": [mean[v, y] for v in names], "text": names,
             "marker": {"color": PALE, "size": 7, "line": {"color": MID, "width": 1}}, "hovertemplate": "%{text}<br>%{x}, %{y}<extra></extra>"},
            {"type": "scatter", "mode": "lines+markers", "name": Text("not beaten (Pareto)", "帕累托前沿"), "x": [mean[names[i], x] for i in best],
             "y": [mean[names[i], y] for i in best], "text": [names[i] for i in best], "line": {"color": INK, "shape": "hv" if sign[x] * sign[y] > 0 else "vh", "width": 1.2},
             "marker": {"color": INK, "size": 8}, "hovertemplate": "%{text}<br>%{x}, %{y}<extra></extra>"}]  # fmt: skip
    return {"data": some, "layout": layout(label(y), **ABOVE, xaxis={"title": {"text": label(x)}})}


def spread(measure: str, group: str, levels: list[Any]) -> dict[str, Any]:
    """How a measure scatters: a box for each variant or level, or one histogram of all. Its values are taken from `rows`."""
    if len(levels) > MOST_VARIANTS:
        data = [{"type": "histogram", "x": {"of": measure}, "nbinsx": 30, "marker": {"color": MID}}]
        return {"data": data, "layout": layout(Text("runs", "运行次数"), xaxis={"title": {"text": label(measure)}}, showlegend=False)}
    data = [
        {"type": "box", "name": _level(level), "y": {"of": measure, "group": group, "level": i}, "boxpoints": "outliers",
         "marker": {"color": SERIES[i % len(SERIES)], "symbol": SYMBOLS[0], "outliercolor": BAD, "size": 4}, "line": {"width": 1.2}}
        for i, level in enumerate(levels)
    ]  # fmt: skip
    return {"data": data, "layout": layout(label(measure), showlegend=False, xaxis={"title": {"text": group}} if group else {})}
