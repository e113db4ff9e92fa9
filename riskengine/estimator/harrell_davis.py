"""Harrell-Davis: a weighted mean of all order statistics around the quantile.

VaR = sum w_i L_(i), w_i = I(i/n; a, b) - I((i-1)/n; a, b), a = (n + 1) level, b = (n + 1)(1 - level), I the regularised
incomplete beta function: the mean of the bootstrap law of the quantile, less noisy than one order statistic and biased
upwards where the tail is long.  ES averages the weights over the levels beyond.  Standard error: jackknife.  The
interval of VaR is the exact pair of order statistics of the same quantile, widened where it does not hold the estimate;
that of ES is the jackknife's, refused below 100 losses in the tail.  A level beyond 1 - 1/n is refused by `fit`: no
loss of the sample lies beyond it.  Reference: Harrell, Davis, Biometrika 69 (1982), 635-640.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import betainc

from riskengine.arrays import Floats
from riskengine.estimator.ordered import with_enough_hits
from riskengine.estimator.tails import LaneEstimator, Tail, bounded
from riskengine.stats.quantile import order_statistic_bounds, too_short


@lru_cache(maxsize=256)
def quantile_weights(n: int, level: float) -> Floats:
    """Weights of the order statistics, smallest first, in the estimate of the quantile; they add to 1."""
    return np.diff(betainc((n + 1) * level, (n + 1) * (1 - level), np.arange(n + 1) / n))


@lru_cache(maxsize=256)
def shortfall_weights(n: int, level: float) -> Floats:
    """Mean of `quantile_weights` over the levels from `level` to 1."""
    node, weight = np.polynomial.legendre.leggauss(64)
    # level = 1 - p v^2 puts nodes where the weights move, near 1
    v = 0.5 * (node + 1)
    p = 1 - level
    return sum(w * v_ * quantile_weights(n, 1 - p * v_ * v_) for v_, w in zip(v, weight, strict=True))


@dataclass(frozen=True)
class HarrellDavisEstimator(LaneEstimator):
    """VaR and ES by weighted order statistics.

    Attributes
    ----------
    kind : str
        ``harrell_davis``.
    """

    kind: Literal["harrell_davis"] = "harrell_davis"

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        n = x.shape[1]
        ordered = np.sort(x, axis=1)
        tails = []
        for weights in (quantile_weights, shortfall_weights):
            value, error = np.empty((levels.size, x.shape[0])), np.empty((levels.size, x.shape[0]))
            for i, level in enumerate(levels):
                value[i] = (ordered * weights(n, float(level))).sum(axis=1)
                error[i] = _jackknife(ordered, weights(n - 1, float(level)))
            tails.append(bounded(value, error, confidence, float(n), "harrell-davis, jackknife"))
        var, es = tails
        lower, upper = order_statistic_bounds(ordered, levels, confidence)
        low, high = np.minimum(lower, var.value), np.maximum(upper, var.value)
        hits = (n * (1 - levels))[:, None]

        def reason(level: int, _lane: int) -> str:
            return too_short(n, float(levels[level]), confidence)

        return (
            Tail(var.value, var.error, low, high, hits, "harrell-davis, order statistics", reason),
            with_enough_hits(es, hits, reason),
        )


def _jackknife(ordered: Floats, weight: Floats) -> Floats:
    """Jackknife standard error of sum w_i L_(i), with `weight` the weights of one observation less."""
    n = ordered.shape[1]
    below = np.zeros_like(ordered)
    np.cumsum(ordered[:, :-1] * weight, axis=1, out=below[:, 1:])
    # without the i-th, those after it move down by one rank
    above = np.zeros_like(ordered)
    above[:, :-1] = np.cumsum((ordered[:, 1:] * weight)[:, ::-1], axis=1)[:, ::-1]
    left_out = below + above
    return np.sqrt((n - 1) * left_out.var(axis=1))
