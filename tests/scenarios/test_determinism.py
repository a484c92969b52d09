"""A run is a function of design, scenario and seed."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.recorder import SPARE, WEIGHING, log_for
from scenarios.run import Run
from scenarios.simulation import Simulation
from scenarios.store import RunWriter

ROOT = Path(__file__).resolve().parents[2]
TABLES = [
    "batches", "boundary", "cubes", "deliveries", "emissions", "energy", "events", "gate", "ledger", "lots", "pours", "returned", "samples", "tags", "violations", "weather",
    "weighings",
]  # fmt: skip


@pytest.mark.parametrize("fidelity", ["scan", "batch"])
def test_the_same_seed_gives_the_same_run_to_the_bit(play: Callable[..., Any], troubled: Any, fidelity: str) -> None:
    one, two = (play(troubled, fidelity=fidelity, again=again) for again in (False, True))
    assert one.outcome["state_hash"] == two.outcome["state_hash"]
    assert one.run.tables == two.run.tables == TABLES
    for table in TABLES:
        assert one.run.table(table).equals(two.run.table(table)), table


@pytest.mark.parametrize("fidelity", ["scan", "batch"])
def test_another_seed_gives_another_run(play: Callable[..., Any], troubled: Any, fidelity: str) -> None:
    one, two = play(troubled, fidelity=fidelity), play(troubled, fidelity=fidelity, seed=12)
    assert one.outcome["state_hash"] != two.outcome["state_hash"]
    assert one.df("weighings").true_kg.sum() != two.df("weighings").true_kg.sum()
    assert one.df("deliveries").left_s.tolist() != two.df("deliveries").left_s.tolist()


@pytest.mark.parametrize("fidelity", ["scan", "batch"])
def test_how_often_it_is_written_to_disk_changes_nothing(
    play: Callable[..., Any], troubled: Any, fidelity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = play(troubled, fidelity=fidelity)
    asked = itertools.count(1)
    monkeypatch.setattr(RunWriter, "due", lambda _: next(asked) % 150 == 0)
    two = play(troubled, fidelity=fidelity, again=True)
    assert one.outcome["state_hash"] == two.outcome["state_hash"]
    for table in TABLES:
        assert one.run.table(table).equals(two.run.table(table)), table


def test_another_process_finds_the_same_bits(play: Callable[..., Any], troubled: Any) -> None:
    script = (
        "import sys; from scenarios.schema import Scenario; from scenarios.simulation import Simulation\n"
        "s = Scenario.model_validate_json(sys.stdin.read())\n"
        "for f in ('scan', 'batch'): print(Simulation(s, fidelity=f).run()['state_hash'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=troubled.model_dump_json(), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [play(troubled, fidelity=f).outcome["state_hash"] for f in ("scan", "batch")]


def test_recording_changes_nothing(play: Callable[..., Any], troubled: Any) -> None:
    assert Simulation(troubled).run()["state_hash"] == play(troubled, fidelity="scan").outcome["state_hash"]


@pytest.mark.parametrize("piece_s", [0.1, 7.37, 600.0])
def test_advancing_in_pieces_is_advancing_at_once(troubled: Any, piece_s: float) -> None:
    whole, pieces = (Simulation(troubled, until_s=1200) for _ in range(2))
    whole.advance(1200)
    while pieces.tick < pieces.end_tick:
        pieces.advance(piece_s)
    assert pieces.plant.hash() == whole.plant.hash()
    assert pieces.fleet.tickets == whole.fleet.tickets


def test_commands_given_at_the_same_times_give_the_same_bits(troubled: Any) -> None:
    hashes = set()
    for pieces in ((50.0,), (12.3, 37.7)):
        with Simulation(troubled, until_s=300) as sim:
            sim.advance(100)
            sim.write("Line1.Station.Hold", 1)
            sim.inject("wrong-moisture", "Line1.Probe.Sand1", 2.0)
            for piece in pieces:
                sim.advance(piece)
            sim.write("Line1.Station.Hold", 0)
            sim.advance(150)
            hashes.add(sim.plant.hash())
    assert len(hashes) == 1


def short_log(*args):
    """A log whose buffer of weighings fills up within the hours played."""
    log = log_for(*args)
    return log._replace(weighings=log.weighings[:4096])


@pytest.mark.parametrize("design", ["hzs180", "twin-hzs240"])
def test_a_buffer_that_is_full_whenever_lines_meet_changes_nothing(monkeypatch, design):
    """Also where a load has been accepted of which the office hears at that very moment."""
    hashes = []
    for rows in (16384, SPARE):
        monkeypatch.setattr(
            "scenarios.simulation.log_for", lambda *args, rows=rows: log_for(*args)._replace(weighings=np.zeros(rows, WEIGHING))
        )
        with Simulation("working-day", design, seed=5, fidelity="batch") as sim:
            hashes.append(sim.run()["state_hash"])
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("design", ["hzs180", "twin-hzs240"])
def test_when_the_rows_are_brought_to_disk_changes_nothing(tmp_path, monkeypatch, design):
    """They are after some seconds of wall time, or when a buffer is full; a step of a line must not end there."""
    outcomes = []
    for often, flush_s in (("always", 0.0), ("when-full", 1e9)):
        monkeypatch.setattr("scenarios.store.FLUSH_S", flush_s)
        monkeypatch.setattr("scenarios.simulation.log_for", short_log)
        with Simulation("full-demand", design, seed=5, fidelity="batch", until_s=9 * 3600, out=tmp_path / often) as sim:
            outcomes.append(sim.run())
    assert outcomes[0]["weighings"] == outcomes[1]["weighings"] > 4096  # more than a buffer holds
    assert outcomes[0]["state_hash"] == outcomes[1]["state_hash"]
    always, when_full = (Run(tmp_path / name) for name in ("always", "when-full"))
    for table in ("tags", "weighings", "batches", "events"):
        assert always.table(table).equals(when_full.table(table)), table
