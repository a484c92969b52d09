"""`batchtwin sweep`, `what-if`, `compare`, `optimise`: many runs on all cores or a cluster, and what they say."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchtwin import options
from batchtwin.options import DONE, FAILED, Json, Lang
from twin.errors import BatchtwinError

if TYPE_CHECKING:
    from scenarios.cost import Prices
    from scenarios.whatif.play import Plan
    from scenarios.whatif.sweep import Standing

MANY = 2000  # runs that are played without asking

Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder of the results; sweeps/NAME when left out. An interrupted one goes on.")
]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the comparison as a page.")]
Cores = Annotated[int | None, typer.Option(min=1, max=1024, help="Workers on this machine; all cores when left out.")]
Scheduler = Annotated[str | None, typer.Option(metavar="tcp://…", help="Play on the workers of this Dask scheduler instead.")]
Costs = Annotated[Path | None, typer.Option(metavar="FILE", help="Your own prices: a YAML file with fields of scenarios/costs.yaml.")]
Change = Annotated[
    list[str] | None,
    typer.Option("--change", metavar="CHANGES", help="A variant: path=value, several joined by ';'. Given again it is one more variant."),
]
Design = Annotated[str | None, typer.Option("--design", metavar="DESIGN", help="Another design than the scenario's own.")]
Seeds = Annotated[int, typer.Option(metavar="N", help="Runs of the base and of each variant, with common seeds.")]
Until = Annotated[str | None, typer.Option(metavar="T", help="Play for 90s, 10min, 1.5h, 2d, or until a time of day.")]
Criteria = Annotated[str | None, typer.Option(metavar="BOOK", help="Judge each run by a rule book, too.")]
Declared = Annotated[str | None, typer.Option(metavar="FILE", help="Facts that the plant declares to the judge; packaged or a YAML file.")]
Scan = Annotated[bool, typer.Option("--scan", help="Play at 10 ms instead of as fast as possible; needed for a controller of your own.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before very many runs.")]
Runs = Annotated[bool, typer.Option("--runs", help="Keep each run's folder, too, under FOLDER/kept.")]


def sweep(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="What to play: a YAML file, see docs/whatif.md.")],
    out: Out = None,
    cores: Cores = None,
    scheduler: Scheduler = None,
    costs: Costs = None,
    yes: Yes = False,
    runs: Runs = False,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Play a sweep: factors combined or drawn, over scenarios, designs and seeds. Interrupted, the same command goes on."""
    from scenarios.whatif.play import Plan
    from scenarios.whatif.spec import load_spec

    plan = Plan(*load_spec(spec), _prices(costs))
    folder = out or Path("sweeps", plan.spec.name)
    plan.keep = str(folder / "kept") if runs else None
    ended(folder, played(plan, folder, cores, scheduler, yes), as_json)


def _prices(costs: Path | None) -> Prices:
    from scenarios.cost import prices

    return prices(str(costs) if costs else None)


def checked(kind: str, path: Path) -> str:
    """What a sweep or a search amounts to, in words; nothing is played.

    Raises:
        BatchtwinError: the list of its mistakes.
    """
    if kind == "sweep":
        from scenarios.whatif.play import Plan
        from scenarios.whatif.spec import load_spec

        plan = Plan(*load_spec(path))
        return f"sweep {plan.spec.name}, {plan.spec.n_points} point(s), {len(plan)} run(s)"
    from scenarios.whatif.optimise import load_search

    search, _ = load_search(path)
    return f"search {search.name}, {len(search.search)} size(s), {search.trials} trials"


def played(plan: Plan, folder: Path, cores: int | None, scheduler: str | None, yes: bool) -> Standing:
    """Play a plan into a folder, with progress on stderr; asks before very many runs."""
    from scenarios.whatif.results import Results
    from scenarios.whatif.sweep import sweep as play_all

    first = None if yes or len(plan) <= MANY or (folder / "sweep.json").is_file() else _asked(plan, cores)
    results = Results(folder, plan)
    try:
        if first:
            results.add(first)
        with _bar(len(plan)) as tell:
            return play_all(plan, results, cores=cores, scheduler=scheduler, progress=tell)
    except KeyboardInterrupt:
        print(_say(f"stopped: {len(results.done)} of {len(plan)} runs are kept in {folder}; the same command goes on",
                   f"已停止：{folder} 中保留 {len(results.done)}/{len(plan)} 次运行；重复同一命令即可继续"), file=sys.stderr)  # fmt: skip
        raise
    finally:
        results.close()


def _say(en: str, zh: str) -> str:
    return zh if options.language == "zh" else en


def _asked(plan: Plan, cores: int | None) -> dict[str, Any]:
    """Say how many runs there are and how long they take, by playing the first, and ask.

    Raises:
        BatchtwinError: E502 when nobody can answer, or says no.
    """
    import os
    import time

    from scenarios.whatif.local import warm
    from scenarios.whatif.play import play

    warm(plan)
    began = time.monotonic()
    row = play(plan, 0)
    time_ = span((time.monotonic() - began) * len(plan) / (cores or len(os.sched_getaffinity(0))))
    question = _say(f"{len(plan):,} runs, about {time_}. Play them?", f"共 {len(plan):,} 次运行，约需 {time_}。是否执行？")
    if not sys.stdin.isatty() or not typer.confirm(question, err=True):
        raise BatchtwinError("E502", runs=f"{len(plan):,}", time=time_)
    return row


def span(seconds: float) -> str:
    """A time in words: the two largest units."""
    parts = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
    out: list[str] = []
    rest = max(round(seconds), 1)
    for unit, size in parts:
        n, rest = divmod(rest, size)
        if n or out:
            out.append(f"{n} {unit}")
        if len(out) == 2:
            break
    return " ".join(out)


@contextmanager
def _bar(runs: int) -> Iterator[Callable[[Standing], None] | None]:
    """Progress with the time it will still take, when somebody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[eta]}"))
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as bar:
        task = bar.add_task(_say("runs", "运行"), total=runs, eta="")

        def tell(at: Standing) -> None:
            eta = "" if at.eta_s is None else f"{_say('left', '剩余')} {span(at.eta_s)}"
            failed = f" · {at.failed} {_say('failed', '失败')}" if at.failed else ""
            bar.update(task, completed=at.done, eta=eta + failed)

        yield tell


def ended(folder: Path, standing: Standing, as_json: bool) -> None:
    """How a sweep ended, in a line or as JSON; leaves with 0 also when single runs failed."""
    from scenarios.whatif.results import Sweep

    failed = [row for row in Sweep(folder).rows if row["state"] != "complete"]
    if as_json:
        print(json.dumps({"folder": str(folder), "runs": standing.runs, "done": standing.done, "failed": len(failed)}))
        return
    print(
        _say(
            f"{standing.done} of {standing.runs} runs in {folder}, {len(failed)} failed",
            f"{folder}：{standing.done}/{standing.runs} 次运行，{len(failed)} 次失败",
        )
    )
    for row in failed[:5]:
        print(f"  {row['variant']}, seed {row['seed']}: {row['error']}")
    print(f"  SELECT * FROM '{folder}/runs/*.parquet'")


def what_if(
    base: Annotated[str, typer.Argument(metavar="BASE", help="A packaged scenario or a YAML file: the day as it is.")],
    change: Change = None,
    design: Design = None,
    seeds: Seeds = 8,
    until: Until = None,
    criteria: Criteria = None,
    declared: Declared = None,
    scan: Scan = False,
    out: Out = None,
    html: Html = None,
    cores: Cores = None,
    scheduler: Scheduler = None,
    costs: Costs = None,
    yes: Yes = False,
    runs: Runs = False,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Compare a day as it is with the same day changed, side by side, by paired runs."""
    from batchtwin.play import lasts_of
    from scenarios.schema import load_scenario
    from scenarios.whatif.play import Plan
    from scenarios.whatif.spec import spec_of_changes

    if not change:
        raise BatchtwinError("E101", where="--change", problem="nothing is changed", mend="give at least one, as --change fleet.battery=15")
    until_s = lasts_of(until, load_scenario(base, design)[0]) if until is not None else None
    plan = Plan(
        *spec_of_changes(base, design, change, seeds, criteria, until_s, "scan" if scan else "batch", declared),
        _prices(costs),
    )
    folder = out or _free(Path("sweeps"), f"what-if-{plan.bases[0].scenario.name}")
    plan.keep = str(folder / "kept") if runs else None
    played(plan, folder, cores, scheduler, yes)
    told(folder, html, as_json)


def compare(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a sweep or a what-if, also of one that still goes on.")],
    measure: Annotated[str, typer.Option(metavar="MEASURE", help="What effects are of.")] = "cost_cny_m3",
    html: Html = None,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Show a sweep's results: variants side by side, what matters most, and the page of it all."""
    told(folder, html, as_json, measure)


def _free(parent: Path, stem: str) -> Path:
    """A folder that is not there yet."""
    from itertools import count

    return next(p for n in count(1) if not (p := parent / f"{stem}-{n}").exists())


def told(folder: Path, html: Path | None, as_json: bool, measure: str = "cost_cny_m3") -> None:
    """Results of a sweep on the screen, as a page, or as JSON."""
    from scenarios.whatif.compare import clause_results, compared
    from scenarios.whatif.effects import effects, sobol
    from scenarios.whatif.measures import MEASURES
    from scenarios.whatif.results import Sweep
    from twin.errors import unknown

    if measure not in MEASURES:
        raise unknown("measure", measure, MEASURES)
    if html is not None and html.is_dir():
        raise BatchtwinError("E104", path=html)
    done = Sweep(folder)
    found = compared(done)
    if html is not None:
        from dashboards.compare import write_page

        try:
            write_page(done, html)
        except OSError as error:
            raise BatchtwinError("E203", path=html, problem=error.strerror or error) from None
    if as_json:
        print(json.dumps({"folder": str(folder), "runs": done.about["runs"], "done": len(done.rows), "failed": len(done.rows) - len(done.complete),
                          "compared": [c.as_json() for c in found], "clauses": clause_results(done), "measure": measure,
                          "effects": [{"factor": e.factor, "low": e.low, "high": e.high, "at_low": e.at_low, "at_high": e.at_high, "share": e.share} for e in effects(done, measure)],
                          "sobol": [{"factor": i.factor, "first": i.first, "total": i.total} for i in sobol(done, measure)]}, ensure_ascii=False))  # fmt: skip
        return
    from batchtwin import showing_sweeps

    showing_sweeps.show(done, found, measure)


def optimise(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="What to search: a YAML file, see docs/whatif.md.")],
    out: Out = None,
    cores: Cores = None,
    costs: Costs = None,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Search sizes for the cheapest plant that keeps its limits and passes a rule book; exit code 1 when none was found."""
    import os

    from scenarios.whatif.optimise import Trial, load_search
    from scenarios.whatif.optimise import optimise as search_all

    search, found = load_search(spec)
    folder = out or Path("sweeps", search.name)

    def tell(n: int, best: Trial) -> None:
        if sys.stderr.isatty():
            shown = _say("nothing keeps the limits yet", "尚无满足限制的方案") if best.broken else f"{search.least} {best.value:,.4g}"
            print(f"{n}/{search.trials}  {shown}", file=sys.stderr)

    trials = search_all(search, found, folder, own=_prices(costs), cores=cores or len(os.sched_getaffinity(0)), progress=tell)
    best = trials[0]
    if as_json:
        print(json.dumps({"folder": str(folder), "trials": len(trials), "keeps_limits": not best.broken, "broken": best.broken, "changes": best.changes,
                          "measures": best.measures}, ensure_ascii=False))  # fmt: skip
    else:
        head = _say("Nothing keeps the limits; the nearest", "没有方案满足限制；最接近的是") if best.broken else _say("Best", "最优")
        print(f"{head}: {'; '.join(f'{k}={v}' for k, v in best.changes.items())}")
        for name in (search.least, *search.limits):
            print(f"  {name}: {best.measures.get(name, float('nan')):,.5g}")
        for line in best.broken:
            print(f"  {_say('broken', '超限')}: {line}")
        print(f"  {len(trials)} {_say('trials', '次试验')}, {folder}/best.yaml")
    raise typer.Exit(FAILED if best.broken else DONE)
