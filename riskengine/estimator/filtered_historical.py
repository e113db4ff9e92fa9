"""Filtered historical simulation: past losses rescaled to the volatility of now.

sigma2_{t+1} = d sigma2_t + (1 - d) L_t^2 from the mean square of the window (a stated convention, and the only look
ahead); the loss of time t becomes L_t sigma_{W+1} / sigma_t, and the empirical law of those W losses is the forecast.
VaR is its ceil(W level)-th smallest, with the exact order-statistic interval given the filter; ES its tail mean.  What
is held to be one law over time is the loss over its volatility, and the error of the filter is in no interval.
Reference: Hull, White, J. Risk 1 (1998), 5-19.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.estimator.ordered import empirical_tails
from riskengine.estimator.tails import LaneEstimator, Tail


def ewma_variances(losses: Floats, decay: float, start: ArrayLike) -> Floats:
    """sigma2_1 to sigma2_{W+1} of lanes, shape (P, W + 1), from losses (P, W) and sigma2_1 (scalar or (P,))."""
    square = np.square(losses.T)  # time-major, so that a step is one pass over lanes
    out = np.empty((square.shape[0] + 1, square.shape[1]))
    out[0] = start
    for t, row in enumerate(square):
        out[t + 1] = decay * out[t] + (1.0 - decay) * row
    return np.ascontiguousarray(out.T)


def rescaled(losses: Floats, variance: Floats) -> Floats:
    """L_t sigma_{W+1} / sigma_t from losses (P, W) and their variances (P, W + 1); NaN where a variance is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return losses * np.sqrt(variance[:, -1:] / variance[:, :-1])


@dataclass(frozen=True)
class FilteredHistoricalEstimator(LaneEstimator):
    """VaR and ES of losses rescaled by exponentially weighted volatility.

    Attributes
    ----------
    decay : float
        Weight of yesterday's variance, in (0, 1).
    kind : str
        ``filtered_historical``.
    """

    decay: float = 0.94
    kind: Literal["filtered_historical"] = "filtered_historical"

    def __post_init__(self) -> None:
        check_range("decay", self.decay, 0.0, 1.0, open_low=True, open_high=True)

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        variance = ewma_variances(x, self.decay, np.square(x).mean(axis=1))
        scaled = np.sort(rescaled(x, variance), axis=1)
        return empirical_tails(scaled, levels, confidence, f"filtered by ewma {self.decay:g}")
