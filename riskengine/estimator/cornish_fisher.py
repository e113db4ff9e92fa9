"""Cornish-Fisher: the normal quantile bent by skewness and excess kurtosis.

    VaR = m + s w(z),   w(z) = z + (z^2 - 1) S / 6 + (z^3 - 3 z) K / 24 - (2 z^3 - 5 z) S^2 / 36
    ES  = m + s (phi(z) / p) [1 + z S / 6 + (z^2 - 1) K / 24 - (2 z^2 - 1) S^2 / 36],   z the normal quantile

S and K are the moment ratios of the losses (K the EXCESS kurtosis), s has ddof 1; ES is the exact mean of w beyond z.
w is a quantile function only where it rises, w' = (1 - K/8 + 5 S^2/36) + z S/3 + z^2 (K/8 - S^2/6) >= 0 for all z,

    K/8 >= S^2/6   and   S^2/9 <= 4 (K/8 - S^2/6) (1 - K/8 + 5 S^2/36),

which for S = 0 is 0 <= K <= 8, and holds for no K once |S| > 6 (sqrt(2) - 1) = 2.485.  Outside, the figure is refused;
``outside="formula"`` evaluates it nevertheless, to show what it does (and then its levels may cross).  Interval: delta
method with the influence functions of the four moments; asymptotic, and slow under heavy tails, since the error of K
rests on the eighth moment.  References: Cornish, Fisher (1938); Maillard (2012).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from riskengine.arrays import Floats
from riskengine.estimator.tails import LaneEstimator, Tail, bounded, standard_error

LARGEST_SKEWNESS = 6 * (np.sqrt(2.0) - 1)


def is_monotone(skewness: ArrayLike, excess_kurtosis: ArrayLike) -> np.ndarray:
    """Whether the map of standard normal quantiles rises everywhere, so that it is a quantile function."""
    s2, k = np.square(np.asarray(skewness, dtype=np.float64)), np.asarray(excess_kurtosis, dtype=np.float64)
    curve, middle = k / 8 - s2 / 6, 1 - k / 8 + 5 * s2 / 36
    return (curve >= 0) & (middle >= 0) & (s2 / 9 <= 4 * curve * middle)


def quantile_terms(z: float, _p: float) -> Floats:
    """w(z) as the product of these four terms with (1, S, K, S^2)."""
    return np.array([z, (z * z - 1) / 6, (z**3 - 3 * z) / 24, -(2 * z**3 - 5 * z) / 36])


def shortfall_terms(z: float, p: float) -> Floats:
    """Mean of w beyond z, divided by p, as the product of these four terms with (1, S, K, S^2)."""
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) / p
    return density * np.array([1.0, z / 6, (z * z - 1) / 24, -(2 * z * z - 1) / 36])


@dataclass(frozen=True)
class CornishFisherEstimator(LaneEstimator):
    """VaR and ES from four moments of the sample.

    Attributes
    ----------
    outside : {"refuse", "formula"}
        What to do where the map does not rise.
    kind : str
        ``cornish_fisher``.
    """

    outside: Literal["refuse", "formula"] = "refuse"
    kind: Literal["cornish_fisher"] = "cornish_fisher"
    _least = 8

    def __post_init__(self) -> None:
        if self.outside not in ("refuse", "formula"):
            raise ValueError(f"outside must be 'refuse' or 'formula', got {self.outside!r}")

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        n = x.shape[1]
        m, s = x.mean(axis=1), x.std(axis=1, ddof=1)
        spread = x.std(axis=1)
        varies = spread > 1e-13 * np.abs(x).max(axis=1)
        u = (x - m[:, None]) / np.where(varies, spread, np.nan)[:, None]
        square = u * u
        moment = {0: np.ones(m.size), 1: np.zeros(m.size), 2: np.ones(m.size)}
        power = square
        for order in range(3, 9):
            power = power * u
            moment[order] = power.mean(axis=1)
        skew, kurtosis = moment[3], moment[4]
        fine = is_monotone(skew, kurtosis - 3)

        def reason(_level: int, lane: int) -> str:
            if not varies[lane]:
                return "refused: the losses do not vary"
            if fine[lane]:
                return ""
            found = f"skewness {skew[lane]:.3g} and excess kurtosis {kurtosis[lane] - 3:.3g}"
            rule = "(K/8 >= S^2/6 and S^2/9 <= 4 (K/8 - S^2/6)(1 - K/8 + 5 S^2/36); 0 <= K <= 8 at S = 0)"
            if self.outside == "formula":
                return f"{found} outside the region where the map rises {rule}"
            return f"refused: {found} lie outside the region where the map rises {rule}"

        # influence of one loss on m / s, log s, S and K, as polynomials in u: columns are powers 0..4
        zero, one = np.zeros(m.size), np.ones(m.size)
        on_mean = np.stack([zero, one, zero, zero, zero])
        on_scale = np.stack([-0.5 * one, zero, 0.5 * one, zero, zero])
        on_skew = np.stack([0.5 * skew, -3 * one, -1.5 * skew, one, zero])
        on_kurtosis = np.stack([kurtosis, -4 * skew, -2 * kurtosis, zero, one])
        # E u^i u^j; an influence has mean zero
        table = np.stack([np.stack([moment[i + j] for j in range(5)]) for i in range(5)])
        tails = []
        for terms in (quantile_terms, shortfall_terms):
            value, error = np.empty((levels.size, m.size)), np.empty((levels.size, m.size))
            for i, level in enumerate(levels):
                c = terms(float(ndtri(level)), 1.0 - level)
                w = c[0] + c[1] * skew + c[2] * (kurtosis - 3) + c[3] * skew**2
                influence = on_mean + w * on_scale + (c[1] + 2 * c[3] * skew) * on_skew + c[2] * on_kurtosis
                value[i] = m + s * w
                error[i] = s * standard_error(influence, table) / np.sqrt(n)
            if self.outside == "refuse":
                value[:, ~fine], error[:, ~fine] = np.nan, np.nan
            method = "cornish-fisher, delta method"
            tails.append(bounded(value, error, confidence, float(n), method, reason=reason))
        return tails[0], tails[1]
