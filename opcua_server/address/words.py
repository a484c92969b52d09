"""The words of tags and machines that clients are shown in Chinese: states of multi-state tags, parts of machines' names.

A state or a name that is not here is shown as it is. A test asks for every word that a packaged plant has.
"""

from __future__ import annotations

import re

from opcua_server.address.texts import Text

# States of multi-state tags, as `Tag.states` has them.
STATES = {
    "idle": "空闲", "tare": "去皮", "coarse": "粗称", "fine": "精称", "settling": "稳定", "jog": "点动", "weighed": "称毕", "discharging": "卸料",
    "held": "保持", "emptying": "排空", "within": "合格", "re-dosed": "已补称", "accepted": "已接受", "accepted-late": "迟后接受", "waiting": "等待",
    "charging": "投料", "mixing": "搅拌", "mixed": "搅拌完成", "closing": "关门", "manual": "手动", "semi-automatic": "半自动", "automatic": "自动",
    "stopped": "停止", "starting": "启动中", "ready": "就绪", "running": "运行", "aborting": "中止中", "safe": "安全",
    "parked": "停车", "driving to load": "驶往装车", "queueing": "排队", "loading": "装料", "weighing out": "出站过磅", "unloading excess": "卸载超量", "washing": "洗车",
    "driving out": "去程", "pouring": "卸料", "driving back": "回程", "weighing in": "进站过磅", "washing out": "洗罐", "resting": "休息", "recharging": "充电",
    "off duty": "下班", "none": "无", "taken": "已受理", "no such order": "无此任务", "no such truck": "无此车辆", "truck not free": "车辆未空闲",
    "no such line": "无此生产线", "volume out of range": "方量超范围", "more than is left": "超过剩余方量", "battery too low": "电量不足", "driver off duty": "驾驶员下班",
}  # fmt: skip

# Parts of machines' names, as they are written together: `SludgeToSlurry1`.
NAMES = {
    "Additions": "掺合料", "Admixture": "外加剂", "Bay": "装车位", "Belt": "皮带机", "Cement": "水泥", "Clear": "清水池", "Discharge": "卸料斗", "East": "东",
    "Filter": "除尘器", "Fly": "粉煤", "Ash": "灰", "Green": "绿地", "Line": "生产线", "Mixer": "搅拌机", "North": "北", "Press": "压滤机", "Rain": "雨水",
    "Road": "道路", "Roof": "屋面", "Sand": "砂", "Separator": "砂石分离机", "Settling": "沉淀池", "Slag": "矿粉", "Sludge": "污泥", "Slurry": "浆水",
    "Truck": "搅拌车", "Slot": "任务", "Weighbridge": "地磅", "Dispatch": "调度台", "South": "南", "Station": "控制站", "Stone": "石", "To": "至", "Waiting": "待料斗", "Water": "水", "Weather": "气象站",
    "West": "西", "Yard": "场地",
}  # fmt: skip
WHOLE = {"TruckWash": "洗车台"}  # where the words do not simply follow each other
PART = re.compile(r"[A-Z][a-z]+|\d+")


def state(name: str) -> Text:
    """A state in both languages."""
    return Text(name, STATES.get(name, name))


def machine(short: str) -> Text:
    """The last part of a machine's name in both languages; the name as it is where a word of it is not known."""
    parts = PART.findall(short)
    known = "".join(parts) == short and all(p in NAMES or p.isdigit() for p in parts)
    return Text(short, WHOLE.get(short) or ("".join(NAMES.get(p, p) for p in parts) if known else short))
