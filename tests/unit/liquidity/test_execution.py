"""Fills: slippage is the derivative of cost, limits bind, splitting gains nothing, pools keep their product."""

import itertools

import pytest

from riskengine.liquidity.constant_product import ConstantProduct, exact_output, purchase_cost, sale_proceeds
from riskengine.liquidity.execution import (
    BOOK,
    BUY,
    POOL,
    SELL,
    Execution,
    OrderBook,
    fill_cost,
    fill_limit,
    fill_slippage,
    fill_take,
)

DEPTH, SPREAD, KEEP = 2e6, 3e-4, 0.997
PLACES = list(itertools.product((BOOK, POOL), (SELL, BUY), (0.0, 3e5)))


@pytest.mark.parametrize(("where", "side", "taken"), PLACES)
def test_slippage_is_the_derivative_of_cost(where, side, taken):
    for x in (1e3, 1e5, 7e5):
        h = 1e-4 * x
        up, down = (fill_cost.py_func(where, side, x + s * h, DEPTH, taken, SPREAD, KEEP) for s in (1, -1))
        slope = fill_slippage.py_func(where, side, x, DEPTH, taken, SPREAD, KEEP)
        assert (up - down) / (2 * h) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(("where", "side", "taken"), PLACES)
def test_the_last_dollar_is_filled_at_the_limit(where, side, taken):
    limit = 0.4  # past what has been taken from the pool
    reach = 0.02
    most = fill_limit(where, side, limit, reach, DEPTH, taken, SPREAD, KEEP)
    assert most > 0
    wanted = reach if where == BOOK else limit
    assert fill_slippage.py_func(where, side, most, DEPTH, taken, SPREAD, KEEP) == pytest.approx(wanted, rel=1e-12)
    assert fill_limit(where, side, 1e-4, reach, DEPTH, taken, SPREAD, KEEP) == 0.0


@pytest.mark.parametrize(("where", "side", "taken"), PLACES)
def test_two_fills_cost_what_one_does(where, side, taken):
    first, second = 2e5, 3e5
    one = fill_cost.py_func(where, side, first + second, DEPTH, taken, SPREAD, KEEP)
    cost = fill_cost.py_func(where, side, first, DEPTH, taken, SPREAD, KEEP)
    after = taken + fill_take.py_func(where, side, first, cost, KEEP)
    assert cost + fill_cost.py_func(where, side, second, DEPTH, after, SPREAD, KEEP) == pytest.approx(one, rel=1e-12)


def test_a_purchase_keeps_the_product_of_the_pool():
    coins, price, depth = 13.0, 2_000.0, 1e6
    paid = purchase_cost.py_func(coins, price, depth, 0.0, KEEP)
    reserve = depth / price
    assert (reserve - coins) * (depth + KEEP * paid) == pytest.approx(reserve * depth, rel=1e-12)
    # the integer pool with 0.3 % gives back the coins that the payment was for
    unit = 10**18
    got = exact_output(int(depth * unit), int(reserve * unit), int(paid * unit))
    assert got / unit == pytest.approx(coins, rel=1e-12)
    # buying what was sold costs the fee on both ways
    sold = sale_proceeds.py_func(coins, price, depth, 0.0, 1.0)
    assert purchase_cost.py_func(coins, price, depth - sold, 0.0, 1.0) >= sold


def test_records_say_what_is_wrong():
    with pytest.raises(ValueError, match="reach"):
        OrderBook({"BTC": 1e6}, 0.01, 0.005)
    with pytest.raises(ValueError, match="depth_usd of BTC"):
        OrderBook({"BTC": 0.0})
    with pytest.raises(ValueError, match="limit"):
        Execution(OrderBook({"BTC": 1e6}), limit=1.0)
    both = Execution(OrderBook({"BTC": 1e6}, 0.001), ConstantProduct({"BTC": 1e6}, 0.003))
    assert both.first_slippage == pytest.approx(1 / 0.997 - 1)
