"""The plant design: what an engineer writes in YAML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from twin.design.district import District
from twin.design.district import mistakes as district_mistakes
from twin.design.premises import Premises
from twin.design.site import SitePlan
from twin.design.site import mistakes as site_mistakes
from twin.design.water import WaterLoop, recycled_materials
from twin.design.water import mistakes as water_mistakes
from twin.equipment.aggregate_bin import AggregateBin
from twin.equipment.conveyor import Belt
from twin.equipment.dust_collector import LineCollector
from twin.equipment.hopper import Hopper
from twin.equipment.mixer import Mixer
from twin.equipment.moisture_probe import MoistureProbe
from twin.equipment.part import Name, Part, figure
from twin.equipment.silo import Silo
from twin.equipment.station import Station
from twin.equipment.tank import Tank
from twin.equipment.truck import Fleet
from twin.equipment.weighbridge import Weighbridge
from twin.equipment.weigher import Weigher

Species = Literal["cement", "fly_ash", "slag", "sand", "stone", "water", "slurry_water", "admixture"]


Transport = Literal["truck", "battery", "container", "water", "rail"]


class Title(Part):
    """A name for people, in both languages."""

    en: str
    zh: str


class Material(Part):
    """A material that the plant buys and its recipes name."""

    species: Species
    title: Title
    supplier: str = "supplier"
    transport: Transport = Field("truck", description="how it comes: by road, as a container, by water, by rail, or on battery trucks")
    distance_km: float = figure(500.0, "km", "default of GB/T 51366-2019 where the distance is not known", recalled=True, ge=0, le=5000)
    delivery_t: float = figure(30.0, "t", "one tanker or tipper, 49 t combination less tare (MoT Order 2016 No. 62)", gt=0, le=200)
    lead_time_h: float = figure(3.0, "h", "purchasing; engineering choice", recalled=True, gt=0, le=240)
    moisture: float = figure(0.0, "kg/kg dry", "laboratory", ge=0, le=0.25)
    moisture_sd: float = figure(0.0, "kg/kg dry", "scatter between deliveries; engineering choice", recalled=True, ge=0, le=0.1)
    rain_moisture: float = figure(
        0.0, "kg/kg dry per mm/h", "wet deliveries on a rainy day; engineering choice", recalled=True, ge=0, le=0.05
    )
    mud: float = figure(
        0.0,
        "kg/kg dry",
        "fines in a delivery, mean; JGJ 52-2006 lets sand have 3 % and stone 1 % up to C55; 0 leaves it out",
        recalled=True,
        ge=0,
        le=0.2,
    )
    mud_sd: float = figure(0.0, "kg/kg dry", "scatter between deliveries; engineering choice", recalled=True, ge=0, le=0.1)
    temperature_c: float | None = Field(None, description="delivered temperature; the air's when left out", ge=-20, le=120)


# Slurry water by strength class, kg/m³ (engineering choice within JGJ/T 328; recalled).
SLURRY_BY_CLASS = ((30.0, 70.0), (45.0, 40.0))
HIGH_STRENGTH_MPA = 60.0  # from C60 on, JGJ/T 281-2012 (recalled)


class Recipe(Part):
    """One grade: dry masses per m³ of concrete, by material."""

    grade: str
    strength_mpa: float = Field(gt=0, le=120, description="characteristic cube strength fcu,k")
    slump_mm: float = Field(gt=0, le=260)
    mix_time_s: float = figure(30.0, "s", "GB/T 14902-2012 7.4, least after the last charge", recalled=True, ge=10, le=600)
    kg_m3: dict[str, float] = Field(min_length=3)
    use: Literal["prestressed", "reinforced", "plain"] = Field("reinforced", description="what the water must be good for, JGJ 63")
    recycled_aggregate: bool = Field(True, description="may it hold sand or stone that the separator won back?")
    slurry_max_kg_m3: float | None = Field(
        None, ge=0, le=300, description="most slurry water; by strength class when left out, none where kg_m3 names none"
    )

    @property
    def bans_slurry(self) -> bool:
        """JGJ/T 328-2014 bans slurry water from prestressed and high-strength concrete (recalled)."""
        return self.use == "prestressed" or self.strength_mpa >= HIGH_STRENGTH_MPA

    @property
    def most_slurry_kg_m3(self) -> float:
        """Most slurry water that may take the place of mixing water, kg/m³."""
        if self.bans_slurry:
            return 0.0
        if self.slurry_max_kg_m3 is not None:
            return self.slurry_max_kg_m3
        return next((kg for strength, kg in SLURRY_BY_CLASS if self.strength_mpa <= strength), 0.0)


class Line(Part):
    """One production line around one mixer."""

    rated_m3_h: float = figure(..., "m3/h", "maker's model number", gt=0, le=1000)
    silos: dict[Name, Silo] = Field(min_length=1)
    bins: dict[Name, AggregateBin] = Field(min_length=1)
    tanks: dict[Name, Tank] = Field(min_length=1)
    collectors: dict[Name, LineCollector] = Field(default_factory=dict)
    probes: dict[Name, MoistureProbe] = Field(default_factory=dict)
    weighers: dict[Name, Weigher] = Field(min_length=1)
    belt: Belt
    waiting_hopper: Hopper
    mixer: Mixer
    discharge_hopper: Hopper
    station: Station = Field(default_factory=Station)

    def material_of(self, source: str) -> str | None:
        """Material in a silo, bin or tank of this line; None if there is no such source."""
        for parts in (self.silos, self.bins, self.tanks):
            if source in parts:
                return parts[source].material
        return None

    def materials(self) -> list[str]:
        """Materials that the line can dose, in the order of its weighers."""
        names = (self.material_of(f.source) for w in self.weighers.values() for f in w.feeders.values())
        return list(dict.fromkeys(n for n in names if n))


class Design(Part):
    """A whole plant."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: Title
    materials: dict[Name, Material]
    lines: dict[Name, Line] = Field(min_length=1)
    fleet: Fleet
    weighbridge: Weighbridge = Field(default_factory=Weighbridge)
    district: District = Field(default_factory=District)
    base_load_kw: float = figure(12.0, "kW", "offices, laboratory, lights; engineering choice", recalled=True, ge=0, le=5000)
    solar_kwp: float = figure(0.0, "kW", "solar roof, peak power; 0 for none", ge=0, le=20000)
    water: WaterLoop = Field(default_factory=WaterLoop)
    site: SitePlan = Field(default_factory=SitePlan)
    premises: Premises = Field(default_factory=Premises)
    recipes: list[Recipe] = Field(min_length=1)
    sources: dict[str, str] = Field(default_factory=dict, description="where the figures of this design come from, by field")

    def recipe(self, grade: str) -> Recipe | None:
        """The recipe of a grade, None if the plant has none."""
        return next((r for r in self.recipes if r.grade == grade), None)


MIXER_KG_M3 = 1.15 * 2400  # what a mixer takes for each m³ of its rated volume

RESERVED = ("Water", "Air", "Site")  # areas of the tag table that are no lines

Mistake = tuple[tuple[str | int, ...], str, str]


def mistakes(design: Design) -> Iterator[Mistake]:
    """What fits the schema and is still wrong: place, problem and mend of each."""
    plant = [m for name, line in design.lines.items() for m in _line_mistakes(design, name, line)]
    for name, material in design.materials.items():
        if material.moisture and material.species not in ("sand", "stone"):
            plant.append((("materials", name, "moisture"), f"{material.species} has no moisture", "give moisture to sand and stone only"))
    plant += water_mistakes(design)
    plant += site_mistakes(design)
    plant += district_mistakes(design)
    plant += _fleet_mistakes(design)
    yield from plant
    if plant:
        return  # what a recipe lacks on a plant that is wrong says nothing
    grades = [r.grade for r in design.recipes]
    for i, recipe in enumerate(design.recipes):
        yield from _recipe_mistakes(design, i, recipe)
        if grades.index(recipe.grade) != i:
            yield ("recipes", i, "grade"), f"grade {recipe.grade} stands twice", "keep one of them"


def _fleet_mistakes(design: Design) -> Iterator[Mistake]:
    fleet = design.fleet
    if fleet.limit_kg <= fleet.tare_kg:
        yield ("fleet", "limit_kg"), "a truck may weigh no more than its tare", f"give more than {fleet.tare_kg:g}"
    if fleet.battery > fleet.trucks:
        yield ("fleet", "battery"), f"{fleet.battery} of {fleet.trucks} trucks", f"give at most {fleet.trucks}"
    if len(fleet.capacities_m3) > fleet.trucks or not all(0 < m3 <= 20 for m3 in fleet.capacities_m3):
        yield (
            ("fleet", "capacities_m3"),
            "names more trucks than there are, or one of no or too great a volume",
            f"give at most {fleet.trucks}, above 0 to 20",
        )
    if fleet.battery and not fleet.chargers:
        yield ("fleet", "chargers"), "battery trucks and no charger", "give at least 1"


def _line_mistakes(design: Design, line_name: str, line: Line) -> Iterator[Mistake]:
    at = ("lines", line_name)
    kinds = {"silos": ("cement", "fly_ash", "slag"), "bins": ("sand", "stone"), "tanks": ("water", "slurry_water", "admixture")}
    if line_name in RESERVED or line_name.startswith("Truck"):
        yield at, f"'{line_name}' is the name of something else", "name it as Line1"
    for group, allowed in kinds.items():
        for name, part in getattr(line, group).items():
            material = design.materials.get(part.material)
            if material is None:
                yield (
                    (*at, group, name, "material"),
                    f"no material '{part.material}'",
                    "add it under materials or name one that stands there",
                )
            elif material.species not in allowed:
                yield (
                    (*at, group, name, "material"),
                    f"{material.species} does not belong into {group}",
                    f"{group} hold {', '.join(allowed)}",
                )
    for name, tank in line.tanks.items():
        if tank.material in design.materials and design.materials[tank.material].species != tank.holds:
            species = design.materials[tank.material].species
            yield (*at, "tanks", name, "holds"), f"{tank.material} is {species}, not {tank.holds}", f"give {species} or another material"
    used: set[str] = set()
    for name, weigher in line.weighers.items():
        for feeder_name, feeder in weigher.feeders.items():
            where = (*at, "weighers", name, "feeders", feeder_name)
            if line.material_of(feeder.source) is None:
                yield (*where, "source"), f"no silo, bin or tank '{feeder.source}' on this line", "name one that stands there"
            if feeder_name in used:
                yield where, f"feeder '{feeder_name}' stands twice on this line", "give each feeder its own name"
            used.add(feeder_name)
    for name, collector in line.collectors.items():
        if collector.returns_to not in (*line.silos, *line.bins):
            yield (*at, "collectors", name, "returns_to"), f"no silo or bin '{collector.returns_to}'", "name one of this line"
        if collector.stop_kpa > collector.start_kpa:
            yield (*at, "collectors", name, "stop_kpa"), "cleaning would stop above where it starts", f"at most {collector.start_kpa:g}"
    hoods = [c.over for c in line.collectors.values()]
    for name, over in zip(line.collectors, hoods, strict=True):
        if over in hoods[: list(line.collectors).index(name)]:
            yield (*at, "collectors", name, "over"), f"two collectors stand over {over}", "keep one of them, or make it larger"
    for name, probe in line.probes.items():
        if probe.bin not in line.bins:
            yield (*at, "probes", name, "bin"), f"no bin '{probe.bin}'", "name a bin of this line"
    if line.discharge_hopper.capacity_kg < line.mixer.rated_m3 * 2400:
        yield (*at, "discharge_hopper", "capacity_kg"), "smaller than one batch of the mixer", f"at least {line.mixer.rated_m3 * 2400:.0f}"
    if line.waiting_hopper.capacity_kg < line.mixer.rated_m3 * 1900:
        yield (
            (*at, "waiting_hopper", "capacity_kg"),
            "smaller than the aggregate of one batch",
            f"at least {line.mixer.rated_m3 * 1900:.0f}",
        )


def slurry_mistake(design: Design, recipe: Recipe) -> tuple[str, str, str] | None:
    """What a recipe does wrong with slurry water: field, problem and mend; None when it is right."""
    known = design.materials
    planned = sum(kg for m, kg in recipe.kg_m3.items() if m in known and known[m].species == "slurry_water")
    most = recipe.most_slurry_kg_m3
    if recipe.bans_slurry and (planned > 0 or recipe.slurry_max_kg_m3):
        why = "prestressed" if recipe.use == "prestressed" else "high-strength"
        field = "kg_m3" if planned > 0 else "slurry_max_kg_m3"
        return field, f"{recipe.grade} is {why} concrete and must not hold slurry water (JGJ/T 328)", "leave the slurry water out"
    if planned > most:
        return (
            "kg_m3",
            f"{recipe.grade} plans {planned:g} kg/m³ of slurry water, its limit is {most:g}",
            "plan less or give slurry_max_kg_m3",
        )
    return None


def _recipe_mistakes(design: Design, i: int, recipe: Recipe) -> Iterator[Mistake]:
    at = ("recipes", i)
    total = sum(recipe.kg_m3.values())
    if total > MIXER_KG_M3:
        yield (*at, "kg_m3"), f"{recipe.grade} is heavier than the mixer takes ({total:.0f} kg/m³)", f"give at most {MIXER_KG_M3:.0f} kg/m³"
    elif not 1800 <= total <= 2700:
        yield (*at, "kg_m3"), f"{recipe.grade} adds up to {total:.0f} kg/m³", "ordinary concrete is 1800–2700 kg/m³"
    slurry = slurry_mistake(design, recipe)
    if slurry:
        yield (*at, slurry[0]), slurry[1], slurry[2]
    recycled = set() if recipe.recycled_aggregate else recycled_materials(design)
    for material, kg in recipe.kg_m3.items():
        if kg > 0 and material in recycled:
            where = f"{recipe.grade} takes no recycled aggregate, but the separator's goes into the box of {material}"
            yield (*at, "kg_m3", material), where, "send it to a box that this recipe does not use, or to none"
        if material not in design.materials:
            yield (*at, "kg_m3", material), f"no material '{material}'", "name one that stands under materials"
        if kg < 0:
            yield (*at, "kg_m3", material), f"negative mass {kg:g}", "give 0 or more"
    for line_name, line in design.lines.items():
        missing = [m for m, kg in recipe.kg_m3.items() if kg > 0 and m in design.materials and m not in line.materials()]
        if missing:
            yield (*at, "kg_m3"), f"{line_name} cannot dose {', '.join(missing)}", "add a feeder for it or leave it out of the recipe"
        for name, weigher in line.weighers.items():
            load = (
                sum(recipe.kg_m3.get(m, 0.0) for m in {line.material_of(f.source) for f in weigher.feeders.values()} if m)
                * line.mixer.rated_m3
            )
            if load > weigher.capacity_kg:
                yield (
                    (*at, "kg_m3"),
                    f"{recipe.grade} puts {load:.0f} kg on weigher {line_name}.{name}",
                    f"it takes {weigher.capacity_kg:.0f} kg",
                )
