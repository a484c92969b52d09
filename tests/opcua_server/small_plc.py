"""A PLC that is an OPC UA server only: variables of any type, and a program that runs whenever its trigger is written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from asyncua import Server, ua

from control.reference import ReferenceController
from opcua_server.board import type_of
from opcua_server.iomap import BEAT, Row, parse_node
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
        takes_status: whether a value may be written with a Bad status.
        requests: number of items in each request for the nodes, by service.
    """

    def __init__(self, nodes: Mapping[str, tuple[V, Any]], program: Callable[[SmallPlc], None] = lambda plc: None) -> None:
        self.nodes, self.program = dict(nodes), program
        self.values = {name: value for name, (_, value) in nodes.items()}
        self.status: dict[str, int] = {}
        self.received: dict[str, int] = {}
        self.takes_status = True
        self.requests: dict[str, list[int]] = {"read": [], "write": []}
        self.port = 0
        logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)

    async def start(self, **limits: int) -> None:
        """Listen, at the port of the last time if there was one."""
        self.server = Server()
        await self.server.init()
        self.server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}")
        self.index = await self.server.register_namespace(URI)
        for name, value in limits.items():
            node = self.server.get_node(ua.NodeId(getattr(ua.ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}")))
            await node.write_value(value, V.UInt32)
        for name in self.nodes:
            await self._add(name)
        self._watch()
        await self.server.start()
        self.port = self.server.bserver._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self.server.stop()

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    def node(self, name: str) -> Any:
        """A node of the server, e.g. to change its attributes."""
        return self.server.get_node(ua.NodeId(name, self.index))

    async def _add(self, name: str) -> None:
        kind, value = self.nodes[name]
        node = await self.server.nodes.objects.add_variable(ua.NodeId(name, self.index), name, ua.Variant(value, kind))
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

        space.write_attribute_value, service.read, service.write = guarded, read, written

    def rows(self, **tags: str) -> list[Row]:
        """A map of tags to nodes, with a dot for each `__`; the trigger is mapped, too, if there is one."""
        pairs = [(tag.replace("__", "."), name) for tag, name in tags.items()] + ([(BEAT, "Scan")] if "Scan" in self.nodes else [])
        return [Row(tag, f"ns=2;s={name}", *parse_node(f"ns=2;s={name}"), where=f"map.csv:{n}: {tag}") for n, (tag, name) in enumerate(pairs, 2)]


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


async def until(true: Callable[[], Any], what: str) -> None:
    """Wait until something is true, for twenty seconds at most."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.002)
    assert true(), what


__all__ = ["URI", "ReferencePlc", "SmallPlc", "V", "until"]
