"""Production over time: cubic metres, drives, and the tags of the plant."""

from __future__ import annotations

from itertools import accumulate

from dashboards import charts
from dashboards.facts import BUCKETS, DAY, HOUR, Facts
from dashboards.pieces import Chart, Grid, Note, Section, Text, same

# Tags worth a look over the day: end of the name, title, unit.
SHOWN = (
    (".Mixer.Power", Text("Mixer power", "搅拌机功率"), "kW"),
    (".Mixer.Temperature", Text("Concrete temperature in the mixer", "搅拌机内混凝土温度"), "°C"),
    (".Belt.Power", Text("Belt drive power", "皮带功率"), "kW"),
    (".Pressure", Text("Silo pressure", "筒仓压力"), "kPa"),
    (".Moisture", Text("Sand moisture, probes", "砂含水率（在线探头）"), "%"),
)
PEAKS = Text(
    "At most 2000 points a curve; of each interval the least and the greatest value are kept, so no peak is lost.",
    "每条曲线至多 2000 点；每个时段保留最小值与最大值，峰值不丢失。",
)
BAND = Text("The line is the mean of a day, the shaded range its least to greatest value.", "线为日平均值，阴影为当日最小至最大值。")


def section(facts: Facts) -> Section:
    """Production over time."""
    out = Section("production", Text("Production over time", "生产过程"))
    out.items.append(volume(facts) or Note(Text("No batch left a mixer in this run.", "本次运行没有出料的盘次。"), "nothing"))
    small = tags(facts)
    note = BAND if facts.long else PEAKS
    out.items.append(
        Grid(Text("Plant tags", "设备标签趋势"), small, note)
        if small
        else Note(Text("No tags were recorded.", "没有标签记录。"), "nothing")
    )
    return out


def volume(facts: Facts) -> Chart | None:
    """Cubic metres by hour, day or week, and their sum."""
    if not facts.has("batches"):
        return None
    c = facts.columns(f"SELECT {facts.bucket_ms('time_s')} AS at_ms, sum(volume_m3) AS m3 FROM batches GROUP BY at_ms ORDER BY at_ms")
    bucket = BUCKETS[facts.bucket]
    width = {"hour": HOUR, "day": DAY, "week": 7 * DAY}[facts.bucket] * 1000
    per = Text("m³ per {b}", "m³ / {b}").put(b=bucket)
    total = [round(t, 2) for t in accumulate(c["m3"])]
    figure = charts.bars_and_total(
        c["at_ms"],
        [round(v, 2) for v in c["m3"]],
        total,
        (per, Text("cumulative m³", "累计 m³")),
        (per, Text("cumulative m³", "累计 m³")),
        facts.span_s,
        width,
    )
    what = Text(
        "Bars: concrete out of the mixers per {b}; line: their sum, {t} m³ at the end.", "柱：每{b}出料方量；线：累计，最终 {t} m³。"
    )
    return Chart(
        "volume",
        Text("Concrete out of the mixers, true volume", "搅拌机出料方量（实际体积）"),
        what.put(b=bucket, t=f"{total[-1]:,.1f}"),
        figure,
    )


def tags(facts: Facts) -> list[Chart]:
    """A chart for each kind of tag; in long runs, one for each tag."""
    out = []
    for end, title, unit in SHOWN:
        names = facts.tag_names(end)
        what = Text("{t} over time, in {u}.", "{t}随时间变化，单位 {u}。").put(t=title, u=unit)
        key = end.strip(".").replace(".", "-").lower()
        if names and facts.long:
            for i, (name, b) in enumerate(facts.bands(names).items()):
                out.append(
                    Chart(
                        f"{key}-{i}",
                        Text("{t} · {n}", "{t} · {n}").put(t=title, n=short(name)),
                        what,
                        charts.band(b, same(unit), facts.span_s),
                        190,
                    )
                )
        elif names:
            curves: dict[charts.Name, charts.Points] = {short(n): p for n, p in facts.peaks(names).items()}
            out.append(Chart(key, title, what, charts.trend(curves, same(unit), facts.span_s), 230 + 10 * len(curves)))
    return out


def short(tag: str) -> str:
    """A tag's machine, without the tag itself."""
    return tag.rsplit(".", 1)[0]
