"""The past of a run at hand: from memory, from files, from the merged file, it is the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scenarios import store
from scenarios.recent import MANY, Recent
from scenarios.run import open_run
from scenarios.schema import Scenario
from scenarios.session import Session
from scenarios.store import MANY_PARTS, RunWriter

ROWS = 40  # in a piece
TAGS = "Line1.Bin.Sand1.Level", "Line1.Weigher.Cement.Gross"


def piece(number):
    """Rows once a second; `a` counts them, `b` goes the other way."""
    n = np.arange(ROWS * number, ROWS * (number + 1))
    return pa.table({"time_s": (n + 1) / 1.0, "a": n.astype(np.int32), "b": (-3 * n).astype(np.int32)})


def written(folder, pieces, kept_bytes, each=1):
    """A run of some pieces, with a flush after each few of them; the last piece is not flushed."""
    writer = RunWriter(folder, {"resolution": {"a": 1, "b": 1}})
    writer.recent = Recent(kept_bytes)
    for number in range(pieces):
        writer.append("tags", piece(number))
        if number % each == each - 1 and number < pieces - 1:
            writer.flush(wait=True)
    return writer


def read(writer, low=-MANY, high=MANY, **how):
    return writer.recent.snapshot(writer.path).read(["b", "a"], low, high, **how)


def in_memory(writer):
    return sum(s.values is not None for s in writer.recent._segments)


@pytest.mark.parametrize(("kept_bytes", "each", "kept"), [(10**9, 1, 10), (0, 1, 2), (3 * ROWS * 8, 1, 4), (0, 3, 4), (5 * ROWS * 8, 3, 6)])
def test_what_is_kept_and_what_is_read_from_files_is_the_same(tmp_path, kept_bytes, each, kept):
    writer = written(tmp_path / "run", 10, kept_bytes, each)
    assert in_memory(writer) == kept
    for _ in range(2):  # going on, and over
        ticks, (b, a) = read(writer)
        assert ticks.tolist() == [100 * (n + 1) for n in range(10 * ROWS)]
        assert a.tolist() == list(range(10 * ROWS)) and b.tolist() == [-3 * n for n in range(10 * ROWS)]
        for low, high in ((100, 100), (4000, 4100), (150, 180), (3_900, 12_150), (-MANY, 777), (39_000, MANY), (90_000, MANY)):
            ticks, (b, a) = read(writer, low, high)
            inside = ticks[(ticks >= low) & (ticks <= high)]
            assert inside.tolist() == [t for t in range(100, 100 * (10 * ROWS + 1), 100) if low <= t <= high]
            assert (a == ticks // 100 - 1).all() and (b == -3 * a).all()
        writer.close("complete", {})


def test_a_run_with_many_parts_is_read_from_the_merged_file_when_it_is_over(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "PART_ROWS", 1)
    writer = written(tmp_path / "run", MANY_PARTS + 3, 0)
    past = writer.recent.snapshot(writer.path)
    writer.close("complete", {})
    assert not list(writer.path.glob("tags/part-*"))
    ticks, (a,) = past.read(["a"], 4100, 8200)
    assert ticks[0] <= 4100 and ticks[-1] >= 8200 and (a == ticks // 100 - 1).all()


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("kept_bytes", [0, 10**9])
def test_no_more_is_read_than_needed(tmp_path, backward, kept_bytes):
    writer = written(tmp_path / "run", 10, kept_bytes)
    for most in (1, ROWS - 1, ROWS, 3 * ROWS):
        ticks, _ = read(writer, 4100, 36_050, most=most, backward=backward)
        inside = ticks[(ticks >= 4100) & (ticks <= 36_050)]
        assert most < len(inside) and len(ticks) <= most + 3 * ROWS
        assert inside[-1] == 36_000 if backward else inside[0] == 4100
    writer.close("cut", {})


def test_neighbours_of_a_time_between_pieces(tmp_path):
    writer = written(tmp_path / "run", 3, 10**9)
    for at in (4050, 8050):  # between the last row of one piece and the first of the next
        ticks, _ = read(writer, at, at, around=True)
        assert {at - 50, at + 50} <= set(ticks.tolist())
    assert read(writer, 50, 50, around=True)[0][0] == 100 and read(writer, 99_000, 99_000, around=True)[0][-1] == 12_000
    writer.close("cut", {})


def test_a_run_without_rows_has_no_past(tmp_path):
    writer = written(tmp_path / "run", 0, 0)
    past = writer.recent.snapshot(writer.path)
    assert past.columns == {} and past.count(-MANY, MANY) == 0
    writer.close("cut", {})


def test_a_live_run_has_its_past_at_hand_and_a_plain_one_does_not_pay_for_it(tmp_path):
    scenario = Scenario.model_validate({"name": "short", "title": {"en": "short", "zh": "短"}, "starts": "2026-05-11 06:00", "lasts": "2min",
                                        "seed": 3, "orders": [{"site": "Raft", "grade": "C30", "volume_m3": 20, "start": "06:00"}]})  # fmt: skip
    live = Session(scenario, out=tmp_path / "run", controller="reference")
    live.sim.advance(50)
    live.sim.gather()
    ticks, _ = live.sim.writer.recent.snapshot(live.sim.writer.path).read(TAGS, -MANY, MANY)
    assert ticks.tolist() == list(range(100, 5001, 100)), "rows are there though nothing was flushed"
    live.sim.advance(70)
    live.close()
    live.sim.gather()
    past, run = live.sim.writer.recent.snapshot(live.sim.writer.path), open_run(tmp_path / "run")
    ticks, columns = past.read(TAGS, -MANY, MANY)
    frame = run.df("tags")
    assert ticks.tolist() == np.rint(frame["time_s"] * 100).tolist()
    for name, column in zip(TAGS, columns, strict=True):
        assert np.allclose(column * run.info["resolution"][name], frame[name])
    plain = Session(scenario, controller="reference")
    assert plain.sim.writer is None
    plain.record(tmp_path / "later")
    assert plain.sim.writer.recent is not None
    plain.close()
