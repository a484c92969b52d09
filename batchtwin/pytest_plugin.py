"""Fixtures for tests of control software: `plant` in this process, `plant_server` over OPC UA.

@pytest.mark.batchtwin(scenario="working-day", design="hzs180", seed=1, controller=MyController, operator=False)
def test_it(plant): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from opcua_server.threaded import ServedPlant
    from scenarios.simulation import Simulation

MARK = "batchtwin"
OPTIONS = {"scenario", "design", "seed", "controller", "operator"}


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of our mark."""
    config.addinivalue_line(
        "markers", f"{MARK}(scenario, design, seed, controller, operator): the plant of the fixtures 'plant' and 'plant_server'"
    )


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Arguments of the nearest marks; the nearer one counts."""
    out: dict[str, Any] = {"scenario": "working-day", "operator": False}
    for mark in reversed(list(request.node.iter_markers(MARK))):
        wrong = set(mark.kwargs) - OPTIONS
        if mark.args or wrong:
            raise pytest.UsageError(
                f"@pytest.mark.{MARK} takes {', '.join(sorted(OPTIONS))} by name, not {', '.join(sorted(wrong)) or 'by place'}"
            )
        out |= mark.kwargs
    return out


@pytest.fixture
def plant(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """A `Simulation` that stands at its start; `plant.advance(seconds)` plays it.

    Its controller is "reference", None (the test writes the actuators), or what the mark's `controller` makes, called with the
    tag table and the species of the materials.
    """
    from scenarios.simulation import Simulation

    options = _options(request)
    make = options.pop("controller", None)
    sim = Simulation(**options, fidelity="scan", controller="reference" if make == "reference" else None)
    if callable(make):
        sim.controller = make(sim.plant.table, {name: m.species for name, m in sim.design.materials.items()})
    with sim:
        sim.advance(0)
        yield sim


@pytest.fixture
def plant_server(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[ServedPlant]:
    """A `ServedPlant`: an OPC UA server at `plant_server.url`, whose time stands still until `step`, `play` or a client moves it.

    The mark's `controller` is "none" (clients control it) or "reference".
    """
    from opcua_server.threaded import ServedPlant
    from scenarios.session import Session

    options = _options(request)
    with ServedPlant(lambda: Session(**{"controller": "none"} | options), tmp_path / "runs") as served:
        yield served
