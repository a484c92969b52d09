"""The tag table: the one source of what crosses between the plant and its controller.

OPC UA nodes, recorder columns, screen fields and the I/O list are generated from it. A machine
declares its tags once, in its own file under `equipment/`, with the functions `sensor`, `actuator`,
`setpoint`, `status` and `parameter`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from twin.errors import BatchtwinError, nearest

Direction = Literal["sensor", "actuator", "setpoint", "status", "parameter"]
DType = Literal["bool", "int", "float"]

# Who may write a tag of each direction; everyone may read all of them.
WRITER: dict[str, str] = {
    "sensor": "plant",
    "actuator": "controller",
    "setpoint": "operator",
    "status": "controller",
    "parameter": "nobody",
}


@dataclass(frozen=True, slots=True)
class Tag:
    """One value of the process image.

    Attributes:
        name: full name, e.g. `Line1.Weigher.Cement.Gross`.
        dtype: `bool`, `int` or `float`; the image keeps all three as float64.
        direction: `sensor` (plant → controller), `actuator` (controller → plant), `setpoint`
            (people and dispatch → controller), `status` (controller → people), `parameter` (fixed).
        unit: unit symbol, `""` for booleans and codes.
        low, high: engineering range; a written value outside it is clamped.
        resolution: step in which the recorder keeps the value.
        writer: role that may write it.
        states: names of the codes of a multi-state tag, in order of the code.
        alarm: a true value is an alarm and enters the event table.
        severity: of an alarm, 1 (least) to 1000, as OPC UA has it.
        broken: a sensor that reads this or less says that it has failed (a cut cable); none does by default.
        kept: whether a run records it.
        en, zh: description.
    """

    name: str
    dtype: DType
    direction: Direction
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    resolution: float = 1.0
    writer: str = ""
    states: tuple[str, ...] = ()
    alarm: bool = False
    severity: int = 500
    broken: float = -math.inf
    kept: bool = True
    en: str = ""
    zh: str = ""


def _tag(
    direction: Direction,
    name: str,
    en: str,
    zh: str,
    unit: str | None = None,
    low: float = 0.0,
    high: float | None = None,
    resolution: float | None = None,
    **more: Any,
) -> Tag:
    """A tag of one direction. With `states` it is multi-state, without a unit boolean, with unit `count` whole."""
    if high is None:
        high = 1e9 if direction == "parameter" else 1.0
    dtype: DType = "float"
    if more.get("states"):
        dtype, low, high = "int", 0.0, float(len(more["states"]) - 1)
    elif unit is None:
        dtype, low, high = "bool", 0.0, 1.0
    elif unit == "count":
        dtype = "int"
    if resolution is None:
        resolution = 0.01 if dtype == "float" else 1.0
    more.setdefault("writer", WRITER[direction])
    return Tag(name, dtype, direction, unit or "", low, high, resolution, en=en, zh=zh, **more)


# A machine declares its tags with these: `sensor("Gross", "gross mass shown", "显示毛重", "kg", -500, 20000, 0.05)`.
sensor = partial(_tag, "sensor")  # the plant shows it
actuator = partial(_tag, "actuator")  # the controller commands it
setpoint = partial(_tag, "setpoint")  # people or dispatch wish it of the controller
status = partial(_tag, "status")  # the controller says it of itself
parameter = partial(_tag, "parameter")  # a figure of the machine that never changes during a run


@dataclass(frozen=True, slots=True)
class Equipment:
    """One machine as a controller's engineer sees it on the I/O list.

    Attributes:
        name: e.g. `Line1.Feeder.Cement1`.
        kind: the machine's file under `equipment/`, e.g. `feeder`.
        first: index of its first tag; its tags stand together.
        count: how many tags it has.
        material: what it handles, `""` if no single material.
        feeds: name of the machine that takes what it gives, `""` if none.
        source: name of the machine it draws from, `""` if none.
    """

    name: str
    kind: str
    first: int
    count: int
    material: str = ""
    feeds: str = ""
    source: str = ""

    @property
    def line(self) -> str:
        """The part of the name before the first dot, e.g. `Line1`."""
        return self.name.split(".", 1)[0]

    @property
    def short(self) -> str:
        """The last part of the name, e.g. `Cement1`."""
        return self.name.rsplit(".", 1)[-1]


@dataclass(slots=True)
class TagTable:
    """All tags and machines of one plant, in a fixed order.

    Example:
        >>> table = TagTable()
        >>> scale = table.add("Line1.Weigher.Cement", "weigher", (sensor("Gross", "gross mass", "毛重", "kg", 0, 2000),))
        >>> table.index("Line1.Weigher.Cement.Gross")
        0
        >>> table["Line1.Weigher.Cement.Gross"].unit
        'kg'
    """

    tags: list[Tag] = field(default_factory=list)
    equipment: list[Equipment] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, kind: str, tags: tuple[Tag, ...], material: str = "", feeds: str = "", source: str = "",
            values: dict[str, float] | None = None, high: dict[str, float] | None = None, low: dict[str, float] | None = None,
            broken: dict[str, float] | None = None) -> Equipment:  # fmt: skip
        """Append a machine and its tags.

        Args:
            values: initial values by tag suffix (parameters and non-zero starts).
            high, low: ends of ranges by tag suffix, where the machine's size sets them.
            broken: reading by tag suffix at which a sensor says that it has failed.
        """
        first = len(self.tags)
        for tag in tags:
            full = replace(tag, name=f"{name}.{tag.name}", high=(high or {}).get(tag.name, tag.high), low=(low or {}).get(tag.name, tag.low),
                           broken=(broken or {}).get(tag.name, tag.broken))  # fmt: skip
            self._index[full.name] = len(self.tags)
            self.tags.append(full)
            self.values.append((values or {}).get(tag.name, 0.0))
        machine = Equipment(name, kind, first, len(tags), material, feeds, source)
        self.equipment.append(machine)
        return machine

    def index(self, name: str) -> int:
        """Position of a tag in the image.

        Raises:
            BatchtwinError: E301 with the nearest name.
        """
        try:
            return self._index[name]
        except KeyError:
            raise BatchtwinError("E301", name=name, near=nearest(name, self._index)) from None

    def __getitem__(self, name: str) -> Tag:
        return self.tags[self.index(name)]

    def __contains__(self, name: str) -> bool:
        return name in self._index

    def __len__(self) -> int:
        return len(self.tags)

    def __iter__(self) -> Iterator[Tag]:
        return iter(self.tags)

    def of_kind(self, kind: str, line: str = "") -> list[Equipment]:
        """Machines of one kind, of one line if given, in table order."""
        return [e for e in self.equipment if e.kind == kind and (not line or e.line == line)]

    def machine(self, name: str) -> Equipment:
        """The machine of that name.

        Raises:
            BatchtwinError: E102 with the nearest name.
        """
        for e in self.equipment:
            if e.name == name:
                return e
        raise BatchtwinError("E102", kind="machine", name=name, near=nearest(name, [e.name for e in self.equipment]))

    @property
    def lines(self) -> list[str]:
        """Names of the production lines, in order."""
        return list(dict.fromkeys(e.line for e in self.equipment if e.kind == "mixer"))
