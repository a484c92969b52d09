"""Clients that fail, fill, flood or lie: each hurts itself alone. The server answers others, the plant goes on, memory is bounded."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
import struct
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.ua_binary import struct_to_binary
from fuzzing import Closed, Raw, asked, call, chunk, node
from served import here, item, name_of, quietly, std, until

from twin.errors import BatchtwinError

GROSS, DOOR, START = "Line1.Weigher.Cement.Gross", "Line1.Station.LocalDoor", "Line1.Station.Start"
BEAT = "Line1.Station.Heartbeat"
V = ua.VariantType
MB = 1024 * 1024
CLEAR = Path("/proc/self/clear_refs")


@pytest.fixture
def limited(plant, monkeypatch):
    """Other limits for the server, and for connections to come."""

    def limit(**limits):
        now = dataclasses.replace(plant.server.limits, **limits)
        for owner, name in (
            (plant.server, "limits"), (plant.server.services, "limits"), (plant.server.sessions, "_limits"), (plant.server.view, "_limits"),
            (plant.server.subscriptions, "_limits"),
        ):  # fmt: skip
            monkeypatch.setattr(owner, name, now)

    return limit


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Whatever a client does is no error of ours."""
    yield
    errors = [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR and r.name.partition(".")[0] in ("batchtwin", "asyncio")]
    assert not [r.getMessage() + str(r.exc_info) for r in errors]


@contextmanager
def within(seconds: float, megabytes: float):
    """What is done takes no more time of the processor and no more memory, both far from what it takes without bounds."""
    before, began = _memory("VmRSS"), time.process_time()
    CLEAR.write_text("5")  # forget the peak so far
    yield
    took, more = time.process_time() - began, _memory("VmHWM") - before
    assert took < seconds, f"{took:.2f} s"
    assert more < megabytes, f"{more:.0f} MB"


def _memory(what: str) -> float:
    """Memory of this process in MB: resident now (VmRSS) or at most (VmHWM)."""
    return float(re.search(rf"{what}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


async def raws(plant, count):
    return [await Raw.logged_in(plant.url) for _ in range(count)]


async def serves(plant):
    """A client that is well can come, read and step."""
    async with plant.client() as peer:
        before = await peer.read("Time.Scan")
        assert await peer.read(GROSS) == await peer.read(GROSS)
        if await peer.read("Time.State") == "paused":
            await peer.call("Time.Step", 1)
            assert await peer.read("Time.Scan") == before + 1


def uint(n):
    return ua.Variant(n, V.UInt32)


def read() -> ua.ReadRequest:
    return asked("Read", NodesToRead=[ua.ReadValueId(node(GROSS), 13)])


def write(value: ua.Variant, name: str = DOOR) -> ua.WriteRequest:
    return asked("Write", NodesToWrite=[ua.WriteValue(node(name), 13, None, ua.DataValue(value))])


# --- clients that die -------------------------------------------------------------------------------------


async def _connected(raw):
    pass


async def _greeted(raw):
    await raw.hello()


async def _half_open(raw):
    await raw.hello()
    raw.send(raw.opening()[:60])


async def _opened(raw):
    await raw.hello()
    await raw.open()


async def _created(raw):
    await _opened(raw)
    assert await raw.create() == 0


async def _half_activated(raw):
    await _created(raw)
    request = ua.ActivateSessionRequest()
    request.Parameters.UserIdentityToken = ua.AnonymousIdentityToken("anonymous")
    raw.send(raw.frame(raw.encoded(request)))


@pytest.mark.parametrize("as_far", [_connected, _greeted, _half_open, _opened, _created, _half_activated], ids=lambda f: f.__name__[1:])
async def test_killed_in_the_handshake(plant, loop, as_far):
    raw = await Raw.to(plant.url)
    await as_far(raw)
    await until(lambda: plant.server._connections)
    raw.close()
    await until(lambda: not plant.server._connections)
    assert not [s for s in plant.server.sessions if s.user is None]
    await serves(plant)


async def test_killed_in_a_step_the_plant_finishes_it_and_others_are_served_meanwhile(plant, loop):
    async with plant.client() as other:
        raw = await Raw.logged_in(plant.url)
        raw.send(raw.frame(raw.encoded(call("Time.Step", uint(50_000)))))
        await until(lambda: plant.live.state == "stepping")
        raw.close()
        reads = 0
        while plant.live.state == "stepping":
            assert await other.read("Time.State") in ("stepping", "paused")
            reads += 1
        assert plant.live.state == "paused" and plant.live.scan == 50_000
        assert reads > 3


async def join(raw, name, every=1):
    body = await raw.ask(call("Time.Join", ua.Variant(name), uint(every)))
    return struct.unpack_from("<I", body, body.index(b"\x07") + 1)[0]


async def next_scan(peer, handle):
    """Time.Next until it has come: (scan, epoch), or the name of the StatusCode."""
    while True:
        answer = await peer.call("Time.Next", uint(handle))
        if isinstance(answer, str) or answer[2]:
            return answer if isinstance(answer, str) else tuple(answer[:2])


async def test_a_lock_step_controller_that_dies_is_dropped_at_once_and_the_others_go_on(plant, loop):
    async with plant.client() as a, plant.client() as b:
        first, _ = await a.call("Time.Join", "a", uint(1))
        second, _ = await b.call("Time.Join", "b", uint(1))
        plant.live.set_speed("lockstep")
        plant.live.start()
        for scan in range(1, 20):
            await b.write("Line1.Mixer.Run", True)
            assert await asyncio.gather(next_scan(a, first), next_scan(b, second)) == [(scan, plant.live.epoch)] * 2
        waiting = asyncio.ensure_future(next_scan(a, first))
        await until(lambda: plant.live.lockstep.awaited == ["b"])
        began = time.monotonic()
        b.protocol.transport.abort()
        assert await waiting == (20, plant.live.epoch)
        assert time.monotonic() - began < 2.0  # not after the timeout of 10 s
        for scan in range(21, 30):
            assert await next_scan(a, first) == (scan, plant.live.epoch)
        assert await a.read("Time.Lost") == "b: connection lost"
        assert await a.read("Time.Controllers") == ["a"]


async def test_in_paced_time_a_dead_controller_leaves_the_plant_in_its_safe_state(plant, loop):
    live = plant.live

    def shows(name):
        return live.sim.image[name]

    async with plant.client() as watching:
        raw = await Raw.logged_in(plant.url)
        await join(raw, "doomed")
        outputs = ("Line1.Mixer.Run", "Line1.Feeder.Cement1.Coarse", "Line1.Weigher.Cement.Discharge", "Line1.Belt.Run")
        for beat in range(60):
            for name in outputs:
                await raw.ask(write(ua.Variant(True), name))
            await raw.ask(write(ua.Variant(beat, V.Int32), BEAT))
            await watching.call("Time.Step", 1)
        assert shows("Line1.Mixer.Running") and not shows("Line1.Weigher.Cement.GateClosed") and shows("Line1.Station.LinkOk")
        raw.close()
        await until(lambda: not live.lockstep.partners)
        assert await watching.read("Time.Lost") == "doomed: connection lost"
        plant.live.set_speed("max")  # paced time waits for nobody
        dead = live.tick
        await watching.call("Time.RunUntil", dead / 100 + 1.9)
        await until(lambda: live.state == "paused")
        assert shows("Line1.Station.LinkOk")
        await watching.call("Time.RunUntil", dead / 100 + 2.2)
        await until(lambda: live.state == "paused")
        assert await watching.read("Line1.Station.LinkOk") is False
        await watching.call("Time.RunUntil", dead / 100 + 20.0)
        await until(lambda: live.state == "paused")
        closed = [t.name for t in live.sim.plant.table if t.name.startswith("Line1.") and t.name.endswith("GateClosed")]
        assert len(closed) > 8 and {await watching.read(name) for name in closed} == {True}
        assert await watching.read("Line1.Mixer.Running") is True  # or the concrete would set in it


async def test_a_lock_step_controller_that_stays_and_never_answers_is_dropped_in_time(plant, loop):
    plant.live.lockstep.timeout_s = 0.2
    async with plant.client() as good, plant.client() as silent:
        handle, _ = await good.call("Time.Join", "good", uint(1))
        other, _ = await silent.call("Time.Join", "silent", uint(1))
        plant.live.set_speed("lockstep")
        plant.live.start()
        assert await next_scan(good, handle) == (1, plant.live.epoch)
        assert await good.read("Time.Lost") == "silent: no outputs within 0.2 s"
        assert await next_scan(good, handle) == (2, plant.live.epoch)
        assert await silent.call("Time.Next", uint(other)) == "BadInvalidArgument"
        assert "no lock-step controller" in await silent.read("Run.LastError")
        again, _ = await silent.call("Time.Join", "silent", uint(1))  # it may come back
        assert await asyncio.gather(next_scan(good, handle), next_scan(silent, again)) == [(3, plant.live.epoch)] * 2


async def test_all_controllers_gone_time_stands_and_goes_on_with_the_next_one(plant, loop):
    async with plant.client() as peer:
        await peer.call("Time.Join", "brief", uint(1))
        plant.live.set_speed("lockstep")
        plant.live.start()
    await until(lambda: not plant.live.lockstep.partners)
    scan = plant.live.scan
    async with plant.client() as peer:
        assert await peer.read("Time.State") == "running" and plant.live.scan == scan
        handle, _ = await peer.call("Time.Join", "next", uint(1))
        assert await next_scan(peer, handle) == (scan + 1, plant.live.epoch)


async def subscribe(raw, items):
    """A subscription with these items."""
    wish = {
        "RequestedPublishingInterval": 20.0,
        "RequestedLifetimeCount": 1000,
        "RequestedMaxKeepAliveCount": 100,
        "PublishingEnabled": True,
    }
    (ident,) = struct.unpack_from("<I", await raw.ask(asked("CreateSubscription", **wish)), 28)
    assert await raw.status(asked("CreateMonitoredItems", SubscriptionId=ident, TimestampsToReturn=2, ItemsToCreate=items)) == 0


# --- clients that are slow, or many -----------------------------------------------------------------------


async def test_who_subscribes_to_everything_and_reads_nothing_is_cut_off_and_others_are_not(plant, loop, monkeypatch):
    monkeypatch.setattr("opcua_server.protocol.connection.UNREAD_BYTES", MB)
    tags = [t.name for t in plant.live.sim.plant.table]
    always = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValueTimestamp, 0, 0.0)
    slow = await Raw.logged_in(plant.url)
    (theirs,) = plant.server._connections
    async with plant.client() as good:
        await good.subscribe(BEAT, interval=20.0, queue=1000)
        await subscribe(slow, [item(t, filter_=always) for t in (tags * 10)[:4000]])
        slow.writer.transport.pause_reading()
        seen, beat = [], 0
        with within(20.0, 80.0):
            while theirs in plant.server._connections:
                for _ in range(3):
                    slow.send(slow.frame(slow.encoded(asked("Publish"))))
                beat += 1
                plant.live.outside.write(plant.live.sim.plant.table.index(BEAT), beat)
                await good.call("Time.Step", 1)
                seen += [value for _, value in (await good.publish()).data]
                assert beat < 1000
        assert seen[-1] == beat and seen == sorted(set(seen))
    slow.close()
    await serves(plant)


async def test_who_never_publishes_holds_no_more_than_its_queues_and_ends(plant, loop):
    tags = [t.name for t in plant.live.sim.plant.table]
    async with plant.client() as peer:
        ident = await peer.subscribe(*tags, interval=20.0, lifetime=30, keep_alive=10, queue=50,
                                     filter_=ua.DataChangeFilter(ua.DataChangeTrigger.StatusValueTimestamp, 0, 0.0))  # fmt: skip
        items = plant.server.subscriptions._subscriptions[ident].items
        for _ in range(300):
            await plant.live.step(1)
            assert items.tags._waiting <= 2 * items.room + 1000 + len(tags)
        assert items.overflows > 0
        await until(lambda: ident not in plant.server.subscriptions._subscriptions)
    await serves(plant)


async def test_fifty_clients_at_once(plant, loop):
    async def one(n):
        raw = await Raw.logged_in(plant.url)
        await subscribe(raw, [item(BEAT, n), item(GROSS, n)])
        assert await raw.status(read()) == 0
        first = await raw.ask(asked("Publish"))
        come.append(n)
        later = await raw.ask(asked("Publish"))
        assert len(first) > 60 and len(later) > 60
        return raw

    come = []
    work = asyncio.gather(*(one(n) for n in range(50)))
    await until(lambda: len(come) == 50)
    assert len(plant.server._connections) == 50 == len(plant.server.sessions)
    plant.live.outside.write(plant.live.sim.plant.table.index(BEAT), 7)
    await plant.live.step(1)
    for raw in await work:
        raw.close()
    await until(lambda: not plant.server._connections)
    await serves(plant)


async def test_more_connections_than_the_limit_are_refused(plant, loop, limited):
    limited(connections=3)
    kept = await raws(plant, 3)
    for _ in range(5):
        late = await Raw.to(plant.url)
        assert name_of(await late.ends()) == "BadTcpServerTooBusy"
        late.close()
    assert await kept[0].status(read()) == 0
    kept[0].close()
    await until(lambda: len(plant.server._connections) == 2)
    await serves(plant)


async def test_connections_that_do_not_log_in_give_way(plant, loop, limited):
    limited(connections=5)
    idle = [await Raw.to(plant.url) for _ in range(5)]
    await until(lambda: len(plant.server._connections) == 5)
    await serves(plant)
    assert name_of(await idle[0].ends()) == "BadTcpNotEnoughResources"
    assert len(plant.server._connections) <= 5
    for raw in idle:
        raw.close()


async def test_sessions_that_are_never_activated_lock_nobody_out(plant, loop, limited):
    limited(sessions=4)
    one = (await raws(plant, 1))[0]
    crowd = []
    for _ in range(12):
        raw = await Raw.to(plant.url)
        await _opened(raw)
        assert await raw.create() == 0
        crowd.append(raw)
        assert len(plant.server.sessions) <= 4
    await serves(plant)
    assert name_of(await crowd[0].activate()) == "BadSessionIdInvalid"  # the oldest went first
    assert await one.status(read()) == 0


async def test_a_session_that_ends_while_its_login_is_checked_stays_ended(plant, loop, monkeypatch):
    raw = await Raw.to(plant.url)
    await _created(raw)
    (session,) = plant.server.sessions
    checking, checked = asyncio.Event(), asyncio.Event()
    identify = plant.server.identify

    async def slow(*what):
        checking.set()
        await checked.wait()
        return await identify(*what)

    monkeypatch.setattr(plant.server, "identify", slow)
    answer = asyncio.ensure_future(raw.activate())
    await checking.wait()
    plant.server.sessions.close(session)
    checked.set()
    assert name_of(await answer) == "BadSessionIdInvalid"
    assert not len(plant.server.sessions) and not any(c.active for c in plant.server._connections)


async def test_sessions_whose_clients_have_vanished_give_way(plant, loop, limited):
    limited(sessions=3)
    for _ in range(8):
        (raw,) = await raws(plant, 1)
        raw.close()
    assert len(plant.server.sessions) <= 3
    kept = await raws(plant, 3)
    late = await Raw.to(plant.url)
    await _opened(late)
    assert name_of(await late.create()) == "BadTooManySessions"
    assert len(kept) == len(plant.server.sessions)


async def test_a_connection_whose_session_is_over_is_ended(plant, loop, limited):
    limited(activation_s=0.1)
    (raw,) = await raws(plant, 1)
    (connection,) = plant.server._connections
    first = connection._timer
    await until(lambda: connection._timer is not first)  # it was looked at, and was in order then
    assert await raw.status(asked("CloseSession", DeleteSubscriptions=True)) == 0
    assert name_of(await raw.ends()) == "BadTimeout"


async def test_subscriptions_without_end_stay_within_limits_and_lock_nobody_out(plant, loop, limited):
    limited(subscriptions=20, subscriptions_per_session=8)
    create = asked("CreateSubscription", RequestedPublishingInterval=1000.0, RequestedLifetimeCount=10_000, RequestedMaxKeepAliveCount=3000)
    for _ in range(6):
        (raw,) = await raws(plant, 1)
        codes = [name_of(await raw.status(create)) for _ in range(12)]
        assert codes == ["Good"] * 8 + ["BadTooManySubscriptions"] * 4
        raw.close()
        await until(lambda: not plant.server._connections)
        assert len(plant.server.subscriptions.rows()) <= 20
    async with plant.client() as peer:
        await peer.subscribe(GROSS)
        assert (await peer.publish()).data
    kept = await raws(plant, 3)
    codes = [name_of(await raw.status(create)) for raw in kept for _ in range(8)]
    assert codes.count("Good") == 20  # in place of those that nobody is there for, and no more


async def test_event_filters_of_all_clients_together_are_bounded(plant, loop):
    limits = plant.server.limits
    message = ua.SimpleAttributeOperand(std("BaseEventType"), [ua.QualifiedName("Message", 0)], ua.AttributeIds.Value, None)
    pattern = ua.LiteralOperand(ua.Variant("%a" * 500 + "z"))
    where = ua.ContentFilter([ua.ContentFilterElement(ua.FilterOperator.Like, [message, pattern]) for _ in range(100)])
    events = ua.EventFilter([message], where)
    async with plant.client() as peer:
        ident = await peer.subscribe()
        what, how = ua.ReadValueId(here("Plant"), ua.AttributeIds.EventNotifier), ua.MonitoringParameters(0, 0.0, events, 1, True)
        request = ua.MonitoredItemCreateRequest(what, ua.MonitoringMode.Reporting, how)
        codes = []
        for _ in range(3):
            answer = await peer.send("CreateMonitoredItems", SubscriptionId=ident, TimestampsToReturn=2, ItemsToCreate=[request] * 5)
            codes += [name_of(r.StatusCode) for r in answer.Results]
        assert codes[0] == "Good" and codes[-1] == "BadTooManyMonitoredItems"
        assert plant.server.subscriptions._subscriptions[ident].items.event_filters <= limits.event_filters
        began = time.process_time()
        plant.server.alarms._announce(100, plant.server.nodes.texts[here("Plant")][0])
        assert time.process_time() - began < 5.0


# --- requests that say they are large ---------------------------------------------------------------------


TOO_LARGE = {"BadRequestTooLarge", "Good"}  # who is still sending when the server ends it hears no reason


async def test_messages_that_are_never_finished_are_bounded(plant, loop):
    limits = plant.server.limits
    strangers = [await Raw.to(plant.url) for _ in range(20)]
    for raw in strangers:
        await _opened(raw)
    with within(10.0, 20 * limits.stranger_bytes / MB + 25):
        for raw in strangers:
            for _ in range(10):
                raw.send(raw.frame(bytes(60_000), b"MSGC"))
        assert {name_of(await raw.ends()) for raw in strangers} <= TOO_LARGE
    (raw,) = await raws(plant, 1)
    with within(10.0, 3 * limits.message_bytes / MB + 10):
        for _ in range(80):
            raw.send(raw.frame(bytes(60_000), b"MSGC"))
        assert name_of(await raw.ends()) in TOO_LARGE
    await serves(plant)


def nested(levels: int) -> bytes:
    """A Variant of an ExtensionObject of a Variant …, with right lengths: it is put together from the inside."""
    body = b"\x00"
    for _ in range(levels):
        body = b"\x16" + struct.pack("<BBHBi", 1, 0, ua.ObjectIds.LiteralOperand_Encoding_DefaultBinary, 1, len(body)) + body
    return body


DECLARED = {
    "2^31 null values": b"\x80\xff\xff\xff\x7f",
    "2^31 variants": b"\x98\xff\xff\xff\x7f" + b"\0" * 100,
    "2^31 doubles": b"\x8b\xff\xff\xff\x7f",
    "a million variants": b"\x98\x40\x42\x0f\x00" + b"\0" * 1_000_000,
    "a million bytes in an array": b"\x83\x40\x42\x0f\x00" + b"\0" * 1_000_000,
    "a long text": b"\x0c\x40\x42\x0f\x00" + b"a" * 1_000_000,
    "a text of -2 bytes": b"\x0c\xfe\xff\xff\xff",
    "an array of -2": b"\x86\xfe\xff\xff\xff",
    "variants 10,000 deep": b"\x98\x01\x00\x00\x00" * 10_000 + b"\x00",
    "variants 10,000 deep, wide": (b"\x98\x02\x00\x00\x00" + b"\x00") * 10_000,
    "extension objects 10,000 deep": nested(10_000),
    "diagnostics 10,000 deep": b"\x19" + b"\x40" * 10_000,
    "a matrix of 10^18": b"\xc6\x00\x00\x00\x00\x02\x00\x00\x00" + b"\x00\xca\x9a\x3b" * 2,
    "a matrix of a million, empty": b"\xc6\x00\x00\x00\x00\x01\x00\x00\x00\x40\x42\x0f\x00",
    "many matrices of a million": b"\x98\x10\x27\x00\x00" + b"\xc6\x00\x00\x00\x00\x01\x00\x00\x00\x40\x42\x0f\x00" * 10_000,
    "a matrix of 50,000 dimensions": b"\xc6\x00\x00\x00\x00\x50\xc3\x00\x00" + b"\xff\xff\xff\x7f" * 50_000,
    "a matrix of negative size": b"\xc6\x01\x00\x00\x00\x07\x00\x00\x00\x02\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
    "half a character": b"\x0c\x02\x00\x00\x00\xe4\xb8",
    "a surrogate": b"\x0c\x03\x00\x00\x00\xed\xb2\x80",
}  # fmt: skip
TOO_MUCH = {"2^31 null values", "2^31 doubles", "a million variants", "a million bytes in an array", "a long text"}


@pytest.mark.parametrize("value", DECLARED.values(), ids=DECLARED.keys())
async def test_a_value_that_is_not_what_it_says(plant, loop, value, request):
    (raw,) = await raws(plant, 1)
    right = write(ua.Variant(1.0))
    right.RequestHeader.AuthenticationToken, right.RequestHeader.RequestHandle = raw.session, 5
    body = struct_to_binary(right).replace(b"\x0b" + struct.pack("<d", 1.0), value)
    with within(4.0, 80.0):
        pieces = [body[i : i + 60_000] for i in range(0, len(body), 60_000)]
        for piece in pieces[:-1]:
            raw.send(raw.frame(piece, b"MSGC"))
        raw.send(raw.frame(pieces[-1]))
        answer = await raw.answer(5)
    (code,) = struct.unpack_from("<I", answer, 16)
    if code or request.node.callspec.id in TOO_MUCH:
        assert name_of(code) in (["BadEncodingLimitsExceeded"] if request.node.callspec.id in TOO_MUCH else ["BadDecodingError"])
    else:  # it could be read, but is no value for this tag
        assert struct.unpack_from("<iI", answer, 28)[1] >= 0x8000_0000
    assert await raw.status(read()) == 0  # it hurt nobody, itself neither


LISTS = [
    "Read",
    "Write",
    "Browse",
    "Call",
    "BrowseNext",
    "RegisterNodes",
    "TranslateBrowsePathsToNodeIds",
    "DeleteSubscriptions",
    "CreateMonitoredItems",
]


@pytest.mark.parametrize("service", LISTS)
@pytest.mark.parametrize("count", [0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE])
async def test_a_list_that_is_not_as_long_as_it_says(plant, loop, service, count):
    (raw,) = await raws(plant, 1)
    body = raw.encoded(asked(service), 5)
    with within(2.0, 30.0):
        raw.send(raw.frame(body[:-4] + struct.pack("<I", count)))
        raw.send(raw.frame(body[:-4] + struct.pack("<I", count) + bytes(100)))
        raw.send(raw.frame(raw.encoded(read(), 6)))
        try:
            await raw.answer(6)
        except Closed as closed:
            assert name_of(closed.code) == "BadDecodingError"
    await serves(plant)


async def test_a_million_elements_are_too_many(plant, loop):
    (raw,) = await raws(plant, 1)
    with within(8.0, 100.0):
        assert name_of(await raw.status(write(ua.Variant([0] * 1_000_000, V.Byte), "Image.Actuators"))) == "BadEncodingLimitsExceeded"
        assert await raw.status(write(ua.Variant([0.0] * 60_000), "Image.Actuators")) == 0  # refused by its own StatusCode
        with pytest.raises(Closed) as closed:
            await raw.ask(write(ua.Variant([0.0] * 1_000_000), "Image.Actuators"))
    assert name_of(closed.value.code) in TOO_LARGE
    await serves(plant)


@pytest.mark.parametrize(("number", "kind"), [(2**63 - 1, 8), (-1, 6), (2**64 - 1, 9), (-(2**63), 8), (2**32 - 1, 7)])
async def test_whole_numbers_out_of_range(plant, loop, number, kind):
    what = ua.Variant(number, V(kind))
    async with plant.client() as peer:
        for method in ("Time.Step", "Time.Next", "Time.Leave"):
            assert await peer.call(method, what) in ("BadInvalidArgument", "BadOutOfRange")
        assert await peer.call("Time.Join", "x", what) == "BadInvalidArgument"
        for kind in (V.Int32, V.UInt32, V.Int64):
            assert await peer.write(BEAT, -1 if kind != V.UInt32 else 2**32 - 1, kind) in ("BadOutOfRange", "BadTypeMismatch")
    assert plant.live.scan == 0


async def test_half_characters_reach_neither_the_run_nor_its_record(plant, loop, tmp_path):
    plant.live.record(tmp_path / "run")
    (raw,) = await raws(plant, 1)
    body = raw.encoded(call("Run.PlaceOrder", ua.Variant("C30"), ua.Variant(6.0), ua.Variant("ab")), 5)
    raw.send(raw.frame(body.replace(b"\x02\0\0\0ab", b"\x02\0\0\0\xff\xfe")))
    assert name_of(struct.unpack_from("<I", await raw.answer(5), 16)[0]) == "BadDecodingError"
    assert await raw.status(call("Run.PlaceOrder", ua.Variant("C30"), ua.Variant(6.0), ua.Variant("工地 \U0001f69a \0"))) == 0
    await plant.live.step(10)
    plant.live.sim.flush()
    assert plant.live.state == "paused" and plant.live.trouble == ""


# --- requests that ask for too much -----------------------------------------------------------------------


async def test_an_answer_that_would_be_huge_is_refused_before_it_is_made(plant, loop):
    async with plant.client() as peer:
        with within(8.0, 60.0):
            lists = [ua.ReadValueId(here("Plant.IOList"), 13)] * 2_000
            assert await peer.send("Read", NodesToRead=lists) == "BadResponseTooLarge"
        with within(8.0, 60.0):
            line = [ua.BrowseDescription(here("Line1"), ua.BrowseDirection.Both, ua.NodeId(), True, 0, 63)] * 5_000
            assert await peer.send("Browse", NodesToBrowse=line) in ("BadResponseTooLarge", "BadTooManyOperations")
        with within(8.0, 60.0):
            many = [ua.BrowseDescription(std("BaseObjectType"), ua.BrowseDirection.Inverse, std("HasSubtype"), False, 0, 0)] * 2_000
            assert await peer.send("Browse", RequestedMaxReferencesPerNode=1, NodesToBrowse=many) == "BadTooManyOperations"
        answer = await peer.send("Read", NodesToRead=[ua.ReadValueId(here(t.name), 13) for t in plant.live.sim.plant.table])
        assert {name_of(r.StatusCode) for r in answer.Results} == {"Good", "BadSensorFailure"}  # a station has no mean yet


async def test_a_long_answer_makes_pauses(plant, loop):
    lines = [ua.BrowseDescription(here("Line1"), ua.BrowseDirection.Forward, ua.NodeId(), True, 0, 63)] * 400
    async with plant.client() as peer, plant.client() as other:
        work, reads = asyncio.ensure_future(peer.send("Browse", NodesToBrowse=lines)), 0
        await until(lambda: [s for s in plant.server.sessions if s.pending])
        while [s for s in plant.server.sessions if s.pending]:
            await plant.live.step(1)
            await other.read("Time.Scan")
            reads += 1
        answer = await work
        assert len(answer.Results) == 400 and len({len(r.References) for r in answer.Results}) == 1
        assert reads > 3


async def test_a_path_that_goes_to_and_fro_ends(plant, loop):
    def step(inverse, name):
        return ua.RelativePathElement(ua.NodeId(), inverse, True, ua.QualifiedName(name, 2))

    path = ua.RelativePath([step(False, "Line1"), step(True, "Plant")] * 30 + [step(False, "Line1")])
    long = ua.RelativePath([step(False, "Line1"), step(True, "Plant")] * 3000)
    async with plant.client() as peer:
        with within(2.0, 30.0):
            answer = await peer.send("TranslateBrowsePathsToNodeIds", BrowsePaths=[ua.BrowsePath(here("Plant"), path)])
            assert [t.TargetId.Identifier for t in answer.Results[0].Targets] == ["Line1"]
            paths = [ua.BrowsePath(here("Plant"), long)] * 3
            assert await peer.send("TranslateBrowsePathsToNodeIds", BrowsePaths=paths) == "BadTooManyOperations"


async def test_methods_of_one_call_come_one_after_the_other_and_others_in_between(plant, loop):
    async with plant.client() as peer, plant.client() as other:
        request = ua.CallMethodRequest(here("Time"), here("Time.Step"), [uint(1)])
        work = asyncio.ensure_future(peer.send("Call", MethodsToCall=[request] * 2000))
        reads = 0
        while not work.done():
            await other.read("Time.Scan")
            reads += 1
        assert [r.OutputArguments[0].Value for r in (await work).Results] == list(range(1, 2001))
        assert reads > 5


async def test_a_client_that_goes_takes_the_rest_of_its_call_along(plant, loop):
    (raw,) = await raws(plant, 1)
    steps = call("Time.Step", uint(10))
    steps.Parameters.MethodsToCall *= 5000
    body = raw.encoded(steps)
    pieces = [body[i : i + 60_000] for i in range(0, len(body), 60_000)]
    for piece in pieces[:-1]:
        raw.send(raw.frame(piece, b"MSGC"))
    raw.send(raw.frame(pieces[-1]))
    await until(lambda: plant.live.scan > 50)
    raw.close()
    await until(lambda: not [s for s in plant.server.sessions if s.pending])
    assert plant.live.scan < 50_000 and plant.live.state == "paused"


async def test_answers_under_way_are_bounded(plant, loop, limited):
    limited(pending_requests=3)
    plant.live.set_speed("lockstep")
    plant.live.start()
    async with plant.client() as peer, plant.client() as other:
        await other.call("Time.Join", "other", uint(1))  # nobody goes on without it
        handles = [(await peer.call("Time.Join", f"c{i}", uint(1)))[0] for i in range(5)]
        calls = [asyncio.ensure_future(peer.call("Time.Next", uint(h))) for h in handles[:3]]
        await until(lambda: [s for s in plant.server.sessions if s.pending == 3])
        request = ua.CallMethodRequest(here("Time"), here("Time.Next"), [uint(handles[3])])
        assert await peer.send("Call", MethodsToCall=[request]) == "BadTooManyOperations"
        assert await peer.read("Time.State") == "running"
        await asyncio.gather(*calls)
        assert not [s for s in plant.server.sessions if s.pending]


async def test_what_waits_for_the_next_scan_is_bounded_while_time_stands(plant, loop, monkeypatch):
    monkeypatch.setattr("scenarios.wishes.MOST_WISHES", 2_000)
    async with plant.client() as peer:
        many = [ua.WriteValue(here(DOOR), 13, None, ua.DataValue(ua.Variant(float(i % 100)))) for i in range(1_000)]
        with within(5.0, 30.0):
            codes = {name_of(c) for _ in range(3) for c in (await peer.send("Write", NodesToWrite=many)).Results}
        assert codes == {"Good", "BadInvalidState"}
        assert "wait for the next scan" in await peer.read("Run.LastError")
        assert await peer.call("Run.PlaceOrder", "C30", 6.0, "site") == "BadInvalidState"
        await peer.call("Time.Step", 1)
        assert await peer.write(DOOR, 3.0) == "Good"
        assert not isinstance(await peer.call("Run.PlaceOrder", "C30", 6.0, "site"), str)


@pytest.mark.parametrize("recorded", [False, True])
async def test_notes_are_bounded_while_time_stands(plant, loop, tmp_path, recorded):
    if recorded:
        plant.live.record(tmp_path / "run")
    sim = plant.live.sim
    for _ in range(15_000):
        partner = plant.live.lockstep.join("in and out")
        plant.live.lockstep.leave(partner.number)
    assert len(sim._events) + len(sim._commands) < 10_000
    await serves(plant)


# --- requests at the wrong time, or for somebody else -----------------------------------------------------


async def test_what_needs_a_session_is_refused_before_there_is_one(plant, loop):
    raw = await Raw.to(plant.url)
    await _opened(raw)
    for service in (read(), write(ua.Variant(1.0)), call("Time.Start"), asked("Publish"), asked("CloseSession")):
        assert name_of(await raw.status(service)) == "BadSessionIdInvalid"
    assert await raw.create() == 0
    assert name_of(await raw.status(read())) == "BadSessionNotActivated"
    assert plant.live.state == "paused"


async def test_services_that_we_do_not_know(plant, loop):
    (raw,) = await raws(plant, 1)
    body = raw.encoded(asked("Read"), 5)
    o = ua.ObjectIds
    known = (o.ReadResponse_Encoding_DefaultBinary, o.ReadRequest_Encoding_DefaultXml, o.AddNodesRequest_Encoding_DefaultBinary)
    for number in (0, 1, 7, 65_535, *known):
        raw.send(raw.frame(body[:2] + struct.pack("<H", number) + body[4:]))
        assert name_of(struct.unpack_from("<I", await raw.answer(5), 16)[0]) == "BadServiceUnsupported"


async def test_a_session_of_somebody_else(plant, loop):
    one, other = await raws(plant, 2)
    mine, other.session = other.session, one.session
    assert name_of(await other.status(call("Time.Start"))) == "BadSessionIdInvalid"
    other.session = mine
    assert await other.status(call("Time.Pause")) == 0
    assert plant.live.state == "paused"


GAMES = {
    "the same again": lambda raw: 0, "a gap": lambda raw: 2, "backwards": lambda raw: -1, "far ahead": lambda raw: 2**31,
}  # fmt: skip


@pytest.mark.parametrize("step", GAMES.values(), ids=GAMES.keys())
async def test_games_with_sequence_numbers(plant, loop, step):
    (raw,) = await raws(plant, 1)
    raw.send(chunk(raw.encoded(asked("Read")), b"MSGF", raw.channel, raw.token, (raw.sequence + step(raw)) % 2**32, 1))
    assert name_of(await raw.ends()) == "BadSequenceNumberInvalid"
    await serves(plant)


@pytest.mark.parametrize("length", [0, 31, 1000])
async def test_renewing_with_a_wrong_nonce_ends_the_channel(guarded, loop, length, monkeypatch):
    async with guarded.client("observer") as peer, guarded.client("observer") as other:
        told = []
        monkeypatch.setattr(guarded.server, "audit", lambda kind, *_, status=None, **__: told.append(status))
        monkeypatch.setattr("asyncua.client.client.create_nonce", lambda size: bytes(length))
        renewal = asyncio.ensure_future(peer.client.open_secure_channel(renew=True))
        await until(lambda: len(guarded.server._connections) == 1)
        await quietly(renewal)
        assert name_of(told[0]) == "BadNonceInvalid"
        assert await other.read("Time.State") == "paused"


async def test_garbage_instead_of_a_secured_opening(guarded, loop):
    """After Hello, and after half of a real one."""
    recorded = []
    async with guarded.client("observer") as peer:
        secure = peer.protocol._connection
        request = ua.OpenSecureChannelRequest()
        mode = ua.MessageSecurityMode.SignAndEncrypt
        request.Parameters = ua.OpenSecureChannelParameters(0, ua.SecurityTokenRequestType.Issue, mode, bytes(32), 3_600_000)
        recorded.append(secure.message_to_binary(struct_to_binary(request), ua.MessageType.SecureOpen, 1))
    assert secure.security_policy.URI == SecurityPolicyBasic256Sha256.URI
    whole = recorded[0]
    half, emptied, unsigned = whole[: len(whole) // 2], whole[:40] + bytes(len(whole) - 40), whole[:-200] + bytes(200)
    for data in (whole[:-1], half, bytes(reversed(whole)), emptied, unsigned, b"OPNF" + struct.pack("<I", 60) + bytes(52)):
        raw = await Raw.to(guarded.url)
        await raw.hello()
        raw.send(data)
        raw.writer.write_eof()
        await raw.ends()
        raw.close()
    await until(lambda: not guarded.server._connections)
    async with guarded.client("observer") as peer:
        assert await peer.read("Time.State") == "paused"


# --- mistakes of our own do not spread --------------------------------------------------------------------


async def test_a_listener_that_fails_does_not_stop_the_plant(plant, loop, caplog):
    heard = []

    def bad() -> None:
        heard.append(plant.live.scan)
        raise ZeroDivisionError

    plant.live.listeners.insert(0, bad)
    try:
        async with plant.client() as peer:
            await peer.subscribe(BEAT, queue=100)
            assert await peer.call("Time.Step", 3) == [3]
            assert (await peer.publish()).data
    finally:
        plant.live.listeners.remove(bad)
    assert heard and plant.live.state == "paused"
    assert [r for r in caplog.records if r.name == "batchtwin.live" and r.exc_info]
    caplog.clear()


async def test_a_task_of_the_server_that_fails_goes_on(plant, loop, monkeypatch, caplog):
    monkeypatch.setattr("opcua_server.server.SWEEP_S", 0.001)
    calls = []

    def sweep() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError

    monkeypatch.setattr(plant.server.sessions, "sweep", sweep)
    await until(lambda: len(calls) > 2)
    assert [r for r in caplog.records if r.name == "batchtwin.opcua" and r.exc_info]
    caplog.clear()


async def test_resetting_to_what_is_not_there_leaves_the_run_as_it_is(plant, loop):
    async with plant.client() as peer:
        await peer.call("Time.Step", 5)
        before = plant.hash()
        for scenario in ("no-such-scenario", "../../etc/passwd", "x" * 60_000, "\0"):
            assert await peer.call("Time.Reset", scenario, ua.Variant(-1, V.Int32)) == "BadInvalidArgument"
        assert await peer.call("Time.Reset", "", ua.Variant(-2, V.Int32)) == "BadInvalidArgument"
        assert (plant.live.scan, plant.live.epoch, plant.hash()) == (5, await peer.read("Time.Epoch"), before)
        assert await peer.call("Time.Step", 1) == [6]
    with pytest.raises(BatchtwinError):
        plant.live.reset("no-such-scenario")
    assert plant.live.scan == 6
