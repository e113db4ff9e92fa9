"""Concentrated liquidity (Uniswap v3): one swap step inside a tick range, exact integers.

Square-root prices are Q64.96.  Within a range, token1 moves by L d(sqrt P) and token0 by L d(1 / sqrt P); amounts in
round up, amounts out round down.

Reference: ``SwapMath``, ``SqrtPriceMath`` (behaviour re-implemented).
"""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from riskengine.pricing.fixed_point import mul_div_ceil, mul_div_floor

Q96 = 2**96
MILLION = 10**6


def sqrt_price_x96(price: Fraction) -> int:
    """Square root of `price` (token1 per token0) as Q64.96, rounded down."""
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
