"""Ledgers as files, and on their way to a platform that loses, refuses and is away."""

from __future__ import annotations

import csv
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
import uvicorn
from openpyxl import load_workbook

from scenarios import ledgers
from scenarios.platform import sender
from scenarios.platform.messages import MODELS, kind, messages
from scenarios.platform.outbox import Outbox
from scenarios.platform.receiver import application
from scenarios.platform.sender import send
from scenarios.run import Run
from twin.errors import BatchtwinError

TYPES = {
    datetime: pa.types.is_timestamp,
    int: pa.types.is_integer,
    str: pa.types.is_string,
    bool: pa.types.is_boolean,
    float: pa.types.is_floating,
}


@pytest.fixture(scope="module")
def run(play: Callable[..., Any], scenario: Callable[..., Any]) -> Run:
    """An hour and a half of a benchmark plant; one site is named like a formula."""
    orders = [{"site": "=HYPERLINK(1)", "grade": "C30", "volume_m3": 60, "start": "06:02", "drive": "5min", "pour": "5min"}]
    found: Run = play(scenario(orders=orders, design="benchmark-180"), design="benchmark-180", fidelity="batch").run
    return found


def test_every_column_has_its_type_and_both_names(run: Run) -> None:
    assert [ledger.name for ledger in ledgers.of(run)] == [ledger.name for ledger in ledgers.LEDGERS]
    for ledger in ledgers.LEDGERS:
        table = ledgers.rows(run, ledger)
        assert table.column_names == ledger.columns
        for field in table.schema:
            assert TYPES[kind(field.name)](field.type), f"{ledger.name}.{field.name}: {field.type}"
            assert all(ledgers.COLUMNS[field.name])
    assert {c for ledger in ledgers.LEDGERS for c in ledger.columns} == set(ledgers.COLUMNS)


def test_a_workbook_holds_what_the_run_holds(run: Run, tmp_path: Path) -> None:
    (path,) = ledgers.write(run, tmp_path, "xlsx")
    book = load_workbook(path)
    assert book.sheetnames == [ledger.zh for ledger in ledgers.LEDGERS]
    sheet = list(book["运输台账"].iter_rows(values_only=True))
    tickets = run.df("deliveries")
    assert len(sheet) == len(tickets) + 1 and sheet[0][0] == "发货单号 ticket"
    assert [row[5] for row in sheet[1:]] == pytest.approx(list(tickets.volume_m3))
    assert {row[1] for row in sheet[1:]} == {"'=HYPERLINK(1)"}
    assert sheet[1][8] == pytest.approx(datetime(2026, 5, 11, 6), abs=timedelta(hours=1))


def test_csv_is_for_spreadsheets_of_the_region(run: Run, tmp_path: Path) -> None:
    files = ledgers.write(run, tmp_path, "csv")
    assert [f.stem for f in files] == [ledger.name for ledger in ledgers.LEDGERS]
    text = (tmp_path / "deliveries.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(text.decode("utf-8-sig").splitlines()))
    assert len(rows) == len(run.df("deliveries")) and rows[0]["工程 site"] == "'=HYPERLINK(1)"


def test_a_folder_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BatchtwinError, match="cannot write .*below: Not a directory"):
        ledgers.write(run, tmp_path / "file" / "below")


# --- to the platform --------------------------------------------------------------------------------------


@contextmanager
def platform(**luck: Any) -> Iterator[str]:
    """A platform on a free port."""
    server = uvicorn.Server(uvicorn.Config(application(**luck), port=0, log_level="critical", access_log=False))
    began = threading.Event()
    plain = server.startup

    async def startup(sockets: Any = None) -> None:
        await plain(sockets)
        began.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert began.wait(30)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def held(url: str, ledger: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = httpx.get(f"{url}/ledgers/{ledger}").json()
    return rows


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_and_nothing_doubled_by_a_platform_that_loses_half(
    run: Run, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(sender, "LONGEST_WAIT_S", 0.01)
    box = Outbox(tmp_path / "outbox")
    box.put(messages(run))
    many = box.counts()["waiting"]
    with platform(lost=0.5, busy=0.2, seed=seed) as url:
        assert send(box, url) == {"waiting": 0, "sent": many, "refused": 0}
        for ledger in ledgers.of(run):
            table = ledgers.rows(run, ledger)
            got = [
                MODELS[ledger.name].model_fields["rows"].annotation.__args__[0].model_validate(row).model_dump()
                for row in held(url, ledger.name)
            ]  # type: ignore[union-attr]
            assert got == table.to_pylist()
        assert sum(of["repeated"] for of in httpx.get(f"{url}/ledgers").json().values()) > 0  # answers were lost, too
    box.close()


def test_a_platform_that_is_away_leaves_all_waiting_for_the_next_time(run: Run, tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox")
    box.put(messages(run))
    many = box.counts()["waiting"]
    with platform() as url:
        pass
    with pytest.raises(BatchtwinError, match=f"takes nothing.*{many} messages wait in .*outbox"):
        send(box, url, patience_s=0.0)
    box.close()
    again = Outbox(tmp_path / "outbox")
    again.put(messages(run))  # the same command once more
    assert again.counts()["waiting"] == many
    with platform() as url:
        assert send(again, url)["sent"] == many
    again.close()


def test_what_the_platform_refuses_is_kept_apart_and_the_rest_goes_on(run: Run, tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox")
    box.put(messages(run))
    many = box.counts()["waiting"]
    box.close()
    with sqlite3.connect(tmp_path / "outbox") as db:
        body = json.loads(db.execute("SELECT body FROM messages WHERE ledger = 'deliveries'").fetchone()[0])
        body["rows"][0]["volume_m3"] = "six"
        db.execute("UPDATE messages SET body = ? WHERE ledger = 'deliveries'", (json.dumps(body),))
    box = Outbox(tmp_path / "outbox")
    with platform() as url:
        assert send(box, url) == {"waiting": 0, "sent": many - 1, "refused": 1}
        assert held(url, "deliveries") == []
    ((ledger, why),) = box.refusals()
    assert ledger == "deliveries" and "volume_m3" in why
    box.close()


@pytest.mark.parametrize("bad", [b"", b"[1]", b"{}", b'{"ledger": "gossip"}', b"\xff" * 50])
def test_the_platform_refuses_what_is_no_message(bad: bytes) -> None:
    with platform() as url:
        answer = httpx.post(f"{url}/ledgers", content=bad)
        assert answer.status_code == 400 and "deliveries" in answer.json()["error"]


def test_another_message_under_a_known_identity_is_refused(run: Run) -> None:
    first = next(iter(messages(run)))
    other = first.model_copy(update={"plant": "elsewhere"})
    with platform() as url:
        assert httpx.post(f"{url}/ledgers", content=first.model_dump_json(warnings=False)).json() == {"id": first.id, "again": False}
        assert httpx.post(f"{url}/ledgers", content=other.model_dump_json(warnings=False)).status_code == 409
