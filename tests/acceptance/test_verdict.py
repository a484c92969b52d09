"""`batchtwin judge` and `batchtwin trace` as a user types them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from junitparser import Failure, JUnitXml, Skipped
from openpyxl import load_workbook

from scenarios.simulation import Simulation

ROOT = Path(__file__).resolve().parents[2]
ENV = os.environ | {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}
KEYS = {"id", "source", "result", "value", "limit", "unit", "indicative", "why", "evidence"}
RESULTS = {"pass", "fail", "not_applicable", "not_evidenced"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs: `good` on the benchmark plant, `open` on one without a water loop."""
    folder = tmp_path_factory.mktemp("verdict")
    for name, design in (("good", "benchmark-180"), ("open", "open-yard-180")):
        Simulation("storm-day", design, fidelity="batch", until_s=2.5 * 3600, out=folder / name).run()
    return folder


def cli(place: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "batchtwin", *words], cwd=place, env=ENV | env, capture_output=True, text=True, timeout=1200
    )


def test_json_is_as_programs_rely_on_it(place: Path) -> None:
    result = cli(place, "judge", "good", "--criteria", "hubei-benchmark", "--declared", "benchmark-180", "--json")
    said = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (0, "")
    assert said["book"] == "hubei-benchmark" and said["run"] == "good" and len(said["clauses"]) == 18
    for clause in said["clauses"]:
        assert set(clause) >= KEYS and clause["result"] in RESULTS and isinstance(clause["indicative"], bool)
        assert clause["why"] and clause["why_zh"] and isinstance(clause["evidence"], list) and clause["evidence"]
    assert {c["result"] for c in said["clauses"]} == RESULTS


def test_a_must_that_fails_leaves_with_1_and_all_files_are_written(place: Path, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"verdict.{kind}" for kind in ("xml", "html", "xlsx")}
    result = cli(
        place,
        "judge",
        "open",
        "--criteria",
        "zero-discharge",
        "--junit",
        str(files["xml"]),
        "--html",
        str(files["html"]),
        "--xlsx",
        str(files["xlsx"]),
    )
    assert (result.returncode, result.stderr) == (1, "")
    first = result.stdout.splitlines()[1]
    assert first.startswith("fail 1.1 Nothing leaves as water: ") and "to pass:" in first
    suites = list(JUnitXml.fromfile(str(files["xml"])))
    cases = [case for suite in suites for case in suite]
    assert [s.name.split()[0] for s in suites] == ["1", "2", "3"] and len(cases) == 9
    assert isinstance(cases[0].result[0], Failure) and "discharge" in (cases[0].result[0].text or "")
    assert all(isinstance(r, (Failure, Skipped)) for case in cases for r in case.result)
    page = files["html"].read_text(encoding="utf-8")
    assert len(re.findall(r"<article ", page)) == 9 and 'data-clause="1.1" data-result="fail"' in page
    assert not re.search(r"(src|href)=\"(?!#)", page) and "default-src 'none'" in page
    assert 'lang="zh-CN">不通过' in page and "SELECT source, species, sum(kg) AS kg" in page
    sheets = load_workbook(files["xlsx"])
    assert [s.max_row for s in sheets][0] == 10 and sheets.worksheets[2].max_row > 1
    assert sheets.worksheets[0]["E2"].value == "fail"


def test_a_verdict_is_told_in_chinese(place: Path) -> None:
    result = cli(place, "judge", "open", "--criteria", "zero-discharge", LANG="zh_CN.UTF-8")
    assert "不通过 1.1 无外排" in result.stdout and "达标尚需减少" in result.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["good", "--criteria", "hubei-benchmarks"], "no rule book named 'hubei-benchmarks'; did you mean 'hubei-benchmark'?"),
        (["good", "--criteria", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["gone", "--criteria", "zero-discharge"], "gone is no run: there is no run.json"),
        (["good", "--criteria", "zero-discharge", "--declared", "facts.yaml"], "facts.yaml: cannot be read"),
        (
            ["open", "--criteria", "hubei-benchmark", "--declared", "benchmark-180"],
            "the facts are declared for benchmark-180, the run is of open-yard-180",
        ),
        (["good", "--criteria", "zero-discharge", "--html", "."], ". is a folder; give a file"),
        (["good", "--criteria", "zero-discharge", "--junit", "gone/verdict.xml"], "cannot write gone/verdict.xml"),
        (["good"], "Missing option '--criteria'"),
    ],
)
def test_wrong_input_is_one_line(words: list[str], told: str, place: Path) -> None:
    result = cli(place, "judge", *words)
    assert result.returncode == 2 and result.stdout == ""
    assert told in result.stderr and len(result.stderr.splitlines()) == 1 and result.stderr.startswith("error: ")


def test_an_edited_run_is_refused(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(place / "good", copy)
    part = next((copy / "ledger").glob("*.parquet"))
    part.write_bytes(part.read_bytes() + b" ")
    result = cli(place, "judge", str(copy), "--criteria", "zero-discharge", "--json")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == f"error: {copy} is not judged: ledger/{part.name} was changed after the run was closed; play it again\n"


def test_a_ticket_is_traced_and_its_lot_back(place: Path) -> None:
    said = json.loads(cli(place, "trace", "good", "--ticket", "3", "--json").stdout)
    assert said["ticket"] == 3 and said["delivery"][0]["grade"] == "C35"
    assert set(said) == {"run", "ticket", "delivery", "batches", "weighings", "lots", "samples", "cubes", "gate", "violations", "returned"}
    lot = said["lots"][0]["lot"]
    back = json.loads(cli(place, "trace", "good", "--lot", str(lot), "--json").stdout)
    assert 3 in [d["ticket"] for d in back["deliveries"]]
    table = cli(place, "trace", "good", "--ticket", "3", "--lang", "zh")
    assert table.returncode == 0 and "批次与供应商" in table.stdout and "Line1.Silo.Cement1" in table.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["good"], "needs one of --ticket and --lot"),
        (["good", "--ticket", "1", "--lot", "1"], "needs one of --ticket and --lot"),
        (["good", "--ticket", "999"], "good has no ticket 999; give 1 to"),
    ],
)
def test_wrong_traces_are_one_line(words: list[str], told: str, place: Path) -> None:
    result = cli(place, "trace", *words)
    assert result.returncode == 2 and result.stdout == "" and told in result.stderr and len(result.stderr.splitlines()) == 1
