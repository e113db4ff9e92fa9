"""Duration tests: are breaches clustered, at any lag?

Days between breaches are geometric with mean 1 / p under the null.  Two alternatives:

Weibull (Christoffersen and Pelletier 2004): density a^b b d^(b-1) e^{-(a d)^b}; b = 1 has no memory, b < 1 clusters.
The spells before the first and after the last breach are censored.  Tests independence: the rate is free.

GMM (Candelon, Colletaz, Hurlin and Tokpavi 2011): with the orthonormal polynomials of the geometric law,
M_{j+1}(d) = ((1 - p)(2j + 1) + p (j - d + 1)) / ((j + 1) sqrt(1 - p)) M_j - j / (j + 1) M_{j-1},
J = sum over j of (N^{-1/2} sum_i M_j(d_i))^2 is chi-square(k); with one polynomial it tests the rate only, with more
conditional coverage.

Breaches are few, so chi-square is far off: p-values are simulated under the null from series of the same length.
"""

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.backtest.result import TestResult, breach_series, simulated_p_value, undefined


def _spells(b: Floats) -> tuple[Floats, Floats]:
    """(complete durations, censored spells at both ends)."""
    at = np.flatnonzero(b)
    ends = np.array([at[0] + 1.0, b.size - 1.0 - at[-1]])
    return np.diff(at).astype(np.float64), ends[ends > 0]


def _weibull_statistic(b: Floats) -> float:
    """Likelihood ratio of b free against b = 1; NaN with fewer than two breaches."""
    if b.sum() < 2:
        return np.nan
    from scipy.optimize import minimize_scalar

    complete, censored = _spells(b)
    # the first spell ends with a breach but its start is not seen; it counts as a survivor, as does the last
    every, n = np.concatenate([complete, censored]), complete.size
    log_d = float(np.log(complete).sum())

    def profile(log_b: float) -> float:
        """Negative log-likelihood with a at its maximum: a^b = n / sum d^b."""
        shape = np.exp(log_b)
        total = float((every**shape).sum())
        return -(n * np.log(n / total) + n * log_b + (shape - 1.0) * log_d - n)

    found = minimize_scalar(profile, bounds=(-4.0, 3.0), method="bounded", options={"xatol": 1e-6})
    return max(0.0, 2.0 * (profile(0.0) - float(found.fun)))


def _gmm_statistic(b: Floats, p: float, order: int) -> float:
    if b.sum() < 1:
        return np.nan
    at = np.flatnonzero(b)
    d = np.diff(np.concatenate([[-1], at])).astype(np.float64)
    before, now, total = np.zeros_like(d), np.ones_like(d), 0.0
    for j in range(order):
        slope = ((1.0 - p) * (2 * j + 1) + p * (j - d + 1.0)) / ((j + 1.0) * np.sqrt(1.0 - p))
        before, now = now, slope * now - j / (j + 1.0) * before
        total += float(now.sum()) ** 2 / d.size
    return total


def weibull_duration(
    breaches: ArrayLike, tail_prob: float | None = None, replicates: int = 999, seed: int = 1
) -> TestResult:
    """Test that days between breaches have no memory.

    Parameters
    ----------
    breaches : array_like of 0 and 1, shape (n,)
    tail_prob : float, optional
        Rate of the simulated null; the observed rate where not given (the statistic does not depend on it to first
        order).
    replicates, seed : int
        Of the simulated p-value.

    Returns
    -------
    TestResult
        Undefined, p-value 1, with fewer than two breaches.
    """
    b = breach_series(breaches)
    statistic = _weibull_statistic(b)
    if np.isnan(statistic):
        return undefined(b.size, f"durations need at least two breaches, got {int(b.sum())}")
    rate = float(b.mean()) if tail_prob is None else tail_prob
    check_range("tail_prob", rate, 0.0, 1.0, open_low=True, open_high=True)

    def draw(random: np.random.Generator) -> float:
        # given that the statistic exists, as it does in the data
        while True:
            value = _weibull_statistic((random.random(b.size) < rate).astype(np.float64))
            if not np.isnan(value):
                return value

    p_value, method = simulated_p_value(statistic, draw, replicates, seed)
    return TestResult(statistic, p_value, method, b.size)


def gmm_duration(
    breaches: ArrayLike, tail_prob: float, order: int = 3, replicates: int = 999, seed: int = 1
) -> TestResult:
    """Test rate and memory of breaches by `order` moment conditions of their durations.

    Parameters
    ----------
    breaches : array_like of 0 and 1, shape (n,)
    tail_prob : float
        Nominal breach probability.
    order : int
        1 tests the rate only.
    replicates, seed : int
    """
    b = breach_series(breaches)
    check_range("tail_prob", tail_prob, 0.0, 1.0, open_low=True, open_high=True)
    check_range("order", order, 1, 10)
    statistic = _gmm_statistic(b, tail_prob, order)
    if np.isnan(statistic):
        return undefined(b.size, "durations need at least one breach, got none")

    def draw(random: np.random.Generator) -> float:
        while True:
            value = _gmm_statistic((random.random(b.size) < tail_prob).astype(np.float64), tail_prob, order)
            if not np.isnan(value):
                return value

    p_value, method = simulated_p_value(statistic, draw, replicates, seed)
    return TestResult(statistic, p_value, method, b.size)
