"""Sweeps: what is played, kept, gone on with, and what a cut, a failing run or a dying worker leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from sweeping import plan_of, spec_file, swept

from scenarios.simulation import Simulation
from scenarios.whatif import cluster
from scenarios.whatif import results as results_module
from scenarios.whatif.play import Plan, play, unpacked
from scenarios.whatif.results import JOURNAL, Results, Sweep
from scenarios.whatif.spec import Range, load_spec, point
from scenarios.whatif.sweep import Standing, sweep
from twin.errors import BatchtwinError

VOLUMES = {"orders.0.volume_m3": [6, 12], "orders.1.volume_m3": [6, 18]}


def plain(plan: Plan, number: int) -> dict[str, Any]:
    """A player that needs no plant."""
    return plan.about(number) | {"state": "complete", "error": None, "m3": float(number), "wall_s": 0.0}


def test_a_factorial_is_played_and_found_with_one_query(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, factors=VOLUMES | {"fleet.battery": [0, 99]}, seeds=[3, 4])
    standing, done = swept(tmp_path / "out", plan, cores=2)
    assert (standing.runs, standing.done, standing.failed) == (16, 16, 8)
    rows = duckdb.sql(
        f"SELECT \"orders.0.volume_m3\" + \"orders.1.volume_m3\" AS asked, m3, seed, state_hash FROM '{tmp_path}/out/runs/*.parquet' WHERE state = 'complete'"
    ).fetchall()
    assert len(rows) == 8 and all(asked == m3 for asked, m3, _, _ in rows)
    assert len({row[3] for row in rows}) == 8
    failed = [row for row in done.rows if row["state"] == "failed"]
    assert len(failed) == 8 and all("99 of" in row["error"] for row in failed)
    # the same bits as a run of its own
    job = plan.job(0)
    alone = Simulation(plan.base(job).scenario, plan.base(job).design, seed=job.seed).run()
    assert alone["state_hash"] == done.rows[0]["state_hash"]


FACTS = """
plant: hzs120
facts:
  qualification_certificate: {value: true, date: 2026-01-05, document: certificate 12}
"""


def test_declared_facts_are_judged_and_may_be_changed(tmp_path: Path) -> None:
    (tmp_path / "facts.yaml").write_text(FACTS, encoding="utf-8")
    told = [{"name": name, "changes": changes} for name, changes in (
        ("today", {}), ("refused", {"declared.qualification_certificate": False}), ("lost", {"declared.qualification_certificate": None}),
        ("trained", {"declared.safety_training": True}),
    )]  # fmt: skip
    plan = plan_of(tmp_path, criteria="hubei-standard", declared="facts.yaml", variants=told)
    again = unpacked(plan.packed())
    assert [again.key(n) for n in range(4)] == [plan.key(n) for n in range(4)] and len({plan.key(n) for n in range(4)}) == 4
    _, done = swept(tmp_path / "out", plan, cores=1)
    found = {row["variant"]: json.loads(row["clauses"]) for row in done.rows}
    assert [found[v]["2.1"] for v in ("today", "refused", "lost")] == ["pass", "fail", "not_evidenced"]
    assert [c for c in found["today"] if found["today"][c] != found["trained"][c]] == ["8.4"]


def test_a_sweep_that_was_cut_goes_on_without_repeating_or_losing_a_run(tmp_path: Path) -> None:
    plan, out = plan_of(tmp_path, seeds=40), tmp_path / "out"
    results = Results(out, plan)
    for n in (0, 1, 2, 3, 4):
        results.add(plain(plan, n))
        if n == 2:
            results.flush()
    os.write(os.open(out / JOURNAL, os.O_WRONLY | os.O_APPEND), b'{"key": "torn')  # killed in the middle of a row
    results._lock.close()
    played: list[int] = []

    def watch(plan: Plan, number: int) -> dict[str, Any]:
        return plain(plan, number) | {"clauses": str(os.getpid())}

    standing, done = swept(out, plan, cores=2, player=watch, progress=lambda s: played.append(s.done))
    assert played[0] == 5 and standing.done == 40
    assert [row["number"] for row in done.rows] == list(range(40))
    assert sum(row["clauses"] is None for row in done.rows) == 5
    keys = [k for part in (out / "runs").glob("*.parquet") for k in pq.read_table(part)["key"].to_pylist()]
    assert len(keys) == len(set(keys)) == 40
    assert swept(out, plan, cores=2, player=lambda *_: pytest.fail("played again"))[0].done == 40


def test_rows_that_stand_in_a_part_and_in_the_journal_count_once(tmp_path: Path) -> None:
    plan, out = plan_of(tmp_path, seeds=2), tmp_path / "out"
    results = Results(out, plan)
    results.add(plain(plan, 0))
    line = (out / JOURNAL).read_bytes()
    results.close()
    (out / JOURNAL).write_bytes(line)  # killed after the part was put in place
    _, done = swept(out, plan, cores=1, player=plain)
    assert [row["number"] for row in done.rows] == [0, 1]
    assert duckdb.sql(f"SELECT count(*) FROM '{out}/runs/*.parquet'").fetchall() == [(2,)]


def test_a_row_that_was_torn_at_the_very_beginning_spoils_nothing(tmp_path: Path) -> None:
    plan, out = plan_of(tmp_path, seeds=2), tmp_path / "out"
    results = Results(out, plan)
    results.add(plain(plan, 0))
    results.close()
    (out / JOURNAL).write_bytes(b'{"key": "to')
    _, done = swept(out, plan, cores=1, player=plain)
    assert [row["number"] for row in done.rows] == [0, 1]
    assert (out / JOURNAL).read_bytes() == b""


def test_a_worker_that_dies_costs_one_row_and_no_other(tmp_path: Path) -> None:
    def mortal(plan: Plan, number: int) -> dict[str, Any]:
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(plan, number)

    _, done = swept(tmp_path / "out", plan_of(tmp_path, seeds=9), cores=2, player=mortal)
    assert [row["number"] for row in done.rows] == list(range(9))
    assert [(row["number"], row["error"]) for row in done.rows if row["state"] == "failed"] == [
        (3, "the process that played it ended (code -9), 2 times")
    ]


def test_a_full_disk_is_one_clear_line_and_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, out = plan_of(tmp_path, seeds=6), tmp_path / "out"

    def full(self: Results) -> None:
        raise BatchtwinError("E203", path=self.path, problem=os.strerror(28))

    results = Results(out, plan)
    results.add(plain(plan, 0))
    results.add(plain(plan, 1))
    real = pq.write_table

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(results_module.pq, "write_table", no_space)
    monkeypatch.setattr(results_module, "EVERY_S", -1.0)
    with pytest.raises(BatchtwinError, match="No space left on device; free space"):
        sweep(plan, results, cores=2, player=plain)
    with pytest.raises(BatchtwinError, match="No space"):
        results.close()
    monkeypatch.setattr(results_module.pq, "write_table", real)
    assert {0, 1} <= {row["number"] for row in Sweep(out).rows}
    assert swept(out, plan, cores=2, player=plain)[0].done == 6


def test_a_folder_of_another_sweep_or_of_something_else_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    swept(out, plan_of(tmp_path, seeds=2), cores=1, player=plain)
    with pytest.raises(BatchtwinError, match="belongs to another sweep"):
        Results(out, plan_of(tmp_path, seeds=3))
    with pytest.raises(BatchtwinError, match="holds something already"):
        Results(tmp_path, plan_of(tmp_path))
    held = Results(out, plan_of(tmp_path, seeds=2))
    with pytest.raises(BatchtwinError, match="holds something already"):
        Results(out, plan_of(tmp_path, seeds=2))
    held.close()


@pytest.mark.parametrize(("fields", "line"), [
    ({"factors": {"fleet.batery": [1]}}, r"sweep.yaml:\d+: factors.fleet.batery: fleet.batery: there is no field 'batery'; did you mean 'battery'"),
    ({"factors": {"fleet.battery": []}}, "factors.fleet.battery"),
    ({"factors": {"fleet.battery": {"uniform": [5, 5]}}, "method": "lhs"}, "the range is empty: 5 to 5; give the lower end first"),
    ({"factors": {"fleet.battery": {"uniform": [1, 5]}}}, "has no levels; give a list"),
    ({"factors": {"fleet.battery": {"uniform": [1, 5], "choice": [1]}}}, "is no range; give"),
    ({"designs": ["hzs18"]}, "no design named 'hzs18'; did you mean 'hzs180'"),
    ({"criteria": "hubei"}, "no rule book named 'hubei'"),
    ({"seeds": 0}, "seeds"),
    ({"declared": "benchmark-180"}, "facts without a rule book; name one in criteria"),
    ({"criteria": "hubei-standard", "declared": "benchmark-180"}, "the facts are declared for benchmark-180, the runs are of hzs120"),
    ({"criteria": "hubei-standard", "variants": [{"name": "a", "changes": {"declared.qualified": True}}]}, "there is no field 'qualified'"),
    ({"changes": {"controller": "mine:Controller"}}, "plays in scan only; give fidelity: scan"),
    ({"changes": {"weather.air": 3}}, "no field 'air'; did you mean 'air_c'"),
])  # fmt: skip
def test_a_wrong_sweep_is_told_by_line(tmp_path: Path, fields: dict[str, Any], line: str) -> None:
    with pytest.raises(BatchtwinError, match=line):
        load_spec(spec_file(tmp_path, **fields))


def test_draws_fill_their_ranges_and_repeat(tmp_path: Path) -> None:
    factors = {"fleet.battery": {"integer": [0, 9]}, "weather.air_c": {"uniform": [10, 30]}, "weather.swing_c": {"choice": [2, 6]},
               "weather.humidity": {"normal": [0.6, 0.05]}}  # fmt: skip
    for method in ("monte-carlo", "lhs", "sobol", "saltelli"):
        plan = plan_of(tmp_path, factors=factors, method=method, samples=64)
        assert plan.spec.n_points == 64 * (6 if method == "saltelli" else 1)
        drawn = [point(plan.spec, i) for i in range(64)]
        assert drawn == [point(unpacked(plan.packed()).spec, i) for i in range(64)]
        assert {p["fleet.battery"] for p in drawn} == set(range(10))
        assert {p["weather.swing_c"] for p in drawn} == {2, 6}
        assert 12 > min(p["weather.air_c"] for p in drawn) >= 10 and 28 < max(p["weather.air_c"] for p in drawn) <= 30
        assert sum(p["weather.humidity"] for p in drawn) / 64 == pytest.approx(0.6, abs=0.03)
    assert Range(least=0, most=10, steps=3).levels == [0, 5, 10]


# --- a cluster ------------------------------------------------------------------------------------------


def test_a_worker_killed_in_mid_sweep_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    plan, file = plan_of(tmp_path, seeds=24, until="20min"), tmp_path / "scheduler.json"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "0"}

    def start(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words], env=env, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    processes = [start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))]
    try:
        processes += [
            start("worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name)
            for name in "ab"
        ]
        address = _address(file)
        killed: list[int] = []

        def kill_one(at: Standing) -> None:
            if at.done == 6 and not killed:
                processes[1].kill()
                killed.append(at.done)

        standing, done = swept(tmp_path / "out", plan, scheduler=address, progress=kill_one)
        assert killed and standing.done == 24
        assert [row["number"] for row in done.rows] == list(range(24))
        assert all(row["state"] == "complete" for row in done.rows)
        assert done.rows[5]["state_hash"] == play(plan, 5)["state_hash"]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    monkeypatch.setattr(cluster, "WAIT_S", 1)
    with pytest.raises(BatchtwinError, match=rf"no scheduler at {address} .*start one with 'dask scheduler'"):
        swept(tmp_path / "none", plan_of(tmp_path, seeds=25), scheduler=address)
    assert not (tmp_path / "none").exists()


def _address(file: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return str(json.loads(file.read_text())["address"])
        except (OSError, ValueError):
            time.sleep(0.05)
    raise AssertionError("the scheduler did not start")


def test_a_worker_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class There:
        """A client whose only worker answers with an old version."""

        def run(self, asked: Any, on_error: str) -> dict[str, str]:
            return {"tcp://there:1": "0.0.1+old"}

    with pytest.raises(BatchtwinError, match="worker tcp://there:1 has batchtwin 0.0.1.old, this is .*; install the same version"):
        cluster._same_version(There())
    packed = plan_of(tmp_path).packed()  # one that comes later refuses by itself
    monkeypatch.setattr("scenarios.whatif.play.code_version", lambda: "0.0.1+old")
    assert cluster.play_one(packed, 0) == {"refused": "0.0.1+old"}
