"""The nodes of the standard's own namespace that tell about this server: status, capabilities, diagnostics."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from asyncua import ua

from opcua_server.access.roles import Right
from opcua_server.address.nodes import APPLICATION_URI, NAMESPACE, Nodes, o, std
from twin.version import VERSION

if TYPE_CHECKING:
    from opcua_server.server import PlantServer

V = ua.VariantType
STANDARD = "http://opcfoundation.org/UA/"
PROFILES = ["http://opcfoundation.org/UA-Profile/Server/StandardUA2017"]


def fill_standard(server: PlantServer) -> None:
    """Give the standard's nodes their values."""
    nodes, limits = server.nodes, server.limits
    started = datetime.now(UTC).replace(tzinfo=None)
    build = ua.BuildInfo("urn:batchtwin", "batchtwin", "batchtwin", VERSION, VERSION, started)

    def now(_: Any = None) -> datetime:
        return datetime.now(UTC).replace(tzinfo=None)

    def status(_: Any) -> ua.ServerStatusDataType:
        return ua.ServerStatusDataType(started, now(), ua.ServerState.Running, build, 0, ua.LocalizedText())

    fixed: dict[int, tuple[Any, ua.VariantType]] = {
        o.Server_NamespaceArray: ([STANDARD, APPLICATION_URI, NAMESPACE], V.String), o.Server_ServerArray: ([APPLICATION_URI], V.String),
        o.Server_ServiceLevel: (255, V.Byte), o.Server_Auditing: (server.security.audit is not None, V.Boolean),
        o.Server_ServerStatus_StartTime: (started, V.DateTime), o.Server_ServerStatus_State: (0, V.Int32),
        o.Server_ServerStatus_BuildInfo: (build, V.ExtensionObject), o.Server_ServerStatus_SecondsTillShutdown: (0, V.UInt32),
        o.Server_ServerStatus_ShutdownReason: (ua.LocalizedText(), V.LocalizedText),
        o.Server_ServerStatus_BuildInfo_ProductUri: (build.ProductUri, V.String), o.Server_ServerStatus_BuildInfo_ManufacturerName: ("batchtwin", V.String),
        o.Server_ServerStatus_BuildInfo_ProductName: ("batchtwin", V.String), o.Server_ServerStatus_BuildInfo_SoftwareVersion: (VERSION, V.String),
        o.Server_ServerStatus_BuildInfo_BuildNumber: (VERSION, V.String), o.Server_ServerStatus_BuildInfo_BuildDate: (started, V.DateTime),
        o.Server_ServerCapabilities_ServerProfileArray: (PROFILES, V.String), o.Server_ServerCapabilities_LocaleIdArray: (["en", "zh"], V.String),
        o.Server_ServerCapabilities_MinSupportedSampleRate: (limits.sampling_interval_min_ms, V.Double),
        o.Server_ServerCapabilities_MaxBrowseContinuationPoints: (limits.continuation_points, V.UInt16),
        o.Server_ServerCapabilities_MaxQueryContinuationPoints: (0, V.UInt16),
        o.Server_ServerCapabilities_MaxHistoryContinuationPoints: (limits.continuation_points, V.UInt16),
        o.Server_ServerCapabilities_MaxArrayLength: (limits.array_length, V.UInt32), o.Server_ServerCapabilities_MaxStringLength: (limits.string_bytes, V.UInt32),
        o.Server_ServerCapabilities_MaxByteStringLength: (limits.string_bytes, V.UInt32),
        o.Server_ServerCapabilities_MaxSessions: (limits.sessions, V.UInt32), o.Server_ServerCapabilities_MaxSubscriptions: (limits.subscriptions, V.UInt32),
        o.Server_ServerCapabilities_MaxSubscriptionsPerSession: (limits.subscriptions_per_session, V.UInt32),
        o.Server_ServerCapabilities_MaxMonitoredItems: (limits.monitored_items, V.UInt32),
        o.Server_ServerCapabilities_MaxMonitoredItemsPerSubscription: (limits.monitored_items_per_subscription, V.UInt32),
        o.Server_ServerCapabilities_MaxMonitoredItemsQueueSize: (limits.queue_size, V.UInt32),
        o.Server_ServerCapabilities_MaxSelectClauseParameters: (limits.filter_elements, V.UInt32),
        o.Server_ServerCapabilities_MaxWhereClauseParameters: (limits.filter_elements, V.UInt32),
        o.Server_ServerRedundancy_RedundancySupport: (0, V.Int32), o.Server_ServerDiagnostics_EnabledFlag: (True, V.Boolean),
    }  # fmt: skip
    prefix = "Server_ServerCapabilities_OperationLimits_"
    for name in ("Read", "Write", "MethodCall", "Browse", "RegisterNodes", "TranslateBrowsePathsToNodeIds"):
        fixed[getattr(o, f"{prefix}MaxNodesPer{name}")] = (limits.nodes_per_call, V.UInt32)
    fixed[o.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall] = (limits.nodes_per_call, V.UInt32)
    fixed[o.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData] = (limits.history_nodes, V.UInt32)
    for name in (
        "MaxNodesPerHistoryReadEvents",
        "MaxNodesPerHistoryUpdateData",
        "MaxNodesPerHistoryUpdateEvents",
        "MaxNodesPerNodeManagement",
    ):
        fixed[getattr(o, prefix + name)] = (0, V.UInt32)
    for number, (value, vtype) in fixed.items():
        if std(number) in nodes.space:
            nodes.set_value(std(number), value, vtype)
    nodes.compute(std(o.Server_ServerStatus), V.ExtensionObject, status)
    nodes.compute(std(o.Server_ServerStatus_CurrentTime), V.DateTime, now)
    _diagnostics(nodes, server)


def _diagnostics(nodes: Nodes, server: PlantServer) -> None:
    """Who is connected and how much they ask; for users with the right only."""

    def guarded(number: int, vtype: ua.VariantType, value: Any, array: bool) -> None:
        def read(session: Any) -> ua.DataValue:
            if session is None or not session.may(Right.DIAGNOSTICS):
                return ua.DataValue(ua.Variant(), ua.StatusCode(ua.StatusCodes.BadUserAccessDenied))
            return ua.DataValue(ua.Variant(value(), vtype, is_array=array))

        if std(number) in nodes.space:
            nodes.values[std(number)] = read

    def summary() -> ua.ServerDiagnosticsSummaryDataType:
        rows = server.subscriptions.rows()
        return ua.ServerDiagnosticsSummaryDataType(
            ServerViewCount=0, CurrentSessionCount=len(server.sessions), CumulatedSessionCount=server.sessions.total,
            SecurityRejectedSessionCount=server.sessions.rejected, RejectedSessionCount=server.sessions.rejected, CurrentSubscriptionCount=len(rows),
        )  # fmt: skip

    def sessions() -> list[ua.SessionDiagnosticsDataType]:
        out = []
        rows = server.subscriptions.rows()
        subscriptions, items = Counter(r.SessionId for r in rows), Counter[ua.NodeId]()
        for r in rows:
            items[r.SessionId] += r.MonitoredItemCount
        for s in server.sessions:
            row = ua.SessionDiagnosticsDataType(
                SessionId=s.session_id, SessionName=s.name, ClientDescription=s.client, EndpointUrl=s.endpoint, LocaleIds=s.locales, ActualSessionTimeout=s.timeout_s * 1e3,
                ClientConnectionTime=datetime.fromtimestamp(s.began, UTC).replace(tzinfo=None), TotalRequestCount=ua.ServiceCounterDataType(sum(s.counts.values()), 0),
                CurrentSubscriptionsCount=subscriptions[s.session_id], CurrentMonitoredItemsCount=items[s.session_id],
            )  # fmt: skip
            for name, count in s.counts.items():
                if hasattr(row, f"{name}Count"):
                    setattr(row, f"{name}Count", ua.ServiceCounterDataType(count, 0))
            out.append(row)
        return out

    whole = "Server_ServerDiagnostics_ServerDiagnosticsSummary"
    guarded(getattr(o, whole), V.ExtensionObject, summary, False)
    for part in dataclasses.fields(ua.ServerDiagnosticsSummaryDataType):
        guarded(getattr(o, f"{whole}_{part.name}"), V.UInt32, lambda name=part.name: getattr(summary(), name), False)
    guarded(o.Server_ServerDiagnostics_SubscriptionDiagnosticsArray, V.ExtensionObject, server.subscriptions.rows, True)
    guarded(o.Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionDiagnosticsArray, V.ExtensionObject, sessions, True)
    guarded(o.Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray, V.ExtensionObject, list, True)
