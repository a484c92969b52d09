"""AP-42: the equations against the tables that EPA worked out with them."""

from __future__ import annotations

import pytest

from twin.kernels import emission
from twin.kernels.emission import LB_PER_TON, MPH, PM10, TSP

TEN_MPH = 10 * MPH


@pytest.mark.parametrize(("moisture", "tsp", "pm10"), [(1.77, 0.00692, 0.00327), (4.17, 0.00208, 0.00099)], ids=["aggregate", "sand"])
def test_drops_of_aggregate_and_sand(moisture, tsp, pm10):
    """Table 11.12-2, lb/ton, made with equation 13.2.4 at 10 mph."""
    assert emission.drop_kg_kg(TSP, TEN_MPH, moisture) / LB_PER_TON == pytest.approx(tsp, abs=5e-6)
    assert emission.drop_kg_kg(PM10, TEN_MPH, moisture) / LB_PER_TON == pytest.approx(pm10, abs=5e-6)


# ap42.mix_yd3: pounds in a cubic yard; ap42.plantwide_yd3: pounds of PM for it.
MIX = {"coarse": 1865, "sand": 1428, "cement": 491, "supplement": 73}
PLANT = [
    ("aggregate transfer", lambda: MIX["coarse"] * emission.drop_kg_kg(TSP, TEN_MPH, 1.77), 0.0064),
    ("sand transfer", lambda: MIX["sand"] * emission.drop_kg_kg(TSP, TEN_MPH, 4.17), 0.0015),
    ("cement silo", lambda: MIX["cement"] * emission.silo_kg_kg(TSP, False) * 0.00099 / 0.73, 0.0002),
    ("supplement silo", lambda: MIX["supplement"] * emission.silo_kg_kg(TSP, True) * 0.0089 / 3.14, 0.0003),
    ("weigh hopper", lambda: (MIX["coarse"] + MIX["sand"]) * emission.weigh_hopper_kg_kg(TSP), 0.0079),
]


@pytest.mark.parametrize(("made", "pounds"), [p[1:] for p in PLANT], ids=[p[0] for p in PLANT])
def test_the_table_for_a_cubic_yard(made, pounds):
    """Table 11.12-5, lb/yd³; printed to four decimals and made from factors of two digits."""
    assert made() == pytest.approx(pounds, abs=6e-5)


def test_more_wind_more_dust_more_moisture_less():
    assert emission.drop_kg_kg(TSP, 4, 2) > emission.drop_kg_kg(TSP, 3, 2) > emission.drop_kg_kg(TSP, 3, 3) > 0


def test_a_clean_road_gives_off_nothing_and_a_dirty_one_by_its_power_law():
    assert emission.paved_road_g_km(TSP, 0.0, 20) == 0
    assert emission.paved_road_g_km(TSP, 24, 20) / emission.paved_road_g_km(TSP, 12, 20) == pytest.approx(2**0.91)
    assert emission.paved_road_g_km(PM10, 1.0, 0.90718) == pytest.approx(0.62)


def test_wind_below_the_threshold_erodes_nothing():
    """A conical pile of AP-42 Table 13.2.5-3: u* = 0.10 × 0.9 × wind at its most exposed 12 %."""
    assert emission.erosion_g_m2(1.02 / 0.09, 1.02) == pytest.approx(0, abs=1e-9)
    assert emission.erosion_g_m2(13.0, 1.02) == pytest.approx(0.12 * (58 * 0.15**2 + 25 * 0.15), rel=1e-6)
    assert emission.erosion_g_m2(20.0, 1.02) == pytest.approx(
        0.12 * (58 * 0.78**2 + 25 * 0.78) + 0.48 * (58 * 0.18**2 + 25 * 0.18), rel=1e-6
    )


def test_silo_dust_is_of_one_fineness():
    """PM2.5 is 15 % of PM for cement and for supplement."""
    for supplement in (False, True):
        assert emission.silo_kg_kg(emission.PM25, supplement) / emission.silo_kg_kg(TSP, supplement) == pytest.approx(0.15, abs=0.001)
