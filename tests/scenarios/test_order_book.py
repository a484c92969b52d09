"""Orders drawn from a demand, orders as written, and the truckloads they are cut into."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scenarios import climate
from scenarios.durations import clock, seconds, span
from scenarios.orders import CONTINUOUS_GAP_S, DAY_S, Change, Demand, Order, generate, rain_by_day, truckloads
from twin.errors import BatchtwinError

NEW_YEAR = datetime(2026, 1, 1)
YEAR_S = 365 * DAY_S
ANNUAL_M3 = 520_000.0


def demand(**fields: Any) -> Demand:
    return Demand.model_validate({"annual_m3": ANNUAL_M3, "grades": {"C30": 0.7, "C50": 0.3}} | fields)


def year(seed: int = 1, rain: Any = (), **fields: Any) -> list[Order]:
    return generate(demand(**fields), NEW_YEAR, YEAR_S, seed, 6.0, 40, rain)


@lru_cache(maxsize=32)
def plain_year(seed: int) -> list[Order]:
    return year(seed)


def total_m3(orders: list[Order]) -> float:
    return sum(o.volume_m3 for o in orders)


def by_day(orders: list[Order]) -> np.ndarray:
    return np.bincount([int(o.start // DAY_S) for o in orders], weights=[o.volume_m3 for o in orders], minlength=365)[:365]


WUHAN = [rain_by_day(climate.drawn("wuhan", NEW_YEAR, 365 * 24, seed).rain_mm, 0) for seed in range(20)]


# --- volume -------------------------------------------------------------------------------------------


def test_the_annual_volume_holds() -> None:
    assert np.mean([total_m3(plain_year(seed)) for seed in range(20)]) == pytest.approx(ANNUAL_M3, rel=0.02)


@pytest.mark.parametrize("fields", [{"scatter": 0.5, "sunday_share": 0.1, "season": 0.6}, {"continuous_share": 0.15, "pump_share": 1}])
def test_the_annual_volume_holds_for_a_small_plant(fields: dict[str, Any]) -> None:
    assert np.mean([total_m3(year(seed, annual_m3=80_000, **fields)) for seed in range(20)]) == pytest.approx(80_000, rel=0.02)


def test_the_annual_volume_holds_in_rain_and_wet_days_have_less() -> None:
    days = [by_day(year(seed, rain)) for seed, rain in enumerate(WUHAN)]
    assert np.mean([d.sum() for d in days]) == pytest.approx(ANNUAL_M3, rel=0.02)
    wet = np.concatenate([d[r >= 10] for d, r in zip(days, WUHAN, strict=True)]).mean()
    dry = np.concatenate([d[r < 10] for d, r in zip(days, WUHAN, strict=True)]).mean()
    # By the model: half of it on a wet day; what was put off comes on top of the dry days. Summer is both wet and busy.
    assert 0.4 < wet / dry < 0.55


def test_what_the_rain_put_off_is_poured_in_the_days_after() -> None:
    rain = np.zeros(365)
    rain[150:153] = 30
    same = {"scatter": 0, "season": 0, "sunday_share": 1}
    wet, dry = (
        np.mean([by_day(generate(demand(**same), NEW_YEAR, 183 * DAY_S, s, 6.0, 40, r)) for s in range(12)], axis=0) for r in (rain, ())
    )
    assert np.array_equal(wet[:150], dry[:150])
    assert wet[150:153].sum() == pytest.approx(0.5 * dry[150:153].sum(), rel=0.06)
    assert wet[153] > 1.2 * dry[153] and wet[153:183].sum() - dry[153:183].sum() == pytest.approx(1.5 * ANNUAL_M3 / 365.25, rel=0.15)


def test_season_and_weekday() -> None:
    days = np.mean([by_day(plain_year(seed)) for seed in range(20)], axis=0)
    calendar = [date(2026, 1, 1) + timedelta(days=d) for d in range(365)]
    week = [np.mean([v for v, d in zip(days, calendar, strict=True) if d.weekday() == k]) for k in range(7)]
    assert week[6] / np.mean(week[:6]) == pytest.approx(0.6, rel=0.06) and max(week[:6]) / min(week[:6]) < 1.1
    summer, winter = (np.mean([v for v, d in zip(days, calendar, strict=True) if d.month in months]) for months in ((6, 7, 8), (12, 1, 2)))
    assert 1.3 < summer / winter < 1.55  # (1 + 0.2·0.95) / (1 − 0.2·0.95) by the sine


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_rain_that_stops_all_or_nothing(share: float) -> None:
    days = by_day(year(3, np.where(np.arange(365) % 2, 20.0, 0.0), rain_share=share))
    assert (days[1::2].sum() == 0) == (share == 0)


# --- what the orders are like -------------------------------------------------------------------------


def test_sizes_are_as_of_a_real_plant() -> None:
    orders = plain_year(1)
    volume = np.array([o.volume_m3 for o in orders])
    assert volume.mean() == pytest.approx(60, rel=0.1)
    assert volume.min() == 6 and 500 < volume.max() <= 600 and 25 < np.median(volume) < 45
    usual = np.log([o.volume_m3 for o in orders if o.gap is None])
    assert usual.std() == pytest.approx(0.87, abs=0.05)
    large = [o for o in orders if o.gap is not None]
    assert len(large) / len(orders) == pytest.approx(0.02, abs=0.006)
    assert all(180 <= o.volume_m3 <= 420 and o.pump and o.gap == CONTINUOUS_GAP_S and o.every - o.pour < 60 for o in large)


def test_grades_pumps_and_sites_have_their_shares() -> None:
    orders = plain_year(1)
    assert sum(o.volume_m3 for o in orders if o.grade == "C50") / total_m3(orders) == pytest.approx(0.3, abs=0.03)
    assert np.mean([o.pump for o in orders]) == pytest.approx(0.61, abs=0.02)
    sites = {o.site for o in orders}
    assert len(sites) == 40
    assert all(len({o.drive for o in orders if o.site == s}) == 1 for s in sites)
    assert np.mean([o.drive for o in orders]) == pytest.approx(1500, rel=0.15) and all(750 <= o.drive <= 2250 for o in orders)


def test_a_grade_of_no_share_is_never_ordered() -> None:
    assert {o.grade for o in year(grades={"C15": 0, "C30": 2, "C60": 0})} == {"C30"}


def test_pours_begin_in_opening_hours_mostly_in_the_morning_and_end_by_closing() -> None:
    orders = year(opens="05:00", closes="21:00")
    hour = np.array([o.start % DAY_S / 3600 for o in orders])
    assert hour.min() >= 5 and hour.max() < 21
    starts = np.bincount(hour.astype(int), minlength=24)
    assert starts[5:8].sum() > 1.5 * starts[10:13].sum() and starts.argmax() in (5, 6, 7)
    assert all(o.start % 300 == 0 for o in orders)
    ends = np.array([o.start % DAY_S + len(truckloads(o, 6.0)) * o.every for o in orders])
    assert np.mean(ends > 21 * 3600) < 0.002


def test_the_interval_fits_the_pour() -> None:
    orders = plain_year(1)
    assert all(o.pour <= o.every <= 1.3 * o.pour + 60 and o.every % 60 == 0 for o in orders)
    small = [o.pour for o in orders if o.volume_m3 < 60]
    assert np.mean(small) == pytest.approx(900, rel=0.1) and min(small) >= 0.7 * 900 - 15 and max(small) <= 1.3 * 900 + 15


# --- determinism --------------------------------------------------------------------------------------


def test_orders_come_from_the_seed_alone() -> None:
    assert year(4) == plain_year(4) != plain_year(5)


def test_a_longer_run_has_the_same_days_before() -> None:
    long = generate(demand(), NEW_YEAR, 30 * DAY_S, 7, 6.0, 40, WUHAN[0])
    for days in (1, 12, 29):
        assert generate(demand(), NEW_YEAR, days * DAY_S, 7, 6.0, 40, WUHAN[0]) == [o for o in long if o.start < days * DAY_S]


def test_a_day_is_the_same_whenever_the_run_begins() -> None:
    two = generate(demand(), datetime(2026, 5, 10), 2 * DAY_S, 7, 6.0, 40)
    later = generate(demand(), datetime(2026, 5, 11), DAY_S, 7, 6.0, 40)
    assert [o.start + DAY_S for o in later] == [o.start for o in two if o.start >= DAY_S]


def test_one_more_site_keeps_the_others() -> None:
    few, many = (
        {o.site: (o.drive, o.pour) for o in generate(demand(), NEW_YEAR, 60 * DAY_S, 7, 6.0, n) if o.volume_m3 < 60} for n in (20, 21)
    )
    assert len(many) == 21 and {s: many[s][0] for s in few} == {s: v[0] for s, v in few.items()}


def test_a_part_of_a_day() -> None:
    whole = generate(demand(), datetime(2026, 5, 11), DAY_S, 7, 6.0, 40)
    part = generate(demand(), datetime(2026, 5, 11, 8), 4 * 3600.0, 7, 6.0, 40)
    assert part == [o for o in whole if 8 * 3600 <= o.start < 12 * 3600] and part


def test_a_year_is_drawn_within_a_second() -> None:
    def once() -> float:
        begun = time.process_time()
        year(2, WUHAN[0])
        return time.process_time() - begun

    assert min(once() for _ in range(3)) < 1.0


@pytest.mark.parametrize("fields", [{"annual_m3": 100}, {"annual_m3": 5_000_000, "order_m3": 200}, {"pour": "20000s", "opens": "08:00", "closes": "09:00"}, {"pour": "60s"},
                                    {"drive": "60s"}, {"order_m3": 6, "continuous_share": 0.15}, {"closes": "30:00"}])  # fmt: skip
@pytest.mark.parametrize("places", [1, 3])
def test_the_bounds_of_a_demand_give_orders_that_are_right(fields: dict[str, Any], places: int) -> None:
    orders = generate(demand(**fields), datetime(2026, 5, 11, 3, 30), 10 * DAY_S, 1, 0.5, places)
    assert all(3.5 * 3600 <= o.start < 3.5 * 3600 + 10 * DAY_S for o in orders)


# --- rain ---------------------------------------------------------------------------------------------


def test_rain_by_day_adds_hours_and_spells() -> None:
    rain = rain_by_day([1.0] * 30, 20, [(23 * 3600, 25 * 3600, 6.0), (90 * 3600, 99 * 3600, 50.0)])
    assert rain == pytest.approx([4 + 6, 24 + 6, 2])


# --- truckloads ---------------------------------------------------------------------------------------


def order(volume_m3: float = 60, **fields: Any) -> Order:
    return Order.model_validate({"site": "Raft", "grade": "C30", "volume_m3": volume_m3, "start": "07:30"} | fields)


@pytest.mark.parametrize(("volume", "loads"), [(20, [6, 6, 6, 2]), (18, [6, 6, 6]), (0.1 * 3 * 60, [6, 6, 6]), (18.5, [6, 6, 3.25, 3.25]), (6.4, [3.2, 3.2]), (7, [6, 1]),
                                               (0.4, [0.4]), (6, [6]), (5.9, [5.9])])  # fmt: skip
def test_an_order_becomes_full_loads_and_a_rest(volume: float, loads: list[float]) -> None:
    assert truckloads(order(volume), 6.0) == pytest.approx(loads)


def test_a_truck_too_small_to_share_leaves_a_crumb() -> None:
    assert truckloads(order(1.2), 1.0) == pytest.approx([1, 0.2])


@given(st.floats(0.01, 5000), st.floats(0.5, 20))
def test_loads_sum_up_and_none_is_a_crumb_without_need(volume: float, capacity: float) -> None:
    loads = truckloads(order(volume), capacity)
    assert sum(loads) == pytest.approx(volume) and all(0 < x <= capacity for x in loads)
    assert len(loads) == int(np.ceil(volume / capacity - 1e-9))
    assert min(loads) >= 1 or volume < capacity or capacity < 2


@pytest.mark.parametrize("capacity", [0.0, -1.0, float("nan")])
def test_a_truck_that_holds_nothing(capacity: float) -> None:
    with pytest.raises(BatchtwinError, match="capacity above 0"):
        truckloads(order(), capacity)


# --- orders and times as written ----------------------------------------------------------------------


@pytest.mark.parametrize(("fields", "problem"), [
    ({"volume_m3": 0}, "greater than 0"), ({"volume_m3": float("nan")}, "finite"), ({"start": -1}, "greater than or equal"), ({"start": "500d"}, "less than"), ({"priority": 10}, "less than"),
    ({"site": " \n "}, "at least 1"), ({"site": "a\x00"}, "cannot be shown"), ({"drive": "1s"}, "greater"), ({"at": (1e4, 0)}, "less than"), ({"late": "-5min"}, "not a time"),
    ({"every": "1h", "gap": "30min", "pour": "10min"}, "its own interval"), ({"changes": [{"at": "08:00"}]}, "changes nothing"), ({"pumped": True}, "not permitted"),
    ({"changes": [{"at": "09:00", "volume_m3": 5}, {"at": "08:00", "start": "10:00"}]}, "out of order"),
    ({"changes": [{"at": "09:00", "volume_m3": 5}], "cancelled": "08:00"}, "after it was cancelled"),
])  # fmt: skip
def test_orders_that_cannot_be(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        order(**fields)


def test_an_order_takes_all_that_a_customer_may_want() -> None:
    got = order(at=[1, 2.5], pump=True, gap="45min", priority=9, changes=[{"at": "08:00", "volume_m3": 80}], cancelled="09:00")
    assert got.at == (1.0, 2.5) and got.changes == [Change(at=28800, volume_m3=80)] and got.cancelled == 32400
    assert order(at="East Lake").at == "East Lake" and order().late == 900 and order().gap is None


@given(st.floats(0, 4e7) | st.integers(0, 600_000).map(lambda m: 60.0 * m) | st.floats(0, 1e-6))
def test_times_are_read_back_exactly(time_s: float) -> None:
    assert seconds(clock(time_s)) == time_s == seconds(span(time_s))


@pytest.mark.parametrize("text", ["²h", "1²:00", "9" * 30 + ":00", "五分钟", "nan", "1e3s", "", None, True])
def test_words_that_are_no_time(text: object) -> None:
    with pytest.raises(ValueError, match="not a time"):
        seconds(text)
