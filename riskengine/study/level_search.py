"""Which nominal level must be used so that the mean exact breach probability is the target.

g(a) = mean over samples of P(loss > estimate at level a) falls as a rises.  It is read on a grid of tails 1 - a: first
a wide one on the first block of samples, then a fine one around the crossing on all samples.  The draws are the same at
every level, so g falls on the grid as well.  Taken is the lowest level of the fine grid with g(a) <= target; an
estimator that moves in steps (an order statistic) may breach less than asked there, so what it does breach is reported.
The interval holds every level whose g is within z standard errors of the target (inversion of the test g(a) = target);
its upper end is the level at which the target is kept with that confidence.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from riskengine.arrays import Floats
from riskengine.estimate import Estimate, undetermined

_WIDE, _FINE = 49, 31
_LOOSEST, _TIGHTEST = 8.0, 50.0


def wide_levels(target: float) -> Floats:
    """Levels of the first look: tails from eight times the target, at most 0.45, down to a fiftieth of it."""
    return 1.0 - np.geomspace(min(0.45, _LOOSEST * target), target / _TIGHTEST, _WIDE)


def _crossing(mean: Floats, target: float) -> int:
    """First level with a mean of at most `target`; the last where there is none."""
    below = np.flatnonzero(mean <= target)
    return int(below[0]) if below.size else mean.size - 1


def fine_levels(target: float, breach: Floats) -> Floats:
    """Levels around the crossing.

    Parameters
    ----------
    target : float
    breach : ndarray, shape (wide levels, P)
        Breach probabilities at `wide_levels`; NaN where the estimator refused.
    """
    tails = 1.0 - wide_levels(target)
    said = np.isfinite(breach)
    count = np.maximum(said.sum(axis=1), 1)
    mean = np.where(said.any(axis=1), np.where(said, breach, 0.0).sum(axis=1) / count, np.inf)
    i = max(1, _crossing(mean, target))
    spread = np.where(said[i], breach[i] - mean[i], 0.0).std() if said[i].any() else 0.0
    # six standard errors of the first look, and never less than one step of it, on both sides of the cell
    room = np.exp(max(np.log(tails[0] / tails[1]), 6.0 * spread / (target * np.sqrt(count[i]))))
    return 1.0 - np.geomspace(min(0.45, tails[i - 1] * room), tails[i] / room, _FINE)


@dataclass
class Sums:
    """Running sums at the fine levels, one entry a level; blocks are added in their order.

    Attributes
    ----------
    count, breach, breach_squares, value, value_squares : ndarray, shape (fine levels,)
    """

    count: Floats
    breach: Floats
    breach_squares: Floats
    value: Floats
    value_squares: Floats

    @classmethod
    def of(cls, value: Floats, breach: Floats) -> "Sums":
        """Sums of one block; `value` and `breach` have shape (levels, P)."""
        said = np.isfinite(value)
        v, b = np.where(said, value, 0.0), np.where(said, breach, 0.0)
        return cls(
            said.sum(axis=1).astype(np.float64), b.sum(axis=1), (b * b).sum(axis=1), v.sum(axis=1), (v * v).sum(axis=1)
        )

    def add(self, other: "Sums") -> None:
        """Take up another block."""
        for name in ("count", "breach", "breach_squares", "value", "value_squares"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def _moments(total: Floats, squares: Floats, count: Floats) -> tuple[Floats, Floats]:
    """Mean and its standard error."""
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean * mean, 0.0) / np.maximum(count - 1.0, 1.0))


def level_figures(levels: Floats, sums: Sums, target: float, truth: float, confidence: float) -> dict[str, Estimate]:
    """The level that keeps `target`, the breach probability at it, and its capital relative to `truth`.

    Parameters
    ----------
    levels : ndarray
        Of `fine_levels`, rising.
    sums : Sums
        Over all samples.
    target : float
    truth : float
        Exact quantile at level 1 - target.
    confidence : float

    Returns
    -------
    dict of str to Estimate
        ``calibrated_level``, ``calibrated_breach``, ``calibrated_capital``; undetermined with the reason where no
        level of the search keeps the target.
    """
    names = ("calibrated_level", "calibrated_breach", "calibrated_capital")
    n = int(sums.count.max())
    if sums.count.min() < 2:
        return dict.fromkeys(names, undetermined(n, "the estimator refused at the levels of the search"))
    mean, error = _moments(sums.breach, sums.breach_squares, sums.count)
    if mean[-1] > target:
        least = f"no level up to {levels[-1]:.6g} keeps the target, the breach probability there is {mean[-1]:.4g}"
        return dict.fromkeys(names, undetermined(n, least))
    if mean[0] <= target:
        kept = f"the target is kept at {levels[0]:.6g} already, the loosest level of the search"
        return dict.fromkeys(names, undetermined(n, kept))
    z = float(ndtri(0.5 + 0.5 * confidence))
    i = _crossing(mean, target)
    # the crossing lies between two levels of the grid: the interval reaches from the one before it
    low = int(np.flatnonzero(mean - z * error <= target)[0])
    high = np.flatnonzero(mean + z * error <= target)
    lower = float(levels[low - 1]) if low > 0 else -np.inf
    upper = float(levels[high[0]]) if high.size else np.inf
    step = float((1.0 - levels[0]) / (1.0 - levels[1]) - 1.0)
    half = 0.5 * (upper - lower) / z
    level = Estimate(
        float(levels[i]),
        half if np.isfinite(half) else float("nan"),
        lower,
        upper,
        confidence,
        n,
        float(sums.count[i]),
        f"root search on common draws, tails {step:.2%} apart, test inversion",
    )
    value, spread = _moments(sums.value, sums.value_squares, sums.count)
    return {
        "calibrated_level": level,
        "calibrated_breach": _normal(mean[i], error[i], z, confidence, n),
        "calibrated_capital": _normal(value[i] / truth, spread[i] / truth, z, confidence, n),
    }


def _normal(value: float, error: float, z: float, confidence: float, n: int) -> Estimate:
    low, high = float(value - z * error), float(value + z * error)
    return Estimate(float(value), float(error), low, high, confidence, n, float(n), "mean over samples, clt")
