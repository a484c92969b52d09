"""The plant's time in the hands of clients: paced, stepped, and in lock-step with controllers at the other end of the wire."""

from __future__ import annotations

import asyncio
import math

import pytest
from asyncua import ua
from served import WAIT_S, few_trucks, here, name_of, tables, until

from opcua_server.clients.remote import control
from scenarios.run import open_run
from scenarios.simulation import Simulation

GROSS, DOOR, START = "Line1.Weigher.Cement.Gross", "Line1.Mixer.Door", "Line1.Station.Start"
U32, I32 = ua.VariantType.UInt32, ua.VariantType.Int32


def u32(value):
    return ua.Variant(value, U32)


async def why(peer):
    return await peer.read("Run.LastError")


# --- paced and stepped ------------------------------------------------------------------------------------


async def test_time_stands_starts_and_pauses(plant, loop):
    async with plant.client() as peer:
        assert await peer.read("Time.State") == "paused"
        assert await peer.call("Time.SetSpeed", "100") == [] and await peer.read("Time.Speed") == "100"
        assert await peer.call("Time.Start") == [] and await peer.read("Time.State") == "running"
        await until(lambda: plant.live.scan >= 20)
        assert await peer.call("Time.Pause") == [] and await peer.read("Time.State") == "paused"
        scan = await peer.read("Time.Scan")
        assert scan >= 20 and await peer.read("Time.Elapsed") == scan / 10
        assert await peer.call("Time.Pause") == []  # twice does no harm
        await peer.call("Time.Step", u32(1))
        assert await peer.read("Time.Scan") == scan + 1


async def test_pacing_follows_the_wall(plant, loop):
    async with plant.client() as peer:
        await peer.call("Time.SetSpeed", "20")
        await peer.call("Time.Start")
        began = loop.time()
        await until(lambda: plant.live.scan >= 60)  # 6 s at 20 times
        took = loop.time() - began
        assert 0.25 < took < 3.0
        assert plant.live.overruns == await peer.read("Time.Overruns")


async def test_as_fast_as_possible_others_get_their_turn(plant, loop):
    async with plant.client() as peer:
        await peer.call("Time.SetSpeed", "max")
        await peer.call("Time.Start")
        scans = [await peer.read("Time.Scan") for _ in range(20)]
        assert scans == sorted(scans) and scans[-1] > scans[0]


LONG = 60  # scans


@pytest.fixture(scope="module")
def uncontrolled(tmp_path_factory):
    """The run without a controller, in one go: its folder, the hash of its end, and the alarms that are on."""
    folder = tmp_path_factory.mktemp("uncontrolled") / "run"
    with Simulation("full-demand", few_trucks(), seed=1, fidelity="scan", controller=None, until_s=LONG / 10, out=folder) as sim:
        sim.inject("emergency-stop", "Line1.Station")
        sim.advance(LONG / 10)
        on = {t.name for t in sim.plant.table if t.alarm and sim.image[t.name]}
    return folder, sim.plant.hash(), on


@pytest.mark.parametrize("how", [[1] * LONG, [LONG], [5, LONG - 5]], ids=["single", "long", "uneven"])
async def test_single_steps_are_a_long_one(plant, loop, how, uncontrolled, tmp_path):
    folder, expected, on = uncontrolled
    plant.live.reset(seed=1, out=tmp_path / "run")
    plant.live.sim.end_tick = LONG * 10
    plant.live.sim.inject("emergency-stop", "Line1.Station")
    changes = []
    plant.live.alarm_listeners.append(lambda alarm: changes.append((alarm.changed, alarm.tag.name, alarm.active)))
    async with plant.client() as peer:
        for scans in how:
            await peer.call("Time.Step", u32(scans))
        assert await peer.read("Time.Scan") == LONG
    plant.live.alarm_listeners.pop()
    assert plant.live.state == "ended" and plant.hash() == expected
    assert on and {name for _, name, active in changes if active} == on
    there, here_ = tables(folder), tables(tmp_path / "run")
    assert here_.keys() == there.keys()
    for name, table in there.items():
        assert (name, here_[name].equals(table)) == (name, True)


@pytest.mark.parametrize("how", [[1] * LONG, [LONG], [5, LONG - 5]], ids=["single", "long", "uneven"])
async def test_what_a_client_is_told_does_not_depend_on_the_steps(plant, loop, how):
    """Each scan shows, however many are asked for at once; else a long step would tell what its pieces of wall time end with."""
    gross, expected = "Line1.Weigher.Sand1.Gross", []  # it trembles
    with Simulation("full-demand", few_trucks(), seed=1, fidelity="scan", controller=None) as sim:
        before = sim.image[gross]
        for scan in range(1, LONG + 1):
            sim.advance(0.1)
            if sim.image[gross] != before:
                expected.append((scan, before := sim.image[gross]))
    async with plant.client() as peer:
        await peer.subscribe(gross, GROSS, queue=1000)
        await peer.publish()
        for scans in how:
            await peer.call("Time.Step", u32(scans))
        told = []
        while len(told) < len(expected):
            got = await peer.publish()
            told += [(scan_of(plant, i), i.Value.Value.Value) for i in got.items if i.ClientHandle == 0]
    assert len(expected) > 10 and told == expected


def scan_of(plant, item):
    """The scan that a notification is of."""
    start = plant.live.sim.scenario.starts.replace(tzinfo=None)
    return round((item.Value.SourceTimestamp.replace(tzinfo=None) - start).total_seconds() * 10)


async def test_a_controller_may_step_and_leaves_running_time_alone(guarded, loop):
    async with (
        guarded.client("controller") as controller,
        guarded.client("operator") as operator,
        guarded.client("instructor") as instructor,
    ):
        assert await controller.call("Time.Step", u32(3)) == [3]
        assert await operator.call("Time.Step", u32(1)) == await controller.call("Time.Start") == "BadUserAccessDenied"
        await instructor.call("Time.Start")
        assert await controller.call("Time.Step", u32(1)) == "BadInvalidState"
        assert await controller.read("Time.State") == "running"


async def test_a_verdict_stops_time_only_for_those_who_may(guarded, loop, tmp_path, monkeypatch):
    judge = guarded.server.methods._by_node[here("Run.Verdict")].run.__self__
    monkeypatch.setattr(judge, "_verdict", lambda folder, case: f"{case} in {folder.name}")
    guarded.live.reset(seed=1, out=tmp_path / "run")
    async with guarded.client("operator") as operator, guarded.client("instructor") as instructor:
        assert await operator.call("Run.Verdict", "a") == ["a in run"]  # time stands
        await instructor.call("Time.Start")
        assert await operator.call("Run.Verdict", "a") == "BadInvalidState" and "let an instructor pause it" in await why(operator)
        assert guarded.live.state == "running"
        assert await instructor.call("Run.Verdict", "b") == ["b in run"] and guarded.live.state == "paused"


@pytest.mark.parametrize(("what", "speed"), [("alarms.step", "max"), ("lockstep.turn", "lockstep")])
async def test_a_mistake_of_ours_ends_the_run_and_nobody_waits_for_ever(plant, loop, monkeypatch, what, speed, caplog):
    """Else the task that drives time would be gone, and the state `running` for good."""
    owner, name = what.split(".")
    async with plant.client() as peer:
        handle = await join(peer) if speed == "lockstep" else 0
        await peer.call("Time.SetSpeed", speed)
        monkeypatch.setattr(getattr(plant.live, owner), name, lambda: 1 / 0)
        await peer.call("Time.Start")
        await until(lambda: plant.live.state == "failed")
        assert "ZeroDivisionError" in await peer.read("Time.Trouble")
        monkeypatch.undo()
        if handle:
            assert (await peer.call("Time.Next", u32(handle)))[2] is False
        await peer.call("Time.Reset", "", ua.Variant(1, I32))
        if not handle:
            assert await peer.call("Time.Step", u32(2)) == [2]


async def test_run_until_stops_there(plant, loop):
    async with plant.client() as peer:
        await peer.call("Time.SetSpeed", "max")
        assert await peer.call("Time.RunUntil", 7.25) == []  # the scan after it
        await until(lambda: plant.live.state == "paused")
        assert (await peer.read("Time.Scan"), await peer.read("Time.Elapsed")) == (73, 7.3)
        assert await peer.call("Time.RunUntil", 7.0) == "BadInvalidArgument"
        assert "lies in the past" in await why(peer)
        assert await peer.read("Time.State") == "paused"


async def test_reset_begins_anew(plant, loop):
    async with plant.client() as peer:
        await peer.call("Time.Step", u32(30))
        first, epoch = plant.hash(), await peer.read("Time.Epoch")
        assert await peer.call("Time.Reset", "", ua.Variant(2, I32)) == []
        assert (await peer.read("Time.Scan"), await peer.read("Time.Epoch"), await peer.read("Run.Seed")) == (0, epoch + 1, 2)
        await peer.call("Time.Step", u32(30))
        assert plant.hash() != first
        await peer.call("Time.Reset", "", ua.Variant(1, I32))
        await peer.call("Time.Step", u32(30))
        assert plant.hash() == first
        await peer.call("Time.Reset", "", ua.Variant(-1, I32))
        assert await peer.read("Run.Seed") == plant.live.sim.scenario.seed


async def test_a_subscription_outlives_a_reset(plant, loop):
    async with plant.client() as peer:
        await peer.subscribe("Time.Epoch", GROSS)
        await peer.publish()
        await peer.call("Time.Reset", "", ua.Variant(1, I32))
        plant.show(Line1__Weigher__Cement__Gross=77.0)
        seen = []
        while (1, 77.0) not in seen:
            seen += (await peer.publish()).data


WRONG = [
    ("Time.Step", (u32(0),), "BadInvalidArgument"), ("Time.Step", (u32(100_001),), "BadInvalidArgument"), ("Time.Step", (-1,), "BadInvalidArgument"),
    ("Time.Step", (2**40,), "BadInvalidArgument"), ("Time.Step", (1.0,), "BadInvalidArgument"), ("Time.Step", ("1",), "BadInvalidArgument"),
    ("Time.Step", (), "BadArgumentsMissing"), ("Time.Step", (1, 2), "BadTooManyArguments"), ("Time.Step", (ua.Variant([1], U32),), "BadInvalidArgument"),
    ("Time.Step", (ua.Variant(),), "BadInvalidArgument"), ("Time.Step", (True,), "BadInvalidArgument"), ("Time.Start", (1,), "BadTooManyArguments"),
    ("Time.RunUntil", (-1.0,), "BadInvalidArgument"), ("Time.RunUntil", (math.nan,), "BadInvalidArgument"), ("Time.RunUntil", (math.inf,), "BadInvalidArgument"),
    ("Time.RunUntil", (1e300,), "BadInvalidArgument"), ("Time.SetSpeed", ("fast",), "BadInvalidArgument"), ("Time.SetSpeed", ("0",), "BadInvalidArgument"),
    ("Time.SetSpeed", ("-1",), "BadInvalidArgument"), ("Time.SetSpeed", ("nan",), "BadInvalidArgument"), ("Time.SetSpeed", ("inf",), "BadInvalidArgument"),
    ("Time.SetSpeed", ("",), "BadInvalidArgument"), ("Time.SetSpeed", (10.0,), "BadInvalidArgument"), ("Time.SetSpeed", ("1" * 60_000,), "BadInvalidArgument"),
    ("Time.Reset", ("no-such-scenario", 1), "BadInvalidArgument"), ("Time.Reset", ("", -2), "BadInvalidArgument"), ("Time.Reset", ("../x", 1), "BadInvalidArgument"),
    ("Time.Join", ("", 1), "BadInvalidArgument"), ("Time.Join", ("x" * 65, 1), "BadInvalidArgument"), ("Time.Join", ("me", 0), "BadInvalidArgument"),
    ("Time.Join", ("me", 601), "BadInvalidArgument"), ("Time.Join", ("a\nb", 1), "BadInvalidArgument"), ("Time.Next", (4_000_000_000,), "BadInvalidArgument"),
    ("Time.Leave", (4_000_000_000,), "BadInvalidArgument"), ("Faults.Inject", ("nonsense", "Line1.Mixer", math.nan, 0.0, 0.0), "BadInvalidArgument"),
    ("Faults.Inject", ("stuck-door", "Line1.Nowhere", math.nan, 0.0, 0.0), "BadInvalidArgument"), ("Faults.Inject", ("stuck-door", "Line1.Mixer", 99.0, 0.0, 0.0), "BadInvalidArgument"),
    ("Faults.Inject", ("stuck-door", "Line1.Mixer", 1.0, -1.0, 0.0), "BadInvalidArgument"), ("Faults.Inject", ("stuck-door", "Line1.Mixer", 1.0, 0.0, math.nan), "BadInvalidArgument"),
    ("Run.PlaceOrder", ("C30", math.nan, ""), "BadInvalidArgument"), ("Run.PlaceOrder", ("C30", -1.0, ""), "BadInvalidArgument"), ("Run.PlaceOrder", ("nothing", 6.0, ""), "BadInvalidArgument"),
    ("Run.BookOrder", ("no json",), "BadInvalidArgument"), ("Run.BookOrder", ("[]",), "BadInvalidArgument"), ("Run.BookOrder", ("{}",), "BadInvalidArgument"),
    ("Run.BookOrder", ('{"grade": ["C30"], "volume_m3": 6}',), "BadInvalidArgument"), ("Run.BookOrder", ('{"grade": "C30", "volume_m3": 6, "start": 1}',), "BadInvalidArgument"),
    ("Run.BookOrder", ('{"grade": "C30", "volume_m3": 6, "at": [400, 400]}',), "BadInvalidArgument"), ("Run.ChangeOrder", (u32(999), 5.0, math.nan), "BadInvalidArgument"),
    ("Run.ChangeOrder", (u32(1), math.nan, math.nan), "BadInvalidArgument"), ("Run.ChangeOrder", (u32(1), -1.0, math.nan), "BadInvalidArgument"), ("Run.CancelOrder", (u32(0),), "BadInvalidArgument"),
    ("Run.LoadRecipe", ("no json",), "BadInvalidArgument"), ("Run.LoadRecipe", ("{}",), "BadInvalidArgument"), ("Run.StartRecording", ("../x",), "BadInvalidArgument"),
    ("Run.StartRecording", ("/tmp/x",), "BadInvalidArgument"), ("Run.StartRecording", (".",), "BadInvalidArgument"), ("Run.Verdict", ("",), "BadInvalidState"),
    ("Run.AcknowledgeAlarm", ("Line1.Mixer.Run", ""), "BadInvalidArgument"), ("Run.AcknowledgeAlarm", ("Line1.Mixer.Tripped", ""), "BadInvalidState"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "arguments", "code"), WRONG, ids=lambda x: str(x)[:40])
async def test_wrong_arguments_are_refused_and_change_nothing(plant, loop, method, arguments, code):
    async with plant.client() as peer:
        before = plant.hash()
        assert await peer.call(method, *arguments) == code
        assert (plant.live.state, plant.live.speed_text, plant.live.tick, plant.hash()) == ("paused", "1", 0, before)
        assert not plant.live.lockstep.partners and not plant.live.sim._wishes and plant.live.sim.writer is None


async def test_which_argument_is_wrong_is_told(plant, loop):
    async with plant.client() as peer:
        for wrong, code in (("often", "BadTypeMismatch"), (2**40, "BadOutOfRange"), (-1, "BadOutOfRange")):
            request = ua.CallMethodRequest(here("Time"), here("Time.Join"), [ua.Variant("me"), ua.Variant(wrong)])
            (result,) = (await peer.send("Call", MethodsToCall=[request])).Results
            assert [name_of(c) for c in result.InputArgumentResults] == ["Good", code]
            assert name_of(result.StatusCode) == "BadInvalidArgument" and not result.OutputArguments


@pytest.mark.parametrize(
    ("owner", "method", "code"),
    [("Nowhere", "Time.Start", "BadNodeIdUnknown"), ("Run", "Time.Start", "BadMethodInvalid"), ("Time", "Time.Nothing", "BadMethodInvalid"), ("Time", "Time.State", "BadMethodInvalid")],
)  # fmt: skip
async def test_a_method_is_called_on_its_object(plant, loop, owner, method, code):
    async with plant.client() as peer:
        assert await peer.call(method, owner=owner) == code
        assert plant.live.state == "paused"


async def test_no_step_while_time_runs(plant, loop):
    async with plant.client() as peer:
        await peer.call("Time.Start")
        assert await peer.call("Time.Step", u32(1)) == "BadInvalidState"
        assert "pause first" in await why(peer)


async def test_a_long_step_can_be_paused_or_reset_by_somebody_else(plant, loop):
    async with plant.client() as peer, plant.client() as other:
        for stop in (("Time.Pause",), ("Time.Reset", "", ua.Variant(1, I32))):
            stepping = asyncio.ensure_future(peer.call("Time.Step", u32(100_000)))
            await until(lambda: plant.live.state == "stepping" and plant.live.scan > 0)
            assert await other.call("Time.Step", u32(1)) == "BadInvalidState"
            assert await other.call(*stop) == []
            (scan,) = await stepping
            assert plant.live.state == "paused" and scan == plant.live.scan < 100_000


async def test_a_caller_that_goes_stops_nothing(plant, loop):
    async with plant.client() as peer:
        stepping = asyncio.ensure_future(peer.call("Time.Step", u32(5000)))
        await until(lambda: plant.live.scan > 0)
        peer.protocol.transport.abort()
        await asyncio.gather(stepping, return_exceptions=True)
    await until(lambda: plant.live.state == "paused")
    assert plant.live.scan == 5000


async def test_a_run_ends_and_says_so(plant, loop):
    plant.live.sim.end_tick = 200
    async with plant.client() as peer:
        await peer.call("Time.Step", u32(1000))
        assert (await peer.read("Time.State"), await peer.read("Time.Scan")) == ("ended", 20)
        for call in (("Time.Start",), ("Time.Step", u32(1)), ("Time.RunUntil", 100.0), ("Run.StartRecording", "x")):
            assert await peer.call(*call) == "BadInvalidState"
        assert await peer.write(DOOR, 5.0) == "BadInvalidState"
        assert await peer.call("Time.Reset", "", ua.Variant(1, I32)) == []
        assert await peer.call("Time.Step", u32(1)) == [1]


async def test_several_calls_in_a_request_are_done_in_order(plant, loop):
    async with plant.client() as peer:
        calls = [ua.CallMethodRequest(here("Time"), here(m), a) for m, a in (
            ("Time.Step", [u32(3)]), ("Time.Nothing", []), ("Time.Step", [u32(4)]), ("Time.SetSpeed", [ua.Variant("5")]))]  # fmt: skip
        results = (await peer.send("Call", MethodsToCall=calls)).Results
        assert [name_of(r.StatusCode) for r in results] == ["Good", "BadMethodInvalid", "Good", "Good"]
        assert [v.Value for r in results for v in r.OutputArguments] == [3, 7]


# --- lock-step --------------------------------------------------------------------------------------------


async def join(peer, name="me", period=1):
    return (await peer.call("Time.Join", name, u32(period)))[0]


async def lockstep(peer):
    await peer.call("Time.SetSpeed", "lockstep")
    await peer.call("Time.Start")


async def following(peer, handle):
    """The controller's outputs are written; its next scan, when it has come."""
    while True:
        scan, _, ready = await peer.call("Time.Next", u32(handle))
        if ready:
            return scan


async def test_time_waits_for_the_controller(plant, loop):
    async with plant.client() as peer:
        handle = await join(peer)
        await lockstep(peer)
        assert await peer.read("Time.Awaited") == await peer.read("Time.Controllers") == ["me"]
        for scan in range(1, 6):
            assert await peer.write(DOOR, float(scan)) == "Good"
            assert await following(peer, handle) == scan
            assert plant.live.scan == scan and plant.live.sim.image[DOOR] == scan
        assert await peer.call("Time.Leave", u32(handle)) == []
        assert await peer.read("Time.Controllers") == []
        assert await peer.read("Time.Lost") == ""  # it has said goodbye
        assert await peer.call("Time.Next", u32(handle)) == "BadInvalidArgument"


async def test_two_controllers_of_different_periods(plant, loop):
    async with plant.client() as quick, plant.client() as slow:
        handles = await join(quick, "quick", 1), await join(slow, "slow", 3)
        await lockstep(quick)
        seen = {"quick": [], "slow": []}

        async def scans(peer, name, handle, count):
            for _ in range(count):
                seen[name].append(await following(peer, handle))

        await asyncio.gather(scans(quick, "quick", handles[0], 9), scans(slow, "slow", handles[1], 3))
        assert seen == {"quick": [1, 2, 3, 4, 5, 6, 7, 8, 9], "slow": [3, 6, 9]}
        waiting = asyncio.ensure_future(scans(quick, "quick", handles[0], 3))  # scan 9 waits for the slow one
        await quick.read("Time.State")
        assert await slow.read("Time.Awaited") == ["slow"] and plant.live.scan == 9
        await scans(slow, "slow", handles[1], 1)
        await waiting
        assert (seen["quick"][-1], seen["slow"][-1]) == (12, 12)


async def test_a_controller_that_does_not_answer_is_dropped_and_told(plant, loop):
    plant.live.lockstep.timeout_s = 0.05
    async with plant.client() as peer, plant.client() as silent:
        handle, lost = await join(peer, "lively"), await join(silent, "silent")
        await lockstep(peer)
        for _ in range(3):
            await following(peer, handle)
        assert await peer.read("Time.Lost") == "silent: no outputs within 0.05 s"
        assert await peer.read("Time.Controllers") == ["lively"]
        assert await silent.call("Time.Next", u32(lost)) == "BadInvalidArgument"


async def test_a_controller_whose_connection_ends_is_gone(plant, loop):
    async with plant.client() as peer:
        handle = await join(peer, "stays")
        async with plant.client() as other:
            await join(other, "goes")
            await lockstep(peer)
            waiting = asyncio.ensure_future(following(peer, handle))
            await peer.read("Time.State")
            assert plant.live.scan == 0
            other.protocol.transport.abort()
            assert await waiting == 1
        assert await peer.read("Time.Lost") == "goes: connection lost"


async def test_a_handle_is_its_sessions_own(plant, loop):
    async with plant.client() as one, plant.client() as other:
        handle = await join(one)
        assert await other.call("Time.Next", u32(handle)) == "BadInvalidArgument"
        assert await other.call("Time.Leave", u32(handle)) == "BadInvalidArgument"
        assert await one.call("Time.Leave", u32(handle)) == []


async def test_next_is_answered_in_time_even_if_nothing_comes(plant, loop, monkeypatch):
    monkeypatch.setattr("scenarios.lockstep.ANSWER_S", 0.02)
    async with plant.client() as peer, plant.client() as other:
        handle = await join(peer)
        await join(other, "late")
        await lockstep(peer)
        assert (await peer.call("Time.Next", u32(handle)))[::2] == [0, False]
        assert (await peer.call("Time.Next", u32(handle)))[::2] == [0, False]  # call again, without writing again
        monkeypatch.setattr("scenarios.lockstep.ANSWER_S", 2.0)
        waiting = asyncio.ensure_future(peer.call("Time.Next", u32(handle)))
        await peer.read("Time.State")
        assert await peer.call("Time.Next", u32(handle)) == "BadInvalidArgument"  # one at a time
        plant.live.lockstep.gone(next(p.owner for p in plant.live.lockstep.partners.values() if p.name == "late"))
        assert (await waiting)[::2] == [1, True]


async def test_reset_pause_and_step_in_lock_step(plant, loop):
    async with plant.client() as peer, plant.client() as chief:
        handle = await join(peer)
        await chief.call("Time.SetSpeed", "lockstep")
        waiting = asyncio.ensure_future(peer.call("Time.Next", u32(handle)))
        stepping = asyncio.ensure_future(chief.call("Time.Step", u32(2)))
        assert (await waiting)[::2] == [1, True] and not stepping.done()
        assert await following(peer, handle) == 2
        assert await stepping == [2] and plant.live.state == "paused"
        waiting = asyncio.ensure_future(peer.call("Time.Next", u32(handle)))
        await peer.read("Time.State")
        epoch = plant.live.epoch
        await chief.call("Time.Reset", "", ua.Variant(1, I32))
        assert await waiting == [0, epoch + 1, True]  # it begins anew, too
        assert await peer.read("Time.Controllers") == ["me"]


async def test_no_more_controllers_than_there_is_place_for(plant, loop):
    async with plant.client() as peer:
        for i in range(32):
            assert await join(peer, f"c{i}")
        assert await peer.call("Time.Join", "one too many", u32(1)) == "BadInvalidArgument"


# --- the reference controller at the other end of the wire --------------------------------------------------

MINUTES = 4  # three batches and the first truck


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    """The run with the reference controller inside: its folder and the hash of its end."""
    folder = tmp_path_factory.mktemp("inside") / "run"
    with Simulation("full-demand", few_trucks(), seed=1, fidelity="scan", until_s=MINUTES * 60, out=folder) as sim:
        sim.advance(MINUTES * 60)
        return folder, sim.plant.hash()


async def test_a_scan_is_played_before_the_controller_is_told_however_busy_the_machine(plant, loop, monkeypatch):
    monkeypatch.setattr("scenarios.session.PIECE_S", 0.0)  # as if another program had run in between
    async with plant.client() as peer:
        handle = await join(peer)
        await lockstep(peer)
        assert (await peer.call("Time.Next", u32(handle)))[::2] == [1, True]


async def test_the_controller_at_the_other_end_gives_the_same_run_bit_for_bit(plant, loop, inside, monkeypatch):
    monkeypatch.setattr("scenarios.session.PIECE_S", WAIT_S)  # see the test before
    folder, expected = inside
    plant.live.reset(seed=1, out=plant.folder / "remote")
    plant.live.sim.end_tick = MINUTES * 6000
    plant.live.set_speed("lockstep")
    controller = asyncio.ensure_future(control(plant.url, once=True))
    await until(lambda: plant.live.lockstep.partners)
    plant.live.start()
    assert await controller == MINUTES * 600
    assert plant.live.state == "ended" and plant.hash() == expected
    here_, there = tables(plant.folder / "remote"), tables(folder)
    assert there["batches"].num_rows >= 3 and there["deliveries"].num_rows >= 1
    assert here_.keys() == there.keys()
    for name, table in there.items():
        assert (name, here_[name].equals(table)) == (name, True)
    assert open_run(plant.folder / "remote").outcome["state_hash"] == open_run(folder).outcome["state_hash"] == expected
