"""Dust source: where material falls, is loaded, lies in the wind or is driven over, and what keeps its dust down.

A source watches how much has left a holder and emits by AP-42. Its dust is taken from the store that the material came
from: a few grams of tonnes, and the machines between store and mixer weigh what they hold on their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment import dust_collector
from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels import emission
from twin.ledger import FINES, WATER, book, total_kg

# --- what it is ---------------------------------------------------------------------------------------


class DustControl(Part):
    """How well sources are enclosed: the share of their dust that the enclosure keeps in (0 open, 1 tight)."""

    yard_enclosure: float = figure(
        0.7, "-", "covered yard, open front: 70 %; closed shed with doors 90 %, none 0; engineering choice", recalled=True, ge=0, le=1
    )
    transfer_enclosure: float = figure(0.85, "-", "clad belts and transfer points; engineering choice", recalled=True, ge=0, le=1)
    tower_enclosure: float = figure(0.85, "-", "clad mixing tower; engineering choice", recalled=True, ge=0, le=1)
    hood_capture: float = figure(0.9, "-", "hood of a collector at its design flow; engineering choice", recalled=True, ge=0, le=1)
    road_m: float = figure(180.0, "m", "driven on the site by one truck, in and out; layout", recalled=True, ge=0, le=5000)
    truck_t: float = figure(22.0, "t", "mean of full and empty trucks", recalled=True, gt=0, le=100)
    sweeping_per_day: float = figure(
        1.0, "1/d", "wet sweepings of the road a day, each takes half of its silt; engineering choice", recalled=True, ge=0, le=48
    )
    yard_area_m2: float = figure(2500.0, "m2", "stockpiles in the wind if the yard is open", recalled=True, ge=0, le=1e6)
    disturbed_m2_t: float = figure(
        1.25,
        "m2/t",
        "surface laid bare by a tonne that comes or goes: a layer of 0.5 m of 1.6 t/m3; engineering choice",
        recalled=True,
        ge=0,
        le=100,
    )
    erosion_threshold_m_s: float = figure(
        1.02, "m/s", "threshold friction velocity of an overburden-like pile, AP-42 13.2.5 Table 13.2.5-2", recalled=True, gt=0, le=5
    )


# --- what state it has --------------------------------------------------------------------------------

DROP, POWDER, ROAD, EROSION, HOPPER = range(5)

DTYPE = np.dtype(
    [
        ("source", "i8"), ("equation", "i8"), ("holder", "i8"), ("inflow", "i8"), ("store", "i8"), ("species", "i8"), ("dust", "i8"), ("bag", "i8"),
        ("collector", "i8"), ("zone", "i8"), ("enclosure", "f8"), ("hood", "f8"), ("area_m2", "f8"), ("m2_per_kg", "f8"), ("weight_t", "f8"),
        ("threshold_m_s", "f8"), ("moisture_pct", "f8"), ("fresh_m2", "f8"), ("worn_m_s", "f8"), ("seen", "i8"), ("last", "f8"), ("owed", "f8"),
    ]
)  # fmt: skip

TAGS = ()
FAULTS: tuple[Fault, ...] = ()

RAIN_MM_H = 0.2  # from here on nothing in the open dusts (AP-42 counts days of 0.254 mm as free of dust)
WET_KEEPS = 0.9  # dust that rain keeps down in the open (engineering choice)
# Fastest mile of an hour over its mean: ASCE 7-95 Figure C6-1 gives 1.28 for a mile in 45 s (found, seaintarchive.org
# 1998b/msg00679); a mile of weaker wind lasts longer and is nearer to the mean, so this is on the safe side.
GUST = 1.28
WET_ROAD_KG_M2 = 0.1  # film of rain above which a road does not dust (engineering choice)
NOBODY = -1


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str, equation: int, source: str, holder: str, store: str, species: int, *, enclosure: float, zone: int, inflow: bool = False,
          collector: str | None = None, hood: float = 0.0, **figures: float) -> None:  # fmt: skip
    """Put a source in place.

    Args:
        equation: `DROP`, `POWDER`, `ROAD`, `EROSION` or `HOPPER`.
        source: name of the place where its dust comes out; several sources may share one.
        holder: what leaves it (or, with `inflow`, what ever came into it) is what dusts; a pile is disturbed by both. Of a
            road, what dusts are the metres that trucks have driven.
        store: holder that the dust is taken from, and the `species` of it.
        zone: number of what sprays wet, see `spray.WETS`.
        collector: name of the dust collector whose hood stands over it.
        figures: `area_m2` of piles or of the road, `weight_t` of the trucks, `threshold_m_s` and `m2_per_kg` (disturbed) of
            erosion, `moisture_pct` where the store's own is not meant.
    """
    ledger = site.ledger
    number = site.find("dust_collector", collector) if collector else NOBODY
    bag = ledger.link(ledger.holder(store), ledger.holder(collector)) if collector else NOBODY
    site.place(
        "dust_source", name, source=site.sources.index(source) if source in site.sources else site.source(source), equation=equation, holder=ledger.holder(holder),
        inflow=int(inflow), store=ledger.holder(store), species=species, dust=ledger.link(ledger.holder(store), ledger.holder("air")), bag=bag,
        collector=number, zone=zone, enclosure=enclosure, hood=hood, fresh_m2=figures.get("area_m2", 0.0), **figures,
    )  # fmt: skip


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(d: Any, p: Any, dt_s: float) -> None:
    """Emit for what has moved since the last time: equation × (1 - hood) × (1 - enclosure) × (1 - wet)."""
    moved = moved_since(d, p)
    if d.equation == EROSION:
        moved = swept_kg(d, p, moved)
    if moved <= 0.0:
        return
    site = p.site[0]
    captured = 0.0
    if d.collector >= 0:
        captured = d.hood * dust_collector.captured_share(p.collectors[d.collector])
    keeps = 0.0
    for k in range(p.sprays.shape[0]):
        if p.sprays[k].wets == d.zone:
            keeps = max(keeps, p.sprays[k].keeps)
    if site.rain_mm_h > RAIN_MM_H:
        keeps = max(keeps, WET_KEEPS * (1.0 - d.enclosure))
    out = (1.0 - captured) * (1.0 - d.enclosure) * (1.0 - keeps)
    tsp = raw_kg(d, p, moved, 0)
    if tsp <= 0.0:
        return
    for j in range(3):
        p.emitted[d.source, j] += raw_kg(d, p, moved, j) * out
    d.owed += tsp * out
    give = min(d.owed, p.ledger.stock[d.store, d.species])
    book(p.ledger, d.dust, d.species, give)
    d.owed -= give
    if d.equation == EROSION:
        d.last += give  # what the wind takes lays nothing bare
    if captured > 0.0:
        caught = min(tsp * captured, p.ledger.stock[d.store, d.species])
        book(p.ledger, d.bag, d.species, caught)
        p.collectors[d.collector].fed_kg += caught


@njit
def moved_since(d: Any, p: Any) -> float:
    """What has moved since the last time: kg that left the holder, that came into it, or both; of a road, metres driven."""
    if d.equation == ROAD:
        count = p.site[0].driven_m
    else:
        count = p.ledger.gone[d.holder]
        if d.equation == EROSION:
            count += p.ledger.gone[d.holder] + total_kg(p.ledger, d.holder)
        elif d.inflow:
            count += total_kg(p.ledger, d.holder)
    moved = count - d.last if d.seen else 0.0
    d.last, d.seen = count, 1
    return moved


@njit
def raw_kg(d: Any, p: Any, moved: float, size: int) -> float:
    """Uncontrolled emission, kg, of TSP (0), PM10 (1) or PM2.5 (2)."""
    site = p.site[0]
    if d.equation == DROP:
        moisture = d.moisture_pct
        if moisture <= 0.0:
            moisture = 100.0 * p.ledger.stock[d.store, WATER] / max(total_kg(p.ledger, d.store), 1.0)
        return moved * emission.drop_kg_kg(size, site.wind_m_s, moisture)
    if d.equation == HOPPER:
        return moved * emission.weigh_hopper_kg_kg(size)
    if d.equation == POWDER:
        return moved * emission.central_mixer_kg_kg(size)
    if d.equation == ROAD:
        if p.ledger.stock[d.store, WATER] > WET_ROAD_KG_M2 * d.area_m2:
            return 0.0
        silt_g_m2 = 1000.0 * p.ledger.stock[d.store, FINES] / d.area_m2
        return moved * 1e-6 * emission.paved_road_g_km(size, silt_g_m2, d.weight_t)
    return moved * emission.EROSION_K[size]


@njit
def swept_kg(d: Any, p: Any, moved_kg: float) -> float:
    """TSP that the wind takes off a pile, kg, before control: all that a fresh surface has for this wind, and from an old one
    only what a stronger wind than ever before still finds. A fresh patch that a weaker wind has swept counts as old.
    """
    d.fresh_m2 = min(d.fresh_m2 + max(moved_kg, 0.0) * d.m2_per_kg, d.area_m2)
    fastest = GUST * p.site[0].wind_m_s
    potential = emission.erosion_g_m2(fastest, d.threshold_m_s)
    if potential <= 0.0:
        return 0.0
    still = max(potential - emission.erosion_g_m2(d.worn_m_s, d.threshold_m_s), 0.0)
    kg = 0.001 * (d.fresh_m2 * potential + (d.area_m2 - d.fresh_m2) * still)
    d.fresh_m2, d.worn_m_s = 0.0, max(d.worn_m_s, fastest)
    return kg
