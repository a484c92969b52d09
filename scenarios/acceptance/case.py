"""A case: a scenario to be played with a control program, what people do and what fails meanwhile, and what is checked afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from scenarios import schema
from scenarios.acceptance import conditions
from scenarios.acceptance.checks import AnyCheck
from scenarios.acceptance.conditions import Condition
from scenarios.acceptance.evidence import table_of
from scenarios.schema import Duration, Scenario
from twin.design.load import find, load_design, packaged, parse, read_yaml
from twin.design.schema import Design, Mistake, Title
from twin.design.schema import mistakes as design_mistakes
from twin.equipment.part import Part
from twin.errors import BadInput, BatchtwinError, nearest
from twin.faults import resolve
from twin.plant import Plant
from twin.tags import TagTable

CASES = "scenarios.acceptance.cases"


class Cue(Part):
    """When something is done: at a time, or as soon as a condition holds, and then `wait` later."""

    at: Duration | None = Field(None, description="time as in a scenario")
    when: Condition | None = None
    wait: Duration = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _one_of_both(self) -> Cue:
        if (self.at is None) == (self.when is None):
            raise ValueError("needs a time or a condition; give either 'at' or 'when'")
        return self


class Press(Cue):
    """Somebody writes a setpoint; a button is let go after `lasts`."""

    tag: str
    value: float = 1.0
    lasts: Duration | None = Field(1.0, gt=0, description="then 0 is written; null leaves the value")


class Strike(Cue):
    """A fault befalls a machine."""

    fault: str
    target: str
    severity: float | None = None
    onset: Duration = Field(0.0, ge=0)
    lasts: Duration | None = Field(None, ge=0)


class Case(Part):
    """One case of an acceptance suite."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: Title
    answer: Title = Field(description="what a good answer looks like")
    scenario: Scenario = Field(description="as in a scenario file; `name` and `title` are the case's when left out")
    changes: dict[str, Any] = Field(default_factory=dict, description="figures of the design that differ, by dotted field")
    operator: bool = Field(False, description="whether the simulated shift operator starts the line and answers")
    presses: list[Press] = Field(default_factory=list)
    strikes: list[Strike] = Field(default_factory=list)
    checks: list[AnyCheck] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _name_the_scenario(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("scenario"), dict):
            shared = {k: data[k] for k in ("name", "title") if k in data}
            data = data | {"scenario": shared | {"fidelity": "scan"} | data["scenario"]}
        return data

    @cached_property
    def design(self) -> Design:
        """The plant it is played on.

        Raises:
            BatchtwinError: there is no such design, or the changes do not fit it.
        """
        return changed(load_design(self.scenario.design), self.changes)


def changed(design: Design, changes: dict[str, Any]) -> Design:
    """A design with some figures changed; a dotted field such as `lines.Line1.silos.Cement1.initial_share`.

    Raises:
        BatchtwinError: E401 for a field that is not there or a value that does not fit.
    """
    if not changes:
        return design
    data = design.model_dump()
    for field, value in changes.items():
        *way, last = field.split(".")
        here: Any = data
        for key in way:
            if isinstance(here, list):
                here = here[int(key)] if key.isdigit() and int(key) < len(here) else None
            else:
                here = here.get(key) if isinstance(here, dict) else None
        if not isinstance(here, dict) or last not in here:
            raise BatchtwinError("E401", problem=f"{design.name} has no figure '{field}'", mend="see docs/design.md")
        here[last] = value
    try:
        return Design.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise BatchtwinError("E401", problem=f"{'.'.join(map(str, first['loc']))}: {first['msg']}", mend="correct it") from None


def mistakes(case: Case) -> Iterator[Mistake]:
    """What fits the schema and is still wrong."""
    try:
        design = case.design
    except BatchtwinError as error:
        problem, _, mend = str(error).splitlines()[0].partition("; ")
        yield ("changes",) if case.changes else ("scenario", "design"), problem, mend or "name a packaged design or a file beside the case"
        return
    for place, problem, mend in design_mistakes(design):
        yield ("changes",), f"{'.'.join(map(str, place))}: {problem}", mend
    for place, problem, mend in (*schema.mistakes(case.scenario, design), *schema.fault_mistakes(case.scenario, design)):
        yield ("scenario", *place), problem, mend
    if case.scenario.fidelity != "scan":
        yield ("scenario", "fidelity"), "batch fidelity plays the reference controller only", "leave it out"
    yield from _script_mistakes(case, design)
    table = table_of(design.model_dump_json())
    yield from _moment_mistakes(case, table)
    labels = [c.label for c in case.checks]
    for i, check in enumerate(case.checks):
        if labels.index(check.label) != i:
            yield ("checks", i), f"the name {check.label} stands twice", "give each check a name of its own"
        for place, text in check.mistakes(table):
            problem, _, mend = text.partition("; ")
            yield ("checks", i, *place), problem, mend or "correct it"


def _script_mistakes(case: Case, design: Design) -> Iterator[Mistake]:
    """Presses and strikes on what this plant has not."""
    plant = Plant(design)
    for i, press in enumerate(case.presses):
        try:
            tag = plant.table[press.tag]
        except BatchtwinError as error:
            yield ("presses", i, "tag"), str(error), "name a setpoint"
            continue
        if tag.direction != "setpoint":
            yield ("presses", i, "tag"), f"{tag.name} is a {tag.direction}", "people press setpoints only"
    for i, strike in enumerate(case.strikes):
        try:
            resolve(plant, strike.fault, strike.target, strike.severity)
        except BatchtwinError as error:
            yield ("strikes", i), str(error), "see 'batchtwin list faults'"
    begins, ends = case.scenario.midnight_s, case.scenario.midnight_s + case.scenario.lasts
    for group, cues in (("presses", case.presses), ("strikes", case.strikes)):
        for i, cue in enumerate(cues):
            if cue.at is not None and not begins <= cue.at < ends:
                yield (group, i, "at"), "lies before the start or after the end", "give a time within the scenario"
            for text in conditions.mistakes(cue.when, plant.table) if cue.when is not None else ():
                problem, _, mend = text.partition("; ")
                yield (group, i, "when"), problem, mend or "correct it"


def _moment_mistakes(case: Case, table: TagTable) -> Iterator[Mistake]:
    """Moments of checks that can never come about."""
    faults = {name for s in case.strikes for name in (s.fault, s.target)} | {
        name for f in case.scenario.faults for name in (f.fault, f.target)
    }
    alarms = {t.name for t in table if t.alarm}
    setpoints = {t.name for t in table if t.direction == "setpoint"}
    known = {"fault": faults, "fault-end": faults, "alarm": alarms, "alarm-end": alarms, "command": setpoints, "operator": setpoints}
    what = {"fault": "fault of this case", "alarm": "alarm tag", "command": "setpoint", "operator": "setpoint"}
    for i, check in enumerate(case.checks):
        for field, kind, name in check.events():
            if name not in known[kind]:
                yield ("checks", i, field), f"'{name}' is no {what[kind.removesuffix('-end')]}{nearest(name, known[kind])}", "correct it"


def case_names() -> list[str]:
    """Names of the packaged cases."""
    return list(packaged(CASES))


def load_case(name: str | Path) -> Case:
    """Read a case, packaged (`tolerances`) or from a YAML file.

    Raises:
        BatchtwinError: unknown name, unreadable file, or the list of its mistakes.

    Example:
        >>> load_case("tolerances").scenario.design
        'hzs180'
    """
    path = find(name, CASES, "case")
    data, node = read_yaml(path, "case")
    if isinstance(data.get("scenario"), dict):  # a design beside the case's file
        own = path.parent / str(data["scenario"].get("design", ""))
        if own.suffix in (".yaml", ".yml") and own.exists():
            data["scenario"]["design"] = str(own.resolve())
    return parse(path, "case", Case, data, node, mistakes)


def check_case(case: Case) -> None:
    """Check a case that was made in Python.

    Raises:
        BadInput: all mistakes, as `load_case` tells them of a file.
    """
    found = list(mistakes(case))
    if found:
        raise BadInput([BatchtwinError("E101", where=".".join(map(str, place)), problem=p, mend=m) for place, p, m in found])
