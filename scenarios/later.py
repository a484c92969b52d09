"""Tables that are made where there is time for it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TypeAlias

import pyarrow as pa


class Later:
    """A table of raw rows that is made when somebody wants it, once, in whichever thread that is.

    Attributes:
        schema, num_rows: of the table, known before.
    """

    def __init__(self, schema: pa.Schema, num_rows: int, make: Callable[[], pa.Table]) -> None:
        self.schema, self.num_rows = schema, num_rows
        self._make: Callable[[], pa.Table] | None = make
        self._table: pa.Table | None = None
        self._lock = Lock()

    def table(self) -> pa.Table:
        """The table itself."""
        with self._lock:
            if self._make is not None:
                self._table = self._make()
                self._make = None
            return self._table


Rows: TypeAlias = pa.Table | Later


def made(rows: Rows) -> pa.Table:
    """A table, made now if it was not before."""
    return rows.table() if isinstance(rows, Later) else rows
