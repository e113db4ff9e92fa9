"""A book of options and perpetuals, the scenarios it is revalued under, and its exact values.

Without a surface a volatility is sticky at its strike.  With one (`market.surface.FactorSurface`) it moves with the
variance of the path and is sticky in moneyness: a scenario moves spot first, then the volatility found there by its
factor.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from riskengine.arrays import Floats, as_floats, check_shape
from riskengine.jit import kernel, wide_vectors
from riskengine.market.surface import (
    COLUMNS,
    WING,
    FactorSurface,
    surface_smile,
    surface_state,
    surface_tenor,
)
from riskengine.pricing.black import black_near, black_price, clip_total
from riskengine.vecmath import exp, root

_LANES = 128


class Packed(NamedTuple):
    """A book at one time, as kernels read it; `left` are years to expiry, `surface` has no rows where there is none."""

    strike: Floats
    log_strike: Floats
    left: Floats
    volatility: Floats
    sign: Floats
    quantity: Floats
    perpetual: Floats
    entry: Floats
    surface: Floats


@dataclass(frozen=True)
class ScenarioBook:
    """One book of options and perpetuals on A assets, with the scenarios it is revalued under.

    Attributes
    ----------
    strike, expiry, volatility, sign, quantity : ndarray, shape (A, O)
        Per unit of each asset's spot scale; expiry in years from time 0; volatility sticky at the strike, or, with a
        surface, relative to the surface's; +1 call, -1 put; signed quantity (0 pads a shorter asset).
    perpetual, entry : ndarray, shape (A,)
        Quantity and entry price of perpetuals.
    shift, factor : ndarray, shape (S,)
        Move of log-spot, common to all assets, and factor on volatility; scenario 0 is the book as it stands.
    surface : FactorSurface, optional
        Surface that moves with each asset's variance.
    """

    strike: Floats
    expiry: Floats
    volatility: Floats
    sign: Floats
    quantity: Floats
    perpetual: Floats
    entry: Floats
    shift: Floats
    factor: Floats
    surface: FactorSurface | None = None

    def __post_init__(self) -> None:
        for name in ("strike", "expiry", "volatility", "sign", "quantity"):
            object.__setattr__(self, name, as_floats(name, getattr(self, name), 2))
            check_shape(name, getattr(self, name), self.strike.shape)
        for name in ("perpetual", "entry", "shift", "factor"):
            object.__setattr__(self, name, as_floats(name, getattr(self, name), 1))
        check_shape("perpetual", self.perpetual, (self.assets,))
        check_shape("entry", self.entry, (self.assets,))
        check_shape("factor", self.factor, self.shift.shape)
        for name in ("strike", "expiry", "volatility", "factor"):
            if not (getattr(self, name) > 0.0).all():
                raise ValueError(f"{name} must hold positive numbers, got {float(getattr(self, name).min())!r}")
        if self.shift[0] != 0.0 or self.factor[0] != 1.0:
            raise ValueError(
                f"scenario 0 must be the book as it stands (shift 0, factor 1), got {self.shift[0]!r}, "
                f"{self.factor[0]!r}"
            )
        if self.surface is not None and self.surface.count != self.assets:
            raise ValueError(f"surface must have one number per asset ({self.assets}), got {self.surface.count}")

    @property
    def assets(self) -> int:
        """Number of assets A."""
        return self.strike.shape[0]

    @property
    def scenarios(self) -> int:
        """Number of scenarios S, the first being no move."""
        return self.shift.size

    @property
    def notional(self) -> float:
        """Sum of absolute quantities, in units of the spot scale."""
        return float(np.abs(self.quantity).sum() + np.abs(self.perpetual).sum())

    def values(self, time: float, log_spot: Floats, variance: Floats | None = None) -> Floats:
        """Value under every scenario on every lane, by the exact pricer, shape (S, P).

        Parameters
        ----------
        time : float
            Years since time 0, before every expiry.
        log_spot, variance : ndarray, shape (A, P)
            Variance per year is read where the book has a surface.
        """
        log_spot = np.ascontiguousarray(log_spot)
        check_shape("log_spot", log_spot, (self.assets, None))
        out = np.zeros((self.scenarios, log_spot.shape[1]))
        _values(self.packed(time), self.shift, self.factor, log_spot, self.state(log_spot, variance), out)
        return out

    def exact(self, time: float, log_spot: Floats, variance: Floats | None = None) -> tuple[Floats, Floats]:
        """(value, worst value over the scenarios) on every lane, shape (P,), by the exact pricer; see `values`."""
        values = self.values(time, log_spot, variance)
        return values[0], values.min(axis=0)

    def state(self, log_spot: Floats, variance: Floats | None) -> Floats:
        """`variance` as kernels read it, checked; prices stand in where nothing reads it.

        Raises
        ------
        ValueError
            Where the book has a surface and `variance` is missing, or not of the shape of `log_spot`.
        """
        if self.surface is None:
            return log_spot
        if variance is None:
            raise ValueError("variance must be given for a book whose surface moves with it, got None")
        check_shape("variance", variance, log_spot.shape)
        return np.ascontiguousarray(variance)

    def packed(self, time: float) -> Packed:
        """The book at `time` as kernels read it.

        Raises
        ------
        ValueError
            Where an option has expired by then.
        """
        left = self.expiry - time
        if not (left > 0.0).all():
            raise ValueError(f"time must lie before every expiry, got {time!r} with {float(left.min())!r} years left")
        surface = np.empty((0, COLUMNS)) if self.surface is None else self.surface.packed
        return Packed(
            self.strike, np.log(self.strike), left, self.volatility, self.sign, self.quantity, self.perpetual,
            self.entry, surface,
        )  # fmt: skip


@kernel
def _add_option(n, x, spot, strike, log_strike, total, sign, quantity, near, gauss, out):
    """out += quantity * price, one total volatility for all lanes."""
    wide_vectors()
    inverse = 1.0 / total
    # two loops: the coefficients of each stay in registers, those of both together would not
    for i in range(n):
        near[i], gauss[i] = black_near(x[i] - log_strike, total, inverse, sign)
    for i in range(n):
        out[i] += quantity * black_price(near[i], gauss[i], spot[i], strike, total, sign)


@kernel
def _add_option_lanes(n, x, spot, strike, log_strike, total, sign, quantity, near, gauss, out):
    """The same with a total volatility on every lane."""
    wide_vectors()
    for i in range(n):
        near[i], gauss[i] = black_near(x[i] - log_strike, total[i], 1.0 / total[i], sign)
    for i in range(n):
        out[i] += quantity * black_price(near[i], gauss[i], spot[i], strike, total[i], sign)


@kernel
def _totals(n, surface, asset, left, scale, log_strike, x, variance, total):
    """Total volatility of one option on every lane."""
    wide_vectors()
    tau, loading, skew, curvature = surface_tenor(surface, asset, left)
    inverse_wing = 1.0 / surface[asset, WING]
    scale = scale * root(tau)
    for i in range(n):
        square, slope = surface_state(surface, asset, loading, skew, variance[i])
        smile = surface_smile(square, slope, curvature, tau, inverse_wing, log_strike - x[i])
        total[i] = clip_total(scale * root(square) * smile)


@kernel
def _move(n, x, shift, entry, perpetual, moved, spot, out):
    """Log-spot and spot under one scenario; out += the perpetual's profit."""
    wide_vectors()
    for i in range(n):
        moved[i] = x[i] + shift
        spot[i] = exp(moved[i])
        out[i] += perpetual * (spot[i] - entry)


@kernel
def add_asset(n, book, a, shift, factor, x, variance, work, out):
    """out += value of asset `a`'s part of `book` on `n` lanes under one scenario; `work` is scratch of 5 rows."""
    _move(n, x, shift, book.entry[a], book.perpetual[a], work[0], work[1], out)
    for o in range(book.strike.shape[1]):
        if book.quantity[a, o] != 0.0:
            scale = book.volatility[a, o] * factor
            if book.surface.shape[0] > 0:
                _totals(n, book.surface, a, book.left[a, o], scale, book.log_strike[a, o], work[0], variance, work[4])
                _add_option_lanes(n, work[0], work[1], book.strike[a, o], book.log_strike[a, o], work[4],
                                  book.sign[a, o], book.quantity[a, o], work[2], work[3], out)  # fmt: skip
            else:
                _add_option(n, work[0], work[1], book.strike[a, o], book.log_strike[a, o],
                            clip_total(scale * root(book.left[a, o])), book.sign[a, o], book.quantity[a, o], work[2],
                            work[3], out)  # fmt: skip


@kernel(scratch=True)
def _values(book, shift, factor, log_spot, variance, out):
    lanes = log_spot.shape[1]
    work = np.empty((5, _LANES))
    for lo in range(0, lanes, _LANES):
        hi = min(lo + _LANES, lanes)
        for s in range(shift.size):
            for a in range(log_spot.shape[0]):
                add_asset(hi - lo, book, a, shift[s], factor[s], log_spot[a, lo:hi], variance[a, lo:hi], work,
                          out[s, lo:hi])  # fmt: skip
