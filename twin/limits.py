"""Limits of dust and noise at the boundary, in one table, each with its source and whether that was read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit.

    Attributes:
        protected, other: value in areas that the standard protects, and elsewhere.
        unit, source: of the value.
        recalled: true when the standard's table was not read; reports mark it «unverified».
    """

    protected: float
    other: float
    unit: str
    source: str
    recalled: bool = True

    def of(self, protected: bool) -> float:
        """The value that holds."""
        return self.protected if protected else self.other


# By the alarm of a station that watches it.
DUST = {
    "TspHigh": Limit(120.0, 300.0, "µg/m³", "JGJ/T 328-2014, TSP, 1 h mean over the reference"),
    "FugitiveHigh": Limit(500.0, 500.0, "µg/m³", "GB 4915-2013 Table 3, TSP, 1 h mean over the reference"),
    "Pm10High": Limit(150.0, 150.0, "µg/m³", "PM10, 1 h mean, warning of Wuhan 2017", recalled=False),
    "Pm10DayHigh": Limit(50.0, 150.0, "µg/m³", "JGJ/T 328-2014, PM10, 24 h mean over the reference"),
    "Pm25DayHigh": Limit(35.0, 75.0, "µg/m³", "JGJ/T 328-2014, PM2.5, 24 h mean over the reference"),
}
# GB 12348-2008 Table 1, dB(A) by day (6–22 h) and night, by class of the area (found).
NOISE_DB = {"1": (55.0, 45.0), "2": (60.0, 50.0), "3": (65.0, 55.0), "4": (70.0, 55.0)}
# The same, notes 1 and 2: how far Lmax may rise above the limit at night (found).
OFTEN_DB, RARE_DB = 10.0, 15.0
DAY_BEGINS_H, NIGHT_BEGINS_H = 6, 22
