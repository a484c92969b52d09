"""`batchtwin serve`: a live run behind an OPC UA server, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from opcua_server.access.security import Security
from opcua_server.server import PlantServer, no_scenario, no_verdict
from scenarios.session import Session


async def serve(live: Session, endpoint: str, security: Security, *, runs: Path = Path("runs"), scenario: Callable[[str], Any] = no_scenario,
                verdict: Callable[[Path, str], str] = no_verdict, out: Path | None = None, ready: Callable[[str], None] = lambda _: None) -> dict[str, Any]:  # fmt: skip
    """Serve a live run until SIGINT or SIGTERM.

    Args:
        out: folder to record into, from the start; nothing is made there before the endpoint is ours.
        ready: told the endpoint when clients may come.

    Returns:
        The outcome of the run.

    Raises:
        BatchtwinError: the endpoint cannot be used, or the run cannot be written.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    server = PlantServer(live, endpoint, security, runs=runs, scenario=scenario, verdict=verdict)
    player: asyncio.Task[None] | None = None
    try:
        await server.start()
        if out is not None:
            live.record(out)
        player = asyncio.create_task(live.run())
        ready(server.url)
        await stop.wait()
    finally:
        await server.stop()
        outcome = live.close()
        if player is not None:
            await player
    return outcome
