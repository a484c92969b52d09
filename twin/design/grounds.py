"""The grounds in a site plan: buildings and walls, roads, walkways, green and paved ground, drains, cameras, points to watch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from twin.equipment.part import Part, figure

if TYPE_CHECKING:
    from twin.design.schema import Design, Mistake

Metre = Annotated[float, Field(ge=-5000, le=5000)]
Point = tuple[Metre, Metre]
Outline = Annotated[list[Point], Field(min_length=3, max_length=200)]
Line = Annotated[list[Point], Field(min_length=2, max_length=100)]

Use = Literal["production", "control_room", "laboratory", "office", "living", "store", "workshop", "waste_store", "other"]
ZONES: dict[str, tuple[Use, ...]] = {"production": ("production", "store", "workshop", "waste_store"), "office": ("office", "laboratory"),
                                     "living": ("living",)}  # fmt: skip
OFF_SITE = ("sewer", "outfall")  # where a drain may end beside the basins of the plant


class Building(Part):
    """A building: its outline, its height and what it is for."""

    outline: list[Point] = Field(min_length=3, max_length=60)
    height_m: float = Field(gt=0, le=200)
    use: Use = "other"
    storeys: int = figure(1, "-", "of equal height; who stands on one sees nothing on another", ge=1, le=50)
    screens_sound: bool = Field(
        True, description="false leaves it out of the noise model, as a house around the machines that it would screen"
    )


class Wall(Part):
    """A wall that screens sound and hides what is behind it, from one end to the other."""

    ends: tuple[Point, Point]
    height_m: float = Field(gt=0, le=50)


class Road(Part):
    """A carriageway along its middle line."""

    line: Line
    width_m: float = figure(7.0, "m", "two lanes of 3.5 m; engineering choice", recalled=True, gt=0, le=50)
    paved: bool = True


class Walkway(Part):
    """Where people walk. `separated`: a kerb with railing, a bridge or a subway keeps vehicles off all of it."""

    line: Line
    width_m: float = figure(1.5, "m", "two people pass; engineering choice", recalled=True, gt=0, le=20)
    separated: bool = False


class Ground(Part):
    """Green or paved ground."""

    outline: Outline


class Drain(Part):
    """A drain; its line ends where it leads to."""

    line: Line
    carries: Literal["rain", "waste"]
    to: str = Field(description="a basin of the plant, `sewer` or `outfall`")


class Camera(Part):
    """A camera. Outdoors it looks past buildings and walls; `inside` a building it sees what is on the same storey in there."""

    at: Point
    height_m: float = figure(5.0, "m", "on a mast; engineering choice", recalled=True, gt=0, le=100)
    direction_deg: float = figure(0.0, "deg", "middle of its view, clockwise from north", ge=0, le=360)
    view_deg: float = figure(90.0, "deg", "lens of 2.8 mm on a 1/3 inch sensor; engineering choice", recalled=True, gt=0, le=360)
    range_m: float = figure(40.0, "m", "a person is recognised; engineering choice", recalled=True, gt=0, le=1000)
    inside: str | None = Field(None, description="building in which it hangs")


class KeyPoint(Part):
    """A point that must be watched."""

    at: Point
    height_m: float = figure(1.5, "m", "what people do there; engineering choice", recalled=True, ge=0, le=100)


def mistakes(design: Design) -> Iterator[Mistake]:
    """What is wrong with the grounds of a design."""
    from shapely import Point as Dot
    from shapely import Polygon

    plan = design.site
    areas: list[tuple[str, dict[str, Any]]] = [("buildings", {**plan.buildings}), ("green", {**plan.green}), ("paved", {**plan.paved})]
    for group, drawn in areas:
        for key, area in drawn.items():
            if not Polygon(area.outline).is_valid:
                yield ("site", group, key, "outline"), "crosses itself", "give its corners in order, in metres"
    lines: list[tuple[str, dict[str, Any]]] = [("roads", {**plan.roads}), ("walkways", {**plan.walkways}), ("drains", {**plan.drains})]
    for group, drawn in lines:
        for key, way in drawn.items():
            if len(set(way.line)) < 2:
                yield ("site", group, key, "line"), "has no length", "give two ends"
    known = [*design.water.basins, *OFF_SITE]
    for key, drain in plan.drains.items():
        if drain.to not in known:
            yield ("site", "drains", key, "to"), f"no basin '{drain.to}'", f"name one of {', '.join(known)}"
    for key, camera in plan.cameras.items():
        where = ("site", "cameras", key, "inside")
        if camera.inside is None:
            house = next(
                (k for k, b in plan.buildings.items() if Polygon(b.outline).contains(Dot(camera.at)) and camera.height_m < b.height_m), None
            )
            if house:
                yield where, f"the camera hangs in {house} and does not say so", f"give inside: {house}, or move it out"
        elif camera.inside not in plan.buildings:
            yield where, f"no building '{camera.inside}'", f"name one of {', '.join(plan.buildings) or 'none: leave it out'}"
        elif not Polygon(plan.buildings[camera.inside].outline).covers(Dot(camera.at)):
            yield where, f"the camera stands outside {camera.inside}", "move it in, or leave inside out"
