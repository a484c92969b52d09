"""Truck wash: the automatic bay at the gate that washes wheels and bodies of leaving trucks, and the dirt they bring."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy
from pydantic import Field

from twin.clock import ticks
from twin.engine import Server
from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import at, njit
from twin.ledger import FINES, WATER, book, move, total_kg
from twin.tags import Equipment, actuator, sensor

if TYPE_CHECKING:
    from twin.design.schema import Design
    from twin.engine import Engine

# --- what it is ---------------------------------------------------------------------------------------


class TruckWash(Part):
    """Washing bay with its water: recycled first, mains when the basin is empty."""

    source: str = Field(description="basin that it draws from")
    drains_to: str = Field(description="basin that its water runs to")
    wash_s: float = figure(45.0, "s", "drive through; engineering choice", recalled=True, gt=0, le=1200)
    water_kg: float = figure(180.0, "kg", "a wheel and body wash; engineering choice", recalled=True, ge=0, le=5000)
    cleans: float = figure(0.92, "-", "share of the dirt that it takes off; engineering choice", recalled=True, ge=0, le=1)
    power_kw: float = figure(15.0, "kW", "pumps", recalled=True, gt=0, le=200)


NAME = "Water.TruckWash"
DRIVING = "Site.Road.Trucks"  # the motor that stands for trucks on the move
SITE_M_S = 15.0 / 3.6  # the usual limit on a site (engineering choice)

# --- what state it has --------------------------------------------------------------------------------

# `dirt` is the holder of what sticks to all trucks; it lies on the yard, goes with the wash water or out of the gate.
DTYPE = np.dtype(
    [
        ("tag", "i8"), ("source", "i8"), ("fresh", "i8"), ("reused", "i8"), ("drain", "i8"), ("holder", "i8"), ("motor", "i8"), ("washing", "f8"), ("queue", "f8"), ("washed", "f8"), ("nozzles", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    actuator("Run", "wash bay in service", "洗车台投用"),
    sensor("Washing", "a truck is washed", "洗车中"),
    sensor("Queue", "trucks waiting", "排队车辆", "count", 0, 500),
    sensor("Washed", "trucks washed", "已洗车辆", "count", 0, 1e7),
)
RUN, WASHING, QUEUE, WASHED = range(len(TAGS))

RESERVE_KG = 1000.0  # left in the basin: below it the mains is taken

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (Fault("nozzles-blocked", "nozzles", 0, 1, 0.8, "of cleaning lost", ("Washing",), "the nozzles are blocked", "喷嘴堵塞"),)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, cfg: TruckWash, source: str, drains_to: str) -> Equipment:
    """Put the wash bay in place between two basins' holders."""
    name, ledger = NAME, site.ledger
    h = ledger.holder
    ledger.link(h("Trucks.Dirt"), h(name))
    machine = site.table.add(name, "truck_wash", TAGS, feeds=drains_to, source=source)
    site.place(
        "truck_wash", name, tag=machine.first, source=h(source), fresh=ledger.link(h("mains"), h(name)), reused=ledger.link(h(source), h(name)),
        drain=ledger.link(h(name), h(drains_to)), holder=h(name), motor=site.motor(name, cfg.power_kw),
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


class Gate:
    """What happens to a truck's wheels, be it a mixer truck or a delivery: they bring dirt, lose some of it on the yard, are washed and leave.

    Each passage is half of the way on the site: it is heard, and raises dust from the road.

    Attributes:
        dirt_kg: brought by each truck from a site; rain makes it more.
    """

    DROPPED = 0.3  # of the dirt falls off on the yard (engineering choice)
    WET = 2.0  # times as much mud on a rainy day (engineering choice)

    def __init__(self, engine: Engine, design: Design) -> None:
        self.engine, self.dirt_kg = engine, design.fleet.dirt_kg
        plant, yard = engine.plant, design.water.roadway
        self.record = plant.record(NAME) if design.water.truck_wash else None
        self.cfg = design.water.truck_wash
        if self.record is not None:  # whole numbers once and for all: reading a record costs a microsecond
            self._run = int(self.record["tag"]) + RUN
        yards = {design.district.plant(line) for line in design.lines}
        self._bays, self._until = Server(len(yards)), 0  # one at each plant, and the tick at which the last of them is free again
        self._way_m, self._driving = 0.5 * design.site.dust.road_m, [m.name for m in plant.motors].index(DRIVING)
        self._come, self._go = plant.link("site", "Trucks.Dirt"), plant.link("Trucks.Dirt", "site")
        self._drop = plant.link("Trucks.Dirt", f"Water.Surface.{yard}") if yard else -1
        self._rinse = plant.link("Trucks.Dirt", NAME) if self.record is not None else -1

    def comes(self) -> float:
        """A truck comes in. Returns the dirt that still sticks to it, kg."""
        return float(
            come(self.engine.plant.handle, self._driving, self._way_m, self._come, self._drop, self.dirt_kg, self.WET, self.DROPPED)
        )

    def goes(self, dirt_kg: float) -> Generator[simpy.Event, Any, bool]:
        """SimPy process: a truck leaves, through the wash if that is in service. Returns whether it was washed."""
        plant, w = self.engine.plant, self.record
        washed = w is not None and self.cfg is not None and plant.io[self._run] > 0.5
        if washed:
            assert w is not None and self.cfg is not None
            env = self.engine.env
            begins, ends = self._bays.take(int(env.now), ticks(self.cfg.wash_s))
            self._until = max(self._until, ends)
            if begins > env.now:
                w["queue"] += 1
                yield self.engine.away(begins - int(env.now))
                w["queue"] -= 1
            w["washing"] = 1.0
            yield self.engine.away(ticks(self.cfg.wash_s))
            w["washing"] = 1.0 if self._until > env.now else 0.0
            dirt_kg -= float(
                rinse(plant.handle, self._rinse, dirt_kg, self.cfg.water_kg, self.cfg.cleans, self.cfg.wash_s, self.cfg.power_kw)
            )
        leave(plant.handle, self._driving, self._way_m, self._go, dirt_kg)
        return washed


# These are called from Python at every passage: they take the handle of the plant's `State`.


@njit
def passes(p: Any, motor: int, way_m: float) -> None:
    """A truck drives half of the way on the site."""
    p.site[0].driven_m += way_m
    p.motors[motor, 0] += way_m / SITE_M_S


@njit
def come(state: Any, motor: int, way_m: float, link: int, drop: int, dirt_kg: float, wet: float, dropped: float) -> float:
    """A truck comes in with dirt along a link, and drops a share of it along another, if that is not -1. Returns what still sticks to it, kg."""
    p = at(state, "State")
    passes(p, motor, way_m)
    kg = dirt_kg * wet if p.site[0].rain_mm_h > 0.1 else dirt_kg
    book(p.ledger, link, FINES, kg)
    if drop >= 0:
        book(p.ledger, drop, FINES, dropped * kg)
        kg *= 1.0 - dropped
    return kg


@njit
def leave(state: Any, motor: int, way_m: float, link: int, dirt_kg: float) -> None:
    """A truck goes out of the gate with what dirt it still has."""
    p = at(state, "State")
    passes(p, motor, way_m)
    book(p.ledger, link, FINES, dirt_kg)


@njit
def rinse(state: Any, dirt: int, dirt_kg: float, water_kg: float, cleans: float, wash_s: float, power_kw: float) -> float:
    """One wash: recycled water as far as there is some, mains for the rest, and the dirt goes along. Returns the dirt that came off, kg."""
    p = at(state, "State")
    w = p.washes[0]
    off_kg = dirt_kg * cleans * (1.0 - min(w.nozzles, 1.0))
    used = move(p.ledger, w.reused, min(water_kg, max(total_kg(p.ledger, w.source) - RESERVE_KG, 0.0)))
    book(p.ledger, w.fresh, WATER, max(water_kg - used, 0.0))
    book(p.ledger, dirt, FINES, off_kg)
    move(p.ledger, w.drain, 1e9)
    w.washed += 1.0
    p.motors[w.motor, 0] += wash_s
    p.motors[w.motor, 1] += power_kw * wash_s
    return off_kg


@njit
def sense(w: Any, p: Any) -> None:
    """Washing, queue, count."""
    p.io[w.tag + WASHING] = w.washing
    p.io[w.tag + QUEUE] = w.queue
    p.io[w.tag + WASHED] = w.washed
