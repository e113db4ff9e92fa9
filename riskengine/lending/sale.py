"""What seized collateral fetches: sold into the pool of the asset it follows, at par where its price is fixed."""

from riskengine.jit import kernel
from riskengine.liquidity.constant_product import profitable_range, sale_proceeds


@kernel(inline=True)
def sale_range(c, p, cost, gas, market, reserve_asset, depth, outstanding, keep):
    """Smallest and largest sale of token `c` (coins) that pays `cost` USD a coin and `gas`; (1, 0) for none."""
    a = reserve_asset[c]
    # collateral of fixed price is not sold into a pool
    deep = depth[a] if a >= 0 else 1e300
    before = outstanding[a, p] if a >= 0 else 0.0
    return profitable_range(cost, gas, market[c, p], deep, before, keep if a >= 0 else 1.0)


@kernel(inline=True)
def sell(c, p, coins, market, reserve_asset, depth, outstanding, sold, keep):
    """USD paid for `coins` of token `c`; the pool and the coins sold move with it."""
    a = reserve_asset[c]
    if a < 0:
        return coins * market[c, p]
    paid = sale_proceeds(coins, market[c, p], depth[a], outstanding[a, p], keep)
    outstanding[a, p] += coins * keep
    sold[a, p] += coins
    return paid
