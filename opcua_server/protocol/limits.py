"""What one server grants at most. A client that asks for more gets the limit, or is refused with the standard's StatusCode."""

from __future__ import annotations

from dataclasses import dataclass

ARRAY_LENGTH = STRING_BYTES = 65_536  # in what clients send, and announced


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a server; counts unless a unit stands in the name."""

    connections: int = 100
    sessions: int = 100
    session_timeout_min_ms: float = 5_000.0
    session_timeout_max_ms: float = 600_000.0
    subscriptions: int = 500
    subscriptions_per_session: int = 50
    publishing_interval_min_ms: float = 20.0
    publishing_interval_max_ms: float = 3_600_000.0
    keep_alive_max: int = 3_000
    lifetime_max: int = 10_000
    publish_requests_per_session: int = 60
    retransmission_queue: int = 64  # messages a subscription keeps until they are acknowledged
    retransmission_bytes: int = 128 * 1024 * 1024  # of all subscriptions together
    notifications_per_publish: int = 10_000
    monitored_items: int = 200_000
    monitored_items_per_subscription: int = 20_000
    queue_size: int = 1_000
    queued_values: int = 4_000_000  # of all monitored items together; afterwards an item gets a queue of one
    event_filters: int = 10_000  # of all event items together: one each, and one for each element of their where clauses
    filter_elements: int = 200  # select clauses of an event filter, elements of its where clause
    sampling_interval_min_ms: float = 0.0  # 0: at each step of the model
    nodes_per_call: int = 10_000  # Read, Write, Browse, CreateMonitoredItems …
    history_nodes: int = 1_000  # of one HistoryRead
    history_values: int = 50_000  # of one node in one answer, twice as many of all; the rest comes with continuation points
    browse_references: int = 1_000
    browse_work: int = 100_000  # references that one request may look at
    continuation_points: int = 20  # of browsing and of history, a session each
    array_length: int = ARRAY_LENGTH
    string_bytes: int = STRING_BYTES
    chunk_bytes: int = 65_536
    message_bytes: int = 4 * 1024 * 1024
    response_bytes: int = 8 * 1024 * 1024
    pending_requests: int = 64  # history and methods under way, a session each
    stranger_bytes: int = 128 * 1024  # one message before a session is activated
    chunks: int = 64
    activation_s: float = 30.0  # from connecting to an activated session
