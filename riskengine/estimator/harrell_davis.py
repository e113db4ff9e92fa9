"""Harrell-Davis: a weighted mean of all order statistics around the quantile.

VaR = sum w_i L_(i), w_i = I(i/n; a, b) - I((i-1)/n; a, b), a = (n + 1) level, b = (n + 1)(1 - level), I the regularised
incomplete beta function: the mean of the bootstrap law of the quantile, less noisy than one order statistic and biased
upwards where the tail is long.  ES averages the weights over the levels beyond.  Standard error: jackknife.  The
interval of VaR is the exact pair of order statistics of the same quantile, widened where it does not hold the estimate;
that of ES is the jackknife's, refused below 100 losses in the tail.  A level beyond 1 - 1/n is refused by `fit`: no
loss of the sample lies beyond it.  Reference: Harrell, Davis, Biometrika 69 (1982), 635-640.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import betainc

from riskengine.arrays import Floats
from riskengine.estimator.ordered import with_enough_hits
from riskengine.estimator.tails import LaneEstimator, Tail, bounded
from riskengine.stats.quantile import order_statistic_bounds, too_short


class Weights(NamedTuple):
    """Weights of consecutive order statistics; all others have less than 1e-18 together.

    Attributes
    ----------
    first : int
        Place of the first of them, 0 for the smallest loss.
    weight : ndarray
    """

    first: int
    weight: Floats


@lru_cache(maxsize=4096)
def quantile_weights(n: int, level: float) -> Weights:
    """Weights of the order statistics of `n` losses in the estimate of the quantile; they add to 1."""
    a, b = (n + 1) * level, (n + 1) * (1 - level)
    # ten standard deviations, and what the short gamma-like side of the beta law needs beyond them
    reach = 10 * math.sqrt(a * b / (a + b + 1)) / (a + b) + 45.0 / n
    first, last = max(0, math.floor(n * (level - reach))), min(n, math.ceil(n * (level + reach)))
    return Weights(first, np.diff(betainc(a, b, np.arange(first, last + 1) / n)))


@lru_cache(maxsize=1024)
def shortfall_weights(n: int, level: float) -> Weights:
    """Mean of `quantile_weights` over the levels from `level` to 1."""
    node, weight = np.polynomial.legendre.leggauss(64)
    # level = 1 - p v^2 puts nodes where the weights move, near 1
    v = 0.5 * (node + 1)
    parts = [quantile_weights.__wrapped__(n, 1 - (1 - level) * v_ * v_) for v_ in v]
    first = min(part.first for part in parts)
    total = np.zeros(n - first)
    for w, v_, part in zip(weight, v, parts, strict=True):
        total[part.first - first : part.first - first + part.weight.size] += w * v_ * part.weight
    return Weights(first, total)


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
                own = weights(n, float(level))
                value[i] = (ordered[:, own.first : own.first + own.weight.size] * own.weight).sum(axis=1)
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


def _jackknife(ordered: Floats, own: Weights) -> Floats:
    """Jackknife standard error of sum w_i L_(i), with `own` the weights of one observation less."""
    n, m = ordered.shape[1], own.weight.size
    part = ordered[:, own.first : own.first + m + 1]
    # without the i-th loss those after it move down by one rank; losses outside the weights all leave out the same
    left_out = np.zeros(part.shape)
    np.cumsum(part[:, :-1] * own.weight, axis=1, out=left_out[:, 1:])
    left_out[:, :-1] += np.cumsum((part[:, 1:] * own.weight)[:, ::-1], axis=1)[:, ::-1]
    count = np.ones(m + 1)
    count[0] += own.first
    count[-1] += n - 1 - own.first - m
    mean = (left_out * count).sum(axis=1) / n
    return np.sqrt((n - 1) / n * (np.square(left_out - mean[:, None]) * count).sum(axis=1))
