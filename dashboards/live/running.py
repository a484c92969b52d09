"""Looking at records: batches and trends of the run under way, and finished runs for replay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool

from dashboards.live.people import Person
from dashboards.live.refusal import Refusal
from dashboards.live.site import Site, language_of, site_of, somebody
from dashboards.live.trends import MOST_TAGS, live_trend, run_trend, values_at
from scenarios.run import Run, open_run
from twin.clock import TICKS_PER_S
from twin.errors import BatchtwinError

router = APIRouter(prefix="/api")
Somebody = Annotated[Person, Depends(somebody)]
Tags = Annotated[str, Query(min_length=1, max_length=3000)]
Points = Annotated[int, Query(ge=20, le=20_000)]
Seconds = Annotated[float, Query(ge=0, le=4e7)]
RUN_NAME = re.compile(r"[\w][\w.-]{0,119}")
LISTED = 200


def chosen(tags: str) -> list[str]:
    """Tag names from a comma-separated list.

    Raises:
        Refusal: 422 for too many.
    """
    names = list(dict.fromkeys(t for t in tags.split(",") if t))
    if len(names) > MOST_TAGS:
        raise Refusal(
            422, (f"{len(names)} tags at once", f"choose at most {MOST_TAGS}"), (f"一次选择了 {len(names)} 个标签", f"最多 {MOST_TAGS} 个")
        )
    return names


def run_of(site: Site, name: str) -> Run:
    """A run of the folder by its name.

    Raises:
        Refusal: 404 for no name.
        BatchtwinError: E201 when there is no such run, or no longer.
    """
    if RUN_NAME.fullmatch(name) is None:
        raise Refusal(404, (f"'{name[:60]}' is no run", "choose one of the list"), (f"“{name[:60]}”不是运行记录", "请从列表选择"))
    return open_run(site.runs / name)


@router.get("/trend")
async def trend(request: Request, person: Somebody, tags: Tags, last_s: Seconds = 900, points: Points = 1000) -> dict[str, Any]:
    """Trends of the run under way, over its last seconds; empty for one that is not recorded."""
    sim = site_of(request).live.sim
    writer, now_s = sim.writer, sim.tick / TICKS_PER_S
    names = chosen(tags)
    for name in names:
        sim.plant.table.index(name)
    if writer is None or writer.recent is None:
        return {"now_s": now_s, "tags": {}}
    sim.gather()
    past = writer.recent.snapshot(writer.path)
    found = await run_in_threadpool(live_trend, past, writer.info["resolution"], names, max(now_s - last_s, 0.0), now_s, points)
    return {"now_s": now_s, "tags": found}


@router.get("/batches")
async def batches(request: Request, person: Somebody) -> list[dict[str, Any]]:
    """The last batches of the run under way, newest first; they reach the record within a few seconds."""
    writer = site_of(request).live.sim.writer
    return await run_in_threadpool(last_batches, writer.path) if writer else []


def last_batches(path: Path) -> list[dict[str, Any]]:
    """The newest batches of a run folder."""
    try:
        run = open_run(path)
        if "batches" not in run.tables:
            return []
        return run.sql(
            "SELECT time_s, line, number, volume_m3, water_binder, slump_mm, temperature_c, homogeneity FROM batches WHERE volume_m3 > 0.01 ORDER BY time_s DESC LIMIT 30"
        ).to_pylist()
    except BatchtwinError as error:
        if error.code == "E201":  # deleted under our hands
            return []
        raise


@router.get("/runs")
def runs(request: Request, person: Somebody) -> list[dict[str, Any]]:
    """Runs of the folder, newest first."""
    site = site_of(request)
    zh = language_of(request) == "zh"
    found = []
    folders = [p for p in site.runs.iterdir() if (p / "run.json").is_file()] if site.runs.is_dir() else []
    for folder in sorted(folders, key=lambda p: -p.stat().st_mtime)[:LISTED]:
        try:
            run = open_run(folder)
        except BatchtwinError:
            continue
        scenario = run.info.get("scenario", {})
        title = scenario.get("title") or {}
        found.append({"name": folder.name, "state": run.state, "scenario": title.get("zh" if zh else "en", scenario.get("name", "")), "started": run.info.get("started", ""),
                      "training": (folder / "training.json").is_file()})  # fmt: skip
    return found


@router.get("/runs/{name}")
def one_run(request: Request, person: Somebody, name: str) -> dict[str, Any]:
    """How long a run is, what it recorded, what happened when."""
    run = run_of(site_of(request), name)
    if "tags" not in run.tables:
        raise BatchtwinError("E201", path=name, problem="nothing has been recorded yet")
    span = run.sql("SELECT min(time_s) AS a, max(time_s) AS b FROM tags").to_pylist()[0]
    events = (
        run.sql("SELECT time_s, kind, name, text FROM events WHERE kind <> 'command' ORDER BY time_s LIMIT 2000").to_pylist()
        if "events" in run.tables
        else []
    )
    tags = [t for t in run.info.get("resolution", {}) if not t.endswith((".min", ".max"))]
    return {
        "name": name,
        "state": run.state,
        "starts": run.info["scenario"]["starts"],
        "from_s": span["a"] or 0.0,
        "to_s": span["b"] or 0.0,
        "tags": tags,
        "events": events,
    }


@router.get("/runs/{name}/at")
def at(request: Request, person: Somebody, name: str, t: Seconds) -> dict[str, Any]:
    """Every recorded tag as it stood at a time."""
    return values_at(run_of(site_of(request), name), t)


@router.get("/runs/{name}/trend")
def past_trend(
    request: Request, person: Somebody, name: str, tags: Tags, start: Seconds, end: Seconds, points: Points = 2000
) -> dict[str, Any]:
    """Trends of a recorded run."""
    return run_trend(run_of(site_of(request), name), chosen(tags), start, end, points)
