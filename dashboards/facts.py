"""Questions to a run, asked in SQL so that a year of records never comes to Python whole."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from dashboards.pieces import Text, same
from scenarios.run import Run

HOUR, DAY = 3600.0, 86400.0
BUCKETS = {"hour": Text("hour", "小时"), "day": Text("day", "天"), "week": Text("week", "周")}


def quoted(name: str) -> str:
    """A column name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def values(rows: Iterable[tuple[str | float | None, ...]]) -> str:
    """Rows for an SQL VALUES list; one row of nulls stands for none."""

    def literal(cell: str | float | None) -> str:
        return "NULL" if cell is None else "'" + cell.replace("'", "''") + "'" if isinstance(cell, str) else repr(float(cell))

    return ", ".join(f"({', '.join(map(literal, row))})" for row in rows) or "(NULL, NULL)"


class Facts:
    """What the sections of the report ask of a run.

    Attributes:
        run, info, design: the run, its `run.json`, and the design in it.
        zero_ms: wall-calendar time of the start, milliseconds as Plotly takes them.
        span_s: simulated time of the records.
        bucket: `hour`, `day` or `week`, what sums are made over.
        tags: columns of the tags table.
        long: longer than a few days: trends instead of single values.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.info = run, run.info
        self.scenario: dict[str, Any] = run.info.get("scenario") or {}
        self.design: dict[str, Any] = run.info.get("design") or {}
        starts = self.scenario.get("starts")
        self.starts = datetime.fromisoformat(str(starts)).replace(tzinfo=UTC) if starts else datetime(1970, 1, 1, tzinfo=UTC)
        self.zero_ms = int(self.starts.timestamp() * 1000)
        self.tags = [r["column_name"] for r in self.rows("DESCRIBE tags")] if self.has("tags") else []
        self.span_s = float(run.outcome.get("sim_seconds") or self._last_s())
        self.long = self.span_s > 3 * DAY
        self.bucket = "hour" if not self.long else "day" if self.span_s <= 70 * DAY else "week"
        if self.has("batches"):
            self._load_batches()

    def has(self, *tables: str) -> bool:
        """Does the run have rows in these tables?"""
        return all(t in self.run.tables and self.run.sql(f"SELECT 1 FROM {t} LIMIT 1").num_rows for t in tables)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Result of a query, a dict each row."""
        return self.run.sql(query).to_pylist()

    def columns(self, query: str) -> dict[str, list[Any]]:
        """Result of a query, a list each column."""
        return self.run.sql(query).to_pydict()

    def one(self, query: str) -> dict[str, Any]:
        """The only row of a query."""
        return self.rows(query)[0]

    def ms(self, column: str) -> str:
        """SQL for a column of seconds as Plotly's milliseconds."""
        return f"({self.zero_ms} + round({column} * 1000))::BIGINT"

    def bucket_ms(self, column: str) -> str:
        """SQL for the beginning of the hour, day or week of a column of seconds."""
        return f"epoch_ms(date_trunc('{self.bucket}', epoch_ms({self.ms(column)})))"

    def clock(self, time_s: float | None) -> str:
        """A time of the run for people."""
        if time_s is None:
            return "–"
        moment = datetime.fromtimestamp(self.zero_ms / 1000 + time_s, UTC)
        return moment.strftime("%m-%d %H:%M:%S" if self.span_s > DAY else "%H:%M:%S")

    def material(self, name: str) -> Text:
        """Title of a material of the design."""
        title = self.design.get("materials", {}).get(name, {}).get("title")
        return Text(title["en"], title["zh"]) if title else same(name)

    def tag_names(self, *ends: str) -> list[str]:
        """Recorded tags whose names end so, without the range columns."""
        return [t for t in self.tags if t.endswith(ends) and not t.endswith((".min", ".max"))]

    def _last_s(self) -> float:
        return max(
            (
                self.one(f"SELECT max(time_s) AS t FROM {t}")["t"] or 0.0
                for t in ("tags", "batches", "weighings", "events", "ledger")
                if self.has(t)
            ),
            default=0.0,
        )

    def _load_batches(self) -> None:
        """`load_batches`: every batch with ticket and grade of its load; both null while the load has no ticket."""
        tickets = (
            "SELECT ticket, grade, line, unnest(range(batch_from, batch_to + 1)) AS number FROM deliveries"
            if self.has("deliveries")
            else ("SELECT NULL::BIGINT AS ticket, NULL::VARCHAR AS grade, '' AS line, -1::BIGINT AS number")
        )
        self.run.duck.execute(
            f"CREATE OR REPLACE TEMP TABLE load_batches AS SELECT t.ticket, t.grade, b.* FROM batches b LEFT JOIN ({tickets}) t USING (line, number)"
        )

    def peaks(self, names: list[str], buckets: int = 1000) -> dict[str, tuple[list[int], list[float | None]]]:
        """Tags over time in at most two points a bucket, its least and its greatest value, so that no peak is lost.

        A null breaks the curve where nothing was recorded.
        """
        if not names:
            return {}
        width = max(self.span_s / buckets, 1e-3)
        ask = ["count(*) AS n", "min(time_s) AS first"]
        for i, name in enumerate(names):
            low, high = (quoted(f"{name}{end}" if f"{name}{end}" in self.tags else name) for end in (".min", ".max"))
            ask += [
                f"min({low}) AS low{i}, arg_min(time_s, {low}) AS low_at{i}, max({high}) AS high{i}, arg_max(time_s, {high}) AS high_at{i}"
            ]
        rows = self.rows(f"SELECT floor(time_s / {width}) AS bucket, {', '.join(ask)} FROM tags GROUP BY bucket ORDER BY bucket")
        step = self.one(
            "SELECT median(d) AS step FROM (SELECT time_s - lag(time_s) OVER (ORDER BY time_s) AS d FROM (SELECT time_s FROM tags LIMIT 2000))"
        )["step"]
        gap = max(3 * width, 5 * (step or 1.0))
        return {name: self._curve(rows, i, gap) for i, name in enumerate(names)}

    def _curve(self, rows: list[dict[str, Any]], i: int, gap: float) -> tuple[list[int], list[float | None]]:
        x: list[int] = []
        y: list[float | None] = []
        last = None
        for row in rows:
            if row[f"low{i}"] is None:
                continue
            if last is not None and row["first"] - last > gap:
                x.append(self.zero_ms + round(last * 1000) + 1)
                y.append(None)
            points = {(row[f"low_at{i}"], row[f"low{i}"]), (row[f"high_at{i}"], row[f"high{i}"])}
            for at, value in sorted(points):
                x.append(self.zero_ms + round(at * 1000))
                y.append(round(value, 3))
            last = max(row[f"low_at{i}"], row[f"high_at{i}"])
        return x, y

    def bands(self, names: list[str]) -> dict[str, dict[str, list[Any]]]:
        """Tags of a long run: least, mean and greatest value of each day (of each hour in short runs)."""
        grain = "day" if self.long else "hour"
        ask = []
        for i, name in enumerate(names):
            low, high = (quoted(f"{name}{end}" if f"{name}{end}" in self.tags else name) for end in (".min", ".max"))
            ask.append(f"round(min({low}), 3) AS low{i}, round(avg({quoted(name)}), 3) AS mean{i}, round(max({high}), 3) AS high{i}")
        if not ask:
            return {}
        c = self.columns(
            f"SELECT epoch_ms(date_trunc('{grain}', epoch_ms({self.ms('time_s')}))) AS at_ms, {', '.join(ask)} FROM tags GROUP BY at_ms ORDER BY at_ms"
        )
        return {n: {"x": c["at_ms"], "low": c[f"low{i}"], "mean": c[f"mean{i}"], "high": c[f"high{i}"]} for i, n in enumerate(names)}
