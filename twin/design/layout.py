"""What the site plan of a design amounts to: areas, people apart from vehicles, zones, drains, control room, and what cameras see.

Each measure carries the names and coordinates behind it, so that it can be found on the plan. Limits stand in the rule books.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twin.design import sight
from twin.design.grounds import ZONES, Building

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from twin.design.schema import Design

JOINT_M = 0.1  # an end of a drain so near to another drain opens into it
SMALLEST_M2 = 0.01  # what is less is rounding of the drawing


@dataclass(frozen=True)
class Measure:
    """A figure of the plan.

    Attributes:
        value: None when the plan does not show what it takes; `why` says what is missing.
        unit: `m2`, `m` or `-` for a share.
        evidence: names, coordinates in metres, and figures behind it.
    """

    value: float | None
    unit: str
    why: str = ""
    evidence: tuple[dict[str, Any], ...] = ()


def measures(design: Design) -> dict[str, Measure]:
    """Every measure of a design's site plan, by name."""
    ground = Ground(design)
    found: dict[str, Callable[[], Measure]] = {
        "green_area_share": ground.green_share, "green_of_unpaved_share": ground.green_of_unpaved, "paved_roads_share": ground.paved_roads,
        "people_vehicles_separated": lambda: people_apart(design), "camera_coverage_share": lambda: coverage(design),
        "zones_apart_m": lambda: zones_apart(design), "drains_apart_share": lambda: drains_apart(design),
        "control_room_apart_m": lambda: control_room_apart(design),
    }  # fmt: skip
    return {f"{kind}_area_m2": ground.area(kind) for kind in ground.pieces} | {name: of() for name, of in found.items()}


class Ground:
    """The site cut into pieces that do not overlap: buildings lie over roads and walkways, these over green, green over paved ground.

    Attributes:
        site: all within the boundary.
        pieces: geometry by kind; what is none of them is `bare`.
    """

    def __init__(self, design: Design) -> None:
        from shapely import LineString, Polygon, union_all

        plan = design.site
        self.site = Polygon(plan.boundary)
        self.roads = {k: LineString(r.line).buffer(r.width_m / 2, cap_style="flat") for k, r in plan.roads.items()}
        self.road_plan = plan.roads
        self.shown: dict[str, dict[str, BaseGeometry]] = {
            "built": {k: Polygon(b.outline) for k, b in plan.buildings.items()},
            "road": self.roads,
            "walkway": {k: LineString(w.line).buffer(w.width_m / 2, cap_style="flat") for k, w in plan.walkways.items()},
            "green": {k: Polygon(g.outline) for k, g in plan.green.items()},
            "paved": {k: Polygon(g.outline) for k, g in plan.paved.items()},
        }
        self.drawn = any(self.shown.values())
        self.pieces: dict[str, BaseGeometry] = {"site": self.site}
        left: BaseGeometry = self.site
        for kind, shapes in self.shown.items():
            whole = union_all(list(shapes.values()))
            self.pieces[kind] = left.intersection(whole)
            left = left.difference(whole)
        self.pieces["bare"] = left

    def area(self, kind: str) -> Measure:
        """Area of a kind of ground, m²; of `site` the whole."""
        rows = [
            {"name": k, "area_m2": _round(s.intersection(self.pieces[kind]).area), "at": _at(s)}
            for k, s in self.shown.get(kind, {}).items()
        ]
        if kind != "site" and not self.drawn:
            return Measure(None, "m2", "the design draws no grounds")
        return Measure(_round(self.pieces[kind].area), "m2", "", tuple(rows))

    def green_share(self) -> Measure:
        """Green over the whole site."""
        if not self.drawn:
            return Measure(None, "-", "the design draws no grounds")
        return Measure(self.pieces["green"].area / self.site.area, "-", "", self.area("green").evidence)

    def green_of_unpaved(self) -> Measure:
        """Green over all ground that is neither built on nor paved nor driven or walked on."""
        if not self.drawn:
            return Measure(None, "-", "the design draws no grounds")
        bare, green = self.pieces["bare"], self.pieces["green"].area
        if bare.area + green < SMALLEST_M2:
            return Measure(None, "-", "all ground is built on or paved")
        patches = [
            {"name": "bare", "area_m2": _round(p.area), "at": _at(p)} for p in getattr(bare, "geoms", [bare]) if p.area >= SMALLEST_M2
        ]
        return Measure(green / (bare.area + green), "-", "", (*self.area("green").evidence, *patches))

    def paved_roads(self) -> Measure:
        """Paved carriageway over all carriageway within the boundary, outside buildings."""
        from shapely import union_all

        whole = self.pieces["road"].area
        if whole < SMALLEST_M2:
            return Measure(None, "-", "no road on the plan")
        paved = union_all([s for k, s in self.roads.items() if self.road_plan[k].paved]).intersection(self.pieces["road"]).area
        rows = [row | {"paved": self.road_plan[row["name"]].paved} for row in self.area("road").evidence]
        return Measure(paved / whole, "-", "", tuple(rows))


def people_apart(design: Design) -> Measure:
    """Share of the walkways' length that no carriageway touches, or that something keeps vehicles off."""
    from shapely import LineString, union_all

    plan = design.site
    length_m = sum(LineString(w.line).length for w in plan.walkways.values())
    if not length_m:
        return Measure(None, "-", "no walkway on the plan")
    rows, shared_m = [], 0.0
    for name, walk in plan.walkways.items():
        if walk.separated:
            continue
        line, bands = LineString(walk.line), []
        for road, way in plan.roads.items():
            band = LineString(way.line).buffer((way.width_m + walk.width_m) / 2, cap_style="flat")
            both = line.intersection(band)
            if both.length > 0:
                rows.append({"name": name, "road": road, "length_m": _round(both.length), "at": _at(both)})
                bands.append(band)
        shared_m += line.intersection(union_all(bands)).length
    return Measure(1.0 - shared_m / length_m, "-", "", tuple(rows))


def coverage(design: Design) -> Measure:
    """Share of the points that must be watched which a camera sees."""
    seen = sight.watched(design)
    rows = [
        {"name": s.name, "at": s.at, "height_m": s.height_m, "cameras": s.cameras, "why": s.why, "camera": s.camera, "behind": s.behind}
        for s in seen
    ]
    return Measure(sum(bool(s.cameras) for s in seen) / len(seen), "-", "", tuple(rows))


def zones_apart(design: Design) -> Measure:
    """Smallest distance between the zones for production, office and living, each the hull around its buildings; 0 when two overlap."""
    from shapely import union_all

    zones = {zone: _buildings(design, lambda b, uses=uses: b.use in uses) for zone, uses in ZONES.items()}  # type: ignore[misc]
    hulls = {zone: union_all(list(houses.values())).convex_hull for zone, houses in zones.items() if houses}
    missing = [zone for zone in ("production", "office") if zone not in hulls]
    if missing:
        return Measure(None, "m", f"no building for {' or '.join(missing)} on the plan")
    apart = {(a, b): _round(hulls[a].distance(hulls[b])) for a, b in itertools.combinations(hulls, 2)}
    rows = [
        {"name": f"{a}, {b}", "distance_m": metres, "at": _at(hulls[b]), "buildings": [*zones[a], *zones[b]]}
        for (a, b), metres in apart.items()
    ]
    return Measure(min(apart.values()), "m", "", tuple(rows))


def drains_apart(design: Design) -> Measure:
    """Share of the drains that are apart: rain and waste neither join nor end in one place, and waste leads to no outfall."""
    from shapely import LineString, Point

    drains = design.site.drains
    missing = [kind for kind in ("rain", "waste") if not any(d.carries == kind for d in drains.values())]
    if missing:
        return Measure(None, "-", f"no drain for {' or '.join(missing)} on the plan")
    rows, mixed = [], set()
    for a, b in itertools.permutations(drains, 2):
        if drains[a].carries != "rain" or drains[b].carries != "waste":
            continue
        one, other = drains[a].line, drains[b].line
        joints = [p for x, y in ((one, other), (other, one)) for p in (x[0], x[-1]) if LineString(y).distance(Point(p)) <= JOINT_M]
        if drains[a].to == drains[b].to or joints:
            rows.append({"name": a, "with": b, "to": drains[a].to, "at": joints[0] if joints else one[-1]})
            mixed |= {a, b}
    for key, drain in drains.items():
        if drain.carries == "waste" and drain.to == "outfall":
            rows.append({"name": key, "with": "", "to": "outfall", "at": drain.line[-1]})
            mixed.add(key)
    return Measure(1.0 - len(mixed) / len(drains), "-", "", tuple(rows))


def control_room_apart(design: Design) -> Measure:
    """Smallest distance between a control room and a mixing tower: the building around a line's place, or that place itself."""
    from shapely import Point

    rooms = _buildings(design, lambda b: b.use == "control_room")
    if not rooms:
        return Measure(None, "m", "no control room on the plan")
    houses = _buildings(design, lambda b: b.use != "control_room")
    rows, nearest_m = [], math.inf
    for line in design.lines:
        mixer = Point(design.site.place(line, list(design.lines)).points()[0])
        name, tower = next(((k, s) for k, s in houses.items() if s.covers(mixer)), (line, mixer))
        for key, room in rooms.items():
            metres = _round(room.distance(tower))
            rows.append({"name": key, "tower": name, "line": line, "distance_m": metres, "at": _at(room)})
            nearest_m = min(nearest_m, metres)
    return Measure(nearest_m, "m", "", tuple(rows))


def _buildings(design: Design, wanted: Callable[[Building], bool]) -> dict[str, BaseGeometry]:
    from shapely import Polygon

    return {k: Polygon(b.outline) for k, b in design.site.buildings.items() if wanted(b)}


def _at(shape: BaseGeometry) -> tuple[float, float] | None:
    """A point within a shape, of a line its middle; None of nothing."""
    from shapely import LineString

    if shape.is_empty:
        return None
    point = shape.interpolate(0.5, normalized=True) if isinstance(shape, LineString) else shape.representative_point()
    return _round(point.x), _round(point.y)


def _round(metres: float) -> float:
    return round(metres, 3)
