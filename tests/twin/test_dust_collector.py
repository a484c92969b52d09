"""Dust collectors: on a silo and behind hoods, stepped by any length of time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin import plant
from twin.design.load import load_design
from twin.design.schema import mistakes
from twin.equipment import dust_collector
from twin.ledger import SPECIES, book

SILO, MIXER = "Silo.Cement1", "Collector.Mixer"
VENT = f"{SILO}.Filter"
LB_TON = 0.0005  # kg/kg


class Bench:
    """One collector on its own: dust and air are given, time passes in steps of any length."""

    def __init__(self, rig, name=VENT, source=SILO, **figures):
        self.rig, self.name, self.state = rig, name, rig.state
        self.c = rig.record(name)
        for field, value in figures.items():
            self.c[field] = value
        at = rig.full(name)
        self.inlet = self.link(rig.full(source), at)
        self.air, self.back = self.link(at, "air"), int(self.c["back"])
        self.fed = 0.0

    def link(self, source, target):
        return self.rig.plant.link(source, target)

    def moved(self, link):
        return float(self.state.ledger.moved[link].sum())

    def feed(self, kg, species="cement"):
        book(self.state.ledger, self.inlet, SPECIES.index(species), kg)
        self.c["fed_kg"] += kg
        self.fed += kg

    def step(self, dt_s, kg=0.0, m3_s=0.0):
        if kg:
            self.feed(kg)
        self.c["pushed_m3_s"] = m3_s
        dust_collector.step(self.c, self.state, dt_s)

    @property
    def cake_kg(self):
        return self.rig.kg(self.name)

    @property
    def compressor_s(self):
        return float(self.state.motors[int(self.c["compressor"]), 0])


def emitted(rig, source):
    """TSP, PM10, PM2.5 in kg since the start."""
    k = rig.plant.sources.index(rig.full(source))
    return rig.state.emitted[k] + rig.state.released[k]


def fill(rig, seconds, dt_s, silo=SILO):
    """Play stores alone in steps of one length."""
    for _ in range(round(seconds / dt_s)):
        site = rig.state.site
        site["tick"] += round(100 * dt_s)
        site["watered"] = site["aired"] = site["tick"]  # the surroundings stand still
        plant.slow(rig.state)


# --- pressure drop and flow ---------------------------------------------------------------------------


@pytest.mark.parametrize("dt_s", [0.1, 5.0, 60.0])
def test_between_pulses_the_pressure_drop_follows_the_manual(rig, dt_s):
    """Δp = S_e·V + K₂·c·V²·t with 40,000 Pa·s/m and 60,000 1/s of the design."""
    bench, m3_s, load = Bench(rig, start_kpa=100.0, filter_pass=0.0), 0.25, 0.0263
    v = m3_s / 24
    for n in range(round(600 / dt_s)):
        bench.step(dt_s, load * m3_s * dt_s, m3_s)
        t = (n + 1) * dt_s
        assert bench.c["dp_kpa"] == pytest.approx(0.001 * (40_000 * v + 60_000 * load * v**2 * t), rel=1e-9)
    assert bench.c["dp_kpa"] > 1.2 * 0.001 * 40_000 * v


@pytest.mark.parametrize("cake_kg", [0, 10, 60])
def test_a_fan_runs_where_its_curve_meets_bags_and_cake(rig, cake_kg):
    bench = Bench(rig, MIXER, pulse_share=0.0)
    rig.put(MIXER, cement=cake_kg)
    rig[f"{MIXER}.FanRun"] = 1
    bench.step(5.0)
    q, r = bench.c["flow_m3_s"], (40_000 + 60_000 * cake_kg / 80) / 80
    assert r * q == pytest.approx(3500 * (1 - (q / (1.4 * 5000 / 3600)) ** 2), rel=1e-9)
    assert bench.c["dp_kpa"] == pytest.approx(0.001 * r * q, rel=1e-9)


def test_a_hood_draws_as_far_as_its_air_flows(rig):
    bench = Bench(rig, MIXER)
    assert dust_collector.captured_share(bench.c) == 0
    rig[f"{MIXER}.FanRun"] = 1
    bench.step(5.0)
    assert dust_collector.captured_share(bench.c) == 1
    rig.fault("blinded-filter", MIXER, 20)
    bench.step(5.0)
    assert dust_collector.captured_share(bench.c) == pytest.approx(bench.c["flow_m3_s"] / (5000 / 3600)) and bench.c["flow_m3_s"] < 0.5
    rig[f"{MIXER}.FanRun"] = 0
    bench.step(5.0)
    assert dust_collector.captured_share(bench.c) == 0


def test_without_voltage_the_fan_stands(rig):
    rig[f"{MIXER}.FanRun"] = 1
    rig.play(1)
    running, metered = rig[f"{MIXER}.FanRunning"], rig.state.motors[int(rig.record(MIXER)["fan_motor"])].copy()
    assert running and metered[0] == pytest.approx(1.0) and metered[1] == pytest.approx(7.5)
    rig.fault("power-dip", "Station")
    rig.play(1)
    assert not rig[f"{MIXER}.FanRunning"] and rig[f"{MIXER}.Flow"] == 0
    assert rig.state.motors[int(rig.record(MIXER)["fan_motor"]), 0] == metered[0]


@pytest.mark.parametrize("name", [MIXER, "Collector.Belt"])
def test_a_clean_line_collector_reaches_its_design_flow_and_is_left_in_peace(rig, name):
    rig[f"{name}.FanRun"] = 1
    rig.play(60, coarse=True)
    assert rig[f"{name}.Flow"] >= 3600 * rig.record(name)["design_m3_s"]
    assert rig[f"{name}.PressureDrop"] < rig[f"{name}.CleanBelow"] < rig[f"{name}.CleanAbove"] and not rig[f"{name}.Cleaning"]
    assert 0.5 < rig[f"{name}.AirToCloth"] < 2.0


# --- conservation -------------------------------------------------------------------------------------

moves = st.lists(
    st.tuples(
        st.sampled_from([0.05, 0.1, 1.0, 5.0, 17.3, 60.0]),  # s
        st.one_of(st.just(0.0), st.floats(1e-9, 5.0)),  # kg of dust
        st.one_of(st.just(0.0), st.floats(1e-3, 3.0)),  # m³/s pushed
        st.booleans(),  # cleaned by hand, fan on
        st.sampled_from(["", "blinded", "blown_bag", "valve_stuck", "no_air", "trip", "dp_offset"]),
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("name", [VENT, MIXER])
@given(plays=moves, every_s=st.sampled_from([0.0, 30.0, 300.0]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_fed_hangs_on_the_bags_or_fell_back_or_got_through(new_rig, name, plays, every_s):
    rig = new_rig()
    bench = Bench(rig, name, every_s=every_s)
    for dt_s, kg, m3_s, on, fault, severity in plays:
        if fault:
            bench.c[fault] = severity
        rig[f"{name}.Clean"] = on
        if name == MIXER:
            rig[f"{name}.FanRun"] = on
        bench.step(dt_s, kg, m3_s if name == VENT else 0.0)
        assert bench.cake_kg >= 0 and np.isfinite(bench.c["dp_kpa"]) and bench.c["fed_kg"] == 0
        assert 0 <= bench.c["air_kpa"] <= bench.c["full_kpa"] and bench.c["flow_m3_s"] >= 0 and bench.c["outlet_mg_m3"] >= 0
        through, back = bench.moved(bench.air), bench.moved(bench.back)
        assert bench.cake_kg + back + through == pytest.approx(bench.fed, rel=1e-12, abs=1e-15)
        assert emitted(rig, name)[0] == pytest.approx(through, rel=1e-12, abs=1e-15)
    assert rig.plant.residual() <= 1e-12


def test_each_kind_of_dust_falls_back_as_it_came(rig):
    bench = Bench(rig, MIXER, filter_pass=0.0)
    ash = bench.link("Line1.Silo.FlyAsh", "Line1.Collector.Mixer")
    bench.feed(3.0)
    book(rig.state.ledger, ash, SPECIES.index("fly_ash"), 1.0)
    bench.c["fed_kg"] += 1.0
    rig[f"{MIXER}.Clean"] = 1
    for _ in range(60):
        bench.step(10.0)
    back = rig.state.ledger.moved[bench.back]
    assert bench.cake_kg < 0.01
    assert back[SPECIES.index("cement")] == pytest.approx(3 * back[SPECIES.index("fly_ash")])


@pytest.mark.parametrize("dt_s", [0.1, 5.0])
def test_a_silo_keeps_what_was_delivered_less_what_was_emitted(rig, dt_s):
    before, in_air = rig.kg(SILO), rig.kg("air")
    rig.tanker("Cement1", 6000, "cement")
    fill(rig, 600, dt_s)
    assert rig.kg(f"{SILO}.Tanker") == 0 and not rig.record(SILO)["connected"]
    gone = rig.kg("air") - in_air
    assert rig.kg(SILO) + rig.kg(VENT) == pytest.approx(before + 6000 - gone, rel=1e-12)
    assert gone == pytest.approx(emitted(rig, VENT)[0] + emitted(rig, SILO)[0], rel=1e-9) and gone > 0
    # Pulses after the filling leave a fifth of the cake; cleaned by hand, all but a trace is back in the silo.
    rig[f"{VENT}.Clean"] = 1
    fill(rig, 900, dt_s)
    assert rig.kg(VENT) < 1e-4 and rig.kg(SILO) == pytest.approx(before + 6000 - gone, abs=1e-4)


# --- AP-42 --------------------------------------------------------------------------------------------


def lb_per_ton(rig, silo, species, seconds=300):
    """Emission for each ton blown in, while the tanker still has some."""
    rig.tanker(silo, 30_000, species)
    before = rig.kg(f"Silo.{silo}.Tanker")
    fill(rig, seconds, 1.0)
    return emitted(rig, f"Silo.{silo}.Filter") / (before - rig.kg(f"Silo.{silo}.Tanker")) / LB_TON


def test_cement_through_sound_bags_emits_the_controlled_factor(rig):
    """0.00099 and 0.00034 lb/ton, Table 11.12-2; the design's 0.0014 is 1 - 99.86 %, which has two digits."""
    assert lb_per_ton(rig, "Cement1", "cement")[:2] == pytest.approx([0.00099, 0.00034], rel=0.04)


def test_cement_through_exact_bags_emits_exactly_the_controlled_factor(rig):
    rig.record(VENT)["filter_pass"] = 0.00099 / 0.73
    assert lb_per_ton(rig, "Cement1", "cement")[0] == pytest.approx(0.00099, rel=1e-9)


@pytest.mark.parametrize(("silo", "species", "factor"), [("Cement1", "cement", 0.73), ("FlyAsh", "fly_ash", 3.14), ("Slag", "slag", 3.14)])
def test_without_bags_the_uncontrolled_factor(rig, silo, species, factor):
    rig.fault("blown-filter-bag", f"Silo.{silo}.Filter", 1)
    assert lb_per_ton(rig, silo, species)[0] == pytest.approx(factor, rel=1e-9)


# --- cleaning -----------------------------------------------------------------------------------------


def test_on_pressure_drop_it_cleans_from_the_start_down_to_the_stop(rig):
    bench = Bench(rig)
    seen = []
    for _ in range(18_000):
        bench.step(0.1, 2e-3, 0.25)
        seen.append((float(bench.c["dp_kpa"]), bool(bench.c["cleaning"])))
    starts = [dp for (dp, on), (_, was) in zip(seen[1:], seen, strict=False) if on and not was]
    stops = [dp for (dp, on), (_, was) in zip(seen[1:], seen, strict=False) if was and not on]
    assert len(starts) >= 2 and starts == pytest.approx([0.7] * len(starts), abs=0.001)
    assert len(stops) >= 1 and stops == pytest.approx([0.55] * len(stops), abs=0.001)
    assert max(dp for dp, _ in seen) < 0.71


@pytest.mark.parametrize("dt_s", [0.1, 5.0, 60.0, 3600.0])
def test_on_time_it_cleans_whatever_the_pressure_drop_and_the_step(rig, dt_s):
    """Ten hours, every 300 s, eight rows of 10 s: the same number of pulses however long the steps."""
    bench = Bench(rig, every_s=300.0, pulse_share=1e-9, start_kpa=0.001)
    for _ in range(round(36_000 / dt_s)):
        bench.step(dt_s, 0.0, 0.25)
    fires_s = 36_000 // 380 * 80 + max(36_000 % 380 - 300, 0)
    # Each pulse takes 12 kPa and the compressor gives 4 kPa a second.
    taken = bench.compressor_s * 4 + 500 - bench.c["air_kpa"]
    assert taken == pytest.approx(fires_s / 10 * 12, rel=1e-3 if dt_s < 300 else 0.6)


def test_on_time_and_on_pressure_drop_differ_under_the_same_dust(new_rig):
    cleaned = {}
    for every_s in (0.0, 300.0):
        bench = Bench(new_rig(), every_s=every_s)
        for _ in range(600):
            bench.step(1.0, 1e-4, 0.25)  # too little dust for the pressure drop to matter
        cleaned[every_s] = bench.moved(bench.back)
    assert cleaned[0.0] == 0 and cleaned[300.0] > 0.01


def test_after_the_filling_it_pulses_on_for_two_minutes(rig):
    for dt_s in (0.1, 7.0, 300.0):
        bench = Bench(rig, pulse_share=0.12)
        rig.put(VENT, cement=10 - bench.cake_kg)
        bench.step(0.1, 0.0, 0.1)
        for _ in range(round(400 / dt_s) + 1):
            bench.step(dt_s)
        assert bench.cake_kg == pytest.approx(10 * 0.88**12, rel=1e-6) and not bench.c["cleaning"]


def test_without_compressed_air_the_pressure_drop_climbs_and_stays(new_rig):
    dp = {}
    for fault in ("", "no-compressed-air"):
        rig = new_rig()
        bench = Bench(rig, air_kpa=230.0)  # what is in the receiver lasts for a few weak pulses
        if fault:
            rig.fault(fault, VENT)
        seen = []
        for _ in range(1200):
            bench.step(5.0, 0.033, 0.25)
            seen.append(float(bench.c["dp_kpa"]))
        dp[fault] = seen
    assert max(dp[""]) < 0.75
    last = dp["no-compressed-air"][600:]
    assert last == sorted(last) and last[-1] > 2 * max(dp[""])
    bench.c["no_air"] = 0.0  # the compressor is back: so is the filter
    for _ in range(600):
        bench.step(5.0, 0.033, 0.25)
    assert bench.c["dp_kpa"] < 0.75 and bench.c["air_kpa"] == bench.c["full_kpa"]


def test_a_weak_pulse_shakes_off_less_and_a_very_weak_one_nothing(new_rig):
    left = []
    for kpa in (500.0, 250.0, 190.0):
        rig = new_rig()
        bench = Bench(rig, air_kpa=kpa, no_air=1.0)
        rig.put(VENT, cement=10)
        rig[f"{VENT}.Clean"] = 1
        bench.step(10.0)
        left.append(bench.cake_kg)
    assert left == pytest.approx([8.8, 9.4, 10.0])


def test_the_compressor_runs_for_the_air_that_was_used(rig):
    bench = Bench(rig)
    rig[f"{VENT}.Clean"] = 1
    for _ in range(1000):
        bench.step(0.1)
    assert bench.compressor_s == pytest.approx(100 / 10 * 12 / 4)
    rig.fault("pulse-valve-stuck", VENT)
    for _ in range(1000):
        bench.step(0.1)
    assert bench.compressor_s == pytest.approx(100 / 10 * 12 / 4)


def test_its_controller_believes_its_sensor(rig):
    rig.fault("dp-offset", VENT, -0.8)
    bench = Bench(rig)
    for _ in range(500):
        bench.step(5.0, 0.033, 0.25)
    assert bench.c["dp_kpa"] > 0.8 and not bench.c["cleaning"]


# --- alarms -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("silo", "species"), [("Cement1", "cement"), ("FlyAsh", "fly_ash"), ("Slag", "slag")])
def test_a_sound_filter_raises_no_alarm_from_first_powder_to_last_air(rig, silo, species):
    vent = f"Silo.{silo}.Filter"
    rig.tanker(silo, 15_000, species)
    highest = 0.0
    for _ in range(1000):
        rig.play(1, coarse=True)
        highest = max(highest, rig[f"{vent}.PressureDrop"])
        assert not rig[f"{vent}.HighPressureDrop"] and not rig[f"{vent}.BagBroken"] and not rig[f"Silo.{silo}.ReliefOpen"]
    assert highest > rig.record(vent)["alarm_kpa"], "the surge alone is higher than the alarm, for less than its delay"


def test_a_burst_bag_is_seen_and_no_longer_when_the_air_stands(rig):
    rig.fault("blown-filter-bag", VENT)
    rig.tanker("Cement1", 1800, "cement")
    rig.play(60, coarse=True)
    assert rig[f"{VENT}.BagBroken"] and rig[f"{VENT}.OutletDust"] > 1000
    rig.play(300, coarse=True)
    assert not rig[f"{VENT}.BagBroken"] and rig[f"{VENT}.OutletDust"] == 0 and not rig[f"{VENT}.Cleaning"]


@pytest.mark.parametrize("name", [VENT, MIXER])
def test_a_blinded_filter_is_seen(rig, name):
    rig.fault("blinded-filter", name)
    if name == MIXER:
        rig[f"{name}.FanRun"] = 1
    else:
        rig.tanker("Cement1", 5000, "cement")
    rig.play(20, coarse=True)
    assert not rig[f"{name}.HighPressureDrop"]
    rig.play(20, coarse=True)
    assert rig[f"{name}.HighPressureDrop"]
    rig.record(name)["blinded"] = 0
    rig.play(1, coarse=True)
    assert not rig[f"{name}.HighPressureDrop"]


def test_a_blinded_filter_lifts_the_relief_valve_and_its_dust_goes_into_the_open(new_rig):
    out = {}
    for severity in (0, 20):
        rig = new_rig()
        rig.fault("blinded-filter", VENT, severity)
        rig.tanker("Cement1", 30_000, "cement")
        rig.play(60, coarse=True)
        out[severity] = rig[f"{SILO}.Pressure"], rig[f"{SILO}.ReliefOpen"], emitted(rig, SILO) + emitted(rig, VENT)
    assert not out[0][1] and out[20][1] and out[20][0] == pytest.approx(5) and out[0][0] < 0.6
    assert out[20][2][0] > 100 * out[0][2][0]
    # What the valve throws out has the sizes of raw dust: 0.47 of 0.73 lb/ton are PM10.
    assert out[20][2][1] / out[20][2][0] == pytest.approx(0.47 / 0.73, rel=0.02)


# --- steps of any length ------------------------------------------------------------------------------


@pytest.mark.parametrize(("dt_s", "emission", "cake"), [(1.0, 0.005, 0.02), (5.0, 0.01, 0.05), (20.0, 0.04, 0.2)])
def test_long_steps_tell_the_story_of_short_ones(new_rig, dt_s, emission, cake):
    """A tanker of 15 t; the surge of 25 s is a whole number of steps."""
    seen = []
    for step_s in (0.1, dt_s):
        rig = new_rig()
        rig.tanker("Cement1", 15_000, "cement")
        fill(rig, 800, step_s)
        mid = rig.kg(VENT)
        fill(rig, 400, step_s)
        motor = int(rig.record(VENT)["compressor"])
        seen.append((emitted(rig, VENT)[0], mid, rig.kg(VENT), rig.state.motors[motor, 0]))
    assert seen[1][0] == pytest.approx(seen[0][0], rel=emission)
    assert seen[1][1:] == pytest.approx(seen[0][1:], rel=cake)


def test_an_idle_collector_does_nothing(rig):
    names = [VENT, MIXER]
    rig.play(1)
    before = [rig.record(n).tobytes() for n in names]
    held = rig.state.ledger.stock.copy()
    for n in names:
        for _ in range(10):
            dust_collector.step(rig.record(n), rig.state, 60.0)
    assert [rig.record(n).tobytes() for n in names] == before and (rig.state.ledger.stock == held).all()


# --- in a design --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"returns_to": "Cement9"}, "no silo or bin 'Cement9'"),
        ({"returns_to": "Water"}, "no silo or bin 'Water'"),
        ({"over": "Belt"}, "two collectors stand over Belt"),
        ({"stop_kpa": 1.2}, "cleaning would stop above where it starts"),
    ],
)
def test_a_collector_that_cannot_be_is_a_mistake(change, said):
    design = load_design("hzs180")
    line = design.lines["Line1"]
    assert not list(mistakes(design))
    collectors = line.collectors | {"Mixer": line.collectors["Mixer"].model_copy(update=change)}
    wrong = design.model_copy(update={"lines": {"Line1": line.model_copy(update={"collectors": collectors})}})
    found = list(mistakes(wrong))
    assert [problem for _, problem, _ in found] == [said]
    assert found[0][0][:3] == ("lines", "Line1", "collectors")


def test_a_hole_lies_in_parallel_and_lowers_the_pressure_drop(rig):
    sound = Bench(rig)
    sound.step(1.0, m3_s=0.4)
    whole = float(sound.c["dp_kpa"])
    sound.c["blown_bag"] = 0.3
    sound.step(1.0, m3_s=0.4)
    assert sound.c["dp_kpa"] == pytest.approx(0.7 * whole)
    sound.c["blown_bag"] = 1.0
    sound.step(1.0, m3_s=0.4)
    assert 0 < sound.c["dp_kpa"] < 0.05 * whole


def test_the_exhaust_is_judged_by_the_mean_of_an_hours_air(rig):
    bench = Bench(rig, filter_pass=0.001)
    kg_m3 = 0.019  # 19 mg/m³ behind the bags
    for _ in range(20):
        bench.step(60.0, kg=kg_m3 * 24.0, m3_s=0.4)
    rig.play(0.1)
    assert rig[f"{VENT}.OutletHour"] == pytest.approx(19.0, rel=1e-3) and not rig[f"{VENT}.StackHigh"]
    for _ in range(20):
        bench.step(60.0, kg=1.5 * kg_m3 * 24.0, m3_s=0.4)
    dust_collector.sense(bench.c, rig.state)
    assert 20 < rig[f"{VENT}.OutletHour"] < 28.5 and rig[f"{VENT}.StackHigh"]
