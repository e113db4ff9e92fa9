"""Constant-product liquidity: exact Uniswap v2 output, and a floating version with a stated depth that refills.

A pool with reserves x (coins) and y (USD) pays y g q / (x + g q) for q coins, g = 1 - fee.  The floating pool is
centred on the market price S: x0 = depth / S coins against `depth` USD.  Sales leave it off-centre by n coins (net of
fee), arbitrage refills it with a half-life, and

    proceeds(q) = (x0 depth / X) g q / (X + g q),   X = x0 + n.

Selling q1 then q2 pays what q1 + q2 pays at once, so splitting a sale gains nothing.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.jit import kernel
from riskengine.pricing.fixed_point import check_integers
from riskengine.vecmath import root


@dataclass(frozen=True)
class ConstantProduct:
    """Liquidity into which liquidators sell.

    Attributes
    ----------
    depth_usd : dict of str to float
        Per asset: USD on one side of the pool at the market price.
    fee : float
        Share of the input kept by the pool.
    refill_half_life_hours : float
        Time in which half of what was sold has been arbitraged away.
    source : tuple of str
        Where the figures are from.
    """

    depth_usd: dict[str, float]
    fee: float = 0.003
    refill_half_life_hours: float = 1.0
    source: tuple[str, ...] = field(default=(), metadata={"written": "unless empty"})
    kind: ClassVar[str] = "constant_product"
    sources: ClassVar[int] = 1
    permanent_share: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        for asset, depth in self.depth_usd.items():
            check_range(f"depth_usd of {asset}", depth, 0.0, 1e15, open_low=True)
        check_range("fee", self.fee, 0.0, 1.0, open_high=True)
        check_range("refill_half_life_hours", self.refill_half_life_hours, 0.0, 1e6, open_low=True)

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets it takes."""
        return tuple(self.depth_usd)

    @property
    def keep(self) -> float:
        """Share of the input that is swapped."""
        return 1.0 - self.fee

    def table(self, assets: tuple[str, ...]) -> Floats:
        """Depth of `assets`, shape (A,); infinite for those it does not take."""
        return np.array([self.depth_usd.get(a, np.inf) for a in assets], dtype=np.float64)

    def ladder(self, asset: str) -> tuple[Floats, Floats]:
        """The pool as the one rung of a ladder (`riskengine.liquidity.ladder`)."""
        s = np.sqrt(self.keep)
        return np.array([s, 0.0]), np.array([self.depth_usd[asset] / s])

    def decay(self, hours: float) -> float:
        """Share of the imbalance that is left after `hours`."""
        return 0.5 ** (hours / self.refill_half_life_hours)

    def proceeds(self, asset: str, coins: float, price: float, outstanding: float = 0.0) -> float:
        """USD paid for `coins` of `asset` at market `price`, `outstanding` coins of earlier sales not yet refilled."""
        return sale_proceeds.py_func(coins, price, self.depth_usd[asset], outstanding, 1.0 - self.fee)


@kernel(inline=True)
def sale_proceeds(coins, price, depth, outstanding, keep):
    """USD for `coins`; `keep` is 1 - fee.  An infinite `depth` pays the market price less the fee."""
    centre = depth / price
    x = centre + outstanding
    paid = centre * depth / x * keep * coins / (x + keep * coins)
    return paid if depth < 1e300 else keep * coins * price


@kernel(inline=True)
def purchase_cost(coins, price, depth, outstanding, keep):
    """USD paid for `coins`: the pool with its two sides exchanged, `outstanding` USD (net of fee) of earlier purchases.

    A payment u takes (depth / price)(depth / Y) keep u / (Y + keep u) coins, Y = depth + outstanding; no payment takes
    all of the coins there are, and the answer for as many is not positive.  An infinite `depth` sells at market plus
    the fee.
    """
    y = depth + outstanding
    there = depth / price * depth / y
    return coins * y / (keep * (there - coins)) if depth < 1e300 else coins * price / keep


@kernel(inline=True)
def profitable_range(cost, fixed, price, depth, outstanding, keep):
    """Smallest and largest sale q (coins) with proceeds(q) >= cost q + fixed; (1, 0) where there is none.

    The condition is a quadratic in q: cost g q^2 - (y g - cost X - fixed g) q + fixed X <= 0, y = x0 depth / X.
    """
    centre = depth / price
    x = centre + outstanding
    y = centre * depth / x
    middle = y * keep - cost * x - fixed * keep
    discriminant = middle * middle - 4.0 * cost * keep * fixed * x
    low, high = 1.0, 0.0
    if depth >= 1e300:
        margin = keep * price - cost
        if margin > 0.0:
            low, high = fixed / margin, 1e300
    elif middle > 0.0 and discriminant >= 0.0:
        high = (middle + root(discriminant)) / (2.0 * cost * keep)
        # product of the roots is fixed x / (cost keep): no cancellation in the small one
        low = fixed * x / (cost * keep) / high
    return low, high


def exact_output(
    reserve_in: int, reserve_out: int, amount_in: int, fee_numerator: int = 997, fee_denominator: int = 1000
) -> int:
    """Uniswap v2's exact-input output, raw units, rounded down; ValueError where the contract reverts."""
    check_integers(1, reserve_in=reserve_in, reserve_out=reserve_out, amount_in=amount_in)
    check_integers(1, fee_denominator=fee_denominator)
    check_integers(1, fee_denominator, fee_numerator=fee_numerator)
    paid_in = amount_in * fee_numerator
    return paid_in * reserve_out // (reserve_in * fee_denominator + paid_in)


def impermanent_loss(price_ratio: float) -> float:
    """Value of a constant-product position against holding, minus 1, after the price moved by `price_ratio`."""
    check_range("price_ratio", price_ratio, 0.0, float("inf"), open_low=True, open_high=True)
    return 2.0 * price_ratio**0.5 / (1.0 + price_ratio) - 1.0
