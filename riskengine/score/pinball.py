"""Pinball loss of a quantile forecast, and its regret when the law is known.

    S(q, y) = (1{y <= q} - a)(q - y),      E S(q_hat) - E S(q) = integral over [q, q_hat] of (F(x) - a) dx,

q the true a-quantile.  The regret needs no observation, so it carries no score noise: with 250 losses the noise of the
mean score hides differences that the regret shows in one replication.  Reference: Koenker and Bassett, Econometrica 46
(1978), 33-50.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range

_NODES = 32


def pinball_loss(outcome: ArrayLike, forecast: ArrayLike, level: float) -> Floats:
    """Loss of each forecast, broadcast shape of `outcome` and `forecast`, in their unit.

    Parameters
    ----------
    outcome, forecast : array_like
        Observed value and forecast of its `level` quantile; losses positive, so a VaR is its own forecast.
    level : float
        In (0, 1).
    """
    check_range("level", level, 0.0, 1.0, open_low=True, open_high=True)
    gap = np.asarray(outcome, dtype=np.float64) - np.asarray(forecast, dtype=np.float64)
    return np.maximum(level * gap, (level - 1.0) * gap)


def pinball_regret(cdf: Callable[[Floats], Floats], truth: ArrayLike, forecast: ArrayLike, level: float) -> Floats:
    """Expected excess loss of `forecast` over the true quantile, shape of `forecast`; never negative.

    Parameters
    ----------
    cdf : callable
        Distribution function of the outcome.
    truth : array_like
        Its `level` quantile, broadcast against `forecast`.
    forecast : array_like
    level : float

    Notes
    -----
    Gauss-Legendre with 32 nodes on each interval: exact to rounding for a smooth cdf.
    """
    check_range("level", level, 0.0, 1.0, open_low=True, open_high=True)
    q, made = np.broadcast_arrays(np.asarray(truth, dtype=np.float64), np.asarray(forecast, dtype=np.float64))
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    half = 0.5 * (made - q)
    points = (0.5 * (made + q))[..., None] + half[..., None] * node
    return np.maximum(half * ((cdf(points) - level) @ weight), 0.0)
