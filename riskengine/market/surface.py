"""`FactorSurface`: a level-slope-skew implied-volatility surface tied to the variance state of the world.

Idea.  Paths run under the real-world law P; option prices come from a pricing law Q.  The link is stated here: under Q
the instantaneous variance starts at ``premium * v + add`` and reverts to ``long_variance`` at speed ``reversion``, so

    atm(tau, v)^2 = long_variance + (premium v + add - long_variance) (1 - e^{-q tau}) / (q tau),   q = reversion,

and a shock of the state moves short tenors more than long ones (level and slope from one state).  The smile is
multiplicative and sticky in moneyness k = log(K / F):

    t = k / sqrt(s^2 + (k / wing)^2),   s = atm sqrt(tau)           (z = k / s, saturating at +-wing)
    vol = atm (1 + skew(tau, v) t + curvature(tau) t^2),

where skew and curvature run from their short to their long value with e^{-tau / smile_tenor}, and skew also moves with
the state by ``skew_state * (u - 1) / (u + 1)``, u = (premium v + add) / long_variance.  The wings are flat beyond a
few multiples of ``wing``, so no strike has an unbounded volatility; construction checks that none is negative for any
tenor and state.

A quoted surface of this kind is a description, not a no-arbitrage model; the region where call prices fall and are
convex in strike is measured in ``docs/calibration.md``.

References: Gatheral, The Volatility Surface (2006), ch. 3 (Heston at-the-money term structure); Cont and da Fonseca,
Quantitative Finance 2 (2002) 45-60 (level, slope and curvature factors of implied volatility).
"""

from dataclasses import dataclass, field, fields

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel, wide_vectors
from riskengine.market.curve import Curve
from riskengine.vecmath import exp, root

# columns of `FactorSurface.packed`
REVERSION, LONG_VARIANCE, PREMIUM, ADD, SKEW_SHORT, SKEW_LONG, CURVE_SHORT, CURVE_LONG = range(8)
SKEW_STATE, SMILE_TENOR, WING = range(8, 11)
COLUMNS = 11

_SHORTEST = 1.0 / 31_536_000.0  # one second: below it an option is priced as if a second were left


@dataclass(frozen=True)
class FactorSurface:
    """Implied volatility of every asset as a function of moneyness, tenor and the world's variance state.

    Every field holds one number per asset, in the order of the world's assets.

    Attributes
    ----------
    reversion : tuple of float
        Speed q of mean reversion of variance under the pricing law, per year; positive.
    long_variance : tuple of float
        Level to which variance reverts under the pricing law, per year; positive.
    premium : tuple of float
        Factor from the world's variance to the variance under the pricing law; not negative.
    add : tuple of float
        Part of it that does not move (jump variance and its premium), per year; not negative.
    skew_short, skew_long : tuple of float
        Slope of the relative smile in standardised moneyness at short and long tenors.
    curvature_short, curvature_long : tuple of float
        Its quadratic term.
    skew_state : tuple of float
        How far the slope moves as the variance state goes from zero (minus) to infinity (plus).
    smile_tenor : tuple of float
        Tenor in years over which the smile passes from short to long; positive.
    wing : tuple of float
        Standardised moneyness at which the smile saturates; positive.
    carry : tuple of Curve
        What forwards and discounts of each asset follow; empty for rates of 0.

    Raises
    ------
    ValueError
        Where a field is out of range, lengths differ, or some volatility could be negative.
    """

    reversion: tuple[float, ...]
    long_variance: tuple[float, ...]
    premium: tuple[float, ...]
    add: tuple[float, ...]
    skew_short: tuple[float, ...]
    skew_long: tuple[float, ...]
    curvature_short: tuple[float, ...]
    curvature_long: tuple[float, ...]
    skew_state: tuple[float, ...]
    smile_tenor: tuple[float, ...]
    wing: tuple[float, ...]
    # a surface without carry is written, and hashed, as if there were no such field
    carry: tuple[Curve, ...] = field(default=(), metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        count = len(self.reversion)
        for name in _numbers(self):
            values = tuple(float(x) for x in getattr(self, name))
            object.__setattr__(self, name, values)
            if len(values) != count or count == 0:
                raise ValueError(f"{name} must have one number per asset ({count}), got {len(values)}")
            if not all(np.isfinite(values)):
                raise ValueError(f"{name} must be finite, got {values}")
        object.__setattr__(self, "carry", tuple(self.carry))
        if len(self.carry) not in (0, count):
            raise ValueError(f"carry must have one curve per asset ({count}) or none, got {len(self.carry)}")
        for name in ("reversion", "long_variance", "smile_tenor", "wing"):
            if min(getattr(self, name)) <= 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("premium", "add"):
            if min(getattr(self, name)) < 0.0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for asset in range(count):
            # the relative smile is linear in (skew, curvature), so its extremes over tenor and state are these corners
            lowest = min(
                _smile_minimum(skew + sign * self.skew_state[asset], curve, self.wing[asset])
                for skew, curve in (
                    (self.skew_short[asset], self.curvature_short[asset]),
                    (self.skew_long[asset], self.curvature_long[asset]),
                )
                for sign in (-1.0, 1.0)
            )
            if lowest <= 0.0:
                raise ValueError(
                    f"skew and curvature of asset {asset} must keep every volatility positive, "
                    f"got a relative smile of {lowest:.4g} at its lowest"
                )

    @classmethod
    def flat(cls, volatility: "tuple[float, ...] | Floats") -> "FactorSurface":
        """A static surface: `volatility` per asset at every strike, tenor and state.

        Parameters
        ----------
        volatility : sequence of float, one per asset
            Decimal per square-root year; positive.
        """
        level = tuple(float(x) for x in volatility)
        if not level or min(level) <= 0.0:
            raise ValueError(f"volatility must be positive for every asset, got {level}")
        variance, zero, one = tuple(x * x for x in level), (0.0,) * len(level), (1.0,) * len(level)
        return cls(one, variance, zero, variance, zero, zero, zero, zero, zero, one, one)

    @property
    def count(self) -> int:
        """Number of assets A."""
        return len(self.reversion)

    @property
    def static(self) -> bool:
        """Whether no volatility moves with the state.  Tuning of volatility shocks is refused on a static surface."""
        return all(p == 0.0 for p in self.premium)

    @property
    def packed(self) -> Floats:
        """Parameters as kernels read them, shape (A, 11): one row per asset, columns as the fields."""
        return np.ascontiguousarray([getattr(self, name) for name in _numbers(self)], dtype=np.float64).T.copy()

    def atm(self, asset: int, tau: float, variance: Floats) -> Floats:
        """At-the-money volatility at tenor `tau` (years) for each variance state, shape as `variance`."""
        x = self.reversion[asset] * max(float(tau), _SHORTEST)
        loading = -np.expm1(-x) / x
        long = self.long_variance[asset]
        start = self.add[asset]
        if self.premium[asset] > 0.0:  # a world without a variance state may pass NaN to a static surface
            start = start + self.premium[asset] * np.asarray(variance, dtype=np.float64)
        return np.sqrt(long + (start - long) * loading) + np.zeros(np.shape(variance))

    def volatility(
        self, option_asset: np.ndarray, log_strike: Floats, tau: Floats, log_forward: Floats, variance: Floats
    ) -> Floats:
        """Implied volatility of every option on every lane.

        Parameters
        ----------
        option_asset : ndarray of int, shape (O,)
        log_strike : ndarray, shape (O,)
        tau : ndarray, shape (O,)
            Years to expiry.
        log_forward : ndarray, shape (O, P)
            Logarithm of the forward of each option's expiry.
        variance : ndarray, shape (A, P)
            The world's variance per year; not read where the surface is static.

        Returns
        -------
        ndarray, shape (O, P)
        """
        log_forward = np.ascontiguousarray(log_forward, dtype=np.float64)
        out = np.empty_like(log_forward)
        _volatility_lanes(
            self.packed,
            np.ascontiguousarray(option_asset, dtype=np.int64),
            np.ascontiguousarray(log_strike, dtype=np.float64),
            np.ascontiguousarray(tau, dtype=np.float64),
            log_forward,
            np.ascontiguousarray(variance, dtype=np.float64),
            out,
        )
        return out


def _numbers(surface: FactorSurface) -> list[str]:
    """Names of the fields that hold a number per asset, in the order of the columns."""
    return [f.name for f in fields(surface) if f.name != "carry"]


def _smile_minimum(skew: float, curvature: float, wing: float) -> float:
    """Minimum of 1 + skew t + curvature t^2 on [-wing, wing]."""
    lowest = 1.0 + curvature * wing * wing - abs(skew) * wing
    if curvature > 0.0 and abs(skew) <= 2.0 * curvature * wing:
        lowest = min(lowest, 1.0 - skew * skew / (4.0 * curvature))
    return lowest


@kernel(inline=True)
def surface_tenor(packed, asset, tau):
    """What depends on asset and tenor only: (tau, loading, skew, curvature); compute it once before a lane loop."""
    tau = max(tau, _SHORTEST)
    x = packed[asset, REVERSION] * tau
    # the quotient loses digits for x below 1e-5, where the series is exact to 1e-11
    loading = (1.0 - exp(-x)) / x if x > 1e-5 else 1.0 - 0.5 * x
    short = exp(-tau / packed[asset, SMILE_TENOR])
    skew = packed[asset, SKEW_LONG] + (packed[asset, SKEW_SHORT] - packed[asset, SKEW_LONG]) * short
    curvature = packed[asset, CURVE_LONG] + (packed[asset, CURVE_SHORT] - packed[asset, CURVE_LONG]) * short
    return tau, loading, skew, curvature


@kernel(inline=True)
def surface_state(packed, asset, loading, skew, variance):
    """What depends on the variance state as well: (atm volatility squared, slope of the smile)."""
    premium = packed[asset, PREMIUM]
    long = packed[asset, LONG_VARIANCE]
    start = packed[asset, ADD] + (premium * variance if premium > 0.0 else 0.0)
    return long + (start - long) * loading, skew + packed[asset, SKEW_STATE] * (start - long) / (start + long)


@kernel(inline=True)
def surface_smile(square, slope, curvature, tau, inverse_wing, log_moneyness):
    """Volatility relative to at the money, at ``log_moneyness`` = log(K / F); `square` and `slope` of the state."""
    scaled = log_moneyness * inverse_wing
    t = log_moneyness / root(square * tau + scaled * scaled)
    return 1.0 + t * (slope + curvature * t)


@kernel(inline=True)
def surface_lane(packed, asset, tau, loading, skew, curvature, log_moneyness, variance):
    """Volatility of one lane from what `surface_tenor` returned; ``log_moneyness`` is log(K / F)."""
    square, slope = surface_state(packed, asset, loading, skew, variance)
    return root(square) * surface_smile(square, slope, curvature, tau, 1.0 / packed[asset, WING], log_moneyness)


@kernel(inline=True)
def surface_volatility(packed, asset, log_moneyness, tau, variance):
    """Implied volatility at log-moneyness log(K / F), tenor `tau` and variance state `variance` (one value)."""
    tau, loading, skew, curvature = surface_tenor(packed, asset, tau)
    return surface_lane(packed, asset, tau, loading, skew, curvature, log_moneyness, variance)


@kernel
def _volatility_lanes(packed, option_asset, log_strike, tau, log_forward, variance, out):
    wide_vectors()
    for o in range(log_strike.shape[0]):
        a = option_asset[o]
        years, loading, skew, curvature = surface_tenor(packed, a, tau[o])
        for p in range(log_forward.shape[1]):
            out[o, p] = surface_lane(
                packed, a, years, loading, skew, curvature, log_strike[o] - log_forward[o, p], variance[a, p]
            )
