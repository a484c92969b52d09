"""Alarms, faults, and what people did about them."""

from __future__ import annotations

from typing import Any

from dashboards import charts
from dashboards.facts import Facts
from dashboards.pieces import Chart, Flag, Note, Section, Table, Text, heads, num, same
from dashboards.texts import plant_words, word

CAP = 500
ROWS = 40

# An alarm lasts until the next end of the same name; a fault until the next end of the same fault on the same machine.
LASTING = """
WITH e AS (SELECT time_s, replace(kind, '-end', '') AS kind, kind LIKE '%-end' AS ends, name, text
           FROM events WHERE kind IN ('alarm', 'alarm-end', 'fault', 'fault-end')),
     n AS (SELECT *, lead(time_s) OVER (PARTITION BY kind, name, text ORDER BY time_s, ends DESC) AS until_s FROM e)
SELECT * FROM n WHERE NOT ends"""


def section(facts: Facts) -> Section:
    """Alarms and faults."""
    out = Section("alarms", Text("Alarms and faults", "报警与故障"))
    if not facts.has("events"):
        out.items.append(Note(Text("No alarm, fault or operator action was recorded.", "没有报警、故障或操作记录。"), "nothing"))
        return out
    out.items += [summary(facts), *timeline(facts), table(facts)]
    return out


def meaning(kind: str, name: str, text: str) -> Text:
    """What an event says, in both languages."""
    if kind.startswith("alarm"):
        return plant_words().get((name.rsplit(".", 1)[-1], text), same(text))
    return plant_words().get(text, word(text)) if kind.startswith("fault") else word(text)


def summary(facts: Facts) -> Table:
    """How often each alarm and fault came, and how long it lasted in all."""
    found = facts.rows(
        f"SELECT kind, name, text, count(*) AS n, sum(coalesce(until_s, {facts.span_s}) - time_s) / 60 AS min, bool_or(until_s IS NULL) AS open"
        f" FROM ({LASTING})"
        f" GROUP BY kind, name, text ORDER BY kind, n DESC, name LIMIT {CAP}"
    )
    head = heads("Kind|类别", "Name|名称", "Meaning|含义", "Times|次数", "Total, min|累计 min", "At the end|结束时")
    rows = [
        [
            word(r["kind"]),
            r["name"],
            meaning(r["kind"], r["name"], r["text"]),
            num(r["n"]),
            num(r["min"], 1),
            Flag(Text("still on", "仍存在"), "warn") if r["open"] else Text("over", "已消除"),
        ]
        for r in found
    ]
    return Table(Text("By name", "按名称汇总"), head, rows, None if rows else Text("No alarm and no fault.", "没有报警与故障。"))


def timeline(facts: Facts) -> list[Any]:
    """Alarms and faults as bars over time."""
    found = facts.rows(f"SELECT * FROM ({LASTING}) ORDER BY time_s, name LIMIT {CAP}")
    if not found:
        return []
    count = facts.one(f"SELECT count(*) AS n FROM ({LASTING})")["n"]
    rows = list(dict.fromkeys(r["name"] for r in found))[:ROWS]
    groups = []
    least = facts.span_s / 400  # a short alarm is still seen
    for kind, color in (("alarm", charts.BAD), ("fault", "#8d6e00")):
        mine = [r for r in found if r["kind"] == kind and r["name"] in rows]
        if mine:
            lasts = [round(1000 * max((facts.span_s if r["until_s"] is None else r["until_s"]) - r["time_s"], least)) for r in mine]
            groups.append((word(kind), color, [r["name"] for r in mine], [facts.zero_ms + round(1000 * r["time_s"]) for r in mine], lasts))
    figure = charts.spans(groups, facts.span_s, rows)
    figure["layout"]["xaxis"]["range"] = [facts.zero_ms, facts.zero_ms + round(1000 * facts.span_s)]
    what = Text("Timeline of {n} alarms and faults on {k} machines or tags.", "{n} 次报警与故障的时间线，涉及 {k} 个设备或标签。").put(
        n=num(count), k=len(rows)
    )
    title = Text("Timeline", "时间线")
    if count > len(found):
        title = Text("Timeline (first {r} of {n})", "时间线（共 {n} 条，列前 {r} 条）").put(r=num(len(found)), n=num(count))
    return [Chart("alarms", title, what, figure, 110 + 22 * max(len(rows), 3), 560)]


def table(facts: Facts) -> Table:
    """Every event."""
    count = facts.one("SELECT count(*) AS n FROM events")["n"]
    head = heads("Time|时间", "Kind|类别", "Name|名称", "Value|数值", "Meaning|含义")
    rows = [
        [
            facts.clock(r["time_s"]),
            Flag(word(r["kind"])) if r["kind"] == "alarm" else word(r["kind"]),
            r["name"],
            num(r["value"], 0 if r["value"] == int(r["value"]) else 4),
            meaning(r["kind"], r["name"], r["text"]),
        ]
        for r in facts.rows(f"SELECT * FROM events ORDER BY time_s, kind, name LIMIT {CAP}")
    ]
    note = Text("The first {r} of {n} events.", "共 {n} 条，列出前 {r} 条。") if count > CAP else Text("{n} events.", "共 {n} 条。")
    return Table(Text("Events", "事件明细"), head, rows, note.put(r=CAP, n=num(count)))
