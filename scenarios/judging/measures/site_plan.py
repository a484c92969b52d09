"""Areas, separations and sight lines of the site plan.

They are read from `site.measures` of the design, which the site plan fills in when it is drawn; a design without one tells nothing.
"""

from __future__ import annotations

from scenarios.judging.subject import Reading, Subject, measure


@measure("%", "green area of the site", "绿化率")
def green_area_share(s: Subject) -> Reading:
    """Green area over the area of the site."""
    return s.of_design("site.measures.green_area_share")


@measure("%", "green area of what is not paved or built on", "未硬化空地绿化率")
def green_of_unpaved_share(s: Subject) -> Reading:
    """Green area over the open ground that is not paved."""
    return s.of_design("site.measures.green_of_unpaved_share")


@measure("", "people and vehicles have ways of their own", "人车分流")
def people_vehicles_separated(s: Subject) -> Reading:
    """True when no walkway runs over a road but at a marked crossing."""
    return s.of_design("site.measures.people_vehicles_separated")


@measure("%", "site that cameras see", "视频监控覆盖率")
def camera_coverage_share(s: Subject) -> Reading:
    """Share of the places to be watched that a camera has in its sight."""
    return s.of_design("site.measures.camera_coverage_share")


@measure("%", "roads of the site that are paved", "厂区道路硬化率")
def paved_roads_share(s: Subject) -> Reading:
    """Paved area of roads over their area."""
    return s.of_design("site.measures.paved_roads_share")
