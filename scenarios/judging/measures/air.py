"""Dust and noise: at the fence as it truly was, behind the bags as shown, and what the plant has against them."""

from __future__ import annotations

from typing import Any, Literal

from scenarios.judging.subject import Missing, Reading, Subject, measure, quoted
from twin.limits import DAY_BEGINS_H, NIGHT_BEGINS_H

NO_BOUNDARY = ("no station stood at the fence in the run", "运行中没有厂界监测数据")
WATCHED = ("TspHigh", "FugitiveHigh", "Pm10High", "Pm10DayHigh", "Pm25DayHigh", "NoiseHigh", "NoisePeakHigh", "StackHigh")
AFTER_S = 3600.0  # what is done that long after the end of an exceedance still belongs to it
SPRAYED = ("Yard", "Road", "Line")


def _stations(s: Subject) -> str:
    """Stations at the fence, without the neighbours, as a condition."""
    s.need("boundary")
    names = ", ".join("'" + n.replace("'", "''") + "'" for n in s.get("site.monitors"))
    return f"station IN ({names or 'NULL'})"


def _hour(s: Subject) -> str:
    """Hour of the day of a row; a row stands at the end of its interval."""
    return f"(CAST(floor((time_s - 1 + {s.midnight_s}) / 3600) AS BIGINT) % 24)"


def _when(s: Subject, period: str) -> str:
    day = f"({_hour(s)} >= {DAY_BEGINS_H} AND {_hour(s)} < {NIGHT_BEGINS_H})"
    return day if period == "day" else f"NOT {day}"


@measure("dB(A)", "loudest hour at the fence, LAeq", "厂界最大小时等效声级")
def noise_hour_db(s: Subject, period: Literal["day", "night"]) -> Reading:
    """Energy mean of an hour at the worst station, by day (6–22 h) or by night."""
    hours = f"""WITH hours AS (SELECT station, floor((time_s - 1) / 3600) AS hour, 10 * log10(avg(pow(10, laeq_db / 10))) AS db
        FROM boundary WHERE {_stations(s)} AND {_when(s, period)} GROUP BY ALL)"""
    return s.of_run(
        f"{hours} SELECT max(db) AS value, count(*) AS n FROM hours",
        (f"the run has no hour by {period}", f"运行不含{'昼' if period == 'day' else '夜'}间时段"),
        f"{hours} SELECT station, hour * 3600 AS from_s, db FROM hours ORDER BY db DESC LIMIT 20",
    )


@measure("dB(A)", "loudest frequent sound at the fence by night, Lmax", "厂界夜间频发最大声级")
def noise_peak_db(s: Subject, frequent: bool = True) -> Reading:
    """Greatest Lmax by night of frequent sounds, or of all."""
    column, where = "lmax_often_db" if frequent else "lmax_db", f"{_stations(s)} AND {_when(s, 'night')}"
    return s.of_run(
        f"SELECT max({column}) AS value, count(*) AS n FROM boundary WHERE {where}",
        ("the run has no hour by night", "运行不含夜间时段"),
        f"SELECT time_s, station, {column} FROM boundary WHERE {where} ORDER BY {column} DESC LIMIT 20",
    )


@measure("µg/m³", "dust at the fence over the upwind station", "厂界颗粒物与上风向参照点浓度差")
def dust_over_reference(s: Subject, kind: Literal["tsp", "pm10", "pm25"], hours: int = 1) -> Reading:
    """Mean of `hours` in a row at the worst station less the least station of the same time, which stands for the air that comes in."""
    spells = f"""WITH each AS (SELECT station, floor((time_s - 1) / 3600) AS hour, avg({kind}_ug_m3) AS ug FROM boundary WHERE {_stations(s)} GROUP BY ALL),
        spells AS (SELECT station, hour, avg(ug) OVER w AS ug, count(*) OVER w AS n FROM each
            WINDOW w AS (PARTITION BY station ORDER BY hour RANGE BETWEEN {hours - 1} PRECEDING AND CURRENT ROW)),
        over AS (SELECT *, ug - min(ug) OVER (PARTITION BY hour) AS over_ug FROM spells WHERE n = {hours})"""
    return s.of_run(
        f"{spells} SELECT max(over_ug) AS value, count(*) AS n FROM over",
        (f"the run has no whole spell of {hours} h at the fence", f"运行不含完整的 {hours} h 厂界监测时段"),
        f"{spells} SELECT station, 3600 * (hour + 1) AS until_s, ug, over_ug FROM over ORDER BY over_ug DESC LIMIT 20",
    )


@measure("µg/m³", "PM10 at the fence, worst hour", "厂界 PM10 最大小时均值")
def pm10_hour(s: Subject) -> Reading:
    """Hourly mean at the worst station, with the air that comes in."""
    hours = f"WITH hours AS (SELECT station, floor((time_s - 1) / 3600) AS hour, avg(pm10_ug_m3) AS ug FROM boundary WHERE {_stations(s)} GROUP BY ALL)"
    return s.of_run(
        f"{hours} SELECT max(ug) AS value, count(*) AS n FROM hours",
        NO_BOUNDARY,
        f"{hours} SELECT station, hour * 3600 AS from_s, ug FROM hours ORDER BY ug DESC LIMIT 20",
    )


@measure("mg/m³", "dust behind the bags, worst hour", "除尘器出口颗粒物最大小时均值")
def stack_dust(s: Subject) -> Reading:
    """Greatest hourly mean that any collector or silo filter showed."""
    s.need("tags")
    columns = s.columns(".OutletHour.max") or s.columns(".OutletHour")
    if not columns:
        raise Missing("the plant has no dust collector", "站内没有除尘设备")
    worst = s.each_column(columns, {"mg": "max({c})", "time_s": "arg_max(time_s, {c})"})
    return s.of_run(
        f"SELECT max(mg) AS value, count(*) AS n FROM ({worst})",
        ("no collector was read", "没有除尘器读数"),
        f"SELECT name AS collector, mg, time_s FROM ({worst}) ORDER BY mg DESC LIMIT 20",
    )


@measure("", "stations for dust and noise", "粉尘、噪声监测点数")
def monitors(s: Subject) -> Reading:
    """Stations at the fence."""
    found = s.get("site.monitors")
    return Reading(len(found), len(found), path="site.monitors", rows=tuple({"station": k, "at": str(m["at"])} for k, m in found.items()))


@measure("%", "time that the worst station was heard", "监测站最低在线率")
def monitors_online(s: Subject) -> Reading:
    """Share of the rows of tags in which the worst station told of no outage."""
    columns = s.columns(".Outage")
    if not columns:
        raise Missing("the plant has no monitoring station", "站内没有监测站")
    each = s.each_column(columns, {"online": "100 * (1 - avg({c}))", "n": "count({c})"})
    return s.of_run(f"SELECT min(online) AS value, any_value(n) AS n FROM ({each})", NO_BOUNDARY, f"SELECT * FROM ({each}) ORDER BY online")


@measure("", "exceedances of dust and noise after which nothing was done", "无处理记录的粉尘、噪声超标次数")
def exceedances_unhandled(s: Subject) -> Reading:
    """Alarms over limits without an act — of an operator, from outside, of a spray — up to an hour after their end."""
    s.need("events", "tags", "boundary")
    sprays = [c for c in s.columns(".Running") if c.startswith("Air.Spray.")]
    ran = f"SELECT time_s FROM tags WHERE {' OR '.join(f'{quoted(c)} > 0' for c in sprays)}" if sprays else ""
    begun = f"""WITH said AS (SELECT name, kind, time_s, lead(time_s) OVER (PARTITION BY name ORDER BY time_s, kind) AS next_s FROM events
        WHERE kind IN ('alarm', 'alarm-end') AND split_part(name, '.', -1) IN ({", ".join(repr(w) for w in WATCHED)})),
        spells AS (SELECT name, time_s, coalesce(next_s, {s.span_s}) + {AFTER_S} AS until_s FROM said WHERE kind = 'alarm'),
        acts AS (SELECT time_s FROM events WHERE kind IN ('operator', 'command', 'acknowledge', 'comment'){" UNION ALL " + ran if ran else ""}),
        judged AS (SELECT s.*, a.time_s IS NOT NULL AND a.time_s <= until_s AS answered FROM spells s ASOF LEFT JOIN acts a ON s.time_s <= a.time_s)"""
    return s.of_run(
        f"{begun} SELECT count(*) FILTER (NOT answered) AS value, (SELECT count(*) FROM boundary WHERE {_stations(s)}) AS n FROM judged",
        NO_BOUNDARY,
        f"{begun} SELECT name, time_s, until_s - {AFTER_S} AS end_s FROM judged WHERE NOT answered ORDER BY time_s LIMIT 20",
    )


def dust(s: Subject) -> dict[str, Any]:
    """What the design has against dust."""
    found: dict[str, Any] = s.get("site.dust")
    return found


@measure("", "least enclosure of yard, belts and tower", "料仓、输送、主楼封闭程度最小值")
def enclosure(s: Subject) -> Reading:
    """0 open … 1 tight; a closed shed with doors keeps back 0.9 of what its open twin lets out."""
    parts = {k: float(dust(s)[k]) for k in ("yard_enclosure", "transfer_enclosure", "tower_enclosure")}
    rows = tuple({"part": f"site.dust.{k}", "enclosure": v} for k, v in sorted(parts.items(), key=lambda kv: kv[1]))
    return Reading(min(parts.values()), len(parts), path="site.dust.*_enclosure", rows=rows)


@measure("", "lines and silos without a dust collector", "缺少除尘设备的部位数")
def collectors_missing(s: Subject) -> Reading:
    """Mixers and transfer points of lines without a collector over them; every silo of a design has its vent filter."""
    bad = tuple(
        {"line": line, "over": over}
        for line, of in s.get("lines").items()
        for over in ("Mixer", "Belt")
        if over not in [c["over"] for c in of["collectors"].values()]
    )
    return Reading(len(bad), 2 * len(s.get("lines")), path="lines.*.collectors.*.over", rows=bad)


@measure("%", "hours of production in which the collectors ran", "生产时段除尘器运行率")
def collectors_in_use(s: Subject) -> Reading:
    """Hours with batches of a line in which each of its collectors' fans ran."""
    s.need("batches", "energy")
    fans = [f"{line}.Collector.{name}" for line, of in s.get("lines").items() for name in of["collectors"]]
    if not fans:
        return Reading(0.0, path="lines.*.collectors")
    wanted = ", ".join(f"('{f}', '{f.split('.')[0]}')" for f in fans)
    hours = f"""WITH ends AS (SELECT DISTINCT time_s FROM energy), worked AS (
            SELECT DISTINCT b.line, e.time_s FROM (SELECT line::VARCHAR AS line, time_s FROM batches) b ASOF JOIN ends e ON b.time_s <= e.time_s),
        ran AS (SELECT machine::VARCHAR AS machine, time_s, sum(run_s) AS run_s FROM energy GROUP BY ALL),
        each AS (SELECT f.machine, w.time_s, coalesce(r.run_s, 0) AS run_s FROM worked w JOIN (VALUES {wanted}) AS f(machine, line) USING (line)
            LEFT JOIN ran r ON r.machine = f.machine AND r.time_s = w.time_s)"""
    return s.of_run(
        f"{hours} SELECT 100.0 * count(*) FILTER (run_s > 0) / nullif(count(*), 0) AS value, count(*) AS n FROM each",
        ("the run made no batch", "运行中没有生产"),
        f"{hours} SELECT machine, time_s FROM each WHERE run_s <= 0 ORDER BY time_s LIMIT 20",
    )


@measure("", "of yard, roads and belts, how many are sprayed", "喷雾降尘覆盖部位数（料场、道路、输送）")
def sprayed_places(s: Subject) -> Reading:
    """Kinds of place that a spray of the design wets: 0 to 3."""
    wets = {y["wets"] for y in s.get("site.sprays").values()}
    return Reading(len(wets), len(SPRAYED), path="site.sprays.*.wets", rows=tuple({"not sprayed": p} for p in SPRAYED if p not in wets))


@measure("%", "time that the sprays were ready to start by themselves", "喷雾系统自动待命率")
def sprays_ready(s: Subject) -> Reading:
    """Least share of rows of tags in which a spray stood on automatic and was not tripped."""
    names = [c.removesuffix(".Auto") for c in s.columns(".Auto") if c.startswith("Air.Spray.")]
    if not names:
        return Reading(0.0, path="site.sprays")
    ready = "100 * avg(CASE WHEN {c} > 0 AND {t} = 0 THEN 1 ELSE 0 END)"
    each = s.each_column([f"{n}.Auto" for n in names], {"ready": ready, "n": "count({c})"}, {"t": ("Auto", "Tripped")})
    return s.of_run(f"SELECT min(ready) AS value, any_value(n) AS n FROM ({each})", NO_BOUNDARY, f"SELECT * FROM ({each}) ORDER BY ready")
