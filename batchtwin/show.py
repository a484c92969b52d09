"""On the screen: tables, the live display of a run, and its summary. Plain text when it is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from batchtwin.catalogue import flat

if TYPE_CHECKING:
    from scenarios.simulation import Simulation

WIDE = 2000  # columns where no terminal limits them


class Screen(Console):
    """Console that prints text as it is and leaves a broken pipe to the command line."""

    def __init__(self, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        super().__init__(
            stderr=stderr, width=None if stream.isatty() else WIDE, markup=False, highlight=False, emoji=False, soft_wrap=False
        )

    def on_broken_pipe(self) -> None:
        """Let the caller know."""
        raise BrokenPipeError


def table(rows: list[dict[str, Any]], title: str | None = None) -> None:
    """Print rows; their keys are the columns."""
    screen = Screen()
    if title:
        screen.print(Text(f"\n{title}", style="bold"))
    grid = Table(box=box.SIMPLE_HEAD if screen.is_terminal else None, padding=(0, 2, 0, 0), pad_edge=False)
    keys = list(rows[0]) if rows else []
    for key in keys:
        numbers = all(isinstance(r[key], (int, float)) and not isinstance(r[key], bool) for r in rows)
        grid.add_column(key, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(flat(k, v)) for k, v in row.items()))
    screen.print(grid)


def facts(pairs: list[tuple[str, str]], heading: str | None = None) -> None:
    """Print labelled lines below a heading."""
    screen = Screen()
    if heading:
        screen.print(Text(heading, style="bold"))
    grid = Table.grid(padding=(0, 2, 0, 0))
    for label, text in pairs:
        grid.add_row(Text(f"  {label}", style="cyan"), Text(text, overflow="fold"))
    screen.print(grid)


LABELS = {
    "en": ("made", "time", "weighings", "ledger", "writes", "run", "next"),
    "zh": ("生产", "时间", "称量", "物料账", "写入", "记录", "下一步"),
}
TEXTS = {
    "en": ("{scenario} on {design}, seed {seed}, {fidelity}: {state}", "{m3:g} m³ away in {loads} loads, {batches} batches; {loads_open} loads to go",
           "{sim} simulated in {wall_seconds:.1f} s, {speed:,.0f} × real time", "{weighings}, {out_of_tolerance} out of tolerance",
           "closes to {ledger_residual:.1e} of all that moved", "{bad_writes} values out of range or not a number were refused"),
    "zh": ("{scenario}（{design}），种子 {seed}，{fidelity}：{state}", "出站 {m3:g} m³，{loads} 车，{batches} 盘；剩余 {loads_open} 车",
           "仿真 {sim}，用时 {wall_seconds:.1f} s，为实时的 {speed:,.0f} 倍", "{weighings} 次，超差 {out_of_tolerance} 次",
           "相对闭合差 {ledger_residual:.1e}", "拒绝 {bad_writes} 个越限或非数值的写入"),
}  # fmt: skip
STATES_ZH = {"complete": "完成", "cut": "中断", "failed": "失败", "running": "运行中"}


def summary(outcome: dict[str, Any], language: str) -> None:
    """Print how a run ended, and, when it was recorded, where it lies and what to do next."""
    state = STATES_ZH.get(outcome["state"], outcome["state"]) if language == "zh" else outcome["state"]
    filled = [t.format(**outcome | {"state": state, "sim": duration(outcome["sim_seconds"])}) for t in TEXTS[language]]
    lines = [*filled[1:], *([str(outcome["run"]), f"batchtwin report {outcome['run']}"] if outcome["run"] else [])]
    pairs = [(label, text) for label, text in zip(LABELS[language], lines, strict=False) if outcome["bad_writes"] or text != filled[5]]
    facts(pairs, filled[0])


def duration(seconds: float) -> str:
    """A duration for people, e.g. `2 h 05 min`."""
    whole = round(seconds)
    if seconds < 120:
        return f"{seconds:g} s"
    if whole < 7200:
        return f"{whole // 60} min" + (f" {whole % 60:02d} s" if whole % 60 else "")
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d" + (f" {whole % 86400 // 3600:02d} h" if whole % 86400 else "")


class Display:
    """One line that says how far a run is; call it with the simulation to bring it up to date."""

    def __init__(self) -> None:
        self._spinner = Spinner("dots")
        self._text = "compiling kernels (once)"
        self._share = 0.0
        self._before: tuple[float, int] | None = None

    def __call__(self, sim: Simulation) -> None:
        """Take the figures of this moment."""
        now, tick = time.monotonic(), sim.tick
        if tick < 100:
            return
        speed = f"{(tick - self._before[1]) / 100 / max(now - self._before[0], 1e-9):,.0f} × real time" if self._before else ""
        self._before = now, tick
        self._share = tick / sim.end_tick
        alarms = sim.alarms
        alarm = f"{len(alarms)} alarm(s): {alarms[0]}" if alarms else "no alarms"
        self._text = "  ".join((f"{sim.time:%Y-%m-%d %H:%M}", f"{sim.m3:,.0f} m³", speed, alarm))

    def stop(self) -> None:
        """Say that the run is being ended."""
        self._text = "stopping; Ctrl-C again to stop at once"

    def __rich__(self) -> RenderableType:
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(
            self._spinner, ProgressBar(total=1.0, completed=self._share, width=20), Text(self._text, no_wrap=True, overflow="ellipsis")
        )
        return grid


@contextmanager
def live(wanted: bool = True) -> Iterator[Display]:
    """The live display, on stderr and only when that is a terminal."""
    display, screen = Display(), Screen(stderr=True)
    if not (wanted and screen.is_terminal):
        yield display
        return
    with Live(display, console=screen, transient=True, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False):
        yield display


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """A spinner on stderr, only when that is a terminal."""
    screen = Screen(stderr=True)
    if not screen.is_terminal:
        yield
        return
    with screen.status(text):
        yield
