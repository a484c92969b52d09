"""Quality of the mixing water: mains and slurry water blended as each batch dosed them, against JGJ 63.

As JGJ/T 328 has it (recalled) the blend is tested after settling for a day, so solids do not count here: they are fines of
the mix and held by the recipe. For the same reason the insoluble matter of JGJ 63 (2,000 to 5,000 mg/L) is not judged: it would
be the suspended fines, which are weighed, take the place of sand, ask for water and are held to 1 % of the aggregate by the
controller. The analyses are those of the design's laboratory; blending is linear in what is
dissolved, and in the hydroxide ion for the pH.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scenarios.run import Run

# JGJ 63 Table 3.1.1, mg/L at most and pH at least, by use (found: facts jgj63.limits).
LIMITS = {
    "prestressed": {"ph": 5.0, "soluble_mg_l": 2000.0, "cl_mg_l": 500.0, "so4_mg_l": 600.0, "alkali_mg_l": 1500.0},
    "reinforced": {"ph": 4.5, "soluble_mg_l": 5000.0, "cl_mg_l": 1000.0, "so4_mg_l": 2000.0, "alkali_mg_l": 1500.0},
    "plain": {"ph": 4.5, "soluble_mg_l": 10000.0, "cl_mg_l": 3500.0, "so4_mg_l": 2700.0, "alkali_mg_l": 1500.0},
}
COLUMNS = ("line", "batch", "grade", "use", "slurry_share", "ph", "soluble_mg_l", "cl_mg_l", "so4_mg_l", "alkali_mg_l", "ok")


def blend(share: Any, mains: dict[str, float], slurry: dict[str, float]) -> dict[str, Any]:
    """Analysis of a blend.

    Args:
        share: of slurry water in it, 0–1, by mass of the liquid.
        mains, slurry: the analyses, fields as in `LIMITS`.
    """
    out = {name: mains[name] + share * (slurry[name] - mains[name]) for name in mains if name != "ph"}
    hydroxide = (1 - share) * 10.0 ** (mains["ph"] - 14) + share * 10.0 ** (slurry["ph"] - 14)
    return {"ph": 14 + np.log10(hydroxide)} | out


def by_batch(run: Run) -> pd.DataFrame:
    """Blend and verdict of each batch whose delivery has a ticket; `COLUMNS`."""
    design, w, tickets = run.info["design"], run.df("weighings"), run.df("deliveries")
    species = w.material.map(lambda m: design["materials"][m]["species"])
    wet = w[species.isin(["water", "slurry_water"])].assign(slurry=species == "slurry_water")
    if wet.empty or tickets.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    kg = wet.pivot_table(index=["line", "batch"], columns="slurry", values="true_kg", aggfunc="sum", fill_value=0.0, observed=True)
    kg = kg.reindex(columns=[False, True], fill_value=0.0)
    rows = kg.assign(slurry_share=kg[True] / (kg[False] + kg[True]).clip(lower=1e-9)).reset_index()
    grades = pd.DataFrame(
        [(t.line, batch, t.grade) for t in tickets.itertuples() for batch in range(t.batch_from, t.batch_to + 1)],
        columns=["line", "batch", "grade"],
    )
    out = rows[["line", "batch", "slurry_share"]].astype({"line": str}).merge(grades.astype({"line": str}), on=["line", "batch"])
    uses = {r["grade"]: r.get("use", "reinforced") for r in design["recipes"]}
    out["use"] = out.grade.astype(str).map(uses).fillna("reinforced")
    water = design["water"]
    for name, value in blend(out.slurry_share, water["mains_quality"], water["slurry_quality"]).items():
        out[name] = value
    limit = {name: out.use.map({use: of[name] for use, of in LIMITS.items()}) for name in LIMITS["plain"]}
    over = [out[name] > limit[name] for name in limit if name != "ph"]
    out["ok"] = ~np.logical_or.reduce([*over, out.ph < limit["ph"]])
    return out[list(COLUMNS)]


def by_grade(run: Run) -> pd.DataFrame:
    """The worst of each grade: share of slurry water, greatest of each figure, least pH, and whether all batches are right."""
    rows = by_batch(run)
    worst = {name: "max" for name in ("slurry_share", "soluble_mg_l", "cl_mg_l", "so4_mg_l", "alkali_mg_l")} | {
        "ph": "min",
        "ok": "all",
        "batch": "count",
    }
    return rows.groupby(["grade", "use"], observed=True).agg(worst).rename(columns={"batch": "batches"}).reset_index()
