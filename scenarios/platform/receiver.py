"""A platform to test against: it checks messages against their models, keeps each once, and can be made as bad as a real one on a bad day."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from random import Random
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from scenarios.platform.messages import MODELS, schemas

LARGEST = 1_000_000  # bytes of a message
TABLE = "CREATE TABLE IF NOT EXISTS received (id TEXT PRIMARY KEY, ledger TEXT NOT NULL, rows INTEGER NOT NULL, body TEXT NOT NULL, times INTEGER NOT NULL DEFAULT 1)"


def application(store: Path | str = ":memory:", lost: float = 0.0, busy: float = 0.0, delay_s: float = 0.0, seed: int = 1) -> FastAPI:
    """The platform as an application.

    Args:
        store: SQLite file of what was received.
        lost: share of messages that are lost: half of them before they are kept, half of them only the answer.
        busy: share of messages that are answered 503.
        delay_s: mean time to an answer, s.
        seed: of the bad luck.
    """
    db = sqlite3.connect(store, isolation_level=None, check_same_thread=False)
    db.execute(TABLE)
    chance = Random(seed)
    app = FastAPI(title="batchtwin: a platform to test against", docs_url=None, redoc_url=None)

    def keep(raw: bytes) -> tuple[int, dict[str, Any]]:
        try:
            data = json.loads(raw)
            model = MODELS[data["ledger"]]
        except (ValueError, TypeError, KeyError):
            return 400, {"error": f"no message of a ledger; ledgers: {', '.join(MODELS)}"}
        try:
            message = model.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors()[0]
            return 422, {"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}
        body = raw.decode()
        known = db.execute("SELECT body FROM received WHERE id = ?", (message.id,)).fetchone()
        if known and known[0] != body:
            return 409, {"error": "another message has this id"}
        db.execute(
            "INSERT INTO received (id, ledger, rows, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET times = times + 1",
            (message.id, message.ledger, len(message.rows), body),
        )
        return 200, {"id": message.id, "again": bool(known)}

    @app.post("/ledgers")
    async def take(request: Request) -> JSONResponse:
        """Take a message: 200 with its id once it is kept."""
        raw = await request.body()
        if delay_s:
            await asyncio.sleep(chance.expovariate(1.0 / delay_s))
        luck = chance.random()
        if luck < busy:
            return JSONResponse({"error": "busy"}, 503)
        if luck < busy + 0.5 * lost:
            return JSONResponse({"error": "lost on the way"}, 502)
        status, answer = keep(raw) if len(raw) <= LARGEST else (413, {"error": f"more than {LARGEST} bytes"})
        if status == 200 and luck < busy + lost:
            return JSONResponse({"error": "the answer is lost"}, 502)
        return JSONResponse(answer, status)

    @app.get("/ledgers")
    async def held() -> dict[str, Any]:
        """Messages and rows of each ledger, and messages that came more than once."""
        found = db.execute("SELECT ledger, count(*), sum(rows), sum(times > 1) FROM received GROUP BY ledger ORDER BY ledger")
        return {ledger: {"messages": n, "rows": rows, "repeated": again} for ledger, n, rows, again in found}

    @app.get("/ledgers/{ledger}")
    async def rows(ledger: str) -> list[dict[str, Any]]:
        """All rows of a ledger in the order of coming."""
        return [
            row
            for (body,) in db.execute("SELECT body FROM received WHERE ledger = ? ORDER BY rowid", (ledger,))
            for row in json.loads(body)["rows"]
        ]

    @app.get("/schema")
    async def schema() -> dict[str, Any]:
        """JSON Schema of the messages of each ledger."""
        return schemas()

    return app
