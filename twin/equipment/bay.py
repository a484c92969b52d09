"""Loading bay: where a truck stands under the discharge hopper, and the order that is loaded into it."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.part import Fault, Site
from twin.jit import njit
from twin.tags import Equipment, sensor, setpoint, status

# --- what state it has --------------------------------------------------------------------------------

# `load` is the link that concrete takes now: into the truck that stands here, or to the ground; `accepted` when
# a load was, until the office has heard of it, and `heed` how many ticks later it must at the latest: -1 for at some time;
# `stands` when the truck `comes` will stand here and take from `into`, 0 when none is on its way.
DTYPE = np.dtype(
    [
        ("tag", "i8"),
        ("line", "i8"),
        ("motor", "i8"),
        ("load", "i8"),
        ("ground", "i8"),
        ("present", "f8"),
        ("truck", "f8"),
        ("accepted", "i8"),
        ("heed", "i8"),
        ("stands", "i8"),
        ("comes", "i8"),
        ("into", "i8"),
        ("light", "f8"),
    ]
)

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    sensor("TruckPresent", "a truck stands under the hopper", "车辆到位"),
    sensor("Truck", "number of that truck", "车号", "count", 0, 1e6),
    setpoint("Order", "number of the load ordered", "装车任务号", "count", 0, 1e9, writer="dispatch"),
    setpoint("ForTruck", "truck that the load is for", "装车任务车号", "count", 0, 1e6, writer="dispatch"),
    setpoint("Volume", "volume of the load", "装车方量", "m³", 0, 20, 0.001, writer="dispatch"),
    setpoint("MixTime", "mixing time after the last charge", "搅拌时间", "s", 0, 600, 0.1, writer="dispatch"),
    setpoint(
        "SlurryMax", "most slurry water per m³ that the recipe allows", "配方允许浆水最大用量", "kg/m³", 0, 500, 0.1, writer="dispatch"
    ),
    status("Accepted", "number of the last load accepted", "已接受任务号", "count", 0, 1e9),
    status("Done", "number of the last load finished", "已完成任务号", "count", 0, 1e9),
    status("Batches", "batches of the load under way", "任务盘数", "count", 0, 100),
)
TRUCK_PRESENT, TRUCK, ORDER, FOR_TRUCK, VOLUME, MIX_TIME, SLURRY_MAX, ACCEPTED, DONE, BATCHES = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (Fault("truck-light-lost", "light", 0, 1, 1, "-", ("TruckPresent",), "the truck is not detected", "车辆检测失效"),)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, line: int, name: str, hopper_holder: int, materials: list[str]) -> Equipment:
    """Put the bay in place; its order has one dry mass per m³ for each material of the line."""
    recipe = tuple(
        setpoint(f"Recipe.{m}", f"{m}, dry mass per m³ ordered", f"{m} 每方用量", "kg/m³", 0, 2500, 0.01, writer="dispatch")
        for m in materials
    )
    machine = site.table.add(name, "bay", TAGS + recipe, values={"MixTime": 30.0})
    ground = site.ledger.link(hopper_holder, site.ledger.holder("ground"))
    site.place("bay", name, tag=machine.first, line=line, motor=site.motor(f"{name}.Truck", 0.0, "truck"), load=ground, ground=ground)
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def come(b: Any, p: Any) -> None:
    """The truck that drives in stands under the hopper when it is time."""
    if b.stands > 0 and p.site[0].tick >= b.stands:
        b.load, b.truck, b.present, b.stands = b.into, b.comes, 1.0, 0


@njit
def sense(b: Any, p: Any) -> None:
    """Light barrier and truck number."""
    p.io[b.tag + TRUCK_PRESENT] = 1.0 if b.present > 0.5 and b.light < 0.5 else 0.0
    p.io[b.tag + TRUCK] = b.truck
