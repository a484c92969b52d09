"""`batchtwin accept`: playing a suite of cases against whatever controller is connected to a served plant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from asyncua import ua

from batchtwin.serving import login, quiet
from opcua_server.clients.client import Login, Twin, connected
from scenarios.acceptance.case import CASES, Case, case_names, load_case
from scenarios.acceptance.results import CaseResult
from twin.design.load import packaged
from twin.errors import BatchtwinError, unknown

if TYPE_CHECKING:
    Tell = Callable[[str], None]

STANDARD = "standard"
LOOK_S = 0.2  # wall time between looks at a run under way
JOIN_S = 10.0  # wall time that a lock-step case waits for a controller to come, or to come back
STRING, INT32 = ua.VariantType.String, ua.VariantType.Int32


def suite(names: list[str]) -> list[Case]:
    """Cases by name, file or folder; `standard` is all that are packaged.

    Raises:
        BatchtwinError: E102 for an unknown name, or the mistakes of a file.
    """
    out: list[Case] = []
    for name in names:
        path = Path(name)
        if name == STANDARD:
            out += [load_case(n) for n in case_names()]
        elif path.is_dir():
            out += [load_case(p) for p in sorted(path.glob("*.yaml"))]
        elif name in packaged(CASES) or path.exists():
            out.append(load_case(name))
        else:
            raise unknown("case", name, [STANDARD, *case_names()])
    if not out:
        raise BatchtwinError("E401", problem="no case in the suite", mend=f"name cases, a folder with cases, or {STANDARD}")
    return out


def accept(
    names: list[str], endpoint: str, user: str, certificate: Path | None, seed: int | None, timeout_s: float, tell: Callable[[str], None]
) -> list[CaseResult]:
    """Play cases on a served plant and fetch the verdicts.

    Args:
        seed: another seed than the cases' own.
        timeout_s: wall time that one case may take.
        tell: told a line for each case.

    Raises:
        BatchtwinError: no connection, not allowed, or a case that the server does not know.
    """
    quiet()
    cases = suite(names)
    return asyncio.run(_play(cases, endpoint, login(user, certificate), seed, timeout_s, tell))


def write_junit(results: list[CaseResult], path: Path) -> None:
    """JUnit XML, as CI servers read it.

    Raises:
        BatchtwinError: E203 when it cannot be written.
    """
    from scenarios.acceptance.junit import write_junit as write

    _written(path, lambda: write(results, path))


def write_html(results: list[CaseResult], path: Path) -> None:
    """A page with the offending rows and small plots.

    Raises:
        BatchtwinError: E203 when it cannot be written.
    """
    from dashboards.acceptance import write_page

    _written(path, lambda: write_page(results, path))


def _written(path: Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise BatchtwinError("E203", path=path, problem=error.strerror or error) from None


async def _play(cases: list[Case], endpoint: str, who: Login | None, seed: int | None, timeout_s: float, tell: Tell) -> list[CaseResult]:
    stamp = f"{datetime.now():%Y%m%d-%H%M%S}"
    results = []
    async with connected(endpoint, who) as client:
        twin = await Twin.of(client)
        for case in cases:
            began = time.monotonic()
            try:
                result = await _case(twin, case, f"accept-{stamp}-{case.name}", seed, timeout_s)
            except (OSError, TimeoutError, ua.UaError) as error:
                raise BatchtwinError(
                    "E401",
                    problem=f"the connection to {endpoint} was lost ({error or 'timeout'})",
                    mend="start the server, then this again",
                ) from None
            results.append(result)
            tell(f"{result.state:7} {case.name:18} {result.en}  ({time.monotonic() - began:.1f} s)")
    return results


async def _case(twin: Twin, case: Case, folder: str, seed: int | None, timeout_s: float) -> CaseResult:
    """One case: reset, record, let it run to its end, judge."""
    await twin.call("Time.Reset", ua.Variant(case.name, STRING), ua.Variant(-1 if seed is None else seed, INT32))
    await twin.call("Run.StartRecording", ua.Variant(folder, STRING))
    await twin.call("Time.Start")
    began = seen = time.monotonic()
    state, why = "running", ""
    while state == "running" and not why and time.monotonic() < began + timeout_s:
        await asyncio.sleep(LOOK_S)
        state, trouble, lost, controllers, speed = await twin.read(
            "Time.State", "Time.Trouble", "Time.Lost", "Time.Controllers", "Time.Speed"
        )
        if controllers or speed != "lockstep":
            seen = time.monotonic()
        why = trouble or ("" if time.monotonic() < seen + JOIN_S else f"no controller has joined ({lost or 'none came'})")
    if state != "ended":
        await twin.call("Time.Pause")
        (elapsed,) = await twin.read("Time.Elapsed")
        en = f"the run stopped at {elapsed:g} of {case.scenario.lasts:g} s: {why or f'it took longer than {timeout_s:g} s'}"
        zh = f"运行在 {elapsed:g} / {case.scenario.lasts:g} s 停止：{why or f'超过 {timeout_s:g} s'}"
        return CaseResult(case.name, case.title.en, case.title.zh, "error", seed or 0, folder, en, zh, sim_s=elapsed)
    (text,) = await twin.call("Run.Verdict", ua.Variant(case.name, STRING))
    return CaseResult.from_json(text)
