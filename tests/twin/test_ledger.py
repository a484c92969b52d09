"""Ledger: every entry leaves one holder and enters another; closure sees a kilogram that does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.ledger import ADMIXTURE, CEMENT, N_SPECIES, OUTSIDE, SAND, WATER, LedgerBuilder, book, move, residual, total_kg


@pytest.fixture
def site():
    """A silo with cement, a bin with wet sand, a mixer, and the links silo → mixer, bin → mixer, mixer → site."""
    builder = LedgerBuilder()
    silo, store, mixer = builder.holder("silo"), builder.holder("bin"), builder.holder("mixer")
    links = builder.link(silo, mixer), builder.link(store, mixer), builder.link(mixer, builder.holder("site"))
    builder.open_with(silo, {CEMENT: 1000.0})
    builder.open_with(store, {SAND: 2000.0, WATER: 100.0})
    return builder.build(), (silo, store, mixer), links


def test_opening_stock_comes_from_the_account_opening(site):
    ledger, (silo, store, _), _ = site
    assert OUTSIDE[0] == "opening"
    assert total_kg(ledger, silo) == 1000 and total_kg(ledger, store) == 2100
    assert ledger.stock[0, CEMENT] == -1000 and ledger.stock[0, SAND] == -2000 and ledger.stock[0, WATER] == -100
    assert residual(ledger) == 0


def test_booking_changes_two_holders_and_the_link(site):
    ledger, (silo, _, mixer), (dose, *_) = site
    book(ledger, dose, CEMENT, 250.0)
    assert ledger.stock[silo, CEMENT] == 750 and ledger.stock[mixer, CEMENT] == 250
    assert ledger.moved[dose, CEMENT] == 250 and ledger.moved[dose].sum() == 250
    assert ledger.gone[silo] == 250 and ledger.gone[mixer] == 0


def test_moving_takes_the_mixture_as_it_is(site):
    ledger, (_, store, mixer), (_, dose, _) = site
    assert move(ledger, dose, 210.0) == pytest.approx(210)
    assert ledger.stock[mixer, SAND] == pytest.approx(200) and ledger.stock[mixer, WATER] == pytest.approx(10)
    assert ledger.stock[store, SAND] == pytest.approx(1800) and ledger.stock[store, WATER] == pytest.approx(90)


def test_no_more_is_moved_than_there_is_and_the_holder_is_then_empty(site):
    ledger, (_, store, _), (_, dose, _) = site
    assert move(ledger, dose, 1e9) == pytest.approx(2100)
    assert not ledger.stock[store].any()
    assert move(ledger, dose, 1.0) == 0


@pytest.mark.parametrize("kg", [0.0, -5.0])
def test_nothing_flows_backwards(site, kg):
    ledger, _, (dose, *_) = site
    before = ledger.stock.copy()
    assert move(ledger, dose, kg) == 0
    assert (ledger.stock == before).all()


def test_links_and_holders_are_made_once():
    builder = LedgerBuilder()
    a, b = builder.holder("a"), builder.holder("b")
    assert builder.holder("a") == a and a != b
    assert builder.link(a, b) == builder.link(a, b) != builder.link(b, a)
    assert builder.holders == [*OUTSIDE, "a", "b"] and builder.links == [(a, b), (b, a)]


def test_closure_sees_a_stolen_kilogram(site):
    ledger, (silo, *_), (dose, *_) = site
    book(ledger, dose, CEMENT, 400.0)
    ledger.stock[silo, CEMENT] -= 1.0
    assert residual(ledger) == pytest.approx(1 / 1000, rel=1e-3)


def test_closure_is_as_strict_for_a_little_admixture_as_for_much_stone():
    builder = LedgerBuilder()
    small, large = builder.holder("small"), builder.holder("large")
    builder.open_with(small, {ADMIXTURE: 10.0})
    builder.open_with(large, {SAND: 1e9})
    ledger = builder.build()
    ledger.stock[small, ADMIXTURE] -= 1.0
    assert residual(ledger) > 0.01


def test_one_species_does_not_make_up_for_another(site):
    ledger, (silo, *_), _ = site
    ledger.stock[silo, CEMENT] -= 1.0
    ledger.stock[silo, WATER] += 1.0
    assert residual(ledger) > 1e-4


entries = st.lists(st.tuples(st.integers(0, 11), st.floats(0, 1e5), st.booleans(), st.integers(0, N_SPECIES - 1)), max_size=150)


@given(st.lists(st.floats(0, 1e6), min_size=4 * N_SPECIES, max_size=4 * N_SPECIES), entries)
def test_the_books_close_after_any_course_of_moves(opening, course):
    builder = LedgerBuilder()
    holders = [builder.holder(f"h{i}") for i in range(4)]
    links = [builder.link(a, b) for a in holders for b in holders if a != b]
    for i, h in enumerate(holders):
        builder.open_with(h, dict(enumerate(opening[i * N_SPECIES : (i + 1) * N_SPECIES])))
    ledger = builder.build()
    total = ledger.stock[holders].sum(axis=0)
    for number, kg, whole, species in course:
        source = ledger.ends[links[number], 0]
        held = total_kg(ledger, source)
        if whole:
            moved = move(ledger, links[number], kg)
            assert 0 <= moved <= held * (1 + 1e-12)
        else:
            book(ledger, links[number], species, min(kg, ledger.stock[source, species]))
    assert residual(ledger) <= 1e-12
    assert ledger.stock[holders].sum(axis=0) == pytest.approx(total, rel=1e-12, abs=1e-9)
    assert ledger.stock[holders].min() >= 0
    assert np.isfinite(ledger.stock).all()
    flows = np.zeros_like(ledger.stock)
    for link, (a, b) in enumerate(ledger.ends):
        flows[a] -= ledger.moved[link]
        flows[b] += ledger.moved[link]
    assert flows == pytest.approx(ledger.stock, rel=1e-9, abs=1e-6)
