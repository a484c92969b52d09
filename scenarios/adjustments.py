"""Adjustments of recipes: where the slump of a grade's last samples is off, another dose of admixture is proposed, signed and used, within rights.

Hubei guidance, annex 1, 5.9: recipes are adjusted within rights only, and the quality head signs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pyarrow as pa
import simpy

from scenarios.quality import Laboratory
from twin.clock import TICKS_PER_S, ticks
from twin.design.schema import Design, Recipe
from twin.engine import Engine

ADJUSTMENT = pa.schema([
    ("time_s", pa.float64()), ("recipe", pa.string()), ("material", pa.string()), ("from_kg_m3", pa.float64()), ("to_kg_m3", pa.float64()),
    ("approved_kg_m3", pa.float64()), ("limit", pa.float64()), ("reason", pa.string()), ("sample", pa.int64()), ("proposed_by", pa.string()),
    ("signed_by", pa.string()), ("signed_s", pa.float64()),
])  # fmt: skip

TECHNICIAN, HEAD = "quality technician", "quality head"
LOOK_S = 7200.0  # how often the technician on shift looks through new samples (engineering choice)


class Adjustments:
    """SimPy process: every two hours the technician looks through the samples that came, by grade; what is off for long is mended with the admixture.

    Only samples of loads that came to the line after the last change of their recipe count, so that a change is seen before the next.

    Args:
        engine: of the run.
        design: its `premises.laboratory` says whether recipes are adjusted (`adjusts`), when, and how far.
        laboratory: takes the samples and knows the recipes in use.
        gather: lets the laboratory have all loads so far.
        use: puts a recipe in use, for loads posted later.

    Attributes:
        rows: what was signed or refused since they were last taken, as `ADJUSTMENT`; None where recipes are not adjusted.
    """

    def __init__(
        self, engine: Engine, design: Design, laboratory: Laboratory, gather: Callable[[], None], use: Callable[[Recipe], None]
    ) -> None:
        self.engine, self.lab, self.laboratory, self._gather, self._use = engine, design.premises.laboratory, laboratory, gather, use
        self.rows: list[dict[str, Any]] | None = None
        if not self.lab.adjusts:
            return
        self.rows = []
        self._admixtures = [name for name, m in design.materials.items() if m.species == "admixture"]
        self._approved = dict(laboratory.recipes)
        self._since_s: dict[str, float] = {}  # by grade, when its recipe last changed
        self._samples: dict[str, deque[dict[str, Any]]] = {}  # by grade, the last ones of the recipe in use
        laboratory.tell = self._hear
        engine.env.process(self._shift())

    def approve(self, recipe: Recipe) -> None:
        """Take up a recipe that came during the run; adjustments are held against it from now on, and one that waits for a signature is void."""
        if self.rows is not None:
            self._approved[recipe.grade] = recipe
            self._changed(recipe.grade)

    def _shift(self) -> Generator[simpy.Event, Any, None]:
        while True:
            yield self.engine.wait(LOOK_S)
            self._gather()
            for grade, samples in list(self._samples.items()):
                if len(samples) == self.lab.adjust_samples:
                    self._consider(self.laboratory.recipes[grade], list(samples))

    def _hear(self, sample: dict[str, Any], queued_s: float) -> None:
        """The laboratory has taken a sample of a load that came to the line at that time."""
        grade = sample["grade"]
        if grade in self._approved and queued_s >= self._since_s.get(grade, 0.0):
            self._samples.setdefault(grade, deque(maxlen=self.lab.adjust_samples)).append(sample)

    def _consider(self, recipe: Recipe, samples: list[dict[str, Any]]) -> None:
        """Propose another dose where the mean is off; what lies beyond the limit is not done."""
        off_mm = sum(s["slump_mm"] - s["slump_wanted_mm"] for s in samples) / len(samples)
        material = next((m for m in self._admixtures if recipe.kg_m3.get(m)), None)
        if abs(off_mm) <= self.lab.adjust_from_mm or material is None:
            return
        approved = self._approved[recipe.grade].kg_m3[material]
        to_kg_m3 = round(recipe.kg_m3[material] - off_mm / self.lab.adjust_mm * 0.01 * approved, 2)
        allowed = abs(to_kg_m3 - approved) <= self.lab.adjust_within * approved
        reason = f"slump {abs(off_mm):.0f} mm too {'high' if off_mm > 0 else 'low'}, mean of {len(samples)}{'' if allowed else '; beyond the limit, not done'}"
        row = {"time_s": self._now_s, "recipe": recipe.grade, "material": material, "from_kg_m3": recipe.kg_m3[material], "to_kg_m3": to_kg_m3,
               "approved_kg_m3": approved, "limit": self.lab.adjust_within, "reason": reason, "sample": samples[-1]["sample"], "proposed_by": TECHNICIAN}  # fmt: skip
        self._changed(recipe.grade)
        if allowed:
            self._since_s[recipe.grade] = float("inf")  # until it is signed
            new = recipe.model_copy(update={"kg_m3": recipe.kg_m3 | {material: to_kg_m3}})
            self.engine.at(int(self.engine.env.now) + ticks(60.0 * self.lab.signing_min), partial(self._sign, row, recipe, new))
        else:
            self._report(row)

    def _sign(self, row: dict[str, Any], before: Recipe, new: Recipe) -> None:
        if self.laboratory.recipes[new.grade] is before:
            self._use(new)
            self._changed(new.grade)
            self._report(row | {"signed_by": HEAD, "signed_s": self._now_s})

    def _changed(self, grade: str) -> None:
        self._since_s[grade] = self._now_s
        self._samples.pop(grade, None)

    def _report(self, row: dict[str, Any]) -> None:
        assert self.rows is not None
        self.rows.append(row)
        self.engine.log(
            "laboratory",
            row["recipe"],
            row["to_kg_m3"],
            f"{row['material']} {row['from_kg_m3']:g} to {row['to_kg_m3']:g} kg/m³: {row['reason']}",
        )

    @property
    def _now_s(self) -> float:
        return float(self.engine.env.now) / TICKS_PER_S
