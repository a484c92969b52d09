"""Checks on where material went, by the ledger."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field

from scenarios.acceptance.checks.base import Check
from scenarios.acceptance.evidence import Evidence, NothingToJudge
from scenarios.acceptance.results import CheckResult

Account = Literal["ground", "discharge", "air"]
ZH = {"ground": "地面", "discharge": "排水", "air": "大气"}


class Lost(Check):
    """At most so much is lost to the ground, the drain or the air. There must have been material on the move at all."""

    check: Literal["lost"]
    to: list[Account] = Field(["ground"], min_length=1)
    source: str = Field("*", description="from where; `*` stands for anything")
    most_kg: float = Field(0.5, ge=0)
    moved: str = Field("*.Mixer", description="there is something to judge once material has come here,")
    moved_kg: float = Field(1.0, gt=0, description="so much of it at least")

    def look(self, e: Evidence) -> CheckResult:
        rows = (
            e.rows("SELECT time_s, source, target, sum(kg) AS kg FROM ledger GROUP BY ALL ORDER BY time_s, source, target")
            if "ledger" in e.run.tables
            else []
        )
        came = sum(r["kg"] for r in rows if fnmatchcase(r["target"], self.moved) and r["source"] != "opening")
        if came < self.moved_kg:
            raise NothingToJudge(
                f"{came:.0f} kg came to {self.moved}, {self.moved_kg:g} kg needed",
                f"到达 {self.moved} 的物料仅 {came:.0f} kg，至少需 {self.moved_kg:g} kg",
            )
        lost = [r for r in rows if r["target"] in self.to and fnmatchcase(r["source"], self.source) and r["kg"] > 1e-6]
        kg = sum(r["kg"] for r in lost)
        text = self.about(
            f"{kg:.1f} kg went to {', '.join(self.to)} (at most {self.most_kg:g} kg)",
            f"{kg:.1f} kg 流失到{'、'.join(ZH[t] for t in self.to)}（允许 {self.most_kg:g} kg）",
        )
        passed = kg <= self.most_kg
        return self.result(passed, text, [] if passed else sorted(lost, key=lambda r: -r["kg"]))
