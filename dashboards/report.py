"""The report of a run: one HTML file, Chinese and English, that opens anywhere and needs no network."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from dashboards.facts import Facts
from dashboards.pages import plotly, rendered, written
from dashboards.pieces import Figures, Note, Section, Text, flag, num, percent, same, script_json
from dashboards.sections import air, alarms, concrete, deliveries, energy, materials, production, quality, site, water, weighing
from dashboards.texts import word
from scenarios.run import Run

BANNERS = {
    "cut": Text(
        "This run was cut short. The report covers what had been recorded up to then.", "本次运行中断，报告仅涵盖中断前已记录的内容。"
    ),
    "running": Text(
        "This run is still going on. The report covers what has been recorded so far.", "本次运行仍在进行，报告仅涵盖目前已记录的内容。"
    ),
    "failed": Text("This run failed. The report covers what had been recorded up to then.", "本次运行失败，报告仅涵盖失败前已记录的内容。"),
}
CLOSURE_LIMIT = 1e-9


def write_report(run: Run, path: Path | None = None) -> Path:
    """Write the report of a run.

    Args:
        run: an opened run; also one that was cut or is still going.
        path: HTML file to write; `report.html` in the run's folder by default.

    Returns:
        The file.
    """
    facts = Facts(run)
    sections = [
        m.section(facts) for m in (production, weighing, concrete, quality, materials, water, air, site, energy, deliveries, alarms)
    ] + [unverified()]
    charts = [c for s in sections for c in s.charts()]
    figures = {c.name: c.figure | {"what": c.what} for c in charts}
    html = rendered(
        "report.html",
        head=head(facts),
        banner=BANNERS.get(run.state),
        state=run.state,
        key=key_figures(facts),
        sections=sections,
        title=title_of(facts, "scenario"),
        page_title=script_json(title_of(facts, "scenario")),
        figures=script_json(figures),
        plotlyjs=plotly() if charts else "",
    )
    return written(Path(path) if path else run.path / "report.html", html)


def title_of(facts: Facts, what: str) -> Text:
    """Title of the scenario or the design."""
    of: dict[str, Any] = getattr(facts, what)
    title = of.get("title") or {}
    name = str(of.get("name", "–"))
    return Text(str(title.get("en", name)), str(title.get("zh", name)))


def head(facts: Facts) -> list[tuple[Text, Any]]:
    """What was run: name and value pairs."""
    info, name = facts.info, facts.scenario.get("name", "–")
    end = facts.starts + timedelta(seconds=facts.span_s)
    return [
        (Text("Plant", "站点"), Text("{t} ({n})", "{t}（{n}）").put(t=title_of(facts, "design"), n=facts.design.get("name", "–"))),
        (Text("Scenario", "场景"), same(name)),
        (Text("Simulated", "模拟时段"), f"{facts.starts:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M}"),
        (Text("Seed", "随机种子"), str(info.get("seed", "–"))),
        (Text("Fidelity", "仿真级别"), word(info.get("fidelity", "–"))),
        (Text("Version", "版本"), f"batchtwin {info.get('version', '–')}"),
        (Text("Run on", "运行时间"), str(info.get("started", "–"))),
        (Text("State", "状态"), word(facts.run.state)),
    ]


def key_figures(facts: Facts) -> Figures:
    """The figures one looks for first, counted from the tables; residual and speed from the run's closing."""
    done = facts.run.outcome

    def count(table: str, ask: str = "count(*)") -> float:
        return (facts.one(f"SELECT {ask} AS n FROM {table}")["n"] or 0) if facts.has(table) else 0

    weighings, outside = count("weighings"), count("weighings", "count(*) FILTER (outside)")
    alarms_n = count("events", "count(*) FILTER (kind = 'alarm')")
    residual, speed = done.get("ledger_residual"), done.get("speed")
    share = outside / weighings if weighings else None
    hours = facts.span_s / 3600
    planned = facts.info.get("lasts_s")
    items: list[tuple[Text, Any, Any]] = [
        (
            Text("m³ delivered", "供应方量 m³"),
            num(count("deliveries", "sum(volume_m3)"), 1),
            Text("as ordered, left the plant", "按订单，已出站"),
        ),
        (Text("m³ mixed", "搅拌方量 m³"), num(count("batches", "sum(volume_m3)"), 1), Text("true volume", "实际体积")),
        (Text("Batches", "盘数"), num(count("batches")), ""),
        (Text("Loads", "车次"), num(count("deliveries")), Text("{n} not left yet", "{n} 车未出站").put(n=done.get("loads_open", "–"))),
        (
            Text("Out of tolerance", "超差计量"),
            flag(num(outside), outside > 0),
            Text("{p} of {n} weighings", "占 {n} 次计量的 {p}").put(p=percent(share), n=num(weighings)),
        ),
        (
            Text("Ledger residual", "台账不平衡"),
            "–" if residual is None else flag(f"{residual:.1e}", residual > CLOSURE_LIMIT),
            Text("share of the mass in play", "相对在账质量"),
        ),
        (Text("Alarms", "报警"), flag(num(alarms_n), alarms_n > 0, "warn"), ""),
        (
            Text("Simulated", "模拟时长"),
            f"{num(hours, 1)} h" if not facts.long else f"{num(hours / 24, 1)} d",
            Text("of {h} h asked for", "计划 {h} h").put(h=num(planned / 3600, 1)) if planned else "",
        ),
        (
            Text("Speed", "速度"),
            "–" if speed is None else f"{num(speed)} ×",
            Text("real time, run took {s} s", "倍实时，耗时 {s} s").put(s=num(done.get("wall_seconds"), 1)),
        ),
    ]
    if done.get("bad_writes"):
        items.append(
            (Text("Bad writes", "越界写入"), flag(num(done["bad_writes"]), True), Text("not a number, or out of range", "非数值或超出范围"))
        )
    return Figures(items)


def unverified() -> Section:
    """One note on limits that were not checked against their source."""
    text = Text(
        "Limits marked «unverified» (tolerances, fcu,0, slump tolerance, delivery time) were written down from memory of the standards named with them; check "
        "them against the standard before relying on a judgement. The plant's own figures name their sources in its design.",
        "标有“未核实”的限值（计量允许偏差、fcu,0、坍落度允许偏差、运输时间）系凭记忆引自所注标准，据以判定前请与标准原文核对。设备参数的来源见站点设计文件。",
    )
    return Section("unverified", Text("Unverified figures", "未核实的数据"), [Note(text, "recalled")])
