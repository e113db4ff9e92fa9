"""Kupiec (1995) proportion-of-failures test.

LR = 2 [x log(phat / p) + (n - x) log((1 - phat) / (1 - p))], asymptotically chi-square with one degree of freedom.  At
n = 250, p = 1 % its nominal 5 % test has size 9.5 %, so the exact p-value, the null probability of an LR at least as
large, stands beside it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, xlogy

from riskengine.arrays import check_range
from riskengine.backtest.binomial import binomial_log_pmf
from riskengine.stats.proportion import check_counts


@dataclass(frozen=True)
class KupiecTest:
    """Result of the test.

    Attributes
    ----------
    hits, n : int
    tail_prob : float
    likelihood_ratio : float
    p_value : float
        Asymptotic, chi-square with one degree of freedom.
    exact_p_value : float
        P(LR >= the one seen) by enumeration of all counts.
    """

    hits: int
    n: int
    tail_prob: float
    likelihood_ratio: float
    p_value: float
    exact_p_value: float


def kupiec_statistic(hits: np.ndarray, n: int, tail_prob: float) -> np.ndarray:
    """LR of each count: x log(x / (n p)) by `xlogy`, never as ratios of powers, so x = 0 and n = 100,000 work."""
    x = np.asarray(hits, dtype=np.float64)
    y = n - x
    # xlogy(0, 0 / ...) is 0
    value = 2.0 * (xlogy(x, x / (n * tail_prob)) + xlogy(y, y / (n * (1.0 - tail_prob))))
    return np.maximum(value, 0.0)  # rounding where x = n p


def kupiec(hits: int, n: int, tail_prob: float) -> KupiecTest:
    """Test `hits` breaches in `n` independent windows against probability `tail_prob`."""
    check_counts(hits, n)
    check_range("tail_prob", tail_prob, 0.0, 1.0, open_low=True, open_high=True)
    statistic = float(kupiec_statistic(np.array(hits), n, tail_prob))
    counts = np.arange(n + 1)
    every = kupiec_statistic(counts, n, tail_prob)
    as_extreme = every >= statistic - 1e-9 * (1.0 + statistic)
    exact = float(np.exp(binomial_log_pmf(counts[as_extreme], n, tail_prob)).sum())
    return KupiecTest(int(hits), int(n), tail_prob, statistic, float(chdtrc(1, statistic)), min(1.0, exact))
