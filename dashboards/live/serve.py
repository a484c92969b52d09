"""Serving the pages in the event loop of the live run, alone or beside OPC UA."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from dashboards.live.app import application
from dashboards.live.people import Gate
from dashboards.live.site import Site
from scenarios.session import Session
from scenarios.training import drills
from scenarios.until_stopped import until_stopped
from twin.errors import BatchtwinError


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the event loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def pages(live: Session, host: str, port: int, gate: Gate | None, runs: Path) -> AsyncIterator[Site]:
    """The pages of a live run, for as long as the context lasts; gives their site.

    Args:
        port: 0 takes a free one.
        gate: where people log in; None lets everybody in.

    Raises:
        BatchtwinError: E401 when the address cannot be used.
    """
    site = Site(live, gate, runs)
    drills()  # read before somebody waits for them
    with _listen(host, port) as listening:
        config = uvicorn.Config(application(site, listening.getsockname()[1], [host, "localhost"] if gate is None else ["*"]), log_level="critical", access_log=False, ws_per_message_deflate=False, lifespan="off",
                                timeout_graceful_shutdown=1)  # fmt: skip
        server = _Server(config)
        tasks = [asyncio.create_task(server.serve([listening])), asyncio.create_task(site.hub.run())]
        try:
            while not server.started and not tasks[0].done():
                await asyncio.sleep(0.005)
            name = f"[{host}]" if ":" in host else host
            site.url = f"http://{name}:{listening.getsockname()[1]}/"
            yield site
        finally:
            server.should_exit = True
            tasks[1].cancel()
            await asyncio.wait(tasks)
            site.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256)
    except OSError as error:
        raise BatchtwinError(
            "E401",
            problem=f"the pages cannot be served on {host}:{port} ({error.strerror or error})",
            mend="choose another --host or --port",
        ) from None


async def serve(
    live: Session, host: str, port: int, gate: Gate | None, runs: Path, out: Path | None, ready: Callable[[str], None]
) -> dict[str, Any]:
    """Serve a live run's pages until SIGINT or SIGTERM.

    Args:
        out: folder to record into, from the start; nothing is made there before the address is ours.
        ready: told the URL when browsers may come.

    Returns:
        The outcome of the run.

    Raises:
        BatchtwinError: the address cannot be used, or the run cannot be written.
    """
    return await until_stopped(live, _address(live, host, port, gate, runs), out, ready)


@asynccontextmanager
async def _address(live: Session, host: str, port: int, gate: Gate | None, runs: Path) -> AsyncIterator[str]:
    async with pages(live, host, port, gate, runs) as site:
        yield site.url
