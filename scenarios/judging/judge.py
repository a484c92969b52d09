"""From a book, a run and declared facts to a verdict.

A clause fails when one of its musts fails; else it is not evidenced when something is missing for one of them; else it passes. Where any one
of several is enough, one that passes decides. Nothing passes by default: without evidence there is no pass.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import duckdb

from scenarios.judging.book import Book, ByPlant, Clause, Evidence
from scenarios.judging.declared import Declared, Fact
from scenarios.judging.integrity import check_whole
from scenarios.judging.measures import MEASURES
from scenarios.judging.subject import Missing, Reading, Subject, Value
from scenarios.judging.verdict import Answer, ClauseResult, Result, Verdict
from scenarios.run import Run
from twin.design.schema import Title
from twin.errors import BatchtwinError

ROWS = 20
SENSE = {"least": ("at least", "不小于"), "most": ("at most", "不大于"), "equals": ("must be", "应为")}


def judge(book: Book, run: Run, declared: Declared | None = None) -> Verdict:
    """Judge a run clause by clause.

    Raises:
        BatchtwinError: E204 when the run is not whole; E101 when the facts speak of another plant.
    """
    check_whole(run)
    return Judge(book, Subject(run), declared).verdict()


class Judge:
    """Judges one run; a measure that several clauses ask for is taken once."""

    def __init__(self, book: Book, subject: Subject, declared: Declared | None) -> None:
        self.book, self.subject = book, subject
        self.facts: dict[str, Fact] = declared.facts if declared else {}
        self._taken: dict[str, Reading | Missing] = {}
        name = subject.design.get("name")
        if declared is not None and book.scope == "plant" and declared.plant != name:
            raise BatchtwinError(
                "E101",
                where="plant",
                problem=f"the facts are declared for {declared.plant}, the run is of {name}",
                mend="give the facts of this plant",
            )

    def verdict(self) -> Verdict:
        """The results of all clauses."""
        run, info = self.subject.run, self.subject.run.info
        outcome = run.outcome
        about = {"scenario": self.subject.scenario.get("name"), "design": self.subject.design.get("name"), "seed": info.get("seed"), "fidelity": info.get("fidelity"),
                 "version": info.get("version"), "sim_seconds": outcome.get("sim_seconds"), "state_hash": outcome.get("state_hash"), "seal": info.get("seal"),
                 "starts": str(self.subject.starts or "")}  # fmt: skip
        sections = {k: v.title for k, v in self.book.sections.items()}
        return Verdict(
            self.book.name, self.book.title, self.book.source, str(run.path), sections, about, [self.clause(c) for c in self.book.clauses]
        )

    def clause(self, clause: Clause) -> ClauseResult:
        """The result of one clause."""
        answers: list[Answer] = []
        if clause.applies is not None:
            asked = self.answer(clause.applies.evidence)
            if asked.result != "pass":
                result: Result = "not_applicable" if asked.result == "fail" else "not_evidenced"
                why = clause.applies.otherwise if asked.result == "fail" else asked.why
                return self._result(clause, result, asked, why, [asked])
        answers += [self.answer(e) for e in clause.evidence]
        binding = [a for a in answers if a.must or not clause.must]
        order: tuple[Result, ...] = ("fail", "not_evidenced", "pass") if clause.need == "all" else ("pass", "not_evidenced", "fail")
        result = next(r for r in order if any(a.result == r for a in binding))
        telling = [a for a in binding if a.result == result]
        advice = [a for a in answers if a not in binding and a.result == "fail"]
        why = Title(
            en="; ".join([a.why.en for a in telling] + [f"recommended: {a.why.en}" for a in advice]),
            zh="；".join([a.why.zh for a in telling] + [f"建议：{a.why.zh}" for a in advice]),
        )
        decisive = next((a for a in telling if a.kind == "measured"), telling[0])
        return self._result(clause, result, decisive, why, answers)

    def _result(self, clause: Clause, result: Result, by: Answer, why: Title, answers: list[Answer]) -> ClauseResult:
        indicative = result in ("pass", "fail") and any(a.indicative for a in answers if a.result == result and (a.must or not clause.must))
        return ClauseResult(clause.id, clause.section, self.book.place(clause), clause.title, clause.text, clause.must, result, by.value, by.limit, by.unit,
                            indicative, why, answers)  # fmt: skip

    # --- one piece of evidence --------------------------------------------------------------------------

    def answer(self, evidence: Evidence) -> Answer:
        """Measured if it can be, else declared, else missing."""
        try:
            if evidence.measure is not None:
                return self._measured(evidence)
        except Missing as missing:
            if evidence.declared is None:
                return self._missing(evidence, missing)
            first: Missing | None = missing
        else:
            first = None
        try:
            return self._declared(evidence)
        except Missing as missing:
            both = Missing(f"{first.en}; or {missing.en}", f"{first.zh}；或{missing.zh}") if first else missing
            return self._missing(evidence, both)

    def _measured(self, evidence: Evidence) -> Answer:
        assert evidence.measure is not None
        measure, reading = MEASURES[evidence.measure], self._take(evidence)
        unit, limit = evidence.unit or measure.unit, self._limit(evidence)
        what = named(evidence)
        met = holds(reading.value, limit, evidence.sense)
        rows: list[dict[str, Any]] = list(reading.rows[:ROWS])
        if not met and reading.offenders:
            rows = self.subject.rows(reading.offenders)[:ROWS]
        follow = {k: v for k, v in {"sql": reading.sql, "path": reading.path, "of": reading.of, "rows_sql": reading.offenders}.items() if v}
        follow |= {"rows": [] if met else rows}
        kind = "measured" if reading.sql else "designed"
        where = ("" if reading.sql else reading.path), (rows[0] if rows else None)
        why = told(what, reading.value, limit, evidence.sense, unit, met, reading.of, *where)
        return Answer(kind, measure.name, what, "pass" if met else "fail", reading.value, limit, evidence.sense, unit, evidence.confidence == "recalled",
                      evidence.must, why, follow)  # fmt: skip

    def _take(self, evidence: Evidence) -> Reading:
        """The reading of a measure, taken once for the same arguments."""
        key = json.dumps([evidence.measure, evidence.of], sort_keys=True)
        if key not in self._taken:
            try:
                self._taken[key] = MEASURES[evidence.measure or ""].function(self.subject, **evidence.of)
            except Missing as missing:
                self._taken[key] = missing
            except duckdb.Error as error:  # a table of somebody else's without a column, say
                line = str(error).splitlines()[0]
                self._taken[key] = Missing(f"the tables of the run cannot tell ({line})", f"运行数据表无法给出（{line}）")
        found = self._taken[key]
        if isinstance(found, Missing):
            raise found
        return found

    def _limit(self, evidence: Evidence) -> Value:
        """The limit that holds for this plant."""
        limit = evidence.limit
        if not isinstance(limit, ByPlant):
            return limit
        value = self.subject.get(limit.by)
        found = limit.values.get(str(value).lower() if isinstance(value, bool) else str(value), limit.other)
        if found is None:
            raise Missing(f"there is no limit for {limit.by} = {value}", f"{limit.by} = {value} 没有对应限值")
        return found

    def _declared(self, evidence: Evidence) -> Answer:
        key = evidence.declared
        assert key is not None
        what, fact = self.book.facts[key], self.facts.get(key)
        if fact is None:
            raise Missing(f"declare {key}: {what.en}", f"请声明 {key}：{what.zh}")
        self._in_time(key, fact)
        limit = self._limit(evidence)
        met = holds(fact.value, limit, evidence.sense)
        follow = {"document": fact.document, "date": str(fact.date)} | ({"valid_until": str(fact.valid_until)} if fact.valid_until else {})
        unit = evidence.unit or (MEASURES[evidence.measure].unit if evidence.measure else "")
        why = told(what, fact.value, limit, evidence.sense, unit, met, 1, f"{fact.document}, {fact.date}", None)
        return Answer("declared", key, what, "pass" if met else "fail", fact.value, limit, evidence.sense, unit, evidence.confidence == "recalled",
                      evidence.must, why, follow)  # fmt: skip

    def _in_time(self, key: str, fact: Fact) -> None:
        """A fact holds for a run when its document is not younger than the run's end, and was valid all the time."""
        ends = self.subject.ends
        last: date | None = ends.date() if ends else None
        if last and fact.date > last:
            raise Missing(f"{key} is dated {fact.date}, after the run ({last})", f"{key} 的日期 {fact.date} 晚于运行结束日 {last}")
        if last and fact.valid_until and fact.valid_until < last:
            raise Missing(
                f"{key} was valid until {fact.valid_until}, the run ends on {last}", f"{key} 有效期至 {fact.valid_until}，运行结束于 {last}"
            )

    def _missing(self, evidence: Evidence, missing: Missing) -> Answer:
        name = evidence.measure or evidence.declared or ""
        measure = MEASURES.get(evidence.measure or "")
        what = named(evidence) if measure else self.book.facts[name]
        limit = evidence.limit
        return Answer("measured" if measure else "declared", name, what, "not_evidenced", None, None if isinstance(limit, ByPlant) else limit, evidence.sense,
                      evidence.unit or (measure.unit if measure else ""), evidence.confidence == "recalled", evidence.must,
                      Title(en=f"missing: {missing.en}", zh=f"缺少证据：{missing.zh}"))  # fmt: skip


def named(evidence: Evidence) -> Title:
    """What a measure is, with its arguments."""
    measure = MEASURES[evidence.measure or ""]
    of = ", ".join(" + ".join(map(str, v)) if isinstance(v, list) else str(v) for k, v in evidence.of.items() if not isinstance(v, bool))
    if measure.name == "design":
        return Title(en=of, zh=of)
    return Title(en=f"{measure.en} [{of}]", zh=f"{measure.zh}［{of}］") if of else Title(en=measure.en, zh=measure.zh)


def holds(value: Value, limit: Value, sense: str) -> bool:
    """Is a limit met?"""
    if sense == "known":
        return value is not None
    if sense == "equals":
        return value == limit
    a, b = float(value or 0.0), float(limit or 0.0)
    slack = 1e-9 * max(abs(b), 1.0)
    return a >= b - slack if sense == "least" else a <= b + slack


def told(
    what: Title, value: Value, limit: Value, sense: str, unit: str, met: bool, of: int, where: str, row: dict[str, Any] | None
) -> Title:
    """One line: what was found, against which limit, of how many, and what would mend it, where."""
    u = f" {unit}" if unit else ""
    en, zh = f"{what.en}: {shown(value)}{u}", f"{what.zh}：{shown(value, 'zh')}{u}"
    if sense != "known" and not (met and limit is True):  # «yes» says it
        en, zh = f"{en}, {SENSE[sense][0]} {shown(limit)}{u}", f"{zh}，{SENSE[sense][1]} {shown(limit, 'zh')}{u}"
    if of > 1:
        en, zh = f"{en} (of {of})", f"{zh}（共 {of}）"
    if met:
        return Title(en=en, zh=zh)
    if sense in ("least", "most"):
        gap = shown(abs(float(value or 0.0) - float(limit or 0.0)))
        en, zh = (
            f"{en}; to pass: {gap}{u} {'more' if sense == 'least' else 'less'}",
            f"{zh}；达标尚需{'增加' if sense == 'least' else '减少'} {gap}{u}",
        )
    else:
        en, zh = f"{en}; to pass: {shown(limit)}{u}", f"{zh}；达标要求：{shown(limit, 'zh')}{u}"
    place = where or ""
    if row:
        place += (", " if place else "") + ", ".join(f"{k} {shown(v)}" for k, v in list(row.items())[:6] if v not in (None, ""))
    return Title(en=f"{en}, at {place}", zh=f"{zh}，位置：{place}") if place else Title(en=en, zh=zh)


def shown(value: Any, language: str = "en") -> str:
    """A value for people."""
    if isinstance(value, bool):
        return ("是" if value else "否") if language == "zh" else ("yes" if value else "no")
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else "–" if value is None else str(value)
