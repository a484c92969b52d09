"""Benchmarks of the pages: opening them, twenty viewers of a server in a process of its own, and the trend of a year."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from batchtwin.bench.processes import ROOT, cpu_s
from batchtwin.bench.runs import Result

VIEWERS, TAGS, SECONDS = 20, 300, 6.0
OPENED = 7
SERVER = "import asyncio, sys; from batchtwin.bench.pages import server; asyncio.run(server(*sys.argv[1:]))"
PEAK = 1_000_000
FRAMES = 0.85  # share of the frames at 5 Hz that a viewer must get at least


async def server(runs: str = "") -> None:
    """Serve a standing plant of which 300 tags change at each frame; print the address, end when stdin closes.

    Args:
        runs: folder of the runs; one that is gone afterwards when left out.
    """
    from dashboards.live.hub import PERIOD_S
    from dashboards.live.serve import pages
    from scenarios.session import Session

    live = Session("working-day", controller="reference")
    with TemporaryDirectory() as folder:
        async with pages(live, "127.0.0.1", 0, None, Path(runs or folder)) as site:
            print(site.url, flush=True)
            values, chosen = live.sim.image.values, site.hub.indices[:TAGS]
            step = [live.sim.plant.table.tags[i].resolution for i in chosen]
            ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
            while not ended.done():
                values[chosen] += step
                await asyncio.sleep(PERIOD_S)
    live.close()


@contextmanager
def served(runs: str = "") -> Iterator[tuple[str, int]]:
    """Address and process of a server, for as long as the context lasts."""
    process = subprocess.Popen([sys.executable, "-c", SERVER, runs], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.communicate("", timeout=60)


def opening() -> Result:
    """From asking for the live page to its first values on the screen, in a browser that has nothing in its cache, s; median."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None or find_spec("playwright") is None:
        return math.nan, "not measured: it takes Chromium and the package playwright (pip install 'batchtwin[dev]')", None
    from playwright.sync_api import sync_playwright

    took = []
    with served() as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(OPENED):
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            began = time.monotonic()
            page.goto(url, wait_until="commit")
            page.wait_for_function("() => /^20/.test(document.getElementById('clock')?.textContent ?? '')")
            took.append(time.monotonic() - began)
            page.context.close()
        browser.close()
    return statistics.median(took), f"{OPENED} persons with empty caches, one after the other: {min(took):.2f}–{max(took):.2f} s", None


def viewers() -> Result:
    """Share of a core that the server takes for twenty viewers, in percent."""
    with served() as (url, pid):
        share, frames, slow = asyncio.run(_watch(url, pid))
    least = min(frames)
    told = f"{VIEWERS} viewers, {TAGS} tags changing at 5 Hz: each got {least}–{max(frames)} frames in {SECONDS:g} s; one who reads 1/s had the newest state {slow} frame(s) late"
    return share, told, None if least >= FRAMES * 5 * SECONDS and slow <= 2 else False


def trend() -> Result:
    """Time to thin out a year at one row a second of ten tags, s."""
    from dashboards.live.trends import run_trend
    from scenarios.run import open_run
    from scenarios.store import RunWriter

    names, year, piece = [f"Line1.T{k}.Value" for k in range(10)], 365 * 86400, 5 * 86400
    with TemporaryDirectory() as folder:
        writer = RunWriter(Path(folder) / "run", {"resolution": dict.fromkeys(names, 0.1)})
        rng = np.random.default_rng(0)
        for start in range(0, year, piece):
            walks = {n: np.cumsum(rng.integers(-3, 4, piece)).astype(np.int32) for n in names}
            if start == 0:
                walks[names[0]][123_456] = PEAK
            writer.append("tags", pa.table({"time_s": np.arange(start, start + piece) + 1.0} | walks))
        writer.close("complete", {})
        began = time.monotonic()
        found = run_trend(open_run(Path(folder) / "run"), names, 0, year, 2000)
        took = time.monotonic() - began
    kept = max(found[names[0]]["v"]) == PEAK * 0.1
    return (
        took,
        f"ten tags, {year / 1e6:.1f} million rows, to {len(found[names[0]]['v'])} points; a peak of one row is {'kept' if kept else 'lost'}",
        None if kept else False,
    )


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
    before, began = cpu_s(pid), time.monotonic()
    await asyncio.sleep(SECONDS)
    share = 100 * (cpu_s(pid) - before) / (time.monotonic() - began)
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
