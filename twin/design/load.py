"""Reading YAML into a schema, with file, line and field of every mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from twin.errors import BadInput, BatchtwinError, unknown

if TYPE_CHECKING:
    from twin.design.schema import Design, Mistake

Model = TypeVar("Model", bound=BaseModel)
CATALOGUE = "twin.design.catalogue"
PLANS = "twin.design.plans"
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml reads ten times as fast
MAX_BYTES = 2_000_000


def packaged(package: str) -> dict[str, Path]:
    """Names and files of the YAML documents packaged in a folder."""
    folder = Path(str(resources.files(package)))
    return {p.stem: p for p in sorted(folder.glob("*.yaml"))}


def find(name: str | Path, package: str, kind: str) -> Path:
    """The file of a packaged name or of a path.

    Raises:
        BatchtwinError: E102 for an unknown name, with the nearest one; E104 for a folder.
    """
    known = packaged(package)
    if str(name) in known:
        return known[str(name)]
    path = Path(name)
    try:
        if path.is_dir():
            raise BatchtwinError("E104", path=path)
        if path.exists():
            return path
    except OSError as error:
        raise BatchtwinError("E103", path=path, problem=error.strerror or "unreadable") from None
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise BatchtwinError("E103", path=path, problem="no such file")
    raise unknown(kind, str(name), known)


def read_yaml(path: Path, kind: str) -> tuple[dict[str, Any], yaml.Node]:
    """The mapping in a YAML file and its node tree, which knows the lines.

    Raises:
        BatchtwinError: E103–E105.
    """
    if path.is_dir():
        raise BatchtwinError("E104", path=path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BatchtwinError("E103", path=path, problem=f"larger than {MAX_BYTES // 1_000_000} MB")
        text = path.read_text(encoding="utf-8")
        loader = LOADER(text)
        node = loader.get_single_node()
        data = loader.construct_document(node) if node is not None else None
    except OSError as error:
        raise BatchtwinError("E103", path=path, problem=error.strerror or "unreadable") from None
    except UnicodeDecodeError:
        raise BatchtwinError("E103", path=path, problem="not UTF-8 text") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise BatchtwinError("E103", path=path, problem=f"{line}{getattr(error, 'problem', None) or 'not YAML'}") from None
    except ValueError as error:  # a date such as 2026-02-30
        raise BatchtwinError("E103", path=path, problem=str(error)) from None
    if not isinstance(data, dict):
        raise BatchtwinError("E105", path=path, kind=kind)
    double = next(_doubles(node, set()), None)
    if double is not None:
        where = f"{path}:{double.start_mark.line + 1}: {double.value}"
        raise BatchtwinError("E101", where=where, problem="stands twice", mend="keep one of them")
    return data, node


def _doubles(node: yaml.Node, seen: set[int]) -> Iterator[yaml.ScalarNode]:
    """Keys that stand twice in one mapping; YAML itself would silently take the last."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    yield key
                keys.add(key.value)
            yield from _doubles(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _doubles(item, seen)


def line_of(node: yaml.Node | None, place: Iterable[str | int]) -> int:
    """Line of a field, or of the nearest field around it, counted from 1."""
    line = node.start_mark.line + 1 if node else 1
    for key in place:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(key)), None)
            if pair is None:
                continue
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
    return line


def parse(path: Path, kind: str, model: type[Model], data: dict[str, Any], node: yaml.Node,
          cross_check: Callable[[Model], Iterable[Mistake]] = lambda _: ()) -> Model:  # fmt: skip
    """Check data against a schema and its cross-check; all mistakes are told at once.

    Raises:
        BadInput: one E101 line a mistake, each naming file, line and field.
    """
    result, found = _read(model, data, cross_check)
    if found or result is None:
        raise BadInput(
            [BatchtwinError("E101", where=f"{path}:{line_of(node, place)}: {_dotted(place)}", problem=p, mend=m) for place, p, m in found]
        )
    return result


def parse_fields(kind: str, model: type[Model], data: dict[str, Any]) -> Model:
    """Check fields that came by a call against a schema; all mistakes are told at once.

    Raises:
        BadInput: one E101 line a mistake, each naming the field as `kind.field`.
    """
    result, found = _read(model, data)
    if found or result is None:
        raise BadInput(
            [BatchtwinError("E101", where=f"{kind}.{_dotted(place)}" if place else kind, problem=p, mend=m) for place, p, m in found]
        )
    return result


def _read(
    model: type[Model], data: dict[str, Any], cross_check: Callable[[Model], Iterable[Mistake]] = lambda _: ()
) -> tuple[Model | None, list[Mistake]]:
    """Data as a model, and what is wrong with them."""
    try:
        result = model.model_validate(data)
        return result, list(cross_check(result))
    except ValidationError as error:
        found = [(_place([k for k in e["loc"] if k != "[key]"], data), *plain(e, data)) for e in error.errors()]
        # Where one of several forms is right but for a part of it, that part is what is wrong, and not that it is not another form.
        return None, [m for m in found if not any(len(o[0]) > len(m[0]) and o[0][: len(m[0])] == m[0] for o in found)]


def _place(loc: Sequence[str | int], data: Any) -> tuple[str | int, ...]:
    """A pydantic location without the tags of unions, which no file contains."""
    place: list[str | int] = []
    for key in loc:
        try:
            data = data[key]
        except (KeyError, IndexError):
            if key is not loc[-1] or "[" in str(key):  # a form's own name, such as tuple[float, float]
                continue
        except TypeError:  # nothing in it has a name
            continue
        place.append(key)
    return tuple(place)


def _dotted(place: Iterable[str | int]) -> str:
    return ".".join(str(p) for p in place) or "the file"


def plain(error: Any, data: dict[str, Any]) -> tuple[str, str]:
    """A pydantic error as problem and mend in plain words."""
    from twin.equipment.part import NAME

    kind, context, value = error["type"], error.get("ctx", {}), error.get("input")
    shown = repr(value) if isinstance(value, (int, float, str, bool)) else type(value).__name__
    if kind == "extra_forbidden":
        return "unknown field", "remove it or correct its name"
    if kind == "missing":
        return "missing field", "add it"
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        sign = {"greater_than": ">", "greater_than_equal": "≥", "less_than": "<", "less_than_equal": "≤"}[kind]
        return f"{shown} is out of range", f"give a value {sign} {context[{'>': 'gt', '≥': 'ge', '<': 'lt', '≤': 'le'}[sign]]:g}"
    if kind == "literal_error":
        return f"{shown} is not one of the choices", f"choose {context['expected']}"
    if kind.startswith("union_tag"):
        return "unknown kind", f"choose {context.get('expected_tags', context.get('discriminator', 'a kind'))}"
    if kind == "too_short":
        return "is empty", "give at least one entry"
    if kind == "string_pattern_mismatch" and context.get("pattern") == NAME:
        return f"{shown} is no name of a machine", "use letters, digits, - and _ only"
    message = error["msg"].removeprefix("Value error, ")
    problem, _, mend = message.partition("; ")
    return (f"{problem} (got {shown})" if "got" not in problem and not mend else problem), mend or "correct it"


MOST_BASES = 8


def laid_on_base(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    """A design `based_on` another is that one with its own fields laid over: mappings field by field, `null` takes a field out."""
    chain = []
    _find_plan(path, data)
    while isinstance(data.get("based_on"), str):
        name = data.pop("based_on")
        near = path.parent / name
        path = near if near.suffix in (".yaml", ".yml") and near.exists() else find(name, CATALOGUE, "design")
        chain.append(data)
        if len(chain) > MOST_BASES:
            raise BatchtwinError("E101", where=f"{path}: based_on", problem="designs are based on each other", mend="break the circle")
        data = read_yaml(path, "design")[0]
        _find_plan(path, data)
    for over in reversed(chain):
        data = _laid_over(data, over)
    return data


def _find_plan(path: Path, data: dict[str, Any]) -> None:
    """Name the file of a design's site plan: one beside the design, or a packaged one."""
    site = data.get("site")
    if not isinstance(site, dict) or not isinstance(site.get("plan"), str):
        return
    known = {p.stem: p for p in sorted(Path(str(resources.files(PLANS))).glob("*.geojson"))}
    file = known.get(site["plan"], path.parent / site["plan"])
    if not file.exists():
        problem, mend = f"no site plan '{site['plan']}'", f"give a GeoJSON file, or one of {', '.join(known)}"
        raise BatchtwinError("E101", where=f"{path}: site.plan", problem=problem, mend=mend)
    data["site"] = site | {"plan": str(file)}


def _with_plan(data: dict[str, Any]) -> dict[str, Any]:
    """A design with the fields of its site plan's file; what the design itself says of the site is laid over them."""
    site = data.get("site")
    if not isinstance(site, dict) or not isinstance(site.get("plan"), str):
        return data
    from twin.design.geojson import read_plan

    own = {k: v for k, v in site.items() if k != "plan"}
    return data | {"site": _laid_over(read_plan(Path(site["plan"])), own)}


def _laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = _laid_over(out[key], value)
        else:
            out[key] = value
    return out


def load_design(name: str | Path) -> Design:
    """Read a plant design, packaged (`hzs180`) or from a YAML file.

    Raises:
        BatchtwinError: unknown name, unreadable file, or the list of its mistakes.

    Example:
        >>> load_design("hzs180").lines["Line1"].mixer.rated_m3
        3.0
    """
    from twin.design.schema import Design, mistakes  # the machines bring the compiler with them

    path = find(name, CATALOGUE, "design")
    data, node = read_yaml(path, "design")
    data = _with_plan(laid_on_base(path, data))
    if isinstance(data.get("recipes"), str):
        book = find(data["recipes"], "twin.design.recipes", "recipe book")
        data["recipes"] = read_yaml(book, "recipe book")[0].get("recipes")
    return parse(path, "design", Design, data, node, mistakes)
