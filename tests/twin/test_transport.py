"""Transport delay: mass, order and species kept; the way takes the length of the line; against parcels in a list."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kernels.transport import feed_and_advance
from twin.ledger import N_SPECIES

STONE, WATER = 4, 5


class Belt:
    """A transport line, and beside it the same line as a queue of parcels that are not spread over slots."""

    def __init__(self, slots):
        self.slots, self.head, self.phase = slots, 0, 0.0
        self.ring = np.zeros((slots + 1, N_SPECIES))
        self.out = np.zeros(N_SPECIES)
        self.travelled = 0.0
        self.parcels = deque()  # (entered from, to, kg), in slots travelled

    def advance(self, moved, feed=None, s0=0, s1=N_SPECIES):
        feed = np.zeros(N_SPECIES) if feed is None else np.array(feed, dtype=float)
        self.parcels.append((self.travelled, self.travelled + moved, feed.sum()))
        self.head, self.phase = feed_and_advance(self.ring, self.slots, self.head, self.phase, float(moved), feed, self.out, s0, s1)
        self.travelled += moved
        return feed

    def entered_before(self, x):
        """Mass that went in before the line had travelled x slots; parcels are laid down evenly."""
        return sum(kg * (np.clip((x - a) / (b - a), 0, 1) if b > a else float(a < x)) for a, b, kg in self.parcels)


def vector(**kg):
    v = np.zeros(N_SPECIES)
    for key, value in kg.items():
        v[{"stone": STONE, "water": WATER}[key]] = value
    return v


moves = st.one_of(st.just(0.0), st.floats(1e-3, 3), st.floats(3, 40), st.sampled_from([0.04, 0.1, 0.5, 1.0, 2.0]))
feeds = st.lists(st.floats(0, 100), min_size=N_SPECIES, max_size=N_SPECIES)
courses = st.lists(st.tuples(moves, st.one_of(st.none(), feeds)), max_size=40)


@given(st.integers(1, 12), courses)
def test_every_kilogram_of_every_species_is_on_the_line_or_has_left(slots, course):
    belt, fed = Belt(slots), np.zeros(N_SPECIES)
    for moved, feed in course:
        rest = belt.advance(moved, feed)
        assert not rest.any()
        fed += 0 if feed is None else np.array(feed)
    assert belt.ring.sum(axis=0) + belt.out == pytest.approx(fed, rel=1e-7, abs=1e-7)
    assert belt.ring.min() >= -1e-9
    assert 0 <= belt.phase < 1 and 0 <= belt.head <= slots


@given(st.integers(1, 12), courses)
def test_what_has_left_agrees_with_parcels_within_one_slot(slots, course):
    belt = Belt(slots)
    for moved, feed in course:
        belt.advance(moved, feed)
        left, x = belt.out.sum(), belt.travelled
        assert belt.entered_before(x - slots - 1 - 1e-6) - 1e-6 <= left <= belt.entered_before(x - slots + 1 + 1e-6) + 1e-6


@pytest.mark.parametrize("moved", [0.05, 0.5, 1.0, 0.3])
def test_a_pulse_leaves_after_the_length_of_the_line(moved):
    belt = Belt(10)
    belt.advance(moved, vector(stone=50))
    while belt.travelled + moved < 10 - 1e-9:
        belt.advance(moved)
    assert belt.out.sum() == 0.0
    while belt.travelled < 11 + moved:
        belt.advance(moved)
    assert belt.out[STONE] == pytest.approx(50)


def test_the_mean_way_of_a_steady_stream_is_the_length_of_the_line():
    belt = Belt(8)
    for _ in range(2000):
        belt.advance(0.13, vector(stone=1.3))
    assert belt.ring.sum() == pytest.approx(8 * 10, abs=1.5)  # 10 kg a slot


def test_10_and_100_ms_steps_give_the_same_outflow_within_a_slot():
    fine, coarse = Belt(20), Belt(20)
    rng = np.random.default_rng(3)
    for rate, speed in zip(rng.uniform(0, 100, 400), np.repeat(rng.choice([0.0, 2.0, 4.0], 40), 10), strict=True):
        coarse.advance(0.1 * speed, vector(stone=0.1 * rate))
        for _ in range(10):
            fine.advance(0.01 * speed, vector(stone=0.01 * rate))
        assert abs(fine.out.sum() - coarse.out.sum()) <= max(fine.ring.sum(axis=1).max(), coarse.ring.sum(axis=1).max()) + 1e-9
    assert fine.out.sum() > 1000


def test_order_is_kept():
    belt = Belt(6)
    for _ in range(5):
        belt.advance(0.37, vector(stone=10))
    for _ in range(3):
        belt.advance(0.37)  # a gap longer than a slot
    for _ in range(5):
        belt.advance(0.37, vector(water=10))
    for _ in range(40):
        belt.advance(0.37)
        if belt.out[WATER] > 0:
            assert belt.out[STONE] == pytest.approx(50)
    assert belt.out[WATER] == pytest.approx(50)


def test_a_standing_line_keeps_all():
    belt = Belt(4)
    for _ in range(6):
        belt.advance(0.5, vector(stone=10))
    before, left = belt.ring.sum(), belt.out.sum()
    for _ in range(100):
        belt.advance(0.0, vector(water=1))
    assert belt.out.sum() == left
    assert belt.ring.sum() == pytest.approx(before + 100)


def test_species_outside_the_range_are_not_touched():
    belt = Belt(3)
    rest = belt.advance(0.5, vector(stone=10, water=5), s0=STONE, s1=STONE + 1)
    assert rest[WATER] == 5
    assert belt.ring[:, WATER].sum() == 0 and belt.ring[:, STONE].sum() == pytest.approx(10)


def test_an_emptied_line_is_empty():
    belt = Belt(5)
    belt.advance(0.21, vector(stone=33))
    for _ in range(40):
        belt.advance(0.21)
    assert not belt.ring.any()
