"""Means of bounded path figures: shares in [0, 1] and their paired differences in [-1, 1].

Where enough paths contribute the interval is the asymptotic one of `riskengine.stats.asymptotic`.  Where that is
refused it is one that holds for any law on the interval, so a rare breach still gets honest bounds instead of none.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from riskengine.arrays import as_floats
from riskengine.estimate import Estimate
from riskengine.stats.asymptotic import asymptotic, influence
from riskengine.stats.mean import paired_difference
from riskengine.stats.proportion import check_confidence


def _relative_entropy(a: float, b: float) -> float:
    return float(xlogy(a, a / b) + xlogy(1 - a, (1 - a) / (1 - b)))


def _chernoff_end(mean: float, budget: float, end: float) -> float:
    """Point between `mean` and `end` where the relative entropy from `mean` reaches `budget` (bisection)."""
    inside, outside = mean, end
    for _ in range(200):
        middle = 0.5 * (inside + outside)
        if middle in (inside, outside):
            break
        if 0 < middle < 1 and _relative_entropy(mean, middle) <= budget:
            inside = middle
        else:
            outside = middle
    return outside


def chernoff(mean: float, n: int, confidence: float) -> tuple[float, float]:
    """Interval for the mean of n independent figures in [0, 1], whatever their law."""
    budget = math.log(2 / (1 - confidence)) / n
    low = _chernoff_end(mean, budget, 0.0) if mean > 0 else 0.0
    high = _chernoff_end(mean, budget, 1.0) if mean < 1 else 1.0
    return low, high


def share(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Mean of path figures in [0, 1].

    Where the asymptotic interval is refused it is {m : n kl(mean, m) <= log(2 / (1 - confidence))}: the
    Chernoff-Hoeffding bound, which holds for any law on [0, 1] (Hoeffding 1963, theorem 1).

    Parameters
    ----------
    values : array_like, shape (n,)
        One number in [0, 1] for each path.
    confidence : float
    """
    check_confidence(confidence)
    x = as_floats("values", values, 1)
    if x.size < 2 or not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"values must hold at least two numbers in [0, 1], got {x.size} from {x.min()} to {x.max()}")
    value = float(x.mean())
    rarer = x if value <= 0.5 else 1.0 - x  # what is rare decides whether the sample is large enough
    moments = influence(rarer)
    found = asymptotic(float(rarer.mean()), moments, confidence, "mean over paths")
    if math.isfinite(found.upper):
        low, high = max(0.0, found.lower), min(1.0, found.upper)
        if value > 0.5:
            low, high = 1.0 - high, 1.0 - low
        return replace(found, value=value, lower=min(low, value), upper=max(high, value))
    low, high = chernoff(value, x.size, confidence)
    method = "mean over paths, chernoff-hoeffding"
    return Estimate(value, moments.std_error, low, high, confidence, x.size, moments.hits, method)


def share_difference(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Mean of first - second, both in [0, 1], on the same paths (common random numbers).

    Where the asymptotic interval is refused the rises and the falls (the positive and the negative parts of first -
    second, both in [0, 1]) each get a Chernoff-Hoeffding interval at half the error, and the bounds are those of their
    difference: tight where few paths differ, and never too short (Bonferroni).
    """
    found = paired_difference(first, second, confidence)
    d = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    if np.abs(d).max() > 1:
        raise ValueError(f"first and second must lie in [0, 1], got a difference of {np.abs(d).max()}")
    if math.isfinite(found.upper):
        return replace(found, lower=max(-1.0, found.lower), upper=min(1.0, found.upper))
    each = 0.5 * (1.0 + confidence)
    rise, fall = (chernoff(float(np.maximum(part, 0.0).mean()), d.size, each) for part in (d, -d))
    return replace(
        found,
        lower=min(rise[0] - fall[1], found.value),
        upper=max(rise[1] - fall[0], found.value),
        method="paired difference, chernoff-hoeffding of rises and falls",
    )
