"""`batchtwin judge`: a run against a rule book, clause by clause."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchtwin import options
from batchtwin.options import DONE, FAILED, Json, Lang
from twin.errors import BatchtwinError

if TYPE_CHECKING:
    from scenarios.judging.verdict import ClauseResult, Verdict
    from twin.design.schema import Title

WORDS = {
    "pass": ("pass", "通过"), "fail": ("fail", "不通过"), "not_evidenced": ("not evidenced", "证据不足"), "not_applicable": ("not applicable", "不适用"),
    "Section": ("Section", "章节"), "Clauses": ("Clauses", "条款"), "indicative": ("indicative", "仅供参考"), "should": ("should", "宜"), "more": ("and {n} more", "另有 {n} 条"),
}  # fmt: skip


def judge(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run that is over.")],
    criteria: Annotated[str, typer.Option(metavar="BOOK", help="Rule book: a packaged name or a YAML file.")],
    declared: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Facts that no run can show, dated; a YAML file or the packaged example 'benchmark-180'."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the verdict as JUnit XML.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the verdict as a page.")] = None,
    xlsx: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the verdict and the rows behind it as a workbook.")] = None,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Judge a run by a rule book, clause by clause; exit code 1 when a clause of musts fails."""
    from scenarios.judging.book import load_book
    from scenarios.judging.declared import load_declared
    from scenarios.judging.judge import judge as judged
    from scenarios.run import open_run

    for target in (junit, html, xlsx):
        if target is not None and target.is_dir():
            raise BatchtwinError("E104", path=target)
    book = load_book(criteria)
    facts = load_declared(declared, book) if declared else None
    verdict = judged(book, open_run(folder), facts)
    for target, write in ((junit, _junit), (html, _html), (xlsx, _xlsx)):
        if target is not None:
            _written(target, verdict, write)
    if as_json:
        print(json.dumps(verdict.as_json(), indent=1, ensure_ascii=False, default=str))
    else:
        show(verdict, options.language)
    raise typer.Exit(DONE if verdict.passed else FAILED)


def _junit(verdict: Verdict, target: Path) -> object:
    from scenarios.judging.junit import write_junit

    return write_junit(verdict, target)


def _html(verdict: Verdict, target: Path) -> object:
    from dashboards.site_map import of_run
    from dashboards.verdict import write_page
    from scenarios.run import open_run

    return write_page(verdict, target, of_run(open_run(verdict.run).info))


def _xlsx(verdict: Verdict, target: Path) -> object:
    from scenarios.judging.workbook import write_workbook

    return write_workbook(verdict, target)


def _written(target: Path, verdict: Verdict, write: Callable[[Verdict, Path], object]) -> None:
    try:
        write(verdict, target)
    except OSError as error:
        raise BatchtwinError("E203", path=target, problem=error.strerror or error) from None


# --- on the screen --------------------------------------------------------------------------------------


def show(verdict: Verdict, language: str) -> None:
    """Failed clauses first, then what is missing, then a line a section."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from batchtwin.show import Screen

    screen, zh = Screen(), language == "zh"
    word = lambda key: WORDS[key][zh]
    of = lambda title: str(title.zh if zh else title.en)
    screen.print(Text(f"{of(verdict.title)} · {verdict.run}", style="bold"))
    for result, style in (("fail", "red"), ("not_evidenced", "yellow")):
        found = sorted((c for c in verdict.clauses if c.result == result), key=lambda c: not c.must)
        for clause in found:
            screen.print(Text(_line(clause, word, of), style=style if clause.must else "dim"))
    results = ("pass", "fail", "not_evidenced", "not_applicable")
    grid = Table(box=box.SIMPLE_HEAD if screen.is_terminal else None, padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(word("Section"))
    for head in ("Clauses", *results):
        grid.add_column(word(head), justify="right")
    for key, title in verdict.sections.items():
        clauses = [c for c in verdict.clauses if c.section == key]
        grid.add_row(f"{key} {of(title)}", str(len(clauses)), *(str(sum(c.result == r for c in clauses)) for r in results))
    grid.add_row("", str(len(verdict.clauses)), *(str(sum(c.result == r for c in verdict.clauses)) for r in results), style="bold")
    screen.print(grid)
    sys.stdout.flush()


def _line(clause: ClauseResult, word: Callable[[str], str], of: Callable[[Title], str]) -> str:
    """One clause in one line."""
    marks = [word("should")] * (not clause.must) + [word("indicative")] * clause.indicative
    mark = f" ({', '.join(marks)})" if marks else ""
    return f"{word(clause.result)}{mark} {clause.id} {of(clause.title)}: {of(clause.why)}"
