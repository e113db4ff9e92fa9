"""Plug-in normal: sample mean and standard deviation in the normal quantile.

VaR = m + z s, ES = m + s phi(z) / p with s of ddof 1.  Exact under normality: the interval of the quantile comes from
the noncentral t law of (q - m) / s, with noncentrality z sqrt(W).  Under jumps the interval is about the wrong number,
which is what the estimator lab shows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincinv, nctdtrit, ndtri

from riskengine.arrays import Floats, as_floats, check_range
from riskengine.estimate import Estimate, LaneTails
from riskengine.estimator.tails import lane_figure
from riskengine.stats.proportion import check_confidence


def shortfall_factor(level: float) -> float:
    """phi(z) / (1 - level): ES of the standard normal."""
    z = float(ndtri(level))
    return math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) / (1.0 - level)


@lru_cache(maxsize=1024)
def tolerance_factors(n: int, level: float, confidence: float) -> tuple[float, float]:
    """(a, b) such that m + a s and m + b s hold the normal quantile with probability `confidence`."""
    side = 0.5 * (1.0 - confidence)
    shift = float(ndtri(level)) * math.sqrt(n)
    low, high = nctdtrit(n - 1.0, shift, side), nctdtrit(n - 1.0, shift, 1.0 - side)
    return float(low) / math.sqrt(n), float(high) / math.sqrt(n)


@dataclass(frozen=True)
class NormalEstimator:
    """VaR and ES of a normal law with the moments of the sample.

    Attributes
    ----------
    kind : str
        ``normal``.
    """

    kind: Literal["normal"] = "normal"

    def fit(self, losses: ArrayLike, level: float, confidence: float = 0.95) -> tuple[Estimate, Estimate]:
        """(VaR, ES) at `level` from losses of shape (W,), W >= 2; intervals hold for normal losses only."""
        check_range("level", level, 0.0, 1.0, open_low=True, open_high=True)
        check_confidence(confidence)
        x = as_floats("losses", losses, 1)
        n = x.size
        if n < 2:
            raise ValueError(f"losses must hold at least two values, got {n}")
        m, s, z = float(x.mean()), float(x.std(ddof=1)), float(ndtri(level))
        low, high = tolerance_factors(n, level, confidence)
        error = s * math.sqrt(1.0 / n + 0.5 * z * z / (n - 1))
        var = Estimate(m + z * s, error, m + low * s, m + high * s, confidence, n, float(n), "normal, noncentral t")
        # ES is the quantile at another level of the same normal law
        factor = shortfall_factor(level)
        es_error = s * math.sqrt(1.0 / n + 0.5 * factor * factor / (n - 1))
        half = float(ndtri(0.5 + 0.5 * confidence)) * es_error
        value = m + factor * s
        es = Estimate(value, es_error, value - half, value + half, confidence, n, float(n), "normal, delta method")
        return var, es

    def fit_lanes(self, losses: ArrayLike, level: float | Sequence[float], confidence: float = 0.95) -> LaneTails:
        """VaR and ES on many samples: losses (W, P); figures (P,), or (levels, P) for a sequence of levels."""
        x = as_floats("losses", losses, 2)
        n = x.shape[0]
        m, s = x.mean(axis=0), x.std(axis=0, ddof=1)
        z = float(ndtri(0.5 + 0.5 * confidence))
        rows: list[list[Floats]] = []
        for q in np.atleast_1d(level):
            low, high = tolerance_factors(n, float(q), confidence)
            factor = shortfall_factor(float(q))
            half = z * math.sqrt(1.0 / n + 0.5 * factor * factor / (n - 1))
            ends = [float(ndtri(q)), low, high, factor, factor - half, factor + half]
            rows.append([m + c * s for c in ends])
        table = np.stack(rows, axis=1)
        many = np.ndim(level) > 0
        return LaneTails(lane_figure(*table[:3], many), lane_figure(*table[3:], many))


def variance_bounds(n_effective: float, confidence: float) -> tuple[float, float]:
    """Factors on a variance estimate with `n_effective` degrees of freedom that hold the variance (chi-square)."""
    side = 0.5 * (1.0 - confidence)
    half = 0.5 * n_effective
    return half / float(gammaincinv(half, 1.0 - side)), half / float(gammaincinv(half, side))
