"""Quantile regression on volatility: the quantile is a line in the volatility forecast.

    q_t = b0 + b1 s_t,   (b0, b1) = argmin sum (level - 1{L_t < q_t}) (L_t - q_t)

s_t is the exponentially weighted volatility of the losses before t.  The objective is convex and piecewise linear: b0
is an order statistic of L - b1 s for any b1, and b1 is found by golden section, which gives the optimum of the linear
programme to the digits of b1.  VaR = b0 + b1 s_{W+1}.  ES = VaR times the mean of L_t / q_t over the breaches of the
window.  At least five losses beyond the level are asked for, W (1 - level) >= 5.

Interval: the sandwich covariance level (1 - level) D^-1 A D^-1 / W, A = mean g g' and D = sum 1{|L - q| < c} g g' / 2cW
with g the gradient of q_t and c the distance of the nearest 2 W p + 20 losses (Powell's kernel); asymptotic.
Reference: Koenker, Bassett, Econometrica 46 (1978), 33-50; Engle, Manganelli, JBES 22 (2004), 367-381.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.estimator.filtered_historical import ewma_variances
from riskengine.estimator.ordered import with_enough_hits
from riskengine.estimator.tails import LaneEstimator, Tail, bounded
from riskengine.jit import kernel
from riskengine.stats.quantile import quantile_rank

LEAST_HITS = 5
_GOLDEN = 0.6180339887498949
_LOW, _HIGH = -20.0, 40.0  # of b1


@kernel
def pinball_sum(x, q, level):
    """Sum of (level - 1{x < q}) (x - q)."""
    total = 0.0
    for t in range(x.size):
        d = x[t] - q[t]
        total += level * d if d >= 0.0 else (level - 1.0) * d
    return total


@kernel(scratch=True)
def sandwich(x, q, g, nearest, outer, density):
    """The two matrices of the covariance of a quantile regression.

    Parameters
    ----------
    x, q : ndarray, shape (W,)
        Losses and fitted quantiles.
    g : ndarray, shape (W, D)
        Gradient of each quantile in the coefficients.
    nearest : int
        How many losses nearest to their quantile estimate the density there.
    outer, density : ndarray, shape (D, D)
        Written: mean g g', and its mean over the losses within c of their quantile, divided by 2 c.
    """
    n, d = g.shape
    distance = np.abs(x - q)
    c = np.sort(distance)[nearest - 1]
    outer[:] = 0.0
    density[:] = 0.0
    for t in range(n):
        near = distance[t] <= c
        for i in range(d):
            for j in range(d):
                v = g[t, i] * g[t, j] / n
                outer[i, j] += v
                if near:
                    density[i, j] += v / (2.0 * c)


@kernel(scratch=True)
def _optimal(x, s, slope, rank, level, q):
    """Objective at a slope, with the best intercept for it, which is returned as well."""
    for t in range(x.size):
        q[t] = x[t] - slope * s[t]
    base = np.partition(q, rank - 1)[rank - 1]
    for t in range(x.size):
        q[t] = base + slope * s[t]
    return pinball_sum(x, q, level), base


@kernel(scratch=True)
def fit_line(x, s, level, rank, nearest, out, q, outer, density):
    """Quantile regression on one volatility, on every lane.

    Parameters
    ----------
    x : ndarray, shape (P, W)
    s : ndarray, shape (P, W + 1)
        Volatility before each loss, and the forecast.
    level : float
    rank, nearest : int
        Order statistic of the intercept; losses for the density.
    out : ndarray, shape (P, 2)
        b0, b1.
    q : ndarray, shape (P, W)
        Fitted quantiles.
    outer, density : ndarray, shape (P, 2, 2)
        As in `sandwich`.
    """
    n = x.shape[1]
    g = np.ones((n, 2))
    for lane in range(x.shape[0]):
        v, w, line = x[lane], s[lane], q[lane]
        low, high = _LOW, _HIGH
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        fa, fb = _optimal(v, w, a, rank, level, line)[0], _optimal(v, w, b, rank, level, line)[0]
        while high - low > 1e-9:
            if fa <= fb:
                high, b, fb = b, a, fa
                a = high - _GOLDEN * (high - low)
                fa = _optimal(v, w, a, rank, level, line)[0]
            else:
                low, a, fa = a, b, fb
                b = low + _GOLDEN * (high - low)
                fb = _optimal(v, w, b, rank, level, line)[0]
        out[lane, 1] = 0.5 * (low + high)
        out[lane, 0] = _optimal(v, w, out[lane, 1], rank, level, line)[1]
        for t in range(n):
            g[t, 1] = w[t]
        sandwich(v, line, g, nearest, outer[lane], density[lane])


def hits_needed(n: int, levels: Floats) -> None:
    """Raise ValueError unless every level has five losses beyond it on average."""
    highest = float(levels.max())
    need = math.ceil(LEAST_HITS / (1.0 - highest) - 1e-6)
    if n < need:
        raise ValueError(f"losses must hold at least {need} values at level {highest:g} ({LEAST_HITS} beyond), got {n}")


def nearest_count(n: int, level: float) -> int:
    """Losses that estimate the density at the quantile: 2 n p + 20, half the sample at most."""
    return min(n // 2, round(2 * n * (1 - level)) + 20)


def line_error(outer: Floats, density: Floats, gradient: Floats, n: int, level: float) -> Floats:
    """Standard error of the forecast quantile: sqrt(level (1 - level) g' D^-1 A D^-1 g / n); (P,) from (P, D, D)."""
    inverse = np.linalg.pinv(density, hermitian=True)
    loading = (inverse * gradient[:, None, :]).sum(axis=2)
    square = (loading[:, :, None] * outer * loading[:, None, :]).sum(axis=(1, 2))
    return np.sqrt(np.maximum(square, 0.0) * level * (1 - level) / n)


def ratio_tails(
    x: Floats, paths: list[Floats], var: Floats, error: Floats, levels: Floats, confidence: float, method: str
) -> tuple[Tail, Tail]:
    """(VaR, ES) of dynamic quantiles, ES being VaR times the mean of loss over quantile in the breaches.

    Parameters
    ----------
    x : ndarray, shape (P, W)
    paths : list of ndarray, shape (P, W)
        Fitted quantiles of the window at each level.
    var, error : ndarray, shape (L, P)
        Forecast quantile and its standard error.
    levels : ndarray, shape (L,)
    confidence : float
    method : str
    """
    es, es_error, hits = np.empty((3, *var.shape))
    for i, q in enumerate(paths):
        # the line passes through as many losses as it has coefficients: equal up to rounding is no breach
        beyond = x - q > 1e-7 * np.abs(q)
        # a breach of a quantile that is not positive has no ratio, and its lane no ES
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(beyond & (q > 0), x / q, np.where(beyond, np.nan, 0.0))
        hits[i] = beyond.sum(axis=1)
        count = np.maximum(hits[i], 1.0)
        mean = np.where(hits[i] > 0, ratio.sum(axis=1) / count, np.nan)
        spread = np.where(beyond, ratio - mean[:, None], 0.0)
        es[i] = np.where(var[i] > 0, var[i] * mean, np.nan)
        es_error[i] = np.hypot(mean * error[i], var[i] * np.sqrt(np.square(spread).sum(axis=1)) / count)

    def whole(_level: int, _lane: int) -> str:
        return ""

    def reason(level: int, lane: int) -> str:
        if np.isfinite(es[level, lane]):
            return ""
        return "refused: the mean ratio of breaches to VaR needs breaches, and a positive VaR at each"

    return (
        bounded(var, error, confidence, hits, f"{method}, sandwich", reason=whole),
        with_enough_hits(bounded(es, es_error, confidence, hits, f"{method}, mean ratio"), hits, reason),
    )


@dataclass(frozen=True)
class QuantileRegressionEstimator(LaneEstimator):
    """VaR as a line in exponentially weighted volatility.

    Attributes
    ----------
    decay : float
        Weight of yesterday's variance, in (0, 1).
    kind : str
        ``quantile_regression``.
    """

    decay: float = 0.94
    kind: Literal["quantile_regression"] = "quantile_regression"

    def __post_init__(self) -> None:
        check_range("decay", self.decay, 0.0, 1.0, open_low=True, open_high=True)

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        lanes, n = x.shape
        hits_needed(n, levels)
        s = np.sqrt(ewma_variances(x, self.decay, np.square(x).mean(axis=1)))
        var, error = np.empty((2, levels.size, lanes))
        paths = []
        for i, level in enumerate(levels):
            fitted, q = np.empty((lanes, 2)), np.empty((lanes, n))
            outer, density = np.empty((2, lanes, 2, 2))
            rank = quantile_rank(n, float(level))
            fit_line(x, s, float(level), rank, nearest_count(n, float(level)), fitted, q, outer, density)
            var[i] = fitted[:, 0] + fitted[:, 1] * s[:, -1]
            gradient = np.stack([np.ones(lanes), s[:, -1]], axis=1)
            error[i] = line_error(outer, density, gradient, n, float(level))
            paths.append(q)
        return ratio_tails(x, paths, var, error, levels, confidence, "quantile regression")
