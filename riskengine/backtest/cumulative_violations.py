"""Du and Escanciano (2017): tests of expected shortfall by cumulative violations.

With u_t the forecast probability of a loss at least the observed one (small is bad) and p the tail probability,
H_t = (p - u_t)+ / p is independent with mean p / 2 and variance p (1 / 3 - p / 4) under the null:

    U = sqrt(n) (mean(H) - p / 2) / sqrt(p (1/3 - p/4)) ~ N(0, 1),    C(m) = n sum over j <= m of rho_j^2 ~
    chi-square(m).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtr

from riskengine.arrays import Floats, check_range
from riskengine.backtest.result import TestResult, undefined


def _violations(survival: ArrayLike, p: float) -> Floats:
    check_range("tail_prob", p, 0.0, 1.0, open_low=True, open_high=True)
    u = np.asarray(survival, dtype=np.float64)
    if u.ndim != 1 or u.size < 10 or not ((u >= 0) & (u <= 1)).all():
        raise ValueError(f"survival must be a series of at least 10 probabilities, got shape {u.shape}")
    return np.maximum(p - u, 0.0) / p


def du_escanciano(survival: ArrayLike, tail_prob: float) -> TestResult:
    """Unconditional test, two-sided; positive where risk is understated."""
    h = _violations(survival, tail_prob)
    spread = np.sqrt(tail_prob * (1.0 / 3.0 - tail_prob / 4.0))
    statistic = float(np.sqrt(h.size) * (h.mean() - 0.5 * tail_prob) / spread)
    return TestResult(statistic, float(2.0 * ndtr(-abs(statistic))), "asymptotic normal", h.size)


def du_escanciano_conditional(survival: ArrayLike, tail_prob: float, lags: int = 5) -> TestResult:
    """Conditional test: autocorrelation of violations up to `lags`."""
    h = _violations(survival, tail_prob)
    check_range("lags", lags, 1, h.size // 4)
    e = h - 0.5 * tail_prob
    variance = float(e @ e) / h.size
    if not (h > 0).any():
        return undefined(h.size, "autocorrelation needs a violation, got none")
    rho = np.array([float(e[k:] @ e[:-k]) / h.size for k in range(1, lags + 1)]) / variance
    statistic = float(h.size * (rho @ rho))
    return TestResult(statistic, float(chdtrc(lags, statistic)), f"asymptotic chi-squared({lags})", h.size)
