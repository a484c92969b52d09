"""The reference controller at the end of the wire when the run behind it is begun anew."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from opcua_server.clients import remote
from opcua_server.clients.client import Twin, connected
from opcua_server.threaded import ServedPlant
from scenarios.session import Session

CAPACITY = "Line1.Tank.Slurry.Capacity"


async def reset_to(url: str, case: str) -> dict[str, Any]:
    """Reset the plant; what a program sees of a tank's capacity before and after."""
    async with connected(url) as client:
        twin = await Twin.of(client)
        image = await remote.RemoteImage.of(twin)
        k = image.table.index(CAPACITY)
        before = image.table.values[k]
        await twin.call("Time.Reset", ua.Variant(case, ua.VariantType.String), ua.Variant(-1, ua.VariantType.Int32))
        await image.begin()
        return {"before": before, "after": image.table.values[k], "joined late": (await remote.RemoteImage.of(twin)).table.values[k]}


def test_a_program_knows_the_figures_of_the_plant_that_a_run_is_played_on(tmp_path: Path) -> None:
    """The case `agitator-stopped` has a tank of 3 t in place of 12 t; the I/O list is that of the plant as it was served."""
    with ServedPlant(lambda: Session("working-day"), tmp_path) as plant:
        assert asyncio.run(reset_to(plant.url, "agitator-stopped")) == {"before": 12000.0, "after": 3000.0, "joined late": 3000.0}


def test_the_program_is_compiled_before_anybody_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ServedPlant(lambda: Session("working-day"), tmp_path) as plant:
        joined: list[int] = []

        class Program(remote.ReferenceController):
            def scan(self, values: Any, now: int) -> None:
                joined.append(len(plant.live.lockstep.partners))
                super().scan(values, now)
                if len(joined) == 3:
                    raise ConnectionError("enough")

        monkeypatch.setattr(remote, "ReferenceController", Program)
        plant.set_speed("lockstep")
        plant.do(plant.live.start)
        with pytest.raises(Exception, match="enough"):
            asyncio.run(remote.control(plant.url))
        assert joined == [0, 1, 1]
