"""The scenario: what is asked of a plant — start, orders, weather, faults — written in YAML."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from scenarios import climate
from twin.clock import TICKS_PER_S
from twin.design.load import find, load_design, parse, read_yaml
from twin.design.schema import Design, Mistake, Title
from twin.equipment.part import Part, figure
from twin.equipment.truck import Load
from twin.errors import BadInput, BatchtwinError, nearest

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: object) -> float:
    """A duration such as `90s`, `10min`, `1.5h`, `365d`, or a time of day `07:30` since midnight, in seconds.

    Example:
        >>> seconds("1.5h"), seconds("07:30")
        (5400.0, 27000.0)
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    word = str(text).strip()
    if ":" in word:
        hours, _, minutes = word.partition(":")
        if hours.isdigit() and minutes.isdigit() and int(minutes) < 60:
            return int(hours) * 3600.0 + int(minutes) * 60.0
    for unit in sorted(UNITS, key=len, reverse=True):
        number = word.removesuffix(unit).strip()
        if word.endswith(unit) and number.replace(".", "", 1).isdigit():
            return float(number) * UNITS[unit]
    raise ValueError("not a time; write 90s, 10min, 1.5h, 2d or a time of day such as 07:30")


Duration = Annotated[float, BeforeValidator(seconds)]


class Order(Part):
    """Concrete for one site. Times of day count from midnight of the first day."""

    site: str
    grade: str
    volume_m3: float = Field(gt=0, le=100000)
    start: Duration
    every: Duration = Field(0.0, ge=0, description="interval between loads; 0 for as fast as trucks come")
    drive: Duration = figure(1500.0, "s", "one way, mean; engineering choice", recalled=True, ge=60, le=20000)
    pour: Duration = figure(900.0, "s", "mean; engineering choice", recalled=True, ge=60, le=20000)


class Demand(Part):
    """Orders drawn at random up to a daily volume, for weeks and years.

    Working days run from `opens` to `closes`; the volume of a day varies with the season, Sundays and chance.
    """

    annual_m3: float = Field(gt=0, le=5_000_000)
    opens: Duration = 6 * 3600.0
    closes: Duration = 22 * 3600.0
    grades: dict[str, float] = Field(min_length=1, description="share of each grade")
    sunday_share: float = figure(0.6, "-", "engineering choice", recalled=True, ge=0, le=1)
    season: float = figure(0.2, "-", "swing about the mean, least at the turn of the year; engineering choice", recalled=True, ge=0, le=0.9)
    scatter: float = figure(0.15, "-", "day to day; engineering choice", recalled=True, ge=0, le=1)
    drive: Duration = figure(1500.0, "s", "one way, mean; engineering choice", recalled=True, ge=60, le=20000)
    pour: Duration = figure(900.0, "s", "mean; engineering choice", recalled=True, ge=60, le=20000)


class Rain(Part):
    """A spell of rain, from the start of the run's first midnight."""

    begins: Duration
    ends: Duration
    mm_h: float = Field(gt=0, le=300)


class Weather(Part):
    """Drawn from a place's climate, read from a typical-year file, or a daily wave; spells of rain come on top of any."""

    climate: str | None = Field(None, description="wuhan, yichang or xiangyang: a year drawn from monthly normals")
    file: Path | None = Field(None, description="EPW or TMY3 file of the user's own place")
    wind_m_s: float = figure(2.0, "m/s", "of the wave; mean of Hubei's towns", recalled=True, ge=0, le=60)
    wind_from_deg: float = figure(45.0, "°", "of the wave; north-east prevails in Wuhan", recalled=True, ge=0, le=360)
    cloud: float = figure(0.5, "-", "of the wave", recalled=True, ge=0, le=1)
    humidity: float = figure(0.75, "-", "of the wave; mean of Wuhan", recalled=True, ge=0.05, le=1)
    air_c: float = Field(20.0, ge=-30, le=50)
    swing_c: float = Field(6.0, ge=0, le=25)
    season_c: float = Field(0.0, ge=0, le=25, description="yearly swing")
    rain: list[Rain] = Field(default_factory=list)


class FaultPlan(Part):
    """One fault of the catalogue, when and for how long."""

    fault: str
    target: str
    at: Duration
    severity: float | None = None
    onset: Duration = Field(0.0, ge=0)
    lasts: Duration | None = Field(None, ge=0)


class Delivery(Part):
    """An extra delivery that arrives at a fixed time, whatever the stock."""

    store: str
    at: Duration


class Scenario(Part):
    """A day, a storm or a year."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: Title
    design: str = "hzs180"
    starts: datetime = Field(description="wall-calendar time of tick 0")
    lasts: Duration = Field(gt=0, le=400 * 86400)
    seed: int = Field(1, ge=0, le=2**31 - 1)
    fidelity: Literal["scan", "batch"] = "scan"
    record_s: float = Field(0.0, ge=0, le=3600, description="interval of the tags table; 0 takes 1 s in scan and 60 s in batch")
    orders: list[Order] = Field(default_factory=list)
    demand: Demand | None = None
    weather: Weather = Weather()
    faults: list[FaultPlan] = Field(default_factory=list)
    deliveries: list[Delivery] = Field(default_factory=list)

    @property
    def midnight_s(self) -> float:
        """Seconds of tick 0 after midnight."""
        return float(self.starts.hour * 3600 + self.starts.minute * 60 + self.starts.second)

    def tick(self, time_s: float) -> int:
        """Tick of a time counted from the first midnight."""
        return round((time_s - self.midnight_s) * TICKS_PER_S)


def mistakes(scenario: Scenario, design: Design) -> Iterator[Mistake]:
    """What fits the schema and is still wrong for this design."""
    grades = [r.grade for r in design.recipes]
    end = scenario.midnight_s + scenario.lasts
    if not scenario.orders and scenario.demand is None:
        yield ("orders",), "nothing is ordered", "add orders or demand"
    for i, order in enumerate(scenario.orders):
        if order.grade not in grades:
            yield (
                ("orders", i, "grade"),
                f"{design.name} has no recipe {order.grade}{nearest(order.grade, grades)}",
                f"choose {', '.join(grades)}",
            )
        if order.start < scenario.midnight_s:
            yield ("orders", i, "start"), "lies in the past", f"the scenario starts at {scenario.starts:%H:%M}; give a later time"
        elif order.start >= end:
            yield ("orders", i, "start"), "lies after the end", "give an earlier time or let the scenario last longer"
    for grade in scenario.demand.grades if scenario.demand else ():
        if grade not in grades:
            yield ("demand", "grades", grade), f"{design.name} has no recipe {grade}{nearest(grade, grades)}", f"choose {', '.join(grades)}"
    if scenario.demand:
        shares = scenario.demand.grades
        if min(shares.values()) < 0 or sum(shares.values()) <= 0:
            yield ("demand", "grades"), "shares are negative or all zero", "give each grade a share of 0 or more"
        if scenario.demand.closes <= scenario.demand.opens:
            yield ("demand", "closes"), "closes before it opens", "give a later time"
    for group, times in (("faults", [f.at for f in scenario.faults]), ("deliveries", [d.at for d in scenario.deliveries])):
        for i, at in enumerate(times):
            if at < scenario.midnight_s:
                yield (group, i, "at"), "lies in the past", f"the scenario starts at {scenario.starts:%H:%M}; give a later time"
    weather = scenario.weather
    if weather.climate and weather.file:
        yield ("weather", "file"), "climate and file are both given", "keep one of them"
    if weather.climate and weather.climate not in climate.places():
        yield (
            ("weather", "climate"),
            f"no climate '{weather.climate}'{nearest(weather.climate, climate.places())}",
            f"choose {', '.join(climate.places())}",
        )
    for i, rain in enumerate(scenario.weather.rain):
        if rain.ends <= rain.begins:
            yield ("weather", "rain", i, "ends"), "ends before it begins", "give a later end"


def fault_mistakes(scenario: Scenario, design: Design) -> Iterator[Mistake]:
    """Faults and deliveries that name what this plant does not have."""
    from twin.faults import resolve
    from twin.plant import Plant

    if not scenario.faults and not scenario.deliveries:
        return
    plant = Plant(design)
    for i, f in enumerate(scenario.faults):
        try:
            resolve(plant, f.fault, f.target, f.severity)
        except BatchtwinError as error:
            yield ("faults", i), str(error), "see 'batchtwin list faults' and 'batchtwin list tags'"
    stores = [n for kind in ("silo", "aggregate_bin", "tank") for n in plant.names.get(kind, [])]
    for i, d in enumerate(scenario.deliveries):
        if d.store not in stores:
            yield ("deliveries", i, "store"), f"no store '{d.store}'{nearest(d.store, stores)}", "name a silo, bin or admixture tank"


def check(scenario: Scenario, design: Design) -> None:
    """Check a scenario that was made in Python against a design.

    Raises:
        BadInput: all mistakes, as `load_scenario` tells them of a file.
    """
    found = [*mistakes(scenario, design), *fault_mistakes(scenario, design)]
    if found:
        raise BadInput([BatchtwinError("E101", where=".".join(map(str, place)), problem=p, mend=m) for place, p, m in found])


def loads(scenario: Scenario, design: Design) -> list[Load]:
    """All truckloads of the scenario, by the time they are due."""
    capacity = design.fleet.capacity_m3
    out: list[Load] = []
    for order in scenario.orders:
        count = int(np.ceil(order.volume_m3 / capacity - 1e-9))
        for k in range(count):
            volume = min(capacity, order.volume_m3 - k * capacity)
            out.append(Load(order.site, order.grade, volume, scenario.tick(order.start + k * order.every), order.drive, order.pour))
    if scenario.demand:
        out += _random_loads(scenario, scenario.demand, capacity)
    return sorted(out, key=lambda load: load.due_tick)


def _random_loads(scenario: Scenario, demand: Demand, capacity: float) -> list[Load]:
    """Loads of each day, spread evenly over its hours with chance, summing up to the annual volume on average."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([scenario.seed, 3])))
    days = int(np.ceil((scenario.midnight_s + scenario.lasts) / 86400))
    first: date = scenario.starts.date()
    grades, shares = list(demand.grades), np.array(list(demand.grades.values()), dtype=float)
    weights = []
    for d in range(days):
        day = first + timedelta(days=d)
        season = 1 - demand.season * np.cos(2 * np.pi * (day.timetuple().tm_yday - 15) / 365.25)
        weights.append(season * (demand.sunday_share if day.weekday() == 6 else 1.0) * max(1 + demand.scatter * rng.standard_normal(), 0.2))
    mean = (6 + demand.sunday_share) / 7
    out: list[Load] = []
    for d, weight in enumerate(weights):
        count = round(demand.annual_m3 / 365.25 / mean * weight / capacity)
        at = np.sort(rng.uniform(demand.opens, demand.closes, count)) + d * 86400
        kinds = rng.choice(len(grades), count, p=shares / shares.sum())
        drives = demand.drive * rng.uniform(0.5, 1.5, count)
        out += [
            Load(f"day {d + 1}", grades[g], capacity, scenario.tick(float(t)), float(s), demand.pour)
            for t, g, s in zip(at, kinds, drives, strict=True)
        ]
    return [load for load in out if 0 <= load.due_tick < scenario.lasts * TICKS_PER_S]


def load_scenario(name: str | Path, design: str | Path | Design | None = None) -> tuple[Scenario, Design]:
    """Read a scenario, packaged (`working-day`) or from a YAML file, and the design it is played on.

    Args:
        name: packaged name or path.
        design: another design than the scenario's own.

    Raises:
        BatchtwinError: unknown name, unreadable file, or the list of its mistakes.

    Example:
        >>> scenario, design = load_scenario("working-day")
        >>> scenario.name, design.name
        ('working-day', 'hzs180')
    """
    path = find(name, "scenarios.packaged", "scenario")
    data, node = read_yaml(path, "scenario")
    scenario = parse(path, "scenario", Scenario, data, node)
    if design is None:
        own = path.parent / scenario.design
        design = own if own.suffix in (".yaml", ".yml") and own.exists() else scenario.design
    plan = design if isinstance(design, Design) else load_design(design)
    parse(path, "scenario", Scenario, data, node, lambda s: [*mistakes(s, plan), *fault_mistakes(s, plan)])
    return scenario, plan
