"""The client side: connecting to an OPC UA server as our tools do, with one clear line when it cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.uaerrors import UaStatusCodeError

from opcua_server.address.nodes import NAMESPACE
from twin.errors import BatchtwinError

CLIENT_URI = "urn:batchtwin:client"
# A server closes a long run, and begins another, without answering meanwhile; on a busy machine that takes a while.
TIMEOUT_S = 120.0
WATCH_S = 60.0  # between the library's looks whether the server is alive, and how long it may take to answer
SESSION_MS = 300_000


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in; without a name there is no security."""

    user: str = ""
    password: str = ""
    server_certificate: Path | None = None


@asynccontextmanager
async def connected(url: str, login: Login | None = None, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Client]:
    """A client that is connected.

    Raises:
        BatchtwinError: the server does not answer, or refuses us.
    """
    client = Client(url, timeout=timeout_s, watchdog_intervall=WATCH_S)
    client.session_timeout = SESSION_MS
    client.application_uri = CLIENT_URI
    try:
        if login and login.user:
            await _secure(client, login)
        await client.connect()
    except (OSError, TimeoutError) as error:
        raise BatchtwinError(
            "E401", problem=f"no OPC UA server answers at {url} ({str(error) or 'timeout'})", mend="start it, or give its right address"
        ) from None
    except UaStatusCodeError as error:
        why = f"{url} refuses the connection ({type(error).__name__})"
        raise BatchtwinError("E401", problem=why, mend="check user, password and that both sides trust the other's certificate") from None
    except (ua.UaError, ValueError, ConnectionError) as error:
        raise BatchtwinError("E401", problem=f"cannot connect to {url} ({error})", mend="check the endpoint") from None
    try:
        yield client
    finally:
        with suppress(Exception):
            await client.disconnect()


async def _secure(client: Client, login: Login) -> None:
    """Sign and encrypt, and log in by name."""
    from opcua_server.access.certificates import own_certificate
    from opcua_server.access.state import state_folder

    own = own_certificate(state_folder(), CLIENT_URI, ["localhost"], "client")
    client.set_user(login.user)
    client.set_password(login.password)
    server = str(login.server_certificate) if login.server_certificate else None
    await client.set_security(SecurityPolicyBasic256Sha256, str(own.certificate), str(own.key), server_certificate=server)


class Place(NamedTuple):
    """A node, or the elements of an array between two indices (`0:7`, `3`)."""

    name: str
    index_range: str | None = None

    def __str__(self) -> str:
        return self.name if self.index_range is None else f"{self.name}[{self.index_range}]"


class Twin:
    """A served twin, seen by a client: nodes by their names.

    Args:
        client: connected.
        index: of our namespace on that server.
    """

    def __init__(self, client: Client, index: int) -> None:
        self.client, self._index = client, index

    @classmethod
    async def of(cls, client: Client) -> Twin:
        """Find our namespace.

        Raises:
            BatchtwinError: the server is none of ours.
        """
        try:
            return cls(client, await client.get_namespace_index(NAMESPACE))
        except ValueError:
            raise BatchtwinError("E401", problem=f"the server has no namespace {NAMESPACE}", mend="connect to 'batchtwin serve'") from None

    def node(self, name: str) -> Any:
        """Node by name, e.g. `Time.State`."""
        return self.client.get_node(ua.NodeId(name, self._index))

    async def read(self, *names: str) -> list[Any]:
        """Values of several nodes; None where the status is Bad."""
        values = await self.client.uaclient.read_attributes([ua.NodeId(n, self._index) for n in names], ua.AttributeIds.Value)
        return [v.Value.Value if v.Value is not None and v.StatusCode.is_good() else None for v in values]

    async def call(self, method: str, *arguments: ua.Variant) -> list[Any]:
        """Call `Object.Method`; returns its outputs.

        Raises:
            BatchtwinError: it was refused; the server's reason stands in the line.
        """
        owner = self.node(method.rsplit(".", 1)[0])
        request = ua.CallMethodRequest(owner.nodeid, ua.NodeId(method, self._index), list(arguments))
        (result,) = await self.client.uaclient.call([request])
        if not result.StatusCode.is_good():
            (why,) = await self.read("Run.LastError")
            raise BatchtwinError(
                "E401",
                problem=f"{method} was refused ({result.StatusCode.name}): {why or 'no reason given'}",
                mend="mend that and try again",
            )
        return [v.Value for v in result.OutputArguments]

    async def write(self, values: Mapping[Place, ua.Variant]) -> list[ua.StatusCode]:
        """Write several values, or parts of arrays, in one request; none when there are none."""
        if not values:
            return []
        request = ua.WriteParameters()
        request.NodesToWrite = [
            ua.WriteValue(ua.NodeId(p.name, self._index), ua.AttributeIds.Value, p.index_range, ua.DataValue(v)) for p, v in values.items()
        ]
        return list(await self.client.uaclient.write(request))
