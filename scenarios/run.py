"""Reading a run: tables as Arrow or pandas through DuckDB."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.store import WHOLE, is_being_written
from twin.errors import BatchtwinError, unknown

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa


class Run:
    """A recorded run.

    Attributes:
        path: its folder.
        info: content of `run.json`.
        state: `complete`, `cut` (killed or stopped early), `failed`, or `running`.
        tables: names of its tables.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.info: dict[str, Any] = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BatchtwinError("E201", path=self.path, problem="there is no run.json") from None
        except (OSError, ValueError):
            raise BatchtwinError("E201", path=self.path, problem="run.json cannot be read") from None
        if not isinstance(self.info, dict):
            raise BatchtwinError("E201", path=self.path, problem="run.json holds no mapping")
        self.tables = sorted(p.name for p in self.path.iterdir() if p.is_dir() and any(p.glob("*.parquet")))
        self._duck: duckdb.DuckDBPyConnection | None = None
        self._viewed: set[str] = set()

    @property
    def state(self) -> str:
        """How the run stands now."""
        state = str(self.info.get("state", "failed"))
        if state == "running" and not is_being_written(self.path):
            return "cut"
        return state

    @property
    def outcome(self) -> dict[str, Any]:
        """The run's closing figures; only `state` when it was cut."""
        return self.info.get("outcome") or {"run": str(self.path), "state": self.state}

    @property
    def duck(self) -> duckdb.DuckDBPyConnection:
        """DuckDB connection with a view for each table; the tags table in engineering units."""
        return self._viewing(self.tables)

    def _viewing(self, tables: list[str]) -> duckdb.DuckDBPyConnection:
        """The connection with a view for each of some tables at least: that of the tags, with a thousand columns, takes longer than most queries."""
        if self._duck is None:
            import duckdb

            self._duck = duckdb.connect()
            with suppress(duckdb.CatalogException):  # versions without the setting; a nested loop took 10 s over a year's alarms
                self._duck.execute("SET asof_loop_join_threshold = 0")
        for table in tables:
            if table not in self._viewed:
                self._viewed.add(table)
                whole = self._whole(table)
                files = str(whole if whole.exists() else self.path / table / "part-*.parquet").replace("'", "''")
                self._duck.execute(f"CREATE VIEW {table} AS SELECT {self._columns(table)} FROM read_parquet('{files}')")
        return self._duck

    def _whole(self, table: str) -> Path:
        """The file of a table that was written in many parts; it stands once the run has ended."""
        return self.path / table / WHOLE

    def files(self, table: str) -> list[Path]:
        """The files of a table, in the order of time."""
        whole = self._whole(table)
        return [whole] if whole.exists() else sorted((self.path / table).glob("part-*.parquet"))

    def _columns(self, table: str) -> str:
        """Scaled integers back to units."""
        scale = self.info.get("resolution", {})
        if table != "tags" or not scale:
            return "*"
        return ", ".join(["time_s"] + [f'"{c}" * {r!r}::DOUBLE AS "{c}"' if r != 1 else f'"{c}"' for c, r in scale.items()])

    def sql(self, query: str) -> pa.Table:
        """Result of a SQL query over the run's tables."""
        asked = query.lower()
        return self._viewing([t for t in self.tables if t.lower() in asked]).sql(query).to_arrow_table()

    def table(self, name: str) -> pa.Table:
        """A whole table as Arrow.

        Raises:
            BatchtwinError: E102 for a table the run does not have.
        """
        if name not in self.tables:
            raise unknown("table", name, self.tables)
        return self.sql(f"SELECT * FROM {name}")

    def df(self, name: str) -> pd.DataFrame:
        """A whole table as a pandas data frame."""
        return self.table(name).to_pandas()


def open_run(path: str | Path) -> Run:
    """Open a run folder, also one that is still being written or was cut.

    Raises:
        BatchtwinError: E201 when the folder is no run.

    Example:
        >>> from tempfile import mkdtemp
        >>> from scenarios.simulation import Simulation
        >>> folder = mkdtemp()
        >>> _ = Simulation("working-day", until_s=5, out=folder).run()
        >>> open_run(folder).sql("SELECT count(*) AS seconds, max(time_s) AS last FROM tags").to_pylist()
        [{'seconds': 5, 'last': 5.0}]
    """
    return Run(path)
