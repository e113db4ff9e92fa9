"""What estimators of VaR and ES share: one computation for a single sample and for many lanes.

A subclass gives VaR and ES of every lane at every level (`_tails`); the single fit is its case of one lane, so that
the two cannot differ.  A figure that cannot be formed is NaN between infinite bounds, and the single fit says in
`method` what would be needed; wrong input raises.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from riskengine.arrays import Floats, as_floats
from riskengine.estimate import Estimate, LaneFigure, LaneTails
from riskengine.stats.proportion import check_confidence


@dataclass(frozen=True)
class Tail:
    """VaR or ES on many lanes.

    Attributes
    ----------
    value, error, lower, upper : ndarray, shape (L, P)
        Figure, standard error (NaN where the method gives an interval only) and bounds at every level.
    effective : float or ndarray, shape (P,) or (L, P)
        Observations that really bear on the figure.
    method : str
        How the interval was made.
    reason : callable, optional
        ``reason(level index, lane)``: why the figure or a bound is missing and what it would take; empty where nothing
        is missing.  Where it starts with "refused" a single fit withholds the figure, even one that the lanes show
        (what the formula gives on a sample too short for it is what the lab measures).
    """

    value: Floats
    error: Floats
    lower: Floats
    upper: Floats
    effective: Floats | float
    method: str
    reason: Callable[[int, int], str] | None = None

    def estimate(self, n: int, confidence: float) -> Estimate:
        """The figure of the first lane at the first level."""
        value, error, lower, upper = (float(a[0, 0]) for a in (self.value, self.error, self.lower, self.upper))
        effective = float(np.broadcast_to(self.effective, self.value.shape)[0, 0])
        reason = self.reason(0, 0) if self.reason else ""
        method = f"{self.method}, {reason}" if reason else self.method
        if reason.startswith("refused"):
            value = error = math.nan
        return Estimate(value, error, lower, upper, confidence, n, effective, method)

    def withheld(self) -> Floats:
        """The figures that single fits give, (L, P): NaN where one refuses."""
        if self.reason is None:
            return self.value
        levels, lanes = self.value.shape
        refused = [[self.reason(i, k).startswith("refused") for k in range(lanes)] for i in range(levels)]
        return np.where(refused, np.nan, self.value)


def bounded(
    value: Floats,
    error: Floats,
    confidence: float,
    effective: Floats | float,
    method: str,
    *,
    origin: Floats | float | None = None,
    reason: Callable[[int, int], str] | None = None,
) -> Tail:
    """A `Tail` whose bounds come from a standard error.

    Parameters
    ----------
    value, error : ndarray, shape (L, P)
    confidence : float
    effective, method, reason
        As in `Tail`.
    origin : array_like, broadcast to (L, P), optional
        The interval is symmetric in log(value - origin) where value > origin: an error that grows with the figure.
        Without it, it is symmetric in the figure.
    """
    z = float(ndtri(0.5 + 0.5 * confidence))
    lower, upper = value - z * error, value + z * error
    if origin is not None:
        above = value - origin
        use = above > 0
        with np.errstate(over="ignore"):
            ratio = np.exp(z * np.divide(error, above, out=np.zeros_like(value), where=use))
            lower = np.where(use, origin + above / ratio, lower)
            upper = np.where(use, origin + above * ratio, upper)
    known = np.isfinite(lower) & np.isfinite(upper)
    return Tail(
        value, error, np.where(known, lower, -np.inf), np.where(known, upper, np.inf), effective, method, reason
    )


def standard_error(gradient: Sequence[Floats], covariance: Sequence[Sequence[Floats]]) -> Floats:
    """sqrt(sum_ij g_i C_ij g_j), element by element: the delta method."""
    total = sum(g * covariance[i][j] * other for i, g in enumerate(gradient) for j, other in enumerate(gradient))
    return np.sqrt(np.maximum(total, 0.0))


def lane_figure(value: Floats, lower: Floats, upper: Floats, many: bool) -> LaneFigure:
    """A figure of shape (levels, P) as it is, or its only level where one level was asked for."""
    return LaneFigure(value, lower, upper) if many else LaneFigure(value[0], lower[0], upper[0])


class LaneEstimator:
    """An estimator whose figures come from `_tails`; see `riskengine.roles.Estimator`."""

    _least = 2

    def fit(self, losses: ArrayLike, level: float, confidence: float = 0.95) -> tuple[Estimate, Estimate]:
        """(VaR, ES) at `level` from losses of shape (W,), oldest first.

        A figure that the sample cannot give is NaN, and `method` says what it would take.
        """
        x = as_floats("losses", losses, 1)[None, :]
        var, es = self._checked(x, np.array([float(level)]), confidence)
        return var.estimate(x.size, confidence), es.estimate(x.size, confidence)

    def fit_lanes(self, losses: ArrayLike, level: float | Sequence[float], confidence: float = 0.95) -> LaneTails:
        """VaR and ES on many samples: losses (W, P); figures (P,), or (levels, P) for a sequence of levels."""
        x = np.ascontiguousarray(as_floats("losses", losses, 2).T)
        found = self._checked(x, np.atleast_1d(np.asarray(level, dtype=np.float64)), confidence)
        many = np.ndim(level) > 0
        return LaneTails(*(lane_figure(t.value, t.lower, t.upper, many) for t in found))

    def withheld_lanes(
        self, losses: ArrayLike, level: Sequence[float], confidence: float = 0.95
    ) -> tuple[Floats, Floats]:
        """VaR and ES that single fits give on many samples: losses (W, P); (levels, P) each, NaN where one refuses."""
        x = np.ascontiguousarray(as_floats("losses", losses, 2).T)
        var, es = self._checked(x, np.asarray(level, dtype=np.float64), confidence)
        return var.withheld(), es.withheld()

    def _checked(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        self._check(x, levels, confidence)
        return self._tails(x, levels, confidence)

    def _check(self, x: Floats, levels: Floats, confidence: float) -> None:
        """Raise ValueError where levels, confidence or the length of the lanes are not legal."""
        check_confidence(confidence)
        if not ((levels > 0.5) & (levels < 1)).all():
            raise ValueError(f"level must lie in (0.5, 1), got {levels.tolist()}")
        if x.shape[1] < self._least:
            raise ValueError(f"losses must hold at least {self._least} values, got {x.shape[1]}")

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        """(VaR, ES) of lanes `x`, shape (P, W), at every level."""
        raise TypeError(f"{type(self).__name__} must define _tails")
