"""Water, slurry, solids: what left the site, what was reused, and what the design has for it. From the material ledger, to the gram."""

from __future__ import annotations

from typing import Any

from scenarios import mixing_water
from scenarios.judging.measures.weighing import LOAD_BATCHES
from scenarios.judging.subject import Missing, Reading, Subject, literal, measure, values
from twin.design.schema import HIGH_STRENGTH_MPA

NO_LEDGER = ("the ledger of the run has no entries", "运行台账没有记录")
WET, SOLID = "species IN ('water', 'admixture')", "species NOT IN ('water', 'admixture')"
# Where waste of the trucks and lines comes into the loop, or leaves the site without it.
WASTE = """(target = 'discharge' AND source NOT LIKE 'Water.%')
    OR (target LIKE 'Water.%' AND source NOT LIKE 'Water.%' AND source NOT IN ('opening', 'mains', 'rain', 'hydration'))"""
LEFT = "SELECT source, species, sum(kg) AS kg, min(time_s) AS first_s, max(time_s) AS last_s FROM ledger WHERE {} GROUP BY ALL ORDER BY kg DESC LIMIT 20"


def loop(s: Subject) -> dict[str, Any]:
    """The water loop of the design."""
    found: dict[str, Any] = s.get("water")
    return found


def _sum(s: Subject, what: str, offenders: str = "") -> Reading:
    s.need("ledger")
    return s.of_run(f"SELECT coalesce({what}, 0) AS value, count(*) AS n FROM ledger", NO_LEDGER, offenders)


@measure("kg", "left the site as water, with all it carried", "以水的形式外排的物质总量")
def discharged_kg(s: Subject) -> Reading:
    """All that entered `discharge`: zero discharge is this sum at zero."""
    return _sum(s, "sum(kg) FILTER (target = 'discharge')", LEFT.format("target = 'discharge'"))


@measure("kg", "leaked out of basins", "水池渗漏量")
def leaked_kg(s: Subject) -> Reading:
    """What left basins by their leaks."""
    return _sum(s, "sum(kg) FILTER (source LIKE '%.Leak')", LEFT.format("source LIKE '%.Leak'"))


@measure("kg", "spilled on the ground or dripped on the road", "洒落于地面和道路的物料量")
def spilled_kg(s: Subject) -> Reading:
    """What entered `road`, dripped from trucks outside."""
    return _sum(s, "sum(kg) FILTER (target = 'road')", LEFT.format("target = 'road'"))


@measure("%", "waste water and slurry kept and reused", "废水、废浆回收利用率")
def water_reuse_share(s: Subject) -> Reading:
    """1 − what left as water / what came back wet from trucks, mixers and floors; 100 only when nothing at all left."""
    s.need("ledger")
    return s.of_run(
        f"SELECT greatest(0, 100 * (1 - coalesce(sum(kg) FILTER (target = 'discharge'), 0) / nullif(sum(kg) FILTER ({WASTE}), 0))) AS value, "
        f"count(*) FILTER ({WASTE}) AS n FROM ledger",
        ("no waste water arose in the run", "运行中没有产生废水、废浆"),
        LEFT.format("target = 'discharge'"),
    )


@measure("%", "solids that came back and stayed on the site or in concrete", "固体废弃物回收利用率")
def solids_kept_share(s: Subject) -> Reading:
    """1 − solids carted away or discharged / solids that came back from trucks, with the dirt of their wheels."""
    s.need("ledger")
    return s.of_run(
        f"SELECT greatest(0, 100 * (1 - coalesce(sum(kg) FILTER ({SOLID} AND target IN ('discharge', 'tip')), 0) "
        f"/ nullif(sum(kg) FILTER ({SOLID} AND ({WASTE})), 0))) AS value, count(*) FILTER ({SOLID} AND ({WASTE})) AS n FROM ledger",
        ("no solids came back in the run", "运行中没有返回固体"),
        LEFT.format(f"{SOLID} AND target IN ('discharge', 'tip')"),
    )


@measure("kg", "carted away from the site", "外运处置量")
def tipped_kg(s: Subject) -> Reading:
    """What entered `tip`; a statistic."""
    return _sum(s, "sum(kg) FILTER (target = 'tip')", LEFT.format("target = 'tip'"))


@measure("kg", "slurry water used in concrete", "浆水用于生产的量")
def slurry_used_kg(s: Subject) -> Reading:
    """What left the lines' slurry tanks for the mixers; nothing to judge where slurry is planned nowhere."""
    tanks = [
        f"{line}.Tank.{name}" for line, of in s.get("lines").items() for name, t in of["tanks"].items() if t["holds"] == "slurry_water"
    ]
    if not tanks:
        return Reading(0.0, path="lines.*.tanks.*.holds")
    among = f"source IN ({', '.join(map(literal, tanks))})"
    return _sum(s, f"sum(kg) FILTER ({among})")


@measure("kg", "rain water used", "雨水利用量")
def rain_used_kg(s: Subject) -> Reading:
    """What left the basins that roofs drain to for lines, sprays and other basins."""
    basins = sorted({x["drains_to"] for x in loop(s)["surfaces"].values()} & set(_rain_basins(s)))
    if not basins:
        return Reading(0.0, path="water.surfaces.*.drains_to")
    names = ", ".join(literal(f"Water.Basin.{b}") for b in basins)
    return _sum(
        s,
        f"sum(kg) FILTER (source IN ({names}) AND target NOT IN ('discharge', 'air') AND target NOT LIKE '%.Sludge' AND target NOT LIKE '%.Leak')",
    )


def _rain_basins(s: Subject) -> list[str]:
    """Basins that take clean rain and no waste: those surfaces drain or overflow to, but no separator, wash or floor does."""
    w = loop(s)
    dirty = {w.get("floor_drain"), (w.get("separator") or {}).get("water_to"), (w.get("truck_wash") or {}).get("drains_to")}
    dirty |= {x["drains_to"] for x in w["surfaces"].values() if x.get("later_to")}
    clean = {x.get("later_to") or x["drains_to"] for x in w["surfaces"].values()}
    return sorted(b for b in clean if b in w["basins"] and b not in dirty and not w["basins"][b].get("agitator_kw"))


@measure("m³", "basins for rain", "雨水收集池容积")
def rain_basin_m3(s: Subject) -> Reading:
    """Volume of the basins that take rain and no waste water."""
    basins = _rain_basins(s)
    return Reading(float(sum(loop(s)["basins"][b]["volume_m3"] for b in basins)), len(basins), path="water.basins.*.volume_m3")


@measure("", "surfaces whose rain is not kept apart from waste water", "雨污未分流的汇水面数")
def surfaces_unseparated(s: Subject) -> Reading:
    """Surfaces that drain to an open drain, or all of whose rain goes where waste water goes."""
    w, rain = loop(s), set(_rain_basins(s))
    bad = tuple({"surface": name, "drains_to": x["drains_to"], "later_to": x.get("later_to")} for name, x in w["surfaces"].items()
                if x["drains_to"] == "discharge" and not x.get("infiltration_mm_h") or (x.get("later_to") or x["drains_to"]) not in rain | {"discharge"})  # fmt: skip
    if not w["surfaces"]:
        raise Missing("the design has no surfaces that take rain", "设计未给出汇水面")
    return Reading(len(bad), len(w["surfaces"]), path="water.surfaces.*.drains_to, later_to", rows=bad)


@measure("", "basins in a row through which water settles", "沉淀池级数")
def settling_stages(s: Subject) -> Reading:
    """Longest chain of weirs from one basin to the next, basins without an agitator."""
    basins = loop(s)["basins"]

    def chain(name: str | None, seen: frozenset[str]) -> int:
        if name not in basins or name in seen or basins[name].get("agitator_kw"):
            return 0
        return 1 + chain(basins[name].get("overflows_to"), seen | {str(name)})

    return Reading(max((chain(b, frozenset()) for b in basins), default=0), len(basins), path="water.basins.*.overflows_to")


@measure("", "sand and stone separators", "砂石分离机数量")
def separators(s: Subject) -> Reading:
    """1 with a separator, else 0."""
    return Reading(int(bool(loop(s).get("separator"))), path="water.separator")


@measure("", "slurry basins without an agitator", "未设搅拌装置的浆水池数")
def slurry_unstirred(s: Subject) -> Reading:
    """Basins that the separator's water or pumps to slurry tanks use, and that have no agitator."""
    w = loop(s)
    holds = {f"{line}.{name}": t["holds"] for line, of in s.get("lines").items() for name, t in of["tanks"].items()}
    used = {(w.get("separator") or {}).get("water_to")} | {p["source"] for p in w["pumps"].values() if holds.get(p["to"]) == "slurry_water"}
    slurry = sorted(str(b) for b in used if b in w["basins"])
    if not slurry:
        raise Missing("the design has no slurry basin", "设计中没有浆水池")
    bad = tuple({"basin": b, "agitator_kw": 0} for b in slurry if not w["basins"][b].get("agitator_kw"))
    return Reading(len(bad), len(slurry), path="water.basins.*.agitator_kw", rows=bad)


@measure("", "separator, slurry basin and slurry weighers in one system", "砂石分离与浆水回收一体化系统")
def slurry_system(s: Subject) -> Reading:
    """True when separated water goes to a basin, a pump brings it to a line, and a weigher doses it."""
    w, lines = loop(s), s.get("lines")
    to = (w.get("separator") or {}).get("water_to")
    pumped = any(p["source"] == to and p["to"].partition(".")[0] in lines for p in w["pumps"].values())
    tanks = {(line, name) for line, of in lines.items() for name, t in of["tanks"].items() if t["holds"] == "slurry_water"}
    dosed = any((line, f["source"]) in tanks for line, of in lines.items() for g in of["weighers"].values() for f in g["feeders"].values())
    parts = {"separator": to is not None, "pump to a line": pumped, "weigher": dosed}
    missing = tuple({"missing": name} for name, there in parts.items() if not there)
    return Reading(not missing, len(parts), path="water.separator.water_to, water.pumps, lines.*.weighers", rows=missing)


@measure("", "batches whose mixing water is not fit for their use", "拌合水不符合 JGJ 63 的盘数")
def mixing_water_unfit(s: Subject) -> Reading:
    """Batches of which the blend of mains and slurry water breaks JGJ 63 Table 3.1.1, from the design's analyses."""
    s.need("weighings", "deliveries", "batches")
    species = {name: m["species"] for name, m in s.get("materials").items()}
    wet, slurry = (
        ", ".join(literal(m) for m, k in species.items() if k in kinds) or "NULL"
        for kinds in (("water", "slurry_water"), ("slurry_water",))
    )
    uses = values([(r["grade"], r.get("use", "reinforced")) for r in s.get("recipes")])
    blends = f"""WITH {LOAD_BATCHES}, wet AS (SELECT line, batch, coalesce(sum(true_kg) FILTER (material IN ({slurry})), 0) / nullif(sum(true_kg), 0) AS share
            FROM weighings WHERE material IN ({wet}) GROUP BY line, batch),
        blends AS (SELECT ticket, grade, line, batch, coalesce(use, 'reinforced') AS use, share FROM load_batches JOIN wet USING (line, batch)
            LEFT JOIN (VALUES {uses}) AS u(grade, use) USING (grade) WHERE share IS NOT NULL)"""
    unfit = _unfit(s.get("water.mains_quality"), s.get("water.slurry_quality"))
    return s.of_run(
        f"{blends} SELECT count(*) FILTER ({unfit}) AS value, count(*) AS n FROM blends",
        ("no batch with water belongs to a load", "没有可判定拌合水的盘次"),
        f"{blends} SELECT ticket, grade, use, line, batch, share AS slurry_share FROM blends WHERE {unfit} ORDER BY share DESC LIMIT 20",
    )


def _unfit(mains: dict[str, float], slurry: dict[str, float]) -> str:
    """SQL: does a blend with `share` of slurry water break a limit of its `use`? Blending as in `scenarios/mixing_water.py`."""
    acid = f"14 + log10((1 - share) * {10 ** (mains['ph'] - 14)!r} + share * {10 ** (slurry['ph'] - 14)!r})"
    broken = []
    for use, limits in mixing_water.LIMITS.items():
        over = [f"{mains[k]!r} + share * {slurry[k] - mains[k]!r} > {limit!r}" for k, limit in limits.items() if k != "ph"]
        over.append(f"{acid} < {limits['ph']!r}")
        broken.append(f"(use = {literal(use)} AND ({' OR '.join(over)}))")
    return " OR ".join(broken)


@measure("kg", "slurry water in concrete that must hold none", "禁用混凝土中的浆水量")
def slurry_where_banned_kg(s: Subject) -> Reading:
    """Slurry water weighed for loads of prestressed concrete and of high strength."""
    s.need("weighings", "deliveries", "batches")
    banned = [r["grade"] for r in s.get("recipes") if r.get("use") == "prestressed" or r["strength_mpa"] >= HIGH_STRENGTH_MPA]
    slurry = [name for name, m in s.get("materials").items() if m["species"] == "slurry_water"]
    grades, materials = (values([(x,) for x in of]) or "(NULL)" for of in (banned, slurry))
    rows = f"""FROM (SELECT ticket, grade, line, unnest(range(batch_from, batch_to + 1)) AS number FROM deliveries WHERE grade IN (SELECT * FROM (VALUES {grades}))) d
        JOIN batches b USING (line, number) JOIN weighings w ON w.line = b.line AND w.batch = b.batch WHERE material IN (SELECT * FROM (VALUES {materials}))"""
    return s.of_run(
        f"SELECT (SELECT coalesce(sum(true_kg), 0) {rows}) AS value, (SELECT count(*) FROM deliveries) AS n",
        ("no load left in the run", "运行中没有出厂车次"),
        f"SELECT ticket, grade, b.line, b.number, material, true_kg {rows} ORDER BY true_kg DESC LIMIT 20",
    )
