"""Workbooks: sheets with a bold head, and cells that no spreadsheet takes for a formula."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

USUAL_WIDTH = 18


class Sheet(NamedTuple):
    """A sheet: its title (31 characters at most), names of columns, rows, and widths of columns that are not `USUAL_WIDTH`."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    widths: dict[str, int] = {}
    wrap: bool = False


def save(path: str | Path, sheets: Sequence[Sheet]) -> Path:
    """Write a workbook in one stroke.

    Raises:
        OSError: it cannot be written.
    """
    book = Workbook(write_only=True)
    bold, top = Font(bold=True), Alignment(wrap_text=True, vertical="top")
    for sheet in sheets:
        to = book.create_sheet(sheet.title)
        to.freeze_panes = "A2"
        for k, name in enumerate(sheet.head, 1):
            to.column_dimensions[get_column_letter(k)].width = sheet.widths.get(name, USUAL_WIDTH)
        heads = [WriteOnlyCell(to, name) for name in sheet.head]
        for one in heads:
            one.font = bold
        to.append(heads)
        for row in sheet.rows:
            cells = [cell(value) for value in row]
            if sheet.wrap:
                cells = [WriteOnlyCell(to, value) for value in cells]
                for one in cells:
                    one.alignment = top
            to.append(cells)
    target = Path(path)
    part = target.with_name(f"{target.name}.tmp")
    book.save(part)
    os.replace(part, target)
    return target


def cell(value: Any) -> Any:
    """A value that a sheet or a CSV takes; a text that begins like a formula stays a text."""
    if value is None or isinstance(value, (bool, int, float, datetime)):
        return value
    text = ILLEGAL_CHARACTERS_RE.sub("", str(value))
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
