"""A site plan as GeoJSON in local metres: each feature says its `kind` and `name`, and its other properties are the fields of the design."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from twin.design.grounds import Building, Camera, Drain, Ground, KeyPoint, Outline, Part, Road, Walkway, Wall
from twin.design.site import Place, SitePlan
from twin.equipment.monitor import Monitor
from twin.errors import BadInput, BatchtwinError

# Kind of a feature: field of the plan, what it is, and which field holds the geometry of which type.
KINDS: dict[str, tuple[str, type[Part], dict[str, str]]] = {
    "building": ("buildings", Building, {"Polygon": "outline"}),
    "wall": ("walls", Wall, {"LineString": "ends"}),
    "road": ("roads", Road, {"LineString": "line"}),
    "walkway": ("walkways", Walkway, {"LineString": "line"}),
    "green": ("green", Ground, {"Polygon": "outline"}),
    "paved": ("paved", Ground, {"Polygon": "outline"}),
    "drain": ("drains", Drain, {"LineString": "line"}),
    "camera": ("cameras", Camera, {"Point": "at"}),
    "key_point": ("key_points", KeyPoint, {"Point": "at"}),
    "monitor": ("monitors", Monitor, {"Point": "at"}),
    "neighbour": ("neighbours", Monitor, {"Point": "at"}),
    "place": ("places", Place, {"Point": "at", "LineString": "line"}),
}
MAX_BYTES = 5_000_000


def as_geojson(plan: SitePlan) -> dict[str, Any]:
    """A plan as a FeatureCollection that `read_plan` reads back to the same plan; of dust, sprays and sound it says nothing."""
    features = [_feature("boundary", "Boundary", "Polygon", plan.boundary, {})]
    for kind, (group, _, geometries) in KINDS.items():
        for name, part in getattr(plan, group).items():
            fields = part.model_dump(mode="json", exclude_unset=True)
            shape, field = next((s, f) for s, f in geometries.items() if fields.get(f) is not None)
            features.append(_feature(kind, name, shape, fields[field], {k: v for k, v in fields.items() if k not in geometries.values()}))
    return {"type": "FeatureCollection", "features": features}


def as_text(plan: SitePlan) -> str:
    """A plan as GeoJSON, a line a feature."""
    features = ",\n".join(json.dumps(f, ensure_ascii=False) for f in as_geojson(plan)["features"])
    return f'{{"type": "FeatureCollection", "features": [\n{features}\n]}}\n'


def _feature(kind: str, name: str, shape: str, points: Any, more: dict[str, Any]) -> dict[str, Any]:
    ring = [[*points, points[0]]] if shape == "Polygon" else points
    return {"type": "Feature", "properties": {"kind": kind, "name": name} | more, "geometry": {"type": shape, "coordinates": ring}}


def read_plan(path: Path) -> dict[str, Any]:
    """The fields of a site plan in a GeoJSON file.

    Raises:
        BatchtwinError: E103, E104 when it cannot be read.
        BadInput: one E101 line a mistake, each naming file and feature.
    """
    data = _json(path)
    features = data.get("features") if isinstance(data, dict) and data.get("type") == "FeatureCollection" else None
    if not isinstance(features, list):
        raise BatchtwinError(
            "E101", where=path, problem="is no FeatureCollection", mend='give {"type": "FeatureCollection", "features": […]}'
        )
    plan: dict[str, Any] = {}
    wrong: list[BatchtwinError] = []
    for number, feature in enumerate(features, 1):
        properties = feature.get("properties") if isinstance(feature, dict) else None
        label = properties.get("name") if isinstance(properties, dict) else None
        try:
            _take(plan, feature)
        except _Wrong as error:
            where = f"{path}: feature {number}" + (f" ({label})" if label else "")
            wrong += [BatchtwinError("E101", where=where, problem=p, mend=m) for p, m in error.args]
    if wrong:
        raise BadInput(wrong)
    return plan


class _Wrong(Exception):
    """Problems of a feature, each with its mend."""


def _json(path: Path) -> Any:
    if path.is_dir():
        raise BatchtwinError("E104", path=path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BatchtwinError("E103", path=path, problem=f"larger than {MAX_BYTES // 1_000_000} MB")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BatchtwinError("E103", path=path, problem=error.strerror or "unreadable") from None
    except UnicodeDecodeError:
        raise BatchtwinError("E103", path=path, problem="not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise BatchtwinError("E103", path=path, problem=f"line {error.lineno}: no JSON, {error.msg}") from None
    except (RecursionError, ValueError):
        raise BatchtwinError("E103", path=path, problem="no JSON that can be read") from None


def _take(plan: dict[str, Any], feature: Any) -> None:
    """Put a feature into the plan."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict):
        raise _Wrong(("has no properties", 'give {"kind": …, "name": …}'))
    more = dict(properties)
    kind, name = more.pop("kind", None), more.pop("name", None)
    geometry = feature.get("geometry")
    if not isinstance(geometry, dict):
        raise _Wrong(("has no geometry", "draw it in metres"))
    if kind == "boundary":
        if "boundary" in plan:
            raise _Wrong(("is a second boundary", "keep one of them"))
        plan["boundary"] = _checked(TypeAdapter(Outline), _points(geometry, ("Polygon",)))
        return
    if not isinstance(kind, str) or kind not in KINDS:
        raise _Wrong((f"unknown kind {kind!r}", f"choose boundary, {', '.join(KINDS)}"))
    group, model, geometries = KINDS[kind]
    if not isinstance(name, str) or not name:
        raise _Wrong(("has no name", "give one"))
    if name in plan.get(group, {}):
        raise _Wrong((f"is a second {kind} of this name", "give each its own"))
    field = geometries.get(str(geometry.get("type")))
    fields = more | {field or "": _points(geometry, tuple(geometries))}
    plan.setdefault(group, {})[name] = _checked(TypeAdapter(model), fields).model_dump(exclude_unset=True)


def _points(geometry: dict[str, Any], shapes: tuple[str, ...]) -> Any:
    """The coordinates of a geometry; of a polygon its outline without the corner that closes it."""
    shape, coordinates = geometry.get("type"), geometry.get("coordinates")
    if shape not in shapes:
        raise _Wrong((f"is a {shape}", f"draw a {' or a '.join(shapes)}"))
    if shape != "Polygon":
        return coordinates
    if not isinstance(coordinates, list) or len(coordinates) != 1 or not isinstance(coordinates[0], list):
        raise _Wrong(("is no polygon of one ring", "give one ring of corners; a hole is drawn around in pieces"))
    ring = coordinates[0]
    return ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring


def _checked(kind: TypeAdapter[Any], value: Any) -> Any:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise _Wrong(*dict.fromkeys(_told(e) for e in error.errors())) from None


def _told(error: Any) -> tuple[str, str]:
    """Problem and mend of a wrong field; wrong coordinates are one problem, however many they are."""
    from twin.design.load import plain

    where, context = error["loc"], error.get("ctx", {})
    if any(isinstance(key, int) for key in where):
        return "has a corner that is no point in metres", "give [x, y], each within ±5000 m"
    if error["type"] in ("too_short", "too_long"):
        short = error["type"] == "too_short"
        return (
            f"has too {'few' if short else 'many'} points",
            f"give {'at least' if short else 'at most'} {context['min_length' if short else 'max_length']}",
        )
    problem, mend = plain(error, {})
    return f"{'.'.join(where)}: {problem}" if where else problem, mend
