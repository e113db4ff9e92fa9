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

from riskengine.arrays import Floats, as_floats
from riskengine.estimate import Estimate
from riskengine.stats.quantile import (
    expected_shortfall,
    order_statistic_ranks,
    reaches,
    tail_weights,
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

    def fit_lanes(
        self, losses: ArrayLike, level: float | Sequence[float], confidence: float = 0.95
    ) -> tuple[Floats, Floats, Floats]:
        """VaR on many samples at once.

        Parameters
        ----------
        losses : array_like, shape (W, P)
            One sample per lane, oldest first.
        level : float or sequence of float
            Several levels share one partition.
        confidence : float

        Returns
        -------
        value, lower, upper : ndarray, shape (P,), or (number of levels, P) for a sequence
            Bounds are infinite where the window cannot give them.
        """
        sample = as_floats("losses", losses, 2)
        count = sample.shape[0]
        ranks = [order_statistic_ranks(count, float(q), confidence) for q in np.atleast_1d(level)]
        table = np.array([[r.point, r.lower, r.upper] for r in ranks]).T  # (3, levels)
        inside = np.clip(table, 1, count) - 1
        picked = np.partition(sample, np.unique(inside), axis=0)[inside]  # (3, levels, P)
        picked[table < 1] = -np.inf
        picked[table > count] = np.inf
        if self.definition != "inverted_cdf":
            picked[0] = np.quantile(sample, np.atleast_1d(level), axis=0, method=self.definition)
            picked[1:] = np.minimum(picked[1], picked[0]), np.maximum(picked[2], picked[0])
        value, lower, upper = picked if np.ndim(level) else picked[:, 0]
        return value, lower, upper

    def tail_lanes(self, losses: ArrayLike, level: Sequence[float], confidence: float = 0.95) -> tuple[Floats, Floats]:
        """VaR and ES on many samples: losses (W, P); (levels, P) each, NaN where a single fit withholds VaR."""
        var = self.fit_lanes(losses, level, confidence)[0]
        ordered = np.sort(as_floats("losses", losses, 2), axis=0)
        es = np.empty_like(var)
        for i, q in enumerate(level):
            whole, fraction = tail_weights(ordered.shape[0], float(q))
            es[i] = ordered[ordered.shape[0] - whole :].sum(axis=0)
            if fraction:
                es[i] += fraction * ordered[ordered.shape[0] - whole - 1]
            es[i] /= whole + fraction
            if not reaches(ordered.shape[0], float(q)):
                var[i] = np.nan
        return var, es
