"""What a sweep is asked to play, as written in YAML: factors, how they are combined, over which scenarios, designs and seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from scenarios.durations import Duration
from scenarios.schema import check, load_scenario
from scenarios.whatif.change import CONTROLLER, Base, changed, parse_changes
from twin.design.load import parse, read_yaml
from twin.design.schema import Mistake
from twin.equipment.part import Part
from twin.errors import BadInput, BatchtwinError

Bounds = tuple[float, float]
MOST_SEED = 2**31 - 1


class Range(Part):
    """Where a factor may lie: exactly one of these.

    `levels` from `least` to `most` in `steps`; `uniform` within, `integer` within (both ends), `normal` mean and deviation, `choice` of a list.
    """

    least: float | None = None
    most: float | None = None
    steps: int = Field(2, ge=2, le=1000)
    uniform: Bounds | None = None
    integer: tuple[int, int] | None = None
    normal: Bounds | None = None
    choice: list[Any] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [k for k in ("uniform", "integer", "normal", "choice") if getattr(self, k) is not None]
        given += ["least"] if self.least is not None or self.most is not None else []
        if len(given) != 1 or (given == ["least"] and (self.least is None or self.most is None)):
            raise ValueError("is no range; give uniform, integer, normal, choice, or least and most")
        for low, high in filter(None, (self.uniform, self.integer, (self.least, self.most) if given == ["least"] else None)):
            if low >= high:  # type: ignore[operator]
                raise ValueError(f"the range is empty: {low:g} to {high:g}; give the lower end first")
        if self.normal is not None and self.normal[1] <= 0:
            raise ValueError("the range is empty: no deviation; give normal: [mean, deviation above 0]")
        return self

    @property
    def levels(self) -> list[Any] | None:
        """Its values, where they can be counted."""
        if self.choice is not None:
            return self.choice
        if self.integer is not None:
            return list(range(self.integer[0], self.integer[1] + 1))
        if self.least is not None and self.most is not None:
            return [_plain(self.least + (self.most - self.least) * i / (self.steps - 1)) for i in range(self.steps)]
        return None

    def at(self, share: float) -> Any:
        """The value below which lies a share of the range, 0 to 1."""
        if self.uniform is not None:
            return self.uniform[0] + share * (self.uniform[1] - self.uniform[0])
        if self.normal is not None:
            from scipy.special import ndtri

            return float(self.normal[0] + self.normal[1] * ndtri(min(max(share, 1e-12), 1 - 1e-12)))
        levels = self.levels
        assert levels is not None
        return levels[min(int(share * len(levels)), len(levels) - 1)]

    @property
    def ends(self) -> list[Any]:
        """Values to try before anything is played: all levels, or the ends; of a normal, its mean."""
        return self.levels or ([self.normal[0]] if self.normal else list(self.uniform or ()))


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value


Factor = Range | Annotated[list[Any], Field(min_length=1)]
Method = Literal["factorial", "monte-carlo", "lhs", "sobol", "saltelli"]


class Variant(Part):
    """A named set of changes."""

    name: str = Field(min_length=1, max_length=80)
    changes: dict[str, Any]


class Spec(Part):
    """A sweep.

    `method` combines the factors: `factorial` all levels with all; `monte-carlo`, `lhs` (Latin hypercube) and `sobol` (a quasi-random sequence)
    draw `samples` points; `saltelli` draws `samples` × (factors + 2) points, from which Sobol indices are estimated. `variants` stand beside.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)
    scenarios: list[str] = Field(default_factory=lambda: ["working-day"], min_length=1)
    designs: list[str] = Field(default_factory=list, description="each scenario's own when left out")
    seeds: Annotated[int, Field(ge=1, le=1_000_000)] | Annotated[list[Annotated[int, Field(ge=0, le=MOST_SEED)]], Field(min_length=1)] = 1
    fidelity: Literal["batch", "scan"] = "batch"
    until: Duration | None = Field(None, gt=0, le=400 * 86400)
    criteria: str | None = Field(None, description="rule book to judge each run by; judging takes a share of a second")
    declared: str | None = Field(
        None, description="facts that the plant declares to the judge: a packaged example or a file beside the sweep"
    )
    changes: dict[str, Any] = Field(default_factory=dict, description="laid over every run")
    method: Method = "factorial"
    factors: dict[str, Factor] = Field(default_factory=dict)
    samples: int = Field(64, ge=1, le=10_000_000)
    seed: int = Field(1, ge=0, le=MOST_SEED, description="of the draws")
    variants: list[Variant] = Field(default_factory=list)

    def range(self, path: str) -> Range:
        """A factor as a range."""
        factor = self.factors[path]
        return factor if isinstance(factor, Range) else Range(choice=factor)

    @property
    def all_seeds(self) -> list[int]:
        """Seeds that every point is played with: common to all, so that points can be compared in pairs."""
        return list(range(1, self.seeds + 1)) if isinstance(self.seeds, int) else self.seeds

    @property
    def levels(self) -> list[list[Any]]:
        """Levels of each factor, of a factorial."""
        return [self.range(path).levels or [] for path in self.factors]

    @property
    def n_points(self) -> int:
        """How many points there are; nothing is drawn for the answer."""
        if self.variants:
            return len(self.variants)
        if not self.factors:
            return 1
        if self.method == "factorial":
            return math.prod(len(levels) for levels in self.levels)
        return self.samples * (len(self.factors) + 2) if self.method == "saltelli" else self.samples


@lru_cache(maxsize=4)
def _draws(method: Method, samples: int, n: int, seed: int) -> Any:
    """Points of the unit cube, a row each."""
    import numpy as np
    from scipy.stats import qmc

    if method == "monte-carlo":
        return np.random.default_rng(seed).random((samples, n))
    if method == "lhs":
        return qmc.LatinHypercube(n, rng=seed).random(samples)
    if method == "sobol":
        return qmc.Sobol(n, rng=seed).random(samples)
    both = qmc.Sobol(2 * n, rng=seed).random(samples)
    a, b = both[:, :n], both[:, n:]
    mixed = []
    for i in range(n):
        ab = a.copy()
        ab[:, i] = b[:, i]
        mixed.append(ab)
    return np.concatenate([a, b, *mixed])


def point(spec: Spec, number: int) -> dict[str, Any]:
    """Changes of a point of the sweep, by its number from 0."""
    if spec.variants:
        return spec.variants[number].changes
    paths = list(spec.factors)
    if not paths:
        return {}
    if spec.method == "factorial":
        out: dict[str, Any] = {}
        for path, levels in zip(reversed(paths), reversed(spec.levels), strict=True):
            number, i = divmod(number, len(levels))
            out[path] = levels[i]
        return {path: out[path] for path in paths}
    row = _draws(spec.method, spec.samples, len(paths), spec.seed)[number]
    return {path: spec.range(path).at(float(share)) for path, share in zip(paths, row, strict=True)}


def load_spec(path: str | Path) -> tuple[Spec, list[Base]]:
    """Read a sweep, and what its runs start from: each scenario on each design.

    Raises:
        BatchtwinError: unreadable file, unknown scenario or design, or the list of its mistakes.
    """
    file = Path(path)
    data, node = read_yaml(file, "sweep")
    spec = parse(file, "sweep", Spec, data, node)
    found = bases(spec, file.parent)
    parse(file, "sweep", Spec, data, node, lambda s: spec_mistakes(s, found))
    return spec, found


def bases(spec: Spec, folder: Path) -> list[Base]:
    """Scenarios on designs; files are looked for beside the sweep."""

    def near(name: str) -> str:
        beside = folder / name
        return str(beside) if beside.suffix in (".yaml", ".yml") and beside.exists() else name

    pairs = [(s, d) for s in spec.scenarios for d in (spec.designs or [None])]  # type: ignore[list-item]
    facts = None
    if spec.declared is not None:
        from scenarios.judging.book import load_book
        from scenarios.judging.declared import load_declared

        if spec.criteria is None:
            raise BatchtwinError("E101", where="declared", problem="facts without a rule book", mend="name one in criteria")
        facts = load_declared(near(spec.declared), load_book(spec.criteria))
    found = []
    for scenario, design in pairs:
        plan, plant = load_scenario(near(scenario), near(design) if design else None)
        own = facts if facts and facts.plant == plant.name else None
        found.append(Base(plan.model_copy(update={"fidelity": spec.fidelity}), plant, own))
    if facts and not any(base.declared for base in found):
        plants = ", ".join(sorted({base.design.name for base in found}))
        raise BatchtwinError(
            "E101",
            where="declared",
            problem=f"the facts are declared for {facts.plant}, the runs are of {plants}",
            mend="play that plant, or declare its own",
        )
    return found


def spec_mistakes(spec: Spec, found: list[Base]) -> Iterator[Mistake]:
    """What fits the schema and is still wrong: fields that do not exist, values that no run could take."""
    if spec.criteria is not None:
        from scenarios.judging.book import load_book

        load_book(spec.criteria)
    if spec.method == "factorial":
        for path in spec.factors:
            if spec.range(path).levels is None:
                yield ("factors", path), "has no levels", "give a list, or least, most and steps; or choose method: monte-carlo"
    if spec.variants and spec.factors:
        yield ("variants",), "stand beside factors", "keep one of them"
    names = [v.name for v in spec.variants]
    if len(set(names)) < len(names):
        yield ("variants",), "two have the same name", "rename one"
    single: list[tuple[tuple[str | int, ...], dict[str, Any]]] = [
        (("changes", path), {path: value}) for path, value in spec.changes.items()
    ]
    single += [(("factors", path), {path: spec.range(path).ends[0]}) for path in spec.factors]
    single += [(("variants", i), {path: value}) for i, v in enumerate(spec.variants) for path, value in v.changes.items()]
    if spec.fidelity == "batch":
        yield from ((place, "a controller of your own plays in scan only", "give fidelity: scan") for place, c in single if CONTROLLER in c)
    wrong = list(_told(found, single, fields_only=True))
    yield from wrong
    if not wrong and not spec.factors:  # a factor's values may fit with others only: a run that does not says so in its row
        whole: list[tuple[tuple[str | int, ...], dict[str, Any]]] = [
            (("variants", i), spec.changes | v.changes) for i, v in enumerate(spec.variants)
        ]
        yield from _told(found, whole or [(("changes",), spec.changes)], fields_only=False)


def _told(found: list[Base], tries: list[tuple[tuple[str | int, ...], dict[str, Any]]], fields_only: bool) -> Iterator[Mistake]:
    """Mistakes of changes: fields that do not exist, or also values that do not fit."""
    for place, changes in tries:
        for base in found:
            try:
                new = changed(base, changes)
                if not fields_only:
                    check(new.scenario, new.design)
            except BatchtwinError as error:
                if not (fields_only and isinstance(error, BadInput)):
                    yield place, "; ".join(m.text() for m in getattr(error, "mistakes", [error])), "see 'batchtwin show DESIGN'"
                    break


def spec_of_changes(
    scenario: str,
    design: str | None,
    changes: list[str],
    seeds: int,
    criteria: str | None,
    until: float | None,
    fidelity: Literal["batch", "scan"],
    declared: str | None = None,
) -> tuple[Spec, list[Base]]:
    """A comparison of a base with variants, as a sweep.

    Raises:
        BatchtwinError: unknown names, or changes that do not fit.
    """
    variants = [Variant(name="base", changes={}), *(Variant(name=" ".join(c.split())[:80], changes=parse_changes(c)) for c in changes)]
    if len({v.name for v in variants}) < len(variants):
        raise BatchtwinError("E101", where="--change", problem="two variants are the same", mend="leave one out")
    if not 1 <= seeds <= 1_000_000:
        raise BatchtwinError("E101", where="--seeds", problem=f"{seeds} is out of range", mend="give 2 or more")
    spec = Spec(
        name="what-if",
        scenarios=[scenario],
        designs=[design] if design else [],
        seeds=seeds,
        criteria=criteria,
        until=until,
        fidelity=fidelity,
        declared=declared,
        variants=variants,
    )
    found = bases(spec, Path())
    for variant in variants[1:]:
        for base in found:
            new = changed(base, variant.changes)
            check(new.scenario, new.design)
    wrong = [BatchtwinError("E101", where="--change", problem=p, mend=m) for _, p, m in spec_mistakes(spec, found)]
    if wrong:
        raise BadInput(wrong)
    return spec, found


__all__ = ["Range", "Spec", "Variant", "bases", "load_spec", "point", "spec_of_changes"]
