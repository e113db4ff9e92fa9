"""Constant-product liquidity: the floating pool against the exact one, splitting, profitable sizes."""

import numpy as np
import pytest

from riskengine.liquidity.concentrated import Q96, sqrt_price_x96, swap_exact_in
from riskengine.liquidity.constant_product import (
    ConstantProduct,
    exact_output,
    impermanent_loss,
    profitable_range,
    sale_proceeds,
)

POOL = ConstantProduct({"ETH": 2e6}, fee=0.003, refill_half_life_hours=2.0)


def test_float_pool_is_the_exact_pool():
    # 1,000 coins against 2,000,000 USD at 2,000
    for coins in (1, 50, 1000, 10**6):
        exact = exact_output(1000 * 10**18, 2_000_000 * 10**18, coins * 10**18) / 10**18
        assert POOL.proceeds("ETH", coins, 2000.0) == pytest.approx(exact, rel=1e-12)


def test_splitting_a_sale_gains_nothing():
    first = POOL.proceeds("ETH", 30.0, 2000.0)
    second = POOL.proceeds("ETH", 70.0, 2000.0, outstanding=30.0 * 0.997)
    assert first + second == pytest.approx(POOL.proceeds("ETH", 100.0, 2000.0), rel=1e-12)


def test_refill():
    assert POOL.decay(2.0) == 0.5
    assert POOL.decay(0.0) == 1.0
    worn = POOL.proceeds("ETH", 10.0, 2000.0, outstanding=100.0)
    refilled = POOL.proceeds("ETH", 10.0, 2000.0, outstanding=100.0 * POOL.decay(20.0))
    assert worn < refilled < POOL.proceeds("ETH", 10.0, 2000.0)


@pytest.mark.parametrize("outstanding", [0.0, 120.0])
def test_profitable_range_is_where_the_profit_changes_sign(outstanding):
    cost, fixed, price, depth, keep = 1910.0, 50.0, 2000.0, 2e6, 0.997

    def profit(q):
        return sale_proceeds(q, price, depth, outstanding, keep) - cost * q - fixed

    low, high = profitable_range(cost, fixed, price, depth, outstanding, keep)
    if outstanding:
        # the pool already pays less than the cost
        assert low > high
        assert max(profit(q) for q in np.geomspace(1e-3, 1e3, 60)) < 0
    else:
        assert 0 < low < high
        assert profit(low) == pytest.approx(0.0, abs=1e-7)
        assert profit(high) == pytest.approx(0.0, abs=1e-7)
        assert profit(0.5 * (low + high)) > 0 > profit(0.99 * low)
        assert profit(1.01 * high) < 0


def test_unlimited_depth_sells_at_the_market():
    assert sale_proceeds(3.0, 2000.0, np.inf, 5.0, 1.0) == 6000.0
    assert profitable_range(1900.0, 50.0, 2000.0, np.inf, 0.0, 1.0) == (0.5, 1e300)
    low, high = profitable_range(2001.0, 50.0, 2000.0, np.inf, 0.0, 1.0)
    assert low > high


def test_gas_can_eat_all_profit():
    low, high = profitable_range(1910.0, 1e6, 2000.0, 2e6, 0.0, 0.997)
    assert low > high


def test_refuses():
    with pytest.raises(ValueError, match="depth_usd of ETH must lie in"):
        ConstantProduct({"ETH": 0.0})
    with pytest.raises(ValueError, match="fee must lie in"):
        ConstantProduct({"ETH": 1.0}, fee=1.0)
    with pytest.raises(ValueError, match="refill_half_life_hours must lie in"):
        ConstantProduct({"ETH": 1.0}, refill_half_life_hours=0.0)
    with pytest.raises(ValueError, match="price_ratio must lie in"):
        impermanent_loss(0.0)


def test_impermanent_loss_is_symmetric_and_never_a_gain():
    assert impermanent_loss(1.0) == 0.0
    assert impermanent_loss(0.25) == pytest.approx(impermanent_loss(4.0), abs=1e-15)
    assert all(impermanent_loss(k) < 0 for k in (0.1, 0.9, 1.1, 30.0))


def test_concentrated_swap_stays_in_range_and_keeps_the_fee():
    start, target, liquidity = sqrt_price_x96(1), sqrt_price_x96(2), 10**21
    up = swap_exact_in(start, target, liquidity, 10**18, 3000)
    assert start < up.sqrt_price < target
    assert up.amount_in + up.fee == 10**18
    down = swap_exact_in(start, Q96 // 2, liquidity, 10**18, 3000)
    assert Q96 // 2 < down.sqrt_price < start
    assert down.amount_in + down.fee == 10**18
    # symmetric pool at price 1: the same output on both sides, up to a unit of rounding
    assert abs(up.amount_out - down.amount_out) <= 1
    whole = swap_exact_in(start, target, liquidity, 10**24, 3000)
    assert whole.sqrt_price == target
    assert whole.amount_in + whole.fee < 10**24
