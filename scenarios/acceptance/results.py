"""Verdicts: what a check and a case came to, as plain data that goes to JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["passed", "failed", "error"]
MAX_ROWS = 20
MAX_POINTS = 300


@dataclass(slots=True)
class CheckResult:
    """What one check came to.

    Attributes:
        name: of the check within its case.
        passed: whether it held.
        en, zh: one line that says why, with figures.
        rows: the offending rows of the run, at most `MAX_ROWS`.
        plot: `x` (s), `series` (tag → values), `marks` (offending spells, s); empty when there is nothing to draw.
    """

    name: str
    passed: bool
    en: str
    zh: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    plot: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class CaseResult:
    """What a case came to.

    Attributes:
        case: name of the case.
        title_en, title_zh: its title.
        state: `passed`, `failed` (a check did not hold), `error` (there is no whole run to judge).
        seed: of the run.
        run: folder of the run.
        en, zh: the verdict in one line.
        checks: in the order of the case.
        sim_s: simulated time, s.
        figures: closing figures of the run.
        answer_en, answer_zh: what a good answer looks like.
    """

    case: str
    title_en: str
    title_zh: str
    state: State
    seed: int
    run: str
    en: str
    zh: str
    checks: list[CheckResult] = field(default_factory=list)
    sim_s: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)
    answer_en: str = ""
    answer_zh: str = ""

    def failures(self) -> list[CheckResult]:
        """The checks that did not hold."""
        return [c for c in self.checks if not c.passed]

    def to_json(self) -> str:
        """The result as JSON text."""
        return json.dumps(plain(asdict(self)), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> CaseResult:
        """The result back from its JSON text."""
        data = json.loads(text)
        return cls(**data | {"checks": [CheckResult(**c) for c in data["checks"]]})


def plain(value: Any) -> Any:
    """Data with nothing but what JSON knows; what is no number becomes null, fractions keep six digits."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int)) else str(value)
