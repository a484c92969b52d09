"""Checks on the mixer that no single tag shows: whether it is loaded follows from gates and door."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenarios.acceptance.checks.base import Check
from scenarios.acceptance.evidence import Evidence, NothingToJudge, Window
from scenarios.acceptance.results import CheckResult
from scenarios.durations import Duration

OPEN_WIDE = 50.0  # % of the door: a door that opened so far has let the batch go


class MixerKeptRunning(Check):
    """The run command of a loaded mixer is not taken away, but in an emergency stop, on local, or after a trip."""

    check: Literal["mixer-kept-running"]
    line: str = "Line1"
    tolerates: Duration = Field(0.5, ge=0)

    def look(self, e: Evidence) -> CheckResult:
        tag = lambda name: f"{self.line}.{name}"
        excuses = [tag("Station.EStop"), tag("Mixer.Tripped")]
        names = [tag("Mixer.Run"), tag("Mixer.DoorPosition"), tag("Mixer.DoorClosed"), tag("Station.Remote"), *excuses]
        loaded = self.loaded(e)
        if not loaded.any():
            raise NothingToJudge("nothing was charged into the mixer", "搅拌机未投料")
        column = e.columns
        excused = np.any([column[n] > 0.5 for n in excuses], axis=0) | (column[tag("Station.Remote")] < 0.5)
        window = Window(0.0, e.ends)
        spells = [s for s in e.spells(loaded & ~excused & (column[tag("Mixer.Run")] < 0.5), window) if s.lasts > self.tolerates + 1e-6]
        hours = float(loaded.sum()) * e.step_s
        if not spells:
            return self.result(True, self.about(f"kept, loaded for {hours:.0f} s", f"符合，载料 {hours:.0f} s"))
        text = self.about(
            f"stopped {len(spells)} time(s) while loaded, first at {spells[0].begins:.1f} s",
            f"载料时停机 {len(spells)} 次，首次在 {spells[0].begins:.1f} s",
        )
        rows = [e.shown(s.first, names) | {"lasts_s": s.lasts} for s in spells]
        return self.result(False, text, rows, e.plot(names, [s.window for s in spells]))

    def loaded(self, e: Evidence) -> NDArray[np.bool_]:
        """Row by row: has the mixer been charged and not yet let go?"""
        feeding = [f"{self.line}.Weigher.{k}" for k, w in e.design.lines[self.line].weighers.items() if w.to == "mixer"]
        gates = [f"{name}.GateClosed" for name in [*feeding, f"{self.line}.Hopper.Waiting"]]
        door, shut = f"{self.line}.Mixer.DoorPosition", f"{self.line}.Mixer.DoorClosed"
        e.columns.read([*gates, door, shut])
        charged = np.any([e.columns[g] < 0.5 for g in gates], axis=0)
        wide, closed = e.columns[door] > OPEN_WIDE, e.columns[shut] > 0.5
        out, full, gone = np.zeros(len(e.t), dtype=bool), False, False
        for i in range(len(e.t)):
            if wide[i]:
                gone = True
            elif gone and closed[i]:  # a batch has gone once the door was wide open and is shut again
                full = gone = False
            full = full or bool(charged[i])
            out[i] = full
        return out
