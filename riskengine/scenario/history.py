"""Replay of real prices: every non-overlapping window of a price history is one path.

    S_p(t) = spot x price(start_p + t) / price(start_p)

Nothing is drawn, so every seed gives the same paths, and there are as many as the data hold.  Windows follow each other
without overlap: overlapping ones would share returns, and intervals take paths as independent.  Windows with a missing
bar are left out; the histories before them bridge missing bars with the last price.  Intervals still take neighbouring
windows as independent, which clustered volatility makes only roughly true.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.series import PriceSeries
from riskengine.random import DrawKeys
from riskengine.scenario.block_bootstrap import grid_strides
from riskengine.scenario.jumps import Vector
from riskengine.scenario.parameters import ParameterCheck, check_block, check_series
from riskengine.scenario.windows import Cut, cut, lanes, scaled


@dataclass(frozen=True)
class HistoryWindows:
    """The windows of a price history as paths, scaled to the world's spot.

    Attributes
    ----------
    assets : tuple of str
    spot : tuple of float
        Price at time 0, USD.
    prices : PriceSeries
        The data; a step of the grid must be a whole number of its steps.
    variance_half_life_hours : float or None
        Half-life of the exponentially weighted variance of the real returns that stands for the variance state; None
        where the world has none.

    Examples
    --------
    >>> data = PriceSeries(("BTC",), 3600 * np.arange(97), 100.0 + np.arange(97.0)[:, None], 3600)
    >>> world = HistoryWindows(("BTC",), (6e4,), data)
    >>> world.path_limit(TimeGrid(3600, 24))
    4
    """

    kind: ClassVar[str] = "history"
    starts_stationary: ClassVar[bool] = True

    assets: tuple[str, ...]
    spot: Vector
    prices: PriceSeries
    variance_half_life_hours: float | None = None

    def __post_init__(self) -> None:
        check = ParameterCheck()
        assets = check.names(self.assets)
        object.__setattr__(self, "assets", assets)
        object.__setattr__(self, "spot", check.vector("spot", self.spot, len(assets), 0.0))
        check_series(check, assets, self.prices)
        if self.variance_half_life_hours is not None:
            check.vector("variance_half_life_hours", (self.variance_half_life_hours,), 1, 0.0)
        check.finish()

    @property
    def has_variance(self) -> bool:
        """Whether paths carry a variance state."""
        return self.variance_half_life_hours is not None

    def path_limit(self, grid: TimeGrid) -> int:
        """Number of whole windows on `grid`; ValueError where its steps are no whole number of the data's."""
        return self._cut(grid).starts.size

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> MarketPaths:
        """Windows ``first_path`` to ``first_path + count - 1`` in time order, spot (T + 1, A, P) in USD.

        `keys` are not read.  ValueError where there are not so many windows.
        """
        starts = self._cut(grid).starts
        check_block(first_path, count, starts.size, "windows")
        starts, spot = starts[first_path : first_path + count], np.array(self.spot)
        stride, before_stride = grid_strides(grid, self.prices.step_seconds)
        forward, back = stride * np.arange(grid.steps + 1), before_stride * np.arange(-grid.history_steps, 1)
        out = scaled(self.prices, starts, forward, spot)
        before = scaled(self.prices, starts, back, spot) if grid.history_steps else None
        variance = before_variance = None
        if self.has_variance:
            variance = lanes(self._variance, starts[None, :] + forward[:, None])
            before_variance = lanes(self._variance, starts[None, :] + back[:, None]) if grid.history_steps else None
        return MarketPaths(grid, self.assets, first_path, out, variance, before, before_variance)

    def _cut(self, grid: TimeGrid) -> Cut:
        stride, before_stride = grid_strides(grid, self.prices.step_seconds)
        return cut(self.prices, stride * grid.steps, before_stride * grid.history_steps)

    @cached_property
    def _variance(self) -> Floats:
        """Variance per year at every regular bar, (N, A)."""
        return self.prices.ewma_variance(self.variance_half_life_hours)
