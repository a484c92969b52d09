"""The bridge to a PLC that is a server only, against a real one: the same run as with the controller inside, and every way to lose it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from served import few_trucks
from small_plc import URI, ReferencePlc, Shop, SmallPlc, V, until

from opcua_server.clients.bridge import Bridge, BridgeReport, bridge
from opcua_server.clients.iomap import Row, parse_node
from opcua_server.clients.plc import REFRESH
from scenarios.run import open_run
from scenarios.schema import Scenario
from scenarios.session import Session
from scenarios.simulation import Simulation
from twin.errors import BadInput, BatchtwinError

PLAN = Scenario.model_validate(
    {"name": "bridged", "title": {"en": "bridged", "zh": "桥接"}, "starts": datetime(2026, 5, 11, 6), "lasts": "1h", "seed": 11,
     "orders": [{"site": "Raft", "grade": "C30", "volume_m3": 12, "start": "06:00", "drive": "5min", "pour": "5min"}]}
)  # fmt: skip
BEAT, LINK, START, GROSS = "Line1.Station.Heartbeat", "Line1.Station.LinkOk", "Line1.Station.Start", "Line1.Weigher.Cement.Gross"
DEAD = "opc.tcp://127.0.0.1:1"


def beating(plc: SmallPlc) -> None:
    """The least program: a heartbeat."""
    plc.values["Beat"] = plc.values["Scan"]


def heart(**more: tuple[V, Any]) -> SmallPlc:
    """A PLC with a heartbeat and what else a test needs."""
    return SmallPlc({"Beat": (V.Int32, 0), "Link": (V.Boolean, False), "Scan": (V.UInt32, 0), **more}, beating)


def live_run(until_s: float = 3600.0, **how: Any) -> Session:
    return Session(PLAN, few_trucks(trucks=2, slots=2), until_s=until_s, **how)


def shows(live: Session, tag: str) -> Any:
    return live.sim.image[tag]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


@pytest.fixture
def couple(shop: Shop) -> Callable[..., BridgeReport]:
    """Couples a run with a PLC to its end."""

    def do(live: Session, plc: SmallPlc, rows: list[Row], **how: Any) -> BridgeReport:
        with shop.running(plc):
            try:
                return asyncio.run(bridge(live, plc.url, rows, **how))
            finally:
                live.close()

    return do


# --- the same run -----------------------------------------------------------------------------------------


def test_lock_step_with_the_reference_program_in_a_plc_is_the_run_with_it_inside(couple: Any) -> None:
    """To the first batches, bit for bit."""
    lasts_s = 121.0
    live = live_run(lasts_s)
    species = {n: m.species for n, m in live.sim.design.materials.items()}
    plc = ReferencePlc(live.sim.plant.table, species)
    report = couple(live, plc, plc.rows(**{name: name for _, name, _ in plc.mapped}), speed="max")
    inside = Simulation(PLAN, few_trucks(trucks=2, slots=2), fidelity="scan", until_s=lasts_s)
    outcome = inside.run()
    assert outcome["batches"] >= 1
    assert live.sim.plant.hash() == inside.plant.hash()
    assert (report.cycles, report.late, report.bad_values, report.write_errors, report.reconnects) == (1210, 0, 0, 0, 0)
    assert 0 < report.p50_ms <= report.p99_ms <= report.max_ms


def test_only_what_changed_is_written_and_all_of_it_within_a_second(couple: Any) -> None:
    sensors = {t.name: "n" + t.name for t in live_run().sim.plant.table if t.direction == "sensor" and t.dtype == "bool"}
    plc = SmallPlc({name: (V.Boolean, False) for name in sensors.values()} | {"Scan": (V.UInt32, 0)})
    live = live_run(2.0)
    couple(live, plc, plc.rows(**sensors), speed="max")
    first, *later = plc.requests["write"]
    assert first == len(sensors) + 1
    assert max(later) < first / 3
    share = len(sensors) / REFRESH
    assert all(int(share) <= n - 1 for n in later)


# --- losing it --------------------------------------------------------------------------------------------


def test_a_plc_that_stops_leaves_the_plant_safe_and_is_found_again(shop: Shop) -> None:
    async def story() -> None:
        live, plc, told = live_run(), heart(), []
        await asyncio.to_thread(shop.start, plc)
        rows = plc.rows(**{BEAT: "Beat", LINK: "Link"})
        coupling = Bridge(live, plc.url, rows, tell=lambda text: told.append(text.en), speed="10", first_wait_s=0.02, longest_wait_s=0.1)
        task = asyncio.create_task(coupling.run())
        await until(lambda: live.scan > 30 and shows(live, LINK) and plc.values["Link"], "time goes, the heartbeat is heard")
        await asyncio.to_thread(shop.stop, plc)
        at = live.tick
        await until(lambda: not shows(live, LINK), "the watchdog bites")
        assert live.tick - at < 400  # 2 s, and what passed meanwhile
        plc.nodes["Beat"], plc.values["Beat"] = (V.String, ""), ""  # somebody has changed the PLC's program
        await asyncio.to_thread(shop.start, plc)
        await until(lambda: any("does not fit" in line for line in told), "the misfit is told")
        await asyncio.to_thread(shop.stop, plc)
        plc.nodes["Beat"], plc.values["Beat"] = (V.Int32, 0), 0
        await asyncio.to_thread(shop.start, plc)
        await until(lambda: shows(live, LINK), "the heartbeat is heard again")
        coupling.stop()
        report = await task
        assert report.reconnects == 1
        assert report.without_s > 2
        assert live.state == "paused"
        await asyncio.to_thread(shop.stop, plc)
        live.close()
        assert [line.split(":")[0].split(";")[0].split(" after")[0] for line in told[1:]] == [
            "the PLC is lost",
            "the PLC is back, but does not fit",
            "the PLC is back",
        ]
        assert "Line1.Station.Heartbeat" in told[2] and "String" in told[2]

    asyncio.run(story())


def test_lock_step_goes_on_paced_without_the_plc_and_is_lock_step_again_with_it(shop: Shop) -> None:
    async def story() -> None:
        live, plc = live_run(), heart()
        await asyncio.to_thread(shop.start, plc)
        coupling = Bridge(live, plc.url, plc.rows(**{BEAT: "Beat"}), speed="max", first_wait_s=0.02, longest_wait_s=0.05)
        task = asyncio.create_task(coupling.run())
        await until(lambda: live.scan > 20, "time goes")
        await asyncio.to_thread(shop.stop, plc)
        await until(lambda: live.state == "running", "the plant goes on")
        assert live.speed_text == "1"
        lost = live.scan
        await until(lambda: live.scan >= lost + 3, "paced time goes")
        await asyncio.to_thread(shop.start, plc)
        await until(lambda: coupling.report().reconnects == 1, "it is found again")
        await until(lambda: live.state != "running", "lock-step")
        cycles, scan, without_s = coupling.report().cycles, live.scan, coupling.report().without_s
        await until(lambda: live.scan > scan + 20, "lock-step goes on")
        assert abs(coupling.report().cycles - cycles - (live.scan - scan)) <= 1
        coupling.stop()
        report = await task
        assert report.without_s == without_s >= 0.3
        await asyncio.to_thread(shop.stop, plc)
        live.close()

    asyncio.run(story())


def test_a_value_with_a_bad_status_is_not_taken_and_the_watchdog_sees_it(couple: Any) -> None:
    silent = range(20, 60)
    seen: dict[int, bool] = {}

    def program(plc: SmallPlc) -> None:
        beating(plc)
        scan = plc.values["Scan"]
        plc.status["Beat"] = int(ua.StatusCodes.BadSensorFailure) if scan in silent else 0
        seen[scan] = plc.values["Link"]

    live, plc = live_run(8.0), heart()
    plc.program = program
    report = couple(live, plc, plc.rows(**{BEAT: "Beat", LINK: "Link"}), speed="max")
    assert report.bad_values == len(silent)
    assert seen[silent.start + 18] and not seen[silent.start + 22]  # 2 s of silence
    assert seen[79]  # heard again


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_what_is_no_number_is_not_taken(couple: Any, value: float | None) -> None:
    def program(plc: SmallPlc) -> None:
        plc.values["Door"] = 50.0 if plc.values["Scan"] < 5 else value

    live, plc = live_run(1.0), SmallPlc({"Door": (V.Double, 0.0), "Scan": (V.UInt32, 0)}, program)
    report = couple(live, plc, plc.rows(Line1__Mixer__Door="Door"), speed="max")
    assert report.bad_values == 5
    assert shows(live, "Line1.Mixer.Door") == 50.0


# --- what goes to and fro ---------------------------------------------------------------------------------


def test_a_command_bit_that_the_plc_has_obeyed_is_reset_in_the_plant_and_can_be_given_again(couple: Any, tmp_path: Path) -> None:
    obeyed: list[int] = []

    def program(plc: SmallPlc) -> None:
        beating(plc)
        if plc.values["Start"]:
            obeyed.append(plc.values["Scan"])
            plc.values["Start"] = False

    live, plc = live_run(3.0, out=tmp_path / "run"), heart(Start=(V.Boolean, False))
    plc.program = program
    live.listeners.append(lambda: live.scan == 10 and live.state == "paused" and live.write(START, 1.0, "operator"))
    couple(live, plc, plc.rows(**{BEAT: "Beat", START: "Start"}), speed="max")
    assert obeyed == [0, 11]  # the shift operator's at the very start, ours a scan after it was latched
    assert not shows(live, START)
    events = open_run(tmp_path / "run").df("events")
    assert list(events[events.kind == "command"].text) == ["write operator"]  # what a controller writes is no event


def test_what_the_plc_changes_by_itself_is_taken_and_not_written_back(couple: Any) -> None:
    def program(plc: SmallPlc) -> None:
        plc.values["Moisture"] = float(plc.values["Scan"])

    live, plc = live_run(1.0), SmallPlc({"Moisture": (V.Double, 0.0), "Scan": (V.UInt32, 0)}, program)
    couple(live, plc, plc.rows(Line1__Bin__Sand1__LabMoisture="Moisture"), speed="max")
    assert shows(live, "Line1.Bin.Sand1.LabMoisture") == 9.0
    assert plc.requests["write"] == [2] + [1] * 9


def test_an_output_is_written_into_the_run_when_it_has_changed(couple: Any, tmp_path: Path) -> None:
    def program(plc: SmallPlc) -> None:
        plc.values["Door"] = 10.0 if plc.values["Scan"] < 6 else 20.0

    live, plc = live_run(1.0, out=tmp_path / "run"), SmallPlc({"Door": (V.Double, 0.0), "Scan": (V.UInt32, 0)}, program)
    couple(live, plc, plc.rows(Line1__Mixer__Door="Door"), speed="max")
    kept = open_run(tmp_path / "run").df("commands")
    assert list(kept.detail) == ['{"Line1.Mixer.Door":10.0}', '{"Line1.Mixer.Door":20.0}']


@pytest.mark.parametrize("takes_status", [True, False])
def test_a_failed_sensor_is_written_as_such_if_the_plc_takes_it(couple: Any, takes_status: bool) -> None:
    live, plc = live_run(2.0), SmallPlc({"Gross": (V.Float, 0.0), "Scan": (V.UInt32, 0)})
    plc.takes_status = takes_status
    live.sim.inject("sensor-broken", "Line1.Weigher.Cement")
    report = couple(live, plc, plc.rows(**{GROSS: "Gross"}), speed="max")
    broken = live.sim.plant.table[GROSS].broken
    assert shows(live, GROSS) <= broken
    if takes_status:
        assert plc.received["Gross"] == ua.StatusCodes.BadSensorFailure
        assert plc.values["Gross"] > broken
    else:
        assert plc.received["Gross"] == 0
        assert plc.values["Gross"] <= broken
    assert report.write_errors == 0


def test_what_the_plc_refuses_is_counted_and_told_once(couple: Any) -> None:
    told: list[str] = []
    live, plc = live_run(1.0), SmallPlc({"Gross": (V.Double, 0.0), "Scan": (V.UInt32, 0)})
    plc.refused = "Gross"
    report = couple(live, plc, plc.rows(**{GROSS: "Gross"}), speed="max", tell=lambda text: told.append(text.zh))
    assert report.write_errors == report.cycles == 10  # it is tried again each time
    assert told[1:] == [f"{GROSS}（ns=2;s=Gross）：PLC 拒绝写入（BadOutOfRange）"]


def test_a_value_beyond_the_type_is_cut_and_counted(couple: Any) -> None:
    live, plc = live_run(1.0), SmallPlc({"Gross": (V.Byte, 0)})
    plc.takes_status = False
    live.sim.inject("sensor-broken", "Line1.Weigher.Cement")
    report = couple(live, plc, [Row(GROSS, "", *parse_node("ns=2;s=Gross"), 10.0, -180.0)], speed="max")
    assert plc.values["Gross"] == 0  # it would be -18
    assert report.cut > 0


def test_scaled_and_inverted_values_go_both_ways(couple: Any) -> None:
    def program(plc: SmallPlc) -> None:
        plc.values["Door"] = 250  # per mille, from the far end
        plc.values["Run"] = False

    live = live_run(1.0)
    plc = SmallPlc(
        {"Gross": (V.Int16, 0), "Link": (V.Int16, 7), "Door": (V.Int16, 0), "Run": (V.Boolean, True), "Scan": (V.Byte, 0)}, program
    )
    door, run = "Line1.Mixer.Door", "Line1.Mixer.Run"
    scaled = {GROSS: ("Gross", 0.1, 5.0, False), LINK: ("Link", 1, 0, True), door: ("Door", -0.1, 100.0, False), run: ("Run", 1, 0, True)}
    rows = [Row(t, f"ns=2;s={n}", *parse_node(f"ns=2;s={n}"), s, o, i, t) for t, (n, s, o, i) in scaled.items()] + plc.rows()
    report = couple(live, plc, rows, speed="max", scan_s=0.2)
    assert report.cycles == 5
    assert abs(plc.values["Gross"] * 0.1 + 5.0 - shows(live, GROSS)) < 2  # noise: the last exchange was two scans ago
    assert plc.values["Link"] == 0 and shows(live, LINK) == 1
    assert shows(live, door) == 75.0 and shows(live, run) is True
    assert plc.values["Scan"] == 8


def test_a_counter_that_runs_over_in_a_signed_type_goes_on_beating(couple: Any) -> None:
    def program(plc: SmallPlc) -> None:
        plc.values["Beat"] = (32_767 - 10 + plc.values["Scan"] + 32_768) % 65_536 - 32_768

    live, plc = live_run(6.0), heart()
    plc.nodes["Beat"], plc.program = (V.Int16, 0), program
    couple(live, plc, plc.rows(**{BEAT: "Beat"}), speed="max")
    assert plc.values["Beat"] < 0 and shows(live, BEAT) > 32_767
    assert shows(live, LINK)


def test_a_plc_that_takes_few_nodes_a_request_is_asked_in_parts(shop: Shop) -> None:
    live = live_run(0.3)
    tags = [t.name for t in live.sim.plant.table if t.direction in ("sensor", "status") and t.dtype == "bool"]
    plc = SmallPlc({f"n{i}": (V.Boolean, False) for i in range(len(tags))})
    shop.start(plc, MaxNodesPerRead=20, MaxNodesPerWrite=15)
    asyncio.run(bridge(live, plc.url, plc.rows(**{tag: f"n{i}" for i, tag in enumerate(tags)}), speed="max"))
    shop.stop(plc)
    live.close()
    assert max(plc.requests["write"]) == 15
    assert max(plc.requests["read"]) == 20
    sensors = [(tag, f"n{i}") for i, tag in enumerate(tags) if live.sim.plant.table[tag].direction == "sensor"]
    assert (
        sum(plc.values[n] == shows(live, tag) for tag, n in sensors) >= len(sensors) - 2
    )  # what moved in the last scan was not written any more


def test_a_slow_exchange_is_late_the_plant_does_not_wait_and_a_bit_that_was_obeyed_is_not_given_again(couple: Any) -> None:
    obeyed: list[int] = []
    pressed: list[int] = []

    def program(plc: SmallPlc) -> None:
        if plc.values["Start"]:
            obeyed.append(plc.values["Scan"])
            plc.values["Start"] = False

    def press() -> None:
        if live.scan > 2000 * (1 + len(pressed)) and len(pressed) < 3:
            pressed.append(live.scan)
            live.write(START, 1.0, "operator")

    live, plc = live_run(1000.0), heart(Start=(V.Boolean, False))
    plc.program = program
    live.listeners.append(press)
    report = couple(live, plc, plc.rows(**{START: "Start"}), speed="1000")
    assert live.state == "ended"
    assert 1 < report.late <= report.cycles < 10_000
    assert 2 <= len(obeyed) <= 1 + len(pressed) == 4  # each exchange looks at an image that has taken what the last one wrote


# --- before anything runs ---------------------------------------------------------------------------------


def test_every_node_that_does_not_fit_is_a_line_and_no_time_passes(couple: Any) -> None:
    live = live_run()
    plc = SmallPlc({"Text": (V.String, ""), "Byte": (V.Byte, 0), "Bit": (V.Boolean, False), "Real": (V.Float, 0.0), "Closed": (V.Double, 0.0),
                    "List": (V.Double, [1.0, 2.0]), "Long": (V.Int32, 0), "Scan": (V.Float, 0.0)})  # fmt: skip
    rows = plc.rows(**{GROSS: "Text", "Line1.Mixer.Temperature": "Byte", "Line1.Mixer.Power": "Bit", LINK: "Real", "Line1.Belt.Power": "Closed",
                       "Line1.Belt.Speed": "List", "Line1.Mixer.Run": "Missing", "Line1.Bay.Order": "Real", "Line1.Station.State": "Bit",
                       BEAT: "Long"})  # fmt: skip
    rows.append(Row("Line1.Bay.Truck", "i=85", *parse_node("i=85"), where="map.csv:13: Line1.Bay.Truck"))
    rows.append(Row("Line1.Bay.Volume", "nsu=urn:gone;s=x", *parse_node("nsu=urn:gone;s=x"), where="map.csv:14: Line1.Bay.Volume"))
    ready: list[int] = []
    with pytest.raises(BadInput) as wrong:
        couple(live, plc, rows, ready=lambda: ready.append(1))
    lines = {m.text("en").split(": ")[1]: m.text("en") for m in wrong.value.mistakes}
    assert {tag: line.split(": ", 2)[2] for tag, line in lines.items()} == {
        GROSS: "ns=2;s=Text is String, and a number with a fraction does not fit; map it to an integer or a real",
        "Line1.Mixer.Temperature": "ns=2;s=Byte is Byte, which does not hold -20..80; take a wider type, or give a scale",
        "Line1.Mixer.Power": "ns=2;s=Bit is Boolean, and a number with a fraction does not fit; map it to an integer or a real",
        LINK: "ns=2;s=Real is Float, and a boolean does not fit; map it to Bool or an integer",
        "Line1.Belt.Power": "ns=2;s=Closed cannot be written by us; open it in the PLC, or log in as somebody who may",
        "Line1.Belt.Speed": "ns=2;s=List is an array; map a single variable",
        "Line1.Mixer.Run": "the PLC has no node ns=2;s=Missing; check the map against the PLC's address space",
        "Line1.Bay.Order": "ns=2;s=Real is Float, which does not hold 0..1e+09; take a wider type, or give a scale",
        "Line1.Station.State": "ns=2;s=Bit is Boolean, and a whole number does not fit; map it to an integer or a real",
        "@scan": "ns=2;s=Scan is Float, and a counter is a whole number; map it to an integer, such as UDInt",
        "Line1.Bay.Truck": "i=85 is no variable; map the variable itself",
        "Line1.Bay.Volume": f"the PLC has no namespace urn:gone; it has urn:freeopcua:python:server, {URI}",
    }
    assert (live.tick, ready) == (0, [])


def test_a_namespace_may_be_named_by_its_uri_and_a_type_derived(couple: Any) -> None:
    live, plc = live_run(1.0), SmallPlc({"Link": (V.Boolean, False), "Word": (V.UInt16, None)})
    plc.derived.add("Word")
    rows = [
        Row(LINK, "", *parse_node(f"nsu={URI};s=Link"), where="1"),
        Row(GROSS, "", *parse_node(f"nsu={URI};s=Word"), 1.0, -500.0, where="2"),
    ]
    couple(live, plc, rows, speed="max")
    assert plc.values["Link"] is True
    assert 400 < plc.values["Word"] < 600


def test_a_coupling_can_be_ended_while_the_plc_is_away(shop: Shop) -> None:
    async def story() -> None:
        live, plc = live_run(), heart()
        await asyncio.to_thread(shop.start, plc)
        coupling = Bridge(live, plc.url, plc.rows(**{BEAT: "Beat"}), speed="max", first_wait_s=1000.0)
        task = asyncio.create_task(coupling.run())
        await until(lambda: live.scan > 5, "time goes")
        await asyncio.to_thread(shop.stop, plc)
        await until(lambda: live.state == "running", "the plant goes on")
        coupling.stop()
        report = await asyncio.wait_for(task, 10)
        assert report.reconnects == 0 and report.without_s >= 0
        live.close()

    asyncio.run(story())


def test_who_does_not_answer_is_told_at_once() -> None:
    live = live_run()
    with pytest.raises(BatchtwinError, match="no OPC UA server answers"):
        asyncio.run(bridge(live, DEAD, [Row(LINK, "i=1", ua.NodeId(1))]))
    assert live.tick == 0
    live.close()


@pytest.mark.parametrize("scan_s", [0.0, 0.05, 0.15, -0.1, float("nan"), 61.0])
def test_a_period_is_whole_scans(scan_s: float) -> None:
    live = live_run()
    with pytest.raises(BatchtwinError, match="--scan"):
        Bridge(live, DEAD, [], scan_s=scan_s)
    live.close()


def test_a_run_with_a_controller_inside_takes_no_plc() -> None:
    live = live_run(controller="reference")
    with pytest.raises(BatchtwinError, match="controller of its own"):
        Bridge(live, DEAD, [])
    live.close()


# --- from the command line --------------------------------------------------------------------------------


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    file = tmp_path / "io.csv"
    file.write_text(f"tag,node\n{BEAT},ns=2;s=Beat\n{LINK},ns=2;s=Link\n@scan,ns=2;s=Scan\n", encoding="utf-8")
    return file


def test_ctrl_c_closes_the_run_and_the_exchange_is_told(
    shop: Shop, map_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from batchtwin import bridging

    def program(plc: SmallPlc) -> None:
        beating(plc)
        if plc.values["Scan"] == 30:
            os.kill(os.getpid(), signal.SIGINT)

    plc = heart()
    plc.program = program
    with shop.running(plc):
        outcome = bridging.bridge("working-day", None, plc.url, map_file, speed="max", out=tmp_path / "run")
    assert outcome["state"] == "cut"
    assert outcome["bridge"]["cycles"] >= 30
    run = open_run(tmp_path / "run")
    assert run.info["state"] == "cut" and run.info["controller"] == "outside"
    bridging.summary(outcome["bridge"], "en")
    bridging.summary(outcome["bridge"], "zh")
    told = capsys.readouterr().out
    assert f"{plc.url}: 2 nodes written, 1 read" in told and "p99" in told and "重连" in told


def test_nothing_is_written_when_the_plc_does_not_fit(shop: Shop, map_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from batchtwin import bridging

    monkeypatch.chdir(tmp_path)
    plc = SmallPlc({"Beat": (V.Int32, 0), "Scan": (V.UInt32, 0)})
    with shop.running(plc), pytest.raises(BadInput, match="no node ns=2;s=Link"):
        bridging.bridge("working-day", None, plc.url, map_file, until="1s")
    assert not list((tmp_path / "runs").glob("*"))


def test_a_run_to_its_end_is_complete(shop: Shop, map_file: Path, tmp_path: Path) -> None:
    from batchtwin import bridging

    plc = heart()
    with shop.running(plc):
        outcome = bridging.bridge("working-day", "hzs180", plc.url, map_file, speed="max", until="5s", out=tmp_path / "run", quietly=True)
    assert (outcome["state"], outcome["sim_seconds"], outcome["bridge"]["cycles"]) == ("complete", 5.0, 50)
