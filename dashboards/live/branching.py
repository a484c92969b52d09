"""Futures of the run under way: from this very moment several branches, compared side by side."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from dashboards.live.driving import Body
from dashboards.live.people import Person
from dashboards.live.refusal import Refusal
from dashboards.live.site import site_of, somebody, with_right
from scenarios.changes import Changes, in_words
from scenarios.futures import fork, names_of
from scenarios.outside import Outside
from twin.clock import TICKS_PER_S

router = APIRouter(prefix="/api")
Somebody = Annotated[Person, Depends(somebody)]
Instructor = Annotated[Person, Depends(with_right("faults"))]
MOST = 8


class Branches(Body):
    """Branches from this moment on; one without changes is always there."""

    lasts_s: float = Field(1800.0, gt=0, le=400 * 86400, description="how far they go from now, s; at most to the end of the run")
    criteria: str = Field("hubei-standard", pattern=r"^[a-z0-9-]{1,40}$", description="rule book of the verdict")
    branches: list[Changes] = Field(default_factory=list, max_length=MOST, description="what each changes")


@router.post("/futures")
async def begin(request: Request, body: Branches, person: Instructor) -> dict[str, Any]:
    """Let several futures go from this moment. The run itself is not touched; its branches stand in a folder beside it."""
    site = site_of(request)
    live, sim = site.live, site.live.sim
    if site.futures is not None and site.futures.going:
        raise Refusal(409, ("branches are under way", "wait for them or stop them"), ("分支仍在运行", "请等待或先停止"))
    if live.state in ("ended", "failed"):
        raise Refusal(409, ("the run is over", "reset it first"), ("运行已结束", "请先复位"))
    for changes in (all_ := [Changes(), *body.branches]):
        changes.check(sim)
    missing = [kind for kind, who in (("controller", sim.controller), ("dispatch", sim.dispatcher)) if isinstance(who, Outside)]
    if missing and any(getattr(changes, kind) is None for kind in missing for changes in body.branches):
        told = f"who is connected as {' and '.join(missing)} cannot go along", f"give each branch {' and '.join(f'{k}=…' for k in missing)}"
        raise Refusal(
            422, told, (f"外接的 {'、'.join(missing)} 无法随分支运行", f"请为每个分支指定 {'、'.join(f'{k}=…' for k in missing)}")
        )
    if missing:
        all_ = body.branches
    until_s = min(sim.tick + round(body.lasts_s * TICKS_PER_S), sim.end_tick) / TICKS_PER_S
    words = [in_words(changes) for changes in all_]
    names = list(names_of(words))
    said = dict(zip(names, words, strict=True))
    site.futures = fork(
        sim,
        dict(zip(names, all_, strict=True)),
        until_s,
        _folder(site.runs, sim.writer.path.name if sim.writer else "live"),
        body.criteria,
        said,
    )
    return {"at_s": site.futures.at_s, "until_s": until_s, "branches": names}


def _folder(runs: Path, name: str) -> Path:
    return next(p for n in count(1) if not (p := runs / f"{name}-futures-{n}").exists())


@router.get("/futures")
async def look(request: Request, person: Somebody) -> dict[str, Any]:
    """The last branches: a row each, with how far it is, and its figures since the moment when it has ended."""
    futures = site_of(request).futures
    if futures is None:
        return {"going": False, "rows": []}
    rows = futures.rows()
    return {"going": futures.going, "at_s": futures.at_s, "until_s": futures.until_s, "folder": futures.path.name, "rows": rows}


@router.post("/futures/stop")
async def stop(request: Request, person: Instructor) -> dict[str, Any]:
    """End the branches that still go on; those that have ended stay."""
    futures = site_of(request).futures
    if futures is not None:
        futures.stop()
    return {"going": False}
