"""Air and noise at a plant: what sources give off, what sprays keep down, what stations make of it."""

from __future__ import annotations

import numpy as np
import pytest
from machines import design_with

from twin import air
from twin.design.site import OFTEN_DB
from twin.engine import Engine
from twin.equipment import spray
from twin.equipment.delivery import Purchasing
from twin.equipment.dust_source import EROSION, GUST, HOPPER
from twin.equipment.monitor import BLANK
from twin.equipment.truck_wash import DRIVING, Gate
from twin.kernels import emission
from twin.kernels.water import evaporation_kg_m2_s
from twin.ledger import FINES, SAND, WATER, book
from twin.plant import Plant

MINUTE = 6000
STATIONS = ("West", "North", "East", "South")


class Air:
    """A plant of which only the surroundings are played, a minute at a time."""

    def __init__(self, design="hzs180", starts_h=8.0, **site):
        self.plant = Plant(design_with(design, **site), 3)
        self.state = self.plant.state
        self.state.site["starts_s"] = 3600 * starts_h
        self.state.monitors["scatter"] = 0.0
        self.state.monitors["drift_day"] = 0.0

    def __getitem__(self, tag):
        return self.plant.image[f"Air.Monitor.{tag}"]

    def source(self, name):
        """A dust source's record."""
        return self.state.dust_sources[self.plant.names["dust_source"].index(name)]

    def released(self, source):
        """TSP, PM10, PM2.5 that a place has given off, kg."""
        return self.state.released[self.plant.sources.index(source)].copy()

    def reclaim(self, kg):
        """A loader takes sand from the yard."""
        book(self.state.ledger, self.plant.link("Line1.Bin.Sand1.Yard", "Line1.Bin.Sand1"), SAND, kg)

    def vane(self, wind_from_deg):
        self.state.io[self.plant.table.index("Site.Weather.WindFrom")] = wind_from_deg

    def minutes(self, count=1, **state):
        for name, value in state.items():
            self.state.site[name] = value
        for _ in range(count):
            self.state.site["tick"] += MINUTE
            air.minute(self.state, 60.0)
        air.sense(self.state)

    def dusty(self, station, ug_m3, count=1):
        """Minutes with so much more dust of each size at one station: from a source of its own that reaches nobody else."""
        m = self.plant.record(f"Air.Monitor.{station}")
        self.state.chi[:] = 0.0
        self.state.site["dispersed"] = self.state.site["weather"]
        self.state.chi[m["row"], 0] = 1.0
        for _ in range(count):
            self.state.emitted[0] = 1e-9 * 60.0 * ug_m3
            self.minutes()

    def noise(self, db, count=1, peak_db=0.0, rare_db=0.0):
        """Minutes in which one motor makes so much noise at all stations, with blows so far above it."""
        self.state.sound[:] = 0.0
        self.state.sound[:, 0] = 10 ** (0.1 * db)
        self.state.peaks[0] = [10 ** (0.1 * d) if d else 0.0 for d in (peak_db, rare_db)]
        for _ in range(count):
            self.state.motors[0, 0] += 60.0
            self.minutes()


# --- sources ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wind_m_s", [0.5, 3.0, 8.0])
@pytest.mark.parametrize("enclosure", [0.3, 0.85, 1.0])
def test_an_enclosure_keeps_in_its_share_at_any_wind(enclosure, wind_m_s):
    left = {}
    for e in (0.0, enclosure):
        a = Air()
        a.source("Line1.Bin.Sand1.Reclaim")["enclosure"] = e
        a.minutes(wind_m_s=wind_m_s)
        before = a.released("Yard")
        a.reclaim(1000.0)
        a.minutes()
        left[e] = a.released("Yard") - before
    assert (left[0.0] > 0).all()
    np.testing.assert_allclose(left[enclosure], (1 - enclosure) * left[0.0], rtol=1e-12, atol=1e-18)


def test_a_spray_keeps_down_its_share_and_rain_what_the_roof_lets_in():
    def gone(keeps=0.0, rain_mm_h=0.0, enclosure=0.0):
        a = Air()
        a.source("Line1.Bin.Sand1.Reclaim")["enclosure"] = enclosure
        a.minutes(rain_mm_h=rain_mm_h)
        a.state.sprays["keeps"][a.plant.names["spray"].index("Air.Spray.Yard")] = keeps
        a.reclaim(1000.0)
        a.minutes()
        return a.released("Yard")[0]

    assert gone(keeps=0.6) == pytest.approx(0.4 * gone())
    assert gone(rain_mm_h=5) == pytest.approx(0.1 * gone())
    assert gone(rain_mm_h=5, enclosure=0.5) == pytest.approx((1 - 0.9 * 0.5) * gone(enclosure=0.5))


def test_a_hood_catches_what_it_draws_and_the_bags_hold_it():
    a = Air()
    d, c = a.source("Line1.Bin.Sand1.Weighing"), a.plant.record("Line1.Collector.Belt")
    d["enclosure"], c["flow_m3_s"] = 0.0, 0.5 * c["design_m3_s"]
    a.minutes()
    a.state.ledger.gone[a.plant.holder("Line1.Bin.Sand1")] += 1000.0
    bags = a.plant.holder("Line1.Collector.Belt")
    before = a.state.ledger.stock[bags].sum()
    a.minutes()
    raw = 1000.0 * emission.weigh_hopper_kg_kg(emission.TSP)
    assert d["equation"] == HOPPER
    assert a.state.ledger.stock[bags].sum() - before > 0.45 * raw  # with what the belt's transfer points add
    assert a.released("Line1.Bins")[0] == pytest.approx(0.55 * raw)
    assert a.plant.residual() < 1e-12


def test_only_a_windy_hour_erodes_a_pile_and_only_once():
    a = Air(dust={"yard_enclosure": 0.0})
    wind = 15.0
    a.minutes(60, wind_m_s=4.0)
    assert a.released("Yard")[0] == 0.0
    a.minutes(1, wind_m_s=wind)
    area = a.state.dust_sources["area_m2"][a.state.dust_sources["equation"] == EROSION].sum()
    first = a.released("Yard")
    np.testing.assert_allclose(first, 0.001 * area * emission.erosion_g_m2(GUST * wind, 1.02) * emission.EROSION_K, rtol=1e-4)
    a.minutes(120)
    np.testing.assert_allclose(a.released("Yard"), first, rtol=1e-4)  # the grams that left are dropped and lay a little bare


def test_a_stronger_wind_takes_the_rest_and_a_disturbed_patch_is_new():
    a = Air(dust={"yard_enclosure": 0.0})
    a.minutes(1, wind_m_s=15.0)
    first = a.released("Yard")[0]
    a.minutes(1, wind_m_s=18.0)
    both = emission.erosion_g_m2(GUST * 18, 1.02) / emission.erosion_g_m2(GUST * 15, 1.02)
    assert a.released("Yard")[0] == pytest.approx(both * first, rel=1e-4)
    d = a.source("Line1.Bin.Sand1.Wind")
    at_rest = a.released("Yard")[0]
    book(a.state.ledger, a.plant.link("suppliers", "Line1.Bin.Sand1.Yard"), int(d["species"]), 33_000.0)  # 33 t come in
    a.minutes()
    patch = 0.001 * 33 * 1.25 * emission.erosion_g_m2(GUST * 18, 1.02)
    drop = 33_000.0 * emission.drop_kg_kg(emission.TSP, 18.0, _moisture_pct(a, d))
    assert a.released("Yard")[0] - at_rest == pytest.approx(patch + drop, rel=5e-3)


def _moisture_pct(a, d):
    stock = a.state.ledger.stock[d["holder"]]
    return 100 * stock[WATER] / stock.sum()


# --- the road -----------------------------------------------------------------------------------------


def test_each_passage_drives_half_of_the_way_is_heard_and_brings_silt():
    a = Air()
    gate = Gate(Engine(a.plant, 1, lambda *_: None), a.plant.design)
    road = a.plant.holder("Water.Surface.Yard")
    silt = a.state.ledger.stock[road, FINES]
    gate.comes()
    assert a.state.site["driven_m"][0] == 90.0
    motor = [m.name for m in a.plant.motors].index(DRIVING)
    assert a.state.motors[motor, 0] == pytest.approx(90.0 / (15 / 3.6))
    assert a.state.ledger.stock[road, FINES] - silt == pytest.approx(0.3 * 4.0)
    assert a.plant.motors[motor].kind == "truck" and a.state.sound[:, motor].min() > 0


def test_a_delivery_comes_and_goes_by_the_same_gate_and_is_washed():
    a = Air()
    engine = Engine(a.plant, 1, lambda *_: None)
    buyer = Purchasing(engine)
    road, before = a.plant.holder("Water.Surface.Yard"), len(buyer.lots)
    a.plant.image["Water.TruckWash.Run"] = True
    silt = a.state.ledger.stock[road, FINES]
    buyer.arrive("Line1.Bin.Sand1")
    engine.env.run(until=600 * 100)
    came = len(buyer.lots) - before
    assert came >= 1 and a.state.site["driven_m"][0] == pytest.approx(180.0 * came)
    assert a.plant.record("Water.TruckWash")["washed"] == came
    assert a.state.ledger.stock[road, FINES] - silt == pytest.approx(0.3 * 4.0 * came)


def test_road_dust_follows_the_metres_driven_and_the_silt_and_a_wet_road_has_none():
    a = Air()
    road, area = a.plant.holder("Water.Surface.Yard"), 5000.0
    a.state.ledger.stock[road, FINES] = 0.002 * area
    a.minutes()
    a.state.site["driven_m"] += 1000.0
    a.minutes()
    first = a.released("Road")[0]
    assert first == pytest.approx(1e-3 * emission.paved_road_g_km(0, 2.0, 22.0), rel=1e-6)
    a.minutes(30)
    assert a.released("Road")[0] == first  # nobody drives
    a.state.ledger.stock[road, FINES] = 0.004 * area
    a.state.site["driven_m"] += 1000.0
    a.minutes()
    assert a.released("Road")[0] - first == pytest.approx(2**0.91 * first, rel=1e-6)
    dry = a.released("Road")[0]
    a.state.ledger.stock[road, WATER] = 0.2 * area
    a.state.site["driven_m"] += 1000.0
    a.minutes()
    assert a.released("Road")[0] == dry


# --- sprays -------------------------------------------------------------------------------------------


def test_a_spray_works_by_its_film_and_loses_it_as_it_dries():
    a = Air()
    y = a.plant.record("Air.Spray.Yard")
    a.plant.image["Air.Spray.Yard.Run"] = True
    for _ in range(10):
        spray.step(y, a.state, 60.0)
    film = a.state.ledger.stock[int(y["holder"]), WATER] / 1500.0
    wet = float(y["keeps"])
    assert wet == pytest.approx(0.75 * (1 - np.exp(-film / 0.4)), rel=1e-6) and film == pytest.approx(600 * 1.5 / 1500, rel=0.1)
    a.plant.image["Air.Spray.Yard.Run"] = False
    a.state.site["dries_kg_m2_s"] = evaporation_kg_m2_s(35.0, 0.3, 2.0, 500.0, 0.2)
    keeps = []
    for _ in range(40):
        spray.step(y, a.state, 600.0)
        keeps.append(float(y["keeps"]))
    assert keeps == sorted(keeps, reverse=True) and keeps[0] < wet and keeps[-1] == 0.0
    assert a.plant.residual() < 1e-12


# --- stations: averaging ------------------------------------------------------------------------------


def test_a_mean_needs_enough_minutes_of_the_clock():
    a = Air()
    a.dusty("East", 60.0, 44)
    assert a["East.TspHour"] == -1.0 and a["East.TspOver"] == -1e5
    a.dusty("East", 60.0, 1)
    assert a["East.TspHour"] == pytest.approx(160.0)
    a.dusty("East", 0.0, 60)
    assert a["East.TspHour"] == pytest.approx(100.0)


def test_minutes_of_an_outage_stay_blank():
    a = Air()
    a.dusty("East", 60.0, 60)
    m = a.plant.record("Air.Monitor.East")
    m["outage"] = 1.0
    a.dusty("East", 60.0, 20)
    assert a["East.Tsp"] == a["East.TspHour"] == a["East.Noise"] == -1.0 and a["East.Outage"]
    m["outage"] = 0.0
    a.dusty("East", 0.0, 44)
    assert a["East.TspHour"] == -1.0
    a.dusty("East", 0.0, 1)
    assert a["East.TspHour"] == pytest.approx(100.0), "nothing from before the outage is left in this hour"


def test_a_day_is_made_of_hours_of_the_clock_and_needs_twenty():
    a = Air(starts_h=0.0)
    a.dusty("East", 24.0, 20 * 60 - 1)
    assert a["East.Pm10Day"] == -1.0
    a.dusty("East", 24.0, 1)
    assert a["East.Pm10Day"] == pytest.approx(62.0 + 24.0)
    a.dusty("East", 0.0, 4 * 60)
    assert a["East.Pm10Day"] == pytest.approx(62.0 + 20.0)


def test_a_step_of_several_minutes_fills_them_all():
    a = Air()
    a.state.site["tick"] += 50 * MINUTE
    air.minute(a.state, 3000.0)
    a.minutes(45)
    m = a.plant.record("Air.Monitor.East")
    assert (m["hour"][0] > BLANK).sum() == 46 and m["minute"] == 8 * 60 + 94


def test_noise_starts_anew_at_night_and_keeps_day_and_night_apart():
    a = Air(starts_h=21.0)
    a.noise(62.0, 60)
    assert a["North.NoiseHour"] == pytest.approx(62.0, abs=0.3) and not a["North.NoiseHigh"]
    for _ in range(6):
        a.noise(48.0, 10)
        assert not a["North.NoiseHigh"], "62 dB of the day is no exceedance of the night"
    assert a["North.NoiseHour"] == pytest.approx(48.1, abs=0.3)
    assert a["North.NoiseDay"] == pytest.approx(62.0, abs=0.3) and a["North.NoiseNight"] == pytest.approx(48.1, abs=0.3)
    a.noise(58.0, 60)
    assert a["North.NoiseHigh"]


# --- stations: instrument -----------------------------------------------------------------------------


def test_drift_grows_until_the_instrument_is_calibrated():
    a = Air()
    a.state.monitors["drift_day"] = 0.01
    a.minutes(1440)
    assert a["East.Tsp"] == pytest.approx(101.0, abs=0.01)
    a.plant.image["Air.Monitor.East.Calibrate"] = True
    a.minutes()
    assert a["East.Tsp"] == pytest.approx(100.0, abs=0.01) and a["West.Tsp"] == pytest.approx(101.0, abs=0.01)


def test_routine_calibration_comes_by_itself():
    a = Air()
    a.state.monitors["drift_day"] = 0.01
    a.state.monitors["interval"] = 720 * MINUTE
    a.minutes(721)
    assert a["East.Tsp"] == pytest.approx(100.0, abs=0.01)


# --- stations: the reference and the alarms -----------------------------------------------------------


@pytest.mark.parametrize(("wind_from_deg", "upwind"), [(270, "West"), (0, "North"), (90, "East"), (180, "South")])
def test_the_reference_lies_upwind(wind_from_deg, upwind):
    a = Air()
    a.vane(wind_from_deg)
    a.dusty("East", 80.0, 45)
    for name in STATIONS:
        assert a[f"{name}.TspOver"] == pytest.approx(80.0 * ((name == "East") - (upwind == "East")))


def test_without_the_upwind_station_the_next_one_is_taken_and_one_alone_has_no_reference():
    a = Air()
    a.vane(270)
    a.plant.record("Air.Monitor.West")["outage"] = 1.0
    a.dusty("East", 80.0, 45)
    assert a["East.TspOver"] == pytest.approx(80.0)
    for name in ("North", "South"):
        a.plant.record(f"Air.Monitor.{name}")["outage"] = 1.0
    a.dusty("East", 80.0, 60)
    assert a["East.TspOver"] == -1e5 and a["East.TspHour"] == pytest.approx(180.0)


def test_one_station_that_reads_low_raises_no_alarm_at_the_others():
    a = Air(ambient={"tsp_ug_m3": 500.0})
    a.vane(0)
    a.plant.record("Air.Monitor.South")["drifting"] = -0.9
    a.minutes(60)
    assert a["South.Tsp"] == pytest.approx(50.0)
    assert not any(a[f"{name}.TspHigh"] for name in STATIONS)


@pytest.mark.parametrize(
    ("protected", "over", "alarms"),
    [(False, 80, set()), (False, 95, {"Pm10High"}), (False, 310, {"Pm10High", "TspHigh"}), (False, 510, {"Pm10High", "TspHigh", "FugitiveHigh"}),
     (True, 125, {"Pm10High", "TspHigh"})],
)  # fmt: skip
def test_each_hourly_limit_of_dust_has_its_alarm(protected, over, alarms):
    a = Air(protected=protected)
    a.dusty("East", float(over), 60)
    names = ("TspHigh", "FugitiveHigh", "Pm10High", "Pm10DayHigh", "Pm25DayHigh")
    assert {n for n in names if a[f"East.{n}"]} == alarms
    assert not any(a[f"North.{n}"] for n in names)


@pytest.mark.parametrize(("over", "alarms"), [(34, set()), (36, {"Pm25DayHigh"}), (51, {"Pm10DayHigh", "Pm25DayHigh"})])
def test_each_daily_limit_of_dust_has_its_alarm(over, alarms):
    a = Air(starts_h=0.0, protected=True)
    a.dusty("East", float(over), 20 * 60)
    assert {n for n in ("Pm10DayHigh", "Pm25DayHigh") if a[f"East.{n}"]} == alarms


@pytest.mark.parametrize(
    ("starts_h", "often", "rare", "high"),
    [(12.0, 20, 0, False), (23.0, 9, 0, False), (23.0, 16, 0, True), (23.0, 0, 18, False), (23.0, 0, 22, True)],
)
def test_night_peaks_are_judged_by_how_often_they_come(starts_h, often, rare, high):
    """50 dB at the fence, class 3: 55 dB at night; frequent blows may reach 65, occasional ones 70."""
    a = Air(starts_h=starts_h)
    a.noise(50.0, 2, often, rare)
    assert a["North.NoiseMax"] == pytest.approx(50 + max(often, rare), abs=1.5)
    assert a["North.NoisePeakHigh"] is high


def test_a_loader_bangs_and_a_pump_does_not():
    a = Air()
    by_kind = {m.kind: k for k, m in enumerate(a.plant.motors)}
    assert a.state.peaks[by_kind["loader"]].tolist() == pytest.approx([10 ** (0.1 * OFTEN_DB["loader"]), 0.0])
    assert a.state.peaks[by_kind["pump"]].tolist() == [0.0, 0.0] and a.state.peaks[by_kind["tanker"], 1] > 0


# --- neighbours, layout -------------------------------------------------------------------------------


def test_a_neighbour_is_reached_but_has_no_tags():
    a = Air(neighbours={"School": {"at": (300.0, 45.0)}})
    a.minutes(5)
    assert not [t.name for t in a.plant.table if "School" in t.name]
    m = a.state.monitors[a.plant.names["monitor"].index("Air.Neighbour.School")]
    assert m["sum_count"] == 5 and m["sum_air"][0] == pytest.approx(500.0) and m["max_db"] > 30


def test_local_winds_make_it_quieter_far_away_only():
    far = {"neighbours": {"House": {"at": (400.0, 45.0)}}}
    always, seldom = Air(**far), Air(**far, c0_db=3.0)
    gain = 10 * np.log10(seldom.state.sound / always.state.sound)
    assert gain[4].max() < -1.5 and gain[4].min() > -3.0
    motor = [m.name for m in always.plant.motors].index("Line1.Mixer")
    assert gain[2, motor] == pytest.approx(0.0)  # 60 m: within ten times the heights


def test_a_plant_without_stations_runs():
    a = Air(monitors={})
    assert a.state.sound.shape == (0, len(a.plant.motors))
    a.minutes(3)


def test_the_plant_of_the_benchmark_without_surroundings_is_built():
    from batchtwin.bench.air import bare
    from twin.design.load import load_design

    for name in ("hzs180", "benchmark-180"):
        assert len(Plant(bare(load_design(name)), 1).state.monitors) == 0


def test_a_tanker_that_is_blown_out_is_heard(rig):
    motor = [m.name for m in rig.plant.motors].index("Line1.Tanker")
    rig.play(5)
    assert rig.state.motors[motor, 0] == 0.0
    rig.tanker("Cement1", 90, "cement")
    rig.play(60)
    assert 5 <= rig.state.motors[motor, 0] < 60  # 90 kg, then the blow-down
