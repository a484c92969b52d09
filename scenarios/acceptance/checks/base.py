"""What all checks share: a name, parameters in YAML, and a verdict over the evidence of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from scenarios.acceptance.evidence import Evidence, NothingToJudge
from scenarios.acceptance.results import MAX_POINTS, MAX_ROWS, CheckResult, plain
from twin.equipment.part import Part
from twin.tags import TagTable

Tell = tuple[str, str]  # a line in English and in Chinese


class Check(Part):
    """One check of a case. A check that finds nothing to judge has failed."""

    check: str
    name: str = Field("", description="of the check within its case; the kind of check when left out")

    @property
    def label(self) -> str:
        """Name of the check within its case."""
        return self.name or self.check

    def mistakes(self, table: TagTable) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What is wrong with its parameters on this plant: field and 'problem; mend'."""
        yield from ()

    def events(self) -> Iterator[tuple[str, str, str]]:
        """The events that its window hangs on: field, kind and name."""
        yield from ()

    def look(self, e: Evidence) -> CheckResult:
        """The verdict on a run.

        Raises:
            NothingToJudge: what it is about did not happen.
        """
        raise NotImplementedError

    def judge(self, e: Evidence) -> CheckResult:
        """The verdict on a run; failed when there was nothing to judge."""
        try:
            return self.look(e)
        except NothingToJudge as nothing:
            return self.result(False, self.about(f"nothing to judge, {nothing.en}", f"无可判定，{nothing.zh}"))

    def about(self, en: str, zh: str) -> Tell:
        """A line with what the check is about in front."""
        return f"{self.label}: {en}", f"{self.label}：{zh}"

    def result(self, passed: bool, text: Tell, rows: list[dict[str, Any]] | None = None, plot: dict[str, Any] | None = None) -> CheckResult:
        """A verdict; rows beyond the first `MAX_ROWS` are left out."""
        return CheckResult(self.label, passed, *text, plain((rows or [])[:MAX_ROWS]), plain(plot or {}))


def curves(rows: list[dict[str, Any]], *keys: str) -> dict[str, Any]:
    """Figures of rows over their time as a plot, thinned to `MAX_POINTS`; none for less than two rows."""
    if len(rows) < 2:
        return {}
    thin = rows[:: -(-len(rows) // MAX_POINTS)]
    return {"x": [r["time_s"] for r in thin], "series": {k: [r[k] for r in thin] for k in keys}, "marks": []}
