"""The optimiser finds what brute force finds, keeps limits, and goes on where it was cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from sweeping import DAY, plan_of, swept

from scenarios.whatif.optimise import BROKEN, Search, judged, load_search, optimise
from scenarios.whatif.play import Plan
from twin.errors import BatchtwinError

pytest.importorskip("optuna")
FIELDS: dict[str, Any] = {
    "name": "small", "scenario": "day.yaml", "seeds": 1, "least": "cost_cny",
    "search": {"fleet.trucks": {"integer": [1, 8]}, "fleet.pumps": {"integer": [1, 3]}},
    "limits": {"on_time_percent": {"least": 70}, "m3": {"least": 24}},
}  # fmt: skip


def search_file(folder: Path, **fields: Any) -> Path:
    (folder / "day.yaml").write_text(DAY, encoding="utf-8")
    file = folder / "search.yaml"
    file.write_text(yaml.safe_dump(FIELDS | fields, sort_keys=False), encoding="utf-8")
    return file


def test_it_finds_the_optimum_that_brute_force_has_found(tmp_path: Path) -> None:
    search, found = load_search(search_file(tmp_path, trials=16))
    grid = {path: list(range(reach.integer[0], reach.integer[1] + 1)) for path, reach in search.search.items() if reach.integer}
    _, all_of_them = swept(tmp_path / "all", plan_of(tmp_path, factors=grid), cores=2)
    assert len(all_of_them.complete) == 24
    ranked = sorted((judged(search, 0, {p: int(row[p]) for p in grid}, [row]) for row in all_of_them.rows), key=lambda t: t.value)
    assert ranked[0].value < BROKEN < ranked[-1].value  # the limits bind
    trials = optimise(search, found, tmp_path / "out", cores=2)
    assert (trials[0].changes, trials[0].value) == (ranked[0].changes, ranked[0].value)
    assert len({str(t.changes) for t in trials}) < 24
    best = yaml.safe_load((tmp_path / "out" / "best.yaml").read_text(encoding="utf-8"))
    assert best["changes"] == ranked[0].changes and best["keeps_limits"]


def bowl(plan: Plan, number: int) -> dict[str, Any]:
    """A player that needs no plant: least at seven trucks and one pump."""
    changes = plan.changes(plan.job(number))
    cost = (changes["fleet.trucks"] - 7) ** 2 + (changes["fleet.pumps"] - 1) ** 2 + 10.0
    return plan.about(number) | {"state": "complete", "error": None, "cost_cny": cost, "on_time_percent": 100.0, "m3": 24.0}


def test_a_search_that_was_cut_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    search, found = load_search(search_file(tmp_path, trials=12))
    whole = optimise(search, found, tmp_path / "whole", player=bowl)
    played: list[int] = []

    def cut(n: int, _: Any) -> None:
        played.append(n)
        if n >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimise(search, found, tmp_path / "cut", player=bowl, progress=cut)
    again = optimise(search, found, tmp_path / "cut", player=bowl, progress=lambda n, _: played.append(n))
    assert played == [4, 8, 12]
    assert [(t.changes, t.value) for t in again] == [(t.changes, t.value) for t in whole]
    more = optimise(search.model_copy(update={"trials": 13}), found, tmp_path / "cut", player=bowl)
    assert len(more) == 13
    with pytest.raises(BatchtwinError, match="belongs to another sweep .its search differs"):
        optimise(search.model_copy(update={"seed": 9}), found, tmp_path / "cut", player=bowl)


def test_a_plant_that_cannot_be_ranks_below_one_that_breaks_a_limit(tmp_path: Path) -> None:
    search = Search.model_validate(FIELDS | {"criteria": "gb4915-dust"})
    row = {"state": "complete", "cost_cny": 1.0, "on_time_percent": 50.0, "m3": 24.0, "clauses_failed": 0.0}
    failed = judged(search, 0, {}, [row, row | {"state": "failed", "error": "no"}])
    late, clause, good = (
        judged(search, 0, {}, [row]),
        judged(search, 0, {}, [row | {"on_time_percent": 90.0, "clauses_failed": 1.0}]),
        judged(search, 0, {}, [row | {"on_time_percent": 90.0}]),
    )
    assert failed.value > clause.value > late.value > good.value == 1.0
    assert (late.broken, clause.broken, good.broken, failed.broken) == (["on_time_percent"], ["clauses_failed"], [], ["no"])


@pytest.mark.parametrize(("fields", "line"), [
    ({"least": "cost"}, r"search.yaml:4: least: there is no measure 'cost'; did you mean 'cost_cny'"),
    ({"limits": {"m3": {}}}, "is no limit; give least or most"),
    ({"search": {"fleet.truck": {"integer": [1, 2]}}}, "search.fleet.truck: fleet.truck: there is no field 'truck'; did you mean 'trucks'"),
    ({"search": {"fleet.trucks": {"normal": [1, 2]}}}, "no ends to search between; give uniform or integer"),
    ({"search": {}}, "search: is empty"),
])  # fmt: skip
def test_a_wrong_search_is_told_by_line(tmp_path: Path, fields: dict[str, Any], line: str) -> None:
    with pytest.raises(BatchtwinError, match=line):
        load_search(search_file(tmp_path, **fields))
