"""Servers that the OPC UA benchmarks measure, each in a process of its own: ours, and one of asyncua as it comes.

Each prints its endpoint, serves until stdin closes, then prints what it has seen of itself as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from twin.tags import TagTable, sensor

TAGS = 2_000
ANY = "opc.tcp://127.0.0.1:0"


def wide_table() -> TagTable:
    """2,000 tags of mixed types: half real, a quarter whole, an eighth each of codes and booleans."""
    table = TagTable()
    states = tuple(f"state {i}" for i in range(8))
    kinds = (
        lambda n: sensor(n, "a real number", "实数", "kg", -90, 90, 0.01), lambda n: sensor(n, "a count", "计数", "count", 0, 1e9),
        lambda n: sensor(n, "a real number", "实数", "kg", -90, 90, 0.01), lambda n: sensor(n, "a code", "代码", states=states),
        lambda n: sensor(n, "a real number", "实数", "kg", -90, 90, 0.01), lambda n: sensor(n, "a count", "计数", "count", 0, 1e9),
        lambda n: sensor(n, "a real number", "实数", "kg", -90, 90, 0.01), lambda n: sensor(n, "a bit", "位"),
    )  # fmt: skip
    for group in range(TAGS // 8):
        table.add(f"Line1.Group{group}", "group", tuple(kinds[k](f"Tag{k}") for k in range(8)))
    return table


class Wave:
    """Values of the wide table that all change at every step; a tenth of the real ones goes out of range."""

    def __init__(self, table: TagTable) -> None:
        tags = table.tags
        self.values = np.zeros(len(tags))
        self._real = np.array([i for i, t in enumerate(tags) if t.dtype == "float"])
        self._count = np.array([i for i, t in enumerate(tags) if t.unit == "count"])
        self._code = np.array([i for i, t in enumerate(tags) if t.states])
        self._bit = np.array([i for i, t in enumerate(tags) if t.dtype == "bool"])

    def step(self, n: int) -> None:
        """Values of step `n`."""
        self.values[self._real] = 100.0 * np.sin(0.1 * n + 0.01 * self._real)
        self.values[self._count] = n
        self.values[self._code] = n % 8
        self.values[self._bit] = n % 2


async def wide(until: asyncio.Event) -> dict[str, Any]:
    """The wide table on our server, stepped by a live plant at its scans of 100 ms."""
    from opcua_server.access.security import insecure
    from opcua_server.server import PlantServer
    from scenarios.session import Session

    live = Session("working-day", controller="reference")
    table = wide_table()
    wave = Wave(table)
    plant = SimpleNamespace(table=table)
    facade = _Facade(
        live, SimpleNamespace(plant=plant, design=SimpleNamespace(materials={}), image=SimpleNamespace(values=wave.values), wished={})
    )
    server = PlantServer(facade, ANY, insecure(ANY))  # type: ignore[arg-type]
    late_ms: list[float] = []

    def scanned() -> None:
        if live.state == "running" and (not late_ms or live.scan != scanned.last):  # type: ignore[attr-defined]
            scanned.last = live.scan  # type: ignore[attr-defined]
            late_ms.append(live.late_ms)
            wave.step(live.scan)
            server._stepped()

    live.listeners.append(scanned)
    await server.start()
    player = asyncio.create_task(live.run())
    live.start()
    print(server.url, flush=True)
    await until.wait()
    await server.stop()
    live.close()
    await player
    return {"late_ms": late_ms[20:], "scans": live.scan, "overruns": live.overruns}


class _Facade:
    """A live run with another tag table."""

    def __init__(self, live: Any, sim: Any) -> None:
        self._live, self.sim = live, sim
        self.listeners: list[Any] = []
        self.alarm_listeners: list[Any] = []
        self.alarms = SimpleNamespace(find=None, alarms={})  # none of these tags is an alarm
        self.outside = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._live, name)


async def plant(until: asyncio.Event) -> dict[str, Any]:
    """A plant in lock-step."""
    from opcua_server.access.security import insecure
    from opcua_server.server import PlantServer
    from scenarios.session import Session

    live = Session("full-demand")
    live.set_speed("lockstep")
    live.start()
    server = PlantServer(live, ANY, insecure(ANY))
    await server.start()
    player = asyncio.create_task(live.run())
    print(server.url, flush=True)
    await until.wait()
    await server.stop()
    live.close()
    await player
    return {"scans": live.scan}


async def library(until: asyncio.Event) -> dict[str, Any]:
    """The wide table on asyncua's own server, written by its quickest call at 10 Hz."""
    import logging

    from asyncua import Server, ua

    logging.getLogger("asyncua").setLevel(logging.ERROR)
    table = wide_table()
    wave = Wave(table)
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:batchtwin:plant")
    folder = await server.nodes.objects.add_folder(index, "Plant")
    kinds = [
        ua.VariantType.Boolean if t.dtype == "bool" else ua.VariantType.Double if t.dtype == "float" else ua.VariantType.Int32
        for t in table
    ]
    nodes = [
        await folder.add_variable(ua.NodeId(t.name, index), t.name, False if t.dtype == "bool" else 0.0 if t.dtype == "float" else 0, k)
        for t, k in zip(table, kinds, strict=True)
    ]
    await nodes[0].set_writable()
    await server.start()
    assert server.bserver is not None
    print(f"opc.tcp://127.0.0.1:{server.bserver.port} {index}", flush=True)
    ids = [n.nodeid for n in nodes[1:]]
    n = 0
    while not until.is_set():
        n += 1
        wave.step(n)
        began = time.monotonic()
        for node, kind, value in zip(ids, kinds[1:], wave.values[1:].tolist(), strict=True):
            typed = bool(value) if kind is ua.VariantType.Boolean else value if kind is ua.VariantType.Double else int(value)
            await server.iserver.write_attribute_value(node, ua.DataValue(ua.Variant(typed, kind)))
        left = max(0.1 - (time.monotonic() - began), 0)
        try:
            await asyncio.wait_for(until.wait(), left or 0.001)
        except TimeoutError:
            continue
    await server.stop()
    return {"steps": n}


async def _main(which: str) -> None:
    until = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), lambda: until.set() if not os.read(sys.stdin.fileno(), 1) else None)
    print(json.dumps(await {"wide": wide, "plant": plant, "asyncua": library}[which](until)), flush=True)


def serve(which: str) -> None:
    """Serve `wide`, `plant` or `asyncua` until stdin closes."""
    asyncio.run(_main(which))
