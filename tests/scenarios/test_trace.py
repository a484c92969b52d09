"""Tracing: every kilogram of a load comes from a lot, and the lot knows the load."""

from __future__ import annotations

import pytest

from scenarios.run import Run, open_run
from scenarios.simulation import Simulation
from scenarios.trace import trace_lot, trace_ticket
from twin.errors import BatchtwinError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("trace") / "run"
    Simulation("working-day", "benchmark-180", fidelity="batch", out=path).run()
    return open_run(path)


def test_a_load_is_traced_to_its_batches_and_lots(run: Run) -> None:
    tables = trace_ticket(run, 40).tables
    delivery = tables["delivery"][0]
    assert [b["number"] for b in tables["batches"]] == list(range(delivery["batch_from"], delivery["batch_to"] + 1))
    wet = {m for m, of in run.info["design"]["materials"].items() if of["species"] in ("water", "slurry_water")}
    weighed = sum(w["true_kg"] for w in tables["weighings"] if w["material"] not in wet)
    # Dust that left with the air is the only difference between what was drawn and what came onto the scales.
    assert sum(lot["kg"] for lot in tables["lots"]) == pytest.approx(weighed, rel=1e-3)
    assert all(lot["supplier"] for lot in tables["lots"])
    assert {w["material"] for w in tables["weighings"]} - wet == {lot["material"] for lot in tables["lots"]}


def test_a_lot_knows_the_loads_that_hold_some_of_it(run: Run) -> None:
    for lot in trace_ticket(run, 40).tables["lots"]:
        back = {d["ticket"]: d["kg"] for d in trace_lot(run, lot["lot"]).tables["deliveries"]}
        assert back[40] == pytest.approx(lot["kg"], rel=1e-9)
        assert sum(back.values()) <= lot["lot_kg"] * (1 + 1e-9)


def test_a_sampled_load_shows_its_sample(run: Run) -> None:
    sample = run.sql("SELECT sample, ticket FROM samples WHERE inspection = 'site' ORDER BY sample LIMIT 1").to_pylist()[0]
    own = [s for s in trace_ticket(run, sample["ticket"]).tables["samples"] if s["of"] == "this load"]
    assert sample["sample"] in [s["sample"] for s in own]
    other = run.sql("SELECT min(ticket) AS t FROM deliveries WHERE ticket NOT IN (SELECT ticket FROM samples)").to_pylist()[0]["t"]
    found = trace_ticket(run, other).tables["samples"]
    assert found and all(s["of"] == "same mix, same day" for s in found)


def test_gate_and_returns_of_a_load_are_there(run: Run) -> None:
    tables = trace_ticket(run, 1).tables
    assert [g["way"] for g in tables["gate"]] == ["out", "in"]
    returned = run.sql("SELECT ticket FROM returned LIMIT 1").to_pylist()
    assert returned and trace_ticket(run, returned[0]["ticket"]).tables["returned"][0]["decision"]


def test_what_is_not_there_is_told_in_one_line(run: Run) -> None:
    last = run.sql("SELECT max(ticket) AS t FROM deliveries").to_pylist()[0]["t"]
    with pytest.raises(BatchtwinError, match=f"has no ticket 9999; give 1 to {last}"):
        trace_ticket(run, 9999)
    with pytest.raises(BatchtwinError, match="has no lot 0; give 1 to"):
        trace_lot(run, 0)
