"""How much collateral keepers can clear at a profit: at once, and in a day of selling as liquidity comes back.

A keeper who gets k USD of collateral at the market for each USD repaid does not lose while a sale pays at least 1/k of
the mark on average.  That bounds a sale, whatever the size of the positions; in a day every hour adds what has refilled
by then.  Prices stand still and gas is left out, so the figure is a ceiling.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from riskengine.lending.block_market import BlockMarket
from riskengine.liquidity.sale_curve import range_on_lane, sale_on_lanes

_HOURS = 24


class Clearable(NamedTuple):
    """USD of a token's collateral at the mark that can be cleared; None where no liquidity bounds it."""

    token: str
    at_once: float | None
    in_a_day: float | None


def clearable(market: BlockMarket) -> Iterator[Clearable]:
    """What keepers of `market` can clear of each collateral that follows an asset, at the largest incentive there is.

    Tokens that wrap others are left out: a sale of theirs is one of several things.
    """
    most = getattr(market, "kept", market.paid)
    kept = most(market._parameters(market.collaterals)[1])
    for token, share in zip(market.collaterals, kept, strict=False):
        if token.asset is None or getattr(token, "wraps", None) is not None:
            continue
        table = market.liquidity.table((token.asset,))
        if not np.isfinite(table).all():
            yield Clearable(token.symbol, None, None)
            continue
        outstanding = np.zeros((market.liquidity.sources, 1))
        decay = np.broadcast_to(market.liquidity.decay(1.0), (market.liquidity.sources,))[:, None]
        one, paid, sold = np.ones(1), np.empty(1), []
        for _ in range(_HOURS):
            low, high = range_on_lane(table, outstanding, 1.0 / share, market.liquidity.keep)
            sold.append(high if high > low else 0.0)
            sale_on_lanes(table, 0, outstanding, np.array(sold[-1:]), one, market.liquidity.keep, paid)
            outstanding *= decay
        yield Clearable(token.symbol, sold[0], float(sum(sold)))
