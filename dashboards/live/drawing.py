"""What is drawn around the plant: dust and noise over the site, trucks on the map, where water went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool

from dashboards.facts import Facts
from dashboards.live.people import Person
from dashboards.live.site import both, language_of, site_of, somebody
from dashboards.pieces import Text
from dashboards.sections import water
from scenarios.run import open_run
from twin.errors import BatchtwinError

router = APIRouter(prefix="/api")
Somebody = Annotated[Person, Depends(somebody)]


@router.get("/field/{kind}")
async def field(request: Request, person: Somebody, kind: Literal["tsp", "pm10", "pm25", "noise"]) -> dict[str, Any]:
    """Dust or noise on a grid, with the outline of the site."""
    site = site_of(request)
    plant = site.live.sim.plant
    fields = site.fields
    before, now = fields.note(plant)
    found = await (run_in_threadpool(fields.noise, before, now) if kind == "noise" else run_in_threadpool(fields.dust, kind, before, now))
    return found | {
        "outline": fields.outline(),
        "wind_from_deg": now.wind_from_deg,
        "wind_m_s": now.wind_m_s,
        "over_s": (now.tick - before.tick) / 100,
    }


@router.get("/map")
async def road_map(request: Request, person: Somebody) -> dict[str, Any]:
    """Roads of the district, and the sites of open orders; trucks come with the frames."""
    sim = site_of(request).live.sim
    places, roads = sim.design.district.layout()
    lines: dict[str, list[list[float | None]]] = {}
    for road in roads:
        a, b = (places[end] for end in road.ends)
        kind = lines.setdefault(road.kind, [[], []])
        kind[0] += [a[0], b[0], None]
        kind[1] += [a[1], b[1], None]
    table, values = sim.plant.table, sim.image.values
    sites = []
    for slot in table.of_kind("order_slot"):
        number, x, y = (float(values[table.index(f"{slot.name}.{end}")]) for end in ("Id", "X", "Y"))
        if number:
            sites.append({"order": int(number), "x": x, "y": y})
    names = {int(o["number"]): o["site"] for o in sim.orders}
    plants = [{"name": line, "at": places[sim.design.district.plant(line)]} for line in sim.design.lines]
    return {"roads": lines, "sites": [s | {"name": names.get(int(s["order"]), "")} for s in sites], "plants": plants}


@router.get("/water")
async def water_balance(request: Request, person: Somebody) -> dict[str, Any] | None:
    """Water of the run so far as a Sankey figure; null before anything has moved. The ledger comes once a simulated minute."""
    writer = site_of(request).live.sim.writer
    return await run_in_threadpool(_balance, writer.path, language_of(request)) if writer else None


def _balance(path: Path, language: str) -> dict[str, Any] | None:
    try:
        facts = Facts(open_run(path))
    except BatchtwinError as error:
        if error.code == "E201":  # deleted under our hands
            return None
        raise
    if not facts.has("ledger"):
        return None
    figure: dict[str, Any] = spoken(water.balance(facts).figure, language)
    return figure if figure["data"][0]["link"]["value"] else None


def spoken(value: Any, language: str) -> Any:
    """A figure with its texts in one language."""
    if isinstance(value, Text):
        return both(value, language)
    if isinstance(value, dict):
        return {k: spoken(v, language) for k, v in value.items()}
    return [spoken(v, language) for v in value] if isinstance(value, (list, tuple)) else value
