"""`PricingLaw`: what option prices say about the price of one asset, under the pricing measure Q.

A family of `riskengine.pricing.chain_prices` with its parameters and, in the extended form, a deterministic shift: the
variance is v_t + phi(t), with phi >= 0 constant between the expiries of the chain it was fitted to, in calendar time.
Then log E[e^{sX}] gains -(s - s^2) / 2 times the integral of phi up to the expiry and nothing else changes, so every
price stays as exact and as fast.  With phi the at-the-money term structure is free and smiles come from the law; with
phi = 0 it is the law itself.

Reference: Pacati, Pompa and Reno, "Smiling twice: the Heston++ model", Journal of Banking and Finance 96 (2018)
185-206; the extension goes back to Brigo and Mercurio, Finance and Stochastics 5 (2001).
"""

from dataclasses import dataclass, replace

import numpy as np

from riskengine.arrays import Floats, Ints, check_shape
from riskengine.calibrate.pricing_law.parameters import Coordinates, check_values
from riskengine.calibrate.pricing_law.quotes import YEAR_SECONDS, Chain


@dataclass(frozen=True)
class PricingLaw:
    """A pricing law of one asset.

    Attributes
    ----------
    family : str
        ``black``, ``merton``, ``kou``, ``heston``, ``bates`` or ``svcj``.
    asset : str
    seconds : int
        Unix time at which the variance state v0 holds.
    parameters : tuple of float
        In the order of the names of the family.
    knots : ndarray of int, shape (E,)
        Unix times up to which each rate of the shift holds, increasing; empty without a shift.
    rates : ndarray, shape (E,)
        phi between the knots, variance per year, not negative; the last one holds for ever after.
    """

    family: str
    asset: str
    seconds: int
    parameters: tuple[float, ...]
    knots: Ints
    rates: Floats

    def __post_init__(self) -> None:
        names = Coordinates.of(self.family).names
        object.__setattr__(self, "parameters", tuple(float(p) for p in self.parameters))
        object.__setattr__(self, "knots", np.ascontiguousarray(self.knots, dtype=np.int64))
        object.__setattr__(self, "rates", np.ascontiguousarray(self.rates, dtype=np.float64))
        check_shape("rates", self.rates, self.knots.shape)
        if len(self.parameters) != len(names):
            raise ValueError(
                f"parameters must be {len(names)} numbers ({', '.join(names)}), got {len(self.parameters)}"
            )
        check_values(self.family, self.values)
        if (np.diff(self.knots) <= 0).any() or not (self.rates >= 0.0).all():
            raise ValueError("knots must increase and rates must not be negative")

    @property
    def values(self) -> dict[str, float]:
        """Parameters by name."""
        return dict(zip(Coordinates.of(self.family).names, self.parameters, strict=True))

    @property
    def name(self) -> str:
        """The family, with ``++`` where the variance has a deterministic shift."""
        return self.family + ("++" if self.knots.size else "")

    @property
    def feller(self) -> float:
        """2 kappa theta / xi^2: below 1 the variance reaches zero, which is allowed; NaN for a family without it."""
        if "kappa" not in self.values:
            return float("nan")
        v = self.values
        return 2.0 * v["kappa"] * v["theta"] / v["xi"] ** 2

    def shift(self, seconds: int, expiries: Ints) -> Floats:
        """Integral of phi from `seconds` to each of `expiries` (Unix time), shape of `expiries`."""
        if not self.knots.size:
            return np.zeros(np.shape(expiries))
        # the integral from the origin is piecewise linear; before the first knot its rate is the first
        corner = np.concatenate([[min(self.seconds, int(self.knots[0]) - 1)], self.knots]).astype(np.float64)
        level = np.concatenate([[0.0], np.cumsum(self.rates * np.diff(corner))])

        def integral(at):
            at = np.asarray(at, dtype=np.float64)
            inside = np.interp(at, corner, level)
            after = self.rates[-1] * np.maximum(at - corner[-1], 0.0)
            return inside + after - self.rates[0] * np.maximum(corner[0] - at, 0.0)

        return (integral(expiries) - integral(seconds)) / YEAR_SECONDS

    def prices(self, chain: Chain) -> Floats:
        """Prices of the options of `chain` in units of the forward, shape (Q,)."""
        shift = self.shift(chain.quotes.seconds, chain.expiries)
        return chain.pricer.prices(self.family, np.array(self.parameters), shift)

    def with_parameters(self, **changes: float) -> "PricingLaw":
        """The same law with other values for the parameters named."""
        return replace(self, parameters=tuple((self.values | changes).values()))
