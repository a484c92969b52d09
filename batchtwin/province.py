"""`batchtwin province`: a year of many plants, as it is today and under each policy of a specification."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from batchtwin import options
from batchtwin.options import Json, Lang
from twin.errors import BatchtwinError

HEADS = {
    "policy": ("policy", "方案"), "plants": ("plants", "站点"), "used": ("used, %", "利用率 %"), "in_time_m3": ("in time, m³", "准时 m³"), "late_m3": ("late", "延误"),
    "refused_m3": ("refused", "拒单"), "unserved_m3": ("out of reach", "无站可供"), "yuan_m3": ("yuan/m³", "元/m³"), "dust_t": ("dust, t", "粉尘 t"), "co2_kg_m3": ("CO2e, kg/m³", "CO2e kg/m³"),
    "pass": ("clauses passed", "通过条款"), "fail": ("failed", "不通过"),
}  # fmt: skip


def province(
    spec: Annotated[str, typer.Argument(help="A specification: 'model-province' or a YAML file.")],
    out: Annotated[Path | None, typer.Option(help="Folder, new or empty; runs/SPEC-N when left out.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="Another seed than the specification's.")] = None,
    declared: Annotated[str | None, typer.Option(metavar="FILE", help="Facts that no run can show, dated; a YAML file.")] = None,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Play a year of many plants, share the orders between them, try policies, and judge each by hubei-province."""
    from batchtwin import show
    from dashboards.province import write_page
    from scenarios.judging.book import load_book
    from scenarios.judging.declared import load_declared
    from scenarios.province.results import BOOK, play
    from scenarios.province.spec import load_province

    plan = load_province(spec)
    if seed is not None:
        plan = plan.model_copy(update={"seed": seed})
    facts = load_declared(declared, load_book(BOOK)) if declared else None
    target = out or next(p for n in range(1, 10_000) if not (p := Path("runs", f"{plan.name}-{n}")).exists())
    rows = play(plan, target, facts, lambda name: print(f"{name} ...", file=sys.stderr, flush=True))
    try:
        page = write_page(target)
    except OSError as error:
        raise BatchtwinError("E203", path=target, problem=error.strerror or error) from None
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        show.table([in_line(row, options.language) for row in rows])
        print(page)


def in_line(row: dict[str, Any], language: str) -> dict[str, Any]:
    """A policy in a line."""
    counts = {result: sum(c["result"] == result for c in row["clauses"]) for result in ("pass", "fail")}
    used = next((c["value"] for c in row["clauses"] if c["id"].startswith("1.")), None)
    flat = row | counts | {"used": used}
    return {
        pair[language == "zh"]: (round(v) if v > 10_000 else round(v, 1)) if isinstance(v := flat[key], float) else v
        for key, pair in HEADS.items()
    }
