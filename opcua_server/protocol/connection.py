"""One client's connection: messages in, responses out, and the services that open and close sessions."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from opcua_server.protocol import wire
from opcua_server.protocol.channel import Channel, Refused
from opcua_server.protocol.sessions import Session
from opcua_server.protocol.wire import Request, head, read_request, results

if TYPE_CHECKING:
    from opcua_server.server import PlantServer

Code = ua.StatusCodes
o = ua.ObjectIds
UNREAD_BYTES = 16 * 1024 * 1024  # what a client may leave unread before it is cut off
FAREWELL_S = 2.0  # how long it may take to read what was sent before the end


class Connection(asyncio.Protocol):
    """A client that is connected, with or without a session.

    Attributes:
        peer: its address.
        session: the session that is active here, or was created here.
    """

    def __init__(self, server: PlantServer) -> None:
        self.server = server
        self.session: Session | None = None
        self.peer = ""
        self._transport: asyncio.Transport | None = None
        self._channel = Channel(self._send, server.policies, server.limits, self._check_certificate)
        self._busy: asyncio.Task[None] | None = None
        self._waiting: list[tuple[int, bytes]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._session_free = {
            o.GetEndpointsRequest_Encoding_DefaultBinary: self._get_endpoints, o.FindServersRequest_Encoding_DefaultBinary: self._find_servers,
            o.CreateSessionRequest_Encoding_DefaultBinary: self._create_session,
        }  # fmt: skip

    # --- socket ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if name else "?"
        if not self.server.connected(self):
            self._channel.tell(Refused(Code.BadTcpServerTooBusy, "too many connections"))
            transport.close()
            return
        self._timer = asyncio.get_running_loop().call_later(self.server.limits.activation_s, self._activated_in_time)

    @property
    def active(self) -> bool:
        """Has it a session that is activated."""
        return self.session is not None and self.session.user is not None and self.session.connection is self

    def _activated_in_time(self) -> None:
        if not self.active:
            self.close(Refused(Code.BadTimeout, "no session was activated in time"))
        self._timer = asyncio.get_running_loop().call_later(self.server.limits.activation_s, self._activated_in_time)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._channel.feed(data):
                if self._busy is not None:  # a login is being checked: what comes after it waits
                    self._waiting.append(message)
                    if len(self._waiting) > 100 or sum(len(m) for _, m in self._waiting) > self.server.limits.message_bytes:
                        raise Refused(Code.BadTcpNotEnoughResources, "too many requests before the login is done")
                else:
                    self._message(*message)
        except Refused as refused:
            self.close(refused)
        except Exception:
            self.server.log.exception("a message of %s failed", self.peer)
            self.close(Refused(Code.BadInternalError, "internal error"))

    def connection_lost(self, error: BaseException | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._busy is not None:
            self._busy.cancel()
        self._transport = None
        self.server.disconnected(self)

    def close(self, refused: Refused | None = None) -> None:
        """End the connection, telling the client why."""
        if self._transport is None or self._transport.is_closing():
            return
        if refused is not None and refused.code:
            self.server.audit("channel", peer=self.peer, name=str(refused), status=refused.code)
            self._channel.tell(refused)
        self._transport.close()
        if self._transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(FAREWELL_S, self.abort)

    def abort(self) -> None:
        """End the connection at once, read or not."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > UNREAD_BYTES:
            self.server.audit("channel", peer=self.peer, name="does not read what it is sent", status=Code.BadTcpNotEnoughResources)
            transport.abort()

    def _check_certificate(self, der: bytes) -> None:
        try:
            self.server.check_certificate(der)
        except ua.UaStatusCodeError as error:
            self.server.audit("certificate", peer=self.peer, status=error.code)
            raise

    # --- requests -------------------------------------------------------------------------------------

    def _message(self, request_id: int, message: bytes) -> None:
        session = self.session
        try:
            request = read_request(request_id, message, session.token_bytes if session else b"", session.token if session else None)
        except Exception:
            raise Refused(Code.BadDecodingError, "a request that cannot be read") from None

        def respond(body: bytes) -> None:
            self._channel.respond(request_id, body)

        try:
            body = self._serve(request, respond)
            if body is not None:
                respond(body)
        except ua.UaStatusCodeError as error:
            respond(wire.fault(request.handle, error.code))
        except Refused:
            raise
        except Exception:
            self.server.log.exception("a request of %s failed", self.peer)
            respond(wire.fault(request.handle, Code.BadInternalError))

    def _serve(self, request: Request, respond: Any) -> bytes | None:
        free = self._session_free.get(request.type)
        if free is not None:
            return free(request)
        if request.type == o.ActivateSessionRequest_Encoding_DefaultBinary:
            self._busy = self.server.spawn(self._activate(request))
            return None
        if request.type == o.CloseSessionRequest_Encoding_DefaultBinary:
            return self._close_session(request)
        session = self._own(request)
        if session.user is None:
            self.server.sessions.close(session)
            raise ua.UaStatusCodeError(Code.BadSessionNotActivated)
        session.last = time.monotonic()
        self.server.services.handle(session, request, respond)
        return None

    def _own(self, request: Request) -> Session:
        """The session that the request names, which must be active on this very channel."""
        session = self.session
        if session is None or request.token != session.token or session.connection is not self:
            raise ua.UaStatusCodeError(Code.BadSessionIdInvalid)
        return session

    def _parameters(self, request: Request, kind: Any) -> Any:
        try:
            return struct_from_binary(kind, request.body)
        except ua.UaStatusCodeError:
            raise
        except Exception:
            raise ua.UaStatusCodeError(Code.BadDecodingError) from None

    # --- without a session ----------------------------------------------------------------------------

    def _get_endpoints(self, request: Request) -> bytes:
        p = self._parameters(request, ua.GetEndpointsParameters)
        endpoints = self.server.endpoints(p.EndpointUrl or "")
        if p.ProfileUris:
            endpoints = [e for e in endpoints if e.TransportProfileUri in p.ProfileUris]
        return results(o.GetEndpointsResponse_Encoding_DefaultBinary, request.handle, ua.EndpointDescription, endpoints)[
            : -len(wire.NO_LIST)
        ]

    def _find_servers(self, request: Request) -> bytes:
        p = self._parameters(request, ua.FindServersParameters)
        description = self.server.description(p.EndpointUrl or "")
        found = [description] if not p.ServerUris or description.ApplicationUri in p.ServerUris else []
        return results(o.FindServersResponse_Encoding_DefaultBinary, request.handle, ua.ApplicationDescription, found)[: -len(wire.NO_LIST)]

    def _create_session(self, request: Request) -> bytes:
        p = self._parameters(request, ua.CreateSessionParameters)
        policy = self._channel.policy
        if not self._channel.offered:
            raise ua.UaStatusCodeError(Code.BadSecurityPolicyRejected)
        if self.session is not None and self.session.connection is self:
            if self.session.user is not None:
                raise ua.UaStatusCodeError(Code.BadTooManySessions)  # a connection has one
            self.server.sessions.close(self.session)
        certificate = policy.peer_certificate or b""
        if certificate:
            if (p.ClientCertificate or b"") != certificate:
                raise ua.UaStatusCodeError(Code.BadSecurityChecksFailed)
            if len(p.ClientNonce or b"") < 32:
                raise ua.UaStatusCodeError(Code.BadNonceInvalid)
            self.server.check_certificate(certificate, p.ClientDescription.ApplicationUri or "")
        session = self.server.sessions.create(
            p.SessionName or "", p.ClientDescription, p.RequestedSessionTimeout, certificate, (p.EndpointUrl or "")[:1024]
        )
        self.session, session.connection = session, self
        out = ua.CreateSessionResult(
            SessionId=session.session_id, AuthenticationToken=session.token, RevisedSessionTimeout=session.timeout_s * 1e3
        )
        out.ServerNonce, out.ServerEndpoints = session.nonce, self.server.endpoints(p.EndpointUrl or "")
        out.ServerCertificate, out.MaxRequestMessageSize = policy.host_certificate, self.server.limits.message_bytes
        if certificate:
            out.ServerSignature = ua.SignatureData(
                policy.AsymmetricSignatureURI, policy.asymmetric_cryptography.signature(certificate + p.ClientNonce)
            )
        return head(o.CreateSessionResponse_Encoding_DefaultBinary, request.handle) + struct_to_binary(out)

    async def _activate(self, request: Request) -> None:
        """Log somebody in, or take up a session whose connection was lost; then serve what has come meanwhile."""
        try:
            body = await self._activated(request)
        except ua.UaStatusCodeError as error:
            body = wire.fault(request.handle, error.code)
        except Exception:
            self.server.log.exception("a login from %s failed", self.peer)
            body = wire.fault(request.handle, Code.BadInternalError)
        self._channel.respond(request.id, body)
        self._busy = None
        waiting, self._waiting = self._waiting, []
        try:
            for i, message in enumerate(waiting):
                if self._busy is not None:
                    self._waiting += waiting[i:]
                    break
                self._message(*message)
        except Refused as refused:
            self.close(refused)

    async def _activated(self, request: Request) -> bytes:
        p = self._parameters(request, ua.ActivateSessionParameters)
        session = self.server.sessions.find(request.token)
        policy = self._channel.policy
        if not self._channel.offered or session.certificate != (policy.peer_certificate or b""):
            raise ua.UaStatusCodeError(Code.BadSecurityChecksFailed)
        if session.connection is not self and session.user is None:
            raise ua.UaStatusCodeError(Code.BadSecureChannelIdInvalid)
        if session.certificate:
            try:
                policy.asymmetric_cryptography.verify(policy.host_certificate + session.nonce, p.ClientSignature.Signature)
            except Exception:
                raise ua.UaStatusCodeError(Code.BadApplicationSignatureInvalid) from None
        user = await self.server.identify(p, session, policy, self.peer)
        self.server.sessions.find(request.token)  # it may have ended meanwhile
        if session.user is not None and session.connection is not self and session.user != user:
            raise ua.UaStatusCodeError(Code.BadIdentityTokenRejected)
        if session.user not in (None, user):  # somebody else from here on: the controllers that the other one had announced go
            self.server.live.lockstep.gone(session)
            session.controllers.clear()
        self.server.activated(session, user, self)
        self.session = session
        self._channel.admit()
        if p.LocaleIds:
            session.locales = [str(x)[:20] for x in p.LocaleIds[:16] if x]
        session.last = time.monotonic()
        session.nonce = self.server.nonce()
        out = ua.ActivateSessionResult(ServerNonce=session.nonce)
        return head(o.ActivateSessionResponse_Encoding_DefaultBinary, request.handle) + struct_to_binary(out)

    def _close_session(self, request: Request) -> bytes:
        session = self._own(request)
        delete = request.body.read(1) != b"\x00"
        self.server.sessions.close(session, delete)
        self.session = None
        return head(o.CloseSessionResponse_Encoding_DefaultBinary, request.handle)
