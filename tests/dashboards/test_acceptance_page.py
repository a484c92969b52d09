"""The page of an acceptance suite: self-contained, bilingual, true to the verdicts, and safe with odd input."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from test_report import Page

from control.reference import ReferenceController
from dashboards.acceptance import LABEL, WIDTH, sketch, write_page
from scenarios.acceptance.case import load_case
from scenarios.acceptance.judge import play_case
from scenarios.acceptance.results import CaseResult, CheckResult

EVIL = "<script>alert(1)</script>"


class OpensEverything(ReferenceController):
    """The reference program, with a flaw: the discharge hopper stays open."""

    def __init__(self, table, species) -> None:  # type: ignore[no-untyped-def]
        super().__init__(table, species)
        self.gate = table.index("Line1.Hopper.Discharge.Open")

    def scan(self, values: np.ndarray, now: int) -> None:
        super().scan(values, now)
        values[self.gate] = 1.0


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[CaseResult]:
    """One passed, one failed, one without a verdict."""
    folder = tmp_path_factory.mktemp("page")
    good = play_case(load_case("arching"), ReferenceController, folder / "good")
    bad = play_case(load_case("interlocks"), OpensEverything, folder / "bad")
    none = CaseResult(
        "hold",
        "Held",
        "暂停",
        "error",
        1,
        str(folder / "none"),
        "the control program failed",
        "控制程序出错",
        answer_en="an answer",
        answer_zh="答案",
    )
    assert (good.state, bad.state) == ("passed", "failed")
    return [good, bad, none]


@pytest.fixture(scope="module")
def html(results: list[CaseResult], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("html")
    target = write_page(results, folder / "page.html", program="Plant control 7")
    assert [p.name for p in folder.iterdir()] == ["page.html"]
    return target.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_loads_nothing_from_elsewhere(page: Page, html: str) -> None:
    assert not page.all("link") and not page.all("img") and not page.all("iframe")
    assert all("src" not in s for s in page.all("script"))
    assert "://" not in html and "url(" not in html and "@import" not in html
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy)
    assert len(html) < 300_000


def test_both_languages_stand_in_the_page(page: Page, results: list[CaseResult]) -> None:
    text = "\n".join(page.text)
    for words in ("Acceptance of a control program", "控制程序验收", "Plant control 7", "no verdict", "无法判定", "passed", "未通过"):
        assert words in text, words
    for r in results:
        for words in (r.title_en, r.title_zh, r.answer_en, r.answer_zh, r.en, r.zh, *(w for c in r.checks for w in (c.en, c.zh))):
            assert words in text, words
    spans = [s.get("class") for s in page.all("span")]
    assert spans.count("en") == spans.count("zh") > 30
    assert any(b.get("id") == "language" for b in page.all("button"))


def test_every_case_and_check_stands_there_with_its_verdict(page: Page, results: list[CaseResult]) -> None:
    sections = {s["id"]: s for s in page.all("section")}
    assert list(sections) == ["overview", *(r.case for r in results)]
    assert [sections[r.case]["data-state"] for r in results] == [r.state for r in results]
    shown = [(i["data-check"], i["data-passed"]) for i in page.all("li") if "data-check" in i]
    assert shown == [(c.name, str(int(c.passed))) for r in results for c in r.checks]
    kept = sum(c.passed for r in results for c in r.checks)
    assert str(kept) in page.text and f"of {sum(len(r.checks) for r in results)}" in page.text


def test_a_failed_check_has_its_rows_and_its_plot(page: Page, results: list[CaseResult]) -> None:
    failed = [c for r in results for c in r.failures()]
    assert len(page.all("svg")) == sum(bool(c.plot) for c in failed) > 0
    assert len(page.all("table")) == 1 + sum(bool(c.rows) for c in failed)
    text = "\n".join(page.text)
    for check in failed:
        for row in check.rows:
            assert all(key in text for key in row)
    assert "Line1.Hopper.Discharge" in text


def test_a_plot_is_drawn_to_scale() -> None:
    plot = {
        "x": [10.0, 20.0, 30.0],
        "series": {"Line1.Mixer.Run": [0.0, 1.0, None], "Line1.Mixer.Power": [2.0, 2.0, 4.0]},
        "marks": [[20.0, 25.0]],
    }
    svg = ElementTree.fromstring(str(sketch(plot)))
    mark = next(r for r in svg.iter("rect") if r.get("class") == "mark")
    middle = LABEL + (WIDTH - LABEL - 8) / 2
    assert float(mark.get("x", 0)) == pytest.approx(middle) and float(mark.get("width", 0)) == pytest.approx((WIDTH - LABEL - 8) / 4)
    run, power = [p.get("d", "") for p in svg.iter("path")]
    assert run.count("H") == 1 and power.count("H") == 2  # a value that is missing is not drawn
    assert [float(v) for v in re.findall(r"V([\d.]+)", power)] == sorted([float(v) for v in re.findall(r"V([\d.]+)", power)], reverse=True)
    texts = [t.text for t in svg.iter("text")]
    assert "Mixer.Run" in texts and "2 … 4" in texts and texts[-5:] == ["10.0 s", "15.0 s", "20.0 s", "25.0 s", "30.0 s"]


@pytest.mark.parametrize(
    "plot", [{}, {"x": [1.0], "series": {"a": [1.0]}}, {"x": [1.0, 2.0], "series": {}}, {"x": [1.0, 2.0], "series": {"a": [None, None]}}]
)
def test_a_plot_of_next_to_nothing_does_no_harm(plot: dict[str, object]) -> None:
    assert "path" not in str(sketch(plot))


def test_words_from_a_vendor_cannot_run(tmp_path: Path) -> None:
    plot = {"x": [1.0, 2.0], "series": {f'Line1."><img src=x onerror=1>{EVIL}': [0.0, 1.0]}, "marks": []}
    check = CheckResult(EVIL, False, f"{EVIL} broke", f"{EVIL} 违反", [{EVIL: f'"><img src=x onerror=1>{EVIL}'}], plot)
    result = CaseResult("c", EVIL, EVIL + "中", "failed", 1, EVIL, EVIL, EVIL, [check], 1.0, {EVIL: [EVIL]}, EVIL, EVIL)
    html = write_page([result], tmp_path / "page.html", program=EVIL).read_text(encoding="utf-8")
    page = Page(html)
    assert EVIL not in html and not page.all("img") and len(page.all("script")) == 1
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert f"{EVIL} broke" in page.text


def test_a_suite_without_cases_has_a_page(tmp_path: Path) -> None:
    page = Page(write_page([], tmp_path / "page.html").read_text(encoding="utf-8"))
    assert [s["id"] for s in page.all("section")] == ["overview"]
