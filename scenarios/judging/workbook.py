"""A verdict as a workbook: a sheet of clauses, a sheet of evidence, a sheet of the rows that offend."""

from __future__ import annotations

import json
from pathlib import Path

from scenarios.judging.verdict import Verdict
from scenarios.sheets import Sheet, save

CLAUSES = (
    "条款 Clause",
    "出处 Source",
    "名称 Title",
    "应/宜 Must",
    "结果 Result",
    "数值 Value",
    "限值 Limit",
    "单位 Unit",
    "仅供参考 Indicative",
    "说明",
    "Why",
)
EVIDENCE = (
    "条款 Clause",
    "证据 Evidence",
    "名称 Name",
    "结果 Result",
    "数值 Value",
    "限值 Limit",
    "单位 Unit",
    "SQL",
    "设计字段 Design field",
    "文件 Document",
    "日期 Date",
    "说明",
    "Why",
)
WIDTHS = {"说明": 60, "Why": 60, "SQL": 60}


def write_workbook(verdict: Verdict, path: str | Path) -> Path:
    """Write a verdict.

    Args:
        verdict: of a run.
        path: XLSX file to write.

    Returns:
        The file.
    """
    rows = [
        [c.id, a.name, json.dumps(row, ensure_ascii=False, default=str)]
        for c in verdict.clauses
        for a in c.evidence
        for row in a.follow.get("rows") or ()
    ]
    return save(path, [
        Sheet("条款 Clauses", CLAUSES, [
            [c.id, f"{c.source.zh} {c.source.en}", f"{c.title.zh} {c.title.en}", "应 must" if c.must else "宜 should", c.result, c.value, c.limit, c.unit,
             c.indicative, c.why.zh, c.why.en] for c in verdict.clauses], WIDTHS, wrap=True),
        Sheet("证据 Evidence", EVIDENCE, [
            [c.id, a.kind, a.name, a.result, a.value, a.limit, a.unit, a.follow.get("sql"), a.follow.get("path"), a.follow.get("document"), a.follow.get("date"),
             a.why.zh, a.why.en] for c in verdict.clauses for a in c.evidence], WIDTHS, wrap=True),
        Sheet("行 Rows", ("条款 Clause", "名称 Name", "行 Row"), rows, WIDTHS, wrap=True),
    ])  # fmt: skip
