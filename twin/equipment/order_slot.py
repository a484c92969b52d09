"""Order slot: one open order as dispatch sees it; the order desk fills a slot when it is free."""

from __future__ import annotations

import numpy as np

from twin.equipment.part import Site
from twin.tags import Equipment, sensor

# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype([("tag", "i8")])

# --- what it shows ------------------------------------------------------------------------------------

# Times are seconds since the start of the run.
TAGS = (
    sensor("Id", "number of the order, 0 for an empty slot", "任务单号，0 为空", "count", 0, 1e9, kept=False),
    sensor("Grade", "number of the grade in the recipe book, from 1", "强度等级序号", "count", 0, 1000, kept=False),
    sensor("Left", "volume not yet given to a truck", "未派方量", "m³", 0, 1e5, 0.001, kept=False),
    sensor("OnWay", "volume given to trucks and not yet poured", "在途方量", "m³", 0, 1e5, 0.001, kept=False),
    sensor("Poured", "volume poured", "已浇方量", "m³", 0, 1e5, 0.001, kept=False),
    sensor("Due", "when the next load shall begin to pour", "下一车要求开始卸料时间", "s", -1e6, 4e7, 1, kept=False),
    sensor("Every", "wished interval between loads, 0 as fast as trucks come", "车次间隔", "s", 0, 1e6, 1, kept=False),
    sensor("Late", "how late a pour may begin", "允许迟到", "s", 0, 1e6, 1, kept=False),
    sensor(
        "Gap", "most time between two pours, 0 for any: beyond it is a cold joint", "最大浇筑间断，0 为不限", "s", 0, 1e6, 1, kept=False
    ),
    sensor("Pour", "time to pour a cubic metre", "每方卸料时间", "s", 0, 1e5, 0.1, kept=False),
    sensor("X", "place of the site, east", "工地位置（东）", "km", -500, 500, 0.001, kept=False),
    sensor("Y", "place of the site, north", "工地位置（北）", "km", -500, 500, 0.001, kept=False),
    sensor("Priority", "9 is most urgent", "优先级，9 最急", "count", 0, 9, kept=False),
    sensor("Pump", "poured by a pump truck", "泵送", kept=False),
    sensor("Waiting", "trucks waiting on the site", "现场等候车辆", "count", 0, 500, kept=False),
    sensor("Coming", "trucks on their way to the site or being loaded for it", "在途与装料车辆", "count", 0, 500, kept=False),
    sensor("LastEnd", "when the last pour ended, 0 for none yet", "上一车卸完时间", "s", 0, 4e7, 1, kept=False),
)
(ID, GRADE, LEFT, ON_WAY, POURED, DUE, EVERY, LATE, GAP, POUR, X, Y, PRIORITY, PUMP, WAITING, COMING, LAST_END) = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = ()


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, number: int, lines: list[str]) -> Equipment:
    """Put a slot in place; it has one driving time for each line."""
    name = f"Orders.Slot{number}"
    drives = tuple(
        sensor(f"Drive.{line}", f"drive from {line} to the site now", f"{line} 至工地车程", "s", 0, 1e5, 1, kept=False) for line in lines
    )
    machine = site.table.add(name, "order_slot", TAGS + drives)
    site.place("order_slot", name, tag=machine.first)
    return machine
