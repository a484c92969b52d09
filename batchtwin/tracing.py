"""`batchtwin trace`: a delivery back to its lots and on to its cubes, or a lot to its deliveries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchtwin import options
from batchtwin.options import Json, Lang
from twin.errors import BatchtwinError

if TYPE_CHECKING:
    from scenarios.trace import Rows, Trace

TITLES = {
    "delivery": ("Delivery", "发货单"), "batches": ("Batches", "盘次"), "weighings": ("Weighings and deviations", "计量与偏差"), "lots": ("Lots and suppliers", "批次与供应商"),
    "samples": ("Samples", "试样"), "cubes": ("Cubes", "试件"), "gate": ("Gate", "出入门"), "violations": ("Violations", "违规"), "returned": ("Returned", "退回"),
    "lot": ("Lot", "批次"), "deliveries": ("Deliveries that hold some of it", "使用该批次的发货单"),
}  # fmt: skip
NONE = ("none", "无")
DIGITS = {"kg": 1, "mm": 0, "mpa": 1, "percent": 2, "c": 1, "m3": 2, "s": 0, "min": 1}


def trace(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    ticket: Annotated[int | None, typer.Option(metavar="T", help="Ticket of a delivery: back to its lots, on to its cubes.")] = None,
    lot: Annotated[int | None, typer.Option(metavar="N", help="Lot of material: on to all deliveries that hold some of it.")] = None,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Trace a delivery to batches, lots, suppliers, moisture, deviations and cubes, or a lot back to its deliveries."""
    from scenarios.run import open_run
    from scenarios.trace import trace_lot, trace_ticket

    if (ticket is None) == (lot is None):
        raise BatchtwinError("E101", where="trace", problem="needs one of --ticket and --lot", mend="give either of them")
    run = open_run(folder)
    found = trace_ticket(run, ticket) if ticket is not None else trace_lot(run, lot or 0)
    if as_json:
        print(json.dumps(found.as_json(), indent=1, ensure_ascii=False, default=str))
    else:
        show(found, options.language)


def show(trace: Trace, language: str) -> None:
    """A table each, in the order of the way; a single row as labelled lines."""
    from batchtwin.show import facts, table

    zh = language == "zh"
    for name, rows in trace.tables.items():
        title = TITLES[name][zh]
        if not rows:
            facts([("–", NONE[zh])], title)
        elif name in ("delivery", "lot"):
            facts([(k, _told(k, v)) for k, v in rows[0].items() if v is not None], title)
        else:
            table(_short(rows), title)


def _short(rows: Rows) -> list[dict[str, Any]]:
    """Rows with figures as long as they are worth."""
    return [{k: _told(k, v) for k, v in row.items()} for row in rows]


def _told(column: str, value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, float):
        return f"{value:.{DIGITS.get(column.rsplit('_', 1)[-1], 3)}f}"
    return str(value)
