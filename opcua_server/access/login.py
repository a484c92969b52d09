"""The gate of the server: passwords are checked beside the event loop, and guessing is made slow.

Each failure makes the next attempt from that address, and for that name, wait longer, up to a few seconds. Nobody is locked
out: whoever guesses at the operator's name from elsewhere costs the operator one second.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from opcua_server.access.roles import User
from opcua_server.access.users import LONGEST_NAME, UserStore

Value = TypeVar("Value")

FREE = 3  # failures without delay: people mistype
FIRST_S = 0.25  # doubled at each further failure
NAME_S, PEER_S = 1.0, 3.0  # most, for a name and for an address; a client gives up after four seconds
QUEUE_S = 10.0  # attempts of one address that would have to wait longer are refused at once
FORGET_S = 300.0
REMEMBERED = 4096  # names, and addresses


class Throttle:
    """How long an attempt has to wait.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, OrderedDict[str, tuple[int, float]]] = {"name": OrderedDict(), "peer": OrderedDict()}
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, name: str, peer: str) -> float | None:
        """Seconds that an attempt must wait; None if too many wait from that address already."""
        now = self._clock()
        by_name, by_peer = self._delay("name", name, NAME_S), self._delay("peer", peer, PEER_S)
        if not by_peer:
            return by_name
        start = max(now, self._free_at.get(peer, now)) + by_peer  # attempts of one address queue up
        if start - now > QUEUE_S:
            return None
        _remember(self._free_at, peer, start)
        return max(start - now, by_name)

    def failed(self, name: str, peer: str) -> None:
        """Count a failure."""
        for kind, key in (("name", name), ("peer", peer)):
            _remember(self._failures[kind], key, (self._count(kind, key) + 1, self._clock()))

    def passed(self, name: str) -> None:
        """A name that has logged in owes nothing; its address still does."""
        self._failures["name"].pop(name, None)

    def _count(self, kind: str, key: str) -> int:
        count, at = self._failures[kind].get(key, (0, 0.0))
        return count if self._clock() - at < FORGET_S else 0

    def _delay(self, kind: str, key: str, most: float) -> float:
        count = self._count(kind, key)
        return min(most, FIRST_S * 2.0 ** min(count - FREE, 30)) if count >= FREE else 0.0


def _remember(table: OrderedDict[str, Value], key: str, value: Value) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > REMEMBERED:
        table.popitem(last=False)


class Gate:
    """Where users log in.

    Args:
        store: the users.
        throttle: how guessing is slowed down.
        sleep: waits for some seconds.
    """

    def __init__(
        self, store: UserStore, throttle: Throttle | None = None, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.store = store
        self._throttle = throttle or Throttle()
        self._sleep = sleep
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="login")  # one at a time: each takes 64 MiB and all cores

    async def login(self, name: str | None, password: str | None, peer: str) -> User | None:
        """The user of that name and password, or None.

        Args:
            peer: address of the client, without its port.

        Raises:
            AccessError: the file of users is damaged, or others can read it; nobody can log in.
        """
        known = (name or "")[:LONGEST_NAME]
        wait = self._throttle.wait(known, peer)
        if not name or password is None or wait is None:
            return None
        if wait:
            await self._sleep(wait)
        user = await asyncio.get_running_loop().run_in_executor(self._hashing, self.store.verify, name, password)
        if user is None:
            self._throttle.failed(known, peer)
        else:
            self._throttle.passed(known)
        return user

    def close(self) -> None:
        """Let the thread end."""
        self._hashing.shutdown(wait=False, cancel_futures=True)
