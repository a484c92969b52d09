"""asyncua as people use it: nodes, subscriptions with a handler, history; and its own way of coming back after the network failed."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from asyncua import ua
from asyncua.ua.uaerrors import BadNodeIdUnknown, BadNotWritable, BadOutOfRange, BadTypeMismatch, BadUserAccessDenied
from served import NAMES, VALUES, here, std, until

MOISTURE = "Line1.Bin.Sand2.LabMoisture"


class Handler:
    """What a subscription told, by the name of the node."""

    def __init__(self):
        self.seen = []

    def datachange_notification(self, node, value, data):
        self.seen.append((node.nodeid.Identifier, value))


async def tour(plant, client, *, instructor):
    """What an operator's station does."""
    ns = await client.get_namespace_index("urn:batchtwin:plant")

    def node(name):
        return client.get_node(ua.NodeId(name, ns))

    assert await client.nodes.objects.get_child([f"{ns}:{n}" for n in ("Plant", "Line1", "Weigher", "Cement", "Gross")]) == node(NAMES[0])
    children = {(await c.read_browse_name()).Name for c in await node("Plant").get_children()}
    assert {"Line1", "Image", "Time", "Faults", "Run"} <= children
    assert await client.read_values([node(n) for n in NAMES]) == VALUES
    assert {p.nodeid.Identifier.rsplit("/", 1)[-1] for p in await node(NAMES[0]).get_properties()} >= {"EURange", "EngineeringUnits"}
    assert (await node(NAMES[0]).read_data_type_as_variant_type(), await node(NAMES[0]).read_type_definition()) == (
        ua.VariantType.Double,
        std("AnalogItemType"),
    )
    for wrong, value, error in (
        (NAMES[0], 1.0, BadNotWritable), (MOISTURE, "7", BadTypeMismatch), (MOISTURE, 99.0, BadOutOfRange), ("Nowhere", 1.0, BadNodeIdUnknown),
    ):  # fmt: skip
        with pytest.raises(error):
            await node(wrong).write_value(value)
    handler = Handler()
    subscription = await client.create_subscription(50, handler)
    await subscription.subscribe_data_change([node(MOISTURE), node("Time.Scan")], queuesize=10, sampling_interval=0.0)
    await node(MOISTURE).write_value(7.25)
    if not instructor:
        with pytest.raises(BadUserAccessDenied):
            await node("Time").call_method(f"{ns}:Step", ua.Variant(10, ua.VariantType.UInt32))
        with pytest.raises(BadUserAccessDenied):
            await node("Line1.Mixer.Door").write_value(5.0)
        await plant.live.step(10)
    else:
        assert await node("Time").call_method(f"{ns}:Step", ua.Variant(10, ua.VariantType.UInt32)) == 10
        await node("Line1.Mixer.Door").write_value(5.0)
    await until(lambda: (MOISTURE, 7.25) in handler.seen and ("Time.Scan", 10) in handler.seen, "no data change")
    await subscription.delete()
    history = await node(MOISTURE).read_raw_history(datetime(2026, 5, 11, 5), datetime(2026, 5, 11, 7))
    assert 7.25 in [v.Value.Value for v in history]


async def test_without_security(plant, loop, tmp_path):
    plant.record(tmp_path / "run")
    async with plant.client() as peer:
        await tour(plant, peer.client, instructor=True)


@pytest.mark.parametrize("user", ["instructor", "operator"])
async def test_with_security(guarded, loop, tmp_path, user):
    guarded.record(tmp_path / "run")
    async with guarded.client(user) as peer:
        await tour(guarded, peer.client, instructor=user == "instructor")


async def test_it_comes_back_by_itself_and_misses_nothing(guarded, loop):
    guarded.show(Line1__Weigher__Cement__Gross=0.0)
    async with guarded.client("operator", auto_reconnect=True) as peer:
        handler = Handler()
        subscription = await peer.client.create_subscription(50, handler)
        await subscription.subscribe_data_change([peer.client.get_node(here(NAMES[0]))], queuesize=10, sampling_interval=0.0)
        await until(lambda: handler.seen)
        (session,) = guarded.server.sessions
        ended = session.connection
        peer.protocol.transport.abort()
        await until(lambda: ended not in guarded.server._connections)
        for value in (1.0, 2.0, 3.0):
            guarded.show(Line1__Weigher__Cement__Gross=value)
        await until(lambda: [v for _, v in handler.seen] == [0.0, 1.0, 2.0, 3.0], "it does not come back")
        assert list(guarded.server.sessions) == [session]
        assert await peer.client.get_node(here("Time.State")).read_value() == "paused"


async def test_two_hundred_requests_at_once_are_all_answered(plant, loop):
    async with plant.client() as peer:
        nodes = [peer.client.get_node(here(n)) for n in NAMES]
        answers = await asyncio.gather(*(nodes[i % len(nodes)].read_value() for i in range(200)))
        assert answers == [answers[i % len(nodes)] for i in range(200)]
