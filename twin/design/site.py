"""The site in a design: fence, buildings, ground, where things stand, monitors, neighbours, and what keeps dust down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from twin.equipment.dust_source import DustControl
from twin.equipment.monitor import Monitor
from twin.equipment.part import Name, Part, figure
from twin.equipment.spray import Spray

if TYPE_CHECKING:
    from twin.design.schema import Design, Mistake

Metre = Annotated[float, Field(ge=-5000, le=5000)]
Point = tuple[Metre, Metre]


class Building(Part):
    """A building that screens sound; its outline and height."""

    outline: list[Point] = Field(min_length=3, max_length=60)
    height_m: float = Field(gt=0, le=200)


class Wall(Part):
    """A wall that screens sound, from one end to the other."""

    ends: tuple[Point, Point]
    height_m: float = Field(gt=0, le=50)


class Place(Part):
    """Where something stands, and how high above the ground it emits; `width_m` spreads a yard or a road."""

    at: Point
    height_m: float = figure(2.0, "m", "layout of the design", ge=0, le=200)
    width_m: float = figure(4.0, "m", "layout of the design", ge=0, le=500)


class Ambient(Part):
    """Dust of the air that comes in, without the plant."""

    tsp_ug_m3: float = figure(100.0, "ug/m3", "urban background in Hubei; engineering choice", recalled=True, ge=0, le=5000)
    pm10_ug_m3: float = figure(62.0, "ug/m3", "urban background in Hubei; engineering choice", recalled=True, ge=0, le=5000)
    pm25_ug_m3: float = figure(37.0, "ug/m3", "urban background in Hubei; engineering choice", recalled=True, ge=0, le=5000)


# Sound power, dB(A). Loader 85 dB(A) at 5 m and truck 90 at 2 m were found in impact studies (+8 dB for the half sphere and
# 20·lg of the distance); the others are near-source levels of impact-study practice + 8 dB (recalled).
SOUND_DB = {"loader": 107.0, "truck": 104.0, "mixer": 93.0, "compressor": 98.0, "belt": 83.0, "fan": 93.0, "screw": 85.0, "pump": 85.0}

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
    sound_db: dict[str, float] = Field(default_factory=lambda: dict(SOUND_DB), description="sound power by kind of machine, LwA in dB(A)")
    cladding_db: float = figure(18.0, "dB", "walls of tower and compressor room; engineering choice", recalled=True, ge=0, le=60)
    clad: list[str] = Field(
        default_factory=lambda: ["mixer", "screw", "compressor", "fan"], description="kinds of machine that stand indoors"
    )

    def place(self, name: str) -> Place:
        """Where something stands: as the design says, else as in the default plan; lines stand side by side."""
        if name in self.places:
            return self.places[name]
        if name in PLACES:
            return PLACES[name]
        return Place(at=(60.0, 45.0), height_m=12.0, width_m=10.0)


# The default plan: yard in the west, line in the middle, gate in the east (engineering choice).
PLACES = {
    "Yard": Place(at=(25.0, 45.0), height_m=3.0, width_m=40.0),
    "Road": Place(at=(85.0, 40.0), height_m=0.5, width_m=50.0),
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
    for key, building in plan.buildings.items():
        if not Polygon(building.outline).is_valid:
            yield ("site", "buildings", key, "outline"), "crosses itself", "give its corners in order, in metres"
    for key, spray in plan.sprays.items():
        if spray.source is not None and spray.source not in design.water.basins:
            yield (
                ("site", "sprays", key, "source"),
                f"no basin '{spray.source}'",
                f"name one of {', '.join(design.water.basins) or 'none: leave it out for mains'}",
            )
    known = {"Yard", "Road", "Gate", "Washing", "Compressor", *design.lines}
    for key in plan.places:
        if key not in known:
            yield ("site", "places", key), "stands for nothing on this plant", f"name one of {', '.join(sorted(known))}"
