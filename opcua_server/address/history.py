"""HistoryRead (OPC 10000-11): raw values, values at times and aggregates of any recorded tag, from the record of the run.

Times are simulated. Reading and encoding happen beside the event loop; an answer is bounded, the rest comes with
continuation points.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from asyncua import ua

from opcua_server.address.attributes import EPOCH, span
from opcua_server.address.board import BOOLEAN, filetime, type_of
from opcua_server.address.nodes import o, std
from opcua_server.address.series import AGGREGATES, Record, Series, Walk, encoded
from opcua_server.protocol.sessions import Session
from scenarios.recent import Past
from twin.clock import TICKS_PER_S
from twin.tags import Tag

if TYPE_CHECKING:
    from opcua_server.server import PlantServer

Code = ua.StatusCodes
GATHER_SHARE = 0.05  # of a running plant's time that bringing the newest rows to the record may take
MS = 10_000  # 100 ns in a millisecond
_DATA = struct.Struct("<BBHBi")  # an ExtensionObject's head: NodeId of four bytes, binary body of some length
_NULL = b"\xff\xff\xff\xff"
DEFAULTS = ua.AggregateConfiguration(False, True, 100, 100, False)

Answer = tuple[Series, Walk | None]
Read = Callable[[Record, int], Answer]  # of a record, so many values at most


class Point(NamedTuple):
    """What a continuation point stands for."""

    node: ua.NodeId
    past: object  # of which run
    walk: Walk


@dataclass(slots=True)
class Job:
    """What is to be read of one node, and what came of it."""

    item: ua.HistoryReadValueId
    tag: Tag | None = None
    read: Read | None = None
    status: int = 0
    body: bytes | None = None
    rest: Walk | None = None
    point: bytes = b""

    def result(self) -> bytes:
        """A HistoryReadResult."""
        head = self.status.to_bytes(4, "little") + (len(self.point).to_bytes(4, "little") + self.point if self.point else _NULL)
        if self.body is None:
            return head + b"\x00\x00\x00"
        return head + _DATA.pack(1, 0, o.HistoryData_Encoding_DefaultBinary, 1, len(self.body)) + self.body


def refused(code: int) -> ua.UaStatusCodeError:
    """The error that refuses one node, or all."""
    return ua.UaStatusCodeError(code)


def wire_time(moment: datetime) -> int | None:
    """A client's time in 100 ns since 1601, None where it gives none."""
    naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    since = naive - EPOCH
    ticks = (since.days * 86_400 + since.seconds) * 10_000_000 + since.microseconds * 10
    return ticks if ticks > 0 else None


class History:
    """Answers HistoryRead."""

    def __init__(self, server: PlantServer) -> None:
        self._server, self._live = server, server.live
        self._one = asyncio.Lock()  # a client that asks for much makes others wait, not the plant
        self._gather_at = 0.0
        self._gathered: tuple[object, int] = None, -1  # of which run, up to when
        nodes, limits = server.nodes, server.limits
        yes = {o.HistoryServerCapabilities_AccessHistoryDataCapability}
        for name in ("AccessHistoryData", "AccessHistoryEvents", "InsertData", "ReplaceData", "UpdateData", "DeleteRaw", "DeleteAtTime",
                     "InsertEvent", "ReplaceEvent", "UpdateEvent", "DeleteEvent", "InsertAnnotation"):  # fmt: skip
            number = getattr(o, f"HistoryServerCapabilities_{name}Capability")
            nodes.set_value(std(number), number in yes, ua.VariantType.Boolean)
        nodes.set_value(std(o.HistoryServerCapabilities_ServerTimestampSupported), False, ua.VariantType.Boolean)
        nodes.set_value(std(o.HistoryServerCapabilities_MaxReturnDataValues), limits.history_values, ua.VariantType.UInt32)
        nodes.set_value(std(o.HistoryServerCapabilities_MaxReturnEventValues), 0, ua.VariantType.UInt32)
        for aggregate in AGGREGATES:
            nodes.refer(std(o.HistoryServerCapabilities_AggregateFunctions), std(aggregate), o.Organizes)

    # --- what there is --------------------------------------------------------------------------------

    def keeps(self, index: int) -> bool:
        """Can the history of a tag be read."""
        writer = self._live.sim.writer
        return writer is not None and writer.recent is not None and self._server.board.table.tags[index].name in writer.info["resolution"]

    def collects(self, index: int) -> bool:
        """Is the history of a tag being written."""
        return self.keeps(index) and self._live.state not in ("ended", "failed")

    def _past(self) -> Past | None:
        """The record as of now, or nearly so while time goes on; None if there is none."""
        live, writer = self._live, self._live.sim.writer
        if writer is None or writer.recent is None:
            return None
        began = time.monotonic()
        if self._gathered != (live.sim, live.tick) and (live.state not in ("running", "stepping") or began >= self._gather_at):
            live.sim.gather()
            self._gathered = live.sim, live.tick
            self._gather_at = began + (time.monotonic() - began) / GATHER_SHARE
        return writer.recent.snapshot(writer.path)

    # --- the service ----------------------------------------------------------------------------------

    async def read(self, p: ua.HistoryReadParameters, session: Session) -> list[bytes]:
        """A HistoryReadResult for each node, encoded.

        Raises:
            ua.UaStatusCodeError: the service as a whole is refused.
        """
        items, limits = p.NodesToRead, self._server.limits
        if len(items) > limits.history_nodes:
            raise refused(Code.BadTooManyOperations)
        jobs = [Job(item) for item in items]
        if p.ReleaseContinuationPoints:
            for job in jobs:
                kept = session.points.get(job.item.ContinuationPoint or b"")
                job.status = 0 if isinstance(kept, Point) else int(Code.BadContinuationPointInvalid)
                if not job.status:
                    del session.points[job.item.ContinuationPoint]
            return [job.result() for job in jobs]
        if p.TimestampsToReturn not in (0, 1, 2):
            raise refused(Code.BadTimestampsToReturnInvalid)
        details = p.HistoryReadDetails
        if isinstance(details, ua.ReadProcessedDetails) and len(details.AggregateType or []) != len(items):
            raise refused(Code.BadAggregateListMismatch)
        if not isinstance(details, ua.HistoryReadDetails):
            raise refused(Code.BadHistoryOperationInvalid)
        old = [point for point, kept in session.points.items() if isinstance(kept, Point)]
        async with self._one:
            past = self._past()
            for n, job in enumerate(jobs):
                try:
                    job.tag = self._tag(job.item, p.TimestampsToReturn, past)
                    job.read = self._reading(details, n, job.item, session, past)
                except ua.UaStatusCodeError as error:
                    job.status = error.code
            if past is not None and any(job.read for job in jobs):
                sim, now = self._live.sim, filetime(self._live.clock)
                start = filetime(self._live.clock - self._live.tick / TICKS_PER_S)
                assert sim.writer is not None
                resolution = sim.writer.info["resolution"]
                await asyncio.get_running_loop().run_in_executor(
                    None, self._work, jobs, past, resolution, start, now, p.TimestampsToReturn != ua.TimestampsToReturn.Server
                )
        for job in jobs:
            if job.rest is not None:
                self._keep(job, session, old)
        return [job.result() for job in jobs]

    def _keep(self, job: Job, session: Session, old: list[bytes]) -> None:
        """Give a continuation point; those of earlier requests make room, oldest first (OPC 10000-4 7.9)."""
        most = self._server.limits.continuation_points
        while len(session.points) >= most and old:
            session.points.pop(old.pop(0), None)
        job.point = session.keep(Point(job.item.NodeId, self._live.sim, job.rest), most)  # type: ignore[arg-type]
        if not job.point:
            job.status, job.body = int(Code.BadNoContinuationPoints), None

    def _work(self, jobs: list[Job], past: Past, resolution: dict[str, float], start: int, now: int, source: bool) -> None:
        """Read and encode; in a thread of its own."""
        todo = [job for job in jobs if job.read is not None and job.tag is not None]
        most = max(1, min(self._server.limits.history_values, 2 * self._server.limits.history_values // len(todo)))
        for job in todo:
            assert job.read is not None and job.tag is not None
            try:
                series, job.rest = job.read(Record(past, job.tag, resolution, start, now), most)
                job.body = encoded(series, source)
                job.status = 0 if len(series.times) else int(Code.GoodNoData)
            except ua.UaStatusCodeError as error:
                job.status = error.code
            except Exception:
                self._server.log.exception("history of %s", job.tag.name)
                job.status = int(Code.BadInternalError)

    # --- what is asked for ----------------------------------------------------------------------------

    def _tag(self, item: ua.HistoryReadValueId, stamps: int, past: Past | None) -> Tag:
        """The tag whose history is asked for, if it can be read."""
        index = self._server.attributes.tag_index(item.NodeId)
        if index is None:
            raise refused(Code.BadHistoryOperationUnsupported if item.NodeId in self._server.nodes.space else Code.BadNodeIdUnknown)
        if past is None or not self.keeps(index):
            raise refused(Code.BadHistoryOperationUnsupported)
        if item.DataEncoding is not None and item.DataEncoding.Name not in (None, "", "Default Binary"):
            known = item.DataEncoding.Name in ("Default XML", "Default JSON")
            raise refused(Code.BadDataEncodingUnsupported if known else Code.BadDataEncodingInvalid)
        if item.IndexRange:
            span(item.IndexRange)
            raise refused(Code.BadIndexRangeNoData)
        if stamps == ua.TimestampsToReturn.Server:
            raise refused(Code.BadTimestampNotSupported)
        return self._server.board.table.tags[index]

    def _reading(self, details: Any, n: int, item: ua.HistoryReadValueId, session: Session, past: Past | None) -> Read:
        """How to read what a client asks of its n-th node."""
        if item.ContinuationPoint:
            kept = session.points.get(item.ContinuationPoint)
            if not isinstance(kept, Point) or kept.node != item.NodeId or kept.past is not self._live.sim:
                raise refused(Code.BadContinuationPointInvalid)
            del session.points[item.ContinuationPoint]
            return lambda record, most: record.raw(kept.walk, most)
        if isinstance(details, ua.ReadRawModifiedDetails) and not details.IsReadModified:
            walk = _walk(details)
            return lambda record, most: record.raw(walk, most)
        if isinstance(details, ua.ReadAtTimeDetails):
            times = [wire_time(t) or 0 for t in details.ReqTimes or []]
            if not times:
                raise refused(Code.BadHistoryOperationInvalid)
            if len(times) > self._server.limits.history_values:
                raise refused(Code.BadTooManyOperations)
            return lambda record, most: (record.at(np.array(times, np.int64)), None)
        if isinstance(details, ua.ReadProcessedDetails):
            return self._processed(details, details.AggregateType[n], item)
        raise refused(Code.BadHistoryOperationUnsupported)

    def _processed(self, details: ua.ReadProcessedDetails, aggregate: ua.NodeId, item: ua.HistoryReadValueId) -> Read:
        number = aggregate.Identifier if aggregate.NamespaceIndex == 0 else 0
        if number not in AGGREGATES:
            raise refused(Code.BadAggregateNotSupported)
        index = self._server.attributes.tag_index(item.NodeId)
        assert index is not None
        if type_of(self._server.board.table.tags[index]) == BOOLEAN and number != o.AggregateFunction_Count:
            raise refused(Code.BadAggregateInvalidInputs)
        config = details.AggregateConfiguration
        if config is None or config.UseServerCapabilitiesDefaults:
            config = DEFAULTS
        if max(config.PercentDataBad, config.PercentDataGood) > 100 or config.PercentDataGood < 100 - config.PercentDataBad:
            raise refused(Code.BadAggregateConfigurationRejected)
        start, end = wire_time(details.StartTime), wire_time(details.EndTime)
        if start is None or end is None or not 0 <= details.ProcessingInterval < 1e13:
            raise refused(Code.BadHistoryOperationInvalid)
        if start == end:
            raise refused(Code.BadInvalidArgument)
        step = round(details.ProcessingInterval * MS) or abs(end - start)
        whole, left = divmod(abs(end - start), step)
        if whole + bool(left) > self._server.limits.history_values:
            raise refused(Code.BadTooManyOperations)
        edges = start + np.arange(whole + 1, dtype=np.int64) * (step if end > start else -step)
        edges = np.append(edges, end) if left else edges
        return lambda record, most: (record.aggregate(number, edges, bool(left), config), None)


def _walk(details: ua.ReadRawModifiedDetails) -> Walk:
    """The time domain of a raw read: two of start, end and number must be given."""
    start, end, count = wire_time(details.StartTime), wire_time(details.EndTime), details.NumValuesPerNode
    if (start is None) + (end is None) + (count == 0) > 1:
        raise refused(Code.BadHistoryOperationInvalid)
    if start is None or end is None:
        origin = end if start is None else start
        assert origin is not None
        return Walk(origin, None, start is None, bool(details.ReturnBounds), count, 0)
    point = start == end
    return Walk(start, end + point, end < start, bool(details.ReturnBounds), None, count, point=point)
