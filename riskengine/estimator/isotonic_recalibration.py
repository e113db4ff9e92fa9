"""Isotonic recalibration: detect a systematic bias of another estimator, correct it, and judge the correction.

Over the window the base estimator forecasts every loss from the `window` losses before it, at nominal tail shares
around p = 1 - level.  The first half of those forecasts is for training, the second for judging.

1. Detect: the breaches at `level` in training against p, exact two-sided binomial test.  No bias at `significance`: the
   base estimate stands.
2. Correct: breach shares against nominal shares made monotone by pooling (isotonic regression); the corrected level is
   the nominal one whose fitted breach share is p, log-linear between nominal shares.
3. Judge: the corrected level is used only if its mean pinball loss in the second half is below that of the base.

The figure is the base estimate at the corrected level from the last `window` losses; `method` says what was found.  Its
interval reaches from the base's lower bound at the largest nominal share whose breaches are compatible with p (exact
binomial interval in training) to its upper bound at the smallest.  A bias that no nominal share from p / 64 to 8 p
corrects is refused.  With few hits isotonic fits follow noise: hence the test, and the second half.  Reference: Barlow,
Brunk, J. Am. Stat. Assoc. 67 (1972), 140-147.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.optimize import isotonic_regression
from scipy.special import bdtr, bdtrc, betaincinv

from riskengine.arrays import Floats, check_range
from riskengine.estimate import Estimate
from riskengine.estimator.normal import NormalEstimator
from riskengine.estimator.tails import LaneEstimator, Tail
from riskengine.roles import Estimator

_FACTORS = 2.0 ** np.arange(-6.0, 3.25, 0.5)  # nominal tail shares over p


class Correction(NamedTuple):
    """What the two halves of the forecasts say.

    Attributes
    ----------
    share : float
        Nominal tail share to use; NaN where none of those tried corrects the bias.
    smallest, largest : float
        Nominal shares compatible with the breaches of training.
    found : str
        In words.
    """

    share: float
    smallest: float
    largest: float
    found: str


def two_sided(hits: int, n: int, p: float) -> float:
    """Exact binomial p-value: twice the smaller tail, 1 at most."""
    return min(1.0, 2.0 * min(float(bdtr(hits, n, p)), float(bdtrc(hits - 1, n, p)) if hits > 0 else 1.0))


def correct(losses: Floats, forecasts: Floats, shares: Floats, p: float, significance: float) -> Correction:
    """Detect, correct and judge.

    Parameters
    ----------
    losses : ndarray, shape (R,)
    forecasts : ndarray, shape (S, R)
        Quantiles that were forecast for them at nominal tail shares `shares`, ascending.
    shares : ndarray, shape (S,)
    p : float
        The share wanted, one of `shares`.
    significance : float
        Of the test for bias.
    """
    half = losses.size // 2
    train, judge = losses[:half], losses[half:]
    hits = (train > forecasts[:, :half]).sum(axis=1)
    own = int(np.argmin(np.abs(shares - p)))
    # exact interval of each breach share; a nominal share is compatible where it holds p
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1), half - hits + 1, 0.025), 0.0)
    high = np.where(hits < half, betaincinv(hits + 1, np.maximum(half - hits, 1), 0.975), 1.0)
    fits = np.flatnonzero((low <= p) & (p <= high))
    smallest, largest = (shares[fits[0]], shares[fits[-1]]) if fits.size else (p, p)
    chance = two_sided(int(hits[own]), half, p)
    seen = f"{hits[own]} breaches of {half} in training, p-value {chance:.3g}"
    if chance > significance:
        return Correction(p, min(smallest, p), max(largest, p), f"no bias detected: {seen}")
    curve = np.maximum(isotonic_regression(hits / half).x, 0.5 / half)
    if curve[0] > p or curve[-1] < p:
        return Correction(math.nan, p, p, f"refused: {seen}, and no nominal share from p/64 to 8p corrects it")
    # the largest nominal share on a flat part: the least margin that the fit allows
    i = int(np.searchsorted(curve, p, side="right")) - 1
    share = float(shares[i])
    if i + 1 < curve.size:
        part = math.log(p / curve[i]) / math.log(curve[i + 1] / curve[i])
        share *= (shares[i + 1] / shares[i]) ** part
    corrected = forecasts[i, half:]
    if i + 1 < curve.size:
        weight = math.log(share / shares[i]) / math.log(shares[i + 1] / shares[i])
        corrected = (1 - weight) * corrected + weight * forecasts[i + 1, half:]
    before, after = (_pinball(judge, q, 1 - p) for q in (forecasts[own, half:], corrected))
    if after >= before:
        return Correction(p, min(smallest, p), max(largest, p), f"bias not confirmed by judging: {seen}")
    held = int((judge > corrected).sum())
    found = f"bias corrected: {seen}; nominal level {1 - share:.5g}, {held} breaches of {judge.size} in judging"
    return Correction(share, min(smallest, share), max(largest, share), found)


def _pinball(y: Floats, q: Floats, level: float) -> float:
    d = y - q
    return float(np.where(d >= 0, level * d, (level - 1) * d).mean())


@dataclass(frozen=True)
class IsotonicRecalibrationEstimator(LaneEstimator):
    """Another estimator at the nominal level that its own record calls for.

    Attributes
    ----------
    base : Estimator
        What is recalibrated.
    window : int
        Losses behind each of its forecasts.
    significance : float
        Of the test for bias, in (0, 1).
    kind : str
        ``isotonic_recalibration``.
    """

    base: Estimator = NormalEstimator()
    window: int = 250
    significance: float = 0.05
    kind: Literal["isotonic_recalibration"] = "isotonic_recalibration"

    def __post_init__(self) -> None:
        check_range("window", self.window, 2, math.inf)
        check_range("significance", self.significance, 0.0, 1.0, open_low=True, open_high=True)

    def correction(self, losses: Floats, level: float) -> Correction:
        """The correction that losses of shape (W,) call for at `level`."""
        p = 1.0 - level
        shares = p * _FACTORS[p * _FACTORS < 0.5]
        windows = np.ascontiguousarray(sliding_window_view(losses[:-1], self.window).T)
        forecasts = self.base.fit_lanes(windows, 1.0 - shares, 0.95).var.value
        return correct(losses[self.window :], forecasts, shares, p, self.significance)

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        need = self.window + math.ceil(2.0 / (1.0 - float(levels.max())) - 1e-9)
        if x.shape[1] < need:
            raise ValueError(
                f"losses must hold at least {need} values ({self.window} for the base estimator, and one breach "
                f"expected in each half of the rest), got {x.shape[1]}"
            )
        figures = np.empty((2, 4, levels.size, x.shape[0]))
        words = np.empty((levels.size, x.shape[0]), dtype=object)
        for i, level in enumerate(levels):
            for lane, losses in enumerate(x):
                found = self.correction(losses, float(level))
                words[i, lane] = found.found
                both = self._at(found, losses[-self.window :], float(level), confidence)
                for k, e in enumerate(both):
                    figures[k, :, i, lane] = e.value, e.std_error, e.lower, e.upper
        name = f"{self.base.kind}, recalibrated"
        return tuple(
            Tail(*figures[k], float(self.window), name, lambda level, lane: words[level, lane]) for k in (0, 1)
        )

    def _at(self, found: Correction, recent: Floats, level: float, confidence: float) -> list[Estimate]:
        """VaR and ES of the base at the corrected level, their bounds from the compatible ones."""
        if math.isnan(found.share):
            none = Estimate(math.nan, math.nan, -math.inf, math.inf, confidence, recent.size, 0.0, found.found)
            return [none, none]
        fits = [
            self.base.fit(recent, 1.0 - share, confidence) for share in (found.share, found.largest, found.smallest)
        ]
        return [
            replace(at, lower=min(at.lower, below.lower), upper=max(at.upper, above.upper))
            for at, below, above in zip(*fits, strict=True)
        ]
