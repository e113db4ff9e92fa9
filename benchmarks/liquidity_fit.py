"""Picture for `docs/methods/lending/liquidity.md`: average slippage by size, as quoted and as three kinds fit it.

    python benchmarks/liquidity_fit.py DATA [OUT]

DATA is a folder with the two files that the panels name.
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from riskengine.calibrate.liquidity import fit_liquidity, modelled_slippage
from riskengine.data.depth import read_ladder

OUT = Path(__file__).resolve().parents[1] / "docs" / "methods" / "evidence" / "liquidity.png"
PANELS = (
    ("Quotes WBTC/USDC, 2023-11-20", "dex_quotes_20231120.csv.gz", "WBTC/USDC", {}),
    (
        "WETH/USDC on Linea, 2026-07-18",
        "dex_depth_ladders_2026.csv",
        "linea/WETH/USDC",
        {"distances": (0.0, 0.1, 0.6, 0.99), "fee": 0.003, "within": 1.0},
    ),
)
KINDS = {"constant_product": "C0", "concentrated": "C1", "square_root": "C2"}


def main(data: Path, out: Path) -> None:
    """Draw both panels."""
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.2), constrained_layout=True)
    for axis, (title, file, series, settings) in zip(axes, PANELS, strict=True):
        ladder, _ = read_ladder(data / file, series)
        shown = ladder.slippage > 1e-5
        axis.loglog(ladder.sold[shown], ladder.slippage[shown], "k.", markersize=3, label="real")
        size = np.geomspace(ladder.sold.min(), ladder.sold.max(), 300)
        for kind, colour in KINDS.items():
            fit = fit_liquidity(kind, "X", ladder, daily_volatility=0.0193, **settings)
            slip = modelled_slippage(fit.liquidity, "X", size)
            axis.loglog(size, np.maximum(slip, 1e-6), colour, linewidth=1.2, label=kind.replace("_", " "))
        axis.set(title=title, xlabel="sold, USD", ylabel="average slippage", ylim=(1e-5, 1.5))
        axis.title.set_fontsize(9)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8, frameon=False)
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else OUT)
