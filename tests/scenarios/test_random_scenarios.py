"""Whatever is ordered and whatever breaks: no mass is lost, nothing is undefined, the run ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.ledger import OUTSIDE
from twin.plant import Plant, faults

PLANT = Plant(load_design("hzs180"))
BEFALL = [(name, m.name, fault) for name, kinds in faults().items() for kind, fault in kinds for m in PLANT.table.of_kind(kind)
          if f"{m.name}.{fault.tags[0]}" in PLANT.table]  # fmt: skip
MINUTES = st.integers(0, 59).map(lambda m: f"06:{m:02d}")

orders = st.lists(
    st.fixed_dictionaries({
        "site": st.just("Site"), "grade": st.sampled_from([r.grade for r in PLANT.design.recipes]), "volume_m3": st.floats(0.05, 60), "start": MINUTES,
        "every": st.sampled_from(["0s", "3min"]), "drive": st.floats(60, 1200), "pour": st.floats(60, 600),
    }), min_size=1, max_size=4,
)  # fmt: skip


@st.composite
def fault_plans(draw: st.DrawFn) -> dict[str, Any]:
    name, target, fault = draw(st.sampled_from(BEFALL))
    return {"fault": name, "target": target, "at": draw(MINUTES), "severity": draw(st.floats(fault.low, fault.high)),
            "onset": draw(st.sampled_from([0, 30])), "lasts": draw(st.sampled_from([2, 60, 600, None]))}  # fmt: skip


@settings(max_examples=40)
@given(orders=orders, plans=st.lists(fault_plans(), max_size=5), seed=st.integers(0, 2**31 - 1))
@example(orders=[{"site": "S", "grade": "C30", "volume_m3": 6, "start": "06:00"}], plans=[], seed=0)
def test_no_mass_is_lost_and_the_run_ends(
    scenario: Callable[..., Any], orders: list[dict[str, Any]], plans: list[dict[str, Any]], seed: int
) -> None:
    sim = Simulation(scenario(orders=orders, faults=plans, seed=seed, fidelity="batch"))
    outcome = sim.run()
    state = sim.plant.state
    assert (
        outcome["state"] == "complete"
        and outcome["sim_seconds"] == 5400
        and outcome["ledger_residual"] <= 1e-9
        and outcome["bad_writes"] == 0
    )
    for array in sim.plant.arrays():
        for part in [array[f] for f in array.dtype.names] if array.dtype.names else [array]:
            assert np.isfinite(part).all()
    inside = [i for i, h in enumerate(sim.plant.holders) if h not in OUTSIDE]
    assert state.ledger.stock[inside].min() > -1e-6
    assert outcome["m3"] <= sum(o["volume_m3"] for o in orders) + sim.fleet.refused_m3 + 0.001
