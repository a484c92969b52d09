"""A day of a served plant with bad company: does the server's memory stay level, and does a good client lose nothing?

    python tools/soak.py --hours 24 --fuzz 100000 --seed 1

A server process plays working days as fast as it can, the reference controller inside, and records them. Meanwhile operators
come, subscribe, write, call and vanish, most without goodbye; a fuzzer sends what is nearly right; and one steady subscriber
checks that every message comes in its turn. After each hour some scans are played in lock-step, in which it must see each
single heartbeat. Leaves with 1 when the memory grew by more than 5 % from the second quarter to the last, when something was
lost, or when the server logged an error.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "opcua_server"))

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary
from fuzzing import Closed, Fuzzer, Generator, Raw, asked, call, node

from batchtwin.bench.processes import cpu_s
from opcua_server.protocol.decoding import Bytes
from scenarios.run import open_run

BEAT = "Line1.Station.Heartbeat"
WRAP = 1_000_000  # the heartbeat starts again there
OVERFLOW = 0x480
KEPT_BYTES = 8_000_000
STANDSTILL_S = 60.0  # wall time without a scan after which time has stopped for good
SLICES = 20  # of each hour
GROWTH = 1.05  # most, from the second quarter to the last
ALL_FOR_FLATNESS = 8  # stretches below which the memory is not judged: it still settles
DAY_S = 12 * 3600.0  # from one working day's first order to the next one's
V = ua.VariantType


# --- the server, a process of its own -----------------------------------------------------------------------


def serve(folder: Path, hours: float, seed: int) -> None:
    """Serve working days until SIGTERM."""
    from opcua_server.access.identity import Identity
    from opcua_server.access.roles import Role, User
    from opcua_server.access.security import insecure
    from opcua_server.scenarios import Offer
    from opcua_server.serve import serve as run
    from scenarios.schema import load_scenario
    from scenarios.session import Session

    class ByName(Identity):
        """Who says so is the admin or an operator; all others may look on."""

        async def user(self, p: Any, session: Any, policy: Any, peer: str) -> User:
            role = {"soak-admin": Role.ADMIN, "soak-operator": Role.OPERATOR}.get(session.name, Role.OBSERVER)
            return User(str(role), role)

    class Small(Session):
        """A live run that keeps less of its newest rows at hand than it may: the room for them is full after the first hours."""

        kept_bytes = KEPT_BYTES

    logging.basicConfig(filename=folder / "server.log", level=logging.ERROR)
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    day, plant = load_scenario("working-day")
    again = [k * DAY_S for k in range(int(hours * 3600 // DAY_S) + 1)]
    orders = [o.model_copy(update={"start": o.start + later}) for later in again for o in day.orders]
    deliveries = [d.model_copy(update={"at": d.at + later}) for later in again for d in day.deliveries]
    faults = [f.model_copy(update={"at": f.at + later}) for later in again for f in day.faults]
    plan = day.model_copy(update={"orders": orders, "deliveries": deliveries, "faults": faults, "lasts": (len(again) + 1) * DAY_S})
    safe, offer = insecure("opc.tcp://127.0.0.1:0"), Offer(plant)
    safe.identity = ByName(None, None)

    async def play() -> dict[str, Any]:
        live = Small(plan, plant, seed=seed, controller="reference")
        live.set_speed("max")
        return await run(live, "opc.tcp://127.0.0.1:0", safe, runs=folder, scenario=offer.scenario, verdict=offer.verdict, out=folder / "run",
                         ready=lambda url: print(url, flush=True))  # fmt: skip

    asyncio.run(play())


# --- clients ------------------------------------------------------------------------------------------------


class Steady:
    """A subscriber that acknowledges every message, and counts what it misses.

    Attributes:
        messages, values: received.
        lost: what was missing, in a line each.
        beat: the newest heartbeat; `beats` those since `watch`.
    """

    def __init__(self, raw: Raw, tags: list[str]) -> None:
        self.raw, self.tags = raw, tags
        self.messages = self.values = 0
        self.lost: list[str] = []
        self.beat = -1
        self.beats: list[int] = []

    async def run(self) -> None:
        """Subscribe and listen, until the connection ends."""
        raw = self.raw
        body = await raw.ask(asked("CreateSubscription", RequestedPublishingInterval=50.0, RequestedLifetimeCount=10_000, RequestedMaxKeepAliveCount=100,
                                   PublishingEnabled=True))  # fmt: skip
        ident = struct.unpack_from("<I", body, 28)[0]
        items = [ua.MonitoredItemCreateRequest(ua.ReadValueId(node(tag), 13), ua.MonitoringMode.Reporting, ua.MonitoringParameters(i, 0.0, None, 1000, True))
                 for i, tag in enumerate([BEAT, *self.tags])]  # fmt: skip
        assert await raw.status(asked("CreateMonitoredItems", SubscriptionId=ident, TimestampsToReturn=2, ItemsToCreate=items)) == 0
        for _ in range(5):
            self._publish()
        expected = 1
        while True:
            answer = struct_from_binary(ua.PublishResponse, Bytes(await raw.message())).Parameters
            self.messages += 1
            told = answer.NotificationMessage
            if told.SequenceNumber != expected:
                self.lost.append(f"message {expected}: {told.SequenceNumber} came")
            acks = []
            if told.NotificationData:
                expected = told.SequenceNumber + 1
                acks = [ua.SubscriptionAcknowledgement(answer.SubscriptionId, told.SequenceNumber)]
                self._take(told.NotificationData)
            if any(code.value for code in answer.Results or []):
                self.lost.append(f"message {told.SequenceNumber}: an acknowledgement was refused")
            self._publish(acks)

    def _publish(self, acks: list[Any] | None = None) -> None:
        request = asked("Publish", SubscriptionAcknowledgements=acks or [])
        body = self.raw.encoded(request)
        self.raw.send(self.raw.frame(body.replace(struct.pack("<I", 10_000), bytes(4), 1)))  # without a time limit

    def _take(self, notifications: list[Any]) -> None:
        for notification in notifications:
            for item in notification.MonitoredItems:
                self.values += 1
                if item.Value.StatusCode.value & OVERFLOW == OVERFLOW:
                    self.lost.append(f"{[BEAT, *self.tags][item.ClientHandle]}: the queue overflowed")
                if item.ClientHandle == 0:
                    beat = item.Value.Value.Value
                    if self.beat >= 0 and not 0 < (beat - self.beat) % WRAP < WRAP // 2:
                        self.lost.append(f"heartbeat {beat} after {self.beat}")
                    self.beat = beat
                    self.beats.append(beat)


async def come_and_go(url: str, r: random.Random, tags: list[str], count: list[int]) -> None:
    """An operator after the other: each subscribes to something, does something, and leaves in one way or another."""
    while True:
        raw: Raw | None = None
        with suppress(Closed, OSError):
            raw = await Raw.logged_in(url, "soak-operator")
            count[0] += 1
            body = await raw.ask(asked("CreateSubscription", RequestedPublishingInterval=100.0, RequestedLifetimeCount=100, RequestedMaxKeepAliveCount=20,
                                       PublishingEnabled=True))  # fmt: skip
            ident = struct.unpack_from("<I", body, 28)[0]
            items = [ua.MonitoredItemCreateRequest(ua.ReadValueId(node(tag), 13), 2, ua.MonitoringParameters(i, 0.0, None, r.choice((1, 10, 100)), True))
                     for i, tag in enumerate(r.sample(tags, r.randrange(1, 200)))]  # fmt: skip
            await raw.ask(asked("CreateMonitoredItems", SubscriptionId=ident, TimestampsToReturn=2, ItemsToCreate=items))
            for _ in range(r.randrange(10)):
                await r.choice((_reads, _writes, _orders, _acknowledges, _listens, _browses))(raw, r, tags)
            if r.random() < 0.4:
                await raw.ask(asked("CloseSession", DeleteSubscriptions=r.random() < 0.5))
        if raw is not None:
            raw.close()
        await asyncio.sleep(0.02 * r.random())


async def _reads(raw: Raw, r: random.Random, tags: list[str]) -> None:
    await raw.ask(asked("Read", NodesToRead=[ua.ReadValueId(node(tag), 13) for tag in r.sample(tags, 50)]))


async def _writes(raw: Raw, r: random.Random, tags: list[str]) -> None:
    value = ua.DataValue(ua.Variant(round(r.uniform(3.0, 6.0), 1)))
    await raw.ask(asked("Write", NodesToWrite=[ua.WriteValue(node("Line1.Bin.Sand1.LabMoisture"), 13, None, value)]))


async def _orders(raw: Raw, r: random.Random, tags: list[str]) -> None:
    if r.random() < 0.1:
        await raw.ask(call("Run.PlaceOrder", ua.Variant("C30"), ua.Variant(6.0), ua.Variant("soak")))


async def _acknowledges(raw: Raw, r: random.Random, tags: list[str]) -> None:
    await raw.ask(call("Run.AcknowledgeAlarm", ua.Variant("Line1.Station.LinkLost"), ua.Variant("seen")))


async def _listens(raw: Raw, r: random.Random, tags: list[str]) -> None:
    await raw.ask(asked("Publish"))


async def _browses(raw: Raw, r: random.Random, tags: list[str]) -> None:
    line = ua.BrowseDescription(node("Line1"), ua.BrowseDirection.Both, ua.NodeId(33), True, 0, 63)
    await raw.ask(asked("Browse", NodesToBrowse=[line], RequestedMaxReferencesPerNode=20))


class Admin:
    """Lets time go, and looks at the server."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw

    async def value(self, name: str | ua.NodeId) -> Any:
        """Value of a node."""
        item = ua.ReadValueId(node(name) if isinstance(name, str) else name, 13)
        body = await self.raw.ask(asked("Read", NodesToRead=[item], TimestampsToReturn=3))
        return struct_from_binary(ua.ReadResponse, Bytes(body)).Results[0].Value.Value

    async def do(self, method: str, *arguments: ua.Variant) -> list[Any]:
        """Call a method; returns its outputs."""
        answer = struct_from_binary(ua.CallResponse, Bytes(await self.raw.ask(call(method, *arguments))))
        (result,) = answer.Results
        if not result.StatusCode.is_good():
            raise RuntimeError(f"{method}: {result.StatusCode.name}, {await self.value('Run.LastError')}")
        return [v.Value for v in result.OutputArguments]

    async def until(self, seconds: float) -> None:
        """Let time go to a simulated second."""
        await self.do("Time.SetSpeed", ua.Variant("max"))
        await self.do("Time.RunUntil", ua.Variant(float(seconds)))
        scan, since = -1, time.monotonic()
        while (state := await self.value("Time.State")) == "running":
            if (now := await self.value("Time.Scan")) != scan:
                scan, since = now, time.monotonic()
            elif time.monotonic() - since > STANDSTILL_S:
                raise RuntimeError(f"the run says that it is running and stands at scan {scan}")
            await asyncio.sleep(0.02)
        if state != "paused":
            raise RuntimeError(f"the run is {state}: {await self.value('Time.Trouble')}")

    async def lockstep(self, scans: int) -> None:
        """Play some scans as a controller that waits for each."""
        await self.do("Time.SetSpeed", ua.Variant("lockstep"))
        handle, _ = await self.do("Time.Join", ua.Variant("soak"), ua.Variant(1, V.UInt32))
        await self.do("Time.Start")
        for scan in range(scans):
            since = time.monotonic()
            while not (await self.do("Time.Next", ua.Variant(handle, V.UInt32)))[2]:
                if time.monotonic() - since > STANDSTILL_S:
                    raise RuntimeError(f"scan {scan} of {scans} in lock-step never came")
        await self.do("Time.Pause")
        await self.do("Time.Leave", ua.Variant(handle, V.UInt32))


# --- the soak -----------------------------------------------------------------------------------------------


def resident_mb(pid: int) -> float:
    """Memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


async def seen(steady: Steady, admin: Admin, what: str) -> None:
    """The steady subscriber must come to know the newest heartbeat; time stands meanwhile."""
    newest = await admin.value(BEAT)
    deadline = time.monotonic() + 30.0
    while steady.beat != newest:
        if time.monotonic() > deadline:
            steady.lost.append(f"{what}: heartbeat {newest} never came, the last was {steady.beat}")
            return
        await asyncio.sleep(0.01)


def tell(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


async def soak(url: str, pid: int, options: argparse.Namespace) -> list[str]:
    """Play; returns what went wrong."""
    hours, fuzz, scans = options.hours, options.fuzz, options.scans
    r = random.Random(options.seed)
    admin = Admin(await Raw.logged_in(url, "soak-admin"))
    listing = [name for group in ("Sensors", "Setpoints", "Actuators", "Statuses") for name in await admin.value(f"Image.{group}.Names")]
    steady = Steady(await Raw.logged_in(url, "soak-admin"), r.sample(listing, 100))
    fuzzer, come = Fuzzer(url, Generator(options.seed)), [0]
    company = [asyncio.create_task(steady.run())]
    company += [asyncio.create_task(come_and_go(url, random.Random(r.random()), listing, come)) for _ in range(4)]
    stretches = max(round(hours), 4)
    memory: list[float] = []
    tell("  hour      s   cpu s      MB sessions  subscr.  clients   fuzzed   ended  messages    values  lost  slowest s")
    began = time.monotonic()
    Raw.wait_s = STANDSTILL_S  # cores may be shared; how long it took is told

    async def line(hour: float) -> None:
        summary = await admin.value(ua.NodeId(ua.ObjectIds.Server_ServerDiagnostics_ServerDiagnosticsSummary))
        memory.append(resident_mb(pid))
        tell(f"{hour:6.2f} {time.monotonic() - began:6.0f} {cpu_s(pid):7.0f} {memory[-1]:7.1f} {summary.CurrentSessionCount:8} {summary.CurrentSubscriptionCount:8} {come[0]:8} "
             f"{fuzzer.sent:8} {fuzzer.ended:7} {steady.messages:9} {steady.values:9} {len(steady.lost):5} {fuzzer.slowest_s:10.2f} {fuzzer.slowest}")  # fmt: skip
        fuzzer.slowest_s, fuzzer.slowest = 0.0, ""

    await line(0.0)
    for k in range(1, stretches + 1):
        for part in range(SLICES):  # the plant is much faster than the fuzz: they take turns
            done = (k - 1 + (part + 1) / SLICES) / stretches
            playing = asyncio.gather(admin.until(done * hours * 3600), fuzzer.run(int(fuzz * done) - fuzzer.sent))
            await asyncio.wait({playing, *company}, return_when=asyncio.FIRST_COMPLETED)
            for task in company:
                if task.done():
                    task.result()
                    raise RuntimeError("a client stopped")
            await playing
        await seen(steady, admin, f"hour {k}")
        start, steady.beats = steady.beat, []
        await admin.lockstep(scans)
        await seen(steady, admin, f"lock-step after hour {k}")
        expected = [(start + i) % WRAP for i in range(1, len(steady.beats) + 1)]
        if steady.beats != expected or len(expected) < scans:
            steady.lost.append(f"lock-step after hour {k}: {len(steady.beats)} heartbeats of {scans}, not one after the other")
        await line(k * hours / stretches)
    fuzzer.close()
    for task in company:
        task.cancel()
    await asyncio.gather(*company, return_exceptions=True)
    wrong = steady.lost[:20]
    quarter = stretches // 4
    second, last = sum(memory[quarter + 1 : 2 * quarter + 1]) / quarter, sum(memory[-quarter:]) / quarter
    tell(f"memory: second quarter {second:.1f} MB, last quarter {last:.1f} MB, {100 * (last / second - 1):+.1f} %")
    if last > GROWTH * second and stretches >= ALL_FOR_FLATNESS:
        wrong.append(f"the memory grew from {second:.1f} to {last:.1f} MB")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Run the soak; returns the exit code."""
    parser = argparse.ArgumentParser(description="A day of a served plant with bad company.")
    parser.add_argument("--hours", type=float, default=24.0, help="simulated")
    parser.add_argument("--fuzz", type=int, default=100_000, help="inputs that are nearly right")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scans", type=int, default=250, help="played in lock-step after each hour")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve(options.serve, options.hours, options.seed)
        return 0
    tell(f"seed {options.seed}: {options.hours:g} h, {options.fuzz} inputs")
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        command = [sys.executable, __file__, "--serve", name, "--hours", str(options.hours), "--seed", str(options.seed)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": sys.path[1]})
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            if not url:
                tell(f"the server did not start: {(folder / 'server.log').read_text()[:5000]}")
                return 1
            tell(f"serving at {url}")  # kernels are compiled by now
            wrong = asyncio.run(soak(url, server.pid, options))
            server.send_signal(signal.SIGTERM)
            if server.wait(60.0) != 0:
                wrong.append(f"the server left with {server.returncode}")
            run = open_run(folder / "run")
            if run.state != "cut" or run.outcome["ledger_residual"] > 1e-9:
                wrong.append(f"the run is {run.state}, its ledger {run.outcome.get('ledger_residual')}")
            logged = (folder / "server.log").read_text()
            if logged:
                wrong.append(f"the server logged errors:\n{logged[:5000]}")
        finally:
            server.kill()
            server.communicate()
    print("\n".join(wrong) if wrong else "nothing lost, memory level, no error")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
