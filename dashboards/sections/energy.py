"""Energy and carbon: what drew electricity, what the roof gave, and CO2e by module."""

from __future__ import annotations

from typing import Any

from dashboards import charts
from dashboards.facts import BUCKETS, Facts
from dashboards.pieces import Chart, Figures, Note, Section, Text, num, percent
from scenarios import carbon

KINDS = {
    "mixer": Text("mixers", "搅拌机"), "belt": Text("belts", "皮带"), "screw": Text("screws", "螺旋"), "pump": Text("pumps, water loop", "泵与水系统"),
    "charger": Text("charging of trucks", "车辆充电"), "fan": Text("dust collector fans", "除尘风机"), "compressor": Text("compressed air", "压缩空气"), "base load": Text("offices, laboratory", "办公与试验室"),
}  # fmt: skip
MODULES = (("a1_kg", Text("A1 materials", "A1 原材料")), ("a2_kg", Text("A2 their transport", "A2 原材料运输")), ("a3_kg", Text("A3 plant electricity", "A3 生产用电")),
           ("a4_kg", Text("A4 delivery", "A4 运至工地")))  # fmt: skip
# GB/T 51366-2019 Table D.0.1, whole product (found); for a look, not for a judgement.
USUAL = Text("GB/T 51366 lists C30 with 295 and C50 with 385 kg/m³", "GB/T 51366：C30 为 295、C50 为 385 kg/m³")


def section(facts: Facts) -> Section:
    """Energy and carbon."""
    out = Section("energy", Text("Energy and carbon", "能耗与碳排放"))
    if not facts.has("energy", "batches", "weather"):
        out.items.append(Note(Text("No energy or no batch was recorded in this run.", "本次运行没有能耗或盘次记录。"), "nothing"))
        return out
    grid, rows = carbon.energy(facts.run), carbon.by_batch(facts.run)
    made, total = float(rows.volume_m3.sum()), float(rows.total_kg.sum())
    demand, solar = float(grid.demand_kwh.sum()), float(grid.solar_used_kwh.sum())
    items: list[tuple[Text, Any, Any]] = [
        (Text("Electricity", "用电量"), f"{num(demand, 0)} kWh", f"{num(demand / made, 2)} kWh/m³"),
        (Text("From the roof", "光伏自用"), percent(solar / demand if demand else None, 1), f"{num(solar, 0)} kWh"),
        (Text("CO2e", "碳排放"), f"{num(total / made, 0)} kg/m³", Text("A1–A4, «unverified»; {u}", "A1–A4，“未核实”；{u}").put(u=USUAL)),
    ]
    per_m3 = [float(rows[key].sum()) / made for key, _ in MODULES]
    bar = {
        "type": "bar",
        "x": [title for _, title in MODULES],
        "y": [round(v, 2) for v in per_m3],
        "marker": {"color": charts.MID},
        "name": Text("kg CO2e per m³", "kg CO2e/m³"),
    }
    waterfall = {"data": [bar], "layout": charts.layout(Text("kg CO2e per m³", "kg CO2e/m³"), None, showlegend=False)}
    what = Text("Carbon per cubic metre by module, A1 to A4.", "每立方米各模块碳排放 A1–A4。")
    note = Text("Factors and their sources: scenarios/carbon_factors.yaml; materials are taken to come from the distances of the design (default 500 km).",
                "排放因子及来源见 scenarios/carbon_factors.yaml；原材料运距取自设计（缺省 500 km）。")  # fmt: skip
    out.items += [
        Figures(items),
        by_kind(facts),
        Chart("carbon", Text("Carbon by module", "碳排放构成"), what, waterfall, 280),
        Note(note, "recalled"),
    ]
    return out


def by_kind(facts: Facts) -> Chart:
    """Electricity by kind of machine over time."""
    c = facts.columns(
        f"SELECT kind, {facts.bucket_ms('(time_s - 1)')} AS x, sum(kwh) AS kwh FROM energy WHERE kwh > 0 GROUP BY ALL ORDER BY kind, x"
    )
    kinds = [k for k in KINDS if k in c["kind"]]
    data = []
    for i, kind in enumerate(kinds):
        points = [(x, round(v, 2)) for k, x, v in zip(c["kind"], c["x"], c["kwh"], strict=True) if k == kind]
        data.append(
            {
                "type": "bar",
                "name": KINDS[kind],
                "x": [p[0] for p in points],
                "y": [p[1] for p in points],
                "marker": {"color": charts.SERIES[i]},
            }
        )
    figure = {"data": data, "layout": charts.layout(Text("kWh", "kWh"), facts.span_s, barmode="stack", showlegend=True)}
    title = Text("Electricity by kind of machine, per {b}", "按设备类别用电（每{b}）").put(b=BUCKETS[facts.bucket])
    return Chart("electricity", title, Text("Electricity by kind of machine over time.", "各类设备用电随时间变化。"), figure, 300)
