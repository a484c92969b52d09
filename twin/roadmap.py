"""The road map of a district, and what a truck's way over it takes."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.design.district import KINDS, District, number, straight_km
from twin.errors import BatchtwinError, unknown
from twin.jit import handle
from twin.kernels.track import HOUR_S, pass_times

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SNAP_KM = 2.0  # a point farther than this from every place is off the map
NEAR = 0.05  # drives within this share of the one asked for are as good as it
DETOUR = (0.1, 0.6)  # what a deviation takes more than the way itself, share of it


class Way(NamedTuple):
    """What kernels know of a `Route`."""

    places: Ints
    length_km: Floats
    kind: Ints
    edge_s: Floats


class Roads(NamedTuple):
    """What kernels know of a `Map`; `passed_s` is float64 [place] for them to write to."""

    xy_km: Floats
    limit_km_h: Floats
    factor: Floats
    passed_s: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A way over the map, from place to place.

    Attributes:
        places: int64 [n], the places passed, both ends included.
        length_km: float64 [n - 1], each road.
        kind: int64 [n - 1], index in `KINDS`.
        edge_s: float64 [n - 1], each road at free flow, s.
        km: the whole way.
        handle: of the `Way`, for kernels.
    """

    places: Ints
    length_km: Floats
    kind: Ints
    edge_s: Floats
    km: float
    handle: Ints

    def drive(self, map: Map, departs_s: float, weekend: bool, pace: float = 1.0) -> Floats:
        """Seconds after departure at which each place of the route is passed.

        The hourly factor is followed exactly: it changes on the road where the hour turns. A drive over midnight keeps its day.

        Args:
            map: the map of the route.
            departs_s: s after any midnight, not negative.
            weekend: whether the factors of the weekend hold.
            pace: multiplies the speed: driver, weather.

        Returns:
            float64 [n], the first 0.

        Raises:
            ValueError: pace not above 0, or a departure that is no time.
        """
        if not (pace > 0.0 and 0.0 <= departs_s < math.inf):
            raise ValueError(f"a drive at pace {pace} from {departs_s} s")
        passed_s = np.empty(len(self.places))
        pass_times(self.edge_s, map.factor[1 if weekend else 0], float(departs_s), float(pace), passed_s)
        return passed_s


class Map:
    """The roads of a district, with the ways found so far.

    Attributes:
        places: names.
        xy_km: float64 [place, 2], km to the east and to the north.
        free_km_h, limit_km_h: float64 [kind], in the order of `KINDS`.
        factor: float64 [2, 24]: share of the free speed by hour, weekday and weekend.
        handle: of the `Roads`, for kernels.
    """

    def __init__(self, district: District) -> None:
        """A map of a district that has no `mistakes`."""
        spots, roads = district.layout()
        self.district = district
        self.places = list(spots)
        self.xy_km: Floats = np.array(list(spots.values()), float)
        self.free_km_h: Floats = np.array([district.free_km_h.of(kind) for kind in KINDS])
        self.limit_km_h: Floats = np.array([district.limit_km_h.of(kind) for kind in KINDS])
        self.factor: Floats = np.array([district.weekday, district.weekend], float)
        self._kept = Roads(self.xy_km, self.limit_km_h, self.factor, np.empty(len(self.places)))
        self.handle = handle(self._kept)
        self._weekday = self.factor[0].tolist()
        self._number = {name: i for i, name in enumerate(self.places)}
        self._roads: dict[tuple[int, int], tuple[float, int, float]] = {}  # (from, to) -> km, kind, s at free flow
        for road in roads:
            km = road.length_km or straight_km(spots[road.ends[0]], spots[road.ends[1]])
            kind = KINDS.index(road.kind)
            edge_s = km / float(self.free_km_h[kind]) * HOUR_S
            a, b = (self._number[end] for end in road.ends)
            if (a, b) not in self._roads or edge_s < self._roads[a, b][2]:
                self._roads[a, b] = self._roads[b, a] = (km, kind, edge_s)
        self._next: list[list[tuple[int, float]]] = [[] for _ in self.places]
        for (a, b), (_, _, edge_s) in self._roads.items():
            self._next[a].append((b, edge_s))
        self._free_s: dict[tuple[tuple[int, ...], int], list[float]] = {}  # from some places to one, at free flow
        self._trees: dict[int, tuple[Floats, Ints]] = {}
        self._routes: dict[tuple[int, ...], Route] = {}

    def plant(self, line: str) -> int:
        """Place at which a line stands."""
        return self._number[self.district.plant(line)]

    def place(self, at: str | tuple[float, float]) -> int:
        """Number of a place: by its name, or the nearest one to a point in km.

        Raises:
            BatchtwinError: no place of that name; a point farther than 2 km from every place.
        """
        if isinstance(at, str):
            if at not in self._number:
                raise unknown("place", at, self.places)
            return self._number[at]
        off_km = np.hypot(self.xy_km[:, 0] - at[0], self.xy_km[:, 1] - at[1])
        i = int(np.argmin(off_km))
        if not off_km[i] <= SNAP_KM:
            far = f", {off_km[i]:.1f} km from the nearest place, {self.places[i]}" if math.isfinite(off_km[i]) else ""
            mend = f"give a point within {SNAP_KM:g} km of a place, or add a place to the district"
            raise BatchtwinError("E401", problem=f"({at[0]:g}, {at[1]:g}) km is off the map{far}", mend=mend)
        return i

    def away_s(self, start: int) -> Floats:
        """Free-flow drive to every place, float64 [place], s."""
        return self._tree(start)[0]

    def at_drive(self, start: int, drive_s: float, name: str) -> int:
        """The place, other than start, whose free-flow drive from there is nearest to drive_s.

        Among those within 5 % of it the name chooses, so that sites stand in different places; asked beyond the map, it is the farthest.
        """
        off_s = np.abs(self.away_s(start) - drive_s)
        if len(off_s) > 1:
            off_s[start] = np.inf
        good = np.flatnonzero(off_s <= max(float(off_s.min()), NEAR * drive_s))
        return int(good[number(name) % len(good)])

    def route(self, a: int, b: int) -> Route:
        """The quickest way at free flow."""
        found = self._routes.get((a, b))
        if found is None:
            found = self._routes[a, b] = self._along(self._way(a, b))
        return found

    def drives_s(self, starts: tuple[int, ...], b: int, clock_s: float) -> list[float]:
        """The quickest ways from several places to one, setting out at a time of a weekday, s after any midnight; s each.

        The traffic of an hour slows all roads alike, so the time at free flow is enough to know how long a way takes.
        """
        free_s = self._free_s.get((starts, b))
        if free_s is None:
            free_s = self._free_s[starts, b] = [float(self.away_s(a)[b]) for a in starts]
        return [self._takes_s(s, clock_s) for s in free_s]

    def _takes_s(self, left_s: float, clock_s: float) -> float:
        """How long what takes `left_s` at free flow takes in the traffic of a weekday."""
        hour, now_s = int(clock_s // HOUR_S), clock_s
        while True:
            speed, turn_s = self._weekday[hour % 24], (hour + 1) * HOUR_S
            if left_s <= (turn_s - now_s) * speed:
                return now_s - clock_s + left_s / speed
            left_s -= (turn_s - now_s) * speed
            hour, now_s = hour + 1, turn_s

    def detour(self, a: int, b: int, key: int) -> Route:
        """A deviation: from a to b by way of a place off the route, chosen by key, which takes longer at free flow.

        Where the map has such a place, by 10 to 60 %; else by the least it can. Where no place is off the route, it is the route.
        """
        way = self.route(a, b).places
        more_s = self.away_s(a) + self.away_s(b)
        direct_s = self.away_s(a)[b]
        more_s -= direct_s
        more_s[way] = np.inf
        off = np.flatnonzero(np.isfinite(more_s) & (more_s > 1e-6))
        if not len(off):
            return self.route(a, b)
        good = off[(more_s[off] >= DETOUR[0] * direct_s) & (more_s[off] <= DETOUR[1] * direct_s)]
        if not len(good):
            good = off[[int(np.argmin(more_s[off]))]]
        via = int(good[key % len(good)])
        found = self._routes.get((a, via, b))
        if found is None:
            found = self._routes[a, via, b] = self._along(self._way(a, via) + self._way(via, b)[1:])
        return found

    def _tree(self, start: int) -> tuple[Floats, Ints]:
        """Drive from start to every place at free flow, s, and the place before each on its way (Dijkstra; scipy's takes 0.3 s to import)."""
        if start in self._trees:
            return self._trees[start]
        away_s, before = np.full(len(self.places), math.inf), np.full(len(self.places), -1, np.int64)
        away_s[start] = 0.0
        queue = [(0.0, start)]
        while queue:
            so_far_s, here = heapq.heappop(queue)
            if so_far_s > away_s[here]:
                continue
            for there, edge_s in self._next[here]:
                if so_far_s + edge_s < away_s[there]:
                    away_s[there], before[there] = so_far_s + edge_s, here
                    heapq.heappush(queue, (so_far_s + edge_s, there))
        self._trees[start] = away_s, before
        return self._trees[start]

    def _way(self, a: int, b: int) -> list[int]:
        """Places from a to b, both included."""
        before = self._tree(a)[1]
        way = [b]
        while way[-1] != a:
            way.append(int(before[way[-1]]))
        return way[::-1]

    def _along(self, way: list[int]) -> Route:
        roads = [self._roads[pair] for pair in zip(way, way[1:], strict=False)]
        km, kind, edge_s = (np.array([road[i] for road in roads]) for i in range(3))
        kept = Way(np.array(way, np.int64), km, kind.astype(np.int64), edge_s)
        return Route(*kept, math.fsum(km), handle(kept))
