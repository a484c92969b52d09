"""The vendor's journey on the command line: serve, control, accept, replay."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from junitparser import JUnitXml
from zygote import batchtwin as forked

from scenarios.run import open_run

ROOT = Path(__file__).resolve().parents[2]
ENV = os.environ | {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "LC_ALL": "", "LC_MESSAGES": "", "PYTHONUNBUFFERED": "1"}
TWIN = [sys.executable, "-m", "batchtwin"]


def batchtwin(*words: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return forked(folder, *words, env=ENV | env)


@contextmanager
def serving(folder: Path, *words: str, **env: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server on a free port; its endpoint and its process."""
    command = [*TWIN, "serve", *words, "--endpoint", "opc.tcp://127.0.0.1:0"]
    state = {"BATCHTWIN_STATE": str(folder / "state")}
    process = subprocess.Popen(command, cwd=folder, env=ENV | state | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"opc\.tcp://\S+", line)
        assert found, line + process.communicate(timeout=60)[1]
        yield found[0], process
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Ctrl-C, and what it had to say."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out, err


def test_the_reference_controller_as_a_client_leaves_the_run_that_it_leaves_inside(tmp_path: Path) -> None:
    with serving(tmp_path, "full-demand", "--insecure", "--speed", "lockstep", "--until", "2min", "--out", "outside") as (url, process):
        done = batchtwin("control", "--endpoint", url, "--once", folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "1200 scans"
        out, err = ended(process)
    assert "no security" in err and "complete" in out
    assert '"kind":"write"' in (tmp_path / "state" / "opcua" / "audit.jsonl").read_text().replace(" ", "")  # a ledger is kept here, too
    inside = batchtwin("run", "full-demand", "--until", "2min", "--out", "inside", "--json", folder=tmp_path)
    a, b = open_run(tmp_path / "outside"), open_run(tmp_path / "inside")
    assert a.outcome["state_hash"] == json.loads(inside.stdout)["state_hash"] and a.outcome["batches"] > 0
    for table in b.tables:
        assert a.table(table).equals(b.table(table)), table
    again = batchtwin("replay", "outside", folder=tmp_path)
    assert again.returncode == 0 and again.stdout.startswith("OK: outside: ")


MINE = """
name: comes-up
title: {en: The line comes up, zh: 生产线启动}
answer: {en: After Start the motors run one after the other., zh: 按启动后各电机依次起动。}
scenario:
  {design: hzs180, starts: 2026-05-11 00:00:00, lasts: 60s, seed: 1, record_s: 0.1, orders: [{site: Slab, grade: C30, volume_m3: 3, start: 50s}]}
presses: [{tag: Line1.Station.Start, at: 1s}]
checks:
  - check: happens
    name: ready
    rule: {en: the line is ready, zh: 生产线就绪}
    that: {Line1.Station.State: ready}
    after: command:Line1.Station.Start
    within: 30s
"""


def test_a_suite_is_played_against_a_connected_controller(tmp_path: Path) -> None:
    """A packaged case, and one of somebody's own."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "comes-up.yaml").write_text(MINE, encoding="utf-8")
    with serving(tmp_path, "working-day", "--insecure", "--speed", "lockstep", "--paused", "--no-record", "--cases", "mine") as (
        url,
        process,
    ):
        controller = subprocess.Popen([*TWIN, "control", "--endpoint", url], cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, text=True)
        try:
            words = ("accept", "mine", "scale-frozen", "--endpoint", url, "--junit", "out.xml", "--html", "out.html", "--json")
            done = batchtwin(*words, folder=tmp_path)
            assert done.returncode == 0, done.stderr
        finally:
            controller.kill()
            controller.wait()
        out, _ = ended(process)
        assert "None" not in out
    results = json.loads(done.stdout)
    assert [(r["case"], r["state"]) for r in results] == [("comes-up", "passed"), ("scale-frozen", "passed")]
    junit = JUnitXml.fromfile(str(tmp_path / "out.xml"))
    assert junit.failures == junit.errors == 0 and junit.tests == sum(len(r["checks"]) for r in results)
    assert "scale-frozen" in (tmp_path / "out.html").read_text(encoding="utf-8")


def test_without_a_controller_a_case_has_no_verdict(tmp_path: Path) -> None:
    """A plant in real time that nobody controls: the run goes to its end, and every check that needs a controller fails."""
    with serving(tmp_path, "working-day", "--insecure", "--speed", "max", "--paused", "--no-record") as (url, _):
        done = batchtwin("accept", "emergency-stop", "--endpoint", url, "--json", folder=tmp_path)
    assert done.returncode == 1
    (result,) = json.loads(done.stdout)
    assert result["state"] == "failed" and not any(c["passed"] for c in result["checks"] if c["name"] in ("safe-state", "loads-delivered"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("serve", "working-day", "--insecure", "--endpoint", "opc.tcp://0.0.0.0:0"), "--insecure on 0.0.0.0"),
        (("serve", "working-day", "--insecure", "--speed", "fast"), "speed 'fast'"),
        (("serve", "workingday", "--insecure"), "did you mean 'working-day'"),
        (("serve", "working-day", "--insecure", "--endpoint", "http://127.0.0.1:0"), "cannot listen at http://127.0.0.1:0"),
        (("serve", "working-day", "--insecure", "--timeout", "0"), "--timeout"),
        (("control", "--endpoint", "opc.tcp://127.0.0.1:1"), "no OPC UA server answers at opc.tcp://127.0.0.1:1"),
        (("accept", "no-such-case", "--endpoint", "opc.tcp://127.0.0.1:1"), "no case named 'no-such-case'"),
        (("accept", "link-lost", "--endpoint", "opc.tcp://127.0.0.1:1", "--user", "me"), "BATCHTWIN_PASSWORD"),
        (("accept", "link-lost", "--timeout", "nan"), "--timeout: nan s is out of range"),
        (("accept", "link-lost", "--timeout", "0"), "--timeout: 0 s is out of range"),
        (("accept", "link-lost", "--seed", "-1"), "--seed"),
        (("accept", "link-lost", "--junit", "nowhere/out.xml"), "there is no folder nowhere"),
        (("serve", "working-day", "--insecure", "--cases", "nowhere"), "--cases: there is no folder nowhere"),
        (("serve", "working-day", "--insecure", "--cases", "."), "--cases: . holds no case"),
        (("replay", "nothing"), "nothing is no run"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    done = batchtwin(*words, folder=tmp_path, BATCHTWIN_STATE=str(tmp_path / "state"))
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and told in line
    assert not (tmp_path / "runs").exists() or not any((tmp_path / "runs").iterdir())


def test_users_log_in_to_a_secure_server(tmp_path: Path) -> None:
    state = {"BATCHTWIN_STATE": str(tmp_path / "state")}
    added = subprocess.run([*TWIN, "access", "add", "plc", "--role", "controller", "--password-stdin"], input="correct horse\n", env=ENV | state,
                           cwd=tmp_path, capture_output=True, text=True, timeout=60)  # fmt: skip
    assert added.returncode == 0, added.stderr
    with serving(tmp_path, "full-demand", "--speed", "lockstep", "--until", "30s", "--out", "run", **state) as (url, process):
        words = ("control", "--endpoint", url, "--once", "--user", "plc")
        done = batchtwin(*words, folder=tmp_path, BATCHTWIN_PASSWORD="correct horse", **state)
        assert done.returncode == 0 and done.stdout.splitlines()[-1] == "300 scans", done.stderr
        wrong = batchtwin(*words, folder=tmp_path, BATCHTWIN_PASSWORD="wrong horse", **state)
        assert wrong.returncode == 2 and "refuses the connection" in wrong.stderr
        ended(process)
    audit = batchtwin("access", "audit", "--verify", folder=tmp_path, **state)
    assert audit.returncode == 0, audit.stdout + audit.stderr
