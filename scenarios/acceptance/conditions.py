"""Conditions on tags, as a case writes them: `{Line1.Mixer.Running: off, Line1.Weigher.*.Discharge: on}`.

All entries must hold; an entry whose name stands for several tags (`*`, or `{Cement,Water}`) holds when it holds for any of
them. A list of conditions holds when any of them does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.tags import Tag, TagTable

Wish = bool | int | float | str
Condition = dict[str, Wish]
Values = NDArray[np.float64]
Predicate = Callable[[Any], Any]

COMPARED = re.compile(r"^(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)$")
COMPARE: dict[str, Callable[[Any, float], Any]] = {
    "<": lambda v, x: v < x,
    ">": lambda v, x: v > x,
    "<=": lambda v, x: v <= x,
    ">=": lambda v, x: v >= x,
}


@lru_cache(maxsize=512)
def _pattern(name: str) -> re.Pattern[str]:
    """A name with `*` and `{a,b}` as a regular expression."""
    out = ""
    for part in re.split(r"(\*|\{[^{}]*\})", name):
        if part == "*":
            out += r"[^.]*"
        elif part.startswith("{"):
            out += "(?:" + "|".join(re.escape(p.strip()) for p in part[1:-1].split(",")) + ")"
        else:
            out += re.escape(part)
    return re.compile(f"{out}$")


def matching(name: str, table: TagTable) -> list[Tag]:
    """The tags that a name stands for, parameters left out: they never change."""
    found = _pattern(name)
    return [t for t in table if t.direction != "parameter" and found.match(t.name)]


def predicate(wish: Wish, tag: Tag) -> Predicate:
    """What is asked of a tag, as a function of its value or values.

    Raises:
        ValueError: the tag cannot be asked that; the text names problem and mend.
    """
    if isinstance(wish, bool):
        if tag.dtype != "bool":
            raise ValueError(f"{tag.name} is not on or off; write a number, '> 5', or one of its states")
        return (lambda v: v > 0.5) if wish else (lambda v: v <= 0.5)
    if isinstance(wish, (int, float)):
        half = 0.5 * tag.resolution + 1e-9
        return lambda v: np.abs(v - wish) <= half
    if wish in tag.states:
        code = tag.states.index(wish)
        return lambda v: np.abs(v - code) < 0.5
    compared = COMPARED.match(wish.strip())
    if not compared:
        known = f"; choose {', '.join(tag.states)}" if tag.states else "; write on, off, a number, or '> 5'"
        raise ValueError(f"{tag.name} cannot be '{wish}'{known}")
    compare, limit = COMPARE[compared[1]], float(compared[2])
    return lambda v: compare(v, limit)


def mistakes(condition: Condition, table: TagTable) -> Iterator[str]:
    """What is wrong with a condition on this plant: 'problem; mend'."""
    if not condition:
        yield "the condition is empty; name a tag"
    for name, wish in condition.items():
        tags = matching(name, table)
        if not tags:
            yield f"no tag '{name}'; see 'batchtwin list tags'"
        for tag in tags[:1]:
            try:
                predicate(wish, tag)
            except ValueError as error:
                yield str(error)


def names(conditions: list[Condition], table: TagTable) -> list[str]:
    """All tags that the conditions look at, each once."""
    return list(dict.fromkeys(t.name for c in conditions for name in c for t in matching(name, table)))


def entry_holds(name: str, wish: Wish, table: TagTable, values: Mapping[str, Any]) -> Any:
    """Does one entry hold, at each row of the columns given?"""
    out: Any = False
    for tag in matching(name, table):
        out = np.logical_or(out, predicate(wish, tag)(values[tag.name]))
    return out


def holds(conditions: list[Condition], table: TagTable, values: Mapping[str, Any]) -> Any:
    """Does any of the conditions hold, at each row of the columns given?"""
    out: Any = False
    for condition in conditions:
        every: Any = True
        for name, wish in condition.items():
            every = np.logical_and(every, entry_holds(name, wish, table, values))
        out = np.logical_or(out, every)
    return out


def culprits(conditions: list[Condition], table: TagTable, row: Mapping[str, float]) -> list[str]:
    """The tags by which the conditions hold, in one row of the columns given."""
    found = []
    for condition in conditions:
        entries = [[t.name for t in matching(name, table) if predicate(wish, t)(row[t.name])] for name, wish in condition.items()]
        if all(entries):
            found += [name for entry in entries for name in entry]
    return list(dict.fromkeys(found))


def live(condition: Condition, table: TagTable) -> Callable[[Values], bool]:
    """The condition as a question to a process image."""
    entries = [[(table.index(t.name), predicate(wish, t)) for t in matching(name, table)] for name, wish in condition.items()]
    return lambda io: all(any(ask(io[i]) for i, ask in entry) for entry in entries)


def told(conditions: list[Condition]) -> str:
    """Conditions in one line, for people."""

    def wish(w: Wish) -> str:
        return ("on" if w else "off") if isinstance(w, bool) else str(w)

    return " or ".join(" and ".join(f"{name} {wish(w)}" for name, w in c.items()) for c in conditions)
