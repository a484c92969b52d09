"""Areas, separations and sight lines of the design's site plan, as `twin/design/layout.py` finds them."""

from __future__ import annotations

from scenarios.judging.subject import Missing, Reading, Subject, measure


def _reading(s: Subject, name: str) -> Reading:
    """A measure of the plan, with the places behind it.

    Raises:
        Missing: the plan does not show it.
    """
    found = s.plan[name]
    if found.value is None:
        raise Missing(f"the site plan does not tell: {found.why}", "厂区平面图未给出")
    value = 100.0 * found.value if found.unit == "-" else found.value
    return Reading(value, max(len(found.evidence), 1), path=f"site ({name})", rows=tuple(found.evidence))


@measure("%", "green area of the site", "绿化率")
def green_area_share(s: Subject) -> Reading:
    """Green area over the area of the site."""
    return _reading(s, "green_area_share")


@measure("%", "green area of what is not paved or built on", "未硬化空地绿化率")
def green_of_unpaved_share(s: Subject) -> Reading:
    """Green area over the open ground that is not paved."""
    return _reading(s, "green_of_unpaved_share")


@measure("", "people and vehicles have ways of their own", "人车分流")
def people_vehicles_separated(s: Subject) -> Reading:
    """True when no walkway that is not separated runs over or along a carriageway."""
    found = _reading(s, "people_vehicles_separated")
    return Reading(float(found.value or 0.0) >= 100.0 - 1e-6, found.of, path=found.path, rows=found.rows)


@measure("%", "places to be watched that cameras see", "视频监控覆盖率")
def camera_coverage_share(s: Subject) -> Reading:
    """Share of the places to be watched that a camera has in its sight."""
    return _reading(s, "camera_coverage_share")


@measure("%", "roads of the site that are paved", "厂区道路硬化率")
def paved_roads_share(s: Subject) -> Reading:
    """Paved area of roads over their area."""
    return _reading(s, "paved_roads_share")


@measure("%", "rain and waste water drain apart", "雨污分流")
def drains_apart_share(s: Subject) -> Reading:
    """Share of the drains that lead where they should."""
    return _reading(s, "drains_apart_share")
