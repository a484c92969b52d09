"""The plant as designed, what it makes in a year, and how it is equipped."""

from __future__ import annotations

from typing import Any

from scenarios.judging.subject import DAY_S, Missing, Reading, Subject, measure

YEAR_D = 365.0
LEAST_D = 360.0  # of a run that may speak of a year
NONE_MADE = ("no load left in the run", "运行中没有出厂车次")


def _year(s: Subject) -> float:
    """Years that the run lasts.

    Raises:
        Missing: it is shorter than a year.
    """
    days = s.span_s / DAY_S
    if days < LEAST_D:
        raise Missing(f"the run lasts {days:.3g} d, this is about a year", f"运行时长 {days:.3g} d，不足一年")
    return days / YEAR_D


@measure("m³/a", "output of a year", "年产量")
def annual_output(s: Subject) -> Reading:
    """Volume that left the plant in a run of a year."""
    years = _year(s)
    s.need("deliveries")
    return s.of_run(f"SELECT sum(volume_m3) / {years!r} AS value, count(*) AS n FROM deliveries", NONE_MADE)


@measure("%", "use of the capacity in a year", "产能利用率")
def capacity_use(s: Subject) -> Reading:
    """Output of a year over rated output × the hours of a year at which a plant counts as fully used (`premises.yearly_hours`)."""
    years = _year(s)
    s.need("deliveries")
    capacity = sum(float(line["rated_m3_h"]) for line in s.get("lines").values()) * float(s.get("premises.yearly_hours"))
    return s.of_run(f"SELECT 100 * sum(volume_m3) / {years * capacity!r} AS value, count(*) AS n FROM deliveries", NONE_MADE)


@measure("", "production lines", "生产线数量")
def lines(s: Subject) -> Reading:
    """Lines of the design."""
    return Reading(len(s.get("lines")), path="lines")


@measure("", "figure of the design", "设计参数")
def design(s: Subject, path: str) -> Reading:
    """Any field of the design: what no measure of its own is needed for, such as `premises.laboratory.area_m2`."""
    return s.of_design(path)


@measure("", "rooms that the laboratory lacks", "试验室缺少的检测室数")
def laboratory_rooms_missing(s: Subject, rooms: list[str]) -> Reading:
    """Rooms of a list that `premises.laboratory.rooms` does not name."""
    there = s.get("premises.laboratory.rooms")
    lacking = tuple({"room": r} for r in rooms if r not in there)
    return Reading(len(lacking), len(rooms), path="premises.laboratory.rooms", rows=lacking)


@measure("", "delivered grades without an approved recipe", "使用了未经批准配合比的强度等级数")
def grades_unapproved(s: Subject) -> Reading:
    """Grades of the loads that `premises.approved_grades` does not name."""
    approved = s.get("premises.approved_grades")
    s.need("deliveries")
    names = ", ".join("'" + str(g).replace("'", "''") + "'" for g in approved) or "NULL"
    return s.of_run(
        f"SELECT count(DISTINCT grade) FILTER (grade NOT IN ({names})) AS value, count(*) AS n FROM deliveries",
        NONE_MADE,
        f"SELECT grade, count(*) AS loads FROM deliveries WHERE grade NOT IN ({names}) GROUP BY grade",
    )


def _bins(s: Subject) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{line}.{name}", b) for line, of in s.get("lines").items() for name, b in of["bins"].items()]


@measure("%", "aggregate bins that are high-level", "高位料仓占比")
def high_level_share(s: Subject) -> Reading:
    """Bins of kind `high_level`."""
    bins = _bins(s)
    rows = tuple({"bin": name, "kind": b["kind"]} for name, b in bins if b["kind"] != "high_level")
    return Reading(100.0 * (len(bins) - len(rows)) / len(bins), len(bins), path="lines.*.bins.*.kind", rows=rows)


@measure("%", "sand bins with a moisture probe", "设在线水分仪的砂仓占比")
def probed_share(s: Subject) -> Reading:
    """Bins of sand that a moisture probe of the line stands in."""
    species = {name: m["species"] for name, m in s.get("materials").items()}
    probed = {f"{line}.{p['bin']}" for line, of in s.get("lines").items() for p in of["probes"].values()}
    sand = [name for name, b in _bins(s) if species[b["material"]] == "sand"]
    if not sand:
        raise Missing("the design has no sand bin", "设计中没有砂仓")
    rows = tuple({"bin": name} for name in sand if name not in probed)
    return Reading(100.0 * (len(sand) - len(rows)) / len(sand), len(sand), path="lines.*.probes.*.bin", rows=rows)


@measure("kW", "solar roof, peak power", "光伏装机容量")
def solar_kwp(s: Subject) -> Reading:
    """`solar_kwp` of the design."""
    return s.of_design("solar_kwp")


@measure("d", "days since the plant was built", "建成投产至运行结束的天数")
def days_since_built(s: Subject) -> Reading:
    """From `premises.completed` to the end of the run."""
    from datetime import date

    built, ends = date.fromisoformat(str(s.get("premises.completed"))), s.ends
    if ends is None:
        raise Missing("the run does not tell when it began", "运行记录未给出起始时间")
    return Reading(float((ends.date() - built).days), path="premises.completed")
