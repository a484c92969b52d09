"""What is judged — a run with its design — and the registry of measures: named functions from it to a reading.

A measure says what it found and how to follow it: the SQL that gives the figure from the run's tables, or the design's field. It
raises `Missing` when there is nothing that could tell; it never makes up a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from scenarios.run import Run
from twin.design import layout
from twin.design.schema import Design

Value = float | bool | str | None
DAY_S = 86400.0


class Missing(Exception):
    """Nothing tells: what is missing, in both languages."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.en, self.zh = en, zh


@dataclass(frozen=True, slots=True)
class Reading:
    """What a measure found.

    Attributes:
        value: in the measure's unit.
        of: how many rows or things it was found from.
        sql: gives one row with `value` from the run's tables; empty when it comes from the design.
        path: field or fields of the design behind it; empty when it comes from the run.
        offenders: SQL of the rows that offend, worst first.
        rows: the same for what is no SQL.
    """

    value: Value
    of: int = 1
    sql: str = ""
    path: str = ""
    offenders: str = ""
    rows: tuple[dict[str, Any], ...] = ()


class Subject:
    """A run that is judged.

    Attributes:
        run: its tables.
        design, scenario: as in its `run.json`.
        starts: wall-calendar time of tick 0.
        span_s: simulated time.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.design: dict[str, Any] = run.info.get("design") or {}
        self.scenario: dict[str, Any] = run.info.get("scenario") or {}
        starts = self.scenario.get("starts")
        self.starts = datetime.fromisoformat(str(starts)) if starts else None
        self.span_s = float(run.outcome.get("sim_seconds") or 0.0)

    @property
    def ends(self) -> datetime | None:
        """Wall-calendar time of the end."""
        return self.starts + timedelta(seconds=self.span_s) if self.starts else None

    @property
    def midnight_s(self) -> float:
        """Seconds of tick 0 after midnight."""
        t = self.starts
        return t.hour * 3600.0 + t.minute * 60 + t.second if t else 0.0

    def need(self, *tables: str) -> None:
        """Raise `Missing` for a table that the run does not have."""
        for table in tables:
            if table not in self.run.tables:
                raise Missing(f"the run has no table {table}", f"运行记录中没有数据表 {table}")

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Result of a query, a dict each row."""
        return self.run.sql(query).to_pylist()

    def get(self, path: str) -> Any:
        """A field of the design by its dotted path.

        Raises:
            Missing: the design does not give it.
        """
        here: Any = self.design
        for key in path.split("."):
            here = here.get(key) if isinstance(here, dict) else None
        if here is None:
            raise Missing(f"the design does not give {path}", f"设计未给出 {path}")
        return here

    def of_design(self, path: str) -> Reading:
        """A field of the design as it is."""
        return Reading(self.get(path), path=path)

    def of_run(self, sql: str, nothing: tuple[str, str], offenders: str = "") -> Reading:
        """A figure of the run by SQL that gives `value` and `n`, what it was found from.

        Raises:
            Missing: `n` is 0: there is nothing of that kind, as `nothing` says.
        """
        row = self.rows(sql)[0]
        if not row["n"] or row["value"] is None or row["value"] != row["value"]:
            raise Missing(*nothing)
        value = row["value"]
        return Reading(value if isinstance(value, (bool, str)) else float(value), int(row["n"]), _trim(sql), "", _trim(offenders))

    def counted(self, table: str, where: str, nothing: tuple[str, str], shown: str, *, among: str = "true", by: str = "") -> Reading:
        """How many rows of a table are as `where` says, of those `among`; they are what offends.

        Args:
            shown: columns of the offending rows, in the order `by`.

        Raises:
            Missing: there is no such table, or no row among.
        """
        self.need(table)
        return self.of_run(
            f"SELECT count(*) FILTER ({where}) AS value, count(*) FILTER ({among}) AS n FROM {table}",
            nothing,
            f"SELECT {shown} FROM {table} WHERE {where} {by and f'ORDER BY {by}'} LIMIT 20",
        )

    def columns(self, ending: str) -> list[str]:
        """Columns of the tags table that end so."""
        self.need("tags")
        return [c for c in self._tags if c.endswith(ending)]

    @cached_property
    def plan(self) -> dict[str, layout.Measure]:
        """Measures of the design's site plan.

        Raises:
            Missing: the design is none.
        """
        try:
            return layout.measures(Design.model_validate(self.design))
        except ValidationError as error:
            raise Missing(f"the design does not fit its schema ({error.error_count()} mistakes)", "设计不符合格式") from None

    @cached_property
    def _tags(self) -> list[str]:
        return list(self.run.info.get("resolution") or self.run.sql("SELECT * FROM tags LIMIT 0").column_names)

    def each_column(self, columns: list[str], of: dict[str, str], beside: dict[str, tuple[str, str]] | None = None) -> str:
        """SQL with a row for each of some columns of the tags table, found in one scan: `name` and what `of` asks of column `{c}`.

        Args:
            of: expressions by name; `{c}` stands for the column, a key of `beside` for its neighbour.
            beside: by key, the ending of a column and the one that its neighbour has in its place.
        """

        def put(expression: str, column: str) -> str:
            others = {k: quoted(column.removesuffix(old) + new) for k, (old, new) in (beside or {}).items()}
            return expression.format(c=quoted(column), **others)

        lists = [f"unnest([{', '.join(put(expression, c) for c in columns)}]) AS {name}" for name, expression in of.items()]
        return f"SELECT unnest([{', '.join(map(literal, columns))}]) AS name, {', '.join(lists)} FROM tags"


def _trim(sql: str) -> str:
    return " ".join(sql.split())


def literal(value: str | float) -> str:
    """A value in SQL."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def values(rows: Sequence[tuple[str | float, ...]]) -> str:
    """Rows for an SQL VALUES list."""
    return ", ".join(f"({', '.join(map(literal, row))})" for row in rows)


def quoted(name: str) -> str:
    """A column name in SQL."""
    return '"' + name.replace('"', '""') + '"'


# --- the registry ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Measure:
    """A named measure: what it is, in which unit, and the function that finds it."""

    name: str
    unit: str
    en: str
    zh: str
    function: Callable[..., Reading]


MEASURES: dict[str, Measure] = {}


def measure(unit: str, en: str, zh: str) -> Callable[[Callable[..., Reading]], Callable[..., Reading]]:
    """Register a measure under the name of its function."""

    def add(function: Callable[..., Reading]) -> Callable[..., Reading]:
        assert function.__name__ not in MEASURES, f"measure {function.__name__} stands twice"
        MEASURES[function.__name__] = Measure(function.__name__, unit, en, zh, function)
        return function

    return add
