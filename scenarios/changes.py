"""What a branch of a run changes, in words: `fault=leaking-gate@Line1.Feeder.Sand1:0.05; rain=40,2h; order=C30:60@Bridge`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from scenarios.durations import Duration
from scenarios.schema import Dispatch
from scenarios.simulation import Simulation
from twin import faults
from twin.design.load import parse_fields
from twin.equipment.part import Part
from twin.errors import BatchtwinError, unknown

KINDS = ("fault", "rain", "order", "write", "dispatch", "controller")


class FaultNow(Part):
    """A fault that befalls a machine."""

    fault: str = Field(min_length=1, max_length=120)
    target: str = Field(min_length=1, max_length=120)
    severity: float | None = None
    lasts: Duration | None = Field(None, gt=0, le=400 * 86400)


class RainNow(Part):
    """Rain from now on, on top of the weather."""

    mm_h: float = Field(gt=0, le=300)
    lasts: Duration = Field(3600.0, gt=0, le=400 * 86400)


class OrderNow(Part):
    """Concrete that is wanted at once."""

    grade: str = Field(min_length=1, max_length=120)
    volume_m3: float = Field(gt=0, le=5000)
    site: str = Field("order", min_length=1, max_length=60)


class Changes(Part):
    """What is otherwise from the moment on; nothing, when all is left out."""

    faults: list[FaultNow] = Field(default_factory=list, max_length=20)
    rain: RainNow | None = None
    orders: list[OrderNow] = Field(default_factory=list, max_length=20)
    writes: dict[str, float] = Field(default_factory=dict, max_length=50, description="setpoints by tag")
    dispatch: Dispatch | None = Field(None, description="another rule that sends the trucks")
    controller: Literal["reference"] | None = Field(None, description="the reference program, new, in place of what runs")

    def check(self, sim: Simulation) -> None:
        """Whether they fit a run.

        Raises:
            BatchtwinError: the first thing that does not.
        """
        table = sim.plant.table
        for f in self.faults:
            faults.resolve(sim.plant, f.fault, f.target, f.severity)
        for order in self.orders:
            if order.grade not in sim.fleet.grades:
                raise unknown("recipe", order.grade, sim.fleet.grades)
        for name, value in self.writes.items():
            tag = table[name]
            if tag.direction != "setpoint":
                raise BatchtwinError("E302", name=name, direction=tag.direction, who="a branch")
            if not tag.low <= value <= tag.high:
                raise BatchtwinError(
                    "E101", where=name, problem=f"{value:g} is out of range", mend=f"give {tag.low:g} to {tag.high:g} {tag.unit}"
                )
        if self.controller and sim.fidelity == "batch":
            raise BatchtwinError("E401", problem="batch fidelity plays the compiled reference controller only", mend="use fidelity scan")

    def __call__(self, sim: Simulation) -> None:
        """Make them."""
        if self.controller:
            sim.control_by(self.controller)
        if self.dispatch:
            sim.send_by(self.dispatch)
        if self.rain:
            sim.rain(self.rain.mm_h, self.rain.lasts)
        for f in self.faults:
            sim.inject(f.fault, f.target, f.severity, 0.0, f.lasts)
        for order in self.orders:
            sim.place_order(order.grade, order.volume_m3, order.site)
        for name, value in self.writes.items():
            sim.write(name, value, "branch")


def in_words(changes: Changes) -> str:
    """Changes as `parse` reads them."""
    c = changes
    said = [
        f"fault={f.fault}@{f.target}{'' if f.severity is None else f':{f.severity:g}'}{f',{f.lasts:g}s' if f.lasts else ''}"
        for f in c.faults
    ]
    said += [f"rain={c.rain.mm_h:g},{c.rain.lasts:g}s"] if c.rain else []
    said += [f"order={o.grade}:{o.volume_m3:g}@{o.site}" for o in c.orders] + [f"write={tag}:{value:g}" for tag, value in c.writes.items()]
    said += [f"{kind}={value}" for kind, value in (("dispatch", c.dispatch), ("controller", c.controller)) if value]
    return "; ".join(said)


def parse(text: str) -> Changes:
    """Changes from words; an empty text changes nothing.

    Raises:
        BatchtwinError: E101 for what cannot be read, E102 for a kind of change that does not exist.

    Example:
        >>> parse("rain=40,2h; dispatch=nearest").rain
        RainNow(mm_h=40.0, lasts=7200.0)
    """
    data: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in text.split(";"))):
        kind, _, value = (p.strip() for p in part.partition("="))
        if kind not in KINDS:
            raise unknown("change", kind, KINDS)
        if not value:
            raise BatchtwinError("E101", where=part, problem="nothing after '='", mend=f"see 'batchtwin fork --help' for {kind}")
        if kind == "fault":
            data.setdefault("faults", []).append(_fault(value))
        elif kind == "order":
            rest, _, site = value.partition("@")
            grade, _, m3 = rest.partition(":")
            data.setdefault("orders", []).append({"grade": grade, "volume_m3": m3} | ({"site": site} if site else {}))
        elif kind == "write":
            tag, _, number = value.rpartition(":")
            data.setdefault("writes", {})[tag] = number
        elif kind == "rain":
            mm_h, _, lasts = value.partition(",")
            data["rain"] = {"mm_h": mm_h} | ({"lasts": lasts} if lasts else {})
        else:
            data[kind] = value
    return parse_fields("branch", Changes, data)


def _fault(value: str) -> dict[str, Any]:
    """`NAME@MACHINE[:SEVERITY][,LASTS]`."""
    rest, _, lasts = value.partition(",")
    name, _, where = rest.partition("@")
    target, _, severity = where.partition(":")
    return {"fault": name, "target": target} | ({"severity": severity} if severity else {}) | ({"lasts": lasts} if lasts else {})
