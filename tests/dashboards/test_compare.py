"""The comparison page and its REST: a what-if begun from a page, looked at as a page, as JSON, and as a file; OpenAPI kept to by schemathesis."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import browsing, opened, violations
from hypothesis import given, settings
from live_server import Served, serving
from playwright.sync_api import Browser, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "scenarios"))
from sweeping import plan_of

from dashboards.compare import write_page
from scenarios.session import Session
from scenarios.whatif.measures import MEASURES
from scenarios.whatif.results import Results, Sweep

FACTORS = {"fleet.trucks": [20, 25, 30, 35, 40], "fleet.battery": [0, 5, 10, 15, 20], "weather.air_c": [5, 15, 20, 25, 30]}


def made_up(folder: Path, out: Path, seeds: int) -> Sweep:
    """Results as a sweep would have them, with figures that are only good for drawing."""
    plan, draw = plan_of(folder, factors=FACTORS, seeds=seeds), random.Random(1)
    results = Results(out, plan)
    for n in range(len(plan)):
        row = plan.about(n)
        shift = row["fleet.trucks"] * 2 + row["fleet.battery"] * 0.5
        results.add(row | {"state": "complete", "error": None, "wall_s": 0.2} | {m: 100 + shift + draw.gauss(0, 5) for m in MEASURES})
    results.close()
    return Sweep(out)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A standing plant, with a sweep beside its runs."""
    folder = tmp_path_factory.mktemp("compare")
    made_up(folder, folder / "sweeps" / "drawn", 1)
    with serving(lambda runs: Session("working-day", controller="reference"), folder / "runs") as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


def test_the_page_as_a_file_draws_what_is_chosen_in_both_languages(tmp_path: Path, browser: Browser) -> None:
    file = write_page(made_up(tmp_path, tmp_path / "out", 2), tmp_path / "page.html")
    with opened(browser, f"file://{file}#en") as page:
        expect(page.locator("#tornado .bars .point")).to_have_count(6)
        heights = [page.locator("#tornado .ytick", has_text=f).bounding_box() for f in ("fleet.trucks", "fleet.battery", "weather.air_c")]
        assert all(heights) and [h["y"] for h in heights if h] == sorted(h["y"] for h in heights if h)  # the strongest above
        page.select_option("#measure", "co2_kg")
        expect(page.locator("#tornado .g-xtitle")).to_have_text("Carbon, A1–A4, kg CO2e")
        page.select_option("#group", "fleet.battery")
        expect(page.locator("#spread .boxlayer .trace")).to_have_count(5)
        assert page.locator("#pareto .scatterlayer .trace").count() == 2
        page.click("#language")
        expect(page.locator("h1 .zh")).to_be_visible()
        expect(page.locator("#tornado .g-xtitle")).to_have_text("碳排放 A1–A4, kg CO2e")
        assert violations(page) == []


def test_a_what_if_is_played_from_the_page_and_compared(served: Served, browser: Browser) -> None:
    with opened(browser, f"{served.url}/compare") as page:
        expect(page.locator("#sweeps a", has_text="drawn")).to_be_visible()
        assert violations(page) == []
        page.fill("[name=name]", "hot")
        page.fill("[name=until_h]", "0.5")
        page.fill("[name=seeds]", "2")
        page.fill("[name=changes]", "weather.air_c=35\nfleet.battery=10; dispatch=nearest")
        page.click("button[type=submit]")
        expect(page.locator("#progress")).to_have_text("6 of 6 runs played", timeout=90_000)
        page.goto(f"{served.url}/compare/hot#en")
        expect(page.locator("#tornado .bars .point")).to_have_count(2)
        expect(page.locator("thead").first).to_contain_text("fleet.battery=10; dispatch=nearest")
    with served.client() as client:
        answer = client.get("/api/sweeps/hot").json()
        assert (answer["runs"], answer["done"], answer["failed"], answer["going"]) == (6, 6, 0, False)
        sides = {(c["variant"], c["measure"]): c for c in answer["compared"]}
        assert sides["weather.air_c=35", "m3"]["difference"] == 0.0 and sides["base", "m3"]["n"] == 2
        effects = client.get("/api/sweeps/drawn", params={"measure": "cost_cny"}).json()["effects"]
        assert effects[0]["factor"] == "fleet.trucks" and effects[0]["at_high"] == 40.0


def test_a_sweep_is_played_from_the_page(served: Served, browser: Browser) -> None:
    with opened(browser, f"{served.url}/compare") as page:
        page.fill("[name=name]", "grid")
        page.select_option("[name=kind]", "factors")
        expect(page.locator("[name=changes]")).to_be_hidden()
        page.fill("[name=until_h]", "0.2")
        page.fill("[name=seeds]", "1")
        page.fill("[name=factors]", "fleet.battery: 0, 10\ndispatch: nearest, jit")
        assert violations(page) == []
        page.click("button[type=submit]")
        expect(page.locator("#progress")).to_have_text("4 of 4 runs played", timeout=90_000)
        page.goto(f"{served.url}/compare/grid#en")
        expect(page.locator("tbody").first).to_be_visible()
    with served.client() as client:
        found = client.get("/api/sweeps/grid").json()
        assert {c["variant"] for c in found["compared"]} == {
            f"fleet.battery={n}, dispatch={d}" for n in (0, 10) for d in ("nearest", "jit")
        }


def test_what_is_wrong_is_told_before_anything_is_played(served: Served) -> None:
    with served.client() as client:
        for body, status, text in (
            ({"changes": ["fleet.batery=1"]}, 422, "there is no field 'batery'; did you mean 'battery'?"),
            ({"changes": ["weather.file=/etc/passwd"]}, 422, "weather.file is not read for a page"),
            ({"changes": ["controller=os:system"]}, 422, "plays in scan only"),
            ({"changes": ["fleet.battery=1"], "base": "working"}, 404, "no scenario named 'working'"),
            ({"changes": ["fleet.battery=1"], "name": "drawn"}, 409, "drawn holds something already"),
            ({"changes": ["fleet.battery=1"], "base": "../day"}, 422, "base"),
            ({}, 422, "neither changes nor factors"),
            ({"factors": {"fleet.batery": [1, 2]}}, 422, "there is no field 'batery'; did you mean 'battery'?"),
            ({"factors": {"fleet.battery": list(range(30)), "weather.air_c": list(range(20))}}, 422, "2400 runs are too many for a page"),
            ({"factors": {"weather.file": ["/etc/passwd"]}}, 422, "weather.file is not read for a page"),
            ({"factors": {"fleet.battery": [1]}, "declared": "benchmark-180"}, 422, "facts without a rule book"),
        ):  # fmt: skip
            answer = client.post("/api/what-if", json={"name": "wrong"} | body)
            assert answer.status_code == status and text in answer.json()["text"], answer.text
        assert client.get("/compare/none").status_code == 404
        assert not (served.runs.parent / "sweeps" / "wrong").exists()


def test_a_what_if_can_be_stopped_and_keeps_what_is_finished(served: Served) -> None:
    with served.client() as client:
        assert client.post("/api/what-if", json={"name": "long", "changes": ["fleet.battery=1"], "seeds": 100}).status_code == 202
        assert client.post("/api/what-if", json={"name": "two", "changes": ["fleet.battery=1"]}).status_code == 409
        deadline = time.monotonic() + 90
        while not any(s["name"] == "long" and s["runs"] for s in client.get("/api/sweeps").json()) and time.monotonic() < deadline:
            time.sleep(0.05)
        while client.get("/api/sweeps/long").json()["done"] < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert client.post("/api/what-if/stop", json={}).json() == {"stopped": 1}
        kept = client.get("/api/sweeps/long").json()
        assert 2 <= kept["done"] < 200 and not kept["going"]


def test_answers_keep_to_the_openapi_document(served: Served) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis.specs.openapi.checks import positive_data_acceptance  # which fields a plant has, no document says

    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json").include(path_regex="^/(api/sweeps|api/what-if|compare)")
    seen = set()
    with served.client() as client:
        cookies, headers = dict(client.cookies), {"x-csrftoken": client.headers["x-csrftoken"]}
        for operation in (found.ok() for found in schema.get_all_operations()):
            seen.add(operation.label)

            @settings(max_examples=8, database=None)
            @given(case=operation.as_strategy())
            def kept(case: Any) -> None:
                case.call_and_validate(headers=headers, cookies=cookies, excluded_checks=[positive_data_acceptance])

            kept()
    assert seen == {
        "GET /compare",
        "GET /compare/{name}",
        "GET /api/sweeps",
        "GET /api/sweeps/{name}",
        "POST /api/what-if",
        "POST /api/what-if/stop",
    }
