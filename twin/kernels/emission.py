"""Dust that material gives off when it falls, is loaded, is driven over or lies in the wind: the equations of EPA's AP-42.

Sizes are numbered 0 TSP (PM30), 1 PM10, 2 PM2.5. Factors are kilograms of dust for a kilogram of material unless said.
"""

from __future__ import annotations

import numpy as np

from twin.jit import njit

TSP, PM10, PM25 = range(3)

# AP-42 13.2.4 (11/06): particle size multipliers (recalled; the form of the equation was found).
DROP_K = np.array([0.74, 0.35, 0.053])
# AP-42 11.12 (6/06) Table 11.12-2, lb/ton of cement and supplement (recalled). PM2.5 of silos as 15 % of PM (engineering choice).
# The equations of Table 11.12-4 for a hooded mixer are left out: hood and collector are machines of their own here.
CENTRAL_MIX = np.array([0.572, 0.156, 0.0309])
CEMENT_SILO = np.array([0.73, 0.47, 0.11])
SUPPLEMENT_SILO = np.array([3.14, 1.10, 0.47])
WEIGH_HOPPER = np.array([0.0048, 0.0028, 0.0004])
# AP-42 13.2.1 (1/11): g per vehicle-km (found).
ROAD_K = np.array([3.23, 0.62, 0.15])
# AP-42 13.2.5: multipliers of the erosion potential (recalled).
EROSION_K = np.array([1.0, 0.5, 0.075])
# AP-42 13.2.5 Table 13.2.5-3, conical pile: wind at the surface over the wind that comes, and the share of the pile's
# surface where it is so (recalled). Flat ground would have u* = 0.053·u10, which no wind of the region lifts over a threshold.
PILE_WIND = np.array([0.2, 0.6, 0.9])
PILE_SHARE = np.array([0.40, 0.48, 0.12])
FRICTION = 0.10  # friction velocity over the wind at a pile's surface, equation 7 of 13.2.5 (recalled)
LB_PER_TON = 0.0005  # kg/kg
MPH = 0.44704  # m/s


@njit
def drop_kg_kg(size: int, wind_m_s: float, moisture_pct: float) -> float:
    """Material dropped onto a pile, a belt, a hopper: AP-42 13.2.4 equation 1, k·0.0032·(U/5)^1.3/(M/2)^1.4 lb/ton, U in mph.

    Args:
        size: 0 TSP, 1 PM10, 2 PM2.5.
        wind_m_s: mean wind at the drop, taken as 0.1 or more.
        moisture_pct: of the material, % by mass; held to the 0.25–20 % of wet sand and stone.
    """
    u, m = max(wind_m_s, 0.1), min(max(moisture_pct, 0.25), 20.0)
    return DROP_K[size] * 0.0032 * (u / MPH / 5.0) ** 1.3 / (m / 2.0) ** 1.4 * LB_PER_TON


@njit
def central_mixer_kg_kg(size: int) -> float:
    """Cement and supplement loaded into a central mixer without control, AP-42 11.12 Table 11.12-2."""
    return CENTRAL_MIX[size] * LB_PER_TON


@njit
def silo_kg_kg(size: int, supplement: bool) -> float:
    """Powder blown into a silo, before its filter: cement, or fly ash and slag (AP-42 11.12 Table 11.12-2)."""
    return (SUPPLEMENT_SILO[size] if supplement else CEMENT_SILO[size]) * LB_PER_TON


@njit
def weigh_hopper_kg_kg(size: int) -> float:
    """Sand and stone loaded into a weigh hopper (AP-42 11.12 Table 11.12-2)."""
    return WEIGH_HOPPER[size] * LB_PER_TON


@njit
def paved_road_g_km(size: int, silt_g_m2: float, weight_t: float) -> float:
    """Dust of one vehicle on a paved road: AP-42 13.2.1 equation 1, k·sL^0.91·W^1.02, g per km driven.

    Args:
        silt_g_m2: silt load of the road surface.
        weight_t: mean weight of the vehicles, short tons taken as tonnes / 0.9072.
    """
    if silt_g_m2 <= 0.0:
        return 0.0
    return ROAD_K[size] * silt_g_m2**0.91 * (weight_t / 0.90718) ** 1.02


@njit
def erosion_g_m2(fastest_wind_m_s: float, threshold_m_s: float) -> float:
    """What a disturbed pile can lose to the fastest wind, TSP over its whole surface: AP-42 13.2.5 equation 3, 58·(u* - ut)² + 25·(u* - ut), by parts of the pile.

    Args:
        fastest_wind_m_s: fastest mile at 10 m.
        threshold_m_s: threshold friction velocity of the material.
    """
    sum_g_m2 = 0.0
    for k in range(PILE_WIND.shape[0]):
        over = FRICTION * PILE_WIND[k] * fastest_wind_m_s - threshold_m_s
        if over > 0.0:
            sum_g_m2 += PILE_SHARE[k] * (58.0 * over * over + 25.0 * over)
    return sum_g_m2
