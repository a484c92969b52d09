"""The site in a design: fence, buildings, ground, where things stand, monitors, neighbours, and what keeps dust down."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from twin.design.grounds import Building, Camera, Drain, Ground, KeyPoint, Point, Road, Walkway, Wall
from twin.design.grounds import mistakes as ground_mistakes
from twin.equipment.dust_source import DustControl
from twin.equipment.monitor import Monitor
from twin.equipment.part import Name, Part, figure
from twin.equipment.spray import Spray

if TYPE_CHECKING:
    from twin.design.schema import Design, Mistake


class Place(Part):
    """Where something stands, and how high above the ground it emits; `width_m` spreads a yard or a road.

    A road may be given by the line along which it runs in place of a point.
    """

    at: Point | None = None
    line: list[Point] | None = Field(None, min_length=2, max_length=100, description="from one end to the other")
    height_m: float = figure(2.0, "m", "layout of the design", ge=0, le=200)
    width_m: float = figure(4.0, "m", "layout of the design", ge=0, le=500)

    def points(self) -> list[Point]:
        """Points that stand for it: one, or the middles of equal pieces of its line of at most `PIECE_M`."""
        if self.line is None:
            assert self.at is not None, "a place without a point is a mistake of its design"
            return [self.at]
        count = max(math.ceil(self.length_m / PIECE_M), 1)
        return [_along(self.line, (i + 0.5) * self.length_m / count) for i in range(count)]

    @property
    def length_m(self) -> float:
        """Length of its line; 0 of a point."""
        return sum(math.dist(a, b) for a, b in zip(self.line, self.line[1:], strict=False)) if self.line else 0.0


def _along(line: Sequence[Point], way_m: float) -> Point:
    """Where one is after some way along a line."""
    for a, b in zip(line, line[1:], strict=False):
        length = math.dist(a, b)
        if length > 0 and way_m <= length:
            return a[0] + way_m / length * (b[0] - a[0]), a[1] + way_m / length * (b[1] - a[1])
        way_m -= length
    return line[-1]


class Ambient(Part):
    """Dust of the air that comes in, without the plant."""

    tsp_ug_m3: float = figure(100.0, "ug/m3", "urban background in Hubei; engineering choice", recalled=True, ge=0, le=5000)
    pm10_ug_m3: float = figure(62.0, "ug/m3", "urban background in Hubei; engineering choice", recalled=True, ge=0, le=5000)
    pm25_ug_m3: float = figure(37.0, "ug/m3", "urban background in Hubei; engineering choice", recalled=True, ge=0, le=5000)


PIECE_M = 10.0  # of a road that one point stands for
SIDE_M = 20.0  # between lines in the default plan (engineering choice)
FAR_M, NEAR_M = 10_000.0, 500.0  # Briggs' sigmas reach that far; what the plant owns lies within or near its fence

# Sound power, dB(A). Loader 85 dB(A) at 5 m and truck 90 at 2 m were found in impact studies (+8 dB for the half sphere and
# 20·lg of the distance); the others are near-source levels of impact-study practice + 8 dB (recalled).
SOUND_DB = {"loader": 107.0, "truck": 104.0, "mixer": 93.0, "compressor": 98.0, "belt": 83.0, "fan": 93.0, "screw": 85.0, "pump": 85.0,
            "tanker": 105.0, "charger": 68.0}  # fmt: skip
SOUND_FOUND = ("loader", "truck")
# How far the blows of a running machine rise above its mean level, dB: a loader's bucket and stones in the hopper, brakes and
# tailgates, stones on a belt are frequent; the blow-down of a tanker is occasional (engineering choices).
OFTEN_DB = {"loader": 12.0, "truck": 10.0, "belt": 8.0}
RARE_DB = {"tanker": 10.0}
Level = Annotated[float, Field(ge=0, le=150)]

MONITORS = {
    "West": Monitor(at=(0.0, 45.0)),
    "North": Monitor(at=(60.0, 90.0)),
    "East": Monitor(at=(120.0, 45.0)),
    "South": Monitor(at=(60.0, 0.0)),
}


class SitePlan(Part):
    """Layout in metres, x to the east, y to the north. Without one, a plant of 120 m by 90 m in an industrial district is taken."""

    boundary: list[Point] = Field([(0, 0), (120, 0), (120, 90), (0, 90)], min_length=3, max_length=200)
    places: dict[str, Place] = Field(
        default_factory=dict, description="Yard, Road, Gate, Line1, …; what is left out stands where the default plan has it"
    )
    buildings: dict[str, Building] = Field(default_factory=dict)
    walls: dict[str, Wall] = Field(default_factory=dict)
    roads: dict[str, Road] = Field(default_factory=dict, description="carriageways as they lie; dust and noise come from the place `Road`")
    walkways: dict[str, Walkway] = Field(default_factory=dict)
    green: dict[str, Ground] = Field(default_factory=dict, description="planted; where it overlaps paved ground, it is green")
    paved: dict[str, Ground] = Field(default_factory=dict)
    drains: dict[str, Drain] = Field(default_factory=dict)
    cameras: dict[str, Camera] = Field(default_factory=dict)
    key_points: dict[str, KeyPoint] = Field(
        default_factory=dict, description="what must be watched, beside or in place of what the machines ask for (`twin/design/sight.py`)"
    )
    ground: float = figure(0.0, "-", "G of ISO 9613-2 7.3.1: 0 paved, 1 soft", ge=0, le=1)
    urban: bool = Field(True, description="urban or rural dispersion")
    zone: Literal["1", "2", "3", "4"] = Field("3", description="class of the area by GB 12348-2008: limits of noise")
    protected: bool = Field(False, description="whether the stricter boundary limits of JGJ/T 328 hold")
    ambient: Ambient = Field(default_factory=Ambient)
    monitors: dict[Name, Monitor] = Field(default_factory=lambda: dict(MONITORS))
    neighbours: dict[Name, Monitor] = Field(
        default_factory=dict, description="houses around: what reaches them is recorded, but there is no instrument"
    )
    c0_db: float = figure(0.0, "dB", "C0 of ISO 9613-2 clause 8, local statistics of wind; 0 judges every hour as downwind", ge=0, le=5)
    sprays: dict[Name, Spray] = Field(default_factory=dict)
    dust: DustControl = Field(default_factory=DustControl)
    sound_db: dict[str, Level] = Field(
        default_factory=dict, description="sound power by kind of machine, LwA in dB(A); what is left out has the default"
    )
    ground_method: Literal["spectral", "a_weighted"] = Field(
        "spectral", description="ISO 9613-2 7.3.1, or 7.3.2 for flat porous ground, which leaves `ground` aside"
    )
    cladding_db: float = figure(18.0, "dB", "walls of tower and compressor room; engineering choice", recalled=True, ge=0, le=60)
    clad: list[str] = Field(
        default_factory=lambda: ["mixer", "screw", "compressor", "fan"], description="kinds of machine that stand indoors"
    )

    def place(self, name: str, lines: Sequence[str] = ()) -> Place:
        """Where something stands: as the design says, else as in the default plan; lines stand side by side in the middle."""
        if name in self.places:
            return self.places[name]
        if name in PLACES:
            return PLACES[name]
        beside = lines.index(name) - 0.5 * (len(lines) - 1) if name in lines else 0.0
        return Place(at=(60.0, 45.0 + SIDE_M * beside), height_m=12.0, width_m=10.0)

    def power_db(self, kind: str) -> float:
        """Sound power of a machine of some kind as it is heard outside, LwA in dB(A)."""
        return (SOUND_DB | self.sound_db)[kind] - (self.cladding_db if kind in self.clad else 0.0)


# The default plan: yard in the west, line in the middle, gate in the east (engineering choice).
PLACES = {
    "Yard": Place(at=(25.0, 45.0), height_m=3.0, width_m=40.0),
    "Road": Place(line=[(118.0, 20.0), (85.0, 40.0), (45.0, 35.0)], height_m=0.5, width_m=8.0),
    "Gate": Place(at=(118.0, 20.0), height_m=1.0, width_m=8.0),
    "Washing": Place(at=(95.0, 70.0), height_m=1.5, width_m=10.0),
    "Compressor": Place(at=(55.0, 60.0), height_m=1.5, width_m=3.0),
}


def mistakes(design: Design) -> Iterator[Mistake]:
    """What is wrong with the site plan."""
    from shapely import Polygon  # a slow import that only a check needs

    plan = design.site
    if not Polygon(plan.boundary).is_valid or Polygon(plan.boundary).area < 100:
        yield ("site", "boundary"), "is no area of 100 m² or more, or crosses itself", "give its corners in order, in metres"
    yield from ground_mistakes(design)
    for key, spray in plan.sprays.items():
        if spray.source is not None and spray.source not in design.water.basins:
            yield (
                ("site", "sprays", key, "source"),
                f"no basin '{spray.source}'",
                f"name one of {', '.join(design.water.basins) or 'none: leave it out for mains'}",
            )
    known = {"Yard", "Road", "Gate", "Washing", "Compressor", *design.lines}
    for key, place in plan.places.items():
        if key not in known:
            yield ("site", "places", key), "stands for nothing on this plant", f"name one of {', '.join(sorted(known))}"
        elif (place.at is None) == (place.line is None):
            yield ("site", "places", key), "stands nowhere" if place.at is None else "is a point and a line", "give either at or line"
        elif place.line is not None and place.length_m <= 0:
            yield ("site", "places", key, "line"), "has no length", "give two ends"
    yield from _names(plan)
    yield from _sounds(plan)
    yield from _far(plan)


def _names(plan: SitePlan) -> Iterator[Mistake]:
    """Stations and neighbours stand in one table."""
    for key in plan.neighbours:
        if key in plan.monitors:
            yield ("site", "neighbours", key), "is the name of a station, too", "give it a name of its own"


def _sounds(plan: SitePlan) -> Iterator[Mistake]:
    for group, kinds in (("sound_db", plan.sound_db), ("clad", plan.clad)):
        for kind in kinds:
            if kind not in SOUND_DB:
                yield ("site", group), f"no kind of machine '{kind}' makes noise", f"name one of {', '.join(sorted(SOUND_DB))}"


def _far(plan: SitePlan) -> Iterator[Mistake]:
    """What lies where no plume of the model reaches, and walls that are none."""
    from shapely import Point as Dot
    from shapely import Polygon

    site = Polygon(plan.boundary)
    stations = [(group, k, m.at) for group, of in (("monitors", plan.monitors), ("neighbours", plan.neighbours)) for k, m in of.items()]
    for group, key, at in stations:
        if site.distance(Dot(at)) > FAR_M:
            yield ("site", group, key, "at"), f"lies more than {FAR_M / 1000:g} km from the site", "give metres in the plan's coordinates"
    for key, wall in plan.walls.items():
        if wall.ends[0] == wall.ends[1]:
            yield ("site", "walls", key, "ends"), "has no length", "give two ends"
    for key, place in plan.places.items():
        where = [p for p in (place.at, *(place.line or ())) if p is not None]
        if where and max(site.distance(Dot(p)) for p in where) > NEAR_M:
            yield ("site", "places", key), f"lies more than {NEAR_M:g} m outside the fence", "give metres in the plan's coordinates"
