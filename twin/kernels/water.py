"""Water and what is suspended in it: volumes, settling, evaporation.

Settling velocity by Ferguson & Church (2004), doi:10.1306/051204740933, which is Stokes' law for small grains; hindered
by Richardson & Zaki (1954); evaporation by Penman (1948), Proc. Roy. Soc. A 193, 120–145.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.jit import njit
from twin.kernels.mixing import DENSITY
from twin.ledger import ADMIXTURE, N_SPECIES, WATER

G = 9.81
VISCOSITY_M2_S = 1.0e-6  # of water at 20 °C
WATER_KG_M3 = DENSITY[WATER]
C1, C2 = 18.0, 1.0  # Ferguson & Church: laminar and turbulent drag; natural grains 1.0

# Penman 1948 (constants recalled). Wind at 2 m from that at 10 m: FAO Irrigation and Drainage Paper 56 (1998), eq. 47.
WIND_2_M = 4.87 / np.log(67.8 * 10.0 - 5.42)
ALBEDO = 0.05  # of open water
MM_HG = 1.333224  # hPa
SIGMA = 5.670374e-8  # W/(m²·K⁴), Stefan–Boltzmann
LATENT_J_KG = 2.45e6
PSYCHROMETER = 0.49  # mmHg/K

# Grain that stands for each species in grey water, m. What passes a separator is its finest part; wash water fines are
# flocs of hydrated binder and silt (engineering choice).
GRAIN_M = np.array([15e-6, 15e-6, 12e-6, 120e-6, 6e-3, 0.0, 0.0, 20e-6])


@njit
def settling_m_s(diameter_m: float, density_kg_m3: float) -> float:
    """Velocity at which a single grain falls through still water, m/s.

    Args:
        diameter_m: of the grain.
        density_kg_m3: of the grain, above that of water.
    """
    r = density_kg_m3 / WATER_KG_M3 - 1.0
    return r * G * diameter_m**2 / (C1 * VISCOSITY_M2_S + np.sqrt(0.75 * C2 * r * G * diameter_m**3))


@njit
def hindered(velocity_m_s: float, diameter_m: float, solids: float) -> float:
    """Velocity of a grain among others, m/s (Richardson & Zaki): v·(1 - c)^n with n from the grain's Reynolds number.

    Args:
        velocity_m_s: of a single grain.
        diameter_m: of the grain.
        solids: share of volume taken by solids, 0–1.
    """
    re = velocity_m_s * diameter_m / VISCOSITY_M2_S
    if re < 0.2:
        n = 4.65
    elif re < 1.0:
        n = 4.35 * re**-0.03
    elif re < 500.0:
        n = 4.45 * re**-0.1
    else:
        n = 2.39
    return velocity_m_s * max(1.0 - solids, 0.0) ** n


@njit
def volume_m3(kg: Any) -> float:
    """Volume of water and solids together, m³.

    Args:
        kg: float64 [species].
    """
    v = 0.0
    for s in range(N_SPECIES):
        v += kg[s] / DENSITY[s]
    return v


@njit
def solids_kg(kg: Any) -> float:
    """What would stay on a filter, kg: everything but water and admixture."""
    m = 0.0
    for s in range(N_SPECIES):
        if s != WATER and s != ADMIXTURE:
            m += kg[s]
    return m


@njit
def solids_share(kg: Any) -> float:
    """Solids by mass of a suspension, kg/kg; 0 when there is nothing."""
    solids = solids_kg(kg)
    total = solids + kg[WATER] + kg[ADMIXTURE]
    return solids / total if total > 0.0 else 0.0


@njit
def evaporation_kg_m2_s(air_c: float, humidity: float, wind_10_m_s: float, sun_w_m2: float, cloud: float) -> float:
    """Water that an open wet surface loses, kg/(m²·s): Penman 1948, (Δ·H + γ·Ea)/(Δ + γ).

    H is the net radiation, (1 - r)·Rs - σT⁴·(0.56 - 0.092·√e)·(0.10 + 0.90·n/N), as mm/d of water; Ea the drying power of
    the air, 0.35·(1 + 0.54·u₂)·(es - e) mm/d with mmHg; saturation and its slope by Magnus' formula (WMO). Dew is left out.

    Args:
        air_c: temperature of air and surface.
        humidity: relative, 0–1.
        wind_10_m_s: at 10 m.
        sun_w_m2: global irradiance.
        cloud: share of the sky, 0–1; the sun shines for the rest (n/N).
    """
    saturated = 6.112 * np.exp(17.62 * air_c / (243.12 + air_c)) / MM_HG
    slope = saturated * 17.62 * 243.12 / (243.12 + air_c) ** 2
    vapour = min(max(humidity, 0.0), 1.0) * saturated
    long_wave = SIGMA * (air_c + 273.15) ** 4 * max(0.56 - 0.092 * np.sqrt(vapour), 0.0) * (0.10 + 0.90 * (1.0 - cloud))
    radiation = ((1.0 - ALBEDO) * sun_w_m2 - long_wave) / LATENT_J_KG * 86400.0
    drying = 0.35 * (1.0 + 0.54 * WIND_2_M * wind_10_m_s) * (saturated - vapour)
    return max(slope * radiation + PSYCHROMETER * drying, 0.0) / (slope + PSYCHROMETER) / 86400.0
