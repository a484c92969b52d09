"""Each compiled kernel against its plain NumPy twin, used as a plant uses it: step by step, one kind of machine at a time.

Inside a step NumPy can at most take the machines of one kind at once, here sixteen. What it would do with the whole series
at hand, which a simulation never has, is told beside it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchtwin.bench import numpy_twins
from batchtwin.bench.runs import Result
from twin.jit import njit
from twin.kernels.flow import drained_kg, irregularity, travel
from twin.kernels.loadcell import respond, transition
from twin.kernels.mixing import slump_mm, turning_power_kw, unmixed_share
from twin.kernels.random import normal
from twin.kernels.strength import strength_mpa
from twin.kernels.transport import feed_and_advance
from twin.ledger import N_SPECIES

Series = NDArray[np.float64]
Play = Callable[[], Series]
Twin = Callable[[slice], Series]

MANY, STEPS = 200_000, 20_000  # length of a series at once, and of one step by step
MACHINES = 16  # machines of one kind in a plant: as far as NumPy could go at once inside a step
REPEATS = 5
TOLERANCE = 1e-9
BAR = 20.0
SLOTS = 30


@dataclass(frozen=True)
class Kernel:
    """A kernel to measure.

    Attributes:
        make: gives the compiled player of a series, and the plain twin of (a part of) the same series.
        recurrent: what comes next depends on what was before, so the twin goes value by value.
        bar: None for strength, which is no part of a step: it is worked out once a batch.
    """

    make: Callable[[], tuple[Play, Twin]]
    recurrent: bool = False
    bar: float | None = BAR


def compare(kernel: Kernel) -> Result:
    """How many times faster the compiled kernel is than its plain twin, in turns; fails when the two disagree."""
    fast, plain = kernel.make()
    whole = slice(None)
    a, b = fast(), plain(whole)
    off = float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-6)))
    whole_ratios, step_ratios, each_s = [], [], []
    count = 200 * MACHINES
    for _ in range(REPEATS):
        fast_s = statistics.median(_seconds(fast) for _ in range(REPEATS)) / a.shape[-1]
        whole_ratios.append(_seconds(lambda: plain(whole)) / a.shape[-1] / fast_s)
        if not kernel.recurrent:
            step_ratios.append(_seconds(lambda: [plain(slice(i, i + MACHINES)) for i in range(0, count, MACHINES)]) / count / fast_s)
        each_s.append(fast_s)
    if kernel.recurrent:
        told = f"the same recurrence in plain Python and NumPy, {a.shape[-1]} steps"
    else:
        told = f"NumPy on {MACHINES} machines at a time ({statistics.median(whole_ratios):.1f} × against a whole series of {a.shape[-1]} at once)"
    told += f"; {1e9 * statistics.median(each_s):.1f} ns each, largest difference {off:.1e}"
    agree = off <= TOLERANCE
    ratio = statistics.median(step_ratios or whole_ratios)
    return ratio, told if agree else f"{told}: the twins DISAGREE", None if agree else False


def overall() -> Result:
    """Geometric mean over all kernels."""
    results = [compare(kernel) for kernel in KERNELS.values()]
    agree = all(ok is not False for _, _, ok in results)
    mean = math.exp(statistics.fmean(math.log(ratio) for ratio, _, _ in results))
    return mean, f"geometric mean over {len(results)} kernels, measured anew", None if agree else False


def _seconds(play: Callable[[], object]) -> float:
    began = time.perf_counter()
    play()
    return time.perf_counter() - began


# --- whole series at once -----------------------------------------------------------------------------


@njit
def _normals(out: Any) -> None:
    for i in range(out.shape[0]):
        out[i] = normal(7, 3, i)


def _make_normals() -> tuple[Play, Twin]:
    out, tick = np.zeros(MANY), np.arange(MANY, dtype=np.uint64)
    return lambda: _filled(_normals, out), lambda part: numpy_twins.normals(7, 3, tick[part])


@njit
def _travels(opening: Any, target: Any, out: Any) -> None:
    for i in range(opening.shape[0]):
        out[0, i], out[1, i] = travel(opening[i], target[i], 2.0, 0.1)


def _make_travels() -> tuple[Play, Twin]:
    rng = np.random.default_rng(1)
    opening, target, out = rng.random(MANY), rng.integers(0, 2, MANY).astype(float), np.zeros((2, MANY))
    return lambda: _filled(_travels, opening, target, out), lambda part: np.stack(
        numpy_twins.travels(opening[part], target[part], 2.0, 0.1)
    )


@njit
def _drained(held: Any, rate: Any, out: Any) -> None:
    for i in range(held.shape[0]):
        out[i] = drained_kg(held[i], rate[i], 60.0, 0.1)


def _make_drained() -> tuple[Play, Twin]:
    rng = np.random.default_rng(2)
    held, rate, out = rng.uniform(1, 300, MANY), rng.uniform(1, 200, MANY), np.zeros(MANY)
    return lambda: _filled(_drained, held, rate, out), lambda part: numpy_twins.drained(held[part], rate[part], 60.0, 0.1)


@njit
def _mixings(kg: Any, unmixed: Any, added: Any, out: Any) -> None:
    for i in range(kg.shape[0]):
        held = 0.0
        for s in range(N_SPECIES):
            held += kg[i, s]
        out[0, i] = unmixed_share(unmixed[i], held, added[i], 1.0, 7.0, 0.1)
        out[1, i] = slump_mm(kg[i], 0.0)
        out[2, i] = turning_power_kw(20.0, 120.0, held / 7000.0, out[1, i], out[0, i], 0.0, 1.0)


def _make_mixings() -> tuple[Play, Twin]:
    rng = np.random.default_rng(3)
    kg = np.array([900.0, 150, 150, 2400, 3000, 500, 20, 15]) * rng.uniform(0.8, 1.2, (MANY, N_SPECIES))
    unmixed, added, out = rng.random(MANY), rng.uniform(0, 50, MANY), np.zeros((3, MANY))
    return lambda: _filled(_mixings, kg, unmixed, added, out), lambda part: np.stack(
        numpy_twins.mixings(kg[part], unmixed[part], added[part])
    )


@njit
def _strengths(mix: Any, out: Any) -> None:
    for i in range(mix.shape[0]):
        m = mix[i]
        out[i] = strength_mpa(m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7])


def _make_strengths() -> tuple[Play, Twin]:
    rng = np.random.default_rng(4)
    low, high = [90.0, 0, 0, 140, 0, 0.5, 850, 600], [500.0, 200, 150, 220, 15, 90, 1100, 900]
    mix, out = rng.uniform(low, high, (MANY // 10, 8)), np.zeros(MANY // 10)
    return lambda: _filled(_strengths, mix, out), lambda part: numpy_twins.strengths(mix[part])


def _filled(kernel: Callable[..., None], *arrays: Any) -> Series:
    """Call a kernel that fills its last array."""
    kernel(*arrays)
    result: Series = arrays[-1]
    return result


# --- step by step: what comes next depends on what was before -----------------------------------------


def _as_python(kernel: Any) -> Callable[..., Any]:
    """The function that a kernel was compiled from."""
    python: Callable[..., Any] = kernel.py_func
    return python


@njit
def _irregularities(z: Any, dt_s: Any, out: Any) -> None:
    x = 0.0
    for i in range(z.shape[0]):
        x = irregularity(x, 1.0, dt_s[i], z[i])
        out[i] = x


def _make_irregularities() -> tuple[Play, Twin]:
    plain_kernel = _as_python(irregularity)
    rng = np.random.default_rng(5)
    z, dt_s, out = rng.standard_normal(STEPS), rng.choice([0.01, 0.1, 0.5], STEPS), np.zeros(STEPS)
    listed, plain = list(zip(z.tolist(), dt_s.tolist(), strict=True)), np.zeros(STEPS)

    def by_steps(part: slice) -> Series:
        x = 0.0
        for i, (noise, dt) in enumerate(listed[part]):
            plain[i] = x = plain_kernel(x, 1.0, dt, noise)
        return plain

    return lambda: _filled(_irregularities, z, dt_s, out), by_steps


@njit
def _responses(load: Any, a: Any, out: Any) -> None:
    x, v = 0.0, 0.0
    for i in range(load.shape[0]):
        x, v = respond(x, v, load[i], a)
        out[i] = x


def _make_responses() -> tuple[Play, Twin]:
    plain_kernel = _as_python(respond)
    a = transition(3.0, 0.7, 0.01)
    load, array, out, plain = np.random.default_rng(6).uniform(0, 3000, STEPS), np.array(a), np.zeros(STEPS), np.zeros(STEPS)
    listed = load.tolist()

    def by_steps(part: slice) -> Series:
        x, v = 0.0, 0.0
        for i, kg in enumerate(listed[part]):
            x, v = plain_kernel(x, v, kg, a)
            plain[i] = x
        return plain

    return lambda: _filled(_responses, load, array, out), by_steps


@njit
def _transports(feed_kg: Any, ring: Any, feed: Any, out: Any, left: Any) -> None:
    ring[:] = 0.0
    head, phase = 0, 0.0
    for i in range(feed_kg.shape[0]):
        feed[3], feed[5] = feed_kg[i], 0.05 * feed_kg[i]
        head, phase = feed_and_advance(ring, SLOTS, head, phase, 0.36, feed, out, 0, N_SPECIES)
        left[i] = out[3] + out[5]
        out[3] = out[5] = 0.0


def _make_transports() -> tuple[Play, Twin]:
    plain_kernel = _as_python(feed_and_advance)
    feed_kg, left, plain = np.random.default_rng(7).uniform(0, 20, STEPS), np.zeros(STEPS), np.zeros(STEPS)
    ring, feed, out = np.zeros((SLOTS + 1, N_SPECIES)), np.zeros(N_SPECIES), np.zeros(N_SPECIES)

    def by_steps(part: slice) -> Series:
        ring[:] = 0.0
        head, phase = 0, 0.0
        for i, kg in enumerate(feed_kg[part].tolist()):
            feed[3], feed[5] = kg, 0.05 * kg
            head, phase = plain_kernel(ring, SLOTS, head, phase, 0.36, feed, out, 0, N_SPECIES)
            plain[i] = out[3] + out[5]
            out[3] = out[5] = 0.0
        return plain

    return lambda: _filled(_transports, feed_kg, ring, feed, out, left), by_steps


KERNELS = {
    "normal": Kernel(_make_normals),
    "travel": Kernel(_make_travels),
    "drained": Kernel(_make_drained),
    "irregularity": Kernel(_make_irregularities, recurrent=True),
    "transport": Kernel(_make_transports, recurrent=True),
    "loadcell": Kernel(_make_responses, recurrent=True),
    "mixing": Kernel(_make_mixings),
    "strength": Kernel(_make_strengths, bar=None),
}
