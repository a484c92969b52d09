"""The district in a design: places, the roads between them, how fast they are, and where the plants stand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from twin.equipment.part import Part, figure
from twin.errors import nearest

if TYPE_CHECKING:
    from twin.design.schema import Design, Mistake

Kind = Literal["expressway", "arterial", "street"]
KINDS: tuple[Kind, ...] = ("expressway", "arterial", "street")
Kilometre = Annotated[float, Field(ge=-1000, le=1000)]
Spot = tuple[Kilometre, Kilometre]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=0.05, le=1.5)]
PLANT = "Plant"
MOST_CROSSINGS = 10_000
ROUNDING_KM = 0.01

PEAKS = "peaks 7–9 and 17–19 h at 1.7 times the free time (Amap reports: up to 2.1 in the worst cities); other hours: engineering choice"
# fmt: off
WEEKDAY = (1.00, 1.00, 1.00, 1.00, 1.00, 0.98, 0.88, 0.62, 0.58, 0.70, 0.77, 0.78,
           0.82, 0.80, 0.78, 0.76, 0.70, 0.59, 0.57, 0.70, 0.81, 0.88, 0.94, 0.98)
WEEKEND = (1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 0.97, 0.92, 0.86, 0.80, 0.76, 0.75,
           0.78, 0.78, 0.75, 0.73, 0.70, 0.68, 0.70, 0.76, 0.82, 0.87, 0.93, 0.98)
# fmt: on


class Road(Part):
    """A road between two places, driven both ways."""

    ends: tuple[str, str]
    kind: Kind = "street"
    length_km: float | None = Field(None, gt=0, le=1000, description="the straight line when left out")


class FreeSpeed(Part):
    """Mean speed of a mixer truck on an empty road, with its stops at lights."""

    expressway: float = figure(50.0, "km/h", "makers' highest speed of a mixer truck with its drum turning", gt=0, le=130)
    arterial: float = figure(40.0, "km/h", "engineering choice: empty main road with its lights", recalled=True, gt=0, le=130)
    street: float = figure(28.0, "km/h", "engineering choice: empty side street with its lights", recalled=True, gt=0, le=130)

    def of(self, kind: Kind) -> float:
        """Speed on a kind of road, km/h."""
        return float(getattr(self, kind))


class SpeedLimit(Part):
    """What the signs allow a heavy truck."""

    expressway: float = figure(60.0, "km/h", "local signs for heavy trucks in town, 40–60", recalled=True, gt=0, le=130)
    arterial: float = figure(50.0, "km/h", "one lane each way in town without signs: road traffic regulation, art. 45", gt=0, le=130)
    street: float = figure(40.0, "km/h", "local signs in town, 40–60", recalled=True, gt=0, le=130)

    def of(self, kind: Kind) -> float:
        """Limit on a kind of road, km/h."""
        return float(getattr(self, kind))


class Grid(Part):
    """A map for a plant that has none: a square town of streets that are not quite straight, main roads, and a ring expressway."""

    size_km: float = figure(30.0, "km", "a town and its edges; engineering choice", recalled=True, ge=1, le=200)
    spacing_km: float = figure(1.25, "km", "engineering choice", recalled=True, ge=0.2, le=2)
    arterial_every: int = figure(4, "-", "streets from one main road to the next; engineering choice", recalled=True, ge=1, le=100)
    bent: float = figure(0.15, "-", "most that a crossing is off the grid, share of the spacing", recalled=True, ge=0, le=0.2)
    plant: tuple[Share, Share] = figure(
        (0.17, 0.08), "-", "of the size, from the west and from the south: an industrial corner; engineering choice", recalled=True
    )

    def streets(self) -> int:
        """How many streets run each way."""
        return round(self.size_km / self.spacing_km) + 1

    def layout(self) -> tuple[dict[str, Spot], list[Road]]:
        """Crossings by name, km east and north of the plant, and the roads between neighbours.

        A crossing is named by its streets, counted from the west and from the south: `X05Y12`; the plant's is `Plant`.
        """
        n = self.streets()
        home = tuple(round(share * (n - 1)) for share in self.plant)
        first = (n - 1) // 6  # the ring leaves a sixth outside on every side
        ring = (first, n - 1 - first)
        spots = {(i, j): self._spot(i, j) for i in range(n) for j in range(n)}
        names = {(i, j): PLANT if (i, j) == home else f"X{i:02}Y{j:02}" for i, j in spots}
        east_km, north_km = spots[home[0], home[1]]
        places = {names[at]: (round(x - east_km, 3), round(y - north_km, 3)) for at, (x, y) in spots.items()}

        def kind(street: int, along: int) -> Kind:
            if street in ring and ring[0] <= along < ring[1]:
                return "expressway"
            return "arterial" if street % self.arterial_every == 0 else "street"

        east = [Road(ends=(names[i, j], names[i + 1, j]), kind=kind(j, i)) for i in range(n - 1) for j in range(n)]
        north = [Road(ends=(names[i, j], names[i, j + 1]), kind=kind(i, j)) for i in range(n) for j in range(n - 1)]
        return places, east + north

    def _spot(self, i: int, j: int) -> Spot:
        off_x, off_y = (self.bent * (2 * number(f"{i} {j} {way}") / 2**64 - 1) for way in ("east", "north"))
        return (i + off_x) * self.spacing_km, (j + off_y) * self.spacing_km


class District(Part):
    """The road map around the plants. Without places of its own, a town is generated, with `Plant` in an industrial corner."""

    places: dict[str, Spot] = Field(default_factory=dict, description="km to the east and to the north")
    roads: list[Road] = Field(default_factory=list)
    plants: dict[str, str] = Field(default_factory=dict, description="place of each line; a line left out stands at 'Plant'")
    free_km_h: FreeSpeed = Field(default_factory=FreeSpeed)
    limit_km_h: SpeedLimit = Field(default_factory=SpeedLimit)
    weekday: tuple[Factor, ...] = figure(
        WEEKDAY, "-", f"share of the free speed by hour: {PEAKS}", recalled=True, min_length=24, max_length=24
    )
    weekend: tuple[Factor, ...] = figure(
        WEEKEND, "-", "share of the free speed by hour; engineering choice", recalled=True, min_length=24, max_length=24
    )
    grid: Grid | None = Field(default_factory=Grid, description="the generated town; not used when places are given")

    def layout(self) -> tuple[dict[str, Spot], list[Road]]:
        """Its own places and roads, or those of the generated town."""
        if self.places or self.grid is None:
            return self.places, self.roads
        return self.grid.layout()

    def plant(self, line: str) -> str:
        """Place at which a line stands."""
        return self.plants.get(line, PLANT)


def number(name: str) -> int:
    """A number of 64 bits that belongs to a name, the same on every machine."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


def straight_km(a: Spot, b: Spot) -> float:
    """Straight line between two spots, km."""
    return math.hypot(a[0] - b[0], a[1] - b[1])


def mistakes(design: Design) -> Iterator[Mistake]:
    """What is wrong with the district."""
    plan = design.district
    for kind in KINDS:
        if plan.free_km_h.of(kind) > plan.limit_km_h.of(kind):
            limit = f"{plan.limit_km_h.of(kind):g} km/h"
            yield ("district", "free_km_h", kind), f"is above the limit of {limit}", "lower it, or raise limit_km_h"
    if not plan.places:
        if plan.roads:
            yield ("district", "roads"), "lead to places that are not given", "give places too, or leave the roads out for a generated town"
            return
        if plan.grid is None:
            yield ("district", "grid"), "is left out, and so are the places", "give places and roads, or a grid"
            return
        if plan.grid.streets() < 2 or plan.grid.streets() ** 2 > MOST_CROSSINGS:
            yield (
                ("district", "grid", "spacing_km"),
                f"makes {plan.grid.streets()} streets each way",
                f"give 2 to {math.isqrt(MOST_CROSSINGS)}: change size_km or spacing_km",
            )
            return
        if not plan.plants:  # a generated town has no other mistakes
            return
    elif plan.grid is not None and "grid" in plan.model_fields_set:
        yield ("district", "grid"), "stands beside places of your own", "keep one of them"
    places, roads = plan.layout()
    yield from _plant_mistakes(design, places)
    if plan.places:
        yield from _road_mistakes(plan)
        yield from _gaps(places, roads, [plan.plant(line) for line in design.lines])


def _plant_mistakes(design: Design, places: dict[str, Spot]) -> Iterator[Mistake]:
    plan = design.district
    for line, place in plan.plants.items():
        if line not in design.lines:
            yield ("district", "plants", line), f"no line '{line}'{nearest(line, design.lines)}", f"name one of {', '.join(design.lines)}"
        if place not in places:
            yield ("district", "plants", line), f"no place '{place}'{nearest(place, places)}", "name a place of the district"
    lost = [line for line in design.lines if line not in plan.plants]
    if lost and PLANT not in places:
        yield ("district", "places"), f"no place '{PLANT}', where {', '.join(lost)} would stand", "add it, or name another in plants"


def _road_mistakes(plan: District) -> Iterator[Mistake]:
    seen: dict[Spot, str] = {}
    for name, spot in plan.places.items():
        if spot in seen:
            yield ("district", "places", name), f"stands where '{seen[spot]}' stands", "keep one of them"
        seen.setdefault(spot, name)
    for i, road in enumerate(plan.roads):
        strange = [end for end in dict.fromkeys(road.ends) if end not in plan.places]
        for end in strange:
            yield ("district", "roads", i, "ends"), f"no place '{end}'{nearest(end, plan.places)}", "name a place of the district"
        if road.ends[0] == road.ends[1]:
            yield ("district", "roads", i, "ends"), f"leads from '{road.ends[0]}' to itself", "name two places"
        elif not strange and road.length_km is not None:
            line_km = straight_km(*(plan.places[end] for end in road.ends))
            if road.length_km < line_km - ROUNDING_KM:
                yield (
                    ("district", "roads", i, "length_km"),
                    f"{road.length_km:g} km is shorter than the straight line of {line_km:.2f} km",
                    "give the length of the road, or leave it out",
                )


def _gaps(places: dict[str, Spot], roads: list[Road], plants: Iterable[str]) -> Iterator[Mistake]:
    """One mistake for each group of places that no road joins to the first plant."""
    neighbours: dict[str, list[str]] = {name: [] for name in places}
    for a, b in (road.ends for road in roads):
        if a in places and b in places:
            neighbours[a].append(b)
            neighbours[b].append(a)
    start = next((p for p in plants if p in places), next(iter(places)))
    reached: set[str] = set()
    for name in dict.fromkeys([start, *places]):
        if name in reached:
            continue
        group, pending = {name}, [name]
        while pending:
            new = set(neighbours[pending.pop()]) - group
            group |= new
            pending += new
        if reached:
            more = f" with {len(group) - 1} more" if len(group) > 1 else ""
            yield ("district", "places", name), f"no road leads there{more} from '{start}'", "add a road, or remove it"
        reached |= group
