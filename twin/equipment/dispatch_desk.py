"""Dispatch desk: where whoever dispatches says which truck takes how much of which order from which line.

A decision is four setpoints and then a new `Number`; the desk answers by showing that number in `Taken`, and in `Answer` what
it made of it.
"""

from __future__ import annotations

import numpy as np

from twin.equipment.part import Site
from twin.tags import Equipment, sensor, setpoint

NAME = "Dispatch"

# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype([("tag", "i8")])

# --- what it shows ------------------------------------------------------------------------------------

ANSWERS = (
    "none", "taken", "no such order", "no such truck", "truck not free", "no such line", "volume out of range", "more than is left", "battery too low", "driver off duty",
)  # fmt: skip
(NONE, OK, NO_ORDER, NO_TRUCK, NOT_FREE, NO_LINE, BAD_VOLUME, TOO_MUCH, LOW_BATTERY, OFF_DUTY) = range(len(ANSWERS))

TAGS = (
    setpoint("Order", "order to serve", "派车任务单号", "count", 0, 1e9, writer="dispatch"),
    setpoint("Truck", "truck that goes", "派车车号", "count", 0, 1e6, writer="dispatch"),
    setpoint("Line", "line that loads, from 1", "生产线序号", "count", 0, 100, writer="dispatch"),
    setpoint("Volume", "volume of the load", "装载方量", "m³", 0, 20, 0.001, writer="dispatch"),
    setpoint("Number", "number of the decision; a new one makes it", "派车指令号", "count", 0, 1e9, writer="dispatch"),
    sensor("Taken", "number of the decision handled last", "已处理指令号", "count", 0, 1e9),
    sensor("Answer", "what became of it", "处理结果", states=ANSWERS),
    sensor("Changes", "counts whatever dispatch may want to look at", "状态变化计数", "count", 0, 1e9),
    sensor("OpenOrders", "orders with volume left, also those without a slot", "未完成任务单", "count", 0, 1e6),
)
ORDER, TRUCK, LINE, VOLUME, NUMBER, TAKEN, ANSWER, CHANGES, OPEN_ORDERS = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = ()


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, lines: list[str], places: dict[str, tuple[float, float]]) -> Equipment:
    """Put the desk in place; it shows the queue of each line and where the line stands on the map."""
    per_line = tuple(
        sensor(f"{what}.{line}", f"{en} {line}", f"{line} {zh}", unit, low, high, step)
        for line in lines
        for what, en, zh, unit, low, high, step in (
            ("Queue", "loads waiting or under way at", "排队与装料车次", "count", 0, 500, 1),
            ("X", "place, east, of", "位置（东）", "km", -500, 500, 0.001),
            ("Y", "place, north, of", "位置（北）", "km", -500, 500, 0.001),
        )
    )
    values = {f"{axis}.{line}": places[line][k] for line in lines for k, axis in enumerate("XY")}
    machine = site.table.add(NAME, "dispatch_desk", TAGS + per_line, values=values)
    site.place("dispatch_desk", NAME, tag=machine.first)
    return machine
