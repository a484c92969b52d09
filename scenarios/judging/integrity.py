"""Is a run whole? SHA-256 of every table's parts, and of `run.json`, written when a run closes and looked at before it is judged.

A seal shows that a run was changed after it was closed; it is no signature: who edits a table and makes the seal anew is not
found out. Replaying the run (`batchtwin replay`) is: it ends in the recorded state or it does not.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin.errors import BatchtwinError
from twin.version import VERSION

if TYPE_CHECKING:
    from scenarios.run import Run


def table_hashes(folder: Path) -> dict[str, dict[str, str]]:
    """SHA-256 of each Parquet file, by table and file name."""
    out: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*/*.parquet")):
        with open(path, "rb") as file:
            out.setdefault(path.parent.name, {})[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return out


def seal_of(info: dict[str, Any]) -> str:
    """SHA-256 of all that `run.json` says, but for the seal itself."""
    said = json.dumps({k: v for k, v in info.items() if k != "seal"}, sort_keys=True, ensure_ascii=False, default=str)
    said = json.dumps(json.loads(said), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()


def sealed(info: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The content of `run.json` with the hashes of the tables and the seal."""
    info = info | {"hashes": table_hashes(folder)}
    return info | {"seal": seal_of(info)}


def check_whole(run: Run) -> None:
    """Refuse to judge what is no whole run of this version.

    Raises:
        BatchtwinError: E204, with the one thing that is wrong first: still going, cut, of another version, edited.
    """
    problem = _problem(run)
    if problem is not None:
        en, zh, mend_en, mend_zh = problem
        raise BatchtwinError("E204", path=run.path, problem=en, zh=zh, mend=mend_en, mend_zh=mend_zh)


def _problem(run: Run) -> tuple[str, str, str, str] | None:
    """What is wrong and the mend, in both languages."""
    info = run.info
    again = ("play it again", "请重新运行")
    if run.state == "running":
        return "it is still going on", "仍在运行", "judge it when it has ended", "请在结束后再判定"
    if run.state != "complete":
        words = {"cut": ("it was cut", "运行被中断"), "failed": ("it failed", "运行失败")}
        return *words.get(run.state, (f"its state is {run.state}", f"状态为 {run.state}")), *again
    if info.get("recorded_from_s"):
        return f"recording began {info['recorded_from_s']:g} s late", f"记录晚开始 {info['recorded_from_s']:g} s", *again
    if info.get("version") != VERSION:
        was = info.get("version", "?")
        return f"it was played by batchtwin {was}, this is {VERSION}", f"由 batchtwin {was} 运行，当前版本为 {VERSION}", *again
    if "seal" not in info or "hashes" not in info:
        return "it has no seal", "没有封印", *again
    if info["seal"] != seal_of(info):
        return "run.json was changed after the run was closed", "run.json 在运行结束后被修改", *again
    return _changed(info["hashes"], table_hashes(run.path), again)


def _changed(was: dict[str, dict[str, str]], now: dict[str, dict[str, str]], again: tuple[str, str]) -> tuple[str, str, str, str] | None:
    """The first table that is not as it was."""
    for table in sorted(was.keys() | now.keys()):
        before, after = was.get(table, {}), now.get(table, {})
        for part in sorted(before.keys() | after.keys()):
            if before.get(part) == after.get(part):
                continue
            name = f"{table}/{part}"
            if part not in after:
                return f"{name} is missing", f"缺少 {name}", *again
            if part not in before:
                return f"{name} was added after the run was closed", f"{name} 系运行结束后添加", *again
            return f"{name} was changed after the run was closed", f"{name} 在运行结束后被修改", *again
    return None
