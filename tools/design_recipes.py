"""Make the standard recipe book by JGJ 55-2011 and the twin's own slump relation.

    python tools/design_recipes.py > twin/design/recipes/standard.yaml

Water/binder from the strength aimed at (JGJ 55 4.0.1, 5.1.1), water chosen for the class, binder from both,
aggregates by absolute volumes (5.5.1), admixture dosed until the slump is reached. Then the trial mixes of JGJ 55
chapter 6, on the twin's strength model: where a mix falls short of the strength aimed at, water/binder is lowered.
Figures of JGJ 55 that were not read in a source are marked `recalled` in the docs. The book ends at C50: above about
62 MPa the strength model has too little data to aim at more.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from twin.kernels.mixing import concrete_volume_m3, slump_mm
from twin.kernels.strength import strength_mpa

ALPHA_A, ALPHA_B = 0.53, 0.20  # crushed stone, Table 5.1.2
CEMENT_MPA = 42.5 * 1.16  # Table 5.1.4
# grade: (fcu,k, sigma, water, fly ash share, slag share, influence of both, sand ratio, slump)
CLASSES = {
    "C15": (15, 4.0, 178, 0.25, 0.15, 0.80 * 1.00, 0.47, 160),
    "C20": (20, 4.0, 178, 0.22, 0.15, 0.82 * 1.00, 0.46, 160),
    "C25": (25, 5.0, 176, 0.20, 0.15, 0.83 * 1.00, 0.45, 180),
    "C30": (30, 5.0, 175, 0.18, 0.15, 0.84 * 1.00, 0.44, 180),
    "C35": (35, 5.0, 173, 0.16, 0.15, 0.85 * 1.00, 0.43, 180),
    "C40": (40, 5.0, 170, 0.14, 0.15, 0.87 * 1.00, 0.42, 180),
    "C50": (50, 6.0, 155, 0.03, 0.20, 0.92 * 1.00, 0.39, 140),
}  # fmt: skip


def masses(water: float, binder: float, fly: float, slag: float, sand_ratio: float, dose: float) -> np.ndarray:
    """kg/m³ by species, the aggregate filling one cubic metre."""
    kg = np.array([binder * (1 - fly - slag), binder * fly, binder * slag, 0, 0, water, binder * dose])
    for aggregate in np.arange(1400.0, 2100.0, 1.0):
        kg[3], kg[4] = aggregate * sand_ratio, aggregate * (1 - sand_ratio)
        if concrete_volume_m3(kg) >= 1:
            return kg
    raise ValueError("no aggregate mass fills the cubic metre")


def recipe(fck: float, sigma: float, water: float, fly: float, slag: float, influence: float, ratio: float, slump: float) -> np.ndarray:
    """kg/m³ by species for one class."""
    aimed = 1.15 * fck if fck >= 60 else fck + 1.645 * sigma
    fb = CEMENT_MPA * influence
    binder = water / (ALPHA_A * fb / (aimed + ALPHA_A * ALPHA_B * fb))
    while True:
        kg = with_slump(water, binder, fly, slag, ratio, slump)
        cement, ash, slg, sand, stone, w, adm = kg
        if strength_mpa(cement, slg, ash, w, adm, 28.0, stone, sand) >= aimed:
            return kg
        binder *= 1.01


def with_slump(water: float, binder: float, fly: float, slag: float, ratio: float, slump: float) -> np.ndarray:
    """The mix with just as much admixture as the slump needs."""
    for dose in np.arange(0.004, 0.05, 0.0002):
        kg = masses(water, binder, fly, slag, ratio, dose)
        if slump_mm(kg, 0.0) >= slump:
            return kg
    raise ValueError("the admixture cannot reach the slump")


def main() -> None:
    print("# Standard recipes, dry masses per m³; made by tools/design_recipes.py (JGJ 55-2011 and trial mixes), not by hand.")
    print("recipes:")
    for grade, (fck, sigma, water, fly, slag, influence, ratio, slump) in CLASSES.items():
        cement, ash, slg, sand, stone, w, adm = recipe(fck, sigma, water, fly, slag, influence, ratio, slump)
        slurry = 12.0 if fck <= 30 else 0.0
        parts = {
            "cement": cement, "fly_ash": ash, "slag": slg, "sand": 0.6 * sand, "manufactured_sand": 0.4 * sand, "stone_5_10": 0.35 * stone,
            "stone_10_25": 0.65 * stone, "water": w - slurry, "slurry_water": slurry, "admixture": adm,
        }  # fmt: skip
        listed = ", ".join(f"{k}: {v:.2f}" for k, v in parts.items() if v > 0)
        print(f"  - {{grade: {grade}, strength_mpa: {fck}, slump_mm: {slump}, kg_m3: {{{listed}}}}}")


if __name__ == "__main__":
    main()
