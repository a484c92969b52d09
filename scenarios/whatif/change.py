"""What is otherwise, in words: `fleet.battery=15; scenario.weather.air_c=35`, laid over a design and a scenario and checked by their schemas.

A path is a field of the design, or of the scenario: `scenario.` in front says which, and may be left out where only the scenario has the field
(`dispatch=plan`, `weather.air_c=35`, `orders.0.volume_m3=300`). A name that a mapping does not have yet adds to it
(`lines.Line1.silos.Cement3={material: cement-42.5, capacity_t: 200}`); `null` takes one out. `controller=MODULE:NAME` is the controller's own.
`declared.safety_training=true` is a fact that the plant would declare to a judge.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from scenarios.judging.declared import Declared, known_facts
from scenarios.schema import Scenario
from twin.design.load import parse_fields
from twin.design.schema import Design, mistakes
from twin.errors import BadInput, BatchtwinError, nearest

CONTROLLER, DECLARED = "controller", "declared"
ROOTS = {"design": Design, "scenario": Scenario}


@dataclass(frozen=True, slots=True)
class Base:
    """A day on a plant, which changes are laid over, and what the plant declares to a judge."""

    scenario: Scenario
    design: Design
    declared: Declared | None = None


def parse_changes(text: str) -> dict[str, Any]:
    """Changes from words: `path=value` joined by `;`, each value as YAML has it.

    Raises:
        BatchtwinError: E101 when one is no `path=value`, or its value is no YAML.

    Example:
        >>> parse_changes("fleet.battery=15; weather.air_c=35.5")
        {'fleet.battery': 15, 'weather.air_c': 35.5}
    """
    out: dict[str, Any] = {}
    for piece in filter(None, map(str.strip, text.split(";"))):
        path, sign, value = (part.strip() for part in piece.partition("="))
        if not sign or not path or not value:
            raise BatchtwinError("E101", where=f"change '{piece}'", problem="is no path=value", mend="write it as fleet.battery=15")
        try:
            out[path] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise BatchtwinError("E101", where=f"change '{piece}'", problem=f"'{value}' is no YAML value", mend="quote it") from None
    return out


def changed(base: Base, changes: Mapping[str, Any]) -> Base:
    """The base with changes laid over it. Whether the scenario still fits the plant is `scenarios.schema.check`'s to say.

    Raises:
        BatchtwinError: E501 for a field that does not exist; BadInput for values that do not fit.
    """
    data = {"design": base.design.model_dump(mode="json"), "scenario": base.scenario.model_dump(mode="json")}
    touched, facts = set(), {}
    for path, value in changes.items():
        if path == CONTROLLER:
            continue
        root, keys = split(path)
        if root == DECLARED:
            facts[keys[0]] = value
            continue
        _put(path, data[root], ROOTS[root], keys, value)
        touched.add(root)
    design = parse_fields("design", Design, data["design"]) if "design" in touched else base.design
    scenario = parse_fields("scenario", Scenario, data["scenario"]) if "scenario" in touched else base.scenario
    wrong = [BatchtwinError("E101", where=".".join(map(str, place)), problem=p, mend=m) for place, p, m in mistakes(design)]
    if wrong:
        raise BadInput(wrong)
    return Base(scenario, design, _declared(base, facts) if facts else base.declared)


def _declared(base: Base, facts: Mapping[str, Any]) -> Declared:
    """What the plant would declare: the value is new, its date and document stay; one that is not declared yet gets those of the run."""
    held: dict[str, Any] = base.declared.model_dump() if base.declared else {"plant": base.design.name, "facts": {}}
    for key, value in facts.items():
        if key not in known_facts():
            raise BatchtwinError("E501", where=f"{DECLARED}.{key}", name=key, near=nearest(key, known_facts()))
        if value is None:
            held["facts"].pop(key, None)
        else:
            new = {"date": base.scenario.starts.date(), "document": "as if declared"}
            held["facts"][key] = held["facts"].get(key, new) | {"value": value}
    return parse_fields(DECLARED, Declared, held)


def split(path: str) -> tuple[str, list[str]]:
    """To which root a path belongs, `design`, `scenario` or `declared`, and its keys there."""
    first, *rest = path.split(".")
    if (first in ROOTS and rest) or (first == DECLARED and len(rest) == 1):
        return first, rest
    of_scenario = first in Scenario.model_fields and first not in Design.model_fields
    return ("scenario" if of_scenario else "design"), [first, *rest]


def _put(path: str, data: Any, model: Any, keys: Sequence[str], value: Any) -> None:
    """Set a value deep inside plain data, led by the schema."""
    kinds: list[Any] = [model]
    for i, key in enumerate(keys):
        last = i == len(keys) - 1
        kinds, known = _within(kinds, key)
        if isinstance(data, list):
            known = [str(n) for n in range(len(data))]
        elif isinstance(data, dict) and not last:
            known = known or list(data)
        there = key in known if known else isinstance(data, dict) and (last or key in data)
        if not kinds or not there or not isinstance(data, (dict, list)):
            if i == 0 and model is Design:
                known = [*known, *Scenario.model_fields]
            raise BatchtwinError("E501", where=path, name=key, near=nearest(key, known or (list(data) if isinstance(data, dict) else [])))
        at: Any = int(key) if isinstance(data, list) else key
        if last:
            if value is None and isinstance(data, dict):
                data.pop(at, None)
            else:
                data[at] = value
        else:
            if isinstance(data, dict) and data.get(at) is None:
                data[at] = {}  # an optional part that is not given yet
            data = data[at]


def _within(kinds: Iterable[Any], key: str) -> tuple[list[Any], list[str]]:
    """What types a key leads to from any of some types, and the fields that models among them have."""
    found, known = [], []
    for kind in _models(kinds):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            known += list(kind.model_fields)
            if key in kind.model_fields:
                found.append(kind.model_fields[key].annotation)
        elif get_origin(kind) is dict:
            found.append(get_args(kind)[1])
        elif get_origin(kind) in (list, tuple):
            found.append(get_args(kind)[0])
    return found, known


def _models(kinds: Iterable[Any]) -> Iterable[Any]:
    """Types without unions and annotations around them."""
    for kind in kinds:
        if get_origin(kind) is Annotated:
            yield from _models(get_args(kind)[:1])
        elif get_origin(kind) in (Union, types.UnionType):
            yield from _models(get_args(kind))
        else:
            yield kind
