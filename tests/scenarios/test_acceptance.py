"""Acceptance: the reference program passes, each spoiled program fails what it should and nothing else, and nothing passes by default."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bad_controllers as bad
import numpy as np
import pytest
from junitparser import JUnitXml

from control.reference import ReferenceController
from scenarios.acceptance.case import Case, case_names, load_case
from scenarios.acceptance.checks import KINDS
from scenarios.acceptance.judge import compose, judge, play_case
from scenarios.acceptance.junit import write_junit
from scenarios.acceptance.results import MAX_POINTS, MAX_ROWS, CaseResult, plain
from scenarios.run import open_run

CASES = case_names()
PAGE = Path(__file__).resolve().parents[2] / "docs" / "acceptance.md"

# Each spoiled program with the checks it fails by case; in the cases with an empty set it passes.
FAILS: dict[type, dict[str, set[str]]] = {
    bad.AcceptsByItself: {"over-tolerance": {"hold", "goes-on", "records-honest"}, "scale-frozen": {"no-release"}, "tolerances": set(), "hold": set()},
    bad.FakesRecords: {
        "over-tolerance": {"records-honest", "deviations-declared"}, "tolerances": {"records-honest"}, "scale-broken": set(), "interlocks": set(),
    },
    bad.NeverLearns: {"tolerances": {"weighings-within", "loads-delivered", "batches-composed"}, "scale-frozen": set()},
    bad.NeverTares: {"scale-drift": {"weighings-within", "records-honest", "batches-composed"}, "tolerances": set(), "scale-broken": set()},
    bad.TrustsEveryReading: {
        "scale-broken": {"alarm", "feed-stops", "no-release", "no-record", "batches-composed", "loads-delivered"}, "scale-frozen": set(),
        "tolerances": set(),
    },
    bad.FeedsBlindly: {"scale-frozen": {"no-overflow"}, "scale-broken": set(), "arching": set(), "tolerances": set()},
    bad.NeverListens: {"over-tolerance": {"goes-on", "deviations-declared", "loads-delivered"}, "tolerances": set(), "arching": set()},
    bad.IgnoresMoisture: {"storm": {"water-binder"}, "tolerances": set(), "zero-discharge": set()},
    bad.WatersTheConcrete: {"tolerances": {"water-binder"}, "storm": {"water-binder"}, "zero-discharge": {"water-binder"}, "interlocks": set()},
    bad.SparesCement: {
        "tolerances": {"batches-composed", "water-binder"}, "storm": {"batches-composed", "water-binder"}, "arching": {"batches-composed"},
        "belt-trip": {"batches-composed"}, "interlocks": set(),
    },
    bad.SparesSlurry: {"zero-discharge": {"discharge", "weighings-within"}, "tolerances": set(), "storm": set()},
    bad.DumpsSlurry: {"zero-discharge": {"discharge"}, "tolerances": set(), "storm": set()},
    bad.IgnoresAgitator: {"agitator-stopped": {"alarm", "unstirred-stays", "settled-stays"}, "zero-discharge": set()},
    bad.GivesUpTheAgitator: {"agitator-stopped": {"stirred-again"}, "zero-discharge": set()},
    bad.WritesRubbish: {"tolerances": {"clean-writes"}, "arching": set()},
    bad.Silent: {
        "over-tolerance": {"alarm", "goes-on", "deviations-declared", "loads-delivered"}, "scale-broken": {"alarm"}, "scale-frozen": {"alarm"},
        "arching": {"alarm"}, "stuck-discharge": {"alarm"}, "link-lost": {"alarm"}, "emergency-stop": {"alarm"},
        "agitator-stopped": {"alarm"}, "tolerances": set(),
    },
    bad.DumpsWithoutTruck: {"interlocks": {"truck-below", "lost", "loads-delivered"}, "tolerances": set(), "link-lost": set()},
    bad.OpensOntoTheLastBatch: {"interlocks": {"lost", "loads-delivered"}, "tolerances": set(), "emergency-stop": set()},
    bad.SendsTrucksEarly: {
        "belt-trip": {"lost", "loads-delivered"}, "mixer-trip": {"lost", "loads-delivered"}, "link-lost": {"lost", "loads-delivered"},
        "scale-frozen": set(),
    },
    bad.TakesStandingForEmpty: {
        "power-dip": {"not-charged", "lost", "batches-composed", "batches-mixed", "loads-delivered"}, "interlocks": set(), "hopper-gate": set(),
    },
    bad.NeverSeesTheHopperOpen: {
        "hopper-gate": {"alarm", "lost", "batches-composed", "batches-mixed", "loads-delivered"}, "power-dip": set(), "tolerances": set(),
    },
    bad.ChargesStandingMixer: {"interlocks": {"mixer-turns"}, "tolerances": set(), "mixer-trip": set()},
    bad.ChargesThroughOpenDoor: {"interlocks": {"door-shut", "lost", "loads-delivered"}, "over-tolerance": set()},
    bad.LoadsStandingBelt: {
        "belt-trip": {"discharge-stops", "lost", "batches-composed", "loads-delivered"}, "interlocks": {"belt-runs", "lost", "loads-delivered"},
        "tolerances": set(), "mixer-trip": set(),
    },
    bad.StopsLoadedMixer: {
        "interlocks": {"mixer-kept-running"}, "hold": {"mixer-kept-running"}, "stuck-discharge": {"mixer-kept-running"}, "tolerances": set(),
    },
    bad.MixesTooShort: {
        "tolerances": {"batches-mixed"}, "mixer-trip": {"batches-mixed"}, "hold": {"batches-mixed"}, "stuck-discharge": {"batches-mixed"},
        "arching": set(),
    },
    bad.GoesOnWithoutCement: {
        "stuck-discharge": {"alarm", "batch-waits", "mixer-kept-running", "batches-composed", "loads-delivered"}, "tolerances": set(),
        "arching": set(),
    },
    bad.OverfillsSilos: {
        "silo-full": {"fill-shut", "stays-shut", "level"}, "blinded-filter": {"fill-shut", "relief-valve", "dust"}, "tolerances": set(), "arching": set()},
    bad.IgnoresLink: {"link-lost": {"alarm", "safe-state", "commands-withdrawn", "no-restart"}, "emergency-stop": set(), "tolerances": set()},
    bad.DropsTheMixer: {"link-lost": {"mixer-turns"}, "emergency-stop": set(), "mixer-trip": set()},
    bad.IgnoresEStop: {
        "emergency-stop": {"safe-state", "alarm", "commands-withdrawn", "no-restart"}, "link-lost": set(), "mixer-trip": set(),
    },
    bad.IgnoresTrip: {
        "mixer-trip": {"safe-state", "charging-stops", "door-stays-shut", "no-restart", "batches-mixed", "lost", "loads-delivered"},
        "interlocks": {"mixer-turns"}, "emergency-stop": set(),
    },
    bad.IgnoresHold: {"hold": {"held", "nothing-flows"}, "emergency-stop": set(), "tolerances": set()},
    bad.RestartsByItself: {
        "emergency-stop": {"commands-withdrawn", "no-restart"}, "link-lost": {"commands-withdrawn", "no-restart"},
        "mixer-trip": {"door-stays-shut", "no-restart"}, "interlocks": set(),
    },
    bad.FreezesAfterAWhile: {
        "tolerances": {"heartbeat", "weighings-within", "loads-delivered", "batches-composed", "batches-mixed", "clean-writes", "water-binder", "lost"},
        "link-lost": {"alarm", "safe-state", "commands-withdrawn", "no-restart", "mixer-turns", "batches-mixed", "lost", "loads-delivered"},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {name: load_case(name) for name in CASES}


@pytest.fixture(scope="module")
def play(cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., CaseResult]:
    """Plays a packaged case with a program; the same one once only."""
    done: dict[Any, CaseResult] = {}

    def get(case: str, program: Any = ReferenceController) -> CaseResult:
        if (case, program) not in done:
            done[case, program] = play_case(cases[case], program, tmp_path_factory.mktemp("case"))
        return done[case, program]

    return get


def failed(result: CaseResult) -> set[str]:
    assert result.state != "error", result.en
    return {c.name for c in result.failures()}


# --- programs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_the_reference_program_passes(play: Callable[..., CaseResult], case: str) -> None:
    result = play(case)
    assert not failed(result), [c.en for c in result.failures()]
    assert result.state == "passed"


@pytest.mark.parametrize("case", CASES)
def test_a_program_that_does_nothing_fails_every_check(play: Callable[..., CaseResult], case: str) -> None:
    result = play(case, bad.DoesNothing)
    assert failed(result) == {c.name for c in result.checks}


@pytest.mark.parametrize(
    ("program", "case"), [(p, c) for p, by_case in FAILS.items() for c in by_case], ids=lambda x: getattr(x, "__name__", x)
)
def test_a_spoiled_program_fails_what_it_should_and_nothing_else(play: Callable[..., CaseResult], program: Any, case: str) -> None:
    result = play(case, program)
    assert failed(result) == FAILS[program][case], [c.en for c in result.failures()]


def test_every_spoiled_program_is_in_the_table_and_fails_something() -> None:
    spoiled = {c for c in vars(bad).values() if isinstance(c, type) and issubclass(c, bad.Spoiled)}
    assert spoiled - {bad.Spoiled, bad.Blind, bad.Crashes} == set(FAILS)
    assert all(any(by_case.values()) for by_case in FAILS.values())


def test_every_check_of_every_case_is_failed_by_a_program_that_works_otherwise(cases: dict[str, Case]) -> None:
    """General checks stand in many cases; it is enough that one of their kind is failed somewhere."""
    seen = {(case, check) for by_case in FAILS.values() for case, checks in by_case.items() for check in checks}
    kinds = {next(c.check for c in cases[case].checks if c.label == check) for case, check in seen}
    for name, case in cases.items():
        for check in case.checks:
            general = check.check not in ("never", "always", "happens")
            assert (name, check.label) in seen or general and check.check in kinds or check.label == "sand-wetter", (name, check.label)


class Afar:
    """The reference program behind a network: what it writes arrives some scans late, what it reads of itself does not."""

    scan_ticks = 10

    def __init__(self, table: Any, species: Any, scans: int) -> None:
        self.program = ReferenceController(table, species)
        self.mine = np.array([i for i, t in enumerate(table) if t.direction in ("actuator", "status")])
        self.button = np.array([i for i, t in enumerate(table) if t.direction == "setpoint" and t.name.endswith(".Start")])
        self.on_the_way: list[Any] = [None] * scans
        self.own: Any = None

    def scan(self, values: np.ndarray, now: int) -> None:
        seen = values.copy()
        if self.own is not None:
            seen[self.mine] = self.own
        self.program.scan(seen, now)
        self.own = seen[self.mine].copy()
        values[self.button] = seen[self.button]
        self.on_the_way.append(self.own)
        arrived = self.on_the_way.pop(0)
        if arrived is not None:
            values[self.mine] = arrived


@pytest.mark.parametrize("case", ["interlocks", "link-lost", "emergency-stop", "mixer-trip", "scale-broken", "belt-trip", "tolerances",
                                  "agitator-stopped"])  # fmt: skip
def test_a_good_program_half_a_second_away_passes(play: Callable[..., CaseResult], case: str) -> None:
    result = play(case, partial(Afar, scans=5))
    assert failed(result) == set(), [c.en for c in result.failures()]


def test_a_program_that_raises_an_error_gets_no_verdict(play: Callable[..., CaseResult]) -> None:
    result = play("link-lost", bad.Crashes)
    assert (
        result.state == "error"
        and not result.checks
        and "ZeroDivisionError: float division by zero at 100 s" in result.en
        and result.sim_s == 100
    )
    assert open_run(result.run).state == "failed"


def test_a_program_that_cannot_be_made_gets_no_verdict(cases: dict[str, Case], tmp_path: Path) -> None:
    result = play_case(cases["link-lost"], lambda table, species: 1 / 0, tmp_path / "run")  # type: ignore[arg-type,return-value]
    assert result.state == "error" and "when it was made" in result.en


# --- verdicts -------------------------------------------------------------------------------------------


def test_the_same_program_and_seed_give_the_same_verdict(cases: dict[str, Case], tmp_path: Path) -> None:
    texts = []
    for _ in range(2):
        result = play_case(cases["over-tolerance"], bad.FakesRecords, tmp_path / "run")
        texts.append(result.to_json())
        (tmp_path / "run").rename(tmp_path / f"was-{len(texts)}")
    assert texts[0] == texts[1]


def test_another_seed_is_another_run(cases: dict[str, Case], play: Callable[..., CaseResult], tmp_path: Path) -> None:
    result = play_case(cases["arching"], ReferenceController, tmp_path / "run", seed=77)
    assert result.seed == 77 and result.state == "passed"
    assert result.figures["state_hash"] != play("arching").figures["state_hash"]


@pytest.mark.parametrize("program", [ReferenceController, bad.IgnoresLink])
def test_the_verdict_is_read_from_the_folder_alone(play: Callable[..., CaseResult], program: Any) -> None:
    result = play("link-lost", program)
    assert judge(load_case("link-lost"), open_run(result.run)) == result


def test_a_verdict_goes_to_json_and_back(play: Callable[..., CaseResult]) -> None:
    for result in (play("link-lost", bad.IgnoresLink), play("tolerances", bad.WatersTheConcrete), play("link-lost", bad.Crashes)):
        assert CaseResult.from_json(result.to_json()) == result
        assert json.loads(result.to_json())["checks"] == [json.loads(json.dumps(c)) for c in json.loads(result.to_json())["checks"]]


def test_a_verdict_is_bounded_and_says_why_in_both_languages(play: Callable[..., CaseResult]) -> None:
    for case in CASES:
        for program in (ReferenceController, bad.DoesNothing, bad.FreezesAfterAWhile):
            result = play(case, program)
            assert len(result.to_json()) < 200_000
            for check in result.checks:
                assert check.en and re.search("[一-鿿]", check.zh)
                assert "\n" not in check.en + check.zh
                assert len(check.rows) <= MAX_ROWS and len(check.plot.get("x", ())) <= MAX_POINTS
                assert all(len(v) == len(check.plot["x"]) for v in check.plot.get("series", {}).values())


def test_of_many_offending_rows_the_first_are_shown(play: Callable[..., CaseResult]) -> None:
    check = next(c for c in play("tolerances", bad.WatersTheConcrete).checks if c.name == "water-binder")
    assert check.en.startswith("water-binder: 34 of 34 batches") and len(check.rows) == MAX_ROWS


def test_data_is_made_plain() -> None:
    odd = {"a": float("nan"), "b": np.float64(1 / 3), "c": (np.int64(3), np.bool_(True), None), 4: Path("x")}
    assert plain(odd) == {"a": None, "b": 0.333333, "c": [3, True, None], "4": "x"}
    assert json.loads(json.dumps(plain(odd), allow_nan=False)) == plain(odd)


def test_a_failed_check_shows_when_and_what(play: Callable[..., CaseResult]) -> None:
    result = play("interlocks", bad.DumpsWithoutTruck)
    check = next(c for c in result.checks if c.name == "truck-below")
    row = check.rows[0]
    assert row["Line1.Hopper.Discharge.GateClosed"] == 0 and row["Line1.Bay.TruckPresent"] == 0 and row["lasts_s"] > 10
    begins, ends = check.plot["marks"][0]
    assert row["time_s"] - 0.11 <= begins < ends and check.plot["x"][0] < begins < check.plot["x"][-1]
    state = next(c for c in play("link-lost", bad.IgnoresLink).checks if c.name == "safe-state")
    assert state.rows[0]["Line1.Station.State"] == "running" and state.plot["marks"][0][1] - state.plot["marks"][0][0] == pytest.approx(3)
    lost = next(c for c in result.checks if c.name == "lost")
    assert {r["source"] for r in lost.rows} == {"Line1.Hopper.Discharge"} and sum(r["kg"] for r in lost.rows) > 5000


def test_a_run_of_something_else_gets_no_verdict(play: Callable[..., CaseResult]) -> None:
    result = judge(load_case("hold"), open_run(play("arching").run))
    assert result.state == "error" and "not made of this case" in result.en


def test_a_run_that_was_cut_gets_no_verdict(cases: dict[str, Case], tmp_path: Path) -> None:
    with compose(cases["arching"], None, tmp_path / "run") as sim:
        sim.advance(100)
    result = judge(cases["arching"], open_run(tmp_path / "run"))
    assert result.state == "error" and "(cut) at 100 of 720 s" in result.en and not result.checks


def test_a_run_that_says_it_failed_gets_no_verdict(play: Callable[..., CaseResult], tmp_path: Path) -> None:
    shutil.copytree(play("arching").run, tmp_path / "run")
    info = tmp_path / "run" / "run.json"
    info.write_text(json.dumps(json.loads(info.read_text(encoding="utf-8")) | {"state": "failed"}), encoding="utf-8")
    result = judge(load_case("arching"), open_run(tmp_path / "run"))
    assert result.state == "error" and "(failed) at 720 of 720 s" in result.en


def test_junit_tells_suites_tests_and_failures(play: Callable[..., CaseResult], tmp_path: Path) -> None:
    results = [play("arching"), play("link-lost", bad.IgnoresLink), play("link-lost", bad.Crashes)]
    results = [CaseResult.from_json(r.to_json()) for r in results]
    odd = next(c for c in results[1].checks if c.name == "alarm")
    odd.en, odd.zh, odd.rows = "no\x00 \x1b<&>", "无\x08", [{"\x0b": "\ud800"}]
    read = JUnitXml.fromfile(str(write_junit(results, tmp_path / "junit.xml")))
    suites = list(read)
    assert [s.name for s in suites] == ["arching", "link-lost", "link-lost"]
    assert (read.tests, read.failures, read.errors) == (len(results[0].checks) + len(results[1].checks) + 1, 4, 1)
    plainly = next(t for t in suites[1] if t.name == "alarm").result[0]
    assert plainly.message == "no <&>" and plainly.text.startswith("无\n")
    failure = next(t for t in suites[1] if t.name == "no-restart").result[0]
    assert "broken" in failure.message and "时" not in failure.message and "通信恢复后" in failure.text
    assert "ZeroDivisionError" in next(iter(suites[2])).result[0].message


# --- the page -------------------------------------------------------------------------------------------


def as_table(head: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(r)} |\n" for r in [head, ["---"] * len(head), *rows])


def case_table() -> str:
    rows = [[f"`{n}`", c.title.en, c.title.zh, ", ".join(f"`{k.label}`" for k in c.checks)] for n, c in ((n, load_case(n)) for n in CASES)]
    return as_table(["case", "what happens", "中文", "checks"], rows)


def check_table() -> str:
    rows = []
    for kind in KINDS:
        own = [n for n in kind.model_fields if n not in ("check", "name")]
        rows.append([f"`{name_of(kind)}`", " ".join((kind.__doc__ or "").split()), ", ".join(f"`{n}`" for n in own) or "–"])
    return as_table(["check", "what it asks", "parameters"], rows)


def name_of(kind: Any) -> str:
    return str(kind.model_fields["check"].annotation.__args__[0])


MADE = {"cases": case_table, "checks": check_table}


def made(text: str, what: str) -> str:
    pattern = re.compile(rf"(<!-- begin: {what} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert pattern.search(text), what
    return pattern.sub(lambda m: f"{m[1]}{MADE[what]()}{m[2]}", text)


@pytest.mark.parametrize("what", list(MADE))
def test_the_tables_of_the_page_are_up_to_date(what: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert made(text, what) == text, "run: PYTHONPATH=. python tests/scenarios/test_acceptance.py"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    for table in MADE:
        text = made(text, table)
    PAGE.write_text(text, encoding="utf-8")
