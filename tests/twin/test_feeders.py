"""Feeders and the fall below them, seen from outside."""

from __future__ import annotations

import numpy as np
import pytest
from machines import dosed

# --- feeders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coarse", [False, True])
def test_a_gate_gives_its_rated_flow_after_dead_time_and_half_its_stroke(rig, coarse):
    rig.steady("Sand1")
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(5, coarse)
    assert dosed(rig) == pytest.approx(150 * (5 - 0.12 - 0.35 / 2), rel=1e-9)


def test_an_irregular_gate_still_gives_its_rated_flow_on_average(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(20)
    assert dosed(rig) == pytest.approx(150 * 20, rel=0.06)


def test_irregular_flow_is_irregular(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(2)
    seen = np.diff([dosed(rig) for _ in range(100) if rig.play(0.1) is None])
    assert 0.02 < seen.std() / seen.mean() < 0.16  # 0.08 of rated


def test_fine_feed_gives_its_share(rig):
    rig.steady("Sand1")
    rig["Feeder.Sand1.Fine"] = 1
    rig.play(10)
    assert dosed(rig) == pytest.approx(0.1 * 150 * 10, rel=0.03)


def test_what_is_in_the_air_lands_after_closing(rig):
    rig.steady("Sand1")
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(4)
    assert rig.kg("Feeder.Sand1.Falling") == pytest.approx(150 * 0.4, rel=0.05)
    rig["Feeder.Sand1.Coarse"] = 0
    before = dosed(rig)
    rig.play(3)
    assert rig.kg("Feeder.Sand1.Falling") == pytest.approx(0, abs=1e-6)
    assert rig.kg("Weigher.Sand1") - before == pytest.approx(150 * (0.12 + 0.35 / 2), rel=0.06)
    assert rig["Feeder.Sand1.Closed"] and not rig["Feeder.Sand1.Open"]


def test_impact_makes_the_scale_show_what_is_still_falling(rig):
    """A falling stream presses with q·v/g, just the weight of what is in the air."""
    rig.steady("Sand1")
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(6)
    gap = [rig["Weigher.Sand1.Gross"] - rig.kg("Weigher.Sand1") for _ in range(20) if rig.play(0.1) is None]
    # The indicator lags by 2ζ/ω behind a ramp.
    assert np.mean(gap) == pytest.approx(150 * 0.4 - 150 * 2 * 0.6 / (2 * np.pi * 4.0), rel=0.05)


def test_the_reading_settles_on_the_mass(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(5)
    rig["Feeder.Sand1.Coarse"] = 0
    rig.play(4)
    seen = rig.watch("Weigher.Sand1.Gross", 10)
    assert np.mean(seen) == pytest.approx(rig.kg("Weigher.Sand1"), abs=0.5)
    assert max(abs(np.array(seen) - rig.kg("Weigher.Sand1"))) <= 6
    assert all(value % 2 == 0 for value in seen)  # shown in divisions of 2 kg


def test_coarse_steps_dose_the_same_as_fine_ones(new_rig):
    doses = []
    for coarse in (False, True):
        rig = new_rig()
        rig.steady("Sand1")
        rig["Feeder.Sand1.Coarse"] = 1
        rig.play(4, coarse)
        rig["Feeder.Sand1.Coarse"] = 0
        rig.play(3, coarse)
        doses.append(rig.kg("Weigher.Sand1"))
    assert doses[0] == pytest.approx(doses[1], rel=1e-6)


def test_commands_shorter_than_the_dead_time_move_nothing_however_many(rig):
    for _ in range(10):
        rig["Feeder.Sand1.Coarse"] = 1
        rig.play(0.1)
        rig["Feeder.Sand1.Coarse"] = 0
        rig.play(1)
    assert dosed(rig) == 0


def test_wet_sand_takes_its_water_along(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(5)
    rig["Feeder.Sand1.Coarse"] = 0
    rig.play(2)
    stock = rig.state.ledger.stock[rig.holder("Weigher.Sand1")]
    assert stock[5] / stock[3] == pytest.approx(0.05)  # moisture of the design
    assert stock[[0, 1, 2, 4, 6]].sum() == 0


@pytest.mark.parametrize(("exponent", "ratio"), [(0.5, 2.0), (1.0, 4.0)])
def test_a_valve_flows_with_its_power_of_the_head(new_rig, exponent, ratio):
    """Torricelli's square root unless the design says otherwise."""
    flows = []
    for share in (0.2, 0.8):
        rig = new_rig()
        assert rig.record("Feeder.Water")["head_exponent"] == 0.5
        rig.record("Feeder.Water")["head_exponent"] = exponent
        rig.fault("float-valve-stuck", "Tank.Water")
        rig.steady("Water")
        rig.put("Tank.Water", water=30_000 * share - rig.kg("Tank.Water"))
        rig["Feeder.Water.Coarse"] = 1
        rig.play(5)
        flows.append(dosed(rig, "Water"))
    assert flows[1] / flows[0] == pytest.approx(ratio, rel=0.03)


def test_aerated_cement_flows_faster(new_rig):
    flows = []
    for aerated in (0.0, 1.0):
        rig = new_rig()
        rig.steady("Cement1")
        rig.record("Silo.Cement1")["aerated"] = aerated
        rig["Feeder.Cement1.Coarse"] = 1
        rig.play(10)
        flows.append(rig.kg("Weigher.Cement"))
    assert flows[1] / flows[0] == pytest.approx(1.15, rel=0.01)


def test_an_empty_bin_gives_nothing(rig):
    rig.put(
        "Bin.Sand1",
        sand=-float(rig.state.ledger.stock[rig.holder("Bin.Sand1"), 3]),
        water=-float(rig.state.ledger.stock[rig.holder("Bin.Sand1"), 5]),
    )
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(3)
    assert dosed(rig) == 0 and rig.kg("Bin.Sand1") == 0


def test_flow_aid_breaks_an_arch(rig):
    rig.record("Feeder.Sand1")["arched"] = 1.0
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(5)
    assert dosed(rig) < 0.05 * 150 * 5
    rig["Feeder.Sand1.FlowAid"] = 1
    rig.play(3)
    before = dosed(rig)
    rig.play(3)
    assert dosed(rig) - before == pytest.approx(450, rel=0.25)


def test_a_gate_stuck_open_goes_on_feeding(rig):
    rig["Feeder.Sand1.Coarse"] = 1
    rig.play(3)
    rig.fault("stuck-gate", "Feeder.Sand1")
    rig["Feeder.Sand1.Coarse"] = 0
    before = dosed(rig)
    rig.play(3)
    assert dosed(rig) - before == pytest.approx(450, rel=0.25)
    assert rig["Feeder.Sand1.Open"] and not rig["Feeder.Sand1.Closed"]
