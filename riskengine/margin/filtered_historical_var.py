"""Filtered historical value at risk: the window's returns brought to the volatility of now, then an order statistic.

    r_w -> r_w sigma_now / sigma_w,   sigma2_{t+1} = decay sigma2_t + (1 - decay) r_t^2   (asset by asset),

then as `historical_var`.  The requirement follows volatility as the market does, and keeps the skew and tails of the
window, which a normal quantile does not; the price is procyclicality.  Only spot returns are filtered: moves of the
variance state stay those of the window.  Reference: Hull and White, Journal of Risk 1 (1998) 5-19; `revaluation` says
how scenarios are formed.
"""

from dataclasses import dataclass, field

from riskengine.arrays import check_range
from riskengine.book.portfolio import Portfolio
from riskengine.margin import revaluation
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.roles import Requirement


@dataclass(frozen=True)
class FilteredHistoricalVar:
    """Filtered historical value-at-risk margin; see the module for the rule.

    Attributes
    ----------
    levels : tuple of float
        Confidence levels, 0.99.
    margin_period_hours : float
        Margin period of risk; must equal the step of the history.
    maintenance_ratio : float
        Maintenance as a share of initial margin.
    decay : float
        Weight of the last variance in the next.
    shortfall : bool
        Expected shortfall at the level instead of the quantile.
    window : int or None
        Margin periods that are read; None is all of the history.
    """

    levels: tuple[float, ...] = (0.95, 0.99, 0.995, 0.999)
    margin_period_hours: float = 24.0
    maintenance_ratio: float = 0.8
    decay: float = 0.94
    shortfall: bool = field(default=False, metadata={"written": "unless empty"})
    window: int | None = field(default=None, metadata={"written": "unless empty"})
    kind = "filtered_historical_var"

    def __post_init__(self) -> None:
        revaluation.check_levels(self.levels, self.margin_period_hours, self.maintenance_ratio)
        revaluation.check_window(self.window)
        check_range("decay", self.decay, 0.0, 1.0, open_low=True, open_high=True)

    def init(self, portfolio: Portfolio, surface: FactorSurface) -> revaluation.State:
        """Book maps."""
        return revaluation.init(portfolio, surface)

    def step(self, state: revaluation.State, paths: MarketPaths, step: int) -> revaluation.State:
        """The window known at time index `step`, filtered."""
        known = revaluation.step(state, paths, step, self.margin_period_hours, self.window)
        return revaluation.filtered(known, self.decay)

    def requirement(self, state: revaluation.State, snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """One requirement per level, in the order of `levels`."""
        return revaluation.tail_requirements(
            state, snapshot, self.margin_period_hours, self.levels, self.shortfall, self.maintenance_ratio
        )
