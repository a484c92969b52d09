"""A run whose tables are kept in memory: for figures of runs that nobody will open again, without a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from scenarios.later import Rows, made
from scenarios.run import Run
from twin.errors import unknown

if TYPE_CHECKING:
    import duckdb


class Kept(Run):
    """Takes a run's rows as its writer does, and is read as a recorded run is.

    Attributes:
        recent: None; nobody looks while it goes on.
    """

    def __init__(self, info: dict[str, Any]) -> None:
        self.path = Path("memory")
        self.info = info | {"state": "running"}
        self.tables: list[str] = []
        self.recent = None
        self._parts: dict[str, list[pa.Table]] = {}
        self._duck: duckdb.DuckDBPyConnection | None = None
        self._viewed: set[str] = set()

    def append(self, table: str, rows: Rows) -> None:
        """Add rows to a table."""
        self._parts.setdefault(table, []).append(made(rows))

    def due(self) -> bool:
        """Nothing ever has to go to a disk."""
        return False

    def flush(self, wait: bool = False) -> None:
        """Nothing to do."""

    def close(self, state: str, outcome: dict[str, Any]) -> None:
        """The run has ended."""
        self.info |= {"state": state, "outcome": outcome | {"run": None}}
        self.tables = sorted(self._parts)

    @property
    def state(self) -> str:
        return str(self.info["state"])

    def _viewing(self, tables: list[str]) -> duckdb.DuckDBPyConnection:
        if self._duck is None:
            import duckdb

            self._duck = duckdb.connect(config={"threads": 1})
        for name in tables:
            if name not in self._viewed:
                self._viewed.add(name)
                self._duck.register(f"{name}_rows", pa.concat_tables(self._parts[name]))
                self._duck.execute(f"CREATE VIEW {name} AS SELECT {self._columns(name)} FROM {name}_rows")
        return self._duck

    def table(self, name: str) -> pa.Table:
        if name not in self.tables:
            raise unknown("table", name, self.tables)
        return self.sql(f"SELECT * FROM {name}") if name == "tags" else pa.concat_tables(self._parts[name])
