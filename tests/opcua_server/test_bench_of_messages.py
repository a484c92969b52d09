"""What the benchmark of subscriptions looks for in messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from batchtwin.bench.wire import overflow_mark

NOW = datetime(2026, 5, 11, 6, 0, tzinfo=UTC)
UNCERTAIN = 0x4094_0000


@pytest.mark.parametrize(("status", "marked"), [(0, 0), (0x480, 1), (UNCERTAIN, 0), (UNCERTAIN | 0x480, 1), (0x402, 0)])
def test_an_overflow_is_seen_in_the_bytes(status, marked):
    values = [
        ua.MonitoredItemNotification(n, ua.DataValue(ua.Variant(2.5 * n), ua.StatusCode(code), NOW, NOW))
        for n, code in ((1, 0), (0x480, status), (3, UNCERTAIN))
    ]
    message = struct_to_binary(ua.DataChangeNotification(values, []))
    assert len(overflow_mark(NOW.timestamp()).findall(message)) == marked
