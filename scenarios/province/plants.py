"""The plants of a province as arrays: placed by the seed where they are not given, and changed by the steps of a policy."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scenarios.province.spec import Province, Step


@dataclass(frozen=True, slots=True)
class Placed:
    """A plant: `kind` and `city` by name, `x_km` east, `y_km` north."""

    name: str
    city: str
    kind: str
    enterprise: str
    x_km: float
    y_km: float
    price_yuan_m3: float


def rng(p: Province, what: int, *of: str) -> np.random.Generator:
    """A random stream of its own for one thing of a province: another city does not disturb it."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([p.seed, what, *(zlib.crc32(name.encode()) for name in of)])))


def placed(p: Province) -> list[Placed]:
    """The plants as they are today."""
    out = []
    for plant in p.plants:
        price = p.kinds[plant.kind].price_yuan_m3 if plant.price_yuan_m3 is None else plant.price_yuan_m3
        out.append(Placed(plant.name, plant.city, plant.kind, plant.enterprise or plant.name, *plant.at_km, price))
    for city_name, city in p.cities.items():
        kinds = [kind for kind, n in city.plants.items() for _ in range(n)]
        draw = rng(p, 1, city_name)
        shift = draw.standard_normal((len(kinds), 2)) * city.radius_km
        spread = draw.standard_normal(len(kinds))
        owners = np.minimum((draw.random(len(kinds)) * len(kinds) / p.plants_per_enterprise).astype(int), max(len(kinds) - 1, 0))
        for k, kind in enumerate(kinds):
            price = p.kinds[kind].price_yuan_m3 * max(1 + p.kinds[kind].spread * spread[k], 0.5)
            out.append(Placed(f"{city_name}-{k + 1:03d}", city_name, kind, f"{city_name}-e{owners[k] + 1:02d}", city.at_km[0] + shift[k, 0], city.at_km[1] + shift[k, 1],
                              round(float(price), 2)))  # fmt: skip
    return out


def after(p: Province, plants: Sequence[Placed], steps: Sequence[Step]) -> list[Placed]:
    """The plants when a policy's steps have been taken, one after the other."""
    now = list(plants)
    for step in steps:
        now = [plant for city in p.cities for plant in STEPS[step.do](p, [q for q in now if q.city == city], step)]
    return now


def _meant(p: Province, plants: Sequence[Placed], step: Step) -> list[Placed]:
    """Those of one city that a step is about, smallest first, then cheapest."""
    fit = [q for q in plants if (not step.cities or q.city in step.cities) and (not step.kinds or q.kind in step.kinds)
           and (step.below_stars is None or p.kinds[q.kind].stars < step.below_stars)]  # fmt: skip
    fit.sort(key=lambda q: (p.kinds[q.kind].rated_m3_h, q.price_yuan_m3, q.name))
    return fit[: math.ceil(step.share * len(fit) - 1e-9)]


def _close(p: Province, plants: list[Placed], step: Step) -> list[Placed]:
    """Some stop; a city keeps one plant."""
    gone = set(_meant(p, plants, step))
    if len(gone) == len(plants) and gone:
        gone.remove(max(gone, key=lambda q: (p.kinds[q.kind].stars, p.kinds[q.kind].rated_m3_h, q.name)))
    return [q for q in plants if q not in gone]


def _upgrade(p: Province, plants: list[Placed], step: Step) -> list[Placed]:
    """Some become plants of another kind where they stand; the price moves with the kind's."""
    meant = set(_meant(p, plants, step))
    return [_as_kind(p, q, step.to) if q in meant else q for q in plants]


def _merge(p: Province, plants: list[Placed], step: Step) -> list[Placed]:
    """Each few become one of another kind, in the place of the largest and under its owner; what does not make up the number stays."""
    meant = _meant(p, plants, step)
    groups = [meant[k : k + step.of] for k in range(0, len(meant) - len(meant) % step.of, step.of)]
    gone = {q for group in groups for q in group}
    return [q for q in plants if q not in gone] + [_as_kind(p, group[-1], step.to) for group in groups]


def _as_kind(p: Province, plant: Placed, kind: str) -> Placed:
    price = plant.price_yuan_m3 + p.kinds[kind].price_yuan_m3 - p.kinds[plant.kind].price_yuan_m3
    return replace(plant, kind=kind, price_yuan_m3=round(max(price, 0.0), 2))


STEPS: dict[str, Callable[[Province, list[Placed], Step], list[Placed]]] = {"close": _close, "upgrade": _upgrade, "merge": _merge}
