"""Weighing: deviations of single weighings and of truck loads, and what was done about them. True masses, not those recorded."""

from __future__ import annotations

from scenarios.judging.subject import Missing, Reading, Subject, measure, values

LOAD_BATCHES = """
load_batches AS (SELECT d.ticket, d.grade, d.volume_m3, b.line, b.batch
                 FROM (SELECT ticket, grade, line, volume_m3, unnest(range(batch_from, batch_to + 1)) AS number FROM deliveries) d
                 JOIN batches b USING (line, number))"""
DRY = ("cement", "fly_ash", "slag", "admixture")  # their targets are not corrected for moisture


def materials(s: Subject, species: list[str]) -> list[str]:
    """Materials of the design of these species."""
    return [name for name, m in s.get("materials").items() if m["species"] in species]


def _among(s: Subject, species: list[str]) -> str:
    return f"material IN ({', '.join(repr(m) for m in materials(s, species)) or 'NULL'})"


def _nothing(species: list[str]) -> tuple[str, str]:
    return f"the run has no weighing of {', '.join(species)}", f"运行中没有 {', '.join(species)} 的计量记录"


@measure("%", "worst deviation of one weighing from its target", "单次计量最大偏差")
def weighing_deviation(s: Subject, species: list[str], least_capacity: float = 0.0) -> Reading:
    """Greatest |true − target| / target of single weighings.

    Args:
        species: of the materials looked at.
        least_capacity: leave out targets below that share of the weigher's capacity.
    """
    s.need("weighings")
    where = f"{_among(s, species)} AND target_kg > 0"
    if least_capacity:
        capacities = values([(f"{line}.Weigher.{name}", float(w["capacity_kg"])) for line, of in s.get("lines").items()
                             for name, w in of["weighers"].items()])  # fmt: skip
        where += f" AND target_kg >= {least_capacity} * (SELECT kg FROM (VALUES {capacities}) AS c(weigher, kg) WHERE c.weigher = weighings.weigher)"
    off = "100 * abs(true_kg - target_kg) / target_kg"
    return s.of_run(
        f"SELECT max({off}) AS value, count(*) AS n FROM weighings WHERE {where}",
        _nothing(species),
        f"SELECT time_s, line, batch, weigher, material, target_kg, true_kg, {off} AS off_percent, cause, disposition FROM weighings "
        f"WHERE {where} ORDER BY off_percent DESC LIMIT 20",
    )


@measure("%", "worst deviation of a truck load from its target", "每车累计最大偏差")
def load_deviation(s: Subject, species: list[str]) -> Reading:
    """Greatest |Σ true − Σ target| / Σ target over the batches of a load, material by material."""
    s.need("weighings", "deliveries", "batches")
    sums = f"""WITH {LOAD_BATCHES}, sums AS (
        SELECT ticket, material, sum(target_kg) AS target_kg, sum(true_kg) AS true_kg
        FROM load_batches JOIN (SELECT line, batch, material, target_kg, true_kg FROM weighings WHERE {_among(s, species)}) USING (line, batch)
        GROUP BY ticket, material HAVING sum(target_kg) > 0)"""
    off = "100 * abs(true_kg / target_kg - 1)"
    return s.of_run(
        f"{sums} SELECT max({off}) AS value, count(*) AS n FROM sums",
        _nothing(species),
        f"{sums} SELECT *, {off} AS off_percent FROM sums ORDER BY off_percent DESC LIMIT 20",
    )


@measure("", "weighings outside tolerance of which no handling is recorded", "超差而无处理记录的计量次数")
def deviations_unhandled(s: Subject) -> Reading:
    """Weighings out of tolerance that the controller let pass as if they were within."""
    where = "outside AND disposition NOT IN ('re-dosed', 'accepted', 'accepted-late')"
    shown = "time_s, line, batch, weigher, material, target_kg, true_kg, recorded_kg, tolerance_kg, cause, disposition"
    nothing = ("the run has no weighing", "运行中没有计量记录")
    return s.counted("weighings", where, nothing, shown, by="abs(true_kg - target_kg) / tolerance_kg DESC")


@measure("", "loads whose targets are not those of their recipe", "目标值与配合比不符的车次")
def recipe_departures(s: Subject, gap: float = 0.01) -> Reading:
    """Loads of which a dry material's targets are further from the recipe than `gap`, a share of it.

    The recipe is the design's, or as the quality head has signed it since; where a signature came while the load waited, the nearer one counts.
    A load that was sent on with what came back has two tickets; its first one tells its volume.
    Sand, stone and water are left out: their targets are corrected for moisture and slurry water.
    """
    s.need("weighings", "deliveries", "batches")
    dry = materials(s, list(DRY))
    wanted = [(r["grade"], m, float(kg)) for r in s.get("recipes") for m, kg in r["kg_m3"].items() if m in dry and kg > 0]
    if not wanted:
        raise Missing("the design has no recipes", "设计中没有配合比")
    signed = (
        "UNION ALL SELECT recipe, material, to_kg_m3, signed_s FROM adjustments WHERE signed_by = 'quality head'"
        if "adjustments" in s.run.tables
        else ""
    )
    off = f"""WITH {LOAD_BATCHES}, signed(grade, material, kg_m3, from_s) AS (SELECT *, 0.0::DOUBLE FROM (VALUES {values(wanted)}) {signed}),
        recipes AS (SELECT *, lead(from_s, 1, 'infinity'::DOUBLE) OVER (PARTITION BY grade, material ORDER BY from_s) AS to_s FROM signed), sums AS (
        SELECT ticket, grade, material, any_value(volume_m3) AS volume_m3, sum(target_kg) AS target_kg
        FROM load_batches JOIN (SELECT line, batch, material, target_kg FROM weighings WHERE target_kg > 0 AND {_among(s, list(DRY))}) USING (line, batch)
        WHERE ticket IN (SELECT min(ticket) FROM deliveries GROUP BY line, "load") GROUP BY ticket, grade, material),
        off AS (SELECT sums.*, sums.volume_m3 * kg_m3 AS recipe_kg, target_kg / (sums.volume_m3 * kg_m3) - 1 AS gap
                FROM sums JOIN recipes USING (grade, material) JOIN deliveries d USING (ticket)
                WHERE from_s <= coalesce(d.at_bay_s, d.left_s) AND to_s > coalesce(d.queued_s, 0)
                QUALIFY row_number() OVER (PARTITION BY ticket, material ORDER BY abs(gap)) = 1)"""
    return s.of_run(
        f"{off} SELECT count(DISTINCT ticket) FILTER (abs(gap) > {gap}) AS value, count(DISTINCT ticket) AS n FROM off",
        ("no load can be held against a recipe", "没有可与配合比对照的车次"),
        f"{off} SELECT ticket, grade, material, recipe_kg, target_kg, gap FROM off WHERE abs(gap) > {gap} ORDER BY abs(gap) DESC LIMIT 20",
    )


@measure("s", "shortest mixing time that the recipes ask for", "配合比规定的最短搅拌时间")
def mixing_time(s: Subject) -> Reading:
    """Least `mix_time_s` of the recipes."""
    times = {r["grade"]: float(r["mix_time_s"]) for r in s.get("recipes")}
    return Reading(
        min(times.values()), len(times), path="recipes.*.mix_time_s", rows=tuple({"grade": g, "mix_time_s": t} for g, t in times.items())
    )


@measure("s", "least age of a batch as the mixer's door opens", "出料时一盘料的最小搅拌龄期")
def batch_age(s: Subject) -> Reading:
    """Least `age_s` of a batch: since charging, mean over its mass, so at least the mixing time after the last charge."""
    s.need("batches")
    return s.of_run(
        "SELECT min(age_s) AS value, count(*) AS n FROM batches",
        ("the run made no batch", "运行中没有生产"),
        "SELECT time_s, line, number, age_s FROM batches ORDER BY age_s LIMIT 20",
    )


@measure("", "least homogeneity of a batch", "单盘最低匀质性")
def homogeneity(s: Subject) -> Reading:
    """Least `homogeneity` of a batch, 0–1."""
    s.need("batches")
    return s.of_run(
        "SELECT min(homogeneity) AS value, count(*) AS n FROM batches",
        ("the run made no batch", "运行中没有生产"),
        "SELECT time_s, line, number, homogeneity FROM batches ORDER BY homogeneity LIMIT 20",
    )
