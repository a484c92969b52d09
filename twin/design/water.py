"""The water loop of a plant in its design: basins, pumps, surfaces, separator, press, truck wash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from twin.equipment.basin import Basin
from twin.equipment.filter_press import FilterPress
from twin.equipment.part import Name, Part, figure
from twin.equipment.separator import Separator
from twin.equipment.surface import Surface
from twin.equipment.truck_wash import TruckWash
from twin.equipment.water_pump import WaterPump

if TYPE_CHECKING:
    from twin.design.schema import Design, Mistake

DISCHARGE = "discharge"


class WaterQuality(Part):
    """What a laboratory found dissolved in a water."""

    ph: float = Field(ge=0, le=14)
    soluble_mg_l: float = Field(ge=0, le=100000)
    cl_mg_l: float = Field(ge=0, le=50000)
    so4_mg_l: float = Field(ge=0, le=50000)
    alkali_mg_l: float = Field(ge=0, le=50000, description="as Na2O equivalent")


MAINS = WaterQuality(ph=7.6, soluble_mg_l=250.0, cl_mg_l=20.0, so4_mg_l=40.0, alkali_mg_l=20.0)
SLURRY = WaterQuality(ph=12.4, soluble_mg_l=2500.0, cl_mg_l=150.0, so4_mg_l=300.0, alkali_mg_l=900.0)


class WaterLoop(Part):
    """Where water comes from, where it goes, and what is done so that none of it leaves the site.

    Without any of it, washing water and yard runoff go where they go on a plant without a loop: off the site.
    """

    basins: dict[Name, Basin] = Field(default_factory=dict)
    pumps: dict[Name, WaterPump] = Field(default_factory=dict)
    surfaces: dict[Name, Surface] = Field(default_factory=dict)
    separator: Separator | None = None
    press: FilterPress | None = None
    truck_wash: TruckWash | None = None
    roadway: str | None = Field(None, description="surface that trucks drive on")
    wash_water: str | None = Field(None, description="basin for washing drums, mixers and floors; mains when it is empty or not given")
    floor_drain: str = Field(DISCHARGE, description="basin for the water of floors")
    floor_wash_kg: float = figure(1500.0, "kg", "floors of one line at the end of a day; engineering choice", recalled=True, ge=0, le=50000)
    mains_quality: WaterQuality = Field(MAINS, description="engineering choice, unverified: give your laboratory's")
    slurry_quality: WaterQuality = Field(SLURRY, description="settled slurry water; engineering choice, unverified: give your laboratory's")
    mixer_wash_kg: float = figure(700.0, "kg", "one line's mixer at the end of a day; engineering choice", recalled=True, ge=0, le=20000)


SHALLOWEST_M, DEEPEST_M = 0.2, 20.0  # of basins


def _into_tank(loop: WaterLoop, key: str, pump: WaterPump, holds: str) -> Iterator[Mistake]:
    """A line's water tank takes settled or rain water, its slurry tank slurry, its admixture tank nothing."""
    source = loop.basins.get(pump.source)
    stirred = source is not None and source.agitator_kw > 0
    if holds == "admixture":
        yield ("water", "pumps", key, "to"), f"{pump.to} holds admixture", "name a tank of water or slurry water"
    elif pump.source.endswith(".Sludge"):
        yield ("water", "pumps", key, "source"), "sludge does not go into a line's tank", "pump it to a basin with an agitator"
    elif source is not None and stirred != (holds == "slurry_water"):
        mend = "name a basin with an agitator" if holds == "slurry_water" else "name a basin without an agitator"
        yield ("water", "pumps", key, "source"), f"{pump.to} holds {holds}, {pump.source} {'slurry' if stirred else 'clear water'}", mend


def mistakes(design: Design) -> Iterator[Mistake]:
    """Names in the water loop that point nowhere."""
    loop = design.water
    basins = set(loop.basins)

    def basin(where: tuple[str | int, ...], name: str | None, *, out: bool = False) -> Iterator[Mistake]:
        if name is not None and name not in basins and not (out and name == DISCHARGE):
            yield (
                ("water", *where),
                f"no basin '{name}'",
                f"name one of {', '.join(basins) or 'the basins (there are none)'}" + " or discharge" * out,
            )

    circled = False
    for key, b in loop.basins.items():
        if key == DISCHARGE:
            yield ("water", "basins", key), "is the name of what leaves the site", "give the basin another name"
        if not SHALLOWEST_M <= b.volume_m3 / b.area_m2 <= DEEPEST_M:
            depth = f"is {b.volume_m3 / b.area_m2:.3g} m deep"
            yield ("water", "basins", key, "area_m2"), depth, f"volume over area must be {SHALLOWEST_M:g} to {DEEPEST_M:g} m"
        yield from basin(("basins", key, "overflows_to"), b.overflows_to, out=True)
        seen, at = {key}, b.overflows_to
        while at in loop.basins:
            if at in seen:
                if not circled:
                    yield ("water", "basins", key, "overflows_to"), "weirs run in a circle", "let the last one overflow to discharge"
                circled = True
                break
            seen.add(at)
            at = loop.basins[at].overflows_to
    for key, pump in loop.pumps.items():
        yield from basin(("pumps", key, "source"), pump.source.removesuffix(".Sludge"))
        line, _, tank = pump.to.partition(".")
        if line in design.lines and tank in design.lines[line].tanks:
            yield from _into_tank(loop, key, pump, design.lines[line].tanks[tank].holds)
        else:
            yield from basin(("pumps", key, "to"), pump.to)
        if pump.source == pump.to:
            yield ("water", "pumps", key, "to"), "pumps into its own basin", "name another"
    for key, surface in loop.surfaces.items():
        yield from basin(("surfaces", key, "drains_to"), surface.drains_to, out=True)
        yield from basin(("surfaces", key, "later_to"), surface.later_to, out=True)
    if loop.separator:
        yield from basin(("separator", "water_to"), loop.separator.water_to)
        for field in ("sand_to", "stone_to"):
            name = getattr(loop.separator, field)
            line, _, key = (name or "").partition(".")
            if name and not (line in design.lines and key in design.lines[line].bins):
                yield ("water", "separator", field), f"no bin '{name}'", "name it as Line1.Sand1"
    if loop.press:
        yield from basin(("press", "source"), loop.press.source)
        yield from basin(("press", "filtrate_to"), loop.press.filtrate_to)
        if loop.press.source in loop.basins and not loop.basins[loop.press.source].agitator_kw:
            yield ("water", "press", "source"), "has no agitator and so no density meter", "give that basin an agitator_kw"
    if loop.truck_wash:
        yield from basin(("truck_wash", "source"), loop.truck_wash.source)
        yield from basin(("truck_wash", "drains_to"), loop.truck_wash.drains_to)
    yield from basin(("wash_water",), loop.wash_water)
    yield from basin(("floor_drain",), loop.floor_drain, out=True)
    if loop.roadway is not None and loop.roadway not in loop.surfaces:
        yield ("water", "roadway"), f"no surface '{loop.roadway}'", "name one that stands under surfaces"


def recycled_materials(design: Design) -> set[str]:
    """Materials of the bins that the separator's sand and stone go back to."""
    ways = [design.water.separator.sand_to, design.water.separator.stone_to] if design.water.separator else []
    found = set()
    for way in ways:
        line, _, key = (way or "").partition(".")
        if line in design.lines and key in design.lines[line].bins:
            found.add(design.lines[line].bins[key].material)
    return found
