"""Plain NumPy twins of the kernels that need no loop in time: whole series at once, the same equations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.kernels import dispersion, mixing, random, strength
from twin.kernels import stability as stability_kernel
from twin.kernels.strength_coefficients import LINEAR, UNITS
from twin.ledger import ADMIXTURE, CEMENT, FINES, FLY_ASH, SAND, SLAG, STONE, WATER

Array = NDArray[Any]


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """By Horner, highest power first."""
    y = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        y = y * x + c
    return y


def normals(seed: int, entity: int, tick: Array) -> Array:
    """`kernels.random.normal` for many ticks (uint64)."""
    r = random
    start = np.uint64((seed * int(r.P1) + entity * int(r.P2)) % 2**64)
    z = start + tick * r.GOLDEN
    z = (z ^ (z >> r.S30)) * r.M1
    z = (z ^ (z >> r.S27)) * r.M2
    z = (z ^ (z >> r.S31)) + r.GOLDEN
    z = z * r.M1
    p = ((z ^ (z >> r.S31)) >> r.S12).astype(np.float64)
    return normal_quantiles((p + 0.5) * 2.0**-52)


def normal_quantiles(p: Array) -> Array:
    """`kernels.random.normal_quantile` of many numbers: the middle for all, the tails where they are needed."""
    q = p - 0.5
    r = 0.180625 - q * q
    middle = (5.9109374720e01, 1.5929113202e02, 5.0434271938e01, 3.3871327179e00), (6.7187563600e01, 7.8757757664e01, 1.7895169469e01, 1.0)
    z = q * _polynomial(middle[0], r) / _polynomial(middle[1], r)
    tail = np.flatnonzero(np.abs(q) > 0.425)
    r = np.sqrt(-np.log(np.where(q[tail] < 0.0, p[tail], 1.0 - p[tail])))
    near, far = r - 1.6, r - 5.0
    z_near = _polynomial((1.7023821103e-01, 1.3067284816e00, 2.7568153900e00, 1.4234372777e00), near)
    z_near /= _polynomial((1.2021132975e-01, 7.3700164250e-01, 1.0), near)
    z_far = _polynomial((1.7337203997e-02, 4.2868294337e-01, 3.0812263860e00, 6.6579051150e00), far)
    z_far /= _polynomial((1.2258202635e-02, 2.4197894225e-01, 1.0), far)
    z[tail] = np.copysign(np.where(r <= 5.0, z_near, z_far), q[tail])
    return z


def travels(opening: Array, target: Array, rate_s: float, dt_s: float) -> tuple[Array, Array]:
    """`kernels.flow.travel` of many gates."""
    gap = target - opening
    reach_s = np.abs(gap) / rate_s
    new = np.where(reach_s <= dt_s, target, opening + np.copysign(rate_s * dt_s, gap))
    return new, np.where(reach_s <= dt_s, 0.5 * (opening + target) * reach_s + target * (dt_s - reach_s), 0.5 * (opening + new) * dt_s)


def drained(held: Array, rate: Array, knee: float, dt_s: float) -> Array:
    """`kernels.flow.drained_kg` of many hoppers."""
    free_s = (held - knee) / rate
    tail = np.exp(-rate * (dt_s - np.maximum(free_s, 0.0)) / knee)
    return np.where(held <= knee, held * (1.0 - tail), np.where(dt_s <= free_s, rate * dt_s, held - knee * tail))


def mixings(kg: Array, unmixed: Array, added: Array) -> tuple[Array, Array, Array]:
    """`kernels.mixing`: unmixed share, slump and power of many charges (species down the columns)."""
    held = kg.sum(axis=1)
    share = (unmixed * held + added) / (held + added) * np.exp(-0.1 / 7.0)
    volume = np.einsum("ns,s->n", kg, 1.0 / mixing.DENSITY) / (1.0 - mixing.AIR)
    binder = kg[:, CEMENT] + kg[:, FLY_ASH] + kg[:, SLAG]
    reduction = 0.45 * (1.0 - np.exp(-kg[:, ADMIXTURE] / binder / 0.019))
    sand_share = kg[:, SAND] / (kg[:, SAND] + kg[:, STONE])
    demand = (215.0 + 60.0 * (sand_share - 0.42) + 0.03 * (binder / volume - 360.0) + mixing.WATER_PER_FINES * kg[:, FINES] / volume) * (
        1.0 - reduction
    )
    slump = np.clip(90.0 + mixing.MM_PER_KG_WATER * (kg[:, WATER] / volume - demand), 0.0, 260.0)
    stiffness = np.minimum(0.55 + 0.45 * np.exp((180.0 - slump) / 110.0), 1.7)
    return share, slump, 20.0 + 100.0 * held / 7000.0 * stiffness * (1.0 + 0.2 * share)


def strengths(mix: Array) -> Array:
    """`kernels.strength.strength_mpa` of many mixes; columns cement, slag, fly ash, water, admixture, age, coarse, fine."""
    cement, slag, ash, water, admixture, age, coarse, fine = mix.T
    c, s, f = np.clip(cement, 100.0, 560.0), np.clip(slag, 0.0, 340.0), np.clip(ash, 0.0, 210.0)
    binder = np.clip(c + s + f, 180.0, 660.0)
    w = np.clip(water, np.maximum(110.0, 0.22 * binder), np.minimum(250.0, binder))
    a, ca, fa = np.clip(admixture, 0.0, 34.0), np.clip(coarse, 780.0, 1165.0), np.clip(fine, 575.0, 965.0)
    voids = np.clip(1.0 - (c / 3150.0 + s / 2900.0 + f / 2300.0 + (ca + fa) / 2650.0) - w / 1000.0 - a / 1100.0, -0.035, 0.065)
    x = np.stack((np.log(np.clip(age, 1.0, 365.0)), np.log(w / binder) + 4.0 * voids, s / binder, f / binder, np.sqrt(a), np.minimum(a, 4.0),
                  c, binder, voids, fa / (ca + fa), ca))  # fmt: skip
    total = np.zeros(len(mix))
    for linear, units in zip(LINEAR, UNITS, strict=True):
        z = np.einsum("hi,in->hn", units[:, 2:], x)
        y = linear[0] + np.einsum("i,in->n", linear[1:], x) + np.einsum("h,hn->n", units[:, 0], np.tanh(units[:, 1:2] + z))
        total += np.logaddexp(0.0, y)
    young = np.minimum(age, 1.0) * np.minimum(cement / 100.0, 1.0)
    return np.minimum(strength.SCALE_MPA * total / len(UNITS), strength.CEILING_MPA) * young


def plumes(
    points: Array, owner: Array, receptors: Array, wind_from: Array, wind: Array, stability: Array, urban: bool, rate: Array
) -> Array:
    """`kernels.dispersion.series`: all pairs of a minute at once."""
    dx, dy = receptors[:, None, 0] - points[None, :, 0], receptors[:, None, 1] - points[None, :, 1]
    h, table = points[:, 2], dispersion.URBAN_Z if urban else dispersion.RURAL_Z
    q, spread = (dispersion.URBAN_Q, dispersion.URBAN_Y) if urban else (dispersion.RURAL_Q, dispersion.RURAL_Y)
    below, above = receptors[:, None, 2] - h, receptors[:, None, 2] + h
    out = np.zeros((len(wind), len(receptors)))
    for t, c in enumerate(stability):
        a = np.radians(wind_from[t] + 180.0)
        x, y = dx * np.sin(a) + dy * np.cos(a), dy * np.sin(a) - dx * np.cos(a)
        far = np.maximum(x, dispersion.NEAR_M)
        sy2 = (spread[c] * far) ** 2 / (1.0 + q * far) + points[:, 3] ** 2
        sz2 = (table[c, 0] * far * (1.0 + table[c, 1] * far) ** table[c, 2]) ** 2 + points[:, 4] ** 2
        u = np.maximum(
            wind[t] * (np.clip(h, 1.0, 200.0) / 10.0) ** (stability_kernel.URBAN if urban else stability_kernel.RURAL)[c],
            stability_kernel.CALM_M_S,
        )
        vertical = np.exp(-(below**2) / (2.0 * sz2)) + np.exp(-(above**2) / (2.0 * sz2))
        chi = np.where(x < dispersion.NEAR_M, 0.0, np.exp(-(y**2) / (2.0 * sy2)) * vertical / (2.0 * np.pi * u * np.sqrt(sy2 * sz2)))
        out[t] = chi @ (rate[t, owner] * points[:, 5])
    return out
