"""Basin: a pit, settling tank, slurry tank, clear-water or rainwater tank; with an agitator where slurry is kept.

What it holds is a suspension above a bed of sludge. Without stirring the solids settle; over its weir it loses suspension.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.mixing import DENSITY
from twin.kernels.random import normal
from twin.kernels.water import GRAIN_M, hindered, settling_m_s, solids_kg, solids_share, volume_m3
from twin.ledger import ADMIXTURE, FINES, N_SPECIES, WATER, book, move, total_kg
from twin.tags import Equipment, actuator, parameter, sensor, setpoint, status

# --- what it is ---------------------------------------------------------------------------------------


class Basin(Part):
    """Basin of the water loop."""

    volume_m3: float = figure(..., "m3", "layout of the design", gt=0, le=100000)
    area_m2: float = figure(..., "m2", "layout of the design; floor and free surface", gt=0, le=50000)
    initial_share: float = figure(0.3, "of volume", "scenario start", ge=0, le=1)
    initial_solids: float = figure(0.0, "kg/kg", "scenario start", ge=0, le=0.3)
    agitator_kw: float = figure(0.0, "kW", "0 for none; 7.5 kW for about 80 m³, maker practice", recalled=True, ge=0, le=200)
    covered: bool = False
    overflows_to: str = "discharge"


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [
        ("tag", "i8"), ("turn", "i8"), ("key", "i8"), ("holder", "i8"), ("sludge", "i8"), ("settle", "i8"), ("stir", "i8"), ("over", "i8"), ("rain", "i8"), ("vapour", "i8"),
        ("motor", "i8"), ("agitated", "i8"), ("covered", "i8"), ("capacity_m3", "f8"), ("area_m2", "f8"), ("agitator_kw", "f8"),
        ("level_m3", "f8"), ("bed_m3", "f8"), ("turning", "f8"), ("still_s", "f8"), ("stalled", "f8"), ("over_kg_s", "f8"),
        ("trip", "f8"), ("level_offset", "f8"), ("solids_offset", "f8"), ("leak", "f8"), ("seep", "i8"), ("lost", "i8"),
    ]
)  # fmt: skip

# --- what it shows ------------------------------------------------------------------------------------

PLAIN = (
    sensor("Level", "level, share of volume", "液位", "%", 0, 120, 0.1),
    sensor("Sludge", "bed of sludge, share of volume", "沉泥占比", "%", 0, 120, 0.1),
    sensor("High", "high level switch", "高液位开关"),
    sensor("Overflowing", "water runs over the weir", "溢流"),
    parameter("Capacity", "volume up to the weir", "有效容积", "m³", 0, 1e5),
)
# Over the last weir water leaves the site.
LAST = tuple(replace(t, alarm=True, severity=700) if t.name == "Overflowing" else t for t in PLAIN)
STIRRED = (
    sensor("Solids", "solids by mass (density meter)", "含固量（密度计）", "%", 0, 100, 0.01),
    actuator("AgitatorRun", "run the agitator", "搅拌器运行"),
    sensor("AgitatorRunning", "agitator turns", "搅拌器运转"),
    sensor("AgitatorStalled", "agitator stalled in settled sludge", "搅拌器被沉泥卡死", alarm=True, severity=700),
    setpoint("AgitatorReset", "jet the sludge loose and reset the agitator", "冲散沉泥并复位搅拌器"),
    status("AgitatorFailure", "agitator does not answer its command", "搅拌器未响应", alarm=True, severity=600),
)
TAGS = PLAIN + STIRRED
LEVEL, SLUDGE, HIGH, OVERFLOWING, CAPACITY, SOLIDS = range(len(PLAIN) + 1)
AGITATOR_RUN, AGITATOR_RUNNING, AGITATOR_STALLED, AGITATOR_RESET, AGITATOR_FAILURE = range(len(PLAIN) + 1, len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault(
        "agitator-trip", "trip", 0, 1, 1, "-", ("AgitatorRunning", "Sludge"), "the agitator's motor protection has tripped", "搅拌器跳闸"
    ),
    Fault("level-offset", "level_offset", -100, 100, -20, "%", ("Level",), "the level sensor reads wrong", "液位计偏差"),
    Fault("density-meter-drift", "solids_offset", -20, 20, -2, "%", ("Solids",), "the density meter reads wrong", "密度计偏差"),
    Fault("leaking-basin", "leak", 0, 50, 1, "kg/s", ("Level",), "the basin leaks", "池体渗漏"),
)

HIGH_SHARE = 0.90
STIR_S = 120.0  # a turning agitator takes up the bed within minutes (engineering choice)
SET_S = 4 * 3600.0  # settled slurry stiffens over hours (engineering choice)
STALL_BED = 0.15  # of the volume: more stiff sludge than that stalls the agitator (engineering choice)
JET_S = 1800.0  # half an hour of jetting loosens it
BED_SOLIDS = 0.45  # kg/kg, settled sludge before pressing (engineering choice)
AIRLESS = BED_SOLIDS / (1.0 - BED_SOLIDS)  # solids over water in the bed
SCOURED = 0.25  # free share of the volume below which the flow over the bed keeps solids up (engineering choice)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, name: str, cfg: Basin, over: str) -> Equipment:
    """Put a basin in place, part filled. `over` names the holder below its weir.

    A leak goes to `discharge`, as what is lost that way is process water; it passes a holder of its own, so that the books tell
    it from the weir.
    """
    ledger = site.ledger
    holder, sludge, leak = ledger.holder(name), ledger.holder(f"{name}.Sludge"), ledger.holder(f"{name}.Leak")
    stirred = cfg.agitator_kw > 0
    tags = (LAST if over == "discharge" else PLAIN) + (STIRRED if stirred else ())
    machine = site.table.add(name, "basin", tags, values={"Capacity": cfg.volume_m3})
    water = cfg.volume_m3 * cfg.initial_share / (1 / DENSITY[WATER] + cfg.initial_solids / (1 - cfg.initial_solids) / DENSITY[FINES])
    ledger.open_with(holder, {WATER: water, FINES: water * cfg.initial_solids / (1 - cfg.initial_solids)})
    site.place(
        "basin", name, tag=machine.first, holder=holder, sludge=sludge, settle=ledger.link(holder, sludge), stir=ledger.link(sludge, holder),
        over=ledger.link(holder, ledger.holder(over)), rain=ledger.link(ledger.holder("rain"), holder), vapour=ledger.link(holder, ledger.holder("air")),
        seep=ledger.link(holder, leak), lost=ledger.link(leak, ledger.holder("discharge")), motor=site.motor(f"{name}.Agitator", cfg.agitator_kw) if stirred else -1,
        agitated=int(stirred), covered=int(cfg.covered), capacity_m3=cfg.volume_m3, area_m2=cfg.area_m2, agitator_kw=cfg.agitator_kw,
    )  # fmt: skip
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def step(b: Any, p: Any, dt_s: float) -> None:
    """Rain and evaporation, stirring or settling, the weir."""
    kg = p.ledger.stock[b.holder]
    site = p.site[0]
    if not b.covered:
        if site.rain_mm_h > 0.0:
            book(p.ledger, b.rain, WATER, site.rain_mm_h * b.area_m2 * dt_s / 3600.0)  # 1 mm on 1 m² is 1 kg
        dry = site.dries_kg_m2_s * b.area_m2 * dt_s
        book(p.ledger, b.vapour, WATER, min(dry, 0.5 * max(kg[WATER], 0.0)))
    if b.leak > 0.0:
        move(p.ledger, b.seep, b.leak * dt_s)
        move(p.ledger, b.lost, 1e9)
    bed_kg = total_kg(p.ledger, b.sludge)
    if b.agitated:
        agitate(b, p, bed_kg, dt_s)
    if b.turning < 0.5 and solids_kg(kg) > 0.0:
        settle(b, p, kg, dt_s)
    b.bed_m3 = volume_m3(p.ledger.stock[b.sludge])
    b.level_m3 = volume_m3(kg) + b.bed_m3
    b.over_kg_s = 0.0
    excess = b.level_m3 - b.capacity_m3
    if excess > 0.0:  # the bed always fits, so the excess is part of the suspension
        b.over_kg_s = move(p.ledger, b.over, total_kg(p.ledger, b.holder) * excess / (b.level_m3 - b.bed_m3)) / dt_s
        b.level_m3 -= excess


@njit
def agitate(b: Any, p: Any, bed_kg: float, dt_s: float) -> None:
    """Turn and take up the bed; stiff sludge stalls the agitator until it is jetted loose."""
    run = p.io[b.tag + AGITATOR_RUN] > 0.5 and b.trip < 0.5 and b.stalled < 0.5
    if run and b.turning < 0.5 and b.bed_m3 * (1.0 - np.exp(-b.still_s / SET_S)) > STALL_BED * b.capacity_m3:
        b.stalled = 1.0
        run = False
    b.turning = 1.0 if run else 0.0
    if run:
        b.still_s = 0.0
        if bed_kg > 0.0:
            move(p.ledger, b.stir, bed_kg * (1.0 - np.exp(-dt_s / STIR_S)) if bed_kg > 1e-6 else 1.0)
        p.motors[b.motor, 0] += dt_s
        p.motors[b.motor, 1] += b.agitator_kw * dt_s
        return
    b.still_s += dt_s
    if p.io[b.tag + AGITATOR_RESET] > 0.5:
        b.still_s *= np.exp(-dt_s / JET_S)
        if b.bed_m3 * (1.0 - np.exp(-b.still_s / SET_S)) < 0.5 * STALL_BED * b.capacity_m3:
            b.stalled = 0.0


@njit
def settle(b: Any, p: Any, kg: Any, dt_s: float) -> None:
    """Each species falls at its hindered velocity through the well-mixed suspension and takes its pore water along.

    For a steady flow Q through an area A this gives the overflow C = C_in / (1 + v·A/Q). As the bed nears the weir the flow
    above it scours: settling fades with the free volume, and what comes in goes over the weir.
    """
    free_m3 = max(b.capacity_m3 - volume_m3(p.ledger.stock[b.sludge]), 0.0)
    calm = min(free_m3 / (SCOURED * b.capacity_m3), 1.0)
    volume = volume_m3(kg)
    if volume <= 0.0:
        return
    crowd = 0.0
    for s in range(N_SPECIES):
        if s not in (WATER, ADMIXTURE):
            crowd += kg[s] / DENSITY[s]
    crowd /= volume
    for s in range(N_SPECIES):
        if s in (WATER, ADMIXTURE) or kg[s] <= 0.0:
            continue
        v = calm * hindered(settling_m_s(GRAIN_M[s], DENSITY[s]), GRAIN_M[s], crowd)
        down = kg[s] * (1.0 - np.exp(-v * b.area_m2 * dt_s / volume))
        down = min(down, kg[WATER] * AIRLESS, free_m3 / (1.0 / DENSITY[s] + 1.0 / (AIRLESS * DENSITY[WATER])))
        free_m3 -= down * (1.0 / DENSITY[s] + 1.0 / (AIRLESS * DENSITY[WATER]))
        book(p.ledger, b.settle, s, down)
        book(p.ledger, b.settle, WATER, down / AIRLESS)


@njit
def sense(b: Any, p: Any) -> None:
    """Level, sludge blanket, weir, density."""
    share = 100.0 * b.level_m3 / b.capacity_m3
    p.io[b.tag + LEVEL] = min(max(share + b.level_offset, 0.0), 120.0)
    p.io[b.tag + SLUDGE] = min(100.0 * b.bed_m3 / b.capacity_m3, 120.0)
    p.io[b.tag + HIGH] = 1.0 if share > 100.0 * HIGH_SHARE else 0.0
    p.io[b.tag + OVERFLOWING] = 1.0 if b.over_kg_s > 0.01 else 0.0
    if b.agitated:
        z = normal(p.site[0].seed, b.key + 1, p.site[0].tick)
        solids = 100.0 * solids_share(p.ledger.stock[b.holder])
        p.io[b.tag + SOLIDS] = min(max(solids * (1.0 + 0.01 * z) + b.solids_offset, 0.0), 100.0)
        p.io[b.tag + AGITATOR_RUNNING] = b.turning
        p.io[b.tag + AGITATOR_STALLED] = b.stalled
