"""What there is to choose from, as rows for tables, CSV and JSON: designs, scenarios, rule books, tags, faults."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from twin.design.load import CATALOGUE, find, laid_on_base, packaged, read_yaml
from twin.errors import BatchtwinError, unknown

if TYPE_CHECKING:
    from twin.plant import Plant

Row = dict[str, Any]
SCENARIOS = "scenarios.packaged"
BOOKS = "scenarios.criteria"
PROVINCES = "scenarios.province.packaged"


def _documents(package: str, with_base: bool = False) -> list[Row]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = {path: yaml.load(path.read_text(encoding="utf-8"), loader) for path in packaged(package).values()}
    return [laid_on_base(path, data) if with_base else data for path, data in found.items()]


def designs() -> list[Row]:
    """The packaged designs."""
    return [
        {"name": d["name"], "lines": len(d["lines"]), "en": d["title"]["en"], "zh": d["title"]["zh"]}
        for d in _documents(CATALOGUE, with_base=True)
    ]


def scenarios() -> list[Row]:
    """The packaged scenarios."""
    return [{"name": s["name"], "design": s["design"], "starts": s["starts"], "lasts": s["lasts"], "fidelity": s.get("fidelity", "scan"),
             "en": s["title"]["en"], "zh": s["title"]["zh"]} for s in _documents(SCENARIOS)]  # fmt: skip


def books() -> list[Row]:
    """The packaged rule books."""
    return [{"name": b["name"], "clauses": len(b["clauses"]), "en": b["title"]["en"], "zh": b["title"]["zh"]} for b in _documents(BOOKS)]


def plant_of(design: str | None) -> Plant:
    """A plant of the design, `hzs180` when None."""
    from twin.design.load import load_design
    from twin.plant import Plant

    return Plant(load_design(design or "hzs180"))


def tags(design: str | None) -> list[Row]:
    """The I/O list of a design."""
    return [tag_row(t) for t in plant_of(design).table]


def tag_row(tag: Any) -> Row:
    """A tag as a row of the I/O list."""
    return {"name": tag.name, "type": tag.dtype, "unit": tag.unit, "range": [tag.low, tag.high], "direction": tag.direction, "writer": tag.writer,
            "states": list(tag.states), "en": tag.en, "zh": tag.zh}  # fmt: skip


def faults() -> list[Row]:
    """The fault catalogue, a row for each fault and kind of machine."""
    from twin.plant import faults as known

    return [{"name": f.name, "applies_to": kind, "severity": [f.low, f.high], "unit": f.unit, "default": f.default, "tags": list(f.tags), "en": f.en,
             "zh": f.zh} for entries in known().values() for kind, f in entries]  # fmt: skip


def flat(key: str, value: Any) -> str:
    """A value of a row as text."""
    if isinstance(value, list) and key in ("range", "severity"):
        return f"{value[0]:g}..{value[1]:g}"
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def as_csv(rows: list[Row]) -> str:
    """Rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0] if rows else [])
    writer.writerows([flat(k, v) for k, v in row.items()] for row in rows)
    return text.getvalue()


def locate(name: str) -> tuple[str, Path]:
    """Whether a packaged name or a file is a `design`, a `scenario`, a `rule book`, a `sweep`, a `search` or a `province`, and where it lies.

    Raises:
        BatchtwinError: unknown name, unreadable file, or a file that is neither.
    """
    known = {n: ("design", p) for n, p in packaged(CATALOGUE).items()} | {n: ("scenario", p) for n, p in packaged(SCENARIOS).items()}
    known |= {n: ("rule book", p) for n, p in packaged(BOOKS).items()} | {n: ("province", p) for n, p in packaged(PROVINCES).items()}
    if name in known:
        return known[name]
    try:
        path = find(name, CATALOGUE, "design")
    except BatchtwinError as error:
        raise unknown("design or scenario", name, known) if error.code == "E102" else error from None
    data, _ = read_yaml(path, "design or scenario")
    if data.keys() & {"lines", "materials", "based_on"}:
        return "design", path
    if data.keys() & {"orders", "demand", "starts"}:
        return "scenario", path
    if data.keys() & {"kinds", "cities"}:
        return "province", path
    if "clauses" in data:
        return "rule book", path
    if "search" in data:
        return "search", path
    if data.keys() & {"factors", "variants", "scenarios"}:
        return "sweep", path
    raise BatchtwinError("E101", where=f"{path}:1: the file", problem="is neither a design nor a scenario",
                         mend="a design has 'lines' and 'materials' or 'based_on', a scenario 'starts' and 'orders' or 'demand'")  # fmt: skip
