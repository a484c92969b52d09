"""The bridge to a PLC that is an OPC UA server only: the twin is the client. Sensors go out, outputs come in, scan by scan.

Paced time waits for nobody: when the PLC is slow or gone the plant goes on with the outputs it has, the heartbeat stands
still, and the plant's own watchdog brings the safe state. In lock-step (`speed` "max") a scan follows each exchange.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from asyncua import ua

from opcua_server.address.texts import Text
from opcua_server.clients.client import Login, connected
from opcua_server.clients.iomap import Row, bridge_template, load_map
from opcua_server.clients.plc import Plc
from scenarios.session import SCAN_S, Session
from twin.clock import TICKS_PER_S
from twin.errors import BadInput, BatchtwinError

REQUEST_S = 4.0  # wall time after which a silent PLC counts as lost
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0  # wall time between attempts to connect, doubled each time
LONGEST_PERIOD_S = 60.0
LOST = (BatchtwinError, OSError, TimeoutError, ua.UaError)
NAME = "plc"


@dataclass(frozen=True, slots=True)
class BridgeReport:
    """How the exchange went.

    Attributes:
        cycles: exchanges: one write and one read request each.
        p50_ms, p99_ms, max_ms: wall time of an exchange.
        late: exchanges that were not over before the plant's next scan.
        reconnects: times that the PLC was lost and found again.
        without_s: simulated time without the PLC.
        bad_values: values of the PLC that were not taken: their status was Bad or they were no finite numbers.
        write_errors: values that the PLC refused.
        cut: values cut to the range of the node's type.
    """

    cycles: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    late: int = 0
    reconnects: int = 0
    without_s: float = 0.0
    bad_values: int = 0
    write_errors: int = 0
    cut: int = 0

    def as_dict(self) -> dict[str, int | float]:
        """For JSON."""
        return asdict(self)


class Bridge:
    """A live run and a PLC, coupled.

    Args:
        live: its controller is outside ("none"); whoever made it closes it, the bridge drives its time.
        url: `opc.tcp://HOST:PORT` of the PLC.
        mapping: rows of the map, see `load_map`.
        login: user of the PLC; None for no security.
        tell: told in a line what happens.
        ready: called once when the PLC has passed all checks and before time goes.
        speed: see `Session.set_speed`; "max" is lock-step: a scan, an exchange, a scan.
        scan_s: period of the exchange, simulated; whole scans of 0.1 s.
        request_s, first_wait_s, longest_wait_s: wall time.
    """

    def __init__(self, live: Session, url: str, mapping: Sequence[Row], login: Login | None = None, tell: Callable[[Text], None] = lambda _: None, *,
                 ready: Callable[[], None] = lambda: None, speed: str = "1", scan_s: float = SCAN_S,
                 request_s: float = REQUEST_S, first_wait_s: float = FIRST_WAIT_S, longest_wait_s: float = LONGEST_WAIT_S) -> None:  # fmt: skip
        if not live.takes_outputs:
            raise BatchtwinError("E401", problem="the run has a controller of its own inside", mend="make it with controller none")
        self._every = round(scan_s / SCAN_S) if SCAN_S / 2 < scan_s <= LONGEST_PERIOD_S else 0
        if not self._every or abs(self._every * SCAN_S - scan_s) > 1e-6:
            raise BatchtwinError("E101", where="--scan", problem=f"{scan_s:g} s", mend=f"give 0.1, 0.2 … {LONGEST_PERIOD_S:g}")
        self.live, self.url, self.rows = live, url, list(mapping)
        self._login, self._tell, self._ready = login, tell, ready
        self._speed, self._locked = speed, speed.strip().lower() in ("max", "lockstep")
        live.set_speed("1" if self._locked else speed)
        self._request_s, self._first_s, self._longest_s = request_s, first_wait_s, longest_wait_s
        self._moved, self._stopped = asyncio.Event(), False
        self._began, self._said = False, ""
        self._times, self._late, self._reconnects = array("f"), 0, 0
        self._lost_tick: int | None = None
        self._without = 0
        self._counts: Counter[str] = Counter()

    # --- life -----------------------------------------------------------------------------------------

    async def run(self) -> BridgeReport:
        """Couple them until the run ends or `stop` is called.

        Raises:
            BatchtwinError: at the start the PLC does not answer or a node does not fit; then no time has passed.
        """
        self.live.listeners.append(self._moved.set)
        talk = asyncio.create_task(self._talk())
        player = asyncio.create_task(self.live.run())
        over = asyncio.create_task(self._until_over())
        try:
            await asyncio.wait({talk, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.live.pause()
            await _ended(talk, over, player)
            self.live.listeners.remove(self._moved.set)
        for task in (talk, player):
            if not task.cancelled():
                task.result()
        return self.report()

    def stop(self) -> None:
        """End the coupling; the run stays where it is."""
        self._stopped = True
        self._moved.set()

    def report(self) -> BridgeReport:
        """How it went so far."""
        ms = np.frombuffer(self._times, np.float32) if self._times else np.zeros(1, np.float32)
        without = self._without + (0 if self._lost_tick is None else self.live.tick - self._lost_tick)
        p50, p99, longest = (round(float(v), 3) for v in (np.percentile(ms, 50), np.percentile(ms, 99), ms.max()))
        return BridgeReport(len(self._times), p50, p99, longest, self._late, self._reconnects, without / TICKS_PER_S, self._counts["bad_values"],
                            self._counts["write_errors"], self._counts["cut"])  # fmt: skip

    @property
    def _over(self) -> bool:
        return self._stopped or self.live.state in ("ended", "failed")

    async def _until_over(self) -> None:
        while not self._over:
            self._moved.clear()
            await self._moved.wait()

    # --- the line to the PLC --------------------------------------------------------------------------

    async def _talk(self) -> None:
        """Connect, exchange, and when the PLC is lost, connect again."""
        wait_s = self._first_s
        while not self._over:
            try:
                async with connected(self.url, self._login, self._request_s) as client:
                    plc = await Plc.of(client, self.rows, self.live.sim.plant.table, self._say)
                    plc.counts = self._counts
                    self._found(plc)
                    wait_s = self._first_s
                    await self._exchanges(plc)
                    return
            except LOST as error:
                self._missed(error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, self._longest_s)

    def _found(self, plc: Plc) -> None:
        """The PLC is there and fits."""
        if not self._began:
            self._ready()
            self._began = True
            self._say(
                f"{self.url}: {len(plc.inputs)} nodes written, {len(plc.outputs)} read",
                f"{self.url}：写入 {len(plc.inputs)} 个节点，读取 {len(plc.outputs)} 个",
            )
            return
        self._reconnects += 1
        if self._lost_tick is not None:
            self._without += self.live.tick - self._lost_tick
            away = (self.live.tick - self._lost_tick) / TICKS_PER_S
            self._say(f"the PLC is back after {away:.1f} s of the plant's time", f"PLC 已恢复，中断 {away:.1f} 秒（仿真时间）")
        self._lost_tick = None

    def _missed(self, error: BaseException) -> None:
        """The PLC is not there, or does not fit any more."""
        if not self._began:
            if isinstance(error, BatchtwinError):
                raise error
            raise BatchtwinError(
                "E401", problem=f"{self.url} stopped answering ({_why(error)})", mend="check the PLC, then try again"
            ) from None
        first = self._lost_tick is None
        if first:
            self._lost_tick = self.live.tick
        lines = error.mistakes if isinstance(error, BadInput) else [error]
        why, more = _why(lines[0]), f" (+{len(lines) - 1})" if len(lines) > 1 else ""
        if first:
            self._say(f"the PLC is lost: {why}{more}; the plant goes on without it", f"PLC 失联：{why}{more}；搅拌站继续运行")
            if self._locked or not self._times:  # lock-step has nobody to wait for
                self.live.start()
        elif isinstance(error, BadInput) and why != self._said:
            self._said = why
            self._say(f"the PLC is back, but does not fit: {why}{more}", f"PLC 已恢复，但不匹配：{why}{more}")

    def _say(self, en: str, zh: str) -> None:
        self._tell(Text(en, zh))

    # --- exchanging -----------------------------------------------------------------------------------

    async def _exchanges(self, plc: Plc) -> None:
        """Exchange for as long as the PLC is there and the run goes."""
        live = self.live
        if self._locked:
            live.pause()
            await asyncio.sleep(0)
        while not self._over:
            begun, before = live.scan, time.perf_counter()
            wanted = await plc.exchange(live.sim.image.values, begun)
            self._times.append((time.perf_counter() - before) * 1e3)
            if self._over:
                return
            for index, value in wanted.items():
                live.write(live.sim.plant.table.tags[index].name, value, NAME, controller=True)
            if self._locked:
                await live.step(self._every)
                continue
            self._late += live.scan > begun
            if len(self._times) == 1:
                live.start()
            due = max(begun + self._every, live.scan + 1)  # what was just written must have been taken before the image is looked at again
            while live.scan < due and not self._over:
                await live.changed()


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended; `wait_for` of Python 3.11 may swallow a cancellation."""
    going = {task for task in tasks if not task.done()}
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=0.1)


def _why(error: BaseException) -> str:
    text = str(error) if isinstance(error, BatchtwinError) else f"{type(error).__name__} {error}".strip()
    return " ".join(text.split())


async def bridge(live: Session, url: str, mapping: Sequence[Row], login: Login | None = None, tell: Callable[[Text], None] = lambda _: None,
                 **more: Any) -> BridgeReport:  # fmt: skip
    """Couple a live run with a PLC until the run ends; see `Bridge`.

    Raises:
        BatchtwinError: at the start the PLC does not answer or a node does not fit; then no time has passed.
    """
    return await Bridge(live, url, mapping, login, tell, **more).run()


__all__ = ["Bridge", "BridgeReport", "bridge", "bridge_template", "load_map"]
