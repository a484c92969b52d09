"""The audit ledger: who came, what they wrote and called, and what was refused; one line each, kept by `opcua_server.access.chain`."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from opcua_server.access.chain import Chain
from opcua_server.access.state import AccessError

Kind = Literal["start", "stop", "channel", "certificate", "login", "logout", "write", "call", "refused", "access"]
FIELDS = ("user", "session", "peer", "name", "old", "value", "status", "sim_s")

FLUSH_S = 1.0
MOST_WAITING = 50_000  # records in memory; more are lost
PIECE = 200  # records in one stroke
MOST_CHARACTERS = 32_768  # of the values of a record
MOST_TEXT, MOST_ITEMS, DEEPEST = 256, 1_024, 4
log = logging.getLogger("batchtwin.audit")


class Audit:
    """The ledger as a server writes it. Records wait in memory; a thread of our own writes them once a second.

    Args:
        path: `audit.jsonl`; full files become `audit.jsonl.1`, the youngest, and so on. Several processes may share them.
        max_bytes: size at which a file is full.
        files: how many full files are kept.

    Attributes:
        lost: records that found neither place on the disk nor in memory.

    Raises:
        AccessError: others can read the file, or its folder cannot be made.
    """

    def __init__(self, path: Path, max_bytes: int = 16 * 1024 * 1024, files: int = 8) -> None:
        self.lost = 0
        self._chain = Chain(path, max_bytes, files)
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._told = 0
        self._failing = False
        self._some, self._closing, self._flushing = threading.Event(), threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def record(self, kind: Kind, user: str = "", session: object = "", peer: str = "", name: Any = None, old: Any = None,
               value: Any = None, status: Any = None, sim_s: float | None = None) -> None:  # fmt: skip
        """Note what happened; returns at once.

        Args:
            name: tag, method or certificate; a list for a request with several.
            old, value: value before, and written; or the arguments of a method. Lists go with that of `name`.
            status: StatusCodes, as numbers or names; one where all are the same.
            sim_s: simulated time.
        """
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            return
        self._waiting.append((time.time(), kind, user, session, peer, _keep(name), _keep(old), _keep(value), _keep(status), sim_s))
        if not self._some.is_set():
            self._some.set()

    def flush(self) -> None:
        """Write what waits. What a full disk cannot take waits on; that is told once."""
        with self._flushing:
            if self.lost > self._told and not self._failing:
                self._waiting.append((time.time(), "lost", "", "", "", None, None, self.lost - self._told, None, None))
                self._told = self.lost
            left = len(self._waiting)
            while left > 0:
                piece = [self._waiting.popleft() for _ in range(min(PIECE, left))]
                try:
                    self._chain.append([_entry(r) for r in piece])
                except (OSError, AccessError) as error:
                    self._waiting.extendleft(reversed(piece))
                    if not self._failing:
                        log.error("the audit ledger cannot be written, records wait in memory: %s", error)
                    self._failing = True
                    self._some.set()  # to be tried again
                    return
                self._failing = False
                left -= len(piece)

    def close(self) -> None:
        """Write what waits and end."""
        self._closing.set()
        self._some.set()
        self._thread.join()
        self.flush()
        self.lost += len(self._waiting)
        self._waiting.clear()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._some.wait()
            self._some.clear()
            self._closing.wait(FLUSH_S)
            self.flush()


# --- what a line holds ------------------------------------------------------------------------------------


class _More(NamedTuple):
    left: int


def _keep(value: Any) -> Any:
    """A list as it is now, cut: whoever owns it may go on to change it."""
    if hasattr(value, "tolist"):
        value = value.tolist()  # NumPy
    if type(value) is not list:
        return value
    return tuple(value) if len(value) <= MOST_ITEMS else (*value[:MOST_ITEMS], _More(len(value) - MOST_ITEMS))


def _entry(record: tuple[Any, ...]) -> dict[str, Any]:
    entry: dict[str, Any] = {"t": datetime.fromtimestamp(record[0], UTC).isoformat(timespec="milliseconds"), "kind": record[1]}
    room = [MOST_CHARACTERS]
    for key, value in zip(FIELDS, record[2:], strict=True):
        if value is None or (isinstance(value, str) and not value):
            continue
        if key == "status":
            value = [_status(v) for v in value] if isinstance(value, tuple) else _status(value)
            value = value[0] if isinstance(value, list) and value and all(v == value[0] for v in value) else value
        elif key == "session":
            value = _text(value, room)
        entry[key] = _short(value, room, DEEPEST)
    return entry


def _short(value: Any, room: list[int], depth: int) -> Any:
    """A foreign value as JSON, within the room that is left for the record."""
    room[0] -= 4
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 1 << 63:
        room[0] -= 16
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        room[0] -= 16
        return float(value)
    if not isinstance(value, (list, tuple, dict)) or isinstance(value, _More):
        return _text(value, room)
    if depth <= 0:
        return "…"
    pairs = isinstance(value, dict)
    found: list[Any] = []
    for item in islice(value.items() if isinstance(value, dict) else value, MOST_ITEMS + 1):
        if room[0] <= 0:
            found.append(("…", "…") if pairs else "…")
            break
        found.append((_text(item[0], room), _short(item[1], room, depth - 1)) if pairs else _short(item, room, depth - 1))
    return dict(found) if pairs else found


def _text(value: Any, room: list[int]) -> str:
    if isinstance(value, _More):
        text = f"… {value.left} more"
    elif isinstance(value, bytes):
        text = "0x" + value[:MOST_TEXT].hex()
    elif isinstance(value, int) and abs(value) >= 1 << 63:  # Python writes no decimal number of any length
        text = hex(value)
    else:
        try:
            text = str(value)
        except Exception:  # whatever a foreign object's text may do
            text = type(value).__name__
    most = max(0, min(MOST_TEXT, room[0]))
    room[0] -= min(len(text), most) + 4
    return text if len(text) <= most else text[:most] + "…"


@lru_cache(256)
def _name_of(code: int) -> str:
    from asyncua.ua.status_codes import get_name_and_doc

    return str(get_name_and_doc(code)[0])


def _status(code: Any) -> Any:
    code = getattr(code, "value", code)
    return _name_of(code) if isinstance(code, int) and 0 <= code < 1 << 32 else code
