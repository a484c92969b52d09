"""The outbox: messages wait in an SQLite file until the platform has acknowledged them. What was put in is sent at least once, whatever ends the program."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from scenarios.platform.messages import Message
from twin.errors import BatchtwinError

TABLE = "CREATE TABLE IF NOT EXISTS messages (number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, ledger TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting', told TEXT)"
WAITING, SENT, REFUSED = "waiting", "sent", "refused"


class Outbox:
    """Messages and how far each has come.

    Args:
        path: the file; made when it is not there.

    Raises:
        BatchtwinError: E203 when it cannot be used.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=5.0)
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(TABLE)
        except sqlite3.Error as error:
            raise BatchtwinError("E203", path=self.path, problem=f"no outbox can be kept there ({error})") from None

    def put(self, some: Iterable[Message]) -> None:
        """Take messages in, all or none; those that are known already are left as they are.

        Raises:
            BatchtwinError: E203 when they cannot be written.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR IGNORE INTO messages (id, ledger, body) VALUES (?, ?, ?)",
                ((m.id, m.ledger, m.model_dump_json(warnings=False)) for m in some),
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise BatchtwinError("E203", path=self.path, problem=str(error)) from None

    def waiting(self) -> Iterator[tuple[str, str]]:
        """Identity and body of each message that is not acknowledged, in order of coming."""
        last = 0
        while found := self._db.execute(
            "SELECT number, id, body FROM messages WHERE state = ? AND number > ? ORDER BY number LIMIT 1", (WAITING, last)
        ).fetchone():
            last = found[0]
            yield found[1], found[2]

    def mark(self, identity: str, state: str, told: str = "") -> None:
        """Note what became of a message."""
        self._db.execute("UPDATE messages SET state = ?, told = ? WHERE id = ?", (state, told, identity))

    def counts(self) -> dict[str, int]:
        """Messages by state."""
        return {WAITING: 0, SENT: 0, REFUSED: 0} | dict(self._db.execute("SELECT state, count(*) FROM messages GROUP BY state"))

    def refusals(self) -> list[tuple[str, str]]:
        """Ledger of each message that the platform refused, and why."""
        return list(self._db.execute("SELECT ledger, told FROM messages WHERE state = ? ORDER BY number", (REFUSED,)))

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
