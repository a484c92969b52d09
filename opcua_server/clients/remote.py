"""The reference controller at the other end of the wire: the same programs on an image that goes to and fro by OPC UA."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from control.reference import ReferenceController
from opcua_server.address.model import GROUPS
from opcua_server.clients.client import Login, Twin, connected
from twin.clock import SCAN_TICKS
from twin.errors import BatchtwinError, nearest
from twin.tags import Equipment, Tag, TagTable

READ_GROUPS, WRITTEN = ("Sensors", "Setpoints"), ("Actuators", "Statuses")
TYPES = {"bool": ua.VariantType.Boolean, "float": ua.VariantType.Double, "int": ua.VariantType.Int32}


class RemoteImage:
    """The process image of a served plant.

    Attributes:
        table: its tag table, from the server's I/O list.
        species: species of each material.
        values: float64 [tag].
    """

    def __init__(self, twin: Twin, listing: str) -> None:
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

    @classmethod
    async def of(cls, twin: Twin) -> RemoteImage:
        """The image as it stands."""
        (listing,) = await twin.read("Plant.IOList")
        image = cls(twin, listing)
        await image.renew()
        return image

    async def renew(self) -> None:
        """Read everything, parameters too: the I/O list stands, but another run may be played with other figures of the plant."""
        await self.pull(*GROUPS)
        for i in self._group["Parameters"]:
            self.table.values[i] = float(self.values[i])

    async def pull(self, *groups: str) -> None:
        """Read groups; a failed sensor shows what its instrument shows when it has failed."""
        arrays = await self._twin.read(*(f"Image.{g}" for g in groups))
        for group, array in zip(groups, arrays, strict=True):
            index = self._group[group]
            values = np.array(array)
            self.values[index] = np.where(np.isnan(values), self._broken[index], values)
        self._seen[:] = self.values

    def changes(self, lines: Sequence[str] = ()) -> dict[str, ua.Variant]:
        """What must be written so that the plant has what the controller wants.

        Args:
            lines: only these lines; all when empty.
        """
        v = self.values
        np.clip(v, self._low, self._high, out=v, where=np.isfinite(v))
        v[self._whole] = np.floor(v[self._whole] + 0.5)
        out: dict[str, ua.Variant] = {}
        changed = v != self._seen
        tags = self.table.tags
        for group in WRITTEN:
            index = self._group[group]
            if lines:
                mine = np.array([tags[i].name.split(".", 1)[0] in lines for i in index])
                v[index[~mine]] = self._seen[index[~mine]]
            if changed[index].any():
                out[f"Image.{group}"] = ua.Variant(v[index].tolist(), ua.VariantType.Double)
        for i in self._group["Setpoints"][changed[self._group["Setpoints"]]]:  # a command bit that was obeyed is reset
            tag = tags[i]
            if not lines or tag.name.split(".", 1)[0] in lines:
                kind = ua.VariantType.UInt32 if tag.states else TYPES[tag.dtype]
                out[tag.name] = ua.Variant(bool(v[i]) if tag.dtype == "bool" else float(v[i]) if tag.dtype == "float" else int(v[i]), kind)
        return out


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
    url: str, login: Login | None = None, lines: Sequence[str] = (), once: bool = False, tell: Callable[[str], None] = lambda _: None
) -> int:
    """Run the reference controller on a served plant, run after run, until the connection ends.

    Args:
        lines: lines to control; all when empty.
        once: end with the run.
        tell: told in a line what happens.

    Returns:
        Scans done.

    Raises:
        BatchtwinError: no connection, refused, or an unknown line.
    """
    async with connected(url, login) as client:
        twin = await Twin.of(client)
        image = await RemoteImage.of(twin)
        for line in lines:
            if line not in image.table.lines:
                raise BatchtwinError("E102", kind="line", name=line, near=nearest(line, image.table.lines))
        trial = ReferenceController(image.table, image.species)  # compiles, if need be, before anybody waits for it
        await asyncio.to_thread(trial.scan, image.values.copy(), 0)
        name = "-".join(("reference", *lines))
        handle, scan = await twin.call("Time.Join", ua.Variant(name, ua.VariantType.String), ua.Variant(1, ua.VariantType.UInt32))
        tell(f"joined as {name} at scan {scan}")
        try:
            return await _scans(twin, image, lines, handle, scan, once, tell)
        except (ConnectionError, TimeoutError, ua.UaError) as error:
            raise BatchtwinError(
                "E401", problem=f"the connection to {url} was lost ({error or 'timeout'})", mend="start the server, then this again"
            ) from None


async def _scans(
    twin: Twin, image: RemoteImage, lines: Sequence[str], handle: int, scan: int, once: bool, tell: Callable[[str], None]
) -> int:
    program = ReferenceController(image.table, image.species)
    (epoch,) = await twin.read("Time.Epoch")
    done = 0
    number = ua.Variant(handle, ua.VariantType.UInt32)
    while True:
        await image.pull(*READ_GROUPS)
        program.scan(image.values, scan * SCAN_TICKS)
        changes = image.changes(lines)
        codes, (scan, now, ready) = await asyncio.gather(twin.write(changes), twin.call("Time.Next", number))
        refused = [f"{tag} ({code.name})" for tag, code in zip(changes, codes, strict=True) if not code.is_good()]
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
            await image.renew()
            program = ReferenceController(image.table, image.species)
        epoch = now


__all__ = ["RemoteImage", "control"]
