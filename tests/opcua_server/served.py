"""A plant that is served over a real socket, and clients that reach it; all of them on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.status_codes import get_name_and_doc
from asyncua.ua.ua_binary import struct_from_binary

from opcua_server.access.certificates import Own, own_certificate
from opcua_server.access.login import Throttle
from opcua_server.access.security import Security, insecure, secure
from opcua_server.access.users import UserStore
from opcua_server.address.nodes import NS
from opcua_server.protocol.limits import Limits
from opcua_server.server import PlantServer
from opcua_server.subscription.publishing import Pace
from scenarios.session import Session
from twin.design.load import load_design
from twin.design.schema import Design
from twin.errors import BatchtwinError

ENDPOINT = "opc.tcp://127.0.0.1:0"
CLIENT_URI = "urn:batchtwin:test"
ROLES = ("observer", "operator", "controller", "instructor", "admin")
PASSWORD = "correct horse"  # of every user; a user's name is their role
WAIT_S = 10.0
NAMES = [
    "Line1.Weigher.Cement.Gross",
    "Line1.Station.Start",
    "Line1.Station.Mode",
    "Line1.Bay.Order",
    "Line1.Bin.Sand1.LabMoisture",
    "Run.Scenario",
]
VALUES = [12.5, True, 2, 7, 3.25, "full-demand"]  # what `Served.record` lets these show
VALUE = ua.AttributeIds.Value
V = ua.VariantType


def here(name: str) -> ua.NodeId:
    """A node of the plant."""
    return ua.NodeId(name, NS)


def std(name: str) -> ua.NodeId:
    """A node of the standard's namespace, by its name."""
    return ua.NodeId(getattr(ua.ObjectIds, name))


def name_of(code: Any) -> str:
    """Name of a StatusCode."""
    return str(get_name_and_doc(getattr(code, "value", code))[0])


async def until(true: Callable[[], Any], what: str = "") -> None:
    """Wait until something is true, for ten seconds at most; everything else on the loop goes on."""
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while not true():
        assert asyncio.get_running_loop().time() < deadline, what or "it never came true"
        await asyncio.sleep(0.001)


@cache
def few_trucks(design: str = "hzs180", trucks: int = 6, slots: int = 4) -> Design:
    """A packaged design with few trucks and order slots: the others would be the same again, and take time."""
    whole = load_design(design)
    return whole.model_copy(update={"fleet": whole.fleet.model_copy(update={"trucks": trucks, "order_slots": slots})})


class Served:
    """A served plant.

    Attributes:
        live: the live run; its controller is outside, so every output can be written.
        folder: state folder of a secure server.
    """

    def __init__(
        self, security: Security, folder: Path, limits: Limits | None = None, design: str = "hzs180", dispatch: Any = None
    ) -> None:
        self.folder = folder
        self.live = Session("full-demand", few_trucks(design), seed=1, dispatch=dispatch)
        self.server = PlantServer(self.live, ENDPOINT, security, limits=limits, runs=folder / "runs")
        self._player: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return self.server.url

    async def start(self) -> None:
        await self.server.start()
        self._player = asyncio.ensure_future(self.live.run())

    async def stop(self) -> None:
        await self.server.stop()
        self.live.close()
        await self._player

    async def renew(self) -> None:
        """As it was at the start: nobody connected, time stands at zero, no login has failed."""
        if self.server.security.gate is not None:
            self.server.security.gate._throttle = Throttle()
        for session in list(self.server.sessions):
            self.server.sessions.close(session)
        for connection in list(self.server._connections):
            connection.close()
        await until(lambda: not self.server._connections, "a connection does not close")
        for ident in list(self.server.subscriptions._subscriptions):
            self.server.subscriptions._end(self.server.subscriptions._subscriptions[ident])
        self.server.subscriptions._pace = Pace()
        self.live.lockstep.close()
        self.live.lockstep.lost, self.live.lockstep.timeout_s = "", WAIT_S
        self.live.set_speed("1")
        self.live.reset(seed=1)

    def show(self, **values: float) -> None:
        """Put readings into the process image, as if the plant had; dots of names are written as two underscores."""
        for name, value in values.items():
            self.live.sim.image.values[self.live.sim.plant.table.index(name.replace("__", "."))] = value
        self.live.told()

    def record(self, folder: Path) -> None:
        """Begin a run that is recorded, with known values."""
        self.live.reset(seed=1, out=folder)
        self.show(**{name.replace(".", "__"): value for name, value in zip(NAMES[:-1], VALUES[:-1], strict=True)})

    def hash(self) -> str:
        """Hash of the plant's state."""
        return self.live.sim.plant.hash()

    @asynccontextmanager
    async def client(self, user: str = "", password: str = PASSWORD, *, own: Own | None = None, mode: Any = ua.MessageSecurityMode.SignAndEncrypt,
                     policy: Any = SecurityPolicyBasic256Sha256, locales: tuple[str, ...] = (), uri: str = CLIENT_URI, certificate: Own | None = None,
                     **how: Any) -> AsyncIterator[Peer]:  # fmt: skip
        """A client that is logged in; over policy None where it has neither user nor certificate.

        Args:
            own: certificate of the client, one that the server trusts when left out.
            certificate: of the user, instead of a name.
        """
        client = Client(self.url, timeout=WAIT_S, **how)
        client.application_uri, client.session_timeout = uri, 60_000
        client._watchdog_intervall = 3600.0
        if locales:
            client.set_locale(list(locales))
        if user or own or certificate:
            own = own or self.own()
            await client.set_security(policy, str(own.certificate), str(own.key), mode=mode)
        if user:
            client.set_user(user)
            client.set_password(password)
        if certificate:
            await client.load_client_certificate(str(certificate.certificate))
            await client.load_private_key(str(certificate.key))
        await client.connect()
        try:
            yield Peer(client)
        finally:
            await quietly(client.disconnect())

    def own(self) -> Own:
        """A client's certificate that the server trusts, as it lies in the same state folder."""
        return own_certificate(self.folder, CLIENT_URI, ["localhost"], "client")


async def quietly(work: Any) -> None:
    """Do something that may fail, such as leaving a connection that the server has ended."""
    with suppress(Exception):
        await asyncio.wait_for(work, WAIT_S)


def insecure_plant(folder: Path, limits: Limits | None = None) -> Served:
    return Served(insecure(ENDPOINT), folder, limits)


def secure_plant(folder: Path) -> Served:
    """With a user of each role, named as the role."""
    store = UserStore(folder / "users.json")
    for role in ROLES:
        store.add(role, role, PASSWORD)
    return Served(secure(ENDPOINT, folder), folder)


def tables(folder: Path) -> dict[str, pa.Table]:
    """All tables of a run but the commands (who joined and left stands there), parts put together, texts as such."""
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name != "commands")
    return {name: _plain(pa.concat_tables([pq.read_table(part) for part in sorted((folder / name).glob("*.parquet"))])) for name in names}


def _plain(table: pa.Table) -> pa.Table:
    return table.cast(pa.schema([(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]))


class Peer:
    """A client and its requests; StatusCodes are told by name."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @property
    def protocol(self) -> Any:
        return self.client.uaclient.protocol

    async def send(self, service: str, **parameters: Any) -> Any:
        """Any service; returns its response, or the name of the StatusCode that refuses it."""
        request = getattr(ua, f"{service}Request")()
        into = request.Parameters if hasattr(request, "Parameters") else request
        for name, value in parameters.items():
            assert hasattr(into, name), f"{service} has no {name}"
            setattr(into, name, value)
        try:
            data = await self.protocol.send_request(request, WAIT_S)
        except ua.UaStatusCodeError as error:
            return name_of(error.code)
        response = struct_from_binary(getattr(ua, f"{service}Response"), data)
        assert len(data) == 0, "bytes are left over"
        return response

    async def value(self, node: str | ua.NodeId, attribute: int = VALUE, index_range: str | None = None) -> ua.DataValue:
        """One attribute."""
        item = ua.ReadValueId(here(node) if isinstance(node, str) else node, attribute, index_range)
        answer = await self.send("Read", NodesToRead=[item], TimestampsToReturn=ua.TimestampsToReturn.Both)
        return answer.Results[0]

    async def read(self, node: str | ua.NodeId, attribute: int = VALUE, index_range: str | None = None) -> Any:
        """One attribute's value, or the name of its StatusCode where there is none."""
        got = await self.value(node, attribute, index_range)
        return name_of(got.StatusCode) if got.StatusCode.is_bad() else got.Value.Value

    async def write(
        self, node: str | ua.NodeId, value: Any, kind: V | None = None, index_range: str | None = None, attribute: int = VALUE
    ) -> str:
        """Write an attribute; returns the name of the StatusCode."""
        item = ua.WriteValue(here(node) if isinstance(node, str) else node, attribute, index_range, ua.DataValue(ua.Variant(value, kind)))
        answer = await self.send("Write", NodesToWrite=[item])
        return name_of(answer.Results[0])

    async def call(self, method: str, *arguments: Any, owner: str = "") -> Any:
        """Call `Object.Method`; returns the list of its outputs, or the name of the StatusCode."""
        variants = [a if isinstance(a, ua.Variant) else ua.Variant(a) for a in arguments]
        request = ua.CallMethodRequest(here(owner or method.rsplit(".", 1)[0]), here(method), variants)
        answer = await self.send("Call", MethodsToCall=[request])
        (result,) = answer.Results
        return [v.Value for v in result.OutputArguments] if result.StatusCode.is_good() else name_of(result.StatusCode)

    async def subscribe(
        self, *names: str, interval: float = 20.0, keep_alive: int = 1000, lifetime: int = 10_000, most: int = 0, **how: Any
    ) -> int:
        """A subscription with an item for each node, client handles 0, 1, …; returns its id. Publish is left to the caller."""
        answer = await self.send(
            "CreateSubscription", RequestedPublishingInterval=interval, RequestedLifetimeCount=lifetime, RequestedMaxKeepAliveCount=keep_alive,
            MaxNotificationsPerPublish=most, PublishingEnabled=True,
        )  # fmt: skip
        ident = answer.Parameters.SubscriptionId
        if names:
            results = await self.monitor(ident, *names, **how)
            assert [name_of(r.StatusCode) for r in results] == ["Good"] * len(names)
        return ident

    async def subscribe_refused(self) -> str:
        """StatusCode of a subscription too many."""
        answer = await self.send(
            "CreateSubscription", RequestedPublishingInterval=1000.0, RequestedLifetimeCount=30, RequestedMaxKeepAliveCount=10
        )
        return answer if isinstance(answer, str) else "Good"

    async def monitor(self, subscription: int, *nodes: str | ua.NodeId, first: int = 0, **how: Any) -> list[ua.MonitoredItemCreateResult]:
        """Items on nodes' values, client handles from `first` on."""
        items = [item(node, first + i, **how) for i, node in enumerate(nodes)]
        answer = await self.send("CreateMonitoredItems", SubscriptionId=subscription, TimestampsToReturn=2, ItemsToCreate=items)
        return answer.Results

    async def publish(self, *acks: tuple[int, int]) -> Any:
        """The next message: `Published`, or the name of the StatusCode."""
        given = [ua.SubscriptionAcknowledgement(*a) for a in acks]
        answer = await self.send("Publish", SubscriptionAcknowledgements=given)
        return answer if isinstance(answer, str) else Published(answer.Parameters)


class Published:
    """What a publish request was answered."""

    def __init__(self, p: Any) -> None:
        self.subscription, self.more = p.SubscriptionId, p.MoreNotifications
        self.results = [name_of(r) for r in p.Results or []]
        self.available = list(p.AvailableSequenceNumbers or [])
        self.sequence = p.NotificationMessage.SequenceNumber
        self.notifications = list(p.NotificationMessage.NotificationData or [])

    @property
    def items(self) -> list[Any]:
        return [i for n in self.notifications if isinstance(n, ua.DataChangeNotification) for i in n.MonitoredItems]

    @property
    def data(self) -> list[tuple[int, Any]]:
        """(client handle, value) in order; the name of a Bad status stands for a missing value."""
        return [(i.ClientHandle, name_of(i.Value.StatusCode) if i.Value.StatusCode.is_bad() else i.Value.Value.Value) for i in self.items]


def item(node: str | ua.NodeId, handle: int = 0, *, mode: Any = ua.MonitoringMode.Reporting, interval: float = 0.0, filter_: Any = None, queue: int = 1,
         oldest: bool = True) -> ua.MonitoredItemCreateRequest:  # fmt: skip
    """A MonitoredItemCreateRequest on a node's value."""
    read = ua.ReadValueId(here(node) if isinstance(node, str) else node, VALUE)
    return ua.MonitoredItemCreateRequest(read, mode, ua.MonitoringParameters(handle, interval, filter_, queue, oldest))


__all__ = [
    "BatchtwinError",
    "Peer",
    "Published",
    "Served",
    "here",
    "insecure_plant",
    "item",
    "name_of",
    "quietly",
    "secure_plant",
    "tables",
    "std",
    "until",
]
