"""Files of JSON lines that only grow, each line bound to the one before it.

A line ends with the SHA-256 of that of the line before and of itself, so that a line changed, taken out or put in shows.
It is no proof against somebody who may write the file and computes all sums anew: for that, keep the last sum elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from opcua_server.access.state import AccessError, check_secret, locked, private_folder

MOST_LINE = 1 << 19  # bytes
START = "0" * 64
SUM_LENGTH = len(',"sum":""}') + 64


class Chain:
    """Files of entries that only grow.

    Args:
        path: the file that is being written; full ones become `path.1`, the youngest, and so on. Several processes may share them.
        max_bytes: size at which a file is full.
        files: how many full files are kept.

    Raises:
        AccessError: others can read the file, or its folder cannot be made.
    """

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        self.path, self.max_bytes, self.files = path, max_bytes, files
        self._left = (0, 0)  # inode and size as we left the file
        self._sum = START
        private_folder(path.parent)
        with suppress(FileNotFoundError):
            check_secret(path, path.stat())

    def append(self, entries: list[dict[str, Any]]) -> None:
        """Write entries, all or none.

        Raises:
            OSError, AccessError: the disk does not take them.
        """
        with locked(self.path):
            file = self._open()
            try:
                size = os.fstat(file).st_size
                total, lines = self._sum, bytearray()
                if not size:  # a file of its own says what it goes on from
                    entries = [{"kind": "file", "follows": total}, *entries]
                for entry in entries:
                    line, total = _line(entry, total)
                    lines += line
                try:
                    _write(file, lines)
                except OSError:
                    os.ftruncate(file, size)  # no half line
                    raise
                found = os.fstat(file)
                self._sum, self._left = total, (found.st_ino, found.st_size)
            finally:
                os.close(file)

    def _open(self) -> int:
        """The file, with room in it, and `_sum` as its last line has it."""
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                found = os.fstat(file)
                check_secret(self.path, found)
                if (found.st_ino, found.st_size) != self._left:  # ours for the first time, or another process has written
                    _drop_half_line(file, found.st_size)
                    self._sum = _last_sum(file) or _last_sum_of(self._full(1)) or START
                    found = os.fstat(file)
                if found.st_size < self.max_bytes:
                    return file
                for n in range(self.files, 0, -1):
                    with suppress(FileNotFoundError):
                        os.replace(self._full(n - 1), self._full(n))
                self._left = (0, 0)
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    def _full(self, n: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{n}") if n else self.path


def _line(entry: dict[str, Any], before: str) -> tuple[bytes, str]:
    """A line, and its sum."""
    body = json.dumps(entry, separators=(",", ":")).encode("ascii")  # escapes whatever could break a line or act on a terminal
    total = _sum_of(body, before)
    return body[:-1] + f',"sum":"{total}"}}\n'.encode("ascii"), total


def _sum_of(body: bytes, before: str) -> str:
    return hashlib.sha256(before.encode("ascii", "replace") + body).hexdigest()


def _write(file: int, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _tail(file: int) -> bytes:
    size = os.fstat(file).st_size
    return os.pread(file, MOST_LINE, max(0, size - MOST_LINE))


def _drop_half_line(file: int, size: int) -> None:
    """A process that was killed may leave half a line."""
    tail = _tail(file)
    os.ftruncate(file, size - len(tail) + tail.rfind(b"\n") + 1)


def _last_sum(file: int) -> str:
    found = re.search(rb'"sum":"([0-9a-f]{64})"\}\n$', _tail(file)[-128:])
    return found[1].decode() if found else ""


def _last_sum_of(path: Path) -> str:
    with suppress(OSError):
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _last_sum(file)
        finally:
            os.close(file)
    return ""


class Verified(NamedTuple):
    """What came of checking a ledger.

    Attributes:
        lines: how many are right, from the oldest on.
        fault: the file and line where the chain breaks, `""` if nowhere.
        last: sum of the last right line; kept elsewhere, it proves that everything up to there is as it was.
        follows: sum of the line before the oldest; zeros if the ledger is whole from its beginning.
    """

    lines: int
    fault: str
    last: str
    follows: str


def verify(path: Path) -> Verified:
    """Check a ledger from its oldest file on.

    Raises:
        AccessError: it cannot be read.
    """
    lines, total, follows = 0, "", START
    with locked(path):
        for name in reversed(_files(path)):
            number = 0
            for number, line in enumerate(_lines(name), 1):
                entry = _parsed(line)
                before = total or str(entry.get("follows"))  # the oldest line says what it goes on from
                if entry.get("sum") != _sum_of(line[: -SUM_LENGTH - 1] + b"}", before):
                    return Verified(lines, f"{name.name}:{number}", total or START, follows)
                follows = follows if total else before
                total, lines = str(entry["sum"]), lines + 1
            if not number and name != path:  # the youngest may be empty: the disk was full
                return Verified(lines, f"{name.name}:1", total or START, follows)
    return Verified(lines, "", total or START, follows)


def tail(path: Path, count: int) -> list[dict[str, Any]]:
    """The last entries of a ledger, oldest first, without the lines that only join its files.

    Raises:
        AccessError: it cannot be read.
    """
    found: list[dict[str, Any]] = []
    with locked(path):
        for name in _files(path):
            youngest = map(_parsed, deque(_lines(name), count - len(found) + 1))
            found = [*(e for e in youngest if e.get("kind") != "file"), *found][-count:]
            if len(found) >= count:
                break
    return found


def _files(path: Path) -> list[Path]:
    """Files of a ledger, youngest first."""
    numbered = [p for p in path.parent.glob(f"{path.name}.*") if re.fullmatch(r"\.[1-9]\d{0,8}", p.suffix)]
    return ([path] if path.exists() else []) + sorted(numbered, key=lambda p: int(p.suffix[1:]))


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            check_secret(path, os.fstat(file.fileno()))
            while line := file.readline(MOST_LINE):
                yield line
    except OSError as error:
        why = error.strerror or str(error)
        raise AccessError((f"{path}: {why}", f"{path}：{why}"), ("make it readable for you", "请确保您可读取")) from None


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    return entry if isinstance(entry, dict) else {"kind": "damaged", "value": line[:80].decode("ascii", "replace")}
