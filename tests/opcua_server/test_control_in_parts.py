"""`batchtwin control --line`: several reference controllers, each with a part of one plant, in lock-step."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from asyncua import ua
from served import ENDPOINT, Served, few_trucks, tables, until

from opcua_server.access.security import insecure
from opcua_server.clients.client import Place, Twin, connected
from opcua_server.clients.remote import RemoteImage, control, parts_of
from scenarios.replay import replay
from scenarios.run import open_run
from scenarios.simulation import Simulation
from twin.errors import BatchtwinError

MINUTES = 2  # both lines pour
DESIGN = "twin-hzs240"


@pytest.fixture(scope="module")
def _twins(loop, tmp_path_factory):
    plant = Served(insecure(ENDPOINT), tmp_path_factory.mktemp("twins"), design=DESIGN)
    loop.run_until_complete(plant.start())
    yield plant
    loop.run_until_complete(plant.stop())


@pytest.fixture
def twins(loop, _twins):
    """A plant of two lines without security, as at its start; its time stands still."""
    loop.run_until_complete(_twins.renew())
    return _twins


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    """The same run with one reference controller inside: its folder and the hash of its end."""
    folder = tmp_path_factory.mktemp("inside") / "run"
    with Simulation("full-demand", few_trucks(DESIGN), seed=1, fidelity="scan", until_s=MINUTES * 60, out=folder) as sim:
        sim.advance(MINUTES * 60)
        return folder, sim.plant.hash()


async def play(plant, *parts):
    """Play the run with a controller for each of these parts; returns the scans of each."""
    plant.live.sim.end_tick = MINUTES * 6000
    plant.live.set_speed("lockstep")
    controllers = [asyncio.ensure_future(control(plant.url, parts=part, once=True)) for part in parts]
    await until(lambda: len(plant.live.lockstep.partners) == len(parts))
    plant.live.start()
    return await asyncio.gather(*controllers)


@pytest.mark.parametrize(
    "parts", [(("Line1",), ("Line2",), ("Water", "Air")), (("Line1", "Line2", "Air"), ("Water",))], ids=["three", "batching and water"]
)
def test_parts_make_the_same_run_bit_for_bit(twins, loop, inside, parts, tmp_path, monkeypatch):
    monkeypatch.setattr("scenarios.session.PIECE_S", 10.0)
    folder, expected = inside
    twins.live.reset(seed=1, out=tmp_path / "run")
    assert loop.run_until_complete(play(twins, *parts)) == [MINUTES * 600] * len(parts)
    assert twins.live.state == "ended" and twins.hash() == expected
    here, there = tables(tmp_path / "run"), tables(folder)
    assert set(there["batches"]["line"].to_pylist()) == {"Line1", "Line2"} and here.keys() == there.keys()
    for name, table in there.items():
        assert (name, here[name].equals(table)) == (name, True)


@pytest.fixture(scope="module")
def undispatched(loop, tmp_path_factory):
    plant = Served(insecure(ENDPOINT), tmp_path_factory.mktemp("undispatched"), design=DESIGN, dispatch="none")
    loop.run_until_complete(plant.start())
    yield plant
    loop.run_until_complete(plant.stop())


def test_a_dispatcher_outside_makes_the_same_run_bit_for_bit(undispatched, loop, inside, tmp_path, monkeypatch):
    monkeypatch.setattr("scenarios.session.PIECE_S", 10.0)
    folder, expected = inside
    undispatched.live.reset(seed=1, out=tmp_path / "run")
    assert undispatched.live.sim.dispatch == "outside"
    assert loop.run_until_complete(play(undispatched, (), ("Dispatch",))) == [MINUTES * 600, MINUTES * 60]
    assert undispatched.hash() == expected
    here, there = tables(tmp_path / "run"), tables(folder)
    for name, table in there.items():
        assert (name, here[name].equals(table)) == (name, True)
    assert here["batches"].num_rows > 1
    again = replay(open_run(tmp_path / "run"))
    assert again[0] == again[1] == expected


def test_without_a_dispatcher_nothing_leaves(undispatched, loop):
    undispatched.live.reset(seed=1)
    loop.run_until_complete(play(undispatched, ()))
    assert undispatched.live.sim.plant.image["Dispatch.OpenOrders"] > 0 and undispatched.live.sim.plant.image["Dispatch.Taken"] == 0


async def test_only_what_is_ones_own_is_written(twins, loop):
    async with connected(twins.url) as client:
        image = await RemoteImage.of(await Twin.of(client), ("Water",))
        image.values[:] = np.array([t.high for t in image.table])  # as if its program had written everywhere
        written = image.changes()
        names = {group: [t.name for t in image.table if t.direction == group] for group in ("actuator", "status")}
        for place, value in written.items():
            if place.index_range is None:
                assert place.name.startswith("Water.")
                continue
            ends = [int(n) for n in place.index_range.split(":")]  # one number for one element
            first, last = ends[0], ends[-1]
            group = {"Image.Actuators": "actuator", "Image.Statuses": "status"}[place.name]
            assert np.size(value.Value) == last - first + 1 and all(n.startswith("Water.") for n in names[group][first : last + 1])
        assert {p.name for p in written if p.index_range} == {"Image.Actuators", "Image.Statuses"}
        assert Place("Image.Actuators") not in written and Place("Image.Statuses") not in written


async def test_what_others_control_is_read_from_the_plant(twins, loop):
    async with connected(twins.url) as client, twins.client() as vendor:
        image = await RemoteImage.of(await Twin.of(client), ("Line1",))
        run = image.table.index("Water.Pump.SlurryToLine1.Run")
        image.values[run] = 1.0  # its own program would let it run
        assert await vendor.write("Water.Pump.SlurryToLine1.Run", False, ua.VariantType.Boolean) == "Good"
        await image.pull()
        assert image.values[run] == 0.0


async def test_every_part_with_outputs_has_a_name_and_no_other(twins, loop):
    assert parts_of(twins.live.sim.plant.table) == ["Line1", "Line2", "Water", "Air", "Dispatch"]
    for wrong in ("Site", "Line3", "water"):
        with pytest.raises(BatchtwinError, match=f"no controlled part named '{wrong}'"):
            await control(twins.url, parts=("Line1", wrong))
    said = []
    controller = asyncio.ensure_future(control(twins.url, parts=("Line1", "Air"), tell=said.append))
    await until(lambda: said)
    assert said[0].endswith("; Line2, Water is left to others")
    controller.cancel()
    await asyncio.gather(controller, return_exceptions=True)
