"""What there is to dispatch, and what a dispatcher answers: both as arrays, so that a benchmark and a live plant look alike.

Times are whole numbers of one unit, minutes here; volumes are whole numbers of any unit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Problem(NamedTuple):
    """Trucks, stations and sites of one planning period: K trucks, S stations, N sites. All arrays are int64.

    Loading takes no time of its own and a station loads any number of trucks at once; where loading takes time, add it
    to `station_to_site_min`. A site takes one truck at a time.

    Attributes:
        capacity: (K,) volume a truck carries.
        pour_min: (K,) time a truck pours, however full it is.
        free_from_min: (K,) from when a truck may be sent.
        place_to_station_min: (K, S) from where the truck is then to each station.
        station_to_site_min: (S, N) loaded way.
        site_to_station_min: (N, S) empty way.
        demand: (N,) volume ordered; a site is served in full or not at all.
        opens_min: (N,) no pour starts before.
        closes_min: (N,) no pour ends after.
        max_lag_min: (N,) longest time between the end of a pour and the start of the next at the site.
    """

    capacity: Ints
    pour_min: Ints
    free_from_min: Ints
    place_to_station_min: Ints
    station_to_site_min: Ints
    site_to_station_min: Ints
    demand: Ints
    opens_min: Ints
    closes_min: Ints
    max_lag_min: Ints


class Plan(NamedTuple):
    """Trips in order of their pours, R of them. All arrays are (R,) int64.

    Attributes:
        truck: who drives.
        station: where it loads.
        site: where it pours.
        load_min: when it leaves the station, as late as it may: the concrete is fresh, the truck waits empty.
        pour_min: when the pour starts.
        volume: how much it brings.
    """

    truck: Ints
    station: Ints
    site: Ints
    load_min: Ints
    pour_min: Ints
    volume: Ints


class Legs(NamedTuple):
    """Ways from one pour to the next over the best station between.

    Attributes:
        first_min: (K, N) earliest arrival of a truck at a site when that is its first pour.
        first_station: (K, N) station of that way.
        next_min: (N, N) from site to site.
        next_station: (N, N) station of that way.
    """

    first_min: Ints
    first_station: Ints
    next_min: Ints
    next_station: Ints


def legs(problem: Problem) -> Legs:
    """The shortest way over a station for each truck's first pour and for each pair of sites."""
    first = problem.place_to_station_min[:, :, None] + problem.station_to_site_min[None, :, :]
    following = problem.site_to_station_min[:, :, None] + problem.station_to_site_min[None, :, :]
    return Legs(problem.free_from_min[:, None] + first.min(axis=1), first.argmin(axis=1), following.min(axis=1), following.argmin(axis=1))
