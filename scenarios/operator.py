"""The shift operator of a run that nobody plays by hand: starts the line and answers its alarms like a person would."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from twin.engine import ALARMS, Engine

REACTION_S = (15.0, 45.0)  # from an alarm to the answer (engineering choice)
REST_S = 60.0  # before a line is started again after a safe state


class ShiftOperator:
    """One operator for all lines; acts only through setpoint tags."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.io = engine.plant.state.io
        self.rng = engine.rng(5)
        self.table = engine.plant.table
        self.busy: set[str] = set()
        index = self.table.index
        self._shown = {  # by line: whether it was tripped, and what its weighers ask
            line: (index(f"{line}.Station.Safe"), [index(f"{w.name}.OverTolerance") for w in self.table.of_kind("weigher", line)])
            for line in self.table.lines
        }
        engine.watch(ALARMS, self._look)
        for line in self._shown:
            self._press(f"{line}.Station.Start")

    def _press(self, tag: str, value: float = 1.0) -> None:
        self.io[self.table.index(tag)] = value

    def _shows(self, tag: str) -> float:
        return float(self.io[self.table.index(tag)])

    def _look(self) -> None:
        for line, (safe, over) in self._shown.items():
            if line in self.busy:
                continue
            if self.io[safe]:
                self._begin(line, self._restart(line))
            elif any(self.io[tag] for tag in over):
                self._begin(line, self._accept(line))

    def _begin(self, line: str, answer: Generator[simpy.Event, Any, None]) -> None:
        self.busy.add(line)
        self.engine.env.process(answer)

    def _accept(self, line: str) -> Generator[simpy.Event, Any, None]:
        """Look at the deviation and confirm it."""
        yield self.engine.wait(self.rng.uniform(*REACTION_S))
        self.engine.log("operator", f"{line}.Station.Confirm", 1.0, "accepts the weighing")
        self._press(f"{line}.Station.Confirm")
        yield self.engine.wait(1)
        self._press(f"{line}.Station.Confirm", 0.0)
        self._free(line)

    def _free(self, line: str) -> None:
        """Done with one answer; look whether there is more to do."""
        self.busy.discard(line)
        self._look()

    def _restart(self, line: str) -> Generator[simpy.Event, Any, None]:
        """Wait until the cause is gone, reset the protection, start again."""
        yield self.engine.wait(REST_S + self.rng.uniform(*REACTION_S))
        while self._shows(f"{line}.Station.EStop") or not self._shows(f"{line}.Station.LinkOk"):
            yield self.engine.wait(10)
        self._press(f"{line}.Mixer.Reset")
        yield self.engine.wait(20)
        self._press(f"{line}.Mixer.Reset", 0.0)
        self.engine.log("operator", f"{line}.Station.Start", 1.0, "starts the line again")
        self._press(f"{line}.Station.Start")
        yield self.engine.wait(10)
        self._free(line)
