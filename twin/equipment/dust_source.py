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
    erosion_threshold_m_s: float = figure(
        1.02, "m/s", "threshold friction velocity of an overburden-like pile, AP-42 13.2.5 Table 13.2.5-2", recalled=True, gt=0, le=5
    )


# --- what state it has --------------------------------------------------------------------------------

DROP, POWDER, ROAD, EROSION = range(4)

DTYPE = np.dtype(
    [
        ("source", "i8"), ("equation", "i8"), ("holder", "i8"), ("inflow", "i8"), ("store", "i8"), ("species", "i8"), ("dust", "i8"), ("bag", "i8"),
        ("collector", "i8"), ("zone", "i8"), ("enclosure", "f8"), ("hood", "f8"), ("area_m2", "f8"), ("m_per_kg", "f8"), ("weight_t", "f8"),
        ("threshold_m_s", "f8"), ("moisture_pct", "f8"), ("seen", "i8"), ("last", "f8"), ("owed", "f8"),
    ]
)  # fmt: skip

TAGS = ()
FAULTS: tuple[Fault, ...] = ()

RAIN_MM_H = 0.2  # from here on nothing in the open dusts (AP-42 counts days of 0.254 mm as free of dust)
WET_KEEPS = 0.9  # dust that rain keeps down in the open (engineering choice)
GUST = 1.5  # fastest wind of an hour over its mean (engineering choice)
NOBODY = -1


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str, equation: int, source: str, holder: str, store: str, species: int, *, enclosure: float, zone: int, inflow: bool = False,
          collector: str | None = None, hood: float = 0.0, **figures: float) -> None:  # fmt: skip
    """Put a source in place.

    Args:
        equation: `DROP`, `POWDER`, `ROAD` or `EROSION`.
        source: name of the place where its dust comes out; several sources may share one.
        holder: what leaves it (or, with `inflow`, what ever came into it) is what dusts.
        store: holder that the dust is taken from, and the `species` of it.
        zone: number of what sprays wet, see `spray.WETS`.
        collector: name of the dust collector whose hood stands over it.
        figures: `area_m2` of piles or of the road, `m_per_kg` driven for what is loaded, `weight_t` of the trucks,
            `threshold_m_s` of erosion, `moisture_pct` where the store's own is not meant.
    """
    ledger = site.ledger
    number = site.find("dust_collector", collector) if collector else NOBODY
    bag = ledger.link(ledger.holder(store), ledger.holder(collector)) if collector else NOBODY
    site.place(
        "dust_source", name, source=site.sources.index(source) if source in site.sources else site.source(source), equation=equation, holder=ledger.holder(holder),
        inflow=int(inflow), store=ledger.holder(store), species=species, dust=ledger.link(ledger.holder(store), ledger.holder("air")), bag=bag,
        collector=number, zone=zone, enclosure=enclosure, hood=hood, **figures,
    )  # fmt: skip


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(d: Any, p: Any, dt_s: float) -> None:
    """Emit for what has moved since the last time: equation × (1 - hood) × (1 - enclosure) × (1 - wet)."""
    gone = p.ledger.gone[d.holder] + (total_kg(p.ledger, d.holder) if d.inflow else 0.0)
    moved = gone - d.last if d.seen else 0.0
    d.last, d.seen = gone, 1
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
    tsp = raw_kg(d, p, moved, 0, dt_s)
    if tsp <= 0.0:
        return
    for j in range(3):
        p.emitted[d.source, j] += raw_kg(d, p, moved, j, dt_s) * out
    d.owed += tsp * out
    give = min(d.owed, p.ledger.stock[d.store, d.species])
    book(p.ledger, d.dust, d.species, give)
    d.owed -= give
    if captured > 0.0:
        caught = min(tsp * captured, p.ledger.stock[d.store, d.species])
        book(p.ledger, d.bag, d.species, caught)
        p.collectors[d.collector].fed_kg += caught


@njit
def raw_kg(d: Any, p: Any, moved_kg: float, size: int, dt_s: float) -> float:
    """Uncontrolled emission, kg, of TSP (0), PM10 (1) or PM2.5 (2)."""
    site = p.site[0]
    if d.equation == DROP:
        moisture = d.moisture_pct
        if moisture <= 0.0:
            moisture = 100.0 * p.ledger.stock[d.store, WATER] / max(total_kg(p.ledger, d.store), 1.0)
        # Behind cladding the wind is weak: it must be able to get in.
        return moved_kg * emission.drop_kg_kg(size, site.wind_m_s * (1.0 - d.enclosure), moisture)
    if d.equation == POWDER:
        return moved_kg * emission.central_mixer_kg_kg(size)
    if d.equation == ROAD:
        silt_g_m2 = 1000.0 * p.ledger.stock[d.store, FINES] / d.area_m2
        return moved_kg * d.m_per_kg * 1e-6 * emission.paved_road_g_km(size, silt_g_m2, d.weight_t)
    # Only a pile that is worked on has something left that the wind can take.
    potential_g_m2 = emission.erosion_g_m2(size, GUST * site.wind_m_s, d.threshold_m_s)
    return potential_g_m2 * d.area_m2 * 1e-3 * dt_s / 3600.0
