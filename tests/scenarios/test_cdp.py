"""The Concrete Delivery Problem: the importer, the checker against each kind of mistake, and the command's code.

All instances here are made here; the published ones are not part of the project.
"""

from __future__ import annotations

import json
from math import ceil, hypot
from pathlib import Path

import numpy as np
import pytest

from batchtwin import cdp as command
from control.dispatch import solve
from scenarios import cdp
from scenarios.cdp import Customer, Instance, Rule, Truck, Visit, check
from twin.errors import BatchtwinError

TINY = """MaxTimeLag:\t5
Vehicles:\t2
k0\t10\t10
k1\t15\t12
Customers:\t2
c0\t20\t30\t60
c1\t10\t70\t90
Stations:\t1
s0
Locations:\t5
v0\t50\t50
v1\t50\t50
s0\t50\t53
c0\t54\t53
c1\t50\t55
-----------------------
anything below is a note
"""
# By hand: v0 to s0 is 3 minutes, s0 to c0 is 4, s0 to c1 is 2.
GOOD = [Visit("k0", "s0", "c0", 26, 30, 10), Visit("k1", "s0", "c0", 38, 42, 10), Visit("k0", "s0", "c1", 68, 70, 10)]


@pytest.fixture
def tiny(tmp_path: Path) -> Instance:
    (tmp_path / "tiny.rmc").write_text(TINY)
    return cdp.read_instance(tmp_path / "tiny.rmc")


def random_instance(seed: int) -> Instance:
    chance = np.random.default_rng(seed)
    n, stations = int(chance.integers(3, 15)), [f"s{i}" for i in range(chance.integers(1, 4))]
    sizes = [int(chance.choice([10, 15, 20])) for _ in range(chance.integers(2, 7))]
    customers = []
    for i in range(n):
        demand, opens = 5 * int(chance.integers(2, 14)), 10 * int(chance.integers(3, 30))
        customers.append(Customer(f"c{i}", demand, opens, opens + demand + 10 * int(chance.integers(1, 6))))
    names = ["v0", "v1", *stations, *(c.name for c in customers)]
    places = {name: (int(x), int(y)) for name, (x, y) in zip(names, chance.integers(30, 70, (len(names), 2)), strict=True)}
    return Instance(
        f"r{seed}", int(chance.integers(0, 10)), [Truck(f"k{i}", q, q) for i, q in enumerate(sizes)], customers, stations, places
    )


def text_of(instance: Instance) -> str:
    rows: list[tuple[object, ...]] = [("MaxTimeLag:", instance.max_lag_min), ("Vehicles:", len(instance.trucks)), *instance.trucks]
    rows += [("Customers:", len(instance.customers)), *instance.customers, ("Stations:", len(instance.stations))]
    rows += [*((s,) for s in instance.stations), ("Locations:", len(instance.places)), *((n, *p) for n, p in instance.places.items())]
    return "\n".join("\t".join(map(str, row)) for row in rows) + "\n---------\n"


# --- importer -----------------------------------------------------------------------------------------------------


def test_what_was_written_is_read(tiny: Instance, tmp_path: Path) -> None:
    assert tiny.max_lag_min == 5 and tiny.stations == ["s0"] and tiny.name == "tiny"
    assert tiny.trucks == [("k0", 10, 10), ("k1", 15, 12)] and tiny.customers == [("c0", 20, 30, 60), ("c1", 10, 70, 90)]
    for seed in range(5):
        instance = random_instance(seed)
        (tmp_path / f"r{seed}.rmc").write_text(text_of(instance))
        assert cdp.read_instance(tmp_path / f"r{seed}.rmc") == instance


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("MaxTimeLag:", "Lag:", ":1: 'Lag:' stands where 'MaxTimeLag:' should"),
        ("k1\t15\t12", "k1\t15", ":4: 'k1 15' is not a vehicle"),
        ("k1\t15\t12", "k1\t0\t12", ":4: 0 is out of range"),
        ("k1\t15\t12", "k1\tten\t12", ":4: 'ten' is no whole number"),
        ("k1\t15\t12", "k0\t15\t12", ":4: 'k0' is there twice"),
        ("Vehicles:\t2", "Vehicles:\t3", ":5: 'Customers: 2' is not a vehicle"),
        ("Vehicles:\t2", "Vehicles:\t0", ":2: 0 is out of range"),
        ("c0\t20\t30\t60", "c0\t20\t60\t30", ":6: the window of c0 ends before it starts"),
        ("c0\t20\t30\t60", "c0\t20000\t30\t60", ":6: c0 needs more than 200 trips"),
        ("c0\t20\t30\t60", "c0\t20\t30\t1e3", ":6: '1e3' is no whole number"),
        ("s0\t50\t53\nc0", "s9\t50\t53\nc0", ":13: 's9' is no place of this instance"),
        ("Locations:\t5", "Locations:\t4", ": says not where c1 lies"),
        ("Locations:\t5", "Locations:\t6", ": ends before a location"),
        (TINY, "", ": ends before 'MaxTimeLag: NUMBER'"),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_line(old: str, new: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.rmc"
    path.write_text(TINY.replace(old, new, 1))
    with pytest.raises(BatchtwinError) as error:
        cdp.read_instance(path)
    assert str(error.value).startswith(f"{path}{told}") and "\n" not in str(error.value)


def test_a_folder_tells_of_every_broken_file_and_of_nothing_to_read(tmp_path: Path) -> None:
    for name, content in (("a", b"\xff\xfe"), ("b", b"MaxTimeLag: x"), ("c", TINY.encode())):
        (tmp_path / f"{name}.rmc").write_bytes(content)
    with pytest.raises(BatchtwinError) as error:
        cdp.read_folder(tmp_path)
    assert [line.split(":")[0][-5:] for line in error.value.text().splitlines()] == ["a.rmc", "b.rmc"]
    assert [i.name for i in cdp.read_folder(tmp_path, "c*")] == ["c"]
    with pytest.raises(BatchtwinError, match="holds no instance x"):
        cdp.read_folder(tmp_path, "x*")
    with pytest.raises(BatchtwinError, match="is no folder"):
        cdp.read_folder(tmp_path / "missing")


def test_best_known_values(tmp_path: Path) -> None:
    assert cdp.read_known(tmp_path) == {}
    path = tmp_path / "best_known.csv"
    path.write_text("instance,total_demand,ub_file,ub_other,best_known,methods\nA,100,90,80,70,x\n")
    assert cdp.read_known(tmp_path) == {"A": (80, 70)}
    for bad in ("instance,best_known\nA,many\n", "name,ub_x,best_known\nA,1,1\n", "instance,best_known\nA,1\n"):
        path.write_text(bad)
        with pytest.raises(BatchtwinError, match="cannot be used"):
            cdp.read_known(tmp_path)


# --- checker ------------------------------------------------------------------------------------------------------


def test_a_schedule_by_hand_is_feasible_and_tight(tiny: Instance) -> None:
    assert check(tiny, GOOD) == [] and cdp.delivered(tiny, GOOD) == 30
    assert check(tiny, []) == [] and cdp.delivered(tiny, []) == 0


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        (Rule.known, {0: {"truck": "k7"}}),
        (Rule.known, {0: {"station": "c1"}}),
        (Rule.known, {2: {"customer": "c7"}}),
        (Rule.load, {0: {"volume": 11}, 1: {"volume": 9}}),
        (Rule.load, {0: {"volume": 20}, 1: {"volume": 0}}),
        (Rule.demand, {1: {"volume": 9}}),
        (Rule.demand, {1: {"volume": 11}}),
        (Rule.demand, {2: {"customer": "c0", "pour_min": 57, "load_min": 45}}),
        (Rule.opens, {0: {"pour_min": 29, "load_min": 25}}),
        (Rule.closes, {2: {"pour_min": 81}}),
        (Rule.overlap, {1: {"pour_min": 39, "load_min": 35}}),
        (Rule.lag, {1: {"pour_min": 46}}),
        (Rule.loaded_way, {0: {"load_min": 27}}),
        (Rule.empty_way, {2: {"load_min": 43}}),
        (Rule.empty_way, {0: {"load_min": 2}}),
        (Rule.opens, {0: {"pour_min": float("nan")}}),
    ],
)
def test_each_rule_is_refused(tiny: Instance, rule: Rule, changes: dict[int, dict[str, object]]) -> None:
    schedule = [visit._replace(**changes.get(n, {})) for n, visit in enumerate(GOOD)]  # type: ignore[arg-type]
    assert rule in {violation.rule for violation in check(tiny, schedule)}


def test_the_limits_themselves_are_allowed(tiny: Instance) -> None:
    late = [GOOD[0], GOOD[1]._replace(pour_min=45, load_min=41), GOOD[2]._replace(pour_min=80, load_min=78)]  # lag 5; closes at 90
    assert check(tiny, late) == []
    early = [GOOD[0]._replace(load_min=3), GOOD[1]._replace(pour_min=40, load_min=3), GOOD[2]._replace(load_min=44)]
    assert check(tiny, early) == []
    assert {v.rule for v in check(tiny, [early[0], early[1], GOOD[2]._replace(load_min=43)])} == {Rule.empty_way}


def test_the_times_of_driving_are_rounded_up_for_each_way() -> None:
    for seed in range(3):
        print(f"seed {seed}")
        for a, b in np.random.default_rng(seed).integers(-60, 60, (300, 2, 2)).tolist():
            assert cdp.minutes(tuple(a), tuple(b)) == ceil(hypot(a[0] - b[0], a[1] - b[1]) - 1e-9)
    problem = cdp.problem(instance := random_instance(7))
    for i, station in enumerate(instance.stations):
        for j, customer in enumerate(instance.customers):
            assert problem.station_to_site_min[i, j] == cdp.minutes(instance.places[station], instance.places[customer.name])


@pytest.mark.parametrize("seed", range(30))
def test_what_the_search_finds_is_feasible(seed: int) -> None:
    print(f"seed {seed}")
    instance = random_instance(seed)
    outcome = solve(cdp.problem(instance), seed=seed, steps=300)
    schedule = cdp.visits(instance, outcome.plan)
    assert check(instance, schedule) == [] and cdp.delivered(instance, schedule) == outcome.delivered > 0
    broken = [visit._replace(pour_min=visit.pour_min - 1) for visit in schedule]
    assert check(instance, broken)  # as early as may be: not a minute earlier


# --- the command --------------------------------------------------------------------------------------------------


def test_a_folder_is_solved_checked_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tiny.rmc").write_text(TINY)
    (tmp_path / "r1.rmc").write_text(text_of(random_instance(1)))
    (tmp_path / "best_known.csv").write_text("instance,ub_file,best_known\ntiny,30,20\n")
    lines: list[str] = []
    solved, outcome = command.run(tmp_path, seconds=0.5, seed=3, out=tmp_path / "out.json", echo=lines.append)
    assert [s.result.instance for s in solved] == ["r1", "tiny"] and len(lines) == 2
    tiny = solved[1].result
    assert tiny.delivered == 30 and tiny.gap_percent == pytest.approx(-50) and tiny.seed in (6, 7) and tiny.seconds < 0.5
    assert solved[0].result.gap_percent is None and solved[0].result.upper_bound is None
    assert outcome == (2, 0, 1, 0, 0, pytest.approx(-50), 0.0)
    for row, solution in zip(json.loads((tmp_path / "out.json").read_text()), solved, strict=True):
        instance = cdp.read_instance(tmp_path / f"{row['instance']}.rmc")
        schedule = [Visit(**visit) for visit in row["visits"]]
        assert check(instance, schedule) == [] and cdp.delivered(instance, schedule) == row["delivered"] == solution.result.delivered
        again = solve(cdp.problem(instance), seed=row["seed"], steps=row["steps"])
        assert cdp.visits(instance, again.plan) == schedule
    command.tell(solved, outcome, [])
    assert "better 1, equal 0, worse 0" in capsys.readouterr().out
    assert json.loads(json.dumps(command.as_json(solved, outcome, [])))["results"][1]["delivered"] == 30


def test_an_infeasible_schedule_is_counted_and_named(tiny: Instance) -> None:
    broken = check(tiny, GOOD[:1])
    row = cdp.result(tiny, GOOD[:1], broken, cdp.Known(30, 30), 0, 1, 0.1)
    assert cdp.summary([row]).infeasible == 1 and row.violations == 1
    assert "INFEASIBLE: demand (c0): gets 10 of 20" in command.line(command.Solved(tiny, row, GOOD[:1], broken))


def test_wrong_arguments_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "tiny.rmc").write_text(TINY)
    for arguments, told in (
        ({"seconds": 0.0}, "--seconds: 0 is out of range"),
        ({"seconds": float("nan")}, "--seconds: nan is out of range"),
        ({"seed": -1}, "--seed: -1 is out of range"),
        ({"out": tmp_path}, "is a folder"),
        ({"out": tmp_path / "no" / "out.json"}, "cannot write"),
        ({"only": "B_*"}, "holds no instance B_*"),
    ):
        with pytest.raises(BatchtwinError) as error:
            command.run(tmp_path, **arguments)  # type: ignore[arg-type]
        assert told in str(error.value) and error.value.exit_code == 2
