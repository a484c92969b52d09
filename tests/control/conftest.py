"""A line at the controller's desk: nobody drives trucks or presses buttons but the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.run import Run, open_run
from scenarios.schema import Scenario
from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.faults import resolve

DESIGNS = {name: load_design(name) for name in ("hzs120", "hzs180", "twin-hzs240")}
QUIET_DAY = Scenario.model_validate(
    {"name": "bench", "title": {"en": "bench", "zh": "台架"}, "starts": datetime(2026, 5, 11, 6), "lasts": "12h", "weather": {"swing_c": 0},
     "orders": [{"site": "After hours", "grade": "C30", "volume_m3": 6, "start": "17:59"}]}
)  # fmt: skip


class Desk:
    """One line with no operator and no fleet. Names are without the line: `desk["Mixer.Power"]`.

    Args:
        start: press Start and wait until the motors run.
    """

    def __init__(self, start: bool = True, seed: int = 1, design: str = "hzs180", line: str = "Line1", **more: Any) -> None:
        more = {"operator": False, "fidelity": "scan", "controller": "reference"} | more
        self.sim = Simulation(QUIET_DAY, DESIGNS[design], seed=seed, **more)
        self.plant, self.line = self.sim.plant, line
        self.design = DESIGNS[design].lines[line]
        self.orders = 0
        if start:
            self.write("Station.Start", 1)
            self.until(lambda: self.state == "ready", 30)

    # --- looking --------------------------------------------------------------------------------------

    def __getitem__(self, tag: str) -> Any:
        return self.sim.image[f"{self.line}.{tag}"]

    def shows(self, tag: str) -> str:
        """Name of the present state of a multi-state tag."""
        return self.plant.table[f"{self.line}.{tag}"].states[int(self[tag])]

    @property
    def state(self) -> str:
        return self.shows("Station.State")

    @property
    def stage(self) -> str:
        return self.shows("Mixer.Stage")

    @property
    def now(self) -> float:
        return self.sim.tick / 100

    def record(self, machine: str) -> Any:
        return self.plant.record(f"{self.line}.{machine}")

    def kg(self, holder: str) -> float:
        """Mass in a holder of the ledger."""
        name = holder if holder in self.plant.holders else f"{self.line}.{holder}"
        return float(self.plant.state.ledger.stock[self.plant.holder(name)].sum())

    def stock(self, holder: str) -> np.ndarray:
        """Masses by species in a holder of this line."""
        return self.plant.state.ledger.stock[self.plant.holder(f"{self.line}.{holder}")].copy()

    @property
    def memory(self) -> Any:
        return self.sim.controller.memory

    def feeder_memory(self, feeder: str) -> Any:
        return self.memory.feeders[self.plant.names["feeder"].index(f"{self.line}.Feeder.{feeder}")]

    # --- acting ---------------------------------------------------------------------------------------

    def write(self, tag: str, value: float) -> None:
        self.sim.write(f"{self.line}.{tag}", value)

    def press(self, button: str) -> None:
        """Press and let go."""
        self.write(button, 1)
        self.play(0.2)
        self.write(button, 0)
        self.play(0.2)

    def order(self, m3: float = 3.0, grade: str = "C30", truck: int = 1, mix_s: float = 30.0, **kg_m3: float) -> int:
        """Post a load as dispatch does; returns its number."""
        self.orders += 1
        book = next(r for r in self.plant.design.recipes if r.grade == grade)
        recipe = book.kg_m3 | kg_m3
        for material in self.design.materials():
            self.write(f"Bay.Recipe.{material}", recipe.get(material, 0.0))
        for tag, value in (
            ("MixTime", mix_s),
            ("SlurryMax", book.most_slurry_kg_m3),
            ("Volume", m3),
            ("ForTruck", truck),
            ("Order", self.orders),
        ):
            self.write(f"Bay.{tag}", value)
        return self.orders

    def park(self, truck: int = 1) -> None:
        """A truck stands under the discharge hopper."""
        bay = self.record("Bay")
        bay["load"], bay["truck"], bay["present"] = self.plant.link(f"{self.line}.Hopper.Discharge", f"Truck{truck}"), truck, 1.0

    def leave(self) -> None:
        bay = self.record("Bay")
        bay["load"], bay["truck"], bay["present"] = bay["ground"], 0, 0.0

    def fault(self, name: str, machine: str, severity: float | None = None) -> None:
        """A fault befalls a machine now."""
        fault, value = resolve(self.plant, name, f"{self.line}.{machine}", severity)
        self.record(machine)[fault.field] = value

    def clear(self, name: str, machine: str) -> None:
        """It is mended."""
        fault, _ = resolve(self.plant, name, f"{self.line}.{machine}", None)
        self.record(machine)[fault.field] = 0.0

    # --- time -----------------------------------------------------------------------------------------

    def play(self, seconds: float) -> None:
        self.sim.advance(seconds)

    def scans(self, seconds: float) -> Iterator[float]:
        """Scan by scan; yields the time after each."""
        for _ in range(round(seconds * 10)):
            self.sim.advance(0.1)
            yield self.now

    def until(self, wanted: Callable[[], bool], at_most_s: float) -> float:
        """Play until something holds; how long that took. It is a failure when it does not come about."""
        since = self.now
        for _ in self.scans(at_most_s):
            if wanted():
                return self.now - since
        raise AssertionError(f"not within {at_most_s} s: state {self.state}, stage {self.stage}, alarms {self.sim.alarms}")

    def done(self, number: int, at_most_s: float = 400) -> float:
        """Play until a load is reported as finished."""
        return self.until(lambda: self["Bay.Done"] >= number, at_most_s)

    def changes(self, tags: dict[str, Callable[[], Any]], wanted: Callable[[], bool], at_most_s: float) -> list[tuple[float, str, Any]]:
        """Play until something holds and note every change of what is looked at, with its time."""
        last = {name: look() for name, look in tags.items()}
        seen: list[tuple[float, str, Any]] = []

        def look_at_all() -> bool:
            for name, look in tags.items():
                value = look()
                if value != last[name]:
                    last[name] = value
                    seen.append((self.now, name, value))
            return wanted()

        self.until(look_at_all, at_most_s)
        return seen


@pytest.fixture
def new_desk() -> Iterator[Callable[..., Desk]]:
    """Builds lines whose books must close when the test is over."""
    desks: list[Desk] = []

    def build(*args: Any, **more: Any) -> Desk:
        desks.append(Desk(*args, **more))
        return desks[-1]

    yield build
    for desk in desks:
        assert desk.plant.residual() <= 1e-9
        assert np.isfinite(desk.plant.state.ledger.stock).all()
        assert desk.sim.outcome("cut")["bad_writes"] == 0
        desk.sim.close()


@pytest.fixture
def desk(new_desk: Callable[..., Desk]) -> Desk:
    """One HZS180, motors running, no truck and no order."""
    return new_desk()


@pytest.fixture
def kept(new_desk: Callable[..., Desk], tmp_path: Path) -> Iterator[tuple[Desk, Callable[[], Run]]]:
    """A line whose run is recorded, and the way to end and read it."""
    desk = new_desk(out=tmp_path / "run")

    def read() -> Run:
        desk.sim.close()
        return open_run(tmp_path / "run")

    yield desk, read
