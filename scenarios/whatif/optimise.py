"""The cheapest plant that keeps its limits: Optuna's TPE over sizes, its study in SQLite, so that a search goes on where it was cut.

What breaks a limit is worse than all that keep them, and worse the more it breaks them; what no plant can be is worst. TPE looks at ranks
only, so one number says it all. Each generation is asked for with a seed of its own: a search that was cut goes on as if it had not been.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml
from pydantic import Field, model_validator

from scenarios.cost import Prices, prices
from scenarios.durations import Duration
from scenarios.store import write_json
from scenarios.whatif.change import Base
from scenarios.whatif.local import Player, play_here
from scenarios.whatif.measures import MEASURES
from scenarios.whatif.play import Plan, code_version, play
from scenarios.whatif.spec import Range, Spec, Variant, bases, spec_mistakes
from twin.design.load import parse, read_yaml
from twin.design.schema import Mistake
from twin.equipment.part import Part
from twin.errors import BatchtwinError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna

AT_A_TIME = 4  # trials of a generation: enough for the cores, few enough to learn from
BROKEN, IMPOSSIBLE = 1e12, 1e15  # above all that a measure can be
ABOUT, STUDY, BEST = "optimise.json", "study.db", "best.yaml"


class Limit(Part):
    """What the mean of a measure must keep."""

    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _any(self) -> Self:
        if self.least is None and self.most is None:
            raise ValueError("is no limit; give least or most")
        return self

    def broken(self, value: float | None) -> float:
        """By how much of itself it is broken; 0 when it is kept."""
        if value is None:
            return 1.0
        over = [value - self.most] if self.most is not None else []
        over += [self.least - value] if self.least is not None else []
        scale = max(abs(self.most if self.most is not None else self.least or 0.0), 1.0)
        return max(0.0, *over) / scale


class Search(Part):
    """A search, as written in YAML: sizes in `search`, what shall be least in `least`, what must be kept in `limits` and `criteria`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)
    scenario: str = "working-day"
    design: str | None = None
    seeds: int | list[int] = 2
    until: Duration | None = Field(None, gt=0, le=400 * 86400)
    criteria: str | None = Field(None, description="rule book none of whose musts may fail in any run")
    declared: str | None = Field(
        None, description="facts that the plant declares to the judge: a packaged example or a file beside the search"
    )
    changes: dict[str, Any] = Field(default_factory=dict)
    search: dict[str, Range] = Field(min_length=1)
    least: str = "cost_cny_m3"
    limits: dict[str, Limit] = Field(default_factory=dict)
    trials: int = Field(60, ge=1, le=100_000)
    seed: int = Field(1, ge=0, le=2**31 - 1)

    def spec(self, variants: list[Variant]) -> Spec:
        """Some plants to be tried, as a sweep."""
        return Spec(name=self.name, scenarios=[self.scenario], designs=[self.design] if self.design else [], seeds=self.seeds, until=self.until,
                    criteria=self.criteria, declared=self.declared, changes=self.changes, variants=variants)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trial:
    """A plant that was tried: its changes, means of its measures (empty where it failed), what it broke."""

    number: int
    changes: dict[str, Any]
    value: float
    measures: dict[str, float]
    broken: list[str]


def load_search(path: str | Path) -> tuple[Search, list[Base]]:
    """Read a search.

    Raises:
        BatchtwinError: unreadable file, unknown names, or the list of its mistakes.
    """
    file = Path(path)
    data, node = read_yaml(file, "search")
    search = parse(file, "search", Search, data, node)
    found = bases(search.spec([]), file.parent)

    def wrong(s: Search) -> Iterator[Mistake]:
        for place, name in [(("least",), s.least), *((("limits", m), m) for m in s.limits)]:
            if name not in MEASURES:
                yield place, f"there is no measure '{name}'{nearest(name, MEASURES)}", f"choose {', '.join(MEASURES)}"
        for path, reach in s.search.items():
            if reach.normal is not None:
                yield ("search", path), "a normal range has no ends to search between", "give uniform or integer"
        as_sweep = s.spec([]).model_copy(update={"factors": dict(s.search), "method": "lhs"})
        yield from ((("search", *place[1:]) if place[0] == "factors" else place, p, m) for place, p, m in spec_mistakes(as_sweep, found))

    parse(file, "search", Search, data, node, wrong)
    return search, found


def optimise(search: Search, found: list[Base], folder: Path, *, own: Prices | None = None, cores: int = 1,
             progress: Callable[[int, Trial], None] | None = None, player: Player = play) -> list[Trial]:  # fmt: skip
    """Search, or go on with a search; returns all trials, the best first.

    Args:
        cores: workers; they change nothing in the result.
        progress: told the number of trials so far and the best of them.

    Raises:
        BatchtwinError: E506 without Optuna; E507 for a folder of another search, E203 when it cannot be written.
    """
    study = _study(search, folder, own or prices())
    trials = [_trial(t) for t in study.trials if t.state.name == "COMPLETE"]
    while len(trials) < search.trials:
        asked = _ask(study, search, min(AT_A_TIME, search.trials - len(trials)))
        known = {json.dumps(t.changes, sort_keys=True): t for t in trials}
        new = [c for c in {json.dumps(c, sort_keys=True): c for _, c in asked}.items() if c[0] not in known]
        if new:
            plan = Plan(search.spec([Variant(name=str(i), changes=c) for i, (_, c) in enumerate(new)]), found, own or prices())
            rows = sorted(play_here(plan, range(len(plan)), min(cores, len(plan)), player), key=lambda row: row["number"])
            for i, (text, changes) in enumerate(new):
                known[text] = judged(search, -1, changes, [row for row in rows if row["point"] == i])
        for trial, changes in asked:
            like = known[json.dumps(changes, sort_keys=True)]
            trial.set_user_attr("about", json.dumps([changes, like.measures, like.broken]))
            study.tell(trial, like.value)
            trials.append(Trial(trial.number, changes, like.value, like.measures, like.broken))
        if progress:
            progress(len(trials), min(trials, key=lambda t: t.value))
    ranked = sorted(trials, key=lambda t: (t.value, t.number))
    _write_best(folder, ranked[0])
    return ranked


def judged(search: Search, number: int, changes: dict[str, Any], rows: list[dict[str, Any]]) -> Trial:
    """A plant by its runs: means, limits, and the one number that ranks it."""
    failed = next((row for row in rows if row["state"] != "complete"), None)
    if failed is not None or not rows:
        return Trial(number, changes, IMPOSSIBLE, {}, [str(failed["error"]) if failed else "nothing was played"])
    means = {m: math.fsum(row[m] for row in rows) / len(rows) for m in MEASURES if all(row.get(m) is not None for row in rows)}
    over = {m: limit.broken(means.get(m)) for m, limit in search.limits.items()}
    if search.criteria:
        over["clauses_failed"] = max(float(row["clauses_failed"]) for row in rows)
    broken = {m: v for m, v in over.items() if v > 0}
    value = BROKEN + sum(broken.values()) if broken else means.get(search.least, IMPOSSIBLE)
    return Trial(number, changes, value, means, list(broken))


def _study(search: Search, folder: Path, own: Prices) -> optuna.Study:
    """The study of a folder, new or begun."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise BatchtwinError("E506", what="optimise", package="optuna", extra="optimise") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    about = json.loads(
        json.dumps({"search": search.model_dump(mode="json", exclude={"trials"}), "prices": own.model_dump(), "version": code_version()})
    )
    file = folder / ABOUT
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            was = json.loads(file.read_text(encoding="utf-8"))
            differs = next((k for k in about if was.get(k) != about[k]), None)
            if differs:
                raise BatchtwinError("E507", path=folder, what=differs)
        elif any(folder.iterdir()):
            raise BatchtwinError("E202", path=folder)
        else:
            write_json(file, about)
    except (OSError, ValueError) as error:
        raise BatchtwinError("E203", path=folder, problem=getattr(error, "strerror", None) or error) from None
    study = optuna.create_study(storage=f"sqlite:///{(folder / STUDY).absolute()}", study_name=search.name, load_if_exists=True)
    for trial in study.trials:
        if trial.state.name == "RUNNING":  # asked for by a search that was cut
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _ask(study: optuna.Study, search: Search, n: int) -> list[tuple[optuna.Trial, dict[str, Any]]]:
    """Plants that TPE would try next."""
    import optuna

    done = sum(t.state.name == "COMPLETE" for t in study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=search.seed + done)
    out = []
    for _ in range(n):
        trial = study.ask()
        out.append((trial, {path: _suggested(trial, path, reach) for path, reach in search.search.items()}))
    return out


def _suggested(trial: optuna.Trial, path: str, reach: Range) -> Any:
    if reach.uniform is not None:
        return trial.suggest_float(path, *reach.uniform)
    if reach.integer is not None:
        return trial.suggest_int(path, *reach.integer)
    levels = reach.levels or []
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in levels) and sorted(levels) == levels:
        return levels[trial.suggest_int(path, 0, len(levels) - 1)]  # they have an order to learn from
    return levels[trial.suggest_categorical(path, list(range(len(levels))))]


def _trial(frozen: optuna.trial.FrozenTrial) -> Trial:
    changes, means, broken = json.loads(frozen.user_attrs["about"])
    return Trial(frozen.number, changes, float(frozen.value or 0.0), means, broken)


def _write_best(folder: Path, best: Trial) -> None:
    """The best plant as changes, for `batchtwin what-if` or a sweep."""
    part = folder / f"{BEST}.tmp"
    part.write_text(
        yaml.safe_dump({"changes": best.changes, "keeps_limits": not best.broken, "measures": best.measures}, sort_keys=False),
        encoding="utf-8",
    )
    part.replace(folder / BEST)
