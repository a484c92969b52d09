"""Energy and carbon of a run: what the grid gave, what the sun gave, and kilograms of CO2e by module A1 to A4.

A1 materials and A2 their transport follow the true masses of each batch, A3 the electricity of the batch's calendar day by volume, A4
the delivery of its share of the load (EN 15804 modules; factors in `carbon_factors.yaml`). Water, sand and stone that were won
back carry nothing: what enters is counted where it is bought, so A1 takes batch masses less the share won back.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from scenarios.run import Run

FACTORS = Path(__file__).with_name("carbon_factors.yaml")
DAY_S = 86400.0
SPECIES = ("cement", "fly_ash", "slag", "sand", "stone", "water", "admixture", "fines")
INVERTER, GAMMA = 0.96, -0.0035  # PVWatts: nominal efficiency; power lost for each °C of the cells (recalled)
CELL_RISE_C = 30.0  # of a roof module over the air at 1000 W/m² (engineering choice)


@lru_cache(maxsize=1)
def factors() -> dict[str, Any]:
    """The factors with their sources."""
    data: dict[str, Any] = yaml.safe_load(FACTORS.read_text(encoding="utf-8"))
    return data


def unverified() -> bool:
    """Does any factor rest on memory?"""
    f = factors()
    single = [f["grid_kg_kwh"], f["battery_kwh_t_km"]]
    return any(x["confidence"] == "recalled" for x in (*f["materials_kg_t"].values(), *f["transport_kg_t_km"].values(), *single))


def energy(run: Run) -> pd.DataFrame:
    """Electricity by interval: demand, solar used, fed in and drawn from the grid, kWh.

    The roof follows NREL's PVWatts as pvlib has it, on the global irradiance of the `weather` table (a flat roof).
    """
    used = run.table("energy").group_by("time_s").aggregate([("kwh", "sum")])
    weather_s = run.table("weather")["time_s"].to_numpy()
    peak = float((run.info.get("design") or {}).get("solar_kwp", 0.0))
    time_s = np.union1d(used["time_s"].to_numpy(), weather_s)
    demand, solar = np.zeros(len(time_s)), np.zeros(len(time_s))
    demand[np.searchsorted(time_s, used["time_s"].to_numpy())] = used["kwh_sum"].to_numpy()
    if peak > 0:
        hours = np.diff(np.concatenate([[0.0], weather_s])) / 3600
        solar[np.searchsorted(time_s, weather_s)] = roof_kw(run.df("weather"), peak).to_numpy() * hours
    own = np.minimum(demand, solar)
    columns = {"time_s": time_s, "demand_kwh": demand, "solar_kwh": solar, "solar_used_kwh": own, "fed_in_kwh": solar - own}
    return pd.DataFrame(columns | {"grid_kwh": demand - own})


def roof_kw(weather: pd.DataFrame, peak_kw: float) -> pd.Series[float]:
    """AC power of the roof in each row of the weather, kW."""
    if peak_kw <= 0:
        return weather.sun_w_m2 * 0.0
    import pvlib  # slow to import, and few plants have a roof of modules

    cell = weather.air_c + CELL_RISE_C * weather.sun_w_m2 / 1000
    direct_kw = pvlib.pvsystem.pvwatts_dc(weather.sun_w_m2, cell, peak_kw, GAMMA)
    power: pd.Series[float] = pvlib.inverter.pvwatts(direct_kw, peak_kw, eta_inv_nom=INVERTER)
    return power


def by_batch(run: Run) -> pd.DataFrame:
    """kg CO2e of each batch: `a1_kg` … `a4_kg`, `total_kg`, and `per_m3_kg`."""
    f, design = factors(), run.info["design"]
    batches = run.df("batches").copy()
    if batches.empty:
        return pd.DataFrame(columns=["line", "number", "time_s", "volume_m3", "a1_kg", "a2_kg", "a3_kg", "a4_kg", "total_kg", "per_m3_kg"])
    mass = {s: batches[f"{s}_kg"].to_numpy() for s in SPECIES}
    far = _distances_km(design)
    bought = bought_share(run)
    out = batches[["line", "number", "time_s", "volume_m3"]].copy()
    out["a1_kg"] = sum(m * bought.get(s, 1.0) * f["materials_kg_t"][s]["value"] / 1000 for s, m in mass.items())
    rate = f["transport_kg_t_km"]["materials"]["value"] / 1000
    out["a2_kg"] = sum(m * bought.get(s, 1.0) * far.get(s, 0.0) * rate for s, m in mass.items())
    grid = energy(run)
    day = _day(run, out.time_s)
    made = out.volume_m3.groupby(day).transform("sum")
    spent = grid.grid_kwh.groupby(_day(run, grid.time_s)).sum()
    out["a3_kg"] = out.volume_m3 / made * day.map(spent).fillna(0.0) * f["grid_kg_kwh"]["value"]
    out["a4_kg"] = _delivery_kg(run, batches)
    out["total_kg"] = out[["a1_kg", "a2_kg", "a3_kg", "a4_kg"]].sum(axis=1)
    out["per_m3_kg"] = out.total_kg / out.volume_m3
    return out


def _day(run: Run, time_s: pd.Series[float]) -> pd.Series[float]:
    """Number of the calendar day of each time, 0 for that on which the run began."""
    return _days(run, time_s)  # type: ignore[return-value]


def _days(run: Run, time_s: Any) -> Any:
    at = datetime.fromisoformat(str(run.info["scenario"]["starts"]))
    return np.floor((time_s - 1e-6 + at.hour * 3600 + at.minute * 60 + at.second) / DAY_S)


def by_day(run: Run) -> pd.DataFrame:
    """Sums of the batches of each calendar day, `day` its date; what is made up to midnight belongs to the day before."""
    rows = by_batch(run)
    day = pd.to_datetime(run.info["scenario"]["starts"]).tz_localize(None).normalize() + pd.to_timedelta(_day(run, rows.time_s), unit="D")
    out = rows.groupby(day.rename("day"))[["volume_m3", "a1_kg", "a2_kg", "a3_kg", "a4_kg", "total_kg"]].sum().reset_index()
    out["per_m3_kg"] = out.total_kg / out.volume_m3
    return out


def _distances_km(design: dict[str, Any]) -> dict[str, float]:
    """Mean distance of each species from its suppliers; water comes by pipe."""
    found: dict[str, list[float]] = {}
    for material in design["materials"].values():
        if material["species"] not in ("water", "slurry_water"):
            found.setdefault(material["species"], []).append(float(material.get("distance_km", 0.0)))
    return {s: sum(v) / len(v) for s, v in found.items()}


def bought_share(run: Run) -> dict[str, float]:
    """Share of sand and stone that was bought rather than won back by the separator."""
    lots, design = run.table("lots").select(["material", "supplier", "kg"]).to_pylist(), run.info["design"]
    total, own = defaultdict[str, float](float), defaultdict[str, float](float)
    for lot in lots:
        species = design["materials"][lot["material"]]["species"]
        total[species] += float(lot["kg"])
        own[species] += lot["kg"] if lot["supplier"] == "separator" else 0.0
    return {s: 1.0 - own[s] / kg for s, kg in total.items() if kg > 0 and s in ("sand", "stone")}


def total_kg(run: Run, grid: pd.DataFrame, bought: dict[str, float]) -> float:
    """Sum of `by_batch(run).total_kg`, without a row for each batch: a sweep asks each of its runs.

    Args:
        grid: `energy(run)`.
        bought: `bought_share(run)`.
    """
    f, batches = factors(), run.table("batches")
    if not batches.num_rows:
        return 0.0
    far, rate = _distances_km(run.info["design"]), f["transport_kg_t_km"]["materials"]["value"]
    mass_kg = {s: batches[f"{s}_kg"].to_numpy() for s in SPECIES}
    a1_a2 = sum(
        m.sum() / 1000 * bought.get(s, 1.0) * (f["materials_kg_t"][s]["value"] + far.get(s, 0.0) * rate) for s, m in mass_kg.items()
    )
    worked = np.isin(_days(run, grid.time_s.to_numpy()), _days(run, batches["time_s"].to_numpy()))
    a3 = float(grid.grid_kwh.to_numpy()[worked].sum()) * f["grid_kg_kwh"]["value"]
    diesel, battery = f["transport_kg_t_km"]["concrete"]["value"], f["battery_kwh_t_km"]["value"] * f["grid_kg_kwh"]["value"]
    at = {
        place: kg
        for place, kg in zip(
            zip(batches["line"].to_pylist(), batches["number"].to_pylist(), strict=True), sum(mass_kg.values()).tolist(), strict=True
        )
    }  # type: ignore[union-attr]
    a4 = 0.0
    trips = run.table("deliveries").select(["line", "batch_from", "batch_to", "energy", "km_out", "arrived_s"])
    for trip in trips.to_pylist():
        if trip["arrived_s"] is not None:
            kg = sum(at.get((trip["line"], n), 0.0) for n in range(trip["batch_from"], trip["batch_to"] + 1))
            a4 += kg / 1000 * trip["km_out"] * (battery if trip["energy"] == "battery" else diesel)
    return float(a1_a2 + a3 + a4)


def _delivery_kg(run: Run, batches: pd.DataFrame) -> np.ndarray[Any, Any]:
    """A4 of each batch: its mass over the way to the site by the truck's factor; 0 while the load has not arrived."""
    f = factors()
    diesel, battery = f["transport_kg_t_km"]["concrete"]["value"], f["battery_kwh_t_km"]["value"] * f["grid_kg_kwh"]["value"]
    out = np.zeros(len(batches))
    mass_t = sum(batches[f"{s}_kg"] for s in SPECIES).to_numpy() / 1000
    line, number = batches.line.astype(str).to_numpy(), batches.number.to_numpy()
    for ticket in run.df("deliveries").dropna(subset=["arrived_s"]).itertuples():
        rate = battery if ticket.energy == "battery" else diesel
        mine = (line == ticket.line) & (number >= ticket.batch_from) & (number <= ticket.batch_to)
        out[mine] = mass_t[mine] * ticket.km_out * rate
    return out
