"""One run of a sweep: from its number to a row of results."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from scenarios.cost import Prices, prices
from scenarios.judging.declared import Declared
from scenarios.schema import Scenario
from scenarios.simulation import Simulation
from scenarios.whatif.change import CONTROLLER, Base, changed
from scenarios.whatif.measures import clauses, measures
from scenarios.whatif.spec import Spec, point
from twin.design.schema import Design
from twin.errors import BatchtwinError
from twin.jit import kernel_sources
from twin.version import VERSION

MOST_BASES = 64  # changed plants at hand: runs of one point follow each other


@lru_cache(maxsize=1)
def code_version() -> str:
    """Version and fingerprint of the model: runs of another one are not comparable."""
    digest = hashlib.sha256()
    for text in kernel_sources():
        digest.update(text)
    return f"{VERSION}+{digest.hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class Job:
    """What one run is: by its number in the plan, its point, what it starts from, and its seed."""

    number: int
    point: int
    base: int
    seed: int


@dataclass
class Plan:
    """All runs of a sweep; each is made when it is asked for, so a million take no memory.

    Attributes:
        prices: what things cost; the packaged prices when left out.
        keep: folder to record each run into, by its key; None keeps none.
    """

    spec: Spec
    bases: list[Base]
    prices: Prices = field(default_factory=prices)
    keep: str | None = None
    _changed: OrderedDict[tuple[int, int], Base] = field(default_factory=OrderedDict)
    _digests: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.spec.n_points * len(self.bases) * len(self.spec.all_seeds)

    def job(self, number: int) -> Job:
        """A run by its number; the seeds of a point follow each other."""
        seeds = self.spec.all_seeds
        rest, seed = divmod(number, len(seeds))
        at, base = divmod(rest, len(self.bases))
        return Job(number, at, base, seeds[seed])

    def changes(self, job: Job) -> dict[str, Any]:
        """All that a run changes, by path."""
        return self.spec.changes | point(self.spec, job.point)

    def key(self, number: int) -> str:
        """Fingerprint of all that decides a run's result."""
        job = self.job(number)
        if job.base not in self._digests:
            base = self.bases[job.base]
            declared = base.declared.model_dump_json() if base.declared else ""
            text = (
                base.scenario.model_dump_json() + base.design.model_dump_json() + declared + self.prices.model_dump_json() + code_version()
            )
            self._digests[job.base] = hashlib.sha256(text.encode()).hexdigest()
        rest = json.dumps([self._digests[job.base], self.changes(job), job.seed, self.spec.criteria], sort_keys=True, default=str)
        return hashlib.sha256(rest.encode()).hexdigest()[:24]

    def base(self, job: Job) -> Base:
        """The plant and the day of a run."""
        place = job.point, job.base
        if place not in self._changed:
            self._changed[place] = changed(self.bases[job.base], self.changes(job))
            while len(self._changed) > MOST_BASES:
                self._changed.popitem(last=False)
        return self._changed[place]

    def about(self, number: int) -> dict[str, Any]:
        """What a run is, as columns."""
        job, base = self.job(number), None
        base = self.bases[job.base]
        here = point(self.spec, job.point)
        named = (
            self.spec.variants[job.point].name if self.spec.variants else ", ".join(f"{k}={_short(v)}" for k, v in here.items()) or "base"
        )
        return {"key": self.key(number), "number": number, "point": job.point, "variant": named, "scenario": base.scenario.name,
                "design": base.design.name, "seed": job.seed, **{path: here.get(path) for path in self.spec.factors}}  # fmt: skip

    def packed(self) -> bytes:
        """The plan for a worker elsewhere, some ten kilobytes."""
        return zlib.compress(json.dumps({
            "spec": self.spec.model_dump(mode="json"), "prices": self.prices.model_dump(mode="json"), "version": code_version(),
            "bases": [[part and part.model_dump(mode="json") for part in (b.scenario, b.design, b.declared)] for b in self.bases],
        }).encode())  # fmt: skip


def unpacked(packed: bytes) -> Plan:
    """A plan that was packed by the same version.

    Raises:
        BatchtwinError: E504 when it was another.
    """
    data = json.loads(zlib.decompress(packed))
    if data["version"] != code_version():
        raise BatchtwinError("E504", worker="here", theirs=code_version(), ours=data["version"])
    found = [
        Base(Scenario.model_validate(s), Design.model_validate(d), facts and Declared.model_validate(facts))
        for s, d, facts in data["bases"]
    ]
    return Plan(Spec.model_validate(data["spec"]), found, Prices.model_validate(data["prices"]))


def play(plan: Plan, number: int) -> dict[str, Any]:
    """Play a run; its row: what it is, `state`, `error`, its measures, and `wall_s`, the run's own time. A run that fails is a row that says why."""
    row = plan.about(number) | {"state": "complete", "error": None}
    try:
        row |= _played(plan, number, row["key"])
    except BatchtwinError as error:
        row |= {"state": "failed", "error": "; ".join(m.text() for m in getattr(error, "mistakes", [error]))}
    except Exception as error:
        row |= {"state": "failed", "error": f"{type(error).__name__}: {error}"}
    return row


def _played(plan: Plan, number: int, key: str) -> dict[str, Any]:
    job, spec = plan.job(number), plan.spec
    base = plan.base(job)
    own = plan.changes(job).get(CONTROLLER, "reference")
    out = Path(plan.keep) / key if plan.keep else None
    if out is not None:
        shutil.rmtree(out, ignore_errors=True)  # of a sweep that was cut in the middle of this run
    began = time.perf_counter()
    sim = Simulation(base.scenario, base.design, seed=job.seed, until_s=spec.until, out=out,
                     controller="reference" if own == "reference" else None)  # fmt: skip
    if own != "reference":
        module, _, name = str(own).partition(":")
        sim.controller = getattr(import_module(module), name)(sim.plant.table)
    if out is None:
        run = sim.keep()
        outcome = sim.run()
    else:
        from scenarios.run import open_run

        outcome = sim.run()
        run = open_run(out)  # type: ignore[assignment]
    wall_s = time.perf_counter() - began
    figures: dict[str, Any] = measures(run, plan.prices)
    if spec.criteria:
        figures |= clauses(run, spec.criteria, base.declared)
    return figures | {"state_hash": outcome["state_hash"], "wall_s": wall_s}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
