"""A PLC that is an OPC UA server only: variables of any type, and a program that runs whenever its trigger is written."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from asyncua import Server, ua

from control.reference import ReferenceController
from opcua_server.address.board import type_of
from opcua_server.clients.iomap import BEAT, Row, parse_node
from twin.tags import TagTable

URI = "urn:plc:test"
V = ua.VariantType


class SmallPlc:
    """One PLC.

    Args:
        nodes: type and first value by name; the NodeIds are `ns=2;s=NAME`.
        program: run when the node `Scan` is written; reads and writes `values`.

    Attributes:
        values: by name.
        status: StatusCodes that clients see, by name; Good where there is none.
        received: StatusCodes that clients have written, by name.
        derived: names of nodes whose type is derived from theirs, and not told by a value.
        refused: name of a node that takes nothing that is written.
        takes_status: whether a value may be written with a Bad status.
        requests: number of items in each request for the nodes, by service.
    """

    def __init__(self, nodes: Mapping[str, tuple[V, Any]], program: Callable[[SmallPlc], None] = lambda plc: None) -> None:
        self.nodes, self.program = dict(nodes), program
        self.values = {name: value for name, (_, value) in nodes.items()}
        self.status: dict[str, int] = {}
        self.received: dict[str, int] = {}
        self.takes_status = True
        self.derived: set[str] = set()
        self.refused = ""
        self.requests: dict[str, list[int]] = {"read": [], "write": []}
        self.port, self.index = 0, 2
        logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)

    async def attach(self, server: Server, **limits: int) -> None:
        """Put the nodes into a server."""
        self.server, self.index = server, await server.register_namespace(URI)
        for name, value in limits.items():
            node = server.get_node(ua.NodeId(getattr(ua.ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}")))
            await node.write_value(value, V.UInt32)
        for name in self.nodes:
            await self._add(name)
        self._watch()

    async def detach(self) -> None:
        """Take the nodes away."""
        await self.server.delete_nodes([self.node(name) for name in self.nodes])
        self._unwatch()

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    def node(self, name: str) -> Any:
        """A node of the server, e.g. to change its attributes."""
        return self.server.get_node(ua.NodeId(name, self.index))

    async def _add(self, name: str) -> None:
        kind, value = self.nodes[name]
        folder = self.server.nodes.objects
        if name in self.derived:
            word = await self.server.create_custom_data_type(self.index, f"{name}Type", ua.NodeId(kind.value))
            node = await folder.add_variable(ua.NodeId(name, self.index), name, ua.Variant(None, V.Null), datatype=word.nodeid)
        else:
            node = await folder.add_variable(ua.NodeId(name, self.index), name, ua.Variant(value, kind))
        if name != "Closed":
            await node.set_writable()

        def show(*_: Any) -> ua.DataValue:
            value = self.values[name]
            shown = ua.Variant() if value is None else ua.Variant(value, kind)
            return ua.DataValue(shown, ua.StatusCode(ua.UInt32(self.status.get(name, 0))))

        def take(data: Any, attribute: Any, value: ua.DataValue) -> None:
            self.received[name] = 0 if value.StatusCode is None else value.StatusCode.value
            if value.Value.Value is not None:
                self.values[name] = value.Value.Value
            if name == "Scan":
                self.program(self)

        self.server.set_attribute_value_callback(node.nodeid, show)
        self.server.set_attribute_value_setter(node.nodeid, take)

    def _watch(self) -> None:
        """Refuse a Bad status where that is asked for, and count the items of requests."""
        space, service = self.server.iserver.aspace, self.server.iserver.attribute_service
        write, all_read, all_written = space.write_attribute_value, service.read, service.write

        async def guarded(node: Any, attribute: Any, value: ua.DataValue) -> ua.StatusCode:
            if node == ua.NodeId(self.refused, self.index):
                return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadOutOfRange))
            if not self.takes_status and value.StatusCode is not None and value.StatusCode.is_bad():
                return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadWriteNotSupported))
            return await write(node, attribute, value)

        def note(kind: str, items: list[Any]) -> None:
            if all(item.NodeId.NamespaceIndex == self.index for item in items):  # not the library's own
                self.requests[kind].append(len(items))

        def read(parameters: ua.ReadParameters) -> Any:
            note("read", parameters.NodesToRead)
            return all_read(parameters)

        async def written(parameters: ua.WriteParameters, **more: Any) -> Any:
            note("write", parameters.NodesToWrite)
            return await all_written(parameters, **more)

        def unwatch() -> None:
            space.write_attribute_value, service.read, service.write = write, all_read, all_written

        space.write_attribute_value, service.read, service.write = guarded, read, written
        self._unwatch = unwatch

    def rows(self, **tags: str) -> list[Row]:
        """A map of tags to nodes, with a dot for each `__`; the trigger is mapped, too, if there is one."""
        pairs = [(tag.replace("__", "."), name) for tag, name in tags.items()] + ([(BEAT, "Scan")] if "Scan" in self.nodes else [])
        return [
            Row(tag, f"ns=2;s={name}", *parse_node(f"ns=2;s={name}"), where=f"map.csv:{n}: {tag}") for n, (tag, name) in enumerate(pairs, 2)
        ]


class ReferencePlc(SmallPlc):
    """A PLC that runs the reference controller, once for each exchange, on nodes named as the tags."""

    def __init__(self, table: TagTable, species: Mapping[str, str]) -> None:
        nodes: dict[str, tuple[V, Any]] = {}
        self.image = np.array(table.values)
        self.mapped = [(i, t.name, V(type_of(t))) for i, t in enumerate(table) if t.direction != "parameter"]
        cast = {V.Boolean: bool, V.Double: float, V.Int32: int, V.UInt32: int}
        nodes = {name: (kind, cast[kind](self.image[i])) for i, name, kind in self.mapped}
        controller = ReferenceController(table, species)
        parameters = [i for i, t in enumerate(table) if t.direction == "parameter"]
        own = self.image[parameters].copy()

        def program(plc: SmallPlc) -> None:
            self.image[:] = [plc.values.get(t.name, 0.0) for t in table]
            self.image[parameters] = own
            controller.scan(self.image, plc.values["Scan"] * 10)
            for i, name, kind in self.mapped:
                plc.values[name] = cast[kind](self.image[i])

        super().__init__({**nodes, "Scan": (V.UInt32, 0)}, program)


class Shop:
    """Where PLCs run: a thread and a loop of their own. Most share one server, which takes long to begin."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server, self._port = self._do(self._listen(0))

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _listen(self, port: int) -> tuple[Server, int]:
        server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
        await server.start()
        return server, server.bserver._server.sockets[0].getsockname()[1]

    @contextmanager
    def running(self, plc: SmallPlc) -> Iterator[SmallPlc]:
        """A PLC on the common server."""
        plc.port = self._port
        self._do(plc.attach(self._server))
        try:
            yield plc
        finally:
            self._do(plc.detach())

    def start(self, plc: SmallPlc, **limits: int) -> None:
        """A PLC on a server of its own, at the port of the last time if there was one."""

        async def go() -> None:
            server, plc.port = await self._listen(plc.port)
            await plc.attach(server, **limits)

        self._do(go())

    def stop(self, plc: SmallPlc) -> None:
        """Stop the server of one PLC."""
        self._do(plc.server.stop())

    def close(self) -> None:
        self._do(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


async def until(true: Callable[[], Any], what: str) -> None:
    """Wait until something is true, for twenty seconds at most."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.002)
    assert true(), what


__all__ = ["URI", "ReferencePlc", "Shop", "SmallPlc", "V", "until"]
