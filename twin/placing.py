"""How the design's surroundings become machines, holders and links: water loop, dust sources, sprays, stations."""

from __future__ import annotations

from twin.design.schema import Design
from twin.design.water import DISCHARGE
from twin.equipment import (
    basin,
    dust_source,
    filter_press,
    monitor,
    separator,
    spray,
    surface,
    truck_wash,
    washdown,
    water_pump,
    weather_station,
)
from twin.equipment.dust_source import DROP, EROSION, HOPPER, POWDER, ROAD
from twin.equipment.part import Site
from twin.ledger import CEMENT, FINES, SPECIES, LedgerBuilder

DEAD_SHARE = 0.02  # of a basin's volume stays below the suction of its pumps


def place_surroundings(site: Site, design: Design, trucks: list[str]) -> None:
    """Weather station, basins, pumps, surfaces, separator, press and wash, and what trucks may do with water."""
    loop = design.water
    weather_station.build(site, "Site.Weather")
    for key, b in loop.basins.items():
        basin.build(site, basin_name(key), b, basin_name(b.overflows_to))
    keys = list(loop.basins)
    for k, key in enumerate(
        sorted(keys, key=lambda key: -falls(design, key))
    ):  # as the water runs, so that none is over its weir after a step
        site.records["basin"][k]["turn"] = keys.index(key)
    for key, pump in loop.pumps.items():
        source = loop.basins[pump.source.removesuffix(".Sludge")]
        dead = 0.0 if pump.source.endswith(".Sludge") else DEAD_SHARE * source.volume_m3
        line, _, tank = pump.to.partition(".")
        if line in design.lines:
            target, room = f"{line}.Tank.{tank}", 0.98 * design.lines[line].tanks[tank].capacity_t
        else:
            target, room = basin_name(pump.to), -1.0
        water_pump.build(site, f"Water.Pump.{key}", pump, basin_name(pump.source), target, dead, room)
    for key, s in loop.surfaces.items():
        surface.build(site, surface_name(key), s, basin_name(s.drains_to), basin_name(s.later_to) if s.later_to else None)
    if loop.separator:
        separator.build(site, "Water.Separator", loop.separator, basin_name(loop.separator.water_to))
    if loop.press:
        filter_press.build(site, "Water.Press", loop.press, basin_name(loop.press.source), basin_name(loop.press.filtrate_to))
    if loop.truck_wash:
        truck_wash.build(site, loop.truck_wash, basin_name(loop.truck_wash.source), basin_name(loop.truck_wash.drains_to))
    for name in design.lines:
        wash_water = basin_name(loop.wash_water) if loop.wash_water else None
        washdown.build(site, f"Water.Washdown.{name}", loop, wash_water, washout(design), basin_name(loop.floor_drain))
    _link_trucks(site.ledger, design, trucks)
    for key, y in design.site.sprays.items():
        roadway = surface_name(loop.roadway) if loop.roadway else "ground"
        spray.build(site, f"Air.Spray.{key}", y, basin_name(y.source) if y.source else None, roadway)
    for row, (key, m) in enumerate(design.site.monitors.items()):
        monitor.build(site, f"Air.Monitor.{key}", m, row, design.site.zone, design.site.protected)
    for row, key in enumerate(design.site.neighbours, len(design.site.monitors)):
        monitor.build_neighbour(site, f"Air.Neighbour.{key}", row)
    for name in design.lines:
        _place_dust(site, design, name)
    _place_road(site, design)


YARD, ROADWAY, LINE = range(3)  # what a spray wets
NOWHERE = -1
CONCRETE_MOISTURE_PCT = 7.0  # fresh concrete falls wet into the truck


def _place_dust(site: Site, design: Design, name: str) -> None:
    """Everywhere on a line where something falls, is loaded, is driven over or lies in the wind."""
    line, dust = design.lines[name], design.site.dust
    hoods = {c.over: f"{name}.Collector.{key}" for key, c in line.collectors.items()}
    for key, b in line.bins.items():
        store = f"{name}.Bin.{key}"
        yard, species = f"{store}.Yard", SPECIES.index(design.materials[b.material].species)
        for what, inflow in (("Receipt", True), ("Reclaim", False)):
            dust_source.build(
                site, f"{store}.{what}", DROP, "Yard", yard, yard, species, enclosure=dust.yard_enclosure, zone=YARD, inflow=inflow
            )
        area = dust.yard_area_m2 / len(line.bins) / len(design.lines)
        dust_source.build(site, f"{store}.Wind", EROSION, "Yard", yard, yard, species, enclosure=dust.yard_enclosure, zone=YARD, area_m2=area,
                          threshold_m_s=dust.erosion_threshold_m_s, m2_per_kg=0.001 * dust.disturbed_m2_t)  # fmt: skip
        for what, equation, source in (("Weighing", HOPPER, "Bins"), ("ToBelt", DROP, "Belt"), ("OffBelt", DROP, "Belt")):
            dust_source.build(site, f"{store}.{what}", equation, f"{name}.{source}", store, store, species, enclosure=dust.transfer_enclosure,
                              zone=LINE, collector=hoods.get("Belt"), hood=dust.hood_capture)  # fmt: skip
    for key, s in line.silos.items():
        store, species = f"{name}.Silo.{key}", SPECIES.index(design.materials[s.material].species)
        dust_source.build(site, f"{store}.Charging", POWDER, f"{name}.Tower", store, store, species, enclosure=dust.tower_enclosure, zone=NOWHERE,
                          collector=hoods.get("Mixer"), hood=dust.hood_capture)  # fmt: skip
    poured = f"{name}.Hopper.Discharge"
    cement = next(f"{name}.Silo.{k}" for k, s in line.silos.items() if design.materials[s.material].species == "cement")
    dust_source.build(site, f"{name}.Loading", DROP, f"{name}.Loading", poured, cement, CEMENT, enclosure=dust.tower_enclosure, zone=LINE,
                      moisture_pct=CONCRETE_MOISTURE_PCT)  # fmt: skip


def _place_road(site: Site, design: Design) -> None:
    """The road: its trucks are heard, and raise the silt that lies on it."""
    site.motor(truck_wash.DRIVING, 0.0, "truck")
    if design.water.roadway:
        road = surface_name(design.water.roadway)
        area = design.water.surfaces[design.water.roadway].area_m2
        dust_source.build(
            site,
            "Site.Driving",
            ROAD,
            "Road",
            road,
            road,
            FINES,
            enclosure=0.0,
            zone=ROADWAY,
            area_m2=area,
            weight_t=design.site.dust.truck_t,
        )


def basin_name(key: str) -> str:
    """Holder of a basin (or of its bed) by its key in the design; `discharge` stays what it is."""
    return key if key == DISCHARGE else f"Water.Basin.{key}"


def falls(design: Design, key: str) -> int:
    """How many weirs lie between a basin and the outfall."""
    below, count = design.water.basins[key].overflows_to, 1
    while below in design.water.basins:
        below, count = design.water.basins[below].overflows_to, count + 1
    return count


def surface_name(key: str) -> str:
    """Holder of a surface."""
    return f"Water.Surface.{key}"


def washout(design: Design) -> str:
    """Holder that drums and mixers are washed out into: the separator, or off the site where there is none."""
    return "Water.Separator" if design.water.separator else DISCHARGE


def _link_trucks(ledger: LedgerBuilder, design: Design, trucks: list[str]) -> None:
    """Trucks are loaded at each bay, pour on site, take washing water and are washed out; dirt comes and goes on their wheels."""
    h, loop = ledger.holder, design.water
    out = washout(design)
    sources = ["mains", *([basin_name(loop.wash_water)] if loop.wash_water else [])]
    for truck in trucks:
        ledger.link(h("mains"), h(truck))
        for line in design.lines:
            ledger.link(h(f"{line}.Hopper.Discharge"), h(truck))
        for account in ("site", "road", "blocks"):
            ledger.link(h(truck), h(account))
        ledger.link(h(truck), h(out))
        for source in sources:
            ledger.link(h(source), h(truck))
    ledger.link(h("site"), h("Trucks.Dirt"))
    ledger.link(h("Trucks.Dirt"), h("site"))
    if loop.roadway:
        ledger.link(h("Trucks.Dirt"), h(surface_name(loop.roadway)))
        ledger.link(h(surface_name(loop.roadway)), h("tip"))
    if loop.separator:
        for heap, to in (("Sand", loop.separator.sand_to), ("Stone", loop.separator.stone_to)):
            line, _, key = (to or "").partition(".")
            target = f"{line}.Bin.{key}.Yard" if to else "tip"
            ledger.link(h(f"Water.Separator.{heap}"), h(target))
