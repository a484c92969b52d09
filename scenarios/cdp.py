"""The public Concrete Delivery Problem: its instances read, its schedules checked, its results in a table.

J. Kinable, T. Wauters, G. Vanden Berghe, The concrete delivery problem, Computers & Operations Research 48 (2014) 53-68. The instances
bear no licence and are not part of this project: give a folder that holds them. The rules as read here stand in `docs/cdp.md`.

The checker knows the rules only. It shares neither code nor arithmetic with `control.dispatch`, which makes the schedules.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from enum import StrEnum
from fnmatch import fnmatchcase
from math import isqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from control.dispatch import Plan, Problem
from twin.errors import BadInput, BatchtwinError

LARGEST = 1_000_000  # of any number in a file
MOST_TRIPS = 200  # to one customer
Point = tuple[int, int]


class Truck(NamedTuple):
    """A vehicle; it pours for `pour_min` at every visit, however full it is."""

    name: str
    capacity: int
    pour_min: int


class Customer(NamedTuple):
    """Who ordered how much, and between when all pours must lie."""

    name: str
    demand: int
    opens_min: int
    closes_min: int


class Instance(NamedTuple):
    """One file. Trucks start at `v0` at minute 0 and end at `v1` at any time; coordinates are in minutes of driving."""

    name: str
    max_lag_min: int
    trucks: list[Truck]
    customers: list[Customer]
    stations: list[str]
    places: dict[str, Point]


class Visit(NamedTuple):
    """A truck leaves a station at `load_min` and begins to pour at `pour_min`."""

    truck: str
    station: str
    customer: str
    load_min: int
    pour_min: int
    volume: int


# --- reading --------------------------------------------------------------------------------------------------


class _Lines:
    """The lines of a file up to the dashes, one after the other, and what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problem = error.strerror if isinstance(error, OSError) else "is no text in UTF-8"
            raise self.mistake(0, problem or "cannot be read") from None
        rows = [(n, line.split()) for n, line in enumerate(text.partition("-----")[0].splitlines(), 1)]
        self.rows = iter([(n, words) for n, words in rows if words])
        self.line = 0

    def mistake(self, line: int, problem: str, mend: str = "give an instance as published") -> BatchtwinError:
        where = f"{self.path}:{line}" if line else str(self.path)
        return BatchtwinError("E101", where=where, problem=problem, mend=mend)

    def next(self, wanted: str, words: int) -> list[str]:
        """The next line, which must have so many words."""
        self.line, found = next(self.rows, (0, []))
        if not self.line:
            raise self.mistake(0, f"ends before {wanted}")
        if len(found) != words:
            raise self.mistake(self.line, f"'{' '.join(found)[:40]}' is not {wanted}")
        return found

    def number(self, word: str, least: int) -> int:
        """A whole number from `least` up."""
        try:
            value = int(word)
        except ValueError:
            raise self.mistake(self.line, f"'{word[:20]}' is no whole number") from None
        if not least <= value <= LARGEST:
            raise self.mistake(self.line, f"{value} is out of range", f"give {least} to {LARGEST}")
        return value

    def headed(self, heading: str, least: int = 0) -> int:
        """The number behind a heading."""
        found = self.next(f"'{heading}: NUMBER'", 2)
        if found[0] != f"{heading}:":
            raise self.mistake(self.line, f"'{found[0][:40]}' stands where '{heading}:' should")
        return self.number(found[1], least)

    def new(self, name: str, names: set[str]) -> str:
        """A name not given before."""
        if name in names:
            raise self.mistake(self.line, f"'{name[:20]}' is there twice")
        names.add(name)
        return name


def read_instance(path: Path) -> Instance:
    """Read an instance in the published text format.

    Raises:
        BatchtwinError: E101, one line that names file and line.
    """
    lines = _Lines(path)
    names: set[str] = set()
    lag = lines.headed("MaxTimeLag")
    trucks, customers, stations, places = [], [], [], {}
    for _ in range(lines.headed("Vehicles", 1)):
        name, capacity, pour = lines.next("a vehicle: name, capacity, service time", 3)
        trucks.append(Truck(lines.new(name, names), lines.number(capacity, 1), lines.number(pour, 1)))
    smallest = min(t.capacity for t in trucks)
    for _ in range(lines.headed("Customers", 1)):
        name, demand, opens, closes = lines.next("a customer: name, demand, window start, window end", 4)
        customer = Customer(lines.new(name, names), lines.number(demand, 1), lines.number(opens, 0), lines.number(closes, 0))
        if customer.closes_min < customer.opens_min:
            raise lines.mistake(lines.line, f"the window of {name} ends before it starts", "swap the two")
        if customer.demand > MOST_TRIPS * smallest:
            raise lines.mistake(lines.line, f"{name} needs more than {MOST_TRIPS} trips", "order less")
        customers.append(customer)
    for _ in range(lines.headed("Stations", 1)):
        stations.append(lines.new(lines.next("a station: name", 1)[0], names))
    wanted = {"v0", "v1", *stations, *(c.name for c in customers)}
    for _ in range(lines.headed("Locations", 1)):
        name, x, y = lines.next("a location: name, x, y", 3)
        if name not in wanted or name in places:
            raise lines.mistake(lines.line, f"'{name[:20]}' is no place of this instance, or is there twice")
        places[name] = (lines.number(x, -LARGEST), lines.number(y, -LARGEST))
    if missing := wanted - set(places):
        raise lines.mistake(0, f"says not where {sorted(missing)[0]} lies")
    return Instance(path.stem, lag, trucks, customers, stations, places)


def read_folder(folder: Path, only: str = "*") -> list[Instance]:
    """All `*.rmc` files of a folder whose name without ending matches a pattern, by name.

    Raises:
        BatchtwinError: E101 when there are none; BadInput with a line for each file that is broken.
    """
    if not folder.is_dir():
        raise BatchtwinError("E101", where=str(folder), problem="is no folder", mend="give the folder that holds the instances (*.rmc)")
    paths = sorted(path for path in folder.glob("*.rmc") if fnmatchcase(path.stem, only))
    if not paths:
        raise BatchtwinError("E101", where=str(folder), problem=f"holds no instance {only}.rmc", mend="give another folder or --only")
    instances, mistakes = [], []
    for path in paths:
        try:
            instances.append(read_instance(path))
        except BatchtwinError as error:
            mistakes.append(error)
    if mistakes:
        raise BadInput(mistakes)
    return instances


class Known(NamedTuple):
    """What is known of an instance: least upper bound and best value in public results."""

    upper_bound: int
    best: int


def read_known(folder: Path) -> dict[str, Known]:
    """`best_known.csv` of a folder by instance; empty when there is none.

    Raises:
        BatchtwinError: E101 when it is there and cannot be used.
    """
    path = folder / "best_known.csv"
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["instance"]: Known(_least_bound(row), int(row["best_known"])) for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        problem = f"cannot be used ({type(error).__name__}: {str(error)[:60]})"
        raise BatchtwinError("E101", where=str(path), problem=problem, mend="columns instance, ub_…, best_known; or remove it") from None


def _least_bound(row: dict[str, str]) -> int:
    return min(int(value) for column, value in row.items() if column.startswith("ub_"))


# --- to the dispatcher and back -------------------------------------------------------------------------------


def problem(instance: Instance) -> Problem:
    """The instance as arrays for `control.dispatch`."""
    sites, trucks = [c.name for c in instance.customers], instance.trucks

    def column(rows: list[Truck] | list[Customer], field: str) -> NDArray[np.int64]:
        return np.array([getattr(row, field) for row in rows], np.int64)

    def ways(start: list[str], end: list[str]) -> NDArray[np.int64]:
        a, b = (np.array([instance.places[n] for n in names], np.int64) for names in (start, end))
        return np.ceil(np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))).astype(np.int64)

    return Problem(
        capacity=column(trucks, "capacity"),
        pour_min=column(trucks, "pour_min"),
        free_from_min=np.zeros(len(trucks), np.int64),
        place_to_station_min=ways(["v0"] * len(trucks), instance.stations),
        station_to_site_min=ways(instance.stations, sites),
        site_to_station_min=ways(sites, instance.stations),
        demand=column(instance.customers, "demand"),
        opens_min=column(instance.customers, "opens_min"),
        closes_min=column(instance.customers, "closes_min"),
        max_lag_min=np.full(len(sites), instance.max_lag_min, np.int64),
    )


def visits(instance: Instance, plan: Plan) -> list[Visit]:
    """A plan in the names of the instance."""
    rows = zip(*(column.tolist() for column in plan), strict=True)
    return [Visit(instance.trucks[k].name, instance.stations[s], instance.customers[c].name, *rest) for k, s, c, *rest in rows]


# --- checking -------------------------------------------------------------------------------------------------


class Rule(StrEnum):
    """The rules a schedule can break."""

    known = "known"  # only trucks, stations and customers of the instance
    load = "load"  # more than nothing, at most the capacity
    demand = "demand"  # a customer gets exactly what was ordered, or nothing
    opens = "opens"  # no pour starts before the window
    closes = "closes"  # no pour ends after the window
    overlap = "overlap"  # one truck at a time at a customer
    lag = "lag"  # the next pour starts soon enough after the last one ended
    empty_way = "empty way"  # from depot or customer to the station in time for the load
    loaded_way = "loaded way"  # from the station to the customer in time for the pour


class Violation(NamedTuple):
    """A rule broken, by whom, and how."""

    rule: Rule
    who: str
    text: str


def minutes(a: Point, b: Point) -> int:
    """Driving time: the straight way, rounded up to a whole minute, in exact arithmetic."""
    square = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
    return isqrt(square - 1) + 1 if square else 0


def check(instance: Instance, schedule: list[Visit]) -> list[Violation]:
    """Every rule that a schedule breaks; empty when it is feasible.

    A comparison with a time that is not a number counts as broken.
    """
    trucks, customers = {t.name: t for t in instance.trucks}, {c.name: c for c in instance.customers}
    found: list[Violation] = []
    known: list[Visit] = []
    for visit in schedule:
        if visit.truck in trucks and visit.customer in customers and visit.station in instance.stations:
            known.append(visit)
        else:
            found.append(Violation(Rule.known, visit.truck, f"{visit.truck}, {visit.station} or {visit.customer} is unknown"))
    by_truck, by_customer = defaultdict(list), defaultdict(list)
    for visit in sorted(known, key=lambda v: v.pour_min):
        by_truck[visit.truck].append(visit)
        by_customer[visit.customer].append(visit)
    for name, served in by_customer.items():
        found += _at_customer(customers[name], instance.max_lag_min, served, trucks)
    for name, driven in by_truck.items():
        found += _on_the_road(trucks[name], instance.places, driven)
    return found


def _at_customer(customer: Customer, lag_min: int, served: list[Visit], trucks: dict[str, Truck]) -> list[Violation]:
    found = []

    def require(holds: bool, rule: Rule, text: str) -> None:
        if not holds:
            found.append(Violation(rule, customer.name, text))

    total = sum(v.volume for v in served)
    require(total == customer.demand, Rule.demand, f"gets {total} of {customer.demand}")
    ended = None
    for visit in served:
        truck = trucks[visit.truck]
        end = visit.pour_min + truck.pour_min
        require(0 < visit.volume <= truck.capacity, Rule.load, f"{visit.volume} on {truck.name}, which carries {truck.capacity}")
        require(visit.pour_min >= customer.opens_min, Rule.opens, f"pour at {visit.pour_min}, window from {customer.opens_min}")
        require(end <= customer.closes_min, Rule.closes, f"pour until {end}, window to {customer.closes_min}")
        if ended is not None:
            require(visit.pour_min >= ended, Rule.overlap, f"pour at {visit.pour_min}, the one before until {ended}")
            require(visit.pour_min - ended <= lag_min, Rule.lag, f"pour at {visit.pour_min}, the one before ended {ended}")
        ended = end
    return found


def _on_the_road(truck: Truck, places: dict[str, Point], driven: list[Visit]) -> list[Violation]:
    found = []
    here, free = places["v0"], 0
    for visit in driven:
        station, site = places[visit.station], places[visit.customer]
        there = free + minutes(here, station)
        if not visit.load_min >= there:
            found.append(Violation(Rule.empty_way, truck.name, f"loads at {visit.load_min} at {visit.station}, can be there at {there}"))
        there = visit.load_min + minutes(station, site)
        if not visit.pour_min >= there:
            found.append(Violation(Rule.loaded_way, truck.name, f"pours at {visit.pour_min} at {visit.customer}, can be there at {there}"))
        here, free = site, visit.pour_min + truck.pour_min
    return found


def delivered(instance: Instance, schedule: list[Visit]) -> int:
    """The score: demand of the customers that are served, if the schedule is feasible."""
    served = {visit.customer for visit in schedule}
    return sum(c.demand for c in instance.customers if c.name in served)


# --- results --------------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """Outcome of one instance; the gap is the share of the best known value that is missing, negative when ours is better."""

    instance: str
    demand: int
    delivered: int
    best_known: int | None
    upper_bound: int | None
    gap_percent: float | None
    violations: int
    seed: int
    steps: int
    seconds: float


class Summary(NamedTuple):
    """Outcome of a folder. Means are over the instances of which a best value is known."""

    instances: int
    infeasible: int
    better: int
    equal: int
    worse: int
    mean_gap_percent: float | None
    mean_shortfall_percent: float | None


def result(
    instance: Instance, schedule: list[Visit], broken: list[Violation], known: Known | None, seed: int, steps: int, seconds: float
) -> Result:
    """A row of the table."""
    ours = delivered(instance, schedule)
    best, bound = (known.best, known.upper_bound) if known else (None, None)
    gap = 100 * (best - ours) / best if best else None
    total = sum(c.demand for c in instance.customers)
    return Result(instance.name, total, ours, best, bound, gap, len(broken), seed, steps, seconds)


def summary(results: list[Result]) -> Summary:
    """How the instances came out together; a shortfall counts better ones as equal."""
    gaps = [r.gap_percent for r in results if r.gap_percent is not None]
    infeasible = sum(r.violations > 0 for r in results)
    better, worse = sum(g < 0 for g in gaps), sum(g > 0 for g in gaps)
    mean = float(np.mean(gaps)) if gaps else None
    short = float(np.mean(np.maximum(gaps, 0))) if gaps else None
    return Summary(len(results), infeasible, better, len(gaps) - better - worse, worse, mean, short)
