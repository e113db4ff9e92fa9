"""Control variates: figures of a path whose expectation is known exactly take their luck out of the other figures.

With controls C of known mean mu and a path figure f, mean(f) - beta (mean(C) - mu) estimates the same mean, and the
variance of mean(f) falls to that of what C does not explain.  beta is the least-squares fit on the same sample, so the
value is a mean under *calibrated* weights, the same for every figure, and has a bias of order 1 / n, below its own
error by a factor of sqrt(n).  With k controls left, n paths, residuals e and the controls turned into k orthonormal
directions whose sample means miss the truth by o,

    value = mean(f) - b o,        std_error^2 = sum e^2 / (n - 1 - k) (1 / n + |o|^2),

the prediction error of a regression at mu: a sample that is far from the truth in its controls pays for it.  The
interval is that of `riskengine.stats.asymptotic` on the skewness of e.

Nothing that holds without controls is given up.  Hits and refusals are those of the figure itself; a figure whose
interval would be refused, or whose residuals are carried by so few paths that their size is luck, stays as it was.
Whether a control is used depends on the controls alone, never on the figure: one that fewer than 30 paths are expected
to show, or that is almost a combination of others, is left out.  (The count is the expected one: to leave out those
*seen* rarely would keep a rare control only where it is met too often.)

References: Lavenberg and Welch, Management Science 27 (1981), 322-335; Glasserman, Monte Carlo Methods in Financial
Engineering (2004), section 4.1.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, as_floats
from riskengine.estimate import Estimate
from riskengine.stats.asymptotic import MINIMUM_TAIL_HITS, asymptotic, influence, refusal
from riskengine.stats.bounded import share, share_difference
from riskengine.stats.mean import mean, paired_difference

MINIMUM_EXPECTED = 30.0  # paths that are expected to show a control
_OWN = 0.01  # share of its variance that a control must not share with those before it
# deviations of an event with h hits have (sum |e|)^2 / sum e^2 of about 4 h
_MINIMUM_RESIDUALS = 4.0 * MINIMUM_TAIL_HITS


class KnownMean(NamedTuple):
    """What is known of a control.

    Attributes
    ----------
    value : float
        Exact expectation.
    paths : float
        Share of the paths that are expected to show it, at least: the probability of an indicator, 1 for a return.
    """

    value: float
    paths: float


class ControlVariates:
    """Controls of one sample, ready to correct any of its figures.

    Parameters
    ----------
    columns : iterable of (KnownMean, ndarray of shape (n,))
        In falling order of preference where some are nearly combinations of others.

    Attributes
    ----------
    count : int
        Controls that were kept.  Each holds one array of (n,).
    """

    def __init__(self, columns: Iterable[tuple[KnownMean, Floats]]):
        self._directions: list[Floats] = []
        self._offsets: list[float] = []
        for known, column in columns:
            if column.size * known.paths >= MINIMUM_EXPECTED:
                self._add(known.value, column)

    def _add(self, known: float, column: Floats) -> None:
        centre = float(column.mean())
        x = column - centre
        norm = math.sqrt(_dot(x, x))
        if norm <= 1e-12 * abs(centre) * math.sqrt(x.size):
            return
        x, offset = x / norm, (centre - known) / norm
        for _ in range(2):  # a second pass takes out what rounding left of the first
            for direction, other in zip(self._directions, self._offsets, strict=True):
                along = _dot(direction, x)
                x = x - along * direction
                offset -= along * other
        own = math.sqrt(_dot(x, x))
        if own * own >= _OWN:
            self._directions.append(x / own)
            self._offsets.append(offset / own)

    @property
    def count(self) -> int:
        """Number of controls kept."""
        return len(self._directions)

    def corrected(self, x: Floats, plain: Estimate, rare: Floats, method: str) -> Estimate:
        """The mean of `x` with controls, or `plain` where they cannot be trusted with it.

        Parameters
        ----------
        x : ndarray, shape (n,)
        plain : Estimate
            The same mean without controls.
        rare : ndarray, shape (n,)
            What must be met often enough: `x` or, for a share above a half, its complement.
        method : str
        """
        moments = influence(rare)
        n, k = x.size, self.count
        if k == 0 or n < 10 * (k + 1) or refusal(moments) or moments.std_error == 0.0:
            return plain
        top = float(np.abs(x).max())
        centre = float(x.mean())
        residual = (x - centre) / top
        shift = miss = 0.0
        for direction, offset in zip(self._directions, self._offsets, strict=True):
            along = _dot(direction, residual)
            residual = residual - along * direction
            shift += along * offset
            miss += offset * offset
        left = influence(residual)
        if left.concentration < _MINIMUM_RESIDUALS:
            return plain
        error = top * math.sqrt(_dot(residual, residual) / (n - 1 - k) * (1.0 / n + miss))
        if error == 0.0:
            return plain
        factor = (moments.std_error / error) ** 2
        return asymptotic(
            centre - top * shift,
            replace(moments, std_error=error, skewness=left.skewness),
            plain.confidence,
            f"{method} with {k} exact control{'s' * (k > 1)}, variance / {factor:.3g}",
        )


def _dot(a: Floats, b: Floats) -> float:
    """Sum of products in numpy's own order: a matrix library may sum otherwise on another number of threads."""
    return float((a * b).sum())


def controlled_mean(values: ArrayLike, controls: ControlVariates, confidence: float = 0.95) -> Estimate:
    """Mean over paths with controls; see `riskengine.stats.mean.mean`."""
    x = as_floats("values", values, 1)
    return controls.corrected(x, mean(x, confidence), x, "mean")


def controlled_share(values: ArrayLike, controls: ControlVariates, confidence: float = 0.95) -> Estimate:
    """Mean of path figures in [0, 1] with controls; see `riskengine.stats.bounded.share`."""
    x = as_floats("values", values, 1)
    plain = share(x, confidence)
    found = controls.corrected(x, plain, x if plain.value <= 0.5 else 1.0 - x, "mean over paths")
    if not 0.0 <= found.value <= 1.0:
        return plain
    return replace(found, lower=max(0.0, found.lower), upper=min(1.0, found.upper))


def controlled_difference(
    first: ArrayLike, second: ArrayLike, controls: ControlVariates, confidence: float = 0.95, *, shares: bool = False
) -> Estimate:
    """Mean of first - second on the same paths with controls; `shares` where both lie in [0, 1]."""
    plain = (share_difference if shares else paired_difference)(first, second, confidence)
    d = as_floats("first", first, 1) - as_floats("second", second, 1)
    found = controls.corrected(d, plain, d, "paired difference")
    if not shares:
        return found
    if abs(found.value) > 1.0:
        return plain
    return replace(found, lower=max(-1.0, found.lower), upper=min(1.0, found.upper))
