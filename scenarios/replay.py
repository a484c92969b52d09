"""Playing a recorded run again from its inputs and commands, and comparing the end: proof that nothing else went in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scenarios.outside import Outside
from scenarios.run import Run
from scenarios.schema import Scenario
from scenarios.simulation import Simulation
from twin.clock import TICK_S, TICKS_PER_S
from twin.design.schema import Design, Recipe
from twin.errors import BatchtwinError
from twin.version import VERSION

Progress = Callable[[Simulation], None] | None


class Command(NamedTuple):
    """What somebody outside did at a tick."""

    tick: int
    kind: str
    detail: dict[str, Any]


def replay(run: Run, progress: Progress = None) -> tuple[str, str]:
    """Play a run again.

    Args:
        progress: called a few times while it plays.

    Returns:
        Fingerprints of the plant's state at the end: as recorded, and now.

    Raises:
        BatchtwinError: the run was cut, recorded from its middle, or made by another version.
    """
    if run.state not in ("complete", "cut") or "outcome" not in run.info:
        raise BatchtwinError("E201", path=run.path, problem=f"the run is {run.state} and has no closing figures; let it end")
    sim, outside, commands = begun(run)
    with sim:
        go_on(sim, commands, round(run.outcome["sim_seconds"] * TICKS_PER_S), outside, progress)
        return str(run.outcome["state_hash"]), str(sim.close(run.state)["state_hash"])


def begun(run: Run, out: Path | None = None) -> tuple[Simulation, Outside | None, list[Command]]:
    """A recorded run put together anew, before its first tick, with what was done to it.

    Args:
        out: folder to record into.

    Raises:
        BatchtwinError: E201 when it cannot be repeated exactly.
    """
    info = run.info
    for wrong, problem, mend in (
        (info.get("recorded_from_s", 0) != 0, "it was recorded from its middle", "start recording before the run"),
        (info.get("version") != VERSION, f"it was made by version {info.get('version')}", f"this is {VERSION}"),
        (
            info.get("fidelity") != "scan" and "commands" in run.tables,
            "commands in batch fidelity are not repeated exactly",
            "use fidelity scan",
        ),
    ):
        if wrong:
            raise BatchtwinError("E201", path=run.path, problem=f"{problem}; {mend}")
    outside = Outside() if "outside" in (info["controller"], info["dispatch"]) else None
    controller = outside if info["controller"] == "outside" else "reference" if info["controller"] == "reference" else None
    dispatch = (lambda _: outside) if info["dispatch"] == "outside" else info["dispatch"]
    sim = Simulation(Scenario.model_validate(info["scenario"]), Design.model_validate(info["design"]), seed=info["seed"], fidelity=info["fidelity"],
                     until_s=info["lasts_s"], controller=controller, operator=info["operator"], dispatch=dispatch, out=out)  # type: ignore[arg-type]  # fmt: skip
    rows = run.sql("SELECT tick, kind, detail FROM commands").to_pylist() if "commands" in run.tables else []
    if info["fidelity"] == "scan":
        sim.advance(0)
    return sim, outside, [Command(row["tick"], row["kind"], json.loads(row["detail"])) for row in rows]


def go_on(sim: Simulation, commands: Sequence[Command], until: int, outside: Outside | None = None, progress: Progress = None) -> None:
    """Play on to a tick; each command that is due from now on and before it is given at its tick."""
    for command in commands:
        if not sim.tick <= command.tick < until:
            continue
        _advance_to(sim, command.tick, progress)
        if command.kind == "outputs":
            assert outside is not None
            for name, value in command.detail.items():
                outside.write(sim.plant.table.index(name), value)
        elif command.kind in ACTS:  # who came and went changes nothing by itself
            ACTS[command.kind](sim, command.detail)
    _advance_to(sim, until, progress)


def _advance_to(sim: Simulation, tick: int, progress: Progress) -> None:
    if tick > sim.tick:
        sim.advance((tick - sim.tick) * TICK_S, progress)


ACTS: dict[str, Callable[[Simulation, dict[str, Any]], Any]] = {
    "write": lambda sim, d: sim.write(**d),
    "switch": lambda sim, d: sim.switch(**d),
    "inject": lambda sim, d: sim.inject(**d),
    "clear": lambda sim, d: sim.clear(**d),
    "rain": lambda sim, d: sim.rain(**d),
    "send_by": lambda sim, d: sim.send_by(**d),
    "control_by": lambda sim, d: sim.control_by(**d),
    "place_order": lambda sim, d: sim.place_order(**d),
    "change_order": lambda sim, d: sim.change_order(**d),
    "cancel_order": lambda sim, d: sim.cancel_order(**d),
    "load_recipe": lambda sim, d: sim.load_recipe(Recipe.model_validate(d["recipe"])),
}
