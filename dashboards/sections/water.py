"""Water and waste: did anything leave the site, from where, and where did all water come from and go to."""

from __future__ import annotations

import re

from dashboards import charts
from dashboards.facts import Facts
from dashboards.pieces import Chart, Figures, Note, Section, Table, Text, flag, heads, num, percent, same
from dashboards.texts import word
from scenarios import mixing_water
from twin.ledger import OUTSIDE

SOLIDS = "species NOT IN ('water', 'admixture')"
NODES = {
    "aggregate": Text("moisture of aggregate", "骨料含水"), "surfaces": Text("roofs, yard, green", "屋面、场地、绿地"), "loop": Text("basins of the loop", "水池系统"),
    "tanks": Text("tanks of the lines", "生产线水罐"), "concrete": Text("batches", "混凝土"), "delivered": Text("delivered in concrete", "随混凝土送出"),
    "washed": Text("washed out of drums", "洗罐回收"), "evaporated": Text("evaporated", "蒸发"),
}  # fmt: skip


def section(facts: Facts) -> Section:
    """Water and waste."""
    out = Section("water", Text("Water and waste", "水与废弃物"))
    if not facts.has("ledger"):
        out.items.append(Note(Text("The ledger of this run has no entries.", "本次运行没有台账记录。"), "nothing"))
        return out
    out.items += [figures(facts), outfalls(facts), balance(facts), *levels(facts), *blends(facts), waste(facts)]
    return out


def tonnes(facts: Facts, where: str) -> float:
    """Mass along the links that fit, t."""
    return float(facts.one(f"SELECT coalesce(sum(kg), 0) AS kg FROM ledger WHERE {where}")["kg"]) / 1000


def figures(facts: Facts) -> Figures:
    """The answer first: what left, then where water came from."""
    water = "species = 'water'"
    left, solids = tonnes(facts, f"target = 'discharge' AND {water}"), tonnes(facts, f"target = 'discharge' AND {SOLIDS}")
    leaked = tonnes(facts, f"source LIKE '%.Leak' AND {water}")
    must = Text("must be 0 for zero discharge", "零排放要求为 0")
    if leaked > 0:
        must = Text("{v} m³ of it leaked; must be 0 for zero discharge", "其中渗漏 {v} m³；零排放要求为 0").put(v=num(leaked, 1))
    slurry = tonnes(facts, f"source LIKE '%.Tank.Slurry' AND {water}")
    mixing = tonnes(facts, f"source LIKE '%.Tank.%' AND target LIKE '%.Feeder.%' AND {water}")
    used = facts.one("SELECT coalesce(sum(volume_m3), 0) AS m3 FROM batches")["m3"] if facts.has("batches") else 0
    rain, dried = tonnes(facts, "source = 'rain'"), tonnes(facts, f"target = 'air' AND {water}")
    mains = tonnes(facts, f"source = 'mains' AND {water}")
    return Figures([
        (Text("Left the site", "外排水量"), flag(f"{num(left, 1)} m³", left > 0), must),
        (Text("Solids in it", "外排悬浮物"), "–" if not left else flag(f"{num(1e6 * solids / left)} mg/L", True), Text("mass of solids over volume", "悬浮物质量/体积")),
        (Text("Rain", "降雨收集面来水"), f"{num(rain, 1)} m³", Text("on roofs, yard, green, basins", "屋面、场地、绿地、水池")),
        (Text("Mains water", "自来水"), f"{num(mains, 1)} m³", f"{num(1000 * mains / used, 0)} L/m³" if used else ""),
        (Text("Slurry water in concrete", "浆水回用"), f"{num(slurry, 1)} m³", Text("{p} of the mixing water dosed", "占计量用水 {p}").put(p=percent(slurry / mixing if mixing else None, 1))),
        (Text("Evaporated", "蒸发"), f"{num(dried, 1)} m³", ""),
    ])  # fmt: skip


def outfalls(facts: Facts) -> Table | Note:
    """Every way by which something left, with when."""
    rows = facts.rows(
        "SELECT CASE WHEN source LIKE 'Truck%' THEN 'trucks' ELSE source END AS place, sum(kg) FILTER (species = 'water') / 1000 AS m3,"
        f" sum(kg) FILTER ({SOLIDS}) AS solids, min(time_s) AS first, max(time_s) AS last FROM ledger WHERE target = 'discharge' GROUP BY place ORDER BY m3 DESC"
    )
    if not rows:
        return Note(Text("Nothing left the site as water in this run.", "本次运行无任何外排水。"))
    cells = []
    for r in rows:
        m3 = r["m3"] or 0.0
        density = 1000 * (r["solids"] or 0.0) / m3 if m3 else None
        place = word(r["place"]) if r["place"] == "trucks" else same(r["place"])
        cells.append([place, flag(num(m3, 2), True), num(r["solids"], 1), num(density), facts.clock(r["first"]), facts.clock(r["last"])])
    head = heads(
        "From|来源", "Water, m³|水 m³", "Solids, kg|悬浮物 kg", "mg/L", "First seen by|最早（时段末）", "Last seen by|最晚（时段末）"
    )
    return Table(Text("What left the site", "外排明细"), head, cells)


def node(holder: str) -> str:
    """Group of a holder in the water balance."""
    if holder in OUTSIDE:
        return {"suppliers": "aggregate", "site": "delivered", "air": "evaporated"}.get(holder, holder)
    if holder.startswith("Water.Surface"):
        return "surfaces"
    if holder.startswith(("Water.", "Air.", "Trucks.")):
        return "loop"
    if re.fullmatch(r"Truck\d+", holder) or ".Hopper.Discharge" in holder:
        return "concrete"
    if ".Tank." in holder:
        return "tanks"
    return "aggregate" if ".Bin." in holder else "concrete"


def balance(facts: Facts) -> Chart:
    """Water of the whole run from where it came to where it went."""
    sums: dict[tuple[str, str], float] = {}
    for r in facts.rows(
        "SELECT source, target, sum(kg) AS kg FROM ledger WHERE species = 'water' AND source <> 'opening' GROUP BY ALL ORDER BY ALL"
    ):
        a, b = node(r["source"]), node(r["target"])
        if a == "concrete" and b == "loop":
            b = "washed"  # an end of its own: the chart has no circles
        if a == "loop" and b == "concrete":
            continue  # washing water of drums, which comes back at once
        if a != b:
            sums[a, b] = sums.get((a, b), 0.0) + r["kg"] / 1000
    for a, b in [key for key in sums if key in sums]:  # of two ways between the same groups only the net flow is drawn
        if (a, b) in sums and (b, a) in sums:
            keep, drop = ((a, b), (b, a)) if sums[a, b] >= sums[b, a] else ((b, a), (a, b))
            sums[keep] -= sums.pop(drop)
    links = [(a, b, t) for (a, b), t in sorted(sums.items(), key=lambda item: -item[1]) if t > 0.005]
    names = NODES | {n: word(n) for n in OUTSIDE if n not in ("suppliers", "site", "air")}
    what = Text("Water from mains, rain and aggregate through surfaces, basins and tanks into concrete and out of the site, in tonnes.",
                "水由自来水、降雨、骨料经汇水面、水池、水罐进入混凝土及出站的流量，单位吨。")  # fmt: skip
    return Chart("water-balance", Text("Water balance, t", "水平衡 t"), what, charts.sankey(links, names), 420, 720)


def levels(facts: Facts) -> list[Chart]:
    """Basins and rain over time."""
    names = [t for t in facts.tag_names(".Level") if t.startswith("Water.Basin.")]
    out = []
    if names:
        curves = facts.peaks(names)
        data = [charts.line(n.split(".")[2], points, i) for i, (n, points) in enumerate(curves.items())]
        if facts.has("weather"):
            c = facts.columns(f"SELECT {facts.ms('time_s')} AS x, rain_mm_h AS mm FROM weather ORDER BY x")
            data.append({"type": "scatter", "mode": "lines", "fill": "tozeroy", "name": Text("rain", "雨强"), "x": c["x"], "y": c["mm"], "yaxis": "y2",
                         "line": {"width": 0, "shape": "vh"}, "fillcolor": "rgba(91,124,153,0.35)"})  # fmt: skip
        second = {
            "title": {"text": Text("rain, mm/h", "雨强 mm/h")},
            "overlaying": "y",
            "side": "right",
            "autorange": "reversed",
            "showgrid": False,
            "rangemode": "tozero",
            "automargin": True,
        }
        shape = charts.limits((100.0, Text("weir", "溢流堰")))
        figure = {"data": data, "layout": charts.layout(Text("level, %", "液位 %"), facts.span_s, showlegend=True, yaxis2=second, **shape)}
        what = Text("Level of each basin over time, with the rain hanging from above.", "各水池液位随时间变化，上方为雨强。")
        out.append(Chart("basins", Text("Levels of the basins", "水池液位"), what, figure, 340))
    return out


def blends(facts: Facts) -> list[Table | Note]:
    """Quality of the mixing water by grade, the worst batch of each."""
    rows = mixing_water.by_grade(facts.run)
    if rows.empty:
        return []
    names = ("soluble_mg_l", "cl_mg_l", "so4_mg_l", "alkali_mg_l")
    cells = []
    for r in rows.itertuples():
        limit = mixing_water.LIMITS[str(r.use)]
        figures = [flag(f"{num(v)} / {num(limit[n])}", v > limit[n]) for n in names for v in (float(getattr(r, n)),)]
        cells.append(
            [
                same(str(r.grade)),
                word(str(r.use)),
                num(r.batches),
                percent(r.slurry_share, 1),
                flag(f"{r.ph:.1f} / {limit['ph']:g}", r.ph < limit["ph"]),
                *figures,
            ]
        )
    head = heads(
        "Grade|强度等级",
        "Use|用途",
        "Batches|盘数",
        "Slurry water, most|浆水占比（最大）",
        "pH",
        "Soluble, mg/L|可溶物 mg/L",
        "Cl⁻",
        "SO₄²⁻",
        "Alkali|碱含量",
    )
    title = Text("Mixing water against JGJ 63 Table 3.1.1: worst batch / limit", "拌合水与 JGJ 63 表 3.1.1：最不利盘 / 限值")
    note = Text("From the analyses of the design (water.mains_quality, water.slurry_quality), blended as dosed; tested settled, so solids are not counted here. «unverified»",
                "按设计给出的水质（water.mains_quality、water.slurry_quality）及实际计量比例混合；澄清后检验，不计悬浮固体。“未核实”")  # fmt: skip
    return [Table(title, head, cells), Note(note, "recalled")]


def waste(facts: Facts) -> Table:
    """What came back, and what was made of it."""
    sand, stone = tonnes(facts, "target = 'Water.Separator.Sand'"), tonnes(facts, "target = 'Water.Separator.Stone'")
    came = tonnes(facts, f"source LIKE 'Truck%' AND target IN ('Water.Separator', 'discharge') AND {SOLIDS}")
    back = tonnes(facts, "source LIKE 'Water.Separator.%' AND target LIKE '%.Yard'")
    tipped = tonnes(facts, "target = 'tip'")
    cake, swept = (
        tonnes(facts, f"target = 'tip' AND source = 'Water.Press' AND {SOLIDS}"),
        tonnes(facts, f"target = 'tip' AND source LIKE 'Water.Surface.%' AND {SOLIDS}"),
    )
    other = tonnes(facts, f"(source = 'Trucks.Dirt' OR source = 'opening') AND target LIKE 'Water.%' AND {SOLIDS}")
    reused = tonnes(facts, f"source LIKE '%.Tank.Slurry' AND {SOLIDS}")
    left = tonnes(facts, f"target IN ('discharge', 'tip') AND {SOLIDS}")
    kept = 1 - left / (came + other) if came + other > 0 else None
    rows = [
        [Text("Solids washed out of drums", "洗罐固体"), num(came, 2)],
        [Text("Dirt from wheels, and solids that lay there at the start", "车轮带入泥土及期初固体"), num(other, 2)],
        [Text("Sand won back, wet", "回收砂（湿）"), num(sand, 2)],
        [Text("Stone won back, wet", "回收石（湿）"), num(stone, 2)],
        [Text("of these back in the yard boxes", "其中返回料仓"), num(back, 2)],
        [Text("Fines used in concrete with slurry water", "随浆水回用细粉"), num(reused, 2)],
        [
            Text("Carted away, wet (dry: cake; sweepings)", "外运，湿（干：滤饼；清扫物）"),
            f"{num(tipped, 2)} ({num(cake, 2)}; {num(swept, 2)})",
        ],
        [Text("Kept on the site or reused, of drums, dirt and start", "站内留存与利用率（洗罐、泥土及期初合计）"), percent(kept, 1)],
    ]
    return Table(Text("Solids that came back, t", "返回固体去向 t"), heads("What|项目", "t"), rows)
