"""What can be done to the plant beside writing tags: time, faults, orders, recipes, recording, verdict."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from asyncua import ua

from opcua_server.access.roles import Right
from opcua_server.address.attributes import moment
from opcua_server.address.board import BOOLEAN, DOUBLE, UINT32, filetime
from opcua_server.address.methods import Methods
from opcua_server.address.nodes import LIST, Argument, Nodes, here
from opcua_server.address.texts import Text
from opcua_server.protocol.sessions import Session
from scenarios.session import Session as LiveRun
from twin.clock import TICKS_PER_S
from twin.design.load import parse_fields
from twin.design.schema import Recipe
from twin.errors import BatchtwinError
from twin.plant import KINDS, faults

INT32, UINT64, STRING, DATETIME = 6, 9, 12, 13
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
Verdict = Any


def _given(value: float) -> float | None:
    return None if value != value else value


def _fields(text: str | None, kind: str) -> dict[str, Any]:
    """The fields that a client sent as JSON."""
    try:
        fields = json.loads(text or "")
    except ValueError as error:
        raise BatchtwinError("E101", where=kind, problem=f"is no JSON ({error})", mend=f"give the fields of a {kind} as JSON") from None
    if not isinstance(fields, dict):
        raise BatchtwinError(
            "E101", where=kind, problem=f"is a {type(fields).__name__}", mend=f"give the fields of a {kind} as a JSON object"
        )
    return fields


def _in(name: str, type_: int, en: str, zh: str) -> Argument:
    return Argument(name, type_, Text(en, zh))


class PlantMethods:
    """The objects `Time`, `Faults` and `Run`.

    Args:
        live: the live run.
        runs: folder in which recordings may be begun.
        changed: called when another run has begun.
        verdict: gives the verdict on a run folder for a case, as JSON text.
    """

    def __init__(self, nodes: Nodes, methods: Methods, live: LiveRun, runs: Path, scenario: Any, verdict: Any) -> None:
        self.nodes, self.methods, self.live, self.runs = nodes, methods, live, runs
        self._scenario, self._verdict = scenario, verdict
        self._time()
        self._faults()
        self._run()

    def _object(self, name: str, text: Text) -> ua.NodeId:
        return self.nodes.object(name, here("Plant"), text)

    def _show(self, name: str, text: Text, type_: int, value: Any, rank: int = -1) -> None:
        self.nodes.variable(name, here(name.split(".")[0]), text, type_, [] if rank == LIST else None, rank=rank, computed=value)

    # --- time -----------------------------------------------------------------------------------------

    def _time(self) -> None:
        live = self.live
        lock = live.lockstep
        self._object("Time", Text("Time", "时间"))
        self._show("Time.State", Text("paused, running, stepping, ended or failed", "时间状态"), STRING, lambda _: live.state)
        self._show("Time.Speed", Text("times real time, max, or lockstep", "速度"), STRING, lambda _: live.speed_text)
        self._show("Time.Scan", Text("number of the scan that comes next", "下一扫描号"), UINT64, lambda _: live.scan)
        self._show("Time.Elapsed", Text("simulated time since the start, s", "仿真时间（秒）"), DOUBLE, lambda _: live.tick / TICKS_PER_S)
        self._show("Time.Simulated", Text("simulated calendar time", "仿真日历时间"), DATETIME, lambda _: moment(filetime(live.clock)))
        self._show("Time.Epoch", Text("count of resets", "复位次数"), UINT32, lambda _: live.epoch)
        self._show("Time.Late", Text("lateness of the last scan, ms", "上一扫描的延迟（毫秒）"), DOUBLE, lambda _: live.late_ms)
        self._show("Time.Overruns", Text("times that real time was lost", "超时次数"), UINT32, lambda _: live.overruns)
        self._show(
            "Time.Controllers",
            Text("controllers in lock-step", "同步控制器"),
            STRING,
            lambda _: [p.name for p in lock.partners.values()],
            LIST,
        )
        self._show("Time.Awaited", Text("controllers that time waits for", "正在等待的控制器"), STRING, lambda _: lock.awaited, LIST)
        self._show("Time.Lost", Text("controller that was dropped last, and why", "上一个失联控制器及原因"), STRING, lambda _: lock.lost)
        self._show("Time.Trouble", Text("why the run failed", "运行失败原因"), STRING, lambda _: live.trouble)
        add = self.methods.add
        scan = (Argument("Scan", UINT64, Text("the scan that comes next", "下一扫描号")),)
        handle = _in("Controller", UINT32, "handle from Join", "Join 返回的编号")
        add("Time.Start", Text("let time go", "启动"), Right.TIME, lambda s: live.start())
        add("Time.Pause", Text("let time stand", "暂停"), Right.TIME, lambda s: live.pause())
        add("Time.Step", Text("play some scans of 100 ms and pause", "单步"), Right.LOCKSTEP, lambda s, n: live.step(n),
            (_in("Scans", UINT32, "number of scans", "扫描次数"),), scan)  # fmt: skip
        add("Time.RunUntil", Text("let time go until a simulated time and pause", "运行至"), Right.TIME, lambda s, t: live.run_until(t),
            (_in("Seconds", DOUBLE, "since the start, s", "自开始起的秒数"),))  # fmt: skip
        add("Time.SetSpeed", Text("times real time, max, or lockstep", "设置速度"), Right.TIME, lambda s, v: live.set_speed(v or ""),
            (_in("Speed", STRING, "1, 10, 0.5 …, max, lockstep", "1、10、0.5…、max、lockstep"),))  # fmt: skip
        add("Time.Reset", Text("begin anew, with another scenario or seed", "复位"), Right.TIME, self._reset,
            (_in("Scenario", STRING, "name; empty for the same", "场景名，空为不变"), _in("Seed", INT32, "-1 for the scenario's", "种子，-1 为场景自带")))  # fmt: skip
        add("Time.Join", Text("announce a controller", "控制器登记"), Right.LOCKSTEP, self._join,
            (_in("Name", STRING, "for people", "名称"), _in("Period", UINT32, "in scans of 100 ms", "周期（扫描数）")),
            (Argument("Controller", UINT32, Text("handle", "编号")), *scan))  # fmt: skip
        ready = Argument("Ready", BOOLEAN, Text("it has come; if not, call again", "已到达；否则再次调用"))
        add("Time.Next", Text("outputs are written; wait for the next scan, 2 s at most", "输出已写入，等待下一扫描（最多 2 秒）"), Right.LOCKSTEP, self._next,
            (handle,), (*scan, Argument("Epoch", UINT32, Text("count of resets", "复位次数")), ready))  # fmt: skip
        add("Time.Leave", Text("a controller goes", "控制器注销"), Right.LOCKSTEP, self._leave, (handle,))

    def _reset(self, session: Session, scenario: str | None, seed: int) -> None:
        if seed < -1:
            raise BatchtwinError("E401", problem=f"seed {seed}", mend="give 0 or more, or -1 for the scenario's own")
        self.live.reset(self._scenario(scenario or ""), None if seed < 0 else seed)

    def _join(self, session: Session, name: str | None, period: int) -> tuple[int, int]:
        partner = self.live.lockstep.join(name or "", period, session)
        session.controllers.add(partner.number)
        return partner.number, self.live.scan

    async def _next(self, session: Session, number: int) -> tuple[int, int, bool]:
        scan, ready = await self.live.lockstep.next(number, session)
        return scan, self.live.epoch, ready

    def _leave(self, session: Session, number: int) -> None:
        self.live.lockstep.leave(number, session)
        session.controllers.discard(number)

    # --- faults ---------------------------------------------------------------------------------------

    def _faults(self) -> None:
        self._object("Faults", Text("Faults", "故障"))
        catalogue = [{"fault": f.name, "machine": kind, "low": f.low, "high": f.high, "default": f.default, "unit": f.unit, "en": f.en, "zh": f.zh}
                     for entries in faults().values() for kind, f in entries]  # fmt: skip
        self._show(
            "Faults.Catalogue",
            Text("what can fail, as JSON", "故障目录（JSON）"),
            STRING,
            lambda _: json.dumps(catalogue, ensure_ascii=False),
        )
        self.nodes.variable("Faults.Active", here("Faults"), Text("faults that are on", "当前故障"), STRING, [], rank=LIST)
        self.nodes.values[here("Faults.Active")] = self._active
        which = _in("Fault", STRING, "name of the catalogue", "故障名"), _in("Target", STRING, "machine", "设备")
        self.methods.add("Faults.Inject", Text("let a machine fail", "注入故障"), Right.FAULTS, self._inject,
                         (*which, _in("Severity", DOUBLE, "NaN for the default", "严重程度，NaN 为默认"), _in("Onset", DOUBLE, "s until it is full", "发展时间（秒）"),
                          _in("Duration", DOUBLE, "s; 0 until cleared", "持续时间（秒），0 为直到清除")))  # fmt: skip
        self.methods.add(
            "Faults.Clear", Text("end a fault", "清除故障"), Right.FAULTS, lambda s, f, t: self.live.sim.clear(f or "", t or ""), which
        )

    def _inject(self, session: Session, fault: str | None, target: str | None, severity: float, onset_s: float, duration_s: float) -> None:
        for what, value in (("Onset", onset_s), ("Duration", duration_s)):
            if not 0 <= value <= 400 * 86400:
                raise BatchtwinError("E401", problem=f"{what} {value:g} s is out of range", mend="give 0 to 400 days")
        self.live.sim.inject(fault or "", target or "", None if severity != severity else severity, onset_s, duration_s or None)

    def _active(self, session: Session | None) -> ua.DataValue:
        """Faults that are on; only whoever may inject them may know."""
        if session is None or not session.may(Right.FAULTS):
            return ua.DataValue(ua.Variant(), ua.StatusCode(ua.StatusCodes.BadUserAccessDenied))
        plant = self.live.sim.plant
        on = [f"{f.name} {e.name}" for e in plant.table.equipment for f in KINDS[e.kind][0].FAULTS if plant.record(e.name)[f.field] != 0]
        return ua.DataValue(ua.Variant(on, ua.VariantType.String, is_array=True))

    # --- the run --------------------------------------------------------------------------------------

    def _run(self) -> None:
        live = self.live
        self._object("Run", Text("Run", "运行"))
        self._show("Run.Scenario", Text("scenario", "场景"), STRING, lambda _: live.sim.scenario.name)
        self._show("Run.Design", Text("design of the plant", "设计"), STRING, lambda _: live.sim.design.name)
        self._show("Run.Seed", Text("seed", "随机种子"), INT32, lambda _: live.sim.seed)
        self._show("Run.Recording", Text("is it recorded", "是否记录"), BOOLEAN, lambda _: live.sim.writer is not None)
        self._show(
            "Run.Folder", Text("folder of the record", "记录文件夹"), STRING, lambda _: str(live.sim.writer.path) if live.sim.writer else ""
        )
        self._show(
            "Run.LastError",
            Text("why your last call or write was refused", "上次操作被拒绝的原因"),
            STRING,
            lambda s: s.last_error if s else "",
        )
        self._show(
            "Run.Orders",
            Text("open orders, as JSON", "未完成任务单（JSON）"),
            STRING,
            lambda _: json.dumps(live.sim.orders, ensure_ascii=False),
        )
        self._show("Run.Dispatch", Text("rule that sends the trucks, or outside", "派车规则或外部"), STRING, lambda _: live.sim.dispatch)
        add = self.methods.add
        add("Run.PlaceOrder", Text("order concrete", "下达任务"), Right.ORDERS,
            lambda s, grade, volume, site: live.sim.place_order(grade or "", volume, (site or "order")[:64]),
            (_in("Grade", STRING, "recipe", "配合比"), _in("Volume", DOUBLE, "m³", "方量"), _in("Site", STRING, "for people", "工地")),
            (Argument("Loads", UINT32, Text("truckloads", "车次")),))  # fmt: skip
        add("Run.BookOrder", Text("order concrete with all its wishes, as JSON", "下达任务（JSON）"), Right.ORDERS, self._order,
            (_in("Order", STRING, "fields as in a scenario", "字段同场景文件"),), (Argument("Loads", UINT32, Text("truckloads", "车次")),))  # fmt: skip
        add("Run.ChangeOrder", Text("more, less, or at another time", "变更任务"), Right.ORDERS,
            lambda s, n, m3, start_s: live.sim.change_order(n, _given(m3), _given(start_s)),
            (_in("Number", UINT32, "of an open order", "任务单号"), _in("Volume", DOUBLE, "m³ in all; NaN leaves it", "总方量，NaN 为不变"),
             _in("Start", DOUBLE, "first pour, s from the first midnight; NaN leaves it", "首车时间（自首日零点起的秒数），NaN 为不变")))  # fmt: skip
        add("Run.CancelOrder", Text("no more is wanted", "取消任务"), Right.ORDERS, lambda s, n: live.sim.cancel_order(n),
            (_in("Number", UINT32, "of an open order", "任务单号"),))  # fmt: skip
        add("Run.LoadRecipe", Text("bring a recipe, as JSON", "载入配合比"), Right.ORDERS, self._recipe,
            (_in("Recipe", STRING, "fields as in a design file", "字段同设计文件"),))  # fmt: skip
        add("Run.AcknowledgeAlarm", Text("an alarm has been seen", "确认报警"), Right.ACKNOWLEDGE,
            lambda s, tag, comment: live.alarms.acknowledge(tag or "", s.who, comment or ""),
            (_in("Tag", STRING, "alarm tag", "报警标签"), _in("Comment", STRING, "remark", "备注")))  # fmt: skip
        add("Run.StartRecording", Text("keep a record from now on", "开始记录"), Right.RECORD, self._record, (_in("Name", STRING, "of its folder", "文件夹名"),),
            (Argument("Folder", STRING, Text("where it is", "位置")),))  # fmt: skip
        add("Run.Verdict", Text("judge the run as recorded", "评定"), Right.VERDICT, self._judge, (_in("Case", STRING, "acceptance case; empty for the run's own", "验收用例，空为当前"),),
            (Argument("Verdict", STRING, Text("as JSON", "JSON 结果")),))  # fmt: skip

    def _recipe(self, session: Session, text: str | None) -> None:
        self.live.sim.load_recipe(parse_fields("recipe", Recipe, _fields(text, "recipe")))

    def _order(self, session: Session, text: str | None) -> int:
        fields: dict[str, Any] = {"grade": "", "volume_m3": 0.0, "site": "order"} | _fields(text, "order")
        return self.live.sim.place_order(**fields)

    def _record(self, session: Session, name: str | None) -> str:
        if not RUN_NAME.fullmatch(name or ""):
            raise BatchtwinError("E401", problem="a recording of that name", mend="use letters, digits, dot, dash and underscore")
        folder = self.runs / str(name)
        self.live.record(folder)
        return str(folder)

    async def _judge(self, session: Session, case: str | None) -> str:
        sim = self.live.sim
        if sim.writer is None:
            raise BatchtwinError("E305", what="Verdict", state="not recorded", mend="call StartRecording before the run")
        if session.may(Right.TIME):
            self.live.pause()
        elif self.live.state in ("running", "stepping"):  # whose the time is not, does not stop it
            raise BatchtwinError(
                "E305", what="Verdict", state=self.live.state, mend="wait for the end of the run, or let an instructor pause it"
            )
        if self.live.state not in ("ended", "failed"):
            sim.flush()
        verdict = await asyncio.get_running_loop().run_in_executor(None, self._verdict, sim.writer.path, case or sim.scenario.name)
        return str(verdict)
