"""One connection's transport: frames, chunks, secure channel (OPC 10000-6 6.7 and 7.1).

Cryptography and the encoding of secured chunks are the library's. Frames are cut here, bounded before anything is
kept, and whatever is malformed ends this connection and nothing else.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from asyncua import ua
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.common.utils import Buffer
from asyncua.crypto.security_policies import SecurityPolicyFactory, SecurityPolicyNone
from asyncua.ua.ua_binary import header_from_binary, struct_from_binary, struct_to_binary, uatcp_to_binary

from opcua_server.protocol.decoding import Bytes
from opcua_server.protocol.limits import Limits

log = logging.getLogger("batchtwin.opcua")

HEAD, PLAIN = 8, struct.Struct("<4sIIIII")  # chunk with policy None: type, size, channel, token, sequence, request
SMALLEST_CHUNK = 8192  # OPC 10000-6 7.1.2.3
LIFETIME_MIN_MS, LIFETIME_MAX_MS = 10_000, 3_600_000
OPEN_REQUEST = ua.ObjectIds.OpenSecureChannelRequest_Encoding_DefaultBinary
_channel_ids = count(int(time.time()) & 0xFFFFFF)  # not the ids of the run before


class Refused(Exception):
    """The connection must end; the client is told a StatusCode."""

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        super().__init__(why)


class Channel:
    """Secure channel of one connection.

    Args:
        send: writes bytes to the socket.
        policies: the security policies on offer.
        check_certificate: raises `ua.UaStatusCodeError` for a client certificate that is not trusted.

    Attributes:
        secure: the library's state of the channel.
        opened: a secure channel is open.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        policies: list[SecurityPolicyFactory],
        limits: Limits,
        check_certificate: Callable[[bytes], None],
    ) -> None:
        self._send, self._limits, self._check = send, limits, check_certificate
        self._transport = TransportLimits(limits.chunk_bytes, limits.chunk_bytes, limits.chunks, limits.stranger_bytes)
        self.secure = SecureConnection(SecurityPolicyNone(), self._transport)
        self.secure.set_policy_factories(policies)
        self._offered = {(p.cls.URI, p.mode) for p in policies}
        self._buffer = bytearray()
        self._greeted = self.opened = self._plain = False
        self._expires = 0.0

    @property
    def policy(self) -> Any:
        """The library's security policy in use; has `URI`, `Mode`, `peer_certificate`, `host_certificate`."""
        return self.secure.security_policy

    @property
    def offered(self) -> bool:
        """Is the channel's policy one that sessions may use; the plain one always serves discovery."""
        return (self.policy.URI, self.policy.Mode) in self._offered

    def admit(self) -> None:
        """Somebody has logged in: messages may be long from now on."""
        self._transport.max_message_size = self._limits.message_bytes

    # --- receiving ------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take bytes from the socket; returns the complete messages in them as (request id, body).

        Raises:
            Refused: the connection must end.
        """
        self._buffer += data
        out: list[tuple[int, bytes]] = []
        while len(self._buffer) >= HEAD:
            kind, chunk, size = struct.unpack_from("<3scI", self._buffer)
            if kind not in (b"HEL", b"OPN", b"MSG", b"CLO") or chunk not in b"FCA":
                raise Refused(ua.StatusCodes.BadTcpMessageTypeInvalid, f"message type {bytes(kind + chunk)!r}")
            if not HEAD < size <= self._limits.chunk_bytes or (kind != b"HEL" and not self._greeted):
                raise Refused(ua.StatusCodes.BadTcpMessageTooLarge, f"a chunk of {size} bytes")
            if len(self._buffer) < size:
                break
            frame = bytes(self._buffer[:size])
            del self._buffer[:size]
            message = self._frame(kind, frame)
            if message is not None:
                out.append(message)
        return out

    def _frame(self, kind: bytes, frame: bytes) -> tuple[int, bytes] | None:
        if kind == b"HEL":
            self._hello(frame)
            return None
        if kind == b"MSG":
            if not self.opened or time.monotonic() > self._expires:
                raise Refused(ua.StatusCodes.BadSecureChannelIdInvalid, "no secure channel is open")
            if self._plain and frame[3:4] == b"F" and not self.secure._incoming_parts:
                return self._plain_message(frame)
        buffer = Bytes(frame)
        try:
            header = header_from_binary(buffer)
            if kind == b"OPN" and not self.opened:
                self._select(buffer.copy())
            message = self.secure.receive_from_header_and_body(header, buffer)
        except ua.UaStatusCodeError as error:
            raise Refused(error.code, str(error)) from None
        except Exception as error:
            raise Refused(ua.StatusCodes.BadSecurityChecksFailed, f"{type(error).__name__}: {error}") from None
        if message is None:
            return None
        if kind == b"CLO":
            raise Refused(0, "closed by the client")
        body = bytes(message.body())
        request_id = message.request_id()
        if kind == b"OPN":
            self._open(request_id, body)
            return None
        return request_id, body

    def _plain_message(self, frame: bytes) -> tuple[int, bytes]:
        """A chunk without security, whole: the common case on loopback."""
        s = self.secure
        if len(frame) < PLAIN.size:
            raise Refused(ua.StatusCodes.BadDecodingError, "a chunk without its headers")
        _, _, channel, token, sequence, request_id = PLAIN.unpack_from(frame)
        if channel != s.security_token.ChannelId:
            raise Refused(ua.StatusCodes.BadSecureChannelIdInvalid, f"channel {channel}")
        if token != s.security_token.TokenId:
            try:
                s._check_sym_header(ua.SymmetricAlgorithmHeader(token))
            except ua.UaError as error:
                raise Refused(ua.StatusCodes.BadSecureChannelTokenUnknown, str(error)) from None
        last = s._peer_sequence_number
        if last is not None and sequence != last + 1 and not (sequence < 1024 and last >= 2**32 - 1024):
            raise Refused(ua.StatusCodes.BadSequenceNumberInvalid, f"sequence number {sequence} after {last}")
        s._peer_sequence_number = sequence
        return request_id, frame[PLAIN.size :]

    def _hello(self, frame: bytes) -> None:
        if self._greeted:
            raise Refused(ua.StatusCodes.BadTcpMessageTypeInvalid, "a second Hello")
        try:
            hello = struct_from_binary(ua.Hello, Bytes(frame, HEAD))
        except Exception:
            raise Refused(ua.StatusCodes.BadDecodingError, "a Hello that cannot be read") from None
        if hello.ReceiveBufferSize < SMALLEST_CHUNK or hello.SendBufferSize < SMALLEST_CHUNK:
            raise Refused(ua.StatusCodes.BadConnectionRejected, "buffers below 8192 bytes")
        if len(hello.EndpointUrl or "") > 4096:
            raise Refused(ua.StatusCodes.BadTcpEndpointUrlInvalid, "an endpoint URL of that length")
        limits = self._limits
        send = min(hello.ReceiveBufferSize, limits.chunk_bytes)
        receive = min(hello.SendBufferSize, limits.chunk_bytes)
        self._transport.max_send_buffer, self._transport.max_recv_buffer = send, receive
        self._greeted = True
        self._send(uatcp_to_binary(b"ACK", ua.Acknowledge(0, receive, send, limits.message_bytes, limits.chunks)))  # type: ignore[arg-type]

    # --- opening --------------------------------------------------------------------------------------

    def _select(self, buffer: Buffer) -> None:
        """Look at the certificate before anything is decrypted with it."""
        header = struct_from_binary(ua.AsymmetricAlgorithmHeader, buffer)
        uri = header.SecurityPolicyURI or ""
        if uri != SecurityPolicyNone.URI:
            if not any(uri == offered for offered, _ in self._offered):
                raise ua.UaStatusCodeError(ua.StatusCodes.BadSecurityPolicyRejected)
            self._check(header.SenderCertificate or b"")

    def _open(self, request_id: int, body: bytes) -> None:
        buffer = Bytes(body)
        try:
            request = struct_from_binary(ua.OpenSecureChannelRequest, buffer)
        except Exception:
            raise Refused(ua.StatusCodes.BadDecodingError, "an OpenSecureChannel that cannot be read") from None
        wanted = request.Parameters
        renew = wanted.RequestType == ua.SecurityTokenRequestType.Renew
        if request.TypeId.Identifier != OPEN_REQUEST or renew != self.opened:
            raise Refused(ua.StatusCodes.BadRequestTypeInvalid, "a channel is opened once and renewed then")
        uri = self.policy.URI
        if not self.opened:
            try:
                self.secure.select_policy(uri, self.policy.peer_certificate, wanted.SecurityMode)
            except ua.UaError:
                raise Refused(ua.StatusCodes.BadSecurityModeRejected, "security mode not on offer") from None
        nonce = wanted.ClientNonce or b""
        if self.policy.secure_channel_nonce_length and len(nonce) != self.policy.secure_channel_nonce_length:
            raise Refused(ua.StatusCodes.BadNonceInvalid, "a nonce of the wrong length")
        wanted.RequestedLifetime = min(max(wanted.RequestedLifetime or LIFETIME_MAX_MS, LIFETIME_MIN_MS), LIFETIME_MAX_MS)
        response = ua.OpenSecureChannelResponse()
        response.Parameters = self.secure.open(wanted, self)
        response.ResponseHeader.RequestHandle = request.RequestHeader.RequestHandle
        self._expires = time.monotonic() + wanted.RequestedLifetime * 1.25e-3
        self.opened = True
        self._plain = uri == SecurityPolicyNone.URI
        self._send(self.secure.message_to_binary(struct_to_binary(response), ua.MessageType.SecureOpen, request_id))  # type: ignore[arg-type]

    def get_new_channel_id(self) -> int:
        """Asked by the library when it opens a channel."""
        return next(_channel_ids) & 0x7FFFFFFF

    # --- sending --------------------------------------------------------------------------------------

    def respond(self, request_id: int, body: bytes) -> None:
        """Send one message, in as many chunks as it needs."""
        s = self.secure
        if self._plain and len(body) + PLAIN.size <= self._transport.max_send_buffer:
            s._sequence_number = s._sequence_number + 1 if s._sequence_number < 2**32 - 1 else 1
            token = s.security_token
            self._send(PLAIN.pack(b"MSGF", PLAIN.size + len(body), token.ChannelId, token.TokenId, s._sequence_number, request_id) + body)
        else:
            self._send(s.message_to_binary(body, request_id=request_id))

    def tell(self, refused: Refused) -> None:
        """Send the error message that ends a connection."""
        if refused.code:
            self._send(uatcp_to_binary(b"ERR", ua.ErrorMessage(ua.StatusCode(refused.code), str(refused)[:200])))  # type: ignore[arg-type]
