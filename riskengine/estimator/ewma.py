"""RiskMetrics (1996): exponentially weighted variance with a normal quantile.

sigma2_{t+1} = d sigma2_t + (1 - d) L_t^2, mean zero, started at the mean square of the window (stated because the start
is a convention: it keeps the weight d^W).  VaR = z sigma, ES = sigma phi(z) / p.  The interval treats the variance as
chi-square with the effective number of observations 1 / sum w^2, which tends to (1 + d) / (1 - d): 33 for d = 0.94.  It
holds for normal losses of constant variance, and says little under jumps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from riskengine.arrays import Floats, as_floats, check_range
from riskengine.estimate import Estimate, LaneFigure, LaneTails
from riskengine.estimator.normal import shortfall_factor, variance_bounds
from riskengine.stats.proportion import check_confidence


def ewma_variance(losses: ArrayLike, decay: float, start: ArrayLike | None = None) -> Floats:
    """Variance forecast sigma2_{W+1} after W losses.

    Parameters
    ----------
    losses : array_like, shape (W,) or (W, P)
        Losses or returns, oldest first.
    decay : float
        d in (0, 1).
    start : array_like, scalar or shape (P,)
        sigma2_1, the forecast before the first loss; None for the mean square of the losses.

    Returns
    -------
    ndarray, scalar or shape (P,)
    """
    square = np.square(np.asarray(losses, dtype=np.float64))
    variance = square.mean(axis=0) if start is None else np.asarray(start, dtype=np.float64)
    for row in square:
        variance = decay * variance + (1.0 - decay) * row
    return variance


def effective_observations(window: int, decay: float) -> float:
    """1 / sum of squared weights of the final variance, the start's share spread over the window."""
    weight = (1.0 - decay) * decay ** np.arange(window) + decay**window / window
    return float(1.0 / np.square(weight).sum())


@dataclass(frozen=True)
class EwmaEstimator:
    """VaR and ES of a normal law with exponentially weighted variance and mean zero.

    Attributes
    ----------
    decay : float
        Weight of yesterday's variance per window, in (0, 1).
    kind : str
        ``ewma``.
    """

    decay: float = 0.94
    kind: Literal["ewma"] = "ewma"

    def __post_init__(self) -> None:
        check_range("decay", self.decay, 0.0, 1.0, open_low=True, open_high=True)

    def fit(self, losses: ArrayLike, level: float, confidence: float = 0.95) -> tuple[Estimate, Estimate]:
        """(VaR, ES) at `level` from losses of shape (W,), oldest first; intervals hold for normal losses only."""
        check_range("level", level, 0.0, 1.0, open_low=True, open_high=True)
        check_confidence(confidence)
        x = as_floats("losses", losses, 1)
        sigma = math.sqrt(float(self._final_variance(x)))
        effective = effective_observations(x.size, self.decay)
        low, high = (math.sqrt(f) for f in variance_bounds(effective, confidence))
        estimates = []
        for factor in (float(ndtri(level)), shortfall_factor(level)):
            # a median loss is zero whatever the variance; below it the bounds change places
            ends = sorted((factor * sigma * low, factor * sigma * high))
            error = abs(factor) * sigma / math.sqrt(2.0 * effective)
            estimates.append(
                Estimate(factor * sigma, error, *ends, confidence, x.size, effective, "normal, chi-square variance")
            )
        return estimates[0], estimates[1]

    def fit_lanes(self, losses: ArrayLike, level: float | Sequence[float], confidence: float = 0.95) -> LaneTails:
        """VaR and ES on many samples: losses (W, P); figures (P,), or (levels, P) for a sequence of levels."""
        x = as_floats("losses", losses, 2)
        check_confidence(confidence)
        levels = np.asarray(level, dtype=np.float64)
        if not ((levels >= 0.5) & (levels < 1)).all():
            raise ValueError(f"level must lie in [0.5, 1), got {level!r}")
        sigma = np.sqrt(self._final_variance(x))
        low, high = (math.sqrt(f) for f in variance_bounds(effective_observations(x.shape[0], self.decay), confidence))
        values = (np.multiply.outer(f, sigma) for f in (ndtri(levels), np.vectorize(shortfall_factor)(levels)))
        return LaneTails(*(LaneFigure(v, v * low, v * high) for v in values))

    def _final_variance(self, x: Floats) -> Floats:
        if x.shape[0] < 1:
            raise ValueError("losses must hold at least one value, got none")
        return ewma_variance(x, self.decay)
