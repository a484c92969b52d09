"""`batchtwin serve`: a live run behind an OPC UA server, until Ctrl-C."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opcua_server.access.security import Security
from opcua_server.server import PlantServer, no_scenario, no_verdict
from scenarios.session import Session
from scenarios.until_stopped import until_stopped


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
    server = PlantServer(live, endpoint, security, runs=runs, scenario=scenario, verdict=verdict)
    return await until_stopped(live, _open(server), out, ready)


@asynccontextmanager
async def _open(server: PlantServer) -> AsyncIterator[str]:
    try:
        await server.start()
        yield server.url
    finally:
        await server.stop()
