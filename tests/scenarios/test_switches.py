"""Hand switches of actuators, and what people drive in manual mode."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.replay import replay
from scenarios.run import open_run
from scenarios.schema import Scenario
from scenarios.session import Session
from scenarios.simulation import Simulation
from twin.errors import BatchtwinError

PUMP = "Water.Pump.RainToClear"


def test_a_hand_switch_holds_an_actuator_whatever_the_program_says(scenario: Callable[..., Scenario]) -> None:
    with Simulation(scenario(), until_s=120) as sim:
        sim.advance(10)
        assert not sim.image[f"{PUMP}.Run"]
        sim.switch(f"{PUMP}.Run", 1)
        sim.advance(20)
        assert sim.image[f"{PUMP}.Run"] and sim.image[f"{PUMP}.Flow"] > 20
        sim.switch("Line1.Mixer.Run", 0)
        sim.advance(20)
        assert not sim.image["Line1.Mixer.Running"]  # the program wants it to turn
        sim.switch(f"{PUMP}.Run", None)
        sim.switch("Line1.Mixer.Run", None)
        sim.advance(20)
        assert not sim.image[f"{PUMP}.Run"] and sim.image["Line1.Mixer.Run"]
        for name, code in (("Line1.Station.Start", "E302"), ("Line1.Mixer.Runn", "E301")):
            with pytest.raises(BatchtwinError) as wrong:
                sim.switch(name, 1)
            assert wrong.value.code == code


def test_a_run_with_hand_switches_is_played_again_to_the_same_bits(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    with Simulation(scenario(), until_s=200, out=tmp_path / "run") as sim:
        sim.advance(30)
        sim.switch(f"{PUMP}.Run", 1)
        sim.advance(60)
        sim.switch(f"{PUMP}.Run", None)
        sim.advance(110)
    recorded, again = replay(open_run(tmp_path / "run"))
    assert recorded == again


def test_in_manual_mode_people_drive_the_line_and_nothing_else(scenario: Callable[..., Scenario]) -> None:
    live = Session(scenario(), controller="reference", operator=False, until_s=120)
    try:
        with pytest.raises(BatchtwinError, match="E302|controller inside"):
            live.write("Line1.Mixer.Run", 1, "Ann")
        live.write("Line1.Station.Mode", 0, "Ann")
        live.sim.advance(1)
        for name in ("Line1.Mixer.Run", "Line1.Feeder.Sand1.Coarse", "Line1.Bay.Accepted"):
            live.write(name, 1, "Ann")
        live.sim.advance(15)
        assert live.sim.image["Line1.Mixer.Running"] and live.sim.image["Line1.Weigher.Sand1.Gross"] > 100
        for name in ("Line1.Station.Heartbeat", "Line1.Bin.Sand1.Feed", f"{PUMP}.Run", "Line1.Station.State"):
            with pytest.raises(BatchtwinError) as wrong:
                live.write(name, 1, "Ann")
            assert wrong.value.code == "E302"
    finally:
        live.close()


def test_a_run_is_ended_before_its_time_and_stays_to_be_looked_at(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    live = Session(scenario(), controller="reference", out=tmp_path / "run")
    live.sim.advance(20)
    live.finish()
    assert live.state == "ended" and open_run(tmp_path / "run").state == "cut"
    with pytest.raises(BatchtwinError) as wrong:
        live.finish()
    assert wrong.value.code == "E305"
    live.reset()
    assert live.state == "paused" and live.tick == 0
    live.close()
