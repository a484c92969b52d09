"""Materials: lots, suppliers, tracing, how they come."""

from __future__ import annotations

from typing import Literal

from scenarios import carbon
from scenarios.judging.subject import Reading, Subject, measure, values

NO_LOT = ("no lot of material came in the run", "运行中没有原材料进场")
BOUGHT = "supplier NOT IN ('opening stock', 'separator')"
Way = Literal["truck", "battery", "container", "water", "rail"]


@measure("", "lots of material without supplier, mass or time", "信息不全的原材料进场批次数")
def lots_incomplete(s: Subject) -> Reading:
    """Rows of `lots` of which something is missing."""
    where = "coalesce(supplier, '') = '' OR material IS NULL OR store IS NULL OR kg IS NULL OR arrived_s IS NULL"
    return s.counted("lots", where, NO_LOT, "*")


@measure("", "deliveries of aggregate that no test covers", "未经检验的骨料进场批次数")
def deliveries_untested(s: Subject) -> Reading:
    """Lots of sand and stone that came without a passed test of their store, or beyond the mass that a test stands for (`premises.laboratory.lot_t`)."""
    s.need("lots", "inspections")
    lot_kg = 1000.0 * float(s.get("premises.laboratory.lot_t"))
    aggregate = ", ".join(repr(m) for m, of in s.get("materials").items() if of["species"] in ("sand", "stone")) or "NULL"
    came = f"""WITH l AS (SELECT lot, store, material, supplier, kg, mud, arrived_s FROM lots WHERE {BOUGHT} AND material IN ({aggregate})),
        t AS (SELECT source AS store, time_s AS tested_s FROM inspections WHERE kind LIKE 'incoming%' AND result = 'pass'),
        j AS (SELECT l.*, tested_s FROM l ASOF LEFT JOIN t ON l.store = t.store AND l.arrived_s >= t.tested_s),
        came AS (SELECT *, tested_s IS NOT NULL AND sum(kg) OVER (PARTITION BY store, tested_s ORDER BY lot) <= {lot_kg} + 1 AS tested FROM j)"""
    return s.of_run(
        f"{came} SELECT count(*) FILTER (NOT tested) AS value, count(*) AS n FROM came",
        ("no aggregate came in the run", "运行中没有骨料进场"),
        f"{came} SELECT * FROM came WHERE NOT tested ORDER BY lot LIMIT 20",
    )


@measure("%", "weighed material that no lot accounts for", "不可追溯到进场批次的用料比例")
def untraced_share(s: Subject) -> Reading:
    """Mass drawn from silos, bins and admixture tanks beyond what the store's lots brought in.

    First in, first out: what a store ever gave is an interval of mass, and its lots are intervals of what it ever took.
    """
    s.need("lots", "weighings")
    drawn = """WITH stores AS (SELECT store, max(in_to_kg) AS came_kg, min(in_from_kg) AS from_kg FROM lots GROUP BY store),
        drawn AS (SELECT w.*, greatest(0, drawn_to_kg - greatest(came_kg, drawn_from_kg)) + greatest(0, from_kg - drawn_from_kg) AS lost_kg
                  FROM weighings w JOIN stores ON stores.store = w.source)"""
    return s.of_run(
        f"{drawn} SELECT 100 * sum(lost_kg) / nullif(sum(drawn_to_kg - drawn_from_kg), 0) AS value, count(*) AS n FROM drawn",
        NO_LOT,
        f"{drawn} SELECT time_s, batch, material, source, drawn_from_kg, drawn_to_kg, lost_kg FROM drawn WHERE lost_kg > 1e-3 ORDER BY lost_kg DESC LIMIT 20",
    )


@measure("", "stores that concrete drew from and that have no lot", "无进场批次记录的在用料仓数")
def stores_unbooked(s: Subject) -> Reading:
    """Silos, bins and admixture tanks with weighings and without a row of `lots`; water tanks and slurry have none."""
    s.need("lots", "weighings")
    wet = [m for m, of in s.get("materials").items() if of["species"] in ("water", "slurry_water")]
    skip = ", ".join(repr(m) for m in wet) or "NULL"
    stores = f"(SELECT DISTINCT source::VARCHAR AS store, material FROM weighings WHERE material NOT IN ({skip}) AND true_kg > 0)"
    return s.of_run(
        f"SELECT count(*) FILTER (store NOT IN (SELECT store FROM lots)) AS value, count(*) AS n FROM {stores}",
        ("the run has no weighing", "运行中没有计量记录"),
        f"SELECT * FROM {stores} WHERE store NOT IN (SELECT store FROM lots)",
    )


@measure("%", "materials by way of transport, of tonne-kilometres", "原材料运输方式占比（吨公里）")
def transport_share(s: Subject, ways: list[Way]) -> Reading:
    """Share of the tonne-kilometres of what was bought that came by these ways; a statistic."""
    s.need("lots")
    of = values([(name, m.get("transport", "truck"), float(m["distance_km"])) for name, m in s.get("materials").items()])
    km = f"FROM lots JOIN (VALUES {of}) AS m(material, way, km) USING (material) WHERE {BOUGHT}"
    among = ", ".join(repr(w) for w in ways)
    return s.of_run(
        f"SELECT 100 * coalesce(sum(kg * km) FILTER (way IN ({among})), 0) / nullif(sum(kg * km), 0) AS value, count(*) AS n {km}",
        NO_LOT,
        f"SELECT material, way, supplier, sum(kg) / 1000 AS t, any_value(km) AS km {km} GROUP BY ALL ORDER BY t DESC",
    )


@measure("kg/m³", "carbon of the materials of concrete, module A1", "混凝土原材料碳排放强度（A1）")
def carbon_kg_m3(s: Subject) -> Reading:
    """Kilograms of CO2e for a cubic metre as its batches were made; a statistic. The report has modules A2 to A4, too."""
    s.need("batches")
    factors = carbon.factors()["materials_kg_t"]
    kg = " + ".join(f"{name}_kg * {float(f['value']) / 1000!r}" for name, f in factors.items() if name in carbon.SPECIES)
    return s.of_run(
        f"SELECT sum({kg}) / nullif(sum(volume_m3), 0) AS value, count(*) AS n FROM batches", ("the run made no batch", "运行中没有生产")
    )
