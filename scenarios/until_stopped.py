"""The life of a command that serves a live run: open a face of it, play, close when the user or the system says so."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any

from scenarios.session import Session


async def until_stopped(
    live: Session, face: AbstractAsyncContextManager[str], out: Path | None, ready: Callable[[str], None]
) -> dict[str, Any]:
    """Play a live run behind a face of it until SIGINT or SIGTERM.

    Args:
        face: open for as long as the run goes; gives the address where it is reached.
        out: folder to record into, from the start; nothing is made there before the address is ours.
        ready: told the address when others may come.

    Returns:
        The outcome of the run.

    Raises:
        BatchtwinError: the address cannot be used, or the run cannot be written.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    player: asyncio.Task[None] | None = None
    try:
        async with face as address:
            if out is not None:
                live.record(out)
            player = asyncio.create_task(live.run())
            ready(address)
            await stop.wait()
    finally:
        outcome = live.close()
        if player is not None:
            await player
    return outcome
