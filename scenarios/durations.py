"""Durations and times of day, as words of a scenario and as seconds."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "秒": 1.0, "分": 60.0, "分钟": 60.0, "时": 3600.0, "小时": 3600.0, "天": 86400.0}


def seconds(text: object) -> float:
    """A duration such as `90s`, `10min`, `1.5h`, `365d`, or a time of day `07:30` since midnight, in seconds.

    Raises:
        ValueError: it is neither; the message says what to write.

    Example:
        >>> seconds("1.5h"), seconds("07:30")
        (5400.0, 27000.0)
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    word = str(text).strip()
    if ":" in word and len(word) < 20:
        hours, _, minutes = word.partition(":")
        if hours.isdecimal() and minutes.isdecimal() and int(minutes) < 60:
            return int(hours) * 3600.0 + int(minutes) * 60.0
    for unit in sorted(UNITS, key=len, reverse=True):
        number = word.removesuffix(unit).strip()
        if word.endswith(unit) and number.replace(".", "", 1).isdecimal():
            return float(number) * UNITS[unit]
    raise ValueError("not a time; write 90s, 10min, 1.5h, 2d or a time of day such as 07:30")


def clock(time_s: float) -> str:
    """Words that `seconds` reads back as exactly this time: `07:30` (`31:30` on the next day), or `27000.5s` off the full minute.

    Args:
        time_s: 0 or more.
    """
    minutes, rest = divmod(time_s, 60)
    return f"{int(minutes // 60):02d}:{int(minutes % 60):02d}" if rest == 0 else span(time_s)


def span(time_s: float) -> str:
    """Words that `seconds` reads back as exactly this duration: `10min`, or `90.5s` off the full minute.

    Args:
        time_s: 0 or more.
    """
    if time_s % 60 == 0:
        return f"{int(time_s) // 60}min"
    plain = format(Decimal(repr(float(time_s))), "f")
    return f"{plain.removesuffix('.0')}s"


Duration = Annotated[float, BeforeValidator(seconds)]
