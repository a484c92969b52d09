"""A province: many plants, in a table `plants` of a run: `plant`, `city`, `capacity_m3`, `output_m3`, `stars` (0–3), `benchmark`."""

from __future__ import annotations

from typing import Literal

from scenarios.judging.subject import Missing, Reading, Subject, literal, measure

NO_PLANT = ("the table plants is empty", "数据表 plants 为空")
NAMED = ("wuhan", "yichang", "xiangyang")
City = Literal["wuhan", "yichang", "xiangyang", "other"]


def _need(s: Subject) -> None:
    if "plants" not in s.run.tables:
        raise Missing(
            "this is about many plants; give a run with a table plants (plant, city, capacity_m3, output_m3, stars, benchmark)",
            "本条针对多个站点；请给出含数据表 plants（plant, city, capacity_m3, output_m3, stars, benchmark）的运行记录",
        )


@measure("%", "use of the capacity of all plants", "全省产能利用率")
def province_capacity_use(s: Subject) -> Reading:
    """Σ output / Σ capacity of a year."""
    _need(s)
    return s.of_run(
        "SELECT 100 * sum(output_m3) / nullif(sum(capacity_m3), 0) AS value, count(*) AS n FROM plants",
        NO_PLANT,
        "SELECT *, 100 * output_m3 / capacity_m3 AS use_percent FROM plants ORDER BY use_percent LIMIT 20",
    )


@measure("%", "plants with that many stars or more", "达到绿色生产星级的站点占比")
def province_star_share(s: Subject, stars: int) -> Reading:
    """Share of plants whose green production label has at least `stars` stars."""
    _need(s)
    return s.of_run(
        f"SELECT 100.0 * count(*) FILTER (stars >= {int(stars)}) / nullif(count(*), 0) AS value, count(*) AS n FROM plants",
        NO_PLANT,
        f"SELECT * FROM plants WHERE stars < {int(stars)} ORDER BY stars DESC, plant LIMIT 20",
    )


def _in(city: City) -> str:
    """Condition for the plants of one city, or of all that are not named; the least city counts there."""
    return f"city NOT IN ({', '.join(map(literal, NAMED))})" if city == "other" else f"city = {literal(city)}"


@measure("%", "benchmark plants of a city", "标杆示范搅拌站占比")
def province_benchmark_share(s: Subject, city: City) -> Reading:
    """Share of benchmark plants; with `other` the least of all cities that are not named."""
    _need(s)
    each = f"(SELECT city, 100.0 * count(*) FILTER (benchmark) / count(*) AS share, count(*) AS plants FROM plants WHERE {_in(city)} GROUP BY city)"
    return s.of_run(
        f"SELECT min(share) AS value, sum(plants) AS n FROM {each}",
        (f"no plant of {city}", f"数据中没有 {city} 的站点"),
        f"SELECT * FROM {each} ORDER BY share LIMIT 20",
    )


@measure("", "benchmark plants of a city, count", "标杆示范搅拌站数量")
def province_benchmarks(s: Subject, city: City) -> Reading:
    """Count of benchmark plants; with `other` the least of all cities that are not named."""
    _need(s)
    each = f"(SELECT city, count(*) FILTER (benchmark) AS benchmarks, count(*) AS plants FROM plants WHERE {_in(city)} GROUP BY city)"
    return s.of_run(
        f"SELECT min(benchmarks) AS value, sum(plants) AS n FROM {each}",
        (f"no plant of {city}", f"数据中没有 {city} 的站点"),
        f"SELECT * FROM {each} ORDER BY benchmarks LIMIT 20",
    )
