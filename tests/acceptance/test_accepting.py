"""What goes wrong in the middle of a suite: the case concerned has no verdict, the others have, and all of it is written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

from batchtwin import accepting
from opcua_server.threaded import ServedPlant
from scenarios.acceptance.results import CaseResult
from scenarios.session import Session
from twin.errors import BatchtwinError

ROOT = Path(__file__).resolve().parents[2]
OWN = """\
name: mine
title: {en: Mine, zh: 我的}
answer: {en: Good, zh: 好}
scenario:
  design: hzs180
  starts: 2026-05-11 00:00:00
  lasts: 5min
  orders: [{site: Slab, grade: C30, volume_m3: 3, start: 60s}]
checks:
  - {check: loads-delivered}
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedPlant]:
    """A plant that nobody controls, as fast as it can."""
    with ServedPlant(lambda: Session("working-day"), tmp_path / "runs") as plant:
        plant.set_speed("max")
        yield plant


class Played:
    """A suite that was played, with what was told and kept meanwhile."""

    def __init__(self, url: str, *names: str, after: Any = lambda n: None) -> None:
        self.told: list[str] = []
        self.kept: list[int] = []

        def tell(line: str) -> None:
            self.told.append(line)
            after(len(self.told))

        keep = lambda results: self.kept.append(len(results))
        self.results, self.interrupted = accepting.accept(list(names), url, "", None, None, 300.0, tell, keep)
        self.states = [r.state for r in self.results]


def test_a_case_may_be_played_twice(served: ServedPlant, tmp_path: Path) -> None:
    played = Played(served.url, "over-tolerance", "over-tolerance")
    assert played.states == ["failed", "failed"] and played.kept == [1, 2] and not played.interrupted
    assert sorted(p.name[-17:] for p in (tmp_path / "runs").iterdir()) == ["01-over-tolerance", "02-over-tolerance"]


def test_a_case_that_the_server_does_not_know_is_an_error_and_the_others_go_on(served: ServedPlant, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(OWN, encoding="utf-8")
    played = Played(served.url, str(tmp_path / "mine.yaml"), "over-tolerance")
    assert played.states == ["error", "failed"]
    assert "no scenario named 'mine'" in played.results[0].en and "batchtwin serve --cases FOLDER" in played.results[0].en


def test_after_a_lost_connection_the_next_case_connects_again(served: ServedPlant, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = accepting._case, []

    async def case(*words: Any) -> CaseResult:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionResetError("cut")
        return await real(*words)

    monkeypatch.setattr(accepting, "_case", case)
    played = Played(served.url, "over-tolerance", "over-tolerance")
    assert played.states == ["error", "failed"] and played.results[0].en == "the connection was lost (cut)"


def test_when_the_server_is_gone_for_good_the_verdicts_so_far_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "AGAIN_S", 0.5)
    plant = ServedPlant(lambda: Session("working-day"), tmp_path / "runs")
    plant.set_speed("max")
    played = Played(plant.url, "over-tolerance", "hold", "arching", after=lambda n: plant.close() if n == 1 else None)
    assert played.states == ["failed", "error", "error"] and played.kept == [1, 2, 3]
    assert "lost" in played.results[1].en and "no OPC UA server answers" in played.results[2].en


def test_a_server_that_never_answered_is_wrong_input() -> None:
    with pytest.raises(BatchtwinError, match="no OPC UA server answers"):
        Played("opc.tcp://127.0.0.1:1", "hold")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_suite_leaves_its_files(served: ServedPlant, tmp_path: Path, number: signal.Signals) -> None:
    words = ["accept", "over-tolerance", "hold", "arching", "--endpoint", served.url, "--junit", "a.xml", "--html", "a.html", "--json"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    suite = subprocess.Popen(
        [sys.executable, "-m", "batchtwin", *words], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert suite.stderr is not None and suite.stderr.readline().startswith("failed  over-tolerance")
    served.set_speed("1")  # the second case would take its twelve minutes
    suite.send_signal(number)
    out, err = suite.communicate(timeout=60)
    assert suite.returncode == 130 and "Traceback" not in err
    results = json.loads(out)
    assert [r["state"] for r in results] == ["failed", "error", "error"] and "interrupted" in results[1]["en"]
    junit = JUnitXml.fromfile(str(tmp_path / "a.xml"))
    assert junit.errors == 2 and [s.name for s in junit] == ["over-tolerance", "hold", "arching"]
    assert "arching" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert served.do(lambda: served.live.state) == "paused"
