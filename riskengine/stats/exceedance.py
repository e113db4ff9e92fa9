"""Loss exceedance curve: P(loss > x) on a grid of losses, with exact pointwise bands."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from riskengine.arrays import Floats, as_floats
from riskengine.stats.proportion import check_confidence
from riskengine.stats.quantile import refuse_weights


@dataclass(frozen=True)
class ExceedanceCurve:
    """P(loss > threshold), pointwise.

    Attributes
    ----------
    threshold : ndarray, shape (G,)
        Increasing, in the unit of the losses.
    hits : ndarray of int, shape (G,)
        Paths beyond each threshold; effective ones where paths carry weights.
    lower, upper : ndarray, shape (G,)
        Clopper-Pearson bounds (under weights those of `weighted_share`); each holds alone, not the band as a whole.
    confidence : float
    n : int
        Paths.
    probability : ndarray, shape (G,)
        Probability of more than each threshold.
    """

    threshold: Floats
    hits: np.ndarray
    lower: Floats
    upper: Floats
    confidence: float
    n: int
    probability: Floats


def loss_grid(ordered: Floats, points: int) -> Floats:
    """Logarithmic grid from a tenth of the median positive loss of an `ordered` sample to the largest; may be empty."""
    positive = ordered[np.searchsorted(ordered, 0.0, side="right") :]
    if not positive.size:
        return np.empty(0)
    grid = np.geomspace(0.1 * positive[positive.size // 2], positive[-1], points)
    grid[-1] = positive[-1]  # geomspace rounds: nothing may lie beyond the largest loss
    return grid


def exceedance_curve(
    losses: ArrayLike,
    points: int = 40,
    confidence: float = 0.95,
    threshold: ArrayLike | None = None,
    weight: ArrayLike | None = None,
) -> ExceedanceCurve:
    """Exceedance curve of a sample of losses.

    Parameters
    ----------
    losses : array_like, shape (n,)
        One per path; gains and zeros stay in the denominator.
    points : int
        Size of the logarithmic grid from the 50 % quantile of the positive losses, divided by 10, to the largest one.
    confidence : float
    threshold : array_like, shape (G,), optional
        Own grid, increasing.
    weight : None
        Anything else is refused.

    Returns
    -------
    ExceedanceCurve
        With an empty grid where no loss is positive and none was given.
    """
    refuse_weights(weight)
    check_confidence(confidence)
    ordered = np.sort(as_floats("losses", losses, 1))
    n = ordered.size
    if n < 1:
        raise ValueError("losses must hold at least one value, got none")
    if threshold is None:
        grid = loss_grid(ordered, points)
    else:
        grid = as_floats("threshold", threshold, 1)
        if (np.diff(grid) <= 0).any():
            raise ValueError("threshold must increase, got a step that does not")
    hits = n - np.searchsorted(ordered, grid, side="right")
    side = 0.5 * (1.0 - confidence)
    lower = np.where(hits > 0, betaincinv(np.maximum(hits, 1), n - hits + 1, side), 0.0)
    upper = np.where(hits < n, betaincinv(hits + 1, np.maximum(n - hits, 1), 1.0 - side), 1.0)
    return ExceedanceCurve(grid, hits, lower, upper, confidence, n, hits / n)
