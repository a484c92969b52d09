"""Acting on the plant: each request is one command of the session. Only who drives may; see `people.Wheel`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from dashboards.live.hub import alarm_state
from dashboards.live.people import Person
from dashboards.live.refusal import Refusal
from dashboards.live.site import driving, site_of, somebody, with_right
from twin.plant import faults

router = APIRouter(prefix="/api")
Driver = Annotated[Person, Depends(driving)]
Somebody = Annotated[Person, Depends(somebody)]
Instructor = Annotated[Person, Depends(with_right("faults"))]
Name = Annotated[str, Field(min_length=1, max_length=120)]


class Body(BaseModel):
    """What a request brings; unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Control(Body):
    """Ask for control, or give it away."""

    action: Literal["ask", "hand_over"]
    to: str = Field("", max_length=64)


class Clock(Body):
    """What time shall do."""

    action: Literal["start", "pause", "step", "speed"]
    scans: int = Field(1, ge=1, le=600)
    speed: str = Field("", max_length=20)


class Write(Body):
    """A value for a tag."""

    tag: Name
    value: float


class Switch(Body):
    """A hand switch: a value holds the actuator there, null gives it back."""

    tag: Name
    value: float | None


class Seen(Body):
    """An alarm that somebody has seen."""

    name: Name
    comment: str = Field("", max_length=500)


class OrderForm(Body):
    """Concrete to be made."""

    grade: Name
    volume_m3: float = Field(gt=0, le=5000)
    site: str = Field("order", min_length=1, max_length=60)


class FaultForm(Body):
    """A fault to befall a machine."""

    fault: Name
    target: Name
    severity: float | None = None
    onset_s: float = Field(0.0, ge=0, le=86400)
    duration_s: float | None = Field(None, gt=0, le=400 * 86400)


class Mended(Body):
    """A fault to be ended."""

    fault: Name
    target: Name


@router.get("/me")
def me(request: Request, person: Somebody) -> dict[str, Any]:
    """Who one is and who drives."""
    return {"key": person.key, "name": person.name, "role": person.role, "may": sorted(person.may), **site_of(request).who()}


@router.post("/control")
async def control(request: Request, body: Control, person: Somebody) -> dict[str, Any]:
    """Ask for control of the plant, or hand it over."""
    wheel = site_of(request).wheel
    if body.action == "ask":
        wheel.ask(person)
    else:
        wheel.hand_over(person, body.to)
    return site_of(request).who()


@router.post("/time")
async def time(request: Request, body: Clock, person: Annotated[Person, Depends(with_right("time"))]) -> dict[str, Any]:
    """Start, pause, step, or another speed. With a login an instructor need not drive for it."""
    site = site_of(request)
    if site.gate is None:
        site.wheel.drive(person)
    live = site.live
    if body.action == "start":
        live.start()
    elif body.action == "pause":
        live.pause()
    elif body.action == "speed":
        if body.speed == "lockstep":
            raise Refusal(422, ("lockstep is for controllers", "give a number or max"), ("lockstep 用于外部控制器", "请给出数值或 max"))
        live.set_speed(body.speed)
    else:
        await live.step(body.scans)
    return {"state": live.state, "speed": live.speed_text, "t": live.tick / 100}


@router.post("/write")
async def write(request: Request, body: Write, person: Driver) -> dict[str, Any]:
    """Write a tag as people do: setpoints, the local panel, and actuators while the line is in manual mode."""
    live = site_of(request).live
    tag = live.sim.plant.table[body.tag]
    if tag.writer not in person.writes and not live.by_hand(tag):
        raise Refusal(403, (f"{tag.name} is not written by people", "use a setpoint"), (f"{tag.name} 不由人工写入", "请使用设定值"))
    if not tag.low <= body.value <= tag.high:
        mend = f"{tag.low:g} … {tag.high:g} {tag.unit}"
        raise Refusal(
            422,
            (f"{tag.name} = {body.value:g} is out of range", f"give {mend}"),
            (f"{tag.name} = {body.value:g} 超出范围", f"请给出 {mend}"),
        )
    live.write(body.tag, body.value, person.name)
    site_of(request).hub.tell("write", name=body.tag, value=body.value, by=person.name, at_s=live.tick / 100)
    return {"tag": body.tag, "value": body.value}


@router.post("/switch")
async def switch(request: Request, body: Switch, person: Driver) -> dict[str, Any]:
    """Turn the hand switch of a pump, fan, agitator, spray or washing."""
    site = site_of(request)
    tag = site.live.sim.plant.table[body.tag]
    if body.value is not None and not tag.low <= body.value <= tag.high:
        raise Refusal(
            422,
            (f"{body.value:g} is out of range", f"give {tag.low:g} … {tag.high:g}"),
            (f"{body.value:g} 超出范围", f"请给出 {tag.low:g} … {tag.high:g}"),
        )
    site.live.switch(body.tag, body.value, person.name)
    site.hub.tell("switch", name=body.tag, value=body.value, by=person.name, at_s=site.live.tick / 100)
    return {"tag": body.tag, "value": body.value}


@router.get("/alarms")
async def alarms(request: Request, person: Somebody) -> dict[str, Any]:
    """Alarms that concern people still, newest first, and the number of the last event they include."""
    site = site_of(request)
    standing = sorted((a for a in site.live.alarms if a.retain), key=lambda a: -a.changed)
    return {"last_event": site.hub.last_event, "alarms": [alarm_state(a, site.live.tick) for a in standing]}


@router.post("/alarms/acknowledge")
async def acknowledge(request: Request, body: Seen, person: Driver) -> dict[str, Any]:
    """Somebody has seen an alarm."""
    live = site_of(request).live
    live.alarms.acknowledge(body.name, person.name, body.comment or None)
    return alarm_state(live.alarms.find(body.name), live.tick)


@router.get("/orders")
async def orders(request: Request, person: Somebody) -> list[dict[str, Any]]:
    """Open orders."""
    return site_of(request).live.sim.orders


@router.post("/orders")
async def place_order(request: Request, body: OrderForm, person: Driver) -> dict[str, Any]:
    """Order concrete; the first truck is due at once."""
    loads = site_of(request).live.sim.place_order(body.grade, body.volume_m3, body.site)
    return {"loads": loads}


@router.get("/faults")
async def standing_faults(request: Request, person: Instructor) -> list[dict[str, Any]]:
    """Faults that are there now, in the order of the plant's machines."""
    plant = site_of(request).live.sim.plant
    found = []
    for name, kinds in faults().items():
        for kind, fault in kinds:
            for machine in plant.table.of_kind(kind):
                value = float(plant.record(machine.name)[fault.field])
                if value:
                    found.append({"fault": name, "target": machine.name, "severity": value, "en": fault.en, "zh": fault.zh})
    return found


@router.post("/faults")
async def inject(request: Request, body: FaultForm, person: Instructor) -> dict[str, Any]:
    """Let a fault befall a machine."""
    site_of(request).live.sim.inject(body.fault, body.target, body.severity, body.onset_s, body.duration_s)
    return {"fault": body.fault, "target": body.target}


@router.post("/faults/clear")
async def clear(request: Request, body: Mended, person: Instructor) -> dict[str, Any]:
    """End a fault."""
    site_of(request).live.sim.clear(body.fault, body.target)
    return {"fault": body.fault, "target": body.target}
