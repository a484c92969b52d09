"""Quality control: sampling, slump, strength and its acceptance, inspections of materials by shift, signed adjustments of recipes."""

from __future__ import annotations

from typing import Literal

from scenarios import quality
from scenarios.judging.subject import DAY_S, Missing, Reading, Subject, measure

Place = Literal["plant", "site"]
NO_SAMPLE = ("no sample was taken in the run", "运行中没有取样")
NO_LOAD = ("no load left in the run", "运行中没有出厂车次")
RESULTS_S = 7200  # after the beginning of a shift its tests have results (engineering choice)
NO_CUBES = ("no cube of 28 days was tested: play at least 29 days", "没有 28 d 试件结果：运行时长至少 29 d")


@measure("", "most batches that one sample stands for", "单次取样代表的最多盘数")
def batches_per_sample(s: Subject, inspection: Place) -> Reading:
    """Greatest `lot_batches` of a sample."""
    return _largest_lot(s, inspection, "lot_batches", "line")


@measure("m³", "most concrete that one sample stands for", "单次取样代表的最大方量")
def m3_per_sample(s: Subject, inspection: Place) -> Reading:
    """Greatest `lot_m3` of a sample."""
    return _largest_lot(s, inspection, "lot_m3", '"order"')


def _largest_lot(s: Subject, inspection: Place, size: str, where_from: str) -> Reading:
    s.need("samples")
    where = f"inspection = '{inspection}'"
    return s.of_run(
        f"SELECT max({size}) AS value, count(*) AS n FROM samples WHERE {where}",
        NO_SAMPLE,
        f"SELECT sample, time_s, grade, {where_from}, {size} FROM samples WHERE {where} ORDER BY {size} DESC LIMIT 20",
    )


@measure("", "mixes of a line and day of which no sample was taken at the plant", "未做出厂取样检验的（生产线·工作日·配合比）数")
def mixes_unsampled(s: Subject) -> Reading:
    """Days of a line and grade with loads and without a plant sample; days count from midnight, by the time at which a load leaves."""
    s.need("deliveries", "samples")
    day = f"floor((left_s + {s.midnight_s}) / {DAY_S})"
    made = f"""WITH made AS (SELECT line, grade, {day} AS day, count(*) AS loads FROM deliveries GROUP BY ALL), sampled AS (
        SELECT DISTINCT x.line, x.grade, {day} AS day FROM samples x JOIN deliveries d USING (ticket) WHERE inspection = 'plant')"""
    return s.of_run(
        f"{made} SELECT count(*) FILTER (sampled.line IS NULL) AS value, count(*) AS n FROM made LEFT JOIN sampled USING (line, grade, day)",
        NO_LOAD,
        f"{made} SELECT made.* FROM made ANTI JOIN sampled USING (line, grade, day) ORDER BY loads DESC LIMIT 20",
    )


@measure("%", "samples whose slump is out of tolerance", "坍落度超出允许偏差的试样比例")
def slump_outside_share(s: Subject, inspection: Place) -> Reading:
    """Share of samples further from the recipe's slump than its tolerance."""
    s.need("samples")
    where, bad = f"inspection = '{inspection}' AND slump_mm IS NOT NULL", "abs(slump_mm - slump_wanted_mm) > slump_tolerance_mm + 1e-9"
    return s.of_run(
        f"SELECT 100.0 * count(*) FILTER ({bad}) / nullif(count(*), 0) AS value, count(*) AS n FROM samples WHERE {where}",
        NO_SAMPLE,
        f"SELECT sample, time_s, grade, ticket, slump_mm, slump_wanted_mm, slump_tolerance_mm FROM samples WHERE {where} AND {bad} LIMIT 20",
    )


def _pooled(table: str, value: str, where: str) -> str:
    """SQL: standard deviation within the groups of inspection and grade, pooled; null when no group has two."""
    groups = f"SELECT var_pop({value}) * count(*) AS squares, count(*) AS n FROM {table} WHERE {where} AND {value} IS NOT NULL GROUP BY inspection, grade"
    return f"SELECT sqrt(sum(squares) / nullif(sum(n) - count(*), 0)) AS value, sum(n) AS n FROM ({groups})"


@measure("mm", "scatter of slump", "坍落度标准差")
def slump_scatter(s: Subject) -> Reading:
    """Standard deviation of slump within a grade and inspection, pooled; a statistic."""
    s.need("samples")
    return s.of_run(_pooled("samples", "slump_mm", "TRUE"), ("no grade has two samples of slump", "没有强度等级有两个以上坍落度试样"))


@measure("MPa", "scatter of strength at 28 days", "28 d 强度标准差")
def strength_scatter(s: Subject) -> Reading:
    """Standard deviation of the 28-day sets within a grade and inspection, pooled; a statistic."""
    s.need("cubes")
    nothing = "no grade has two sets of cubes of 28 days: play at least 29 days", "没有强度等级有两组以上 28 d 试件：运行时长至少 29 d"
    return s.of_run(_pooled("cubes", "value_mpa", "age_d = 28"), nothing)


@measure("", "lots of concrete whose strength is not accepted", "强度评定不合格的检验批数")
def strength_refused(s: Subject, inspection: Place) -> Reading:
    """Lots that GB/T 50107-2010 does not accept, 28-day sets by grade."""
    s.need("cubes")
    ask = (
        f"SELECT grade, fcu_k_mpa, taken_s, value_mpa FROM cubes WHERE inspection = '{inspection}' AND age_d = 28 AND value_mpa IS NOT NULL"
    )
    sets: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for r in s.rows(f"{ask} AND fcu_k_mpa IS NOT NULL ORDER BY grade, taken_s"):
        sets.setdefault((r["grade"], r["fcu_k_mpa"]), []).append((r["taken_s"], r["value_mpa"]))
    if not sets:
        raise Missing(*NO_CUBES)
    lots, bad = 0, []
    for (grade, fcu_k), of in sets.items():
        for period, verdict in quality.judge([t for t, _ in of], [v for _, v in of], fcu_k):
            lots += 1
            bad += [
                {"grade": grade, "period": period, "sets": verdict.sets, "method": verdict.method, "what": c.what,
                 "value_mpa": round(c.value_mpa, 2), "limit_mpa": round(c.limit_mpa, 2), "by": c.by}
                for c in verdict.failed
            ]  # fmt: skip
    refused = len({(b["grade"], b["period"], b["method"], b["sets"]) for b in bad})
    return Reading(refused, lots, sql=ask, rows=tuple(bad[:20]))


@measure("", "shifts with production in which an inspection was not made", "未按班次完成检验的班次数")
def shifts_uninspected(s: Subject, kinds: list[str]) -> Reading:
    """Shifts in which a batch was made `RESULTS_S` or more after their beginning and a kind of inspection has no result."""
    s.need("inspections", "batches")
    lab = s.get("premises.laboratory")
    into = f"(time_s + {s.midnight_s} - {3600 * lab['shift_from_h']})"
    length_s = 3600 * lab["shift_h"]
    wanted = ", ".join(f"('{k}')" for k in kinds)
    worked = f"""WITH worked AS (SELECT DISTINCT CAST(floor({into} / {length_s}) AS BIGINT) AS shift, kind FROM batches, (VALUES {wanted}) AS k(kind)
            WHERE {into} % {length_s} >= {RESULTS_S}),
        done AS (SELECT DISTINCT shift, kind FROM inspections WHERE result IS NOT NULL)"""
    return s.of_run(
        f"{worked} SELECT count(*) FILTER (done.kind IS NULL) AS value, count(*) AS n FROM worked LEFT JOIN done USING (shift, kind)",
        ("the run made no batch later than two hours into a shift", "运行中没有班次开始两小时后的生产"),
        f"{worked} SELECT worked.* FROM worked ANTI JOIN done USING (shift, kind) ORDER BY shift LIMIT 20",
    )


@measure("", "all adjustments of recipes within rights and signed by the quality head", "配合比调整均在权限内并由质量负责人签字")
def adjustments_signed(s: Subject) -> Reading:
    """Is each row of `adjustments` that was put in use signed by the quality head, and no further from the approved dose than its limit? Refused ones are not in use."""
    s.need("adjustments")
    wrong = "signed_s IS NOT NULL AND (coalesce(signed_by, '') <> 'quality head' OR abs(to_kg_m3 - approved_kg_m3) > \"limit\" * approved_kg_m3 + 1e-9)"
    return s.of_run(
        f"SELECT count(*) FILTER ({wrong}) = 0 AS value, count(*) AS n FROM adjustments",
        ("no recipe was adjusted in the run", "运行中没有配合比调整"),
        f"SELECT * FROM adjustments WHERE {wrong} ORDER BY time_s LIMIT 20",
    )
