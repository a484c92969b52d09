"""The report of a run: self-contained, bilingual, true to the tables, and safe with odd input."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from dashboards.facts import Facts
from dashboards.pieces import Text, num, script_json
from dashboards.report import BANNERS, key_figures, write_report
from dashboards.sections import concrete, materials, weighing
from scenarios.run import Run, open_run
from scenarios.schema import load_scenario
from scenarios.simulation import Simulation
from twin.ledger import SPECIES

CHAPTERS = (
    "production",
    "weighing",
    "concrete",
    "quality",
    "materials",
    "water",
    "air",
    "site",
    "energy",
    "deliveries",
    "alarms",
    "unverified",
)


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, text outside scripts, content of JSON scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.data: dict[str, str] = {}
        self._script: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._script = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script:
            self.data[self._script] = self.data.get(self._script, "") + data
        elif data.strip():
            self.text.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def played(path: Path, until_s: float, **more: object) -> Run:
    sim = Simulation("working-day", out=path, until_s=until_s, **more)  # type: ignore[arg-type]
    sim.run()
    return open_run(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return played(tmp_path_factory.mktemp("report") / "run", 1800)


@pytest.fixture(scope="module")
def html(run: Run) -> str:
    return write_report(run).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_goes_beside_the_run_or_where_asked(run: Run, html: str, tmp_path: Path) -> None:
    assert html and (run.path / "report.html").exists()
    target = write_report(run, tmp_path / "r.html")
    assert target == tmp_path / "r.html"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    assert target.stat().st_size < 15e6


def test_loads_nothing_from_elsewhere(page: Page) -> None:
    assert not page.all("link") and not page.all("img") and not page.all("iframe")
    assert all("src" not in s for s in page.all("script"))
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert not re.match(r"\s*(https?:)?//", attributes.get(name) or ""), (tag, name)
    assert "@import" not in page.data["style"] and "url(" not in page.data["style"]
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy) and "http" not in str(policy)


def test_both_languages_stand_in_the_page(page: Page) -> None:
    for words in (
        "Weighing quality",
        "计量质量",
        "A working day, mixed grades, two arrivals and one fault",
        "一个工作日：多种强度等级、两次到料、一个故障",
        "unverified",
        "未核实",
    ):
        assert any(words in t for t in page.text), words
    assert [e["lang"] for e in page.all("html")] == ["en"]
    spans = [s.get("class") for s in page.all("span")]
    assert spans.count("en") == spans.count("zh") > 100
    assert any(b.get("id") == "language" for b in page.all("button"))


def test_every_chart_has_its_figure_and_a_description(page: Page) -> None:
    figures = json.loads(page.data["figures"])
    boxes = [d for d in page.all("div") if d.get("class") == "plot"]
    assert {b["data-figure"] for b in boxes} == set(figures) and len(boxes) == len(figures) > 10
    for box in boxes:
        assert box["role"] == "img" and box["aria-label"] and box["data-zh"]
    for name, figure in figures.items():
        assert figure["data"], name


def test_headings_are_in_order(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
    assert [s["id"] for s in page.all("section")] == list(CHAPTERS)


def test_key_figures_are_those_of_the_tables(run: Run, html: str) -> None:
    def count(table: str, ask: str) -> float:
        return duckdb.sql(f"SELECT {ask} FROM read_parquet('{run.path / table}/part-*.parquet')").fetchall()[0][0]

    shown = {name.en: value for name, value, _ in key_figures(Facts(run)).items}
    assert shown["m³ delivered"] == num(count("deliveries", "sum(volume_m3)"), 1) == num(run.outcome["m3"], 1)
    assert shown["Batches"] == num(count("batches", "count(*)")) == num(run.outcome["batches"])
    assert shown["Loads"] == num(count("deliveries", "count(*)"))
    assert count("weighings", "count(*)") == run.outcome["weighings"] > 0
    outside = shown["Out of tolerance"]
    assert getattr(outside, "value", outside) == num(count("weighings", "count(*) FILTER (abs(true_kg - target_kg) > tolerance_kg + 1e-9)"))
    assert f"<b>{shown['m³ delivered']}</b>" in html


def test_deviation_by_load_is_that_of_its_batches(run: Run) -> None:
    facts = Facts(run)
    weighing.section(facts)
    ours = {(r["ticket"], r["material"]): r["off"] for r in facts.rows("SELECT * FROM load_weighings")}
    tickets, batches, weighings = run.df("deliveries"), run.df("batches"), run.df("weighings")
    for t in tickets.itertuples():
        numbers = batches[(batches.line == t.line) & batches.number.between(t.batch_from, t.batch_to)].batch
        mine = weighings[(weighings.line == t.line) & weighings.batch.isin(numbers)]
        assert len(mine)
        for material, rows in mine.groupby("material", observed=True):
            assert ours[t.ticket, material] == pytest.approx(rows.true_kg.sum() / rows.target_kg.sum() - 1, abs=1e-12)
    assert len(tickets) > 0


def test_ledger_closes_by_its_rows(run: Run) -> None:
    table = materials.closure(Facts(run))
    assert len(table.rows) == len(SPECIES)
    assert all(float(row[-1]) < 1e-9 for row in table.rows)


def test_curves_keep_the_peaks(run: Run) -> None:
    name = "Line1.Mixer.Power"
    _, y = Facts(run).peaks([name], buckets=50)[name]
    values = [v for v in y if v is not None]
    truth = run.sql(f'SELECT min("{name}") AS low, max("{name}") AS high FROM tags').to_pylist()[0]
    assert len(values) <= 102
    assert (min(values), max(values)) == pytest.approx((truth["low"], truth["high"]), abs=1e-3)


def test_a_complete_run_has_no_banner(page: Page) -> None:
    assert not any(d.get("role") == "alert" for d in page.all("div"))


def test_a_cut_run_says_so(tmp_path: Path) -> None:
    with Simulation("working-day", out=tmp_path / "run", until_s=1200) as sim:
        sim.advance(300)
    cut = open_run(tmp_path / "run")
    assert cut.state == "cut"
    page = Page(write_report(cut).read_text(encoding="utf-8"))
    assert any(d.get("role") == "alert" and d.get("data-state") == "cut" for d in page.all("div"))
    assert BANNERS["cut"].en in page.text and BANNERS["cut"].zh in page.text
    assert [s["id"] for s in page.all("section")] == list(CHAPTERS)


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_with_next_to_nothing_renders(tmp_path: Path, killed: bool) -> None:
    empty = played(tmp_path / "run", 5)
    if killed:  # only run.json is left, without a closing
        for folder in [p for p in empty.path.iterdir() if p.is_dir()]:
            for part in folder.iterdir():
                part.unlink()
        info = {k: v for k, v in empty.info.items() if k != "outcome"} | {"state": "running"}
        (empty.path / "run.json").write_text(json.dumps(info), encoding="utf-8")
    page = Page(write_report(open_run(empty.path)).read_text(encoding="utf-8"))
    assert [s["id"] for s in page.all("section")] == list(CHAPTERS)
    assert sum("nothing" in (p.get("class") or "") for p in page.all("p")) >= 3
    assert "没有出料的盘次" in " ".join(page.text)
    assert any(d.get("data-state") == "cut" for d in page.all("div")) is killed


def test_names_from_yaml_cannot_run(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    scenario, design = load_scenario("working-day")
    scenario = scenario.model_copy(update={"title": scenario.title.model_copy(update={"en": evil, "zh": f"{evil}中"})})
    cement = design.materials["cement"]
    title = cement.title.model_copy(update={"en": f"</script>{evil}", "zh": '"><img src=x onerror=alert(1)>'})
    design = design.model_copy(update={"materials": design.materials | {"cement": cement.model_copy(update={"title": title})}})
    with Simulation(scenario, design, out=tmp_path / "run", until_s=1200) as sim:
        sim.run()
    html = write_report(open_run(tmp_path / "run")).read_text(encoding="utf-8")
    page = Page(html)
    assert evil not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert evil in page.text  # as words
    assert not page.all("img") and len(page.all("script")) == 4
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "<" not in page.data["figures"] + page.data["page-title"]


def test_json_in_a_script_stays_inside_it() -> None:
    text = script_json({"a": Text("</script><b>", "中"), "b": [float("nan"), "x & y"]})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"a": {"en": "&lt;/script&gt;&lt;b&gt;", "zh": "中"}, "b": [None, "x &amp; y"]}


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(1234.56, 1, "1,234.6"), (-0.04, 1, "0.0"), (-2.5, 1, "−2.5"), (None, 0, "–"), (float("nan"), 2, "–")]
)
def test_numbers(value: float | None, digits: int, text: str) -> None:
    assert num(value, digits) == text


@pytest.mark.parametrize(("grade", "aimed"), [(20.0, 26.58), (30.0, 38.225), (50.0, 59.87), (60.0, 69.0)])
def test_strength_aimed_at(grade: float, aimed: float) -> None:
    assert concrete.aimed_mpa(grade) == pytest.approx(aimed)
