"""Words of the pages for the codes of multi-state tags, in both languages."""

from __future__ import annotations

STATES = {
    # station
    "manual": "手动", "semi-automatic": "半自动", "automatic": "自动", "stopped": "停止", "starting": "启动中", "ready": "就绪", "running": "运行",
    "held": "暂停", "aborting": "中止中", "safe": "安全状态",
    # weigher
    "idle": "空闲", "tare": "去皮", "coarse": "粗称", "fine": "精称", "settling": "稳定", "jog": "点动", "weighed": "已称", "discharging": "卸料",
    "emptying": "清空", "within": "合格", "re-dosed": "补料", "accepted": "已接受", "accepted-late": "超时接受",
    # mixer
    "waiting": "等待", "charging": "投料", "mixing": "搅拌", "mixed": "搅拌完成", "closing": "关门",
    # truck
    "parked": "停放", "driving to load": "前往装料", "queueing": "排队", "loading": "装料", "weighing out": "出站过磅", "unloading excess": "卸超载",
    "washing": "洗车", "driving out": "送料", "pouring": "浇筑", "driving back": "返回", "weighing in": "进站过磅", "washing out": "洗罐", "resting": "休息",
    "recharging": "充电", "off duty": "下班",
    # dispatch
    "none": "无", "taken": "已接受", "no such order": "无此任务", "no such truck": "无此车辆", "truck not free": "车辆占用", "no such line": "无此生产线",
    "volume out of range": "方量超限", "more than is left": "超过剩余方量", "battery too low": "电量不足", "driver off duty": "司机下班",
    # session
    "paused": "暂停", "stepping": "步进", "ended": "已结束", "failed": "失败",
}  # fmt: skip

# What the scripts say.
SCRIPT = {
    "lost": ("Connection lost – trying again. What you see is old.", "连接中断，正在重连。当前画面为旧数据。"),
    "back": ("Connected again.", "已重新连接。"),
    "you": ("You drive", "您在操作"),
    "nobody": ("Nobody drives", "无人操作"),
    "drives": ("{name} drives; you watch", "{name} 正在操作；您在观看"),
    "asks": ("{name} asks for control", "{name} 申请控制权"),
    "give": ("Hand over", "移交"),
    "ask": ("Ask for control", "申请控制权"),
    "asked": ("Asked; wait for the driver", "已申请，请等待移交"),
    "release": ("Release control", "释放控制权"),
    "acknowledge": ("Acknowledge", "确认"),
    "left": ("about {s} s to go", "约剩 {s} 秒"),
    "played": ("{done} of {runs} runs played", "已完成 {done}/{runs} 次运行"),
    "no_alarms": ("No alarms", "无报警"),
    "active": ("active", "存在"),
    "gone": ("gone", "已消除"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "behind": ("behind real time", "落后于实时"),
    "no_answer": ("The server does not answer; nothing was changed.", "服务器无响应，未作任何更改。"),
    "none_yet": ("nothing recorded yet", "暂无记录"),
    "no_faults": ("No faults", "无故障"),
    "end": ("End", "解除"),
    "done": ("Done", "已完成"),
    "choose": ("choose", "选择"),
    "points": ("{points} of {most} points", "{points} / {most} 分"),
    "auto": ("Auto", "自动"),
    "on": ("On", "开"),
    "off": ("Off", "关"),
    "ended": ("The run has ended.", "运行已结束。"),
    "failed": ("The run cannot go on: ", "运行无法继续："),
    "orders_none": ("no open order", "无未完成任务"),
    "remove": ("Remove", "移除"),
    "as_it_is": ("as it is", "不作变更"),
    "change_fault": ("fault", "故障"),
    "change_rain": ("rain mm/h", "降雨 mm/h"),
    "change_order": ("order", "订单"),
    "change_write": ("write", "写入"),
    "change_dispatch": ("dispatch", "调度"),
    "change_controller": ("controller", "控制器"),
    "branch_waiting": ("waiting", "等待"),
    "branch_complete": ("complete", "完成"),
    "branch_failed": ("failed", "失败"),
    "branch_cut": ("stopped", "已停止"),
}  # fmt: skip

# Categories and rules of the score.
RULES = {
    "safety": ("Safety", "安全"), "quality": ("Quality", "质量"), "discharge": ("Discharge and dust", "外排与粉尘"), "time": ("Time", "时间"),
    "alarms": ("Alarms handled", "报警处置"),
    "spilled": ("Concrete on the ground", "洒落"), "started-into-danger": ("Starts into danger", "带险启动"), "overpressure": ("Silo pressure", "筒仓超压"),
    "tolerance": ("Weighings", "计量"), "off-recipe": ("Water–binder ratio", "水胶比"), "mixed": ("Mixing", "匀质性"),
    "water-off-site": ("Zero discharge", "零外排"), "stacks": ("Dust from bags and silos", "除尘器与筒仓排尘"), "fence": ("Dust at the fence", "厂界粉尘"),
    "volume": ("Concrete made", "产量"), "standstill": ("Standstill", "停机"), "acknowledged": ("Acknowledged in time", "及时确认"),
}  # fmt: skip
