"""Vehicles: weighbridge and overloads, positioning and video, leaks, washing, what was against the rules."""

from __future__ import annotations

from scenarios.judging.subject import Missing, Reading, Subject, measure

NO_PASSAGE = ("no truck passed the gate in the run", "运行中没有车辆出入")


@measure("", "trucks let out over the legal mass", "超限放行的车次")
def overloaded_released(s: Subject) -> Reading:
    """Passages out that the gate let pass although the weighbridge showed more than the legal mass."""
    where = f"way = 'out' AND passed AND shown_kg > {float(s.get('fleet.limit_kg'))}"
    return s.counted("gate", where, NO_PASSAGE, "time_s, truck, ticket, shown_kg, remark", among="way = 'out'", by="shown_kg DESC")


@measure("", "loads that left without being weighed", "未过磅出厂的车次")
def loads_unweighed(s: Subject) -> Reading:
    """Loads without a passage out at the weighbridge."""
    s.need("gate")
    where = "gate_s IS NOT NULL AND ticket NOT IN (SELECT ticket FROM gate WHERE way = 'out' AND ticket IS NOT NULL AND shown_kg > 0)"
    return s.counted("deliveries", where, NO_PASSAGE, "ticket, truck, gate_s", among="gate_s IS NOT NULL")


@measure("", "passages of trucks with a remark", "带异常备注的车辆通行次数")
def gate_remarks(s: Subject, remark: str) -> Reading:
    """Passages out at which the gate noted `remark`: `no position`, `no picture`, `leaking`."""
    where = f"way = 'out' AND passed AND remark LIKE '%{remark}%'"
    return s.counted("gate", where, NO_PASSAGE, "time_s, truck, ticket, remark", among="way = 'out'")


@measure("", "violations of vehicles of which no action is recorded", "无处理记录的车辆违规次数")
def violations_unanswered(s: Subject) -> Reading:
    """Rows of `violations` without an action; every truck that was sent back at the gate has a row."""
    s.need("gate", "violations")
    bad = "coalesce(action, '') = ''"
    unbooked = (
        "NOT g.passed AND NOT EXISTS (SELECT 1 FROM violations v WHERE v.kind = 'overload' AND v.truck = g.truck AND v.time_s = g.time_s)"
    )
    return s.of_run(
        f"SELECT (SELECT count(*) FROM violations WHERE {bad}) + (SELECT count(*) FROM gate g WHERE {unbooked}) AS value, (SELECT count(*) FROM gate) AS n",
        NO_PASSAGE,
        f"SELECT time_s, truck, ticket, kind FROM violations WHERE {bad} UNION ALL SELECT time_s, truck, ticket, remark FROM gate g WHERE {unbooked} LIMIT 20",
    )


@measure("", "violations of vehicles", "车辆违规次数")
def violations_counted(s: Subject) -> Reading:
    """Rows of `violations` that are the driver's or the carrier's: overload, leak, speed, route, water."""
    s.need("gate", "violations")
    where = "kind NOT LIKE 'older than%'"
    return s.of_run(
        f"SELECT (SELECT count(*) FROM violations WHERE {where}) AS value, (SELECT count(*) FROM gate) AS n",
        NO_PASSAGE,
        f"SELECT kind, action, count(*) AS n FROM violations WHERE {where} GROUP BY ALL",
    )


@measure("%", "loads that left through the truck wash", "出厂车辆冲洗比例")
def washed_share(s: Subject) -> Reading:
    """Loads whose truck was washed as it left. Hours of frost are left out, in which water would freeze on the road."""
    if not (s.design.get("water") or {}).get("truck_wash"):
        return Reading(0.0, path="water.truck_wash")
    s.need("deliveries", "weather")
    left = """WITH d AS (SELECT ticket, truck, gate_s, washed FROM deliveries WHERE gate_s IS NOT NULL),
        air AS (SELECT d.*, least(a.air_c, b.air_c) AS air_c FROM d ASOF LEFT JOIN weather a ON d.gate_s >= a.time_s ASOF LEFT JOIN weather b ON d.gate_s <= b.time_s),
        l AS (SELECT * FROM air WHERE washed OR coalesce(air_c, 1) >= 0)"""
    return s.of_run(
        f"{left} SELECT 100.0 * count(*) FILTER (washed) / nullif(count(*), 0) AS value, count(*) AS n FROM l",
        NO_PASSAGE,
        f"{left} SELECT ticket, truck, gate_s, air_c FROM l WHERE NOT washed ORDER BY gate_s LIMIT 20",
    )


@measure("", "trucks", "搅拌运输车数量")
def trucks(s: Subject) -> Reading:
    """Trucks of the fleet."""
    return s.of_design("fleet.trucks")


@measure("%", "kilometres of deliveries driven on batteries", "电动运输里程占比")
def electric_share(s: Subject) -> Reading:
    """Kilometres of battery trucks over all of them; a statistic."""
    s.need("deliveries")
    reading = s.of_run(
        "SELECT 100.0 * coalesce(sum(km_out + km_back) FILTER (energy = 'battery'), 0) / nullif(sum(km_out + km_back), 0) AS value, count(km_back) AS n FROM deliveries",
        NO_PASSAGE,
    )
    if reading.value is None:
        raise Missing("no kilometres were driven in the run", "运行中没有行驶里程")
    return reading


@measure("kg", "scale interval of the weighbridge", "地磅检定分度值")
def weighbridge_division(s: Subject) -> Reading:
    """`weighbridge.division_kg` of the design."""
    return s.of_design("weighbridge.division_kg")
