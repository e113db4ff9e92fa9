"""Filtered historical value at risk: the window's returns brought to the volatility of now, then an order statistic.

    r_w -> r_w sigma_now / sigma_w,   sigma2_{t+1} = decay sigma2_t + (1 - decay) r_t^2   (asset by asset),

then as `historical_var`.  The requirement follows volatility as the market does, and keeps the skew and tails of the
window, which a normal quantile does not; the price is procyclicality.  Only spot returns are filtered: moves of the
variance state stay those of the window.  Reference: Hull and White, Journal of Risk 1 (1998) 5-19; `revaluation` says
how scenarios are formed.
"""

from dataclasses import dataclass

from riskengine.arrays import check_range
from riskengine.margin import revaluation
from riskengine.margin.historical_var import HistoricalVar
from riskengine.market.paths import MarketPaths


@dataclass(frozen=True)
class FilteredHistoricalVar(HistoricalVar):
    """Filtered historical value-at-risk margin; see the module for the rule.

    Attributes
    ----------
    levels, margin_period_hours, maintenance_ratio, shortfall, window
        As in `HistoricalVar`.
    decay : float
        Weight of the last variance in the next.
    """

    decay: float = 0.94
    kind = "filtered_historical_var"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("decay", self.decay, 0.0, 1.0, open_low=True, open_high=True)

    def step(self, state: revaluation.State, paths: MarketPaths, step: int) -> revaluation.State:
        """The window known at time index `step`, filtered."""
        return revaluation.filtered(super().step(state, paths, step), self.decay)
