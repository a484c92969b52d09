"""Benchmarks as a user asks for them. Speeds depend on the machine and are not judged here; that the twins agree is."""

from __future__ import annotations

import asyncio

import pytest

from batchtwin.bench import BENCHMARKS, run, wire
from batchtwin.bench.kernels import BAR, KERNELS, TOLERANCE, compare
from twin.errors import BatchtwinError

KEYS = ["name", "value", "unit", "bar", "ok", "against"]


def test_a_benchmark_gives_one_row_with_its_bar_and_what_it_was_compared_with():
    told: list[str] = []
    (row,) = run("kernel:loadcell", told.append)
    assert list(row) == KEYS
    assert row["name"] == "kernel:loadcell" and row["bar"] == BAR and row["unit"] == "×"
    assert isinstance(row["value"], float) and row["value"] > 0
    assert row["ok"] is (row["value"] >= BAR)
    assert row["against"] and "\n" not in row["against"]
    assert told == ["kernel:loadcell ..."]


def test_without_a_bar_nothing_is_passed_or_failed():
    (row,) = run("kernel:strength", lambda _: None)
    assert row["bar"] is None and row["ok"] is None


@pytest.mark.parametrize("name", KERNELS)
def test_compiled_kernel_and_plain_twin_agree(name):
    fast, plain = KERNELS[name].make()
    assert fast() == pytest.approx(plain(slice(None)), rel=TOLERANCE, abs=1e-14)


def test_twins_that_disagree_fail_whatever_the_speed():
    fast, plain = KERNELS["travel"].make()
    ratio, against, ok = compare(type(KERNELS["travel"])(lambda: (fast, lambda part: plain(part) * 1.001)))
    assert ok is False and ratio > 0 and "DISAGREE" in against


def test_the_beginning_of_a_name_chooses_several():
    rows = run("kernel:t", lambda _: None)
    assert [row["name"] for row in rows] == ["kernel:travel", "kernel:transport"]


@pytest.mark.parametrize("name", ["kernel:sranport", "plant-yaer", "", "×"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(BatchtwinError) as error:
        run(name, lambda _: None)
    assert error.value.code == "E102" and error.value.exit_code == 2


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(BatchtwinError, match="did you mean 'plant-year'"):
        run("plant-yaer", lambda _: None)


def test_both_servers_give_the_bench_client_every_change(monkeypatch):
    """Two clients, a second: the figures are not judged, but nothing may be lost and both servers must be heard."""
    monkeypatch.setattr(wire, "SECONDS", 1.0)
    for which in ("wide", "asyncua"):
        with wire.served(which) as server:
            heard, _ = asyncio.run(wire._audience(server, 2))
            server.end()
        assert all(h.notifications >= wire.TAGS and h.missing == 0 for h in heard), which


def test_the_bench_controller_runs_a_plant(monkeypatch):
    monkeypatch.setattr(wire, "LOCKSTEP_SCANS", 200)
    with wire.served("plant") as server:
        read, speed = asyncio.run(wire._by_tags(server))
        assert read > 500 and speed > 0
        assert server.end()["scans"] >= 199


def test_every_figure_that_the_project_promises_has_a_benchmark():
    assert {"plant-year", "scan", "physics", "kernels", "start", "year-memory", "compile"} <= set(BENCHMARKS)
    assert {"opcua-publish-10", "opcua-publish-40", "opcua-round-trip", "opcua-read", "opcua-jitter", "opcua-lockstep"} <= set(BENCHMARKS)
    assert {"pages-viewers", "pages-trend"} <= set(BENCHMARKS)
