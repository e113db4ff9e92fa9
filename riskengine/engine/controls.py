"""Figures of a path whose expectation the world's exact law gives: the controls of plain sampling.

Per asset: the growth e^X over the horizon, and how often a return lies beyond the exact quantiles of its own law, over
the horizon (the columns of `riskengine.engine.scheme`) and over the margin periods.  What is known of them holds for
the law.  GBM, Merton and Kou draw from it without error; where a scheme has a bias (quadratic-exponential: Heston,
Bates) the controls carry figures by beta times that bias towards the law.
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.outcomes import Key
from riskengine.engine.scheme import LEVELS as HORIZON_LEVELS
from riskengine.engine.scheme import SIDES, Scheme, unfit
from riskengine.errors import RunError
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.scenario.world import World
from riskengine.stats.control import KnownMean

LEVELS = (0.95, 0.99, 0.999)  # of returns over a margin period
SECTION = "control"


class Controls:
    """Exact expectations of a study's controls, and their columns.

    Parameters
    ----------
    world : World
        For which `unfit` finds no fault; ValueError otherwise.
    grid : TimeGrid
    scheme : Scheme
        Of the same world and grid.
    period : int or None
        Steps of a margin period; None without a margin question.

    Attributes
    ----------
    known : dict of Key to KnownMean
        Of every control, those that `scheme` keeps included.  An asset whose law cannot be inverted has none.
    """

    def __init__(self, world: World, grid: TimeGrid, scheme: Scheme, period: int | None):
        fault = unfit(world, grid)
        if fault:
            raise ValueError(f"controls need a world that follows its exact law, got {fault}")
        model = world.model
        self._kind, self._assets = model.kind, model.assets
        # returns of later periods have the same law only where time 0 is like any other time
        self._ends = [] if period is None else list(range(period, grid.steps + 1, period))
        if not model.starts_stationary:
            self._ends = self._ends[:1]
        self._quantiles: dict[str, Floats] = {}
        levels = np.array(LEVELS)
        self.known: dict[Key, KnownMean] = {}
        for asset in model.assets:
            try:
                law = model.law(asset, float(grid.times[-1]))
                growth, square = float(law.expectation(1.0)), float(law.expectation(2.0))
                if self._ends:
                    short = model.law(asset, float(grid.times[period]))
                    self._quantiles[asset] = np.stack([short.quantile(1.0 - levels), short.quantile(levels)])
            except RunError:
                continue
            if np.isfinite(square):  # a control without a variance is none
                self.known[self._key(asset, None, "control_growth")] = KnownMean(growth, 1.0)
            for level in LEVELS if self._ends else ():
                for side in ("lower", "upper"):
                    self.known[self._key(asset, level, f"control_{side}_tail")] = KnownMean(1.0 - level, 1.0 - level)
        for asset in scheme.assets:
            for level in HORIZON_LEVELS:
                for measure in SIDES.values():
                    key = ("scheme", model.kind, level, None, asset, measure)
                    self.known[key] = KnownMean(1.0 - level, 1.0 - level)

    def _key(self, asset: str, level: float | None, measure: str) -> Key:
        return SECTION, self._kind, level, None, asset, measure

    def columns(self, paths: MarketPaths) -> dict[Key, Floats]:
        """Per asset: growth over the horizon, and per level and side the share of margin periods beyond it."""
        out: dict[Key, Floats] = {}
        for a, asset in enumerate(self._assets):
            spot = paths.spot_lanes[:, a]
            key = self._key(asset, None, "control_growth")
            if key in self.known:
                out[key] = spot[-1] / spot[0]
            if asset not in self._quantiles:
                continue
            returns = np.diff(np.log(spot[[0, *self._ends]]), axis=0)
            low, high = self._quantiles[asset]
            for i, level in enumerate(LEVELS):
                out[self._key(asset, level, "control_lower_tail")] = (returns <= low[i]).mean(axis=0)
                out[self._key(asset, level, "control_upper_tail")] = (returns > high[i]).mean(axis=0)
        return out
