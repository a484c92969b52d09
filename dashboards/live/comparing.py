"""What if, from the pages: sweeps that lie beside the runs, their comparison, and a what-if played in a process of its own.

What a page does here a command does, too: `batchtwin what-if`, `batchtwin sweep` and `batchtwin compare` on the same folders.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from pydantic import Field, model_validator

from dashboards.compare import pieces, policy
from dashboards.live import views
from dashboards.live.driving import Body
from dashboards.live.people import Person
from dashboards.live.refusal import Refusal
from dashboards.live.site import Site, language_of, site_of, somebody, with_right
from scenarios.whatif.change import changed
from scenarios.whatif.compare import clause_results, compared
from scenarios.whatif.effects import effects, sobol
from scenarios.whatif.results import ABOUT, Sweep, read_about
from scenarios.whatif.spec import Spec, bases, spec_mistakes, spec_of_changes
from twin.errors import BadInput, BatchtwinError

router = APIRouter()
Somebody = Annotated[Person, Depends(somebody)]
Instructor = Annotated[Person, Depends(with_right("faults"))]
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
Packaged = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"description": what}
    for code, what in (
        (401, "not logged in"),
        (403, "not allowed"),
        (404, "no such sweep"),
        (409, "not now"),
        (422, "wrong input"),
        (507, "cannot be written"),
    )
}
LISTED = 200
MOST_RUNS = 2000  # that a page may begin; more is a command's


class WhatIf(Body):
    """A day as it is beside the same day changed, or all combinations of some values: `changes` or `factors`.

    Names of packaged scenarios, designs, rule books and declared facts only: no file is read for a page.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60, description="folder of the results, beside the runs")]
    base: Packaged = "working-day"
    design: Packaged | None = None
    changes: list[Annotated[str, Field(min_length=3, max_length=400)]] = Field(
        default_factory=list, max_length=12, description="a variant each, `path=value; path=value`"
    )
    factors: dict[
        Annotated[str, Field(min_length=1, max_length=200)], Annotated[list[bool | float | str | None], Field(min_length=1, max_length=100)]
    ] = Field(default_factory=dict, max_length=8, description="values of each path, all combined with all")
    seeds: int = Field(4, ge=1, le=100, description="runs of each variant")
    until_h: float | None = Field(None, gt=0, le=24 * 31, description="how long each run lasts, h")
    criteria: Packaged | None = None
    declared: Packaged | None = Field(None, description="packaged file of facts that the plant declares to the judge")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.changes) == bool(self.factors):
            raise ValueError("gives neither changes nor factors, or both; give one of them")
        return self

    @property
    def until_s(self) -> float | None:
        """How long each run lasts, s."""
        return None if self.until_h is None else self.until_h * 3600

    def sweep(self) -> Spec:
        """The factors as a sweep."""
        return Spec.model_validate({"name": self.name, "scenarios": [self.base], "designs": [self.design] if self.design else [], "seeds": self.seeds,
                                    "until": self.until_s, "criteria": self.criteria, "declared": self.declared, "factors": self.factors})  # fmt: skip


def folder_of(site: Site) -> Path:
    """Where sweeps lie: beside the runs."""
    return site.runs.parent / "sweeps"


def sweep_of(site: Site, name: str) -> Sweep:
    """A sweep by its name.

    Raises:
        Refusal: 404 for no name, or when there is none.
    """
    if NAME.fullmatch(name) is None or not (folder_of(site) / name / ABOUT).is_file():
        raise Refusal(404, (f"'{name[:60]}' is no sweep", "choose one of the list"), (f"“{name[:60]}”不是扫描结果", "请从列表选择"))
    return Sweep(folder_of(site) / name)


@router.get("/compare", response_class=HTMLResponse)
def compare(request: Request, person: Somebody) -> Response:
    """Sweeps to look at, and a form for a what-if."""
    return views.page(request, "compare_list.html", person)


@router.get("/compare/{name}", response_class=HTMLResponse, responses=REFUSALS)
def one(request: Request, person: Somebody, name: str) -> Response:
    """The comparison of a sweep."""
    nonce = secrets.token_urlsafe(16)
    page = pieces(sweep_of(site_of(request), name), "/plotly.js", nonce)
    return StreamingResponse(
        page, media_type="text/html", headers={"Content-Security-Policy": f"{policy(nonce)}; base-uri 'none'; frame-ancestors 'none'"}
    )


@router.get("/api/sweeps", responses=REFUSALS)
def sweeps(request: Request, person: Somebody) -> list[dict[str, Any]]:
    """Sweeps beside the runs, newest first: name, runs in all, whether it was begun from a page and still goes on."""
    site, folder = site_of(request), folder_of(site_of(request))
    found = [
        {"name": name, "runs": 0, "going": True} for name in site.what_ifs if _going(site, name) and not (folder / name / ABOUT).is_file()
    ]
    names = [p for p in folder.iterdir() if (p / ABOUT).is_file()] if folder.is_dir() else []
    for path in sorted(names, key=lambda p: -p.stat().st_mtime)[:LISTED]:
        try:
            about = read_about(path)
        except BatchtwinError:
            continue
        found.append({"name": path.name, "runs": about["runs"], "going": _going(site, path.name)})
    return found


@router.get("/api/sweeps/{name}", responses=REFUSALS)
def results(request: Request, person: Somebody, name: str, measure: Annotated[str, Field(max_length=60)] = "cost_cny_m3") -> dict[str, Any]:
    """Results of a sweep: how far it is, variants side by side, clauses, effects and Sobol indices on a measure."""
    sweep = sweep_of(site_of(request), name)
    known = measure in sweep.measures
    return {
        "name": name, "runs": sweep.about["runs"], "done": len(sweep.rows), "failed": len(sweep.rows) - len(sweep.complete), "going": _going(site_of(request), name),
        "compared": [c.as_json() for c in compared(sweep)], "clauses": clause_results(sweep), "measure": measure,
        "effects": [{"factor": e.factor, "low": e.low, "high": e.high, "at_low": e.at_low, "at_high": e.at_high, "share": e.share} for e in effects(sweep, measure)] if known else [],
        "sobol": [{"factor": i.factor, "first": i.first, "total": i.total} for i in sobol(sweep, measure)] if known else [],
    }  # fmt: skip


@router.post("/api/what-if", status_code=202, responses=REFUSALS)
async def what_if(request: Request, body: WhatIf, person: Instructor) -> dict[str, Any]:
    """Play a what-if or a sweep in the background, as `batchtwin what-if` and `batchtwin sweep` do; look at it by its name while it goes on."""
    site = site_of(request)
    language = language_of(request)
    if any(process.poll() is None for process in site.what_ifs.values()):
        raise Refusal(409, ("a what-if is under way", "wait for it or stop it"), ("已有对比正在运行", "请等待或先停止"))
    folder = folder_of(site) / body.name
    if folder.exists():
        raise BatchtwinError("E202", path=body.name)
    runs = await run_in_threadpool(_check, body)  # what is wrong is told before it begins
    what = _sweep(body, folder) if body.factors else _what_if(body)
    site.what_ifs[body.name] = subprocess.Popen(
        [sys.executable, "-P", "-m", "batchtwin", *what, "--out", str(folder), "--cores", "1", "--yes", "--lang", language, "--json"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    return {"name": body.name, "runs": runs}


def _what_if(body: WhatIf) -> list[str]:
    """The command for variants."""
    words = ["what-if", body.base, "--seeds", str(body.seeds)]
    for change in body.changes:
        words += ["--change", change]
    until = f"{body.until_s}s" if body.until_s else None
    for option, value in (("--design", body.design), ("--until", until), ("--criteria", body.criteria), ("--declared", body.declared)):
        words += [option, value] if value else []
    return words


def _sweep(body: WhatIf, folder: Path) -> list[str]:
    """The command for combinations, whose specification is kept beside the results."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.with_name(f"{folder.name}.yaml")
    asked = body.sweep().model_dump(mode="json", exclude_unset=True, exclude_none=True)
    file.write_text(yaml.safe_dump(asked, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return ["sweep", str(file)]


@router.post("/api/what-if/stop", responses=REFUSALS)
async def stop(request: Request, person: Instructor) -> dict[str, Any]:
    """End the what-if that goes on; runs that have ended stay."""
    return {"stopped": site_of(request).stop_what_ifs()}


def _check(body: WhatIf) -> int:
    """Whether all variants can be played; how many runs there are.

    Raises:
        BatchtwinError: what is wrong.
    """
    if body.factors:
        spec = body.sweep()
        found = bases(spec, Path())
        wrong = [BatchtwinError("E101", where=".".join(map(str, place)), problem=p, mend=m) for place, p, m in spec_mistakes(spec, found)]
        if wrong:
            raise BadInput(wrong)
        tries = [{path: value} for path, values in spec.factors.items() if isinstance(values, list) for value in values]
    else:
        spec, found = spec_of_changes(body.base, body.design, body.changes, body.seeds, body.criteria, body.until_s, "batch", body.declared)
        tries = [v.changes for v in spec.variants]
    runs = spec.n_points * len(spec.all_seeds)
    if runs > MOST_RUNS:
        raise Refusal(422, (f"{runs} runs are too many for a page", f"ask for {MOST_RUNS} at most, or use 'batchtwin sweep'"),
                      (f"{runs} 次运行超出网页上限", f"请不超过 {MOST_RUNS} 次，或使用 batchtwin sweep"))  # fmt: skip
    if any(changed(base, changes).scenario.weather.file is not None for changes in tries for base in found):
        raise Refusal(
            422, ("weather.file is not read for a page", "use 'batchtwin what-if'"), ("网页不读取 weather.file", "请使用 batchtwin what-if")
        )
    return runs


def _going(site: Site, name: str) -> bool:
    process = site.what_ifs.get(name)
    return process is not None and process.poll() is None
