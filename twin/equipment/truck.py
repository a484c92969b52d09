"""Truck: mixer trucks, diesel or battery, with their drum, instruments and place on the map."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.clock import TICK_S
from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import at, njit
from twin.kernels.mixing import blend_temperature_c, slump_mm
from twin.kernels.track import pass_times, position
from twin.kernels.transit import slump_left_mm, temperature_after_c
from twin.ledger import move, total_kg
from twin.tags import Equipment, parameter, sensor

# --- what it is ---------------------------------------------------------------------------------------


class Fleet(Part):
    """Mixer and pump trucks of the plant, and what keeps them moving."""

    trucks: int = figure(..., "count", "the plant's own", gt=0, le=500)
    battery: int = figure(0, "count", "of them electric", ge=0, le=500)
    capacity_m3: float = figure(..., "m3", "legal load of a 4-axle truck 6–7.5 m³ (31 t, MoT Order 2016 No. 62)", gt=0, le=20)
    capacities_m3: tuple[float, ...] = figure((), "m3", "of the first trucks, where they are not all alike")
    tare_kg: float = figure(14000.0, "kg", "4-axle mixer truck", recalled=True, gt=0, le=40000)
    limit_kg: float = figure(31000.0, "kg", "gross mass of a 4-axle truck, MoT Order 2016 No. 62 art. 3", gt=0, le=60000)
    diesel_l_km: tuple[float, float] = figure((0.32, 0.48), "L/km", "empty and loaded; engineering choice", recalled=True)
    battery_kwh_km: tuple[float, float] = figure((1.2, 1.9), "kWh/km", "empty and loaded; engineering choice", recalled=True)
    battery_kwh: float = figure(350.0, "kWh", "makers' usual pack; engineering choice", recalled=True, gt=0, le=2000)
    chargers: int = figure(4, "count", "charging posts at the plant; engineering choice", recalled=True, ge=0, le=500)
    charger_kw: float = figure(180.0, "kW", "engineering choice", recalled=True, gt=0, le=2000)
    pace_sd: float = figure(0.08, "-", "scatter of drivers about the traffic; engineering choice", recalled=True, ge=0, le=0.5)
    drive_limit_h: float = figure(
        4.0, "h", "at the wheel without a rest, Road Traffic Safety Regulations art. 62", recalled=True, gt=0, le=24
    )
    rest_min: float = figure(20.0, "min", "rest after that, ibid.", recalled=True, ge=0, le=600)
    shift_h: float = figure(12.0, "h", "of a driver; engineering choice", recalled=True, gt=0, le=24)
    drivers: int = figure(2, "count", "drivers to a truck, one after the other; engineering choice", recalled=True, ge=1, le=4)
    pumps: int = figure(3, "count", "pump trucks", recalled=True, ge=0, le=100)
    pump_setup_min: float = figure(25.0, "min", "unfold and prime; engineering choice", recalled=True, ge=0, le=240)
    positioning_s: float = figure(35.0, "s", "drive in and stop under the hopper; engineering choice", recalled=True, ge=0, le=600)
    residue_kg: float = figure(25.0, "kg", "concrete left in a drum; engineering choice", recalled=True, ge=0, le=1000)
    washout_kg: float = figure(400.0, "kg", "852 L a truck and day, cart-away.com washout survey, two washes", ge=0, le=5000)
    washout_places: int = figure(1, "count", "drums washed out at a time at each plant; engineering choice", recalled=True, ge=1, le=20)
    returned_share: float = figure(
        0.02, "of loads", "loads of which some comes back; 1–3 % of concrete is usual", recalled=True, ge=0, le=1
    )
    returned_m3: float = figure(0.6, "m3", "what comes back of such a load, mean; engineering choice", recalled=True, ge=0, le=20)
    blocks_m3_day: float = figure(6.0, "m3/day", "moulds for blocks of returned concrete; engineering choice", recalled=True, ge=0, le=500)
    dirt_kg: float = figure(4.0, "kg", "mud that a truck brings from a site on a dry day; engineering choice", recalled=True, ge=0, le=200)
    order_slots: int = figure(24, "count", "open orders that dispatch sees at a time; engineering choice", ge=1, le=200)

    def capacity_of(self, number: int) -> float:
        """Volume that a truck may carry, m³; numbers begin with 1."""
        return self.capacities_m3[number - 1] if number <= len(self.capacities_m3) else self.capacity_m3


# --- what state it has --------------------------------------------------------------------------------

STATES = (
    "parked", "driving to load", "queueing", "loading", "weighing out", "unloading excess", "washing", "driving out", "waiting", "pouring",
    "driving back", "weighing in", "washing out", "resting", "recharging", "off duty",
)  # fmt: skip
(PARKED, TO_LOAD, QUEUEING, LOADING, WEIGHING_OUT, UNLOADING, WASHING, DRIVING_OUT, WAITING, POURING,
 DRIVING_BACK, WEIGHING_IN, WASHING_OUT, RESTING, CHARGING, OFF_DUTY) = range(len(STATES))  # fmt: skip

# Drum speed by state, rpm: 6–10 to load, 1–3 to carry, 8–12 to pour (facts truck.drum_rpm, recalled).
RPM = np.array([0, 0, 0, 8, 3, 6, 3, 2.5, 2.5, 10, 0, 0, 8, 0, 0, 0], dtype=np.float64)
POINTS = 160  # of a way on the map

# `wet_tick`: when water met the cement of what it carries; `points` of its row in `State.tracks`, (time s, x km, y km).
DTYPE = np.dtype(
    [
        ("tag", "i8"), ("row", "i8"), ("holder", "i8"), ("state", "i8"), ("calm", "i8"), ("battery", "i8"), ("points", "i8"), ("wet_tick", "i8"), ("at", "i8"), ("order", "f8"), ("load_m3", "f8"),
        ("revolutions", "f8"), ("temp_c", "f8"), ("slump_mm", "f8"), ("slump_0_mm", "f8"), ("odometer_km", "f8"), ("charge", "f8"), ("wheel_s", "f8"), ("limit_km_h", "f8"), ("astray_now", "f8"),
        ("gps", "f8"), ("video", "f8"), ("leak", "f8"), ("broken", "f8"), ("speeding", "f8"), ("astray", "f8"), ("watered", "f8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (
    sensor("State", "what the truck does", "车辆状态", states=STATES),
    sensor("Order", "number of the order it serves", "任务单号", "count", 0, 1e9, kept=False),
    sensor("Load", "concrete in the drum as ordered", "装载方量", "m³", 0, 20, 0.001),
    sensor("X", "place, east", "位置（东）", "km", -500, 500, 0.001),
    sensor("Y", "place, north", "位置（北）", "km", -500, 500, 0.001),
    sensor("Speed", "speed by satellite", "车速", "km/h", 0, 160, 0.1),
    sensor("DrumSpeed", "speed of the drum", "罐体转速", "1/min", -20, 20, 0.1, kept=False),
    sensor("Revolutions", "turns of the drum since loading", "罐体累计转数", "count", 0, 1e6, kept=False),
    sensor("Age", "age of the concrete since water met cement", "混凝土龄期", "min", 0, 1e5, 0.1, kept=False),
    sensor("Temperature", "temperature of the concrete", "混凝土温度", "°C", -30, 90, 0.1, kept=False),
    sensor("Slump", "slump of the concrete, by the drum's pressure", "坍落度（罐压推算）", "mm", 0, 300, 1, kept=False),
    sensor("Odometer", "distance driven", "里程", "km", 0, 1e7, 0.01, kept=False),
    sensor("Charge", "battery or tank", "电量或油量", "%", 0, 100, 0.1, kept=False),
    sensor("AtWheel", "driver at the wheel since the last rest", "连续驾驶时间", "h", 0, 100, 0.01, kept=False),
    sensor("GpsLost", "no position", "定位中断", alarm=True, severity=300),
    sensor("VideoLost", "no picture", "视频中断", alarm=True, severity=300),
    sensor("Overspeed", "faster than the road allows", "超速", alarm=True, severity=500),
    sensor("OffRoute", "off the planned way", "偏离路线", alarm=True, severity=500),
    sensor("Leaking", "the leak guard is wet", "防漏罩漏浆", alarm=True, severity=500),
    sensor("BrokenDown", "broken down", "抛锚", alarm=True, severity=600),
    parameter("Battery", "runs on a battery", "是否电动"),
    parameter("Capacity", "volume that it may carry by drum and law", "允许装载方量", "m³"),
)
(STATE, ORDER, LOAD, X, Y, SPEED, DRUM_SPEED, REVOLUTIONS, AGE, TEMPERATURE, SLUMP, ODOMETER, CHARGE, AT_WHEEL, GPS_LOST, VIDEO_LOST, OVERSPEED, OFF_ROUTE,
 LEAKING, BROKEN_DOWN, BATTERY, CAPACITY) = range(len(TAGS))  # fmt: skip

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("gps-outage", "gps", 0, 1, 1, "-", ("GpsLost", "X", "Y"), "the satellite receiver gives no position", "卫星定位中断"),
    Fault("video-outage", "video", 0, 1, 1, "-", ("VideoLost",), "the camera gives no picture", "车载视频中断"),
    Fault("leaking-chute", "leak", 0, 50, 5, "kg/min", ("Leaking",), "slurry drips onto the road while loaded", "卸料槽漏浆"),
    Fault("breakdown", "broken", 0, 1, 1, "-", ("BrokenDown", "Speed"), "the truck stands until it is repaired", "车辆抛锚"),
    Fault("speeding-driver", "speeding", 0, 1, 0.4, "over the traffic", ("Overspeed", "Speed"), "the driver speeds", "超速行驶"),
    Fault("off-route", "astray", 0, 1, 1, "-", ("OffRoute",), "the driver takes another way", "偏离路线行驶"),
    Fault("water-added", "watered", 0, 500, 60, "kg", ("Slump",), "the driver adds water on the way", "途中加水"),
)


# --- how it is put in place ---------------------------------------------------------------------------

KG_M3 = 2400.0  # truck.density


def build(site: Site, number: int, fleet: Fleet, home: tuple[float, float]) -> Equipment:
    """Put a truck in place on the plant's yard."""
    name = f"Truck{number}"
    battery = number <= fleet.battery
    most = min(fleet.capacity_of(number), (fleet.limit_kg - fleet.tare_kg) / KG_M3)
    machine = site.table.add(
        name,
        "truck",
        TAGS,
        values={"Battery": float(battery), "Capacity": most, "X": home[0], "Y": home[1], "Charge": 100.0, "Temperature": 20.0},
    )
    site.place("truck", name, tag=machine.first, row=number - 1, holder=site.ledger.holder(name), battery=int(battery), wet_tick=-1, charge=1.0,
               temp_c=20.0, points=1)  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def turn(t: Any, p: Any, now: int) -> None:
    """Take the drum and what is in it up to now."""
    dt_s = (now - t.at) * TICK_S
    if dt_s <= 0.0:  # it is told late that it did something else by then
        return
    t.at = now
    t.revolutions += RPM[t.state] * dt_s / 60.0
    if t.load_m3 > 0.0:
        air_c = p.site[0].air_c
        t.slump_mm = slump_left_mm(t.slump_mm, t.temp_c, dt_s)
        t.temp_c = temperature_after_c(t.temp_c, air_c, t.load_m3, dt_s)


@njit
def take_over(t: Any, p: Any, what: int, now: int) -> None:
    """Take a truck up to now and over to another state."""
    turn(t, p, now)
    t.state = what
    t.calm = 0
    p.io[t.tag + STATE] = what


# What follows is called from Python several times a load, so it takes the handle of the plant's `State`; `k` counts trucks from 0.


@njit
def enter(state: Any, k: int, what: int, now: int) -> None:
    """Take a truck up to now and over to another state, a code of `STATES`."""
    p = at(state, "State")
    take_over(p.trucks[k], p, what, now)


@njit
def take_load(state: Any, k: int, volume_m3: float, wet_tick: int, now: int) -> float:
    """Concrete has fallen into an empty drum: `volume_m3` as ordered, water having met cement at `wet_tick`. Returns its mass, kg."""
    p = at(state, "State")
    t = p.trucks[k]
    turn(t, p, now)
    kg = p.ledger.stock[t.holder]
    t.load_m3 = volume_m3
    t.wet_tick = wet_tick
    t.slump_mm = slump_mm(kg, 0.0)
    t.temp_c = blend_temperature_c(kg, p.temperature_c)
    return total_kg(p.ledger, t.holder)


@njit
def set_out(
    state: Any, roads: Any, way: Any, k: int, what: int, weekend: int, clock_s: float, pace: float, now: int
) -> tuple[float, float, float]:
    """Take a truck over to a state on the road, and lay its way into its track, from now on.

    Args:
        roads, way: handles of the `Map` and of the `Route`.
        what: the state, a code of `STATES`.
        weekend: 1 for traffic of the weekend.
        clock_s: now, s after any midnight.
        pace: share of the traffic's speed.
        now: ticks.

    Returns:
        Duration, s; speed of the road on which the limit is exceeded most, or kept least, km/h; its limit, km/h.
    """
    p, map, route = at(state, "State"), at(roads, "Roads"), at(way, "Way")
    t = p.trucks[k]
    take_over(t, p, what, now)
    track, passed_s, places = p.tracks[t.row], map.passed_s, route.places
    pass_times(route.edge_s, map.factor[weekend], clock_s, pace, passed_s)
    n = min(len(places), POINTS)
    now_s = now * TICK_S
    speed, limit = 0.0, 1.0
    for i in range(n):
        track[i, 0] = now_s + passed_s[i]
        track[i, 1] = map.xy_km[places[i], 0]
        track[i, 2] = map.xy_km[places[i], 1]
        if i > 0:
            track[i, 3] = map.limit_km_h[route.kind[i - 1]]
            took_s = passed_s[i] - passed_s[i - 1]
            here = route.length_km[i - 1] / took_s * 3600.0 if took_s > 0.0 else 0.0
            if here * limit > speed * track[i, 3]:
                speed, limit = here, track[i, 3]
    t.points = n
    return passed_s[len(places) - 1], speed, limit


@njit
def arrive(state: Any, k: int, km: float, minutes: float, used: float) -> None:
    """A way is done: `used` is the share of the battery that it took, 0 for a diesel."""
    t = at(state, "State").trucks[k]
    t.odometer_km += km
    t.wheel_s += 60.0 * minutes
    t.charge = max(t.charge - used, 0.0)
    t.astray_now = 0.0


@njit
def pour(state: Any, k: int, link: int, residue_kg: float, share_kept: float) -> float:
    """Let the drum run out along a link but for a residue and a share of what it held. Returns what went, kg."""
    p = at(state, "State")
    held = total_kg(p.ledger, p.trucks[k].holder)
    return move(p.ledger, link, max(held - residue_kg - share_kept * held, 0.0))


@njit
def sense(t: Any, p: Any) -> None:
    """Position, drum, concrete and instruments; a parked truck is looked at once."""
    if t.calm > 0 and t.gps == 0.0 and t.video == 0.0 and t.broken == 0.0:
        return
    now, io, a = p.site[0].tick, p.io, t.tag
    turn(t, p, now)
    x, y, speed = position(p.tracks[t.row, :, 0], p.tracks[t.row, :, 1], p.tracks[t.row, :, 2], t.points, now * TICK_S)
    if t.broken > 0.5:
        speed = 0.0
    if t.gps < 0.5:
        io[a + X], io[a + Y], io[a + SPEED] = x, y, speed
    io[a + STATE], io[a + ORDER], io[a + LOAD] = t.state, t.order, t.load_m3
    io[a + DRUM_SPEED], io[a + REVOLUTIONS] = RPM[t.state], np.floor(t.revolutions)
    io[a + AGE] = (now - t.wet_tick) * TICK_S / 60.0 if t.load_m3 > 0.0 and t.wet_tick >= 0 else 0.0
    io[a + TEMPERATURE], io[a + SLUMP] = t.temp_c, t.slump_mm if t.load_m3 > 0.0 else 0.0
    io[a + ODOMETER], io[a + CHARGE], io[a + AT_WHEEL] = t.odometer_km, 100.0 * t.charge, t.wheel_s / 3600.0
    io[a + GPS_LOST], io[a + VIDEO_LOST] = t.gps, t.video
    io[a + OVERSPEED] = 1.0 if speed > 1.1 * t.limit_km_h and t.gps < 0.5 and t.limit_km_h > 0.0 else 0.0
    io[a + OFF_ROUTE] = 1.0 if t.astray_now > 0.5 and t.gps < 0.5 and speed > 0.0 else 0.0
    io[a + LEAKING] = 1.0 if t.leak > 0.0 and t.load_m3 > 0.0 else 0.0
    io[a + BROKEN_DOWN] = t.broken
    t.calm = 1 if t.state == PARKED or t.state == OFF_DUTY else 0
