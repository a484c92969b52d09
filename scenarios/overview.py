"""Least and greatest value of each column of the tags table by blocks of rows, written beside its parts: a year at one row a second
is looked at without being read. Nobody else needs these files; without them one reads the rows.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scenarios.run import Run

BLOCK = 1200  # rows, of a part that has as many
LEAST, GREATEST = "least ", "greatest "


def write_blocks(folder: Path, number: int, rows: pa.Table) -> None:
    """Write the blocks of one part of the tags table; nothing for a small part.

    Raises:
        OSError: it cannot be written.
    """
    if rows.num_rows < BLOCK:
        return
    starts = np.arange(0, rows.num_rows, BLOCK)
    ends = np.append(starts[1:], rows.num_rows)
    time_s = rows["time_s"].to_numpy()
    columns: dict[str, NDArray[np.generic]] = {"first_s": time_s[starts], "last_s": time_s[ends - 1], "rows": ends - starts}
    for name in rows.column_names[1:]:
        values = rows[name].to_numpy()
        columns[LEAST + name] = np.minimum.reduceat(values, starts)
        columns[GREATEST + name] = np.maximum.reduceat(values, starts)
    part = folder / f"blocks-{number:05d}.tmp"
    # neither dictionaries nor statistics pay for a few rows of two thousand columns
    pq.write_table(pa.table(columns), part, compression="zstd", use_dictionary=False, write_statistics=False)
    os.replace(part, folder / f"blocks-{number:05d}.pq")


def read_blocks(run: Run, columns: list[str]) -> pa.Table | None:
    """Blocks of a run in the order of time: `first_s`, `last_s`, and least and greatest of each column, as recorded.

    Returns:
        None where the blocks do not hold all rows, as of a run that was recorded slowly.
    """
    files = sorted((run.path / "tags").glob("blocks-*.pq"))
    if not files:
        return None
    wanted = ["first_s", "last_s", "rows", *dict.fromkeys(kind + c for c in columns for kind in (LEAST, GREATEST))]
    found = pa.concat_tables([pq.read_table(f, columns=wanted) for f in files])
    rows = run.sql("SELECT count(*) AS n FROM tags").to_pylist()[0]["n"]
    return found.sort_by("first_s") if found["rows"].to_numpy().sum() == rows else None
