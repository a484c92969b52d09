"""Lock-step: time goes on only when every controller that has joined has written its outputs.

A controller joins, then for ever: reads, computes, writes, and says `next`, which is answered when its next scan has come.
One that does not answer in time is dropped and reported; the others go on, and the plant's own watchdog does the rest.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twin.errors import BatchtwinError

if TYPE_CHECKING:
    from scenarios.session import Session

MANY = 32  # controllers at most
ANSWER_S = 2.0  # wall time after which a waiting call is answered anyway: clients give up after four


@dataclass(slots=True)
class Partner:
    """A controller in lock-step.

    Attributes:
        number: its handle.
        name: as it announced itself.
        owner: who may speak for it, e.g. a connection; when it goes, the partner goes.
        every: period in scans.
        due: scan that it must write its outputs for.
        done: it has written them.
        since: wall time from which it is waited for.
        answer: resolved with the next scan that it is due at; kept until it was taken.
        waiting: a call of it waits.
        epoch: the run that it knows of.
        dropped: why it is no partner any more.
    """

    number: int
    name: str
    owner: object
    every: int
    due: int
    since: float
    epoch: int
    done: bool = False
    waiting: bool = False
    dropped: str = ""
    answer: asyncio.Future[int] | None = field(default=None, repr=False)


class LockStep:
    """The controllers that time waits for.

    Attributes:
        partners: by handle.
        timeout_s: wall time that one is waited for.
        lost: name of the last one that was dropped, and why; "" when none was.
        losses: how many were dropped.
    """

    def __init__(self, session: Session, timeout_s: float = 10.0) -> None:
        self.session = session
        self.timeout_s = timeout_s
        self.partners: dict[int, Partner] = {}
        self.lost, self.losses = "", 0
        self._count = 0

    def join(self, name: str, every: int = 1, owner: object = None) -> Partner:
        """A controller announces itself; it is due at the first scan of its period from now on.

        Args:
            name: 1 to 64 characters, for people.
            every: its period in scans of 100 ms, 1 to 600.
            owner: who may speak for it.

        Raises:
            BatchtwinError: E401 for a wrong argument or too many controllers.
        """
        if not 1 <= len(name) <= 64 or not name.isprintable():
            raise BatchtwinError("E401", problem="a controller's name of that length or kind", mend="give 1 to 64 printable characters")
        if not 1 <= every <= 600:
            raise BatchtwinError("E401", problem=f"a period of {every} scans", mend="give 1 to 600")
        if len(self.partners) >= MANY:
            raise BatchtwinError("E401", problem=f"{MANY} controllers have joined already", mend="let one leave first")
        self._count += 1
        due = -(-self.session.scan // every) * every
        partner = Partner(self._count, name, owner, every, due, time.monotonic(), self.session.epoch)
        self.partners[partner.number] = partner
        self.session.sim.remember(self.session.tick, "join", {"name": name, "every": every})
        self.session.wake()
        return partner

    def find(self, number: int, owner: object = None) -> Partner:
        """A partner by its handle.

        Raises:
            BatchtwinError: E401 when there is none or it is somebody else's.
        """
        partner = self.partners.get(number)
        if partner is None or partner.owner is not owner:
            raise BatchtwinError("E401", problem=f"no lock-step controller {number} of yours", mend="call Time.Join first")
        return partner

    async def next(self, number: int, owner: object = None) -> tuple[int, bool]:
        """Its outputs for this scan are written; wait for the scan that it is due at next.

        Returns:
            That scan and true; or, after `ANSWER_S`, the present one and false: then call again, without writing again.
            Scan 0 and true after a reset that it did not know of: what it had computed was for the run before. When the
            run is over, it waits for a reset.

        Raises:
            BatchtwinError: E401 when the handle is not known or already waiting.
            TimeoutError: the partner was dropped.
        """
        partner = self.find(number, owner)
        if partner.waiting:
            raise BatchtwinError("E401", problem="Next was called before the last call was answered", mend="wait for the answer")
        if partner.epoch != self.session.epoch:
            partner.epoch, partner.answer = self.session.epoch, None
            return self.session.scan, True
        if partner.answer is None:
            partner.done = True
            partner.answer = asyncio.get_running_loop().create_future()
            self.session.wake()
        answer, partner.waiting = partner.answer, True
        try:
            await asyncio.wait({answer}, timeout=ANSWER_S)
        finally:
            partner.waiting = False
        if not answer.done():
            return self.session.scan, False
        partner.answer = None
        if answer.cancelled():
            raise TimeoutError(f"{partner.name}: {partner.dropped}")
        return answer.result(), True

    def leave(self, number: int, owner: object = None) -> None:
        """A controller goes; time does not wait for it any more."""
        self._drop(self.find(number, owner), "left")

    def gone(self, owner: object) -> None:
        """The connection of one or more controllers is gone."""
        for partner in [p for p in self.partners.values() if p.owner is owner]:
            self._drop(partner, "connection lost")

    @property
    def awaited(self) -> list[str]:
        """Names of those that the present scan waits for."""
        return [p.name for p in self._awaited()]

    def _awaited(self) -> list[Partner]:
        now = self.session.scan
        return [p for p in self.partners.values() if p.due <= now and not p.done]

    def turn(self) -> float:
        """Play a scan if all have written; returns the wall time to wait, 0 for at once."""
        session = self.session
        if not self.partners:
            return 3600.0
        late = self._awaited()
        if late:
            left = min(p.since for p in late) + self.timeout_s - time.monotonic()
            if left > 0:
                return left
            for partner in [p for p in late if p.since + self.timeout_s <= time.monotonic()]:
                self._drop(partner, f"no outputs within {self.timeout_s:g} s")
            return 0.0
        session.play_scan()
        return 0.0

    def hand_out(self) -> None:
        """Scans have been played: tell those whose next one has come. Paced time tells them, too, and does not wait."""
        scan = self.session.scan
        over = self.session.state in ("ended", "failed")
        for p in list(self.partners.values()):
            if p.due < scan:
                p.due += -(-(scan - p.due) // p.every) * p.every
            if (p.due <= scan or over) and p.done:
                p.done = False
                p.since = time.monotonic()
                self._answer(p, scan)

    def reset(self) -> None:
        """The run has begun anew: all are due at scan 0; who waits for an answer gets it, who does not is told at the next call."""
        for p in self.partners.values():
            p.due, p.done, p.since = 0, False, time.monotonic()
            if p.waiting:
                p.epoch = self.session.epoch
                self._answer(p, 0)

    def stale(self, owner: object) -> bool:
        """Does somebody still write for a run that is over."""
        return any(p.owner is owner and p.epoch != self.session.epoch for p in self.partners.values())

    def close(self) -> None:
        """End all waiting."""
        for p in list(self.partners.values()):
            self._drop(p, "the server closes")

    def _answer(self, partner: Partner, scan: int) -> None:
        if partner.answer is not None and not partner.answer.done():
            partner.answer.set_result(scan)

    def _drop(self, partner: Partner, why: str) -> None:
        del self.partners[partner.number]
        if partner.answer is not None and not partner.answer.done():
            partner.dropped = why
            partner.answer.cancel()  # not an exception: between two calls nobody is there to take it
        if why != "left":
            self.lost = f"{partner.name}: {why}"
            self.losses += 1
        self.session.sim.remember(self.session.tick, "leave", {"name": partner.name, "why": why})
        self.session.wake()
        self.session.told()
