"""Berkowitz (2001): are the normal scores of the forecast probabilities independent standard normals?

z_t = N^{-1}(u_t), u_t the forecast cdf at the outcome.  Against z_t = c + r z_{t-1} + e_t, e normal with variance s^2:
LR = 2 (l(c, r, s) - l(0, 0, 1)) ~ chi-square(3).  The tail version looks at the worst `tail_prob` only: scores above
the threshold are kept, others are censored at it, and LR ~ chi-square(2) tests mean and variance of the latent normal.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, log_ndtr, ndtri

from riskengine.arrays import Floats, check_range
from riskengine.backtest.result import TestResult


def _scores(pit: ArrayLike) -> Floats:
    u = np.asarray(pit, dtype=np.float64)
    if u.ndim != 1 or u.size < 10 or not ((u >= 0) & (u <= 1)).all():
        raise ValueError(f"pit must be a series of at least 10 probabilities, got shape {u.shape}")
    # a forecast law that gave its outcome no chance is wrong; its score is capped so that the test says so
    return ndtri(np.clip(u, 1e-16, 1.0 - 1e-16))


def berkowitz(pit: ArrayLike) -> TestResult:
    """Test forecast probabilities `pit` (n,) of outcomes in time order, the first observation conditioned on."""
    z = _scores(pit)
    y, x = z[1:], np.stack([np.ones(z.size - 1), z[:-1]], axis=1)
    fitted = np.linalg.lstsq(x, y, rcond=None)[0]
    variance = float(((y - x @ fitted) ** 2).mean())
    n = y.size
    statistic = float((y @ y) - n * (1.0 + np.log(variance)))
    return TestResult(statistic, float(chdtrc(3, max(statistic, 0.0))), "asymptotic chi-squared(3)", z.size)


def berkowitz_tail(pit: ArrayLike, tail_prob: float) -> TestResult:
    """Test the upper tail of losses: `pit` (n,) is the forecast probability of a loss at most the observed one."""
    from scipy.optimize import minimize

    check_range("tail_prob", tail_prob, 0.0, 0.5, open_low=True)
    z = _scores(pit)
    threshold = -float(ndtri(tail_prob))
    seen = z[z > threshold]
    censored = z.size - seen.size

    def negative(point: Floats) -> float:
        mean, log_sd = point
        sd = np.exp(log_sd)
        inside = -0.5 * ((seen - mean) / sd) ** 2 - log_sd - 0.5 * np.log(2.0 * np.pi)
        return -float(inside.sum() + censored * log_ndtr((threshold - mean) / sd))

    start = np.zeros(2)
    found = minimize(negative, start, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000})
    statistic = max(0.0, 2.0 * (negative(start) - float(found.fun)))
    return TestResult(statistic, float(chdtrc(2, statistic)), "asymptotic chi-squared(2)", z.size)
