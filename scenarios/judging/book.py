"""A rule book: clauses of a standard or a guidance, each with the evidence it needs; a YAML file."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from scenarios.judging.measures import MEASURES
from twin.design.load import find, packaged, parse, read_yaml
from twin.design.schema import Mistake, Title
from twin.equipment.part import Part
from twin.errors import nearest

BOOKS = "scenarios.criteria"
Confidence = Literal["found", "recalled"]


class ByPlant(Part):
    """A limit that hangs on the plant: the value of a design field chooses it.

    Attributes:
        by: dotted field of the design, such as `site.zone`.
        values: limit by the field's value, as text.
        other: for every other value; without it such a plant has no limit.
    """

    by: str
    values: dict[str, float] = Field(min_length=1)
    other: float | None = None


class Evidence(Part):
    """One thing that a clause asks for: a measure of the run or the design, a declared fact, or the first with the second in its place.

    Exactly one of `least`, `most`, `equals`, `known` says when it is met; `equals: true` when none is given.

    Attributes:
        measure: name in `scenarios/judging/measures/`.
        of: arguments of the measure.
        declared: key of a fact that the user declares; beside a measure it counts where the run cannot tell.
        unit: of the limit; the measure's own when left out.
        confidence: `recalled` when the limit was not read in its source; the result is then indicative.
        must: false for what a clause only recommends (宜): it is told, but a clause of musts does not fail by it.
    """

    measure: str | None = None
    of: dict[str, Any] = Field(default_factory=dict)
    declared: str | None = None
    least: float | ByPlant | None = None
    most: float | ByPlant | None = None
    equals: bool | float | str | None = None
    known: bool = Field(False, description="a figure is asked for, whatever it is")
    unit: str = ""
    confidence: Confidence = "found"
    must: bool = True

    @model_validator(mode="after")
    def _one_of_each(self) -> Evidence:
        if self.measure is None and self.declared is None:
            raise ValueError("asks for nothing; give a measure or a declared fact")
        given = [k for k in ("least", "most", "equals") if getattr(self, k) is not None] + ["known"] * self.known
        if len(given) > 1:
            raise ValueError(f"has several limits ({', '.join(given)}); keep one of them")
        return self

    @property
    def sense(self) -> Literal["least", "most", "equals", "known"]:
        """How value and limit are held together."""
        return "least" if self.least is not None else "most" if self.most is not None else "known" if self.known else "equals"

    @property
    def limit(self) -> float | bool | str | ByPlant | None:
        """What the value is held against; None when a figure alone is asked for."""
        return {"least": self.least, "most": self.most, "known": None, "equals": True if self.equals is None else self.equals}[self.sense]


class Applies(Part):
    """When a clause speaks of this plant at all; otherwise it is not applicable, for the reason given."""

    evidence: Evidence
    otherwise: Title


class Clause(Part):
    """One clause.

    Attributes:
        id: name within the book.
        section: of the book.
        item: number of the clause where it stands in its source.
        text: what is asked for, zh (a short quotation of a public source, else our words) and en (our words).
        must: 应 (true) or 宜 (false).
        need: `all` of its evidence, or `any` one of it.
    """

    id: str = Field(min_length=1, max_length=40)
    section: str
    item: str
    title: Title
    text: Title
    must: bool = True
    need: Literal["all", "any"] = "all"
    applies: Applies | None = None
    evidence: list[Evidence] = Field(min_length=1)


class Section(Part):
    """A section of the source and where it stands."""

    title: Title
    place: Title


class Book(Part):
    """A rule book.

    Attributes:
        scope: `plant`: for the run of one plant; `province`: for a data set of plants (a run with a table `plants`).
        facts: what the user may declare for it: key and what is to be shown.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: Title
    source: Title
    scope: Literal["plant", "province"] = "plant"
    sections: dict[str, Section] = Field(min_length=1)
    facts: dict[str, Title] = Field(default_factory=dict)
    clauses: list[Clause] = Field(min_length=1)

    def place(self, clause: Clause) -> Title:
        """Where a clause stands in its source."""
        at = self.sections[clause.section].place
        return Title(en=f"{at.en}, {clause.item}", zh=f"{at.zh}，{clause.item}")


def mistakes(book: Book) -> Iterator[Mistake]:
    """What fits the schema and is still wrong."""
    ids = [c.id for c in book.clauses]
    asked: set[str] = set()
    for i, clause in enumerate(book.clauses):
        if ids.index(clause.id) != i:
            yield ("clauses", i, "id"), f"clause {clause.id} stands twice", "give each clause an id of its own"
        if clause.section not in book.sections:
            yield (
                ("clauses", i, "section"),
                f"no section '{clause.section}'{nearest(clause.section, book.sections)}",
                "add it under sections",
            )
        every: list[tuple[tuple[str | int, ...], Evidence]] = [(("evidence", k), e) for k, e in enumerate(clause.evidence)]
        if clause.applies is not None:
            every.append((("applies", "evidence"), clause.applies.evidence))
        if clause.must and not any(e.must for e in clause.evidence):
            yield ("clauses", i, "evidence"), "a clause of musts with recommendations only", "let one evidence be a must"
        for where, evidence in every:
            asked |= {evidence.declared} if evidence.declared else set()
            for place, problem, mend in _evidence_mistakes(book, evidence):
                yield ("clauses", i, *where, *place), problem, mend
    for key in book.facts.keys() - asked:
        yield ("facts", key), "no clause asks for this fact", "remove it"


def _evidence_mistakes(book: Book, evidence: Evidence) -> Iterator[Mistake]:
    if evidence.declared is not None and evidence.declared not in book.facts:
        yield ("declared",), f"no fact '{evidence.declared}'{nearest(evidence.declared, book.facts)}", "tell it under facts"
    if evidence.measure is None:
        if evidence.of:
            yield ("of",), "arguments without a measure", "remove them"
        return
    if evidence.measure not in MEASURES:
        yield (
            ("measure",),
            f"no measure '{evidence.measure}'{nearest(evidence.measure, MEASURES)}",
            "name one of scenarios/judging/measures",
        )
        return
    try:
        inspect.signature(MEASURES[evidence.measure].function).bind(None, **evidence.of)
    except TypeError as error:
        yield ("of",), f"does not fit measure {evidence.measure}: {error}", "give the arguments of its function"


def book_names() -> list[str]:
    """Names of the packaged rule books."""
    return list(packaged(BOOKS))


def load_book(name: str | Path) -> Book:
    """Read a rule book, packaged (`hubei-benchmark`) or from a YAML file.

    Raises:
        BatchtwinError: unknown name, unreadable file, or the list of its mistakes.

    Example:
        >>> len(load_book("hubei-benchmark").clauses)
        18
    """
    path = find(name, BOOKS, "rule book")
    data, node = read_yaml(path, "rule book")
    return parse(path, "rule book", Book, data, node, mistakes)
