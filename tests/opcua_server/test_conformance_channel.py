"""The wire below the sessions: whatever is malformed, too much, too late or sent twice ends its connection, and nothing else."""

from __future__ import annotations

import asyncio
import dataclasses
import struct

import pytest
from asyncua import ua
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, uatcp_to_binary
from served import WAIT_S, name_of, until

from opcua_server.protocol import channel
from opcua_server.protocol.channel import Bytes

HELLO = uatcp_to_binary(b"HEL", ua.Hello(0, 65536, 65536, 0, 0, "opc.tcp://127.0.0.1"))


class Wire:
    """A socket, and frames on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.secure = SecureConnection(SecurityPolicyNone(), TransportLimits())

    @classmethod
    async def to(cls, plant):
        return cls(*await asyncio.open_connection("127.0.0.1", int(plant.url.rsplit(":", 1)[1])))

    async def frame(self):
        """The next frame: its kind and what follows; the name of a StatusCode for an error, None when the socket is closed."""
        try:
            async with asyncio.timeout(WAIT_S):  # `wait_for` may swallow a cancellation
                head = await self.reader.readexactly(8)
                kind, _, size = struct.unpack("<3scI", head)
                body = await self.reader.readexactly(size - 8)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return (kind, body) if kind != b"ERR" else name_of(struct.unpack_from("<I", body)[0])

    async def hello(self):
        self.writer.write(HELLO)
        kind, body = await self.frame()
        assert kind == b"ACK"
        return struct_from_binary(ua.Acknowledge, Bytes(body))

    def message(self, request, kind=b"MSG", number=1):
        return self.secure.message_to_binary(struct_to_binary(request), kind, number)

    async def open(self, kind=ua.SecurityTokenRequestType.Issue):
        request = ua.OpenSecureChannelRequest()
        request.Parameters = ua.OpenSecureChannelParameters(0, kind, ua.MessageSecurityMode.None_, b"", 3_600_000)
        self.writer.write(self.message(request, b"OPN"))
        _, body = await self.frame()
        at = body.index(struct.pack("<BBH", 1, 0, ua.ObjectIds.OpenSecureChannelResponse_Encoding_DefaultBinary))
        answer = struct_from_binary(ua.OpenSecureChannelResponse, Bytes(body[at:]))
        self.secure.security_token = answer.Parameters.SecurityToken
        return answer

    async def ends(self):
        """How the server ends it: StatusCode, then nothing more."""
        told = await self.frame()
        assert await self.frame() is None
        return told


@pytest.fixture
def wire(plant, loop):
    wire = loop.run_until_complete(Wire.to(plant))
    yield wire
    wire.writer.close()


@pytest.fixture
def limited(plant, monkeypatch):
    """Other limits for new connections."""
    return lambda **limits: monkeypatch.setattr(plant.server, "limits", dataclasses.replace(plant.server.limits, **limits))


def get_endpoints():
    return ua.GetEndpointsRequest()


async def test_hello_is_answered_with_our_limits(plant, loop, wire):
    limits = plant.server.limits
    ack = await wire.hello()
    assert (ack.ReceiveBufferSize, ack.SendBufferSize, ack.MaxMessageSize, ack.MaxChunkCount) == (
        65536,
        65536,
        limits.message_bytes,
        limits.chunks,
    )


MALFORMED = {
    "no OPC UA": (b"GET / HTTP/1.1\r\n\r\n", "BadTcpMessageTypeInvalid"),
    "wrong chunk type": (b"HELX" + struct.pack("<I", 40), "BadTcpMessageTypeInvalid"),
    "a message before Hello": (b"MSGF" + struct.pack("<I", 40) + bytes(32), "BadTcpMessageTooLarge"),
    "a frame longer than the limit": (b"HELF" + struct.pack("<I", 2**31), "BadTcpMessageTooLarge"),
    "a frame shorter than its header": (b"HELF" + struct.pack("<I", 4), "BadTcpMessageTooLarge"),
    "Hello with small buffers": (uatcp_to_binary(b"HEL", ua.Hello(0, 100, 100, 0, 0, "")), "BadConnectionRejected"),
    "Hello cut short": (b"HELF" + struct.pack("<II", 12, 0), "BadDecodingError"),
    "Hello with a long URL": (uatcp_to_binary(b"HEL", ua.Hello(0, 65536, 65536, 0, 0, "u" * 5000)), "BadTcpEndpointUrlInvalid"),
    "Hello with a negative length": (b"HELF" + struct.pack("<IIIIIIi", 32, 0, 65536, 65536, 0, 0, -7), "BadDecodingError"),
}


@pytest.mark.parametrize(("data", "code"), MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed(plant, loop, wire, data, code):
    wire.writer.write(data)
    assert await wire.ends() == code


async def test_a_second_hello_ends_it(plant, loop, wire):
    await wire.hello()
    wire.writer.write(HELLO)
    assert await wire.ends() == "BadTcpMessageTypeInvalid"


async def test_a_message_without_a_channel_ends_it(plant, loop, wire):
    await wire.hello()
    wire.writer.write(wire.message(get_endpoints()))
    assert await wire.ends() == "BadSecureChannelIdInvalid"


async def test_an_unknown_policy_ends_it(plant, loop, wire):
    await wire.hello()
    wire.secure.security_policy = type(
        "Unknown", (SecurityPolicyNone,), {"URI": "http://opcfoundation.org/UA/SecurityPolicy#Basic128Rsa15"}
    )()
    wire.writer.write(wire.message(ua.OpenSecureChannelRequest(), b"OPN"))
    assert await wire.ends() == "BadSecurityPolicyRejected"


async def test_a_channel_is_not_opened_twice_but_renewed(plant, loop, wire):
    await wire.hello()
    first = (await wire.open()).Parameters.SecurityToken
    second = (await wire.open(ua.SecurityTokenRequestType.Renew)).Parameters.SecurityToken
    assert second.ChannelId == first.ChannelId and second.TokenId != first.TokenId
    request = ua.OpenSecureChannelRequest()
    request.Parameters.RequestType = ua.SecurityTokenRequestType.Issue
    wire.writer.write(wire.message(request, b"OPN"))
    assert await wire.ends() == "BadRequestTypeInvalid"


async def test_two_openers_get_different_channels(plant, loop):
    one, two = await Wire.to(plant), await Wire.to(plant)
    for w in (one, two):
        await w.hello()
        await w.open()
    assert one.secure.security_token.ChannelId != two.secure.security_token.ChannelId
    one.secure.security_token.ChannelId = two.secure.security_token.ChannelId
    one.writer.write(one.message(get_endpoints()))
    assert await one.ends() == "BadSecureChannelIdInvalid"
    two.writer.write(two.message(get_endpoints()))
    assert (await two.frame())[0] == b"MSG"  # the other one goes on
    one.writer.close(), two.writer.close()


async def test_an_unknown_token_ends_it(plant, loop, wire):
    await wire.hello()
    await wire.open()
    wire.secure.security_token.TokenId += 5
    wire.writer.write(wire.message(get_endpoints()))
    assert await wire.ends() == "BadSecureChannelTokenUnknown"


@pytest.mark.parametrize("skip", [-1, 1, 1000, -(2**31)], ids=["repeated", "one missing", "many missing", "far back"])
async def test_a_wrong_sequence_number_ends_it(plant, loop, wire, skip):
    await wire.hello()
    await wire.open()
    wire.writer.write(wire.message(get_endpoints()))
    assert (await wire.frame())[0] == b"MSG"
    data = bytearray(wire.message(get_endpoints(), number=2))
    (number,) = struct.unpack_from("<I", data, 16)
    struct.pack_into("<I", data, 16, (number + skip) % 2**32)
    wire.writer.write(bytes(data))
    assert await wire.ends() == "BadSequenceNumberInvalid"


async def test_a_replayed_message_ends_it(plant, loop, wire):
    await wire.hello()
    await wire.open()
    data = wire.message(get_endpoints())
    wire.writer.write(data)
    assert (await wire.frame())[0] == b"MSG"
    wire.writer.write(data)
    assert await wire.ends() == "BadSequenceNumberInvalid"


async def test_sequence_numbers_wrap_around(plant, loop, wire):
    await wire.hello()
    await wire.open()
    (connection,) = plant.server._connections
    connection._channel.secure._peer_sequence_number = wire.secure._sequence_number = 2**32 - 2
    connection._channel.secure._sequence_number = 2**32 - 2
    seen = []
    for _ in range(3):
        wire.writer.write(wire.message(get_endpoints()))
        _, body = await wire.frame()
        seen.append(struct.unpack_from("<I", body, 8)[0])
    assert seen == [2**32 - 1, 1, 2]


def chunks(wire, count, size):
    """Intermediate chunks of one message that never ends."""
    out = b""
    for _ in range(count):
        wire.secure._sequence_number += 1
        token = wire.secure.security_token
        out += struct.pack("<4sIIIII", b"MSGC", 24 + size, token.ChannelId, token.TokenId, wire.secure._sequence_number, 1) + bytes(size)
    return out


@pytest.mark.parametrize("size", [0, 1000, 65536 - 24], ids=["of nothing", "small", "of full length"])
async def test_unfinished_chunks_are_bounded(plant, loop, wire, size):
    await wire.hello()
    await wire.open()
    (connection,) = plant.server._connections
    limits = plant.server.limits
    most = min(limits.chunks, limits.stranger_bytes // max(size, 1))
    wire.writer.write(chunks(wire, most, size))
    await until(lambda: len(connection._channel.secure._incoming_parts) == most)
    assert connection._channel.secure._incoming_size <= limits.stranger_bytes
    wire.writer.write(chunks(wire, 1, size))
    assert await wire.ends() == "BadRequestTooLarge"


async def test_an_aborted_message_is_forgotten(plant, loop, wire):
    await wire.hello()
    await wire.open()
    wire.writer.write(chunks(wire, 3, 1000))
    wire.secure._sequence_number += 1
    token, why = wire.secure.security_token, struct_to_binary(ua.ErrorMessage(ua.StatusCode(ua.StatusCodes.BadEncodingError), "never mind"))
    wire.writer.write(
        struct.pack("<4sIIIII", b"MSGA", 24 + len(why), token.ChannelId, token.TokenId, wire.secure._sequence_number, 1) + why
    )
    wire.writer.write(wire.message(get_endpoints(), number=2))
    kind, body = await wire.frame()
    assert kind == b"MSG" and struct.unpack_from("<I", body, 12)[0] == 2


async def test_a_request_in_chunks_is_put_together_and_so_is_the_answer(plant, loop):
    async with plant.client() as peer:
        peer.protocol._connection._limits.max_send_buffer = 8192  # the client cuts its requests
        nodes = [ua.ReadValueId(ua.NodeId("Image.Sensors.Names", 2), ua.AttributeIds.Value) for _ in range(60)]
        answer = await peer.send("Read", NodesToRead=nodes)  # about 2 MB
        assert len(answer.Results) == 60 and len({len(r.Value.Value) for r in answer.Results}) == 1


async def test_an_unreadable_request_ends_it(plant, loop, wire):
    await wire.hello()
    await wire.open()
    wire.writer.write(wire.secure.message_to_binary(b"\xff" * 40))
    assert await wire.ends() == "BadDecodingError"


async def test_unreadable_parameters_are_told(plant, loop, wire):
    await wire.hello()
    await wire.open()
    whole = struct_to_binary(get_endpoints())
    wire.writer.write(wire.secure.message_to_binary(whole[:-4]))
    _, body = await wire.frame()
    fault = struct_from_binary(ua.ServiceFault, Bytes(body[16:]))
    assert name_of(fault.ResponseHeader.ServiceResult) == "BadDecodingError"
    wire.writer.write(wire.message(get_endpoints()))
    assert (await wire.frame())[0] == b"MSG"


async def test_who_closes_the_channel_gets_no_answer(plant, loop, wire):
    await wire.hello()
    await wire.open()
    wire.writer.write(wire.message(ua.CloseSecureChannelRequest(), b"CLO"))
    assert await wire.frame() is None


async def test_who_does_not_log_in_is_cut_off(plant, loop, limited):
    limited(activation_s=0.05)
    wire = await Wire.to(plant)
    await wire.hello()
    assert await wire.ends() == "BadTimeout"


async def test_connections_are_bounded(plant, loop, limited):
    limited(connections=1)
    async with plant.client():
        wire = await Wire.to(plant)
        assert await wire.ends() == "BadTcpServerTooBusy"
    await until(lambda: not plant.server._connections)
    async with plant.client() as peer:
        assert await peer.read("Time.State") == "paused"


async def test_who_reads_nothing_is_cut_off(plant, loop, monkeypatch):
    monkeypatch.setattr("opcua_server.protocol.connection.UNREAD_BYTES", 100_000)
    async with plant.client() as peer:
        peer.protocol.transport.pause_reading()
        nodes = [ua.ReadValueId(ua.NodeId("Image.Sensors.Names", 2), ua.AttributeIds.Value) for _ in range(60)]
        waiting = [asyncio.ensure_future(peer.send("Read", NodesToRead=nodes)) for _ in range(5)]
        await until(lambda: not plant.server._connections, "it is kept")
        peer.protocol.transport.abort()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_channel_ends_with_its_lifetime(plant, loop, monkeypatch):
    monkeypatch.setattr(channel, "LIFETIME_MIN_MS", 40)
    async with plant.client() as peer:
        peer.client._renew_channel_task.cancel()
        peer.client.secure_channel_timeout = 40
        await peer.client.open_secure_channel(renew=True)
        (connection,) = plant.server._connections
        await until(lambda: loop.time() > connection._channel._expires)
        assert await peer.send("Read", NodesToRead=[ua.ReadValueId(ua.NodeId(2258), 13)]) == "BadSecureChannelIdInvalid"
        await until(lambda: not plant.server._connections)


@pytest.mark.parametrize(("asked", "given"), [(0, 3_600_000), (1, 10_000), (60_000, 60_000), (2**32 - 1, 3_600_000)])
async def test_the_lifetime_of_a_channel_is_bounded(plant, loop, wire, asked, given):
    await wire.hello()
    request = ua.OpenSecureChannelRequest()
    request.Parameters = ua.OpenSecureChannelParameters(0, ua.SecurityTokenRequestType.Issue, ua.MessageSecurityMode.None_, b"", asked)
    wire.writer.write(wire.message(request, b"OPN"))
    _, body = await wire.frame()
    at = body.index(struct.pack("<BBH", 1, 0, ua.ObjectIds.OpenSecureChannelResponse_Encoding_DefaultBinary))
    assert struct_from_binary(ua.OpenSecureChannelResponse, Bytes(body[at:])).Parameters.SecurityToken.RevisedLifetime == given
