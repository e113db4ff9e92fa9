"""EWMA value at risk: a normal quantile of an exponentially weighted volatility of the account's revalued profit.

    initial(level) = z_p sqrt(sum_w weight_w pnl_w^2),   weight_w ~ decay^(W - 1 - w), newest highest,

with mean zero, as RiskMetrics has it, and maintenance = maintenance_ratio * initial.  Fast to follow volatility, and
blind to skew and fat tails: that error is what the calibration study measures.  Reference: J.P. Morgan/Reuters,
RiskMetrics technical document (1996), ch. 5; `revaluation` says how scenarios are formed.
"""

from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from riskengine.arrays import check_range
from riskengine.book.portfolio import Portfolio
from riskengine.margin import revaluation
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.roles import PROPORTIONAL, Requirement


@dataclass(frozen=True)
class EwmaVar:
    """EWMA value-at-risk margin; see the module for the rule.

    Attributes
    ----------
    levels : tuple of float
        Confidence levels, 0.99.
    margin_period_hours : float
        Margin period of risk; must equal the step of the history.
    maintenance_ratio : float
        Maintenance as a share of initial margin.
    decay : float
        Weight of a scenario relative to the one after it.
    window : int or None
        Margin periods that are read; None is all of the history.
    """

    levels: tuple[float, ...] = (0.95, 0.99, 0.995, 0.999)
    margin_period_hours: float = 24.0
    maintenance_ratio: float = 0.8
    decay: float = 0.97
    window: int | None = field(default=None, metadata={"written": "unless empty"})
    kind = "ewma_var"
    promises = frozenset({PROPORTIONAL})

    def __post_init__(self) -> None:
        revaluation.check_levels(self.levels, self.margin_period_hours, self.maintenance_ratio)
        revaluation.check_window(self.window)
        check_range("decay", self.decay, 0.0, 1.0, open_low=True, open_high=True)

    def init(self, portfolio: Portfolio, surface: FactorSurface) -> revaluation.State:
        """Book maps."""
        return revaluation.init(portfolio, surface)

    def step(self, state: revaluation.State, paths: MarketPaths, step: int) -> revaluation.State:
        """The window known at time index `step`."""
        return revaluation.step(state, paths, step, self.margin_period_hours, self.window)

    def weights(self, count: int) -> np.ndarray:
        """Weight of each scenario of a window of `count`, oldest first; they sum to 1."""
        w = self.decay ** np.arange(count - 1, -1, -1, dtype=np.float64)
        return w / w.sum()

    def requirement(self, state: revaluation.State, snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """One requirement per level, in the order of `levels`."""
        none = np.empty(0, dtype=np.int64)
        _, second = revaluation.tail_losses(state, snapshot, self.margin_period_hours, none, self.weights(state.length))
        volatility = np.sqrt(second)
        quantiles = [NormalDist().inv_cdf(level) * volatility for level in self.levels]
        return tuple(Requirement(x, self.maintenance_ratio * x) for x in quantiles)
