"""Checks on tags over time: what must never be, what must always be, what must come about in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from scenarios.acceptance import conditions
from scenarios.acceptance.checks.base import Check
from scenarios.acceptance.conditions import Condition
from scenarios.acceptance.evidence import EVENT, Evidence, Moment, NothingToJudge, Window
from scenarios.acceptance.results import MAX_ROWS, CheckResult
from scenarios.durations import Duration, seconds
from twin.design.schema import Title
from twin.tags import TagTable

Conditions = list[Condition]


class TagCheck(Check):
    """A check on tags within a window of the run."""

    rule: Title = Field(description="what is asked, in words")
    that: Conditions = Field(min_length=1, description="a condition on tags, or a list of them of which any may hold")
    after: Moment | None = Field(None, description="where the window begins: an event, a time, or a condition")
    until: Moment | None = Field(None, description="where it ends; the end of the run when left out")

    @field_validator("that", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return [value] if isinstance(value, dict) else value

    @field_validator("after", "until")
    @classmethod
    def _a_moment(cls, value: Moment | None) -> Moment | None:
        if isinstance(value, str):
            event = EVENT.match(value)
            try:
                seconds(event[3] or 0 if event else value)
            except ValueError:
                raise ValueError("not a moment; write an event such as fault:motor-trip, a time such as 90s, or a condition") from None
        return value

    def conditions(self) -> Iterator[tuple[tuple[str | int, ...], Condition]]:
        """All conditions with their fields."""
        yield from ((("that", i), c) for i, c in enumerate(self.that))
        for field in ("after", "until"):
            moment = getattr(self, field)
            if isinstance(moment, dict):
                yield (field,), moment

    def mistakes(self, table: TagTable) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for field, condition in self.conditions():
            yield from ((field, m) for m in conditions.mistakes(condition, table))

    def events(self) -> Iterator[tuple[str, str, str]]:
        for field in ("after", "until"):
            moment = getattr(self, field)
            event = EVENT.match(moment) if isinstance(moment, str) else None
            if event:
                yield field, event[1], event[2]

    def about(self, en: str, zh: str) -> tuple[str, str]:
        return f"{self.rule.en}: {en}", f"{self.rule.zh}：{zh}"

    def names(self, e: Evidence) -> list[str]:
        """The tags it looks at."""
        return conditions.names(self.that, e.table)


class Never(TagCheck):
    """`that` must not hold within the window for longer than `tolerates`.

    It has nothing to judge unless each entry of `that` held at some time of the run, or, when given, `provided` did within
    the window.
    """

    check: Literal["never"]
    tolerates: Duration = Field(0.0, ge=0, description="how long it may hold")
    provided: Condition | None = Field(None, description="what must have been seen in the window for there to be something to judge")

    def conditions(self) -> Iterator[tuple[tuple[str | int, ...], Condition]]:
        yield from super().conditions()
        if self.provided is not None:
            yield ("provided",), self.provided

    def look(self, e: Evidence) -> CheckResult:
        window = e.window(self.after, self.until)
        self.exercised(e, window)
        return watched(self, e, e.holding(self.that), window, self.tolerates)

    def exercised(self, e: Evidence, window: Window) -> None:
        """Could the rule have been broken at all?"""
        if self.provided is not None:
            if not e.spells(e.holding([self.provided]), window):
                what = conditions.told([self.provided])
                raise NothingToJudge(f"{what} was never seen", f"从未出现 {what}")
            return
        for condition in self.that:
            for name, wish in condition.items():
                if not e.seen(name, wish):
                    what = conditions.told([{name: wish}])
                    raise NothingToJudge(f"{what} was never seen", f"从未出现 {what}")


class Always(TagCheck):
    """`that` must hold throughout the window, but for breaks of at most `tolerates`."""

    check: Literal["always"]
    tolerates: Duration = Field(0.0, ge=0, description="how long it may fail to hold")

    def look(self, e: Evidence) -> CheckResult:
        return watched(self, e, ~e.holding(self.that), e.window(self.after, self.until), self.tolerates)


def watched(check: TagCheck, e: Evidence, bad: Any, window: Window, tolerates: float) -> CheckResult:
    """Verdict on stretches in which a rule was broken for too long."""
    spells = [s for s in e.spells(bad, window) if s.lasts > tolerates + 1e-6]
    if not spells:
        seen = window.ends - window.begins
        return check.result(True, check.about(f"kept, watched for {seen:.0f} s", f"符合，监视 {seen:.0f} s"))
    longest, first = max(s.lasts for s in spells), spells[0].begins
    text = check.about(
        f"broken {len(spells)} time(s), longest {longest:.1f} s (at most {tolerates:g} s), first at {first:.1f} s",
        f"违反 {len(spells)} 次，最长 {longest:.1f} s（允许 {tolerates:g} s），首次在 {first:.1f} s",
    )
    names = check.names(e)
    blamed = [conditions.culprits(check.that, e.table, e.values(s.first, names)) or names for s in spells[:MAX_ROWS]]
    rows = [e.shown(s.first, by) | {"lasts_s": s.lasts} for s, by in zip(spells, blamed, strict=False)]
    return check.result(False, text, rows, e.plot(list(dict.fromkeys(blamed[0] + names)), [s.window for s in spells]))


class Happens(TagCheck):
    """`that` must come about at most `within` after the window begins."""

    check: Literal["happens"]
    within: Duration = Field(gt=0)

    def look(self, e: Evidence) -> CheckResult:
        window = e.window(self.after, self.until)
        at = np.flatnonzero(e.holding(self.that) & (e.t > window.begins + 1e-9) & (e.t <= window.ends + 1e-9))
        took = float(e.t[at[0]]) - window.begins if len(at) else None
        if took is not None and took <= self.within + e.step_s + 1e-6:
            return self.result(
                True, self.about(f"after {took:.1f} s (at most {self.within:g} s)", f"{took:.1f} s 后（允许 {self.within:g} s）")
            )
        late = (f"only after {took:.1f} s", f"{took:.1f} s 后才出现") if took is not None else ("did not come about", "未出现")
        names, due = self.names(e), min(window.begins + self.within, e.ends)
        text = self.about(
            f"{late[0]} (at most {self.within:g} s from {window.begins:.1f} s)",
            f"{late[1]}（自 {window.begins:.1f} s 起允许 {self.within:g} s）",
        )
        row = e.shown(int(np.searchsorted(e.t, due - 1e-9)), names)
        return self.result(False, text, [row], e.plot(names, [Window(window.begins, due)]))
