"""What-if from the command line: compare, sweep, ask before very many runs, one clear line for what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from zygote import batchtwin

sys.path.insert(0, str(Path(__file__).parents[1] / "scenarios"))
from sweeping import spec_file

ROOT = Path(__file__).resolve().parents[2]
ENV = os.environ | {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}


def test_a_base_and_a_variant_are_compared_as_table_json_and_page(tmp_path: Path) -> None:
    spec_file(tmp_path)
    words = [
        "what-if",
        "day.yaml",
        "--change",
        "orders.0.volume_m3=18; fleet.battery=4",
        "--seeds",
        "2",
        "--out",
        "out",
        "--html",
        "page.html",
    ]
    told = batchtwin(tmp_path, *words, "--criteria", "gb4915-dust", "--json", env=ENV)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    m3 = next(c for c in found["compared"] if c["measure"] == "m3" and c["variant"] != "base")
    assert (found["runs"], found["failed"], m3["difference"], m3["pairs"]) == (4, 0, 6.0, 2)
    assert set(found["clauses"]["stack"]) == {"base", "orders.0.volume_m3=18; fleet.battery=4"}
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("plotly") > 5
    again = batchtwin(tmp_path, "compare", "out", "--lang", "zh", env=ENV)
    assert "供应方量, m³" in again.stdout and "成对之差" in again.stdout


@pytest.mark.parametrize(("words", "line"), [
    (["what-if", "day.yaml"], "error: --change: nothing is changed; give at least one"),
    (["what-if", "day.yaml", "--change", "fleet.batery=1"], "error: fleet.batery: there is no field 'batery'; did you mean 'battery'?"),
    (["what-if", "day.yaml", "--change", "fleet.battery=1", "--seeds", "0"], "error: --seeds: 0 is out of range"),
    (["sweep", "none.yaml"], "error: none.yaml: cannot be read (No such file or directory)"),
    (["sweep", "sweep.yaml", "--out", "full"], "error: full holds something already; choose another --out or remove it"),
    (["sweep", "sweep.yaml", "--costs", "none.yaml"], "error: none.yaml: cannot be read"),
    (["compare", "full"], "error: full is no sweep: there is no sweep.json"),
    (["compare", "full", "--measure", "cost"], "error: no measure named 'cost'; did you mean 'cost_cny'?"),
    (["optimise", "sweep.yaml"], "error: sweep.yaml:1: search: missing field; add it"),
])  # fmt: skip
def test_what_is_wrong_is_one_line_and_leaves_nothing(tmp_path: Path, words: list[str], line: str) -> None:
    spec_file(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    told = batchtwin(tmp_path, *words, env=ENV)
    assert told.returncode == 2
    assert told.stderr.startswith(line)
    assert not (tmp_path / "sweeps").exists()


def test_a_million_runs_are_told_and_asked_for(tmp_path: Path) -> None:
    spec_file(tmp_path, until="2min", seeds=1_000_000)
    told = batchtwin(tmp_path, "sweep", "sweep.yaml", env=ENV)
    assert told.returncode == 2
    assert told.stderr.startswith("error: 1,000,000 runs, about ") and told.stderr.strip().endswith(
        "say --yes to play them, or ask for fewer"
    )
    assert not (tmp_path / "sweeps").exists()
    assert "1000000 run(s)" in batchtwin(tmp_path, "check", "sweep.yaml", env=ENV).stdout


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path: Path) -> None:
    spec_file(tmp_path, seeds=40)
    words = [sys.executable, "-m", "batchtwin", "sweep", "sweep.yaml", "--out", "out", "--cores", "1", "--runs"]
    journal = tmp_path / "out" / "journal.jsonl"
    first = subprocess.Popen(words, cwd=tmp_path, env=ENV, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not journal.exists() or journal.read_bytes().count(b"\n") < 2):
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    assert "the same command goes on" in first.communicate(timeout=60)[1]
    assert first.returncode == 130
    told = batchtwin(tmp_path, *words[3:], "--json", env=ENV)
    assert json.loads(told.stdout) == {"folder": "out", "runs": 40, "done": 40, "failed": 0}
    assert len(list((tmp_path / "out" / "kept").glob("*/run.json"))) == 40
