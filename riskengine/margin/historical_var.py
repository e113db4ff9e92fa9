"""Historical value at risk: an order statistic of the account's loss revalued under every return of the window.

    initial(level) = max(0, L_(ceil(W p))),   maintenance = maintenance_ratio * initial,

L_(1) <= ... <= L_(W) the revalued losses of the window and p the level (the ``inverted_cdf`` convention, stated
because others differ).  At levels beyond 1 - 1/W the figure is the largest loss of the window.  Reference: Hull,
Risk Management and Financial Institutions, ch. 13; `revaluation` says how scenarios are formed.
"""

from dataclasses import dataclass, field

from riskengine.book.portfolio import Portfolio
from riskengine.margin import revaluation
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.roles import LONG_OPTION_BOUNDED, PROPORTIONAL, Requirement


@dataclass(frozen=True)
class HistoricalVar:
    """Historical value-at-risk margin; see the module for the rule.

    Attributes
    ----------
    levels : tuple of float
        Confidence levels, 0.99.
    margin_period_hours : float
        Margin period of risk; must equal the step of the history.
    maintenance_ratio : float
        Maintenance as a share of initial margin.
    shortfall : bool
        Expected shortfall at the level instead of the quantile.
    window : int or None
        Margin periods that are read; None is all of the history.
    """

    levels: tuple[float, ...] = (0.95, 0.99, 0.995, 0.999)
    margin_period_hours: float = 24.0
    maintenance_ratio: float = 0.8
    shortfall: bool = field(default=False, metadata={"written": "unless empty"})
    window: int | None = field(default=None, metadata={"written": "unless empty"})
    kind = "historical_var"
    promises = frozenset({PROPORTIONAL, LONG_OPTION_BOUNDED})

    def __post_init__(self) -> None:
        revaluation.check_levels(self.levels, self.margin_period_hours, self.maintenance_ratio)
        revaluation.check_window(self.window)

    def exceeded(self, history: int) -> tuple[float, ...]:
        """Probability that the next loss exceeds each level's order statistic of a window of exchangeable losses.

        Rank k from the top of n: k / (n + 1).  Of levels beyond 1 - 1 / n the largest loss stands for the quantile.
        Empty for a shortfall, of which that is not known.
        """
        if self.shortfall:
            return ()
        n = self.window or history
        return tuple(k / (n + 1) for k in revaluation.tail_ranks(n, self.levels).tolist())

    def init(self, portfolio: Portfolio, surface: FactorSurface) -> revaluation.State:
        """Book maps."""
        return revaluation.init(portfolio, surface)

    def step(self, state: revaluation.State, paths: MarketPaths, step: int) -> revaluation.State:
        """The window known at time index `step`."""
        return revaluation.step(state, paths, step, self.margin_period_hours, self.window)

    def requirement(self, state: revaluation.State, snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """One requirement per level, in the order of `levels`."""
        return revaluation.tail_requirements(
            state, snapshot, self.margin_period_hours, self.levels, self.shortfall, self.maintenance_ratio
        )
