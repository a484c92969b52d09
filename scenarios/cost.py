"""What a run costs, CNY: materials, energy, drivers, what goes wrong, and the plant's own capital for as long as the run lasts.

Prices stand in `costs.yaml` and are engineering choices, «unverified»; a file of the same fields, or some of them, takes their place.
Water, sand and stone that were won back cost nothing, as in `carbon.py`. Capital is an annuity by the life of each thing (k = i / (1 − (1 + i)^−n)).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pydantic import Field

from scenarios import carbon
from scenarios.run import Run
from twin.design.load import parse, read_yaml
from twin.equipment.part import Part

if TYPE_CHECKING:
    import pandas as pd

PRICES = Path(__file__).with_name("costs.yaml")
YEAR_S = 365 * 86400.0
ITEMS = ("materials", "electricity", "fuel", "drivers", "waste", "late", "capital")


class Lasting(Part):
    """Something that is bought once, CNY, and serves for years."""

    value: float = Field(ge=0, le=1e9)
    years: float = Field(gt=0, le=100)


class Prices(Part):
    """Prices, CNY without VAT; fields as in `costs.yaml`."""

    materials_cny_t: dict[str, float]
    electricity_cny_kwh: float = Field(ge=0)
    feed_in_cny_kwh: float = Field(ge=0)
    diesel_cny_l: float = Field(ge=0)
    battery_cny_kwh: float = Field(ge=0)
    driver_cny_h: float = Field(ge=0)
    returned_cny_m3: float = Field(ge=0)
    tip_cny_t: float = Field(ge=0)
    discharge_cny_m3: float = Field(ge=0)
    late_cny_m3: float = Field(ge=0)
    capital: dict[str, Lasting]
    interest: float = Field(ge=0, le=1)


def prices(path: str | None = None) -> Prices:
    """The packaged prices, with those of a file laid over.

    Raises:
        BatchtwinError: unreadable file, or the list of its mistakes.
    """
    own = yaml.safe_load(PRICES.read_text(encoding="utf-8"))
    if path is None:
        return Prices.model_validate(own)
    data, node = read_yaml(Path(path), "price")
    for group in ("materials_cny_t", "capital"):
        if isinstance(data.get(group), dict):
            data[group] = own[group] | data[group]
    return parse(Path(path), "price", Prices, own | data, node)


def breakdown(run: Run, p: Prices, grid: pd.DataFrame, bought: dict[str, float]) -> dict[str, float]:
    """CNY of a run by item, see `ITEMS`.

    Args:
        grid: `carbon.energy(run)`.
        bought: `carbon.bought_share(run)`.
    """
    batches, trips, ledger = run.table("batches"), run.table("deliveries"), run.table("ledger")
    materials = sum(total(batches, f"{s}_kg") / 1000 * bought.get(s, 1.0) * p.materials_cny_t.get(s, 0.0) for s in carbon.SPECIES)
    battery = pc.equal(trips["energy"], "battery")
    fuel = (
        total(trips.filter(pc.invert(battery)), "energy_used") * p.diesel_cny_l
        + total(trips.filter(battery), "energy_used") * p.battery_cny_kwh
    )
    hours = (total(trips, "returned_s") - total(trips.filter(pc.is_valid(trips["returned_s"])), "left_s")) / 3600
    late = pc.greater(trips["pour_s"], pc.add(trips["due_s"], trips["late_s"]))
    waste = (total(run.table("returned"), "volume_m3") * p.returned_cny_m3 + moved_kg(ledger, "tip") / 1000 * p.tip_cny_t
             + moved_kg(ledger, "discharge") / 1000 * p.discharge_cny_m3)  # fmt: skip
    span_s = float(run.outcome["sim_seconds"])
    return {
        "materials": float(materials),
        "electricity": float(grid.grid_kwh.sum() * p.electricity_cny_kwh - grid.fed_in_kwh.sum() * p.feed_in_cny_kwh),
        "fuel": fuel, "drivers": hours * p.driver_cny_h, "waste": waste, "late": total(trips.filter(late), "volume_m3") * p.late_cny_m3,
        "capital": capital_cny_year(run.info["design"], p) * span_s / YEAR_S,
    }  # fmt: skip


def total(table: pa.Table, column: str) -> float:
    """Sum of a column, nulls left out."""
    return float(pc.sum(table[column]).as_py() or 0.0)


def moved_kg(ledger: pa.Table, holder: str, column: str = "target") -> float:
    """What a run's ledger carried to a holder, or from it."""
    return total(ledger.filter(pc.equal(ledger[column], holder)), "kg")


def capital_cny_year(design: dict[str, Any], p: Prices) -> float:
    """What the plant costs a year, bought with borrowed money."""
    lines, fleet = design["lines"].values(), design["fleet"]
    count = {
        "line_cny_m3": sum(line["mixer"]["rated_m3"] for line in lines),
        "silo_cny_t": sum(s["capacity_t"] for line in lines for s in line["silos"].values()),
        "bin_cny_t": sum(b["capacity_t"] for line in lines for b in line["bins"].values()),
        "yard_cny_t": sum(b["yard_capacity_t"] for line in lines for b in line["bins"].values()),
        "tank_cny_t": sum(t["capacity_t"] for line in lines for t in line["tanks"].values()),
        "basin_cny_m3": sum(b["volume_m3"] for b in design["water"]["basins"].values()),
        "truck_cny": fleet["trucks"] - fleet["battery"], "battery_truck_cny": fleet["battery"],
        "charger_cny": fleet["chargers"] if fleet["battery"] else 0, "pump_cny": fleet["pumps"], "solar_cny_kw": design["solar_kwp"],
    }  # fmt: skip
    return sum(n * p.capital[what].value * annuity(p.interest, p.capital[what].years) for what, n in count.items())


def annuity(interest: float, years: float) -> float:
    """Share of a price that is paid each year."""
    return interest / (1 - (1 + interest) ** -years) if interest else 1 / years
