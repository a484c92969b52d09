"""Drills: a scenario to be played by a person, with its aim, what a good answer looks like, and by what it is scored.

A drill is a YAML file in this folder; the plant's program runs as always, but nobody answers its alarms except who trains.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from scenarios.schema import Scenario, fault_mistakes, mistakes
from twin.design.load import find, load_design, packaged, parse, read_yaml
from twin.design.schema import Design, Title
from twin.equipment.part import Part

DRILLS = "scenarios.training"
CATEGORIES = ("safety", "quality", "discharge", "time", "alarms")


class Goals(Part):
    """What the score is reckoned by."""

    m3: float = Field(gt=0, le=5000, description="concrete that a good shift makes by the end")
    by_hand: bool = Field(False, description="whether only what is made by hand counts")
    answer_s: float = Field(60.0, gt=0, le=3600, description="simulated time within which an alarm is to be acknowledged")
    standstill_s: float = Field(240.0, gt=0, le=7200, description="time that the lines may stand in safe state, all told")
    points: dict[str, int] = Field(
        default_factory=lambda: dict(zip(CATEGORIES, (25, 20, 15, 15, 25), strict=True)), description="most points by category, 100 in all"
    )

    @model_validator(mode="after")
    def _hundred(self) -> Goals:
        if set(self.points) != set(CATEGORIES) or min(self.points.values()) < 0 or sum(self.points.values()) != 100:
            raise ValueError(f"points are for {', '.join(CATEGORIES)} and make 100")
        return self


class Drill(Part):
    """One training scenario."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: Title
    level: Literal[1, 2, 3] = Field(description="1 to begin with, 3 for the hardest")
    aim: Title
    answer: Title = Field(description="what a good answer looks like")
    speed: float = Field(1.0, ge=0.1, le=60, description="simulated seconds a second, to begin with")
    goals: Goals
    play: Scenario

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        """The scenario bears the name and the title of the drill."""
        if isinstance(data, dict) and isinstance(data.get("play"), dict):
            own = {k: data[k] for k in ("name", "title") if k in data}
            return data | {"play": own | data["play"]}
        return data


def load_drill(name: str | Path) -> tuple[Drill, Design]:
    """Read a drill, packaged or from a YAML file, and the design it is played on.

    Raises:
        BatchtwinError: unknown name, unreadable file, or the list of its mistakes.

    Example:
        >>> drill, design = load_drill("quiet-shift")
        >>> drill.level, design.name
        (1, 'hzs180')
    """
    path = find(name, DRILLS, "drill")
    data, node = read_yaml(path, "drill")
    drill = parse(path, "drill", Drill, data, node)
    design = load_design(drill.play.design)
    parse(
        path,
        "drill",
        Drill,
        data,
        node,
        lambda d: ((("play", *w), p, m) for w, p, m in (*mistakes(d.play, design), *fault_mistakes(d.play, design))),
    )
    return drill, design


@cache
def drills() -> dict[str, Drill]:
    """The packaged drills, the easiest first; whether one fits a plant is looked at when it begins."""
    found = []
    for path in packaged(DRILLS).values():
        data, node = read_yaml(path, "drill")
        found.append(parse(path, "drill", Drill, data, node))
    return {d.name: d for d in sorted(found, key=lambda d: (d.level, d.name))}
