"""What a verdict is made of: an answer for each piece of evidence, a result for each clause, and all of them as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from scenarios.judging.subject import Value
from twin.design.schema import Title

Result = Literal["pass", "fail", "not_applicable", "not_evidenced"]
RESULTS: tuple[Result, ...] = ("fail", "not_evidenced", "pass", "not_applicable")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one piece of evidence says.

    Attributes:
        kind: `measured` from the run, `designed`, or `declared`.
        name: of the measure or the fact.
        sense: `least`, `most`, `equals` or `known`.
        indicative: the limit was not read in its source.
        follow: how to follow it: `sql`, `path`, `of`, `rows`, `rows_sql`, `document`, `date`, `valid_until`.
    """

    kind: str
    name: str
    what: Title
    result: Result
    value: Value
    limit: Value
    sense: str
    unit: str
    indicative: bool
    must: bool
    why: Title
    follow: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"kind": self.kind, "name": self.name, "what": self.what.en, "what_zh": self.what.zh, "result": self.result, "value": plain(self.value),
                "limit": self.limit, "sense": self.sense, "unit": self.unit, "indicative": self.indicative, "must": self.must, "why": self.why.en,
                "why_zh": self.why.zh, **self.follow}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """The result of one clause; `value`, `limit` and `unit` are those of the evidence that decided."""

    id: str
    section: str
    source: Title
    title: Title
    text: Title
    must: bool
    result: Result
    value: Value
    limit: Value
    unit: str
    indicative: bool
    why: Title
    evidence: list[Answer]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"id": self.id, "section": self.section, "source": self.source.en, "source_zh": self.source.zh, "title": self.title.en, "title_zh": self.title.zh,
                "text": self.text.en, "text_zh": self.text.zh, "must": self.must, "result": self.result, "value": plain(self.value), "limit": self.limit,
                "unit": self.unit, "indicative": self.indicative, "why": self.why.en, "why_zh": self.why.zh,
                "evidence": [a.as_json() for a in self.evidence]}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run judged by a book.

    Attributes:
        sections: titles, in the order of the book.
        about: what was judged: scenario, design, seed, version, span, state hash, seal.
    """

    book: str
    title: Title
    source: Title
    run: str
    sections: dict[str, Title]
    about: dict[str, Any]
    clauses: list[ClauseResult]

    @property
    def counts(self) -> dict[Result, int]:
        """How many clauses have each result."""
        found = Counter(c.result for c in self.clauses)
        return {r: found[r] for r in RESULTS}

    @property
    def passed(self) -> bool:
        """Does no clause of musts fail?"""
        return not any(c.must and c.result == "fail" for c in self.clauses)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"book": self.book, "run": self.run, "title": self.title.en, "title_zh": self.title.zh, "passed": self.passed, "counts": self.counts,
                "about": self.about, "clauses": [c.as_json() for c in self.clauses]}  # fmt: skip


def plain(value: Value) -> Value:
    """A number with no more digits than it is worth."""
    return float(f"{value:.9g}") if isinstance(value, float) else value
