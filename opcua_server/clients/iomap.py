"""The map of a bridge: which tag of the plant is which node of a PLC. A CSV file, a row a tag."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asyncua import ua

from twin.errors import BadInput, BatchtwinError, nearest
from twin.tags import Tag, TagTable

COLUMNS = ("tag", "node", "scale", "offset", "invert")
FOR_PEOPLE = ("direction", "type", "unit", "range", "en", "zh")  # the template has them; they are not read
BEAT = "@scan"  # no tag: the number of the scan, written last, by which a PLC knows that the bridge lives
WRITTEN, READ = ("sensor", "setpoint"), ("actuator", "status")
WORDS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
NODE = re.compile(
    r"(?:ns=(?P<ns>\d{1,5});|nsu=(?P<uri>[^;]+);)?(?P<id>i=\d{1,10}|s=.+|g=[0-9a-fA-F-]{36}|b=[A-Za-z0-9+/]+={0,2})", re.DOTALL
)
EXAMPLE = "write ns=4;s=NAME, nsu=URI;s=NAME or ns=4;i=NUMBER"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the map.

    Attributes:
        tag: name of the tag, or `@scan`.
        text: the node as it stands in the file.
        node: its NodeId; the namespace index is that of the file, or 0 when `uri` tells the namespace.
        uri: of the namespace, "" when the index is given.
        scale, offset: value of the tag = value of the node × scale + offset.
        invert: true in the plant is false in the PLC.
        where: file, line and tag, for messages.
    """

    tag: str
    text: str
    node: ua.NodeId
    uri: str = ""
    scale: float = 1.0
    offset: float = 0.0
    invert: bool = False
    where: str = ""


def parse_node(text: str) -> tuple[ua.NodeId, str]:
    """A NodeId and the URI of its namespace, "" when the text has an index.

    Raises:
        ValueError: it is no NodeId.
    """
    match = NODE.fullmatch(text)
    if match is None or int(match["ns"] or 0) > 0xFFFF or (match["id"][0] == "i" and int(match["id"][2:]) > 0xFFFFFFFF):
        raise ValueError(text)
    try:
        bare = ua.NodeId.from_string(match["id"])
    except ua.UaError as error:
        raise ValueError(text) from error
    return ua.NodeId(bare.Identifier, int(match["ns"] or 0), bare.NodeIdType), (match["uri"] or "").replace("%3B", ";").replace("%25", "%")


def load_map(path: str | Path, table: TagTable) -> list[Row]:
    """Read a map.

    Args:
        path: CSV file in UTF-8 with the columns `tag,node[,scale,offset,invert]`; rows without a node are left out.
        table: tags of the plant.

    Raises:
        BadInput: every mistake in the file, with its line.
        BatchtwinError: the file cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"cannot be read ({error.strerror or error})"
        raise BatchtwinError(
            "E101", where=path, problem=problem, mend="give a readable CSV file; 'batchtwin bridge --template' writes one"
        ) from None
    mistakes: list[BatchtwinError] = []
    rows: list[Row] = []
    for line, fields in _lines(text, str(path), mistakes):
        where = f"{path}:{line}: {fields['tag'] or fields['node']}"
        try:
            rows.append(_row(fields, where, table))
        except BatchtwinError as error:
            mistakes.append(error)
    mistakes += _doubles(rows, table)
    if not rows and not mistakes:
        mistakes.append(_wrong(path, "maps nothing", "give at least one tag its node"))
    if mistakes:
        raise BadInput(mistakes)
    return rows


def _lines(text: str, path: str, mistakes: list[BatchtwinError]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and fields of each row that has a node; comments and empty lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    header: list[str] = []
    for cells in reader:
        cells = [c.strip() for c in cells]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if not header:
            header = [c.lower() for c in cells]
            known = (*COLUMNS, *FOR_PEOPLE)
            mistakes += [_wrong(f"{path}:{reader.line_num}", f"no column '{c}'", _near(c, known, f"columns are {', '.join(COLUMNS)}"))
                         for c in header if c not in known]  # fmt: skip
            mistakes += [_wrong(f"{path}:{reader.line_num}", f"column '{c}' is missing", f"begin the file with {','.join(COLUMNS)}")
                         for c in COLUMNS[:2] if c not in header]  # fmt: skip
            mistakes += [
                _wrong(f"{path}:{reader.line_num}", f"column '{c}' stands twice", "remove one") for c in COLUMNS if header.count(c) > 1
            ]
            if mistakes:
                return
            continue
        if len(cells) > len(header):
            mistakes.append(
                _wrong(f"{path}:{reader.line_num}", f"{len(cells)} fields for {len(header)} columns", "put fields with commas into quotes")
            )
            continue
        fields = dict.fromkeys(COLUMNS, "") | dict(zip(header, cells, strict=False))
        if fields["node"]:
            yield reader.line_num, fields


def _row(fields: dict[str, str], where: str, table: TagTable) -> Row:
    """A row, checked against the tag table."""
    name = fields["tag"]
    if name != BEAT:
        if name not in table:
            raise _wrong(where, f"no tag '{name}'", _near(name, [t.name for t in table], "see 'batchtwin list tags'"))
        if table[name].direction == "parameter":
            raise _wrong(where, "is a parameter, which neither side writes", "leave it out")
    try:
        node, uri = parse_node(fields["node"])
    except ValueError:
        raise _wrong(where, f"'{fields['node']}' is no NodeId", EXAMPLE) from None
    figures = {"scale": 1.0, "offset": 0.0}
    for key in figures:
        if fields[key]:
            try:
                figures[key] = float(fields[key])
            except ValueError:
                figures[key] = math.nan
            if not math.isfinite(figures[key]) or (key == "scale" and figures[key] == 0):
                raise _wrong(where, f"{key} '{fields[key]}'", "give a number" + (" other than 0" if key == "scale" else ""))
    if fields["invert"].lower() not in WORDS:
        raise _wrong(where, f"invert '{fields['invert']}'", "give 1 or leave it empty")
    invert = WORDS[fields["invert"].lower()]
    plain = name == BEAT
    boolean = not plain and table[name].dtype == "bool"
    if (boolean or plain) and (figures["scale"], figures["offset"]) != (1.0, 0.0):
        raise _wrong(where, "a scale or offset does not go with it", "leave them empty")
    if invert and not boolean:
        raise _wrong(where, "only booleans can be inverted", "leave invert empty")
    return Row(name, fields["node"], node, uri, figures["scale"], figures["offset"], invert, where)


def _doubles(rows: list[Row], table: TagTable) -> Iterator[BatchtwinError]:
    """Tags that stand twice, and nodes that would be written by more than one tag."""
    tags: dict[str, Row] = {}
    nodes: dict[tuple[str, ua.NodeId], Row] = {}
    for row in rows:
        if row.tag in tags:
            yield _wrong(row.where, f"stands twice (first at {tags[row.tag].where})", "remove one")
            continue
        tags[row.tag] = row
        first = nodes.setdefault((row.uri, row.node), row)
        if first is not row and not (_is_output(row, table) and _is_output(first, table)):
            yield _wrong(row.where, f"node {row.text} belongs to {first.tag} already", "give each its own; only outputs may share one")


def _is_output(row: Row, table: TagTable) -> bool:
    return row.tag != BEAT and table[row.tag].direction in READ


def bridge_template(table: TagTable) -> str:
    """A map of all tags that can be mapped, with empty nodes, for a person to fill in."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *FOR_PEOPLE))
    writer.writerow((BEAT, "", "", "", "", "counter", "int", "count", "", "number of the scan, written last", "扫描号，最后写入"))
    writer.writerows(_template_row(t) for t in table if t.direction != "parameter")
    return text.getvalue()


def _template_row(tag: Tag) -> tuple[str, ...]:
    way = {"sensor": "to PLC", "setpoint": "to PLC, PLC may reset", "actuator": "from PLC", "status": "from PLC"}[tag.direction]
    span = (
        " ".join(f"{i}={s}" for i, s in enumerate(tag.states))
        if tag.states
        else ""
        if tag.dtype == "bool"
        else f"{tag.low:g}..{tag.high:g}"
    )
    return tag.name, "", "", "", "", f"{tag.direction} ({way})", tag.dtype, tag.unit, span, tag.en, tag.zh


def _wrong(where: str | Path, problem: str, mend: str) -> BatchtwinError:
    return BatchtwinError("E101", where=where, problem=problem, mend=mend)


def _near(name: str, known: Iterator[str] | list[str] | tuple[str, ...], otherwise: str) -> str:
    return nearest(name, known).removeprefix("; ") or otherwise


__all__ = ["BEAT", "READ", "WRITTEN", "Row", "bridge_template", "load_map", "parse_node"]
