"""The reference program of the water loop, through tags only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from control.line import reuse
from control.reference import ReferenceController
from twin.design.load import load_design
from twin.plant import Plant

SCAN = 10


class Desk:
    """A process image with the reference program and nobody else: levels are written, commands are read."""

    def __init__(self) -> None:
        self.design = load_design("hzs180")
        self.plant = Plant(self.design)
        self.control = ReferenceController(self.plant.table, {n: m.species for n, m in self.design.materials.items()})
        self.now = 0

    def show(self, **levels: float) -> None:
        """Sensors by `Basin_Level`-like names."""
        for name, value in levels.items():
            basin, tag = name.split("_")
            self.put(f"Water.Basin.{basin}.{tag}", value)

    def put(self, tag: str, value: float) -> None:
        self.plant.image.values[self.plant.table.index(tag)] = value

    def __getitem__(self, tag: str) -> Any:
        return self.plant.image[tag]

    def scan(self, seconds: float = 0.1) -> None:
        for _ in range(max(round(seconds * 10), 1)):
            self.control.scan(self.plant.image.values, self.now)
            self.now += SCAN

    def long(self, seconds: float, *tags: str) -> Any:
        """A scan every ten seconds; what the tags showed at each."""
        seen = []
        for _ in range(round(seconds / 10)):
            self.control.scan(self.plant.image.values, self.now)
            self.now += 1000
            seen.append([bool(self[tag]) for tag in tags])
        return np.array(seen)


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.show(Rain_Level=50, Clear_Level=50, Slurry_Level=50, Settling1_Level=99)
    desk.put("Line1.Tank.Water.Level", 95)
    desk.put("Line1.Tank.Slurry.Level", 90)
    desk.scan()
    return desk


def test_a_pump_fills_its_target_with_a_dead_band(desk: Desk) -> None:
    seen = []
    for level in (91, 89, 91, 93, 94.5, 93, 91, 89):
        desk.put("Line1.Tank.Water.Level", level)
        desk.scan()
        seen.append(desk["Water.Pump.RainToLine1.Run"])
    assert seen == [False, True, True, True, False, False, False, True]


def test_no_pump_runs_dry_or_into_a_full_target(desk: Desk) -> None:
    desk.put("Line1.Tank.Water.Level", 50)
    desk.show(Rain_Level=3)
    desk.scan()
    assert not desk["Water.Pump.RainToLine1.Run"]
    desk.show(Rain_Level=50)
    desk.scan()
    assert desk["Water.Pump.RainToLine1.Run"]
    desk.show(Clear_Level=99, Slurry_Level=99)
    desk.scan()
    assert not desk["Water.Pump.ClearToSlurry.Run"]


def test_operators_may_move_the_levels(desk: Desk) -> None:
    desk.show(Clear_Level=60)
    desk.scan()
    assert not desk["Water.Pump.ClearToSlurry.Run"]
    desk.put("Water.Pump.ClearToSlurry.DrainAbove", 55)
    desk.scan()
    assert desk["Water.Pump.ClearToSlurry.Run"]


def test_before_a_storm_draining_begins_earlier(desk: Desk) -> None:
    desk.show(Clear_Level=60)
    desk.scan()
    assert not desk["Water.Pump.ClearToSlurry.Run"]
    desk.put("Site.Weather.RainForecast", 40)
    desk.scan()
    assert desk["Water.Pump.ClearToSlurry.Run"]


def test_before_a_storm_basins_are_levelled_and_tanks_filled(desk: Desk) -> None:
    desk.show(Rain_Level=90, Clear_Level=50)
    desk.show(Slurry_AgitatorRunning=1)
    desk.put("Line1.Tank.Water.Level", 91.9)
    desk.put("Line1.Tank.Slurry.Level", 91.0)
    desk.scan()
    assert not desk["Water.Pump.RainToClear.Run"] and not desk["Water.Pump.SlurryToLine1.Run"]
    desk.put("Site.Weather.RainForecast", 40)
    desk.scan()
    assert desk["Water.Pump.RainToClear.Run"] and desk["Water.Pump.RainToLine1.Run"] and desk["Water.Pump.SlurryToLine1.Run"]
    desk.show(Clear_Level=90)
    desk.scan()
    assert not desk["Water.Pump.RainToClear.Run"]
    assert desk["Water.Pump.ClearToSlurry.Run"]  # 90 to 50
    desk.show(Clear_Level=60, Slurry_Level=70)
    desk.scan()
    assert not desk["Water.Pump.ClearToSlurry.Run"]  # never into the fuller one


def work(desk: Desk, hours: float) -> None:
    """The mixer turns for so long, then stands."""
    desk.put("Line1.Mixer.Running", 1)
    desk.long(hours * 3600)
    desk.put("Line1.Mixer.Running", 0)


MIXER, FLOOR = "Water.Washdown.Line1.Mixer", "Water.Washdown.Line1.Floor"


def test_mixer_and_floors_are_washed_once_when_work_is_over(desk: Desk) -> None:
    assert not desk.long(3 * 3600, MIXER, FLOOR).any()  # it has not run
    work(desk, 2)
    washed = desk.long(5 * 3600, MIXER, FLOOR)
    assert washed.sum(axis=0) == pytest.approx([60, 60], abs=2)  # ten minutes of ten seconds each
    first = washed.argmax(axis=0) * 10 / 60
    assert first == pytest.approx([45, 120], abs=1)
    assert not desk.long(3 * 3600, MIXER, FLOOR).any()


def test_washing_waits_for_room_and_weather_but_a_mixer_not_for_ever(desk: Desk) -> None:
    desk.show(Clear_Level=95)
    work(desk, 2)
    assert not desk.long(2 * 3600 - 60, MIXER, FLOOR).any()
    washed = desk.long(3600, MIXER, FLOOR)
    assert washed.any(axis=0).tolist() == [True, False]
    desk.show(Clear_Level=50)
    desk.put("Site.Weather.Rain", 20)
    assert not desk.long(1800, FLOOR).any()
    desk.put("Site.Weather.Rain", 0)
    desk.long(60)
    assert desk[FLOOR]
    desk.put("Line1.Mixer.Running", 1)
    desk.scan()
    assert not desk[FLOOR]


def test_a_mixer_is_not_washed_into_a_full_separator(desk: Desk) -> None:
    work(desk, 2)
    desk.put("Water.Separator.FeedLevel", 80)
    assert not desk.long(2 * 3600, MIXER).any()
    desk.put("Water.Separator.FeedLevel", 10)
    desk.long(20)
    assert desk[MIXER]


def test_after_long_use_a_short_pause_is_enough(desk: Desk) -> None:
    work(desk, 9)
    assert desk.long(900, MIXER).any()


def test_the_truck_wash_serves_while_loads_are_under_way(desk: Desk) -> None:
    run = "Water.TruckWash.Run"
    desk.put("Site.Weather.Air", 10)
    desk.scan()
    assert not desk[run]
    desk.put("Line1.Bay.Order", 1)
    desk.scan()
    assert desk[run]
    desk.put("Site.Weather.Air", -3)
    desk.scan()
    assert not desk[run]
    desk.put("Site.Weather.Air", 3)
    desk.put("Line1.Bay.Done", 1)
    assert desk.long(900, run).sum() == pytest.approx(60, abs=2)


def test_the_first_flush_goes_to_the_foul_side(desk: Desk) -> None:
    for rain, foul in ((0, True), (14, True), (16, False), (0, True)):
        desk.put("Water.Surface.Yard.EventRain", rain)
        desk.scan()
        assert desk["Water.Surface.Yard.FirstFlush"] is foul


def test_an_agitator_runs_by_the_clock_and_on_while_sludge_lies(desk: Desk) -> None:
    ran = []
    for _ in range(2 * 3600 // 10):
        desk.scan(10)
        ran.append(desk["Water.Basin.Slurry.AgitatorRun"])
    assert np.mean(ran) == pytest.approx(1 / 3, abs=0.1)
    desk.show(Slurry_Sludge=5)
    desk.scan(1800)
    assert desk["Water.Basin.Slurry.AgitatorRun"]


def test_it_stirs_while_slurry_is_drawn(desk: Desk) -> None:
    desk.scan(700)
    desk.put("Line1.Tank.Slurry.Level", 20)
    desk.scan()
    assert desk["Water.Basin.Slurry.AgitatorRun"] and not desk["Water.Pump.SlurryToLine1.Run"]
    desk.show(Slurry_AgitatorRunning=1)
    desk.scan()
    assert desk["Water.Pump.SlurryToLine1.Run"] and desk["Water.Basin.Slurry.AgitatorRun"]


@pytest.mark.parametrize(("running", "sludge", "drawn"), [(1, 0, True), (1, 4, True), (1, 6, False), (0, 0, False)])
def test_slurry_that_nobody_stirs_or_that_has_settled_is_not_drawn(desk: Desk, running: float, sludge: float, drawn: bool) -> None:
    desk.put("Line1.Tank.Slurry.Level", 20)
    desk.show(Slurry_AgitatorRunning=1)
    desk.scan()
    desk.show(Slurry_AgitatorRunning=running, Slurry_Sludge=sludge)
    desk.scan()
    assert desk["Water.Pump.SlurryToLine1.Run"] is drawn


def test_an_agitator_that_is_looked_at_once_a_minute_has_not_failed_as_it_is_started(desk: Desk) -> None:
    desk.scan(1)
    for _ in range(40):  # batch fidelity: the water loop looks once a minute, and its clock starts the agitator in the thirty minutes
        desk.now += 59 * 100
        desk.scan(1)
        assert not desk["Water.Basin.Slurry.AgitatorFailure"]
        desk.show(Slurry_AgitatorRunning=desk["Water.Basin.Slurry.AgitatorRun"])


def test_an_agitator_that_does_not_answer_is_told_and_is_brought_no_sludge(desk: Desk) -> None:
    desk.put("Line1.Tank.Slurry.Level", 20)
    desk.show(Settling1_Sludge=40)
    desk.scan(9)
    assert not desk["Water.Basin.Slurry.AgitatorFailure"] and desk["Water.Pump.SludgeToSlurry1.Run"]
    desk.scan(2)
    assert desk["Water.Basin.Slurry.AgitatorFailure"] and not desk["Water.Pump.SludgeToSlurry1.Run"]
    assert desk["Water.Basin.Slurry.AgitatorRun"], "it shall turn as soon as it can"
    desk.show(Slurry_AgitatorRunning=1)
    desk.scan(0.2)
    assert not desk["Water.Basin.Slurry.AgitatorFailure"] and desk["Water.Pump.SludgeToSlurry1.Run"]


@pytest.mark.parametrize(("level", "under_way", "dosed"), [(50, 3, True), (30, 3, True), (20, 3, False), (20, 0, True), (0, 0, False)])
def test_water_takes_the_place_of_slurry_that_the_tank_does_not_hold(desk: Desk, level: float, under_way: int, dosed: bool) -> None:
    """The tank holds 12 t; a dose is 800 kg, so four of them are 27 %."""
    memory = desk.control.memory
    k = next(i for i, g in enumerate(memory.ingredients) if g["slurry"] >= 0)
    line, ingredient = memory.lines.view(np.recarray)[0], memory.ingredients.view(np.recarray)[k]
    desk.put("Line1.Tank.Slurry.Level", level)
    line["released"], line["finished"], line["most_slurry"], line["batch_m3"] = 10 + under_way, 10, 800 / 3, 3.0
    ingredient["plan_kg"][0] = 800.0
    saved = reuse.py_func(line, ingredient, desk.plant.image.values, 0, 6000.0, 0.0)
    assert ingredient["plan_kg"][0] == (800.0 if dosed else 0.0)
    assert saved == (0.0 if dosed else -800.0)


@pytest.mark.parametrize(("level", "solids", "runs"), [(80, 12, True), (60, 12, False), (80, 5, False)])
def test_the_press_takes_what_is_too_much_and_thick(desk: Desk, level: float, solids: float, runs: bool) -> None:
    desk.show(Slurry_Level=level, Slurry_Solids=solids)
    desk.scan()
    assert desk["Water.Press.Run"] is runs


def test_the_separator_works_its_hopper_off_and_rests(desk: Desk) -> None:
    desk.put("Water.Separator.FeedLevel", 30)
    desk.scan()
    assert desk["Water.Separator.Run"]
    desk.put("Water.Separator.FeedLevel", 0)
    desk.scan(60)
    assert desk["Water.Separator.Run"]
    desk.scan(120)
    assert not desk["Water.Separator.Run"]


def test_sprays_start_on_dust_or_wind_rest_and_obey_the_hand(desk: Desk) -> None:
    spray = "Air.Spray.Yard.Run"
    desk.put("Air.Monitor.East.Pm10", 200)
    desk.scan(800)
    ran = []
    for _ in range(120):
        desk.scan(10)
        ran.append(desk[spray])
    assert 0.2 < np.mean(ran) < 0.5
    desk.put("Air.Monitor.East.Pm10", 50)
    desk.scan(1000)
    assert not desk[spray]
    desk.put("Site.Weather.Wind", 9)
    desk.scan(500)
    assert True in {desk[spray], *[(desk.scan(10), desk[spray])[1] for _ in range(60)]}
    desk.put("Site.Weather.Rain", 5)
    desk.scan(500)
    assert not desk[spray]
    desk.put("Air.Spray.Yard.ByHand", 1)
    desk.scan()
    assert desk[spray]
