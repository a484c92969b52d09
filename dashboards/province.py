"""The page of a province: map, policies side by side, clauses, cities, plants; one HTML file in both languages that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dashboards.charts import INK, MID, PALE, layout
from dashboards.pages import plotly, rendered, written
from dashboards.pieces import Chart, Figures, Note, Section, Table, Text, flag, heads, num, percent, same, script_json
from dashboards.verdict import LEVEL, RESULTS
from scenarios.judging.judge import shown
from scenarios.province.results import read
from scenarios.run import open_run
from twin.version import VERSION

STARS = ("#8d6e63", MID, "#5b7c99", "#2e7d4f")  # of the map, by stars
COLUMNS: tuple[tuple[str, Text, int], ...] = (
    ("plants", Text("Plants", "站点"), 0), ("enterprises", Text("Enterprises", "企业"), 0), ("large_enterprises", Text("Enterprises of 3 million m³", "年产 300 万方企业"), 0),
    ("ordered_m3", Text("Ordered, m³", "订货 m³"), 0), ("in_time_m3", Text("In time", "准时"), 0), ("late_m3", Text("Late", "延误"), 0), ("refused_m3", Text("Refused", "拒单"), 0),
    ("unserved_m3", Text("Out of reach", "无站可供"), 0), ("mean_km", Text("Haul, km", "运距 km"), 1), ("yuan_m3", Text("Yuan/m³ on site", "到场价 元/m³"), 1), ("kwh_m3", Text("kWh/m³", "kWh/m³"), 2),
    ("water_kg_m3", Text("Mains water, kg/m³", "自来水 kg/m³"), 0), ("discharge_t", Text("Water and mud out, t", "外排水与泥浆 t"), 0), ("dust_t", Text("Dust, t", "粉尘 t"), 1),
    ("co2_kg_m3", Text("CO₂e, kg/m³", "CO₂e kg/m³"), 1), ("idle_plants", Text("Plants without an order", "无订单站点"), 0),
)  # fmt: skip
MADE_UP = Text(
    "A model province: no figure in it is a real place's, whatever its cities are called. Only what the plants can do and take was fitted to runs of the twin.",
    "模型省份：无论城市名称如何，所有数据均为虚构；仅站点能力与消耗由数字孪生运行拟合得出。",
)


def write_page(folder: Path, path: Path | None = None) -> Path:
    """Write the page of a province that was played.

    Args:
        folder: as `scenarios.province.results.play` left it.
        path: HTML file to write; `province.html` in the folder by default.

    Raises:
        BatchtwinError: E201 when the folder holds no province.
    """
    data = read(folder)
    spec, rows = data["province"], data["policies"]
    title = Text(spec["title"]["en"], spec["title"]["zh"])
    plants = {row["policy"]: open_run(folder / row["policy"]).sql("SELECT * FROM plants").to_pylist() for row in rows}
    sections = [
        side_by_side(spec, rows),
        clauses(rows),
        maps(spec, plants),
        cities(spec, folder, rows[0]["policy"], plants),
        of_plants(plants[rows[0]["policy"]]),
    ]
    html = rendered(
        "report.html",
        head=head(spec), banner=None, state="complete", key=key_figures(rows[0]), sections=sections, title=title, page_title=script_json(title),
        figures=script_json({c.name: c.figure | {"what": c.what} for s in sections for c in s.charts()}), plotlyjs=plotly(),
    )  # fmt: skip
    return written(path or folder / "province.html", html)


def head(spec: dict[str, Any]) -> list[tuple[Text, Any]]:
    """What was played."""
    return [(Text("Specification", "规格"), spec["name"]), (Text("Begins", "开始"), spec["starts"]), (Text("Days", "天数"), num(spec["days"])),
            (Text("Seed", "随机种子"), str(spec["seed"])), (Text("Version", "版本"), f"batchtwin {VERSION}")]  # fmt: skip


def key_figures(row: dict[str, Any]) -> Figures:
    """Today in a few figures."""
    share = lambda name: percent(row[name] / row["ordered_m3"], 1)
    use = next((c["value"] for c in row["clauses"] if c["id"].startswith("1.")), None)
    return Figures([
        (Text("Plants", "站点"), num(row["plants"]), Text("of {n} enterprises", "属 {n} 家企业").put(n=num(row["enterprises"]))),
        (Text("Ordered, m³", "订货 m³"), num(row["ordered_m3"]), ""), (Text("Capacity used, %", "产能利用率 %"), num(use, 1), ""),
        (Text("Late", "延误"), share("late_m3"), ""), (Text("Refused", "拒单"), share("refused_m3"), ""), (Text("Out of reach", "无站可供"), share("unserved_m3"), ""),
    ])  # fmt: skip


def side_by_side(spec: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Section:
    """Policies as columns."""
    body = [[text, *(num(row[name], digits) for row in rows)] for name, text, digits in COLUMNS]
    table = Table(Text("Policies side by side", "政策方案并列比较"), [Text("A year", "一年"), *(same(row["policy"]) for row in rows)], body)
    notes = [Note(MADE_UP, "recalled")] if spec["synthetic"] else []
    return Section("policies", Text("Policies", "政策方案"), [*notes, table])


def clauses(rows: Sequence[dict[str, Any]]) -> Section:
    """Verdict of each policy."""
    body = []
    for k, clause in enumerate(rows[0]["clauses"]):
        cells: list[Any] = []
        for row in rows:
            c = row["clauses"][k]
            value = "" if c["value"] is None else f"{shown(c['value'])} {c['unit']} · "
            text = Text(value + RESULTS[c["result"]].en, value + RESULTS[c["result"]].zh)
            cells.append(flag(text, c["result"] in LEVEL, LEVEL.get(c["result"], "")))
        limit = "–" if clause["limit"] is None else f"≥ {shown(clause['limit'])} {clause['unit']}"
        body.append([Text(f"{clause['id']} {clause['title']['en']}", f"{clause['id']} {clause['title']['zh']}"), limit, *cells])
    table = Table(
        Text("By hubei-province", "依据 hubei-province"),
        [Text("Clause", "条款"), Text("Target", "目标"), *(same(r["policy"]) for r in rows)],
        body,
    )
    return Section("clauses", Text("Verdict", "判定"), [table])


def maps(spec: dict[str, Any], plants: dict[str, list[dict[str, Any]]]) -> Section:
    """A map of each policy: plants by stars, as large as what they make."""
    most = max((row["output_m3"] for rows in plants.values() for row in rows), default=1.0) or 1.0
    names = [Text(c["title"]["en"], c["title"]["zh"]) for c in spec["cities"].values()]
    at = [c["at_km"] for c in spec["cities"].values()]
    towns = {"type": "scatter", "mode": "text", "name": Text("cities", "城市"), "x": [x for x, _ in at], "y": [y for _, y in at], "text": names,
             "textfont": {"color": INK, "size": 11}, "hoverinfo": "skip", "showlegend": False}  # fmt: skip
    charts = []
    for number, (policy, rows) in enumerate(plants.items()):
        traces: list[dict[str, Any]] = []
        for stars in range(4):
            mine = [r for r in rows if r["stars"] == stars]
            label = Text(f"{stars} stars", f"{stars} 星") if stars else Text("no star", "无星级")
            traces.append({
                "type": "scatter", "mode": "markers", "name": label, "x": [round(r["x_km"], 1) for r in mine], "y": [round(r["y_km"], 1) for r in mine],
                "text": [f"{r['plant']} · {num(r['output_m3'])} m³ · {num(100 * r['output_m3'] / r['capacity_m3'], 1)} %" for r in mine], "hoverinfo": "text",
                "marker": {"color": STARS[stars], "opacity": 0.75, "size": [round(4 + 18 * (r["output_m3"] / most) ** 0.5, 1) for r in mine],
                           "symbol": ["diamond" if r["benchmark"] else "circle" if r["output_m3"] else "x" for r in mine], "line": {"color": PALE, "width": 0.5}},
            })  # fmt: skip
        east, north = {"title": {"text": Text("km east", "向东 km")}}, {"title": {"text": Text("km north", "向北 km")}, "scaleanchor": "x"}
        what = Text(f"Map of {len(rows)} plants under {policy}", f"{policy} 方案下 {len(rows)} 个站点的地图")
        charts.append(
            Chart(f"map-{number}", same(policy), what, {"data": [*traces, towns], "layout": layout(xaxis=east, yaxis=north)}, 560)
        )
    note = Note(
        Text("Area by output; a diamond is a benchmark plant, a cross had no order.", "圆面积按产量；菱形为标杆站，叉号为无订单站点。")
    )
    return Section("map", Text("Map", "地图"), [note, *charts])


def cities(spec: dict[str, Any], folder: Path, policy: str, plants: dict[str, list[dict[str, Any]]]) -> Section:
    """Today by city."""
    sums = (
        open_run(folder / policy)
        .sql("SELECT city, sum(ordered_m3) o, sum(late_m3) l, sum(refused_m3) r, sum(unserved_m3) u FROM cities GROUP BY city")
        .to_pylist()
    )
    found = {row["city"]: row for row in sums}
    body = []
    for name, city in spec["cities"].items():
        mine, row = [r for r in plants[policy] if r["city"] == name], found[name]
        capacity = sum(r["capacity_m3"] for r in mine)
        use = percent(sum(r["output_m3"] for r in mine) / capacity, 1) if capacity else "–"
        share = [percent(sum(r["stars"] >= s for r in mine) / len(mine), 0) if mine else "–" for s in (1, 2, 3)]
        body.append([Text(city["title"]["en"], city["title"]["zh"]), num(len(mine)), use, *share, num(sum(r["benchmark"] for r in mine)), num(row["o"]),
                     *(percent(row[k] / row["o"], 1) if row["o"] else "–" for k in "lru")])  # fmt: skip
    head_ = heads("City|城市", "Plants|站点", "Used|利用率", "1 star|一星及以上", "2 stars|二星及以上", "3 stars|三星", "Benchmark|标杆站", "Ordered, m³|订货 m³", "Late|延误", "Refused|拒单",
                  "Out of reach|无站可供")  # fmt: skip
    return Section("cities", Text("Cities, {p}", "城市（{p}）").put(p=policy), [Table(Text("Cities", "城市"), head_, body)])


def of_plants(rows: Sequence[dict[str, Any]]) -> Section:
    """Today's plants, the least used first."""
    ordered = sorted(rows, key=lambda r: (r["output_m3"] / r["capacity_m3"], r["plant"]))
    body = [[same(r["plant"]), r["city"], r["kind"], r["enterprise"], num(r["stars"]), num(r["output_m3"]), percent(r["output_m3"] / r["capacity_m3"], 1),
             percent(r["late_m3"] / r["output_m3"], 1) if r["output_m3"] else "–", num(r["mean_km"], 1), num(r["price_yuan_m3"], 2)] for r in ordered]  # fmt: skip
    head_ = heads(
        "Plant|站点",
        "City|城市",
        "Kind|类型",
        "Enterprise|企业",
        "Stars|星级",
        "Made, m³|产量 m³",
        "Used|利用率",
        "Late|延误",
        "Haul, km|运距 km",
        "Price, yuan/m³|价格 元/m³",
    )
    return Section("plants", Text("Plants", "站点"), [Table(Text("Plants, the least used first", "站点（利用率由低到高）"), head_, body)])
