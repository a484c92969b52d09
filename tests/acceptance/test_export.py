"""Ledgers from the command line, and an export that is killed on its way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from zygote import batchtwin as forked

from scenarios.simulation import Simulation

ROOT = Path(__file__).resolve().parents[2]
ENV = os.environ | {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "LC_ALL": "", "LC_MESSAGES": "", "PYTHONUNBUFFERED": "1"}
TWIN = [sys.executable, "-m", "batchtwin"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run."""
    folder = tmp_path_factory.mktemp("export")
    Simulation("working-day", fidelity="batch", until_s=5 * 3600, out=folder / "run").run()
    return folder


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[str]:
    """A slow platform in a process of its own; its address."""
    words = ["platform", "--port", "0", "--delay", "0.1", "--store", "received"]
    with subprocess.Popen([*TWIN, *words], cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def test_ledgers_are_written(folder: Path) -> None:
    done = forked(folder, "ledgers", "run", "--out", "books", "--format", "csv", "--json", env=ENV)
    assert done.returncode == 0, done.stderr
    files = [Path(f) for f in json.loads(done.stdout)]
    assert len(files) > 8 and all((folder / f).stat().st_size > 20 for f in files)


def test_a_killed_export_loses_and_doubles_nothing(folder: Path, platform: str) -> None:
    words = [*TWIN, "export", "run", "--to", platform]
    first = subprocess.Popen(words, cwd=folder, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not httpx.get(f"{platform}/ledgers").json():  # until something has arrived
        assert first.poll() is None, first.communicate()
    first.kill()
    first.communicate()
    before = sum(of["messages"] for of in httpx.get(f"{platform}/ledgers").json().values())
    again = subprocess.run(words, cwd=folder, env=ENV, capture_output=True, text=True, check=False)
    assert again.returncode == 0 and "0 waiting" in again.stdout, again.stderr
    held = httpx.get(f"{platform}/ledgers").json()
    sent = int(again.stdout.split()[0])
    assert 0 < before < sent == sum(of["messages"] for of in held.values())
    tickets = [row["ticket"] for row in httpx.get(f"{platform}/ledgers/deliveries").json()]
    assert tickets == sorted(set(tickets)) and len(tickets) > 5


@pytest.mark.parametrize(("to", "said"), [("http://127.0.0.1:9", "messages wait in"), ("platform", "is no address of a platform")])
def test_a_platform_that_is_not_there_is_one_line(folder: Path, to: str, said: str) -> None:
    done = forked(folder, "export", "run", "--to", to, "--patience", "0", "--outbox", "other", env=ENV)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_form_of_the_messages_is_told(folder: Path) -> None:
    schema = json.loads(forked(folder, "platform", "--schema", env=ENV).stdout)
    assert schema["deliveries"]["properties"]["rows"]["maxItems"] == 200
