"""Driving: a truck's way over the map, its track, and what happens on the road."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from twin.clock import TICKS_PER_S, ticks
from twin.engine import Engine
from twin.equipment.truck import POINTS, arrive, set_out
from twin.kernels.mixing import MM_PER_KG_WATER
from twin.kernels.track import position
from twin.ledger import WATER, books, moves

DAY_S = 86400.0
WET_PACE, WET_MM_H = 0.9, 2.0  # in rain everybody drives slower (engineering choice)
SPEEDING = 1.1  # of the limit: from here it is noted, Road Traffic Safety Law art. 90 practice (recalled)
REPAIR_LOOK_S = 60.0


class Driver:
    """Moves trucks over the map of the plant's district.

    Attributes:
        at: place of each truck that stands; where it goes while it drives.
    """

    def __init__(
        self, engine: Engine, starts_s: float, weekday: int, violation: Callable[[int, Any, str, float, float, str], None]
    ) -> None:
        plant = engine.plant
        self.engine, self.map = engine, plant.map
        self.tracks = plant.state.tracks
        self.trucks = plant.columns("trucks")
        self.at = [0] * plant.design.fleet.trucks
        self._road = [plant.link(f"Truck{k + 1}", "road") for k in range(plant.design.fleet.trucks)]
        self._water = [plant.link("mains", f"Truck{k + 1}") for k in range(plant.design.fleet.trucks)]
        self._starts_s, self._weekday, self._violation = starts_s, weekday, violation
        self._driving: dict[int, simpy.Process] = {}
        self._rain_mm_h = plant.columns("site").rain_mm_h
        self.fleet = plant.design.fleet
        for k in range(plant.design.fleet.trucks):
            engine.befalls[f"Truck{k + 1}"] = lambda k=k: self._struck(k)  # type: ignore[misc]

    def clock_s(self) -> float:
        """Seconds since the run's first midnight."""
        return self._starts_s + self.engine.env.now / TICKS_PER_S

    def weekend(self, clock_s: float) -> bool:
        """Whether a time is on a Saturday or Sunday."""
        return (self._weekday + int(clock_s // DAY_S)) % 7 >= 5

    def stand(self, k: int, place: int) -> None:
        """A truck stands at a place."""
        self.at[k] = place
        self.tracks[k, 0, 1:3] = self.map.xy_km[place]
        self.trucks.points[k] = 1

    def drive(
        self, k: int, to: int, state: int, rng: np.random.Generator, ticket: dict[str, Any] | None
    ) -> Generator[simpy.Event, Any, float]:
        """SimPy process: drive to a place in a state on the road; yields until the truck is there. Returns km."""
        env, trucks, came = self.engine.env, self.trucks, int(self.engine.env.now)
        start, self.at[k] = self.at[k], to
        astray = trucks.astray[k] > 0.5
        route = self.map.detour(start, to, came) if astray else self.map.route(start, to)
        pace = (1.0 + trucks.speeding[k]) * rng.lognormal(0.0, self.fleet.pace_sd)
        if self._rain_mm_h[0] > WET_MM_H:
            pace *= WET_PACE
        clock_s = self.clock_s()
        takes_s, speed_km_h, limit_km_h = set_out(
            self.engine.plant.handle, self.map.handle, route.handle, k, state, int(self.weekend(clock_s)), clock_s, pace, came
        )
        if speed_km_h > SPEEDING * limit_km_h and trucks.gps[k] < 0.5:
            self._violation(k, ticket, "speeding", speed_km_h, limit_km_h, "told to the driver")
        if astray:
            trucks.astray_now[k] = 1.0
            if trucks.gps[k] < 0.5:
                self._violation(k, ticket, "off the route", route.km, self.map.route(start, to).km, "told to the driver")
        yield from self._until(k, came + ticks(takes_s))
        minutes = (env.now - came) / TICKS_PER_S / 60.0
        loaded = trucks.load_m3[k] > 0.0
        per_km = (self.fleet.battery_kwh_km if trucks.battery[k] else self.fleet.diesel_l_km)[loaded]
        arrive(self.engine.plant.handle, k, route.km, minutes, route.km * per_km / self.fleet.battery_kwh if trucks.battery[k] else 0.0)
        if loaded:
            self._lose(k, minutes, ticket)
        if ticket is not None:
            ticket["energy_used"] = (ticket["energy_used"] or 0.0) + route.km * per_km
        return route.km

    def _lose(self, k: int, minutes: float, ticket: dict[str, Any] | None) -> None:
        """What drips onto the road, and water that a driver adds."""
        trucks, state = self.trucks, self.engine.plant.handle
        if trucks.leak[k] > 0.0:
            moves(state, self._road[k], trucks.leak[k] * minutes)
        if trucks.watered[k] > 0.0:
            kg = trucks.watered[k]
            books(state, self._water[k], WATER, kg)
            trucks.slump_mm[k] = min(trucks.slump_mm[k] + MM_PER_KG_WATER * kg / trucks.load_m3[k], 260.0)
            self._violation(k, ticket, "water added", kg, 0.0, "told to the site")

    def _until(self, k: int, arrives: int) -> Generator[simpy.Event, Any, None]:
        """Wait for the arrival; a truck that breaks down stands until it is repaired."""
        env, trucks = self.engine.env, self.trucks
        if env.active_process is None:
            raise RuntimeError("a truck drives as a process of its own")
        self._driving[k] = env.active_process
        while True:
            try:
                if trucks.broken[k] > 0.5:
                    raise simpy.Interrupt("broken down")
                yield self.engine.away(max(arrives - int(env.now), 0))
                break
            except simpy.Interrupt:
                stands = int(env.now)
                while trucks.broken[k] > 0.5:
                    with_patience = self.engine.wait(REPAIR_LOOK_S)
                    try:
                        yield with_patience
                    except simpy.Interrupt:
                        continue
                arrives += int(env.now) - stands
                self._stood(k, stands / TICKS_PER_S, env.now / TICKS_PER_S)
        del self._driving[k]

    def _stood(self, k: int, from_s: float, to_s: float) -> None:
        """Put the time that a truck stood on its way into its track."""
        track, n = self.tracks[k], self.trucks.points[k]
        x, y, _ = position(track[:, 0].copy(), track[:, 1].copy(), track[:, 2].copy(), n, from_s)
        later = track[:n][track[:n, 0] > from_s].copy()
        passed = track[:n][track[:n, 0] <= from_s].copy()
        later[:, 0] += to_s - from_s
        limit = later[0, 3] if len(later) else 0.0
        both = np.array([[from_s, x, y, limit], [to_s, x, y, limit]])
        points = np.concatenate([passed, both, later])[-POINTS:]
        track[: len(points)] = points
        self.trucks.points[k] = len(points)

    def _struck(self, k: int) -> None:
        """A fault has befallen a truck."""
        self.trucks.calm[k] = 0
        if self.trucks.broken[k] > 0.5 and k in self._driving and self._driving[k].is_alive:
            self._driving[k].interrupt()
