"""Truck loads as concrete: tickets, age, checks at the exit, late and returned concrete."""

from __future__ import annotations

from scenarios.judging.subject import Reading, Subject, measure

NO_LOAD = ("no load left in the run", "运行中没有出厂车次")
NONE_POURED = ("no load was poured in the run", "运行中没有浇筑的车次")
TICKET = ("ticket", '"order"', "grade", "line", "truck", "batch_from", "batch_to", "volume_m3", "left_s", "wet_s")
AGE = "(poured_s - wet_s) / 60"
TAKEN = "poured_s IS NOT NULL AND coalesce(outcome, '') NOT LIKE '%refused%'"


@measure("", "loads without a complete delivery ticket", "发货单不完整的车次")
def tickets_incomplete(s: Subject) -> Reading:
    """Loads of which order, grade, truck, batches, volume or times are not on the ticket."""
    where = " OR ".join(f"{c} IS NULL" for c in TICKET)
    return s.counted("deliveries", where, NO_LOAD, ", ".join(TICKET))


@measure("min", "greatest age of concrete at the end of its discharge", "卸料完毕时混凝土最大龄期")
def age_at_discharge(s: Subject) -> Reading:
    """From water to the end of discharge, of loads that the site took."""
    s.need("deliveries")
    return s.of_run(
        f"SELECT max({AGE}) AS value, count(*) AS n FROM deliveries WHERE {TAKEN}",
        NONE_POURED,
        f'SELECT ticket, "order", grade, wet_s, poured_s, {AGE} AS age_min, outcome FROM deliveries WHERE {TAKEN} ORDER BY age_min DESC LIMIT 20',
    )


@measure("", "late loads of which no decision is recorded", "超时而无处理记录的车次")
def late_unhandled(s: Subject, most_min: float = 90.0) -> Reading:
    """Loads older than `most_min` at the end of discharge that neither the outcome nor the ledger of violations decides on."""
    s.need("violations")
    where = f"""{AGE} > {most_min} AND coalesce(outcome, 'in time') = 'in time'
        AND ticket NOT IN (SELECT ticket FROM violations WHERE ticket IS NOT NULL AND kind LIKE 'older than%' AND action <> '')"""
    return s.counted("deliveries", where, NO_LOAD, f'ticket, "order", {AGE} AS age_min, outcome', by="age_min DESC")


@measure("", "loads to which water was added on the way", "运输途中加水的车次")
def water_added(s: Subject) -> Reading:
    """Violations of kind `water added`."""
    s.need("deliveries", "violations")
    return s.of_run(
        "SELECT (SELECT count(*) FROM violations WHERE kind = 'water added') AS value, (SELECT count(*) FROM deliveries) AS n",
        NO_LOAD,
        "SELECT * FROM violations WHERE kind = 'water added' ORDER BY value DESC LIMIT 20",
    )


@measure(
    "",
    "returns of concrete without a decision, or reused without the quality manager's word",
    "无处理决定或未经质量负责人确认即再用的退回混凝土",
)
def returns_undecided(s: Subject) -> Reading:
    """Rows of `returned` without decision or decider, or reused by somebody else's word; every load that the site sent back has a row."""
    s.need("deliveries", "returned")
    bad = "coalesce(decision, '') = '' OR coalesce(decided_by, '') = '' OR (decision LIKE 'reuse%' AND decided_by <> 'quality manager')"
    unbooked = (
        "outcome LIKE '%refused%' AND returned_s IS NOT NULL AND ticket NOT IN (SELECT ticket FROM returned WHERE ticket IS NOT NULL)"
    )
    return s.of_run(
        f"SELECT (SELECT count(*) FROM returned WHERE {bad}) + (SELECT count(*) FROM deliveries WHERE {unbooked}) AS value, "
        "(SELECT count(*) FROM deliveries) AS n",
        NO_LOAD,
        f"SELECT ticket, reason, decision, decided_by FROM returned WHERE {bad} "
        f"UNION ALL SELECT ticket, outcome, NULL, NULL FROM deliveries WHERE {unbooked} LIMIT 20",
    )


@measure("", "loads that left without a check of slump and temperature", "未逐车检查坍落度和温度即出厂的车次")
def loads_unchecked(s: Subject) -> Reading:
    """Loads of which the ticket has no slump or no temperature as they leave."""
    return s.counted("deliveries", "slump_mm IS NULL OR temperature_c IS NULL", NO_LOAD, "ticket, grade, slump_mm, temperature_c")


@measure("%", "batches made under remote control", "远程控制生产的盘数占比")
def remote_share(s: Subject) -> Reading:
    """Batches during whose interval of the tags table the line's selector stood on remote all the time."""
    return _while(s, "Station.Remote", "v < 1")


@measure("%", "batches made in automatic mode", "自动模式生产的盘数占比")
def automatic_share(s: Subject) -> Reading:
    """Batches during whose interval of the tags table the line's mode was automatic all the time."""
    return _while(s, "Station.Mode", "v < 2")


def _while(s: Subject, tag: str, not_so: str) -> Reading:
    """Share of batches that came while a tag of their line was not `not_so`, by the first row of tags at or after the batch."""
    s.need("batches", "tags")
    columns = [c for c in s.columns(f".{tag}") if c.removesuffix(f".{tag}") in s.get("lines")]
    tags = " UNION ALL ".join(f"SELECT '{c.split('.')[0]}' AS line, time_s, \"{c}\" AS v FROM tags" for c in columns)
    rows = f"FROM (SELECT time_s, line::VARCHAR AS line, number FROM batches) b ASOF JOIN ({tags}) t ON b.line = t.line AND b.time_s <= t.time_s"
    return s.of_run(
        f"SELECT 100.0 * count(*) FILTER (NOT ({not_so})) / count(*) AS value, count(*) AS n {rows}",
        ("the run made no batch", "运行中没有生产"),
        f"SELECT b.time_s, b.line, b.number, v {rows} WHERE {not_so} ORDER BY b.time_s LIMIT 20",
    )
