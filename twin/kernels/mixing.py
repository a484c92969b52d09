"""Twin-shaft mixer: how well mixed, how hard to turn, how warm, how stiff."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.jit import njit
from twin.ledger import ADMIXTURE, CEMENT, FINES, FLY_ASH, N_SPECIES, SAND, SLAG, STONE, WATER

# Particle densities, kg/m³: ordinary values for the materials (JGJ 55-2011 asks for measured ones; recalled).
DENSITY = np.array([3100.0, 2250.0, 2900.0, 2650.0, 2700.0, 1000.0, 1070.0, 2500.0])
# Specific heat, kJ/(kg·K), dry solids 0.75–0.92 and water 4.19 (ACI 207.4R practice; recalled).
HEAT = np.array([0.75, 0.75, 0.75, 0.75, 0.75, 4.19, 3.9, 0.75])
# Entrapped air of mixed concrete, share of volume (JGJ 55-2011 5.5.1, α = 1 for no air-entraining agent; recalled).
AIR = 0.01
# JGJ 55-2011 5.2.2: 5 kg/m³ more water gives about 20 mm more slump.
MM_PER_KG_WATER = 4.0
# Water that returned fines bind, kg/kg: hydrated cement is finer and more porous than fresh (engineering choice).
WATER_PER_FINES = 0.4


@njit
def unmixed_share(unmixed: float, held_kg: float, added_kg: float, speed: float, tau_s: float, dt_s: float) -> float:
    """Share of the charge that is not yet spread: what comes in is unmixed, turning mixes it exponentially.

    Args:
        unmixed: share before the step, 0–1.
        held_kg: charge before the step.
        added_kg: what came in during the step.
        speed: shaft speed over rated, 0–1.
        tau_s: mixing time constant at rated speed, s.

    Returns:
        Share after the step, 0–1. Homogeneity index is 1 minus this.
    """
    total = held_kg + added_kg
    if total <= 0.0:
        return 1.0
    return (unmixed * held_kg + added_kg) / total * np.exp(-speed * dt_s / tau_s)


@njit
def concrete_volume_m3(kg: Any) -> float:
    """Compacted volume of a charge by absolute volumes, m³ (JGJ 55-2011 5.5.1).

    Args:
        kg: float64 [species].
    """
    v = 0.0
    for s in range(N_SPECIES):
        v += kg[s] / DENSITY[s]
    return v / (1.0 - AIR)


@njit
def water_binder(kg: Any) -> float:
    """Water over binder by mass; 0 when there is no binder."""
    binder = kg[CEMENT] + kg[FLY_ASH] + kg[SLAG]
    return kg[WATER] / binder if binder > 0.0 else 0.0


@njit
def slump_mm(kg: Any, fine_extra: float) -> float:
    """Slump of a charge from its true masses, mm, 0–260.

    Water over the demand of the aggregate and binder at 90 mm, by the rule of JGJ 55-2011 5.2.2 (5 kg/m³ for
    20 mm); the admixture lowers the demand by its water reduction. Demand 215 kg/m³ without admixture is the
    table value for medium sand and 20 mm crushed stone at 75–90 mm (JGJ 55-2011 Table 5.2.1-2; recalled). The
    admixture reduces water by 29 % at 2 % of binder and by 45 % at most (GB 8076 high-performance class asks ≥ 25 %;
    recalled).

    Args:
        kg: float64 [species], masses of the charge.
        fine_extra: relative extra water demand (fineness, temperature), usually -0.05…0.05.
    """
    volume = concrete_volume_m3(kg)
    binder = kg[CEMENT] + kg[FLY_ASH] + kg[SLAG]
    if volume <= 0.0 or binder <= 0.0:
        return 0.0
    dose = kg[ADMIXTURE] / binder
    reduction = 0.45 * (1.0 - np.exp(-dose / 0.019))
    sand_share = kg[SAND] / max(kg[SAND] + kg[STONE], 1e-9)
    paste = 0.03 * (binder / volume - 360.0) + WATER_PER_FINES * kg[FINES] / volume
    demand = (215.0 + 60.0 * (sand_share - 0.42) + paste) * (1.0 - reduction) * (1.0 + fine_extra)
    return min(max(90.0 + MM_PER_KG_WATER * (kg[WATER] / volume - demand), 0.0), 260.0)


@njit
def turning_power_kw(idle_kw: float, full_kw: float, fill: float, slump: float, unmixed: float, wear: float, speed: float) -> float:
    """Electric power of the mixer drives, kW.

    Rises with the charge and its stiffness, so that slump can be read from the amps; dry, unmixed material
    turns harder. `full_kw` is the power at rated charge, 180 mm slump, fully mixed. The e-fold of 110 mm and the
    ceiling of 1.7 give the rise from flowing to stiff concrete that operators know from their ammeter (engineering
    choice).
    """
    stiffness = min(0.55 + 0.45 * np.exp((180.0 - slump) / 110.0), 1.7)
    return speed * (idle_kw + (full_kw - idle_kw) * fill * stiffness * (1.0 + 0.2 * unmixed)) * (1.0 - 0.1 * wear)


@njit
def blend_temperature_c(kg: Any, temperature_c: Any) -> float:
    """Temperature of a mixture from its parts by heat content, °C (ACI 207.4R form).

    Args:
        kg: float64 [species].
        temperature_c: float64 [species].
    """
    heat = 0.0
    total = 0.0
    for s in range(N_SPECIES):
        c = kg[s] * HEAT[s]
        heat += c * temperature_c[s]
        total += c
    return heat / total if total > 0.0 else 20.0
