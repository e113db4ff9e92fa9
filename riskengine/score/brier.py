"""Brier score of probability forecasts and where it comes from.

    BS = mean (p - o)^2 = reliability - resolution + uncertainty        (Murphy 1973, by distinct forecast values)
    BS = miscalibration - discrimination + uncertainty                  (CORP: Dimitriadis, Gneiting and Jordan 2021)

CORP recalibrates by isotonic regression instead of bins: nothing is chosen, and both parts are never negative.  The
expected calibration error depends on its bins and is positive even for a perfect forecast; `ece_bias` says by how much.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats


def _pair(probability: ArrayLike, outcome: ArrayLike) -> tuple[Floats, Floats]:
    p, o = np.asarray(probability, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if p.shape != o.shape or p.ndim != 1 or p.size == 0:
        raise ValueError(f"probabilities and outcomes must be series of one length, got {p.shape} and {o.shape}")
    if not ((p >= 0) & (p <= 1)).all() or not np.isin(o, (0.0, 1.0)).all():
        raise ValueError("probabilities must lie in [0, 1] and outcomes be 0 or 1, got others")
    return p, o


@dataclass(frozen=True)
class BrierParts:
    """A Brier score and its parts.

    Attributes
    ----------
    score : float
    reliability, resolution : float
        By distinct forecast values; score = reliability - resolution + uncertainty to rounding.
    miscalibration, discrimination : float
        CORP, likewise.
    uncertainty : float
        Score of the base rate.
    """

    score: float
    reliability: float
    resolution: float
    miscalibration: float
    discrimination: float
    uncertainty: float


def recalibrated(probability: ArrayLike, outcome: ArrayLike) -> Floats:
    """Isotonic recalibration of the forecasts: the non-decreasing function of the forecast nearest to the outcomes.

    Forecasts that are equal stay equal: their outcomes are pooled first.  Shape of `probability`.
    """
    from scipy.optimize import isotonic_regression

    p, o = _pair(probability, outcome)
    value, place, count = np.unique(p, return_inverse=True, return_counts=True)
    mean = np.bincount(place, o) / count
    return isotonic_regression(mean, weights=count.astype(np.float64)).x[place]


def brier(probability: ArrayLike, outcome: ArrayLike) -> BrierParts:
    """Brier score of forecasts `probability` (n,) of `outcome` (n,), 0 or 1."""
    p, o = _pair(probability, outcome)
    base = float(o.mean())
    uncertainty = base * (1.0 - base)
    score = float(((p - o) ** 2).mean())
    value, place, count = np.unique(p, return_inverse=True, return_counts=True)
    rate = np.bincount(place, o) / count
    reliability = float((count * (value - rate) ** 2).sum() / p.size)
    resolution = float((count * (rate - base) ** 2).sum() / p.size)
    best = float(((recalibrated(p, o) - o) ** 2).mean())
    return BrierParts(score, reliability, resolution, score - best, uncertainty - best, uncertainty)


def calibration_errors(probability: ArrayLike, outcome: ArrayLike, bins: int) -> tuple[float, float]:
    """(expected, maximum) calibration error over equal-width bins, closed on the right; 0 belongs to the first."""
    p, o = _pair(probability, outcome)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    place = np.maximum(np.ceil(p * bins).astype(np.int64) - 1, 0)
    count = np.bincount(place, minlength=bins)
    gap = np.abs(np.bincount(place, p - o, minlength=bins))
    used = count > 0
    return float(gap.sum() / p.size), float((gap[used] / count[used]).max())


def ece_bias(probability: ArrayLike, bins: int, replicates: int = 1000, seed: int = 1) -> tuple[float, float]:
    """Mean and standard deviation of the expected calibration error of these forecasts if they were perfect.

    Outcomes are drawn from the forecasts themselves, so an observed error is to be held against this, not against 0.
    """
    p = np.asarray(probability, dtype=np.float64)
    random = np.random.default_rng(seed)
    found = [calibration_errors(p, random.random(p.size) < p, bins)[0] for _ in range(replicates)]
    return float(np.mean(found)), float(np.std(found, ddof=1))


@dataclass(frozen=True)
class Consistency:
    """What isotonic recalibration and binning make of forecasts that are perfect: outcomes drawn from them.

    Attributes
    ----------
    lower, upper : ndarray, shape (n,)
        Pointwise band of the recalibrated forecasts, in the order of the forecasts: a reliability diagram inside it is
        no evidence against them (Dimitriadis, Gneiting and Jordan 2021).
    miscalibration, ece : ndarray, shape (replicates,)
        CORP miscalibration and expected calibration error of each replicate.
    """

    lower: Floats
    upper: Floats
    miscalibration: Floats
    ece: Floats


def consistency(
    probability: ArrayLike, bins: int, replicates: int = 200, confidence: float = 0.9, seed: int = 1,
    truth: ArrayLike | None = None,
) -> Consistency:  # fmt: skip
    """`Consistency` of forecasts `probability` (n,), with errors over `bins` of equal counts.

    With `truth` (n,) outcomes are drawn from it: what forecasts show that are not perfect.
    """
    p = np.asarray(probability, dtype=np.float64)
    o = p if truth is None else np.asarray(truth, dtype=np.float64)
    random = np.random.default_rng(seed)
    fitted, miscalibration, ece = np.empty((replicates, p.size)), np.empty(replicates), np.empty(replicates)
    for r in range(replicates):
        outcome = (random.random(p.size) < o).astype(np.float64)
        fitted[r] = recalibrated(p, outcome)
        miscalibration[r] = ((p - outcome) ** 2).mean() - ((fitted[r] - outcome) ** 2).mean()
        ece[r] = equal_count_error(p, outcome, bins)
    lower, upper = np.quantile(fitted, [0.5 * (1.0 - confidence), 0.5 * (1.0 + confidence)], axis=0)
    return Consistency(lower, upper, miscalibration, ece)


def equal_count_error(probability: ArrayLike, outcome: ArrayLike, bins: int) -> float:
    """Expected calibration error over at most `bins` of about equally many forecasts; equal forecasts share a bin.

    For rare events bins of equal width are one bin.
    """
    p, o = _pair(probability, outcome)
    if not 1 <= bins <= p.size:
        raise ValueError(f"bins must lie between 1 and the {p.size} forecasts, got {bins}")
    edges = np.sort(p)[np.arange(1, bins) * p.size // bins]
    gaps = np.bincount(np.searchsorted(edges, p, side="right"), p - o)
    return float(np.abs(gaps).sum() / p.size)
