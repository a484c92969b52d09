"""The exceedance ledger: what was over its limit, when, how long, by how much, and what was done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dashboards.facts import Facts, quoted
from dashboards.pieces import Note, Table, Text, flag, heads, num, same
from dashboards.texts import word
from twin.limits import DAY_BEGINS_H, DUST, NIGHT_BEGINS_H, NOISE_DB, OFTEN_DB

ROWS, MOST_ACTS = 200, 6
AFTER_S = 3600.0  # what is done that long after the end still belongs to it
WHAT = {
    "TspHigh": Text("TSP, 1 h, over the reference", "TSP 小时差值"),
    "FugitiveHigh": Text("TSP, 1 h, over the reference (GB 4915)", "TSP 小时差值（GB 4915）"),
    "Pm10High": Text("PM10, 1 h", "PM10 小时均值"),
    "Pm10DayHigh": Text("PM10, 24 h, over the reference", "PM10 日均差值"),
    "Pm25DayHigh": Text("PM2.5, 24 h, over the reference", "PM2.5 日均差值"),
    "NoiseHigh": Text("noise, LAeq 1 h", "噪声 LAeq 1 h"),
    "NoisePeakHigh": Text("night peak, Lmax", "夜间最大声级 Lmax"),
    "StackHigh": Text("exhaust, 1 h", "有组织排放 1 h"),
    "Outage": Text("station silent", "监测站离线"),
}
# Tag that an alarm watches, and its unit.
QUANTITY = {
    "TspHigh": ("TspOver", "µg/m³"), "FugitiveHigh": ("TspOver", "µg/m³"), "Pm10High": ("Pm10Hour", "µg/m³"), "Pm10DayHigh": ("Pm10OverDay", "µg/m³"),
    "Pm25DayHigh": ("Pm25OverDay", "µg/m³"), "NoiseHigh": ("NoiseHour", "dB(A)"), "NoisePeakHigh": ("NoiseMax", "dB(A)"), "StackHigh": ("OutletHour", "mg/m³"),
}  # fmt: skip

Act = tuple[float, Text]


def ledger(facts: Facts, plan: Any) -> Table | Note:
    """All exceedances of the run, the first of them in full."""
    spells = spells_of(facts)
    if not spells:
        return Note(Text("No station was over a limit.", "各监测站均未超标。"))
    done = acts(facts)
    rows = [row(facts, plan, done, *s) for s in sorted(spells, key=lambda s: s[1])[:ROWS]]
    head = heads("Where|位置", "What|项目", "From|开始", "Lasted, min|持续 min", "Highest|最高值", "Limit|限值", "What was done|处置")
    note = (
        Text("{n} exceedances; the first {m} are shown.", "共 {n} 次，列出前 {m} 次。").put(n=len(spells), m=len(rows))
        if len(spells) > ROWS
        else None
    )
    return Table(Text("Exceedances", "超标台账"), head, rows, note)


def spells_of(facts: Facts) -> list[tuple[str, float, float | None]]:
    """Alarm, beginning and end of each; no end while it lasts."""
    if not facts.has("events"):
        return []
    begun: dict[str, float] = {}
    out: list[tuple[str, float, float | None]] = []
    for r in facts.rows("SELECT time_s, kind, name FROM events WHERE kind IN ('alarm', 'alarm-end') ORDER BY time_s"):
        if r["name"].rsplit(".", 1)[-1] not in WHAT:
            continue
        if r["kind"] == "alarm":
            begun[r["name"]] = r["time_s"]
        elif r["name"] in begun:
            out.append((r["name"], begun.pop(r["name"]), r["time_s"]))
    return out + [(name, at, None) for name, at in begun.items()]


def acts(facts: Facts) -> list[Act]:
    """Starts of sprays and fans, trucks washed, what operators did, in order of time."""
    out: list[Act] = []
    for ending, what in ((".Running", Text("spray {n}", "喷淋 {n}")), (".FanRunning", Text("fan {n}", "风机 {n}"))):
        for tag in facts.tag_names(ending):
            if ending == ".FanRunning" or tag.startswith("Air.Spray."):
                name = tag.removesuffix(ending).removeprefix("Air.Spray.")
                out += [(t, what.put(n=name)) for t in rises(facts, tag)]
    out += [(t, Text("truck wash", "洗车")) for tag in facts.tag_names("TruckWash.Washed") for t in rises(facts, tag, 0.0)]
    if facts.has("events"):
        asked = facts.rows("SELECT time_s, kind, name, text FROM events WHERE kind IN ('operator', 'command') ORDER BY time_s")
        out += [
            (
                r["time_s"],
                Text(f"{word(r['kind']).en}: {r['name']} {word(r['text']).en}", f"{word(r['kind']).zh}：{r['name']} {word(r['text']).zh}"),
            )
            for r in asked
        ]
    return sorted(out, key=lambda act: act[0])


def rises(facts: Facts, tag: str, low: float | None = None) -> list[float]:
    """When a tag rose: from 0 when it is an on and off, at all when `low` is given."""
    name, before = quoted(tag), "before = 0" if low is None else "before >= 0"
    rows = facts.rows(
        f"SELECT time_s FROM (SELECT time_s, {name} AS v, lag({name}) OVER (ORDER BY time_s) AS before FROM tags) WHERE v > before AND {before}"
    )
    return [r["time_s"] for r in rows]


def row(facts: Facts, plan: Any, done: list[Act], name: str, begins_s: float, ends_s: float | None) -> list[Any]:
    """One line of the ledger."""
    machine, alarm = name.rsplit(".", 1)
    end = facts.span_s if ends_s is None else ends_s
    highest, limit = "–", "–"
    if alarm in QUANTITY:
        tag, unit = QUANTITY[alarm]
        value, most = highest_value(facts, f"{machine}.{tag}", begins_s, end), limit_of(facts, plan, machine, alarm, begins_s)
        highest, limit = (f"{num(v, 1)} {unit}" if v is not None else "–" for v in (value, most))
    return [same(machine.removeprefix("Air.Monitor.")), WHAT[alarm], facts.clock(begins_s), flag(num((end - begins_s) / 60), True, "warn"),
            highest, limit, what_was_done(facts, done, begins_s, end)]  # fmt: skip


def highest_value(facts: Facts, tag: str, begins_s: float, end_s: float) -> float | None:
    """Greatest value of a tag in a time and in the first row after it, whose mean may hold its end."""
    column = f"{tag}.max" if f"{tag}.max" in facts.tags else tag
    if column not in facts.tags:
        return None
    after = f"(SELECT coalesce(min(time_s), {end_s}) FROM tags WHERE time_s >= {end_s})"
    value: float | None = facts.one(f"SELECT max({quoted(column)}) AS v FROM tags WHERE time_s BETWEEN {begins_s} AND {after}")["v"]
    return value


def limit_of(facts: Facts, plan: Any, machine: str, alarm: str, at_s: float) -> float | None:
    """The limit that an alarm stands for, at that hour."""
    if alarm in DUST:
        return DUST[alarm].of(plan.protected)
    if alarm == "StackHigh":
        return highest_value(facts, f"{machine}.StackLimit", at_s, at_s)
    by_day, by_night = NOISE_DB[plan.zone]
    if alarm == "NoisePeakHigh":
        return by_night + OFTEN_DB
    hour = (facts.starts + timedelta(seconds=at_s - 60)).hour
    return by_day if DAY_BEGINS_H <= hour < NIGHT_BEGINS_H else by_night


def what_was_done(facts: Facts, done: list[Act], begins_s: float, end_s: float) -> Text:
    """Acts from its beginning until an hour after its end, each once with how often, and the water sprayed."""
    counts: dict[tuple[str, str], int] = {}
    for at, text in done:
        if begins_s <= at <= end_s + AFTER_S:
            counts[text.en, text.zh] = counts.get((text.en, text.zh), 0) + 1
    first = [(f"{en} ×{n}" if n > 1 else en, f"{zh} ×{n}" if n > 1 else zh) for (en, zh), n in list(counts.items())[:MOST_ACTS]]
    kg = 0.0
    if facts.has("ledger"):
        when = f"time_s BETWEEN {begins_s} AND {end_s + AFTER_S}"
        kg = facts.one(f"SELECT coalesce(sum(kg), 0) AS kg FROM ledger WHERE target LIKE 'Air.Spray.%' AND {when}")["kg"]
    if kg > 0:
        first.append((f"{num(kg)} kg sprayed", f"喷水 {num(kg)} kg"))
    return Text("; ".join(en for en, _ in first) or "nothing", "；".join(zh for _, zh in first) or "无")
