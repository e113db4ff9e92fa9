"""Historical simulation: the empirical law of the window is the forecast.

VaR is the ceil(W level)-th smallest of the W losses (`inverted_cdf`; numpy's default "linear" is biased low in the
tail), ES the mean of the floor(W p) worst and a fraction of the next.  With the k-th smallest the expected breach
probability is exactly (W + 1 - k) / (W + 1), whatever the law: 1.195 % at W = 250 and 99 %, not 1 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, as_floats
from riskengine.estimate import Estimate
from riskengine.stats.quantile import expected_shortfall, order_statistic_ranks, value_at_risk


@dataclass(frozen=True)
class HistoricalEstimator:
    """VaR by order statistic with its exact binomial interval; ES with the influence-function one.

    Attributes
    ----------
    kind : str
        ``historical``.
    """

    kind: Literal["historical"] = "historical"

    def fit(self, losses: ArrayLike, level: float, confidence: float = 0.95) -> tuple[Estimate, Estimate]:
        """(VaR, ES) at `level` from losses of shape (W,), oldest first (the order does not matter here)."""
        var = value_at_risk(losses, (level,), confidence)[0]
        return var, expected_shortfall(losses, level, confidence)

    def fit_lanes(
        self, losses: ArrayLike, level: float | Sequence[float], confidence: float = 0.95
    ) -> tuple[Floats, Floats, Floats]:
        """VaR on many samples at once.

        Parameters
        ----------
        losses : array_like, shape (W, P)
            One sample per lane, oldest first.
        level : float or sequence of float
            Several levels share one partition.
        confidence : float

        Returns
        -------
        value, lower, upper : ndarray, shape (P,), or (number of levels, P) for a sequence
            Bounds are infinite where the window cannot give them.
        """
        sample = as_floats("losses", losses, 2)
        count = sample.shape[0]
        ranks = [order_statistic_ranks(count, float(q), confidence) for q in np.atleast_1d(level)]
        table = np.array([[r.point, r.lower, r.upper] for r in ranks]).T  # (3, levels)
        inside = np.clip(table, 1, count) - 1
        picked = np.partition(sample, np.unique(inside), axis=0)[inside]  # (3, levels, P)
        picked[table < 1] = -np.inf
        picked[table > count] = np.inf
        value, lower, upper = picked if np.ndim(level) else picked[:, 0]
        return value, lower, upper
