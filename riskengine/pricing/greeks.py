"""Black-Scholes price and sensitivities of an option on a spot with a yield.

With F = S e^{(r - q) tau}, v = sigma sqrt(tau), d1 = ln(F / K) / v + v / 2:
    delta = sign e^{-q tau} N(sign d1),   gamma = e^{-q tau} n(d1) / (S v),   vega = S e^{-q tau} n(d1) sqrt(tau).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from riskengine.arrays import Floats
from riskengine.pricing.black import black76


@dataclass(frozen=True)
class Greeks:
    """Price in USD and its derivatives, each of the broadcast shape of the inputs.

    Attributes
    ----------
    price, delta, gamma : ndarray
        USD, per USD of spot, per USD squared.
    vega : ndarray
        USD per 1.00 of volatility (a hundred points).
    """

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats


def black_scholes(
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    volatility: ArrayLike,
    sign: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
) -> Greeks:
    """Price, delta, gamma and vega; arguments broadcast.

    Parameters
    ----------
    spot, strike, tau, volatility : array_like
        Positive: USD, USD, years, decimal per square-root year.  ValueError otherwise; prices at the limits are in
        `black76`, sensitivities have none there.
    sign : array_like
        +1 call, -1 put.
    rate, dividend : array_like
        r and q per year, continuous.
    """
    s, k, t, sigma, side, r, q = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (spot, strike, tau, volatility, sign, rate, dividend))
    )
    for name, x in (("spot", s), ("strike", k), ("tau", t), ("volatility", sigma)):
        if not (x > 0).all():
            raise ValueError(f"{name} must hold positive numbers, got {float(x.min())!r}")
    forward, total, carry = s * np.exp((r - q) * t), sigma * np.sqrt(t), np.exp(-q * t)
    d1 = np.log(forward / k) / total + 0.5 * total
    density = np.exp(-0.5 * d1 * d1) / np.sqrt(2 * np.pi)
    return Greeks(
        black76(forward, k, t, sigma, side, np.exp(-r * t)),
        side * carry * ndtr(side * d1),
        carry * density / (s * total),
        s * carry * density * np.sqrt(t),
    )
