"""Sending: each message of the outbox until it is acknowledged or refused, with patience for a platform that is away."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from scenarios.platform.outbox import REFUSED, SENT, WAITING, Outbox
from twin.errors import BatchtwinError

TIMEOUT_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 5.0


def send(outbox: Outbox, url: str, patience_s: float = 30.0, told: Callable[[dict[str, int]], None] = lambda _: None) -> dict[str, int]:
    """Send all that waits.

    Args:
        url: of the platform; messages go to `URL/ledgers`.
        patience_s: how long one message is tried again before the platform counts as away.
        told: told the counts after each message.

    Returns:
        Messages by state.

    Raises:
        BatchtwinError: E401 when the platform is away or the address is none; what waits stays in the outbox.
    """
    try:
        with httpx.Client(base_url=url, timeout=TIMEOUT_S) as client:
            for identity, body in outbox.waiting():
                _send(outbox, client, url, identity, body, patience_s)
                told(outbox.counts())
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise BatchtwinError("E401", problem=f"{url} is no address of a platform ({error})", mend="give http://HOST:PORT") from None
    return outbox.counts()


def _send(outbox: Outbox, client: httpx.Client, url: str, identity: str, body: str, patience_s: float) -> None:
    began, wait_s = time.monotonic(), FIRST_WAIT_S
    while True:
        try:
            answer = client.post("/ledgers", content=body, headers={"Content-Type": "application/json"})
            if answer.status_code == 200 and answer.json().get("id") == identity:
                return outbox.mark(identity, SENT)
            if answer.status_code in (400, 409, 413, 422):
                return outbox.mark(identity, REFUSED, answer.text[:500])
            problem = f"it answers {answer.status_code}"
        except httpx.UnsupportedProtocol:
            raise
        except (httpx.HTTPError, ValueError) as error:
            problem = str(error) or type(error).__name__
        if time.monotonic() - began + wait_s > patience_s:
            waiting = outbox.counts()[WAITING]
            raise BatchtwinError("E401", problem=f"the platform at {url} takes nothing ({problem}); {waiting} messages wait in {outbox.path}",
                                 mend="run the same command again when it is back") from None  # fmt: skip
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
