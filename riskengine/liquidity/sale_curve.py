"""What any kind of liquidity pays: `curve_sale` and `curve_range` for kernels, `range_at_once` for one question.

The rank of `Liquidity.table` says which curve it holds, so the choice is made when a kernel is compiled: depths of
pools, (A,); coefficients of the square-root law, (A, 1); or ladders, (A, 1 + sources, rungs + 1).
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel
from riskengine.liquidity.constant_product import profitable_range, sale_proceeds
from riskengine.liquidity.ladder import ladder_range, ladder_sale
from riskengine.liquidity.square_root import impact_range, impact_sale
from riskengine.roles import Liquidity


@kernel(inline=True)
def curve_range(table, a, outstanding, p, cost, fixed, price, keep):
    """Smallest and largest sale (coins) of asset `a` that pays `cost` USD a coin and `fixed`; (1, 0) for none.

    Parameters
    ----------
    table : ndarray
    a, p : int
        Asset and lane.
    outstanding : ndarray, shape (A * sources, P)
        Coins sold and not refilled; into a pool, net of its fee.
    cost, fixed : float
    price : float
        Market price.
    keep : float
        `Liquidity.keep`.
    """
    if table.ndim == 1:
        return profitable_range(cost, fixed, price, table[a], outstanding[a, p], keep)
    if table.ndim == 2:
        return impact_range(table, a, outstanding, p, cost, fixed, price, keep)
    return ladder_range(table, a, outstanding, p, cost, fixed, price)


@kernel(inline=True)
def curve_sale(table, a, outstanding, p, coins, price, keep):
    """USD paid for `coins`; `outstanding` moves.  Arguments as in `curve_range`."""
    if table.ndim == 1:
        paid = sale_proceeds(coins, price, table[a], outstanding[a, p], keep)
        outstanding[a, p] += coins * keep
        return paid
    if table.ndim == 2:
        return impact_sale(table, a, outstanding, p, coins, price, keep)
    return ladder_sale(table, a, outstanding, p, coins, price)


@kernel
def sale_on_lanes(table, a, outstanding, coins, price, keep, paid):
    """USD for `coins` (P,) of asset `a` at `price` (P,) into `paid` (P,); `outstanding` moves."""
    for p in range(coins.size):
        paid[p] = curve_sale(table, a, outstanding, p, coins[p], price[p], keep)


@kernel
def _range_at_once(table, outstanding, cost, price, keep, found):
    low, high = curve_range(table, 0, outstanding, 0, cost, 0.0, price, keep)
    found[0], found[1] = low, high


def range_at_once(liquidity: Liquidity, asset: str, cost: float, price: float) -> tuple[float, float]:
    """Smallest and largest sale (coins) that pays `cost` USD a coin at the market `price`, nothing sold before."""
    table = liquidity.table((asset,))
    if table.ndim == 1:
        return profitable_range(cost, 0.0, price, float(table[0]), 0.0, liquidity.keep)
    return range_on_lane(table, np.zeros((liquidity.sources, 1)), cost, liquidity.keep, price)


def range_on_lane(
    table: Floats, outstanding: Floats, cost: float, keep: float, price: float = 1.0
) -> tuple[float, float]:
    """As `range_at_once` of the first asset of a `Liquidity.table`, `outstanding` (sources, 1) sold before."""
    found = np.empty(2)
    _range_at_once(table, outstanding, cost, price, keep, found)
    return float(found[0]), float(found[1])
