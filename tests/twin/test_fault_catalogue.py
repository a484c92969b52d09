"""Every fault of the catalogue does what it says, and a plant without faults keeps to itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from machines import busy, charge, dosed

from twin.engine import Engine
from twin.equipment.truck import DRIVING_OUT
from twin.equipment.truck_wash import Gate
from twin.equipment.weighbridge import weigh_kg
from twin.ledger import FINES
from twin.plant import faults
from twin.travel import Driver

# --- the fault catalogue ------------------------------------------------------------------------------


class Case(NamedTuple):
    """One fault on one machine: the same play with and without it, one number to look at, and what must be true of the two."""

    machine: str
    play: Callable[[Any], None]
    look: Callable[[Any], float]
    holds: Callable[[float, float], bool]


def near(value, tolerance):
    return lambda healthy, faulty: abs(faulty - healthy - value) <= tolerance


def play(seconds, *on, put=None, **more):
    """Put material somewhere, switch tags on, let time pass. Tags in `more` are written with `__` for the dot."""

    def script(rig):
        for holder, kg in (put or {}).items():
            rig.put(holder, **kg)
        for tag in on:
            rig[tag] = 1
        for tag, value in more.items():
            rig[tag.replace("__", ".")] = value
        rig.play(seconds)

    return script


def tank_filling(rig, silo="Cement1", kg=900.0, seconds=20.0):
    rig.tanker(silo, kg, "cement")
    rig.play(seconds, coarse=True)


def overfilling(rig):
    rig.put("Silo.Cement1", cement=299_900 - rig.kg("Silo.Cement1"))
    rig["Silo.Cement1.FillOpen"] = 0
    tank_filling(rig, kg=2000, seconds=60)


def driving(rig):
    """A loaded truck drives to the far corner of the map."""
    rig.put("Truck1", **charge(3))
    engine = Engine(rig.plant, 1, lambda *_: None)
    driver = Driver(engine, 9 * 3600.0, 0, lambda *_: None)
    rig.record("Truck1")["load_m3"] = 6.0
    driver.stand(0, rig.plant.map.plant(rig.line))
    engine.env.process(driver.drive(0, len(rig.plant.map.places) - 1, DRIVING_OUT, engine.rng(1), None))
    engine.env.run()
    rig.took_s = engine.env.now / 100


def weighing_out(rig):
    weigh_kg(rig.record("Gate.Weighbridge"), 28_000.0, 1, 1)
    rig.play(2)


def blinded_surge(rig):
    rig.fault("blinded-filter", "Silo.Cement1.Filter")
    tank_filling(rig, kg=90, seconds=12)


def cement_in_air(rig):
    return float(rig.state.ledger.stock[rig.holder("air"), 0])


def cleaning(rig):
    """Ten kilograms of cake and the order to clean; the receiver is nearly empty."""
    rig.put("Silo.Cement1.Filter", cement=10)
    rig.record("Silo.Cement1.Filter")["air_kpa"] = 300.0
    rig["Silo.Cement1.Filter.Clean"] = 1
    rig.play(600, coarse=True)


def drained(rig):
    rig.put("Tank.Water", water=-12_000)  # from 80 % to below its 50 %
    rig.play(10)


def washing(rig):
    rig["Water.TruckWash.Run"] = 1
    engine = Engine(rig.plant, 1, lambda *note: None)
    gate = Gate(engine, rig.plant.design)
    engine.env.process(gate.goes(gate.comes()))
    engine.env.run()


def raining(mm_h, seconds=10, **more):
    def script(rig):
        rig.state.site["rain_mm_h"], rig.state.site["wind_from_deg"] = mm_h, 90.0
        for tag, value in more.items():
            rig[tag.replace("__", ".")] = value
        rig.play(seconds, coarse=True)

    return script


def separating(rig):
    rig.put("Water.Separator", sand=300, stone=300, water=1000)
    rig["Water.Separator.Run"] = 1
    rig.play(600, coarse=True)


def hot(rig):
    rig.state.temperature_c[:] = 50
    rig.put("Mixer", **charge(2))
    rig["Mixer.Run"] = 1
    rig.play(2)


def spread(tag):
    def look(rig):
        seen = rig.watch(tag, 10)
        return max(seen) - min(seen)

    return look


def slurry(rig):
    rig.put("Tank.Slurry", fines=600)
    rig.play(1)


def shows(tag):
    return lambda rig: float(rig[tag])


def holds_kg(holder):
    return lambda rig: rig.kg(holder)


def parked(rig):
    rig.park()
    rig.play(0.5)


on_to_off = lambda healthy, faulty: (healthy, faulty) == (1, 0)
off_to_on = lambda healthy, faulty: (healthy, faulty) == (0, 1)
freezes = lambda healthy, faulty: healthy > 0 and faulty == 0
blocks = lambda healthy, faulty: healthy > 100 and faulty == 0
SAND = play(4, "Feeder.Sand1.Coarse")

EXPECTED = {
    ("emergency-stop", "station"): Case("Station", play(5, "Mixer.Run"), shows("Mixer.Running"), on_to_off),
    ("local-selected", "station"): Case("Station", play(1), shows("Station.Remote"), on_to_off),
    ("control-link-lost", "station"): Case("Station", play(1), shows("Station.LinkOk"), on_to_off),
    ("power-dip", "station"): Case("Station", play(1), shows("Station.Supply"), near(-0.5, 1e-9)),
    ("blinded-filter", "dust_collector"): Case("Silo.Cement1.Filter", tank_filling, shows("Silo.Cement1.Pressure"), lambda h, f: f == pytest.approx(7 * h, rel=0.05) and h > 0.1),
    ("blown-filter-bag", "dust_collector"): Case("Silo.Cement1.Filter", tank_filling, cement_in_air, lambda h, f: f == pytest.approx(h * 0.3 / 0.0014, rel=0.01) and h > 0),
    ("pulse-valve-stuck", "dust_collector"): Case("Silo.Cement1.Filter", cleaning, holds_kg("Silo.Cement1.Filter"), lambda h, f: f == 10 and h < 3),
    ("no-compressed-air", "dust_collector"): Case("Silo.Cement1.Filter", cleaning, holds_kg("Silo.Cement1.Filter"), lambda h, f: h < 0.5 and f > 1.5),
    ("fan-trip", "dust_collector"): Case("Collector.Mixer", play(5, "Collector.Mixer.FanRun"), shows("Collector.Mixer.Flow"), lambda h, f: h > 3000 and f == 0),
    ("dp-offset", "dust_collector"): Case("Collector.Mixer", play(5, "Collector.Mixer.FanRun"), shows("Collector.Mixer.PressureDrop"), near(-0.8, 1e-6)),
    ("rain-gauge-blocked", "weather_station"): Case("Site.Weather", raining(30), shows("Site.Weather.Rain"), near(-30, 1e-9)),
    ("wind-vane-stuck", "weather_station"): Case("Site.Weather", raining(1), shows("Site.Weather.WindFrom"), lambda h, f: h == 90 and f == 0),
    ("agitator-trip", "basin"): Case("Water.Basin.Slurry", play(120, "Water.Basin.Slurry.AgitatorRun"), holds_kg("Water.Basin.Slurry.Sludge"), lambda h, f: f > 10 * h),
    ("level-offset", "basin"): Case("Water.Basin.Clear", play(2), shows("Water.Basin.Clear.Level"), near(-20, 1e-6)),
    ("density-meter-drift", "basin"): Case("Water.Basin.Slurry", play(2, "Water.Basin.Slurry.AgitatorRun"), shows("Water.Basin.Slurry.Solids"), near(-2, 1e-6)),
    ("leaking-basin", "basin"): Case("Water.Basin.Clear", play(60), holds_kg("discharge"), near(60, 1.01)),
    ("pump-trip", "water_pump"): Case("Water.Pump.RainToClear", play(60, "Water.Pump.RainToClear.Run"), shows("Water.Pump.RainToClear.Running"), on_to_off),
    ("pump-blocked", "water_pump"): Case("Water.Pump.RainToClear", play(60, "Water.Pump.RainToClear.Run"), shows("Water.Pump.RainToClear.Flow"), near(-24, 1e-6)),
    ("diverter-stuck", "surface"): Case("Water.Surface.Yard", raining(60, 600, Water__Surface__Yard__FirstFlush=0), holds_kg("Water.Basin.Rain"), lambda h, f: h > f + 5000),
    ("gully-blocked", "surface"): Case("Water.Surface.Yard", raining(60, 600), shows("Water.Surface.Yard.Runoff"), lambda h, f: 0 < f < 0.5 * h),
    ("separator-jam", "separator"): Case("Water.Separator", separating, holds_kg("Water.Separator"), lambda h, f: h < 100 and f == pytest.approx(1600)),
    ("worn-screen", "separator"): Case("Water.Separator", separating, holds_kg("Water.Separator.Sand"), lambda h, f: f == pytest.approx(0.6 * h, rel=0.01) and h > 200),
    ("press-trip", "filter_press"): Case("Water.Press", play(120, "Water.Press.Run", "Water.Basin.Slurry.AgitatorRun"), shows("Water.Press.Running"), on_to_off),
    ("torn-cloth", "filter_press"): Case("Water.Press", play(120, "Water.Press.Run", "Water.Basin.Slurry.AgitatorRun"), shows("Water.Press.Fill"), lambda h, f: 0 <= f < 0.2 * h),
    ("nozzles-blocked", "truck_wash"): Case("Water.TruckWash", washing, lambda rig: float(rig.state.ledger.stock[rig.holder("Water.Basin.Settling1"), FINES]), lambda h, f: f == pytest.approx(0.2 * h)),
    ("nozzles-blocked", "washdown"): Case("Water.Washdown.Line1", play(60, "Water.Washdown.Line1.Floor"), shows("Water.Washdown.Line1.FloorWater"), lambda h, f: f == pytest.approx(0.2 * h) and h > 0.1),
    ("pump-trip", "spray"): Case("Air.Spray.Yard", play(10, "Air.Spray.Yard.Run"), shows("Air.Spray.Yard.Running"), on_to_off),
    ("nozzles-blocked", "spray"): Case("Air.Spray.Yard", play(60, "Air.Spray.Yard.Run"), shows("Air.Spray.Yard.Wetness"), lambda h, f: 0 < f < 0.3 * h),
    ("monitor-outage", "monitor"): Case("Air.Monitor.East", play(65), shows("Air.Monitor.East.Outage"), off_to_on),
    ("monitor-drift", "monitor"): Case("Air.Monitor.East", play(65), shows("Air.Monitor.East.Tsp"), lambda h, f: f == pytest.approx(1.5 * h, rel=1e-3) and h > 50),
    ("monitor-freeze", "monitor"): Case("Air.Monitor.East", play(65), shows("Air.Monitor.East.Tsp"), freezes),
    ("relief-valve-stuck", "silo"): Case("Silo.Cement1", blinded_surge, shows("Silo.Cement1.Pressure"), lambda h, f: h == pytest.approx(5) and f > 10),
    ("level-offset", "silo"): Case("Silo.Cement1", play(1), shows("Silo.Cement1.Level"), near(-20, 1e-6)),
    ("level-offset", "aggregate_bin"): Case("Bin.Sand1", play(1), shows("Bin.Sand1.Level"), near(40, 3)),
    ("level-offset", "tank"): Case("Tank.Slurry", play(1), shows("Tank.Slurry.Level"), near(20, 1e-6)),
    ("density-meter-drift", "tank"): Case("Tank.Slurry", slurry, shows("Tank.Slurry.Solids"), near(-2, 1e-6)),
    ("level-freeze", "silo"): Case("Silo.Cement1", play(1), spread("Silo.Cement1.Level"), freezes),
    ("level-freeze", "aggregate_bin"): Case("Bin.Sand1", play(1), spread("Bin.Sand1.Level"), freezes),
    ("overfull-silo", "silo"): Case("Silo.Cement1", overfilling, holds_kg("ground"), lambda h, f: h == 0 and f > 500),
    ("empty-bin", "aggregate_bin"): Case("Bin.Sand1", play(40, Bin__Sand1__Feed=1), holds_kg("Bin.Sand1"), lambda h, f: h > f + 3000 and f == 36_000),
    ("float-valve-stuck", "tank"): Case("Tank.Water", drained, holds_kg("Tank.Water"), near(-150, 1e-6)),
    ("wrong-moisture", "moisture_probe"): Case("Probe.Sand1", play(1), shows("Probe.Sand1.Moisture"), near(2, 1e-6)),
    ("moisture-freeze", "moisture_probe"): Case("Probe.Sand1", play(1), spread("Probe.Sand1.Moisture"), freezes),
    ("stuck-gate", "feeder"): Case("Feeder.Sand1", SAND, dosed, blocks),
    ("leaking-gate", "feeder"): Case("Feeder.Sand1", play(10), dosed, lambda h, f: h == 0 and f == pytest.approx(0.01 * 150 * 10, rel=0.25)),
    ("arching", "feeder"): Case("Feeder.Sand1", SAND, dosed, blocks),
    ("closed-switch-lost", "feeder"): Case("Feeder.Sand1", play(1), shows("Feeder.Sand1.Closed"), on_to_off),
    ("sensor-offset", "weigher"): Case("Weigher.Sand1", play(1), shows("Weigher.Sand1.Gross"), near(20, 2)),
    ("sensor-drift", "weigher"): Case("Weigher.Sand1", play(300), shows("Weigher.Sand1.Gross"), near(10, 2)),
    ("sensor-freeze", "weigher"): Case("Weigher.Sand1", SAND, shows("Weigher.Sand1.Gross"), lambda h, f: h > 300 and abs(f) <= 6),
    ("sensor-spike", "weigher"): Case("Weigher.Sand1", play(1), spread("Weigher.Sand1.Gross"), lambda h, f: h < 20 and 80 < f < 125),
    ("sensor-broken", "weigher"): Case("Weigher.Sand1", play(1), shows("Weigher.Sand1.Gross"), lambda h, f: abs(h) < 10 and f == -600),
    ("stuck-discharge", "weigher"): Case("Weigher.Cement", play(5, "Weigher.Cement.Discharge", put={"Weigher.Cement": {"cement": 900}}),
                                         holds_kg("Mixer"), blocks),
    ("leaking-discharge", "weigher"): Case("Weigher.Cement", play(60, put={"Weigher.Cement": {"cement": 900}}),
                                           shows("Weigher.Cement.Gross"), near(-0.005 * 80 * 60, 2)),
    ("belt-slip", "conveyor"): Case("Belt", play(5, "Belt.Run"), shows("Belt.Speed"), near(-0.8, 1e-6)),
    ("motor-trip", "conveyor"): Case("Belt", play(5, "Belt.Run"), shows("Belt.Running"), on_to_off),
    ("speed-switch-lost", "conveyor"): Case("Belt", play(5, "Belt.Run"), lambda rig: rig["Belt.Running"] + 10 * rig["Belt.Speed"], near(-1, 1e-6)),
    ("stuck-hopper-gate", "hopper"): Case("Hopper.Waiting", play(3, "Hopper.Waiting.Open", put={"Hopper.Waiting": {"stone": 5000}}),
                                          holds_kg("Mixer"), blocks),
    ("leaking-hopper-gate", "hopper"): Case("Hopper.Waiting", play(90, put={"Hopper.Waiting": {"stone": 100}}), shows("Hopper.Waiting.Empty"), off_to_on),
    ("empty-probe-lost", "hopper"): Case("Hopper.Waiting", play(1), shows("Hopper.Waiting.Empty"), on_to_off),
    ("mixer-overload", "mixer"): Case("Mixer", play(7, "Mixer.Run", put={"Mixer": charge(3)}), shows("Mixer.Power"), lambda h, f: f == pytest.approx(2.2 * h)),
    ("stuck-door", "mixer"): Case("Mixer", play(4, Mixer__Door=100, put={"Mixer": charge(3)}), shows("Mixer.DoorPosition"),
                                  lambda h, f: h == pytest.approx(100) and f == 0),
    ("temperature-probe-dead", "mixer"): Case("Mixer", hot, shows("Mixer.Temperature"), lambda h, f: h == pytest.approx(50) and f == pytest.approx(20)),
    ("gps-outage", "truck"): Case("Truck1", play(2), shows("Truck1.GpsLost"), off_to_on),
    ("video-outage", "truck"): Case("Truck1", play(2), shows("Truck1.VideoLost"), off_to_on),
    ("breakdown", "truck"): Case("Truck1", play(2), shows("Truck1.BrokenDown"), off_to_on),
    ("leaking-chute", "truck"): Case("Truck1", driving, holds_kg("road"), lambda h, f: h == 0 and f > 50),
    ("water-added", "truck"): Case("Truck1", driving, holds_kg("Truck1"), near(60, 1e-6)),
    ("speeding-driver", "truck"): Case("Truck1", driving, lambda rig: rig.took_s, lambda h, f: f == pytest.approx(h / 1.4, rel=0.05)),  # the traffic changes by the hour
    ("off-route", "truck"): Case("Truck1", driving, lambda rig: rig.took_s, lambda h, f: f > 1.05 * h),
    ("weighbridge-drift", "weighbridge"): Case("Gate.Weighbridge", weighing_out, shows("Gate.Weighbridge.Mass"), near(0.02 * 28_000, 21)),
    ("truck-light-lost", "bay"): Case("Bay", parked, shows("Bay.TruckPresent"), on_to_off),
}  # fmt: skip

CATALOGUE = [(name, kind) for name, places in faults().items() for kind, _ in places]


@pytest.mark.parametrize(("name", "kind"), CATALOGUE, ids=[f"{kind}-{name}" for name, kind in CATALOGUE])
def test_a_fault_does_what_it_says(new_rig, name, kind):
    case = EXPECTED[name, kind]
    seen = []
    for faulty in (False, True):
        rig = new_rig()
        rig.play(0.5)
        if faulty:
            rig.fault(name, case.machine)
        case.play(rig)
        seen.append(case.look(rig))
    assert case.holds(*seen), f"healthy {seen[0]:g}, faulty {seen[1]:g}"


SENSOR_FAULTS = [
    ("sensor-offset", "Weigher.Sand1", "Gross"),
    ("sensor-drift", "Weigher.Sand1", "Gross"),
    ("sensor-freeze", "Weigher.Sand1", "Gross"),
    ("sensor-spike", "Weigher.Sand1", "Gross"),
    ("sensor-broken", "Weigher.Sand1", "Gross"),
    ("level-offset", "Silo.Cement1", "Level"),
    ("level-freeze", "Bin.Sand1", "Level"),
    ("wrong-moisture", "Probe.Sand1", "Moisture"),
    ("moisture-freeze", "Probe.Sand1", "Moisture"),
    ("belt-slip", "Belt", "Speed"),
]


@pytest.mark.parametrize(("name", "machine", "tag"), SENSOR_FAULTS, ids=[f"{machine}-{name}" for name, machine, _ in SENSOR_FAULTS])
def test_when_a_fault_is_over_the_plant_shows_the_truth_again(new_rig, name, machine, tag):
    seen = []
    for faulty in (False, True):
        rig = new_rig()
        if faulty:
            rig.fault(name, machine)
        rig["Belt.Run"] = 1
        rig.play(300, coarse=True)
        if faulty:
            rig.fault(name, machine, 0.0)
        rig.play(3)
        seen.append(rig[f"{machine}.{tag}"])
    assert seen[0] == seen[1]


# --- as a whole ---------------------------------------------------------------------------------------


def test_one_line_does_not_move_the_other(new_rig):
    rig = new_rig(design="twin-hzs240", line="Line2")
    busy(rig)
    moved = rig.plant.state.ledger.moved
    ours = [i for (a, b), i in rig.plant.links.items() if "Line1" in a + b and a not in ("opening", "mains")]
    assert moved.sum() > 1000 and moved[ours].sum() == 0
    assert not rig.plant.image["Line1.Mixer.Running"] and not rig.plant.image["Line1.Station.LinkOk"]
    assert rig["Station.LinkOk"]


def test_the_same_seed_and_commands_give_the_same_bits_and_another_seed_others(new_rig):
    hashes = []
    for seed in (1, 1, 2):
        rig = new_rig(seed)
        busy(rig)
        hashes.append(rig.plant.hash())
    assert hashes[0] == hashes[1] != hashes[2]
