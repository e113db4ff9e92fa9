"""Figures of a law that two independent routes agree on, or the reason why there is none.

The first route is the law's own (cosine series, or the Poisson mixture), the second the contour integral of
`riskengine.law.contour`, which shares nothing with it but the exponent.  Agreement is asked to `tolerance` of the
figure where its tail probability is at least 1e-4; below that the cosine series has an absolute floor of 1e-14 and what
is asked is `tolerance` of what the figure would be at 1e-4.  The value returned is the contour's, which has no floor.
"""

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.errors import RunError
from riskengine.law import contour
from riskengine.law.exposure import UnitExposure

FLOOR = 1e-4


class CheckedLaw(contour.Transform, Protocol):
    """A law with routes of its own and an exponent for the other: `MertonLaw` and every `FourierLaw`."""

    def cdf(self, x: ArrayLike) -> Floats:
        """P(X <= x)."""

    def quantile(self, probability: ArrayLike) -> Floats:
        """Point x with P(X <= x) = probability."""

    def lower_excess(self, x: ArrayLike, power: float = 1.0) -> Floats:
        """E[(e^{power x} - e^{power X}) 1{X <= x}]."""

    def upper_excess(self, x: ArrayLike, power: float = 1.0) -> Floats:
        """E[(e^{power X} - e^{power x}) 1{X > x}]."""


def agree(what: str, at: Floats, own: Floats, other: Floats, allowed: Floats) -> Floats:
    """`other`, or RunError naming the place where it and `own` differ by more than `allowed` (arrays of one shape)."""
    own, other, at, allowed = np.broadcast_arrays(own, other, at, allowed)
    excess = np.abs(own - other) / allowed
    if not (excess <= 1.0).all():
        i = np.unravel_index(int(np.argmax(np.where(np.isnan(excess), np.inf, excess))), excess.shape)
        raise RunError(
            f"{what} at {float(at[i])!r} must agree to {float(allowed[i]):.3g} by two routes, "
            f"got {float(own[i])!r} by the law's own and {float(other[i])!r} by the contour integral"
        )
    return other


def tails(law: CheckedLaw, x: ArrayLike, tolerance: float = 1e-9) -> tuple[Floats, Floats]:
    """P(X <= x) and P(X > x), each relatively accurate in its own tail; shapes of `x`.

    RunError where the law's cdf differs from either by more than `tolerance` of the smaller one (of 1e-4 at least).
    """
    points = np.asarray(x, dtype=np.float64)
    below, above = contour.lower_tail(law, points), contour.upper_tail(law, points)
    allowed = tolerance * np.maximum(np.minimum(below, above), FLOOR)
    agree("P(X <= x)", points, law.cdf(points), below, allowed)
    agree("1 - P(X > x)", points, 1.0 - above, below, allowed)
    return below, above


def checked_quantile(law: CheckedLaw, probability: ArrayLike, tolerance: float = 1e-9) -> Floats:
    """Point x with P(X <= x) = probability, shape of `probability`.

    RunError where the contour integral gives that point another probability: by more than `tolerance` of the smaller
    tail (of 1e-4 at least).
    """
    p = np.asarray(probability, dtype=np.float64)
    x = law.quantile(p)
    below, above = tails(law, x, tolerance)
    allowed = tolerance * np.maximum(np.minimum(p, 1.0 - p), FLOOR)
    agree("the probability of the quantile", x, p, np.where(p < 0.5, below, 1.0 - above), allowed)
    return x


def checked_expected_shortfall(
    law: CheckedLaw, exposure: UnitExposure, level: ArrayLike, tolerance: float = 1e-9
) -> Floats:
    """Mean loss beyond VaR of a unit exposure, shape of `level`: VaR plus E[(loss - VaR)+] / tail.

    RunError where the quantile does not pass `checked_quantile`, or the excess differs by two routes by more than
    `tolerance` of the expected shortfall (times 1e-4 / tail below a tail of 1e-4).
    """
    tail = 1.0 - np.asarray(level, dtype=np.float64)
    long = exposure.side == "long"
    x = checked_quantile(law, tail if long else 1.0 - tail, tolerance)
    power = 1.0 if exposure.contract == "linear" else -1.0
    own = (law.lower_excess if long else law.upper_excess)(x, power)
    other = (contour.lower_excess if long else contour.upper_excess)(law, x, power)
    var, sign = exposure.loss(x), 1.0 if power > 0 else -1.0
    result = var + sign * other / tail
    allowed = tolerance * np.abs(result) * np.maximum(1.0, FLOOR / tail)
    return agree("expected shortfall beyond x", x, var + sign * own / tail, result, allowed)
