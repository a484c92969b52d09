"""Where the material came from and where it went: ledger, weighings, deliveries, lots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twin.ledger import OUTSIDE, SPECIES

FIDELITIES = pytest.mark.parametrize("fidelity", ["scan", "batch"])
HEEL_KG = 90  # what a mixer may keep of a batch for the next one


@FIDELITIES
def test_the_books_close_after_a_troubled_day(play: Callable[..., Any], troubled: Any, fidelity: str) -> None:
    played = play(troubled, fidelity=fidelity)
    ledger = played.sim.plant.state.ledger
    assert played.outcome["ledger_residual"] <= 1e-9 and played.outcome["bad_writes"] == 0
    assert played.outcome["state"] == "complete" and played.outcome["m3"] == 121 and played.outcome["loads_open"] == 0
    inside = [i for i, h in enumerate(played.sim.plant.holders) if h not in OUTSIDE]
    assert ledger.stock[inside].min() > -1e-6


@FIDELITIES
def test_the_ledger_table_leads_from_opening_to_closing_stock(play: Callable[..., Any], troubled: Any, fidelity: str) -> None:
    played = play(troubled, fidelity=fidelity)
    rows = played.df("ledger")
    holders = played.sim.plant.holders
    closing = np.zeros((len(holders), len(SPECIES)))
    for row in rows.itertuples():
        s = SPECIES.index(row.species)
        closing[holders.index(row.target), s] += row.kg
        closing[holders.index(row.source), s] -= row.kg
    stock = played.sim.plant.state.ledger.stock
    np.testing.assert_allclose(closing, stock, atol=1e-9 * np.abs(stock).max())
    opening = rows[rows.source == "opening"]
    assert opening[opening.target == "Line1.Silo.Cement1"].kg.sum() == pytest.approx(240_000)
    assert (rows.kg > 0).all()


@FIDELITIES
def test_weighings_explain_what_the_mixer_got(play: Callable[..., Any], scenario: Callable[..., Any], fidelity: str) -> None:
    played = play(scenario(), fidelity=fidelity)
    weighed = played.df("weighings").groupby("material", observed=True).true_kg.sum()
    got, ledger = played.df("batches"), played.df("ledger")
    for material in ("cement", "fly_ash", "slag"):
        assert got[f"{material}_kg"].sum() == pytest.approx(weighed[material], rel=0.01)
    # Water that aggregate carries is weighed with it; a few kilograms cling to belt and weighers.
    assert ledger[ledger.target == "Line1.Mixer"].kg.sum() == pytest.approx(weighed.sum(), rel=0.001)
    assert len(got) == played.outcome["batches"] and got.number.tolist() == list(range(1, len(got) + 1))
    assert played.outcome["weighings"] == len(played.df("weighings"))


@FIDELITIES
def test_tickets_say_what_left_the_hopper(play: Callable[..., Any], scenario: Callable[..., Any], fidelity: str) -> None:
    played = play(scenario(), fidelity=fidelity)
    tickets, ledger = played.df("deliveries"), played.df("ledger")
    assert tickets.truck.is_unique  # so nothing is left over from a trip before
    out = ledger[(ledger.source == "Line1.Hopper.Discharge") & ledger.target.astype(str).str.startswith("Truck")]
    by_truck = out.groupby("target", observed=True).kg.sum()
    for ticket in tickets.itertuples():
        assert ticket.loaded_kg == pytest.approx(by_truck[f"Truck{ticket.truck}"])
    assert out.kg.sum() == pytest.approx(tickets.loaded_kg.sum())
    made = played.df("batches").set_index("number").filter(regex="_kg$").sum(axis=1)
    for ticket in tickets.itertuples():
        assert ticket.loaded_kg == pytest.approx(made.loc[ticket.batch_from : ticket.batch_to].sum(), abs=HEEL_KG)
    assert (tickets.batch_from.to_numpy()[1:] == tickets.batch_to.to_numpy()[:-1] + 1).all()
    assert tickets.volume_m3.sum() == pytest.approx(121)


def test_times_on_a_ticket_follow_one_another(play: Callable[..., Any], scenario: Callable[..., Any]) -> None:
    tickets = play(scenario(), fidelity="batch").df("deliveries")
    times = tickets[["queued_s", "at_bay_s", "left_s", "arrived_s", "poured_s", "returned_s"]]
    back = times.dropna()
    assert len(back) > 10 and (np.diff(back.to_numpy(), axis=1) >= 0).all()


# --- lots ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def day(play: Callable[..., Any], scenario: Callable[..., Any]) -> Any:
    """A long day of full demand: stocks fall and are bought again."""
    orders = [{"site": "Endless", "grade": "C30", "volume_m3": 4000, "start": "06:00", "drive": "3min", "pour": "3min"}]
    return play(scenario(orders=orders, lasts="14h", deliveries=[{"store": "Line1.Silo.Cement2", "at": "09:00"}, {"store": "Line1.Bin.Sand1", "at": "10:00"}]),
                fidelity="batch")  # fmt: skip


def test_lots_of_a_store_stand_side_by_side(day: Any) -> None:
    for store, lots in day.df("lots").groupby("store"):
        lots = lots.sort_values("lot")
        assert lots.in_from_kg.iloc[0] == 0 and (lots.in_to_kg - lots.in_from_kg).tolist() == pytest.approx(lots.kg.tolist()), store
        assert lots.in_from_kg.iloc[1:].tolist() == pytest.approx(lots.in_to_kg.iloc[:-1].tolist(), abs=1e-3), store


def test_every_weighing_is_traced_to_its_lots(day: Any) -> None:
    lots, weighings = day.df("lots"), day.df("weighings")
    traced = weighings[weighings.source.isin(lots.store.unique())]
    assert set(traced.material) == {"cement", "fly_ash", "slag", "sand", "manufactured_sand", "stone_5_10", "stone_10_25", "admixture"}
    for source, drawn in traced.groupby("source", observed=True):
        mine = lots[lots.store == source]
        overlap = np.minimum.outer(drawn.drawn_to_kg.to_numpy(), mine.in_to_kg.to_numpy())
        overlap -= np.maximum.outer(drawn.drawn_from_kg.to_numpy(), mine.in_from_kg.to_numpy())
        found = np.clip(overlap, 0, None).sum(axis=1)
        np.testing.assert_allclose(found, drawn.drawn_to_kg - drawn.drawn_from_kg, atol=1e-3)
        assert drawn.drawn_from_kg.iloc[1:].tolist() == drawn.drawn_to_kg.iloc[:-1].tolist()
        assert (drawn.drawn_to_kg - drawn.drawn_from_kg).sum() == pytest.approx(drawn.true_kg.sum(), rel=0.01)


def test_no_bin_runs_over_while_it_is_fed(day: Any) -> None:
    moved = day.df("ledger")
    from_bins = moved[moved.source.astype(str).str.fullmatch(r"Line1\.Bin\.\w+")]
    assert set(from_bins.target) >= {"Line1.Feeder.Sand1.Falling", "Line1.Feeder.Stone2.Falling"}
    assert from_bins[from_bins.target == "ground"].kg.sum() == 0.0


def test_a_truck_drives_under_the_hopper_as_soon_as_it_is_free_and_its_load_accepted(day: Any) -> None:
    loads = day.df("deliveries").sort_values("load")
    drive_in_s = day.sim.plant.design.fleet.positioning_s
    came_s = loads.at_bay_s.to_numpy() - drive_in_s
    assert (came_s >= loads.queued_s).all()
    free_s = loads.left_s.to_numpy()[:-1]
    assert (came_s[1:] >= free_s - 1e-6).all()
    at_once = came_s[1:] <= np.maximum(free_s, loads.queued_s.to_numpy()[1:]) + 1.0
    assert at_once.mean() > 0.9


def test_a_delivery_comes_when_stock_has_fallen_and_not_before(day: Any) -> None:
    lots = day.df("lots")
    bought = lots[(lots.supplier != "opening stock") & (lots.store == "Line1.Bin.Stone2")]
    assert len(bought) >= 5
    yard = day.sim.plant.design.lines["Line1"].bins["Stone2"]
    levels = day.run.sql('SELECT time_s, "Line1.Bin.Stone2.Yard" AS level FROM tags').to_pandas()
    before = levels[levels.time_s < bought.arrived_s.min()].level
    assert before.min() < 100 * yard.reorder_share
    first_low = levels[levels.level < 100 * yard.reorder_share].time_s.min()
    assert bought.arrived_s.min() > first_low + 3600
    assert levels.level.min() > 20


def test_planned_deliveries_come_on_time(day: Any) -> None:
    lots = day.df("lots")
    for store, at_s in (("Line1.Silo.Cement2", 3 * 3600), ("Line1.Bin.Sand1", 4 * 3600)):
        assert any(abs(t - at_s) < 1 for t in lots[lots.store == store].arrived_s)


def test_tankers_lift_no_healthy_relief_valve(day: Any) -> None:
    lots = day.df("lots")
    assert (lots[lots.store.str.contains("Silo")].supplier != "opening stock").sum() >= 3
    assert "events" not in day.run.tables or not day.df("events").name.str.endswith("ReliefOpen").any()
    assert day.run.sql('SELECT max("Line1.Silo.Cement2.Pressure.max") AS p FROM tags').to_pylist()[0]["p"] > 0.1


def test_a_blinded_filter_does_lift_it(play: Callable[..., Any], scenario: Callable[..., Any]) -> None:
    faults = [{"fault": "blinded-filter", "target": "Line1.Silo.Cement2.Filter", "at": "06:05", "severity": 40}]
    played = play(scenario(faults=faults, deliveries=[{"store": "Line1.Silo.Cement2", "at": "06:10"}]), fidelity="batch")
    events = played.df("events")
    assert (events.name == "Line1.Silo.Cement2.ReliefOpen").any()
