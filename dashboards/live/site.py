"""What all routes share: the session, who is there, where runs lie."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Request, WebSocket
from fastapi.requests import HTTPConnection

from dashboards.live.fields import Fields
from dashboards.live.hub import Hub
from dashboards.live.people import Gate, Person, Wheel
from dashboards.live.refusal import Refusal
from dashboards.pieces import Text
from scenarios.futures import Futures
from scenarios.session import Session

MOST_BROWSERS = 10_000  # remembered; the oldest is forgotten first


class Site:
    """One served plant.

    Attributes:
        url: where it is served.
        scenario: what is played when nobody trains.
        sockets: of all viewers.
        futures: the last branches that somebody asked for.
        what_ifs: processes that play what somebody asked for from the pages, by the name of their results.

    Args:
        live: the session.
        gate: where people log in; None lets everybody in as an instructor, for loopback only.
        runs: folder of runs that can be looked at, and into which trainings are recorded.
    """

    def __init__(self, live: Session, gate: Gate | None, runs: Path) -> None:
        self.live, self.gate, self.runs, self.scenario = live, gate, runs, live.sim.scenario
        self.url = ""
        self.hub = Hub(live)
        self.wheel = Wheel(self._who, lambda s, act: asyncio.get_running_loop().call_later(s, act))
        self.people: dict[str, Person] = {}
        self.fields = Fields(live.sim.plant)
        live.listeners.append(self._note)
        self.sockets: set[WebSocket] = set()
        self.futures: Futures | None = None
        self.what_ifs: dict[str, subprocess.Popen[bytes]] = {}
        self._guests = 0

    def close(self) -> None:
        """Hear no more of the session, and end its branches and what-ifs."""
        if self.futures is not None:
            self.futures.stop()
        self.stop_what_ifs()
        self.live.listeners.remove(self._note)
        self.hub.close()

    def stop_what_ifs(self) -> int:
        """End what-ifs that go on; returns how many. What they have finished stays."""
        going = [process for process in self.what_ifs.values() if process.poll() is None]
        for process in going:
            process.terminate()
            process.wait()
        return len(going)

    def _note(self) -> None:
        if self.fields.due(self.live.tick):
            self.fields.note(self.live.sim.plant)

    def _who(self) -> None:
        self.hub.tell("wheel", **self.who())

    def who(self) -> dict[str, Any]:
        """Who drives, who asks, who is here."""
        w = self.wheel
        return {
            "driver": w.driver.key if w.driver else "", "name": w.driver.name if w.driver else "",
            "asking": [{"key": p.key, "name": p.name} for p in w.asking.values()],
            "here": [{"key": k, "name": w.people[k].name} for k in w.present if k in w.people],
        }  # fmt: skip

    def person(self, session: dict[str, Any]) -> Person | None:
        """Whose browser it is; a guest where nobody has to log in, None who has to and has not."""
        key = str(session.get("key", ""))
        if key in self.people:
            return self.people[key]
        if self.gate is not None:
            return None
        self._guests += 1
        return self.admit(session, Person(secrets.token_hex(8), f"guest-{self._guests}"))

    def admit(self, session: dict[str, Any], person: Person) -> Person:
        """Remember a person by their browser session."""
        session["key"] = person.key
        self.people[person.key] = person
        if len(self.people) > MOST_BROWSERS:
            del self.people[next(iter(self.people))]
        return person


def site_of(connection: HTTPConnection) -> Site:
    """The site of an application."""
    found: Site = connection.app.state.site
    return found


def language_of(connection: HTTPConnection) -> str:
    """`en` or `zh`: as chosen, else as the browser wishes."""
    chosen = connection.session.get("language") if "session" in connection.scope else None
    wished = "zh" if connection.headers.get("accept-language", "").lower().startswith("zh") else "en"
    return str(chosen) if chosen in ("en", "zh") else wished


def somebody(request: Request) -> Person:
    """The person who asks.

    Raises:
        Refusal: 401 when they have to log in first.
    """
    person = site_of(request).person(request.session)
    if person is None:
        raise Refusal(401, ("you are not logged in", "log in first"), ("尚未登录", "请先登录"))
    return person


def with_right(right: str) -> Callable[[Request], Person]:
    """A dependency: the person, who must have a right."""

    def check(request: Request) -> Person:
        person = somebody(request)
        if right not in person.may:
            raise Refusal(
                403,
                (f"{person.role} lacks the right '{right}'", "log in with another role"),
                (f"{person.role} 没有“{right}”权限", "请以其他角色登录"),
            )
        return person

    return check


def driving(request: Request) -> Person:
    """A dependency: the person, who must be driving.

    Raises:
        Refusal: 401, 403 or 409, see `Wheel.drive`.
    """
    person = somebody(request)
    site_of(request).wheel.drive(person)
    return person


def both(text: Text, language: str) -> str:
    """A text in one language."""
    return text.zh if language == "zh" else text.en
