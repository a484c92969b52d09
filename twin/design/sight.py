"""What cameras see: the points of a plant that must be watched, and whether a free line leads to each from some camera."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from twin.design.grounds import Camera, KeyPoint, Point
from twin.design.site import SitePlan

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from twin.design.schema import Design

# Engineering choices: where things stand beside a place of the plan, and how high people work there.
FILLING_M, BESIDE_M = 15.0, 8.0  # from the mixer to the filling pipes of the silos; from the truck wash to separator and basins
LOADING_M, WEIGHING_M = 2.0, 9.0  # heights of the truck under the mixer and of the floor with the weighers
TOUCH_M = 1e-6  # a line that only touches a building or wall is free

# Why a camera does not see a point; the later, the nearer it comes to seeing it.
REASONS = ("no_camera", "nowhere", "indoors", "range", "view", "storey", "hidden")


class Seen(NamedTuple):
    """A point that must be watched, and who watches it.

    Attributes:
        at: x, y in metres; None when the plan does not say where it is.
        cameras: those that see it.
        why: one of `REASONS` when none does, for the camera that comes nearest to it; "" otherwise.
        camera, behind: that camera, and the building or wall that hides the point from it.
    """

    name: str
    at: Point | None
    height_m: float
    cameras: tuple[str, ...]
    why: str = ""
    camera: str = ""
    behind: str = ""


def key_points(design: Design) -> dict[str, KeyPoint | None]:
    """What must be watched: what the machines ask for, and what the plan names; None for what stands nowhere on the plan."""
    from shapely import Polygon

    plan, loop, lines = design.site, design.water, list(design.lines)
    points: dict[str, KeyPoint | None] = {}
    for name in ("Yard", "Gate"):
        points[name] = KeyPoint(at=plan.place(name).points()[0])
    for name in lines:
        x, y = plan.place(name, lines).points()[0]
        points[f"{name}.Loading"] = KeyPoint(at=(x, y), height_m=LOADING_M)
        points[f"{name}.WeighFloor"] = KeyPoint(at=(x, y), height_m=WEIGHING_M)
        points[f"{name}.SiloFilling"] = KeyPoint(at=(x + FILLING_M, y))
    x, y = plan.place("Washing").points()[0]
    for name, there, aside in (
        ("Washing", loop.truck_wash, 0.0),
        ("Separator", loop.separator, -BESIDE_M),
        ("Basins", loop.basins, BESIDE_M),
    ):
        if there:
            points[name] = KeyPoint(at=(x + aside, y))
    laboratory = next((b for b in plan.buildings.values() if b.use == "laboratory"), None)
    inside = Polygon(laboratory.outline).representative_point() if laboratory else None
    points["Laboratory"] = KeyPoint(at=(inside.x, inside.y)) if inside else None
    return points | plan.key_points


def watched(design: Design) -> list[Seen]:
    """Every point that must be watched, and the cameras that see it."""
    return [_watch(design.site, name, point) for name, point in key_points(design).items()]


def _watch(plan: SitePlan, name: str, point: KeyPoint | None) -> Seen:
    if point is None:
        return Seen(name, None, 0.0, (), "nowhere")
    looks = {key: look(plan, camera, point) for key, camera in plan.cameras.items()}
    cameras = tuple(key for key, (why, _) in looks.items() if not why)
    if cameras or not looks:
        return Seen(name, point.at, point.height_m, cameras, "" if cameras else "no_camera")
    nearest = min(looks, key=lambda key: (-REASONS.index(looks[key][0]), math.dist(plan.cameras[key].at, point.at)))
    why, behind = looks[nearest]
    return Seen(name, point.at, point.height_m, (), why, nearest, behind)


def look(plan: SitePlan, camera: Camera, point: KeyPoint) -> tuple[str, str]:
    """Why a camera does not see a point, and the building or wall in between; both "" when it does."""
    from shapely import Point as Dot
    from shapely import Polygon

    if camera.inside is not None:
        house = plan.buildings[camera.inside]
        if point.height_m >= house.height_m or not Polygon(house.outline).covers(Dot(point.at)):
            return "indoors", camera.inside
    east, north, up = (point.at[0] - camera.at[0], point.at[1] - camera.at[1], point.height_m - camera.height_m)
    if math.hypot(east, north, up) > camera.range_m:
        return "range", ""
    aside = (math.degrees(math.atan2(east, north)) - camera.direction_deg + 180.0) % 360.0 - 180.0
    if math.hypot(east, north) > TOUCH_M and abs(aside) > 0.5 * camera.view_deg:
        return "view", ""
    if camera.inside is not None:
        storey_m = plan.buildings[camera.inside].height_m / plan.buildings[camera.inside].storeys
        if camera.height_m // storey_m != point.height_m // storey_m:
            return "storey", camera.inside
    behind = _between(plan, camera, point)
    return ("hidden", behind) if behind else ("", "")


def _between(plan: SitePlan, camera: Camera, point: KeyPoint) -> str:
    """Building or wall that stands higher than the line of sight where they meet; "" when it is free."""
    from shapely import LineString, Polygon, get_coordinates

    way_m = math.dist(camera.at, point.at)
    if way_m <= TOUCH_M:
        return ""
    ray = LineString([camera.at, point.at])

    def lowest(piece: BaseGeometry) -> float:
        """Height of the line of sight where it is lowest over a piece of it; a single point at an end of it hides nothing."""
        along = [math.dist(camera.at, (x, y)) for x, y in get_coordinates(piece)]
        if piece.length <= TOUCH_M:
            along = [d for d in along if TOUCH_M < d < way_m - TOUCH_M]
        return min((camera.height_m + d / way_m * (point.height_m - camera.height_m) for d in along), default=math.inf)

    for key, wall in plan.walls.items():
        if lowest(ray.intersection(LineString(wall.ends))) < wall.height_m:
            return key
    for key, house in plan.buildings.items():
        through = ray.intersection(Polygon(house.outline))
        if key != camera.inside and through.length > TOUCH_M and lowest(through) < house.height_m:
            return key
    return ""
