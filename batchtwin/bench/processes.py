"""What only a fresh process shows: start, compile time, memory of a year."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import twin
from batchtwin.bench.runs import Result

ROOT = Path(twin.__file__).resolve().parent.parent
START = "from scenarios.simulation import Simulation; Simulation('working-day').advance(1)"
ALL_KERNELS = (
    "from scenarios.simulation import Simulation; Simulation('working-day', until_s=5, fidelity='scan').run(); "
    "Simulation('plant-year', until_s=5, fidelity='batch').run()"
)
JUDGE = """
import resource, sys
from scenarios.judging.book import load_book
from scenarios.judging.judge import judge
from scenarios.run import open_run
counts = judge(load_book("hubei-standard"), open_run(sys.argv[1])).counts
print(counts["pass"], sum(counts.values()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
YEAR = "from batchtwin.bench.processes import sample_year; sample_year()"
MONTH_S, MIB = 30 * 86400, 2**20


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, s."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def child(code: str, *arguments: str, **env: str) -> tuple[str, float]:
    """Run Python code in a process of its own; what it printed, and its wall seconds from start to end."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=os.environ | {"PYTHONPATH": path} | env, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout, time.perf_counter() - began


def start() -> Result:
    """From nothing to the first simulated second, kernels compiled before."""
    child(START)
    walls = [child(START)[1] for _ in range(5)]
    return (
        statistics.median(walls),
        f"a fresh process from start to end, one simulated second, kernels cached; median of 5, {max(walls):.2f} s at most",
        None,
    )


def compile_cold() -> Result:
    """All kernels of both fidelities with an empty cache, less the same with a full one."""
    with tempfile.TemporaryDirectory(prefix="batchtwin-bench-") as folder:
        (_, cold_s), (_, warm_s) = (child(ALL_KERNELS, NUMBA_CACHE_DIR=folder) for _ in range(2))
    return cold_s - warm_s, f"a fresh process with an empty kernel cache took {cold_s:.1f} s, the next one {warm_s:.1f} s", None


def sample_year() -> None:
    """Play and record a plant year and print its memory over time as JSON: pairs of simulated seconds and resident bytes."""
    from scenarios.simulation import Simulation

    samples: list[tuple[float, int]] = []
    page = os.sysconf("SC_PAGE_SIZE")

    def look(sim: Simulation) -> None:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * page
        samples.append((sim.tick / 100, resident))

    with tempfile.TemporaryDirectory(prefix="batchtwin-bench-") as folder:
        Simulation("plant-year", fidelity="batch", out=Path(folder) / "run").run(look)
    print(json.dumps(samples))


def year_memory() -> Result:
    """Resident memory of the last month of a year over that of the second: flat when nothing piles up."""
    samples = json.loads(child(YEAR)[0])
    end_s = samples[-1][0]
    early = statistics.median(b for s, b in samples if MONTH_S <= s < 2 * MONTH_S) / MIB
    late = statistics.median(b for s, b in samples if s >= end_s - MONTH_S) / MIB
    most = max(b for _, b in samples) / MIB
    told = f"resident memory of the last month, {late:.0f} MiB, over that after the first month, {early:.0f} MiB (medians of a month; {most:.0f} MiB at most)"
    return late / early, told, None


def judging() -> Result:
    """A fresh process that judges a plant year by the 68 clauses of the guidance's annex 1."""
    from scenarios.simulation import Simulation

    with tempfile.TemporaryDirectory(prefix="batchtwin-bench-") as folder:
        outcome = Simulation("plant-year", fidelity="batch", out=Path(folder) / "run").run()
        told, wall_s = child(JUDGE, str(Path(folder) / "run"))
    passed, clauses, mib = map(int, told.split())
    against = f"a fresh process from start to end: {clauses} clauses, {passed} passed, on {outcome['weighings']:,} weighings; {mib} MiB at most, 2,048 allowed"
    return wall_s, against, None if clauses == 68 and mib <= 2048 else False
