"""A loss that is not monotone in the log-return, cut into branches that are, and each branch turned round.

The loss is represented by Chebyshev series on pieces (`riskengine.pricing.option_book.smooth_pieces`).  Its turning
points are roots of the derivative of the series; between two that differ by more than 1e-12 of the largest loss it is
monotone, and the log-return at which it reaches c is found by Newton's method inside a bracket.  The loss is greater
than c on one interval of each branch, so that a breach probability is a sum of differences of the cdf, at as many c at
once as one likes.

A loss within 1e-11 of c (and 1e-13 of the largest loss) counts as equal to it: where the loss is flat (a spread beyond
its strikes) rounding must not decide whether it is beyond an estimate that equals it.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.polynomial import chebyshev

from riskengine.arrays import Floats
from riskengine.jit import kernel
from riskengine.pricing.option_book import smooth_pieces

_NOISE, _EQUAL, _ROUNDING = 1e-12, 1e-11, 1e-13


@kernel
def _invert(c, points, values, piece, edges, coefficient, out):
    """Log-return at which a rising branch reaches each of `c`, which lie between its first and last value."""
    last = points.size - 2
    for k in range(c.size):
        target = c[k]
        low, high = 0, last + 1
        while high - low > 1:
            middle = (low + high) // 2
            if values[middle] <= target:
                low = middle
            else:
                high = middle
        j = piece[low]
        centre, half = 0.5 * (edges[j] + edges[j + 1]), 0.5 * (edges[j + 1] - edges[j])
        a, b = (points[low] - centre) / half, (points[low + 1] - centre) / half
        rise = values[low + 1] - values[low]
        t = a + (b - a) * ((target - values[low]) / rise if rise > 0.0 else 0.5)
        for _ in range(60):
            # Clenshaw for the series and its derivative
            b1, b2, d1, d2 = 0.0, 0.0, 0.0, 0.0
            for i in range(coefficient.shape[1] - 1, 0, -1):
                d = 2.0 * b1 + 2.0 * t * d1 - d2
                v = coefficient[j, i] + 2.0 * t * b1 - b2
                d2, d1 = d1, d
                b2, b1 = b1, v
            gap = coefficient[j, 0] + t * b1 - b2 - target
            slope = b1 + t * d1 - d2
            if gap > 0.0:
                b = t
            else:
                a = t
            new = t - gap / slope if slope > 0.0 else 0.5 * (a + b)
            if not a < new < b:
                new = 0.5 * (a + b)
            if abs(new - t) < 1e-15 or b - a < 1e-15:
                t = new
                break
            t = new
        out[k] = centre + half * t


class Branches:
    """Where a loss is greater than many given ones.

    Parameters
    ----------
    loss : callable
        Of an array of log-returns, any shape.
    low, high : float
        Window of the log-return; beyond it the outer branches go on.
    kinks : sequence of float
        Log-returns at which the slope of the loss jumps.
    """

    def __init__(self, loss: Callable[[Floats], Floats], low: float, high: float, kinks: Sequence[float]):
        self._edges, coefficient = smooth_pieces(loss, low, high, kinks)
        turns = [self._edges]
        for a, b, series in zip(self._edges[:-1], self._edges[1:], coefficient, strict=True):
            slope = chebyshev.chebder(series)
            if np.abs(slope[1:]).sum() >= abs(slope[0]) and np.abs(slope).max() > 0.0:
                root = chebyshev.chebroots(chebyshev.chebtrim(slope, 1e-15 * np.abs(slope).max()))
                root = root[(np.abs(root.imag) < 1e-7) & (np.abs(root.real) < 1.0)].real
                turns.append(a + 0.5 * (b - a) * (root + 1.0))
        points = np.unique(np.concatenate(turns))
        values = loss(points)
        size = float(np.abs(values).max())
        self._room = _ROUNDING * size
        piece = np.clip(np.searchsorted(self._edges, points[:-1], side="right") - 1, 0, len(coefficient) - 1)
        # a falling branch rises once its sign is turned
        self._coefficient = {1.0: coefficient, -1.0: -coefficient}
        self._branches = []
        for first, last in _runs(values, _NOISE * size):
            sign = 1.0 if values[last] >= values[first] else -1.0
            rising = np.maximum.accumulate(sign * values[first : last + 1])
            self._branches.append((sign, points[first : last + 1], rising, piece[first:last]))

    @property
    def count(self) -> int:
        """Number of branches."""
        return len(self._branches)

    def worse(self, c: Floats) -> tuple[Floats, Floats]:
        """Ends of the intervals on which the loss is greater than `c`, each (branches, *shape of `c`)."""
        level = np.asarray(c, dtype=np.float64)
        level = level + (_EQUAL * np.abs(level) + self._room)
        shape = (self.count, *level.shape)
        lower, upper = np.empty(shape), np.empty(shape)
        flat = level.reshape(-1)
        for k, (sign, points, values, piece) in enumerate(self._branches):
            start = -np.inf if k == 0 else points[0]
            end = np.inf if k == self.count - 1 else points[-1]
            target = sign * flat
            inside = (target > values[0]) & (target < values[-1])
            cut = np.where(target <= values[0], start, end)
            found = np.empty(int(inside.sum()))
            _invert(target[inside], points, values, piece, self._edges, self._coefficient[sign], found)
            cut[inside] = found
            ends = (cut, np.full_like(cut, end)) if sign > 0 else (np.full_like(cut, start), cut)
            lower[k], upper[k] = (e.reshape(level.shape) for e in ends)
        return lower, upper


def _runs(values: Floats, noise: float) -> list[tuple[int, int]]:
    """Ranges of `values` that are monotone but for moves of at most `noise`: (first, last), each starting where the one
    before it ends."""
    turns, low, high, way = [0], 0, 0, 0
    for i in range(1, values.size):
        if values[i] > values[high]:
            high = i
        if values[i] < values[low]:
            low = i
        if way >= 0 and values[high] - values[i] > noise:
            if way > 0:
                turns.append(high)
            way, low, high = -1, i, i
        elif way <= 0 and values[i] - values[low] > noise:
            if way < 0:
                turns.append(low)
            way, low, high = 1, i, i
    turns = sorted(set(turns) | {values.size - 1})
    return list(zip(turns[:-1], turns[1:], strict=True))
