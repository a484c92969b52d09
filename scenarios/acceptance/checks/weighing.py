"""Checks on recorded weighings: tolerance by true mass, honest records, declared deviations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from scenarios.acceptance.checks.base import Check, curves
from scenarios.acceptance.evidence import Evidence, NothingToJudge
from scenarios.acceptance.results import CheckResult

SHOWN = "time_s, batch, weigher, feeder, material, target_kg, true_kg, shown_kg, recorded_kg, tolerance_kg, disposition"


class WeighingCheck(Check):
    """A check on the weighings of some or all weighers."""

    weigher: str = Field("", description="one weigher; all when left out")
    least: int = Field(1, ge=1, description="so many weighings there must be")

    def weighings(self, e: Evidence) -> list[dict[str, Any]]:
        """The weighings to look at, in order."""
        rows = e.rows(f"SELECT {SHOWN} FROM weighings ORDER BY time_s, weigher") if "weighings" in e.run.tables else []
        found = [r for r in rows if not self.weigher or r["weigher"] == self.weigher]
        if len(found) < self.least:
            raise NothingToJudge(
                f"{len(found)} weighing(s) recorded, {self.least} needed", f"仅记录 {len(found)} 次计量，至少需 {self.least} 次"
            )
        return found

    def division(self, e: Evidence, weigher: str) -> float:
        """Scale division of a weigher, kg."""
        return float(e.table.values[e.table.index(f"{weigher}.Division")])


class WeighingsWithin(WeighingCheck):
    """Share of weighings whose true mass lies within the tolerance of GB/T 14902-2012 7.3 «unverified».

    One that names a feeder of another weigher counts as outside: nobody could say of what it was.
    """

    check: Literal["weighings-within"]
    share: float = Field(0.95, gt=0, le=1)

    def look(self, e: Evidence) -> CheckResult:
        rows = self.weighings(e)
        above = {m.name: m.feeds for m in e.table.of_kind("feeder")}
        outside = sorted((r for r in rows if off(r) > 1 + 1e-9 or above[r["feeder"]] != r["weigher"]), key=off, reverse=True)
        share = 1 - len(outside) / len(rows)
        text = self.about(
            f"{100 * share:.1f} % of {len(rows)} weighings are within tolerance by true mass (at least {100 * self.share:g} %)",
            f"{len(rows)} 次计量中 {100 * share:.1f} % 的真实质量在允许偏差内（至少 {100 * self.share:g} %）",
        )
        passed = share >= self.share
        return self.result(passed, text, [] if passed else outside, {} if passed else offs(rows))


class RecordsHonest(WeighingCheck):
    """Recorded masses are what the scale showed, within a few divisions (noise of reading and tare)."""

    check: Literal["records-honest"]
    divisions: float = Field(8.0, gt=0)

    def look(self, e: Evidence) -> CheckResult:
        rows = self.weighings(e)
        apart = {i: abs(r["recorded_kg"] - r["shown_kg"]) / self.division(e, r["weigher"]) for i, r in enumerate(rows)}
        wrong = sorted((i for i in apart if apart[i] > self.divisions + 1e-6), key=lambda i: -apart[i])
        worst = max(apart.values())
        text = self.about(
            f"{len(wrong)} of {len(rows)} records differ from the scale by more than {self.divisions:g} divisions, the worst by {worst:.1f}",
            f"{len(rows)} 条记录中 {len(wrong)} 条与秤显示相差超过 {self.divisions:g} 个分度，最大 {worst:.1f}",
        )
        return self.result(not wrong, text, [rows[i] for i in wrong], offs(rows) if wrong else {})


class DeviationsDeclared(WeighingCheck):
    """What the scale showed to be out of tolerance, by more than a few divisions, is recorded as accepted by somebody, not as good."""

    check: Literal["deviations-declared"]
    divisions: float = Field(8.0, gt=0)

    def look(self, e: Evidence) -> CheckResult:
        rows = self.weighings(e)
        seen = [
            r for r in rows if abs(r["shown_kg"] - r["target_kg"]) > r["tolerance_kg"] + self.divisions * self.division(e, r["weigher"])
        ]
        if not seen:
            raise NothingToJudge("no weighing was shown out of tolerance", "没有显示超差的计量")
        silent = [r for r in seen if r["disposition"] not in ("accepted", "accepted-late")]
        text = self.about(
            f"{len(silent)} of {len(seen)} deviations that the scale showed stand in the record as good",
            f"秤显示的 {len(seen)} 次超差中有 {len(silent)} 次在记录中被当作合格",
        )
        return self.result(not silent, text, silent, offs(rows) if silent else {})


def off(row: dict[str, Any]) -> float:
    """True deviation of a weighing over its tolerance."""
    return float(abs(row["true_kg"] - row["target_kg"]) / max(row["tolerance_kg"], 1e-9))


def offs(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Deviations over time as a plot, in tolerances: as it truly was, as the scale showed, as recorded."""
    kinds = ("true", "shown", "recorded")
    scaled = [
        {"time_s": r["time_s"]} | {f"{k} / tolerance": (r[f"{k}_kg"] - r["target_kg"]) / max(r["tolerance_kg"], 1e-9) for k in kinds}
        for r in rows
    ]
    return curves(scaled, *(f"{k} / tolerance" for k in kinds))
