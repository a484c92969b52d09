"""The services that need a session, by the number of their request: decode, do, encode."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from asyncua import ua
from asyncua.ua.ua_binary import list_to_binary, struct_from_binary, struct_to_binary

from opcua_server.protocol import wire
from opcua_server.protocol.fastread import FastRead, rest
from opcua_server.protocol.fastwrite import FastWrite
from opcua_server.protocol.sessions import Session
from opcua_server.protocol.wire import NO_LIST, Request, head, results
from opcua_server.subscription import notify
from opcua_server.subscription.subscriptions import PublishRequest

if TYPE_CHECKING:
    from opcua_server.server import PlantServer

AT_ONCE = 20  # nodes to browse, paths to follow
PIECE_S = 0.008  # wall time that others wait for one of the many results of a request

Code = ua.StatusCodes
o = ua.ObjectIds
Handler = Callable[[Session, Request, Any, Callable[[bytes], None]], bytes | None]


class Service(NamedTuple):
    """One service: how its parameters are decoded, and what answers it."""

    name: str
    parameters: Any
    handle: Handler


def refuse(code: int) -> ua.UaStatusCodeError:
    """The error for a whole service."""
    return ua.UaStatusCodeError(code)


class Services:
    """Answers requests of activated sessions."""

    def __init__(self, server: PlantServer) -> None:
        self.server = server
        self.limits = server.limits
        self.fast_read, self.fast_write = FastRead(server.board, server.attributes.tag_index), FastWrite(server)
        s = server.subscriptions
        self.table: dict[int, Service] = {}
        self._add("Read", ua.ReadParameters, self._read)
        self._add("Write", ua.WriteParameters, self._write)
        self._add("Browse", ua.BrowseParameters, self._browse)
        self._add("BrowseNext", ua.BrowseNextParameters, self._browse_next)
        self._add("TranslateBrowsePathsToNodeIds", ua.TranslateBrowsePathsToNodeIdsParameters, self._translate)
        self._add("RegisterNodes", ua.RegisterNodesParameters, self._register)
        self._add(
            "UnregisterNodes",
            ua.UnregisterNodesParameters,
            lambda session, r, p, respond: head(o.UnregisterNodesResponse_Encoding_DefaultBinary, r.handle),
        )
        self._add("HistoryRead", ua.HistoryReadParameters, self._history)
        self._add("Call", ua.CallParameters, self._call)
        self._add("CreateSubscription", ua.CreateSubscriptionParameters, self._structure("CreateSubscription", s.create))
        self._add("ModifySubscription", ua.ModifySubscriptionParameters, self._structure("ModifySubscription", s.modify))
        self._add(
            "DeleteSubscriptions",
            ua.DeleteSubscriptionsParameters,
            self._codes("DeleteSubscriptions", lambda n, p: s.delete(n, p.SubscriptionIds)),
        )
        self._add("SetPublishingMode", ua.SetPublishingModeParameters,
                  self._codes("SetPublishingMode", lambda n, p: s.set_publishing_mode(n, p.PublishingEnabled, p.SubscriptionIds)))  # fmt: skip
        self._add("TransferSubscriptions", ua.TransferSubscriptionsParameters, self._transfer)
        self._add(
            "CreateMonitoredItems",
            ua.CreateMonitoredItemsParameters,
            self._items("CreateMonitoredItems", ua.MonitoredItemCreateResult, s.create_items),
        )
        self._add(
            "ModifyMonitoredItems",
            ua.ModifyMonitoredItemsParameters,
            self._items("ModifyMonitoredItems", ua.MonitoredItemModifyResult, s.modify_items),
        )
        self._add("DeleteMonitoredItems", ua.DeleteMonitoredItemsParameters, self._codes("DeleteMonitoredItems", s.delete_items))
        self._add("SetMonitoringMode", ua.SetMonitoringModeParameters, self._codes("SetMonitoringMode", s.set_monitoring_mode))
        self._add("SetTriggering", ua.SetTriggeringParameters, self._triggering)
        self._add("Publish", ua.PublishParameters, self._publish)
        self._add("Republish", ua.RepublishParameters, self._republish)

    def _add(self, name: str, parameters: Any, handle: Handler) -> None:
        self.table[getattr(o, f"{name}Request_Encoding_DefaultBinary")] = Service(name, parameters, handle)

    def handle(self, session: Session, request: Request, respond: Callable[[bytes], None]) -> None:
        """Answer one request, at once or later.

        Raises:
            ua.UaStatusCodeError: the service as a whole is refused.
        """
        short = {READ_REQUEST: (READ_RESPONSE, "Read"), WRITE_REQUEST: (WRITE_RESPONSE, "Write")}.get(request.type)
        whole = rest(request.body) if short else b""
        if short:
            answer = self.fast_read.answer(whole) if request.type == READ_REQUEST else self.fast_write.answer(whole, session)
            if answer is not None:
                session.counts[short[1]] = session.counts.get(short[1], 0) + 1
                respond(head(short[0], request.handle) + answer)
                return
        service = self.table.get(request.type)
        if service is None:
            raise refuse(Code.BadServiceUnsupported)
        session.counts[service.name] = session.counts.get(service.name, 0) + 1
        try:
            parameters = struct_from_binary(service.parameters, request.body)
        except ua.UaStatusCodeError:
            raise
        except Exception:
            raise refuse(Code.BadDecodingError) from None
        body = service.handle(session, request, parameters, respond)
        if body is not None:
            respond(body)
        if request.type == READ_REQUEST:
            self.fast_read.learn(whole, parameters)
        elif request.type == WRITE_REQUEST:
            self.fast_write.learn(whole)

    def _check(self, items: list[Any] | None) -> list[Any]:
        if not items:
            raise refuse(Code.BadNothingToDo)
        if len(items) > self.limits.nodes_per_call:
            raise refuse(Code.BadTooManyOperations)
        return items

    def _encoded(self, count: int, found: Iterable[Any]) -> Iterator[bytes]:
        """A list of results and no diagnostics, piece by piece; refused as soon as it is too much for one response."""
        size = 0
        yield count.to_bytes(4, "little")
        for result in found:
            part = struct_to_binary(result)
            size += len(part)
            if size > self.limits.response_bytes:
                raise refuse(Code.BadResponseTooLarge)
            yield part
        yield NO_LIST

    def _by_pieces(
        self, session: Session, r: Request, number: int, count: int, found: Iterable[Any], respond: Callable[[bytes], None]
    ) -> bytes | None:
        """A few results are answered at once; many of them make pauses, in which the plant goes on and others are served."""
        pieces = self._encoded(count, found)
        if count <= AT_ONCE:
            return head(number, r.handle) + b"".join(pieces)
        self._check_pending(session)

        async def answer() -> bytes:
            parts, enough = [head(number, r.handle)], time.monotonic() + PIECE_S
            for part in pieces:
                parts.append(part)
                if time.monotonic() > enough:
                    await asyncio.sleep(0)
                    enough = time.monotonic() + PIECE_S
            return b"".join(parts)

        self._later(session, r, answer(), respond)
        return None

    # --- attributes and views -------------------------------------------------------------------------

    def _read(self, session: Session, r: Request, p: ua.ReadParameters, _: Any) -> bytes:
        if p.TimestampsToReturn not in range(4):
            raise refuse(Code.BadTimestampsToReturnInvalid)
        if not p.MaxAge >= 0:
            raise refuse(Code.BadMaxAgeInvalid)
        read = self.server.attributes.read
        source, server = p.TimestampsToReturn in (0, 2), p.TimestampsToReturn in (1, 2)

        def values() -> Iterator[ua.DataValue]:
            for item in items:
                v = read(item, session)
                if item.AttributeId != ua.AttributeIds.Value or not (source and server):
                    shown = item.AttributeId == ua.AttributeIds.Value
                    v = dataclasses.replace(
                        v,
                        SourceTimestamp=v.SourceTimestamp if source and shown else None,
                        ServerTimestamp=v.ServerTimestamp if server else None,
                    )
                yield v

        items = self._check(p.NodesToRead)
        return head(READ_RESPONSE, r.handle) + b"".join(self._encoded(len(items), values()))

    def _write(self, session: Session, r: Request, p: ua.WriteParameters, _: Any) -> bytes:
        items = self._check(p.NodesToWrite)
        codes = self.server.write(items, session)
        return head(WRITE_RESPONSE, r.handle) + list_to_binary(ua.UInt32, codes) + NO_LIST

    def _browse(self, session: Session, r: Request, p: ua.BrowseParameters, respond: Callable[[bytes], None]) -> bytes | None:
        if p.View is not None and p.View.ViewId is not None and not p.View.ViewId.is_null():
            raise refuse(Code.BadViewIdUnknown)
        view, nodes = self.server.view, self._check(p.NodesToBrowse)
        work = view.begin()
        found = (view.browse(d, p.RequestedMaxReferencesPerNode, session, work) for d in nodes)
        return self._by_pieces(session, r, o.BrowseResponse_Encoding_DefaultBinary, len(nodes), found, respond)

    def _browse_next(self, session: Session, r: Request, p: ua.BrowseNextParameters, _: Any) -> bytes:
        found = [self.server.view.next(point, p.ReleaseContinuationPoints, session) for point in self._check(p.ContinuationPoints)]
        return results(o.BrowseNextResponse_Encoding_DefaultBinary, r.handle, ua.BrowseResult, found)

    def _translate(self, session: Session, r: Request, p: Any, respond: Callable[[bytes], None]) -> bytes | None:
        view, paths = self.server.view, self._check(p.BrowsePaths)
        work = view.begin()
        found = (view.translate(path, work) for path in paths)
        return self._by_pieces(session, r, o.TranslateBrowsePathsToNodeIdsResponse_Encoding_DefaultBinary, len(paths), found, respond)

    def _register(self, session: Session, r: Request, p: Any, _: Any) -> bytes:
        """Our NodeIds are short and looked up fast as they are."""
        nodes = self._check(p.NodesToRegister)
        return head(o.RegisterNodesResponse_Encoding_DefaultBinary, r.handle) + list_to_binary(ua.NodeId, nodes)

    # --- history and methods --------------------------------------------------------------------------

    def _history(self, session: Session, r: Request, p: ua.HistoryReadParameters, respond: Callable[[bytes], None]) -> None:
        self._check(p.NodesToRead)
        self._check_pending(session)

        async def answer() -> bytes:
            found = await self.server.history.read(p, session)
            return b"".join(
                (head(o.HistoryReadResponse_Encoding_DefaultBinary, r.handle), len(found).to_bytes(4, "little"), *found, NO_LIST)
            )

        self._later(session, r, answer(), respond)

    def _call(self, session: Session, r: Request, p: ua.CallParameters, respond: Callable[[bytes], None]) -> bytes | None:
        requests, number = self._check(p.MethodsToCall), o.CallResponse_Encoding_DefaultBinary
        self._check_pending(session)
        first = self.server.call(requests[0], session)
        if len(requests) == 1 and not inspect.isawaitable(first):
            return results(number, r.handle, ua.CallMethodResult, [first])

        async def answer() -> bytes:
            """One after the other; in between the server serves others."""
            done = [await first if inspect.isawaitable(first) else first]
            for request in requests[1:]:
                await asyncio.sleep(0)
                if session.connection is None:
                    raise refuse(Code.BadSessionClosed)
                found = self.server.call(request, session)
                done.append(await found if inspect.isawaitable(found) else found)
            return results(number, r.handle, ua.CallMethodResult, done)

        self._later(session, r, answer(), respond)
        return None

    def _later(self, session: Session, r: Request, answer: Any, respond: Callable[[bytes], None]) -> None:
        """Answer when it is done; meanwhile the connection serves other requests."""
        session.pending += 1

        async def run() -> None:
            try:
                respond(await answer)
            except ua.UaStatusCodeError as error:
                respond(wire.fault(r.handle, error.code))
            except asyncio.CancelledError:
                respond(wire.fault(r.handle, Code.BadRequestCancelledByClient))
                raise
            except Exception:
                self.server.log.exception("a request of %s failed", session.who)
                respond(wire.fault(r.handle, Code.BadInternalError))
            finally:
                session.pending -= 1

        self.server.spawn(run())

    def _check_pending(self, session: Session) -> None:
        if session.pending >= self.limits.pending_requests:
            raise refuse(Code.BadTooManyOperations)

    # --- subscriptions --------------------------------------------------------------------------------

    def _structure(self, name: str, do: Callable[[Session, Any], Any]) -> Handler:
        number = getattr(o, f"{name}Response_Encoding_DefaultBinary")
        return lambda session, r, p, _: head(number, r.handle) + struct_to_binary(do(session, p))

    def _items(self, name: str, kind: Any, do: Callable[[Session, Any], list[Any]]) -> Handler:
        number = getattr(o, f"{name}Response_Encoding_DefaultBinary")
        return lambda session, r, p, _: results(number, r.handle, kind, do(session, p))

    def _codes(self, name: str, do: Callable[[Session, Any], list[ua.StatusCode]]) -> Handler:
        number = getattr(o, f"{name}Response_Encoding_DefaultBinary")
        return lambda session, r, p, _: results(number, r.handle, ua.StatusCode, do(session, p))

    def _transfer(self, session: Session, r: Request, p: ua.TransferSubscriptionsParameters, _: Any) -> bytes:
        moved = self.server.subscriptions.transfer(session, p.SubscriptionIds, p.SendInitialValues)
        return results(o.TransferSubscriptionsResponse_Encoding_DefaultBinary, r.handle, ua.TransferResult, moved)

    def _triggering(self, session: Session, r: Request, p: ua.SetTriggeringParameters, _: Any) -> bytes:
        done = self.server.subscriptions.set_triggering(session, p)
        body = b"".join(list_to_binary(ua.StatusCode, codes) + NO_LIST for codes in (done.AddResults, done.RemoveResults))
        return head(o.SetTriggeringResponse_Encoding_DefaultBinary, r.handle) + body

    def _publish(self, session: Session, r: Request, p: ua.PublishParameters, respond: Callable[[bytes], None]) -> None:
        acks = p.SubscriptionAcknowledgements or []
        self.server.subscriptions.publish(session, PublishRequest(r.handle, r.timeout_ms, acks, respond))

    def _republish(self, session: Session, r: Request, p: ua.RepublishParameters, _: Any) -> bytes:
        message = self.server.subscriptions.republish(session, p.SubscriptionId, p.RetransmitSequenceNumber)
        return notify.republish_response(r.handle, message)


WRITE_REQUEST, WRITE_RESPONSE = o.WriteRequest_Encoding_DefaultBinary, o.WriteResponse_Encoding_DefaultBinary
READ_REQUEST, READ_RESPONSE = o.ReadRequest_Encoding_DefaultBinary, o.ReadResponse_Encoding_DefaultBinary
