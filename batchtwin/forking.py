"""`batchtwin fork`: several futures of a recorded run from one moment of it, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchtwin import options
from batchtwin.options import Json, Lang

if TYPE_CHECKING:
    from scenarios.simulation import Simulation

HEADS = {
    "name": ("branch", "分支"), "changes": ("changes", "变更"), "state": ("state", "状态"), "m3": ("m³", "方量 m³"), "on_time_percent": ("on time, %", "准时 %"),
    "water_out_kg": ("water out, kg", "外排水 kg"), "dust_kg": ("dust, kg", "粉尘 kg"), "outside": ("weighings outside", "超差称量"), "kwh": ("kWh", "kWh"),
    "pass": ("clauses passed", "通过条款"), "fail": ("failed", "不通过"), "problem": ("problem", "问题"),
}  # fmt: skip


def fork(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run that is over.")],
    at: Annotated[str, typer.Option(metavar="T", help="The moment: 90s, 10min, 1.5h after the start, or a time of day.")],
    branch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHANGES",
            help="A branch and what it changes, by ';': fault=NAME@MACHINE:SEVERITY,LASTS rain=MM_H,LASTS order=GRADE:M3@SITE write=TAG:VALUE "
            "dispatch=RULE controller=reference. May be given several times; a branch without changes is always there.",
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Where the branches end; the run's end when left out.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the branches, new or empty; RUN-futures-N when left out.")] = None,
    criteria: Annotated[str, typer.Option(metavar="BOOK", help="Rule book of the verdict.")] = "hubei-standard",
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Play a recorded run again to a moment, let several futures go from there, and compare them; exit code 1 when one fails."""
    from batchtwin import show
    from batchtwin.play import lasts_of
    from scenarios.changes import in_words, parse
    from scenarios.futures import fork_recorded, names_of
    from scenarios.run import open_run
    from scenarios.schema import Scenario

    run = open_run(folder)
    plan = Scenario.model_validate(run.info["scenario"])
    changes = [parse(text) for text in ["", *(branch or [])]]
    names = list(names_of(words := [in_words(c) for c in changes]))
    target = out or next(p for n in range(1, 10_000) if not (p := folder.with_name(f"{folder.name}-futures-{n}")).exists())

    def check(sim: Simulation) -> None:
        for change in changes:
            change.check(sim)

    with show.live(not as_json) as display:
        futures = fork_recorded(folder, dict(zip(names, changes, strict=True)), lasts_of(at, plan), lasts_of(until, plan) if until else run.info["lasts_s"], target,
                                criteria, dict(zip(names, words, strict=True)), check, display)  # fmt: skip
    try:
        with show.spinner(f"{len(names)} branches"):
            rows = futures.wait()
    except KeyboardInterrupt:
        futures.stop()
        raise
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        show.table([in_line(row, options.language) for row in rows])
        print(target)
    raise typer.Exit(options.DONE if all(row["state"] == "complete" for row in rows) else options.FAILED)


def in_line(row: dict[str, Any], language: str) -> dict[str, Any]:
    """A row of `Futures.rows` for people."""
    flat = row | row.get("clauses", {})
    return {pair[language == "zh"]: flat[key] for key, pair in HEADS.items() if key in flat}
