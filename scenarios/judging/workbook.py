"""A verdict as a workbook: a sheet of clauses, a sheet of evidence, a sheet of the rows that offend."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.worksheet import Worksheet

from scenarios.judging.verdict import Verdict

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
    book = Workbook()
    first = book.active
    assert first is not None
    first.title = "条款 Clauses"
    _fill(first, CLAUSES, [
        [c.id, f"{c.source.zh} {c.source.en}", f"{c.title.zh} {c.title.en}", "应 must" if c.must else "宜 should", c.result, c.value, c.limit, c.unit,
         c.indicative, c.why.zh, c.why.en] for c in verdict.clauses])  # fmt: skip
    _fill(book.create_sheet("证据 Evidence"), EVIDENCE, [
        [c.id, a.kind, a.name, a.result, a.value, a.limit, a.unit, a.follow.get("sql"), a.follow.get("path"), a.follow.get("document"), a.follow.get("date"),
         a.why.zh, a.why.en] for c in verdict.clauses for a in c.evidence])  # fmt: skip
    rows = [
        [c.id, a.name, json.dumps(row, ensure_ascii=False, default=str)]
        for c in verdict.clauses
        for a in c.evidence
        for row in a.follow.get("rows") or ()
    ]
    _fill(book.create_sheet("行 Rows"), ("条款 Clause", "名称 Name", "行 Row"), rows)
    target = Path(path)
    part = target.with_name(f"{target.name}.tmp")
    book.save(part)
    os.replace(part, target)
    return target


def _fill(sheet: Worksheet, head: tuple[str, ...], rows: list[list[Any]]) -> None:
    sheet.append(list(head))
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for row in rows:
        sheet.append([_cell(value) for value in row])
    for column, name in zip(sheet.columns, head, strict=True):
        sheet.column_dimensions[column[0].column_letter].width = WIDTHS.get(name, 18)
        for cell in column[1:]:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.freeze_panes = "A2"


def _cell(value: Any) -> Any:
    """A value that a sheet takes; a text that begins like a formula stays a text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = ILLEGAL_CHARACTERS_RE.sub("", str(value))
    return f"'{text}" if text[:1] in "=+-@" else text
