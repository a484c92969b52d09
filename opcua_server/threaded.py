"""A served plant in a thread of its own, for tests: its methods may be called from any thread and return when done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from opcua_server.access import security
from opcua_server.scenarios import Offer
from opcua_server.server import PlantServer
from scenarios.session import Session

T = TypeVar("T")
ANY = "opc.tcp://127.0.0.1:0"
LONGEST_S = 600.0


class ServedPlant:
    """A live run behind an OPC UA server on a free port of loopback, without security.

    Args:
        live: makes the run, on the server's thread.
        runs: folder for recordings.

    Attributes:
        url: where clients connect.
    """

    def __init__(
        self, live: Callable[[], Session], runs: Path, protection: Callable[[], security.Security] = lambda: security.insecure(ANY)
    ) -> None:
        self._make, self._runs, self._protection = live, runs, protection
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="served-plant", daemon=True)
        self._thread.start()
        try:
            self.call(self._begin())
        except BaseException:
            self._end_loop()
            raise

    async def _begin(self) -> None:
        self.live = self._make()
        offer = Offer(self.live.sim.design)
        self.server = PlantServer(self.live, ANY, self._protection(), runs=self._runs, scenario=offer.scenario, verdict=offer.verdict)
        await self.server.start()
        self._player = asyncio.create_task(self.live.run())
        self.url = self.server.url

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LONGEST_S)

    def do(self, act: Callable[[], T]) -> T:
        """Call a function on the server's thread."""

        async def run() -> T:
            return act()

        return self.call(run())

    def step(self, scans: int = 1) -> int:
        """Play some scans of 100 ms and pause; in lock-step as the controllers allow. Returns the scan that comes next."""
        return self.call(self.live.step(scans))

    def play(self, seconds: float) -> None:
        """Play some simulated seconds and pause."""
        self.step(max(round(seconds * 10), 1))

    def set_speed(self, speed: str) -> None:
        """`1`, `10`, `max` or `lockstep`."""
        self.do(lambda: self.live.set_speed(speed))

    def __getitem__(self, tag: str) -> bool | int | float:
        """Value of a tag."""
        return self.do(lambda: self.live.sim.image[tag])

    def write(self, tag: str, value: float) -> None:
        """Write a tag as an operator, or as a controller for actuators."""
        self.do(lambda: self.live.write(tag, value, "test"))

    def inject(self, fault: str, target: str, severity: float | None = None) -> None:
        """Let a machine fail at the next scan."""
        self.do(lambda: self.live.sim.inject(fault, target, severity))

    def clear(self, fault: str, target: str) -> None:
        """End a fault at the next scan."""
        self.do(lambda: self.live.sim.clear(fault, target))

    @property
    def alarms(self) -> list[str]:
        """Alarm tags that are on."""
        return self.do(lambda: self.live.sim.alarms)

    @property
    def seconds(self) -> float:
        """Simulated time, s since the start."""
        return self.do(lambda: self.live.tick / 100)

    def reset(self, scenario: Any = "", seed: int | None = None, out: Path | None = None) -> None:
        """Begin another run on the same plant; see `Session.reset`."""
        self.do(lambda: self.live.reset(scenario, seed, out))

    def close(self) -> dict[str, Any]:
        """End server and run. Returns the outcome."""

        async def end() -> dict[str, Any]:
            await self.server.stop()
            outcome = self.live.close()
            await self._player
            return outcome

        try:
            return self.call(end())
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> ServedPlant:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
