"""Peaks over threshold: a generalised Pareto law for the losses beyond a high order statistic.

u is the (k + 1)-th largest loss, k = floor(n share); the k excesses y have P(Y > y) = (1 + xi y / b)^(-1/xi).

    VaR = u + (b / xi) [(n p / k)^(-xi) - 1],   ES = (VaR + b - xi u) / (1 - xi),   xi < 1

(xi, b) by maximum likelihood in Grimshaw's (1993) profile: with c = xi / b the shape is xi(c) = mean log(1 + c y), and
l(c) = -log(xi(c) / c) - xi(c) - 1 per excess is searched over c > -1 / max y on a grid and by golden section.  The
likelihood is unbounded for xi < -1; the local maximum is taken, and the figure refused where there is none.  ES is
refused for xi >= 1, a level at or below 1 - k / n as well: it is inside the sample, where the tail says nothing.

Interval: delta method with the expected information of (xi, b) (Smith 1987; xi > -1/2, else infinite) and the sampling
error of u, symmetric in log(VaR - m), m the median.  It leaves out the bias from a threshold too low: Merton's tail is
not a power and approaches its limit slowly.  Reference: McNeil, Frey, J. Empirical Finance 7 (2000), 271-300.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.estimator.tails import LaneEstimator, Tail, bounded, standard_error
from riskengine.jit import kernel

LEAST_EXCESSES = 10
_GRID = 64
_LEFT, _RIGHT = -6.0, 9.0  # of t = log(1 + c max y)
_GOLDEN = 0.6180339887498949


@kernel
def _profile(y, t):
    """(l, xi) per excess at c = exp(t) - 1, excesses scaled to max y = 1."""
    c = math.expm1(t)
    total = 0.0
    if abs(c) < 1e-5:
        # xi / c to third order, where the quotient of two small numbers would lose its digits
        first, second, third = 0.0, 0.0, 0.0
        for i in range(y.size):
            first += y[i]
            second += y[i] * y[i]
            third += y[i] * y[i] * y[i]
        slope = (first - 0.5 * c * second + c * c * third / 3.0) / y.size
        return -math.log(slope) - c * slope - 1.0, c * slope
    for i in range(y.size):
        total += math.log1p(c * y[i])
    xi = total / y.size
    return -math.log(xi / c) - xi - 1.0, xi


@kernel(scratch=True)
def fit_excesses(y, out):
    """Maximum likelihood of the generalised Pareto law on every lane.

    Parameters
    ----------
    y : ndarray, shape (P, k)
        Excesses over the threshold, none negative.
    out : ndarray, shape (P, 2)
        Shape xi and scale b; NaN where the likelihood has no local maximum with xi > -1.
    """
    scaled = np.empty(y.shape[1])
    value = np.empty(_GRID)
    for lane in range(y.shape[0]):
        out[lane, 0], out[lane, 1] = np.nan, np.nan
        largest = y[lane].max()
        if not largest > 0.0:
            continue
        for i in range(scaled.size):
            scaled[i] = y[lane, i] / largest
        width = (_RIGHT - _LEFT) / (_GRID - 1)
        best = -1
        for j in range(_GRID):
            value[j], xi = _profile(scaled, _LEFT + j * width)
            # an interior peak only: towards c = -1 the likelihood grows without bound
            if j >= 2 and value[j - 1] >= value[j - 2] and value[j - 1] >= value[j]:
                if best < 0 or value[j - 1] > value[best]:
                    best = j - 1
        if best < 0:
            continue
        low, high = _LEFT + (best - 1) * width, _LEFT + (best + 1) * width
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        fa, fb = _profile(scaled, a)[0], _profile(scaled, b)[0]
        while high - low > 3e-8:
            if fa >= fb:
                high, b, fb = b, a, fa
                a = high - _GOLDEN * (high - low)
                fa = _profile(scaled, a)[0]
            else:
                low, a, fa = a, b, fb
                b = low + _GOLDEN * (high - low)
                fb = _profile(scaled, b)[0]
        t = 0.5 * (low + high)
        xi = _profile(scaled, t)[1]
        c = math.expm1(t)
        if xi > -1.0:
            out[lane, 0] = xi
            out[lane, 1] = largest * (xi / c if abs(c) > 1e-12 else scaled.mean())


def tail_quantile(u: ArrayLike, xi: ArrayLike, b: ArrayLike, ratio: ArrayLike) -> Floats:
    """u + (b / xi) (ratio^-xi - 1), ratio = n p / k: the loss exceeded with probability p; the limit at xi = 0."""
    u, xi, b, ratio = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (u, xi, b, ratio)))
    reach = -np.log(ratio)
    small = np.abs(xi) < 1e-9
    safe = np.where(small, 1.0, xi)
    return u + b * np.where(small, reach * (1 + 0.5 * xi * reach), np.expm1(safe * reach) / safe)


def tail_shortfall(u: ArrayLike, xi: ArrayLike, b: ArrayLike, ratio: ArrayLike) -> Floats:
    """(VaR + b - xi u) / (1 - xi): mean loss beyond VaR; NaN for xi >= 1, where it is infinite."""
    u, xi, b = (np.asarray(a, dtype=np.float64) for a in (u, xi, b))
    value = (tail_quantile(u, xi, b, ratio) + b - xi * u) / np.where(xi < 1, 1 - xi, 1.0)
    return np.where(xi < 1, value, np.nan)


@dataclass(frozen=True)
class PotGpdEstimator(LaneEstimator):
    """VaR and ES from a generalised Pareto tail.

    Attributes
    ----------
    share : float
        Share of the sample beyond the threshold, in (0, 0.5].
    kind : str
        ``pot_gpd``.
    """

    share: float = 0.10
    kind: Literal["pot_gpd"] = "pot_gpd"

    def __post_init__(self) -> None:
        check_range("share", self.share, 0.0, 0.5, open_low=True)

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        n = x.shape[1]
        k = math.floor(n * self.share + 1e-9)
        if k < LEAST_EXCESSES:
            need = math.ceil(LEAST_EXCESSES / self.share - 1e-9)
            raise ValueError(f"losses must hold at least {need} values for {LEAST_EXCESSES} excesses, got {n}")
        top = np.partition(x, n - k - 1, axis=1)[:, n - k - 1 :]
        top.sort(axis=1)
        u, median = top[:, 0], np.median(x, axis=1)
        fitted = np.empty((x.shape[0], 2))
        fit_excesses(np.ascontiguousarray(top[:, 1:] - u[:, None]), fitted)
        xi, b = fitted.T
        ratio = (n * (1 - levels) / k)[:, None]
        inside = ratio[:, 0] >= 1 - 1e-9
        regular = xi > -0.5
        information = np.where(regular, 1 + xi, np.nan)
        covariance = np.empty((2, 2, xi.size))  # of (xi, log b)
        covariance[0, 0], covariance[1, 1], covariance[0, 1] = information**2 / k, 2 * information / k, -information / k
        covariance[1, 0] = covariance[0, 1]

        def reason(level: int, lane: int) -> str:
            if inside[level]:
                return f"refused: the tail starts at level {1 - k / n:.4g}; take a larger share or another estimator"
            if not np.isfinite(xi[lane]):
                return "refused: the likelihood has no local maximum with xi > -1; more excesses are needed"
            if not regular[lane]:
                return f"interval refused: shape {xi[lane]:.3g} <= -1/2 has no standard error"
            return ""

        def no_mean(level: int, lane: int) -> str:
            if xi[lane] >= 1:
                return f"refused: the mean beyond VaR needs a shape below 1, got {xi[lane]:.3g}"
            return reason(level, lane)

        tails = []
        for figure, why in ((tail_quantile, reason), (tail_shortfall, no_mean)):
            value = figure(u, xi, b, ratio)
            h = 1e-5
            by_shape = (figure(0.0, xi + h, b, ratio) - figure(0.0, xi - h, b, ratio)) / (2 * h)
            by_scale = figure(0.0, xi, b, ratio)  # the excess over u is proportional to b
            error = np.hypot(standard_error((by_shape, by_scale), covariance), b * np.sqrt((1 - k / n) / k))
            value[inside], error[inside] = np.nan, np.nan
            tails.append(
                bounded(value, error, confidence, float(k), "pot-gpd, delta method", origin=median, reason=why)
            )
        return tails[0], tails[1]
