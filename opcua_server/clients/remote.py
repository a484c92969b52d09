"""The reference controller at the other end of the wire: the same programs on an image that goes to and fro by OPC UA."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from control.dispatch.planner import by_rule
from control.reference import ReferenceController
from opcua_server.address.model import GROUPS
from opcua_server.clients.client import Login, Place, Twin, connected
from twin.clock import SCAN_TICKS
from twin.errors import BatchtwinError, nearest
from twin.tags import Equipment, Tag, TagTable

DESK = "Dispatch"  # the part that dispatchers control
READ, WRITTEN = ("Sensors", "Setpoints"), ("Actuators", "Statuses")
TYPES = {"bool": ua.VariantType.Boolean, "float": ua.VariantType.Double, "int": ua.VariantType.Int32}


class RemoteImage:
    """The process image of a served plant.

    Args:
        parts: first parts of the names of what is controlled from here (`Line1`, `Water`); all when empty. What others control is
            read from the plant, never written.

    Attributes:
        table: its tag table, from the server's I/O list.
        species: species of each material.
        values: float64 [tag].

    Raises:
        BatchtwinError: nothing is controlled under such a name.
    """

    def __init__(self, twin: Twin, listing: str, parts: Sequence[str] = ()) -> None:
        known = json.loads(listing)
        self._twin = twin
        self.table = table_of(known)
        self.species: dict[str, str] = known["species"]
        self.values: NDArray[np.float64] = np.zeros(len(self.table))
        tags = self.table.tags
        self._group = {n: np.array([i for i, t in enumerate(tags) if t.direction == d], np.int64) for n, (d, _) in GROUPS.items()}
        self._broken = np.array([t.broken for t in tags])
        self._low, self._high = np.array([t.low for t in tags]), np.array([t.high for t in tags])
        self._whole = np.array([t.dtype != "float" for t in tags])
        self._seen = self.values.copy()
        known_parts = parts_of(self.table)
        for part in parts:
            if part not in known_parts:
                raise BatchtwinError("E102", kind="controlled part", name=part, near=nearest(part, known_parts))
        self._mine = np.array([_part(t) in parts if parts else _part(t) != DESK for t in tags])
        self._ranges = {g: _runs(self._mine[self._group[g]]) for g in WRITTEN}

    @classmethod
    async def of(cls, twin: Twin, parts: Sequence[str] = ()) -> RemoteImage:
        """The image as it stands."""
        (listing,) = await twin.read("Plant.IOList")
        image = cls(twin, listing, parts)
        await image.begin()
        return image

    async def begin(self) -> None:
        """Read all of it, parameters too: the I/O list stands, but another run may be played with other figures of the plant."""
        self._take(GROUPS, await self._arrays(GROUPS), np.ones(len(self.table), np.bool_))
        for i in self._group["Parameters"]:
            self.table.values[i] = float(self.values[i])

    async def pull(self) -> None:
        """Read what a scan looks at: what the plant shows, what people wish, and what others control."""
        if self._mine.all():
            self._take(READ, await self._arrays(READ), self._mine)
            return
        arrays = await self._arrays((*READ, *WRITTEN))
        self._take(READ, arrays[:2], np.ones(len(self.table), np.bool_))
        self._take(WRITTEN, arrays[2:], ~self._mine)

    async def _arrays(self, groups: Iterable[str]) -> list[Any]:
        return await self._twin.read(*(f"Image.{g}" for g in groups))

    def _take(self, groups: Iterable[str], arrays: Sequence[Any], wanted: NDArray[np.bool_]) -> None:
        """Take values over; a failed sensor shows what its instrument shows when it has failed."""
        for group, array in zip(groups, arrays, strict=True):
            index, values = self._group[group], np.array(array)
            values = np.where(np.isnan(values), self._broken[index], values)
            self.values[index] = np.where(wanted[index], values, self.values[index])
        self._seen[:] = self.values

    def changes(self) -> dict[Place, ua.Variant]:
        """What must be written so that the plant has what the controller wants; of arrays only the elements that are controlled here."""
        v = self.values
        np.clip(v, self._low, self._high, out=v, where=np.isfinite(v))
        v[self._whole] = np.floor(v[self._whole] + 0.5)
        np.copyto(v, self._seen, where=~self._mine)
        out: dict[Place, ua.Variant] = {}
        changed = v != self._seen
        for group in WRITTEN:
            for first, last in self._ranges[group]:
                index = self._group[group][first : last + 1]
                if changed[index].any():
                    place = Place(f"Image.{group}", None if self._mine.all() else f"{first}:{last}" if last > first else f"{first}")
                    out[place] = ua.Variant(v[index].tolist(), ua.VariantType.Double)
        for i in self._group["Setpoints"][changed[self._group["Setpoints"]]]:  # a command bit that was obeyed is reset
            tag = self.table.tags[i]
            kind = ua.VariantType.UInt32 if tag.states else TYPES[tag.dtype]
            value = bool(v[i]) if tag.dtype == "bool" else float(v[i]) if tag.dtype == "float" else int(v[i])
            out[Place(tag.name)] = ua.Variant(value, kind)
        return out


def parts_of(table: TagTable) -> list[str]:
    """Parts of a plant that a controller can have for itself, by the first part of the names of the tags it writes."""
    return list(dict.fromkeys(_part(t) for t in table if t.writer in ("controller", "dispatch")))


def programs(image: RemoteImage, parts: Sequence[str], rule: str) -> list[Any]:
    """What runs on an image: our controller, and our dispatcher where it is asked for by name."""
    out: list[Any] = [] if list(parts) == [DESK] else [ReferenceController(image.table, image.species)]
    return [*out, by_rule(image.table, rule)] if DESK in parts else out


def _part(tag: Tag) -> str:
    return tag.name.split(".", 1)[0]


def _runs(mine: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each stretch of true values."""
    edges = np.flatnonzero(np.diff(np.r_[False, mine, False].astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def table_of(listing: dict[str, Any]) -> TagTable:
    """The tag table out of the server's I/O list."""
    table = TagTable()
    table.tags = [
        Tag(**t | {"states": tuple(t["states"]), "broken": -np.inf if t["broken"] is None else t["broken"]}) for t in listing["tags"]
    ]
    table.equipment = [Equipment(**e) for e in listing["equipment"]]
    table.values = listing["values"]
    table._index = {t.name: i for i, t in enumerate(table.tags)}
    return table


async def control(
    url: str, login: Login | None = None, parts: Sequence[str] = (), once: bool = False, tell: Callable[[str], None] = lambda _: None,
    rule: str = "jit",
) -> int:  # fmt: skip
    """Run the reference controller on a served plant, run after run, until the connection ends.

    Args:
        parts: what to control (`Line1`, `Water`, `Air`, `Dispatch`; see `parts_of`); all but dispatch when empty.
        rule: by which trucks are sent, when `Dispatch` is among the parts.
        once: end with the run.
        tell: told in a line what happens.

    Returns:
        Scans done.

    Raises:
        BatchtwinError: no connection, refused, or an unknown part.
    """
    async with connected(url, login) as client:
        twin = await Twin.of(client)
        image = await RemoteImage.of(twin, parts)
        trial = programs(image, parts, rule)  # compile, if need be, before anybody waits for it
        for program in trial:
            await asyncio.to_thread(program.scan, image.values.copy(), 0)
        name = "-".join(("reference", *parts))[:64]
        every = min(program.scan_ticks for program in trial) // SCAN_TICKS
        handle, scan = await twin.call("Time.Join", ua.Variant(name, ua.VariantType.String), ua.Variant(every, ua.VariantType.UInt32))
        others = [p for p in parts_of(image.table) if parts and p not in (*parts, DESK)]
        tell(f"joined as {name} at scan {scan}" + (f"; {', '.join(others)} is left to others" if others else ""))
        try:
            return await _scans(twin, image, handle, scan, once, tell, lambda: programs(image, parts, rule))
        except (ConnectionError, TimeoutError, ua.UaError) as error:
            raise BatchtwinError(
                "E401", problem=f"the connection to {url} was lost ({error or 'timeout'})", mend="start the server, then this again"
            ) from None


async def _scans(
    twin: Twin, image: RemoteImage, handle: int, scan: int, once: bool, tell: Callable[[str], None], start: Callable[[], list[Any]]
) -> int:
    running = start()
    (epoch,) = await twin.read("Time.Epoch")
    done = 0
    number = ua.Variant(handle, ua.VariantType.UInt32)
    while True:
        await image.pull()
        for program in running:
            if scan * SCAN_TICKS % program.scan_ticks == 0:
                program.scan(image.values, scan * SCAN_TICKS)
        changes = image.changes()
        codes, (scan, now, ready) = await asyncio.gather(twin.write(changes), twin.call("Time.Next", number))
        refused = [f"{place} ({code.name})" for place, code in zip(changes, codes, strict=True) if not code.is_good()]
        if refused and now == epoch and (await twin.read("Time.State")) != ["ended"]:
            raise BatchtwinError(
                "E401", problem=f"the server refused {refused[0]}", mend="log in as a controller, and let no other one run"
            )
        while not ready:
            if once and (await twin.read("Time.State")) == ["ended"]:
                return done
            scan, now, ready = await twin.call("Time.Next", number)
        done += 1
        if now != epoch:
            tell(f"the run was begun anew after {done} scans")
            await image.begin()
            running = start()
        epoch = now


__all__ = ["RemoteImage", "control", "parts_of"]
