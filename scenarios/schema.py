"""The scenario: what is asked of a plant — start, orders, weather, faults — written in YAML."""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scenarios import climate
from scenarios.durations import Duration
from scenarios.order_file import Fits, read_orders
from scenarios.orders import Demand, Order
from twin.clock import TICKS_PER_S
from twin.design.load import find, load_design, parse, read_yaml
from twin.design.schema import Design, Mistake, Title
from twin.equipment.part import Part, figure
from twin.errors import BadInput, BatchtwinError, nearest
from twin.roadmap import Map

if TYPE_CHECKING:
    from twin.plant import Plant

Dispatch = Literal["nearest", "deadline", "jit", "plan", "none"]


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
    orders_file: Path | None = Field(None, description="orders as CSV, beside the scenario's file")
    demand: Demand | None = None
    dispatch: Dispatch = Field("jit", description="rule that sends trucks; none leaves it to whoever writes the desk's tags")
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


def fitting(scenario: Scenario, design: Design, grades: Container[str] | None = None) -> Fits:
    """What is wrong with an order for this plant and this scenario: a function from an order to field, problem and mend, or None.

    Args:
        grades: that can be ordered, when they are not the design's.
    """
    known = [r.grade for r in design.recipes]
    roads = Map(design.district) if any(o.at is not None for o in scenario.orders) or scenario.orders_file else None
    end, rated = scenario.midnight_s + scenario.lasts, sum(line.rated_m3_h for line in design.lines.values())

    def fits(order: Order) -> tuple[str, str, str] | None:
        if order.grade not in (known if grades is None else grades):
            return "grade", f"{design.name} has no recipe {order.grade}{nearest(order.grade, known)}", f"choose {', '.join(known)}"
        if order.start < scenario.midnight_s:
            return "start", "lies in the past", f"the scenario starts at {scenario.starts:%H:%M}; give a later time"
        if order.start >= end:
            return "start", "lies after the end", "give an earlier time or let the scenario last longer"
        asked = design.fleet.capacity_m3 / order.every * 3600 if order.every else 0.0
        if asked > rated and order.volume_m3 > design.fleet.capacity_m3:
            return (
                "every",
                f"asks for {asked:.0f} m³/h, the plant makes {rated:.0f}",
                f"give {design.fleet.capacity_m3 / rated * 3600:.0f}s or more",
            )
        if order.at is not None and roads is not None:
            try:
                roads.place(order.at)
            except BatchtwinError as error:
                return "at", *_parts(error)
        return None

    return fits


def _parts(error: BatchtwinError) -> tuple[str, str]:
    """Problem and mend of an error."""
    return str(error.fields.get("problem", error)), str(error.fields.get("mend", "see 'batchtwin show'"))


def mistakes(scenario: Scenario, design: Design) -> Iterator[Mistake]:
    """What fits the schema and is still wrong for this design."""
    grades = [r.grade for r in design.recipes]
    if not scenario.orders and scenario.demand is None and scenario.orders_file is None:
        yield ("orders",), "nothing is ordered", "add orders or demand"
    fits = fitting(scenario, design)
    for i, order in enumerate(scenario.orders):
        wrong = fits(order)
        if wrong:
            yield ("orders", i, wrong[0]), *wrong[1:]
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


def fault_mistakes(scenario: Scenario, design: Design, plant: Plant | None = None) -> Iterator[Mistake]:
    """Faults and deliveries that name what this plant does not have.

    Args:
        plant: of the design, when it is at hand; it takes a while to be put up.
    """
    from twin.faults import resolve
    from twin.plant import Plant

    if not scenario.faults and not scenario.deliveries:
        return
    plant = plant or Plant(design)
    for i, f in enumerate(scenario.faults):
        try:
            resolve(plant, f.fault, f.target, f.severity)
        except BatchtwinError as error:
            yield ("faults", i), str(error), "see 'batchtwin list faults' and 'batchtwin list tags'"
    stores = [n for kind in ("silo", "aggregate_bin", "tank") for n in plant.names.get(kind, [])]
    for i, d in enumerate(scenario.deliveries):
        if d.store not in stores:
            yield ("deliveries", i, "store"), f"no store '{d.store}'{nearest(d.store, stores)}", "name a silo, bin or admixture tank"


def check(scenario: Scenario, design: Design, plant: Plant | None = None) -> None:
    """Check a scenario that was made in Python against a design.

    Args:
        plant: of the design, when it is at hand.

    Raises:
        BadInput: all mistakes, as `load_scenario` tells them of a file.
    """
    found = [*mistakes(scenario, design), *fault_mistakes(scenario, design, plant)]
    if found:
        raise BadInput([BatchtwinError("E101", where=".".join(map(str, place)), problem=p, mend=m) for place, p, m in found])


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
    if scenario.orders_file is not None:
        listed = read_orders(path.parent / scenario.orders_file, scenario.starts, fitting(scenario, plan))
        scenario = scenario.model_copy(update={"orders": [*scenario.orders, *listed], "orders_file": None})
    return scenario, plan
