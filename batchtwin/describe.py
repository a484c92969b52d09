"""`batchtwin show`: a design, a scenario, a fault, a tag, a machine or a run, told to a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text
from rich.tree import Tree

from batchtwin import catalogue, show
from twin.errors import BatchtwinError, unknown

if TYPE_CHECKING:
    from scenarios.judging.book import Book
    from scenarios.schema import Scenario
    from twin.design.schema import Design
    from twin.equipment.part import Part
    from twin.plant import Plant


def describe(name: str, design: str | None, language: str) -> None:
    """Print what a name stands for.

    Raises:
        BatchtwinError: E102 with the nearest name when nothing is called so; the mistakes of a wrong file.
    """
    if (Path(name) / "run.json").exists():
        return _run(name, language)
    try:
        kind, path = catalogue.locate(name)
    except BatchtwinError as error:
        if error.code == "E104":
            raise BatchtwinError("E201", path=name, problem="there is no run.json") from None
        if error.code != "E102":
            raise
        return _named(name, design, language)
    if kind == "design":
        from twin.design.load import load_design

        return _design(load_design(path), language)
    if kind == "rule book":
        from scenarios.judging.book import load_book

        return _book(load_book(path), language)
    from scenarios.schema import load_scenario

    _scenario(*load_scenario(path, design), language)


def _book(book: Book, language: str) -> None:
    zh = language == "zh"
    of = lambda title: title.zh if zh else title.en
    rows = [
        {
            "clause": c.id,
            "title": of(c.title),
            "must": c.must,
            "evidence": [e.measure or e.declared or "" for e in c.evidence],
            "text": of(c.text),
        }
        for c in book.clauses
    ]
    show.table(rows, f"{book.name}: {of(book.source)}")


def _run(folder: str, language: str) -> None:
    from scenarios.run import open_run

    run = open_run(folder)
    if "seed" in run.outcome:
        show.summary(run.outcome | {"run": folder}, language)
    else:
        scenario = run.info.get("scenario", {}).get("name", "?")
        show.facts(
            [("run", folder), ("state", run.state), ("scenario", scenario), ("seed", str(run.info.get("seed")))], f"{scenario}: {run.state}"
        )
    show.facts(
        [("tables", ", ".join(run.tables) or "none"), ("started", str(run.info.get("started"))), ("version", str(run.info.get("version")))]
    )


# --- a fault, a tag, a machine ----------------------------------------------------------------------------


def _named(name: str, design: str | None, language: str) -> None:
    plant = catalogue.plant_of(design)
    faults = [row for row in catalogue.faults() if row["name"] == name]
    machines = {m.name: m for m in plant.table.equipment}
    if faults:
        for row in faults:
            targets = [m.name for m in machines.values() if m.kind == row["applies_to"]]
            low, high = row["severity"]
            show.facts([("befalls", f"{row['applies_to']}: {', '.join(targets) or 'none'} ({plant.design.name})"),
                        ("severity", f"{low:g} to {high:g} {row['unit']}, {row['default']:g} when left out"),
                        ("seen in", ", ".join(row["tags"])), ("en", row["en"]), ("zh", row["zh"])], f"fault {name}")  # fmt: skip
    elif name in plant.table:
        show.facts([(k, catalogue.flat(k, v)) for k, v in catalogue.tag_row(plant.table[name]).items() if v not in ("", [])], f"tag {name}")
    elif name in machines:
        _machine(plant, name)
    else:
        known = [
            *catalogue.packaged(catalogue.CATALOGUE),
            *catalogue.packaged(catalogue.SCENARIOS),
            *(r["name"] for r in catalogue.faults()),
            *machines,
        ]
        raise unknown("design, scenario, fault, tag or machine", name, [*known, *(t.name for t in plant.table)])


def _machine(plant: Plant, name: str) -> None:
    machine = plant.table.machine(name)
    found = [("kind", machine.kind), ("material", machine.material), ("draws from", machine.source), ("feeds", machine.feeds),
             ("faults", ", ".join(r["name"] for r in catalogue.faults() if r["applies_to"] == machine.kind))]  # fmt: skip
    show.facts([(k, v) for k, v in found if v], f"machine {name} ({plant.design.name})")
    show.table([catalogue.tag_row(t) for t in plant.table.tags[machine.first : machine.first + machine.count]])


# --- a design ---------------------------------------------------------------------------------------------


def _design(design: Design, language: str) -> None:
    tree = Tree(Text(f"{design.name}: {getattr(design.title, language)}", style="bold"))
    tree.add(Text(f"fleet: {design.fleet.trucks} trucks of {design.fleet.capacity_m3:g} m³"))
    for name, line in design.lines.items():
        branch = tree.add(Text(f"{name}: {line.rated_m3_h:g} m³/h, mixer {line.mixer.rated_m3:g} m³"))
        for title, parts in (("silos", line.silos), ("bins", line.bins), ("tanks", line.tanks)):
            stores = branch.add(title)
            for key, p in parts.items():  # type: ignore[attr-defined]
                stores.add(Text(f"{key}: {p.capacity_t:g} t of {p.material}"))
        weighers = branch.add("weighers")
        for key, w in line.weighers.items():
            feeders = ", ".join(f"{f} ({x.kind})" for f, x in w.feeders.items())
            weighers.add(Text(f"{key}: {w.capacity_kg:g} kg by {w.division_kg:g} kg, fed by {feeders}, empties to the {w.to}"))
    show.Screen().print(tree)
    show.table([{"material": k, "species": m.species, "title": getattr(m.title, language), "supplier": m.supplier}
                for k, m in design.materials.items()], "Materials")  # fmt: skip
    materials = list(dict.fromkeys(m for r in design.recipes for m in r.kg_m3))
    show.table([{"grade": r.grade, "MPa": r.strength_mpa, "slump mm": r.slump_mm, "mix s": r.mix_time_s} | {m: r.kg_m3.get(m, 0.0) for m in materials}
                | {"sum": round(sum(r.kg_m3.values()), 1)} for r in design.recipes], "Recipes, kg/m³")  # fmt: skip
    show.table(list(plan_rows(design)), "Site plan")
    show.table(list(figures(design)), "Figures")
    if design.sources:
        show.table([{"figures": k, "source": v} for k, v in design.sources.items()], "Sources of this design")


def plan_rows(design: Design) -> Iterator[dict[str, str]]:
    """Every measure of the site plan, with what is missing or unseen."""
    from twin.design.layout import measures

    for name, m in measures(design).items():
        unseen = [row["name"] for row in m.evidence if row.get("why")]
        yield {"measure": name, "value": "" if m.value is None else f"{m.value:,.2f}", "unit": m.unit,
               "remark": m.why or (f"unseen: {', '.join(unseen)}" if unseen else "")}  # fmt: skip


def figures(design: Design) -> Iterator[dict[str, str]]:
    """Every figure of a design with its unit, its source and a mark when that was not verified; parts alike share a row."""
    groups: dict[tuple[str, type], list[tuple[str, Part]]] = {}
    for group, label, part in _parts(design, "design", ""):
        groups.setdefault((group, type(part)), []).append((label, part))
    for (group, kind), parts in groups.items():
        title = group if sum(g == group for g, _ in groups) == 1 else f"{group} ({kind.__name__.lower()})"
        for field, info in kind.model_fields.items():  # type: ignore[attr-defined]
            extra = info.json_schema_extra
            if not isinstance(extra, dict) or "unit" not in extra:
                continue
            rows: dict[tuple[Any, str, bool], list[str]] = {}
            for label, part in parts:
                rows.setdefault((getattr(part, field), *_source(design, group, field, part, extra)), []).append(label)
            for (value, source, unverified), labels in rows.items():
                of = "" if parts[0][0] == group else "all" if len(labels) == len(parts) else ", ".join(labels)
                yield {"part": title, "figure": field, "value": catalogue.flat("", value),
                       "unit": str(extra["unit"]), "of": of, "source": source, "confidence": "unverified" if unverified else ""}  # fmt: skip


def _source(design: Design, group: str, field: str, part: Part, extra: dict[str, Any]) -> tuple[str, bool]:
    """Where a figure comes from, and whether that was not verified."""
    if field not in part.model_fields_set:
        return extra["source"], extra["confidence"] == "recalled"
    noted = design.sources.get(f"{group}.{field}") or design.sources.get(group)
    return noted or "this design", "recalled" in (noted or "")


def _parts(part: Part, group: str, label: str) -> Iterator[tuple[str, str, Part]]:
    from twin.equipment.part import Part

    yield group, label, part
    for name, value in part:
        if isinstance(value, Part):
            yield from _parts(value, name, name)
        elif isinstance(value, dict):
            for key, one in value.items():
                if isinstance(one, Part):
                    yield from _parts(one, name, key)


# --- a scenario -------------------------------------------------------------------------------------------


def _scenario(plan: Scenario, design: Design, language: str) -> None:
    from scenarios.booking import planned_loads

    all_loads, w = planned_loads(plan, design), plan.weather
    show.facts([("plant", f"{design.name}: {getattr(design.title, language)}"), ("starts", f"{plan.starts:%Y-%m-%d %H:%M}"),
                ("lasts", show.duration(plan.lasts)), ("fidelity", plan.fidelity), ("seed", str(plan.seed)),
                ("asks for", f"{sum(m3 for _, m3 in all_loads):,.0f} m³ in {len(all_loads)} loads"),
                ("weather", f"{w.air_c:g} ± {w.swing_c:g} °C" + (f", {w.season_c:g} °C over the year" if w.season_c else ""))],
               f"{plan.name}: {getattr(plan.title, language)}")  # fmt: skip
    if plan.orders:
        show.table([{"site": o.site, "grade": o.grade, "m³": o.volume_m3, "start": clock(o.start),
                     "every": show.duration(o.every) if o.every else "as trucks come",
                     "drive": show.duration(o.drive), "pour": show.duration(o.pour)} for o in plan.orders], "Orders")  # fmt: skip
    if plan.demand:
        d = plan.demand
        show.facts([("volume", f"{d.annual_m3:,.0f} m³ a year, {clock(d.opens)} to {clock(d.closes)}"),
                    ("grades", ", ".join(f"{g} {s:.0%}" for g, s in d.grades.items()))], "\nDemand")  # fmt: skip
    if plan.weather.rain:
        show.table([{"begins": clock(r.begins), "ends": clock(r.ends), "mm/h": r.mm_h} for r in plan.weather.rain], "Rain")
    if plan.faults:
        show.table([{"fault": f.fault, "target": f.target, "at": clock(f.at), "severity": "default" if f.severity is None else f.severity,
                     "onset": show.duration(f.onset),
                     "lasts": "until cleared" if f.lasts is None else show.duration(f.lasts)} for f in plan.faults], "Faults")  # fmt: skip
    if plan.deliveries:
        show.table([{"store": d.store, "at": clock(d.at)} for d in plan.deliveries], "Extra deliveries")
    recipes = [r for r in design.recipes if r.grade in {order.grade for order, _ in all_loads}]
    show.table([{"grade": r.grade, "MPa": r.strength_mpa, "slump mm": r.slump_mm, "kg/m³": ", ".join(f"{m} {kg:g}" for m, kg in r.kg_m3.items())}
                for r in recipes], "Recipes asked for")  # fmt: skip


def clock(seconds: float) -> str:
    """A time since the first midnight as `07:30`, with the day when it is a later one."""
    day, rest = divmod(round(seconds), 86400)
    return f"{rest // 3600:02d}:{rest % 3600 // 60:02d}" + (f" day {day + 1}" if day else "")
