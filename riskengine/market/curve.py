"""`Curve`: what money costs to each expiry of one asset, from rates, futures or zero-coupon prices.

    F(tau) = S e^{R(tau) tau},   D(tau) = e^{-R(tau) tau}

with forward rates constant between the nodes, R tau linear: the nodes are met exactly, forward rates are positive
wherever discount factors fall, and beyond the last node the last forward rate goes on.  A future of price F at tau has
R = ln(F / S) / tau, a zero-coupon claim of price P on one unit R = -ln(P) / tau, so bootstrapping is exact and local.

A curve stays where it is in time to expiry: as time passes a contract slides down it, and its forward meets the spot at
expiry.  Reference: Hagan and West, Applied Mathematical Finance 13 (2006) 89-129 (raw interpolation).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range

_HOURS = 8760.0
_QUOTES = ("rate", "forward_over_spot", "zero_coupon")


@dataclass(frozen=True)
class Curve:
    """A curve of one asset; one of `rate`, `forward_over_spot` and `zero_coupon` is given, and kept as `rate`.

    Attributes
    ----------
    hours : tuple of float
        Times of the nodes, increasing.
    rate : tuple of float
        Continuously compounded rate per year to each node.
    forward_over_spot : tuple of float
        Prices of futures over spot, positive.
    zero_coupon : tuple of float
        Prices of one unit at each node, positive.
    basis_hours : float
        Time scale on which the world's basis (log of mark over spot) leaves a dated forward before it expires:
        F e^{b (1 - e^{-tau / basis_hours})}.  0: the basis moves perpetuals only.

    Examples
    --------
    >>> Curve((720.0, 2160.0), zero_coupon=(0.995, 0.98)).discount([720 / 8760, 2160 / 8760]).round(12).tolist()
    [0.995, 0.98]
    """

    hours: tuple[float, ...]
    rate: tuple[float, ...] = field(default=(), metadata={"written": "unless empty"})
    forward_over_spot: tuple[float, ...] = field(default=(), metadata={"written": "unless empty"})
    zero_coupon: tuple[float, ...] = field(default=(), metadata={"written": "unless empty"})
    basis_hours: float = 0.0

    def __post_init__(self) -> None:
        hours = np.array(self.hours, dtype=np.float64)
        if hours.size == 0 or not np.isfinite(hours).all() or hours[0] <= 0.0 or (np.diff(hours) <= 0.0).any():
            raise ValueError(f"hours must be positive and increase, got {self.hours}")
        given = [name for name in _QUOTES if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"one of {', '.join(_QUOTES)} must be given, got {', '.join(given) or 'none'}")
        quotes = np.array(getattr(self, given[0]), dtype=np.float64)
        if quotes.shape != hours.shape or not np.isfinite(quotes).all():
            raise ValueError(f"{given[0]} must hold a number for each of {hours.size} hours, got {quotes.tolist()}")
        if given[0] != "rate":
            if (quotes <= 0.0).any():
                raise ValueError(f"{given[0]} must be positive, got {quotes.tolist()}")
            quotes = (1.0 if given[0] == "forward_over_spot" else -1.0) * np.log(quotes) / (hours / _HOURS)
        check_range("basis_hours", self.basis_hours, 0.0, 1e6)
        object.__setattr__(self, "hours", tuple(hours.tolist()))
        for name in _QUOTES:
            object.__setattr__(self, name, tuple(quotes.tolist()) if name == "rate" else ())

    def rate_to(self, tau: ArrayLike) -> Floats:
        """Continuously compounded rate per year to `tau` years, shape of `tau`; the first forward rate at 0."""
        tau = np.asarray(tau, dtype=np.float64)
        years = np.concatenate([[0.0], np.array(self.hours) / _HOURS])
        grown = np.concatenate([[0.0], self.rate * years[1:]])
        forward = np.diff(grown) / np.diff(years)
        segment = np.clip(np.searchsorted(years, tau, side="left") - 1, 0, forward.size - 1)
        total = grown[segment] + forward[segment] * (tau - years[segment])
        return np.where(tau > 0.0, total / np.where(tau > 0.0, tau, 1.0), forward[0])

    def discount(self, tau: ArrayLike) -> Floats:
        """Price today of one unit in `tau` years, shape of `tau`."""
        return np.exp(-self.rate_to(tau) * np.asarray(tau, dtype=np.float64))

    def basis_share(self, tau: ArrayLike) -> Floats:
        """Share of the world's basis that a forward of `tau` years carries, shape of `tau`; 0 at expiry."""
        tau = np.asarray(tau, dtype=np.float64)
        return np.zeros_like(tau) if self.basis_hours == 0.0 else -np.expm1(-tau * _HOURS / self.basis_hours)
