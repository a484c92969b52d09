"""Orders from CSV: what can be read, that it comes back the same, and how every mistake is told."""

from __future__ import annotations

import csv
import os
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenarios.order_file import COLUMNS, read_orders, write_orders
from scenarios.orders import Change, Order
from twin.errors import BadInput, BatchtwinError

STARTS = datetime(2026, 5, 11, 6)
PLAIN = "site,grade,volume_m3,start\nRaft,C30,60,07:30\n"


def put(folder: Path, content: str | bytes) -> Path:
    path = folder / "orders.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def told(folder: Path, content: str | bytes) -> list[str]:
    """The lines told about a file, without its path."""
    path = put(folder, content)
    with pytest.raises(BadInput) as caught:
        read_orders(path, STARTS)
    lines = caught.value.text().split("\n")
    assert all(m.code == "E101" and "\n" not in m.text() for m in caught.value.mistakes)
    assert all(line.startswith(str(path)) and "; " in line for line in lines)
    assert len(lines) == len(caught.value.mistakes) <= 21
    return [line.removeprefix(str(path)).strip(" :") for line in lines]


def one(folder: Path, start: str = "07:30", **cells: str) -> Order:
    row = {"site": "Raft", "grade": "C30", "volume_m3": "60", "start": start} | cells
    path = folder / "orders.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([row.keys(), row.values()])
    return read_orders(path, STARTS)[0]


# --- what can be read ---------------------------------------------------------------------------------


def test_a_short_file_takes_the_defaults(tmp_path: Path) -> None:
    assert read_orders(put(tmp_path, PLAIN), STARTS) == [Order(site="Raft", grade="C30", volume_m3=60, start=27000)]


CHINESE = "工地,强度等级,方量,开始时间,间隔,地点,泵送,允许迟到,最大间断,优先级,取消\n武汉长江大桥,C50,60,07:30,10分钟,光谷,是,15min,1小时,9,12:00\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str, newline: str) -> None:
    [order] = read_orders(put(tmp_path, CHINESE.replace(",", delimiter).replace("\n", newline).encode(encoding)), STARTS)
    assert order == Order(
        site="武汉长江大桥", grade="C50", volume_m3=60, start="07:30", every="10min", at="光谷", pump=True, late="15min", gap="1h", priority=9, cancelled="12:00"
    )  # fmt: skip


@pytest.mark.parametrize(("text", "start_s"), [
    ("07:30", 27000), ("7:30", 27000), ("07：30", 27000), ("07:30:15", 27015), ("31:30", 113400), ("90min", 5400), ("1.5小时", 5400), ("2026-05-11 07:30", 27000),
    ("2026-05-11T07:30", 27000), ("2026-05-12 00:00:05", 86405), ("2026/5/12 7:30", 113400), ("2026年5月11日 7:30", 27000), (" 2026-05-11  07:30 ", 27000),
])  # fmt: skip
def test_starts(tmp_path: Path, text: str, start_s: float) -> None:
    assert one(tmp_path, text).start == start_s


@pytest.mark.parametrize(("cells", "field", "value"), [
    ({"at": "East Lake"}, "at", "East Lake"), ({"x_km": "1.5", "y_km": "-2"}, "at", (1.5, -2.0)), ({"at": "", "x_km": "", "y_km": ""}, "at", None),
    ({"pump": "YES"}, "pump", True), ({"pump": "否"}, "pump", False), ({"pump": ""}, "pump", False), ({"every": "0:10:00"}, "every", 600),
    ({"volume_m3": "６０"}, "volume_m3", 60), ({"volume_m3": "6e1"}, "volume_m3", 60), ({"priority": "9"}, "priority", 9), ({"gap": ""}, "gap", None),
    ({"site": "Pier 3, north\nbank"}, "site", "Pier 3, north bank"), ({"site": 'The "raft"'}, "site", 'The "raft"'),
    ({"changes": "09:30 volume_m3=40 start=2026-05-11 14:00 | 10:00 volume_m3=45"}, "changes",
     [Change(at=34200, volume_m3=40, start=50400), Change(at=36000, volume_m3=45)]),
])  # fmt: skip
def test_cells(tmp_path: Path, cells: dict[str, str], field: str, value: object) -> None:
    assert getattr(one(tmp_path, **cells), field) == value


def test_blank_rows_extra_blank_cells_and_left_out_ones(tmp_path: Path) -> None:
    rows = "\n,,\n Site ,GRADE,Volume_m3,start,pump,\nRaft,C30,60,07:30\n\n,,,,,\nPier,C50,30,08:00,yes,,,\n"
    assert [(o.site, o.pump) for o in read_orders(put(tmp_path, rows), STARTS)] == [("Raft", False), ("Pier", True)]


names = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=' ,;"|=，'), min_size=1, max_size=30).filter(str.strip)
times = st.one_of(st.integers(0, 400 * 1440).map(lambda m: m * 60.0), st.floats(0, 400 * 86400))
spans = st.one_of(st.integers(1, 300).map(lambda m: m * 60.0), st.floats(60, 20000))
places = st.none() | names | st.tuples(st.floats(-500, 500), st.floats(-500, 500))
volumes = st.floats(1e-3, 1e5)
changes = st.lists(
    st.builds(Change, at=times, volume_m3=volumes, start=st.none() | times) | st.builds(Change, at=times, start=times), max_size=3
).map(lambda found: sorted(found, key=lambda c: c.at))
orders = st.builds(
    lambda end, **fields: Order(cancelled=end and fields["changes"][-1].at + 60 if fields["changes"] else end, **fields),
    end=st.none() | times.filter(bool), site=names, grade=names, volume_m3=volumes, start=times, every=st.just(0.0) | spans, at=places, drive=spans, pour=spans,
    pump=st.booleans(), late=st.just(0.0) | spans, gap=st.none() | st.floats(20000, 86400), priority=st.integers(0, 9), changes=changes,
)  # fmt: skip


@given(st.lists(orders, min_size=1, max_size=4), st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_is_written_is_read_back(tmp_path: Path, book: list[Order], dated: bool) -> None:
    path = tmp_path / "book.csv"
    write_orders(path, book, STARTS if dated else None)
    assert read_orders(path, STARTS) == book


def test_a_written_file_has_dates_and_every_column(tmp_path: Path) -> None:
    write_orders(tmp_path / "book.csv", [Order(site="桥墩", grade="C50", volume_m3=30, start="25:10")], STARTS)
    text = (tmp_path / "book.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines()[0].split(",") == list(COLUMNS) and "2026-05-12 01:10" in text


def test_a_folder_that_is_not_there_is_told_in_writing(tmp_path: Path) -> None:
    with pytest.raises(BatchtwinError, match="cannot write"):
        write_orders(tmp_path / "no" / "book.csv", [])


# --- mistakes of the file -----------------------------------------------------------------------------


@pytest.mark.parametrize(("content", "problem"), [
    (b"", "is empty"), (b"\xef\xbb\xbf", "is empty"), (b"\n\n", "is empty"), ("site,grade,volume_m3,start\n", "no order"), (b"PK\x03\x04abc", "workbook"),
    (PLAIN.encode("utf-16"), "UTF-16"), (b"\x00\x01\x02", "row 1: control character '\\x00'"), (PLAIN.encode() + b"R\x07,", "row 3: control character"),
    (PLAIN.encode() + b"\xff\xff,", "row 3: neither UTF-8 nor GB18030"), (b"\xef\xbb\xbf" + CHINESE.encode("gb18030"), "neither"),
    (PLAIN + '"Pier,C30,60,07:30\nx,C30,1,08:00\n', "row 3: quotes are wrong"), (PLAIN + '"Pier" 3,C30,60,07:30\n', "row 3: quotes are wrong"),
    ("Raft,C30,60,07:30\n", "row 1: no known column"), (PLAIN.replace(",", "，"), "row 1: the Chinese ， or ； parts no columns"),
    (PLAIN.replace(",", "；"), "row 1: the Chinese ， or ； parts no columns"), ("a," * 5000 + "\n", "row 1: 5001 columns"),
])  # fmt: skip
def test_no_table_of_orders(tmp_path: Path, content: str | bytes, problem: str) -> None:
    [line] = told(tmp_path, content)
    assert problem in line


def test_no_file(tmp_path: Path) -> None:
    for path, problem in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.csv", "No such file"),
        (Path("a\0b"), "cannot be read"),
        (Path(os.devnull), "no plain file"),
    ):
        with pytest.raises(BadInput, match=problem):
            read_orders(path, STARTS)


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenarios.order_file.MAX_BYTES", 1000)
    assert "larger than" in told(tmp_path, PLAIN * 100)[0]
    monkeypatch.undo()
    monkeypatch.setattr("scenarios.order_file.MAX_ROWS", 3)
    assert "row 5: more than 3 rows" in told(tmp_path, PLAIN + "Raft,C30,60,07:30\n" * 3)[0]


@pytest.mark.parametrize(("header", "lines"), [
    ("site,grade,volumm3,start", ["row 1 column volumm3: unknown column; did you mean 'volume_m3'?", "row 1 column volume_m3: missing column; add volume_m3 or 方量"]),
    ("site,grade,volume_m3,start,工地", ["row 1 column 工地: column site stands twice; keep one of them"]),
    ("site,grade,volume_m3", ["row 1 column start: missing column; add start or 开始时间"]),
    ("工地,强度级,方量,开始时间", ["row 1 column 强度级: unknown column; did you mean '强度等级'?", "row 1 column grade: missing column"]),
    ("site,grade,volume_m3,start,x_km", ["row 1 column y_km: missing column; give both"]),
    ("site,grade，volume_m3,start", ["row 1 column grade，volume_m3: unknown column", "row 1 column grade: missing", "row 1 column volume_m3: missing"]),
])  # fmt: skip
def test_headers(tmp_path: Path, header: str, lines: list[str]) -> None:
    found = told(tmp_path, header + "\n")
    assert len(found) == len(lines) and all(f.startswith(line) for f, line in zip(found, lines, strict=True))


# --- mistakes of a row --------------------------------------------------------------------------------

WRONG = [
    ("volume_m3", "0", "0.0 is out of range; give a value > 0"), ("volume_m3", "-5", "out of range"), ("volume_m3", "1e6", "≤ 100000"), ("volume_m3", "nan", "'nan' is no number"),
    ("volume_m3", "6,5", "'6,5' is no number; write it like 6 or 6.5"), ("volume_m3", "60 m3", "without a unit"), ("volume_m3", "1_000", "is no number"),
    ("volume_m3", "", "is blank; fill it in"), ("volume_m3", "9e999", "finite"), ("site", " ", "is blank"), ("site", "x" * 121, "longer than 120"),
    ("site", "a\u200bb", "holds characters that cannot be shown"), ("at", "a\u200bb", "holds characters that cannot be shown"), ("grade", "", "is blank"),
    ("start", "soon", "'soon' is no time; write it like 07:30 or 2026-05-11 07:30"), ("start", "7.5", "is no time"), ("start", "07:75", "is no time"),
    ("start", "2026-05-11", "has no time of day"), ("start", "2026-02-30 07:30", "is no day or time of the calendar"), ("start", "2026-05-11 24:30", "calendar"),
    ("start", "2026-05-10 07:30", "lies before the first day; give 2026-05-11 or later"), ("start", "2029-05-10 07:30", "out of range; give a value ≤ 3.46464e+07 s"),
    ("start", "11/05/2026 07:30", "is no time"), ("start", "2026-05-11 07:30+08:00", "is no time"), ("start", "-1h", "is no time"), ("every", "2026-05-11 07:30", "is no time"),
    ("every", "10", "'10' is no time; write it like 90s, 10min or 1.5h"), ("every", "25h", "≤ 86400 s"), ("drive", "10s", "give a value ≥ 60 s"), ("pour", "0s", "≥ 60 s"),
    ("late", "2d", "≤ 86400 s"), ("gap", "soon", "is no time"), ("pump", "maybe", "'maybe' is neither yes nor no"), ("priority", "10", "≤ 9"), ("priority", "4.5", "integer"),
    ("priority", "high", "is no number"), ("x_km", "900", "≤ 500"), ("x_km", "", "is blank; give both"), ("x_km", "east", "is no number"), ("cancelled", "never", "is no time"),
    ("changes", "09:00", "changes nothing; give volume_m3 or start"), ("changes", "09:00 grade=C40", "has 'grade' in a change"), ("changes", "09:00 volume_m3=0", "> 0"),
    ("changes", "09:00 start=x", "is no time"), ("changes", "|", "is no time"), ("site", "y" * 10_001, "longer than"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "cell", "problem"), WRONG)
def test_a_wrong_cell_is_told_with_row_and_column(tmp_path: Path, column: str, cell: str, problem: str) -> None:
    fields = {"site": "Raft", "grade": "C30", "volume_m3": "60", "start": "07:30"}
    good, bad = fields.copy(), fields | {column: cell}
    if column == "x_km":
        bad["y_km"] = "1"
    with (tmp_path / "wrong.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(bad))
        writer.writeheader()
        writer.writerows([good, bad])
    [line] = told(tmp_path, (tmp_path / "wrong.csv").read_bytes())
    assert line.startswith(f"row 3 column {column}: ") and problem in line and len(line) < 250


def test_a_wrong_cell_under_a_chinese_header(tmp_path: Path) -> None:
    assert told(tmp_path, CHINESE.replace("60", "六十")) == [
        "row 2 column 方量: '六十' is no number; write it like 6 or 6.5, without a unit"
    ]


@pytest.mark.parametrize(("row", "line"), [
    ("Pier,C30,60,08:00,x", "row 3: 5 cells for 4 columns; take the extra ones out"), ("Pier，C30，60，08:00", "row 3: 1 cells for 4 columns: the Chinese ， or ； parts no cells"),
    ("Pier，C30,60,08:00", "row 3: 3 cells for 4 columns: the Chinese"),
])  # fmt: skip
def test_ragged_rows(tmp_path: Path, row: str, line: str) -> None:
    assert [f.startswith(line) for f in told(tmp_path, PLAIN + row)] == [True]


def test_a_cell_under_no_name(tmp_path: Path) -> None:
    assert told(tmp_path, "site,,grade,volume_m3,start\nRaft,x,C30,6,07:30\n") == [
        "row 2: 'x' stands in a column without a name; name the column or take it out"
    ]


@pytest.mark.parametrize(("more", "line"), [
    ({"at": "Quay", "x_km": "1", "y_km": "2"}, "row 2 column at: at and x_km are both given"),
    ({"every": "2h", "gap": "10min"}, "row 2: its own interval breaks the pour; give every ≤ 1500 s, or a longer gap"),
    ({"changes": "09:00 volume_m3=3 | 08:00 volume_m3=4"}, "row 2: its changes are out of order"),
    ({"changes": "09:00 volume_m3=3", "cancelled": "08:00"}, "row 2: it changes after it was cancelled"),
])  # fmt: skip
def test_cells_that_contradict_each_other(tmp_path: Path, more: dict[str, str], line: str) -> None:
    with pytest.raises(BadInput) as caught:
        one(tmp_path, **more)
    assert len(caught.value.mistakes) == 1 and line in str(caught.value)


def test_all_mistakes_are_told_at_once_and_the_rest_counted(tmp_path: Path) -> None:
    found = told(tmp_path, PLAIN + "Pier,C30,none,soon\n,C30,-1,08:00\n")
    assert [f.split(":")[0] for f in found] == [
        "row 3 column volume_m3",
        "row 3 column start",
        "row 4 column site",
        "row 4 column volume_m3",
    ]
    found = told(tmp_path, PLAIN + "Pier,C30,none,soon\n" * 30)
    assert len(found) == 21 and found[-1] == "… and 40 more; correct the ones above first"
    assert len(told(tmp_path, PLAIN + "Pier,C30,none,soon\n" * 10)) == 20


@given(st.binary(max_size=300) | st.text(st.sampled_from('site,grade;volume_m3\tstart"\n\r，工地07:30'), max_size=200).map(str.encode))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_else_is_told_too(tmp_path: Path, content: bytes) -> None:
    for raw in (content, PLAIN.encode() + content):
        path = put(tmp_path, raw)
        try:
            assert read_orders(path, STARTS)
        except BadInput as error:
            assert all(m.text().startswith(str(path)) and m.text().isprintable() for m in error.mistakes)


def test_a_large_file_is_read_in_seconds(tmp_path: Path) -> None:
    path = put(tmp_path, PLAIN + "Pier,C30,60,2026-05-12 07:30\n" * 20_000)
    begun = time.process_time()
    assert len(read_orders(path, STARTS)) == 20_001
    assert time.process_time() - begun < 4
