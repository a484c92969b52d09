"""Weather: normals reproduced, years repeatable, files read, spells exact, the sun where it belongs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pvlib
import pytest

from scenarios import climate
from scenarios.schema import Scenario
from scenarios.simulation import Simulation
from scenarios.weather import Weather
from twin.errors import BatchtwinError

YEARS = 200
MONTH = np.repeat([(np.datetime64("2025-01-01") + d).astype(object).month - 1 for d in range(365)], 24)
START = datetime(2025, 1, 1)


@pytest.fixture(scope="module", params=climate.places())
def years(request: Any) -> Any:
    print(f"{YEARS} years from seed 5000")
    return climate.normals(request.param), [climate.drawn(request.param, START, 8760, 5000 + k) for k in range(YEARS)]


def test_drawn_years_have_the_normals(years: Any) -> None:
    normals, drawn = years
    per_month = np.bincount(MONTH)
    air = np.mean([np.bincount(MONTH, h.air_c) / per_month for h in drawn], axis=0)
    np.testing.assert_allclose(air, normals.air_c, atol=0.5)
    rain = np.mean([np.bincount(MONTH, h.rain_mm) for h in drawn], axis=0)
    np.testing.assert_allclose(rain, normals.rain_mm, rtol=0.15)
    assert rain.sum() == pytest.approx(sum(normals.rain_mm), rel=0.05)
    wind = np.mean([np.bincount(MONTH, h.wind_m_s) / per_month for h in drawn], axis=0)
    np.testing.assert_allclose(wind, normals.wind_m_s, rtol=0.1)


def test_storms_come_in_summer(years: Any) -> None:
    _, drawn = years
    hardest = np.array([h.rain_mm.max() for h in drawn])
    assert np.median(hardest) > 25 and hardest.max() < 150
    months = [int(MONTH[int(np.argmax(h.rain_mm))]) for h in drawn]
    assert np.mean([4 <= m <= 8 for m in months]) > 0.75


def test_a_year_is_the_same_wherever_a_run_begins_in_it() -> None:
    whole, late = climate.drawn("wuhan", START, 8760, 3), climate.drawn("wuhan", datetime(2025, 6, 1), 100, 3)
    skip = (datetime(2025, 6, 1) - START).days * 24
    assert (whole.rain_mm[skip : skip + 100] == late.rain_mm).all()
    assert (climate.drawn("wuhan", START, 8760, 4).rain_mm != whole.rain_mm).any()


def test_the_sun_stands_highest_at_noon_of_the_solstice() -> None:
    """90° less latitude plus declination: 90 - 30.6 + 23.44 at Wuhan; noon is near 12:24 by the clock of China."""
    minutes = 24 * 60
    elevation, clear = climate.sun(datetime(2026, 6, 21), 60.0, minutes, 30.6, 114.1, np.zeros(minutes))
    assert elevation.max() == pytest.approx(90 - 30.6 + 23.44, abs=0.1)
    assert abs(int(np.argmax(elevation)) - (12 * 60 + 25)) <= 3
    top = np.sin(np.radians(elevation.max()))
    assert clear.max() == pytest.approx(1098 * top * np.exp(-0.057 / top), rel=1e-6) and clear[0] == 0
    _, dull = climate.sun(datetime(2026, 6, 21), 60.0, minutes, 30.6, 114.1, np.ones(minutes))
    np.testing.assert_allclose(dull, 0.25 * clear)


def scenario(**weather: Any) -> Scenario:
    return Scenario.model_validate({"name": "sky", "title": {"en": "x", "zh": "x"}, "starts": "2026-07-04 06:00:00", "lasts": "6h", "fidelity": "batch",
                                    "orders": [{"site": "s", "grade": "C30", "volume_m3": 6, "start": "06:10"}], "weather": weather})  # fmt: skip


def test_a_spell_of_rain_brings_its_volume_to_the_kilogram() -> None:
    spell = {"begins": "07:07", "ends": "08:20", "mm_h": 36}
    sim = Simulation(scenario(rain=[spell], humidity=1.0))
    sim.run()
    plant = sim.plant
    open_m2 = sum(float(a["area_m2"]) for a in plant.state.surfaces) + sum(
        float(b["area_m2"]) for b in plant.state.basins if not b["covered"]
    )
    fell = -plant.state.ledger.stock[plant.holder("rain")].sum()
    assert fell == pytest.approx(36 * 73 / 60 * open_m2, rel=0.01)  # basins and surfaces step every half minute


def test_a_forecast_knows_the_storm_about() -> None:
    weather = Weather(scenario(rain=[{"begins": "10:00", "ends": "11:00", "mm_h": 50}]), 1)
    assert 15 < weather.at(0.0)["forecast_mm"] < 170 and weather.at(5.5 * 3600)["forecast_mm"] == 0


def test_the_same_seed_the_same_weather_to_the_bit() -> None:
    one, two, other = (Weather(scenario(climate="wuhan"), s) for s in (1, 1, 2))
    assert one.at(3000.0) == two.at(3000.0) != other.at(3000.0)


# --- files --------------------------------------------------------------------------------------------


def epw(path: Path, hours: int = 8760) -> Path:
    head = "LOCATION,Testtown,-,CHN,none,0,30.0,110.0,8.0,50.0\n" + "".join(f"LINE {k}\n" for k in range(7))
    rows = []
    for h in range(hours):
        day = (np.datetime64("2001-01-01") + h // 24).astype(object)
        fields = ["0"] * 35
        fields[0:6] = [str(2001), str(day.month), str(day.day), str(h % 24 + 1), "60", "?"]
        fields[6], fields[8], fields[9], fields[20], fields[21], fields[22] = f"{h % 24:.1f}", "60", "100000", "90", "3.5", "4"
        fields[33] = "2.0" if h % 24 == 15 else "0.0"
        rows.append(",".join(fields))
    path.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_typical_year_file_is_read(tmp_path: Path) -> None:
    weather = Weather(scenario(file=str(epw(tmp_path / "town.epw"))), 1)
    now = weather.at(9.5 * 3600)
    assert now["humidity"] == 0.6 and now["wind_m_s"] == 3.5 and now["wind_from_deg"] == 90 and now["cloud"] == 0.4
    assert now["air_c"] == pytest.approx(15.5) and now["rain_mm_h"] == 2.0 and now["pressure_hpa"] == 1000


@pytest.mark.parametrize("damage", ["missing", "text", "short"])
def test_a_bad_file_is_one_clear_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "town.epw"
    if damage == "text":
        path.write_text("this is no weather\n" * 20, encoding="utf-8")
    elif damage == "short":
        epw(path, 100)
    with pytest.raises(BatchtwinError) as caught:
        Simulation(scenario(file=str(path)))
    assert caught.value.code == "E103" and "town.epw" in str(caught.value) and "\n" not in str(caught.value)
    assert "give a readable file" in str(caught.value) and "YAML" not in str(caught.value)


def test_a_climate_that_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(BatchtwinError, match="wuhan"):
        Simulation(scenario(climate="wuhn"))
    with pytest.raises(BatchtwinError, match="both given"):
        Simulation(scenario(climate="wuhan", file="x.epw"))


def test_the_sun_stands_where_pvlib_has_it() -> None:
    """Against the almanac that pvlib carries, through a year, in three places."""
    times = pd.date_range("2026-01-01", "2027-01-01", freq="97min", tz="UTC")
    days = (times - pd.Timestamp("2000-01-01 12:00", tz="UTC")).total_seconds().to_numpy() / 86400
    for latitude, longitude in ((30.6, 114.1), (-33.9, 18.4), (64.1, -21.9)):
        theirs = pvlib.solarposition.get_solarposition(times, latitude, longitude, method="ephemeris")["elevation"].to_numpy()
        assert np.abs(climate.sun_elevation_deg(days, latitude, longitude) - theirs).max() < 0.02
