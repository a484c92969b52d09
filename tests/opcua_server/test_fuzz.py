"""Seeded fuzz against a real server: whatever comes, it is refused or answered; nobody else, nor the plant, notices.

`make soak` does the same a hundred thousand times. A failure names its seed; `BATCHTWIN_FUZZ_SEED` repeats it or tries another.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from fuzzing import MUTATIONS, Fuzzer, Generator, Raw, asked, node, requests
from served import ENDPOINT, Served, few_trucks, name_of, quietly, until

from opcua_server.access import security
from opcua_server.access.identity import Identity
from opcua_server.access.roles import Role, User
from opcua_server.protocol import wire
from opcua_server.protocol.decoding import Bytes
from scenarios.run import open_run
from scenarios.session import Session

SEED = int(os.environ.get("BATCHTWIN_FUZZ_SEED", "20261"))
START_S, PLAY_S = 900.0, 240.0  # wall time of the soak: until its server is up, and from then on
TIME = ("Call Start", "Call Pause", "Call Step", "Call SetSpeed", "Call lockstep", "Call RunUntil", "Call Reset", "Call StartRecording")


class Watching(Identity):
    """Everybody may look on, and that is all."""

    async def user(self, *_):
        return User("anonymous", Role.OBSERVER)


@pytest.fixture(scope="module")
def watched(loop, tmp_path_factory):
    """A plant without security at which nobody may do anything."""
    safe = security.insecure(ENDPOINT)
    safe.identity = Watching(None, None)
    plant = Served(safe, tmp_path_factory.mktemp("watched"))
    loop.run_until_complete(plant.start())
    yield plant
    loop.run_until_complete(plant.stop())


@pytest.fixture(autouse=True)
def sound(caplog):
    """No mistake of ours was logged, no task died unheard."""
    print(f"seed {SEED}")
    yield
    errors = [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR and r.name.partition(".")[0] in ("batchtwin", "asyncio")]
    assert not [f"{r.getMessage()} {r.exc_info}" for r in errors]


async def well(plant):
    """The server serves and the player plays."""
    assert not plant._player.done()
    assert sum(not task.done() for task in plant.server._tasks) >= 2  # publishing and sweeping
    raw = await Raw.logged_in(plant.url)
    assert name_of(await raw.status(asked("Read", NodesToRead=[ua.ReadValueId(node("Time.State"), 13)]))) == "Good"
    raw.close()
    limits, subscriptions = plant.server.limits, plant.server.subscriptions.rows()
    assert len(plant.server.sessions) <= limits.sessions and len(plant.server._connections) <= limits.connections
    assert len(subscriptions) <= limits.subscriptions and all(s.pending == 0 for s in plant.server.sessions if s.connection is None)


async def test_who_may_only_look_on_changes_nothing_whatever_they_send(watched, loop, tmp_path):
    watched.live.record(tmp_path / "run")
    untouched = Session("full-demand", few_trucks(), seed=1)
    generator = Generator(SEED)
    fuzzer = Fuzzer(watched.url, generator)
    for _ in range(12):
        await fuzzer.run(100)
        await well(watched)
        await watched.live.step(25)
    fuzzer.close()
    await untouched.step(300)
    assert watched.live.trouble == "" and watched.hash() == untouched.sim.plant.hash()
    assert fuzzer.sent == 1200 and fuzzer.ended > 100 and min(generator.tried.values()) > 0
    untouched.close()
    watched.live.sim.close("cut")
    assert open_run(tmp_path / "run").sql("SELECT count(*) FROM tags").to_pylist()


async def test_an_instructor_may_change_much_and_breaks_nothing(plant, loop):
    generator = Generator(SEED + 1)
    fuzzer = Fuzzer(plant.url, generator)
    for _ in range(8):
        await fuzzer.run(100)
        await well(plant)
        plant.live.pause()
        if plant.live.state == "paused":
            plant.live.set_speed("max")
            await plant.live.step(25)
        sim = plant.live.sim
        assert plant.live.trouble == "" and sim.plant.residual() <= 1e-9
        for array in sim.plant.arrays():
            for name in array.dtype.names or [None]:
                part = array[name] if name else array
                assert part.dtype.kind != "f" or not np.isnan(part).any(), name
    fuzzer.close()


async def test_right_requests_are_all_answered(plant, loop):
    """Else the fuzz would not get far."""
    raw = await Raw.logged_in(plant.url)
    said = requests()
    codes = {}
    for name, request in said.items():
        if name not in ("Publish", "Call Next", *TIME):
            codes[name] = name_of(await raw.status(request))
    unknown = {n: c for n, c in codes.items() if c != "Good"}
    assert unknown == {
        "Cancel": unknown.get("Cancel"), "QueryFirst": "BadServiceUnsupported", "AddNodes": "BadServiceUnsupported", "CreateSession": "BadTooManySessions",
        **{n: c for n, c in unknown.items() if c == "BadSubscriptionIdInvalid"},
    }  # fmt: skip
    raw.close()


async def test_secured_channels_are_not_opened_by_what_is_nearly_right(guarded, loop):
    secure, recorded = None, []
    async with guarded.client("observer") as peer:
        secure = peer.protocol._connection
        for kind in ua.SecurityTokenRequestType:
            request = ua.OpenSecureChannelRequest()
            request.Parameters = ua.OpenSecureChannelParameters(0, kind, ua.MessageSecurityMode.SignAndEncrypt, bytes(32), 3_600_000)
            recorded.append(secure.message_to_binary(struct_to_binary(request), ua.MessageType.SecureOpen, 1))
        recorded.append(secure.message_to_binary(struct_to_binary(asked("GetEndpoints")), request_id=2))
    generator = Generator(SEED + 2)
    r = generator.random
    async with guarded.client("observer") as peer:
        before = guarded.server.sessions.total
        for _ in range(200):
            raw = await Raw.to(guarded.url)
            await raw.hello()
            frames = [r.choice(recorded) for _ in range(r.choice((1, 1, 2)))]
            raw.send(b"".join(damaged(generator, frame) for frame in frames))
            raw.writer.write_eof()
            await raw.ends()
            raw.close()
        assert await peer.read("Time.State") == "paused"
    await until(lambda: not guarded.server._connections)
    assert guarded.server.sessions.total == before


def damaged(generator, frame):
    """A frame with something wrong in it whose size is still right, most of the time."""
    kind = generator.random.choice(("bits", "odd", "cut", "insert", "delete", "length", "splice"))
    body = MUTATIONS[kind](generator.random, frame[8:], [frame[8:]])
    return frame[:4] + (8 + len(body)).to_bytes(4, "little") + body if generator.random.random() < 0.9 else frame[:8] + body


async def test_within_a_secured_channel(guarded, loop):
    """What is signed and encrypted properly and is nonsense nevertheless."""
    generator = Generator(SEED + 3)
    async with guarded.client("observer") as healthy:
        left = 120
        while left > 0:
            async with guarded.client("observer") as peer:
                raw = Raw(None, None)
                raw.session = peer.protocol.authentication_token
                bodies = generator.bodies(raw)
                while left > 0 and peer.protocol.transport is not None and not peer.protocol.transport.is_closing():
                    left -= 1
                    body = bytes(generator.random.choice(bodies)[:68]) + generator.body(bodies)[68:]
                    peer.protocol.transport.write(peer.protocol._connection.message_to_binary(body, request_id=1_000_000 + left))
                    if left % 10 == 0:
                        await quietly(peer.read("Time.State"))  # it may have been thrown out
        assert await healthy.read("Time.State") == "paused"
    assert guarded.live.scan == 0


def test_decoding_ends_soon_whatever_is_decoded():
    """All that a request can hold, without a socket in between."""
    generator = Generator(SEED + 4)
    raw = Raw(None, None)
    bodies = generator.bodies(raw)
    names = [type(request).__name__.removesuffix("Request") for request in generator.requests]
    kinds = {body[2] | body[3] << 8: name for body, name in zip(bodies, names, strict=True)}
    slowest = 0.0
    for _ in range(4000):
        body = generator.body(bodies)
        began = time.process_time()
        try:
            request = wire.read_request(1, body)
            kind = getattr(ua, f"{kinds.get(request.type, 'Write')}Parameters", ua.WriteParameters)
            wire.struct_from_binary(kind, Bytes(body, request.body.cur_pos))
        except Exception:  # refused, which is all that is asked
            pass
        slowest = max(slowest, time.process_time() - began)
    assert slowest < 2.0, f"{slowest:.1f} s"


def test_the_same_seed_gives_the_same_inputs():
    raw, other = Raw(None, None), Raw(None, None)
    one, two = Generator(SEED), Generator(SEED)
    assert [one.body(one.bodies(raw)) for _ in range(50)] == [two.body(two.bodies(other)) for _ in range(50)]


def test_the_soak_in_small():
    """A few minutes of the day that `make soak` plays: a server process, company that comes and vanishes, lock-step, fuzz."""
    command = [sys.executable, "tools/soak.py", "--hours", "0.1", "--fuzz", "250", "--scans", "25", "--seed", str(SEED)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=Path(__file__).parents[2], start_new_session=True
    ) as soak:
        guard = threading.Timer(START_S, os.killpg, (soak.pid, signal.SIGKILL))  # it may have to compile all kernels first
        guard.start()
        said = [soak.stdout.readline() for _ in range(2)]
        guard.cancel()
        assert said[1].startswith("serving at"), f"no server within {START_S:g} s: {said}"
        guard = threading.Timer(PLAY_S, os.killpg, (soak.pid, signal.SIGKILL))
        guard.start()
        said += soak.stdout.readlines()
        guard.cancel()
    assert (soak.returncode, said[-1:]) == (0, ["nothing lost, memory level, no error\n"]), "".join(said)
