"""A client without manners: raw frames, and conversations that were right before a seeded generator got at them."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, uatcp_to_binary

from opcua_server.address.nodes import NS
from opcua_server.protocol.decoding import Bytes

HEAD = struct.Struct("<4sIIIII")  # type, size, channel, token, sequence number, request
PING = 0x7E57_0000  # RequestHandles from here on are those of questions that must be answered
LONG_AGO = datetime(2026, 1, 1)
MODE_NONE = ua.MessageSecurityMode.None_
ANONYMOUS = ua.AnonymousIdentityToken("anonymous")


class Closed(Exception):
    """The server has ended the connection; its StatusCode, 0 when it told none."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        super().__init__(f"closed with {code:#010x}")


def chunk(body: bytes, kind: bytes = b"MSGF", channel: int = 0, token: int = 0, sequence: int = 0, request: int = 0) -> bytes:
    """A frame with policy None."""
    return HEAD.pack(kind, HEAD.size + len(body), channel, token, sequence, request) + body


class Raw:
    """One connection with policy None, frame by frame.

    Attributes:
        channel, token: ids of the secure channel, once open.
        session: authentication token, once created.
        sequence: number of the last frame that was sent.
        wait_s: wall time that an answer may take.
    """

    wait_s = 10.0

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.channel = self.token = self.sequence = 0
        self.session = ua.NodeId()
        self.received = 0

    @classmethod
    async def to(cls, url: str, **how: Any) -> Raw:
        """Connect."""
        host, _, port = url.removeprefix("opc.tcp://").rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port), **how))

    @classmethod
    async def logged_in(cls, url: str, name: str = "raw") -> Raw:
        """Connect and log in as nobody in particular; `name` is that of the session.

        Raises:
            Closed: refused.
        """
        raw = await cls.to(url)
        await raw.hello()
        await raw.open()
        if code := await raw.create(name) or await raw.activate():
            raw.close()
            raise Closed(code)
        return raw

    # --- sending --------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)

    def frame(self, body: bytes, kind: bytes = b"MSGF", request: int = 1) -> bytes:
        """The next frame of this channel."""
        self.sequence += 1
        return chunk(body, kind, self.channel, self.token, self.sequence, request)

    def encoded(self, request: Any, handle: int = 0) -> bytes:
        """A request of this session, as bytes."""
        request.RequestHeader.AuthenticationToken = self.session
        request.RequestHeader.RequestHandle = handle
        request.RequestHeader.TimeoutHint, request.RequestHeader.Timestamp = 10_000, LONG_AGO
        return struct_to_binary(request)

    # --- receiving ------------------------------------------------------------------------------------

    async def read(self) -> tuple[bytes, bytes]:
        """The next frame: its kind and what follows its header of eight bytes.

        Raises:
            Closed: the server has ended it.
        """
        try:
            async with asyncio.timeout(self.wait_s):  # `wait_for` may swallow a cancellation
                head = await self.reader.readexactly(8)
                kind, size = struct.unpack("<4sI", head)
                body = await self.reader.readexactly(size - 8)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Closed from None
        self.received += size
        if kind == b"ERRF":
            raise Closed(struct.unpack_from("<I", body)[0])
        return kind, body

    async def message(self) -> bytes:
        """The next message, its chunks put together."""
        whole, kind = b"", b"MSGC"
        while kind[3:] == b"C":
            kind, body = await self.read()
            whole += body[16:]
        return whole

    async def answer(self, handle: int) -> bytes:
        """Body of the response with this RequestHandle; other messages are passed over."""
        while True:
            whole = await self.message()
            if len(whole) >= 16 and struct.unpack_from("<I", whole, 12)[0] == handle:
                return whole

    async def ask(self, request: Any, handle: int = 1) -> bytes:
        """Send a request and wait for what comes back."""
        body = self.encoded(request, handle)
        pieces = [body[i : i + 60_000] for i in range(0, len(body), 60_000)]
        for piece in pieces[:-1]:
            self.send(self.frame(piece, b"MSGC"))
        self.send(self.frame(pieces[-1]))
        return await self.answer(handle)

    async def status(self, request: Any, handle: int = 1) -> int:
        """StatusCode of the response as a whole."""
        return int(struct.unpack_from("<I", await self.ask(request, handle), 16)[0])

    async def ends(self) -> int:
        """StatusCode with which the server ends the connection."""
        try:
            while True:
                await self.read()
        except Closed as closed:
            return closed.code

    # --- a conversation -------------------------------------------------------------------------------

    async def hello(self) -> None:
        """Hello and Acknowledge."""
        self.send(uatcp_to_binary(b"HEL", ua.Hello(0, 65536, 65536, 0, 0, "opc.tcp://localhost")))
        kind, _ = await self.read()
        assert kind == b"ACKF"

    def opening(self, kind: Any = ua.SecurityTokenRequestType.Issue, nonce: bytes = b"", lifetime: int = 3_600_000) -> bytes:
        """An OpenSecureChannel frame."""
        request = ua.OpenSecureChannelRequest()
        request.Parameters = ua.OpenSecureChannelParameters(0, kind, MODE_NONE, nonce, lifetime)
        security = struct_to_binary(ua.AsymmetricAlgorithmHeader("http://opcfoundation.org/UA/SecurityPolicy#None", None, None))
        self.sequence += 1
        body = security + struct.pack("<II", self.sequence, 1) + struct_to_binary(request)
        return struct.pack("<4sII", b"OPNF", 12 + len(body), self.channel) + body

    async def open(self, kind: Any = ua.SecurityTokenRequestType.Issue) -> None:
        """Open or renew the channel."""
        self.send(self.opening(kind))
        _, body = await self.read()
        at = body.index(struct.pack("<BBH", 1, 0, ua.ObjectIds.OpenSecureChannelResponse_Encoding_DefaultBinary))
        answer = struct_from_binary(ua.OpenSecureChannelResponse, Bytes(body[at:]))
        self.channel, self.token = answer.Parameters.SecurityToken.ChannelId, answer.Parameters.SecurityToken.TokenId

    async def create(self, name: str = "raw") -> int:
        """CreateSession; returns the StatusCode."""
        request = ua.CreateSessionRequest()
        request.Parameters.SessionName, request.Parameters.RequestedSessionTimeout = name, 60_000.0
        body = await self.ask(request)
        code = int(struct.unpack_from("<I", body, 16)[0])
        if not code:
            answer = struct_from_binary(ua.CreateSessionResponse, Bytes(body))
            self.session = answer.Parameters.AuthenticationToken
        return code

    async def activate(self) -> int:
        """ActivateSession as nobody; returns the StatusCode."""
        request = ua.ActivateSessionRequest()
        request.Parameters.UserIdentityToken = ANONYMOUS
        return await self.status(request)

    def close(self) -> None:
        """Without goodbye."""
        self.writer.transport.abort()


# --- what is said in a conversation that is right -----------------------------------------------------------


def node(name: str) -> ua.NodeId:
    """A node of the plant."""
    return ua.NodeId(name, NS)


def asked(service: str, **parameters: Any) -> Any:
    request = getattr(ua, f"{service}Request")()
    into = request.Parameters if hasattr(request, "Parameters") else request
    for name, value in parameters.items():
        assert hasattr(into, name), f"{service} has no {name}"
        setattr(into, name, value)
    return request


def call(method: str, *arguments: ua.Variant) -> Any:
    return asked("Call", MethodsToCall=[ua.CallMethodRequest(node(method.rsplit(".", 1)[0]), node(method), list(arguments))])


def _item(name: str, handle: int, filter_: Any = None, attribute: int = 13) -> Any:
    read = ua.ReadValueId(node(name), attribute)
    return ua.MonitoredItemCreateRequest(read, ua.MonitoringMode.Reporting, ua.MonitoringParameters(handle, 0.0, filter_, 10, True))


def _events() -> ua.EventFilter:
    message = ua.SimpleAttributeOperand(ua.NodeId(2041), [ua.QualifiedName("Message", 0)], ua.AttributeIds.Value, None)
    severity = ua.SimpleAttributeOperand(ua.NodeId(2041), [ua.QualifiedName("Severity", 0)], ua.AttributeIds.Value, None)
    where = ua.ContentFilterElement(ua.FilterOperator.GreaterThan, [severity, ua.LiteralOperand(ua.Variant(100, ua.VariantType.UInt16))])
    like = ua.ContentFilterElement(ua.FilterOperator.Like, [message, ua.LiteralOperand(ua.Variant("%[a-z]_lost%"))])
    return ua.EventFilter([message, severity], ua.ContentFilter([where, like]))


def requests() -> dict[str, Any]:
    """One of each kind that a client may send after it has logged in, all of them right."""
    GROSS, DOOR, START = "Line1.Weigher.Cement.Gross", "Line1.Station.LocalDoor", "Line1.Station.Start"
    V, deadband = ua.VariantType, ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, ua.DeadbandType.Absolute, 0.5)
    raw = ua.ReadRawModifiedDetails(False, datetime(2026, 5, 11), datetime(2026, 5, 12), 10, True)
    history = [ua.HistoryReadValueId(node(GROSS))]
    names = [ua.QualifiedName(name, NS) for name in ("Plant", "Line1", "Mixer")]
    path = ua.RelativePath([ua.RelativePathElement(ua.NodeId(33), False, True, name) for name in names])
    return {
        "Read": asked("Read", NodesToRead=[ua.ReadValueId(node(n), 13) for n in (GROSS, DOOR, "Time.State", "Plant.IOList")]),
        "Read attributes": asked("Read", NodesToRead=[ua.ReadValueId(node(GROSS), a) for a in range(1, 28)]),
        "Read a part": asked("Read", NodesToRead=[ua.ReadValueId(node("Image.Sensors"), 13, "1:3")]),
        "Write": asked("Write", NodesToWrite=[ua.WriteValue(node(DOOR), 13, None, ua.DataValue(ua.Variant(5.0, V.Double))),
                                                 ua.WriteValue(node(START), 13, None, ua.DataValue(ua.Variant(True)))]),
        "Write an array": asked("Write", NodesToWrite=[ua.WriteValue(node("Image.Actuators"), 13, "0:2", ua.DataValue(ua.Variant([0.0, 1.0, 0.0])))]),
        "Write a matrix": asked("Write", NodesToWrite=[ua.WriteValue(node(DOOR), 13, None, ua.DataValue(ua.Variant([[1, 2], [3, 4]], V.Int32)))]),
        "Browse": asked("Browse", View=ua.ViewDescription(ua.NodeId(), LONG_AGO, 0), RequestedMaxReferencesPerNode=5, NodesToBrowse=[
            ua.BrowseDescription(node("Line1"), ua.BrowseDirection.Both, ua.NodeId(33), True, 0, 63), ua.BrowseDescription(ua.NodeId(85), 0, ua.NodeId(), True, 0, 63)]),
        "BrowseNext": asked("BrowseNext", ContinuationPoints=[b"12345678"]),
        "Translate": asked("TranslateBrowsePathsToNodeIds", BrowsePaths=[ua.BrowsePath(ua.NodeId(85), path)]),
        "RegisterNodes": asked("RegisterNodes", NodesToRegister=[node(GROSS)]),
        "Call Next": call("Time.Next", ua.Variant(1, V.UInt32)),
        "Call Join": call("Time.Join", ua.Variant("fuzz"), ua.Variant(1, V.UInt32)),
        "Call PlaceOrder": call("Run.PlaceOrder", ua.Variant("C30"), ua.Variant(6.0), ua.Variant("site")),
        "Call Inject": call("Faults.Inject", *(ua.Variant(v) for v in ("leak", "Line1.Weigher.Cement", 1.0, 0.0, 1.0))),
        "Call Acknowledge": call("Run.AcknowledgeAlarm", ua.Variant("Line1.Station.LinkLost"), ua.Variant("seen")),
        "Call LoadRecipe": call("Run.LoadRecipe", ua.Variant('{"grade": "C30", "strength_mpa": 38, "kg_m3": {"water": 170}}')),
        "Call Verdict": call("Run.Verdict", ua.Variant("")), "Call Leave": call("Time.Leave", ua.Variant(1, V.UInt32)),
        "Call Start": call("Time.Start"), "Call Pause": call("Time.Pause"), "Call Step": call("Time.Step", ua.Variant(7, V.UInt32)),
        "Call SetSpeed": call("Time.SetSpeed", ua.Variant("max")), "Call lockstep": call("Time.SetSpeed", ua.Variant("lockstep")),
        "Call RunUntil": call("Time.RunUntil", ua.Variant(60.0)), "Call Reset": call("Time.Reset", ua.Variant(""), ua.Variant(7, V.Int32)),
        "Call StartRecording": call("Run.StartRecording", ua.Variant("fuzzed")), "Call Refresh": asked("Call", MethodsToCall=[
            ua.CallMethodRequest(ua.NodeId(2782), ua.NodeId(3875), [ua.Variant(1, V.UInt32)])]),
        "HistoryRead": asked("HistoryRead", HistoryReadDetails=raw, NodesToRead=history),
        "HistoryRead processed": asked("HistoryRead", NodesToRead=history, HistoryReadDetails=ua.ReadProcessedDetails(
            raw.StartTime, raw.EndTime, 60_000.0, [ua.NodeId(2342)], ua.AggregateConfiguration(True, True, 100, 100, False))),
        "CreateSubscription": asked("CreateSubscription", RequestedPublishingInterval=20.0, RequestedLifetimeCount=30, RequestedMaxKeepAliveCount=10,
                                       PublishingEnabled=True),
        "ModifySubscription": asked("ModifySubscription", SubscriptionId=1, RequestedPublishingInterval=50.0, RequestedLifetimeCount=30),
        "SetPublishingMode": asked("SetPublishingMode", PublishingEnabled=True, SubscriptionIds=[1, 2]),
        "CreateMonitoredItems": asked("CreateMonitoredItems", SubscriptionId=1, TimestampsToReturn=2, ItemsToCreate=[
            _item(GROSS, 1), _item(DOOR, 2, deadband), _item("Time.Awaited", 3), _item("Plant", 4, _events(), ua.AttributeIds.EventNotifier)]),
        "ModifyMonitoredItems": asked("ModifyMonitoredItems", SubscriptionId=1, TimestampsToReturn=2, ItemsToModify=[
            ua.MonitoredItemModifyRequest(i, ua.MonitoringParameters(i, 0.0, None, 5, True)) for i in range(1, 4)]),
        "SetMonitoringMode": asked("SetMonitoringMode", SubscriptionId=1, MonitoringMode=2, MonitoredItemIds=[1, 2, 3]),
        "SetTriggering": asked("SetTriggering", SubscriptionId=1, TriggeringItemId=1, LinksToAdd=[2, 3], LinksToRemove=[]),
        "DeleteMonitoredItems": asked("DeleteMonitoredItems", SubscriptionId=1, MonitoredItemIds=[2]),
        "Publish": asked("Publish", SubscriptionAcknowledgements=[ua.SubscriptionAcknowledgement(1, 1)]),
        "Republish": asked("Republish", SubscriptionId=1, RetransmitSequenceNumber=1),
        "TransferSubscriptions": asked("TransferSubscriptions", SubscriptionIds=[1], SendInitialValues=True),
        "DeleteSubscriptions": asked("DeleteSubscriptions", SubscriptionIds=[1]),
        "Cancel": asked("Cancel", RequestHandle=5),
        "QueryFirst": asked("QueryFirst", View=ua.ViewDescription(ua.NodeId(), LONG_AGO, 0)), "AddNodes": asked("AddNodes"),
        "GetEndpoints": asked("GetEndpoints", EndpointUrl="opc.tcp://localhost"), "FindServers": asked("FindServers", EndpointUrl="opc.tcp://localhost"),
        "CreateSession": asked("CreateSession", SessionName="another", RequestedSessionTimeout=60_000.0),
        "ActivateSession": asked("ActivateSession", UserIdentityToken=ANONYMOUS, LocaleIds=["zh"]),
    }  # fmt: skip


# --- what becomes of it -------------------------------------------------------------------------------------

ODD = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF, 100_000, 1_000_000]
DOUBLES = [float("nan"), float("inf"), -float("inf"), -0.0, 1e308, 5e-324, -1.0]
NEST = b"\x98\x01\x00\x00\x00"  # an array of one Variant
BOMBS = [
    b"\x80\xff\xff\xff\x7f", b"\x98\xff\xff\xff\x7f", b"\x8c\xff\xff\xff\x7f", b"\x0c\xfe\xff\xff\xff", b"\x86\xfe\xff\xff\xff", NEST * 10_000,
    b"\x19" + b"\x40" * 10_000, b"\xc6\x00\x00\x00\x00\x02\x00\x00\x00" + b"\xff\xc9\x9a\x3b" * 2, b"\xc6\x00\x00\x00\x00\xd0\x07\x00\x00" + b"\x01\x00\x00\x00" * 2000,
    b"\x98\x40\x42\x0f\x00" + b"\0" * 60_000, b"\x16" + b"\x01\x00\x4f\x02\x01\xff\xff\xff\xff" * 5_000, b"\x0c\x04\x00\x00\x00\xff\xfe\x80\xc0", b"\x3f\xff\xff\xff\x7f",
]  # fmt: skip

Mutation = Callable[[random.Random, bytes, list[bytes]], bytes]


def _bits(r: random.Random, body: bytes, _: list[bytes]) -> bytes:
    out = bytearray(body)
    for _ in range(r.choice((1, 1, 2, 8))):
        out[r.randrange(len(out))] ^= 1 << r.randrange(8)
    return bytes(out)


def _cut(r: random.Random, body: bytes, _: list[bytes]) -> bytes:
    return body[: r.randrange(len(body))]


def _splice(r: random.Random, body: bytes, others: list[bytes]) -> bytes:
    other = r.choice(others)
    return body[: r.randrange(len(body) + 1)] + other[r.randrange(len(other)) :]


def _odd(r: random.Random, body: bytes, _: list[bytes]) -> bytes:
    """A whole number out of range, wherever it falls."""
    size = r.choice((1, 2, 4, 4, 4, 8))
    at = r.randrange(max(len(body) - size, 1))
    return body[:at] + (r.choice(ODD) & (1 << 8 * size) - 1).to_bytes(size, "little") + body[at + size :]


def _length(r: random.Random, body: bytes, _: list[bytes]) -> bytes:
    """Something that looks like a length gets another value."""
    places = [i for i in range(44, len(body) - 3) if 0 < int.from_bytes(body[i : i + 4], "little") < 300 or body[i : i + 4] == b"\xff" * 4]
    if not places:
        return _odd(r, body, [])
    at = r.choice(places)
    return body[:at] + (r.choice([*ODD, 2, 3, 300]) & 0xFFFF_FFFF).to_bytes(4, "little") + body[at + 4 :]


def _double(r: random.Random, body: bytes, _: list[bytes]) -> bytes:
    at = r.randrange(max(len(body) - 8, 1))
    return body[:at] + struct.pack("<d", r.choice(DOUBLES)) + body[at + 8 :]


def _type(r: random.Random, body: bytes, others: list[bytes]) -> bytes:
    """It says that it is another service."""
    number = r.choice(others)[2:4] if r.random() < 0.7 else r.randbytes(2)
    return body[:2] + number + body[4:]


def _insert(r: random.Random, body: bytes, _: list[bytes]) -> bytes:
    at, start = r.randrange(len(body)), r.randrange(len(body))
    return body[:at] + body[start : start + r.randrange(1, 64)] * r.choice((1, 1, 3, 50)) + body[at:]


def _delete(r: random.Random, body: bytes, _: list[bytes]) -> bytes:
    at = r.randrange(len(body))
    return body[:at] + body[at + r.randrange(1, 16) :]


def _bomb(r: random.Random, body: bytes, _: list[bytes]) -> bytes:
    at = r.randrange(min(60, len(body)), len(body) + 1)
    return body[:at] + r.choice(BOMBS)


def _garbage(r: random.Random, body: bytes, _: list[bytes]) -> bytes:
    return r.randbytes(r.choice((0, 1, 7, 40, 400, 4000)))


def _right(r: random.Random, body: bytes, _: list[bytes]) -> bytes:
    return body


MUTATIONS: dict[str, Mutation] = {
    "bits": _bits, "cut": _cut, "splice": _splice, "odd": _odd, "length": _length, "double": _double, "type": _type, "insert": _insert,
    "delete": _delete, "bomb": _bomb, "garbage": _garbage, "right": _right,
}  # fmt: skip


class Generator:
    """Inputs out of a seed: the same seed gives the same ones, but for the ids that the server hands out.

    Attributes:
        tried: how many of each mutation.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.requests = list(requests().values())
        self.tried: Counter[str] = Counter()

    def bodies(self, raw: Raw) -> list[bytes]:
        """Right requests of a connection."""
        return [raw.encoded(request, i) for i, request in enumerate(self.requests)]

    def body(self, bodies: list[bytes]) -> bytes:
        """A request with something wrong in it, once or several times."""
        r = self.random
        body = r.choice(bodies)
        for _ in range(r.choice((1, 1, 1, 2, 4))):
            kind = r.choice(list(MUTATIONS))
            self.tried[kind] += 1
            # mostly behind the header: what cannot be told whose it is does not get far
            head = body[:64] if r.random() < 0.85 and kind not in ("garbage", "type", "right") and len(body) > 72 else b""
            body = head + MUTATIONS[kind](r, body[len(head) :] or b"\0", bodies)
        return body[:200_000]

    def frames(self, raw: Raw, body: bytes) -> tuple[bytes, bool]:
        """The frames of a request, most of the time as they should be; and whether they are."""
        r = self.random
        pieces = [body[i : i + 60_000] for i in range(0, len(body), 60_000)] or [b""]
        out = b"".join(raw.frame(piece, b"MSGC") for piece in pieces[:-1])
        if r.random() < 0.9:
            return out + raw.frame(pieces[-1]), True
        kind = r.choice(("twice", "gap", "abort", "never", "head", "size", "open", "hello", "close", "junk"))
        self.tried[f"frame {kind}"] += 1
        return out + self._broken(raw, kind, pieces[-1]), False

    def _broken(self, raw: Raw, kind: str, piece: bytes) -> bytes:
        r = self.random
        last = raw.frame(piece, request=r.randrange(1 << 32))
        if kind == "twice":
            return last * 2
        if kind == "gap":
            raw.sequence += r.choice((1, -1, 1000))
            return raw.frame(piece)
        if kind == "abort":
            return raw.frame(r.choice((b"", b"\x00\x00\x01\x80\xff\xff\xff\xff", r.randbytes(20))), b"MSGA")
        if kind == "never":
            return raw.frame(piece, b"MSGC")
        if kind == "head":
            return _bits(r, last[:24], []) + last[24:]
        if kind == "size":
            return last[:4] + struct.pack("<I", r.choice(ODD)) + last[8:]
        if kind == "open":
            opening = raw.opening(r.choice(list(ua.SecurityTokenRequestType)), r.randbytes(r.choice((0, 16, 32, 33))), r.choice(ODD))
            return r.choice((opening, _bits(r, opening, []), _cut(r, opening, [])))
        if kind == "hello":
            return uatcp_to_binary(b"HEL", ua.Hello(0, 65536, 65536, 0, 0, "opc.tcp://localhost"))
        if kind == "close":
            return raw.frame(b"", b"CLOF")
        return r.randbytes(r.choice((1, 8, 100)))

    def beginning(self, raw: Raw) -> bytes:
        """What somebody sends who does not get as far as a session."""
        r = self.random
        hello = uatcp_to_binary(b"HEL", ua.Hello(0, 65536, 65536, 0, 0, "opc.tcp://localhost"))
        opening = raw.opening()
        message = raw.frame(raw.encoded(r.choice(self.requests)))
        said = r.choice(([hello], [hello, opening], [hello, opening, message], [opening], [hello, opening, opening], [hello, message]))
        kind = r.choice(("bits", "odd", "cut", "garbage", "insert", "delete"))
        self.tried[f"beginning {kind}"] += 1
        at = r.randrange(len(said))
        said[at] = MUTATIONS[kind](r, said[at], [])
        return b"".join(said)


class Fuzzer:
    """Sends what the generator gives, one input after the other, and looks after each whether it was answered or the connection ended.

    Attributes:
        sent: inputs sent; ended: connections that the server ended on that account.
        slowest_s: the longest that an input kept a question behind it waiting, and `slowest` its kind of request and size.
    """

    def __init__(self, url: str, generator: Generator, ping: bool = True) -> None:
        self.url, self.generator, self._ping = url, generator, ping
        self.sent = self.ended = self._asked = 0
        self.slowest_s, self.slowest = 0.0, ""
        self._raw: Raw | None = None
        self._bodies: list[bytes] = []

    async def run(self, count: int) -> None:
        """Send so many more."""
        for _ in range(count):
            if self.generator.random.random() < 0.1:
                await self._begin()
            else:
                await self._converse()
            self.sent += 1

    async def _begin(self) -> None:
        raw = await Raw.to(self.url)
        try:
            raw.send(self.generator.beginning(raw))
            raw.writer.write_eof()
            await raw.ends()
        except ConnectionError:
            pass
        finally:
            raw.close()
        self.ended += 1

    async def _converse(self) -> None:
        try:
            raw = self._raw
            if raw is None:
                raw = self._raw = await Raw.logged_in(self.url)
                self._bodies = self.generator.bodies(raw)
            data, whole = self.generator.frames(raw, self.generator.body(self._bodies))
            raw.send(data)
            if not whole:  # nobody knows what it waits for now
                raw.writer.write_eof()
                await raw.ends()
                raise Closed
            self._asked += 1
            handle = PING + self._asked % 0x10000
            raw.send(raw.frame(raw.encoded(_QUESTION, handle)))
            began = time.monotonic()
            await raw.answer(handle)
            if time.monotonic() - began > self.slowest_s:
                self.slowest_s, self.slowest = time.monotonic() - began, f"{_kind(data)}, {len(data)} bytes"
        except (Closed, ConnectionError):
            self._lost()

    def _lost(self) -> None:
        if self._raw is not None:
            self._raw.close()
        self._raw = None
        self.ended += 1

    def close(self) -> None:
        """Leave without goodbye."""
        if self._raw is not None:
            self._raw.close()
        self._raw = None


def _kind(frame: bytes) -> str:
    """What a frame asks for, as far as that can be told."""
    number = struct.unpack_from("<H", frame, 26)[0] if len(frame) > 28 else 0
    return str(ua.ObjectIdNames.get(number, "?")).removesuffix("_Encoding_DefaultBinary")


_QUESTION = asked("Read", NodesToRead=[ua.ReadValueId(node("Time.Scan"), 13)])
