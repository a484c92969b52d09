"""Sessions: who is connected as whom, in which languages, for how long (OPC 10000-4 5.7)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary

from opcua_server.access.roles import Right, User, may
from opcua_server.protocol.limits import Limits

if TYPE_CHECKING:
    from opcua_server.protocol.connection import Connection

NONCE_BYTES = 32
ABOUT_TO_LOG_IN = 10  # sessions


@dataclass(eq=False, slots=True)
class Session:
    """One client's session; it may outlive its connection.

    Attributes:
        session_id: its public id.
        token: its secret, a random ByteString; `token_bytes` as it goes over the wire.
        name: as the client calls it.
        client: the client's description of itself.
        timeout_s: it ends after so long without a request.
        user: None until it is activated.
        locales: languages the client wishes, best first.
        nonce: the server's last challenge.
        certificate: the client's certificate, b"" with policy None.
        connection: where it is active now; None while the client is away.
        last: monotonic time of the last request.
        points: continuation points of browsing and history, by id.
        controller: handles of the lock-step controllers it has announced.
        pending: requests that are answered later.
        counts: requests by service name, for the diagnostics.
        last_error: why the last method or write was refused, for people.
    """

    session_id: ua.NodeId
    token: ua.NodeId
    token_bytes: bytes
    name: str
    client: ua.ApplicationDescription
    timeout_s: float
    certificate: bytes
    endpoint: str = ""
    user: User | None = None
    locales: list[str] = field(default_factory=list)
    nonce: bytes = b""
    connection: Connection | None = None
    last: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.time)
    points: dict[bytes, Any] = field(default_factory=dict)
    controllers: set[int] = field(default_factory=set)
    pending: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    last_error: str = ""

    @property
    def who(self) -> str:
        """Name of the user, for logs."""
        return self.user.name if self.user else ""

    def may(self, right: Right) -> bool:
        """Has its user a right."""
        return self.user is not None and may(self.user.role, right)

    def keep(self, rest: Any, most: int) -> bytes:
        """Keep the rest of a long answer under a continuation point, b"" when there are too many already."""
        if len(self.points) >= most:
            return b""
        point = os.urandom(8)
        self.points[point] = rest
        return point


class Sessions:
    """All sessions of the server.

    Args:
        ended: called with a session that is over, and whether its subscriptions go with it.
    """

    def __init__(self, limits: Limits, ended: Callable[[Session, bool], None]) -> None:
        self._limits, self._ended = limits, ended
        self._by_token: dict[ua.NodeId, Session] = {}
        self.rejected = self.total = 0

    def __iter__(self) -> Any:
        return iter(self._by_token.values())

    def __len__(self) -> int:
        return len(self._by_token)

    def create(self, name: str, client: ua.ApplicationDescription, timeout_ms: float, certificate: bytes, endpoint: str) -> Session:
        """Open a session that still has to be activated.

        Raises:
            ua.UaStatusCodeError: BadTooManySessions.
        """
        if len(self._by_token) >= self._limits.sessions:
            self._make_place()
        wanted = timeout_ms if timeout_ms == timeout_ms and timeout_ms > 0 else self._limits.session_timeout_max_ms
        timeout_s = min(max(wanted, self._limits.session_timeout_min_ms), self._limits.session_timeout_max_ms) * 1e-3
        token = ua.NodeId(os.urandom(32), 0, ua.NodeIdType.ByteString)
        session_id = ua.NodeId(int.from_bytes(os.urandom(4), "big") | 1, 1, ua.NodeIdType.Numeric)
        session = Session(session_id, token, nodeid_to_binary(token), name[:256], client, timeout_s, certificate, endpoint)
        session.nonce = os.urandom(NONCE_BYTES)
        self._by_token[token] = session
        self.total += 1
        return session

    def _make_place(self) -> None:
        """End the session whose client is away for longest, or the oldest that was never activated (OPC 10000-4 5.7.2).

        Some clients are always about to log in: those that have not yet give way only when they are many, or nobody is away.
        """
        idle = [s for s in self._by_token.values() if s.user is None]
        away = [s for s in self._by_token.values() if s.user is not None and s.connection is None]
        if not idle and not away:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadTooManySessions)
        self.close(min(away if away and len(idle) <= ABOUT_TO_LOG_IN else idle, key=lambda s: s.last))

    def find(self, token: ua.NodeId) -> Session:
        """The session of an authentication token.

        Raises:
            ua.UaStatusCodeError: BadSessionIdInvalid.
        """
        session = self._by_token.get(token)
        if session is None:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadSessionIdInvalid)
        return session

    def close(self, session: Session, delete_subscriptions: bool = True) -> None:
        """End a session."""
        if self._by_token.pop(session.token, None) is not None:
            session.connection = None
            self._ended(session, delete_subscriptions)

    def sweep(self) -> None:
        """End the sessions whose time is over."""
        now = time.monotonic()
        for session in list(self._by_token.values()):
            if now - session.last > (session.timeout_s if session.user else min(self._limits.activation_s, session.timeout_s)):
                self.close(session)
