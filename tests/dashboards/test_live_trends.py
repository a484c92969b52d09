"""Trends thinned out keep their peaks, from rows and from the blocks beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from dashboards.live.trends import buckets, run_trend
from scenarios.overview import read_blocks
from scenarios.run import open_run
from scenarios.simulation import Simulation
from scenarios.store import RunWriter


def test_peaks_survive_thinning_out() -> None:
    t = np.arange(0.0, 1e6)
    v = np.sin(t / 1e5)
    v[123_456], v[777_777] = 9.0, -7.0
    thin = buckets(t, v, v, 1000)
    assert len(thin["v"]) <= 1000 and max(thin["v"]) == 9.0 and min(thin["v"]) == -7.0
    assert thin["t"] == sorted(thin["t"]) and thin["t"][thin["v"].index(9.0)] == 123_456


def test_trends_of_a_recorded_run_keep_their_peaks(tmp_path: Path) -> None:
    Simulation("full-demand", until_s=600, out=tmp_path / "run").run()
    run = open_run(tmp_path / "run")
    whole = run.table("tags")["Line1.Mixer.Power"].to_numpy()
    thin = run_trend(run, ["Line1.Mixer.Power", "Line1.Belt.Power"], 0, 600, 60)
    assert (
        len(thin["Line1.Mixer.Power"]["v"]) <= 64
        and max(thin["Line1.Mixer.Power"]["v"]) == whole.max()
        and thin["Line1.Mixer.Power"]["t"] == sorted(thin["Line1.Mixer.Power"]["t"])
    )


def test_blocks_beside_the_rows_give_the_same_peaks_as_the_rows(tmp_path: Path) -> None:
    names, rows, rng = ["A.X", "B.Y"], 40_000, np.random.default_rng(1)
    values = {n: np.cumsum(rng.integers(-3, 4, rows)).astype(np.int32) for n in names}
    values["A.X"][12_345] = 70_000
    writer = RunWriter(tmp_path / "run", {"resolution": dict.fromkeys(names, 0.5)})
    for a in range(0, rows, 10_000):
        writer.append("tags", pa.table({"time_s": np.arange(a, a + 10_000) + 1.0} | {n: v[a : a + 10_000] for n, v in values.items()}))
        writer.flush(wait=True)
    writer.close("complete", {})
    run = open_run(tmp_path / "run")
    blocks = read_blocks(run, names)
    assert blocks is not None and blocks.num_rows == 4 * 9
    of_blocks = run_trend(run, names, 0, rows, 40)
    assert len(of_blocks["A.X"]["v"]) <= 40 and max(of_blocks["A.X"]["v"]) == 35_000
    (tmp_path / "run" / "tags" / "blocks-00002.pq").unlink()
    assert read_blocks(run, names) is None
    of_rows = run_trend(run, names, 0, rows, 40)
    for name in names:
        assert max(of_rows[name]["v"]) == max(of_blocks[name]["v"]) == 0.5 * values[name].max()
        assert min(of_rows[name]["v"]) == min(of_blocks[name]["v"]) == 0.5 * values[name].min()
