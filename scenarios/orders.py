"""Orders: concrete for a site, as written in a scenario, read from a file (`order_file.py`), or drawn at random."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate, cycle
from typing import Annotated, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from scenarios.durations import Duration
from twin.equipment.part import Part, figure
from twin.errors import BatchtwinError

DAY_S = 86400.0
LAST_S = 401 * DAY_S  # a scenario lasts 400 days at most, and begins some time in the first
MAX_NAME = 120
CRUMB_M3 = 1.0  # nobody sends a truck for less if it can be avoided (engineering choice)

SPREAD = 0.9  # log-normal scatter of the volume of an order (engineering choice)
LEAST_M3, MOST_M3 = 6.0, 600.0  # from a truck to a large slab
CONTINUOUS = 5.0  # a continuous pour over the mean order; they scatter evenly by 40 % (engineering choice)
CONTINUOUS_GAP_S = 3600.0  # of 180 min between mixing and covering, GB 50666-2011 8.3.4, at most 90 are the way (recalled)
PEAK_S, PEAK_OVER_S = 3600.0, 3 * 3600.0  # most orders begin an hour after opening; the peak is over after three (engineering choice)
SLACK = 0.3  # of the pouring time, at most, between one load and the next (engineering choice)
LARGE, FASTEST_S = 0.7, 300.0  # a large pour takes 0.7 of the day at most, as far as a pump of 72 m³/h can do it (engineering choice)
CATCH_UP = 0.25  # of what the rain put off, poured each dry day (engineering choice)
EVERY_S = 300.0  # orders begin at full five minutes


def _spaced(text: object) -> object:
    return " ".join(text.split()) if isinstance(text, str) else text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be shown; type it anew as plain text")
    return text


Name = Annotated[str, BeforeValidator(_spaced), Field(min_length=1, max_length=MAX_NAME), AfterValidator(_printable)]
Time = Annotated[Duration, Field(ge=0, le=LAST_S)]
Km = Annotated[float, Field(ge=-500, le=500)]


class Change(Part):
    """What the customer wants otherwise, and when the plant is told."""

    at: Time = Field(description="when the plant is told")
    volume_m3: float | None = Field(None, gt=0, le=100000, description="new volume in all")
    start: Time | None = Field(None, description="new time of the first pour")

    @model_validator(mode="after")
    def _changes(self) -> Self:
        if self.volume_m3 is None and self.start is None:
            raise ValueError("changes nothing; give volume_m3 or start")
        return self


class Order(Part):
    """Concrete for one site. Times of day count from midnight of the first day."""

    site: Name = Field(description="name of the site, as on the ticket")
    grade: Name = Field(description="a recipe of the design")
    volume_m3: float = Field(gt=0, le=100000, description="in all")
    start: Time = Field(description="first pour on the site")
    every: Duration = Field(0.0, ge=0, le=DAY_S, description="interval between loads; 0 for as fast as trucks come")
    at: Name | tuple[Km, Km] | None = Field(None, description="place of the district, or km to the east and to the north")
    drive: Duration = figure(
        1500.0, "s", "one way on a free road; finds a place when `at` is left out; engineering choice", recalled=True, ge=60, le=20000
    )
    pour: Duration = figure(900.0, "s", "a full load, mean; engineering choice", recalled=True, ge=60, le=20000)
    pump: bool = Field(False, description="a pump truck pours; otherwise the chute")
    late: Duration = figure(900.0, "s", "tolerance of the start of a pour; engineering choice", recalled=True, ge=0, le=DAY_S)
    gap: Duration | None = Field(
        None, ge=0, le=DAY_S, description="a continuous pour: most time from the end of a pour to the start of the next before a cold joint"
    )
    priority: int = Field(5, ge=0, le=9, description="9 for emergency supply, such as flood relief")
    changes: list[Change] = Field(default_factory=list, max_length=100)
    cancelled: Time | None = Field(None, description="when the plant is told that no more is wanted")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        times = [c.at for c in self.changes]
        if times != sorted(times):
            raise ValueError("its changes are out of order; write them by the time the plant is told")
        if times and self.cancelled is not None and times[-1] > self.cancelled:
            raise ValueError("it changes after it was cancelled; leave that change out")
        if self.gap is not None and self.every - self.pour > self.gap:
            raise ValueError(f"its own interval breaks the pour; give every ≤ {self.pour + self.gap:g} s, or a longer gap")
        return self


class Demand(Part):
    """Orders drawn at random up to an annual volume, for weeks and years.

    Pours begin between `opens` and `closes`, and end by then where they can; the volume of a day varies with the season,
    Sundays, rain and chance. What the rain puts off is poured in the days after.
    """

    annual_m3: float = Field(gt=0, le=5_000_000, description="mean over a year")
    opens: Duration = Field(6 * 3600.0, ge=0, le=DAY_S, description="earliest pour")
    closes: Duration = Field(22 * 3600.0, ge=0, le=1.5 * DAY_S, description="pours end by then where they can")
    grades: dict[str, float] = Field(min_length=1, description="share of each grade")
    order_m3: float = figure(60.0, "m3", "mean order; engineering choice", recalled=True, ge=6, le=200)
    pump_share: float = figure(0.6, "of orders", "poured by a pump truck; engineering choice", recalled=True, ge=0, le=1)
    continuous_share: float = figure(0.02, "of orders", "large pours that must not break; engineering choice", recalled=True, ge=0, le=0.15)
    peak_share: float = figure(
        0.2, "of orders", "begun in the morning peak, beyond an even spread; engineering choice", recalled=True, ge=0, le=1
    )
    sunday_share: float = figure(0.6, "-", "of a weekday's volume; engineering choice", recalled=True, ge=0, le=1)
    season: float = figure(0.2, "-", "swing about the mean, least in mid-January; engineering choice", recalled=True, ge=0, le=0.9)
    scatter: float = figure(0.15, "-", "day to day, log-normal; engineering choice", recalled=True, ge=0, le=1)
    wet_mm: float = figure(10.0, "mm/d", "a wet day: moderate rain or more, GB/T 28592-2012", recalled=True, gt=0, le=500)
    rain_share: float = figure(0.5, "-", "of a day's volume poured although it is wet; engineering choice", recalled=True, ge=0, le=1)
    drive: Duration = figure(
        1500.0, "s", "one way on a free road, mean; sites lie at 0.5 to 1.5 times that; engineering choice", recalled=True, ge=60, le=20000
    )
    pour: Duration = figure(
        900.0, "s", "mean; sites take 0.7 to 1.3 times that, large pours less; engineering choice", recalled=True, ge=60, le=20000
    )


class _Site(NamedTuple):
    name: str
    drive_s: float
    pour_s: float


def truckloads(order: Order, capacity_m3: float) -> list[float]:
    """The loads of an order, m³: full ones, then the rest; the last two share evenly where the rest would be a crumb.

    Raises:
        BatchtwinError: E401 for a truck that holds nothing.

    Example:
        >>> truckloads(Order(site="Raft", grade="C30", volume_m3=18.5, start=0), 6.0)
        [6.0, 6.0, 3.25, 3.25]
    """
    if not capacity_m3 > 0:
        raise BatchtwinError("E401", problem=f"a truck of {capacity_m3:g} m³", mend="give a capacity above 0")
    full = int(order.volume_m3 / capacity_m3 + 1e-9)
    rest = order.volume_m3 - full * capacity_m3
    if full and rest < 1e-9 * order.volume_m3:
        return [capacity_m3] * full
    even = (capacity_m3 + rest) / 2
    if full and rest < CRUMB_M3 <= even:
        return [capacity_m3] * (full - 1) + [even, even]
    return [capacity_m3] * full + [rest]


def rain_by_day(hourly_mm: Sequence[float] | NDArray[np.float64], first_hour: int, spells: Iterable[tuple[float, float, float]] = ()) -> NDArray[np.float64]:  # fmt: skip
    """Rain of each calendar day, mm.

    Args:
        hourly_mm: mm of consecutive hours.
        first_hour: hour of the day at which they begin.
        spells: more rain: begins and ends in seconds from the first midnight, mm/h.
    """
    day = (np.arange(len(hourly_mm)) + first_hour) // 24
    mm = np.bincount(day, weights=np.asarray(hourly_mm, dtype=float)).astype(np.float64)
    midnight_s = np.arange(len(mm)) * DAY_S
    for begins_s, ends_s, mm_h in spells:
        mm += mm_h / 3600 * np.clip(np.minimum(ends_s, midnight_s + DAY_S) - np.maximum(begins_s, midnight_s), 0, None)
    return mm


def generate(demand: Demand, starts: datetime, lasts_s: float, seed: int, capacity_m3: float, places: int,
             rain_mm_by_day: Sequence[float] | NDArray[np.float64] = ()) -> list[Order]:  # fmt: skip
    """Orders whose first pour lies within a run, by the time of that pour.

    A day's orders come from a stream of their own, so a longer run has the same orders in the days before. Over a year
    they make up the annual volume on average, in rain as well.

    Args:
        starts: wall-calendar time of tick 0.
        lasts_s: length of the run.
        seed: of the run.
        capacity_m3: of a truck.
        places: number of building sites, 1 or more; each keeps its drive and its pouring time.
        rain_mm_by_day: from the first calendar day on; days beyond its end are dry.
    """
    sites = _sites(demand, seed, places)
    midnight_s = starts.hour * 3600.0 + starts.minute * 60.0 + starts.second
    first, ends_s = starts.date().toordinal(), midnight_s + lasts_s
    put_off_m3 = 0.0
    orders: list[Order] = []
    for d in range(math.ceil(ends_s / DAY_S)):
        rng = _stream(seed, 3, first + d)
        volume_m3 = _volume_m3(demand, first + d, rng)
        if d < len(rain_mm_by_day) and rain_mm_by_day[d] >= demand.wet_mm:
            put_off_m3 += (1 - demand.rain_share) * volume_m3
            volume_m3 *= demand.rain_share
        else:
            volume_m3 += CATCH_UP * put_off_m3
            put_off_m3 *= 1 - CATCH_UP
        orders += _day(demand, d * DAY_S, volume_m3, sites, capacity_m3, rng)
    return sorted((o for o in orders if midnight_s <= o.start < ends_s), key=lambda o: o.start)


def _stream(seed: int, *entity: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed & 0xFFFFFFFF, *entity])))


def _sites(demand: Demand, seed: int, places: int) -> list[_Site]:
    out = []
    for k in range(1, places + 1):
        drive, pour = _stream(seed, 4, k).random(2)
        out.append(_Site(f"Site {k}", max(demand.drive * (0.5 + drive), 60.0), max(demand.pour * (0.7 + 0.6 * pour), 60.0)))
    return out


def _volume_m3(demand: Demand, ordinal: int, rng: np.random.Generator) -> float:
    """Mean volume of a day as it stands in the calendar, without rain."""
    day = datetime.fromordinal(ordinal)
    season = 1 - demand.season * math.cos(2 * math.pi * (day.timetuple().tm_yday - 15) / 365.25)
    week = (demand.sunday_share if day.weekday() == 6 else 1.0) / ((6 + demand.sunday_share) / 7)
    chance = math.exp(demand.scatter * (rng.standard_normal() - demand.scatter / 2))
    return demand.annual_m3 / 365.25 * season * week * chance


def _day(demand: Demand, midnight_s: float, left_m3: float, sites: list[_Site], capacity_m3: float,
         rng: np.random.Generator) -> Iterator[Order]:  # fmt: skip
    """Orders of a day. The last, where it is more than what is left, is taken with the chance that keeps the mean."""
    grades, shares = list(demand.grades), list(accumulate(demand.grades.values()))
    for k in cycle(rng.permutation(len(sites)).tolist()):
        continuous = rng.random() < demand.continuous_share
        volume_m3 = _order_m3(demand, continuous, rng)
        if volume_m3 > left_m3 and rng.random() * volume_m3 >= left_m3:
            return
        yield _order(demand, midnight_s, volume_m3, continuous, grades[bisect(shares, rng.random() * shares[-1])],
                     sites[k], capacity_m3, rng)  # fmt: skip
        if volume_m3 > left_m3:
            return
        left_m3 -= volume_m3


def _order_m3(demand: Demand, continuous: bool, rng: np.random.Generator) -> float:
    """Volume of an order, to the half cubic metre."""
    if continuous:
        return round(2 * demand.order_m3 * CONTINUOUS * (0.6 + 0.8 * rng.random())) / 2
    mean = demand.order_m3 * (1 - CONTINUOUS * demand.continuous_share) / (1 - demand.continuous_share)
    return min(max(round(2 * mean * math.exp(SPREAD * (rng.standard_normal() - SPREAD / 2))) / 2, LEAST_M3), MOST_M3)


def _order(demand: Demand, midnight_s: float, volume_m3: float, continuous: bool, grade: str, site: _Site, capacity_m3: float,
           rng: np.random.Generator) -> Order:  # fmt: skip
    (pump, slack, peak, hour), early_s = rng.random(4).tolist(), rng.triangular(0, PEAK_S, PEAK_OVER_S)
    loads, open_s = math.ceil(volume_m3 / capacity_m3), demand.closes - demand.opens
    pour_s = min(site.pour_s * (0.5 if continuous else 1.0), max(LARGE * open_s / loads, FASTEST_S))
    pour_s = max(round(pour_s / 30) * 30.0, 60.0)
    every_s = math.ceil(pour_s * (1.0 if continuous else 1 + SLACK * slack) / 60) * 60.0
    free_s = max(open_s - loads * every_s, 0.0)
    wait_s = min(early_s, free_s) if peak < demand.peak_share else hour * free_s
    return Order(
        site=site.name, grade=grade, volume_m3=volume_m3, start=midnight_s + demand.opens + wait_s // EVERY_S * EVERY_S, every=every_s,
        drive=round(site.drive_s / 60) * 60.0, pour=pour_s, pump=continuous or pump < demand.pump_share,
        gap=CONTINUOUS_GAP_S if continuous else None,
    )  # fmt: skip
