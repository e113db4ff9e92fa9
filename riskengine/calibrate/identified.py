"""When a fitted parameter is called identified: one rule for every fit, stated before any of them.

A parameter is identified where its 95 % interval says what it is worth, and not where

* the search ended on one of its bounds: the interval then says where the bound is;
* it is positive and its interval is wider than a factor of 10: not even its order of magnitude is known;
* it is a correlation and half its interval is wider than 0.5: half of all there is;
* it is a probability and half its interval is wider than 0.25: half of all there is, again;
* it is the mean of a jump, or what a jump of variance moves the price by (``slope``), and half its interval is wider
  than the standard deviation of that jump: its sign is a guess.

A drift is not judged: years of data never decide it, and no use is made of it.  The verdict is one sentence per
parameter, empty where it is identified.  Each fit brings its own interval: from refits
(`riskengine.calibrate.uncertainty`), from a profile (`riskengine.calibrate.likelihood`), or from the curvature of a
chain's errors (`riskengine.calibrate.pricing_law.identify`).  A peg and a variance filter only name what ended on a
bound.
"""

import math

FACTOR = 10.0
HALF_CORRELATION = 0.5
HALF_PROBABILITY = 0.25
_SIGNED = ("rho", "correlation", "mean", "slope", "up_share", "drift")


def _parts(name: str) -> tuple[str, str, str]:
    """``jumps_own.mean[BTC]`` as what stands before the parameter, the parameter, and what stands after it."""
    head, bracket, tail = name.partition("[")
    group, dot, base = head.rpartition(".")
    return group + dot, base, bracket + tail


def is_positive(name: str) -> bool:
    """Whether a parameter is positive by its nature, hence judged by factors."""
    return _parts(name)[1] not in _SIGNED


def not_identified(name: str, numbers: dict[str, float], ends: tuple[float, float], *, on_bound: bool = False) -> str:
    """Why a parameter is not identified, or ``""`` where it is.

    Parameters
    ----------
    name : str
        Such as ``rho``, ``mean`` or ``jumps_own.mean[BTC]``.
    numbers : dict of str to float
        All parameters of the fit by name: the size of a jump is what its mean is held against.
    ends : (float, float)
        The 95 % interval; infinite, or 0 for a positive parameter, where it is open.
    on_bound : bool
        Whether the search ended on a bound.
    """
    group, base, place = _parts(name)
    low, high = ends
    if base == "drift":
        return ""
    if on_bound:
        return f"{name} ended on a bound of the search"
    open_interval = f"{name} has an open interval [{low:.3g}, {high:.3g}]: the fit is as good at its end"
    if is_positive(name):
        if not (low > 0.0 and math.isfinite(high)):
            return open_interval
        if high / low > FACTOR:
            return f"{name} has an interval [{low:.3g}, {high:.3g}] wider than a factor of {FACTOR:g}"
        return ""
    half = 0.5 * (high - low)
    if not math.isfinite(half):
        return open_interval
    yardstick = HALF_PROBABILITY if base == "up_share" else HALF_CORRELATION
    if base in ("mean", "slope"):
        yardstick = numbers[f"{group}sd{place}"]
        if base == "slope":
            yardstick /= numbers[f"{group}variance_mean{place}"]
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
