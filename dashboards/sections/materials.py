"""Materials: what flowed where, stock, lots, and how the ledger closes."""

from __future__ import annotations

import re
from typing import Any

from dashboards import charts
from dashboards.facts import Facts
from dashboards.pieces import Chart, Grid, Note, Section, Table, Text, flag, heads, num, same
from dashboards.sections.production import BAND
from dashboards.texts import word
from twin.ledger import OUTSIDE, SPECIES

CAP = 200
LEVELS = (
    ("silo", re.compile(r"\.Silo\..*\.Level$"), Text("Silos", "筒仓")),
    ("yard", re.compile(r"\.Bin\..*\.Yard$"), Text("Aggregate yard", "骨料堆场")),
    ("bin", re.compile(r"\.Bin\..*\.Level$"), Text("Aggregate bins", "骨料仓")),
    ("tank", re.compile(r"\.Tank\..*\.Level$"), Text("Tanks", "液体罐")),
)
INTO = ("suppliers", "mains", "rain", "hydration")  # binder that is washed out leaves its species and comes in as fines
LOST = ("air", "ground", "soil", "discharge", "tip", "hydration")


def section(facts: Facts) -> Section:
    """Materials and the ledger."""
    out = Section("materials", Text("Materials", "材料"))
    nothing = Note(Text("The ledger of this run has no entries.", "本次运行没有台账记录。"), "nothing")
    out.items += [flows(facts), closure(facts), *checks(facts)] if facts.has("ledger") else [nothing]
    small = levels(facts)
    note = Text("Level sensors, % of capacity.{b}", "料位传感器，占容量百分比。{b}").put(
        b=Text(f" {BAND.en}", BAND.zh) if facts.long else ""
    )
    out.items.append(
        Grid(Text("Stock over time", "库存变化"), small, note)
        if small
        else Note(Text("No levels were recorded.", "没有料位记录。"), "nothing")
    )
    out.items += lots(facts)
    return out


def node(holder: str, materials: dict[str, str]) -> str:
    """Node of the flow chart that a ledger holder belongs to: stores by material, all trucks as one, weigh hoppers as one."""
    if holder in OUTSIDE:
        return holder
    if re.fullmatch(r"Truck\d+", holder):
        return "trucks"
    if holder.startswith(("Water.", "Air.", "Trucks.")):
        return "water loop"
    line, _, rest = holder.partition(".")
    kind, _, name = rest.partition(".")
    if kind in ("Silo", "Bin", "Tank"):
        store = name.split(".")[0]
        return f"store:{materials.get(f'{line}.{store}', holder)}"
    return "weigh hoppers" if kind in ("Feeder", "Weigher") else "mixer"


def flows(facts: Facts) -> Chart:
    """Where the mass went, as a Sankey chart without the opening stock."""
    lines = facts.design.get("lines", {})
    held = {
        f"{line}.{key}": part["material"]
        for line, cfg in lines.items()
        for group in ("silos", "bins", "tanks")
        for key, part in cfg[group].items()
    }
    names = {f"store:{m}": facts.material(m) for m in held.values()} | {
        n: word(n) for n in (*OUTSIDE, "weigh hoppers", "mixer", "trucks", "washed back", "water loop")
    }
    sums: dict[tuple[str, str], float] = {}
    for r in facts.rows("SELECT source, target, sum(kg) AS kg FROM ledger WHERE source <> 'opening' GROUP BY ALL ORDER BY source, target"):
        a, b = node(r["source"], held), node(r["target"], held)
        if a == "trucks" and b == "water loop":
            b = "washed back"  # the water loop again, as an end: the chart has no circles
        if ".Collector." in r["source"] or ".Collector." in r["target"] or a == "site" or (a, b) == ("water loop", "trucks"):
            continue  # grams that fall back where they came from; washing water that comes back at once
        if a != b:
            sums[a, b] = sums.get((a, b), 0.0) + r["kg"] / 1000
    links = [(a, b, t) for (a, b), t in sorted(sums.items(), key=lambda item: -item[1]) if t > 0]
    what = Text(
        "Flow of all materials from suppliers through stores, weigh hoppers, mixer and trucks to the sites, in tonnes.",
        "各材料由供应商经储存、计量、搅拌、运输至工地的质量流，单位吨。",
    )
    title = Text("Where the mass went, t (without opening stock)", "质量流向 t（不含期初库存）")
    return Chart("flows", title, what, charts.sankey(links, names), 460, 720)


def closure(facts: Facts) -> Table:
    """Opening + in − out = closing, for each species."""

    def total(end: str, names: tuple[str, ...]) -> str:
        listed = ", ".join(f"'{n}'" for n in names)
        return f"coalesce(sum(kg) FILTER ({end} IN ({listed})), 0)"

    found = {
        r["species"]: r
        for r in facts.rows(
            f"SELECT species, {total('source', ('opening',))} AS opening, {total('source', INTO)} AS came,"
            f" {total('target', ('site',))} - {total('source', ('site',))} AS poured,"
            f" {total('target', LOST)} AS lost, {total('target NOT', OUTSIDE)} - {total('source NOT', OUTSIDE)} AS closing"
            " FROM ledger GROUP BY species"
        )
    }
    rows, keys = [], ("opening", "came", "poured", "lost", "closing")
    for species in SPECIES:
        if species in found:
            r = found[species]
            rest = r["opening"] + r["came"] - r["poured"] - r["lost"] - r["closing"]
            play = max(r["opening"] + r["came"], 1e-9)
            rows.append([word(species), *(num(r[k], 1) for k in keys), flag(f"{abs(rest) / play:.1e}", abs(rest) / play > 1e-9)])
    head = heads(
        "Species|组分",
        "Opening, kg|期初 kg",
        "+ in, kg|+ 购入 kg",
        "− to sites, kg|− 送达工地 kg",
        "− lost, kg|− 损失 kg",
        "= closing, kg|= 期末 kg",
        "Residual, share|不平衡（相对）",
    )
    note = Text(
        "Closing: what then stood in stores, hoppers, mixer and trucks. Lost: to air, ground and drain. Water includes the moisture of the aggregate.",
        "期末：储存、斗、搅拌机与车内存量。损失：进入大气、地面与排水。水含骨料含水。",
    )
    return Table(Text("Closure of the ledger", "台账平衡"), head, rows, note)


def checks(facts: Facts) -> list[Any]:
    """The ledger against the other tables, which were written independently of it."""
    kg = " + ".join(f"{s}_kg" for s in SPECIES)
    pairs = [
        ("weighings", Text("weighings, true mass", "计量记录（真实质量）"), "sum(true_kg)", "target LIKE '%.Weigher.%'"),
        ("batches", Text("batches out of the mixers", "盘次出料"), f"sum({kg})", "source LIKE '%.Mixer'"),
        ("deliveries", Text("deliveries, poured", "送货单浇筑量"), "sum(poured_kg)", "source LIKE 'Truck%' AND target = 'site'"),
    ]
    rows = []
    for table, title, ask, where in pairs:
        if facts.has(table):
            theirs = facts.one(f"SELECT {ask} AS kg FROM {table}")["kg"]
            ours = facts.one(f"SELECT sum(kg) AS kg FROM ledger WHERE {where}")["kg"]
            gap = (theirs / ours - 1) if theirs and ours else None
            rows.append([title, num(theirs, 1), num(ours, 1), "–" if gap is None else f"{num(100 * gap, 4)} %"])
    if not rows:
        return []
    head = heads("Table|数据表", "By the table, kg|表中合计 kg", "By the ledger, kg|台账合计 kg", "Difference|差异")
    note = Text(
        "Differences come from the heel that stays in a mixer and is in its next batch again, from what falls into a weigh hopper after the "
        "record, and from what was under way at the end.",
        "差异来自搅拌机内残留并计入下一盘的物料、记录之后落入计量斗的物料，以及结束时在途的物料。",
    )
    return [Table(Text("Ledger against the other tables", "台账与其他数据表对照"), head, rows, note)]


def levels(facts: Facts) -> list[Chart]:
    """Levels of silos, yard, bins and tanks; in long runs a chart for each store."""
    out = []
    box = {"yaxis": {"rangemode": "tozero"}, "xaxis": {"nticks": 5}}
    for key, pattern, title in LEVELS:
        names = [t for t in facts.tag_names("") if pattern.search(t)]
        what = Text("Level of {t} over time, in percent.", "{t}料位随时间变化，百分比。").put(t=title)
        if facts.long:
            for i, (name, b) in enumerate(facts.bands(names).items()):
                label = Text("{t} · {n}", "{t} · {n}").put(t=title, n=name.rsplit(".", 1)[0])
                out.append(Chart(f"level-{key}-{i}", label, what, charts.band(b, same("%"), facts.span_s, **box), 190))
        elif names:
            curves: dict[charts.Name, charts.Points] = {n.rsplit(".", 1)[0]: p for n, p in facts.peaks(names).items()}
            out.append(Chart(f"level-{key}", title, what, charts.trend(curves, same("%"), facts.span_s, **box), 230 + 10 * len(curves)))
    return out


def lots(facts: Facts) -> list[Any]:
    """What was delivered: sums by material, and the lots."""
    if not facts.has("lots"):
        return [Note(Text("There are no lots.", "没有批次记录。"), "nothing")]
    found = facts.rows(
        "SELECT material, count(*) FILTER (supplier <> 'opening stock') AS n, sum(kg) FILTER (supplier <> 'opening stock') AS kg,"
        " avg(moisture) FILTER (supplier <> 'opening stock') AS moisture, stddev_samp(moisture) FILTER (supplier <> 'opening stock') AS sd,"
        " sum(kg) FILTER (supplier = 'opening stock') AS opening FROM lots GROUP BY material ORDER BY material"
    )
    head = heads(
        "Material|材料",
        "Opening stock, t|期初库存 t",
        "Deliveries|到料次数",
        "Delivered, t|到料量 t",
        "Moisture, mean %|平均含水率 %",
        "SD, %|标准差 %",
    )
    rows = [
        [
            facts.material(r["material"]),
            num((r["opening"] or 0) / 1000, 1),
            num(r["n"]),
            num((r["kg"] or 0) / 1000, 1),
            num(_hundred(r["moisture"]), 2),
            num(_hundred(r["sd"]), 2),
        ]
        for r in found
    ]
    out: list[Any] = [Table(Text("Deliveries by material", "到料汇总"), head, rows)]
    count = facts.one("SELECT count(*) AS n FROM lots")["n"]
    head = heads("Lot|批次", "Arrived|到达", "Store|储存", "Material|材料", "Supplier|供应商", "kg", "Moisture, %|含水率 %")
    rows = [
        [
            num(r["lot"]),
            facts.clock(r["arrived_s"]),
            r["store"],
            facts.material(r["material"]),
            word(r["supplier"]),
            num(r["kg"]),
            num(100 * r["moisture"], 2),
        ]
        for r in facts.rows(f"SELECT * FROM lots ORDER BY lot LIMIT {CAP}")
    ]
    note = Text("The first {r} of {n} lots.", "共 {n} 批，列出前 {r} 批。") if count > CAP else Text("{n} lots.", "共 {n} 批。")
    return [*out, Table(Text("Lots", "批次明细"), head, rows, note.put(r=CAP, n=num(count)))]


def _hundred(share: float | None) -> float | None:
    return None if share is None else 100 * share
