"""The ledgers that the Hubei guidance asks a plant to keep, each a query over a run's tables, and their writing as CSV or as a workbook.

A new ledger is an entry in `LEDGERS`; a new column name an entry in `COLUMNS`.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa

from scenarios.run import Run
from scenarios.sheets import Sheet, cell, save
from twin.errors import BatchtwinError

Format = Literal["csv", "xlsx"]
SHEET_ROWS = 1_048_575  # rows of a sheet beneath its head


@dataclass(frozen=True, slots=True)
class Ledger:
    """One ledger.

    Attributes:
        name: of the file, the sheet and the messages.
        clause: of annex 1 of the guidance that asks for it.
        table: without which there is no such ledger.
        select: its columns, SQL; those whose names end in `_at` are seconds of the run and become times of the calendar.
        rest: of the query.
    """

    name: str
    zh: str
    en: str
    clause: str
    table: str
    select: str
    rest: str

    @property
    def columns(self) -> list[str]:
        """Names of its columns."""
        return [of.rpartition(" AS ")[2].strip('"') for of in self.select.split(", ")]


LEDGERS = (
    Ledger("raw-materials", "原材料进场台账", "Materials received", "4.5", "lots",
           "lot, arrived_s AS arrived_at, store, material, supplier, kg, moisture, mud",
           "FROM lots ORDER BY lot"),
    Ledger("inspections", "进场骨料、混合骨料与再生材料检验台账", "Inspections at the gate and by shift", "4.5, 4.6, 4.7", "inspections",
           "sampled_s AS sampled_at, time_s AS result_at, shift, kind, source, value_percent, limit_percent, shown_percent, result, tester, released_by",
           "FROM inspections ORDER BY sampled_s, kind, source"),
    Ledger("samples", "出厂检验与交货检验台账", "Samples of concrete", "4.10", "samples",
           "sample, inspection, time_s AS sampled_at, grade, \"order\", line, ticket, slump_mm, slump_wanted_mm, temperature_c, age_min",
           "FROM samples ORDER BY sample"),
    Ledger("cubes", "试件强度台账", "Strength of cubes", "4.10", "cubes",
           "sample, inspection, grade, age_d, time_s AS tested_at, cube1_mpa, cube2_mpa, cube3_mpa, value_mpa, rule",
           "FROM cubes ORDER BY time_s, sample"),
    Ledger("batches", "生产台账", "Batches", "5.9", "batches",
           "time_s AS made_at, line, number, volume_m3, cement_kg, fly_ash_kg, slag_kg, sand_kg, stone_kg, water_kg, admixture_kg, fines_kg, water_binder, slump_mm, temperature_c",
           "FROM batches ORDER BY time_s, line"),
    Ledger("adjustments", "配合比调整台账", "Adjustments of recipes", "5.9", "adjustments",
           "time_s AS proposed_at, recipe, material, from_kg_m3, to_kg_m3, approved_kg_m3, \"limit\", reason, sample, proposed_by, signed_by, signed_s AS signed_at",
           "FROM adjustments ORDER BY time_s, recipe"),
    Ledger("metering", "计量偏差处理台账", "Metering deviations", "7.7", "weighings",
           "time_s AS weighed_at, line, batch, material, target_kg, recorded_kg, recorded_kg - target_kg AS deviation_kg, tolerance_kg, redoses, disposition",
           "FROM weighings WHERE disposition <> 'within' OR abs(recorded_kg - target_kg) > tolerance_kg ORDER BY time_s, line, weigher"),
    Ledger("deliveries", "运输台账", "Deliveries", "6.4", "deliveries",
           "ticket, \"order\", grade, line, truck, volume_m3, gross_kg, tare_kg, left_s AS left_at, washed, arrived_s AS arrived_site_at, poured_s AS poured_at, returned_s AS returned_at, slump_mm, slump_site_mm, temperature_site_c, outcome, km_out, km_back",
           "FROM deliveries ORDER BY ticket"),
    Ledger("gate", "出厂检查台账", "Checks at the gate", "5.10", "gate",
           "time_s AS checked_at, truck, ticket, way, shown_kg, passed, remark",
           "FROM gate ORDER BY time_s, truck"),
    Ledger("late-concrete", "超时混凝土处理台账", "Late concrete", "6.6", "deliveries",
           "ticket, \"order\", grade, truck, pour_s AS judged_at, age_site_min, slump_site_mm, outcome",
           "FROM deliveries WHERE outcome LIKE 'late%' ORDER BY ticket"),
    Ledger("returned", "退灰处理台账", "Returned concrete", "5.12", "returned",
           "time_s AS decided_at, truck, ticket, volume_m3, kg, reason, decision, decided_by",
           "FROM returned ORDER BY time_s, truck"),
    Ledger("violations", "车辆违规台账", "Violations by vehicles", "6.4", "violations",
           "time_s AS noted_at, truck, ticket, kind, value, \"limit\", action",
           "FROM violations ORDER BY time_s, truck"),
    Ledger("exceedances", "扬尘噪声超标台账", "Dust and noise alarms at the fence", "9.3", "events",
           "time_s AS noted_at, name AS monitor, text",
           "FROM events WHERE kind = 'alarm' AND name LIKE 'Air.Monitor.%High' ORDER BY time_s, name"),
    Ledger("recycling", "废弃物回收利用台账", "Waste recovered and carted away", "9.6, 9.7", "ledger",
           "floor(time_s / 86400) * 86400 AS day_at, source, target, species, sum(kg) AS kg",
           "FROM ledger WHERE target IN ('tip', 'discharge', 'drain', 'blocks') OR source LIKE 'Water.Separator%' OR target LIKE '%Tank.Slurry' GROUP BY ALL HAVING sum(kg) > 0 ORDER BY ALL"),
)  # fmt: skip

COLUMNS = {
    "lot": ("批号", "lot"), "store": ("料仓", "store"), "material": ("材料", "material"), "supplier": ("供应商", "supplier"), "kg": ("质量 kg", "mass, kg"),
    "moisture": ("含水率", "moisture, kg/kg dry"), "mud": ("含泥量", "mud, kg/kg dry"), "washed": ("出厂冲洗", "washed on leaving"), "arrived_at": ("进场时间", "arrived"), "sampled_at": ("取样时间", "sampled"), "result_at": ("出具结果时间", "result"),
    "shift": ("班次", "shift"), "kind": ("类别", "kind"), "source": ("来源", "from"), "value_percent": ("实测 %", "found, %"), "limit_percent": ("限值 %", "limit, %"),
    "shown_percent": ("仪表示值 %", "instrument, %"), "result": ("结论", "result"), "tester": ("试验员", "tester"), "released_by": ("放行人", "released by"),
    "sample": ("样品号", "sample"), "inspection": ("检验", "inspection"), "grade": ("强度等级", "grade"), "order": ("工程", "site"), "line": ("生产线", "line"),
    "ticket": ("发货单号", "ticket"), "slump_mm": ("坍落度 mm", "slump, mm"), "slump_wanted_mm": ("要求坍落度 mm", "slump wanted, mm"), "temperature_c": ("温度 °C", "temperature, °C"),
    "age_min": ("龄期 min", "age, min"), "age_d": ("龄期 d", "age, d"), "tested_at": ("试验时间", "tested"), "cube1_mpa": ("试件1 MPa", "cube 1, MPa"),
    "cube2_mpa": ("试件2 MPa", "cube 2, MPa"), "cube3_mpa": ("试件3 MPa", "cube 3, MPa"), "value_mpa": ("代表值 MPa", "value of the set, MPa"), "rule": ("取值规则", "rule"),
    "made_at": ("生产时间", "made"), "number": ("盘号", "batch"), "batch": ("盘号", "batch"), "volume_m3": ("方量 m³", "volume, m³"), "cement_kg": ("水泥 kg", "cement, kg"),
    "fly_ash_kg": ("粉煤灰 kg", "fly ash, kg"), "slag_kg": ("矿粉 kg", "slag, kg"), "sand_kg": ("砂 kg", "sand, kg"), "stone_kg": ("石 kg", "stone, kg"),
    "water_kg": ("水 kg", "water, kg"), "admixture_kg": ("外加剂 kg", "admixture, kg"), "fines_kg": ("细粉 kg", "fines, kg"), "water_binder": ("水胶比", "water/binder"),
    "proposed_at": ("提出时间", "proposed"), "recipe": ("配合比", "recipe"), "from_kg_m3": ("原用量 kg/m³", "from, kg/m³"), "to_kg_m3": ("调整后用量 kg/m³", "to, kg/m³"),
    "approved_kg_m3": ("批准用量 kg/m³", "approved, kg/m³"), "proposed_by": ("提出人", "proposed by"), "signed_by": ("签字人", "signed by"), "signed_at": ("签字时间", "signed"),
    "weighed_at": ("计量时间", "weighed"), "target_kg": ("设定值 kg", "target, kg"), "recorded_kg": ("记录值 kg", "recorded, kg"), "deviation_kg": ("偏差 kg", "deviation, kg"),
    "tolerance_kg": ("允许偏差 kg", "tolerance, kg"), "redoses": ("补称次数", "re-doses"), "disposition": ("处理", "disposition"), "truck": ("车号", "truck"),
    "gross_kg": ("毛重 kg", "gross, kg"), "tare_kg": ("皮重 kg", "tare, kg"), "left_at": ("出站时间", "left"), "arrived_site_at": ("到达工地时间", "on site"),
    "poured_at": ("卸完时间", "poured"), "returned_at": ("回站时间", "returned"), "slump_site_mm": ("现场坍落度 mm", "slump on site, mm"),
    "temperature_site_c": ("现场温度 °C", "temperature on site, °C"), "outcome": ("结果", "outcome"), "km_out": ("去程 km", "out, km"), "km_back": ("回程 km", "back, km"),
    "checked_at": ("检查时间", "checked"), "way": ("进出", "way"), "shown_kg": ("示值 kg", "shown, kg"), "passed": ("放行", "passed"), "remark": ("备注", "remark"),
    "judged_at": ("判定时间", "judged"), "age_site_min": ("现场龄期 min", "age on site, min"), "decided_at": ("处理时间", "decided"), "reason": ("原因", "reason"),
    "decision": ("处理方式", "decision"), "decided_by": ("处理人", "decided by"), "noted_at": ("时间", "noted"), "value": ("数值", "value"), "limit": ("限值", "limit"),
    "action": ("处置", "action"), "monitor": ("监测点", "monitor"), "text": ("内容", "text"), "day_at": ("日期", "day from"), "target": ("去向", "to"), "species": ("物料", "species"),
}  # fmt: skip


def of(run: Run) -> list[Ledger]:
    """The ledgers that a run can fill."""
    return [ledger for ledger in LEDGERS if ledger.table in run.tables]


def rows(run: Run, ledger: Ledger) -> pa.Table:
    """A ledger's rows, with times of the calendar (the plant's own clock)."""
    starts = datetime.fromisoformat(run.info["scenario"]["starts"]).replace(tzinfo=None)
    columns = ", ".join(
        f"TIMESTAMP '{starts}' + to_microseconds(CAST(round({n} * 1e3) AS BIGINT) * 1000) AS {n}" if n.endswith("_at") else f'"{n}"'
        for n in ledger.columns
    )
    return run.sql(f"SELECT {columns} FROM (SELECT {ledger.select} {ledger.rest})")


def head(table: pa.Table) -> list[str]:
    """Both names of each column."""
    return [" ".join(COLUMNS[name]) for name in table.column_names]


def write(run: Run, folder: str | Path, form: Format = "xlsx") -> list[Path]:
    """Write all ledgers of a run.

    Args:
        folder: is made; files in it of the same names are replaced.
        form: `csv`, a file a ledger (UTF-8 with a mark that spreadsheets know), or `xlsx`, a sheet a ledger in `ledgers.xlsx`.

    Returns:
        The files.

    Raises:
        BatchtwinError: E203 when it cannot be written, E401 for a ledger longer than a sheet.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        return (_write_csv if form == "csv" else _write_workbook)(run, target)
    except OSError as error:
        raise BatchtwinError("E203", path=target, problem=error.strerror or "not writable") from None


def _write_csv(run: Run, folder: Path) -> list[Path]:
    out = []
    for ledger in of(run):
        table = rows(run, ledger)
        path = folder / f"{ledger.name}.csv"
        part = path.with_suffix(".tmp")
        with part.open("w", encoding="utf-8-sig", newline="") as file:
            to = csv.writer(file)
            to.writerow(head(table))
            for batch in table.to_batches():
                to.writerows(zip(*(map(cell, column.to_pylist()) for column in batch.columns), strict=True))
        os.replace(part, path)
        out.append(path)
    return out


def _write_workbook(run: Run, folder: Path) -> list[Path]:
    sheets = []
    for ledger in of(run):
        table = rows(run, ledger)
        if table.num_rows > SHEET_ROWS:
            raise BatchtwinError(
                "E401", problem=f"ledger {ledger.name} has {table.num_rows} rows, more than a sheet holds", mend="write --format csv"
            )
        sheets.append(Sheet(ledger.zh, tuple(head(table)), [list(row.values()) for row in table.to_pylist()]))
    return [save(folder / "ledgers.xlsx", sheets)]


__all__ = ["COLUMNS", "LEDGERS", "Ledger", "head", "of", "rows", "write"]
