"""Faults as they befall a run: onset, severity, end. What each does is written in its machine's own file."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

from twin.clock import ticks
from twin.engine import Engine
from twin.equipment.part import Fault
from twin.errors import BatchtwinError, unknown
from twin.plant import Plant, faults


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault on one machine.

    Attributes:
        fault: name in the catalogue.
        target: machine name, e.g. `Line1.Feeder.Sand1`.
        severity: in the fault's own unit.
        onset_s: how long it takes to grow to its severity; 0 is at once.
        duration_s: how long it lasts; None is until cleared.
    """

    fault: str
    target: str
    severity: float
    onset_s: float = 0.0
    duration_s: float | None = None


def resolve(plant: Plant, name: str, target: str, severity: float | None) -> tuple[Fault, float]:
    """The catalogue entry for a fault on a machine, and its severity (the default when None).

    Raises:
        BatchtwinError: unknown fault or machine, a fault that does not apply, a severity out of range.
    """
    catalogue = faults()
    if name not in catalogue:
        raise unknown("fault", name, catalogue)
    machine = plant.table.machine(target)
    fault = next((f for kind, f in catalogue[name] if kind == machine.kind), None)
    # Not every basin has an agitator, nor every filter a fan: what such a fault shows first must be there.
    if fault is None or f"{target}.{fault.tags[0]}" not in plant.table:
        raise BatchtwinError("E303", fault=name, target=target, kinds=", ".join(k for k, _ in catalogue[name]))
    value = fault.default if severity is None else severity
    if not fault.low <= value <= fault.high:
        raise BatchtwinError(
            "E401", problem=f"severity {value:g} of {name} is out of range", mend=f"give {fault.low:g} to {fault.high:g} {fault.unit}"
        )
    return fault, value


def inject(engine: Engine, injected: Injected) -> None:
    """Begin a fault now; it ends by itself after its duration."""
    fault, severity = resolve(engine.plant, injected.fault, injected.target, injected.severity)
    engine.env.process(_course(engine, injected, fault, severity))


def clear(engine: Engine, name: str, target: str) -> None:
    """End a fault now."""
    fault, _ = resolve(engine.plant, name, target, None)
    engine.plant.record(target)[fault.field] = 0.0
    engine.log("fault-end", target, 0.0, name)


def _course(engine: Engine, injected: Injected, fault: Fault, severity: float) -> Generator[simpy.Event, Any, None]:
    record = engine.plant.record(injected.target)
    engine.log("fault", injected.target, severity, injected.fault)
    steps = max(int(injected.onset_s), 1)
    for k in range(1, steps + 1):
        record[fault.field] = severity * k / steps
        if injected.target in engine.befalls:
            engine.befalls[injected.target]()
        if k < steps:
            yield engine.wait(1)
    if injected.duration_s is not None:
        yield engine.env.timeout(max(ticks(injected.duration_s), 1))
        if record[fault.field] != 0.0:
            clear(engine, injected.fault, injected.target)
