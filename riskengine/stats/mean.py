"""Means over paths: central-limit intervals, ratios, paired differences, severity given an event.

The unit is the path.  Whatever happens several times on one path (liquidations, breaches over time) is summed on the
path first; events of one path are not independent.  Intervals are those of `riskengine.stats.asymptotic`: corrected for
skewness, and refused below 100 non-zero contributions.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import as_floats
from riskengine.estimate import Estimate, undetermined
from riskengine.stats.asymptotic import asymptotic, influence
from riskengine.stats.proportion import check_confidence


def mean(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Mean over independent paths with its central-limit interval.

    Parameters
    ----------
    values : array_like, shape (n,)
        One number per path.
    confidence : float

    Returns
    -------
    Estimate
    """
    check_confidence(confidence)
    x = as_floats("values", values, 1)
    if x.size < 2:
        raise ValueError(f"values must hold at least two paths, got {x.size}")
    return asymptotic(float(x.mean()), influence(x), confidence, "mean")


def ratio_of_means(numerator: ArrayLike, denominator: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Ratio of two means over the same paths, by the delta method.

    With R = mean(y) / mean(x) the influence of a path is (y - R x) / mean(x).  Use it for shares such as bad debt per
    unit of debt, where a mean of path-wise ratios would answer another question.
    """
    check_confidence(confidence)
    y, x = as_floats("numerator", numerator, 1), as_floats("denominator", denominator, 1)
    if y.size != x.size or x.size < 2:
        raise ValueError(f"numerator and denominator must have one length of at least 2, got {y.size} and {x.size}")
    bottom = float(x.mean())
    if bottom == 0.0:
        return undetermined(x.size, "ratio of means: the denominator is zero on every path")
    ratio = float(y.mean()) / bottom
    residual = (y - ratio * x) / bottom
    hits = float(min(np.count_nonzero(y), np.count_nonzero(x)))
    return asymptotic(ratio, influence(residual, hits=hits), confidence, "ratio of means by the delta method")


def paired_difference(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Mean of first - second on the same paths (common random numbers)."""
    check_confidence(confidence)
    a, b = as_floats("first", first, 1), as_floats("second", second, 1)
    if a.size != b.size or a.size < 2:
        raise ValueError(f"first and second must have one length of at least 2, got {a.size} and {b.size}")
    d = a - b
    return asymptotic(float(d.mean()), influence(d), confidence, "paired difference")


def conditional_severity(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Mean of the positive values: how bad it is on the paths where it happens at all.

    Returns
    -------
    Estimate
        `n` is the number of all paths; the value is NaN where none is positive.
    """
    check_confidence(confidence)
    x = as_floats("values", values, 1)
    positive = x[x > 0]
    if positive.size < 2:
        return undetermined(x.size, f"severity: {positive.size} positive paths, at least 2 needed")
    return asymptotic(float(positive.mean()), influence(positive), confidence, "mean of positive paths", n=x.size)


def root(squared: Estimate) -> Estimate:
    """Square root of a mean square, delta method for the standard error, ends of the interval mapped."""
    value = math.sqrt(squared.value)
    return Estimate(
        value,
        squared.std_error / (2.0 * value) if value > 0 else 0.0,
        math.sqrt(max(squared.lower, 0.0)),
        math.sqrt(max(squared.upper, 0.0)),
        squared.confidence,
        squared.n,
        squared.n_effective,
        f"root of {squared.method}",
    )
