"""Noise without state: a hash of (seed, entity, tick), so that a run repeats and nothing disturbs its neighbour.

SplitMix64 finaliser (Steele, Lea, Flood 2014) for the bits; Wichura's AS 241 (1988), routine PPND7, for the
inverse normal distribution (about 7 digits, |z| < 8).
"""

from __future__ import annotations

import numpy as np

from twin.jit import njit

U = np.uint64
GOLDEN, M1, M2 = U(0x9E3779B97F4A7C15), U(0xBF58476D1CE4E5B9), U(0x94D049BB133111EB)
S30, S27, S31, S12 = U(30), U(27), U(31), U(12)
P1, P2 = U(0xD1342543DE82EF95), U(0x2545F4914F6CDD1D)


@njit
def bits(seed: int, entity: int, tick: int) -> np.uint64:
    """64 well-mixed bits for one (seed, entity, tick)."""
    z = U(seed) * P1 + U(entity) * P2 + U(tick) * GOLDEN
    z = (z ^ (z >> S30)) * M1
    z = (z ^ (z >> S27)) * M2
    z = z ^ (z >> S31)
    z = (z + GOLDEN) * M1
    return z ^ (z >> S31)


@njit
def uniform(seed: int, entity: int, tick: int) -> float:
    """Uniform number in (0, 1), both ends left out."""
    return (np.float64(bits(seed, entity, tick) >> S12) + 0.5) * 2.220446049250313e-16


@njit
def normal_quantile(p: float) -> float:
    """Standard normal quantile of `p` in (0, 1); AS 241 PPND7."""
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        num = ((5.9109374720e01 * r + 1.5929113202e02) * r + 5.0434271938e01) * r + 3.3871327179e00
        den = ((6.7187563600e01 * r + 7.8757757664e01) * r + 1.7895169469e01) * r + 1.0
        return q * num / den
    r = np.sqrt(-np.log(p if q < 0.0 else 1.0 - p))
    if r <= 5.0:
        r -= 1.6
        num = ((1.7023821103e-01 * r + 1.3067284816e00) * r + 2.7568153900e00) * r + 1.4234372777e00
        den = (1.2021132975e-01 * r + 7.3700164250e-01) * r + 1.0
    else:
        r -= 5.0
        num = ((1.7337203997e-02 * r + 4.2868294337e-01) * r + 3.0812263860e00) * r + 6.6579051150e00
        den = (1.2258202635e-02 * r + 2.4197894225e-01) * r + 1.0
    z = num / den
    return -z if q < 0.0 else z


@njit
def normal(seed: int, entity: int, tick: int) -> float:
    """Standard normal number for one (seed, entity, tick)."""
    return normal_quantile(uniform(seed, entity, tick))
