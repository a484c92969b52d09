"""Trucks under real rules: what is sent, weighed, driven, poured, refused and brought back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from control.dispatch.rules import RuleDispatcher
from scenarios.logistics import measures
from scenarios.run import Run, open_run
from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.design.schema import Design
from twin.equipment import dispatch_desk as desk
from twin.ledger import OUTSIDE, SPECIES, WATER

Play = Callable[..., tuple[Simulation, Run]]
RAFT = {"site": "Raft", "grade": "C30", "volume_m3": 24, "start": "06:30", "every": "10min", "drive": "12min", "pour": "8min"}


def plant(**fleet: Any) -> Design:
    design = load_design("hzs180")
    return design.model_copy(update={"fleet": design.fleet.model_copy(update={"returned_share": 0.0, "trucks": 8} | fleet)})


@pytest.fixture
def haul(tmp_path: Path, scenario: Callable[..., Any]) -> Play:
    """Plays orders with a fleet, in batch fidelity, for five hours."""

    def get(
        design: Design | None = None,
        orders: Any = (RAFT,),
        dispatch: Any = None,
        wishes: Callable[[Simulation], None] | None = None,
        **more: Any,
    ):
        plan = scenario(**({"orders": list(orders), "lasts": "5h", "weather": {"air_c": 20, "swing_c": 0}} | more))
        sim = Simulation(plan, design or plant(), fidelity="batch", out=tmp_path / f"run{len(list(tmp_path.iterdir()))}", dispatch=dispatch)
        if wishes:
            wishes(sim)
        sim.run()
        ledger = sim.plant.state.ledger
        assert sim.plant.residual() <= 1e-9
        assert ledger.stock[[i for i, h in enumerate(sim.plant.holders) if h not in OUTSIDE]].min() > -1e-6
        return sim, open_run(sim.writer.path)

    return get


def account(sim: Simulation, name: str) -> float:
    return float(sim.plant.state.ledger.stock[sim.plant.holder(name)].sum())


# --- an ordinary morning --------------------------------------------------------------------------------


def test_an_order_is_poured_in_time_and_every_ticket_tells_its_way(haul: Play) -> None:
    sim, run = haul()
    d = run.df("deliveries")
    assert d.volume_m3.tolist() == [6, 6, 6, 6] and set(d.outcome) == {"in time"} and sim.fleet.book.jobs == {}
    times = d[["queued_s", "at_bay_s", "left_s", "gate_s", "arrived_s", "pour_s", "poured_s", "returned_s"]].to_numpy()
    assert (np.diff(times, axis=1) >= 0).all()
    assert (d.pour_s.to_numpy()[1:] >= d.poured_s.to_numpy()[:-1] - 0.01).all()  # one place to pour
    assert (d.pour_s - d.due_s).between(-300, d.late_s).all()
    assert (d.wet_s < d.left_s).all() and ((d.pour_s - d.wet_s) / 60 - d.age_site_min).abs().max() < 0.01
    assert (d.slump_site_mm < d.slump_mm).all() and (d.gross_kg - d.tare_kg - d.loaded_kg).abs().max() < 90
    assert (
        d.km_out.iloc[0] == pytest.approx(sim.plant.map.route(sim.plant.map.plant("Line1"), sim.plant.map.at_drive(0, 720, "Raft")).km)
        or d.km_out.min() > 1
    )
    m = measures(run)
    assert m.on_time == 1.0 and m.refused == 0.0 and m.poured_m3 == 24 and 0.4 < m.empty_km < 0.6 and m.kg_co2_m3 > 0


def test_a_ticket_leads_to_batches_lots_and_recipe(haul: Play) -> None:
    _, run = haul()
    d = run.df("deliveries").iloc[0]
    weighed = run.df("weighings")
    mine = weighed[(weighed.batch >= d.batch_from) & (weighed.batch <= d.batch_to)]
    lots = run.df("lots")
    assert run.info["design"]["recipes"] and d.grade in {r["grade"] for r in run.info["design"]["recipes"]}
    for source, drawn in mine.groupby("source", observed=True):
        stock = lots[lots.store == source]
        if len(stock):
            assert (stock.in_to_kg.max() >= drawn.drawn_to_kg).all()


@pytest.mark.parametrize("rule", ["nearest", "deadline", "jit", "plan"])
def test_every_rule_serves_every_order(haul: Play, rule: str) -> None:
    orders = [RAFT, RAFT | {"site": "Far", "drive": "25min", "start": "07:00"}, RAFT | {"site": "Pier", "grade": "C50", "volume_m3": 13}]
    sim, run = haul(orders=orders, dispatch=rule)
    assert run.df("deliveries").groupby("order").volume_m3.sum().to_dict() == pytest.approx({"Far": 24, "Pier": 13, "Raft": 24})
    assert sim.fleet.loads_open == 0


def test_just_in_time_waits_less_on_the_site_than_deadline(haul: Play) -> None:
    orders = [RAFT | {"volume_m3": 48, "start": "08:00"}]
    waits = [measures(haul(orders=orders, dispatch=rule, design=plant(trucks=8))[1]).wait_site_min for rule in ("deadline", "jit")]
    assert waits[1] < waits[0]


# --- rules ------------------------------------------------------------------------------------------------


class Greedy(RuleDispatcher):
    """Fills the drum to the brim, whatever the law says."""

    def scan(self, values: Any, now: int) -> int:
        number = values[self.desk["Number"][0]]
        again = super().scan(values, now)
        if values[self.desk["Number"][0]] != number:
            slot = np.flatnonzero(values[self.slots["Id"]] == values[self.desk["Order"][0]])[0]
            values[self.desk["Volume"][0]] = min(8.0, values[self.slots["Left"][slot]])
        return again


def test_an_overloaded_truck_does_not_leave(haul: Play) -> None:
    design = plant(capacity_m3=8.0)
    sim, run = haul(design, dispatch=Greedy)
    gate, d = run.df("gate"), run.df("deliveries")
    stopped = gate[~gate.passed]
    assert len(stopped) == 3 and (stopped.shown_kg > 31_000).all() and stopped.remark.str.contains("overloaded").all()
    assert (d.gross_kg <= 31_000).all() and (run.df("violations").kind == "overload").sum() == 3
    assert account(sim, "blocks") > 1000 and set(run.df("returned").decision) == {"blocks"}
    assert d.volume_m3.sum() == pytest.approx(24)  # what came off was brought by another


def test_concrete_older_than_ninety_minutes_gets_a_recorded_answer(haul: Play) -> None:
    orders = [RAFT | {"volume_m3": 6, "drive": "40min", "pour": "15min"}]
    _, run = haul(orders=orders, faults=[{"fault": "breakdown", "target": "Truck1", "at": "06:10", "lasts": "1h"}])
    d, v = run.df("deliveries"), run.df("violations")
    assert d.outcome.iloc[0] in ("late, refused", "late, accepted after a test")
    late = v[v.kind == "older than 90 min"]
    assert len(late) == 1 and late.value.iloc[0] > 90 and late.action.iloc[0] == d.outcome.iloc[0]
    assert d.volume_m3[d.poured_s.notna()].sum() == pytest.approx(6)


def test_refused_concrete_is_delivered_again_and_what_came_back_is_booked(haul: Play) -> None:
    orders = [RAFT | {"volume_m3": 6, "drive": "40min", "pour": "15min"}]
    sim, run = haul(orders=orders, faults=[{"fault": "breakdown", "target": "Truck1", "at": "06:10", "lasts": "3h"}], lasts="9h")
    back = run.df("returned").iloc[0]
    assert run.df("deliveries").outcome.tolist() == ["late, refused", "in time"]
    assert back.volume_m3 == 6 and back.decision in ("blocks", "separator") and back.decided_by
    assert account(sim, "blocks") + account(sim, "site") > 2 * 13_000


def test_a_broken_gap_is_noted_as_a_cold_joint(haul: Play) -> None:
    orders = [RAFT | {"volume_m3": 36, "gap": "10min", "every": 0, "pour": "5min"}]
    _, few = haul(plant(trucks=1), orders=orders, lasts="9h")
    _, many = haul(plant(trucks=8), orders=orders)
    assert len(few.df("pours")) == 5 and (few.df("pours").gap_min > 10).all()
    assert "pours" not in many.tables or len(many.df("pours")) == 0


def test_urgent_orders_go_first(haul: Play) -> None:
    flood = RAFT | {"site": "Dyke", "priority": 9, "start": "06:40", "every": 0}
    _, run = haul(plant(trucks=2), orders=[RAFT | {"every": 0, "volume_m3": 60}, flood], lasts="6h")
    d = run.df("deliveries")
    first = d[d.order == "Dyke"].left_s.min()
    assert not d[(d.order == "Raft") & (d.queued_s > first)].empty
    between = d[(d.queued_s > first) & (d.queued_s < d[d.order == "Dyke"].queued_s.max())]
    assert set(between.order) == {"Dyke"}


# --- changes ----------------------------------------------------------------------------------------------


def test_a_cancelled_order_sends_its_trucks_back(haul: Play) -> None:
    sim, run = haul(orders=[RAFT | {"volume_m3": 60, "drive": "25min", "cancelled": "06:40"}])
    d = run.df("deliveries")
    assert 0 < len(d) < 10 and "order cancelled" in set(d.outcome) and sim.fleet.book.jobs == {}
    assert set(run.df("returned").reason) == {"order cancelled"} and d.poured_kg.notna().sum() < len(d)


def test_an_order_that_grows_gets_more_and_one_that_moves_comes_later(haul: Play) -> None:
    _, run = haul(
        orders=[
            RAFT | {"changes": [{"at": "06:20", "volume_m3": 36}]},
            RAFT | {"site": "Moved", "changes": [{"at": "06:05", "start": "08:30"}]},
        ]
    )
    d = run.df("deliveries")
    assert d.groupby("order").volume_m3.sum().to_dict() == {"Raft": 36, "Moved": 24}
    assert d[d.order == "Moved"].pour_s.min() >= 2.5 * 3600 - 130


# --- what can happen on the road --------------------------------------------------------------------------


def striking(fault: str, **more: Any) -> list[dict[str, Any]]:
    return [{"fault": fault, "target": "Truck1", "at": "06:00", **more}]


@pytest.fixture
def healthy(haul: Play) -> Any:
    return haul(orders=[RAFT | {"volume_m3": 6}])[1].df("deliveries").iloc[0]


def test_a_speeding_driver_is_faster_and_noted(haul: Play, healthy: Any) -> None:
    _, run = haul(orders=[RAFT | {"volume_m3": 6}], faults=striking("speeding-driver", severity=0.8))
    d, v = run.df("deliveries").iloc[0], run.df("violations")
    assert d.arrived_s - d.gate_s < 0.7 * (healthy.arrived_s - healthy.gate_s)
    assert (v.kind == "speeding").any() and (v[v.kind == "speeding"].value > v[v.kind == "speeding"].limit * 1.1).all()


def test_another_way_is_longer_and_noted(haul: Play, healthy: Any) -> None:
    _, run = haul(orders=[RAFT | {"volume_m3": 6}], faults=striking("off-route"))
    d = run.df("deliveries").iloc[0]
    assert d.arrived_s - d.gate_s > 1.05 * (healthy.arrived_s - healthy.gate_s)
    assert (run.df("violations").kind == "off the route").any()


def test_nobody_sees_what_a_lost_receiver_does_not_tell(haul: Play) -> None:
    faults = striking("speeding-driver", severity=0.8) + striking("gps-outage")
    _, run = haul(orders=[RAFT | {"volume_m3": 6}], faults=faults)
    assert not (run.df("violations").kind == "speeding").any() if "violations" in run.tables else True
    assert run.df("gate").remark.str.contains("no position").any()


def test_a_leak_is_on_the_road_and_in_the_books(haul: Play) -> None:
    sim, run = haul(orders=[RAFT | {"volume_m3": 6}], faults=striking("leaking-chute", severity=5))
    d = run.df("deliveries").iloc[0]
    assert account(sim, "road") == pytest.approx(5 * (d.arrived_s - d.gate_s) / 60, rel=0.01)
    assert (run.df("violations").kind == "leak guard").any()


def test_water_on_the_way_is_noted_and_shows_in_the_slump(haul: Play, healthy: Any) -> None:
    sim, run = haul(orders=[RAFT | {"volume_m3": 6}], faults=striking("water-added", severity=60))
    d, v = run.df("deliveries").iloc[0], run.df("violations")
    assert d.slump_site_mm > healthy.slump_site_mm + 30 and (v.kind == "water added").sum() == 1
    dry, wet = (float(s.plant.state.ledger.stock[s.plant.holder("site"), WATER]) for s in (haul(orders=[RAFT | {"volume_m3": 6}])[0], sim))
    assert wet - dry == pytest.approx(60, abs=3)


def test_a_truck_that_breaks_down_stands_and_goes_on(haul: Play, healthy: Any) -> None:
    _, run = haul(orders=[RAFT | {"volume_m3": 6}], faults=[{"fault": "breakdown", "target": "Truck1", "at": "06:25", "lasts": "20min"}])
    d = run.df("deliveries").iloc[0]
    assert d.arrived_s - healthy.arrived_s == pytest.approx(1200, abs=61)


# --- batteries, drivers, pumps ----------------------------------------------------------------------------


def test_battery_trucks_charge_what_they_used(haul: Play) -> None:
    orders = [RAFT | {"volume_m3": 180, "every": 0, "pour": "4min", "drive": "30min"}]
    sim, run = haul(plant(battery=8, battery_kwh=150.0), orders=orders, lasts="10h")
    d, energy = run.df("deliveries"), run.df("energy")
    charged = energy[energy.machine == "Gate.Chargers"].kwh.sum()
    left = sum(sim.fleet.trucks.charge)
    assert charged > 100 and set(d.energy) == {"battery"}
    assert 8 * 150.0 + charged - d.energy_used.sum() == pytest.approx(left * 150.0, rel=0.02)
    assert measures(run).electric_km == 1.0 and min(sim.fleet.trucks.charge) >= 0


def test_drivers_rest_before_four_hours_at_the_wheel(haul: Play) -> None:
    orders = [RAFT | {"volume_m3": 120, "every": 0, "pour": "4min", "drive": "35min"}]
    sim, _ = haul(plant(trucks=3), orders=orders, lasts="10h")
    assert max(sim.fleet.trucks.wheel_s) < 4.6 * 3600 and min(sim.fleet.trucks.odometer_km) > 150


def test_one_pump_truck_serves_one_site_after_the_other(haul: Play) -> None:
    orders = [RAFT | {"pump": True, "volume_m3": 12}, RAFT | {"site": "Slab", "pump": True, "volume_m3": 12}]
    one, three = (haul(plant(pumps=n), orders=orders)[1].df("deliveries") for n in (1, 3))
    assert one.groupby("order").pour_s.min().max() > three.groupby("order").pour_s.min().max() + 600


# --- the desk ---------------------------------------------------------------------------------------------


def test_the_desk_refuses_what_cannot_be(haul: Play) -> None:
    sim = Simulation("full-demand", plant(), fidelity="batch", until_s=3600, dispatch="none")
    sim.advance(60)
    first = sim.plant.table.index("Dispatch.Order")

    def ask(order: float, truck: float, line: float, volume: float) -> str:
        io = sim.plant.state.io
        io[first : first + 4] = order, truck, line, volume
        io[first + desk.NUMBER] += 1
        sim.fleet._watch()
        return desk.ANSWERS[int(io[first + desk.ANSWER])]

    assert ask(99, 1, 1, 6) == "no such order"
    assert ask(1, 9, 1, 6) == "no such truck"
    assert ask(1, 1, 2, 6) == "no such line"
    assert ask(1, 1, 1, 0) == ask(1, 1, 1, 6.5) == "volume out of range"
    assert ask(1, 1, 1, 6) == "taken" and ask(1, 1, 1, 6) == "truck not free"
    sim.fleet.trucks.battery[2], sim.fleet.trucks.charge[2] = 1, 0.1
    assert ask(1, 3, 1, 6) == "battery too low"
    assert len(SPECIES) == 8


def test_a_truck_takes_another_load_where_others_wait_to_be_washed_out(haul: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.equipment.washout.WASH_S", 3600.0)
    _, run = haul(orders=[RAFT | {"volume_m3": 96, "every": "5min"}])
    pours = run.df("deliveries").pour_s.dropna()
    assert len(pours) == 16 and pours.max() < 3.5 * 3600, "eight trucks would not all be washed out before their second load by then"
