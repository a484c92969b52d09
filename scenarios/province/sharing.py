"""A year of orders, shared between plants day by day: each order asks the plants in reach, cheapest first, price and haul together.

All orders of a day ask their first plant, in the order in which they came; a plant takes what fits into its day; who was refused asks the next.
What nobody takes is asked for again on the next days, as long as the customer's patience lasts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from scenarios.orders import LEAST_M3, MOST_M3, SPREAD
from scenarios.province.plants import Placed, rng
from scenarios.province.spec import Province, classes
from scenarios.province.surrogate import OPEN_H

ASKED = 12  # plants that an order asks, at most
UNSERVED, REFUSED = -1, -2  # in place of a plant: there is none in reach; all in reach were full

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Orders:
    """All orders of a year, by day and then by who came first. `site` is a row of `sites`."""

    day: Ints
    site: Ints
    m3: Floats
    sites: Floats  # [site, 2], km
    city: Ints  # of each site


@dataclass(slots=True)
class Shared:
    """What became of the orders.

    Attributes:
        plant: of each order; `UNSERVED` or `REFUSED`.
        served: day on which it was poured, -1 for never.
        km: one way, by road; 0 when nobody came.
        late_m3: of each order.
        full: [day, plant] booked share of each day.
        made_m3: [day, plant].
    """

    plant: Ints
    served: Ints
    km: Floats
    late_m3: Floats
    full: Floats
    made_m3: Floats


def drawn(p: Province) -> Orders:
    """The orders of a year; the same for every policy."""
    days, sites, volumes, places, owners = [], [], [], [], []
    count = 0
    dates = [p.starts + timedelta(days=d) for d in range(p.days)]
    season = np.array([1 - p.season * math.cos(2 * math.pi * (d.timetuple().tm_yday - 15) / 365.25) for d in dates])
    week = np.array([7 * p.sunday_share if d.weekday() == 6 else 7.0 for d in dates]) / (6 + p.sunday_share)
    for c, (name, city) in enumerate(p.cities.items()):
        draw = rng(p, 2, name)
        n_sites = max(round(city.demand_m3 / p.site_m3), 1)
        places.append(np.array(city.at_km) + draw.standard_normal((n_sites, 2)) * city.radius_km)
        owners.append(np.full(n_sites, c))
        chance = np.exp(p.scatter * (draw.standard_normal(p.days) - p.scatter / 2))
        n = draw.poisson(city.demand_m3 / 365 / p.order_m3 * season * week * chance)
        total = int(n.sum())
        days.append(np.repeat(np.arange(p.days), n))
        sites.append(count + draw.integers(0, n_sites, total))
        raw = p.order_m3 * np.exp(SPREAD * (draw.standard_normal(total) - SPREAD / 2))
        volumes.append(np.clip(np.round(2 * raw) / 2, LEAST_M3, MOST_M3))
        count += n_sites
    day, site, m3 = np.concatenate(days), np.concatenate(sites), np.concatenate(volumes)
    came = rng(p, 3).random(len(day))
    first = np.lexsort((came, day))
    return Orders(day[first], site[first], m3[first], np.concatenate(places), np.concatenate(owners))


def share(p: Province, plants: Sequence[Placed], orders: Orders) -> Shared:
    """Find a plant for each order."""
    xy = np.array([(q.x_km, q.y_km) for q in plants])
    price = np.array([q.price_yuan_m3 for q in plants])
    km = p.detour * np.sqrt(((orders.sites[:, None, :] - xy[None]) ** 2).sum(axis=2))  # [site, plant]
    near = km <= p.reach_min / 60 * p.speed_km_h
    cost = np.where(near, price + p.haul_yuan_m3_km * km, np.inf)
    asked = np.argsort(cost, axis=1, kind="stable")[:, :ASKED]
    in_reach = np.take_along_axis(near, asked, axis=1)
    need = 1 / day_m3(p, plants, km)  # of a plant's day, for each m³

    n, n_plants = len(orders.day), len(plants)
    plant, served = np.full(n, UNSERVED), np.full(n, -1)
    full, made = np.zeros((p.days, n_plants)), np.zeros((p.days, n_plants))
    bounds = np.searchsorted(orders.day, np.arange(p.days + 1))
    waiting = np.zeros(0, np.int64)
    for d in range(p.days):
        todays = np.arange(bounds[d], bounds[d + 1])
        todays = todays[in_reach[orders.site[todays], 0]]  # the others have nobody to ask
        waiting = np.concatenate([waiting, todays])
        for turn in range(asked.shape[1]):
            site = orders.site[waiting]
            ask = np.flatnonzero(in_reach[site, turn])
            who, whom = waiting[ask], asked[site[ask], turn]
            takes = np.minimum(orders.m3[who] * need[orders.site[who], whom], p.accept)  # who wants more than a day gets that day
            fits = _fits(whom, takes, full[d], p.accept)
            yes = who[fits]
            plant[yes], served[yes] = whom[fits], d
            np.add.at(full[d], whom[fits], takes[fits])
            np.add.at(made[d], whom[fits], orders.m3[yes])
            waiting = np.delete(waiting, ask[fits])
        given_up = orders.day[waiting] + p.patience_days <= d
        plant[waiting[given_up]] = REFUSED
        waiting = waiting[~given_up]
    plant[waiting] = REFUSED  # still waiting at the end of the year
    done = served >= 0
    late = late_shares(p, plants, full)
    late_m3, road = np.zeros(n), np.zeros(n)
    late_m3[done] = orders.m3[done] * late[served[done], plant[done]]
    road[done] = km[orders.site[done], plant[done]]
    return Shared(plant, served, road, late_m3, full, made)


def _fits(whom: Ints, takes: Floats, full: Floats, accept: float) -> NDArray[np.bool_]:
    """Who is taken: each plant takes those who asked first as long as its day is not full."""
    by_plant = np.argsort(whom, kind="stable")
    sums = np.cumsum(takes[by_plant])
    first = np.searchsorted(whom[by_plant], whom[by_plant])  # where each plant's row begins
    before = np.where(first > 0, sums[first - 1], 0.0)
    fits = np.zeros(len(whom), bool)
    fits[by_plant] = full[whom[by_plant]] + sums - before <= accept + 1e-12
    return fits


def day_m3(p: Province, plants: Sequence[Placed], km: Floats) -> Floats:
    """What a plant could make and deliver in a day if all went so far, m³ [site, plant]."""
    out = np.empty_like(km)
    for like, columns in columns_of(p, plants).items():
        out[:, columns] = classes()[like].m3_h(km[:, columns] / p.speed_km_h * 3600) * OPEN_H
    return out


def late_shares(p: Province, plants: Sequence[Placed], full: Floats) -> Floats:
    """Share of each plant's day that is poured late."""
    out = np.empty_like(full)
    for like, columns in columns_of(p, plants).items():
        out[:, columns] = classes()[like].late_share(full[:, columns])
    return out


def columns_of(p: Province, plants: Sequence[Placed]) -> dict[str, list[int]]:
    """Plants by fitted class."""
    out: dict[str, list[int]] = {}
    for k, q in enumerate(plants):
        out.setdefault(p.kinds[q.kind].like, []).append(k)
    return out
