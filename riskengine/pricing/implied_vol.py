"""Implied volatility: the inverse of Black-76 in the volatility.

A bracketed Newton iteration on total volatility, vectorised over options: a step that leaves the bracket is replaced
by bisection, so it cannot diverge, and it works on the out-of-the-money side, whose price carries the information.
"""

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.pricing.black import SATURATED

_ITERATIONS = 100


def implied_volatility(
    price: ArrayLike, forward: ArrayLike, strike: ArrayLike, tau: ArrayLike, sign: ArrayLike, discount=1.0
) -> Floats:
    """Volatility at which Black-76 gives `price`; arguments broadcast.

    Parameters
    ----------
    price : array_like
        USD per coin, discounted.
    forward, strike, tau : array_like
        Positive: USD, USD, years.
    sign : array_like
        +1 call, -1 put.
    discount : array_like
        Discount factor.

    Returns
    -------
    ndarray
        Decimal per square-root year; 0 where the price equals its intrinsic value.

    Raises
    ------
    ValueError
        Where a price lies outside [intrinsic, forward or strike): no volatility gives it.  The message names the
        first such price and its bounds.
    """
    from scipy.special import ndtr

    p, f, k, t, s, d = (
        np.atleast_1d(x)
        for x in np.broadcast_arrays(
            *(np.asarray(x, dtype=np.float64) for x in (price, forward, strike, tau, sign, discount))
        )
    )
    shape = np.broadcast_shapes(*(np.shape(x) for x in (price, forward, strike, tau, sign, discount)))
    if not ((f > 0).all() and (k > 0).all() and (t > 0).all() and (d > 0).all()):
        raise ValueError("forward, strike, tau and discount must hold positive numbers")
    undiscounted = p / d
    intrinsic = np.maximum(s * (f - k), 0.0)
    ceiling = np.where(s > 0, f, k)
    # rounding of a quoted price may leave it a hair below intrinsic
    slack = 1e-12 * ceiling
    bad = ~((undiscounted >= intrinsic - slack) & (undiscounted < ceiling))
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"price must lie in [{intrinsic.flat[i] * d.flat[i]:.10g}, {ceiling.flat[i] * d.flat[i]:.10g}) "
            f"for an implied volatility to exist, got {float(p.flat[i])!r}"
        )
    # time value is the price of the out-of-the-money option, in units of sqrt(F K)
    scale = np.sqrt(f * k)
    target = np.maximum(undiscounted - intrinsic, 0.0) / scale
    m = -np.abs(np.log(f / k))
    v = _invert(m, target, ndtr)
    return (v / np.sqrt(t)).reshape(shape)


def implied_or_nan(price: Floats, log_moneyness: Floats, tau: Floats, sign: Floats) -> Floats:
    """Implied volatility in units of the forward; NaN where the price is outside [intrinsic, 1 or K / F)."""
    strike = np.exp(log_moneyness)
    legal = (price >= np.maximum(sign * (1.0 - strike), 0.0)) & (price < np.where(sign > 0, 1.0, strike))
    out = np.full(price.shape, np.nan)
    if legal.any():
        out[legal] = implied_volatility(price[legal], 1.0, strike[legal], tau[legal], sign[legal])
    return out


def _invert(m: Floats, target: Floats, cdf) -> Floats:
    """Total volatility of an out-of-the-money call with log-moneyness m <= 0 and price target * sqrt(F K)."""
    low, high = np.zeros_like(m), np.full_like(m, SATURATED)
    # the inflection of the price in v, where Newton from either side converges; sqrt(2 pi) c at the money
    v = np.clip(np.maximum(np.sqrt(2.0 * -m), target * 2.5), 1e-8, SATURATED - 1.0)
    up, down = np.exp(0.5 * m), np.exp(-0.5 * m)
    for _ in range(_ITERATIONS):
        d1 = m / v + 0.5 * v
        value = up * cdf(d1) - down * cdf(d1 - v)
        vega = up * np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi)
        above = value > target
        high = np.where(above, v, high)
        low = np.where(above, low, v)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # far in the wing the logarithm of the price is the better-behaved equation
            wing = (value < 0.1 * up) & (value > 0.0) & (target > 0.0)
            step = np.where(wing, value * np.log(value / target), value - target) / vega
        trial = v - step
        trial = np.where((trial > low) & (trial < high), trial, 0.5 * (low + high))
        done = np.abs(trial - v) <= 4e-16 * v
        v = trial
        if done.all():
            break
    return np.where(target > 0.0, v, 0.0)
