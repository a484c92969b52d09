"""A live run: its clock, its commands, lock-step, and that it can be played again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from control.reference import ReferenceController
from scenarios.lockstep import LockStep
from scenarios.replay import replay
from scenarios.run import open_run
from scenarios.session import Session
from scenarios.simulation import Simulation
from twin.errors import BatchtwinError


def live(scenario: Any, act: Callable[[Session], Awaitable[None]], **options: Any) -> dict[str, Any]:
    """Play a live run while `act` does something to it; returns the outcome."""

    async def run() -> dict[str, Any]:
        session = Session(scenario, **options)
        player = asyncio.create_task(session.run())
        try:
            await asyncio.wait_for(act(session), 60)
        finally:
            outcome = session.close()
            await player
        return outcome

    return asyncio.run(run())


async def until(session: Session, state: str) -> None:
    while session.state != state:
        await session.changed()


async def program(session: Session, every: int = 1, name: str = "reference", lines: tuple[str, ...] = ()) -> int:
    """The reference program in lock-step, as far from the plant as a client; returns its scans."""
    table = session.sim.plant.table
    controller = ReferenceController(table, {n: m.species for n, m in session.sim.design.materials.items()})
    mine = session.sim.image.values.copy()
    partner = session.lockstep.join(name, every)
    scan, scans = partner.due, 0
    while session.state != "ended":
        mine[:] = session.sim.image.values
        before = mine.copy()
        controller.scan(mine, scan * 10)
        for i in np.flatnonzero(mine != before):
            session.write(table.tags[i].name, mine[i], name, controller=True)
        scan, ready = await session.lockstep.next(partner.number)
        scans += ready
    return scans


def test_steps_of_any_size_give_the_same_bits(scenario: Callable[..., Any]) -> None:
    hashes = []
    for size in (1, 7, 600):

        async def act(session: Session, size: int = size) -> None:
            while session.scan < 600:
                await session.step(min(size, 600 - session.scan))
            hashes.append(session.sim.plant.hash())

        live(scenario(), act, controller="reference", seed=4)
    sim = Simulation(scenario(), seed=4)
    sim.advance(60)
    assert set(hashes) == {sim.plant.hash()}


def test_as_fast_as_possible_and_paced_give_the_same_bits(scenario: Callable[..., Any]) -> None:
    hashes = []
    for speed in ("max", "200"):

        async def act(session: Session, speed: str = speed) -> None:
            session.set_speed(speed)
            session.run_until(60)
            await until(session, "paused")
            hashes.append((session.tick, session.sim.plant.hash()))

        live(scenario(), act, controller="reference")
    assert hashes[0] == hashes[1] and hashes[0][0] == 6000


def test_a_controller_outside_in_lock_step_leaves_the_same_tables(scenario: Callable[..., Any], tmp_path: Path) -> None:
    async def act(session: Session) -> None:
        session.set_speed("lockstep")
        session.start()
        await program(session)

    outside = live(scenario(), act, out=tmp_path / "outside", until_s=600, seed=2)
    inside = Simulation(scenario(), out=tmp_path / "inside", until_s=600, seed=2).run()
    assert outside["state_hash"] == inside["state_hash"] and outside["batches"] == inside["batches"] > 0
    a, b = open_run(tmp_path / "outside"), open_run(tmp_path / "inside")
    assert set(a.tables) - {"commands"} == set(b.tables)
    for table in b.tables:
        assert a.table(table).equals(b.table(table)), table


def test_two_controllers_of_different_period_are_both_waited_for(scenario: Callable[..., Any]) -> None:
    seen: list[int] = []

    async def slow(session: Session) -> None:
        partner = session.lockstep.join("slow", 10)
        scan, ready = partner.due, True
        while scan < 100:
            if ready:
                seen.append(scan)
            scan, ready = await session.lockstep.next(partner.number)
        session.pause()

    async def act(session: Session) -> None:
        session.set_speed("lockstep")
        fast = asyncio.create_task(program(session))
        await asyncio.sleep(0)
        session.start()
        await slow(session)
        fast.cancel()
        assert session.scan == 100

    live(scenario(), act)
    assert seen == list(range(0, 100, 10))


def test_without_a_controller_lock_step_stands_still(scenario: Callable[..., Any]) -> None:
    async def act(session: Session) -> None:
        session.set_speed("lockstep")
        session.start()
        for _ in range(5):
            await asyncio.sleep(0)
        assert session.scan == 0 and session.state == "running"

    live(scenario(), act)


def test_one_that_does_not_answer_is_dropped_and_told(scenario: Callable[..., Any]) -> None:
    async def act(session: Session) -> None:
        session.lockstep.timeout_s = 0.05
        session.set_speed("lockstep")
        session.lockstep.join("sleepy")
        session.start()
        while session.lockstep.partners:
            await session.changed()
        assert session.lockstep.lost.startswith("sleepy: no outputs within 0.05 s")
        assert session.scan == 0 and session.state == "running"

    live(scenario(), act)


def test_a_step_whose_controllers_all_go_is_finished_without_them(scenario: Callable[..., Any]) -> None:
    async def act(session: Session) -> None:
        session.lockstep.timeout_s = 0.05
        session.set_speed("lockstep")
        session.lockstep.join("sleepy")
        assert await session.step(5) == 5

    live(scenario(), act)


def test_after_a_reset_old_outputs_are_not_taken_for_new(scenario: Callable[..., Any]) -> None:
    async def act(session: Session) -> None:
        session.set_speed("lockstep")
        partner = session.lockstep.join("vendor")
        session.start()
        await session.lockstep.next(partner.number)
        session.reset(seed=9)
        assert session.lockstep.stale(None)
        assert await session.lockstep.next(partner.number) == (0, True) and session.scan == 0
        assert not session.lockstep.stale(None)

    live(scenario(), act)


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "fast", "1e9", ""])
def test_a_wrong_speed_is_refused(scenario: Callable[..., Any], speed: str) -> None:
    async def act(session: Session) -> None:
        with pytest.raises(BatchtwinError):
            session.set_speed(speed)

    live(scenario(), act)


def test_what_does_not_fit_the_state_is_refused(scenario: Callable[..., Any]) -> None:
    async def act(session: Session) -> None:
        session.start()
        with pytest.raises(BatchtwinError) as running:
            await session.step()
        assert running.value.code == "E305"
        session.pause()
        await session.step(20)
        with pytest.raises(BatchtwinError):
            session.run_until(1)
        with pytest.raises(BatchtwinError):
            session.reset("no-such-scenario")
        assert session.scan == 20 and session.epoch == 0
        session.run_until(5)
        session.set_speed("max")
        await until(session, "ended")
        with pytest.raises(BatchtwinError):
            session.start()

    live(scenario(), act, controller="reference", until_s=5)


def test_a_run_that_fails_in_the_piece_that_ends_a_step_is_not_paused(
    scenario: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(session: Session) -> None:
        advance = session.sim.advance

        def full(seconds: float) -> None:
            advance(seconds)
            raise BatchtwinError("E203", path="out", problem="No space left on device", mend="free space")

        monkeypatch.setattr(session.sim, "advance", full)
        with suppress(BatchtwinError):
            await session.step(1)
        session._fail(RuntimeError("cannot schedule new futures after shutdown"))  # what comes after it, as it closes down
        assert session.state == "failed" and "No space left" in session.trouble
        with pytest.raises(BatchtwinError, match="failed"):
            await session.step(1)

    live(scenario(), act, controller="reference")


def test_a_live_run_is_played_again_to_the_same_bits(scenario: Callable[..., Any], tmp_path: Path) -> None:
    async def act(session: Session) -> None:
        session.set_speed("max")
        await session.step(3000)
        session.sim.inject("leaking-gate", "Line1.Feeder.Stone2", 0.004, 10, 60)
        await session.step(33)
        session.write("Line1.Station.Hold", 1, "somebody")
        session.sim.place_order("C30", 9.0, "late")
        await session.step(100)
        session.write("Line1.Station.Hold", 0, "somebody")
        await session.step(1711)

    live(scenario(), act, controller="reference", out=tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert [c["kind"] for c in run.sql("SELECT kind FROM commands ORDER BY tick").to_pylist()] == [
        "inject",
        "write",
        "place_order",
        "write",
    ]
    recorded, again = replay(run)
    assert recorded == again


def test_orders_come_change_and_go_while_the_plant_runs(scenario: Callable[..., Any], tmp_path: Path) -> None:
    async def act(session: Session) -> None:
        sim = session.sim
        await session.step(50)
        known = {o["number"] for o in sim.orders}
        begins = sim.scenario.midnight_s + 1200.0
        sim.place_order("C30", 60.0, "bridge", start=begins, every=600.0, drive=300.0, pour=300.0)
        sim.place_order("C30", 12.0, "nobody wants it", start=begins)
        await session.step(10)
        bridge, unwanted = sorted({o["number"] for o in sim.orders} - known)
        sim.change_order(bridge, volume_m3=18.0)
        sim.cancel_order(unwanted)
        await session.step(10)
        assert [o["left_m3"] for o in sim.orders if o["number"] in (bridge, unwanted)] == [18.0]
        for call in (
            lambda: sim.cancel_order(unwanted),
            lambda: sim.change_order(bridge),
            lambda: sim.place_order("C30", 6.0, start=begins - 1199),
        ):
            with pytest.raises(BatchtwinError):
                call()
        session.set_speed("max")
        await session.step(53_000)
        assert all(o["number"] != bridge for o in sim.orders)

    live(scenario(), act, controller="reference", out=tmp_path / "run")
    run = open_run(tmp_path / "run")
    poured = run.sql('SELECT "order", sum(poured_kg) / 2350 AS m3, min(pour_s) AS first_s FROM deliveries GROUP BY 1').to_pylist()
    there = {row["order"]: row for row in poured}
    assert "nobody wants it" not in there and there["bridge"]["m3"] == pytest.approx(18.0, rel=0.1) and there["bridge"]["first_s"] >= 1200
    recorded, again = replay(run)
    assert recorded == again


def test_a_changed_command_gives_other_bits(scenario: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scenarios import replay as module

    async def act(session: Session) -> None:
        await session.step(600)
        session.sim.inject("power-dip", "Line1.Station", 0.4)
        await session.step(100)

    live(scenario(), act, controller="reference", out=tmp_path / "run")
    monkeypatch.setitem(module.ACTS, "inject", lambda sim, d: sim.inject(**d | {"severity": 0.3}))
    recorded, again = replay(open_run(tmp_path / "run"))
    assert recorded != again


def test_a_run_recorded_from_its_middle_says_so(scenario: Callable[..., Any], tmp_path: Path) -> None:
    async def act(session: Session) -> None:
        await session.step(600)
        session.record(tmp_path / "run")
        await session.step(100)

    live(scenario(), act, controller="reference")
    run = open_run(tmp_path / "run")
    assert run.info["recorded_from_s"] == 60 and run.sql("SELECT min(time_s) AS t FROM tags").to_pylist() == [{"t": 61.0}]
    with pytest.raises(BatchtwinError, match="from its middle"):
        replay(run)


def test_a_recipe_from_outside_can_be_ordered(scenario: Callable[..., Any]) -> None:
    from twin.design.schema import Recipe

    async def act(session: Session) -> None:
        sim = session.sim
        like = next(r for r in sim.design.recipes if r.grade == "C30")
        with pytest.raises(BatchtwinError):
            sim.place_order("X1", 3.0)
        sim.load_recipe(Recipe.model_validate(like.model_dump() | {"grade": "X1"}))
        with pytest.raises(BatchtwinError):
            sim.load_recipe(Recipe.model_validate(like.model_dump() | {"grade": "X2", "kg_m3": {"gold": 1.0, "sand": 1.0, "water": 1.0}}))
        assert sim.place_order("X1", 20.0) == -(-20 // sim.design.fleet.capacity_m3)
        await session.step(9000)
        assert "X1" in {ticket["grade"] for ticket in sim.fleet.tickets}

    live(scenario(), act, controller="reference")


def test_the_alarm_book_follows_the_image(scenario: Callable[..., Any]) -> None:
    told: list[tuple[str, bool, bool]] = []

    async def act(session: Session) -> None:
        session.alarm_listeners.append(lambda a: told.append((a.tag.name, a.active, a.acked)))
        await session.step(50)
        session.sim.inject("emergency-stop", "Line1.Station")
        await session.step(5)
        assert session.alarms.alarms["Line1.Station.EStop"].retain
        session.alarms.acknowledge("Line1.Station.EStop", "me", "seen")
        with pytest.raises(BatchtwinError):
            session.alarms.acknowledge("Line1.Station.EStop", "me")
        session.alarms.shelve("Line1.Station.EStop", "me", 2.0)
        await session.step(10)
        assert session.alarms.alarms["Line1.Station.EStop"].shelved_until is not None
        await session.step(15)
        assert session.alarms.alarms["Line1.Station.EStop"].shelved_until is None
        session.sim.clear("emergency-stop", "Line1.Station")
        await session.step(5)
        assert not session.alarms.alarms["Line1.Station.EStop"].retain

    live(scenario(), act, controller="reference")
    mine = [(active, acked) for name, active, acked in told if name == "Line1.Station.EStop"]
    assert mine == [(True, False), (True, True), (True, True), (True, True), (False, True)]


def test_lock_step_takes_no_nonsense(scenario: Callable[..., Any]) -> None:
    async def act(session: Session) -> None:
        lock: LockStep = session.lockstep
        for name, every in (("", 1), ("x" * 65, 1), ("a\nb", 1), ("ok", 0), ("ok", 601)):
            with pytest.raises(BatchtwinError):
                lock.join(name, every)
        partner = lock.join("mine", 1, "me")
        with pytest.raises(BatchtwinError):
            await lock.next(partner.number, "you")
        with pytest.raises(BatchtwinError):
            lock.leave(99)
        lock.leave(partner.number, "me")
        assert not lock.partners and lock.lost == ""

    live(scenario(), act)
