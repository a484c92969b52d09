"""The page of an acceptance suite: one HTML file, Chinese and English, that opens anywhere and needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from dashboards.pages import rendered, written
from dashboards.pieces import Figures, Table, Text, flag, heads, num, same
from scenarios.acceptance.results import CaseResult, CheckResult

STATES = {"passed": Text("passed", "通过"), "failed": Text("failed", "未通过"), "error": Text("no verdict", "无法判定")}
WIDTH, LABEL, STRIP, GAP, FOOT = 760, 190, 34, 10, 22  # pixels of a plot


def write_page(results: Sequence[CaseResult], path: str | Path, program: str = "") -> Path:
    """Write the page of a suite's verdicts.

    Args:
        results: of the cases, in order.
        path: HTML file to write.
        program: what the control program is called.

    Returns:
        The file.
    """

    html = rendered(
        "acceptance.html",
        program=program, key=key_figures(results), overview=overview(results), cases=[(r, state(r)) for r in results], title_of=title_of,
        answer_of=lambda r: Text(r.answer_en, r.answer_zh), line_of=lambda r: Text(r.en, r.zh), rows_of=rows_of, sketch=sketch,
        figures_of=figures_of,
    )  # fmt: skip
    return written(path, html)


def title_of(result: CaseResult) -> Text:
    """Title of a case."""
    return Text(result.title_en, result.title_zh)


def state(result: CaseResult) -> Any:
    """State of a case in words, marked when it is not passed."""
    return flag(STATES[result.state], result.state != "passed")


def key_figures(results: Sequence[CaseResult]) -> Figures:
    """How many cases and checks passed."""
    checks = [c for r in results for c in r.checks]
    passed, kept = sum(r.state == "passed" for r in results), sum(c.passed for c in checks)
    errors = sum(r.state == "error" for r in results)
    of = Text("of {n}", "共 {n}")
    return Figures([
        (Text("Cases passed", "通过的用例"), flag(num(passed), passed < len(results)), of.put(n=len(results))),
        (Text("Checks passed", "通过的检查"), flag(num(kept), kept < len(checks)), of.put(n=len(checks))),
        (Text("Without a verdict", "无法判定"), flag(num(errors), errors > 0), Text("cases", "个用例")),
        (Text("Simulated", "模拟时长"), f"{num(sum(r.sim_s for r in results) / 3600, 1)} h", ""),
    ])  # fmt: skip


def overview(results: Sequence[CaseResult]) -> Table:
    """A row a case."""
    rows = [
        [r.case, title_of(r), state(r), f"{sum(c.passed for c in r.checks)} / {len(r.checks)}", str(r.seed), num(r.sim_s / 60, 1)]
        for r in results
    ]
    return Table(
        Text("Cases", "用例"),
        heads("Case|用例", "What happens|内容", "Verdict|结论", "Checks|检查", "Seed|种子", "Simulated, min|模拟 min"),
        rows,
    )


def rows_of(check: CheckResult) -> Table:
    """The offending rows of a check; its columns are all that any row has."""
    columns = list(dict.fromkeys(k for row in check.rows for k in row))
    return Table(
        Text("Rows of the run", "运行记录"), [same(c) for c in columns], [[cell(row.get(c)) for c in columns] for row in check.rows]
    )


def cell(value: Any) -> str:
    """A value of a run for people."""
    if isinstance(value, bool) or value is None:
        return "–" if value is None else str(int(value))
    if isinstance(value, float):
        return num(value, 0 if value == int(value) else 3)
    return num(value) if isinstance(value, int) else str(value)


def figures_of(result: CaseResult) -> list[tuple[str, str]]:
    """Closing figures of a case's run."""
    return [(k, ", ".join(v) or "–" if isinstance(v, list) else cell(v)) for k, v in result.figures.items()]


# --- plots ------------------------------------------------------------------------------------------------


def sketch(plot: dict[str, Any]) -> Any:
    """A check's plot as inline SVG: a strip a tag over time, offending spells shaded."""
    from markupsafe import Markup

    x, series = plot.get("x") or [], plot.get("series") or {}
    if len(x) < 2 or not series:
        return ""
    begins, span = x[0], (x[-1] - x[0]) or 1.0
    at = lambda t: LABEL + (WIDTH - LABEL - 8) * (min(max(t, x[0]), x[-1]) - begins) / span
    height = len(series) * (STRIP + GAP) + FOOT
    out = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(", ".join(series))}">']
    for a, b in plot.get("marks") or []:
        out.append(f'<rect class="mark" x="{at(a):.1f}" y="0" width="{max(at(b) - at(a), 1.5):.1f}" height="{height - FOOT}"/>')
    for i, (name, values) in enumerate(series.items()):
        out += _strip(name, [(at(t), v) for t, v in zip(x, values, strict=True) if v is not None], i * (STRIP + GAP))
    for k in range(5):
        t = begins + span * k / 4
        out.append(
            f'<text class="tick" x="{at(t):.1f}" y="{height - 6}" text-anchor="{("start", "middle", "end")[min(k, 1) + (k == 4)]}">{t:.1f} s</text>'
        )
    return Markup("".join(out) + "</svg>")


def _strip(name: str, points: list[tuple[float, float]], top: int) -> list[str]:
    """One tag: its name, its range, and its values as steps."""
    if not points:
        return []
    low, high = min(v for _, v in points), max(v for _, v in points)
    y = lambda v: top + 3 + (STRIP - 6) * (1 - (v - low) / (high - low) if high > low else 0.5)
    way = f"M{points[0][0]:.1f} {y(points[0][1]):.1f}" + "".join(f"H{px:.1f}V{y(v):.1f}" for px, v in points[1:])
    short = ".".join(name.split(".")[1:]) or name
    return [
        f'<rect class="strip" x="{LABEL}" y="{top}" width="{WIDTH - LABEL - 8}" height="{STRIP}"/>',
        f'<text x="0" y="{top + 14}">{escape(short)}</text><text class="tick" x="0" y="{top + 29}">{low:g}{f" … {high:g}" if high > low else ""}</text>',
        f'<path d="{way}"/>',
    ]
