"""The OPC UA server of one live run, put together."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from asyncua import ua

from opcua_server.access.roles import User
from opcua_server.access.security import Security
from opcua_server.access.x509_checks import thumbprint
from opcua_server.address import model
from opcua_server.address.alarms import Alarms
from opcua_server.address.attributes import Attributes
from opcua_server.address.board import Board, filetime
from opcua_server.address.history import History
from opcua_server.address.methods import Methods
from opcua_server.address.nodes import APPLICATION_URI, NS, Nodes
from opcua_server.address.plant_methods import PlantMethods
from opcua_server.address.standard import fill_standard
from opcua_server.address.view import View
from opcua_server.protocol.channel import Refused
from opcua_server.protocol.connection import Connection
from opcua_server.protocol.limits import Limits
from opcua_server.protocol.services import Services
from opcua_server.protocol.sessions import NONCE_BYTES, Session, Sessions
from opcua_server.subscription.subscriptions import SubscriptionService
from scenarios.session import Session as LiveRun
from twin.errors import BatchtwinError
from twin.tags import Tag

Code = ua.StatusCodes
TRANSPORT = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
SWEEP_S = 1.0
LEVELS = {"None": 0, "Sign": 50, "SignAndEncrypt": 100}


def no_scenario(name: str) -> str:
    """Without a list of scenarios, only the present one can be begun anew."""
    if name:
        raise BatchtwinError("E401", problem=f"scenario '{name}' is not on offer here", mend="give an empty name for the same scenario")
    return ""


def no_verdict(folder: Path, case: str) -> str:
    """Without acceptance cases, nothing is judged."""
    raise BatchtwinError("E401", problem="no acceptance cases are on offer here", mend="judge the run's folder elsewhere")


def place_of(endpoint: str) -> tuple[str, int]:
    """Host and port of an endpoint.

    Raises:
        BatchtwinError: it has another form.
    """
    try:
        where = urlparse(endpoint)
        if where.scheme != "opc.tcp" or not where.hostname:
            raise ValueError("not of the form opc.tcp://HOST:PORT")
        return where.hostname, 4840 if where.port is None else where.port
    except ValueError as error:
        raise cannot_listen(endpoint, str(error)) from None


def cannot_listen(url: str, problem: str) -> BatchtwinError:
    """The address cannot be used."""
    return BatchtwinError("E401", problem=f"cannot listen at {url}: {problem}", mend="choose another --endpoint")


def uncollected(build: Callable[..., None]) -> Callable[..., None]:
    """Build without the garbage collector: all that is built stays, and to look through it again and again takes nearly half the time."""

    @wraps(build)
    def built(*args: Any, **more: Any) -> None:
        was_on = gc.isenabled()
        gc.disable()
        try:
            build(*args, **more)
        finally:
            if was_on:
                gc.enable()

    return built


class PlantServer:
    """Serves a live run over OPC UA.

    Args:
        live: the live run; whoever made it runs and closes it.
        endpoint: `opc.tcp://HOST:PORT`; port 0 takes a free one.
        security: who may connect, see `opcua_server.access.security`.
        runs: folder for recordings that clients begin.
        scenario: turns the name that a client gives to Reset into a scenario.
        verdict: judges a run folder for a case.

    Attributes:
        url: where it listens, once started.

    Raises:
        BatchtwinError: the endpoint has another form.
    """

    @uncollected
    def __init__(self, live: LiveRun, endpoint: str, security: Security, *, limits: Limits | None = None, runs: Path = Path("runs"),
                 scenario: Callable[[str], Any] = no_scenario, verdict: Callable[[Path, str], str] = no_verdict) -> None:  # fmt: skip
        self.live, self.security, self.limits = live, security, limits or Limits()
        self.url, self._where = endpoint, place_of(endpoint)
        self.log = logging.getLogger("batchtwin.opcua")
        self.policies = security.policies
        self.board = Board(live.sim.plant.table)
        self.nodes = Nodes()
        self.methods = Methods(self.nodes)
        model.build(self.nodes, self.board, {n: m.species for n, m in live.sim.design.materials.items()})
        PlantMethods(self.nodes, self.methods, live, runs, scenario, verdict)
        self.attributes = Attributes(self.nodes, self.board, self._write_tag, self.methods.right)
        self.view = View(self.nodes, self.limits)
        self.sessions = Sessions(self.limits, self._session_ended)
        self.subscriptions = SubscriptionService(self.board, self.limits, tag_index=self.attributes.tag_index, read=self.attributes.read,
                                                 is_subtype=self.nodes.is_subtype, notifies=self.nodes.notifies)  # fmt: skip
        self.history = History(self)
        self.attributes.keeps, self.attributes.collects = self.history.keeps, self.history.collects
        self.services = Services(self)
        fill_standard(self)
        self._connections: dict[Connection, None] = {}  # in the order of their coming
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._show()
        self.alarms = Alarms(self)
        live.listeners.append(self._stepped)
        live.watch = lambda: self._scanned if self.subscriptions.closely else None

    # --- life -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            BatchtwinError: the address cannot be used.
        """
        host, port = self._where
        try:
            self._listener = await asyncio.get_running_loop().create_server(lambda: Connection(self), host, port)
        except OSError as error:
            raise cannot_listen(self.url, os.strerror(error.errno) if error.errno else str(error)) from None
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"opc.tcp://{f'[{host}]' if ':' in host else host}:{port}"
        self.audit("start", name=self.url)
        self.spawn(self._for_ever(self.subscriptions.run))
        self.spawn(self._for_ever(self._sweep))

    async def stop(self) -> None:
        """Close every connection and stop listening. The live run goes on."""
        self.live.listeners.remove(self._stepped)
        self.live.watch = lambda: None
        self.alarms.close()
        if self._listener is not None:
            self._listener.close()
        for session in list(self.sessions):
            self.sessions.close(session)
        for connection in list(self._connections):
            connection.close(Refused(Code.BadServerHalted, "the server stops"))
        for connection in list(self._connections):
            connection.abort()
        while self._tasks:  # again, as wait_for loses a cancellation that comes with its event (Python 3.11)
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(set(self._tasks), timeout=0.2)
        if self._listener is not None:
            await self._listener.wait_closed()
        self.audit("stop", name=self.url)
        self.security.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside; it ends with the server."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _for_ever(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run something that must not end, whatever goes wrong in it."""
        while True:
            try:
                await work()
            except Exception:
                self.log.exception("a task of the server failed")
            await asyncio.sleep(SWEEP_S)

    async def _sweep(self) -> None:
        """End the sessions whose time is over; done once a second."""
        self.sessions.sweep()

    # --- the plant ------------------------------------------------------------------------------------

    def _stepped(self) -> None:
        """The model has moved, or its state has changed."""
        self._show()
        self.subscriptions.step()

    def _scanned(self) -> None:
        """One of several scans has been played."""
        self._show()
        self.subscriptions.look()

    def _show(self) -> None:
        """Bring to the board what the tags show."""
        self.board.show(self.live.sim.image.values, filetime(self.live.clock))
        for name, value in self.live.sim.wished.items():  # what was written and the plant has not yet taken
            self.board.values[self.board.table.index(name)] = value
        if self.live.outside is not None:
            for index, value in self.live.outside.pending.items():
                self.board.values[index] = value

    def _write_tag(self, tag: Tag, value: float, session: Session) -> None:
        if session.controllers and self.live.lockstep.stale(session):
            session.last_error = "the run was begun anew; call Time.Next first"
            raise ua.UaStatusCodeError(Code.BadInvalidState)
        try:
            self.live.write(tag.name, value, session.who, controller=bool(session.controllers))
        except BatchtwinError as error:
            session.last_error = str(error)
            raise ua.UaStatusCodeError(Code.BadNotWritable if error.code == "E302" else Code.BadInvalidState) from None

    def write(self, items: list[ua.WriteValue], session: Session) -> list[int]:
        """Write values; returns a StatusCode each. The audit ledger has every one, with what stood there before."""
        old = [self._shown(item.NodeId) for item in items]
        codes = [self.attributes.write(item, session) for item in items]
        names = [item.NodeId.Identifier if item.NodeId.NamespaceIndex == NS else item.NodeId.to_string() for item in items]
        values = [item.Value.Value.Value if item.Value.Value is not None else None for item in items]
        self.audit("write", session, name=names, old=old, value=values, status=codes)
        return codes

    def _shown(self, node: ua.NodeId) -> float | None:
        """What a tag shows now; None for other nodes."""
        index = self.attributes.tag_index(node)
        return None if index is None else float(self.board.values[index])

    def call(self, request: ua.CallMethodRequest, session: Session) -> ua.CallMethodResult | Awaitable[ua.CallMethodResult]:
        """Call a method; noted in the audit ledger unless it is the steady Next of lock-step."""
        result = self.methods.call(request, session)
        ours = request.MethodId.NamespaceIndex == NS
        name = request.MethodId.Identifier if ours else f"{request.ObjectId.Identifier} {request.MethodId.to_string()}"
        if name != "Time.Next":
            status = result.StatusCode.value if isinstance(result, ua.CallMethodResult) else None
            self.audit("call", session, name=name, value=[v.Value for v in request.InputArguments or []], status=status)
        return result

    # --- clients --------------------------------------------------------------------------------------

    def connected(self, connection: Connection) -> bool:
        """A client has come; False when there are too many. The oldest one that has not logged in gives way."""
        if len(self._connections) >= self.limits.connections:
            idle = next((c for c in self._connections if not c.active), None)
            if idle is None:
                self.audit("refused", peer=connection.peer, name="too many connections", status=Code.BadTcpServerTooBusy)
                return False
            del self._connections[idle]
            idle.close(Refused(Code.BadTcpNotEnoughResources, "others wait for the place"))
        self._connections[connection] = None
        return True

    def disconnected(self, connection: Connection) -> None:
        """A client has gone; its session waits for it until its time is over."""
        self._connections.pop(connection, None)
        session = connection.session
        if session is not None and session.connection is connection:
            session.connection = None
            session.last = time.monotonic()
            self.subscriptions.disconnected(session)
            self.live.lockstep.gone(session)
            session.controllers.clear()
            if session.user is None:
                self.sessions.close(session)

    def activated(self, session: Session, user: User, connection: Connection) -> None:
        """Somebody has logged in, or is back."""
        before = session.connection
        if before is not None and before is not connection:
            self.subscriptions.disconnected(session)
            before.session = None
            before.close(Refused(Code.BadSecureChannelClosed, "the session goes on elsewhere"))
        session.connection, session.user = connection, user
        self.audit("login", session, name=session.name, status=0)

    async def identify(self, p: ua.ActivateSessionParameters, session: Session, policy: Any, peer: str) -> User:
        """See `Identity.user`; refusals are noted."""
        try:
            return await self.security.identity.user(p, session, policy, peer)
        except (ua.UaStatusCodeError, BatchtwinError) as error:
            if isinstance(error, BatchtwinError):  # the file of users is damaged: nobody can log in, and whoever runs the server must know
                self.log.error("%s", error)
            code = error.code if isinstance(error, ua.UaStatusCodeError) else int(Code.BadUserAccessDenied)
            self.sessions.rejected += 1
            token = p.UserIdentityToken
            name = getattr(token, "UserName", None) or thumbprint(getattr(token, "CertificateData", None) or b"")
            self.audit("login", session, name=name, status=code, peer=peer)
            raise ua.UaStatusCodeError(code) from None

    def _session_ended(self, session: Session, delete_subscriptions: bool) -> None:
        self.subscriptions.closed(session, delete_subscriptions)
        self.live.lockstep.gone(session)
        session.controllers.clear()
        self.audit("logout", session, name=session.name)

    def check_certificate(self, der: bytes, uri: str = "") -> None:
        """See `TrustList.check`."""
        self.security.check(der, uri)

    def nonce(self) -> bytes:
        """A fresh challenge."""
        return os.urandom(NONCE_BYTES)

    def audit(
        self,
        kind: Any,
        session: Session | None = None,
        peer: str = "",
        name: Any = None,
        old: Any = None,
        value: Any = None,
        status: Any = None,
    ) -> None:
        """Note something in the audit ledger, if one is kept."""
        ledger = self.security.audit
        if ledger is None:
            return
        who = session.who if session else ""
        number = session.session_id.Identifier if session else ""
        if session is not None and session.connection is not None:
            peer = peer or session.connection.peer
        ledger.record(kind, who, number, peer, name=name, old=old, value=value, status=status, sim_s=self.live.tick / 100)

    # --- discovery ------------------------------------------------------------------------------------

    def _reached_at(self, asked: str) -> str:
        """The URL by which the client reached us."""
        try:
            wanted, own = urlparse(asked[:1024]), urlparse(self.url)
            if wanted.scheme == "opc.tcp" and wanted.hostname and wanted.port in (None, own.port):
                return f"opc.tcp://{wanted.netloc.rpartition('@')[2]}"
        except ValueError:
            pass
        return self.url

    def description(self, asked: str) -> ua.ApplicationDescription:
        """Of this server."""
        return ua.ApplicationDescription(
            ApplicationUri=APPLICATION_URI, ProductUri="urn:batchtwin", ApplicationName=ua.LocalizedText("batchtwin", "en"),
            ApplicationType=ua.ApplicationType.Server, DiscoveryUrls=[self._reached_at(asked)],
        )  # fmt: skip

    def endpoints(self, asked: str) -> list[ua.EndpointDescription]:
        """One for each policy and mode on offer."""
        url, description = self._reached_at(asked), self.description(asked)
        out = []
        for p in self.policies:
            out.append(ua.EndpointDescription(
                EndpointUrl=url, Server=description, ServerCertificate=self.security.certificate, SecurityMode=p.mode, SecurityPolicyUri=p.cls.URI,
                UserIdentityTokens=self.security.token_policies(p.cls.URI), TransportProfileUri=TRANSPORT, SecurityLevel=LEVELS[p.mode.name.rstrip("_")],
            ))  # fmt: skip
        return out
