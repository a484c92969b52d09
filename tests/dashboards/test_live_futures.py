"""Branches of a live run: by REST, beside the server's threads and sockets, and on the page."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import PHONE, browsing, opened, violations
from live_server import Served, serving
from playwright.sync_api import expect

from scenarios.run import open_run
from scenarios.session import Session

LEAK = {"faults": [{"fault": "leaking-gate", "target": "Line1.Feeder.Sand1", "severity": 0.05}]}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    runs = tmp_path_factory.mktemp("runs")
    with serving(lambda folder: Session("working-day", controller="reference", out=folder / "live", until_s=3600), runs) as found:
        found.play(600)
        yield found


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client


def ended(client: httpx.Client) -> dict[str, Any]:
    for _ in range(600):
        found: dict[str, Any] = client.get("/api/futures").json()
        if not found["going"]:
            return found
        time.sleep(0.05)
    raise AssertionError("the branches do not end")


def test_a_live_run_is_branched_and_goes_on_as_if_nothing_had_been(served: Served, client: httpx.Client) -> None:
    before = served.do(served.live.sim.plant.hash)
    answer = client.post("/api/futures", json={"lasts_s": 300, "branches": [LEAK, {"rain": {"mm_h": 40, "lasts": "5min"}}]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["branches"][0] == "as-it-is" and answer.json()["at_s"] == 600 and answer.json()["until_s"] == 900
    found = ended(client)
    assert min(served.site.futures.first_steps) > 0  # type: ignore[union-attr]
    same, leak, rain = found["rows"]
    assert [row["state"] for row in found["rows"]] == ["complete"] * 3 and leak["outside"] >= 0 and sum(rain["clauses"].values()) == 68
    assert served.do(served.live.sim.plant.hash) == before
    served.play(300)
    assert served.do(served.live.sim.plant.hash) == same["state_hash"] != leak["state_hash"]
    branch = open_run(served.runs / found["folder"] / "as-it-is")
    assert branch.state == "complete" and branch.sql("SELECT max(time_s) AS t FROM tags").to_pylist() == [{"t": 900.0}]


def test_branches_can_be_stopped_and_only_one_set_goes_at_a_time(client: httpx.Client) -> None:
    assert client.post("/api/futures", json={"lasts_s": 1e6}).status_code == 200  # to the end of the run
    again = client.post("/api/futures", json={"lasts_s": 60})
    assert again.status_code == 409 and "under way" in again.json()["text"]
    assert client.post("/api/futures/stop", json={}).json() == {"going": False}
    assert client.get("/api/futures").json()["rows"][0]["state"] in ("cut", "complete")


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        ({"branches": [{"faults": [{"fault": "leaking-gat", "target": "Line1.Feeder.Sand1"}]}]}, 404, "leaking-gate"),
        ({"branches": [{"orders": [{"grade": "C31", "volume_m3": 6}]}]}, 404, "C3"),
        ({"branches": [{"writes": {"Line1.Mixer.Power": 1}}]}, 403, "sensor"),
        ({"branches": [{"fog": 1}]}, 422, "fog"),
        ({"branches": [{}] * 9}, 422, "branches"),
        ({"lasts_s": 0}, 422, "lasts_s"),
        ({"criteria": "hubei-standart"}, 404, "hubei-standard"),
    ],
)
def test_wrong_branches_are_refused_in_one_line(client: httpx.Client, body: dict[str, Any], status: int, part: str) -> None:
    answer = client.post("/api/futures", json=body)
    assert answer.status_code == status and part in answer.json()["text"] and "\n" not in answer.json()["text"]


def test_it_is_documented(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"get", "post"} <= set(paths["/api/futures"]) and "post" in paths["/api/futures/stop"]


def test_who_is_outside_cannot_go_along(tmp_path: Path) -> None:
    with serving(lambda folder: Session("working-day", controller="none", until_s=600), tmp_path) as served, served.client() as client:
        served.play(10)
        answer = client.post("/api/futures", json={"branches": [{}]}, headers={"accept-language": "zh"})
        assert answer.status_code == 422 and "外接的 controller" in answer.json()["text"]
        assert client.post("/api/futures", json={"lasts_s": 1, "branches": [{"controller": "reference"}]}).status_code == 200
        (row,) = ended(client)["rows"]
        assert row["state"] == "complete" and "no_verdict" in row  # the run is not recorded


def test_the_page_branches_and_compares(served: Served) -> None:
    with browsing() as browser:
        for size, chinese in ((None, False), (PHONE, True)):
            with opened(browser, f"{served.url}/futures", **({"size": size} if size else {})) as page:
                expect(page.locator("#clock")).to_have_text(re.compile(r"^2026-"))
                if chinese:
                    page.click("#language")
                    expect(page.locator("h1")).to_have_text(re.compile("推演"))
                    expect(page.locator("#clock")).to_have_text(re.compile(r"^2026-"))
                page.select_option("[name=kind]", "rain")
                page.fill("[name=mm_h]", "30")
                page.click("#change button")
                expect(page.locator("#chosen li")).to_have_count(1)
                page.fill("[name=minutes]", "1")
                page.click("#go .danger")
                done = page.locator("#rows tr", has_text="完成" if chinese else "complete")
                expect(done).to_have_count(2)
                assert violations(page) == []
                assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 1
