"""A truck on its way: when it passes each place of its route, and where it is at a time."""

from __future__ import annotations

from typing import Any

from twin.jit import njit

HOUR_S = 3600.0


@njit
def pass_times(edge_s: Any, factor: Any, departs_s: float, pace: float, passed_s: Any) -> None:
    """When each place of a route is passed, with the speed of every hour held for exactly that hour.

    A road is a number of seconds at free flow; in an hour of factor f they go by at pace·f a second. A road that reaches over
    the turn of an hour is driven partly at the one speed and partly at the other, so nobody gains by setting out later.

    Args:
        edge_s: float64 [edges], time of each road at free flow, s.
        factor: float64 [24], share of the free speed in each hour of the day, > 0.
        departs_s: time of departure, s after any midnight.
        pace: share of the traffic's speed that this truck drives, > 0.
        passed_s: float64 [edges + 1], is filled: s after departure, the first 0.
    """
    hour = departs_s // HOUR_S
    now_s = departs_s
    passed_s[0] = 0.0
    for i in range(len(edge_s)):
        now_s, hour = along(edge_s[i], factor, now_s, hour, pace)
        passed_s[i + 1] = now_s - departs_s


@njit
def along(left_s: float, factor: Any, now_s: float, hour: float, pace: float) -> tuple[float, float]:
    """One road of `left_s` at free flow, from `now_s` in the hour of that number. Returns when its end is reached, and the hour then."""
    while True:
        speed = pace * factor[int(hour) % 24]
        turn_s = (hour + 1.0) * HOUR_S
        done_s = (turn_s - now_s) * speed
        if left_s <= done_s:
            return now_s + left_s / speed, hour
        left_s -= done_s
        now_s = turn_s
        hour += 1.0


@njit
def position(t: Any, x: Any, y: Any, count: int, now_s: float) -> tuple[float, float, float]:
    """Where something that moves straight from point to point is, and how fast; outside its times it stands at the nearest end.

    Args:
        t: float64 [≥ count], times of the points, s, not descending.
        x, y: float64 [≥ count], the points, km.
        count: how many points are in use, ≥ 1.
        now_s: time in question, on the clock of `t`.

    Returns:
        x_km, y_km, speed_km_h: the speed is that along the straight line, after a point rather than before it, 0 outside.
    """
    last = count - 1
    if now_s < t[0]:
        return x[0], y[0], 0.0
    if now_s >= t[last]:
        return x[last], y[last], 0.0
    low, high = 0, last  # t[low] <= now_s < t[high]
    while high - low > 1:
        middle = (low + high) // 2
        if t[middle] <= now_s:
            low = middle
        else:
            high = middle
    dx, dy, dt = x[high] - x[low], y[high] - y[low], t[high] - t[low]
    share = (now_s - t[low]) / dt
    return x[low] + share * dx, y[low] + share * dy, HOUR_S * (dx * dx + dy * dy) ** 0.5 / dt
