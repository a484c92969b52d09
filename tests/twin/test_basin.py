"""Settling and basins: Stokes, the analytic chain of stirred tanks, weirs, and an agitator that must not stand too long."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twin.equipment import basin as machine
from twin.kernels import water as w
from twin.kernels.mixing import DENSITY
from twin.ledger import FINES, WATER, book
from twin.plant import water as step_water

CLEAR, CHAIN = "Water.Basin.Clear", [f"Water.Basin.Settling{k}" for k in (1, 2, 3)]


# --- kernels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("micron", [2, 5, 10, 20])
def test_small_grains_fall_as_stokes_says(micron):
    d = micron * 1e-6
    stokes = (2650 - 1000) * 9.81 * d**2 / (18 * 1e-3)
    assert w.settling_m_s(d, 2650.0) == pytest.approx(stokes, rel=0.02)


def test_large_grains_fall_slower_than_stokes_by_the_turbulent_limit():
    """Ferguson & Church: w → sqrt(4·R·g·D/(3·C₂)) for coarse grains."""
    d = 0.02
    assert w.settling_m_s(d, 2650.0) == pytest.approx(math.sqrt(4 * 1.65 * 9.81 * d / 3), rel=0.01)


def test_crowded_grains_hinder_one_another():
    v = w.settling_m_s(20e-6, 2500.0)
    assert w.hindered(v, 20e-6, 0.0) == v
    assert w.hindered(v, 20e-6, 0.1) == pytest.approx(v * 0.9**4.65)
    assert w.hindered(1.0, 0.02, 0.1) == pytest.approx(0.9**2.39)


def test_evaporation_of_a_fine_day():
    """Penman 1948 by hand at 20 °C, 50 %, 2 m/s at 10 m, 250 W/m², half cloud.

    es = 17.53 mmHg, e = 8.77, Δ = 1.087 mmHg/K, γ = 0.49; u₂ = 1.496 m/s, Ea = 0.35·1.808·8.77 = 5.55 mm/d;
    H = 0.95·250 - 418.8·(0.56 - 0.092·2.961)·0.55 = 237.5 - 66.2 = 171.3 W/m² = 6.04 mm/d;
    E = (1.087·6.04 + 0.49·5.55)/1.577 = 5.89 mm/d.
    """
    assert 86400 * w.evaporation_kg_m2_s(20.0, 0.5, 2.0, 250.0, 0.5) == pytest.approx(5.89, rel=0.005)


def test_evaporation_has_its_two_limits():
    """In saturated air the radiation alone drives it, in the dark the wind alone, less what radiates away; there is no dew."""
    sunny = [w.evaporation_kg_m2_s(20.0, 1.0, wind, 400.0, 1.0) for wind in (0.0, 8.0)]
    assert sunny[0] == sunny[1] > 0
    assert w.evaporation_kg_m2_s(20.0, 1.0, 2.0, 0.0, 0.3) == 0
    dark = [86400 * w.evaporation_kg_m2_s(20.0, 0.5, wind, 0.0, 1.0) for wind in (2.0, 12.0)]
    per_m_s = 0.35 * 0.54 * w.WIND_2_M * 0.5 * 17.53 * 0.49 / (1.087 + 0.49)
    assert dark[1] - dark[0] == pytest.approx(10 * per_m_s, rel=0.005)
    assert 0.747 < w.WIND_2_M < 0.749  # 4.87/ln(67.8·10 - 5.42)


# --- a basin ------------------------------------------------------------------------------------------


@pytest.fixture
def dry(rig):
    """No rain, no evaporation: humidity of 1."""
    rig.state.site["humidity"] = 1.0
    return rig


def pour(rig, basin, water_kg, fines_kg):
    """Let grey water run into a basin, from the mains and off the trucks."""
    ledger = rig.state.ledger
    for species, kg in ((WATER, water_kg), (FINES, fines_kg)):
        ledger.stock[rig.holder(basin), species] += kg
        ledger.stock[0, species] -= kg


def play(rig, seconds, dt_s=1.0, each=lambda: None):
    for _ in range(round(seconds / dt_s)):
        each()
        step_water(rig.state, dt_s)


def concentration(rig, basin):
    kg = rig.state.ledger.stock[rig.holder(basin)]
    return kg[FINES] / kg[WATER]


def velocity():
    return w.settling_m_s(w.GRAIN_M[FINES], DENSITY[FINES])


def test_a_still_basin_clears_exponentially(dry):
    name = CHAIN[0]
    pour(dry, name, 0.0, 20.0)
    before, volume = dry.state.ledger.stock[dry.holder(name), FINES], w.volume_m3(dry.state.ledger.stock[dry.holder(name)])
    play(dry, 1800)
    left = dry.state.ledger.stock[dry.holder(name), FINES]
    assert left / before == pytest.approx(math.exp(-velocity() * 16 * 1800 / volume), rel=0.01)
    assert dry.kg(f"{name}.Sludge") == pytest.approx((before - left) / machine.BED_SOLIDS, rel=1e-6)


def test_a_chain_of_basins_is_the_product_of_its_stages(dry):
    """Each stage lets C_in/(1 + v·A/Q) over its weir."""
    q_kg_s, share = 2.0, 1e-4  # thin enough not to hinder
    for name in CHAIN:
        dry.put(name, water=2000.5 - 0.5)
    play(dry, 24 * 3600, 5.0, lambda: pour(dry, CHAIN[0], 5 * q_kg_s, 5 * q_kg_s * share))
    found = [concentration(dry, name) for name in CHAIN]
    stage = 1 / (1 + velocity() * 16 / (q_kg_s / 1000))
    assert found == pytest.approx([share * stage ** (k + 1) for k in range(3)], rel=0.02)


def test_a_stirred_tank_washes_out_exponentially(dry):
    name = "Water.Basin.Slurry"
    dry.put(name, water=80_000 - dry.kg(name))  # full to the weir
    dry[f"{name}.AgitatorRun"] = 1
    play(dry, 60)
    before = concentration(dry, name)
    play(dry, 4 * 3600, 1.0, lambda: pour(dry, name, 4.0, 0.0))
    assert concentration(dry, name) / before == pytest.approx(math.exp(-4.0 * 4 * 3600 / 80_000), rel=0.03)


def test_steps_of_one_second_and_of_half_a_minute_agree(new_rig):
    found = []
    for dt_s in (1.0, 30.0):
        rig = new_rig()
        rig.state.site["humidity"] = 1.0
        play(rig, 6 * 3600, dt_s, lambda rig=rig, dt_s=dt_s: pour(rig, CHAIN[0], 2 * dt_s, 0.002 * dt_s))
        found.append([concentration(rig, name) for name in CHAIN])
    assert found[1] == pytest.approx(found[0], rel=0.05)


def test_what_a_full_basin_gets_it_gives_over_its_weir(dry):
    dry.put(CLEAR, water=120_000 - dry.kg(CLEAR))
    before = dry.kg("discharge")
    play(dry, 600, 1.0, lambda: pour(dry, CLEAR, 5.0, 0.0))
    assert dry.kg("discharge") - before == pytest.approx(3000, rel=1e-6)
    dry.play(1)
    assert dry[f"{CLEAR}.Overflowing"] is False  # the inflow has stopped


def bed_m3(rig, name):
    return w.volume_m3(rig.state.ledger.stock[rig.holder(f"{name}.Sludge")])


def test_a_basin_full_of_mud_lets_what_comes_go_on(dry):
    """The bed never takes more than the volume; as it grows the basin keeps less and less back."""
    name, kept = CHAIN[0], []
    for _ in range(120):
        before = dry.kg(f"{name}.Sludge")
        play(dry, 3600, 30.0, lambda: pour(dry, name, 24.0, 6.0))
        kept.append((dry.kg(f"{name}.Sludge") - before) * machine.BED_SOLIDS / 720)
        held = bed_m3(dry, name) + w.volume_m3(dry.state.ledger.stock[dry.holder(name)])
        assert held <= 40 * (1 + 1e-12)
    assert max(kept) > 0.6 and kept[-1] < 0.1 and bed_m3(dry, name) < 40
    assert dry.kg(f"{CHAIN[1]}.Sludge") > 10_000  # the next stage gets it


def test_a_leak_is_a_discharge_and_told_from_the_weir(dry):
    dry.fault("leaking-basin", CHAIN[1], 2.0)
    before = dry.kg("discharge")
    play(dry, 600)
    assert dry.kg("discharge") - before == pytest.approx(1200) and dry.kg("soil") == 0
    moved = dry.state.ledger.moved[dry.plant.link(f"{CHAIN[1]}.Leak", "discharge")]
    assert moved.sum() == pytest.approx(1200)


# --- the agitator -------------------------------------------------------------------------------------


def stop_agitator(rig, hours):
    name = "Water.Basin.Slurry"
    rig.put(name, fines=15_000)
    rig[f"{name}.AgitatorRun"] = 1
    play(rig, 600)
    rig[f"{name}.AgitatorRun"] = 0
    play(rig, hours * 3600, 10.0)
    bed = rig.kg(f"{name}.Sludge")
    rig[f"{name}.AgitatorRun"] = 1
    play(rig, 1800)
    return name, bed


def test_an_agitator_restarted_in_time_takes_the_bed_up_again(dry):
    name, bed = stop_agitator(dry, 1.0)
    assert bed > 5000 and dry.kg(f"{name}.Sludge") < 0.01 * bed
    assert not dry.record(name)["stalled"]


def test_one_restarted_too_late_stalls_until_it_is_jetted_loose(dry):
    name, bed = stop_agitator(dry, 12.0)
    assert dry.record(name)["stalled"] and dry.kg(f"{name}.Sludge") > 0.9 * bed
    dry[f"{name}.AgitatorReset"] = 1
    play(dry, 2 * 3600, 10.0)
    dry[f"{name}.AgitatorReset"] = 0
    play(dry, 1800)
    assert not dry.record(name)["stalled"] and dry.kg(f"{name}.Sludge") < 0.05 * bed


def test_solids_meter_shows_the_suspension(dry):
    name = "Water.Basin.Slurry"
    dry[f"{name}.AgitatorRun"] = 1
    dry.play(3)
    kg = dry.state.ledger.stock[dry.holder(name)]
    assert np.mean(dry.watch(f"{name}.Solids", 3)) == pytest.approx(100 * kg[FINES] / kg.sum(), rel=0.01)


def test_rain_falls_in_and_the_sun_takes_out(rig):
    site = rig.state.site
    site["rain_mm_h"], site["humidity"] = 30.0, 1.0
    rig.state.surfaces["gully"] = 1.0  # nothing comes from the yard
    before = rig.kg(CLEAR) + rig.kg(CHAIN[2])
    play(rig, 3600, 10.0)
    caught = 30 * (40 + 16)
    assert rig.kg(CLEAR) + rig.kg(CHAIN[2]) - before == pytest.approx(caught, rel=1e-6)  # the chain is not full yet
    site["rain_mm_h"], site["humidity"] = 0.0, 0.5
    before = rig.kg(CLEAR)
    play(rig, 3600, 10.0)
    assert before - rig.kg(CLEAR) == pytest.approx(3600 * 40 * w.evaporation_kg_m2_s(20.0, 0.5, 2.0, 0.0, 0.0), rel=1e-6)


def test_books_close_when_binder_turns_into_fines(dry):
    book(dry.state.ledger, dry.plant.link("Truck1", "Water.Separator"), 0, 0.0)
    dry.put("Water.Separator", cement=300, sand=700, stone=1000, water=1500)
    dry["Water.Separator.Run"] = 1
    play(dry, 900)
    assert dry.state.ledger.stock[dry.holder("hydration")].sum() == pytest.approx(0, abs=1e-9)
    assert dry.state.ledger.stock[dry.holder("hydration"), 0] == pytest.approx(300, rel=1e-6)
    assert dry.kg("Water.Separator.Sand") == pytest.approx(700 * 0.95 * 1.10, rel=1e-3)
    assert dry.kg("Water.Separator.Stone") == pytest.approx(1000 * 0.99 * 1.02, rel=1e-3)
