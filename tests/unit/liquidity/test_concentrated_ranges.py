"""Swaps through tick ranges: published cases to the integer, and the floating ladder against the integers."""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.liquidity.concentrated import Q96, Concentrated, sqrt_price_x96, swap_through
from riskengine.liquidity.sale_curve import sale_on_lanes

E18 = 10**18


def at_tick(tick):
    """sqrt(1.0001^tick) as Q64.96, rounded up as TickMath does."""
    with localcontext() as context:
        context.prec = 80
        return int((Decimal("1.0001") ** Decimal(tick) * 2**192).sqrt()) + (1 if tick else 0)


MIN, MAX = at_tick(-887200), at_tick(887200)
BELOW, ABOVE = at_tick(-60), at_tick(60)


# test/__snapshots__/UniswapV3Pool.swaps.spec.ts.snap of Uniswap/v3-core, fee 3000 ppm, price 1: two pools whose
# liquidity beyond tick 60 either way is 2e18 more than around the price (2e18, or none)
@pytest.mark.parametrize(
    ("around", "beyond", "amount", "paid"),
    [
        (2, 4, E18, 795933705287758544),
        (2, 4, 1000, 996),
        (0, 2, E18, 662011820624678025),
        (0, 2, 1000, 991),
    ],
)
@pytest.mark.parametrize("ends", [(BELOW, MIN), (ABOVE, MAX)])
def test_published_swaps_that_cross_ticks(around, beyond, amount, paid, ends):
    ranges = [(ends[0], around * E18), (ends[1], beyond * E18)]
    total, steps = swap_through(Q96, ranges, amount, 3000)
    assert total.amount_out == paid
    assert total.amount_in + total.fee == amount
    assert len(steps) == (2 if amount == E18 or around == 0 else 1)


@pytest.mark.parametrize(
    ("around", "beyond", "spent", "paid"),
    [(2, 4, 2325523181756544449, 1464187161953474971), (0, 2, 1159748196632793863, 729098226020826705)],
)
@pytest.mark.parametrize(("tick", "limit"), [(BELOW, Fraction(2, 5)), (ABOVE, Fraction(5, 2))])
def test_published_swaps_to_a_price(around, beyond, spent, paid, tick, limit):
    ranges = [(tick, around * E18), (sqrt_price_x96(limit), beyond * E18)]
    total, _ = swap_through(Q96, ranges, 10**24, 3000)
    assert (total.amount_in + total.fee, total.amount_out) == (spent, paid)
    assert total.sqrt_price == sqrt_price_x96(limit)


@settings(max_examples=60, deadline=None)
@given(
    depth=st.lists(st.sampled_from([0.0, 2e5, 1e6, 3e7]), min_size=4, max_size=4).filter(any),
    fee=st.sampled_from([100, 500, 3000, 10000]),
    sizes=st.lists(st.floats(0.001, 400.0), min_size=1, max_size=4),
    price=st.sampled_from([1800, 2000, 3777]),
)
def test_lanes_are_the_integers(depth, fee, sizes, price):
    """One pool of ranges, several sales: the ladder within 1e-9 of swaps in wei, sale by sale."""
    edges = (0.0, 0.01, 0.05, 0.2, 0.6)
    pool = Concentrated(edges, {"ETH": tuple(depth)}, fee / 1e6)
    mark = Fraction(price)
    roots = [sqrt_price_x96(mark * (1 - Fraction(str(d)))) for d in edges]
    ranges = []
    for (high, low), usd in zip(zip(roots, roots[1:], strict=False), depth, strict=True):
        ranges.append((low, int(usd * E18) * Q96 // (high - low)))
    at, outstanding, paid = roots[0], np.zeros((1, 1)), np.empty(1)
    sold = bought = 0
    for coins in sizes:
        wei = int(coins * E18)
        left = [(end, liquidity) for end, liquidity in ranges if end < at]
        total, _ = swap_through(at, left, wei, fee)
        sale_on_lanes(pool.table(("ETH",)), 0, outstanding, np.array([wei / E18]), np.array([float(price)]), 1.0, paid)
        # what is left of a ladder that is all but empty is a difference of its sums, exact to their rounding only
        assert paid[0] == pytest.approx(total.amount_out / E18, rel=1e-9, abs=1e-13 * sum(depth))
        at = total.sqrt_price
        sold, bought = sold + total.amount_in + total.fee, bought + total.amount_out
    assert outstanding[0, 0] == pytest.approx(sold / E18, rel=1e-9)
    assert bought <= sum(int(usd * E18) for usd in depth)
