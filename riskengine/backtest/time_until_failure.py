"""Kupiec (1995) time until first failure: is the first breach too early or too late?

LR = -2 log(p (1 - p)^(t - 1)) + 2 log((1 / t)(1 - 1 / t)^(t - 1)), asymptotically chi-square(1); the exact p-value is
the probability, under a geometric first breach, of a statistic at least as large.
"""

import numpy as np
from scipy.special import chdtrc, xlog1py

from riskengine.arrays import Floats, check_range
from riskengine.backtest.result import TestResult


def _statistic(t: Floats, p: float) -> Floats:
    own = -np.log(t) + xlog1py(t - 1.0, -1.0 / t)
    return np.maximum(-2.0 * (np.log(p) + (t - 1.0) * np.log1p(-p)) + 2.0 * own, 0.0)


def time_until_failure(first: int, tail_prob: float, *, exact: bool = True) -> TestResult:
    """Test that the first breach came in window `first` (counted from 1) at nominal breach probability `tail_prob`.

    Parameters
    ----------
    first : int
    tail_prob : float
    exact : bool
        p-value by enumeration of the geometric law, else chi-square(1).
    """
    check_range("first", first, 1, 10**9)
    check_range("tail_prob", tail_prob, 0.0, 1.0, open_low=True, open_high=True)
    statistic = float(_statistic(np.array(float(first)), tail_prob))
    if not exact:
        return TestResult(statistic, float(chdtrc(1, statistic)), "asymptotic chi-squared(1)", first)
    last = int(np.ceil(-40.0 / np.log1p(-tail_prob))) + 2
    t = np.arange(1.0, last + 1.0)
    weight = np.exp(np.log(tail_prob) + (t - 1.0) * np.log1p(-tail_prob))
    extreme = _statistic(t, tail_prob) >= statistic - 1e-9 * (1.0 + statistic)
    return TestResult(statistic, float(min(1.0, weight[extreme].sum())), "exact, geometric first breach", first)
