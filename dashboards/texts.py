"""Words for the codes in a run's tables, in both languages."""

from __future__ import annotations

from functools import cache

from dashboards.pieces import Text, same

WORDS = {
    # fate of a run
    "complete": Text("complete", "完整"),
    "cut": Text("cut short", "中断"),
    "running": Text("running", "进行中"),
    "failed": Text("failed", "失败"),
    # fidelity
    "scan": Text("scan (10 ms physics, controller scan by scan)", "扫描级（10 ms 物理步长，逐扫描控制）"),
    "batch": Text("batch (compiled control, minute records)", "盘次级（编译控制，分钟记录）"),
    # disposition of a weighing
    "within": Text("within", "合格"),
    "re-dosed": Text("re-dosed", "补料"),
    "accepted": Text("accepted by the operator", "操作员接受"),
    "accepted-late": Text("accepted after time-out", "超时自动接受"),
    # cause of a deviation
    "in-flight": Text("in-flight mass", "落差量"),
    "scale drift or offset": Text("scale drift or offset", "秤漂移或零偏"),
    "wrong tare or noise": Text("wrong tare or noise", "去皮错误或噪声"),
    "faulty scale": Text("faulty scale", "秤故障"),
    "faulty feeder": Text("faulty feeder", "给料机故障"),
    # species
    "cement": Text("cement", "水泥"),
    "fly_ash": Text("fly ash", "粉煤灰"),
    "slag": Text("ground slag", "矿渣粉"),
    "sand": Text("sand", "砂"),
    "stone": Text("stone", "石"),
    "water": Text("water", "水"),
    "admixture": Text("admixture", "外加剂"),
    "opening stock": Text("opening stock", "期初库存"),
    # accounts and nodes of the ledger
    "suppliers": Text("suppliers", "供应商"),
    "mains": Text("water mains", "自来水"),
    "road": Text("road (dripped)", "道路（滴漏）"),
    "blocks": Text("blocks", "砌块"),
    "truck": Text("road, diesel", "公路柴油"),
    "battery": Text("road, battery", "公路电动"),
    "container": Text("container", "集装箱"),
    "rail": Text("rail", "铁路"),
    "overload": Text("overloaded", "超载"),
    "leak guard": Text("leak guard", "防漏罩"),
    "older than 90 min": Text("older than 90 min", "超过 90 min"),
    "speeding": Text("speeding", "超速"),
    "off the route": Text("off the route", "偏离路线"),
    "water added": Text("water added on the way", "途中加水"),
    "sent back to unload": Text("sent back to unload", "退回卸载"),
    "told to mend it": Text("told to mend it", "责令修复"),
    "told to the driver": Text("told to the driver", "告知驾驶员"),
    "told to the site": Text("told to the site", "告知工地"),
    "left over": Text("left over", "剩料"),
    "order cancelled": Text("order cancelled", "任务取消"),
    "in time": Text("in time", "准时"),
    "late, refused": Text("late, refused", "超时拒收"),
    "late, accepted after a test": Text("late, accepted after a test", "超时，检验后接收"),
    "too stiff, refused": Text("too stiff, refused", "坍落度不足拒收"),
    "separator": Text("separator", "砂石分离"),
    "quality manager": Text("quality manager", "质量负责人"),
    "gate clerk": Text("gate clerk", "门岗"),
    "prestressed": Text("prestressed", "预应力"),
    "reinforced": Text("reinforced", "钢筋混凝土"),
    "plain": Text("plain", "素混凝土"),
    "rain": Text("rain", "雨水"),
    "site": Text("building sites", "工地"),
    "air": Text("air (dust)", "大气（粉尘）"),
    "ground": Text("ground (spilled)", "地面（洒落）"),
    "discharge": Text("discharge off the site", "外排"),
    "soil": Text("soil (seeped away)", "土壤（下渗）"),
    "tip": Text("tip (carted away)", "外运处置"),
    "hydration": Text("hydrated in washing", "水化"),
    "fines": Text("fines (washed out)", "细粉（洗出）"),
    "weigh hoppers": Text("weigh hoppers", "计量斗"),
    "mixer": Text("mixer", "搅拌机"),
    "trucks": Text("mixer trucks", "搅拌车"),
    "water loop": Text("water loop", "水系统"),
    "washed back": Text("washed out", "洗出"),
    # kinds of event
    "alarm": Text("alarm", "报警"),
    "alarm-end": Text("alarm ends", "报警消除"),
    "fault": Text("fault injected", "注入故障"),
    "fault-end": Text("fault ends", "故障结束"),
    "operator": Text("operator", "操作员"),
    "command": Text("command", "外部指令"),
    "accepts the weighing": Text("accepts the weighing", "接受该次计量"),
    "starts the line again": Text("starts the line again", "重新启动生产线"),
}


def word(code: object) -> Text:
    """A code in both languages, as it stands when it is not in the list."""
    return WORDS.get(str(code), same(code))


@cache
def plant_words() -> dict[str | tuple[str, str], Text]:
    """Tags (by last part of the name and English text, as machines share names) and faults (by name), in the words of the machines' own files."""
    from twin.plant import KINDS

    words: dict[str | tuple[str, str], Text] = {}
    for module, _ in KINDS.values():
        words |= {(tag.name, tag.en): Text(tag.en, tag.zh) for tag in module.TAGS}
        words |= {fault.name: Text(f"{fault.name}: {fault.en}", f"{fault.name}：{fault.zh}") for fault in module.FAULTS}
    return words
