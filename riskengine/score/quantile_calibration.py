"""Calibration of quantile forecasts in loss units: CORP for quantiles.

Mean pinball loss = miscalibration - discrimination + uncertainty: miscalibration is what isotonic quantile regression
of the outcomes on the forecasts would save, uncertainty the loss of the best constant forecast.  Both parts are never
negative.  The recalibrated forecast against the forecast itself is the reliability curve of a VaR.  References:
Gneiting and Resin, Electronic Journal of Statistics 17 (2023), 3226-3286; Jordan, Muehlemann and Ziegel, Annals of the
Institute of Statistical Mathematics 74 (2022), 489-514 (pooling with quantiles is optimal).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.score.pinball import pinball_loss
from riskengine.stats.quantile import quantile_rank


@dataclass(frozen=True)
class QuantileParts:
    """A mean pinball loss and its parts; score = miscalibration - discrimination + uncertainty."""

    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float


def _quantile(sorted_values: Floats, level: float) -> float:
    """Smallest x with F(x) >= level of an empirical law."""
    return float(sorted_values[quantile_rank(sorted_values.size, level) - 1])


def recalibrated_quantile(forecast: ArrayLike, outcome: ArrayLike, level: float) -> Floats:
    """Isotonic quantile regression of `outcome` (n,) on `forecast` (n,): non-decreasing in the forecast, shape (n,).

    Pool adjacent violators with the empirical `level` quantile of each pool; equal forecasts are one pool from the
    start.
    """
    q, y = np.asarray(forecast, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if q.shape != y.shape or q.ndim != 1 or q.size == 0:
        raise ValueError(f"forecasts and outcomes must be series of one length, got {q.shape} and {y.shape}")
    _, place = np.unique(q, return_inverse=True)
    order = np.argsort(place, kind="stable")
    edges = np.flatnonzero(np.diff(place[order])) + 1
    pools: list[tuple[Floats, float, int]] = []  # sorted outcomes, quantile, how many distinct forecasts
    for group in np.split(y[order], edges):
        values, width = np.sort(group), 1
        while pools and pools[-1][1] >= _quantile(values, level):
            before, _, count = pools.pop()
            values, width = np.sort(np.concatenate([before, values])), width + count
        pools.append((values, _quantile(values, level), width))
    fitted = np.repeat([value for _, value, _ in pools], [width for _, _, width in pools])
    return fitted[place]


def quantile_calibration(forecast: ArrayLike, outcome: ArrayLike, level: float) -> QuantileParts:
    """Mean pinball loss of forecasts of the `level` quantile of `outcome`, and its parts."""
    q, y = np.asarray(forecast, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    best = float(pinball_loss(y, recalibrated_quantile(q, y, level), level).mean())
    score = float(pinball_loss(y, q, level).mean())
    uncertainty = float(pinball_loss(y, _quantile(np.sort(y), level), level).mean())
    return QuantileParts(score, score - best, uncertainty - best, uncertainty)
