"""A sale down a ladder of liquidity: the one curve of ranges of a pool, of a book, and of both together.

With z what was sold before (USD at the mark) and s the square root of what the next USD is paid, relative to the mark,
a rung from s_k down to s_{k+1} has liquidity L_k (USD), and on it

    1 / s = 1 / s_k + (z - z_k) / L_k,      paid = L_k (s_k - s),      d paid / d z = s^2.

A pool of depth D is one rung of L = D from 1 to 0.  A fee that leaves the share g is a change of units: taken from
what goes in, s is sqrt(g) that of the pool and L is D / sqrt(g); taken from what comes out, L is D sqrt(g).  Sources on
one grid of rungs are sold into where the next USD pays most, which on a rung is a sum of liquidities; each remembers
what was sold into it and refills by itself.  What was sold first and what second does not matter.  Below the last rung
nobody buys.

The sale q at which proceeds less c q less a fixed cost f vanish solves, on the rung on which it ends, with P the profit
on reaching it at s, e = s / L and c a USD's cost,

    c e q^2 - (s^2 - c + P e) q - P = 0.

Reference: Uniswap v3 whitepaper (2021), section 6.2, for a rung.
"""

from collections.abc import Sequence

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel
from riskengine.vecmath import root


def merged(sources: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Sources on one grid: square-root prices at the edges of rungs, descending, then the liquidities of each.

    Parameters
    ----------
    sources : sequence of (ndarray, shape (K + 1,), ndarray, shape (K,))
        Edges, descending, and liquidity between them in USD.

    Returns
    -------
    ndarray, shape (1 + len(sources), rungs + 1)
        The last column of a row of liquidities is empty.
    """
    edges = np.unique(np.concatenate([s for s, _ in sources]))[::-1]
    middle = 0.5 * (edges[1:] + edges[:-1])
    out = np.zeros((1 + len(sources), edges.size))
    out[0] = edges
    for row, (own, liquidity) in zip(out[1:], sources, strict=True):
        at = np.searchsorted(-own, -middle) - 1
        inside = (at >= 0) & (at < liquidity.size)
        row[:-1][inside] = liquidity[at[inside]]
    return out


def stacked(assets: tuple[str, ...], own: dict[str, Floats]) -> Floats:
    """Ladders of `assets` as kernels take them, shape (A, 1 + sources, rungs + 1); infinite for those without one."""
    rows = max(a.shape[0] for a in own.values())
    rungs = max(a.shape[1] for a in own.values())
    out = np.full((len(assets), rows, rungs), np.inf)
    for a, name in enumerate(assets):
        if name in own:
            out[a] = 0.0
            # empty rungs at the lower end: from the last price to itself
            out[a, 0] = own[name][0, -1]
            out[a, :, : own[name].shape[1]] = own[name]
    return out


@kernel
def reached(table, a, source, sold):
    """Square root of what the next USD pays in a `source` after `sold` USD; the end of the ladder where it is empty."""
    rungs = table.shape[2] - 1
    for k in range(rungs):
        liquidity = table[a, 1 + source, k]
        if liquidity > 0.0:
            top = table[a, 0, k]
            width = liquidity * (1.0 / table[a, 0, k + 1] - 1.0 / top)
            if sold < width:
                return 1.0 / (1.0 / top + sold / liquidity)
            sold -= width
    return table[a, 0, rungs]


@kernel
def ladder_sale(table, a, outstanding, p, coins, price):
    """USD paid for `coins` of asset `a` at the market `price` on lane `p`; `outstanding` moves.

    `table` is (A, 1 + sources, rungs + 1); row ``source * A + a`` of `outstanding` is what was sold into a source, in
    coins.  What exceeds the ladder is paid nothing.
    """
    assets, two = table.shape[0], table.shape[1] == 3
    first = reached(table, a, 0, outstanding[a, p] * price)
    second = reached(table, a, 1, outstanding[assets + a, p] * price) if two else 0.0
    s = max(first, second)
    left = coins * price
    paid = 0.0
    into_first = 0.0
    into_second = 0.0
    for k in range(table.shape[2] - 1):
        # the other source may set in on the way down a rung
        for _ in range(2):
            end = table[a, 0, k + 1]
            if end >= s or left <= 0.0:
                break
            other = min(first, second)
            if end < other < s:
                end = other
            own = table[a, 1, k] if first >= s else 0.0
            beside = table[a, 2, k] if two and second >= s else 0.0
            liquidity = own + beside
            if liquidity > 0.0:
                share = own / liquidity
                width = liquidity * (1.0 / end - 1.0 / s)
                taken = min(left, width)
                paid += s * s * taken / (1.0 + s * taken / liquidity)
                into_first += taken * share
                into_second += taken * (1.0 - share)
                left -= taken
            s = end
    outstanding[a, p] += into_first / price
    if two:
        outstanding[assets + a, p] += into_second / price
    return paid


@kernel
def ladder_range(table, a, outstanding, p, cost, fixed, price):
    """Smallest and largest sale (coins) with proceeds of at least `cost` a coin and `fixed`; (1, 0) for none."""
    assets, two = table.shape[0], table.shape[1] == 3
    first = reached(table, a, 0, outstanding[a, p] * price)
    second = reached(table, a, 1, outstanding[assets + a, p] * price) if two else 0.0
    s = max(first, second)
    c = cost / price
    profit = -fixed
    sold = 0.0
    low = -1.0
    for k in range(table.shape[2] - 1):
        for _ in range(2):
            end = table[a, 0, k + 1]
            if end >= s:
                break
            other = min(first, second)
            if end < other < s:
                end = other
            own = table[a, 1, k] if first >= s else 0.0
            liquidity = own + (table[a, 2, k] if two and second >= s else 0.0)
            if liquidity > 0.0:
                e = s / liquidity
                width = liquidity * (1.0 / end - 1.0 / s)
                margin = s * s - c + profit * e
                square = margin * margin + 4.0 * c * e * profit
                if low < 0.0:
                    if profit >= 0.0:
                        low = sold if margin > 0.0 else low
                    elif margin > 0.0 and square >= 0.0:
                        at = -2.0 * profit / (margin + root(square))
                        low = sold + at if at <= width else low
                    if low < 0.0 and end * end <= c:
                        return 1.0, 0.0
                if low >= 0.0:
                    at = (margin + root(max(square, 0.0))) / (2.0 * c * e)
                    if at <= width:
                        return low / price, (sold + max(at, 0.0)) / price
                profit += s * s * width / (1.0 + e * width) - c * width
                sold += width
            s = end
    return (low / price, sold / price) if low >= 0.0 else (1.0, 0.0)
