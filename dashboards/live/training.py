"""Training: a drill is begun on the live plant, ended, scored, and kept with its record."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from pydantic import Field

from dashboards.facts import Facts
from dashboards.live import views
from dashboards.live.driving import Body
from dashboards.live.people import Person
from dashboards.live.refusal import Refusal
from dashboards.live.running import run_of
from dashboards.live.site import Site, both, driving, language_of, site_of, somebody
from dashboards.sections.alarms import meaning
from dashboards.texts import word
from scenarios.run import Run
from scenarios.schema import check
from scenarios.scoring import score
from scenarios.session import Session
from scenarios.simulation import Simulation
from scenarios.store import write_json
from scenarios.training import Drill, drills
from twin.errors import BatchtwinError, unknown

router = APIRouter()
Somebody = Annotated[Person, Depends(somebody)]
Driver = Annotated[Person, Depends(driving)]
FILE = "training.json"
OVER = ("ended", "failed")


class Begin(Body):
    """Which drill, and who trains."""

    drill: str = Field(min_length=1, max_length=80)
    trainee: str = Field(min_length=1, max_length=60)


def drill_of(name: str) -> Drill:
    """A packaged drill.

    Raises:
        BatchtwinError: E102 for an unknown one.
    """
    if name not in drills():
        raise unknown("scenario", name, drills())
    return drills()[name]


def begin(live: Session, drill: Drill, runs: Path, trainee: str) -> str:
    """Begin a drill on a live plant, recorded into a folder of its own; time stands until somebody lets it run.

    Returns:
        Name of the run.

    Raises:
        BatchtwinError: the drill does not fit the plant, or the folder cannot be written; then the present run goes on.
    """
    design = live.sim.design
    check(drill.play, design)
    name = free_name(runs, f"training-{drill.name}")

    def play(controller: Any, out: str | Path | None, seed: int | None) -> Simulation:
        return Simulation(drill.play, design, seed=seed, fidelity="scan", controller=controller, operator=False, out=out)

    live.reset(play, out=runs / name)
    live.set_speed(f"{drill.speed:g}")
    try:
        write_json(
            runs / name / FILE,
            {"drill": drill.name, "trainee": trainee, "begun": datetime.now().astimezone().isoformat(timespec="seconds")},
        )
    except OSError as error:
        raise BatchtwinError("E203", path=runs / name, problem=error.strerror or error) from None
    return name


def free_name(runs: Path, stem: str) -> str:
    """The first `stem-N` that is not there."""
    return next(name for i in count(1) if not (runs / (name := f"{stem}-{i}")).exists())


@router.post("/api/training/start")
async def start(request: Request, body: Begin, person: Driver) -> dict[str, Any]:
    """Begin a drill; the run under way is closed and kept. Needs the right to set time, as an instructor has it on a plant with a login."""
    site = site_of(request)
    drill = drill_of(body.drill)
    if "time" not in person.may:
        raise Refusal(403, (f"{person.role} may not begin a training", "ask an instructor"), (f"{person.role} 不能开始培训", "请联系教员"))
    name = begin(site.live, drill, site.runs, body.trainee)
    site.hub.tell("training", run=name, drill=drill.name, trainee=body.trainee)
    return {"run": name, "speed": site.live.speed_text}


@router.post("/api/training/finish")
async def finish(request: Request, person: Driver) -> dict[str, Any]:
    """End the training under way and score it."""
    site = site_of(request)
    writer = site.live.sim.writer
    if writer is None or not (writer.path / FILE).is_file():
        raise Refusal(409, ("no training is under way", "choose a scenario first"), ("当前没有培训", "请先选择场景"))
    if site.live.state not in OVER:
        site.live.finish()
    site.hub.tell("training", run=writer.path.name, drill="", trainee="")
    return {"run": writer.path.name}


@router.post("/api/training/leave")
async def leave(request: Request, person: Driver) -> dict[str, Any]:
    """Back to the scenario that is served, from its start; recorded anew."""
    site = site_of(request)
    name = free_name(site.runs, site.scenario.name)
    site.live.reset(site.scenario, out=site.runs / name)
    site.hub.tell("training", run="", drill="", trainee="")
    return {"run": name}


@router.get("/api/training/now")
async def now(request: Request, person: Somebody) -> dict[str, Any] | None:
    """The training that the plant is playing, if it is one."""
    live = site_of(request).live
    writer = live.sim.writer
    if writer is None or not (writer.path / FILE).is_file():
        return None
    about = json.loads((writer.path / FILE).read_text(encoding="utf-8"))
    return about | {
        "run": writer.path.name,
        "state": live.state,
        "m3": round(live.sim.m3, 1),
        "left_s": (live.sim.end_tick - live.tick) / 100,
    }


@router.get("/api/training/score/{name}")
def scored(request: Request, person: Somebody, name: str) -> dict[str, Any]:
    """The score of a training that is over."""
    return scored_run(site_of(request), name)[1]


def scored_run(site: Site, name: str) -> tuple[Run, dict[str, Any]]:
    """A training's run and its score with trainee and drill.

    Raises:
        BatchtwinError: E201 for no run.
        Refusal: 404 when it was no training, 409 while it goes on.
    """
    run = run_of(site, name)
    file = run.path / FILE
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Refusal(404, (f"{name} was no training", "choose another run"), (f"{name} 不是培训记录", "请选择其他记录")) from None
    if run.state == "running":
        raise Refusal(409, (f"{name} is still going on", "finish the training first"), (f"{name} 仍在进行", "请先结束培训"))
    return run, about | score(run, drill_of(about["drill"])).as_dict() | {"run": name, "state": run.state}


@router.get("/record/{name}", response_class=HTMLResponse)
async def record(request: Request, person: Somebody, name: str) -> HTMLResponse:
    """The printable record of a training: score with reasons, and what happened when."""
    site = site_of(request)
    run, found = await run_in_threadpool(scored_run, site, name)
    events = await run_in_threadpool(
        lambda: run.sql("SELECT time_s, kind, name, value, text FROM events ORDER BY time_s LIMIT 600").to_pylist()
    )
    facts = Facts(run)
    return views.page(
        request,
        "record.html",
        person,
        found=found,
        drill=drill_of(found["drill"]),
        events=[_line(e, facts, language_of(request)) for e in events],
    )


def _line(event: dict[str, Any], facts: Facts, language: str) -> dict[str, str]:
    """An event for people."""
    text = both(meaning(event["kind"], event["name"], event["text"]), language)
    value = f" = {event['value']:g}" if event["kind"] == "command" else ""
    return {"time": facts.clock(event["time_s"]), "kind": both(word(event["kind"]), language), "name": event["name"] + value, "text": text}
