"""OPC UA benchmarks: server and clients as separate processes on loopback, policy None, against asyncua's own server.

The clients here encode a request once and look at responses only as far as they must, so that it is the server that is
measured; the same client asks both servers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np
from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_to_binary

from batchtwin.bench.processes import ROOT, cpu_s
from batchtwin.bench.runs import Result
from batchtwin.bench.wire_serving import TAGS, wide_table
from opcua_server.address.board import EPOCH_100NS

SECONDS = 6.0  # of steady publishing
P99_MS, CPU_SHARE, JITTER_MS = 150.0, 50.0, 10.0
TRIPS, READS = 3_000, 2_000
LOCKSTEP_SCANS = 3_000


class Served(NamedTuple):
    """A server in a process of its own."""

    url: str
    namespace: int
    process: subprocess.Popen[str]

    def cpu_s(self) -> float:
        """Processor time that it has used, s."""
        return cpu_s(self.process.pid)

    def end(self) -> dict[str, Any]:
        """Let it end; what it saw of itself."""
        out, _ = self.process.communicate("", timeout=60)
        return dict(json.loads(out.strip().splitlines()[-1]))


@contextmanager
def served(which: str) -> Iterator[Served]:
    """Start a server of `wire_serving`."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # it tells of requests that were given up at the end
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-c", f"from batchtwin.bench.wire_serving import serve; serve({which!r})"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path})
    try:
        assert process.stdout is not None
        url, _, index = process.stdout.readline().strip().partition(" ")
        yield Served(url, int(index or 2), process)
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def client(server: Served) -> AsyncIterator[Client]:
    """A connected client that does nothing by itself."""
    c = Client(server.url, timeout=30, watchdog_intervall=3600)
    c.session_timeout = 600_000
    await c.connect()
    try:
        yield c
    finally:
        with suppress(Exception):
            await c.disconnect()


def raw(c: Client, body: bytes) -> asyncio.Future[Any]:
    """Send an encoded request as it is."""
    protocol: Any = c.uaclient.protocol
    protocol._request_id += 1
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    protocol._callbackmap[protocol._request_id] = future
    protocol.transport.write(protocol._connection.message_to_binary(body, request_id=protocol._request_id))
    return future


def encoded(c: Client, request: Any) -> bytes:
    """A request with its header, to be sent again and again."""
    protocol: Any = c.uaclient.protocol
    protocol._setup_request_header(request.RequestHeader, 60)
    return struct_to_binary(request)


# --- subscriptions ------------------------------------------------------------------------------------


class Heard(NamedTuple):
    """What one client has heard: notifications, their ages in ms, messages missing by sequence number, values marked as an overflow."""

    notifications: int
    ages_ms: list[float]
    missing: int
    overflows: int


async def subscribe(c: Client, index: int, deadband: bool) -> int:
    """Subscribe all wide tags at 100 ms; returns the subscription id."""
    request = ua.CreateSubscriptionRequest()
    request.Parameters = ua.CreateSubscriptionParameters(100.0, 10_000, 100, 0, True, 0)
    body = await c.uaclient.protocol.send_request(request)  # type: ignore[union-attr]
    number = ua.ua_binary.struct_from_binary(ua.CreateSubscriptionResponse, body).Parameters.SubscriptionId
    table = wide_table()
    flt = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, ua.DeadbandType.Absolute, 0.001)
    for first in range(0, TAGS, 500):
        items = []
        for handle in range(first, first + 500):
            tag = table.tags[handle]
            parameters = ua.MonitoringParameters(handle, 0.0, flt if deadband and tag.dtype == "float" else None, 10, True)
            read = ua.ReadValueId(ua.NodeId(tag.name, index), ua.AttributeIds.Value)
            items.append(ua.MonitoredItemCreateRequest(read, ua.MonitoringMode.Reporting, parameters))
        create = ua.CreateMonitoredItemsRequest()
        create.Parameters = ua.CreateMonitoredItemsParameters(number, ua.TimestampsToReturn.Both, items)
        await c.uaclient.protocol.send_request(create)  # type: ignore[union-attr]
    return int(number)


class Listener:
    """One client that publishes and counts what it gets."""

    def __init__(self, c: Client, number: int) -> None:
        self._client, self._number, self._token = c, number, struct_to_binary_token(c)
        self._last = 0
        self._overflow = overflow_mark()
        self._waiting = [self._publish(0) for _ in range(4)]

    def _publish(self, ack: int) -> asyncio.Future[Any]:
        acks = struct.pack("<iII", 1, self._number, ack) if ack else struct.pack("<i", 0)
        header = struct.pack("<qIIiI3s", 0, 1, 0, -1, 0, b"\0\0\0")
        kind = struct.pack("<BBH", 1, 0, ua.ObjectIds.PublishRequest_Encoding_DefaultBinary)
        return raw(self._client, kind + self._token + header + acks)

    async def listen(self, until: float) -> Heard:
        """Count until a time of the monotonic clock."""
        heard, missing, overflows = 0, 0, 0
        ages: list[float] = []
        while time.monotonic() < until:
            body = (await self._waiting.pop(0))._data
            now = EPOCH_100NS + int(time.time() * 1e7)
            at = 4 + 8 + 4 + 4 + 1 + 4 + 3 + 4  # type, header, subscription id
            (available,) = struct.unpack_from("<i", body, at)
            at += 4 + 4 * max(available, 0) + 1
            sequence, _, blocks = struct.unpack_from("<Iqi", body, at)
            self._waiting.append(self._publish(sequence))
            if blocks <= 0:
                continue
            missing += sequence - self._last - 1 if self._last else 0
            self._last = sequence
            at += 16 + 4 + 1 + 4
            (count,) = struct.unpack_from("<i", body, at)
            heard += count
            ages.append((now - _server_time(body, at + 4)) / 1e4)
            overflows += len(self._overflow.findall(body))
        return Heard(heard, ages, missing, overflows)

    def end(self) -> None:
        """Wait for nothing more."""
        for future in self._waiting:
            future.cancel()


def overflow_mark(at_s: float | None = None) -> re.Pattern[bytes]:
    """What a value that lost others shows in a message: its status with info type DataValue and the Overflow bit, and two times.

    The three highest bytes of the server's time stay the same for thirty hours; by them the bytes are known to be a status.

    Args:
        at_s: time of the message, s since 1970; now when left out.
    """
    wall = EPOCH_100NS + int((time.time() if at_s is None else at_s) * 1e7)
    return re.compile(rb"\x80\x04.{2}.{8}.{5}" + re.escape(struct.pack("<q", wall)[5:]), re.DOTALL)


def _server_time(body: bytes, at: int) -> int:
    """Server timestamp of the first notification of a message."""
    mask = body[at + 4]
    at += 5
    if mask & 1:
        at += 1 + {1: 1, 6: 4, 7: 4, 11: 8}[body[at] & 63]
    at += 4 * bool(mask & 2) + 8 * bool(mask & 4)
    (value,) = struct.unpack_from("<q", body, at)
    return int(value)


def struct_to_binary_token(c: Client) -> bytes:
    """The session's token as bytes."""
    token: bytes = ua.ua_binary.nodeid_to_binary(c.uaclient.protocol.authentication_token)  # type: ignore[union-attr]
    return token


async def _audience(server: Served, count: int, deadband: bool = True) -> tuple[list[Heard], float]:
    """Let clients listen for a while; what each heard, and the server's share of a core in percent."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client(server)) for _ in range(count)]
        listeners = [Listener(c, await subscribe(c, server.namespace, deadband)) for c in clients]
        settle = time.monotonic() + 2.0
        await asyncio.gather(*(x.listen(settle) for x in listeners))
        cpu, began = server.cpu_s(), time.monotonic()
        heard = await asyncio.gather(*(x.listen(began + SECONDS) for x in listeners))
        share = 100 * (server.cpu_s() - cpu) / (time.monotonic() - began)
        for x in listeners:
            x.end()
        return list(heard), share


def publish(clients: int) -> Result:
    """Notifications a second to so many clients; a message or value lost, slowness or a busy core fails it."""
    with served("wide") as ours:
        heard, cpu = asyncio.run(_audience(ours, clients))
        ours.end()
    with served("asyncua") as theirs:
        other, other_cpu = asyncio.run(_audience(theirs, min(clients, 6), deadband=False))
    rate = sum(h.notifications for h in heard) / SECONDS
    ages = [a for h in heard for a in h.ages_ms]
    p99, missing, overflows = float(np.percentile(ages, 99)), sum(h.missing for h in heard), sum(h.overflows for h in heard)
    least = min(h.notifications for h in heard) / SECONDS / TAGS
    other_rate = sum(h.notifications for h in other) / SECONDS
    against = (
        f"{clients} clients × {TAGS} mixed tags with deadbands at 10 Hz: p50 {statistics.median(ages):.0f} ms, p99 {p99:.0f} ms, {missing} lost, {overflows} overflows, "
        f"least {least:.1f} a tag and second, server at {cpu:.0f} % of a core; asyncua's own server with {min(clients, 6)} clients: "
        f"{other_rate:,.0f}/s at {other_cpu:.0f} %"
    )
    return rate, against, None if not missing and not overflows and p99 <= P99_MS and cpu <= CPU_SHARE else False


def jitter() -> Result:
    """Lateness of a plant's scans of 100 ms while ten clients hear 2,000 tags."""
    with served("wide") as server:
        asyncio.run(_audience(server, 10))
        seen = server.end()
    late = np.array(seen["late_ms"])
    skipped = seen["overruns"]
    against = f"p50 {np.median(late):.1f} ms, most {late.max():.1f} ms of {len(late)} scans, {skipped} skipped, with 10 clients × {TAGS} tags in one process"
    return float(np.percentile(late, 99)), against, False if skipped else None


# --- requests -----------------------------------------------------------------------------------------


async def _round_trips(server: Served, name: str) -> tuple[float, float]:
    """One value written and read back, again and again; p50 and p99 in µs."""
    async with client(server) as c:
        node = ua.NodeId(name, server.namespace)
        write = ua.WriteRequest()
        write.Parameters.NodesToWrite = [
            ua.WriteValue(node, ua.AttributeIds.Value, Value=ua.DataValue(ua.Variant(1.0, ua.VariantType.Double)))
        ]
        read = ua.ReadRequest()
        read.Parameters.NodesToRead = [ua.ReadValueId(node, ua.AttributeIds.Value)]
        a, b = encoded(c, write), encoded(c, read)
        walls = []
        for _ in range(TRIPS):
            began = time.perf_counter()
            await raw(c, a)
            await raw(c, b)
            walls.append(1e6 * (time.perf_counter() - began))
    return statistics.median(walls), float(np.percentile(walls, 99))


async def _reads(server: Served, names: list[str]) -> float:
    """Values a second of one client that reads all names in each request."""
    async with client(server) as c:
        request = ua.ReadRequest()
        request.Parameters.NodesToRead = [ua.ReadValueId(ua.NodeId(n, server.namespace), ua.AttributeIds.Value) for n in names]
        body = encoded(c, request)
        await raw(c, body)
        began = time.perf_counter()
        for _ in range(READS):
            await raw(c, body)
        return READS * len(names) / (time.perf_counter() - began)


def _both(ours: str, ask: Callable[[Served, bool], Coroutine[Any, Any, Any]]) -> tuple[Any, Any]:
    """The same question to both servers, one after the other."""
    with served(ours) as server:
        first = asyncio.run(ask(server, True))
    with served("asyncua") as server:
        return first, asyncio.run(ask(server, False))


def round_trip() -> Result:
    """A write and a read of one value, against asyncua's own server asked by the same client."""
    first = wide_table().tags[0].name
    (p50, p99), (other, other_p99) = _both("plant", lambda s, ours: _round_trips(s, "Line1.Station.LocalDoor" if ours else first))
    return p50 / other, f"p50 {p50:.0f} µs, p99 {p99:.0f} µs; asyncua's own server {other:.0f} and {other_p99:.0f} µs", None


def batched_read() -> Result:
    """Values read a second, a hundred in a request."""
    names = [t.name for t in wide_table().tags[:100]]
    ours, other = _both("wide", lambda s, _: _reads(s, names))
    return ours, f"asyncua's own server {other:,.0f}/s, asked by the same client: {ours / other:.1f} ×", None


# --- lock-step ----------------------------------------------------------------------------------------


async def _by_tags(server: Served) -> tuple[int, float]:
    """The reference controller with single tags: all that it may see is read, and 150 are written, in one request each a scan."""
    from control.reference import ReferenceController
    from opcua_server.address.board import type_of
    from opcua_server.clients.client import Twin
    from opcua_server.clients.remote import RemoteImage

    async with client(server) as c:
        twin = await Twin.of(c)
        image = await RemoteImage.of(twin)
        tags = image.table.tags
        end = image.table.machine("Dispatch").first  # trucks and orders are another controller's
        known = [i for i, t in enumerate(tags[:end]) if t.direction != "parameter"]
        written = [i for i in known if tags[i].direction in ("actuator", "status")][:150]
        program = ReferenceController(image.table, image.species)
        handle, scan = await twin.call("Time.Join", ua.Variant("bench", ua.VariantType.String), ua.Variant(1, ua.VariantType.UInt32))
        number = ua.Variant(handle, ua.VariantType.UInt32)
        read = ua.ReadRequest()
        read.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Neither
        read.Parameters.NodesToRead = [ua.ReadValueId(ua.NodeId(tags[i].name, server.namespace), ua.AttributeIds.Value) for i in known]
        ask = encoded(c, read)
        head = encoded(c, ua.WriteRequest())[:-4] + struct.pack("<i", len(written))
        before = [_write_prefix(tags[i].name, server.namespace, type_of(tags[i])) for i in written]
        kinds = [struct.Struct(VALUES[type_of(tags[i])]) for i in written]
        began = time.perf_counter()
        for _ in range(LOCKSTEP_SCANS):
            values = _values((await raw(c, ask))._data, len(known))
            image.values[known] = [tags[i].broken if v is None else v for i, v in zip(known, values, strict=True)]
            program.scan(image.values, scan * 10)
            out = image.values[written].tolist()
            packed = [p + k.pack(v if k.format == "<d" else int(v)) for p, k, v in zip(before, kinds, out, strict=True)]
            wrote = raw(c, head + b"".join(packed))
            scan, _, _ = await twin.call("Time.Next", number)
            await wrote
        return len(known), LOCKSTEP_SCANS * 0.1 / (time.perf_counter() - began)


VALUES = {1: "<B", 6: "<i", 7: "<I", 11: "<d"}


def _write_prefix(name: str, namespace: int, kind: int) -> bytes:
    """A WriteValue up to its value."""
    return struct.pack("<BHi", 3, namespace, len(name)) + name.encode() + struct.pack("<IiBB", ua.AttributeIds.Value, -1, 1, kind)


def _values(body: bytes, count: int) -> list[float | None]:
    """Values of a Read response without timestamps."""
    at = 4 + 8 + 4 + 4 + 1 + 4 + 3 + 4
    out: list[float | None] = []
    for _ in range(count):
        mask = body[at]
        at += 1
        value = None
        if mask & 1 and body[at] == 0:  # no value, of a sensor that has none
            at += 1
        elif mask & 1:
            kind = VALUES[body[at]]
            (value,) = struct.unpack_from(kind, body, at + 1)
            at += 1 + struct.calcsize(kind)
        at += 4 * bool(mask & 2)
        out.append(value)
    return out


async def _by_arrays(server: Served) -> float:
    """The reference controller as `batchtwin control` runs it, with the image as arrays."""
    from opcua_server.clients.remote import control

    async with client(server) as c:
        node = c.get_node(ua.NodeId("Time.Scan", server.namespace))
        player = asyncio.create_task(control(server.url))
        while (first := await node.read_value()) < 100:
            await asyncio.sleep(0.02)
        began = time.perf_counter()
        while (done := await node.read_value() - first) < LOCKSTEP_SCANS:
            await asyncio.sleep(0.2)
        speed = done * 0.1 / (time.perf_counter() - began)
        player.cancel()
        await asyncio.gather(player, return_exceptions=True)
        return float(speed)


def lockstep() -> Result:
    """Lock-step by single tags, the slower way."""
    with served("plant") as server:
        read, tags = asyncio.run(_by_tags(server))
    with served("plant") as server:
        arrays = asyncio.run(_by_arrays(server))
    return (
        tags,
        f"{read} tags read and 150 written a scan of 100 ms by one client; with the image as arrays {arrays:.0f} × real time",
        None,
    )
