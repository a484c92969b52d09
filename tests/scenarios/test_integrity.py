"""A run is sealed as it closes; one that is cut, edited, of another version or recorded late is not judged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scenarios.judging.book import load_book
from scenarios.judging.integrity import check_whole, seal_of, sealed
from scenarios.judging.judge import judge
from scenarios.run import open_run
from scenarios.simulation import Simulation
from scenarios.store import RunWriter, write_json
from twin.errors import BatchtwinError
from twin.version import VERSION


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sealed") / "run"
    Simulation("working-day", fidelity="batch", until_s=1800, out=path).run()
    return path


@pytest.fixture
def folder(played: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(played, tmp_path / "run"))


def test_a_closed_run_is_whole(folder: Path) -> None:
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert set(info["hashes"]) == {p.name for p in folder.iterdir() if p.is_dir()}
    assert all(len(h) == 64 for of in info["hashes"].values() for h in of.values())
    check_whole(open_run(folder))


def an_edited_cell(folder: Path) -> None:
    part = next((folder / "weighings").glob("*.parquet"))
    table = pq.read_table(part)
    column = table.column_names.index("true_kg")
    pq.write_table(table.set_column(column, "true_kg", pa.array([x * 1.0001 for x in table["true_kg"].to_pylist()])), part)


def a_flipped_bit(folder: Path) -> None:
    part = next((folder / "ledger").glob("*.parquet"))
    raw = bytearray(part.read_bytes())
    raw[len(raw) // 2] ^= 1
    part.write_bytes(raw)


def a_part_gone(folder: Path) -> None:
    next((folder / "violations").glob("*.parquet")).unlink()


def a_part_more(folder: Path) -> None:
    part = next((folder / "gate").glob("*.parquet"))
    shutil.copy(part, part.with_name("part-00099.parquet"))


def other_info(**change: object) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        write_json(folder / "run.json", info | change)

    return write


def a_better_laboratory(folder: Path) -> None:
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    info["design"]["premises"]["laboratory"]["area_m2"] = 500.0
    write_json(folder / "run.json", info)


@pytest.mark.parametrize(
    ("edit", "told", "told_zh"),
    [
        (an_edited_cell, "weighings/part-00001.parquet was changed after the run was closed", "被修改"),
        (a_flipped_bit, "ledger/part-00001.parquet was changed after the run was closed", "被修改"),
        (a_part_gone, "violations/part-00001.parquet is missing", "缺少"),
        (a_part_more, "gate/part-00099.parquet was added after the run was closed", "添加"),
        (a_better_laboratory, "run.json was changed after the run was closed", "run.json"),
        (other_info(version="0.0.1"), f"played by batchtwin 0.0.1, this is {VERSION}", "当前版本"),
        (other_info(state="cut"), "it was cut", "中断"),
        (other_info(state="failed"), "it failed", "失败"),
        (other_info(recorded_from_s=600.0), "recording began 600 s late", "晚开始"),
        (other_info(seal=None), "run.json was changed", "run.json"),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_what_is_not_whole_is_not_judged(edit: Callable[[Path], None], told: str, told_zh: str, folder: Path) -> None:
    edit(folder)
    with pytest.raises(BatchtwinError) as caught:
        judge(load_book("zero-discharge"), open_run(folder))
    assert caught.value.exit_code == 2 and caught.value.code == "E204"
    assert told in caught.value.text("en") and len(caught.value.text("en").splitlines()) == 1
    assert told_zh in caught.value.text("zh")


def test_a_run_of_before_seals_is_not_judged(folder: Path) -> None:
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    write_json(folder / "run.json", {k: v for k, v in info.items() if k not in ("seal", "hashes")})
    with pytest.raises(BatchtwinError, match="it has no seal"):
        check_whole(open_run(folder))


def test_a_stopped_run_is_cut_though_its_tables_are_sealed(tmp_path: Path) -> None:
    sim = Simulation("working-day", fidelity="batch", out=tmp_path / "cut")
    sim.advance(600)
    sim.close()
    with pytest.raises(BatchtwinError, match="it was cut"):
        check_whole(open_run(tmp_path / "cut"))


def test_a_run_under_way_is_not_judged(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "going", {"version": VERSION})
    with pytest.raises(BatchtwinError, match="still going on"):
        check_whole(open_run(tmp_path / "going"))
    writer.close("complete", {})
    check_whole(open_run(tmp_path / "going"))


def test_the_report_beside_the_tables_leaves_the_seal_alone(folder: Path) -> None:
    (folder / "report.html").write_text("a report", encoding="utf-8")
    check_whole(open_run(folder))


def test_a_seal_hangs_on_all_that_is_said_and_on_nothing_else() -> None:
    info = {"seed": 1, "design": {"a": [1, 2.5]}, "zh": "站"}
    assert seal_of(info) == seal_of(dict(reversed(info.items()))) == seal_of(json.loads(json.dumps(info)) | {"seal": "x"})
    assert seal_of(info) != seal_of(info | {"seed": 2})


def test_sealing_again_makes_a_run_whole_so_a_seal_is_no_signature(folder: Path) -> None:
    """What a seal cannot do, said in a test: replaying the run can."""
    an_edited_cell(folder)
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    write_json(folder / "run.json", sealed(info, folder))
    check_whole(open_run(folder))
