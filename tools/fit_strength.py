"""Fit twin/kernels/strength.py and measure it on mixes it has not seen.

    python tools/fit_strength.py DATA.csv [--keep]

DATA.csv: Yeh (1998), UCI "Concrete Compressive Strength": cement, slag, fly ash, water, superplasticizer,
coarse, fine in kg/m³, age in days, strength in MPa, one header line. Prints the cross-validated errors and
writes twin/kernels/strength_coefficients.py (not with --keep). Needs scipy and scikit-learn. The same data
on the same machine give the same coefficients.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from sklearn.ensemble import HistGradientBoostingRegressor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
COEFFICIENTS = ROOT / "twin/kernels/strength_coefficients.py"
if not COEFFICIENTS.exists():
    COEFFICIENTS.write_text("import numpy as np\n\nUNITS = np.zeros((1, 1, 13))\nLINEAR = np.zeros((1, 12))\n")

from twin.kernels import strength as model  # noqa: E402

Predict = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[np.ndarray, np.ndarray], Predict]

NETS, HIDDEN, DECAY, ROUNDS, SHARE = 12, 6, 1e-3, 150, 0.75
FOLDS, SHUFFLES = 10, 5
UNKNOWN_WEIGHT = 0.3  # of each row seen a second time without its aggregates
#        age w/b slag fly sqrt(a) a cement binder voids fine coarse
SIGNS = np.array([1, -1, 0, 0, 0, 0, 0, 0, 1, 0, 0])


def load(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs [row, 8], strength [row], number of the mix [row]."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, encoding="utf-8-sig")
    mix = np.unique(table[:, :7], axis=0, return_inverse=True)[1].ravel()
    return table[:, :8], table[:, 8], mix


def features(x: np.ndarray, aggregates: bool = True) -> np.ndarray:
    """The kernel's own features, so that fit and use cannot differ."""
    return np.array([model._features(c, s, f, w, a, t, ca * aggregates, fa * aggregates) for c, s, f, w, a, ca, fa, t in x])


def train(z: np.ndarray, y: np.ndarray, weight: np.ndarray, rng: np.random.Generator) -> tuple:
    """One network on scaled features: softplus(c + u·z + v·tanh(W z + b)), signs held, weights decayed."""
    d, h = z.shape[1], HIDDEN
    low, high = np.where(SIGNS > 0, 0, -np.inf), np.where(SIGNS < 0, 0, np.inf)
    lows = np.concatenate([np.tile(low, h), np.full(h, -np.inf), np.zeros(h), low, [-np.inf]])
    highs = np.concatenate([np.tile(high, h), np.full(2 * h, np.inf), high, [np.inf]])
    start = np.concatenate([rng.normal(0, 0.5, h * (d + 2)), 0.2 * SIGNS, [0]])
    start = np.where(np.isfinite(lows), abs(start), np.where(np.isfinite(highs), -abs(start), start))
    aim, weight = y / model.SCALE_MPA, weight / weight.sum()

    def split(p: np.ndarray) -> tuple:
        return p[: h * d].reshape(h, d), p[h * d : h * d + h], p[h * d + h : h * d + 2 * h], p[-d - 1 : -1], p[-1]

    def loss(p: np.ndarray) -> tuple[float, np.ndarray]:
        w, b, v, u, c = split(p)
        t = np.tanh(z @ w.T + b)
        out = t @ v + z @ u + c
        error = np.logaddexp(0, out) - aim
        g = 2 * weight * error * np.exp(-np.logaddexp(0, -out))
        back = np.outer(g, v) * (1 - t**2)
        size = (w**2).sum() + (v**2).sum() + (u**2).sum()
        slope = [
            (back.T @ z + 2 * DECAY * w).ravel(),
            back.sum(0),
            t.T @ g + 2 * DECAY * v,
            z.T @ g + 2 * DECAY * u,
            [g.sum()],
        ]
        return weight @ error**2 + DECAY * size, np.concatenate(slope)

    best = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(lows, highs, strict=True)),
        options={"maxiter": ROUNDS},
    )
    return split(best.x)


def fit_nets(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """UNITS [net, unit, (v, b, w...)] and LINEAR [net, (c, u...)] for unscaled features, 6 digits.

    Each net sees its own three quarters of the mixes.
    """
    z = np.vstack([features(x), features(x, aggregates=False)])
    weight = np.repeat([1.0, UNKNOWN_WEIGHT], len(x))
    y2 = np.concatenate([y, y])
    mean, sd = z[: len(x)].mean(0), z[: len(x)].std(0)
    mix = np.unique(x[:, :7], axis=0, return_inverse=True)[1].ravel()
    units, linear = [], []
    for n in range(NETS):
        rng = np.random.default_rng(n)
        seen = rng.permutation(mix.max() + 1)[: round(SHARE * (mix.max() + 1))]
        rows = np.tile(np.isin(mix, seen), 2)
        w, b, v, u, c = train((z[rows] - mean) / sd, y2[rows], weight[rows], rng)
        w, u = w / sd, u / sd
        units.append(np.column_stack([v, b - w @ mean, w]))
        linear.append(np.concatenate([[c - u @ mean], u]))
    digits = np.vectorize(lambda value: float(f"{value:.6g}"))
    return digits(np.array(units)), digits(np.array(linear))


def ours(aggregates: bool) -> Fit:
    """The delivered model, called with or without the aggregates."""

    def fit(x: np.ndarray, y: np.ndarray) -> Predict:
        units, linear = fit_nets(x, y)

        def predict(x: np.ndarray) -> np.ndarray:
            z = features(x, aggregates)
            hidden = np.tanh(np.einsum("nhi,ri->nhr", units[:, :, 2:], z) + units[:, :, 1, None])
            out = np.einsum("nh,nhr->nr", units[:, :, 0], hidden) + linear[:, 1:] @ z.T + linear[:, :1]
            return np.minimum(model.SCALE_MPA * np.logaddexp(0, out).mean(0), model.CEILING_MPA)

        return predict

    return fit


def plain(x: np.ndarray, y: np.ndarray) -> Predict:
    """JGJ 55 for 42.5 cement and crushed stone, times lg t / lg 28; nothing is fitted."""

    def predict(x: np.ndarray) -> np.ndarray:
        fcu = [model.jgj55_strength_mpa(w / (c + s + f), model.jgj55_binder_strength_mpa(c, s, f)) for c, s, f, w in x[:, :4]]
        return np.array(fcu) * np.log(x[:, 7]) / np.log(28)

    return predict


def boosting(x: np.ndarray, y: np.ndarray) -> Predict:
    """Gradient boosting on the same features and signs: steps, thousands of numbers; a bound to compare with."""
    trees = HistGradientBoostingRegressor(
        max_iter=500, learning_rate=0.04, max_depth=5, min_samples_leaf=5, l2_regularization=1, max_features=0.4,
        monotonic_cst=SIGNS.tolist(), random_state=0,
    ).fit(features(x), y)  # fmt: skip
    return lambda x: trees.predict(features(x))


def cross_validate(fit: Fit, x: np.ndarray, y: np.ndarray, mix: np.ndarray) -> np.ndarray:
    """RMSE, MAE, R², RMSE at 28 d over held-out mixes, mean of the shuffles."""
    rows = []
    for shuffle in range(SHUFFLES):
        order = np.random.default_rng(1000 + shuffle).permutation(mix.max() + 1)
        error = np.empty_like(y)
        for part in np.array_split(order, FOLDS):
            out = np.isin(mix, part)
            error[out] = fit(x[~out], y[~out])(x[out]) - y[out]
        rmse, at_28 = np.sqrt((error**2).mean()), np.sqrt((error[x[:, 7] == 28] ** 2).mean())
        rows.append((rmse, abs(error).mean(), 1 - rmse**2 / y.var(), at_28))
    return np.mean(rows, axis=0)


def write(units: np.ndarray, linear: np.ndarray) -> None:
    """A Python file and not a data file: the cache of compiled kernels follows the sources."""
    with COEFFICIENTS.open("w") as out:
        out.write('"""Coefficients of twin/kernels/strength.py; written by tools/fit_strength.py, not by hand."""\n\n')
        out.write("# ruff: noqa: E501\n# fmt: off\nimport numpy as np\n\n# [net, unit, (outer weight, offset, weights)]\n")
        out.write("UNITS = np.array([\n")
        for net in units:
            lines = ("[" + ", ".join(f"{v:.6g}" for v in unit) + "]" for unit in net)
            out.write("    [" + ",\n     ".join(lines) + "],\n")
        out.write("])\n# [net, (offset, weights)]\nLINEAR = np.array([\n")
        for net in linear:
            out.write("    [" + ", ".join(f"{v:.6g}" for v in net) + "],\n")
        out.write("])\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--keep", action="store_true", help="only measure, leave the coefficients")
    args = parser.parse_args()
    x, y, mix = load(args.data)
    print(f"{len(y)} rows, {mix.max() + 1} mixes, {FOLDS} folds by mix, {SHUFFLES} shuffles")
    print(f"{'':34}{'RMSE':>7}{'MAE':>7}{'R2':>7}{'RMSE 28 d':>11}")
    rivals: dict[str, Fit] = {
        "model": ours(True),
        "model, aggregates not given": ours(False),
        "JGJ 55, lg t / lg 28": plain,
        "gradient boosting (bound)": boosting,
    }
    for name, fit in rivals.items():
        rmse, mae, r2, at_28 = cross_validate(fit, x, y, mix)
        print(f"{name:34}{rmse:7.2f}{mae:7.2f}{r2:7.3f}{at_28:11.2f}", flush=True)
    error = ours(True)(x, y)(x) - y
    print(f"{'model on the rows it was fitted on':34}{np.sqrt((error**2).mean()):7.2f}{abs(error).mean():7.2f}")
    if not args.keep:
        write(*fit_nets(x, y))


if __name__ == "__main__":
    main()
