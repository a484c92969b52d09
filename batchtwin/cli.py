"""The command line: `batchtwin run working-day`, `batchtwin --help`.

Exit codes: 0 done; 1 a check did not pass; 2 wrong input, or nothing could be written; 70 a mistake of batchtwin
itself; 130 interrupted. An error is one line on stderr for each mistake.

Commands import what they need when they run: `batchtwin --version` and `list designs` load no compiler.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from batchtwin import __version__, exporting, forking, judging, live, options, province, tracing, whatif
from batchtwin.access import app as access
from batchtwin.options import DONE, EXIT_CODES, FAILED, INTERNAL, INTERRUPTED, WRONG_INPUT, Design, Json, Lang, Out, Seed
from twin.errors import BadInput, BatchtwinError, nearest, unknown

USAGE_ERROR: type[Any] = typer.BadParameter.__mro__[1]  # typer does not export it

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})


# Two processes: the fidelities share no compiled entry point.
WARM_UP = "from scenarios.simulation import Simulation; Simulation('{}', until_s=5, fidelity='{}').run()"


class Fidelity(StrEnum):
    """How finely time is stepped."""

    scan = "scan"
    batch = "batch"


class Format(StrEnum):
    """How a list is written."""

    table = "table"
    csv = "csv"
    json = "json"


app.add_typer(access, name="access")


def _environment_language() -> str:
    e = os.environ
    return "zh" if (e.get("LC_ALL") or e.get("LC_MESSAGES") or e.get("LANG") or "").startswith("zh") else "en"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"batchtwin {__version__}")
        raise typer.Exit(DONE)


@app.callback(invoke_without_command=True, epilog=EXIT_CODES)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave.")] = False,
    lang: Lang = None,
) -> None:
    """Digital twin of a ready-mixed concrete batching plant and a testbed for its control software."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(epilog=EXIT_CODES)
def run(
    scenario: Annotated[str, typer.Argument(help="A packaged scenario (see 'batchtwin list scenarios') or a YAML file.")],
    design: Design = None,
    out: Out = None,
    seed: Seed = None,
    fidelity: Annotated[Fidelity | None, typer.Option(help="scan plays at 10 ms, batch as fast as possible.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="T", help="Play for 90s, 10min, 1.5h, 2d, or until a time of day such as 12:00.")
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the run's folder only.")] = False,
    lang: Lang = None,
) -> None:
    """Play a scenario and record the run. Ctrl-C ends it and keeps what has been played."""
    from batchtwin.play import play

    outcome = play(scenario, design, out, seed, fidelity.value if fidelity else None, until, quiet)
    if as_json:
        print(json.dumps(outcome, ensure_ascii=False))
    elif quiet:
        print(outcome["run"])
    else:
        from batchtwin import show

        show.summary(outcome, options.language)
    raise typer.Exit(DONE if outcome["state"] == "complete" else INTERRUPTED)


@app.command("list", epilog=EXIT_CODES)
def list_(
    what: Annotated[str, typer.Argument(metavar="designs|scenarios|books|tags|faults")],
    design: Design = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.table,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """List what is packaged, the I/O list of a design (hzs180 when left out), or the faults that can befall a plant."""
    from batchtwin import catalogue

    makers: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "designs": catalogue.designs, "scenarios": catalogue.scenarios, "books": catalogue.books, "tags": lambda: catalogue.tags(design), "faults": catalogue.faults,
    }  # fmt: skip
    if what not in makers:
        raise unknown("list", what, makers)
    if design and what != "tags":
        raise BatchtwinError("E101", where="--design", problem=f"does not go with the list of {what}", mend="leave it out or list tags")
    rows = makers[what]()
    if as_json or form is Format.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False, default=str))
    elif form is Format.csv:
        print(catalogue.as_csv(rows), end="")
    else:
        from batchtwin import show

        show.table(rows)


@app.command("show", epilog=EXIT_CODES)
def show_(
    name: Annotated[str, typer.Argument(help="A design, scenario, rule book, fault, tag or machine, or the folder of a run.")],
    design: Design = None,
    geojson: Annotated[bool, typer.Option("--geojson", help="The site plan of a design as GeoJSON on stdout and nothing else.")] = False,
    lang: Lang = None,
) -> None:
    """Describe a design, a scenario, a fault, a tag, a machine or a run."""
    if geojson:
        from twin.design.geojson import as_text
        from twin.design.load import load_design

        print(as_text(load_design(name).site), end="")
        return
    from batchtwin import describe

    describe.describe(name, design, options.language)


@app.command(epilog=EXIT_CODES)
def check(
    file: Annotated[
        str, typer.Argument(help="A design, a scenario, a rule book, a sweep, a search or a province: a YAML file or a packaged name.")
    ],
    design: Design = None,
    lang: Lang = None,
) -> None:
    """Check a design, a scenario, a rule book, a sweep, a search or a province; every mistake is told with its file, line and field."""
    from batchtwin.catalogue import locate

    kind, path = locate(file)
    if kind == "design":
        from twin.design.load import load_design

        if design:
            raise BatchtwinError(
                "E101", where="--design", problem=f"does not go with the design {file}", mend="leave it out or check a scenario"
            )
        plant = load_design(path)
        print(
            f"OK: {file}: design {plant.name}, {len(plant.lines)} line(s), {len(plant.materials)} materials, {len(plant.recipes)} recipes"
        )
    elif kind == "province":
        from scenarios.province.plants import placed
        from scenarios.province.spec import load_province

        region = load_province(path)
        print(
            f"OK: {file}: province {region.name}, {len(placed(region))} plants in {len(region.cities)} cities, {len(region.policies)} policies"
        )
    elif kind == "rule book":
        from scenarios.judging.book import load_book

        book = load_book(path)
        print(
            f"OK: {file}: rule book {book.name}, {len(book.clauses)} clause(s) in {len(book.sections)} section(s), {len(book.facts)} fact(s) to declare"
        )
    elif kind in ("sweep", "search"):
        print(f"OK: {file}: {whatif.checked(kind, path)}")
    else:
        from scenarios.booking import planned_loads
        from scenarios.schema import load_scenario

        plan, plant = load_scenario(path, design)
        all_loads = planned_loads(plan, plant)
        print(f"OK: {file}: scenario {plan.name} on {plant.name}, {sum(m3 for _, m3 in all_loads):.0f} m³ in {len(all_loads)} loads, "
              f"{len(plan.faults)} fault(s)")  # fmt: skip


@app.command(epilog=EXIT_CODES)
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    out: Annotated[Path | None, typer.Option(help="File to write; report.html in the run's folder when left out.")] = None,
    lang: Lang = None,
) -> None:
    """Write the report of a run as one HTML page."""
    from scenarios.run import open_run

    target = out or folder / "report.html"
    opened = open_run(folder)
    if target.is_dir():
        raise BatchtwinError("E104", path=target)
    try:
        from dashboards.report import write_report

        print(write_report(opened, target))
    except OSError as error:
        raise BatchtwinError("E203", path=target, problem=error.strerror or error) from None


@app.command(epilog=EXIT_CODES)
def bench(
    only: Annotated[str | None, typer.Option(metavar="NAME", help="Measure this one only.")] = None,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Measure batchtwin on this machine against its bars."""
    from batchtwin import bench as benchmarks

    rows = benchmarks.run(only, lambda line: print(line, file=sys.stderr, flush=True))
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False, default=str))
    else:
        from batchtwin import show

        show.table(rows)
    raise typer.Exit(DONE if all(row["ok"] is not False for row in rows) else FAILED)


@app.command(epilog=EXIT_CODES)
def warmup(lang: Lang = None) -> None:
    """Compile the kernels after installing, so that the first run starts at once."""
    from batchtwin import show
    from twin.jit import cache_folder

    began = time.monotonic()
    with show.spinner("compiling kernels (once)"):
        halves = [  # -P: of what is installed, also where the command is typed in a checkout
            subprocess.Popen([sys.executable, "-P", "-c", WARM_UP.format(*what)])
            for what in (("working-day", "scan"), ("plant-year", "batch"))
        ]
        if any([half.wait() for half in halves]):
            raise BatchtwinError("E401", problem="the kernels cannot be compiled", mend="see above; is the cache folder writable?")
    print(f"kernels ready after {time.monotonic() - began:.1f} s, kept in {os.environ.get('NUMBA_CACHE_DIR') or cache_folder()}")


@app.command(epilog=EXIT_CODES)
def replay(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    lang: Lang = None,
) -> None:
    """Play a run again from its inputs and recorded commands; exit code 1 when it ends in another state."""
    from scenarios.replay import replay as again
    from scenarios.run import open_run

    recorded, now = again(open_run(folder))
    same = recorded == now
    print(f"{'OK' if same else 'DIFFERENT'}: {folder}: recorded {recorded}, played again {now}")
    raise typer.Exit(DONE if same else FAILED)


@app.command(epilog=EXIT_CODES)
def cdp(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Instances (*.rmc) and, for gaps, best_known.csv.")],
    seconds: Annotated[float, typer.Option(help="Most wall time for an instance, on two cores.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
    only: Annotated[str, typer.Option(metavar="GLOB", help="Instances by name, such as 'A_*'.")] = "*",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the schedules as JSON.")] = None,
    play: Annotated[
        bool, typer.Option("--play", help="Play each schedule through a plant with traffic, as planned and re-planned.")
    ] = False,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Solve public Concrete Delivery Problem instances, check every schedule, and compare with the best known."""
    from batchtwin import cdp as command

    def echo(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    solved, outcome = command.run(folder, seconds, seed, only, out, echo)
    played = command.play(solved, seed, echo) if play else []
    if as_json:
        print(json.dumps(command.as_json(solved, outcome, played), indent=1))
    else:
        command.tell(solved, outcome, played)
    raise typer.Exit(FAILED if outcome.infeasible else DONE)


for command in (live.serve, live.dash, live.control, live.bridge, live.nodeset, live.accept):
    app.command(epilog=EXIT_CODES)(command)
app.command(epilog=EXIT_CODES)(judging.judge)
app.command(epilog=EXIT_CODES)(exporting.ledgers)
app.command(epilog=EXIT_CODES)(exporting.export)
app.command(epilog=EXIT_CODES)(exporting.platform)
app.command(epilog=EXIT_CODES)(tracing.trace)
app.command(epilog=EXIT_CODES)(forking.fork)
app.command(epilog=EXIT_CODES)(whatif.sweep)
app.command("what-if", epilog=EXIT_CODES)(whatif.what_if)
app.command(epilog=EXIT_CODES)(whatif.compare)
app.command(epilog=EXIT_CODES)(whatif.optimise)
app.command(epilog=EXIT_CODES)(province.province)


def main() -> int:
    """Run the command line; returns the exit code. Never shows a traceback unless BATCHTWIN_DEBUG is set."""
    options.language = _environment_language()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = typer.main.get_command(app).main(prog_name="batchtwin", standalone_mode=False)
        sys.stdout.flush()
        return int(code or DONE)
    except BatchtwinError as error:
        _tell(*(m.text(options.language) for m in (error.mistakes if isinstance(error, BadInput) else [error])))
        return error.exit_code
    except USAGE_ERROR as error:
        _tell(_usage(error))
        return WRONG_INPUT
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # who read our output has left; typer turns one into the other
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _tell(f"{error.filename or 'the output'} cannot be written or read: {error.strerror or error}")
        return WRONG_INPUT
    except Exception as error:
        if os.environ.get("BATCHTWIN_DEBUG"):
            raise
        _tell(f"{type(error).__name__}: {error}; please report; run with BATCHTWIN_DEBUG=1 for the traceback", lead="internal error")
        return INTERNAL


def _tell(*lines: str, lead: str = "error") -> None:
    for line in lines:
        print(f"{lead}: {' '.join(line.splitlines())}", file=sys.stderr)


def _usage(error: Any) -> str:
    """A wrong command line in one line, with the nearest command and where to read on."""
    message = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    message = message.replace(". Did you", "; did you").replace(" Did you", "; did you")
    context = error.ctx
    if message.startswith("No such command") and "did you" not in message and context is not None:
        message += nearest(message.split("'")[1], context.command.commands)
    return message if message.endswith("?") else f"{message}; see '{context.command_path if context is not None else 'batchtwin'} --help'"
