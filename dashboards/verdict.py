"""The page of a verdict: one HTML file, Chinese and English, that opens anywhere, prints, and needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dashboards.pages import rendered, written
from dashboards.pieces import Figures, Table, Text, flag, num, same
from scenarios.judging.judge import SENSE, shown
from scenarios.judging.verdict import Answer, ClauseResult, Verdict
from twin.design.schema import Title

RESULTS = {"pass": Text("pass", "通过"), "fail": Text("fail", "不通过"), "not_evidenced": Text("not evidenced", "证据不足"),
           "not_applicable": Text("not applicable", "不适用")}  # fmt: skip
LEVEL = {"fail": "bad", "not_evidenced": "warn"}
KINDS = {
    "measured": Text("measured from the run", "由运行记录测得"),
    "designed": Text("read from the design", "取自设计"),
    "declared": Text("declared", "声明"),
}
ABOUT = {
    "design": Text("Plant", "站点"), "scenario": Text("Scenario", "场景"), "starts": Text("Begins", "开始"), "seed": Text("Seed", "随机种子"), "fidelity": Text("Fidelity", "仿真级别"),
    "version": Text("Version", "版本"), "sim_seconds": Text("Simulated, s", "模拟时长 s"), "state_hash": Text("End state", "终态指纹"), "seal": Text("Seal", "封印"),
}  # fmt: skip
FOLLOW = {
    "path": Text("Field of the design", "设计字段"),
    "document": Text("Document", "文件"),
    "date": Text("Date", "日期"),
    "valid_until": Text("Valid until", "有效期至"),
}


def write_page(verdict: Verdict, path: str | Path, site: dict[str, str] | None = None) -> Path:
    """Write the page of a verdict.

    Args:
        verdict: of a run.
        path: HTML file to write.
        site: picture of the site plan by language, see `site_map.of_run`.

    Returns:
        The file.
    """

    html = rendered(
        "verdict.html",
        verdict=verdict, text=text, title=text(verdict.title), key=key_figures(verdict), about=about(verdict), first=first(verdict), result_of=result_of, value_of=value_of,
        site=site, kinds=KINDS, follow=FOLLOW, results=RESULTS, levels=LEVEL, rows_of=rows_of,
        sections=[(key, text(title), [c for c in verdict.clauses if c.section == key]) for key, title in verdict.sections.items()],
    )  # fmt: skip
    return written(path, html)


def text(title: Title) -> Text:
    """A title in both languages."""
    return Text(title.en, title.zh)


def key_figures(verdict: Verdict) -> Figures:
    """How many clauses have each result."""
    of, counts = Text("of {n} clauses", "共 {n} 条").put(n=len(verdict.clauses)), verdict.counts
    return Figures(
        [
            (RESULTS[r], flag(num(counts[r]), counts[r] > 0 and r in LEVEL, LEVEL.get(r, "")), of)
            for r in ("pass", "fail", "not_evidenced", "not_applicable")
        ]
    )  # type: ignore[index]


def about(verdict: Verdict) -> list[tuple[Text, str]]:
    """What was judged."""
    return [(Text("Run", "运行"), verdict.run), *((ABOUT[k], str(v)) for k, v in verdict.about.items() if v not in (None, ""))]


def first(verdict: Verdict) -> list[ClauseResult]:
    """Clauses of musts that fail, then those that are recommended."""
    return sorted((c for c in verdict.clauses if c.result == "fail"), key=lambda c: not c.must)


def result_of(clause: ClauseResult) -> list[tuple[Text, str]]:
    """Result of a clause in words, with its marks, each with a CSS class."""
    marks: list[tuple[Text, str]] = [(RESULTS[clause.result], LEVEL.get(clause.result, ""))]
    if clause.indicative:
        marks.append((Text("indicative: a limit is «unverified»", "仅供参考：限值“未核实”"), "note"))
    return marks


def value_of(answer: Answer) -> Text:
    """Value and limit of one piece of evidence."""
    unit = f" {answer.unit}" if answer.unit else ""
    en, zh = f"{shown(answer.value)}{unit}", f"{shown(answer.value, 'zh')}{unit}"
    if answer.sense == "known" or answer.limit is None:
        return Text(en, zh)
    return Text(
        f"{en}; {SENSE[answer.sense][0]} {shown(answer.limit)}{unit}", f"{zh}；{SENSE[answer.sense][1]} {shown(answer.limit, 'zh')}{unit}"
    )


def rows_of(answer: Answer) -> Table | None:
    """The offending rows behind one piece of evidence."""
    rows: list[dict[str, Any]] = list(answer.follow.get("rows") or ())
    if not rows:
        return None
    columns = list(dict.fromkeys(k for row in rows for k in row))
    return Table(
        Text("Rows that offend", "不符合的记录"), [same(c) for c in columns], [[shown(row.get(c)) for c in columns] for row in rows]
    )
