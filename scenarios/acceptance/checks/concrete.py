"""Checks on the concrete itself, by what truly went into it and onto the trucks, whatever the controller recorded."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field

from scenarios.acceptance.checks.base import Check, curves
from scenarios.acceptance.evidence import Evidence, NothingToJudge
from scenarios.acceptance.results import CheckResult
from scenarios.orders import truckloads
from scenarios.tables import TOLERANCE
from twin.ledger import SPECIES


def batches(e: Evidence) -> list[dict[str, Any]]:
    """All batches with grade and ordered volume of their load; those of no finished load have neither."""
    if "batches" not in e.run.tables:
        return []
    rows = e.rows("SELECT * FROM batches ORDER BY time_s, line")
    tickets = deliveries(e)
    for row in rows:
        load = next((d for d in tickets if d["line"] == row["line"] and d["batch_from"] <= row["number"] <= d["batch_to"]), None)
        row["grade"] = load and load["grade"]
        row["ordered_m3"] = load and load["volume_m3"] / (load["batch_to"] - load["batch_from"] + 1)
    return rows


def deliveries(e: Evidence) -> list[dict[str, Any]]:
    """All loads that left."""
    return e.rows("SELECT * FROM deliveries ORDER BY ticket") if "deliveries" in e.run.tables else []


def some_batches(e: Evidence, of_loads: bool = True) -> list[dict[str, Any]]:
    """The batches (of finished loads).

    Raises:
        NothingToJudge: there are none.
    """
    found = [b for b in batches(e) if b["grade"] or not of_loads]
    if not found:
        raise NothingToJudge("no batch was made", "没有出料的盘次")
    return found


class LoadsDelivered(Check):
    """All loads that were ordered left, in as few batches as the mixer allows, with the mass that was ordered."""

    check: Literal["loads-delivered"]
    loads: int = Field(0, ge=0, description="least number of loads; all that the scenario orders when left out")
    mass: float = Field(0.02, gt=0, le=1, description="deviation of a load's mass, share of the ordered")

    def look(self, e: Evidence) -> CheckResult:
        wanted = self.loads or sum(len(truckloads(order, e.design.fleet.capacity_m3)) for order in e.scenario.orders)
        left, rows, wrong = deliveries(e), [], []
        for d in left:
            recipe = e.design.recipe(d["grade"])
            ordered = d["volume_m3"] * sum(recipe.kg_m3.values()) if recipe else 0.0
            need = math.ceil(d["volume_m3"] / e.design.lines[d["line"]].mixer.rated_m3 - 1e-6)
            made = d["batch_to"] - d["batch_from"] + 1
            row = {"time_s": d["left_s"]} | {k: d[k] for k in ("ticket", "grade", "volume_m3", "loaded_kg")}
            row |= {"ordered_kg": ordered, "batches": made, "batches_ordered": need}
            rows.append(row)
            if abs(d["loaded_kg"] - ordered) > self.mass * ordered or made != need:
                wrong.append(row)
        text = self.about(
            f"{len(left)} of {wanted} loads left the plant, {len(wrong)} of them with a wrong mass (beyond {100 * self.mass:g} %) or number of batches",
            f"{wanted} 车中 {len(left)} 车出站，其中 {len(wrong)} 车质量（超过 {100 * self.mass:g} %）或盘数不符",
        )
        passed = len(left) >= wanted and not wrong
        return self.result(passed, text, wrong, {} if passed else curves(rows, "loaded_kg", "ordered_kg"))


class BatchesComposed(Check):
    """Binder, aggregate and admixture of each batch by true dry mass, against the recipe."""

    check: Literal["batches-composed"]
    tolerances: float = Field(1.5, gt=0, description="deviation, in tolerances of a single weighing of GB/T 14902-2012 7.3 «unverified»")
    share: float = Field(1.0, gt=0, le=1, description="share of batches that must keep it")

    def look(self, e: Evidence) -> CheckResult:
        found, wrong = some_batches(e), []
        for b in found:
            ordered = ordered_kg(e, b)
            for species in SPECIES:
                if species == "water" or not ordered[species]:
                    continue
                off = b[f"{species}_kg"] / ordered[species] - 1
                if abs(off) > self.tolerances * TOLERANCE[species]:
                    wrong.append({"time_s": b["time_s"], "number": b["number"], "grade": b["grade"], "species": species,
                                  "true_kg": b[f"{species}_kg"], "ordered_kg": ordered[species], "off": off})  # fmt: skip
        numbers = {w["number"] for w in wrong}
        text = self.about(
            f"{len(numbers)} of {len(found)} batches differ from their recipe by more than {self.tolerances:g} tolerances",
            f"{len(found)} 盘中 {len(numbers)} 盘与配合比相差超过 {self.tolerances:g} 倍允许偏差",
        )
        return self.result(1 - len(numbers) / len(found) >= self.share, text, wrong)


def ordered_kg(e: Evidence, batch: dict[str, Any]) -> dict[str, float]:
    """Dry mass of each species that a batch was to have, kg; slurry counts as water."""
    out = dict.fromkeys(SPECIES, 0.0)
    recipe = e.design.recipe(batch["grade"])
    for material, kg_m3 in recipe.kg_m3.items() if recipe else ():
        species = e.design.materials[material].species
        out["water" if species == "slurry_water" else species] += kg_m3 * batch["ordered_m3"]
    return out


class WaterBinder(Check):
    """True water–binder ratio of each batch against the recipe's."""

    check: Literal["water-binder"]
    limit: float = Field(0.02, gt=0, description="greatest deviation of the ratio")

    def look(self, e: Evidence) -> CheckResult:
        found, rows = some_batches(e), []
        for b in found:
            kg = ordered_kg(e, b)
            ordered = kg["water"] / (kg["cement"] + kg["fly_ash"] + kg["slag"])
            rows.append(
                {"time_s": b["time_s"], "number": b["number"], "grade": b["grade"], "water_binder": b["water_binder"], "ordered": ordered}
            )
        wrong = [r for r in rows if abs(r["water_binder"] - r["ordered"]) > self.limit]
        worst = max(abs(r["water_binder"] - r["ordered"]) for r in rows)
        text = self.about(
            f"{len(wrong)} of {len(rows)} batches are off by more than {self.limit:g}, the worst by {worst:.3f}",
            f"{len(rows)} 盘中 {len(wrong)} 盘水胶比相差超过 {self.limit:g}，最大 {worst:.3f}",
        )
        return self.result(not wrong, text, wrong, curves(rows, "water_binder", "ordered") if wrong else {})


class BatchesMixed(Check):
    """Every batch is mixed when the mixer's door opens, and is one batch only."""

    check: Literal["batches-mixed"]
    homogeneity: float = Field(0.99, gt=0, le=1)
    overfill: float = Field(1.1, ge=1, description="greatest volume over the mixer's rated volume")

    def look(self, e: Evidence) -> CheckResult:
        found = some_batches(e, of_loads=False)
        wrong = [
            b
            for b in found
            if b["homogeneity"] < self.homogeneity or b["volume_m3"] > self.overfill * e.design.lines[b["line"]].mixer.rated_m3
        ]
        least, most = min(b["homogeneity"] for b in found), max(b["volume_m3"] for b in found)
        text = self.about(
            f"{len(wrong)} of {len(found)} batches were let go unmixed or too large; least homogeneity {least:.3f}, largest {most:.2f} m³",
            f"{len(found)} 盘中 {len(wrong)} 盘未拌匀或过量即卸料；最低匀质度 {least:.3f}，最大 {most:.2f} m³",
        )
        keys = ("time_s", "number", "batch", "volume_m3", "homogeneity", "power_kw")
        return self.result(
            not wrong, text, [{k: b[k] for k in keys} for b in wrong], curves(found, "homogeneity", "volume_m3") if wrong else {}
        )


class CleanWrites(Check):
    """Nothing that the control program wrote was out of range or no number."""

    check: Literal["clean-writes"]

    def look(self, e: Evidence) -> CheckResult:
        some_batches(e, of_loads=False)
        bad = int(e.run.outcome.get("bad_writes", 0))
        return self.result(not bad, self.about(f"{bad} values were out of range or no number", f"{bad} 个写入值越限或非数值"))
