"""The drawdown-step rule for a loan-to-value, as open recommenders use it: a baseline, and what decides it.

The price falls by `step` again and again until it has fallen by `drawdown`.  At each step keepers sell, into a pool
that is full again, what they can sell at a profit.  The largest loan-to-value at which one large loan leaves no bad
debt is recommended.  A step has no time unit, so the number of refills, not the law of the price, decides: half the
step is twice the liquidity.  Neither volatility nor a probability enters.
"""

from riskengine.arrays import check_range
from riskengine.liquidity.sale_curve import range_at_once
from riskengine.roles import Liquidity


def leaves_bad_debt(
    factor: float, size_usd: float, bonus: float, drawdown: float, step: float, asset: str, pool: Liquidity
) -> bool:
    """Whether a loan of `size_usd` of collateral borrowed up to `factor` of it leaves bad debt."""
    coins, debt, price = size_usd, factor * size_usd, 1.0
    while price * (1.0 - step) >= 1.0 - drawdown - 1e-12 and debt > 0.0:
        price *= 1.0 - step
        cost = price / (1.0 + bonus)
        low, high = range_at_once(pool, asset, cost, price)
        sold = min(high, coins, debt / cost) if low <= high else 0.0
        coins -= sold
        debt -= sold * cost
        if debt > 1e-9 * size_usd and coins * price < debt:
            return True
    return False


def drawdown_step_factor(
    size_usd: float, bonus: float, drawdown: float, step: float, asset: str, pool: Liquidity
) -> float:
    """Largest loan-to-value without bad debt, at most 1 / (1 + bonus), by bisection; 0 where none is.

    Parameters
    ----------
    size_usd : float
        Collateral of the one loan.
    bonus : float
    drawdown, step : float
        Inside (0, 1).
    asset : str
        Of the pool it is sold into.
    pool : Liquidity
    """
    check_range("drawdown", drawdown, 0.0, 1.0, open_low=True, open_high=True)
    check_range("step", step, 0.0, 1.0, open_low=True, open_high=True)
    low, high = 0.0, 1.0 / (1.0 + bonus)
    asked = (size_usd, bonus, drawdown, step, asset, pool)
    if not leaves_bad_debt(high, *asked):
        return high
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if leaves_bad_debt(middle, *asked) else (middle, high)
    return low
