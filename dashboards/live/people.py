"""Who looks at the pages, and who of them drives: one at a time, the others watch until control is handed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dashboards.live.refusal import Refusal

RIGHTS = frozenset({"read", "acknowledge", "orders", "time", "faults", "record", "verdict"})
WRITES = frozenset({"operator", "local", "controller", "dispatch"})
GRACE_S = 8.0  # wall time for which a lost connection keeps the wheel


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a browser.

    Attributes:
        key: of their browser session.
        may, writes: what they may do, and whose tags (`Tag.writer`) they may write.
    """

    key: str
    name: str
    role: str = "instructor"
    may: frozenset[str] = RIGHTS
    writes: frozenset[str] = WRITES


class Gate(Protocol):
    """Where people log in when the pages are reached from other machines."""

    async def login(self, name: str, password: str, peer: str, key: str) -> Person | None:
        """The person of that name and password, or None.

        Raises:
            BatchtwinError: nobody can log in, and why.
        """


class Wheel:
    """Who drives the plant.

    Args:
        tell: called after each change.
        later: calls a function after some seconds of wall time.
        controls: whether a person may drive at all.
    """

    def __init__(self, tell: Callable[[], None], later: Callable[[float, Callable[[], None]], object]) -> None:
        self._tell, self._later = tell, later
        self.driver: Person | None = None
        self.asking: dict[str, Person] = {}
        self.present: Counter[str] = Counter()  # open sockets by person
        self.people: dict[str, Person] = {}

    def came(self, person: Person) -> None:
        """A socket of theirs has opened; the first who may drive takes the wheel."""
        self.present[person.key] += 1
        self.people[person.key] = person
        if self.driver is None and can_drive(person):
            self.driver = person
        self._tell()

    def gone(self, person: Person) -> None:
        """A socket of theirs has closed; the wheel waits a little for them to come back."""
        self.present[person.key] -= 1
        if self.present[person.key] <= 0:
            del self.present[person.key]
            self.asking.pop(person.key, None)
            self._later(GRACE_S, lambda: self._leave(person))
        self._tell()

    def _leave(self, person: Person) -> None:
        if person.key in self.present:
            return
        self.people.pop(person.key, None)
        if self.driver is not None and self.driver.key == person.key:
            self.driver = None
            self._tell()

    def drive(self, person: Person) -> None:
        """Go on only if they drive; whoever finds the wheel free takes it.

        Raises:
            Refusal: 403 who may only look, 409 while another drives.
        """
        if not can_drive(person):
            raise Refusal(403, (f"{person.role} may only look", "log in as an operator"), (f"{person.role} 只能查看", "请以操作员身份登录"))
        if self.driver is None:
            self.driver = person
            self._tell()
        if self.driver.key != person.key:
            name = self.driver.name
            raise Refusal(409, (f"{name} drives the plant", "ask for control"), (f"{name} 正在操作", "请先申请控制权"))

    def ask(self, person: Person) -> None:
        """Ask for control; it is given at once when nobody has it.

        Raises:
            Refusal: 403 who may only look.
        """
        if self.driver is None or self.driver.key == person.key or not can_drive(person):
            self.drive(person)
            return
        self.asking[person.key] = person
        self._tell()

    def hand_over(self, person: Person, to: str) -> None:
        """Give control to somebody who is here, or to nobody ("").

        Raises:
            Refusal: 409 when they do not drive themselves, 404 for somebody who is not here or may not drive.
        """
        self.drive(person)
        heir = self.people.get(to) if to in self.present else None
        if to and (heir is None or not can_drive(heir)):
            raise Refusal(404, ("that person cannot take control", "choose somebody who is here"), ("该人员无法接管", "请选择在线人员"))
        self.driver = heir
        self.asking.pop(to, None)
        self._tell()


def can_drive(person: Person) -> bool:
    """Whether they may write what operators write."""
    return "operator" in person.writes
