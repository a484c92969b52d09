"""The command line as a user types it: a new process in an empty folder."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from zygote import batchtwin as forked

ROOT = Path(__file__).resolve().parents[2]
DESIGN = ROOT / "twin/design/catalogue/hzs180.yaml"
DAY = ROOT / "scenarios/packaged/working-day.yaml"
RECIPE = "{grade: C30, strength_mpa: 30, slump_mm: 180, kg_m3: {cement: 400, water: 170, sand: 900, stone_10_25: 900}}"
ENV = os.environ | {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}
COLD_S = 1200.0  # a command may have to compile the kernels first, on busy cores
COMMAND = [sys.executable, "-m", "batchtwin"]


def cli(folder: Path, *words: str, lang: str = "C.UTF-8", **more: Any) -> subprocess.CompletedProcess[str]:
    """Run `batchtwin` with some words."""
    return subprocess.run([*COMMAND, *words], cwd=folder, env=ENV | {"LANG": lang}, capture_output=True, text=True, timeout=COLD_S, **more)


def done(folder: Path, *words: str, **more: Any) -> str:
    """What `batchtwin` printed; it must have gone well, quietly and without colours."""
    result = cli(folder, *words, **more) if more else forked(folder, *words, env=ENV)
    assert (result.returncode, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    return result.stdout


def refused(folder: Path, *words: str, code: int = 2, lines: int = 1, **more: Any) -> str:
    """The one line with which `batchtwin` refused; nothing else may have been printed or made."""
    before = sorted(folder.rglob("*"))
    result = cli(folder, *words, **more) if more else forked(folder, *words, env=ENV)
    assert result.returncode == code and result.stdout == ""
    said = result.stderr.splitlines()
    assert len(said) == lines and all(line.startswith("error: ") for line in said), result.stderr
    assert sorted(folder.rglob("*")) == before
    return result.stderr.strip()


def edited(source: Path, target: Path, *changes: tuple[str, str]) -> str:
    """A packaged YAML file with some texts replaced, saved as another."""
    text = source.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    target.write_text(text, encoding="utf-8")
    return target.name


# --- looking --------------------------------------------------------------------------------------------


def test_version(tmp_path: Path) -> None:
    from batchtwin import __version__

    assert done(tmp_path, "--version") == f"batchtwin {__version__}\n"


@pytest.mark.parametrize("words", [["--version"], ["list", "designs"], ["list", "scenarios", "--json"]])
def test_looking_up_loads_no_compiler(tmp_path: Path, words: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "batchtwin", *words], cwd=tmp_path, env=ENV, capture_output=True, text=True
    )
    loaded = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    assert "batchtwin.cli" in loaded and not loaded & {"numba", "pyarrow", "pandas", "duckdb", "plotly"}


def test_help_tells_the_exit_codes(tmp_path: Path) -> None:
    for words in (["--help"], ["run", "--help"], []):
        text = " ".join(done(tmp_path, *words).split())
        assert "0 done, 1 a check did not pass, 2 wrong input, 130 interrupted" in text


@pytest.mark.parametrize(
    ("what", "keys", "known"),
    [
        ("designs", {"name", "lines", "en", "zh"}, "hzs180"),
        ("scenarios", {"name", "design", "starts", "lasts", "fidelity", "en", "zh"}, "working-day"),
        ("books", {"name", "clauses", "en", "zh"}, "hubei-benchmark"),
        ("tags", {"name", "type", "unit", "range", "direction", "writer", "states", "en", "zh"}, "Line1.Weigher.Cement.Gross"),
        ("faults", {"name", "applies_to", "severity", "unit", "default", "tags", "en", "zh"}, "leaking-gate"),
    ],
)
def test_lists_in_three_forms(tmp_path: Path, what: str, keys: set[str], known: str) -> None:
    rows = json.loads(done(tmp_path, "list", what, "--json"))
    assert all(set(row) == keys and row["name"] and row["zh"] for row in rows) and known in [row["name"] for row in rows]
    table = list(csv.DictReader(done(tmp_path, "list", what, "--format", "csv").splitlines()))
    assert [row["name"] for row in table] == [row["name"] for row in rows]
    lines = done(tmp_path, "list", what).splitlines()
    assert len(lines) == len(rows) + 1 and any(line.startswith(known) for line in lines)


def test_the_io_list_is_that_of_the_design(tmp_path: Path) -> None:
    rows = json.loads(done(tmp_path, "list", "tags", "--design", "twin-hzs240", "--json"))
    gross = {r["name"]: r for r in rows}["Line2.Weigher.Cement.Gross"]
    assert (gross["direction"], gross["writer"], gross["unit"], gross["type"]) == ("sensor", "plant", "kg", "float")
    assert gross["range"][0] < 0 < gross["range"][1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hzs180"], ["Cement1: 300 t of cement", "C50", "purchasing rule", "unverified", "kPa"]),
        (["working-day"], ["Riverside tower", "leaking-gate", "840 m³"]),
        (["plant-year"], ["520,000 m³ a year"]),
        (["leaking-gate"], ["0 to 0.2 of full flow", "Line1.Feeder.Sand1", "关闭时漏料"]),
        (["Line1.Mixer"], ["stuck-door", "Line1.Mixer.Power"]),
        (["Line2.Mixer.Power", "--design", "twin-hzs240"], ["0..600", "kW"]),
        (["hzs180", "--lang", "zh"], ["普通硅酸盐水泥"]),
    ],
)
def test_show(tmp_path: Path, words: list[str], said: list[str]) -> None:
    text = done(tmp_path, "show", *words)
    assert [s for s in said if s not in text] == []


def test_defaults_that_were_not_verified_are_marked_and_own_figures_are_not(tmp_path: Path) -> None:
    rows = [line for line in done(tmp_path, "show", "hzs180").splitlines() if line.startswith("mixer")]
    marked = {line.split()[1]: line.rstrip().endswith("unverified") for line in rows}
    assert marked["mix_tau_s"] and not marked["rated_m3"] and not marked["wear"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hzs180"], "design hzs180"),
        (["working-day"], "scenario working-day on hzs180, 840 m³ in 140 loads"),
        (["working-day", "--design", "hzs120"], "on hzs120"),
        ([str(DESIGN)], "design hzs180"),
        ([str(DAY)], "scenario working-day"),
    ],
)
def test_check_says_ok_in_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    text = done(tmp_path, "check", *words)
    assert text.startswith("OK: ") and said in text and text.count("\n") == 1


def test_check_knows_a_design_that_is_based_on_another(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nbased_on: hzs180\nfleet: {trucks: 3}\n", encoding="utf-8")
    assert "OK: mine.yaml: design mine, 1 line(s)" in done(tmp_path, "check", "mine.yaml")


def test_a_reader_that_leaves_early_sees_no_traceback(tmp_path: Path) -> None:
    for form in ("json", "table"):
        process = subprocess.Popen(
            [*COMMAND, "list", "tags", "--format", form], cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 0


# --- refusing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["rn"], "'run'"),
        (["run", "workin-day"], "'working-day'"),
        (["list", "desings"], "'designs'"),
        (["check", "hzs18"], "'hzs180'"),
        (["show", "leaking-gat"], "'leaking-gate'"),
        (["show", "Line1.Mixr"], "'Line1.Mixer'"),
        (["run", "working-day", "--design", "hzs18O"], "'hzs180'"),
        (["run", "working-day", "--sead", "3"], "--seed"),
        (["list", "tags", "--format", "jsn"], "'json'"),
    ],
)
def test_a_typo_is_told_the_nearest_name(tmp_path: Path, words: list[str], near: str) -> None:
    assert near in refused(tmp_path, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "Missing argument"),
        (["run", "working-day", "--until", "0"], "--until 0: a run of 0 s; give more than 0 s"),
        (["run", "working-day", "--until", "nan"], "--until nan: not a time; write 90s"),
        (["run", "working-day", "--until", "-5"], "--until -5: a run of -5 s; give more"),
        (["run", "working-day", "--until", "soon"], "write 90s, 10min"),
        (["run", "working-day", "--until", "06:00"], "lies in the past; the scenario starts at 06:30"),
        (["run", "working-day", "--until", "401d"], "at most 400 days"),
        (["run", "working-day", "--seed", "-1"], "--seed: -1 is out of range; give 0 to 2147483647"),
        (["run", "nope.yaml"], "nope.yaml: cannot be read (no such file); give"),
        (["run", "."], ". is a folder; give a file"),
        (["show", "."], "there is no run.json"),
        (["report", "nowhere"], "nowhere is no run: there is no run.json"),
        (["check", "hzs180", "--design", "hzs120"], "--design: does not go with"),
        (["run", "x" * 300], "cannot be read (File name too long)"),
    ],
)
def test_wrong_words_are_refused_in_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    assert said in refused(tmp_path, *words)


@pytest.mark.parametrize(
    ("change", "place", "mend"),
    [
        (("speed_m_s: 2.0", "speed_m_s: 2.0, sped: 1"), "lines.Line1.belt.sped: unknown field", "remove it or correct its name"),
        (("capacity_t: 12,", "capacity_t: -100,"), "lines.Line1.tanks.Slurry.capacity_t: -100 is out of range", "give a value > 0"),
        (("to: belt,", "to: nowhere,"), "lines.Line1.weighers.Sand1.to: 'nowhere'", "choose 'belt' or 'mixer'"),
        (("to: belt, ", ""), "lines.Line1.weighers.Sand1.to: missing field", "add it"),
        (("source: Cement1, flow_kg_s: 32", "source: Cement1, flow_kg_s: -32"), "feeders.Cement1.flow_kg_s: -32", "give a value > 0"),
        (
            ("{kind: gate, source: Sand1", "{kind: gate, source: Sand9"),
            "feeders.Sand1.source: no silo, bin or tank 'Sand9'",
            "name one that stands there",
        ),
        (
            ("recipes: standard", f"recipes: [{RECIPE.replace('900}', '1300}')}]"),
            "recipes.0.kg_m3: C30 is heavier than the mixer takes (2770",
            "give at most 2760",
        ),
        (
            ("recipes: standard", f"recipes: [{RECIPE.replace('900}', '1100}')}]"),
            "recipes.0.kg_m3: C30 puts 3300 kg on weigher Line1.Stone2",
            "it takes 3000 kg",
        ),
        (("recipes: standard", "recipes: standart"), "no recipe book named 'standart'", "did you mean 'standard'?"),
    ],
)
def test_a_mistake_in_a_design_names_place_and_mend(tmp_path: Path, change: tuple[str, str], place: str, mend: str) -> None:
    larger = (
        [("Stone2:\n        {kind: hopper, capacity_kg: 3000", "Stone2:\n        {kind: hopper, capacity_kg: 4000")]
        if "mixer takes" in place
        else []
    )
    name = edited(DESIGN, tmp_path / "mine.yaml", change, *larger)
    said = refused(tmp_path, "run", "working-day", "--design", name)
    assert place in said and mend in said
    if change[1] and "recipe book" not in place:
        line = next(n for n, text in enumerate((tmp_path / name).read_text().splitlines(), 1) if change[1] in text)
        assert f"error: mine.yaml:{line}: " in said


def test_a_part_that_stands_twice_is_refused_instead_of_the_first_being_forgotten(tmp_path: Path) -> None:
    name = edited(DESIGN, tmp_path / "mine.yaml", ("      Cement2: {material", "      Cement1: {material"))
    said = refused(tmp_path, "check", name)
    line = [n for n, text in enumerate((tmp_path / name).read_text().splitlines(), 1) if text.startswith("      Cement1: {material")][1]
    assert f"mine.yaml:{line}: Cement1: stands twice; keep one of them" in said


def test_all_mistakes_of_a_design_are_told_at_once(tmp_path: Path) -> None:
    name = edited(
        DESIGN,
        tmp_path / "mine.yaml",
        ("trucks: 45", "trucks: many"),
        ("FlyAsh: {kind: screw", "FlyAsh: {kind: scrw"),
        ("capacity_m3: 6.0", "capacity: 6"),
    )
    said = refused(tmp_path, "check", name, lines=4)
    for part in (
        "mine.yaml:26: fleet.trucks: ",
        "fleet.capacity_m3: missing",
        "fleet.capacity: unknown field",
        "feeders.FlyAsh: unknown kind; choose 'gate', 'screw'",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            [('start: "06:45"', 'start: "05:45"')],
            ["mine.yaml:8: orders.0.start: lies in the past; the scenario starts at 06:30; give a later time"],
        ),
        ([('at: "11:00"', 'at: "01:00"')], ["faults.0.at: lies in the past; the scenario starts at 06:30; give"]),
        (
            [("target: Line1.Feeder.Stone2", "target: Line1.Feeder.Stone9")],
            ["faults.0: no machine named 'Line1.Feeder.Stone9'; did you mean 'Line1.Feeder.Stone2'?"],
        ),
        ([("lasts: 10h", "lasts: soon")], ["mine.yaml:5: lasts: not a time; write 90s"]),
        ([("every: 6min", "every: -6")], ["mine.yaml:8: orders.0.every: -6.0 is out of range; give a value ≥ 0"]),
        (
            [("grade: C40", "grade: C41"), ("volume_m3: 90", "volume_m3: -90")],
            ["mine.yaml:10: orders.2.volume_m3: -90 is out of range; give a value > 0"],
        ),
        (
            [("grade: C40", "grade: C41"), ("store: Line1.Silo.Cement2", "store: Silo")],
            ["orders.1.grade: hzs180 has no recipe C41; did you mean 'C40'?", "no store 'Silo'"],
        ),
    ],
)
def test_mistakes_in_a_scenario_are_told_line_by_line(tmp_path: Path, changes: list[tuple[str, str]], said: list[str]) -> None:
    name = edited(DAY, tmp_path / "mine.yaml", *changes)
    for command in ("check", "run"):
        lines = refused(tmp_path, command, name, lines=len(said)).splitlines()
        assert all(s in line for s, line in zip(said, lines, strict=True)), lines


def test_demand_that_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    name = edited(ROOT / "scenarios/packaged/plant-year.yaml", tmp_path / "mine.yaml", ("C15: 0.05", "C15: -0.05"), ('"22:00"', '"04:00"'))
    said = refused(tmp_path, "run", name, lines=2)
    assert "mine.yaml:12: demand.grades: shares are negative" in said and "mine.yaml:11: demand.closes: closes before it opens" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"- 1\n- 2\n", "mine.yaml: not a mapping; a "),
        (b"", "mine.yaml: not a mapping; a "),
        (b"orders: [1\nstarts: {\n", "cannot be read (line 2: "),
        (b"\xff\xfe\x00", "cannot be read (not UTF-8 text)"),
        (b"a: 1\n", "mine.yaml:1: the file: is neither a design nor a scenario; a design has 'lines'"),
    ],
)
def test_files_that_are_no_documents_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    assert said in refused(tmp_path, "check", "mine.yaml")
    if b"a: 1" not in content:
        assert said in refused(tmp_path, "run", "mine.yaml")


def test_a_folder_in_use_or_out_of_reach_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    assert "mine holds something already; choose another --out" in refused(tmp_path, "run", "working-day", "--until", "1s", "--out", "mine")
    assert "cannot write mine/thesis.txt/run: Not a directory" in refused(
        tmp_path, "run", "working-day", "--until", "1s", "--out", "mine/thesis.txt/run"
    )
    (tmp_path / "runs").write_text("x")
    assert "cannot write runs/working-day-20260511-1: " in refused(tmp_path, "run", "working-day", "--until", "1s")


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path: Path) -> None:
    day = DAY.read_text(encoding="utf-8").replace("{air_c: 22, swing_c: 6}", "{file: none.epw}")
    (tmp_path / "dark.yaml").write_text(day, encoding="utf-8")
    assert "none.epw: cannot be read" in refused(tmp_path, "run", "dark.yaml", "--until", "1s")
    assert [p.name for p in tmp_path.iterdir()] == ["dark.yaml"]


def test_messages_in_chinese(tmp_path: Path) -> None:
    for words, lang in (
        (["--lang", "zh", "check", "hzs18"], "C.UTF-8"),
        (["check", "hzs18", "--lang", "zh"], "C.UTF-8"),
        (["check", "hzs18"], "zh_CN.UTF-8"),
    ):
        assert "没有名为“hzs18”的设计或场景；您是否要用“hzs180”？" in refused(tmp_path, *words, lang=lang)
    assert "did you mean" in refused(tmp_path, "check", "hzs18", "--lang", "en", lang="zh_CN.UTF-8")


def test_a_mistake_of_our_own_is_one_line_and_has_its_own_code(tmp_path: Path) -> None:
    broken = "import sys, batchtwin.cli as c, batchtwin.catalogue as k; k.designs = lambda: 1 / 0; sys.argv[1:] = ['list', 'designs']; sys.exit(c.main())"
    for debug, lines in (("", 1), ("1", 5)):
        result = subprocess.run(
            [sys.executable, "-c", broken], cwd=tmp_path, env=ENV | {"BATCHTWIN_DEBUG": debug}, capture_output=True, text=True
        )
        assert ("Traceback" in result.stderr) == bool(debug) and len(result.stderr.splitlines()) >= lines
    result = subprocess.run([sys.executable, "-c", broken], cwd=tmp_path, env=ENV, capture_output=True, text=True)
    assert result.returncode == 70 and result.stdout == ""
    assert (
        result.stderr
        == "internal error: ZeroDivisionError: division by zero; please report; run with BATCHTWIN_DEBUG=1 for the traceback\n"
    )


# --- running --------------------------------------------------------------------------------------------


def test_a_run_prints_what_it_keeps(tmp_path: Path) -> None:
    outcome = json.loads(done(tmp_path, "run", "working-day", "--until", "120s", "--json"))
    assert outcome == json.loads((tmp_path / outcome["run"] / "run.json").read_text())["outcome"]
    assert (outcome["run"], outcome["state"], outcome["sim_seconds"]) == ("runs/working-day-20260511-1", "complete", 120.0)
    again = json.loads(done(tmp_path, "run", str(DAY), "--until", "06:32", "--json"))
    assert again["run"].endswith("-2") and again["state_hash"] == outcome["state_hash"]
    other = json.loads(done(tmp_path, "run", "working-day", "--until", "2min", "--json", "--seed", "7", "--out", "mine"))
    assert (other["run"], other["seed"]) == ("mine", 7) and other["state_hash"] != outcome["state_hash"]
    assert json.loads(done(tmp_path, "run", "working-day", "--until", "120", "--fidelity", "batch", "--json"))["fidelity"] == "batch"


def test_a_run_ends_with_a_summary_that_show_repeats(tmp_path: Path) -> None:
    text = done(tmp_path, "run", "full-demand", "--until", "15min", "--design", "hzs120", "--out", "mine")
    kept = json.loads((tmp_path / "mine" / "run.json").read_text())["outcome"]
    for said in ("full-demand on hzs120, seed 7, scan: complete", f"{kept['m3']:g} m³", f"{kept['weighings']}, {kept['out_of_tolerance']} out of tolerance",
                 f"{kept['ledger_residual']:.1e}", "batchtwin report mine"):  # fmt: skip
        assert said in text
    assert kept["m3"] > 0 and kept["weighings"] > 0
    shown = done(tmp_path, "show", "mine")
    assert [line for line in text.splitlines() if line.strip() not in shown] == []
    assert "完成" in done(tmp_path, "show", "mine", "--lang", "zh")


def test_a_report_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    done(tmp_path, "run", "full-demand", "--until", "15min", "--out", "mine", "--quiet")
    assert done(tmp_path, "report", "mine").strip() == "mine/report.html"
    assert done(tmp_path, "report", "mine", "--out", "other.html").strip() == "other.html"
    assert "full-demand" in (tmp_path / "other.html").read_text(encoding="utf-8") and (tmp_path / "mine" / "report.html").is_file()
    assert "cannot write no/such/folder.html: " in refused(tmp_path, "report", "mine", "--out", "no/such/folder.html")


def test_quiet_prints_the_folder_only(tmp_path: Path) -> None:
    folder = done(tmp_path, "run", "working-day", "--until", "1s", "--quiet").strip()
    assert (tmp_path / folder / "run.json").is_file()


def test_ctrl_c_closes_the_run_as_cut(tmp_path: Path) -> None:
    process = subprocess.Popen([*COMMAND, "run", "plant-year", "--fidelity", "scan", "--out", "mine", "--json"], cwd=tmp_path, env=ENV, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    try:
        until = time.monotonic() + COLD_S
        while not (tmp_path / "mine" / "run.json").exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=COLD_S)
    finally:
        process.kill()
    assert (process.returncode, err) == (130, "")
    kept = json.loads((tmp_path / "mine" / "run.json").read_text())
    assert json.loads(out) == kept["outcome"] and kept["state"] == kept["outcome"]["state"] == "cut"
    assert 0 < kept["outcome"]["sim_seconds"] < 365 * 86400 and kept["outcome"]["ledger_residual"] < 1e-9
    assert "plant-year on hzs180, seed 1, scan: cut" in done(tmp_path, "show", "mine")


def test_a_full_disk_is_one_line_and_what_was_written_reads_as_cut(tmp_path: Path) -> None:
    done(tmp_path, "run", "full-demand", "--until", "1s", "--quiet")  # compiled kernels are kept elsewhere and may be large

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    result = cli(tmp_path, "run", "full-demand", "--until", "40min", "--out", "mine", preexec_fn=little_room)
    assert result.returncode == 2 and result.stdout == ""
    assert (
        result.stderr.count("\n") == 1 and "cannot write mine: " in result.stderr and "free space or choose another --out" in result.stderr
    )
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["state"] == "failed" or "cut" in done(tmp_path, "show", "mine")


def test_bench_and_its_exit_code(tmp_path: Path) -> None:
    fake = ("import sys, types, batchtwin, batchtwin.cli as c; b = types.ModuleType('batchtwin.bench'); sys.modules['batchtwin.bench'] = batchtwin.bench = b; "
            "b.run = lambda only, echo: [echo('measuring'), [dict(name='speed', value=2.0, unit='x', bar=1.0, ok=only != 'bad', against='us')]][1]; "
            "sys.argv[1:] = ['bench', *sys.argv[1:]]; sys.exit(c.main())")  # fmt: skip
    for words, code in (([], 0), (["--only", "bad"], 1)):
        result = subprocess.run([sys.executable, "-c", fake, "--json", *words], cwd=tmp_path, env=ENV, capture_output=True, text=True)
        assert result.returncode == code and json.loads(result.stdout)[0]["ok"] == (code == 0) and result.stderr == "measuring\n"
        table = subprocess.run([sys.executable, "-c", fake, *words], cwd=tmp_path, env=ENV, capture_output=True, text=True).stdout
        assert table.splitlines()[1].split() == ["speed", "2", "x", "1", "no" if code else "yes", "us"]


def test_warmup_says_where_the_kernels_are(tmp_path: Path) -> None:
    text = done(tmp_path, "warmup")
    assert text.startswith("kernels ready after ") and Path(text.strip().rpartition(" kept in ")[2]).is_dir()
