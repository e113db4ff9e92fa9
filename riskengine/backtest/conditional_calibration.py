"""Conditional calibration of (VaR, ES) pairs (Nolde and Ziegel 2017).

With loss x and forecasts v, e at tail probability p, the identification function

    V = (p - 1{x > v},  v + (x - v)+ / p - e)

has mean 0 given what was known (for the ES component at the true VaR).  Simple two-sided: T = n Vbar' S^{-1} Vbar ~
chi-square(2), S the second moment of V.  One-sided against understated risk: each component divided by its own
root-mean-square, p-values combined by Hommel.  The ES component is divided by e, so that quiet and wild days weigh
alike.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtr

from riskengine.arrays import Floats, check_range
from riskengine.backtest.multiplicity import hommel
from riskengine.backtest.result import TestResult, undefined


def _identification(loss: ArrayLike, var: ArrayLike, es: ArrayLike, p: float) -> Floats:
    check_range("tail_prob", p, 0.0, 1.0, open_low=True, open_high=True)
    x, v, e = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (loss, var, es)))
    if x.ndim != 1 or x.size < 10 or not ((e > 0) & (e >= v)).all():
        raise ValueError("losses must be a series of at least 10 and forecasts hold ES > 0 and ES >= VaR, got others")
    return np.stack([p - (x > v), (v + np.maximum(x - v, 0.0) / p - e) / e])


def conditional_calibration(loss: ArrayLike, var: ArrayLike, es: ArrayLike, tail_prob: float) -> TestResult:
    """Simple two-sided test of VaR and ES together; undefined without a breach."""
    value = _identification(loss, var, es, tail_prob)
    n = value.shape[1]
    if not (value[0] < 0).any():
        return undefined(n, "the second moment of the ES part needs a breach, got none")
    mean, second = value.mean(axis=1), value @ value.T / n
    statistic = float(n * mean @ np.linalg.solve(second, mean))
    return TestResult(statistic, float(chdtrc(2, statistic)), "asymptotic chi-squared(2)", n)


def conditional_calibration_one_sided(loss: ArrayLike, var: ArrayLike, es: ArrayLike, tail_prob: float) -> TestResult:
    """Test against understated VaR or ES; the smaller adjusted p-value of the two parts."""
    value = _identification(loss, var, es, tail_prob)
    value[0] *= -1.0  # both parts positive where risk is understated
    n = value.shape[1]
    if not (value[0] > 0).any():
        return undefined(n, "the second moment of the ES part needs a breach, got none")
    z = np.sqrt(n) * value.mean(axis=1) / np.sqrt((value**2).mean(axis=1))
    adjusted = hommel(ndtr(-z))
    return TestResult(float(z.max()), float(adjusted.min()), "asymptotic normal, Hommel over two parts", n)
