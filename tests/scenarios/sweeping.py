"""Small days that sweeps of the tests are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from scenarios.whatif.play import Plan
from scenarios.whatif.results import Results, Sweep
from scenarios.whatif.spec import load_spec
from scenarios.whatif.sweep import Standing, sweep

DAY = """
name: small-day
title: {en: A small day, zh: 小工作日}
design: hzs120
starts: 2026-05-11 07:00:00
lasts: 3h
fidelity: batch
orders:
  - {site: A, grade: C30, volume_m3: 12, start: "07:10", every: 10min, drive: 10min, pour: 5min}
  - {site: B, grade: C30, volume_m3: 12, start: "07:15", every: 10min, drive: 10min, pour: 5min}
"""


def spec_file(folder: Path, **fields: Any) -> Path:
    """A sweep of the small day, written beside it."""
    (folder / "day.yaml").write_text(DAY, encoding="utf-8")
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump({"name": "small", "scenarios": ["day.yaml"]} | fields, sort_keys=False), encoding="utf-8")
    return file


def plan_of(folder: Path, **fields: Any) -> Plan:
    """The plan of such a sweep."""
    return Plan(*load_spec(spec_file(folder, **fields)))


def swept(folder: Path, plan: Plan, **how: Any) -> tuple[Standing, Sweep]:
    """Play a plan into a folder; how it stands, and its results."""
    results = Results(folder, plan)
    try:
        standing = sweep(plan, results, **how)
    finally:
        results.close()
    return standing, Sweep(folder)
