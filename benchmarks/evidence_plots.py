"""Pictures for `docs/methods`: simulated tails of every world against its exact law.

    python benchmarks/evidence_plots.py [OUT]

For each world with an exact law: 2^20 paths of one day in six steps of four hours (two of twelve for worlds that are
exact at any step), one asset.  Shown is the share of paths beyond the exact quantile over its nominal probability, both
tails, from 1e-4 to one half, with the 95 % Clopper-Pearson interval of each point; right is a line at 1.  Points are
correlated, so a whole tail may lean to one side by chance.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from riskengine.config.study import load_world
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.cojumps import OwnCoJumps
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.kou import Kou, KouOwnJumps
from riskengine.scenario.merton import Merton
from riskengine.scenario.regime_switching import RegimeSwitching
from riskengine.scenario.svcj import Svcj
from riskengine.stats.proportion import clopper_pearson

OUT = Path(__file__).resolve().parents[1] / "docs" / "methods" / "evidence"
PATHS, BLOCK = 1 << 20, 1 << 14
PROBABILITIES = np.array([1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.25, 0.5])
ONE = ((1.0,),)
START = (("BTC",), (34_500.0,), (0.0,))
VARIANCE = ((20.0,), (0.3,), (4.5,), (-0.3,), "stationary", ONE, ONE)
JUMPS = OwnJumps((30.0,), (-0.02,), (0.06,))
WORLDS = {
    "gbm": (Gbm(*START, (0.6,), ONE), 2),
    "merton": (Merton(*START, (0.6,), ONE, None, JUMPS), 2),
    "kou": (Kou(*START, (0.5,), ONE, None, KouOwnJumps((40.0,), (0.4,), (30.0,), (25.0,))), 2),
    "heston": (Heston(*START, *VARIANCE), 6),
    "bates": (Bates(*START, *VARIANCE, None, JUMPS), 6),
    "svcj": (
        Svcj(*START, *VARIANCE, None, OwnCoJumps((15.0,), (-0.02,), (0.05,), variance_mean=(0.5,), slope=(-0.05,))),
        6,
    ),
    "regime_switching": (
        RegimeSwitching(
            ("BTC",), (34_500.0,), ("calm", "stress"), ((-12.0, 12.0), (60.0, -60.0)), (0.0,), ((0.4,), (1.1,)),
            (ONE, ONE),
            jumps_own=OwnJumps((20.0,), (-0.01,), (0.04,)), pace=(1.0, 4.0),
        ),
        2,
    ),
    "pegged": (load_world("usdc").model, 2),
}  # fmt: skip


def moves(model, asset: str, steps: int) -> np.ndarray:
    """One-day log-returns."""
    grid = TimeGrid(86_400 // steps, steps)
    a, found = model.assets.index(asset), []
    for first in range(0, PATHS, BLOCK):
        spot = model.sample(grid, first, BLOCK, DrawKeys(20261125)).spot_lanes[:, a]
        found.append(np.log(spot[-1] / spot[0]))
    return np.concatenate(found)


def draw(name: str, model, steps: int, out: Path) -> None:
    """One picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    asset = "USDC" if name == "pegged" else model.assets[0]
    x, law = moves(model, asset, steps), model.law(asset, 1.0 / 365.0)
    figure, axes = plt.subplots(figsize=(6.4, 2.9), dpi=90)
    for side, colour, marker, shift in (("lower", "#0072b2", "o", 0.97), ("upper", "#d55e00", "s", 1.03)):
        p = PROBABILITIES
        q = law.quantile(p if side == "lower" else 1.0 - p)
        hits = [(x <= v).sum() if side == "lower" else (x > v).sum() for v in q]
        found = [clopper_pearson(int(h), x.size) for h in hits]
        ratio = np.array([[e.value, e.lower, e.upper] for e in found]).T / p
        axes.errorbar(
            p * shift, ratio[0], [ratio[0] - ratio[1], ratio[2] - ratio[0]], color=colour, marker=marker, ms=4, lw=1,
            ls="none", label=f"{side} tail",
        )  # fmt: skip
    axes.axhline(1.0, color="#59636e", lw=1, ls="--")
    axes.set(xscale="log", xlabel="exact probability of the tail", ylabel="simulated / exact")
    axes.set_title(f"{name}: one day, {steps} steps, {PATHS:,} paths", fontsize=10, loc="left")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(out / f"{name}.png", metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    """Write every picture."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    out.mkdir(parents=True, exist_ok=True)
    for name, (model, steps) in WORLDS.items():
        draw(name, model, steps, out)
        print(out / f"{name}.png", flush=True)


if __name__ == "__main__":
    main()
