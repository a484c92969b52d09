"""Silos, bins and tanks, seen from outside."""

from __future__ import annotations

import numpy as np
import pytest

# --- silos, bins, tanks -------------------------------------------------------------------------------

RESISTANCE = 40 / 24  # kPa per m³/s of the clean filter; the cake that forms adds to it
CAKE = 60 / 24**2  # kPa per m³/s for each kilogram of it


def cement_in_air(rig):
    return rig.state.ledger.stock[rig.holder("air"), 0]


def test_a_silo_fills_at_the_tankers_rate_under_filter_pressure_then_surges_and_breathes_out(rig):
    rig.tanker("Cement1", 1800, "cement")
    before = rig.kg("Silo.Cement1")
    rig.play(50, coarse=True)
    assert rig["Silo.Cement1.Filling"]
    assert rig.kg("Silo.Cement1") - before == pytest.approx(18 * 50, rel=0.01)
    assert rig["Silo.Cement1.Pressure"] == pytest.approx(0.25 * (RESISTANCE + CAKE * rig.kg("Silo.Cement1.Filter")), rel=0.01)
    rig.play(55, coarse=True)  # the tanker is empty after 100 s
    assert rig["Silo.Cement1.Pressure"] == pytest.approx(4 * 0.25 * (RESISTANCE + CAKE * rig.kg("Silo.Cement1.Filter")), rel=0.02)
    rig.play(15, coarse=True)
    assert rig["Silo.Cement1.Pressure"] == pytest.approx(4 * 0.25 * (RESISTANCE + CAKE * rig.kg("Silo.Cement1.Filter")), rel=0.02)
    rig.play(15, coarse=True)
    assert rig["Silo.Cement1.Pressure"] == 0 and not rig["Silo.Cement1.Filling"]
    assert rig.kg("Silo.Cement1.Tanker") == 0
    assert not rig["Silo.Cement1.ReliefOpen"]
    assert rig.kg("Silo.Cement1") + rig.kg("Silo.Cement1.Filter") - before == pytest.approx(1800, abs=0.01)


def test_filling_loses_what_the_filter_lets_pass(rig):
    """0.73 lb/ton uncontrolled, AP-42 Table 11.12-2, less the filter; the surge carries as much a second as filling."""
    before = cement_in_air(rig)
    rig.tanker("Cement1", 1800, "cement")
    rig.play(140, coarse=True)
    assert cement_in_air(rig) - before == pytest.approx(0.000365 * 0.0014 * (1800 + 18 * 25), rel=0.02)


def test_a_shut_pinch_valve_stops_the_filling(rig):
    rig.tanker("Cement1", 5000, "cement")
    rig["Silo.Cement1.FillOpen"] = 0
    rig.play(10)
    assert rig.kg("Silo.Cement1.Tanker") == 5000 and rig["Silo.Cement1.Pressure"] == 0
    assert rig["Silo.Cement1.Filling"]


def test_fresh_powder_is_aerated_and_settles(rig):
    rig.tanker("Cement1", 100, "cement")
    rig.play(4, coarse=True)
    silo = rig.record("Silo.Cement1")
    assert silo["aerated"] == 1
    rig.play(1200, coarse=True)
    assert silo["aerated"] == pytest.approx(np.exp(-1), abs=0.01)


def test_a_blinded_filter_opens_the_relief_valve_in_the_surge_only(rig):
    rig.fault("blinded-filter", "Silo.Cement1.Filter")
    rig.tanker("Cement1", 900, "cement")
    rig.play(45, coarse=True)
    assert rig["Silo.Cement1.Pressure"] == pytest.approx(7 * 0.25 * RESISTANCE, rel=0.03) and not rig["Silo.Cement1.ReliefOpen"]
    clean = cement_in_air(rig)
    rig.play(15, coarse=True)
    assert rig["Silo.Cement1.ReliefOpen"] and rig["Silo.Cement1.Pressure"] == pytest.approx(5.0)
    assert cement_in_air(rig) > 50 * clean
    rig.play(30, coarse=True)
    assert not rig["Silo.Cement1.ReliefOpen"] and rig["Silo.Cement1.Pressure"] == 0


def test_a_bin_is_fed_from_its_yard_and_runs_over(rig):
    yard, store = rig.kg("Bin.Sand1.Yard"), rig.kg("Bin.Sand1")
    rig["Bin.Sand1.Feed"] = 1
    rig.play(30, coarse=True)
    assert rig.kg("Bin.Sand1") - store == pytest.approx(120 * (30 - 3 / 2), rel=0.01)
    assert yard - rig.kg("Bin.Sand1.Yard") == pytest.approx(rig.kg("Bin.Sand1") - store)
    rig.play(100, coarse=True)
    assert rig.kg("Bin.Sand1") == pytest.approx(45_000) and rig.kg("ground") > 3000


def test_levels_show_the_stock(rig):
    assert np.mean(rig.watch("Silo.Cement1.Level", 5)) == pytest.approx(80, abs=0.3)
    assert np.mean(rig.watch("Bin.Sand1.Level", 5)) == pytest.approx(80, abs=0.6)
    assert rig["Bin.Sand1.Yard"] == pytest.approx(60)
    assert rig["Tank.Slurry.Level"] == pytest.approx(50)
    assert np.mean(rig.watch("Probe.Sand1.Moisture", 10)) == pytest.approx(5.0, abs=0.05)


def test_the_float_valve_refills_the_water_tank_and_shuts(rig):
    rig.plant.state.ledger.stock[rig.holder("Tank.Water"), 5] -= 12_000  # from 80 % to below its 50 %
    rig.plant.state.ledger.stock[rig.holder("ground"), 5] += 12_000
    rig.play(600, coarse=True)
    level = rig["Tank.Water.Level"]
    assert 64 < level < 66
    rig.play(60, coarse=True)
    assert rig["Tank.Water.Level"] == level and rig.kg("mains") < 0
