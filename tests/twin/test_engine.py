"""The lists of what is to come: order, own time, and how long the plant may keep it waiting."""

from __future__ import annotations

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import numpy as np
import simpy
from hypothesis import given
from hypothesis import strategies as st

from twin.engine import Engine


class Still:
    """A plant whose clock goes where it is told, and stops of itself at given ticks."""

    def __init__(self, patience: int, stops: list[int]) -> None:
        site = np.zeros(1, [("tick", "i8")])
        self.engine = Engine(SimpleNamespace(state=SimpleNamespace(site=site)), 1, lambda *_: None)  # type: ignore[arg-type]
        self.engine.patience = patience
        self._site, self._stops = site, sorted(stops)
        self.stopped: list[int] = []

    def drive(self, until: int) -> int:
        now = int(self._site["tick"][0])
        self._site["tick"] = next((s for s in self._stops if now < s < until), until)
        self.stopped.append(int(self._site["tick"][0]))
        return 0

    def play(self, until: int) -> None:
        for _ in self.engine.run_until(until, self.drive):
            pass


def trip(engine: Engine, waits: list[int], seen: list[tuple[int, int]]) -> Generator[simpy.Event, Any, None]:
    for wait in waits:
        yield engine.away(wait)
        seen.append((int(engine.env.now), engine.now))


def test_what_is_away_keeps_its_own_time_and_waits_for_the_next_stop() -> None:
    still, seen = Still(600, [250]), []
    still.engine.env.process(trip(still.engine, [100, 100, 100, 1000], seen))
    still.play(5000)
    assert seen == [(100, 250), (200, 250), (300, 900), (1300, 1900)]
    assert still.stopped == [250, 900, 1900, 5000]


def test_without_patience_the_plant_stops_for_it() -> None:
    still, seen = Still(0, []), []
    still.engine.env.process(trip(still.engine, [100, 100], seen))
    still.play(5000)
    assert seen == [(100, 100), (200, 200)]


@given(
    st.lists(st.integers(0, 3000)),
    st.lists(st.lists(st.integers(0, 900), max_size=6), max_size=6),
    st.lists(st.integers(1, 2999)),
    st.integers(0, 700),
)
def test_everything_happens_once_in_order_and_never_before_its_time(
    acts: list[int], trips: list[list[int]], stops: list[int], patience: int
) -> None:
    still = Still(patience, stops)
    engine, order, due = still.engine, [], []  # type: ignore[var-annotated]

    def note(at: int) -> None:
        order.append(int(engine.env.now))
        due.append((at, engine.now, False))

    def drive_on(waits: list[int]) -> Generator[simpy.Event, Any, None]:
        at = 0
        for wait in waits:
            at += wait
            yield engine.away(wait)
            order.append(int(engine.env.now))
            due.append((at, engine.now, True))

    for tick in acts:
        engine.at(tick, lambda tick=tick: note(tick))  # type: ignore[misc]
    for waits in trips:
        engine.env.process(drive_on(waits))
    still.play(10_000)
    assert order == sorted(order) == sorted(at for at, _, _ in due)
    assert len(due) == len(acts) + sum(map(len, trips))
    for at, now, away in due:
        assert at <= now <= (at + patience if away else at)


def test_a_truck_that_breaks_down_is_taken_off_the_road_at_that_time() -> None:
    still, seen = Still(600, []), []
    engine = still.engine

    def drive_on() -> Generator[simpy.Event, Any, None]:
        try:
            yield engine.away(500)
        except simpy.Interrupt:
            seen.append(int(engine.env.now))
            yield engine.away(1000)
            seen.append(int(engine.env.now))

    truck = engine.env.process(drive_on())
    engine.at(300, truck.interrupt)
    still.play(5000)
    assert seen == [300, 1300]
