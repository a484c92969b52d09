"""The price of execution: a schedule of the Concrete Delivery Problem played through the plant, with loading, gate, traffic and drivers.

A published schedule knows ways of whole minutes and no loading. Here its stations become lines of a plant, its trucks a fleet, its
plane a map; what it planned is sent as planned, or planned anew as the day goes, and both are held against the plan.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from control.dispatch.planner import FixedPlan, PlanDispatcher, Trip
from control.dispatch.rules import RuleDispatcher
from scenarios.cdp import Instance, Visit
from scenarios.orders import Order
from scenarios.run import open_run
from scenarios.schema import Scenario, Weather
from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.design.schema import Design
from twin.tags import TagTable

LARGEST_M3 = 7.0  # what the largest truck carries; with it a 4-axle truck stays within 31 t
ARTERIAL_KM_H, BUSY = 40.0, 0.76  # an empty main road, and the mean share of it from 8 to 17 h (`twin.design.district`)
KM_MIN = ARTERIAL_KM_H * BUSY / 60.0  # so that a minute of the instance is a minute's drive on an average hour
OPENS_H = 8
AFTER_MIN = 180  # the day goes on so long after the last window
MIN_S = 60.0


class Execution(NamedTuple):
    """A schedule and what came of it. Volumes in m³; `_in_time` is poured within the customer's window."""

    instance: str
    planned_m3: float
    played_m3: float
    played_in_time_m3: float
    played_breaks: int
    replanned_m3: float
    replanned_in_time_m3: float
    replanned_breaks: int


def as_plant(instance: Instance) -> Design:
    """A plant with a line at each station, all lines alike, and the instance's trucks on its own map."""
    lines = {station: f"Line{k + 1}" for k, station in enumerate(instance.stations)}
    base = with_lines(load_design("hzs180").model_dump(mode="json"), list(lines.values()))
    base["name"] = "cdp"
    unit_m3 = _unit_m3(instance)
    base["fleet"] |= {
        "trucks": len(instance.trucks), "capacity_m3": LARGEST_M3, "capacities_m3": [t.capacity * unit_m3 for t in instance.trucks],
        "pumps": len(instance.customers), "order_slots": min(len(instance.customers), 200), "returned_share": 0.0,
    }  # fmt: skip
    places = {name: instance.places[name] for name in (*instance.stations, *(c.name for c in instance.customers))}
    spots = {name: (x * KM_MIN + 1e-3 * k, y * KM_MIN) for k, (name, (x, y)) in enumerate(places.items())}  # no two at one spot
    ends = [(a, b) for a in instance.stations for b in places if a != b and (b not in instance.stations or a < b)]
    roads = [{"ends": pair, "kind": "arterial"} for pair in ends]
    base["district"] = {"places": spots, "roads": roads, "plants": {own: station for station, own in lines.items()}, "grid": None}
    return Design.model_validate(base)


def with_lines(design: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The data of a design of one line with several like it; each gets its own pumps from the water basins they share."""
    line, pumps = design["lines"]["Line1"], dict(design["water"]["pumps"])
    for name in [n for n, pump in pumps.items() if pump["to"].startswith("Line1.")]:
        pump = pumps.pop(name)
        pumps |= {name.replace("Line1", own): pump | {"to": pump["to"].replace("Line1", own)} for own in names}
    return design | {"lines": dict.fromkeys(names, line), "water": design["water"] | {"pumps": pumps}}


def as_day(instance: Instance, seed: int) -> Scenario:
    """The customers' orders on an ordinary Monday that begins at 8."""
    unit_m3, opens_s = _unit_m3(instance), OPENS_H * 3600.0
    pour_s = max(t.pour_min for t in instance.trucks) * MIN_S
    orders = [
        Order(site=c.name, grade="C30", volume_m3=c.demand * unit_m3, start=opens_s + c.opens_min * MIN_S, at=c.name, pour=max(pour_s, 60.0),
              late=max((c.closes_min - c.opens_min) * MIN_S - pour_s, 0.0), gap=instance.max_lag_min * MIN_S or None)
        for c in instance.customers
    ]  # fmt: skip
    lasts_s = (max(c.closes_min for c in instance.customers) + AFTER_MIN) * MIN_S
    return Scenario(name="cdp", title={"en": instance.name, "zh": instance.name}, design="cdp", starts=datetime(2026, 5, 11, OPENS_H), lasts=lasts_s, seed=seed, fidelity="batch",
                    orders=orders, weather=Weather(air_c=20, swing_c=0))  # type: ignore[call-arg]  # fmt: skip


def execute(instance: Instance, schedule: Sequence[Visit], seed: int = 1) -> Execution:
    """Play a schedule as it stands, and again with a plan made anew on events.

    Args:
        instance, schedule: what was asked, and a feasible answer.
        seed: of the day: traffic, drivers, plant.
    """
    unit_m3, design, day = _unit_m3(instance), as_plant(instance), as_day(instance, seed)
    planned_m3 = sum(v.volume for v in schedule) * unit_m3
    played, in_time, breaks = _play(instance, design, day, schedule)
    again, again_in_time, again_breaks = _play(instance, design, day, None)
    return Execution(instance.name, planned_m3, played, in_time, breaks, again, again_in_time, again_breaks)


def _play(instance: Instance, design: Design, day: Scenario, schedule: Sequence[Visit] | None) -> tuple[float, float, int]:
    """Volume poured, that within its window, and breaks of continuous pours."""

    def dispatch(table: TagTable) -> RuleDispatcher:
        return PlanDispatcher(table, serve_all=False) if schedule is None else FixedPlan(table, trips(instance, day, schedule))

    closes = {c.name: c.closes_min * MIN_S for c in instance.customers}
    with tempfile.TemporaryDirectory() as folder:
        with Simulation(day, design, dispatch=dispatch, out=Path(folder) / "run") as sim:
            sim.run()
        run = open_run(Path(folder) / "run")
        poured = run.sql('SELECT "order", volume_m3, poured_s FROM deliveries WHERE poured_s IS NOT NULL').to_pylist()
        breaks = run.sql("SELECT count(*) AS n FROM pours").to_pylist()[0]["n"]
    in_time = [t for t in poured if t["poured_s"] <= closes[t["order"]]]
    return _m3(poured), _m3(in_time), breaks


def trips(instance: Instance, day: Scenario, schedule: Sequence[Visit]) -> list[Trip]:
    """The schedule in numbers of the plant's own desk; each truck is sent so early that it should leave the gate in time."""
    numbers = {order.site: n for n, order in enumerate(sorted(day.orders, key=lambda o: o.start), 1)}
    trucks = {t.name: k for k, t in enumerate(instance.trucks, 1)}
    lines = {station: k for k, station in enumerate(instance.stations, 1)}
    unit_m3 = _unit_m3(instance)
    return [
        Trip(v.load_min * MIN_S, numbers[v.customer], trucks[v.truck], lines[v.station], v.volume * unit_m3)
        for v in sorted(schedule, key=lambda v: v.load_min)
    ]


def _unit_m3(instance: Instance) -> float:
    return LARGEST_M3 / max(t.capacity for t in instance.trucks)


def _m3(tickets: list[dict[str, Any]]) -> float:
    return float(sum(t["volume_m3"] for t in tickets))
