"""Collateral that is not a coin: what a staked, pool or principal token is made of, now and at maturity.

A wrapped token follows the asset that it lists.  At spot S of the asset it is x coins of it and y dollars,

    price = x S + y,   x and y functions of S, of time, and of how far the yield z has moved since time 0:

    staked      x = rate e^{growth t}, the exchange rate of a liquid staking token
    pool        x = L e^{fee t} (1/r - 1/sqrt(high)),  y = L e^{fee t} (r - sqrt(low)),  r = sqrt(S) kept in the range
    principal   x = coins e^{-(R(tau) + b z(t)) tau},  tau the years to maturity: coins exactly, at maturity

(`riskengine.pricing.pool`, `riskengine.market.curve`).  The oracle applies the same formula to the published price:
to that of another asset where a staked token says `priced_by`, as feeds do that multiply an exchange rate by the price
of the coin and see no depeg; with z = 0 where the discount is fixed in advance.  A keeper sells the x coins in
the liquidity of the asset, together with all else that is sold there, and has the y dollars at par; `exit_cost` is the
share of both that leaving the wrapper costs: redemption, or the pool of the token itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, ClassVar, Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.instrument.terms import PoolToken
from riskengine.market.curve import Curve
from riskengine.market.grid import HOURS_PER_YEAR
from riskengine.pricing.pool import holdings


@dataclass(frozen=True)
class Staked:
    """A liquid staking token.

    Attributes
    ----------
    rate : float
        Coins of the asset that a token redeems at time 0.
    growth : float
        Of the rate, per year, continuous.
    priced_by : str or None
        Asset whose feed the oracle multiplies by the rate; the token's own by default.
    exit_cost : float
    """

    kind: Literal["staked"] = "staked"
    rate: float = 1.0
    growth: float = 0.0
    priced_by: str | None = None
    exit_cost: float = 0.0
    yield_weight: ClassVar[float] = 0.0
    feed_sees_yield: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_range("rate", self.rate, 0.0, 1e12, open_low=True)
        check_range("growth", self.growth, -1.0, 1.0)
        check_range("exit_cost", self.exit_cost, 0.0, 1.0, open_high=True)

    def parts(self, spot: Floats, hours: float, moved: Floats | float) -> tuple[Floats, Floats | float]:
        """Coins of the asset and dollars of a token at `spot` (P,), `hours` after time 0."""
        return np.full_like(spot, self.rate * np.exp(self.growth * hours / HOURS_PER_YEAR)), 0.0


@dataclass(frozen=True)
class Pool:
    """A share of a constant-product pool of the asset and a dollar, over all prices or a range.

    Attributes
    ----------
    liquidity : float
        Of one token: sqrt(coins x dollars) of a share over all prices.
    low, high : float or None
        Prices between which it works; None: all.
    fee_rate : float
        At which liquidity grows, per year, continuous; 0 for a range.
    exit_cost : float
    """

    liquidity: float
    kind: Literal["pool"] = "pool"
    low: float | None = field(default=None, metadata={"written": "unless empty"})
    high: float | None = field(default=None, metadata={"written": "unless empty"})
    fee_rate: float = 0.0
    exit_cost: float = 0.0
    priced_by: ClassVar[None] = None
    yield_weight: ClassVar[float] = 0.0
    feed_sees_yield: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_range("liquidity", self.liquidity, 0.0, 1e12, open_low=True)
        check_range("exit_cost", self.exit_cost, 0.0, 1.0, open_high=True)
        self._terms()

    def _terms(self) -> PoolToken:
        """The same as a margin book has it, which checks the range and its fees."""
        return PoolToken("coin", "USD", self.low or 0.0, self.high or inf, self.fee_rate)

    def parts(self, spot: Floats, hours: float, moved: Floats | float) -> tuple[Floats, Floats]:
        """As `Staked.parts`."""
        terms = self._terms()
        coins, dollars = holdings(spot, terms.low, terms.high)
        grown = self.liquidity * np.exp(terms.fee_rate * hours / HOURS_PER_YEAR)
        return grown * coins, grown * dollars


@dataclass(frozen=True)
class Principal:
    """A zero-coupon claim on coins of the asset.

    Attributes
    ----------
    expiry_hours : float
        Maturity, from time 0.
    curve : Curve
        What the claim yields to each maturity, in coin.
    coins : float
        Paid at maturity.
    yield_weight : float
        By how much the yield moves with the asset's borrow rate, which the world must then have.
    feed_sees_yield : bool
        Whether the oracle's discount moves with it; by default it is that of the curve, as fixed in advance.
    exit_cost : float
    """

    expiry_hours: float
    curve: Curve
    kind: Literal["principal"] = "principal"
    coins: float = 1.0
    yield_weight: float = 0.0
    feed_sees_yield: bool = False
    exit_cost: float = 0.0
    priced_by: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_range("expiry_hours", self.expiry_hours, 0.0, inf, open_low=True, open_high=True)
        check_range("coins", self.coins, 0.0, 1e12, open_low=True)
        check_range("yield_weight", self.yield_weight, 0.0, 10.0)
        check_range("exit_cost", self.exit_cost, 0.0, 1.0, open_high=True)

    def parts(self, spot: Floats, hours: float, moved: Floats | float) -> tuple[Floats, float]:
        """As `Staked.parts`; `moved` is how far the asset's borrow rate is from that of time 0."""
        years = max(self.expiry_hours - hours, 0.0) / HOURS_PER_YEAR
        yields = self.curve.rate_to(years) + self.yield_weight * moved
        return self.coins * np.exp(-yields * years) * np.ones_like(spot), 0.0


Wrapping = Staked | Pool | Principal


@dataclass(frozen=True)
class Wrapped:
    """A wrapped token of a book: its row, the asset it follows and the one whose feed prices it, as rows of spot."""

    row: int
    asset: int
    feed: int
    rule: Wrapping

    def parts(self, spot: Floats, hours: float, moved: Floats | None, told: bool) -> tuple[Floats, Floats]:
        """Coins, dollars and their worth at prices `spot` (A, P): the market's, or those `told` to the protocol."""
        blind = moved is None or told and not self.rule.feed_sees_yield
        price = spot[self.feed if told else self.asset]
        coins, dollars = self.rule.parts(price, hours, 0.0 if blind else moved[self.asset])
        return coins, dollars, coins * price + dollars


def wrapped_rows(tokens: Any, assets: tuple[str, ...]) -> tuple[Wrapped, ...]:
    """Those of `tokens` that wrap something; ValueError where what a feed reads is no asset of the world."""
    found = []
    for r, token in enumerate(tokens):
        rule = getattr(token, "wraps", None)
        if rule is None:
            continue
        feed = rule.priced_by or token.asset
        if feed not in assets:
            raise ValueError(f"priced_by of {token.symbol} must be one of {', '.join(assets)}, got {feed!r}")
        found.append(Wrapped(r, assets.index(token.asset), assets.index(feed), rule))
    return tuple(found)


def check_wraps(token: Any) -> None:
    """ValueError where a token that wraps an asset names none."""
    if token.wraps is not None and token.asset is None:
        raise ValueError(f"{token.symbol} asset must be given for a token that wraps it, got none")


def listed_wrappings(rules: Any) -> Iterator[Any]:
    """Every token listed by a market's `rules` that wraps something."""
    for f in fields(rules):
        value = getattr(rules, f.name)
        for token in value if isinstance(value, tuple) else ():
            if getattr(token, "wraps", None) is not None:
                yield token
