"""What the commands share: options, exit codes, and the language of messages."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DONE, FAILED, WRONG_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 70, 130
EXIT_CODES = "Exit codes: 0 done, 1 a check did not pass, 2 wrong input, 130 interrupted, 70 internal error."

language = "en"  # of messages, from the environment or --lang


class Language(StrEnum):
    """Languages of messages."""

    en = "en"
    zh = "zh"


class Rule(StrEnum):
    """By what trucks are sent."""

    nearest = "nearest"
    deadline = "deadline"
    jit = "jit"
    plan = "plan"
    none = "none"


def set_language(value: Language | None) -> Language | None:
    """What `--lang` asks for; nothing leaves the language as it is."""
    global language
    if value:
        language = value.value
    return value


Lang = Annotated[
    Language | None, typer.Option("--lang", callback=set_language, is_eager=True, help="Language of messages; that of LANG when left out.")
]
Design = Annotated[str | None, typer.Option("--design", metavar="DESIGN", help="Plant design: a packaged name or a YAML file.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the run, new or empty; runs/SCENARIO-SEED-N when left out.")]
Seed = Annotated[int | None, typer.Option(help="Another seed than the scenario's.")]
Lasts = Annotated[str | None, typer.Option(metavar="T", help="The run lasts 90s, 10min, 1.5h, 2d, or until a time of day.")]
Endpoint = Annotated[str, typer.Option(metavar="URL", help="OPC UA endpoint.")]
UserName = Annotated[str, typer.Option("--user", help="Log in by this name; the password is asked for, or taken from BATCHTWIN_PASSWORD.")]
ServerCertificate = Annotated[
    Path | None, typer.Option("--server-certificate", help="Certificate of the server, when it is to be this one.")
]
