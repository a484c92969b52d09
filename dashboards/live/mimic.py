"""The mimic of a plant, laid out from its tag table: which machine stands where in the picture. What it looks like is in `mimic.svg`."""

from __future__ import annotations

from dataclasses import dataclass, field

from twin.tags import Equipment, TagTable

COLUMN, GAP, LEFT = 88, 30, 24  # width of a store's column, between the groups, and at the edge
BASIN, PUMP = 150, 152


@dataclass(frozen=True, slots=True)
class Store:
    """A silo, bin or tank with its feeder, in a column of its own."""

    machine: Equipment
    feeder: Equipment
    x: int
    has_filter: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """A weigher below its stores."""

    machine: Equipment
    x: int
    width: int
    to_belt: bool
    alarms: tuple[str, ...]

    @property
    def middle(self) -> int:
        """x of its outlet."""
        return self.x + self.width // 2


@dataclass(slots=True)
class LinePicture:
    """One line from left to right: aggregate over the belt, then powders and liquids into the mixer."""

    name: str
    width: int = 0
    stores: list[Store] = field(default_factory=list)
    scales: list[Scale] = field(default_factory=list)
    belt: tuple[int, int] = (0, 0)
    mixer_x: int = 0
    collectors: list[Equipment] = field(default_factory=list)


@dataclass(slots=True)
class WaterPicture:
    """Basins in a row, pumps between them, and the machines of the loop."""

    width: int = 0
    basins: list[tuple[Equipment, int, bool]] = field(default_factory=list)  # machine, x, whether it has an agitator
    pumps: list[Equipment] = field(default_factory=list)
    sprays: list[Equipment] = field(default_factory=list)
    separators: list[Equipment] = field(default_factory=list)
    presses: list[Equipment] = field(default_factory=list)
    washes: list[Equipment] = field(default_factory=list)


def line_picture(table: TagTable, line: str) -> LinePicture:
    """Lay one line out."""
    picture = LinePicture(line)
    machines = {m.name: m for m in table.equipment}
    x = LEFT
    for to_belt in (True, False):
        for weigher in table.of_kind("weigher", line):
            if weigher.feeds.endswith(".Belt") != to_belt:
                continue
            feeders = [f for f in table.of_kind("feeder", line) if f.feeds == weigher.name]
            for k, feeder in enumerate(feeders):
                store = machines[feeder.source]
                picture.stores.append(Store(store, feeder, x + k * COLUMN, f"{store.name}.Filter.PressureDrop" in table))
            alarms = tuple(t.name for t in table if t.alarm and t.name.startswith(f"{weigher.name}."))
            width = max(len(feeders), 1) * COLUMN
            picture.scales.append(Scale(weigher, x, width - 12, to_belt, alarms))
            x += width
        if to_belt:
            picture.belt = (LEFT, x + GAP)
            picture.mixer_x = x + GAP
            x += GAP
    picture.width = max(x + LEFT, 1000)
    picture.collectors = [m for m in table.of_kind("dust_collector", line) if ".Collector." in m.name]
    return picture


def water_picture(table: TagTable) -> WaterPicture:
    """Lay the water loop out."""
    picture = WaterPicture()
    for k, basin in enumerate(table.of_kind("basin")):
        picture.basins.append((basin, LEFT + k * BASIN, f"{basin.name}.AgitatorRun" in table))
    picture.pumps = table.of_kind("water_pump")
    picture.sprays = table.of_kind("spray")
    picture.separators = table.of_kind("separator")
    picture.presses = table.of_kind("filter_press")
    picture.washes = table.of_kind("truck_wash")
    picture.width = max(len(picture.basins) * BASIN + 2 * LEFT, len(picture.pumps) * PUMP + 2 * LEFT, 960)
    return picture
