"""Air and noise: what was given off, what reached the fence and the neighbours, what is not verified. Exceedances stand in `exceedances.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashboards import charts
from dashboards.facts import BUCKETS, Facts
from dashboards.pieces import Chart, Figures, Note, Section, Table, Text, flag, heads, num, same
from dashboards.sections import exceedances
from scenarios import climate
from twin.design.schema import Design
from twin.design.site import SOUND_DB, SOUND_FOUND
from twin.equipment.part import Part
from twin.geometry import plume
from twin.kernels import dispersion
from twin.limits import DAY_BEGINS_H, DUST, NIGHT_BEGINS_H, NOISE_DB, OFTEN_DB, RARE_DB

UNVERIFIED = Text("«unverified»", "“未核实”")
GRID = 64


def section(facts: Facts) -> Section:
    """Air and noise."""
    out = Section("air", Text("Air and noise", "大气与噪声"))
    if not facts.has("boundary"):
        out.items.append(Note(Text("No station recorded air or noise in this run.", "本次运行没有边界监测记录。"), "nothing"))
        return out
    design = Design.model_validate(facts.design)
    plan, noise = design.site, NOISE_DB[design.site.zone]
    out.items += [figures(facts, noise)]
    if facts.has("emissions"):
        out.items += [sources(facts), contours(facts, plan, list(design.lines))]
    out.items += [
        at_the_fence(facts, "pm10_ug_m3", DUST["Pm10High"].of(plan.protected)),
        sound(facts, noise),
        exceedances.ledger(facts, plan),
    ]
    if plan.neighbours:
        out.items.append(neighbours(facts, plan, noise))
    out.items += [limits(plan), unverified(facts, design)]
    return out


def limits(plan: Any) -> Table:
    """The limits that hold here, and where they come from."""
    rows = [
        [exceedances.WHAT[alarm], f"{num(x.of(plan.protected))} {x.unit}", same(x.source), UNVERIFIED if x.recalled else ""]
        for alarm, x in DUST.items()
    ]
    day, at_night = NOISE_DB[plan.zone]
    source = Text("GB 12348-2008, class {z}: day, night; night peaks {o} over it when frequent, {r} when occasional",
                  "GB 12348-2008 {z} 类：昼、夜；夜间频发最大声级可超 {o}，偶发 {r}").put(z=plan.zone, o=num(OFTEN_DB), r=num(RARE_DB))  # fmt: skip
    rows.append([exceedances.WHAT["NoiseHigh"], f"{num(day)} / {num(at_night)} dB(A)", source, ""])
    return Table(Text("Limits", "限值"), heads("What|项目", "Limit|限值", "Source|依据", "Verified|核实"), rows)


def neighbours(facts: Facts, plan: Any, noise: tuple[float, float]) -> Table:
    """What reached the houses around, against the limits of the area."""
    limit = DUST["Pm10High"].of(plan.protected)
    rows = []
    for name in plan.neighbours:
        where = f"FROM boundary WHERE station = '{name}'"
        hour = facts.one(f"SELECT max(m) AS v FROM (SELECT avg(pm10_ug_m3) AS m {where} GROUP BY floor((time_s - 1) / 3600))")["v"]
        loud = [facts.one(f"SELECT 10 * log10(avg(pow(10, laeq_db / 10))) AS v {where} AND {when}")["v"]
                for when in (f"NOT {night(facts.ms('time_s'))}", night(facts.ms("time_s")))]  # fmt: skip
        cells = [
            flag(num(value, 1), value is not None and value > most) for value, most in zip((hour, *loud), (limit, *noise), strict=True)
        ]
        rows.append([same(name), *cells])
    note = Text("Limits {p} µg/m³ and {d} / {n} dB(A), as at the fence.", "限值 {p} µg/m³、{d} / {n} dB(A)，同厂界。").put(
        p=num(limit), d=num(noise[0]), n=num(noise[1])
    )
    head = heads("Neighbour|敏感点", "PM10, worst hour, µg/m³|PM10 最大小时均值 µg/m³", "Ld, dB(A)", "Ln, dB(A)")
    return Table(Text("Neighbours", "周边敏感点"), head, rows, note)


def unverified(facts: Facts, design: Design) -> Note:
    """Which of the figures behind this chapter were not read in their source."""
    plan = design.site
    parts: list[tuple[str, Part]] = [("site", plan), ("dust", plan.dust), ("ambient", plan.ambient)]
    parts += [(f"sprays.{key}", y) for key, y in plan.sprays.items()] + [(f"monitors.{key}", m) for key, m in plan.monitors.items()]
    recalled = [f"{where}.{field}" for where, part in parts for field in recalled_fields(part)]
    recalled += [f"sound_db.{kind}" for kind in SOUND_DB if kind not in plan.sound_db and kind not in SOUND_FOUND]
    place = (facts.scenario.get("weather") or {}).get("climate")
    normals = Text("", "")
    if place and climate.normals(place).confidence == "recalled":
        normals = Text(" The monthly normals of {p} are from memory, too.", "{p} 的月气候值亦为凭记忆录入。").put(p=place)
    text = Text("«unverified»: emission factors of AP-42 11.12, 13.2.4 and 13.2.5, blows of machines above their mean level, and {f}.",
                "“未核实”：AP-42 11.12、13.2.4、13.2.5 排放因子，机械冲击声增量，以及 {f}。").put(f=", ".join(recalled))  # fmt: skip
    return Note(Text(text.en + normals.en, text.zh + normals.zh), "recalled")


def recalled_fields(part: Part) -> list[str]:
    """Figures of a part of which the design takes a default that was not verified."""
    extras = {name: info.json_schema_extra for name, info in type(part).model_fields.items()}
    given = {name for name in part.model_fields_set if getattr(part, name) != type(part).model_fields[name].get_default()}
    return [
        name for name, extra in extras.items() if name not in given and isinstance(extra, dict) and extra.get("confidence") == "recalled"
    ]


def night(column: str = "time_s") -> str:
    """SQL: is it night, as GB 12348 counts it."""
    hour = f"hour(epoch_ms(({column})))"
    return f"({hour} < {DAY_BEGINS_H:g} OR {hour} >= {NIGHT_BEGINS_H:g})"


def figures(facts: Facts, noise: tuple[float, float]) -> Figures:
    """Emission per m³, the worst station, the loudest day and night."""
    gone = (
        facts.one("SELECT coalesce(sum(tsp_kg), 0) AS tsp, coalesce(sum(pm10_kg), 0) AS pm10 FROM emissions")
        if facts.has("emissions")
        else {"tsp": 0.0, "pm10": 0.0}
    )
    made = facts.one("SELECT coalesce(sum(volume_m3), 0) AS m3 FROM batches")["m3"] if facts.has("batches") else 0
    worst = facts.one("SELECT station, avg(tsp_ug_m3) - min(low) AS more FROM (SELECT *, min(tsp_ug_m3) OVER (PARTITION BY time_s) AS low FROM boundary)"
                      " GROUP BY station ORDER BY more DESC LIMIT 1")  # fmt: skip
    loud = {}
    for name, where in (("day", f"NOT {night(facts.ms('time_s'))}"), ("night", night(facts.ms("time_s")))):
        rows = facts.rows(
            f"SELECT station, 10 * log10(avg(pow(10, laeq_db / 10))) AS l FROM boundary WHERE {where} GROUP BY station ORDER BY l DESC LIMIT 1"
        )
        loud[name] = rows[0] if rows else None
    items: list[tuple[Text, Any, Any]] = [
        (Text("TSP given off", "TSP 排放"), f"{num(gone['tsp'], 2)} kg", Text("PM10 {p} kg", "PM10 {p} kg").put(p=num(gone["pm10"], 2))),
        (
            Text("TSP per m³", "单方 TSP"),
            f"{num(1000 * gone['tsp'] / made, 1)} g" if made else "–",
            Text("of concrete mixed", "按搅拌方量"),
        ),
        (
            Text("Dustiest side", "扬尘最重侧"),
            same(worst["station"]),
            Text("{v} µg/m³ TSP over the cleanest, mean", "TSP 平均高出最低站 {v} µg/m³").put(v=num(worst["more"], 1)),
        ),
    ]
    for name, title, limit in (
        ("day", Text("Noise by day", "昼间噪声"), noise[0]),
        ("night", Text("Noise at night", "夜间噪声"), noise[1]),
    ):
        row = loud[name]
        if row:
            items.append((title, flag(f"{num(row['l'], 1)} dB(A)", row["l"] > limit),
                          Text("LAeq, {s}; limit {m}", "LAeq，{s}；限值 {m}").put(s=row["station"], m=num(limit))))  # fmt: skip
    if loud["night"]:
        for column, title, rise in (
            ("lmax_often_db", Text("Frequent night peak", "夜间频发最大声级"), OFTEN_DB),
            ("lmax_db", Text("Loudest night peak", "夜间最大声级"), RARE_DB),
        ):
            peak = facts.one(
                f"SELECT station, max({column}) AS l FROM boundary WHERE {night(facts.ms('time_s'))} GROUP BY station ORDER BY l DESC LIMIT 1"
            )
            items.append((title, flag(f"{num(peak['l'], 1)} dB(A)", peak["l"] > noise[1] + rise),
                          Text("Lmax, {s}; at most {m}", "Lmax，{s}；限值 {m}").put(s=peak["station"], m=num(noise[1] + rise))))  # fmt: skip
    return Figures(items)


def sources(facts: Facts) -> Chart:
    """TSP by source over time."""
    c = facts.columns(
        f"SELECT source, {facts.bucket_ms('(time_s - 1)')} AS x, sum(tsp_kg) AS kg FROM emissions GROUP BY ALL ORDER BY source, x"
    )
    totals: dict[str, float] = {}
    for s, kg in zip(c["source"], c["kg"], strict=True):
        totals[s] = totals.get(s, 0.0) + kg
    top = sorted(totals, key=lambda s: -totals[s])[:9]
    data = []
    for i, name in enumerate([*top, ""]):
        rows = [(x, kg) for s, x, kg in zip(c["source"], c["x"], c["kg"], strict=True) if (s == name if name else s not in top)]
        if rows:
            sums: dict[int, float] = {}
            for x, kg in rows:
                sums[x] = sums.get(x, 0.0) + kg
            data.append({"type": "bar", "name": same(name) if name else Text("others", "其他"), "x": list(sums), "y": [round(v, 4) for v in sums.values()],
                         "marker": {"color": charts.SERIES[i]}})  # fmt: skip
    figure = {"data": data, "layout": charts.layout(Text("kg TSP", "TSP kg"), facts.span_s, barmode="stack", showlegend=True)}
    what = Text("Total dust given off by each source over time.", "各源 TSP 排放量随时间变化。")
    return Chart("emissions", Text("Dust by source, per {b}", "按源排放（每{b}）").put(b=BUCKETS[facts.bucket]), what, figure, 320)


def contours(facts: Facts, plan: Any, lines: list[str]) -> Chart:
    """Mean dust that the plant adds, over the site plan: the run's emission rates in each hour's weather."""
    names = [r["source"] for r in facts.rows("SELECT DISTINCT source FROM emissions ORDER BY source")]
    points, owner = plume(names, plan, lines)
    x, y = zip(*plan.boundary, strict=True)
    pad = 0.5 * max(max(x) - min(x), max(y) - min(y))
    gx, gy = np.linspace(min(x) - pad, max(x) + pad, GRID), np.linspace(min(y) - pad, max(y) + pad, GRID)
    receptors = np.array([(a, b, 1.5) for b in gy for a in gx])
    weather = facts.rows("SELECT time_s, wind_from_deg, wind_m_s, stability FROM weather ORDER BY time_s") if facts.has("weather") else []
    weather = weather[:: max(len(weather) // 2000, 1)]
    if not weather:
        return Chart(
            "plan", Text("Site plan", "总平面"), Text("Site plan", "总平面"), {"data": outline(plan), "layout": charts.layout()}, 460
        )
    rates = np.zeros((len(weather), len(names)))
    at = {round(w["time_s"], 3): i for i, w in enumerate(weather)}
    before = 0.0
    spans = {}
    for w in weather:
        spans[round(w["time_s"], 3)] = max(w["time_s"] - before, 1.0)
        before = w["time_s"]
    for r in facts.rows("SELECT time_s, source, tsp_kg FROM emissions"):
        key = round(r["time_s"], 3)
        if key in at:
            rates[at[key], names.index(r["source"])] = r["tsp_kg"] / spans[key]
    out = np.zeros((len(weather), len(receptors)))
    column = lambda name, kind: np.array([w[name] for w in weather], dtype=kind)
    dispersion.series(
        points,
        owner,
        receptors,
        column("wind_from_deg", float),
        column("wind_m_s", float),
        column("stability", np.int64),
        plan.urban,
        rates,
        out,
    )
    z = 1e9 * out.mean(axis=0).reshape(GRID, GRID)
    top = max(float(np.quantile(z, 0.98)), 1.0)
    picture = {"type": "contour", "x": gx.round(1).tolist(), "y": gy.round(1).tolist(), "z": np.minimum(z, top).round(2).tolist(), "colorscale": [[0, "#f5f5f5"], [0.35, "#d7ccc8"], [1, "#6d4c41"]],
               "contours": {"start": top / 8, "end": top, "size": top / 8}, "line": {"width": 0.5}, "colorbar": {"title": {"text": "µg/m³"}, "thickness": 12}, "opacity": 0.85}  # fmt: skip
    axes = {"scaleanchor": "x", "title": {"text": Text("north, m", "北 m")}}
    figure = {
        "data": [picture, *outline(plan)],
        "layout": charts.layout(None, None, yaxis=axes, xaxis={"title": {"text": Text("east, m", "东 m")}}, showlegend=False),
    }
    what = Text(
        "Mean total dust that the plant adds at breathing height, on the site plan with fence, sources and stations.",
        "厂区平面上呼吸高度的平均 TSP 增量，含厂界、源与监测站。",
    )
    return Chart("dust-map", Text("Dust added by the plant, mean, µg/m³ TSP", "厂区扬尘贡献均值 TSP µg/m³"), what, figure, 520, 420)


def outline(plan: Any) -> list[dict[str, Any]]:
    """Fence, buildings, stations."""
    x, y = zip(*plan.boundary, strict=True)
    out = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [*x, x[0]],
            "y": [*y, y[0]],
            "line": {"color": charts.INK, "width": 2},
            "name": Text("fence", "厂界"),
        }
    ]
    for building in plan.buildings.values():
        bx, by = zip(*building.outline, strict=True)
        out.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [*bx, bx[0]],
                "y": [*by, by[0]],
                "line": {"color": charts.MID},
                "name": Text("building", "建筑"),
            }
        )
    stations = plan.monitors | plan.neighbours
    out.append({"type": "scatter", "mode": "markers+text", "x": [m.at[0] for m in stations.values()], "y": [m.at[1] for m in stations.values()], "text": list(stations),
                "textposition": "top center", "marker": {"color": charts.INK, "symbol": "diamond", "size": 9}, "name": Text("stations", "监测站")})  # fmt: skip
    return out


def curves(facts: Facts, value: str) -> dict[charts.Name, charts.Points]:
    """A column of `boundary` over time, a curve for each station, by the report's bucket in long runs."""
    at = facts.bucket_ms("(time_s - 1)") if facts.long else f"({facts.ms('(floor((time_s - 1) / 600) * 600)')})"
    c = facts.columns(f"SELECT station, {at} AS x, {value} AS y FROM boundary GROUP BY ALL ORDER BY station, x")
    out: dict[charts.Name, tuple[list[int], list[float]]] = {}
    for s, x, y in zip(c["station"], c["x"], c["y"], strict=True):
        px, py = out.setdefault(s, ([], []))
        px.append(x)
        py.append(round(y, 1))
    return dict(out)


def at_the_fence(facts: Facts, column: str, limit: float) -> Chart:
    """Dust at the stations."""
    shape = charts.limits((limit, Text("hourly warning, Wuhan 2017", "小时预警（武汉 2017）")))
    figure = charts.trend(curves(facts, f"avg({column})"), Text("PM10, µg/m³", "PM10 µg/m³"), facts.span_s, **shape)
    what = Text("PM10 at each boundary station over time.", "各边界监测站 PM10 随时间变化。")
    return Chart("pm10", Text("PM10 at the fence", "厂界 PM10"), what, figure, 300)


def sound(facts: Facts, noise: tuple[float, float]) -> Chart:
    """Noise at the stations."""
    shape = charts.limits((noise[0], Text("limit by day", "昼间限值")), (noise[1], Text("limit at night", "夜间限值")))
    figure = charts.trend(curves(facts, "10 * log10(avg(pow(10, laeq_db / 10)))"), Text("LAeq, dB(A)", "LAeq dB(A)"), facts.span_s, **shape)
    what = Text("A-weighted level at each boundary station over time.", "各边界监测站 A 声级随时间变化。")
    return Chart("noise", Text("Noise at the fence", "厂界噪声"), what, figure, 300)
