"""The HTML pages, the login, and what pages need to know once: tags, words, Plotly."""

from __future__ import annotations

import gzip
import secrets
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import Field

from dashboards import pages
from dashboards.live.driving import Body
from dashboards.live.mimic import line_picture, water_picture
from dashboards.live.people import Person
from dashboards.live.refusal import Refusal
from dashboards.live.site import Site, both, language_of, site_of, somebody
from dashboards.live.words import RULES, SCRIPT, STATES
from dashboards.pieces import Text, script_json
from scenarios.judging.book import book_names, load_book
from scenarios.training import drills
from twin.plant import faults

router = APIRouter()
HERE = Path(__file__).parent
TEMPLATES = Environment(loader=FileSystemLoader([HERE / "templates", HERE.parent / "templates"]), autoescape=True, undefined=StrictUndefined,
                        trim_blocks=True, lstrip_blocks=True)  # fmt: skip
PAGES = (
    ("/", Text("Plant", "生产线")),
    ("/panel", Text("By hand", "手动操作")),
    ("/surroundings", Text("Surroundings", "环境")),
    ("/training", Text("Training", "培训")),
    ("/instructor", Text("Instructor", "教员")),
    ("/futures", Text("Futures", "推演")),
    ("/replay", Text("Replay", "回放")),
    ("/compare", Text("What if", "对比")),
)
TRENDS = ("Mixer.Power", "Belt.Power", "Weigher.Cement.Gross", "Weigher.Water.Gross")  # what the live page draws first
Somebody = Annotated[Person, Depends(somebody)]


def page(request: Request, name: str, person: Person | None = None, **more: Any) -> HTMLResponse:
    """A page in the language of whoever looks."""
    language = language_of(request)
    site = site_of(request)
    table = site.live.sim.plant.table

    def t(en: str, zh: str) -> str:
        return zh if language == "zh" else en

    words = {key: both(Text(*pair), language) for key, pair in SCRIPT.items()}
    rules = {key: both(Text(*pair), language) for key, pair in RULES.items()}
    states = STATES if language == "zh" else {}
    html = TEMPLATES.get_template(name).render(
        rules=rules, t=t, language=language, person=person, pages=[(href, both(text, language)) for href, text in PAGES], here=request.url.path,
        title=t(site.live.sim.scenario.title.en, site.live.sim.scenario.title.zh), login=site.gate is not None,
        is_alarm=lambda tag: tag in table and table[tag].alarm, words=script_json({"words": words, "rules": rules, "states": states, "language": language, "starts": site.live.sim.scenario.starts.isoformat()}), **more,
    )  # fmt: skip
    return HTMLResponse(html)


@router.get("/", response_class=HTMLResponse)
async def plant(request: Request, person: Somebody) -> Response:
    """The live plant."""
    table = site_of(request).live.sim.plant.table
    chosen = [tag for line in table.lines for end in TRENDS if (tag := f"{line}.{end}") in table][:6]
    return page(
        request, "plant.html", person, lines=[line_picture(table, line) for line in table.lines], water=water_picture(table), chosen=chosen
    )


@router.get("/panel", response_class=HTMLResponse)
async def panel(request: Request, person: Somebody) -> Response:
    """The plant by hand."""
    site = site_of(request)
    table = site.live.sim.plant.table
    return page(request, "panel.html", person, lines=[line_picture(table, line) for line in table.lines], switches=hand_switches(site, language_of(request)),
                grades=sorted(site.live.sim.fleet.grades), recipes_json=script_json(recipes(site)))  # fmt: skip


@router.get("/surroundings", response_class=HTMLResponse)
async def surroundings(request: Request, person: Somebody) -> Response:
    """Dust, noise, trucks and water around the plant."""
    return page(request, "surroundings.html", person, monitors=[m.short for m in site_of(request).live.sim.plant.table.of_kind("monitor")])


@router.get("/instructor", response_class=HTMLResponse)
async def instructor(request: Request, person: Somebody) -> Response:
    """Where faults are let loose."""
    catalogue = fault_catalogue(request)
    return page(request, "instructor.html", person, catalogue=script_json(catalogue), faults=catalogue)


@router.get("/futures", response_class=HTMLResponse)
async def futures(request: Request, person: Somebody) -> Response:
    """What would come from this moment, in several branches."""
    language = language_of(request)
    books = [(b.name, both(Text(b.title.en, b.title.zh), language)) for b in map(load_book, book_names()) if b.scope == "plant"]
    grades = sorted(site_of(request).live.sim.fleet.grades)
    first = sorted(books, key=lambda b: b[0] != "hubei-standard")
    return page(request, "futures.html", person, catalogue=script_json(fault_catalogue(request)), grades=grades, books=first)


def fault_catalogue(request: Request) -> list[dict[str, Any]]:
    """Faults that can befall this plant, each with its machines."""
    language = language_of(request)
    table = site_of(request).live.sim.plant.table
    catalogue = [
        {"name": name, "what": fault.zh if language == "zh" else fault.en, "low": fault.low, "high": fault.high, "default": fault.default, "unit": fault.unit,
         "targets": [m.name for kind, f in kinds for m in table.of_kind(kind) if f"{m.name}.{f.tags[0]}" in table]}
        for name, kinds in faults().items() for _, fault in kinds[:1]
    ]  # fmt: skip
    return [f for f in catalogue if f["targets"]]


@router.get("/training", response_class=HTMLResponse)
async def training(request: Request, person: Somebody) -> Response:
    """Choose a scenario, and what came of the last one."""
    return page(request, "training.html", person, drills=list(drills().values()))


@router.get("/replay", response_class=HTMLResponse)
async def replay(request: Request, person: Somebody) -> Response:
    """A finished run, at any moment of it."""
    table = site_of(request).live.sim.plant.table
    return page(request, "replay.html", person, lines=[line_picture(table, line) for line in table.lines], water=water_picture(table))


@router.get("/login", response_class=HTMLResponse)
async def login(request: Request) -> Response:
    """Where one logs in; nobody needs to on loopback."""
    if site_of(request).gate is None:
        return RedirectResponse("/", 303)
    return page(request, "login.html")


class Credentials(Body):
    """Name and password."""

    name: str = Field(max_length=64)
    password: str = Field(max_length=256)


@router.post("/api/login")
async def log_in(request: Request, body: Credentials) -> dict[str, str]:
    """Log in; the session gets a new key, whatever it had before."""
    site = site_of(request)
    if site.gate is None:
        raise Refusal(409, ("nobody has to log in here", "open the first page"), ("此处无需登录", "请直接打开首页"))
    peer = request.client.host if request.client else ""
    person = await site.gate.login(body.name, body.password, peer, secrets.token_hex(16))
    if person is None:
        raise Refusal(
            401, ("name or password is wrong", "try again, or ask whoever runs the server"), ("用户名或密码错误", "请重试，或联系管理员")
        )
    request.session.clear()
    site.admit(request.session, person)
    return {"name": person.name, "role": person.role}


@router.post("/api/logout")
async def log_out(request: Request) -> dict[str, str]:
    """Forget who it was."""
    site_of(request).people.pop(str(request.session.get("key", "")), None)
    request.session.clear()
    return {}


class Language(Body):
    """Language of the pages."""

    language: Literal["en", "zh"]


@router.post("/api/language")
async def language(request: Request, body: Language) -> dict[str, str]:
    """Choose the language of the pages."""
    request.session["language"] = body.language
    return {"language": body.language}


@router.get("/api/tags")
async def tags(request: Request, person: Somebody) -> list[list[Any]]:
    """Tags of the frames by position: name, unit, resolution, states, alarm, description."""
    site = site_of(request)
    zh = language_of(request) == "zh"
    table = site.live.sim.plant.table
    return [
        [t.name, t.unit, t.resolution, list(t.states), t.alarm, t.zh if zh else t.en, t.dtype]
        for t in (table.tags[i] for i in site.hub.indices)
    ]


@router.get("/plotly.js")
def plotly(request: Request) -> Response:
    """Plotly from the installed package, in one piece: a busy run lets the server send few. On this machine packing would only take time."""
    headers = {"Cache-Control": "private, max-age=86400"}
    if request.client is not None and request.client.host in ("127.0.0.1", "::1"):
        return Response(pages.plotly(), media_type="text/javascript", headers=headers)
    return Response(_packed(), media_type="text/javascript", headers=headers | {"Content-Encoding": "gzip"})


@cache
def _packed() -> bytes:
    return gzip.compress(pages.plotly().encode(), 6)


def hand_switches(site: Site, language: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Actuators with a hand switch, by group: (tag, label)."""
    table = site.live.sim.plant.table
    zh = language == "zh"
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for kind, en, cn, ends in (
        ("water_pump", "Pumps", "水泵", ("Run",)), ("basin", "Agitators", "搅拌器", ("AgitatorRun",)), ("separator", "Separator", "砂石分离机", ("Run",)),
        ("filter_press", "Filter press", "压滤机", ("Run",)), ("washdown", "Washing", "冲洗", ("Mixer", "Floor")), ("spray", "Sprays", "喷淋", ("Run",)),
        ("truck_wash", "Truck wash", "洗车台", ("Run",)), ("dust_collector", "Fans", "风机", ("FanRun",)), ("aggregate_bin", "Feed belts", "上料", ("Feed",)),
        ("silo", "Fill valves", "进料阀", ("FillOpen",)),
    ):  # fmt: skip
        rows = [
            (f"{m.name}.{end}", f"{m.short}" if len(ends) == 1 else f"{m.short} · {table[f'{m.name}.{end}'].zh if zh else table[f'{m.name}.{end}'].en}")
            for m in table.of_kind(kind) for end in ends if f"{m.name}.{end}" in table
        ]  # fmt: skip
        if rows:
            groups.append((cn if zh else en, rows))
    return groups


def recipes(site: Site) -> list[dict[str, Any]]:
    """The recipe book, dry kg/m³, for whoever weighs by hand."""
    return [{"grade": r.grade, "kg_m3": dict(r.kg_m3)} for r in site.live.sim.design.recipes]
