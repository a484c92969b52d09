"""Deliveries: waiting, age of the concrete, and what each truck did."""

from __future__ import annotations

from typing import Any

from dashboards import charts
from dashboards.facts import BUCKETS, Facts
from dashboards.pieces import Chart, Figures, Note, Section, Table, Text, flag, heads, num, percent
from dashboards.texts import word
from scenarios import logistics

AGE_LIMIT_MIN = 90.0  # GB/T 14902-2012 7.5, truck mixer; recalled
TRUCKS, LOADS, ROWS = 60, 500, 40

TRIPS = """
CREATE OR REPLACE TEMP TABLE trips AS
SELECT *, (poured_s - wet_s) / 60 AS age_min, (at_bay_s - queued_s) / 60 AS bay_min, (left_s - at_bay_s) / 60 AS loading_min, (gate_s - left_s) / 60 AS gate_min,
       (arrived_s - gate_s) / 60 AS drive_min, (pour_s - arrived_s) / 60 AS site_min, (poured_s - pour_s) / 60 AS pour_min, (pour_s - due_s) / 60 AS late_min
FROM deliveries"""

TIMES = (
    ("bay_min", Text("waiting for the bay, with driving in", "等待装车位（含入位）")),
    ("loading_min", Text("under the hopper", "装料")),
    ("gate_min", Text("weighbridge, gate, wash", "过磅、门检、洗车")),
    ("drive_min", Text("driving to the site", "运往工地")),
    ("site_min", Text("waiting on the site", "工地等待")),
    ("pour_min", Text("pouring", "卸料")),
    ("late_min", Text("pour begins after its time", "开始卸料迟于计划")),
    ("age_min", Text("age at the end of pouring", "卸完时混凝土龄期")),
)


def section(facts: Facts) -> Section:
    """Deliveries."""
    out = Section("deliveries", Text("Deliveries", "运输"))
    if not facts.has("deliveries"):
        out.items.append(Note(Text("No delivery was recorded in this run.", "本次运行没有送货记录。"), "nothing"))
        return out
    facts.run.duck.execute(TRIPS)
    out.items += [figures(facts), times(facts), *age(facts), *waiting(facts), gantt(facts), *ledgers(facts), *transport(facts)]
    return out


def figures(facts: Facts) -> Figures:
    """Punctuality, waiting, kilometres and carbon of all deliveries."""
    m = logistics.measures(facts.run)
    return Figures([
        (Text("In time", "准时率"), percent(m.on_time, 1), Text("pours begun within their order's tolerance", "在允许迟到内开始卸料")),
        (Text("Waiting at the plant", "站内等待"), f"{num(m.wait_plant_min, 1)} min", Text("mean of a load, queue and driving in", "每车平均，含排队与入位")),
        (Text("Waiting on the site", "工地等待"), f"{num(m.wait_site_min, 1)} min", Text("mean of a load", "每车平均")),
        (Text("Refused", "退料"), flag(percent(m.refused, 1), m.refused > 0, "warn"), Text("loads that a site sent back", "工地退回车次占比")),
        (Text("Broken pours", "浇筑中断"), flag(num(m.interruptions), m.interruptions > 0), Text("breaks of continuous pours: cold joints", "连续浇筑超时中断（冷缝）")),
        (Text("Use of the trucks", "车辆利用率"), percent(m.utilisation, 1), Text("share of their time from call to free again", "自派车至空闲的时间占比")),
        (Text("Driven", "行驶"), f"{num(m.km_m3, 2)} km/m³", Text("{e} of it empty, {b} on batteries", "其中空驶 {e}，电动 {b}").put(e=percent(m.empty_km, 0), b=percent(m.electric_km, 0))),
        (Text("CO2e of the trucks", "车辆碳排放"), f"{num(m.kg_co2_m3, 2)} kg/m³", Text("fuel and electricity, «unverified»", "燃油与用电，“未核实”")),
    ])  # fmt: skip


def ledgers(facts: Facts) -> list[Table | Note]:
    """What was against a rule, what came back, which pours broke."""
    out: list[Table | Note] = []
    wanted = (
        ("violations", Text("Against a rule", "违规记录"), "time_s, truck, ticket, kind, value, \"limit\", action", "Time|时间|Truck|车号|Ticket|票号|What|事项|Value|数值|Limit|限值|Answer|处理"),
        ("returned", Text("Returned concrete", "退回混凝土"), "time_s, truck, ticket, volume_m3, kg, reason, decision, decided_by", "Time|时间|Truck|车号|Ticket|票号|m³|方量|kg|质量|Why|原因|Made of it|处置|By|确认人"),
        ("pours", Text("Continuous pours that broke", "连续浇筑中断"), "time_s, \"order\", ticket, gap_min, limit_min", "Time|时间|Site|工地|Ticket|票号|Break, min|中断 min|At most|限值"),
    )  # fmt: skip
    for table, title, columns, words in wanted:
        rows = facts.rows(f"SELECT {columns} FROM {table} ORDER BY time_s LIMIT {ROWS}") if facts.has(table) else []
        if not rows:
            out.append(Note(Text("{t}: none.", "{t}：无。").put(t=title), "nothing"))
            continue
        parts = words.split("|")
        head = heads(*(f"{en}|{zh}" for en, zh in zip(parts[::2], parts[1::2], strict=True)))
        out.append(Table(title, head, [[_cell(facts, k, v) for k, v in row.items()] for row in rows]))
    return out


def _cell(facts: Facts, key: str, value: Any) -> Any:
    if key == "time_s":
        return facts.clock(value)
    if isinstance(value, float):
        return num(value, 1)
    return word(str(value)) if value is not None else ""


def transport(facts: Facts) -> list[Table]:
    """How the materials came."""
    rows = logistics.materials_by_transport(facts.run) if facts.has("lots") else None
    if rows is None or rows.empty:
        return []
    cells = [[word(str(r.transport)), num(r.t, 0), num(r.t_km, 0), percent(r.share, 1)] for r in rows.itertuples()]
    return [Table(Text("Materials by way of transport", "原材料运输方式"), heads("Way|方式", "t|t", "t·km|t·km", "Share|占比"), cells)]


def times(facts: Facts) -> Table:
    """Statistics of each part of a delivery."""
    rows = []
    for key, title in TIMES:
        r = facts.one(
            f"SELECT count({key}) AS n, avg({key}) AS mean, quantile_cont({key}, 0.5) AS mid, quantile_cont({key}, 0.95) AS late, max({key}) AS most FROM trips"
        )
        old = key == "age_min"
        rows.append(
            [
                title,
                num(r["n"]),
                num(r["mean"], 1),
                num(r["mid"], 1),
                num(r["late"], 1),
                flag(num(r["most"], 1), old and (r["most"] or 0) > AGE_LIMIT_MIN),
            ]
        )
    head = heads("Minutes|分钟", "Loads|车次", "Mean|平均", "Median|中位数", "95 %|95 % 分位", "Greatest|最大")
    return Table(Text("How long it took", "各环节用时"), head, rows)


def age(facts: Facts) -> list[Any]:
    """Age of the concrete when the truck was empty, against the limit."""
    found = facts.rows(
        f"SELECT floor(age_min / 5)::INT AS bin, count(*) AS n, count(*) FILTER (age_min > {AGE_LIMIT_MIN}) AS old"
        " FROM trips WHERE age_min IS NOT NULL GROUP BY bin ORDER BY bin"
    )
    if not found:
        return [Note(Text("No load had been poured when the run ended.", "运行结束时尚无卸完的车次。"), "nothing")]
    n, old = sum(r["n"] for r in found), sum(r["old"] for r in found)
    figure = charts.histogram(
        [5 * r["bin"] + 2.5 for r in found], [r["n"] for r in found], 0.0, AGE_LIMIT_MIN, 5.0, Text("age, min", "龄期 min")
    )
    title = Text("Age from water to discharge", "加水至卸完的时间")
    what = Text(
        "Histogram of the age of the concrete at the end of pouring; {o} of {n} loads beyond 90 min.",
        "卸完时混凝土龄期直方图；{n} 车中 {o} 车超过 90 min。",
    ).put(o=num(old), n=num(n))
    note = Text(
        "{o} of {n} loads ({p}) took longer than 90 min, counted from the charging of the load's first batch to the end of pouring. "
        "Limit: GB/T 14902-2012 7.5, recalled — unverified.",
        "{n} 车中 {o} 车（{p}）超过 90 min，自该车第一盘投料至卸完计。限值：GB/T 14902-2012 第 7.5 条，凭记忆引用——未核实。",
    )
    return [Chart("age", title, what, figure, 240), Note(note.put(o=num(old), n=num(n), p=percent(old / n)), "recalled")]


def waiting(facts: Facts) -> list[Chart]:
    """Waiting at the bay over time: each load, or mean and 95 % of each day or week."""
    title = Text("Waiting at the bay", "装车位等待时间")
    unit = Text("min", "min")
    if facts.long:
        c = facts.columns(
            f"SELECT {facts.bucket_ms('queued_s')} AS at_ms, round(avg(bay_min), 2) AS mean, round(quantile_cont(bay_min, 0.95), 2) AS late"
            " FROM trips GROUP BY at_ms ORDER BY at_ms"
        )
        what = Text("Waiting at the bay, mean and 95 % quantile of each {b}.", "装车位等待时间，每{b}的平均与 95 % 分位。").put(
            b=BUCKETS[facts.bucket]
        )
        curves: dict[charts.Name, charts.Points] = {
            Text("mean", "平均"): (c["at_ms"], c["mean"]),
            Text("95 %", "95 % 分位"): (c["at_ms"], c["late"]),
        }
        return [Chart("waiting", title, what, charts.trend(curves, unit, facts.span_s), 240)]
    c = facts.columns(f"SELECT {facts.ms('queued_s')} AS at_ms, round(bay_min, 2) AS min FROM trips ORDER BY at_ms LIMIT 5000")
    what = Text("Minutes that each load waited for the bay.", "每车等待装车位的分钟数。")
    return [
        Chart(
            "waiting",
            title,
            what,
            {
                "data": [charts.dots(title, (c["at_ms"], c["min"]))],
                "layout": charts.layout(unit, facts.span_s, showlegend=False, yaxis={"rangemode": "tozero"}),
            },
            240,
        )
    ]


def gantt(facts: Facts) -> Chart:
    """What each truck did and when."""
    found = facts.rows(
        f"SELECT * FROM trips WHERE truck IN (SELECT DISTINCT truck FROM deliveries ORDER BY truck LIMIT {TRUCKS}) ORDER BY ticket LIMIT {LOADS}"
    )
    count = facts.one("SELECT count(*) AS n, count(DISTINCT truck) AS trucks FROM deliveries")
    legs = (
        ("queued_s", "at_bay_s", Text("waiting for the bay", "等待装车位"), charts.PALE),
        ("at_bay_s", "left_s", Text("loading", "装料"), charts.INK),
        ("left_s", "arrived_s", Text("driving", "去程"), charts.MID),
        ("arrived_s", "pour_s", Text("waiting on the site", "工地等待"), "#e3d5b8"),
        ("pour_s", "poured_s", Text("pouring", "卸料"), "#6d8b74"),
        ("poured_s", "returned_s", Text("driving back", "回程"), "#cfd8dc"),
    )
    groups = [(name, color, *_legs(facts, found, a, b)) for a, b, name, color in legs]
    late = [r for r in found if (r["age_min"] or 0) > AGE_LIMIT_MIN]
    if late:
        groups.append((Text("pouring, older than 90 min", "卸料，超过 90 min"), charts.BAD, *_legs(facts, late, "pour_s", "poured_s")))
    trucks = [str(t) for t in sorted({r["truck"] for r in found})]
    last = max((r["returned_s"] or r["poured_s"] or r["left_s"] for r in found), default=facts.span_s)
    figure = charts.spans(groups, min(last, facts.span_s), trucks)
    figure["layout"]["yaxis"]["title"] = {"text": Text("truck", "车号")}
    what = Text("Timeline of the trucks: waiting, loading, driving, pouring, driving back.", "车辆时间线：等待、装料、去程、卸料、回程。")
    cut = len(found) < count["n"]
    title = Text("Trucks over time", "车辆时间线")
    if cut:
        title = Text(
            "Trucks over time (first {r} of {n} loads, {t} of {k} trucks)", "车辆时间线（共 {n} 车次，列前 {r} 车次；{k} 辆车中 {t} 辆）"
        )
        title = title.put(r=num(len(found)), n=num(count["n"]), t=len(trucks), k=count["trucks"])
    return Chart("trucks", title, what, figure, 120 + 15 * max(len(trucks), 4), 560)


def _legs(facts: Facts, found: list[dict[str, Any]], begin: str, end: str) -> tuple[list[str], list[int], list[int]]:
    legs = [
        (str(r["truck"]), facts.zero_ms + round(1000 * r[begin]), round(1000 * (r[end] - r[begin])))
        for r in found
        if r[begin] is not None and r[end] is not None
    ]
    return [t for t, _, _ in legs], [b for _, b, _ in legs], [d for _, _, d in legs]
