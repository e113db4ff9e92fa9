"""Continuous ranked probability score: a whole forecast law against one outcome.

    CRPS(F, y) = integral (F(x) - 1{y <= x})^2 dx = E|X - y| - E|X - X'| / 2,

in the unit of y.  For a mixture of normals it is closed (Grimit, Gneiting, Berrocal and Johnson 2006), and a one-day
Merton law is such a mixture with Poisson weights.  The threshold-weighted score looks at the tail beyond t only: CRPS
of max(X, t) at max(y, t).  Scoring only the days that turned out extreme does not: it rewards forecasts that always cry
wolf (Lerch, Thorarinsdottir, Ravazzolo and Gneiting, Statistical Science 32, 2017).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats


def _absolute_normal(mean: Floats, sd: Floats) -> Floats:
    """E|Z| for Z normal with `mean` and `sd` (0 allowed)."""
    from scipy.special import ndtr

    safe = np.where(sd > 0, sd, 1.0)
    z = mean / safe
    spread = mean * (2.0 * ndtr(z) - 1.0) + 2.0 * safe * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return np.where(sd > 0, spread, np.abs(mean))


def crps_normal_mixture(outcome: ArrayLike, weight: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Floats:
    """CRPS of a mixture of normals, shape of `outcome`.

    Parameters
    ----------
    outcome : array_like
    weight, mean, sd : array_like, shape (M,)
        Components; weights sum to 1 within 1e-9, standard deviations are not negative.
    """
    y = np.asarray(outcome, dtype=np.float64)
    w, m, s = (np.atleast_1d(np.asarray(a, dtype=np.float64)) for a in (weight, mean, sd))
    if not (w.shape == m.shape == s.shape and abs(w.sum() - 1.0) < 1e-9 and (w >= 0).all() and (s >= 0).all()):
        raise ValueError("weights must be >= 0 and sum to 1, standard deviations be >= 0, all of one shape")
    first = (w * _absolute_normal(y[..., None] - m, np.broadcast_to(s, (*y.shape, s.size)))).sum(axis=-1)
    pairs = _absolute_normal(np.subtract.outer(m, m), np.sqrt(np.add.outer(s * s, s * s)))
    return first - 0.5 * float(w @ pairs @ w)


def crps_sample(outcome: ArrayLike, sample: ArrayLike, *, fair: bool = True) -> Floats:
    """CRPS of an ensemble forecast, shape of `outcome`.

    Parameters
    ----------
    outcome : array_like
    sample : array_like, shape (N,)
        Draws from the forecast law, N >= 2.
    fair : bool
        Divide the spread by N (N - 1): unbiased for the law the draws come from.  False: the score of the empirical law
        of the draws itself.
    """
    y, x = np.asarray(outcome, dtype=np.float64), np.sort(np.asarray(sample, dtype=np.float64))
    n = x.size
    if x.ndim != 1 or n < 2:
        raise ValueError(f"sample must hold at least two draws, got shape {x.shape}")
    # sum over pairs of |x_i - x_j| from order statistics
    spread = 2.0 * float((x * (2.0 * np.arange(1, n + 1) - n - 1.0)).sum())
    below = np.searchsorted(x, y)
    total = np.concatenate([[0.0], np.cumsum(x)])
    distance = y * (2.0 * below - n) + total[-1] - 2.0 * total[below]
    return distance / n - 0.5 * spread / (n * (n - 1.0) if fair else n * n)


def crps_law(
    outcome: ArrayLike, cdf: Callable[[Floats], Floats], low: float, high: float, threshold: float | None = None
) -> Floats:
    """CRPS of a law by quadrature of its definition, shape of `outcome`; with `threshold` that of the tail above it.

    Parameters
    ----------
    outcome : array_like
    cdf : callable
    low, high : float
        All but a negligible part of the law lies between.
    threshold : float, optional
        Only points above it count: weight 1{x > threshold}.
    """
    given = np.asarray(outcome, dtype=np.float64)
    y = np.clip(given, low, high)
    # beyond an end the cdf is 0 or 1, so the integrand is 1 from there to the outcome (below a threshold it is nothing)
    beyond = np.maximum(given - high, 0.0)
    beyond = beyond + (np.maximum(low - given, 0.0) if threshold is None else 0.0)
    start = low if threshold is None else max(low, threshold)
    node, weight = np.polynomial.legendre.leggauss(256)

    def integral(left: Floats, right: Floats, upper: bool) -> Floats:
        half = 0.5 * np.maximum(right - left, 0.0)
        points = (left + half)[..., None] + half[..., None] * node
        value = cdf(points)
        return half * ((((1.0 - value) if upper else value) ** 2) @ weight)

    split = np.maximum(y, start)
    return integral(np.full(y.shape, start), split, False) + integral(split, np.full(y.shape, high), True) + beyond
