"""Historical simulation: the empirical law of the window is the forecast.

VaR is the ceil(W level)-th smallest of the W losses (`inverted_cdf`; numpy's default "linear" is biased low in the
tail), ES the mean of the floor(W p) worst and a fraction of the next.  With the k-th smallest the expected breach
probability is exactly (W + 1 - k) / (W + 1), whatever the law: 1.195 % at W = 250 and 99 %, not 1 %.

The other eight definitions of Hyndman and Fan (American Statistician 50 (1996), 361-365) differ by up to one gap
between order statistics; their interval is the same exact pair of order statistics, widened where it does not hold the
value.  A single fit refuses a level beyond 1 - 1/W, where every definition gives the largest loss or less than it; the
lanes give what the formula gives.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from riskengine.arrays import as_floats
from riskengine.estimate import Estimate, LaneTails
from riskengine.estimator.ordered import tail_mean
from riskengine.estimator.tails import lane_figure
from riskengine.stats.asymptotic import MINIMUM_CONCENTRATION, MINIMUM_TAIL_HITS, corrected_quantile
from riskengine.stats.quantile import (
    expected_shortfall,
    order_statistic_bounds,
    quantile_rank,
    reaches,
    too_short,
    value_at_risk,
)

Definition = Literal[
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "linear",
    "median_unbiased",
    "normal_unbiased",
]


@dataclass(frozen=True)
class HistoricalEstimator:
    """VaR by order statistic with its exact binomial interval; ES with the influence-function one.

    Attributes
    ----------
    definition : str
        Definition of the quantile, as `numpy.quantile` names the nine of Hyndman and Fan.
    kind : str
        ``historical``.
    """

    definition: Definition = "inverted_cdf"
    kind: Literal["historical"] = "historical"

    def __post_init__(self) -> None:
        if self.definition not in get_args(Definition):
            raise ValueError(f"definition must be one of {', '.join(get_args(Definition))}, got {self.definition!r}")

    def fit(self, losses: ArrayLike, level: float, confidence: float = 0.95) -> tuple[Estimate, Estimate]:
        """(VaR, ES) at `level` from losses of shape (W,), oldest first (the order does not matter here).

        Where the sample is too short `method` says what it would take: for the level, VaR is NaN and its lower bound
        still holds, ES is the largest loss by its definition, without bounds; for the upper bound of VaR, it is
        infinite.
        """
        var = value_at_risk(losses, (level,), confidence)[0]
        es = expected_shortfall(losses, level, confidence)
        if self.definition != "inverted_cdf":
            value = float(np.quantile(losses, level, method=self.definition))
            method = f"{var.method}, {self.definition}"
            ends = min(var.lower, value), max(var.upper, value)
            var = replace(var, value=value, lower=ends[0], upper=ends[1], method=method)
        why = too_short(var.n, level, confidence)
        if why:
            var = replace(var, method=f"{var.method}, {why}")
        if not reaches(var.n, level):
            var = replace(var, value=math.nan)
            es = replace(es, method=f"{es.method}, the largest loss: {why.removeprefix('refused: ')}")
        return var, es

    def fit_lanes(self, losses: ArrayLike, level: float | Sequence[float], confidence: float = 0.95) -> LaneTails:
        """VaR and ES on many samples at once.

        Parameters
        ----------
        losses : array_like, shape (W, P)
            One sample per lane, oldest first.
        level : float or sequence of float
            Several levels share one partition.
        confidence : float

        Returns
        -------
        LaneTails
            Figures of shape (P,), or (number of levels, P) for a sequence.  Bounds are infinite where the window cannot
            give them; those of ES below 100 losses in the tail as well.
        """
        ordered = np.sort(np.ascontiguousarray(as_floats("losses", losses, 2).T), axis=1)
        levels = np.atleast_1d(np.asarray(level, dtype=np.float64))
        count = ordered.shape[1]
        value = np.stack([ordered[:, quantile_rank(count, float(q)) - 1] for q in levels])
        lower, upper = order_statistic_bounds(ordered, levels, confidence)
        es = tail_mean(ordered, levels)
        few = (count * (1.0 - levels) < MINIMUM_TAIL_HITS)[:, None] | (es.concentration < MINIMUM_CONCENTRATION)
        z = float(ndtri(0.5 + 0.5 * confidence))
        low, high = (es.value - es.error * corrected_quantile(q, es.skewness / math.sqrt(count)) for q in (z, -z))
        low = np.where(few, -np.inf, np.minimum(low, es.value))
        high = np.where(few, np.inf, np.maximum(high, es.value))
        if self.definition != "inverted_cdf":
            value = np.quantile(ordered, levels, axis=1, method=self.definition)
            lower, upper = np.minimum(lower, value), np.maximum(upper, value)
        many = np.ndim(level) > 0
        return LaneTails(lane_figure(value, lower, upper, many), lane_figure(es.value, low, high, many))
