"""Adaptive conformal inference: the level follows the breaches.

The window is walked through in time.  Before loss t the threshold q_t is the ceil(t (1 - alpha_t))-th smallest of the
t - 1 losses before it; then alpha_{t+1} = alpha_t + gamma (p - 1{L_t > q_t}), p = 1 - level, which makes the share of
breaches tend to p whatever the losses do.  alpha leaves (0, 1) on its own; here it is projected after each step onto
[1 / (n + 1), 1/2] with n the losses seen: at the lower end the threshold is the largest of them, so that it stays
finite, and excess beyond the ends is not remembered.  The walk starts with alpha = p once n = ceil(level / (1 - level))
losses are seen (99 at 99 %); a window with no loss beyond that is refused.  At 99 % the level moves with breaches only,
one in a hundred.  ES is VaR plus the mean excess over it divided by alpha.  The interval is the pair of order
statistics of the quantile at `level`, widened to hold the estimate; it holds for losses of one law.  Reference: Gibbs,
Candes, NeurIPS 34 (2021), 1660-1672.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.estimator.ordered import with_enough_hits
from riskengine.estimator.split_conformal import least_scores
from riskengine.estimator.tails import LaneEstimator, Tail, bounded
from riskengine.jit import kernel
from riskengine.stats.quantile import order_statistic_bounds, too_short


@kernel(scratch=True)
def walk(x, p, gamma, warm, alpha):
    """Run alpha through every lane.

    Parameters
    ----------
    x : ndarray, shape (P, W)
        Losses in time order.
    p, gamma : float
    warm : int
        Losses seen before the first forecast.
    alpha : ndarray, shape (P, W - warm + 1)
        Written: alpha before each loss from the one at index `warm`, and after the last.
    """
    n = x.shape[1]
    seen = np.empty(n)
    for lane in range(x.shape[0]):
        seen[:warm] = np.sort(x[lane, :warm])
        a = p
        for t in range(warm, n):
            a = min(max(a, 1.0 / (t + 1.0)), 0.5)
            alpha[lane, t - warm] = a
            rank = min(int(math.ceil((t + 1.0) * (1.0 - a) - 1e-9)), t)
            loss = x[lane, t]
            hit = 1.0 if loss > seen[rank - 1] else 0.0
            a += gamma * (p - hit)
            low = np.searchsorted(seen[:t], loss)
            for i in range(t, low, -1):
                seen[i] = seen[i - 1]
            seen[low] = loss
        alpha[lane, n - warm] = min(max(a, 1.0 / (n + 1.0)), 0.5)


@dataclass(frozen=True)
class AdaptiveConformalEstimator(LaneEstimator):
    """VaR as a conformal threshold at a level that answers to breaches.

    Attributes
    ----------
    step : float
        gamma: what a breach takes from alpha, in (0, 1).
    kind : str
        ``adaptive_conformal``.
    """

    step: float = 0.005
    kind: Literal["adaptive_conformal"] = "adaptive_conformal"

    def __post_init__(self) -> None:
        check_range("step", self.step, 0.0, 1.0, open_low=True, open_high=True)

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        lanes, n = x.shape
        ordered = np.sort(x, axis=1)
        value, es, error = np.empty((3, levels.size, lanes))
        for i, level in enumerate(levels):
            warm = least_scores(float(level))
            if warm >= n:
                value[i], es[i], error[i] = np.inf, np.nan, np.nan
                continue
            path = np.empty((lanes, n - warm + 1))
            walk(x, 1.0 - float(level), self.step, warm, path)
            alpha = path[:, -1]
            rank = np.minimum(np.ceil((n + 1) * (1 - alpha) - 1e-9).astype(np.int64), n)
            value[i] = np.take_along_axis(ordered, rank[:, None] - 1, axis=1)[:, 0]
            excess = np.maximum(ordered - value[i][:, None], 0.0)
            es[i] = value[i] + excess.mean(axis=1) / alpha
            error[i] = excess.std(axis=1) / (alpha * np.sqrt(n - 1))
        lower, upper = order_statistic_bounds(ordered, levels, confidence)

        def reason(level: int, _lane: int) -> str:
            need = least_scores(float(levels[level])) + 1
            if n < need:
                return f"refused: no loss is left to adapt to, {need} losses needed at {levels[level]:g}, got {n}"
            return too_short(n, float(levels[level]), confidence)

        hits = (n * (1 - levels))[:, None]
        name = f"adaptive conformal, step {self.step:g}"
        bounds = np.minimum(lower, value), np.maximum(upper, value)
        var = Tail(value, np.full_like(value, np.nan), *bounds, hits, f"{name}, order statistics", reason)
        return var, with_enough_hits(bounded(es, error, confidence, hits, f"{name}, clt"), hits, reason)
