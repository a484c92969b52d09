"""A province played: each policy a run folder with its tables, judged by `hubei-province`, and all of them compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scenarios import carbon
from scenarios.judging.book import load_book
from scenarios.judging.declared import Declared
from scenarios.judging.judge import judge
from scenarios.province.plants import Placed, after, placed
from scenarios.province.sharing import REFUSED, UNSERVED, Orders, Shared, columns_of, drawn, share
from scenarios.province.spec import Province, as_info, classes
from scenarios.run import open_run
from scenarios.store import RunWriter, must_be_free, write_json
from twin.errors import BatchtwinError
from twin.version import VERSION

TODAY = "today"
BOOK = "hubei-province"
GROUP_M3 = 3_000_000  # a year: an enterprise of the size that the guidance, part IV (1) 2, wants to see
USED = ("kwh", "water_kg", "discharge_kg", "tip_kg", "dust_kg", "co2_kg")


def play(p: Province, out: Path, declared: Declared | None = None, tell: Callable[[str], None] = lambda _: None) -> list[dict[str, Any]]:
    """Play a year as it is today and under each policy.

    Args:
        out: folder, new or empty; a run for each policy, and `province.json`.
        declared: facts for the rule book.
        tell: told each policy as it begins.

    Returns:
        A row for each policy, see `figures`.

    Raises:
        BatchtwinError: E202 when the folder is in use, E203 when it cannot be written.
    """
    must_be_free(out)
    orders, today, book = drawn(p), placed(p), load_book(BOOK)
    rows = []
    for name, steps in {TODAY: [], **p.policies}.items():
        tell(name)
        plants = after(p, today, steps)
        shared = share(p, plants, orders)
        made = plant_rows(p, plants, orders, shared)
        _write(p, out / name, name, plants, made, orders, shared)
        verdict = judge(book, open_run(out / name), declared)
        clauses = [
            {"id": c.id, "result": c.result, "value": c.value, "limit": c.limit, "unit": c.unit, "title": c.title.model_dump()}
            for c in verdict.clauses
        ]
        rows.append({"policy": name} | figures(p, made, orders, shared) | {"clauses": clauses})
    try:
        write_json(out / "province.json", {"version": VERSION, "province": as_info(p), "policies": rows})
    except OSError as error:
        raise BatchtwinError("E203", path=out, problem=error.strerror or error) from None
    return rows


def read(folder: Path) -> dict[str, Any]:
    """What `play` left in a folder: `province` and `policies`.

    Raises:
        BatchtwinError: E201 when it is none.
    """
    try:
        found: dict[str, Any] = json.loads((folder / "province.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BatchtwinError("E201", path=folder, problem="there is no province.json") from None
    return found


def figures(p: Province, rows: list[dict[str, Any]], orders: Orders, shared: Shared) -> dict[str, Any]:
    """Sums of a year, of the rows of `plant_rows`. Each m³ that is ordered is poured in time, poured late, refused or unserved."""
    done, m3 = shared.served >= 0, orders.m3
    output = np.array([row["output_m3"] for row in rows])
    owners: dict[str, float] = {}
    for row in rows:
        owners[row["enterprise"]] = owners.get(row["enterprise"], 0.0) + row["output_m3"]
    made = float(m3[done].sum())
    sums = {name: sum(row[name] for row in rows) for name in (*USED, "a4_kg", "capacity_m3", "price_yuan", "haul_yuan")}
    return {
        "plants": len(rows), "enterprises": len(owners), "large_enterprises": sum(v * 365 / p.days >= GROUP_M3 for v in owners.values()),
        "ordered_m3": float(m3.sum()), "in_time_m3": made - float(shared.late_m3.sum()), "late_m3": float(shared.late_m3.sum()),
        "refused_m3": float(m3[shared.plant == REFUSED].sum()), "unserved_m3": float(m3[shared.plant == UNSERVED].sum()), "made_m3": made,
        "mean_km": float((m3 * shared.km)[done].sum()) / max(made, 1e-9), "idle_plants": int((output == 0).sum()),
        "yuan_m3": (sums["price_yuan"] + sums["haul_yuan"]) / max(made, 1e-9),
        "kwh_m3": sums["kwh"] / max(made, 1e-9), "water_kg_m3": sums["water_kg"] / max(made, 1e-9), "discharge_t": sums["discharge_kg"] / 1000,
        "dust_t": sums["dust_kg"] / 1000, "co2_kg_m3": (sums["co2_kg"] + sums["a4_kg"]) / max(made, 1e-9),
    }  # fmt: skip


def plant_rows(p: Province, plants: list[Placed], orders: Orders, shared: Shared) -> list[dict[str, Any]]:
    """The table `plants`: what each plant is, made, took and earned in the year."""
    n, done = len(plants), shared.served >= 0
    whom, m3 = shared.plant[done], orders.m3[done]
    of = lambda values: np.bincount(whom, values, n)
    late, km_m3, loads = of(shared.late_m3[done]), of(m3 * shared.km[done]), np.bincount(whom, minlength=n)
    output = shared.made_m3.sum(axis=0)
    used = {name: np.zeros(n) for name in USED}
    kg = np.zeros(n)
    for like, columns in columns_of(p, plants).items():
        kg[columns] = classes()[like].concrete_kg_m3
        for name in USED:
            used[name][columns] = getattr(classes()[like], name).of(shared.made_m3[:, columns]).sum(axis=0)
    haul = carbon.factors()["transport_kg_t_km"]["concrete"]["value"]
    rows = []
    for k, q in enumerate(plants):
        kind = p.kinds[q.kind]
        rows.append({
            "plant": q.name, "enterprise": q.enterprise, "city": q.city, "kind": q.kind, "x_km": round(q.x_km, 3), "y_km": round(q.y_km, 3),
            "stars": kind.stars, "benchmark": kind.benchmark, "capacity_m3": kind.rated_m3_h * p.nominal_hours * p.days / 365, "output_m3": float(output[k]),
            "late_m3": float(late[k]), "orders": int(loads[k]), "mean_km": float(km_m3[k] / output[k]) if output[k] else 0.0, "concrete_t": float(kg[k] * output[k] / 1000),
            "price_yuan_m3": q.price_yuan_m3, "price_yuan": float(q.price_yuan_m3 * output[k]), "haul_yuan": float(p.haul_yuan_m3_km * km_m3[k]),
            **{name: float(used[name][k]) for name in USED}, "a4_kg": float(km_m3[k] * kg[k] / 1000 * haul),
        })  # fmt: skip
    return rows


def _write(
    p: Province, folder: Path, policy: str, plants: list[Placed], made: list[dict[str, Any]], orders: Orders, shared: Shared
) -> None:
    """A run folder: `plants`, `orders`, `cities` by day."""
    starts = datetime.combine(p.starts, datetime.min.time())
    scenario = {"name": f"{p.name}-{policy}", "title": p.title.model_dump(), "starts": starts.isoformat(), "province": as_info(p)}
    writer = RunWriter(
        folder,
        {"version": VERSION, "scenario": scenario, "seed": p.seed, "fidelity": "days", "lasts_s": p.days * 86400.0, "policy": policy},
    )
    writer.append("plants", pa.Table.from_pylist(made))
    names = pa.array([*(q.name for q in plants), "unserved", "refused"])
    where = np.where(shared.plant >= 0, shared.plant, len(plants) - 1 - shared.plant)  # -1 is unserved, -2 refused
    city = np.array(list(p.cities))[orders.city[orders.site]]
    writer.append("orders", pa.table({
        "day": orders.day, "city": pa.array(city).dictionary_encode().cast(pa.string()), "site": orders.site, "m3": orders.m3, "plant": names.take(pa.array(where)),
        "served_day": shared.served, "km": shared.km, "late_m3": shared.late_m3,
    }))  # fmt: skip
    done = shared.served >= 0
    what = {"ordered_m3": orders.m3, "late_m3": shared.late_m3, "made_m3": orders.m3 * done, "refused_m3": orders.m3 * (shared.plant == REFUSED),
            "unserved_m3": orders.m3 * (shared.plant == UNSERVED)}  # fmt: skip
    cell = orders.day * len(p.cities) + orders.city[orders.site]
    size = p.days * len(p.cities)
    sums = {name: np.bincount(cell, values, size) for name, values in what.items()}
    writer.append("cities", pa.table({"day": np.repeat(np.arange(p.days), len(p.cities)), "city": list(p.cities) * p.days, **sums}))
    writer.close("complete", {"run": str(folder), "state": "complete", "sim_seconds": p.days * 86400.0, "m3": float(orders.m3[done].sum())})
