"""Black-76: the price of a European option on a forward.

    call = D (F N(d1) - K N(d2)),   d1 = ln(F/K)/v + v/2,   d2 = d1 - v,   v = sigma sqrt(tau)

Reference: Black (1976), "The pricing of commodity contracts"; edge cases as in the margin contracts of Derive
(``reference`` in the case files): v >= 24 is the price at infinite volatility, K = 0 and F = 0 are the limits.

Two forms.  `black76` takes any broadcastable arrays and every edge case, and rests on `scipy.special.ndtr`.
`black_forward` is the kernel form, for positive strikes and forwards: because F phi(d1) = K phi(d2), both tail
probabilities share one exponential, and one division serves both rational functions.  The two agree to 1e-15 of the
larger of forward and strike.
"""

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.jit import kernel, wide_vectors
from riskengine.vecmath import bits_float, float_bits, fma, log, normal_tail

# total volatility from which a call is worth its discounted forward and a put its discounted strike
SATURATED = 24.0
# total volatility below which the price is intrinsic to 1e-16 of the forward
_LEAST = 1e-16
# N(-37) is 6e-300: the tail formula is evaluated no further out
_FAR = 37.0


# e^x = 2^s 2^n: adding 1.5 x 2^52 rounds to an integer n and leaves it in the low bits
_ROUND = 6755399441055744.0
_HALF_LOG2E = 0.72134752044448170368


@kernel(inline=True)
def _gauss(square):
    """exp(-square / 2) for 0 <= square <= 1369; relative error below 1e-15 x (1 + square / 20)."""
    t = fma(square, -_HALF_LOG2E, _ROUND)
    s = fma(square, -_HALF_LOG2E, _ROUND - t)
    # minimax polynomial of 2^s on [-1/2, 1/2], relative error 2.2e-16
    z = s * s
    p = fma(s, 7.0725859492692236999e-9, 1.0208690299958305835e-7)
    q = fma(s, 1.3215442587921689653e-6, 1.5252657260200837064e-5)
    p = fma(z, fma(z, p, q), fma(s, 1.5403530441736050155e-4, 1.3333558230164973899e-3))
    p = fma(z, p, fma(s, 9.6181291076068885273e-3, 5.5504108664447719166e-2))
    p = fma(z, p, fma(s, 2.4022650695910098420e-1, 6.9314718055994998286e-1))
    p = fma(s, p, 1.0)
    return bits_float(float_bits(p) + (float_bits(t) << np.int64(52)))


@kernel(inline=True)
def black_near(moneyness, total, inverse_total, sign):
    """(signed d1, exp(-d1^2 / 2)): the first half of `black_forward`, for loops in two stages."""
    # signed: the option is in the money on a leg where its d is positive
    d1 = fma(moneyness, sign * inverse_total, 0.5 * (sign * total))
    # selects, not min: a NaN must come through
    a1 = _FAR if abs(d1) > _FAR else abs(d1)
    return d1, _gauss(a1 * a1)


@kernel(inline=True)
def black_price(d1, gauss, forward, strike, total, sign):
    """Undiscounted price from what `black_near` returned."""
    d2 = d1 - sign * total
    a1 = _FAR if abs(d1) > _FAR else abs(d1)
    a2 = _FAR if abs(d2) > _FAR else abs(d2)
    n1, m1 = normal_tail(a1)
    n2, m2 = normal_tail(a2)
    # F N(-|d1|) and K N(-|d2|): F phi(d1) = K phi(d2) leaves one exponential, a common denominator one division
    shared = forward * gauss / (m1 * m2)
    near = shared * (n1 * m2)
    far = shared * (n2 * m1)
    near = forward - near if d1 > 0.0 else near
    far = strike - far if d2 > 0.0 else far
    value = sign * (near - far)
    value = (forward if sign > 0.0 else strike) if total >= SATURATED else value
    return 0.0 if value < 0.0 else value


@kernel(inline=True)
def black_forward(moneyness, forward, strike, total, inverse_total, sign):
    """Undiscounted Black-76 price, branch-free.

    Parameters
    ----------
    moneyness : float
        ln(F/K).
    forward, strike : float
        Positive, USD.
    total, inverse_total : float
        v = sigma sqrt(tau), from `clip_total`, and 1/v.
    sign : float
        +1 call, -1 put.
    """
    d1, gauss = black_near(moneyness, total, inverse_total, sign)
    return black_price(d1, gauss, forward, strike, total, sign)


@kernel(inline=True)
def clip_total(total):
    """Total volatility kept away from zero, where its inverse is taken; the price there is intrinsic to 1e-16."""
    return _LEAST if total < _LEAST else total


@kernel
def black_lanes(forward, strike, total, sign, out):
    """Undiscounted prices of O options on P lanes.

    Parameters
    ----------
    forward, total : ndarray, shape (O, P)
        Forward in USD and total volatility sigma sqrt(tau).
    strike, sign : ndarray, shape (O,)
        Strike in USD; +1 call, -1 put.
    out : ndarray, shape (O, P)
        Written.
    """
    wide_vectors()
    for o in range(strike.size):
        k = strike[o]
        s = sign[o]
        log_strike = np.log(k)
        for p in range(out.shape[1]):
            v = clip_total(total[o, p])
            f = forward[o, p]
            out[o, p] = black_forward(log(f) - log_strike, f, k, v, 1.0 / v, s)


def black76(
    forward: ArrayLike, strike: ArrayLike, tau: ArrayLike, volatility: ArrayLike, sign: ArrayLike, discount=1.0
) -> Floats:
    """Black-76 price with every edge case; arguments broadcast against each other.

    Parameters
    ----------
    forward, strike : array_like
        USD, zero allowed: F = 0 gives (0, K D), K = 0 gives (F D, 0) for (call, put).
    tau : array_like
        Years to expiry; 0 gives the discounted intrinsic value.
    volatility : array_like
        Decimal per square-root year.
    sign : array_like
        +1 call, -1 put.
    discount : array_like
        Discount factor D.

    Returns
    -------
    ndarray
        USD per coin.

    Raises
    ------
    ValueError
        Where a forward, strike, tau or volatility is negative or NaN, or a sign is not +1 or -1.

    Examples
    --------
    >>> float(black76(1500.0, 1500.0, 7 / 365, 1.0, 1).round(6))
    82.805081
    """
    from scipy.special import ndtr

    f, k, t, sigma, s, d = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (forward, strike, tau, volatility, sign, discount))
    )
    for name, x in (("forward", f), ("strike", k), ("tau", t), ("volatility", sigma)):
        if not (x >= 0.0).all():
            raise ValueError(f"{name} must hold non-negative numbers, got {float(x.min())!r}")
    if not (np.abs(s) == 1.0).all():
        raise ValueError(f"sign must hold +1 (call) or -1 (put), got {np.unique(s).tolist()}")
    v = sigma * np.sqrt(t)
    call, put = _call_put(f, k, v, ndtr)
    return np.where(s > 0, call, put) * d


def _call_put(f: Floats, k: Floats, v: Floats, cdf) -> tuple[Floats, Floats]:
    regular = (f > 0.0) & (k > 0.0) & (v > 0.0) & (v < SATURATED)
    fs, ks, vs = (np.where(regular, x, 1.0) for x in (f, k, v))
    d1 = np.log(fs / ks) / vs + 0.5 * vs
    call = np.clip(fs * cdf(d1) - ks * cdf(d1 - vs), 0.0, fs)
    put = np.clip(ks * cdf(vs - d1) - fs * cdf(-d1), 0.0, ks)
    # limits: no time value left, or as much as there can be
    settled = v < SATURATED
    call = np.where(regular, call, np.where(settled, np.maximum(f - k, 0.0), np.where(f > 0.0, f, 0.0)))
    put = np.where(regular, put, np.where(settled, np.maximum(k - f, 0.0), np.where(k > 0.0, k, 0.0)))
    return call, put


def call_delta(forward: float, strike: float, tau: float, volatility: float) -> float:
    """N(d1): derivative of the undiscounted call with respect to the forward, limits as in `black76`."""
    from scipy.special import ndtr

    v = volatility * np.sqrt(tau)
    if strike <= 0.0 or v >= SATURATED:
        return 1.0
    if forward <= 0.0:
        return 0.0
    if v == 0.0:
        return 0.5 * (1.0 + np.sign(forward - strike))
    return float(ndtr(np.log(forward / strike) / v + 0.5 * v))
