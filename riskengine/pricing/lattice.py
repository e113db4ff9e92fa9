"""American options on a binomial lattice.

    V_n = max(intrinsic, e^{-r dt} (p V_{n+1}^up + (1 - p) V_{n+1}^down)),   dt = tau / N.

The lattice is that of Leisen and Reimer: its probabilities invert the normal distribution (Peizer and Pratt, method 2),
p = h(d2) and p' = h(d1), up move e^{(r - q) dt} p' / p, so that the strike lies midway between two end nodes and a
European price converges as 1 / N^2 instead of oscillating.  An American price keeps an error of order 1 / N.

Reference: Leisen and Reimer (1996), "Binomial models for option valuation"; Cox, Ross and Rubinstein (1979).
"""

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats

STEPS = 301
_HIGHEST_VOLATILITY = 20.0
_LOWEST_VOLATILITY = 1e-4
_ITERATIONS = 100


def lattice_price(
    spot: ArrayLike, strike: ArrayLike, tau: ArrayLike, rate: ArrayLike, dividend: ArrayLike, volatility: ArrayLike,
    sign: ArrayLike, steps: int = STEPS, *, american: bool = True,
) -> Floats:  # fmt: skip
    """Price of an option that may be exercised at any step; arguments broadcast.

    Parameters
    ----------
    spot, strike : array_like
        USD, positive.
    tau : array_like
        Years to expiry, positive.
    rate, dividend : array_like
        Continuously compounded, per year.
    volatility : array_like
        Decimal per square-root year, positive.
    sign : array_like
        +1 call, -1 put.
    steps : int
        Odd, at least 3.
    american : bool
        False gives the European price on the same lattice.

    Returns
    -------
    ndarray
        USD per unit.

    Raises
    ------
    ValueError
        Where an argument is outside its range.

    Examples
    --------
    >>> float(lattice_price(36.0, 40.0, 1.0, 0.06, 0.0, 0.2, -1).round(2))
    4.49
    """
    names = ("spot", "strike", "tau", "rate", "dividend", "volatility", "sign")
    given = (spot, strike, tau, rate, dividend, volatility, sign)
    shape = np.broadcast_shapes(*(np.shape(x) for x in given))
    columns = [np.broadcast_to(np.asarray(x, dtype=np.float64), shape).reshape(-1, 1) for x in given]
    _check(dict(zip(names, columns, strict=True)), steps)
    s, k, t, r, q, sigma, w = columns
    dt = t / steps
    total = sigma * np.sqrt(t)
    d1 = (np.log(s / k) + (r - q) * t) / total + 0.5 * total
    growth = np.exp((r - q) * dt)
    p, other = _peizer_pratt(d1 - total, steps), _peizer_pratt(d1, steps)
    up, down = growth * other / p, growth * (1.0 - other) / (1.0 - p)
    price = s * np.exp(steps * np.log(down) + np.arange(steps + 1) * np.log(up / down))
    value = np.maximum(w * (price - k), 0.0)
    discount = np.exp(-r * dt)
    rise, fall = discount * p, discount * (1.0 - p)
    back = 1.0 / down
    for _ in range(steps):
        value = rise * value[:, 1:] + fall * value[:, :-1]
        if american:
            price = price[:, :-1] * back
            np.maximum(value, w * (price - k), out=value)
    return value.reshape(shape)


def lattice_implied_volatility(
    price: ArrayLike, spot: ArrayLike, strike: ArrayLike, tau: ArrayLike, rate: ArrayLike, dividend: ArrayLike,
    sign: ArrayLike, steps: int = STEPS,
) -> Floats:  # fmt: skip
    """Volatility at which the American lattice gives `price`, to 1e-10 of the strike; arguments broadcast.

    Raises
    ------
    ValueError
        Where no volatility gives a price: it must lie above what the option is worth at almost no volatility (exercise
        at the best time) and below its limit.  The message names the first such price.
    """
    given = (price, spot, strike, tau, rate, dividend, sign)
    shape = np.broadcast_shapes(*(np.shape(x) for x in given))
    target, s, k, t, r, q, w = (np.broadcast_to(np.asarray(x, dtype=np.float64), shape).ravel() for x in given)

    def excess(sigma: Floats) -> Floats:
        return lattice_price(s, k, t, r, q, sigma, w, steps) - target

    low, high = np.full(target.shape, _LOWEST_VOLATILITY), np.full(target.shape, _HIGHEST_VOLATILITY)
    at_low, at_high = excess(low), excess(high)
    bad = ~((at_low <= 0.0) & (at_high > 0.0))
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"price must lie in [{at_low[i] + target[i]:.6g}, {at_high[i] + target[i]:.6g}) for an implied volatility "
            f"to exist, got {target[i]:.6g} for strike {k[i]:g}"
        )
    # false position with the weight of an end halved when it stays (Illinois): brackets never open
    kept = np.zeros(target.shape)
    sigma = low
    for _ in range(_ITERATIONS):
        width = at_high - at_low
        sigma = np.where(width > 0.0, (low * at_high - high * at_low) / np.where(width > 0.0, width, 1.0), low)
        value = excess(sigma)
        if (np.abs(value) <= 1e-10 * k).all():
            break
        above = value > 0.0
        at_low = np.where(above, np.where(kept > 0.0, 0.5 * at_low, at_low), value)
        at_high = np.where(above, value, np.where(kept < 0.0, 0.5 * at_high, at_high))
        low, high = np.where(above, low, sigma), np.where(above, sigma, high)
        kept = np.where(above, 1.0, -1.0)
    return sigma.reshape(shape)


def _check(columns: dict[str, Floats], steps: int) -> None:
    for name in ("spot", "strike", "tau", "volatility"):
        x = columns[name]
        if not ((x > 0.0) & np.isfinite(x)).all():
            raise ValueError(f"{name} must hold positive numbers, got {float(x.min())!r}")
    for name in ("rate", "dividend"):
        if not np.isfinite(columns[name]).all():
            raise ValueError(f"{name} must hold finite numbers, got {float(columns[name].max())!r}")
    if not (np.abs(columns["sign"]) == 1.0).all():
        raise ValueError(f"sign must hold +1 (call) or -1 (put), got {np.unique(columns['sign']).tolist()}")
    if steps < 3 or steps % 2 == 0:
        raise ValueError(f"steps must be an odd number of at least 3, got {steps!r}")


def _peizer_pratt(z: Floats, steps: int) -> Floats:
    """Probability of a rise whose binomial tail equals the normal one at `z`."""
    # further out the probability is 1 to rounding, and both moves would be lost
    z = np.clip(z, -5.0 * np.sqrt(steps), 5.0 * np.sqrt(steps))
    scaled = z / (steps + 1.0 / 3.0 + 0.1 / (steps + 1.0))
    return 0.5 + np.copysign(np.sqrt(0.25 - 0.25 * np.exp(-scaled * scaled * (steps + 1.0 / 6.0))), z)
