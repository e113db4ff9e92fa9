"""Quantiles of a continuous law by Newton steps inside a bracket."""

from collections.abc import Callable

import numpy as np

from riskengine.arrays import Floats
from riskengine.errors import RunError


def invert_cdf(
    cdf_pdf: Callable[[Floats, np.ndarray], tuple[Floats, Floats]],
    probability: Floats,
    low: Floats,
    high: Floats,
    start: Floats,
    tolerance: float,
    noise: float | Floats = 0.0,
) -> Floats:
    """Solve F(x) = probability elementwise: Newton steps, replaced by bisection where one leaves its bracket.

    Each element is iterated until it has converged by itself and is then left alone, so its bits do not depend on
    which other elements are solved in the same call.

    Parameters
    ----------
    cdf_pdf : callable
        Gives F and its density at an array of points of the shape of `probability`, and is told which are still open.
    probability, low, high, start : ndarray, one shape
        Targets, brackets with F(low) <= probability <= F(high), first points.
    tolerance : float
        Absolute tolerance on x.
    noise : float or ndarray
        Absolute error of F: a point whose F is within it of the target is converged.

    Returns
    -------
    ndarray
        The points; RunError where 200 steps did not suffice.
    """
    x, low, high = start.copy(), low.copy(), high.copy()
    open_ = np.ones(x.shape, dtype=bool)
    for _ in range(200):
        value, density = cdf_pdf(x, open_)
        below = value < probability
        low = np.where(open_ & below, x, low)
        high = np.where(open_ & ~below, x, high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = x - (value - probability) / density
        inside = (newton >= low) & (newton <= high)  # False where the density is 0 or NaN
        step = np.where(inside, newton, 0.5 * (low + high))
        done = (np.abs(step - x) <= tolerance) | (high - low <= tolerance) | (np.abs(value - probability) <= noise)
        x = np.where(open_, step, x)
        open_ &= ~done
        if not open_.any():
            return x
    raise RunError(f"quantile must converge within 200 steps, got {int(open_.sum())} of {x.size} that did not")
