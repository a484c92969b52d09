"""Premises: what a plant has that no machine of the model is, and that rule books ask about. What is not given is not known."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from twin.equipment.part import Part, figure

City = Literal["wuhan", "yichang", "xiangyang", "other"]
Room = Literal["retained_samples", "binder", "aggregate", "strength", "forming", "curing", "chemistry", "durability", "environment"]


ShiftTest = Literal["mixed_aggregate", "recycled_sand", "recycled_stone", "slurry_water"]


class Laboratory(Part):
    """The plant's laboratory; rooms as the Hubei guidance names them (annex 1, 4.2; annex 2, 10)."""

    area_m2: float | None = figure(None, "m2", "layout of the design; area for tests", gt=0, le=20000)
    rooms: list[Room] | None = Field(None, description="rooms that it has; layout of the design")
    shift_tests: list[ShiftTest] | None = Field(None, description="tested at the start of each shift, annex 1, 4.6 and 4.7")
    tests_deliveries: bool | None = Field(None, description="aggregate is tested by lot at the gate, before it is unloaded, annex 1, 4.5")
    lot_t: float = figure(600.0, "t", "of aggregate to a test, JGJ 52-2006 4.1.1", recalled=True, gt=0, le=10000)
    shift_from_h: float = figure(5.0, "h", "time of day at which a shift begins; engineering choice", recalled=True, ge=0, lt=24)
    shift_h: float = figure(12.0, "h", "length of a shift; engineering choice", recalled=True, ge=1, le=24)
    testers: int = figure(2, "count", "on shift; engineering choice", recalled=True, ge=1, le=50)
    test_min: float = figure(40.0, "min", "a wash or density test with its drying; engineering choice", recalled=True, ge=1, le=600)
    test_scatter: float = figure(0.05, "of the value", "of a single test; engineering choice", recalled=True, ge=0, le=0.5)
    adjusts: bool | None = Field(None, description="the admixture of recipes is adjusted to slump within rights and signed, annex 1, 5.9")
    adjust_samples: int = figure(3, "count", "last samples of a grade that are averaged; engineering choice", recalled=True, ge=1, le=50)
    adjust_from_mm: float = figure(
        15.0, "mm", "off the wanted slump, half of a tolerance of 30 mm; engineering choice", recalled=True, gt=0, le=100
    )
    adjust_mm: float = figure(
        1.4, "mm", "slump for 1 % of the approved dose, from the model's own recipes; engineering choice", recalled=True, gt=0, le=20
    )
    adjust_within: float = figure(
        0.15, "of the dose", "right of the quality head, about the approved dose; engineering choice", recalled=True, gt=0, le=1
    )
    signing_min: float = figure(30.0, "min", "from proposal to signature; engineering choice", recalled=True, ge=0, le=1440)


class ControlRoom(Part):
    """Where the lines are run from (annex 1, 7.3; annex 2, second list, 1)."""

    apart: bool | None = Field(None, description="stands apart from the mixing tower; layout of the design")
    video: bool | None = Field(None, description="has the pictures of all cameras; layout of the design")


class Premises(Part):
    """The plant as an enterprise sees it."""

    city: City | None = Field(None, description="some targets differ by city, guidance III and annex 2")
    completed: date | None = Field(None, description="when it was built or last rebuilt")
    yearly_hours: float = figure(4800.0, "h", "hours of a year at rated output that count as its capacity: 300 d of 16 h; engineering choice",
                                 recalled=True, gt=0, le=8784)  # fmt: skip
    laboratory: Laboratory = Field(default_factory=Laboratory)
    control_room: ControlRoom = Field(default_factory=ControlRoom)
    approved_grades: list[str] | None = Field(
        None, description="grades of which the recipe is signed: by the technical head and the laboratory's head"
    )
    blends_aggregate: bool | None = Field(None, description="aggregates are blended in the yard before they are weighed")
    crushes_waste: bool | None = Field(None, description="makes aggregate of hardened concrete and cubes itself")
    waste_store_enclosed: bool | None = Field(None, description="solid waste lies in an enclosed store; layout of the design")
    low_pressure_filling: bool | None = Field(None, description="silos are blown full at low pressure; maker sheet of the design")
    battery_loaders: bool | None = Field(None, description="loaders run on batteries; maker sheet of the design")
