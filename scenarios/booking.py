"""From the orders of a scenario to the plant's order book."""

from __future__ import annotations

from functools import partial

from scenarios.orders import Order, generate, rain_by_day, truckloads
from scenarios.schema import Scenario
from scenarios.weather import Weather
from twin.clock import ticks
from twin.design.schema import Design
from twin.engine import Engine
from twin.orders import Job, OrderBook
from twin.roadmap import Map

SITES = 60  # building sites of drawn orders (engineering choice)


def every_order(scenario: Scenario, design: Design, seed: int, weather: Weather) -> list[Order]:
    """Written and drawn orders of a run, by the time they begin."""
    out = list(scenario.orders)
    if scenario.demand:
        spells = [(r.begins, r.ends, r.mm_h) for r in scenario.weather.rain]
        rain_mm = rain_by_day(weather.hours.rain_mm, scenario.starts.hour, spells)
        out += generate(scenario.demand, scenario.starts, scenario.lasts, seed, design.fleet.capacity_m3, SITES, rain_mm)
    return sorted(out, key=lambda order: order.start)


def planned_loads(scenario: Scenario, design: Design) -> list[tuple[Order, float]]:
    """What the orders of a scenario come to with its own seed: order and volume of each truckload, m³."""
    orders = every_order(scenario, design, scenario.seed, Weather(scenario, scenario.seed))
    return [(order, m3) for order in orders for m3 in truckloads(order, design.fleet.capacity_m3)]


def job(order: Order, scenario: Scenario, design: Design, map: Map) -> Job:
    """An order as the book takes it."""
    place = map.place(order.at) if order.at is not None else map.at_drive(map.plant(next(iter(design.lines))), order.drive, order.site)
    return Job(order.site, order.grade, order.volume_m3, scenario.tick(order.start), place, ticks(order.every), order.pour / design.fleet.capacity_m3,
               order.pump, ticks(order.late), ticks(order.gap or 0.0), order.priority)  # fmt: skip


def book_all(engine: Engine, book: OrderBook, scenario: Scenario, weather: Weather) -> None:
    """Enter all orders of a run, and let the plant be told of changes and cancellations when their time comes."""
    design = engine.plant.design
    orders = every_order(scenario, design, engine.seed, weather)
    jobs = [job(order, scenario, design, engine.plant.map) for order in orders]
    book.add(jobs)
    for order, entered in zip(orders, jobs, strict=True):
        for change in order.changes:
            start = None if change.start is None else scenario.tick(change.start)
            engine.at(scenario.tick(change.at), partial(book.change, entered.number, change.volume_m3, start))
        if order.cancelled is not None:
            engine.at(scenario.tick(order.cancelled), partial(book.cancel, entered.number))
