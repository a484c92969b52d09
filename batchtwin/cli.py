"""The command line: `batchtwin run working-day`, `batchtwin --help`.

Exit codes: 0 done; 1 a check did not pass; 2 wrong input, or nothing could be written; 70 a mistake of batchtwin
itself; 130 interrupted. An error is one line on stderr for each mistake.

Commands import what they need when they run: `batchtwin --version` and `list designs` load no compiler.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchtwin import __version__
from twin.errors import BadInput, BatchtwinError, nearest, unknown

if TYPE_CHECKING:
    from scenarios.schema import Scenario

DONE, FAILED, WRONG_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 70, 130
EXIT_CODES = "Exit codes: 0 done, 1 a check did not pass, 2 wrong input, 130 interrupted, 70 internal error."
LONGEST_S = 400 * 86400
LARGEST_SEED = 2**31 - 1
USAGE_ERROR: type[Any] = typer.BadParameter.__mro__[1]  # typer does not export it

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})


class Language(StrEnum):
    """Languages of messages."""

    en = "en"
    zh = "zh"


class Fidelity(StrEnum):
    """How finely time is stepped."""

    scan = "scan"
    batch = "batch"


class Format(StrEnum):
    """How a list is written."""

    table = "table"
    csv = "csv"
    json = "json"


language = "en"


def _set_language(value: Language | None) -> Language | None:
    global language
    if value:
        language = value.value
    return value


def _environment_language() -> str:
    e = os.environ
    return "zh" if (e.get("LC_ALL") or e.get("LC_MESSAGES") or e.get("LANG") or "").startswith("zh") else "en"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"batchtwin {__version__}")
        raise typer.Exit(DONE)


Lang = Annotated[Language | None, typer.Option("--lang", callback=_set_language, is_eager=True, help="Language of messages; that of LANG when left out.")]
Design = Annotated[str | None, typer.Option("--design", metavar="DESIGN", help="Plant design: a packaged name or a YAML file.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]


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
    out: Annotated[Path | None, typer.Option(help="Folder of the run, new or empty; runs/SCENARIO-SEED-N when left out.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed than the scenario's.")] = None,
    fidelity: Annotated[Fidelity | None, typer.Option(help="scan plays at 10 ms, batch as fast as possible.")] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Play for 90s, 10min, 1.5h, 2d, or until a time of day such as 12:00.")] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the run's folder only.")] = False,
    lang: Lang = None,
) -> None:
    """Play a scenario and record the run. Ctrl-C ends it and keeps what has been played."""
    from batchtwin import show
    from scenarios.schema import load_scenario
    from scenarios.simulation import Simulation

    plan, plant = load_scenario(scenario, design)
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise BatchtwinError("E101", where="--seed", problem=f"{seed} is out of range", mend=f"give 0 to {LARGEST_SEED}")
    until_s = _until(until, plan) if until is not None else None
    state = "complete"
    with _out(out, f"{plan.name}-{plan.seed if seed is None else seed}") as folder, _patience() as asked, show.live(not quiet) as display:
        sim = Simulation(plan, plant, seed=seed, fidelity=fidelity.value if fidelity else None, until_s=until_s, out=folder)

        def progress(sim: Simulation) -> None:
            display(sim)
            if asked:
                raise KeyboardInterrupt

        try:
            outcome = sim.run(progress)
        except KeyboardInterrupt:
            state, outcome = "cut", sim.close("cut")
        except BaseException:
            with suppress(Exception):
                sim.close("failed")
            raise
    if as_json:
        print(json.dumps(outcome, ensure_ascii=False))
    elif quiet:
        print(outcome["run"])
    else:
        show.summary(outcome, language)
    raise typer.Exit(DONE if state == "complete" else INTERRUPTED)


@contextmanager
def _out(given: Path | None, stem: str) -> Iterator[Path]:
    """The folder to record into; a name of our own is reserved at once and given back if nothing comes of it.

    Raises:
        BatchtwinError: E203 when it cannot be written.
    """
    folder = given
    try:
        if folder is None:
            for n in count(1):
                with suppress(FileExistsError):
                    folder = Path("runs", f"{stem}-{n}")
                    folder.mkdir(parents=True)
                    break
        assert folder is not None
        yield folder
    except OSError as error:
        raise BatchtwinError("E203", path=folder, problem=error.strerror or error) from None
    finally:
        if given is None and folder is not None:
            with suppress(OSError):
                folder.rmdir()  # only an empty one goes


@contextmanager
def _patience() -> Iterator[list[int]]:
    """The first Ctrl-C is noted, for the run to stop where all is in order; the second interrupts at once."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _until(text: str, plan: Scenario) -> float:
    """`--until` as seconds to play."""
    from scenarios.schema import seconds

    where = f"--until {text}"
    try:
        lasts = float(text) if text.strip().lstrip("+-").replace(".", "", 1).isdigit() else seconds(text)
    except ValueError as error:
        problem, _, mend = str(error).partition("; ")
        raise BatchtwinError("E101", where=where, problem=problem, mend=mend) from None
    if ":" in text:
        lasts -= plan.midnight_s
        if lasts <= 0:
            raise BatchtwinError("E101", where=where, problem="lies in the past", mend=f"the scenario starts at {plan.starts:%H:%M}; give a later time")
    if not 0.01 <= lasts <= LONGEST_S:
        raise BatchtwinError("E101", where=where, problem=f"a run of {lasts:g} s", mend="give more than 0 s and at most 400 days")
    return lasts


@app.command("list", epilog=EXIT_CODES)
def list_(
    what: Annotated[str, typer.Argument(metavar="designs|scenarios|tags|faults")],
    design: Design = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.table,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """List what is packaged, the I/O list of a design (hzs180 when left out), or the faults that can befall a plant."""
    from batchtwin import catalogue

    makers: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "designs": catalogue.designs, "scenarios": catalogue.scenarios, "tags": lambda: catalogue.tags(design), "faults": catalogue.faults,
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
    name: Annotated[str, typer.Argument(help="A design, scenario, fault, tag or machine, or the folder of a run.")],
    design: Design = None,
    lang: Lang = None,
) -> None:
    """Describe a design, a scenario, a fault, a tag, a machine or a run."""
    from batchtwin import describe

    describe.describe(name, design, language)


@app.command(epilog=EXIT_CODES)
def check(
    file: Annotated[str, typer.Argument(help="A design or a scenario: a YAML file or a packaged name.")],
    design: Design = None,
    lang: Lang = None,
) -> None:
    """Check a design or a scenario; every mistake is told with its file, line and field."""
    from batchtwin.catalogue import locate

    kind, path = locate(file)
    if kind == "design":
        from twin.design.load import load_design

        if design:
            raise BatchtwinError("E101", where="--design", problem=f"does not go with the design {file}", mend="leave it out or check a scenario")
        plant = load_design(path)
        print(f"OK: {file}: design {plant.name}, {len(plant.lines)} line(s), {len(plant.materials)} materials, {len(plant.recipes)} recipes")
    else:
        from scenarios.schema import load_scenario, loads

        plan, plant = load_scenario(path, design)
        all_loads = loads(plan, plant)
        print(f"OK: {file}: scenario {plan.name} on {plant.name}, {sum(load.volume_m3 for load in all_loads):.0f} m³ in {len(all_loads)} loads, "
              f"{len(plan.faults)} fault(s)")  # fmt: skip


@app.command(epilog=EXIT_CODES)
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    out: Annotated[Path | None, typer.Option(help="File to write; report.html in the run's folder when left out.")] = None,
    lang: Lang = None,
) -> None:
    """Write the report of a run as one HTML page."""
    from dashboards.report import write_report
    from scenarios.run import open_run

    target = out or folder / "report.html"
    opened = open_run(folder)
    if target.is_dir():
        raise BatchtwinError("E104", path=target)
    try:
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
    raise typer.Exit(DONE if all(row["ok"] for row in rows) else FAILED)


@app.command(epilog=EXIT_CODES)
def warmup(lang: Lang = None) -> None:
    """Compile the kernels after installing, so that the first run starts at once."""
    from batchtwin import show

    began = time.monotonic()
    with show.spinner("compiling kernels (once)"):
        import numba

        from scenarios.simulation import Simulation

        Simulation("working-day", until_s=5, fidelity="scan").run()
        Simulation("plant-year", until_s=5, fidelity="batch").run()
    print(f"kernels ready after {time.monotonic() - began:.1f} s, kept in {numba.config.CACHE_DIR}")  # type: ignore[attr-defined]


def main() -> int:
    """Run the command line; returns the exit code. Never shows a traceback unless BATCHTWIN_DEBUG is set."""
    global language
    language = _environment_language()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = typer.main.get_command(app).main(prog_name="batchtwin", standalone_mode=False)
        sys.stdout.flush()
        return int(code or DONE)
    except BatchtwinError as error:
        _tell(*(m.text(language) for m in (error.mistakes if isinstance(error, BadInput) else [error])))
        return error.exit_code
    except USAGE_ERROR as error:
        _tell(_usage(error))
        return WRONG_INPUT
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # who read our output has left; typer turns one into the other
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE
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
    message = " ".join(error.format_message().split()).rstrip(".").replace(". Did you", "; did you").replace(" Did you", "; did you")
    context = error.ctx
    if message.startswith("No such command") and "did you" not in message and context is not None:
        message += nearest(message.split("'")[1], context.command.commands)
    return message if message.endswith("?") else f"{message}; see '{context.command_path if context is not None else 'batchtwin'} --help'"
