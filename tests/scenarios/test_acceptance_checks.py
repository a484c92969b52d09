"""The checks of acceptance by themselves, on evidence that was never played: conditions, windows, limits."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scenarios.acceptance import conditions
from scenarios.acceptance.checks.concrete import BatchesComposed, BatchesMixed, LoadsDelivered, WaterBinder
from scenarios.acceptance.checks.material import Lost
from scenarios.acceptance.checks.mixer import MixerKeptRunning
from scenarios.acceptance.checks.tags import Always, Happens, Never
from scenarios.acceptance.checks.weighing import DeviationsDeclared, RecordsHonest, WeighingsWithin
from scenarios.acceptance.evidence import Evidence, NothingToJudge, Window, table_of
from twin.design.load import load_design

# --- conditions and windows -----------------------------------------------------------------------------

TABLE = table_of(load_design("hzs180").model_dump_json())


def laid_out(t: list[float], events: list[dict[str, Any]] | None = None, **columns: list[float]) -> Evidence:
    """Evidence that was never played: a few tags over time; `Mixer_Run` is the column of `Line1.Mixer.Run`."""
    e = Evidence.__new__(Evidence)
    e.table, e.t, e.events = TABLE, np.array(t), events or []
    e.step_s = t[1] - t[0]

    class Read(dict[str, Any]):
        def read(self, names: list[str]) -> None:
            assert set(names) <= set(self)

    e.columns = Read({f"Line1.{k.replace('_', '.')}": np.array(v, dtype=float) for k, v in columns.items()})  # type: ignore[assignment]
    return e


RULE = {"rule": {"en": "rule", "zh": "规则"}}
TENTHS = [round(0.1 * k, 1) for k in range(1, 11)]


@pytest.mark.parametrize(
    ("name", "count"), [("Line1.Mixer.Run", 1), ("Line1.Weigher.*.Gross", 9), ("Line1.Weigher.{Cement, Water}.Gross", 2), ("Line1.Weigher.Gross", 0),
                        ("Line1.*.Gross", 0), ("Line1.Weigher.*.Capacity", 0), ("Line1.Mixer.Ru", 0)]
)  # fmt: skip
def test_names_stand_for_tags(name: str, count: int) -> None:
    assert len(conditions.matching(name, TABLE)) == count


@pytest.mark.parametrize(
    ("tag", "wish", "value", "holds"), [("Mixer.Run", True, 1, True), ("Mixer.Run", True, 0, False), ("Mixer.Run", False, 0, True), ("Mixer.Power", "> 5", 5, False),
     ("Mixer.Power", "> 5", 5.1, True), ("Mixer.Power", "<=5", 5, True), ("Mixer.Power", "< -0.5", -1, True), ("Station.State", "safe", 6, True),
     ("Station.State", "safe", 5, False), ("Bay.Order", 3, 3, True), ("Bay.Order", 3, 4, False), ("Mixer.Power", 7.0, 7.04, True), ("Mixer.Power", 7.0, 7.2, False)]
)  # fmt: skip
def test_a_condition_holds_live_as_in_the_record(tag: str, wish: Any, value: float, holds: bool) -> None:
    condition = {f"Line1.{tag}": wish}
    assert not list(conditions.mistakes(condition, TABLE))
    io = np.array(TABLE.values, dtype=float)
    io[TABLE.index(f"Line1.{tag}")] = value
    assert conditions.live(condition, TABLE)(io) is holds
    assert bool(conditions.holds([condition], TABLE, {f"Line1.{tag}": np.array([value])})[0]) is holds


def test_all_entries_and_any_condition() -> None:
    e = laid_out([1, 2, 3, 4], Mixer_Run=[0, 1, 0, 1], Belt_Run=[0, 0, 1, 1])
    run, belt = {"Line1.Mixer.Run": True}, {"Line1.Belt.Run": True}
    assert e.holding([run | belt]).tolist() == [False, False, False, True]
    assert e.holding([run, belt]).tolist() == [False, True, True, True]
    for i in range(4):
        io = np.array(TABLE.values, dtype=float)
        io[TABLE.index("Line1.Mixer.Run")], io[TABLE.index("Line1.Belt.Run")] = (
            e.columns["Line1.Mixer.Run"][i],
            e.columns["Line1.Belt.Run"][i],
        )
        assert conditions.live(run | belt, TABLE)(io) is (i == 3)


def test_a_row_stands_for_the_time_since_the_row_before() -> None:
    e = laid_out(TENTHS, Mixer_Run=[0, 0, 1, 1, 1, 0, 0, 0, 0, 1])
    spells = e.spells(e.holding([{"Line1.Mixer.Run": True}]), Window(0, 1))
    assert [(s.first, s.last, round(s.begins, 3), round(s.lasts, 3)) for s in spells] == [(2, 4, 0.2, 0.3), (9, 9, 0.9, 0.1)]
    inside = e.spells(e.holding([{"Line1.Mixer.Run": True}]), Window(0.3, 0.4))
    assert [(s.first, round(s.begins, 3), round(s.lasts, 3)) for s in inside] == [(3, 0.3, 0.1)]


@pytest.mark.parametrize(("tolerates", "passed"), [(0.0, False), (0.2, False), (0.3, True)])
def test_never_bears_what_it_tolerates(tolerates: float, passed: bool) -> None:
    e = laid_out(TENTHS, Mixer_Run=[0, 0, 1, 1, 1, 0, 0, 0, 0, 1])
    check = Never.model_validate(RULE | {"check": "never", "that": {"Line1.Mixer.Run": True}, "tolerates": tolerates})
    assert check.judge(e).passed is passed
    flipped = Always.model_validate(RULE | {"check": "always", "that": {"Line1.Mixer.Run": False}, "tolerates": tolerates})
    assert flipped.judge(e).passed is passed


def test_never_has_nothing_to_judge_where_the_rule_could_not_be_broken() -> None:
    e = laid_out(TENTHS, Mixer_Run=[0] * 10, Belt_Run=[1] * 10)
    both = RULE | {"check": "never", "that": {"Line1.Mixer.Run": True, "Line1.Belt.Run": True}}
    result = Never.model_validate(both).judge(e)
    assert not result.passed and "nothing to judge, Line1.Mixer.Run on was never seen" in result.en
    assert Never.model_validate(both | {"provided": {"Line1.Belt.Run": True}}).judge(e).passed
    result = Never.model_validate(both | {"provided": {"Line1.Belt.Run": False}}).judge(e)
    assert not result.passed and "Line1.Belt.Run off" in result.en


@pytest.mark.parametrize(("within", "passed"), [(0.2, False), (0.4, True), (0.5, True)])
def test_happens_in_time(within: float, passed: bool) -> None:
    events = [{"kind": "fault", "name": "Line1.Belt", "text": "motor-trip", "value": 1.0, "time_s": 0.3}]
    e = laid_out(TENTHS, events, Mixer_Run=[1, 1, 0, 0, 0, 0, 0, 1, 1, 1])
    check = {"check": "happens", "that": {"Line1.Mixer.Run": True}, "after": "fault:motor-trip", "within": within}
    result = Happens.model_validate(RULE | check).judge(e)
    assert result.passed is passed and "0.5 s" in result.en


def test_what_does_not_happen_at_all_says_so() -> None:
    e = laid_out(TENTHS, Mixer_Run=[0] * 10)
    result = Happens.model_validate(RULE | {"check": "happens", "that": {"Line1.Mixer.Run": True}, "within": 0.5}).judge(e)
    assert not result.passed and "did not come about" in result.en and result.rows == [{"time_s": 0.5, "Line1.Mixer.Run": 0.0}]


EVENTS = [
    {"kind": "command", "name": "Line1.Station.Start", "text": "write controller", "value": 1.0, "time_s": 0.1},
    {"kind": "command", "name": "Line1.Station.Start", "text": "write case", "value": 1.0, "time_s": 0.2},
    {"kind": "command", "name": "Line1.Station.Start", "text": "write case", "value": 0.0, "time_s": 0.3},
    {"kind": "fault", "name": "Line1.Belt", "text": "motor-trip", "value": 1.0, "time_s": 0.4},
    {"kind": "command", "name": "Line1.Station.Start", "text": "write controller", "value": 1.0, "time_s": 0.5},
    {"kind": "command", "name": "Line1.Station.Start", "text": "write case", "value": 1.0, "time_s": 0.6},
]


def test_windows_begin_and_end_at_moments() -> None:
    e = laid_out(TENTHS, EVENTS, Mixer_Run=[0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    runs = {"Line1.Mixer.Run": True}
    assert e.window(None, None) == (0.0, 1.0)
    assert e.window("command:Line1.Station.Start", "fault:Line1.Belt") == (0.2, 0.4)
    assert e.window("fault:motor-trip", "command:Line1.Station.Start") == (
        0.4,
        0.6,
    )  # not the first press, nor its end, nor what somebody else wrote
    assert e.moment("command:Line1.Station.Start", since=0.25) == 0.6
    assert e.window("fault:motor-trip + 0.1s", None) == pytest.approx((0.5, 1.0))
    assert e.window("fault:motor-trip", runs) == pytest.approx((0.4, 0.6))  # the row that shows it is out
    assert e.window(runs, None) == (0.7, 1.0)
    assert e.window("fault:motor-trip", "fault-end:motor-trip") == (0.4, 1.0)  # never ended
    for after, until in [("fault:belt-slip", None), ("fault:motor-trip + 1s", None), ({"Line1.Mixer.Run": 5}, None)]:
        with pytest.raises(NothingToJudge):
            e.window(after, until)  # type: ignore[arg-type]


# --- tables ---------------------------------------------------------------------------------------------


class Told(Evidence):
    """Evidence with tables that were never recorded; a query is answered by the table that it names last."""

    def __init__(self, **tables: list[dict[str, Any]]) -> None:
        self.tables = tables
        self.run = SimpleNamespace(tables=list(tables), outcome={"bad_writes": 0})  # type: ignore[assignment]
        self.table, self.design = TABLE, load_design("hzs180")

    def rows(self, query: str) -> list[dict[str, Any]]:
        return [dict(r) for r in self.tables[re.findall(r"FROM (\w+)", query)[-1]]]


def weighed(true: float, weigher: str = "Cement", feeder: str = "Cement1", **more: Any) -> dict[str, Any]:
    """A weighing of 500 kg of cement, tolerance 10 kg, division 0.5 kg; what was shown and recorded is true."""
    return {"time_s": 1.0, "batch": 1, "weigher": f"Line1.Weigher.{weigher}", "feeder": f"Line1.Feeder.{feeder}", "material": "cement", "target_kg": 500.0,
            "true_kg": true, "shown_kg": true, "recorded_kg": true, "tolerance_kg": 10.0, "disposition": "within"} | more  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "share", "least", "passed"),
    [([weighed(510)], 1, 1, True), ([weighed(510.1)], 1, 1, False), ([weighed(489.9)], 1, 1, False), ([weighed(500), weighed(511)], 0.5, 1, True),
     ([weighed(500), weighed(511)], 0.6, 1, False), ([weighed(500)], 1, 2, False), ([weighed(500, feeder="Sand1")], 1, 1, False),
     ([weighed(500, feeder="Cement2")], 1, 1, True), ([], 1, 1, False)],
)  # fmt: skip
def test_weighings_are_judged_by_true_mass(rows: list[dict[str, Any]], share: float, least: int, passed: bool) -> None:
    check = WeighingsWithin(check="weighings-within", share=share, least=least)
    assert check.judge(Told(weighings=rows)).passed is passed


@pytest.mark.parametrize(("recorded", "passed"), [(504.0, True), (496.0, True), (504.2, False), (495.8, False)])
def test_records_are_judged_by_what_the_scale_showed(recorded: float, passed: bool) -> None:
    rows = [weighed(530, shown_kg=500.0, recorded_kg=recorded)]
    assert RecordsHonest(check="records-honest").judge(Told(weighings=rows)).passed is passed
    assert not RecordsHonest(check="records-honest", weigher="Line1.Weigher.Water").judge(Told(weighings=rows)).passed


@pytest.mark.parametrize(
    ("shown", "disposition", "passed"),
    [(515, "accepted", True), (515, "accepted-late", True), (515, "within", False), (515, "re-dosed", False), (485, "within", False),
     (513, "within", False)],  # the last is within the scale's noise: nothing to judge
)  # fmt: skip
def test_deviations_must_be_declared(shown: float, disposition: str, passed: bool) -> None:
    result = DeviationsDeclared(check="deviations-declared").judge(Told(weighings=[weighed(shown, disposition=disposition)]))
    assert result.passed is passed and ("nothing to judge" in result.en) is (shown == 513)


def made_of(grade: str = "C30", number: int = 1, **more: float) -> dict[str, Any]:
    """A batch of 3 m³, as its recipe asks."""
    kg_m3 = load_design("hzs180").recipe(grade).kg_m3  # type: ignore[union-attr]
    sums = {"cement": ["cement"], "fly_ash": ["fly_ash"], "slag": ["slag"], "sand": ["sand", "manufactured_sand"], "stone": ["stone_5_10", "stone_10_25"],
            "water": ["water", "slurry_water"], "admixture": ["admixture"]}  # fmt: skip
    kg = {f"{s}_kg": 3 * sum(kg_m3.get(m, 0.0) for m in of) for s, of in sums.items()}
    ratio = kg["water_kg"] / (kg["cement_kg"] + kg["fly_ash_kg"] + kg["slag_kg"])
    row = {
        "time_s": 100.0,
        "line": "Line1",
        "number": number,
        "batch": number,
        "volume_m3": 3.0,
        "water_binder": ratio,
        "homogeneity": 0.999,
        "power_kw": 50.0,
    }
    return row | kg | {k: kg.get(k, 0.0) + v if k in kg else v for k, v in more.items()}


def loaded(batches: int = 1, m3: float = 3.0, off: float = 0.0) -> dict[str, Any]:
    kg = m3 * sum(load_design("hzs180").recipe("C30").kg_m3.values())  # type: ignore[union-attr]
    return {
        "ticket": 1,
        "line": "Line1",
        "grade": "C30",
        "volume_m3": m3,
        "loaded_kg": kg * (1 + off),
        "left_s": 200.0,
        "batch_from": 1,
        "batch_to": batches,
    }


@pytest.mark.parametrize(
    ("more", "passed"), [({}, True), ({"cement_kg": 20.0}, True), ({"cement_kg": 22.0}, False), ({"cement_kg": -22.0}, False), ({"sand_kg": 115.0}, False),
                         ({"water_kg": 99.0}, True), ({"admixture_kg": -0.4}, False), ({"stone_kg": -150.0}, False)]
)  # fmt: skip
def test_batches_are_judged_by_their_recipe(more: dict[str, float], passed: bool) -> None:
    check = BatchesComposed(check="batches-composed", tolerances=1.5)
    assert check.judge(Told(batches=[made_of(**more)], deliveries=[loaded()])).passed is passed
    assert not check.judge(Told(batches=[made_of(**more)], deliveries=[])).passed  # of no load: nothing to judge


@pytest.mark.parametrize(("off", "passed"), [(0.0, True), (0.019, True), (0.021, False), (-0.021, False)])
def test_the_water_binder_ratio_is_judged(off: float, passed: bool) -> None:
    row = made_of()
    row["water_binder"] += off
    assert WaterBinder(check="water-binder", limit=0.02).judge(Told(batches=[row], deliveries=[loaded()])).passed is passed


@pytest.mark.parametrize(
    ("more", "passed"), [({}, True), ({"homogeneity": 0.98}, False), ({"volume_m3": 3.25}, True), ({"volume_m3": 3.4}, False)]
)
def test_batches_must_be_mixed_and_single(more: dict[str, float], passed: bool) -> None:
    assert BatchesMixed(check="batches-mixed").judge(Told(batches=[made_of(**more)], deliveries=[])).passed is passed


@pytest.mark.parametrize(
    ("load", "passed"), [(loaded(), True), (loaded(2, 6.0), True), (loaded(2), False), (loaded(1, 6.0), False), (loaded(off=0.019), True),
                         (loaded(off=0.021), False), (loaded(off=-0.021), False)]
)  # fmt: skip
def test_loads_are_judged_by_mass_and_number_of_batches(load: dict[str, Any], passed: bool) -> None:
    assert LoadsDelivered(check="loads-delivered", loads=1).judge(Told(deliveries=[load])).passed is passed
    assert not LoadsDelivered(check="loads-delivered", loads=2).judge(Told(deliveries=[load])).passed


@pytest.mark.parametrize(
    ("to", "source", "most", "passed"), [(["ground"], "*", 5, True), (["ground"], "*", 4.9, False), (["ground", "discharge"], "*", 5, False), (["air"], "*", 0, True),
                                         (["ground"], "*.Mixer", 2, True), (["ground"], "*.Mixer", 1.9, False)]
)  # fmt: skip
def test_losses_are_judged_by_the_ledger(to: list[Any], source: str, most: float, passed: bool) -> None:
    moved = [
        ("Line1.Weigher.Cement", "Line1.Mixer", 700),
        ("Line1.Mixer", "ground", 2),
        ("Line1.Belt", "ground", 3),
        ("Truck1", "discharge", 4),
    ]
    rows = [{"time_s": 60.0, "source": a, "target": b, "kg": float(kg)} for a, b, kg in moved]
    assert Lost(check="lost", to=to, source=source, most_kg=most).judge(Told(ledger=rows)).passed is passed
    assert not Lost(check="lost", to=to, source=source, most_kg=most, moved_kg=701).judge(Told(ledger=rows)).passed
    assert not Lost(check="lost", moved="Line1.Mixer").judge(Told(ledger=[rows[0] | {"source": "opening"}])).passed


MIXER = ("Weigher_Cement", "Weigher_Additions", "Weigher_Water", "Weigher_Slurry", "Weigher_Admixture", "Hopper_Waiting")


@pytest.mark.parametrize(
    ("more", "passed"),
    [({}, True), ({"Mixer_Run": [1, 1, 1, 0, 1, 1, 1, 1, 1, 0]}, False), ({"Mixer_Run": [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]}, True),
     ({"Mixer_Run": [1, 1, 1, 1, 1, 1, 0, 1, 1, 1]}, False), ({"Mixer_Run": [1, 1, 1, 0, 1, 1, 1, 1, 1, 1], "Mixer_Tripped": [0, 0, 0, 1] + [0] * 6}, True),
     ({"Mixer_Run": [1, 1, 1, 0, 1, 1, 1, 1, 1, 1], "Station_EStop": [0, 0, 0, 1] + [0] * 6}, True),
     ({"Mixer_Run": [1, 1, 1, 0, 1, 1, 1, 1, 1, 1], "Station_Remote": [1, 1, 1, 0] + [1] * 6}, True)],
)  # fmt: skip
def test_a_mixer_is_loaded_from_charging_until_its_door_has_shut(more: dict[str, list[float]], passed: bool) -> None:
    quiet = {f"{m}_GateClosed": [1.0] * 10 for m in MIXER} | {"Mixer_Run": [1.0] * 10, "Mixer_Tripped": [0.0] * 10, "Station_EStop": [0.0] * 10,
             "Station_Remote": [1.0] * 10}  # fmt: skip
    batch = {"Weigher_Water_GateClosed": [1, 1, 0, 1, 1, 1, 1, 1, 1, 1], "Mixer_DoorPosition": [0, 0, 0, 0, 0, 40, 90, 40, 0, 0],
             "Mixer_DoorClosed": [1, 1, 1, 1, 1, 0, 0, 0, 1, 1]}  # fmt: skip
    e = laid_out(TENTHS, **(quiet | batch | more))
    e.design = load_design("hzs180")
    assert MixerKeptRunning(check="mixer-kept-running", tolerates=0.0).judge(e).passed is passed
