"""CAViaR: the quantile has dynamics of its own.

    symmetric absolute value   q_t = b0 + b1 q_{t-1} + b2 |L_{t-1}|
    asymmetric slope           q_t = b0 + b1 q_{t-1} + b2 max(L_{t-1}, 0) + b3 max(-L_{t-1}, 0)

The coefficients minimise the pinball loss at the level over the window; q_1 is the empirical quantile of the first 300
losses (the authors' convention).  The objective has kinks and many minima: the coefficients on a grid, with b0 such
that the mean quantile is the empirical one, are ranked, and Nelder-Mead runs from the best three and once more from the
winner.  ES is VaR times the mean of L_t / q_t over breaches.  Quantiles of different levels are fitted apart and may
cross.  At least five losses beyond the level are asked for.  Interval: the sandwich of `quantile_regression` with the
gradient from its own recursion; asymptotic.  Reference: Engle, Manganelli, JBES 22 (2004), 367-381.
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, as_floats
from riskengine.estimator.quantile_regression import hits_needed, line_error, nearest_count, ratio_tails, sandwich
from riskengine.estimator.tails import LaneEstimator, Tail
from riskengine.jit import kernel
from riskengine.stats.quantile import quantile_rank

_FIRST = 300
_MEMORY = (0.0, 0.5, 0.8, 0.9, 0.95)
_NEWS = (0.05, 0.2, 0.5, 1.0)
_BEST = 3
_SHORT, _LONG = 80, 240  # evaluations of one search


@kernel
def run(x, b, start, q):
    """Fill q (W + 1,) with the quantiles of losses x (W,) and the forecast; b2 on gains is b[3] where there is one."""
    down = b[3] if b.size == 4 else b[2]
    size, sign = 0.5 * (b[2] + down), 0.5 * (b[2] - down)
    q[0] = start
    for t in range(x.size):
        q[t + 1] = b[0] + size * abs(x[t]) + sign * x[t] + b[1] * q[t]


@kernel
def objective(x, b, start, level):
    """Sum of pinball losses; infinite where the recursion does not forget (|b1| >= 1)."""
    if not abs(b[1]) < 1.0:
        return np.inf
    down = b[3] if b.size == 4 else b[2]
    size, sign = 0.5 * (b[2] + down), 0.5 * (b[2] - down)
    q = start
    total = 0.0
    for t in range(x.size):
        v = x[t]
        d = v - q
        # no branch on the sign of d: it is what the processor cannot guess
        total += 0.5 * abs(d) + (level - 0.5) * d
        q = (b[0] + size * abs(v) + sign * v) + b[1] * q
    return total


@kernel(scratch=True)
def search(x, start, level, b, evaluations):
    """Nelder-Mead from b, which is moved to the best point found; returns its objective."""
    d = b.size
    point = np.empty((d + 1, d))
    value = np.empty(d + 1)
    for i in range(d + 1):
        point[i] = b
        if i > 0:
            point[i, i - 1] += -0.05 if i == 2 else 0.1 * abs(b[i - 1]) + 0.02
        value[i] = objective(x, point[i], start, level)
    used = d + 1
    while used < evaluations:
        order = np.argsort(value)
        point, value = point[order], value[order]
        if value[d] - value[0] < 1e-8 * abs(value[0]):
            break
        centre = np.zeros(d)
        for i in range(d):
            centre += point[i] / d
        reflected = 2.0 * centre - point[d]
        f = objective(x, reflected, start, level)
        used += 1
        if f < value[0]:
            far = 3.0 * centre - 2.0 * point[d]
            g = objective(x, far, start, level)
            used += 1
            if g < f:
                point[d], value[d] = far, g
            else:
                point[d], value[d] = reflected, f
        elif f < value[d - 1]:
            point[d], value[d] = reflected, f
        else:
            if f < value[d]:
                point[d], value[d] = reflected, f
            near = 0.5 * (centre + point[d])
            g = objective(x, near, start, level)
            used += 1
            if g < value[d]:
                point[d], value[d] = near, g
            else:
                for i in range(1, d + 1):
                    point[i] = 0.5 * (point[i] + point[0])
                    value[i] = objective(x, point[i], start, level)
                used += d
    best = np.argmin(value)
    b[:] = point[best]
    return value[best]


@kernel(scratch=True)
def fit_dynamics(x, level, start, grid, nearest, out, q, gradient, outer, density):
    """Fit every lane.

    Parameters
    ----------
    x : ndarray, shape (P, W)
        Losses over their mean absolute value.
    level : float
    start : ndarray, shape (P, 2)
        q_1, and the empirical quantile of the window.
    grid : ndarray, shape (S, D)
        Coefficients to start from; b0 is set here.
    nearest : int
        As in `sandwich`.
    out : ndarray, shape (P, D + 1)
        Coefficients and objective.
    q : ndarray, shape (P, W + 1)
        Quantiles and forecast.
    gradient : ndarray, shape (P, D)
        Of the forecast.
    outer, density : ndarray, shape (P, D, D)
    """
    n, d = x.shape[1], grid.shape[1]
    value = np.empty(grid.shape[0])
    g = np.empty((n + 1, d))
    b, best = np.empty(d), np.empty(d)
    for lane in range(x.shape[0]):
        v = x[lane]
        first = start[lane, 0]
        gain, loss = 0.0, 0.0
        for t in range(n):
            loss += max(v[t], 0.0) / n
            gain += max(-v[t], 0.0) / n
        for s in range(grid.shape[0]):
            b[:] = grid[s]
            b[0] = start[lane, 1] * (1.0 - b[1]) - b[2] * loss - (b[3] if d == 4 else b[2]) * gain
            value[s] = objective(v, b, first, level)
        order = np.argsort(value)
        lowest = np.inf
        for k in range(_BEST):
            b[:] = grid[order[k]]
            b[0] = start[lane, 1] * (1.0 - b[1]) - b[2] * loss - (b[3] if d == 4 else b[2]) * gain
            found = search(v, first, level, b, _SHORT)
            if found < lowest:
                lowest = found
                best[:] = b
        lowest = search(v, first, level, best, _LONG)
        out[lane, :d] = best
        out[lane, d] = lowest
        run(v, best, first, q[lane])
        g[0] = 0.0
        for t in range(n):
            for i in range(d):
                g[t + 1, i] = best[1] * g[t, i]
            g[t + 1, 0] += 1.0
            g[t + 1, 1] += q[lane, t]
            if d == 4:
                g[t + 1, 2] += max(v[t], 0.0)
                g[t + 1, 3] += max(-v[t], 0.0)
            else:
                g[t + 1, 2] += abs(v[t])
        gradient[lane] = g[n]
        sandwich(v, q[lane, :n], g[:n], nearest, outer[lane], density[lane])


@dataclass(frozen=True)
class CaviarEstimator(LaneEstimator):
    """VaR by its own recursion.

    Attributes
    ----------
    dynamics : {"symmetric", "asymmetric"}
        Response to the last loss: to its size, or to losses and gains apart.
    kind : str
        ``caviar``.
    """

    dynamics: Literal["symmetric", "asymmetric"] = "symmetric"
    kind: Literal["caviar"] = "caviar"

    def __post_init__(self) -> None:
        if self.dynamics not in ("symmetric", "asymmetric"):
            raise ValueError(f"dynamics must be 'symmetric' or 'asymmetric', got {self.dynamics!r}")

    def coefficients(self, losses: ArrayLike, level: float) -> Floats:
        """(b0, b1, b2) or (b0, b1, b2, b3) of losses over their mean absolute value, from losses of shape (W,)."""
        x = as_floats("losses", losses, 1)[None, :]
        return self._fit(x / np.abs(x).mean(), level)[0][0, :-1]

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        lanes, n = x.shape
        hits_needed(n, levels)
        scale = np.abs(x).mean(axis=1)[:, None]
        if not (scale > 0).all():
            raise ValueError(f"losses must not all be zero, as in lane {int(np.argmin(scale[:, 0] > 0))}")
        var, error = np.empty((2, levels.size, lanes))
        paths = []
        for i, level in enumerate(levels):
            _, q, gradient, outer, density = self._fit(x / scale, float(level))
            var[i] = scale[:, 0] * q[:, -1]
            error[i] = scale[:, 0] * line_error(outer, density, gradient, n, float(level))
            paths.append(scale * q[:, :-1])
        return ratio_tails(x, paths, var, error, levels, confidence, f"caviar, {self.dynamics}")

    def _fit(self, unit: Floats, level: float) -> tuple[Floats, ...]:
        """What `fit_dynamics` writes, from losses (P, W) over their mean absolute value."""
        lanes, n = unit.shape
        if self.dynamics == "asymmetric":
            grid = np.array([(0.0, m, a, a * r) for m, a, r in product(_MEMORY, _NEWS, (0.0, 1.0))])
        else:
            grid = np.array([(0.0, m, a) for m, a in product(_MEMORY, _NEWS)])
        d = grid.shape[1]
        start = np.empty((lanes, 2))
        for column, part in enumerate((unit[:, :_FIRST], unit)):
            rank = quantile_rank(part.shape[1], level) - 1
            start[:, column] = np.partition(part, rank, axis=1)[:, rank]
        out, q, gradient = np.empty((lanes, d + 1)), np.empty((lanes, n + 1)), np.empty((lanes, d))
        outer, density = np.empty((2, lanes, d, d))
        fit_dynamics(unit, level, start, grid, nearest_count(n, level), out, q, gradient, outer, density)
        return out, q, gradient, outer, density
