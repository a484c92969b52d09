"""Benchmark of the pages: a server in a process of its own, twenty viewers and a slow one, 300 tags that change at every frame."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from batchtwin.bench.processes import ROOT
from batchtwin.bench.runs import Result

VIEWERS, TAGS, SECONDS = 20, 300, 6.0
SERVER = "import asyncio; from batchtwin.bench.pages import server; asyncio.run(server())"
FRAMES = 0.85  # share of the frames at 5 Hz that a viewer must get at least


async def server() -> None:
    """Serve a standing plant of which 300 tags change at each frame; print the address, end when stdin closes."""
    from dashboards.live.hub import PERIOD_S
    from dashboards.live.serve import pages
    from scenarios.session import Session

    live = Session("working-day", controller="reference")
    with TemporaryDirectory() as folder:
        async with pages(live, "127.0.0.1", 0, None, Path(folder)) as site:
            print(site.url, flush=True)
            values, chosen = live.sim.image.values, site.hub.indices[:TAGS]
            step = [live.sim.plant.table.tags[i].resolution for i in chosen]
            ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
            while not ended.done():
                values[chosen] += step
                await asyncio.sleep(PERIOD_S)
    live.close()


def viewers() -> Result:
    """Share of a core that the server takes for twenty viewers, in percent."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    try:
        share, frames, slow = asyncio.run(_watch(url, process.pid))
    finally:
        process.communicate("", timeout=60)
    least = min(frames)
    told = f"{VIEWERS} viewers, {TAGS} tags changing at 5 Hz: each got {least}–{max(frames)} frames in {SECONDS:g} s; one who reads 1/s had the newest state {slow} frame(s) late"
    return share, told, None if least >= FRAMES * 5 * SECONDS and slow <= 2 else False


async def _watch(url: str, pid: int) -> tuple[float, list[int], int]:
    import websockets
    from websockets.typing import Origin

    cookie = _cookie(url)
    counts, newest, slow_seen = [0] * VIEWERS, [0], [0]
    started = asyncio.Event()

    async def look(k: int) -> None:
        async with websockets.connect(
            f"ws{url[4:]}live", additional_headers={"Cookie": cookie}, origin=Origin(url.rstrip("/")), max_size=None, compression=None
        ) as socket:
            async for text in socket:
                message = json.loads(text)
                if "f" in message and started.is_set():
                    counts[k] += 1
                    newest[0] = max(newest[0], message["f"])

    async def doze() -> None:
        async with websockets.connect(
            f"ws{url[4:]}live", additional_headers={"Cookie": cookie}, origin=Origin(url.rstrip("/")), max_queue=1, compression=None
        ) as socket:
            while True:
                message: dict[str, Any] = json.loads(await socket.recv())
                slow_seen[0] = max(slow_seen[0], message.get("f", 0))
                await asyncio.sleep(0.0 if slow_seen[0] < newest[0] - 1 else 1.0)

    tasks = [asyncio.create_task(look(k)) for k in range(VIEWERS)] + [asyncio.create_task(doze())]
    await asyncio.sleep(2)
    started.set()
    before, began = _cpu_s(pid), time.monotonic()
    await asyncio.sleep(SECONDS)
    share = 100 * (_cpu_s(pid) - before) / (time.monotonic() - began)
    at, frames = newest[0], list(counts)
    await asyncio.sleep(1.2)  # the slow one's next look
    late = max(at - slow_seen[0], 0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return share, frames, late


def _cookie(url: str) -> str:
    with urllib.request.urlopen(f"{url}api/me") as answer:
        return "; ".join(c.split(";")[0] for c in answer.headers.get_all("set-cookie"))


def _cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
