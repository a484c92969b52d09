"""What all machines share: the design field with its source, the fault, and the tools to put one in place."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from twin.ledger import N_SPECIES, LedgerBuilder
from twin.tags import TagTable

NAME = r"^[A-Za-z0-9_-]+$"
Name = Annotated[str, Field(pattern=NAME, max_length=40)]  # of a machine: it becomes a part of tag names


class Part(BaseModel):
    """A piece of the plant design. Unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def figure(default: Any, unit: str, source: str, *, recalled: bool = False, **bounds: Any) -> Any:
    """A design figure that says its unit, where its default comes from, and whether that was verified.

    Args:
        default: value, or `...` when the design must give it.
        unit: unit symbol; it also stands in the field's name.
        source: standard, maker sheet or reason.
        recalled: true when the figure was not read in a source; reports mark it «unverified».
        bounds: pydantic limits such as `gt=0`.
    """
    confidence = "recalled" if recalled else "found"
    return Field(default, description=source, json_schema_extra={"unit": unit, "source": source, "confidence": confidence}, **bounds)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way a machine can fail: a number in its state that the machine's own `step` or `sense` obeys.

    Attributes:
        name: e.g. `stuck-gate`.
        field: state field that carries the severity; 0 is healthy.
        low, high, default: range of the severity.
        unit: unit of the severity.
        tags: suffixes of the tags in which it shows first.
        en, zh: what happens.
    """

    name: str
    field: str
    low: float
    high: float
    default: float
    unit: str
    tags: tuple[str, ...]
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Motor:
    """Something that runs: its energy is metered and its noise reaches the fence.

    Attributes:
        name: of its machine, and a part of it.
        rated_kw: electric power; 0 for a diesel.
        kind: what makes the noise: mixer, belt, screw, pump, fan, compressor, loader, truck, tanker.
    """

    name: str
    rated_kw: float
    kind: str


@dataclass(slots=True)
class Site:
    """Everything a machine's `build` may add to: tags, holders and links, transport slots, records.

    Attributes:
        table: the tag table under construction.
        ledger: holders and links under construction.
        records: state records by machine kind, in table order.
        names: machine names by kind, in the same order.
        slots: number of transport slots given out so far.
        motors: everything that draws electricity or makes noise.
        sources: name of every place where dust reaches the open air.
    """

    table: TagTable = field(default_factory=TagTable)
    ledger: LedgerBuilder = field(default_factory=LedgerBuilder)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    slots: int = 0
    motors: list[Motor] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def place(self, kind: str, name: str, **state: Any) -> int:
        """Keep a machine's initial state; returns its number among its kind."""
        # The key of a machine's noise comes from its name: another machine or tag does not disturb it.
        self.records.setdefault(kind, []).append(state | {"key": zlib.crc32(name.encode()) * 8})
        self.names.setdefault(kind, []).append(name)
        return len(self.names[kind]) - 1

    def find(self, kind: str, name: str) -> int:
        """Number of a machine placed before, among its kind; -1 if there is none."""
        names = self.names.get(kind, [])
        return names.index(name) if name in names else -1

    def take_slots(self, count: int) -> int:
        """Reserve transport slots; returns the first."""
        first = self.slots
        self.slots += count
        return first

    def motor(self, name: str, rated_kw: float, kind: str = "pump") -> int:
        """Number of a motor, made if it is new; its machine notes its running time and energy in `State.motors`."""
        known = [m.name for m in self.motors]
        if name in known:
            return known.index(name)
        self.motors.append(Motor(name, rated_kw, kind))
        return len(self.motors) - 1

    def source(self, name: str) -> int:
        """Number of a dust source, whose machine adds what it emits to `State.emitted`."""
        self.sources.append(name)
        return len(self.sources) - 1

    def arrays(self, kind: str, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The structured array of all machines of a kind."""
        rows = self.records.get(kind, [])
        out = np.zeros(len(rows), dtype=dtype)
        for i, row in enumerate(rows):
            for name, value in row.items():
                if name != "key" or "key" in out.dtype.names:
                    out[name][i] = value
        return out

    def ring(self) -> NDArray[np.float64]:
        """Transport slots of all belts and falling columns, kg by species."""
        return np.zeros((max(self.slots, 1), N_SPECIES))
