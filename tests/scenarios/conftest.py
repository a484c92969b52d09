"""Small scenarios, and runs of them that several tests look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from scenarios.run import Run, open_run
from scenarios.schema import Scenario
from scenarios.simulation import Simulation

ORDERS = [
    {"site": "Raft", "grade": "C30", "volume_m3": 60, "start": "06:02", "drive": "5min", "pour": "5min"},
    {"site": "Pier", "grade": "C50", "volume_m3": 30, "start": "06:10", "every": "4min", "drive": "5min", "pour": "5min"},
    {"site": "Path", "grade": "C15", "volume_m3": 31, "start": "06:20", "drive": "5min", "pour": "5min"},
]
FAULTS = [
    {"fault": "leaking-gate", "target": "Line1.Feeder.Stone2", "at": "06:05", "severity": 0.02, "onset": "60s", "lasts": "20min"},
    {"fault": "power-dip", "target": "Line1.Station", "at": "06:12", "severity": 0.5, "lasts": "4s"},
    {"fault": "arching", "target": "Line1.Feeder.Cement1", "at": "06:16", "lasts": "2min"},
    {"fault": "control-link-lost", "target": "Line1.Station", "at": "06:25", "lasts": "30s"},
    {"fault": "sensor-drift", "target": "Line1.Weigher.Water", "at": "06:30", "severity": 0.5, "lasts": "5min"},
    {"fault": "motor-trip", "target": "Line1.Belt", "at": "06:40", "lasts": "1min"},
    {"fault": "leaking-discharge", "target": "Line1.Weigher.Cement", "at": "06:42", "severity": 0.01, "lasts": "3min"},
]
MIXED = [
    {"site": f"Site {g}", "grade": g, "volume_m3": 2000, "start": "06:00", "every": "8min", "drive": "3min", "pour": "3min"}
    for g in ("C20", "C30", "C40", "C50")
]


def make(**fields: Any) -> Scenario:
    """A scenario of an hour and a half on a Monday morning."""
    base = {
        "name": "small",
        "title": {"en": "small", "zh": "小"},
        "starts": datetime(2026, 5, 11, 6),
        "lasts": "90min",
        "seed": 11,
        "orders": ORDERS,
    }
    return Scenario.model_validate(base | fields)


class Played:
    """A run that is over: the simulation as it stood at the end, its outcome, and what was recorded."""

    def __init__(self, path: Path, scenario: Scenario | str, **more: Any) -> None:
        self.sim = Simulation(scenario, out=path, **more)
        self.outcome = self.sim.run()
        self.run: Run = open_run(path)

    def df(self, table: str) -> Any:
        return self.run.df(table)


@pytest.fixture(scope="session")
def scenario() -> Callable[..., Scenario]:
    """Makes scenarios, of `orders`, `faults` and so on."""
    return make


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Played]:
    """Plays a scenario to its end and keeps the run; the same one is played once only."""
    done: dict[str, Played] = {}

    def get(scenario: Scenario | str, again: bool = False, **more: Any) -> Played:
        key = repr((scenario, sorted(more.items())))
        if again or key not in done:
            played = Played(tmp_path_factory.mktemp("run") / "run", scenario, **more)
            if again:
                return played
            done[key] = played
        return done[key]

    return get


@pytest.fixture(scope="session")
def troubled() -> Scenario:
    """Three orders, seven faults."""
    return make(faults=FAULTS)


@pytest.fixture(scope="session")
def mixed() -> Scenario:
    """Four grades in turn, as much as the line can make, three hours."""
    return make(name="mixed", orders=MIXED, lasts="3h", weather={"swing_c": 0})
