"""The rule books: every clause of the source is there, every book keeps its schema, and their figures agree with the project's own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from scenarios.judging.book import BOOKS, ByPlant, Evidence, book_names, load_book
from scenarios.judging.declared import load_declared
from scenarios.judging.measures import MEASURES
from scenarios.tables import TOLERANCE
from twin.design.load import packaged
from twin.errors import BadInput, BatchtwinError
from twin.limits import DUST, NOISE_DB, OFTEN_DB, RARE_DB

# Titles of the clauses as they stand in the guidance, section by section.
ANNEX_1 = {
    "1": "目的 适用条件",
    "2": "资质要求 绿色生产、安全生产要求 建设“三同时”要求 绿色生产、安全生产承诺 企业信息化管理系统 企业视频监控系统 档案管理",
    "3": "资质使用 资质变更",
    "4": "人员要求 环境要求 设备设施 管理子系统 原材料检验 混合骨料检验 再生材料检验 配合比设计 配合比出具 混凝土检验",
    "5": "人员资格 人员数量 组织机构和设备设施 管理子系统 原材料检查制度 原材料进场前质量检查 原材料来源地质量管理 原材料使用 配合比使用 混凝土出厂质量检查 现场混凝土质量管理 退回混凝土质量管理 混凝土质量统计分析",
    "6": "组织机构及人员要求 物流管理制度 物流方车辆管理 物流方车辆监控系统 超限超载车辆管理 混凝土运输质量管理",
    "7": "人员要求 设备设施 生产远程控制 管理子系统 设备管理 计量设备管理 计量管理",
    "8": "管理人员 特种作业人员、特种设备作业人员 安全管理体系 安全教育培训 安全设备设施 特种作业 特种设备作业 安全管理记录 安全标志管理 应急管理",
    "9": "组织机构及人员要求 绿色生产管理体系 粉尘、噪声监测系统 第三方监测 粉尘、噪声控制设备设施 废水、废浆处理设备设施 固体废弃物处理 绿化 门前三包 车容车貌 监测资料",
}
ANNEX_2 = {
    "I": "企业布局和规模 绿色生产要求 粉尘和噪声在线监测 废水、废浆回收利用 雨水利用 可再生能源 碳排放 技术成果 技术交流 试验设备设施 监督管理 智能化设备设施",
    "II": "视频监控系统 再生骨料使用 绿色物流 诚信管理和评价体系 重大诚信事件 社会责任",
}
TEN = {"hubei-standard", "hubei-benchmark", "hubei-province", "zero-discharge", "gbt14902-batching", "gb4915-dust", "gb12348-noise", "jgjt328-stars", "astm-c94",
       "en206-batching"}  # fmt: skip


def titles(name: str) -> dict[str, list[str]]:
    """Chinese titles of a book's clauses, by section."""
    book = load_book(name)
    return {key: [c.title.zh for c in book.clauses if c.section == key] for key in book.sections}


def test_all_clauses_of_annex_1_are_there() -> None:
    found = titles("hubei-standard")
    assert found == {key: text.split() for key, text in ANNEX_1.items()}
    assert [len(v) for v in found.values()] == [2, 7, 2, 10, 13, 6, 7, 10, 11]
    book = load_book("hubei-standard")
    assert [c.id for c in book.clauses] == [f"{key}.{i + 1}" for key, of in found.items() for i in range(len(of))]


def test_all_clauses_of_annex_2_are_there_and_its_second_list_begins_again() -> None:
    found = titles("hubei-benchmark")
    assert found == {key: text.split() for key, text in ANNEX_2.items()}
    assert [c.id for c in load_book("hubei-benchmark").clauses] == [*map(str, range(1, 13)), *(f"II.{i}" for i in range(1, 7))]


def test_the_province_has_all_targets_of_part_3() -> None:
    counted = Counter(c.section for c in load_book("hubei-province").clauses)
    assert counted == {"1": 2, "2": 3, "3": 4, "4": 1}


def test_the_ten_books_are_packaged() -> None:
    assert set(book_names()) == TEN


@pytest.mark.parametrize("name", sorted(TEN))
def test_a_book_keeps_its_schema_and_speaks_both_languages(name: str) -> None:
    book = load_book(name)
    assert book.name == name
    for clause in book.clauses:
        place = book.place(clause)
        for text in (clause.title, clause.text, place):
            assert text.en.strip() and text.zh.strip()
        assert not any("\u4e00" <= ch <= "\u9fff" for ch in clause.title.en + clause.text.en + place.en), clause.id
        for evidence in clause.evidence:
            assert evidence.sense == "known" or evidence.limit is not None


def test_a_fact_says_the_same_in_all_books() -> None:
    said: dict[str, str] = {}
    for name in book_names():
        for key, title in load_book(name).facts.items():
            assert said.setdefault(key, title.zh) == title.zh, key


def test_every_measure_is_asked_for_by_some_book() -> None:
    asked = {
        e.measure
        for name in book_names()
        for c in load_book(name).clauses
        for e in (*c.evidence, *([c.applies.evidence] if c.applies else []))
    }
    assert set(MEASURES) - asked <= {
        "homogeneity",
        "leaked_kg",
        "pm10_hour",
        "trucks",
        "violations_counted",
        "weighbridge_division",
        "m3_per_sample",
    }


# --- figures that stand elsewhere, too ------------------------------------------------------------------


def evidence(book: str, clause: str) -> list[Evidence]:
    return next(c.evidence for c in load_book(book).clauses if c.id == clause)


def test_limits_of_noise_are_those_of_the_project() -> None:
    for clause, of in (("day", 0), ("night", 1)):
        limit = evidence("gb12348-noise", clause)[0].most
        assert isinstance(limit, ByPlant) and limit.values == {zone: db[of] for zone, db in NOISE_DB.items()}
    for clause, over in (("frequent", OFTEN_DB), ("occasional", RARE_DB)):
        limit = evidence("gb12348-noise", clause)[0].most
        assert isinstance(limit, ByPlant) and limit.values == {zone: db[1] + over for zone, db in NOISE_DB.items()}


def test_limits_of_dust_are_those_of_the_project() -> None:
    assert evidence("gb4915-dust", "fugitive")[0].most == DUST["FugitiveHigh"].other
    for clause, alarm in (("control.tsp", "TspHigh"), ("control.pm10", "Pm10DayHigh"), ("control.pm25", "Pm25DayHigh")):
        limit = evidence("jgjt328-stars", clause)[0].most
        assert isinstance(limit, ByPlant) and limit.values == {"true": DUST[alarm].protected, "false": DUST[alarm].other}
        assert DUST[alarm].recalled and evidence("jgjt328-stars", clause)[0].confidence == "recalled"


def test_tolerances_of_weighing_are_those_of_the_project() -> None:
    for clause in load_book("gbt14902-batching").clauses:
        if clause.id.startswith("7.3.batch."):
            asked = clause.evidence[0]
            assert {TOLERANCE[s] * 100 for s in asked.of["species"]} == {asked.most}
            assert asked.confidence == "recalled"


# --- books and facts of the user ------------------------------------------------------------------------

GOOD = (packaged(BOOKS)["gb4915-dust"]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("measure: stack_dust", "measure: stack_dusk", "no measure 'stack_dusk'; did you mean 'stack_dust'?"),
        ("of: {kind: tsp}", "of: {sort: tsp}", "does not fit measure dust_over_reference"),
        ("most: 20,", "most: 20, least: 3,", "has several limits (least, most)"),
        ("- id: fugitive", "- id: stack", "clause stack stands twice"),
        ("section: \"1\"", "section: \"7\"", "no section '7'"),
        ("confidence: recalled", "confidence: guessed", "'guessed' is not one of the choices"),
        ("name: gb4915-dust", "name: gb4915-dust\nfacts: {a_fact: {en: a, zh: b}}", "no clause asks for this fact"),
        ("{measure: stack_dust, most: 20, confidence: recalled}", "{declared: a_fact}", "no fact 'a_fact'"),
        ("{measure: stack_dust, most: 20, confidence: recalled}", "{unit: kg}", "asks for nothing"),
        ("{measure: stack_dust, most: 20, confidence: recalled}", "{measure: stack_dust, most: 20, must: false}", "a clause of musts with recommendations only"),
    ],
)  # fmt: skip
def test_a_wrong_book_is_told_in_one_line(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert old in GOOD
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_book(file)
    lines = str(caught.value.text("en")).splitlines()
    assert any(told in line and str(file) in line for line in lines), lines
    assert len(lines) == 1


def test_a_book_of_ones_own_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace("most: 20,", "most: 10,", 1), encoding="utf-8")
    assert load_book(file).clauses[0].evidence[0].most == 10
    with pytest.raises(BatchtwinError, match="did you mean 'gb4915-dust'"):
        load_book("gb4915-dusk")


FACT = "plant: benchmark-180\nfacts:\n  green_star: {value: 3, date: 2025-05-01, document: register 12}\n"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("green_star", "green_stars", "no rule book asks for 'green_stars'; did you mean 'green_star'?"),
        ("2025-05-01", "2025-05-41", "day is out of range"),
        ("2025-05-01", "soon", "date"),
        ("document: register 12}", "document: register 12, valid_until: 2024-01-01}", "ends before its date"),
        (", document: register 12", "", "missing field"),
        ("plant: benchmark-180\n", "", "missing field"),
        ("value: 3", "value: many", "'many' is no number"),
        ("value: 3", "value: true", "is no number"),
    ],
)
def test_wrong_facts_are_told_in_one_line(old: str, new: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "facts.yaml"
    file.write_text(FACT.replace(old, new), encoding="utf-8")
    with pytest.raises(BatchtwinError) as caught:
        load_declared(file, load_book("hubei-benchmark"))
    line = caught.value.text("en")
    assert told in line and str(file) in line and len(line.splitlines()) == 1


def test_the_packaged_example_declares_what_books_ask_for() -> None:
    declared = load_declared("benchmark-180", load_book("hubei-benchmark"))
    assert declared.plant == "benchmark-180" and len(declared.facts) > 80
    assert all(f.document.startswith("example document") for f in declared.facts.values())
