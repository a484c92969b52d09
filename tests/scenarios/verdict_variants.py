"""Variants of the storm day on the benchmark plant: one thing changed, and the clause that must fail by it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scenarios.run import Run, open_run
from twin.design.schema import Design


@dataclass
class Variant:
    """One thing changed, the clause that fails by it, and what fails with it of necessity.

    Attributes:
        design: figures of the design, by dotted field.
        table, change: a table, and the columns that differ, as SQL of `SELECT * REPLACE (…)`.
        rows: SQL of the table in its whole; `t` is the table as it was.
    """

    book: str
    clause: str
    design: dict[str, Any] = field(default_factory=dict)
    table: str = ""
    change: str = ""
    rows: str = ""
    with_it: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.book}:{self.clause}"


def off(material: str, first: float, second: float) -> dict[str, str]:
    """The true masses of a material in the two batches of the third load (5 and 6) are off by these shares."""
    return {"table": "weighings", "change": f"CASE WHEN material = '{material}' AND batch = 5 THEN target_kg * {1 + first} WHEN material = '{material}' AND batch = 6 "
            f"THEN target_kg * {1 + second} ELSE true_kg END AS true_kg"}  # fmt: skip


def added(table: str, **columns: Any) -> dict[str, str]:
    """A row more."""
    row = ", ".join(f"{v!r} AS {k}" for k, v in columns.items())
    return {"table": table, "rows": f"SELECT * FROM t UNION ALL BY NAME SELECT {row}"}


def hours(column: str, by: float, from_h: int, to_h: int) -> dict[str, str]:
    """At the southern station more by `by` in these hours of the run."""
    return {
        "table": "boundary",
        "change": f"CASE WHEN station = 'South' AND time_s > {3600 * from_h} AND time_s <= {3600 * to_h} THEN {column} + {by} ELSE {column} END AS {column}",
    }


DISCHARGE = added("ledger", time_s=7200.0, source="Water.Basin.Slurry", target="discharge", species="water", kg=5.0)
WATERED = added("violations", time_s=9000.0, truck=1, ticket=5, kind="water added", value=60.0, limit=0.0, action="told to the site")
NO_WASH = {"water.truck_wash": None}
OUTAGE = {"table": "tags", "change": '1 AS "Air.Monitor.South.Outage"'}
TICKET = {"table": "deliveries", "change": 'CASE WHEN ticket = 7 THEN NULL ELSE "order" END AS "order"'}
OLD = {
    "table": "deliveries",
    "change": "CASE WHEN ticket = 7 THEN wet_s + 95 * 60 ELSE poured_s END AS poured_s, CASE WHEN ticket = 7 THEN 'late, accepted after a test' ELSE outcome END AS outcome",
}
S, B, Z, G, J = "hubei-standard", "hubei-benchmark", "zero-discharge", "gbt14902-batching", "jgjt328-stars"
VARIANTS = [
    Variant(S, "4.2", {"premises.laboratory.area_m2": 200.0}),
    Variant(S, "4.5", table="inspections", rows="SELECT * FROM t WHERE kind <> 'incoming_sand'"),
    Variant(S, "4.6", {"premises.blends_aggregate": True}, table="inspections", rows="SELECT * FROM t WHERE kind <> 'mixed_aggregate'"),
    Variant(S, "4.7", table="inspections", rows="SELECT * FROM t WHERE kind <> 'recycled_sand'"),
    Variant(S, "4.8", {"premises.approved_grades": ["C30"]}),
    Variant(S, "4.10", table="samples", rows="SELECT * FROM t WHERE NOT (inspection = 'plant' AND grade = 'C30')"),
    Variant(S, "5.8", table="lots", change="CASE WHEN lot = 1 THEN 1000.0 ELSE in_to_kg END AS in_to_kg"),
    Variant(S, "5.9", table="weighings", change="CASE WHEN material = 'cement' AND batch = 5 THEN target_kg * 1.1 ELSE target_kg END AS target_kg"),
    Variant(S, "5.9", **added("adjustments", time_s=3600.0, recipe="C30", material="admixture", from_kg_m3=6.93, to_kg_m3=8.5, approved_kg_m3=6.93, limit=0.15,
                              signed_by="quality head", signed_s=43000.0)),
    Variant(S, "5.10", table="deliveries", change="CASE WHEN ticket = 7 THEN NULL ELSE slump_mm END AS slump_mm"),
    Variant(S, "5.12", table="returned", change="'' AS decision"),
    Variant(S, "6.4", table="gate", change="CASE WHEN ticket = 7 THEN 'no position' ELSE remark END AS remark"),
    Variant(S, "6.5", table="gate", change="CASE WHEN ticket = 7 AND way = 'out' THEN 31500.0 ELSE shown_kg END AS shown_kg"),
    Variant(S, "6.6", **WATERED),
    Variant(S, "7.3", {"premises.control_room.apart": False}),
    Variant(S, "7.7", table="weighings", change="CASE WHEN material = 'cement' AND batch = 5 THEN TRUE ELSE outside END AS outside"),
    Variant(S, "9.3", **added("events", time_s=2_000_000.0, kind="alarm", name="Air.Monitor.South.TspHigh", value=1.0, text="dust too high")),
    Variant(S, "9.5", {"site.dust.tower_enclosure": 0.5}),
    Variant(S, "9.6", {"water.basins.Settling1.overflows_to": "discharge", "water.basins.Settling2.overflows_to": "discharge",
                       "water.basins.Settling3.overflows_to": "discharge"}),
    Variant(S, "9.7", {"premises.waste_store_enclosed": False}),
    Variant(S, "2.6", {"site.cameras": {}}),
    Variant(S, "9.8", {"site.green": {}}),
    Variant(S, "9.9", {"site.roads.WashLane.paved": False}),
    Variant(S, "9.10", table="deliveries", change="CASE WHEN ticket = 7 THEN FALSE ELSE washed END AS washed"),
    Variant(B, "3", {"site.sprays.Belt": None}),
    Variant(B, "4", **DISCHARGE),
    Variant(B, "5", {"water.surfaces.Roof.drains_to": "discharge"}),
    Variant(B, "6", {"solar_kwp": 0.0}),
    Variant(B, "10", {"premises.laboratory.rooms": ["chemistry", "durability"]}),
    Variant(B, "12", {"lines.Line1.probes.Sand2": None}),
    Variant(B, "II.1", {"premises.control_room.video": False}),
    Variant(Z, "1.1", **DISCHARGE),
    Variant(Z, "1.2", **added("ledger", time_s=7200.0, source="Truck1", target="road", species="sand", kg=2.0)),
    Variant(Z, "2.1", {"water.surfaces.Roof.drains_to": "Settling1"}),
    Variant(Z, "2.2", table="ledger", rows="SELECT * FROM t WHERE source <> 'Water.Basin.Rain'"),
    Variant(Z, "2.3", {"water.basins.Slurry.agitator_kw": 0.0}),
    Variant(Z, "2.4", table="ledger", rows="SELECT * FROM t WHERE source <> 'Line1.Tank.Slurry'"),
    Variant(Z, "3.1", {"water.slurry_quality.cl_mg_l": 9000.0}),
    Variant(Z, "3.2", {"recipes.3.use": "prestressed"}),
    Variant(G, "7.3.batch.cement", **off("cement", 0.022, -0.015)),
    Variant(G, "7.3.batch.additions", **off("fly_ash", 0.022, -0.015)),
    Variant(G, "7.3.batch.aggregate", **off("sand", 0.033, -0.02)),
    Variant(G, "7.3.batch.water", **off("water", 0.012, -0.009)),
    Variant(G, "7.3.batch.admixture", **off("admixture", 0.012, -0.009)),
    Variant(G, "7.3.load.cement", **off("cement", 0.015, 0.015)),
    Variant(G, "7.3.load.additions", **off("slag", 0.015, 0.015)),
    Variant(G, "7.3.load.aggregate", **off("stone_5_10", 0.025, 0.025)),
    # Where both tolerances are 1 %, a load is out of its own only with one of its batches.
    Variant(G, "7.3.load.water", **off("water", 0.013, 0.013), with_it=("7.3.batch.water",)),
    Variant(G, "7.3.load.admixture", **off("admixture", 0.013, 0.013), with_it=("7.3.batch.admixture",)),
    Variant(G, "7.4.time", {"recipes.0.mix_time_s": 20.0}),
    Variant(G, "7.5.time", **OLD),
    Variant(G, "7.5.water", **WATERED),
    Variant(G, "9.sampling", table="samples", change="CASE WHEN inspection = 'plant' THEN 120 ELSE lot_batches END AS lot_batches"),
    Variant(G, "9.slump", table="samples", change="CASE WHEN inspection = 'plant' THEN 100.0 ELSE slump_mm END AS slump_mm"),
    Variant(G, "9.strength", table="cubes", change="CASE WHEN inspection = 'plant' AND age_d = 28 THEN fcu_k_mpa ELSE value_mpa END AS value_mpa"),
    Variant("gb4915-dust", "stack", table="tags", change='25.0 AS "Line1.Collector.Mixer.OutletHour.max"'),
    Variant("gb4915-dust", "fugitive", **hours("tsp_ug_m3", 600, 3, 4)),
    Variant("gb4915-dust", "collected", table="energy", change="CASE WHEN machine = 'Line1.Collector.Mixer' AND time_s = 10800 THEN 0 ELSE run_s END AS run_s"),
    Variant("gb4915-dust", "enclosed", {"site.dust.yard_enclosure": 0.7}),
    Variant("gb12348-noise", "day", **hours("laeq_db", 15, 3, 4)),
    Variant("gb12348-noise", "night", **hours("laeq_db", 40, 20, 21)),
    Variant("gb12348-noise", "frequent", **hours("lmax_often_db", 45, 20, 21)),
    Variant("gb12348-noise", "occasional", **hours("lmax_db", 60, 20, 21)),
    Variant(J, "site.enclosed", {"site.dust.transfer_enclosure": 0.5}),
    Variant(J, "site.collectors", {"lines.Line1.collectors.Belt": None}),
    Variant(J, "site.separator", {"water.separator": None}),
    Variant(J, "site.wash", NO_WASH),
    Variant(J, "control.water", **DISCHARGE),
    Variant(J, "control.slurry", {"water.basins.Slurry.agitator_kw": 0.0}),
    Variant(J, "control.solids_test", table="inspections", rows="SELECT * FROM t WHERE kind <> 'slurry_water'"),
    Variant(J, "control.tsp", **hours("tsp_ug_m3", 350, 3, 4)),
    Variant(J, "control.pm10", **hours("pm10_ug_m3", 200, 3, 40)),
    Variant(J, "control.pm25", **hours("pm25_ug_m3", 100, 3, 40)),
    Variant(J, "control.noise_day", **hours("laeq_db", 15, 3, 4)),
    Variant(J, "control.noise_night", **hours("laeq_db", 40, 20, 21)),
    Variant(J, "monitoring.online", **OUTAGE),
    Variant("astm-c94", "8.cement", **off("cement", 0.012, 0.0)),
    Variant("astm-c94", "8.aggregate", **off("stone_10_25", 0.025, 0.0)),
    Variant("astm-c94", "8.water", **off("water", 0.02, 0.0)),
    Variant("astm-c94", "8.admixture", **off("admixture", 0.04, 0.0)),
    Variant("astm-c94", "12.time", **OLD),
    Variant("astm-c94", "14.ticket", **TICKET),
    Variant("en206-batching", "9.7.cement", **off("cement", 0.035, 0.0)),
    Variant("en206-batching", "9.7.additions", **off("slag", 0.035, 0.0)),
    Variant("en206-batching", "9.7.aggregate", **off("sand", 0.035, 0.0)),
    Variant("en206-batching", "9.7.water", **off("water", 0.035, 0.0)),
    Variant("en206-batching", "9.7.admixture", **off("admixture", 0.055, 0.0)),
    Variant("en206-batching", "7.ticket", **TICKET),
    Variant("en206-batching", "7.water", **WATERED),
]  # fmt: skip


def changed(folder: Path, variant: Variant) -> Run:
    """The run with the variant's change in what is read of it."""
    run = open_run(folder)
    run.info = copy.deepcopy(run.info)
    for path, value in variant.design.items():
        *way, last = path.split(".")
        here: Any = run.info["design"]
        for key in way:
            here = here[int(key)] if isinstance(here, list) else here[key]
        assert last in here
        if value is None and last not in ("truck_wash", "separator"):
            del here[last]
        else:
            here[last] = value
    Design.model_validate(run.info["design"])
    if variant.table:
        run.duck.execute(f"CREATE TEMP TABLE t AS SELECT * FROM {variant.table}")
        query = variant.rows or f"SELECT * REPLACE ({variant.change}) FROM t"
        run.duck.execute(f"CREATE OR REPLACE VIEW {variant.table} AS {query}")
    return run
