"""The pages from the command line: alone, beside OPC UA, and what is said to wrong input."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from zygote import batchtwin as forked

from scenarios.run import open_run

ROOT = Path(__file__).resolve().parents[2]
ENV = os.environ | {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "LC_ALL": "", "LC_MESSAGES": "", "PYTHONUNBUFFERED": "1"}
COLD_S = 1200.0  # a command may have to compile the kernels first, on busy cores
TWIN = [sys.executable, "-m", "batchtwin"]


@contextmanager
def started(folder: Path, *words: str) -> Iterator[tuple[list[str], subprocess.Popen[str]]]:
    """A server; what it printed before it said how to end it, and its process."""
    env = ENV | {"BATCHTWIN_STATE": str(folder / "state")}
    process = subprocess.Popen([*TWIN, *words], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            line = process.stdout.readline()
            assert line, process.communicate(timeout=60)[1]
            lines.append(line.strip())
        yield lines, process
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen[str]) -> str:
    """Ctrl-C, and what it had to say."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and not err, err
    return out


def refused(folder: Path, *words: str) -> str:
    """The one line of a refusal."""
    done = forked(folder, *words, env=ENV | {"BATCHTWIN_STATE": str(folder / "state")})
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def test_dash_serves_the_pages_and_keeps_the_run(tmp_path: Path) -> None:
    with started(tmp_path, "dash", "full-demand", "--port", "0", "--speed", "50", "--operator", "--out", "run") as (lines, process):
        url = re.match(r"http://127\.0\.0\.1:\d+/", lines[0])
        assert url and "full-demand @ hzs180, 50, controller reference" in lines[0] and lines[1] == "run: run"
        page = urllib.request.urlopen(url[0]).read().decode()
        assert "<h1>Unlimited demand" in page and "/static/js/plant.js" in page
        me = json.load(urllib.request.urlopen(url[0] + "api/me"))
        assert me["role"] == "instructor" and me["driver"] == ""
        assert "m³ away" in ended(process)
    assert open_run(tmp_path / "run").state == "cut"


def test_the_pages_and_opc_ua_show_the_same_run(tmp_path: Path) -> None:
    with started(
        tmp_path, "serve", "full-demand", "--endpoint", "opc.tcp://127.0.0.1:0", "--pages", "0", "--insecure", "--no-record", "--paused"
    ) as (lines, process):
        assert lines[0].startswith("opc.tcp://") and lines[1].startswith("pages: http://127.0.0.1:")
        assert json.load(urllib.request.urlopen(lines[1].split()[1] + "api/me"))["may"]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_wrong_input_is_told_in_one_line_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in refused(tmp_path, "dash", "full-demand", "--port", port)
    assert "access add" in refused(tmp_path, "dash", "full-demand", "--host", "0.0.0.0", "--port", "0")
    assert "full-demand" in refused(tmp_path, "dash", "ful-demand")
    assert "speed" in refused(tmp_path, "dash", "full-demand", "--speed", "fast", "--port", "0")
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_beyond_loopback_the_users_of_the_server_log_in(tmp_path: Path) -> None:
    env = ENV | {"BATCHTWIN_STATE": str(tmp_path / "state")}
    words = [*TWIN, "access", "add", "ann", "--role", "operator", "--password-stdin"]
    subprocess.run(
        words, cwd=tmp_path, env=env, input="a long password\n", text=True, check=True, timeout=COLD_S, stdout=subprocess.DEVNULL
    )
    with started(tmp_path, "dash", "full-demand", "--host", "0.0.0.0", "--port", "0", "--no-record", "--paused") as (lines, process):
        base = lines[0].split()[0].replace("0.0.0.0", "127.0.0.1")
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        page = opener.open(base)
        assert page.url.endswith("/login")
        cookies = {c.name: c.value for h in opener.handlers if isinstance(h, urllib.request.HTTPCookieProcessor) for c in h.cookiejar}
        token = next(v for k, v in cookies.items() if "csrf" in k) or ""

        def post(path: str, **body: object) -> dict[str, object]:
            request = urllib.request.Request(
                base + path, json.dumps(body).encode(), {"Content-Type": "application/json", "x-csrftoken": token}
            )
            return dict(json.load(opener.open(request)))

        with pytest.raises(urllib.error.HTTPError, match="401"):
            post("api/login", name="ann", password="guess")
        assert post("api/login", name="ann", password="a long password") == {"name": "ann", "role": "operator"}
        assert post("api/write", tag="Line1.Station.Start", value=1)["value"] == 1
        with pytest.raises(urllib.error.HTTPError, match="403"):
            post("api/faults", fault="emergency-stop", target="Line1.Station")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0 and "HTTPS" in err
