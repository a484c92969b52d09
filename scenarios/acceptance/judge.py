"""Playing a case with a control program, and the verdict, which is read from the folder of the run alone."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from scenarios.acceptance import conditions
from scenarios.acceptance.case import Case, Cue, Press, Strike
from scenarios.acceptance.evidence import PRESSED, Evidence
from scenarios.acceptance.results import CaseResult, CheckResult, State, plain
from scenarios.run import Run, open_run
from scenarios.simulation import Simulation
from scenarios.wishes import Controller
from twin.clock import SCAN_TICKS, TICK_S, TICKS_PER_S
from twin.plant import Plant
from twin.tags import TagTable

# Makes the control program for a plant from its tag table and the species of its materials, as `ReferenceController` does.
ControllerFactory = Callable[[TagTable, Mapping[str, str]], Controller]


class ControllerFailed(Exception):
    """The control program raised an error."""


class _Watched:
    """A controller whose errors are told apart from ours."""

    def __init__(self, inner: Controller) -> None:
        self.inner, self.scan_ticks = inner, inner.scan_ticks

    def scan(self, values: NDArray[np.float64], now: int) -> None:
        try:
            self.inner.scan(values, now)
        except Exception as error:
            raise ControllerFailed(_told(error)) from error


# --- playing ------------------------------------------------------------------------------------------


def compose(case: Case, controller: Controller | None = None, out: str | Path | None = None, seed: int | None = None) -> Simulation:
    """The simulation of a case, with its presses and strikes in place; whoever plays it need only let it run to its end.

    Args:
        controller: None leaves the actuators to somebody outside.
        out: folder of the run.
        seed: another seed than the case's.
    """
    sim = Simulation(case.scenario, case.design, seed=seed, out=out, controller=controller, operator=case.operator)
    for press in case.presses:
        sim.engine.env.process(_course(sim, press, partial(_press, sim, press)))
    for strike in case.strikes:
        sim.engine.env.process(_course(sim, strike, partial(_strike, sim, strike)))
    return sim


def _course(sim: Simulation, cue: Cue, act: Callable[[], None]) -> Generator[simpy.Event, Any, None]:
    """SimPy process: wait for the cue, then act."""
    if cue.at is not None:
        yield sim.engine.env.timeout(max(sim.scenario.tick(cue.at), 0))
    elif cue.when is not None:
        holds = conditions.live(cue.when, sim.plant.table)
        while not holds(sim.plant.state.io):
            yield sim.engine.wait(SCAN_TICKS * TICK_S)
    if cue.wait:
        yield sim.engine.wait(cue.wait)
    act()


def _press(sim: Simulation, press: Press) -> None:
    by = PRESSED.removeprefix("write ")
    sim.write(press.tag, press.value, by)
    if press.lasts is not None:
        sim.engine.at(sim.tick + round(press.lasts * TICKS_PER_S), lambda: sim.write(press.tag, 0.0, by))


def _strike(sim: Simulation, strike: Strike) -> None:
    sim.inject(strike.fault, strike.target, strike.severity, strike.onset, strike.lasts)


def play_case(case: Case, controller_factory: ControllerFactory, out: str | Path, seed: int | None = None) -> CaseResult:
    """Play a case in this process and judge it.

    Args:
        controller_factory: makes a fresh control program, e.g. `ReferenceController`.
        out: folder of the run, new or empty.
        seed: another seed than the case's.

    Returns:
        The verdict; `error` when the control program raised one.

    Raises:
        BatchtwinError: the run cannot be written.
    """
    design, seed = case.design, case.scenario.seed if seed is None else seed
    try:
        species = {name: m.species for name, m in design.materials.items()}
        controller = _Watched(controller_factory(Plant(design).table, species))
    except Exception as error:
        return _failed(case, Path(out), seed, f"{_told(error)} when it was made", f"{_told(error)}（创建时）", 0.0)
    sim = compose(case, controller, out, seed)
    try:
        with sim:
            sim.run()
    except ControllerFailed as error:
        at = sim.tick / TICKS_PER_S
        return _failed(case, Path(out), seed, f"{error} at {at:g} s", f"{error}（{at:g} s）", at)
    return judge(case, open_run(out))


def _told(error: Exception) -> str:
    """An error of the control program in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


# --- judging ------------------------------------------------------------------------------------------


def judge(case: Case, run: Run) -> CaseResult:
    """The verdict on a run of a case, from its folder alone."""
    seed, sim_s = int(run.info.get("seed", 0)), float(run.outcome.get("sim_seconds", 0.0))
    asked = case.scenario.model_dump(mode="json"), case.design.model_dump(mode="json")
    if (run.info.get("scenario"), run.info.get("design")) != asked:
        return _no_verdict(case, run.path, seed, "the run was not made of this case", "该运行不是由本用例生成", sim_s)
    if run.state != "complete" or sim_s < case.scenario.lasts:
        lasts = case.scenario.lasts
        return _no_verdict(case, run.path, seed, f"the run ended ({run.state}) at {sim_s:g} of {lasts:g} s",
                           f"运行在 {sim_s:g} / {lasts:g} s 结束（{run.state}）", sim_s)  # fmt: skip
    evidence = Evidence(run)
    checks = [check.judge(evidence) for check in case.checks]
    failed = [c.name for c in checks if not c.passed]
    state: State = "failed" if failed else "passed"
    kept = len(checks) - len(failed)
    en, zh = f"{kept} of {len(checks)} checks passed", f"{len(checks)} 项检查中 {kept} 项通过"
    if failed:
        en, zh = f"{en}; failed: {', '.join(failed)}", f"{zh}；未通过：{'、'.join(failed)}"
    return _result(case, run.path, state, seed, (en, zh), sim_s, checks, figures(evidence))


def figures(e: Evidence) -> dict[str, Any]:
    """Closing figures of a run that a verdict is read with."""
    kept = ("m3", "batches", "loads", "loads_open", "weighings", "out_of_tolerance", "bad_writes", "state_hash")
    out: dict[str, Any] = {k: e.run.outcome.get(k) for k in kept}
    lost = (
        {r["target"]: r["kg"] for r in e.rows("SELECT target, sum(kg) AS kg FROM ledger GROUP BY target")}
        if "ledger" in e.run.tables
        else {}
    )
    out |= {f"{account}_kg": lost.get(account, 0.0) for account in ("ground", "discharge", "air")}
    out["alarms"] = sorted({event["name"] for event in e.events if event["kind"] == "alarm"})
    return dict(plain(out))


def _result(case: Case, run: Path, state: State, seed: int, text: tuple[str, str], sim_s: float, checks: list[CheckResult],
            closing: dict[str, Any]) -> CaseResult:  # fmt: skip
    return CaseResult(
        case.name, case.title.en, case.title.zh, state, seed, str(run), *text, checks, sim_s, closing, case.answer.en, case.answer.zh
    )


def _no_verdict(case: Case, run: Path, seed: int, en: str, zh: str, sim_s: float) -> CaseResult:
    return _result(case, run, "error", seed, (en, zh), sim_s, [], {})


def _failed(case: Case, run: Path, seed: int, en: str, zh: str, sim_s: float) -> CaseResult:
    return _no_verdict(case, run, seed, f"the control program failed, {en}", f"控制程序出错，{zh}", sim_s)
