"""Ends that nobody wished for: killed, interrupted, the port taken, the disk full. The record is whole, and clients find the next server."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pyarrow.parquet as pq
from asyncua import Client, ua
from served import here, until

from batchtwin import cli
from opcua_server.access.security import insecure
from opcua_server.server import PlantServer
from scenarios.run import open_run
from scenarios.session import Session
from scenarios.store import RunWriter

LONGEST_S = 60.0
TABLES = ("tags", "batches", "weighings", "ledger")
u32 = lambda n: ua.Variant(n, ua.VariantType.UInt32)


def wait_for(true, what):
    """Wait in a thread until something is true."""
    deadline = time.monotonic() + LONGEST_S
    while not (found := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return found


# --- killed -----------------------------------------------------------------------------------------------


def test_killed_in_the_middle_the_run_is_cut_and_clients_find_the_next_server(loop, tmp_path):
    Session("working-day", controller="reference")  # kernels, if need be, before anybody waits for a server
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "batchtwin", "serve", "working-day", "--controller", "reference", "--speed", "1000", "--insecure", "--endpoint",
               "opc.tcp://127.0.0.1:0", "--out", str(folder)]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"LANG": "C", "BATCHTWIN_STATE": str(tmp_path / "state")}
    )
    try:
        url = process.stdout.readline().split()[0]
        client = loop.run_until_complete(connected(url))
        wait_for(lambda: all((folder / table / "part-00001.parquet").exists() for table in TABLES), "nothing is recorded")
        assert open_run(folder).state == "running"
    finally:
        process.kill()
        process.communicate()
    consistent(folder)
    loop.run_until_complete(asyncio.wait_for(comes_back(client, url), LONGEST_S))


async def connected(url):
    """A client that comes back by itself."""
    client = Client(url, timeout=10, auto_reconnect=True, reconnect_max_delay=0.2)
    client._watchdog_intervall = 0.1
    await client.connect()
    assert await client.get_node(here("Time.State")).read_value() == "running"
    return client


async def comes_back(client, url):
    """Another server takes the place of the one that was killed: the client is there again, and may be a controller."""
    live = Session("working-day", controller="reference", seed=1)
    server = PlantServer(live, url, insecure(url))
    await server.start()
    player = asyncio.ensure_future(live.run())
    try:
        await until(lambda: any(c.active for c in server._connections), "the client does not come back")
        assert await client.get_node(here("Time.State")).read_value() == "paused"
        join = ua.CallMethodRequest(here("Time"), here("Time.Join"), [ua.Variant("again"), u32(1)])
        (joined,) = await client.uaclient.call([join])
        following = ua.CallMethodRequest(here("Time"), here("Time.Next"), [u32(joined.OutputArguments[0].Value)])
        live.set_speed("lockstep")
        live.start()
        for scan in range(1, 6):
            (answer,) = await client.uaclient.call([following])
            assert [a.Value for a in answer.OutputArguments] == [scan, 0, True]
    finally:
        with suppress(Exception):
            await client.disconnect()
        await server.stop()
        live.close()
        await player


def consistent(folder):
    """The run that was killed: cut, every table readable, and nothing in it later than what was flushed last."""
    run = open_run(folder)
    assert run.state == "cut" and run.outcome["state"] == "cut"
    assert set(TABLES) <= set(run.tables)
    rows = {name: run.sql(f"SELECT count(*) AS n FROM {name}").to_pylist()[0]["n"] for name in run.tables}
    assert rows["tags"] > 100 and rows["weighings"] > rows["batches"] > 0
    seconds = [row["time_s"] for row in run.sql("SELECT time_s FROM tags").to_pylist()]
    assert seconds == [float(i) for i in range(1, len(seconds) + 1)]
    for part in folder.rglob("part-*.parquet"):
        assert pq.read_table(part).num_rows
    first_flush = pq.read_table(folder / "tags" / "part-00001.parquet").num_rows
    (ledger,) = run.sql("SELECT max(time_s) AS latest FROM ledger").to_pylist()
    assert first_flush - 60 <= ledger["latest"] <= seconds[-1] + 1  # at most the flush under way is lost, or a part of it


# --- interrupted ------------------------------------------------------------------------------------------


def served(monkeypatch, folder, *options, stop=None, when=lambda folder: True):
    """Exit code of `batchtwin serve` in this process, which gets a signal as soon as something is true."""
    arguments = ["serve", "working-day", "--insecure", "--endpoint", "opc.tcp://127.0.0.1:0", "--controller", "reference", "--speed", "max"]
    monkeypatch.setattr(sys, "argv", ["batchtwin", *arguments, *options] + (["--out", str(folder)] if folder else []))

    def watch() -> None:
        wait_for(lambda: (folder / "run.json").exists() and when(folder), "it never came so far")
        os.kill(os.getpid(), stop)

    watcher = threading.Thread(target=watch)
    if stop:
        watcher.start()
    code = cli.main()
    if stop:
        watcher.join()
    return code


def has(state):
    def check(folder):
        with suppress(ValueError):
            return json.loads((folder / "run.json").read_text())["state"] == state
        return False

    return check


def test_interrupted_the_run_is_closed(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "run"
    assert served(monkeypatch, folder, stop=signal.SIGINT) == 0  # it is how a server is ended
    run = open_run(folder)
    assert run.state == "cut" and run.outcome["ledger_residual"] <= 1e-9
    assert not (folder / "run.lock").exists()
    out, error = capsys.readouterr()
    assert out.startswith("opc.tcp://127.0.0.1:") and "Traceback" not in error


def test_ended_after_its_end_the_run_is_complete(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "run"
    assert served(monkeypatch, folder, "--until", "30s", stop=signal.SIGTERM, when=has("complete")) == 0
    run = open_run(folder)
    assert run.state == "complete" and run.outcome["sim_seconds"] == 30.0
    capsys.readouterr()


def test_a_port_that_is_taken_is_told_in_one_line_and_nothing_is_left_behind(monkeypatch, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"opc.tcp://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["batchtwin", "serve", "working-day", "--insecure", "--endpoint", endpoint])
        assert cli.main() == 2
    out, error = capsys.readouterr()
    assert out == "" and error.splitlines() == [f"error: cannot listen at {endpoint}: Address already in use; choose another --endpoint"]
    assert not list(tmp_path.glob("runs/*"))


class Idle:
    """A server that serves nobody."""

    url = ""

    def __init__(self, *_, **__):
        pass

    async def start(self):
        pass

    async def stop(self):
        pass


def test_a_folder_that_is_in_use_is_told_and_left_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("opcua_server.serve.PlantServer", Idle)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("mine")
    assert served(monkeypatch, tmp_path / "run") == 2
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["mine"]
    assert "Traceback" not in capsys.readouterr().err


# --- the disk is full -------------------------------------------------------------------------------------


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_full_disk_ends_the_run_and_not_the_server(plant, loop, tmp_path, monkeypatch):
    async with plant.client() as peer:
        plant.live.record(tmp_path / "run")
        await peer.call("Time.Step", 10)
        plant.live.sim.flush()
        monkeypatch.setattr("scenarios.store.FLUSH_S", 0.0)
        with monkeypatch.context() as disk:
            disk.setattr(RunWriter, "_write_file", full)
            with suppress(AssertionError):
                for _ in range(200):
                    assert await peer.call("Time.Step", 10) != "BadInvalidState"
        assert await peer.read("Time.State") == "failed"
        assert "No space left on device" in await peer.read("Time.Trouble")
        assert await peer.call("Time.Step", 1) == "BadInvalidState"
        assert await peer.write("Line1.Station.Start", True) == "BadInvalidState"
        run = open_run(tmp_path / "run")
        assert run.state == "failed" and run.sql("SELECT max(time_s) AS t FROM tags").to_pylist() == [{"t": 1.0}]
        assert not isinstance(await peer.call("Time.Reset", "", ua.Variant(-1, ua.VariantType.Int32)), str)
        assert await peer.call("Time.Step", 2) == [2]
        assert await peer.read("Time.Trouble") == ""


async def test_a_disk_that_is_full_at_the_very_end(plant, loop, tmp_path, monkeypatch):
    plant.live.record(tmp_path / "run")
    plant.live.sim.end_tick = 100
    with monkeypatch.context() as disk:
        disk.setattr(RunWriter, "_write_file", full)
        async with plant.client() as peer:
            await peer.call("Time.Step", 100)
            assert await peer.read("Time.State") == "failed"
            assert "No space left" in await peer.read("Time.Trouble")
    assert open_run(tmp_path / "run").state == "failed"


async def test_a_disk_that_is_full_when_the_run_is_summed_up(plant, loop, tmp_path, monkeypatch):
    """Not even `run.json` can be written: the lock goes, so the run is at least cut."""
    plant.live.record(tmp_path / "run")
    await plant.live.step(10)
    plant.live.sim.end_tick = 200
    with monkeypatch.context() as disk:
        disk.setattr("scenarios.store.write_json", full)
        await plant.live.step(100)
        assert plant.live.state == "failed" and "No space left" in plant.live.trouble
    assert open_run(tmp_path / "run").state == "cut"
