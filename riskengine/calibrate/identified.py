"""When a parameter fitted to a history of returns is called identified: a rule stated before any fit.

It is that of the fits across horizons (`riskengine.calibrate.uncertainty`) and by likelihood
(`riskengine.calibrate.likelihood`), which have a 95 % interval of every parameter.  A pricing law has none, only the
curvature of one chain's errors, a lower bound of the uncertainty, and a stricter rule on it
(`riskengine.calibrate.pricing_law.identify`).  A peg and a variance filter only name what ended on a bound, and print
standard errors.

A parameter is identified where its interval says what it is worth, and not where

* the search ended on one of its bounds: the interval then says where the bound is;
* it is positive and its 95 % interval is wider than a factor of 10: not even its order of magnitude is known;
* it is a correlation and half its interval is wider than 0.5: half of all there is;
* it is the mean of a jump and half its interval is wider than the standard deviation of that jump: its sign is a guess.

The verdict is one sentence per parameter, empty where it is identified.
"""

import math

FACTOR = 10.0
HALF_CORRELATION = 0.5


def not_identified(
    name: str, low: float, high: float, *, positive: bool, on_bound: bool = False, yardstick: float = HALF_CORRELATION
) -> str:
    """Why the parameter is not identified, or ``""`` where it is.

    Parameters
    ----------
    name : str
    low, high : float
        Its 95 % interval; infinite, or 0 for a positive parameter, where it is open.
    positive : bool
        Whether it is judged by the factor `high` / `low`; else half the width is held against `yardstick`.
    on_bound : bool
        Whether the search ended on a bound.
    yardstick : float
        Largest half-width of a signed parameter: 0.5 for a correlation, the jump's sd for its mean.
    """
    if on_bound:
        return f"{name} ended on a bound of the search"
    if positive:
        if not (low > 0.0 and math.isfinite(high)):
            return f"{name} has an open interval [{low:.3g}, {high:.3g}]: the fit is as good at its end"
        if high / low > FACTOR:
            return f"{name} has an interval [{low:.3g}, {high:.3g}] wider than a factor of {FACTOR:g}"
        return ""
    half = 0.5 * (high - low)
    if not math.isfinite(half):
        return f"{name} has an open interval [{low:.3g}, {high:.3g}]: the fit is as good at its end"
    if half > yardstick:
        return f"{name} has an interval [{low:.3g}, {high:.3g}] whose half-width is above {yardstick:.3g}"
    return ""


def flat_direction(names: list[str], direction) -> str:
    """A direction in the space of free numbers in words, largest part first: ``kappa up with theta down``.

    Parts below a third of the largest are left out.

    Parameters
    ----------
    names : list of str
    direction : sequence of float
        Components, one per name, in the units of the search (logarithms of positive numbers).
    """
    parts = sorted(zip(names, direction, strict=True), key=lambda part: -abs(part[1]))
    top = parts[0][1]
    words = [f"{name} {'up' if x * top > 0 else 'down'}" for name, x in parts if abs(x) >= abs(top) / 3.0]
    return " with ".join(words)
