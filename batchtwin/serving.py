"""Serving a plant over OPC UA from the command line, and the clients that go with it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from batchtwin import show
from batchtwin.play import LARGEST_SEED, folder_of, lasts_of
from scenarios.schema import Dispatch, load_scenario
from scenarios.session import Session
from twin.errors import BatchtwinError

if TYPE_CHECKING:
    from opcua_server.clients.client import Login

INSECURE = (
    "no security: whoever reaches this port is an instructor (--insecure)",
    "无安全措施：任何能访问此端口的人都是教员（--insecure）",
)


def serve(scenario: str, design: str | None, endpoint: str, speed: str, controller: str, insecure: bool, seed: int | None, out: Path | None,
          record: bool, until: str | None, operator: bool, paused: bool, timeout_s: float, cases: Path | None, language: str,
          dispatch: Dispatch | None, pages: int | None) -> dict[str, Any]:  # fmt: skip
    """Serve a live run until Ctrl-C.

    Returns:
        The outcome of the run.

    Raises:
        BatchtwinError: wrong input, or the endpoint or the folder cannot be used.
    """
    from opcua_server.access import security
    from opcua_server.access.state import state_folder
    from opcua_server.scenarios import Offer
    from opcua_server.serve import serve as run

    quiet()
    plan, plant = load_scenario(scenario, design)
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise BatchtwinError("E101", where="--seed", problem=f"{seed} is out of range", mend=f"give 0 to {LARGEST_SEED}")
    if not 0.1 <= timeout_s <= 3600:
        raise BatchtwinError("E101", where="--timeout", problem=f"{timeout_s:g} s is out of range", mend="give 0.1 to 3600")
    until_s = lasts_of(until, plan) if until is not None else None
    if cases is not None:
        own_cases(cases)
    offer = Offer(plant, cases)
    safe = security.insecure(endpoint, state_folder()) if insecure else security.secure(endpoint)
    zh = language == "zh"
    stem = f"{plan.name}-{plan.seed if seed is None else seed}"

    async def play(folder: Path | None) -> dict[str, Any]:
        with show.spinner("编译内核（仅一次）" if zh else "compiling kernels (once)"):
            live = Session(plan, plant, seed=seed, until_s=until_s, controller=controller, operator=operator, dispatch=dispatch)
        live.set_speed(speed)
        live.lockstep.timeout_s = timeout_s
        if not paused:
            live.start()

        runs = folder.parent if folder else Path("runs")
        async with _pages(live, endpoint, pages, runs) as pages_url:

            def ready(url: str) -> None:
                print(f"{url}  {plan.name} @ {plant.name}, {live.speed_text}, controller {controller}")
                if pages_url:
                    print(f"{'网页' if zh else 'pages'}: {pages_url}")
                print(f"{'运行记录' if zh else 'run'}: {folder or '-'}")
                for en, other in ([INSECURE] if insecure else []) + safe.notices:
                    print(f"{'警告' if zh else 'warning'}: {other if zh else en}", file=sys.stderr)
                print("Ctrl-C 结束" if zh else "Ctrl-C ends it", flush=True)

            return await run(live, endpoint, safe, runs=runs, scenario=offer.scenario, verdict=offer.verdict, out=folder, ready=ready)

    if not record:
        return asyncio.run(play(None))
    with folder_of(out, stem) as folder:
        return asyncio.run(play(folder))


@asynccontextmanager
async def _pages(live: Session, endpoint: str, port: int | None, runs: Path) -> AsyncIterator[str]:
    """The pages beside OPC UA, on the same host, if they are wanted; gives their URL."""
    if port is None:
        yield ""
        return
    from batchtwin.paging import gate_for
    from dashboards.live.serve import pages

    host = urlparse(endpoint).hostname or "127.0.0.1"
    async with pages(live, host, port, gate_for(host), runs) as site:
        yield site.url


def own_cases(folder: Path) -> None:
    """Look through a folder of cases before it is served.

    Raises:
        BatchtwinError: no such folder, no case in it, or the mistakes of a case.
    """
    from scenarios.acceptance.case import load_case

    files = sorted(folder.glob("*.yaml"))
    if not files:
        problem = f"{folder} holds no case" if folder.is_dir() else f"there is no folder {folder}"
        raise BatchtwinError("E101", where="--cases", problem=problem, mend="name a folder with YAML files of cases")
    for file in files:
        case = load_case(file)
        if case.name != file.stem:
            raise BatchtwinError("E101", where=str(file), problem=f"its name is '{case.name}'", mend="call case and file alike")


def control(endpoint: str, parts: list[str], user: str, certificate: Path | None, once: bool, rule: str) -> int:
    """Run the reference controller or dispatcher on a served plant; returns the scans done."""
    from opcua_server.clients.remote import control as run

    quiet()
    return asyncio.run(run(endpoint, login(user, certificate), parts, once, lambda line: print(line, flush=True), rule))


def login(user: str, certificate: Path | None) -> Login | None:
    """Name and password of a user; the password comes from BATCHTWIN_PASSWORD, or is asked for."""
    from opcua_server.clients.client import Login

    if not user:
        return None
    password = os.environ.get("BATCHTWIN_PASSWORD")
    if password is None:
        import getpass

        if not sys.stdin.isatty():
            raise BatchtwinError("E401", problem=f"no password for {user}", mend="set BATCHTWIN_PASSWORD, or run it in a terminal")
        password = getpass.getpass(f"{user}: ")
    return Login(user, password, certificate)


def quiet() -> None:
    """Errors of ours are told in a line; the library's log would tell them again, with tracebacks."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    if not os.environ.get("BATCHTWIN_DEBUG"):
        logging.getLogger("batchtwin").setLevel(logging.ERROR)
