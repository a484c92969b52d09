"""Station: what stands between a line and its control room — supply, emergency stop, remote/local selector, watchdog.

The safe state is wired, not programmed: when the control room is lost, gates shut, the mixer keeps turning
and nothing is dumped; when the emergency stop is pressed, everything stops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.tags import Equipment, actuator, sensor, setpoint, status

# --- what it is ---------------------------------------------------------------------------------------


class Station(Part):
    """Electric station of one line."""

    watchdog_s: float = figure(2.0, "s", "heartbeat of the control room; engineering choice", recalled=True, gt=1, le=60)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("watchdog_s", "f8"), ("silent_s", "f8"), ("beat", "f8"), ("link_ok", "f8"), ("stopped", "f8"),
        ("gates", "f8"), ("belt", "f8"), ("run", "f8"), ("door", "f8"), ("supply", "f8"),
        ("estop", "f8"), ("local", "f8"), ("link_loss", "f8"), ("dip", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

MODES = ("manual", "semi-automatic", "automatic")
STATES = ("stopped", "starting", "ready", "running", "held", "aborting", "safe")

TAGS = (
    sensor("EStop", "emergency stop pressed", "急停按下", alarm=True, severity=900),
    sensor("Remote", "selector on remote", "选择开关在远程"),
    sensor("LinkOk", "control room's heartbeat is heard", "中控室心跳正常"),
    sensor("Supply", "supply voltage over nominal", "供电电压比", "-", 0, 1.5),
    actuator("Heartbeat", "heartbeat of the control room, changes at each scan", "中控室心跳", "count", 0, 1e9),
    actuator("Horn", "starting horn", "启动警铃"),
    setpoint("Mode", "operating mode", "运行模式", states=MODES),
    setpoint("Start", "start the line", "启动生产线"),
    setpoint("Stop", "stop the line after the batches under way", "停止生产线"),
    setpoint("Hold", "hold", "暂停"),
    setpoint("Abort", "abort the order", "中止任务"),
    setpoint("Confirm", "confirm: next step, or accept the deviation", "确认（下一步或接受偏差）"),
    setpoint("LocalRun", "local panel: run the mixer", "就地：搅拌机运行", writer="local"),
    setpoint("LocalDoor", "local panel: mixer door", "就地：卸料门开度", "%", 0, 100, writer="local"),
    status("State", "state of the line", "生产线状态", states=STATES),
    status("Safe", "the line is in its safe state", "生产线处于安全状态", alarm=True, severity=900),
    status("LinkLost", "control room was lost, safe state", "中控室失联，安全状态", alarm=True, severity=900),
    status("MotorFailure", "a motor does not answer", "电机未响应", alarm=True, severity=700),
    status("GateFailure", "a gate does not answer", "阀门未响应", alarm=True, severity=700),
)
(ESTOP, REMOTE, LINK_OK, SUPPLY, HEARTBEAT, HORN, MODE, START, STOP, HOLD, ABORT, CONFIRM, LOCAL_RUN, LOCAL_DOOR, STATE, SAFE,
 LINK_LOST, MOTOR_FAILURE, GATE_FAILURE) = range(len(TAGS))  # fmt: skip

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("emergency-stop", "estop", 0, 1, 1, "-", ("EStop",), "somebody presses the emergency stop", "按下急停"),
    Fault("local-selected", "local", 0, 1, 1, "-", ("Remote",), "somebody turns the selector to local", "选择开关转到就地"),
    Fault("control-link-lost", "link_loss", 0, 1, 1, "-", ("LinkOk",), "the link to the control room is cut", "中控室通信中断"),
    Fault("power-dip", "dip", 0, 1, 0.5, "of voltage lost", ("Supply",), "the supply voltage dips", "电压跌落"),
)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str, cfg: Station) -> Equipment:
    """Put the station of a line in place; one for each line, in line order."""
    machine = site.table.add(name, "station", TAGS, values={"Remote": 1.0, "LinkOk": 1.0, "Supply": 1.0, "Mode": 2.0})
    site.place("station", name, tag=machine.first, watchdog_s=cfg.watchdog_s, link_ok=1.0, supply=1.0, gates=1.0, belt=1.0)
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(s: Any, p: Any, run_tag: int, door_tag: int, dt_s: float) -> None:
    """Decide what the wiring lets through: gates, belt, and the mixer's run and door commands."""
    s.supply = 1.0 - min(max(s.dip, 0.0), 1.0)
    beat = p.io[s.tag + HEARTBEAT]
    if beat != s.beat and s.link_loss < 0.5:
        s.beat, s.silent_s = beat, 0.0
    else:
        s.silent_s += dt_s
    s.link_ok = 1.0 if s.silent_s <= s.watchdog_s and s.link_loss < 0.5 else 0.0
    s.stopped = s.estop
    s.gates = s.link_ok * (1.0 - s.stopped)
    s.belt = s.gates
    if s.stopped > 0.5:
        s.run, s.door = 0.0, 0.0
    elif s.local > 0.5:
        s.run, s.door = p.io[s.tag + LOCAL_RUN], p.io[s.tag + LOCAL_DOOR] * 0.01
    elif s.link_ok > 0.5:
        s.run, s.door = p.io[run_tag], p.io[door_tag] * 0.01
    else:
        s.door = 0.0  # the run contactor stays as it was: the mixer keeps turning


@njit
def sense(s: Any, p: Any) -> None:
    """What the station's relays show."""
    p.io[s.tag + ESTOP] = s.estop
    p.io[s.tag + REMOTE] = 1.0 - s.local
    p.io[s.tag + LINK_OK] = s.link_ok
    p.io[s.tag + SUPPLY] = s.supply
