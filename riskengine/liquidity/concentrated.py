"""Concentrated liquidity (Uniswap v3): swaps through tick ranges in exact integers, and ranges around a mark.

Square-root prices are Q64.96.  Within a range, token1 moves by L d(sqrt P) and token0 by L d(1 / sqrt P); amounts in
round up, amounts out round down.  A swap that reaches the end of a range goes on in the next with that range's L.

`Concentrated` is the pool that liquidators sell into: ranges below the mark, each with the USD in it, as rungs of
`riskengine.liquidity.ladder`; L = USD / (sqrt(1 - d_k) - sqrt(1 - d_{k+1})) between the distances d_k and d_{k+1}.

Reference: ``SwapMath``, ``SqrtPriceMath``, ``UniswapV3Pool`` (behaviour re-implemented).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import isqrt
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.liquidity.ladder import merged, stacked
from riskengine.liquidity.order_book import check_bands
from riskengine.pricing.fixed_point import check_integers, mul_div_ceil, mul_div_floor

Q96 = 2**96
MILLION = 10**6


def sqrt_price_x96(price: Fraction) -> int:
    """Square root of `price` (token1 per token0) as Q64.96, rounded down."""
    if not price > 0:
        raise ValueError(f"price must be above 0, got {price}")
    return isqrt(price.numerator * 2**192 // price.denominator)


def amount0_delta(a: int, b: int, liquidity: int, round_up: bool) -> int:
    """Token0 between two square-root prices."""
    low, high = min(a, b), max(a, b)
    if round_up:
        return -(-mul_div_ceil(liquidity * Q96, high - low, high) // low)
    return mul_div_floor(liquidity * Q96, high - low, high) // low


def amount1_delta(a: int, b: int, liquidity: int, round_up: bool) -> int:
    """Token1 between two square-root prices."""
    divide = mul_div_ceil if round_up else mul_div_floor
    return divide(liquidity, abs(b - a), Q96)


@dataclass(frozen=True)
class SwapStep:
    """Square-root price reached, input without fee, output and fee, raw units."""

    sqrt_price: int
    amount_in: int
    amount_out: int
    fee: int


def swap_exact_in(sqrt_price: int, target: int, liquidity: int, amount: int, fee_ppm: int) -> SwapStep:
    """Swap up to `amount` in, fee included, not beyond `target`; a target below the price sells token0."""
    check_integers(1, sqrt_price=sqrt_price, target=target, liquidity=liquidity)
    check_integers(amount=amount)
    check_integers(0, MILLION - 1, fee_ppm=fee_ppm)
    zero_for_one = sqrt_price >= target
    spendable = mul_div_floor(amount, MILLION - fee_ppm, MILLION)

    def needed(to: int) -> int:
        delta = amount0_delta if zero_for_one else amount1_delta
        return delta(sqrt_price, to, liquidity, True)

    if spendable >= needed(target):
        reached = target
    elif zero_for_one:
        # the pool rounds the price against the seller, hence up
        reached = mul_div_ceil(liquidity * Q96, sqrt_price, liquidity * Q96 + spendable * sqrt_price)
    else:
        reached = sqrt_price + spendable * Q96 // liquidity
    amount_in = needed(reached)
    out = amount1_delta if zero_for_one else amount0_delta
    fee = amount - amount_in if reached != target else mul_div_ceil(amount_in, fee_ppm, MILLION - fee_ppm)
    return SwapStep(reached, amount_in, out(sqrt_price, reached, liquidity, False), fee)


def swap_through(
    sqrt_price: int, ranges: Sequence[tuple[int, int]], amount: int, fee_ppm: int
) -> tuple[SwapStep, tuple[SwapStep, ...]]:
    """Swap up to `amount` in, fee included, through one range after the other.

    Parameters
    ----------
    sqrt_price : int
        Where the swap starts.
    ranges : sequence of (int, int)
        Square-root price at the far end of each range, and its liquidity, in the order in which they are met: falling
        ends sell token0, rising ones token1.
    amount : int
    fee_ppm : int

    Returns
    -------
    SwapStep
        Where it ends and the sums of amounts; less goes in than `amount` where the ranges end first.
    tuple of SwapStep
        One for each range.
    """
    steps: list[SwapStep] = []
    at, left = sqrt_price, amount
    for end, liquidity in ranges:
        if left == 0:
            break
        # nothing is there to swap against: the price moves on, nothing else does
        step = swap_exact_in(at, end, liquidity, left, fee_ppm) if liquidity else SwapStep(end, 0, 0, 0)
        steps.append(step)
        at, left = step.sqrt_price, left - step.amount_in - step.fee
    total = SwapStep(at, *(sum(getattr(s, name) for s in steps) for name in ("amount_in", "amount_out", "fee")))
    return total, tuple(steps)


@dataclass(frozen=True)
class Concentrated:
    """A pool whose liquidity lies in ranges.

    Attributes
    ----------
    distances : tuple of float
        Edges of the ranges below the mark, of the mark, increasing; the first is 0 where the pool is at the mark.
    depth_usd : dict of str to tuple of float
        Per asset: USD held in each range; one fewer than distances.
    fee : float
        Share of the input kept by the pool.
    refill_half_life_hours : float
        Time in which half of what was sold has been arbitraged away.
    source : tuple of str
        Where the figures are from.
    """

    distances: tuple[float, ...]
    depth_usd: dict[str, tuple[float, ...]]
    fee: float = 0.003
    refill_half_life_hours: float = 1.0
    source: tuple[str, ...] = field(default=(), metadata={"written": "unless empty"})
    kind: ClassVar[str] = "concentrated"
    keep: ClassVar[float] = 1.0
    sources: ClassVar[int] = 1
    permanent_share: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        check_bands(self.distances, self.depth_usd)
        check_range("fee", self.fee, 0.0, 1.0, open_high=True)
        check_range("refill_half_life_hours", self.refill_half_life_hours, 0.0, 1e6, open_low=True)

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets it takes."""
        return tuple(self.depth_usd)

    def ladder(self, asset: str) -> tuple[Floats, Floats]:
        """Edges and liquidities of its rungs, in units of what a seller is paid."""
        s = np.sqrt(1.0 - np.array(self.distances))
        keep = np.sqrt(1.0 - self.fee)
        return keep * s, np.array(self.depth_usd[asset]) / -np.diff(s) / keep

    def table(self, assets: tuple[str, ...]) -> Floats:
        """Ladders of `assets`, shape (A, 2, rungs + 1)."""
        return stacked(assets, {a: merged([self.ladder(a)]) for a in self.depth_usd})

    def decay(self, hours: float) -> float:
        """Share of what was sold that is left after `hours`."""
        return 0.5 ** (hours / self.refill_half_life_hours)
