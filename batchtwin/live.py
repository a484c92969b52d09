"""`batchtwin serve`, `dash`, `control`, `bridge`, `nodeset`, `accept`: a plant that is live, and who is connected to it."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchtwin import options
from batchtwin.options import DONE, FAILED, INTERRUPTED, Design, Endpoint, Json, Lang, Lasts, Out, Rule, Seed, ServerCertificate, UserName
from twin.errors import BatchtwinError

if TYPE_CHECKING:
    from scenarios.acceptance.results import CaseResult


class Inside(StrEnum):
    """Who controls a served plant from inside."""

    none = "none"
    reference = "reference"


def serve(
    scenario: Annotated[str, typer.Argument(help="A packaged scenario or a YAML file.")],
    design: Design = None,
    endpoint: Endpoint = "opc.tcp://127.0.0.1:4840",
    speed: Annotated[
        str, typer.Option(metavar="1|10|max|lockstep", help="Times real time, as fast as possible, or scan by scan with the controllers.")
    ] = "1",
    controller: Annotated[
        Inside, typer.Option(help="Who runs the plant: controllers outside, or the reference program inside.")
    ] = Inside.none,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="No security and everybody an instructor; for a first trial, on loopback only.")
    ] = False,
    seed: Seed = None,
    out: Out = None,
    record: Annotated[bool, typer.Option("--record/--no-record", help="Keep the run; history and verdicts need it.")] = True,
    until: Lasts = None,
    operator: Annotated[
        bool, typer.Option("--operator/--no-operator", help="A simulated operator starts the line and answers alarms.")
    ] = True,
    paused: Annotated[bool, typer.Option("--paused", help="Time stands still until a client calls Time.Start or Time.Step.")] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long lock-step waits for a controller.")] = 10.0,
    dispatch: Annotated[Rule | None, typer.Option(help="Who sends the trucks: a rule of ours, or none for a dispatcher outside.")] = None,
    cases: Annotated[Path | None, typer.Option(help="Folder with acceptance cases of your own.")] = None,
    pages: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65535, help="Serve the pages of the same run, too, on this port; 0 takes a free one."),
    ] = None,
    lang: Lang = None,
) -> None:
    """Serve the plant over OPC UA, in real, accelerated or lock-step time, until Ctrl-C."""
    from batchtwin import serving, show

    outcome = serving.serve(
        scenario, design, endpoint, speed, controller.value, insecure, seed, out, record, until, operator, paused, timeout, cases, options.language,
        dispatch.value if dispatch else None, pages,
    )  # fmt: skip
    show.summary(outcome, options.language)


def dash(
    scenario: Annotated[str, typer.Argument(help="A packaged scenario or a YAML file.")] = "working-day",
    design: Design = None,
    host: Annotated[str, typer.Option(help="Address to serve on; beyond loopback everybody has to log in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 takes a free one.")] = 8050,
    speed: Annotated[str, typer.Option(metavar="1|10|max", help="Times real time, or as fast as possible.")] = "1",
    controller: Annotated[
        Inside, typer.Option(help="Who runs the plant: the reference program inside, or nobody but you.")
    ] = Inside.reference,
    seed: Seed = None,
    out: Out = None,
    record: Annotated[bool, typer.Option("--record/--no-record", help="Keep the run; trends, batches and scores need it.")] = True,
    until: Lasts = None,
    operator: Annotated[
        bool, typer.Option("--operator/--no-operator", help="A simulated operator starts the line and answers alarms in your place.")
    ] = False,
    paused: Annotated[bool, typer.Option("--paused", help="Time stands still until somebody lets it run.")] = False,
    dispatch: Annotated[Rule | None, typer.Option(help="By which rule trucks are sent.")] = None,
    lang: Lang = None,
) -> None:
    """Open the plant in a browser: watch it, drive it by hand, let it fail, train on it. Until Ctrl-C."""
    from batchtwin import paging, show

    outcome = paging.dash(
        scenario, design, host, port, speed, controller.value, seed, out, record, until, operator, paused, options.language,
        dispatch.value if dispatch else None,
    )  # fmt: skip
    show.summary(outcome, options.language)


def control(
    endpoint: Endpoint = "opc.tcp://127.0.0.1:4840",
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--line", metavar="PART", help="Control this part only: Line1, Line2, Water, Air, Dispatch; may be given several times."
        ),
    ] = None,
    rule: Annotated[Rule, typer.Option(help="By which trucks are sent, with --line Dispatch.")] = Rule.jit,
    user: UserName = "",
    server_certificate: ServerCertificate = None,
    once: Annotated[bool, typer.Option("--once", help="End with the run; else wait for the next one.")] = False,
    lang: Lang = None,
) -> None:
    """Run the reference controller on a plant that 'batchtwin serve' serves, until Ctrl-C."""
    from batchtwin import serving

    print(f"{serving.control(endpoint, parts or [], user, server_certificate, once, rule.value)} scans")


def bridge(
    scenario: Annotated[str | None, typer.Argument(help="A packaged scenario or a YAML file.")] = None,
    design: Design = None,
    plc: Annotated[str, typer.Option(metavar="URL", help="OPC UA endpoint of the PLC.")] = "",
    map_file: Annotated[Path | None, typer.Option("--map", metavar="FILE", help="CSV with our tags and the PLC's nodes.")] = None,
    template: Annotated[bool, typer.Option("--template", help="Print a map with empty nodes and leave.")] = False,
    speed: Annotated[str, typer.Option(metavar="1|10|max", help="Times real time, or max for lock-step.")] = "1",
    scan: Annotated[float, typer.Option(metavar="SECONDS", help="Period of the exchange, simulated.")] = 0.1,
    until: Lasts = None,
    seed: Seed = None,
    out: Out = None,
    record: Annotated[bool, typer.Option("--record/--no-record", help="Keep the run.")] = True,
    operator: Annotated[
        bool, typer.Option("--operator/--no-operator", help="A simulated operator starts the line and answers alarms.")
    ] = True,
    user: UserName = "",
    server_certificate: ServerCertificate = None,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Couple a plant with a PLC that is an OPC UA server only, until the run ends or Ctrl-C."""
    from batchtwin import bridging, show

    if template:
        print(bridging.template(design), end="")
        return
    for given, what in ((scenario, "SCENARIO"), (plc, "--plc"), (map_file, "--map")):
        if not given:
            raise BatchtwinError("E101", where="bridge", problem=f"{what} is missing", mend="see 'batchtwin bridge --help'")
    assert scenario is not None and map_file is not None
    outcome = bridging.bridge(scenario, design, plc, map_file, speed=speed, until=until, scan_s=scan, seed=seed, out=out, record=record, operator=operator,
                              user=user, certificate=server_certificate, quietly=as_json, language=options.language)  # fmt: skip
    if as_json:
        print(json.dumps(outcome, ensure_ascii=False))
    else:
        show.summary(outcome, options.language)
        bridging.summary(outcome["bridge"], options.language)
    raise typer.Exit(DONE if outcome["state"] == "complete" else INTERRUPTED)


def nodeset(
    design: Design = None,
    lang: Lang = None,
) -> None:
    """Print the OPC UA address space of a design (hzs180 when left out) as NodeSet2 XML."""
    from opcua_server.address.nodeset import nodeset as xml
    from twin.design.load import load_design

    print(xml(load_design(design or "hzs180")), end="")


def accept(
    suite: Annotated[
        list[str], typer.Argument(metavar="SUITE...", help="Cases by name, file or folder; 'standard' is all that are packaged.")
    ],
    endpoint: Endpoint = "opc.tcp://127.0.0.1:4840",
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results as JUnit XML.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results as a page with rows and plots.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed than the cases' own.")] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Wall time that one case may take.")] = 3600.0,
    user: UserName = "",
    server_certificate: ServerCertificate = None,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Play a suite of cases against the controller that is connected to a served plant; exit code 1 when one does not pass.

    The files are written after each case; Ctrl-C ends the suite and keeps them.
    """
    from batchtwin import accepting

    files = [(target, write) for target, write in ((junit, accepting.write_junit), (html, accepting.write_html)) if target is not None]
    for target, _ in files:
        accepting.can_write(target)

    def keep(results: list[CaseResult]) -> None:
        for target, write in files:
            write(results, target)

    tell = lambda line: print(line, file=sys.stderr, flush=True)
    results, interrupted = accepting.accept(suite, endpoint, user, server_certificate, seed, timeout, tell, keep)
    if as_json:
        print(json.dumps([json.loads(r.to_json()) for r in results], indent=1, ensure_ascii=False))
    raise typer.Exit(INTERRUPTED if interrupted else DONE if all(r.state == "passed" for r in results) else FAILED)
