"""A live run with its pages, in a thread of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from dashboards.live.people import Gate
from dashboards.live.serve import pages
from dashboards.live.site import Site
from scenarios.session import Session


class Served:
    """What a test sees of the server: its address, the session, and a way to do something in its event loop."""

    def __init__(self, site: Site, loop: asyncio.AbstractEventLoop) -> None:
        self.site, self.live, self.runs, self.url = site, site.live, site.runs, site.url.rstrip("/")
        self._loop = loop

    def do(self, act: Callable[[], Any]) -> Any:
        """Call something in the loop of the run."""

        async def call() -> Any:
            return act()

        return self.wait(call())

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await something in the loop of the run."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def play(self, seconds: float) -> None:
        """Play some simulated seconds at once; time must stand before."""
        scans = round(seconds * 10)
        while scans > 0:
            self.wait(self.live.step(min(scans, 100_000)))
            scans -= 100_000

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A browser without a screen: cookies, and the CSRF token that goes with them."""
        with httpx.Client(base_url=self.url, timeout=30) as client:
            client.get("/api/me")
            client.headers["x-csrftoken"] = next((v for k, v in client.cookies.items() if "csrf" in k), "")
            yield client


@contextmanager
def serving(make: Callable[[Path], Session], runs: Path, gate: Gate | None = None) -> Iterator[Served]:
    """Serve a session that is made in the loop; closed when the context ends."""
    loop = asyncio.new_event_loop()
    ready, ended = threading.Event(), asyncio.Event()
    found: list[Served] = []
    trouble: list[BaseException] = []

    async def life() -> None:
        live = make(runs)
        async with pages(live, "127.0.0.1", 0, gate, runs) as site:
            player = asyncio.create_task(live.run())
            found.append(Served(site, loop))
            ready.set()
            await ended.wait()
        live.close()
        await player

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(life())
        except BaseException as error:
            trouble.append(error)
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(300)
    if trouble:
        raise trouble[0]
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(60)
    if trouble:
        raise trouble[0]
