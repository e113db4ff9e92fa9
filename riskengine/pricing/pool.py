"""What the liquidity of a pool holds and is worth at the pool's fair price: arbitrage keeps it at the market's.

Of one unit of liquidity of `riskengine.instrument.terms.PoolToken` at S (USD a coin of the asset) and Q (of the other),

    r = min(max(sqrt(S / Q), sqrt(low)), sqrt(high)),   x = 1 / r - 1 / sqrt(high),   y = r - sqrt(low),
    V = x S + y Q,   dV/dS = x,   dV/dQ = y,   S^2 d2V/dS2 = Q^2 d2V/dQ2 = -sqrt(S Q) / 2 inside the range, else 0.

Over all prices V = 2 sqrt(S Q): it depends on the market's prices alone, never on what a trade inside a block made of
the reserves, so a pool that is pushed is worth the same.  The derivatives are the holdings because a swap at the fair
price moves no value.  Against holding the coins of the deposit the token is worth less whenever the price has moved:
V / (x0 S + y0 Q) - 1, which over all prices and with k the ratio of S / Q then and now is 2 sqrt(k) / (1 + k) - 1.

References: Angeris and Chitra, Improved price oracles (2020); Adams et al., Uniswap v3 Core (2021), section 6.
"""

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import PoolToken
from riskengine.jit import kernel
from riskengine.market.grid import HOURS_PER_YEAR
from riskengine.market.snapshot import MarketSnapshot
from riskengine.vecmath import root


def holdings(price: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Coins (x, y) of one unit of liquidity at `price` of the first coin in the second, by broadcasting."""
    r = np.minimum(np.maximum(np.sqrt(price), np.sqrt(low)), np.sqrt(high))
    return 1.0 / r - 1.0 / np.sqrt(high), r - np.sqrt(low)


@kernel(inline=True)
def liquidity_value(asset, against, low_root, high_root):
    """V of one unit at USD prices `asset` and `against`; the roots are those of the range."""
    r = root(asset / against)
    r = low_root if r < low_root else r
    r = high_root if r > high_root else r
    return (1.0 / r - 1.0 / high_root) * asset + (r - low_root) * against


def prices(book: Portfolio, spot: Floats) -> tuple[Floats, Floats]:
    """USD prices of the two coins of each pool token at `spot` (A, P), shape (L, P) each."""
    dollar = np.concatenate([spot, np.ones((1, spot.shape[1]))])
    return spot[book.asset_index[book.pools]], dollar[book.against_index]


def ranges(book: Portfolio) -> tuple[Floats, Floats]:
    """Lower and upper price of each pool token, shape (L, 1) each."""
    terms = [book.instruments[m] for m in book.pools]
    return tuple(np.array([[getattr(t, name)] for t in terms]).reshape(-1, 1) for name in ("low", "high"))


def earned(book: Portfolio, hours: float) -> Floats:
    """Factor by which fees have grown the liquidity of each pool token after `hours`, shape (L, 1)."""
    rates = np.array([book.instruments[m].fee_rate for m in book.pools])
    return np.exp(rates * (hours / HOURS_PER_YEAR))[:, None]


def packed(book: Portfolio, hours: float) -> tuple[Ints, Floats]:
    """Pool tokens as kernels read them: both assets (2, L), and roots of the range and growth of liquidity (L, 3)."""
    low, high = ranges(book)
    assets = np.stack([book.asset_index[book.pools], book.against_index])
    return assets, np.concatenate([np.sqrt(low), np.sqrt(high), earned(book, hours)], axis=1)


def pool_legs(book: Portfolio, now: MarketSnapshot) -> tuple[Floats, Floats]:
    """USD value of the two legs of one unit of each pool token, shape (L, P) each; their sum is what it is worth."""
    first, second = prices(book, now.spot)
    x, y = holdings(first / second, *ranges(book))
    grown = earned(book, now.elapsed_hours)
    return grown * x * first, grown * y * second


def pool_values(book: Portfolio, now: MarketSnapshot) -> Floats:
    """USD value of one unit of each pool token, shape (L, P)."""
    first, second = pool_legs(book, now)
    return first + second


def pool_sensitivities(book: Portfolio, now: MarketSnapshot, asset: int) -> tuple[Floats, Floats]:
    """S dV/dS and S^2 d2V/dS2 in one asset of every account's pool tokens, USD, shape (K, P) each."""
    delta, curvature = np.zeros((2, book.accounts, now.count))
    if not book.pools.size:
        return delta, curvature
    first, second = prices(book, now.spot)
    low, high = ranges(book)
    inside = (first > low * second) & (first < high * second)
    bend = np.where(inside, -0.5 * np.sqrt(first * second), 0.0) * earned(book, now.elapsed_hours)
    of_leg = (book.asset_index[book.pools] == asset, book.against_index == asset)
    for mine, leg in zip(of_leg, pool_legs(book, now), strict=True):
        for j in np.flatnonzero(mine):
            held = book.quantity[:, book.pools[j], None]
            delta += held * leg[j]
            curvature += held * bend[j]
    return delta, curvature


def against_holding(terms: PoolToken, before: Floats, asset: Floats, against: Floats) -> Floats:
    """Impermanent loss: worth of a pool token, fees left out, over that of its coins at price `before`, minus 1.

    Parameters
    ----------
    terms : PoolToken
    before : ndarray or float
        Price of the asset in `against` at the deposit.
    asset, against : ndarray
        USD prices of the two coins now.
    """
    x, y = holdings(asset / against, terms.low, terms.high)
    held_x, held_y = holdings(before, terms.low, terms.high)
    return (x * asset + y * against) / (held_x * asset + held_y * against) - 1.0
