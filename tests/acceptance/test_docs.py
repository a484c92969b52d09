"""The documentation is true: its code runs, its files pass the check, its tables are complete, its links lead somewhere.

The tables between `<!-- begin: … -->` and `<!-- end -->` are made here; `python tests/acceptance/test_docs.py` writes them anew.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml
from zygote import batchtwin as forked

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
ENV = os.environ | {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}
FENCE = re.compile(r"^```(\w+)( no-test)?[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CHECKER = doctest.OutputChecker()
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NAMED = ("twin.tags", "twin.image", "twin.design.load", "scenarios.schema", "scenarios.simulation", "scenarios.run")
WITH_EXAMPLES = ("twin.image", "twin.design.load", "scenarios.schema", "scenarios.simulation", "scenarios.run")


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    line: int
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page that are not marked `no-test`."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if not found[2]:
            yield Block(found[1], text.count("\n", 0, found.start()) + 2, found[3])


def name(page: Path) -> str:
    """A page as its readers call it."""
    return str(page.relative_to(ROOT))


# --- code -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.language in ("python", "console", "bash", "yaml") for b in blocks(p))], ids=name
)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page, in one empty folder and one namespace."""
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "__docs__"}
    for block in blocks(page):
        where = f"{name(page)}:{block.line}"
        if block.language == "python":
            run_python(block, where, space)
        elif block.language in ("console", "bash"):
            for command, shown in commands(block.text):
                run_command(command, shown, where, tmp_path)
        elif block.language == "yaml":
            check_yaml(block, where, tmp_path)


def run_python(block: Block, where: str, space: dict[str, Any]) -> None:
    """A script, or an interactive session whose answers must be those shown."""
    if not block.text.startswith(">>>"):
        exec(compile("\n" * (block.line - 1) + block.text, where.partition(":")[0], "exec"), space)
        return
    test = doctest.DocTestParser().get_doctest(block.text, space, where, where, block.line)
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=told.append, clear_globs=False)
    space.update(test.globs)
    assert not runner.failures, "".join(told)


def commands(text: str) -> Iterator[tuple[list[str], str]]:
    """The `$ batchtwin …` lines of a block with what they print; a block without `$` is one command a line."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE):
        line, _, shown = part.partition("\n")
        words = shlex.split(line, comments=True)
        if words and words[0] == "batchtwin":
            yield words[1:], shown


def run_command(words: list[str], shown: str, where: str, folder: Path) -> None:
    """A command line; it ends well unless the page shows an error."""
    result = forked(folder, *words, env=ENV)
    wrong = shown.startswith("error: ")
    assert result.returncode == (2 if wrong else 0), f"{where}: batchtwin {shlex.join(words)}\n{result.stderr}"
    if shown.strip():
        got = result.stderr if wrong else result.stdout
        assert CHECKER.check_output(shown, got, FLAGS), f"{where}: batchtwin {shlex.join(words)} printed\n{got}"


def check_yaml(block: Block, where: str, folder: Path) -> None:
    """A whole design or scenario passes the check and lies in the folder for what follows; a piece is YAML at least."""
    found = re.match(r"name: (\S+)\n", block.text)
    if not found:
        yaml.safe_load(block.text)
        return
    file = folder / f"{found[1]}.yaml"
    file.write_text(block.text, encoding="utf-8")
    run_command(["check", file.name], "", where, folder)


@pytest.mark.parametrize("module", NAMED)
def test_the_examples_of_public_names_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(import_module(module), optionflags=FLAGS)
    assert result.failed == 0
    assert result.attempted > 0 or module not in WITH_EXAMPLES


# --- links and names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if not re.match(r"[a-z]+:", link):
            path, _, heading = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{name(page)}: {link}"
            if heading:
                titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                assert heading in [re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles], f"{name(page)}: {link}"


def quoted(page: str) -> set[str]:
    """Everything that stands in `backticks` on a page."""
    return set(re.findall(r"`([^`\n]+)`", FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))))


def test_every_field_of_a_scenario_is_told() -> None:
    from scenarios import orders, schema

    told = quoted("docs/scenario.md")
    for kind in (
        schema.Scenario,
        orders.Order,
        orders.Change,
        orders.Demand,
        schema.Rain,
        schema.Weather,
        schema.FaultPlan,
        schema.Delivery,
    ):
        assert set(kind.model_fields) <= told, kind.__name__


def test_every_column_of_a_run_is_told(tmp_path: Path) -> None:
    from scenarios.run import open_run
    from scenarios.simulation import Simulation

    Simulation("storm-day", fidelity="batch", until_s=8 * 3600, out=tmp_path / "run").run()
    run, told = open_run(tmp_path / "run"), quoted("docs/run.md")
    assert (
        set(run.tables)
        == {
            "batches",
            "boundary",
            "cubes",
            "deliveries",
            "emissions",
            "energy",
            "events",
            "gate",
            "ledger",
            "lots",
            "pours",
            "returned",
            "samples",
            "tags",
            "violations",
            "weather",
            "weighings",
        }
        <= told
    )
    for table in set(run.tables) - {"tags"}:
        assert set(run.table(table).column_names) <= told, table
    assert set(run.info) | set(run.outcome) <= told


def test_every_command_and_option_is_told() -> None:
    from batchtwin.cli import app

    told = " ".join(quoted("docs/cli.md"))
    for command, what in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"batchtwin {command}" in told
        for parameter in what.params:
            assert all(option in told for option in parameter.opts if option.startswith("--")), (command, parameter.opts)


def test_tags_in_the_glossary_exist() -> None:
    from twin.design.load import load_design
    from twin.plant import Plant

    table = Plant(load_design("hzs180")).table
    known = {t.name.removeprefix(f"{m.name}.") for m in table.equipment for t in table.tags[m.first : m.first + m.count]}
    rows = [
        r.split("|")
        for r in (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines()
        if r.startswith("| ") and r.count("|") == 6
    ]
    told = {tag for row in rows for tag in re.findall(r"`([^`]+)`", row[5])}
    assert told and told <= known, told - known


def test_the_rules_between_rooms_are_those_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    text = " ".join((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split())
    for contract in contracts:
        assert contract["name"] in text


# --- tables that are made -------------------------------------------------------------------------------


def as_table(head: list[str], rows: list[list[str]]) -> str:
    """Rows as a Markdown table."""
    return "".join(f"| {' | '.join(r)} |\n" for r in [head, ["---"] * len(head), *rows])


def fault_table() -> str:
    """Every fault of every machine."""
    from twin.plant import faults

    rows = [
        [
            f"`{f.name}`",
            kind,
            f"{f.low:g} … {f.high:g} {f.unit}".removesuffix(" -"),
            f"{f.default:g}",
            ", ".join(f"`{t}`" for t in f.tags),
            f.en,
            f.zh,
        ]
        for entries in faults().values()
        for kind, f in entries
    ]
    return as_table(["fault", "machine", "severity", "default", "seen first in", "what happens", "中文"], rows)


def figure_table() -> str:
    """Every figure of a design that has a unit, with its default and where that comes from."""
    from twin.design.schema import Design
    from twin.equipment.part import Part

    rows: list[list[str]] = []
    seen: set[type] = set()

    def visit(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, Part):
            if kind in seen:
                return
            seen.add(kind)
            for field, info in kind.model_fields.items():
                extra = info.json_schema_extra
                if isinstance(extra, dict) and "unit" in extra:
                    values = info.default if isinstance(info.default, tuple) else (info.default,)
                    default = "must be given" if info.is_required() else ", ".join("not known" if v is None else f"{v:g}" for v in values)
                    unsure = " «unverified»" if extra["confidence"] == "recalled" else ""
                    rows.append([kind.__name__, f"`{field}`", str(extra["unit"]), default, f"{extra['source']}{unsure}"])
            for info in kind.model_fields.values():
                visit(info.annotation)
        for part in getattr(kind, "__args__", ()):
            visit(part)

    visit(Design)
    return as_table(["part", "figure", "unit", "default", "where the default comes from"], rows)


MADE: list[tuple[str, str, Callable[[], str]]] = [("docs/faults.md", "faults", fault_table), ("docs/design.md", "figures", figure_table)]


def made(text: str, what: str, table: str) -> str:
    """A page with its table put in place."""
    pattern = re.compile(rf"(<!-- begin: {what} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert pattern.search(text), what
    return pattern.sub(lambda m: f"{m[1]}{table}{m[2]}", text)


@pytest.mark.parametrize(("page", "what", "make"), MADE, ids=[w for _, w, _ in MADE])
def test_made_tables_are_up_to_date(page: str, what: str, make: Callable[[], str]) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert made(text, what, make()) == text, "run: python tests/acceptance/test_docs.py"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for page, what, make in MADE:
        file = ROOT / page
        file.write_text(made(file.read_text(encoding="utf-8"), what, make()), encoding="utf-8")
