"""Where the histories of a power study come from: outcomes that are as the forecast says, and outcomes that are not.

The forecast is the unconditional law of a world, held every day: VaR and ES by that law.  Outcomes are log-returns X:

    null       independent draws of the law itself.
    rate m     c X, with c such that P(c X breaches VaR) = m p: every return c times as large, breaches independent.
    excess m   beyond the VaR point x the return is x + m (X - x): VaR is right, ES is not.
    clusters   windows of history that a world with stochastic volatility simulates, against its own unconditional
               law: the average rate is right, breaches come together.
    estimator  draws of the law against forecasts that an estimator makes anew every day from the days before.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from riskengine.arrays import Floats
from riskengine.backtest.battery import Histories
from riskengine.backtest.expected_shortfall import expected_worst, unit_quadrature
from riskengine.backtest.lanes import BreachLanes
from riskengine.engine.estimator_lab import Bench, fit
from riskengine.engine.questions import Exposure
from riskengine.law.lanes import StatelessLanes
from riskengine.law.sampler import ExactSampler
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.roles import Estimator
from riskengine.scenario.world import World


@dataclass(frozen=True)
class HeldForecast:
    """VaR and ES of one exposure by the unconditional law of a world, the same every day.

    Attributes
    ----------
    world : World
    exposure : Exposure
        Linear or inverse: the ES of a log exposure is not known from a law.
    horizon_hours : float
    """

    world: World
    exposure: Exposure
    horizon_hours: float

    @cached_property
    def law(self):
        """Law of the log-return over the horizon."""
        return self.law_over(1)

    def law_over(self, windows: int):
        """Law of the log-return over `windows` horizons."""
        years = windows * TimeGrid(round(self.horizon_hours * 3600), 1).dt
        return self.world.model.law(self.exposure.asset, years)

    @cached_property
    def _lanes(self) -> StatelessLanes:
        return StatelessLanes(self.law)

    @cached_property
    def sampler(self) -> ExactSampler:
        """Independent draws of the law."""
        return ExactSampler(self.law)

    def prepare(self) -> None:
        """Build every table before threads ask for them."""
        self._lanes.cdf(np.zeros(1), np.zeros(1))
        self.sampler.quantile(np.full(1, 0.5))

    @property
    def _long(self) -> bool:
        return self.exposure.side == "long"

    def point(self, tail_prob: float, law=None) -> float:
        """Log-return that loses more with probability `tail_prob`."""
        return float((law or self.law).quantile(tail_prob if self._long else 1.0 - tail_prob))

    def var(self, tail_prob: float) -> float:
        """Value at risk."""
        return float(self.exposure.unit.var(self.law, 1.0 - tail_prob))

    def es(self, tail_prob: float) -> float:
        """Expected shortfall."""
        return float(self.exposure.unit.expected_shortfall(self.law, 1.0 - tail_prob))

    def survival(self, returns: Floats) -> Floats:
        """Forecast probability of a loss at least that of each log-return."""
        return self.exposure.unit.from_cdf(self._lanes.cdf(np.clip(returns, -700.0, 700.0), np.zeros(1)))

    def worst(self, n: int, tail_prob: float) -> float:
        """Expected mean of the floor(n tail_prob) largest of `n` losses, at least of one: the scale of Z3."""

        def quantile(u: Floats) -> Floats:
            return self.exposure.unit.loss(self.sampler.quantile(u if not self._long else 1.0 - u))

        return expected_worst(n, max(int(np.floor(n * tail_prob)), 1), quantile)

    def stretch(self, multiple: float, tail_prob: float, law=None) -> float:
        """Factor on every log-return that multiplies the breach rate of the VaR at `tail_prob` by `multiple`."""
        near, far = self.point(tail_prob, law), self.point(multiple * tail_prob, law)
        if near * far <= 0.0:
            raise ValueError(
                f"rate_multiples must keep the breached quantile on its side of zero, got {multiple:g} times "
                f"{tail_prob:g}"
            )
        return near / far

    def beyond(self, returns: Floats, multiple: float, tail_prob: float) -> Floats:
        """Log-returns with what lies beyond the VaR point multiplied."""
        at = self.point(tail_prob)
        past = returns < at if self._long else returns > at
        return np.where(past, at + multiple * (returns - at), returns)

    def es_ratio(self, multiple: float, tail_prob: float) -> float:
        """True over forecast ES where returns beyond the VaR point are multiplied, by quadrature over the tail."""
        t, weight = unit_quadrature()
        share = tail_prob * t**3  # nodes crowd into the tail
        x = self.law.quantile(share if self._long else 1.0 - share)
        loss = self.exposure.unit.loss(self.beyond(x, multiple, tail_prob))
        return float((weight * 3.0 * t * t) @ loss) / self.es(tail_prob)

    def histories(self, returns: Floats, tail_prob: float, *, dense: bool = True) -> Histories:
        """Log-returns (n, P) against this forecast; without `dense` the tests of breaches and of the tail only."""
        survival, loss = self.survival(returns), self.exposure.unit.loss(returns)
        var, es = self.var(tail_prob), self.es(tail_prob)
        breaches = BreachLanes.of(loss > var, loss, survival)
        if not dense:
            return Histories(breaches, tail_prob, var, es)
        scores = -ndtri(np.clip(survival, 1e-16, 1.0 - 1e-16))
        return Histories(breaches, tail_prob, var, es, scores, loss)


@dataclass(frozen=True)
class ClusteredTruth:
    """Histories of a world with a state, against its own unconditional law.

    Attributes
    ----------
    forecast : HeldForecast
    keys : DrawKeys
    """

    forecast: HeldForecast
    keys: DrawKeys

    @cached_property
    def _bench(self) -> Bench:
        return Bench(self.forecast.world, self.forecast.horizon_hours, "history", self.keys)

    def draw(self, size: int, first: int, count: int) -> Floats:
        """Log-returns (size, count), oldest first."""
        asset = self.forecast.exposure.asset
        return self._bench.draw(size, first, count, (asset,))[0][asset]


def rolling_forecasts(
    estimator: Estimator, losses: Floats, window: int, levels: Floats, refit_every: int, confidence: float
) -> Floats:
    """VaR of every day after the first `window`, from the `window` losses before it.

    Parameters
    ----------
    estimator : Estimator
    losses : ndarray, shape (window + n, P)
    window : int
    levels : ndarray, shape (levels,)
    refit_every : int
        Days that a forecast is held for.
    confidence : float

    Returns
    -------
    ndarray, shape (levels, n, P)
        NaN where the estimator refused.
    """
    days = losses.shape[0] - window
    out = np.empty((levels.size, days, losses.shape[1]))
    for day in range(0, days, refit_every):
        out[:, day : day + refit_every] = fit(estimator, losses[day : day + window], levels, confidence).value[:, None]
    return out
