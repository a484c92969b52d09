"""The WebSocket of a viewer: frames and events as fast as they can take them, nothing else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlparse

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from dashboards.live.hub import Hub
from dashboards.live.site import site_of

router = APIRouter()
REFUSED, NO_LOGIN = 4403, 4401  # close codes for private use (RFC 6455, 7.4.2)


@router.websocket("/live")
async def live(socket: WebSocket, after: int = -1) -> None:
    """Send what changes until the viewer leaves; `after` is the last event they have had, -1 for none."""
    site = site_of(socket)
    origin = urlparse(socket.headers.get("origin", ""))
    person = site.people.get(str(socket.session.get("key", "")))
    await socket.accept()
    if origin.netloc != socket.headers.get("host", ""):
        await socket.close(REFUSED)
        return
    if person is None:
        await socket.close(NO_LOGIN)
        return
    sender = asyncio.create_task(_send(socket, site.hub, after if 0 <= after <= site.hub.last_event else site.hub.last_event))
    site.sockets.add(socket)
    site.wheel.came(person)
    try:
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await socket.receive_text()  # viewers say nothing; this ends when they go
    finally:
        sender.cancel()
        site.sockets.discard(socket)
        site.wheel.gone(person)


async def _send(socket: WebSocket, hub: Hub, event: int) -> None:
    """One message at a time; what comes while it is under way waits as the newest state only."""
    awake = asyncio.Event()
    awake.set()
    hub.join(awake.set)
    frame = 0
    try:
        while True:
            await awake.wait()
            awake.clear()
            events, lost = hub.events_after(event)
            event = hub.last_event
            if lost:
                await socket.send_text('{"kind":"reload"}')
            for text in events:
                await socket.send_text(text)
            newest = hub.frame_after(frame)
            if newest is not None:
                frame = hub.number
                await socket.send_text(newest)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        hub.leave(awake.set)
