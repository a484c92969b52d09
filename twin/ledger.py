"""The material ledger: every kilogram of every species is always somewhere.

The ledger's balance *is* the plant's state: `stock[holder, species]` is the only home of a mass, and
`book` the only way to change it. Each kilogram that leaves one holder enters another, so the sum over
all holders is zero at all times; what was on site at the start came from the account `opening`.
Accounts outside the fence (suppliers, mains, site, air, ground, …) are holders too and may go negative.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.jit import at, njit

# `fines` are what washing leaves: hydrated binder, stone dust, silt. They bind nothing any more.
SPECIES = ("cement", "fly_ash", "slag", "sand", "stone", "water", "admixture", "fines")
CEMENT, FLY_ASH, SLAG, SAND, STONE, WATER, ADMIXTURE, FINES = range(len(SPECIES))
N_SPECIES = len(SPECIES)

# Accounts beyond the plant's own holders. `ground` is what was spilled, `soil` what
# seeped into it, `road` what dripped from trucks outside, `blocks` what was cast of returned concrete, `discharge` all that left the site as water, with
# what it carried; `tip` waste that was carted away. `hydration` turns binder that was washed out into fines: what goes in
# as one species comes out as another, so its sum over all species is zero.
OUTSIDE = ("opening", "suppliers", "mains", "rain", "site", "air", "ground", "soil", "discharge", "tip", "hydration", "road", "blocks")


class Ledger(NamedTuple):
    """The ledger's arrays, as kernels take them.

    Attributes:
        stock: float64 [holder, species], kg now in each holder.
        ends: int64 [link, 2], the two holders that a link joins.
        moved: float64 [link, species], kg moved along each link since the recorder last emptied it.
        gone: float64 [holder], kg that ever left each holder; with the stock it gives first-in-first-out lots.
    """

    stock: NDArray[np.float64]
    ends: NDArray[np.int64]
    moved: NDArray[np.float64]
    gone: NDArray[np.float64]


class LedgerBuilder:
    """Collects holders and links while the plant is being put together."""

    def __init__(self) -> None:
        self.holders: list[str] = []
        self.links: list[tuple[int, int]] = []
        self.opening: list[tuple[int, dict[int, float]]] = []
        for name in OUTSIDE:
            self.holder(name)

    def holder(self, name: str) -> int:
        """Index of a holder, made if it is new."""
        if name not in self.holders:
            self.holders.append(name)
        return self.holders.index(name)

    def link(self, source: int, target: int) -> int:
        """Index of the link between two holders, made if it is new."""
        if (source, target) not in self.links:
            self.links.append((source, target))
        return self.links.index((source, target))

    def open_with(self, holder: int, kg: dict[int, float]) -> None:
        """Stock on site when the run begins, by species."""
        self.opening.append((holder, kg))

    def build(self) -> Ledger:
        """Make the arrays and book the opening stock."""
        for holder, _ in self.opening:
            self.link(0, holder)
        n, m = len(self.holders), len(self.links)
        ledger = Ledger(np.zeros((n, N_SPECIES)), np.array(self.links, dtype=np.int64).reshape(m, 2), np.zeros((m, N_SPECIES)), np.zeros(n))
        for holder, kg in self.opening:
            for species, mass in kg.items():
                book(ledger, self.link(0, holder), species, mass)
        return ledger


@njit
def total_kg(ledger: Any, holder: int) -> float:
    """All species in one holder, kg."""
    s = 0.0
    for k in range(N_SPECIES):
        s += ledger.stock[holder, k]
    return s


@njit
def book(ledger: Any, link: int, species: int, kg: float) -> None:
    """Move `kg` of one species along a link. The caller makes sure that the source holds it, or lies outside the fence."""
    source = ledger.ends[link, 0]
    ledger.stock[source, species] -= kg
    ledger.stock[ledger.ends[link, 1], species] += kg
    ledger.moved[link, species] += kg
    ledger.gone[source] += kg


@njit
def move(ledger: Any, link: int, kg: float) -> float:
    """Move `kg` of a holder's mixture along a link; never more than it holds.

    Returns:
        What was moved, kg.
    """
    source = ledger.ends[link, 0]
    held = total_kg(ledger, source)
    if kg <= 0.0 or held <= 0.0:
        return 0.0
    share = min(kg / held, 1.0)
    moved = 0.0
    for k in range(N_SPECIES):
        part = ledger.stock[source, k]
        if part != 0.0:
            if share < 1.0:
                part *= share
            book(ledger, link, k, part)
            moved += part
    return moved


# The same for Python, which gives the handle of the plant's `State`: to take the ledger's arrays from it costs ten times as much.


@njit
def holds_kg(state: Any, holder: int) -> float:
    """`total_kg`."""
    return total_kg(at(state, "State").ledger, holder)


@njit
def books(state: Any, link: int, species: int, kg: float) -> None:
    """`book`."""
    book(at(state, "State").ledger, link, species, kg)


@njit
def moves(state: Any, link: int, kg: float) -> float:
    """`move`."""
    return move(at(state, "State").ledger, link, kg)


def residual(ledger: Ledger) -> float:
    """Closure: the largest |sum over holders| of a species, relative to the mass in play.

    A species' mass in play is half the sum of |stock| over all holders, so the figure is as strict for a
    few tonnes of admixture as for a year of stone.
    """
    off = np.abs(ledger.stock.sum(axis=0))
    in_play = np.abs(ledger.stock).sum(axis=0) / 2
    return float(np.max(np.divide(off, in_play, out=np.zeros(N_SPECIES), where=in_play > 0)))
