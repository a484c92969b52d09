"""What a report is made of: bilingual text, figures, tables, notes. No plant knowledge here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Text:
    """A text in both languages; in HTML both stand there and the page shows one."""

    en: str
    zh: str

    def __html__(self) -> str:
        if self.en == self.zh:
            return escape(self.en)
        return f'<span class="en" lang="en">{escape(self.en)}</span><span class="zh" lang="zh-CN">{escape(self.zh)}</span>'

    def put(self, **values: Any) -> Text:
        """The text with `{name}` filled in; a `Text` among the values gives each language its own."""

        def of(lang: str) -> dict[str, Any]:
            return {k: getattr(v, lang) if isinstance(v, Text) else v for k, v in values.items()}

        return Text(self.en.format(**of("en")), self.zh.format(**of("zh")))


def same(name: object) -> Text:
    """A name that is the same in both languages."""
    return Text(str(name), str(name))


def heads(*columns: str) -> list[Text]:
    """Column heads from `English|中文`, or one name for both."""
    return [Text(*c.split("|")) if "|" in c else same(c) for c in columns]


def num(value: float | None, digits: int = 0) -> str:
    """A number for people: thousands apart, `–` when there is none."""
    if value is None or value != value:
        return "–"
    text = f"{value:,.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text.replace("-", "−")


def percent(share: float | None, digits: int = 2) -> str:
    """A share as a percentage."""
    return "–" if share is None or share != share else f"{num(100 * share, digits)} %"


@dataclass(frozen=True, slots=True)
class Flag:
    """A value that is marked: `bad` beyond a limit, `warn` worth a look."""

    value: Any
    level: str = "bad"


def flag(value: Any, when: bool, level: str = "bad") -> Any:
    """The value, marked when it is abnormal."""
    return Flag(value, level) if when else value


@dataclass(slots=True)
class Figures:
    """Key figures: (name, value, unit or remark)."""

    kind: ClassVar[str] = "figures"
    items: Sequence[tuple[Text, Any, Any]]


@dataclass(slots=True)
class Note:
    """A paragraph; `nothing` when it stands for what is missing, `recalled` when a figure was not checked against its source."""

    text: Text
    style: str = ""
    kind: ClassVar[str] = "note"


@dataclass(slots=True)
class Picture:
    """A drawing, one SVG in each language."""

    en: str
    zh: str
    kind: ClassVar[str] = "picture"


@dataclass(slots=True)
class Table:
    """A table; numbers are right-aligned, the first column heads its row."""

    title: Text
    head: Sequence[Text]
    rows: Sequence[Sequence[Any]]
    note: Text | None = None
    kind: ClassVar[str] = "table"

    def heads(self) -> list[tuple[Text, str]]:
        """Text and CSS class of each column's head, aligned like the first row."""
        first = self.cells(self.rows[0]) if self.rows else [("", "")] * len(self.head)
        return [(text, "n" if "n" in css.split() else "") for text, (_, css) in zip(self.head, first, strict=True)]

    def cells(self, row: Sequence[Any]) -> list[tuple[Any, str]]:
        """Value and CSS classes of each cell of a row."""
        out = []
        for cell in row:
            value, level = (cell.value, cell.level) if isinstance(cell, Flag) else (cell, "")
            number = isinstance(value, str) and value[:1] in "0123456789−–"
            out.append((value, " ".join(filter(None, ("n" if number else "", level)))))
        return out


@dataclass(slots=True)
class Chart:
    """A Plotly figure as a plain dict; any `Text` in it is shown in the page's language.

    Attributes:
        name: id in the page.
        what: what it shows, for those who do not see it.
        least_px: narrowest useful width; the box scrolls below it.
    """

    name: str
    title: Text
    what: Text
    figure: dict[str, Any]
    height: int = 300
    least_px: int = 0
    kind: ClassVar[str] = "chart"


@dataclass(slots=True)
class Grid:
    """Small charts side by side."""

    title: Text
    charts: Sequence[Chart]
    note: Text | None = None
    kind: ClassVar[str] = "grid"


@dataclass(slots=True)
class Section:
    """A chapter of the report."""

    name: str
    title: Text
    items: list[Any] = field(default_factory=list)

    def charts(self) -> list[Chart]:
        """All charts, also those in grids."""
        return [c for item in self.items for c in (item.charts if isinstance(item, Grid) else [item] if isinstance(item, Chart) else [])]


def script_json(data: Any) -> str:
    """JSON that is safe inside a script element; texts as `{"en": …, "zh": …}`, nothing that Plotly would take for markup."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):  # most of all by far
            return None if value != value else value
        if isinstance(value, Text):
            return {"en": escape(value.en, quote=False), "zh": escape(value.zh, quote=False)}
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        if isinstance(value, str):
            return escape(value, quote=False)
        return value

    text = json.dumps(plain(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
