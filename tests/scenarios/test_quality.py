"""Samples, cubes, acceptance and control charts, against examples worked by hand and published ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios import quality
from scenarios.quality import CUBES, DAY_S, SAMPLE, Laboratory
from scenarios.run import open_run
from scenarios.simulation import Simulation
from twin.design.load import load_design
from twin.kernels.strength import WITHIN_TEST_COV
from twin.ledger import SPECIES

KG = {"cement": 330.0, "fly_ash": 60.0, "slag": 0.0, "sand": 800.0, "stone": 1050.0, "water": 170.0, "admixture": 6.0, "fines": 0.0}
DESIGN = load_design("hzs180")


def tables(loads: list[tuple[str, str, int, float]], on_site: bool = True, batch_m3: float = 3.0) -> tuple[pa.Table, pa.Table]:
    """Hand-made batches and tickets of one line from (grade, order, batches, left_s)."""
    batches: list[dict[str, Any]] = []
    tickets: list[dict[str, Any]] = []
    for i, (grade, order, n, left_s) in enumerate(loads):
        first = len(batches) + 1
        for k in range(n):
            one = {"line": "Line1", "number": first + k, "time_s": left_s - 60.0 * (n - k), "volume_m3": batch_m3, "slump_mm": 180.0}
            masses = {f"{s}_kg": KG[s] * batch_m3 * (1.02 if s == "water" and k % 2 else 1.0) for s in SPECIES}
            batches.append(one | {"temperature_c": 20.0 + k, "age_s": 90.0, "strength_28d_mpa": 1e9} | masses)
        ticket = {"ticket": i + 1, "order": order, "grade": grade, "line": "Line1", "batch_from": first, "batch_to": first + n - 1}
        ticket |= {"volume_m3": n * batch_m3, "left_s": left_s, "arrived_s": left_s + 1200.0, "poured_s": left_s + 1800.0}
        site = {"slump_mm": 180.0, "slump_site_mm": 150.0, "temperature_site_c": 25.0, "age_site_min": 25.0}
        tickets.append(ticket | (site if on_site else {}))
    return pa.Table.from_pylist(batches), pa.Table.from_pylist(tickets)


def play(loads: list[tuple[str, str, int, float]], now_s: float = 40 * DAY_S, **more: Any) -> tuple[pa.Table, pa.Table]:
    lab = Laboratory(DESIGN, 7)
    samples = lab.take(*tables(loads, **more), everything=True)
    return samples, lab.test(now_s)


# --- sampling -----------------------------------------------------------------------------------------------------------


def test_a_hundred_batches_and_a_hundred_m3_have_a_sample_each() -> None:
    steady = [("C30", "Raft", 2, 600.0 * i) for i in range(1, 103)]  # 204 batches, 612 m³ on one day
    samples, _ = play(steady)
    of = samples.to_pandas().groupby("inspection")
    assert of.size().to_dict() == {"plant": 3, "site": 7}
    assert of.lot_batches.max()["plant"] == 100 and of.lot_m3.max()["site"] == 96
    assert of.lot_batches.sum().to_dict() == {"plant": 204, "site": 204} and of.lot_m3.sum()["site"] == 612


def test_every_mix_order_and_shift_has_its_own_sample() -> None:
    few = [("C30", "Raft", 2, 1000.0), ("C40", "Pier", 1, 2000.0), ("C30", "Path", 1, 3000.0), ("C30", "Raft", 1, DAY_S + 10.0)]
    rows = play(few)[0].to_pandas()
    assert sorted(rows[rows.inspection == "plant"].grade) == ["C30", "C30", "C40"]
    assert sorted(rows[rows.inspection == "site"].order) == ["Path", "Pier", "Raft", "Raft"]
    night = Laboratory(DESIGN, 7, starts_s=DAY_S - 2500.0)  # midnight falls between the second and the third load
    rows = night.take(*tables(few), everything=True).to_pandas().query("inspection == 'plant' and grade == 'C30'")
    assert rows.lot_batches.tolist() == [2, 2]  # the first load alone, the other two together


def test_a_load_that_was_not_poured_is_not_sampled_on_the_site() -> None:
    batches, tickets = tables([("C30", "Raft", 2, 1000.0)])
    tickets = tickets.set_column(tickets.column_names.index("poured_s"), "poured_s", pa.array([None], pa.float64()))
    assert Laboratory(DESIGN, 7).take(batches, tickets, everything=True)["inspection"].to_pylist() == ["plant"]


def test_a_load_that_goes_on_to_another_site_does_not_hold_up_those_after_it() -> None:
    batches, tickets = tables([("C30", "Raft", 2, 600.0 * i) for i in range(1, 103)])
    again = tickets.slice(4, 1)  # a second ticket of the same batches
    rest = tickets.slice(5)
    lab = Laboratory(DESIGN, 7)
    samples = lab.take(batches, pa.concat_tables([tickets.slice(0, 5), again, rest]))
    assert samples.to_pandas().groupby("inspection").size().to_dict() == {"plant": 2, "site": 6}  # the lots that are full; the last are not
    assert lab.take(batches.slice(0, 0), tickets.slice(0, 0), everything=True).num_rows == 2


def test_tickets_without_the_site_s_columns_give_samples_without_its_figures() -> None:
    with_them = play([("C30", "Raft", 2, 1000.0)])[0].to_pandas().set_index("inspection")
    assert abs(with_them.slump_mm["site"] - 150) < 50 and with_them.temperature_c["site"] == 25 and with_them.age_min["site"] == 25
    assert with_them.slump_mm["site"] % 5 == 0 and with_them.slump_wanted_mm["site"] == 180 and with_them.slump_tolerance_mm["site"] == 30
    without = play([("C30", "Raft", 2, 1000.0)], on_site=False)[0].to_pandas().set_index("inspection")
    assert math.isnan(without.slump_mm["site"]) and math.isnan(without.age_min["site"]) and without.slump_mm["plant"] > 0


def test_an_unknown_grade_is_sampled_and_not_judged() -> None:
    samples, cubes = play([("X99", "Raft", 1, 1000.0)])
    assert samples["fcu_k_mpa"].to_pylist() == [None, None] and cubes["value_mpa"].null_count == 0
    lab = Laboratory(DESIGN, 7)
    lab.learn(DESIGN.recipes[0].model_copy(update={"grade": "X99", "strength_mpa": 33.0}))
    assert lab.take(*tables([("X99", "Raft", 1, 1000.0)]), everything=True)["fcu_k_mpa"].to_pylist() == [33.0, 33.0]


def test_each_batch_is_drawn_alike() -> None:
    """Loads of one and of three batches: three samples in four fall on the large ones. 400 shifts: 0.75 ± 3 sd of 0.022."""
    shifts = [("C30", "Raft", 1 + 2 * (i % 2), DAY_S * (i // 2) + 1000.0 * (1 + i % 2)) for i in range(800)]
    rows = play(shifts)[0].to_pandas().query("inspection == 'plant'")
    assert len(rows) == 400
    assert (rows.ticket % 2 == 0).mean() == pytest.approx(0.75, abs=0.065)
    large = rows[rows.ticket % 2 == 0]
    assert ((large.number - 1) % 4).value_counts().min() > 0.2 * len(large)  # each of the three is drawn


LOADS = st.lists(
    st.tuples(st.sampled_from(["C30", "C40"]), st.sampled_from(["Raft", "Pier"]), st.integers(1, 9), st.integers(60, 20_000)), max_size=40
)


@settings(max_examples=40)
@given(LOADS, st.data())
def test_the_same_samples_and_results_whatever_the_pieces(steps: list[tuple[str, str, int, int]], data: st.DataObject) -> None:
    left_s = np.cumsum([float(step) for *_, step in steps])
    loads = [(grade, order, n, float(at)) for (grade, order, n, _), at in zip(steps, left_s, strict=True)]
    batches, tickets = tables(loads) if loads else (t.slice(0, 0) for t in tables([("C30", "Raft", 1, 100.0)]))
    whole = Laboratory(DESIGN, 7)
    expected = whole.take(batches, tickets, everything=True), whole.test(60 * DAY_S)
    lab, b, t, now_s = Laboratory(DESIGN, 7), 0, 0, 0.0
    samples, cubes = [], []
    while b < batches.num_rows or t < tickets.num_rows:
        db = data.draw(st.integers(int(t >= tickets.num_rows), 40))  # each piece brings something, else an example may never end
        dt = data.draw(st.integers(int(db == 0 or b >= batches.num_rows), 9))
        samples.append(lab.take(batches.slice(b, db), tickets.slice(t, dt)))
        b, t = b + db, t + dt
        now_s += data.draw(st.sampled_from([0.0, 3 * DAY_S]))
        cubes.append(lab.test(now_s))
    samples.append(lab.take(batches.slice(0, 0), tickets.slice(0, 0), everything=True))
    cubes.append(lab.test(60 * DAY_S))
    assert pa.concat_tables(samples).equals(expected[0])
    assert (
        pa.concat_tables(cubes)
        .sort_by([("sample", "ascending"), ("age_d", "ascending")])
        .equals(expected[1].sort_by([("sample", "ascending"), ("age_d", "ascending")]))
    )
    plan = {"plant": quality.PLANT, "site": quality.SITE}
    for row in expected[0].to_pylist():
        assert row["lot_batches"] <= plan[row["inspection"]].batches and row["lot_m3"] <= plan[row["inspection"]].m3
    for name in plan if loads else ():
        assert sum(r["lot_batches"] for r in expected[0].to_pylist() if r["inspection"] == name) == batches.num_rows


# --- cubes --------------------------------------------------------------------------------------------------------------


def test_cubes_have_no_result_before_they_are_due() -> None:
    lab = Laboratory(DESIGN, 7)
    samples = lab.take(*tables([("C30", "Raft", 1, 1000.0)]), everything=True)
    taken_s = min(samples["time_s"].to_pylist())
    assert lab.test(taken_s + 7 * DAY_S - 1).num_rows == 0
    assert lab.test(taken_s + 7 * DAY_S)["age_d"].to_pylist() == [7]
    assert sorted(lab.test(60 * DAY_S)["age_d"].to_pylist()) == [7, 28, 28]
    assert lab.test(90 * DAY_S).num_rows == 0  # reported once
    assert samples.schema == SAMPLE and lab.test(0.0).schema == CUBES


def test_scatter_of_cubes_is_counted_once_and_about_the_model_s_mean() -> None:
    from twin.kernels.strength import strength_mpa

    _, cubes = play([("C30", "Raft", 1, DAY_S * i + 1000.0) for i in range(500)], now_s=1e9)
    of = cubes.to_pandas()
    assert len(of) == 2000  # plant and site, 7 and 28 d
    at28 = of[of.age_d == 28]
    single = at28[["cube1_mpa", "cube2_mpa", "cube3_mpa"]].to_numpy()
    mean = strength_mpa(*(KG[s] for s in ("cement", "slag", "fly_ash", "water", "admixture")), 28.0, KG["stone"], KG["sand"])
    assert single.mean() == pytest.approx(mean, rel=0.003)
    assert single.std() / mean == pytest.approx(WITHIN_TEST_COV, rel=0.06)  # 3000 cubes of one mix: within and between sets alike
    assert at28.value_mpa.std() / mean == pytest.approx(WITHIN_TEST_COV / math.sqrt(3), rel=0.08)
    assert of[of.age_d == 7].value_mpa.mean() < 0.9 * mean


def test_the_site_s_cubes_are_of_the_whole_load_and_the_plant_s_of_a_batch() -> None:
    """Water alternates by 2 % from batch to batch: a load of two lies between."""
    loads = [("C30", "Raft", 2, DAY_S * i + 1000.0) for i in range(300)]
    of = play(loads, now_s=1e9)[1].to_pandas()
    by = of[of.age_d == 28].groupby("inspection").value_mpa
    assert by.mean()["plant"] == pytest.approx(by.mean()["site"], rel=0.01)
    assert by.std()["plant"] > by.std()["site"]


@pytest.mark.parametrize(
    ("cubes", "value"),
    [
        ((42.0, 45.0, 55.0), (45.0, "middle")),  # 420, 450, 550 kN on 100 mm: a published answer takes the middle one
        ((40.0, 45.0, 47.0), (44.0, "mean")),  # and 400, 450, 470 kN the mean, 44.0
        ((30.0, 45.0, 61.0), (None, "void")),
        ((17.7, 17.6, 21.7), (17.7, "middle")),  # published: 18.6, 18.5, 22.8 × 0.95 gives 17.7
        ((34.0, 40.0, 46.0), (40.0, "mean")),  # exactly 15 % is not beyond 15 %
        ((33.9, 40.0, 46.0), (40.0, "middle")),
        ((33.9, 40.0, 46.1), (None, "void")),
    ],
)
def test_value_of_a_set(cubes: tuple[float, float, float], value: tuple[float | None, str]) -> None:
    assert quality.value_of_set(*cubes) == value
    assert quality.value_of_set(*cubes[::-1]) == value


# --- acceptance ---------------------------------------------------------------------------------------------------------


def failed(verdict: quality.Verdict) -> list[tuple[str, str]]:
    return [(c.what, c.by) for c in verdict.failed]


def test_known_sigma_each_condition_can_fail() -> None:
    good = quality.known_sigma([33.0, 34.0, 35.0], 30.0, 4.0)  # mean 34 ≥ 32.8, least 33 ≥ 27.2 and ≥ 27
    assert good.ok and [c.limit_mpa for c in good.checks] == pytest.approx([32.8, 27.2, 27.0])
    assert failed(quality.known_sigma([32.0, 32.0, 33.0], 30.0, 4.0)) == [("mean", "fcu,k + 0.7 σ0")]
    assert failed(quality.known_sigma([27.1, 40.0, 40.0], 30.0, 4.0)) == [("least", "fcu,k − 0.7 σ0")]
    assert failed(quality.known_sigma([26.9, 45.0, 45.0], 30.0, 6.0)) == [("least", "0.90 fcu,k")]  # 30 − 4.2 = 25.8 is kept
    assert quality.known_sigma([17.0, 30.0, 30.0], 20.0, 5.0).ok  # up to C20 the least may be 0.85 of 20 = 17
    assert failed(quality.known_sigma([16.9, 30.0, 30.0], 20.0, 5.0)) == [("least", "0.85 fcu,k")]
    with pytest.raises(ValueError):
        quality.known_sigma([30.0, 30.0], 30.0, 4.0)


def test_sigma0_needs_45_sets_and_is_at_least_2_5() -> None:
    assert quality.sigma0_mpa([30.0, 40.0] * 22) is None
    half = [30.0, 40.0] * 23  # 46 sets: s² = 46·25/45
    assert quality.sigma0_mpa(half) == pytest.approx(math.sqrt(46 * 25 / 45))
    f = np.array(half)
    assert quality.sigma0_mpa(half) == pytest.approx(
        math.sqrt((float((f**2).sum()) - 46 * f.mean() ** 2) / 45)
    )  # as the standard writes it
    assert quality.sigma0_mpa([35.0] * 50) == 2.5


def test_unknown_sigma_published_sheet() -> None:
    """A published evaluation sheet: ten sets, mean 20.4, s raised to 2.50, least 18.0, C30: not accepted."""
    sheet = [21.3, 20.5, 19.6, 21.2, 21.3, 20.5, 19.6, 21.2, 20.5, 18.0]
    verdict = quality.unknown_sigma(sheet, 30.0)
    assert [round(c.value_mpa, 1) for c in verdict.checks] == [20.4, 18.0] and verdict.sigma_mpa == 2.5
    assert [c.limit_mpa for c in verdict.checks] == pytest.approx([30 + 1.15 * 2.5, 0.9 * 30])
    assert failed(verdict) == [("mean", "fcu,k + 1.15 s"), ("least", "0.90 fcu,k")]
    assert quality.unknown_sigma(sheet, 17.0).ok  # 20.37 ≥ 19.875, 18.0 ≥ 15.3


@pytest.mark.parametrize(
    ("n", "mean_by", "least_by"), [(10, 1.15, 0.9), (14, 1.15, 0.9), (15, 1.05, 0.85), (19, 1.05, 0.85), (20, 0.95, 0.85)]
)
def test_unknown_sigma_each_condition_can_fail_at_each_number_of_sets(n: int, mean_by: float, least_by: float) -> None:
    sets = np.full(n, 40.0)
    sets[0] = 30.0  # s² = 100/n
    sigma = max(10 / math.sqrt(n), 2.5)
    k = (sets.mean() - mean_by * sigma) - 1e-6
    assert quality.unknown_sigma(sets, k).ok == bool(least_by * k <= 30)
    assert ("mean", f"fcu,k + {mean_by:.2f} s") in failed(quality.unknown_sigma(sets, k + 0.01))
    low = np.full(n, 60.0)
    low[0] = least_by * 40 - 0.01
    assert failed(quality.unknown_sigma(low, 40.0)) == [("least", f"{least_by:.2f} fcu,k")]
    with pytest.raises(ValueError):
        quality.unknown_sigma(sets[:9], 30.0)


def test_without_statistics_each_condition_can_fail() -> None:
    assert quality.no_statistics([34.5, 34.5], 30.0).ok and quality.no_statistics([66.0], 60.0).ok  # 1.15 · 30 and, from C60, 1.10 · 60
    assert failed(quality.no_statistics([34.4, 34.5], 30.0)) == [("mean", "1.15 fcu,k")]
    assert failed(quality.no_statistics([65.9], 60.0)) == [("mean", "1.10 fcu,k")]
    assert failed(quality.no_statistics([28.4, 45.0], 30.0)) == [("least", "0.95 fcu,k")]  # 28.5
    for wrong in ([], [30.0] * 10):
        with pytest.raises(ValueError):
            quality.no_statistics(wrong, 30.0)


def test_the_method_follows_from_what_is_known() -> None:
    day = np.arange(101) * DAY_S
    sets = np.full(101, 36.0)
    sets[5] = math.nan  # a void set
    found = quality.judge(day, sets, 30.0)  # 89 sets in the first 90 days, then 11
    assert [(p, v.method, v.sets) for p, v in found] == [(0, "unknown", 89), *[(1, "known", 3)] * 3, (1, "none", 2)]
    assert {v.sigma_mpa for p, v in found if v.method == "known"} == {2.5}
    assert [(p, v.method, v.sets) for p, v in quality.judge(2 * day[:40], sets[:40], 30.0)] == [(0, "unknown", 39)]
    assert [(p, v.method) for p, v in quality.judge(day[:4], sets[:4], 30.0)] == [(0, "none")]
    assert quality.judge([], [], 30.0) == []
    backwards = quality.judge(day[::-1], sets[::-1], 30.0)
    assert backwards == found


@pytest.mark.parametrize(("wanted", "tolerance"), [(30, 10), (40, 10), (50, 20), (90, 20), (100, 30), (180, 30)])
def test_slump_tolerance(wanted: float, tolerance: float) -> None:
    assert quality.slump_tolerance_mm(wanted) == tolerance


# --- control charts -----------------------------------------------------------------------------------------------------


def test_individuals_and_moving_range_of_a_textbook() -> None:
    """Montgomery's cost of processing loans: mean 300.5, mean moving range 7.79, limits 279.78 and 321.22, range 25.45."""
    cost = [310, 288, 297, 298, 307, 303, 294, 297, 308, 306, 294, 299, 297, 299, 314, 295, 293, 306, 301, 304]
    chart = quality.control_chart(cost)
    assert chart is not None and chart.centre == 300.5
    assert (chart.low, chart.high, chart.range_high) == pytest.approx((279.78, 321.22, 25.45), abs=0.01)
    assert not any(chart.signals.values())
    high = quality.control_chart([*cost, 360])
    assert high is not None and high.signals["beyond-3"] == [20] and high.signals["range"] == [20]


@pytest.mark.parametrize(
    ("rule", "z", "at"),
    [
        ("beyond-3", [0, 3.1, -3.1, 3.0], [1, 2]),
        ("nine-one-side", [0.1] * 8 + [-0.1] + [0.2] * 9, [17]),
        ("six-trending", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.4], [5]),
        ("six-trending", [0.5, 0.4, 0.3, 0.2, 0.1, 0.05], [5]),
        ("two-of-three", [2.1, 0, 2.1, 0, 0, -2.1, -2.1], [2, 6]),
        ("four-of-five", [1.1, 1.1, 0, 1.1, 1.1, -0.5], [4]),
    ],
)
def test_run_rules(rule: str, z: list[float], at: list[int]) -> None:
    assert quality.broken(np.array(z, dtype=float))[rule] == at


def test_rules_are_still_where_they_should_be() -> None:
    assert not any(quality.broken(np.array([0.5, -0.5] * 20)).values())
    assert quality.broken(np.array([2.1, 0, -2.1]))["two-of-three"] == []  # not on one side
    assert quality.broken(np.zeros(0)) == {r: [] for r in ("beyond-3", "nine-one-side", "two-of-three", "four-of-five", "six-trending")}
    assert quality.control_chart([5.0]) is None
    still = quality.control_chart([5.0] * 30)
    assert still is not None and not any(still.signals.values())


# --- a played day -------------------------------------------------------------------------------------------------------


def test_a_played_day_is_sampled_as_the_standard_asks(tmp_path: Path) -> None:
    Simulation("working-day", fidelity="batch", until_s=4 * 3600, out=tmp_path / "run").run()
    run = open_run(tmp_path / "run")
    batches, tickets = run.table("batches"), run.table("deliveries")
    lab = Laboratory(load_design("hzs180"), 1, starts_s=6.5 * 3600)
    samples = lab.take(batches, tickets, everything=True).to_pandas()
    assert lab.test(4 * 3600).num_rows == 0  # no cube is a week old
    t = tickets.to_pandas()
    t["batches"] = t.batch_to - t.batch_from + 1
    plant = samples[samples.inspection == "plant"].groupby("grade")
    for grade, made in t.groupby("grade").batches.sum().items():
        assert plant.size()[grade] >= math.ceil(made / 100) and plant.lot_batches.sum()[grade] == made
    site = samples[samples.inspection == "site"].groupby("order")
    for order, m3 in t[t.poured_s.notna()].groupby("order").volume_m3.sum().items():
        assert site.size()[order] >= math.ceil(m3 / 100) and site.lot_m3.sum()[order] == pytest.approx(m3)
    one = samples[samples.inspection == "plant"].iloc[0]
    row = batches.to_pandas().query("line == @one.line and number == @one.number").iloc[0]
    assert one.time_s == row.time_s and abs(one.slump_mm - row.slump_mm) < 50
