"""What subscriptions see of the rest of the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from asyncua import ua

from opcua_server.address.board import Board
from opcua_server.protocol.limits import Limits


class Session(Protocol):
    """What subscriptions need to know of a session; it can be hashed."""

    @property
    def session_id(self) -> ua.NodeId: ...
    @property
    def locales(self) -> list[str]: ...
    @property
    def who(self) -> str:
        """Name of its user."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """What monitored items see of the server; see `SubscriptionService` for each."""

    board: Board
    limits: Limits
    tag_index: Callable[[ua.NodeId], int | None]
    read: Callable[[ua.ReadValueId, Any], ua.DataValue]
    is_subtype: Callable[[ua.NodeId, ua.NodeId], bool]
    notifies: Callable[[ua.NodeId], bool]
    new_id: Callable[[], int]


@dataclass(slots=True)
class Spare:
    """What all subscriptions together may still have: items, queued values, event filters; `polled` counts the polled items there are."""

    items: int
    values: int
    polled: int
    filters: int
