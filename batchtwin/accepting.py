"""`batchtwin accept`: playing a suite of cases against whatever controller is connected to a served plant."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from asyncua import ua

from batchtwin.play import LARGEST_SEED
from batchtwin.serving import login, quiet
from opcua_server.clients.client import Login, Twin, connected
from scenarios.acceptance.case import CASES, Case, case_names, load_case
from scenarios.acceptance.results import CaseResult
from twin.design.load import packaged
from twin.errors import BatchtwinError, unknown

if TYPE_CHECKING:
    Tell = Callable[[str], None]
    Keep = Callable[[list[CaseResult]], None]

STANDARD = "standard"
LOOK_S = 0.2  # wall time between looks at a run under way
JOIN_S = 10.0  # wall time that a lock-step case waits for a controller to come, or to come back
AGAIN_S = 60.0  # wall time in which a lost server may come back
LEAVE_S = 3.0  # wall time to let a case and its server go after Ctrl-C
LONGEST_S = 7 * 86400.0
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
    names: list[str],
    endpoint: str,
    user: str,
    certificate: Path | None,
    seed: int | None,
    timeout_s: float,
    tell: Callable[[str], None],
    keep: Callable[[list[CaseResult]], None] = lambda _: None,
) -> tuple[list[CaseResult], bool]:
    """Play cases on a served plant and fetch the verdicts. What goes wrong in a case is its verdict, and the others go on.

    Args:
        seed: another seed than the cases' own.
        timeout_s: wall time that one case may take.
        tell: told a line for each case.
        keep: given all verdicts so far after each case.

    Returns:
        The verdict of each case in order, and whether Ctrl-C or SIGTERM ended it before its time.

    Raises:
        BatchtwinError: wrong input, or there is no connection to begin with.
    """
    if not 1 <= timeout_s <= LONGEST_S:
        raise BatchtwinError("E101", where="--timeout", problem=f"{timeout_s:g} s is out of range", mend=f"give 1 to {LONGEST_S:.0f}")
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise BatchtwinError("E101", where="--seed", problem=f"{seed} is out of range", mend=f"give 0 to {LARGEST_SEED}")
    quiet()
    cases = suite(names)
    return asyncio.run(_play(cases, Wire(endpoint, login(user, certificate)), seed, timeout_s, tell, keep))


def can_write(path: Path) -> None:
    """Is there a place for a file, before hours are spent on what goes into it?

    Raises:
        BatchtwinError: E104 or E203 when there is none.
    """
    if path.is_dir():
        raise BatchtwinError("E104", path=path)
    if not path.parent.is_dir():
        raise BatchtwinError("E203", path=path, problem=f"there is no folder {path.parent}")


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


class Wire:
    """The connection to a served plant, made anew when it was lost."""

    def __init__(self, endpoint: str, who: Login | None) -> None:
        self._endpoint, self._who = endpoint, who
        self._stack = AsyncExitStack()
        self._twin: Twin | None = None
        self._gone: BatchtwinError | None = None

    async def twin(self, again_s: float = 0.0) -> Twin:
        """The plant at the other end.

        Args:
            again_s: how long to try.

        Raises:
            BatchtwinError: it does not answer; then it is not asked a second time.
        """
        deadline = time.monotonic() + again_s
        while self._twin is None:
            if self._gone:
                raise self._gone
            try:
                self._twin = await Twin.of(await self._stack.enter_async_context(connected(self._endpoint, self._who)))
            except BatchtwinError as error:
                if time.monotonic() > deadline:
                    self._gone = error
                await asyncio.sleep(LOOK_S)
        return self._twin

    async def drop(self) -> None:
        """Close it; the next to ask connects again."""
        self._twin = None
        with suppress(Exception):
            await self._stack.aclose()
        self._stack = AsyncExitStack()


async def _play(cases: list[Case], wire: Wire, seed: int | None, timeout_s: float, tell: Tell, keep: Keep) -> tuple[list[CaseResult], bool]:
    """Case after case, each into a numbered folder."""
    results: list[CaseResult] = []
    stamp = f"{datetime.now():%Y%m%d-%H%M%S}"
    await wire.twin()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for n, case in enumerate(cases, 1):
        began, folder = time.monotonic(), f"accept-{stamp}-{n:02d}-{case.name}"
        result = None if stop.is_set() else await _unless(stop, _tried(wire, case, folder, seed, timeout_s))
        results.append(result or _no_verdict(case, folder, seed, "interrupted, there is no verdict", "已中断，无结论"))
        keep(results)
        tell(f"{results[-1].state:7} {case.name:18} {results[-1].en}  ({time.monotonic() - began:.1f} s)")
    if stop.is_set():
        with suppress(Exception):
            async with asyncio.timeout(LEAVE_S):
                await (await wire.twin()).call("Time.Pause")
    await wire.drop()
    return results, stop.is_set()


async def _unless(stop: asyncio.Event, playing: Coroutine[None, None, CaseResult]) -> CaseResult | None:
    """What comes of a case, or None once it is to stop."""
    task, asked = asyncio.create_task(playing), asyncio.create_task(stop.wait())
    await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task}, timeout=LEAVE_S)
    return None


async def _tried(wire: Wire, case: Case, folder: str, seed: int | None, timeout_s: float) -> CaseResult:
    """One case; what goes wrong is its verdict."""
    try:
        return await _case(await wire.twin(AGAIN_S), case, folder, seed, timeout_s)
    except BatchtwinError as error:
        return _no_verdict(case, folder, seed, error.text("en"), error.text("zh"))
    except (OSError, TimeoutError, ua.UaError) as error:
        await wire.drop()
        why = str(error) or type(error).__name__
        return _no_verdict(case, folder, seed, f"the connection was lost ({why})", f"连接中断（{why}）")


def _no_verdict(case: Case, folder: str, seed: int | None, en: str, zh: str, sim_s: float = 0.0) -> CaseResult:
    seed = case.scenario.seed if seed is None else seed
    return CaseResult(case.name, case.title.en, case.title.zh, "error", seed, folder, en, zh, sim_s=sim_s)


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
        return _no_verdict(case, folder, seed, en, zh, elapsed)
    (text,) = await twin.call("Run.Verdict", ua.Variant(case.name, STRING))
    return CaseResult.from_json(text)
