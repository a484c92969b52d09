"""The user's state folder: certificates, users and the audit ledger of the OPC UA server and clients.

`$BATCHTWIN_STATE`, or `$XDG_STATE_HOME/batchtwin`, or `~/.local/state/batchtwin`; ours is `opcua/` in it, for its
owner only. A secret is made with mode 0600 at once, written beside its place and renamed, and refused if others can read it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from twin.errors import BatchtwinError

Both = tuple[str, str]  # a text in English and Chinese


class AccessError(BatchtwinError):
    """What is wrong with a certificate, a user or a file of the state folder, and its mend; both in two languages."""

    def __init__(self, problem: Both, mend: Both) -> None:
        self._zh = {"problem": problem[1], "mend": mend[1]}
        super().__init__("E401", problem=problem[0], mend=mend[0])

    def text(self, language: str = "en") -> str:
        return BatchtwinError("E401", **self._zh).text("zh") if language == "zh" else super().text(language)


def state_folder() -> Path:
    """Folder of the OPC UA state; it need not exist yet."""
    e = os.environ
    base = e.get("BATCHTWIN_STATE") or (f"{e['XDG_STATE_HOME']}/batchtwin" if e.get("XDG_STATE_HOME") else "~/.local/state/batchtwin")
    return Path(base).expanduser().absolute() / "opcua"


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it, for its owner only.

    Raises:
        AccessError: others could put files into it, or it cannot be made.
    """
    try:
        for part in [*reversed(path.parents), path]:
            if not part.exists():
                with suppress(FileExistsError):
                    part.mkdir(mode=0o700)
        found = path.stat()
    except OSError as error:
        raise _cannot(path, error) from None
    if not stat.S_ISDIR(found.st_mode):
        raise AccessError((f"{path} is no folder", f"{path} 不是文件夹"), ("move it away", "请将其移走"))
    if found.st_mode & 0o022:
        raise AccessError((f"others may write into {path}", f"其他用户可写入 {path}"), (f"chmod 700 {path}", f"请执行 chmod 700 {path}"))
    return path


def write_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file in one stroke: whoever reads it sees the old or the new one, whole.

    Raises:
        AccessError: it cannot be written.
    """
    private_folder(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _cannot(path, error) from None


def read_secret(path: Path, most: int = 16 * 1024 * 1024) -> bytes:
    """Contents of a secret.

    Args:
        most: bytes; a longer file is no such secret.

    Raises:
        FileNotFoundError: there is none.
        AccessError: others can read or write it, or it cannot be read.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a FIFO must not hold us
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > most:
                raise AccessError((f"{path} is not what it should be", f"{path} 不是应有的文件"), ("move it away", "请将其移走"))
            check_secret(path, found)
            return file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _cannot(path, error) from None


def check_secret(path: Path, found: os.stat_result) -> None:
    """A secret is for its owner only.

    Raises:
        AccessError: others can read or write it.
    """
    if found.st_mode & 0o077:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        raise AccessError(
            (f"{path} is secret but others may use it (mode {mode})", f"{path} 为机密文件，但其他用户可访问（权限 {mode}）"),
            (f"chmod 600 {path}", f"请执行 chmod 600 {path}"),
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file while it is read, changed and written; another process waits."""
    private_folder(path.parent)
    try:
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot(path, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def printable(text: str, most: int = 200) -> str:
    """A foreign text on one line, without control characters and cut; it can neither forge lines nor move a terminal's cursor."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


def _cannot(path: Path, error: OSError) -> AccessError:
    why = error.strerror or str(error)
    return AccessError((f"{path}: {why}", f"{path}：{why}"), ("make it readable and writable for you", "请确保您对其可读写"))
