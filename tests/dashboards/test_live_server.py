"""The pages without a browser: who drives, what is refused, frames and events, security, training, full disks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import websockets
from live_server import Served, serving

from dashboards.live.people import Person
from scenarios.run import open_run
from scenarios.scoring import RULES
from scenarios.session import Session


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    runs = tmp_path_factory.mktemp("runs")
    with serving(lambda folder: Session("working-day", controller="reference", operator=False, out=folder / "live"), runs) as found:
        yield found


@pytest.fixture
def driver(served: Served) -> Iterator[httpx.Client]:
    """Somebody who drives."""
    with served.client() as client:
        served.do(lambda: setattr(served.site.wheel, "driver", None))
        yield client


def told(answer: httpx.Response, status: int) -> str:
    """The one line of a refusal."""
    assert answer.status_code == status, answer.text
    text = answer.json()["text"]
    assert isinstance(text, str) and text and "\n" not in text and "Traceback" not in text
    return text


# --- who drives -------------------------------------------------------------------------------------------


def test_the_second_person_is_refused_and_may_still_look(served: Served, driver: httpx.Client) -> None:
    with served.client() as other:
        assert driver.post("/api/write", json={"tag": "Line1.Station.Hold", "value": 0}).status_code == 200
        assert "drives" in told(other.post("/api/write", json={"tag": "Line1.Station.Hold", "value": 1}), 409)
        assert "drives" in told(other.post("/api/time", json={"action": "start"}), 409)
        assert other.get("/api/alarms").status_code == 200
        assert other.post("/api/control", json={"action": "ask"}).json()["asking"][0]["key"] == other.get("/api/me").json()["key"]


# --- wrong input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "status", "part"),
    [
        ("/api/write", {"tag": "Line1.Station.Start"}, 422, "value"),
        ("/api/write", {"tag": "Line1.Station.Starrt", "value": 1}, 404, "Start"),
        ("/api/write", {"tag": "Line1.Mixer.Power", "value": 1}, 403, "not written by people"),
        ("/api/write", {"tag": "Line1.Mixer.Run", "value": 1}, 403, "Line1.Mixer.Run"),  # the program runs it, in automatic mode
        ("/api/write", {"tag": "Line1.Station.Mode", "value": 7}, 422, "0 … 2"),
        ("/api/write", {"tag": "Line1.Station.Start", "value": 1, "extra": 1}, 422, "extra"),
        ("/api/switch", {"tag": "Line1.Station.Start", "value": 1}, 403, "setpoint"),
        ("/api/time", {"action": "speed", "speed": "fast"}, 422, "fast"),
        ("/api/time", {"action": "step", "scans": 0}, 422, "scans"),
        ("/api/orders", {"grade": "C31", "volume_m3": 6}, 404, "C3"),
        ("/api/orders", {"grade": "C30", "volume_m3": -6}, 422, "volume_m3"),
        ("/api/faults", {"fault": "stuck-gate", "target": "Line1.Mixer"}, 422, "feeder"),
        ("/api/faults", {"fault": "stuck-gate", "target": "Line1.Feeder.Sand1", "severity": 9}, 422, "0 to 1"),
        ("/api/alarms/acknowledge", {"name": "Line1.Mixer.Tripped"}, 409, "already"),
        ("/api/training/start", {"drill": "quiet-shfit", "trainee": "Ann"}, 404, "quiet-shift"),
        ("/api/training/finish", {}, 409, "no training"),
    ],
)  # fmt: skip
def test_a_wrong_request_gets_one_clear_line(
    served: Served, driver: httpx.Client, path: str, body: dict[str, Any], status: int, part: str
) -> None:
    before, wished = served.live.sim.plant.hash(), served.live.sim.wished
    assert part in told(driver.post(path, json=body), status)
    assert served.live.sim.plant.hash() == before and served.live.sim.wished == wished


def test_errors_are_told_in_the_language_of_the_page(driver: httpx.Client) -> None:
    assert driver.post("/api/language", json={"language": "zh"}).status_code == 200
    assert "没有" in told(driver.post("/api/write", json={"tag": "Nothing", "value": 1}), 404)
    assert "培训" in told(driver.post("/api/training/finish", json={}), 409)
    assert 'lang="zh-CN"' in driver.get("/").text


@pytest.mark.parametrize("name", ["nothing-here", "..", "a%2Fb", "%00"])
def test_a_run_that_is_not_there_is_told(driver: httpx.Client, name: str) -> None:
    told(driver.get(f"/api/runs/{name}/at?t=1"), 404)


def test_a_run_deleted_while_it_is_looked_at(served: Served, driver: httpx.Client, tmp_path: Path) -> None:
    import shutil

    from scenarios.simulation import Simulation

    Simulation("working-day", until_s=20, out=served.runs / "short").run()
    assert driver.get("/api/runs/short").json()["to_s"] == 20
    shutil.rmtree(served.runs / "short")
    assert "short" in told(driver.get("/api/runs/short/at?t=5"), 404)
    assert "short" not in [r["name"] for r in driver.get("/api/runs").json()]


# --- acting -----------------------------------------------------------------------------------------------


def test_every_act_is_a_command_of_the_run(served: Served, driver: httpx.Client) -> None:
    assert driver.post("/api/write", json={"tag": "Line1.Station.Start", "value": 1}).status_code == 200
    assert driver.post("/api/switch", json={"tag": "Water.Pump.RainToClear.Run", "value": 1}).status_code == 200
    assert driver.post("/api/orders", json={"grade": "C30", "volume_m3": 6, "site": "Raft"}).json() == {"loads": 1}
    assert driver.post("/api/faults", json={"fault": "emergency-stop", "target": "Line1.Station"}).status_code == 200
    served.play(5)
    image = served.live.sim.image
    assert image["Water.Pump.RainToClear.Run"] and image["Line1.Station.EStop"]
    assert driver.get("/api/faults").json()[0]["fault"] == "emergency-stop"
    assert "Line1.Station.EStop" in [a["name"] for a in driver.get("/api/alarms").json()["alarms"]]
    assert driver.post("/api/alarms/acknowledge", json={"name": "Line1.Station.EStop"}).json()["acked"]
    assert driver.post("/api/faults/clear", json={"fault": "emergency-stop", "target": "Line1.Station"}).status_code == 200
    assert driver.post("/api/switch", json={"tag": "Water.Pump.RainToClear.Run", "value": None}).status_code == 200
    served.play(5)
    assert not served.live.sim.image["Water.Pump.RainToClear.Run"]
    served.do(served.live.sim.flush)
    kinds = open_run(served.runs / "live").sql("SELECT DISTINCT kind FROM commands").to_pydict()["kind"]
    assert {"write", "switch", "place_order", "inject", "clear"} <= set(kinds)


def test_surroundings_are_drawn_from_the_plant(served: Served, driver: httpx.Client) -> None:
    driver.post("/api/write", json={"tag": "Line1.Station.Start", "value": 1})
    heard = []
    for _ in range(15):
        served.play(60)
        heard.append(10 ** (0.1 * served.live.sim.image["Air.Monitor.West.Noise"]))
    for kind in ("pm10", "tsp", "pm25", "noise"):
        f = driver.get(f"/api/field/{kind}").json()
        z = np.array(f["z"])
        assert z.shape == (len(f["y"]), len(f["x"])) and np.isfinite(z).all() and z.max() > z.min() and f["limit"] > 0
    f = driver.get("/api/field/noise").json()
    noise, minutes = np.array(f["z"]), max(round(f["over_s"] / 60), 1)
    west = 10 * np.log10(np.mean(heard[-minutes:]))
    i, j = int(np.argmin(np.abs(np.array(f["y"]) - 45))), int(np.argmin(np.abs(np.array(f["x"]))))
    assert abs(noise[i, j] - west) < 3  # the same sound as at the station that stands there
    assert {"roads", "sites", "plants"} <= set(driver.get("/api/map").json())


# --- frames -----------------------------------------------------------------------------------------------


async def receive(
    served: Served, cookies: str, until: Callable[[list[dict[str, Any]]], bool], origin: str | None = None
) -> list[dict[str, Any]]:
    got: list[dict[str, Any]] = []
    async with websockets.connect(
        f"ws{served.url[4:]}/live", additional_headers={"Cookie": cookies}, origin=origin or served.url, max_size=None
    ) as socket:  # type: ignore[arg-type]
        while not until(got):
            got.append(json.loads(await asyncio.wait_for(socket.recv(), 20)))
    return got


def cookies_of(client: httpx.Client) -> str:
    return "; ".join(f"{k}={v}" for k, v in client.cookies.items())


def test_the_first_frame_is_whole_and_the_next_hold_what_changed(served: Served, driver: httpx.Client) -> None:
    def act(got: list[dict[str, Any]]) -> bool:
        frames = [m for m in got if "f" in m]
        if len(frames) == 1:
            served.play(0.5)
        return len(frames) == 2

    frames = [m for m in asyncio.run(receive(served, cookies_of(driver), act)) if "f" in m]
    tags = driver.get("/api/tags").json()
    assert len(frames[0]["i"]) == len(tags) and 0 < len(frames[1]["i"]) < len(tags) / 2
    at = {tags[i][0]: q * tags[i][2] for i, q in zip(frames[0]["i"], frames[0]["q"], strict=True)}
    assert at["Line1.Silo.Cement1.Level"] == pytest.approx(served.live.sim.image["Line1.Silo.Cement1.Level"], abs=1)


def test_a_frame_is_encoded_once_and_a_slow_viewer_gets_the_newest_state(served: Served) -> None:
    hub = served.site.hub

    def slow() -> tuple[str | None, str | None, int, int]:
        hub.look()
        seen, first = hub.number, hub.encoded
        for _ in range(3):
            served.live.sim.plant.state.io[served.live.sim.plant.table.index("Line1.Tank.Water.Level")] += 5
            hub.look()
        quick = [hub.frame_after(hub.number - 1) for _ in range(20)]
        late = [hub.frame_after(seen) for _ in range(20)]
        assert len(set(quick)) == len(set(late)) == 1
        return quick[0], late[0], hub.encoded - first, len(hub.indices)

    quick, late, encoded, count = served.do(slow)
    assert encoded == 4  # three frames, and the whole state once
    assert len(json.loads(quick)["i"]) == 1 and len(json.loads(late)["i"]) == count


def test_no_event_is_lost_and_who_was_away_too_long_is_told(served: Served) -> None:
    hub = served.site.hub

    def burst() -> None:
        first = hub.last_event
        for n in range(100):
            hub.tell("write", name=str(n))
        events, lost = hub.events_after(first)
        assert [json.loads(e)["name"] for e in events] == [str(n) for n in range(100)] and not lost
        for n in range(6000):
            hub.tell("write", name=str(n))
        assert hub.events_after(first)[1]

    served.do(burst)


# --- security ---------------------------------------------------------------------------------------------


def test_a_request_without_the_token_of_the_page_is_refused(served: Served) -> None:
    with served.client() as client:
        del client.headers["x-csrftoken"]
        assert client.post("/api/write", json={"tag": "Line1.Station.Start", "value": 1}).status_code == 403


def test_another_site_s_page_cannot_listen(served: Served, driver: httpx.Client) -> None:
    with pytest.raises(websockets.ConnectionClosed) as closed:
        asyncio.run(receive(served, cookies_of(driver), lambda got: bool(got), origin="http://evil.example"))
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4403
    with pytest.raises(websockets.ConnectionClosed) as closed:
        asyncio.run(receive(served, "", lambda got: bool(got)))
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401


def test_pages_say_what_may_run_in_them_and_whose_name_they_answer_to(served: Served) -> None:
    with served.client() as client:
        answer = client.get("/")
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy and "frame-ancestors 'none'" in policy
        assert "<script>" not in answer.text and "onclick=" not in answer.text and "http" not in answer.text.replace("http-equiv", "")
        assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400
        assert client.get("/openapi.json").json()["info"]["title"] == "batchtwin"
        session = next(c for c in httpx.get(served.url).headers.get_list("set-cookie") if c.startswith("batchtwin_") and "csrf" not in c)
        assert "httponly" in session.lower() and "samesite=strict" in session.lower()


class Door:
    """Two users, for pages that are reached from elsewhere."""

    async def login(self, name: str, password: str, peer: str, key: str) -> Person | None:
        if password != "right":
            return None
        return Person(
            key,
            name,
            name,
            frozenset({"read"} if name == "observer" else {"read", "time", "faults"}),
            frozenset({"operator"} if name == "operator" else ()),
        )


def test_beyond_loopback_one_logs_in_and_may_do_what_the_role_may(tmp_path: Path) -> None:
    with (
        serving(lambda _: Session("working-day", controller="reference", until_s=60), tmp_path, Door()) as served,
        httpx.Client(base_url=served.url) as client,
    ):
        assert client.get("/", follow_redirects=False).headers["location"] == "/login"
        told(client.get("/api/alarms"), 401)
        client.get("/login")
        client.headers["x-csrftoken"] = next(v for k, v in client.cookies.items() if "csrf" in k)
        assert "wrong" in told(client.post("/api/login", json={"name": "observer", "password": "guess"}), 401)
        assert client.post("/api/login", json={"name": "observer", "password": "right"}).json()["role"] == "observer"
        assert client.get("/").status_code == 200
        assert "observer" in told(client.post("/api/write", json={"tag": "Line1.Station.Start", "value": 1}), 403)
        assert "faults" in told(client.post("/api/faults", json={"fault": "emergency-stop", "target": "Line1.Station"}), 403)
        assert client.post("/api/login", json={"name": "operator", "password": "right"}).status_code == 200
        assert client.post("/api/write", json={"tag": "Line1.Station.Start", "value": 1}).status_code == 200
        client.post("/api/logout", json={})
        told(client.get("/api/alarms"), 401)


# --- training, disks --------------------------------------------------------------------------------------


def test_every_word_of_a_code_is_there() -> None:
    from dashboards.live import words
    from scenarios.training import CATEGORIES
    from twin.design.load import load_design
    from twin.plant import Plant

    assert set(RULES) | set(CATEGORIES) == set(words.RULES)
    states = {s for t in Plant(load_design("hzs180")).table for s in t.states}
    assert states <= set(words.STATES), states - set(words.STATES)


def test_a_training_is_begun_scored_and_left(served: Served, driver: httpx.Client) -> None:
    before = served.live.epoch
    begun = driver.post("/api/training/start", json={"drill": "quiet-shift", "trainee": "李雷"}).json()
    assert served.live.epoch == before + 1 and served.live.sim.scenario.name == "quiet-shift" and served.live.state == "paused"
    assert "going on" in told(driver.get(f"/api/training/score/{begun['run']}"), 409)
    driver.post("/api/write", json={"tag": "Line1.Station.Start", "value": 1})
    served.play(300)
    assert driver.get("/api/training/now").json()["trainee"] == "李雷"
    run = driver.post("/api/training/finish", json={}).json()["run"]
    found = driver.get(f"/api/training/score/{run}").json()
    assert found["trainee"] == "李雷" and 0 < found["points"] < 100 and len(found["marks"]) == len(RULES)
    record = driver.get(f"/record/{run}").text
    assert "李雷" in record and all(m["en"].split(";")[0] in record for m in found["marks"])
    assert "was no training" in told(driver.get("/api/training/score/live"), 404)
    assert driver.post("/api/training/leave", json={}).status_code == 200
    assert served.live.sim.scenario.name == "working-day" and served.live.tick == 0


def test_a_folder_that_cannot_be_written_leaves_the_run_as_it_is(served: Served, driver: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    epoch, runs = served.live.epoch, served.site.runs
    served.site.runs = tmp_path / "file"
    try:
        assert "cannot write" in told(driver.post("/api/training/start", json={"drill": "quiet-shift", "trainee": "Ann"}), 507)
    finally:
        served.site.runs = runs
    assert served.live.epoch == epoch
    served.play(1)


def test_a_full_disk_is_told_to_everybody_and_the_pages_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with (
        serving(lambda folder: Session("working-day", controller="reference", out=folder / "live"), tmp_path) as served,
        served.client() as client,
    ):
        served.play(2)
        served.do(served.live.sim.flush)
        assert served.live.sim.writer is not None
        monkeypatch.setattr(served.live.sim.writer, "_write_file", full)
        served.play(2)
        served.do(lambda: setattr(served.live.sim.writer, "_flushed", -1e9))
        for _ in range(20):
            if served.live.state == "failed":
                break
            served.play(1)
            served.do(lambda: setattr(served.live.sim.writer, "_flushed", -1e9))
        frame = json.loads(served.do(lambda: (served.site.hub.look(), served.site.hub.whole)[1]))
        assert frame["state"] == "failed" and "No space left" in frame["trouble"]
        assert "reset" in told(client.post("/api/write", json={"tag": "Line1.Station.Start", "value": 1}), 409)
        assert client.get("/").status_code == 200
        assert client.get("/api/runs/live").json()["to_s"] == 2  # what was written before is still there
