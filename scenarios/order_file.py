"""Orders from a CSV file and back: UTF-8 or GB18030; comma, semicolon or tab; columns in English or Chinese."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scenarios.durations import clock, seconds, span
from scenarios.orders import MAX_NAME, Change, Order
from twin.design.load import plain
from twin.errors import BadInput, BatchtwinError, nearest

COLUMNS = {
    "site": "工地", "grade": "强度等级", "volume_m3": "方量", "start": "开始时间", "every": "间隔", "at": "地点", "x_km": "东向km", "y_km": "北向km",
    "drive": "行驶时间", "pour": "浇筑时间", "pump": "泵送", "late": "允许迟到", "gap": "最大间断", "priority": "优先级", "changes": "变更", "cancelled": "取消",
}  # fmt: skip
TIMES, SPANS = ("start", "cancelled"), ("every", "drive", "pour", "late", "gap")
NEEDED = ("site", "grade", "volume_m3", "start")
KNOWN = {name: name for name in COLUMNS} | {zh.casefold(): name for name, zh in COLUMNS.items()}
WORDS = {"yes": True, "true": True, "1": True, "是": True, "泵送": True, "pump": True,
         "no": False, "false": False, "0": False, "否": False, "自卸": False, "chute": False}  # fmt: skip
MAX_BYTES, MAX_ROWS, MAX_COLUMNS, MAX_CELL = 50_000_000, 200_000, 100, 10_000
CHINESE = "，；"  # which part no cells
TOLD = 20  # mistakes told one by one
SAVE = "save it as CSV in UTF-8"

DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]*(\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)
CLOCK = re.compile(r"(\d{1,4}:\d{2}):(\d{2})", re.ASCII)  # as spreadsheets write times of day
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


Fits = Callable[[Order], tuple[str, str, str] | None]


class _Mistakes:
    """What is wrong with the file: the first few in words, the rest counted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[BatchtwinError] = []
        self.more = 0

    def add(self, row: int, column: str, problem: str, mend: str) -> None:
        if len(self.told) >= TOLD:
            self.more += 1
            return
        where = f"{self.path}{f' row {row}' if row else ''}{f' column {column}' if column else ''}"
        self.told.append(BatchtwinError("E101", where=where, problem=problem, mend=mend))

    def stop(self, row: int, problem: str, mend: str) -> BadInput:
        """The error for a mistake after which reading makes no sense."""
        self.add(row, "", problem, mend)
        return self.error()

    def error(self) -> BadInput:
        more = BatchtwinError("E101", where=str(self.path), problem=f"… and {self.more} more", mend="correct the ones above first")
        return BadInput(self.told + [more] * (self.more > 0))


def read_orders(path: Path, starts: datetime, fits: Fits = lambda _: None) -> list[Order]:
    """The orders in a CSV file, all or none.

    Args:
        starts: wall-calendar time of tick 0; dates in the file count from its midnight.
        fits: says of an order what the plant cannot do: column, problem and mend.

    Raises:
        BadInput: one E101 line a mistake, each naming file, row and column; rows count from 1, the header's, as in a spreadsheet.
    """
    path = Path(path)
    mistakes = _Mistakes(path)
    rows = _rows(_text(path, mistakes), mistakes)
    top, header = next(((n, cells) for n, cells in rows if any(c.strip() for c in cells)), (0, []))
    if not header:
        raise mistakes.stop(0, "is empty", f"begin with a row such as {','.join(NEEDED)}")
    columns = _columns(top, header, mistakes)
    orders = []
    for n, cells in rows:
        if n > top + MAX_ROWS:
            raise mistakes.stop(n, f"more than {MAX_ROWS:,} rows", "split the file")
        if any(c.strip() for c in cells):
            order = _order(n, cells, columns, header, starts, mistakes)
            wrong = fits(order) if order else None
            if wrong:
                mistakes.add(n, *wrong)
            orders += [order] if order else []
    if mistakes.told:
        raise mistakes.error()
    if not orders:
        raise mistakes.stop(0, "holds a header and no order", "add a row an order")
    return orders


def _text(path: Path, mistakes: _Mistakes) -> str:
    """The file's text, whatever its encoding."""
    try:
        if path.is_dir():
            raise mistakes.stop(0, "is a folder", "give a CSV file")
        if path.exists() and not path.is_file():
            raise mistakes.stop(0, "is no plain file", "give a CSV file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise mistakes.stop(0, f"cannot be read ({getattr(error, 'strerror', None) or error})", "give a readable CSV file") from None
    if len(raw) > MAX_BYTES:
        raise mistakes.stop(0, f"larger than {MAX_BYTES // 1_000_000} MB", "split the file")
    if raw[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise mistakes.stop(0, "is a workbook, no text", SAVE)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise mistakes.stop(0, "is in UTF-16", SAVE)
    for encoding in ("utf-8-sig",) if raw[:3] == b"\xef\xbb\xbf" else ("utf-8", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as error:
            row = raw.count(b"\n", 0, error.start) + 1
        else:
            break
    else:
        raise mistakes.stop(row, "neither UTF-8 nor GB18030 text", SAVE)
    control = CONTROL.search(text)
    if control:
        raise mistakes.stop(text.count("\n", 0, control.start()) + 1, f"control character {control.group()!r}: is this a text file?", SAVE)
    return text


def _rows(text: str, mistakes: _Mistakes) -> Iterator[tuple[int, list[str]]]:
    """Rows with their numbers, blank ones too."""
    head = next((line for line in io.StringIO(text) if line.strip()), "")
    names = {d: {_word(c) for c in head.replace('"', "").split(d)} for d in ",;\t"}
    delimiter = max(names, key=lambda d: (len(names[d] & KNOWN.keys()), head.count(d)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    n = 0
    try:
        for n, cells in enumerate(reader, start=1):
            yield n, cells
    except csv.Error as error:
        raise mistakes.stop(n + 1, f"quotes are wrong ({error})", 'close each " and write one inside a text as ""') from None


def _columns(row: int, header: list[str], mistakes: _Mistakes) -> list[str | None]:
    """Field of each column; None where it has no name or a wrong one."""
    if len(header) > MAX_COLUMNS:
        raise mistakes.stop(row, f"{len(header)} columns", f"give at most {MAX_COLUMNS}")
    columns = [KNOWN.get(_word(cell)) for cell in header]
    if not any(columns):
        if any(c in cell for cell in header for c in CHINESE):
            raise mistakes.stop(row, "the Chinese ， or ； parts no columns", "write a plain , or ;")
        raise mistakes.stop(row, f"no known column in {_shown(','.join(header))}", f"begin with a row such as {','.join(NEEDED)}")
    for i, (cell, name) in enumerate(zip(header, columns, strict=True)):
        if name is None and cell.strip():
            parted = any(c in cell for c in CHINESE)
            mend = "part columns by a plain , or ;" if parted else f"choose of {', '.join(COLUMNS)}"
            mistakes.add(row, _short(cell), f"unknown column{nearest(_word(cell)[:40], KNOWN)}", mend)
        elif name is not None and name in columns[:i]:
            mistakes.add(row, _short(cell), f"column {name} stands twice", "keep one of them")
    for name in NEEDED:
        if name not in columns:
            mistakes.add(row, name, "missing column", f"add {name} or {COLUMNS[name]}")
    if ("x_km" in columns) != ("y_km" in columns):
        mistakes.add(row, "x_km" if "y_km" in columns else "y_km", "missing column", "give both x_km and y_km, or neither")
    return columns


def _order(row: int, cells: list[str], columns: Sequence[str | None], header: list[str], starts: datetime, mistakes: _Mistakes) -> Order | None:  # fmt: skip
    """The order of a row, or None when it has mistakes."""
    before = len(mistakes.told) + mistakes.more
    named = {name: _short(header[i]) for i, name in enumerate(columns) if name}
    if len(cells) < len(columns) and any(c in cell for cell in cells for c in CHINESE):
        mistakes.add(row, "", f"{len(cells)} cells for {len(columns)} columns: the Chinese ， or ； parts no cells", "write a plain , or ;")
        return None
    if any(c.strip() for c in cells[len(columns) :]):
        mistakes.add(
            row, "", f"{len(cells)} cells for {len(columns)} columns", "take the extra ones out, or put a text with commas in quotes"
        )
        return None
    fields: dict[str, Any] = {}
    wrong = set()
    for i, (cell, name) in enumerate(zip(cells, columns, strict=False)):
        if cell.strip() and name is None and not header[i].strip():
            mistakes.add(row, "", f"{_shown(cell)} stands in a column without a name", "name the column or take it out")
        elif cell.strip() and name is not None:
            try:
                fields[name] = _value(name, cell.strip(), starts)
            except ValueError as error:
                problem, _, mend = str(error).partition("; ")
                mistakes.add(row, named[name], f"{_shown(cell)} {problem}", mend)
                wrong.add(name)
    for name in NEEDED:
        if name in columns and name not in fields.keys() | wrong:
            mistakes.add(row, named[name], "is blank", "fill it in")
    filled = [name for name in ("x_km", "y_km") if name in fields.keys() | wrong]
    if len(filled) == 1:
        mistakes.add(row, named.get("y_km" if "x_km" in filled else "x_km", ""), "is blank", "give both x_km and y_km, or neither")
    elif filled and "at" in fields:
        mistakes.add(row, named["at"], "at and x_km are both given", "keep one of them")
    place = [fields.pop(name) for name in filled if name in fields]
    if len(place) == 2:
        fields["at"] = tuple(place)
    try:
        return Order.model_validate(fields)
    except ValidationError as error:
        clean = len(mistakes.told) + mistakes.more == before
        for e in error.errors():
            if e["type"] not in ("missing", "string_type", "tuple_type") and (e["loc"] or clean):
                mistakes.add(row, *_told(e, fields, named))
    return None


def _told(error: Any, fields: dict[str, Any], named: dict[str, str]) -> tuple[str, str, str]:
    """Column, problem and mend of a pydantic error."""
    problem, mend = plain(error, fields)
    name = str(error["loc"][0]) if error["loc"] else ""
    if name == "at" and isinstance(fields["at"], tuple):
        name = ("x_km", "y_km")[error["loc"][-1]]
    if name in SPANS + TIMES and "range" in problem:
        mend += " s"
    return named.get(name, name), problem, mend


def _value(name: str, cell: str, starts: datetime) -> Any:
    """What a cell says.

    Raises:
        ValueError: «problem; mend».
    """
    if len(cell) > MAX_CELL:
        raise ValueError(f"is longer than {MAX_CELL} characters; shorten it")
    if name in ("site", "grade", "at"):
        if len(cell) > MAX_NAME:
            raise ValueError(f"is longer than {MAX_NAME} characters; shorten it")
        return cell
    if name == "changes":
        return [_change(part, starts) for part in cell.split("|")]
    word = unicodedata.normalize("NFKC", cell)
    if name == "pump":
        if word.casefold() not in WORDS:
            raise ValueError("is neither yes nor no; write yes or no")
        return WORDS[word.casefold()]
    if name in ("volume_m3", "x_km", "y_km", "priority"):
        if not NUMBER.fullmatch(word):
            raise ValueError("is no number; write it like 6 or 6.5, without a unit")
        return float(word)
    return _when(word, starts) if name in TIMES else _time(word)


def _when(word: str, starts: datetime) -> float:
    """Seconds from the midnight before `starts` of a time of day, a duration or a date."""
    date = DATE.fullmatch(word)
    if not date:
        return _time(word, f"07:30 or {starts:%Y-%m-%d} 07:30")
    if date.group(4) is None:
        raise ValueError("has no time of day; write it like 2026-05-11 07:30")
    try:
        when = datetime(*(int(g or 0) for g in date.groups()))  # type: ignore[arg-type]
    except ValueError:
        raise ValueError("is no day or time of the calendar; write it like 2026-05-11 07:30") from None
    since = (when - _midnight(starts)).total_seconds()
    if since < 0:
        raise ValueError(f"lies before the first day; give {starts:%Y-%m-%d} or later")
    return since


def _time(word: str, such_as: str = "90s, 10min or 1.5h") -> float:
    time = CLOCK.fullmatch(word)
    try:
        return seconds(time.group(1)) + int(time.group(2)) if time else seconds(word)
    except ValueError:
        raise ValueError(f"is no time; write it like {such_as}") from None


def _change(text: str, starts: datetime) -> dict[str, Any]:
    """One change, such as `09:30 volume_m3=40 start=14:00`."""
    at, *pairs = re.split(r"\s+(?=\w+=)", unicodedata.normalize("NFKC", text).strip())
    fields: dict[str, Any] = {"at": _when(at, starts)}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in Change.model_fields or name in fields:
            raise ValueError(f"has {_shown(name)} in a change; write it like 09:30 volume_m3=40 start=14:00 | 10:00 volume_m3=45")
        fields[name] = _value(name, value, starts)
    return fields


def write_orders(path: Path, orders: Sequence[Order], starts: datetime | None = None) -> None:
    """Write orders as the CSV file that `read_orders` reads back as the same orders; spreadsheets open it.

    Args:
        starts: wall-calendar time of tick 0, to write starts as dates; otherwise they are times since the first midnight.

    Raises:
        BatchtwinError: E203.
    """
    when: Callable[[float], str] = clock if starts is None else lambda time_s: _date(time_s, starts)
    try:
        with Path(path).open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(_cells(order, when) for order in orders)
    except OSError as error:
        raise BatchtwinError("E203", path=path, problem=error.strerror or "unwritable") from None


def _cells(o: Order, when: Callable[[float], str]) -> list[str]:
    at, x, y = (o.at, "", "") if isinstance(o.at, str) else ("", *(repr(c) for c in o.at)) if o.at else ("", "", "")
    changes = [
        f"{when(c.at)}{'' if c.volume_m3 is None else f' volume_m3={c.volume_m3!r}'}{'' if c.start is None else f' start={when(c.start)}'}"
        for c in o.changes
    ]
    return [o.site, o.grade, repr(o.volume_m3), when(o.start), span(o.every), at, x, y, span(o.drive), span(o.pour), "yes" if o.pump else "no", span(o.late),
            "" if o.gap is None else span(o.gap), str(o.priority), " | ".join(changes), "" if o.cancelled is None else when(o.cancelled)]  # fmt: skip


def _date(time_s: float, starts: datetime) -> str:
    if time_s % 1:
        return clock(time_s)  # dates stop at the second
    when = _midnight(starts) + timedelta(seconds=time_s)
    return when.isoformat(" ", "seconds" if when.second else "minutes")


def _midnight(starts: datetime) -> datetime:
    return datetime(starts.year, starts.month, starts.day)


def _word(cell: str) -> str:
    return unicodedata.normalize("NFKC", cell).strip().casefold()


def _short(cell: str) -> str:
    text = " ".join(cell.split())
    return text if len(text) <= 40 else f"{text[:39]}…"


def _shown(cell: str) -> str:
    return repr(_short(cell))
