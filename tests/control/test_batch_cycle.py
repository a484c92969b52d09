"""One batch after another: phases, pipelining, mixing time, recipe and moisture."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

PHASES = {
    "tare": "t",
    "coarse": "c",
    "fine": "f",
    "settling": "s",
    "jog": "j",
    "weighed": "W",
    "discharging": "d",
    "emptying": "e",
    "idle": "i",
}
ONE_INGREDIENT = "c?f(s(js)*t?)"
BATCH = re.compile(f"t({ONE_INGREDIENT})+Wdei")


def phases(desk: Any, weigher: str) -> Callable[[], tuple[str, int]]:
    return lambda: (desk.shows(f"Weigher.{weigher}.Phase"), desk[f"Weigher.{weigher}.Batch"])


def history(desk: Any, m3: float) -> list[tuple[float, str, Any]]:
    """Changes of all phases and of the mixer's stage while one load is made."""
    desk.park()
    number = desk.order(m3)
    looks: dict[str, Any] = {w: phases(desk, w) for w in desk.design.weighers}
    looks["mixer"] = lambda: (desk.stage, desk["Mixer.Batch"])
    return desk.changes(looks, lambda: desk["Bay.Done"] >= number, 400)


def at(seen: list[tuple[float, str, Any]], name: str, what: str, batch: int) -> float:
    return next(t for t, n, v in seen if n == name and v == (what, batch))


@pytest.mark.parametrize("design", ["hzs120", "hzs180", "twin-hzs240"])
def test_every_weigher_passes_its_phases_in_order(new_desk: Callable[..., Any], design: str) -> None:
    desk = new_desk(design=design)
    seen = history(desk, desk.design.mixer.rated_m3)
    for weigher in desk.design.weighers:
        word = "".join(PHASES[phase] for _, name, (phase, batch) in seen if name == weigher)
        assert BATCH.fullmatch(word), (weigher, word)
    assert [stage for _, name, (stage, _) in seen if name == "mixer"][:4] == ["charging", "mixing", "discharging", "closing"]


def test_aggregate_goes_ahead_and_the_rest_follows_into_the_turning_mixer(desk: Any) -> None:
    seen = history(desk, 3)
    charging, mixing = at(seen, "mixer", "charging", 1), at(seen, "mixer", "mixing", 1)
    for weigher, w in desk.design.weighers.items():
        begins, ends = at(seen, weigher, "discharging", 1), at(seen, weigher, "emptying", 1)
        if w.to == "belt":
            assert ends + desk.design.belt.length_m / desk.design.belt.speed_m_s <= charging
        else:
            assert charging < begins < ends < mixing


def test_the_next_batch_is_weighed_while_this_one_mixes(desk: Any) -> None:
    seen = history(desk, 9)
    for batch in (1, 2):
        poured = at(seen, "mixer", "discharging", batch)
        for weigher, w in desk.design.weighers.items():
            assert at(seen, weigher, "coarse", batch + 1) < poured
            if w.to == "mixer":
                assert at(seen, weigher, "tare", batch + 1) >= at(seen, "mixer", "charging", batch)
    cycle = at(seen, "mixer", "charging", 3) - at(seen, "mixer", "charging", 2)
    one_alone = at(seen, "mixer", "closing", 1)
    assert cycle < 0.6 * one_alone


@pytest.mark.parametrize("mix_s", [30.0, 47.0])
def test_mixing_lasts_as_ordered_after_the_last_charge(desk: Any, mix_s: float) -> None:
    desk.park()
    desk.order(3, mix_s=mix_s)
    last_charge, mass = 0.0, 0.0
    for now in desk.scans(200):
        if desk["Mixer.DoorPosition"] > 0:
            break
        if desk.kg("Mixer") > mass:
            mass, last_charge = desk.kg("Mixer"), now
    assert mass > 7000
    assert mix_s - 0.1 <= now - last_charge <= mix_s + 4


def test_the_recipe_is_latched_with_the_order(desk: Any) -> None:
    desk.park()
    number = desk.order(6, "C30")
    desk.until(lambda: desk["Bay.Accepted"] == number, 5)
    for material in desk.design.materials():
        desk.write(f"Bay.Recipe.{material}", 90.0)
    desk.write("Bay.MixTime", 300)
    desk.write("Bay.Volume", 1)
    desk.done(number)
    cement, _, slag = desk.plant.state.ledger.stock[desk.plant.holder("Truck1")][:3]
    assert cement == pytest.approx(6 * 227.65, rel=0.02)
    assert slag == pytest.approx(6 * 50.97, rel=0.03)


def test_a_load_is_split_into_equal_batches_of_at_most_the_mixer(desk: Any) -> None:
    desk.park()
    number = desk.order(8)
    seen = desk.changes(
        {"record": lambda: (desk["Weigher.Stone2.Records"], desk["Weigher.Stone2.Target"])}, lambda: desk["Bay.Done"] >= number, 400
    )
    assert desk["Bay.Batches"] == 3
    recorded = {records: target for _, _, (records, target) in seen}
    assert [recorded[k] for k in (1, 2, 3)] == pytest.approx([8 / 3 * 673.04 * 1.006] * 3, rel=0.002)


def targets(desk: Any) -> dict[str, float]:
    """Targets of the first batch by material."""
    desk.park()
    desk.order(3)
    seen: dict[str, float] = {}
    feeders = desk.plant.table.of_kind("feeder")
    for _ in desk.scans(60):
        for w in desk.design.weighers:
            if desk.shows(f"Weigher.{w}.Phase") in ("coarse", "fine"):
                seen[feeders[desk[f"Weigher.{w}.Feeder"] - 1].material] = desk[f"Weigher.{w}.Target"]
    return seen


def test_wet_aggregate_is_weighed_heavier_and_its_water_left_out(desk: Any) -> None:
    desk.write("Bin.Stone2.LabMoisture", 2.5)
    got = targets(desk)
    recipe = {m: 3 * kg for m, kg in desk.plant.design.recipe("C30").kg_m3.items()}
    moisture = {m: 100 * (got[m] / recipe[m] - 1) for m in ("sand", "manufactured_sand", "stone_5_10", "stone_10_25")}
    assert moisture["sand"] == pytest.approx(5.0, abs=0.5) and moisture["manufactured_sand"] == pytest.approx(3.5, abs=0.5)
    assert moisture["stone_5_10"] == pytest.approx(0.8) and moisture["stone_10_25"] == pytest.approx(2.5)
    carried = sum(got[m] - recipe[m] for m in moisture)
    solids = 0.01 * desk.plant.image["Line1.Tank.Slurry.Solids"]
    assert recipe["slurry_water"] <= got["slurry_water"] <= 3 * desk.plant.design.recipe("C30").most_slurry_kg_m3
    assert got["water"] + got["slurry_water"] * (1 - solids) == pytest.approx(recipe["water"] + recipe["slurry_water"] - carried, abs=0.5)
    for dry in ("cement", "fly_ash", "slag", "admixture"):
        assert got[dry] == pytest.approx(recipe[dry])


def test_no_order_takes_more_slurry_than_its_limit(desk: Any) -> None:
    """Dispatch posts 12 kg/m³ with a limit of 5: the rest is fresh water."""
    desk.park()
    desk.order(3)
    desk.write("Bay.SlurryMax", 5.0)
    seen: dict[str, float] = {}
    feeders = desk.plant.table.of_kind("feeder")
    for _ in desk.scans(60):
        for w in ("Slurry", "Water"):
            if desk.shows(f"Weigher.{w}.Phase") in ("coarse", "fine"):
                seen[feeders[desk[f"Weigher.{w}.Feeder"] - 1].material] = desk[f"Weigher.{w}.Target"]
    assert seen["slurry_water"] == pytest.approx(15.0, abs=0.2)


def test_a_density_meter_that_drifts_reaches_the_concrete(new_desk: Callable[..., Any]) -> None:
    """It reads 5 % solids where there are none: the controller makes up for water that the slurry does not lack."""
    got = {}
    for offset in (0.0, 5.0):
        desk = new_desk()
        if offset:
            desk.fault("density-meter-drift", "Tank.Slurry", offset)
        desk.play(0.5)
        got[offset] = targets(desk)
    slurry = got[5.0]["slurry_water"]
    assert got[5.0]["water"] + 0.95 * slurry == pytest.approx(got[0.0]["water"] + got[0.0]["slurry_water"], abs=1.0)
    assert got[5.0]["water"] > got[0.0]["water"] + 0.5


def water_binder(desk: Any) -> float:
    desk.done(desk.orders)
    kg = desk.plant.state.ledger.stock[desk.plant.holder("Truck1")]
    return float(kg[5] / kg[:3].sum())


def test_a_wrong_moisture_reading_puts_the_water_off_the_other_way(new_desk: Callable[..., Any]) -> None:
    found = []
    for offset in (-3.0, 0.0, 3.0):
        desk = new_desk()
        if offset:
            desk.fault("wrong-moisture", "Probe.Sand1", offset)
        desk.play(1)
        desk.park()
        desk.order(6)
        found.append(water_binder(desk))
    recipe = desk.plant.design.recipe("C30").kg_m3
    assert found[1] == pytest.approx(
        (recipe["water"] + recipe["slurry_water"]) / sum(recipe[m] for m in ("cement", "fly_ash", "slag")), abs=0.015
    )
    # Three points of moisture too much of 488 kg sand are 14 kg of water missing on 340 kg of binder.
    assert 0.02 < found[0] - found[1] < 0.06 and 0.02 < found[1] - found[2] < 0.06
