"""The score of a training, read from the tables of its run: rules with points, each with its reason in both languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from scenarios.run import Run
from scenarios.training import CATEGORIES, Drill

DRIP_KG, SPILL_KG = 50.0, 500.0  # a gate drips; concrete on the ground that costs all points (engineering choices, as all the scales here)
DISCHARGE_KG = 2000.0  # water off the site that costs all points
STACK_KG_M3 = (0.003, 0.01)  # dust from bags and silos by concrete made: a healthy line gives half the first
FENCE_MIN = (1.0, 12.0)  # minutes of dust alarms at the fence
OFF_RECIPE = (0.03, 0.12)  # share by which the worst batch may be off its water–binder ratio
OUTSIDE = (0.01, 0.1)  # share of weighings out of tolerance: up to here all points, from here none
WORK = 0.5  # of the goal
HOMOGENEOUS = 0.98  # least share mixed


class Reason(NamedTuple):
    """How much of its points a rule gives, and why."""

    share: float
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What one rule gave."""

    rule: str
    category: str
    points: float
    most: float
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one run."""

    drill: str
    points: float
    marks: tuple[Mark, ...]

    def by_category(self) -> dict[str, tuple[float, float]]:
        """Points and most points of each category."""
        return {
            c: (
                round(sum(m.points for m in self.marks if m.category == c), 1),
                round(sum(m.most for m in self.marks if m.category == c), 1),
            )
            for c in CATEGORIES
        }

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"drill": self.drill, "points": self.points, "marks": [asdict(m) for m in self.marks], "categories": self.by_category()}


class Tables:
    """Questions of the rules to a run; a table that is not there answers as an empty one."""

    def __init__(self, run: Run, drill: Drill) -> None:
        self.run, self.goals = run, drill.goals
        self.end_s = float(run.outcome.get("sim_seconds") or self.number("tags", "max(time_s)"))
        self.alarms = self._alarms()

    def number(self, table: str, ask: str, where: str = "true") -> float:
        """One number; 0 for none."""
        if table not in self.run.tables:
            return 0.0
        return float(self.run.sql(f"SELECT {ask} AS n FROM {table} WHERE {where}").to_pylist()[0]["n"] or 0.0)

    def events(self, where: str) -> list[dict[str, Any]]:
        """Rows of the event table in the order of time."""
        return (
            self.run.sql(f"SELECT time_s, kind, name, value, text FROM events WHERE {where} ORDER BY time_s").to_pylist()
            if "events" in self.run.tables
            else []
        )

    def batches(self) -> list[dict[str, Any]]:
        """Batches with `volume_m3`, `water_binder`, `homogeneity`, and `grade` where a ticket names it; by hand only, if only these count."""
        if "batches" not in self.run.tables:
            return []
        tickets = (
            "deliveries"
            if "deliveries" in self.run.tables
            else "(SELECT '' AS line, 0 AS batch_from, 0 AS batch_to, '' AS grade WHERE false)"
        )
        auto = (
            "AND b.number NOT IN (SELECT batch FROM weighings w WHERE w.line = b.line)"
            if self.goals.by_hand and "weighings" in self.run.tables
            else ""
        )
        return self.run.sql(
            f"SELECT b.volume_m3, b.water_binder, b.homogeneity, any_value(d.grade) AS grade FROM batches b LEFT JOIN {tickets} d"
            f" ON b.line = d.line AND b.number BETWEEN batch_from AND batch_to WHERE b.volume_m3 > 0.05 {auto} GROUP BY b.line, b.number, b.volume_m3, b.water_binder, b.homogeneity"
        ).to_pylist()

    def _alarms(self) -> list[dict[str, Any]]:
        """Each coming of an alarm, with when it went and when it was acknowledged."""
        found: list[dict[str, Any]] = []
        open_: dict[str, dict[str, Any]] = {}
        last: dict[str, dict[str, Any]] = {}
        for e in self.events("kind IN ('alarm', 'alarm-end', 'acknowledge')"):
            if e["kind"] == "alarm":
                open_[e["name"]] = last[e["name"]] = {"name": e["name"], "from_s": e["time_s"], "to_s": None, "seen_s": None}
                found.append(last[e["name"]])
            elif e["kind"] == "alarm-end" and e["name"] in open_:
                open_.pop(e["name"])["to_s"] = e["time_s"]
            elif e["kind"] == "acknowledge" and e["name"] in last and last[e["name"]]["seen_s"] is None:
                last[e["name"]]["seen_s"] = e["time_s"]
        return found

    def lasting_s(self, *ends: str) -> float:
        """How long alarms with such names stood, all told."""
        return sum((self.end_s if a["to_s"] is None else a["to_s"]) - a["from_s"] for a in self.alarms if a["name"].endswith(ends))


def _fall(value: float, good: float, bad: float) -> float:
    """1 up to `good`, 0 from `bad` on, straight between."""
    return min(max((bad - value) / (bad - good), 0.0), 1.0)


# --- rules ----------------------------------------------------------------------------------------------


def spilled(t: Tables) -> Reason:
    """Concrete poured where no truck stood."""
    kg = t.number("ledger", "sum(kg)", "target = 'ground'")
    return Reason(_fall(kg, DRIP_KG, SPILL_KG), f"{kg:.0f} kg on the ground", f"洒落地面 {kg:.0f} kg")


def started_into_danger(t: Tables) -> Reason:
    """Starting a line while its emergency stop or its tripped protection stands."""
    starts = [e for e in t.events("kind = 'command' AND value > 0.5") if e["name"].endswith(".Station.Start")]
    wrong = sum(
        any(a["name"].split(".")[0] == s["name"].split(".")[0] and a["name"].endswith((".EStop", ".Mixer.Tripped")) and
            a["from_s"] <= s["time_s"] <= (t.end_s if a["to_s"] is None else a["to_s"]) for a in t.alarms)
        for s in starts
    )  # fmt: skip
    return Reason(
        _fall(wrong, 0, 2), f"{wrong} of {len(starts)} starts while the cause still stood", f"{len(starts)} 次启动中有 {wrong} 次原因未消除"
    )


def overpressure(t: Tables) -> Reason:
    """Silos blown through their relief valves."""
    seconds = t.lasting_s(".ReliefOpen")
    return Reason(_fall(seconds, 1, 120), f"relief valves open for {seconds:.0f} s", f"安全阀开启 {seconds:.0f} s")


def tolerance(t: Tables) -> Reason:
    """True masses against their tolerances, of what the program weighed; batches by hand answer for theirs in `off_recipe`."""
    n = t.number("weighings", "count(*)")
    if not n:
        return Reason(1.0, "nothing was weighed by the program", "程序未计量")
    outside = t.number("weighings", "count(*)", "outside")
    return Reason(
        _fall(outside / n, *OUTSIDE), f"{outside:.0f} of {n:.0f} weighings out of tolerance", f"{n:.0f} 次计量中超差 {outside:.0f} 次"
    )


def off_recipe(t: Tables) -> Reason:
    """Water–binder ratio of the worst batch against the recipe of its load; without a ticket, against the recipe that comes nearest."""
    design = t.run.info.get("design", {})
    of = {r["grade"]: _ratio(r["kg_m3"], design.get("materials", {})) for r in design.get("recipes", [])}
    made = t.batches()
    if not made or not of:
        return Reason(0.0, "no batch was made", "没有生产任何一盘")
    off = max(min(abs(b["water_binder"] / r - 1.0) for r in ([of[b["grade"]]] if b["grade"] in of else of.values())) for b in made)
    return Reason(
        _fall(off, *OFF_RECIPE),
        f"water–binder ratio of the worst batch {100 * off:.1f} % off its recipe",
        f"最差一盘水胶比偏离配合比 {100 * off:.1f} %",
    )


def _ratio(kg_m3: dict[str, float], materials: dict[str, Any]) -> float:
    """Water over binder of a recipe."""
    kind = {name: m.get("species") for name, m in materials.items()}
    binder = sum(kg for name, kg in kg_m3.items() if kind.get(name) in ("cement", "fly_ash", "slag"))
    return sum(kg for name, kg in kg_m3.items() if kind.get(name) in ("water", "slurry_water")) / max(binder, 1e-9)


def mixed(t: Tables) -> Reason:
    """Batches let out before they were mixed."""
    made = t.batches()
    if not made:
        return Reason(0.0, "no batch was made", "没有生产任何一盘")
    poor = sum(b["homogeneity"] < HOMOGENEOUS for b in made)
    return Reason(
        _fall(poor / len(made), 0.0, 0.2),
        f"{poor} of {len(made)} batches not mixed to {HOMOGENEOUS:.0%}",
        f"{len(made)} 盘中有 {poor} 盘匀质性低于 {HOMOGENEOUS:.0%}",
    )


def water_off_site(t: Tables) -> Reason:
    """Zero discharge: water that left over a weir or the gate."""
    kg = t.number("ledger", "sum(kg)", "target = 'discharge' AND species = 'water'")
    return Reason(_fall(kg, 0.5, DISCHARGE_KG), f"{kg / 1000:.2f} m³ of water left the site", f"外排水 {kg / 1000:.2f} m³")


def stacks(t: Tables) -> Reason:
    """Dust that came out of bags and silos, by the concrete made."""
    kg = t.number("ledger", "sum(kg)", "target = 'air' AND species <> 'water' AND (source LIKE '%.Collector.%' OR source LIKE '%.Silo.%')")
    per_m3 = kg / max(t.number("batches", "sum(volume_m3)"), 1.0)
    return Reason(
        _fall(per_m3, *STACK_KG_M3),
        f"{1000 * kg:.0f} g of dust from bags and silos, {1000 * per_m3:.1f} g/m³",
        f"除尘器与筒仓排尘 {1000 * kg:.0f} g，{1000 * per_m3:.1f} g/m³",
    )


def fence(t: Tables) -> Reason:
    """Time in which dust at the fence was over a limit or a warning."""
    minutes = t.lasting_s(".TspHigh", ".FugitiveHigh", ".Pm10High") / 60
    return Reason(
        _fall(minutes, *FENCE_MIN), f"dust alarms at the fence stood for {minutes:.1f} min", f"厂界粉尘报警累计 {minutes:.1f} min"
    )


def volume(t: Tables) -> Reason:
    """Concrete made, against what a good shift makes."""
    m3 = sum(b["volume_m3"] for b in t.batches())
    return Reason(min(m3 / t.goals.m3, 1.0), f"{m3:.1f} of {t.goals.m3:g} m³ made", f"生产 {m3:.1f} / {t.goals.m3:g} m³")


def standstill(t: Tables) -> Reason:
    """Time that lines stood in safe state, and weighings that waited for a decision."""
    seconds = t.lasting_s(".Station.Safe", ".OverTolerance")
    return Reason(_fall(seconds, t.goals.standstill_s, 3 * t.goals.standstill_s), f"lines stood or waited for a decision for {seconds:.0f} s (good: {t.goals.standstill_s:.0f} s)",
                  f"停机或等待决定 {seconds:.0f} s（良好：{t.goals.standstill_s:.0f} s）")  # fmt: skip


def acknowledged(t: Tables) -> Reason:
    """Alarms that somebody has seen in time; one that came in the last moments need not be."""
    due = [a for a in t.alarms if a["seen_s"] is not None or a["from_s"] + t.goals.answer_s <= t.end_s]
    seen = sum(a["seen_s"] is not None and a["seen_s"] - a["from_s"] <= t.goals.answer_s for a in due)
    if not due:
        return Reason(1.0, "no alarm came", "没有报警")
    return Reason(
        seen / len(due),
        f"{seen} of {len(due)} alarms acknowledged within {t.goals.answer_s:.0f} s",
        f"{len(due)} 次报警中 {seen} 次在 {t.goals.answer_s:.0f} s 内确认",
    )


Rule = Callable[[Tables], Reason]
# What each rule is worth within its category.
RULES: dict[str, tuple[str, float, Rule]] = {
    "spilled": ("safety", 0.4, spilled),
    "started-into-danger": ("safety", 0.4, started_into_danger),
    "overpressure": ("safety", 0.2, overpressure),
    "tolerance": ("quality", 0.4, tolerance),
    "off-recipe": ("quality", 0.4, off_recipe),
    "mixed": ("quality", 0.2, mixed),
    "water-off-site": ("discharge", 0.5, water_off_site),
    "stacks": ("discharge", 0.25, stacks),
    "fence": ("discharge", 0.25, fence),
    "volume": ("time", 0.6, volume),
    "standstill": ("time", 0.4, standstill),
    "acknowledged": ("alarms", 1.0, acknowledged),
}


def score(run: Run, drill: Drill) -> Score:
    """Score a run, also one that was ended before its time. Who makes less than `WORK` of the concrete gets less of everything: a plant that stands is safe.

    Args:
        run: an opened run that is over.
    """
    tables = Tables(run, drill)
    marks = []
    work = min(sum(b["volume_m3"] for b in tables.batches()) / (WORK * drill.goals.m3), 1.0)
    for name, (category, worth, rule) in RULES.items():
        reason = rule(tables)
        most = worth * drill.goals.points[category]
        points, en, zh = reason.share * most, reason.en, reason.zh
        if work < 1 and rule is not volume and reason.share > 0:
            points, en, zh = points * work, f"{en}; × {work:.2f}, as the plant stood", f"{zh}；× {work:.2f}（产量不足）"
        marks.append(Mark(name, category, round(points, 2), round(most, 2), en, zh))
    return Score(drill.name, round(sum(m.points for m in marks), 1), tuple(marks))
