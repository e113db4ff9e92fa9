"""OCC TIMS (customer portfolio margin): the worst of ten valuation points, repriced at constant implied volatility.

Idea.  Every option of a class is repriced with its own implied volatility at ten spot prices; stock moves with spot;
what the whole class group loses at the worst point is required, at least a minimum per contract:

    requirement = max(-min_x sum of P&L(x), minimum x contracts).
Groups of one product group offset: of a gain at a point only a share counts against the losses of the others, point by
point, before the worst is taken; each group's minimum is added up and stays.

Equity options are American, repriced on a lattice; index options European, by Black-Scholes.  Reference: OCC, customer
portfolio margin (TIMS); FINRA rule 4210(g); Cboe, "Margin requirement examples for sample options-based positions".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, as_floats, check_range
from riskengine.pricing.black import black76
from riskengine.pricing.implied_vol import implied_volatility
from riskengine.pricing.lattice import lattice_implied_volatility, lattice_price

# valuation points as moves of spot, by product (FINRA rule 4210(g)(9))
EQUITY_POINTS = (-0.15, -0.12, -0.09, -0.06, -0.03, 0.03, 0.06, 0.09, 0.12, 0.15)
BROAD_INDEX_POINTS = (-0.10, -0.08, -0.06, -0.04, -0.02, 0.02, 0.04, 0.06, 0.08, 0.10)
LARGE_INDEX_POINTS = (-0.08, -0.064, -0.048, -0.032, -0.016, 0.012, 0.024, 0.036, 0.048, 0.06)


@dataclass(frozen=True)
class Leg:
    """An option position.

    Attributes
    ----------
    kind : {"call", "put"}
    strike : float
        USD.
    contracts : float
        Signed, + long.
    price : float
        Quoted, USD per unit; the implied volatility is that of this price.
    """

    kind: Literal["call", "put"]
    strike: float
    contracts: float
    price: float

    def __post_init__(self) -> None:
        if self.kind not in ("call", "put"):
            raise ValueError(f"kind must be call or put, got {self.kind!r}")
        check_range("strike", self.strike, 0.0, np.inf, open_low=True, open_high=True)
        check_range("price", self.price, 0.0, np.inf, open_high=True)


@dataclass(frozen=True)
class ClassGroup:
    """What all options on one underlying share.

    Attributes
    ----------
    spot : float
        USD.
    rate, dividend_yield : float
        Continuously compounded, per year.
    years : float
        To expiry.
    american : bool
    multiplier : float
        Units per contract.
    points : tuple of float
        Moves of spot.
    minimum_per_contract : float
        USD; 0.375 times the multiplier.
    """

    spot: float
    rate: float
    dividend_yield: float
    years: float
    american: bool = True
    multiplier: float = 100.0
    points: tuple[float, ...] = EQUITY_POINTS
    minimum_per_contract: float = 37.5

    def __post_init__(self) -> None:
        for name in ("spot", "years", "multiplier"):
            check_range(name, getattr(self, name), 0.0, np.inf, open_low=True, open_high=True)
        check_range("minimum_per_contract", self.minimum_per_contract, 0.0, np.inf, open_high=True)
        if not self.points or min(self.points) <= -1.0:
            raise ValueError(f"points must hold moves above -1, got {self.points}")

    def pnl(self, legs: Sequence[Leg], shares: float = 0.0) -> Floats:
        """Gain of the positions at every valuation point, USD, shape (points,).

        Raises
        ------
        ValueError
            Where a quoted price has no implied volatility.
        """
        moves = as_floats("points", self.points, 1)
        out = shares * self.spot * moves
        if not legs:
            return out
        strike = np.array([leg.strike for leg in legs])
        sign = np.array([1.0 if leg.kind == "call" else -1.0 for leg in legs])
        price = np.array([leg.price for leg in legs])
        units = self.multiplier * np.array([leg.contracts for leg in legs])
        moved = self.spot * (1.0 + moves)
        if self.american:
            terms = (self.years, self.rate, self.dividend_yield)
            sigma = lattice_implied_volatility(price, self.spot, strike, *terms, sign)
            value = lattice_price(moved[:, None], strike, *terms, sigma, sign)
        else:
            growth = np.exp((self.rate - self.dividend_yield) * self.years)
            discount = np.exp(-self.rate * self.years)
            sigma = implied_volatility(price, self.spot * growth, strike, self.years, sign, discount)
            value = black76(moved[:, None] * growth, strike, self.years, sigma, sign, discount)
        return out + (value - price) @ units

    def minimum(self, legs: Sequence[Leg]) -> float:
        """Least requirement of the positions, USD."""
        return self.minimum_per_contract * sum(abs(leg.contracts) for leg in legs)

    def requirement(self, legs: Sequence[Leg], shares: float = 0.0) -> float:
        """Requirement of the class group, USD: loss at the worst point, or the minimum."""
        return max(-float(self.pnl(legs, shares).min()), self.minimum(legs))


def product_group_requirement(pnl: Sequence[Floats], minimum: Sequence[float], offset: float) -> float:
    """Requirement of class groups that offset each other, USD.

    Parameters
    ----------
    pnl : sequence of ndarray, shape (points,)
        Gain of each class group, at the same points.
    minimum : sequence of float
        Least requirement of each, USD.
    offset : float
        Share of a gain that counts against the losses of others, in [0, 1].
    """
    check_range("offset", offset, 0.0, 1.0)
    gains = np.stack([as_floats("pnl", x, 1) for x in pnl])
    if len(minimum) != len(gains):
        raise ValueError(f"minimum must hold one figure for each of {len(gains)} class groups, got {len(minimum)}")
    counted = np.where(gains > 0.0, offset * gains, gains).sum(axis=0)
    return max(-float(counted.min()), float(sum(minimum)))
