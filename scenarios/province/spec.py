"""The specification of a province: cities, kinds of plants, how orders find a plant, and policies to try."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from scenarios.province.surrogate import Surrogate
from twin.design.load import find, parse, read_yaml
from twin.design.schema import Mistake, Title
from twin.equipment.part import Part, figure
from twin.errors import nearest

PACKAGE = "scenarios.province.packaged"
FITTED = Path(__file__).with_name("classes.yaml")
MOST_PLANTS = 5000
Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]
Km = Annotated[float, Field(ge=-2000, le=2000)]
Yuan = Annotated[float, Field(ge=0, le=10_000)]


class Kind(Part):
    """A kind of plant: what it can do (`like`, a fitted class), its label, what it asks for."""

    title: Title
    like: str = Field(description="fitted class, by the design that it was fitted to")
    rated_m3_h: float = Field(gt=0, le=2000, description="of the lines' makers")
    stars: int = Field(ge=0, le=3, description="green production label, as awarded")
    benchmark: bool = False
    price_yuan_m3: Yuan
    spread: float = figure(0.02, "-", "of prices between plants; engineering choice", recalled=True, ge=0, le=0.5)


class City(Part):
    """A city with its sites and plants around it."""

    title: Title
    at_km: tuple[Km, Km] = Field(description="east and north of the map's origin")
    radius_km: float = Field(gt=0, le=200, description="half of all sites and plants lie within 1.2 of it")
    demand_m3: float = Field(ge=0, le=1e9, description="a year")
    plants: dict[str, int] = Field(default_factory=dict, description="how many of each kind, placed by the seed")


class Plant(Part):
    """A plant that is known: where it stands, whose it is."""

    name: str = Field(min_length=1, max_length=60)
    city: str
    kind: str
    at_km: tuple[Km, Km]
    enterprise: str = Field("", max_length=60)
    price_yuan_m3: Yuan | None = None


class Step(Part):
    """One thing that a policy does, to the plants that it names."""

    do: Literal["close", "upgrade", "merge"]
    kinds: list[str] = Field(default_factory=list, description="all when left out")
    cities: list[str] = Field(default_factory=list, description="all when left out")
    below_stars: int | None = Field(None, ge=1, le=3, description="only plants with fewer stars")
    share: float = Field(1.0, gt=0, le=1, description="of those in each city, the smallest and cheapest first; rounded up")
    to: str = Field("", description="kind that they become; for upgrade and merge")
    of: int = Field(2, ge=2, le=10, description="plants that become one; for merge")


class Province(Part):
    """A year of many plants."""

    name: Key
    title: Title
    synthetic: bool = Field(True, description="no figure of it is a real place's; false when you have put in your own")
    starts: date = date(2025, 1, 1)
    days: int = Field(365, ge=1, le=400)
    seed: int = Field(1, ge=0, le=2**31 - 1)
    kinds: dict[Key, Kind] = Field(min_length=1)
    cities: dict[Key, City] = Field(min_length=1)
    plants: list[Plant] = Field(default_factory=list)
    policies: dict[Key, list[Step]] = Field(default_factory=dict)
    plants_per_enterprise: float = figure(1.6, "-", "mean, of plants placed by the seed; engineering choice", recalled=True, ge=1, le=100)
    nominal_hours: float = figure(
        2400.0, "h", "of a year at the rated output make the capacity; 8 h on 300 days, engineering choice", recalled=True, gt=0, le=8760
    )
    order_m3: float = figure(60.0, "m3", "mean order; engineering choice", recalled=True, ge=6, le=200)
    site_m3: float = figure(40_000.0, "m3", "a site takes in a year; engineering choice", recalled=True, gt=0, le=1e7)
    season: float = figure(0.2, "-", "swing about the mean, least in mid-January; engineering choice", recalled=True, ge=0, le=0.9)
    sunday_share: float = figure(0.6, "-", "of a weekday's volume; engineering choice", recalled=True, ge=0, le=1)
    scatter: float = figure(0.15, "-", "day to day, log-normal; engineering choice", recalled=True, ge=0, le=1)
    detour: float = figure(1.35, "-", "road over the straight line; engineering choice", recalled=True, ge=1, le=3)
    speed_km_h: float = figure(35.0, "km/h", "of a loaded truck, mean; engineering choice", recalled=True, gt=0, le=120)
    reach_min: float = figure(
        45.0,
        "min",
        "longest drive: 90 min from water to discharge less loading and pouring; engineering choice",
        recalled=True,
        gt=0,
        le=240,
    )
    haul_yuan_m3_km: float = figure(3.0, "yuan/m3/km", "engineering choice", recalled=True, ge=0, le=100)
    accept: float = figure(
        0.6,
        "-",
        "a plant takes orders until its day is so full, at most as the fitted ones; engineering choice",
        recalled=True,
        gt=0,
        le=0.75,
    )
    patience_days: int = figure(2, "d", "that a refused order is asked for again; engineering choice", recalled=True, ge=0, le=30)


@lru_cache(maxsize=1)
def classes() -> dict[str, Surrogate]:
    """The fitted plant classes by the design that they were fitted to."""
    data = yaml.safe_load(FITTED.read_text(encoding="utf-8"))
    return {name: Surrogate.model_validate(fields) for name, fields in data.items()}


def mistakes(p: Province) -> Iterator[Mistake]:
    """What fits the schema and is still wrong."""
    for name, kind in p.kinds.items():
        if kind.like not in classes():
            yield ("kinds", name, "like"), f"no fitted class '{kind.like}'{nearest(kind.like, classes())}", f"choose {', '.join(classes())}"
    for name, city in p.cities.items():
        for kind_name, n in city.plants.items():
            if kind_name not in p.kinds:
                yield ("cities", name, "plants", kind_name), *_no_kind(p, kind_name)
            elif n < 0:
                yield ("cities", name, "plants", kind_name), f"{n} plants", "give 0 or more"
    seen: set[str] = set()
    for i, plant in enumerate(p.plants):
        if plant.kind not in p.kinds:
            yield ("plants", i, "kind"), *_no_kind(p, plant.kind)
        if plant.city not in p.cities:
            yield ("plants", i, "city"), *_no_city(p, plant.city)
        if plant.name in seen:
            yield ("plants", i, "name"), f"{plant.name} stands twice", "give each plant a name of its own"
        seen.add(plant.name)
    count = len(p.plants) + sum(n for c in p.cities.values() for n in c.plants.values())
    if not 1 <= count <= MOST_PLANTS:
        yield ("cities",), f"{count} plants", f"give 1 to {MOST_PLANTS}"
    demand = sum(c.demand_m3 for c in p.cities.values())
    if not 0 < demand * p.days / 365 / p.order_m3 <= 2e7:
        yield ("cities",), f"{demand:g} m³ of demand a year", "give more than 0, and at most 20 million orders"
    for name, steps in p.policies.items():
        for i, step in enumerate(steps):
            for field, known, say in (("kinds", p.kinds, _no_kind), ("cities", p.cities, _no_city)):
                for word in getattr(step, field):
                    if word not in known:
                        yield ("policies", name, i, field), *say(p, word)
            if step.do != "close" and step.to not in p.kinds:
                yield ("policies", name, i, "to"), *_no_kind(p, step.to)
            if step.do == "close" and step.to:
                yield ("policies", name, i, "to"), "closed plants become nothing", "leave it out, or upgrade them"


def _no_kind(p: Province, name: str) -> tuple[str, str]:
    return f"no kind '{name}'{nearest(name, p.kinds)}", f"choose {', '.join(p.kinds)}"


def _no_city(p: Province, name: str) -> tuple[str, str]:
    return f"no city '{name}'{nearest(name, p.cities)}", f"choose {', '.join(p.cities)}"


def load_province(name: str | Path) -> Province:
    """Read a specification, packaged (`model-province`) or from a YAML file.

    Raises:
        BatchtwinError: unknown name, unreadable file, or the list of its mistakes.

    Example:
        >>> load_province("model-province").synthetic
        True
    """
    path = find(name, PACKAGE, "province")
    data, node = read_yaml(path, "province")
    return parse(path, "province", Province, data, node, mistakes)


def as_info(p: Province) -> dict[str, Any]:
    """The specification as `run.json` keeps it."""
    return p.model_dump(mode="json")
