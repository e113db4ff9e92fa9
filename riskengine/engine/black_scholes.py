"""How wrong Black-Scholes with one volatility is on a world whose law is known: price, volatility, delta, margin.

All figures are per unit of spot and exact.  Options are priced by the world's own law without its drift, from its
long-run mean variance (`riskengine.law.options`, two routes that agree), and held against Black-Scholes at one
volatility for each maturity.  The position is a short out-of-the-money option: with L(x) its loss at log-return x after
the margin period, remaining maturity t and p = 1 - level,

    requirement of the world          L(x_p),  x_p the world's quantile on the losing side,
    requirement of Black-Scholes      the same with Black-Scholes prices and the lognormal quantile,
    breach probability                P(L > requirement of Black-Scholes), L and P the world's,

L falls (put) or rises (call) throughout, so that each is one quantile or one probability.  Where the variance moves,
the option is marked at the end of the margin period at the variance that it started from.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from riskengine.arrays import Floats
from riskengine.law.bates import BatesLaw
from riskengine.law.checked import checked_quantile, tails
from riskengine.law.hedge_ratio import HedgedLaw, hedge_ratios, realised_variance
from riskengine.law.options import OptionDesk
from riskengine.law.root import invert_cdf
from riskengine.pricing.black import black76
from riskengine.pricing.greeks import black_scholes
from riskengine.pricing.implied_vol import implied_volatility

YEAR_HOURS = 8760.0
RULES = ("at_the_money", "realised")


def of_horizon(law: HedgedLaw, horizon: float, drift: float = 0.0) -> HedgedLaw:
    """`law` over `horizon` years with `drift`, from its long-run mean variance where it has a variance state."""
    state = {"variance": law.theta} if isinstance(law, BatesLaw) else {}
    return replace(law, horizon=horizon, drift=drift, **state)


def best_volatility(law: HedgedLaw, rule: str) -> float:
    """The one volatility: that of the at-the-money price of the maturity of `law`, or of the realised variance."""
    if rule == "realised":
        return float(np.sqrt(realised_variance(law)))
    price = OptionDesk(law, 1.0).price(1.0, 1.0)
    return float(implied_volatility(price, 1.0, 1.0, law.horizon, 1.0))


@dataclass(frozen=True)
class OptionErrors:
    """Out-of-the-money options of one maturity, each array (N,): true figures, and those of Black-Scholes.

    Attributes
    ----------
    strike, sign : ndarray
        Strike over spot; +1 call, -1 put.
    price, black_price : ndarray
        Per unit of spot.
    implied : ndarray
        Implied volatility of the true price; NaN where that is below 1e-13 of the spot.
    delta, least, black_delta : ndarray
        Delta and hedge of least instantaneous variance under the world's law, and the Black-Scholes delta.
    """

    strike: Floats
    sign: Floats
    price: Floats
    black_price: Floats
    implied: Floats
    delta: Floats
    least: Floats
    black_delta: Floats


def option_errors(law: HedgedLaw, strike: Floats, volatility: float) -> OptionErrors:
    """Errors of Black-Scholes at `volatility` on `strike` (over spot, (N,)) under the pricing law of the maturity."""
    sign = np.where(strike >= 1.0, 1.0, -1.0)
    price = OptionDesk(law, 1.0).price(strike, sign)
    _, delta, least = (part[0] for part in hedge_ratios(law, np.log(strike)))
    put = np.where(sign < 0, 1.0, 0.0)
    seen = price > 1e-13
    implied = np.full(strike.shape, np.nan)
    if seen.any():
        implied[seen] = implied_volatility(price[seen], 1.0, strike[seen], law.horizon, sign[seen])
    black = black_scholes(1.0, strike, law.horizon, volatility, sign)
    return OptionErrors(strike, sign, price, black.price, implied, delta - put, least - put, black.delta)


@dataclass(frozen=True)
class MarginErrors:
    """Requirements of short options at levels, each array (L, N), per unit of spot."""

    world: Floats
    black: Floats
    breach: Floats


def margin_errors(
    law: HedgedLaw, drift: float, errors: OptionErrors, volatility: float, period: float, levels: Floats
) -> MarginErrors:
    """Exact requirements for one margin period (years), and how often that of Black-Scholes is breached.

    Parameters
    ----------
    law : HedgedLaw
        Pricing law of the maturity.
    drift : float
        Of the world, for the law of the return over the margin period.
    errors : OptionErrors
    volatility : float
    period : float
        At most the maturity.
    levels : ndarray, shape (L,)
    """
    strike, call = errors.strike, errors.sign > 0
    left = law.horizon - period
    world = of_horizon(law, period, drift)
    rest = of_horizon(law, left) if left > 1e-12 else None

    def later(x: Floats) -> tuple[Floats, Floats]:
        """World's value of the options at log-returns (..., N), and its derivative in the log-return."""
        s = np.exp(x)
        if rest is None:
            held = errors.sign * (s - strike) > 0
            return np.where(held, errors.sign * (s - strike), 0.0), np.where(held, errors.sign * s, 0.0)
        k = (np.log(strike) - x).reshape(-1)
        value, delta, _ = (part[0].reshape(x.shape) for part in hedge_ratios(rest, k))
        put = np.where(call, 0.0, 1.0)
        return s * (value - put) + put * strike, s * (delta - put)

    p = 1.0 - levels[:, None]
    tail = np.where(call, 1.0 - p, p)
    shape = tail.shape
    required = later(checked_quantile(world, tail.reshape(-1)).reshape(shape))[0] - errors.price
    spread = volatility * np.sqrt(period)
    normal = drift * period - 0.5 * spread**2 + spread * ndtri(tail)
    grown = np.exp(normal)
    assumed = black76(grown, strike, max(left, 0.0), volatility, errors.sign) - errors.black_price
    breach = _breach(world, later, assumed + errors.price, errors, shape, rest is None)
    return MarginErrors(required, assumed, breach)


def _breach(
    world: HedgedLaw,
    later: Callable[[Floats], tuple[Floats, Floats]],
    value: Floats,
    errors: OptionErrors,
    shape: tuple[int, ...],
    expired: bool,
) -> Floats:
    """P(value of the option after the margin period > `value`), (L, N)."""
    strike, sign = np.broadcast_to(errors.strike, shape), np.broadcast_to(errors.sign, shape)
    call = sign > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        if expired:
            x = np.log(np.maximum(strike + sign * np.maximum(value, 0.0), 0.0))
        else:
            # a put is worth its strike at most: what asks for more is never breached
            inside = (value > 0.0) & (call | (value < strike))
            aim = np.where(inside, value, 0.01)
            reach = 60.0 * world.scale + 5.0
            ends = np.full(shape, -reach), np.full(shape, reach)
            start = np.log(strike) + np.where(call, 0.5, -0.5) * world.scale

            def turned(y: Floats, open_: np.ndarray) -> tuple[Floats, Floats]:
                found, slope = later(y)
                return sign * found, sign * slope

            x = invert_cdf(turned, sign * aim, *ends, np.clip(start, *ends), 1e-13 * world.scale, 2e-15)
            x = np.where(inside, x, np.where(value <= 0.0, -sign * np.inf, -np.inf))
    finite = np.clip(x, -50.0, 50.0)
    below, above = (t.reshape(shape) for t in tails(world, finite.reshape(-1)))
    chance = np.where(call, above, below)
    return np.where(np.isfinite(x), chance, np.where((x > 0) == call, 0.0, 1.0))
