"""The audit ledger keeps what happened, in order, for its owner only, and shows when somebody has been at it."""

from __future__ import annotations

import json
import logging
import os
import threading
import time

import numpy as np
import pytest
from asyncua import ua

from opcua_server.access import audit as audits
from opcua_server.access import chain
from opcua_server.access.audit import Audit
from opcua_server.access.chain import START, tail, verify
from opcua_server.access.security import insecure
from opcua_server.access.state import AccessError, printable


@pytest.fixture
def path(tmp_path):
    return tmp_path / "opcua" / "audit.jsonl"


@pytest.fixture
def ledger(path, monkeypatch):
    """A ledger that writes when it is told to."""
    monkeypatch.setattr(audits, "FLUSH_S", 3600.0)
    found = Audit(path)
    yield found
    found.close()


def entries(ledger, count=1000):
    ledger.flush()
    return tail(ledger._chain.path, count)


def noted(ledger, **fields):
    """A record as it is read back."""
    ledger.record("write", **fields)
    return {k: v for k, v in entries(ledger)[-1].items() if k not in ("t", "kind", "sum")}


# --- what a line holds ------------------------------------------------------------------------------------


def test_a_record_is_kept_with_all_its_fields(ledger, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.25)
    ledger.record("write", "li", ua.NodeId(7, 1), "192.0.2.1", "Line1.Station.Mode", 0.0, 2.0, ua.StatusCodes.BadOutOfRange, 12.5)
    (entry,) = entries(ledger)
    assert {k: v for k, v in entry.items() if k != "sum"} == {
        "t": "2027-01-15T08:00:00.250+00:00", "kind": "write", "user": "li", "session": str(ua.NodeId(7, 1)), "peer": "192.0.2.1",
        "name": "Line1.Station.Mode", "old": 0.0, "value": 2.0, "status": "BadOutOfRange", "sim_s": 12.5,
    }  # fmt: skip
    ledger.record("logout")
    assert set(entries(ledger)[-1]) == {"t", "kind", "sum"}


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (0, "Good"), ([0, 0, 0], "Good"), ([0, 0x803C0000], ["Good", "BadOutOfRange"]), (ua.StatusCode(0x801F0000), "BadUserAccessDenied"),
        ([ua.StatusCode(0)], "Good"), ("refused", "refused"), ([], []),
    ],
)  # fmt: skip
def test_status_codes_are_named(ledger, status, shown):
    assert noted(ledger, status=status)["status"] == shown


def test_a_request_is_one_record_of_lists_as_they_were(ledger):
    values, array = [1.0, True, "x", None], np.array([1.5, 2.5])
    ledger.record("write", name=["a", "b", "c", "d"], old=array, value=values)
    values[0], array[0] = 99.0, 99.0
    (entry,) = entries(ledger)
    assert (entry["name"], entry["old"], entry["value"]) == (["a", "b", "c", "d"], [1.5, 2.5], [1.0, True, "x", None])


EVIL = ['\n{"kind":"login"}\n', "\x1b[2J\x1b]0;x\x07", "\u2028\u2029\u202e", "\x00\x7f\x85", "\ud800", '","sum":"', "\\", "日本"]


@pytest.mark.parametrize("text", EVIL)
def test_no_text_breaks_out_of_its_line(ledger, path, text):
    ledger.record("login", user=text, peer=text, name=[text, {text: text}], value=text)
    ledger.record("logout")
    first, second = entries(ledger)
    assert first["user"] == first["value"] == first["name"][0] == text and second["kind"] == "logout"
    assert all(32 <= byte < 127 for line in path.read_bytes().split(b"\n") for byte in line)
    assert verify(path).fault == "" and all(c.isprintable() for c in printable(text))


def repr_of(value):
    return type(value).__name__


class Rude:
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 1000, "x" * 256 + "…"), (b"\x00\xff", "0x00ff"), (float("nan"), "nan"), (float("-inf"), "-inf"), (10**5000, None), (-(2**63), hex(-(2**63))),
        (2**63 - 1, 2**63 - 1), (True, True), (Rude(), "Rude"), (np.float64(1.5), 1.5), (np.int32(3), 3), ({"a": [1, {2: 3}]}, {"a": [1, {"2": 3}]}),
        ([[[[[1]]]]], [[[["…"]]]]), (ua.NodeId(5), str(ua.NodeId(5))),
    ],
    ids=repr_of,
)  # fmt: skip
def test_values_of_every_kind_are_kept_or_cut(ledger, value, shown):
    found = noted(ledger, value=value)["value"]
    assert found == shown and type(found) is type(shown) if shown is not None else found.startswith("0x") and len(found) == 257


@pytest.mark.parametrize(
    "value",
    [
        ["x" * 250] * 1000, list(range(5000)), [[[[]] * 500] * 500] * 500, {f"k{n}": "日" * 250 for n in range(5000)}, ["😀" * 250] * 1000,
        [None] * 5000, [{}] * 5000, np.zeros(5000), [[1.0 / 3] * 1000] * 1000,
    ],
    ids=["texts", "numbers", "nests", "dict", "wide", "none", "dicts", "array", "matrix"],
)  # fmt: skip
def test_no_record_becomes_long(ledger, path, value):
    ledger.record("call", name=value, old=value, value=value, user="x" * 100_000)
    ledger.record("logout")
    assert [e["kind"] for e in entries(ledger)] == ["call", "logout"]
    assert max(map(len, path.read_bytes().split(b"\n"))) < chain.MOST_LINE
    assert "…" in json.dumps(entries(ledger)[0], ensure_ascii=False)
    assert verify(path).fault == ""


def test_a_list_that_is_cut_says_how_much_is_missing(ledger):
    assert noted(ledger, value=list(range(1030)))["value"][-2:] == [1023, "… 6 more"]


@pytest.mark.parametrize("field", ["user", "session", "peer", "name", "old", "value", "status", "sim_s"])
@pytest.mark.parametrize("value", [Rude(), [Rude(), {}], {(): Rude()}, object(), float("nan"), -1, 1 << 99, [[], []]], ids=repr_of)
def test_no_value_stops_the_ledger(ledger, field, value):
    assert set(noted(ledger, **{field: value})) == {field}


# --- writing ----------------------------------------------------------------------------------------------


def test_records_wait_in_memory_and_are_written_within_a_second_or_on_closing(path, monkeypatch):
    monkeypatch.setattr(audits, "FLUSH_S", 0.0)
    written, flush = threading.Event(), Audit.flush
    monkeypatch.setattr(Audit, "flush", lambda self: (flush(self), written.set() if path.exists() else None)[0])
    first = Audit(path)
    first.record("login")
    assert written.wait(10) and len(tail(path, 9)) == 1
    first.close()
    monkeypatch.setattr(audits, "FLUSH_S", 3600.0)
    second = Audit(path)
    second.record("logout")
    assert len(tail(path, 9)) == 1
    second.close()
    assert [e["kind"] for e in tail(path, 9)] == ["login", "logout"] and not second._thread.is_alive()


def test_a_record_costs_microseconds(ledger):
    names, values = [f"Line1.Feeder{n}.Open" for n in range(150)], [1.0] * 150

    def cost(**fields):
        took = []
        for _ in range(7):
            began = time.perf_counter()
            for _ in range(1000):
                ledger.record("write", "li", 7, "192.0.2.1", status=0, sim_s=1.0, **fields)
            took.append((time.perf_counter() - began) / 1000)
        return min(took)

    assert cost(name="a", old=0.0, value=1.0) < 5e-6
    assert cost(name=names, old=values, value=values) < 40e-6
    ledger._waiting.clear()


def test_the_files_are_for_their_owner_only(ledger, path):
    ledger.record("login")
    ledger.flush()
    ledger.close()
    assert {oct(p.stat().st_mode & 0o777) for p in path.parent.iterdir()} == {"0o600"}
    path.chmod(0o640)
    for act in (lambda: Audit(path), lambda: verify(path), lambda: tail(path, 1)):
        with pytest.raises(AccessError, match="chmod 600"):
            act()


def test_full_files_are_put_aside_and_their_number_is_bounded(path):
    ledger = Audit(path, max_bytes=3000, files=2)
    for n in range(100):
        ledger.record("write", value=n)
        ledger.flush()
    ledger.close()
    assert sorted(p.name for p in path.parent.glob("audit*")) == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert all(p.stat().st_size < 3500 for p in path.parent.iterdir())
    found = verify(path)
    assert found.fault == "" and found.follows != START
    assert [e["value"] for e in tail(path, 30)] == list(range(70, 100))
    assert [e["value"] for e in tail(path, 1)] == [99]


def test_it_goes_on_where_it_was(path):
    for n in range(3):
        ledger = Audit(path)
        ledger.record("start", value=n)
        ledger.close()
    found = verify(path)
    assert (found.lines, found.fault, found.follows) == (4, "", START)
    assert [e["value"] for e in tail(path, 9)] == [0, 1, 2] and tail(path, 9)[-1]["sum"] == found.last


def test_several_may_write(path, monkeypatch):
    monkeypatch.setattr(audits, "FLUSH_S", 3600.0)
    ledgers = [Audit(path, max_bytes=2000, files=99) for _ in range(3)]
    for n in range(20):
        for who, ledger in enumerate(ledgers):
            ledger.record("write", user=str(who), value=n)
        threads = [threading.Thread(target=ledger.flush) for ledger in ledgers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for ledger in ledgers:
        ledger.close()
    assert verify(path).fault == "" and verify(path).follows == START
    found = tail(path, 1000)
    assert [[e["value"] for e in found if e["user"] == str(who)] for who in range(3)] == [list(range(20))] * 3


def test_half_a_line_of_a_process_that_was_killed_is_dropped(path):
    for rest in (b'{"t":"2026', b""):
        ledger = Audit(path)
        ledger.record("start")
        ledger.close()
        with path.open("ab") as file:
            file.write(rest)
    assert [e["kind"] for e in tail(path, 9)] == ["start", "start"] and verify(path).fault == ""


def test_no_file_stays_open(path, monkeypatch, caplog):
    ledger = Audit(path, max_bytes=500, files=2)
    ledger.record("start")
    ledger.flush()
    before = len(os.listdir("/proc/self/fd"))
    for n in range(20):
        if n == 10:
            path.chmod(0o640)
        ledger.record("write", value=n)
        ledger.flush()
        Audit(path.with_name("other.jsonl")).close()
    assert len(caplog.records) == 1 and "chmod 600" in caplog.text
    verify(path.with_name("other.jsonl"))
    assert len(os.listdir("/proc/self/fd")) <= before
    path.chmod(0o600)
    ledger.close()
    verify(path)
    assert tail(path, 1)[0]["value"] == 19 and verify(path).fault == "" and len(os.listdir("/proc/self/fd")) <= before


def test_a_ledger_that_is_none(path):
    assert verify(path) == (0, "", START, START) and tail(path, 9) == []
    path.with_name("audit.jsonl.1").mkdir()
    for act in (lambda: verify(path), lambda: tail(path, 9)):
        with pytest.raises(AccessError, match="Is a directory"):
            act()


def test_a_full_disk_is_told_once_and_nothing_is_lost_when_there_is_room_again(ledger, path, monkeypatch, caplog):
    write, room = os.write, [0]

    def full(file, data):
        if room[0] <= 0:
            raise OSError(28, "No space left on device")
        room[0] -= len(data)
        return write(file, data[:40])  # a part

    ledger.record("start")
    ledger.flush()
    monkeypatch.setattr(os, "write", full)
    with caplog.at_level(logging.ERROR):
        for n in range(3):
            room[0] = 60
            ledger.record("write", value=n)
            ledger.flush()
    assert len(caplog.records) == 1 and "No space left" in caplog.text
    assert [e["kind"] for e in tail(path, 9)] == ["start"] and verify(path).fault == ""
    room[0] = 1 << 30
    ledger.record("stop")
    assert [e.get("value") for e in entries(ledger)] == [None, 0, 1, 2, None]
    assert ledger.lost == 0 and verify(path).fault == ""


def test_what_finds_no_room_at_all_is_counted_and_told_in_the_ledger(ledger, monkeypatch):
    monkeypatch.setattr(audits, "MOST_WAITING", 5)
    for n in range(8):
        ledger.record("write", value=n)
    assert ledger.lost == 3
    found = entries(ledger)
    assert [e["value"] for e in found] == [0, 1, 2, 3, 4, 3] and found[-1]["kind"] == "lost"
    ledger.record("stop")
    assert [e["kind"] for e in entries(ledger)[-2:]] == ["lost", "stop"] and ledger.lost == 3


def test_what_cannot_be_written_at_the_end_is_counted(path, monkeypatch):
    ledger = Audit(path)
    monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    for _ in range(3):
        ledger.record("write")
    for _ in range(2):
        ledger.close()
        assert ledger.lost == 3


def test_an_empty_file_that_a_full_disk_left_is_gone_on_with(ledger, path):
    path.touch(0o600)
    assert verify(path) == (0, "", START, START)
    ledger.record("start")
    assert len(entries(ledger)) == 1 and verify(path).fault == ""


# --- tampering --------------------------------------------------------------------------------------------


@pytest.fixture
def written(path):
    """Lines of a ledger of three files, by file."""
    ledger = Audit(path, max_bytes=2000, files=2)
    for n in range(36):
        ledger.record("write", user="li", value=n)
        ledger.flush()
    ledger.close()
    names = [path.with_name(f"{path.name}{end}") for end in (".2", ".1", "")]
    assert verify(path).fault == "" and all(len(p.read_bytes().splitlines()) > 3 for p in names)
    return names


@pytest.mark.parametrize("file", range(3))
@pytest.mark.parametrize(
    ("act", "shows"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b'"li"', b'"me"'), *lines[3:]], 3),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2),
        (lambda lines: [*lines[:2], b"rubbish\n", *lines[2:]], 3),
        (lambda lines: [*lines[:2], b"\n", *lines[2:]], 3),
        (lambda lines: [*lines[:2], lines[2].replace(b"{", b"{ ", 1), *lines[3:]], 3),
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:-1], lines[-1].replace(b'"li"', b'"me"')], -1),
    ],
    ids=["changed", "taken out", "twice", "swapped", "put in", "empty line", "space", "first", "last"],
)
def test_whatever_is_done_to_a_line_shows(written, path, file, act, shows):
    lines = written[file].read_bytes().splitlines(keepends=True)
    right = sum(len(p.read_bytes().splitlines()) for p in written[:file]) + (shows if shows > 0 else len(lines)) - 1
    written[file].write_bytes(b"".join(act(lines)))
    found = verify(path)
    assert (found.fault, found.lines) == (f"{written[file].name}:{shows if shows > 0 else len(lines)}", right)


def test_a_file_that_was_taken_out_or_emptied_shows(written, path):
    whole = written[1].read_bytes()
    last = json.loads(written[0].read_bytes().splitlines()[-1])["sum"]
    written[1].write_bytes(b"")
    assert (verify(path).fault, verify(path).last) == ("audit.jsonl.1:1", last)
    written[1].unlink()
    assert verify(path).fault == "audit.jsonl:1"
    written[1].touch(0o600)
    written[1].write_bytes(whole)
    before = verify(path)
    written[0].unlink()
    after = verify(path)
    assert after.fault == "" and after.follows != before.follows and after.last == before.last and after.lines < before.lines


def test_what_is_written_after_tampering_does_not_heal_it(written, path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-1], b"rubbish\n"]))
    ledger = Audit(path)
    ledger.record("start")
    ledger.close()
    assert verify(path).fault == f"audit.jsonl:{len(lines)}"
    assert [e["kind"] for e in tail(path, 2)] == ["damaged", "start"]


async def test_without_security_what_is_refused_leaves_a_trace_too(plant, loop, tmp_path, monkeypatch):
    safe = insecure("opc.tcp://127.0.0.1:0", tmp_path / "opcua")
    monkeypatch.setattr(plant.server, "security", safe)
    async with plant.client() as peer:
        assert await peer.write("Line1.Weigher.Cement.Gross", 1.0) == "BadNotWritable"
        assert await peer.write("Line1.Bin.Sand1.LabMoisture", 4.0) == "Good"
        assert await peer.call("Time.Step", -1) == "BadInvalidArgument"
    safe.close()
    entries = [json.loads(line) for line in (tmp_path / "opcua" / "audit.jsonl").read_text().splitlines()]
    seen = [(e["kind"], e["name"], e["status"], e["user"]) for e in entries if e["kind"] in ("write", "call")]
    assert seen == [
        ("write", ["Line1.Weigher.Cement.Gross"], "BadNotWritable", "anonymous"),
        ("write", ["Line1.Bin.Sand1.LabMoisture"], "Good", "anonymous"),
        ("call", "Time.Step", "BadInvalidArgument", "anonymous"),
    ]
