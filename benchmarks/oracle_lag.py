"""How late each oracle of the study `lending_oracles` is, and how far above the market: means with 95 % intervals.

``late``: hours from the first step at which ETH is 20 % below its start to the first at which the oracle says so, over
paths on which both happen.  ``above``: largest share by which the oracle lies above the market.
"""

import _one_core  # noqa: F401
import numpy as np

from riskengine.config.study import load_study
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys, PathDraws
from riskengine.stats.mean import mean

FALL = 0.8


def first(below: np.ndarray) -> np.ndarray:
    """First step at which `below` (T, P) holds; the number of steps where it never does."""
    return np.where(below.any(axis=0), below.argmax(axis=0), len(below))


def main() -> None:
    """Print a row for each oracle."""
    study = load_study("lending_oracles").study
    grid: TimeGrid = study.grid
    keys, assets = DrawKeys(study.seed), study.world.model.assets
    spot = study.world.sample(grid, 0, study.paths, keys).spot_lanes
    eth, hours = assets.index("ETH"), grid.step_seconds / 3600.0
    crossed = first(spot[:, eth] < FALL * spot[0, eth])
    print("| oracle | late, hours | above the market at most, % | not yet told at the end, % of paths |")
    print("|---|---|---|---|")
    told = []
    for label, market in zip(study.lending.labels, study.lending.markets, strict=True):
        if market.feed in told:
            continue
        told.append(market.feed)
        state = market.feed.init(spot[0], grid, assets, PathDraws(keys))
        steps = enumerate(spot)
        seen = np.stack([market.feed.step(state, p, grid.step_seconds if t else 0)[eth].copy() for t, p in steps])
        said = first(seen < FALL * spot[0, eth])
        both = (crossed < len(spot)) & (said < len(spot))
        late, above = mean(hours * (said - crossed)[both]), mean(100.0 * (seen / spot[:, eth] - 1.0).max(axis=0))
        never = 100.0 * ((crossed < len(spot)) & ~(said < len(spot))).mean()
        cells = [f"{e.value:.2f} [{e.lower:.2f}, {e.upper:.2f}]" for e in (late, above)]
        print(f"| {label} | {cells[0]} | {cells[1]} | {never:.1f} |")


if __name__ == "__main__":
    main()
