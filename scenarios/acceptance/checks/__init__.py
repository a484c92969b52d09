"""All kinds of check. A new one is a class in a file of its topic and its name here."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field

from scenarios.acceptance.checks.base import Check
from scenarios.acceptance.checks.concrete import BatchesComposed, BatchesMixed, CleanWrites, LoadsDelivered, WaterBinder
from scenarios.acceptance.checks.material import Lost
from scenarios.acceptance.checks.mixer import MixerKeptRunning
from scenarios.acceptance.checks.tags import Always, Happens, Never
from scenarios.acceptance.checks.weighing import DeviationsDeclared, RecordsHonest, WeighingsWithin

AnyCheck = Annotated[
    Never
    | Always
    | Happens
    | WeighingsWithin
    | RecordsHonest
    | DeviationsDeclared
    | LoadsDelivered
    | BatchesComposed
    | BatchesMixed
    | WaterBinder
    | MixerKeptRunning
    | Lost
    | CleanWrites,
    Field(discriminator="check"),
]
KINDS: tuple[type[Check], ...] = get_args(get_args(AnyCheck)[0])

__all__ = ["KINDS", "AnyCheck", "Check"]
