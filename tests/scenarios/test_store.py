"""The run's folder: killed, watched, closed twice, refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scenarios import store
from scenarios.run import open_run
from scenarios.simulation import Simulation
from scenarios.store import MANY_PARTS, PART_ROWS, RunWriter
from twin.errors import BatchtwinError

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import sys, time
from scenarios.simulation import Simulation
sim = Simulation("plant-year", fidelity="scan", out=sys.argv[1])
sim.run(lambda s: print(time.monotonic(), s.tick / 100, flush=True))
"""


def test_a_killed_run_keeps_all_but_the_last_seconds(tmp_path: Path) -> None:
    path = tmp_path / "run"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    seen: list[tuple[float, float]] = []
    flushed: float | None = None
    try:
        deadline = time.monotonic() + 90
        assert child.stdout
        for line in child.stdout:
            wall, simulated = map(float, line.split())
            seen.append((wall, simulated))
            if flushed is None and list(path.glob("tags/part-*.parquet")):
                flushed = wall
            if flushed is not None and wall > flushed + 5.7:  # by now there must have been another flush
                break
            assert time.monotonic() < deadline
        live = open_run(path)
        assert live.state == "running" and live.table("tags").num_rows > 10
    finally:
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()
    seen += [(float(a), float(b)) for a, b in (line.split() for line in rest.splitlines() if line.count(".") == 2)]
    killed = open_run(path)
    assert killed.state == "cut" and killed.outcome["state"] == "cut" and child.returncode == -signal.SIGKILL
    due = max(simulated for wall, simulated in seen if wall <= seen[-1][0] - 5)
    kept = killed.sql("SELECT max(time_s) AS t FROM tags").to_pylist()[0]["t"]
    assert kept >= due > 0
    for table in killed.tables:
        assert killed.table(table).num_rows > 0


def test_a_run_in_progress_can_be_read(scenario: Callable[..., Any], tmp_path: Path) -> None:
    with Simulation(scenario(), out=tmp_path / "run", until_s=600) as sim:
        sim.advance(300)
        sim._collect()
        sim.writer.flush(wait=True)
        assert open_run(tmp_path / "run").state == "running"
        assert open_run(tmp_path / "run").sql("SELECT max(time_s) AS t FROM tags").to_pylist() == [{"t": 300.0}]
        sim.advance(300)
    over = open_run(tmp_path / "run")
    assert over.state == "complete" and over.table("tags").num_rows == 600 and not (tmp_path / "run" / "run.lock").exists()


def test_closing_twice_changes_nothing(scenario: Callable[..., Any], tmp_path: Path) -> None:
    sim = Simulation(scenario(), out=tmp_path / "run", until_s=120)
    sim.advance(60)
    first = sim.close()
    kept = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert sim.close("complete") == first and first["state"] == "cut"
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == kept


@pytest.mark.parametrize(("error", "state"), [(RuntimeError, "failed"), (KeyboardInterrupt, "cut")])
def test_an_error_inside_closes_the_run_and_says_so(
    scenario: Callable[..., Any], tmp_path: Path, error: type[BaseException], state: str
) -> None:
    with pytest.raises(error), Simulation(scenario(), out=tmp_path / "run", until_s=120) as sim:
        sim.advance(60)
        raise error
    run = open_run(tmp_path / "run")
    assert run.state == state and run.table("tags").num_rows == 60


# --- parts --------------------------------------------------------------------------------------------


def writer_of(path: Path, parts: int) -> RunWriter:
    writer = RunWriter(path, {})
    for k in range(parts):
        writer.append("numbers", pa.table({"n": [10 * k + i for i in range(10)], "name": [f"part {k}"] * 10}))
        writer.flush()
    return writer


@pytest.mark.parametrize(("large", "after"), [(PART_ROWS, {1: 1, 60: 1, 120: 1, 121: 2, 260: 3}), (10, {1: 1, 2: 2, 7: 7})])
def test_the_newest_part_is_written_anew_until_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int, after: dict[int, int]
) -> None:
    monkeypatch.setattr(store, "PART_ROWS", large)
    writer = RunWriter(tmp_path / "run", {})
    for k in range(max(after)):
        writer.append("numbers", pa.table({"n": range(10 * k, 10 * k + 10)}))
        writer.flush(wait=True)
        if k + 1 in after:  # whoever reads while it goes on sees each row once
            assert len(list((tmp_path / "run" / "numbers").iterdir())) == after[k + 1]
            assert open_run(tmp_path / "run").sql("SELECT n FROM numbers ORDER BY n")["n"].to_pylist() == list(range(10 * k + 10))
    writer.close("complete", {})


def test_a_branch_begins_a_part_of_its_own(tmp_path: Path) -> None:
    writer, kept = writer_of(tmp_path / "run", 3), tmp_path / "kept"
    writer.flush(wait=True)
    kept.mkdir()
    writer.keep_parts(kept)
    branch = writer.continued(tmp_path / "branch", kept, {})
    for of, n in ((writer, -1), (branch, -2)):
        of.append("numbers", pa.table({"n": [n], "name": ["after"]}))
        of.close("complete", {})
    for run, n in (("run", -1), ("branch", -2)):
        assert open_run(tmp_path / run).sql("SELECT n FROM numbers ORDER BY n")["n"].to_pylist() == [n, *range(30)]


@pytest.mark.parametrize(("parts", "files"), [(3, 3), (MANY_PARTS, MANY_PARTS), (MANY_PARTS + 1, 1)])
def test_many_parts_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int, files: int) -> None:
    monkeypatch.setattr(store, "PART_ROWS", 10)
    writer_of(tmp_path / "run", parts).close("complete", {})
    assert len(list((tmp_path / "run" / "numbers").iterdir())) == files
    assert open_run(tmp_path / "run").sql("SELECT n FROM numbers ORDER BY n").column("n").to_pylist() == list(range(10 * parts))
    whole = pa.concat_tables(pq.read_table(p) for p in sorted((tmp_path / "run" / "numbers").iterdir()))
    assert whole.column("n").to_pylist() == list(range(10 * parts))


class Killed(BaseException):
    """Stands for a kill at that moment."""


@pytest.mark.parametrize("moment", ["os.replace", "Path.unlink"])
def test_a_kill_while_parts_are_merged_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    monkeypatch.setattr(store, "PART_ROWS", 10)
    writer = writer_of(tmp_path / "run", 30)
    writer.flush(wait=True)

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(*((store.os, "replace") if moment == "os.replace" else (Path, "unlink")), kill)
        writer._merge("numbers")
    assert open_run(tmp_path / "run").sql("SELECT n FROM numbers ORDER BY n").column("n").to_pylist() == list(range(300))


# --- refusals -----------------------------------------------------------------------------------------


def refused(what: Callable[[], Any]) -> BatchtwinError:
    with pytest.raises(BatchtwinError) as error:
        what()
    return error.value


def test_a_folder_in_use_is_refused_and_left_as_it_is(scenario: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert refused(lambda: Simulation(scenario(), out=tmp_path)).code == "E202"
    assert refused(lambda: Simulation(scenario(), out=tmp_path / "thesis.txt")).code == "E202"
    assert refused(lambda: Simulation(scenario(), out=tmp_path / "thesis.txt" / "run")).code == "E203"
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"] and (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_write_that_fails_is_told(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "run", {})
    (tmp_path / "run" / "numbers").write_text("in the way")
    writer.append("numbers", pa.table({"n": [1]}))
    assert refused(lambda: writer.flush(wait=True)).code == "E203"


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    assert refused(lambda: open_run(tmp_path)).code == "E201"
    assert refused(lambda: open_run(tmp_path / "nowhere")).code == "E201"
    (tmp_path / "run.json").write_text('{"state": "comp')
    assert refused(lambda: open_run(tmp_path)).code == "E201"


@pytest.mark.parametrize("content", ["[1, 2]", "null", '"run"'])
def test_a_run_json_that_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    assert refused(lambda: open_run(tmp_path).state).code == "E201"


def test_an_unknown_table_is_told_the_nearest(play: Callable[..., Any], troubled: Any) -> None:
    error = refused(lambda: play(troubled, fidelity="batch").run.table("weighing"))
    assert error.code == "E102" and "weighings" in str(error)


# --- reading ------------------------------------------------------------------------------------------


def test_tables_come_as_arrow_as_pandas_and_by_sql(play: Callable[..., Any], troubled: Any) -> None:
    run = play(troubled, fidelity="batch").run
    arrow, frame = run.table("weighings"), run.df("weighings")
    assert isinstance(arrow, pa.Table) and isinstance(frame, pd.DataFrame) and arrow.num_rows == len(frame) == run.outcome["weighings"]
    assert run.sql("SELECT count(*) AS n FROM weighings WHERE outside").to_pylist() == [{"n": int(frame.outside.sum())}]
    assert json.loads((run.path / "run.json").read_text())["outcome"] == run.outcome


def test_tags_come_back_in_units_within_their_resolution(scenario: Callable[..., Any], tmp_path: Path) -> None:
    with Simulation(scenario(), out=tmp_path / "run", until_s=200) as sim:
        sim.advance(150)
        image = {t.name: (float(sim.image[t.name]), t.resolution) for t in sim.plant.table if t.direction == "sensor" and t.kept}
        sim.advance(50)
    row = open_run(tmp_path / "run").sql("SELECT * FROM tags WHERE time_s = 150").to_pylist()[0]
    assert image["Line1.Weigher.Cement.Gross"][0] > 5
    for name, (value, resolution) in image.items():
        assert abs(row[name] - value) <= 0.5 * resolution + 1e-9, name


def test_rows_over_a_time_hold_mean_least_and_greatest(play: Callable[..., Any], scenario: Callable[..., Any]) -> None:
    tags = play(scenario(), fidelity="batch").df("tags")
    mean, low, high = (tags[f"Line1.Mixer.Power{s}"] for s in ("", ".min", ".max"))
    assert (low <= mean + 0.06).all() and (mean <= high + 0.06).all() and (high - low).max() > 30
    assert np.diff(tags.time_s).min() > 0 and tags.time_s.iloc[-1] == 5400


def test_the_run_says_what_it_was_made_from(play: Callable[..., Any], troubled: Any) -> None:
    info = play(troubled, fidelity="batch").run.info
    assert info["seed"] == 11 and info["fidelity"] == "batch" and info["scenario"]["name"] == "small" and info["design"]["name"] == "hzs180"
    assert info["scenario"]["faults"][0]["fault"] == "leaking-gate" and info["lasts_s"] == 5400 and info["version"]


def test_an_asof_join_of_few_rows_is_no_nested_loop(tmp_path: Path) -> None:
    """It took two thirds of the time of judging a year."""
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    few_to_many = "EXPLAIN SELECT * FROM range(5) AS few(x) ASOF LEFT JOIN range(100000) AS many(y) ON x <= y"
    plan = str(open_run(tmp_path).duck.execute(few_to_many).fetchall()).lower().replace("_", " ")
    assert "asof join" in plan and "nested loop" not in plan
