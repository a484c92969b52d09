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
NAMES = b"columns"


def write_blocks(folder: Path, number: int, rows: pa.Table) -> None:
    """Write the blocks of one part of the tags table; nothing for a small part.

    Raises:
        OSError: it cannot be written.
    """
    if rows.num_rows < BLOCK:
        return
    starts = np.arange(0, rows.num_rows, BLOCK)
    ends = np.append(starts[1:], rows.num_rows)
    time_s, names = rows["time_s"].to_numpy(), rows.column_names[1:]
    # all columns at once: one by one the interpreter would be given up, and waited for, four thousand times
    values = rows.drop_columns("time_s").combine_chunks().to_batches()[0].to_tensor(row_major=False).to_numpy()
    least, greatest = (kind.reduceat(values, starts, axis=0) for kind in (np.minimum, np.maximum))
    # a list a block: a column of its own for each of four thousand figures takes ten times as long to write
    blocks = pa.table(
        {"first_s": time_s[starts], "last_s": time_s[ends - 1], "rows": ends - starts, "least": _lists(least), "greatest": _lists(greatest)}
    )
    part = folder / f"blocks-{number:05d}.tmp"
    pq.write_table(blocks.replace_schema_metadata({NAMES: "\n".join(names)}), part, compression="zstd", use_dictionary=False)
    os.replace(part, folder / f"blocks-{number:05d}.pq")


def _lists(values: NDArray[np.int32]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def read_blocks(run: Run, columns: list[str]) -> pa.Table | None:
    """Blocks of a run in the order of time: `first_s`, `last_s`, and least and greatest of each column, as recorded.

    Returns:
        None where the blocks do not hold all rows, as of a run that was recorded slowly.
    """
    files = sorted((run.path / "tags").glob("blocks-*.pq"))
    if not files:
        return None
    tables = [pq.read_table(f) for f in files]
    names = (tables[0].schema.metadata or {}).get(NAMES, b"").decode().split("\n")
    if not set(columns) <= set(names):  # recorded by an older version
        return None
    found = pa.concat_tables(tables).sort_by("first_s").combine_chunks()
    if found["rows"].to_numpy().sum() != run.sql("SELECT count(*) AS n FROM tags").to_pylist()[0]["n"]:
        return None
    blocks = {k: found[k] for k in ("first_s", "last_s", "rows")}
    for kind, ends in ((LEAST, "least"), (GREATEST, "greatest")):
        values = found[ends].chunk(0).flatten().to_numpy().reshape(found.num_rows, len(names))
        blocks |= {kind + c: values[:, names.index(c)] for c in columns}
    return pa.table(blocks)
