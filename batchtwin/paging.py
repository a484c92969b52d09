"""The pages from the command line: alone (`batchtwin dash`) or beside OPC UA (`batchtwin serve --pages`)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from batchtwin import show
from batchtwin.play import LARGEST_SEED, folder_of, lasts_of
from dashboards.live.people import Gate, Person
from scenarios.schema import Dispatch, load_scenario
from scenarios.session import Session
from twin.errors import BatchtwinError


class Login:
    """The users of the OPC UA server, for the pages: same file, same roles, same patience with guessers."""

    def __init__(self) -> None:
        from opcua_server.access.login import Gate as Door
        from opcua_server.access.state import state_folder
        from opcua_server.access.users import UserStore

        self.store = UserStore(state_folder() / "users.json")
        self._door = Door(self.store)

    async def login(self, name: str, password: str, peer: str, key: str) -> Person | None:
        """See `dashboards.live.people.Gate`."""
        from opcua_server.access.roles import RIGHTS

        user = await self._door.login(name, password, peer)
        if user is None:
            return None
        rights = RIGHTS[user.role]
        return Person(key, user.name, user.role.value, frozenset(r.value for r in rights.may), rights.writes)


def gate_for(host: str) -> Gate | None:
    """Nobody has to log in on loopback; everywhere else everybody has to."""
    from opcua_server.access.security import loopback

    return None if loopback(host) else Login()


def dash(scenario: str, design: str | None, host: str, port: int, speed: str, controller: str, seed: int | None, out: Path | None, record: bool,
         until: str | None, operator: bool, paused: bool, language: str, dispatch: Dispatch | None) -> dict[str, Any]:  # fmt: skip
    """Serve the pages of a live run until Ctrl-C.

    Returns:
        The outcome of the run.

    Raises:
        BatchtwinError: wrong input, or the address or the folder cannot be used.
    """
    from dashboards.live.serve import serve

    plan, plant = load_scenario(scenario, design)
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise BatchtwinError("E101", where="--seed", problem=f"{seed} is out of range", mend=f"give 0 to {LARGEST_SEED}")
    until_s = lasts_of(until, plan) if until is not None else None
    gate = gate_for(host)
    zh = language == "zh"
    if isinstance(gate, Login) and not gate.store.accounts:
        raise BatchtwinError(
            "E401", problem=f"nobody could log in on {host}", mend="add a user with 'batchtwin access add NAME --role instructor'"
        )

    async def play(folder: Path | None) -> dict[str, Any]:
        with show.spinner("编译内核（仅一次）" if zh else "compiling kernels (once)"):
            live = Session(plan, plant, seed=seed, until_s=until_s, controller=controller, operator=operator, dispatch=dispatch)
        live.set_speed(speed)
        if not paused:
            live.start()

        def ready(url: str) -> None:
            print(f"{url}  {plan.name} @ {plant.name}, {live.speed_text}, controller {controller}")
            print(f"{'运行记录' if zh else 'run'}: {folder or '-'}")
            if gate is not None:
                notice = (
                    "警告: 密码以明文 HTTP 传输；请在前面设置 HTTPS 代理"
                    if zh
                    else "warning: passwords travel over plain HTTP; put an HTTPS proxy in front"
                )
                print(notice, file=sys.stderr)
            print("Ctrl-C 结束" if zh else "Ctrl-C ends it", flush=True)

        return await serve(live, host, port, gate, folder.parent if folder else Path("runs"), folder, ready)

    if not record:
        return asyncio.run(play(None))
    with folder_of(out, f"{plan.name}-{plan.seed if seed is None else seed}") as folder:
        return asyncio.run(play(folder))
