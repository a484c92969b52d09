"""The messages: some rows of one ledger, under an identity that the same rows always have. Their form is that of pydantic models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from scenarios.ledgers import COLUMNS, LEDGERS, of, rows
from scenarios.run import Run

ROWS = 200  # of one message
VERSION = 1  # of the form
WHOLE = {"lot", "shift", "tester", "sample", "ticket", "number", "batch", "redoses", "truck", "age_d"}
TEXT = {"store", "material", "supplier", "kind", "source", "result", "released_by", "inspection", "grade", "recipe", "proposed_by", "signed_by", "order", "line", "rule", "disposition", "outcome", "way", "remark", "reason",
        "decision", "decided_by", "action", "monitor", "text", "target", "species"}  # fmt: skip
YES_OR_NO = {"passed", "washed"}


def kind(column: str) -> type:
    """Type of a column."""
    if column.endswith("_at"):
        return datetime
    return int if column in WHOLE else str if column in TEXT else bool if column in YES_OR_NO else float


class Message(BaseModel):
    """What every message has; `rows` are of the ledger's own model.

    Attributes:
        id: the same rows of the same run have the same.
        plant, run: name of the design, and of the run.
    """

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    version: int = Field(ge=VERSION, le=VERSION)
    plant: str = Field(max_length=200)
    run: str = Field(max_length=200)
    ledger: str
    rows: list[Any] = Field(min_length=1, max_length=ROWS)


def _model(name: str, columns: list[str]) -> type[Message]:
    fields: dict[str, Any] = {c: (kind(c) | None, Field(None, description="; ".join(COLUMNS[c]))) for c in columns}
    row = create_model(f"{name} row", __config__=ConfigDict(extra="forbid"), **fields)
    return create_model(name, __base__=Message, rows=(list[row], Field(min_length=1, max_length=ROWS)))  # type: ignore[valid-type]


MODELS = {ledger.name: _model(ledger.name, ledger.columns) for ledger in LEDGERS}


def schemas() -> dict[str, Any]:
    """JSON Schema of the messages of each ledger."""
    return {name: model.model_json_schema() for name, model in MODELS.items()}


def messages(run: Run) -> Iterator[Message]:
    """All ledgers of a run as messages, in the order of the ledgers and their rows."""
    plant, name = str(run.info["design"]["name"]), run.path.name
    for ledger in of(run):
        table = rows(run, ledger).to_pylist()
        for first in range(0, len(table), ROWS):
            some = MODELS[ledger.name].model_construct(
                id="", version=VERSION, plant=plant, run=name, ledger=ledger.name, rows=table[first : first + ROWS]
            )
            some.id = hashlib.sha256(f"{run.info.get('seal')}{some.model_dump_json(warnings=False)}".encode()).hexdigest()[:32]
            yield some
