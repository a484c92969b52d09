"""`batchtwin ledgers`, `export` and `platform`: the ledgers of a run as files, and to the provincial platform."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from batchtwin.options import DONE, FAILED, Json, Lang
from twin.errors import BatchtwinError

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]


def ledgers(
    folder: Folder,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write into.")],
    form: Annotated[Literal["csv", "xlsx"], typer.Option("--format", help="A file a ledger, or one workbook.")] = "xlsx",
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Write the ledgers that the guidance asks for, with headings in Chinese and English."""
    from scenarios.ledgers import write
    from scenarios.run import open_run

    files = [str(path) for path in write(open_run(folder), out, form)]
    print(json.dumps(files, ensure_ascii=False) if as_json else "\n".join(files))


def export(
    folder: Folder,
    to: Annotated[str, typer.Option(metavar="URL", help="The platform, as http://HOST:PORT.")],
    outbox: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where messages wait; RUN.outbox beside the run when left out.")
    ] = None,
    patience: Annotated[float, typer.Option(min=0, max=86400, help="Seconds for which a message is tried again.")] = 30.0,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Send a run's ledgers to the provincial platform; what is not acknowledged waits for the next time. Exit code 1 when it refused a message."""
    from scenarios.platform.messages import messages
    from scenarios.platform.outbox import Outbox
    from scenarios.platform.sender import send
    from scenarios.run import open_run

    run = open_run(folder)
    box = Outbox(outbox or run.path.resolve().with_name(f"{run.path.resolve().name}.outbox"))
    try:
        box.put(messages(run))
        counts = send(box, to, patience)
        refused = box.refusals()
    finally:
        box.close()
    if as_json:
        print(json.dumps(counts | {"refusals": [{"ledger": ledger, "why": why} for ledger, why in refused]}, ensure_ascii=False))
    else:
        print(f"{counts['sent']} sent, {counts['refused']} refused, {counts['waiting']} waiting; {box.path}")
        for ledger, why in refused:
            print(f"{ledger}: {why}", file=sys.stderr)
    raise typer.Exit(FAILED if refused else DONE)


def platform(
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0 takes a free one.")] = 8100,
    store: Annotated[Path | None, typer.Option(metavar="FILE", help="SQLite file of what is received; in memory when left out.")] = None,
    lost: Annotated[float, typer.Option(min=0, max=0.95, help="Share of messages, or of their answers, that are lost.")] = 0.0,
    busy: Annotated[float, typer.Option(min=0, max=0.95, help="Share of messages that are answered 503.")] = 0.0,
    delay: Annotated[float, typer.Option(min=0, max=60, help="Mean seconds to an answer.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the bad luck.")] = 1,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the messages and end.")] = False,
    lang: Lang = None,
) -> None:
    """Play the provincial platform, to test an export against: it checks, acknowledges, loses and delays."""
    if schema:
        from scenarios.platform.messages import schemas

        print(json.dumps(schemas(), indent=1, ensure_ascii=False))
        return
    import socket
    import sqlite3

    import uvicorn

    from scenarios.platform.receiver import application

    try:
        app = application(store or ":memory:", lost, busy, delay, seed)
        listening = socket.create_server(("127.0.0.1", port))
    except sqlite3.Error as error:
        raise BatchtwinError("E203", path=store, problem=str(error)) from None
    except OSError as error:
        raise BatchtwinError(
            "E401", problem=f"127.0.0.1:{port} cannot be served ({error.strerror})", mend="choose another --port"
        ) from None
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)).run([listening])
