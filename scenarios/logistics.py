"""How well the orders of a run were served: punctuality, waiting, use of the trucks, kilometres and carbon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scenarios.carbon import factors
from scenarios.run import Run


@dataclass(frozen=True, slots=True)
class Measures:
    """Figures of a run's deliveries; NaN where nothing can be said.

    Attributes:
        loads, poured_m3: loads that left, and volume poured.
        on_time: share of poured loads that began within their order's tolerance.
        wait_plant_min, wait_site_min: means of a load, in the queue of the line and on the site.
        refused: share of loads that a site sent back.
        interruptions: breaks of continuous pours beyond their gap.
        utilisation: share of the trucks' time between being called and being free again.
        km_m3, empty_km: driven for a cubic metre poured, and share of it without concrete.
        kg_co2_m3: of the trucks' fuel and electricity.
        electric_km: share driven on batteries.
    """

    loads: int
    poured_m3: float
    on_time: float
    wait_plant_min: float
    wait_site_min: float
    refused: float
    interruptions: int
    utilisation: float
    km_m3: float
    empty_km: float
    kg_co2_m3: float
    electric_km: float


def measures(run: Run) -> Measures:
    """Measure a run from its tickets."""
    d = run.df("deliveries")
    poured = d[d.poured_s.notna()]
    volume, km = float(poured.volume_m3.sum()), float((d.km_out + d.km_back).sum())
    loaded = float(d.km_out.sum() + d.km_back[d.poured_s.isna()].sum())
    f = factors()
    battery = d.energy == "battery"
    used = d.energy_used.fillna(0.0)
    co2 = float(used[battery].sum()) * f["grid_kg_kwh"]["value"] + float(used[~battery].sum()) * f["diesel_kg_l"]["value"]
    end_s = float(run.outcome["sim_seconds"]) if run.outcome else float(d.left_s.max())
    busy = (d.returned_s.fillna(end_s) - d.queued_s).clip(lower=0.0).sum()
    trucks = int(run.info["design"]["fleet"]["trucks"])
    return Measures(
        loads=len(d), poured_m3=volume, on_time=_share(poured.pour_s - poured.due_s <= poured.late_s), wait_plant_min=_mean(d.at_bay_s - d.queued_s) / 60,
        wait_site_min=_mean(d.pour_s - d.arrived_s) / 60, refused=_share(d.outcome.dropna().str.contains("refused")),
        interruptions=len(run.df("pours")) if "pours" in run.tables else 0, utilisation=float(busy) / (trucks * end_s) if trucks * end_s else np.nan,
        km_m3=km / volume if volume else np.nan, empty_km=1 - loaded / km if km else np.nan, kg_co2_m3=co2 / volume if volume else np.nan,
        electric_km=float((d.km_out + d.km_back)[battery].sum()) / km if km else np.nan,
    )  # fmt: skip


def materials_by_transport(run: Run) -> pd.DataFrame:
    """Tonne-kilometres of what was delivered to the plant, by way of transport: `transport`, `t`, `t_km`, `share`."""
    lots, materials = run.df("lots"), run.info["design"]["materials"]
    bought = lots[~lots.supplier.isin(["opening stock", "separator"])]
    rows = pd.DataFrame({
        "transport": [materials[m].get("transport", "truck") for m in bought.material], "t": bought.kg.to_numpy() / 1000,
        "t_km": [kg / 1000 * float(materials[m]["distance_km"]) for m, kg in zip(bought.material, bought.kg, strict=True)],
    })  # fmt: skip
    out = rows.groupby("transport")[["t", "t_km"]].sum().reset_index()
    out["share"] = out.t_km / out.t_km.sum() if len(out) else out.t_km
    return out


def _share(of: pd.Series) -> float:
    return float(of.mean()) if len(of) else np.nan


def _mean(of: pd.Series) -> float:
    known = of.dropna()
    return float(known.mean()) if len(known) else np.nan
