"""Moisture probe: microwave sensor at the outlet of an aggregate bin."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.aggregate_bin import moisture
from twin.equipment.part import Fault, Part, Site, figure
from twin.jit import njit
from twin.kernels.random import normal
from twin.tags import Equipment, sensor

# --- what it is ---------------------------------------------------------------------------------------


class MoistureProbe(Part):
    """Microwave moisture probe in one bin."""

    bin: str
    accuracy_percent: float = figure(0.2, "%", "protemgroup.com hydro-probe", ge=0, le=5)


# --- what state it has --------------------------------------------------------------------------------

DTYPE = np.dtype(
    [("tag", "i8"), ("key", "i8"), ("line", "i8"), ("bin", "i8"), ("accuracy", "f8"), ("shown", "f8"), ("offset", "f8"), ("freeze", "f8")]
)

# --- what it shows ------------------------------------------------------------------------------------

TAGS = (sensor("Moisture", "moisture, water over dry mass", "含水率（干基）", "%", 0, 25, 0.01),)
(MOISTURE,) = range(len(TAGS))

# --- how it can fail ----------------------------------------------------------------------------------

FAULTS = (
    Fault("wrong-moisture", "offset", -10, 10, 2, "%", ("Moisture",), "the probe is badly calibrated", "含水率标定错误"),
    Fault("moisture-freeze", "freeze", 0, 1, 1, "-", ("Moisture",), "the reading stands still", "含水率读数冻结"),
)


# --- how it is put in place ---------------------------------------------------------------------------


def build(site: Site, line: int, name: str, cfg: MoistureProbe, bin_machine: Equipment) -> Equipment:
    """Put a probe into a bin that stands already; control then goes by it instead of the laboratory's figure."""
    machine = site.table.add(name, "moisture_probe", TAGS, bin_machine.material, source=bin_machine.name)
    number = site.find("aggregate_bin", bin_machine.name)
    site.records["aggregate_bin"][number]["seen_tag"] = machine.first + MOISTURE
    site.place("moisture_probe", name, tag=machine.first, line=line, bin=number, accuracy=cfg.accuracy_percent)
    return machine


# --- how it behaves -----------------------------------------------------------------------------------


@njit
def sense(m: Any, p: Any) -> None:
    """Moisture of the bin with the probe's error; half of the accuracy is one standard deviation."""
    if m.freeze < 0.5:
        b = p.bins[m.bin]
        z = normal(p.site[0].seed, m.key + 6, p.site[0].tick)
        m.shown = min(max(100.0 * moisture(p.ledger, b.holder, b.species) + 0.5 * m.accuracy * z + m.offset, 0.0), 25.0)
    p.io[m.tag + MOISTURE] = m.shown
