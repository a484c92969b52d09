"""Branches of a run: to the bit the run that would have been, and no trace in the run that they come from."""

from __future__ import annotations

import json
import os
import select
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scenarios.changes import Changes, in_words, parse
from scenarios.futures import Futures, fork, fork_recorded, names_of, read
from scenarios.outside import Outside
from scenarios.replay import replay
from scenarios.run import Run, open_run
from scenarios.simulation import Simulation
from twin.errors import BatchtwinError

AT_S, UNTIL_S = 600.0, 1200.0
WORDS = {
    "same": "",
    "leak": "fault=leaking-gate@Line1.Feeder.Sand1:0.05",
    "wet": "rain=60,5min; write=Line1.Station.Hold:1",
    "more": "order=C30:24@Wall; dispatch=nearest",
    "anew": "controller=reference",
}


def same_tables(one: Run, two: Run) -> None:
    assert one.tables == two.tables
    for table in one.tables:
        assert one.table(table).equals(two.table(table)), table


class Forked(NamedTuple):
    path: Path
    rows: dict[str, dict[str, Any]]
    never: dict[str, Any]  # outcome of a run that was never branched


@pytest.fixture(scope="module")
def forked(troubled: Any, tmp_path_factory: pytest.TempPathFactory) -> Forked:
    """A run that was branched while it was recorded, beside one that never was."""
    path = tmp_path_factory.mktemp("futures")
    sim = Simulation(troubled, until_s=UNTIL_S, out=path / "live")
    sim.advance(AT_S / 2)
    sim.write("Line1.Station.Hold", 0)  # a command of the past belongs to each branch
    sim.advance(AT_S / 2)
    futures = sim.fork({name: parse(text) for name, text in WORDS.items()}, UNTIL_S, path / "futures")
    sim.run()
    rows = futures.wait()
    never = Simulation(troubled, until_s=UNTIL_S, out=path / "never")
    never.advance(AT_S / 2)
    never.write("Line1.Station.Hold", 0)
    return Forked(path, {row["name"]: row for row in rows}, never.run())


def test_a_branch_without_a_change_is_the_run_that_goes_on(forked: Forked) -> None:
    assert forked.rows["same"]["state"] == "complete"
    assert forked.rows["same"]["state_hash"] == forked.never["state_hash"]
    same_tables(open_run(forked.path / "futures" / "same"), open_run(forked.path / "never"))


def test_the_run_has_no_trace_of_its_branches(forked: Forked) -> None:
    live, never = open_run(forked.path / "live"), open_run(forked.path / "never")
    assert live.outcome["state_hash"] == never.outcome["state_hash"]
    same_tables(live, never)
    assert not (forked.path / "live" / "run.lock").exists()


def test_changes_change_what_they_say(forked: Forked) -> None:
    hashes = {row["state_hash"] for row in forked.rows.values()}
    assert len(hashes) == len(WORDS)
    runs = {name: open_run(forked.path / "futures" / name) for name in WORDS}
    after = f"time_s >= {AT_S}"
    assert (
        runs["leak"].sql(f"SELECT count(*) n FROM events WHERE kind = 'fault' AND text = 'leaking-gate' AND {after}").to_pylist()[0]["n"]
        == 1
    )
    assert runs["wet"].sql(f"SELECT max(rain_mm_h) r FROM weather WHERE {after}").to_pylist()[0]["r"] == 60
    assert runs["wet"].sql("SELECT max(rain_mm_h) r FROM weather WHERE time_s > 960").to_pylist()[0]["r"] == 0  # over after five minutes
    assert forked.rows["wet"]["m3"] < forked.rows["same"]["m3"]  # the line was held
    assert runs["more"].sql("SELECT count(*) n FROM events WHERE text LIKE 'place_order%'").to_pylist()[0]["n"] == 1


@pytest.mark.parametrize("name", [n for n in WORDS if n != "same"])
def test_a_branch_is_a_run_that_can_be_played_again_to_the_bit(forked: Forked, name: str) -> None:
    recorded, again = replay(open_run(forked.path / "futures" / name))
    assert recorded == again == forked.rows[name]["state_hash"]


def test_branches_are_judged_by_the_same_book(forked: Forked) -> None:
    for row in forked.rows.values():
        assert sum(row["clauses"].values()) == 68 and row["clauses"].get("fail", 0) == len(row["failed"])
    assert [r["name"] for r in read(forked.path / "futures")["branches"]] == list(WORDS)
    assert not (forked.path / "futures" / "past").exists()


def test_a_recorded_run_is_branched_by_playing_it_again(forked: Forked, tmp_path: Path) -> None:
    """The operator's command came before the moment; one that came after is repeated, too."""
    folder = forked.path / "futures" / "wet"
    futures = fork_recorded(folder, {"same": parse(""), "early": parse("rain=10,2min")}, AT_S / 2, UNTIL_S, tmp_path / "again")
    rows = {row["name"]: row for row in futures.wait()}
    assert rows["same"]["state_hash"] == forked.rows["wet"]["state_hash"] != rows["early"]["state_hash"]
    same_tables(open_run(tmp_path / "again" / "same"), open_run(folder))
    assert [p.name for p in tmp_path.iterdir()] == ["again"]


def test_in_batch_fidelity_too(play: Callable[..., Any], troubled: Any, tmp_path: Path) -> None:
    whole = play(troubled, fidelity="batch")
    futures = fork_recorded(whole.run.path, {"same": parse(""), "leak": parse(WORDS["leak"])}, 1800.3, 5400.0, tmp_path / "f")
    rows = futures.wait()
    assert rows[0]["state_hash"] == whole.outcome["state_hash"] != rows[1]["state_hash"]
    same_tables(open_run(tmp_path / "f" / "same"), whole.run)


def test_a_controller_of_ones_own_may_take_over(troubled: Any, tmp_path: Path) -> None:
    class Idle:
        scan_ticks = 10

        def scan(self, values: Any, now: int) -> None:
            pass

    with Simulation(troubled, until_s=900) as sim:
        sim.advance(300)
        rows = sim.fork({"idle": lambda s: s.control_by(Idle()), "same": lambda s: None}, 600, tmp_path / "f").wait()
        sim.advance(300)
        assert rows[1]["state_hash"] == sim.plant.hash() != rows[0]["state_hash"]
        assert "no_verdict" in rows[0]  # recorded from its middle


def test_branches_go_on_beside_threads_and_keep_nothing_open(troubled: Any, tmp_path: Path) -> None:
    """A server has threads; a child has only its own, and gives back what it inherited."""
    over = threading.Event()
    others = [threading.Thread(target=lambda: [json.dumps([1] * 99) for _ in iter(lambda: over.wait(0.001), True)]) for _ in range(3)]
    for thread in others:
        thread.start()
    reading, writing = os.pipe()
    try:
        with Simulation(troubled, out=tmp_path / "run") as sim:
            sim.advance(60)
            futures = sim.fork({"same": lambda s: None}, 5400, tmp_path / "f")
            os.close(writing)
            assert select.select([reading], [], [], 20)[0] and os.read(reading, 1) == b""  # nobody holds the other end
            assert futures.going
            futures.stop()
            assert sim.fork({"same": lambda s: None}, 120, tmp_path / "g").wait()[0]["state"] == "complete"
    finally:
        over.set()
        os.close(reading)


def test_branches_can_be_stopped(troubled: Any, tmp_path: Path) -> None:
    with Simulation(troubled) as sim:
        sim.advance(1)
        futures: Futures = sim.fork({"long": lambda s: None, "longer": lambda s: None}, 5400, tmp_path / "f")
        futures.stop()
        assert not futures.going and {row["state"] for row in futures.rows()} <= {"cut", "complete"}


def test_a_branch_that_dies_is_told_and_the_others_go_on(troubled: Any, tmp_path: Path) -> None:
    def dies(sim: Simulation) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def fails(sim: Simulation) -> None:
        raise BatchtwinError("E401", problem="no", mend="yes")

    with Simulation(troubled, until_s=900) as sim:
        sim.advance(60)
        rows = sim.fork({"dies": dies, "fails": fails, "lives": lambda s: None}, 120, tmp_path / "f").wait()
    assert [row["state"] for row in rows] == ["failed", "failed", "complete"]
    assert rows[0]["problem"] == "its process ended with -9" and rows[1]["problem"] == "no; yes"


# --- words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*WORDS.values(), "rain=3.5,2h", "fault=arching@Line1.Feeder.Cement1,5min", "write=A:1; write=B:-2"])
def test_words_are_read_back_as_they_were_said(text: str) -> None:
    assert parse(in_words(parse(text))) == parse(text)


def test_branches_are_named_by_what_they_change() -> None:
    assert list(names_of(["", "rain=40,2h", "rain=40,2h", "混凝土"])) == ["as-it-is", "rain-40-2h", "rain-40-2h-2", "as-it-is-2"]


BAD = {
    "fog=1": "no change named 'fog'",
    "rain=": "nothing after '='",
    "rain=400": "rain.mm_h",
    "order=C30": "volume_m3",
    "fault=x": "target",
    "dispatch=fast": "dispatch",
    "controller=mine": "controller",
    "write=A:x": "writes",
}


@pytest.mark.parametrize("text", BAD)
def test_words_that_cannot_be_read_are_told_in_one_line(text: str) -> None:
    with pytest.raises(BatchtwinError) as error:
        parse(text)
    assert BAD[text] in str(error.value) and error.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fault=leaking-gate@Line1.Mixer", "does not apply"),
        ("order=C99:6", "no recipe named 'C99'"),
        ("write=Line1.Weigher.Cement.Gross:1", "is a sensor"),
        ("write=Line1.Station.Hold:7", "out of range"),
    ],
)
def test_changes_that_do_not_fit_the_plant_are_told_before_anything_is_written(
    forked: Forked, tmp_path: Path, text: str, told: str
) -> None:
    changes = parse(text)
    with pytest.raises(BatchtwinError, match=told):
        fork_recorded(forked.path / "never", {"x": changes}, 60, 120, tmp_path / "f", check=changes.check)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_branched_is_told(forked: Forked, tmp_path: Path) -> None:
    nothing: Changes = parse("")
    with Simulation(forked_scenario(forked), until_s=600) as sim:
        sim.advance(60)
        for branches, until_s, out, told in (
            ({}, 120, tmp_path / "f", "0 branches"),
            ({f"b{i}": nothing for i in range(33)}, 120, tmp_path / "f", "33 branches"),
            ({"Über": nothing}, 120, tmp_path / "f", "no name of a branch"),
            ({"past": nothing}, 120, tmp_path / "f", "no name of a branch"),
            ({"a": nothing}, 30, tmp_path / "f", "the run is at 60 s"),
            ({"a": nothing}, 900, tmp_path / "f", "ends at 600 s"),
            ({"a": nothing}, 120, forked.path, "holds something already"),
        ):
            with pytest.raises(BatchtwinError, match=told):
                fork(sim, branches, until_s, out)
        with pytest.raises(BatchtwinError, match="no rule book"):
            fork(sim, {"a": nothing}, 120, tmp_path / "f", "hubei-standart")
        with pytest.raises(BatchtwinError, match="futures.json"):
            read(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BatchtwinError, match="the run lasts 1200 s"):
        fork_recorded(forked.path / "never", {"a": nothing}, 1200, 1300, tmp_path / "f")


def forked_scenario(forked: Forked) -> Any:
    from scenarios.schema import Scenario

    return Scenario.model_validate(open_run(forked.path / "never").info["scenario"])


def test_a_run_whose_controller_was_outside_takes_what_it_wrote(troubled: Any, tmp_path: Path) -> None:
    """What it wrote is repeated, so a branch without a change is the recorded run."""
    outside = Outside()
    with Simulation(troubled, until_s=60, controller=outside, out=tmp_path / "run") as sim:
        beat = sim.image.table.index("Line1.Station.Heartbeat")
        for k in range(600):
            outside.write(beat, float(k))
            sim.advance(0.1)
            outside.hand_over(sim)
        outcome = sim.close("complete")
    rows = fork_recorded(tmp_path / "run", {"same": parse(""), "ours": parse("controller=reference")}, 30, 60, tmp_path / "f").wait()
    assert rows[0]["state_hash"] == outcome["state_hash"] != rows[1]["state_hash"]
