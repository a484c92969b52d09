"""Random numbers in kernels: SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.jit import njit

Chance = NDArray[np.uint64]  # (1,), the generator's state

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = (np.uint64(n) for n in (30, 27, 31, 11))


@njit
def draw(chance: Chance) -> float:
    """The next number, uniform in [0, 1)."""
    chance[0] = chance[0] + _STEP
    z = chance[0]
    z = (z ^ (z >> _30)) * _MIX_1
    z = (z ^ (z >> _27)) * _MIX_2
    z = z ^ (z >> _31)
    return np.float64(z >> _11) / 9007199254740992.0  # 2**53
