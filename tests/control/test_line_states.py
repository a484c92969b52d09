"""Starting, sleeping, holding, aborting, stopping; remote and local; the safe state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from control.reference import ReferenceController

C30_KG = 2368.56  # dry mass and water of one m³ of the packaged recipe


class Stalls:
    """The reference controller on a computer that can hang."""

    scan_ticks = 10

    def __init__(self) -> None:
        self.inner: ReferenceController | None = None
        self.hangs = False

    def scan(self, values: np.ndarray, now: int) -> None:
        if self.inner is not None and not self.hangs:
            self.inner.scan(values, now)

    @property
    def memory(self) -> Any:
        assert self.inner is not None
        return self.inner.memory


def feeding(desk: Any) -> list[str]:
    """Feeders, discharges and gates that are commanded to let material through."""
    tags = [f"Feeder.{f.rsplit('.', 1)[-1]}.{c}" for f in desk.plant.names["feeder"] for c in ("Coarse", "Fine")]
    tags += [f"Weigher.{w}.Discharge" for w in desk.design.weighers] + ["Hopper.Waiting.Open", "Hopper.Discharge.Open", "Mixer.Door"]
    return [t for t in tags if desk[t]]


def vessels(desk: Any) -> dict[str, float]:
    names = ["Belt", "Hopper.Waiting", "Mixer", "Hopper.Discharge", "Truck1", "ground"] + [f"Weigher.{w}" for w in desk.design.weighers]
    return {n: desk.kg(n) for n in names}


def finished(desk: Any, number: int, m3: float) -> None:
    """The load is completed and the truck holds what was ordered."""
    desk.done(number, 700)
    assert desk.kg("Truck1") == pytest.approx(m3 * C30_KG, rel=0.02)
    assert desk.kg("ground") == 0


def ordered(desk: Any, m3: float, stage: str) -> int:
    """A load is under way and the mixer has come to a stage, or weighers are dosing."""
    desk.park()
    number: int = desk.order(m3)
    if stage == "weighing":
        desk.until(lambda: desk.kg("Weigher.Stone2") > 500, 60)
    elif stage == "loading":
        desk.until(lambda: desk.kg("Truck1") > 1000, 250)
    else:
        desk.until(lambda: desk.stage == stage, 250)
        desk.play(3)
    return number


# --- start, sleep, hold, abort, stop ------------------------------------------------------------------


def test_starting_sounds_the_horn_then_runs_the_mixer_then_the_belt(new_desk: Callable[..., Any]) -> None:
    desk = new_desk(start=False)
    desk.order(3)
    desk.play(20)
    assert desk.state == "stopped" and not desk["Mixer.Run"] and desk["Bay.Accepted"] == 0
    desk.write("Station.Start", 1)
    looks = {t: lambda t=t: bool(desk[t]) for t in ("Station.Horn", "Mixer.Run", "Mixer.Running", "Belt.Run", "Belt.Running")}
    seen = desk.changes(looks, lambda: desk.state == "ready", 30)
    assert [name for _, name, on in seen if on] == list(looks)
    horn = [t for t, name, _ in seen if name == "Station.Horn"]
    assert horn[1] - horn[0] >= 3 and next(t for t, n, _ in seen if n == "Mixer.Run") >= horn[1]
    assert not desk["Station.Start"]


def test_a_motor_that_does_not_answer_is_told(new_desk: Callable[..., Any]) -> None:
    desk = new_desk(start=False)
    desk.fault("motor-trip", "Belt")
    desk.write("Station.Start", 1)
    desk.until(lambda: desk["Station.MotorFailure"], 60)
    assert desk.state == "starting"
    desk.clear("motor-trip", "Belt")
    desk.until(lambda: desk.state == "ready", 20)
    assert not desk["Station.MotorFailure"]


def test_motors_sleep_without_work_and_wake_with_the_next_order(desk: Any) -> None:
    slept = desk.until(lambda: not desk["Mixer.Run"] and not desk["Belt.Run"], 400)
    assert slept == pytest.approx(300, abs=15)
    desk.play(60)
    assert not desk["Mixer.Running"] and desk.state == "ready"
    desk.park()
    number = desk.order(3)
    desk.until(lambda: desk["Station.Horn"], 5)
    assert not desk["Mixer.Run"]
    finished(desk, number, 3)


@pytest.mark.parametrize("stage", ["weighing", "charging", "mixing", "discharging", "loading"])
def test_hold_lets_nothing_flow_and_goes_on_where_it_was(desk: Any, stage: str) -> None:
    number = ordered(desk, 6, stage)
    desk.write("Station.Hold", 1)
    desk.play(0.3)
    assert desk.state == "held" and not feeding(desk)
    desk.play(30)  # what was falling or lay on the belt has arrived
    still = vessels(desk)
    desk.play(90)
    assert vessels(desk) == still and desk["Mixer.Running"]
    desk.write("Station.Hold", 0)
    finished(desk, number, 6)


@pytest.mark.parametrize("after_s", [5, 100, 160])
def test_abort_finishes_the_load_short_and_the_next_is_made_in_full(desk: Any, after_s: float) -> None:
    desk.park()
    number = desk.order(18)
    desk.play(after_s)
    desk.write("Station.Abort", 1)
    desk.play(0.2)
    assert desk.state == "aborting" and not desk["Station.Abort"]
    desk.done(number, 600)
    short = desk.kg("Truck1")
    assert short == pytest.approx(round(short / 3 / C30_KG) * 3 * C30_KG, rel=0.02) and 0 < short < 15.5 * C30_KG
    number = desk.order(3)
    desk.done(number, 400)
    assert desk.kg("Truck1") - short == pytest.approx(3 * C30_KG, rel=0.02)


def test_abort_without_a_load_does_not_wait_for_the_next_one(desk: Any) -> None:
    desk.write("Station.Abort", 1)
    desk.play(30)
    finished(desk, ordered(desk, 6, "weighing"), 6)


def test_stop_waits_for_the_load_under_way(desk: Any) -> None:
    number = ordered(desk, 6, "weighing")
    desk.write("Station.Stop", 1)
    finished(desk, number, 6)
    desk.until(lambda: desk.state == "stopped", 20)
    desk.play(20)
    assert not desk["Mixer.Running"] and not desk["Belt.Running"] and not desk["Station.Stop"]
    number = desk.order(3)
    desk.play(60)
    assert desk["Bay.Accepted"] < number
    desk.write("Station.Start", 1)
    desk.done(number, 300)


# --- safe state ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["weighing", "charging", "mixing", "discharging", "loading"])
def test_losing_the_control_link_shuts_the_gates_and_keeps_the_mixer_turning(desk: Any, stage: str) -> None:
    number = ordered(desk, 6, stage)
    desk.fault("control-link-lost", "Station")
    desk.play(0.3)
    assert desk.state == "safe" and desk["Station.Safe"] and desk["Station.LinkLost"]
    desk.play(10)
    still = vessels(desk)
    desk.play(120)
    assert vessels(desk) == still and still["ground"] == 0
    assert desk["Mixer.Running"] and not desk["Belt.Running"] and desk["Hopper.Waiting.GateClosed"] and desk["Mixer.DoorClosed"]
    assert desk.state == "safe"
    desk.clear("control-link-lost", "Station")
    desk.play(30)
    assert desk.state == "safe" and vessels(desk) == still  # never by itself
    desk.press("Station.Start")
    finished(desk, number, 6)
    assert not desk["Station.LinkLost"]


def test_start_is_refused_while_the_link_is_lost(desk: Any) -> None:
    ordered(desk, 3, "weighing")
    desk.fault("control-link-lost", "Station")
    desk.play(5)
    desk.press("Station.Start")
    desk.play(20)
    assert desk.state == "safe" and not feeding(desk)


@pytest.mark.parametrize("stage", ["charging", "mixing", "discharging", "loading"])
def test_emergency_stop_stops_everything_and_the_load_is_completed_afterwards(desk: Any, stage: str) -> None:
    number = ordered(desk, 6, stage)
    desk.fault("emergency-stop", "Station")
    desk.play(3)
    assert desk.state == "safe" and not desk["Mixer.Running"] and not desk["Belt.Running"] and not feeding(desk)
    still = vessels(desk)
    desk.play(60)
    assert vessels(desk) == still
    desk.press("Station.Start")
    assert desk.state == "safe"
    desk.clear("emergency-stop", "Station")
    desk.play(5)
    assert desk.state == "safe" and not desk["Mixer.Running"]
    desk.press("Station.Start")
    finished(desk, number, 6)


def test_mixing_time_does_not_pass_while_the_mixer_stands(desk: Any) -> None:
    desk.park()
    desk.order(3, mix_s=40)
    desk.until(lambda: desk.stage == "mixing", 150)
    began = float(desk.record("Mixer")["turning_s"])
    desk.play(5)
    desk.fault("emergency-stop", "Station")
    desk.play(60)
    desk.clear("emergency-stop", "Station")
    desk.play(5)
    desk.press("Station.Start")
    desk.until(lambda: desk["Mixer.DoorPosition"] > 0, 120)
    assert float(desk.record("Mixer")["turning_s"]) - began >= 39


def test_a_short_power_dip_interrupts_and_the_load_is_completed(desk: Any) -> None:
    number = ordered(desk, 6, "charging")
    desk.fault("power-dip", "Station", 0.5)
    desk.play(4)
    assert desk["Station.Supply"] == 0.5 and not desk["Mixer.Running"]
    desk.clear("power-dip", "Station")
    desk.until(lambda: desk["Mixer.Running"], 20)
    finished(desk, number, 6)


def test_an_overloaded_mixer_trips_and_runs_again_after_reset(desk: Any) -> None:
    number = ordered(desk, 6, "mixing")
    desk.fault("mixer-overload", "Mixer", 1.5)
    desk.until(lambda: desk["Mixer.Tripped"], 20)
    desk.play(3)
    assert desk.state == "safe" and not desk["Mixer.Running"] and not feeding(desk) and "Line1.Mixer.Tripped" in desk.sim.alarms
    desk.clear("mixer-overload", "Mixer")
    desk.press("Station.Start")
    desk.play(20)
    assert desk.state == "safe" and not desk["Mixer.Running"]  # not before it is reset
    desk.press("Mixer.Reset")
    assert not desk["Mixer.Tripped"] and desk.state == "safe"
    desk.press("Station.Start")
    finished(desk, number, 6)


def test_a_tripped_mixer_can_be_reset_after_it_was_emptied_by_hand(desk: Any) -> None:
    ordered(desk, 3, "mixing")
    desk.fault("mixer-overload", "Mixer", 1.5)
    desk.until(lambda: desk["Mixer.Tripped"], 20)
    desk.clear("mixer-overload", "Mixer")
    desk.fault("local-selected", "Station")
    desk.write("Station.LocalDoor", 100)
    desk.until(lambda: desk.kg("Mixer") == 0, 600)
    desk.write("Station.LocalDoor", 0)
    desk.clear("local-selected", "Station")
    desk.play(10)
    desk.press("Mixer.Reset")
    assert not desk["Mixer.Tripped"]


def test_at_the_local_panel_only_the_panel_moves_the_mixer(desk: Any) -> None:
    desk.fault("local-selected", "Station")
    desk.play(5)
    assert not desk["Station.Remote"] and desk["Mixer.Run"] and not desk["Mixer.Running"]
    desk.write("Station.LocalRun", 1)
    desk.until(lambda: desk["Mixer.Running"], 10)
    desk.write("Station.LocalDoor", 40)
    desk.play(5)
    assert desk["Mixer.DoorPosition"] == pytest.approx(40) and desk["Mixer.Door"] == 0
    desk.write("Station.LocalDoor", 0)
    desk.play(5)
    desk.clear("local-selected", "Station")
    finished(desk, ordered(desk, 3, "weighing"), 3)


# --- a controller that hangs --------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["weighing", "discharging", "loading"])
def test_a_controller_that_hangs_trips_the_watchdog(new_desk: Callable[..., Any], stage: str) -> None:
    controller = Stalls()
    desk = new_desk(start=False, controller=controller)
    controller.inner = ReferenceController(desk.plant.table, {n: m.species for n, m in desk.plant.design.materials.items()})
    desk.write("Station.Start", 1)
    desk.until(lambda: desk.state == "ready", 30)
    number = ordered(desk, 6, stage)
    controller.hangs = True
    silent = desk.until(lambda: not desk["Station.LinkOk"], 10)
    assert silent == pytest.approx(desk.design.station.watchdog_s, abs=0.21)
    desk.play(10)
    still = vessels(desk)
    desk.play(120)
    assert vessels(desk) == still and desk["Mixer.Running"] and still["ground"] == 0
    controller.hangs = False
    desk.play(5)
    assert desk.state == "safe" and desk["Station.LinkLost"]
    desk.press("Station.Start")
    finished(desk, number, 6)
