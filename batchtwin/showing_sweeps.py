"""A sweep's results on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from batchtwin import options
from batchtwin.show import Screen
from scenarios.whatif.compare import Compared, Interval, clause_results, variants
from scenarios.whatif.effects import effects, sobol
from scenarios.whatif.measures import MEASURES
from scenarios.whatif.results import Sweep

MOST_VARIANTS = 12  # side by side; a sweep of more is told by its effects


def show(done: Sweep, found: Sequence[Compared], measure: str) -> None:
    """Variants side by side, clauses that differ, effects."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    screen, zh, names = Screen(), options.language == "zh", variants(done)
    style = box.SIMPLE_HEAD if screen.is_terminal else None

    def grid(*heads: str) -> Table:
        table = Table(box=style, padding=(0, 2, 0, 0), pad_edge=False)
        for i, head in enumerate(heads):
            table.add_column(head, justify="left" if i == 0 else "right")
        return table

    def print_rows(rows: list[list[str]]) -> None:
        table = grid(*rows[0])
        for row in rows[1:]:
            table.add_row(*row)
        screen.print(table)

    failed = len(done.rows) - len(done.complete)
    screen.print(
        Text(f"{done.path}: {len(done.rows)}/{done.about['runs']} {'次运行' if zh else 'runs'}, {failed} {'次失败' if zh else 'failed'}")
    )
    if len(names) <= MOST_VARIANTS:
        rows = [["指标" if zh else "Measure", *names]]
        for name in done.measures:
            what = MEASURES[name]
            label = f"{what.zh if zh else what.en}{f', {what.unit}' if what.unit else ''}"
            rows.append([label, *(_cell(next((c for c in found if c.measure == name and c.variant == v), None)) for v in names)])
        print_rows(rows)
        screen.print(
            Text(
                "± 95 %；Δ 为相同随机种子成对之差；* 表示区间不含零"
                if zh
                else "± 95 %; Δ in pairs of common seeds; * where the interval leaves out zero",
                style="dim",
            )
        )
        differ = {c: of for c, of in clause_results(done).items() if len({tuple(sorted(of.get(v, {}))) for v in names}) > 1}
        if differ:
            print_rows(
                [
                    ["条款" if zh else "Clause", *names],
                    *([c, *(" ".join(f"{r} {n}" for r, n in of.get(v, {}).items()) for v in names)] for c, of in differ.items()),
                ]
            )
    strongest, indices = effects(done, measure), sobol(done, measure)
    if strongest:
        print_rows([[f"{'因素对以下指标的主效应' if zh else 'Main effects on'} {measure}", "←", "→", "±", "%"],
                    *([e.factor, f"{e.at_low}: {number(e.low)}", f"{e.at_high}: {number(e.high)}", number(e.span), f"{100 * e.share:.0f}"] for e in strongest)])  # fmt: skip
    if indices:
        print_rows([[f"{'Sobol 指数' if zh else 'Sobol indices of'} {measure}", "S1", "ST"],
                    *([i.factor, f"{i.first:.2f} ({i.first_low:.2f}–{i.first_high:.2f})", f"{i.total:.2f} ({i.total_low:.2f}–{i.total_high:.2f})"] for i in indices)])  # fmt: skip


def number(value: float) -> str:
    """Four figures."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _with_half(found: Interval) -> str:
    return number(found.mean) + (f" ±{number(found.half)}" if found.half else "")


def _cell(found: Compared | None) -> str:
    if found is None:
        return "–"
    if found.difference is None:
        return _with_half(found.value)
    return f"{number(found.value.mean)} (Δ {_with_half(found.difference)}{'*' if found.difference.sure else ''})"
