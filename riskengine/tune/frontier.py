"""Pareto fronts of settings judged by several measures, all to be small, with the errors of their points.

A setting is dominated where another is no worse in every measure and better in one.  With estimates that is a
statement about noise too: on common paths the difference of two settings has a covariance, and a setting is *surely*
dominated only where that difference is significant in every measure.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, Ints, as_floats, check_range


def non_dominated(points: ArrayLike) -> Ints:
    """Places of the points (n, m) that no other dominates, in their order; equal points are kept together."""
    x = as_floats("points", points, 2)
    kept = [
        i for i in range(len(x)) if not ((x <= x[i]).all(axis=1) & (x < x[i]).any(axis=1)).any()
    ]  # fmt: skip
    return np.array(kept, dtype=np.int64)


@dataclass(frozen=True)
class FrontPoint:
    """A setting on the front.

    Attributes
    ----------
    index : int
    mean : ndarray, shape (m,)
    covariance : ndarray, shape (m, m)
        Of the mean: its error ellipse.
    contested_by : tuple of int
        Settings off the front that are not surely dominated by it at the confidence asked for: noise may have put them
        there.
    """

    index: int
    mean: Floats
    covariance: Floats
    contested_by: tuple[int, ...]


def front(values: ArrayLike, confidence: float = 0.95) -> tuple[FrontPoint, ...]:
    """Front of settings from path figures on common paths.

    Parameters
    ----------
    values : array_like, shape (settings, measures, n)
        One number per path; small is good.
    confidence : float
        Of each comparison, one-sided; differences are paired.
    """
    from scipy.special import ndtri

    x = as_floats("values", values, 3)
    check_range("confidence", confidence, 0.5, 1.0, open_high=True)
    n = x.shape[2]
    mean = x.mean(axis=2)
    kept = non_dominated(mean)
    z = float(ndtri(confidence))
    out = []
    for i in kept:
        contested = []
        for j in range(len(x)):
            if j in kept:
                continue
            difference = x[j] - x[i]
            error = difference.std(axis=1, ddof=1) / np.sqrt(n)
            if not (difference.mean(axis=1) > z * error).all():
                contested.append(j)
        out.append(FrontPoint(int(i), mean[i], np.atleast_2d(np.cov(x[i])) / n, tuple(contested)))
    return tuple(out)


def ellipse(covariance: ArrayLike, confidence: float = 0.95, points: int = 72) -> Floats:
    """Outline of the joint confidence region of two means around the origin, shape (points, 2)."""
    c = as_floats("covariance", covariance, 2)
    if c.shape != (2, 2):
        raise ValueError(f"covariance must have shape (2, 2), got {c.shape}")
    # chi-square(2) quantile
    radius = np.sqrt(-2.0 * np.log1p(-confidence))
    value, vector = np.linalg.eigh(c)
    angle = np.linspace(0.0, 2.0 * np.pi, points)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return radius * (circle * np.sqrt(np.maximum(value, 0.0))) @ vector.T
