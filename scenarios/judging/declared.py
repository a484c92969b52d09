"""Declared facts: what no run and no design can show, each with its date and document; a YAML file of the user."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pydantic import Field

from scenarios.judging.book import Book, book_names, load_book
from twin.design.load import find, parse, read_yaml
from twin.design.schema import Mistake
from twin.equipment.part import Part
from twin.errors import nearest

EXAMPLES = "scenarios.judging.examples"


class Fact(Part):
    """One fact.

    Attributes:
        value: true or false, a number, or a text.
        date: of the document.
        document: where it can be read: number, register, page.
        valid_until: last day on which it holds.
    """

    value: bool | float | str
    date: dt.date
    document: str = Field(min_length=3, max_length=400)
    valid_until: dt.date | None = None


class Declared(Part):
    """What a plant declares.

    Attributes:
        plant: name of the design it speaks of.
        facts: by the keys of the rule books.
    """

    plant: str
    facts: dict[str, Fact] = Field(default_factory=dict)


@lru_cache(maxsize=1)
def known_facts() -> frozenset[str]:
    """Facts that some packaged rule book asks for."""
    return frozenset(key for name in book_names() for key in load_book(name).facts)


def load_declared(name: str | Path, book: Book) -> Declared:
    """Read a file of declared facts, packaged (`benchmark-180`, an example) or the user's.

    A key must be one that some packaged rule book or the given book knows.

    Raises:
        BatchtwinError: unknown name, unreadable file, or the list of its mistakes.
    """
    books = (book, *map(load_book, book_names()))
    known = known_facts() | set(book.facts)
    numbers = {e.declared for b in books for c in b.clauses for e in c.evidence if e.sense in ("least", "most")}

    def mistakes(declared: Declared) -> Iterator[Mistake]:
        for key, fact in declared.facts.items():
            if key not in known:
                yield ("facts", key), f"no rule book asks for '{key}'{nearest(key, known)}", "correct it or remove it"
            if key in numbers and (isinstance(fact.value, bool) or not isinstance(fact.value, (int, float))):
                yield ("facts", key, "value"), f"{fact.value!r} is no number", "give a number"
            if fact.valid_until is not None and fact.valid_until < fact.date:
                yield ("facts", key, "valid_until"), "ends before its date", "correct one of both"

    path = find(name, EXAMPLES, "file of declared facts")
    data, node = read_yaml(path, "declared facts")
    return parse(path, "declared facts", Declared, data, node, mistakes)
