"""A plant on the bench: write an actuator, let time pass, look at sensors and at the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from twin.design.load import load_design
from twin.ledger import SPECIES
from twin.plant import Plant, faults, sense, step, steps

DESIGNS = {name: load_design(name) for name in ("hzs180", "twin-hzs240")}
CATALOGUE = faults()


class Rig:
    """One line of a plant, an HZS180 unless said. Names are without the line: `rig["Mixer.Power"]`. The heartbeat changes at every scan while `beating`."""

    def __init__(self, seed: int = 1, design: str = "hzs180", line: str = "Line1") -> None:
        self.plant = Plant(DESIGNS[design], seed)
        self.line = line
        self.state = self.plant.state
        self.beating = True
        self.beat = 0

    def full(self, name: str) -> str:
        """A name of the line, or of the plant's surroundings as it stands."""
        return name if name.split(".")[0] in ("Water", "Air", "Site", "Gate") or name.startswith("Truck") else f"{self.line}.{name}"

    def __getitem__(self, tag: str) -> Any:
        return self.plant.image[self.full(tag)]

    def __setitem__(self, tag: str, value: float) -> None:
        self.plant.image[self.full(tag)] = value

    def record(self, machine: str) -> Any:
        return self.plant.record(self.full(machine))

    def play(self, seconds: float, coarse: bool = False) -> None:
        """Scans of 100 ms, each of ten steps or of one coarse step; what is left over is played in steps of 10 ms."""
        left = round(seconds * 100)
        while left > 0:
            ticks = min(10, left)
            if self.beating:
                self.beat += 1
                self["Station.Heartbeat"] = self.beat
            if coarse and ticks == 10:
                step(self.state, 10)
            else:
                steps(self.state, ticks)
            sense(self.state)
            left -= ticks

    def watch(self, tag: str, seconds: float) -> list[Any]:
        """The tag at each scan."""
        seen = []
        for _ in range(round(seconds * 10)):
            self.play(0.1)
            seen.append(self[tag])
        return seen

    def holder(self, name: str) -> int:
        return self.plant.holder(name if name in self.plant.holders else f"{self.line}.{name}")

    def kg(self, holder: str) -> float:
        """Mass in a holder of the ledger."""
        return float(self.state.ledger.stock[self.holder(holder)].sum())

    def put(self, holder: str, **kg: float) -> None:
        """Material that has lain in a holder since before the run."""
        for species, mass in kg.items():
            self.state.ledger.stock[self.holder(holder), SPECIES.index(species)] += mass
            self.state.ledger.stock[0, SPECIES.index(species)] -= mass
        if self.full(holder) in {m.name for m in self.plant.table.equipment}:
            record = self.record(holder)
            for field in ("mass_kg", "load_kg", "x_kg"):
                if field in record.dtype.names:
                    record[field] += sum(kg.values())
            if "shown_kg" in record.dtype.names:
                sense(self.state)

    def park(self, truck: int = 1) -> None:
        """A truck stands under the discharge hopper."""
        bay = self.record("Bay")
        bay["load"], bay["truck"], bay["present"] = self.plant.link(f"{self.line}.Hopper.Discharge", f"Truck{truck}"), truck, 1.0

    def tanker(self, silo: str, kg: float, species: str) -> None:
        """A tanker connects to a silo."""
        self.put(f"Silo.{silo}.Tanker", **{species: kg})
        self.record(f"Silo.{silo}")["connected"] = 1.0

    def fault(self, name: str, machine: str, severity: float | None = None) -> None:
        kind = self.plant.table.machine(self.full(machine)).kind
        fault = dict(CATALOGUE[name])[kind]
        self.record(machine)[fault.field] = fault.default if severity is None else severity

    def steady(self, feeder: str) -> None:
        """Take the irregularity out of a feeder, so that its flow has a closed form."""
        self.record(f"Feeder.{feeder}")["sigma"] = 0.0


@pytest.fixture
def new_rig() -> Iterator[Callable[..., Rig]]:
    """Builds plants whose books must close when the test is over."""
    rigs: list[Rig] = []

    def build(*args: Any, **more: Any) -> Rig:
        rigs.append(Rig(*args, **more))
        return rigs[-1]

    yield build
    for rig in rigs:
        assert rig.plant.residual() <= 1e-9
        assert np.isfinite(rig.state.ledger.stock).all()


@pytest.fixture
def rig(new_rig: Callable[..., Rig]) -> Rig:
    """One plant."""
    return new_rig()
