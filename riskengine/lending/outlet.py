"""What a market sells into, between the calls: how it refills, what stays of an impact, what all that is left brings.

`state` is that of a market on a block, `riskengine.lending.block_market.BookState`.  Where the liquidity says that a
share of its impact stays, ``own["stays"]`` (A, P) is the square root of the coins whose impact does: what the impact of
a square-root law is proportional to.
"""

from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.liquidity.sale_curve import sale_on_lanes
from riskengine.roles import Liquidity


def left_of_sales(liquidity: Liquidity, state: Any, hours: float) -> float | Floats:
    """Share of what was sold that is left after `hours`; of sources that differ (A * sources, 1)."""
    each = liquidity.decay(hours)
    if isinstance(each, float):
        return each
    return np.repeat(each, len(state.outstanding) // each.size)[:, None]


def refill(liquidity: Liquidity, state: Any, hours: float) -> None:
    """Let `hours` pass: what is outstanding decays, but for what stays."""
    left = left_of_sales(liquidity, state, hours)
    if "stays" not in state.own:
        state.outstanding *= left
        return
    stays = state.own["stays"]
    state.outstanding[:] = (stays + (np.sqrt(state.outstanding) - stays) * np.sqrt(left)) ** 2


def stay(liquidity: Liquidity, state: Any, before: Floats, spot: Floats) -> Floats | None:
    """Let a share of this step's impact stay; the log-price that it moves where prices feed back, (A, P).

    Parameters
    ----------
    liquidity : Liquidity
        Of the square-root law.
    state : BookState
    before : ndarray, shape (A, P)
        Square root of what was outstanding before the calls.
    spot : ndarray, shape (A, P)
        Market prices.
    """
    now = np.sqrt(state.outstanding)
    stayed = liquidity.permanent_share * (now - before)
    if not state.own.get("coupled"):
        state.own["stays"] += stayed
        return None
    state.outstanding[:] = (now - stayed) ** 2
    # an asset that nothing is sold into has no coefficient
    k = np.where(np.isfinite(state.depth), state.depth, 0.0)
    return np.log1p(-k * np.sqrt(spot) * stayed)


def sale_prices(liquidity: Liquidity, state: Any, coins: Floats, spot: Floats) -> Floats:
    """USD that each of `coins` (R, P) brings when all are sold at once at market prices `spot` (A, P), shape (R, P)."""
    price, each, dollars = state.sold_as(spot)
    out, outstanding = price.copy(), state.outstanding.copy()
    # an asset without liquidity is that of debt: nothing of it is for sale
    for asset in np.flatnonzero(np.isfinite(state.depth).all(axis=tuple(range(1, state.depth.ndim)))):
        own = state.reserve_asset == asset
        if not own.any():
            continue
        total = (coins[own] * each[own]).sum(axis=0)
        market = np.ascontiguousarray(price[own][0])
        paid = np.empty_like(market)
        sale_on_lanes(state.depth, asset, outstanding, total, market, liquidity.keep, paid)
        out[own] = np.divide(paid, total, out=market.copy(), where=total > 0) * each[own] + dollars[own]
    return out
