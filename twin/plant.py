"""The plant as one thing: every machine's state in arrays, and the one function that advances them.

This is the registry of machines: a new one is its file under `equipment/` and its lines here.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableSequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin import air, geometry
from twin.clock import SCAN_TICKS, TICK_S, TICKS_PER_S
from twin.design.schema import Design, Line
from twin.equipment import (
    aggregate_bin,
    basin,
    bay,
    conveyor,
    dispatch_desk,
    dust_collector,
    dust_source,
    feeder,
    filter_press,
    hopper,
    mixer,
    moisture_probe,
    monitor,
    order_slot,
    separator,
    silo,
    spray,
    station,
    surface,
    tank,
    truck,
    truck_wash,
    washdown,
    water_pump,
    weather_station,
    weighbridge,
    weigher,
)
from twin.equipment.part import Fault, Site
from twin.image import Image
from twin.jit import handle, njit, njit_rare
from twin.kernels.water import evaporation_kg_m2_s
from twin.ledger import N_SPECIES, SPECIES, Ledger, residual
from twin.placing import place_surroundings
from twin.roadmap import Map

# Every kind of machine, and the field of `State` that holds its records.
KINDS: dict[str, tuple[Any, str]] = {
    "station": (station, "stations"),
    "silo": (silo, "silos"),
    "aggregate_bin": (aggregate_bin, "bins"),
    "tank": (tank, "tanks"),
    "moisture_probe": (moisture_probe, "probes"),
    "dust_collector": (dust_collector, "collectors"),
    "feeder": (feeder, "feeders"),
    "weigher": (weigher, "weighers"),
    "conveyor": (conveyor, "belts"),
    "hopper": (hopper, "hoppers"),
    "mixer": (mixer, "mixers"),
    "bay": (bay, "bays"),
    "weather_station": (weather_station, "weather_stations"),
    "basin": (basin, "basins"),
    "water_pump": (water_pump, "water_pumps"),
    "surface": (surface, "surfaces"),
    "separator": (separator, "separators"),
    "filter_press": (filter_press, "presses"),
    "truck_wash": (truck_wash, "washes"),
    "washdown": (washdown, "washdowns"),
    "spray": (spray, "sprays"),
    "monitor": (monitor, "monitors"),
    "dust_source": (dust_source, "dust_sources"),
    "weighbridge": (weighbridge, "weighbridges"),
    "dispatch_desk": (dispatch_desk, "desks"),
    "order_slot": (order_slot, "slots"),
    "truck": (truck, "trucks"),
}

AIR_TICKS = 60 * TICKS_PER_S  # air and sound are carried once a minute

# Weather of the moment: wind at 10 m over open ground, direction it comes from; `sun_deg` elevation; `cloud` 0–1;
# `stability` Pasquill class, 0 (A) to 5 (F); `forecast_mm` rain expected in the next 12 h;
# `dries_kg_m2_s` what open water loses to the air; `driven_m` metres that trucks have driven on the site since the start.
SITE = np.dtype(
    [
        ("seed", "i8"), ("tick", "i8"), ("stored", "i8"), ("filled", "i8"), ("brimful", "i8"), ("watered", "i8"), ("water_ticks", "i8"), ("aired", "i8"), ("weather", "i8"), ("dispersed", "i8"), ("urban", "i8"), ("starts_s", "f8"), ("stability", "i8"), ("air_c", "f8"), ("rain_mm_h", "f8"), ("wind_m_s", "f8"), ("wind_from_deg", "f8"),
        ("humidity", "f8"), ("pressure_hpa", "f8"), ("cloud", "f8"), ("sun_deg", "f8"), ("sun_w_m2", "f8"), ("forecast_mm", "f8"), ("dries_kg_m2_s", "f8"), ("driven_m", "f8"),
    ]
)  # fmt: skip


class State(NamedTuple):
    """All that changes in the plant, as kernels take it.

    `io` is the process image; `ring` the transport slots; `belt_feed` what falls on each belt in this step;
    `scratch` two empty species vectors; `temperature_c` of the species as delivered; `motors` [motor, 2] seconds run and
    energy taken, kJ, both since the start; `tracks` [truck, point, 4] its way in s since the start, km east, km north and
    the limit on the way there in km/h; `emitted` [source, 3] kg of TSP, PM10 and PM2.5 that reached the open air since
    the dispersion last took them, `released` since the start. `plume`, `receptors`, `chi`, `sound`, `peaks`,
    `heard`, `ambient`: see `twin.air`.
    """

    site: NDArray[Any]
    io: NDArray[np.float64]
    ledger: Ledger
    ring: NDArray[np.float64]
    belt_feed: NDArray[np.float64]
    scratch: NDArray[np.float64]
    temperature_c: NDArray[np.float64]
    motors: NDArray[np.float64]
    emitted: NDArray[np.float64]
    released: NDArray[np.float64]
    plume: NDArray[np.float64]
    plume_owner: NDArray[np.int64]
    receptors: NDArray[np.float64]
    chi: NDArray[np.float64]
    sound: NDArray[np.float64]
    peaks: NDArray[np.float64]
    heard: NDArray[np.float64]
    ambient: NDArray[np.float64]
    stations: NDArray[Any]
    silos: NDArray[Any]
    bins: NDArray[Any]
    tanks: NDArray[Any]
    probes: NDArray[Any]
    collectors: NDArray[Any]
    feeders: NDArray[Any]
    weighers: NDArray[Any]
    belts: NDArray[Any]
    hoppers: NDArray[Any]
    mixers: NDArray[Any]
    bays: NDArray[Any]
    weather_stations: NDArray[Any]
    basins: NDArray[Any]
    water_pumps: NDArray[Any]
    surfaces: NDArray[Any]
    separators: NDArray[Any]
    presses: NDArray[Any]
    washes: NDArray[Any]
    washdowns: NDArray[Any]
    sprays: NDArray[Any]
    monitors: NDArray[Any]
    dust_sources: NDArray[Any]
    weighbridges: NDArray[Any]
    desks: NDArray[Any]
    slots: NDArray[Any]
    trucks: NDArray[Any]
    tracks: NDArray[np.float64]


class Plant:
    """A plant built from a design: tag table, process image, ledger and machine states.

    Attributes:
        design: the design it was built from.
        image: the process image (with `image.table`).
        state: arrays that the kernels work on.
        handle: of the state, for kernels that are called from Python very often.
        io: the image's values one by one, for Python: it reads a number from a memoryview in half of an array's time.
        holders: names of the ledger's holders, by index.
        map: the roads around it.
        motors, sources: names (and rated kW) of what draws electricity, and of what emits dust, by index.
    """

    def __init__(self, design: Design, seed: int = 0) -> None:
        self.design = design
        site = Site()
        for number, (name, line) in enumerate(design.lines.items()):
            _place_line(site, design, number, name, line)
        self.map = Map(design.district)
        trucks = [f"Truck{i + 1}" for i in range(design.fleet.trucks)]
        place_surroundings(site, design, trucks)
        _place_logistics(site, design, self.map)
        self.names = site.names
        self.holders = site.ledger.holders
        self._holder = {h: i for i, h in enumerate(self.holders)}
        self._records: dict[str, Any] = {}
        self.table = site.table
        self.image = Image(site.table)
        self.motors, self.sources = site.motors, site.sources
        ledger = site.ledger.build()
        self.links = {(self.holders[a], self.holders[b]): i for i, (a, b) in enumerate(site.ledger.links)}
        arrays = {field: site.arrays(kind, module.DTYPE) for kind, (module, field) in KINDS.items()}
        _join_feeders(site, arrays)
        self.state = State(
            site=calm_weather(seed), io=self.image.values, ledger=ledger, ring=site.ring(),
            belt_feed=np.zeros((len(arrays["belts"]), N_SPECIES)), scratch=np.zeros((2, N_SPECIES)),
            temperature_c=np.full(N_SPECIES, 20.0), motors=np.zeros((len(site.motors), 2)),
            tracks=np.zeros((design.fleet.trucks, truck.POINTS, 4)), emitted=np.zeros((len(site.sources), 3)), released=np.zeros((len(site.sources), 3)), **geometry.around(site, design.site, list(design.lines)), **arrays,
        )  # fmt: skip
        self.state.site["urban"] = int(design.site.urban)
        self.handle = handle(self.state)
        self.io: MutableSequence[float] = memoryview(self.state.io)  # type: ignore[assignment,arg-type]
        sense(self.state)
        sense_surroundings(self.state)
        self.image.latched[:] = self.image.values

    def record(self, name: str) -> Any:
        """State record of a machine by its name (a view: writing to it changes the plant)."""
        if name not in self._records:
            machine = self.table.machine(name)
            field = KINDS[machine.kind][1]
            self._records[name] = getattr(self.state, field)[self.names[machine.kind].index(name)]
        return self._records[name]

    def columns(self, field: str) -> Any:
        """State of all machines of a kind, a memoryview for each figure of theirs: `columns("trucks").load_m3[k]` is read and written in a
        tenth of the time of `record("Truck1")["load_m3"]`."""
        array = getattr(self.state, field)
        return SimpleNamespace(**{name: memoryview(array[name]) for name in array.dtype.names})

    def link(self, source: str, target: str) -> int:
        """Number of the ledger link between two holders."""
        return self.links[source, target]

    def motor(self, name: str) -> NDArray[np.float64]:
        """Seconds run and energy taken, kJ, of a motor by its name (a view)."""
        return self.state.motors[[m.name for m in self.motors].index(name)]

    def holder(self, name: str) -> int:
        """Number of a ledger holder."""
        return self._holder[name]

    def residual(self) -> float:
        """Relative closure of the ledger, see `twin.ledger.residual`."""
        return residual(self.state.ledger)

    def arrays(self) -> list[NDArray[Any]]:
        """All arrays of the state, in a fixed order."""
        s = self.state
        return [a for field in s for a in (field if isinstance(field, Ledger) else (field,))]

    def hash(self) -> str:
        """Fingerprint of the whole state, 16 hex digits."""
        digest = hashlib.sha256()
        for a in self.arrays():
            digest.update(np.ascontiguousarray(a).tobytes())
        return digest.hexdigest()[:16]


def calm_weather(seed: int) -> NDArray[Any]:
    """The site before any weather is set: a mild neutral day."""
    site = np.zeros(1, dtype=SITE)
    mild = {
        "seed": seed,
        "water_ticks": TICKS_PER_S,
        "air_c": 20.0,
        "wind_m_s": 2.0,
        "humidity": 0.7,
        "pressure_hpa": 1013.25,
        "stability": 3,
    }
    mild["dispersed"] = -1
    for name, value in mild.items():
        site[name] = value
    return site


def faults() -> dict[str, list[tuple[str, Fault]]]:
    """The fault catalogue: for each fault name, the machine kinds it can befall."""
    catalogue: dict[str, list[tuple[str, Fault]]] = {}
    for kind, (module, _) in KINDS.items():
        for fault in module.FAULTS:
            catalogue.setdefault(fault.name, []).append((kind, fault))
    return catalogue


def _species(design: Design, material: str) -> str:
    species = design.materials[material].species
    return "water" if species == "slurry_water" else species


def _place_line(site: Site, design: Design, number: int, name: str, line: Line) -> None:
    sources: dict[str, tuple[Any, float]] = {}
    for key, s in line.silos.items():
        sources[key] = silo.build(site, number, f"{name}.Silo.{key}", s, _species(design, s.material)), s.capacity_t * 1000
    for key, b in line.bins.items():
        machine = aggregate_bin.build(
            site, number, f"{name}.Bin.{key}", b, _species(design, b.material), design.materials[b.material].moisture
        )
        sources[key] = machine, b.capacity_t * 1000
    for key, t in line.tanks.items():
        sources[key] = tank.build(site, number, f"{name}.Tank.{key}", t), t.capacity_t * 1000
    for key, probe in line.probes.items():
        moisture_probe.build(site, number, f"{name}.Probe.{key}", probe, sources[probe.bin][0])
    for key, c in line.collectors.items():
        dust_collector.build(site, number, f"{name}.Collector.{key}", c, sources[c.returns_to][0].name)
    holder = site.ledger.holder
    waiting, drum, below = f"{name}.Hopper.Waiting", f"{name}.Mixer", f"{name}.Hopper.Discharge"
    first_hopper = 2 * number
    for key, w in line.weighers.items():
        to_belt = w.to == "belt"
        weigher_name = f"{name}.Weigher.{key}"
        for feeder_key, f in w.feeders.items():
            source, full_kg = sources[f.source]
            material = source.material
            feeder.build(site, f"{name}.Feeder.{feeder_key}", f, source, holder(source.name), full_kg, material,
                         design.materials[material].species, weigher_name, holder(weigher_name), design.materials[material].mud > 0)  # fmt: skip
        target = f"{name}.Belt" if to_belt else drum
        weigher.build(site, number, weigher_name, w, holder(target), target, number if to_belt else -1, -1 if to_belt else number)
    conveyor.build(site, number, f"{name}.Belt", line.belt, first_hopper, holder(waiting), waiting)
    hopper.build(site, number, waiting, line.waiting_hopper, holder(drum), drum, mixer=number)
    mixer.build(site, number, drum, line.mixer, first_hopper + 1, holder(below), below)
    hopper.build(site, number, below, line.discharge_hopper, holder("ground"), f"{name}.Bay", bay=number)
    bay.build(site, number, f"{name}.Bay", holder(below), line.materials())
    station.build(site, f"{name}.Station", line.station)


def _place_logistics(site: Site, design: Design, map: Map) -> None:
    """Weighbridge, dispatch desk, order slots and trucks; they stand last, for their tags are many."""
    lines = list(design.lines)
    homes = {line: tuple(map.xy_km[map.plant(line)].tolist()) for line in lines}
    weighbridge.build(site, design.weighbridge)
    site.motor("Gate.Chargers", design.fleet.chargers * design.fleet.charger_kw, "charger")
    dispatch_desk.build(site, lines, homes)
    for number in range(1, design.fleet.order_slots + 1):
        order_slot.build(site, number, lines)
    for number in range(1, design.fleet.trucks + 1):
        truck.build(site, number, design.fleet, homes[lines[(number - 1) % len(lines)]])


def _join_feeders(site: Site, arrays: dict[str, NDArray[Any]]) -> None:
    """Point each feeder at its weigher, and the weigher at its feeders, which stand together."""
    machines = {m.name: m for m in site.table.equipment}
    weighers = arrays["weighers"]
    for i, name in enumerate(site.names["feeder"]):
        k = site.names["weigher"].index(machines[name].feeds)
        arrays["feeders"]["weigher"][i] = k
        if weighers["feeders"][k] == 0:
            weighers["first_feeder"][k] = i
        weighers["feeders"][k] += 1


@njit
def step(p: Any, ticks: int) -> None:
    """Advance the plant by a whole number of ticks with one step of the physics.

    Args:
        p: the plant's `State`.
        ticks: 1 (10 ms) for the finest step, or a multiple of 10.
    """
    dt_s = ticks * TICK_S
    for k in range(p.weighers.shape[0]):
        weigher.dose(p.weighers[k], p, ticks)
    for k in range(p.stations.shape[0]):
        carry(p, k, dt_s)
    p.site[0].tick += ticks
    # Silos, bins and tanks are slow: a tenth of a second is fine enough.
    if ticks >= SCAN_TICKS or p.site[0].tick % SCAN_TICKS == 0:
        slow(p)


@njit
def carry(p: Any, k: int, dt_s: float) -> None:
    """Station, belt, hoppers and mixer of line `k`: the way from the weighers to the truck."""
    s, m = p.stations[k], p.mixers[k]
    station.step(s, p, m.tag + mixer.RUN, m.tag + mixer.DOOR, dt_s)
    conveyor.step(p.belts[k], p, k, s.belt, s.supply, dt_s)
    for j in range(2 * k, 2 * k + 2):
        hopper.step(p.hoppers[j], p, s.gates, dt_s)
    mixer.step(m, p, s.run, s.door, s.supply, dt_s)
    if p.bays[k].present > 0.5:  # its engine turns the drum
        p.motors[p.bays[k].motor, 0] += dt_s


@njit
def step_silo(p: Any, k: int) -> None:
    """Take silo `k` up to the site's time."""
    s, tick = p.silos[k], p.site[0].tick
    if tick > s.at:
        silo.step(s, p, p.stations[s.line].gates, (tick - s.at) * TICK_S)
        s.at = tick


@njit
def step_collector(p: Any, k: int) -> None:
    """Take dust collector `k` up to the site's time; what blows into it must be there already."""
    c, tick = p.collectors[k], p.site[0].tick
    if tick > c.at:
        dust_collector.step(c, p, (tick - c.at) * TICK_S)
        c.at = tick


@njit
def filled(p: Any) -> None:
    """The silos that are being filled, with their filters."""
    for k in range(p.silos.shape[0]):
        if p.silos[k].connected > 0.5:
            vent = p.silos[k].filter
            step_silo(p, k)
            step_collector(p, vent)
            silo.sense(p.silos[k], p)
            dust_collector.sense(p.collectors[vent], p)


@njit
def slow(p: Any) -> None:
    """Stores: silos, bins, tanks. Surroundings when it is time for them."""
    dt_s = (p.site[0].tick - p.site[0].stored) * TICK_S
    if dt_s <= 0.0:
        return
    p.site[0].stored = p.site[0].tick
    for k in range(p.silos.shape[0]):
        step_silo(p, k)
    for k in range(p.collectors.shape[0]):
        step_collector(p, k)
    for k in range(p.bins.shape[0]):
        aggregate_bin.step(p.bins[k], p, p.stations[p.bins[k].line].gates, dt_s)
    for k in range(p.tanks.shape[0]):
        tank.step(p.tanks[k], p, dt_s)
    site = p.site[0]
    if site.tick - site.watered >= site.water_ticks:
        water(p, (site.tick - site.watered) * TICK_S)
        site.watered = site.tick
        sense_surroundings(p)
    if site.tick - site.aired >= AIR_TICKS:
        air.minute(p, (site.tick - site.aired) * TICK_S)
        site.aired = site.tick


@njit_rare
def water(p: Any, dt_s: float) -> None:
    """The water loop is slower still: surfaces, washing, pumps, separator and press, then the basins and their weirs."""
    site = p.site[0]
    site.dries_kg_m2_s = evaporation_kg_m2_s(site.air_c, site.humidity, site.wind_m_s, site.sun_w_m2, site.cloud)
    for k in range(p.washdowns.shape[0]):
        washdown.step(p.washdowns[k], p, dt_s)
    for k in range(p.sprays.shape[0]):
        spray.step(p.sprays[k], p, dt_s)
    for k in range(p.surfaces.shape[0]):
        surface.step(p.surfaces[k], p, dt_s)
    for k in range(p.water_pumps.shape[0]):
        water_pump.step(p.water_pumps[k], p, dt_s)
    for k in range(p.separators.shape[0]):
        separator.step(p.separators[k], p, dt_s)
    for k in range(p.presses.shape[0]):
        filter_press.step(p.presses[k], p, dt_s)
    for k in range(p.basins.shape[0]):
        basin.step(p.basins[p.basins[k].turn], p, dt_s)


@njit
def sense(p: Any) -> None:
    """Let every sensor look at the plant and write what it sees into the process image."""
    for k in range(p.feeders.shape[0]):
        feeder.sense(p.feeders[k], p)
    for k in range(p.weighers.shape[0]):
        w = p.weighers[k]
        weigher.sense(w, p, p.mixers[w.line].speed)
    for k in range(p.stations.shape[0]):
        sense_line(p, k)
    sense_stores(p)


@njit
def sense_line(p: Any, k: int) -> None:
    """Sensors of line `k` between the weighers and the truck, which stands there when it is time."""
    station.sense(p.stations[k], p)
    conveyor.sense(p.belts[k], p)
    for j in range(2 * k, 2 * k + 2):
        hopper.sense(p.hoppers[j], p)
    mixer.sense(p.mixers[k], p)
    bay.come(p.bays[k], p)
    bay.sense(p.bays[k], p)


@njit
def sense_stores(p: Any) -> None:
    """Sensors of silos, bins, tanks and moisture probes."""
    for k in range(p.silos.shape[0]):
        silo.sense(p.silos[k], p)
    for k in range(p.collectors.shape[0]):
        dust_collector.sense(p.collectors[k], p)
    for k in range(p.bins.shape[0]):
        aggregate_bin.sense(p.bins[k], p)
    for k in range(p.tanks.shape[0]):
        tank.sense(p.tanks[k], p)
    for k in range(p.probes.shape[0]):
        moisture_probe.sense(p.probes[k], p)


@njit_rare
def sense_surroundings(p: Any) -> None:
    """Sensors of weather, water and air: they look when their slow part of the plant has moved."""
    for k in range(p.weather_stations.shape[0]):
        weather_station.sense(p.weather_stations[k], p)
    for k in range(p.surfaces.shape[0]):
        surface.sense(p.surfaces[k], p)
    for k in range(p.water_pumps.shape[0]):
        water_pump.sense(p.water_pumps[k], p)
    for k in range(p.separators.shape[0]):
        separator.sense(p.separators[k], p)
    for k in range(p.presses.shape[0]):
        filter_press.sense(p.presses[k], p)
    for k in range(p.basins.shape[0]):
        basin.sense(p.basins[k], p)
    for k in range(p.washes.shape[0]):
        truck_wash.sense(p.washes[k], p)
    for k in range(p.washdowns.shape[0]):
        washdown.sense(p.washdowns[k], p)
    for k in range(p.sprays.shape[0]):
        spray.sense(p.sprays[k], p)
    air.sense(p)
    for k in range(p.weighbridges.shape[0]):
        weighbridge.sense(p.weighbridges[k], p)
    for k in range(p.trucks.shape[0]):
        truck.sense(p.trucks[k], p)


@njit
def steps(p: Any, count: int) -> None:
    """`count` finest steps of 10 ms."""
    for _ in range(count):
        step(p, 1)


__all__ = ["KINDS", "SPECIES", "Plant", "State", "faults", "sense", "step", "steps"]
